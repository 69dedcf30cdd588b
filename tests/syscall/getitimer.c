/* SPDX-License-Identifier: Apache-2.0 */
/* getitimer.c: getitimer(2). */
#include "t.h"

T_MAIN
{
	struct itimerval it = { { 2, 0 }, { 1000, 0 } }, now;

	EQUAL(getitimer(ITIMER_REAL, &now), 0);
	CHECK(!now.it_value.tv_sec && !now.it_value.tv_usec);
	EQUAL(setitimer(ITIMER_REAL, &it, NULL), 0);
	EQUAL(getitimer(ITIMER_REAL, &now), 0);
	EQUAL(now.it_interval.tv_sec, 2);
	CHECK(now.it_value.tv_sec >= 900 && now.it_value.tv_sec <= 1000);
	EQUAL(setitimer(ITIMER_PROF, &it, NULL), 0);
	EQUAL(getitimer(ITIMER_PROF, &now), 0);
	CHECK(now.it_value.tv_sec >= 900 && now.it_value.tv_sec <= 1000);
	FAILS(EINVAL, getitimer(9, &now));
	FAILS(EFAULT, getitimer(ITIMER_REAL, BAD_PTR));
}
