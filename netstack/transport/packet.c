/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.c: packet(7) endpoints: SOCK_RAW with link headers, SOCK_DGRAM without.
 *
 * They stand in stack->taps, under taps_lock (LOCK_LEAF).  Every packet in and out is shown to
 * those that match; a copy is made for each whose filter takes it.  Receive rings: packet_ring.c.
 * Transmit rings: packet_tx.c; vnet headers: packet_vnet.c.
 *
 * PACKET_FANOUT: sockets of one group share what one of them would get.  The group's first member stands for all of them
 * when a packet is shown; who gets it is chosen then.  By flow, in turn, at random, or (there is one CPU and
 * one queue here) always the first; not by programs, by free room, or of whole datagrams (EINVAL, EOPNOTSUPP).
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "lib/uio.h"
#include "netstack/transport/ep_impl.h"

#define FANOUT_MEMBERS 256

#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

/* (c) constant; else under taps_lock */
struct fanout {
	struct list node;
	uint16_t id, type;       /* (c) */
	uint16_t ethertype;      /* (c) */
	uint32_t ifindex;        /* (c) */
	unsigned int count;
	atomic_uint turn;
	struct dgram *members[FANOUT_MEMBERS];
};

static int fanout_check(unsigned int type, unsigned int flags)
{
	if (flags)
		return flags & ~(unsigned int)((PACKET_FANOUT_FLAG_DEFRAG | PACKET_FANOUT_FLAG_ROLLOVER |
						PACKET_FANOUT_FLAG_UNIQUEID) >> 8) ? -EINVAL : -EOPNOTSUPP;
	switch (type) {
	case PACKET_FANOUT_HASH:
	case PACKET_FANOUT_LB:
	case PACKET_FANOUT_CPU:
	case PACKET_FANOUT_RND:
	case PACKET_FANOUT_QM:
		return 0;
	default:
		return -EINVAL;
	}
}

static struct fanout *fanout_find_locked(struct stack *s, uint16_t id)
{
	struct fanout *g;

	list_for_each_entry(g, &s->fanouts, node)
		if (g->id == id)
			return g;
	return NULL;
}

/* An int, or struct fanout_args, which begins with it: id, type, flags. */
static int fanout_join(struct dgram *d, const void *val, size_t size)
{
	struct stack *s = d->ep.stack;
	struct fanout *g, *fresh;
	unsigned int v;
	int err;

	if (size != sizeof(v) && size != 2 * sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	err = fanout_check(v >> 16 & 0xff, v >> 24);
	if (err < 0)
		return err;
	fresh = mem_new(struct fanout);
	if (!fresh)
		return -ENOMEM;
	nrwlock_write(&s->taps_lock);
	g = fanout_find_locked(s, (uint16_t)v);
	if (d->fanout) {
		err = -EALREADY;
	} else if (!list_linked(&d->tap) ||
		   (g && (g->type != (v >> 16 & 0xff) || g->ethertype != d->ethertype || g->ifindex != d->ifindex))) {
		err = -EINVAL;
	} else if (g && g->count == FANOUT_MEMBERS) {
		err = -ENOSPC;
	} else {
		if (!g) {
			g = fresh;
			fresh = NULL;
			g->id = (uint16_t)v;
			g->type = (uint16_t)(v >> 16 & 0xff);
			g->ethertype = d->ethertype;
			g->ifindex = d->ifindex;
			list_append(&s->fanouts, &g->node);
		}
		g->members[g->count++] = d;
		d->fanout = g;
	}
	nrwlock_write_unlock(&s->taps_lock);
	mem_free(fresh);
	return err;
}

static void fanout_leave(struct dgram *d)
{
	struct stack *s = d->ep.stack;
	struct fanout *g;

	nrwlock_write(&s->taps_lock);
	g = d->fanout;
	d->fanout = NULL;
	for (unsigned int i = 0; g && i < g->count; i++)
		if (g->members[i] == d)
			g->members[i] = g->members[--g->count];
	if (g && g->count == 0)
		list_remove(&g->node);
	else
		g = NULL;
	nrwlock_write_unlock(&s->taps_lock);
	mem_free(g);
}

/* The same both ways of a flow; pieces and what has no ports by their addresses.  net: where the network header lies. */
static uint32_t fanout_hash(const struct pkt *p, const uint8_t *net)
{
	const uint8_t *end = p->data + p->head_len;
	size_t room = net && net < end ? (size_t)(end - net) : 0, len, at, hlen;
	uint8_t proto;
	uint64_t sum = 0;

	if (p->ethertype == ETHERTYPE_IP4 && room >= IP4_HLEN) {
		at = 12, len = 4;
		hlen = (net[0] & 15U) * 4U;
		proto = (net[6] & 0x3f) | net[7] ? PROTO_NONE : net[9];
	} else if (p->ethertype == ETHERTYPE_IP6 && room >= IP6_HLEN) {
		at = 8, len = 16;
		hlen = IP6_HLEN;
		proto = net[6];
	} else {
		return 0;
	}
	for (size_t i = 0; i < len; i += 4)
		sum = sum * 31 + ((uint64_t)rd32(net + at + i) + rd32(net + at + len + i));
	if ((proto == PROTO_TCP || proto == PROTO_UDP) && room >= hlen + 4)
		sum = sum * 31 + rd16(net + hlen) + rd16(net + hlen + 2);
	return (uint32_t)hash_u64(proto, sum);
}

/* Who of g gets p.  Under taps_lock. */
static struct dgram *fanout_choose(struct fanout *g, const struct pkt *p, const uint8_t *net)
{
	uint32_t i = 0;

	switch (g->type) {
	case PACKET_FANOUT_HASH:
		i = fanout_hash(p, net);
		break;
	case PACKET_FANOUT_LB:
		i = atomic_fetch_add_explicit(&g->turn, 1, memory_order_relaxed);
		break;
	case PACKET_FANOUT_RND:
		i = stack_random32(g->members[0]->ep.stack);
		break;
	default:
		break;
	}
	return g->members[i % g->count];
}

static int packet_init(struct ep *e)
{
	struct dgram *d = dgram_of(e);

	dgram_init(d);
	d->ethertype = e->proto;
	if (d->ethertype) {
		nrwlock_write(&e->stack->taps_lock);
		list_append(&e->stack->taps, &d->tap);
		nrwlock_write_unlock(&e->stack->taps_lock);
		atomic_fetch_add(&e->stack->ntaps, 1);
	}
	return 0;
}

static void packet_unhook(struct ep *e)
{
	struct dgram *d = dgram_of(e);

	if (!list_linked(&d->tap))
		return;
	nrwlock_write(&e->stack->taps_lock);
	list_remove(&d->tap);
	nrwlock_write_unlock(&e->stack->taps_lock);
	atomic_fetch_sub(&e->stack->ntaps, 1);
}

static void packet_close(struct ep *e, struct txq *q)
{
	(void)q;
	fanout_leave(dgram_of(e));
	packet_unhook(e);
	packet_ring_off(dgram_of(e));
}

static void packet_destroy(struct ep *e)
{
	struct dgram *d = dgram_of(e);

	dgram_fini(d);
	mem_free(atomic_load_explicit(&d->ring, memory_order_acquire));
	mem_free(d->tx);
}

static int packet_bind(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct dgram *d = dgram_of(e);

	(void)q;
	if (a->family != AF_PACKET)
		return -EINVAL;
	if (a->scope && !nic_peek(e->stack, a->scope))
		return -ENODEV;
	if (d->fanout)
		return -EINVAL;
	packet_unhook(e);
	d->ifindex = a->scope;
	if (a->ethertype)
		d->ethertype = a->ethertype;
	if (d->ethertype) {
		nrwlock_write(&e->stack->taps_lock);
		list_append(&e->stack->taps, &d->tap);
		nrwlock_write_unlock(&e->stack->taps_lock);
		atomic_fetch_add(&e->stack->ntaps, 1);
	}
	return 0;
}

static int packet_getname(struct ep *e, struct net_addr *out)
{
	struct dgram *d = dgram_of(e);
	struct nic *n = d->ifindex ? nic_peek(e->stack, d->ifindex) : NULL;

	memset(out, 0, sizeof(*out));
	out->family = AF_PACKET;
	out->ethertype = d->ethertype;
	out->scope = d->ifindex;
	if (n) {
		out->hatype = n->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
			      n->type == LINK_IP ? ARPHRD_NONE : ARPHRD_ETHER;
		out->halen = n->type == LINK_IP ? 0 : ETH_ALEN;
		memcpy(out->hwaddr, n->mac, ETH_ALEN);
	}
	return 0;
}

static void packet_info(struct ep *e, struct ep_info *i)
{
	struct dgram *d = dgram_of(e);

	dgram_info(e, i);
	(void)packet_getname(e, &i->local);
	i->packet.running = list_linked(&d->tap);
	i->packet.auxdata = d->auxdata;
	i->packet.origdev = d->origdev;
	i->packet.version = d->tp_version;
	i->packet.reserve = d->tp_reserve;
}

static struct nic *packet_nic(struct ep *e, const struct ep_msg *m)
{
	return nic_peek(e->stack, m->has_addr ? m->addr.scope : dgram_of(e)->ifindex);
}

int packet_out_check(struct ep *e, const struct ep_msg *m)
{
	struct nic *n = packet_nic(e, m);

	if (m->has_addr && m->addr.family != AF_PACKET)
		return -EINVAL;
	if (!n)
		return -ENXIO;
	return nic_up(n) ? 0 : -ENETDOWN;
}

static int packet_fits(struct ep *e, const struct nic *n, struct pkt *p, const struct ep_msg *m)
{
	/* What is to be cut may be longer. */
	if (!p->gso_size && p->len > atomic_load(&n->mtu) + (e->type == SOCK_RAW ? n->hlen : 0U))
		return -EMSGSIZE;
	if (e->type == SOCK_RAW && p->len < n->hlen)
		return -EINVAL;
	if (e->type == SOCK_DGRAM && n->type == LINK_ETHERNET && m->addr.halen < ETH_ALEN)
		return -EINVAL;
	return 0;
}

int packet_out_prepare(struct ep *e, struct pkt *p, const struct virtio_net_hdr *h, const struct ep_msg *m)
{
	struct dgram *d = dgram_of(e);
	struct nic *n = packet_nic(e, m);
	int err = packet_out_check(e, m);

	if (err == 0 && h)
		err = packet_vnet_apply(n, p, h);
	if (err == 0)
		err = packet_fits(e, n, p, m);
	if (err < 0) {
		pkt_free(p);
		return err;
	}
	p->nic = n;
	if (!p->gso_size) /* what is to be cut has its own: the headers are changed by it */
		p->ethertype = m->has_addr && m->addr.ethertype ? m->addr.ethertype : d->ethertype;
	if (e->type == SOCK_DGRAM && n->hlen)
		ether_fill(n, p, m->addr.hwaddr);
	return 0;
}

void packet_out(struct txq *q, struct pkt *p)
{
	struct nic *n = p->nic;

	if (n->type == LINK_LOOPBACK) {
		/* Received at once: as link_output does for packets without a header yet. */
		p->flags = PKT_LOOPED | (p->flags & PKT_CSUM_PARTIAL ? PKT_CSUM_PARTIAL | PKT_CSUM_OK : 0);
		link_input(q, n, p);
		return;
	}
	p->flags |= PKT_RESOLVED;
	txq_add(q, p);
}

static ssize_t packet_send(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	const struct dgram *d = dgram_of(e);
	size_t len = uio_left(u), head = (size_t)d->vnet;
	struct virtio_net_hdr h;
	uint8_t bytes[16] = { 0 };
	struct pkt *p;
	int err;

	if (packet_tx_active(d) || m->ring_seen)
		return packet_tx_send(e, q, m);
	if (len < head)
		return -EINVAL;
	len -= head;
	if (len > 65535 + ETH_HLEN)
		return -EMSGSIZE;
	if (head && uio_get(u, bytes, head) != (ssize_t)head)
		return -EFAULT;
	memcpy(&h, bytes, sizeof(h));
	p = pkt_new(PKT_HEADROOM, len);
	if (!p)
		return -ENOBUFS;
	if (len && uio_get(u, pkt_append(p, len), len) != (ssize_t)len) {
		pkt_free(p);
		return -EFAULT;
	}
	err = packet_out_prepare(e, p, head ? &h : NULL, m);
	if (err < 0)
		return err;
	packet_out(q, p);
	return (ssize_t)(len + head);
}

void packet_ll(const struct pkt *p, struct sockaddr_ll *out)
{
	memset(out, 0, sizeof(*out));
	out->sll_family = AF_PACKET;
	out->sll_protocol = htons(p->ethertype);
	out->sll_ifindex = (int)p->nic->ifindex;
	out->sll_hatype = p->nic->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
			  p->nic->type == LINK_IP ? ARPHRD_NONE : ARPHRD_ETHER;
	out->sll_pkttype = p->cb.ll.pkttype;
	out->sll_halen = p->cb.ll.halen;
	memcpy(out->sll_addr, p->cb.ll.addr, sizeof(out->sll_addr));
}

static uint32_t packet_poll(struct ep *e)
{
	return dgram_poll(e) | (packet_ring_readable(dgram_of(e)) ? POLLIN | POLLRDNORM : 0);
}

/* p's data is at the link header (out) or behind it (in); p is not changed. */
void tap_deliver(struct nic *n, struct pkt *p, uint8_t pkttype)
{
	struct stack *s = n->stack;
	struct dgram *tap;

	if (p->flags & PKT_NOTAP)
		return;
	nrwlock_read(&s->taps_lock);
	list_for_each_entry(tap, &s->taps, tap) {
		struct dgram *d = tap;
		const uint8_t *base;
		struct pkt *c;
		uint32_t keep;

		if (d->ifindex && d->ifindex != n->ifindex)
			continue;
		if (d->ethertype != ETHERTYPE_ALL &&
		    (d->ethertype != p->ethertype || pkttype == PACKET_OUTGOING))
			continue;
		if (d->fanout) {
			if (d->fanout->members[0] != d)
				continue;
			d = fanout_choose(d->fanout, p, pkttype == PACKET_OUTGOING ? p->data + n->hlen : p->net);
		}
		if (pkttype == PACKET_OUTGOING && d->ignore_outgoing)
			continue;
		c = pkt_clone(p);
		if (!c)
			continue;
		if (pkttype == PACKET_OUTGOING) {
			c->link = c->data;
			c->net = c->data + n->hlen;
		}
		base = d->ep.type == SOCK_RAW ? c->link : c->net;
		if (base < c->data)
			pkt_push(c, (size_t)(c->data - base));
		else
			pkt_pull(c, (size_t)(base - c->data));
		keep = filter_run(&d->ep, c, c->data);
		if (keep == 0) {
			pkt_free(c);
			continue;
		}
		atomic_fetch_add_explicit(&d->stat_packets, 1, memory_order_relaxed);
		c->nic = n;
		c->cb.ll.pkttype = pkttype;
		c->cb.ll.halen = n->hlen ? ETH_ALEN : 0;
		memset(c->cb.ll.addr, 0, sizeof(c->cb.ll.addr));
		if (n->hlen)
			memcpy(c->cb.ll.addr, c->link + ETH_ALEN, ETH_ALEN);
		if (packet_ring_put(d, c, keep)) {
			pkt_free(c);
			continue;
		}
		pkt_trim(c, keep);
		dgram_enqueue(d, c);
	}
	nrwlock_read_unlock(&s->taps_lock);
}

/* What says how packets lie in a ring can't be changed while there is one. */
static int packet_set_shape(struct ep *e, int name, const void *val, size_t size)
{
	struct dgram *d = dgram_of(e);
	bool vnet = name == PACKET_VNET_HDR || name == PACKET_VNET_HDR_SZ;
	int v;

	if (vnet && e->type != SOCK_RAW)
		return -EINVAL;
	if (vnet ? size < sizeof(v) : size != sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	if (name == PACKET_VNET_HDR)
		v = v ? (int)sizeof(struct virtio_net_hdr) : 0;
	else if (name == PACKET_VNET_HDR_SZ && v && v != (int)sizeof(struct virtio_net_hdr) &&
		 v != (int)sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return -EINVAL;
	if (name != PACKET_TX_HAS_OFF && (packet_ring_active(d) || packet_tx_active(d)))
		return -EBUSY;
	if (vnet)
		d->vnet = v;
	else if (name == PACKET_LOSS)
		d->tx_loss = v != 0;
	else if (!packet_ring_active(d) && !packet_tx_active(d)) /* else without effect, as there */
		d->tx_has_off = v != 0;
	return 0;
}

static int packet_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	struct dgram *d = dgram_of(e);
	struct packet_mreq mr;
	int v;

	(void)q;
	if (level != SOL_PACKET)
		return -ENOPROTOOPT;
	switch (name) {
	case PACKET_ADD_MEMBERSHIP:
	case PACKET_DROP_MEMBERSHIP:
		if (size < sizeof(mr))
			return -EINVAL;
		memcpy(&mr, val, sizeof(mr));
		if (!nic_peek(e->stack, (uint32_t)mr.mr_ifindex))
			return -ENODEV;
		return 0; /* every link here is shown whole already */
	case PACKET_FANOUT:
		return fanout_join(d, val, size);
	case PACKET_VERSION:
	case PACKET_RESERVE:
		if (size != sizeof(v) || ep_get_int(val, size, &v) < 0)
			return -EINVAL;
		if (name == PACKET_VERSION ? v < TPACKET_V1 || v > TPACKET_V3 : v < 0)
			return -EINVAL;
		if (packet_ring_active(d) || packet_tx_active(d))
			return -EBUSY;
		if (name == PACKET_VERSION)
			d->tp_version = v;
		else
			d->tp_reserve = (uint32_t)v;
		return 0;
	case PACKET_VNET_HDR:
	case PACKET_VNET_HDR_SZ:
	case PACKET_LOSS:
	case PACKET_TX_HAS_OFF:
		return packet_set_shape(e, name, val, size);
	case PACKET_AUXDATA:
	case PACKET_ORIGDEV:
	case PACKET_IGNORE_OUTGOING:
		if (ep_get_int(val, size, &v) < 0)
			return -EINVAL;
		*(name == PACKET_AUXDATA ? &d->auxdata :
		  name == PACKET_ORIGDEV ? &d->origdev : &d->ignore_outgoing) = v != 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int packet_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	struct dgram *d = dgram_of(e);
	struct tpacket_stats_v3 st;
	int v;

	if (level != SOL_PACKET)
		return -ENOPROTOOPT;
	switch (name) {
	case PACKET_STATISTICS:
		st.tp_packets = atomic_exchange(&d->stat_packets, 0);
		st.tp_drops = atomic_exchange(&d->drops, 0);
		st.tp_freeze_q_cnt = packet_ring_freezes(d);
		return ep_put_bytes(val, size, &st, d->tp_version == TPACKET_V3 ? sizeof(st)
										 : sizeof(struct tpacket_stats));
	case PACKET_VERSION:
		return ep_put_int(val, size, d->tp_version);
	case PACKET_RESERVE:
		return ep_put_int(val, size, (int)d->tp_reserve);
	case PACKET_HDRLEN: /* of the version in the buffer */
		if (*size < sizeof(v))
			return -EINVAL;
		memcpy(&v, val, sizeof(v));
		if (v < TPACKET_V1 || v > TPACKET_V3)
			return -EINVAL;
		return ep_put_int(val, size, v == TPACKET_V1 ? (int)sizeof(struct tpacket_hdr) :
					     v == TPACKET_V2 ? (int)sizeof(struct tpacket2_hdr) :
							       (int)sizeof(struct tpacket3_hdr));
	case PACKET_FANOUT:
		nrwlock_read(&e->stack->taps_lock);
		v = d->fanout ? d->fanout->type << 16 | d->fanout->id : 0;
		nrwlock_read_unlock(&e->stack->taps_lock);
		return ep_put_int(val, size, v);
	case PACKET_AUXDATA:
		return ep_put_int(val, size, d->auxdata);
	case PACKET_ORIGDEV:
		return ep_put_int(val, size, d->origdev);
	case PACKET_IGNORE_OUTGOING:
		return ep_put_int(val, size, d->ignore_outgoing);
	case PACKET_VNET_HDR:
		return ep_put_int(val, size, d->vnet != 0);
	case PACKET_VNET_HDR_SZ:
		return ep_put_int(val, size, d->vnet);
	case PACKET_LOSS:
		return ep_put_int(val, size, d->tx_loss);
	case PACKET_TX_HAS_OFF:
		return ep_put_int(val, size, d->tx_has_off);
	default:
		return -ENOPROTOOPT;
	}
}

const struct ep_ops packet_ops = {
	.size = sizeof(struct dgram),
	.init = packet_init,
	.destroy = packet_destroy,
	.bind = packet_bind,
	.send = packet_send,
	.recv = dgram_recv,
	.close = packet_close,
	.poll = packet_poll,
	.setopt = packet_setopt,
	.getopt = packet_getopt,
	.query = dgram_query,
	.info = packet_info,
	.getpeer = packet_getname,
};
