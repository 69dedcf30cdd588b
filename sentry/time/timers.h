/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.h: a process's interval timers and POSIX timers (setitimer(2), timer_create(2)).  struct
 * process_timers is made on first use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct process;
struct process_timers;
struct task;

/* ---- life -------------------------------------------------------------------------------------- */

/* The last task is leaving: nothing fires any more.  May sleep. */
void process_timers_stop(struct process *p);
/* execve: POSIX timers go, interval timers stay. */
void process_timers_exec(struct process *p);
/* Last reference to the process; accepts NULL. */
void process_timers_free(struct process_timers *timers);

/* Watch over p's RLIMIT_CPU, as it is now: SIGXCPU each second from the soft one on, SIGKILL at the hard. */
void process_cpu_limit(struct process *p);

/* ---- interval timers --------------------------------------------------------------------------- */

/* Until the next expiry (0: disarmed), and between expiries; nanoseconds. */
struct timer_setting {
	int64_t value_ns, interval_ns;
};

/* which: ITIMER_*, checked by the caller.  old may be NULL.  -ENOMEM. */
int itimer_set(struct process *p, int which, const struct timer_setting *s, struct timer_setting *old);
void itimer_get(struct process *p, int which, struct timer_setting *out);

/* ---- POSIX timers ------------------------------------------------------------------------------ */

/* How an expiry is told, from struct sigevent; thread is referenced by the callee as it needs. */
struct timer_notify {
	bool none;             /* SIGEV_NONE */
	int signo;
	uint64_t value;        /* sigev_value */
	bool default_value;    /* no sigevent given: the value is the timer's id */
	struct task *thread;   /* SIGEV_THREAD_ID: to this one; borrowed */
};

/* The new timer's id, -EINVAL (clock), -EPERM, -EOPNOTSUPP, -EAGAIN (too many), -ENOMEM. */
int posix_timer_create(struct task *t, int clockid, const struct timer_notify *n);
/* All: -EINVAL when there is no such timer. */
int posix_timer_set(struct task *t, int id, bool absolute, const struct timer_setting *s,
		    struct timer_setting *old);
int posix_timer_get(struct task *t, int id, struct timer_setting *out);
int posix_timer_overrun(struct task *t, int id);
int posix_timer_delete(struct task *t, int id);
