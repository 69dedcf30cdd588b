/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h: clocks by their ids (clock_gettime(2)): the host's, and CPU times of tasks.
 *
 * Negative ids name CPU clocks of a process or thread: ~pid << 3, bit 2 for a thread, and which time
 * (linux/posix-timers.h: CPUCLOCK_*).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct task;
struct process;

/* What a clock id stands for. */
enum clock_kind {
	CLOCK_KIND_REAL,    /* real time: may jump */
	CLOCK_KIND_MONO,    /* monotonic */
	CLOCK_KIND_BOOT,    /* monotonic and suspended time */
	CLOCK_KIND_TAI,
	CLOCK_KIND_OTHER,   /* to be read only: raw, coarse */
	CLOCK_KIND_CPU,     /* CPU time of a process or thread */
};

enum cpu_time { CPU_TIME_ALL, CPU_TIME_USER };

struct clock_ref {
	enum clock_kind kind;
	int id;
	bool alarm;             /* CLOCK_*_ALARM: CAP_WAKE_ALARM */
	int64_t offset_ns;      /* of the time namespace: clock_ref_now() has it in */
	/* CLOCK_KIND_CPU: */
	enum cpu_time time;
	struct process *process; /* counted; or */
	struct task *thread;     /* counted */
};

/* Resolve an id for t.  -EINVAL.  clock_ref_put() afterwards. */
int clock_ref_get(struct task *t, int id, struct clock_ref *out) must_check;
void clock_ref_put(struct clock_ref *c);
/* Its present value.  May sleep for CPU clocks (tasklist lock). */
int64_t clock_ref_now(const struct clock_ref *c);
int64_t clock_ref_resolution(const struct clock_ref *c);
/* Present value of a clock that is not a CPU clock; from anywhere. */
int64_t clock_kind_now(enum clock_kind kind);
/* The CLOCK_MONOTONIC time when a clock that is not a CPU clock will show ns, as things are now. */
int64_t clock_kind_deadline(enum clock_kind kind, int64_t ns);
