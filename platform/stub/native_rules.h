/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native_rules.h: which system calls of an application are answered in its own process by the host,
 * and how their arguments are changed for that.  Pure functions of the call, for the stub (which then
 * makes the call itself) and for the ptrace platform (which has it made).
 *
 * Only what the filter lets through, and nothing that touches the stub or the vDSO.  Whatever is not
 * decided here is the Sentry's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "platform/stub/abi.h"

enum native_verdict {
	NATIVE_NO,     /* the Sentry's */
	NATIVE_RESULT, /* answered: call->result */
	NATIVE_CALL,   /* make call->nr with call->args; does not block */
	NATIVE_WAIT,   /* the same; a futex wait, which a kick must be able to end */
};

struct native_call {
	uint64_t nr, args[6];
	long result;
	bool huge; /* NATIVE_CALL gave an address: then ask for huge pages there, args[1] bytes */
};

enum {
	NATIVE_NR_mmap = 9,
	NATIVE_NR_mprotect = 10,
	NATIVE_NR_munmap = 11,
	NATIVE_NR_sched_yield = 24,
	NATIVE_NR_mremap = 25,
	NATIVE_NR_madvise = 28,
	NATIVE_NR_futex = 202,
	NATIVE_NR_membarrier = 324,
	NATIVE_NR_futex_waitv = 449,
	NATIVE_NR_futex_wake = 454,
	NATIVE_NR_futex_wait = 455,
	NATIVE_NR_futex_requeue = 456,

	NATIVE_EFAULT = 14,
	NATIVE_EEXIST = 17,
	NATIVE_EINVAL = 22,
	NATIVE_ENOMEM = 12,

	NATIVE_PROT_ALL = 7,
	NATIVE_PROT_RW = 3,
	NATIVE_MAP_PRIVATE = 2,
	NATIVE_MAP_TYPE = 0x0f,
	NATIVE_MAP_FIXED = 0x10,
	NATIVE_MAP_ANONYMOUS = 0x20,
	NATIVE_MAP_NORESERVE = 0x4000,
	NATIVE_MAP_STACK = 0x20000,
	NATIVE_MAP_FIXED_NOREPLACE = 0x100000,
	NATIVE_MREMAP_MAYMOVE = 1,
	NATIVE_MREMAP_FIXED = 2,
	NATIVE_MADV_HUGEPAGE = 14,
	NATIVE_HUGE = 0x200000,

	/* membarrier(2): PRIVATE_EXPEDITED and its SYNC_CORE and RSEQ forms, each with its registration. */
	NATIVE_MEMBARRIER = 8 | 16 | 32 | 64 | 128 | 256,
	NATIVE_MEMBARRIER_RSEQ = 128, /* takes a flag: of the CPU in the third argument only */
	/* GLOBAL, GLOBAL_EXPEDITED and its registration: the Sentry's. */
	NATIVE_MEMBARRIER_SENTRY = 1 | 2 | 4,

	NATIVE_FUTEX_WAIT = 0,
	NATIVE_FUTEX_REQUEUE = 3,
	NATIVE_FUTEX_CMP_REQUEUE = 4,
	NATIVE_FUTEX_WAIT_BITSET = 9,
	NATIVE_FUTEX_WAKE_BITSET = 10,
	NATIVE_FUTEX_PRIVATE = 128,
	NATIVE_FUTEX_CLOCK_REALTIME = 256,
	NATIVE_FUTEX_OP = 127,
	NATIVE_FUTEX2_U32 = 2, /* beside NATIVE_FUTEX_PRIVATE: no other size, no nodes */
};

/* Whether [addr, addr+size) meets [min, max). */
static inline bool native_meets(uint64_t addr, uint64_t size, uint64_t min, uint64_t max)
{
	uint64_t end = addr + size;

	if (end < addr)
		end = UINT64_MAX;
	return addr < max && end > min;
}

static inline bool native_is_ours(const struct stub_const *c, uint64_t addr, uint64_t size)
{
	if (size == 0)
		size = 1;
	return native_meets(addr, size, STUB_BASE, STUB_END) ||
	       native_meets(addr, size, c->vdso_min, c->vdso_max);
}

static inline enum native_verdict native_error(struct native_call *call, long error)
{
	call->result = -error;
	return NATIVE_RESULT;
}

static inline enum native_verdict native_mmap(const struct stub_const *c, struct native_call *call)
{
	uint64_t *a = call->args, flags = a[3];

	if (!(flags & NATIVE_MAP_ANONYMOUS) || (flags & ~(uint64_t)STUB_MMAP_FLAGS) ||
	    (a[2] & ~(uint64_t)NATIVE_PROT_ALL))
		return NATIVE_NO;
	if (native_is_ours(c, a[0], a[1])) {
		if (flags & NATIVE_MAP_FIXED_NOREPLACE)
			return native_error(call, NATIVE_EEXIST);
		if (flags & NATIVE_MAP_FIXED)
			return native_error(call, NATIVE_ENOMEM);
		a[0] = 0;
	}
	if (a[0] >= STUB_USER_END) {
		if (flags & (NATIVE_MAP_FIXED | NATIVE_MAP_FIXED_NOREPLACE))
			return native_error(call, NATIVE_ENOMEM);
		a[0] = 0;
	}
	a[4] = (uint64_t)-1;
	call->huge = c->huge_pages && a[1] >= NATIVE_HUGE && a[2] == NATIVE_PROT_RW &&
		     (flags & NATIVE_MAP_TYPE) == NATIVE_MAP_PRIVATE &&
		     !(flags & (NATIVE_MAP_STACK | NATIVE_MAP_NORESERVE));
	return NATIVE_CALL;
}

/*
 * A mapping whose place the host has chosen: when all else is full it takes the room that is kept for
 * the stub's areas.  Then there is none: true, *undo takes it back, and the result is -ENOMEM.
 */
static inline bool native_undo(uint64_t nr, const uint64_t *a, long r, struct native_call *undo)
{
	uint64_t size;

	if (nr == NATIVE_NR_mmap && !(a[3] & (NATIVE_MAP_FIXED | NATIVE_MAP_FIXED_NOREPLACE)))
		size = a[1];
	else if (nr == NATIVE_NR_mremap && !(a[3] & NATIVE_MREMAP_FIXED) && (uint64_t)r != a[0])
		size = a[2];
	else
		return false;
	if (r <= 0 || !native_meets((uint64_t)r, size, STUB_BASE, STUB_END))
		return false;
	if (nr == NATIVE_NR_mremap && a[1] != 0) /* back to where it was; of size 0 it is a second mapping */
		*undo = (struct native_call){
			.nr = nr,
			.args = { (uint64_t)r, size, a[1], NATIVE_MREMAP_MAYMOVE | NATIVE_MREMAP_FIXED, a[0] },
		};
	else
		*undo = (struct native_call){ .nr = NATIVE_NR_munmap, .args = { (uint64_t)r, size } };
	return true;
}

static inline enum native_verdict native_mremap(const struct stub_const *c, struct native_call *call)
{
	uint64_t *a = call->args;

	if (a[3] & ~7ull)
		return NATIVE_NO;
	if (native_is_ours(c, a[0], a[1]))
		return native_error(call, NATIVE_EFAULT);
	if ((a[3] & NATIVE_MREMAP_FIXED) && native_is_ours(c, a[4], a[2]))
		return native_error(call, NATIVE_EINVAL);
	return NATIVE_CALL;
}

static inline enum native_verdict native_futex(struct native_call *call)
{
	uint64_t op = call->args[1], cmd = op & NATIVE_FUTEX_OP;

	if ((op & ~(uint64_t)(NATIVE_FUTEX_OP | NATIVE_FUTEX_PRIVATE | NATIVE_FUTEX_CLOCK_REALTIME)) ||
	    cmd > 31 || !(STUB_FUTEX_OPS & (1u << cmd)))
		return NATIVE_NO;
	/* FUTEX_WAIT with CLOCK_REALTIME is a relative wait all the same. */
	if (cmd == NATIVE_FUTEX_WAIT && (op & NATIVE_FUTEX_CLOCK_REALTIME))
		return NATIVE_NO;
	return cmd == NATIVE_FUTEX_WAIT || cmd == NATIVE_FUTEX_WAIT_BITSET ? NATIVE_WAIT : NATIVE_CALL;
}

/* struct futex_waitv */
struct native_waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static inline bool native_futex2_ok(uint64_t flags, uint64_t value)
{
	return ((uint32_t)flags & ~(uint32_t)NATIVE_FUTEX_PRIVATE) == NATIVE_FUTEX2_U32 && value <= UINT32_MAX;
}

static inline void native_be_futex(struct native_call *call, uint64_t addr, uint64_t op, uint64_t value,
				   uint64_t timeout, uint64_t addr2, uint64_t value3)
{
	call->nr = NATIVE_NR_futex;
	call->args[0] = addr;
	call->args[1] = op;
	call->args[2] = value;
	call->args[3] = timeout;
	call->args[4] = addr2;
	call->args[5] = value3;
}

/* futex_wake(2): of futex(2) FUTEX_WAKE_BITSET, but that to wake none wakes none. */
static inline enum native_verdict native_futex_wake(struct native_call *call)
{
	const uint64_t *a = call->args, private = a[3] & NATIVE_FUTEX_PRIVATE;

	if (!native_futex2_ok(a[3], a[1]) || a[1] == 0)
		return native_error(call, NATIVE_EINVAL);
	if ((int32_t)a[2] == 0) /* what is wrong with the address is said all the same */
		native_be_futex(call, a[0], NATIVE_FUTEX_REQUEUE | private, 0, 0, a[0], 0);
	else
		native_be_futex(call, a[0], NATIVE_FUTEX_WAKE_BITSET | private, (uint32_t)a[2], 0, 0, a[1]);
	return NATIVE_CALL;
}

/* futex_wait(2): FUTEX_WAIT_BITSET, but for who is interrupted: that is always restarted as it was. */
static inline enum native_verdict native_futex_wait(struct native_call *call)
{
	const uint64_t *a = call->args;
	uint32_t clock = (uint32_t)a[5];
	uint64_t op = NATIVE_FUTEX_WAIT_BITSET | (a[3] & NATIVE_FUTEX_PRIVATE);

	if (!native_futex2_ok(a[3], a[1]) || a[2] > UINT32_MAX || (a[4] && clock > 1))
		return native_error(call, NATIVE_EINVAL);
	if (a[4] && clock == 0)
		op |= NATIVE_FUTEX_CLOCK_REALTIME;
	native_be_futex(call, a[0], op, a[1], a[4], 0, a[2]);
	return NATIVE_WAIT;
}

/*
 * futex_requeue(2), whose first argument points to w: FUTEX_CMP_REQUEUE.  Between a private and a shared futex that
 * can't requeue: all are woken, as any waiter must expect to be.
 */
static inline enum native_verdict native_futex_requeue(struct native_call *call, const struct native_waitv w[2])
{
	uint64_t private = w[0].flags & NATIVE_FUTEX_PRIVATE;
	int64_t wake = (int32_t)call->args[2], requeue = (int32_t)call->args[3];

	if (!native_futex2_ok(w[0].flags, w[0].val) || !native_futex2_ok(w[1].flags, w[1].val) ||
	    w[0].reserved || w[1].reserved || wake < 0 || requeue < 0)
		return native_error(call, NATIVE_EINVAL);
	if (w[0].flags != w[1].flags) {
		wake = wake + requeue > INT32_MAX ? INT32_MAX : wake + requeue;
		requeue = 0;
	}
	native_be_futex(call, w[0].uaddr, NATIVE_FUTEX_CMP_REQUEUE | private, (uint64_t)wake, (uint64_t)requeue,
			w[0].flags == w[1].flags ? w[1].uaddr : w[0].uaddr, w[0].val);
	return NATIVE_CALL;
}

/* Only what concerns the caller's own process: the others are for all of the machine. */
static inline enum native_verdict native_membarrier(struct native_call *call)
{
	uint32_t cmd = (uint32_t)call->args[0], flags = (uint32_t)call->args[1];

	if (flags && (cmd != NATIVE_MEMBARRIER_RSEQ || flags != 1))
		return native_error(call, NATIVE_EINVAL);
	if (cmd == 0) {
		call->result = NATIVE_MEMBARRIER | NATIVE_MEMBARRIER_SENTRY;
		return NATIVE_RESULT;
	}
	if (!(cmd & (cmd - 1)) && (cmd & NATIVE_MEMBARRIER_SENTRY))
		return NATIVE_NO;
	if ((cmd & (cmd - 1)) || !(cmd & NATIVE_MEMBARRIER))
		return native_error(call, NATIVE_EINVAL);
	call->args[0] = cmd;
	call->args[1] = flags;
	return NATIVE_CALL;
}

/* call: number and arguments, changed as needed.  futex_requeue(2) is native_futex_requeue()'s. */
static inline enum native_verdict native_decide(const struct stub_const *c, struct native_call *call)
{
	const uint64_t *a = call->args;

	call->huge = false;
	switch (call->nr) {
	case NATIVE_NR_futex:
		return native_futex(call);
	case NATIVE_NR_mmap:
		return native_mmap(c, call);
	case NATIVE_NR_munmap:
		return native_is_ours(c, a[0], a[1]) ? native_error(call, NATIVE_EINVAL) : NATIVE_CALL;
	case NATIVE_NR_mprotect:
		if (a[2] & ~(uint64_t)NATIVE_PROT_ALL)
			return NATIVE_NO;
		return native_is_ours(c, a[0], a[1]) ? native_error(call, NATIVE_ENOMEM) : NATIVE_CALL;
	case NATIVE_NR_mremap:
		return native_mremap(c, call);
	case NATIVE_NR_madvise:
		if (a[2] != STUB_MADV_GUARD_INSTALL && a[2] != STUB_MADV_GUARD_REMOVE &&
		    (a[2] > 63 || !(STUB_MADVISE_ADVICE & (1ull << a[2]))))
			return NATIVE_NO;
		return native_is_ours(c, a[0], a[1]) ? native_error(call, NATIVE_ENOMEM) : NATIVE_CALL;
	case NATIVE_NR_membarrier:
		return native_membarrier(call);
	case NATIVE_NR_futex_wake:
		return native_futex_wake(call);
	case NATIVE_NR_futex_wait:
		return native_futex_wait(call);
	case NATIVE_NR_sched_yield:
		return NATIVE_CALL;
	default:
		return NATIVE_NO;
	}
}
