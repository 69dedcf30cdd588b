/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe.c: anonymous pipes and FIFOs: the ring, reading, writing, opening, polling.
 *
 * As on Linux (fs/pipe.c):
 *   - Capacity is counted in page slots; a short write is added to the last slot when all of it
 *     fits there, so a write of at most PIPE_BUF bytes is never mixed with others.
 *   - A pipe is writable for poll(2) when a slot is free.
 *   - Each write wakes pollers of the read end, so edge-triggered epoll sees every write.
 *   - Sleeping readers and writers stand in line as exclusive ones: one is woken at a time, and
 *     passes the wake-up on if there is more for others to do.
 *   - An anonymous pipe's two files share one inode, whose bound is the pipe; a FIFO's pipe hangs
 *     at its inode from the first open on and is empty whenever nobody has it open.
 *
 * Life: counted by each file (pipe_end) and by the inode's bound.  Ring, invariants and lock order:
 * pipe_impl.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/pipe_impl.h"
#include "vfs/poll.h"
#include "vfs/user_count.h"

#define POLL_READABLE (POLLIN | POLLRDNORM)
#define POLL_WRITABLE (POLLOUT | POLLWRNORM)

/* ---- the ring ---------------------------------------------------------------------------------- */

int pipe_populate_locked(struct pipe *p)
{
	char *mem;
	struct pipe_slot *slots;

	if (p->mem)
		return 0;
	mem = mem_alloc((size_t)p->slot_count * PAGE_SIZE);
	slots = mem_calloc(p->slot_count, sizeof(*slots));
	if (!mem || !slots) {
		mem_free(mem);
		mem_free(slots);
		return -ENOMEM;
	}
	p->mem = mem;
	p->slots = slots;
	return 0;
}

static void pipe_update_used_locked(struct pipe *p)
{
	if (p->head == p->tail && !p->taking && !p->putting)
		p->head = p->tail = 0;
	pipe_store(&p->used, p->head - p->tail);
}

char *pipe_run_locked(struct pipe *p, size_t *size)
{
	const struct pipe_slot *s = pipe_slot(p, p->tail);
	char *start = pipe_slot_mem(p, p->tail) + s->offset;
	size_t run = s->size;

	for (unsigned int at = p->tail; run < *size && !s->packet; run += s->size) {
		bool ends_page = (size_t)s->offset + s->size == PAGE_SIZE;

		at++;
		if (at == p->head || !ends_page || (at & (p->slot_count - 1)) == 0)
			break;
		s = pipe_slot(p, at);
		if (s->packet || s->offset != 0)
			break;
	}
	*size = MIN(run, *size);
	return start;
}

void pipe_consume_locked(struct pipe *p, size_t size, bool whole_packet)
{
	while (size > 0) {
		struct pipe_slot *s = pipe_slot(p, p->tail);
		size_t n = MIN(size, (size_t)s->size);

		size -= n;
		s->offset += n;
		s->size -= n;
		if (s->packet && whole_packet)
			s->size = 0;
		if (s->size == 0)
			p->tail++;
	}
	pipe_update_used_locked(p);
}

char *pipe_room_locked(struct pipe *p, size_t *size)
{
	unsigned int at = p->head & (p->slot_count - 1);
	unsigned int free = p->slot_count - (p->head - p->tail);

	free = MIN(free, p->slot_count - at);
	*size = MIN(*size, free * PAGE_SIZE);
	return p->mem + (size_t)at * PAGE_SIZE;
}

void pipe_commit_locked(struct pipe *p, size_t size, bool packet)
{
	while (size > 0) {
		struct pipe_slot *s = pipe_slot(p, p->head++);

		s->offset = 0;
		s->size = (uint16_t)MIN(size, PAGE_SIZE);
		s->packet = packet;
		s->merge = !packet;
		size -= s->size;
	}
	pipe_update_used_locked(p);
}

void pipe_wake_readers(struct pipe *p)
{
	wq_wake_count(&p->readable, POLL_READABLE, 1);
}

void pipe_wake_writers(struct pipe *p)
{
	wq_wake_count(&p->writable, POLL_WRITABLE, 1);
}

int pipe_wait_data_locked(struct vfs_ctx *c, struct pipe *p, bool nonblock, bool *slept)
{
	for (;;) {
		int err;

		if (p->head != p->tail && !p->taking)
			return 1;
		if (p->head == p->tail && pipe_load(&p->writers) == 0)
			return 0;
		if (nonblock)
			return -EAGAIN;
		*slept = true;
		err = wq_wait_exclusive(&p->readable, &p->lock, c->waiter, INT64_MAX);
		if (err < 0) {
			/* The wake-up may have been meant for us: let another reader have it. */
			if (p->head != p->tail)
				pipe_wake_readers(p);
			return err;
		}
	}
}

int pipe_wait_room_locked(struct vfs_ctx *c, struct pipe *p, bool nonblock, bool *slept)
{
	for (;;) {
		int err;

		if (pipe_load(&p->readers) == 0)
			return -EPIPE;
		if (!pipe_full_locked(p) && !p->putting)
			return 0;
		if (nonblock)
			return -EAGAIN;
		*slept = true;
		err = wq_wait_exclusive(&p->writable, &p->lock, c->waiter, INT64_MAX);
		if (err < 0) {
			if (!pipe_full_locked(p))
				pipe_wake_writers(p);
			return err;
		}
	}
}

/* ---- reading and writing ----------------------------------------------------------------------- */

/* Move what is there into dst; stops after a packet.  Count, or -EFAULT with nothing moved. */
static ssize_t pipe_take_locked(struct pipe *p, struct uio *dst) REQUIRES(p->lock)
{
	ssize_t done = 0;

	while (uio_left(dst) > 0 && p->head != p->tail) {
		size_t size = uio_left(dst);
		bool packet = pipe_slot(p, p->tail)->packet;
		const char *run = pipe_run_locked(p, &size);
		ssize_t n = uio_put(dst, run, size);

		if (n < 0)
			return done ? done : n;
		pipe_consume_locked(p, (size_t)n, true);
		done += n;
		if (packet || (size_t)n < size)
			break;
	}
	return done;
}

static ssize_t pipe_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct pipe *p = pipe_end(f)->pipe;
	bool was_full, slept = false, more;
	ssize_t n;

	(void)pos;
	if (uio_left(dst) == 0)
		return 0;

	mutex_lock(&p->lock);
	n = pipe_wait_data_locked(c, p, rwf & O_NONBLOCK, &slept);
	if (n <= 0) {
		mutex_unlock(&p->lock);
		return n;
	}
	was_full = pipe_full_locked(p);
	n = pipe_take_locked(p, dst);
	was_full = was_full && !pipe_full_locked(p);
	more = p->head != p->tail;
	mutex_unlock(&p->lock);

	if (was_full)
		pipe_wake_writers(p);
	if (more && slept) /* the wake-up that we got may have been for two writes */
		pipe_wake_readers(p);
	return n;
}

/*
 * A short end of src goes into the last slot if all of it fits there.  0 whether or not; -EFAULT.
 */
static int pipe_merge_locked(struct pipe *p, struct uio *src)
{
	size_t tail = uio_left(src) & (PAGE_SIZE - 1);
	struct pipe_slot *s;
	size_t end;
	ssize_t n;

	if (tail == 0 || p->head == p->tail)
		return 0;
	s = pipe_slot(p, p->head - 1);
	end = (size_t)s->offset + s->size;
	if (!s->merge || end + tail > PAGE_SIZE)
		return 0;
	n = uio_get(src, pipe_slot_mem(p, p->head - 1) + end, tail);
	if (n < 0)
		return (int)n;
	s->size += (uint16_t)n; /* short at a fault: the caller will meet it again */
	return 0;
}

static ssize_t pipe_put_locked(struct vfs_ctx *c, struct pipe *p, struct uio *src, int rwf,
			       bool packet, bool *slept) REQUIRES(p->lock)
{
	size_t total = uio_left(src);
	ssize_t err = p->putting ? 0 : pipe_merge_locked(p, src);

	while (err >= 0 && uio_left(src) > 0) {
		size_t size = uio_left(src);
		char *room;

		if (pipe_full_locked(p) && !(rwf & O_NONBLOCK))
			pipe_wake_readers(p); /* we are going to sleep on what we have put */
		err = pipe_wait_room_locked(c, p, rwf & O_NONBLOCK, slept);
		if (err == 0)
			err = pipe_populate_locked(p);
		if (err < 0)
			break;
		room = pipe_room_locked(p, &size);
		err = uio_get(src, room, size);
		if (err > 0)
			pipe_commit_locked(p, (size_t)err, packet);
	}
	return total != uio_left(src) ? (ssize_t)(total - uio_left(src)) : err;
}

static ssize_t pipe_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct pipe *p = pipe_end(f)->pipe;
	bool packet = f->flags & O_DIRECT, slept = false, room;
	size_t size = uio_left(src);
	ssize_t n;

	(void)pos;
	if (size == 0)
		return 0;

	mutex_lock(&p->lock);
	if (pipe_load(&p->readers) == 0)
		n = -EPIPE;
	else
		n = pipe_put_locked(c, p, src, rwf, packet, &slept);
	room = !pipe_full_locked(p);
	mutex_unlock(&p->lock);

	/* Cut short by the last reader's leaving: the count is returned, the signal comes all the same
	 * (for -EPIPE the vfs sends it). */
	if (n > 0 && (size_t)n < size && pipe_load(&p->readers) == 0)
		vfs_raise(c, SIGPIPE);
	if (n > 0)
		pipe_wake_readers(p);
	if (room && slept) /* the reader that woke us may have made room for two */
		pipe_wake_writers(p);
	return n;
}

static uint32_t pipe_poll(struct file *f, struct poller *poller)
{
	struct pipe_end *e = pipe_end(f);
	struct pipe *p = e->pipe;
	unsigned int used;
	uint32_t events = 0;

	/* First stand in line, then look: pairs with the store before the wake-up. */
	if (f->kind & FILE_READ)
		poller_add(poller, &p->readable);
	if (f->kind & FILE_WRITE)
		poller_add(poller, &p->writable);

	used = pipe_load(&p->used);
	if (f->kind & FILE_READ) {
		if (used > 0)
			events |= POLL_READABLE;
		if (pipe_load(&p->writers) == 0 && pipe_load(&p->writes_opened) != e->writes_seen)
			events |= POLLHUP;
	}
	if (f->kind & FILE_WRITE) {
		if (used < pipe_load(&p->capacity))
			events |= POLL_WRITABLE;
		if (pipe_load(&p->readers) == 0)
			events |= POLLERR;
	}
	return events;
}

static long pipe_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct pipe *p = pipe_end(f)->pipe;
	int bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	for (unsigned int at = p->tail; at != p->head; at++)
		bytes += pipe_slot(p, at)->size;
	mutex_unlock(&p->lock);
	return vfs_copy_out(c, arg, &bytes, sizeof(bytes));
}

/* ---- life -------------------------------------------------------------------------------------- */

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = mem_new(struct pipe);

	if (!p)
		return NULL;
	ref_init(&p->ref);
	mutex_init(&p->lock, LOCK_PIPE);
	p->slot_count = PIPE_SLOTS_DEFAULT;
	atomic_init(&p->capacity, PIPE_SLOTS_DEFAULT);
	wq_init(&p->readable);
	wq_init(&p->writable);
	return p;
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void pipe_uncharge_locked(struct pipe *p)
{
	if (p->charged)
		(void)user_count_add(p->uid, USER_PIPE_PAGES, -(long)p->charged);
	p->charged = 0;
}

/* Whether c's user has more than it should (pipe(7): pipe-user-pages-soft). */
static bool pipe_is_over(const struct vfs_ctx *c, long pages)
{
	return pages > USER_PIPE_PAGES_SOFT && !cred_capable(c->cred, CAP_SYS_RESOURCE) &&
	       !cred_capable(c->cred, CAP_SYS_ADMIN);
}

/* c's user is the first to have p open.  Who has too much gets a small one. */
static int pipe_charge_locked(const struct vfs_ctx *c, struct pipe *p)
{
	long pages = user_count_add(c->cred->uid, USER_PIPE_PAGES, p->slot_count);

	if (pages < 0)
		return (int)pages;
	p->uid = c->cred->uid;
	p->charged = p->slot_count;
	if (pipe_is_over(c, pages)) {
		(void)user_count_add(p->uid, USER_PIPE_PAGES, (long)PIPE_SLOTS_SMALL - (long)p->slot_count);
		p->charged = p->slot_count = PIPE_SLOTS_SMALL;
		pipe_store(&p->capacity, PIPE_SLOTS_SMALL);
	}
	return 0;
}

/* p is to have count slots. */
static int pipe_recharge_locked(const struct vfs_ctx *c, struct pipe *p, unsigned int count)
{
	long more = (long)count - (long)p->charged, pages = user_count_add(p->uid, USER_PIPE_PAGES, more);

	if (more > 0 && pages >= 0 && pipe_is_over(c, pages)) {
		(void)user_count_add(p->uid, USER_PIPE_PAGES, -more);
		return -EPERM;
	}
	if (more > 0 && pages < 0)
		return (int)pages;
	p->charged = count;
	return 0;
}

static void pipe_put(struct pipe *p)
{
	if (!ref_put(&p->ref))
		return;
	pipe_uncharge_locked(p); /* nobody else has it */
	mem_free(p->mem);
	mem_free(p->slots);
	mem_free(p);
}

static void pipe_bound_put(void *bound)
{
	pipe_put(bound);
}

static void pipe_opened_locked(struct pipe *p, struct file *f)
{
	if (f->kind & FILE_READ) {
		pipe_store(&p->readers, pipe_load(&p->readers) + 1);
		pipe_store(&p->reads_opened, pipe_load(&p->reads_opened) + 1);
	}
	if (f->kind & FILE_WRITE) {
		pipe_store(&p->writers, pipe_load(&p->writers) + 1);
		pipe_store(&p->writes_opened, pipe_load(&p->writes_opened) + 1);
	}
}

static void pipe_close_end(struct pipe *p, unsigned int kind)
{
	bool no_readers, no_writers;

	mutex_lock(&p->lock);
	if (kind & FILE_READ)
		pipe_store(&p->readers, pipe_load(&p->readers) - 1);
	if (kind & FILE_WRITE)
		pipe_store(&p->writers, pipe_load(&p->writers) - 1);
	no_readers = pipe_load(&p->readers) == 0;
	no_writers = pipe_load(&p->writers) == 0;
	if (no_readers && no_writers) {
		mem_free(p->mem);
		mem_free(p->slots);
		p->mem = NULL;
		p->slots = NULL;
		p->head = p->tail = 0;
		pipe_uncharge_locked(p);
		p->slot_count = PIPE_SLOTS_DEFAULT;
		pipe_store(&p->capacity, PIPE_SLOTS_DEFAULT);
		pipe_store(&p->used, 0);
	}
	mutex_unlock(&p->lock);

	if (no_readers == no_writers)
		return;
	wq_wake(&p->readable, POLL_READABLE | POLLHUP | POLLERR);
	wq_wake(&p->writable, POLL_WRITABLE | POLLHUP | POLLERR);
}

static void pipe_release(struct file *f)
{
	struct pipe_end *e = pipe_end(f);

	pipe_close_end(e->pipe, f->kind);
	pipe_put(e->pipe);
	mem_free(e);
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

static struct pipe_end *pipe_end_new(struct pipe *p)
{
	struct pipe_end *e = mem_new(struct pipe_end);

	if (!e)
		return NULL;
	ref_get(&p->ref);
	e->pipe = p;
	return e;
}

static void pipe_end_free(struct pipe_end *e)
{
	pipe_put(e->pipe);
	mem_free(e);
}

int pipe_new(struct vfs_ctx *c, int flags, struct file **rd, struct file **wr)
{
	struct pipe *p = pipe_alloc();
	struct pipe_end *re = NULL, *we = NULL;
	struct file *r, *w;
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	err = pipe_charge_locked(c, p); /* not published */
	if (err < 0)
		goto put_pipe;
	err = -ENOMEM;
	re = pipe_end_new(p);
	if (!re)
		goto put_pipe;
	we = pipe_end_new(p);
	if (!we)
		goto free_read_end;
	flags &= O_NONBLOCK | O_DIRECT;
	err = file_new_anon("pipe", &pipe_ops, re, O_RDONLY | (flags & O_NONBLOCK),
			    FILE_READ | FILE_STREAM, c->cred, &r);
	if (err < 0)
		goto free_write_end;
	pipe_opened_locked(p, r); /* not published: nobody else has it */
	err = file_new(&r->path, &pipe_ops, O_WRONLY | flags, c->cred, &w);
	if (err < 0) {
		file_put(r); /* releases the read end */
		goto free_write_end_only;
	}
	w->priv = we;
	w->kind = FILE_WRITE | FILE_STREAM | FILE_SIGPIPE;
	pipe_opened_locked(p, w);
	p->anonymous = true;
	r->inode->bound = p; /* consumes our reference */
	r->inode->bound_put = pipe_bound_put;
	*rd = r;
	*wr = w;
	return 0;

free_write_end:
	pipe_end_free(we);
free_read_end:
	pipe_end_free(re);
put_pipe:
	pipe_put(p);
	return err;

free_write_end_only:
	pipe_end_free(we);
	pipe_put(p);
	return err;
}

/* The pipe of a FIFO's inode, with a reference; made by the first open. */
static struct pipe *fifo_pipe(struct inode *i)
{
	struct pipe *p;

	mutex_lock(&i->lock);
	if (!i->bound) {
		i->bound = pipe_alloc();
		i->bound_put = pipe_bound_put;
	}
	p = i->bound;
	if (p)
		ref_get(&p->ref);
	mutex_unlock(&i->lock);
	return p;
}

/* Wait for the other end: until counter moves on from what it is now. */
static int fifo_wait_partner_locked(struct vfs_ctx *c, struct pipe *p, struct wq *q,
				    const atomic_uint *counter)
{
	unsigned int before = pipe_load(counter);
	int err = 0;

	while (err == 0 && pipe_load(counter) == before)
		err = wq_wait(q, &p->lock, c->waiter);
	return pipe_load(counter) != before ? 0 : err;
}

static int fifo_rendezvous_locked(struct vfs_ctx *c, struct pipe *p, struct pipe_end *e,
				  unsigned int kind, bool nonblock)
{
	if (p->anonymous)
		return 0;
	if (kind == FILE_READ && pipe_load(&p->writers) == 0) {
		if (nonblock) {
			e->writes_seen = pipe_load(&p->writes_opened); /* no POLLHUP yet */
			return 0;
		}
		return fifo_wait_partner_locked(c, p, &p->readable, &p->writes_opened);
	}
	if (kind == FILE_WRITE && pipe_load(&p->readers) == 0)
		return fifo_wait_partner_locked(c, p, &p->writable, &p->reads_opened);
	return 0;
}

int fifo_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	unsigned int kind = f->kind & (FILE_READ | FILE_WRITE);
	bool nonblock = f->flags & O_NONBLOCK;
	struct pipe *p = fifo_pipe(i);
	struct pipe_end *e;
	int err;

	if (!p)
		return -ENOMEM;
	e = pipe_end_new(p);
	pipe_put(p); /* e holds it now, or the inode */
	if (!e)
		return -ENOMEM;

	mutex_lock(&p->lock);
	if (kind == FILE_WRITE && nonblock && !p->anonymous && pipe_load(&p->readers) == 0) {
		mutex_unlock(&p->lock);
		pipe_end_free(e);
		return -ENXIO;
	}
	err = p->charged ? 0 : pipe_charge_locked(c, p);
	if (err < 0) {
		mutex_unlock(&p->lock);
		pipe_end_free(e);
		return err;
	}
	pipe_opened_locked(p, f);
	/* Under the lock: a partner that comes and goes before we wait would be missed otherwise. */
	if ((kind & FILE_READ) && pipe_load(&p->readers) == 1)
		wq_wake(&p->writable, 0);
	if ((kind & FILE_WRITE) && pipe_load(&p->writers) == 1)
		wq_wake(&p->readable, 0);
	err = fifo_rendezvous_locked(c, p, e, kind, nonblock);
	mutex_unlock(&p->lock);
	if (err < 0) {
		pipe_close_end(p, kind);
		pipe_end_free(e);
		return err;
	}
	f->ops = &pipe_ops;
	f->priv = e;
	f->kind |= FILE_STREAM | (kind & FILE_WRITE ? FILE_SIGPIPE : 0);
	return 0;
}

/* ---- size -------------------------------------------------------------------------------------- */

long pipe_get_size(struct file *f)
{
	if (!file_is_pipe(f))
		return -EBADF;
	return (long)(pipe_load(&pipe_end(f)->pipe->capacity) * PAGE_SIZE);
}

/* Move the used slots into a ring of count slots.  Both are large enough. */
static int pipe_resize_locked(struct pipe *p, unsigned int count)
{
	unsigned int used = p->head - p->tail;
	struct pipe_slot *slots;
	char *mem;

	if (used > count || p->taking || p->putting)
		return -EBUSY;
	if (p->mem) {
		mem = mem_alloc((size_t)count * PAGE_SIZE);
		slots = mem_calloc(count, sizeof(*slots));
		if (!mem || !slots) {
			mem_free(mem);
			mem_free(slots);
			return -ENOMEM;
		}
		for (unsigned int n = 0; n < used; n++) {
			slots[n] = *pipe_slot(p, p->tail + n);
			memcpy(mem + n * PAGE_SIZE, pipe_slot_mem(p, p->tail + n), PAGE_SIZE);
		}
		mem_free(p->mem);
		mem_free(p->slots);
		p->mem = mem;
		p->slots = slots;
		p->tail = 0;
		p->head = used;
	}
	p->slot_count = count;
	pipe_store(&p->capacity, count);
	return 0;
}

long pipe_set_size(struct vfs_ctx *c, struct file *f, uint64_t size)
{
	unsigned int count = 1;
	struct pipe *p;
	bool grew;
	int err;

	if (!file_is_pipe(f))
		return -EBADF;
	p = pipe_end(f)->pipe;
	if (size > 1u << 31)
		return -EINVAL;
	while (count * PAGE_SIZE < size)
		count *= 2;

	mutex_lock(&p->lock);
	grew = count > p->slot_count;
	if (grew && count * PAGE_SIZE > PIPE_SIZE_MAX)
		err = cred_capable(c->cred, CAP_SYS_RESOURCE) && count * PAGE_SIZE <= 1u << 28 ?
			      0 : -EPERM;
	else
		err = 0;
	if (err == 0 && grew)
		err = pipe_recharge_locked(c, p, count);
	if (err == 0) {
		err = pipe_resize_locked(p, count);
		/* What it has now, which is not more than what it was charged for: this can't fail. */
		(void)!pipe_recharge_locked(c, p, p->slot_count);
	}
	mutex_unlock(&p->lock);
	if (err < 0)
		return err;
	if (grew)
		wq_wake(&p->writable, POLL_WRITABLE);
	return (long)(count * PAGE_SIZE);
}
