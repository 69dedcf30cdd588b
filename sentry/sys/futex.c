/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.c: futex(2), and its like that belong to threads of the host (rseq(2), membarrier(2)), where they
 * come to the Sentry.
 *
 * Futexes are the host's: the stub makes those calls itself.  They come here only when native calls
 * are off (a seccomp filter, a tracer) or the stub can't make one, and then the stub is told to make
 * it all the same: an address must not have waiters in two places.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "lib/fiber.h"
#include "lib/mutex.h"
#include "platform/host.h"
#include "sentry/kernel.h"
#include "sentry/sys/dispatch.h"
#include "sentry/task/task.h"
#include "sys_calls.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static bool futex_takes_clock(int cmd)
{
	return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI || cmd == FUTEX_LOCK_PI2;
}

/* Only ever made by the stub: see platform/stub/futex.c. */
long sys_futex_waitv(struct task *t, uaddr_t waiters, unsigned int count, unsigned int flags,
		     uaddr_t timeout, int clock)
{
	(void)t, (void)waiters, (void)count, (void)flags, (void)timeout, (void)clock;
	return -ENATIVE;
}

/* Made by the stub as operations of futex(2): platform/stub/native_rules.h. */
long sys_futex_wake(struct task *t, uaddr_t addr, unsigned long mask, int nr, unsigned int flags)
{
	(void)t, (void)addr, (void)mask, (void)nr, (void)flags;
	return -ENATIVE;
}

long sys_futex_wait(struct task *t, uaddr_t addr, unsigned long val, unsigned long mask, unsigned int flags,
		    uaddr_t timeout, int clock)
{
	(void)t, (void)addr, (void)val, (void)mask, (void)flags, (void)timeout, (void)clock;
	return -ENATIVE;
}

long sys_futex_requeue(struct task *t, uaddr_t waiters, unsigned int flags, int nr_wake, int nr_requeue)
{
	(void)t, (void)waiters, (void)flags, (void)nr_wake, (void)nr_requeue;
	return -ENATIVE;
}

/*
 * The host's too, made by the stub (platform/stub/native.c), where the host's numbers of CPUs are those that the
 * application is shown: it will use them as indexes.  Else the C library does without.
 */
long sys_rseq(struct task *t, uaddr_t area, unsigned int size, int flags, unsigned int sig)
{
	(void)area, (void)size, (void)flags, (void)sig;
	return kernel_has_host_cpus(t->process->container) ? -ENATIVE : -ENOSYS;
}

/*
 * The barrier for everybody takes the host a grace period (tens of ms), on a worker.  Workers are few and serve all
 * containers, so one at a time waits, for all who came before it began.  The mutex is held over that host call.
 */
static struct {
	struct mutex mutex;
	_Atomic(uint64_t) begun;
	long result; /* (mutex) the last one's; a host may have no such barrier */
} barrier = { .mutex = { .waiters = LIST_INIT(barrier.mutex.waiters), .rank = LOCK_LEAF } };

static long barrier_global(void)
{
	uint64_t seen = atomic_load_explicit(&barrier.begun, memory_order_seq_cst);
	long r;

	mutex_lock(&barrier.mutex);
	if (atomic_load_explicit(&barrier.begun, memory_order_relaxed) == seen) {
		atomic_store_explicit(&barrier.begun, seen + 1, memory_order_seq_cst);
		worker_block_begin();
		barrier.result = host_call(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		worker_block_end();
	}
	r = barrier.result;
	mutex_unlock(&barrier.mutex);
	return r;
}

/* The stub's too where the barrier is for its process alone. */
long sys_membarrier(struct task *t, int cmd, unsigned int flags, int cpu)
{
	(void)t, (void)cpu;
	switch (cmd) {
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
		return -ENATIVE;
	}
	if (flags)
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED: /* the former does more, and asks for no registration */
		return barrier_global();
	default:
		return -ENATIVE;
	}
}

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
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		if ((op & FUTEX_CLOCK_REALTIME) && !futex_takes_clock(op & FUTEX_CMD_MASK))
			return -ENOSYS;
		return -ENATIVE;
	default:
		return -ENOSYS;
	}
}
