/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_create.c: timerfd_create(2). */
#include "t.h"

#include <sys/timerfd.h>

T_MAIN
{
	int f = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	uint64_t v;

	EQUAL(fcntl(f, F_GETFD), FD_CLOEXEC);
	FAILS(EAGAIN, read(f, &v, 8));
	FAILS(EINVAL, timerfd_create(CLOCK_MONOTONIC, 1));
	FAILS(EINVAL, timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0));
	FAILS(EINVAL, timerfd_create(99, 0));
}
