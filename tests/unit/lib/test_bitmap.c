/* SPDX-License-Identifier: Apache-2.0 */
/* test_bitmap.c: growable bit sets (lib/bitmap.c). */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/bitmap.h"
#include "lib/mem.h"

static void bits_beyond_capacity_are_clear(void **state)
{
	struct bitmap b;

	(void)state;
	bitmap_init(&b);
	assert_false(bitmap_test(&b, 5));
	bitmap_clear(&b, 5);
	assert_int_equal(bitmap_next_clear(&b, 3, 10), 3);
	assert_int_equal(bitmap_next_clear(&b, 10, 10), 10);
	assert_int_equal(bitmap_next_clear(&b, 11, 10), 10);
	assert_int_equal(bitmap_next_set(&b, 0, 10), 10);
	bitmap_fini(&b);
}

static void lowest_clear_bit_is_found_within_the_limit(void **state)
{
	struct bitmap b;

	(void)state;
	bitmap_init(&b);
	assert_int_equal(bitmap_grow(&b, 130), 0);
	assert_true(b.bits >= 130);
	for (size_t i = 0; i < 130; i++) {
		assert_int_equal(bitmap_next_clear(&b, 0, 1000), i);
		bitmap_set(&b, i);
	}
	assert_int_equal(bitmap_next_clear(&b, 0, 130), 130);
	assert_int_equal(bitmap_next_clear(&b, 0, 64), 64);
	assert_int_equal(bitmap_next_clear(&b, 0, 1000), 130);
	bitmap_clear(&b, 64);
	assert_int_equal(bitmap_next_clear(&b, 0, 1000), 64);
	assert_int_equal(bitmap_next_clear(&b, 65, 1000), 130);
	bitmap_fini(&b);
}

static void full_set_continues_beyond_its_capacity(void **state)
{
	struct bitmap b;

	(void)state;
	bitmap_init(&b);
	assert_int_equal(bitmap_grow(&b, 64), 0);
	for (size_t i = 0; i < b.bits; i++)
		bitmap_set(&b, i);
	assert_int_equal(bitmap_next_clear(&b, 0, 1000), b.bits);
	assert_int_equal(bitmap_next_set(&b, 63, 1000), 63);
	assert_int_equal(bitmap_next_set(&b, 64, 1000), 1000);
	assert_int_equal(bitmap_grow(&b, 65), 0);
	assert_false(bitmap_test(&b, 64));
	bitmap_fini(&b);
}

static void set_bits_are_walked_in_order(void **state)
{
	static const size_t bits[] = { 0, 1, 63, 64, 127, 500 };
	struct bitmap b;
	size_t at = 0, n = 0;

	(void)state;
	bitmap_init(&b);
	assert_int_equal(bitmap_grow(&b, 501), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		bitmap_set(&b, bits[i]);
	while ((at = bitmap_next_set(&b, at, 501)) < 501)
		assert_int_equal(at++, bits[n++]);
	assert_int_equal(n, ARRAY_SIZE(bits));
	assert_int_equal(bitmap_next_set(&b, 128, 500), 500);
	bitmap_fini(&b);
}

static void growing_without_memory_keeps_the_set(void **state)
{
	struct bitmap b;

	(void)state;
	bitmap_init(&b);
	assert_int_equal(bitmap_grow(&b, 10), 0);
	bitmap_set(&b, 9);
	mem_fail_after(0);
	assert_int_equal(bitmap_grow(&b, 1000), -ENOMEM);
	mem_fail_after(SIZE_MAX);
	assert_int_equal(bitmap_grow(&b, SIZE_MAX), -ENOMEM);
	assert_true(bitmap_test(&b, 9));
	bitmap_fini(&b);
}

UNIT_MAIN(UNIT(bits_beyond_capacity_are_clear),
	  UNIT(lowest_clear_bit_is_found_within_the_limit),
	  UNIT(full_set_continues_beyond_its_capacity),
	  UNIT(set_bits_are_walked_in_order),
	  UNIT(growing_without_memory_keeps_the_set))
