/* SPDX-License-Identifier: Apache-2.0 */
/* socketpair.c: socketpair(2). */
#include "t.h"

static int s[2];

static int child(void)
{
	char buf[4];

	close(s[0]);
	return read(s[1], buf, 4) == 3 && write(s[1], "ok", 2) == 2 ? 0 : 1;
}

T_MAIN
{
	char buf[8];
	pid_t pid;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = t_fork(child);
	close(s[1]);
	EQUAL(write(s[0], "abc", 3), 3);
	EQUAL(read(s[0], buf, 8), 2);
	EQUAL(t_wait(pid), 0);
	EQUAL(read(s[0], buf, 8), 0);
	FAILS(EFAULT, socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_PTR));
	FAILS(EAFNOSUPPORT, socketpair(200, SOCK_STREAM, 0, s));
}
