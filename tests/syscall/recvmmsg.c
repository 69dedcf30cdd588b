/* SPDX-License-Identifier: Apache-2.0 */
/* recvmmsg.c: recvmmsg(2). */
#include "un.h"

T_MAIN
{
	char a[8], b[8];
	struct iovec iov[2] = { { a, 8 }, { b, 8 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } } };
	struct timespec ts = { 1000, 0 }, bad = { 0, -1 };
	int s[2];

	EQUAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	EQUAL(send(s[0], "abc", 3, 0), 3);
	EQUAL(recvmmsg(s[1], m, 2, MSG_WAITFORONE, NULL), 1);
	EQUAL(m[0].msg_len, 3);
	EQUAL(send(s[0], "abc", 3, 0), 3);
	EQUAL(send(s[0], "d", 1, 0), 1);
	EQUAL(recvmmsg(s[1], m, 2, 0, &ts), 2);
	EQUAL(m[1].msg_len, 1);
	FAILS(EAGAIN, recvmmsg(s[1], m, 2, MSG_DONTWAIT, NULL));
	FAILS(EINVAL, recvmmsg(s[1], m, 2, 0, &bad));
}
