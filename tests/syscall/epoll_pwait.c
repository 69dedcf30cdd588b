/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_pwait.c: epoll_pwait(2) and its mask. */
#include "t.h"

#include <sys/epoll.h>

T_MAIN
{
	struct epoll_event got;
	int e = epoll_create1(0);
	sigset_t alarm, now;
	uint64_t none = 0;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	t_handle(SIGALRM, 0);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	raise(SIGALRM);
	EQUAL(syscall(SYS_epoll_pwait, e, &got, 1, 10, NULL, 8), 0);
	EQUAL(t_signals, 0);
	FAILS(EINVAL, syscall(SYS_epoll_pwait, e, &got, 1, 10, &none, 9));
	FAILS(EINTR, syscall(SYS_epoll_pwait, e, &got, 1, 1000, &none, 8));
	EQUAL(t_signals, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EQUAL(sigismember(&now, SIGALRM), 1);
}
