/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.c: eventfd(2) without flags. */
#include "t.h"

T_MAIN
{
	int e = (int)syscall(SYS_eventfd, 5);
	uint64_t v;

	CHECK(e >= 0);
	EQUAL(read(e, &v, 8), 8);
	EQUAL(v, 5);
	EQUAL(fcntl(e, F_GETFD), 0);
}
