/* SPDX-License-Identifier: Apache-2.0 */
/* attr.c: chmod(2), chown(2), utimensat(2) and their relatives. */
#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>
#include <utime.h>

#include "sentry/sys/path_in.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

static long setattr_path(struct task *t, int dirfd, uaddr_t path, int flags, struct setattr *a)
{
	struct path p;
	long r = path_in_walk(t, dirfd, path, flags, walk_of_at(flags), &p);

	if (r < 0)
		return r;
	r = vfs_setattr(task_vfs(t), &p, a);
	path_put(&p);
	return r;
}

static long setattr_fd(struct task *t, int fd, struct setattr *a)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	long r;

	if (!f)
		return -EBADF;
	r = vfs_setattr(task_vfs(t), &f->path, a);
	file_put(f);
	return r;
}

/* ---- mode ------------------------------------------------------------------------------------- */

long sys_fchmodat2(struct task *t, int dirfd, uaddr_t path, uint32_t mode, unsigned int flags)
{
	struct setattr a = { .mask = SETATTR_MODE, .mode = mode & 07777 };

	if (flags & ~(unsigned int)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return setattr_path(t, dirfd, path, (int)flags, &a);
}

long sys_fchmodat(struct task *t, int dirfd, uaddr_t path, uint32_t mode)
{
	return sys_fchmodat2(t, dirfd, path, mode, 0);
}

long sys_chmod(struct task *t, uaddr_t path, uint32_t mode)
{
	return sys_fchmodat2(t, AT_FDCWD, path, mode, 0);
}

long sys_fchmod(struct task *t, int fd, uint32_t mode)
{
	struct setattr a = { .mask = SETATTR_MODE, .mode = mode & 07777 };

	return setattr_fd(t, fd, &a);
}

/* ---- owner ------------------------------------------------------------------------------------ */

/* -1 leaves an id alone. */
static int setattr_owner(struct task *t, uint32_t uid, uint32_t gid, struct setattr *a)
{
	*a = (struct setattr){ .mask = SETATTR_CTIME_NOW | SETATTR_KILL_SUID };
	if (uid != ID_INVALID) {
		a->uid = user_ns_to_kernel(t->cred->user_ns, ID_UID, uid);
		a->mask |= SETATTR_UID;
		if (a->uid == ID_INVALID)
			return -EINVAL;
	}
	if (gid != ID_INVALID) {
		a->gid = user_ns_to_kernel(t->cred->user_ns, ID_GID, gid);
		a->mask |= SETATTR_GID;
		if (a->gid == ID_INVALID)
			return -EINVAL;
	}
	return 0;
}

long sys_fchownat(struct task *t, int dirfd, uaddr_t path, uint32_t uid, uint32_t gid, int flags)
{
	struct setattr a;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = setattr_owner(t, uid, gid, &a);
	return err < 0 ? err : setattr_path(t, dirfd, path, flags, &a);
}

long sys_chown(struct task *t, uaddr_t path, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(t, AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(struct task *t, uaddr_t path, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(t, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(struct task *t, int fd, uint32_t uid, uint32_t gid)
{
	struct setattr a;
	int err = setattr_owner(t, uid, gid, &a);

	return err < 0 ? err : setattr_fd(t, fd, &a);
}

/* ---- times ------------------------------------------------------------------------------------ */

static int setattr_times(const struct timespec ts[2], struct setattr *a)
{
	static const uint32_t set[2] = { SETATTR_ATIME, SETATTR_MTIME };
	static const uint32_t now[2] = { SETATTR_ATIME_NOW, SETATTR_MTIME_NOW };

	*a = (struct setattr){ .mask = 0 };
	for (int i = 0; i < 2; i++) {
		if (ts[i].tv_nsec == UTIME_OMIT)
			continue;
		if (ts[i].tv_nsec == UTIME_NOW) {
			a->mask |= now[i];
			continue;
		}
		if (ts[i].tv_nsec < 0 || ts[i].tv_nsec >= NSEC_PER_SEC)
			return -EINVAL;
		a->mask |= set[i];
	}
	a->atime = ts[0];
	a->mtime = ts[1];
	return 0;
}

/* path 0: dirfd itself (futimens). */
static long utimes_common(struct task *t, int dirfd, uaddr_t path, const struct timespec ts[2],
			  int flags)
{
	struct setattr a;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = setattr_times(ts, &a);
	if (err < 0)
		return err;
	if (!path.addr && dirfd != AT_FDCWD) {
		if (flags)
			return -EINVAL;
		return setattr_fd(t, dirfd, &a);
	}
	return setattr_path(t, dirfd, path, flags, &a);
}

long sys_utimensat(struct task *t, int dirfd, uaddr_t path, uaddr_t times, int flags)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

	if (times.addr && uaccess_get(t, ts, times, sizeof(ts)) < 0)
		return -EFAULT;
	/* Nothing to do: not even the name is looked at. */
	if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	return utimes_common(t, dirfd, path, ts, flags);
}

long sys_futimesat(struct task *t, int dirfd, uaddr_t path, uaddr_t times)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timeval tv[2];

	if (times.addr) {
		if (uaccess_get(t, tv, times, sizeof(tv)) < 0)
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
				return -EINVAL;
			ts[i].tv_sec = tv[i].tv_sec;
			ts[i].tv_nsec = tv[i].tv_usec * 1000;
		}
	}
	return utimes_common(t, dirfd, path, ts, 0);
}

long sys_utimes(struct task *t, uaddr_t path, uaddr_t times)
{
	return sys_futimesat(t, AT_FDCWD, path, times);
}

long sys_utime(struct task *t, uaddr_t path, uaddr_t times)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct utimbuf b;

	if (times.addr) {
		if (uaccess_get(t, &b, times, sizeof(b)) < 0)
			return -EFAULT;
		ts[0] = (struct timespec){ b.actime, 0 };
		ts[1] = (struct timespec){ b.modtime, 0 };
	}
	return utimes_common(t, AT_FDCWD, path, ts, 0);
}
