/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfd.c: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2): processes and threads, scopes of signals, readiness,
 * the caller by PIDFD_SELF.  What came with Linux 6.9 to 6.16 is left out where the host lacks it.
 */
#include "t.h"

#include <linux/sched.h>
#include <pthread.h>
#include <stdbool.h>

#define THREAD O_EXCL /* PIDFD_THREAD */
#define SCOPE_THREAD 1
#define SCOPE_GROUP 2
#define SCOPE_PGRP 4
#define SELF_THREAD (-10000)
#define SELF_GROUP (-10001)

static volatile sig_atomic_t got_by, got_code;
static bool new_scopes, new_self, hup;

static void on_usr1(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)uc;
	got_code = info->si_code;
	got_by = (int)syscall(SYS_gettid);
	t_signals++;
}

static int signal_by(int fd, int sig, siginfo_t *info, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

static int open_pid(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static short readiness(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static int pauses(void)
{
	for (;;)
		pause();
	return 0;
}

static volatile pid_t other_tid;
static volatile int other_ends;

static void *other(void *arg)
{
	other_tid = (pid_t)syscall(SYS_gettid);
	while (!other_ends)
		t_sleep_ms(1);
	return arg;
}

static void processes(void)
{
	int fd, status, p[2], copy;
	pid_t pid;

	FAILS(EINVAL, open_pid(getpid(), 1));
	FAILS(EINVAL, open_pid(0, 0));
	FAILS(ESRCH, open_pid(0x7ffffff0, 0));
	FAILS(EBADF, signal_by(-1, 0, NULL, 0));
	FAILS(EBADF, signal_by(0, 0, NULL, 0));
	EQUAL(pipe(p), 0);
	pid = t_fork(pauses);
	fd = open_pid(pid, O_NONBLOCK);
	CHECK(fd >= 0);
	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	EQUAL(readiness(fd), 0);
	EQUAL(signal_by(fd, 0, NULL, 0), 0);
	FAILS(EINVAL, signal_by(fd, 65, NULL, 0));
	FAILS(EINVAL, signal_by(fd, 0, NULL, 8));
	FAILS(EINVAL, signal_by(fd, 0, NULL, 3));
	FAILS(EFAULT, signal_by(fd, SIGUSR1, BAD_PTR, 0));
	copy = (int)syscall(SYS_pidfd_getfd, fd, p[0], 0);
	CHECK(copy >= 0);
	EQUAL(write(p[1], "x", 1), 1);
	EQUAL(readiness(copy), POLLIN);
	close(copy);
	FAILS(EBADF, syscall(SYS_pidfd_getfd, fd, 999, 0));
	FAILS(EINVAL, syscall(SYS_pidfd_getfd, fd, p[0], 1));
	FAILS(EBADF, syscall(SYS_pidfd_getfd, p[0], p[0], 0));
	EQUAL(signal_by(fd, SIGKILL, NULL, 0), 0);
	AWAIT(readiness(fd) == POLLIN);
	EQUAL(signal_by(fd, 0, NULL, 0), 0); /* a zombie */
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	hup = readiness(fd) == (POLLIN | POLLHUP); /* since 6.13 or so */
	CHECK(readiness(fd) & POLLIN);
	FAILS(ESRCH, signal_by(fd, 0, NULL, 0));
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void scopes(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_USER };
	struct sigaction sa = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO };
	int self = open_pid(getpid(), 0), thread, leader;
	sigset_t set;
	pthread_t th;

	sigaction(SIGUSR1, &sa, NULL);
	EQUAL(signal_by(self, SIGUSR1, NULL, 0), 0);
	EQUAL(got_code, SI_USER);
	info.si_code = 5; /* to oneself anything goes */
	EQUAL(signal_by(self, SIGUSR1, &info, 0), 0);
	EQUAL(got_code, 5);
	info.si_signo = SIGUSR2;
	FAILS(EINVAL, signal_by(self, SIGUSR1, &info, 0));
	info.si_signo = SIGUSR1;
	new_scopes = signal_by(self, 0, NULL, SCOPE_THREAD) == 0;
	if (!new_scopes)
		return;
	EQUAL(signal_by(self, SIGUSR1, NULL, SCOPE_THREAD), 0);
	EQUAL(got_code, SI_TKILL);
	EQUAL(signal_by(self, SIGUSR1, NULL, SCOPE_GROUP), 0);
	EQUAL(got_code, SI_USER);
	EQUAL(signal_by(self, SIGUSR1, &info, SCOPE_THREAD), 0);
	FAILS(EPERM, signal_by(self, SIGUSR1, &info, SCOPE_PGRP));

	pthread_create(&th, NULL, other, NULL);
	AWAIT(other_tid);
	FAILS(ENOENT, open_pid(other_tid, 0));
	thread = open_pid(other_tid, THREAD);
	leader = open_pid(getpid(), THREAD);
	CHECK(thread >= 0 && leader >= 0);
	EQUAL(fcntl(thread, F_GETFL) & THREAD, THREAD);
	EQUAL(readiness(thread), 0);
	t_signals = 0;
	EQUAL(signal_by(thread, SIGUSR1, NULL, 0), 0);
	AWAIT(t_signals == 1);
	EQUAL(got_by, other_tid);
	EQUAL(got_code, SI_TKILL);
	EQUAL(signal_by(leader, SIGUSR1, NULL, 0), 0);
	EQUAL(t_signals, 2);
	EQUAL(got_by, getpid());
	EQUAL(got_code, SI_TKILL);
	EQUAL(signal_by(thread, 0, NULL, SCOPE_GROUP), 0);
	FAILS(ESRCH, signal_by(thread, 0, NULL, SCOPE_PGRP));
	FAILS(EPERM, signal_by(thread, SIGUSR1, &info, 0));
	/* To the process: whoever does not block it. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	EQUAL(signal_by(leader, SIGUSR1, NULL, SCOPE_GROUP), 0);
	AWAIT(t_signals == 3);
	EQUAL(got_by, other_tid);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	new_self = signal_by(SELF_THREAD, 0, NULL, 0) == 0;
	if (new_self) {
		EQUAL(signal_by(SELF_THREAD, SIGUSR1, NULL, 0), 0);
		EQUAL(got_by, getpid());
		EQUAL(got_code, SI_TKILL);
		EQUAL(signal_by(SELF_GROUP, SIGUSR1, NULL, 0), 0);
		EQUAL(got_code, SI_USER);
		FAILS(EBADF, syscall(SYS_pidfd_getfd, SELF_GROUP, 0, 0));
	}
	other_ends = 1;
	pthread_join(th, NULL);
	AWAIT(readiness(thread) == (hup ? POLLIN | POLLHUP : POLLIN)); /* the one comes before the other */
	FAILS(ESRCH, signal_by(thread, 0, NULL, 0));
	EQUAL(readiness(leader), 0);
	close(thread);
	close(leader);
	close(self);
}

/* All of a group, by its leader's pidfd. */
static void groups(void)
{
	int fd, ends[2];
	char c;
	pid_t pid;

	EQUAL(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		for (int i = 0; i < 2; i++)
			t_fork(pauses);
		pauses();
	}
	close(ends[1]);
	AWAIT(getpgid(pid) == pid);
	fd = open_pid(pid, 0);
	EQUAL(signal_by(fd, SIGUSR1, NULL, SCOPE_PGRP), 0);
	EQUAL(t_wait(pid), 128 + SIGUSR1);
	EQUAL(signal_by(fd, SIGUSR1, NULL, SCOPE_PGRP) && errno != ESRCH, 0); /* to who came late */
	EQUAL(read(ends[0], &c, 1), 0); /* none of them is left */
	close(ends[0]);
	close(fd);
}

static void by_clone(void)
{
	struct clone_args a = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	int fd = -1;
	pid_t pid;

	a.pidfd = (uintptr_t)&fd;
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(3);
	CHECK(fd >= 0);
	AWAIT(readiness(fd) == POLLIN);
	EQUAL(t_wait(pid), 3);
	close(fd);
}

T_MAIN
{
	processes();
	scopes();
	signal(SIGUSR1, SIG_DFL);
	if (new_scopes)
		groups();
	by_clone();
}
