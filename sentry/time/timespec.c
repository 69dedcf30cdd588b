/* SPDX-License-Identifier: Apache-2.0 */
/* timespec.c: conversions of times, and their way from and to the application. */
#include "sentry/time/timespec.h"

#include <errno.h>

#include "lib/clock.h"
#include "sentry/task/uaccess.h"

_Static_assert(sizeof(struct timespec) == 16 && sizeof(struct itimerspec) == 32, "x86-64 ABI");
_Static_assert(sizeof(struct timeval) == 16, "x86-64 ABI");

int64_t timespec_to_ns(const struct timespec *ts)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)ts->tv_sec, NSEC_PER_SEC, &ns))
		return INT64_MAX;
	return ns_add(ns, ts->tv_nsec);
}

struct timespec timespec_from_ns(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
}

struct timeval timeval_from_ns(int64_t ns)
{
	return (struct timeval){ .tv_sec = ns / NSEC_PER_SEC,
				 .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC };
}

int timespec_get_user(struct task *t, uaddr_t src, int64_t *ns)
{
	struct timespec ts;
	int err = uaccess_get(t, &ts, src, sizeof(ts));

	if (err < 0)
		return err;
	if (!timespec_valid(&ts))
		return -EINVAL;
	*ns = timespec_to_ns(&ts);
	return 0;
}

int timespec_put_user(struct task *t, uaddr_t dst, int64_t ns)
{
	struct timespec ts = timespec_from_ns(ns);

	return uaccess_put(t, dst, &ts, sizeof(ts));
}

int itimerspec_get_user(struct task *t, uaddr_t src, int64_t *value_ns, int64_t *interval_ns)
{
	struct itimerspec its;
	int err = uaccess_get(t, &its, src, sizeof(its));

	if (err < 0)
		return err;
	if (!timespec_valid(&its.it_value) || !timespec_valid(&its.it_interval))
		return -EINVAL;
	*value_ns = timespec_to_ns(&its.it_value);
	*interval_ns = timespec_to_ns(&its.it_interval);
	return 0;
}

int itimerspec_put_user(struct task *t, uaddr_t dst, int64_t value_ns, int64_t interval_ns)
{
	struct itimerspec its = {
		.it_interval = timespec_from_ns(interval_ns),
		.it_value = timespec_from_ns(value_ns),
	};

	return uaccess_put(t, dst, &its, sizeof(its));
}

int64_t deadline_after(int64_t timeout_ns)
{
	return timeout_ns == 0 ? 0 : ns_add(clock_mono_ns(), timeout_ns);
}

int64_t deadline_left(int64_t deadline_ns)
{
	return MAX(deadline_ns - clock_mono_ns(), 0);
}
