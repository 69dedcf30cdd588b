/* SPDX-License-Identifier: Apache-2.0 */
/* timer_gettime.c: timer_gettime(2). */
#include "t.h"

T_MAIN
{
	struct itimerspec its = { { 3, 0 }, { 1000, 0 } }, now;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	int id;

	EQUAL(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id), 0);
	EQUAL(syscall(SYS_timer_gettime, id, &now), 0);
	CHECK(!now.it_value.tv_sec && !now.it_value.tv_nsec);
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	EQUAL(syscall(SYS_timer_gettime, id, &now), 0);
	CHECK(now.it_value.tv_sec >= 900 && now.it_interval.tv_sec == 3);
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &id), 0);
	its = (struct itimerspec){ { 0, 20000000 }, { 0, 20000000 } };
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	t_sleep_ms(50);
	EQUAL(syscall(SYS_timer_gettime, id, &now), 0);
	CHECK(now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 20000000);
	FAILS(EINVAL, syscall(SYS_timer_gettime, 12345, &now));
	FAILS(EFAULT, syscall(SYS_timer_gettime, id, BAD_PTR));
}
