/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time.c: reading clocks, and sleeping on them: clock_gettime(2) and kin, nanosleep(2).
 *
 * Nobody in a sandbox may set a clock: they are the host's.  Interrupted relative sleeps go on with
 * their original deadline (restart_syscall(2)) when no handler runs, else the rest is written.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>

#include "lib/clock.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"

#define CLK_TCK_NS (NSEC_PER_SEC / 100)
#define CPU_POLL_MIN NSEC_PER_MSEC

/* ---- reading ----------------------------------------------------------------------------------- */

long sys_clock_gettime(struct task *t, int clock, uaddr_t time)
{
	struct clock_ref c;
	int64_t ns;
	int err = clock_ref_get(t, clock, &c);

	if (err < 0)
		return err;
	ns = clock_ref_now(&c);
	clock_ref_put(&c);
	return timespec_put_user(t, time, ns);
}

long sys_clock_getres(struct task *t, int clock, uaddr_t res)
{
	struct clock_ref c;
	int64_t ns;
	int err = clock_ref_get(t, clock, &c);

	if (err < 0)
		return err;
	ns = clock_ref_resolution(&c);
	clock_ref_put(&c);
	return res.addr ? timespec_put_user(t, res, ns) : 0;
}

long sys_gettimeofday(struct task *t, uaddr_t tv, uaddr_t tz)
{
	int err = 0;

	if (tv.addr) {
		struct timeval now = timeval_from_ns(clock_real_ns());

		err = uaccess_put(t, tv, &now, sizeof(now));
	}
	if (err == 0 && tz.addr)
		err = uaccess_zero(t, tz, sizeof(struct timezone)); /* UTC, as a Linux that boots so */
	return err;
}

long sys_time(struct task *t, uaddr_t tloc)
{
	int64_t now = clock_real_ns() / NSEC_PER_SEC;
	int err = tloc.addr ? uaccess_put(t, tloc, &now, sizeof(now)) : 0;

	return err < 0 ? err : now;
}

long sys_times(struct task *t, uaddr_t buf)
{
	struct process *p = t->process;
	int64_t user, sys;
	struct tms tms;
	int err;

	if (buf.addr) {
		process_cpu_time(p, &user, &sys);
		tms.tms_utime = user / CLK_TCK_NS;
		tms.tms_stime = sys / CLK_TCK_NS;
		mutex_lock(&tasklist.lock);
		tms.tms_cutime = p->child_utime_ns / CLK_TCK_NS;
		tms.tms_cstime = p->child_stime_ns / CLK_TCK_NS;
		mutex_unlock(&tasklist.lock);
		err = uaccess_put(t, buf, &tms, sizeof(tms));
		if (err < 0)
			return err;
	}
	return clock_boot_ns() / CLK_TCK_NS;
}

/* ---- setting: refused -------------------------------------------------------------------------- */

long sys_clock_settime(struct task *t, int clock, uaddr_t time)
{
	struct clock_ref c;
	struct timespec ts;
	int err = clock_ref_get(t, clock, &c);

	if (err < 0)
		return err;
	clock_ref_put(&c);
	if (c.kind != CLOCK_KIND_REAL || c.alarm)
		return -EINVAL; /* clocks that can't be set */
	err = uaccess_get(t, &ts, time, sizeof(ts));
	if (err < 0)
		return err;
	return timespec_valid(&ts) ? -EPERM : -EINVAL;
}

/* The state of a clock that nobody disciplines; the host's own is not ours to show. */
static long timex_read(struct task *t, uaddr_t buf)
{
	int64_t now = clock_real_ns();
	struct timex tx;
	int err = uaccess_get(t, &tx, buf, sizeof(tx));

	if (err < 0)
		return err;
	if (tx.modes != 0)
		return -EPERM;
	memset(&tx, 0, sizeof(tx));
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time = timeval_from_ns(now);
	err = uaccess_put(t, buf, &tx, sizeof(tx));
	return err < 0 ? err : TIME_ERROR;
}

long sys_adjtimex(struct task *t, uaddr_t buf)
{
	return timex_read(t, buf);
}

long sys_clock_adjtime(struct task *t, int clock, uaddr_t buf)
{
	if (clock == CLOCK_REALTIME)
		return timex_read(t, buf);
	return clock >= 0 && clock <= CLOCK_TAI ? -EOPNOTSUPP : -EINVAL;
}

/* ---- sleeping ---------------------------------------------------------------------------------- */

/* Until c shows target.  0 or -EINTR. */
static int sleep_until(struct task *t, const struct clock_ref *c, int64_t target)
{
	for (;;) {
		int64_t left = target - clock_ref_now(c);
		int64_t deadline_ns;
		int err;

		if (left <= 0)
			return 0;
		if (c->kind == CLOCK_KIND_CPU) /* needs at least so long, with few threads */
			deadline_ns = ns_add(clock_mono_ns(), MAX(left / 4, CPU_POLL_MIN));
		else
			deadline_ns = ns_add(clock_mono_ns(), left);
		waiter_prepare(&t->waiter);
		err = waiter_sleep(&t->waiter, WAITER_INTERRUPTIBLE, deadline_ns);
		if (err == -EINTR)
			return err;
	}
}

/* A relative sleep of t, until target.  The rest goes to rem when it is interrupted. */
static long sleep_relative(struct task *t, const struct clock_ref *c, int64_t target, uaddr_t rem)
{
	int64_t left;

	if (sleep_until(t, c, target) == 0)
		return 0;
	left = target - clock_ref_now(c);
	if (left <= 0)
		return 0;
	if (rem.addr) {
		int err = timespec_put_user(t, rem, left);

		if (err < 0)
			return err;
	}
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_restart(struct task *t);

static long sleep_set_restart(struct task *t, int clock, int64_t target, uaddr_t rem)
{
	t->restart.fn = sleep_restart;
	t->restart.args[0] = (uint64_t)clock;
	t->restart.args[1] = (uint64_t)target;
	t->restart.args[2] = rem.addr;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_restart(struct task *t)
{
	int clock = (int)t->restart.args[0];
	int64_t target = (int64_t)t->restart.args[1];
	uaddr_t rem = uaddr(t->restart.args[2]);
	struct clock_ref c;
	long ret = clock_ref_get(t, clock, &c);

	if (ret < 0)
		return ret;
	ret = sleep_relative(t, &c, target, rem);
	clock_ref_put(&c);
	return ret == -ERESTART_RESTARTBLOCK ? sleep_set_restart(t, clock, target, rem) : ret;
}

/* A time span does not care for jumps of the real-time clock. */
static int span_clock(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_TAI || clock == CLOCK_REALTIME_ALARM ?
		       CLOCK_MONOTONIC : clock;
}

static long sleep_common(struct task *t, int clock, bool absolute, int64_t ns, uaddr_t rem)
{
	struct clock_ref c;
	int64_t target;
	long ret;

	if (!absolute)
		clock = span_clock(clock);
	ret = clock_ref_get(t, clock, &c);
	if (ret < 0)
		return ret;
	if (absolute) {
		ret = sleep_until(t, &c, ns) < 0 ? -ERESTARTNOHAND : 0;
	} else {
		target = ns_add(clock_ref_now(&c), ns);
		ret = sleep_relative(t, &c, target, rem);
		if (ret == -ERESTART_RESTARTBLOCK)
			ret = sleep_set_restart(t, clock, target, rem);
	}
	clock_ref_put(&c);
	return ret;
}

long sys_clock_nanosleep(struct task *t, int clock, int flags, uaddr_t req, uaddr_t rem)
{
	struct clock_ref c;
	int64_t ns;
	int err = clock_ref_get(t, clock, &c);

	if (err < 0)
		return err;
	if (c.kind == CLOCK_KIND_OTHER || clock == CLOCK_THREAD_CPUTIME_ID || c.alarm)
		err = -EOPNOTSUPP; /* alarms: no clock device could wake the machine */
	else if (c.thread == t)
		err = -EINVAL; /* its own clock stands still meanwhile */
	clock_ref_put(&c);
	if (err < 0)
		return err;
	err = timespec_get_user(t, req, &ns);
	if (err < 0)
		return err;
	return sleep_common(t, clock, flags & TIMER_ABSTIME, ns, rem);
}

long sys_nanosleep(struct task *t, uaddr_t req, uaddr_t rem)
{
	int64_t ns;
	int err = timespec_get_user(t, req, &ns);

	return err < 0 ? err : sleep_common(t, CLOCK_MONOTONIC, false, ns, rem);
}
