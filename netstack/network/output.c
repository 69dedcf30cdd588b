/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c: IP headers on outgoing packets, local fragmentation, multicast to ourselves; and the
 * cache of path MTUs.
 */
#include "netstack/ip6_ext.h"
#include "netstack/stack_impl.h"

#define PMTU_MAX     1024
#define PMTU_TTL_NS  (600 * NSEC_PER_SEC)
#define PMTU_MIN4    552
#define PMTU_MIN6    1280

static void ip4_header(struct stack *s, const struct dst *d, struct pkt *p, const struct ip_out *o)
{
	size_t hlen = IP4_HLEN + o->opts_len;
	struct ip4_hdr *ip = pkt_push(p, hlen);
	uint32_t id = atomic_fetch_add_explicit(&s->ip_id, MAX(1U, p->gso_size ? p->len / p->gso_size + 1 : 1),
						memory_order_relaxed);

	(void)d;
	ip->ver_ihl = (uint8_t)(0x40 | hlen / 4);
	ip->tos = o->tos;
	ip->len = htons((uint16_t)p->len);
	ip->id = htons((uint16_t)(id + hash_u64(p->dst.w[3], p->src.w[3])));
	ip->frag = htons(o->df && !o->frag_ok ? IP4_DF : 0);
	ip->ttl = o->ttl;
	ip->proto = o->proto;
	ip->csum = 0;
	ip->src = p->src.w[3];
	ip->dst = p->dst.w[3];
	if (o->opts_len)
		memcpy(ip + 1, o->opts, o->opts_len);
	ip->csum = csum_fold(csum_add(0, ip, hlen, 0));
	p->net = p->data;
	p->ethertype = ETHERTYPE_IP4;
}

static void ip6_header(const struct dst *d, struct pkt *p, const struct ip_out *o)
{
	uint8_t next = o->ext ? ip6_ext_push(o->ext, p, o->proto) : o->proto;
	struct ipa to = ip6_ext_first_hop(o->ext, p->dst);
	uint32_t plen = p->len;
	struct ip6_hdr *ip = pkt_push(p, IP6_HLEN);

	ip->ver_tc_flow = htonl(6U << 28 | (uint32_t)o->tos << 20 | (o->flow & 0xfffff));
	ip->plen = htons((uint16_t)plen);
	ip->next = next;
	ip->hops = o->hops ? (uint8_t)nic_conf(d->nic, IP6_hop_limit) : o->ttl;
	memcpy(ip->src, p->src.b, 16);
	memcpy(ip->dst, to.b, 16);
	p->net = p->data;
	p->ethertype = ETHERTYPE_IP6;
}

static void ip_loop_copy(struct txq *q, struct pkt *p)
{
	struct pkt *c = pkt_clone(p);

	if (!c)
		return;
	c->flags |= PKT_TO_SELF;
	c->gso_size = 0;
	txq_add(q, c);
}

int ip_output(struct txq *q, const struct dst *d, struct pkt *p, const struct ip_out *o)
{
	struct stack *s = q->stack;
	bool v4 = ipa_is4(p->dst);
	size_t hlen = v4 ? IP4_HLEN + (size_t)o->opts_len : ip6_ext_wire(o->ext); /* of what may be 65535 bytes */

	net_add(s, v4 ? NS_IpOutRequests : NS_Ip6OutRequests, 1);
	if (p->len + hlen > 65535) {
		pkt_free(p);
		return -EMSGSIZE;
	}
	if (o->ext) {
		p = pkt_make_headroom(p, hlen + PKT_HEADROOM);
		if (!p)
			return -ENOBUFS;
	}
	p->nic = d->nic;
	p->nexthop = d->nexthop;
	p->proto = o->proto;
	if (v4)
		ip4_header(s, d, p, o);
	else
		ip6_header(d, p, o);
	if (d->type == ROUTE_MULTICAST)
		net_add(s, NS_OutMcastPkts, 1);
	if ((d->type == ROUTE_MULTICAST || d->type == ROUTE_BROADCAST) &&
	    d->nic->type != LINK_LOOPBACK) {
		if (o->mc_loop && (d->type == ROUTE_BROADCAST || mcast_member(d->nic, ip6_ext_first_hop(o->ext, p->dst))))
			ip_loop_copy(q, p);
		if (d->type == ROUTE_MULTICAST && o->ttl == 0) {
			pkt_free(p);
			return 0;
		}
	}
	if (p->len > d->mtu && !p->gso_size) {
		if (o->df && !o->frag_ok) {
			net_add(s, v4 ? NS_IpFragFails : NS_Ip6FragFails, 1);
			pkt_free(p);
			return -EMSGSIZE;
		}
		pkt_finish_csum(p);
		return v4 ? ip4_fragment(q, p, d->mtu) : ip6_fragment(q, p, d->mtu);
	}
	txq_add(q, p);
	return 0;
}

/* A piece with hlen bytes of header room before payload [off, off+n) of p. */
static struct pkt *ip_piece(const struct pkt *p, size_t hlen, size_t off, size_t n)
{
	struct pkt *c = pkt_new(PKT_HEADROOM, hlen + n);

	if (!c)
		return NULL;
	pkt_append(c, hlen);
	pkt_copy(p, off, pkt_append(c, n), n);
	c->net = c->data;
	c->trans = c->data + hlen;
	c->nic = p->nic;
	c->nexthop = p->nexthop;
	c->src = p->src;
	c->dst = p->dst;
	c->proto = p->proto;
	c->ethertype = p->ethertype;
	c->mark = p->mark;
	return c;
}

/* Options with the copy bit stay, the others become NOPs (RFC 791). */
static void ip4_strip_options(struct ip4_hdr *ip)
{
	uint8_t *o = (uint8_t *)(ip + 1);
	size_t len = (ip->ver_ihl & 15U) * 4U - IP4_HLEN;

	for (size_t i = 0; i < len && o[i] != 0;) {
		size_t n = o[i] == 1 ? 1 : i + 1 < len ? o[i + 1] : 0;

		if (n == 0 || n > len - i)
			return;
		if (!(o[i] & 0x80))
			memset(o + i, 1, n);
		i += n;
	}
}

int ip4_fragment(struct txq *q, struct pkt *p, uint32_t mtu)
{
	size_t hlen = (p->data[0] & 15U) * 4U, off = hlen, step;
	uint16_t base = ntohs(((struct ip4_hdr *)(void *)p->data)->frag);
	struct stack *s = q->stack;

	if (mtu < hlen + 8)
		goto fail;
	step = ALIGN_DOWN(mtu - hlen, (size_t)8);
	while (off < p->len) {
		size_t n = MIN(step, p->len - off);
		struct pkt *c = ip_piece(p, hlen, off, n);
		struct ip4_hdr *ip;

		if (!c)
			goto fail;
		memcpy(c->data, p->data, hlen);
		ip = (void *)c->data;
		if (off > hlen)
			ip4_strip_options(ip);
		ip->len = htons((uint16_t)(hlen + n));
		ip->frag = htons((uint16_t)((base & (IP4_DF | IP4_OFFMASK)) + (off - hlen) / 8));
		if (off + n < p->len || (base & IP4_MF))
			ip->frag |= htons(IP4_MF);
		ip->frag &= htons((uint16_t)~IP4_DF);
		ip->csum = 0;
		ip->csum = csum_fold(csum_add(0, ip, hlen, 0));
		txq_add(q, c);
		NET_INC(s, IpFragCreates);
		off += n;
	}
	NET_INC(s, IpFragOKs);
	pkt_free(p);
	return 0;
fail:
	NET_INC(s, IpFragFails);
	pkt_free(p);
	return -ENOBUFS;
}

/*
 * How long is what every fragment of p has, and where in it lies the number of what follows?  As Linux (ip6_find_1stfragopt())
 * destination options are part of it unless they come after a routing header.
 */
static size_t ip6_unfragmentable(const struct pkt *p, size_t *next_off)
{
	struct ip6_walk w = { p->data + IP6_HLEN, p->data + p->head_len, p->data[offsetof(struct ip6_hdr, next)] };
	size_t size, off = IP6_HLEN;
	bool routed = false;
	const uint8_t *h;
	uint8_t proto;

	*next_off = offsetof(struct ip6_hdr, next);
	while ((h = ip6_walk_next(&w, &proto, &size)) && !(routed && proto == PROTO_DSTOPTS)) {
		routed |= proto == PROTO_ROUTING;
		*next_off = off;
		off += size;
	}
	return off;
}

int ip6_fragment(struct txq *q, struct pkt *p, uint32_t mtu)
{
	size_t next_off, start = ip6_unfragmentable(p, &next_off), off = start, step;
	const size_t hlen = start + sizeof(struct ip6_frag);
	struct stack *s = q->stack;
	uint32_t id = stack_random32(s);
	int err = -ENOBUFS;

	mtu = MAX(mtu, (uint32_t)PMTU_MIN6);
	if (mtu < hlen + 8) {
		err = -EMSGSIZE;
		goto fail;
	}
	step = ALIGN_DOWN(mtu - hlen, (size_t)8);
	while (off < p->len) {
		size_t n = MIN(step, p->len - off);
		struct pkt *c = ip_piece(p, hlen, off, n);
		struct ip6_hdr *ip;
		struct ip6_frag *fh;

		if (!c)
			goto fail;
		memcpy(c->data, p->data, start);
		ip = (void *)c->data;
		fh = (void *)(c->data + start);
		fh->next = c->data[next_off];
		fh->reserved = 0;
		fh->off_flags = htons((uint16_t)((off - start) | (off + n < p->len)));
		fh->id = htonl(id);
		c->data[next_off] = PROTO_FRAGMENT;
		ip->plen = htons((uint16_t)(hlen - IP6_HLEN + n));
		txq_add(q, c);
		NET_INC(s, Ip6FragCreates);
		off += n;
	}
	NET_INC(s, Ip6FragOKs);
	pkt_free(p);
	return 0;
fail:
	NET_INC(s, Ip6FragFails);
	pkt_free(p);
	return err;
}

/* ---- path MTUs ---- */

struct pmtu {
	struct hash_node hn;
	struct list node;
	struct ipa dst;
	uint32_t mtu;
	int64_t until_ns;
};

void pmtu_init(struct stack *s)
{
	nlock_init(&s->pmtus.lock, LOCK_LEAF);
	list_init(&s->pmtus.lru);
	if (hash_init(&s->pmtus.entries, 16) < 0)
		s->pmtus.entries.buckets = NULL;
}

void pmtu_fini(struct stack *s)
{
	struct pmtu *m, *tmp;

	list_for_each_entry_safe(m, tmp, &s->pmtus.lru, node)
		mem_free(m);
	hash_fini(&s->pmtus.entries);
}

static struct pmtu *pmtu_find(struct stack *s, struct ipa dst, uint64_t h)
{
	struct hash_node *n;

	for (n = hash_first(&s->pmtus.entries, h); n; n = hash_next(n)) {
		struct pmtu *m = container_of(n, struct pmtu, hn);

		if (ipa_eq(m->dst, dst))
			return m;
	}
	return NULL;
}

static void pmtu_forget(struct stack *s, struct pmtu *m)
{
	hash_remove(&s->pmtus.entries, &m->hn);
	list_remove(&m->node);
	mem_free(m);
}

uint32_t pmtu_update(struct stack *s, struct ipa dst, uint32_t mtu)
{
	uint64_t h = hash_bytes(1, dst.b, 16);
	struct pmtu *m;

	mtu = MAX(mtu, (uint32_t)(ipa_is4(dst) ? PMTU_MIN4 : PMTU_MIN6));
	if (!s->pmtus.entries.buckets)
		return mtu;
	nlock_lock(&s->pmtus.lock);
	m = pmtu_find(s, dst, h);
	if (!m) {
		if (s->pmtus.entries.count >= PMTU_MAX)
			pmtu_forget(s, list_first(&s->pmtus.lru, struct pmtu, node));
		m = mem_new(struct pmtu);
		if (m) {
			m->dst = dst;
			m->mtu = UINT32_MAX;
			hash_insert(&s->pmtus.entries, &m->hn, h);
			list_append(&s->pmtus.lru, &m->node);
		}
	}
	if (m) {
		m->mtu = MIN(m->mtu, mtu);
		mtu = m->mtu;
		m->until_ns = stack_now(s) + PMTU_TTL_NS;
	}
	nlock_unlock(&s->pmtus.lock);
	stack_bump(s);
	return mtu;
}

uint32_t pmtu_get(struct stack *s, struct ipa dst)
{
	struct pmtu *m;
	uint32_t mtu = 0;

	if (s->pmtus.entries.count == 0)
		return 0;
	nlock_lock(&s->pmtus.lock);
	m = pmtu_find(s, dst, hash_bytes(1, dst.b, 16));
	if (m && m->until_ns <= stack_now(s))
		pmtu_forget(s, m);
	else if (m)
		mtu = m->mtu;
	nlock_unlock(&s->pmtus.lock);
	return mtu;
}
