/* SPDX-License-Identifier: Apache-2.0 */
/* timer_getoverrun.c: timer_getoverrun(2). */
#include "t.h"

T_MAIN
{
	struct itimerspec its = { { 0, 5000000 }, { 0, 5000000 } };
	siginfo_t info;
	sigset_t set;
	int64_t start;
	int id;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	EQUAL(syscall(SYS_timer_getoverrun, id), 0);
	start = t_now_ms();
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	t_sleep_ms(100);
	EQUAL(sigwaitinfo(&set, &info), SIGALRM);
	EQUAL(info.si_code, SI_TIMER);
	CHECK(info.si_overrun >= 15 && info.si_overrun < (t_now_ms() - start + 1) / 5);
	EQUAL(syscall(SYS_timer_getoverrun, id), info.si_overrun);
	FAILS(EINVAL, syscall(SYS_timer_getoverrun, 12345));
}
