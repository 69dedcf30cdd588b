/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_concurrent.c: many fibers work on few names at once.  What each call says does not matter;
 * that nothing is used after it was freed (ASan), that locks are taken in order (debug) and that
 * everything is gone at the end does.
 */
#include "tests/unit/vfs/fixture.h"

#include <linux/fs.h>

#include "lib/clock.h"
#include "lib/wq.h"

enum { FIBERS = 6, ROUNDS = 2500 };

static struct {
	struct fx x;
	const char *top;
	atomic_int running;
	struct wq done;
} all;

static unsigned int rnd(unsigned int *s)
{
	*s = *s * 1103515245u + 12345u;
	return *s >> 16;
}

static void name(char *b, unsigned int *s)
{
	int depth = (int)(rnd(s) % 3);

	strcpy(b, all.top);
	for (int i = 0; i < depth; i++)
		sprintf(b + strlen(b), "/d%u", rnd(s) % 3);
	sprintf(b + strlen(b), "/%c%u", rnd(s) % 2 ? 'd' : 'f', rnd(s) % 3);
}

static void one(struct fx *x, unsigned int *s)
{
	struct fx_names n = { .emit = { fx_names_add }, .max = 5 };
	struct path path;
	char p[64], q[64];
	struct file *f;
	struct attr a;
	struct buf b;

	name(p, s);
	name(q, s);
	switch (rnd(s) % 11) {
	case 0:
		(void)vfs_mkdir(&x->c, NULL, p, 0755);
		break;
	case 1:
		(void)vfs_rmdir(&x->c, NULL, p);
		break;
	case 2:
		(void)vfs_unlink(&x->c, NULL, p);
		break;
	case 3:
		(void)vfs_rename(&x->c, NULL, p, NULL, q, 0);
		break;
	case 4:
		(void)vfs_rename(&x->c, NULL, p, NULL, q, RENAME_EXCHANGE);
		break;
	case 5:
		(void)vfs_link(&x->c, NULL, p, NULL, q, 0);
		break;
	case 6:
		(void)vfs_symlink(&x->c, q, NULL, p);
		break;
	case 7:
		if (fx_open(x, p, O_RDONLY | O_DIRECTORY, &f) == 0) {
			(void)file_readdir(&x->c, f, &n.emit);
			file_put(f);
		}
		break;
	case 8:
		if (vfs_walk(&x->c, NULL, p, WALK_FOLLOW, &path) == 0) {
			buf_init(&b);
			(void)vfs_path_text(&x->c.root, &path, &b);
			(void)vfs_getattr(&x->c, &path, STATX_BASIC_STATS, &a);
			buf_fini(&b);
			path_put(&path);
		}
		break;
	default:
		if (fx_open(x, p, O_CREAT | O_RDWR, &f) == 0) {
			(void)fx_write(x, f, p, sizeof(p));
			(void)file_truncate(&x->c, f, rnd(s) % 10000);
			file_put(f);
		}
	}
}

static void worker(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		one(&all.x, &seed);
		if (i % 16 == 0)
			fiber_yield();
	}
	if (atomic_fetch_sub(&all.running, 1) == 1)
		wq_wake(&all.done, 0);
}

static void run(const char *top)
{
	all.top = top;
	atomic_store(&all.running, FIBERS);
	wq_init(&all.done);
	for (uintptr_t i = 0; i < FIBERS; i++)
		fiber_start(fiber_new(worker, (void *)(i + 1)));
	while (atomic_load(&all.running) > 0)
		(void)wq_wait_until(&all.done, NULL, NULL, clock_mono_ns() + NSEC_PER_MSEC);
}

FIBER_TEST(tmpfs_survives_a_crowd)
{
	struct statfs_info s;
	struct path p;
	(void)state;

	fx_init(&all.x);
	assert_int_equal(vfs_mkdir(&all.x.c, NULL, "m", 0755), 0);
	assert_int_equal(vfs_mount(&all.x.c, "none", "m", "tmpfs", 0, "size=1g,nr_inodes=100000"), 0);
	run("m");
	assert_int_equal(vfs_walk(&all.x.c, NULL, "m", 0, &p), 0);
	assert_int_equal(vfs_statfs(&all.x.c, &p, &s), 0);
	assert_true(s.files - s.ffree < 1000);
	path_put(&p);
	assert_int_equal(vfs_umount(&all.x.c, "m", 0), 0);
	fx_fini(&all.x);
}

FIBER_TEST(overlay_survives_a_crowd)
{
	(void)state;

	fx_init(&all.x);
	for (const char *const *d = (const char *const[]){ "low", "up", "work", "m", "low/d0",
							  "low/d1", "low/d0/d1", "low/d0/d2", NULL };
	     *d; d++)
		assert_int_equal(vfs_mkdir(&all.x.c, NULL, *d, 0755), 0);
	assert_int_equal(fx_put(&all.x, "low/f0", "zero"), 0);
	assert_int_equal(fx_put(&all.x, "low/d0/f1", "one"), 0);
	assert_int_equal(fx_put(&all.x, "low/d0/d1/f2", "two"), 0);
	assert_int_equal(vfs_mount(&all.x.c, "overlay", "m", "overlay", 0,
				   "lowerdir=low,upperdir=up,workdir=work"), 0);
	run("m");
	fx_expect(&all.x, "low/f0", "zero");
	fx_expect(&all.x, "low/d0/d1/f2", "two");
	assert_int_equal(vfs_umount(&all.x.c, "m", 0), 0);
	fx_fini(&all.x);
}

UNIT_MAIN(UNIT(tmpfs_survives_a_crowd), UNIT(overlay_survives_a_crowd))
