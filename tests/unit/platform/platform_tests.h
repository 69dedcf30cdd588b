/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform_tests.h: application code on a platform, driven by a small kernel (test_kernel.h): what holds
 * on all of them.  Included by the one test file of each.
 */
#pragma once

#include "tests/unit/platform/test_kernel.h"

static void program_writes_and_exits(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_HELLO, 0), 0);
	assert_int_equal(kernel.output_size, 6);
	assert_memory_equal(kernel.output, "hello\n", 6);
}

static void trap_keeps_registers(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_REGISTERS, 0), 0);
}

static void memory_calls_are_native_but_spare_the_stub(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_MEMORY, 0), 0);
}

static void fork_copies_and_wait_reports(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_FORKS, 0), 0);
	assert_int_equal(run_program(PROG_FORKS, 5), 0);
}

static void many_processes_at_once(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_MANY_FORKS, 5), 0);
}

static void threads_start_join_and_reuse_areas(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_THREADS, 0), 0);
}

static void threads_and_forks_mix(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_FORK_THREADS, 0), 0);
}

static void kick_reaches_a_loop(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_KICK_LOOP, 0), 0);
}

static void kick_ends_a_futex_wait(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_KICK_FUTEX, 0), 0);
	assert_int_equal(run_program(PROG_KICK_FUTEX, 1), 0);
}

static void ignored_kick_resumes_a_timed_wait(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_KICK_IGNORED, 0), 0);
}

static void no_kick_of_a_storm_hangs(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_KICK_STORM, 0), 0);
}

static void faults_are_events(void **state)
{
	static const int want[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGSEGV };

	(void)state;
	assert_int_equal(run_program(PROG_FAULTS, 0), 0);
	assert_int_equal(kernel.fault_count, 5);
	assert_memory_equal(kernel.faults, want, sizeof(want));
}

static void other_calling_conventions_are_marked(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_COMPAT, 0), 0);
}

static void exec_resets_memory_and_registers(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_EXEC, 0), 0);
	assert_int_equal(kernel.fault_count, 1);
}

static void death_of_the_host_process_is_an_event(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_DIE, 0), -1);
	assert_int_equal(kernel.wait_status, SIGKILL);
}

static void robust_futex_is_marked_at_thread_exit(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_ROBUST, 0), 0);
}

static void identity_is_answered_by_the_stub(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_IDENTITY, 0), 0);
}

static void files_are_mapped_by_lent_descriptors(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_MAP_FILE, 0), 0);
	assert_int_equal(run_program(PROG_MAP_FILE, 3), 0);
}

static void fpu_state_is_inherited_and_can_be_changed(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_FPU, 0), 0);
}

static void native_calls_can_be_turned_off(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_OFF, 0), 0);
}

static void small_arguments_travel_in_windows(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_WINDOWS, 0), 0);
}

/* One that waits anew after each kick is late every time; on a busy machine any one may be. */
static void restarted_wait_ends_at_its_moment(void **state)
{
	int64_t best = INT64_MAX, from, took;

	(void)state;
	for (int i = 0; i < 20 && best > 450 * NSEC_PER_MSEC; i++) {
		from = clock_mono_ns();
		assert_int_equal(run_program(PROG_KICK_RESTART, 0), 0);
		took = clock_mono_ns() - from;
		assert_true(took >= 300 * NSEC_PER_MSEC);
		best = MIN(best, took);
	}
	assert_true(best <= 450 * NSEC_PER_MSEC);
	assert_true(kernel.kicks > 0);
}

static void host_stop_is_not_noticed_by_a_wait(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_STOPPED, 0), 0);
}

static void host_view_hides_the_stub(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_LOOK, 0), 0);
}

static void stress_under_kicks(void **state)
{
	(void)state;
	assert_int_equal(run_program(PROG_STRESS, 200), 0);
	assert_true(kernel.kicks > 0);
}

/* The best of several runs of count rounds, without what starting and ending costs. */
static void bench(const char *what, enum program program, long count)
{
	int64_t best = INT64_MAX, base = INT64_MAX, from;

	for (int i = 0; i < 12; i++) {
		from = clock_mono_ns();
		ASSERT(run_program(program, 0) == 0);
		base = MIN(base, clock_mono_ns() - from);
		from = clock_mono_ns();
		ASSERT(run_program(program, count) == 0);
		best = MIN(best, clock_mono_ns() - from);
	}
	fprintf(stderr, "%-12s %8.2f us\n", what,
		(double)(count ? best - base : base) / 1000.0 / (double)(count ? count : 1));
}

static int benchmarks(void)
{
	bench("start+end", PROG_HELLO, 0);
	bench("identity", PROG_BENCH_IDENTITY, 5000);
	bench("trap", PROG_BENCH_TRAP, 5000);
	bench("write 64 B", PROG_BENCH_WRITE, 5000);
	bench("mmap+munmap", PROG_BENCH_MMAP, 2000);
	bench("fork+wait", PROG_BENCH_FORK, 100);
	bench("thread", PROG_BENCH_THREAD, 200);
	return 0;
}

#define PLATFORM_TESTS \
	cmocka_unit_test(program_writes_and_exits), \
	cmocka_unit_test(trap_keeps_registers), \
	cmocka_unit_test(memory_calls_are_native_but_spare_the_stub), \
	cmocka_unit_test(fork_copies_and_wait_reports), \
	cmocka_unit_test(many_processes_at_once), \
	cmocka_unit_test(threads_start_join_and_reuse_areas), \
	cmocka_unit_test(threads_and_forks_mix), \
	cmocka_unit_test(kick_reaches_a_loop), \
	cmocka_unit_test(kick_ends_a_futex_wait), \
	cmocka_unit_test(ignored_kick_resumes_a_timed_wait), \
	cmocka_unit_test(no_kick_of_a_storm_hangs), \
	cmocka_unit_test(faults_are_events), \
	cmocka_unit_test(other_calling_conventions_are_marked), \
	cmocka_unit_test(exec_resets_memory_and_registers), \
	cmocka_unit_test(death_of_the_host_process_is_an_event), \
	cmocka_unit_test(robust_futex_is_marked_at_thread_exit), \
	cmocka_unit_test(identity_is_answered_by_the_stub), \
	cmocka_unit_test(files_are_mapped_by_lent_descriptors), \
	cmocka_unit_test(fpu_state_is_inherited_and_can_be_changed), \
	cmocka_unit_test(native_calls_can_be_turned_off), \
	cmocka_unit_test(restarted_wait_ends_at_its_moment), \
	cmocka_unit_test(host_stop_is_not_noticed_by_a_wait), \
	cmocka_unit_test(host_view_hides_the_stub), \
	cmocka_unit_test(stress_under_kicks), \
	cmocka_unit_test(small_arguments_travel_in_windows)

/* The main() of such a file. */
static int platform_tests_main(int argc, char **argv, const char *platform,
			       const struct CMUnitTest *tests, size_t count)
{
	kernel_isolate(argv);
	kernel_init(platform);
	if (argc > 1 && strcmp(argv[1], "bench") == 0)
		return benchmarks();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(platform, tests, count, NULL, NULL);
}
