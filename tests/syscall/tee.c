/* SPDX-License-Identifier: Apache-2.0 */
/* tee.c: tee(2). */
#include "t.h"

T_MAIN
{
	char buf[8] = "";
	int a[2], b[2];

	EQUAL(pipe2(a, O_NONBLOCK), 0);
	EQUAL(pipe2(b, O_NONBLOCK), 0);
	EQUAL(write(a[1], "abcd", 4), 4);
	EQUAL(tee(a[0], b[1], 3, 0), 3);
	EQUAL(read(a[0], buf, 8), 4);
	EQUAL(read(b[0], buf, 8), 3);
	FAILS(EAGAIN, tee(a[0], b[1], 3, 0));
	FAILS(EINVAL, tee(a[0], a[1], 3, 0));
	FAILS(EINVAL, tee(0x7fff, 0x7fff, 1, 0x100));
	FAILS(EBADF, tee(0x7fff, b[1], 1, 0));
	close(a[1]);
	EQUAL(tee(a[0], b[1], 3, 0), 0);
}
