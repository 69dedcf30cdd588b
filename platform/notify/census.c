/* SPDX-License-Identifier: Apache-2.0 */
/*
 * census.c: processes that a stub made and did not tell of.
 *
 * While an order to clone is open, the stub may make the call more than once: the kernel itself asks
 * again when a signal came between, and the two can't be told apart.  It may also report a failure
 * that was none, or a number that is not its child's.  Such a process has no task, and the Sentry would
 * never end it.  All stubs are our children (CLONE_PARENT), so whoever is among those and belongs to no
 * address space is one of them.
 *
 * A child that was made just now is not accounted for until its parent has reported it or it has said
 * hello, which takes as long as the host takes to run one of them.  So one is killed only when it was
 * found unaccounted for twice, GRACE_NS apart.  There is a census only when something looks wrong; an
 * idle sandbox takes none.
 *
 * Lock order: census.latch is a leaf.
 */
#include "platform/notify/notify_impl.h"

#include <signal.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/timer.h"
#include "platform/host.h"

#define FIRST_NS   500000000ll
#define GRACE_NS   4000000000ll
#define SEEN_MAX   2048
#define ROUNDS_MIN 2

static struct {
	struct timer timer;
	struct latch latch;
	bool armed;          /* (latch) */
	unsigned int rounds; /* (latch) still to come */
	/* the timer's own */
	pid_t seen[SEEN_MAX], found[SEEN_MAX];
	size_t seen_count, found_count;
} census;

static bool was_seen(pid_t pid)
{
	for (size_t i = 0; i < census.seen_count; i++) {
		if (census.seen[i] == pid)
			return true;
	}
	return false;
}

static void look_at(void *arg, pid_t pid)
{
	(void)arg;
	if (notify_pid_is_accounted(pid))
		return;
	if (was_seen(pid)) {
		log_info("process %d belongs to nobody: a stub made it behind our back", pid);
		(void)host_kill(pid, SIGKILL);
	} else if (census.found_count < SEEN_MAX) {
		census.found[census.found_count++] = pid;
	}
}

static void take(struct timer *t)
{
	bool again;

	census.found_count = 0;
	if (proc_children(notify.parent, look_at, NULL) < 0)
		log_warn("no list of children from this kernel: processes that nobody ordered stay");
	memcpy(census.seen, census.found, census.found_count * sizeof(pid_t));
	census.seen_count = census.found_count;
	latch_lock(&census.latch);
	if (census.rounds > 0)
		census.rounds--;
	again = census.rounds > 0 || census.seen_count > 0;
	census.armed = again;
	latch_unlock(&census.latch);
	if (again)
		timer_arm(t, clock_mono_ns() + GRACE_NS);
}

void notify_census_want(void)
{
	bool arm;

	latch_lock(&census.latch);
	arm = !census.armed;
	census.armed = true;
	census.rounds = ROUNDS_MIN;
	latch_unlock(&census.latch);
	if (arm)
		timer_arm(&census.timer, clock_mono_ns() + FIRST_NS);
}

void notify_census_init(void)
{
	latch_init(&census.latch);
	timer_init(&census.timer, take);
}
