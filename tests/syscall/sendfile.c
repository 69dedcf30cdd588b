/* SPDX-License-Identifier: Apache-2.0 */
/* sendfile.c: sendfile(2). */
#include "t.h"

#include <sys/sendfile.h>

T_MAIN
{
	char buf[16] = "", name[] = "/tmp/t-sendfile-XXXXXX";
	int s[2], p[2], q[2], f = mkstemp(name), g = open(name, O_RDONLY);
	off_t off = 3;

	unlink(name);
	EQUAL(write(f, "0123456789", 10), 10);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	EQUAL(pipe(p), 0);
	EQUAL(sendfile(s[0], g, &off, 4), 4);
	EQUAL(off, 7);
	EQUAL(recv(s[1], buf, 16, 0), 4);
	CHECK(!memcmp(buf, "3456", 4));
	EQUAL(sendfile(p[1], g, NULL, 100), 10);
	EQUAL(lseek(g, 0, SEEK_CUR), 10);
	EQUAL(sendfile(s[0], g, NULL, 4), 0);
	FAILS(EBADF, sendfile(g, f, NULL, 1));
	FAILS(EBADF, sendfile(s[0], p[1], NULL, 1));
	/* What has no position is no source (Go's io.Copy falls back on that), but a socket for a pipe. */
	FAILS(EINVAL, sendfile(s[0], p[0], NULL, 1));
	FAILS(EINVAL, sendfile(s[0], s[1], NULL, 1));
	EQUAL(pipe(q), 0);
	FAILS(EINVAL, sendfile(q[1], p[0], NULL, 1));
	EQUAL(send(s[0], "x", 1, 0), 1);
	EQUAL(sendfile(q[1], s[1], NULL, 1), 1);
	off = 0;
	FAILS(ESPIPE, sendfile(s[0], p[0], &off, 1));
	FAILS(EFAULT, sendfile(s[0], g, BAD_PTR, 1));
}
