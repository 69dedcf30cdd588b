/* SPDX-License-Identifier: Apache-2.0 */
/* test_stub_filter.c: what the filter of application processes decides, by interpreting it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/stub/abi.h"
#include "platform/stub_filter.h"

static struct sock_filter filter[STUB_FILTER_MAX];
static int filter_size;

static int build_as(bool traced)
{
	const struct stub_filter_options options = { .fsgsbase = true, .traced = traced };

	filter_size = stub_filter_build(filter, STUB_FILTER_MAX, &options);
	return filter_size > 0 ? 0 : filter_size;
}

static int build(void **state)
{
	(void)state;
	return build_as(false);
}

static int build_traced(void **state)
{
	(void)state;
	return build_as(true);
}

/* The instructions that the filter uses. */
static uint32_t interpret(const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (int pc = 0; pc < filter_size; pc++) {
		const struct sock_filter *f = &filter[pc];
		bool yes;

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)d + f->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			continue;
		case BPF_ALU | BPF_SUB | BPF_K:
			a -= f->k;
			continue;
		case BPF_RET | BPF_K:
			return f->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= f->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & f->k;
			break;
		default:
			fail_msg("instruction %#x", f->code);
			return 0;
		}
		pc += yes ? f->jt : f->jf;
	}
	fail_msg("ran off the end");
	return 0;
}

static uint32_t inside(int nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_X86_64,
				  .instruction_pointer = STUB_TEXT + 100, .args = { a0, a1, a2, a3 } };

	return interpret(&d);
}

static void anything_from_outside_traps(void **state)
{
	static const uint64_t ips[] = { 0, 0x400000, STUB_TEXT - 1, STUB_TEXT + STUB_TEXT_MAX,
					STUB_TEXT - (1ull << 32), STUB_TEXT + (1ull << 32), UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
		for (int nr = -1; nr < 1100; nr++) {
			struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_X86_64,
						  .instruction_pointer = ips[i] };

			assert_int_equal(interpret(&d), SECCOMP_RET_TRAP);
		}
	}
}

static void other_architectures_trap_even_from_the_stub(void **state)
{
	(void)state;
	for (int nr = 0; nr < 1100; nr++) {
		struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_I386,
					  .instruction_pointer = STUB_TEXT + 100 };

		assert_int_equal(interpret(&d), SECCOMP_RET_TRAP);
	}
}

static void at_most_19_calls_are_not_deadly(void **state)
{
	int alive = 0, allowed = 0;

	(void)state;
	for (int nr = -1; nr < 4096; nr++) {
		uint32_t r = inside(nr, 0, 0, 0, 0);

		alive += r != SECCOMP_RET_KILL_PROCESS;
		allowed += r == SECCOMP_RET_ALLOW;
		/* x32 */
		assert_int_equal(inside(nr | 0x40000000, 0, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	}
	assert_int_equal(alive, 19);
	assert_int_equal(filter_size <= STUB_FILTER_MAX, 1);
	assert_in_range(allowed, 10, 19);
}

static void memory_arguments_are_checked(void **state)
{
	const uint32_t no = SECCOMP_RET_ERRNO | EPERM;

	(void)state;
	assert_int_equal(inside(SYS_mmap, 0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_mmap, 0, 4096, 8, MAP_PRIVATE), no);
	assert_int_equal(inside(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_GROWSDOWN), no);
	assert_int_equal(inside(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_HUGETLB), no);
	assert_int_equal(inside(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_LOCKED), no);
	assert_int_equal(inside(SYS_mmap, 0, 4096, 3, 1ull << 32 | MAP_PRIVATE), no);
	assert_int_equal(inside(SYS_mprotect, 0, 4096, 7, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_mprotect, 0, 4096, 0x01000000, 0), no); /* PROT_GROWSDOWN */
	assert_int_equal(inside(SYS_mremap, 0, 4096, 4096, 7), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_mremap, 0, 4096, 4096, 8), no);
	assert_int_equal(inside(SYS_madvise, 0, 4096, MADV_DONTNEED, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_madvise, 0, 4096, MADV_MERGEABLE, 0), no);
	assert_int_equal(inside(SYS_madvise, 0, 4096, 100, 0), no); /* HWPOISON */
	assert_int_equal(inside(SYS_prctl, 15, 4096, 0, 0), SECCOMP_RET_ALLOW); /* SET_NAME */
	assert_int_equal(inside(SYS_prctl, 35, 14, 4096, 104), SECCOMP_RET_ALLOW); /* SET_MM, SET_MM_MAP */
	assert_int_equal(inside(SYS_prctl, 35, 13, 4096, 0), no); /* SET_MM_EXE_FILE */
	assert_int_equal(inside(SYS_prctl, 4, 0, 0, 0), no); /* SET_DUMPABLE */
	assert_int_equal(inside(SYS_prctl, 1ull << 32 | 15, 0, 0, 0), no);
	assert_int_equal(inside(SYS_madvise, 0, 4096, 1ull << 32 | MADV_DONTNEED, 0), no);
}

static void futex_clone_and_membarrier_are_checked(void **state)
{
	const uint32_t no = SECCOMP_RET_ERRNO | EPERM;

	(void)state;
	for (unsigned int op = 0; op < 64; op++) {
		bool ok = op < 32 && (STUB_FUTEX_OPS & 1u << op);

		assert_int_equal(inside(SYS_futex, 0, op, 0, 0), ok ? SECCOMP_RET_ALLOW : no);
		assert_int_equal(inside(SYS_futex, 0, op | 128, 0, 0), ok ? SECCOMP_RET_ALLOW : no);
		assert_int_equal(inside(SYS_futex, 0, op | 512, 0, 0), no);
	}
	assert_int_equal(inside(SYS_clone, STUB_CLONE_THREAD_FLAGS, 0, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(inside(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(inside(SYS_clone, STUB_CLONE_FORK_FLAGS | 0x10000000, 0, 0, 0), no);
	assert_int_equal(inside(SYS_clone, 1ull << 32 | STUB_CLONE_FORK_FLAGS, 0, 0, 0), no);
	assert_int_equal(inside(SYS_membarrier, 8, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_membarrier, 1, 0, 0, 0), no);
	assert_int_equal(inside(SYS_membarrier, 8, 1, 0, 0), no);
	assert_int_equal(inside(SYS_membarrier, 128, 1, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_membarrier, 128, 2, 0, 0), no);
	assert_int_equal(inside(SYS_membarrier, 256, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_membarrier, 256, 1, 0, 0), no);
}

static void traced_stubs_have_no_doorbell(void **state)
{
	const uint32_t no = SECCOMP_RET_ERRNO | EPERM;
	int alive = 0;

	(void)state;
	for (int nr = -1; nr < 4096; nr++)
		alive += inside(nr, 0, 0, 0, 0) != SECCOMP_RET_KILL_PROCESS;
	assert_int_equal(alive, 18);
	assert_int_equal(inside(STUB_DOORBELL, 1, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(inside(SYS_clone, STUB_TRACED_THREAD_FLAGS, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_clone, STUB_TRACED_FORK_FLAGS, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0), no);
	assert_int_equal(inside(SYS_clone, STUB_TRACED_FORK_FLAGS | 0x10000000, 0, 0, 0), no);
	assert_int_equal(inside(SYS_recvmsg, 0, 0, STUB_TRACED_RECV_FLAGS, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(inside(SYS_recvmsg, 1, 0, STUB_TRACED_RECV_FLAGS, 0), no);
	assert_int_equal(inside(SYS_recvmsg, 0, 0, 0, 0), no);
	assert_int_equal(inside(SYS_recvmsg, 0, 0, 1ull << 32 | STUB_TRACED_RECV_FLAGS, 0), no);
}

int main(void)
{
	const struct CMUnitTest traced[] = {
		cmocka_unit_test(anything_from_outside_traps),
		cmocka_unit_test(other_architectures_trap_even_from_the_stub),
		cmocka_unit_test(memory_arguments_are_checked),
		cmocka_unit_test(traced_stubs_have_no_doorbell),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_from_outside_traps),
		cmocka_unit_test(other_architectures_trap_even_from_the_stub),
		cmocka_unit_test(at_most_19_calls_are_not_deadly),
		cmocka_unit_test(memory_arguments_are_checked),
		cmocka_unit_test(futex_clone_and_membarrier_are_checked),
	};

	if (cmocka_run_group_tests(traced, build_traced, NULL))
		return 1;
	return cmocka_run_group_tests(tests, build, NULL);
}
