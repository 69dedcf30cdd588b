/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram.c: what UDP, raw, ping and packet endpoints share: the receive queue and reading from it.
 *
 * Input appends under the queue's latch, without the endpoint's lock, so delivery to many
 * endpoints (multicast, taps) needs no sleeping locks.  Readers hold the endpoint's lock, so only
 * one of them takes from the queue, and what it looks at stays while it copies out.
 */

#include <linux/net_tstamp.h>

#include "lib/uio.h"
#include "netstack/transport/ep_impl.h"

void dgram_init(struct dgram *d)
{
	latch_init(&d->rx_latch);
	list_init(&d->rxq);
	list_init(&d->tap);
}

void dgram_fini(struct dgram *d)
{
	stack_mem_uncharge(d->ep.stack, d->rx_mem);
	pkt_free_list(&d->rxq);
	pkt_free(d->cork);
	ep_msg_fini(&d->cork_msg);
}

/* A datagram from a link finds the queue half full: the reader is far behind (stack_rx_room()). */
static void dgram_note_long_locked(struct dgram *d, const struct pkt *p) REQUIRES(d->rx_latch)
{
	if (d->rx_mem <= (uint32_t)d->ep.rcvbuf / 2 || (p->flags & PKT_LOOPED) || d->ep.family == AF_PACKET)
		return;
	d->rx_long = true;
	atomic_fetch_add_explicit(&d->ep.stack->rx_long, MAX(p->len, RX_LONG_MIN), memory_order_relaxed);
}

void dgram_enqueue(struct dgram *d, struct pkt *p)
{
	struct stack *s = d->ep.stack;
	bool ok = false;

	if ((d->ep.tstamp || d->ep.stamping || (d->ep.ts_flags & SOF_TIMESTAMPING_RX_SOFTWARE) || d->ep.family == AF_PACKET) &&
	    p->tstamp_ns == 0)
		p->tstamp_ns = s->ops->real_ns(s->ctx);
	if (stack_mem_charge(s, p->truesize)) {
		latch_lock(&d->rx_latch);
		ok = !d->ep.closed && /* also when it is shut down: as on Linux, only waiting ends */
		     (d->rx_mem == 0 || d->rx_mem + p->truesize <= (uint32_t)d->ep.rcvbuf);
		dgram_note_long_locked(d, p);
		if (ok) {
			list_append(&d->rxq, &p->node);
			d->rx_mem += p->truesize;
			d->rx_count++;
		}
		latch_unlock(&d->rx_latch);
		if (!ok)
			stack_mem_uncharge(s, p->truesize);
	}
	if (ok) {
		ep_wake(&d->ep, POLLIN | POLLRDNORM);
		return;
	}
	atomic_fetch_add_explicit(&d->drops, 1, memory_order_relaxed);
	if (d->ep.proto == IPPROTO_UDP && d->ep.family != AF_PACKET)
		NET_INC(s, UdpRcvbufErrors);
	else if (d->ep.proto == IPPROTO_UDPLITE && d->ep.family != AF_PACKET)
		NET_INC(s, UdpLiteRcvbufErrors);
	pkt_free(p);
}

static struct pkt *dgram_peek(struct dgram *d)
{
	struct pkt *p;

	latch_lock(&d->rx_latch);
	p = list_first(&d->rxq, struct pkt, node);
	latch_unlock(&d->rx_latch);
	return p;
}

/* The one that a reader gets, and where in it SO_PEEK_OFF lies. */
static struct pkt *dgram_next(struct dgram *d, int flags, uint32_t *off)
{
	struct pkt *p, *next = NULL;

	*off = 0;
	if (!(flags & MSG_PEEK) || d->ep.peek_off <= 0 || (d->ep.proto != IPPROTO_UDP && d->ep.proto != IPPROTO_UDPLITE))
		return dgram_peek(d);
	*off = (uint32_t)d->ep.peek_off;
	latch_lock(&d->rx_latch);
	list_for_each_entry(p, &d->rxq, node) {
		if (*off == 0 || *off < p->len) {
			next = p;
			break;
		}
		*off -= p->len;
	}
	latch_unlock(&d->rx_latch);
	return next;
}

static void dgram_remove(struct dgram *d, struct pkt *p)
{
	bool room, was_long;

	latch_lock(&d->rx_latch);
	list_remove(&p->node);
	d->rx_mem -= p->truesize;
	d->rx_count--;
	was_long = d->rx_long;
	room = d->rx_long && d->rx_mem < (uint32_t)d->ep.rcvbuf / 4;
	d->rx_long &= !room;
	latch_unlock(&d->rx_latch);
	if (was_long)
		atomic_fetch_add_explicit(&d->ep.stack->rx_reads, 1, memory_order_relaxed);
	if (room)
		wq_wake(&d->ep.stack->rx_room, 0);
	stack_mem_uncharge(d->ep.stack, p->truesize);
}

static void dgram_ctl(struct dgram *d, struct pkt *p, struct ep_msg *m)
{
	struct ep *e = &d->ep;
	bool v4 = ipa_is4(p->dst);
	struct ep_ctl *c = &m->ctl;

	c->v6 = !v4;
	c->tstamp_new = e->tstamp_new;
	if (e->tstamp) {
		c->mask |= EP_CTL_TSTAMP;
		c->tstamp_ns = p->tstamp_ns;
		c->tstamp_in_ns = e->tstampns;
	}
	if ((e->ts_flags & SOF_TIMESTAMPING_SOFTWARE) && (e->ts_flags & SOF_TIMESTAMPING_RX_SOFTWARE) && p->tstamp_ns) {
		c->mask |= EP_CTL_TSTAMPING;
		c->stamp_ns = p->tstamp_ns;
	}
	if (e->rxq_ovfl) {
		c->mask |= EP_CTL_OVFL;
		c->drops = atomic_load(&d->drops);
	}
	if (e->recvmark) {
		c->mask |= EP_CTL_MARK;
		c->mark = p->mark;
	}
	if (e->family == AF_PACKET)
		return;
	if (v4 && e->pktinfo) {
		c->mask |= EP_CTL_PKTINFO;
	} else if (ep_is6(e) && e->recvpktinfo6) {
		c->mask |= EP_CTL_PKTINFO;
		c->v6 = true;
	}
	if (!v4 && e->oldpktinfo)
		c->mask |= EP_CTL_OLDPKTINFO;
	if (c->mask & (EP_CTL_PKTINFO | EP_CTL_OLDPKTINFO)) {
		c->ifindex = p->nic->ifindex;
		c->dst = p->dst;
		c->spec_dst = p->dst;
		if (p->flags & (PKT_MULTICAST | PKT_BROADCAST))
			addr_first(e->stack, p->nic, !v4, &c->spec_dst);
	}
	if (v4 ? e->recvttl : e->recvhops) {
		c->mask |= EP_CTL_TTL;
		c->ttl = p->ttl;
	}
	if (!v4 && e->oldhops) {
		c->mask |= EP_CTL_OLDHOPS;
		c->ttl = p->ttl;
	}
	if (v4 ? e->recvtos : e->recvtclass) {
		c->mask |= EP_CTL_TOS;
		c->tos = p->tos;
	}
	if (v4 ? e->recvorigdst : e->recvorigdst6) {
		c->mask |= EP_CTL_ORIGDST;
		c->dst = p->dst;
		c->dst_port = p->cb.dgram.dport;
	}
	if (v4 && e->recvopts && p->net && (p->net[0] & 15) > 5) {
		c->mask |= EP_CTL_OPTS;
		c->opts_len = (uint8_t)((p->net[0] & 15) * 4 - IP4_HLEN);
		memcpy(c->opts, p->net + IP4_HLEN, c->opts_len);
	}
	ep_ext_in(e, p, c);
	if (d->gro && p->cb.dgram.gro_size) {
		c->mask |= EP_CTL_GSO;
		c->gso_size = p->cb.dgram.gro_size;
	}
}

static void dgram_from(struct dgram *d, struct pkt *p, struct ep_msg *m)
{
	m->has_addr = true;
	if (d->ep.family != AF_PACKET) {
		ep_fill_addr(&d->ep, &m->addr, p->src, p->cb.dgram.sport, p->nic->ifindex);
		if (d->ep.flowinfo && !ipa_is4(p->src))
			m->addr.flow = htonl(p->flow);
		return;
	}
	memset(&m->addr, 0, sizeof(m->addr));
	m->addr.family = AF_PACKET;
	m->addr.ethertype = p->ethertype;
	m->addr.scope = p->nic->ifindex;
	m->addr.hatype = p->nic->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
			 p->nic->type == LINK_IP ? ARPHRD_NONE : ARPHRD_ETHER;
	m->addr.pkttype = p->cb.ll.pkttype;
	m->addr.halen = p->cb.ll.halen;
	memcpy(m->addr.hwaddr, p->cb.ll.addr, 8);
	if (d->auxdata) {
		m->ctl.mask |= EP_CTL_AUXDATA;
		m->ctl.aux_len = p->len;
		m->ctl.aux_status = 1U << 0 /* TP_STATUS_USER */ |
				    (p->flags & PKT_CSUM_PARTIAL ? 1U << 3 : 0);
		m->ctl.aux_net = (uint32_t)MAX(p->net - p->data, 0);
	}
}

ssize_t dgram_recv(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	struct dgram *d = dgram_of(e);
	size_t head = (size_t)d->vnet;
	uint32_t off;
	struct pkt *p;
	ssize_t n;
	int err;

	(void)q;
	if (e->family == AF_PACKET && (m->flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC)))
		return -EINVAL; /* packet_recvmsg() knows no others */
	if ((m->flags & MSG_OOB) && e->type == SOCK_RAW && e->family != AF_PACKET)
		return -EOPNOTSUPP;
	err = ep_take_error(e);
	if (err)
		return -err;
	p = dgram_next(d, m->flags, &off);
	if (!p)
		return (e->shut & SHUT_BIT_RD) && !(m->flags & MSG_DONTWAIT) ? 0 : -EAGAIN;
	if (!(m->flags & MSG_PEEK))
		dgram_remove(d, p);
	n = !head ? 0 : uio_left(u) < head ? -EINVAL : packet_vnet_put(d, p, u);
	if (n >= 0 && p->len)
		n = pkt_to_uio(p, off, p->len - off, u);
	if (n >= 0) {
		if (e->stamping || e->stamp_ns < 0)
			e->stamp_ns = e->stamping ? p->tstamp_ns : 0;
		dgram_from(d, p, m);
		dgram_ctl(d, p, m);
		if ((size_t)n < p->len - off) {
			if (uio_left(u) != 0)
				n = -EFAULT;
			else
				m->out_flags |= MSG_TRUNC;
		}
		if (n >= 0 && (m->flags & MSG_TRUNC))
			n = (ssize_t)p->len;
		if (n >= 0) /* by what is returned (skb_consume_udp()) */
			ep_peek_move(e, m->flags & MSG_PEEK ? (size_t)n : 0, m->flags & MSG_PEEK ? 0 : (size_t)n);
		if (n >= 0)
			n += (ssize_t)head;
	}
	if (!(m->flags & MSG_PEEK))
		pkt_free(p);
	return n;
}

uint32_t dgram_poll(struct ep *e)
{
	struct dgram *d = dgram_of(e);
	uint32_t ev = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (dgram_peek(d))
		ev |= POLLIN | POLLRDNORM;
	if (e->shut & SHUT_BIT_RD)
		ev |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (e->shut == (SHUT_BIT_RD | SHUT_BIT_WR))
		ev |= POLLHUP;
	return ev;
}

int dgram_query(struct ep *e, enum ep_query what)
{
	struct pkt *p;

	switch (what) {
	case EP_INQ: /* the next datagram's size */
		p = dgram_peek(dgram_of(e));
		return p ? (int)p->len : 0;
	case EP_OUTQ:
		return 0;
	default:
		return -EINVAL;
	}
}

int dgram_shutdown(struct ep *e, struct txq *q, int how)
{
	(void)q;
	e->shut |= (uint8_t)(how + 1);
	ep_wake(e, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	return e->connected ? 0 : -ENOTCONN; /* and yet it is shut: that wakes who reads (inet_shutdown()) */
}

void dgram_info(struct ep *e, struct ep_info *i)
{
	struct dgram *d = dgram_of(e);

	i->state = e->connected ? 1 : 7;
	i->rqueue = d->rx_mem;
	i->drops = atomic_load(&d->drops);
}

bool dgram_lacks_scope(const struct ep *e, const struct net_addr *a, struct ipa dst)
{
	return !ipa_is4(dst) && ipa_needs_scope(dst) && !a->scope && !e->bound_if &&
	       !(ipa_is_multicast(dst) && e->mc_if6);
}

/*
 * __ip6_append_data(), which counts what is in front of the transport header twice where it asks whether all fits, so that Linux takes
 * a little less than there would be room for.
 */
int dgram_ext_fits(const struct dst *d, const struct ip_out *o, size_t len, size_t thlen)
{
	size_t wire = ip6_ext_wire(o->ext), twice = wire - ip6_ext_unfragmentable(o->ext);
	size_t room = o->df && !o->frag_ok ? d->mtu : 65535 + IP6_HLEN;

	return IP6_HLEN + wire + thlen + twice > d->mtu || IP6_HLEN + wire + len + twice > room ? -EMSGSIZE : 0;
}

int dgram_route(struct ep *e, const struct ep_msg *m, struct ipa dst, uint32_t scope,
		struct dst *d, struct ip_out *o)
{
	const struct ip6_ext *ext = ep_ext(e, m, dst);
	struct ipa via = ip6_ext_first_hop(ext, dst);
	bool v4 = ipa_is4(dst), multicast = ipa_is_multicast(via);
	struct route_key k = { .dst = via, .ifindex = (uint32_t)e->bound_if, .mark = (uint32_t)e->mark,
			       .tos = ep_route_tos(e), .proto = (uint8_t)e->proto, .uid = e->uid };
	bool ports = e->proto == IPPROTO_UDP || e->proto == IPPROTO_UDPLITE;
	bool same;
	int err;

	if (ports && e->type == SOCK_DGRAM) {
		k.sport = e->lport;
		k.dport = m && m->has_addr ? m->addr.port : e->rport;
	}
	k.srcprefs = (uint8_t)e->addr_prefs;
	if (m && (m->ctl.mask & EP_CTL_MARK))
		k.mark = m->ctl.mark;
	if (!ipa_is_any(e->laddr) && !ipa_is_multicast(e->laddr) && ipa_is4(e->laddr) == v4)
		k.src = e->laddr;
	if (m && (m->ctl.mask & EP_CTL_PKTINFO)) {
		if (m->ctl.ifindex)
			k.ifindex = m->ctl.ifindex;
		if (!ipa_is_any(m->ctl.spec_dst)) {
			if (ipa_is4(m->ctl.spec_dst) != v4)
				return -EINVAL;
			if (addr_type(e->stack, m->ctl.spec_dst, 0) != ROUTE_LOCAL && !e->freebind)
				return -EINVAL;
			k.src = m->ctl.spec_dst;
		}
	}
	if (!v4 && ipa_needs_scope(dst)) {
		if (!k.ifindex)
			k.ifindex = scope;
		else if (scope && scope != k.ifindex)
			return -EINVAL;
	}
	if (!v4 && !k.ifindex)
		k.ifindex = e->sticky_if6;
	if (multicast && !k.ifindex)
		k.ifindex = v4 ? e->mc_if : e->mc_if6;
	if (!multicast && !k.ifindex)
		k.ifindex = v4 ? e->unicast_if : e->unicast_if6;
	if (multicast && v4 && ipa_is_any(k.src) && !ipa_is_any(e->mc_addr))
		k.src = e->mc_addr;
	if (k.ifindex && !nic_peek(e->stack, k.ifindex))
		return -ENODEV;
	same = e->connected && !ip6_ext_header(ext, IP6_EXT_ROUTING) && ipa_eq(dst, e->raddr) && !(m && (m->ctl.mask & EP_CTL_PKTINFO)) &&
	       (!k.dport || k.dport == e->rport);
	if (same && dst_ok(e->stack, &e->dst)) {
		*d = e->dst;
	} else {
		err = route_lookup(e->stack, &k, d);
		if (err < 0)
			return err;
		if (same)
			e->dst = *d;
	}
	if (d->type == ROUTE_BROADCAST && !e->broadcast)
		return -EACCES;
	if (!v4 && e->frag_size6)
		d->mtu = MIN(d->mtu, e->frag_size6);
	ep_ip_out(e, m, dst, o);
	/* IP_PMTUDISC_WANT: DF while it fits the path, cut here when it does not. */
	return 0;
}
