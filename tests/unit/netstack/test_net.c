/* SPDX-License-Identifier: Apache-2.0 */
/* test_net.c: links, addresses, routes, filters, floods: what lies below and beside the transports. */
#include "tests/unit/netstack/sim.h"

#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>

#include "netstack/csum.h"

struct fx {
	struct sim sim;
	struct sim_host *a, *b;
};

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 4);
	f->a = sim_host(&f->sim);
	f->b = sim_host(&f->sim);
	*state = f;
	return 0;
}

static struct ep *bound(struct sim_host *h, struct ipa ip, uint16_t port)
{
	struct ep *e = sim_ep(h, ipa_is4(ip) ? AF_INET : AF_INET6, SOCK_DGRAM);
	struct net_addr a = sim_addr(ip, port);

	assert_int_equal(sim_opt(e, SOL_SOCKET, SO_REUSEPORT, 1), 0);
	assert_int_equal(ep_bind(e, &a), 0);
	return e;
}

/* An Ethernet frame to host h. */
static void frame(struct fx *f, struct sim_host *h, uint16_t type, const void *data, size_t size)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, 14 + size);
	uint8_t *b = pkt_append(p, 14 + size);

	(void)f;
	memset(b, 0, 14);
	b[0] = 2;
	b[5] = (uint8_t)(h->index + 1);
	b[6] = 2;
	b[11] = 99;
	wr16(b + 12, type);
	memcpy(b + 14, data, size);
	nic_input(h->stack, h->ifindex, p);
}

static size_t ip4(uint8_t *b, uint8_t proto, const char *src, const char *dst, uint16_t id, uint16_t frag, size_t len)
{
	struct ipa s = sim_ip4(src), d = sim_ip4(dst);
	uint16_t c;

	memset(b, 0, 20);
	b[0] = 0x45;
	wr16(b + 2, (uint16_t)(20 + len));
	wr16(b + 4, id);
	wr16(b + 6, frag);
	b[8] = 64;
	b[9] = proto;
	memcpy(b + 12, &s.b[12], 4);
	memcpy(b + 16, &d.b[12], 4);
	c = csum_fold(csum_add(0, b, 20, 0));
	memcpy(b + 10, &c, 2);
	return 20 + len;
}

static void overlapping_fragments_are_refused(void **state)
{
	struct fx *f = *state;
	struct ep *e = bound(f->a, ipa_any4(), 7);
	uint8_t b[2000] = { 0 };
	char got[100];

	memset(b + 20, 0, 100);
	wr16(b + 20, 5);
	wr16(b + 22, 7);
	wr16(b + 24, 48);
	ip4(b, 17, "10.0.0.9", "10.0.0.1", 1, 0x2000, 32);
	frame(f, f->a, 0x0800, b, 52);
	ip4(b, 17, "10.0.0.9", "10.0.0.1", 1, 0x2002, 24); /* 16..40 overlaps 0..32 */
	frame(f, f->a, 0x0800, b, 44);
	ip4(b, 17, "10.0.0.9", "10.0.0.1", 1, 0x0004, 16);
	frame(f, f->a, 0x0800, b, 36);
	assert_int_equal(sim_recv(e, got, 100), -EAGAIN);
	assert_int_equal(stack_stat(f->a->stack, NS_FragOverlap), 1);
	/* The same without overlap is a datagram of 40 bytes. */
	wr16(b + 20, 5);
	wr16(b + 22, 7);
	wr16(b + 24, 48);
	wr16(b + 26, 0);
	ip4(b, 17, "10.0.0.9", "10.0.0.1", 2, 0x2000, 32);
	frame(f, f->a, 0x0800, b, 52);
	ip4(b, 17, "10.0.0.9", "10.0.0.1", 2, 0x0004, 16);
	frame(f, f->a, 0x0800, b, 36);
	assert_int_equal(sim_recv(e, got, 100), 40);
	ep_close(e);
}

static void a_flood_of_fragments_stays_within_its_bound(void **state)
{
	struct fx *f = *state;
	uint8_t b[1500] = { 0 };
	uint64_t most = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		ip4(b, 17, "10.0.0.9", "10.0.0.1", (uint16_t)i, 0x2000 | (i % 100), 1000);
		frame(f, f->a, 0x0800, b, 1020);
		most = MAX(most, stack_memory(f->a->stack));
	}
	assert_true(most <= 4194304 + 100000);
	assert_true(stack_stat(f->a->stack, NS_FragOverflow) > 1000);
	assert_true(stack_stat(f->a->stack, NS_IpReasmFails) > 1000);
	sim_run(&f->sim, 40 * NSEC_PER_SEC);
	assert_int_equal(stack_memory(f->a->stack), 0);
}

static void malformed_packets_are_counted_and_dropped(void **state)
{
	struct fx *f = *state;
	uint8_t b[100] = { 0 };

	ip4(b, 6, "10.0.0.9", "10.0.0.1", 1, 0, 20);
	b[10] ^= 1;
	frame(f, f->a, 0x0800, b, 40);
	assert_int_equal(stack_stat(f->a->stack, NS_IpInHdrErrors), 1);
	ip4(b, 6, "10.0.0.9", "10.0.0.1", 1, 0, 20); /* TCP of zeros: offset 0 */
	memset(b + 20, 0, 20);
	frame(f, f->a, 0x0800, b, 40);
	assert_int_equal(stack_stat(f->a->stack, NS_TcpInErrs), 1);
	ip4(b, 17, "127.0.0.1", "10.0.0.1", 1, 0, 20);
	frame(f, f->a, 0x0800, b, 40);
	ip4(b, 17, "10.0.0.9", "127.0.0.1", 1, 0, 20);
	frame(f, f->a, 0x0800, b, 40);
	ip4(b, 17, "10.0.0.9", "10.9.9.9", 1, 0, 20);
	frame(f, f->a, 0x0800, b, 40);
	assert_int_equal(stack_stat(f->a->stack, NS_IpInAddrErrors), 3);
	frame(f, f->a, 0x0806, b, 10);
	assert_int_equal(stack_stat(f->a->stack, NS_ArpBad), 1);
}

static void neighbours_are_bounded_and_permanent_ones_stay(void **state)
{
	struct fx *f = *state;
	struct neigh_info n = { .ifindex = f->a->ifindex, .addr = sim_ip4("10.0.0.200"),
				.mac = { 2, 9, 9, 9, 9, 9 } };
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	uint8_t arp[28] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	unsigned int count = 0;

	assert_int_equal(neigh_add(f->a->stack, &n), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		memset(arp + 8, 2, 6);
		wr32(arp + 14, 0x0a010000 + i);
		wr32(arp + 24, 0x0a000001);
		frame(f, f->a, 0x0806, arp, sizeof(arp));
	}
	assert_int_equal(neigh_del(f->a->stack, f->a->ifindex, sim_ip4("10.0.0.200")), 0);
	for (unsigned int i = 0; i < 3000; i++)
		if (neigh_del(f->a->stack, f->a->ifindex, ipa_v4(htonl(0x0a010000 + i))) == 0)
			count++;
	assert_true(count > 1000 && count <= 1024);
	ep_close(e);
}

static void the_longest_prefix_and_then_the_metric_decide(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct route_info r = { .family = AF_INET, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN,
				.dst = ipa_any4(), .gateway = sim_ip4("10.0.0.2") }, out;

	assert_int_equal(route_get(s, sim_ip4("8.8.8.8"), ipa_any4(), 0, &out), -ENETUNREACH);
	assert_int_equal(route_add(s, &r, ROUTE_CREATE | ROUTE_EXCL), 0);
	assert_int_equal(route_add(s, &r, ROUTE_CREATE | ROUTE_EXCL), -EEXIST);
	r.gateway = sim_ip4("10.0.0.3");
	r.metric = 100;
	assert_int_equal(route_add(s, &r, ROUTE_CREATE | ROUTE_EXCL), 0);
	assert_int_equal(route_get(s, sim_ip4("8.8.8.8"), ipa_any4(), 0, &out), 0);
	assert_true(ipa_eq(out.gateway, sim_ip4("10.0.0.2")) && ipa_eq(out.prefsrc, sim_ip4("10.0.0.1")));
	r = (struct route_info){ .family = AF_INET, .type = ROUTE_PROHIBIT, .table = RT_TABLE_MAIN,
				 .dst = sim_ip4("8.8.0.0"), .plen = 16 };
	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(route_get(s, sim_ip4("8.8.8.8"), ipa_any4(), 0, &out), -EACCES);
	assert_int_equal(route_del(s, &r), 0);
	assert_int_equal(route_del(s, &r), -ESRCH);
	r.type = ROUTE_UNICAST;
	r.gateway = sim_ip4("7.7.7.7");
	r.dst = sim_ip4("7.0.0.0");
	r.plen = 8;
	r.ifindex = f->a->ifindex;
	assert_int_equal(route_add(s, &r, ROUTE_CREATE), -ENETUNREACH); /* not on link */
	r.flags = RTNH_F_ONLINK;
	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(nic_set_flags(s, f->a->ifindex, 0, IFF_UP), 0);
	assert_int_equal(route_get(s, sim_ip4("10.0.0.2"), ipa_any4(), 0, &out), -ENETUNREACH);
	assert_int_equal(nic_set_flags(s, f->a->ifindex, IFF_UP, IFF_UP), 0);
	assert_int_equal(route_get(s, sim_ip4("10.0.0.2"), ipa_any4(), 0, &out), 0);
	assert_int_equal(route_get(s, sim_ip4("10.0.0.1"), ipa_any4(), 0, &out), 0);
	assert_int_equal(out.type, ROUTE_LOCAL);
}

/* Where route_get_for() goes: the last byte of the gateway, or an errno. */
static int gateway_for(struct stack *s, const char *dst, const char *src, uint32_t mark, uint8_t tos, uint32_t iif)
{
	struct route_info out;
	int err = route_get_for(s, &(struct route_query){ .dst = sim_ip4(dst), .src = src ? sim_ip4(src) : ipa_any4(),
							   .mark = mark, .tos = tos, .iif = iif }, &out);

	return err < 0 ? err : out.gateway.b[15];
}

static int count_rule(void *arg, const struct rule_info *i)
{
	*(unsigned int *)arg += i->priority < 40000;
	return 0;
}

static void rules_choose_the_table_by_source_mark_tos_and_interface(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct route_info r = { .family = AF_INET, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN, .dst = ipa_any4(),
				.gateway = sim_ip4("10.0.0.2") };
	struct rule_info u = { .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1,
			       .priority = 1000, .src = sim_ip4("10.0.0.1"), .src_len = 32 };
	unsigned int count = 0;

	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	r.table = 100;
	r.gateway = sim_ip4("10.0.0.3");
	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 2);

	/* By source: one that is not chosen yet matches none. */
	assert_int_equal(rule_add(s, &u, RULE_PRIORITY, true), 0);
	assert_int_equal(rule_add(s, &u, RULE_PRIORITY, true), -EEXIST);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 2);
	assert_int_equal(gateway_for(s, "8.8.8.8", "10.0.0.1", 0, 0, 0), 3);
	assert_int_equal(gateway_for(s, "8.8.8.8", "10.0.0.9", 0, 0, 0), 2);
	assert_int_equal(gateway_for(s, "10.0.0.1", NULL, 0, 0, 0), 0); /* table local is asked before */
	assert_int_equal(rule_del(s, &u, RULE_PRIORITY), 0);
	assert_int_equal(rule_del(s, &u, RULE_PRIORITY), -ENOENT);

	/* By mark, inverted: what wg-quick does. */
	u = (struct rule_info){ .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1,
				.mark = 5, .mask = UINT32_MAX, .invert = true };
	assert_int_equal(rule_add(s, &u, RULE_MARK, false), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 3);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 5, 0, 0), 2);
	u = (struct rule_info){ .family = AF_INET, .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN };
	assert_int_equal(rule_add(s, &u, RULE_SUPPRESS, false), 0); /* main's own networks first, not its default */
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 3);
	assert_int_equal(gateway_for(s, "10.0.0.7", NULL, 0, 0, 0), 0);
	assert_int_equal(rule_del(s, &u, RULE_SUPPRESS), 0);
	u = (struct rule_info){ .family = AF_INET, .table = 100 };
	assert_int_equal(rule_del(s, &u, 0), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 2);

	/* By TOS; by the interface that it came in by; "throw" goes on to the next rule. */
	u = (struct rule_info){ .family = AF_INET, .action = FR_ACT_PROHIBIT, .suppress_plen = -1, .tos = 0x10 };
	assert_int_equal(rule_add(s, &u, 0, false), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0x10, 0), -EACCES);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 2);
	assert_int_equal(rule_del(s, &u, 0), 0);
	u = (struct rule_info){ .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1 };
	strcpy(u.iif, "lo");
	assert_int_equal(rule_add(s, &u, 0, false), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 3);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, f->a->ifindex), 2);
	r = (struct route_info){ .family = AF_INET, .type = ROUTE_THROW, .table = 100, .dst = sim_ip4("8.0.0.0"), .plen = 8 };
	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), 2);
	assert_int_equal(gateway_for(s, "9.8.8.8", NULL, 0, 0, 0), 3);
	assert_int_equal(rule_del(s, &u, 0), 0);

	/* Nonsense, and as many as there may be. */
	u.action = FR_ACT_GOTO; /* where to? */
	assert_int_equal(rule_add(s, &u, 0, false), -EINVAL);
	u.action = 99;
	assert_int_equal(rule_add(s, &u, 0, false), -EINVAL);
	u.action = FR_ACT_TO_TBL;
	u.src_len = 33;
	assert_int_equal(rule_add(s, &u, 0, false), -EINVAL);
	u = (struct rule_info){ .family = AF_INET6, .action = FR_ACT_TO_TBL, .table = 7, .priority = 30000, .suppress_plen = -1 };
	for (int i = 0; i < 2000; i++)
		count += rule_add(s, &u, RULE_PRIORITY, false) == 0;
	assert_true(count > 1000 && count < 1024);
	count = 0;
	assert_int_equal(rule_for_each(s, AF_INET, count_rule, &count), 0);
	assert_int_equal(count, 3);
}

/* As gateway_for(), for a packet of that protocol, ports and user. */
static int gateway_of(struct stack *s, uint8_t proto, uint16_t sport, uint16_t dport, uint32_t uid)
{
	struct route_info out;
	int err = route_get_for(s, &(struct route_query){ .dst = sim_ip4("8.8.8.8"), .src = ipa_any4(), .proto = proto,
							   .sport = sport, .dport = dport, .uid = uid }, &out);

	return err < 0 ? err : out.gateway.b[15];
}

static int find_rule(void *arg, const struct rule_info *i)
{
	struct rule_info *want = arg;

	if (i->priority != want->priority)
		return 0;
	*want = *i;
	return 1;
}

static unsigned int rule_state(struct stack *s, uint32_t priority)
{
	struct rule_info i = { .priority = priority };

	return rule_for_each(s, AF_INET, find_rule, &i) == 1 ? i.state : UINT32_MAX;
}

static void rules_choose_the_table_by_protocol_ports_and_user(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct route_info r = { .family = AF_INET, .type = ROUTE_UNICAST, .table = 100, .dst = ipa_any4(),
				.gateway = sim_ip4("10.0.0.3") };
	struct rule_info u = { .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1,
			       .ip_proto = IPPROTO_TCP, .dport = { 80, 90 } };
	struct net_addr to = { .family = AF_INET, .ip = sim_ip4("8.8.8.8"), .port = 85 };
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM), *t = sim_ep(f->a, AF_INET, SOCK_STREAM);

	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(rule_add(s, &u, 0, false), 0);
	assert_int_equal(gateway_of(s, IPPROTO_TCP, 1, 80, 0), 3);
	assert_int_equal(gateway_of(s, IPPROTO_TCP, 1, 90, 0), 3);
	assert_int_equal(gateway_of(s, IPPROTO_TCP, 1, 91, 0), -ENETUNREACH);
	assert_int_equal(gateway_of(s, IPPROTO_UDP, 1, 80, 0), -ENETUNREACH);
	assert_int_equal(ep_connect(e, &to), -ENETUNREACH);
	assert_int_equal(ep_connect(t, &to), -EINPROGRESS);
	ep_close(t);
	assert_int_equal(rule_del(s, &u, 0), 0);

	/* The source's, also where it is chosen only then; that of a user. */
	u = (struct rule_info){ .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1,
				.sport = { 1000, 65534 }, .by_uid = true, .uid_from = 0, .uid_to = 5 };
	assert_int_equal(rule_add(s, &u, 0, false), 0);
	assert_int_equal(gateway_of(s, 0, 999, 0, 0), -ENETUNREACH);
	assert_int_equal(gateway_of(s, 0, 1000, 0, 5), 3);
	assert_int_equal(gateway_of(s, 0, 1000, 0, 6), -ENETUNREACH);
	assert_int_equal(ep_connect(e, &to), 0);
	ep_close(e);
	u.sport = (struct port_range){ 9, 8 };
	assert_int_equal(rule_add(s, &u, 0, false), -EINVAL);
	u.sport = (struct port_range){ 9, 65535 };
	assert_int_equal(rule_add(s, &u, 0, false), -EINVAL);
}

static void goto_goes_on_with_a_later_rule(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct rule_info u = { .family = AF_INET, .action = FR_ACT_GOTO, .target = 300, .suppress_plen = -1, .priority = 100 };
	struct rule_info stop = { .family = AF_INET, .action = FR_ACT_PROHIBIT, .suppress_plen = -1, .priority = 200 };
	struct rule_info end = { .family = AF_INET, .action = FR_ACT_BLACKHOLE, .suppress_plen = -1, .priority = 300 };

	assert_int_equal(rule_add(s, &u, RULE_PRIORITY, false), 0);
	assert_int_equal(rule_add(s, &stop, RULE_PRIORITY, false), 0);
	assert_int_equal(rule_state(s, 100), FIB_RULE_UNRESOLVED);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EACCES);
	assert_int_equal(rule_add(s, &end, RULE_PRIORITY, false), 0);
	assert_int_equal(rule_state(s, 100), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EINVAL);
	assert_int_equal(rule_del(s, &end, RULE_PRIORITY), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EACCES);

	/* Of several targets the first; with it gone the next. */
	assert_int_equal(rule_add(s, &end, RULE_PRIORITY, false), 0);
	stop.priority = 300;
	stop.action = FR_ACT_UNREACHABLE;
	assert_int_equal(rule_add(s, &stop, RULE_PRIORITY, false), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EINVAL);
	assert_int_equal(rule_del(s, &end, RULE_PRIORITY), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -ENETUNREACH);
	assert_int_equal(rule_state(s, 100), 0);
	assert_int_equal(rule_del(s, &stop, RULE_PRIORITY), 0);
	assert_int_equal(rule_state(s, 100), FIB_RULE_UNRESOLVED);
	assert_int_equal(rule_add(s, &end, RULE_PRIORITY, false), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EINVAL);
	assert_int_equal(rule_del(s, &u, RULE_PRIORITY), 0);
	assert_int_equal(rule_del(s, &end, RULE_PRIORITY), 0);
	assert_int_equal(gateway_for(s, "8.8.8.8", NULL, 0, 0, 0), -EACCES);

	/* Backwards, or to itself, it would never end. */
	u.priority = 400;
	assert_int_equal(rule_add(s, &u, RULE_PRIORITY, false), -EINVAL);
	u.priority = 300;
	assert_int_equal(rule_add(s, &u, RULE_PRIORITY, false), -EINVAL);
	strcpy(stop.iif, "nosuch");
	stop.priority = 201;
	assert_int_equal(rule_add(s, &stop, RULE_PRIORITY, false), 0);
	assert_int_equal(rule_state(s, 201), FIB_RULE_IIF_DETACHED);
}

static void a_socket_with_a_mark_goes_where_its_rule_says(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct route_info r = { .family = AF_INET, .type = ROUTE_PROHIBIT, .table = 100, .dst = ipa_any4() };
	struct rule_info u = { .family = AF_INET, .action = FR_ACT_TO_TBL, .table = 100, .suppress_plen = -1,
			       .mark = 0x500, .mask = 0xff00 };
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM), *t = sim_ep(f->a, AF_INET, SOCK_STREAM);
	struct net_addr to = { .family = AF_INET, .ip = sim_ip4("10.0.0.2"), .port = 9 };
	int mark = 0x501;

	assert_int_equal(route_add(s, &r, ROUTE_CREATE), 0);
	assert_int_equal(rule_add(s, &u, 0, false), 0);
	assert_int_equal(ep_connect(e, &to), 0);
	assert_int_equal(ep_setopt(e, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(ep_connect(e, &to), -EACCES);
	assert_int_equal(ep_setopt(t, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(ep_connect(t, &to), -EACCES);
	mark = 0x601;
	assert_int_equal(ep_setopt(e, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(ep_connect(e, &to), 0);
	ep_close(e);
	ep_close(t);
}

static void reuseport_spreads_flows_and_keeps_each(void **state)
{
	struct fx *f = *state;
	struct ep *e[4], *c = sim_ep(f->b, AF_INET, SOCK_DGRAM);
	unsigned int used = 0;
	char got[10];

	for (unsigned int i = 0; i < 4; i++)
		e[i] = bound(f->a, ipa_any4(), 7);
	for (unsigned int k = 0; k < 64; k++) {
		struct ep *x = sim_ep(f->b, AF_INET, SOCK_DGRAM);

		sim_sendto(x, "x", 1, sim_addr(sim_ip4("10.0.0.1"), 7));
		sim_sendto(x, "x", 1, sim_addr(sim_ip4("10.0.0.1"), 7));
		sim_run(&f->sim, 10 * NSEC_PER_MSEC);
		ep_close(x);
	}
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int n = 0;

		while (sim_recv(e[i], got, 10) == 1)
			n++;
		used += n > 0;
		assert_int_equal(n % 2, 0);
		ep_close(e[i]);
	}
	assert_int_equal(used, 4);
	ep_close(c);
}

static void a_classic_filter_chooses_datagrams(void **state)
{
	/* Accept when the first payload byte (behind 8 bytes of UDP header) is 'y'. */
	struct sock_filter prog[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
				      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
				      BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_filter bad[] = { BPF_JUMP(BPF_JMP | BPF_JA, 100, 0, 0) };
	struct fx *f = *state;
	struct ep *e = bound(f->a, ipa_any4(), 7), *c = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	char got[10];

	assert_int_equal(ep_setopt(e, SOL_SOCKET, SO_ATTACH_FILTER, bad, sizeof(bad)), -EINVAL);
	assert_int_equal(ep_setopt(e, SOL_SOCKET, SO_ATTACH_FILTER, prog, sizeof(prog)), 0);
	sim_sendto(c, "n", 1, sim_addr(sim_ip4("127.0.0.1"), 7));
	sim_sendto(c, "y", 1, sim_addr(sim_ip4("127.0.0.1"), 7));
	assert_int_equal(sim_recv(e, got, 10), 1);
	assert_int_equal(got[0], 'y');
	assert_int_equal(sim_recv(e, got, 10), -EAGAIN);
	assert_int_equal(sim_opt(e, SOL_SOCKET, SO_DETACH_FILTER, 0), 0);
	assert_int_equal(sim_opt(e, SOL_SOCKET, SO_DETACH_FILTER, 0), -ENOENT);
	ep_close(e);
	ep_close(c);
}

static void packet_sockets_see_both_directions(void **state)
{
	struct fx *f = *state;
	struct ep *tap, *e = bound(f->b, ipa_any4(), 7), *c = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct ep_msg m = { 0 };
	unsigned int in = 0, out = 0;
	char got[200];
	struct uio u;

	sim_run(&f->sim, 20 * NSEC_PER_SEC); /* group reports are over */
	assert_int_equal(ep_new(f->a->stack, AF_PACKET, SOCK_RAW, ETHERTYPE_ALL, &tap), 0);
	sim_sendto(c, "x", 1, sim_addr(sim_ip4("10.0.0.2"), 7));
	sim_run(&f->sim, NSEC_PER_SEC);
	for (;;) {
		uio_init_kernel(&u, got, sizeof(got));
		m.flags = 0;
		if (ep_recv(tap, &u, &m) < 0)
			break;
		if (m.addr.pkttype == 4)
			out++;
		else
			in++;
	}
	assert_true(in == 1 && out == 2); /* ARP out, ARP in, datagram out */
	/* And may send: an ARP request by hand is answered. */
	m = (struct ep_msg){ .has_addr = true, .addr = { .family = AF_PACKET, .scope = f->a->ifindex } };
	memset(got, 0xff, 6);
	memcpy(got + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1,
				     0, 0, 0, 0, 0, 0, 10, 0, 0, 2 }, 36);
	uio_init_kernel(&u, got, 42);
	assert_int_equal(ep_send(tap, &u, &m), 42);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_true(sim_recv(tap, got, sizeof(got)) > 0);
	assert_true(sim_recv(tap, got, sizeof(got)) > 0);
	ep_close(tap);
	ep_close(e);
	ep_close(c);
}

/* Is the piece of n bytes at b whole?  Its part of the payload. */
static size_t gso_piece(const uint8_t *b, size_t n, bool v6)
{
	size_t hlen = v6 ? 40 : 20, len = n - 14 - hlen;
	struct ipa src = v6 ? ipa_v6(b + 22) : ipa_v4(htonl(rd32(b + 26)));
	struct ipa dst = v6 ? ipa_v6(b + 38) : ipa_v4(htonl(rd32(b + 30)));

	assert_int_equal(rd16(b + 12), v6 ? 0x86dd : 0x800);
	assert_int_equal(v6 ? rd16(b + 18) + 40 : rd16(b + 16), n - 14);
	if (!v6)
		assert_int_equal(csum_fold(csum_add(0, b + 14, 20, 0)), 0);
	assert_int_equal(csum_fold(csum_add(csum_pseudo(src, dst, 6, (uint32_t)len), b + 14 + hlen, len, 0)), 0);
	return len - 20;
}

/* The interface can cut nothing; what the sender says of the protocol is no word on the headers. */
static void vnet_segments_are_cut_by_their_own_headers(void **state)
{
	static const uint16_t says[] = { 0, ETHERTYPE_ALL, ETHERTYPE_IP4, ETHERTYPE_IP6, 0x1234 };
	static const size_t payload = 2500;
	struct fx *f = *state;
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 1000, .csum_offset = 16 };
	struct ep *tx, *rx;
	uint8_t b[10 + 14 + 40 + 20 + 2500], got[1600];
	struct ep_msg m;
	struct uio u;

	sim_run(&f->sim, 20 * NSEC_PER_SEC);
	assert_int_equal(ep_new(f->a->stack, AF_PACKET, SOCK_RAW, 0, &tx), 0);
	assert_int_equal(sim_opt(tx, SOL_PACKET, PACKET_VNET_HDR, 1), 0);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(says); i++) {
		bool v6 = i & 1;
		size_t hlen = v6 ? 40 : 20, size = 10 + 14 + hlen + 20 + payload, sum = 0;
		unsigned int pieces = 0;
		uint8_t *t = b + 24 + hlen;
		ssize_t n;

		memset(b, 0x55, sizeof(b));
		h.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		h.csum_start = (uint16_t)(14 + hlen);
		memcpy(b, &h, sizeof(h));
		memcpy(b + 10, (uint8_t[]){ 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, v6 ? 0x86 : 8, v6 ? 0xdd : 0 }, 14);
		if (v6) {
			memset(b + 24, 0xdf, 40); /* as an IPv4 header: of 60 bytes */
			b[24] = 0x6f;
			b[30] = 6;
		} else {
			(void)ip4(b + 24, 6, "10.0.0.9", "10.0.0.2", 7, 0, 20 + payload);
		}
		memset(t, 0, 20);
		t[12] = 0x50;
		assert_int_equal(ep_new(f->b->stack, AF_PACKET, SOCK_RAW, ETHERTYPE_ALL, &rx), 0);
		m = (struct ep_msg){ .has_addr = true, .addr = { .family = AF_PACKET, .scope = f->a->ifindex,
								  .ethertype = says[i / 2] } };
		uio_init_kernel(&u, b, size);
		assert_int_equal(ep_send(tx, &u, &m), size);
		sim_run(&f->sim, 10 * NSEC_PER_MSEC);
		while ((n = sim_recv(rx, got, sizeof(got))) > 0) {
			if (memcmp(got, b + 10, 12) != 0)
				continue; /* an answer */
			sum += gso_piece(got, (size_t)n, v6);
			pieces++;
		}
		assert_int_equal(pieces, 3);
		assert_int_equal(sum, payload);
		ep_close(rx);
	}
	/* UDP: into no more than 128. */
	h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = 5 /* GSO_UDP_L4 */, .gso_size = 1,
				     .csum_start = 34, .csum_offset = 6 };
	memcpy(b, &h, sizeof(h));
	memcpy(b + 10 + 12, (uint8_t[]){ 8, 0 }, 2);
	for (size_t count = 128; count <= 129; count++) {
		(void)ip4(b + 24, 17, "10.0.0.9", "10.0.0.2", 7, 0, 8 + count);
		uio_init_kernel(&u, b, 10 + 14 + 28 + count);
		assert_int_equal(ep_send(tx, &u, &m), count == 128 ? 10 + 14 + 28 + 128 : -EINVAL);
	}
	ep_close(tx);
}

#define TX_FRAMES 2048
#define TX_FRAME  256
static _Alignas(16) uint8_t tx_ring[TX_FRAMES * TX_FRAME];
static unsigned int tx_sent, tx_most; /* the most that were taken and not yet sent */

static struct tpacket2_hdr *tx_frame(unsigned int i)
{
	return (void *)(tx_ring + (size_t)i * TX_FRAME);
}

static bool tx_watch(struct sim *s, unsigned int from, struct pkt *p)
{
	unsigned int taken = tx_sent;

	(void)s;
	if (from != 0 || p->len != 60)
		return true;
	while (taken < TX_FRAMES && tx_frame(taken)->tp_status == TP_STATUS_AVAILABLE)
		taken++;
	tx_most = MAX(tx_most, taken - tx_sent);
	tx_sent++;
	return false;
}

/* It is sent in rounds of what the send buffer holds: who has been interrupted asks for no more. */
static void a_transmit_ring_is_bounded_by_the_send_buffer(void **state)
{
	struct fx *f = *state;
	struct tpacket_req q = { 4096, TX_FRAMES * TX_FRAME / 4096, TX_FRAME, TX_FRAMES };
	struct ep_msg m = { .has_addr = true, .addr = { .family = AF_PACKET, .scope = f->a->ifindex, .ethertype = 0x1234 } };
	struct ep_ring_config c;
	struct ep *e;
	struct uio u;

	sim_run(&f->sim, 20 * NSEC_PER_SEC);
	assert_int_equal(ep_new(f->a->stack, AF_PACKET, SOCK_RAW, 0, &e), 0);
	assert_int_equal(sim_opt(e, SOL_PACKET, PACKET_VERSION, TPACKET_V2), 0);
	assert_int_equal(sim_opt(e, SOL_SOCKET, SO_SNDBUF, 10000), 0);
	assert_int_equal(ep_ring_config(e, &q, sizeof(q), &c), 0);
	assert_int_equal(ep_tx_ring_set(e, &c, tx_ring), 0);
	for (unsigned int i = 0; i < TX_FRAMES; i++)
		*tx_frame(i) = (struct tpacket2_hdr){ .tp_status = TP_STATUS_SEND_REQUEST, .tp_len = 60 };
	tx_sent = tx_most = 0;
	f->sim.filter = tx_watch;
	uio_init_kernel(&u, NULL, 0);
	do {
		unsigned int before = tx_sent;
		ssize_t n = ep_send(e, &u, &m);

		assert_int_equal(n, (tx_sent - before) * 60);
		assert_in_range(tx_sent - before, 1, 20000 / sizeof(struct pkt) + 1);
	} while (m.more);
	assert_int_equal(tx_sent, TX_FRAMES);
	assert_in_range(tx_most, 2, 20000 / sizeof(struct pkt) + 1);
	f->sim.filter = NULL;
	assert_int_equal(ep_tx_ring_set(e, NULL, NULL), 0);
	ep_close(e);
}

static int count_failed(void *arg, const struct addr_info *a)
{
	if (a->state & ADDR_DADFAILED)
		++*(int *)arg;
	return 0;
}

static void a_duplicate_address_is_found(void **state)
{
	struct fx *f = *state;
	struct addr_info a = { .ifindex = f->a->ifindex, .addr = sim_ip6("fd00::2"), .plen = 64 };
	int failed = 0;

	assert_int_equal(addr_add(f->a->stack, &a), 0); /* host b has it */
	sim_run(&f->sim, 3 * NSEC_PER_SEC);
	addr_for_each(f->a->stack, count_failed, &failed);
	assert_int_equal(failed, 1);
	a.addr = sim_ip6("fd00::77");
	assert_int_equal(addr_add(f->a->stack, &a), 0);
	sim_run(&f->sim, 3 * NSEC_PER_SEC);
	{
		struct ep *x = bound(f->a, sim_ip6("fd00::77"), 9), *c = sim_ep(f->b, AF_INET6, SOCK_DGRAM);
		char got[4];

		sim_sendto(c, "x", 1, sim_addr(sim_ip6("fd00::77"), 9));
		sim_run(&f->sim, NSEC_PER_SEC);
		assert_int_equal(sim_recv(x, got, 4), 1);
		ep_close(x);
		ep_close(c);
	}
	assert_int_equal(addr_del(f->a->stack, &a), 0);
}

static int count_v6(void *arg, const struct addr_info *a)
{
	*(int *)arg += !ipa_is4(a->addr);
	return 0;
}

static void disable_ipv6_takes_its_addresses_off(void **state)
{
	struct fx *f = *state;
	struct stack *s = f->a->stack;
	struct addr_info a = { .ifindex = 1, .addr = sim_ip6("2001:db8::77"), .plen = 64, .nodad = 1 };
	struct route_info out;
	int count = 0;

	assert_int_equal(addr_add(s, &a), 0);
	assert_int_equal(nic_conf_set(s, NIC_CONF_ALL, IP6_disable_ipv6, 1), 0);
	addr_for_each(s, count_v6, &count);
	assert_int_equal(count, 0);
	assert_int_equal(addr_add(s, &a), -EACCES);
	assert_int_equal(route_get(s, sim_ip6("2001:db9::1"), ipa_any6(), 0, &out), -EADDRNOTAVAIL);
	assert_int_equal(nic_conf_set(s, NIC_CONF_ALL, IP6_disable_ipv6, 0), 0);
	addr_for_each(s, count_v6, &count); /* loopback's */
	assert_int_equal(count, 1);
	assert_int_equal(route_get(s, sim_ip6("2001:db9::1"), ipa_any6(), 0, &out), -ENETUNREACH);
}

static int order_of(void *arg, const struct route_info *r)
{
	struct ipa *last = arg;

	if (r->family == AF_INET && r->table == 254) {
		assert_true(memcmp(last->b, r->dst.b, 16) <= 0);
		*last = r->dst;
	}
	return 0;
}

static void routes_are_dumped_by_destination(void **state)
{
	struct fx *f = *state;
	struct ipa last = ipa_any4();
	struct route_info r = { .family = AF_INET, .type = ROUTE_UNICAST, .table = 254, .ifindex = 2,
				.expires_ns = INT64_MAX, .scope = 253 };

	r.dst = r.gateway = r.prefsrc = ipa_any4();
	assert_int_equal(route_add(f->a->stack, &r, ROUTE_CREATE), 0);
	assert_int_equal(route_for_each(f->a->stack, order_of, &last), 0);
	assert_false(ipa_is_any(last));
}

static int find_slaac(void *arg, const struct addr_info *a)
{
	if ((a->state & ADDR_AUTO) && !(a->state & ADDR_TENTATIVE))
		*(struct ipa *)arg = a->addr;
	return 0;
}

static void a_router_gives_addresses_when_asked_to(void **state)
{
	struct fx *f = *state;
	struct ipa src = sim_ip6("fe80::1"), dst = sim_ip6("ff02::1"), got = ipa_any6(), prefix = sim_ip6("2001:db8::");
	struct route_info out;
	uint8_t b[40 + 16 + 32] = { 0x60 };
	uint16_t c;

	wr16(b + 4, 48);
	b[6] = 58;
	b[7] = 255;
	memcpy(b + 8, src.b, 16);
	memcpy(b + 24, dst.b, 16);
	b[40] = 134;
	b[44] = 64;
	wr16(b + 46, 1800);
	b[56] = 3;
	b[57] = 4;
	b[58] = 64;
	b[59] = 0xc0;
	wr32(b + 60, 7200);
	wr32(b + 64, 3600);
	memcpy(b + 72, prefix.b, 16);
	c = csum_fold(csum_add(csum_pseudo(src, dst, 58, 48), b + 40, 48, 0));
	memcpy(b + 42, &c, 2);
	{
		struct pkt *p = pkt_new(PKT_HEADROOM, 14 + sizeof(b));

		memcpy(pkt_append(p, 14), (uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 99, 0x86, 0xdd }, 14);
		memcpy(pkt_append(p, sizeof(b)), b, sizeof(b));
		nic_input(f->a->stack, f->a->ifindex, p);
	}
	sim_run(&f->sim, 3 * NSEC_PER_SEC);
	addr_for_each(f->a->stack, find_slaac, &got);
	assert_true(ipa_eq(got, sim_ip6("2001:db8::ff:fe00:1")));
	assert_int_equal(route_get(f->a->stack, sim_ip6("2600::1"), ipa_any6(), 0, &out), 0);
	assert_true(ipa_eq(out.gateway, src) && ipa_eq(out.prefsrc, got));
	sim_run(&f->sim, 7300 * NSEC_PER_SEC); /* its time is over */
	got = ipa_any6();
	addr_for_each(f->a->stack, find_slaac, &got);
	assert_true(ipa_is_any(got));
}

static bool eat_large(struct sim *s, unsigned int from, struct pkt *p)
{
	(void)s;
	return from != 0 || p->len <= 1100;
}

static void large_segments_that_vanish_are_made_smaller(void **state)
{
	struct fx *f = *state;
	struct ep *l = sim_listen(f->b, ipa_any4(), 80, 4), *c, *s = NULL;
	static char buf[30000];
	size_t got = 0;
	ssize_t n;

	c = sim_connect(f->a, sim_ip4("10.0.0.2"), 80);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(ep_accept(l, &s, NULL), 0);
	f->sim.filter = eat_large;
	assert_int_equal(sim_send(c, buf, sizeof(buf)), sizeof(buf));
	for (unsigned int i = 0; i < 600 && got < sizeof(buf); i++) {
		sim_run(&f->sim, NSEC_PER_SEC / 10);
		while ((n = sim_recv(s, buf, sizeof(buf))) > 0)
			got += (size_t)n;
	}
	assert_int_equal(got, sizeof(buf));
	assert_true(stack_stat(f->a->stack, NS_TCPMTUPFail) >= 1);
	ep_close(c);
	ep_close(s);
	ep_close(l);
}

static bool mark_ce(struct sim *s, unsigned int from, struct pkt *p)
{
	uint8_t *ip = p->data + 14;

	(void)s;
	if (from == 0 && ip[0] == 0x45 && ip[9] == 6 && (ip[1] & 3) == 2 && p->len > 500) {
		ip[1] |= 3;
		ip[10] = ip[11] = 0;
		{
			uint16_t c = csum_fold(csum_add(0, ip, 20, 0));

			memcpy(ip + 10, &c, 2);
		}
	}
	return true;
}

static void ecn_marks_slow_the_sender(void **state)
{
	struct fx *f = *state;
	struct ep *l = sim_listen(f->b, ipa_any4(), 80, 4), *c, *s = NULL;
	static char buf[100000];
	ssize_t n;
	size_t got = 0;

	net_conf_set(f->a->stack, (size_t)net_conf_find("ipv4.tcp_ecn"), 1);
	c = sim_connect(f->a, sim_ip4("10.0.0.2"), 80);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(ep_accept(l, &s, NULL), 0);
	f->sim.filter = mark_ce;
	for (unsigned int i = 0; i < 50; i++) {
		sim_send(c, buf, sizeof(buf));
		sim_run(&f->sim, 10 * NSEC_PER_MSEC);
		while ((n = sim_recv(s, buf, sizeof(buf))) > 0)
			got += (size_t)n;
	}
	assert_true(got > 50000);
	assert_int_equal(stack_stat(f->a->stack, NS_TcpRetransSegs), 0);
	{
		struct {
			uint8_t b[8];
			uint32_t w[60];
		} info;
		size_t size = sizeof(info);

		assert_int_equal(ep_getopt(c, IPPROTO_TCP, 11 /* TCP_INFO */, &info, &size), 0);
		assert_true(info.b[5] & 8);	       /* TCPI_OPT_ECN */
		assert_true(info.w[17] <= 10);	       /* tcpi_snd_ssthresh */
	}
	ep_close(c);
	ep_close(s);
	ep_close(l);
}

static void idle_connections_are_small(void **state)
{
	struct fx *f = *state;
	struct ep *l = sim_listen(f->a, ipa_any4(), 80, 1024), *c[500], *s[500];
	char b[100] = { 0 };

	for (unsigned int i = 0; i < 500; i++) {
		struct net_addr to = sim_addr(sim_ip4("127.0.0.1"), 80);

		c[i] = sim_ep(f->a, AF_INET, SOCK_STREAM);
		assert_int_equal(ep_connect(c[i], &to), -EINPROGRESS);
		assert_int_equal(ep_accept(l, &s[i], NULL), 0);
		assert_int_equal(sim_send(c[i], b, 100), 100);
		assert_int_equal(sim_recv(s[i], b, 100), 100);
	}
	assert_int_equal(stack_memory(f->a->stack), 0);
	for (unsigned int i = 0; i < 500; i++) {
		ep_close(c[i]);
		ep_close(s[i]);
	}
	ep_close(l);
}

#define T(test) UNIT_FIXTURE(test, setup, sim_teardown)
UNIT_MAIN(T(overlapping_fragments_are_refused), T(a_flood_of_fragments_stays_within_its_bound),
	  T(malformed_packets_are_counted_and_dropped), T(neighbours_are_bounded_and_permanent_ones_stay),
	  T(the_longest_prefix_and_then_the_metric_decide), T(reuseport_spreads_flows_and_keeps_each),
	  T(rules_choose_the_table_by_source_mark_tos_and_interface), T(rules_choose_the_table_by_protocol_ports_and_user),
	  T(goto_goes_on_with_a_later_rule), T(reuseport_spreads_flows_and_keeps_each),
	  T(a_socket_with_a_mark_goes_where_its_rule_says), T(reuseport_spreads_flows_and_keeps_each),
	  T(a_classic_filter_chooses_datagrams), T(packet_sockets_see_both_directions),
	  T(vnet_segments_are_cut_by_their_own_headers),
	  T(a_transmit_ring_is_bounded_by_the_send_buffer),
	  T(a_duplicate_address_is_found), T(disable_ipv6_takes_its_addresses_off),
	  T(routes_are_dumped_by_destination), T(a_router_gives_addresses_when_asked_to),
	  T(large_segments_that_vanish_are_made_smaller), T(ecn_marks_slow_the_sender),
	  T(idle_connections_are_small))
