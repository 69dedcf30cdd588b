/* SPDX-License-Identifier: Apache-2.0 */
/* test_udp.c: UDP, ICMP, ARP, NDP, fragments between simulated hosts. */
#include "tests/unit/netstack/sim.h"

struct fx {
	struct sim sim;
	struct sim_host *a, *b;
};

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 1);
	f->a = sim_host(&f->sim);
	f->b = sim_host(&f->sim);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	sim_fini(&f->sim);
	free(f);
	return 0;
}

static struct ep *bound(struct sim_host *h, int family, struct ipa ip, uint16_t port)
{
	struct ep *e = sim_ep(h, family, SOCK_DGRAM);
	struct net_addr a = sim_addr(ip, port);

	assert_int_equal(ep_bind(e, &a), 0);
	return e;
}

static void udp_datagrams_cross_the_wire(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct ep *b = bound(f->b, AF_INET, ipa_any4(), 7);
	struct ep_msg m = { 0 };
	char buf[64];
	struct uio u;

	assert_int_equal(sim_sendto(a, "hello", 5, sim_addr(sim_ip4("10.0.0.2"), 7)), 5);
	assert_int_equal(ep_poll(b) & POLLIN, 0);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_true(ep_poll(b) & POLLIN);
	uio_init_kernel(&u, buf, sizeof(buf));
	assert_int_equal(ep_recv(b, &u, &m), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_true(m.has_addr && ipa_eq(m.addr.ip, sim_ip4("10.0.0.1")));
	assert_int_equal(sim_sendto(b, "back", 4, m.addr), 4);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(a, buf, sizeof(buf)), 4);
	assert_int_equal(sim_recv(a, buf, sizeof(buf)), -EAGAIN);
	ep_close(a);
	ep_close(b);
}

static void udp_over_ipv6_resolves_by_ndp(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET6, SOCK_DGRAM);
	struct ep *b = bound(f->b, AF_INET6, ipa_any6(), 7);
	char buf[8];

	assert_int_equal(sim_sendto(a, "six", 3, sim_addr(sim_ip6("fd00::2"), 7)), 3);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 3);
	ep_close(a);
	ep_close(b);
}

static void a_dual_stack_socket_gets_ipv4(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct ep *b = bound(f->b, AF_INET6, ipa_any6(), 7);
	struct ep_msg m = { 0 };
	char buf[8];
	struct uio u;

	assert_int_equal(sim_sendto(a, "four", 4, sim_addr(sim_ip4("10.0.0.2"), 7)), 4);
	sim_run(&f->sim, NSEC_PER_SEC);
	uio_init_kernel(&u, buf, sizeof(buf));
	assert_int_equal(ep_recv(b, &u, &m), 4);
	assert_int_equal(m.addr.family, AF_INET6);
	assert_true(ipa_is4(m.addr.ip));
	ep_close(a);
	ep_close(b);
}

static void large_datagrams_are_cut_and_put_together(void **state)
{
	struct fx *f = *state;
	char *buf = malloc(65535), *got = malloc(65535);

	for (unsigned int v = 0; v < 2; v++) {
		struct ep *a = sim_ep(f->a, v ? AF_INET6 : AF_INET, SOCK_DGRAM);
		struct ep *b = bound(f->b, v ? AF_INET6 : AF_INET, v ? ipa_any6() : ipa_any4(), 9);
		struct ipa to = v ? sim_ip6("fd00::2") : sim_ip4("10.0.0.2");

		for (unsigned int i = 0; i < 60000; i++)
			buf[i] = (char)(i * 7 + i / 251);
		f->sim.jitter_ns = 2 * NSEC_PER_MSEC; /* fragments come in any order */
		f->sim.dup = 2000;
		sim_sendto(a, "x", 1, sim_addr(to, 9));
		sim_run(&f->sim, NSEC_PER_SEC);
		while (sim_recv(b, got, 10) == 1)
			;
		assert_int_equal(sim_sendto(a, buf, 60000, sim_addr(to, 9)), 60000);
		sim_run(&f->sim, NSEC_PER_SEC);
		assert_int_equal(sim_recv(b, got, 65535), 60000);
		assert_memory_equal(buf, got, 60000);
		ep_close(a);
		ep_close(b);
	}
	assert_true(stack_stat(f->b->stack, NS_IpReasmOKs) >= 1);
	assert_true(stack_stat(f->b->stack, NS_Ip6ReasmOKs) >= 1);
	sim_run(&f->sim, 100 * NSEC_PER_SEC);
	assert_int_equal(stack_memory(f->b->stack), 0);
	free(buf);
	free(got);
}

static void a_closed_port_refuses_a_connected_socket(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 99);

	assert_int_equal(ep_connect(a, &to), 0);
	assert_int_equal(sim_send(a, "x", 1), 1);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_true(ep_poll(a) & POLLERR);
	assert_int_equal(sim_send(a, "x", 1), -ECONNREFUSED);
	assert_int_equal(ep_poll(a) & POLLERR, 0);
	ep_close(a);
}

static void an_absent_neighbour_is_unreachable(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct net_addr to = sim_addr(sim_ip4("10.0.0.77"), 99);
	char buf[8];

	assert_int_equal(sim_opt(a, IPPROTO_IP, IP_RECVERR, 1), 0);
	assert_int_equal(ep_connect(a, &to), 0);
	assert_int_equal(sim_send(a, "x", 1), 1);
	sim_run(&f->sim, 10 * NSEC_PER_SEC);
	assert_int_equal(sim_recv(a, buf, 8), -EHOSTUNREACH);
	ep_close(a);
}

static void ports_conflict_as_on_linux(void **state)
{
	struct fx *f = *state;
	struct ep *a = bound(f->a, AF_INET, ipa_any4(), 5000), *b, *c;
	struct net_addr at = sim_addr(sim_ip4("127.0.0.1"), 5000);
	struct net_addr at6 = sim_addr(ipa_any6(), 5000);

	b = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	assert_int_equal(ep_bind(b, &at), -EADDRINUSE);
	c = sim_ep(f->a, AF_INET6, SOCK_DGRAM);
	assert_int_equal(ep_bind(c, &at6), -EADDRINUSE);
	assert_int_equal(sim_opt(c, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(ep_bind(c, &at6), 0);
	at = sim_addr(sim_ip4("9.9.9.9"), 5001);
	assert_int_equal(ep_bind(b, &at), -EADDRNOTAVAIL);
	ep_close(a);
	ep_close(b);
	ep_close(c);
}

static void ping_sockets_get_their_answers(void **state)
{
	struct fx *f = *state;
	struct ep *e;
	uint8_t req[16] = { 8, 0, 0, 0, 0, 0, 0, 1, 'p', 'i', 'n', 'g' }, got[64];

	assert_int_equal(ep_new(f->a->stack, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, &e), 0);
	assert_int_equal(sim_sendto(e, req, sizeof(req), sim_addr(sim_ip4("10.0.0.2"), 0)), 16);
	assert_int_equal(sim_sendto(e, req, sizeof(req), sim_addr(sim_ip4("127.0.0.1"), 0)), 16);
	assert_int_equal(sim_recv(e, got, sizeof(got)), 16);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(e, got, sizeof(got)), 16);
	assert_int_equal(got[0], 0);
	assert_memory_equal(got + 8, "ping", 4);
	ep_close(e);
}

static void multicast_reaches_members_here_and_there(void **state)
{
	struct fx *f = *state;
	struct ep *a = bound(f->a, AF_INET, ipa_any4(), 6000), *b = bound(f->b, AF_INET, ipa_any4(), 6000);
	struct ip_mreqn mr = { .imr_multiaddr.s_addr = inet_addr("239.1.2.3") };
	struct ep *s = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	char buf[8];

	mr.imr_ifindex = (int)f->a->ifindex;
	assert_int_equal(ep_setopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), 0);
	assert_int_equal(ep_setopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), -EADDRINUSE);
	assert_int_equal(ep_setopt(s, IPPROTO_IP, IP_MULTICAST_IF, &mr, sizeof(mr)), 0);
	sim_sendto(s, "m1", 2, sim_addr(sim_ip4("239.1.2.3"), 6000));
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(a, buf, 8), 2);
	assert_int_equal(sim_recv(b, buf, 8), -EAGAIN);
	mr.imr_ifindex = (int)f->b->ifindex;
	assert_int_equal(ep_setopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), 0);
	sim_sendto(s, "m2", 2, sim_addr(sim_ip4("239.1.2.3"), 6000));
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(b, buf, 8), 2);
	assert_int_equal(ep_setopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mr, sizeof(mr)), 0);
	assert_int_equal(ep_setopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mr, sizeof(mr)), -EADDRNOTAVAIL);
	ep_close(a);
	ep_close(b);
	ep_close(s);
}

static void broadcast_needs_the_option(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM), *b = bound(f->b, AF_INET, ipa_any4(), 7);
	char buf[8];

	assert_int_equal(sim_sendto(a, "x", 1, sim_addr(sim_ip4("10.0.0.255"), 7)), -EACCES);
	assert_int_equal(sim_opt(a, SOL_SOCKET, SO_BROADCAST, 1), 0);
	assert_int_equal(sim_sendto(a, "x", 1, sim_addr(sim_ip4("10.0.0.255"), 7)), 1);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(b, buf, 8), 1);
	ep_close(a);
	ep_close(b);
}

static void segments_over_loopback_arrive_whole_or_cut(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM), *b = bound(f->a, AF_INET, ipa_any4(), 7);
	char buf[4000] = { 1, 2, 3 };

	assert_int_equal(sim_opt(a, IPPROTO_UDP, 103 /* UDP_SEGMENT */, 1000), 0);
	assert_int_equal(sim_sendto(a, buf, 2500, sim_addr(sim_ip4("127.0.0.1"), 7)), 2500);
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 1000);
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 1000);
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 500);
	assert_int_equal(sim_opt(b, IPPROTO_UDP, 104 /* UDP_GRO */, 1), 0);
	assert_int_equal(sim_sendto(a, buf, 2500, sim_addr(sim_ip4("127.0.0.1"), 7)), 2500);
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 2500);
	ep_close(a);
	ep_close(b);
}

static void peek_and_truncation(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM), *b = bound(f->a, AF_INET, ipa_any4(), 7);
	struct ep_msg m = { .flags = 0 };
	char buf[8];
	struct uio u;

	sim_sendto(a, "12345678", 8, sim_addr(sim_ip4("127.0.0.1"), 7));
	sim_sendto(a, "", 0, sim_addr(sim_ip4("127.0.0.1"), 7));
	assert_int_equal(sim_recv_flags(b, buf, 3, MSG_PEEK | MSG_TRUNC), 8);
	uio_init_kernel(&u, buf, 3);
	assert_int_equal(ep_recv(b, &u, &m), 3);
	assert_true(m.out_flags & MSG_TRUNC);
	assert_int_equal(sim_recv(b, buf, 8), 0);
	assert_int_equal(sim_recv(b, buf, 8), -EAGAIN);
	ep_close(a);
	ep_close(b);
}

#define UNIT_SETUP(test) UNIT_FIXTURE(test, setup, teardown)
static struct list held;

static bool hold(struct sim *s, unsigned int from, struct pkt *p)
{
	struct pkt *c = sim_copy(p);

	(void)s;
	(void)from;
	list_append(&held, &c->node);
	return false;
}

static unsigned int room_count;

static void on_room(struct wq_entry *e, uint32_t events)
{
	(void)e;
	(void)events;
	room_count++;
}

/* A link hears of a queue that is half full, and once when it is down to a quarter. */
static void a_link_hears_of_readers_that_are_far_behind(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct ep *b = bound(f->b, AF_INET, ipa_any4(), 7);
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 7);
	unsigned int count = 0, left_at = 0, reads;
	struct wq_entry e;
	struct list *n;
	bool behind = false;
	char buf[1000] = { 0 };

	assert_int_equal(sim_sendto(a, buf, 1, to), 1);
	sim_run(&f->sim, NSEC_PER_SEC); /* the neighbour is known */
	assert_int_equal(sim_recv(b, buf, sizeof(buf)), 1);
	wq_entry_init(&e, on_room, 0);
	wq_add(stack_rx_room(f->b->stack), &e);
	list_init(&held);
	f->sim.filter = hold;
	for (unsigned int k = 0; k < 100; k++)
		assert_int_equal(sim_sendto(a, buf, sizeof(buf), to), sizeof(buf));
	f->sim.filter = NULL;
	assert_int_equal(sim_opt(b, SOL_SOCKET, SO_RCVBUF, 40000), 0); /* 80,000 of memory */
	while ((n = list_shift(&held)) != NULL) {
		struct list one;

		list_init(&one);
		list_append(&one, n);
		if (nic_input_list(f->b->stack, f->b->ifindex, &one))
			behind = true;
		else
			assert_false(behind); /* it stays so */
	}
	assert_true(behind);
	room_count = 0;
	reads = stack_rx_reads(f->b->stack);
	while (sim_recv(b, buf, sizeof(buf)) > 0) {
		count++;
		if (room_count == 0)
			left_at = count;
	}
	assert_int_equal(room_count, 1);
	assert_int_equal(stack_rx_reads(f->b->stack) - reads, left_at + 1); /* later ones are of no interest */
	assert_in_range(count - left_at, count / 5, count / 3); /* of a full queue */
	wq_remove(&e);
	ep_close(a);
	ep_close(b);
}

UNIT_MAIN(UNIT_SETUP(udp_datagrams_cross_the_wire), UNIT_SETUP(udp_over_ipv6_resolves_by_ndp),
	  UNIT_SETUP(a_dual_stack_socket_gets_ipv4),
	  UNIT_SETUP(large_datagrams_are_cut_and_put_together),
	  UNIT_SETUP(a_closed_port_refuses_a_connected_socket),
	  UNIT_SETUP(an_absent_neighbour_is_unreachable), UNIT_SETUP(ports_conflict_as_on_linux),
	  UNIT_SETUP(ping_sockets_get_their_answers),
	  UNIT_SETUP(multicast_reaches_members_here_and_there), UNIT_SETUP(broadcast_needs_the_option),
	  UNIT_SETUP(segments_over_loopback_arrive_whole_or_cut), UNIT_SETUP(peek_and_truncation),
	  UNIT_SETUP(a_link_hears_of_readers_that_are_far_behind))
