/* SPDX-License-Identifier: Apache-2.0 */
/* test_lock.c: flock, POSIX and OFD locks. */
#include "tests/unit/vfs/fixture.h"

#include <sys/file.h>

#include "lib/clock.h"
#include "lib/wq.h"
#include "vfs/lock.h"

struct lk {
	struct fx x;
	struct file *f, *g; /* the same file, opened twice */
	struct vfs_ctx a, b; /* two processes */
};

static void lk_init(struct lk *k)
{
	fx_init(&k->x);
	assert_int_equal(fx_open(&k->x, "f", O_CREAT | O_RDWR, &k->f), 0);
	assert_int_equal(fx_open(&k->x, "f", O_RDWR, &k->g), 0);
	k->a = k->b = k->x.c;
	k->a.lock_owner = "a";
	k->b.lock_owner = "b";
	k->a.pid = 1;
	k->b.pid = 2;
}

static void lk_fini(struct lk *k)
{
	file_put(k->f);
	file_put(k->g);
	fx_fini(&k->x);
}

static int set(struct vfs_ctx *c, struct file *f, int type, int64_t start, int64_t end)
{
	struct lock_range r = { type, start, end, 0 };

	return lock_set(c, f, LOCK_KIND_POSIX, &r, false);
}

/* What b would run into at [start, end] when writing: type, start and end. */
static void expect(struct lk *k, int64_t start, int64_t end, int type, int64_t s, int64_t e)
{
	struct lock_range r = { F_WRLCK, start, end, 0 };

	assert_int_equal(lock_test(&k->b, k->g, LOCK_KIND_POSIX, &r), 0);
	assert_int_equal(r.type, type);
	if (type == F_UNLCK)
		return;
	assert_int_equal(r.start, s);
	assert_int_equal(r.end, e);
	assert_int_equal(r.pid, 1);
}

FIBER_TEST(ranges_are_cut_split_and_joined)
{
	struct lk k;
	(void)state;

	lk_init(&k);
	assert_int_equal(set(&k.a, k.f, F_WRLCK, 10, 99), 0);
	assert_int_equal(set(&k.b, k.g, F_RDLCK, 50, 60), -EAGAIN);
	assert_int_equal(set(&k.a, k.f, F_UNLCK, 40, 49), 0);
	expect(&k, 0, 45, F_WRLCK, 10, 39);
	expect(&k, 40, 49, F_UNLCK, 0, 0);
	expect(&k, 45, 70, F_WRLCK, 50, 99);
	assert_int_equal(set(&k.a, k.f, F_RDLCK, 60, 69), 0);
	expect(&k, 60, 65, F_RDLCK, 60, 69);
	assert_int_equal(set(&k.b, k.g, F_RDLCK, 60, 69), 0);
	assert_int_equal(set(&k.b, k.g, F_UNLCK, 0, INT64_MAX), 0);
	assert_int_equal(set(&k.a, k.f, F_WRLCK, 40, 69), 0);
	expect(&k, 0, INT64_MAX, F_WRLCK, 10, 99);
	vfs_lock_remove_posix(k.g, "a"); /* any descriptor of the file will do */
	expect(&k, 0, INT64_MAX, F_UNLCK, 0, 0);
	lk_fini(&k);
}

FIBER_TEST(ofd_locks_belong_to_the_open_file)
{
	struct lock_range r = { F_WRLCK, 0, INT64_MAX, 0 };
	struct lk k;
	(void)state;

	lk_init(&k);
	assert_int_equal(lock_set(&k.a, k.f, LOCK_KIND_OFD, &r, false), 0);
	assert_int_equal(lock_set(&k.a, k.g, LOCK_KIND_OFD, &r, false), -EAGAIN);
	assert_int_equal(set(&k.a, k.g, F_WRLCK, 0, 0), -EAGAIN);
	assert_int_equal(lock_test(&k.a, k.g, LOCK_KIND_OFD, &r), 0);
	assert_int_equal(r.pid, -1);
	vfs_lock_remove_posix(k.f, "a");
	r.type = F_WRLCK;
	assert_int_equal(lock_set(&k.a, k.g, LOCK_KIND_OFD, &r, false), -EAGAIN);
	file_put(k.f);
	k.f = NULL;
	assert_int_equal(lock_set(&k.a, k.g, LOCK_KIND_OFD, &r, false), 0);
	lk_fini(&k);
}

FIBER_TEST(flock_locks_whole_files)
{
	struct lk k;
	(void)state;

	lk_init(&k);
	assert_int_equal(lock_flock(&k.a, k.f, LOCK_SH), 0);
	assert_int_equal(lock_flock(&k.a, k.g, LOCK_SH), 0);
	assert_int_equal(lock_flock(&k.a, k.f, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(lock_flock(&k.a, k.g, LOCK_UN), 0);
	assert_int_equal(lock_flock(&k.a, k.f, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(set(&k.b, k.g, F_WRLCK, 0, 0), 0); /* another world */
	assert_int_equal(set(&k.b, k.g, F_UNLCK, 0, 0), 0);
	lk_fini(&k);
}

/* b holds 1 and wants 0, which a holds; then a wants 1. */
static struct lk dead;
static atomic_int b_result = 1;

static void b_waits(void *arg)
{
	struct lock_range r = { F_WRLCK, 0, 0, 0 };

	(void)arg;
	atomic_store(&b_result, lock_set(&dead.b, dead.g, LOCK_KIND_POSIX, &r, true));
}

FIBER_TEST(a_circle_of_waiters_is_a_deadlock)
{
	struct lock_range r = { F_WRLCK, 1, 1, 0 };
	struct wq nobody;
	int err;
	(void)state;

	lk_init(&dead);
	assert_int_equal(set(&dead.a, dead.f, F_WRLCK, 0, 0), 0);
	assert_int_equal(set(&dead.b, dead.g, F_WRLCK, 1, 1), 0);
	fiber_start(fiber_new(b_waits, NULL));
	/* Until b sleeps. */
	wq_init(&nobody);
	assert_int_equal(wq_wait_until(&nobody, NULL, NULL, clock_mono_ns() + 50 * NSEC_PER_MSEC),
			 -ETIMEDOUT);
	err = lock_set(&dead.a, dead.f, LOCK_KIND_POSIX, &r, true);
	assert_int_equal(err, -EDEADLK);
	assert_int_equal(set(&dead.a, dead.f, F_UNLCK, 0, 0), 0);
	while (atomic_load(&b_result) == 1)
		fiber_yield();
	assert_int_equal(atomic_load(&b_result), 0);
	vfs_lock_remove_posix(dead.g, "b");
	lk_fini(&dead);
}

UNIT_MAIN(UNIT(ranges_are_cut_split_and_joined), UNIT(ofd_locks_belong_to_the_open_file),
	  UNIT(flock_locks_whole_files), UNIT(a_circle_of_waiters_is_a_deadlock))
