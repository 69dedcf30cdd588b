/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_wait.c: epoll_wait(2): triggering, closing, duplicates, time-outs. */
#include "t.h"

#include <sys/epoll.h>
#include <sys/wait.h>

T_MAIN
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 }, got[4];
	int e = epoll_create1(0), fd[2], d;
	int64_t start = t_now_ms();
	char c;

	EQUAL(pipe(fd), 0);
	EQUAL(epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &ev), 0);
	EQUAL(epoll_wait(e, got, 4, 30), 0);
	CHECK(t_now_ms() - start >= 30);
	FAILS(EINVAL, epoll_wait(e, got, 0, 0));
	FAILS(EINVAL, epoll_wait(fd[0], got, 1, 0));
	FAILS(EBADF, epoll_wait(-1, got, 1, 0));
	if (fork() == 0) {
		t_sleep_ms(30);
		_exit(write(fd[1], "x", 1) != 1);
	}
	EQUAL(epoll_wait(e, got, 4, -1), 1);
	CHECK(got[0].events == EPOLLIN && got[0].data.u64 == 0x1122334455667788);
	CHECK(wait(NULL) > 0); /* or its copy of fd[1] would keep the pipe open below */
	FAILS(EFAULT, epoll_wait(e, BAD_PTR, 4, 0));
	EQUAL(epoll_wait(e, got, 4, 0), 1); /* level triggered, and not lost */
	ev.events = EPOLLIN | EPOLLET;
	EQUAL(epoll_ctl(e, EPOLL_CTL_MOD, fd[0], &ev), 0);
	EQUAL(epoll_wait(e, got, 4, 0), 1);
	EQUAL(epoll_wait(e, got, 4, 0), 0);
	EQUAL(write(fd[1], "y", 1), 1);
	EQUAL(epoll_wait(e, got, 4, 0), 1);
	ev.events = EPOLLIN | EPOLLONESHOT;
	EQUAL(epoll_ctl(e, EPOLL_CTL_MOD, fd[0], &ev), 0);
	EQUAL(epoll_wait(e, got, 4, 0), 1);
	EQUAL(write(fd[1], "z", 1), 1);
	EQUAL(epoll_wait(e, got, 4, 0), 0);
	EQUAL(epoll_ctl(e, EPOLL_CTL_MOD, fd[0], &ev), 0);
	close(fd[1]);
	EQUAL(epoll_wait(e, got, 4, 0), 1);
	EQUAL(got[0].events, EPOLLIN | EPOLLHUP);
	/* The description goes with its last descriptor. */
	ev.events = EPOLLIN;
	EQUAL(epoll_ctl(e, EPOLL_CTL_MOD, fd[0], &ev), 0);
	d = dup(fd[0]);
	close(fd[0]);
	EQUAL(epoll_wait(e, got, 4, 0), 1);
	close(d);
	EQUAL(epoll_wait(e, got, 4, 0), 0);
	t_handle(SIGALRM, SA_RESTART);
	INTERRUPTED(epoll_wait(e, got, 4, -1));
	(void)c;
}
