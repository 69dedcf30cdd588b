/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.c: rings: memory, submission, chains, completion.
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
 * IORING_SETUP_SQPOLL: the poller is one that always sleeps: IORING_SQ_NEED_WAKEUP is set from the beginning, so the
 * application wakes it after each entry, and the call that does takes what is queued.
 *
 * Beside it: uring_ops.c (operations), uring_time.c, uring_multi.c, uring_buf.c, uring_register.c.  Not there:
 * IORING_SETUP_IOPOLL, large entries, personalities, restrictions (EINVAL).
 *
 * References: a chain holds its ring; the file holds the ring.  Locks: u->lock (LOCK_PIPE), then
 * helper.c's.  u->submit_lock (LOCK_EPOLL) serialises taking entries off the queue, without sleeping.
 */
#include "sentry/aio/uring_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/task/task.h"
#include "vfs/eventfd.h"

#define SQE_FLAGS                                                                         \
	(IOSQE_FIXED_FILE | IOSQE_IO_DRAIN | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC | \
	 IOSQE_CQE_SKIP_SUCCESS | IOSQE_BUFFER_SELECT)
#define OVERFLOW_MAX        65536
#define CHAIN_MAX           4096
#define INLINE_WRITE        4096 /* a pipe that is writable takes so much */
#define MSG_RING_FLAGS_PASS (1u << 1) /* IORING_MSG_RING_FLAGS_PASS */
#define ZC_KNOWN            (IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_FIXED_BUF | IORING_SEND_ZC_REPORT_USAGE)

static const struct file_ops uring_fops;

struct uring *file_uring(const struct file *f)
{
	return f->ops == &uring_fops ? file_priv(f) : NULL;
}

bool uring_is_disabled(struct uring *u)
{
	return atomic_load(&u->disabled);
}

bool uring_wakes(struct uring *u)
{
	return u->wakes;
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

bool uring_post(struct uring *u, const struct io_uring_sqe *e, long res, uint32_t flags)
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

void uring_complete(struct uring *u, const struct io_uring_sqe *e, long res)
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

void uring_chain_link(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	list_append(&c->u->chains, &c->node);
	c->u->draining += c->drain;
	mutex_unlock(&c->u->lock);
}

void uring_chain_unlink(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	list_remove(&c->node);
	c->u->draining -= c->drain;
	mutex_unlock(&c->u->lock);
	wq_wake(&c->u->cq_wq, 0);
}

void uring_chain_free(struct uring_chain *c)
{
	fdt_put(NULL, c->files);
	uring_put(c->u);
	mem_free(c);
}

static void chain_done(struct helper *h)
{
	uring_chain_free(container_of(h, struct uring_chain, h));
}

struct uring_chain *uring_chain_new(struct uring *u, unsigned int count)
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

/* ---- running ---------------------------------------------------------------------------------- */

static long result_of(struct uring_chain *c, bool on_helper, long r)
{
	if (r > -512 && r != -EINTR)
		return r;
	return on_helper && helper_cancelled(&c->h) ? -ECANCELED : -EINTR;
}

/* MSG_RING: a completion in another ring. */
static long op_msg_ring(struct task *t, const struct io_uring_sqe *e)
{
	struct io_uring_sqe told = { .user_data = e->off };
	struct file *f = fdt_file_nopath(t->fdt, e->fd);
	struct uring *to = f ? file_uring(f) : NULL;
	long r = to ? 0 : -EBADFD;

	if (!f)
		return -EBADF;
	if (e->addr != IORING_MSG_DATA || e->buf_index || (e->msg_ring_flags & ~MSG_RING_FLAGS_PASS))
		r = -EINVAL;
	else if (to && uring_is_disabled(to))
		r = -EBADFD;
	if (!r)
		(void)uring_post(to, &told, (int32_t)e->len, e->msg_ring_flags ? e->file_index : 0);
	file_put(f);
	return r;
}

/* SEND_ZC: the result, and a second completion when the buffer is free again: at once, as we copy. */
static long op_send_zc(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, bool nowait)
{
	long r;

	if ((e->flags & IOSQE_CQE_SKIP_SUCCESS) || (e->ioprio & ~ZC_KNOWN))
		return -EINVAL;
	r = uring_op(e->opcode)->fn(t, e, nowait);
	if (r == -EAGAIN && nowait)
		return r;
	if (!uring_post(c->u, e, result_of(c, !nowait, r), IORING_CQE_F_MORE))
		return r; /* no room for two: the last one says so */
	c->cqe_flags = IORING_CQE_F_NOTIF;
	return e->ioprio & IORING_SEND_ZC_REPORT_USAGE ? (int32_t)IORING_NOTIF_USAGE_ZC_COPIED : 0;
}

long uring_run_op(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, bool nowait)
{
	const struct uring_op *op = uring_op(e->opcode);

	if (e->flags & IOSQE_BUFFER_SELECT)
		return uring_run_selected(c, t, e);
	if (uring_is_multishot(e))
		return uring_run_multishot(c, t, e);
	switch (e->opcode) {
	case IORING_OP_TIMEOUT:
		return uring_timeout(c, t, e);
	case IORING_OP_ASYNC_CANCEL:
	case IORING_OP_POLL_REMOVE:
	case IORING_OP_TIMEOUT_REMOVE:
		return uring_cancel(c, t, e);
	case IORING_OP_LINK_TIMEOUT:
		return -EINVAL; /* linked to nothing */
	case IORING_OP_PROVIDE_BUFFERS:
		return uring_bufs_provide(&c->u->bufs, e);
	case IORING_OP_REMOVE_BUFFERS:
		return uring_bufs_remove(&c->u->bufs, e);
	case IORING_OP_FILES_UPDATE:
		return uring_files_update_op(t, c->u, e);
	case IORING_OP_MSG_RING:
		return op_msg_ring(t, e);
	case IORING_OP_SEND_ZC:
	case IORING_OP_SENDMSG_ZC:
		return op_send_zc(c, t, e, nowait);
	case IORING_OP_CLOSE:
		return e->file_index ? uring_close_direct(t, c->u, e) : op->fn(t, e, nowait);
	default:
		return op->fn ? op->fn(t, e, nowait) : -EINVAL;
	}
}

static long sqe_run(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, bool nowait)
{
	int err = uring_check_fixed_buffer(c->u, e);

	if (!err)
		err = uring_check_several(e);
	if (err)
		return err;
	c->cqe_flags = 0;
	return uring_uses_files(e) ? uring_run_with_files(c, t, e) : uring_run_op(c, t, e, nowait);
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

static void chain_complete(struct uring_chain *c, const struct io_uring_sqe *e, long r)
{
	if (c->cqe_flags)
		(void)uring_post(c->u, e, r, c->cqe_flags);
	else
		uring_complete(c->u, e, r);
	c->cqe_flags = 0;
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
				uring_late_start(c, t, next);
			r = result_of(c, on_helper, sqe_run(c, t, e, false));
			if (timed)
				uring_late_stop(c);
		}
		if (sqe_failed(e, r) && !(e->flags & IOSQE_IO_HARDLINK))
			broken = true;
		chain_complete(c, e, r);
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
	uring_chain_unlink(c);
}

/* Whether e can be done on the submitter's fiber without waiting for others. */
static bool sqe_is_inline(struct task *t, const struct io_uring_sqe *e)
{
	const struct uring_op *op = uring_op(e->opcode);
	struct file *f;
	bool yes = true;

	if (e->flags & (IOSQE_ASYNC | IOSQE_IO_DRAIN | IOSQE_BUFFER_SELECT))
		return false;
	if (uring_is_multishot(e) || uring_uses_files(e))
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

/* A chain with registered files in it runs on a view of t's descriptors. */
static int chain_files(struct task *t, struct uring_chain *c, struct fdtable **view)
{
	struct uring *u = c->u;
	bool any = false;

	for (unsigned int i = 0; i < c->count; i++)
		any = any || uring_uses_files(&c->sqe[i]);
	if (!any)
		return 0;
	mutex_lock(&u->lock);
	c->files = u->files ? fdt_get(u->files) : NULL;
	mutex_unlock(&u->lock);
	*view = fdt_view_new(t->fdt);
	return *view ? 0 : -ENOMEM;
}

/* Consumes c. */
static void chain_start(struct task *t, struct uring_chain *c)
{
	struct uring *u = c->u;
	struct fdtable *view = NULL;
	bool must_wait;
	int err;

	mutex_lock(&u->lock);
	must_wait = u->draining;
	mutex_unlock(&u->lock);
	c->drain = must_wait || (c->sqe[0].flags & IOSQE_IO_DRAIN);
	if (c->count == 1 && !c->drain && sqe_is_inline(t, &c->sqe[0])) {
		long r = sqe_run(c, t, &c->sqe[0], true);

		if (r != -EAGAIN || uring_op(c->sqe[0].opcode)->kind == URING_INLINE) {
			chain_complete(c, &c->sqe[0], result_of(c, false, r));
			uring_chain_free(c);
			return;
		}
	}
	c->h.run = chain_helper;
	err = chain_files(t, c, &view);
	if (!err) {
		if (c->sqe[0].opcode == IORING_OP_TIMEOUT)
			uring_timeout_arm(c, t);
		uring_chain_link(c);
		err = helper_start(&c->h, t, view);
		if (err)
			uring_chain_unlink(c);
	}
	fdt_put(NULL, view);
	if (err) {
		for (unsigned int i = 0; i < c->count; i++)
			uring_complete(u, &c->sqe[i], i ? -ECANCELED : err);
		uring_chain_free(c);
	}
}

/* ---- submission ------------------------------------------------------------------------------- */

/* The queue's next entry; false: there is none, or its index is none (that one is dropped). */
static bool sqe_fetch_locked(struct uring *u, struct io_uring_sqe *out)
{
	uint32_t tail = atomic_load_explicit(&u->head->sq_tail, memory_order_acquire), index;

	if (u->sq_head == tail)
		return false;
	index = u->sq_head & (u->sq_entries - 1);
	if (!u->in_order)
		index = atomic_load_explicit(&u->array[index], memory_order_relaxed);
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
		c = bad ? NULL : uring_chain_new(u, n);
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
		      IORING_FEAT_SQPOLL_NONFIXED | IORING_FEAT_CQE_SKIP | IORING_FEAT_LINKED_FILE;
	p->sq_off.head = AT(sq_head);
	p->sq_off.tail = AT(sq_tail);
	p->sq_off.ring_mask = AT(sq_mask);
	p->sq_off.ring_entries = AT(sq_entries);
	p->sq_off.flags = AT(sq_flags);
	p->sq_off.dropped = AT(sq_dropped);
	p->sq_off.array = u->in_order ? 0 : (uint32_t)((uintptr_t)u->array - (uintptr_t)u->mem);
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
	u->in_order = p->flags & URING_SETUP_NO_SQARRAY;
	u->wakes = p->flags & IORING_SETUP_SQPOLL;
	if (u->wakes)
		atomic_store(&u->head->sq_flags, IORING_SQ_NEED_WAKEUP);
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

