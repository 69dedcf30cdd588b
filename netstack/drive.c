/* SPDX-License-Identifier: Apache-2.0 */
/* drive.c: a stack in real time (drive.h). */
#include "netstack/drive.h"

#include "lib/clock.h"

static int64_t drive_now(void *ctx)
{
	(void)ctx;
	return clock_mono_ns();
}

static int64_t drive_real(void *ctx)
{
	(void)ctx;
	return clock_real_ns();
}

static void drive_random(void *ctx, void *p, size_t size)
{
	((struct stack_drive *)ctx)->random(p, size);
}

/*
 * Announcements of two threads may come in either order, so what counts is what the stack says now,
 * asked under the latch under which the timer is armed.
 */
static void drive_deadline(void *ctx, int64_t deadline_ns)
{
	struct stack_drive *d = ctx;
	int64_t next;

	(void)deadline_ns;
	latch_lock(&d->latch);
	if (d->stack && !d->stopped) {
		next = stack_next_deadline(d->stack);
		if (next != INT64_MAX)
			timer_arm(&d->timer, next);
	}
	latch_unlock(&d->latch);
}

static void drive_fire(struct timer *t)
{
	work_queue(&container_of(t, struct stack_drive, timer)->work);
}

static void drive_work(void *arg)
{
	struct stack_drive *d = arg;

	if (!d->stopped)
		stack_run_timers(d->stack);
}

static const struct stack_ops drive_ops = {
	.now_ns = drive_now,
	.real_ns = drive_real,
	.random = drive_random,
	.deadline = drive_deadline,
};

struct stack *stack_drive_start(struct stack_drive *d, void (*random)(void *p, size_t size))
{
	d->random = random;
	d->stopped = false;
	d->stack = NULL;
	latch_init(&d->latch);
	timer_init(&d->timer, drive_fire);
	work_init(&d->work, drive_work, d);
	d->stack = stack_new(&drive_ops, d);
	if (d->stack)
		drive_deadline(d, 0);
	return d->stack;
}

void stack_drive_stop(struct stack_drive *d)
{
	latch_lock(&d->latch);
	d->stopped = true;
	latch_unlock(&d->latch);
	timer_cancel_sync(&d->timer);
	while (atomic_load(&d->work.queued))
		fiber_yield();
	stack_put(d->stack);
}
