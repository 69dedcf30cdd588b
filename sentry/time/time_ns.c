/* SPDX-License-Identifier: Apache-2.0 */
/* time_ns.c: time namespaces.  See time_ns.h.  Linux: kernel/time/namespace.c. */
#include "sentry/time/time_ns.h"

#include <errno.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/task/pid.h"
#include "vfs/cred.h"

struct time_ns *time_ns_new(const struct time_ns *from, struct user_ns *owner)
{
	struct time_ns *ns = mem_new(struct time_ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	latch_init(&ns->latch);
	ns->id = ns_new_id();
	ns->user_ns = user_ns_get(owner);
	atomic_init(&ns->mono_ns, time_ns_offset(from, CLOCK_KIND_MONO));
	atomic_init(&ns->boot_ns, time_ns_offset(from, CLOCK_KIND_BOOT));
	return ns;
}

struct time_ns *time_ns_get(struct time_ns *ns)
{
	if (ns)
		ref_get(&ns->ref);
	return ns;
}

void time_ns_put(struct time_ns *ns)
{
	if (!ns || !ref_put(&ns->ref))
		return;
	user_ns_put(ns->user_ns);
	mem_free(ns);
}

void time_ns_freeze(struct time_ns *ns)
{
	if (!ns)
		return;
	latch_lock(&ns->latch);
	ns->frozen = true;
	latch_unlock(&ns->latch);
}

int64_t time_ns_offset(const struct time_ns *ns, enum clock_kind kind)
{
	if (!ns)
		return 0;
	if (kind == CLOCK_KIND_MONO)
		return atomic_load_explicit(&ns->mono_ns, memory_order_relaxed);
	if (kind == CLOCK_KIND_BOOT)
		return atomic_load_explicit(&ns->boot_ns, memory_order_relaxed);
	return 0;
}

/* Neither negative nor past half of what a clock can count (KTIME_SEC_MAX / 2). */
static bool in_range(int64_t now, int64_t offset)
{
	int64_t sum;

	return !__builtin_add_overflow(now, offset, &sum) && sum >= 0 && sum <= INT64_MAX / 2;
}

int time_ns_set_offsets(struct time_ns *ns, const int64_t *mono_ns, const int64_t *boot_ns)
{
	int err = 0;

	if ((mono_ns && !in_range(clock_mono_ns(), *mono_ns)) ||
	    (boot_ns && !in_range(clock_boot_ns(), *boot_ns)))
		return -ERANGE;
	latch_lock(&ns->latch);
	if (ns->frozen) {
		err = -EACCES;
	} else {
		if (mono_ns)
			atomic_store_explicit(&ns->mono_ns, *mono_ns, memory_order_relaxed);
		if (boot_ns)
			atomic_store_explicit(&ns->boot_ns, *boot_ns, memory_order_relaxed);
	}
	latch_unlock(&ns->latch);
	return err;
}
