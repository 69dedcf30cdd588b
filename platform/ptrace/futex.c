/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.c: priority-inheritance futexes, which are more than one host call: the protocol of the word is
 * kept by compare-and-exchange and plain waits, as platform/stub/futex.c says (there is no inheritance).
 *
 * It is done on the task's fiber, below plat_run(), in steps: each ends with a result, or with a wait.
 * A wait is like a native one: a kick's stop is reported, and the wait goes on, or the application makes
 * the call again.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>
#include <linux/futex.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

enum { STEP_START, STEP_LOCK, STEP_LOCK_SECOND };

/* The call's arguments; the registers are as they were at its start. */
struct call {
	uint64_t addr, op, cmd, second;
	uint64_t flags; /* FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME, for the waits */
};

static struct call call_of(const struct plat_thread *pt)
{
	const plat_regs_t *r = &pt->registers;
	struct call c = { .addr = r->rdi, .op = (uint32_t)r->rsi, .second = r->r8 };

	c.cmd = c.op & (uint64_t)FUTEX_CMD_MASK;
	c.flags = c.op & (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	if (c.cmd == FUTEX_LOCK_PI)
		c.flags |= FUTEX_CLOCK_REALTIME;
	return c;
}

bool traced_pi_is(uint64_t nr, uint64_t op)
{
	switch (nr == SYS_futex ? (uint32_t)op & (uint32_t)FUTEX_CMD_MASK : ~0u) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

static bool load32(struct plat_thread *pt, uint64_t addr, uint32_t *value)
{
	return plat_mm_read(pt->mm, addr, value, sizeof(*value), false) == sizeof(*value);
}

/* The next step, when the wait has ended; the application's own timeout, which is absolute. */
static bool wait_for(struct plat_thread *pt, uint8_t step, uint64_t addr, uint64_t flags, uint32_t value)
{
	const plat_regs_t *r = &pt->registers;

	pt->pi_step = step;
	pt->native = (struct native_call){
		.nr = SYS_futex,
		.args = { addr, FUTEX_WAIT_BITSET | flags, value, r->r10, 0, FUTEX_BITSET_MATCH_ANY },
	};
	return false;
}

static bool done(long *result, long r)
{
	*result = r;
	return true;
}

static bool lock(struct plat_thread *pt, const struct call *c, uint64_t addr, bool waited, long *result)
{
	uint32_t value, old, next;
	uint8_t again = addr == c->addr ? STEP_LOCK : STEP_LOCK_SECOND;

	if (addr & 3)
		return done(result, -EINVAL);
	for (;;) {
		if (!load32(pt, addr, &value))
			return done(result, -EFAULT);
		if ((value & FUTEX_TID_MASK) == pt->pi_tid)
			return done(result, -EDEADLK);
		old = value;
		if (!(value & FUTEX_TID_MASK)) {
			next = value | pt->pi_tid | (waited ? FUTEX_WAITERS : 0);
			if (traced_order_cmpxchg(pt, addr, &old, next) < 0)
				return done(result, -EFAULT);
			if (old == value)
				return done(result, 0);
			continue;
		}
		if (c->cmd == FUTEX_TRYLOCK_PI)
			return done(result, -EAGAIN);
		next = value | FUTEX_WAITERS;
		if (next != value && traced_order_cmpxchg(pt, addr, &old, next) < 0)
			return done(result, -EFAULT);
		if (old == value)
			return wait_for(pt, again, addr, c->flags, next);
	}
}

static bool unlock(struct plat_thread *pt, const struct call *c, long *result)
{
	const uint64_t wake[6] = { c->addr, FUTEX_WAKE | (c->flags & FUTEX_PRIVATE_FLAG), 1 };
	uint32_t value, old;
	long woken;

	if (c->addr & 3)
		return done(result, -EINVAL);
	do {
		if (!load32(pt, c->addr, &value))
			return done(result, -EFAULT);
		if ((value & FUTEX_TID_MASK) != pt->pi_tid)
			return done(result, -EPERM);
		old = value;
		if (traced_order_cmpxchg(pt, c->addr, &old, 0) < 0)
			return done(result, -EFAULT);
	} while (old != value);
	if (value & FUTEX_WAITERS)
		(void)!traced_order_call(pt, SYS_futex, wake, &woken);
	return done(result, 0);
}

/* Wake as many as would be woken or requeued. */
static bool cmp_requeue(struct plat_thread *pt, const struct call *c, long *result)
{
	const plat_regs_t *r = &pt->registers;
	int32_t wake = (int32_t)r->rdx, requeue = (int32_t)r->r10;
	const uint64_t args[6] = {
		c->addr, FUTEX_CMP_REQUEUE | (c->flags & FUTEX_PRIVATE_FLAG),
		(uint64_t)(requeue == INT32_MAX ? INT32_MAX : requeue + 1), 0, c->second, r->r9,
	};

	if (c->addr == c->second || wake != 1 || requeue < 0)
		return done(result, -EINVAL);
	if (traced_order_call(pt, SYS_futex, args, result) < 0)
		*result = -EFAULT;
	return true;
}

static bool timeout_is_bad(struct plat_thread *pt, const struct call *c, long *result)
{
	int64_t when[2];

	if (!pt->registers.r10 || (c->cmd != FUTEX_LOCK_PI && c->cmd != FUTEX_LOCK_PI2 &&
				   c->cmd != FUTEX_WAIT_REQUEUE_PI))
		return false;
	if (plat_mm_read(pt->mm, pt->registers.r10, when, sizeof(when), false) != sizeof(when))
		return done(result, -EFAULT);
	if (when[0] < 0 || when[1] < 0 || when[1] >= NSEC_PER_SEC)
		return done(result, -EINVAL);
	return false;
}

static bool start(struct plat_thread *pt, const struct call *c, long *result)
{
	if ((c->op & FUTEX_CLOCK_REALTIME) && c->cmd != FUTEX_WAIT_REQUEUE_PI && c->cmd != FUTEX_LOCK_PI2)
		return done(result, -ENOSYS);
	if (timeout_is_bad(pt, c, result))
		return true;
	switch (c->cmd) {
	case FUTEX_UNLOCK_PI:
		return unlock(pt, c, result);
	case FUTEX_CMP_REQUEUE_PI:
		return cmp_requeue(pt, c, result);
	case FUTEX_WAIT_REQUEUE_PI:
		if (c->addr == c->second)
			return done(result, -EINVAL);
		return wait_for(pt, STEP_LOCK_SECOND, c->addr, c->flags, (uint32_t)pt->registers.rdx);
	default:
		return lock(pt, c, c->addr, false, result);
	}
}

void traced_pi_begin(struct plat_thread *pt)
{
	pt->pi = true;
	pt->native_asked = SYS_futex;
	pt->pi_step = STEP_START;
}

bool traced_pi_step(struct plat_thread *pt, long *result)
{
	struct call c = call_of(pt);
	long r = pt->native_result;

	switch (pt->pi_step) {
	case STEP_START:
		return start(pt, &c, result);
	case STEP_LOCK:
		if (r && r != -EAGAIN)
			return done(result, r);
		return lock(pt, &c, c.addr, true, result);
	default:
		/* The first wait's EAGAIN says that the word was not what the caller thought. */
		if (r && !(r == -EAGAIN && pt->native.args[0] == c.second))
			return done(result, r);
		return lock(pt, &c, c.second, true, result);
	}
}
