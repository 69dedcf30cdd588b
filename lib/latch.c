/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latch.c: host locks, three states on one futex.
 *
 * Sections are a handful of instructions, so a short spin usually suffices; it is bounded, because
 * the holder may have been preempted.  Whoever slept takes the latch as "held and somebody sleeps",
 * since it can't know whether it was the only one; the price is at most one needless wake.
 */
#include "lib/latch.h"

#include <stdint.h>

#include "lib/host_impl.h"
#include "lib/util.h"
#include "lib/x86_64/cpu.h"

enum { LATCH_FREE, LATCH_HELD, LATCH_CONTENDED };
enum { LATCH_SPINS = 100 };

void latch_init(struct latch *l)
{
	atomic_init(&l->state, LATCH_FREE);
}

static bool latch_try(struct latch *l)
{
	unsigned int old = LATCH_FREE;

	/* acquire: pairs with the release in latch_unlock() */
	return atomic_compare_exchange_strong_explicit(&l->state, &old, LATCH_HELD,
						       memory_order_acquire, memory_order_relaxed);
}

static __attribute__((noinline)) void latch_lock_slow(struct latch *l)
{
	for (int i = 0; i < LATCH_SPINS; i++) {
		cpu_relax();
		if (atomic_load_explicit(&l->state, memory_order_relaxed) == LATCH_FREE &&
		    latch_try(l))
			return;
	}
	/* acquire: pairs with the release in latch_unlock() */
	while (atomic_exchange_explicit(&l->state, LATCH_CONTENDED, memory_order_acquire) !=
	       LATCH_FREE)
		(void)lib_futex_wait(&l->state, LATCH_CONTENDED, INT64_MAX);
}

void latch_lock(struct latch *l) NO_TSA
{
	if (unlikely(!latch_try(l)))
		latch_lock_slow(l);
}

void latch_unlock(struct latch *l) NO_TSA
{
	/* release: pairs with the acquires above */
	unsigned int old = atomic_exchange_explicit(&l->state, LATCH_FREE, memory_order_release);

	ASSERT(old != LATCH_FREE);
	if (unlikely(old == LATCH_CONTENDED))
		lib_futex_wake(&l->state, 1);
}
