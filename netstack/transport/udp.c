/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp.c: UDP (udp(7)): connected and not, multicast and broadcast, UDP_CORK and MSG_MORE,
 * UDP_SEGMENT and UDP_GRO.
 *
 * A datagram is copied in before the endpoint is locked.  Corked data gathers in d->cork and
 * leaves as one datagram.  Segments stay one packet down to the link (or over loopback to a
 * receiver that wants UDP_GRO).
 *
 * UDP-Lite (RFC 3828, udplite(7)) is the same with ports of its own and a checksum that is always there
 * and covers as much as the sender's UDPLITE_SEND_CSCOV says; a receiver's UDPLITE_RECV_CSCOV drops what is
 * covered less.  Its checksums are made and checked here: links know nothing of them.
 */
#include <linux/udp.h>

#include "lib/uio.h"
#include "netstack/transport/ep_impl.h"

#define UDP_MAX_MATCHES 64
#ifndef UDPLITE_SEND_CSCOV
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11
#endif

#define UDP_INC(s, lite, name) net_add((s), (lite) ? NS_UdpLite##name : NS_Udp##name, 1)

static bool udp_is_lite(const struct ep *e)
{
	return e->proto == IPPROTO_UDPLITE;
}

static enum port_table udp_table(bool lite)
{
	return lite ? PORTS_UDPLITE : PORTS_UDP;
}

static int udp_init(struct ep *e)
{
	dgram_init(dgram_of(e));
	dgram_of(e)->send_cov = dgram_of(e)->recv_cov = -1;
	return 0;
}

static void udp_destroy(struct ep *e)
{
	dgram_fini(dgram_of(e));
}

static int udp_autobind(struct ep *e)
{
	int err;

	if (e->claim.port)
		return 0;
	err = ports_claim(e, udp_table(udp_is_lite(e)), e->laddr, 0);
	if (err == 0)
		e->lport = e->claim.port;
	return err == -EADDRINUSE ? -EAGAIN : err;
}

static int udp_bind(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct ipa ip;
	int err;

	(void)q;
	if (e->claim.port)
		return -EINVAL;
	err = ep_check_bind(e, a, &ip);
	if (err < 0)
		return err;
	err = ports_claim(e, udp_table(udp_is_lite(e)), ip, a->port);
	if (err < 0)
		return err;
	e->laddr = ip;
	e->lport = e->claim.port;
	e->addr_bound = !ipa_is_any(ip);
	e->port_bound = a->port != 0;
	return 0;
}

static void udp_disconnect(struct ep *e)
{
	struct ipa laddr = e->addr_bound ? e->laddr : ep_any(e);

	e->dst.valid = false;
	e->raddr_scope = 0;
	if (e->claim.port)
		ports_set_peer(e, laddr, ep_any(e), 0, false);
	else
		e->connected = false;
	if (!e->port_bound && e->claim.port) {
		ports_release(e->stack, &e->claim);
		e->lport = 0;
	}
}

static int udp_connect(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct ip_out o;
	struct ipa dst, laddr;
	struct dst d;
	bool was;
	int err;

	(void)q;
	if (a->family == AF_UNSPEC) {
		udp_disconnect(e);
		return 0;
	}
	err = ep_check_dest(e, a, &dst);
	if (err == 0 && dgram_lacks_scope(e, a, dst))
		err = -EINVAL;
	if (err < 0)
		return err;
	was = e->connected;
	laddr = e->laddr;
	e->connected = false;
	e->dst.valid = false;
	if (was && !e->addr_bound)
		e->laddr = ep_any(e);
	err = udp_autobind(e);
	if (err == 0)
		err = dgram_route(e, &(struct ep_msg){ .has_addr = true, .addr = *a }, dst, a->scope, &d, &o);
	if (err < 0) { /* as it was */
		e->laddr = laddr;
		e->connected = was;
		return err;
	}
	e->raddr_scope = a->scope;
	e->flow = a->flow;
	ports_set_peer(e, ipa_is_any(e->laddr) ? d.src : e->laddr, dst, a->port, true);
	e->dst = d;
	return 0;
}

/* ---- sending ---- */

/* The sum over what the sender's coverage says; 0 there: all, and the header says 0 (udplite_csum()). */
static void udp_lite_csum(const struct dgram *g, struct pkt *p, struct udp_hdr *h)
{
	uint32_t covered = p->len;

	if (g->send_cov >= 0 && (uint32_t)g->send_cov < p->len) {
		h->len = htons((uint16_t)g->send_cov);
		covered = g->send_cov ? (uint32_t)g->send_cov : p->len;
	}
	h->csum = csum_fold(pkt_csum(p, 0, covered, csum_pseudo(p->src, p->dst, PROTO_UDPLITE, p->len)));
	if (h->csum == 0)
		h->csum = 0xffff;
}

/* Header, checksum and out.  p holds the payload; consumes it.  e->lock held. */
static int udp_xmit(struct ep *e, struct txq *q, struct pkt *p, const struct dst *d,
		    const struct ip_out *in, struct ipa dst, uint16_t dport, const struct ep_msg *m)
{
	struct dgram *g = dgram_of(e);
	struct ip_out o = *in;
	bool v4 = ipa_is4(dst);
	uint32_t len = p->len + (uint32_t)sizeof(struct udp_hdr);
	struct udp_hdr *h;
	bool lite = udp_is_lite(e);
	uint16_t gso = lite ? 0 : m->ctl.mask & EP_CTL_GSO ? m->ctl.gso_size : (uint16_t)g->segment;
	int mode, err;

	if (len > 65535 - (v4 ? IP4_HLEN : 0)) {
		pkt_free(p);
		return -EMSGSIZE;
	}
	mode = v4 ? e->mtu_discover : e->mtu_discover6;
	if (o.ext && dgram_ext_fits(d, &o, len, sizeof(*h)) < 0) {
		pkt_free(p);
		ep_local_error(e, EMSGSIZE, dst, dport, (uint32_t)(d->mtu - MIN(ip6_ext_wire(o.ext), (size_t)d->mtu)));
		return -EMSGSIZE;
	}
	if (v4 && len + IP4_HLEN + o.opts_len > d->mtu) {
		if (o.df && mode == IP_PMTUDISC_WANT)
			o.frag_ok = true;
	}
	if (gso && p->len > gso) {
		if (gso + sizeof(*h) + (v4 ? IP4_HLEN : IP6_HLEN + ip6_ext_wire(o.ext)) > d->mtu ||
		    p->len > (uint32_t)gso * UDP_MAX_SEGMENTS) {
			pkt_free(p);
			return -EINVAL;
		}
		p->gso_size = gso;
		p->gso_type = GSO_UDP;
	}
	h = pkt_push(p, sizeof(*h));
	p->trans = p->data;
	h->sport = htons(e->lport);
	h->dport = htons(dport);
	h->len = htons((uint16_t)len);
	h->csum = 0;
	p->src = d->src;
	p->dst = dst;
	p->proto = (uint8_t)e->proto;
	p->mark = m->ctl.mask & EP_CTL_MARK ? m->ctl.mark : (uint32_t)e->mark;
	if (lite) {
		udp_lite_csum(g, p, h);
	} else if (!(v4 ? e->no_check : g->no_check6_tx) || p->gso_size) {
		h->csum = (uint16_t)~csum_fold(csum_pseudo(d->src, dst, PROTO_UDP, len));
		p->csum_off = offsetof(struct udp_hdr, csum);
		p->flags |= PKT_CSUM_PARTIAL;
	}
	o.proto = (uint8_t)e->proto;
	UDP_INC(e->stack, lite, OutDatagrams);
	err = ip_output(q, d, p, &o);
	if (err == 0)
		ep_tx_stamp(e, q, m);
	if (err == -EMSGSIZE)
		ep_local_error(e, EMSGSIZE, dst, dport, d->mtu);
	return err;
}

static int udp_dest(struct ep *e, const struct ep_msg *m, struct ipa *dst, uint16_t *port,
		    uint32_t *scope)
{
	int err;

	if (!m->has_addr) {
		if (!e->connected)
			return -EDESTADDRREQ;
		*dst = e->raddr;
		*port = e->rport;
		*scope = e->raddr_scope;
		return 0;
	}
	if (m->addr.port == 0)
		return -EINVAL;
	err = ep_check_dest(e, &m->addr, dst);
	if (err < 0)
		return err;
	/* A socket bound to a v4 address can't send to IPv6 and the other way round. */
	if (!ipa_is_any(e->laddr) && ipa_is4(e->laddr) != ipa_is4(*dst))
		return -ENETUNREACH;
	*port = m->addr.port;
	*scope = m->addr.scope;
	return 0;
}

static int udp_send_pkt(struct ep *e, struct txq *q, struct pkt *p, const struct ep_msg *m)
{
	uint16_t port = 0;
	uint32_t scope = 0;
	struct ip_out o;
	struct ipa dst;
	struct dst d;
	int err;

	err = udp_dest(e, m, &dst, &port, &scope);
	if (err == 0)
		err = udp_autobind(e);
	if (err == 0)
		err = dgram_route(e, m, dst, scope, &d, &o);
	if (err < 0) {
		pkt_free(p);
		return err;
	}
	return udp_xmit(e, q, p, &d, &o, dst, port, m);
}

static int udp_cork_add(struct ep *e, struct pkt *p, const struct ep_msg *m)
{
	struct dgram *d = dgram_of(e);
	uint32_t scope;
	uint16_t port;
	struct ipa dst;
	void *to;
	int err;

	if (!d->cork) {
		err = udp_dest(e, m, &dst, &port, &scope);
		if (err < 0) {
			pkt_free(p);
			return err;
		}
		d->cork = pkt_new(PKT_HEADROOM, 65535);
		if (!d->cork) {
			pkt_free(p);
			return -ENOBUFS;
		}
		d->cork_msg = *m;
		d->cork_msg.ctl.ext = ip6_ext_get(m->ctl.ext ? m->ctl.ext : e->ext); /* as they are now */
	}
	to = pkt_append(d->cork, p->len);
	if (to)
		pkt_copy(p, 0, to, p->len);
	pkt_free(p);
	return to ? 0 : -EMSGSIZE;
}

static int udp_uncork(struct ep *e, struct txq *q)
{
	struct dgram *d = dgram_of(e);
	struct pkt *p = d->cork;

	int err;

	d->cork = NULL;
	err = p ? udp_send_pkt(e, q, p, &d->cork_msg) : 0;
	ep_msg_fini(&d->cork_msg);
	return err;
}

static ssize_t udp_send(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	struct dgram *d = dgram_of(e);
	size_t len = uio_left(u);
	struct pkt *p;
	bool more;
	int err;

	if ((m->flags & MSG_OOB) && !ep_is6(e))
		return -EOPNOTSUPP;
	if (len > 65535)
		return -EMSGSIZE;
	p = pkt_new(PKT_HEADROOM, len);
	if (!p)
		return -ENOBUFS;
	if (len && uio_get(u, pkt_append(p, len), len) != (ssize_t)len) {
		pkt_free(p);
		return -EFAULT;
	}
	nlock_lock(&e->lock);
	more = d->opt_cork || (m->flags & MSG_MORE);
	err = ep_take_error(e);
	if (err) {
		pkt_free(p);
		err = -err;
	} else if (e->shut & SHUT_BIT_WR) {
		pkt_free(p);
		err = -EPIPE;
	} else if (more || d->cork) {
		err = udp_cork_add(e, p, m);
		if (err < 0) {
			pkt_free(d->cork);
			d->cork = NULL;
			ep_msg_fini(&d->cork_msg);
		} else if (!more) {
			err = udp_uncork(e, q);
		}
	} else {
		err = udp_send_pkt(e, q, p, m);
	}
	nlock_unlock(&e->lock);
	return err < 0 ? err : (ssize_t)len;
}

/* ---- receiving ---- */

static void udp_deliver_one(struct ep *e, struct pkt *p)
{
	struct dgram *d = dgram_of(e);
	uint32_t keep, covered = p->cb.dgram.covered;

	if (covered && d->recv_cov >= 0 && covered < (d->recv_cov ? (uint32_t)d->recv_cov : UINT32_MAX)) {
		NET_INC(e->stack, UdpLiteInErrors);
		pkt_free(p);
		return;
	}
	keep = filter_run(e, p, p->trans);
	if (keep == 0) {
		atomic_fetch_add_explicit(&d->drops, 1, memory_order_relaxed);
		pkt_free(p);
		return;
	}
	if (keep < p->len + sizeof(struct udp_hdr))
		pkt_trim(p, keep < sizeof(struct udp_hdr) ? 0 : keep - sizeof(struct udp_hdr));
	UDP_INC(e->stack, udp_is_lite(e), InDatagrams);
	dgram_enqueue(d, p);
}

/* p's data is at the payload.  A segmented packet is cut unless the receiver takes it whole. */
static void udp_deliver(struct ep *e, struct pkt *p)
{
	uint16_t gso = p->gso_size;

	p->gso_size = 0;
	if (!gso || p->len <= gso) {
		udp_deliver_one(e, p);
		return;
	}
	if (dgram_of(e)->gro) {
		p->cb.dgram.gro_size = gso;
		udp_deliver_one(e, p);
		return;
	}
	while (p->len > gso) {
		struct pkt *c = pkt_clone(p);

		if (!c)
			break;
		pkt_trim(c, gso);
		udp_deliver_one(e, c);
		pkt_drop(p, gso);
	}
	udp_deliver_one(e, p);
}

static void udp_input_many(struct stack *s, struct nic *n, const struct flow *f, struct pkt *p)
{
	struct ep *eps[UDP_MAX_MATCHES];
	unsigned int count = ports_lookup_all(s, udp_table(p->proto == PROTO_UDPLITE), f, eps, UDP_MAX_MATCHES);

	for (unsigned int i = 0; i < count; i++) {
		if (!ipa_is_multicast(f->laddr) || ep_takes_group(eps[i], n, f->laddr, p->src)) {
			struct pkt *c = pkt_clone(p);

			if (c)
				udp_deliver(eps[i], c);
		}
		ep_put(eps[i]);
	}
	pkt_free(p);
}

static bool udp_check(struct stack *s, struct pkt *p)
{
	const struct udp_hdr *h = (const void *)p->data;
	bool v4 = ipa_is4(p->dst);
	uint32_t len;

	if (!pkt_linear(p, sizeof(*h)))
		return false;
	len = ntohs(h->len);
	if (len == 0 && !v4)
		return false;
	if (len < sizeof(*h) || len > p->len)
		return false;
	pkt_trim(p, len);
	if (h->csum == 0)
		return v4;
	if (!(p->flags & PKT_CSUM_OK) &&
	    csum_fold(pkt_csum(p, 0, len, csum_pseudo(p->src, p->dst, PROTO_UDP, len))) != 0) {
		NET_INC(s, UdpInCsumErrors);
		return false;
	}
	return true;
}

/* Sets what is covered when that is not all. */
static bool udp_lite_check(struct stack *s, struct pkt *p)
{
	const struct udp_hdr *h = (const void *)p->data;
	uint32_t covered;

	if (!pkt_linear(p, sizeof(*h)) || h->csum == 0)
		return false;
	covered = ntohs(h->len);
	if (covered == 0)
		covered = p->len;
	if (covered < sizeof(*h) || covered > p->len)
		return false;
	if (csum_fold(pkt_csum(p, 0, covered, csum_pseudo(p->src, p->dst, PROTO_UDPLITE, p->len))) != 0) {
		NET_INC(s, UdpLiteInCsumErrors);
		return false;
	}
	p->cb.dgram.covered = covered < p->len ? covered : 0;
	return true;
}

void udp_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	bool lite = p->proto == PROTO_UDPLITE;
	const struct udp_hdr *h;
	struct flow f;
	struct ep *e;

	p->cb.dgram.covered = 0;
	if (!(lite ? udp_lite_check(s, p) : udp_check(s, p))) {
		UDP_INC(s, lite, InErrors);
		pkt_free(p);
		return;
	}
	h = (const void *)p->data;
	f = (struct flow){ .laddr = p->dst, .raddr = p->src, .lport = ntohs(h->dport),
			   .rport = ntohs(h->sport), .ifindex = n->ifindex };
	p->cb.dgram.sport = f.rport;
	p->cb.dgram.dport = f.lport;
	p->cb.dgram.gro_size = 0;
	p->trans = p->data;
	if (p->flags & (PKT_MULTICAST | PKT_BROADCAST)) {
		pkt_pull(p, sizeof(*h));
		udp_input_many(s, n, &f, p);
		return;
	}
	e = ports_lookup(s, udp_table(lite), &f);
	if (!e) {
		UDP_INC(s, lite, NoPorts);
		icmp_error(q, n, p, ipa_is4(p->dst) ? ICMP4_UNREACH : ICMP6_UNREACH,
			   ipa_is4(p->dst) ? UNREACH_PORT : 4, 0);
		pkt_free(p);
		return;
	}
	pkt_pull(p, sizeof(*h));
	udp_deliver(e, p);
	ep_put(e);
}

void udp_icmp_error(struct txq *q, const struct icmp_err *i)
{
	struct flow f = { .laddr = i->src, .raddr = i->dst, .lport = rd16(i->trans),
			  .rport = rd16(i->trans + 2), .ifindex = i->nic ? i->nic->ifindex : 0 };
	struct ep *e = ports_lookup(i->stack, udp_table(i->proto == PROTO_UDPLITE), &f);

	(void)q;
	if (!e)
		return;
	nlock_lock(&e->lock);
	ep_icmp_error(e, i, f.rport, sizeof(struct udp_hdr));
	nlock_unlock(&e->lock);
	ep_put(e);
}

/* ---- the rest ---- */

static void udp_close(struct ep *e, struct txq *q)
{
	(void)q;
	ports_release(e->stack, &e->claim);
}

static int udp_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	struct dgram *d = dgram_of(e);
	int v;

	if (level != IPPROTO_UDP && level != IPPROTO_UDPLITE)
		return -ENOPROTOOPT;
	if (ep_get_int(val, size, &v) < 0)
		return -EINVAL;
	switch (name) {
	case UDP_CORK:
		d->opt_cork = v != 0;
		return v ? 0 : udp_uncork(e, q);
	case UDP_SEGMENT:
		if (v < 0 || v > 65535)
			return -EINVAL;
		d->segment = v;
		return 0;
	case UDP_GRO:
		d->gro = v != 0;
		return 0;
	case UDP_NO_CHECK6_TX:
		d->no_check6_tx = v != 0;
		return 0;
	case UDP_NO_CHECK6_RX:
		d->no_check6_rx = v != 0;
		return 0;
	case UDPLITE_SEND_CSCOV:
	case UDPLITE_RECV_CSCOV:
		if (!udp_is_lite(e))
			return -ENOPROTOOPT;
		if (v != 0 && v < (int)sizeof(struct udp_hdr))
			v = sizeof(struct udp_hdr); /* the header always is */
		*(name == UDPLITE_SEND_CSCOV ? &d->send_cov : &d->recv_cov) = MIN(v, 65535);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int udp_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	struct dgram *d = dgram_of(e);

	if (level != IPPROTO_UDP && level != IPPROTO_UDPLITE)
		return -ENOPROTOOPT;
	switch (name) {
	case UDP_CORK:
		return ep_put_int(val, size, d->opt_cork);
	case UDP_SEGMENT:
		return ep_put_int(val, size, d->segment);
	case UDP_GRO:
		return ep_put_int(val, size, d->gro);
	case UDP_NO_CHECK6_TX:
		return ep_put_int(val, size, d->no_check6_tx);
	case UDP_NO_CHECK6_RX:
		return ep_put_int(val, size, d->no_check6_rx);
	case UDPLITE_SEND_CSCOV:
	case UDPLITE_RECV_CSCOV:
		if (!udp_is_lite(e))
			return -ENOPROTOOPT;
		return ep_put_int(val, size, MAX(name == UDPLITE_SEND_CSCOV ? d->send_cov : d->recv_cov, 0));
	default:
		return -ENOPROTOOPT;
	}
}

const struct ep_ops udp_ops = {
	.size = sizeof(struct dgram),
	.init = udp_init,
	.destroy = udp_destroy,
	.bind = udp_bind,
	.connect = udp_connect,
	.send = udp_send,
	.recv = dgram_recv,
	.shutdown = dgram_shutdown,
	.close = udp_close,
	.poll = dgram_poll,
	.setopt = udp_setopt,
	.getopt = udp_getopt,
	.query = dgram_query,
	.info = dgram_info,
};
