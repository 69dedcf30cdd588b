/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wq.c: wait queues.
 *
 * A sleeper leaves the line when it is woken, not when it runs again: otherwise a second wake-up
 * of one would go to a sleeper that is awake already, and be lost.  A sleeper that was woken and
 * interrupted at once reports the wake; the interrupt is sticky, and ends its next sleep.
 *
 * Lock order: the queue's latch, then the workers' (in waiter_wake()).
 */
#include "lib/wq.h"

#include <errno.h>
#include <limits.h>

#include "lib/mutex.h"

/* One fiber, or host thread, asleep on a queue. */
struct wq_sleeper {
	struct wq_entry entry;
	struct waiter *waiter;
	bool woken; /* (queue's latch) */
};

void wq_init(struct wq *q)
{
	latch_init(&q->latch);
	list_init(&q->entries);
}

void wq_entry_init(struct wq_entry *e, wq_fn *fn, uint32_t events)
{
	list_init(&e->node);
	e->fn = fn;
	e->events = events;
	e->exclusive = false;
	e->queue = NULL;
}

void wq_add(struct wq *q, struct wq_entry *e)
{
	ASSERT(!e->queue);
	e->queue = q;
	latch_lock(&q->latch);
	list_append(&q->entries, &e->node);
	latch_unlock(&q->latch);
}

void wq_remove(struct wq_entry *e)
{
	struct wq *q = e->queue;

	if (!q)
		return;
	latch_lock(&q->latch);
	list_remove(&e->node);
	latch_unlock(&q->latch);
	e->queue = NULL;
}

bool wq_active(struct wq *q)
{
	bool active;

	latch_lock(&q->latch);
	active = !list_empty(&q->entries);
	latch_unlock(&q->latch);
	return active;
}

void wq_wake(struct wq *q, uint32_t events)
{
	wq_wake_count(q, events, UINT_MAX);
}

void wq_wake_count(struct wq *q, uint32_t events, unsigned int count)
{
	struct wq_entry *e, *tmp;

	latch_lock(&q->latch);
	list_for_each_entry_safe(e, tmp, &q->entries, node) {
		if (events && e->events && !(e->events & events))
			continue;
		if (e->exclusive) {
			if (count == 0)
				continue;
			count--;
			e->passed_on = false;
			e->fn(e, events);
			if (e->passed_on && count < UINT_MAX)
				count++;
			continue;
		}
		e->fn(e, events);
	}
	latch_unlock(&q->latch);
}

static void wq_sleeper_wake(struct wq_entry *e, uint32_t events)
{
	struct wq_sleeper *s = container_of(e, struct wq_sleeper, entry);

	(void)events;
	s->woken = true;
	list_remove(&e->node);
	waiter_wake(s->waiter);
}

static int wq_sleep(struct wq *q, struct mutex *m, struct waiter *w, int64_t deadline_ns,
		    bool exclusive) NO_TSA
{
	enum waiter_mode mode = w ? WAITER_INTERRUPTIBLE : WAITER_UNINTERRUPTIBLE;
	struct wq_sleeper s = { .woken = false };
	struct waiter own;
	int r;

	if (!w) {
		waiter_init(&own, fiber_self());
		w = &own;
	}
	s.waiter = w;
	wq_entry_init(&s.entry, wq_sleeper_wake, 0);
	s.entry.exclusive = exclusive;

	waiter_prepare(w);
	wq_add(q, &s.entry);
	if (m)
		mutex_unlock(m);
	r = waiter_sleep(w, mode, deadline_ns);
	wq_remove(&s.entry);
	if (m)
		mutex_lock_nested(m); /* as it may have been */
	if (s.woken)
		return 0;
	return r == -EINTR ? -ERESTARTSYS : r;
}

int wq_wait(struct wq *q, struct mutex *m, struct waiter *w)
{
	return wq_sleep(q, m, w, INT64_MAX, false);
}

int wq_wait_until(struct wq *q, struct mutex *m, struct waiter *w, int64_t deadline_ns)
{
	return wq_sleep(q, m, w, deadline_ns, false);
}

int wq_wait_exclusive(struct wq *q, struct mutex *m, struct waiter *w, int64_t deadline_ns)
{
	return wq_sleep(q, m, w, deadline_ns, true);
}
