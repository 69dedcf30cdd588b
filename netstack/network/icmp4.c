/* SPDX-License-Identifier: Apache-2.0 */
/* icmp4.c: ICMP input (RFC 792, RFC 1122): echo, time stamps, errors into sockets. */
#include "netstack/icmp_impl.h"

/* Destination unreachable by code, as Linux's icmp_err_convert: errno, and whether it is final. */
static const struct {
	uint8_t error;
	bool hard;
} unreach4[] = {
	{ ENETUNREACH, false }, { EHOSTUNREACH, false }, { ENOPROTOOPT, true },
	{ ECONNREFUSED, true }, { EMSGSIZE, false },	 { EOPNOTSUPP, false },
	{ ENETUNREACH, true },	{ EHOSTDOWN, true },	 { ENONET, true },
	{ ENETUNREACH, true },	{ EHOSTUNREACH, true },	 { ENETUNREACH, false },
	{ EHOSTUNREACH, false }, { EHOSTUNREACH, true }, { EHOSTUNREACH, true },
	{ EHOSTUNREACH, true },
};

/* What routers without RFC 1191 mean: the next smaller plateau. */
static uint32_t mtu_plateau(uint32_t len)
{
	static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 576 };

	for (unsigned int i = 0; i < ARRAY_SIZE(plateaus); i++)
		if (plateaus[i] < len)
			return plateaus[i];
	return 576;
}

static void icmp4_error_in(struct txq *q, struct nic *n, struct pkt *p, const struct icmp_hdr *h)
{
	struct icmp_err e = { .stack = q->stack, .nic = n, .type = h->type, .code = h->code,
			      .offender = p->src, .pkt = p };
	const uint8_t *quote = p->data + sizeof(*h);
	size_t len = p->head_len - sizeof(*h);

	switch (h->type) {
	case ICMP4_UNREACH:
		NET_INC(q->stack, IcmpInDestUnreachs);
		if (h->code >= ARRAY_SIZE(unreach4))
			return;
		e.error = unreach4[h->code].error;
		e.hard = unreach4[h->code].hard;
		if (h->code == UNREACH_FRAG && len >= 4) {
			if (q->stack->conf.ip_no_pmtu_disc)
				return;
			e.info = ntohs(h->frag.mtu);
			if (e.info == 0)
				e.info = mtu_plateau(rd16(quote + 2));
		}
		break;
	case ICMP4_TIME_EXCEEDED:
		NET_INC(q->stack, IcmpInTimeExcds);
		e.error = EHOSTUNREACH;
		break;
	case ICMP4_PARAM:
		NET_INC(q->stack, IcmpInParmProbs);
		e.error = EPROTO;
		e.hard = true;
		e.info = ntohl(h->word) >> 24;
		break;
	default:
		return;
	}
	icmp_dispatch(q, &e, quote, len);
}

static void icmp4_echo(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	struct ipa src = ipa_any4();
	struct icmp_hdr *h;
	struct pkt *r;

	NET_INC(s, IcmpInEchos);
	if (s->conf.icmp_echo_ignore_all)
		return;
	if (p->flags & (PKT_BROADCAST | PKT_MULTICAST)) {
		if (s->conf.icmp_echo_ignore_broadcasts)
			return;
	} else {
		src = p->dst;
	}
	r = pkt_new(PKT_HEADROOM, p->len);
	if (!r)
		return;
	pkt_copy(p, 0, pkt_append(r, p->len), p->len);
	h = (void *)r->data;
	h->type = ICMP4_ECHO_REPLY;
	NET_INC(s, IcmpOutEchoReps);
	icmp_send(q, r, src, p->src, 0, p->tos, 0);
	(void)n;
}

static void icmp4_timestamp(struct txq *q, struct pkt *p)
{
	struct stack *s = q->stack;
	uint32_t ms;
	struct pkt *r;

	if (p->len < 20 || (p->flags & (PKT_BROADCAST | PKT_MULTICAST)))
		return;
	r = pkt_new(PKT_HEADROOM, 20);
	if (!r)
		return;
	pkt_copy(p, 0, pkt_append(r, 20), 20);
	ms = (uint32_t)(s->ops->real_ns(s->ctx) / NSEC_PER_MSEC % 86400000);
	r->data[0] = ICMP4_TSTAMP_REPLY;
	wr32(r->data + 12, ms);
	wr32(r->data + 16, ms);
	icmp_send(q, r, p->dst, p->src, 0, p->tos, 0);
}

void icmp4_input(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct icmp_hdr *h = (const void *)p->data;
	struct stack *s = q->stack;

	NET_INC(s, IcmpInMsgs);
	if (!pkt_linear(p, sizeof(*h))) {
		NET_INC(s, IcmpInErrors);
		goto out;
	}
	if (!(p->flags & PKT_LOOPED) && csum_fold(pkt_csum(p, 0, p->len, 0)) != 0) {
		NET_INC(s, IcmpInCsumErrors);
		NET_INC(s, IcmpInErrors);
		goto out;
	}
	switch (h->type) {
	case ICMP4_ECHO:
		icmp4_echo(q, n, p);
		break;
	case ICMP4_ECHO_REPLY:
		NET_INC(s, IcmpInEchoReps);
		ping_deliver(n, p);
		break;
	case ICMP4_TSTAMP:
		icmp4_timestamp(q, p);
		break;
	case ICMP4_REDIRECT: /* hosts in a sandbox take no redirects (accept_redirects off) */
		NET_INC(s, IcmpInRedirects);
		break;
	case ICMP4_UNREACH:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAM:
		icmp4_error_in(q, n, p, h);
		break;
	default:
		break;
	}
out:
	pkt_free(p);
}
