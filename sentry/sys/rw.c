/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rw.c: read(2), write(2) and their relatives, lseek(2), truncate(2), fallocate(2), fsync(2),
 * copy_file_range(2), hints about access.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "sentry/sys/path_in.h"
#include "sys_calls.h"
#include "vfs/file.h"

#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)

enum rw_kind { RW_READ, RW_WRITE };

/* ---- one buffer ------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) long rw_file(struct task *t, struct file *f, struct uio *u, int64_t *pos,
							  enum rw_kind kind)
{
	struct vfs_ctx *c = task_vfs(t);
	long r;

	if (kind == RW_READ) {
		r = pos ? file_pread(c, f, u, pos, 0) : file_read(c, f, u);
		task_count_read(t, r);
	} else {
		r = pos ? file_pwrite(c, f, u, pos, 0) : file_write(c, f, u);
		task_count_write(t, r);
	}
	return r;
}

/* pos NULL: the file's own position.  Each caller's own copy: these are the calls that are made most. */
static inline __attribute__((always_inline)) long rw_buffer(struct task *t, int fd, uaddr_t buf, size_t count,
							    int64_t *pos, enum rw_kind kind)
{
	struct file *f;
	struct uio u;
	long r;

	if (pos && *pos < 0)
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	r = -EFAULT; /* no address range is that long */
	if ((ssize_t)count >= 0) {
		uaccess_uio(t, &u, buf, count);
		r = rw_file(t, f, &u, pos, kind);
	}
	file_put(f);
	return r;
}

long sys_read(struct task *t, int fd, uaddr_t buf, size_t count)
{
	return rw_buffer(t, fd, buf, count, NULL, RW_READ);
}

long sys_write(struct task *t, int fd, uaddr_t buf, size_t count)
{
	return rw_buffer(t, fd, buf, count, NULL, RW_WRITE);
}

long sys_pread64(struct task *t, int fd, uaddr_t buf, size_t count, int64_t offset)
{
	return rw_buffer(t, fd, buf, count, &offset, RW_READ);
}

long sys_pwrite64(struct task *t, int fd, uaddr_t buf, size_t count, int64_t offset)
{
	return rw_buffer(t, fd, buf, count, &offset, RW_WRITE);
}

/* ---- vectors ---------------------------------------------------------------------------------- */

/* pos NULL: the file's own position. */
static long rw_vector(struct task *t, int fd, uaddr_t iov, unsigned long count, int64_t *pos,
		      int rwf, enum rw_kind kind)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct vfs_ctx *c = task_vfs(t);
	struct uaccess_iov v;
	long r;

	if (!f)
		return -EBADF;
	if (pos && (f->kind & FILE_STREAM)) {
		r = -ESPIPE; /* before the access mode is looked at, as in do_preadv() */
		goto put_file;
	}
	if (!(f->kind & (kind == RW_READ ? FILE_READ : FILE_WRITE))) {
		r = -EBADF;
		goto put_file;
	}
	r = uaccess_iov_init(t, &v, iov, count);
	if (r < 0)
		goto put_file;
	if (rwf & ~RWF_KNOWN)
		r = -EOPNOTSUPP;
	else if (kind == RW_READ)
		r = pos ? file_pread(c, f, &v.uio, pos, rwf) : file_readv_flags(c, f, &v.uio, rwf);
	else
		r = pos ? file_pwrite(c, f, &v.uio, pos, rwf) :
			  file_writev_flags(c, f, &v.uio, rwf);
	if (kind == RW_READ)
		task_count_read(t, r);
	else
		task_count_write(t, r);
	uaccess_iov_fini(&v);
put_file:
	file_put(f);
	return r;
}

long sys_readv(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt)
{
	return rw_vector(t, fd, iov, iovcnt, NULL, 0, RW_READ);
}

long sys_writev(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt)
{
	return rw_vector(t, fd, iov, iovcnt, NULL, 0, RW_WRITE);
}

/* On 64-bit machines the low word is the whole offset (pos_from_hilo()). */
static long rw_positioned(struct task *t, int fd, uaddr_t iov, unsigned long count,
			  unsigned long pos_low, int rwf, enum rw_kind kind)
{
	int64_t pos = (int64_t)pos_low;

	if (pos < 0)
		return -EINVAL;
	return rw_vector(t, fd, iov, count, &pos, rwf, kind);
}

long sys_preadv(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_low,
		unsigned long pos_high)
{
	(void)pos_high;
	return rw_positioned(t, fd, iov, iovcnt, pos_low, 0, RW_READ);
}

long sys_pwritev(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_low,
		 unsigned long pos_high)
{
	(void)pos_high;
	return rw_positioned(t, fd, iov, iovcnt, pos_low, 0, RW_WRITE);
}

long sys_preadv2(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_low,
		 unsigned long pos_high, int flags)
{
	(void)pos_high;
	if ((int64_t)pos_low == -1)
		return rw_vector(t, fd, iov, iovcnt, NULL, flags, RW_READ);
	return rw_positioned(t, fd, iov, iovcnt, pos_low, flags, RW_READ);
}

long sys_pwritev2(struct task *t, int fd, uaddr_t iov, unsigned long iovcnt, unsigned long pos_low,
		  unsigned long pos_high, int flags)
{
	(void)pos_high;
	if ((int64_t)pos_low == -1)
		return rw_vector(t, fd, iov, iovcnt, NULL, flags, RW_WRITE);
	return rw_positioned(t, fd, iov, iovcnt, pos_low, flags, RW_WRITE);
}

/* ---- position and size ------------------------------------------------------------------------ */

long sys_lseek(struct task *t, int fd, int64_t offset, unsigned int whence)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int64_t r;

	if (!f)
		return -EBADF;
	r = whence > SEEK_HOLE ? -EINVAL : file_llseek(task_vfs(t), f, offset, (int)whence);
	file_put(f);
	return r;
}

long sys_truncate(struct task *t, uaddr_t path, long size)
{
	struct setattr a = { .mask = SETATTR_SIZE, .size = (uint64_t)size };
	struct path p;
	int err;

	if (size < 0)
		return -EINVAL;
	err = path_in_walk(t, AT_FDCWD, path, 0, WALK_FOLLOW, &p);
	if (err < 0)
		return err;
	err = vfs_setattr(task_vfs(t), &p, &a);
	path_put(&p);
	return err;
}

long sys_ftruncate(struct task *t, int fd, int64_t size)
{
	struct file *f;
	int err;

	if (size < 0)
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	err = file_truncate(task_vfs(t), f, size);
	file_put(f);
	return err;
}

long sys_fallocate(struct task *t, int fd, int mode, int64_t offset, int64_t size)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err;

	if (!f)
		return -EBADF;
	err = file_fallocate(task_vfs(t), f, mode, offset, size);
	file_put(f);
	return err;
}

/* ---- syncing ---------------------------------------------------------------------------------- */

static long do_fsync(struct task *t, int fd, bool datasync)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err;

	if (!f)
		return -EBADF;
	err = file_fsync(task_vfs(t), f, datasync);
	file_put(f);
	return err;
}

long sys_fsync(struct task *t, int fd)
{
	return do_fsync(t, fd, false);
}

long sys_fdatasync(struct task *t, int fd)
{
	return do_fsync(t, fd, true);
}

long sys_sync_file_range(struct task *t, int fd, int64_t offset, int64_t size, unsigned int flags)
{
	const unsigned int known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				   SYNC_FILE_RANGE_WAIT_AFTER;
	struct file *f;
	int64_t end;
	int err;

	if ((flags & ~known) || offset < 0 || size < 0 ||
	    __builtin_add_overflow(offset, size, &end))
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode) && !S_ISDIR(f->inode->mode))
		err = -ESPIPE;
	else if (flags & (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER))
		err = file_fsync(task_vfs(t), f, true); /* more than asked for */
	else
		err = 0;
	file_put(f);
	return err;
}

long sys_sync(struct task *t)
{
	vfs_sync(task_vfs(t));
	return 0;
}

long sys_syncfs(struct task *t, int fd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err = 0;

	if (!f)
		return -EBADF;
	if (f->inode->sb->ops->sync)
		err = f->inode->sb->ops->sync(f->inode->sb);
	file_put(f);
	return err;
}

/* ---- copying and hints ------------------------------------------------------------------------ */

static int get_offset(struct task *t, uaddr_t src, int64_t *buf, int64_t **p)
{
	int err;

	*p = NULL;
	if (!src.addr)
		return 0;
	err = uaccess_get(t, buf, src, sizeof(*buf));
	if (err < 0)
		return err;
	*p = buf;
	return 0;
}

static long copy_range(struct task *t, struct file *in, uaddr_t in_off, struct file *out,
		       uaddr_t out_off, size_t size)
{
	int64_t in_buf, out_buf, *in_pos, *out_pos = NULL;
	long r;

	r = get_offset(t, in_off, &in_buf, &in_pos);
	if (r == 0)
		r = get_offset(t, out_off, &out_buf, &out_pos);
	if (r < 0)
		return r;
	r = file_copy_range(task_vfs(t), in, in_pos, out, out_pos, size);
	if (r > 0 && in_pos && uaccess_put(t, in_off, in_pos, sizeof(*in_pos)) < 0)
		return -EFAULT;
	if (r > 0 && out_pos && uaccess_put(t, out_off, out_pos, sizeof(*out_pos)) < 0)
		return -EFAULT;
	return r;
}

long sys_copy_file_range(struct task *t, int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off,
			 size_t size, unsigned int flags)
{
	struct file *in, *out;
	long r = -EBADF;

	if (flags)
		return -EINVAL;
	in = fdt_file_nopath(t->fdt, in_fd);
	out = fdt_file_nopath(t->fdt, out_fd);
	if (in && out)
		r = copy_range(t, in, in_off, out, out_off, size);
	file_put(in);
	file_put(out);
	return r;
}

/* Hints: nothing is read ahead here that the host would not read by itself. */
long sys_readahead(struct task *t, int fd, int64_t offset, size_t count)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err = 0;

	(void)offset;
	(void)count;
	if (!f || !(f->kind & FILE_READ))
		err = -EBADF;
	else if (!S_ISREG(f->inode->mode))
		err = -EINVAL;
	file_put(f);
	return err;
}

long sys_fadvise64(struct task *t, int fd, int64_t offset, size_t size, int advice)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err = 0;

	(void)offset;
	if (!f)
		return -EBADF;
	if (f->kind & FILE_STREAM)
		err = -ESPIPE;
	else if (advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE || (ssize_t)size < 0)
		err = -EINVAL;
	file_put(f);
	return err;
}
