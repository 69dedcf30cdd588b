/* SPDX-License-Identifier: Apache-2.0 */
/* membarrier.c: membarrier(2): the private commands, and those for everybody. */
#include "t.h"

#include <linux/membarrier.h>

static long barrier(int cmd, unsigned int flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

T_MAIN
{
	long have = barrier(MEMBARRIER_CMD_QUERY, 0);

	CHECK(have > 0 && (have & MEMBARRIER_CMD_PRIVATE_EXPEDITED));
	if (have & MEMBARRIER_CMD_GLOBAL)
		EQUAL(barrier(MEMBARRIER_CMD_GLOBAL, 0), 0);
	if (have & MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
		EQUAL(barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0), 0);
		EQUAL(barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0), 0);
		FAILS(EINVAL, barrier(MEMBARRIER_CMD_GLOBAL, 1));
	}
	FAILS(EINVAL, barrier(MEMBARRIER_CMD_QUERY, 2));
	FAILS(EINVAL, barrier(3, 0));
	FAILS(EINVAL, barrier(-1, 0));
	FAILS(EINVAL, barrier(1 << 30, 0));
	EQUAL(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	EQUAL(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
	if (have & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) {
		FAILS(EPERM, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0));
		EQUAL(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0), 0);
		EQUAL(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0), 0);
	}
}
