/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namei.c: making, linking and removing names: mkdir(2), mknod(2), symlink(2), link(2), unlink(2),
 * rmdir(2).  rename(2) is in rename.c.
 *
 * Each is: walk to the parent, take the directory's lock, look the name up under it, check, act,
 * and bring the dentry cache in line.  A name is in the cache (hashed) while it is being removed,
 * so that a reader's dcache_add() can't put an older answer in its place.
 *
 * Order of errors as in Linux's fs/namei.c: filename_create(), do_unlinkat(), do_rmdir().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include "lib/annotations.h"
#include "lib/mem.h"
#include "vfs/landlock.h"
#include "vfs/protected.h"
#include "vfs/user_ns.h"
#include "vfs/mount_impl.h"

/* ---- permission ------------------------------------------------------------------------------- */

int may_create(struct vfs_ctx *c, struct dentry *dir)
{
	struct inode *di = dentry_inode(dir);

	if (dentry_unlinked(dir))
		return -ENOENT;
	if (user_ns_from_kernel(di->sb->user_ns, ID_UID, c->cred->fsuid) == ID_INVALID ||
	    user_ns_from_kernel(di->sb->user_ns, ID_GID, c->cred->fsgid) == ID_INVALID)
		return -EOVERFLOW;
	return inode_permission(c, di, MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only owners (of it or of the victim) remove. */
static bool sticky_forbids(struct vfs_ctx *c, const struct inode *dir, const struct inode *victim)
{
	return (dir->mode & S_ISVTX) && victim->uid != c->cred->fsuid &&
	       dir->uid != c->cred->fsuid && !inode_capable(c, victim, CAP_FOWNER);
}

int may_delete(struct vfs_ctx *c, struct dentry *dir, struct dentry *victim, bool is_dir)
{
	struct inode *di = dentry_inode(dir), *vi = dentry_inode(victim);
	int err;

	err = inode_permission(c, di, MAY_WRITE | MAY_EXEC);
	if (err < 0)
		return err;
	if (sticky_forbids(c, di, vi))
		return -EPERM;
	if (is_dir && !S_ISDIR(vi->mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(vi->mode))
		return -EISDIR;
	if (dentry_unlinked(dir))
		return -ENOENT;
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------- */

/* A creation in progress: walk done, mount writable, directory locked, d negative. */
struct creation {
	struct walk w;
	struct dentry *dir; /* borrowed from w */
	struct inode *di;
	struct dentry *d;   /* counted */
	bool unseen;        /* d was not looked up: walk_unseen() */
};

/* err is how it went; returns it, or -EEXIST when that is what another error came instead of. */
NO_TSA static int creation_end(struct vfs_ctx *c, struct creation *cr, int err)
{
	struct dentry *d;

	if (err < 0 && cr->unseen &&
	    walk_lookup(c, cr->dir, cr->w.last, cr->w.last_len, true, &d) == 0) {
		if (dentry_inode(d))
			err = -EEXIST;
		dentry_put(d);
	}
	dentry_put(cr->d);
	mutex_unlock(&cr->di->lock);
	mount_drop_write(cr->w.cur.mnt);
	walk_fini(&cr->w);
	return err;
}

/* Of creation_begin(): a new name for something old. */
#define CREATE_LINK 0

/* type: S_IF* of what will be made, or CREATE_LINK.  On failure nothing is held. */
NO_TSA static int creation_begin(struct creation *cr, struct vfs_ctx *c, const struct path *at,
			  const char *name, uint32_t type)
{
	int ro, err;

	err = walk_parent(&cr->w, c, at, name);
	if (err < 0)
		goto fini;
	err = -EEXIST;
	if (cr->w.last_type != LAST_NORM)
		goto fini;
	cr->dir = cr->w.cur.dentry;
	cr->di = dentry_inode(cr->dir);
	ro = mount_want_write(cr->w.cur.mnt);
	mutex_lock(&cr->di->lock);
	cr->d = NULL;
	if (ro == 0 && !cr->w.trailing_slash)
		cr->d = walk_unseen(c, cr->dir, cr->w.last, cr->w.last_len);
	cr->unseen = cr->d != NULL;
	if (cr->unseen) {
		if (type == CREATE_LINK || landlock_make(c, &cr->w.cur, type) == 0)
			return 0;
		dentry_put(cr->d);
		cr->unseen = false;
	}
	err = walk_lookup(c, cr->dir, cr->w.last, cr->w.last_len, true, &cr->d);
	if (err < 0)
		goto unlock;
	err = -EEXIST;
	if (dentry_inode(cr->d))
		goto put_d;
	err = -ENOENT;
	if (cr->w.trailing_slash && !S_ISDIR(type))
		goto put_d;
	err = ro;
	if (err == 0 && type != CREATE_LINK)
		err = landlock_make(c, &cr->w.cur, type);
	if (err == 0)
		err = may_create(c, cr->dir);
	if (err == 0)
		return 0;
put_d:
	dentry_put(cr->d);
unlock:
	mutex_unlock(&cr->di->lock);
	if (ro == 0)
		mount_drop_write(cr->w.cur.mnt);
fini:
	walk_fini(&cr->w);
	return err;
}

/* Bring cache and watchers in line after the file system filled d. */
static void creation_done(struct vfs_ctx *c, struct creation *cr, uint32_t mode)
{
	struct inode *i = dentry_inode(cr->d);

	ASSERT(i);
	dentry_hash(cr->d);
	if (!S_ISLNK(i->mode))
		acl_inherit(c, cr->di, i, mode);
	fsnotify_name(cr->di, i, dentry_name(cr->d), IN_CREATE | (S_ISDIR(i->mode) ? IN_ISDIR : 0), 0);
}

int vfs_mkdir(struct vfs_ctx *c, const struct path *at, const char *name, uint32_t mode)
{
	struct inode_attr_new a;
	struct creation cr;
	int err;

	err = creation_begin(&cr, c, at, name, S_IFDIR);
	if (err < 0)
		return err;
	err = -EPERM;
	if (cr.di->ops->mkdir) {
		inode_new_attr(c, cr.di, S_IFDIR | (mode & (0777 | S_ISVTX)), &a);
		dcache_changed(cr.dir->sb);
		err = cr.di->ops->mkdir(c, cr.di, cr.d, &a);
	}
	if (err == 0)
		creation_done(c, &cr, mode);
	return creation_end(c, &cr, err);
}

static int mknod_locked(struct vfs_ctx *c, struct creation *cr, uint32_t mode, uint64_t rdev,
			int sock_type)
{
	const struct inode_ops *ops = cr->di->ops;
	struct inode_attr_new a;
	int err = -EPERM;

	inode_new_attr(c, cr->di, mode, &a);
	dcache_changed(cr->dir->sb);
	if (S_ISREG(mode)) {
		if (ops->create)
			err = ops->create(c, cr->di, cr->d, &a);
	} else {
		a.rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
		a.sock_type = sock_type;
		if (ops->mknod)
			err = ops->mknod(c, cr->di, cr->d, &a);
	}
	if (err == 0)
		creation_done(c, cr, mode);
	return err;
}

int vfs_mknod(struct vfs_ctx *c, const struct path *at, const char *name, uint32_t mode,
	      uint64_t rdev)
{
	struct creation cr;
	int err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	mode &= S_IFMT | 07777;
	err = creation_begin(&cr, c, at, name, mode & S_IFMT);
	if (err < 0)
		return err;
	/* A 0:0 character device is overlayfs's whiteout, which everybody may make. */
	if ((S_ISBLK(mode) || (S_ISCHR(mode) && rdev != 0)) && !cred_capable(c->cred, CAP_MKNOD))
		err = -EPERM;
	else if ((S_ISBLK(mode) || (S_ISCHR(mode) && rdev != 0)) &&
		 vfs_device_allowed(c, mode, rdev, 0) < 0)
		err = -EPERM;
	else
		err = mknod_locked(c, &cr, mode, rdev, 0);
	return creation_end(c, &cr, err);
}

int vfs_bind_socket(struct vfs_ctx *c, const char *name, uint32_t mode, int type, void *bound,
		    void (*bound_put)(void *), struct path *out)
{
	struct creation cr;
	struct inode *i;
	int err;

	err = creation_begin(&cr, c, NULL, name, S_IFSOCK);
	if (err < 0)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = mknod_locked(c, &cr, S_IFSOCK | (mode & 07777), 0, type);
	if (err == 0) {
		i = dentry_inode(cr.d);
		mutex_lock(&i->lock);
		i->bound = bound;
		i->bound_put = bound_put;
		mutex_unlock(&i->lock);
		out->mnt = cr.w.cur.mnt;
		out->dentry = cr.d;
		path_get(out);
	}
	return creation_end(c, &cr, err);
}

int vfs_symlink(struct vfs_ctx *c, const char *target, const struct path *at, const char *name)
{
	struct inode_attr_new a;
	struct creation cr;
	int err;

	if (target[0] == '\0')
		return -ENOENT;
	if (strnlen(target, PATH_LEN_MAX) == PATH_LEN_MAX)
		return -ENAMETOOLONG;
	err = creation_begin(&cr, c, at, name, S_IFLNK);
	if (err < 0)
		return err;
	err = -EPERM;
	if (cr.di->ops->symlink) {
		inode_new_attr(c, cr.di, S_IFLNK, &a);
		a.mode = S_IFLNK | 0777;
		dcache_changed(cr.dir->sb);
		err = cr.di->ops->symlink(c, cr.di, cr.d, target, &a);
	}
	if (err == 0)
		creation_done(c, &cr, 0777);
	return creation_end(c, &cr, err);
}

/* ---- link ------------------------------------------------------------------------------------- */

/* fs.protected_hardlinks: files of others are linked only when plain and readable and writable. */
static int may_link(struct vfs_ctx *c, struct inode *i)
{
	const uint32_t sgid_exec = S_ISGID | S_IXGRP;

	if (!atomic_load_explicit(&protected_names.hardlinks, memory_order_relaxed) ||
	    inode_owner_or_capable(c, i))
		return 0;
	if (!S_ISREG(i->mode) || (i->mode & S_ISUID) || (i->mode & sgid_exec) == sgid_exec ||
	    inode_permission(c, i, MAY_READ | MAY_WRITE) < 0)
		return -EPERM;
	return 0;
}

/* landlock(7): the new name stands where it grants no more than the old one. */
static int link_landlock(struct vfs_ctx *c, struct creation *cr, const struct path *old)
{
	struct dentry *parent = old->dentry == old->mnt->root ? NULL : dentry_parent(old->dentry);
	struct path dir = { old->mnt, parent ? parent : old->dentry };
	struct landlock_refer r = { .old_dir = &dir, .new_dir = &cr->w.cur, .old = old->dentry,
				    .new = cr->d };
	int err = landlock_refer(c, &r);

	dentry_put(parent);
	return err;
}

static int link_locked(struct vfs_ctx *c, struct creation *cr, const struct path *old)
{
	struct inode *i = dentry_inode(old->dentry);
	int err;

	if (old->mnt != cr->w.cur.mnt)
		return -EXDEV;
	err = may_link(c, i);
	if (err == 0)
		err = link_landlock(c, cr, old);
	if (err < 0)
		return err;
	if (S_ISDIR(i->mode) || !cr->di->ops->link)
		return -EPERM;
	mutex_lock(&i->lock);
	err = -ENOENT;
	if (i->nlink > 0 || i->linkable) {
		dcache_changed(cr->dir->sb);
		err = cr->di->ops->link(c, cr->di, cr->d, i);
	}
	if (err == 0)
		i->linkable = false;
	mutex_unlock(&i->lock);
	if (err == 0) {
		ASSERT(dentry_inode(cr->d));
		dentry_hash(cr->d);
		fsnotify_inode(i, IN_ATTRIB);
		fsnotify_name(cr->di, i, dentry_name(cr->d), IN_CREATE, 0);
	}
	return err;
}

int vfs_link(struct vfs_ctx *c, const struct path *old_at, const char *old_name,
	     const struct path *new_at, const char *new_name, int at_flags)
{
	unsigned int flags = 0;
	struct creation cr;
	struct path old;
	int err;

	if (at_flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (at_flags & AT_SYMLINK_FOLLOW)
		flags |= WALK_FOLLOW;
	if (at_flags & AT_EMPTY_PATH) {
		if (old_name[0] == '\0' && !cred_capable(c->cred, CAP_DAC_READ_SEARCH))
			return -ENOENT;
		flags |= WALK_EMPTY;
	}
	err = vfs_walk(c, old_at, old_name, flags, &old);
	if (err < 0)
		return err;
	err = creation_begin(&cr, c, new_at, new_name, CREATE_LINK);
	if (err == 0) {
		err = creation_end(c, &cr, link_locked(c, &cr, &old));
	}
	path_put(&old);
	return err;
}

/* ---- removing --------------------------------------------------------------------------------- */

/*
 * The name is gone: a negative entry takes its place where the file system has use for one.  It is as
 * fresh as d, which was looked up before it was removed.
 */
static void removed(struct dentry *dir, struct dentry *d)
{
	char name[NAME_LEN_MAX + 1];
	struct dentry *negative;

	memcpy(name, dentry_name(d), dentry_name_len(d) + 1);
	dentry_kill(d);
	if (dir->sb->flags & SUPER_NOCACHE_NEG)
		return;
	negative = dcache_add(dir, name, NULL);
	if (negative && dir->sb->flags & SUPER_REVALIDATE)
		dentry_set_priv(negative, dentry_priv(d));
	dentry_put(negative);
}

static int unlink_locked(struct vfs_ctx *c, struct walk *w, struct dentry *d)
{
	struct dentry *dir = w->cur.dentry;
	struct inode *di = dentry_inode(dir), *i = dentry_inode(d);
	int err;

	err = landlock_remove(c, &w->cur, false);
	if (err == 0)
		err = may_delete(c, dir, d, false);
	if (err < 0)
		return err;
	if (!di->ops->unlink)
		return -EPERM;
	if (mount_is_local(c->mnt_ns, d))
		return -EBUSY;
	mutex_lock(&i->lock);
	dcache_changed(dir->sb);
	err = di->ops->unlink(c, di, d);
	mutex_unlock(&i->lock);
	if (err < 0)
		return err;
	fsnotify_inode(i, IN_ATTRIB);
	fsnotify_name(di, i, dentry_name(d), IN_DELETE, 0);
	mount_detach_dentry(d);
	removed(dir, d);
	return 0;
}

/* Under the directory's lock: the victim, positive, or an error. */
static int removal_lookup(struct vfs_ctx *c, struct walk *w, struct dentry **d)
{
	int err = walk_lookup(c, w->cur.dentry, w->last, w->last_len, true, d);

	if (err < 0) {
		*d = NULL;
		return err;
	}
	if (!dentry_inode(*d)) {
		dentry_put(*d);
		*d = NULL;
		return -ENOENT;
	}
	return 0;
}

int vfs_unlink(struct vfs_ctx *c, const struct path *at, const char *name)
{
	struct dentry *d = NULL;
	struct inode *di;
	struct walk w;
	int err;

	err = walk_parent(&w, c, at, name);
	if (err < 0)
		goto fini;
	err = -EISDIR;
	if (w.last_type != LAST_NORM)
		goto fini;
	err = mount_want_write(w.cur.mnt);
	if (err < 0)
		goto fini;
	di = dentry_inode(w.cur.dentry);
	mutex_lock(&di->lock);
	err = removal_lookup(c, &w, &d);
	if (err == 0) {
		if (w.trailing_slash)
			err = inode_is_dir(dentry_inode(d)) ? -EISDIR : -ENOTDIR;
		else
			err = unlink_locked(c, &w, d);
	}
	mutex_unlock(&di->lock);
	mount_drop_write(w.cur.mnt);
	dentry_put(d); /* the last reference may free the file: without the directory's lock */
fini:
	walk_fini(&w);
	return err;
}

static int rmdir_locked(struct vfs_ctx *c, struct walk *w, struct dentry *d)
{
	struct dentry *dir = w->cur.dentry;
	struct inode *di = dentry_inode(dir), *i = dentry_inode(d);
	int err;

	err = landlock_remove(c, &w->cur, true);
	if (err == 0)
		err = may_delete(c, dir, d, true);
	if (err < 0)
		return err;
	if (!di->ops->rmdir)
		return -EPERM;
	if (mount_is_local(c->mnt_ns, d))
		return -EBUSY;
	mutex_lock_nested(&i->lock);
	dcache_changed(dir->sb);
	err = di->ops->rmdir(c, di, d);
	if (err == 0)
		atomic_fetch_or_explicit(&d->flags, DENTRY_DEAD, memory_order_relaxed);
	mutex_unlock(&i->lock);
	if (err < 0)
		return err;
	fsnotify_name(di, i, dentry_name(d), IN_DELETE | IN_ISDIR, 0);
	mount_detach_dentry(d);
	dentry_drop(d); /* negative children too */
	removed(dir, d);
	return 0;
}

int vfs_rmdir(struct vfs_ctx *c, const struct path *at, const char *name)
{
	static const int by_last[] = { [LAST_ROOT] = -EBUSY, [LAST_DOT] = -EINVAL,
				       [LAST_DOTDOT] = -ENOTEMPTY };
	struct dentry *d = NULL;
	struct inode *di;
	struct walk w;
	int err;

	err = walk_parent(&w, c, at, name);
	if (err < 0)
		goto fini;
	err = by_last[w.last_type];
	if (w.last_type != LAST_NORM)
		goto fini;
	err = mount_want_write(w.cur.mnt);
	if (err < 0)
		goto fini;
	di = dentry_inode(w.cur.dentry);
	mutex_lock(&di->lock);
	err = removal_lookup(c, &w, &d);
	if (err == 0)
		err = rmdir_locked(c, &w, d);
	mutex_unlock(&di->lock);
	mount_drop_write(w.cur.mnt);
	dentry_put(d);
fini:
	walk_fini(&w);
	return err;
}
