/* SPDX-License-Identifier: Apache-2.0 */
/* clock_adjtime.c: clock_adjtime(2) may be asked by anybody. */
#include "t.h"

#include <sys/timex.h>

T_MAIN
{
	struct timex tx = { .modes = 0 };

	CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0);
	CHECK(tx.tick >= 9000 && tx.tick <= 11000);
	CHECK(tx.time.tv_sec > 1600000000);
	FAILS(EOPNOTSUPP, syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx));
	FAILS(EFAULT, syscall(SYS_clock_adjtime, CLOCK_REALTIME, BAD_PTR));
}
