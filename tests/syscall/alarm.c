/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c: alarm(2). */
#include "t.h"

T_MAIN
{
	sigset_t set, old;
	unsigned int left;

	t_handle(SIGALRM, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, &old);
	EQUAL(alarm(1000), 0);
	left = alarm(1);
	CHECK(left >= 900 && left <= 1000);
	FAILS(EINTR, sigsuspend(&old));
	EQUAL(t_signals, 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	INTERRUPTED(pause());
	EQUAL(alarm(0), 0);
}
