/* SPDX-License-Identifier: Apache-2.0 */
/* test_mutex.c: mutexes, read-write locks and latches (lib/mutex.c, lib/latch.c). */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mutex.h"

enum { FIBERS = 20, THREADS = 3 };

struct shared {
	struct mutex mutex;
	struct rwlock rwlock;
	struct latch latch;
	unsigned long count, copy; /* equal whenever nobody writes */
	unsigned int turns;
	atomic_uint done;
	atomic_bool stop;
};

static void shared_init(struct shared *s, unsigned int turns)
{
	*s = (struct shared){ .turns = turns };
	mutex_init(&s->mutex, LOCK_LEAF);
	rwlock_init(&s->rwlock, LOCK_LEAF);
	latch_init(&s->latch);
}

static void until(atomic_uint *n, unsigned int want)
{
	while (atomic_load(n) != want)
		fiber_yield();
}

static void nap(int64_t ns)
{
	struct waiter w;

	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + ns);
}

static void count_locked(struct shared *s)
{
	s->count++;
	ASSERT(s->count == s->copy + 1);
	s->copy++;
}

/* ---- mutexes ---- */

static void mutex_count(void *arg)
{
	struct shared *s = arg;

	for (unsigned int i = 0; i < s->turns; i++) {
		mutex_lock(&s->mutex);
		count_locked(s);
		if (i % 16 == 0)
			fiber_yield(); /* with the lock held */
		mutex_unlock(&s->mutex);
	}
	atomic_fetch_add(&s->done, 1);
}

FIBER_TEST(mutex_excludes_fibers_on_all_workers)
{
	struct shared s;

	(void)state;
	shared_init(&s, 500);
	for (int i = 0; i < FIBERS; i++)
		fiber_start(fiber_new(mutex_count, &s));
	until(&s.done, FIBERS);
	assert_int_equal(s.count, FIBERS * 500);
	assert_int_equal(atomic_load(&s.mutex.state), 0);
}

static void *mutex_count_thread(void *arg)
{
	struct shared *s = arg;

	for (unsigned int i = 0; i < s->turns; i++) {
		mutex_lock(&s->mutex);
		count_locked(s);
		mutex_unlock(&s->mutex);
	}
	return NULL;
}

FIBER_TEST(mutex_excludes_host_threads_and_fibers_alike)
{
	pthread_t t[THREADS];
	struct shared s;

	(void)state;
	shared_init(&s, 500);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, mutex_count_thread, &s);
	for (int i = 0; i < FIBERS; i++)
		fiber_start(fiber_new(mutex_count, &s));
	until(&s.done, FIBERS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(s.count, (FIBERS + THREADS) * 500);
}

/* Takes the lock again as soon as it has released it. */
static void mutex_hog(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		int64_t end = clock_mono_ns() + 200000;

		mutex_lock(&s->mutex);
		while (clock_mono_ns() < end)
			fiber_yield();
		mutex_unlock(&s->mutex);
	}
	atomic_fetch_add(&s->done, 1);
}

FIBER_TEST(mutex_comes_to_whoever_waits_for_long)
{
	struct shared s;

	(void)state;
	shared_init(&s, 0);
	fiber_start(fiber_new(mutex_hog, &s));
	fiber_start(fiber_new(mutex_hog, &s));
	nap(NSEC_PER_MSEC);
	for (int i = 0; i < 10; i++) {
		mutex_lock(&s.mutex);
		mutex_unlock(&s.mutex);
	}
	atomic_store(&s.stop, true);
	until(&s.done, 2);
}

FIBER_TEST(trylock_never_waits)
{
	struct mutex m;

	(void)state;
	mutex_init(&m, LOCK_LEAF);
	assert_true(mutex_trylock(&m));
	mutex_assert_held(&m);
	assert_false(mutex_trylock(&m));
	mutex_unlock(&m);
	assert_true(mutex_trylock(&m));
	mutex_unlock(&m);
}

/* Whether fn on a fiber aborts; in a child, whose complaint goes nowhere. */
static bool aborts(void (*fn)(void **state))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(2);
		unit_on_fiber(fn, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void lock_two(enum lock_rank first, enum lock_rank second, bool nested) NO_TSA
{
	struct mutex a, b;

	mutex_init(&a, first);
	mutex_init(&b, second);
	mutex_lock(&a);
	if (nested)
		mutex_lock_nested(&b);
	else
		mutex_lock(&b);
	mutex_unlock(&a); /* any order of unlocking is fine */
	mutex_unlock(&b);
}

static void take_in_order(void **state)
{
	(void)state;
	lock_two(LOCK_TASK, LOCK_MM, false);
	lock_two(LOCK_PIPE, LOCK_PIPE, true);
	lock_two(LOCK_PIPE, LOCK_NONE, false);
}

static void take_out_of_order(void **state)
{
	(void)state;
	lock_two(LOCK_MM, LOCK_TASK, false);
}

static void take_two_of_a_kind(void **state)
{
	(void)state;
	lock_two(LOCK_PIPE, LOCK_PIPE, false);
}

static void take_nested_out_of_order(void **state)
{
	(void)state;
	lock_two(LOCK_PIPE, LOCK_TTY, true);
}

static void take_twice(void **state) NO_TSA
{
	struct mutex m;

	(void)state;
	mutex_init(&m, LOCK_NONE);
	mutex_lock(&m);
	mutex_lock(&m);
}

static void end_holding(void **state) NO_TSA
{
	static struct mutex m;

	(void)state;
	mutex_init(&m, LOCK_LEAF);
	mutex_lock(&m);
}

static void locks_out_of_order_stop_debug_builds(void **state)
{
	(void)state;
#ifdef DEBUG
	assert_false(aborts(take_in_order));
	assert_true(aborts(take_out_of_order));
	assert_true(aborts(take_two_of_a_kind));
	assert_true(aborts(take_nested_out_of_order));
	assert_true(aborts(take_twice));
	assert_true(aborts(end_holding));
#else
	(void)aborts, (void)take_in_order, (void)take_out_of_order, (void)take_two_of_a_kind;
	(void)take_nested_out_of_order, (void)take_twice, (void)end_holding;
	skip();
#endif
}

/* ---- read-write locks ---- */

static void rwlock_use(void *arg)
{
	struct shared *s = arg;

	for (unsigned int i = 0; i < s->turns; i++) {
		if (i % 8 == 0) {
			rwlock_write(&s->rwlock);
			s->count++;
			fiber_yield();
			s->copy++;
			rwlock_write_unlock(&s->rwlock);
		} else {
			rwlock_read(&s->rwlock);
			ASSERT(s->count == s->copy);
			if (i % 5 == 0)
				fiber_yield();
			ASSERT(s->count == s->copy);
			rwlock_read_unlock(&s->rwlock);
		}
	}
	atomic_fetch_add(&s->done, 1);
}

FIBER_TEST(writers_exclude_everybody)
{
	struct shared s;

	(void)state;
	shared_init(&s, 400);
	for (int i = 0; i < FIBERS; i++)
		fiber_start(fiber_new(rwlock_use, &s));
	until(&s.done, FIBERS);
	assert_int_equal(s.count, FIBERS * 50);
	assert_int_equal(s.rwlock.readers, 0);
	assert_int_equal(s.rwlock.writers_waiting, 0);
}

static void read_once(void *arg)
{
	struct shared *s = arg;

	rwlock_read(&s->rwlock);
	atomic_fetch_add(&s->done, 1);
	rwlock_read_unlock(&s->rwlock);
}

static void write_once(void *arg)
{
	struct shared *s = arg;

	rwlock_write(&s->rwlock);
	s->count = atomic_load(&s->done);
	rwlock_write_unlock(&s->rwlock);
	atomic_fetch_add(&s->done, 1);
}

/* Until somebody waits for it (or nobody any more). */
static void until_writer_waits(struct shared *s)
{
	unsigned int waiting;

	do {
		fiber_yield();
		latch_lock(&s->rwlock.latch);
		waiting = s->rwlock.writers_waiting;
		latch_unlock(&s->rwlock.latch);
	} while (waiting == 0);
}

FIBER_TEST(readers_share_but_not_past_a_waiting_writer)
{
	struct shared s;

	(void)state;
	shared_init(&s, 0);
	rwlock_read(&s.rwlock);
	fiber_start(fiber_new(read_once, &s));
	until(&s.done, 1);
	fiber_start(fiber_new(write_once, &s));
	until_writer_waits(&s);
	fiber_start(fiber_new(read_once, &s));
	nap(2 * NSEC_PER_MSEC);
	assert_int_equal(atomic_load(&s.done), 1);
	rwlock_read_unlock(&s.rwlock);
	until(&s.done, 3);
	assert_int_equal(s.count, 1);
}

/* ---- latches ---- */

static void *latch_count_thread(void *arg)
{
	struct shared *s = arg;

	for (unsigned int i = 0; i < s->turns; i++) {
		latch_lock(&s->latch);
		count_locked(s);
		latch_unlock(&s->latch);
	}
	return NULL;
}

static void latch_excludes_host_threads(void **state)
{
	pthread_t t[THREADS];
	struct shared s;

	(void)state;
	shared_init(&s, 20000);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, latch_count_thread, &s);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(s.count, THREADS * 20000);
}

UNIT_MAIN(UNIT(mutex_excludes_fibers_on_all_workers),
	  UNIT(mutex_excludes_host_threads_and_fibers_alike),
	  UNIT(mutex_comes_to_whoever_waits_for_long),
	  UNIT(trylock_never_waits),
	  UNIT(locks_out_of_order_stop_debug_builds),
	  UNIT(writers_exclude_everybody),
	  UNIT(readers_share_but_not_past_a_waiting_writer),
	  UNIT(latch_excludes_host_threads))
