/* SPDX-License-Identifier: Apache-2.0 */
/* pselect6.c: pselect6(2). */
#include "t.h"

#include <sys/select.h>

T_MAIN
{
	uint64_t none = 0;
	struct { void *set; size_t size; } sig = { &none, 8 }, bad = { &none, 7 };
	struct timespec ts = { 0, 10000000 };
	sigset_t alarm, now;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	EQUAL(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, NULL), 0);
	CHECK(ts.tv_nsec == 0);
	FAILS(EINVAL, syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &bad));
	FAILS(EFAULT, syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, BAD_PTR));
	t_handle(SIGALRM, 0);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	t_alarm_ms(10);
	ts = (struct timespec){ 1000, 0 };
	FAILS(EINTR, syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &sig));
	CHECK(ts.tv_sec >= 900 && ts.tv_sec < 1000);
	EQUAL(t_signals, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EQUAL(sigismember(&now, SIGALRM), 1);
}
