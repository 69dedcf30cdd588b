/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub_filter.c: the seccomp filter of every application process: the boundary of the sandbox.
 *
 * It decides by the instruction pointer.  From anywhere but the stub's text, or by any other calling
 * convention than x86-64's, a call is not made: SIGSYS, so the stub gets it.  From the stub's text
 * come at most 19 calls (ptrace: recvmsg, no rseq) that can't reach outside the process, their
 * arguments checked here, and two that ask the Sentry (clone, which it must have ordered, and the
 * doorbell).  The application can jump into the stub's text: so this list, and not what the stub
 * does with it, is the policy.
 *
 * The `ptrace` platform uses it too, as its second wall (ptrace_impl.h): there is no doorbell, clone
 * needs no asking since only the Sentry can have it made, and descriptors come by recvmsg.
 *
 * Filters that read the instruction pointer get no help from the kernel's cache of numbers, so the
 * frequent calls come first.
 */
#include "platform/stub_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "platform/host.h"
#include "platform/stub/abi.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define NR_AT       (uint32_t)offsetof(struct seccomp_data, nr)
#define ARCH_AT     (uint32_t)offsetof(struct seccomp_data, arch)
#define IP_LOW      (uint32_t)offsetof(struct seccomp_data, instruction_pointer)
#define IP_HIGH     (IP_LOW + 4)
#define ARG_LOW(n)  (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n))
#define ARG_HIGH(n) (ARG_LOW(n) + 4)

_Static_assert(STUB_TEXT >> 32 == (STUB_TEXT + STUB_TEXT_MAX) >> 32, "one value of the upper half");

struct filter {
	struct sock_filter *out;
	size_t size, max;
};

static void emit(struct filter *f, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (f->size < f->max)
		f->out[f->size] = (struct sock_filter){ code, jt, jf, k };
	f->size++;
}

static void load(struct filter *f, uint32_t at)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
}

static void ret(struct filter *f, uint32_t action)
{
	emit(f, BPF_RET | BPF_K, action, 0, 0);
}

/* The next instruction unless the accumulator is value; else the one after. */
static void skip_if_equal(struct filter *f, uint32_t value)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
}

/* A whole call without conditions: `number: action`.  The accumulator holds the number. */
static void call(struct filter *f, uint32_t nr, uint32_t action)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
	ret(f, action);
}

/* Open a block for a call with conditions; it must end in a ret. */
static size_t block_begin(struct filter *f, uint32_t nr)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 0);
	return f->size - 1;
}

static void block_end(struct filter *f, size_t begin)
{
	ret(f, SECCOMP_RET_ERRNO | EPERM);
	if (begin < f->max)
		f->out[begin].jf = (uint8_t)(f->size - begin - 1);
}

/* Refuse unless argument n has no bit outside of mask (which lies in its lower half). */
static void need_bits(struct filter *f, unsigned int n, uint32_t mask)
{
	load(f, ARG_HIGH(n));
	skip_if_equal(f, 0);
	ret(f, SECCOMP_RET_ERRNO | EPERM);
	load(f, ARG_LOW(n));
	emit(f, BPF_JMP | BPF_JSET | BPF_K, ~mask, 0, 1);
	ret(f, SECCOMP_RET_ERRNO | EPERM);
}

/* Allow if the accumulator is value; else go on. */
static void allow_if(struct filter *f, uint32_t value, uint32_t action)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	ret(f, action);
}

static void need_high_zero(struct filter *f, unsigned int n)
{
	load(f, ARG_HIGH(n));
	skip_if_equal(f, 0);
	ret(f, SECCOMP_RET_ERRNO | EPERM);
}

/* Allow if the lower half of argument n, masked, is one of the bits' numbers of set. */
static void allow_numbers(struct filter *f, unsigned int n, uint32_t mask, uint64_t set)
{
	load(f, ARG_LOW(n));
	if (mask != UINT32_MAX)
		emit(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	for (uint32_t i = 0; i < 64; i++) {
		if (set & (1ull << i))
			allow_if(f, i, SECCOMP_RET_ALLOW);
	}
}

static void memory_calls(struct filter *f)
{
	size_t b;

	b = block_begin(f, SYS_mmap);
	need_bits(f, 2, PROT_READ | PROT_WRITE | PROT_EXEC);
	need_bits(f, 3, STUB_MMAP_FLAGS);
	ret(f, SECCOMP_RET_ALLOW);
	block_end(f, b);
	call(f, SYS_munmap, SECCOMP_RET_ALLOW);
	b = block_begin(f, SYS_mprotect);
	need_bits(f, 2, PROT_READ | PROT_WRITE | PROT_EXEC);
	ret(f, SECCOMP_RET_ALLOW);
	block_end(f, b);
	b = block_begin(f, SYS_madvise);
	need_high_zero(f, 2);
	allow_numbers(f, 2, UINT32_MAX, STUB_MADVISE_ADVICE);
	allow_if(f, STUB_MADV_GUARD_INSTALL, SECCOMP_RET_ALLOW);
	allow_if(f, STUB_MADV_GUARD_REMOVE, SECCOMP_RET_ALLOW);
	block_end(f, b);
	b = block_begin(f, SYS_mremap);
	need_bits(f, 3, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP);
	ret(f, SECCOMP_RET_ALLOW);
	block_end(f, b);
}

static void rare_calls(struct filter *f, const struct stub_filter_options *o)
{
	size_t b;

	b = block_begin(f, SYS_clone);
	need_high_zero(f, 0);
	load(f, ARG_LOW(0));
	if (o->traced) {
		allow_if(f, STUB_TRACED_THREAD_FLAGS, SECCOMP_RET_ALLOW);
		allow_if(f, STUB_TRACED_FORK_FLAGS, SECCOMP_RET_ALLOW);
	} else {
		allow_if(f, STUB_CLONE_THREAD_FLAGS, SECCOMP_RET_USER_NOTIF);
		allow_if(f, STUB_CLONE_FORK_FLAGS, SECCOMP_RET_USER_NOTIF);
	}
	block_end(f, b);
	if (o->traced) {
		b = block_begin(f, SYS_recvmsg);
		need_bits(f, 0, 0);
		need_high_zero(f, 2);
		load(f, ARG_LOW(2));
		allow_if(f, STUB_TRACED_RECV_FLAGS, SECCOMP_RET_ALLOW);
		block_end(f, b);
	}
	b = block_begin(f, SYS_prctl);
	need_high_zero(f, 0);
	load(f, ARG_LOW(0));
	allow_if(f, PR_SET_NAME, SECCOMP_RET_ALLOW);
	skip_if_equal(f, PR_SET_MM);
	ret(f, SECCOMP_RET_ERRNO | EPERM);
	need_high_zero(f, 1);
	load(f, ARG_LOW(1));
	allow_if(f, PR_SET_MM_MAP, SECCOMP_RET_ALLOW);
	block_end(f, b);
	call(f, SYS_restart_syscall, SECCOMP_RET_ALLOW);
	call(f, SYS_sched_yield, SECCOMP_RET_ALLOW);
	call(f, SYS_close, SECCOMP_RET_ALLOW);
	call(f, SYS_exit, SECCOMP_RET_ALLOW);
	call(f, SYS_exit_group, SECCOMP_RET_ALLOW);
	call(f, SYS_sigaltstack, SECCOMP_RET_ALLOW);
	call(f, SYS_futex_waitv, SECCOMP_RET_ALLOW);
	b = block_begin(f, SYS_membarrier);
	need_high_zero(f, 0);
	need_bits(f, 1, MEMBARRIER_CMD_FLAG_CPU);
	load(f, ARG_LOW(0));
	allow_if(f, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, SECCOMP_RET_ALLOW);
	need_bits(f, 1, 0);
	load(f, ARG_LOW(0));
	allow_if(f, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, SECCOMP_RET_ALLOW);
	allow_if(f, MEMBARRIER_CMD_PRIVATE_EXPEDITED, SECCOMP_RET_ALLOW);
	allow_if(f, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, SECCOMP_RET_ALLOW);
	allow_if(f, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, SECCOMP_RET_ALLOW);
	allow_if(f, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, SECCOMP_RET_ALLOW);
	block_end(f, b);
	/* The host writes to the caller's own memory, and sets the caller's own instruction pointer. */
	if (!o->traced)
		call(f, SYS_rseq, SECCOMP_RET_ALLOW);
	if (!o->traced && !o->fsgsbase) {
		b = block_begin(f, SYS_arch_prctl);
		need_high_zero(f, 0);
		load(f, ARG_LOW(0));
		allow_if(f, 0x1001, SECCOMP_RET_ALLOW); /* ARCH_SET_GS */
		allow_if(f, 0x1002, SECCOMP_RET_ALLOW); /* ARCH_SET_FS */
		block_end(f, b);
	}
}

/* Count of instructions, or -E2BIG. */
int stub_filter_build(struct sock_filter *out, size_t max, const struct stub_filter_options *o)
{
	struct filter f = { out, 0, max };
	size_t b;

	load(&f, ARCH_AT);
	skip_if_equal(&f, AUDIT_ARCH_X86_64);
	ret(&f, SECCOMP_RET_TRAP);
	load(&f, IP_HIGH);
	skip_if_equal(&f, (uint32_t)(STUB_TEXT >> 32));
	ret(&f, SECCOMP_RET_TRAP);
	load(&f, IP_LOW);
	emit(&f, BPF_ALU | BPF_SUB | BPF_K, (uint32_t)STUB_TEXT, 0, 0);
	emit(&f, BPF_JMP | BPF_JGE | BPF_K, STUB_TEXT_MAX, 0, 1);
	ret(&f, SECCOMP_RET_TRAP);

	load(&f, NR_AT); /* x32's bit 30 makes it a number that is nowhere below */
	if (!o->traced)
		call(&f, STUB_DOORBELL, SECCOMP_RET_USER_NOTIF);
	call(&f, SYS_rt_sigreturn, SECCOMP_RET_ALLOW);
	b = block_begin(&f, SYS_futex);
	need_high_zero(&f, 1);
	allow_numbers(&f, 1, ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), STUB_FUTEX_OPS);
	block_end(&f, b);
	memory_calls(&f);
	rare_calls(&f, o);
	ret(&f, SECCOMP_RET_KILL_PROCESS);
	return f.size <= max ? (int)f.size : -E2BIG;
}

int stub_filter_install(const struct stub_filter_options *o, unsigned int flags)
{
	struct sock_filter insns[STUB_FILTER_MAX];
	struct sock_fprog prog = { .filter = insns };
	int count = stub_filter_build(insns, ARRAY_SIZE(insns), o);

	if (count < 0)
		return count;
	prog.len = (unsigned short)count;
	return (int)host_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}
