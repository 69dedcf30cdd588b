/* SPDX-License-Identifier: Apache-2.0 */
/* nanosleep.c: nanosleep(2): duration, remaining time, stops. */
#include "t.h"

T_MAIN
{
	struct timespec ts = { 0, 50000000 }, rem = { 9, 9 }, bad = { 0, 1000000000 };
	int64_t start = t_now_ms();
	pid_t pid;

	EQUAL(syscall(SYS_nanosleep, &ts, NULL), 0);
	CHECK(t_now_ms() - start >= 50 && t_now_ms() - start < 500);
	FAILS(EINVAL, syscall(SYS_nanosleep, &bad, NULL));
	FAILS(EFAULT, syscall(SYS_nanosleep, BAD_PTR, NULL));
	t_handle(SIGALRM, SA_RESTART);
	t_alarm_ms(30);
	ts = (struct timespec){ 1, 0 };
	FAILS(EINTR, syscall(SYS_nanosleep, &ts, &rem));
	CHECK(rem.tv_sec == 0 && rem.tv_nsec > 500000000);
	pid = fork();
	if (pid == 0) {
		start = t_now_ms();
		ts = (struct timespec){ 0, 200000000 };
		_exit(!(nanosleep(&ts, NULL) == 0 && t_now_ms() - start >= 200 &&
			t_now_ms() - start < 500));
	}
	t_sleep_ms(50);
	kill(pid, SIGSTOP);
	t_sleep_ms(50);
	kill(pid, SIGCONT);
	EQUAL(t_wait(pid), 0);
}
