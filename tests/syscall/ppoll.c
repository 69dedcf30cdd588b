/* SPDX-License-Identifier: Apache-2.0 */
/* ppoll.c: ppoll(2): the mask, the remaining time. */
#include "t.h"

T_MAIN
{
	struct timespec ts = { 0, 20000000 };
	sigset_t none, alarm, now;
	uint64_t set = 0;
	pid_t self = getpid();

	sigemptyset(&none);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	EQUAL(syscall(SYS_ppoll, NULL, 0, &ts, NULL, 8), 0);
	EQUAL(ts.tv_nsec, 0);
	ts.tv_nsec = 1000000000;
	FAILS(EINVAL, syscall(SYS_ppoll, NULL, 0, &ts, NULL, 8));
	FAILS(EINVAL, syscall(SYS_ppoll, NULL, 0, NULL, &set, 4));
	FAILS(EFAULT, syscall(SYS_ppoll, NULL, 0, NULL, BAD_PTR, 8));

	t_handle(SIGALRM, 0);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	kill(self, SIGALRM);
	EQUAL(poll(NULL, 0, 10), 0); /* blocked */
	EQUAL(t_signals, 0);
	ts = (struct timespec){ 1000, 0 };
	errno = 0;
	EQUAL(syscall(SYS_ppoll, NULL, 0, &ts, &none, 8), -1);
	EQUAL(errno, EINTR);
	EQUAL(t_signals, 1);
	CHECK(ts.tv_sec >= 900 && ts.tv_sec < 1000); /* what is left */
	sigprocmask(SIG_BLOCK, NULL, &now);
	EQUAL(sigismember(&now, SIGALRM), 1); /* back as it was */
}
