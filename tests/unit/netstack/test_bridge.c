/* SPDX-License-Identifier: Apache-2.0 */
/* test_bridge.c: bridges: where frames go, what is learnt and forgotten, ports that come and go. */
#include "tests/unit/netstack/sim.h"

#include <net/if.h>

#include "netstack/stack_impl.h"

#define PORTS 3

struct fx {
	struct sim sim; /* its clock and random numbers */
	struct sim_host host;
	struct stack *s;
	uint32_t bridge;
	uint32_t port[PORTS];
	struct sim_tap tap[PORTS];
};

/* Addresses: of port i, of the bridge (PORTS), of stations beyond. */
static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));
	struct nic_config c = { .type = LINK_ETHERNET, .mtu = 1500, .kind = "veth", .ops = sim_tap_ops(), .noarp = true };

	f->s = sim_stack(&f->sim, &f->host);
	for (unsigned int i = 0; i < PORTS; i++) {
		snprintf(c.name, sizeof(c.name), "p%u", i);
		sim_mac(c.mac, i);
		c.ctx = &f->tap[i];
		assert_int_equal(nic_add(f->s, &c, &f->port[i]), 0);
		assert_int_equal(nic_set_flags(f->s, f->port[i], IFF_UP, IFF_UP), 0);
	}
	c = (struct nic_config){ .name = "br0", .mtu = 1500, .noarp = true };
	sim_mac(c.mac, PORTS);
	assert_int_equal(bridge_new(f->s, &c, &f->bridge), 0);
	assert_int_equal(nic_set_flags(f->s, f->bridge, IFF_UP, IFF_UP), 0);
	for (unsigned int i = 0; i < PORTS; i++)
		assert_int_equal(bridge_add_port(f->s, f->bridge, f->port[i]), 0);
	for (unsigned int i = 0; i < PORTS; i++)
		f->tap[i].out = 0; /* what they said when they came up */
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

/* A frame of size bytes comes in at a port.  Type 0x88b5 is nobody's. */
static void arrive_mac(struct fx *f, unsigned int port, const uint8_t dst[6], unsigned int src, size_t size)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, size);
	uint8_t *b = pkt_append(p, size);

	memset(b, 0, size);
	memcpy(b, dst, 6);
	sim_mac(b + 6, src);
	wr16(b + 12, 0x88b5);
	nic_input(f->s, f->port[port], p);
}

static void arrive(struct fx *f, unsigned int port, unsigned int dst, unsigned int src)
{
	uint8_t to[6];

	sim_mac(to, dst);
	arrive_mac(f, port, to, src, SIM_FRAME);
}

static void arrive_for_all(struct fx *f, unsigned int port, unsigned int src)
{
	arrive_mac(f, port, (const uint8_t[6]){ 255, 255, 255, 255, 255, 255 }, src, SIM_FRAME);
}

/* What has left at the ports since the last call: three digits. */
static unsigned int went_out(struct fx *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PORTS; i++) {
		n = n * 10 + f->tap[i].out;
		f->tap[i].out = 0;
	}
	return n;
}

static struct nic_info info(struct fx *f, uint32_t ifindex)
{
	struct nic_info i;

	assert_int_equal(nic_info(f->s, ifindex, &i), 0);
	return i;
}

/* Frames that the bridge's own stack has had, OTHERHOST ones not: of our type all are dropped there. */
static uint64_t went_up(struct fx *f)
{
	return info(f, f->bridge).stats.rx_dropped;
}

static void what_nobody_was_seen_at_goes_to_all_other_ports(void **state)
{
	struct fx *f = *state;

	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 11);
	assert_int_equal(went_up(f), 0);
	assert_int_equal(f->tap[1].last[5], 51);
	assert_int_equal(f->tap[1].last[11], 41);
}

static void what_is_for_all_goes_to_all_other_ports_and_up(void **state)
{
	struct fx *f = *state;

	arrive_for_all(f, 1, 40);
	assert_int_equal(went_out(f), 101);
	assert_int_equal(went_up(f), 1);
	arrive_mac(f, 1, (const uint8_t[6]){ 1, 0, 0x5e, 0, 0, 1 }, 40, SIM_FRAME);
	assert_int_equal(went_out(f), 101);
	assert_int_equal(went_up(f), 2);
}

static void a_station_that_was_seen_gets_its_frames_alone(void **state)
{
	struct fx *f = *state;

	arrive_for_all(f, 2, 40);
	went_out(f);
	arrive(f, 0, 40, 41);
	assert_int_equal(went_out(f), 1);
	arrive(f, 2, 41, 40);
	assert_int_equal(went_out(f), 100);
	arrive(f, 1, 40, 42); /* it has moved */
	arrive(f, 1, 99, 40);
	went_out(f);
	arrive(f, 0, 40, 41);
	assert_int_equal(went_out(f), 10);
	assert_int_equal(went_up(f), 1);
}

static void a_frame_is_never_sent_back_to_its_port(void **state)
{
	struct fx *f = *state;

	arrive_for_all(f, 0, 40);
	went_out(f);
	arrive(f, 0, 40, 41);
	assert_int_equal(went_out(f), 0);
	assert_int_equal(went_up(f), 1);
}

static void a_station_that_is_silent_for_300_s_is_forgotten(void **state)
{
	struct fx *f = *state;

	arrive_for_all(f, 0, 40);
	went_out(f);
	f->sim.now_ns += 299 * NSEC_PER_SEC;
	arrive(f, 1, 40, 41);
	assert_int_equal(went_out(f), 100);
	f->sim.now_ns += 2 * NSEC_PER_SEC;
	arrive(f, 1, 40, 41);
	assert_int_equal(went_out(f), 101);
}

static void a_group_is_no_station(void **state)
{
	struct fx *f = *state;
	struct pkt *p = pkt_new(PKT_HEADROOM, SIM_FRAME);
	uint8_t *b = pkt_append(p, SIM_FRAME);

	memset(b, 255, SIM_FRAME); /* from everybody: never learnt */
	nic_input(f->s, f->port[0], p);
	went_out(f);
	arrive_for_all(f, 1, 40);
	assert_int_equal(went_out(f), 101);
}

static void what_is_for_the_bridge_or_its_port_goes_up_alone(void **state)
{
	struct fx *f = *state;

	arrive(f, 0, PORTS, 40);
	assert_int_equal(went_out(f), 0);
	assert_int_equal(went_up(f), 1);
	arrive(f, 1, 1, 40); /* the port's own address */
	assert_int_equal(went_out(f), 0);
	assert_int_equal(went_up(f), 2);
	assert_int_equal(info(f, f->port[1]).stats.rx_dropped, 0); /* not the port's any more */
}

static void a_promiscuous_bridge_sees_what_it_sends_on(void **state)
{
	struct fx *f = *state;

	assert_int_equal(nic_set_flags(f->s, f->bridge, IFF_PROMISC, IFF_PROMISC), 0);
	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 11);
	assert_int_equal(info(f, f->bridge).stats.rx_packets, 1);
}

static void frames_of_bridges_among_themselves_go_nowhere(void **state)
{
	struct fx *f = *state;

	arrive_mac(f, 0, (const uint8_t[6]){ 1, 0x80, 0xc2, 0, 0, 0 }, 40, SIM_FRAME);
	arrive_mac(f, 0, (const uint8_t[6]){ 1, 0x80, 0xc2, 0, 0, 14 }, 40, SIM_FRAME);
	assert_int_equal(went_out(f), 0);
	assert_int_equal(went_up(f), 0);
	assert_int_equal(info(f, f->port[0]).stats.rx_dropped, 2);
}

static void a_frame_longer_than_a_port_takes_is_dropped_there(void **state)
{
	struct fx *f = *state;
	uint8_t to[6];

	sim_mac(to, 50);
	assert_int_equal(nic_set_mtu(f->s, f->port[2], 1000), 0);
	arrive_mac(f, 0, to, 40, 14 + 4 + 1000); /* a VLAN tag may be in it */
	assert_int_equal(went_out(f), 11);
	arrive_mac(f, 0, to, 40, 14 + 4 + 1001);
	assert_int_equal(went_out(f), 10);
	assert_int_equal(info(f, f->port[2]).stats.tx_dropped, 1);
}

static void a_port_or_bridge_that_is_down_takes_nothing(void **state)
{
	struct fx *f = *state;

	assert_int_equal(nic_set_flags(f->s, f->port[1], 0, IFF_UP), 0);
	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 1);
	assert_int_equal(nic_set_flags(f->s, f->bridge, 0, IFF_UP), 0);
	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 0);
	assert_int_equal(info(f, f->port[0]).stats.rx_dropped, 1);
}

static void a_port_that_leaves_takes_its_stations_along(void **state)
{
	struct fx *f = *state;

	arrive_for_all(f, 0, 40);
	went_out(f);
	assert_int_equal(info(f, f->port[0]).master, f->bridge);
	assert_int_equal(bridge_del_port(f->s, f->bridge, f->port[0]), 0);
	assert_int_equal(info(f, f->port[0]).master, 0);
	arrive(f, 1, 40, 41);
	assert_int_equal(went_out(f), 1); /* to who is left */
	arrive_for_all(f, 0, 42);         /* it is an interface of its own */
	assert_int_equal(went_out(f), 0);
	assert_int_equal(bridge_del_port(f->s, f->bridge, f->port[0]), -EINVAL);
}

static void an_interface_that_is_removed_is_no_port_any_more(void **state)
{
	struct fx *f = *state;

	assert_int_equal(nic_remove(f->s, f->port[2]), 0);
	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 10);
	assert_int_equal(nic_remove(f->s, f->bridge), 0);
	assert_int_equal(info(f, f->port[0]).master, 0);
	arrive(f, 0, 50, 40);
	assert_int_equal(went_out(f), 0);
}

static void who_can_be_a_port(void **state)
{
	struct fx *f = *state;
	struct nic_config c = { .name = "eth0", .type = LINK_ETHERNET, .mtu = 1500, .ops = sim_tap_ops(), .ctx = &f->tap[0] };
	uint32_t eth, other;

	assert_int_equal(nic_add(f->s, &c, &eth), 0); /* over a link of the host's: no kind */
	assert_int_equal(bridge_add_port(f->s, f->bridge, eth), -EOPNOTSUPP);
	assert_int_equal(bridge_add_port(f->s, f->bridge, f->port[0]), -EBUSY);
	assert_int_equal(bridge_add_port(f->s, f->bridge, 999), -ENODEV);
	assert_int_equal(bridge_add_port(f->s, 999, f->port[0]), -ENODEV);
	assert_int_equal(bridge_add_port(f->s, f->port[1], f->port[0]), -EOPNOTSUPP);
	assert_int_equal(bridge_add_port(f->s, f->bridge, 1), -EINVAL); /* lo */
	c = (struct nic_config){ .name = "br1", .mtu = 1500 };
	assert_int_equal(bridge_new(f->s, &c, &other), 0);
	assert_int_equal(bridge_add_port(f->s, f->bridge, other), -ELOOP);
	assert_int_equal(bridge_add_port(f->s, other, f->port[0]), -EBUSY);
	assert_true(nic_is_bridge(f->s, other));
	assert_false(nic_is_bridge(f->s, eth));
	assert_int_equal(bridge_del_port(f->s, other, f->port[0]), -EINVAL);
	assert_int_equal(bridge_del_port(f->s, 0, f->port[0]), 0); /* of whichever it is one */
	assert_int_equal(bridge_add_port(f->s, other, f->port[0]), 0);
}

static void what_the_bridge_sends_goes_where_the_station_was_seen(void **state)
{
	struct fx *f = *state;
	struct addr_info a = { .ifindex = f->bridge, .addr = ipa_v4(htonl(0x0a000001)), .plen = 24,
			       .broadcast = ipa_v4(htonl(0x0a0000ff)) };
	struct neigh_info n = { .ifindex = f->bridge, .addr = ipa_v4(htonl(0x0a000002)) };
	struct net_addr to = { .family = AF_INET, .ip = n.addr, .port = 9 };
	struct ep_msg m = { .has_addr = true, .addr = to };
	struct ep *e;
	struct uio u;
	char x = 'x';

	assert_int_equal(addr_add(f->s, &a), 0);
	sim_mac(n.mac, 40);
	assert_int_equal(neigh_add(f->s, &n), 0);
	went_out(f);
	assert_int_equal(ep_new(f->s, AF_INET, SOCK_DGRAM, 0, &e), 0);
	uio_init_kernel(&u, &x, 1);
	assert_int_equal(ep_send(e, &u, &m), 1);
	assert_int_equal(went_out(f), 111);
	arrive_for_all(f, 1, 40);
	went_out(f);
	uio_init_kernel(&u, &x, 1);
	assert_int_equal(ep_send(e, &u, &m), 1);
	assert_int_equal(went_out(f), 10);
	assert_int_equal(f->tap[1].last[11], PORTS + 1);
	ep_close(e);
	assert_int_equal(addr_del(f->s, &a), 0);
}

/* As when it leaves the bridge between link_input()'s look and bridge_input()'s. */
static void a_frame_of_a_port_that_has_just_left_is_dropped(void **state)
{
	struct fx *f = *state;
	struct nic *port = nic_peek(f->s, f->port[0]);
	struct pkt *p = pkt_new(PKT_HEADROOM, SIM_FRAME);
	struct txq q;

	memset(pkt_append(p, SIM_FRAME), 0, SIM_FRAME);
	assert_int_equal(bridge_del_port(f->s, f->bridge, f->port[0]), 0);
	txq_init(&q, f->s);
	bridge_input(&q, port, p);
	assert_int_equal(info(f, f->port[0]).stats.rx_dropped, 1);
	assert_int_equal(went_out(f), 0);
}

static int made_a_port;

static void make_it_a_port(void *arg, enum stack_event what, const void *info)
{
	struct fx *f = arg;
	const struct nic_info *i = info;

	if (what == STACK_LINK && strcmp(i->name, "br1") == 0)
		made_a_port = bridge_add_port(f->s, f->bridge, i->ifindex);
}

static void a_bridge_that_is_being_made_is_no_port(void **state)
{
	struct fx *f = *state;
	struct nic_config c = { .name = "br1", .mtu = 1500, .noarp = true };
	uint32_t index;

	made_a_port = 1;
	stack_set_event_fn(f->s, make_it_a_port, f);
	sim_mac(c.mac, PORTS + 1);
	assert_int_equal(bridge_new(f->s, &c, &index), 0);
	stack_set_event_fn(f->s, NULL, NULL);
	assert_int_equal(made_a_port, -ELOOP);
}

#define T(name) UNIT_FIXTURE(name, setup, teardown)

UNIT_MAIN(T(what_nobody_was_seen_at_goes_to_all_other_ports), T(what_is_for_all_goes_to_all_other_ports_and_up),
	  T(a_station_that_was_seen_gets_its_frames_alone), T(a_frame_is_never_sent_back_to_its_port),
	  T(a_station_that_is_silent_for_300_s_is_forgotten), T(a_group_is_no_station),
	  T(what_is_for_the_bridge_or_its_port_goes_up_alone), T(a_promiscuous_bridge_sees_what_it_sends_on),
	  T(frames_of_bridges_among_themselves_go_nowhere), T(a_frame_longer_than_a_port_takes_is_dropped_there),
	  T(a_port_or_bridge_that_is_down_takes_nothing), T(a_port_that_leaves_takes_its_stations_along),
	  T(an_interface_that_is_removed_is_no_port_any_more), T(who_can_be_a_port),
	  T(what_the_bridge_sends_goes_where_the_station_was_seen), T(a_frame_of_a_port_that_has_just_left_is_dropped),
	  T(a_bridge_that_is_being_made_is_no_port))
