/* SPDX-License-Identifier: Apache-2.0 */
/* pkt.c: packet buffers (pkt.h).  No locks: a packet has one owner. */
#include "netstack/pkt.h"

#include "lib/latch.h"
#include "lib/mem.h"
#include "lib/uio.h"
#include "netstack/csum.h"
#include "netstack/wire.h"

/*
 * Large blocks (segments of up to 64 KB) come and go at the rate of the traffic, and giving them
 * back to malloc each time makes it return the pages to the host and fault them in again: measured,
 * a quarter of the time of a bulk transfer.  So they are kept: a few for ever, many (a burst's worth)
 * until pkt_memory_trim().
 */
#define BLOCK_SMALL 32768U
#define BLOCK_SIZE  67584U
#define BLOCK_KEEP  16U
#define BLOCK_WARM  256U

static struct {
	struct latch latch;
	void *free[BLOCK_WARM]; /* (latch) */
	unsigned int count;     /* (latch) */
} blocks;

bool pkt_memory_is_warm(void)
{
	bool warm;

	latch_lock(&blocks.latch);
	warm = blocks.count > BLOCK_KEEP;
	latch_unlock(&blocks.latch);
	return warm;
}

void pkt_memory_trim(void)
{
	void *p;

	do {
		p = NULL;
		latch_lock(&blocks.latch);
		if (blocks.count > BLOCK_KEEP)
			p = blocks.free[--blocks.count];
		latch_unlock(&blocks.latch);
		mem_free(p);
	} while (p);
}

static bool block_is_large(size_t size)
{
	return size > BLOCK_SMALL && size <= BLOCK_SIZE;
}

static void *block_alloc(size_t size)
{
	void *p = NULL;

	if (!block_is_large(size))
		return mem_alloc(size);
	latch_lock(&blocks.latch);
	if (blocks.count)
		p = blocks.free[--blocks.count];
	latch_unlock(&blocks.latch);
	return p ? p : mem_alloc(BLOCK_SIZE);
}

static void block_free(void *p, size_t size)
{
	if (block_is_large(size)) {
		latch_lock(&blocks.latch);
		if (blocks.count < BLOCK_WARM) {
			blocks.free[blocks.count++] = p;
			p = NULL;
		}
		latch_unlock(&blocks.latch);
	}
	mem_free(p);
}

struct pbuf *pbuf_new(size_t size)
{
	struct pbuf *b = block_alloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	ref_init(&b->ref);
	b->size = (uint32_t)size;
	return b;
}

struct pbuf *pbuf_get(struct pbuf *b)
{
	ref_get(&b->ref);
	return b;
}

void pbuf_put(struct pbuf *b)
{
	if (b && ref_put(&b->ref))
		block_free(b, sizeof(*b) + b->size);
}

struct pkt *pkt_new(size_t headroom, size_t size)
{
	struct pkt *p = block_alloc(sizeof(*p) + headroom + size);

	if (!p)
		return NULL;
	memset(p, 0, offsetof(struct pkt, frags));
	list_init(&p->node);
	p->data = (uint8_t *)(p + 1) + headroom;
	p->net = p->trans = p->link = p->data;
	p->room = (uint32_t)(headroom + size);
	p->truesize = (uint32_t)(sizeof(*p) + headroom + size);
	return p;
}

void pkt_free(struct pkt *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->nfrags; i++)
		pbuf_put(p->frags[i].buf);
	block_free(p, sizeof(*p) + p->room);
}

void pkt_free_list(struct list *pkts)
{
	struct list *n;

	while ((n = list_shift(pkts)) != NULL)
		pkt_free(list_entry(n, struct pkt, node));
}

struct pkt *pkt_clone(const struct pkt *p)
{
	struct pkt *c = block_alloc(sizeof(*c) + p->room);
	ptrdiff_t shift;

	if (!c)
		return NULL;
	memcpy(c, p, sizeof(*c));
	list_init(&c->node);
	shift = (uint8_t *)(c + 1) - (const uint8_t *)(p + 1);
	c->data = (uint8_t *)(c + 1) + pkt_headroom(p);
	c->net = (uint8_t *)((uintptr_t)p->net + (uintptr_t)shift);
	c->trans = (uint8_t *)((uintptr_t)p->trans + (uintptr_t)shift);
	c->link = (uint8_t *)((uintptr_t)p->link + (uintptr_t)shift);
	/* The headroom too: a received packet's link header lies there. */
	memcpy(c + 1, p + 1, pkt_headroom(p) + p->head_len);
	for (unsigned int i = 0; i < c->nfrags; i++)
		pbuf_get(c->frags[i].buf);
	return c;
}

struct pkt *pkt_make_headroom(struct pkt *p, size_t headroom)
{
	struct pkt *c;

	if (pkt_headroom(p) >= headroom)
		return p;
	c = block_alloc(sizeof(*c) + headroom + p->head_len);
	if (c) {
		memcpy(c, p, sizeof(*c)); /* with its pieces */
		list_init(&c->node);
		c->room = (uint32_t)(headroom + p->head_len);
		c->truesize += c->room - p->room;
		c->data = (uint8_t *)(c + 1) + headroom;
		c->net = c->link = c->data;
		c->trans = c->data + (p->trans - p->data);
		memcpy(c->data, p->data, p->head_len);
		p->nfrags = 0;
	}
	pkt_free(p);
	return c;
}

void *pkt_append(struct pkt *p, size_t size)
{
	void *at = p->data + p->head_len;

	if (p->nfrags || pkt_headroom(p) + p->head_len + size > p->room)
		return NULL;
	p->head_len += (uint32_t)size;
	p->len += (uint32_t)size;
	return at;
}

void *pkt_push(struct pkt *p, size_t size)
{
	ASSERT(pkt_headroom(p) >= size);
	p->data -= size;
	p->head_len += (uint32_t)size;
	p->len += (uint32_t)size;
	return p->data;
}

bool pkt_push_tag(struct pkt *p, uint16_t proto, uint16_t tci)
{
	uint8_t *to;

	if (!pkt_linear(p, ETH_HLEN) || pkt_headroom(p) < VLAN_HLEN)
		return false;
	to = pkt_push(p, VLAN_HLEN);
	memmove(to, to + VLAN_HLEN, 2 * ETH_ALEN);
	wr16(to + 2 * ETH_ALEN, proto);
	wr16(to + 2 * ETH_ALEN + 2, tci);
	return true;
}

void pkt_pull(struct pkt *p, size_t size)
{
	ASSERT(p->head_len >= size);
	p->data += size;
	p->head_len -= (uint32_t)size;
	p->len -= (uint32_t)size;
}

void pkt_drop(struct pkt *p, size_t size)
{
	size_t n = MIN(size, (size_t)p->head_len);
	unsigned int i = 0;

	pkt_pull(p, n);
	size -= n;
	while (size && i < p->nfrags) {
		struct pkt_frag *f = &p->frags[i];

		n = MIN(size, (size_t)f->len);
		f->off += (uint32_t)n;
		f->len -= (uint32_t)n;
		p->len -= (uint32_t)n;
		size -= n;
		if (!f->len) {
			pbuf_put(f->buf);
			i++;
		}
	}
	if (i) {
		p->nfrags = (uint8_t)(p->nfrags - i);
		memmove(p->frags, p->frags + i, p->nfrags * sizeof(p->frags[0]));
	}
}

void pkt_trim(struct pkt *p, size_t len)
{
	size_t left = len;
	unsigned int keep = 0;

	if (len >= p->len)
		return;
	p->len = (uint32_t)len;
	if (len <= p->head_len)
		p->head_len = (uint32_t)len;
	left -= p->head_len;
	while (keep < p->nfrags && left) {
		struct pkt_frag *f = &p->frags[keep++];

		f->len = (uint32_t)MIN(left, (size_t)f->len);
		left -= f->len;
	}
	for (unsigned int i = keep; i < p->nfrags; i++)
		pbuf_put(p->frags[i].buf);
	p->nfrags = (uint8_t)keep;
}

bool pkt_add_frag(struct pkt *p, struct pbuf *b, uint32_t off, uint32_t len)
{
	struct pkt_frag *last = p->nfrags ? &p->frags[p->nfrags - 1] : NULL;

	if (last && last->buf == b && last->off + last->len == off) {
		last->len += len;
	} else {
		if (p->nfrags == PKT_FRAGS)
			return false;
		p->frags[p->nfrags++] = (struct pkt_frag){ pbuf_get(b), off, len };
	}
	p->len += len;
	p->truesize += len;
	return true;
}

/*
 * Walk the pieces of [off, off+size): next() style, so that copying, checksumming and copying to a
 * uio share the arithmetic.
 */
struct pkt_walk {
	const struct pkt *p;
	size_t off, left;
	unsigned int i; /* 0: linear area, then pieces */
};

static size_t pkt_walk_next(struct pkt_walk *w, const uint8_t **at)
{
	while (w->left && w->i <= w->p->nfrags) {
		const uint8_t *base;
		size_t len, n;

		if (w->i == 0) {
			base = w->p->data;
			len = w->p->head_len;
		} else {
			const struct pkt_frag *f = &w->p->frags[w->i - 1];

			base = f->buf->bytes + f->off;
			len = f->len;
		}
		w->i++;
		if (w->off >= len) {
			w->off -= len;
			continue;
		}
		n = MIN(len - w->off, w->left);
		*at = base + w->off;
		w->off = 0;
		w->left -= n;
		return n;
	}
	return 0;
}

void pkt_copy(const struct pkt *p, size_t off, void *dst, size_t size)
{
	struct pkt_walk w = { p, off, size, 0 };
	uint8_t *d = dst;
	const uint8_t *at;
	size_t n;

	ASSERT(off + size <= p->len);
	while ((n = pkt_walk_next(&w, &at)) != 0) {
		memcpy(d, at, n);
		d += n;
	}
}

ssize_t pkt_to_uio(const struct pkt *p, size_t off, size_t size, struct uio *u)
{
	struct pkt_walk w = { p, off, size, 0 };
	ssize_t done = 0;
	const uint8_t *at;
	size_t n;

	while ((n = pkt_walk_next(&w, &at)) != 0) {
		ssize_t got;

		if (uio_left(u) == 0)
			break;
		got = uio_put(u, at, n);
		if (got < 0)
			return done ? done : got;
		done += got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

uint32_t pkt_csum(const struct pkt *p, size_t off, size_t size, uint32_t sum)
{
	struct pkt_walk w = { p, off, size, 0 };
	size_t pos = 0, n;
	const uint8_t *at;

	while ((n = pkt_walk_next(&w, &at)) != 0) {
		sum = csum_add(sum, at, n, pos & 1);
		pos += n;
	}
	return sum;
}

int pkt_iovec(const struct pkt *p, struct iovec *iov)
{
	int n = 0;

	if (p->head_len)
		iov[n++] = (struct iovec){ p->data, p->head_len };
	for (unsigned int i = 0; i < p->nfrags; i++)
		iov[n++] = (struct iovec){ p->frags[i].buf->bytes + p->frags[i].off,
					   p->frags[i].len };
	return n;
}

bool pkt_partial_csum(struct pkt *p, size_t start, size_t off)
{
	if (off > UINT16_MAX || start + off + 2 > p->head_len)
		return false;
	p->trans = p->data + start;
	p->csum_off = (uint16_t)off;
	p->proto = off == 6 ? PROTO_UDP : PROTO_TCP; /* of which 0 means none */
	p->flags |= PKT_CSUM_PARTIAL;
	return true;
}

void pkt_finish_csum(struct pkt *p)
{
	size_t off = (size_t)(p->trans - p->data);
	uint16_t c;

	if (!(p->flags & PKT_CSUM_PARTIAL))
		return;
	c = csum_fold(pkt_csum(p, off, p->len - off, 0));
	if (c == 0 && p->proto == PROTO_UDP)
		c = 0xffff;
	memcpy(p->trans + p->csum_off, &c, 2);
	p->flags &= (uint16_t)~PKT_CSUM_PARTIAL;
}
