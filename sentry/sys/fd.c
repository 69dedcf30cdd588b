/* SPDX-License-Identifier: Apache-2.0 */
/* fd.c: calls on descriptors themselves: close, dup, fcntl, ioctl. */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/mem.h"
#include "sentry/socket/socket.h"
#include "sentry/sys/fowner.h"
#include "sentry/sys/lock.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/dnotify.h"
#include "vfs/file.h"
#include "vfs/lock.h"
#include "vfs/pipe.h"
#include "vfs/tmpfs/tmpfs.h"

#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif

/* Flags that F_SETFL may change; O_SYNC and kin are kept from open. */
#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

long sys_close(struct task *t, int fd)
{
	int err = fdt_close(task_vfs(t), t->fdt, fd);

	/* The number is free whatever flush said: a restarted close would close another's file. */
	return err <= -ERESTARTSYS ? -EINTR : err;
}

long sys_close_range(struct task *t, unsigned int first, unsigned int last, unsigned int flags)
{
	if ((flags & ~(unsigned int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && fdt_shared(t->fdt)) {
		struct fdtable *own = fdt_dup(t->fdt, ~0u), *old = t->fdt;

		if (!own)
			return -ENOMEM;
		latch_lock(&t->latch);
		t->fdt = own;
		latch_unlock(&t->latch);
		fdt_put(task_vfs(t), old);
	}
	fdt_close_range(task_vfs(t), t->fdt, first, last, flags & CLOSE_RANGE_CLOEXEC);
	return 0;
}

long sys_dup(struct task *t, int fd)
{
	struct file *f = fdt_file(t->fdt, fd);

	return f ? fdt_add(t->fdt, f, 0, task_rlimit(t, RLIMIT_NOFILE)) : -EBADF;
}

long sys_dup3(struct task *t, int oldfd, int newfd, int flags)
{
	if ((flags & ~O_CLOEXEC) || oldfd == newfd)
		return -EINVAL;
	return fdt_dup_to(task_vfs(t), t->fdt, oldfd, newfd, flags, task_rlimit(t, RLIMIT_NOFILE));
}

long sys_dup2(struct task *t, int oldfd, int newfd)
{
	if (oldfd == newfd) {
		int err = fdt_cloexec_get(t->fdt, oldfd);

		return err < 0 ? err : newfd;
	}
	return fdt_dup_to(task_vfs(t), t->fdt, oldfd, newfd, 0, task_rlimit(t, RLIMIT_NOFILE));
}

/* ---- fcntl ---------------------------------------------------------------------------------------- */

static long fcntl_dup(struct task *t, struct file *f, unsigned long min, int flags)
{
	int fd;

	if (min > INT32_MAX)
		return -EINVAL;
	fd = fdt_reserve_from(t->fdt, (int)min, task_rlimit(t, RLIMIT_NOFILE));
	if (fd >= 0)
		fdt_install(t->fdt, fd, file_get(f), flags);
	return fd;
}

/* Change the flags, and with O_ASYNC whom events are told. */
static int set_file_flags(struct task *t, int fd, struct file *f, int flags)
{
	int old = atomic_load_explicit(&f->flags, memory_order_relaxed), err;

	if (!fowner_async_possible(f))
		flags = (flags & ~O_ASYNC) | (old & O_ASYNC);
	err = file_set_flags(task_vfs(t), f, flags);
	if (err == 0 && ((flags ^ old) & O_ASYNC))
		err = fowner_async(t, fd, f, flags & O_ASYNC);
	return err;
}

static long fcntl_setfl(struct task *t, int fd, struct file *f, int flags)
{
	int old = atomic_load_explicit(&f->flags, memory_order_relaxed);

	if ((flags & O_NOATIME) && !(old & O_NOATIME) &&
	    !inode_owner_or_capable(task_vfs(t), f->inode))
		return -EPERM;
	return set_file_flags(t, fd, f, (old & ~SETFL_MASK) | (flags & SETFL_MASK));
}

static long fcntl_setlease(struct task *t, int fd, struct file *f, int type)
{
	int err = lease_set(task_vfs(t), f, type);

	if (err == 0 && type == F_UNLCK)
		fowner_forget(t, f);
	return err || type == F_UNLCK ? err : fowner_default(t, fd, f);
}

static long fcntl_notify(struct task *t, int fd, struct file *f, uint32_t mask)
{
	int err = dnotify_set(f, mask);

	return err || !mask ? err : fowner_default(t, fd, f);
}

/* What an O_PATH descriptor allows too (open(2)). */
static bool fcntl_path_ok(unsigned int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

static long fcntl_file(struct task *t, int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_DUPFD:
		return fcntl_dup(t, f, arg, 0);
	case F_DUPFD_CLOEXEC:
		return fcntl_dup(t, f, arg, O_CLOEXEC);
	case F_GETFD:
		return fdt_cloexec_get(t->fdt, fd);
	case F_SETFD:
		return fdt_cloexec_set(t->fdt, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		/* open(2) adds O_LARGEFILE; pipes, sockets and their like don't have it. */
		return atomic_load_explicit(&f->flags, memory_order_relaxed) |
		       (f->holds & FILE_HOLDS_OPEN ? 0100000 : 0);
	case F_SETFL:
		return fcntl_setfl(t, fd, f, (int)arg);
	case F_CREATED_QUERY:
		return !!(f->holds & FILE_CREATED);
	case F_SETLEASE:
		return fcntl_setlease(t, fd, f, (int)arg);
	case F_NOTIFY:
		return fcntl_notify(t, fd, f, (uint32_t)arg);
	case F_GETLEASE:
		return lease_get(f);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_SETPIPE_SZ:
		return pipe_set_size(task_vfs(t), f, arg);
	case F_GET_SEALS:
		return tmpfs_get_seals(f);
	case F_ADD_SEALS:
		return tmpfs_add_seals(task_vfs(t), f, (unsigned int)arg);
	default:
		if (fcntl_is_owner(cmd))
			return fcntl_owner(t, f, cmd, arg);
		return fcntl_is_lock(cmd) ? fcntl_lock(t, fd, f, cmd, uaddr(arg)) : -EINVAL;
	}
}

long sys_fcntl(struct task *t, int fd, unsigned int cmd, unsigned long arg)
{
	struct file *f = fdt_file(t->fdt, fd);
	long r = -EBADF;

	if (!f)
		return -EBADF;
	if (!(f->kind & FILE_PATH) || fcntl_path_ok(cmd))
		r = fcntl_file(t, fd, f, cmd, arg);
	file_put(f);
	return r;
}

/* ---- ioctl ---------------------------------------------------------------------------------------- */

static long ioctl_set_flag(struct task *t, int fd, struct file *f, uaddr_t arg, int flag)
{
	int on, old = atomic_load_explicit(&f->flags, memory_order_relaxed);

	if (uaccess_get(t, &on, arg, sizeof(on)))
		return -EFAULT;
	return set_file_flags(t, fd, f, on ? old | flag : old & ~flag);
}

/* Sockets alone have these (sock_ioctl()): F_SETOWN and F_GETOWN by other names. */
static long ioctl_owner(struct task *t, struct file *f, unsigned int cmd, uaddr_t arg)
{
	int who;

	if (!file_socket(f))
		return -ENOTTY;
	if (cmd == FIOSETOWN || cmd == SIOCSPGRP) {
		if (uaccess_get(t, &who, arg, sizeof(who)))
			return -EFAULT;
		return fcntl_owner(t, f, F_SETOWN, (unsigned long)(long)who);
	}
	who = (int)fcntl_owner(t, f, F_GETOWN, 0);
	return uaccess_put(t, arg, &who, sizeof(who));
}

long sys_ioctl(struct task *t, int fd, unsigned int cmd, unsigned long arg)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	long r;

	if (!f)
		return -EBADF;
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		r = fdt_cloexec_set(t->fdt, fd, cmd == FIOCLEX);
		break;
	case FIONBIO:
		r = ioctl_set_flag(t, fd, f, uaddr(arg), O_NONBLOCK);
		break;
	case FIOASYNC:
		r = ioctl_set_flag(t, fd, f, uaddr(arg), O_ASYNC);
		break;
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		r = ioctl_owner(t, f, cmd, uaddr(arg));
		break;
	default:
		r = file_ioctl(task_vfs(t), f, cmd, arg);
	}
	file_put(f);
	return r;
}
