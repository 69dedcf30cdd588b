/* SPDX-License-Identifier: Apache-2.0 */
/* sendto.c: sendto(2). */
#include "un.h"

T_MAIN
{
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), s[2], n = 0;
	static char big[300000];

	EQUAL(un_bind(r, "@t-sendto"), 0);
	FAILS(ENOTCONN, sendto(d, "x", 1, 0, NULL, 0));
	EQUAL(sendto(d, "x", 1, 0, UN("@t-sendto")), 1);
	FAILS(ECONNREFUSED, sendto(d, "x", 1, 0, UN("@t-none")));
	FAILS(EMSGSIZE, sendto(d, big, sizeof(big), 0, UN("@t-sendto")));
	FAILS(EFAULT, sendto(d, BAD_PTR, 5, 0, UN("@t-sendto")));
	FAILS(EINVAL, sendto(d, "x", 1, 0, un("@t-sendto"), 500));
	while (sendto(d, "x", 1, MSG_DONTWAIT, UN("@t-sendto")) == 1)
		n++;
	EQUAL(errno, EAGAIN);
	CHECK(n >= 10);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	FAILS(EISCONN, sendto(s[0], "x", 1, 0, UN("@t-sendto")));
	close(s[1]);
	FAILS(EPIPE, sendto(s[0], "x", 1, MSG_NOSIGNAL, NULL, 0));
	t_handle(SIGPIPE, 0);
	FAILS(EPIPE, sendto(s[0], "x", 1, 0, NULL, 0));
	EQUAL(t_signals, 1);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CHECK(send(s[0], big, sizeof(big), 0) > 100000);
	FAILS(EAGAIN, send(s[0], big, 1, 0));
}
