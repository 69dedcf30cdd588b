/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.c: growable bit sets, searched a word at a time. */
#include "lib/bitmap.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

enum { WORD_BITS = 64 };

void bitmap_init(struct bitmap *b)
{
	*b = (struct bitmap){ 0 };
}

void bitmap_fini(struct bitmap *b)
{
	mem_free(b->words);
	bitmap_init(b);
}

int bitmap_grow(struct bitmap *b, size_t bits)
{
	size_t old = b->bits / WORD_BITS;
	size_t count = bits / WORD_BITS + (bits % WORD_BITS != 0);
	uint64_t *words;

	if (bits <= b->bits)
		return 0;
	if (count > SIZE_MAX / WORD_BITS)
		return -ENOMEM;
	words = mem_realloc(b->words, count, sizeof(words[0]));
	if (!words)
		return -ENOMEM;
	memset(words + old, 0, (count - old) * sizeof(words[0]));
	b->words = words;
	b->bits = count * WORD_BITS;
	return 0;
}

bool bitmap_test(const struct bitmap *b, size_t bit)
{
	return bit < b->bits && (b->words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1);
}

void bitmap_set(struct bitmap *b, size_t bit)
{
	ASSERT(bit < b->bits);
	b->words[bit / WORD_BITS] |= 1ULL << (bit % WORD_BITS);
}

void bitmap_clear(struct bitmap *b, size_t bit)
{
	if (bit < b->bits)
		b->words[bit / WORD_BITS] &= ~(1ULL << (bit % WORD_BITS));
}

/* The lowest bit >= from that is set in words ^ flip; b->bits when there is none. */
static size_t bitmap_scan(const struct bitmap *b, size_t from, uint64_t flip)
{
	size_t count = b->bits / WORD_BITS;
	uint64_t mask = ~0ULL << (from % WORD_BITS);

	for (size_t i = from / WORD_BITS; i < count; i++, mask = ~0ULL) {
		uint64_t word = (b->words[i] ^ flip) & mask;

		if (word)
			return i * WORD_BITS + (size_t)__builtin_ctzll(word);
	}
	return b->bits;
}

size_t bitmap_next_clear(const struct bitmap *b, size_t from, size_t limit)
{
	if (from >= limit)
		return limit;
	if (from >= b->bits)
		return from;
	from = bitmap_scan(b, from, ~0ULL);
	return MIN(from, limit);
}

size_t bitmap_next_set(const struct bitmap *b, size_t from, size_t limit)
{
	if (from >= limit || from >= b->bits)
		return limit;
	from = bitmap_scan(b, from, 0);
	return from == b->bits ? limit : MIN(from, limit);
}
