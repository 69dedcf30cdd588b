/* SPDX-License-Identifier: Apache-2.0 */
/* test_upper.c: VLANs and macvlans: which frames go where, with which tag, and what goes with the lower interface. */
#include "tests/unit/netstack/sim.h"

#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>

#include "netstack/csum.h"

struct fx {
	struct sim sim; /* its clock and random numbers */
	struct sim_host host;
	struct stack *s;
	uint32_t lower;
	struct sim_tap tap; /* what left there */
	uint64_t before[64]; /* got()'s */
};

/* The lower interface's address is 0. */
static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));
	struct nic_config c = { .name = "d0", .type = LINK_ETHERNET, .mtu = 1500, .kind = "veth", .ops = sim_tap_ops(),
				.noarp = true, .ctx = &f->tap };

	f->s = sim_stack(&f->sim, &f->host);
	sim_mac(c.mac, 0);
	assert_int_equal(nic_add(f->s, &c, &f->lower), 0);
	assert_int_equal(nic_set_flags(f->s, f->lower, IFF_UP, IFF_UP), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;

	assert_int_equal(stack_memory(f->s), 0);
	stack_put(f->s);
	free(f);
	return 0;
}

static int make_vlan(struct fx *f, uint32_t lower, uint16_t proto, uint16_t id, uint32_t *ifindex)
{
	struct nic_config c = { .upper = { .type = UPPER_VLAN, .lower = lower, .vlan_proto = proto, .vlan_id = id } };
	static unsigned int n;
	int err;

	snprintf(c.name, sizeof(c.name), "v%u", n++);
	err = upper_new(f->s, &c, ifindex);
	return err == 0 ? nic_set_flags(f->s, *ifindex, IFF_UP, IFF_UP) : err;
}

static int make_macvlan(struct fx *f, uint8_t mode, unsigned int address, uint32_t *ifindex)
{
	struct nic_config c = { .upper = { .type = UPPER_MACVLAN, .lower = f->lower, .macvlan_mode = mode } };
	static unsigned int n;
	int err;

	snprintf(c.name, sizeof(c.name), "m%u", n++);
	sim_mac(c.mac, address);
	err = upper_new(f->s, &c, ifindex);
	return err == 0 ? nic_set_flags(f->s, *ifindex, IFF_UP, IFF_UP) : err;
}

/* A frame comes in.  Type 0x88b5 is nobody's; tags: "8100 0005" in hex, or "". */
static void arrive(struct fx *f, const uint8_t dst[6], unsigned int src, const char *tags)
{
	uint8_t b[100] = { 0 };
	size_t n = 12;
	struct pkt *p;

	memcpy(b, dst, 6);
	sim_mac(b + 6, src);
	for (unsigned int v, used; sscanf(tags, "%4x%n", &v, (int *)&used) == 1; tags += used, n += 2)
		wr16(b + n, (uint16_t)v);
	wr16(b + n, 0x88b5);
	p = pkt_new(PKT_HEADROOM, n + 40);
	memcpy(pkt_append(p, n + 40), b, n + 40);
	nic_input(f->s, f->lower, p);
}

static void arrive_for(struct fx *f, unsigned int dst, const char *tags)
{
	uint8_t to[6];

	sim_mac(to, dst);
	arrive(f, to, 99, tags);
}

/* How many an interface has received since it was last asked. */
static unsigned int got(struct fx *f, uint32_t ifindex)
{
	struct nic_info i;
	unsigned int n;

	assert_int_equal(nic_info(f->s, ifindex, &i), 0);
	n = (unsigned int)(i.stats.rx_packets - f->before[ifindex]);
	f->before[ifindex] = i.stats.rx_packets;
	return n;
}

/* It sends a frame to an address. */
static void leave(struct fx *f, uint32_t ifindex, const uint8_t dst[6], unsigned int src)
{
	struct ep *e;
	struct net_addr to = { .family = AF_PACKET, .scope = ifindex };
	struct ep_msg m = { .has_addr = true, .addr = to };
	uint8_t b[SIM_FRAME] = { 0 };
	struct uio u;

	memcpy(b, dst, 6);
	sim_mac(b + 6, src);
	wr16(b + 12, 0x88b5);
	assert_int_equal(ep_new(f->s, AF_PACKET, SOCK_RAW, 0, &e), 0);
	uio_init_kernel(&u, b, sizeof(b));
	f->tap.out = 0;
	assert_int_equal(ep_send(e, &u, &m), SIM_FRAME);
	ep_close(e);
}

/* A TCP segment to be cut in three. */
static void send_large(struct fx *f, uint32_t ifindex)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100,
				    .hdr_len = 54, .csum_start = 34, .csum_offset = 16 };
	struct ep_msg m = { .has_addr = true, .addr = { .family = AF_PACKET, .scope = ifindex } };
	uint8_t b[sizeof(h) + 54 + 250] = { 0 }, *eth = b + sizeof(h);
	struct uio u;
	struct ep *e;
	int on = 1;

	memcpy(b, &h, sizeof(h));
	sim_mac(eth, 50);
	wr16(eth + 12, 0x800);
	memcpy(eth + 14, (const uint8_t[]){ 0x45, 0, 1, 34, 0, 0, 0, 0, 64, 6 }, 10);
	eth[46] = 0x50;
	assert_int_equal(ep_new(f->s, AF_PACKET, SOCK_RAW, 0, &e), 0);
	assert_int_equal(ep_setopt(e, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	uio_init_kernel(&u, b, sizeof(b));
	f->tap.out = 0;
	assert_int_equal(ep_send(e, &u, &m), sizeof(b));
	ep_close(e);
}

static void a_vlan_gets_its_tag_alone(void **state)
{
	struct fx *f = *state;
	uint32_t five, six, outer, inner, again;

	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &five), 0);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 6, &six), 0);
	assert_int_equal(make_vlan(f, f->lower, 0x88a8, 5, &outer), 0);
	assert_int_equal(make_vlan(f, outer, 0x8100, 5, &inner), 0);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &again), -EEXIST);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 4095, &again), -ERANGE);
	assert_int_equal(make_vlan(f, f->lower, 0x1234, 5, &again), -EPROTONOSUPPORT);
	assert_int_equal(make_vlan(f, 99, 0x8100, 5, &again), -ENODEV);
	assert_int_equal(make_vlan(f, 1, 0x8100, 5, &again), -EOPNOTSUPP);

	arrive_for(f, 0, "8100e005"); /* with a priority */
	assert_int_equal(got(f, five), 1);
	arrive_for(f, 0, "81000006");
	arrive_for(f, 0, "");
	arrive_for(f, 0, "81000007");
	arrive_for(f, 0, "81000000");
	assert_int_equal(got(f, five), 0);
	assert_int_equal(got(f, six), 1);
	arrive_for(f, 0, "88a8000581000005");
	assert_int_equal(got(f, outer), 1);
	assert_int_equal(got(f, inner), 1);
	assert_int_equal(got(f, five), 0);
	arrive_for(f, 0, "8100000581000005");
	assert_int_equal(got(f, five), 1);
	assert_int_equal(nic_set_flags(f->s, five, 0, IFF_UP), 0);
	arrive_for(f, 0, "81000005");
	assert_int_equal(got(f, five), 0);
}

/* An echo request for 10.0.0.1, at the lower interface's address; does an answer go out? */
static bool answers(struct fx *f, const char *tags)
{
	struct neigh_info n = { .ifindex = f->lower, .addr = sim_ip4("10.0.0.2") };
	struct addr_info a = { .ifindex = f->lower, .addr = sim_ip4("10.0.0.1"), .plen = 24 };
	uint8_t ip[40] = { 0x45, [3] = 40, [8] = 64, [9] = 1, [12] = 10, [15] = 2, [16] = 10, [19] = 1, [20] = 8, [22] = 0xf7, [23] = 0xff };
	struct pkt *p = pkt_new(PKT_HEADROOM, 100);
	uint8_t *eth = pkt_append(p, 12);
	uint16_t sum = csum_fold(csum_add(0, ip, 20, 0));

	(void)addr_add(f->s, &a);
	sim_mac(n.mac, 99);
	assert_int_equal(neigh_add(f->s, &n), 0);
	memcpy(ip + 10, &sum, sizeof(sum));
	sim_mac(eth, 0);
	memcpy(eth + 6, n.mac, 6);
	for (unsigned int v, used; sscanf(tags, "%4x%n", &v, (int *)&used) == 1; tags += used)
		wr16(pkt_append(p, 2), (uint16_t)v);
	wr16(pkt_append(p, 2), 0x800);
	memcpy(pkt_append(p, sizeof(ip)), ip, sizeof(ip));
	f->tap.out = 0;
	nic_input(f->s, f->lower, p);
	return f->tap.out == 1;
}

static void a_priority_says_nothing_of_what_is_behind_it(void **state)
{
	struct fx *f = *state;
	uint32_t v = 0;

	for (unsigned int i = 0; i < 2; i++) {
		assert_true(answers(f, ""));
		assert_true(answers(f, "8100e000"));
		assert_true(answers(f, "8100e000810000008100e000"));
		assert_false(answers(f, "81000007"));
		assert_false(answers(f, "8100e00081000006"));
		if (i == 0)
			assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &v), 0);
	}
	got(f, v);
	arrive_for(f, 0, "8100e00081000005");
	assert_int_equal(got(f, v), 1);
}

static void a_vlan_puts_its_tag_in(void **state)
{
	struct fx *f = *state;
	uint32_t outer, inner;
	uint8_t to[6];

	sim_mac(to, 50);
	assert_int_equal(make_vlan(f, f->lower, 0x88a8, 7, &outer), 0);
	assert_int_equal(make_vlan(f, outer, 0x8100, 5, &inner), 0);
	leave(f, inner, to, 0);
	assert_int_equal(f->tap.out, 1);
	assert_memory_equal(f->tap.last, to, 6);
	assert_memory_equal(f->tap.last + 12, "\x88\xa8\x00\x07\x81\x00\x00\x05\x88\xb5", 10);
}

static void macvlans_share_a_link_by_their_addresses(void **state)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	struct fx *f = *state;
	uint32_t a, b, p, v, twin;
	uint8_t to[6];

	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 1, &a), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 2, &b), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_PRIVATE, 3, &p), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_VEPA, 4, &v), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 1, &twin), -EADDRINUSE); /* an address that is there */
	got(f, a), got(f, b), got(f, p), got(f, v);

	arrive_for(f, 1, "");
	assert_int_equal(got(f, a), 1);
	assert_int_equal(got(f, b) + got(f, p) + got(f, v), 0);
	arrive(f, all, 99, "");
	assert_int_equal(got(f, a), 1);
	assert_int_equal(got(f, b), 1);
	assert_int_equal(got(f, p), 1);
	assert_int_equal(got(f, v), 1);

	/* In mode "bridge" they reach each other within; others go out, and come back if the switch sends them. */
	sim_mac(to, 2);
	leave(f, a, to, 1);
	assert_int_equal(f->tap.out, 0);
	assert_int_equal(got(f, b), 1);
	sim_mac(to, 3);
	leave(f, a, to, 1);
	assert_int_equal(f->tap.out, 1);
	assert_int_equal(got(f, p), 0);
	sim_mac(to, 1);
	leave(f, v, to, 4);
	assert_int_equal(f->tap.out, 1);
	assert_int_equal(got(f, a), 0);
	leave(f, a, all, 1);
	assert_int_equal(f->tap.out, 1);
	assert_int_equal(got(f, b), 1);
	assert_int_equal(got(f, a) + got(f, p) + got(f, v), 0);
	arrive(f, all, 1, ""); /* the same comes back: the bridges have seen it */
	assert_int_equal(got(f, a) + got(f, b) + got(f, p), 0);
	assert_int_equal(got(f, v), 1);
	arrive(f, all, 4, "");
	assert_int_equal(got(f, a) + got(f, b), 2);
	assert_int_equal(got(f, p) + got(f, v), 0);
}

static void passthru_is_alone_and_takes_all(void **state)
{
	struct fx *f = *state;
	struct nic_info i;
	uint32_t a, b;
	uint8_t other[6];

	assert_int_equal(make_macvlan(f, MACVLAN_PASSTHRU, 1, &a), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 1, &b), -EINVAL);
	assert_int_equal(nic_info(f->s, a, &i), 0);
	assert_int_equal(i.mac[5], 1); /* the lower one's */
	got(f, a);
	arrive_for(f, 0, "");
	arrive_for(f, 77, "");
	assert_int_equal(got(f, a), 2);
	sim_mac(other, 60);
	assert_int_equal(nic_set_mac(f->s, a, other), 0);
	assert_int_equal(nic_info(f->s, f->lower, &i), 0);
	assert_memory_equal(i.mac, other, 6);
	assert_int_equal(nic_info(f->s, a, &i), 0);
	assert_memory_equal(i.mac, other, 6);
	assert_int_equal(nic_remove(f->s, a), 0);
	assert_int_equal(make_macvlan(f, 3, 1, &b), -EINVAL);
}

static void they_follow_the_lower_interface(void **state)
{
	struct fx *f = *state;
	struct nic_info i;
	uint32_t v, m, on[10] = { f->lower };
	uint8_t other[6];

	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &v), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_VEPA, 1, &m), 0);
	assert_int_equal(nic_set_mtu(f->s, v, 1501), -ERANGE);
	assert_int_equal(nic_set_mtu(f->s, m, 1501), -EINVAL);
	assert_int_equal(nic_set_mtu(f->s, f->lower, 1400), 0);
	sim_mac(other, 60);
	assert_int_equal(nic_set_mac(f->s, f->lower, other), 0);
	assert_int_equal(nic_info(f->s, v, &i), 0);
	assert_int_equal(i.mtu, 1400);
	assert_memory_equal(i.mac, other, 6);
	assert_int_equal(i.link, f->lower);
	assert_int_equal(nic_info(f->s, m, &i), 0);
	assert_int_equal(i.mtu, 1400);
	assert_int_equal(i.mac[5], 2);
	assert_int_equal(nic_set_flags(f->s, f->lower, 0, IFF_UP), 0);
	assert_int_equal(nic_info(f->s, v, &i), 0);
	assert_int_equal(i.flags & IFF_UP, 0);
	assert_int_equal(nic_set_flags(f->s, v, IFF_UP, IFF_UP), -ENETDOWN);
	assert_int_equal(nic_info(f->s, m, &i), 0);
	assert_int_equal(i.flags & (IFF_UP | IFF_RUNNING), IFF_UP);
	assert_int_equal(nic_set_flags(f->s, f->lower, IFF_UP, IFF_UP), 0);
	assert_int_equal(nic_info(f->s, v, &i), 0);
	assert_true(i.flags & IFF_UP);

	for (unsigned int k = 1; k < 9; k++)
		assert_int_equal(make_vlan(f, on[k - 1], 0x8100, 9, &on[k]), 0);
	assert_int_equal(make_vlan(f, on[8], 0x8100, 9, &on[9]), -EMLINK);
	assert_int_equal(nic_remove(f->s, f->lower), 0);
	assert_false(nic_exists(f->s, v) || nic_exists(f->s, m) || nic_exists(f->s, on[1]) || nic_exists(f->s, on[8]));
}

static void what_stands_on_a_bridge_is_no_port(void **state)
{
	struct fx *f = *state;
	struct nic_config c = { .name = "br0", .mtu = 1500 };
	uint32_t br, on_br, on_port, m;

	sim_mac(c.mac, 70);
	assert_int_equal(bridge_new(f->s, &c, &br), 0);
	assert_int_equal(nic_set_flags(f->s, br, IFF_UP, IFF_UP), 0);
	assert_int_equal(make_vlan(f, br, 0x8100, 5, &on_br), 0);
	assert_int_equal(bridge_add_port(f->s, br, on_br), -ELOOP);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &on_port), 0);
	assert_int_equal(bridge_add_port(f->s, br, on_port), 0);
	assert_int_equal(bridge_add_port(f->s, br, f->lower), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 1, &m), -EBUSY);
	assert_int_equal(bridge_del_port(f->s, br, f->lower), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 1, &m), 0);
	assert_int_equal(bridge_add_port(f->s, br, f->lower), -EBUSY);
	assert_int_equal(nic_remove(f->s, m), 0);
	assert_int_equal(bridge_add_port(f->s, br, f->lower), 0);
	arrive_for(f, 44, "81000005"); /* in by the port's VLAN, out by the port */
	assert_int_equal(got(f, on_port), 1);
	assert_int_equal(got(f, br), 0);
}

/* It leaves large segments to the host's kernel, but where that can't cut them, or would not send them. */
static void on_an_interface_of_the_hosts(void **state)
{
	struct fx *f = *state;
	struct nic_config c = { .name = "eth0", .type = LINK_ETHERNET, .mtu = 1500, .ops = sim_tap_ops(), .ctx = &f->tap,
				.features = LINK_TX_CSUM | LINK_TX_TSO4 };
	uint32_t m, v, in, outer, on_m, br;
	struct nic_info i;

	sim_mac(c.mac, 80);
	assert_int_equal(nic_set_flags(f->s, f->lower, 0, IFF_UP), 0);
	assert_int_equal(nic_add(f->s, &c, &f->lower), 0);
	assert_int_equal(nic_set_flags(f->s, f->lower, IFF_UP, IFF_UP), 0);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &v), 0);
	assert_int_equal(make_vlan(f, v, 0x8100, 6, &in), 0);
	assert_int_equal(make_vlan(f, f->lower, 0x88a8, 7, &outer), 0);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 81, &m), 0);
	assert_int_equal(make_vlan(f, m, 0x8100, 5, &on_m), 0);
	arrive_for(f, 80, "81000005");
	assert_int_equal(got(f, v), 1);
	assert_int_equal(nic_info(f->s, v, &i), 0);
	assert_int_equal(i.mtu, 1500);
	assert_int_equal(nic_info(f->s, in, &i), 0);
	assert_int_equal(i.mtu, 1496);
	assert_int_equal(nic_info(f->s, outer, &i), 0);
	assert_int_equal(i.mtu, 1496);
	assert_int_equal(nic_set_mtu(f->s, outer, 1497), -ERANGE);
	assert_int_equal(nic_set_mtu(f->s, f->lower, 1400), 0);
	assert_int_equal(nic_info(f->s, in, &i), 0);
	assert_int_equal(i.mtu, 1396);
	send_large(f, v);
	assert_int_equal(f->tap.out, 1);
	send_large(f, in);
	assert_int_equal(f->tap.out, 3);
	send_large(f, outer);
	assert_int_equal(f->tap.out, 3);
	send_large(f, on_m);
	assert_int_equal(f->tap.out, 3);
	c = (struct nic_config){ .name = "br0", .mtu = 1500 };
	sim_mac(c.mac, 70);
	assert_int_equal(bridge_new(f->s, &c, &br), 0);
	assert_int_equal(bridge_add_port(f->s, br, m), -EOPNOTSUPP);
	assert_int_equal(bridge_add_port(f->s, br, v), -EOPNOTSUPP);
}

struct elsewhere {
	unsigned int received, gone;
};

static void elsewhere_receive(void *ctx, struct pkt *p)
{
	((struct elsewhere *)ctx)->received++;
	pkt_free(p);
}

static void elsewhere_gone(void *ctx)
{
	((struct elsewhere *)ctx)->gone++;
}

static int count_nics(void *arg, const struct nic_info *i)
{
	(void)i;
	++*(unsigned int *)arg;
	return 0;
}

static void away(struct fx *f, struct elsewhere *e, struct upper_config u, unsigned int address, uint32_t *ifindex)
{
	static const struct away_ops ops = { .receive = elsewhere_receive, .gone = elsewhere_gone };
	struct nic_config c = { .upper = u, .away = &ops, .away_ctx = e };

	c.upper.lower = f->lower;
	sim_mac(c.mac, address);
	assert_int_equal(upper_new(f->s, &c, ifindex), 0);
}

static void what_stands_for_another_stacks_is_not_seen(void **state)
{
	const struct upper_config vlan = { .type = UPPER_VLAN, .vlan_proto = 0x8100, .vlan_id = 5 };
	const struct upper_config macvlan = { .type = UPPER_MACVLAN, .macvlan_mode = MACVLAN_BRIDGE };
	struct fx *f = *state;
	struct elsewhere v = { 0 }, m = { 0 };
	unsigned int seen = 0;
	uint32_t vi, mi, other;
	struct list pkts;
	uint8_t mac[6];
	struct pkt *p;

	away(f, &v, vlan, 0, &vi);
	away(f, &m, macvlan, 1, &mi);
	assert_false(nic_exists(f->s, vi) || nic_exists(f->s, mi));
	assert_int_equal(nic_by_name(f->s, ""), 0);
	assert_int_equal(nic_for_each(f->s, count_nics, &seen), 0);
	assert_int_equal(seen, 2); /* lo and the lower one */
	assert_int_equal(nic_remove(f->s, vi), -ENODEV);
	assert_int_equal(make_vlan(f, f->lower, 0x8100, 5, &other), -EEXIST);
	assert_int_equal(make_vlan(f, vi, 0x8100, 5, &other), -ENODEV);
	assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, 2, &other), 0);
	arrive_for(f, 0, "81000005");
	assert_int_equal(v.received, 1);
	arrive_for(f, 1, "");
	assert_int_equal(m.received, 1);
	sim_mac(mac, 1);
	leave(f, other, mac, 2); /* a sibling */
	assert_int_equal(m.received, 2);

	assert_int_equal(upper_away_set_mac(f->s, mi, (const uint8_t[]){ 2, 0, 0, 0, 0, 3 }), -EADDRINUSE);
	sim_mac(mac, 9);
	assert_int_equal(upper_away_set_mac(f->s, mi, mac), 0);
	arrive_for(f, 9, "");
	assert_int_equal(m.received, 3);

	list_init(&pkts);
	p = pkt_new(PKT_HEADROOM, 60);
	memset(pkt_append(p, 60), 1, 60);
	list_append(&pkts, &p->node);
	f->tap.out = 0;
	upper_away_send(f->s, vi, &pkts);
	assert_int_equal(f->tap.out, 1);
	assert_memory_equal(f->tap.last + 12, "\x81\0\0\5\1", 5);

	/* Down and up with the lower one. */
	assert_int_equal(nic_set_flags(f->s, f->lower, 0, IFF_UP), 0);
	assert_int_equal(nic_set_flags(f->s, f->lower, IFF_UP, IFF_UP), 0);
	arrive_for(f, 0, "81000005");
	assert_int_equal(v.received, 2);
	upper_away_remove(f->s, mi);
	assert_int_equal(m.gone, 1);
	arrive_for(f, 9, "");
	assert_int_equal(m.received, 3);
	assert_int_equal(nic_remove(f->s, f->lower), 0);
	assert_int_equal(v.gone, 1);
}

/* Each sends to the others what it gets from the bridge, which sends it to the others what it gets from each. */
static void macvlans_that_are_ports_make_no_endless_storm(void **state)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	enum { MANY = 40 };
	struct fx *f = *state;
	struct nic_config c = { .name = "br0", .mtu = 1500, .noarp = true };
	uint32_t br, m[MANY];
	struct nic_info i;
	uint8_t to[6];

	sim_mac(c.mac, 70);
	assert_int_equal(bridge_new(f->s, &c, &br), 0);
	assert_int_equal(nic_set_flags(f->s, br, IFF_UP, IFF_UP), 0);
	for (unsigned int k = 0; k < MANY; k++) {
		assert_int_equal(make_macvlan(f, MACVLAN_BRIDGE, k + 1, &m[k]), 0);
		assert_int_equal(bridge_add_port(f->s, br, m[k]), 0);
		if (k == 1) { /* two alone send it to and fro, and it stays one */
			arrive(f, all, 99, "");
			assert_int_equal(nic_info(f->s, m[0], &i), 0);
			assert_in_range(i.stats.rx_dropped, 1, 10);
		}
	}
	arrive(f, all, 99, "");
	assert_int_equal(nic_info(f->s, m[0], &i), 0);
	assert_in_range(i.stats.rx_packets, 1, 10000); /* how many there are is bounded too */
	assert_true(i.stats.rx_dropped > 10);
	for (unsigned int k = 0; k < MANY; k++)
		assert_int_equal(bridge_del_port(f->s, br, m[k]), 0);
	got(f, m[1]);
	sim_mac(to, 2);
	leave(f, m[0], to, 1);
	assert_int_equal(got(f, m[1]), 1);
}

#define T(name) UNIT_FIXTURE(name, setup, teardown)

UNIT_MAIN(T(a_vlan_gets_its_tag_alone), T(a_vlan_puts_its_tag_in), T(macvlans_share_a_link_by_their_addresses),
	  T(passthru_is_alone_and_takes_all), T(they_follow_the_lower_interface), T(what_stands_on_a_bridge_is_no_port),
	  T(on_an_interface_of_the_hosts),
	  T(a_priority_says_nothing_of_what_is_behind_it), T(what_stands_for_another_stacks_is_not_seen), T(macvlans_that_are_ports_make_no_endless_storm))
