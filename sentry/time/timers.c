/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.c: the life of a process's timers, interval timers (setitimer(2)), and timers on CPU clocks.
 *
 * CPU clocks can't be waited for: the host runs the threads.  The time until a CPU timer can expire
 * at the earliest is what is left divided by the number of threads; then a service fiber looks at
 * the clocks, and fires, or waits again.  A process whose threads sleep is looked at no more often
 * than every CPU_LOOK_MAX.
 *
 * A process's real-time interval timer is armed again by its callback; an interval shorter than
 * REAL_INTERVAL_MIN is stretched to that when it fires, so that nobody can keep the event worker busy
 * (Linux arms it again only when the signal is taken).
 */
#include "sentry/time/timers.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/time/timers_impl.h"
#include "sentry/time/timespec.h"

#define REAL_INTERVAL_MIN (50 * NSEC_PER_USEC)
#define CPU_LOOK_MIN      (1 * NSEC_PER_MSEC)
#define CPU_LOOK_MAX      (100 * NSEC_PER_MSEC)
#define CPU_THREADS_MAX   64u

/* ---- the real-time interval timer -------------------------------------------------------------- */

static void itimer_real_fire(struct timer *timer)
{
	struct process_timers *pt = container_of(timer, struct process_timers, real);
	bool due;

	latch_lock(&pt->latch);
	due = pt->real_armed && clock_mono_ns() >= pt->real_deadline_ns;
	if (due && pt->real_interval_ns)
		pt->real_deadline_ns = MAX(ns_add(pt->real_deadline_ns, pt->real_interval_ns),
					   clock_mono_ns() + REAL_INTERVAL_MIN);
	else if (due)
		pt->real_armed = false;
	if (pt->real_armed)
		timer_arm(&pt->real, pt->real_deadline_ns);
	latch_unlock(&pt->latch);
	if (due)
		sig_send_process(pt->process, SIGALRM, NULL);
}

static void itimer_real_get(struct process_timers *pt, struct timer_setting *out)
{
	latch_lock(&pt->latch);
	out->interval_ns = pt->real_interval_ns;
	out->value_ns = 0;
	if (pt->real_armed) /* about to fire is not disarmed */
		out->value_ns = MAX(pt->real_deadline_ns - clock_mono_ns(), NSEC_PER_USEC);
	latch_unlock(&pt->latch);
}

static void itimer_real_set(struct process_timers *pt, const struct timer_setting *s)
{
	latch_lock(&pt->latch);
	pt->real_armed = s->value_ns != 0;
	pt->real_interval_ns = pt->real_armed ? s->interval_ns : 0;
	pt->real_deadline_ns = ns_add(clock_mono_ns(), s->value_ns);
	if (pt->real_armed)
		timer_arm(&pt->real, pt->real_deadline_ns);
	else
		timer_cancel(&pt->real);
	latch_unlock(&pt->latch);
}

/* ---- CPU timers -------------------------------------------------------------------------------- */

struct cpu_sample {
	int64_t user, sys;
};

static int64_t cpu_sample_time(const struct cpu_sample *s, enum cpu_time time)
{
	return time == CPU_TIME_USER ? s->user : s->user + s->sys;
}

static int64_t cpu_timer_now(const struct cpu_timer *ct, const struct cpu_sample *process)
{
	struct cpu_sample thread;

	if (!ct->thread)
		return cpu_sample_time(process, ct->time);
	task_cpu_time(ct->thread, &thread.user, &thread.sys);
	return cpu_sample_time(&thread, ct->time);
}

/* How long the nearest CPU timer needs at least; timers_lock held.  INT64_MAX: none is armed. */
static int64_t cpu_timers_delay_locked(struct process_timers *pt, const struct cpu_sample *s)
{
	unsigned int threads = MIN(MAX(pt->process->task_count, 1u), CPU_THREADS_MAX);
	int64_t delay = INT64_MAX;
	struct cpu_timer *ct;

	list_for_each_entry(ct, &pt->cpu, node) {
		int64_t left = ct->deadline_ns - cpu_timer_now(ct, s);

		left = ct->thread ? left : left / (int64_t)threads;
		delay = MIN(delay, MAX(left, CPU_LOOK_MIN));
	}
	return delay;
}

static void cpu_timer_expire_locked(struct process_timers *pt, struct cpu_timer *ct, int64_t now)
{
	if (ct->interval_ns) {
		int64_t missed = (now - ct->deadline_ns) / ct->interval_ns;

		ct->deadline_ns = ns_add(ct->deadline_ns, ct->interval_ns * (missed + 1));
	} else {
		cpu_timer_disarm_locked(ct);
	}
	ct->fire(ct, pt->process);
}

static void cpu_timers_look(void *arg)
{
	struct process_timers *pt = arg;
	struct process *p = pt->process; /* referenced by whoever queued us */
	struct cpu_timer *ct, *tmp;
	struct cpu_sample s;
	int64_t delay;

	/* release: pairs with the exchange in cpu_timers_tick() */
	atomic_store_explicit(&pt->cpu_looking, false, memory_order_release);
	process_cpu_time(p, &s.user, &s.sys);
	mutex_lock(&p->timers_lock);
	list_for_each_entry_safe(ct, tmp, &pt->cpu, node) {
		int64_t now = cpu_timer_now(ct, &s);

		if (now >= ct->deadline_ns)
			cpu_timer_expire_locked(pt, ct, now);
	}
	delay = cpu_timers_delay_locked(pt, &s);
	if (!pt->stopped && delay != INT64_MAX)
		timer_arm(&pt->cpu_tick, clock_mono_ns() + MIN(delay, CPU_LOOK_MAX));
	mutex_unlock(&p->timers_lock);
	process_put(p); /* may free pt */
}

static void cpu_timers_tick(struct timer *timer)
{
	struct process_timers *pt = container_of(timer, struct process_timers, cpu_tick);

	if (atomic_exchange_explicit(&pt->cpu_looking, true, memory_order_acq_rel))
		return;
	process_get(pt->process);
	work_queue(&pt->cpu_look);
}

void cpu_timer_arm_locked(struct process_timers *pt, struct cpu_timer *ct)
{
	if (pt->stopped)
		return;
	if (!ct->armed)
		list_append(&pt->cpu, &ct->node);
	ct->armed = true;
	timer_arm(&pt->cpu_tick, clock_mono_ns() + CPU_LOOK_MIN); /* the look finds the right delay */
}

void cpu_timer_disarm_locked(struct cpu_timer *ct)
{
	if (ct->armed)
		list_remove(&ct->node);
	ct->armed = false;
}

/* ---- who ran ----------------------------------------------------------------------------------- */

/* A thread's CPU time at the last look.  task: an identity, not a reference. */
struct cpu_seen {
	const struct task *task;
	int64_t used_ns;
};

static int64_t cpu_seen_ns(const struct process_timers *pt, const struct task *t)
{
	for (unsigned int n = 0; n < pt->seen_count; n++)
		if (pt->seen[n].task == t)
			return pt->seen[n].used_ns;
	return 0;
}

/* Up to CPU_THREADS_MAX threads of p, with references. */
static unsigned int cpu_threads(struct process *p, struct task **out)
{
	unsigned int count = 0;
	struct task *t;

	latch_lock(&p->siglock);
	list_for_each_entry(t, &p->tasks, process_node)
		if (count < CPU_THREADS_MAX)
			out[count++] = task_get(t);
	latch_unlock(&p->siglock);
	return count;
}

/*
 * The thread that used most CPU time since the last look, with a reference, or NULL.  On Linux the
 * tick that makes the timer expire interrupts a thread that runs, and that takes the signal: profilers
 * (setitimer(2), ITIMER_PROF) would see nothing else.  timers_lock held.
 */
static struct task *cpu_runner_locked(struct process_timers *pt)
{
	struct task *threads[CPU_THREADS_MAX], *best = NULL;
	struct cpu_seen now[CPU_THREADS_MAX];
	unsigned int count;
	int64_t most = 0;

	if (pt->process->task_count < 2)
		return NULL;
	if (!pt->seen)
		pt->seen = mem_calloc(CPU_THREADS_MAX, sizeof(*pt->seen));
	if (!pt->seen)
		return NULL;
	count = cpu_threads(pt->process, threads);
	for (unsigned int n = 0; n < count; n++) {
		int64_t user, sys, ran;

		task_cpu_time(threads[n], &user, &sys);
		now[n] = (struct cpu_seen){ threads[n], user + sys };
		ran = now[n].used_ns - cpu_seen_ns(pt, threads[n]);
		if (ran > most) {
			most = ran;
			best = threads[n];
		}
	}
	memcpy(pt->seen, now, count * sizeof(*now));
	pt->seen_count = count;
	for (unsigned int n = 0; n < count; n++)
		if (threads[n] != best)
			task_put(threads[n]);
	return best;
}

static void cpu_signal(struct process *p, int sig)
{
	struct task *near = cpu_runner_locked(p->timers);

	sig_send_process_near(p, near, sig);
	task_put(near);
}

static void itimer_virt_fire(struct cpu_timer *ct, struct process *p)
{
	(void)ct;
	cpu_signal(p, SIGVTALRM);
}

static void itimer_prof_fire(struct cpu_timer *ct, struct process *p)
{
	(void)ct;
	cpu_signal(p, SIGPROF);
}

static void itimer_cpu_get(struct process_timers *pt, const struct cpu_timer *ct,
			   const struct cpu_sample *s, struct timer_setting *out)
{
	(void)pt;
	out->interval_ns = ct->interval_ns;
	out->value_ns = 0;
	if (ct->armed)
		out->value_ns = MAX(ct->deadline_ns - cpu_sample_time(s, ct->time), NSEC_PER_USEC);
}

/* ---- life -------------------------------------------------------------------------------------- */

struct process_timers *process_timers_make_locked(struct process *p)
{
	struct process_timers *pt = p->timers;

	if (pt)
		return pt;
	pt = mem_new(struct process_timers);
	if (!pt)
		return NULL;
	pt->process = p;
	latch_init(&pt->latch);
	timer_init(&pt->real, itimer_real_fire);
	list_init(&pt->cpu);
	list_init(&pt->virt.node);
	list_init(&pt->prof.node);
	pt->virt.time = CPU_TIME_USER;
	pt->virt.fire = itimer_virt_fire;
	pt->prof.time = CPU_TIME_ALL;
	pt->prof.fire = itimer_prof_fire;
	timer_init(&pt->cpu_tick, cpu_timers_tick);
	work_init(&pt->cpu_look, cpu_timers_look, pt);
	list_init(&pt->posix);
	p->timers = pt;
	return pt;
}

void process_timers_stop(struct process *p)
{
	struct process_timers *pt;

	mutex_lock(&p->timers_lock);
	pt = p->timers;
	if (pt) {
		pt->stopped = true;
		latch_lock(&pt->latch);
		pt->real_armed = false;
		latch_unlock(&pt->latch);
		timer_cancel_sync(&pt->real);
		cpu_timer_disarm_locked(&pt->virt);
		cpu_timer_disarm_locked(&pt->prof);
		cpu_timer_disarm_locked(&pt->limit);
		posix_timers_delete_all_locked(pt);
		timer_cancel_sync(&pt->cpu_tick);
	}
	mutex_unlock(&p->timers_lock);
}

/* ---- RLIMIT_CPU -------------------------------------------------------------------------------- */

static void cpu_limit_fire(struct cpu_timer *ct, struct process *p)
{
	uint64_t hard, seconds = (uint64_t)(ct->deadline_ns / NSEC_PER_SEC) - 1; /* it is the next one's */

	latch_lock(&p->rlimit_latch);
	hard = p->rlimits[RLIMIT_CPU].rlim_max;
	latch_unlock(&p->rlimit_latch);
	if (seconds >= hard) {
		cpu_timer_disarm_locked(ct);
		sig_send_process(p, SIGKILL, NULL);
		return;
	}
	cpu_signal(p, SIGXCPU);
}

void process_cpu_limit(struct process *p)
{
	uint64_t soft = process_rlimit(p, RLIMIT_CPU);
	struct process_timers *pt;

	mutex_lock(&p->timers_lock);
	pt = soft == RLIM_INFINITY ? p->timers : process_timers_make_locked(p);
	if (pt && !pt->stopped) {
		cpu_timer_disarm_locked(&pt->limit);
		pt->limit.fire = cpu_limit_fire;
		pt->limit.interval_ns = NSEC_PER_SEC;
		pt->limit.deadline_ns = (int64_t)MAX(MIN(soft, (uint64_t)INT32_MAX), (uint64_t)1) * NSEC_PER_SEC;
		if (soft != RLIM_INFINITY)
			cpu_timer_arm_locked(pt, &pt->limit);
	}
	mutex_unlock(&p->timers_lock);
}

void process_timers_exec(struct process *p)
{
	mutex_lock(&p->timers_lock);
	if (p->timers)
		posix_timers_delete_all_locked(p->timers);
	mutex_unlock(&p->timers_lock);
}

void process_timers_free(struct process_timers *timers)
{
	if (timers) {
		mem_free(timers->seen);
		hash_fini(&timers->posix_ids);
	}
	mem_free(timers); /* stopped by the last task */
}

/* ---- setitimer and getitimer ------------------------------------------------------------------- */

static struct cpu_timer *itimer_cpu(struct process_timers *pt, int which)
{
	return which == ITIMER_VIRTUAL ? &pt->virt : &pt->prof;
}

static void itimer_get_locked(struct process_timers *pt, int which, const struct cpu_sample *s,
			      struct timer_setting *out)
{
	*out = (struct timer_setting){ 0, 0 };
	if (pt && which == ITIMER_REAL)
		itimer_real_get(pt, out);
	else if (pt)
		itimer_cpu_get(pt, itimer_cpu(pt, which), s, out);
}

static void cpu_sample_take(struct process *p, int which, struct cpu_sample *s)
{
	*s = (struct cpu_sample){ 0, 0 };
	if (which != ITIMER_REAL)
		process_cpu_time(p, &s->user, &s->sys);
}

void itimer_get(struct process *p, int which, struct timer_setting *out)
{
	struct cpu_sample s;

	cpu_sample_take(p, which, &s);
	mutex_lock(&p->timers_lock);
	itimer_get_locked(p->timers, which, &s, out);
	mutex_unlock(&p->timers_lock);
}

static void itimer_cpu_set(struct process_timers *pt, struct cpu_timer *ct, const struct cpu_sample *s,
			   const struct timer_setting *new)
{
	cpu_timer_disarm_locked(ct);
	ct->interval_ns = new->value_ns ? new->interval_ns : 0;
	ct->deadline_ns = ns_add(cpu_sample_time(s, ct->time), new->value_ns);
	if (new->value_ns)
		cpu_timer_arm_locked(pt, ct);
}

int itimer_set(struct process *p, int which, const struct timer_setting *s, struct timer_setting *old)
{
	struct process_timers *pt;
	struct cpu_sample now;

	cpu_sample_take(p, which, &now);
	mutex_lock(&p->timers_lock);
	pt = process_timers_make_locked(p);
	if (pt && old)
		itimer_get_locked(pt, which, &now, old);
	if (pt && !pt->stopped) {
		if (which == ITIMER_REAL)
			itimer_real_set(pt, s);
		else
			itimer_cpu_set(pt, itimer_cpu(pt, which), &now, s);
	}
	mutex_unlock(&p->timers_lock);
	return pt ? 0 : -ENOMEM;
}
