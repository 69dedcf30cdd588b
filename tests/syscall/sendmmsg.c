/* SPDX-License-Identifier: Apache-2.0 */
/* sendmmsg.c: sendmmsg(2). */
#include "un.h"

T_MAIN
{
	struct iovec iov[2] = { { (char *)"abc", 3 }, { (char *)"de", 2 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } } };
	char buf[8];
	int s[2];

	EQUAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	EQUAL(sendmmsg(s[0], m, 2, 0), 2);
	EQUAL(m[0].msg_len, 3);
	EQUAL(m[1].msg_len, 2);
	EQUAL(recv(s[1], buf, 8, 0), 3);
	EQUAL(recv(s[1], buf, 8, 0), 2);
	m[1].msg_hdr.msg_iov = BAD_PTR;
	EQUAL(sendmmsg(s[0], m, 2, 0), 1);
	FAILS(EBADF, sendmmsg(99, m, 2, 0));
	EQUAL(sendmmsg(s[0], m, 0, 0), 0);
}
