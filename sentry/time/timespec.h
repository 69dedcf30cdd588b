/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timespec.h: times as the application writes them, and as nanoseconds.
 *
 * Inside the Sentry a time is an int64_t of nanoseconds, a deadline is one on CLOCK_MONOTONIC;
 * INT64_MAX is "never".  Sums saturate there, as the kernel's ktime_t does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include "lib/util.h"

struct task;

/* Normalised and not negative (timespec64_valid). */
static inline bool timespec_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

static inline int64_t ns_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

/* Of a valid one; INT64_MAX when it does not fit. */
int64_t timespec_to_ns(const struct timespec *ts);
struct timespec timespec_from_ns(int64_t ns);
struct timeval timeval_from_ns(int64_t ns);

/* Copies in and checks: -EFAULT, -EINVAL (not valid). */
int timespec_get_user(struct task *t, uaddr_t src, int64_t *ns) must_check;
int timespec_put_user(struct task *t, uaddr_t dst, int64_t ns) must_check;
int itimerspec_get_user(struct task *t, uaddr_t src, int64_t *value_ns, int64_t *interval_ns) must_check;
int itimerspec_put_user(struct task *t, uaddr_t dst, int64_t value_ns, int64_t interval_ns) must_check;

/*
 * The deadline of a wait that lasts this long from now: 0 (only look) for 0, INT64_MAX for more
 * than there is time.
 */
int64_t deadline_after(int64_t timeout_ns);
/* What is left until a deadline other than 0 and INT64_MAX; at least 0. */
int64_t deadline_left(int64_t deadline_ns);
