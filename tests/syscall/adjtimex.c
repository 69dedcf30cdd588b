/* SPDX-License-Identifier: Apache-2.0 */
/* adjtimex.c: adjtimex(2). */
#include "t.h"

#include <sys/timex.h>

T_MAIN
{
	struct timex tx = { .modes = 0 };

	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	CHECK(tx.time.tv_sec > 1600000000);
	if (getuid() == 0)
		EQUAL(setuid(1000), 0);
	tx.modes = ADJ_TICK;
	FAILS(EPERM, syscall(SYS_adjtimex, &tx));
}
