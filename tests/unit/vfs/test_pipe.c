/* SPDX-License-Identifier: Apache-2.0 */
/* test_pipe.c: pipes, FIFOs and splicing, on fibers. */
#include "tests/unit/vfs/side.h"

#include <sys/ioctl.h>

#include "vfs/pipe.h"

struct pipes {
	struct fx x;
	struct file *rd, *wr;
};

static void pipes_init(struct pipes *p, int flags)
{
	fx_init(&p->x);
	assert_int_equal(pipe_new(&p->x.c, flags, &p->rd, &p->wr), 0);
}

static void pipes_fini(struct pipes *p)
{
	file_put(p->rd);
	file_put(p->wr);
	fx_fini(&p->x);
}

static char big[1 << 17];

FIBER_TEST(what_is_written_is_read)
{
	struct pipes p;
	char got[8] = "";
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, sizeof(got)), -EAGAIN);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "abc", 3), 3);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "de", 2), 2);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 4), 4);
	assert_memory_equal(got, "abcd", 4);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 4), 1);
	assert_int_equal(got[0], 'e');
	assert_int_equal(fx_read(&p.x.c, p.wr, got, 4), -EBADF);
	assert_int_equal(fx_write_buf(&p.x.c, p.rd, got, 4), -EBADF);
	pipes_fini(&p);
}

FIBER_TEST(a_pipe_without_writers_is_at_its_end)
{
	struct pipes p;
	char got[4];
	(void)state;

	pipes_init(&p, 0);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "x", 1), 1);
	file_put(p.wr);
	p.wr = NULL;
	assert_int_equal(fx_poll(p.rd), POLLIN | POLLHUP);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 4), 1);
	assert_int_equal(fx_poll(p.rd), POLLHUP);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 4), 0);
	pipes_fini(&p);
}

FIBER_TEST(a_pipe_without_readers_gives_epipe)
{
	struct pipes p;
	(void)state;

	pipes_init(&p, 0);
	file_put(p.rd);
	p.rd = NULL;
	assert_int_equal(fx_poll(p.wr), POLLOUT | POLLERR);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "x", 1), -EPIPE);
	pipes_fini(&p);
}

FIBER_TEST(capacity_is_counted_in_pages)
{
	struct pipes p;
	char got[1];
	int n = 0;
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	assert_int_equal(pipe_get_size(p.rd), 65536);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, sizeof(big)), 65536);
	assert_int_equal(fx_poll(p.wr), 0);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 1), -EAGAIN);
	/* One byte makes no room: its page is still in use. */
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 1), 1);
	assert_int_equal(fx_poll(p.wr), 0);
	assert_int_equal(fx_read(&p.x.c, p.rd, big, 4095), 4095);
	assert_int_equal(fx_poll(p.wr), POLLOUT);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 4096), 4096);
	while (fx_read(&p.x.c, p.rd, big, 10000) > 0)
		n++;
	assert_int_equal(n, 7);
	/* Writes that don't fit the last page take one each; those that do, share. */
	for (n = 0; fx_write_buf(&p.x.c, p.wr, big, 2049) > 0; n++)
		;
	assert_int_equal(n, 16);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 2047), 2047);
	pipes_fini(&p);
}

FIBER_TEST(the_ring_keeps_order_around_its_end)
{
	static unsigned char out[5000], in[5000];
	unsigned int seed = 1, wrote = 0, got = 0;
	struct pipes p;
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	for (int round = 0; round < 3000; round++) {
		size_t size = (seed = seed * 1103515245 + 12345) % sizeof(out);
		ssize_t n;

		for (size_t i = 0; i < size; i++)
			out[i] = (unsigned char)((wrote + i) * 7);
		n = fx_write_buf(&p.x.c, p.wr, out, size);
		if (n > 0)
			wrote += (unsigned int)n;
		size = (seed = seed * 1103515245 + 12345) % sizeof(in);
		n = fx_read(&p.x.c, p.rd, in, size);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(in[i], (unsigned char)((got + (unsigned int)i) * 7));
		if (n > 0)
			got += (unsigned int)n;
	}
	assert_true(got > 1000000);
	pipes_fini(&p);
}

FIBER_TEST(packets_keep_their_bounds)
{
	struct pipes p;
	char got[8];
	(void)state;

	pipes_init(&p, O_NONBLOCK | O_DIRECT);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "abcdef", 6), 6);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "gh", 2), 2);
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 3), 3); /* the rest is discarded */
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 8), 2);
	assert_memory_equal(got, "gh", 2);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 5000), 5000);
	assert_int_equal(fx_read(&p.x.c, p.rd, big, sizeof(big)), 4096);
	assert_int_equal(fx_read(&p.x.c, p.rd, big, sizeof(big)), 904);
	pipes_fini(&p);
}

FIBER_TEST(the_size_can_be_changed)
{
	struct pipes p;
	struct cred *user;
	int bytes = 0;
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 10000), 10000);
	assert_int_equal(pipe_set_size(&p.x.c, p.rd, 4096), -EBUSY);
	assert_int_equal(pipe_set_size(&p.x.c, p.rd, 12288), 16384);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, big, 10000), 1808 + 4096); /* the odd bytes go into the last page */
	assert_int_equal(pipe_set_size(&p.x.c, p.rd, 1 << 20), 1 << 20);
	assert_int_equal(file_ioctl(&p.x.c, p.rd, FIONREAD, (uint64_t)(uintptr_t)&bytes), 0);
	assert_int_equal(bytes, 15904);
	user = fx_user(&p.x, 1000);
	assert_int_equal(pipe_set_size(&p.x.c, p.rd, (1 << 20) + 1), -EPERM);
	assert_int_equal(pipe_set_size(&p.x.c, p.rd, 0), -EBUSY);
	fx_root(&p.x, user);
	pipes_fini(&p);
}

static long read_one(struct side *s)
{
	char c;

	return fx_read(&s->c, s->f, &c, 1);
}

static long write_big(struct side *s)
{
	return fx_write_buf(&s->c, s->f, big, sizeof(big));
}

FIBER_TEST(a_reader_sleeps_until_something_is_written)
{
	struct side a, b;
	struct pipes p;
	(void)state;

	pipes_init(&p, 0);
	side_start(&a, &p.x, read_one, p.rd);
	side_start(&b, &p.x, read_one, p.rd);
	side_expect_asleep(&a);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "xy", 2), 2);
	assert_int_equal(side_join(&a), 1);
	assert_int_equal(side_join(&b), 1); /* the first passes the wake-up on */
	pipes_fini(&p);
}

FIBER_TEST(a_signal_ends_a_read)
{
	struct pipes p;
	struct side a;
	(void)state;

	pipes_init(&p, 0);
	side_start(&a, &p.x, read_one, p.rd);
	side_expect_asleep(&a);
	waiter_interrupt(&a.waiter);
	assert_int_equal(side_join(&a), -ERESTARTSYS);
	pipes_fini(&p);
}

FIBER_TEST(a_writer_sleeps_until_all_fits)
{
	struct pipes p;
	size_t got = 0;
	struct side a;
	(void)state;

	pipes_init(&p, 0);
	side_start(&a, &p.x, write_big, p.wr);
	side_expect_asleep(&a);
	while (got < sizeof(big)) {
		static char buf[3000];
		ssize_t n = fx_read(&p.x.c, p.rd, buf, sizeof(buf));

		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(side_join(&a), sizeof(big));
	pipes_fini(&p);
}

static long open_fifo_read(struct side *s)
{
	struct open_how_args how = { .flags = O_RDONLY };

	return vfs_open(&s->c, NULL, "/fifo", &how, &s->f);
}

FIBER_TEST(fifos_wait_for_the_other_end)
{
	struct side a;
	struct file *f, *g;
	struct fx x;
	char c;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mknod(&x.c, NULL, "/fifo", S_IFIFO | 0644, 0), 0);
	assert_int_equal(fx_open(&x, "/fifo", O_WRONLY | O_NONBLOCK, &f), -ENXIO);
	side_start(&a, &x, open_fifo_read, NULL);
	side_expect_asleep(&a);
	assert_int_equal(fx_open(&x, "/fifo", O_WRONLY, &f), 0);
	assert_int_equal(fx_write_buf(&x.c, f, "q", 1), 1);
	assert_int_equal(side_join(&a), 0);
	assert_int_equal(fx_read(&x.c, a.f, &c, 1), 1);
	file_put(f);
	assert_int_equal(fx_read(&x.c, a.f, &c, 1), 0);
	file_put(a.f);

	/* A nonblocking reader sees no hang-up before there was a writer. */
	assert_int_equal(fx_open(&x, "/fifo", O_RDONLY | O_NONBLOCK, &f), 0);
	assert_int_equal(fx_poll(f), 0);
	assert_int_equal(fx_read(&x.c, f, &c, 1), 0);
	assert_int_equal(fx_open(&x, "/fifo", O_WRONLY | O_NONBLOCK, &g), 0);
	assert_int_equal(fx_read(&x.c, f, &c, 1), -EAGAIN);
	assert_int_equal(fx_write_buf(&x.c, g, "r", 1), 1);
	file_put(g);
	assert_int_equal(fx_poll(f), POLLIN | POLLHUP);
	file_put(f);
	/* What nobody read is gone. */
	assert_int_equal(fx_open(&x, "/fifo", O_RDWR | O_NONBLOCK, &f), 0);
	assert_int_equal(fx_read(&x.c, f, &c, 1), -EAGAIN);
	file_put(f);
	fx_fini(&x);
}

static long poll_read(struct side *s)
{
	struct poll_slot slot = { .file = s->f, .events = POLLIN | POLL_ALWAYS };

	return poll_wait(&s->c, &slot, 1, INT64_MAX) == 1 ? (long)slot.revents : -1;
}

FIBER_TEST(poll_sleeps_until_an_event)
{
	struct poll_slot slot;
	struct pipes p;
	struct side a;
	(void)state;

	pipes_init(&p, 0);
	side_start(&a, &p.x, poll_read, p.rd);
	side_expect_asleep(&a);
	assert_int_equal(fx_write_buf(&p.x.c, p.wr, "x", 1), 1);
	assert_int_equal(side_join(&a), POLLIN);
	slot = (struct poll_slot){ .file = p.wr, .events = POLLIN };
	assert_int_equal(poll_wait(&p.x.c, &slot, 1, 0), 0);
	assert_int_equal(poll_wait(&p.x.c, &slot, 1, clock_mono_ns() + 5 * NSEC_PER_MSEC), 0);
	side_start(&a, &p.x, poll_read, p.wr);
	side_expect_asleep(&a);
	waiter_interrupt(&a.waiter);
	assert_int_equal(side_join(&a), -1);
	pipes_fini(&p);
}

FIBER_TEST(splice_moves_between_files_and_pipes)
{
	struct pipes p;
	struct file *f, *rd2, *wr2;
	int64_t off = 2;
	char got[16];
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	assert_int_equal(pipe_new(&p.x.c, O_NONBLOCK, &rd2, &wr2), 0);
	assert_int_equal(fx_put(&p.x, "f", "0123456789"), 0);
	assert_int_equal(fx_open(&p.x, "f", O_RDWR, &f), 0);
	assert_int_equal(pipe_splice(&p.x.c, f, &off, p.wr, NULL, 5, 0), 5);
	assert_int_equal(off, 7);
	assert_int_equal(pipe_tee(&p.x.c, p.rd, wr2, 3, 0), 3);
	assert_int_equal(fx_read(&p.x.c, rd2, got, 16), 3);
	assert_memory_equal(got, "234", 3);
	assert_int_equal(pipe_splice(&p.x.c, p.rd, NULL, wr2, NULL, 4, 0), 4);
	off = 8;
	assert_int_equal(pipe_splice(&p.x.c, rd2, NULL, f, &off, 100, 0), 4);
	assert_int_equal(off, 12);
	fx_expect(&p.x, "f", "012345672345");
	assert_int_equal(fx_read(&p.x.c, p.rd, got, 16), 1);
	assert_int_equal(pipe_splice(&p.x.c, p.rd, NULL, wr2, NULL, 4, 0), -EAGAIN);
	assert_int_equal(pipe_splice(&p.x.c, p.rd, NULL, p.wr, NULL, 4, 0), -EINVAL);
	assert_int_equal(pipe_splice(&p.x.c, f, NULL, f, NULL, 4, 0), -EINVAL);
	assert_int_equal(pipe_splice(&p.x.c, p.rd, &off, f, NULL, 4, 0), -ESPIPE);
	off = 0;
	assert_int_equal(file_sendfile(&p.x.c, wr2, f, &off, 3), 3);
	assert_int_equal(off, 3);
	file_put(f);
	file_put(rd2);
	file_put(wr2);
	pipes_fini(&p);
}

FIBER_TEST(both_ends_can_be_opened_again_by_name)
{
	struct pipes p;
	struct file *f;
	char c;
	(void)state;

	pipes_init(&p, O_NONBLOCK);
	assert_int_equal(vfs_open_path(&p.x.c, &p.rd->path, O_WRONLY, &f), 0);
	assert_int_equal(fx_write_buf(&p.x.c, f, "z", 1), 1);
	file_put(f);
	assert_int_equal(fx_read(&p.x.c, p.rd, &c, 1), 1);
	assert_int_equal(c, 'z');
	pipes_fini(&p);
}

UNIT_MAIN(UNIT(what_is_written_is_read), UNIT(a_pipe_without_writers_is_at_its_end),
	  UNIT(a_pipe_without_readers_gives_epipe), UNIT(capacity_is_counted_in_pages),
	  UNIT(the_ring_keeps_order_around_its_end), UNIT(packets_keep_their_bounds),
	  UNIT(the_size_can_be_changed), UNIT(a_reader_sleeps_until_something_is_written),
	  UNIT(a_signal_ends_a_read), UNIT(a_writer_sleeps_until_all_fits),
	  UNIT(fifos_wait_for_the_other_end), UNIT(poll_sleeps_until_an_event),
	  UNIT(splice_moves_between_files_and_pipes), UNIT(both_ends_can_be_opened_again_by_name))
