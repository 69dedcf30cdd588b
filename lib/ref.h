/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref.h: reference counts.  ref_put() returning true makes the caller the last owner: it may free.
 * The release in ref_put pairs with the acquire fence taken by the last one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/util.h"

struct ref {
	atomic_int count;
};

static inline void ref_init(struct ref *r)
{
	atomic_init(&r->count, 1);
}

static inline void ref_get(struct ref *r)
{
	int old = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);

	ASSERT(old > 0);
}

/* Take a reference unless the count has reached 0 (for lookups in weak tables). */
static inline bool ref_try_get(struct ref *r)
{
	int old = atomic_load_explicit(&r->count, memory_order_relaxed);

	while (old > 0)
		if (atomic_compare_exchange_weak_explicit(&r->count, &old, old + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

static inline bool ref_put(struct ref *r)
{
	int old = atomic_fetch_sub_explicit(&r->count, 1, memory_order_release);

	ASSERT(old > 0);
	if (old != 1)
		return false;
	(void)atomic_load_explicit(&r->count, memory_order_acquire); /* pairs with the releases */
	return true;
}

static inline int ref_count(struct ref *r)
{
	return atomic_load_explicit(&r->count, memory_order_relaxed);
}
