/* SPDX-License-Identifier: Apache-2.0 */
/* test_client_fibers.c: many fibers on several workers share one connection to a Gofer. */
#include "tests/unit/gofer/client.h"

#include <stdatomic.h>

#include "lib/fiber.h"

enum { FIBERS = 12, ROUNDS = 40 };

static struct client *client;
static atomic_int left, failures;

#define CHECK(cond)                                                                           \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);            \
			atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);        \
		}                                                                             \
	} while (0)

static void finish(void)
{
	/* Relaxed: workers_stop() orders the rest. */
	if (atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed) == 1)
		workers_stop();
}

static void run(fiber_fn *fn)
{
	atomic_store(&left, FIBERS);
	atomic_store(&failures, 0);
	for (uintptr_t k = 0; k < FIBERS; k++)
		fiber_start(fiber_new(fn, (void *)k));
	workers_start(NULL, 4);
	assert_int_equal(atomic_load(&failures), 0);
}

/* Each in a directory of its own: nothing of one is seen in another. */
static void work_alone(void *arg)
{
	struct client *cl = client;
	char dir[16], name[32], text[32], got[32];
	unsigned int me = (unsigned int)(uintptr_t)arg;
	struct file *f;
	struct attr a;

	snprintf(dir, sizeof(dir), "d%u", me);
	CHECK(vfs_mkdir(&cl->c, NULL, dir, 0755) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		int len = snprintf(text, sizeof(text), "%u:%d", me, i);

		snprintf(name, sizeof(name), "%s/f%d", dir, i % 3);
		CHECK(v_open(cl, name, O_CREAT | O_EXCL | O_RDWR, 0600, &f) == 0);
		CHECK(v_write(cl, f, text, (size_t)len) == len);
		file_put(f);
		CHECK(v_open(cl, name, O_RDONLY, 0, &f) == 0);
		CHECK(v_read(cl, f, got, sizeof(got)) == len && memcmp(got, text, (size_t)len) == 0);
		CHECK(vfs_unlink(&cl->c, NULL, name) == 0);
		CHECK(v_stat(cl, name, &a) == -ENOENT);
		file_put(f);
	}
	CHECK(vfs_rmdir(&cl->c, NULL, dir) == 0);
	finish();
}

static void fibers_do_not_see_each_others_replies(void **state)
{
	client = *state;
	run(work_alone);
}

/* All on the same few names: whoever is first makes, moves or removes; nothing else may happen. */
static void work_together(void *arg)
{
	struct client *cl = client;
	unsigned int me = (unsigned int)(uintptr_t)arg;
	char name[16], other[16];
	struct file *f;
	struct attr a;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "s%u", (me + (unsigned int)i) % 4);
		snprintf(other, sizeof(other), "s%u", (me * 3 + (unsigned int)i) % 5);
		err = v_open(cl, name, O_CREAT | O_RDWR, 0600, &f);
		CHECK(err == 0 || err == -ENOENT);
		if (err == 0) {
			CHECK(v_write(cl, f, "0123456789", 10) == 10);
			CHECK(file_getattr(&cl->c, f, STATX_BASIC_STATS, &a) == 0 && a.size == 10);
			file_put(f);
		}
		err = vfs_rename(&cl->c, NULL, name, NULL, other, 0);
		CHECK(err == 0 || err == -ENOENT);
		err = v_stat(cl, other, &a);
		CHECK(err == 0 || err == -ENOENT);
		err = vfs_unlink(&cl->c, NULL, other);
		CHECK(err == 0 || err == -ENOENT);
	}
	finish();
}

static void fibers_may_fight_over_names(void **state)
{
	client = *state;
	run(work_together);
}

static void append(void *arg)
{
	struct client *cl = client;
	struct file *f;

	(void)arg;
	CHECK(v_open(cl, "log", O_CREAT | O_WRONLY | O_APPEND, 0600, &f) == 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK(v_write(cl, f, "line\n", 5) == 5);
	file_put(f);
	finish();
}

static void no_append_is_lost(void **state)
{
	client = *state;
	run(append);
	assert_int_equal(host_stat(&client->fx, "log").st_size, FIBERS * ROUNDS * 5);
}

static void work_on_the_dead(void *arg)
{
	struct attr a;
	int err = 0;

	if (arg == 0)
		kill(client->fx.pid, SIGKILL);
	for (int i = 0; i < ROUNDS && err != -EIO; i++) {
		char name[24];

		snprintf(name, sizeof(name), "n%d.%d", (int)(uintptr_t)arg, i);
		err = v_stat(client, name, &a);
		CHECK(err == -ENOENT || err == -EIO);
		fiber_yield();
	}
	finish();
}

static void everybody_hears_of_the_gofers_death(void **state)
{
	client = *state;
	run(work_on_the_dead);
	assert_int_equal(waitpid(client->fx.pid, NULL, 0), client->fx.pid);
	fixture_start(&client->fx); /* for client_end() */
	close(client->fx.t.fd);
	client->fx.t.fd = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fibers_do_not_see_each_others_replies, exclusive,
						client_end),
		cmocka_unit_test_setup_teardown(fibers_may_fight_over_names, exclusive, client_end),
		cmocka_unit_test_setup_teardown(no_append_is_lost, exclusive, client_end),
		cmocka_unit_test_setup_teardown(everybody_hears_of_the_gofers_death, exclusive,
						client_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
