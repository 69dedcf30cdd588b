/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_nic_conf.c: settings of interfaces (nic_conf.h): how they are inherited, and what those of them do that the stack
 * honours.  Host a has eth0 (on the wire) and eth1 (frames are counted).
 */
#include "tests/unit/netstack/sim.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netstack/csum.h"

struct fx {
	struct sim sim;
	struct sim_host *a, *b;
	struct stack *s; /* a's */
	struct sim_tap tap;
	uint32_t eth1;
};

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 4);
	f->a = sim_host(&f->sim);
	f->b = sim_host(&f->sim);
	f->s = f->a->stack;
	*state = f;
	return 0;
}

static uint32_t make(struct fx *f, const char *name)
{
	struct nic_config c = { .type = LINK_ETHERNET, .mtu = 1500, .ops = sim_tap_ops(), .ctx = &f->tap,
				.mac = { 2, 0, 0, 0, 1, 1 } };
	uint32_t index;

	strcpy(c.name, name);
	assert_int_equal(nic_add(f->s, &c, &index), 0);
	return index;
}

static int conf(struct fx *f, uint32_t ifindex, unsigned int key)
{
	int value = -12345;

	assert_int_equal(nic_conf_get(f->s, ifindex, key, &value), 0);
	return value;
}

static void set(struct fx *f, uint32_t ifindex, unsigned int key, int value)
{
	assert_int_equal(nic_conf_set(f->s, ifindex, key, value), 0);
}

static int add(struct fx *f, uint32_t ifindex, const char *text, unsigned int plen)
{
	bool v6 = strchr(text, ':') != NULL;
	struct addr_info a = { .ifindex = ifindex, .addr = v6 ? sim_ip6(text) : sim_ip4(text),
			       .plen = (uint8_t)plen };

	a.peer = a.addr;
	return addr_add(f->s, &a);
}

static int count_v6(void *arg, const struct addr_info *a)
{
	((int *)arg)[MIN(a->ifindex, 3U)] += !ipa_is4(a->addr);
	return 0;
}

/* A second interface, up, in 10.9.0.0/24. */
static void second(struct fx *f)
{
	f->eth1 = make(f, "eth1");
	assert_int_equal(nic_set_flags(f->s, f->eth1, IFF_UP, IFF_UP), 0);
	assert_int_equal(add(f, f->eth1, "10.9.0.1", 24), 0);
}

/* ---- inheritance ---- */

static void an_interface_begins_with_default(void **state)
{
	struct fx *f = *state;
	uint32_t index;

	set(f, NIC_CONF_DEFAULT, IP4_rp_filter, 1);
	set(f, NIC_CONF_DEFAULT, IP6_accept_ra, 0);
	set(f, NIC_CONF_ALL, IP4_arp_ignore, 3);
	index = make(f, "eth1");
	assert_int_equal(conf(f, index, IP4_rp_filter), 1);
	assert_int_equal(conf(f, index, IP6_accept_ra), 0);
	assert_int_equal(conf(f, index, IP4_arp_ignore), 0);
	assert_int_equal(conf(f, index, IP6_mtu), 1500);
	assert_int_equal(conf(f, f->a->ifindex, IP6_accept_ra), 1); /* it was there before */
	assert_int_equal(conf(f, 1, IP6_accept_dad), -1);
	assert_int_equal(nic_conf_get(f->s, 77, IP4_rp_filter, &(int){ 0 }), -ENODEV);
	assert_int_equal(nic_conf_set(f->s, NIC_CONF_ALL, NEIGH4_mcast_solicit, 1), -ENODEV);
}

static void default_of_ipv4_is_followed_until_there_is_an_address(void **state)
{
	struct fx *f = *state;
	uint32_t index = make(f, "eth1"), written = make(f, "eth2");

	set(f, written, IP4_rp_filter, 0);
	set(f, NIC_CONF_DEFAULT, IP4_rp_filter, 2);
	assert_int_equal(conf(f, index, IP4_rp_filter), 2);
	assert_int_equal(conf(f, written, IP4_rp_filter), 0);
	assert_int_equal(conf(f, f->a->ifindex, IP4_rp_filter), 0); /* has an address */
	assert_int_equal(add(f, index, "10.9.0.1", 24), 0);
	set(f, NIC_CONF_DEFAULT, IP4_rp_filter, 1);
	assert_int_equal(conf(f, index, IP4_rp_filter), 2);
}

static void forwarding_of_all_is_everybody_s_and_ip_forward(void **state)
{
	struct fx *f = *state;
	size_t ip_forward = (size_t)net_conf_find("ipv4.ip_forward");
	uint32_t index = make(f, "eth1");

	assert_int_equal(net_conf_set(f->s, ip_forward, 1), 0);
	assert_int_equal(conf(f, NIC_CONF_ALL, IP4_forwarding), 1);
	assert_int_equal(conf(f, NIC_CONF_DEFAULT, IP4_forwarding), 1);
	assert_int_equal(conf(f, index, IP4_forwarding), 1);
	set(f, index, IP4_forwarding, 0);
	assert_int_equal(conf(f, f->a->ifindex, IP4_forwarding), 1);
	assert_int_equal(net_conf_get(f->s, ip_forward), 1);
	set(f, NIC_CONF_ALL, IP4_forwarding, 0);
	assert_int_equal(net_conf_get(f->s, ip_forward), 0);
	assert_int_equal(conf(f, f->a->ifindex, IP4_forwarding), 0);
	set(f, NIC_CONF_ALL, IP6_forwarding, 1);
	assert_int_equal(conf(f, index, IP6_forwarding), 1);
	assert_int_equal(conf(f, index, IP4_forwarding), 0);
}

static void what_the_stack_does_not_do_can_not_be_asked_for(void **state)
{
	struct fx *f = *state;

	set(f, NIC_CONF_ALL, IP4_accept_redirects, 0);
	assert_int_equal(nic_conf_set(f->s, NIC_CONF_ALL, IP4_accept_redirects, 1), -EINVAL);
	set(f, f->a->ifindex, IP4_accept_source_route, 1); /* "all" has the last word, */
	assert_int_equal(nic_conf_set(f->s, NIC_CONF_ALL, IP4_accept_source_route, 1), -EINVAL); /* and it is no */
	assert_int_equal(nic_conf_set(f->s, f->a->ifindex, IP6_hop_limit, 0), -EINVAL);
	assert_int_equal(nic_conf_set(f->s, f->a->ifindex, IP6_mtu, 1501), -EINVAL);
	set(f, f->a->ifindex, IP6_mtu, 1400);
	assert_int_equal(nic_set_mtu(f->s, f->a->ifindex, 1300), 0);
	assert_int_equal(conf(f, f->a->ifindex, IP6_mtu), 1300);
}

/* ---- disable_ipv6 ---- */

static void disable_ipv6_is_one_interface_s(void **state)
{
	struct fx *f = *state;
	int count[4] = { 0 };

	second(f);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), 0);
	set(f, f->eth1, IP6_disable_ipv6, 1);
	addr_for_each(f->s, count_v6, count);
	assert_true(count[1] == 1 && count[2] == 1 && count[3] == 0);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), -EACCES);
	set(f, f->eth1, IP6_disable_ipv6, 0);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), 0);
	/* "all" is everybody's, and of those to come. */
	set(f, NIC_CONF_ALL, IP6_disable_ipv6, 1);
	memset(count, 0, sizeof(count));
	addr_for_each(f->s, count_v6, count);
	assert_true(count[1] == 0 && count[2] == 0 && count[3] == 0);
	assert_int_equal(conf(f, make(f, "eth2"), IP6_disable_ipv6), 1);
	set(f, f->eth1, IP6_disable_ipv6, 0);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), 0);
}

static void a_taken_link_local_address_disables_ipv6_when_asked_to(void **state)
{
	struct fx *f = *state;
	struct addr_info a = { .ifindex = f->b->ifindex, .addr = sim_ip6("fe80::ff:fe00:1"), .plen = 64, .nodad = 1 };

	assert_int_equal(addr_add(f->b->stack, &a), 0);
	set(f, f->a->ifindex, IP6_accept_dad, 2);
	assert_int_equal(add(f, f->a->ifindex, "fe80::ff:fe00:1", 64), 0);
	sim_run(&f->sim, 3 * NSEC_PER_SEC);
	assert_int_equal(conf(f, f->a->ifindex, IP6_disable_ipv6), 1);
}

static void without_accept_dad_an_address_is_good_at_once(void **state)
{
	struct fx *f = *state;
	struct route_info out;

	second(f);
	set(f, f->eth1, IP6_accept_dad, 0);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), 0);
	assert_int_equal(route_get(f->s, sim_ip6("2001:db8::2"), ipa_any6(), 0, &out), 0);
	assert_true(ipa_eq(out.prefsrc, sim_ip6("2001:db8::1")));
}

static int find_linklocal(void *arg, const struct addr_info *a)
{
	if (a->ifindex == 3 && ipa_is_linklocal(a->addr) && !ipa_is4(a->addr))
		*(struct ipa *)arg = a->addr;
	return 0;
}

static bool has_linklocal(struct fx *f)
{
	struct ipa got = ipa_any6();

	addr_for_each(f->s, find_linklocal, &got);
	assert_true(ipa_is_any(got) || ipa_eq(got, sim_ip6("fe80::ff:fe00:101")));
	return !ipa_is_any(got);
}

static void an_interface_makes_itself_a_link_local_address(void **state)
{
	struct fx *f = *state;

	set(f, NIC_CONF_DEFAULT, IP6_addr_gen_mode, 0);
	set(f, NIC_CONF_DEFAULT, IP6_accept_ra, 0);
	f->eth1 = make(f, "eth1");
	assert_false(has_linklocal(f));
	assert_int_equal(nic_set_flags(f->s, f->eth1, IFF_UP, IFF_UP), 0);
	assert_true(has_linklocal(f));
	set(f, f->eth1, IP6_disable_ipv6, 1);
	assert_false(has_linklocal(f));
	set(f, f->eth1, IP6_disable_ipv6, 0);
	assert_true(has_linklocal(f));
	assert_int_equal(nic_set_flags(f->s, f->eth1, 0, IFF_UP), 0);
	assert_false(has_linklocal(f));
	set(f, f->eth1, IP6_addr_gen_mode, 1);
	assert_int_equal(nic_set_flags(f->s, f->eth1, IFF_UP, IFF_UP), 0);
	assert_false(has_linklocal(f));
	set(f, f->eth1, IP6_addr_gen_mode, 0);
	assert_true(has_linklocal(f));
	assert_int_equal(nic_conf_set(f->s, f->eth1, IP6_addr_gen_mode, 2), -EINVAL);
}

static void addresses_of_ipv6_go_when_an_interface_goes_down(void **state)
{
	struct fx *f = *state;
	int count[4] = { 0 };

	second(f);
	assert_int_equal(add(f, f->eth1, "2001:db8::1", 64), 0);
	set(f, f->eth1, IP6_keep_addr_on_down, 1);
	assert_int_equal(nic_set_flags(f->s, f->eth1, 0, IFF_UP), 0);
	addr_for_each(f->s, count_v6, count);
	assert_int_equal(count[3], 1);
	set(f, f->eth1, IP6_keep_addr_on_down, 0);
	assert_int_equal(nic_set_flags(f->s, f->eth1, IFF_UP, IFF_UP), 0);
	assert_int_equal(nic_set_flags(f->s, f->eth1, 0, IFF_UP), 0);
	memset(count, 0, sizeof(count));
	addr_for_each(f->s, count_v6, count);
	assert_true(count[1] == 1 && count[2] == 1 && count[3] == 0);
}

/* ---- sources ---- */

static size_t udp(uint8_t *b, const char *src, const char *dst)
{
	struct ipa s = sim_ip4(src), d = sim_ip4(dst);
	uint16_t c;

	memset(b, 0, 42);
	memcpy(b, (uint8_t[]){ 2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 99, 8, 0, 0x45, 0, 0, 28 }, 18);
	b[22] = 64;
	b[23] = 17;
	memcpy(b + 26, &s.b[12], 4);
	memcpy(b + 30, &d.b[12], 4);
	c = csum_fold(csum_add(0, b + 14, 20, 0));
	memcpy(b + 24, &c, 2);
	wr16(b + 34, 5);
	wr16(b + 36, 7);
	wr16(b + 38, 8);
	return 42;
}

/* Does a datagram that comes by eth1 reach a socket? */
static bool arrives(struct fx *f, struct ep *e, const char *src, const char *dst)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, 42);
	char got[8];

	udp(pkt_append(p, 42), src, dst);
	nic_input(f->s, f->eth1, p);
	return sim_recv(e, got, sizeof(got)) == 0;
}

static struct ep *listener(struct fx *f)
{
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct net_addr any = sim_addr(ipa_any4(), 7);

	assert_int_equal(ep_bind(e, &any), 0);
	return e;
}

static void rp_filter_wants_the_way_back(void **state)
{
	struct fx *f = *state;
	struct ep *e = listener(f);

	second(f);
	for (unsigned int round = 0; round < 2; round++) { /* by the interface, then by all */
		uint32_t who = round ? NIC_CONF_ALL : f->eth1;

		assert_true(arrives(f, e, "10.0.0.2", "10.9.0.1")); /* that is eth0's subnet */
		assert_true(arrives(f, e, "192.0.2.1", "10.9.0.1"));
		set(f, who, IP4_rp_filter, 2);
		assert_true(arrives(f, e, "10.0.0.2", "10.9.0.1"));
		assert_false(arrives(f, e, "192.0.2.1", "10.9.0.1")); /* no route at all */
		set(f, who, IP4_rp_filter, 1);
		assert_false(arrives(f, e, "10.0.0.2", "10.9.0.1"));
		assert_true(arrives(f, e, "10.9.0.2", "10.9.0.1"));
		assert_true(arrives(f, e, "10.9.0.2", "10.9.0.1")); /* remembered */
		set(f, who, IP4_rp_filter, 0);
	}
	assert_int_equal(stack_stat(f->s, NS_IPReversePathFilter), 4);
	ep_close(e);
}

static void our_own_source_is_let_in_by_accept_local_alone(void **state)
{
	struct fx *f = *state;
	struct ep *e = listener(f);

	second(f);
	assert_false(arrives(f, e, "10.0.0.1", "10.9.0.1"));
	assert_int_equal(stack_stat(f->s, NS_InMartianSrc), 1);
	set(f, f->eth1, IP4_accept_local, 1);
	assert_true(arrives(f, e, "10.0.0.1", "10.9.0.1"));
	set(f, f->eth1, IP4_accept_local, 0);
	assert_false(arrives(f, e, "10.0.0.1", "10.9.0.1"));
	ep_close(e);
}

static void route_localnet_lets_loopback_addresses_in_and_out(void **state)
{
	struct fx *f = *state;
	struct ep *e = listener(f), *from = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct net_addr lo = sim_addr(sim_ip4("127.0.0.1"), 0);

	second(f);
	assert_int_equal(ep_bind(from, &lo), 0);
	assert_false(arrives(f, e, "10.9.0.2", "127.0.0.1"));
	assert_int_equal(sim_sendto(from, "x", 1, sim_addr(sim_ip4("10.9.0.2"), 9)), -EINVAL);
	set(f, f->eth1, IP4_route_localnet, 1);
	assert_true(arrives(f, e, "10.9.0.2", "127.0.0.1"));
	assert_int_equal(sim_sendto(from, "x", 1, sim_addr(sim_ip4("10.9.0.2"), 9)), 1);
	ep_close(e);
	ep_close(from);
}

/* ---- ARP ---- */

/* Is a question of spa about tpa that comes by eth1 answered? */
static bool answered(struct fx *f, const char *spa, const char *tpa)
{
	struct ipa s = sim_ip4(spa), t = sim_ip4(tpa);
	struct pkt *p = pkt_new(PKT_HEADROOM, 42);
	uint8_t *b = pkt_append(p, 42);

	memset(b, 0, 42);
	memset(b, 0xff, 6);
	memcpy(b + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 99, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 99 }, 22);
	memcpy(b + 28, &s.b[12], 4);
	memcpy(b + 38, &t.b[12], 4);
	f->tap.out = 0;
	nic_input(f->s, f->eth1, p);
	return f->tap.out == 1 && f->tap.last[12] == 8 && f->tap.last[13] == 6 && f->tap.last[21] == 2;
}

static void arp_ignore_chooses_whom_to_answer(void **state)
{
	struct fx *f = *state;

	second(f);
	assert_true(answered(f, "10.9.0.2", "10.9.0.1"));
	assert_true(answered(f, "10.9.0.2", "10.0.0.1")); /* eth0's */
	set(f, NIC_CONF_ALL, IP4_arp_ignore, 1);
	assert_true(answered(f, "10.9.0.2", "10.9.0.1"));
	assert_false(answered(f, "10.9.0.2", "10.0.0.1"));
	set(f, f->eth1, IP4_arp_ignore, 2); /* the larger one counts */
	assert_true(answered(f, "10.9.0.2", "10.9.0.1"));
	assert_false(answered(f, "192.0.2.1", "10.9.0.1"));
	set(f, f->eth1, IP4_arp_ignore, 8);
	assert_false(answered(f, "10.9.0.2", "10.9.0.1"));
}

static void arp_filter_wants_the_way_back(void **state)
{
	struct fx *f = *state;

	second(f);
	assert_true(answered(f, "10.0.0.2", "10.9.0.1"));
	set(f, f->eth1, IP4_arp_filter, 1);
	assert_false(answered(f, "10.0.0.2", "10.9.0.1"));
	assert_true(answered(f, "10.9.0.2", "10.9.0.1"));
}

static void proxy_arp_answers_for_what_is_behind(void **state)
{
	struct fx *f = *state;

	second(f);
	assert_false(answered(f, "10.9.0.2", "10.0.0.2"));
	set(f, f->eth1, IP4_proxy_arp, 1);
	assert_false(answered(f, "10.9.0.2", "10.0.0.2")); /* a router only */
	set(f, f->eth1, IP4_forwarding, 1);
	assert_true(answered(f, "10.9.0.2", "10.0.0.2"));
	assert_false(answered(f, "10.9.0.2", "10.9.0.3")); /* is on that side itself */
	set(f, f->eth1, IP4_proxy_arp_pvlan, 1);
	assert_true(answered(f, "10.9.0.2", "10.9.0.3"));
}

/* The sender's address in the question that eth1 asks for a datagram from src. */
static struct ipa announced(struct fx *f, const char *src)
{
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM);
	struct net_addr from = sim_addr(sim_ip4(src), 0);
	uint32_t spa;

	assert_int_equal(ep_bind(e, &from), 0);
	(void)neigh_del(f->s, f->eth1, sim_ip4("10.9.0.2"));
	f->tap.out = 0;
	sim_sendto(e, "x", 1, sim_addr(sim_ip4("10.9.0.2"), 9));
	assert_int_equal(f->tap.out, 1);
	memcpy(&spa, f->tap.last + 28, 4);
	ep_close(e);
	return ipa_v4(spa);
}

static void arp_announce_chooses_whom_to_tell_of(void **state)
{
	struct fx *f = *state;

	second(f);
	assert_int_equal(add(f, f->eth1, "10.9.0.7", 24), 0);
	assert_true(ipa_eq(announced(f, "10.0.0.1"), sim_ip4("10.0.0.1")));
	assert_true(ipa_eq(announced(f, "10.9.0.7"), sim_ip4("10.9.0.7")));
	set(f, f->eth1, IP4_arp_announce, 1);
	assert_true(ipa_eq(announced(f, "10.0.0.1"), sim_ip4("10.9.0.1")));
	assert_true(ipa_eq(announced(f, "10.9.0.7"), sim_ip4("10.9.0.7")));
	set(f, f->eth1, IP4_arp_announce, 2);
	assert_true(ipa_eq(announced(f, "10.9.0.7"), sim_ip4("10.9.0.1")));
}

static void arp_notify_tells_the_link_of_a_new_address(void **state)
{
	struct fx *f = *state;
	static const uint8_t mac[6] = { 2, 0, 0, 0, 1, 2 };

	second(f);
	f->tap.out = 0;
	assert_int_equal(nic_set_mac(f->s, f->eth1, mac), 0);
	assert_int_equal(f->tap.out, 0);
	set(f, f->eth1, IP4_arp_notify, 1);
	assert_int_equal(nic_set_mac(f->s, f->eth1, mac), 0);
	assert_int_equal(f->tap.out, 1);
	assert_memory_equal(f->tap.last + 28, f->tap.last + 38, 4);
}

static int find_neigh(void *arg, const struct neigh_info *i)
{
	if (ipa_eq(i->addr, sim_ip4("10.9.0.2")))
		*(int *)arg = i->state;
	return 0;
}

static int neigh_state(struct fx *f)
{
	int state = 0;

	neigh_for_each(f->s, find_neigh, &state);
	return state;
}

static void arp_accept_takes_what_nobody_asked_for(void **state)
{
	struct fx *f = *state;

	second(f);
	(void)answered(f, "10.9.0.2", "10.9.0.2");
	assert_int_equal(neigh_state(f), 0);
	set(f, f->eth1, IP4_arp_accept, 1);
	set(f, f->eth1, IP4_drop_gratuitous_arp, 1);
	(void)answered(f, "10.9.0.2", "10.9.0.2");
	assert_int_equal(neigh_state(f), 0);
	set(f, f->eth1, IP4_drop_gratuitous_arp, 0);
	(void)answered(f, "10.9.0.2", "10.9.0.2");
	assert_int_equal(neigh_state(f), NUD_STALE);
}

static void neighbours_are_asked_for_as_often_as_their_settings_say(void **state)
{
	struct fx *f = *state;
	struct ep *e = sim_ep(f->a, AF_INET, SOCK_DGRAM);

	second(f);
	set(f, f->eth1, NEIGH4_mcast_solicit, 5);
	set(f, f->eth1, NEIGH4_retrans_time_ms, 100);
	f->tap.out = 0;
	sim_sendto(e, "x", 1, sim_addr(sim_ip4("10.9.0.2"), 9));
	sim_run(&f->sim, 450 * NSEC_PER_MSEC);
	assert_int_equal(f->tap.out, 5);
	assert_int_equal(neigh_state(f), NUD_INCOMPLETE);
	sim_run(&f->sim, 100 * NSEC_PER_MSEC);
	assert_int_equal(f->tap.out, 5);
	assert_int_equal(neigh_state(f), NUD_FAILED);
	ep_close(e);
}

/* ---- secondary addresses ---- */

struct seen {
	unsigned int count;
	unsigned int secondary; /* bit i: 10.9.0.i is */
};

static int see(void *arg, const struct addr_info *a)
{
	struct seen *s = arg;

	if (a->ifindex < 3 || !ipa_is4(a->addr))
		return 0;
	s->count++;
	s->secondary |= (a->state & ADDR_SECONDARY ? 1U : 0) << a->addr.b[15];
	return 0;
}

static struct seen addresses(struct fx *f)
{
	struct seen s = { 0 };

	addr_for_each(f->s, see, &s);
	return s;
}

static void secondary_addresses_go_with_the_primary_one_or_take_its_place(void **state)
{
	struct fx *f = *state;
	struct addr_info first = { .addr = sim_ip4("10.9.0.1"), .plen = 24 };
	struct route_info out;

	second(f);
	first.ifindex = f->eth1;
	assert_int_equal(add(f, f->eth1, "10.9.0.2", 24), 0);
	assert_int_equal(add(f, f->eth1, "10.9.0.3", 24), 0);
	assert_int_equal(add(f, f->eth1, "10.8.0.4", 24), 0); /* another subnet */
	assert_int_equal(add(f, f->eth1, "10.9.0.5", 16), 0); /* another prefix */
	assert_int_equal(addresses(f).secondary, 1 << 2 | 1 << 3);
	set(f, f->eth1, IP4_promote_secondaries, 1);
	assert_int_equal(addr_del(f->s, &first), 0);
	assert_int_equal(addresses(f).count, 4);
	assert_int_equal(addresses(f).secondary, 1 << 3);
	assert_int_equal(route_get(f->s, sim_ip4("10.9.0.9"), ipa_any4(), 0, &out), 0);
	assert_true(ipa_eq(out.prefsrc, sim_ip4("10.9.0.2")));
	set(f, f->eth1, IP4_promote_secondaries, 0);
	first.addr = sim_ip4("10.9.0.2");
	assert_int_equal(addr_del(f->s, &first), 0);
	assert_int_equal(addresses(f).count, 2);
	assert_int_equal(addresses(f).secondary, 0);
}

/* ---- routers ---- */

/* How many solicitations eth1 sends within seconds. */
static unsigned int solicitations(struct fx *f, int seconds)
{
	f->tap.out = 0;
	assert_int_equal(add(f, f->eth1, "fe80::1", 64), 0);
	sim_run(&f->sim, seconds * NSEC_PER_SEC);
	return f->tap.out;
}

static void routers_are_asked_for_when_a_link_local_address_is_there(void **state)
{
	struct fx *f = *state;
	unsigned int quiet;

	second(f);
	set(f, f->eth1, IP6_accept_dad, 0);
	set(f, f->eth1, IP6_accept_ra, 0);
	quiet = solicitations(f, 60); /* reports of groups alone */
	assert_int_equal(addr_del(f->s, &(struct addr_info){ .ifindex = f->eth1, .addr = sim_ip6("fe80::1"), .plen = 64 }), 0);
	set(f, f->eth1, IP6_accept_ra, 1);
	set(f, f->eth1, IP6_router_solicitations, 3);
	assert_int_equal(solicitations(f, 60), quiet + 3);
	set(f, f->eth1, IP6_accept_ra, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, sim_teardown)
	const struct CMUnitTest tests[] = {
		T(an_interface_begins_with_default),
		T(default_of_ipv4_is_followed_until_there_is_an_address),
		T(forwarding_of_all_is_everybody_s_and_ip_forward),
		T(what_the_stack_does_not_do_can_not_be_asked_for),
		T(disable_ipv6_is_one_interface_s),
		T(a_taken_link_local_address_disables_ipv6_when_asked_to),
		T(without_accept_dad_an_address_is_good_at_once),
		T(an_interface_makes_itself_a_link_local_address),
		T(addresses_of_ipv6_go_when_an_interface_goes_down),
		T(rp_filter_wants_the_way_back),
		T(our_own_source_is_let_in_by_accept_local_alone),
		T(route_localnet_lets_loopback_addresses_in_and_out),
		T(arp_ignore_chooses_whom_to_answer),
		T(arp_filter_wants_the_way_back),
		T(proxy_arp_answers_for_what_is_behind),
		T(arp_announce_chooses_whom_to_tell_of),
		T(arp_notify_tells_the_link_of_a_new_address),
		T(arp_accept_takes_what_nobody_asked_for),
		T(neighbours_are_asked_for_as_often_as_their_settings_say),
		T(secondary_addresses_go_with_the_primary_one_or_take_its_place),
		T(routers_are_asked_for_when_a_link_local_address_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
