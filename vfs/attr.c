/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.c: attributes of inodes: stat(2), chmod(2), chown(2), utimensat(2), truncate(2), access(2),
 * statfs(2).
 *
 * Linux: fs/attr.c (setattr_prepare, notify_change), fs/open.c, fs/stat.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>

#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/user_ns.h"
#include "vfs/mount_impl.h"

#define SETATTR_TIMES_EXPLICIT (SETATTR_ATIME | SETATTR_MTIME)
#define SETATTR_TIMES_NOW      (SETATTR_ATIME_NOW | SETATTR_MTIME_NOW)

int vfs_getattr(struct vfs_ctx *c, const struct path *p, uint32_t query, struct attr *out)
{
	struct inode *i = dentry_inode(p->dentry);
	int err = 0;

	if (i->ops->getattr)
		err = i->ops->getattr(c, i, query, out);
	else
		inode_fill_attr(i, out);
	if (err < 0)
		return err;
	out->mnt_id = mount_id(p->mnt);
	out->attributes_mask |= STATX_ATTR_MOUNT_ROOT;
	if (p->mnt->root == p->dentry)
		out->attributes |= STATX_ATTR_MOUNT_ROOT;
	return 0;
}

/* ---- who may change what ---------------------------------------------------------------------- */

static int may_chown(struct vfs_ctx *c, const struct inode *i, const struct setattr *a)
{
	bool owner = c->cred->fsuid == i->uid;

	if ((a->mask & SETATTR_UID) && !(owner && a->uid == i->uid) &&
	    !inode_capable(c, i, CAP_CHOWN))
		return -EPERM;
	if ((a->mask & SETATTR_GID) &&
	    !(owner && (a->gid == i->gid || cred_in_fsgroup(c->cred, a->gid))) &&
	    !inode_capable(c, i, CAP_CHOWN))
		return -EPERM;
	return 0;
}

static int may_set_times(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	if (inode_owner_or_capable(c, i))
		return 0;
	/* Both to the present: who may write may do that. */
	if ((a->mask & SETATTR_TIMES_EXPLICIT) ||
	    (a->mask & SETATTR_TIMES_NOW) != SETATTR_TIMES_NOW)
		return -EPERM;
	return inode_permission(c, i, MAY_WRITE);
}

/* The checks for what the caller asked for. */
static int setattr_may(struct vfs_ctx *c, struct inode *i, struct setattr *a)
{
	int err = may_chown(c, i, a);

	if (err < 0)
		return err;
	if (a->mask & SETATTR_MODE) {
		uint32_t gid = a->mask & SETATTR_GID ? a->gid : i->gid;

		if (!inode_owner_or_capable(c, i))
			return -EPERM;
		if (!cred_in_fsgroup(c->cred, gid) && !inode_capable(c, i, CAP_FSETID))
			a->mode &= ~(uint32_t)S_ISGID;
	}
	if ((a->mask & (SETATTR_TIMES_EXPLICIT | SETATTR_TIMES_NOW)) &&
	    !(a->mask & SETATTR_SIZE))
		return may_set_times(c, i, a);
	return 0;
}

/* Mode without the bits that a change of content or owner takes away. */
static uint32_t mode_without_suid(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

int inode_setattr_locked(struct vfs_ctx *c, struct inode *i, struct setattr *a)
{
	uint32_t mode = mode_without_suid(i->mode);
	bool kill = false;
	int err;

	if ((a->mask & SETATTR_SIZE) && !inode_capable(c, i, CAP_FSETID))
		kill = true;
	if ((a->mask & (SETATTR_UID | SETATTR_GID | SETATTR_KILL_SUID)) && !S_ISDIR(i->mode))
		kill = true;
	a->mask &= ~(uint32_t)SETATTR_KILL_SUID;
	if (kill && !(a->mask & SETATTR_MODE) && mode != i->mode) {
		a->mask |= SETATTR_MODE;
		a->mode = mode & 07777;
	}
	a->mask |= SETATTR_CTIME_NOW;
	if (i->ops->setattr) {
		err = i->ops->setattr(c, i, a);
	} else if (a->mask & SETATTR_SIZE) {
		err = -EINVAL;
	} else {
		inode_apply_setattr(i, a);
		err = 0;
	}
	if (err == 0 && (a->mask & SETATTR_MODE))
		acl_chmod(c, i, a->mode);
	return err;
}

int inode_kill_suid(struct vfs_ctx *c, struct inode *i)
{
	uint32_t mode = mode_without_suid(i->mode);
	struct setattr a = { .mask = SETATTR_MODE, .mode = mode & 07777 };
	int err;

	if (mode == i->mode || inode_capable(c, i, CAP_FSETID))
		return 0;
	mutex_lock(&i->lock);
	err = inode_setattr_locked(c, i, &a);
	mutex_unlock(&i->lock);
	return err;
}

/* ---- by path ---------------------------------------------------------------------------------- */

/* truncate(2)'s own rules. */
static int truncate_may(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	if (a->size > INT64_MAX)
		return -EINVAL;
	if (a->size > c->fsize_limit && a->size > i->size) {
		vfs_raise(c, SIGXFSZ);
		return -EFBIG;
	}
	return inode_permission(c, i, MAY_WRITE);
}

static uint32_t notify_mask(uint32_t mask)
{
	uint32_t n = 0;

	if (mask & (SETATTR_MODE | SETATTR_UID | SETATTR_GID))
		n |= IN_ATTRIB;
	if (mask & SETATTR_SIZE)
		n |= IN_MODIFY;
	else if (mask & (SETATTR_TIMES_EXPLICIT | SETATTR_TIMES_NOW))
		n |= IN_ATTRIB;
	return n;
}

int vfs_setattr(struct vfs_ctx *c, const struct path *p, struct setattr *a)
{
	struct inode *i = dentry_inode(p->dentry);
	int err = 0;

	if ((a->mask & SETATTR_SIZE) && !S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	err = mount_want_write(p->mnt);
	if (err < 0)
		return err;
	if (i->sb->flags & SUPER_RDONLY)
		err = -EROFS;
	if (err == 0 && (a->mask & SETATTR_SIZE)) {
		err = truncate_may(c, i, a);
		if (err == 0)
			err = landlock_path(c, p, LANDLOCK_TRUNCATE);
		if (err == 0 && atomic_load_explicit(&i->writers, memory_order_relaxed) < 0)
			err = -ETXTBSY;
		if (err == 0)
			err = lease_break(c, i, true, false);
		a->mask |= SETATTR_MTIME_NOW;
	}
	if (err < 0)
		goto drop;
	if ((a->mask & SETATTR_MODE) && S_ISLNK(i->mode)) {
		err = -EOPNOTSUPP;
		goto drop;
	}
	mutex_lock(&i->lock);
	err = setattr_may(c, i, a);
	if (err == 0)
		err = inode_setattr_locked(c, i, a);
	mutex_unlock(&i->lock);
	if (err == 0 && notify_mask(a->mask))
		fsnotify_dentry(p->dentry, notify_mask(a->mask));
drop:
	mount_drop_write(p->mnt);
	return err;
}

int vfs_access(struct vfs_ctx *c, const struct path *p, unsigned int may)
{
	struct inode *i = dentry_inode(p->dentry);
	int err;

	if ((may & MAY_EXEC) && S_ISREG(i->mode) && (mount_flags(p->mnt) & MS_NOEXEC))
		return -EACCES;
	err = inode_permission(c, i, may);
	if (err < 0)
		return err;
	if ((may & MAY_WRITE) && (mount_flags(p->mnt) & MS_RDONLY) &&
	    (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
		return -EROFS;
	return 0;
}

int vfs_statfs(struct vfs_ctx *c, const struct path *p, struct statfs_info *out)
{
	struct super *sb = dentry_super(p->dentry);
	int err;

	(void)c;
	memset(out, 0, sizeof(*out));
	if (!sb->ops->statfs)
		return -ENOSYS;
	err = sb->ops->statfs(sb, out);
	if (err < 0)
		return err;
	if (out->frsize == 0)
		out->frsize = out->bsize;
	out->flags = mount_statfs_flags(p->mnt);
	return 0;
}

int vfs_readlink(struct vfs_ctx *c, const struct path *p, char **out)
{
	struct inode *i = dentry_inode(p->dentry);

	if (!i->ops->readlink)
		return -EINVAL;
	if (S_ISLNK(i->mode))
		inode_touch_atime(i, p->mnt);
	return i->ops->readlink(c, i, out);
}
