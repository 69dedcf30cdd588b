/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c: packets for others, where net.ipv4.conf.IF.forwarding or net.ipv6.conf.all.forwarding is 1: ip_forward() and
 * ip6_forward() of Linux without netfilter.
 *
 * What is large leaves as it came: a segment that a link has put together is cut by the next one, its checksum made
 * there or on the way.  If what it is cut to is too large and may be fragmented, both are done here.
 * Fragments are passed on, not put together.  No redirects are sent.
 */
#include "netstack/stack_impl.h"

/* Link's broadcasts, and addresses that mean something on one link only, don't cross. */
static bool forward_allowed(const struct pkt *p)
{
	if (p->flags & (PKT_LOOPED | PKT_BROADCAST | PKT_MULTICAST | PKT_OTHERHOST))
		return false;
	if (ipa_is_any(p->src) || ipa_is_any(p->dst) || ipa_is_multicast(p->src) || ipa_is_multicast(p->dst) ||
	    ipa_is_loopback(p->src) || ipa_is_loopback(p->dst))
		return false;
	if (ipa_is4(p->dst))
		return !ipa_is_limited_broadcast(p->dst) && !ipa_is_limited_broadcast(p->src);
	return !ipa_is_linklocal(p->src) && !ipa_is_linklocal(p->dst);
}

static void forward_no_route(struct txq *q, struct nic *n, struct pkt *p, int err)
{
	bool v4 = ipa_is4(p->dst);

	net_add(q->stack, v4 ? NS_IpOutNoRoutes : NS_Ip6OutNoRoutes, 1);
	if (err == -EINVAL) /* a black hole */
		return;
	if (v4)
		icmp_error(q, n, p, ICMP4_UNREACH, err == -EACCES ? UNREACH_ADMIN :
			   err == -EHOSTUNREACH ? UNREACH_HOST : UNREACH_NET, 0);
	else
		icmp_error(q, n, p, ICMP6_UNREACH, err == -EACCES ? 1 : 0, 0);
}

static void forward_too_big(struct txq *q, struct nic *n, struct pkt *p, uint32_t mtu)
{
	if (ipa_is4(p->dst)) {
		NET_INC(q->stack, IpFragFails);
		icmp_error(q, n, p, ICMP4_UNREACH, UNREACH_FRAG, mtu);
	} else {
		NET_INC(q->stack, Ip6FragFails);
		icmp_error(q, n, p, ICMP6_TOO_BIG, 0, mtu);
	}
}

/* One hop less; IPv4's checksum follows it (RFC 1624). */
static void forward_count_hop(struct pkt *p)
{
	struct ip4_hdr *ip = (void *)p->net;
	uint32_t sum;

	if (!ipa_is4(p->dst)) {
		p->net[7]--;
		return;
	}
	ip->ttl--;
	sum = (uint32_t)ip->csum + htons(0x0100);
	ip->csum = (uint16_t)(sum + (sum >= 0xffff));
}

#define EXT_MAX 8

/*
 * Where the transport header of an IPv6 packet begins, and what it is, behind headers that a router doesn't look at.  0: that
 * can't be told.  *fragment: it is a piece.  *routed: the checksum is over another destination than the header's.
 */
static size_t forward_find6(const struct pkt *p, uint8_t *proto, bool *fragment, bool *routed)
{
	size_t off = IP6_HLEN, len;
	uint8_t next = p->net[6];

	for (unsigned int count = 0; count < EXT_MAX; count++) {
		if (next != PROTO_HOPOPTS && next != PROTO_DSTOPTS && next != PROTO_ROUTING && next != PROTO_FRAGMENT) {
			*proto = next;
			return off;
		}
		if (!pkt_linear(p, off + 8))
			return 0;
		if (next == PROTO_FRAGMENT) {
			*fragment |= (rd16(p->net + off + 2) & 0xfff9) != 0; /* not an atomic one */
			len = 8;
		} else {
			*routed |= next == PROTO_ROUTING && p->net[off + 3] != 0;
			len = (p->net[off + 1] + 1U) * 8U;
		}
		next = p->net[off];
		off += len;
	}
	return 0;
}

/* UDP says itself how long it is.  What lies behind is padding, over which no link may make the checksum. */
static bool forward_csum_udp(struct pkt *p, size_t hlen)
{
	uint32_t len = rd16(p->trans + 4), sum;
	uint16_t csum;

	if (rd16(p->trans + 6) == 0 || p->gso_size || len == p->len - hlen)
		return false;
	if (len < 8 || len > p->len - hlen)
		return true; /* not UDP: nobody will take it */
	memset(p->trans + 6, 0, 2);
	sum = pkt_csum(p, hlen, len, csum_pseudo(p->src, p->dst, PROTO_UDP, len));
	csum = csum_fold(sum);
	csum = csum ? csum : 0xffff;
	memcpy(p->trans + 6, &csum, sizeof(csum));
	return true;
}

/*
 * A transport checksum that the link has vouched for may not be there yet: it is left to the next link, as for
 * packets of our own.  hlen 0: where the transport header is can't be told.  false: it is not whole.
 */
static bool forward_csum(struct pkt *p, uint8_t proto, size_t hlen, bool fragment)
{
	enum pkt_gso gso = proto == PROTO_UDP ? GSO_UDP : ipa_is4(p->dst) ? GSO_TCP4 : GSO_TCP6;
	size_t least = proto == PROTO_TCP ? 20 : 8;
	uint16_t sum;

	p->flags &= (uint16_t)~PKT_CSUM_PARTIAL; /* the link's idea of it */
	if (!(p->flags & PKT_CSUM_OK) || fragment || (hlen && proto != PROTO_TCP && proto != PROTO_UDP))
		return !p->gso_size;
	if (!hlen || !pkt_linear(p, hlen + least) || (p->gso_size && p->gso_type != gso))
		return false;
	if (proto == PROTO_TCP && (p->trans[12] >> 4 < 5 || !pkt_linear(p, hlen + (p->trans[12] >> 4) * 4U)))
		return false;
	if (proto == PROTO_UDP && forward_csum_udp(p, hlen))
		return true;
	if (proto == PROTO_UDP && !p->gso_size && ipa_is4(p->dst) && rd16(p->trans + 6) == 0)
		return true; /* it has none */
	p->csum_off = proto == PROTO_TCP ? 16 : 6;
	sum = (uint16_t)~csum_fold(csum_pseudo(p->src, p->dst, proto, (uint32_t)(p->len - hlen)));
	memcpy(p->trans + p->csum_off, &sum, sizeof(sum));
	p->flags |= PKT_CSUM_PARTIAL;
	return true;
}

/* The largest of the packets that it becomes on the wire. */
static uint32_t forward_size(const struct pkt *p, size_t hlen)
{
	if (!p->gso_size)
		return p->len;
	/* forward_csum() has seen to it that the transport header is there. */
	return (uint32_t)hlen + (p->gso_type == GSO_UDP ? 8U : (p->trans[12] >> 4) * 4U) + p->gso_size;
}

/* A large segment of which the parts are too large too, but may be fragmented.  Consumes it. */
static void forward_cut(struct txq *q, struct pkt *p, uint32_t mtu)
{
	struct ipa src = p->src, dst = p->dst, nexthop = p->nexthop;
	struct list segs, *n;

	list_init(&segs);
	if (gso_segment(p, &segs) < 0)
		NET_INC(q->stack, IpFragFails);
	while ((n = list_shift(&segs)) != NULL) {
		struct pkt *c = list_entry(n, struct pkt, node);

		c->src = src;
		c->dst = dst;
		c->nexthop = nexthop;
		if (c->len > mtu)
			(void)ip4_fragment(q, c, mtu); /* consumes it, whatever comes */
		else
			txq_add(q, c);
	}
}

/* For rules that look at them. */
static void forward_ports(struct stack *s, const struct pkt *p, bool fragment, struct route_key *k)
{
	bool has = p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == IPPROTO_UDPLITE;

	if (!rules_want_ports(s, k->dst))
		return;
	k->proto = p->proto;
	if (!has || fragment || !pkt_linear(p, (size_t)(p->trans - p->data) + 4))
		return;
	k->sport = rd16(p->trans);
	k->dport = rd16(p->trans + 2);
}

void ip_forward(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	bool v4 = ipa_is4(p->dst);
	const struct ip4_hdr *ip = (const void *)p->net;
	size_t hlen = v4 ? (ip->ver_ihl & 15U) * 4U : IP6_HLEN;
	uint16_t frag = v4 ? ntohs(ip->frag) : 0;
	uint8_t proto = v4 ? ip->proto : PROTO_NONE;
	bool fragment = frag & (IP4_MF | IP4_OFFMASK), routed = false;
	struct route_key k = { .dst = p->dst, .src = p->src, .iif = n->ifindex, .mark = p->mark,
			       .tos = v4 ? ip->tos & 0xfc : 0 };
	struct dst d;
	int err;

	if (!forward_allowed(p)) {
		net_add(s, v4 ? NS_IpInAddrErrors : NS_Ip6InAddrErrors, 1);
		goto drop;
	}
	if (!v4)
		hlen = forward_find6(p, &proto, &fragment, &routed);
	p->proto = proto;
	p->trans = p->net + (hlen ? hlen : IP6_HLEN);
	if (p->ttl <= 1) {
		net_add(s, v4 ? NS_IpInHdrErrors : NS_Ip6InHdrErrors, 1);
		icmp_error(q, n, p, v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 0, 0);
		goto drop;
	}
	forward_ports(s, p, fragment, &k);
	err = route_lookup(s, &k, &d);
	if (err == 0 && d.type != ROUTE_UNICAST)
		err = -EHOSTUNREACH;
	if (err < 0) {
		forward_no_route(q, n, p, err);
		goto drop;
	}
	if (!forward_csum(p, proto, routed ? 0 : hlen, fragment))
		goto drop;
	if (forward_size(p, hlen) > d.mtu && (!v4 || (frag & IP4_DF))) {
		forward_too_big(q, n, p, d.mtu);
		goto drop;
	}
	net_add(s, v4 ? NS_IpForwDatagrams : NS_Ip6OutForwDatagrams, 1);
	forward_count_hop(p);
	p->flags &= PKT_CSUM_PARTIAL;
	p->nic = d.nic;
	p->nexthop = d.nexthop;
	if (p->gso_size && forward_size(p, hlen) > d.mtu) {
		forward_cut(q, p, d.mtu);
		return;
	}
	if (p->len <= d.mtu || p->gso_size) {
		txq_add(q, p);
		return;
	}
	pkt_finish_csum(p);
	ip4_fragment(q, p, d.mtu); /* consumes it, whatever comes */
	return;
drop:
	pkt_free(p);
}
