/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bitmap.h: growable bit sets with "lowest free" search (descriptors, pids, ids).  The caller
 * holds the lock that guards the set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct bitmap {
	uint64_t *words;
	size_t bits; /* capacity; bits beyond it are 0 */
};

void bitmap_init(struct bitmap *b);
void bitmap_fini(struct bitmap *b);
/* Make room for bit numbers < bits.  -ENOMEM, or 0. */
int bitmap_grow(struct bitmap *b, size_t bits) must_check;
bool bitmap_test(const struct bitmap *b, size_t bit);
void bitmap_set(struct bitmap *b, size_t bit); /* must be < bits */
void bitmap_clear(struct bitmap *b, size_t bit);
/* Lowest clear (set) bit >= from and < limit; limit when there is none.  Beyond capacity is clear. */
size_t bitmap_next_clear(const struct bitmap *b, size_t from, size_t limit);
size_t bitmap_next_set(const struct bitmap *b, size_t from, size_t limit);
