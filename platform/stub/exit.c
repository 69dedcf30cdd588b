/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit.c: what a dying thread leaves behind in its process's memory (Linux: mm_release() and
 * exit_robust_list()).  Done by the thread itself, from its own area: private futexes can't be woken
 * by another process.  Bad pointers end the walk, as on Linux.
 */
#include "platform/stub/stub.h"

#define FUTEX_WAKE        1
#define FUTEX_WAITERS     0x80000000u
#define FUTEX_OWNER_DIED  0x40000000u
#define FUTEX_TID_MASK    0x3fffffffu
#define ROBUST_LIST_LIMIT 2048

static bool fetch_entry(uint64_t addr, uint64_t *entry, bool *pi)
{
	uint64_t v;

	if (stub_load64(&v, addr))
		return false;
	*entry = v & ~1ull;
	*pi = v & 1;
	return true;
}

/* One lock: if it is ours, mark that its owner died and wake one waiter. */
static bool lock_died(uint64_t addr, uint32_t tid, bool pi, bool pending)
{
	uint32_t value, old, next;

	if ((addr & 3) || stub_load32(&value, addr))
		return false;
	for (;;) {
		if (pending && !pi && (value & FUTEX_TID_MASK) == 0) {
			(void)stub_call(NR_futex, addr, FUTEX_WAKE, 1);
			return true;
		}
		if ((value & FUTEX_TID_MASK) != tid)
			return true;
		next = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		old = value;
		if (stub_cmpxchg32(addr, &old, next))
			return false;
		if (old == value)
			break;
		value = old;
	}
	/* Those who wait for a PI lock sleep like the others here (futex.c). */
	if (value & FUTEX_WAITERS)
		(void)stub_call(NR_futex, addr, FUTEX_WAKE, 1);
	return true;
}

static void walk_robust_list(uint64_t head, uint32_t tid)
{
	uint64_t entry, next, offset, pending;
	bool pi, next_pi, pending_pi, ok;
	int limit = ROBUST_LIST_LIMIT;

	if (!fetch_entry(head, &entry, &pi) || stub_load64(&offset, head + 8) ||
	    !fetch_entry(head + 16, &pending, &pending_pi))
		return;
	while (entry != head) {
		ok = fetch_entry(entry, &next, &next_pi);
		if (entry != pending && !lock_died(entry + offset, tid, pi, false))
			return;
		if (!ok || --limit == 0)
			return;
		entry = next;
		pi = next_pi;
	}
	if (pending)
		(void)lock_died(pending + offset, tid, pending_pi, true);
}

void stub_exit_work(uint64_t clear_tid, uint64_t robust_list, uint32_t tid)
{
	if (robust_list)
		walk_robust_list(robust_list, tid);
	if (clear_tid && stub_store32(clear_tid, 0) == 0)
		(void)stub_call(NR_futex, clear_tid, FUTEX_WAKE, 1);
}
