/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_settime.c: timerfd_settime(2). */
#include "t.h"

#include <sys/timerfd.h>

T_MAIN
{
	struct itimerspec its = { { 0, 10000000 }, { 1000, 0 } }, old;
	int f = timerfd_create(CLOCK_MONOTONIC, 0);
	struct pollfd p = { f, POLLIN, 0 };
	uint64_t v = 0, sum;
	int64_t start;

	EQUAL(timerfd_settime(f, 0, &its, NULL), 0);
	EQUAL(poll(&p, 1, 0), 0);
	its.it_value = (struct timespec){ 0, 20000000 };
	start = t_now_ms();
	EQUAL(timerfd_settime(f, 0, &its, NULL), 0);
	EQUAL(read(f, &v, 8), 8);
	CHECK(t_now_ms() - start >= 19);
	CHECK(v >= 1 && v <= (uint64_t)(t_now_ms() - start - 9) / 10); /* at 20 ms, 30, 40 */
	t_sleep_ms(55);
	sum = v;
	EQUAL(read(f, &v, 8), 8);
	sum += v;
	CHECK(v >= 5 && sum <= (uint64_t)(t_now_ms() - start - 9) / 10);
	its = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	EQUAL(timerfd_settime(f, 0, &its, &old), 0);
	EQUAL(old.it_interval.tv_nsec, 10000000);
	CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 10000000);
	EQUAL(poll(&p, 1, 20), 0);
	clock_gettime(CLOCK_MONOTONIC, &its.it_value);
	EQUAL(timerfd_settime(f, TFD_TIMER_ABSTIME, &its, NULL), 0);
	EQUAL(read(f, &v, 8), 8);
	EQUAL(v, 1);
	its.it_value.tv_nsec = 1000000000;
	FAILS(EINVAL, timerfd_settime(f, 0, &its, NULL));
	its.it_value.tv_nsec = 1;
	FAILS(EINVAL, timerfd_settime(f, 8, &its, NULL));
	FAILS(EINVAL, timerfd_settime(0, 0, &its, NULL));
	FAILS(EBADF, timerfd_settime(99, 0, &its, NULL));
	FAILS(EFAULT, timerfd_settime(f, 0, BAD_PTR, NULL));
}
