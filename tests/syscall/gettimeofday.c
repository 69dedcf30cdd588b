/* SPDX-License-Identifier: Apache-2.0 */
/* gettimeofday.c: gettimeofday(2). */
#include "t.h"

T_MAIN
{
	struct timezone tz = { 77, 77 };
	struct timeval tv;
	time_t now = time(NULL);

	EQUAL(syscall(SYS_gettimeofday, &tv, &tz), 0);
	CHECK(tv.tv_sec - now >= 0 && tv.tv_sec - now < 100 && tv.tv_usec < 1000000);
	CHECK(tz.tz_minuteswest != 77);
	EQUAL(syscall(SYS_gettimeofday, NULL, NULL), 0);
	FAILS(EFAULT, syscall(SYS_gettimeofday, BAD_PTR, NULL));
}
