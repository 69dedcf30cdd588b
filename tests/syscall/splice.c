/* SPDX-License-Identifier: Apache-2.0 */
/* splice.c: splice(2) between pipes and files. */
#include "t.h"

T_MAIN
{
	char buf[64] = "", name[] = "/tmp/t-splice-XXXXXX";
	int a[2], b[2], f = mkstemp(name);
	loff_t off = 2;

	unlink(name);
	EQUAL(pipe2(a, O_NONBLOCK), 0);
	EQUAL(pipe2(b, O_NONBLOCK), 0);
	EQUAL(write(f, "0123456789", 10), 10);
	EQUAL(splice(f, &off, a[1], NULL, 5, 0), 5);
	EQUAL(off, 7);
	EQUAL(splice(a[0], NULL, b[1], NULL, 3, 0), 3);
	EQUAL(read(b[0], buf, sizeof(buf)), 3);
	CHECK(!memcmp(buf, "234", 3));
	off = 12;
	EQUAL(splice(a[0], NULL, f, &off, 100, 0), 2);
	EQUAL(off, 14);
	EQUAL(lseek(f, 0, SEEK_END), 14);
	FAILS(EAGAIN, splice(a[0], NULL, f, NULL, 1, 0));
	FAILS(EINVAL, splice(f, NULL, f, NULL, 1, 0));
	FAILS(EINVAL, splice(a[0], NULL, a[1], NULL, 1, 0));
	FAILS(EINVAL, splice(a[0], NULL, b[1], NULL, 1, 0x100));
	FAILS(ESPIPE, splice(a[0], &off, f, NULL, 1, 0));
	FAILS(EBADF, splice(a[1], NULL, f, NULL, 1, 0));
	FAILS(EBADF, splice(-1, NULL, f, NULL, 1, 0));
	EQUAL(splice(-1, NULL, -1, NULL, 0, 0), 0);
	close(a[1]);
	EQUAL(splice(a[0], NULL, f, NULL, 1, 0), 0);
}
