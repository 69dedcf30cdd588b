/* SPDX-License-Identifier: Apache-2.0 */
/* getsockname.c: getsockname(2). */
#include "un.h"

T_MAIN
{
	struct sockaddr_un sa;
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);

	EQUAL(getsockname(s, (struct sockaddr *)&sa, &len), 0);
	EQUAL(len, 2);
	EQUAL(un_bind(s, "@t-getsockname"), 0);
	len = 6;
	memset(&sa, 'x', sizeof(sa));
	EQUAL(getsockname(s, (struct sockaddr *)&sa, &len), 0);
	EQUAL(len, 16); /* the full size; only 6 were written */
	CHECK(!memcmp(sa.sun_path, "\0t-gxx", 6));
	len = (socklen_t)-1;
	FAILS(EINVAL, getsockname(s, (struct sockaddr *)&sa, &len));
	FAILS(EFAULT, getsockname(s, (struct sockaddr *)&sa, BAD_PTR));
	FAILS(ENOTSOCK, getsockname(0, (struct sockaddr *)&sa, &len));
}
