/* SPDX-License-Identifier: Apache-2.0 */
/* bind.c: bind(2) of AF_UNIX sockets. */
#include "un.h"

T_MAIN
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len = sizeof(sa);
	struct stat st;

	unlink("/tmp/t-bind");
	umask(022);
	FAILS(EINVAL, bind(s, (struct sockaddr *)&sa, 1));
	FAILS(EINVAL, bind(s, (struct sockaddr *)&sa, sizeof(sa) + 1));
	FAILS(EFAULT, bind(s, BAD_PTR, 10));
	FAILS(ENOENT, un_bind(s, "/tmp/none/x"));
	EQUAL(un_bind(s, "/tmp/t-bind"), 0);
	FAILS(EINVAL, un_bind(s, "/tmp/t-bind2"));
	FAILS(EADDRINUSE, un_bind(d, "/tmp/t-bind"));
	EQUAL(stat("/tmp/t-bind", &st), 0);
	EQUAL(st.st_mode, S_IFSOCK | 0755);
	FAILS(ENXIO, open("/tmp/t-bind", O_RDONLY));
	EQUAL(getsockname(s, (struct sockaddr *)&sa, &len), 0);
	EQUAL(len, 2 + strlen("/tmp/t-bind") + 1);
	unlink("/tmp/t-bind");
	sa.sun_family = AF_UNIX;
	EQUAL(bind(d, (struct sockaddr *)&sa, 2), 0); /* autobind */
	len = sizeof(sa);
	EQUAL(getsockname(d, (struct sockaddr *)&sa, &len), 0);
	EQUAL(len, 8);
	EQUAL(sa.sun_path[0], 0);
	sa.sun_family = AF_INET;
	FAILS(EINVAL, bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&sa, 16));
	FAILS(ENOTSOCK, bind(0, (struct sockaddr *)&sa, 16));
	FAILS(EBADF, bind(99, (struct sockaddr *)&sa, 16));
}
