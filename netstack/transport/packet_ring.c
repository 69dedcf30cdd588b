/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_ring.c: PACKET_RX_RING (packet(7)): received packets go into memory that the application has
 * mapped, and it sees them without a system call.  TPACKET_V1 and V2: frames of one size, each owned by
 * one side.  V3: blocks filled with packets one after the other; a block is handed over when it is full,
 * or when it has been open for retire_ms with something in it.
 *
 * The memory is the caller's (ep_ring_set()).  The application may write to all of it at any moment:
 * nothing in it is believed but the word that says whose a frame or block is, and that only decides
 * whether we write there.  Positions and counts are kept here and only copied out.
 *
 * Life: d->ring is made with the first ring and freed with the endpoint, so that the timer can look at
 * it; it is in use while mem is set.  All of it is under d->rx_latch, also the copying: who has taken mem
 * away under the latch may unmap it.
 *
 * Linux: tpacket_rcv(), packet_set_ring(), prb_*() in net/packet/af_packet.c.  Not there:
 * extra copies (PACKET_COPY_THRESH).  A ring that is mapped can be taken down (there: EBUSY);
 * the mapping keeps its memory.
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "netstack/transport/ep_impl.h"

#define BLOCK_HEAD     ALIGN_UP(sizeof(struct tpacket_block_desc), (size_t)8)
#define RETIRE_MS      8 /* where the application leaves it to us, as Linux does for unknown speeds */
#define MAC_RESERVE    16 /* between header and packet, for any link header */

struct packet_ring {
	struct ntimer timer; /* V3: the open block's end */
	struct dgram *d;     /* (c) */
	uint8_t *mem;        /* NULL: no ring now */
	struct ep_ring_config c;
	uint32_t per_block;  /* frames */
	uint32_t head;       /* frame (V1, V2) or block (V3) that is next */
	/* V3 */
	bool open, frozen;   /* a block is being filled; there was none to open */
	uint32_t at, last;   /* in the block: the next packet, the latest one */
	uint32_t count;
	uint64_t seq;
	int64_t opened_ns;   /* stack's time, of its first packet */
	uint32_t freezes;
};

/* A packet as it is to be written. */
struct ring_packet {
	const struct pkt *p;
	uint32_t len, snap, mac, net, status;
	int64_t real_ns;
	struct sockaddr_ll sll;
	uint32_t vnet;       /* size of the header before it; 0: none */
	struct virtio_net_hdr head;
};

/* ---- shape ------------------------------------------------------------------------------------- */

static uint32_t header_size(int version)
{
	return version == TPACKET_V1 ? sizeof(struct tpacket_hdr) :
	       version == TPACKET_V2 ? sizeof(struct tpacket2_hdr) : sizeof(struct tpacket3_hdr);
}

/* po->tp_hdrlen: the header and the address behind it. */
static uint32_t head_size(int version)
{
	return (uint32_t)(TPACKET_ALIGN(header_size(version)) + sizeof(struct sockaddr_ll));
}

static uint32_t block_head(const struct packet_ring *r)
{
	return (uint32_t)(BLOCK_HEAD + ALIGN_UP((size_t)r->c.priv_size, (size_t)8));
}

int ep_ring_config(struct ep *e, const void *val, size_t size, struct ep_ring_config *out)
{
	struct ep_ring_config c = { .version = dgram_of(e)->tp_version };
	struct tpacket_req3 q = { 0 };
	uint64_t least;

	if (e->family != AF_PACKET)
		return -ENOPROTOOPT;
	if (size < (c.version == TPACKET_V3 ? sizeof(struct tpacket_req3) : sizeof(struct tpacket_req)))
		return -EINVAL;
	memcpy(&q, val, MIN(size, c.version == TPACKET_V3 ? sizeof(q) : sizeof(struct tpacket_req)));
	c.block_size = q.tp_block_size;
	c.block_nr = q.tp_block_nr;
	c.frame_size = q.tp_frame_size;
	c.frame_nr = q.tp_frame_nr;
	c.retire_ms = q.tp_retire_blk_tov ? q.tp_retire_blk_tov : RETIRE_MS;
	c.priv_size = q.tp_sizeof_priv;
	if (c.block_nr == 0) {
		*out = c;
		return c.frame_nr ? -EINVAL : 0;
	}
	least = head_size(c.version) + (uint64_t)dgram_of(e)->tp_reserve;
	if ((int)c.block_size <= 0 || c.block_size % 4096 ||
	    (c.version == TPACKET_V3 && (c.priv_size >= c.block_size ||
					 c.block_size < BLOCK_HEAD + ALIGN_UP((uint64_t)c.priv_size, 8UL) + least)) ||
	    c.frame_size < least || c.frame_size % TPACKET_ALIGNMENT || c.frame_size > c.block_size ||
	    (uint64_t)(c.block_size / c.frame_size) * c.block_nr != c.frame_nr)
		return -EINVAL;
	*out = c;
	return 0;
}

/* ---- V1, V2: frames ---------------------------------------------------------------------------- */

static uint8_t *frame_at(const struct packet_ring *r, uint32_t i)
{
	return r->mem + (size_t)(i / r->per_block) * r->c.block_size + (size_t)(i % r->per_block) * r->c.frame_size;
}

/* acquire and release here pair with the application's own. */
static uint64_t frame_status(const struct packet_ring *r, const uint8_t *f)
{
	if (r->c.version == TPACKET_V1)
		return atomic_load_explicit((const atomic_ulong *)(const void *)f, memory_order_acquire);
	return atomic_load_explicit((const atomic_uint *)(const void *)f, memory_order_acquire);
}

static void frame_give(const struct packet_ring *r, uint8_t *f, uint32_t status)
{
	if (r->c.version == TPACKET_V1)
		atomic_store_explicit((atomic_ulong *)(void *)f, status, memory_order_release);
	else
		atomic_store_explicit((atomic_uint *)(void *)f, status, memory_order_release);
}

static void frame_head(const struct packet_ring *r, uint8_t *f, const struct ring_packet *q)
{
	if (r->c.version == TPACKET_V1) {
		struct tpacket_hdr h = { .tp_len = q->len, .tp_snaplen = q->snap, .tp_mac = (uint16_t)q->mac,
					 .tp_net = (uint16_t)q->net, .tp_sec = (uint32_t)(q->real_ns / NSEC_PER_SEC),
					 .tp_usec = (uint32_t)(q->real_ns % NSEC_PER_SEC / NSEC_PER_USEC) };

		memcpy(f + sizeof(h.tp_status), (char *)&h + sizeof(h.tp_status), sizeof(h) - sizeof(h.tp_status));
	} else {
		struct tpacket2_hdr h = { .tp_len = q->len, .tp_snaplen = q->snap, .tp_mac = (uint16_t)q->mac,
					  .tp_net = (uint16_t)q->net, .tp_sec = (uint32_t)(q->real_ns / NSEC_PER_SEC),
					  .tp_nsec = (uint32_t)(q->real_ns % NSEC_PER_SEC) };

		memcpy(f + sizeof(h.tp_status), (char *)&h + sizeof(h.tp_status), sizeof(h) - sizeof(h.tp_status));
	}
}

static void put_bytes(const struct packet_ring *r, uint8_t *at, const struct ring_packet *q)
{
	memcpy(at + TPACKET_ALIGN(header_size(r->c.version)), &q->sll, sizeof(q->sll));
	if (q->vnet) {
		memset(at + q->mac - q->vnet, 0, q->vnet);
		memcpy(at + q->mac - q->vnet, &q->head, sizeof(q->head));
	}
	if (q->snap)
		pkt_copy(q->p, 0, at + q->mac, q->snap);
}

static bool frame_put(struct packet_ring *r, struct ring_packet *q)
{
	uint8_t *f = frame_at(r, r->head);

	if (q->mac + q->snap > r->c.frame_size)
		q->snap = q->mac < r->c.frame_size ? r->c.frame_size - q->mac : 0;
	if (q->mac > r->c.frame_size)
		q->vnet = 0;
	if (frame_status(r, f) != TP_STATUS_KERNEL)
		return false;
	put_bytes(r, f, q);
	frame_head(r, f, q);
	frame_give(r, f, q->status);
	r->head = (r->head + 1) % r->c.frame_nr;
	return true;
}

/* ---- V3: blocks -------------------------------------------------------------------------------- */

static struct tpacket_block_desc *block_at(const struct packet_ring *r, uint32_t i)
{
	return (void *)(r->mem + (size_t)i * r->c.block_size);
}

static atomic_uint *block_status(struct tpacket_block_desc *b)
{
	return (atomic_uint *)(void *)&b->hdr.bh1.block_status;
}

static void put_time(struct tpacket_bd_ts *to, int64_t real_ns)
{
	to->ts_sec = (uint32_t)(real_ns / NSEC_PER_SEC);
	to->ts_nsec = (uint32_t)(real_ns % NSEC_PER_SEC);
}

static bool block_open(struct packet_ring *r, int64_t real_ns)
{
	struct tpacket_block_desc *b = block_at(r, r->head);

	/* acquire: the application is through with what was in it */
	if (atomic_load_explicit(block_status(b), memory_order_acquire) != TP_STATUS_KERNEL) {
		r->freezes += !r->frozen;
		r->frozen = true;
		return false;
	}
	r->frozen = false;
	r->open = true;
	r->at = r->last = block_head(r);
	r->count = 0;
	b->version = TPACKET_V3;
	b->offset_to_priv = (uint32_t)BLOCK_HEAD;
	b->hdr.bh1.num_pkts = 0;
	b->hdr.bh1.offset_to_first_pkt = r->at;
	b->hdr.bh1.blk_len = r->at;
	b->hdr.bh1.seq_num = ++r->seq;
	put_time(&b->hdr.bh1.ts_first_pkt, real_ns);
	return true;
}

/* Hand the open block over. */
static void block_retire(struct packet_ring *r, uint32_t status)
{
	struct tpacket_block_desc *b = block_at(r, r->head);
	struct tpacket3_hdr *last = (void *)((uint8_t *)b + r->last);

	last->tp_next_offset = 0;
	b->hdr.bh1.num_pkts = r->count;
	b->hdr.bh1.blk_len = r->at;
	b->hdr.bh1.ts_last_pkt.ts_sec = last->tp_sec;
	b->hdr.bh1.ts_last_pkt.ts_nsec = last->tp_nsec;
	if (atomic_load_explicit(&r->d->drops, memory_order_relaxed))
		status |= TP_STATUS_LOSING;
	/* release: the application sees the whole block */
	atomic_store_explicit(block_status(b), TP_STATUS_USER | status, memory_order_release);
	r->open = false;
	r->head = (r->head + 1) % r->c.block_nr;
}

/* *retired: a block was handed over. */
static bool block_put(struct packet_ring *r, struct ring_packet *q, bool *retired)
{
	uint32_t max = r->c.block_size - block_head(r), need;
	struct tpacket3_hdr h = { 0 };
	uint8_t *at;

	if (q->mac + q->snap > max)
		q->snap = q->mac < max ? max - q->mac : 0;
	if (q->mac > max)
		q->vnet = 0;
	q->mac = MIN(q->mac, max);
	need = ALIGN_UP(q->mac + q->snap, 8U);
	if (r->open && r->at + need >= r->c.block_size && r->count) {
		block_retire(r, 0);
		*retired = true;
	}
	if (!r->open && !block_open(r, q->real_ns))
		return false;
	at = (uint8_t *)block_at(r, r->head) + r->at;
	h.tp_next_offset = need;
	h.tp_sec = (uint32_t)(q->real_ns / NSEC_PER_SEC);
	h.tp_nsec = (uint32_t)(q->real_ns % NSEC_PER_SEC);
	h.tp_snaplen = q->snap;
	h.tp_len = q->len;
	h.tp_status = q->status;
	h.tp_mac = (uint16_t)q->mac;
	h.tp_net = (uint16_t)q->net;
	put_bytes(r, at, q);
	memcpy(at, &h, sizeof(h));
	r->last = r->at;
	r->at = MIN(r->at + need, r->c.block_size);
	r->count++;
	return true;
}

static void ring_timer(struct ntimer *n, struct txq *q)
{
	struct packet_ring *r = container_of(n, struct packet_ring, timer);
	struct dgram *d = r->d;
	int64_t due = 0, now = stack_now(q->stack);
	bool retired = false;

	latch_lock(&d->rx_latch);
	if (r->mem && r->open && r->count) {
		due = r->opened_ns + (int64_t)r->c.retire_ms * NSEC_PER_MSEC;
		if (due <= now) {
			block_retire(r, TP_STATUS_BLK_TMO);
			retired = true;
			due = 0;
		}
	}
	latch_unlock(&d->rx_latch);
	if (retired)
		ep_wake(&d->ep, POLLIN | POLLRDNORM);
	if (due && ntimer_arm(q->stack, &r->timer, due))
		return; /* with our reference */
	ep_put(&d->ep);
}

/* ---- what packet.c calls ----------------------------------------------------------------------- */

bool packet_ring_put(struct dgram *d, const struct pkt *p, uint32_t keep)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);
	struct stack *s = d->ep.stack;
	struct ring_packet q = { .p = p, .len = p->len, .snap = MIN(keep, p->len) };
	uint32_t hlen = d->ep.type == SOCK_RAW && p->net > p->data ? (uint32_t)(p->net - p->data) : 0;
	bool ok = false, wake = false, first = false;

	if (!r)
		return false;
	q.real_ns = p->tstamp_ns ? p->tstamp_ns : s->ops->real_ns(s->ctx);
	q.status = TP_STATUS_USER;
	if (p->flags & PKT_CSUM_PARTIAL)
		q.status |= TP_STATUS_CSUMNOTREADY;
	else if (p->cb.ll.pkttype != PACKET_OUTGOING && (p->flags & PKT_CSUM_OK))
		q.status |= TP_STATUS_CSUM_VALID;
	packet_ll(p, &q.sll);
	latch_lock(&d->rx_latch);
	if (!r->mem) {
		latch_unlock(&d->rx_latch);
		return false;
	}
	q.net = (uint32_t)TPACKET_ALIGN(head_size(r->c.version) + MAX(hlen, (uint32_t)MAC_RESERVE)) + r->c.reserve;
	if (d->ep.type != SOCK_RAW)
		q.net = (uint32_t)TPACKET_ALIGN(head_size(r->c.version)) + MAC_RESERVE + r->c.reserve;
	q.net += (uint32_t)d->vnet;
	q.mac = q.net - hlen;
	q.vnet = (uint32_t)d->vnet;
	if (q.vnet)
		packet_vnet_describe(p, &q.head);
	if (q.net <= UINT16_MAX && r->c.version == TPACKET_V3) {
		ok = block_put(r, &q, &wake);
		first = ok && r->count == 1;
		if (first)
			r->opened_ns = stack_now(s);
	} else if (q.net <= UINT16_MAX) {
		if (atomic_load_explicit(&d->drops, memory_order_relaxed))
			q.status |= TP_STATUS_LOSING;
		ok = wake = frame_put(r, &q);
	}
	latch_unlock(&d->rx_latch);
	if (first) {
		ep_get(&d->ep);
		if (!ntimer_arm(s, &r->timer, r->opened_ns + (int64_t)r->c.retire_ms * NSEC_PER_MSEC))
			ep_put(&d->ep); /* it was armed, and holds one already */
	}
	if (!ok)
		atomic_fetch_add_explicit(&d->drops, 1, memory_order_relaxed);
	if (wake)
		ep_wake(&d->ep, POLLIN | POLLRDNORM);
	return true;
}

bool packet_ring_readable(struct dgram *d)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);
	bool yes = false;
	uint32_t n, i;

	if (!r)
		return false;
	latch_lock(&d->rx_latch);
	if (r->mem) { /* the one before the next: not ours */
		n = r->c.version == TPACKET_V3 ? r->c.block_nr : r->c.frame_nr;
		i = (r->head + n - 1) % n;
		yes = r->c.version == TPACKET_V3 ?
			      atomic_load_explicit(block_status(block_at(r, i)), memory_order_acquire) !=
				      TP_STATUS_KERNEL :
			      frame_status(r, frame_at(r, i)) != TP_STATUS_KERNEL;
	}
	latch_unlock(&d->rx_latch);
	return yes;
}

bool packet_ring_active(struct dgram *d)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);
	bool yes;

	if (!r)
		return false;
	latch_lock(&d->rx_latch);
	yes = r->mem != NULL;
	latch_unlock(&d->rx_latch);
	return yes;
}

uint32_t packet_ring_freezes(struct dgram *d)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);
	uint32_t n;

	if (!r)
		return 0;
	latch_lock(&d->rx_latch);
	n = r->freezes;
	r->freezes = 0;
	latch_unlock(&d->rx_latch);
	return n;
}

void packet_ring_off(struct dgram *d)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);

	if (!r)
		return;
	latch_lock(&d->rx_latch);
	r->mem = NULL;
	latch_unlock(&d->rx_latch);
	if (ntimer_cancel(d->ep.stack, &r->timer))
		ep_put(&d->ep);
}

/* e is locked. */
static int ring_set_locked(struct dgram *d, const struct ep_ring_config *c, void *mem)
{
	struct packet_ring *r = atomic_load_explicit(&d->ring, memory_order_acquire);

	if (packet_ring_active(d))
		return -EBUSY;
	if (c->version != d->tp_version)
		return -EINVAL;
	if (!r) {
		r = mem_new(struct packet_ring);
		if (!r)
			return -ENOMEM;
		r->d = d;
		ntimer_init(&r->timer, ring_timer);
		/* release: pairs with the loads */
		atomic_store_explicit(&d->ring, r, memory_order_release);
	}
	latch_lock(&d->rx_latch);
	r->c = *c;
	r->c.reserve = d->tp_reserve;
	r->per_block = c->block_size / c->frame_size;
	r->head = r->at = r->last = r->count = 0;
	r->open = r->frozen = false;
	r->seq = 0;
	r->mem = mem;
	latch_unlock(&d->rx_latch);
	return 0;
}

int ep_ring_set(struct ep *e, const struct ep_ring_config *c, void *mem)
{
	struct dgram *d = dgram_of(e);
	int err = 0;

	if (e->family != AF_PACKET)
		return -ENOPROTOOPT;
	if (!mem) {
		packet_ring_off(d);
		return 0;
	}
	nlock_lock(&e->lock);
	err = ring_set_locked(d, c, mem);
	nlock_unlock(&e->lock);
	return err;
}
