/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.c: pipe(2), and what readv, writev and FIFOs make of it. */
#include "t.h"

T_MAIN
{
	char a[4] = "", b[4] = "", name[] = "/tmp/t-fifo-XXXXXX";
	struct iovec in[2] = { { a, 3 }, { b, 3 } };
	struct iovec out[2] = { { (char *)"ab", 2 }, { (char *)"cde", 3 } };
	int fd[2], f, g;

	FAILS(EFAULT, syscall(SYS_pipe, BAD_PTR));
	EQUAL(syscall(SYS_pipe, fd), 0);
	EQUAL(writev(fd[1], out, 2), 5);
	EQUAL(readv(fd[0], in, 2), 5);
	CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "de", 2));
	close(fd[1]);
	EQUAL(read(fd[0], a, 1), 0);
	close(fd[0]);

	close(mkstemp(name));
	unlink(name);
	EQUAL(mkfifo(name, 0600), 0);
	FAILS(ENXIO, open(name, O_WRONLY | O_NONBLOCK));
	f = open(name, O_RDONLY | O_NONBLOCK);
	CHECK(f >= 0);
	EQUAL(read(f, a, 1), 0);
	g = open(name, O_WRONLY);
	CHECK(g >= 0);
	FAILS(EAGAIN, read(f, a, 1));
	EQUAL(write(g, "x", 1), 1);
	EQUAL(read(f, a, 1), 1);
	close(f);
	close(g);
	unlink(name);
}
