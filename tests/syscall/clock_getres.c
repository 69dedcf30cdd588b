/* SPDX-License-Identifier: Apache-2.0 */
/* clock_getres.c: clock_getres(2). */
#include "t.h"

T_MAIN
{
	struct timespec ts;

	EQUAL(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &ts), 0);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 1);
	EQUAL(syscall(SYS_clock_getres, CLOCK_REALTIME_COARSE, &ts), 0);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec >= 1000000);
	EQUAL(syscall(SYS_clock_getres, CLOCK_PROCESS_CPUTIME_ID, NULL), 0);
	FAILS(EINVAL, syscall(SYS_clock_getres, 10, &ts));
}
