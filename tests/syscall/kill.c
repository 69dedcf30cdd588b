/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill.c: kill(2) of a child at each moment of its first steps, when it makes no call that would notice by itself;
 * what kill(-1) says.
 */
#include "t.h"

#include <sched.h>

#define ROUNDS 60

static void spin(unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; i++)
		;
}

static void on_usr(int sig)
{
	(void)sig;
	_exit(5);
}

/* By the default action, or by a handler. */
static void young_child(int sig, unsigned int delay, int want)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			__asm__ volatile("pause");
	spin(delay);
	EQUAL(kill(pid, sig), 0);
	alarm(2 * T_GUARD_MS / 1000); /* a guard */
	EQUAL(waitpid(pid, &status, 0), pid);
	alarm(0);
	EQUAL(status, want);
}

/* kill(-1) finds nobody but its caller and init; or somebody, of another user's: no error (kill_something_info()). */
static void everybody(void)
{
	int status = -1;
	pid_t init, p;

	if (geteuid() != 0 || unshare(CLONE_NEWPID) < 0)
		return;
	init = fork();
	if (init == 0) {
		EQUAL(getpid(), 1);
		FAILS(ESRCH, kill(-1, 0));
		if (fork() == 0)
			for (;;)
				pause();
		p = fork();
		if (p == 0) {
			EQUAL(setuid(65534), 0);
			EQUAL(kill(-1, 0), 0);
			_exit(t_failures != 0);
		}
		EQUAL(waitpid(p, &status, 0), p);
		EQUAL(status, 0);
		_exit(t_failures != 0);
	}
	EQUAL(waitpid(init, &status, 0), init);
	EQUAL(status, 0);
}

T_MAIN
{
	signal(SIGUSR1, on_usr);
	for (unsigned int i = 0; i < ROUNDS && !t_failures; i++) {
		young_child(SIGTERM, i * 500, SIGTERM);
		young_child(SIGUSR1, i % 10 * 100, 5 << 8);
	}
	everybody();
}
