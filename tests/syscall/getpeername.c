/* SPDX-License-Identifier: Apache-2.0 */
/* getpeername.c: getpeername(2). */
#include "un.h"

T_MAIN
{
	struct sockaddr_un sa;
	int s[2];
	socklen_t len = sizeof(sa);

	FAILS(ENOTCONN, getpeername(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&sa, &len));
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	EQUAL(getpeername(s[0], (struct sockaddr *)&sa, &len), 0);
	EQUAL(len, 2);
	EQUAL(sa.sun_family, AF_UNIX);
}
