/* SPDX-License-Identifier: Apache-2.0 */
/* clock_nanosleep.c: clock_nanosleep(2). */
#include "t.h"

T_MAIN
{
	struct timespec ts, rem = { 7, 7 };
	int64_t start = t_now_ms();

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 30000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	EQUAL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	CHECK(t_now_ms() - start >= 29);
	ts = (struct timespec){ 1, 0 };
	EQUAL(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL), 0);
	ts = (struct timespec){ 0, 1000000 };
	EQUAL(syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &ts, NULL), 0);
	FAILS(EINVAL, syscall(SYS_clock_nanosleep, 99, 0, &ts, NULL));
	FAILS(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL));
	FAILS(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &ts, NULL));
	t_handle(SIGALRM, 0);
	ts = (struct timespec){ 4000000000, 0 };
	INTERRUPTED(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &ts, &rem));
	EQUAL(rem.tv_sec, 7); /* not written for absolute sleeps */
}
