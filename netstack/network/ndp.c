/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ndp.c: IPv6 neighbour discovery (RFC 4861), duplicate address detection (RFC 4862), router
 * solicitation and stateless addresses when the setting accept_ra asks for it.
 *
 * Every message must have a hop limit of 255 (so it comes from the link), code 0 and well-formed
 * options.  Redirects are not taken.  Addresses from advertisements are modified EUI-64, at most
 * as many as max_addresses an interface.
 */
#include <linux/rtnetlink.h>

#include "netstack/icmp_impl.h"

#define DAD_WAIT_NS      NSEC_PER_SEC
#define RA_PREFIX_METRIC 1024

enum { ND_SLLA = 1, ND_TLLA = 2, ND_PREFIX = 3, ND_MTU = 5 };

/* All options well-formed; *lla: the first of type want with an Ethernet address. */
static bool nd_options(const uint8_t *o, size_t len, uint8_t want, const uint8_t **lla)
{
	while (len) {
		size_t n;

		if (len < 2 || o[1] == 0)
			return false;
		n = o[1] * 8U;
		if (n > len)
			return false;
		if (o[0] == want && n >= 8 && !*lla)
			*lla = o + 2;
		o += n;
		len -= n;
	}
	return true;
}

void ndp_eui64(const struct nic *n, uint8_t id[8])
{
	id[0] = n->mac[0] ^ 2;
	memcpy(id + 1, n->mac + 1, 2);
	id[3] = 0xff;
	id[4] = 0xfe;
	memcpy(id + 5, n->mac + 3, 3);
}

bool ndp_is_eui64(const struct nic *n, struct ipa addr)
{
	uint8_t id[8];

	ndp_eui64(n, id);
	return n->type == LINK_ETHERNET && memcmp(addr.b + 8, id, sizeof(id)) == 0;
}

static struct ipa solicited_node(struct ipa a)
{
	static const uint8_t prefix[16] = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };
	struct ipa g = ipa_v6(prefix);

	memcpy(&g.b[13], &a.b[13], 3);
	return g;
}

static struct ipa all_nodes(void)
{
	return (struct ipa){ .b = { 0xff, 2, [15] = 1 } };
}

/* Send an ND message straight out of n, without a route. */
static void nd_send(struct txq *q, struct nic *n, struct pkt *p, struct ipa src, struct ipa dst,
		    const uint8_t *mac)
{
	struct dst d = { .nic = n, .src = src, .nexthop = dst, .mtu = atomic_load(&n->mtu),
			 .type = ROUTE_UNICAST, .valid = true };
	struct ip_out o = { .proto = PROTO_ICMP6, .ttl = 255, .tos = (uint8_t)nic_conf(n, IP6_ndisc_tclass) };
	struct icmp_hdr *h = (void *)p->data;
	struct list *last = q->pkts.prev;

	p->src = src;
	p->dst = dst;
	p->trans = p->data;
	h->csum = 0;
	h->csum = csum_fold(pkt_csum(p, 0, p->len, csum_pseudo(src, dst, PROTO_ICMP6, p->len)));
	NET_INC(q->stack, Icmp6OutMsgs);
	if (ip_output(q, &d, p, &o) == 0 && mac && q->pkts.prev != last) {
		p = list_entry(q->pkts.prev, struct pkt, node);
		ether_fill(n, p, mac);
		p->flags |= PKT_RESOLVED;
	}
}

/* type, reserved word, target, one link address option. */
static struct pkt *nd_make(struct nic *n, uint8_t type, uint32_t word, const struct ipa *target,
			   uint8_t option)
{
	size_t size = 8 + (target ? 16 : 0) + (option ? 8 : 0);
	struct pkt *p = pkt_new(PKT_HEADROOM, size);
	uint8_t *b;

	if (!p)
		return NULL;
	b = pkt_append(p, size);
	memset(b, 0, size);
	b[0] = type;
	wr32(b + 4, word);
	b += 8;
	if (target) {
		memcpy(b, target->b, 16);
		b += 16;
	}
	if (option) {
		b[0] = option;
		b[1] = 1;
		memcpy(b + 2, n->mac, ETH_ALEN);
	}
	return p;
}

/* An address of n to ask from: link-local if there is one. */
static bool nd_source(struct nic *n, struct ipa dst, struct ipa *src)
{
	bool ok;

	nrwlock_read(&n->stack->tables);
	ok = addr_select(n->stack, n, dst, 0, src);
	nrwlock_read_unlock(&n->stack->tables);
	return ok;
}

void ndp_send_ns(struct txq *q, struct nic *n, struct ipa target, const uint8_t *dst_mac, bool dad)
{
	struct ipa src = ipa_any6();
	struct pkt *p;

	if (!dad && !nd_source(n, target, &src))
		return;
	p = nd_make(n, ICMP6_NEIGH_SOLICIT, 0, &target, dad ? 0 : ND_SLLA);
	if (p)
		nd_send(q, n, p, src, dst_mac ? target : solicited_node(target), dst_mac);
}

static void ndp_send_na(struct txq *q, struct nic *n, struct ipa target, struct ipa dst,
			bool solicited)
{
	struct pkt *p = nd_make(n, ICMP6_NEIGH_ADVERT,
				(nic_conf(n, IP6_forwarding) ? 1U << 31 : 0) |
				(solicited ? 1U << 30 : 0) | 1U << 29, &target, ND_TLLA);

	if (p)
		nd_send(q, n, p, target, dst, NULL);
}

static int ndp_notify_addr(void *arg, const struct addr_info *a)
{
	struct txq *q = arg;
	struct nic *n = nic_peek(q->stack, a->ifindex);

	if (n && n->type == LINK_ETHERNET && nic_up(n) && nic_conf_or(n, IP6_ndisc_notify) && !ipa_is4(a->addr) &&
	    !(a->state & (ADDR_TENTATIVE | ADDR_DADFAILED)))
		ndp_send_na(q, n, a->addr, all_nodes(), false);
	return 0;
}

void ndp_notify(struct txq *q, struct nic *n)
{
	if (nic_conf_or(n, IP6_ndisc_notify))
		(void)addr_for_each(n->stack, ndp_notify_addr, q); /* no memory: nobody is told */
}

/* ---- duplicate address detection: consumes a reference of a ---- */

void ndp_addr_start(struct txq *q, struct nic_addr *a)
{
	struct stack *s = q->stack;
	struct addr_info info;
	bool done = false;

	nrwlock_write(&s->tables);
	if (a->dead || (a->i.state & ADDR_DADFAILED)) {
		done = true;
	} else if (a->dad_left == 0) {
		a->i.state &= (uint8_t)~ADDR_TENTATIVE;
		done = true;
	} else {
		a->dad_left--;
	}
	info = a->i;
	nrwlock_write_unlock(&s->tables);
	if (!done) {
		if (nic_up(a->nic))
			ndp_send_ns(q, a->nic, info.addr, NULL, true);
		if (ntimer_arm(s, &a->timer, stack_now(s) + DAD_WAIT_NS))
			return; /* the reference is the timer's */
	} else if (!(info.state & (ADDR_TENTATIVE | ADDR_DADFAILED)) && !a->dead) {
		if (nic_conf_or(a->nic, IP6_ndisc_notify))
			ndp_send_na(q, a->nic, info.addr, all_nodes(), false);
		stack_bump(s);
		stack_event(s, STACK_ADDR_NEW, &info);
		if (ipa_is_linklocal(info.addr))
			ndp_routers(a->nic);
		if (info.valid_until_ns != INT64_MAX &&
		    ntimer_arm(s, &a->timer, MIN(info.preferred_until_ns, info.valid_until_ns)))
			return;
	}
	nic_addr_put(a);
}

/* ---- routers ---- */

/* ipv6_accept_ra(): a router listens to others only when told so (2). */
static bool ra_wanted(const struct nic *n)
{
	int accept = nic_conf(n, IP6_accept_ra);

	return nic_conf(n, IP6_forwarding) ? accept == 2 : accept != 0;
}

/* One solicitation; the next after twice the time, a tenth more or less (RFC 7559). */
void ndp_solicit(struct nic *n)
{
	static const uint8_t all_routers[16] = { 0xff, 2, [15] = 2 };
	int64_t most = nic_conf(n, IP6_router_solicitation_max_interval) * NSEC_PER_SEC, wait;
	int count = nic_conf(n, IP6_router_solicitations);
	struct stack *s = n->stack;
	struct ipa src = ipa_any6();
	struct pkt *p;
	struct txq q;

	if (!nic_up(n) || !ra_wanted(n) || (count >= 0 && n->rs_sent >= (unsigned int)count) ||
	    !nd_source(n, ipa_v6(all_routers), &src) || !ipa_is_linklocal(src))
		return;
	txq_init(&q, s);
	p = nd_make(n, ICMP6_ROUTER_SOLICIT, 0, NULL, ND_SLLA);
	if (p)
		nd_send(&q, n, p, src, ipa_v6(all_routers), NULL);
	txq_flush(&q);
	n->rs_wait_ns = n->rs_sent++ ? MIN(2 * n->rs_wait_ns, most)
				     : nic_conf(n, IP6_router_solicitation_interval) * NSEC_PER_SEC;
	wait = n->rs_wait_ns / 10 * 9 + (int64_t)(stack_random32(s) % 1000) * (n->rs_wait_ns / 5000);
	if (count < 0 || n->rs_sent < (unsigned int)count)
		ntimer_arm(s, &n->rs_timer, stack_now(s) + wait);
}

void ndp_routers(struct nic *n)
{
	if (n->type != LINK_ETHERNET)
		return;
	n->rs_sent = 0;
	ndp_solicit(n);
}

static int64_t ra_until(struct stack *s, uint32_t seconds)
{
	return seconds == UINT32_MAX ? INT64_MAX : stack_now(s) + seconds * NSEC_PER_SEC;
}

static void ra_route(struct stack *s, struct nic *n, struct ipa dst, uint8_t plen, struct ipa gw,
		     uint32_t metric, uint32_t lifetime)
{
	struct route_info r = { .family = AF_INET6, .plen = plen, .type = ROUTE_UNICAST,
				.protocol = RTPROT_RA, .table = RT_TABLE_MAIN,
				.metric = metric,
				.ifindex = n->ifindex, .dst = dst, .gateway = gw,
				.expires_ns = ra_until(s, lifetime) };

	route_del(s, &r);
	if (lifetime)
		route_add(s, &r, ROUTE_CREATE);
}

static void ra_address(struct stack *s, struct nic *n, struct ipa prefix, uint32_t valid,
		       uint32_t preferred)
{
	struct addr_info a = { .ifindex = n->ifindex, .addr = prefix, .plen = 64,
			       .state = ADDR_AUTO, .valid_until_ns = ra_until(s, valid),
			       .preferred_until_ns = ra_until(s, preferred) };
	unsigned int count = 0;
	struct nic_addr *i;
	bool known = false;

	ndp_eui64(n, a.addr.b + 8);
	nrwlock_write(&s->tables);
	list_for_each_entry(i, &s->addrs, node) {
		if (i->nic != n || !(i->i.state & ADDR_AUTO))
			continue;
		count++;
		if (ipa_eq(i->i.addr, a.addr)) {
			/* RFC 4862, 5.5.3: an unauthenticated RA can't shorten below two hours. */
			int64_t two_hours = stack_now(s) + 7200 * NSEC_PER_SEC;

			if (a.valid_until_ns < MIN(two_hours, i->i.valid_until_ns))
				a.valid_until_ns = MIN(two_hours, i->i.valid_until_ns);
			i->i.valid_until_ns = a.valid_until_ns;
			i->i.preferred_until_ns = a.preferred_until_ns;
			if (preferred)
				i->i.state &= (uint8_t)~ADDR_DEPRECATED;
			known = true;
			break;
		}
	}
	nrwlock_write_unlock(&s->tables);
	if (known || count >= (unsigned int)nic_conf(n, IP6_max_addresses) || valid == 0)
		return;
	if (addr_add(s, &a) == 0)
		NET_INC(s, SlaacPrefixes);
}

/* Is that time, which is not over, one that is long enough? */
static bool ra_lifetime_ok(const struct nic *n, uint32_t seconds)
{
	int least = nic_conf(n, IP6_accept_ra_min_lft);

	return seconds == 0 || least <= 0 || seconds >= (uint32_t)least;
}

static void ra_prefix(struct nic *n, const uint8_t *o)
{
	struct ipa prefix = ipa_mask(ipa_v6(o + 16), o[2]);
	uint32_t valid = rd32(o + 4), preferred = rd32(o + 8);

	if (ipa_is_linklocal(prefix) || ipa_is_multicast(prefix) || preferred > valid || !ra_lifetime_ok(n, valid))
		return;
	if (o[3] & 0x80)
		ra_route(n->stack, n, prefix, o[2], ipa_any6(), RA_PREFIX_METRIC, valid);
	if ((o[3] & 0x40) && o[2] == 64 && nic_conf(n, IP6_autoconf))
		ra_address(n->stack, n, prefix, valid, preferred);
}

/* Called without locks; adds addresses and routes, and so sends by queues of its own. */
static void ndp_router_advert(struct nic *n, struct pkt *p)
{
	struct stack *s = n->stack;
	const uint8_t *o = p->data + 16, *lla = NULL;
	size_t len = p->head_len - 16;
	uint8_t hops = p->data[4];
	uint16_t lifetime = rd16(p->data + 6);

	if (!ra_wanted(n) || !nd_options(o, len, ND_SLLA, &lla))
		return;
	if (!nic_conf(n, IP6_accept_ra_from_local) && addr_is_ours(s, NULL, p->src))
		return;
	ntimer_cancel(s, &n->rs_timer);
	if (nic_conf(n, IP6_accept_ra_defrtr) && ra_lifetime_ok(n, lifetime))
		ra_route(s, n, ipa_any6(), 0, p->src, (uint32_t)nic_conf(n, IP6_ra_defrtr_metric), lifetime);
	if (hops && hops >= nic_conf(n, IP6_accept_ra_min_hop_limit))
		(void)nic_conf_set(s, n->ifindex, IP6_hop_limit, hops);
	for (; len; len -= o[1] * 8U, o += o[1] * 8U) {
		if (o[0] == ND_MTU && o[1] == 1 && nic_conf(n, IP6_accept_ra_mtu) && rd32(o + 4) <= INT_MAX)
			(void)nic_conf_set(s, n->ifindex, IP6_mtu, (int)rd32(o + 4)); /* refused if it is too large */
		else if (o[0] == ND_PREFIX && o[1] == 4 && o[2] <= 128 && nic_conf(n, IP6_accept_ra_pinfo))
			ra_prefix(n, o);
	}
}

/* ---- neighbours ---- */

static void ndp_neigh_solicit(struct txq *q, struct nic *n, struct pkt *p)
{
	struct ipa target = ipa_v6(p->data + 8);
	const uint8_t *lla = NULL;
	int state;

	if (ipa_is_multicast(target) || !nd_options(p->data + 24, p->head_len - 24, ND_SLLA, &lla))
		goto bad;
	if (ipa_is_any(p->src) && (lla || !ipa_is_multicast(p->dst)))
		goto bad;
	state = addr_state(q->stack, n, target);
	if (state < 0 || (state & ADDR_DADFAILED))
		return;
	if (state & ADDR_TENTATIVE) {
		if (ipa_is_any(p->src)) /* somebody else is trying it too */
			ndp_dad_failed(q->stack, n, target);
		return;
	}
	if (ipa_is_any(p->src)) {
		ndp_send_na(q, n, target, all_nodes(), false);
		return;
	}
	if (lla)
		neigh_learn(q, n, p->src, lla, NEIGH_OVERRIDE | NEIGH_CREATE);
	ndp_send_na(q, n, target, p->src, true);
	return;
bad:
	NET_INC(q->stack, NdpBad);
}

static void ndp_neigh_advert(struct txq *q, struct nic *n, struct pkt *p)
{
	struct ipa target = ipa_v6(p->data + 8);
	uint32_t flags = rd32(p->data + 4);
	const uint8_t *lla = NULL;
	int state;

	if (ipa_is_multicast(target) ||
	    !nd_options(p->data + 24, p->head_len - 24, ND_TLLA, &lla) ||
	    (ipa_is_multicast(p->dst) && (flags & 1U << 30))) {
		NET_INC(q->stack, NdpBad);
		return;
	}
	if (nic_conf(n, IP6_drop_unsolicited_na) && !(flags & 1U << 30))
		return;
	state = addr_state(q->stack, n, target);
	if (state >= 0) {
		if (state & ADDR_TENTATIVE)
			ndp_dad_failed(q->stack, n, target);
		return;
	}
	if (lla)
		neigh_learn(q, n, target, lla,
			    NEIGH_ISNA | (flags & 1U << 31 ? NEIGH_ROUTER : 0) |
				    (flags & 1U << 30 ? NEIGH_SOLICITED : 0) |
				    (flags & 1U << 29 ? NEIGH_OVERRIDE : 0));
}

void ndp_input(struct txq *q, struct nic *n, struct pkt *p, uint8_t type)
{
	size_t need = type == ICMP6_ROUTER_SOLICIT ? 8 : type == ICMP6_ROUTER_ADVERT ? 16 : 24;

	if (p->ttl != 255 || p->data[1] != 0 || !pkt_linear(p, need) || p->nfrags ||
	    (p->flags & PKT_REASSEMBLED) || n->type != LINK_ETHERNET) {
		NET_INC(q->stack, NdpBad);
		return;
	}
	switch (type) {
	case ICMP6_NEIGH_SOLICIT:
		ndp_neigh_solicit(q, n, p);
		break;
	case ICMP6_NEIGH_ADVERT:
		ndp_neigh_advert(q, n, p);
		break;
	case ICMP6_ROUTER_ADVERT:
		if (!ipa_is_linklocal(p->src))
			NET_INC(q->stack, NdpBad);
		else
			ndp_router_advert(n, p);
		break;
	default: /* solicitations are for routers; redirects are not taken */
		break;
	}
}
