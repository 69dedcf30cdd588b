/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c: open(2), openat2(2).
 *
 * Three ways in: by name without O_CREAT (a plain walk), with O_CREAT (a walk to the parent, then
 * look up or create under the directory's lock, following final symlinks by going on), O_TMPFILE
 * (a walk to the directory).  All end in open_existing() or file_open_path().
 *
 * Special files: what a device, FIFO or socket inode stands for is the Sentry's, whatever file
 * system the inode is on.
 *
 * Order of errors as in Linux's fs/namei.c (do_open, may_open) and fs/open.c (do_dentry_open).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fanotify.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mount.h>

#include "vfs/fanotify.h"
#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/pipe.h"
#include "vfs/protected.h"
#include "vfs/lock.h"
#include "vfs/vfs_impl.h"

/* The kernel's __O_TMPFILE; the C library's O_TMPFILE and __O_TMPFILE have O_DIRECTORY in them. */
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* What inode permissions an open with these flags needs. */
static unsigned int may_of_flags(int flags)
{
	static const unsigned int by_mode[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
						 MAY_READ | MAY_WRITE };
	unsigned int may;

	if (flags & O_PATH)
		return 0;
	may = by_mode[flags & O_ACCMODE];
	if (flags & O_TRUNC)
		may |= MAY_WRITE;
	return may;
}

static int flags_check(int *flags)
{
	int f = *flags;

	if (f & O_PATH) {
		*flags = f & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return 0;
	}
	if (f & TMPFILE_BIT) {
		if ((f & (O_TMPFILE | O_CREAT)) != O_TMPFILE || !(may_of_flags(f) & MAY_WRITE))
			return -EINVAL;
		return 0;
	}
	if ((f & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	return 0;
}

/* ---- making the file -------------------------------------------------------------------------- */

static bool is_special(const struct inode *i)
{
	return S_ISCHR(i->mode) || S_ISBLK(i->mode) || S_ISFIFO(i->mode) || S_ISSOCK(i->mode);
}

static int open_take_counts(struct file *f, unsigned int kind)
{
	bool writes = (f->kind & FILE_WRITE) || (may_of_flags(f->flags) & MAY_WRITE);
	struct inode *i = f->inode;
	int err;

	if ((kind & FILE_EXEC) && S_ISREG(i->mode))
		return file_hold_exec(f);
	/* O_RDONLY|O_TRUNC is a writer until it has truncated. */
	if (S_ISREG(i->mode) && (writes || (kind & FILE_TRUNC))) {
		err = file_hold_writer(f);
		if (err < 0)
			return err;
	}
	if (!writes) {
		atomic_fetch_add_explicit(&i->readcount, 1, memory_order_relaxed);
		f->holds |= FILE_HOLDS_READER;
		return 0;
	}
	if (is_special(i))
		return 0;
	err = mount_want_write(f->path.mnt);
	if (err < 0)
		return err;
	f->holds |= FILE_HOLDS_MOUNT;
	return 0;
}

static int open_by_type(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		int err = vfs_device_allowed(c, i->mode, i->rdev, (int)may_of_flags(f->flags));

		if (err < 0)
			return err;
	}
	if (i->ops->open_any)
		return i->ops->open_any(c, i, f);
	switch (i->mode & S_IFMT) {
	case S_IFCHR:
		return chrdev_open(c, i, f);
	case S_IFIFO:
		return fifo_open(c, i, f);
	case S_IFBLK:
	case S_IFSOCK:
		return -ENXIO;
	default:
		return i->ops->open ? i->ops->open(c, i, f) : 0;
	}
}

int file_open_path(struct vfs_ctx *c, const struct path *p, int flags, unsigned int kind,
		   struct file **out)
{
	struct inode *i = dentry_inode(p->dentry);
	struct file *f;
	int err;

	err = file_new(p, i->fops, flags, c->cred, &f);
	if (err < 0)
		return err;
	if (flags & O_PATH) {
		*out = f;
		return 0;
	}
	f->kind |= kind | (flags & O_NOCTTY ? FILE_NOCTTY : 0);
	f->holds |= FILE_HALF_OPEN;
	err = S_ISREG(i->mode) ? lease_break(c, i, (flags & O_ACCMODE) != O_RDONLY,
					     flags & O_NONBLOCK) : 0;
	if (err == 0)
		err = open_take_counts(f, kind);
	if (err == 0)
		err = landlock_open(c, f);
	if (err == 0 && (kind & FILE_EXEC))
		err = fanotify_ask(c, f, FAN_OPEN_EXEC_PERM);
	if (err == 0)
		err = fanotify_ask(c, f, FAN_OPEN_PERM);
	if (err == 0)
		err = open_by_type(c, i, f);
	if (err < 0) {
		file_put(f);
		return err;
	}
	f->holds = (f->holds & ~(unsigned int)FILE_HALF_OPEN) | FILE_HOLDS_OPEN;
	fsnotify_file(f, kind & FILE_EXEC ? IN_OPEN | FAN_OPEN_EXEC : IN_OPEN);
	*out = f;
	return 0;
}

/* Type, mount flags and permission: may_open(). */
static int may_open(struct vfs_ctx *c, const struct path *p, int *flags, unsigned int kind)
{
	struct inode *i = dentry_inode(p->dentry);
	unsigned int may = may_of_flags(*flags);
	int err;

	if (*flags & O_PATH)
		return 0;
	if (kind & FILE_EXEC)
		may = MAY_EXEC;
	switch (i->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (may & MAY_WRITE)
			return -EISDIR;
		if (kind & FILE_EXEC)
			return -EACCES;
		break;
	case S_IFCHR:
	case S_IFBLK:
		if ((mount_flags(p->mnt) & MS_NODEV) || (i->sb->flags & SUPER_NODEV))
			return -EACCES;
		*flags &= ~O_TRUNC;
		break;
	case S_IFIFO:
	case S_IFSOCK:
		*flags &= ~O_TRUNC;
		break;
	default:
		break;
	}
	if (kind & FILE_EXEC) {
		if (!S_ISREG(i->mode) || (mount_flags(p->mnt) & MS_NOEXEC))
			return -EACCES;
	}
	err = inode_permission(c, i, may);
	if (err < 0)
		return err;
	if ((*flags & O_NOATIME) && !inode_owner_or_capable(c, i))
		return -EPERM;
	return 0;
}

static int open_truncate(struct vfs_ctx *c, struct file *f)
{
	struct setattr a = {
		.mask = SETATTR_SIZE | SETATTR_MTIME_NOW | SETATTR_CTIME_NOW,
		.size = 0,
	};
	int err;

	mutex_lock(&f->inode->lock);
	err = inode_setattr_locked(c, f->inode, &a);
	mutex_unlock(&f->inode->lock);
	if (err == 0)
		fsnotify_file(f, IN_MODIFY);
	if (f->holds & FILE_HOLDS_READER)
		file_drop_writer(f);
	return err;
}

static int open_existing(struct vfs_ctx *c, const struct path *p, int flags, unsigned int kind,
			 struct file **out)
{
	bool truncate;
	int err;

	err = may_open(c, p, &flags, kind);
	if (err < 0)
		return err;
	truncate = (flags & O_TRUNC) && S_ISREG(dentry_inode(p->dentry)->mode);
	if (truncate) {
		/* O_RDONLY|O_TRUNC truncates too, so the mount has to be writable. */
		err = mount_want_write(p->mnt);
		if (err < 0)
			return err;
	}
	err = file_open_path(c, p, flags, truncate ? kind | FILE_TRUNC : kind, out);
	if (err == 0 && truncate) {
		err = open_truncate(c, *out);
		if (err < 0)
			file_put(*out);
	}
	if (truncate)
		mount_drop_write(p->mnt);
	return err;
}

int vfs_open_path(struct vfs_ctx *c, const struct path *p, int flags, struct file **out)
{
	return open_existing(c, p, flags, 0, out);
}

int vfs_open_exec_path(struct vfs_ctx *c, const struct path *p, struct file **out)
{
	return open_existing(c, p, O_RDONLY, FILE_EXEC, out);
}

/* ---- O_CREAT ---------------------------------------------------------------------------------- */

static int create_regular(struct walk *w, struct dentry *d, uint32_t mode)
{
	struct vfs_ctx *c = w->c;
	struct dentry *dir = w->cur.dentry;
	struct inode *di = dentry_inode(dir);
	struct inode_attr_new a;
	int err;

	err = landlock_make(c, &w->cur, S_IFREG);
	if (err == 0)
		err = may_create(c, dir);
	if (err < 0)
		return err;
	if (!di->ops->create)
		return -EACCES;
	inode_new_attr(c, di, S_IFREG | (mode & 07777), &a);
	dcache_changed(dir->sb);
	err = di->ops->create(c, di, d, &a);
	if (err < 0)
		return err;
	ASSERT(dentry_inode(d));
	dentry_hash(d);
	acl_inherit(c, di, dentry_inode(d), mode);
	fsnotify_name(di, dentry_inode(d), dentry_name(d), IN_CREATE, 0);
	return 0;
}

/*
 * The last component of w under its directory's lock: found, or created (then *created).  A
 * read-only mount matters only when something has to be created.
 */
static int open_lookup_create(struct walk *w, const struct open_how_args *how, struct dentry **out,
			      bool *created)
{
	struct vfs_ctx *c = w->c;
	struct dentry *dir = w->cur.dentry;
	struct inode *di = dentry_inode(dir);
	int ro, err;

	*created = false;
	ro = mount_want_write(w->cur.mnt);
	mutex_lock(&di->lock);
	*out = ro == 0 ? walk_unseen(c, dir, w->last, w->last_len) : NULL;
	if (*out) {
		*created = create_regular(w, *out, how->mode) == 0;
		if (*created) {
			err = 0;
			goto unlock;
		}
		dentry_put(*out);
	}
	err = walk_lookup(c, dir, w->last, w->last_len, true, out);
	if (err == 0 && !dentry_inode(*out)) {
		err = ro < 0 ? ro : create_regular(w, *out, how->mode);
		*created = err == 0;
		if (err < 0)
			dentry_put(*out);
	}
unlock:
	mutex_unlock(&di->lock);
	if (ro == 0)
		mount_drop_write(w->cur.mnt);
	return err;
}

/* One round: *done unless a symlink was pushed and the walk has to go on. */
static int open_create_last(struct walk *w, const struct open_how_args *how, bool *done,
			    struct file **out)
{
	struct vfs_ctx *c = w->c;
	struct path p = { w->cur.mnt, NULL };
	bool created;
	int err;

	*done = true;
	if (w->trailing_slash)
		return -EISDIR;
	err = 0;
	if (!walk_may_be_unseen(w->cur.dentry, w->last, w->last_len))
		err = walk_lookup(c, w->cur.dentry, w->last, w->last_len, false, &p.dentry);
	if (err == 0 && (!p.dentry || !dentry_inode(p.dentry))) {
		dentry_put(p.dentry);
		err = open_lookup_create(w, how, &p.dentry, &created);
		if (err == 0 && created) {
			err = file_open_path(c, &p, how->flags & ~O_TRUNC, 0, out);
			if (err == 0)
				(*out)->holds |= FILE_CREATED;
			dentry_put(p.dentry);
			return err;
		}
	}
	if (err < 0)
		return err;
	if (how->flags & O_EXCL) {
		dentry_put(p.dentry);
		return -EEXIST;
	}
	mount_get(p.mnt);
	if (mount_follow(&p) && (w->flags & WALK_NO_XDEV))
		err = -EXDEV;
	else if (S_ISLNK(dentry_inode(p.dentry)->mode)) {
		err = how->flags & O_NOFOLLOW ? -ELOOP :
		      may_follow_link(c, dentry_inode(w->cur.dentry), dentry_inode(p.dentry));
		if (err == 0) {
			*done = false;
			return walk_symlink(w, &p);
		}
	} else if (inode_is_dir(dentry_inode(p.dentry)))
		err = -EISDIR;
	else {
		err = may_create_in_sticky(c, dentry_inode(w->cur.dentry), dentry_inode(p.dentry));
		if (err == 0)
			err = open_existing(c, &p, how->flags, 0, out);
	}
	path_put(&p);
	return err;
}

static int open_create(struct walk *w, const struct open_how_args *how, struct file **out)
{
	bool done = false;
	int err;

	w->parent_mode = true;
	do {
		err = walk_run(w);
		if (err < 0)
			return err;
		if (w->last_type != LAST_NORM) {
			/* "/", ".", "..", or what a magic link led to. */
			if (how->flags & O_EXCL)
				return -EEXIST;
			if (inode_is_dir(dentry_inode(w->cur.dentry)))
				return -EISDIR;
			return open_existing(w->c, &w->cur, how->flags, 0, out);
		}
		err = walk_may_search(w->c, w->cur.dentry);
		if (err == 0)
			err = open_create_last(w, how, &done, out);
		if (err < 0)
			return err;
		w->last_type = LAST_NORM;
	} while (!done);
	return 0;
}

/* ---- O_TMPFILE -------------------------------------------------------------------------------- */

/* A dentry for an inode without a name, shown as "/dir/#ino (deleted)". */
static int tmpfile_dentry(struct dentry *dir, struct inode *i, struct dentry **out)
{
	char name[24];
	int len = snprintf(name, sizeof(name), "#%llu", (unsigned long long)i->ino);

	*out = dentry_new(dir, name, (size_t)len);
	if (!*out) {
		inode_put(i);
		return -ENOMEM;
	}
	dentry_set_inode(*out, i);
	dentry_kill(*out);
	return 0;
}

static int tmpfile_make(struct vfs_ctx *c, struct dentry *dir, const struct open_how_args *how,
			struct dentry **out)
{
	struct inode *di = dentry_inode(dir), *i;
	struct inode_attr_new a;
	int err;

	err = inode_permission(c, di, MAY_WRITE | MAY_EXEC);
	if (err < 0)
		return err;
	if (!di->ops->tmpfile)
		return -EOPNOTSUPP;
	inode_new_attr(c, di, S_IFREG | (how->mode & 07777), &a);
	err = di->ops->tmpfile(c, di, &a, &i);
	if (err < 0)
		return err;
	acl_inherit(c, di, i, how->mode);
	i->linkable = !(how->flags & O_EXCL);
	return tmpfile_dentry(dir, i, out);
}

static int open_tmpfile(struct walk *w, const struct open_how_args *how, struct file **out)
{
	struct path p;
	int err;

	err = walk_run(w);
	if (err < 0)
		return err;
	p.mnt = w->cur.mnt;
	err = mount_want_write(p.mnt);
	if (err < 0)
		return err;
	err = tmpfile_make(w->c, w->cur.dentry, how, &p.dentry);
	if (err == 0) {
		err = file_open_path(w->c, &p, how->flags & ~O_TRUNC, 0, out);
		dentry_put(p.dentry);
	}
	mount_drop_write(p.mnt);
	return err;
}

/* ---- open ------------------------------------------------------------------------------------- */

static int open_plain(struct walk *w, const struct open_how_args *how, struct file **out)
{
	int err = walk_run(w);

	if (err < 0)
		return err;
	return open_existing(w->c, &w->cur, how->flags, 0, out);
}

int vfs_open(struct vfs_ctx *c, const struct path *at, const char *name,
	     const struct open_how_args *how_in, struct file **out)
{
	struct open_how_args how = *how_in;
	struct walk w;
	int err;

	err = flags_check(&how.flags);
	if (err < 0)
		return err;
	if (!(how.flags & O_NOFOLLOW) &&
	    (how.flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		how.walk |= WALK_FOLLOW;
	if (how.flags & O_DIRECTORY)
		how.walk |= WALK_DIRECTORY;
	if (!(how.flags & (O_ACCMODE | O_PATH | O_CREAT | O_DIRECTORY | O_TRUNC | TMPFILE_BIT)))
		how.walk |= WALK_WILL_READ;
	/* A cached-only open may neither create nor truncate. */
	if ((how.walk & WALK_CACHED) && (how.flags & (O_TRUNC | O_CREAT | TMPFILE_BIT)))
		return -EAGAIN;
	err = walk_init(&w, c, at, name, how.walk);
	if (err == 0) {
		if (how.flags & O_CREAT)
			err = open_create(&w, &how, out);
		else if (how.flags & TMPFILE_BIT)
			err = open_tmpfile(&w, &how, out);
		else
			err = open_plain(&w, &how, out);
	}
	walk_fini(&w);
	return err;
}
