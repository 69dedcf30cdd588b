/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp.c: ARP (RFC 826, RFC 5227): answers for our addresses, learning from answers and from those
 * who ask us.  A gratuitous announcement updates an entry, and makes one where arp_accept says so.
 *
 * Linux: net/ipv4/arp.c (arp_process); proxies answer at once (proxy_delay 0).
 */
#include <linux/rtnetlink.h>

#include "netstack/stack_impl.h"

void arp_send(struct txq *q, struct nic *n, int op, uint32_t spa, uint32_t tpa,
	      const uint8_t *dst_mac, const uint8_t *tha)
{
	static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct pkt *p = pkt_new(PKT_HEADROOM, sizeof(struct arp_hdr));
	struct arp_hdr *a;

	if (!p)
		return;
	a = pkt_append(p, sizeof(*a));
	a->htype = htons(ARPHRD_ETHER);
	a->ptype = htons(ETHERTYPE_IP4);
	a->hlen = ETH_ALEN;
	a->plen = 4;
	a->op = htons((uint16_t)op);
	memcpy(a->sha, n->mac, ETH_ALEN);
	a->spa = spa;
	memset(a->tha, 0, ETH_ALEN);
	if (tha)
		memcpy(a->tha, tha, ETH_ALEN);
	a->tpa = tpa;
	p->ethertype = ETHERTYPE_ARP;
	p->nic = n;
	ether_fill(n, p, dst_mac ? dst_mac : broadcast);
	p->flags |= PKT_RESOLVED;
	txq_add(q, p);
}

static int arp_notify_addr(void *arg, const struct addr_info *a)
{
	struct txq *q = arg;
	struct nic *n = nic_peek(q->stack, a->ifindex);

	if (n && n->type == LINK_ETHERNET && nic_up(n) && nic_conf_max(n, IP4_arp_notify) > 0 && ipa_is4(a->addr))
		arp_send(q, n, ARPOP_REQUEST, a->addr.w[3], a->addr.w[3], NULL, NULL);
	return 0;
}

void arp_notify(struct txq *q, struct nic *n)
{
	if (nic_conf_max(n, IP4_arp_notify) > 0)
		(void)addr_for_each(n->stack, arp_notify_addr, q); /* no memory: nobody is told */
}

/* Is a question of spa about tpa, which is ours, one that n doesn't answer?  arp_ignore() */
static bool arp_ignored(struct nic *n, struct ipa spa, struct ipa tpa)
{
	struct stack *s = n->stack;

	switch (nic_conf_max(n, IP4_arp_ignore)) {
	case 1: /* answer for addresses of this interface */
		return !addr_confirm(s, n, tpa, ipa_any4(), RT_SCOPE_HOST);
	case 2: /* for those whose subnet the other is in */
		return !addr_confirm(s, n, tpa, spa, RT_SCOPE_HOST);
	case 3: /* not for those of this host alone */
		return !addr_confirm(s, NULL, tpa, ipa_any4(), RT_SCOPE_LINK);
	case 8:
		return true;
	default:
		return false;
	}
}

/* Would what goes to spa leave by another interface?  arp_filter() */
static bool arp_filtered(struct nic *n, struct ipa spa, struct ipa tpa)
{
	struct route_key k = { .dst = spa, .src = tpa };
	struct dst d;

	return nic_conf_or(n, IP4_arp_filter) && (route_lookup(n->stack, &k, &d) < 0 || d.nic != n);
}

/* Does n answer for tpa, which is somewhere else?  arp_fwd_proxy(), arp_fwd_pvlan() */
static bool arp_proxied(struct nic *n, struct ipa spa, struct ipa tpa)
{
	struct route_key k = { .dst = tpa, .src = spa, .iif = n->ifindex };
	struct dst d;

	if (!nic_conf(n, IP4_forwarding) || !(nic_conf_or(n, IP4_proxy_arp) || nic_conf(n, IP4_proxy_arp_pvlan)))
		return false;
	if (route_lookup(n->stack, &k, &d) < 0 || d.type != ROUTE_UNICAST)
		return false;
	return d.nic == n ? nic_conf(n, IP4_proxy_arp_pvlan) : nic_conf_or(n, IP4_proxy_arp);
}

/* A question.  false: it tells of the one who asks, no more. */
static bool arp_answer(struct txq *q, struct nic *n, struct ipa spa, struct ipa tpa, const uint8_t sha[ETH_ALEN])
{
	bool ours = addr_type(q->stack, tpa, 0) == ROUTE_LOCAL;

	if (ipa_is_any(spa)) { /* RFC 5227: is it taken? */
		if (ours && !arp_ignored(n, spa, tpa))
			arp_send(q, n, ARPOP_REPLY, tpa.w[3], spa.w[3], sha, sha);
		return true;
	}
	if (ip4_source_error(n, spa, tpa) < 0)
		return false;
	if (!ours && !arp_proxied(n, spa, tpa))
		return false;
	if (ours && (arp_ignored(n, spa, tpa) || arp_filtered(n, spa, tpa)))
		return true;
	neigh_learn(q, n, spa, sha, NEIGH_OVERRIDE | NEIGH_CREATE);
	arp_send(q, n, ARPOP_REPLY, tpa.w[3], spa.w[3], sha, sha);
	return true;
}

/* Does what nobody asked for make an entry?  arp_accept() */
static bool arp_accepted(struct nic *n, struct ipa spa)
{
	int accept = nic_conf_max(n, IP4_arp_accept);

	return accept == 1 || (accept == 2 && addr_on_link(n, spa, spa));
}

void arp_input(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct arp_hdr *a = (const void *)p->data;
	struct stack *s = q->stack;
	struct ipa spa, tpa;
	bool gratuitous, to_us;
	int op;

	NET_INC(s, ArpIn);
	if (!pkt_linear(p, sizeof(*a)) || a->htype != htons(ARPHRD_ETHER) ||
	    a->ptype != htons(ETHERTYPE_IP4) || a->hlen != ETH_ALEN || a->plen != 4 ||
	    n->type != LINK_ETHERNET || (atomic_load(&n->flags) & IFF_NOARP))
		goto bad;
	spa = ipa_v4(a->spa);
	tpa = ipa_v4(a->tpa);
	op = ntohs(a->op);
	if (ipa_is_multicast(spa) || ipa_is_multicast(tpa) || ipa_is_loopback(spa) || (a->sha[0] & 1) ||
	    (ipa_is_loopback(tpa) && !nic_conf_or(n, IP4_route_localnet)))
		goto bad;
	gratuitous = ipa_eq(spa, tpa) && (op == ARPOP_REQUEST || op == ARPOP_REPLY);
	if (gratuitous && nic_conf_or(n, IP4_drop_gratuitous_arp))
		goto out;
	if (op == ARPOP_REQUEST && arp_answer(q, n, spa, tpa, a->sha))
		goto out;
	if (!ipa_is_any(spa) && (op == ARPOP_REPLY || op == ARPOP_REQUEST)) {
		to_us = op == ARPOP_REPLY && addr_type(s, tpa, 0) == ROUTE_LOCAL;
		neigh_learn(q, n, spa, a->sha, NEIGH_OVERRIDE | (to_us ? NEIGH_SOLICITED : 0) |
			    ((gratuitous || op == ARPOP_REPLY) && arp_accepted(n, spa) ? NEIGH_CREATE : 0));
	}
out:
	pkt_free(p);
	return;
bad:
	NET_INC(s, ArpBad);
	pkt_free(p);
}
