/* SPDX-License-Identifier: Apache-2.0 */
/* test_sort.c */
#include "lib/sort.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/unit.h"

static void any_number_of_elements_is_sorted(void **state)
{
	uint32_t v[1000], x = 12345, sum, seen;

	(void)state;
	for (size_t n = 0; n <= 1000; n += n < 20 ? 1 : 97) {
		sum = seen = 0;
		for (size_t i = 0; i < n; i++) {
			x = x * 1664525 + 1013904223;
			v[i] = x >> (n % 3 * 12); /* many alike, too */
			sum += v[i];
		}
		sort(v, n, sizeof(*v), sort_u32);
		for (size_t i = 0; i < n; i++) {
			assert_true(i == 0 || v[i - 1] <= v[i]);
			seen += v[i];
		}
		assert_int_equal(seen, sum);
	}
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, 3);
}

static void elements_move_as_a_whole(void **state)
{
	char v[] = "cde3abc1xyz4bcd2";

	(void)state;
	sort(v, 4, 4, by_name);
	assert_string_equal(v, "abc1bcd2cde3xyz4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_elements_is_sorted),
		cmocka_unit_test(elements_move_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
