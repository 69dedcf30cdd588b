/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c: packets for others, where net.ipv4.ip_forward or net.ipv6.conf.all.forwarding is 1: ip_forward() and
 * ip6_forward() of Linux without netfilter.
 *
 * What is large leaves as it came: a segment that a link has put together is cut by the next one, its checksum made
 * there or on the way.  Fragments are passed on, not put together.  No redirects are sent, and no reverse path
 * is looked for (rp_filter is 0).
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

/*
 * A transport checksum that the link has vouched for may not be there yet: it is left to the next link, as for
 * packets of our own.  false: the transport header is not whole.
 */
static bool forward_csum(struct pkt *p, uint8_t proto, size_t hlen, bool fragment)
{
	enum pkt_gso gso = proto == PROTO_UDP ? GSO_UDP : ipa_is4(p->dst) ? GSO_TCP4 : GSO_TCP6;
	size_t least = proto == PROTO_TCP ? 20 : 8;
	uint16_t sum;

	if (!(p->flags & PKT_CSUM_OK) || fragment || (proto != PROTO_TCP && proto != PROTO_UDP))
		return !p->gso_size;
	if (!pkt_linear(p, hlen + least) || (p->gso_size && p->gso_type != gso))
		return false;
	if (proto == PROTO_TCP && (p->trans[12] >> 4 < 5 || !pkt_linear(p, hlen + (p->trans[12] >> 4) * 4U)))
		return false;
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

void ip_forward(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	bool v4 = ipa_is4(p->dst);
	const struct ip4_hdr *ip = (const void *)p->net;
	size_t hlen = v4 ? (ip->ver_ihl & 15U) * 4U : IP6_HLEN;
	uint16_t frag = v4 ? ntohs(ip->frag) : 0;
	uint8_t proto = v4 ? ip->proto : p->net[6];
	struct route_key k = { .dst = p->dst, .src = p->src };
	struct dst d;
	int err;

	if (!forward_allowed(p)) {
		net_add(s, v4 ? NS_IpInAddrErrors : NS_Ip6InAddrErrors, 1);
		goto drop;
	}
	p->proto = proto;
	p->trans = p->net + hlen;
	if (p->ttl <= 1) {
		net_add(s, v4 ? NS_IpInHdrErrors : NS_Ip6InHdrErrors, 1);
		icmp_error(q, n, p, v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 0, 0);
		goto drop;
	}
	err = route_lookup(s, &k, &d);
	if (err == 0 && d.type != ROUTE_UNICAST)
		err = -EHOSTUNREACH;
	if (err < 0) {
		forward_no_route(q, n, p, err);
		goto drop;
	}
	if (!forward_csum(p, proto, hlen, frag & (IP4_MF | IP4_OFFMASK)))
		goto drop;
	if (forward_size(p, hlen) > d.mtu && (p->gso_size || !v4 || (frag & IP4_DF))) {
		forward_too_big(q, n, p, d.mtu);
		goto drop;
	}
	net_add(s, v4 ? NS_IpForwDatagrams : NS_Ip6OutForwDatagrams, 1);
	forward_count_hop(p);
	p->flags &= PKT_CSUM_PARTIAL;
	p->nic = d.nic;
	p->nexthop = d.nexthop;
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
