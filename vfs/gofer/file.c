/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c: regular files of the gofer file system: host descriptors that the Gofer donated.
 *
 * Bytes go between the host's page cache and the application's memory with one host call when that
 * memory can be reached directly (uio_host_iovec()), else through a bounce buffer.  Reads first ask
 * for what is in the page cache (RWF_NOWAIT) and give the worker's seat away when the disk is needed.
 * Files of an overlay (what Docker's containers have) can't be asked: reads of these, and short
 * writes, give the seat away when they turn out to take long.
 *
 * Writes hold inode->lock, as on Linux: it orders them with appends and truncation, and keeps
 * inode->size true.
 */
#include "vfs/gofer/gofer_fs_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/fiber.h"
#include "lib/mem.h"

enum {
	BOUNCE_SMALL = 4096,        /* on the stack */
	BOUNCE_LARGE = 64 * 1024,
	WRITE_SHORT = 256 * 1024,   /* up to here a buffered write is not expected to block */
	IOVECS = 16,
	DIRECT_ALIGN = 512,         /* of O_DIRECT: a disk's logical block */
};

#define RWF_HOST (RWF_HIPRI | RWF_DSYNC | RWF_SYNC)

/* ---- descriptors --------------------------------------------------------------------------- */

static int fd_of(const atomic_int *fd)
{
	return atomic_load_explicit(fd, memory_order_acquire); /* fd_install */
}

static void fd_install(atomic_int *slot, int fd)
{
	atomic_store_explicit(slot, fd, memory_order_release);
}

int gfs_peek_rw_fd(const struct gfs_inode *gi)
{
	return fd_of(&gi->rw_fd);
}

/* One that can read, of an open inode. */
static int read_fd(const struct gfs_inode *gi)
{
	int fd = fd_of(&gi->ro_fd);

	return fd >= 0 || gi->rw_no_read ? fd : fd_of(&gi->rw_fd);
}

static int ask_fd_locked(struct gfs_inode *gi, uint32_t flags, atomic_int *slot)
{
	struct gofer_attr attr;
	int err, fd;

	if (fd_of(slot) >= 0)
		return 0;
	/* An inode has one before it is opened: gfs_file_open(). */
	err = grpc_open(gi->gs->conn, atomic_load_explicit(&gi->fid, memory_order_relaxed), flags, &attr,
			&fd);
	if (err == 0)
		fd_install(slot, fd);
	return err;
}

static int need_read_fd_locked(struct gfs_inode *gi)
{
	if (fd_of(&gi->rw_fd) >= 0 && !gi->rw_no_read)
		return 0;
	return ask_fd_locked(gi, O_RDONLY, &gi->ro_fd);
}

static int need_write_fd_locked(struct gfs_inode *gi)
{
	int err = ask_fd_locked(gi, O_RDWR, &gi->rw_fd);

	/* A Gofer without privileges may be allowed to write and not to read. */
	if (err == -EACCES) {
		err = ask_fd_locked(gi, O_WRONLY, &gi->rw_fd);
		gi->rw_no_read = err == 0;
	}
	return err;
}

int gfs_file_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	bool writes = f->kind & FILE_WRITE;
	struct gfs_inode *gi = gfs_inode(i);
	atomic_int *slot = writes ? &gi->rw_fd : &gi->ro_fd;
	struct inode *parent = NULL;
	uint32_t fid;
	int err;

	(void)c;
	if (!S_ISREG(i->mode))
		return -ENXIO;
	if (atomic_load_explicit(&gi->fid, memory_order_acquire) == GOFER_NOFID) {
		mutex_lock(&gi->fd_lock);
		if (fd_of(slot) < 0)
			gfs_fid_open_locked(gi, writes ? GOFER_WALK_READ_WRITE : GOFER_WALK_READ, slot, &parent);
		mutex_unlock(&gi->fd_lock);
		inode_put(parent);
	}
	err = gfs_fid(gi, &fid);
	if (err < 0)
		return err == -ESTALE ? -ENOENT : err;
	mutex_lock(&gi->fd_lock);
	if (f->kind & FILE_WRITE)
		err = need_write_fd_locked(gi);
	if (err == 0 && (f->kind & (FILE_READ | FILE_EXEC)))
		err = need_read_fd_locked(gi);
	if (err == 0)
		gi->open_count++;
	mutex_unlock(&gi->fd_lock);
	if (err < 0)
		return err;
	gfs_idle_remove(gi);
	(void)gfs_refresh_old(gi); /* by the descriptor, without asking the Gofer */
	return 0;
}

void gfs_offer_read_fd(struct gfs_inode *gi, int fd)
{
	bool idle = false;

	mutex_lock(&gi->fd_lock);
	if (fd_of(&gi->ro_fd) < 0) {
		fd_install(&gi->ro_fd, fd); /* consumes fd */
		fd = -1;
		idle = gi->open_count == 0;
	}
	mutex_unlock(&gi->fd_lock);
	host_close_fd(&fd);
	if (idle)
		gfs_idle_add(gi);
}

static void gfs_file_release(struct file *f)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	bool idle;

	mutex_lock(&gi->fd_lock);
	ASSERT(gi->open_count > 0);
	idle = --gi->open_count == 0;
	mutex_unlock(&gi->fd_lock);
	if (idle)
		gfs_idle_add(gi);
}

void gfs_close_idle(struct gfs_inode *gi)
{
	int ro = -1, rw = -1;

	mutex_lock(&gi->fd_lock);
	if (gi->open_count == 0) {
		ro = fd_of(&gi->ro_fd);
		rw = fd_of(&gi->rw_fd);
		fd_install(&gi->ro_fd, -1);
		fd_install(&gi->rw_fd, -1);
		gi->rw_no_read = false;
	}
	mutex_unlock(&gi->fd_lock);
	host_close_fd(&ro);
	host_close_fd(&rw);
}

/* ---- read ---------------------------------------------------------------------------------- */

static ssize_t host_read_at(struct gfs_super *gs, int fd, const struct iovec *iov, int count,
			    int64_t pos, int rwf)
{
	ssize_t n = -EOPNOTSUPP;

	if (rwf & RWF_NOWAIT || !atomic_load_explicit(&gs->no_nowait, memory_order_relaxed))
		n = host_preadv2(fd, iov, count, pos, (rwf & RWF_HOST) | RWF_NOWAIT);
	if ((n != -EAGAIN && n != -EOPNOTSUPP) || rwf & RWF_NOWAIT)
		return n;
	if (n == -EOPNOTSUPP) { /* nobody can tell whether it will wait: mostly not */
		atomic_store_explicit(&gs->no_nowait, true, memory_order_relaxed);
		worker_block_lazy_begin();
		n = host_preadv2(fd, iov, count, pos, rwf & RWF_HOST);
		worker_block_lazy_end();
		return n;
	}
	worker_block_begin();
	n = host_preadv2(fd, iov, count, pos, rwf & RWF_HOST);
	worker_block_end();
	return n;
}

/* Through a buffer of ours.  Count, 0 at the end, or an error. */
static ssize_t read_bounce(struct gfs_super *gs, int fd, struct uio *dst, int64_t pos, int rwf)
{
	char small[BOUNCE_SMALL], *buf = small;
	struct iovec iov;
	ssize_t n, copied;

	iov.iov_len = MIN(uio_left(dst), (size_t)BOUNCE_LARGE);
	if (iov.iov_len > sizeof(small)) {
		buf = mem_alloc(iov.iov_len);
		if (!buf)
			return -ENOMEM;
	}
	iov.iov_base = buf;
	n = host_read_at(gs, fd, &iov, 1, pos, rwf);
	if (n > 0) {
		copied = uio_put(dst, buf, (size_t)n);
		n = copied;
	}
	if (buf != small)
		mem_free(buf);
	return n;
}

static ssize_t read_some(struct gfs_super *gs, int fd, struct uio *dst, int64_t pos, int rwf)
{
	struct iovec iov[IOVECS];
	int count = uio_host_iovec(dst, iov, IOVECS, true);
	ssize_t n;

	if (count == 0)
		return read_bounce(gs, fd, dst, pos, rwf);
	n = host_read_at(gs, fd, iov, count, pos, rwf);
	if (n > 0)
		uio_filled(dst, (size_t)n);
	return n;
}

/* O_DIRECT is buffered here, but asks for the alignment that a disk does: open(2). */
static bool direct_ok(const struct file *f, const struct uio *u, int64_t pos)
{
	if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DIRECT) || !u->space)
		return true;
	return (((uint64_t)pos | uio_alignment(u)) & (DIRECT_ALIGN - 1)) == 0;
}

static ssize_t gfs_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	int fd = read_fd(gfs_inode(f->inode));
	size_t done = 0;
	ssize_t n = 0;

	(void)c;
	if (!direct_ok(f, dst, *pos))
		return -EINVAL;
	while (uio_left(dst) > 0) {
		n = read_some(gfs_inode(f->inode)->gs, fd, dst, *pos, rwf);
		if (n <= 0)
			break;
		*pos += n;
		done += (size_t)n;
		if ((uint64_t)*pos >= f->inode->size)
			break; /* the end, as far as we know: no need to ask */
	}
	if (done > 0 && !(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NOATIME))
		inode_touch_atime(f->inode, f->path.mnt);
	return done > 0 ? (ssize_t)done : n;
}

/* ---- write --------------------------------------------------------------------------------- */

static ssize_t host_write_at(int fd, const struct iovec *iov, int count, size_t size, int64_t pos,
			     int rwf)
{
	bool slow = size > WRITE_SHORT || rwf & (RWF_SYNC | RWF_DSYNC);
	ssize_t n;

	if (slow)
		worker_block_begin();
	else
		worker_block_lazy_begin();
	n = host_pwritev2(fd, iov, count, pos, (rwf & RWF_HOST) | (rwf & RWF_NOWAIT));
	if (slow)
		worker_block_end();
	else
		worker_block_lazy_end();
	return n;
}

static ssize_t write_bounce(int fd, struct uio *src, int64_t pos, int rwf)
{
	char small[BOUNCE_SMALL], *buf = small;
	struct iovec iov;
	ssize_t n;

	iov.iov_len = MIN(uio_left(src), (size_t)BOUNCE_LARGE);
	if (iov.iov_len > sizeof(small)) {
		buf = mem_alloc(iov.iov_len);
		if (!buf)
			return -ENOMEM;
	}
	iov.iov_base = buf;
	n = uio_peek(src, buf, iov.iov_len);
	if (n > 0) {
		iov.iov_len = (size_t)n;
		n = host_write_at(fd, &iov, 1, iov.iov_len, pos, rwf);
	}
	if (n > 0)
		uio_advance(src, (size_t)n);
	if (buf != small)
		mem_free(buf);
	return n;
}

static ssize_t write_some(int fd, struct uio *src, int64_t pos, int rwf)
{
	struct iovec iov[IOVECS];
	int count = uio_host_iovec(src, iov, IOVECS, false);
	ssize_t n;

	if (count == 0)
		return write_bounce(fd, src, pos, rwf);
	n = host_write_at(fd, iov, count, uio_left(src), pos, rwf);
	if (n > 0)
		uio_advance(src, (size_t)n);
	return n;
}

/*
 * The host takes setuid and setgid bits away at each write of a process without CAP_FSETID, which is
 * what the Sentry is.  Whether they go is the vfs's decision (already made), so restore them.
 */
static void restore_suid_locked(struct vfs_ctx *c, struct inode *i)
{
	struct setattr a = { .mask = SETATTR_MODE, .mode = i->mode & 07777 };

	if (i->mode & (S_ISUID | S_ISGID))
		(void)gfs_setattr(c, i, &a);
}

static ssize_t gfs_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct inode *i = f->inode;
	struct gfs_inode *gi = gfs_inode(i);
	int fd = gfs_peek_rw_fd(gi);
	size_t done = 0;
	ssize_t n = 0;

	if (!direct_ok(f, src, *pos))
		return -EINVAL;
	mutex_lock(&i->lock);
	if (rwf & RWF_APPEND) {
		if (!gi->gs->exclusive)
			(void)gfs_refresh_locked(gi);
		*pos = (int64_t)i->size;
	}
	while (uio_left(src) > 0) {
		n = write_some(fd, src, *pos, rwf);
		if (n <= 0)
			break;
		*pos += n;
		done += (size_t)n;
	}
	if (done > 0) {
		if ((uint64_t)*pos > i->size)
			i->size = (uint64_t)*pos;
		i->mtime = i->ctime = vfs_now();
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
		restore_suid_locked(c, i);
	}
	mutex_unlock(&i->lock);
	return done > 0 ? (ssize_t)done : n;
}

/* ---- the rest ------------------------------------------------------------------------------ */

/*
 * A mapping gets a descriptor with just the rights that it may ever need (mprotect included): to
 * write only if it is shared and the file was opened for writing.
 */
static int gfs_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	bool writable = (r->flags & MAP_TYPE) != MAP_PRIVATE && f->kind & FILE_WRITE;
	int err = 0;

	(void)c;
	if (writable && gi->rw_no_read)
		return -EACCES;
	if (!writable) {
		mutex_lock(&gi->fd_lock);
		err = ask_fd_locked(gi, O_RDONLY, &gi->ro_fd);
		mutex_unlock(&gi->fd_lock);
	} else {
		atomic_store_explicit(&gi->mapped, true, memory_order_relaxed);
	}
	if (err < 0)
		return err;
	r->host_fd = fd_of(writable ? &gi->rw_fd : &gi->ro_fd);
	r->host_offset = r->offset;
	return 0;
}

static int64_t gfs_file_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	struct inode *i = f->inode;
	int64_t pos;

	(void)c;
	switch (whence) {
	case SEEK_SET:
		pos = off;
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(f->pos, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (!gfs_inode(i)->gs->exclusive) {
			mutex_lock(&i->lock);
			(void)gfs_refresh_locked(gfs_inode(i));
			mutex_unlock(&i->lock);
		}
		if (__builtin_add_overflow((int64_t)i->size, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		/* The host's own position moves too, but nobody uses it. */
		return host_lseek(f->kind & FILE_READ ? read_fd(gfs_inode(i)) :
							gfs_peek_rw_fd(gfs_inode(i)),
				  off, whence);
	default:
		return -EINVAL;
	}
	return pos < 0 ? -EINVAL : pos;
}

static int gfs_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	int fd = gfs_peek_rw_fd(gi);
	int err;

	(void)c;
	if (fd < 0)
		fd = read_fd(gi);
	worker_block_begin();
	err = datasync ? host_fdatasync(fd) : host_fsync(fd);
	worker_block_end();
	return err;
}

static int gfs_fallocate(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len)
{
	struct inode *i = f->inode;
	struct gfs_inode *gi = gfs_inode(i);
	int err;

	mutex_lock(&i->lock);
	worker_block_begin();
	err = host_fallocate(gfs_peek_rw_fd(gi), mode, off, len);
	worker_block_end();
	if (err == 0) {
		restore_suid_locked(c, i);
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
		err = gfs_refresh_locked(gi);
	}
	mutex_unlock(&i->lock);
	return err;
}

const struct file_ops gfs_file_ops = {
	.read = gfs_read,
	.write = gfs_write,
	.mmap = gfs_mmap,
	.llseek = gfs_file_llseek,
	.fsync = gfs_fsync,
	.fallocate = gfs_fallocate,
	.release = gfs_file_release,
};
