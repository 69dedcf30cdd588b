/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd.c: timers that are read like files (timerfd_create(2)).
 *
 * The deadline is kept on the timeline that it was given on: real time for absolute CLOCK_REALTIME
 * timers, boot time for CLOCK_BOOTTIME, else monotonic time.  The underlying timer runs on
 * monotonic time; when it fires before a real-time deadline (the clock was set back), it is armed
 * again.  As in fs/timerfd.c an expired periodic timer is not armed again before somebody reads or
 * asks: what was missed is then counted in one step, so an unread timer costs nothing.
 *
 * TFD_TIMER_CANCEL_ON_SET: a jump of the real-time clock shows as a change of its distance to the
 * monotonic clock, which is looked at whenever the timer is used.
 *
 * Locks: module latch (list of cancel-on-set timers) → t->latch.  Wake-ups after both.
 */
#include "vfs/timerfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sys/timerfd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

#define CLOCK_JUMP_NS (50 * NSEC_PER_MSEC) /* less is noise of reading two clocks */

/* (c) constant, (l) latch, (m) module latch */
struct timerfd {
	int clockid;          /* (c) */
	struct latch latch;
	bool real;            /* (l) deadline is on the real-time timeline */
	bool armed;           /* (l) deadline_ns is valid and has not been counted */
	bool expired;         /* (l) deadline reached, interval not yet forwarded */
	bool cancel_on_set;   /* (l) */
	int flags;            /* (l) TFD_TIMER_* of the last setting, for fdinfo */
	int64_t deadline_ns;  /* (l) */
	int64_t interval_ns;  /* (l) */
	uint64_t ticks;       /* (l) expiries not yet read */
	int64_t real_offset;  /* (l) real - monotonic time when it was set */
	struct timer timer;
	struct wq wq;
	struct list node;     /* (m) */
};

static struct {
	struct latch latch;
	struct list all; /* (latch) every timerfd on a real-time clock */
} timerfd_module = { LATCH_INIT, LIST_INIT(timerfd_module.all) };

static bool clock_is_real(int clockid)
{
	return clockid == CLOCK_REALTIME || clockid == CLOCK_REALTIME_ALARM;
}

static int64_t real_offset_now(void)
{
	return clock_real_ns() - clock_mono_ns();
}

static int64_t saturating_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The present on the deadline's timeline. */
static int64_t timerfd_now(const struct timerfd *t)
{
	if (t->real)
		return clock_real_ns();
	if (t->clockid == CLOCK_BOOTTIME || t->clockid == CLOCK_BOOTTIME_ALARM)
		return clock_boot_ns();
	return clock_mono_ns();
}

static void timerfd_arm_locked(struct timerfd *t)
{
	int64_t left = t->deadline_ns - timerfd_now(t);

	timer_arm(&t->timer, saturating_add(clock_mono_ns(), MAX(left, 0)));
}

/* Count an expiry that is due.  True when it became readable. */
static bool timerfd_expire_locked(struct timerfd *t)
{
	if (!t->armed || t->expired || timerfd_now(t) < t->deadline_ns)
		return false;
	t->expired = true;
	t->ticks++;
	if (t->interval_ns == 0)
		t->armed = false;
	return true;
}

/* After an expiry of a periodic timer: count those missed and aim at the next. */
static void timerfd_forward_locked(struct timerfd *t)
{
	int64_t late, missed;

	if (!t->expired || t->interval_ns == 0)
		return;
	late = timerfd_now(t) - t->deadline_ns;
	missed = late > 0 ? late / t->interval_ns : 0;
	t->ticks += (uint64_t)missed;
	t->deadline_ns = saturating_add(t->deadline_ns, t->interval_ns * missed);
	t->deadline_ns = saturating_add(t->deadline_ns, t->interval_ns);
	t->expired = false;
	timerfd_arm_locked(t);
}

/* True once per jump of the clock. */
static bool timerfd_canceled_locked(struct timerfd *t)
{
	int64_t offset, jump;

	if (!t->cancel_on_set)
		return false;
	offset = real_offset_now();
	jump = offset - t->real_offset;
	if (jump > -CLOCK_JUMP_NS && jump < CLOCK_JUMP_NS)
		return false;
	t->real_offset = offset;
	return true;
}

static void timerfd_fire(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);
	bool readable;

	latch_lock(&t->latch);
	readable = timerfd_expire_locked(t);
	if (!readable && t->armed && !t->expired)
		timerfd_arm_locked(t); /* the clock was set back, or a bit early */
	latch_unlock(&t->latch);
	if (readable)
		wq_wake(&t->wq, POLLIN);
}

static bool timerfd_ready(void *arg)
{
	struct timerfd *t = arg;
	bool ready;

	latch_lock(&t->latch);
	ready = t->ticks > 0;
	latch_unlock(&t->latch);
	return ready;
}

static ssize_t timerfd_take(struct timerfd *t, uint64_t *ticks)
{
	ssize_t n = 0;

	latch_lock(&t->latch);
	if (timerfd_canceled_locked(t)) {
		t->ticks = 0;
		t->expired = false;
		n = -ECANCELED;
	} else if (t->ticks > 0) {
		timerfd_forward_locked(t);
		*ticks = t->ticks;
		t->ticks = 0;
		n = sizeof(*ticks);
	}
	latch_unlock(&t->latch);
	return n;
}

static ssize_t timerfd_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct timerfd *t = file_priv(f);
	uint64_t ticks = 0;
	ssize_t n;

	(void)pos;
	if (uio_left(dst) < sizeof(ticks))
		return -EINVAL;
	while ((n = timerfd_take(t, &ticks)) == 0) {
		if (rwf & O_NONBLOCK)
			return -EAGAIN;
		n = vfs_wait_ready(c, &t->wq, 0, false, timerfd_ready, t, INT64_MAX);
		if (n < 0)
			return n;
	}
	if (n < 0)
		return n;
	return uio_put(dst, &ticks, sizeof(ticks)) == n ? n : -EFAULT;
}

static uint32_t timerfd_poll(struct file *f, struct poller *p)
{
	struct timerfd *t = file_priv(f);

	poller_add(p, &t->wq);
	return timerfd_ready(t) ? POLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = file_priv(f);

	latch_lock(&timerfd_module.latch);
	list_remove(&t->node);
	latch_unlock(&timerfd_module.latch);
	timer_cancel_sync(&t->timer);
	mem_free(t);
}

static void timerfd_remaining_locked(struct timerfd *t, struct timerfd_spec *out)
{
	timerfd_forward_locked(t);
	out->interval_ns = t->interval_ns;
	out->value_ns = t->armed ? MAX(t->deadline_ns - timerfd_now(t), 1) : 0;
}

static void timerfd_show_fdinfo(struct file *f, struct buf *b)
{
	struct timerfd *t = file_priv(f);
	struct timerfd_spec s;
	uint64_t ticks;
	int flags;

	latch_lock(&t->latch);
	ticks = t->ticks;
	flags = t->flags;
	timerfd_remaining_locked(t, &s);
	latch_unlock(&t->latch);
	buf_printf(b, "clockid: %d\nticks: %" PRIu64 "\nsettime flags: 0%o\n"
		   "it_value: (%lld, %lld)\nit_interval: (%lld, %lld)\n",
		   t->clockid, ticks, (unsigned int)flags, s.value_ns / NSEC_PER_SEC,
		   s.value_ns % NSEC_PER_SEC, s.interval_ns / NSEC_PER_SEC,
		   s.interval_ns % NSEC_PER_SEC);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.show_fdinfo = timerfd_show_fdinfo,
	.release = timerfd_release,
};

int timerfd_set(struct file *f, int flags, const struct timerfd_spec *spec, struct timerfd_spec *old)
{
	struct timerfd_spec before;
	struct timerfd *t = file_priv(f);
	bool canceled;

	if (f->ops != &timerfd_ops || (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
		return -EINVAL;
	/* A callback that runs meanwhile sees either setting as a whole. */
	latch_lock(&t->latch);
	canceled = timerfd_canceled_locked(t) && (flags & TFD_TIMER_CANCEL_ON_SET);
	timerfd_remaining_locked(t, &before);
	t->real = (flags & TFD_TIMER_ABSTIME) && clock_is_real(t->clockid);
	t->cancel_on_set = t->real && (flags & TFD_TIMER_CANCEL_ON_SET);
	t->real_offset = real_offset_now();
	t->flags = flags;
	t->ticks = 0;
	t->expired = false;
	t->interval_ns = spec->interval_ns;
	t->armed = spec->value_ns != 0;
	t->deadline_ns = spec->value_ns;
	if (!(flags & TFD_TIMER_ABSTIME))
		t->deadline_ns = saturating_add(spec->value_ns, timerfd_now(t));
	if (t->armed)
		timerfd_arm_locked(t);
	else
		timer_cancel(&t->timer);
	latch_unlock(&t->latch);
	if (old)
		*old = before;
	return canceled ? -ECANCELED : 0;
}

int timerfd_clock(const struct file *f)
{
	const struct timerfd *t = file_priv(f);

	return f->ops == &timerfd_ops ? t->clockid : -EINVAL;
}

int timerfd_get(struct file *f, struct timerfd_spec *out)
{
	struct timerfd *t = file_priv(f);

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	latch_lock(&t->latch);
	timerfd_remaining_locked(t, out);
	latch_unlock(&t->latch);
	return 0;
}

void timerfd_clock_was_set(void)
{
	struct timerfd *t;

	latch_lock(&timerfd_module.latch);
	list_for_each_entry(t, &timerfd_module.all, node) {
		bool readable = false;

		latch_lock(&t->latch);
		if (t->cancel_on_set) {
			t->ticks++; /* so that poll shows it; read then says ECANCELED */
			readable = true;
		}
		if (t->armed && !t->expired && t->real)
			timerfd_arm_locked(t);
		latch_unlock(&t->latch);
		if (readable)
			wq_wake(&t->wq, POLLIN);
	}
	latch_unlock(&timerfd_module.latch);
}

int timerfd_new(struct vfs_ctx *c, int clockid, int flags, struct file **out)
{
	struct timerfd *t;
	int err;

	if (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC))
		return -EINVAL;
	switch (clockid) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		if (!cred_capable(c->cred, CAP_WAKE_ALARM))
			return -EPERM;
		break;
	default:
		return -EINVAL;
	}
	t = mem_new(struct timerfd);
	if (!t)
		return -ENOMEM;
	t->clockid = clockid;
	latch_init(&t->latch);
	timer_init(&t->timer, timerfd_fire);
	wq_init(&t->wq);
	list_init(&t->node);
	err = file_new_anon("timerfd", &timerfd_ops, t, O_RDWR | (flags & O_NONBLOCK),
			    FILE_READ | FILE_WRITE | FILE_STREAM | FILE_NOSPLICE, c->cred, out);
	if (err < 0) {
		mem_free(t);
		return err;
	}
	if (clock_is_real(clockid)) {
		latch_lock(&timerfd_module.latch);
		list_append(&timerfd_module.all, &t->node);
		latch_unlock(&timerfd_module.latch);
	}
	return 0;
}
