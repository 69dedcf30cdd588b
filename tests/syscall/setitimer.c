/* SPDX-License-Identifier: Apache-2.0 */
/* setitimer.c: setitimer(2): real and CPU time, intervals. */
#include "t.h"

T_MAIN
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, old, off = { { 0, 0 }, { 0, 0 } };
	int64_t start;

	t_handle(SIGALRM, 0);
	t_handle(SIGVTALRM, 0);
	t_handle(SIGPROF, 0);
	start = t_now_ms();
	EQUAL(setitimer(ITIMER_REAL, &it, NULL), 0);
	AWAIT(t_signals >= 5);
	CHECK(t_now_ms() - start >= 49);
	EQUAL(setitimer(ITIMER_REAL, &off, &old), 0);
	CHECK(t_signals <= (t_now_ms() - start + 1) / 10);
	EQUAL(old.it_interval.tv_usec, 10000);
	CHECK(old.it_value.tv_usec <= 10000);
	t_signals = 0;
	t_sleep_ms(30);
	EQUAL(t_signals, 0);
	it = (struct itimerval){ { 0, 0 }, { 0, 30000 } };
	EQUAL(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
	t_sleep_ms(60); /* uses no CPU time */
	EQUAL(t_signals, 0);
	start = t_now_ms();
	while (!t_signals && t_now_ms() - start < T_GUARD_MS)
		;
	EQUAL(t_signals, 1);
	EQUAL(setitimer(ITIMER_PROF, &it, NULL), 0);
	start = t_now_ms();
	while (t_signals < 2 && t_now_ms() - start < T_GUARD_MS)
		;
	EQUAL(t_signals, 2);
	FAILS(EINVAL, setitimer(3, &it, NULL));
	it.it_value.tv_usec = 1000000;
	FAILS(EINVAL, setitimer(ITIMER_REAL, &it, NULL));
	FAILS(EFAULT, setitimer(ITIMER_REAL, BAD_PTR, NULL));
	/* Not inherited by fork, kept by exec: the latter is exec's test. */
	it = (struct itimerval){ { 0, 0 }, { 100, 0 } };
	EQUAL(setitimer(ITIMER_REAL, &it, NULL), 0);
	if (fork() == 0) {
		getitimer(ITIMER_REAL, &old);
		_exit(old.it_value.tv_sec != 0);
	}
	int status;
	wait(&status);
	EQUAL(status, 0);
}
