/* SPDX-License-Identifier: Apache-2.0 */
/* vmsplice.c: vmsplice(2), both ways. */
#include "t.h"

T_MAIN
{
	char x[4] = "abc", y[4] = "def", r[8] = "";
	struct iovec out[2] = { { x, 3 }, { y, 3 } }, in = { r, 8 };
	int a[2];

	EQUAL(pipe2(a, O_NONBLOCK), 0);
	EQUAL(vmsplice(a[1], out, 2, 0), 6);
	EQUAL(vmsplice(a[0], &in, 1, 0), 6);
	CHECK(!memcmp(r, "abcdef", 6));
	FAILS(EAGAIN, vmsplice(a[0], &in, 1, SPLICE_F_NONBLOCK));
	FAILS(EBADF, vmsplice(-1, &in, 1, 0));
	FAILS(EINVAL, vmsplice(a[1], out, 2, 0x100));
	EQUAL(vmsplice(a[1], out, 0, 0), 0);
}
