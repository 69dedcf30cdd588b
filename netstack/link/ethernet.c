/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ethernet.c: Ethernet headers, and cutting of large segments for links that cannot do it.
 *
 * A packet to be cut has IP and transport headers linear and one payload; each piece gets a copy of
 * the headers, adjusted, and shares the payload's blocks where it lies in pieces.
 */
#include "netstack/stack_impl.h"

void ether_fill(struct nic *n, struct pkt *p, const uint8_t dst[6])
{
	struct eth_hdr *eth = pkt_push(p, ETH_HLEN);

	memcpy(eth->dst, dst, ETH_ALEN);
	memcpy(eth->src, n->mac, ETH_ALEN);
	eth->type = htons(p->ethertype);
	p->link = p->data;
}

/* Append payload bytes [off, off+len) of p to piece c. */
static bool gso_payload(const struct pkt *p, struct pkt *c, size_t off, size_t len)
{
	uint8_t *to;

	if (off + len <= p->head_len || p->nfrags == 0) {
		to = pkt_append(c, len);
		if (!to)
			return false;
		memcpy(to, p->data + off, len);
		return true;
	}
	if (off < p->head_len) { /* crosses from linear to pieces: copy */
		to = pkt_append(c, len);
		if (!to)
			return false;
		pkt_copy(p, off, to, len);
		return true;
	}
	off -= p->head_len;
	for (unsigned int i = 0; i < p->nfrags && len; i++) {
		const struct pkt_frag *f = &p->frags[i];
		size_t n;

		if (off >= f->len) {
			off -= f->len;
			continue;
		}
		n = MIN(len, (size_t)f->len - off);
		if (!pkt_add_frag(c, f->buf, f->off + (uint32_t)off, (uint32_t)n))
			return false;
		off = 0;
		len -= n;
	}
	return true;
}

static void gso_fix_headers(struct stack *s, const struct pkt *p, struct pkt *c, size_t done,
			    unsigned int index, bool last)
{
	size_t tlen = c->len - (size_t)(c->trans - c->data);
	uint32_t sum;

	if (c->ethertype == ETHERTYPE_IP4) {
		struct ip4_hdr *ip = (void *)c->net;

		ip->len = htons((uint16_t)(c->len - (size_t)(c->net - c->data)));
		if (index)
			ip->id = htons((uint16_t)(ntohs(ip->id) + index));
		ip->csum = 0;
		ip->csum = csum_fold(csum_add(0, ip, (ip->ver_ihl & 15U) * 4U, 0));
	} else {
		struct ip6_hdr *ip = (void *)c->net;

		ip->plen = htons((uint16_t)(c->len - (size_t)(c->net - c->data) - IP6_HLEN));
	}
	sum = csum_pseudo(p->src, p->dst, p->proto, (uint32_t)tlen);
	if (p->proto == PROTO_TCP) {
		struct tcp_hdr *th = (void *)c->trans;

		th->seq = htonl(ntohl(th->seq) + (uint32_t)done);
		if (!last)
			th->flags &= (uint8_t)~(TH_FIN | TH_PSH);
		if (index)
			th->flags &= (uint8_t)~TH_CWR;
		th->csum = (uint16_t)~csum_fold(sum);
	} else {
		struct udp_hdr *uh = (void *)c->trans;

		uh->len = htons((uint16_t)tlen);
		uh->csum = (uint16_t)~csum_fold(sum);
	}
	c->flags |= PKT_CSUM_PARTIAL;
	pkt_finish_csum(c);
	(void)s;
}

/* The size of p's headers, or 0: they are not what ethertype and proto say, or not all there. */
static size_t gso_headers(const struct pkt *p)
{
	bool v4 = p->ethertype == ETHERTYPE_IP4;
	size_t ip = v4 ? IP4_HLEN : IP6_HLEN, hdr;

	if (!p->net || !p->trans || p->net < p->data || p->trans < p->net + ip || (!v4 && p->ethertype != ETHERTYPE_IP6))
		return 0;
	hdr = (size_t)(p->trans - p->data);
	if (!pkt_linear(p, hdr + (p->proto == PROTO_TCP ? sizeof(struct tcp_hdr) : sizeof(struct udp_hdr))) ||
	    p->net[0] >> 4 != (v4 ? 4 : 6) || (v4 && (p->net[0] & 15) * 4 != p->trans - p->net))
		return 0;
	hdr += p->proto == PROTO_TCP ? (((const struct tcp_hdr *)(void *)p->trans)->off >> 4) * 4U :
				       sizeof(struct udp_hdr);
	return pkt_linear(p, hdr) ? hdr : 0;
}

int gso_segment(struct pkt *p, struct list *out)
{
	size_t hdr = gso_headers(p), off;
	unsigned int index = 0;
	int err = hdr ? -ENOBUFS : -EINVAL;

	ASSERT(p->gso_size);
	if (!hdr)
		goto fail; /* nothing is read or written beyond what is there */
	for (off = hdr; off < p->len; index++) {
		size_t n = MIN((size_t)p->gso_size, p->len - off);
		bool linear = p->nfrags == 0 || off < p->head_len;
		struct pkt *c = pkt_new(PKT_HEADROOM, hdr + (linear ? n : 0));

		if (!c)
			goto fail;
		memcpy(pkt_append(c, hdr), p->data, hdr);
		c->net = c->data + (p->net - p->data);
		c->trans = c->data + (p->trans - p->data);
		c->link = c->data;
		c->ethertype = p->ethertype;
		c->proto = p->proto;
		c->csum_off = p->csum_off;
		c->nic = p->nic;
		c->flags = p->flags;
		if (!gso_payload(p, c, off, n)) {
			pkt_free(c);
			goto fail;
		}
		gso_fix_headers(p->nic->stack, p, c, off - hdr, index, off + n == p->len);
		list_append(out, &c->node);
		off += n;
	}
	err = 0;
fail:
	pkt_free(p);
	return err;
}
