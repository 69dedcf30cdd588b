/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid_ns_exit.c: the end of a pid namespace's init (pid_namespaces(7)): it waits until everybody in it is gone, whatever
 * they would have told it, whoever of them it traces, and ends then.
 */
#include "t.h"

#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static pid_t clone_with(uint64_t flags, int sig)
{
	return (pid_t)syscall(SYS_clone, flags | (uint64_t)sig, 0, 0, 0, 0);
}

static void sleeps(void)
{
	for (;;)
		pause();
}

/* Init's status as its parent sees it: by then its namespace is empty. */
static int init_ends(void (*f)(int), int arg)
{
	pid_t p = clone_with(CLONE_NEWPID, SIGCHLD);

	if (p == 0) {
		f(arg);
		_exit(3 + t_failures);
	}
	CHECK(p > 0);
	return t_wait(p);
}

/* Its own child, that tells of its end by another signal or none (clone(2): such are waited for by __WCLONE). */
static void own_child(int sig)
{
	pid_t p = clone_with(0, sig);

	CHECK(p >= 0);
	if (p == 0)
		sleeps();
}

static void own_zombie(int sig)
{
	siginfo_t info;
	pid_t p = clone_with(0, sig);

	CHECK(p >= 0);
	if (p == 0)
		_exit(0);
	EQUAL(waitid(P_PID, (id_t)p, &info, WEXITED | WNOWAIT | __WALL), 0);
}

/* One that it takes over. */
static void grandchild(int sig)
{
	pid_t p = fork();

	if (p == 0) {
		if (clone_with(0, sig) == 0)
			sleeps();
		_exit(0);
	}
	EQUAL(t_wait(p), 0);
}

/* Somebody else's child, that it traces: alive, or ended and not yet seen. */
static void tracee(int ended)
{
	int to[2], st;
	siginfo_t info;
	pid_t p;

	EQUAL(pipe(to), 0);
	if (fork() == 0) {
		p = fork();
		if (p == 0)
			sleeps();
		CHECK(write(to[1], &p, sizeof(p)) == sizeof(p));
		sleeps();
	}
	EQUAL(read(to[0], &p, sizeof(p)), sizeof(p));
	EQUAL(ptrace(PTRACE_ATTACH, p, 0, 0), 0);
	EQUAL(waitpid(p, &st, __WALL), p);
	if (!ended)
		return;
	EQUAL(kill(p, SIGKILL), 0);
	EQUAL(waitid(P_PID, (id_t)p, &info, WEXITED | WNOWAIT | __WALL), 0);
}

/* From outside into a namespace whose init ends meanwhile: clone(2) fails or its child is gone, and init ends. */
static void from_outside(void)
{
	int ready[2];
	char c;

	EQUAL(pipe(ready), 0);
	for (int i = 0; i < 20; i++) {
		pid_t init = clone_with(CLONE_NEWPID, SIGCHLD), p;
		int fd;

		if (init == 0) {
			CHECK(read(ready[0], &c, 1) == 1);
			_exit(3);
		}
		fd = (int)syscall(SYS_pidfd_open, init, 0);
		CHECK(fd >= 0);
		p = fork();
		if (p == 0) {
			if (syscall(SYS_setns, fd, CLONE_NEWPID))
				_exit(1);
			CHECK(write(ready[1], "x", 1) == 1);
			while ((p = fork()) > 0)
				waitpid(p, NULL, 0);
			if (p == 0)
				sleeps();
			_exit(errno == ENOMEM ? 0 : 2);
		}
		EQUAL(t_wait(p), 0);
		EQUAL(t_wait(init), 3);
		close(fd);
	}
}

/* Who takes a child over is told by SIGCHLD, and waits for it as for any other. */
static int taken_over(void)
{
	int status = 0;
	pid_t p;

	EQUAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	p = fork();
	if (p == 0) {
		p = getpid();
		if (clone_with(0, 0) == 0) {
			while (getppid() == p)
				usleep(1000);
			_exit(7);
		}
		_exit(0);
	}
	EQUAL(t_wait(p), 0);
	CHECK(waitpid(-1, &status, 0) > 0);
	EQUAL(WEXITSTATUS(status), 7);
	return t_failures;
}

/* What is sent to a group, or to all, reaches who is just being made: nobody is left by SIGKILL, nor by SIGTERM. */
static int forkers(void)
{
	EQUAL(setpgid(0, 0), 0);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			for (int left = 400; left > 0; left--) { /* a chain: who has a child ends */
				pid_t p = fork();

				if (p)
					_exit(0);
			}
	}
	sleeps();
	return 0;
}

static void group(int sig)
{
	for (int i = 0; i < 10; i++) {
		pid_t p = t_fork(forkers);

		EQUAL(setpgid(p, p), 0); /* it may not have come to that yet */
		usleep(3000 + 700 * (unsigned int)i);
		EQUAL(kill(sig == SIGTERM ? -p : -1, sig), 0);
		EQUAL(t_wait(p), 128 + sig);
		for (int k = 0; k < 2000 && kill(-p, 0) == 0; k++) {
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
			usleep(1000);
		}
		FAILS(ESRCH, kill(-p, 0));
	}
}

T_MAIN
{
	static const int signals[] = { SIGCHLD, 0, SIGUSR1 };

	if (geteuid() != 0)
		exit(77);
	for (int i = 0; i < 3; i++) {
		EQUAL(init_ends(own_child, signals[i]), 3);
		EQUAL(init_ends(own_zombie, signals[i]), 3);
		EQUAL(init_ends(grandchild, signals[i]), 3);
	}
	EQUAL(init_ends(tracee, 0), 3);
	EQUAL(init_ends(tracee, 1), 3);
	from_outside();
	EQUAL(init_ends(group, SIGKILL), 3);
	EQUAL(init_ends(group, SIGTERM), 3);
	EQUAL(t_wait(t_fork(taken_over)), 0);
}
