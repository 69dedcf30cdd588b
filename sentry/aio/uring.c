/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.c: rings: memory, submission, chains, completion, timeouts, cancellation.
 *
 * The rings are a memfd that the application maps and that we have mapped too, sealed against growing
 * and shrinking.  All in it is hostile: indices are masked by our own sizes, an entry is copied once
 * and then judged, and nothing of ours is kept there.
 *
 *     memfd:  header | completion entries | index array | (page) submission entries
 *
 * A submitted chain (one entry, or several linked ones) is a struct uring_chain.  What can't block
 * is done at once, on the submitter's fiber; the rest on a helper (sentry/task/helper.h), as system
 * calls that sleep.  IOSQE_IO_DRAIN: a helper that first waits until it is the oldest chain.
 *
 *     submit ──▶ inline ──────────────▶ complete
 *        └─────▶ helper (chain) ──op──▶ complete ──next op──▶ …
 *                   └ LINK_TIMEOUT: a second helper that cancels the first when it is late
 *
 * Multishot requests (POLL_ADD, ACCEPT, RECV) are loops on a helper; each turn's completion says that there will be more,
 * the last one does not.  They end when the completion queue is full (the application makes them anew, as it must on
 * Linux), as nothing else bounds what they would have us keep.
 *
 * Not here: IORING_SETUP_SQPOLL and IOPOLL, multishot RECVMSG, direct descriptors, personalities (EINVAL).
 *
 * References: a chain holds its ring; the file holds the ring.  Locks: u->lock (LOCK_PIPE), then
 * helper.c's.  u->submit_lock (LOCK_EPOLL) serialises taking entries off the queue, without sleeping.
 */
#include "sentry/aio/uring_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/task/helper.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "sentry/time/timespec.h"
#include "vfs/eventfd.h"
#include "vfs/poll.h"

#define SQE_FLAGS                                                                         \
	(IOSQE_FIXED_FILE | IOSQE_IO_DRAIN | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC | \
	 IOSQE_CQE_SKIP_SUCCESS | IOSQE_BUFFER_SELECT)
#define OVERFLOW_MAX  65536
#define CHAIN_MAX     4096
#define INLINE_WRITE  4096 /* a pipe that is writable takes so much */
#define FILES_MAX     32768
#define BUFFERS_MAX   16384

/* At the start of the memfd. */
struct ring_head {
	_Atomic uint32_t sq_head __attribute__((aligned(64)));
	_Atomic uint32_t sq_tail __attribute__((aligned(64)));
	_Atomic uint32_t cq_head __attribute__((aligned(64)));
	_Atomic uint32_t cq_tail __attribute__((aligned(64)));
	uint32_t sq_mask, sq_entries, cq_mask, cq_entries;
	_Atomic uint32_t sq_flags, sq_dropped, cq_flags, cq_overflow;
	struct io_uring_cqe cqes[] __attribute__((aligned(64)));
};

struct overflow {
	struct list node;
	struct io_uring_cqe cqe;
};

/* (c) constant, (u) lock, (s) submit_lock */
struct uring {
	struct ref ref;
	struct mutex lock, submit_lock;
	int fd;                  /* (c) the memfd */
	uint8_t *mem;            /* (c) */
	size_t size, sqes_at;    /* (c) */
	uint32_t sq_entries, cq_entries; /* (c) */
	struct ring_head *head;  /* (c) in mem, as what follows */
	_Atomic uint32_t *array; /* (c) */
	struct io_uring_sqe *sqes; /* (c) */
	uint32_t sq_head;        /* (s) ours; the shared one is only shown */
	uint32_t cq_tail;        /* (u) ours */
	bool submit_all;         /* (c) go on after a bad entry */
	atomic_bool disabled;    /* IORING_SETUP_R_DISABLED */
	struct list overflow;    /* (u) completions without room */
	unsigned int overflow_count;
	uint64_t completed;      /* (u) completions so far */
	struct list chains;      /* (u) struct uring_chain, oldest first */
	unsigned int draining;   /* (u) chains that wait for those before them */
	struct wq cq_wq;         /* something was completed */
	struct file *eventfd;    /* (u) counted, or NULL */
	struct fdtable *files;   /* (u) counted; registered files */
	unsigned int file_count;
	struct iovec *buffers;   /* (u) owned; application addresses */
	unsigned int buffer_count;
	struct uring_bufs bufs;
};

struct uring_chain {
	struct helper h;
	struct list node;        /* (u) */
	struct uring *u;         /* counted */
	unsigned int count, at;  /* entries; the one under way */
	bool drain;              /* (c) */
	uint32_t cqe_flags;      /* of the entry under way: which buffer it took */
	bool waits_late;         /* (c) this is the timeout of another chain … */
	struct uring_chain *late; /* (u) … and this the timeout that watches the entry under way */
	struct uring_chain *watched; /* (u) */
	struct io_uring_sqe sqe[];
};

static const struct file_ops uring_fops;

struct uring *file_uring(const struct file *f)
{
	return f->ops == &uring_fops ? file_priv(f) : NULL;
}

bool uring_is_disabled(struct uring *u)
{
	return atomic_load(&u->disabled);
}

void uring_enable(struct uring *u)
{
	atomic_store(&u->disabled, false);
}

static void uring_put(struct uring *u)
{
	struct overflow *o;

	if (!ref_put(&u->ref))
		return;
	while ((o = list_first(&u->overflow, struct overflow, node)) != NULL) {
		list_remove(&o->node);
		mem_free(o);
	}
	host_munmap(u->mem, u->size);
	host_close(u->fd);
	file_put(u->eventfd);
	fdt_put(NULL, u->files);
	uring_bufs_fini(&u->bufs);
	mem_free(u->buffers);
	mem_free(u);
}

/* ---- completion ------------------------------------------------------------------------------- */

static uint32_t cq_ready_locked(struct uring *u)
{
	uint32_t n = u->cq_tail - atomic_load_explicit(&u->head->cq_head, memory_order_acquire);

	return MIN(n, u->cq_entries);
}

static bool cq_put_locked(struct uring *u, const struct io_uring_cqe *cqe)
{
	if (cq_ready_locked(u) >= u->cq_entries)
		return false;
	memcpy(&u->head->cqes[u->cq_tail & (u->cq_entries - 1)], cqe, sizeof(*cqe));
	atomic_store_explicit(&u->head->cq_tail, ++u->cq_tail, memory_order_release);
	return true;
}

static void cq_flush_locked(struct uring *u)
{
	struct overflow *o;

	while ((o = list_first(&u->overflow, struct overflow, node)) != NULL) {
		if (!cq_put_locked(u, &o->cqe))
			return;
		list_remove(&o->node);
		u->overflow_count--;
		mem_free(o);
	}
	atomic_fetch_and(&u->head->sq_flags, ~IORING_SQ_CQ_OVERFLOW);
}

static void cq_overflow_locked(struct uring *u, const struct io_uring_cqe *cqe)
{
	struct overflow *o = u->overflow_count < OVERFLOW_MAX ? mem_new(struct overflow) : NULL;

	if (!o) {
		atomic_fetch_add(&u->head->cq_overflow, 1);
		return;
	}
	o->cqe = *cqe;
	list_append(&u->overflow, &o->node);
	u->overflow_count++;
	atomic_fetch_or(&u->head->sq_flags, IORING_SQ_CQ_OVERFLOW);
}

/* False: there was no room, and it is one of several that a request makes (IORING_CQE_F_MORE). */
static bool uring_post(struct uring *u, const struct io_uring_sqe *e, long res, uint32_t flags)
{
	struct io_uring_cqe cqe = { .user_data = e->user_data, .res = (int32_t)res, .flags = flags };
	struct file *eventfd;
	bool put;

	mutex_lock(&u->lock);
	put = list_empty(&u->overflow) && cq_put_locked(u, &cqe);
	if (!put && (flags & IORING_CQE_F_MORE)) {
		mutex_unlock(&u->lock);
		return false;
	}
	u->completed++;
	if (!put)
		cq_overflow_locked(u, &cqe);
	eventfd = u->eventfd ? file_get(u->eventfd) : NULL;
	mutex_unlock(&u->lock);
	if (eventfd) { /* first: who has waited for the completion may look at it at once */
		(void)eventfd_signal(eventfd, 1);
		file_put(eventfd);
	}
	wq_wake(&u->cq_wq, POLLIN | POLLRDNORM);
	return true;
}

static void uring_complete(struct uring *u, const struct io_uring_sqe *e, long res)
{
	if (!(e->flags & IOSQE_CQE_SKIP_SUCCESS) || res < 0)
		(void)uring_post(u, e, res, 0);
}

int uring_wait(struct task *t, struct uring *u, unsigned int min, int64_t deadline_ns)
{
	int err = 0;

	min = MIN(min, u->cq_entries);
	mutex_lock(&u->lock);
	for (;;) {
		cq_flush_locked(u);
		if (cq_ready_locked(u) >= min || err)
			break;
		err = wq_wait_until(&u->cq_wq, &u->lock, &t->waiter, deadline_ns);
	}
	if (cq_ready_locked(u) >= min)
		err = 0;
	mutex_unlock(&u->lock);
	return err == -ETIMEDOUT ? -ETIME : err ? -EINTR : 0;
}

/* ---- chains ----------------------------------------------------------------------------------- */

static void chain_link(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	list_append(&c->u->chains, &c->node);
	c->u->draining += c->drain;
	mutex_unlock(&c->u->lock);
}

static void chain_unlink(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	list_remove(&c->node);
	c->u->draining -= c->drain;
	mutex_unlock(&c->u->lock);
	wq_wake(&c->u->cq_wq, 0);
}

static void chain_free(struct uring_chain *c)
{
	uring_put(c->u);
	mem_free(c);
}

static void chain_done(struct helper *h)
{
	chain_free(container_of(h, struct uring_chain, h));
}

static struct uring_chain *chain_new(struct uring *u, unsigned int count)
{
	struct uring_chain *c = mem_zalloc(sizeof(*c) + count * sizeof(c->sqe[0]));

	if (!c)
		return NULL;
	list_init(&c->node);
	list_init(&c->h.node);
	ref_get(&u->ref);
	c->u = u;
	c->count = count;
	c->h.done = chain_done;
	return c;
}

/* A registered buffer's: the whole range must lie in it. */
static int check_fixed_buffer(struct uring *u, const struct io_uring_sqe *e)
{
	const struct iovec *b;
	int err = -EFAULT;

	if (e->opcode != IORING_OP_READ_FIXED && e->opcode != IORING_OP_WRITE_FIXED)
		return 0;
	mutex_lock(&u->lock);
	b = e->buf_index < u->buffer_count ? &u->buffers[e->buf_index] : NULL;
	if (b && e->addr >= (uint64_t)b->iov_base &&
	    e->addr - (uint64_t)b->iov_base <= b->iov_len &&
	    e->len <= b->iov_len - (e->addr - (uint64_t)b->iov_base))
		err = 0;
	mutex_unlock(&u->lock);
	return err;
}

/* ---- timeouts --------------------------------------------------------------------------------- */

/* When a TIMEOUT or LINK_TIMEOUT ends, on CLOCK_MONOTONIC. */
static long timeout_deadline(struct task *t, const struct io_uring_sqe *e, int64_t *deadline_ns)
{
	const uint32_t known = IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME |
			       IORING_TIMEOUT_ETIME_SUCCESS;
	enum clock_kind kind = e->timeout_flags & IORING_TIMEOUT_REALTIME  ? CLOCK_KIND_REAL
			       : e->timeout_flags & IORING_TIMEOUT_BOOTTIME ? CLOCK_KIND_BOOT
									     : CLOCK_KIND_MONO;
	int64_t ns;
	int err;

	if ((e->timeout_flags & ~known) || e->len != 1)
		return -EINVAL;
	err = timespec_get_user(t, (uaddr_t){ e->addr }, &ns);
	if (err)
		return err;
	*deadline_ns = e->timeout_flags & IORING_TIMEOUT_ABS ? clock_kind_deadline(kind, ns)
							     : ns_add(clock_mono_ns(), ns);
	return 0;
}

/* Until the deadline (-ETIME), or count more completions (0), or cancelled. */
static long op_timeout(struct task *t, struct uring *u, const struct io_uring_sqe *e)
{
	int64_t deadline_ns;
	uint64_t target;
	long err = timeout_deadline(t, e, &deadline_ns);
	bool reached;

	if (err)
		return err;
	mutex_lock(&u->lock);
	target = e->off ? u->completed + e->off : UINT64_MAX;
	while (u->completed < target && !err)
		err = wq_wait_until(&u->cq_wq, &u->lock, &t->waiter, deadline_ns);
	reached = u->completed >= target;
	mutex_unlock(&u->lock);
	return reached ? 0 : err == -ETIMEDOUT ? -ETIME : -ECANCELED;
}

/* The timeout of an entry of another chain: cancels that, unless it is done first. */
static void late_run(struct helper *h, struct task *t)
{
	struct uring_chain *c = container_of(h, struct uring_chain, h);
	struct uring *u = c->u;
	int64_t deadline_ns;
	bool hit = false;
	long err = timeout_deadline(t, &c->sqe[0], &deadline_ns);

	mutex_lock(&u->lock);
	while (c->watched && !err)
		err = wq_wait_until(&u->cq_wq, &u->lock, &t->waiter, deadline_ns);
	if (c->watched) {
		c->watched->late = NULL;
		hit = err == -ETIMEDOUT;
		if (hit)
			helper_cancel(&c->watched->h);
		c->watched = NULL;
	}
	mutex_unlock(&u->lock);
	uring_complete(u, &c->sqe[0], hit ? -ETIME : err == -ETIMEDOUT || !err || err <= -512 ? -ECANCELED : err);
	chain_unlink(c);
}

static void late_start(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct uring_chain *l = chain_new(c->u, 1);

	if (!l) {
		uring_complete(c->u, e, -ENOMEM);
		return;
	}
	l->sqe[0] = *e;
	l->waits_late = true;
	l->h.run = late_run;
	mutex_lock(&c->u->lock);
	l->watched = c;
	c->late = l;
	mutex_unlock(&c->u->lock);
	chain_link(l);
	if (helper_start(&l->h, t, NULL)) {
		mutex_lock(&c->u->lock);
		c->late = NULL;
		mutex_unlock(&c->u->lock);
		uring_complete(c->u, e, -EAGAIN);
		chain_unlink(l);
		chain_free(l);
	}
}

static void late_stop(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	if (c->late)
		c->late->watched = NULL;
	c->late = NULL;
	mutex_unlock(&c->u->lock);
	wq_wake(&c->u->cq_wq, 0);
}

/* ---- cancellation ----------------------------------------------------------------------------- */

static bool chain_matches(const struct uring_chain *c, const struct io_uring_sqe *e, uint32_t flags,
			  bool timeouts)
{
	const struct io_uring_sqe *now = &c->sqe[MIN(c->at, c->count - 1)];

	if (c->waits_late || (timeouts && now->opcode != IORING_OP_TIMEOUT))
		return false;
	if (flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if (flags & IORING_ASYNC_CANCEL_FD)
		return now->fd == e->fd;
	return now->user_data == e->addr;
}

/* ASYNC_CANCEL, POLL_REMOVE, TIMEOUT_REMOVE: 0 (or the count for all), -ENOENT. */
static long op_cancel(struct uring *u, const struct uring_chain *self, const struct io_uring_sqe *e)
{
	uint32_t flags = e->opcode == IORING_OP_ASYNC_CANCEL ? e->cancel_flags : 0;
	bool all = flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	struct uring_chain *c;
	long count = 0;

	if (flags & ~(uint32_t)(IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY))
		return -EINVAL;
	if (e->opcode != IORING_OP_ASYNC_CANCEL && (e->len || e->timeout_flags))
		return -EINVAL; /* updates */
	mutex_lock(&u->lock);
	list_for_each_entry(c, &u->chains, node) {
		if (c == self || !chain_matches(c, e, flags, e->opcode == IORING_OP_TIMEOUT_REMOVE))
			continue;
		helper_cancel(&c->h);
		count++;
		if (!all)
			break;
	}
	mutex_unlock(&u->lock);
	if (all)
		return count;
	return count ? 0 : -ENOENT;
}

/* ---- running ---------------------------------------------------------------------------------- */

static int wait_readable(struct task *t, struct file *f)
{
	struct poll_slot s = { .file = f, .events = POLLIN | POLL_ALWAYS };
	int n = poll_wait(task_vfs(t), &s, 1, INT64_MAX);

	return MIN(n, 0);
}

/*
 * READ and RECV into a buffer of e's group, which they take when there is something to read.  A multishot RECV goes on
 * until that fails, is at its end, or there are no buffers.
 */
static long run_selected(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	bool recv = e->opcode == IORING_OP_RECV, multi = recv && (e->ioprio & IORING_RECV_MULTISHOT);
	bool waits = !recv || !(e->msg_flags & MSG_DONTWAIT);
	struct uring *u = c->u;
	struct uring_buf b;
	struct io_uring_sqe one = *e;
	struct file *f = fdt_file_nopath(t->fdt, e->fd);
	long r;

	if (!f)
		return -EBADF;
	one.ioprio = 0;
	waits = waits && (f->kind & FILE_STREAM) && !(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK);
	for (;;) {
		r = waits ? wait_readable(t, f) : 0;
		if (r < 0)
			break;
		r = uring_buf_take(t, &u->bufs, e->buf_group, &b);
		if (r < 0)
			break;
		one.addr = b.addr;
		one.len = e->len ? MIN(e->len, b.len) : b.len;
		r = uring_op(e->opcode)->fn(t, &one, true);
		if (r <= 0)
			uring_buf_give_back(&u->bufs, e->buf_group, &b);
		if (r == -EAGAIN && waits)
			continue; /* somebody else was faster */
		if (r <= 0)
			break;
		c->cqe_flags = IORING_CQE_F_BUFFER | (uint32_t)b.bid << IORING_CQE_BUFFER_SHIFT;
		if (!multi || !uring_post(u, e, r, c->cqe_flags | IORING_CQE_F_MORE))
			break;
		c->cqe_flags = 0;
	}
	file_put(f);
	return r;
}

static long accept_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct io_uring_sqe one = *e;
	long r;

	one.ioprio = 0;
	do
		r = uring_op(e->opcode)->fn(t, &one, false);
	while (r >= 0 && uring_post(c->u, e, r, IORING_CQE_F_MORE));
	return r;
}

/* Each change of the file, as epoll's EPOLLET; with IORING_POLL_ADD_LEVEL each state that is not taken away. */
static long poll_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	uint32_t events = (e->poll32_events & 0xffff) | POLL_ALWAYS, now;
	struct file *f = fdt_file_nopath(t->fdt, e->fd);
	struct poll_table table;
	struct poller *p = &table.poller;
	long r;

	if (!f)
		return -EBADF;
	poll_table_init(&table, &t->waiter);
	p->events = events | POLLER_EDGES;
	for (;;) {
		waiter_prepare(&t->waiter);
		now = file_poll(f, p) & events;
		p = NULL;
		r = now;
		if (!now)
			r = table.error;
		if (r < 0 || (now && !uring_post(c->u, e, r, IORING_CQE_F_MORE))) {
			waiter_cancel(&t->waiter);
			break;
		}
		r = waiter_sleep(&t->waiter, WAITER_INTERRUPTIBLE, INT64_MAX);
		if (r < 0)
			break;
	}
	poll_table_fini(&table);
	file_put(f);
	return r;
}

static bool is_multishot(const struct io_uring_sqe *e)
{
	switch (e->opcode) {
	case IORING_OP_POLL_ADD:
		return e->len & IORING_POLL_ADD_MULTI;
	case IORING_OP_ACCEPT:
		return e->ioprio & IORING_ACCEPT_MULTISHOT;
	case IORING_OP_RECV:
		return e->ioprio & IORING_RECV_MULTISHOT;
	default:
		return false;
	}
}

/* What the operation does not know.  0 or -errno. */
static int check_several(const struct io_uring_sqe *e)
{
	bool select = e->flags & IOSQE_BUFFER_SELECT;

	if (select && e->opcode != IORING_OP_READ && e->opcode != IORING_OP_RECV)
		return -EOPNOTSUPP;
	switch (e->opcode) {
	case IORING_OP_POLL_ADD:
		return e->len & ~(uint32_t)IORING_POLL_ADD_MULTI ? -EINVAL : 0;
	case IORING_OP_ACCEPT:
		return e->ioprio & ~IORING_ACCEPT_MULTISHOT ? -EINVAL : 0;
	case IORING_OP_RECV:
		if (!(e->ioprio & IORING_RECV_MULTISHOT))
			return 0;
		return !select || e->len || (e->msg_flags & MSG_WAITALL) ? -EINVAL : 0;
	case IORING_OP_RECVMSG:
		return e->ioprio & IORING_RECV_MULTISHOT ? -EINVAL : 0;
	default:
		return 0;
	}
}

static long sqe_run(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, bool nowait)
{
	const struct uring_op *op = uring_op(e->opcode);
	int err = check_fixed_buffer(c->u, e);

	if (!err)
		err = check_several(e);
	if (err)
		return err;
	c->cqe_flags = 0;
	if (e->flags & IOSQE_BUFFER_SELECT)
		return run_selected(c, t, e);
	if (is_multishot(e))
		return e->opcode == IORING_OP_POLL_ADD ? poll_multishot(c, t, e) : accept_multishot(c, t, e);
	switch (e->opcode) {
	case IORING_OP_TIMEOUT:
		return op_timeout(t, c->u, e);
	case IORING_OP_ASYNC_CANCEL:
	case IORING_OP_POLL_REMOVE:
	case IORING_OP_TIMEOUT_REMOVE:
		return op_cancel(c->u, c, e);
	case IORING_OP_LINK_TIMEOUT:
		return -EINVAL; /* linked to nothing */
	case IORING_OP_PROVIDE_BUFFERS:
		return uring_bufs_provide(&c->u->bufs, e);
	case IORING_OP_REMOVE_BUFFERS:
		return uring_bufs_remove(&c->u->bufs, e);
	default:
		return op->fn ? op->fn(t, e, nowait) : -EINVAL;
	}
}

static long result_of(struct uring_chain *c, bool on_helper, long r)
{
	if (r > -512 && r != -EINTR)
		return r;
	return on_helper && helper_cancelled(&c->h) ? -ECANCELED : -EINTR;
}

/* Fewer bytes than asked for break a link, as an error does. */
static bool sqe_failed(const struct io_uring_sqe *e, long r)
{
	switch (e->opcode) {
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
		return r < (long)e->len;
	case IORING_OP_TIMEOUT:
		return r < 0 && !(r == -ETIME && (e->timeout_flags & IORING_TIMEOUT_ETIME_SUCCESS));
	default:
		return r < 0;
	}
}

/* All entries in turn; the first result may be known already. */
static void chain_run(struct uring_chain *c, struct task *t, bool on_helper)
{
	bool broken = false;

	for (c->at = 0; c->at < c->count; c->at++) {
		const struct io_uring_sqe *e = &c->sqe[c->at];
		const struct io_uring_sqe *next = c->at + 1 < c->count ? e + 1 : NULL;
		bool timed = next && next->opcode == IORING_OP_LINK_TIMEOUT && on_helper;
		long r = -ECANCELED;

		if (!broken) {
			if (timed)
				late_start(c, t, next);
			r = result_of(c, on_helper, sqe_run(c, t, e, false));
			if (timed)
				late_stop(c);
		}
		if (sqe_failed(e, r) && !(e->flags & IOSQE_IO_HARDLINK))
			broken = true;
		if (c->cqe_flags)
			(void)uring_post(c->u, e, r, c->cqe_flags);
		else
			uring_complete(c->u, e, r);
		c->cqe_flags = 0;
		if (timed)
			c->at++; /* it completes by itself */
		if (timed && !(next->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)))
			break;
	}
}

static void chain_helper(struct helper *h, struct task *t)
{
	struct uring_chain *c = container_of(h, struct uring_chain, h);
	struct uring *u = c->u;
	int err = 0;

	mutex_lock(&u->lock);
	while (c->drain && !err && list_first(&u->chains, struct uring_chain, node) != c)
		err = wq_wait_until(&u->cq_wq, &u->lock, &t->waiter, INT64_MAX);
	mutex_unlock(&u->lock);
	if (err) {
		for (c->at = 0; c->at < c->count; c->at++)
			uring_complete(u, &c->sqe[c->at], -ECANCELED);
	} else {
		chain_run(c, t, true);
	}
	chain_unlink(c);
}

/* Whether e can be done on the submitter's fiber without waiting for others. */
static bool sqe_is_inline(struct task *t, const struct io_uring_sqe *e)
{
	const struct uring_op *op = uring_op(e->opcode);
	struct file *f;
	bool yes = true;

	if (e->flags & (IOSQE_ASYNC | IOSQE_FIXED_FILE | IOSQE_IO_DRAIN | IOSQE_BUFFER_SELECT))
		return false;
	if (is_multishot(e))
		return false;
	if (op->kind == URING_WAITS || e->opcode == IORING_OP_TIMEOUT)
		return false;
	if (op->kind != URING_IN && op->kind != URING_OUT)
		return true;
	f = fdt_file_nopath(t->fdt, e->fd);
	if (f && (f->kind & FILE_STREAM)) {
		uint32_t want = op->kind == URING_IN ? POLLIN : POLLOUT;

		yes = (file_poll(f, NULL) & (want | POLLERR | POLLHUP)) &&
		      (op->kind == URING_IN || e->len <= INLINE_WRITE);
	}
	file_put(f);
	return yes;
}

/* Consumes c. */
static void chain_start(struct task *t, struct uring_chain *c)
{
	struct uring *u = c->u;
	struct fdtable *files = NULL;
	bool must_wait;
	int err;

	mutex_lock(&u->lock);
	must_wait = u->draining;
	mutex_unlock(&u->lock);
	c->drain = must_wait || (c->sqe[0].flags & IOSQE_IO_DRAIN);
	if (c->count == 1 && !c->drain && sqe_is_inline(t, &c->sqe[0])) {
		long r = sqe_run(c, t, &c->sqe[0], true);

		if (r != -EAGAIN || uring_op(c->sqe[0].opcode)->kind == URING_INLINE) {
			uring_complete(u, &c->sqe[0], result_of(c, false, r));
			chain_free(c);
			return;
		}
	}
	c->h.run = chain_helper;
	err = 0;
	if (c->sqe[0].flags & IOSQE_FIXED_FILE) {
		mutex_lock(&u->lock);
		files = u->files ? fdt_get(u->files) : NULL;
		mutex_unlock(&u->lock);
		err = files ? 0 : -EBADF;
	}
	if (!err) {
		chain_link(c);
		err = helper_start(&c->h, t, files);
		if (err)
			chain_unlink(c);
	}
	fdt_put(NULL, files);
	if (err) {
		for (unsigned int i = 0; i < c->count; i++)
			uring_complete(u, &c->sqe[i], i ? -ECANCELED : err);
		chain_free(c);
	}
}

/* ---- submission ------------------------------------------------------------------------------- */

/* The queue's next entry; false: there is none, or its index is none (that one is dropped). */
static bool sqe_fetch_locked(struct uring *u, struct io_uring_sqe *out)
{
	uint32_t tail = atomic_load_explicit(&u->head->sq_tail, memory_order_acquire), index;

	if (u->sq_head == tail)
		return false;
	index = atomic_load_explicit(&u->array[u->sq_head & (u->sq_entries - 1)], memory_order_relaxed);
	__atomic_store_n(&u->sq_head, u->sq_head + 1, __ATOMIC_RELAXED); /* uring_poll() looks */
	if (index >= u->sq_entries) {
		atomic_fetch_add(&u->head->sq_dropped, 1);
		return false;
	}
	memcpy(out, &u->sqes[index], sizeof(*out));
	return true;
}

static int sqe_check(const struct io_uring_sqe *e)
{
	if (uring_op(e->opcode)->kind == URING_ABSENT)
		return -EINVAL;
	if (e->flags & ~SQE_FLAGS)
		return -EINVAL;
	return e->personality ? -EINVAL : 0;
}

/* One chain off the queue: its entries, copied.  Their count; *bad: the error of the last. */
static unsigned int chain_fetch(struct uring *u, struct io_uring_sqe *sqes, unsigned int max, int *bad)
{
	unsigned int n = 0;

	*bad = 0;
	mutex_lock(&u->submit_lock);
	while (n < max && sqe_fetch_locked(u, &sqes[n])) {
		const struct io_uring_sqe *e = &sqes[n++];

		*bad = sqe_check(e);
		if (*bad || !(e->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)))
			break;
	}
	atomic_store_explicit(&u->head->sq_head, u->sq_head, memory_order_release);
	mutex_unlock(&u->submit_lock);
	return n;
}

unsigned int uring_submit(struct task *t, struct uring *u, unsigned int count)
{
	unsigned int done = 0, max;
	struct io_uring_sqe *sqes;

	count = MIN(count, u->sq_entries); /* no more can be there, whatever the tail says */
	max = MIN(count, (unsigned int)CHAIN_MAX);
	sqes = mem_calloc(MAX(max, 1u), sizeof(*sqes));
	if (!sqes)
		return 0;
	while (done < count) {
		struct uring_chain *c;
		int bad;
		unsigned int n = chain_fetch(u, sqes, MIN(max, count - done), &bad);

		if (!n)
			break;
		done += n;
		c = bad ? NULL : chain_new(u, n);
		if (!c) {
			for (unsigned int i = 0; i < n; i++)
				uring_complete(u, &sqes[i], i + 1 == n ? (bad ? bad : -ENOMEM) : -ECANCELED);
			if (u->submit_all)
				continue;
			break;
		}
		memcpy(c->sqe, sqes, n * sizeof(*sqes));
		chain_start(t, c); /* consumes c */
	}
	mem_free(sqes);
	return done;
}

/* ---- the file --------------------------------------------------------------------------------- */

static uint32_t uring_poll(struct file *f, struct poller *p)
{
	struct uring *u = file_priv(f);
	uint32_t events = 0, tail = atomic_load_explicit(&u->head->sq_tail, memory_order_relaxed);

	poller_add(p, &u->cq_wq);
	if (atomic_load_explicit(&u->head->cq_tail, memory_order_relaxed) !=
	    atomic_load_explicit(&u->head->cq_head, memory_order_relaxed))
		events |= POLLIN | POLLRDNORM;
	if (tail - __atomic_load_n(&u->sq_head, __ATOMIC_RELAXED) < u->sq_entries)
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int uring_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	struct uring *u = file_priv(f);
	size_t at, size;

	(void)c;
	switch (r->offset) {
	case IORING_OFF_SQ_RING:
	case IORING_OFF_CQ_RING:
		at = 0;
		size = u->sqes_at;
		break;
	case IORING_OFF_SQES:
		at = u->sqes_at;
		size = u->size - u->sqes_at;
		break;
	default:
		return -EINVAL;
	}
	if (r->size > size)
		return -EINVAL;
	r->host_fd = u->fd;
	r->host_offset = at;
	r->anonymous = false;
	return 0;
}

/* Nobody can take completions any more: what is under way is cancelled. */
static void uring_release(struct file *f)
{
	struct uring *u = file_priv(f);
	struct uring_chain *c;

	mutex_lock(&u->lock);
	list_for_each_entry(c, &u->chains, node)
		helper_cancel(&c->h);
	mutex_unlock(&u->lock);
	uring_put(u);
}

static const struct file_ops uring_fops = {
	.poll = uring_poll,
	.mmap = uring_mmap,
	.release = uring_release,
};

static uint32_t round_up(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static int uring_sizes(unsigned int entries, const struct io_uring_params *p, struct uring *u)
{
	bool clamp = p->flags & IORING_SETUP_CLAMP;
	unsigned int cq = p->cq_entries;

	if (!entries || (entries > URING_ENTRIES_MAX && !clamp))
		return -EINVAL;
	u->sq_entries = round_up(MIN(entries, URING_ENTRIES_MAX));
	u->cq_entries = 2 * u->sq_entries;
	if (!(p->flags & IORING_SETUP_CQSIZE))
		return 0;
	if (!cq || (cq > URING_CQ_ENTRIES_MAX && !clamp))
		return -EINVAL;
	u->cq_entries = round_up(MIN(cq, URING_CQ_ENTRIES_MAX));
	return u->cq_entries < u->sq_entries ? -EINVAL : 0;
}

static int uring_memory(struct uring *u)
{
	size_t array_at = sizeof(struct ring_head) + u->cq_entries * sizeof(struct io_uring_cqe);
	int err;

	u->sqes_at = ALIGN_UP(array_at + u->sq_entries * sizeof(uint32_t), PAGE_SIZE);
	u->size = ALIGN_UP(u->sqes_at + u->sq_entries * sizeof(struct io_uring_sqe), PAGE_SIZE);
	u->fd = host_memfd_create("runsc-uring", MFD_ALLOW_SEALING);
	if (u->fd < 0)
		return u->fd;
	err = host_ftruncate(u->fd, (int64_t)u->size);
	if (!err)
		err = (int)host_fcntl(u->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (err >= 0) {
		u->mem = host_mmap(NULL, u->size, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, 0);
		if ((unsigned long)u->mem >= (unsigned long)-4095)
			err = (int)(long)u->mem;
	}
	if (err < 0) {
		host_close(u->fd);
		return err;
	}
	u->head = (struct ring_head *)(void *)u->mem;
	u->array = (_Atomic uint32_t *)(void *)(u->mem + array_at);
	u->sqes = (struct io_uring_sqe *)(void *)(u->mem + u->sqes_at);
	u->head->sq_mask = u->sq_entries - 1;
	u->head->sq_entries = u->sq_entries;
	u->head->cq_mask = u->cq_entries - 1;
	u->head->cq_entries = u->cq_entries;
	return 0;
}

static void uring_fill_params(const struct uring *u, struct io_uring_params *p)
{
#define AT(member) ((uint32_t)offsetof(struct ring_head, member))
	p->sq_entries = u->sq_entries;
	p->cq_entries = u->cq_entries;
	p->features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
		      IORING_FEAT_RW_CUR_POS | IORING_FEAT_CUR_PERSONALITY | IORING_FEAT_FAST_POLL |
		      IORING_FEAT_POLL_32BITS | IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS |
		      IORING_FEAT_CQE_SKIP;
	p->sq_off.head = AT(sq_head);
	p->sq_off.tail = AT(sq_tail);
	p->sq_off.ring_mask = AT(sq_mask);
	p->sq_off.ring_entries = AT(sq_entries);
	p->sq_off.flags = AT(sq_flags);
	p->sq_off.dropped = AT(sq_dropped);
	p->sq_off.array = (uint32_t)((uintptr_t)u->array - (uintptr_t)u->mem);
	p->cq_off.head = AT(cq_head);
	p->cq_off.tail = AT(cq_tail);
	p->cq_off.ring_mask = AT(cq_mask);
	p->cq_off.ring_entries = AT(cq_entries);
	p->cq_off.overflow = AT(cq_overflow);
	p->cq_off.cqes = AT(cqes);
	p->cq_off.flags = AT(cq_flags);
#undef AT
}

int uring_new(struct task *t, unsigned int entries, struct io_uring_params *p, struct file **out)
{
	struct uring *u = mem_new(struct uring);
	int err;

	if (!u)
		return -ENOMEM;
	err = uring_sizes(entries, p, u);
	if (!err)
		err = uring_memory(u);
	if (err) {
		mem_free(u);
		return err;
	}
	ref_init(&u->ref);
	mutex_init(&u->lock, LOCK_PIPE);
	mutex_init(&u->submit_lock, LOCK_EPOLL);
	list_init(&u->overflow);
	list_init(&u->chains);
	uring_bufs_init(&u->bufs);
	wq_init(&u->cq_wq);
	u->submit_all = p->flags & IORING_SETUP_SUBMIT_ALL;
	atomic_init(&u->disabled, p->flags & IORING_SETUP_R_DISABLED);
	err = file_new_anon("io_uring", &uring_fops, u, O_RDWR, FILE_READ | FILE_WRITE | FILE_STREAM,
			    t->cred, out);
	if (err) {
		uring_put(u);
		return err;
	}
	uring_fill_params(u, p);
	return 0;
}

/* ---- registration ----------------------------------------------------------------------------- */

int uring_register_buffers(struct task *t, struct uring *u, uaddr_t iov, unsigned int count)
{
	struct iovec *b;
	int err = 0;

	if (!count || count > BUFFERS_MAX)
		return -EINVAL;
	b = mem_calloc(count, sizeof(*b));
	if (!b)
		return -ENOMEM;
	if (uaccess_get(t, b, iov, count * sizeof(*b)))
		err = -EFAULT;
	for (unsigned int i = 0; i < count && !err; i++)
		if ((!b[i].iov_base && b[i].iov_len) || b[i].iov_len > 1ul << 30)
			err = -EFAULT;
	mutex_lock(&u->lock);
	if (!err && u->buffers)
		err = -EBUSY;
	if (!err) {
		u->buffers = b;
		u->buffer_count = count;
	}
	mutex_unlock(&u->lock);
	if (err)
		mem_free(b);
	return err;
}

int uring_unregister_buffers(struct uring *u)
{
	struct iovec *b;

	mutex_lock(&u->lock);
	b = u->buffers;
	u->buffers = NULL;
	u->buffer_count = 0;
	mutex_unlock(&u->lock);
	mem_free(b);
	return b ? 0 : -ENXIO;
}

/* fd (of the task's) into the table at i; -1 empties, -2 leaves it. */
static int files_put_one(struct task *t, struct fdtable *files, unsigned int i, int fd)
{
	struct file *f;
	int at;

	if (fd == -2)
		return 0;
	(void)fdt_close(task_vfs(t), files, (int)i);
	if (fd == -1)
		return 0;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (file_uring(f)) {
		file_put(f);
		return -EBADF;
	}
	at = fdt_reserve_from(files, (int)i, FILES_MAX);
	if (at != (int)i) {
		if (at >= 0)
			fdt_unreserve(files, 1, &at);
		file_put(f);
		return at < 0 ? at : -EBUSY;
	}
	fdt_install(files, at, f, 0); /* consumes f */
	return 0;
}

static int files_put(struct task *t, struct fdtable *files, unsigned int at, uaddr_t ufds,
		     unsigned int count)
{
	int err = 0, fd;

	for (unsigned int i = 0; i < count; i++) {
		if (uaccess_get(t, &fd, uaddr_add(ufds, i * sizeof(fd)), sizeof(fd)))
			err = -EFAULT;
		else
			err = files_put_one(t, files, at + i, fd);
		if (err)
			return i ? (int)i : err;
	}
	return (int)count;
}

int uring_register_files(struct task *t, struct uring *u, uaddr_t fds, unsigned int count)
{
	struct fdtable *files;
	int err;

	if (!count)
		return -EINVAL;
	if (count > FILES_MAX || count > task_rlimit(t, RLIMIT_NOFILE))
		return -EMFILE;
	files = fdt_new();
	if (!files)
		return -ENOMEM;
	err = files_put(t, files, 0, fds, count);
	if (err >= 0)
		err = err == (int)count ? 0 : -EBADF;
	mutex_lock(&u->lock);
	if (!err && u->files)
		err = -EBUSY;
	if (!err) {
		u->files = files;
		u->file_count = count;
	}
	mutex_unlock(&u->lock);
	if (err)
		fdt_put(task_vfs(t), files);
	return err;
}

int uring_unregister_files(struct uring *u)
{
	struct fdtable *files;

	mutex_lock(&u->lock);
	files = u->files;
	u->files = NULL;
	mutex_unlock(&u->lock);
	if (!files)
		return -ENXIO;
	fdt_put(NULL, files);
	return 0;
}

int uring_update_files(struct task *t, struct uring *u, unsigned int at, uaddr_t fds, unsigned int count)
{
	struct fdtable *files;
	unsigned int room;
	int n;

	mutex_lock(&u->lock);
	files = u->files ? fdt_get(u->files) : NULL;
	room = u->file_count;
	mutex_unlock(&u->lock);
	if (!files)
		return -ENXIO;
	n = at > room || count > room - at ? -EINVAL : files_put(t, files, at, fds, count);
	fdt_put(NULL, files);
	return n;
}

int uring_register_eventfd(struct task *t, struct uring *u, int fd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err;

	if (!f)
		return -EBADF;
	err = eventfd_signal(f, 0);
	mutex_lock(&u->lock);
	if (!err && u->eventfd)
		err = -EBUSY;
	if (!err)
		u->eventfd = file_get(f);
	mutex_unlock(&u->lock);
	file_put(f);
	return err;
}

int uring_register_buf_ring(struct task *t, struct uring *u, uaddr_t arg)
{
	return uring_bufs_register_ring(t, &u->bufs, arg);
}

int uring_unregister_buf_ring(struct task *t, struct uring *u, uaddr_t arg)
{
	return uring_bufs_unregister_ring(t, &u->bufs, arg);
}

int uring_unregister_eventfd(struct uring *u)
{
	struct file *f;

	mutex_lock(&u->lock);
	f = u->eventfd;
	u->eventfd = NULL;
	mutex_unlock(&u->lock);
	file_put(f);
	return f ? 0 : -ENXIO;
}
