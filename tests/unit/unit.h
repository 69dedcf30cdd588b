/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h: included first by every unit test.  cmocka and its prerequisites, and short forms:
 *
 *     static void tree_keeps_equal_nodes_in_order(void **state) { … }
 *     UNIT_MAIN(UNIT(tree_keeps_equal_nodes_in_order))
 *
 * A test that may sleep runs on a fiber, with workers, timers and watched descriptors at hand:
 *
 *     FIBER_TEST(mutex_wakes_its_oldest_sleeper) { …the body; state is there too… }
 *     UNIT_MAIN(UNIT(mutex_wakes_its_oldest_sleeper))
 *
 * On fibers and other threads a failed assertion can't jump back to cmocka: it prints and aborts.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/annotations.h"
#include "lib/fiber.h"
#include "lib/timer.h"
#include "lib/util.h"

#if defined(__SANITIZE_THREAD__)
#define UNIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNIT_TSAN 1
#endif
#endif
#ifndef UNIT_TSAN
#define UNIT_TSAN 0
#endif

enum { UNIT_WORKERS = 4 };

struct unit_fiber {
	void (*body)(void **state);
	void **state;
};

static inline void unit_fiber_main(void *arg)
{
	struct unit_fiber *u = (struct unit_fiber *)arg;

	u->body(u->state);
	workers_stop();
}

static inline void unit_on_fiber(void (*body)(void **state), void **state)
{
	struct unit_fiber u = { body, state };
	struct fiber *f = fiber_new(unit_fiber_main, &u);

	assert_non_null(f);
	assert_int_equal(events_start(), 0);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_start(f);
	workers_start(NULL, UNIT_WORKERS);
	unsetenv("CMOCKA_TEST_ABORT");
	events_stop();
}

#define FIBER_TEST(name)                         \
	static void name##_body(void **state) NO_TSA; \
	static void name(void **state)           \
	{                                        \
		unit_on_fiber(name##_body, state); \
	}                                        \
	static void name##_body(void **state)

#define UNIT(test)                        cmocka_unit_test(test)
#define UNIT_FIXTURE(test, setup, finish) cmocka_unit_test_setup_teardown(test, setup, finish)

#define UNIT_MAIN(...)                                                         \
	int main(void)                                                         \
	{                                                                      \
		const struct CMUnitTest unit_tests[] = { __VA_ARGS__ };        \
		return cmocka_run_group_tests(unit_tests, NULL, NULL) ? 1 : 0; \
	}
