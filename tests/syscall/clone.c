/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.c: clone(2): threads.  One may be in the application before the kernel has looked at it again:
 * signals, stops, exec and exit must reach it all the same, and it begins with its creator's FPU
 * control words, mask and numbers.
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

static volatile int spinning, told, stop;

static void on_usr1(int sig)
{
	(void)sig;
	told++;
}

static void *spin(void *arg)
{
	spinning = 1;
	while (!stop)
		;
	return arg;
}

/* It never makes a call, so nothing but a kick brings it into the kernel. */
static void *spin_until_told(void *arg)
{
	while (!told)
		;
	return arg;
}

static void signals_reach_a_newborn(void)
{
	pthread_t t;

	signal(SIGUSR1, on_usr1);
	for (int i = 0; i < 300; i++) {
		told = 0;
		EQUAL(pthread_create(&t, NULL, spin_until_told, NULL), 0);
		EQUAL(pthread_kill(t, SIGUSR1), 0);
		EQUAL(pthread_join(t, NULL), 0);
		EQUAL(told, 1);
	}
}

static int spinners_exit(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, spin, NULL);
	return 5;
}

static int spinners_exec(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, spin, NULL);
	execl("/bin/sh", "sh", "-c", "exit 6", NULL);
	return 1;
}

static void *nothing(void *arg)
{
	return arg;
}

static int creates_for_ever(void)
{
	pthread_t t;

	for (;;) {
		if (pthread_create(&t, NULL, nothing, NULL) == 0)
			pthread_join(t, NULL);
	}
	return 0;
}

static void stops_hold_newborns(void)
{
	pid_t pid = t_fork(creates_for_ever);
	int status;

	for (int i = 0; i < 30; i++) {
		usleep(1000);
		EQUAL(kill(pid, SIGSTOP), 0);
		EQUAL(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		EQUAL(kill(pid, SIGCONT), 0);
		EQUAL(waitpid(pid, &status, WCONTINUED), pid);
		CHECK(WIFCONTINUED(status));
	}
	kill(pid, SIGKILL);
	EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

/* Rounding of SSE and x87, 0 to 3 each. */
static int rounding(void)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("fnstcw %0" : "=m"(x87));
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return (int)(x87 >> 10 & 3) << 2 | (int)(mxcsr >> 13 & 3);
}

static void rounding_set(uint32_t how)
{
	uint32_t mxcsr = 0x1f80 | how << 13;
	uint16_t x87 = (uint16_t)(0x37f | how << 10);

	__asm__ volatile("fldcw %0" : : "m"(x87));
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void *inherited(void *arg)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	*(int *)arg = sigismember(&set, SIGUSR2) && !sigismember(&set, SIGUSR1) ? rounding() : -1;
	return arg;
}

static void a_thread_inherits(void)
{
	sigset_t set;
	pthread_t t;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rounding_set(2);
	for (int i = 0; i < 300; i++) { /* long enough for the site to be patched */
		r = -1;
		EQUAL(pthread_create(&t, NULL, inherited, &r), 0);
		EQUAL(pthread_join(t, NULL), 0);
		EQUAL(r, 2 << 2 | 2);
	}
	rounding_set(0);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static volatile pid_t parent_tid, child_tid, cleared;
static volatile int numbers_seen;

static int check_numbers(void *arg)
{
	pid_t own = (pid_t)syscall(SYS_gettid);

	(void)arg;
	numbers_seen = parent_tid == own && child_tid == own ? 1 : -1;
	syscall(SYS_exit, 0);
	return 0;
}

static void numbers_are_there_first(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	for (int i = 0; i < 100; i++) {
		pid_t tid;

		numbers_seen = 0;
		parent_tid = child_tid = 0;
		cleared = 1;
		tid = clone(check_numbers, stack + sizeof(stack),
			    THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, NULL,
			    &parent_tid, NULL, &child_tid);
		CHECK(tid > 0);
		while (__atomic_load_n(&child_tid, __ATOMIC_ACQUIRE) == tid || !numbers_seen)
			sched_yield();
		EQUAL(numbers_seen, 1);
	}
}

T_MAIN
{
	signals_reach_a_newborn();
	for (int i = 0; i < 10; i++) {
		EQUAL(t_wait(t_fork(spinners_exit)), 5);
		EQUAL(t_wait(t_fork(spinners_exec)), 6);
	}
	stops_hold_newborns();
	a_thread_inherits();
	numbers_are_there_first();
	FAILS(EPERM, syscall(SYS_clone, THREAD | CLONE_SETTLS, 0x10000, NULL, NULL, 0x800000000000));
	FAILS(EINVAL, syscall(SYS_clone, CLONE_THREAD, 0x10000, NULL, NULL, 0));
}
