/* SPDX-License-Identifier: Apache-2.0 */
/* test_epoll.c: epoll instances, eventfd and timerfd. */
#include "tests/unit/vfs/side.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "vfs/epoll.h"
#include "vfs/eventfd.h"
#include "vfs/pipe.h"
#include "vfs/timerfd.h"

struct ep {
	struct fx x;
	struct file *ep, *rd, *wr;
	struct epoll_event got[8];
};

static void ep_init(struct ep *e)
{
	fx_init(&e->x);
	assert_int_equal(epoll_new(&e->x.c, &e->ep), 0);
	assert_int_equal(pipe_new(&e->x.c, O_NONBLOCK, &e->rd, &e->wr), 0);
}

static void ep_fini(struct ep *e)
{
	file_put(e->rd);
	file_put(e->wr);
	file_put(e->ep);
	fx_fini(&e->x);
}

static int ep_ctl(struct file *ep, int op, int fd, struct file *f, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)fd * 1000 };

	return epoll_control(ep, op, fd, f, &ev);
}

static int ep_wait(struct ep *e, int max, int64_t ms)
{
	struct uio u;

	memset(e->got, 0, sizeof(e->got));
	uio_init_kernel(&u, e->got, (size_t)max * sizeof(e->got[0]));
	return epoll_wait_events(&e->x.c, e->ep, &u, max,
				 ms == 0 ? 0 : clock_mono_ns() + ms * NSEC_PER_MSEC);
}

static void write_one(struct ep *e)
{
	assert_int_equal(fx_write_buf(&e->x.c, e->wr, "x", 1), 1);
}

static void read_all(struct ep *e)
{
	char buf[100];

	while (fx_read(&e->x.c, e->rd, buf, sizeof(buf)) > 0)
		;
}

FIBER_TEST(control_has_the_errors_of_the_manual)
{
	struct ep e;
	struct file *f;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_MOD, 3, e.rd, EPOLLIN), -ENOENT);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_DEL, 3, e.rd, 0), -ENOENT);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN), -EEXIST);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 4, e.rd, EPOLLIN), 0); /* another number */
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 5, e.ep, EPOLLIN), -EINVAL);
	assert_int_equal(ep_ctl(e.rd, EPOLL_CTL_ADD, 5, e.wr, EPOLLIN), -EINVAL);
	assert_int_equal(ep_ctl(e.ep, 99, 5, e.wr, EPOLLIN), -EINVAL);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_MOD, 4, e.rd, EPOLLIN | EPOLLEXCLUSIVE), -EINVAL);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 6, e.wr, EPOLLPRI | EPOLLEXCLUSIVE), -EINVAL);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 6, e.wr, EPOLLOUT | EPOLLEXCLUSIVE), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_MOD, 6, e.wr, EPOLLOUT), -EINVAL);
	assert_int_equal(fx_put(&e.x, "f", "text"), 0);
	assert_int_equal(fx_open(&e.x, "f", O_RDONLY, &f), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 7, f, EPOLLIN), -EPERM);
	file_put(f);
	ep_fini(&e);
}

FIBER_TEST(level_triggered_items_come_again)
{
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN), 0);
	assert_int_equal(ep_wait(&e, 8, 0), 0);
	write_one(&e);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ep_wait(&e, 8, 0), 1);
		assert_int_equal(e.got[0].events, EPOLLIN);
		assert_int_equal(e.got[0].data.u64, 3000);
	}
	read_all(&e);
	assert_int_equal(ep_wait(&e, 8, 0), 0);
	ep_fini(&e);
}

FIBER_TEST(edge_triggered_items_come_once_per_event)
{
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN | EPOLLET), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 4, e.wr, EPOLLOUT | EPOLLET), 0);
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	write_one(&e);
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	assert_int_equal(ep_wait(&e, 8, 0), 0);
	write_one(&e); /* without a read between: another edge */
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	assert_int_equal(ep_wait(&e, 8, 0), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_MOD, 3, e.rd, EPOLLIN | EPOLLET), 0);
	assert_int_equal(ep_wait(&e, 8, 0), 1); /* MOD looks again */
	ep_fini(&e);
}

FIBER_TEST(one_shot_items_wait_for_mod)
{
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN | EPOLLONESHOT), 0);
	write_one(&e);
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	write_one(&e);
	assert_int_equal(ep_wait(&e, 8, 0), 0);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_MOD, 3, e.rd, EPOLLIN | EPOLLONESHOT), 0);
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	ep_fini(&e);
}

FIBER_TEST(hang_up_is_always_reported)
{
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, 0), 0);
	file_put(e.wr);
	e.wr = NULL;
	assert_int_equal(ep_wait(&e, 8, 0), 1);
	assert_int_equal(e.got[0].events, EPOLLHUP);
	ep_fini(&e);
}

FIBER_TEST(items_take_turns)
{
	struct file *f[5];
	struct ep e;
	unsigned int seen = 0;
	(void)state;

	ep_init(&e);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(eventfd_new(&e.x.c, 1, EFD_NONBLOCK, &f[i]), 0);
		assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, i, f[i], EPOLLIN), 0);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ep_wait(&e, 1, 0), 1);
		seen |= 1u << (e.got[0].data.u64 / 1000);
	}
	assert_int_equal(seen, 31);
	assert_int_equal(ep_wait(&e, 8, 0), 5);
	for (int i = 0; i < 5; i++)
		file_put(f[i]);
	assert_int_equal(ep_wait(&e, 8, 0), 0); /* closed files are forgotten */
	ep_fini(&e);
}

static long wait_event(struct side *s)
{
	struct epoll_event ev;
	struct uio u;

	uio_init_kernel(&u, &ev, sizeof(ev));
	return epoll_wait_events(&s->c, s->f, &u, 1, INT64_MAX);
}

FIBER_TEST(a_sleeper_is_woken_by_an_event)
{
	struct side a;
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN), 0);
	side_start(&a, &e.x, wait_event, e.ep);
	side_expect_asleep(&a);
	write_one(&e);
	assert_int_equal(side_join(&a), 1);
	read_all(&e);
	side_start(&a, &e.x, wait_event, e.ep);
	side_expect_asleep(&a);
	waiter_interrupt(&a.waiter);
	assert_int_equal(side_join(&a), -EINTR);
	/* Adding a ready file wakes too. */
	side_start(&a, &e.x, wait_event, e.ep);
	side_expect_asleep(&a);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 4, e.wr, EPOLLOUT), 0);
	assert_int_equal(side_join(&a), 1);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_DEL, 4, e.wr, 0), 0);
	assert_int_equal(ep_wait(&e, 8, 5), 0);
	ep_fini(&e);
}

FIBER_TEST(instances_nest_without_loops)
{
	struct file *chain[6];
	struct side a;
	struct ep e;
	(void)state;

	ep_init(&e);
	assert_int_equal(ep_ctl(e.ep, EPOLL_CTL_ADD, 3, e.rd, EPOLLIN), 0);
	chain[0] = e.ep;
	for (int i = 1; i < 6; i++) {
		assert_int_equal(epoll_new(&e.x.c, &chain[i]), 0);
		assert_int_equal(ep_ctl(chain[i], EPOLL_CTL_ADD, 1, chain[i - 1], EPOLLIN),
				 i < 5 ? 0 : -ELOOP);
	}
	assert_int_equal(ep_ctl(chain[0], EPOLL_CTL_ADD, 9, chain[4], EPOLLIN), -ELOOP);
	assert_int_equal(ep_ctl(chain[0], EPOLL_CTL_ADD, 9, chain[1], EPOLLIN), -ELOOP);
	/* From below as well: it would lengthen the chain at its end. */
	assert_int_equal(ep_ctl(chain[0], EPOLL_CTL_ADD, 9, chain[5], EPOLLIN), -ELOOP);

	assert_int_equal(fx_poll(chain[4]), 0);
	side_start(&a, &e.x, wait_event, chain[4]);
	side_expect_asleep(&a);
	write_one(&e);
	assert_int_equal(side_join(&a), 1);
	assert_int_equal(fx_poll(chain[4]), POLLIN);
	read_all(&e);
	assert_int_equal(fx_poll(chain[4]), 0);
	for (int i = 1; i < 6; i++)
		file_put(chain[i]);
	ep_fini(&e);
}

FIBER_TEST(eventfds_count)
{
	uint64_t v = 0, max = UINT64_MAX - 1;
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(eventfd_new(&x.c, 3, 1 << 30, &f), -EINVAL);
	assert_int_equal(eventfd_new(&x.c, 3, EFD_NONBLOCK, &f), 0);
	assert_int_equal(fx_poll(f), POLLIN | POLLOUT);
	assert_int_equal(fx_read(&x.c, f, &v, 4), -EINVAL);
	assert_int_equal(fx_read(&x.c, f, &v, 8), 8);
	assert_int_equal(v, 3);
	assert_int_equal(fx_read(&x.c, f, &v, 8), -EAGAIN);
	v = UINT64_MAX;
	assert_int_equal(fx_write_buf(&x.c, f, &v, 8), -EINVAL);
	assert_int_equal(fx_write_buf(&x.c, f, &max, 8), 8);
	assert_int_equal(fx_poll(f), POLLIN);
	v = 1;
	assert_int_equal(fx_write_buf(&x.c, f, &v, 8), -EAGAIN);
	assert_int_equal(eventfd_signal(f, 1), 0);
	assert_int_equal(fx_poll(f), POLLIN | POLLERR);
	file_put(f);
	assert_int_equal(eventfd_new(&x.c, 2, EFD_NONBLOCK | EFD_SEMAPHORE, &f), 0);
	assert_int_equal(fx_read(&x.c, f, &v, 8), 8);
	assert_int_equal(v, 1);
	assert_int_equal(fx_read(&x.c, f, &v, 8), 8);
	assert_int_equal(fx_read(&x.c, f, &v, 8), -EAGAIN);
	file_put(f);
	fx_fini(&x);
}

static long read_eight(struct side *s)
{
	uint64_t v = 0;
	ssize_t n = fx_read(&s->c, s->f, &v, 8);

	return n == 8 ? (long)v : n;
}

FIBER_TEST(timers_expire)
{
	struct timerfd_spec s = { 20 * NSEC_PER_MSEC, 0 }, old;
	struct side a;
	struct file *f;
	uint64_t v;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(timerfd_new(&x.c, CLOCK_PROCESS_CPUTIME_ID, 0, &f), -EINVAL);
	assert_int_equal(timerfd_new(&x.c, CLOCK_MONOTONIC, 0, &f), 0);
	assert_int_equal(timerfd_set(f, 0, &s, NULL), 0);
	assert_int_equal(fx_poll(f), 0);
	side_start(&a, &x, read_eight, f);
	assert_int_equal(side_join(&a), 1);
	assert_int_equal(timerfd_get(f, &old), 0);
	assert_int_equal(old.value_ns, 0);

	s = (struct timerfd_spec){ 5 * NSEC_PER_MSEC, 10 * NSEC_PER_MSEC };
	assert_int_equal(timerfd_set(f, 0, &s, NULL), 0);
	side_pause(50);
	assert_int_equal(fx_poll(f), POLLIN);
	assert_int_equal(fx_read(&x.c, f, &v, 8), 8);
	assert_in_range(v, 4, 40);
	assert_int_equal(timerfd_get(f, &old), 0);
	assert_in_range(old.value_ns, 1, 10 * NSEC_PER_MSEC);
	assert_int_equal(old.interval_ns, 10 * NSEC_PER_MSEC);
	s.value_ns = 0;
	assert_int_equal(timerfd_set(f, 0, &s, &old), 0);
	assert_in_range(old.value_ns, 1, 10 * NSEC_PER_MSEC);
	side_pause(20);
	assert_int_equal(fx_poll(f), 0);
	file_put(f);

	assert_int_equal(timerfd_new(&x.c, CLOCK_REALTIME, TFD_NONBLOCK, &f), 0);
	s = (struct timerfd_spec){ 1, 0 }; /* 1970 */
	assert_int_equal(timerfd_set(f, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL), 0);
	side_pause(5);
	assert_int_equal(fx_read(&x.c, f, &v, 8), 8);
	assert_int_equal(v, 1);
	assert_int_equal(fx_read(&x.c, f, &v, 8), -EAGAIN);
	file_put(f);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(control_has_the_errors_of_the_manual), UNIT(level_triggered_items_come_again),
	  UNIT(edge_triggered_items_come_once_per_event), UNIT(one_shot_items_wait_for_mod),
	  UNIT(hang_up_is_always_reported), UNIT(items_take_turns),
	  UNIT(a_sleeper_is_woken_by_an_event), UNIT(instances_nest_without_loops),
	  UNIT(eventfds_count), UNIT(timers_expire))
