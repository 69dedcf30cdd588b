/* SPDX-License-Identifier: Apache-2.0 */
/* icmp6.c: ICMPv6 input (RFC 4443): echo, errors into sockets; NDP and MLD are handed on. */
#include "netstack/icmp_impl.h"

static const struct {
	uint8_t error;
	bool hard;
} unreach6[] = {
	{ ENETUNREACH, false }, { EACCES, true }, { EHOSTUNREACH, false }, { EHOSTUNREACH, false },
	{ ECONNREFUSED, true }, { EACCES, true }, { EACCES, true },
};

static void icmp6_error_in(struct txq *q, struct nic *n, struct pkt *p, const struct icmp_hdr *h)
{
	struct icmp_err e = { .stack = q->stack, .nic = n, .v6 = true, .type = h->type,
			      .code = h->code, .offender = p->src, .pkt = p };

	switch (h->type) {
	case ICMP6_UNREACH:
		e.error = EPROTO;
		if (h->code < ARRAY_SIZE(unreach6)) {
			e.error = unreach6[h->code].error;
			e.hard = unreach6[h->code].hard;
		}
		break;
	case ICMP6_TOO_BIG:
		e.error = EMSGSIZE;
		e.info = ntohl(h->word);
		if (e.info == 0)
			return;
		break;
	case ICMP6_TIME_EXCEEDED:
		e.error = EHOSTUNREACH;
		break;
	case ICMP6_PARAM:
		e.error = EPROTO;
		e.hard = true;
		e.info = ntohl(h->word);
		break;
	default:
		return;
	}
	icmp_dispatch(q, &e, p->data + sizeof(*h), p->head_len - sizeof(*h));
}

static void icmp6_echo(struct txq *q, struct nic *n, struct pkt *p)
{
	bool unicast = !(p->flags & PKT_MULTICAST) && !ipa_is_multicast(p->dst);
	struct pkt *r;

	if (q->stack->conf.icmp_echo_ignore_all)
		return;
	r = pkt_new(PKT_HEADROOM, p->len);
	if (!r)
		return;
	pkt_copy(p, 0, pkt_append(r, p->len), p->len);
	r->data[0] = ICMP6_ECHO_REPLY;
	icmp_send(q, r, unicast ? p->dst : ipa_any6(), p->src,
		  ipa_needs_scope(p->src) ? n->ifindex : 0, 0, 0);
}

void icmp6_input(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct icmp_hdr *h = (const void *)p->data;
	struct stack *s = q->stack;

	NET_INC(s, Icmp6InMsgs);
	if (!pkt_linear(p, sizeof(*h)))
		goto bad;
	if (!(p->flags & PKT_LOOPED) &&
	    csum_fold(pkt_csum(p, 0, p->len, csum_pseudo(p->src, p->dst, PROTO_ICMP6, p->len)))) {
		NET_INC(s, Icmp6InCsumErrors);
		goto bad;
	}
	switch (h->type) {
	case ICMP6_ECHO:
		icmp6_echo(q, n, p);
		break;
	case ICMP6_ECHO_REPLY:
		ping_deliver(n, p);
		break;
	case ICMP6_ROUTER_SOLICIT:
	case ICMP6_ROUTER_ADVERT:
	case ICMP6_NEIGH_SOLICIT:
	case ICMP6_NEIGH_ADVERT:
	case ICMP6_REDIRECT:
		ndp_input(q, n, p, h->type);
		break;
	case ICMP6_MLD_QUERY:
		mld_input(q, n, p);
		break;
	case ICMP6_UNREACH:
	case ICMP6_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAM:
		icmp6_error_in(q, n, p, h);
		break;
	default:
		break;
	}
	pkt_free(p);
	return;
bad:
	NET_INC(s, Icmp6InErrors);
	pkt_free(p);
}
