/* SPDX-License-Identifier: Apache-2.0 */
/* rt_sigprocmask(2): its own rules, and that no signal is lost between a sender and who unblocks it. */
#include "t.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static long raw(int how, const void *set, void *old, size_t size)
{
	return syscall(SYS_rt_sigprocmask, how, set, old, size);
}

static void rules(void)
{
	uint64_t set = 1ull << (SIGUSR1 - 1), old = 0;

	CHECK(raw(SIG_BLOCK, &set, NULL, 8) == 0);
	CHECK(raw(99, NULL, &old, 8) == 0 && old == set);
	FAILS(EINVAL, raw(99, &set, NULL, 8));
	FAILS(EINVAL, raw(SIG_BLOCK, &set, NULL, 4));
	FAILS(EFAULT, raw(SIG_BLOCK, (void *)8, NULL, 8));
	set = ~0ull;
	FAILS(EFAULT, raw(SIG_SETMASK, &set, (void *)8, 8)); /* and yet it is set */
	CHECK(raw(SIG_UNBLOCK, NULL, &old, 8) == 0);
	CHECK(old == ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)));
	CHECK(raw(SIG_UNBLOCK, &old, NULL, 8) == 0);
	CHECK(raw(SIG_BLOCK, NULL, &old, 8) == 0 && old == 0);
}

static atomic_int hits;
static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&hits, 1);
}

static void pending_is_delivered(void)
{
	sigset_t set, pending;

	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	atomic_store(&hits, 0);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	CHECK(atomic_load(&hits) == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK(atomic_load(&hits) == 2); /* before the call returned: one of the thread, one of the process */
}

/* A child has its parent's mask, a program its caller's. */
static void inherited(void)
{
	sigset_t set, got;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_BLOCK, NULL, &got);
		if (!sigismember(&got, SIGUSR2))
			_exit(1);
		execl("/bin/sh", "sh", "-c", "while read a b; do case $a in SigBlk:) case $b in *800) exit 7;; esac;; esac; done </proc/self/status",
		      (char *)NULL);
		_exit(2);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static atomic_bool stop;
static void *toggler(void *arg)
{
	uint64_t set = 1ull << (SIGUSR1 - 1);

	while (!atomic_load(&stop)) {
		(void)raw(SIG_BLOCK, &set, NULL, 8);
		(void)raw(SIG_UNBLOCK, &set, NULL, 8);
	}
	return arg;
}

/* Signals to a thread, or to a process all of whose threads toggle: each arrives, soon. */
static void none_is_lost(int threads, bool to_process)
{
	uint64_t set = 1ull << (SIGUSR1 - 1);
	pthread_t t[4];

	atomic_store(&stop, false);
	for (int i = 0; i < threads; i++)
		CHECK(pthread_create(&t[i], NULL, toggler, NULL) == 0);
	(void)raw(SIG_BLOCK, &set, NULL, 8);
	for (int i = 0; i < 1000; i++) {
		int before = atomic_load(&hits), waited = 0;

		if (to_process)
			kill(getpid(), SIGUSR1);
		else
			pthread_kill(t[i % threads], SIGUSR1);
		while (atomic_load(&hits) == before && waited++ < T_GUARD_MS * 10)
			nanosleep(&(struct timespec){ 0, 100000 }, NULL);
		if (atomic_load(&hits) == before) {
			CHECK(!"a signal was lost");
			break;
		}
	}
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	(void)raw(SIG_UNBLOCK, &set, NULL, 8);
}

T_MAIN
{
	rules();
	pending_is_delivered();
	inherited();
	none_is_lost(1, false);
	none_is_lost(2, false);
	none_is_lost(3, true);
}
