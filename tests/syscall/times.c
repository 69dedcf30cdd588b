/* SPDX-License-Identifier: Apache-2.0 */
/* times.c: times(2). */
#include "t.h"

#include <sys/times.h>

static int burn(void)
{
	clock_t start = clock();

	while (clock() - start < CLOCKS_PER_SEC / 5)
		for (volatile unsigned int n = 0; n < 10000000; n++)
			;
	return 0;
}

T_MAIN
{
	struct tms a, b;
	clock_t x = times(&a), y;

	EQUAL(t_wait(t_fork(burn)), 0);
	y = times(&b);
	CHECK(y > x);
	CHECK(b.tms_cutime - a.tms_cutime >= 5);
	burn();
	times(&a);
	CHECK(a.tms_utime - b.tms_utime >= 5);
	FAILS(EFAULT, syscall(SYS_times, BAD_PTR));
	CHECK(syscall(SYS_times, NULL) > 0);
}
