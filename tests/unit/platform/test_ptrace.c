/* SPDX-License-Identifier: Apache-2.0 */
/* test_ptrace.c: application code on the `ptrace` platform. */
#include "tests/unit/platform/platform_tests.h"

static void calls_from_the_stubs_text_are_the_sentrys_too(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_TRACED_TEXT, 0), 0);
	assert_int_equal(kernel.fault_count, 3);
	assert_int_equal(kernel.faults[0], SIGTRAP);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PLATFORM_TESTS,
		cmocka_unit_test(calls_from_the_stubs_text_are_the_sentrys_too),
	};

	return platform_tests_main(argc, argv, "ptrace", tests, ARRAY_SIZE(tests));
}
