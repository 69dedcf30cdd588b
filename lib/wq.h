/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wq.h: wait queues.  A queue is where things that want to hear of an event stand in line: sleeping
 * fibers, and callbacks (poll, epoll, splice).  Wakers pass the poll(2) events that became true.
 *
 * The queue's own latch is a leaf: wakers may hold any lock.  A callback runs under it: it may wake
 * waiters and take its own latch, nothing else.
 */
#pragma once

#include <stdint.h>

#include "lib/fiber.h"
#include "lib/latch.h"
#include "lib/list.h"

struct mutex;

struct wq {
	struct latch latch;
	struct list entries;
};

struct wq_entry;
typedef void wq_fn(struct wq_entry *e, uint32_t events);

struct wq_entry {
	struct list node;
	wq_fn *fn;        /* called under the queue's latch */
	uint32_t events;  /* interested in these; 0 means any */
	bool exclusive;   /* wq_wake_count() stops after so many of these that were woken */
	bool passed_on;   /* set by an exclusive one's fn that had nobody to wake: it doesn't count */
	struct wq *queue; /* where it stands, or NULL */
};

void wq_init(struct wq *q);
void wq_entry_init(struct wq_entry *e, wq_fn *fn, uint32_t events);
void wq_add(struct wq *q, struct wq_entry *e);
/* Afterwards fn is not running and will not be called.  Harmless when e stands nowhere. */
void wq_remove(struct wq_entry *e);
/* True when somebody stands in line (a hint, without order). */
bool wq_active(struct wq *q);

/* Call every entry whose events match; events == 0 matches all. */
void wq_wake(struct wq *q, uint32_t events);
/* The non-exclusive ones and at most count exclusive ones, oldest first. */
void wq_wake_count(struct wq *q, uint32_t events, unsigned int count);

/*
 * Sleep on q until woken.  m (may be NULL) is dropped for the sleep and held again on return,
 * whatever the result.  The caller tests its condition in a loop.  0 when woken; -ERESTARTSYS when
 * interrupted (interruptible: w->fiber's signals); -ETIMEDOUT.
 * w is the waiter of the calling fiber; NULL means an uninterruptible sleep.
 */
int wq_wait(struct wq *q, struct mutex *m, struct waiter *w);
int wq_wait_until(struct wq *q, struct mutex *m, struct waiter *w, int64_t deadline_ns);
/* As wq_wait, but stands in line as exclusive (accept, mutex-like queues). */
int wq_wait_exclusive(struct wq *q, struct mutex *m, struct waiter *w, int64_t deadline_ns);

/* Kernel-internal restart codes (include/linux/errno.h's values); never seen by applications. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516
