/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c: listen(2) and the backlog. */
#include "un.h"

T_MAIN
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c;
	int yes = 0;
	socklen_t len = sizeof(yes);

	FAILS(EINVAL, listen(s, 1)); /* no name */
	EQUAL(un_bind(s, "@t-listen"), 0);
	EQUAL(listen(s, 1), 0);
	EQUAL(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len), 0);
	EQUAL(yes, 1);
	for (int i = 0; i < 2; i++)
		EQUAL(un_connect(socket(AF_UNIX, SOCK_STREAM, 0), "@t-listen"), 0);
	c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(EAGAIN, un_connect(c, "@t-listen"));
	EQUAL(listen(s, 5), 0);
	EQUAL(un_connect(c, "@t-listen"), 0);
	FAILS(EOPNOTSUPP, listen(socket(AF_UNIX, SOCK_DGRAM, 0), 1));
	FAILS(EINVAL, listen(c, 1));
	FAILS(ENOTSOCK, listen(1, 1));
}
