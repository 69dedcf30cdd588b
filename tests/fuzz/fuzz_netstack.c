/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_netstack.c: hostile packets, and a hostile sequence of calls, into a stack with open sockets.
 *
 * The input is a list of actions: raw frames; segments and datagrams made plausible (addresses,
 * ports, numbers near those that the stack sent last, checksums taken as right); time that passes;
 * calls on sockets, with stamps asked for by option and by message; receive rings of packet sockets, which are set up,
 * scribbled on, given back and taken down, and their fanout; policy rules, tables, lookups.  Afterwards everything is closed, time runs out, and the stack must hold no memory.
 *
 * The last byte of the input draws what stands on the interface: nothing, or VLANs, macvlans, a bridge, on each other too,
 * each with addresses of its own, which packets may then come by; the sequence of calls changes and removes them.
 *
 * At the end it says how many packets all inputs together were.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/uio.h"
#include "netstack/ep.h"
#include "netstack/lock.h"
#include "netstack/pkt.h"
#include "netstack/sockaddr.h"
#include "netstack/stack.h"
#include "netstack/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EPS   12
#define LINKS 6
#define TAGS  4

/* What stands on the interface, and how a frame for it begins. */
struct fuzz_link {
	uint32_t ifindex; /* 0: none */
	uint8_t mac[ETH_ALEN];
	unsigned int ntags;
	struct {
		uint16_t proto, id;
	} tags[TAGS];
};

struct world {
	const uint8_t *in;
	size_t left;
	int64_t now_ns;
	uint64_t rng;
	struct stack *s;
	uint32_t ifindex;
	struct ep *eps[EPS];
	uint8_t *ring[EPS]; /* of packet sockets: exactly as large as the ring */
	size_t ring_size[EPS];
	/* of the last TCP segment that came out */
	uint32_t seq, ack;
	uint16_t sport, dport;
	bool v6;
	struct fuzz_link links[LINKS]; /* the first is the interface itself */
	unsigned int via;              /* the one whose addresses are used */
	uint8_t how_via;               /* a stray tag, for many, as a segment that the host has cut */
	bool stacked;
};

static unsigned long long inputs, packets;

static void say_counts(void)
{
	dprintf(1, "fuzz_netstack: %llu inputs, %llu packets\n", inputs, packets);
}

static uint8_t take(struct world *w)
{
	if (!w->left)
		return 0;
	w->left--;
	return *w->in++;
}

static uint16_t take16(struct world *w)
{
	uint16_t hi = take(w);

	return (uint16_t)(hi << 8 | take(w));
}

static int64_t world_now(void *ctx)
{
	return ((struct world *)ctx)->now_ns;
}

static void world_random(void *ctx, void *p, size_t size)
{
	struct world *w = ctx;

	for (size_t i = 0; i < size; i++) {
		w->rng = w->rng * 6364136223846793005ULL + 1442695040888963407ULL;
		((uint8_t *)p)[i] = (uint8_t)(w->rng >> 56);
	}
}

static void world_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct world *w = ctx;
	uint8_t b[160] = { 0 }, *h = b + ETH_HLEN;

	(void)q;
	/* What a vnet header is made from: link_vnet_header(). */
	if ((p->flags & PKT_CSUM_PARTIAL) &&
	    (p->trans < p->data || p->trans + p->csum_off + 2 > p->data + p->head_len))
		abort();
	if (p->gso_size && (p->trans < p->data || p->trans + (p->gso_type == GSO_UDP ? 8 : 20) > p->data + p->head_len))
		abort();
	pkt_copy(p, 0, b, p->len < 128 ? p->len : 128);
	while (h < b + 64 && (rd16(h - 2) == ETHERTYPE_VLAN || rd16(h - 2) == ETHERTYPE_QINQ))
		h += 4;
	if ((h[0] >> 4 == 4 && h[9] == PROTO_TCP) || (h[0] >> 4 == 6 && h[6] == PROTO_TCP)) {
		w->v6 = h[0] >> 4 == 6;
		h += w->v6 ? IP6_HLEN : IP4_HLEN;
		w->sport = rd16(h);
		w->dport = rd16(h + 2);
		w->seq = rd32(h + 4);
		w->ack = rd32(h + 8);
	}
	pkt_free(p);
}

static const struct stack_ops ops = { .now_ns = world_now, .real_ns = world_now, .random = world_random };
static const struct link_ops link_ops = { .transmit = world_transmit };

/* On the interface that packets come by just now. */
static struct ipa ours(const struct world *w, bool v6)
{
	return v6 ? (struct ipa){ .b = { 0xfd, (uint8_t)w->via, [15] = 1 } } : ipa_v4(htonl(0x0a000001 | w->via << 8));
}

static struct ipa theirs(const struct world *w, bool v6)
{
	return v6 ? (struct ipa){ .b = { 0xfd, (uint8_t)w->via, [15] = 2 } } : ipa_v4(htonl(0x0a000002 | w->via << 8));
}

static struct net_addr addr(bool v6, struct ipa ip, uint16_t port)
{
	return (struct net_addr){ .family = v6 ? AF_INET6 : AF_INET, .ip = ip, .port = port };
}

/* Up, with addresses and neighbours. */
static void link_settle(struct world *w, unsigned int k)
{
	uint32_t ifindex = w->links[k].ifindex;
	struct addr_info a;

	w->via = k;
	nic_set_flags(w->s, ifindex, IFF_UP, IFF_UP);
	a = (struct addr_info){ .ifindex = ifindex, .addr = ours(w, false), .plen = 24, .broadcast = ours(w, false) };
	a.broadcast.b[15] = 255;
	addr_add(w->s, &a);
	a = (struct addr_info){ .ifindex = ifindex, .addr = ours(w, true), .plen = 64, .nodad = 1 };
	addr_add(w->s, &a);
	for (int v6 = 0; v6 < 2; v6++) {
		struct neigh_info n = { .ifindex = ifindex, .addr = theirs(w, v6), .mac = { 2, 0, 0, 0, 0, 2 } };

		neigh_add(w->s, &n);
	}
	w->via = 0;
}

/* A VLAN (vlan: its tag) or macvlan (vlan 0: its mode) on one of the others. */
static void link_new(struct world *w, unsigned int lower, uint16_t vlan, uint16_t id_or_mode)
{
	struct nic_config c = { .upper = { .type = vlan ? UPPER_VLAN : UPPER_MACVLAN, .lower = w->links[lower].ifindex,
					   .vlan_proto = vlan, .vlan_id = id_or_mode, .macvlan_mode = (uint8_t)id_or_mode } };
	struct fuzz_link l = w->links[lower];
	unsigned int k = 1;

	while (k < LINKS && w->links[k].ifindex)
		k++;
	if (k == LINKS || (vlan && l.ntags == TAGS))
		return;
	c.name[0] = 'u';
	c.name[1] = (char)('0' + k);
	if (!vlan)
		memcpy(c.mac, (uint8_t[]){ 2, 0, 0, 0, 1, (uint8_t)k }, ETH_ALEN);
	if (upper_new(w->s, &c, &l.ifindex) < 0)
		return;
	memcpy(l.mac, c.mac, ETH_ALEN);
	if (vlan) {
		l.tags[l.ntags].proto = vlan;
		l.tags[l.ntags++].id = id_or_mode;
	}
	w->links[k] = l;
	link_settle(w, k);
}

static void bridge_start(struct world *w)
{
	struct nic_config c = { .name = "br0", .mac = { 2, 0, 0, 0, 2, 0 }, .mtu = 1500 };
	struct fuzz_link *l = &w->links[LINKS - 2];
	struct nic_config port = { .name = "v0", .type = LINK_ETHERNET, .mac = { 2, 0, 0, 0, 2, 1 }, .mtu = 1500,
				   .kind = "veth", .ops = &link_ops, .ctx = w };

	if (bridge_new(w->s, &c, &l->ifindex) < 0 || nic_add(w->s, &port, &w->links[LINKS - 1].ifindex) < 0)
		abort();
	memcpy(l->mac, c.mac, ETH_ALEN);
	memcpy(w->links[LINKS - 1].mac, port.mac, ETH_ALEN);
	link_settle(w, LINKS - 2);
	nic_set_flags(w->s, w->links[LINKS - 1].ifindex, IFF_UP, IFF_UP);
	(void)!bridge_add_port(w->s, l->ifindex, w->ifindex);
	(void)!bridge_add_port(w->s, l->ifindex, w->links[LINKS - 1].ifindex);
}

static void world_start(struct world *w, uint8_t how)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct nic_config c = { .name = "eth0", .type = LINK_ETHERNET, .mtu = 1500, .ops = &link_ops,
				.ctx = w };

	net_single_threaded();
	w->now_ns = 1000 * NSEC_PER_SEC;
	w->s = stack_new(&ops, w);
	if (!w->s)
		abort();
	memcpy(c.mac, mac, 6);
	w->stacked = how & 128;
	if (w->stacked) {
		c.kind = how & 64 ? NULL : "veth"; /* NULL: one of the host's */
		c.features = how & 32 ? LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6 : 0;
	}
	nic_set_flags(w->s, 1, IFF_UP, IFF_UP);
	if (nic_add(w->s, &c, &w->ifindex) < 0)
		abort();
	w->links[0].ifindex = w->ifindex;
	memcpy(w->links[0].mac, mac, ETH_ALEN);
	link_settle(w, 0);
	if (!w->stacked)
		return;
	if (how & 16)
		bridge_start(w);
	if (how & 1)
		link_new(w, how & 16 ? LINKS - 2 : 0, ETHERTYPE_VLAN, 5);
	if (how & 2)
		link_new(w, how & 1, how & 1 ? ETHERTYPE_VLAN : ETHERTYPE_QINQ, 6);
	if (how & 4)
		link_new(w, how & 8 ? 1 : 0, 0, MACVLAN_BRIDGE);
	if ((how & 12) == 12)
		link_new(w, 1, 0, MACVLAN_VEPA);
	else if (how & 4)
		link_new(w, 0, 0, MACVLAN_BRIDGE);
}

static void world_sockets(struct world *w)
{
	static const struct {
		int family, type, proto;
	} kinds[] = {
		{ AF_INET6, SOCK_STREAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 }, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP },
		{ AF_INET, SOCK_RAW, IPPROTO_UDP }, { AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
		{ AF_PACKET, SOCK_RAW, ETHERTYPE_ALL },
	};
	static const int told[] = { IPV6_RECVHOPOPTS, IPV6_RECVRTHDR, IPV6_RECVDSTOPTS, IPV6_2292HOPOPTS, IPV6_2292RTHDR,
				    IPV6_2292DSTOPTS };
	struct net_addr a = addr(true, ipa_any6(), 80);
	int on = 1;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (ep_new(w->s, kinds[i].family, kinds[i].type, kinds[i].proto, &w->eps[i]) < 0)
			abort();
	ep_bind(w->eps[0], &a);
	ep_listen(w->eps[0], 4);
	ep_bind(w->eps[1], &a);
	ep_setopt(w->eps[1], IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		ep_setopt(w->eps[1], IPPROTO_IPV6, told[i], &on, sizeof(on));
		ep_setopt(w->eps[4], IPPROTO_IPV6, told[i], &on, sizeof(on));
	}
}

/* The Ethernet header of a packet to where w->via says. */
static void ether_header(struct world *w, struct pkt *p, uint16_t type)
{
	const struct fuzz_link *l = &w->links[w->via];
	uint8_t *at = pkt_append(p, 2 * ETH_ALEN);

	memcpy(at, l->mac, ETH_ALEN);
	memcpy(at + ETH_ALEN, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, ETH_ALEN);
	if (w->how_via & 1)
		at[0] = 0xff;
	if (w->how_via & 2) /* a sibling's, which came back */
		at[ETH_ALEN + 4] = 1;
	if (w->how_via & 4)
		memcpy(pkt_append(p, 4), (uint8_t[]){ 0x81, 0, 0x60, 0 }, 4);
	for (unsigned int i = 0; i < l->ntags; i++) {
		at = pkt_append(p, 4);
		wr16(at, l->tags[i].proto);
		wr16(at + 2, l->tags[i].id);
	}
	if (w->how_via & 8)
		memcpy(pkt_append(p, 4), (uint8_t[]){ 0x81, 0, 0, 0 }, 4);
	wr16(pkt_append(p, 2), type);
}

static void input(struct world *w, const uint8_t *l3, size_t size, uint16_t type)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, ETH_HLEN + (TAGS + 2) * 4 + size);

	if (!p)
		abort();
	ether_header(w, p, type);
	memcpy(pkt_append(p, size), l3, size);
	p->flags = PKT_CSUM_OK;
	if (w->how_via & 16) { /* whatever the host says */
		p->gso_size = 100;
		p->gso_type = w->how_via & 32 ? GSO_UDP : w->how_via & 64 ? GSO_TCP6 : GSO_TCP4;
	}
	packets++;
	nic_input(w->s, w->ifindex, p);
}

static void raw_frame(struct world *w)
{
	size_t n = take(w);
	struct pkt *p;

	if (n > w->left)
		n = w->left;
	p = pkt_new(PKT_HEADROOM, n);
	if (!p)
		abort();
	memcpy(pkt_append(p, n), w->in, n);
	w->in += n;
	w->left -= n;
	packets++;
	nic_input(w->s, w->ifindex, p);
}

/* An IP packet around `size` bytes of transport header and payload. */
static void ip_packet(struct world *w, bool v6, uint8_t proto, uint8_t *buf, size_t size, uint16_t frag)
{
	uint8_t *p = buf - (v6 ? IP6_HLEN : IP4_HLEN);

	if (v6) {
		memset(p, 0, IP6_HLEN);
		p[0] = 0x60;
		wr16(p + 4, (uint16_t)size);
		p[6] = proto;
		p[7] = 255;
		memcpy(p + 8, theirs(w, true).b, 16);
		memcpy(p + 24, ours(w, true).b, 16);
		input(w, p, IP6_HLEN + size, ETHERTYPE_IP6);
		return;
	}
	memset(p, 0, IP4_HLEN);
	p[0] = 0x45;
	wr16(p + 2, (uint16_t)(IP4_HLEN + size));
	wr16(p + 4, 77);
	wr16(p + 6, frag);
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, &theirs(w, false).b[12], 4);
	memcpy(p + 16, &ours(w, false).b[12], 4);
	{
		uint32_t sum = 0;

		for (int i = 0; i < IP4_HLEN; i += 2)
			sum += rd16(p + i);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		wr16(p + 10, (uint16_t)~sum);
	}
	input(w, p, IP4_HLEN + size, ETHERTYPE_IP4);
}

static void tcp_segment(struct world *w)
{
	uint8_t buf[64 + 60 + 1600] = { 0 }, *h = buf + 64;
	uint8_t how = take(w), olen = take(w) % 41;
	size_t plen = (how & 1) ? take16(w) % 1400 : 0, n;
	bool v6 = how & 2 ? w->v6 : how & 4;

	olen = (uint8_t)(olen & ~3U);
	wr16(h, how & 8 ? w->dport : (uint16_t)(40000 + (how >> 5)));
	wr16(h + 2, how & 8 ? w->sport : 80);
	wr32(h + 4, w->ack + (uint32_t)(int8_t)take(w) * (how & 16 ? 100U : 1U));
	wr32(h + 8, w->seq + (uint32_t)(int8_t)take(w) * (how & 32 ? 100U : 1U));
	h[12] = (uint8_t)((TCP_HLEN + olen) / 4 << 4);
	h[13] = take(w);
	wr16(h + 14, take16(w));
	wr16(h + 18, take(w));
	for (n = 0; n < olen; n++)
		h[TCP_HLEN + n] = take(w);
	/* SACK blocks near what is in flight. */
	if (olen >= 12 && (how & 64)) {
		h[TCP_HLEN] = h[TCP_HLEN + 1] = 1;
		h[TCP_HLEN + 2] = 5;
		h[TCP_HLEN + 3] = 10;
		wr32(h + TCP_HLEN + 4, w->seq + (uint32_t)(int8_t)h[TCP_HLEN + 4] * 300U);
		wr32(h + TCP_HLEN + 8, w->seq + (uint32_t)(int8_t)h[TCP_HLEN + 8] * 300U);
	}
	memset(h + TCP_HLEN + olen, 'd', plen);
	ip_packet(w, v6, PROTO_TCP, h, TCP_HLEN + olen + plen, 0);
}

static void other_packet(struct world *w)
{
	uint8_t buf[64 + 256], *h = buf + 64, proto = take(w);
	size_t n = take(w);
	uint16_t frag = proto & 0x80 ? take16(w) : 0;

	static const uint8_t protos[] = { PROTO_UDP, PROTO_ICMP, PROTO_ICMP6, PROTO_IGMP, PROTO_FRAGMENT,
					  PROTO_HOPOPTS, PROTO_DSTOPTS, PROTO_ROUTING, PROTO_TCP, 200 };

	if (n > w->left)
		n = w->left;
	memcpy(h, w->in, n);
	w->in += n;
	w->left -= n;
	ip_packet(w, proto & 0x40, protos[(proto & 0x3f) % sizeof(protos)], h, n, frag);
}

/* ---- receive rings ---- */

static void ring_off(struct world *w, unsigned int i)
{
	struct ep_ring_config c = { .version = 0 };

	if (!w->ring[i])
		return;
	(void)!ep_ring_set(w->eps[i], &c, NULL);
	free(w->ring[i]);
	w->ring[i] = NULL;
}

static void ring_on(struct world *w, unsigned int i)
{
	int version = take(w) % 3, reserve = take(w) & 15 ? 0 : take16(w);
	uint8_t shape = take(w);
	struct tpacket_req3 q = { .tp_block_size = 4096U << (shape & 1), .tp_block_nr = 1 + (shape >> 1 & 3),
				  .tp_frame_size = 256U << (shape >> 3 & 3), .tp_retire_blk_tov = shape >> 5,
				  .tp_sizeof_priv = take(w) };
	struct ep_ring_config c;

	if (take(w) & 1) /* any shape at all */
		q.tp_frame_size = take16(w);
	q.tp_frame_nr = q.tp_frame_size ? q.tp_block_size / q.tp_frame_size * q.tp_block_nr : 0;
	(void)!ep_setopt(w->eps[i], SOL_PACKET, PACKET_VERSION, &version, sizeof(version));
	(void)!ep_setopt(w->eps[i], SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve));
	if (ep_ring_config(w->eps[i], &q, sizeof(q), &c) < 0 || !c.block_nr)
		return;
	w->ring_size[i] = (size_t)c.block_size * c.block_nr;
	w->ring[i] = calloc(1, w->ring_size[i]);
	if (!w->ring[i])
		abort();
	if (ep_ring_set(w->eps[i], &c, w->ring[i]) < 0) {
		free(w->ring[i]);
		w->ring[i] = NULL;
	}
}

/* What an application may do with its ring: anything. */
static void ring_call(struct world *w, unsigned int i)
{
	uint8_t how = take(w);
	size_t at, n;

	if (ep_family(w->eps[i]) != AF_PACKET)
		return;
	if (!w->ring[i]) {
		ring_on(w, i);
		return;
	}
	switch (how % 4) {
	case 0:
		ring_off(w, i);
		break;
	case 1: /* all frames or blocks are the stack's again */
		for (at = 0; at < w->ring_size[i]; at += 256)
			memset(w->ring[i] + at, 0, 16);
		break;
	case 2:
		at = (size_t)take16(w) * 4 % w->ring_size[i];
		n = take(w) % 32;
		for (; n && at < w->ring_size[i]; n--)
			w->ring[i][at++] = take(w);
		break;
	default:
		ep_poll(w->eps[i]);
	}
}

/* ---- what is asked for with more than a small number: stamps, fanout, rules ---- */

static void name_take(struct world *w, char *name)
{
	static const char names[][IFNAMSIZ] = { "", "eth0", "lo", "none" };

	memcpy(name, names[take(w) % 4], IFNAMSIZ);
}

static struct ipa some_ip(struct world *w, uint8_t family)
{
	uint8_t b = take(w);
	struct ipa ip = b & 1 ? ours(w, family == AF_INET6) : theirs(w, family == AF_INET6);

	if (b & 2)
		ip.b[15] = b;
	return b & 4 ? ipa_v4(0) : ip;
}

static int count_rule(void *arg, const struct rule_info *i)
{
	(void)i;
	return ++*(int *)arg > 64;
}

static void rule_call(struct world *w, uint8_t how)
{
	struct rule_info i = { .family = how & 1 ? AF_INET6 : AF_INET, .suppress_plen = -1 };
	struct route_info found;
	unsigned int given = take(w) & 15;
	uint8_t b = take(w);
	int seen = 0;

	i.action = b & 7 ? FR_ACT_TO_TBL : b >> 3 & 15;
	i.table = b & 8 ? RT_TABLE_MAIN : b & 16 ? 100 : take(w);
	i.priority = b & 32 ? take16(w) : 0;
	i.invert = b & 64;
	if (b & 128) {
		i.mark = take(w);
		i.mask = take(w);
		i.tos = take(w);
		i.suppress_plen = (int8_t)take(w);
	}
	if (how & 16) {
		i.src = some_ip(w, i.family);
		i.src_len = take(w);
		i.dst = some_ip(w, i.family);
		i.dst_len = take(w);
		name_take(w, i.iif);
		name_take(w, i.oif);
		i.target = i.action == FR_ACT_GOTO ? i.priority + take(w) % 8 : 0;
		i.ip_proto = given & 1 ? IPPROTO_TCP : 0;
		i.sport.from = given & 2 ? take(w) : 0;
		i.sport.to = i.sport.from ? i.sport.from + take(w) : 0;
		i.by_uid = given & 4;
	}
	switch (how >> 1 & 7) {
	case 0:
	case 1:
	case 2:
		(void)!rule_add(w->s, &i, given, how & 32);
		break;
	case 3:
		(void)!rule_del(w->s, &i, given);
		break;
	case 4:
		(void)!rule_for_each(w->s, i.family, count_rule, &seen);
		break;
	case 5: {
		struct route_info r = { .family = i.family, .type = b & 7 ? ROUTE_UNICAST : b >> 3, .table = i.table, .dst = i.dst,
					.plen = i.dst_len, .ifindex = w->ifindex, .expires_ns = INT64_MAX,
					.metric = given };

		r.gateway = b & 64 ? theirs(w, i.family == AF_INET6) : r.gateway;
		(void)!(how & 32 ? route_del(w->s, &r) : route_add(w->s, &r, ROUTE_CREATE | given));
		break;
	}
	case 6:
		nic_set_flags(w->s, w->ifindex, how & 32 ? 0 : IFF_UP, IFF_UP);
		break;
	default:
		(void)!route_get_for(w->s, &(struct route_query){ .dst = some_ip(w, i.family), .src = i.src, .mark = i.mark,
				     .ifindex = given & 1 ? w->ifindex : 0, .tos = i.tos, .proto = i.ip_proto,
				     .sport = i.sport.to, .iif = given & 2 ? w->ifindex : 0 }, &found);
	}
}

/* ---- what stands on the interface ---- */

/* A segment by a packet socket, to be cut or not; its headers are nearly right. */
static void frame_send(struct world *w, uint32_t ifindex, uint8_t how)
{
	uint8_t b[12 + ETH_HLEN + IP4_HLEN + 60 + 600] = { 0 }, *net = b + 10 + ETH_HLEN;
	struct virtio_net_hdr h = { .flags = 1, .gso_type = how & 128 ? VIRTIO_NET_HDR_GSO_TCPV4 : take(w),
				    .gso_size = take(w), .csum_start = ETH_HLEN + IP4_HLEN, .csum_offset = 16 };
	struct ep_msg m = { .has_addr = true, .addr = { .family = AF_PACKET, .scope = ifindex, .ethertype = ETHERTYPE_IP4 } };
	uint8_t at = take(w);
	int on = 10; /* the header's size */
	struct ep *e = w->eps[5];
	struct uio u;

	if (!e || ep_family(e) != AF_PACKET || ep_setopt(e, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0)
		return;
	memcpy(b, &h, sizeof(h));
	memcpy(net - ETH_HLEN, w->links[take(w) % LINKS].mac, ETH_ALEN);
	net[-2] = 8;
	net[0] = 0x45;
	net[9] = PROTO_TCP;
	net[IP4_HLEN + 12] = 5 << 4;
	if (at < 100)
		b[at] = take(w);
	uio_init_kernel(&u, b, 10 + ETH_HLEN + IP4_HLEN + 20 + take(w) * 2);
	ep_send(e, &u, &m);
	on = 0;
	ep_setopt(e, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on));
}

static void link_call(struct world *w, uint8_t how)
{
	unsigned int k = take(w) % LINKS, other = take(w) % LINKS;
	struct fuzz_link *l = &w->links[k];
	uint8_t mac[ETH_ALEN] = { 2, 0, 0, 0, 1, (uint8_t)other };

	switch (how % 9) {
	case 0:
	case 1:
		w->via = l->ifindex ? k : 0;
		w->how_via = how & 128 ? take(w) : 0;
		break;
	case 2:
		nic_set_flags(w->s, l->ifindex, how & 128 ? IFF_UP : 0, IFF_UP);
		break;
	case 3:
		nic_set_mtu(w->s, l->ifindex, take16(w));
		break;
	case 4:
		if (nic_set_mac(w->s, l->ifindex, mac) == 0)
			memcpy(l->mac, mac, ETH_ALEN);
		break;
	case 5:
		if (k && nic_remove(w->s, l->ifindex) == 0)
			*l = (struct fuzz_link){ .ifindex = 0 };
		break;
	case 6:
		if (l->ifindex)
			link_new(w, k, how & 128 ? ETHERTYPE_VLAN : how & 64 ? ETHERTYPE_QINQ : 0,
				 (uint16_t)(1U << (other & 3)));
		break;
	case 7:
		if (how & 128)
			(void)!bridge_add_port(w->s, w->links[other].ifindex, l->ifindex);
		else
			(void)!bridge_del_port(w->s, 0, l->ifindex);
		break;
	default:
		frame_send(w, l->ifindex, how);
	}
}

/* Extension headers, mostly well-formed: for all that e sends, or for one message; and what it kept of others'. */
static void ext_call(struct world *w, struct ep *e, uint8_t how)
{
	static const int names[] = { IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS, IPV6_2292HOPOPTS, IPV6_2292DSTOPTS };
	static const int told[] = { IPV6_RECVHOPOPTS, IPV6_RECVRTHDR, IPV6_RECVDSTOPTS, IPV6_2292HOPOPTS, IPV6_2292RTHDR,
				    IPV6_2292DSTOPTS, IPV6_RECVPKTINFO };
	struct ep_msg m = { .has_addr = how & 4, .addr = addr(true, how & 8 ? ours(w, true) : theirs(w, true), 80),
			    .ctl.net_raw = true };
	uint8_t kind = take(w), shape = take(w), h[256 + 8] = { 0 }, b[100];
	size_t size = (shape & 31) * 8U, given = MIN((size_t)take(w) & 31, size);
	int name = names[kind % ARRAY_SIZE(names)], on = shape & 1;
	struct uio u;

	h[1] = (uint8_t)(size / 8 - 1);
	h[2] = name == IPV6_RTHDR ? 4 : 0x1e;
	h[3] = name == IPV6_RTHDR ? kind >> 3 & 1 : (uint8_t)(size - 4);
	h[4] = name == IPV6_RTHDR ? kind >> 3 & 3 : 0;
	if (shape & 128) /* anything */
		for (size_t i = 0; i < given; i++)
			h[i + !(shape & 64) * 2] = take(w);
	switch (kind >> 6) {
	case 0:
		ep_setopt(e, IPPROTO_IPV6, name, h, size + (shape >> 5 & 1));
		break;
	case 1:
		(void)!ep_ctl_parse(&m.ctl, AF_INET6, IPPROTO_IPV6, name, h, size);
		(void)!ep_ctl_parse(&m.ctl, AF_INET6, IPPROTO_IPV6, names[shape % ARRAY_SIZE(names)], h, size);
		uio_init_kernel(&u, h, sizeof(h));
		if (kind & 32)
			ep_set_ext(e, m.ctl.ext);
		else
			ep_send(e, &u, &m);
		break;
	case 2:
		ep_setopt(e, IPPROTO_IPV6, told[kind % ARRAY_SIZE(told)], &on, sizeof(on));
		break;
	default:
		size = MIN(size, sizeof(b));
		ep_getopt(e, IPPROTO_IPV6, kind & 1 ? IPV6_2292PKTOPTIONS : name, b, &size);
	}
	ep_msg_fini(&m);
}

static void wide_call(struct world *w, struct ep *e, uint8_t how)
{
	int v;

	switch (how % 4) {
	case 0:
		v = take16(w); /* SOF_TIMESTAMPING_* */
		ep_setopt(e, SOL_SOCKET, how & 4 ? SO_TIMESTAMPING : SO_TIMESTAMPING_NEW, &v, sizeof(v));
		break;
	case 1: /* few groups, most of them of a kind that is there */
		v = (take(w) & 3) | (how & 4 ? take(w) % 7 : take(w)) << 16 | (how & 8 ? (take(w) & 127) << 24 : 0);
		ep_setopt(e, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v));
		break;
	case 3:
		v = take(w);
		w->stacked ? link_call(w, (uint8_t)v) : rule_call(w, (uint8_t)v);
		break;
	default:
		if (how & 16)
			ext_call(w, e, how);
		else
			rule_call(w, take(w));
	}
}

/* All that is told is read. */
static void told_byte(void *arg, int level, int type, const void *data, size_t size)
{
	const uint8_t *b = data;

	(void)level;
	(void)type;
	for (size_t i = 0; i < size; i++)
		*(uint8_t *)arg ^= b[i];
}

static void call(struct world *w)
{
	static char data[70000];
	uint8_t what = take(w), i = take(w) % EPS, k = take(w) % EPS;
	struct ep *e = w->eps[i], *n;
	struct ep_msg m = { .flags = 0 };
	struct net_addr a;
	struct uio u;
	int v;

	if (!e) {
		if ((what & 15) == 2)
			(void)!ep_new(w->s, AF_PACKET, what & 16 ? SOCK_DGRAM : SOCK_RAW, ETHERTYPE_ALL, &w->eps[i]);
		else if (what & 1)
			(void)!ep_new(w->s, what & 2 ? AF_INET : AF_INET6, what & 4 ? SOCK_DGRAM : SOCK_STREAM, 0,
				      &w->eps[i]);
		return;
	}
	switch (what % 13) {
	case 0:
		if (!w->eps[k] && ep_accept(e, &n, &a) == 0)
			w->eps[k] = n;
		break;
	case 1:
		a = addr(ep_family(e) == AF_INET6, what & 64 ? ours(w, ep_family(e) == AF_INET6) :
			 theirs(w, ep_family(e) == AF_INET6), (uint16_t)(what & 32 ? 80 : 40000));
		ep_connect(e, &a);
		break;
	case 2:
	case 3:
		uio_init_kernel(&u, data, take16(w));
		m.flags = take(w) & (MSG_OOB | MSG_MORE);
		if (what & 128) {
			m.has_addr = true;
			m.addr = addr(ep_family(e) == AF_INET6, theirs(w, ep_family(e) == AF_INET6), 53);
		}
		if (m.flags & MSG_MORE) {
			m.ctl.ts_flags = take16(w);
			m.ctl.mask = m.ctl.ts_flags & 1 ? EP_CTL_TSTAMPING : 0;
			m.ctl.ts_flags &= SOF_TIMESTAMPING_MASK;
		}
		ep_send(e, &u, &m);
		break;
	case 4:
	case 5:
		uio_init_kernel(&u, data, take16(w));
		m.flags = take16(w) & (MSG_PEEK | MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE);
		if (ep_recv(e, &u, &m) >= 0)
			ep_ctl_build(&m, told_byte, data);
		ep_msg_fini(&m);
		break;
	case 6:
		ep_shutdown(e, what >> 4);
		break;
	case 7:
		ep_close(e);
		free(w->ring[i]); /* not touched any more from here on */
		w->ring[i] = NULL;
		w->eps[i] = NULL;
		break;
	case 12:
		ring_call(w, i);
		break;
	case 8:
		ep_poll(e);
		ep_take_error(e);
		break;
	case 9: {
		uint8_t level = take(w), name;

		if (level >= 160) {
			wide_call(w, e, level);
			break;
		}
		name = take(w);
		v = (int8_t)take(w);
		ep_setopt(e, level % 4 == 0 ? SOL_SOCKET : level % 4 == 1 ? IPPROTO_IP :
			  level % 4 == 2 ? IPPROTO_IPV6 : IPPROTO_TCP, name, &v, sizeof(v));
		break;
	}
	case 10: {
		struct linger l = { 1, 0 };

		ep_setopt(e, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		break;
	}
	default:
		ep_listen(e, what >> 5);
	}
}

static void pass(struct world *w, int64_t ns)
{
	int64_t until = w->now_ns + ns, next;

	while ((next = stack_next_deadline(w->s)) <= until) {
		if (next > w->now_ns)
			w->now_ns = next;
		stack_run_timers(w->s);
	}
	w->now_ns = until;
}

static void world_end(struct world *w)
{
	for (int i = 0; i < EPS; i++)
		if (w->eps[i]) {
			ep_close(w->eps[i]);
			free(w->ring[i]);
		}
	pass(w, 4000 * NSEC_PER_SEC);
	if (stack_memory(w->s) != 0) {
		fprintf(stderr, "%llu bytes still charged\n", (unsigned long long)stack_memory(w->s));
		abort();
	}
	stack_put(w->s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = data, .left = size ? size - 1 : 0, .rng = 1 };

	if (inputs++ == 0)
		atexit(say_counts);
	world_start(&w, size ? data[size - 1] : 0);
	world_sockets(&w);
	while (w.left) {
		uint8_t what = take(&w);

		switch (what % 8) {
		case 0:
			raw_frame(&w);
			break;
		case 1:
		case 2:
		case 3:
			tcp_segment(&w);
			break;
		case 4:
			other_packet(&w);
			break;
		case 5:
			pass(&w, (int64_t)take(&w) * (what & 128 ? 10 : 1) * 10 * NSEC_PER_MSEC);
			break;
		default:
			call(&w);
		}
	}
	world_end(&w);
	return 0;
}
