/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.c: life of inodes, attributes, and the permission check.
 *
 * An inode is made by its file system with one reference (inode_init) and freed through
 * super_ops->inode_free when the last one goes.  Dentries, open files and file systems' own tables
 * hold inodes; inodes hold only their super.
 *
 * Linux: fs/inode.c, fs/namei.c (generic_permission), fs/attr.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "vfs/user_ns.h"
#include "vfs/vfs_impl.h"

#define ATIME_DAY_SEC (24 * 60 * 60)

struct timespec vfs_now(void)
{
	int64_t ns = clock_real_ns();

	return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
}

void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, uint32_t mode)
{
	memset(i, 0, sizeof(*i));
	ref_init(&i->ref);
	i->ops = ops;
	super_get(sb);
	i->sb = sb;
	mutex_init(&i->lock, S_ISDIR(mode) ? LOCK_INODE_DIR : LOCK_INODE);
	i->mode = mode;
	i->nlink = 1;
	i->blksize = PAGE_SIZE;
	i->atime = i->mtime = i->ctime = i->btime = vfs_now();
	list_init(&i->watches);
}

struct inode *inode_get(struct inode *i)
{
	ref_get(&i->ref);
	return i;
}

void inode_put(struct inode *i)
{
	struct super *sb;

	if (!i || !ref_put(&i->ref))
		return;
	sb = i->sb;
	locks_inode_free(i);
	if (i->bound && i->bound_put)
		i->bound_put(i->bound);
	sb->ops->inode_free(i);
	super_put(sb);
}

bool inode_is_dir(const struct inode *i)
{
	return S_ISDIR(i->mode);
}

void inode_fill_attr(const struct inode *i, struct attr *out)
{
	memset(out, 0, sizeof(*out));
	out->ino = i->ino;
	out->size = i->size;
	out->blocks = i->blocks;
	out->mode = i->mode;
	out->nlink = i->nlink;
	out->uid = i->uid;
	out->gid = i->gid;
	out->blksize = i->blksize;
	out->dev = i->sb->dev;
	out->rdev = i->rdev;
	out->atime = i->atime;
	out->mtime = i->mtime;
	out->ctime = i->ctime;
	out->btime = i->btime;
}

void inode_apply_setattr(struct inode *i, const struct setattr *a)
{
	struct timespec now = vfs_now();

	if (a->mask & SETATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
	if (a->mask & SETATTR_UID)
		i->uid = a->uid;
	if (a->mask & SETATTR_GID)
		i->gid = a->gid;
	if (a->mask & SETATTR_ATIME)
		i->atime = a->atime;
	if (a->mask & SETATTR_ATIME_NOW)
		i->atime = now;
	if (a->mask & SETATTR_MTIME)
		i->mtime = a->mtime;
	if (a->mask & SETATTR_MTIME_NOW)
		i->mtime = now;
	i->ctime = now;
}

static bool ts_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/*
 * The plain store may race with another reader's: both write about the same time.
 */
void inode_touch_atime(struct inode *i, const struct mount *m)
{
	unsigned long flags = m ? mount_flags(m) : MS_RELATIME;
	struct timespec now;

	if ((i->sb->flags & (SUPER_RDONLY | SUPER_NOATIME)) || (flags & (MS_NOATIME | MS_RDONLY)))
		return;
	if ((flags & MS_NODIRATIME) && S_ISDIR(i->mode))
		return;
	now = vfs_now();
	if ((flags & MS_RELATIME) && ts_before(&i->mtime, &i->atime) &&
	    ts_before(&i->ctime, &i->atime) && now.tv_sec - i->atime.tv_sec < ATIME_DAY_SEC)
		return;
	i->atime = now;
}

/* ---- permissions ------------------------------------------------------------------------------ */

bool inode_capable(struct vfs_ctx *c, const struct inode *i, int cap)
{
	const struct user_ns *ns = c->cred->user_ns;

	return user_ns_from_kernel(ns, ID_UID, i->uid) != ID_INVALID &&
	       user_ns_from_kernel(ns, ID_GID, i->gid) != ID_INVALID &&
	       cred_capable_ns(c->cred, ns, cap);
}

bool inode_owner_or_capable(struct vfs_ctx *c, const struct inode *i)
{
	const struct user_ns *ns = c->cred->user_ns;

	return c->cred->fsuid == i->uid ||
	       (user_ns_from_kernel(ns, ID_UID, i->uid) != ID_INVALID &&
		cred_capable_ns(c->cred, ns, CAP_FOWNER));
}

static bool permission_by_capability(struct vfs_ctx *c, const struct inode *i, unsigned int may)
{
	if (S_ISDIR(i->mode)) {
		if (!(may & MAY_WRITE) && inode_capable(c, i, CAP_DAC_READ_SEARCH))
			return true;
		return inode_capable(c, i, CAP_DAC_OVERRIDE);
	}
	if (may == MAY_READ && inode_capable(c, i, CAP_DAC_READ_SEARCH))
		return true;
	/* Even root executes only what somebody may execute. */
	if ((may & MAY_EXEC) && !(i->mode & 0111))
		return false;
	return inode_capable(c, i, CAP_DAC_OVERRIDE);
}

static int permission_generic(struct vfs_ctx *c, struct inode *i, unsigned int may)
{
	uint32_t mode = i->mode;
	int acl = -EAGAIN;

	if (c->cred->fsuid == i->uid) {
		mode >>= 6;
	} else {
		if (mode & 070)
			acl = acl_permission(c, i, may);
		if (acl == 0)
			return 0;
		if (acl == -EAGAIN && cred_in_fsgroup(c->cred, i->gid))
			mode >>= 3;
	}
	if (acl == -EAGAIN && (may & ~mode & 7) == 0)
		return 0;
	return permission_by_capability(c, i, may) ? 0 : -EACCES;
}

int inode_permission(struct vfs_ctx *c, struct inode *i, unsigned int may)
{
	if ((may & MAY_WRITE) && (i->sb->flags & SUPER_RDONLY) &&
	    (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
		return -EROFS;
	if (i->ops->permission)
		return i->ops->permission(c, i, may);
	return permission_generic(c, i, may);
}

/* ---- new children ----------------------------------------------------------------------------- */

void inode_new_attr(struct vfs_ctx *c, const struct inode *dir, uint32_t mode,
		    struct inode_attr_new *a)
{
	a->uid = c->cred->fsuid;
	a->gid = c->cred->fsgid;
	a->rdev = 0;
	a->sock_type = 0;
	if (dir->mode & S_ISGID) {
		a->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
			 !cred_in_fsgroup(c->cred, dir->gid) && !inode_capable(c, dir, CAP_FSETID))
			mode &= ~(uint32_t)S_ISGID;
	}
	a->mode = mode & ~(c->umask & 0777);
}
