/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware breakpoints and watchpoints by PTRACE_POKEUSER: as gdb sets them. */
#include "t.h"

#include <sys/ptrace.h>
#include <sys/user.h>

static volatile long watched;
static volatile int other;

__attribute__((noinline)) static void here(int i)
{
	other += i;
	__asm__ volatile("" ::: "memory");
}

static void *reg(int n)
{
	return (void *)(offsetof(struct user, u_debugreg) + (size_t)n * 8);
}

static long poke(pid_t child, int n, unsigned long word)
{
	return ptrace(PTRACE_POKEUSER, child, reg(n), word);
}

static int go_on(pid_t child, siginfo_t *info)
{
	int status = 0;

	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &status, 0);
	memset(info, 0, sizeof(*info));
	if (WIFSTOPPED(status))
		ptrace(PTRACE_GETSIGINFO, child, NULL, info);
	return status;
}

T_MAIN
{
	struct user_regs_struct regs;
	siginfo_t info;
	int status;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		for (int i = 0; i < 3; i++)
			here(i);
		watched = 5;
		for (int i = 0; i < 50; i++)
			other++;
		watched = 6;
		(void)getppid();
		_exit(3);
	}
	waitpid(child, &status, 0);
	EQUAL(poke(child, 0, 1), 0);
	EQUAL(poke(child, 0, 2), 0);
	EQUAL(ptrace(PTRACE_PEEKUSER, child, reg(0), NULL), 2);
	FAILS(EINVAL, poke(child, 0, 0xffff800000000000ul));
	FAILS(EIO, poke(child, 4, 1));
	FAILS(EIO, poke(child, 5, 1));
	EQUAL(poke(child, 0, (unsigned long)here), 0);
	if (poke(child, 7, 1) < 0 && errno == ENOSPC) { /* a virtual machine without them */
		kill(child, SIGKILL);
		exit(77);
	}
	for (int i = 0; i < 3; i++) {
		status = go_on(child, &info);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		EQUAL(info.si_code, 4 /* TRAP_HWBKPT */);
		ptrace(PTRACE_GETREGS, child, NULL, &regs);
		EQUAL(regs.rip, (unsigned long)here);
		EQUAL(ptrace(PTRACE_PEEKUSER, child, reg(6), NULL) & 15, 1);
		EQUAL(poke(child, 6, 0), 0);
	}
	EQUAL(poke(child, 7, 0), 0);
	EQUAL(poke(child, 1, (unsigned long)&watched), 0);
	FAILS(EINVAL, poke(child, 7, 4 | 2 << 20)); /* I/O */
	EQUAL(poke(child, 7, 4 | 1 << 20 | 2 << 22), 0); /* L1, writes, 8 bytes */
	FAILS(EINVAL, poke(child, 1, (unsigned long)&watched + 1));
	for (int i = 5; i < 7; i++) {
		status = go_on(child, &info);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		EQUAL(ptrace(PTRACE_PEEKDATA, child, &watched, NULL), i);
		EQUAL(ptrace(PTRACE_PEEKUSER, child, reg(6), NULL) & 15, 2);
		poke(child, 6, 0);
	}
	EQUAL(poke(child, 7, 0), 0);
	status = go_on(child, &info);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
