/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c: clocks by their ids.
 *
 * Most applications never come here: the vDSO answers for the host's clocks.  Real, monotonic, raw
 * and coarse clocks are the host's; CPU clocks are what the platform says of the tasks' host
 * threads.  Time namespaces shift the monotonic ones (time_ns.h).
 */
#include "sentry/time/clock.h"

#include <errno.h>
#include <time.h>

#include "lib/clock.h"
#include "sentry/task/task.h"
#include "sentry/time/time_ns.h"
#include "sentry/time/timespec.h"

/* linux/posix-timers.h */
#define CPUCLOCK_PER_THREAD 4
#define CPUCLOCK_MASK       3
#define CPUCLOCK_VIRT       1
#define CPUCLOCK_FD         3 /* of a descriptor: no such devices here */

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

struct fixed_clock {
	enum clock_kind kind;
	bool known, alarm;
};

static const struct fixed_clock fixed_clocks[] = {
	[CLOCK_REALTIME] = { CLOCK_KIND_REAL, true, false },
	[CLOCK_MONOTONIC] = { CLOCK_KIND_MONO, true, false },
	[CLOCK_PROCESS_CPUTIME_ID] = { CLOCK_KIND_CPU, true, false },
	[CLOCK_THREAD_CPUTIME_ID] = { CLOCK_KIND_CPU, true, false },
	[CLOCK_MONOTONIC_RAW] = { CLOCK_KIND_OTHER, true, false },
	[CLOCK_REALTIME_COARSE] = { CLOCK_KIND_OTHER, true, false },
	[CLOCK_MONOTONIC_COARSE] = { CLOCK_KIND_OTHER, true, false },
	[CLOCK_BOOTTIME] = { CLOCK_KIND_BOOT, true, false },
	[CLOCK_REALTIME_ALARM] = { CLOCK_KIND_REAL, true, true },
	[CLOCK_BOOTTIME_ALARM] = { CLOCK_KIND_BOOT, true, true },
	[CLOCK_TAI] = { CLOCK_KIND_TAI, true, false },
};

/* A thread's clock is for its own process only; a process's for everybody. */
static int cpu_clock_get(struct task *t, int id, struct clock_ref *out)
{
	int32_t pid = ~(id >> 3);
	int which = id & CPUCLOCK_MASK;

	if (which == CPUCLOCK_FD)
		return -EINVAL;
	out->kind = CLOCK_KIND_CPU;
	out->time = which == CPUCLOCK_VIRT ? CPU_TIME_USER : CPU_TIME_ALL;
	if (id & CPUCLOCK_PER_THREAD) {
		struct task *th = pid ? task_lookup(task_pid_ns(t), pid) : task_get(t);

		if (th && th->process != t->process) {
			task_put(th);
			th = NULL;
		}
		out->thread = th;
		return th ? 0 : -EINVAL;
	}
	out->process = pid ? process_lookup(task_pid_ns(t), pid) : process_get(t->process);
	return out->process ? 0 : -EINVAL;
}

int clock_ref_get(struct task *t, int id, struct clock_ref *out)
{
	*out = (struct clock_ref){ .id = id };
	if (id < 0)
		return cpu_clock_get(t, id, out);
	if ((size_t)id >= ARRAY_SIZE(fixed_clocks) || !fixed_clocks[id].known)
		return -EINVAL;
	out->kind = fixed_clocks[id].kind;
	out->alarm = fixed_clocks[id].alarm;
	out->offset_ns = time_ns_offset(t->ns->time, id == CLOCK_MONOTONIC_RAW ||
							     id == CLOCK_MONOTONIC_COARSE ?
						     CLOCK_KIND_MONO : out->kind);
	if (id == CLOCK_PROCESS_CPUTIME_ID)
		out->process = process_get(t->process);
	else if (id == CLOCK_THREAD_CPUTIME_ID)
		out->thread = task_get(t);
	return 0;
}

void clock_ref_put(struct clock_ref *c)
{
	process_put(c->process);
	task_put(c->thread);
	c->process = NULL;
	c->thread = NULL;
}

static int64_t host_clock(int id)
{
	struct timespec ts = { 0, 0 };

	(void)clock_gettime(id, &ts); /* known ids of the vDSO: can't fail */
	return timespec_to_ns(&ts);
}

int64_t clock_kind_now(enum clock_kind kind)
{
	switch (kind) {
	case CLOCK_KIND_REAL:
		return clock_real_ns();
	case CLOCK_KIND_BOOT:
		return clock_boot_ns();
	case CLOCK_KIND_TAI:
		return host_clock(CLOCK_TAI);
	default:
		return clock_mono_ns();
	}
}

int64_t clock_kind_deadline(enum clock_kind kind, int64_t ns)
{
	if (kind == CLOCK_KIND_MONO)
		return ns;
	return ns_add(clock_mono_ns(), MAX(ns - clock_kind_now(kind), 0));
}

int64_t clock_ref_now(const struct clock_ref *c)
{
	int64_t user, sys;

	if (c->kind == CLOCK_KIND_OTHER)
		return host_clock(c->id) + c->offset_ns;
	if (c->kind != CLOCK_KIND_CPU)
		return clock_kind_now(c->kind) + c->offset_ns;
	if (c->thread)
		task_cpu_time(c->thread, &user, &sys);
	else
		process_cpu_time(c->process, &user, &sys);
	return c->time == CPU_TIME_USER ? user : user + sys;
}

int64_t clock_ref_resolution(const struct clock_ref *c)
{
	struct timespec ts = { 0, 1 };

	if (c->kind == CLOCK_KIND_OTHER)
		(void)clock_getres(c->id, &ts);
	return timespec_to_ns(&ts);
}
