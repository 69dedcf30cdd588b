/* SPDX-License-Identifier: Apache-2.0 */
/* recvmsg.c: recvmsg(2): scattering, names, flags. */
#include "un.h"

T_MAIN
{
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
	char a[3], b[3];
	struct iovec iov[2] = { { a, 2 }, { b, 2 } };
	struct sockaddr_un sa;
	struct msghdr m = { .msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = iov, .msg_iovlen = 2 };

	EQUAL(un_bind(r, "@t-rm"), 0);
	EQUAL(un_connect(d, "@t-rm"), 0);
	EQUAL(send(d, "abcdef", 6, 0), 6);
	EQUAL(recvmsg(r, &m, 0), 4);
	CHECK(!memcmp(a, "ab", 2) && !memcmp(b, "cd", 2));
	EQUAL(m.msg_flags, MSG_TRUNC);
	EQUAL(m.msg_namelen, 0); /* the sender has no name */
	EQUAL(m.msg_controllen, 0);
	FAILS(EAGAIN, recvmsg(r, &m, MSG_DONTWAIT));
	FAILS(EFAULT, recvmsg(r, BAD_PTR, 0));
	m.msg_iovlen = 2000;
	FAILS(EMSGSIZE, recvmsg(r, &m, 0));
	m.msg_iovlen = 1;
	m.msg_namelen = (socklen_t)-1;
	FAILS(EINVAL, recvmsg(r, &m, 0));
	FAILS(ENOTSOCK, recvmsg(0, &m, 0));
}
