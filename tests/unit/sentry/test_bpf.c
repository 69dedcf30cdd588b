/* SPDX-License-Identifier: Apache-2.0 */
/* test_bpf.c: what classic BPF programs are let through, and what they compute. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/util.h"
#include "sentry/seccomp/bpf.h"

#define CHECK(...)                                                                   \
	({                                                                           \
		const struct sock_filter f_[] = { __VA_ARGS__ };                     \
		bpf_check(f_, ARRAY_SIZE(f_));                                       \
	})
#define RUN(...)                                                                     \
	({                                                                           \
		const struct sock_filter f_[] = { __VA_ARGS__ };                     \
		struct seccomp_data d_ = { .nr = 7, .arch = 8, .args = { 0x100000002, 3 } }; \
		assert_int_equal(bpf_check(f_, ARRAY_SIZE(f_)), 0);                  \
		bpf_run(f_, &d_);                                                    \
	})
#define LD(at)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define ALU(op, k) BPF_STMT(BPF_ALU | BPF_##op | BPF_K, k)
#define RET_A      BPF_STMT(BPF_RET | BPF_A, 0)
#define RET(k)     BPF_STMT(BPF_RET | BPF_K, k)

static void a_program_must_end_with_a_return(void **state)
{
	(void)state;
	assert_int_equal(bpf_check(NULL, 0), -EINVAL);
	assert_int_equal(CHECK(LD(0)), -EINVAL);
	assert_int_equal(CHECK(RET(1), LD(0)), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_RET | BPF_X, 0)), -EINVAL);
	assert_int_equal(CHECK(RET(1)), 0);
}

static void loads_stay_within_the_data(void **state)
{
	(void)state;
	assert_int_equal(CHECK(LD(60), RET_A), 0);
	assert_int_equal(CHECK(LD(64), RET_A), -EINVAL);
	assert_int_equal(CHECK(LD(1), RET_A), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET_A), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET_A), -EINVAL);
}

static void jumps_stay_within_the_program(void **state)
{
	(void)state;
	assert_int_equal(CHECK(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(1)), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(1)), -EINVAL);
	assert_int_equal(CHECK(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET(1)), -EINVAL);
	assert_int_equal(CHECK(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET(1), RET(2)), 0);
}

static void memory_is_written_before_it_is_read(void **state)
{
	(void)state;
	assert_int_equal(CHECK(BPF_STMT(BPF_LD | BPF_MEM, 0), RET_A), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_ST, 16), RET_A), -EINVAL);
	/* Only one of two ways writes it. */
	assert_int_equal(CHECK(LD(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
			       BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0), RET_A), -EINVAL);
	assert_int_equal(CHECK(BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0), RET_A), 0);
}

static void impossible_constants_are_refused(void **state)
{
	(void)state;
	assert_int_equal(CHECK(ALU(DIV, 0), RET_A), -EINVAL);
	assert_int_equal(CHECK(ALU(LSH, 32), RET_A), -EINVAL);
	assert_int_equal(CHECK(ALU(MOD, 2), RET_A), -EINVAL);
	assert_int_equal(CHECK(ALU(LSH, 31), RET_A), 0);
}

static void programs_compute(void **state)
{
	(void)state;
	assert_int_equal(RUN(LD(0), RET_A), 7);
	assert_int_equal(RUN(LD(4), ALU(MUL, 3), ALU(SUB, 1), RET_A), 23);
	assert_int_equal(RUN(LD(16), RET_A), 2);
	assert_int_equal(RUN(LD(20), RET_A), 1);
	assert_int_equal(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RET_A), 64);
	assert_int_equal(RUN(LD(0), BPF_STMT(BPF_MISC | BPF_TAX, 0), LD(4),
			     BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RET_A), 15);
	assert_int_equal(RUN(LD(0), BPF_STMT(BPF_ALU | BPF_NEG, 0), RET_A), (uint32_t)-7);
	assert_int_equal(RUN(LD(0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1), RET(1), RET(2)), 1);
	assert_int_equal(RUN(LD(0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 7, 0, 1), RET(1), RET(2)), 2);
	assert_int_equal(RUN(LD(0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 7, 0, 1), RET(1), RET(2)), 1);
	assert_int_equal(RUN(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(1), RET(2)), 2);
}

static void division_by_a_zero_x_ends_with_0(void **state)
{
	(void)state;
	assert_int_equal(RUN(LD(0), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(5)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_must_end_with_a_return),
		cmocka_unit_test(loads_stay_within_the_data),
		cmocka_unit_test(jumps_stay_within_the_program),
		cmocka_unit_test(memory_is_written_before_it_is_read),
		cmocka_unit_test(impossible_constants_are_refused),
		cmocka_unit_test(programs_compute),
		cmocka_unit_test(division_by_a_zero_x_ends_with_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
