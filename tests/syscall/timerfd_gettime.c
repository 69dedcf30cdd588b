/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_gettime.c: timerfd_gettime(2). */
#include "t.h"

#include <sys/timerfd.h>

T_MAIN
{
	struct itimerspec its = { { 1, 0 }, { 1000, 0 } }, now;
	int f = timerfd_create(CLOCK_REALTIME, 0);

	EQUAL(timerfd_gettime(f, &now), 0);
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
	EQUAL(timerfd_settime(f, 0, &its, NULL), 0);
	EQUAL(timerfd_gettime(f, &now), 0);
	CHECK(now.it_value.tv_sec >= 900 && now.it_value.tv_sec < 1000);
	EQUAL(now.it_interval.tv_sec, 1);
	FAILS(EBADF, timerfd_gettime(99, &now));
	FAILS(EINVAL, timerfd_gettime(1, &now));
	FAILS(EFAULT, timerfd_gettime(f, BAD_PTR));
}
