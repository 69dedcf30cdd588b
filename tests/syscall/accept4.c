/* SPDX-License-Identifier: Apache-2.0 */
/* accept4.c: accept4(2). */
#include "un.h"

T_MAIN
{
	int l = un_listener("@t-accept", SOCK_STREAM, 5), c = socket(AF_UNIX, SOCK_STREAM, 0), a;
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	struct timeval tv = { 0, 20000 };
	struct ucred cred;

	FAILS(EINVAL, accept4(l, NULL, NULL, 1));
	EQUAL(fcntl(l, F_SETFL, O_NONBLOCK), 0);
	FAILS(EAGAIN, accept4(l, NULL, NULL, 0));
	EQUAL(un_bind(c, "@t-client"), 0);
	EQUAL(un_connect(c, "@t-accept"), 0);
	a = accept4(l, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
	CHECK(a >= 0);
	EQUAL(len, 11);
	CHECK(!memcmp(sa.sun_path, "\0t-client", 9));
	EQUAL(fcntl(a, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(a, F_GETFL), O_RDWR);
	len = sizeof(cred);
	EQUAL(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	EQUAL(cred.pid, getpid());
	EQUAL(cred.uid, getuid());
	EQUAL(fcntl(l, F_SETFL, 0), 0);
	EQUAL(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	FAILS(EAGAIN, accept4(l, NULL, NULL, 0));
	FAILS(EINVAL, accept4(c, NULL, NULL, 0));
	FAILS(EOPNOTSUPP, accept4(socket(AF_UNIX, SOCK_DGRAM, 0), NULL, NULL, 0));
	FAILS(EBADF, accept4(99, NULL, NULL, 0));
	FAILS(ENOTSOCK, accept4(0, NULL, NULL, 0));
}
