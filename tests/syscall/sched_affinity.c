/* SPDX-License-Identifier: Apache-2.0 */
/* sched_getaffinity(2), sched_setaffinity(2): numbers that name nobody, sizes. */
#include "t.h"

#include <sched.h>

T_MAIN
{
	unsigned long mask[128];
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	CHECK(n > 0 && n % 8 == 0);
	EQUAL(syscall(SYS_sched_getaffinity, getpid(), sizeof(mask), mask), n);
	FAILS(ESRCH, syscall(SYS_sched_getaffinity, -1, sizeof(mask), mask));
	FAILS(ESRCH, syscall(SYS_sched_getaffinity, 4000000, sizeof(mask), mask));
	FAILS(EINVAL, syscall(SYS_sched_getaffinity, 0, 7, mask));
	FAILS(EFAULT, syscall(SYS_sched_getaffinity, 0, sizeof(mask), NULL));
	EQUAL(syscall(SYS_sched_setaffinity, 0, n, mask), 0);
	FAILS(ESRCH, syscall(SYS_sched_setaffinity, -1, n, mask));
	memset(mask, 0, sizeof(mask));
	FAILS(EINVAL, syscall(SYS_sched_setaffinity, 0, n, mask));
}
