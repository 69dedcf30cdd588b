/* SPDX-License-Identifier: Apache-2.0 */
/* test_notify.c: application code on the `notify` platform. */
#include "tests/unit/platform/platform_tests.h"

static void host_calls_from_the_stubs_text_are_limited(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_HOSTILE_CALLS, 0), 0);
	assert_int_equal(run_program(PROG_HOSTILE_KILL, 0), -1);
	assert_int_equal(kernel.wait_status & 0x7f, SIGSYS);
}

static void noise_in_the_channel_harms_nobody_else(void **state)
{
	(void)state;
	(void)run_program(PROG_HOSTILE_SCRIBBLE, 0);
	assert_int_equal(run_program(PROG_HELLO, 0), 0);
}

static void thread_that_ends_itself_dies_with_its_process(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_VANISH, 0), 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PLATFORM_TESTS,
		cmocka_unit_test(host_calls_from_the_stubs_text_are_limited),
		cmocka_unit_test(thread_that_ends_itself_dies_with_its_process),
		cmocka_unit_test(noise_in_the_channel_harms_nobody_else),
	};

	return platform_tests_main(argc, argv, "notify", tests, ARRAY_SIZE(tests));
}
