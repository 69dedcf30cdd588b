/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c: from a system call's number and registers to its handler.
 *
 * The table is generated from syscall-tables/.  A call without a handler is ENOSYS (or the errno
 * that its row's policy says), and is logged once per number in the life of the Sentry, which is
 * that of the sandbox.  The application chooses the numbers, so what is remembered is bounded:
 * a bit for each number that could be a call, and a count for all others.
 *
 * x32 calls (bit 30 set) are ENOSYS, as on a Linux built without CONFIG_X86_X32_ABI.  Linux looks
 * at the lower 32 bits of the number only, sign-extended (do_syscall_64), and so do we.
 *
 * No locks: `said` is atomic, all else is constant.
 */
#include "sentry/sys/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "lib/log.h"
#include "lib/util.h"
#include "sentry/sys/names.h"
#include "sentry/trace/trace.h"

#define SAID_NUMBERS 1024 /* numbers that are logged once each */
#define SAID_OTHERS  16   /* how many lines all other numbers get together */

static struct {
	atomic_ullong said[SAID_NUMBERS / 64];
	atomic_uint others;
} dispatch;

static bool say_once(uint64_t nr)
{
	unsigned long long bit = 1ULL << (nr % 64);

	if (nr >= SAID_NUMBERS) {
		/* Looking first keeps the count from ever wrapping around. */
		if (atomic_load_explicit(&dispatch.others, memory_order_relaxed) >= SAID_OTHERS)
			return false;
		return atomic_fetch_add_explicit(&dispatch.others, 1, memory_order_relaxed) <
		       SAID_OTHERS;
	}
	return !(atomic_fetch_or_explicit(&dispatch.said[nr / 64], bit, memory_order_relaxed) & bit);
}

static long without_handler(uint64_t nr, int refused)
{
	const char *name = syscall_name(nr);

	name = name ? name : "no such call";
	if (refused) {
		if (say_once(nr))
			log_info("system call %" PRIu64 " (%s): refused by policy", nr, name);
		return -refused;
	}
	if (say_once(nr))
		log_warn("system call %" PRIu64 " (%s): not implemented", nr, name);
	return -ENOSYS;
}

static long run(struct task *t, uint64_t nr, const uint64_t args[6])
{
	const struct sys_entry *e = nr < sys_entry_count ? &sys_entries[nr] : NULL;

	if (unlikely(!e || !e->call))
		return without_handler(nr, e ? e->refused : 0);
	return e->call(t, args);
}

/* Apart, for its big frame. */
static __attribute__((noinline)) long run_traced(struct task *t, uint64_t nr, const uint64_t args[6])
{
	struct trace_call c;
	long result;

	trace_enter(&c, t, nr, args);
	result = run(t, nr, args);
	trace_exit(&c, t, result);
	return result;
}

long syscall_dispatch(struct task *t, uint64_t nr, const uint64_t args[6])
{
	nr = (uint64_t)(int32_t)nr;
	return unlikely(trace_enabled()) ? run_traced(t, nr, args) : run(t, nr, args);
}
