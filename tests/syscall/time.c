/* SPDX-License-Identifier: Apache-2.0 */
/* time.c: time(2). */
#include "t.h"

T_MAIN
{
	time_t t = 0, now;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (time_t)syscall(SYS_time, &t);
	CHECK(now - ts.tv_sec >= -1 && now - ts.tv_sec < 100); /* it is the coarse clock */
	EQUAL(t, now);
	FAILS(EFAULT, syscall(SYS_time, BAD_PTR));
}
