/* SPDX-License-Identifier: Apache-2.0 */
/* test_mem.c: the heap's wrappers and their failures (lib/mem.c). */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/mem.h"

static void allocations_fail_from_the_chosen_one_on(void **state)
{
	void *a, *b, *c;

	(void)state;
	mem_fail_after(2);
	a = mem_alloc(1);
	b = mem_zalloc(1);
	c = mem_alloc(1);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(c);
	assert_null(mem_calloc(1, 1));
	assert_null(mem_strdup("x"));
	assert_null(mem_strndup("x", 1));
	assert_null(mem_dup("x", 1));
	mem_fail_after(SIZE_MAX);
	c = mem_alloc(1);
	assert_non_null(c);
	mem_free(a);
	mem_free(b);
	mem_free(c);
}

static void failed_realloc_keeps_the_block(void **state)
{
	char *p = mem_strdup("kept"), *q;

	(void)state;
	assert_non_null(p);
	mem_fail_after(0);
	assert_null(mem_realloc(p, 100, 1));
	mem_fail_after(SIZE_MAX);
	assert_null(mem_realloc(p, SIZE_MAX / 2, 3));
	assert_string_equal(p, "kept");
	q = mem_realloc(p, 0, 8);
	assert_non_null(q);
	mem_free(q);
}

static void zero_bytes_are_not_a_failure(void **state)
{
	void *p[] = { mem_alloc(0), mem_zalloc(0), mem_calloc(0, 8), mem_calloc(8, 0),
		      mem_dup(NULL, 0) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		assert_non_null(p[i]);
		mem_free(p[i]);
	}
	mem_free(NULL);
}

static void array_sizes_do_not_wrap(void **state)
{
	(void)state;
	assert_null(mem_calloc(SIZE_MAX / 4, 8));
}

static void strndup_stops_at_the_limit_or_the_end(void **state)
{
	char *a = mem_strndup("abcdef", 3), *b = mem_strndup("ab", 100);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	mem_free(a);
	mem_free(b);
}

UNIT_MAIN(UNIT(allocations_fail_from_the_chosen_one_on),
	  UNIT(failed_realloc_keeps_the_block),
	  UNIT(zero_bytes_are_not_a_failure),
	  UNIT(array_sizes_do_not_wrap),
	  UNIT(strndup_stops_at_the_limit_or_the_end))
