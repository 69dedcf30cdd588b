/* SPDX-License-Identifier: Apache-2.0 */
/* nanosleep.c: nanosleep(2): duration, remaining time, stops. */
#include "t.h"

/* Not from the beginning again: that would be 300 ms. */
static int sleeps_on(void)
{
	struct timespec ts = { 0, 200000000 };
	int64_t start = t_now_ms();

	if (nanosleep(&ts, NULL) || t_now_ms() - start < 200)
		return 2;
	return t_now_ms() - start < 290 ? 0 : 1;
}

T_MAIN
{
	struct timespec ts = { 0, 50000000 }, rem = { 9, 9 }, bad = { 0, 1000000000 };
	int64_t start = t_now_ms();

	EQUAL(syscall(SYS_nanosleep, &ts, NULL), 0);
	CHECK(t_now_ms() - start >= 50);
	FAILS(EINVAL, syscall(SYS_nanosleep, &bad, NULL));
	FAILS(EFAULT, syscall(SYS_nanosleep, BAD_PTR, NULL));
	t_handle(SIGALRM, SA_RESTART);
	ts = (struct timespec){ 1000, 0 };
	INTERRUPTED(syscall(SYS_nanosleep, &ts, &rem));
	CHECK(rem.tv_sec >= 900 && rem.tv_sec < 1000);
	t_stopped_on_the_way(sleeps_on);
}
