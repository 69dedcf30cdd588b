/* SPDX-License-Identifier: Apache-2.0 */
/* timer_settime.c: timer_settime(2). */
#include "t.h"

T_MAIN
{
	struct itimerspec its = { { 0, 10000000 }, { 0, 10000000 } }, old, off = { { 0, 0 }, { 0, 0 } };
	int64_t start;
	int id;

	t_handle(SIGALRM, 0);
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	start = t_now_ms();
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	AWAIT(t_signals >= 5);
	CHECK(t_now_ms() - start >= 49);
	EQUAL(syscall(SYS_timer_settime, id, 0, &off, &old), 0);
	CHECK(t_signals <= (t_now_ms() - start + 1) / 10);
	EQUAL(old.it_interval.tv_nsec, 10000000);
	t_signals = 0;
	t_sleep_ms(30);
	EQUAL(t_signals, 0);
	clock_gettime(CLOCK_MONOTONIC, &its.it_value);
	its.it_interval.tv_nsec = 0;
	EQUAL(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &its, NULL), 0);
	AWAIT(t_signals);
	EQUAL(t_signals, 1);
	its.it_value.tv_nsec = -1;
	FAILS(EINVAL, syscall(SYS_timer_settime, id, 0, &its, NULL));
	FAILS(EINVAL, syscall(SYS_timer_settime, 12345, 0, &off, NULL));
	FAILS(EINVAL, syscall(SYS_timer_settime, id, 0, NULL, NULL));
	FAILS(EFAULT, syscall(SYS_timer_settime, id, 0, BAD_PTR, NULL));
}
