/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip6.c: IPv6 input: the chain of extension headers (RFC 8200) up to the transport.
 *
 * Limits against hostile chains: at most EXT_MAX headers and OPT_MAX options.  Routing headers with
 * segments left are refused, as on a host that is no router.
 */
#include "netstack/stack_impl.h"

#define EXT_MAX 8
#define OPT_MAX 32

/* What to do next with the packet. */
enum ext_result { EXT_NEXT, EXT_DONE };

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

/* Options of a hop-by-hop or destination header at off; false: the packet goes. */
static bool ip6_options(struct txq *q, struct nic *n, struct pkt *p, size_t off, size_t len)
{
	unsigned int count = 0;
	size_t i = off + 2, end = off + len;

	while (i < end) {
		uint8_t type = p->net[i];
		size_t olen;

		if (type == 0) {
			i++;
			continue;
		}
		if (++count > OPT_MAX || i + 2 > end)
			return false;
		olen = p->net[i + 1];
		if (i + 2 + olen > end)
			return false;
		if (type != 1 && type != 5) { /* PadN, router alert */
			switch (type >> 6) {
			case 0:
				break;
			case 1:
				return false;
			case 3:
				if (ipa_is_multicast(p->dst))
					return false;
				__attribute__((fallthrough));
			case 2:
				ip6_param_problem(q, n, p, 2, i);
				return false;
			}
		}
		i += 2 + olen;
	}
	return true;
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
		if (next == PROTO_ROUTING) {
			if (p->net[off + 3] != 0) {
				ip6_param_problem(q, n, p, 0, off + 2);
				goto drop;
			}
		} else if (!ip6_options(q, n, p, off, len)) {
			goto drop;
		}
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
