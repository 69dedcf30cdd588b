/* SPDX-License-Identifier: Apache-2.0 */
/* clock_settime.c: clock_settime(2) is not for the unprivileged. */
#include "t.h"

T_MAIN
{
	struct timespec ts = { 1, -1 };

	if (getuid() == 0)
		EQUAL(setuid(1000), 0);
	FAILS(EINVAL, syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
	ts.tv_nsec = 0;
	FAILS(EPERM, syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
	FAILS(EINVAL, syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts));
	FAILS(EFAULT, syscall(SYS_clock_settime, CLOCK_REALTIME, BAD_PTR));
}
