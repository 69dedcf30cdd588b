/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c: flock(2), and the locking commands of fcntl(2). */
#include "vfs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/overflow.h"
#include "sentry/sys/lock.h"
#include "sentry/task/task.h"
#include "sys_calls.h"

#ifndef F_OFD_GETLK
#define F_OFD_GETLK  36
#define F_OFD_SETLK  37
#define F_OFD_SETLKW 38
#endif

long sys_flock(struct task *t, int fd, unsigned int op)
{
	const unsigned int mode = op & ~(unsigned int)LOCK_NB;
	struct file *f;
	long r;

	if (op & 32) /* LOCK_MAND: has no effect since Linux 5.15 */
		return 0;
	if (mode != LOCK_SH && mode != LOCK_EX && mode != LOCK_UN)
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (mode != LOCK_UN && !(f->kind & (FILE_READ | FILE_WRITE)))
		r = -EBADF;
	else
		r = lock_flock(task_vfs(t), f, op);
	file_put(f);
	return r;
}

/* flock64_to_posix_lock() */
static int range_from_abi(struct task *t, struct file *f, const struct flock *l,
			  struct lock_range *r)
{
	int64_t base;

	switch (l->l_whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = f->kind & FILE_STREAM ? 0 : file_llseek(task_vfs(t), f, 0, SEEK_CUR);
		break;
	case SEEK_END:
		base = (int64_t)f->inode->size;
		break;
	default:
		return -EINVAL;
	}
	if (add_overflow(base, l->l_start, &r->start))
		return -EOVERFLOW;
	if (r->start < 0)
		return -EINVAL;
	if (l->l_len > 0) {
		if (add_overflow(r->start, l->l_len - 1, &r->end))
			return -EOVERFLOW;
	} else if (l->l_len < 0) {
		if (r->start + l->l_len < 0)
			return -EINVAL;
		r->end = r->start - 1;
		r->start += l->l_len;
	} else {
		r->end = INT64_MAX;
	}
	if (l->l_type != F_RDLCK && l->l_type != F_WRLCK && l->l_type != F_UNLCK)
		return -EINVAL;
	r->type = l->l_type;
	return 0;
}

static void range_to_abi(const struct lock_range *r, struct flock *l)
{
	l->l_type = (short)r->type;
	if (r->type == F_UNLCK)
		return;
	l->l_whence = SEEK_SET;
	l->l_start = r->start;
	l->l_len = r->end == INT64_MAX ? 0 : r->end - r->start + 1;
	l->l_pid = r->pid;
}

bool fcntl_is_lock(unsigned int cmd)
{
	return cmd == F_GETLK || cmd == F_SETLK || cmd == F_SETLKW || cmd == F_OFD_GETLK ||
	       cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
}

long fcntl_lock(struct task *t, int fd, struct file *f, unsigned int cmd, uaddr_t arg)
{
	enum lock_kind kind = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW ?
				      LOCK_KIND_OFD : LOCK_KIND_POSIX;
	struct lock_range r;
	struct file *now;
	struct flock l;
	int err;

	if (uaccess_get(t, &l, arg, sizeof(l)) < 0)
		return -EFAULT;
	if (kind == LOCK_KIND_OFD && l.l_pid != 0)
		return -EINVAL;
	err = range_from_abi(t, f, &l, &r);
	if (err < 0)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		if (r.type == F_UNLCK && kind == LOCK_KIND_POSIX)
			return -EINVAL;
		err = lock_test(task_vfs(t), f, kind, &r);
		if (err < 0)
			return err;
		range_to_abi(&r, &l);
		return uaccess_put(t, arg, &l, sizeof(l));
	}
	if ((r.type == F_RDLCK && !(f->kind & FILE_READ)) ||
	    (r.type == F_WRLCK && !(f->kind & FILE_WRITE)))
		return -EBADF;
	err = lock_set(task_vfs(t), f, kind, &r, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
	if (err < 0 || kind == LOCK_KIND_OFD || r.type == F_UNLCK)
		return err;
	/* Closed meanwhile by another thread: that close found nothing to drop (fcntl_setlk()). */
	now = fdt_file(t->fdt, fd);
	if (now != f) {
		vfs_lock_remove_posix(f, t->fdt);
		err = -EBADF;
	}
	file_put(now);
	return err;
}
