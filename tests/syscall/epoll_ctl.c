/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl.c: epoll_ctl(2). */
#include "t.h"

#include <sys/epoll.h>

T_MAIN
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 7 };
	int e = epoll_create1(0), o = epoll_create1(0), fd[2], f;
	char name[] = "/tmp/t-epoll-XXXXXX";

	EQUAL(pipe(fd), 0);
	EQUAL(epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &ev), 0);
	FAILS(EEXIST, epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &ev));
	FAILS(ENOENT, epoll_ctl(e, EPOLL_CTL_MOD, fd[1], &ev));
	FAILS(ENOENT, epoll_ctl(e, EPOLL_CTL_DEL, fd[1], NULL));
	FAILS(EBADF, epoll_ctl(-1, EPOLL_CTL_ADD, fd[1], &ev));
	FAILS(EBADF, epoll_ctl(e, EPOLL_CTL_ADD, 999, &ev));
	FAILS(EINVAL, epoll_ctl(e, EPOLL_CTL_ADD, e, &ev));
	FAILS(EINVAL, epoll_ctl(fd[0], EPOLL_CTL_ADD, fd[1], &ev));
	FAILS(EINVAL, epoll_ctl(e, 77, fd[1], &ev));
	FAILS(EFAULT, epoll_ctl(e, EPOLL_CTL_ADD, fd[1], BAD_PTR));
	f = mkstemp(name);
	unlink(name);
	FAILS(EPERM, epoll_ctl(e, EPOLL_CTL_ADD, f, &ev));
	EQUAL(epoll_ctl(o, EPOLL_CTL_ADD, e, &ev), 0);
	FAILS(ELOOP, epoll_ctl(e, EPOLL_CTL_ADD, o, &ev));
	ev.events = EPOLLOUT | EPOLLEXCLUSIVE;
	EQUAL(epoll_ctl(e, EPOLL_CTL_ADD, fd[1], &ev), 0);
	FAILS(EINVAL, epoll_ctl(e, EPOLL_CTL_MOD, fd[1], &ev));
	EQUAL(epoll_wait(o, &ev, 1, 0), 1);
	EQUAL(epoll_ctl(e, EPOLL_CTL_DEL, fd[1], NULL), 0);
	EQUAL(epoll_wait(o, &ev, 1, 0), 0);
}
