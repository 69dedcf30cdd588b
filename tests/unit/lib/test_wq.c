/* SPDX-License-Identifier: Apache-2.0 */
/* test_wq.c: wait queues (lib/wq.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/mutex.h"
#include "lib/wq.h"

struct ring {
	struct mutex lock;
	struct wq readable, writable;
	unsigned int used, closed;        /* (lock) */
	unsigned long put, taken;         /* (lock) */
	bool exclusive;
	atomic_uint readers_done, writers_done;
	unsigned int turns;
};

static void until(atomic_uint *n, unsigned int want)
{
	while (atomic_load(n) != want)
		fiber_yield();
}

static void ring_init(struct ring *r, unsigned int turns, bool exclusive)
{
	*r = (struct ring){ .turns = turns, .exclusive = exclusive };
	mutex_init(&r->lock, LOCK_PIPE);
	wq_init(&r->readable);
	wq_init(&r->writable);
}

static int ring_wait(struct ring *r, struct wq *q, struct waiter *w)
{
	return r->exclusive ? wq_wait_exclusive(q, &r->lock, w, INT64_MAX) :
			      wq_wait(q, &r->lock, w);
}

static void ring_wake(struct ring *r, struct wq *q, uint32_t events)
{
	if (r->exclusive)
		wq_wake_count(q, events, 1);
	else
		wq_wake(q, events);
}

static void ring_write(void *arg)
{
	struct ring *r = arg;
	struct waiter w;

	waiter_init(&w, fiber_self());
	for (unsigned int i = 0; i < r->turns; i++) {
		mutex_lock(&r->lock);
		while (r->used == 2)
			ASSERT(ring_wait(r, &r->writable, &w) == 0);
		r->used++;
		r->put++;
		mutex_unlock(&r->lock);
		ring_wake(r, &r->readable, POLLIN);
	}
	atomic_fetch_add(&r->writers_done, 1);
}

static void ring_read(void *arg)
{
	struct ring *r = arg;

	for (;;) {
		mutex_lock(&r->lock);
		while (r->used == 0 && !r->closed)
			ASSERT(ring_wait(r, &r->readable, NULL) == 0);
		if (r->used == 0)
			break;
		r->used--;
		r->taken++;
		mutex_unlock(&r->lock);
		ring_wake(r, &r->writable, POLLOUT);
	}
	mutex_unlock(&r->lock);
	atomic_fetch_add(&r->readers_done, 1);
}

static void ring_play(bool exclusive)
{
	struct ring r;

	ring_init(&r, 500, exclusive);
	for (int i = 0; i < 6; i++) {
		fiber_start(fiber_new(ring_write, &r));
		fiber_start(fiber_new(ring_read, &r));
	}
	until(&r.writers_done, 6);
	mutex_lock(&r.lock);
	r.closed = 1;
	mutex_unlock(&r.lock);
	wq_wake(&r.readable, 0);
	until(&r.readers_done, 6);
	assert_int_equal(r.put, 6 * 500);
	assert_int_equal(r.taken, 6 * 500);
}

FIBER_TEST(producers_and_consumers_lose_no_wake)
{
	(void)state;
	ring_play(false);
}

FIBER_TEST(exclusive_sleepers_lose_no_wake)
{
	(void)state;
	ring_play(true);
}

struct line {
	struct wq q;
	atomic_uint standing, woken, interrupted, timed_out;
};

static void line_sleep(struct line *l, bool exclusive)
{
	struct waiter w;
	int r;

	waiter_init(&w, fiber_self());
	atomic_fetch_add(&l->standing, 1);
	r = exclusive ? wq_wait_exclusive(&l->q, NULL, &w, INT64_MAX) : wq_wait(&l->q, NULL, &w);
	ASSERT(r == 0);
	atomic_fetch_add(&l->woken, 1);
}

static void stand_exclusive(void *arg)
{
	line_sleep(arg, true);
}

static void stand(void *arg)
{
	line_sleep(arg, false);
}

static size_t line_length(struct line *l)
{
	struct list *pos;
	size_t n = 0;

	latch_lock(&l->q.latch);
	list_for_each(pos, &l->q.entries)
		n++;
	latch_unlock(&l->q.latch);
	return n;
}

FIBER_TEST(wake_count_wakes_that_many_exclusive_ones_and_all_others)
{
	struct line l = { .standing = 0 };

	(void)state;
	wq_init(&l.q);
	assert_false(wq_active(&l.q));
	for (int i = 0; i < 5; i++) {
		fiber_start(fiber_new(stand_exclusive, &l));
		fiber_start(fiber_new(stand, &l));
	}
	while (line_length(&l) != 10)
		fiber_yield();
	wq_wake_count(&l.q, POLLIN, 2);
	wq_wake_count(&l.q, POLLIN, 1); /* not one of the two that are awake already */
	until(&l.woken, 8);
	for (int i = 0; i < 100; i++)
		fiber_yield();
	assert_int_equal(atomic_load(&l.woken), 8);
	assert_true(wq_active(&l.q));
	wq_wake(&l.q, 0);
	until(&l.woken, 10);
}

struct poller {
	struct wq_entry entry;
	uint32_t got;
	unsigned int calls;
};

static void poller_called(struct wq_entry *e, uint32_t events)
{
	struct poller *p = container_of(e, struct poller, entry);

	p->got |= events;
	p->calls++;
}

static void callbacks_hear_of_their_events_only(void **state)
{
	struct poller in, any;
	struct wq q;

	(void)state;
	wq_init(&q);
	in = any = (struct poller){ .got = 0 };
	wq_entry_init(&in.entry, poller_called, POLLIN | POLLHUP);
	wq_entry_init(&any.entry, poller_called, 0);
	wq_remove(&in.entry); /* stands nowhere */
	wq_add(&q, &in.entry);
	wq_add(&q, &any.entry);
	wq_wake(&q, POLLOUT);
	assert_int_equal(in.calls, 0);
	assert_int_equal(any.calls, 1);
	wq_wake(&q, POLLHUP);
	assert_int_equal(in.got, POLLHUP);
	wq_wake(&q, 0);
	assert_int_equal(in.calls, 2);
	wq_remove(&in.entry);
	wq_wake(&q, 0);
	assert_int_equal(in.calls, 2);
	assert_int_equal(any.calls, 4);
	wq_remove(&any.entry);
	assert_false(wq_active(&q));
}

struct victim {
	struct wq q;
	struct waiter waiter;
	struct mutex lock;
	atomic_int result;
	atomic_uint done;
};

static void victim_main(void *arg)
{
	struct victim *v = arg;

	mutex_lock(&v->lock);
	atomic_store(&v->result, wq_wait(&v->q, &v->lock, &v->waiter));
	mutex_assert_held(&v->lock);
	mutex_unlock(&v->lock);
	atomic_fetch_add(&v->done, 1);
}

FIBER_TEST(interrupted_wait_restarts_and_holds_its_lock)
{
	struct victim v = { .done = 0 };
	struct fiber *f = fiber_new(victim_main, &v);

	(void)state;
	wq_init(&v.q);
	mutex_init(&v.lock, LOCK_PIPE);
	waiter_init(&v.waiter, f);
	fiber_start(f);
	while (!wq_active(&v.q))
		fiber_yield();
	waiter_interrupt(&v.waiter);
	until(&v.done, 1);
	assert_int_equal(atomic_load(&v.result), -ERESTARTSYS);
	assert_false(wq_active(&v.q));
}

FIBER_TEST(wait_until_times_out)
{
	int64_t deadline = clock_mono_ns() + 2 * NSEC_PER_MSEC;
	struct mutex m;
	struct wq q;

	(void)state;
	wq_init(&q);
	mutex_init(&m, LOCK_PIPE);
	mutex_lock(&m);
	assert_int_equal(wq_wait_until(&q, &m, NULL, deadline), -ETIMEDOUT);
	mutex_assert_held(&m);
	mutex_unlock(&m);
	assert_true(clock_mono_ns() >= deadline);
	assert_false(wq_active(&q));
}

static void host_thread_times_out_on_a_queue(void **state)
{
	struct wq q;

	(void)state;
	wq_init(&q);
	assert_int_equal(wq_wait_until(&q, NULL, NULL, clock_mono_ns() + NSEC_PER_MSEC),
			 -ETIMEDOUT);
}

UNIT_MAIN(UNIT(producers_and_consumers_lose_no_wake),
	  UNIT(exclusive_sleepers_lose_no_wake),
	  UNIT(wake_count_wakes_that_many_exclusive_ones_and_all_others),
	  UNIT(callbacks_hear_of_their_events_only),
	  UNIT(interrupted_wait_restarts_and_holds_its_lock),
	  UNIT(wait_until_times_out),
	  UNIT(host_thread_times_out_on_a_queue))
