/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h: included first by every unit test.  cmocka and its prerequisites, and short forms:
 *
 *     static void tree_keeps_equal_nodes_in_order(void **state) { … }
 *     UNIT_MAIN(UNIT(tree_keeps_equal_nodes_in_order))
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

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

#define UNIT(test)                        cmocka_unit_test(test)
#define UNIT_FIXTURE(test, setup, finish) cmocka_unit_test_setup_teardown(test, setup, finish)

#define UNIT_MAIN(...)                                                         \
	int main(void)                                                         \
	{                                                                      \
		const struct CMUnitTest unit_tests[] = { __VA_ARGS__ };        \
		return cmocka_run_group_tests(unit_tests, NULL, NULL) ? 1 : 0; \
	}
