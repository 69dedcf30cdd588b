/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.c: pipe(2), pipe2(2), splice(2), tee(2), vmsplice(2), sendfile(2). */
#include "vfs/pipe.h"

#include <errno.h>
#include <fcntl.h>

#include "sentry/task/task.h"
#include "sys_calls.h"

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)
#define MAX_RW_COUNT 0x7ffff000UL

/* The descriptors become visible only after the copy-out has succeeded. */
long sys_pipe2(struct task *t, uaddr_t fds, int flags)
{
	struct file *rd, *wr;
	int fd[2];
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_new(task_vfs(t), flags, &rd, &wr);
	if (err < 0)
		return err;
	err = fdt_reserve(t->fdt, 2, fd, task_rlimit(t, RLIMIT_NOFILE));
	if (err < 0)
		goto put_files;
	err = uaccess_put(t, fds, fd, sizeof(fd));
	if (err < 0)
		goto unreserve;
	fdt_install(t->fdt, fd[0], rd, flags & O_CLOEXEC); /* consumes rd */
	fdt_install(t->fdt, fd[1], wr, flags & O_CLOEXEC); /* consumes wr */
	return 0;

unreserve:
	fdt_unreserve(t->fdt, 2, fd);
put_files:
	file_put(rd);
	file_put(wr);
	return err;
}

long sys_pipe(struct task *t, uaddr_t fds)
{
	return sys_pipe2(t, fds, 0);
}

/* Two files by number; -EBADF with no references held. */
static int get_pair(struct task *t, int a_fd, int b_fd, struct file **a, struct file **b)
{
	*a = fdt_file_nopath(t->fdt, a_fd);
	if (!*a)
		return -EBADF;
	*b = fdt_file_nopath(t->fdt, b_fd);
	if (*b)
		return 0;
	file_put(*a);
	return -EBADF;
}

/* An optional offset of the application's.  *p is NULL when there is none. */
static int get_offset(struct task *t, uaddr_t src, int64_t *buf, int64_t **p)
{
	int err;

	*p = NULL;
	if (!src.addr)
		return 0;
	err = uaccess_get(t, buf, src, sizeof(*buf));
	if (err < 0)
		return err;
	if (*buf < 0)
		return -EINVAL;
	*p = buf;
	return 0;
}

static long put_offset(struct task *t, uaddr_t dst, const int64_t *p, long ret)
{
	int err = p ? uaccess_put(t, dst, p, sizeof(*p)) : 0;

	return err < 0 ? err : ret;
}

long sys_splice(struct task *t, int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off, size_t size,
		unsigned int flags)
{
	int64_t in_buf, out_buf, *in_pos, *out_pos;
	struct file *in, *out;
	long n;

	if (size == 0)
		return 0;
	if (flags & ~(unsigned int)SPLICE_FLAGS)
		return -EINVAL;
	n = get_pair(t, in_fd, out_fd, &in, &out);
	if (n < 0)
		return n;
	n = -ESPIPE;
	if ((file_is_pipe(in) && in_off.addr) || (file_is_pipe(out) && out_off.addr))
		goto put_files;
	n = get_offset(t, in_off, &in_buf, &in_pos);
	if (n == 0)
		n = get_offset(t, out_off, &out_buf, &out_pos);
	if (n < 0)
		goto put_files;
	n = pipe_splice(task_vfs(t), in, in_pos, out, out_pos, MIN(size, MAX_RW_COUNT), flags);
	n = put_offset(t, out_off, out_pos, n);
	n = put_offset(t, in_off, in_pos, n);
put_files:
	file_put(in);
	file_put(out);
	return n;
}

long sys_tee(struct task *t, int in_fd, int out_fd, size_t size, unsigned int flags)
{
	struct file *in, *out;
	long n;

	if (flags & ~(unsigned int)SPLICE_FLAGS)
		return -EINVAL;
	if (size == 0)
		return 0;
	n = get_pair(t, in_fd, out_fd, &in, &out);
	if (n < 0)
		return n;
	n = pipe_tee(task_vfs(t), in, out, MIN(size, MAX_RW_COUNT), flags);
	file_put(in);
	file_put(out);
	return n;
}

long sys_vmsplice(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned int flags)
{
	struct uaccess_iov v;
	struct file *f;
	long n;

	if (flags & ~(unsigned int)SPLICE_FLAGS)
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	n = uaccess_iov_init(t, &v, iov, iovcnt);
	if (n == 0) {
		n = pipe_vmsplice(task_vfs(t), f, &v.uio, flags);
		uaccess_iov_fini(&v);
	}
	file_put(f);
	return n;
}

long sys_sendfile(struct task *t, int out_fd, int in_fd, uaddr_t offset, size_t count)
{
	int64_t buf, *pos;
	struct file *in, *out;
	long n;

	n = get_offset(t, offset, &buf, &pos);
	if (n < 0)
		return n;
	n = get_pair(t, in_fd, out_fd, &in, &out);
	if (n < 0)
		return n;
	n = file_sendfile(task_vfs(t), out, in, pos, MIN(count, MAX_RW_COUNT));
	file_put(in);
	file_put(out);
	return put_offset(t, offset, pos, n);
}
