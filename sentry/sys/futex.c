/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.c: futex(2) where it comes to the Sentry.
 *
 * Futexes are the host's: the stub makes those calls itself.  They come here only when native calls
 * are off (a seccomp filter, a tracer) or the stub can't make one, and then the stub is told to make
 * it all the same: an address must not have waiters in two places.
 */
#include <errno.h>
#include <linux/futex.h>

#include "sentry/sys/dispatch.h"
#include "sys_calls.h"

long sys_futex(struct task *t, uaddr_t addr, int op, unsigned int val, uaddr_t timeout, uaddr_t addr2,
	       unsigned int val3)
{
	(void)t, (void)addr, (void)val, (void)timeout, (void)addr2, (void)val3;
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		return -ENATIVE;
	default:
		return -ENOSYS;
	}
}
