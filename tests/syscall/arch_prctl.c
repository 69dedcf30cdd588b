/* SPDX-License-Identifier: Apache-2.0 */
/* arch_prctl(2)'s FS base, and set_tid_address(2): the stub answers both, often enough for call sites to be patched. */
#include "t.h"

#include <asm/prctl.h>
#include <sched.h>

#define OFTEN 100

static uint64_t at_fs(void)
{
	uint64_t v;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(v) : : "memory");
	return v;
}

static long prctl_(int option, uint64_t v)
{
	long r;

	/* Without the C library, whose thread data is not where FS points meanwhile. */
	__asm__ volatile("syscall" : "=a"(r) : "a"((long)SYS_arch_prctl), "D"((long)option), "S"(v)
			 : "rcx", "r11", "memory");
	return r;
}

static volatile int handled;
static void on_signal(int sig)
{
	handled += sig == SIGUSR1;
}

static void the_base_is_set(void)
{
	static uint64_t other[1024];
	uint64_t mine, seen, got = 0;
	long r;

	CHECK(prctl_(ARCH_GET_FS, (uint64_t)(uintptr_t)&mine) == 0);
	for (unsigned int i = 0; i < OFTEN; i++) {
		other[0] = i;
		r = prctl_(ARCH_SET_FS, (uint64_t)(uintptr_t)other);
		seen = at_fs();
		if (r == 0)
			r = prctl_(ARCH_GET_FS, (uint64_t)(uintptr_t)&got);
		(void)prctl_(ARCH_SET_FS, mine);
		CHECK(r == 0);
		CHECK(seen == i);
		CHECK(got == (uint64_t)(uintptr_t)other);
	}
	EQUAL(prctl_(ARCH_SET_FS, 0x7ffffffff000), -EPERM);
	EQUAL(prctl_(ARCH_SET_FS, 0x8000000000000000), -EPERM);
	EQUAL(prctl_(ARCH_SET_FS, UINT64_MAX), -EPERM);
	CHECK(at_fs() == mine);
}

/* A child has its parent's base, and keeps it over a signal. */
static void the_base_is_inherited(void)
{
	uint64_t mine = at_fs();
	int status;
	pid_t pid;

	signal(SIGUSR1, on_signal);
	pid = fork();
	if (pid == 0) {
		raise(SIGUSR1);
		_exit(handled != 1 || at_fs() != mine);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static volatile int word;
static int thread_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < OFTEN; i++) {
		if (syscall(SYS_set_tid_address, &word) != syscall(SYS_gettid))
			return 1;
	}
	word = 2;
	syscall(SYS_exit, 0); /* clears the word, and wakes who waits for it */
	return 0;
}

static char stack[65536] __attribute__((aligned(64)));

static void the_word_is_cleared(void)
{
	int tid;

	word = 1;
	tid = clone(thread_main, stack + sizeof(stack),
		    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
	CHECK(tid > 0);
	while (word == 1)
		syscall(SYS_futex, &word, 0 /* WAIT */, 1, &(struct timespec){ 0, 1000000 }, NULL, 0);
	while (word == 2)
		syscall(SYS_futex, &word, 0, 2, NULL, NULL, 0);
	CHECK(word == 0);
	EQUAL(syscall(SYS_set_tid_address, &word), getpid());
}

T_MAIN
{
	the_base_is_set();
	the_base_is_inherited();
	the_word_is_cleared();
}
