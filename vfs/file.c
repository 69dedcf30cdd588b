/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c: open files: their life, reading and writing.
 *
 * A file (Linux: an open file description) holds its path and through it the mount; the path's
 * dentry holds the inode.  A file opened for writing counts in inode->writers and in the mount's
 * writers (f->holds says which counters it is in), so that execve and remount read-only see it.
 *
 * Position: files with one keep it under pos_lock, which is held over the whole read or write, so
 * two threads sharing a file never get the same bytes.  Streams have none and take no lock here.
 *
 * Linux: fs/file_table.c, fs/read_write.c.
 */
#include "vfs/dnotify.h"
#include "vfs/fanotify.h"
#include "vfs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fanotify.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "vfs/epoll.h"
#include "vfs/vfs_impl.h"

#define CREATION_FLAGS (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

/* ---- life ------------------------------------------------------------------------------------- */

static unsigned int kind_of_flags(int flags)
{
	if (flags & O_PATH)
		return FILE_PATH;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return FILE_READ;
	case O_WRONLY:
		return FILE_WRITE;
	case O_RDWR:
		return FILE_READ | FILE_WRITE;
	default: /* both permissions are needed, neither is given: for ioctl */
		return 0;
	}
}

int file_new(const struct path *path, const struct file_ops *ops, int flags,
	     const struct cred *cred, struct file **out)
{
	struct file *f = mem_new(struct file);

	if (!f)
		return -ENOMEM;
	ref_init(&f->ref);
	f->ops = ops;
	f->path = *path;
	path_get(&f->path);
	f->inode = dentry_inode(path->dentry);
	atomic_init(&f->flags, flags & ~CREATION_FLAGS);
	f->kind = kind_of_flags(flags);
	mutex_init(&f->pos_lock, LOCK_FILE);
	f->cred = cred_get(cred);
	latch_init(&f->latch);
	list_init(&f->epolls);
	*out = f;
	return 0;
}

struct file *file_get(struct file *f)
{
	ref_get(&f->ref);
	return f;
}

int file_hold_writer(struct file *f)
{
	int old = atomic_load_explicit(&f->inode->writers, memory_order_relaxed);

	do {
		if (old < 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak_explicit(&f->inode->writers, &old, old + 1,
							memory_order_relaxed,
							memory_order_relaxed));
	f->holds |= FILE_HOLDS_WRITER;
	return 0;
}

void file_drop_writer(struct file *f)
{
	if (f->holds & FILE_HOLDS_WRITER)
		atomic_fetch_sub_explicit(&f->inode->writers, 1, memory_order_relaxed);
	f->holds &= ~(unsigned int)FILE_HOLDS_WRITER;
}

int file_hold_exec(struct file *f)
{
	int old = atomic_load_explicit(&f->inode->writers, memory_order_relaxed);

	do {
		if (old > 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak_explicit(&f->inode->writers, &old, old - 1,
							memory_order_relaxed,
							memory_order_relaxed));
	f->holds |= FILE_HOLDS_EXEC;
	return 0;
}

static void file_drop_holds(struct file *f)
{
	file_drop_writer(f);
	if (f->holds & FILE_HOLDS_EXEC)
		atomic_fetch_add_explicit(&f->inode->writers, 1, memory_order_relaxed);
	if (f->holds & FILE_HOLDS_READER)
		atomic_fetch_sub_explicit(&f->inode->readcount, 1, memory_order_relaxed);
	if (f->holds & FILE_HOLDS_MOUNT)
		mount_drop_write(f->path.mnt);
}

void file_put(struct file *f)
{
	if (!f || !ref_put(&f->ref))
		return;
	if (!list_empty(&f->epolls))
		epoll_forget_file(f);
	if (f->holds & FILE_HOLDS_OPEN)
		fsnotify_file(f, f->kind & FILE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	dnotify_file_gone(f);
	if (f->owner)
		f->owner->free(f->owner);
	if (f->inode && !(f->kind & FILE_PATH))
		locks_release_file(f); /* pipes and sockets too: flock(2) takes any file */
	if (!(f->kind & FILE_PATH) && f->ops->release && !(f->holds & FILE_HALF_OPEN))
		f->ops->release(f);
	file_drop_holds(f);
	if (f->holds & FILE_HOLDS_TREE)
		mnt_ns_put(file_priv(f));
	path_put(&f->path);
	cred_put(f->cred);
	mem_free(f);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* What the file's own flags add to a call's. */
static int rwf_of(const struct file *f, int rwf)
{
	int flags = atomic_load_explicit(&f->flags, memory_order_relaxed);

	rwf |= flags & O_NONBLOCK;
	if (rwf & RWF_NOWAIT)
		rwf |= O_NONBLOCK;
	if (flags & O_APPEND)
		rwf |= RWF_APPEND;
	if ((flags & O_SYNC) == O_SYNC)
		rwf |= RWF_SYNC;
	else if (flags & O_DSYNC)
		rwf |= RWF_DSYNC;
	return rwf;
}

static ssize_t read_at(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	ssize_t n;

	if (!(f->kind & FILE_READ))
		return -EBADF;
	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	n = fanotify_ask(c, f, FAN_ACCESS_PERM);
	if (n < 0)
		return n;
	n = f->ops->read(c, f, dst, pos, rwf_of(f, rwf));
	if (n > 0)
		fsnotify_file(f, IN_ACCESS);
	return n;
}

ssize_t file_read(struct vfs_ctx *c, struct file *f, struct uio *dst)
{
	return file_readv_flags(c, f, dst, 0);
}

ssize_t file_readv_flags(struct vfs_ctx *c, struct file *f, struct uio *dst, int rwf)
{
	int64_t pos = 0;
	ssize_t n;

	if (f->kind & FILE_STREAM)
		return read_at(c, f, dst, &pos, rwf);
	mutex_lock(&f->pos_lock);
	pos = f->holds & FILE_OWN_POS ? -1 : f->pos;
	n = read_at(c, f, dst, &pos, rwf);
	if (n > 0 && pos >= 0)
		f->pos = pos;
	mutex_unlock(&f->pos_lock);
	return n;
}

/* A position and a length that make sense together. */
static int range_check(const struct file *f, int64_t pos, size_t size)
{
	int64_t end;

	if (f->kind & FILE_STREAM)
		return -ESPIPE;
	if (pos < 0 || size > INT64_MAX || add_overflow(pos, (int64_t)size, &end))
		return -EINVAL;
	return 0;
}

ssize_t file_pread(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	int err = range_check(f, *pos, uio_left(dst));

	if (err < 0)
		return err;
	return read_at(c, f, dst, pos, rwf);
}

ssize_t file_read_kernel(struct vfs_ctx *c, struct file *f, void *buf, size_t size, int64_t off)
{
	size_t done = 0;

	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	while (done < size) {
		struct uio u;
		ssize_t n;

		uio_init_kernel(&u, (char *)buf + done, size - done);
		n = f->ops->read(c, f, &u, &off, 0);
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* ---- writing ---------------------------------------------------------------------------------- */

/*
 * RLIMIT_FSIZE: cut src to what fits below it; *cut is what was cut off.  At the limit nothing
 * fits: SIGXFSZ and -EFBIG.
 */
static int limit_size(struct vfs_ctx *c, const struct file *f, struct uio *src, int64_t pos,
		      size_t *cut)
{
	uint64_t room;

	*cut = 0;
	if (c->fsize_limit == UINT64_MAX || !S_ISREG(f->inode->mode) || pos < 0)
		return 0;
	if ((uint64_t)pos >= c->fsize_limit) {
		if (uio_left(src) == 0)
			return 0;
		vfs_raise(c, SIGXFSZ);
		return -EFBIG;
	}
	room = c->fsize_limit - (uint64_t)pos;
	if (uio_left(src) > room)
		*cut = uio_truncate(src, room);
	return 0;
}

/* Where a write begins, as RLIMIT_FSIZE counts. */
static int64_t write_start(const struct vfs_ctx *c, struct file *f, int64_t pos, int rwf)
{
	if (!(rwf & RWF_APPEND) || c->fsize_limit == UINT64_MAX || !S_ISREG(f->inode->mode))
		return pos;
	mutex_lock(&f->inode->lock);
	pos = (int64_t)f->inode->size;
	mutex_unlock(&f->inode->lock);
	return pos;
}

static ssize_t write_at(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	size_t cut;
	ssize_t n;
	int err;

	if (!(f->kind & FILE_WRITE))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	rwf = rwf_of(f, rwf);
	if (S_ISREG(f->inode->mode)) {
		err = inode_kill_suid(c, f->inode);
		if (err < 0)
			return err;
	}
	err = limit_size(c, f, src, write_start(c, f, *pos, rwf), &cut);
	if (err < 0)
		return err;
	n = f->ops->write(c, f, src, pos, rwf);
	if (cut)
		uio_extend(src, cut);
	if (n > 0)
		fsnotify_file(f, IN_MODIFY);
	else if (n == -EPIPE && (f->kind & FILE_SIGPIPE))
		vfs_raise(c, SIGPIPE);
	return n;
}

ssize_t file_write(struct vfs_ctx *c, struct file *f, struct uio *src)
{
	return file_writev_flags(c, f, src, 0);
}

ssize_t file_writev_flags(struct vfs_ctx *c, struct file *f, struct uio *src, int rwf)
{
	int64_t pos = 0;
	ssize_t n;

	if (f->kind & FILE_STREAM)
		return write_at(c, f, src, &pos, rwf);
	mutex_lock(&f->pos_lock);
	pos = f->holds & FILE_OWN_POS ? -1 : f->pos;
	n = pos < 0 ? 0 : range_check(f, pos, uio_left(src));
	if (n == 0)
		n = write_at(c, f, src, &pos, rwf);
	if (n > 0 && pos >= 0)
		f->pos = pos;
	mutex_unlock(&f->pos_lock);
	return n;
}

ssize_t file_pwrite(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	int err = range_check(f, *pos, uio_left(src));

	if (err < 0)
		return err;
	return write_at(c, f, src, pos, rwf);
}
