/* SPDX-License-Identifier: Apache-2.0 */
/* setsockopt.c: setsockopt(2) at SOL_SOCKET. */
#include "un.h"

#include <netinet/in.h>

T_MAIN
{
	struct timeval tv = { 0, 1000000 };
	struct linger l = { 1, 5 };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), v = 10000;

	EQUAL(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)), 0);
	EQUAL(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)), 0);
	EQUAL(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	FAILS(EINVAL, setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4));
	FAILS(EDOM, setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	FAILS(EINVAL, setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, 3));
	FAILS(EINVAL, setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, (socklen_t)-1));
	FAILS(EFAULT, setsockopt(s, SOL_SOCKET, SO_SNDBUF, BAD_PTR, 4));
	FAILS(ENOPROTOOPT, setsockopt(s, SOL_SOCKET, SO_TYPE, &v, 4));
	FAILS(ENOPROTOOPT, setsockopt(s, SOL_SOCKET, 9999, &v, 4));
	FAILS(EOPNOTSUPP, setsockopt(s, 6, 1, &v, 4));
	FAILS(ENOTSOCK, setsockopt(0, SOL_SOCKET, SO_SNDBUF, &v, 4));
	close(s);
	s = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	v = 2; /* rawv6_setsockopt(): ICMPv6 has its own checksum, which only SOL_RAW may name, as ping(8) does */
	if (s >= 0) {
		FAILS(EINVAL, setsockopt(s, IPPROTO_IPV6, IPV6_CHECKSUM, &v, 4));
		EQUAL(setsockopt(s, SOL_RAW, IPV6_CHECKSUM, &v, 4), 0);
	}
}
