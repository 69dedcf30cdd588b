/* SPDX-License-Identifier: Apache-2.0 */
/* stat.c: stat(2), statx(2), statfs(2), access(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sentry/sys/path_in.h"
#include "sys_calls.h"
#include "vfs/mount_api.h"
#include "vfs/user_ns.h"

static uint32_t uid_out(struct task *t, uint32_t uid)
{
	return user_ns_from_kernel_munged(t->cred->user_ns, ID_UID, uid);
}

static uint32_t gid_out(struct task *t, uint32_t gid)
{
	return user_ns_from_kernel_munged(t->cred->user_ns, ID_GID, gid);
}

/* ---- stat ------------------------------------------------------------------------------------- */

static int put_stat(struct task *t, const struct attr *a, uaddr_t buf)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_dev = a->dev;
	st.st_ino = a->ino;
	st.st_nlink = a->nlink;
	st.st_mode = a->mode;
	st.st_uid = uid_out(t, a->uid);
	st.st_gid = gid_out(t, a->gid);
	st.st_rdev = a->rdev;
	st.st_size = (off_t)a->size;
	st.st_blksize = a->blksize;
	st.st_blocks = (blkcnt_t)a->blocks;
	st.st_atim = a->atime;
	st.st_mtim = a->mtime;
	st.st_ctim = a->ctime;
	return uaccess_put(t, buf, &st, sizeof(st));
}

long sys_newfstatat(struct task *t, int dirfd, uaddr_t path, uaddr_t buf, int flags)
{
	struct attr a;
	struct path p;
	char first;
	int err;

	/* glibc's fstat(3): as Linux does it, no walk */
	if (flags == AT_EMPTY_PATH && dirfd >= 0 && uaccess_get(t, &first, path, 1) == 0 && first == '\0')
		return sys_fstat(t, dirfd, buf);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = path_in_walk(t, dirfd, path, flags, walk_of_at(flags), &p);
	if (err < 0)
		return err;
	err = vfs_getattr(task_vfs(t), &p, STATX_BASIC_STATS, &a);
	path_put(&p);
	return err < 0 ? err : put_stat(t, &a, buf);
}

long sys_stat(struct task *t, uaddr_t path, uaddr_t buf)
{
	return sys_newfstatat(t, AT_FDCWD, path, buf, 0);
}

long sys_lstat(struct task *t, uaddr_t path, uaddr_t buf)
{
	return sys_newfstatat(t, AT_FDCWD, path, buf, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(struct task *t, int fd, uaddr_t buf)
{
	struct file *f = fdt_file(t->fdt, fd);
	struct attr a;
	int err;

	if (!f)
		return -EBADF;
	err = file_getattr(task_vfs(t), f, STATX_BASIC_STATS, &a);
	file_put(f);
	return err < 0 ? err : put_stat(t, &a, buf);
}

static struct statx_timestamp statx_time(const struct timespec *ts)
{
	return (struct statx_timestamp){ .tv_sec = ts->tv_sec, .tv_nsec = (uint32_t)ts->tv_nsec };
}

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

static int put_statx(struct task *t, const struct attr *a, unsigned int mask, uaddr_t buf)
{
	struct statx sx;

	memset(&sx, 0, sizeof(sx));
	sx.stx_mask = STATX_BASIC_STATS |
		      (mask & STATX_MNT_ID_UNIQUE ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID);
	sx.stx_blksize = a->blksize;
	sx.stx_attributes = a->attributes;
	sx.stx_attributes_mask = a->attributes_mask;
	sx.stx_nlink = a->nlink;
	sx.stx_uid = uid_out(t, a->uid);
	sx.stx_gid = gid_out(t, a->gid);
	sx.stx_mode = (uint16_t)a->mode;
	sx.stx_ino = a->ino;
	sx.stx_size = a->size;
	sx.stx_blocks = a->blocks;
	sx.stx_atime = statx_time(&a->atime);
	sx.stx_mtime = statx_time(&a->mtime);
	sx.stx_ctime = statx_time(&a->ctime);
	if (a->btime.tv_sec || a->btime.tv_nsec) {
		sx.stx_mask |= STATX_BTIME;
		sx.stx_btime = statx_time(&a->btime);
	}
	sx.stx_rdev_major = major(a->rdev);
	sx.stx_rdev_minor = minor(a->rdev);
	sx.stx_dev_major = major(a->dev);
	sx.stx_dev_minor = minor(a->dev);
	sx.stx_mnt_id = mask & STATX_MNT_ID_UNIQUE ? mount_unique_id(a->mnt_id) : a->mnt_id;
	return uaccess_put(t, buf, &sx, sizeof(sx));
}

long sys_statx(struct task *t, int dirfd, uaddr_t path, unsigned int flags, unsigned int mask,
	       uaddr_t buf)
{
	const unsigned int known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
				   AT_STATX_SYNC_TYPE;
	struct attr a;
	struct path p;
	int err;

	if ((flags & ~known) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    (mask & STATX__RESERVED))
		return -EINVAL;
	err = path_in_walk(t, dirfd, path, (int)flags, walk_of_at((int)flags), &p);
	if (err < 0)
		return err;
	err = vfs_getattr(task_vfs(t), &p, mask | STATX_BASIC_STATS, &a);
	path_put(&p);
	return err < 0 ? err : put_statx(t, &a, mask, buf);
}

/* ---- statfs ----------------------------------------------------------------------------------- */

static long put_statfs(struct task *t, const struct path *p, uaddr_t buf)
{
	struct statfs_info s;
	struct statfs out;
	int err = vfs_statfs(task_vfs(t), p, &s);

	if (err < 0)
		return err;
	memset(&out, 0, sizeof(out));
	out.f_type = (__fsword_t)s.type;
	out.f_bsize = (__fsword_t)s.bsize;
	out.f_blocks = s.blocks;
	out.f_bfree = s.bfree;
	out.f_bavail = s.bavail;
	out.f_files = s.files;
	out.f_ffree = s.ffree;
	memcpy(&out.f_fsid, s.fsid, sizeof(s.fsid));
	out.f_namelen = (__fsword_t)s.namelen;
	out.f_frsize = (__fsword_t)s.frsize;
	out.f_flags = (__fsword_t)s.flags;
	return uaccess_put(t, buf, &out, sizeof(out));
}

long sys_statfs(struct task *t, uaddr_t path, uaddr_t buf)
{
	struct path p;
	long r = path_in_walk(t, AT_FDCWD, path, 0, WALK_FOLLOW, &p);

	if (r < 0)
		return r;
	r = put_statfs(t, &p, buf);
	path_put(&p);
	return r;
}

long sys_fstatfs(struct task *t, int fd, uaddr_t buf)
{
	struct file *f = fdt_file(t->fdt, fd);
	long r;

	if (!f)
		return -EBADF;
	r = put_statfs(t, &f->path, buf);
	file_put(f);
	return r;
}

/* ---- access ----------------------------------------------------------------------------------- */

/* Credentials as if the real ids were the effective ones; NULL: they are. */
static int real_cred(struct task *t, struct cred **out)
{
	const struct cred *c = t->cred;
	bool root = user_ns_from_kernel(c->user_ns, ID_UID, c->uid) == 0;
	cap_set_t effective = c->effective;

	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP))
		effective = root ? c->permitted : 0;
	*out = NULL;
	if (c->uid == c->fsuid && c->gid == c->fsgid && effective == c->effective)
		return 0;
	*out = cred_dup(c);
	if (!*out)
		return -ENOMEM;
	(*out)->fsuid = c->uid;
	(*out)->fsgid = c->gid;
	(*out)->effective = effective;
	return 0;
}

static long access_with(struct task *t, struct vfs_ctx *c, int dirfd, uaddr_t path, int mode,
			int flags)
{
	struct path_in in;
	struct path p;
	int err = path_in_get(t, &in, dirfd, path, flags);

	if (err < 0)
		return err;
	err = vfs_walk(c, in.at, in.name.text,
		       walk_of_at(flags) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), &p);
	path_in_put(&in);
	if (err < 0)
		return err;
	err = mode ? vfs_access(c, &p, (unsigned int)mode) : 0;
	path_put(&p);
	return err;
}

long sys_faccessat2(struct task *t, int dirfd, uaddr_t path, int mode, int flags)
{
	struct cred *real = NULL;
	struct vfs_ctx c;
	long r;

	if ((mode & ~(R_OK | W_OK | X_OK)) ||
	    (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) {
		r = real_cred(t, &real);
		if (r < 0)
			return r;
	}
	c = *task_vfs(t);
	if (real)
		c.cred = real;
	r = access_with(t, &c, dirfd, path, mode, flags);
	cred_put(real);
	return r;
}

long sys_faccessat(struct task *t, int dirfd, uaddr_t path, int mode)
{
	return sys_faccessat2(t, dirfd, path, mode, 0);
}

long sys_access(struct task *t, uaddr_t path, int mode)
{
	return sys_faccessat2(t, AT_FDCWD, path, mode, 0);
}
