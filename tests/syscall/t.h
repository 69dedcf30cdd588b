/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t.h: included first by every test of a system call.  A test is a plain program: it must pass on
 * Linux (the oracle) and then in the sandbox.  It prints each failed check and exits 1; 77: skipped.
 *
 *     T_MAIN
 *     {
 *             CHECK(pipe(fd) == 0);
 *             FAILS(EINVAL, pipe2(fd, 1));
 *     }
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static int t_failures;

#define CHECK(cond)                                                                         \
	do {                                                                                \
		if (!(cond)) {                                                              \
			printf("%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			t_failures++;                                                       \
		}                                                                           \
	} while (0)

#define EQUAL(expr, want)                                                                        \
	do {                                                                                     \
		long long got_ = (long long)(expr), want_ = (long long)(want);                   \
		if (got_ != want_) {                                                             \
			printf("%s:%d: %s is %lld, not %lld (errno %d)\n", __FILE__, __LINE__,   \
			       #expr, got_, want_, errno);                                       \
			t_failures++;                                                            \
		}                                                                                \
	} while (0)

#define FAILS(error, expr)                                                                       \
	do {                                                                                     \
		errno = 0;                                                                       \
		long long got_ = (long long)(expr);                                              \
		if (got_ != -1 || errno != (error)) {                                            \
			printf("%s:%d: %s is %lld, errno %d, not %s\n", __FILE__, __LINE__,      \
			       #expr, got_, errno, #error);                                      \
			t_failures++;                                                            \
		}                                                                                \
	} while (0)

static void t_test(void);
#define T_MAIN                                      \
	int main(void)                              \
	{                                           \
		setvbuf(stdout, NULL, _IONBF, 0);   \
		t_test();                           \
		return t_failures ? 1 : 0;          \
	}                                           \
	static void t_test(void)

static void *volatile t_bad __attribute__((unused)) = (void *)16; /* volatile: gcc must not know */
#define BAD_PTR t_bad

static inline int64_t t_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static inline void t_sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* A mount namespace of the test's own with an empty /tmp: what lies in the machine's is not in its way. */
static inline void t_own_tmp(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS))
		exit(77);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmp", "/tmp", "tmpfs", 0, "mode=1777"))
		exit(1);
}

/* A child that runs fn and exits with what it returns. */
static inline pid_t t_fork(int (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	return pid;
}

static inline int t_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static volatile sig_atomic_t t_signals;

static inline void t_count_signal(int sig)
{
	(void)sig;
	t_signals++;
}

static inline void t_handle(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = t_count_signal, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

/* SIGALRM every so many ms, without a handler of ours; 0: no more. */
static inline void t_alarm_ms(int ms)
{
	struct itimerval it = { { ms / 1000, ms % 1000 * 1000 }, { ms / 1000, ms % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

/*
 * A call that a SIGALRM interrupts.  The signal comes again and again: the first may come before the call
 * has begun, and does in time on a loaded machine.
 */
#define INTERRUPTED(expr)           \
	do {                        \
		t_alarm_ms(20);     \
		FAILS(EINTR, expr); \
		t_alarm_ms(0);      \
	} while (0)

/* What a machine may take for anything at all: a guard against hanging, never a limit that is tested. */
#define T_GUARD_MS 60000

/* Wait until it is true. */
#define AWAIT(cond)                                                                     \
	do {                                                                            \
		int64_t start_ = t_now_ms();                                            \
		while (!(cond)) {                                                       \
			if (t_now_ms() - start_ > T_GUARD_MS) {                         \
				printf("%s:%d: never: %s\n", __FILE__, __LINE__, #cond); \
				t_failures++;                                           \
				break;                                                  \
			}                                                               \
			t_sleep_ms(1);                                                  \
		}                                                                       \
	} while (0)

/*
 * A child that runs fn is stopped and continued after a while; it says by its exit status whether it still was in
 * time.  A loaded machine may make any of them late, so one of many is enough.
 */
static inline void t_stopped_on_the_way(int (*fn)(void))
{
	int status = 1;
	pid_t pid;

	for (int i = 0; i < 40 && status == 1; i++) {
		pid = t_fork(fn);
		t_sleep_ms(50);
		kill(pid, SIGSTOP);
		t_sleep_ms(50);
		kill(pid, SIGCONT);
		status = t_wait(pid);
	}
	EQUAL(status, 0);
}

/* The state in /proc/PID/stat ('S': it sleeps in a call), 0 without /proc. */
static inline char t_state(pid_t pid)
{
	char name[32], line[256] = "", *p;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	p = read(fd, line, sizeof(line) - 1) > 0 ? strrchr(line, ')') : NULL;
	close(fd);
	return p ? p[2] : 0;
}

/* Wait until a child sleeps in the call that it was made for. */
static inline void t_await_sleep(pid_t pid)
{
	int64_t start = t_now_ms();

	while (t_state(pid) != 'S' && t_now_ms() - start < (t_state(pid) ? T_GUARD_MS : 30))
		t_sleep_ms(1);
}
