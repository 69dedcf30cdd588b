/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice.c: splice(2), tee(2), vmsplice(2), sendfile(2).
 *
 * Linux moves references to pages; here bytes are copied once, straight between the pipe's ring and
 * the other file.  The file's own locks rank before the pipe's, so its read or write must not run
 * under the pipe's lock.  Instead the splice marks the pipe `taking` (it works on the used slots) or
 * `putting` (on the free ones) and drops the lock: others who want to take (put) sleep meanwhile,
 * the other direction goes on.  A splice from a file that blocks so holds up other writers of
 * the pipe, as on Linux, where it holds the pipe's lock.
 *
 * What a splice took from a stream is lost when it can't be put (never happens for pipes: room is
 * secured first).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>

#include "lib/mem.h"
#include "vfs/pipe_impl.h"
#include "vfs/poll.h"

#define SPLICE_CHUNK 65536u

/* Sources and targets that have no splice_read or splice_write on Linux are turned away at once. */
static bool splice_serves(const struct file *f)
{
	return (f->ops->read || f->ops->write) && !(f->kind & FILE_NOSPLICE);
}

/* The call's own and the file's O_NONBLOCK, for the file's side. */
static int splice_file_nonblock(const struct file *f)
{
	return f->flags & O_NONBLOCK;
}

static ssize_t splice_read_file(struct vfs_ctx *c, struct file *f, int64_t *off, struct uio *dst)
{
	return off ? file_pread(c, f, dst, off, splice_file_nonblock(f)) : file_read(c, f, dst);
}

static ssize_t splice_write_file(struct vfs_ctx *c, struct file *f, int64_t *off, struct uio *src)
{
	return off ? file_pwrite(c, f, src, off, splice_file_nonblock(f)) : file_write(c, f, src);
}

/* ---- pipe and file ----------------------------------------------------------------------------- */

/* One read into the free slots of p.  Count, 0 at the file's end, -errno. */
static ssize_t splice_fill(struct vfs_ctx *c, struct file *in, int64_t *off, struct pipe *p,
			   size_t size, bool nonblock)
{
	bool slept = false;
	struct uio dst;
	char *room;
	ssize_t n;

	mutex_lock(&p->lock);
	n = pipe_wait_room_locked(c, p, nonblock, &slept);
	if (n == 0)
		n = pipe_populate_locked(p);
	if (n < 0) {
		mutex_unlock(&p->lock);
		if (n == -EPIPE)
			vfs_raise(c, SIGPIPE);
		return n;
	}
	room = pipe_room_locked(p, &size);
	p->putting = true;
	mutex_unlock(&p->lock);

	uio_init_kernel(&dst, room, size);
	n = splice_read_file(c, in, off, &dst);

	mutex_lock(&p->lock);
	p->putting = false;
	if (n > 0)
		pipe_commit_locked(p, (size_t)n, false);
	mutex_unlock(&p->lock);
	if (n > 0)
		pipe_wake_readers(p);
	pipe_wake_writers(p); /* those whom `putting` kept out */
	return n;
}

static ssize_t splice_file_to_pipe(struct vfs_ctx *c, struct file *in, int64_t *off, struct pipe *p,
				   size_t size, bool nonblock)
{
	ssize_t done = 0, n = 0;

	while ((size_t)done < size) {
		/* Sleep for room only before the first byte, as Linux does. */
		n = splice_fill(c, in, off, p, size - (size_t)done, nonblock || done > 0);
		if (n <= 0)
			break;
		done += n;
		if (in->kind & FILE_STREAM)
			break; /* what a stream has now; more might block */
	}
	return done ? done : n;
}

/* One write from the used slots of p.  Count, 0: empty and no writers, -errno. */
static ssize_t splice_drain(struct vfs_ctx *c, struct pipe *p, struct file *out, int64_t *off,
			    size_t size, bool nonblock)
{
	bool slept = false, was_full, more;
	struct uio src;
	char *run;
	ssize_t n;

	mutex_lock(&p->lock);
	n = pipe_wait_data_locked(c, p, nonblock, &slept);
	if (n <= 0) {
		mutex_unlock(&p->lock);
		return n;
	}
	run = pipe_run_locked(p, &size);
	p->taking = true;
	mutex_unlock(&p->lock);

	uio_init_kernel(&src, run, size);
	n = splice_write_file(c, out, off, &src);

	mutex_lock(&p->lock);
	p->taking = false;
	was_full = pipe_full_locked(p);
	if (n > 0)
		pipe_consume_locked(p, (size_t)n, false);
	more = p->head != p->tail;
	mutex_unlock(&p->lock);
	if (was_full && n > 0)
		pipe_wake_writers(p);
	if (more)
		pipe_wake_readers(p); /* those whom `taking` kept out */
	return n;
}

static ssize_t splice_pipe_to_file(struct vfs_ctx *c, struct pipe *p, struct file *out, int64_t *off,
				   size_t size, bool nonblock)
{
	ssize_t done = 0, n = 0;

	while ((size_t)done < size) {
		n = splice_drain(c, p, out, off, size - (size_t)done, nonblock || done > 0);
		if (n <= 0)
			break;
		done += n;
	}
	return done ? done : n;
}

/* ---- pipe and pipe ----------------------------------------------------------------------------- */

static void pipes_lock(struct pipe *a, struct pipe *b) NO_TSA /* by address */
{
	struct pipe *first = (uintptr_t)a < (uintptr_t)b ? a : b;

	mutex_lock(&first->lock);
	mutex_lock_nested(first == a ? &b->lock : &a->lock);
}

static void pipes_unlock(struct pipe *a, struct pipe *b) NO_TSA
{
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
}

/* Copy slots of in, from its tail on, to out's head; both locked.  The count of bytes. */
static size_t pipe_copy_slots_locked(struct pipe *in, struct pipe *out, size_t size) NO_TSA
{
	size_t done = 0;

	for (unsigned int at = in->tail; at != in->head && done < size && !pipe_full_locked(out); at++) {
		const struct pipe_slot *s = pipe_slot(in, at);
		size_t n = MIN(size - done, (size_t)s->size);
		size_t room = n;
		char *dst = pipe_room_locked(out, &room);
		struct uio u;

		uio_init_kernel(&u, dst, n);
		(void)uio_put(&u, pipe_slot_mem(in, at) + s->offset, n);
		pipe_commit_locked(out, n, s->packet);
		pipe_slot(out, out->head - 1)->merge = false;
		done += n;
	}
	return done;
}

/* Sleep until in has data and out has room.  1; 0: in is at its end; -errno. */
static int pipe_pair_wait(struct vfs_ctx *c, struct pipe *in, struct pipe *out, bool nonblock)
{
	bool slept = false;
	int err;

	mutex_lock(&in->lock);
	err = pipe_wait_data_locked(c, in, nonblock, &slept);
	mutex_unlock(&in->lock);
	if (err <= 0)
		return err;
	if (slept)
		pipe_wake_readers(in);

	mutex_lock(&out->lock);
	slept = false;
	err = pipe_wait_room_locked(c, out, nonblock, &slept);
	if (err == 0)
		err = pipe_populate_locked(out);
	mutex_unlock(&out->lock);
	if (slept)
		pipe_wake_writers(out);
	if (err == -EPIPE)
		vfs_raise(c, SIGPIPE);
	return err < 0 ? err : 1;
}

/* splice (consume) and tee between two pipes. */
static ssize_t pipe_to_pipe(struct vfs_ctx *c, struct pipe *in, struct pipe *out, size_t size,
			    bool nonblock, bool consume) NO_TSA
{
	size_t done = 0;
	bool was_full = false;

	while (done == 0) {
		int err = pipe_pair_wait(c, in, out, nonblock);

		if (err <= 0)
			return err;
		pipes_lock(in, out);
		was_full = pipe_full_locked(in);
		if (!in->taking && !out->putting && pipe_load(&out->readers) > 0 && out->mem)
			done = pipe_copy_slots_locked(in, out, size);
		if (consume && done > 0)
			pipe_consume_locked(in, done, false);
		pipes_unlock(in, out);
	}
	pipe_wake_readers(out);
	if (consume && was_full)
		pipe_wake_writers(in);
	return (ssize_t)done;
}

/* ---- the calls --------------------------------------------------------------------------------- */

static ssize_t splice_pipes(struct vfs_ctx *c, struct file *in, struct file *out, size_t size,
			    bool nonblock, bool consume)
{
	struct pipe *from = pipe_end(in)->pipe, *to = pipe_end(out)->pipe;

	if (from == to)
		return -EINVAL;
	nonblock = nonblock || ((in->flags | out->flags) & O_NONBLOCK);
	return pipe_to_pipe(c, from, to, size, nonblock, consume);
}

ssize_t pipe_splice(struct vfs_ctx *c, struct file *in, int64_t *off_in, struct file *out,
		    int64_t *off_out, size_t size, unsigned int flags)
{
	bool nonblock = flags & SPLICE_F_NONBLOCK;

	if (!(in->kind & FILE_READ) || !(out->kind & FILE_WRITE))
		return -EBADF;
	if (size == 0)
		return 0;
	if (file_is_pipe(in) && file_is_pipe(out)) {
		if (off_in || off_out)
			return -ESPIPE;
		return splice_pipes(c, in, out, size, nonblock, true);
	}
	if (file_is_pipe(in)) {
		if (off_in)
			return -ESPIPE;
		if ((off_out && (out->kind & FILE_STREAM)) || (out->flags & O_APPEND) ||
		    !splice_serves(out))
			return -EINVAL;
		nonblock = nonblock || (in->flags & O_NONBLOCK);
		return splice_pipe_to_file(c, pipe_end(in)->pipe, out, off_out, size, nonblock);
	}
	if (file_is_pipe(out)) {
		if (off_out)
			return -ESPIPE;
		if ((off_in && (in->kind & FILE_STREAM)) || S_ISDIR(in->inode->mode) ||
		    !splice_serves(in))
			return -EINVAL;
		nonblock = nonblock || (out->flags & O_NONBLOCK);
		return splice_file_to_pipe(c, in, off_in, pipe_end(out)->pipe, size, nonblock);
	}
	return -EINVAL;
}

ssize_t pipe_tee(struct vfs_ctx *c, struct file *in, struct file *out, size_t size,
		 unsigned int flags)
{
	if (!(in->kind & FILE_READ) || !(out->kind & FILE_WRITE))
		return -EBADF;
	if (!file_is_pipe(in) || !file_is_pipe(out))
		return -EINVAL;
	if (size == 0)
		return 0;
	return splice_pipes(c, in, out, size, flags & SPLICE_F_NONBLOCK, false);
}

/* Waits for room, but then adds only what fits at once (vmsplice_to_pipe). */
static ssize_t vmsplice_write(struct vfs_ctx *c, struct file *f, struct uio *u, int rwf)
{
	struct poll_slot room = { .file = f, .events = POLLOUT | POLLERR };
	bool wait = !(rwf & O_NONBLOCK) && uio_left(u) > PIPE_BUF;
	int64_t pos = 0;
	ssize_t n;
	int err;

	for (;;) {
		n = f->ops->write(c, f, u, &pos, wait ? rwf | O_NONBLOCK : rwf);
		if (n != -EAGAIN || !wait)
			return n;
		err = poll_wait(c, &room, 1, INT64_MAX);
		if (err < 0)
			return err == -ERESTARTNOHAND ? -ERESTARTSYS : err;
	}
}

ssize_t pipe_vmsplice(struct vfs_ctx *c, struct file *f, struct uio *u, unsigned int flags)
{
	int rwf = (flags & SPLICE_F_NONBLOCK ? O_NONBLOCK : 0) | splice_file_nonblock(f);
	int64_t pos = 0;

	if (!file_is_pipe(f))
		return -EBADF;
	if (f->kind & FILE_WRITE) {
		ssize_t n = vmsplice_write(c, f, u, rwf);

		if (n == -EPIPE)
			vfs_raise(c, SIGPIPE);
		return n;
	}
	return f->ops->read(c, f, u, &pos, rwf);
}

/* Give back what was read but not written. */
static void sendfile_unread(struct vfs_ctx *c, struct file *in, int64_t *off, size_t size)
{
	if (off)
		*off -= (int64_t)size;
	else if (size > 0 && !(in->kind & FILE_STREAM))
		(void)file_llseek(c, in, -(int64_t)size, SEEK_CUR);
}

static ssize_t sendfile_copy(struct vfs_ctx *c, struct file *out, struct file *in, int64_t *off,
			     size_t size, char *bounce)
{
	ssize_t done = 0, n = 0;

	while ((size_t)done < size) {
		struct uio u;
		ssize_t got;

		uio_init_kernel(&u, bounce, MIN(size - (size_t)done, (size_t)SPLICE_CHUNK));
		got = splice_read_file(c, in, off, &u);
		if (got <= 0) {
			n = got;
			break;
		}
		uio_init_kernel(&u, bounce, (size_t)got);
		n = file_write(c, out, &u);
		if (n < got)
			sendfile_unread(c, in, off, (size_t)(got - MAX(n, 0)));
		if (n > 0)
			done += n;
		if (n < got || (in->kind & FILE_STREAM))
			break;
	}
	return done ? done : n;
}

ssize_t file_sendfile(struct vfs_ctx *c, struct file *out, struct file *in, int64_t *off, size_t size)
{
	char *bounce;
	ssize_t n;

	if (!(in->kind & FILE_READ) || !(out->kind & FILE_WRITE))
		return -EBADF;
	if (off && (in->kind & FILE_STREAM))
		return -ESPIPE;
	if (out->flags & O_APPEND)
		return -EINVAL;
	if (!in->ops->read || !splice_serves(in) || S_ISDIR(in->inode->mode))
		return -EINVAL;
	/* splice_direct_to_actor(): the source has a position, but a socket may go to a pipe. */
	if (file_is_pipe(in) || ((in->kind & FILE_STREAM) && !file_is_pipe(out)))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (file_is_pipe(out))
		return pipe_splice(c, in, off, out, NULL, size, 0);
	bounce = mem_alloc(MIN(size, (size_t)SPLICE_CHUNK));
	if (!bounce)
		return -ENOMEM;
	n = sendfile_copy(c, out, in, off, size, bounce);
	mem_free(bounce);
	return n;
}
