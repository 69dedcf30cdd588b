/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_tx.c: PACKET_TX_RING (packet(7)), TPACKET_V1 and V2: frames in memory that the application has mapped, sent by send(2).
 *
 * The application may write to all of the memory at any moment: a frame's length and place are read once and checked, its bytes
 * copied once, before anything looks at them.  A frame is the application's again as soon as it is copied.  One call sends at
 * most as many frames as the ring has, in all its rounds.
 *
 * The ring is read under ep.lock; who takes it down under that may unmap the memory.  It is sent in rounds of as much as the
 * send buffer holds, each sent without the lock; the caller asks for the next one, or, having been interrupted, does not.
 *
 * Linux: tpacket_snd(), tpacket_fill_skb() in net/packet/af_packet.c.  TPACKET_V3 is not there (EINVAL).
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "netstack/transport/ep_impl.h"

struct packet_tx {
	uint8_t *mem; /* NULL: none now */
	struct ep_ring_config c;
	uint32_t per_block, head;
};

/* The headers' fields that are ours to read. */
struct tx_frame {
	uint8_t *at;
	uint32_t len;
	size_t off;
};

static atomic_uint *status_of(uint8_t *frame)
{
	return (atomic_uint *)(void *)frame; /* V1: the lower half of a long */
}

static uint32_t header_size(int version)
{
	return version == TPACKET_V1 ? sizeof(struct tpacket_hdr) : sizeof(struct tpacket2_hdr);
}

/* false: it is not ours yet. */
static bool frame_get(const struct dgram *d, const struct packet_tx *t, struct tx_frame *f)
{
	struct tpacket_hdr h1;
	struct tpacket2_hdr h2;
	bool raw = d->ep.type == SOCK_RAW;

	f->at = t->mem + (size_t)(t->head / t->per_block) * t->c.block_size +
		(size_t)(t->head % t->per_block) * t->c.frame_size;
	/* acquire: the application's bytes */
	if (atomic_load_explicit(status_of(f->at), memory_order_acquire) != TP_STATUS_SEND_REQUEST)
		return false;
	f->off = TPACKET_ALIGN(header_size(t->c.version));
	if (t->c.version == TPACKET_V1) {
		memcpy(&h1, f->at, sizeof(h1));
		f->len = h1.tp_len;
		f->off = d->tx_has_off ? (raw ? h1.tp_mac : h1.tp_net) : f->off;
	} else {
		memcpy(&h2, f->at, sizeof(h2));
		f->len = h2.tp_len;
		f->off = d->tx_has_off ? (raw ? h2.tp_mac : h2.tp_net) : f->off;
	}
	return true;
}

static void frame_done(struct packet_tx *t, const struct tx_frame *f, uint32_t status)
{
	/* release: it is copied */
	atomic_store_explicit(status_of(f->at), status, memory_order_release);
	if (status == TP_STATUS_AVAILABLE)
		t->head = (t->head + 1) % t->c.frame_nr;
}

/* The frame as a packet that is ready to be sent. */
static int frame_take(struct ep *e, const struct packet_tx *t, struct tx_frame *f, const struct ep_msg *m, struct pkt **out)
{
	struct dgram *d = dgram_of(e);
	size_t least = TPACKET_ALIGN(header_size(t->c.version));
	struct virtio_net_hdr h;
	struct pkt *p;
	int err;

	if (f->len > t->c.frame_size - least)
		return -EMSGSIZE;
	if (f->off < least || f->off > t->c.frame_size - f->len || f->len < (uint32_t)d->vnet)
		return -EINVAL;
	if (d->vnet) {
		memcpy(&h, f->at + f->off, sizeof(h));
		f->off += (size_t)d->vnet;
		f->len -= (uint32_t)d->vnet;
	}
	p = f->len <= 65535 + ETH_HLEN ? pkt_new(PKT_HEADROOM, f->len) : NULL;
	if (!p)
		return f->len <= 65535 + ETH_HLEN ? -ENOBUFS : -EMSGSIZE;
	memcpy(pkt_append(p, f->len), f->at + f->off, f->len);
	err = packet_out_prepare(e, p, d->vnet ? &h : NULL, m);
	if (err == 0)
		*out = p;
	return err;
}

struct tx_round {
	struct list pkts;
	ssize_t sent;
};

/* Frames until the send buffer is full.  e is locked. */
static int tx_take_locked(struct ep *e, struct ep_msg *m, struct tx_round *r)
{
	struct dgram *d = dgram_of(e);
	struct packet_tx *t = d->tx;
	size_t memory = 0;

	while (t->mem && m->ring_seen < t->c.frame_nr) {
		struct tx_frame f;
		struct pkt *p;
		int err;

		if (memory > (size_t)e->sndbuf) {
			m->more = true;
			return 0;
		}
		if (!frame_get(d, t, &f))
			break;
		err = frame_take(e, t, &f, m, &p);
		if (err == -ENOBUFS)
			return err; /* it stays asked for */
		if (err < 0 && !d->tx_loss) {
			frame_done(t, &f, TP_STATUS_WRONG_FORMAT);
			return err;
		}
		if (err == 0) {
			memory += p->truesize;
			r->sent += (ssize_t)f.len;
			list_append(&r->pkts, &p->node);
		}
		m->ring_seen++;
		frame_done(t, &f, TP_STATUS_AVAILABLE);
	}
	return 0;
}

ssize_t packet_tx_send(struct ep *e, struct txq *q, struct ep_msg *m)
{
	struct tx_round r = { .sent = 0 };
	struct list *n;
	int err = packet_out_check(e, m);

	if (err < 0)
		return err;
	list_init(&r.pkts);
	m->more = false;
	nlock_lock(&e->lock);
	err = tx_take_locked(e, m, &r);
	nlock_unlock(&e->lock);
	while ((n = list_shift(&r.pkts)) != NULL)
		packet_out(q, list_entry(n, struct pkt, node));
	txq_flush(q); /* no round has more in memory than the send buffer */
	return err < 0 ? err : r.sent;
}

bool packet_tx_active(const struct dgram *d)
{
	return d->tx && d->tx->mem;
}

/* e is locked. */
static int tx_set_locked(struct dgram *d, const struct ep_ring_config *c, void *mem)
{
	if (packet_tx_active(d))
		return -EBUSY;
	if (c->version != d->tp_version || c->version == TPACKET_V3)
		return -EINVAL;
	if (!d->tx)
		d->tx = mem_new(struct packet_tx);
	if (!d->tx)
		return -ENOMEM;
	*d->tx = (struct packet_tx){ .mem = mem, .c = *c, .per_block = c->block_size / c->frame_size };
	return 0;
}

int ep_tx_ring_set(struct ep *e, const struct ep_ring_config *c, void *mem)
{
	struct dgram *d = dgram_of(e);
	int err = 0;

	if (e->family != AF_PACKET)
		return -ENOPROTOOPT;
	nlock_lock(&e->lock);
	if (mem)
		err = tx_set_locked(d, c, mem);
	else if (d->tx)
		d->tx->mem = NULL;
	nlock_unlock(&e->lock);
	return err;
}
