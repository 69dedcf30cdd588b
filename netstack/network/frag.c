/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frag.c: reassembly of IPv4 and IPv6 fragments.
 *
 * Against attacks: overlapping fragments end the whole datagram (RFC 5722, and Linux for IPv4 too);
 * a datagram has at most FRAG_COUNT pieces; all queues together hold at most ipfrag_high_thresh
 * bytes, the oldest datagrams going first; a datagram must be complete within ipfrag_time seconds
 * (60 for IPv6).  Fragment memory is also charged to the stack.
 *
 * One lock (LOCK_LEAF) for the table; a whole datagram is put together outside of it.
 */
#include "netstack/stack_impl.h"

#define FRAG_COUNT   1400
#define FRAG_TIME6   60

struct frag_queue {
	struct hash_node hn;
	struct list node;     /* lru, by creation */
	struct list pieces;   /* struct pkt by offset */
	struct ipa src, dst;
	uint32_t id;
	uint8_t proto;        /* IPv4; IPv6: 0 */
	uint16_t count;
	uint32_t have;        /* payload bytes */
	uint32_t total;       /* 0: the last piece has not come */
	size_t bytes;         /* memory */
	int64_t expires_ns;
	struct nic *nic;
};

static void frag_timer(struct ntimer *t, struct txq *q);

void frag_init(struct stack *s)
{
	nlock_init(&s->frags.lock, LOCK_LEAF);
	list_init(&s->frags.lru);
	ntimer_init(&s->frags.timer, frag_timer);
	if (hash_init(&s->frags.queues, 16) < 0)
		s->frags.queues.buckets = NULL;
}

static uint64_t frag_hash(const struct frag_queue *k)
{
	uint64_t h = hash_bytes(2, k->src.b, 16);

	h = hash_bytes(h, k->dst.b, 16);
	return hash_u64(h, (uint64_t)k->id << 8 | k->proto);
}

/* Take q out of the table; its pieces stay on it. */
static void frag_unlink(struct stack *s, struct frag_queue *f)
{
	hash_remove(&s->frags.queues, &f->hn);
	list_remove(&f->node);
	s->frags.bytes -= f->bytes;
	stack_mem_uncharge(s, f->bytes);
}

static void frag_queue_free(struct frag_queue *f)
{
	pkt_free_list(&f->pieces);
	mem_free(f);
}

void frag_fini(struct stack *s)
{
	struct frag_queue *f, *tmp;

	ntimer_cancel(s, &s->frags.timer);
	list_for_each_entry_safe(f, tmp, &s->frags.lru, node) {
		frag_unlink(s, f);
		frag_queue_free(f);
	}
	hash_fini(&s->frags.queues);
}

static struct frag_queue *frag_find(struct stack *s, const struct frag_queue *k, uint64_t h)
{
	struct hash_node *n;

	for (n = hash_first(&s->frags.queues, h); n; n = hash_next(n)) {
		struct frag_queue *f = container_of(n, struct frag_queue, hn);

		if (f->id == k->id && f->proto == k->proto && ipa_eq(f->src, k->src) &&
		    ipa_eq(f->dst, k->dst))
			return f;
	}
	return NULL;
}

static struct frag_queue *frag_create(struct stack *s, const struct frag_queue *k, uint64_t h,
				      bool v6)
{
	struct frag_queue *f = mem_new(struct frag_queue);
	int64_t life = (v6 ? FRAG_TIME6 : s->conf.ipfrag_time) * NSEC_PER_SEC;

	if (!f)
		return NULL;
	f->src = k->src;
	f->dst = k->dst;
	f->id = k->id;
	f->proto = k->proto;
	f->nic = k->nic;
	f->bytes = sizeof(*f);
	f->expires_ns = stack_now(s) + life;
	list_init(&f->pieces);
	list_append(&s->frags.lru, &f->node);
	hash_insert(&s->frags.queues, &f->hn, h);
	s->frags.bytes += f->bytes;
	stack_mem_force(s, f->bytes);
	return f;
}

static uint32_t frag_end(const struct pkt *p, size_t hlen)
{
	return p->cb.frag.offset + p->len - (uint32_t)hlen;
}

/*
 * Put p (whose payload begins at hlen, kept in ->room's sake by the caller as trans) in its place.
 * 0; -EEXIST for an exact duplicate (dropped alone); -EINVAL when the datagram must go.
 */
static int frag_insert(struct frag_queue *f, struct pkt *p)
{
	uint32_t start = p->cb.frag.offset, end = start + p->len;
	struct list *pos;
	struct pkt *o;

	if (end > 65535 || f->count >= FRAG_COUNT)
		return -EINVAL;
	if (p->cb.frag.more) {
		if ((p->len & 7) || p->len == 0 || (f->total && end > f->total))
			return -EINVAL;
	} else {
		if (f->total && f->total != end)
			return -EINVAL;
		if (!list_empty(&f->pieces) &&
		    frag_end(list_entry(f->pieces.prev, struct pkt, node), 0) > end)
			return -EINVAL;
	}
	for (pos = f->pieces.prev; pos != &f->pieces; pos = pos->prev) {
		o = list_entry(pos, struct pkt, node);
		if (o->cb.frag.offset <= start)
			break;
	}
	if (pos != &f->pieces) {
		o = list_entry(pos, struct pkt, node);
		if (o->cb.frag.offset == start && o->len == p->len &&
		    o->cb.frag.more == p->cb.frag.more)
			return -EEXIST;
		if (o->cb.frag.offset + o->len > start)
			return -EINVAL;
	}
	if (pos->next != &f->pieces &&
	    list_entry(pos->next, struct pkt, node)->cb.frag.offset < end)
		return -EINVAL;
	if (!p->cb.frag.more)
		f->total = end;
	list_insert_between(&p->node, pos, pos->next);
	f->count++;
	f->have += p->len;
	return 0;
}

static void frag_evict(struct stack *s)
{
	while (s->frags.bytes > (size_t)s->conf.ipfrag_high_thresh) {
		struct frag_queue *f = list_first(&s->frags.lru, struct frag_queue, node);
		bool v6;

		if (!f)
			return;
		v6 = !ipa_is4(f->src);
		frag_unlink(s, f);
		frag_queue_free(f);
		NET_INC(s, FragOverflow);
		net_add(s, v6 ? NS_Ip6ReasmFails : NS_IpReasmFails, 1);
	}
}

/*
 * Add p, whose data is at the fragment's payload and whose net still points at its headers.
 * Returns the queue, taken out of the table, once it is complete.
 */
static struct frag_queue *frag_add(struct stack *s, const struct frag_queue *k, struct pkt *p,
				   bool v6)
{
	struct frag_queue *f, *done = NULL;
	uint64_t h = frag_hash(k);
	size_t size = p->truesize;
	int err;

	nlock_lock(&s->frags.lock);
	f = s->frags.queues.buckets ? frag_find(s, k, h) : NULL;
	if (!f && s->frags.queues.buckets)
		f = frag_create(s, k, h, v6);
	if (!f || !stack_mem_charge(s, size)) {
		pkt_free(p);
		goto out;
	}
	err = frag_insert(f, p);
	if (err < 0) {
		stack_mem_uncharge(s, size);
		pkt_free(p);
		if (err == -EINVAL) {
			NET_INC(s, FragOverlap);
			net_add(s, v6 ? NS_Ip6ReasmFails : NS_IpReasmFails, 1);
			frag_unlink(s, f);
			frag_queue_free(f);
		}
		goto out;
	}
	f->bytes += size;
	s->frags.bytes += size;
	if (f->total && f->have == f->total) {
		frag_unlink(s, f);
		done = f;
	} else {
		frag_evict(s);
	}
out:
	nlock_unlock(&s->frags.lock);
	if (!done)
		ntimer_arm_before(s, &s->frags.timer, stack_now(s) + NSEC_PER_SEC);
	return done;
}

/* hlen bytes of headers of the first piece, then all payloads.  Frees f. */
static struct pkt *frag_build(struct frag_queue *f, size_t hlen)
{
	struct pkt *first = list_first(&f->pieces, struct pkt, node), *o, *p;

	p = hlen + f->total > 65535 + IP6_HLEN ? NULL : pkt_new(PKT_HEADROOM, hlen + f->total);
	if (p) {
		memcpy(pkt_append(p, hlen), first->net, hlen);
		list_for_each_entry(o, &f->pieces, node)
			pkt_copy(o, 0, pkt_append(p, o->len), o->len);
		p->net = p->link = p->data;
		p->trans = p->data + hlen;
		p->nic = first->nic;
		p->src = first->src;
		p->dst = first->dst;
		p->ttl = first->ttl;
		p->tos = first->tos;
		p->flow = first->flow;
		p->ethertype = first->ethertype;
		p->flags = (uint16_t)((first->flags & ~PKT_CSUM_PARTIAL & ~PKT_CSUM_OK) | PKT_REASSEMBLED);
	}
	frag_queue_free(f);
	return p;
}

struct pkt *frag_input4(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct ip4_hdr *ip = (const void *)p->data;
	struct stack *s = q->stack;
	struct frag_queue k = { .src = p->src, .dst = p->dst, .id = ntohs(ip->id),
				.proto = ip->proto, .nic = n }, *f;
	uint16_t frag = ntohs(ip->frag);
	size_t hlen = (ip->ver_ihl & 15U) * 4U;
	struct ip4_hdr *h;

	NET_INC(s, IpReasmReqds);
	p->cb.frag.offset = (uint16_t)((frag & IP4_OFFMASK) * 8U);
	p->cb.frag.more = frag & IP4_MF;
	if (p->len == hlen || (frag & IP4_OFFMASK) * 8U + p->len - hlen > 65535) {
		NET_INC(s, IpReasmFails);
		pkt_free(p);
		return NULL;
	}
	pkt_pull(p, hlen);
	p->trans = p->data;
	f = frag_add(s, &k, p, false);
	if (!f)
		return NULL;
	p = list_first(&f->pieces, struct pkt, node);
	hlen = (size_t)(p->data - p->net);
	p = hlen + f->total > 65535 ? (frag_queue_free(f), NULL) : frag_build(f, hlen);
	if (!p) {
		NET_INC(s, IpReasmFails);
		return NULL;
	}
	h = (void *)p->data;
	h->len = htons((uint16_t)p->len);
	h->frag = 0;
	h->csum = 0;
	h->csum = csum_fold(csum_add(0, h, hlen, 0));
	NET_INC(s, IpReasmOKs);
	return p;
}

struct pkt *frag_input6(struct txq *q, struct nic *n, struct pkt *p, size_t frag_off,
			size_t next_off)
{
	const struct ip6_frag *fh = (const void *)(p->data + frag_off);
	struct stack *s = q->stack;
	struct frag_queue k = { .src = p->src, .dst = p->dst, .id = ntohl(fh->id), .nic = n }, *f;
	uint16_t off_flags = ntohs(fh->off_flags);
	uint8_t next = fh->next;
	size_t hlen = frag_off + sizeof(*fh);

	NET_INC(s, Ip6ReasmReqds);
	p->cb.frag.offset = off_flags & 0xfff8;
	p->cb.frag.more = off_flags & 1;
	if (p->cb.frag.more && ((p->len - hlen) & 7)) {
		icmp_error(q, n, p, ICMP6_PARAM, 0, offsetof(struct ip6_hdr, plen));
		goto fail;
	}
	if (p->cb.frag.offset + p->len - hlen > 65535) {
		icmp_error(q, n, p, ICMP6_PARAM, 0, (uint32_t)(frag_off + 2));
		goto fail;
	}
	if (p->cb.frag.offset == 0 && !p->cb.frag.more) {
		/* An atomic fragment (RFC 6946): take the header out and go on. */
		memmove(p->data + sizeof(*fh), p->data, frag_off);
		pkt_pull(p, sizeof(*fh));
		p->net = p->link = p->data;
		p->net[next_off] = next;
		wr16(p->data + 4, (uint16_t)(p->len - IP6_HLEN));
		NET_INC(s, Ip6ReasmOKs);
		return p;
	}
	if (p->len == hlen)
		goto fail;
	/* The headers of every piece name what follows, so that the first one's can be used. */
	p->net[next_off] = next;
	pkt_pull(p, hlen);
	f = frag_add(s, &k, p, true);
	if (!f)
		return NULL;
	p = list_first(&f->pieces, struct pkt, node);
	hlen = (size_t)(p->data - p->net) - sizeof(*fh);
	p = hlen - IP6_HLEN + f->total > 65535 || hlen != frag_off ? (frag_queue_free(f), NULL) :
								    frag_build(f, hlen);
	if (!p) {
		NET_INC(s, Ip6ReasmFails);
		return NULL;
	}
	wr16(p->data + 4, (uint16_t)(p->len - IP6_HLEN));
	NET_INC(s, Ip6ReasmOKs);
	return p;
fail:
	NET_INC(s, Ip6ReasmFails);
	pkt_free(p);
	return NULL;
}

/* Time is up: tell the sender, if we have the first piece (RFC 1122, RFC 8200). */
static void frag_expire(struct txq *q, struct frag_queue *f)
{
	struct pkt *p = list_first(&f->pieces, struct pkt, node);
	bool v4 = ipa_is4(f->src);

	net_add(q->stack, v4 ? NS_IpReasmTimeout : NS_Ip6ReasmTimeout, 1);
	net_add(q->stack, v4 ? NS_IpReasmFails : NS_Ip6ReasmFails, 1);
	if (p && p->cb.frag.offset == 0) {
		size_t back = (size_t)(p->data - p->net);

		pkt_push(p, back);
		icmp_error(q, f->nic, p, v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 1, 0);
	}
	frag_queue_free(f);
}

static void frag_timer(struct ntimer *t, struct txq *q)
{
	struct stack *s = q->stack;
	int64_t now = stack_now(s);
	struct frag_queue *f, *tmp;
	struct list dead;
	bool more;

	(void)t;
	list_init(&dead);
	nlock_lock(&s->frags.lock);
	list_for_each_entry_safe(f, tmp, &s->frags.lru, node)
		if (f->expires_ns <= now) {
			frag_unlink(s, f);
			list_append(&dead, &f->node);
		}
	more = !list_empty(&s->frags.lru);
	nlock_unlock(&s->frags.lock);
	list_for_each_entry_safe(f, tmp, &dead, node)
		frag_expire(q, f);
	if (more)
		ntimer_arm_before(s, &s->frags.timer, now + NSEC_PER_SEC);
}
