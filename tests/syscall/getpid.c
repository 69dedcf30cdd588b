/* SPDX-License-Identifier: Apache-2.0 */
/* Ids asked for again and again, as real system calls, while they change; clocks likewise. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#define MANY 100

#define ID(name) ((int)syscall(SYS_##name))

/* All ids, so often that whoever remembers them has them. */
static void warm(void)
{
	for (int i = 0; i < MANY; i++) {
		EQUAL(ID(getpid), getpid());
		(void)ID(gettid);
		(void)ID(getppid);
		(void)ID(getuid);
		(void)ID(geteuid);
		(void)ID(getgid);
		(void)ID(getegid);
		(void)ID(getpgrp);
		(void)syscall(SYS_getsid, 0);
		(void)syscall(SYS_getpgid, 0);
	}
}

static int stack[65536];

static int in_child_vm(void *arg)
{
	int *seen = arg;

	seen[0] = ID(getpid);
	seen[1] = ID(getppid);
	seen[2] = ID(gettid);
	_exit(0);
}

static void children(void)
{
	int self = ID(getpid), status, p[2], seen[3];
	pid_t pid, orphan;

	warm();
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < MANY; i++) {
			CHECK(ID(getpid) != self && ID(getppid) == self && ID(gettid) == ID(getpid));
		}
		_exit(t_failures);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);

	/* A child in the same memory has ids of its own; ours come back. */
	pid = vfork();
	if (pid == 0) {
		if (ID(getpid) == self || ID(getppid) != self)
			_exit(1);
		_exit(0);
	}
	EQUAL(ID(getpid), self);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	pid = clone(in_child_vm, stack + 60000, CLONE_VM | SIGCHLD, seen);
	CHECK(pid > 0);
	for (int i = 0; i < MANY; i++)
		EQUAL(ID(getpid), self);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(seen[0] == pid && seen[1] == self && seen[2] == pid);
	warm();

	/* The parent dies. */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		self = getpid();
		orphan = fork();
		if (orphan == 0) {
			for (int i = 0; i < MANY; i++)
				(void)ID(getppid);
			while (ID(getppid) == self)
				usleep(1000);
			orphan = ID(getppid);
			_exit(write(p[1], &orphan, sizeof(orphan)) != sizeof(orphan));
		}
		usleep(20000);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(read(p[0], &orphan, sizeof(orphan)) == sizeof(orphan));
	EQUAL(orphan, self);
	CHECK(waitpid(-1, &status, 0) > 0 && status == 0);
}

static void groups(void)
{
	int status, self;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		self = getpid();
		warm();
		while (ID(getpgrp) != self) /* our parent does it */
			usleep(500);
		EQUAL(syscall(SYS_getpgid, 0), self);
		CHECK(syscall(SYS_getsid, 0) != self);
		pid = fork();
		if (pid == 0) {
			warm();
			CHECK(ID(getpgrp) == self);
			CHECK(setsid() == getpid());
			EQUAL(ID(getpgrp), getpid());
			EQUAL(syscall(SYS_getsid, 0), getpid());
			_exit(t_failures);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		_exit(t_failures);
	}
	usleep(20000);
	CHECK(setpgid(pid, pid) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void *other(void *arg)
{
	volatile int *go = arg;

	CHECK(ID(gettid) != ID(getpid));
	while (*go == 0)
		sched_yield();
	/* This thread's alone: the raw call. */
	CHECK(syscall(SYS_setresuid, 1001, 1001, 1001) == 0);
	for (int i = 0; i < MANY; i++)
		CHECK(ID(getuid) == 1001 && ID(geteuid) == 1001);
	*go = 2;
	while (*go == 2)
		sched_yield();
	return NULL;
}

static void credentials(void)
{
	volatile int go = 0;
	int status;
	pthread_t t;
	pid_t pid;

	if (getuid() != 0)
		return;
	pid = fork();
	if (pid == 0) {
		warm();
		CHECK(pthread_create(&t, NULL, other, (void *)(uintptr_t)&go) == 0);
		warm();
		go = 1;
		while (go != 2)
			CHECK(ID(getuid) == 0);
		CHECK(ID(getuid) == 0 && ID(geteuid) == 0);
		go = 3;
		pthread_join(t, NULL);
		warm();
		CHECK(setresgid(1002, 1003, 1002) == 0);
		CHECK(ID(getgid) == 1002 && ID(getegid) == 1003);
		CHECK(setresuid(1004, 1005, 1004) == 0);
		CHECK(ID(getuid) == 1004 && ID(geteuid) == 1005);
		_exit(t_failures);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void clocks(void)
{
	static const int ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
				   CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI };
	struct timespec a, b;
	struct timezone tz;
	struct timeval tv;
	long s;

	for (int i = 0; i < 3 * MANY; i++) {
		int id = ids[i % 7];

		CHECK(syscall(SYS_clock_gettime, id, &a) == 0);
		CHECK(clock_gettime(id, &b) == 0);
		CHECK(b.tv_sec - a.tv_sec < 100 && a.tv_nsec < 1000000000 &&
		      (a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec)));
		FAILS(EFAULT, syscall(SYS_clock_gettime, id, BAD_PTR));
		FAILS(EINVAL, syscall(SYS_clock_gettime, 77, &a));
		CHECK(syscall(SYS_gettimeofday, &tv, NULL) == 0 && tv.tv_usec < 1000000);
		CHECK(syscall(SYS_gettimeofday, &tv, &tz) == 0);
		CHECK(syscall(SYS_gettimeofday, NULL, NULL) == 0);
		FAILS(EFAULT, syscall(SYS_gettimeofday, BAD_PTR, NULL));
		clock_gettime(CLOCK_REALTIME, &b);
		CHECK(b.tv_sec - tv.tv_sec >= 0 && b.tv_sec - tv.tv_sec < 100);
		CHECK(syscall(SYS_time, &s) == s && b.tv_sec - s < 100 && s - b.tv_sec < 100);
		CHECK(syscall(SYS_time, NULL) - s < 100);
		FAILS(EFAULT, syscall(SYS_time, BAD_PTR));
		CHECK(syscall(SYS_sched_yield) == 0);
	}
}

T_MAIN
{
	warm();
	children();
	groups();
	credentials();
	clocks();
}
