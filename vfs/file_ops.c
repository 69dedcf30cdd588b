/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_ops.c: what is done with open files besides reading and writing: the wrappers around
 * file_ops, with the rules that hold for every kind of file.
 *
 * Linux: fs/read_write.c (llseek), fs/ioctl.c, fs/open.c (fallocate, ftruncate), fs/fcntl.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fanotify.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/overflow.h"
#include "vfs/fanotify.h"
#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/poll.h"
#include "vfs/vfs_impl.h"

#define COPY_CHUNK (64 * 1024)

uint32_t file_poll(struct file *f, struct poller *p)
{
	if (f->kind & FILE_PATH)
		return POLLNVAL;
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, p);
}

/* ---- positions -------------------------------------------------------------------------------- */

int64_t file_llseek_size(struct file *f, int64_t off, int whence, int64_t size)
{
	int64_t pos;

	switch (whence) {
	case SEEK_SET:
		pos = off;
		break;
	case SEEK_CUR:
		if (add_overflow(f->pos, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (add_overflow(size, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_DATA:
		if (off < 0 || off >= size)
			return -ENXIO;
		pos = off;
		break;
	case SEEK_HOLE:
		if (off < 0 || off >= size)
			return -ENXIO;
		pos = size;
		break;
	default:
		return -EINVAL;
	}
	return pos < 0 ? -EINVAL : pos;
}

int64_t file_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	int64_t pos;

	if (f->kind & FILE_PATH)
		return -EBADF;
	if (f->kind & FILE_STREAM)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	if (f->ops->llseek)
		pos = f->ops->llseek(c, f, off, whence);
	else
		pos = file_llseek_size(f, off, whence, (int64_t)f->inode->size);
	if (pos >= 0)
		f->pos = pos;
	mutex_unlock(&f->pos_lock);
	return pos;
}

/* ---- ioctl ------------------------------------------------------------------------------------ */

int vfs_copy_in(struct vfs_ctx *c, void *dst, uint64_t addr, size_t size)
{
	ssize_t n;

	if (!c->space) {
		memcpy(dst, (const void *)(uintptr_t)addr, size);
		return 0;
	}
	n = c->space->read(c->space, addr, dst, size);
	return n == (ssize_t)size ? 0 : -EFAULT;
}

int vfs_copy_out(struct vfs_ctx *c, uint64_t addr, const void *src, size_t size)
{
	ssize_t n;

	if (!c->space) {
		memcpy((void *)(uintptr_t)addr, src, size);
		return 0;
	}
	n = c->space->write(c->space, addr, src, size);
	return n == (ssize_t)size ? 0 : -EFAULT;
}

/* FIONBIO, FIOASYNC: an int says whether the flag is set. */
static long ioctl_flag(struct vfs_ctx *c, struct file *f, int flag, uint64_t arg)
{
	int on, flags;
	int err = vfs_copy_in(c, &on, arg, sizeof(on));

	if (err < 0)
		return err;
	flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
	return file_set_flags(c, f, on ? flags | flag : flags & ~flag);
}

static long ioctl_regular(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	int left;

	if (cmd == FIONREAD) {
		mutex_lock(&f->pos_lock);
		left = (int)MIN((int64_t)INT_MAX, (int64_t)f->inode->size - f->pos);
		mutex_unlock(&f->pos_lock);
		return vfs_copy_out(c, arg, &left, sizeof(left));
	}
	return -ENOTTY;
}

long file_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	int64_t qsize;
	int bsize;
	long r;

	if (f->kind & FILE_PATH)
		return -EBADF;
	switch (cmd) {
	case FIONBIO:
		return ioctl_flag(c, f, O_NONBLOCK, arg);
	case FIOASYNC:
		return ioctl_flag(c, f, O_ASYNC, arg);
	case FIOQSIZE:
		if (!S_ISREG(f->inode->mode) && !S_ISDIR(f->inode->mode) &&
		    !S_ISLNK(f->inode->mode))
			return -ENOTTY;
		qsize = (int64_t)f->inode->size;
		return vfs_copy_out(c, arg, &qsize, sizeof(qsize));
	case FIGETBSZ:
		bsize = (int)f->inode->blksize;
		return bsize ? vfs_copy_out(c, arg, &bsize, sizeof(bsize)) : -EINVAL;
	default:
		break;
	}
	if ((f->kind & FILE_NOIOCTL) && !landlock_ioctl_is_harmless(cmd))
		return -EACCES;
	r = f->ops->ioctl ? f->ops->ioctl(c, f, cmd, arg) : -ENOTTY;
	if (r == -ENOTTY && S_ISREG(f->inode->mode))
		r = ioctl_regular(c, f, cmd, arg);
	return r;
}

/* ---- mapping, directories, syncing ------------------------------------------------------------ */

int file_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	int type = r->flags & MAP_TYPE;

	if (f->kind & FILE_PATH)
		return -EBADF;
	if (!(f->kind & FILE_READ))
		return -EACCES;
	if (type != MAP_PRIVATE && (r->prot & PROT_WRITE) && !(f->kind & FILE_WRITE))
		return -EACCES;
	if ((r->prot & PROT_EXEC) && (mount_flags(f->path.mnt) & MS_NOEXEC))
		return -EPERM;
	if (!f->ops->mmap)
		return -ENODEV;
	return f->ops->mmap(c, f, r);
}

bool dir_emit(struct dir_emit *e, const char *name, size_t len, uint64_t ino, unsigned int type,
	      int64_t next_pos)
{
	return e->fn(e, name, len, ino, type, next_pos);
}

int file_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	int err;

	if (!(f->kind & FILE_READ))
		return -EBADF;
	if (!f->ops->readdir)
		return -ENOTDIR;
	err = fanotify_ask(c, f, FAN_ACCESS_PERM);
	if (err < 0)
		return err;
	mutex_lock(&f->pos_lock);
	if (dentry_unlinked(f->path.dentry))
		err = -ENOENT;
	else
		err = f->ops->readdir(c, f, e);
	mutex_unlock(&f->pos_lock);
	if (err == 0) {
		fsnotify_file(f, IN_ACCESS);
		if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NOATIME))
			inode_touch_atime(f->inode, f->path.mnt);
	}
	return err;
}

int file_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	if (f->kind & FILE_PATH)
		return -EBADF;
	if (f->ops->fsync)
		return f->ops->fsync(c, f, datasync);
	return S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) ? 0 : -EINVAL;
}

int file_flush(struct vfs_ctx *c, struct file *f)
{
	if ((f->kind & FILE_PATH) || !f->ops->flush)
		return 0;
	return f->ops->flush(c, f);
}

/* ---- size ------------------------------------------------------------------------------------- */

static int fallocate_mode_check(int mode)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			  FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
	const int exclusive = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			      FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE;
	int one = mode & exclusive;

	if (mode & ~known)
		return -EOPNOTSUPP;
	if (one & (one - 1))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) &&
	    (mode & FALLOC_FL_KEEP_SIZE))
		return -EINVAL;
	return 0;
}

int file_fallocate(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len)
{
	int64_t end;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	err = fallocate_mode_check(mode);
	if (err < 0)
		return err;
	if (!(f->kind & FILE_WRITE))
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (S_ISDIR(f->inode->mode))
		return -EISDIR;
	if (!S_ISREG(f->inode->mode))
		return -ENODEV;
	if (add_overflow(off, len, &end))
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && (uint64_t)end > c->fsize_limit &&
	    (uint64_t)end > f->inode->size) {
		vfs_raise(c, SIGXFSZ);
		return -EFBIG;
	}
	err = inode_kill_suid(c, f->inode);
	if (err == 0)
		err = f->ops->fallocate(c, f, mode, off, len);
	if (err == 0)
		fsnotify_file(f, IN_MODIFY);
	return err;
}

int file_truncate(struct vfs_ctx *c, struct file *f, int64_t size)
{
	struct setattr a = {
		.mask = SETATTR_SIZE | SETATTR_MTIME_NOW | SETATTR_CTIME_NOW,
		.size = (uint64_t)size,
	};
	int err;

	if (size < 0)
		return -EINVAL;
	if (f->kind & FILE_PATH)
		return -EBADF;
	if (!S_ISREG(f->inode->mode) || !(f->kind & FILE_WRITE))
		return -EINVAL;
	if (f->kind & FILE_NOTRUNCATE)
		return -EACCES;
	if (a.size > c->fsize_limit && a.size > f->inode->size) {
		vfs_raise(c, SIGXFSZ);
		return -EFBIG;
	}
	mutex_lock(&f->inode->lock);
	err = inode_setattr_locked(c, f->inode, &a);
	mutex_unlock(&f->inode->lock);
	if (err == 0)
		fsnotify_file(f, IN_MODIFY);
	return err;
}

/* ---- flags and text --------------------------------------------------------------------------- */

int file_getattr(struct vfs_ctx *c, struct file *f, uint32_t query, struct attr *out)
{
	return vfs_getattr(c, &f->path, query, out);
}

int file_set_flags(struct vfs_ctx *c, struct file *f, int flags)
{
	const int settable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
	int old = atomic_load_explicit(&f->flags, memory_order_relaxed), next;
	int err;

	if (f->kind & FILE_PATH)
		return -EBADF;
	flags &= settable;
	if ((flags & ~old & O_NOATIME) && !inode_owner_or_capable(c, f->inode))
		return -EPERM;
	if (f->ops->set_flags) {
		err = f->ops->set_flags(f, flags);
		if (err < 0)
			return err;
	}
	do {
		next = (old & ~settable) | flags;
	} while (!atomic_compare_exchange_weak_explicit(&f->flags, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return 0;
}

void file_show_fdinfo(struct file *f, struct buf *b)
{
	if (f->ops->show_fdinfo && !(f->kind & FILE_PATH))
		f->ops->show_fdinfo(f, b);
}

int file_path_text(struct vfs_ctx *c, struct file *f, struct buf *b)
{
	return vfs_path_link_text(&c->root, &f->path, b);
}

/* ---- copying between files -------------------------------------------------------------------- */

static int copy_check(struct file *in, struct file *out)
{
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode) ||
	    ((in->kind | out->kind) & FILE_STREAM))
		return -EINVAL;
	if (!(in->kind & FILE_READ) || !(out->kind & FILE_WRITE) ||
	    (atomic_load_explicit(&out->flags, memory_order_relaxed) & O_APPEND))
		return -EBADF;
	return 0;
}

/* Through a bounce buffer, until size, the end of in, or an error. */
static ssize_t copy_bytes(struct vfs_ctx *c, struct file *in, int64_t *in_off, struct file *out,
			  int64_t *out_off, size_t size)
{
	char *bounce = mem_alloc(COPY_CHUNK);
	size_t done = 0;
	ssize_t n = 0;

	if (!bounce)
		return -ENOMEM;
	while (done < size) {
		struct uio u;
		ssize_t w;

		n = file_read_kernel(c, in, bounce, MIN(size - done, (size_t)COPY_CHUNK), *in_off);
		if (n <= 0)
			break;
		uio_init_kernel(&u, bounce, (size_t)n);
		w = file_pwrite(c, out, &u, out_off, 0);
		if (w < 0) {
			n = w;
			break;
		}
		*in_off += w;
		done += (size_t)w;
		if (w < n)
			break;
	}
	mem_free(bounce);
	return done ? (ssize_t)done : n;
}

ssize_t file_copy_range(struct vfs_ctx *c, struct file *in, int64_t *in_off, struct file *out,
			int64_t *out_off, size_t size)
{
	int64_t from, to, end;
	ssize_t n;
	int err = copy_check(in, out);

	if (err < 0)
		return err;
	from = in_off ? *in_off : file_llseek(c, in, 0, SEEK_CUR);
	to = out_off ? *out_off : file_llseek(c, out, 0, SEEK_CUR);
	size = MIN(size, (size_t)0x7ffff000);
	/* Linux adds without sign here, so a small negative offset overflows. */
	if ((uint64_t)from + size < (uint64_t)from || (uint64_t)to + size < (uint64_t)to)
		return -EOVERFLOW;
	if (from < 0 || to < 0)
		return -EINVAL;
	if (add_overflow(from, (int64_t)size, &end) || add_overflow(to, (int64_t)size, &end))
		return -EOVERFLOW;
	size = from < (int64_t)in->inode->size ?
		       MIN(size, (size_t)((int64_t)in->inode->size - from)) : 0;
	if (in->inode == out->inode && from < to + (int64_t)size && to < from + (int64_t)size)
		return -EINVAL;
	n = size ? copy_bytes(c, in, &from, out, &to, size) : 0;
	if (n > 0) {
		if (in_off)
			*in_off = from;
		else
			(void)file_llseek(c, in, from, SEEK_SET);
		if (out_off)
			*out_off = to;
		else
			(void)file_llseek(c, out, to, SEEK_SET);
	}
	return n;
}
