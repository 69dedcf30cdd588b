/* SPDX-License-Identifier: Apache-2.0 */
/* getsockopt.c: getsockopt(2) at SOL_SOCKET. */
#include "un.h"

T_MAIN
{
	int s[2], v = 0;
	socklen_t len = sizeof(v);
	struct timeval tv = { 3, 0 };

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &len), 0);
	EQUAL(v, SOCK_STREAM);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	EQUAL(v, 212992);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &v, &len), 0);
	EQUAL(v, AF_UNIX);
	len = 2;
	v = 0;
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	EQUAL(len, 2);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	tv.tv_sec = 0;
	len = sizeof(tv);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	EQUAL(tv.tv_sec, 3);
	len = sizeof(v);
	EQUAL(write(s[0], "x", 1), 1);
	close(s[1]);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &len), 0);
	EQUAL(v, ECONNRESET);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &len), 0);
	EQUAL(v, 0);
	FAILS(ENOPROTOOPT, getsockopt(s[0], SOL_SOCKET, 9999, &v, &len));
	FAILS(EFAULT, getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, BAD_PTR));
	len = (socklen_t)-1;
	FAILS(EINVAL, getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &len));
}
