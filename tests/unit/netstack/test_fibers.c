/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fibers.c: the stack with real locks: fibers on several workers, real time, loopback.  Debug
 * builds stop on a lock taken out of order.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/uio.h"
#include "lib/wq.h"
#include "netstack/drive.h"
#include "netstack/ep.h"

#define PAIRS 6

static struct stack_drive drive;
static struct stack *stack;
static atomic_int running;
static size_t bytes = 3000000; /* each way of each pair */

static void fill(void *p, size_t size)
{
	assert_int_equal(getrandom(p, size, 0), (ssize_t)size);
}

static struct ipa lo(void)
{
	return ipa_v4(htonl(INADDR_LOOPBACK));
}

static void start(void)
{
	stack = stack_drive_start(&drive, fill);
	assert_non_null(stack);
	assert_int_equal(nic_set_flags(stack, 1, IFF_UP, IFF_UP), 0);
}

struct sleeper {
	struct wq_entry entry;
	struct waiter w;
};

static void wake(struct wq_entry *e, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(e, struct sleeper, entry)->w);
}

/* Until ep_poll() shows one of the events. */
static void wait_for(struct ep *e, uint32_t events)
{
	struct sleeper s;

	waiter_init(&s.w, fiber_self());
	wq_entry_init(&s.entry, wake, 0);
	wq_add(ep_wq(e), &s.entry);
	for (;;) {
		waiter_prepare(&s.w);
		if (ep_poll(e) & (events | POLLERR | POLLHUP)) {
			waiter_cancel(&s.w);
			break;
		}
		if (waiter_sleep(&s.w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + 120 * NSEC_PER_SEC) == -ETIMEDOUT) {
			fprintf(stderr, "no event %x for 120 s: poll %x\n", events, ep_poll(e));
			abort();
		}
	}
	wq_remove(&s.entry);
}

static ssize_t do_io(struct ep *e, void *p, size_t size, bool out)
{
	for (;;) {
		struct ep_msg m = { .flags = 0 };
		struct uio u;
		ssize_t n;

		uio_init_kernel(&u, p, size);
		n = out ? ep_send(e, &u, &m) : ep_recv(e, &u, &m);
		if (n != -EAGAIN)
			return n;
		wait_for(e, out ? POLLOUT : POLLIN);
	}
}

static void writer(void *arg)
{
	struct ep *e = arg;
	char *buf = malloc(40000);
	size_t done = 0;

	while (done < bytes) {
		size_t k = MIN((size_t)40000, bytes - done);
		ssize_t n;

		for (size_t i = 0; i < k; i++)
			buf[i] = (char)((done + i) * 31 >> 3);
		n = do_io(e, buf, k, true);
		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_int_equal(ep_shutdown(e, SHUT_WR), 0);
	free(buf);
	atomic_fetch_sub(&running, 1);
}

static void reader(void *arg)
{
	struct ep *e = arg;
	char *buf = malloc(30000);
	size_t done = 0;
	ssize_t n;

	while ((n = do_io(e, buf, 30000, false)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], (char)((done + (size_t)i) * 31 >> 3));
		done += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(done, bytes);
	free(buf);
	atomic_fetch_sub(&running, 1);
}

static void spawn(fiber_fn *fn, void *arg)
{
	struct fiber *f = fiber_new(fn, arg);

	assert_non_null(f);
	atomic_fetch_add(&running, 1);
	fiber_start(f);
}

static void join(void)
{
	while (atomic_load(&running))
		fiber_yield();
}

FIBER_TEST(many_streams_at_once_keep_their_bytes)
{
	struct net_addr a = { .family = AF_INET, .ip = lo(), .port = 80 };
	struct ep *l, *c[PAIRS], *s[PAIRS];
	int64_t t0;

	(void)state;
	start();
	assert_int_equal(ep_new(stack, AF_INET, SOCK_STREAM, 0, &l), 0);
	assert_int_equal(ep_bind(l, &a), 0);
	assert_int_equal(ep_listen(l, 10), 0);
	for (int i = 0; i < PAIRS; i++) {
		assert_int_equal(ep_new(stack, AF_INET, SOCK_STREAM, 0, &c[i]), 0);
		assert_int_equal(ep_connect(c[i], &a), -EINPROGRESS);
		wait_for(c[i], POLLOUT);
		assert_int_equal(ep_connect(c[i], &a), 0);
		wait_for(l, POLLIN);
		assert_int_equal(ep_accept(l, &s[i], NULL), 0);
	}
	t0 = clock_mono_ns();
	for (int i = 0; i < PAIRS; i++) {
		spawn(writer, c[i]);
		spawn(reader, s[i]);
		spawn(writer, s[i]);
		spawn(reader, c[i]);
	}
	join();
	print_message("%.0f MB/s\n", 2.0 * PAIRS * (double)bytes * 1e3 / (double)(clock_mono_ns() - t0));
	for (int i = 0; i < PAIRS; i++) {
		ep_close(c[i]);
		ep_close(s[i]);
	}
	ep_close(l);
	stack_drive_stop(&drive);
}

static void udp_echo(void *arg)
{
	struct ep *e = arg;

	for (int i = 0; i < 300; i++) {
		char b[100];
		struct ep_msg m = { .flags = 0 };
		struct uio u;
		ssize_t n;

		do {
			uio_init_kernel(&u, b, sizeof(b));
			m.flags = 0;
			n = ep_recv(e, &u, &m);
			if (n == -EAGAIN)
				wait_for(e, POLLIN);
		} while (n == -EAGAIN);
		uio_init_kernel(&u, b, (size_t)n);
		assert_int_equal(ep_send(e, &u, &m), n);
	}
	atomic_fetch_sub(&running, 1);
}

FIBER_TEST(datagrams_groups_raw_and_packet_sockets_keep_the_lock_order)
{
	struct net_addr a = { .family = AF_INET, .ip = lo(), .port = 7 };
	struct ip_mreqn mr = { .imr_multiaddr.s_addr = htonl(0xef010203), .imr_ifindex = 1 };
	struct ep *srv, *cl, *raw, *tap, *ping;
	struct net_addr closed = { .family = AF_INET, .ip = lo(), .port = 9 };
	char b[100] = "x";
	int on = 1;

	(void)state;
	start();
	assert_int_equal(ep_new(stack, AF_INET, SOCK_DGRAM, 0, &srv), 0);
	assert_int_equal(ep_new(stack, AF_INET, SOCK_DGRAM, 0, &cl), 0);
	assert_int_equal(ep_new(stack, AF_INET, SOCK_RAW, IPPROTO_UDP, &raw), 0);
	assert_int_equal(ep_new(stack, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, &ping), 0);
	assert_int_equal(ep_new(stack, AF_PACKET, SOCK_RAW, 3, &tap), 0);
	assert_int_equal(ep_bind(srv, &a), 0);
	assert_int_equal(ep_setopt(srv, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), 0);
	assert_int_equal(ep_setopt(cl, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	assert_int_equal(ep_connect(cl, &a), 0);
	spawn(udp_echo, srv);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(do_io(cl, b, 50, true), 50);
		assert_int_equal(do_io(cl, b, 50, false), 50);
	}
	join();
	assert_int_equal(ep_connect(cl, &closed), 0);
	assert_int_equal(do_io(cl, b, 50, true), 50);
	assert_int_equal(do_io(cl, b, 50, true), -ECONNREFUSED);
	assert_int_equal(ep_setopt(srv, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mr, sizeof(mr)), 0);
	assert_true(do_io(raw, b, 100, false) > 0);
	assert_true(do_io(tap, b, 100, false) > 0);
	ep_close(srv);
	ep_close(cl);
	ep_close(raw);
	ep_close(tap);
	ep_close(ping);
	stack_drive_stop(&drive);
}

struct comer {
	uint32_t ifindex;
	int err;
};

static void come_up(void *arg)
{
	struct comer *c = arg;

	c->err = nic_set_flags(stack, c->ifindex, IFF_UP, IFF_UP);
	atomic_fetch_sub(&running, 1);
}

FIBER_TEST(of_two_macvlans_with_one_address_one_comes_up)
{
	static const struct link_ops none = { .transmit = NULL };
	struct nic_config c = { .name = "d0", .type = LINK_ETHERNET, .mtu = 1500, .kind = "dummy", .ops = &none, .noarp = true };
	struct comer m[2];
	uint32_t lower;

	(void)state;
	start();
	assert_int_equal(nic_add(stack, &c, &lower), 0);
	for (unsigned int i = 0; i < 2; i++) {
		c = (struct nic_config){ .mac = { 2, 0, 0, 0, 0, 9 }, .upper = { .type = UPPER_MACVLAN, .lower = lower,
					 .macvlan_mode = MACVLAN_PRIVATE } };
		snprintf(c.name, sizeof(c.name), "m%u", i);
		assert_int_equal(upper_new(stack, &c, &m[i].ifindex), 0);
	}
	for (unsigned int n = 0; n < 3000; n++) {
		spawn(come_up, &m[0]);
		spawn(come_up, &m[1]);
		join();
		assert_int_equal(MIN(m[0].err, m[1].err), -EADDRINUSE);
		assert_int_equal(MAX(m[0].err, m[1].err), 0);
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(nic_set_flags(stack, m[i].ifindex, 0, IFF_UP), 0);
	}
	stack_drive_stop(&drive);
}

UNIT_MAIN(UNIT(many_streams_at_once_keep_their_bytes),
	  UNIT(datagrams_groups_raw_and_packet_sockets_keep_the_lock_order),
	  UNIT(of_two_macvlans_with_one_address_one_comes_up))
