/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c: what ICMP and ICMPv6 share: sending errors by the rules (RFC 1122, RFC 4443), with a rate
 * limit as Linux's icmp_msgs_per_sec, and handing received errors to the transports.
 */
#include "netstack/icmp_impl.h"

#define QUOTE4_MAX 576
#define QUOTE6_MAX 1280

/* May an error be sent about p at all? */
static bool icmp_error_allowed(struct stack *s, const struct pkt *p, uint8_t type, uint8_t code)
{
	bool v4 = ipa_is4(p->src);

	if (ipa_is_any(p->src) || ipa_is_multicast(p->src) || ipa_is_limited_broadcast(p->src))
		return false;
	if (v4) {
		const struct ip4_hdr *ip = (const void *)p->net;
		const uint8_t *t = p->net + (ip->ver_ihl & 15U) * 4U;

		if ((p->flags & (PKT_BROADCAST | PKT_MULTICAST)) || ipa_is_multicast(p->dst))
			return false;
		if (addr_type(s, p->src, 0) == ROUTE_BROADCAST)
			return false;
		if (ip->frag & htons(IP4_OFFMASK))
			return false;
		if (ip->proto == PROTO_ICMP &&
		    (t + 1 > p->data + p->head_len ||
		     (*t != ICMP4_ECHO && *t != ICMP4_ECHO_REPLY && *t != ICMP4_TSTAMP)))
			return false;
		return true;
	}
	if ((p->flags & (PKT_BROADCAST | PKT_MULTICAST)) &&
	    !(type == ICMP6_TOO_BIG || (type == ICMP6_PARAM && code == 2)))
		return false;
	if (p->net[6] == PROTO_ICMP6 && p->data + p->head_len > p->net + IP6_HLEN &&
	    !(p->net[IP6_HLEN] & 0x80))
		return false;
	/* trans is the ICMPv6 header when extension headers came before. */
	return !(p->proto == PROTO_ICMP6 && p->trans > p->net && p->trans < p->data + p->head_len &&
		 !(p->trans[0] & 0x80));
}

int icmp_send(struct txq *q, struct pkt *p, struct ipa src, struct ipa dst, uint32_t ifindex,
	      uint8_t tos, uint8_t ttl)
{
	bool v4 = ipa_is4(dst);
	struct route_key k = { .dst = dst, .src = src, .ifindex = ifindex, .proto = v4 ? PROTO_ICMP : PROTO_ICMP6 };
	struct ip_out o = { .proto = v4 ? PROTO_ICMP : PROTO_ICMP6, .tos = tos };
	struct icmp_hdr *h = (void *)p->data;
	struct dst d;
	int err;

	err = route_lookup(q->stack, &k, &d);
	if (err < 0) {
		pkt_free(p);
		return err;
	}
	p->src = d.src;
	p->dst = dst;
	p->trans = p->data;
	o.ttl = ttl ? ttl : (uint8_t)q->stack->conf.ip_default_ttl;
	o.hops = !ttl && !v4;
	h->csum = 0;
	h->csum = csum_fold(pkt_csum(p, 0, p->len,
				     v4 ? 0 : csum_pseudo(p->src, dst, PROTO_ICMP6, p->len)));
	net_add(q->stack, v4 ? NS_IcmpOutMsgs : NS_Icmp6OutMsgs, 1);
	return ip_output(q, &d, p, &o);
}

void icmp_error(struct txq *q, struct nic *n, struct pkt *p, uint8_t type, uint8_t code,
		uint32_t info)
{
	struct stack *s = q->stack;
	bool v4 = ipa_is4(p->src);
	size_t avail = (size_t)(p->data + p->head_len - p->net), quote;
	struct ipa src = v4 ? ipa_any4() : ipa_any6();
	struct icmp_hdr *h;
	struct pkt *e;

	if (!icmp_error_allowed(s, p, type, code))
		return;
	if (!(p->flags & PKT_LOOPED) &&
	    !token_take(&s->icmp_bucket, stack_now(s), (unsigned int)s->conf.icmp_msgs_per_sec,
			(unsigned int)s->conf.icmp_msgs_burst)) {
		net_add(s, v4 ? NS_IcmpOutRateLimited : NS_Icmp6OutRateLimited, 1);
		return;
	}
	quote = v4 ? QUOTE4_MAX - IP4_HLEN : QUOTE6_MAX - IP6_HLEN;
	quote = MIN(avail, quote - sizeof(*h));
	e = pkt_new(PKT_HEADROOM, sizeof(*h) + quote);
	if (!e)
		return;
	h = pkt_append(e, sizeof(*h));
	h->type = type;
	h->code = code;
	h->word = htonl(info);
	memcpy(pkt_append(e, quote), p->net, quote);
	if (addr_type(s, p->dst, 0) == ROUTE_LOCAL)
		src = p->dst;
	net_add(s, v4 ? NS_IcmpOutErrors : NS_Icmp6OutErrors, 1);
	if (type == ICMP4_UNREACH && v4)
		NET_INC(s, IcmpOutDestUnreachs);
	icmp_send(q, e, src, p->src, ipa_needs_scope(p->src) ? n->ifindex : 0,
		  v4 ? (uint8_t)((p->tos & 0x1e) | 0xc0) : 0, 0);
}

/* To whom the quoted packet belonged.  e has type, code, info, error; quote is the IP header. */
void icmp_dispatch(struct txq *q, struct icmp_err *e, const uint8_t *quote, size_t len)
{
	size_t hlen;

	if (e->v6) {
		uint8_t next;

		if (len < IP6_HLEN || quote[0] >> 4 != 6)
			return;
		e->src = ipa_v6(quote + 8);
		e->dst = ipa_v6(quote + 24);
		next = quote[6];
		hlen = IP6_HLEN;
		for (unsigned int i = 0; i < 8; i++) {
			size_t n;

			if (next != PROTO_HOPOPTS && next != PROTO_DSTOPTS && next != PROTO_ROUTING &&
			    next != PROTO_FRAGMENT)
				break;
			if (hlen + 8 > len)
				return;
			if (next == PROTO_FRAGMENT && (rd16(quote + hlen + 2) & 0xfff8))
				return;
			n = next == PROTO_FRAGMENT ? 8 : (quote[hlen + 1] + 1U) * 8U;
			next = quote[hlen];
			hlen += n;
		}
		e->proto = next;
	} else {
		if (len < IP4_HLEN || quote[0] >> 4 != 4)
			return;
		hlen = (quote[0] & 15U) * 4U;
		if (hlen < IP4_HLEN || (rd16(quote + 6) & IP4_OFFMASK))
			return;
		e->src = ipa_v4(((const struct ip4_hdr *)(const void *)quote)->src);
		e->dst = ipa_v4(((const struct ip4_hdr *)(const void *)quote)->dst);
		e->proto = quote[9];
	}
	if (hlen + 8 > len)
		return;
	e->trans = quote + hlen;
	e->trans_len = len - hlen;
	/* Only about what we may have sent. */
	if (addr_state(e->stack, NULL, e->src) < 0 && addr_type(e->stack, e->src, 0) != ROUTE_LOCAL)
		return;
	if (e->error == EMSGSIZE && e->info && e->proto != PROTO_TCP)
		e->info = pmtu_update(e->stack, e->dst, e->info);
	raw_icmp_error(e);
	switch (e->proto) {
	case PROTO_TCP:
		tcp_icmp_error(q, e);
		break;
	case PROTO_UDP:
	case PROTO_UDPLITE:
		udp_icmp_error(q, e);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		ping_icmp_error(e);
		break;
	default:
		break;
	}
}
