/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit.c: what a dying thread leaves behind in its process's memory (Linux: mm_release() and
 * exit_robust_list()).  The walk is done here; what must be atomic, or is about private futexes, by
 * the thread itself.  Bad pointers end the walk, as on Linux.  platform/stub/exit.c is the same for
 * `notify`.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>
#include <linux/futex.h>

#define ROBUST_LIST_LIMIT 2048

static bool load(struct plat_thread *pt, uint64_t addr, void *out, size_t size)
{
	return plat_mm_read(pt->mm, addr, out, size, false) == (ssize_t)size;
}

static bool fetch_entry(struct plat_thread *pt, uint64_t addr, uint64_t *entry, bool *pi)
{
	uint64_t v;

	if (!load(pt, addr, &v, sizeof(v)))
		return false;
	*entry = v & ~1ull;
	*pi = v & 1;
	return true;
}

static void wake_one(struct plat_thread *pt, uint64_t addr)
{
	const uint64_t args[6] = { addr, FUTEX_WAKE, 1 };
	long r;

	(void)!traced_order_call(pt, SYS_futex, args, &r);
}

/* One lock: if it is ours, mark that its owner died and wake one waiter.  False: end the walk. */
static bool lock_died(struct plat_thread *pt, uint64_t addr, uint32_t tid, bool pi, bool pending)
{
	uint32_t value, old;

	if ((addr & 3) || !load(pt, addr, &value, sizeof(value)))
		return false;
	for (;;) {
		if (pending && !pi && (value & FUTEX_TID_MASK) == 0) {
			wake_one(pt, addr);
			return true;
		}
		if ((value & FUTEX_TID_MASK) != tid)
			return true;
		old = value;
		if (traced_order_cmpxchg(pt, addr, &old, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) < 0)
			return false;
		if (old == value)
			break;
		value = old;
	}
	/* Those who wait for a PI lock sleep like the others here (futex.c). */
	if (value & FUTEX_WAITERS)
		wake_one(pt, addr);
	return true;
}

static void walk_robust_list(struct plat_thread *pt, uint64_t head, uint32_t tid)
{
	uint64_t entry, next = 0, offset, pending;
	bool pi, next_pi = false, pending_pi, ok;
	int limit = ROBUST_LIST_LIMIT;

	if (!fetch_entry(pt, head, &entry, &pi) || !load(pt, head + 8, &offset, sizeof(offset)) ||
	    !fetch_entry(pt, head + 16, &pending, &pending_pi))
		return;
	while (entry != head) {
		ok = fetch_entry(pt, entry, &next, &next_pi);
		if (entry != pending && !lock_died(pt, entry + offset, tid, pi, false))
			return;
		if (!ok || --limit == 0)
			return;
		entry = next;
		pi = next_pi;
	}
	if (pending)
		(void)lock_died(pt, pending + offset, tid, pending_pi, true);
}

void traced_exit_work(struct plat_thread *pt, uint64_t clear_tid, uint64_t robust_list, pid_t tid)
{
	const uint32_t zero = 0;

	if (robust_list)
		walk_robust_list(pt, robust_list, (uint32_t)tid);
	if (clear_tid && plat_mm_write(pt->mm, clear_tid, &zero, sizeof(zero), false) == sizeof(zero))
		wake_one(pt, clear_tid);
}
