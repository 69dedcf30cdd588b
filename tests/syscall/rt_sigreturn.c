/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt_sigreturn(2): what a handler leaves in its frame is what goes on: each often enough that its call sites are patched
 * in the sandbox, and that the stub does it alone where it may.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "t.h"

#define OFTEN 200

static volatile int runs, others;
static int (*change)(ucontext_t *uc);

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	runs++;
	if (change)
		change(context);
}

static void other(int sig)
{
	(void)sig;
	others++;
}

static void install(int sig, int flags)
{
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(sig, &a, NULL) == 0);
}

/* All registers that a call keeps, and an SSE one, over a signal that comes at the call. */
static void registers_come_back(void)
{
	register uint64_t rbx __asm__("rbx"), r12 __asm__("r12"), r15 __asm__("r15");
	uint64_t xmm_in = 0x1122334455667788, xmm_out;
	long r;

	change = NULL;
	for (int i = 0; i < OFTEN; i++) {
		rbx = 100u + (unsigned int)i;
		r12 = 200u + (unsigned int)i;
		r15 = 300u + (unsigned int)i;
		xmm_in += (uint64_t)i;
		__asm__ volatile("movq %[in], %%xmm7; std; syscall; cld; movq %%xmm7, %[out]"
				 : "=a"(r), [out] "=r"(xmm_out), "+r"(rbx), "+r"(r12), "+r"(r15)
				 : "a"(62L), "D"((long)getpid()), "S"((long)SIGUSR1), [in] "r"(xmm_in)
				 : "rcx", "r11", "memory", "xmm7", "cc");
		CHECK(r == 0);
		CHECK(rbx == 100u + (unsigned int)i && r12 == 200u + (unsigned int)i && r15 == 300u + (unsigned int)i);
		CHECK(xmm_out == xmm_in);
	}
	CHECK(runs == OFTEN);
}

static int set_rax(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
	return 0;
}

static int set_xmm(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs->_xmm[7].element[0] = 0xabcd;
	return 0;
}

static long kill_self(uint64_t *xmm)
{
	long r;

	__asm__ volatile("movq %[x], %%xmm7; syscall; movq %%xmm7, %[x]"
			 : "=a"(r), [x] "+r"(*xmm)
			 : "a"(62L), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory", "xmm7", "cc");
	return r;
}

static void changes_count(void)
{
	uint64_t x;

	for (int i = 0; i < OFTEN; i++) {
		x = 5;
		change = set_rax;
		CHECK(kill_self(&x) == 4711 && x == 5);
		change = set_xmm;
		CHECK(kill_self(&x) == 0 && x == 0xabcd);
	}
}

extern char skip_to[];
static int set_rip(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)skip_to;
	return 0;
}

static __attribute__((noinline)) int skipped(void)
{
	int r = 0;

	__asm__ volatile("syscall\n\tmov $1, %[r]\n\t.globl skip_to\nskip_to:"
			 : [r] "+r"(r) : "a"(62L), "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
	return r;
}

static void another_way_back_is_taken(void)
{
	for (int i = 0; i < OFTEN; i++) {
		change = NULL;
		CHECK(skipped() == 1);
		change = set_rip;
		CHECK(skipped() == 0);
	}
}

static int block_usr2(ucontext_t *uc)
{
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	return 0;
}

static int unblock_usr2(ucontext_t *uc)
{
	sigdelset(&uc->uc_sigmask, SIGUSR2);
	return 0;
}

static void the_mask_is_the_frames(void)
{
	sigset_t now;

	signal(SIGUSR2, other);
	for (int i = 0; i < OFTEN; i++) {
		change = block_usr2;
		CHECK(raise(SIGUSR1) == 0);
		CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR2) &&
		      !sigismember(&now, SIGUSR1) && !sigismember(&now, SIGKILL));
		others = 0;
		if (i % 2)
			CHECK(kill(getpid(), SIGUSR2) == 0 && others == 0);
		change = unblock_usr2;
		CHECK(raise(SIGUSR1) == 0);
		CHECK(others == i % 2); /* what was pending came before raise() returned */
	}
}

static int nested_left;
static int nest(ucontext_t *uc)
{
	(void)uc;
	if (nested_left-- > 0)
		CHECK(raise(SIGUSR1) == 0);
	return 0;
}

static void frames_nest(void)
{
	install(SIGUSR1, SA_NODEFER);
	change = nest;
	for (int i = 0; i < OFTEN; i++) {
		runs = 0;
		nested_left = i % 5;
		CHECK(raise(SIGUSR1) == 0);
		CHECK(runs == i % 5 + 1);
	}
	install(SIGUSR1, 0);
}

static char stacks[2][16384];
static int set_altstack(ucontext_t *uc)
{
	stack_t other_stack = { .ss_sp = stacks[1], .ss_size = sizeof(stacks[1]) };

	if (nested_left)
		CHECK(sigaltstack(&other_stack, NULL) == 0);
	else
		uc->uc_stack.ss_sp = stacks[1];
	return 0;
}

/* Where the handler does not run on it. */
static void the_alternate_stack_is_the_frames(void)
{
	stack_t mine = { .ss_sp = stacks[0], .ss_size = sizeof(stacks[0]) }, now;

	change = set_altstack;
	for (int i = 0; i < OFTEN; i++) {
		CHECK(sigaltstack(&mine, NULL) == 0);
		nested_left = i % 2;
		CHECK(raise(SIGUSR1) == 0);
		CHECK(sigaltstack(NULL, &now) == 0);
		CHECK(now.ss_sp == (i % 2 ? stacks[0] : stacks[1]));
	}
	install(SIGUSR1, SA_ONSTACK);
	change = NULL;
	for (int i = 0; i < OFTEN; i++) {
		CHECK(raise(SIGUSR1) == 0);
		CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == stacks[0] && now.ss_flags == 0);
	}
	mine.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&mine, NULL) == 0);
	install(SIGUSR1, 0);
}

static int after_fault(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RAX] = (greg_t)(uintptr_t)&nested_left;
	return 0;
}

static void a_fault_is_tried_again(void)
{
	int *at;

	install(SIGSEGV, 0);
	change = after_fault;
	for (int i = 0; i < OFTEN; i++) {
		at = NULL;
		__asm__ volatile("movl %[v], (%%rax)" : "+a"(at) : [v] "r"(i) : "memory");
		CHECK(nested_left == i);
	}
}

/* CS and SS of the frame, in one word with GS and FS. */
static uint64_t selectors_and, selectors_or, frame_flags;
static int set_selectors(ucontext_t *uc)
{
	uint64_t *at = (uint64_t *)&uc->uc_mcontext.gregs[REG_CSGSFS];

	*at = (*at & selectors_and) | selectors_or;
	uc->uc_flags &= frame_flags;
	uc->uc_mcontext.gregs[REG_R15] = 77;
	return 0;
}

static sigjmp_buf out;
static volatile uint64_t bad_code, bad_r15;
static void bad_selector(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	CHECK(sig == SIGSEGV && info->si_addr == NULL);
	bad_code = (uint64_t)info->si_code;
	bad_r15 = (uint64_t)uc->uc_mcontext.gregs[REG_R15];
	siglongjmp(out, 1);
}

static bool goes_back(uint64_t and, uint64_t or, uint64_t flags)
{
	struct sigaction a = { .sa_sigaction = bad_selector, .sa_flags = SA_SIGINFO };

	selectors_and = and;
	selectors_or = or;
	frame_flags = flags;
	change = set_selectors;
	CHECK(sigaction(SIGSEGV, &a, NULL) == 0);
	bad_code = bad_r15 = 0;
	if (sigsetjmp(out, 1))
		return false;
	__asm__ volatile("syscall" : : "a"(62L), "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "r15", "memory");
	return true;
}

static void selectors_are_looked_at(void)
{
	const uint64_t all = ~0ull;

	for (int i = 0; i < OFTEN; i++) {
		CHECK(goes_back(all, 0, all));
		CHECK(goes_back(~(3ull | 3ull << 48), 0, all));             /* the lowest bits are forced */
		CHECK(!goes_back(~0xffffull, 0, all));                      /* no CS */
		CHECK(bad_code == SI_KERNEL && bad_r15 == 77);              /* in the registers that were to be */
		CHECK(!goes_back(~0xffffull, 0x2b, all));                   /* data as CS */
		CHECK(!goes_back(~(0xffffull << 48), 0, all));              /* no SS */
		CHECK(bad_code == SI_KERNEL && bad_r15 == 77);
		CHECK(goes_back(~(0xffffull << 48), 0, ~4ull));             /* … replaced, without UC_STRICT_RESTORE_SS */
		CHECK(!goes_back(~(0xffffull << 48), 0x33ull << 48, all));  /* code as SS */
	}
	change = NULL;
}

T_MAIN
{
	install(SIGUSR1, 0);
	registers_come_back();
	changes_count();
	another_way_back_is_taken();
	the_mask_is_the_frames();
	frames_nest();
	the_alternate_stack_is_the_frames();
	a_fault_is_tried_again();
	selectors_are_looked_at();
}
