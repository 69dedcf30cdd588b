/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt_sigaction(2): its rules, and that what is set of a signal that has the default action anyhow is seen by
 * whoever looks later: this thread, another, a child; not by a program after execve, not by a vfork's parent.
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

struct action {
	uint64_t handler, flags, restorer, mask;
};

#define RESTORER 0x04000000u

static long raw(int sig, const void *act, void *old, size_t size)
{
	return syscall(SYS_rt_sigaction, sig, act, old, size);
}

static int is(int sig, uint64_t handler, uint64_t flags, uint64_t restorer, uint64_t mask)
{
	struct action a;

	memset(&a, 0x55, sizeof(a));
	return raw(sig, NULL, &a, 8) == 0 && a.handler == handler && a.flags == flags &&
	       a.restorer == restorer && a.mask == mask;
}

static int reset(int sig, uint64_t flags, uint64_t restorer)
{
	const struct action a = { 0, flags, restorer, 0 };

	return (int)raw(sig, &a, NULL, 8);
}

static void rules(void)
{
	struct action a = { 0 }, old;

	FAILS(EINVAL, raw(0, NULL, &old, 8));
	FAILS(EINVAL, raw(65, NULL, &old, 8));
	FAILS(EINVAL, raw(-1, NULL, &old, 8));
	FAILS(EINVAL, raw(SIGUSR1, NULL, &old, 4));
	FAILS(EINVAL, raw(SIGKILL, &a, NULL, 8));
	FAILS(EINVAL, raw(SIGSTOP, &a, &old, 8));
	CHECK(is(SIGKILL, 0, 0, 0, 0));
	FAILS(EFAULT, raw(SIGUSR1, t_bad, NULL, 8));
	FAILS(EFAULT, raw(SIGUSR1, NULL, t_bad, 8));
	CHECK(is(SIGUSR1, 0, 0, 0, 0));
	CHECK(is(64, 0, 0, 0, 0));
	CHECK(raw(SIGUSR1, NULL, NULL, 8) == 0);
	/* Set, and then the old one can't be told. */
	a.flags = RESTORER;
	a.restorer = 4711;
	FAILS(EFAULT, raw(SIGUSR1, &a, t_bad, 8));
	CHECK(is(SIGUSR1, 0, RESTORER, 4711, 0));
	a.restorer = 4712;
	memset(&old, 0x55, sizeof(old));
	CHECK(raw(SIGUSR1, &a, &old, 8) == 0);
	CHECK(old.handler == 0 && old.flags == RESTORER && old.restorer == 4711 && old.mask == 0);
	CHECK(is(SIGUSR1, 0, RESTORER, 4712, 0));
	CHECK(reset(SIGUSR1, 0, 0) == 0 && is(SIGUSR1, 0, 0, 0, 0));
	/* Old and new at one place. */
	a.restorer = 4713;
	CHECK(raw(SIGUSR2, &a, &a, 8) == 0);
	CHECK(a.flags == 0 && a.restorer == 0 && is(SIGUSR2, 0, RESTORER, 4713, 0));
	CHECK(reset(SIGUSR2, 0, 0) == 0);
}

static void *looks(void *arg)
{
	CHECK(is(SIGUSR1, 0, RESTORER, 1, 0));
	CHECK(is(SIGUSR2, 0, RESTORER, 1, 0));
	CHECK(is(SIGWINCH, 0, SA_RESTART | RESTORER, 3, 0));
	CHECK(is(SIGHUP, 0, 0, 0, 0));
	CHECK(reset(SIGHUP, RESTORER, 4) == 0);
	return arg;
}

static int child_of(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static void others_see_it(void)
{
	pthread_t t;
	pid_t pid;

	CHECK(is(SIGHUP, 0, 0, 0, 0));
	CHECK(reset(SIGUSR1, RESTORER, 1) == 0);
	CHECK(reset(SIGUSR2, RESTORER, 1) == 0);
	CHECK(reset(SIGWINCH, SA_RESTART | RESTORER, 3) == 0);
	pthread_create(&t, NULL, looks, NULL);
	pthread_join(t, NULL);
	CHECK(is(SIGHUP, 0, RESTORER, 4, 0));
	CHECK(reset(SIGHUP, RESTORER, 5) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(is(SIGHUP, 0, RESTORER, 5, 0) && is(SIGUSR1, 0, RESTORER, 1, 0));
		CHECK(reset(SIGHUP, RESTORER, 6) == 0 && is(SIGHUP, 0, RESTORER, 6, 0));
		_exit(t_failures);
	}
	CHECK(child_of(pid) == 0);
	CHECK(is(SIGHUP, 0, RESTORER, 5, 0));
	for (int s = 1; s <= 64; s++)
		(void)reset(s, 0, 0);
}

/* glibc's posix_spawn: a child in our memory with handlers of its own. */
static int in_vfork(void *arg)
{
	struct action a;

	(void)arg;
	for (int s = 1; s <= 64; s++) {
		if (raw(s, NULL, &a, 8) || (s == SIGALRM ? a.handler < 2 : a.handler != 0))
			_exit(s);
		a.handler = a.mask = 0;
		a.flags |= RESTORER;
		a.restorer = 9;
		if (s != SIGKILL && s != SIGSTOP && raw(s, &a, NULL, 8))
			_exit(s);
	}
	for (int s = 1; s <= 64; s++)
		if (s != SIGKILL && s != SIGSTOP && !is(s, 0, s == SIGALRM ? RESTORER | SA_RESTART : RESTORER, 9, 0))
			_exit(s);
	/* What it still gets. */
	kill(getpid(), SIGALRM);
	_exit(100);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void vfork_has_its_own(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid;

	signal(SIGALRM, on_signal);
	pid = clone(in_vfork, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	EQUAL(child_of(pid), SIGALRM);
	for (int s = 1; s <= 64; s++)
		CHECK(s == SIGALRM || is(s, 0, 0, 0, 0));
	signal(SIGALRM, SIG_DFL);
}

/* Setting the default discards what is pending where the default is to ignore it. */
static void pending_is_discarded(void)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(is(SIGCHLD, 0, 0, 0, 0));
	kill(getpid(), SIGCHLD);
	kill(getpid(), SIGUSR1);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGCHLD));
	CHECK(reset(SIGCHLD, 0, 0) == 0);
	CHECK(reset(SIGUSR1, 0, 0) == 0);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGCHLD) && sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* SA_NOCLDWAIT means something without a handler. */
static void no_zombies(void)
{
	pid_t pid;

	CHECK(reset(SIGCHLD, SA_NOCLDWAIT, 0) == 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	FAILS(ECHILD, waitpid(pid, NULL, 0));
	CHECK(reset(SIGCHLD, 0, 0) == 0);
}

T_MAIN
{
	if (getenv("AFTER_EXEC")) {
		CHECK(is(SIGUSR1, 0, 0, 0, 0) && is(SIGUSR2, 1, 0, 0, 0));
		return;
	}
	for (int s = 1; s <= 64; s++)
		(void)reset(s, 0, 0);
	rules();
	others_see_it();
	vfork_has_its_own();
	pending_is_discarded();
	no_zombies();
	if (t_failures)
		return;
	setenv("AFTER_EXEC", "1", 1);
	signal(SIGUSR2, SIG_IGN);
	CHECK(reset(SIGUSR1, RESTORER, 1) == 0);
	execl("/proc/self/exe", "rt_sigaction", (char *)NULL);
	CHECK(0);
}
