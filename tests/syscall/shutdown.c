/* SPDX-License-Identifier: Apache-2.0 */
/* shutdown.c: shutdown(2). */
#include "un.h"

T_MAIN
{
	int s[2];
	char buf[4];
	struct pollfd p;

	signal(SIGPIPE, SIG_IGN);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	FAILS(EINVAL, shutdown(s[0], 3));
	EQUAL(write(s[0], "a", 1), 1);
	EQUAL(shutdown(s[0], SHUT_WR), 0);
	FAILS(EPIPE, write(s[0], "b", 1));
	p = (struct pollfd){ s[1], POLLIN | POLLOUT | POLLRDHUP, 0 };
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLOUT | POLLRDHUP);
	EQUAL(read(s[1], buf, 4), 1);
	EQUAL(read(s[1], buf, 4), 0);
	EQUAL(write(s[1], "c", 1), 1);
	EQUAL(shutdown(s[0], SHUT_RD), 0);
	FAILS(EPIPE, write(s[1], "d", 1));
	EQUAL(read(s[0], buf, 4), 1);
	EQUAL(read(s[0], buf, 4), 0);
	p = (struct pollfd){ s[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	EQUAL(shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD), 0);
	FAILS(ENOTSOCK, shutdown(0, SHUT_RD));
	/* A reader is woken. */
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	if (fork() == 0) {
		t_sleep_ms(30);
		shutdown(s[0], SHUT_RD);
		_exit(0);
	}
	EQUAL(read(s[0], buf, 4), 0);
}
