/* SPDX-License-Identifier: Apache-2.0 */
/* test_nat.c: records of `do --net=nat` (runsc-c/nat.h); the rest is tests/net/do_nat. */
#include "tests/unit/unit.h"

#include "runsc-c/nat.h"

static void a_record_of_another_network_namespace_is_not_ours_to_undo(void **state)
{
	json_t *o = json_pack("{s:i,s:s,s:i,s:[s]}", "index", 7, "ula", "", "netns", 1, "uplinks", "eth0");
	struct state s = { .nat = o }, none = { .nat = NULL };

	(void)state;
	assert_true(nat_is_elsewhere(&s));
	assert_false(nat_is_elsewhere(&none));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_of_another_network_namespace_is_not_ours_to_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
