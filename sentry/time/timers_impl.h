/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers_impl.h: the timers of one process, shared by timers.c (interval timers, CPU time) and
 * posix_timer.c.
 *
 * Locks: process->timers_lock (mutex LOCK_TIMER_CLIENT) guards the lists and all settings; what
 * timer callbacks touch is under a latch as well.  Callbacks run on the event worker, which takes
 * latches only.  Order: tasklist.lock → timers_lock → siglock → a timer's latch → lib/timer's.
 */
#pragma once

#include "lib/fiber.h"
#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/timer.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "sentry/time/timers.h"

/* Something that expires on a CPU clock.  Under timers_lock. */
struct cpu_timer {
	struct list node;      /* in process_timers->cpu while armed */
	enum cpu_time time;
	struct task *thread;   /* borrowed from the owner; NULL: the whole process's time */
	int64_t deadline_ns, interval_ns; /* CPU time */
	bool armed;
	/* It expired; timers_lock held, on a fiber.  The deadline is forwarded, or it is disarmed. */
	void (*fire)(struct cpu_timer *ct, struct process *p);
};

/* (c) constant, (t) timers_lock, (l) latch */
struct process_timers {
	struct process *process; /* (c) borrowed */
	bool stopped;            /* (t) the process is gone: nothing may be armed */

	struct latch latch;
	struct timer real;       /* ITIMER_REAL */
	bool real_armed;         /* (l) */
	int64_t real_deadline_ns, real_interval_ns; /* (l) CLOCK_MONOTONIC */

	struct cpu_timer virt, prof; /* (t) ITIMER_VIRTUAL, ITIMER_PROF */
	struct cpu_timer limit;  /* (t) RLIMIT_CPU */
	struct cpu_seen *seen;   /* (t) what threads had used at the last look; owned; NULL: not yet */
	unsigned int seen_count; /* (t) */
	struct list cpu;         /* (t) armed CPU timers */
	struct timer cpu_tick;   /* when to look at the CPU clocks next */
	struct work cpu_look;
	atomic_bool cpu_looking; /* (a) cpu_look holds a reference to the process */

	struct list posix;       /* (t) struct posix_timer */
	struct hash posix_ids;   /* (t) the same by id; its buckets are made with the first */
	unsigned int posix_count; /* (t) */
	int next_id;             /* (t) */
};

/* p's timers, made if there are none yet; timers_lock held.  NULL: no memory. */
struct process_timers *process_timers_make_locked(struct process *p) must_check;
/* (Dis)arm on the CPU clock; timers_lock held. */
void cpu_timer_arm_locked(struct process_timers *pt, struct cpu_timer *ct);
void cpu_timer_disarm_locked(struct cpu_timer *ct);
/* Delete all POSIX timers; timers_lock held. */
void posix_timers_delete_all_locked(struct process_timers *pt);
