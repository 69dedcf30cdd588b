/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tty_pty.c: pseudo-terminals as open files: devpts and its nodes, both ends of a pair, VMIN and
 * VTIME, closing, packet mode.  Job control needs processes: tests/programs.
 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "lib/clock.h"
#include "sentry/tty/ldisc.h"
#include "sentry/tty/tty.h"
#include "tests/unit/vfs/fixture.h"

struct pair {
	struct fx x;
	struct file *master, *slave;
};

static void mount_devpts(struct fx *x, const char *options)
{
	static bool registered;

	if (!registered)
		tty_init();
	registered = true;
	assert_int_equal(vfs_mkdir(&x->c, NULL, "/dev", 0755), 0);
	assert_int_equal(vfs_mkdir(&x->c, NULL, "/dev/pts", 0755), 0);
	assert_int_equal(vfs_mount(&x->c, "devpts", "/dev/pts", "devpts", 0, options), 0);
}

static long control(struct pair *p, struct file *f, unsigned int cmd, void *arg)
{
	return file_ioctl(&p->x.c, f, cmd, (uintptr_t)arg);
}

static void pair_init(struct pair *p)
{
	int unlock = 0;

	fx_init(&p->x);
	mount_devpts(&p->x, "ptmxmode=666,mode=620,gid=5");
	assert_int_equal(fx_open(&p->x, "/dev/pts/ptmx", O_RDWR, &p->master), 0);
	assert_int_equal(fx_try(&p->x, "/dev/pts/0", O_RDWR), -EIO); /* locked */
	assert_int_equal(control(p, p->master, TIOCSPTLCK, &unlock), 0);
	assert_int_equal(fx_open(&p->x, "/dev/pts/0", O_RDWR, &p->slave), 0);
}

static void pair_fini(struct pair *p)
{
	file_put(p->slave);
	file_put(p->master);
	fx_fini(&p->x);
}

static ssize_t get(struct pair *p, struct file *f, char *buf, size_t size, bool wait)
{
	struct uio u;

	atomic_store(&f->flags, O_RDWR | (wait ? 0 : O_NONBLOCK));
	uio_init_kernel(&u, buf, size);
	return file_read(&p->x.c, f, &u);
}

static void expect(struct pair *p, struct file *f, const char *text)
{
	char buf[256];
	ssize_t n = get(p, f, buf, sizeof(buf) - 1, false);

	assert_int_equal(n, strlen(text));
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static void expect_error(struct pair *p, struct file *f, int err)
{
	char c;

	assert_int_equal(get(p, f, &c, 1, false), err);
}

static void put(struct pair *p, struct file *f, const char *text)
{
	assert_int_equal(fx_write(&p->x, f, text, strlen(text)), strlen(text));
}

static void modes(struct pair *p, uint32_t lflag_off, int vmin, int vtime)
{
	struct ktermios k;

	assert_int_equal(control(p, p->slave, TCGETS, &k), 0);
	k.lflag &= ~lflag_off;
	k.cc[VMIN] = (uint8_t)vmin;
	k.cc[VTIME] = (uint8_t)vtime;
	assert_int_equal(control(p, p->slave, TCSETS, &k), 0);
}

/* ---- devpts ------------------------------------------------------------------------------------------- */

FIBER_TEST(nodes_come_and_go_with_their_masters)
{
	struct pair p;
	struct file *second;
	struct fx_names names;
	struct attr a;

	(void)state;
	pair_init(&p);
	assert_int_equal(fx_open(&p.x, "/dev/pts/ptmx", O_RDWR, &second), 0);
	fx_list(&p.x, "/dev/pts", &names, 2);
	assert_string_equal(names.text, ". .. ptmx 0 1 ");
	assert_int_equal(fx_stat(&p.x, "/dev/pts/1", 0, &a), 0);
	assert_int_equal(a.mode, S_IFCHR | 0620);
	assert_int_equal(a.gid, 5);
	assert_int_equal(a.rdev, makedev(136, 1));
	file_put(second);
	assert_int_equal(fx_stat(&p.x, "/dev/pts/1", 0, &a), -ENOENT);
	assert_int_equal(fx_stat(&p.x, "/dev/pts/00", 0, &a), -ENOENT);
	assert_int_equal(vfs_unlink(&p.x.c, NULL, "/dev/pts/0"), -EPERM);
	pair_fini(&p);
}

FIBER_TEST(max_limits_an_instance)
{
	struct fx x;
	struct file *f[2];

	(void)state;
	fx_init(&x);
	mount_devpts(&x, "max=2,ptmxmode=0666");
	assert_int_equal(fx_open(&x, "/dev/pts/ptmx", O_RDWR, &f[0]), 0);
	assert_int_equal(fx_open(&x, "/dev/pts/ptmx", O_RDWR, &f[1]), 0);
	assert_int_equal(fx_try(&x, "/dev/pts/ptmx", O_RDWR), -ENOSPC);
	file_put(f[0]);
	assert_int_equal(fx_try(&x, "/dev/pts/ptmx", O_RDWR), 0);
	file_put(f[1]);
	assert_int_equal(vfs_mount(&x.c, "devpts", "/dev/pts", "devpts", 0, "max=x"), -EINVAL);
	fx_fini(&x);
}

FIBER_TEST(a_ptmx_node_in_dev_uses_the_devpts_beside_it)
{
	struct fx x;
	struct file *f;

	(void)state;
	fx_init(&x);
	mount_devpts(&x, NULL);
	assert_int_equal(vfs_mknod(&x.c, NULL, "/ptmx", S_IFCHR | 0666, makedev(5, 2)), 0);
	assert_int_equal(fx_try(&x, "/ptmx", O_RDWR), -ENODEV);
	assert_int_equal(vfs_mknod(&x.c, NULL, "/dev/ptmx", S_IFCHR | 0666, makedev(5, 2)), 0);
	assert_int_equal(fx_open(&x, "/dev/ptmx", O_RDWR, &f), 0);
	assert_int_equal(fx_walk(&x, "/dev/pts/0", 0), 0);
	file_put(f);
	assert_int_equal(vfs_mknod(&x.c, NULL, "/dev/p", S_IFCHR | 0666, makedev(136, 0)), 0);
	assert_int_equal(fx_try(&x, "/dev/p", O_RDWR), -EIO);
	assert_int_equal(vfs_mknod(&x.c, NULL, "/dev/tty", S_IFCHR | 0666, makedev(5, 0)), 0);
	assert_int_equal(fx_try(&x, "/dev/tty", O_RDWR), -ENXIO);
	fx_fini(&x);
}

/* ---- a pair ----------------------------------------------------------------------------------------------- */

FIBER_TEST(lines_go_in_and_output_comes_out)
{
	struct pair p;
	int n;

	(void)state;
	pair_init(&p);
	expect_error(&p, p.slave, -EAGAIN);
	put(&p, p.master, "hello\r");
	assert_int_equal(control(&p, p.slave, FIONREAD, &n), 0);
	assert_int_equal(n, 6);
	expect(&p, p.slave, "hello\n");
	expect(&p, p.master, "hello\r\n");
	put(&p, p.slave, "out\n");
	assert_int_equal(file_poll(p.master, NULL), POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	expect(&p, p.master, "out\r\n");
	expect_error(&p, p.master, -EAGAIN);
	pair_fini(&p);
}

FIBER_TEST(input_beyond_the_line_buffer_waits_for_readers)
{
	struct pair p;
	static char many[100000];
	char buf[4096];
	ssize_t sent, got = 0, n;
	struct uio u;

	(void)state;
	pair_init(&p);
	modes(&p, ICANON | ECHO, 1, 0);
	memset(many, 'x', sizeof(many));
	atomic_store(&p.master->flags, O_RDWR | O_NONBLOCK);
	uio_init_kernel(&u, many, sizeof(many));
	sent = file_write(&p.x.c, p.master, &u);
	assert_in_range(sent, 4096, sizeof(many) - 1);
	assert_int_equal(file_poll(p.master, NULL) & POLLOUT, 0);
	while ((n = get(&p, p.slave, buf, sizeof(buf), false)) > 0)
		got += n;
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(got, sent);
	assert_true(file_poll(p.master, NULL) & POLLOUT);
	pair_fini(&p);
}

FIBER_TEST(vtime_alone_waits_for_the_first_byte)
{
	struct pair p;
	char c;
	int64_t start = clock_mono_ns();

	(void)state;
	pair_init(&p);
	modes(&p, ICANON | ECHO, 0, 1);
	assert_int_equal(get(&p, p.slave, &c, 1, true), 0);
	assert_true(clock_mono_ns() - start >= 100 * NSEC_PER_MSEC);
	modes(&p, 0, 0, 0);
	assert_int_equal(get(&p, p.slave, &c, 1, false), 0);
	put(&p, p.master, "x");
	assert_int_equal(get(&p, p.slave, &c, 1, true), 1);
	pair_fini(&p);
}

FIBER_TEST(vmin_with_vtime_ends_a_pause_after_a_byte)
{
	struct pair p;
	char buf[8];

	(void)state;
	pair_init(&p);
	modes(&p, ICANON | ECHO, 5, 1);
	put(&p, p.master, "ab");
	assert_int_equal(get(&p, p.slave, buf, sizeof(buf), true), 2);
	put(&p, p.master, "abcdef");
	assert_int_equal(get(&p, p.slave, buf, sizeof(buf), true), 6);
	expect_error(&p, p.slave, -EAGAIN);
	pair_fini(&p);
}

struct sleeper {
	struct pair *p;
	char buf[64];
	ssize_t n;
	atomic_bool done;
};

static void sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	s->n = get(s->p, s->p->slave, s->buf, sizeof(s->buf), true);
	atomic_store(&s->done, true);
}

static void await(struct sleeper *s)
{
	for (int i = 0; i < 100000 && !atomic_load(&s->done); i++)
		fiber_yield();
	assert_true(atomic_load(&s->done));
}

FIBER_TEST(a_sleeping_reader_gets_its_line)
{
	struct pair p;
	struct sleeper s = { .p = &p };

	(void)state;
	pair_init(&p);
	fiber_start(fiber_new(sleeper_main, &s));
	fiber_yield();
	put(&p, p.master, "par");
	put(&p, p.master, "tial\n");
	await(&s);
	assert_int_equal(s.n, 8);
	pair_fini(&p);
}

FIBER_TEST(closing_the_master_hangs_the_terminal_up)
{
	struct pair p;
	struct sleeper s = { .p = &p };
	struct ktermios k;

	(void)state;
	pair_init(&p);
	fiber_start(fiber_new(sleeper_main, &s));
	fiber_yield();
	file_put(p.master);
	p.master = NULL;
	await(&s);
	assert_int_equal(s.n, -EIO); /* only later reads find the end of file */
	expect(&p, p.slave, "");
	assert_int_equal(fx_write(&p.x, p.slave, "x", 1), -EIO);
	assert_int_equal(control(&p, p.slave, TCGETS, &k), -EIO);
	assert_int_equal(control(&p, p.slave, TIOCSPGRP, &k), -ENOTTY);
	assert_int_equal(file_poll(p.slave, NULL),
			 POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM);
	file_put(p.slave);
	fx_fini(&p.x);
}

FIBER_TEST(closing_the_terminal_is_eio_until_it_is_opened_again)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	put(&p, p.slave, "last");
	file_put(p.slave);
	assert_true(file_poll(p.master, NULL) & POLLHUP);
	expect(&p, p.master, "last");
	expect_error(&p, p.master, -EIO);
	put(&p, p.master, "kept\n");
	assert_int_equal(fx_open(&p.x, "/dev/pts/0", O_RDWR, &p.slave), 0);
	expect(&p, p.slave, "kept\n");
	assert_int_equal(file_poll(p.master, NULL) & POLLHUP, 0);
	expect(&p, p.master, "kept\r\n");
	pair_fini(&p);
}

FIBER_TEST(packet_mode_tells_of_changes)
{
	struct pair p;
	char buf[16];
	int on = 1;

	(void)state;
	pair_init(&p);
	assert_int_equal(control(&p, p.master, TIOCPKT, &on), 0);
	put(&p, p.slave, "x");
	assert_int_equal(get(&p, p.master, buf, sizeof(buf), false), 2);
	assert_int_equal(buf[0], TIOCPKT_DATA);
	put(&p, p.master, "\23");
	assert_true(file_poll(p.master, NULL) & POLLPRI);
	assert_int_equal(get(&p, p.master, buf, sizeof(buf), false), 1);
	assert_int_equal(buf[0], TIOCPKT_STOP);
	assert_int_equal(control(&p, p.slave, TCFLSH, (void *)TCIOFLUSH), 0);
	assert_int_equal(get(&p, p.master, buf, sizeof(buf), false), 1);
	assert_int_equal(buf[0], TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
	pair_fini(&p);
}

FIBER_TEST(a_stopped_terminal_takes_no_output)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	assert_int_equal(control(&p, p.slave, TCXONC, (void *)TCOOFF), 0);
	atomic_store(&p.slave->flags, O_RDWR | O_NONBLOCK);
	assert_int_equal(fx_write(&p.x, p.slave, "x", 1), -EAGAIN);
	assert_int_equal(file_poll(p.slave, NULL) & POLLOUT, 0);
	put(&p, p.master, "\21"); /* ^Q does not start what TCOOFF stopped */
	assert_int_equal(fx_write(&p.x, p.slave, "x", 1), -EAGAIN);
	assert_int_equal(control(&p, p.slave, TCXONC, (void *)TCOON), 0);
	put(&p, p.slave, "x");
	assert_int_equal(control(&p, p.slave, TCXONC, (void *)99), -EINVAL);
	pair_fini(&p);
}

FIBER_TEST(sizes_and_numbers_are_shared_by_both_ends)
{
	struct pair p;
	struct winsize w = { .ws_row = 30, .ws_col = 100 }, got;
	unsigned int n = 99;

	(void)state;
	pair_init(&p);
	assert_int_equal(control(&p, p.master, TIOCSWINSZ, &w), 0);
	assert_int_equal(control(&p, p.slave, TIOCGWINSZ, &got), 0);
	assert_memory_equal(&w, &got, sizeof(w));
	assert_int_equal(control(&p, p.master, TIOCGPTN, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(control(&p, p.slave, TIOCGPTN, &n), -ENOTTY);
	assert_int_equal(control(&p, p.slave, TIOCMGET, &n), -ENOTTY);
	assert_int_equal(control(&p, p.slave, 0x4b33 /* KDGKBTYPE */, &n), -ENOTTY);
	pair_fini(&p);
}

FIBER_TEST(an_exclusive_terminal_opens_for_root_alone)
{
	struct pair p;
	struct cred *u;
	struct setattr a = { .mask = SETATTR_MODE, .mode = 0666 };

	(void)state;
	pair_init(&p);
	assert_int_equal(vfs_setattr(&p.x.c, &p.slave->path, &a), 0);
	assert_int_equal(control(&p, p.slave, TIOCEXCL, NULL), 0);
	assert_int_equal(fx_try(&p.x, "/dev/pts/0", O_RDWR), 0);
	u = fx_user(&p.x, 1000);
	assert_int_equal(fx_try(&p.x, "/dev/pts/0", O_RDWR), -EBUSY);
	fx_root(&p.x, u);
	pair_fini(&p);
}

UNIT_MAIN(UNIT(nodes_come_and_go_with_their_masters), UNIT(max_limits_an_instance),
	  UNIT(a_ptmx_node_in_dev_uses_the_devpts_beside_it), UNIT(lines_go_in_and_output_comes_out),
	  UNIT(input_beyond_the_line_buffer_waits_for_readers),
	  UNIT(vtime_alone_waits_for_the_first_byte), UNIT(vmin_with_vtime_ends_a_pause_after_a_byte),
	  UNIT(a_sleeping_reader_gets_its_line), UNIT(closing_the_master_hangs_the_terminal_up),
	  UNIT(closing_the_terminal_is_eio_until_it_is_opened_again), UNIT(packet_mode_tells_of_changes),
	  UNIT(a_stopped_terminal_takes_no_output), UNIT(sizes_and_numbers_are_shared_by_both_ends),
	  UNIT(an_exclusive_terminal_opens_for_root_alone))
