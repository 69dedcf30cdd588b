/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_timer.c: POSIX per-process timers (timer_create(2)).
 *
 * A timer has one signal queue entry.  When it expires the entry is queued; a periodic timer is then
 * "waiting": it is armed again, with its overruns counted, when the entry is taken off the queue
 * (posix_timer_gone(), under siglock), so a process that takes no signals costs nothing
 * (kernel/time/posix-timers.c: posixtimer_rearm).  When the signal is ignored nobody takes it; the
 * timer is then armed again at once, but not sooner than IGNORED_MIN.
 *
 *     off ──settime──▶ armed ──expiry──▶ off (one-shot)
 *                        ▲        └────▶ waiting (periodic)
 *                        └───────taken────┘
 *
 * SIGEV_NONE timers are never armed; their setting is computed when asked for.
 *
 * A timer is deleted by: dead (no more arming) → timer_cancel_sync() → sig_unqueue() → free.
 * Locks: timers_impl.h; a timer's latch is below siglock, so it is dropped before a signal is sent.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/time/timers_impl.h"
#include "sentry/time/timespec.h"

#define IGNORED_MIN (1 * NSEC_PER_MSEC)

/* (c) constant, (t) timers_lock, (l) latch */
struct posix_timer {
	struct list node;            /* (t) */
	struct hash_node by_id;      /* (t) */
	int id;                      /* (c) */
	struct process *process;     /* (c) borrowed */
	struct clock_ref clock;      /* (c) owned */
	bool none;                   /* (c) SIGEV_NONE */
	struct task *target;         /* (c) counted; SIGEV_THREAD_ID */
	struct sig_queued signal;    /* siglock; its info.si_overrun under latch */
	struct cpu_timer cpu;        /* (t) on CPU clocks, instead of timer */
	struct timer timer;
	struct latch latch;
	enum clock_kind kind;        /* (l) timeline of deadline_ns: relative real-time is monotonic */
	bool armed;                  /* (l) set, and not an expired one-shot */
	bool waiting;                /* (l) expired, armed again when the signal is taken */
	bool dead;                   /* (l) */
	int64_t deadline_ns;         /* (l) */
	int64_t interval_ns;         /* (l) */
	int64_t overrun_last;        /* (l) of the last signal that was taken */
};

static bool timer_on_cpu(const struct posix_timer *pt)
{
	return pt->clock.kind == CLOCK_KIND_CPU;
}

/* ---- expiry ------------------------------------------------------------------------------------ */

static void posix_timer_start_locked(struct posix_timer *pt)
{
	if (!pt->none && !pt->dead)
		timer_arm(&pt->timer, clock_kind_deadline(pt->kind, pt->deadline_ns));
}

/* Move the deadline past now; how many intervals were missed. */
static int64_t posix_timer_forward_locked(struct posix_timer *pt, int64_t now)
{
	int64_t late = now - pt->deadline_ns, missed;

	if (late < 0)
		return 0;
	missed = late / pt->interval_ns;
	pt->deadline_ns = ns_add(pt->deadline_ns, pt->interval_ns * missed);
	pt->deadline_ns = ns_add(pt->deadline_ns, pt->interval_ns);
	return missed;
}

/* The signal was taken off the queue, or flushed; under siglock. */
static void posix_timer_gone(struct sig_queued *q)
{
	struct posix_timer *pt = container_of(q, struct posix_timer, signal);

	latch_lock(&pt->latch);
	if (pt->waiting) {
		pt->waiting = false;
		pt->overrun_last = posix_timer_forward_locked(pt, clock_kind_now(pt->kind));
		posix_timer_start_locked(pt);
	}
	q->info.si_overrun = (int)MIN(pt->overrun_last, (int64_t)INT32_MAX);
	latch_unlock(&pt->latch);
}

/* Queue the signal.  Not under latches. */
static void posix_timer_notify(struct posix_timer *pt)
{
	bool queued;

	(void)sig_send_preallocated(pt->process, pt->target, &pt->signal);
	latch_lock(&pt->process->siglock);
	queued = pt->signal.queued;
	latch_unlock(&pt->process->siglock);
	if (queued || timer_on_cpu(pt))
		return;
	/* Taken already (then it waits no more), or ignored: nobody will take it. */
	latch_lock(&pt->latch);
	if (pt->waiting && !pt->dead) {
		int64_t now = clock_kind_now(pt->kind);

		pt->waiting = false;
		posix_timer_forward_locked(pt, now);
		timer_arm(&pt->timer, MAX(clock_kind_deadline(pt->kind, pt->deadline_ns),
					  clock_mono_ns() + IGNORED_MIN));
	}
	latch_unlock(&pt->latch);
}

static void posix_timer_fire(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
	bool due = false;

	latch_lock(&pt->latch);
	if (pt->armed && !pt->waiting && !pt->dead) {
		due = clock_kind_now(pt->kind) >= pt->deadline_ns;
		if (!due) {
			posix_timer_start_locked(pt); /* the clock was set back */
		} else {
			pt->waiting = pt->interval_ns != 0;
			pt->armed = pt->waiting;
		}
	}
	latch_unlock(&pt->latch);
	if (due)
		posix_timer_notify(pt);
}

/* On a CPU clock; timers_lock held. */
static void posix_timer_cpu_fire(struct cpu_timer *ct, struct process *p)
{
	struct posix_timer *pt = container_of(ct, struct posix_timer, cpu);

	(void)p;
	if (!pt->none)
		posix_timer_notify(pt);
}

/* ---- life -------------------------------------------------------------------------------------- */

static struct posix_timer *posix_timer_find_locked(struct process *p, int id)
{
	struct hash_node *n;

	if (!p->timers || p->timers->posix_count == 0)
		return NULL;
	for (n = hash_first(&p->timers->posix_ids, hash_u64(0, (uint32_t)id)); n; n = hash_next(n)) {
		struct posix_timer *pt = container_of(n, struct posix_timer, by_id);

		if (pt->id == id)
			return pt;
	}
	return NULL;
}

static void posix_timer_delete_locked(struct process_timers *timers, struct posix_timer *pt)
{
	latch_lock(&pt->latch);
	pt->dead = true;
	latch_unlock(&pt->latch);
	timer_cancel_sync(&pt->timer);
	cpu_timer_disarm_locked(&pt->cpu);
	sig_unqueue(pt->process, &pt->signal);
	list_remove(&pt->node);
	hash_remove(&timers->posix_ids, &pt->by_id);
	timers->posix_count--;
	/* References to our own process: not the last, and to tasks that may end here. */
	clock_ref_put(&pt->clock);
	task_put(pt->target);
	mem_free(pt);
}

void posix_timers_delete_all_locked(struct process_timers *timers)
{
	struct posix_timer *pt, *tmp;

	list_for_each_entry_safe(pt, tmp, &timers->posix, node)
		posix_timer_delete_locked(timers, pt);
}

static struct posix_timer *posix_timer_new(struct process *p, const struct clock_ref *clock,
					   const struct timer_notify *n)
{
	struct posix_timer *pt = mem_new(struct posix_timer);

	if (!pt)
		return NULL;
	pt->process = p;
	pt->clock = *clock;
	pt->none = n->none;
	pt->target = n->thread ? task_get(n->thread) : NULL;
	list_init(&pt->node);
	list_init(&pt->signal.node);
	pt->signal.gone = posix_timer_gone;
	list_init(&pt->cpu.node);
	pt->cpu.time = clock->time;
	pt->cpu.thread = clock->thread;
	pt->cpu.fire = posix_timer_cpu_fire;
	timer_init(&pt->timer, posix_timer_fire);
	latch_init(&pt->latch);
	return pt;
}

static void posix_timer_set_info(struct posix_timer *pt, const struct timer_notify *n)
{
	siginfo_t *info = &pt->signal.info;

	info->si_signo = n->signo;
	info->si_code = SI_TIMER;
	info->si_timerid = pt->id;
	info->si_value.sival_ptr = (void *)(uintptr_t)(n->default_value ? (uint64_t)pt->id : n->value);
}

/* Into the process's list, with an id.  -ENOMEM, -EAGAIN. */
static int posix_timer_add(struct process *p, struct posix_timer *pt, const struct timer_notify *n)
{
	struct process_timers *timers;
	int err = 0;

	mutex_lock(&p->timers_lock);
	timers = process_timers_make_locked(p);
	if (!timers || (!timers->posix_ids.buckets && hash_init(&timers->posix_ids, 8))) {
		err = -ENOMEM;
	} else if (timers->stopped || timers->posix_count >= process_rlimit(p, RLIMIT_SIGPENDING)) {
		err = -EAGAIN;
	} else {
		do {
			pt->id = timers->next_id;
			timers->next_id = timers->next_id == INT32_MAX ? 0 : timers->next_id + 1;
		} while (posix_timer_find_locked(p, pt->id));
		posix_timer_set_info(pt, n);
		list_append(&timers->posix, &pt->node);
		hash_insert(&timers->posix_ids, &pt->by_id, hash_u64(0, (uint32_t)pt->id));
		timers->posix_count++;
	}
	mutex_unlock(&p->timers_lock);
	return err;
}

int posix_timer_create(struct task *t, int clockid, const struct timer_notify *n)
{
	struct process *p = t->process;
	struct clock_ref clock;
	struct posix_timer *pt;
	int err = clock_ref_get(t, clockid, &clock);

	if (err < 0)
		return err;
	err = -EOPNOTSUPP;
	/* Alarms: as on a machine without a real-time clock device that could wake it. */
	if (clock.kind == CLOCK_KIND_OTHER || clock.alarm)
		goto put_clock;
	err = -EINVAL; /* other processes' CPU clocks can be read only */
	if (clock.process && clock.process != p)
		goto put_clock;
	err = -EAGAIN;
	pt = posix_timer_new(p, &clock, n);
	if (!pt)
		goto put_clock;
	err = posix_timer_add(p, pt, n);
	if (err == 0)
		return pt->id;
	task_put(pt->target);
	mem_free(pt);
put_clock:
	clock_ref_put(&clock);
	return err;
}

int posix_timer_delete(struct task *t, int id)
{
	struct process *p = t->process;
	struct posix_timer *pt;

	mutex_lock(&p->timers_lock);
	pt = posix_timer_find_locked(p, id);
	if (pt)
		posix_timer_delete_locked(p->timers, pt);
	mutex_unlock(&p->timers_lock);
	return pt ? 0 : -EINVAL;
}

/* ---- settings ---------------------------------------------------------------------------------- */

/* What is left on a wall clock. */
static void posix_timer_read(struct posix_timer *pt, struct timer_setting *out)
{
	int64_t now, left;

	latch_lock(&pt->latch);
	now = clock_kind_now(pt->kind);
	out->interval_ns = pt->interval_ns;
	/* Nobody forwards these: a periodic one shows the next expiry to come. */
	if (pt->armed && pt->interval_ns && (pt->none || pt->waiting) && now >= pt->deadline_ns) {
		int64_t ahead = (now - pt->deadline_ns) / pt->interval_ns + 1;

		left = pt->deadline_ns + pt->interval_ns * ahead - now;
	} else {
		left = pt->deadline_ns - now;
	}
	if (!pt->armed)
		out->value_ns = 0;
	else if (left > 0)
		out->value_ns = left;
	else
		out->value_ns = pt->none ? 0 : 1; /* just about to expire */
	latch_unlock(&pt->latch);
}

static void posix_timer_write(struct posix_timer *pt, bool absolute, const struct timer_setting *s)
{
	latch_lock(&pt->latch);
	pt->kind = pt->clock.kind;
	if (!absolute && (pt->kind == CLOCK_KIND_REAL || pt->kind == CLOCK_KIND_TAI))
		pt->kind = CLOCK_KIND_MONO; /* a time span: jumps of the clock don't matter */
	pt->armed = s->value_ns != 0;
	pt->waiting = false;
	pt->overrun_last = 0;
	pt->interval_ns = s->interval_ns;
	pt->deadline_ns = absolute ? s->value_ns - pt->clock.offset_ns : ns_add(clock_kind_now(pt->kind), s->value_ns);
	if (pt->armed)
		posix_timer_start_locked(pt);
	else
		timer_cancel(&pt->timer);
	latch_unlock(&pt->latch);
}

static void posix_timer_read_cpu(struct posix_timer *pt, int64_t now, struct timer_setting *out)
{
	out->interval_ns = pt->cpu.interval_ns;
	out->value_ns = pt->cpu.armed ? MAX(pt->cpu.deadline_ns - now, 1) : 0;
}

static void posix_timer_write_cpu(struct posix_timer *pt, bool absolute, int64_t now,
				  const struct timer_setting *s)
{
	struct cpu_timer *ct = &pt->cpu;

	cpu_timer_disarm_locked(ct);
	ct->interval_ns = s->interval_ns;
	ct->deadline_ns = absolute ? s->value_ns : ns_add(now, s->value_ns);
	if (s->value_ns)
		cpu_timer_arm_locked(pt->process->timers, ct);
}

/*
 * Find a timer, and the present time of its clock if that is a CPU clock, which can't be read under
 * timers_lock.  On success timers_lock is held.
 */
static int posix_timer_lock(struct task *t, int id, struct posix_timer **out, int64_t *cpu_now) NO_TSA
{
	struct process *p = t->process;
	int64_t user, sys;

	process_cpu_time(p, &user, &sys);
	mutex_lock(&p->timers_lock);
	*out = posix_timer_find_locked(p, id);
	if (!*out) {
		mutex_unlock(&p->timers_lock);
		return -EINVAL;
	}
	if ((*out)->clock.thread)
		task_cpu_time((*out)->clock.thread, &user, &sys);
	*cpu_now = (*out)->clock.time == CPU_TIME_USER ? user : user + sys;
	return 0;
}

int posix_timer_get(struct task *t, int id, struct timer_setting *out) NO_TSA
{
	struct posix_timer *pt;
	int64_t cpu_now;
	int err = posix_timer_lock(t, id, &pt, &cpu_now);

	if (err < 0)
		return err;
	if (timer_on_cpu(pt))
		posix_timer_read_cpu(pt, cpu_now, out);
	else
		posix_timer_read(pt, out);
	mutex_unlock(&t->process->timers_lock);
	return 0;
}

int posix_timer_set(struct task *t, int id, bool absolute, const struct timer_setting *s,
		    struct timer_setting *old) NO_TSA
{
	struct posix_timer *pt;
	int64_t cpu_now;
	int err = posix_timer_lock(t, id, &pt, &cpu_now);

	if (err < 0)
		return err;
	if (timer_on_cpu(pt)) {
		posix_timer_read_cpu(pt, cpu_now, old);
		posix_timer_write_cpu(pt, absolute, cpu_now, s);
	} else {
		posix_timer_read(pt, old);
		posix_timer_write(pt, absolute, s);
	}
	mutex_unlock(&t->process->timers_lock);
	return 0;
}

int posix_timer_overrun(struct task *t, int id)
{
	struct process *p = t->process;
	struct posix_timer *pt;
	int overrun = -EINVAL;

	mutex_lock(&p->timers_lock);
	pt = posix_timer_find_locked(p, id);
	if (pt) {
		latch_lock(&pt->latch);
		overrun = (int)MIN(pt->overrun_last, (int64_t)INT32_MAX);
		latch_unlock(&pt->latch);
	}
	mutex_unlock(&p->timers_lock);
	return overrun;
}
