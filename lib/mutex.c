/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutex.c: sleeping locks.
 *
 * A mutex that nobody waits for is one compare-and-exchange each way; the latch and the list come
 * into play only when somebody has to wait.
 *
 *     state 0 free, 1 held, 2 held and the unlocker must look at the list
 *
 * Unlocking from 2 makes it free and wakes the oldest sleeper, which stays in line until it has
 * the lock.  If somebody was quicker, the sleeper sets state 2 again and sleeps on; so whenever
 * the list is not empty, state is 2 or the oldest sleeper is awake.  After HANDOVER_NS of waiting
 * the lock is given to it without becoming free.
 *
 * A read-write lock is always handed over, in order of arrival: readers that come while a writer
 * waits stand behind it; consecutive readers at the front go together.
 *
 * Lock order: the lock's latch, then the workers' (in waiter_wake()).
 */
#include "lib/mutex.h"

#include "lib/clock.h"
#include "lib/fiber_impl.h"

enum { MUTEX_FREE, MUTEX_HELD, MUTEX_CONTENDED };

#define HANDOVER_NS NSEC_PER_MSEC

/* Somebody in line, on its own stack. */
struct lock_sleeper {
	struct list node; /* (lock's latch) */
	struct waiter waiter;
	int64_t since_ns;
	bool reading;
	bool granted; /* (lock's latch) */
};

/* ---- order ---- */

enum held_how { HELD_ABOVE, HELD_NESTED, HELD_TRIED };

#ifdef DEBUG

/*
 * Host threads that run no fiber are not checked.  A try can't deadlock, whatever the order; but
 * the locks taken after it must be in order with it.
 */
static void held_push(const void *lock, enum lock_rank rank, enum held_how how)
{
	struct fiber *f = fiber_self();

	if (!f)
		return;
	for (unsigned int i = 0; i < f->held_count; i++) {
		ASSERT(f->held[i].lock != lock);
		if (how == HELD_TRIED || rank == LOCK_NONE)
			continue;
		ASSERT(f->held[i].rank < rank ||
		       (how == HELD_NESTED && f->held[i].rank == rank));
	}
	ASSERT(f->held_count < FIBER_HELD_MAX);
	f->held[f->held_count].lock = lock;
	f->held[f->held_count++].rank = rank;
}

static void held_pop(const void *lock)
{
	struct fiber *f = fiber_self();
	unsigned int i;

	if (!f)
		return;
	for (i = f->held_count; i > 0 && f->held[i - 1].lock != lock; i--)
		;
	ASSERT(i > 0);
	for (; i < f->held_count; i++)
		f->held[i - 1] = f->held[i];
	f->held_count--;
}

#else

static inline void held_push(const void *lock, enum lock_rank rank, enum held_how how)
{
	(void)lock, (void)rank, (void)how;
}

static inline void held_pop(const void *lock)
{
	(void)lock;
}

#endif

static void lock_sleeper_init(struct lock_sleeper *s, bool reading)
{
	*s = (struct lock_sleeper){ .since_ns = clock_mono_ns(), .reading = reading };
	waiter_init(&s->waiter, fiber_self());
	list_init(&s->node);
}

/* Sleep until woken; the latch is dropped meanwhile. */
static void lock_sleep(struct lock_sleeper *s, struct latch *latch) NO_TSA
{
	waiter_prepare(&s->waiter);
	latch_unlock(latch);
	(void)waiter_sleep(&s->waiter, WAITER_UNINTERRUPTIBLE, INT64_MAX);
	latch_lock(latch);
}

/* ---- mutexes ---- */

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	atomic_init(&m->state, MUTEX_FREE);
	latch_init(&m->latch);
	list_init(&m->waiters);
	m->rank = rank;
#ifdef DEBUG
	m->owner = NULL;
#endif
}

static bool mutex_take(struct mutex *m)
{
	unsigned int old = MUTEX_FREE;

	/* acquire: pairs with the releases in mutex_unlock() */
	return atomic_compare_exchange_strong_explicit(&m->state, &old, MUTEX_HELD,
						       memory_order_acquire, memory_order_relaxed);
}

static __attribute__((noinline)) void mutex_lock_slow(struct mutex *m) NO_TSA
{
	struct lock_sleeper s;

	lock_sleeper_init(&s, false);
	latch_lock(&m->latch);
	/* Whatever it was, somebody waits now; if it was free it is ours. */
	while (!s.granted &&
	       atomic_exchange_explicit(&m->state, MUTEX_CONTENDED, memory_order_acquire) !=
		       MUTEX_FREE) {
		if (!list_linked(&s.node))
			list_append(&m->waiters, &s.node);
		lock_sleep(&s, &m->latch);
	}
	list_remove(&s.node);
	/*
	 * Ours, and state is CONTENDED.  Without others in line our unlock needn't look; who comes
	 * now sets it again.
	 */
	if (list_empty(&m->waiters))
		atomic_store_explicit(&m->state, MUTEX_HELD, memory_order_relaxed);
	latch_unlock(&m->latch);
}

static void mutex_lock_ranked(struct mutex *m, enum held_how how) NO_TSA
{
	held_push(m, m->rank, how);
	if (unlikely(!mutex_take(m)))
		mutex_lock_slow(m);
#ifdef DEBUG
	m->owner = fiber_self();
#endif
}

void mutex_lock(struct mutex *m) NO_TSA
{
	mutex_lock_ranked(m, HELD_ABOVE);
}

void mutex_lock_nested(struct mutex *m) NO_TSA
{
	mutex_lock_ranked(m, HELD_NESTED);
}

bool mutex_trylock(struct mutex *m) NO_TSA
{
	if (!mutex_take(m))
		return false;
	held_push(m, m->rank, HELD_TRIED);
#ifdef DEBUG
	m->owner = fiber_self();
#endif
	return true;
}

static __attribute__((noinline)) void mutex_unlock_slow(struct mutex *m) NO_TSA
{
	struct lock_sleeper *first;

	latch_lock(&m->latch);
	first = list_first(&m->waiters, struct lock_sleeper, node);
	if (first && clock_mono_ns() - first->since_ns >= HANDOVER_NS) {
		list_remove(&first->node);
		first->granted = true; /* state stays CONTENDED for the next unlock */
	} else {
		/* release: pairs with the acquires above */
		atomic_store_explicit(&m->state, MUTEX_FREE, memory_order_release);
	}
	if (first)
		waiter_wake(&first->waiter); /* under the latch: it lives on its sleeper's stack */
	latch_unlock(&m->latch);
}

void mutex_unlock(struct mutex *m) NO_TSA
{
	unsigned int old = MUTEX_HELD;

#ifdef DEBUG
	ASSERT(m->owner == fiber_self());
	m->owner = NULL;
#endif
	held_pop(m);
	/* release: pairs with the acquires above */
	if (likely(atomic_compare_exchange_strong_explicit(&m->state, &old, MUTEX_FREE,
							   memory_order_release,
							   memory_order_relaxed)))
		return;
	ASSERT(old == MUTEX_CONTENDED);
	mutex_unlock_slow(m);
}

void mutex_assert_held(struct mutex *m) NO_TSA
{
#ifdef DEBUG
	ASSERT(atomic_load_explicit(&m->state, memory_order_relaxed) != MUTEX_FREE);
	ASSERT(m->owner == fiber_self());
#else
	(void)m;
#endif
}

/* ---- read-write locks ---- */

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
	latch_init(&l->latch);
	l->readers = 0;
	l->writers_waiting = 0;
	l->writing = false;
	list_init(&l->waiters);
	l->rank = rank;
}

/* Let in whoever is first in line and may go: one writer, or all readers before the next writer. */
static void rwlock_pass_locked(struct rwlock *l)
{
	struct lock_sleeper *s;

	while ((s = list_first(&l->waiters, struct lock_sleeper, node))) {
		if (l->writing || (!s->reading && l->readers > 0))
			return;
		list_remove(&s->node);
		if (s->reading) {
			l->readers++;
		} else {
			l->writers_waiting--;
			l->writing = true;
		}
		s->granted = true;
		waiter_wake(&s->waiter);
	}
}

/* Stand in line until let in. */
static void rwlock_queue_locked(struct rwlock *l, bool reading)
{
	struct lock_sleeper s;

	lock_sleeper_init(&s, reading);
	while (!s.granted) {
		if (!list_linked(&s.node))
			list_append(&l->waiters, &s.node);
		lock_sleep(&s, &l->latch);
	}
}

void rwlock_read(struct rwlock *l) NO_TSA
{
	held_push(l, l->rank, HELD_ABOVE);
	latch_lock(&l->latch);
	if (!l->writing && list_empty(&l->waiters))
		l->readers++;
	else
		rwlock_queue_locked(l, true);
	latch_unlock(&l->latch);
}

void rwlock_read_unlock(struct rwlock *l) NO_TSA
{
	held_pop(l);
	latch_lock(&l->latch);
	ASSERT(l->readers > 0);
	if (--l->readers == 0)
		rwlock_pass_locked(l);
	latch_unlock(&l->latch);
}

void rwlock_write(struct rwlock *l) NO_TSA
{
	held_push(l, l->rank, HELD_ABOVE);
	latch_lock(&l->latch);
	if (!l->writing && l->readers == 0) {
		l->writing = true;
	} else {
		l->writers_waiting++;
		rwlock_queue_locked(l, false);
	}
	latch_unlock(&l->latch);
}

void rwlock_write_unlock(struct rwlock *l) NO_TSA
{
	held_pop(l);
	latch_lock(&l->latch);
	ASSERT(l->writing);
	l->writing = false;
	rwlock_pass_locked(l);
	latch_unlock(&l->latch);
}
