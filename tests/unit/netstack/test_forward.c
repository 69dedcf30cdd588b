/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_forward.c: packets for others (network/forward.c).  Three hosts on one wire: a in 10.0.0.0/24 and fd00::/64, c in
 * 10.1.0.0/24 and fd01::/64, and between them the router r, whose one interface is in both.
 */
#include "tests/unit/netstack/sim.h"

#include <linux/rtnetlink.h>

#include "netstack/csum.h"

struct fx {
	struct sim sim;
	struct sim_host *a, *r, *c;
	unsigned int ttl; /* of the last packet of UDP on its way to c */
};

static void addr(struct sim_host *h, const char *text, bool add)
{
	bool v6 = strchr(text, ':') != NULL;
	struct addr_info i = { .ifindex = h->ifindex, .addr = v6 ? sim_ip6(text) : sim_ip4(text),
			       .plen = v6 ? 64 : 24, .nodad = 1 };

	i.peer = i.addr;
	if (!v6)
		i.broadcast = ipa_any4();
	i.valid_until_ns = i.preferred_until_ns = INT64_MAX;
	assert_int_equal(add ? addr_add(h->stack, &i) : addr_del(h->stack, &i), 0);
}

static void route(struct sim_host *h, const char *gateway, uint32_t mtu)
{
	bool v6 = strchr(gateway, ':') != NULL;
	struct route_info r = { .family = v6 ? AF_INET6 : AF_INET, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN,
				.ifindex = h->ifindex, .mtu = mtu, .expires_ns = INT64_MAX };

	r.dst = r.prefsrc = v6 ? ipa_any6() : ipa_any4();
	r.gateway = v6 ? sim_ip6(gateway) : sim_ip4(gateway);
	assert_int_equal(route_add(h->stack, &r, ROUTE_CREATE), 0);
}

static void forwarding4(struct sim_host *h, int value)
{
	assert_int_equal(net_conf_set(h->stack, (size_t)net_conf_find("ipv4.ip_forward"), value), 0);
}

static void forwarding6(struct sim_host *h, int value)
{
	assert_int_equal(nic_conf_set(h->stack, NIC_CONF_ALL, IP6_forwarding, value), 0);
}

static void narrow(struct fx *f, uint32_t mtu)
{
	struct route_info r = { .family = AF_INET, .plen = 24, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN,
				.ifindex = f->r->ifindex, .mtu = mtu, .dst = sim_ip4("10.1.0.0"),
				.gateway = ipa_any4(), .prefsrc = ipa_any4(), .expires_ns = INT64_MAX };

	assert_int_equal(route_add(f->r->stack, &r, ROUTE_CREATE | ROUTE_REPLACE), 0);
}

static bool see_ttl(struct sim *s, unsigned int from, struct pkt *p)
{
	struct fx *f = s->arg;
	const uint8_t *ip = p->data + 14;

	if (from == 1 && p->len > 34 && ip[0] == 0x45 && ip[9] == IPPROTO_UDP)
		f->ttl = ip[8];
	if (from == 1 && p->len > 54 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_UDP)
		f->ttl = ip[7];
	return true;
}

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 9);
	f->a = sim_host(&f->sim);
	f->r = sim_host(&f->sim);
	f->c = sim_host(&f->sim);
	f->sim.arg = f;
	f->sim.filter = see_ttl;
	addr(f->r, "10.1.0.2", true);
	addr(f->r, "fd01::2", true);
	addr(f->c, "10.0.0.3", false);
	addr(f->c, "fd00::3", false);
	addr(f->c, "10.1.0.3", true);
	addr(f->c, "fd01::3", true);
	route(f->a, "10.0.0.2", 0);
	route(f->a, "fd00::2", 0);
	route(f->c, "10.1.0.2", 0);
	route(f->c, "fd01::2", 0);
	sim_run(&f->sim, 3 * NSEC_PER_SEC);
	*state = f;
	return 0;
}

static struct ep *bound(struct sim_host *h, struct ipa ip, uint16_t port)
{
	struct ep *e = sim_ep(h, ipa_is4(ip) ? AF_INET : AF_INET6, SOCK_DGRAM);
	struct net_addr a = sim_addr(ip, port);

	assert_int_equal(ep_bind(e, &a), 0);
	return e;
}

static void nothing_is_forwarded_unless_asked(void **state)
{
	struct fx *f = *state;
	struct ep *to = bound(f->c, sim_ip4("10.1.0.3"), 9), *to6 = bound(f->c, sim_ip6("fd01::3"), 9);
	struct ep *from = sim_ep(f->a, AF_INET, SOCK_DGRAM), *from6 = sim_ep(f->a, AF_INET6, SOCK_DGRAM);
	char got[8];

	for (unsigned int on = 0; on < 2; on++) {
		forwarding4(f->r, (int)on);
		forwarding6(f->r, (int)on);
		sim_sendto(from, "four", 4, sim_addr(sim_ip4("10.1.0.3"), 9));
		sim_run(&f->sim, NSEC_PER_SEC);
		assert_int_equal(sim_recv(to, got, 8), on ? 4 : -EAGAIN);
		assert_int_equal(f->ttl, on ? 63 : 0);
		f->ttl = 0;
		sim_sendto(from6, "sixes", 5, sim_addr(sim_ip6("fd01::3"), 9));
		sim_run(&f->sim, NSEC_PER_SEC);
		assert_int_equal(sim_recv(to6, got, 8), on ? 5 : -EAGAIN);
		assert_int_equal(f->ttl, on ? 63 : 0);
	}
	assert_int_equal(stack_stat(f->r->stack, NS_IpForwDatagrams), 1);
	assert_int_equal(stack_stat(f->r->stack, NS_Ip6OutForwDatagrams), 1);
	ep_close(to);
	ep_close(to6);
	ep_close(from);
	ep_close(from6);
}

/* What a connected socket of UDP is told after it has sent. */
static int told(struct fx *f, struct ipa to, int level, int option, int value, size_t size)
{
	static char data[2000];
	struct ep *e = sim_ep(f->a, ipa_is4(to) ? AF_INET : AF_INET6, SOCK_DGRAM);
	struct net_addr n = sim_addr(to, 9);
	int err;

	if (option)
		assert_int_equal(sim_opt(e, level, option, value), 0);
	/* Else only what is final is told. */
	assert_int_equal(ipa_is4(to) ? sim_opt(e, IPPROTO_IP, IP_RECVERR, 1)
				     : sim_opt(e, IPPROTO_IPV6, IPV6_RECVERR, 1), 0);
	assert_int_equal(ep_connect(e, &n), 0);
	assert_int_equal(sim_send(e, data, size), (ssize_t)size);
	sim_run(&f->sim, NSEC_PER_SEC);
	err = sim_getopt(e, SOL_SOCKET, SO_ERROR);
	ep_close(e);
	return err;
}

static void the_sender_is_told_why_not(void **state)
{
	struct fx *f = *state;
	struct ep *to = bound(f->c, sim_ip4("10.1.0.3"), 9), *to6 = bound(f->c, sim_ip6("fd01::3"), 9);

	forwarding4(f->r, 1);
	forwarding6(f->r, 1);
	assert_int_equal(told(f, sim_ip4("10.1.0.3"), 0, 0, 0, 1), 0);
	assert_int_equal(told(f, sim_ip4("10.1.0.3"), IPPROTO_IP, IP_TTL, 1, 1), EHOSTUNREACH);
	assert_int_equal(told(f, sim_ip6("fd01::3"), IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, 1), EHOSTUNREACH);
	assert_int_equal(told(f, sim_ip4("10.7.0.1"), 0, 0, 0, 1), ENETUNREACH);
	assert_int_equal(told(f, sim_ip6("fd07::1"), 0, 0, 0, 1), ENETUNREACH);
	ep_close(to);
	ep_close(to6);
}

static void what_is_too_big_is_cut_or_refused(void **state)
{
	struct fx *f = *state;
	struct ep *to = bound(f->c, sim_ip4("10.1.0.3"), 9);
	static char got[3000];

	forwarding4(f->r, 1);
	narrow(f, 600);
	assert_int_equal(told(f, sim_ip4("10.1.0.3"), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, 1400), 0);
	assert_int_equal(sim_recv(to, got, sizeof(got)), 1400);
	assert_true(stack_stat(f->r->stack, NS_IpFragCreates) >= 3);
	assert_int_equal(told(f, sim_ip4("10.1.0.3"), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, 1400), EMSGSIZE);
	assert_int_equal(sim_recv(to, got, sizeof(got)), -EAGAIN);
	ep_close(to);
}

static void a_connection_crosses_a_narrow_link(void **state)
{
	struct fx *f = *state;
	struct ep *l = sim_listen(f->c, ipa_any4(), 80, 4), *c, *s = NULL;
	static char buf[100000], in[100000];
	size_t put = 0, got = 0;
	ssize_t n;

	forwarding4(f->r, 1);
	narrow(f, 700);
	f->sim.loss = 100;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 251);
	c = sim_connect(f->a, sim_ip4("10.1.0.3"), 80);
	for (unsigned int i = 0; i < 60 && !s; i++) {
		sim_run(&f->sim, NSEC_PER_SEC);
		if (ep_accept(l, &s, NULL) < 0)
			s = NULL;
	}
	assert_non_null(s);
	for (unsigned int i = 0; i < 3000 && got < sizeof(in); i++) {
		n = put < sizeof(buf) ? sim_send(c, buf + put, sizeof(buf) - put) : 0;
		put += n > 0 ? (size_t)n : 0;
		sim_run(&f->sim, NSEC_PER_SEC / 10);
		while ((n = sim_recv(s, in + got, sizeof(in) - got)) > 0)
			got += (size_t)n;
	}
	assert_int_equal(got, sizeof(in));
	assert_memory_equal(in, buf, sizeof(in));
	f->sim.loss = 0;
	ep_close(c);
	ep_close(s);
	ep_close(l);
}

/* A frame from a to r, as a link with vnet headers gives it when gso_size or flags are not 0. */
static void offloaded(struct fx *f, uint16_t type, const void *data, size_t size, uint16_t gso_size, uint16_t flags)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, size + 14);
	uint8_t *b = pkt_append(p, size + 14);

	memcpy(b, (const uint8_t[]){ 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 }, 12);
	b[12] = (uint8_t)(type >> 8);
	b[13] = (uint8_t)type;
	memcpy(b + 14, data, size);
	p->gso_size = gso_size;
	p->gso_type = gso_size ? GSO_TCP4 : GSO_NONE;
	p->flags |= flags;
	nic_input(f->r->stack, f->r->ifindex, p);
}

static void frame(struct fx *f, uint16_t type, const void *data, size_t size)
{
	offloaded(f, type, data, size, 0, 0);
}

static void fill_ip4(uint8_t *ip, uint8_t proto, size_t size)
{
	uint16_t sum;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[2] = (uint8_t)(size >> 8);
	ip[3] = (uint8_t)size;
	ip[5] = 77;
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, (const uint8_t[]){ 10, 0, 0, 1, 10, 1, 0, 3 }, 8);
	sum = csum_fold(csum_add(0, ip, 20, 0));
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* To a closed port: c answers each of the segments, once it is whole and its checksum right. */
static void a_large_segment_is_cut_and_then_fragmented(void **state)
{
	static uint8_t ip[20 + 20 + 2500];
	struct fx *f = *state;
	uint16_t sum;
	uint64_t cut;

	forwarding4(f->r, 1);
	narrow(f, 600);
	fill_ip4(ip, IPPROTO_TCP, sizeof(ip));
	memcpy(ip + 20, (const uint8_t[]){ 0, 9, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x10 }, 14);
	offloaded(f, 0x800, ip, sizeof(ip), 1000, PKT_CSUM_OK);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(stack_stat(f->r->stack, NS_IpFragCreates), 4); /* of two; the third fits */
	assert_int_equal(stack_stat(f->c->stack, NS_TcpOutRsts), 3);
	ip[6] = 0x40; /* DF */
	ip[10] = ip[11] = 0;
	sum = csum_fold(csum_add(0, ip, 20, 0));
	memcpy(ip + 10, &sum, sizeof(sum));
	cut = stack_stat(f->r->stack, NS_IpFragFails);
	offloaded(f, 0x800, ip, sizeof(ip), 1000, PKT_CSUM_OK);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(stack_stat(f->c->stack, NS_TcpOutRsts), 3);
	assert_int_equal(stack_stat(f->r->stack, NS_IpFragFails), cut + 1);
}

/* Behind extension headers, and before padding. */
static void checksums_that_a_link_has_left_out_are_made(void **state)
{
	struct fx *f = *state;
	struct ep *to = bound(f->c, sim_ip4("10.1.0.3"), 9), *to6 = bound(f->c, sim_ip6("fd01::3"), 9);
	uint8_t ip[20 + 8 + 4 + 6], ip6[40 + 8 + 8 + 4] = { 0x60, [5] = 20, [6] = 60, [7] = 64 };
	static const uint8_t udp[12] = { 0, 9, 0, 9, 0, 12, 0x12, 0x34, 'f', 'o', 'u', 'r' };
	char got[8];

	forwarding4(f->r, 1);
	forwarding6(f->r, 1);
	fill_ip4(ip, IPPROTO_UDP, sizeof(ip));
	memcpy(ip + 20, udp, sizeof(udp));
	memset(ip + 32, 0xa5, 6);
	offloaded(f, 0x800, ip, sizeof(ip), 0, PKT_CSUM_OK);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(to, got, 8), 4);
	assert_memory_equal(got, "four", 4);
	assert_int_equal(inet_pton(AF_INET6, "fd00::1", ip6 + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, "fd01::3", ip6 + 24), 1);
	memcpy(ip6 + 40, (const uint8_t[]){ IPPROTO_UDP, 0, 1, 4 }, 4); /* destination options: PadN */
	memcpy(ip6 + 48, udp, sizeof(udp));
	offloaded(f, 0x86dd, ip6, sizeof(ip6), 0, PKT_CSUM_OK);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(to6, got, 8), 4);
	/* A chain that does not end. */
	ip6[40] = 60;
	ip6[41] = 200;
	offloaded(f, 0x86dd, ip6, sizeof(ip6), 0, PKT_CSUM_OK);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(to6, got, 8), -EAGAIN);
	ep_close(to);
	ep_close(to6);
}

static void addresses_of_one_link_do_not_cross(void **state)
{
	static const char *const bad[][2] = {
		{ "fe80::1", "fd01::3" }, { "fd00::1", "fe80::3" }, { "ff02::1", "fd01::3" }, { "::", "fd01::3" },
		{ "::1", "fd01::3" }, { "::ffff:10.0.0.1", "fd01::3" }, { "fd00::1", "::ffff:10.1.0.3" },
		{ "fd00::1", "::1" }, { "fd00::1", "ff0e::77" },
	};
	struct fx *f = *state;
	uint8_t ip[48] = { 0x60, [5] = 8, [6] = IPPROTO_UDP, [7] = 64 };

	forwarding4(f->r, 1);
	forwarding6(f->r, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(inet_pton(AF_INET6, bad[i][0], ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, bad[i][1], ip + 24), 1);
		frame(f, 0x86dd, ip, sizeof(ip));
	}
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(stack_stat(f->r->stack, NS_Ip6OutForwDatagrams), 0);
	assert_int_equal(stack_stat(f->r->stack, NS_IpForwDatagrams), 0);
}

/* Nothing behind the header is looked at, as nothing is there. */
static void a_header_alone_crosses(void **state)
{
	struct fx *f = *state;
	uint8_t ip[20] = { 0x45, [3] = 20, [8] = 64, [9] = 99 };
	uint16_t sum;

	forwarding4(f->r, 1);
	memcpy(ip + 12, (const uint8_t[]){ 10, 0, 0, 1, 10, 1, 0, 3 }, 8);
	sum = csum_fold(csum_add(0, ip, sizeof(ip), 0));
	memcpy(ip + 10, &sum, sizeof(sum));
	frame(f, 0x800, ip, sizeof(ip));
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(stack_stat(f->r->stack, NS_IpForwDatagrams), 2); /* and that c has no such protocol */
	assert_int_equal(stack_stat(f->c->stack, NS_IpInReceives), 1);
}

/* ---- several next hops ---- */

static struct route_info two_hops(struct fx *f, bool v6)
{
	struct route_info i = { .family = v6 ? AF_INET6 : AF_INET, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN,
				.plen = v6 ? 64 : 16, .metric = v6 ? 1024 : 0, .expires_ns = INT64_MAX };

	i.dst = v6 ? sim_ip6("fd09::") : sim_ip4("10.9.0.0");
	i.gateway = i.prefsrc = v6 ? ipa_any6() : ipa_any4();
	i.hops = route_hops_new(2);
	i.hops->count = 2;
	i.hops->hop[0] = (struct route_hop){ .weight = 3, .gateway = v6 ? sim_ip6("fd00::2") : sim_ip4("10.0.0.2") };
	i.hops->hop[1] = (struct route_hop){ .weight = 1, .gateway = v6 ? sim_ip6("fd00::3") : sim_ip4("10.0.0.3"),
					     .ifindex = f->a->ifindex };
	return i;
}

static unsigned int share_of(struct fx *f, struct ipa gateway, struct ipa dst)
{
	unsigned int n = 0;
	struct route_info got, again;

	for (unsigned int i = 0; i < 1000; i++) {
		dst.b[14] = (uint8_t)(i >> 8);
		dst.b[15] = (uint8_t)i;
		assert_int_equal(route_get(f->a->stack, dst, ipa_is4(dst) ? ipa_any4() : ipa_any6(), 0, &got), 0);
		assert_int_equal(route_get(f->a->stack, dst, ipa_is4(dst) ? ipa_any4() : ipa_any6(), 0, &again), 0);
		assert_true(ipa_eq(got.gateway, again.gateway));
		n += ipa_eq(got.gateway, gateway);
	}
	return n;
}

static void next_hops_share_flows_by_their_weights(void **state)
{
	struct fx *f = *state;

	assert_int_equal(nic_conf_set(f->a->stack, f->a->ifindex, IP6_keep_addr_on_down, 1), 0);
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct route_info i = two_hops(f, v6);
		struct ipa dst = i.dst;
		unsigned int n;

		assert_int_equal(route_add(f->a->stack, &i, ROUTE_CREATE | ROUTE_EXCL), 0);
		assert_int_equal(route_add(f->a->stack, &i, ROUTE_CREATE | ROUTE_EXCL), -EEXIST);
		n = share_of(f, i.hops->hop[0].gateway, dst);
		assert_in_range(n, 650, 850);
		assert_int_equal(share_of(f, i.hops->hop[1].gateway, dst), 1000 - n);
		/* What is asked for by name. */
		i.hops->hop[1].weight = 257;
		assert_int_equal(route_add(f->a->stack, &i, ROUTE_CREATE | ROUTE_REPLACE), -EINVAL);
		i.hops->hop[1].weight = 256;
		i.hops->hop[0].weight = 1;
		assert_int_equal(route_add(f->a->stack, &i, ROUTE_CREATE | ROUTE_REPLACE), 0);
		assert_true(share_of(f, i.hops->hop[0].gateway, dst) < 30);
		assert_int_equal(route_del(f->a->stack, &i), 0);
		assert_int_equal(route_del(f->a->stack, &i), -ESRCH);
		assert_int_equal(route_add(f->a->stack, &i, ROUTE_CREATE), 0);
		assert_int_equal(nic_set_flags(f->a->stack, f->a->ifindex, 0, IFF_UP), 0);
		assert_int_equal(route_del(f->a->stack, &i), -ESRCH); /* with its last hop */
		assert_int_equal(nic_set_flags(f->a->stack, f->a->ifindex, IFF_UP, IFF_UP), 0);
		sim_run(&f->sim, NSEC_PER_SEC);
		i.hops->hop[0].gateway = v6 ? sim_ip6("fd77::1") : sim_ip4("10.77.0.1"); /* not on link */
		assert_true(route_add(f->a->stack, &i, ROUTE_CREATE) < 0);
		route_hops_put(i.hops);
	}
}

/* The interface may be down if it was up before: never all of them. */
static void a_next_hop_that_is_down_waits(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct route_info i = two_hops(f, v6);
		struct nic_config c = { .type = LINK_ETHERNET, .mtu = 1500, .noarp = true, .ops = sim_tap_ops() };
		struct sim_tap tap = { .out = 0 };
		uint32_t down;

		snprintf(c.name, sizeof(c.name), "down%u", v6);
		c.ctx = &tap;
		assert_int_equal(nic_add(s, &c, &down), 0);
		i.hops->hop[0].ifindex = down;
		i.hops->hop[0].gateway = v6 ? sim_ip6("fd33::1") : sim_ip4("10.33.0.1");
		assert_int_equal(route_add(s, &i, ROUTE_CREATE), -ENETDOWN);
		assert_int_equal(route_add(s, &i, ROUTE_CREATE | ROUTE_DOWN), 0);
		assert_int_equal(share_of(f, i.hops->hop[1].gateway, i.dst), 1000);
		assert_int_equal(nic_set_flags(s, down, IFF_UP, IFF_UP), 0);
		assert_in_range(share_of(f, i.hops->hop[0].gateway, i.dst), 650, 850);
		assert_int_equal(route_del(s, &i), 0);
		assert_int_equal(nic_set_flags(s, down, 0, IFF_UP), 0);
		i.hops->hop[1] = i.hops->hop[0];
		assert_int_equal(route_add(s, &i, ROUTE_CREATE | ROUTE_DOWN), -ENETDOWN);
		assert_int_equal(nic_remove(s, down), 0);
		route_hops_put(i.hops);
	}
}

static void gateways_of_ipv6_join_one_route(void **state)
{
	struct fx *f = *state;
	struct route_info i = two_hops(f, true);
	struct route_info one = i;
	struct ipa dst = i.dst;

	one.hops = NULL;
	for (unsigned int k = 0; k < 2; k++) {
		one.gateway = i.hops->hop[k].gateway;
		one.ifindex = f->a->ifindex;
		assert_int_equal(route_add(f->a->stack, &one, ROUTE_CREATE), 0);
		assert_int_equal(route_add(f->a->stack, &one, ROUTE_CREATE), -EEXIST);
	}
	assert_in_range(share_of(f, i.hops->hop[0].gateway, dst), 400, 600);
	assert_int_equal(route_del(f->a->stack, &one), 0);
	assert_int_equal(route_del(f->a->stack, &one), -ESRCH);
	assert_int_equal(share_of(f, i.hops->hop[0].gateway, dst), 1000);
	for (unsigned int k = 1; k <= ROUTE_HOPS_MAX + 1; k++) {
		one.gateway.b[15] = (uint8_t)(100 + k);
		assert_int_equal(route_add(f->a->stack, &one, ROUTE_CREATE), k < ROUTE_HOPS_MAX ? 0 : -ENOSPC);
	}
	one.gateway = ipa_any6();
	assert_int_equal(route_del(f->a->stack, &one), 0); /* all of it */
	assert_int_equal(route_del(f->a->stack, &one), -ESRCH);
	route_hops_put(i.hops);
}

#define T(test) UNIT_FIXTURE(test, setup, sim_teardown)
UNIT_MAIN(T(nothing_is_forwarded_unless_asked), T(the_sender_is_told_why_not), T(what_is_too_big_is_cut_or_refused),
	  T(a_connection_crosses_a_narrow_link), T(addresses_of_one_link_do_not_cross),
	  T(a_large_segment_is_cut_and_then_fragmented), T(checksums_that_a_link_has_left_out_are_made), T(a_header_alone_crosses),
	  T(next_hops_share_flows_by_their_weights), T(a_next_hop_that_is_down_waits),
	  T(gateways_of_ipv6_join_one_route))
