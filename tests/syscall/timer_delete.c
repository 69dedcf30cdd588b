/* SPDX-License-Identifier: Apache-2.0 */
/* timer_delete.c: timer_delete(2). */
#include "t.h"

T_MAIN
{
	struct itimerspec its = { { 0, 5000000 }, { 0, 5000000 } };
	int id;

	t_handle(SIGALRM, 0);
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	EQUAL(syscall(SYS_timer_delete, id), 0);
	t_signals = 0;
	t_sleep_ms(20);
	EQUAL(t_signals, 0);
	FAILS(EINVAL, syscall(SYS_timer_delete, id));
	/* Not inherited. */
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	if (fork() == 0)
		_exit(!(syscall(SYS_timer_delete, id) == -1 && errno == EINVAL));
	int status;
	wait(&status);
	EQUAL(status, 0);
}
