/* SPDX-License-Identifier: Apache-2.0 */
/* sched_getaffinity(2), sched_setaffinity(2): numbers that name nobody, sizes. */
#include "t.h"

#include <sched.h>

/* After the call it runs nowhere else; threads, children and new programs neither. */
static int cpu_is(int cpu)
{
	for (int i = 0; i < 200; i++) {
		if (sched_getcpu() != cpu)
			return 1;
		if (i % 20 == 0)
			sched_yield();
	}
	return 0;
}

static int wanted;

static int child(void)
{
	return cpu_is(wanted);
}

static void runs_there(void)
{
	cpu_set_t all, one;

	EQUAL(sched_getaffinity(0, sizeof(all), &all), 0);
	for (wanted = 0; wanted < CPU_SETSIZE; wanted++) {
		if (!CPU_ISSET(wanted, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(wanted, &one);
		EQUAL(sched_setaffinity(0, sizeof(one), &one), 0);
		EQUAL(cpu_is(wanted), 0);
		EQUAL(t_wait(t_fork(child)), 0);
	}
	EQUAL(sched_setaffinity(0, sizeof(all), &all), 0);
}

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
	runs_there();
	FAILS(ESRCH, syscall(SYS_sched_setaffinity, -1, n, mask));
	memset(mask, 0, sizeof(mask));
	FAILS(EINVAL, syscall(SYS_sched_setaffinity, 0, n, mask));
}
