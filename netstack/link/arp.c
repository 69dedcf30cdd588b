/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp.c: ARP (RFC 826, RFC 5227): answers for our addresses, learning from answers and from those
 * who ask us.  A gratuitous announcement updates an entry, but never makes one (arp_accept off).
 */
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

void arp_input(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct arp_hdr *a = (const void *)p->data;
	struct stack *s = q->stack;
	struct ipa spa, tpa;
	bool to_us;
	int op;

	NET_INC(s, ArpIn);
	if (!pkt_linear(p, sizeof(*a)) || a->htype != htons(ARPHRD_ETHER) ||
	    a->ptype != htons(ETHERTYPE_IP4) || a->hlen != ETH_ALEN || a->plen != 4 ||
	    n->type != LINK_ETHERNET || (atomic_load(&n->flags) & IFF_NOARP))
		goto bad;
	spa = ipa_v4(a->spa);
	tpa = ipa_v4(a->tpa);
	op = ntohs(a->op);
	if (ipa_is_multicast(spa) || ipa_is_multicast(tpa) || ipa_is_loopback(tpa) ||
	    ipa_is_loopback(spa) || (a->sha[0] & 1))
		goto bad;
	to_us = addr_type(s, tpa, 0) == ROUTE_LOCAL;
	if (op == ARPOP_REQUEST && to_us) {
		if (ipa_is_any(spa) || addr_type(s, spa, 0) != ROUTE_LOCAL)
			arp_send(q, n, ARPOP_REPLY, a->tpa, a->spa, a->sha, a->sha);
		if (!ipa_is_any(spa))
			neigh_learn(q, n, spa, a->sha, NEIGH_OVERRIDE | NEIGH_CREATE);
	} else if (!ipa_is_any(spa) && (op == ARPOP_REPLY || op == ARPOP_REQUEST)) {
		neigh_learn(q, n, spa, a->sha,
			    NEIGH_OVERRIDE | (op == ARPOP_REPLY && to_us ? NEIGH_SOLICITED : 0));
	}
	pkt_free(p);
	return;
bad:
	NET_INC(s, ArpBad);
	pkt_free(p);
}
