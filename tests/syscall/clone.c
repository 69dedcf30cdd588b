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
	execl("/proc/self/exe", "six", NULL);
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

/* Processes with one table of actions: CLONE_SIGHAND without CLONE_THREAD. */
#define SHARES (CLONE_VM | CLONE_SIGHAND | SIGCHLD)

static int child_steps; /* which part the child has done; with the parent's memory */

static void on_usr2(int sig)
{
	(void)sig;
	told++;
}

/* The kernel's own struct, so that the C library's view can't help. */
static uint64_t handler_of(int sig)
{
	uint64_t act[4] = { 0 };

	syscall(SYS_rt_sigaction, sig, NULL, act, 8);
	return act[0];
}

static int acts(void *arg)
{
	char *const argv[] = { (char *)"true", NULL };
	struct sigaction sa = { .sa_handler = on_usr2 };

	(void)arg;
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGWINCH, SIG_IGN);
	child_steps = 1;
	kill(getppid(), SIGUSR2);
	while (child_steps < 2)
		t_sleep_ms(1);
	if (handler_of(SIGUSR1) != 1) /* SIG_IGN: the parent's doing */
		_exit(1);
	if (syscall(SYS_unshare, CLONE_SIGHAND) != -1 || errno != EINVAL)
		_exit(2);
	execv("/proc/self/exe", argv); /* which gives it a table of its own */
	_exit(3);
}

static void processes_share_actions(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid;

	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	EQUAL(handler_of(SIGUSR2), 0);
	told = child_steps = 0;
	pid = clone(acts, stack + sizeof(stack), SHARES, NULL);
	CHECK(pid > 0);
	AWAIT(child_steps == 1 && told == 1);
	CHECK(handler_of(SIGUSR2) > 1);
	EQUAL(handler_of(SIGWINCH), 1);
	signal(SIGUSR1, SIG_IGN);
	child_steps = 2;
	EQUAL(t_wait(pid), 0);
	CHECK(handler_of(SIGUSR2) > 1); /* not what the child's execve did */
	EQUAL(handler_of(SIGUSR1), 1);
	EQUAL(syscall(SYS_unshare, CLONE_SIGHAND), 0);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
}

T_MAIN
{
	FILE *f = fopen("/proc/self/cmdline", "r");
	char name[16] = "";

	if (f && fgets(name, sizeof(name), f) && strcmp(name, "true") == 0)
		exit(0); /* who was executed anew */
	if (strcmp(name, "six") == 0)
		exit(6);
	if (f)
		fclose(f);
	if (name[0])
		processes_share_actions();
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
