/* SPDX-License-Identifier: Apache-2.0 */
/* test_timer.c: timers and watched descriptors (lib/timer.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

static int setup(void **state)
{
	(void)state;
	return events_start();
}

static int teardown(void **state)
{
	(void)state;
	events_stop();
	return 0;
}

static void pause_ns(int64_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	nanosleep(&ts, NULL);
}

static void until(atomic_uint *n, unsigned int want)
{
	while (atomic_load(n) != want)
		pause_ns(50000);
}

/* ---- timers ---- */

static atomic_uint fired;
static int fired_order[16];

struct numbered {
	struct timer timer;
	int number;
	int64_t at;
};

static void numbered_fire(struct timer *t)
{
	struct numbered *n = container_of(t, struct numbered, timer);

	n->at = clock_mono_ns();
	fired_order[atomic_load(&fired) % ARRAY_SIZE(fired_order)] = n->number;
	atomic_fetch_add(&fired, 1);
}

/* The event worker, kept busy while timers are armed: however late that is, none fires before all are. */
struct gate {
	struct timer timer;
	atomic_uint entered, open;
};

static void gate_fire(struct timer *t)
{
	struct gate *g = container_of(t, struct gate, timer);

	atomic_store(&g->entered, 1);
	until(&g->open, 1);
}

static void gate_shut(struct gate *g)
{
	atomic_init(&g->entered, 0);
	atomic_init(&g->open, 0);
	timer_init(&g->timer, gate_fire);
	timer_arm(&g->timer, 0);
	until(&g->entered, 1);
}

static void gate_open(struct gate *g)
{
	atomic_store(&g->open, 1);
	timer_cancel_sync(&g->timer);
}

static void timers_fire_in_order_and_not_early(void **state)
{
	static const int order[] = { 3, 0, 4, 1, 2 };
	struct numbered n[5];
	struct gate gate;
	int64_t now;

	(void)state;
	atomic_store(&fired, 0);
	gate_shut(&gate);
	now = clock_mono_ns();
	for (int i = 0; i < 5; i++) {
		n[i].number = i;
		timer_init(&n[i].timer, numbered_fire);
	}
	for (int i = 0; i < 5; i++)
		timer_arm(&n[order[i]].timer, now + (2 + order[i]) * NSEC_PER_MSEC);
	gate_open(&gate);
	until(&fired, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(fired_order[i], i);
		assert_true(n[i].at >= now + (2 + i) * NSEC_PER_MSEC);
		assert_false(timer_cancel(&n[i].timer));
	}
}

static void nearer_deadline_wakes_the_event_worker(void **state)
{
	struct numbered far = { .number = 1 }, near = { .number = 2 };
	int64_t now = clock_mono_ns();

	(void)state;
	atomic_store(&fired, 0);
	timer_init(&far.timer, numbered_fire);
	timer_init(&near.timer, numbered_fire);
	timer_arm(&far.timer, now + 3600 * NSEC_PER_SEC);
	pause_ns(NSEC_PER_MSEC);
	timer_arm(&near.timer, now + 2 * NSEC_PER_MSEC);
	until(&fired, 1);
	assert_int_equal(fired_order[0], 2);
	assert_true(timer_cancel(&far.timer));
}

static void rearming_moves_a_timer(void **state)
{
	struct numbered n = { .number = 1 };
	struct gate gate;
	int64_t later;

	(void)state;
	atomic_store(&fired, 0);
	timer_init(&n.timer, numbered_fire);
	gate_shut(&gate);
	later = clock_mono_ns() + 5 * NSEC_PER_MSEC;
	timer_arm(&n.timer, later - 4 * NSEC_PER_MSEC);
	timer_arm(&n.timer, later);
	gate_open(&gate);
	until(&fired, 1);
	assert_true(n.at >= later);
	timer_arm(&n.timer, 0); /* long past */
	until(&fired, 2);
}

static void cancelled_timer_does_not_fire(void **state)
{
	struct numbered n = { .number = 1 };
	struct gate gate;

	(void)state;
	atomic_store(&fired, 0);
	timer_init(&n.timer, numbered_fire);
	gate_shut(&gate);
	timer_arm(&n.timer, clock_mono_ns() + 2 * NSEC_PER_MSEC);
	assert_true(timer_cancel_sync(&n.timer));
	gate_open(&gate);
	assert_false(timer_cancel(&n.timer));
	pause_ns(4 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&fired), 0);
}

static atomic_uint slow_entered, slow_left;

static void slow_fire(struct timer *t)
{
	atomic_fetch_add(&slow_entered, 1);
	pause_ns(3 * NSEC_PER_MSEC);
	atomic_fetch_add(&slow_left, 1);
	timer_arm(t, clock_mono_ns()); /* as periodic ones do */
}

static void cancel_sync_waits_for_a_running_callback(void **state)
{
	struct timer t;
	unsigned int left;

	(void)state;
	atomic_store(&slow_entered, 0);
	atomic_store(&slow_left, 0);
	timer_init(&t, slow_fire);
	timer_arm(&t, 0);
	until(&slow_entered, 1);
	timer_cancel_sync(&t);
	left = atomic_load(&slow_left);
	assert_int_equal(left, atomic_load(&slow_entered));
	pause_ns(5 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&slow_left), left);
}

static void quick_fire(struct timer *t)
{
	(void)t;
	atomic_fetch_add(&fired, 1);
}

static void cancel_and_fire_race_ends_in_exactly_one_of_both(void **state)
{
	unsigned int cancelled = 0, turns = UNIT_TSAN ? 500 : 3000;
	struct timer t;

	(void)state;
	atomic_store(&fired, 0);
	timer_init(&t, quick_fire);
	for (unsigned int i = 0; i < turns; i++) {
		timer_arm(&t, clock_mono_ns() + (int64_t)(i % 100) * 1000);
		if (i % 3 == 0)
			sched_yield();
		if (i % 10 == 0)
			pause_ns(60000);
		cancelled += timer_cancel_sync(&t);
	}
	assert_int_equal(atomic_load(&fired) + cancelled, turns);
}

/* ---- descriptors ---- */

struct watched {
	struct hostfd h;
	atomic_uint calls;
	atomic_uint events;
	bool again;
};

static void watched_ready(struct hostfd *h, uint32_t events)
{
	struct watched *w = container_of(h, struct watched, h);

	atomic_store(&w->events, events);
	atomic_fetch_add(&w->calls, 1);
	if (w->again)
		hostfd_watch(h, EPOLLIN);
}

static void ready_descriptor_is_reported_once_a_watch(void **state)
{
	struct watched w = { .again = false };
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(hostfd_init(&w.h, p[0], watched_ready), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	pause_ns(2 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&w.calls), 0); /* nobody has asked */
	hostfd_watch(&w.h, EPOLLIN);
	until(&w.calls, 1);
	assert_int_equal(atomic_load(&w.events), EPOLLIN);
	pause_ns(2 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&w.calls), 1); /* still readable, but not asked again */
	hostfd_watch(&w.h, EPOLLIN);
	until(&w.calls, 2);
	close(p[1]);
	hostfd_watch(&w.h, EPOLLOUT); /* hang-up is reported whatever was asked */
	until(&w.calls, 3);
	assert_int_equal(atomic_load(&w.events), EPOLLHUP);
	hostfd_fini(&w.h);
	close(p[0]);
}

static void hang_up_before_the_watch_is_not_lost(void **state)
{
	struct watched w = { .again = false };
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(hostfd_init(&w.h, p[0], watched_ready), 0);
	close(p[1]);
	pause_ns(2 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&w.calls), 0);
	hostfd_watch(&w.h, EPOLLIN);
	until(&w.calls, 1);
	hostfd_fini(&w.h);
	close(p[0]);
}

static void files_cannot_be_watched(void **state)
{
	struct hostfd h;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(hostfd_init(&h, fd, watched_ready), -EPERM);
	close(fd);
	assert_int_equal(hostfd_init(&h, -1, watched_ready), -EBADF);
}

static void callback_is_over_after_fini(void **state)
{
	(void)state;
	for (int i = 0; i < (UNIT_TSAN ? 100 : 500); i++) {
		struct watched *w = calloc(1, sizeof(*w));
		int p[2];

		w->again = true; /* always readable: called all the time */
		assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
		assert_int_equal(write(p[1], "x", 1), 1);
		assert_int_equal(hostfd_init(&w->h, p[0], watched_ready), 0);
		hostfd_watch(&w->h, EPOLLIN);
		if (i % 2)
			pause_ns(20000);
		hostfd_fini(&w->h);
		free(w); /* ASan sees a late call */
		close(p[0]);
		close(p[1]);
	}
}

#define EVENTS(test) UNIT_FIXTURE(test, setup, teardown)

UNIT_MAIN(EVENTS(timers_fire_in_order_and_not_early),
	  EVENTS(nearer_deadline_wakes_the_event_worker),
	  EVENTS(rearming_moves_a_timer),
	  EVENTS(cancelled_timer_does_not_fire),
	  EVENTS(cancel_sync_waits_for_a_running_callback),
	  EVENTS(cancel_and_fire_race_ends_in_exactly_one_of_both),
	  EVENTS(ready_descriptor_is_reported_once_a_watch),
	  EVENTS(hang_up_before_the_watch_is_not_lost),
	  EVENTS(files_cannot_be_watched),
	  EVENTS(callback_is_over_after_fini))
