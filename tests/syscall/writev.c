/* SPDX-License-Identifier: Apache-2.0 */
/* writev.c: writev(2), pwritev(2), sendmsg(2): what the pieces name, however many, large, empty, overlapping or bad they are. */
#include "un.h"

#define LARGE 70000

static char large[LARGE], seen[2 * LARGE];

static void pieces(int out, int in)
{
	char a[] = "abc", b[] = "defg";
	struct iovec two[2] = { { a, 3 }, { b, 4 } };
	struct iovec same[3] = { { b, 4 }, { b + 1, 2 }, { b, 1 } };
	struct iovec bad[2] = { { BAD_PTR, 4 }, { a, 3 } };
	struct iovec empty[3] = { { BAD_PTR, 0 }, { a, 3 }, { NULL, 0 } };
	struct iovec many[16];
	struct msghdr m = { .msg_iov = many, .msg_iovlen = 16 };

	EQUAL(writev(out, two, 2), 7);
	EQUAL(read(in, seen, 100), 7);
	CHECK(!memcmp(seen, "abcdefg", 7));
	EQUAL(writev(out, same, 3), 7);
	EQUAL(read(in, seen, 100), 7);
	CHECK(!memcmp(seen, "defgefd", 7));
	FAILS(EFAULT, writev(out, bad, 2));
	FAILS(EFAULT, writev(out, BAD_PTR, 2));
	EQUAL(writev(out, empty, 3), 3);
	EQUAL(read(in, seen, 100), 3);
	FAILS(EINVAL, syscall(SYS_writev, out, two, -1L));
	for (int i = 0; i < 16; i++)
		many[i] = (struct iovec){ a + i % 3, 1 };
	EQUAL(writev(out, many, 16), 16);
	EQUAL(read(in, seen, 100), 16);
	CHECK(!memcmp(seen, "abcabcabcabcabca", 16));
	EQUAL(sendmsg(out, &m, 0), 16);
	EQUAL(read(in, seen, 100), 16);
	CHECK(!memcmp(seen, "abcabcabcabcabca", 16));
	m.msg_iovlen = 2;
	EQUAL(sendmsg(out, &m, 0), 2);
	EQUAL(read(in, seen, 100), 2);
	CHECK(!memcmp(seen, "ab", 2));
	m.msg_iov = bad;
	FAILS(EFAULT, sendmsg(out, &m, 0));
	m.msg_iov = BAD_PTR;
	FAILS(EFAULT, sendmsg(out, &m, 0));
}

T_MAIN
{
	char name[] = "/tmp/t-writev-XXXXXX", h[] = "head";
	struct iovec file[3] = { { h, 4 }, { large, LARGE }, { h + 1, 3 } };
	int s[2], fd;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	/* More often than a call site is left unpatched. */
	for (int i = 0; i < 40; i++)
		pieces(s[0], s[1]);

	for (int i = 0; i < LARGE; i++)
		large[i] = (char)(i * 7 / 5);
	fd = mkstemp(name);
	CHECK(fd >= 0);
	unlink(name);
	EQUAL(writev(fd, file, 3), LARGE + 7);
	EQUAL(pwritev(fd, file, 1, LARGE + 7), 4);
	EQUAL(pread(fd, seen, sizeof(seen), 0), LARGE + 11);
	CHECK(!memcmp(seen, "head", 4) && !memcmp(seen + 4, large, LARGE) && !memcmp(seen + 4 + LARGE, "eadhead", 7));
	file[1].iov_len = 30000;
	EQUAL(pwritev2(fd, file, 3, 100, 0), 30007);
	EQUAL(pread(fd, seen, 30007, 100), 30007);
	CHECK(!memcmp(seen, "head", 4) && !memcmp(seen + 4, large, 30000) && !memcmp(seen + 30004, "ead", 3));
	close(fd);
}
