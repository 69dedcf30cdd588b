/* SPDX-License-Identifier: Apache-2.0 */
/* groups: setgroups(2) and getgroups(2), up to NGROUPS_MAX; the kernel keeps them sorted. */
#include "t.h"

#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static gid_t given[NGROUPS_MAX + 1], got[NGROUPS_MAX + 1];

static void round_trip(int count)
{
	for (int i = 0; i < count; i++)
		given[i] = (gid_t)(count - i) * 7 % 65521;
	EQUAL(setgroups((size_t)count, given), 0);
	EQUAL(getgroups(0, NULL), count);
	EQUAL(getgroups(NGROUPS_MAX, got), count);
	for (int i = 1; i < count; i++)
		if (got[i - 1] > got[i])
			CHECK(!"not sorted");
	if (count > 1)
		FAILS(EINVAL, getgroups(count - 1, got));
}

T_MAIN
{
	if (geteuid() != 0)
		exit(77);
	round_trip(1);
	round_trip(300);
	round_trip(NGROUPS_MAX);
	FAILS(EINVAL, setgroups(NGROUPS_MAX + 1, given));
	EQUAL(getgroups(0, NULL), NGROUPS_MAX);
	FAILS(EFAULT, setgroups(2, (gid_t *)8));
	round_trip(0);
}
