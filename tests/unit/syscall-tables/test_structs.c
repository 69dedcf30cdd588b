/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_structs.c: structs.def and flags.def against the host's headers: sizes as the compiler sees
 * them, constants as far as this libc knows them.
 */
#include "tests/unit/unit.h"

#include "table_checks.h"

static void sizes_are_those_of_the_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(size_checks); i++) {
		if (size_checks[i].table != size_checks[i].host)
			print_error("%s: %lu\n", size_checks[i].name, size_checks[i].host);
		assert_int_equal(size_checks[i].table, size_checks[i].host);
	}
}

static void constants_are_those_of_the_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(value_checks); i++) {
		if (value_checks[i].table != (uint32_t)value_checks[i].host)
			print_error("%s: %#lx\n", value_checks[i].name, value_checks[i].host);
		assert_int_equal(value_checks[i].table, (uint32_t)value_checks[i].host);
	}
	/* The list is made by #ifdef: most must have been there, or nothing was tested. */
	assert_true(ARRAY_SIZE(value_checks) > 300);
}

static void numbers_are_those_of_the_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nr_checks); i++)
		assert_int_equal(nr_checks[i].table, nr_checks[i].host);
	assert_true(ARRAY_SIZE(nr_checks) > 300);
}

UNIT_MAIN(UNIT(sizes_are_those_of_the_host), UNIT(constants_are_those_of_the_host),
	  UNIT(numbers_are_those_of_the_host))
