/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostfile.c: standard streams.
 *
 * The host's file description is shared with whoever gave it to us (a shell, a shim), so it is never
 * made non-blocking.  Pipes and sockets are moved with RWF_NOWAIT, which leaves the description
 * alone; what the host can't move that way (terminals) is read only after it was ready, and in the
 * worker's blocking mode, because somebody outside may read it first.  A fiber that has to wait
 * stands in one of two queues, which the event worker wakes.
 *
 * A regular file can be sought, and read and written at positions.  Its own position is the host
 * description's, shared with whoever else has that: two streams into one log go on behind each other.
 * (Opened again by name it has one of its own, as on Linux.)
 *
 * Opened again by name (/dev/stdout, /proc/self/fd/1), another file on the same descriptor is made,
 * with at most the access that the descriptor has.  The inode leads there through a list: only its
 * hostfile's files hold it for sure, so an inode that is left over finds nothing (ENXIO).
 *
 * Lock order: hostfiles.latch is a leaf.
 */
#include "sentry/hostfile.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mem.h"
#include "lib/ref.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "sentry/task/task.h"
#include "vfs/file.h"

#define CHUNK 65536
#define CHUNK_TTY 4096

/* (h) hostfiles.latch */
struct hostfile {
	struct ref ref;       /* open files on it */
	struct list node;     /* (h) */
	struct inode *inode;  /* (c) borrowed: its files hold it */
	unsigned int access;  /* (c) FILE_READ, FILE_WRITE */
	int fd;               /* (c) */
	uint32_t mode;        /* (c) st_mode of the host's file */
	bool watchable;       /* (c) epoll can watch it: not a regular file */
	struct hostfd watch;
	struct wq readable, writable;
};

static struct {
	struct latch latch;
	struct list list; /* (h) */
} hostfiles = { .list = LIST_INIT(hostfiles.list) };

static void hostfile_ready(struct hostfd *w, uint32_t events)
{
	struct hostfile *h = container_of(w, struct hostfile, watch);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		wq_wake(&h->readable, 0);
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		wq_wake(&h->writable, 0);
}

static uint32_t hostfile_poll_now(struct hostfile *h, short events)
{
	struct pollfd p = { .fd = h->fd, .events = events };

	const struct timespec now = { 0 };

	return host_ppoll(&p, 1, &now) > 0 ? (uint32_t)p.revents : 0;
}

/* Asks the event worker each time: hostfd_watch() is one-shot. */
static uint32_t hostfile_poll(struct file *f, struct poller *p)
{
	struct hostfile *h = file_priv(f);
	uint32_t now;

	if (!h->watchable)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	poller_add(p, &h->readable);
	poller_add(p, &h->writable);
	now = hostfile_poll_now(h, POLLIN | POLLOUT | POLLRDHUP);
	if (p)
		hostfd_watch(&h->watch, (EPOLLIN | EPOLLOUT | EPOLLRDHUP) & ~now);
	return now | ((now & POLLIN) ? POLLRDNORM : 0) | ((now & POLLOUT) ? POLLWRNORM : 0);
}

static int hostfile_wait(struct vfs_ctx *c, struct hostfile *h, bool write)
{
	hostfd_watch(&h->watch, write ? EPOLLOUT : EPOLLIN);
	if (hostfile_poll_now(h, write ? POLLOUT : POLLIN))
		return 0;
	return wq_wait(write ? &h->writable : &h->readable, NULL, c->waiter);
}

/* One host read or write that does not wait; -EAGAIN when it would. */
static ssize_t hostfile_move(struct hostfile *h, void *buf, size_t size, bool write)
{
	struct iovec iov = { buf, size };
	ssize_t n;

	if (h->watchable) {
		n = write ? host_pwritev2(h->fd, &iov, 1, -1, RWF_NOWAIT)
			  : host_preadv2(h->fd, &iov, 1, -1, RWF_NOWAIT);
		if (n != -EOPNOTSUPP)
			return n;
		if (!hostfile_poll_now(h, write ? POLLOUT : POLLIN))
			return -EAGAIN;
		iov.iov_len = MIN(iov.iov_len, (size_t)CHUNK_TTY);
	}
	worker_block_begin();
	n = write ? host_write(h->fd, buf, iov.iov_len) : host_read(h->fd, buf, iov.iov_len);
	worker_block_end();
	return n;
}

/*
 * The same of a regular file: at *pos, or, when that is -1, at the host's.  Others may wait for its
 * disk meanwhile.
 */
static ssize_t hostfile_move_at(struct hostfile *h, void *buf, size_t size, int64_t *pos, bool write,
				bool append)
{
	struct stat st;
	ssize_t n;

	if (append && *pos >= 0 && host_fstat(h->fd, &st) == 0)
		*pos = st.st_size;
	worker_block_begin();
	if (*pos < 0)
		n = write ? host_write(h->fd, buf, size) : host_read(h->fd, buf, size);
	else
		n = write ? host_pwrite(h->fd, buf, size, *pos) : host_pread(h->fd, buf, size, *pos);
	worker_block_end();
	if (n > 0 && *pos >= 0)
		*pos += n;
	return n;
}

static ssize_t hostfile_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct hostfile *h = file_priv(f);
	size_t size = MIN(uio_left(dst), (size_t)CHUNK);
	ssize_t n;
	void *buf;
	int err;

	if (!size)
		return 0;
	buf = mem_alloc(size);
	if (!buf)
		return -ENOMEM;
	for (;;) {
		n = S_ISREG(h->mode) ? hostfile_move_at(h, buf, size, pos, false, false) :
				       hostfile_move(h, buf, size, false);
		if (n != -EAGAIN || (rwf & O_NONBLOCK))
			break;
		err = hostfile_wait(c, h, false);
		if (err) {
			n = err;
			break;
		}
	}
	if (n > 0)
		n = uio_put(dst, buf, (size_t)n);
	mem_free(buf);
	return n;
}

static ssize_t hostfile_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct hostfile *h = file_priv(f);
	size_t capacity = MIN(uio_left(src), (size_t)CHUNK), have = 0, at = 0;
	ssize_t done = 0, n = 0;
	char *buf;

	if (!capacity)
		return 0;
	buf = mem_alloc(capacity);
	if (!buf)
		return -ENOMEM;
	for (;;) {
		if (at == have) {
			if (!uio_left(src))
				break;
			n = uio_get(src, buf, capacity);
			if (n <= 0)
				break;
			have = (size_t)n;
			at = 0;
		}
		n = S_ISREG(h->mode) ? hostfile_move_at(h, buf + at, have - at, pos, true, rwf & RWF_APPEND) :
				       hostfile_move(h, buf + at, have - at, true);
		if (n == -EAGAIN && !(rwf & O_NONBLOCK)) {
			n = hostfile_wait(c, h, true);
			if (n)
				break;
			continue;
		}
		if (n < 0)
			break;
		at += (size_t)n;
		done += n;
	}
	mem_free(buf);
	return done ? done : n;
}

static long hostfile_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct hostfile *h = file_priv(f);
	union {
		struct termios t;
		struct winsize w;
		int n;
	} u;
	size_t size;
	long r;

	switch (cmd) {
	case TCGETS:
		size = 36; /* the kernel's struct termios */
		break;
	case TIOCGWINSZ:
		size = sizeof(u.w);
		break;
	case FIONREAD:
		size = sizeof(u.n);
		break;
	default:
		return -ENOTTY;
	}
	memset(&u, 0, sizeof(u));
	r = host_ioctl(h->fd, cmd, &u);
	if (r < 0)
		return r;
	return c->space && c->space->write(c->space, arg, &u, size) == (ssize_t)size ? 0 : -EFAULT;
}

static void hostfile_put(struct hostfile *h)
{
	if (!ref_put(&h->ref))
		return;
	latch_lock(&hostfiles.latch);
	list_remove(&h->node);
	latch_unlock(&hostfiles.latch);
	if (h->watchable)
		hostfd_fini(&h->watch);
	host_close(h->fd);
	mem_free(h);
}

static void hostfile_release(struct file *f)
{
	hostfile_put(file_priv(f));
}

static int64_t hostfile_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	struct hostfile *h = file_priv(f);
	struct stat st;
	int err;

	(void)c;
	if (f->holds & FILE_OWN_POS)
		return host_lseek(h->fd, off, whence);
	err = host_fstat(h->fd, &st);
	return err < 0 ? err : file_llseek_size(f, off, whence, st.st_size);
}

static int hostfile_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	struct hostfile *h = file_priv(f);
	int err;

	(void)c;
	if (!S_ISREG(h->mode))
		return -EINVAL;
	worker_block_begin();
	err = datasync ? host_fdatasync(h->fd) : host_fsync(h->fd);
	worker_block_end();
	return err;
}

static const struct file_ops hostfile_ops = {
	.llseek = hostfile_llseek,
	.fsync = hostfile_fsync,
	.read = hostfile_read,
	.write = hostfile_write,
	.poll = hostfile_poll,
	.ioctl = hostfile_ioctl,
	.release = hostfile_release,
};

/* With a reference, or NULL: all its files are closed. */
static struct hostfile *hostfile_lookup(struct inode *i)
{
	struct hostfile *h, *found = NULL;

	latch_lock(&hostfiles.latch);
	list_for_each_entry(h, &hostfiles.list, node) {
		if (h->inode == i && ref_try_get(&h->ref)) {
			found = h;
			break;
		}
	}
	latch_unlock(&hostfiles.latch);
	return found;
}

static int hostfile_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	struct hostfile *h = hostfile_lookup(i);

	(void)c;
	if (!h)
		return -ENXIO;
	if ((f->kind & (FILE_READ | FILE_WRITE)) & ~h->access) {
		hostfile_put(h);
		return -EACCES;
	}
	f->ops = &hostfile_ops;
	f->priv = h; /* consumes the reference */
	if (!S_ISREG(h->mode))
		f->kind |= FILE_STREAM | FILE_SIGPIPE;
	return 0;
}

/* O_TRUNC of a regular file; modes and owners are the sandbox's own view. */
static int hostfile_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	struct hostfile *h;
	int err = 0;

	(void)c;
	if ((a->mask & SETATTR_SIZE) && S_ISREG(i->mode)) {
		h = hostfile_lookup(i);
		if (!h)
			return -ENXIO;
		err = host_ftruncate(h->fd, (int64_t)a->size);
		hostfile_put(h);
	}
	if (!err)
		inode_apply_setattr(i, a);
	return err;
}

/* Size and times of a regular file are the host's of now. */
static int hostfile_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out)
{
	struct hostfile *h = S_ISREG(i->mode) ? hostfile_lookup(i) : NULL;
	struct stat st;

	(void)c, (void)query;
	inode_fill_attr(i, out);
	if (h && host_fstat(h->fd, &st) == 0) {
		out->size = (uint64_t)st.st_size;
		out->blocks = (uint64_t)st.st_blocks;
		out->mtime = st.st_mtim;
		out->atime = st.st_atim;
		out->ctime = st.st_ctim;
	}
	if (h)
		hostfile_put(h);
	return 0;
}

static const struct inode_ops hostfile_inode_ops = {
	.getattr = hostfile_getattr,
	.open_any = hostfile_open,
	.setattr = hostfile_setattr,
};

static unsigned int hostfile_kind(int flags, uint32_t mode)
{
	unsigned int kind = S_ISREG(mode) ? 0 : FILE_STREAM | FILE_SIGPIPE;

	if ((flags & O_ACCMODE) != O_WRONLY)
		kind |= FILE_READ;
	if ((flags & O_ACCMODE) != O_RDONLY)
		kind |= FILE_WRITE;
	return kind;
}

int hostfile_new(int host_fd, const struct cred *cred, struct file **out)
{
	struct hostfile *h = mem_new(struct hostfile);
	struct stat st;
	long flags;
	int err;

	if (!h)
		return -ENOMEM;
	err = host_fstat(host_fd, &st);
	if (err)
		goto free_hostfile;
	flags = host_fcntl(host_fd, F_GETFL, 0);
	err = (int)MIN(flags, 0l);
	if (err)
		goto free_hostfile;
	ref_init(&h->ref);
	list_init(&h->node);
	h->access = hostfile_kind((int)flags, st.st_mode) & (FILE_READ | FILE_WRITE);
	h->fd = host_fd;
	h->mode = st.st_mode;
	wq_init(&h->readable);
	wq_init(&h->writable);
	h->watchable = hostfd_init(&h->watch, host_fd, hostfile_ready) == 0;
	err = file_new_anon(S_ISSOCK(st.st_mode) ? "socket" : "pipe", &hostfile_ops, h,
			    (int)flags & (O_ACCMODE | O_APPEND), hostfile_kind((int)flags, st.st_mode), cred, out);
	if (err)
		goto fini_watch;
	/* What fstat shows: the inode is this file's alone and nobody knows it yet. */
	(*out)->inode->mode = st.st_mode;
	(*out)->inode->rdev = st.st_rdev;
	(*out)->inode->ops = &hostfile_inode_ops;
	if (S_ISREG(st.st_mode))
		(*out)->holds |= FILE_OWN_POS;
	h->inode = (*out)->inode;
	latch_lock(&hostfiles.latch);
	list_append(&hostfiles.list, &h->node);
	latch_unlock(&hostfiles.latch);
	return 0;

fini_watch:
	if (h->watchable)
		hostfd_fini(&h->watch);
free_hostfile:
	mem_free(h);
	return err;
}
