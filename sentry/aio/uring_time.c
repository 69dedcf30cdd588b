/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_time.c: io_uring's TIMEOUT, LINK_TIMEOUT and their updates, and cancellation.
 *
 * A TIMEOUT is a sleep on the ring's wait queue, which every completion wakes, until its chain's deadline.  That lies
 * in the chain, under the ring's lock, so that TIMEOUT_REMOVE may move it.  The time of a chain that begins with a
 * TIMEOUT starts with its submission.  A LINK_TIMEOUT is a helper of its own that cancels the chain it watches.
 */
#include "sentry/aio/uring_impl.h"

#include <errno.h>

#include "lib/clock.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "sentry/time/timespec.h"

/* ---- timeouts --------------------------------------------------------------------------------- */

#define TIMEOUT_CLOCKS (IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME)

/* The time at addr, with those flags, on CLOCK_MONOTONIC. */
static int timeout_get(struct task *t, uint64_t addr, uint32_t flags, int64_t *deadline_ns)
{
	enum clock_kind kind = flags & IORING_TIMEOUT_REALTIME	? CLOCK_KIND_REAL
			       : flags & IORING_TIMEOUT_BOOTTIME ? CLOCK_KIND_BOOT
								  : CLOCK_KIND_MONO;
	int64_t ns;
	int err = timespec_get_user(t, (uaddr_t){ addr }, &ns);

	if (err)
		return err;
	*deadline_ns = flags & IORING_TIMEOUT_ABS ? clock_kind_deadline(kind, ns) : ns_add(clock_mono_ns(), ns);
	return 0;
}

/* When a TIMEOUT or LINK_TIMEOUT ends. */
static int timeout_deadline(struct task *t, const struct io_uring_sqe *e, int64_t *deadline_ns)
{
	uint32_t known = TIMEOUT_CLOCKS | IORING_TIMEOUT_ETIME_SUCCESS;

	if (e->opcode == IORING_OP_TIMEOUT && !(e->timeout_flags & IORING_TIMEOUT_ABS))
		known |= URING_TIMEOUT_MULTISHOT;
	if ((e->timeout_flags & ~known) || e->len != 1)
		return -EINVAL;
	return timeout_get(t, e->addr, e->timeout_flags, deadline_ns);
}

/* Sleep on the ring until woken, or until c's deadline, which uring_timeout_update() may move. */
static int timeout_wait_locked(struct uring_chain *c, struct task *t)
{
	int err = wq_wait_until(&c->u->cq_wq, &c->u->lock, &t->waiter, c->deadline_ns);

	return err == -ETIMEDOUT && clock_mono_ns() < c->deadline_ns ? 0 : err;
}

void uring_timeout_arm(struct uring_chain *c, struct task *t)
{
	int64_t deadline_ns;

	if (timeout_deadline(t, &c->sqe[0], &deadline_ns))
		return; /* uring_timeout() finds out as well */
	c->deadline_ns = deadline_ns;
	c->armed = true;
}

/* Until the chain's deadline (-ETIMEDOUT), or target completions in all (0), or cancelled (others). */
static long timeout_wait(struct uring_chain *c, struct task *t, uint64_t target)
{
	struct uring *u = c->u;
	long err = 0;

	mutex_lock(&u->lock);
	while (u->completed < target && !err)
		err = timeout_wait_locked(c, t);
	if (u->completed >= target)
		err = 0;
	mutex_unlock(&u->lock);
	return err;
}

static void timeout_set(struct uring_chain *c, bool armed, int64_t deadline_ns)
{
	mutex_lock(&c->u->lock);
	c->armed = armed;
	c->deadline_ns = deadline_ns;
	mutex_unlock(&c->u->lock);
}

/* IORING_TIMEOUT_MULTISHOT: e->off times (0: for ever), each a period after the one before. */
static long timeout_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, int64_t period_ns)
{
	uint64_t turns = e->off;
	long err;

	for (;;) {
		err = timeout_wait(c, t, UINT64_MAX);
		if (err != -ETIMEDOUT || (turns && --turns == 0) || !uring_post(c->u, e, -ETIME, IORING_CQE_F_MORE))
			return err;
		timeout_set(c, true, ns_add(c->deadline_ns, period_ns));
	}
}

/* Until the deadline (-ETIME), or e->off more completions (0), or cancelled. */
long uring_timeout(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct uring *u = c->u;
	int64_t deadline_ns;
	uint64_t target;
	long err = timeout_deadline(t, e, &deadline_ns);

	if (err)
		return err;
	mutex_lock(&u->lock);
	target = e->off ? u->completed + e->off : UINT64_MAX;
	mutex_unlock(&u->lock);
	if (!c->armed) /* else since its submission: uring_timeout_arm() */
		timeout_set(c, true, deadline_ns);
	if (e->timeout_flags & URING_TIMEOUT_MULTISHOT)
		err = timeout_multishot(c, t, e, MAX(deadline_ns - clock_mono_ns(), (int64_t)1));
	else
		err = timeout_wait(c, t, target);
	timeout_set(c, false, 0);
	return err == -ETIMEDOUT ? -ETIME : err ? -ECANCELED : 0;
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
	c->deadline_ns = err ? 0 : deadline_ns;
	c->armed = !err;
	while (c->watched && !err)
		err = timeout_wait_locked(c, t);
	c->armed = false;
	if (c->watched) {
		c->watched->late = NULL;
		hit = err == -ETIMEDOUT;
		if (hit)
			helper_cancel(&c->watched->h);
		c->watched = NULL;
	}
	mutex_unlock(&u->lock);
	uring_complete(u, &c->sqe[0], hit ? -ETIME : err == -ETIMEDOUT || !err || err <= -512 ? -ECANCELED : err);
	uring_chain_unlink(c);
}

void uring_late_start(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct uring_chain *l = uring_chain_new(c->u, 1);

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
	uring_chain_link(l);
	if (helper_start(&l->h, t, NULL)) {
		mutex_lock(&c->u->lock);
		c->late = NULL;
		mutex_unlock(&c->u->lock);
		uring_complete(c->u, e, -EAGAIN);
		uring_chain_unlink(l);
		uring_chain_free(l);
	}
}

void uring_late_stop(struct uring_chain *c)
{
	mutex_lock(&c->u->lock);
	if (c->late)
		c->late->watched = NULL;
	c->late = NULL;
	mutex_unlock(&c->u->lock);
	wq_wake(&c->u->cq_wq, 0);
}

/* ---- cancellation ----------------------------------------------------------------------------- */

/* What ASYNC_CANCEL's flags mean (newer headers have the last three). */
#define CANCEL_FD_FIXED (1u << 3)
#define CANCEL_USERDATA (1u << 4)
#define CANCEL_OP       (1u << 5)
#define CANCEL_KNOWN                                                                                              \
	(IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY | CANCEL_FD_FIXED | CANCEL_USERDATA | \
	 CANCEL_OP)

static const struct io_uring_sqe *chain_now(const struct uring_chain *c)
{
	return &c->sqe[MIN(c->at, c->count - 1)];
}

static bool chain_matches(const struct uring_chain *c, const struct io_uring_sqe *e, uint32_t flags)
{
	const struct io_uring_sqe *now = chain_now(c);
	bool fixed = now->flags & IOSQE_FIXED_FILE;

	if (c->waits_late)
		return false;
	switch (e->opcode) {
	case IORING_OP_TIMEOUT_REMOVE:
		return now->opcode == IORING_OP_TIMEOUT && now->user_data == e->addr;
	case IORING_OP_POLL_REMOVE:
		return now->opcode == IORING_OP_POLL_ADD && now->user_data == e->addr;
	}
	if (flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if ((flags & IORING_ASYNC_CANCEL_FD) && (now->fd != e->fd || fixed != !!(flags & CANCEL_FD_FIXED)))
		return false;
	if ((flags & CANCEL_OP) && now->opcode != e->len)
		return false;
	if ((flags & CANCEL_USERDATA) || !(flags & (IORING_ASYNC_CANCEL_FD | CANCEL_OP)))
		return now->user_data == e->addr;
	return true;
}

/* TIMEOUT_REMOVE with IORING_TIMEOUT_UPDATE: another time for one that is under way. */
static long timeout_update(struct uring *u, struct task *t, const struct io_uring_sqe *e)
{
	bool late = e->timeout_flags & IORING_LINK_TIMEOUT_UPDATE;
	struct uring_chain *c;
	int64_t deadline_ns;
	long err;

	if (e->timeout_flags & ~(IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE | TIMEOUT_CLOCKS))
		return -EINVAL;
	err = timeout_get(t, e->addr2, e->timeout_flags, &deadline_ns);
	if (err)
		return err;
	err = -ENOENT;
	mutex_lock(&u->lock);
	list_for_each_entry(c, &u->chains, node) {
		if (!c->armed || c->waits_late != late || chain_now(c)->user_data != e->addr)
			continue;
		c->deadline_ns = deadline_ns;
		err = 0;
		break;
	}
	mutex_unlock(&u->lock);
	if (!err)
		wq_wake(&u->cq_wq, 0);
	return err;
}

long uring_cancel(struct uring_chain *self, struct task *t, const struct io_uring_sqe *e)
{
	uint32_t flags = e->opcode == IORING_OP_ASYNC_CANCEL ? e->cancel_flags : 0;
	bool all = flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	struct uring *u = self->u;
	struct uring_chain *c;
	long count = 0;

	if (e->opcode == IORING_OP_TIMEOUT_REMOVE && (e->timeout_flags & IORING_TIMEOUT_UPDATE) && !e->len)
		return timeout_update(u, t, e);
	if (flags & ~(uint32_t)CANCEL_KNOWN)
		return -EINVAL;
	if (e->opcode != IORING_OP_ASYNC_CANCEL && (e->len || e->timeout_flags))
		return -EINVAL; /* updates of polls */
	mutex_lock(&u->lock);
	list_for_each_entry(c, &u->chains, node) {
		if (c == self || !chain_matches(c, e, flags))
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
