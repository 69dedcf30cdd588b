/* SPDX-License-Identifier: Apache-2.0 */
/* posix_timer.c: timer_create(2) and kin, setitimer(2), getitimer(2), alarm(2). */
#include <errno.h>
#include <sys/time.h>

#include "sentry/task/task.h"
#include "sentry/time/timers.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"

struct user_sigevent {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};
_Static_assert(sizeof(struct user_sigevent) == 64, "x86-64 ABI");

/* ---- POSIX timers ------------------------------------------------------------------------------ */

/* good_sigevent(): *n, with n->thread referenced.  -EINVAL. */
static int sigevent_check(struct task *t, const struct user_sigevent *e, struct timer_notify *n)
{
	n->value = e->value;
	n->signo = e->signo;
	switch (e->notify) {
	case SIGEV_NONE:
		n->none = true;
		return 0;
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		n->thread = task_lookup(task_pid_ns(t), e->tid);
		if (!n->thread || n->thread->process != t->process)
			break;
		fall_through;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD: /* the C library's own: a signal here */
		if (e->signo > 0 && e->signo <= SIG_COUNT)
			return 0;
		break;
	default:
		break;
	}
	task_put(n->thread);
	n->thread = NULL;
	return -EINVAL;
}

long sys_timer_create(struct task *t, int clock, uaddr_t event, uaddr_t id)
{
	struct timer_notify n = { .signo = SIGALRM, .default_value = true };
	struct user_sigevent e;
	int timer, err;

	if (event.addr) {
		n = (struct timer_notify){ .none = false };
		err = uaccess_get(t, &e, event, sizeof(e));
		if (err == 0)
			err = sigevent_check(t, &e, &n);
		if (err < 0)
			return err;
	}
	timer = posix_timer_create(t, clock, &n);
	task_put(n.thread);
	if (timer < 0)
		return timer;
	err = uaccess_put(t, id, &timer, sizeof(timer));
	if (err < 0)
		(void)posix_timer_delete(t, timer);
	return err;
}

long sys_timer_settime(struct task *t, int id, int flags, uaddr_t value, uaddr_t old)
{
	struct timer_setting s, before;
	int err;

	if (!value.addr)
		return -EINVAL;
	err = itimerspec_get_user(t, value, &s.value_ns, &s.interval_ns);
	if (err < 0)
		return err;
	err = posix_timer_set(t, id, flags & TIMER_ABSTIME, &s, &before);
	if (err == 0 && old.addr)
		err = itimerspec_put_user(t, old, before.value_ns, before.interval_ns);
	return err;
}

long sys_timer_gettime(struct task *t, int id, uaddr_t value)
{
	struct timer_setting s;
	int err = posix_timer_get(t, id, &s);

	return err < 0 ? err : itimerspec_put_user(t, value, s.value_ns, s.interval_ns);
}

long sys_timer_getoverrun(struct task *t, int id)
{
	return posix_timer_overrun(t, id);
}

long sys_timer_delete(struct task *t, int id)
{
	return posix_timer_delete(t, id);
}

/* ---- interval timers --------------------------------------------------------------------------- */

static bool timeval_ok(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < 1000000;
}

static int64_t timeval_to_ns(const struct timeval *tv)
{
	struct timespec ts = { tv->tv_sec, tv->tv_usec * NSEC_PER_USEC };

	return timespec_to_ns(&ts);
}

static int itimerval_put(struct task *t, uaddr_t dst, const struct timer_setting *s)
{
	struct itimerval v = {
		.it_interval = timeval_from_ns(s->interval_ns),
		.it_value = timeval_from_ns(s->value_ns),
	};

	return uaccess_put(t, dst, &v, sizeof(v));
}

static bool itimer_which_ok(int which)
{
	return which == ITIMER_REAL || which == ITIMER_VIRTUAL || which == ITIMER_PROF;
}

long sys_getitimer(struct task *t, int which, uaddr_t value)
{
	struct timer_setting s;

	if (!itimer_which_ok(which))
		return -EINVAL;
	itimer_get(t->process, which, &s);
	return itimerval_put(t, value, &s);
}

long sys_setitimer(struct task *t, int which, uaddr_t value, uaddr_t old)
{
	struct timer_setting s = { 0, 0 }, before;
	struct itimerval v;
	int err;

	if (value.addr) { /* NULL disarms, as Linux still allows */
		err = uaccess_get(t, &v, value, sizeof(v));
		if (err < 0)
			return err;
		if (!timeval_ok(&v.it_value) || !timeval_ok(&v.it_interval))
			return -EINVAL;
		s.value_ns = timeval_to_ns(&v.it_value);
		s.interval_ns = timeval_to_ns(&v.it_interval);
	}
	if (!itimer_which_ok(which))
		return -EINVAL;
	err = itimer_set(t->process, which, &s, &before);
	if (err == 0 && old.addr)
		err = itimerval_put(t, old, &before);
	return err;
}

/* What was left, rounded to seconds but never to 0 (alarm_setitimer). */
long sys_alarm(struct task *t, unsigned int seconds)
{
	struct timer_setting s = { (int64_t)seconds * NSEC_PER_SEC, 0 }, before;
	int64_t left;
	int err = itimer_set(t->process, ITIMER_REAL, &s, &before);

	if (err < 0)
		return err;
	left = before.value_ns / NSEC_PER_SEC;
	if (before.value_ns % NSEC_PER_SEC >= NSEC_PER_SEC / 2 ||
	    (left == 0 && before.value_ns % NSEC_PER_SEC > 0))
		left++;
	return left;
}
