/* SPDX-License-Identifier: Apache-2.0 */
/* test_fiber.c: fibers, waiters and workers (lib/fiber.c, lib/worker.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/worker_later.h"
#include "lib/worker_poll.h"
#include "lib/worker_source.h"

/* Wait, on a fiber, until *n is want. */
static void until(atomic_uint *n, unsigned int want)
{
	while (atomic_load(n) != want)
		fiber_yield();
}

static void pause_ns(int64_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	nanosleep(&ts, NULL);
}

/* ---- fibers ---- */

static void count_up(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

FIBER_TEST(every_started_fiber_runs_once)
{
	atomic_uint n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		fiber_start(fiber_new(count_up, &n));
	until(&n, 100);
}

static void many_yields(void *arg)
{
	volatile char deep[2000]; /* some stack that must survive */

	memset((void *)(uintptr_t)deep, 0x5a, sizeof(deep));
	for (int i = 0; i < 50; i++)
		fiber_yield();
	for (size_t i = 0; i < sizeof(deep); i++)
		ASSERT(deep[i] == 0x5a);
	count_up(arg);
}

FIBER_TEST(yielding_fibers_keep_their_stacks)
{
	atomic_uint n = 0;

	(void)state;
	for (int i = 0; i < 50; i++)
		fiber_start(fiber_new(many_yields, &n));
	until(&n, 50);
}

static void float_yields(void *arg)
{
	double x = 1.0;

	for (int i = 0; i < 30; i++) {
		x *= 2.0;
		fiber_yield();
	}
	ASSERT(x == 1073741824.0);
	count_up(arg);
}

FIBER_TEST(floating_point_survives_switches)
{
	atomic_uint n = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		fiber_start(fiber_new(float_yields, &n));
	until(&n, 20);
}

static void fiber_new_reports_lack_of_memory(void **state)
{
	(void)state;
	mem_fail_after(0);
	assert_null(fiber_new(count_up, NULL));
	mem_fail_after(SIZE_MAX);
	fiber_free(fiber_new(count_up, NULL));
	fiber_free(NULL);
}

struct sleeper {
	struct waiter waiter;
	struct fiber *fiber;
	atomic_uint *asleep, *done;
};

static void sleep_once(void *arg)
{
	struct sleeper *s = arg;

	waiter_prepare(&s->waiter);
	atomic_fetch_add(s->asleep, 1);
	ASSERT(waiter_sleep(&s->waiter, WAITER_UNINTERRUPTIBLE, INT64_MAX) == 0);
	atomic_fetch_add(s->done, 1);
}

FIBER_TEST(ten_thousand_fibers_sleep_at_once)
{
	size_t count = UNIT_TSAN ? 1000 : 10000;
	struct sleeper *s = mem_calloc(count, sizeof(*s));
	atomic_uint asleep = 0, done = 0;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < count; i++) {
		s[i].asleep = &asleep;
		s[i].done = &done;
		s[i].fiber = fiber_new(sleep_once, &s[i]);
		assert_non_null(s[i].fiber);
		waiter_init(&s[i].waiter, s[i].fiber);
		fiber_start(s[i].fiber);
	}
	until(&asleep, (unsigned int)count);
	assert_int_equal(atomic_load(&done), 0);
	for (size_t i = 0; i < count; i++)
		waiter_wake(&s[i].waiter);
	until(&done, (unsigned int)count);
	mem_free(s);
}

/* ---- waiters ---- */

FIBER_TEST(wake_between_prepare_and_sleep_is_not_lost)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	waiter_wake(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, INT64_MAX), 0);
}

FIBER_TEST(wake_before_prepare_does_not_count)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_wake(&w);
	waiter_prepare(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MSEC),
			 -ETIMEDOUT);
}

FIBER_TEST(interrupt_is_sticky_and_only_for_interruptible_sleeps)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_interrupt(&w);
	for (int i = 0; i < 2; i++) {
		waiter_prepare(&w);
		assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, INT64_MAX), -EINTR);
	}
	waiter_prepare(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MSEC),
			 -ETIMEDOUT);
	waiter_clear_interrupt(&w);
	waiter_prepare(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MSEC),
			 -ETIMEDOUT);
}

FIBER_TEST(wake_wins_over_interrupt_and_timeout)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	waiter_interrupt(&w);
	waiter_wake(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, 0), 0);
	waiter_prepare(&w);
	waiter_wake(&w);
	waiter_interrupt(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, 0), 0);
}

FIBER_TEST(sleep_times_out_not_before_its_deadline)
{
	int64_t deadline = clock_mono_ns() + 3 * NSEC_PER_MSEC;
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, deadline), -ETIMEDOUT);
	assert_true(clock_mono_ns() >= deadline);
}

FIBER_TEST(cancelled_wait_leaves_the_waiter_usable)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	waiter_cancel(&w);
	waiter_wake(&w);
	waiter_prepare(&w);
	waiter_wake(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, INT64_MAX), 0);
}

/* A race of a sleeper with a waker, an interrupter and its own deadline. */
struct race {
	struct waiter waiter;
	atomic_uint woken;    /* turns that the waker asked for */
	atomic_uint seen;     /* turns that the sleeper has taken notice of */
	atomic_bool stop;
	unsigned int results[3];
	pthread_t threads[2];
};

static void *race_wake(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		if (atomic_load(&r->seen) == atomic_load(&r->woken)) {
			atomic_fetch_add(&r->woken, 1);
			waiter_wake(&r->waiter);
		}
		sched_yield();
	}
	return NULL;
}

static void *race_interrupt(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		waiter_interrupt(&r->waiter);
		pause_ns(20000);
	}
	return NULL;
}

FIBER_TEST(no_wake_is_lost_in_a_race_with_interrupts_and_timeouts)
{
	struct race r = { .woken = 0 };
	unsigned int turns = UNIT_TSAN ? 1000 : 5000;

	(void)state;
	waiter_init(&r.waiter, fiber_self());
	pthread_create(&r.threads[0], NULL, race_wake, &r);
	pthread_create(&r.threads[1], NULL, race_interrupt, &r);
	while (atomic_load(&r.seen) < turns) {
		int64_t deadline = INT64_MAX;
		int got;

		if (atomic_load(&r.seen) % 3 == 0)
			deadline = clock_mono_ns() + 30000;
		waiter_prepare(&r.waiter);
		if (atomic_load(&r.woken) != atomic_load(&r.seen)) {
			waiter_cancel(&r.waiter);
			atomic_fetch_add(&r.seen, 1);
			continue;
		}
		got = waiter_sleep(&r.waiter, WAITER_INTERRUPTIBLE, deadline);
		assert_true(got == 0 || got == -EINTR || got == -ETIMEDOUT);
		if (got == -EINTR)
			waiter_clear_interrupt(&r.waiter);
	}
	atomic_store(&r.stop, true);
	pthread_join(r.threads[0], NULL);
	pthread_join(r.threads[1], NULL);
}

static void *thread_sleeps(void *arg)
{
	struct waiter *w = arg;

	ASSERT(waiter_sleep(w, WAITER_UNINTERRUPTIBLE, INT64_MAX) == 0);
	return NULL;
}

static void host_threads_can_sleep_too(void **state)
{
	struct waiter w;
	pthread_t t;

	(void)state;
	waiter_init(&w, NULL);
	waiter_prepare(&w);
	assert_int_equal(waiter_sleep(&w, WAITER_INTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MSEC),
			 -ETIMEDOUT);
	waiter_prepare(&w);
	pthread_create(&t, NULL, thread_sleeps, &w);
	pause_ns(2 * NSEC_PER_MSEC);
	waiter_wake(&w);
	pthread_join(t, NULL);
}

/* ---- suspending, and the receiver ---- */

/*
 * A platform in small: host threads post "events" for fibers, receive() takes one and runs the
 * fiber, and commit() hands the reply to the host thread, which posts the next.
 */
enum { PLAT_TASKS = 3 };

struct plat_task {
	struct fiber *fiber;
	struct waiter waiter;
	pthread_t thread;
	unsigned int requests, replies; /* (plat.lock) */
	unsigned int turns;
	unsigned int handled;
	struct worker_later later;
	atomic_uint owed;      /* put off, and not yet done */
	unsigned int put_off;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t event, reply;
	struct plat_task tasks[PLAT_TASKS];
	unsigned int pending[PLAT_TASKS];
	bool abort;
	bool first_only;
	pthread_t first; /* who may receive */
	unsigned int ended;
	unsigned int polls;   /* workers to be sent to poll() */
	atomic_uint sent, nexts;
} plat = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .event = PTHREAD_COND_INITIALIZER,
	   .reply = PTHREAD_COND_INITIALIZER };

static void plat_receive(void)
{
	struct fiber *f = NULL;

	ASSERT(!plat.first_only || pthread_equal(plat.first, pthread_self()));
	pthread_mutex_lock(&plat.lock);
	while (!f && !plat.abort) {
		for (size_t i = 0; i < PLAT_TASKS && !f; i++)
			if (plat.pending[i]) {
				plat.pending[i] = 0;
				f = plat.tasks[i].fiber;
			}
		if (!f)
			pthread_cond_wait(&plat.event, &plat.lock);
	}
	plat.abort = false;
	pthread_mutex_unlock(&plat.lock);
	if (f)
		fiber_run(f);
}

/* Beside the receiver: looks without waiting, and runs what its fibers make ready. */
static bool plat_poll(void)
{
	for (int turns = 0; worker_poll_goes_on(); turns++) {
		struct fiber *f = NULL;

		if (turns == 3000)
			return false;
		pthread_mutex_lock(&plat.lock);
		for (size_t i = 0; i < PLAT_TASKS && !f; i++)
			if (plat.pending[i]) {
				plat.pending[i] = 0;
				f = plat.tasks[i].fiber;
			}
		pthread_mutex_unlock(&plat.lock);
		if (f)
			worker_poll_run(f);
		else if (worker_has_later() && turns % 2)
			worker_do_later();
		else if (worker_poll_has_next())
			plat.nexts += worker_poll_run_next();
		else
			sched_yield();
	}
	return !worker_polls(); /* it lost its place to a host call: it comes back */
}

static void plat_receive_abort(void)
{
	pthread_mutex_lock(&plat.lock);
	plat.abort = true;
	pthread_cond_broadcast(&plat.event);
	pthread_mutex_unlock(&plat.lock);
}

static void plat_reply(void *arg)
{
	struct plat_task *t = arg;

	pthread_mutex_lock(&plat.lock);
	t->replies++;
	pthread_cond_broadcast(&plat.reply);
	pthread_mutex_unlock(&plat.lock);
}

/* The application: asks, and waits for the reply. */
static void *plat_app(void *arg)
{
	struct plat_task *t = arg;

	for (unsigned int i = 0; i < t->turns; i++) {
		pthread_mutex_lock(&plat.lock);
		t->requests++;
		plat.pending[t - plat.tasks] = 1;
		pthread_cond_signal(&plat.event);
		while (t->replies < i + 2)
			pthread_cond_wait(&plat.reply, &plat.lock);
		pthread_mutex_unlock(&plat.lock);
	}
	return NULL;
}

static void plat_later(struct worker_later *l)
{
	struct plat_task *t = container_of(l, struct plat_task, later);

	atomic_store(&t->owed, 0);
}

/* Only workers that poll put something off. */
static bool plat_put_off(struct plat_task *t)
{
	if (!worker_later(&t->later))
		return false;
	atomic_fetch_add(&t->owed, 1); /* not done before this fiber has left, or blocks */
	t->put_off++;
	return true;
}

/* Its task: each request passes the turn to the next task, and now and then sleeps for a time. */
static void plat_kernel(void *arg)
{
	struct plat_task *t = arg;

	while (t->handled < t->turns) {
		fiber_suspend(plat_reply, t);
		t->handled++;
		if (t->handled % 7 == 0) {
			waiter_prepare(&t->waiter);
			(void)waiter_sleep(&t->waiter, WAITER_INTERRUPTIBLE,
					   clock_mono_ns() + 100000);
		}
		if (t->handled % 11 == 0) {
			bool mine = plat_put_off(t);

			worker_block_begin();
			assert_true(!mine || atomic_load(&t->owed) == 0);
			pause_ns(50000);
			worker_block_end();
		}
		if (t->handled % 13 == 0) {
			(void)plat_put_off(t);
			worker_block_lazy_begin();
			pause_ns(t->handled % 39 == 0 ? 2500000 : 1000);
			worker_block_lazy_end();
		}
		(void)plat_put_off(t);
		waiter_wake(&plat.tasks[(size_t)(t - plat.tasks + 1) % PLAT_TASKS].waiter);
		if (plat.polls && t->handled % 17 == 0 && atomic_load(&plat.sent) < plat.polls && worker_poll_more())
			atomic_fetch_add(&plat.sent, 1);
	}
	while (atomic_load(&t->owed)) /* somebody does it in any case */
		fiber_yield();
	(void)plat_put_off(t);
	worker_later_end(&t->later);
	assert_false(worker_later(&t->later));
	plat_reply(t);
	pthread_mutex_lock(&plat.lock);
	if (++plat.ended == PLAT_TASKS) {
		pthread_mutex_unlock(&plat.lock);
		workers_stop();
		return;
	}
	pthread_mutex_unlock(&plat.lock);
}

static void plat_play(int max, bool first_only, unsigned int polls)
{
	const struct worker_hooks hooks = {
		.receive = plat_receive, .receive_abort = plat_receive_abort, .first_only = first_only,
		.poll = plat_poll,
	};

	plat.polls = polls;
	atomic_store(&plat.sent, 0);

	plat.first_only = first_only;
	plat.first = pthread_self();

	assert_int_equal(events_start(), 0);
	memset(plat.tasks, 0, sizeof(plat.tasks));
	memset(plat.pending, 0, sizeof(plat.pending));
	plat.abort = false;
	plat.ended = 0;
	for (size_t i = 0; i < PLAT_TASKS; i++) {
		plat.tasks[i].turns = UNIT_TSAN ? 300 : 1000;
		plat.tasks[i].fiber = fiber_new(plat_kernel, &plat.tasks[i]);
		assert_non_null(plat.tasks[i].fiber);
		worker_later_init(&plat.tasks[i].later, plat_later);
		waiter_init(&plat.tasks[i].waiter, plat.tasks[i].fiber);
	}
	for (size_t i = 0; i < PLAT_TASKS; i++) {
		fiber_start(plat.tasks[i].fiber);
		pthread_create(&plat.tasks[i].thread, NULL, plat_app, &plat.tasks[i]);
	}
	workers_start(&hooks, max);
	for (size_t i = 0; i < PLAT_TASKS; i++) {
		pthread_join(plat.tasks[i].thread, NULL);
		assert_int_equal(plat.tasks[i].handled, plat.tasks[i].turns);
		assert_int_equal(plat.tasks[i].replies, plat.tasks[i].turns + 1);
	}
	events_stop();
}

static void requests_are_answered_by_one_worker(void **state)
{
	(void)state;
	plat_play(1, false, 0);
}

static void requests_are_answered_by_several_workers(void **state)
{
	(void)state;
	plat_play(2, false, 0);
	plat_play(4, false, 0);
}

static void requests_are_found_by_workers_that_poll_beside_the_receiver(void **state)
{
	(void)state;
	plat_play(2, false, 1);
	for (int max = 4; max < 7; max++) { /* more than fibers: one is free at some time */
		plat_play(max, false, 3);
		assert_int_not_equal(atomic_load(&plat.sent), 0);
		assert_int_not_equal(plat.tasks[0].put_off + plat.tasks[1].put_off + plat.tasks[2].put_off, 0);
	}
}

static void requests_are_received_by_the_first_worker_alone(void **state)
{
	(void)state;
	plat_play(1, true, 0);
	plat_play(2, true, 0);
	plat_play(4, true, 0);
}

struct resumed {
	struct fiber *fiber;
	atomic_uint turn;
	unsigned int turns;
	atomic_uint done;
};

static void suspend_often(void *arg)
{
	struct resumed *r = arg;

	for (unsigned int i = 0; i < r->turns; i++) {
		atomic_fetch_add(&r->turn, 1);
		fiber_suspend(NULL, NULL);
	}
	atomic_fetch_add(&r->done, 1);
}

/* Resumes once a turn, as a rule before the suspension is complete. */
static void *resume_often(void *arg)
{
	struct resumed *r = arg;

	for (unsigned int i = 0; i < r->turns; i++) {
		while (atomic_load(&r->turn) == i)
			sched_yield();
		fiber_resume(r->fiber);
	}
	return NULL;
}

FIBER_TEST(resume_before_the_suspension_is_complete_is_not_lost)
{
	struct resumed r = { .turns = 2000 };
	pthread_t t;

	(void)state;
	r.fiber = fiber_new(suspend_often, &r);
	assert_non_null(r.fiber);
	pthread_create(&t, NULL, resume_often, &r);
	fiber_start(r.fiber);
	until(&r.done, 1);
	pthread_join(t, NULL);
}

/* ---- sources ---- */

struct waits {
	struct worker_source source;
	atomic_uint waits, woken, refused, called;
};

static void called(struct worker_source *s)
{
	atomic_fetch_add(&container_of(s, struct waits, source)->called, 1);
}

static void wait_until_refused(void *arg)
{
	struct waits *w = arg;

	atomic_fetch_add(&w->waits, 1);
	while (worker_source_wait(&w->source)) {
		atomic_fetch_add(&w->woken, 1);
		atomic_fetch_add(&w->waits, 1);
	}
	atomic_fetch_add(&w->refused, 1);
}

/* How many wait for something to read; as w does, once it has come there. */
static unsigned int sources_filled(struct waits *w, unsigned int waits,
				   struct pollfd p[WORKER_SOURCES_MAX])
{
	unsigned int count;

	until(&w->waits, waits);
	while ((count = worker_sources_fill(p)) == 0)
		fiber_yield();
	return count;
}

FIBER_TEST(a_source_that_nobody_looks_at_is_not_waited_for)
{
	struct waits w = {.waits = 0};

	(void)state;
	worker_source_init(&w.source, 77, called);
	fiber_start(fiber_new(wait_until_refused, &w));
	until(&w.refused, 1);
	assert_int_equal(atomic_load(&w.woken), 0);
	worker_source_end(&w.source);
}

FIBER_TEST(who_sleeps_by_himself_is_called_when_somebody_looks)
{
	struct waits w = {.waits = 0};
	uint32_t unseen = worker_sources_unseen();

	(void)state;
	worker_source_init(&w.source, 77, called);
	fiber_start(fiber_new(wait_until_refused, &w));
	until(&w.refused, 1);
	assert_int_equal(worker_sources_unseen() - unseen, 1);
	assert_int_equal(atomic_load(&w.called), 0);
	worker_sources_look(true);
	worker_sources_look(true);
	assert_int_equal(atomic_load(&w.called), 1);
	worker_sources_look(false);
	assert_int_equal(atomic_load(&w.called), 1);
	worker_source_end(&w.source);
	worker_sources_look(true);
	assert_int_equal(atomic_load(&w.called), 1);
	worker_sources_look(false);
}

FIBER_TEST(a_source_wakes_its_fiber_when_there_is_something)
{
	struct waits w = {.waits = 0};
	struct pollfd p[WORKER_SOURCES_MAX], other = {.fd = 78, .revents = POLLIN};

	(void)state;
	worker_sources_look(true);
	worker_source_init(&w.source, 77, called);
	fiber_start(fiber_new(wait_until_refused, &w));
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(sources_filled(&w, i + 1, p), 1);
		assert_int_equal(p[0].fd, 77);
		assert_false(worker_sources_wake(p, 1)); /* no events */
		assert_false(worker_sources_wake(&other, 1));
		assert_int_equal(atomic_load(&w.woken), i);
		p[0].revents = POLLIN;
		assert_true(worker_sources_wake(p, 1));
		until(&w.woken, i + 1);
	}
	worker_sources_look(false);
	until(&w.refused, 1);
	assert_int_equal(worker_sources_fill(p), 0);
	worker_source_end(&w.source);
}

FIBER_TEST(a_source_that_ends_wakes_its_fiber_for_good)
{
	struct waits w = {.waits = 0};
	struct pollfd p[WORKER_SOURCES_MAX];

	(void)state;
	worker_sources_look(true);
	worker_source_init(&w.source, 77, called);
	fiber_start(fiber_new(wait_until_refused, &w));
	assert_int_equal(sources_filled(&w, 1, p), 1);
	worker_source_end(&w.source);
	until(&w.refused, 1);
	worker_source_end(&w.source);
	assert_int_equal(worker_sources_fill(p), 0);
	worker_sources_look(false);
}

FIBER_TEST(more_sources_than_are_looked_at_are_refused)
{
	struct waits w[WORKER_SOURCES_MAX + 1] = {{.waits = 0}};
	struct pollfd p[WORKER_SOURCES_MAX];

	(void)state;
	worker_sources_look(true);
	for (unsigned int i = 0; i < WORKER_SOURCES_MAX + 1; i++) {
		worker_source_init(&w[i].source, 100 + (int)i, called);
		fiber_start(fiber_new(wait_until_refused, &w[i]));
		until(&w[i].waits, 1);
		while (i < WORKER_SOURCES_MAX && worker_sources_fill(p) != i + 1)
			fiber_yield();
	}
	until(&w[WORKER_SOURCES_MAX].refused, 1);
	assert_int_equal(worker_sources_fill(p), WORKER_SOURCES_MAX);
	worker_sources_look(false);
	for (unsigned int i = 0; i < WORKER_SOURCES_MAX + 1; i++) {
		until(&w[i].refused, 1);
		worker_source_end(&w[i].source);
	}
}

/* ---- blocking ---- */

struct blocked {
	atomic_uint others, *done;
};

static void block_until_others_ran(void *arg)
{
	struct blocked *b = arg;

	worker_block_begin();
	while (atomic_load(&b->others) < 10)
		pause_ns(100000);
	worker_block_end();
	atomic_fetch_add(b->done, 1);
}

FIBER_TEST(others_run_while_a_worker_is_blocked)
{
	atomic_uint done = 0;
	struct blocked b = { 0, &done };

	(void)state;
	fiber_start(fiber_new(block_until_others_ran, &b));
	for (int i = 0; i < 10; i++)
		fiber_start(fiber_new(count_up, &b.others));
	until(&done, 1);
}

static void lazily_until_others_ran(void *arg)
{
	struct blocked *b = arg;

	for (int i = 0; i < 3; i++) { /* at once, as most */
		worker_block_lazy_begin();
		worker_block_lazy_end();
	}
	worker_block_lazy_begin();
	while (atomic_load(&b->others) < 10)
		pause_ns(100000);
	worker_block_lazy_end();
	atomic_fetch_add(b->done, 1);
}

/* The second time the ticks have come to rest. */
FIBER_TEST(others_run_when_a_call_turns_out_long)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		atomic_uint done = 0;
		struct blocked b = { 0, &done };

		fiber_start(fiber_new(lazily_until_others_ran, &b));
		for (int i = 0; i < 10; i++)
			fiber_start(fiber_new(count_up, &b.others));
		until(&done, 1);
		pause_ns(120000000);
	}
}

/* ---- work ---- */

struct job {
	struct work work;
	struct waiter waiter;
	atomic_uint *ran;
	bool sleeps;
};

static void job_run(void *arg)
{
	struct job *j = arg;

	if (j->sleeps) {
		waiter_init(&j->waiter, fiber_self());
		waiter_prepare(&j->waiter);
		(void)waiter_sleep(&j->waiter, WAITER_UNINTERRUPTIBLE,
				   clock_mono_ns() + 5 * NSEC_PER_MSEC);
	}
	atomic_fetch_add(j->ran, 1);
}

FIBER_TEST(work_that_sleeps_holds_up_nobody)
{
	struct job jobs[20];
	atomic_uint slow = 0, quick = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i].sleeps = i < 10;
		jobs[i].ran = i < 10 ? &slow : &quick;
		work_init(&jobs[i].work, job_run, &jobs[i]);
		work_queue(&jobs[i].work);
	}
	while (atomic_load(&quick) < 10)
		fiber_yield();
	until(&slow, 10);
}

/* Static: it may still be queued, or about to run, when the test has seen enough. */
static struct {
	struct work work;
	atomic_uint asked, seen, running;
} often;

static void often_run(void *arg)
{
	unsigned int asked;

	(void)arg;
	ASSERT(atomic_fetch_add(&often.running, 1) == 0);
	asked = atomic_load(&often.asked);
	if (asked % 3 == 0)
		fiber_yield();
	atomic_store(&often.seen, asked);
	atomic_fetch_sub(&often.running, 1);
}

static void *queue_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		atomic_fetch_add(&often.asked, 1);
		work_queue(&often.work);
	}
	return NULL;
}

FIBER_TEST(work_queued_again_runs_again_but_never_twice_at_a_time)
{
	pthread_t t[2];

	(void)state;
	work_init(&often.work, often_run, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, queue_often, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	until(&often.seen, 2 * 2000);
}

static void free_work(void *arg)
{
	atomic_uint ran = 0, *all = arg;

	for (int i = 0; i < 200; i++) {
		struct job *j = mem_new(struct job);

		j->ran = &ran;
		j->sleeps = i % 20 == 0;
		work_init(&j->work, job_run, j);
		work_queue(&j->work);
		if (i % 3 == 0)
			fiber_yield(); /* it runs, maybe */
		if (i % 2 == 0)
			work_queue(&j->work);
		work_wait(&j->work);
		mem_free(j); /* ASan sees who is too late */
	}
	atomic_fetch_add(all, atomic_load(&ran) >= 200);
}

FIBER_TEST(work_that_was_waited_for_may_be_freed)
{
	atomic_uint all = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		fiber_start(fiber_new(free_work, &all));
	until(&all, 4);
}

UNIT_MAIN(UNIT(every_started_fiber_runs_once),
	  UNIT(yielding_fibers_keep_their_stacks),
	  UNIT(floating_point_survives_switches),
	  UNIT(fiber_new_reports_lack_of_memory),
	  UNIT(ten_thousand_fibers_sleep_at_once),
	  UNIT(wake_between_prepare_and_sleep_is_not_lost),
	  UNIT(wake_before_prepare_does_not_count),
	  UNIT(interrupt_is_sticky_and_only_for_interruptible_sleeps),
	  UNIT(wake_wins_over_interrupt_and_timeout),
	  UNIT(sleep_times_out_not_before_its_deadline),
	  UNIT(cancelled_wait_leaves_the_waiter_usable),
	  UNIT(no_wake_is_lost_in_a_race_with_interrupts_and_timeouts),
	  UNIT(host_threads_can_sleep_too),
	  UNIT(requests_are_answered_by_one_worker),
	  UNIT(requests_are_answered_by_several_workers),
	  UNIT(requests_are_found_by_workers_that_poll_beside_the_receiver),
	  UNIT(requests_are_received_by_the_first_worker_alone),
	  UNIT(resume_before_the_suspension_is_complete_is_not_lost),
	  UNIT(a_source_that_nobody_looks_at_is_not_waited_for),
	  UNIT(who_sleeps_by_himself_is_called_when_somebody_looks),
	  UNIT(a_source_wakes_its_fiber_when_there_is_something),
	  UNIT(a_source_that_ends_wakes_its_fiber_for_good),
	  UNIT(more_sources_than_are_looked_at_are_refused),
	  UNIT(others_run_while_a_worker_is_blocked),
	  UNIT(others_run_when_a_call_turns_out_long),
	  UNIT(work_that_sleeps_holds_up_nobody),
	  UNIT(work_queued_again_runs_again_but_never_twice_at_a_time),
	  UNIT(work_that_was_waited_for_may_be_freed))
