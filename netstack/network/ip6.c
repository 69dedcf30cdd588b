/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip6.c: IPv6 input: the chain of extension headers (RFC 8200) up to the transport.
 *
 * Limits against hostile chains: at most EXT_MAX headers; options as many as sysctls ipv6.max_*_opts_* say, and padding for no more
 * than alignment (ip6_parse_tlv()).  Routing headers with segments left are refused, as on a host that is no router; those of types 3
 * and 4 are dropped, as with Linux's rpl_seg_enabled and seg6_enabled 0.
 */
#include "netstack/stack_impl.h"

#define EXT_MAX 8
#define PAD_MAX 7 /* bytes of padding between options: more has no purpose (RFC 4942 2.1.9.5) */

static bool ip6_check(struct pkt *p)
{
	const struct ip6_hdr *ip = (const void *)p->data;
	size_t len;

	if (!pkt_linear(p, IP6_HLEN) || p->data[0] >> 4 != 6)
		return false;
	len = ntohs(ip->plen);
	if (len + IP6_HLEN > p->len) {
		return false;
	}
	if (len == 0 && ip->next == PROTO_HOPOPTS) /* jumbograms: not here */
		return false;
	pkt_trim(p, len + IP6_HLEN);
	return true;
}

static bool ip6_for_us(struct stack *s, struct nic *n, struct pkt *p)
{
	if ((p->flags & PKT_LOOPED) && !ipa_is_multicast(p->dst))
		return true;
	if (p->flags & PKT_LOOPED) {
		p->flags |= PKT_MULTICAST;
		return mcast_member(n, p->dst);
	}
	if (ipa_is_multicast(p->src) || ipa_is_loopback(p->src) || ipa_is_loopback(p->dst) ||
	    ipa_is4(p->src) || ipa_is4(p->dst))
		return false;
	if (ipa_is_multicast(p->dst)) {
		p->flags |= PKT_MULTICAST;
		NET_INC(s, InMcastPkts);
		if ((p->dst.b[1] & 0xf) == 0)
			return false;
		return mcast_member(n, p->dst);
	}
	if (p->flags & (PKT_BROADCAST | PKT_MULTICAST))
		return false;
	return addr_state(s, NULL, p->dst) >= 0;
}

static void ip6_param_problem(struct txq *q, struct nic *n, struct pkt *p, uint8_t code, size_t at)
{
	NET_INC(q->stack, Ip6InHdrErrors);
	icmp_error(q, n, p, ICMP6_PARAM, code, (uint32_t)at);
}

/* Nobody here knows this option at i: what its type says, false: the packet goes (ip6_tlvopt_unknown()). */
static bool ip6_option_unknown(struct txq *q, struct nic *n, struct pkt *p, size_t i, bool wanted)
{
	if (!wanted)
		return false;
	switch (p->net[i] >> 6) {
	case 0:
		return true;
	case 3:
		if (ipa_is_multicast(p->dst))
			return false;
		__attribute__((fallthrough));
	case 2:
		ip6_param_problem(q, n, p, 2, i);
	}
	return false;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && *p == 0) {
		p++;
		n--;
	}
	return n == 0;
}

/*
 * Options of a hop-by-hop or destination header at off; false: the packet goes.  A negative limit is one as well, and says that
 * unknown options are not wanted.
 */
static bool ip6_options(struct txq *q, struct nic *n, struct pkt *p, size_t off, size_t len, bool hop)
{
	const struct net_conf *conf = &q->stack->conf;
	int max = hop ? conf->max_hbh_opts_number : conf->max_dst_opts_number;
	int longest = hop ? conf->max_hbh_length : conf->max_dst_opts_length;
	unsigned int count = 0, limit = max < 0 ? -(unsigned int)max : (unsigned int)max;
	size_t i = off + 2, end = off + len, pad = 0;

	if (longest < 0 || len > (size_t)longest)
		return false;
	while (i < end) {
		uint8_t type = p->net[i];
		size_t size = 1;

		if (type != 0) {
			if (end - i < 2)
				return false;
			size = p->net[i + 1] + 2U;
			if (size > end - i)
				return false;
		}
		if (type <= 1) { /* Pad1, PadN */
			pad += size;
			if (pad > PAD_MAX || (type == 1 && !all_zero(p->net + i + 2, size - 2)))
				return false;
		} else {
			pad = 0;
			if (++count > limit)
				return false;
			if (hop && type == 5) { /* a router alert */
				if (size != 4)
					return false;
			} else if (!ip6_option_unknown(q, n, p, i, max >= 0)) {
				return false;
			}
		}
		i += size;
	}
	return true;
}

/* A routing header at off, which is all there.  false: the packet goes. */
static bool ip6_routing(struct txq *q, struct nic *n, struct pkt *p, size_t off)
{
	uint8_t type = p->net[off + 2], left = p->net[off + 3];

	if (ipa_is_multicast(p->dst) || type == 3 || type == 4)
		return false;
	if (left)
		ip6_param_problem(q, n, p, 0, off + 2);
	return !left;
}

void ip6_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	size_t off = IP6_HLEN, next_off = offsetof(struct ip6_hdr, next), len, total;
	unsigned int count = 0;
	uint8_t next;

	NET_INC(s, Ip6InReceives);
	if (nic_conf(n, IP6_disable_ipv6)) {
		NET_INC(s, Ip6InDiscards);
		goto drop;
	}
	if (!ip6_check(p)) {
		NET_INC(s, Ip6InHdrErrors);
		goto drop;
	}
	p->net = p->data;
	p->src = ipa_v6(((const struct ip6_hdr *)(const void *)p->data)->src);
	p->dst = ipa_v6(((const struct ip6_hdr *)(const void *)p->data)->dst);
	p->ttl = p->data[7];
	p->tos = (uint8_t)(rd16(p->data) >> 4);
	p->flow = rd32(p->data) & 0xfffff;
	if (!ip6_for_us(s, n, p)) {
		if ((nic_conf_all(s, IP6_forwarding) || nic_conf(n, IP6_force_forwarding)) && !ipa_is4(p->src) && !ipa_is4(p->dst)) {
			ip_forward(q, n, p);
			return;
		}
		NET_INC(s, Ip6InAddrErrors);
		goto drop;
	}
	for (;;) {
		/* p->data stays at the IP header; off is the header that `next` names. */
		next = p->net[next_off];
		if (next != PROTO_HOPOPTS && next != PROTO_DSTOPTS && next != PROTO_ROUTING &&
		    next != PROTO_FRAGMENT)
			break;
		total = p->head_len;
		if (++count > EXT_MAX || off + 8 > total)
			goto bad;
		if (next == PROTO_FRAGMENT) {
			p->trans = p->net + off;
			p = frag_input6(q, n, p, off, next_off);
			if (!p)
				return;
			/* The whole, without a fragment header: what it named is now at off. */
			continue;
		}
		len = (p->net[off + 1] + 1U) * 8U;
		if (off + len > total)
			goto bad;
		if (next == PROTO_HOPOPTS && off != IP6_HLEN) {
			ip6_param_problem(q, n, p, 1, next_off);
			goto drop;
		}
		if (next == PROTO_ROUTING ? !ip6_routing(q, n, p, off) : !ip6_options(q, n, p, off, len, next == PROTO_HOPOPTS))
			goto drop;
		next_off = off;
		off += len;
	}
	if (next == PROTO_NONE)
		goto drop;
	if (off > p->head_len)
		goto bad;
	pkt_pull(p, off);
	p->trans = p->data;
	ip_deliver(q, n, p, next);
	return;
bad:
	NET_INC(s, Ip6InTruncatedPkts);
drop:
	pkt_free(p);
}
