/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.c: raw(7) endpoints (SOCK_RAW) and ping sockets (SOCK_DGRAM with IPPROTO_ICMP or ICMPV6).
 *
 * Raw endpoints of IPv4 get packets with their IP header, those of IPv6 without (RFC 3542).  They
 * are a list under ep_table->raw_lock; delivery clones the packet for each.  Ping sockets own an
 * ICMP identifier, kept as a port.
 */

#include "lib/uio.h"
#include "netstack/transport/ports_impl.h"

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif
#ifndef ICMPV6_FILTER
#define ICMPV6_FILTER 1
#endif
#ifndef SOL_RAW
#define SOL_RAW 255
#endif
#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif

/* ---- raw ---- */

static int raw_init(struct ep *e)
{
	struct dgram *d = dgram_of(e);

	dgram_init(d);
	d->hdrincl = e->proto == IPPROTO_RAW;
	d->csum_offset = e->proto == IPPROTO_ICMPV6 && ep_is6(e) ? 2 : -1;
	nrwlock_write(&e->stack->eps->raw_lock);
	list_append(&e->stack->eps->raw, &d->tap);
	nrwlock_write_unlock(&e->stack->eps->raw_lock);
	return 0;
}

static void raw_close(struct ep *e, struct txq *q)
{
	(void)q;
	nrwlock_write(&e->stack->eps->raw_lock);
	list_remove(&dgram_of(e)->tap);
	nrwlock_write_unlock(&e->stack->eps->raw_lock);
}

static void raw_destroy(struct ep *e)
{
	dgram_fini(dgram_of(e));
}

static int raw_bind(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct ipa ip;
	int err;

	(void)q;
	if (e->connected)
		return -EINVAL;
	err = ep_check_bind(e, a, &ip);
	if (err < 0)
		return err;
	if (ep_is6(e) && ipa_is4(ip))
		return -EADDRNOTAVAIL;
	e->laddr = ip;
	e->addr_bound = !ipa_is_any(ip);
	return 0;
}

static int raw_connect(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct ip_out o;
	struct ipa dst;
	struct dst d;
	int err;

	(void)q;
	e->dst.valid = false;
	if (a->family == AF_UNSPEC) {
		e->connected = false;
		e->raddr = ep_any(e);
		if (!e->addr_bound)
			e->laddr = ep_any(e);
		return 0;
	}
	err = ep_check_dest(e, a, &dst);
	if (err < 0)
		return err;
	if (ep_is6(e) && (ipa_is4(dst) || dgram_lacks_scope(e, a, dst)))
		return -EINVAL;
	e->connected = false;
	err = dgram_route(e, NULL, dst, a->scope, &d, &o);
	if (err < 0)
		return err;
	e->raddr = dst;
	e->rport = a->port;
	e->raddr_scope = a->scope;
	e->connected = true;
	if (ipa_is_any(e->laddr))
		e->laddr = d.src;
	e->dst = d;
	return 0;
}

/* The application wrote the IP header (IP_HDRINCL): complete and check it. */
static int raw_send_hdrincl(struct ep *e, struct txq *q, struct pkt *p, const struct dst *d)
{
	size_t hlen;

	p->net = p->data;
	p->nic = d->nic;
	p->nexthop = d->nexthop;
	p->src = d->src;
	if (!ep_is6(e)) {
		struct ip4_hdr *ip = (void *)p->data;

		if (!pkt_linear(p, IP4_HLEN))
			goto bad;
		hlen = (ip->ver_ihl & 15U) * 4U;
		if (hlen < IP4_HLEN || hlen > p->len)
			goto bad;
		if (ip->src == 0)
			ip->src = d->src.w[3];
		if (ip->id == 0)
			ip->id = htons((uint16_t)atomic_fetch_add(&e->stack->ip_id, 1));
		ip->len = htons((uint16_t)p->len);
		ip->csum = 0;
		ip->csum = csum_fold(csum_add(0, ip, hlen, 0));
		p->ethertype = ETHERTYPE_IP4;
		p->dst = ipa_v4(ip->dst);
	} else {
		if (!pkt_linear(p, IP6_HLEN))
			goto bad;
		p->ethertype = ETHERTYPE_IP6;
		p->dst = ipa_v6(p->data + 24);
	}
	if (p->len > atomic_load(&d->nic->mtu)) {
		pkt_free(p);
		return -EMSGSIZE;
	}
	txq_add(q, p);
	return 0;
bad:
	pkt_free(p);
	return -EINVAL;
}

static int raw_send_locked(struct ep *e, struct txq *q, struct pkt *p, const struct ep_msg *m)
{
	struct dgram *g = dgram_of(e);
	struct ipa dst = e->raddr;
	uint32_t scope = e->raddr_scope;
	struct ip_out o;
	struct dst d;
	int err = 0;

	if (m->has_addr) {
		err = ep_check_dest(e, &m->addr, &dst);
		scope = m->addr.scope;
		if (err == 0 && ep_is6(e) && (ipa_is4(dst) || (m->addr.port && m->addr.port != e->proto)))
			err = -EINVAL; /* the port says the protocol again (rawv6_sendmsg()) */
	} else if (!e->connected) {
		err = -EDESTADDRREQ;
	}
	if (err == 0)
		err = dgram_route(e, m, dst, scope, &d, &o);
	if (err < 0) {
		pkt_free(p);
		return err;
	}
	if (g->hdrincl)
		return raw_send_hdrincl(e, q, p, &d);
	if (o.ext && dgram_ext_fits(&d, &o, p->len, 0) < 0) {
		pkt_free(p);
		return -EMSGSIZE;
	}
	p->trans = p->data;
	p->src = d.src;
	p->dst = dst;
	p->mark = m->ctl.mask & EP_CTL_MARK ? m->ctl.mark : (uint32_t)e->mark;
	if (ep_is6(e) && g->csum_offset >= 0) {
		uint16_t c;

		if ((size_t)g->csum_offset + 2 > p->len) {
			pkt_free(p);
			return -EINVAL;
		}
		memset(p->data + g->csum_offset, 0, 2);
		c = csum_fold(pkt_csum(p, 0, p->len,
				       csum_pseudo(p->src, dst, (uint8_t)e->proto, p->len)));
		memcpy(p->data + g->csum_offset, &c, 2);
	}
	o.proto = (uint8_t)e->proto;
	if (o.df && e->mtu_discover == IP_PMTUDISC_WANT && !ep_is6(e))
		o.frag_ok = p->len + IP4_HLEN > d.mtu;
	err = ip_output(q, &d, p, &o);
	if (err == 0)
		ep_tx_stamp(e, q, m);
	if (err == -EMSGSIZE)
		ep_local_error(e, EMSGSIZE, dst, 0, d.mtu);
	return err;
}

static ssize_t raw_send(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	size_t len = uio_left(u);
	struct pkt *p;
	int err;

	if (m->flags & MSG_OOB)
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
	err = ep_take_error(e);
	if (err || (e->shut & SHUT_BIT_WR)) {
		pkt_free(p);
		err = err ? -err : -EPIPE;
	} else {
		err = raw_send_locked(e, q, p, m);
	}
	nlock_unlock(&e->lock);
	return err < 0 ? err : (ssize_t)len;
}

static bool raw_matches(struct dgram *d, struct nic *n, struct pkt *p, uint8_t proto)
{
	struct ep *e = &d->ep;

	if (e->proto != proto || ep_is6(e) == ipa_is4(p->dst))
		return false;
	if (!ipa_is_any(e->laddr) && !ipa_eq(e->laddr, p->dst))
		return false;
	if (e->connected && !ipa_eq(e->raddr, p->src))
		return false;
	if (e->bound_if && (uint32_t)e->bound_if != n->ifindex)
		return false;
	if (ipa_is_multicast(p->dst) && !ep_takes_group(e, n, p->dst, p->src))
		return false;
	if (proto == PROTO_ICMP && !ep_is6(e) && p->head_len && p->data[0] < 32)
		return !(rd32(d->icmp_filter) >> p->data[0] & 1);
	if (proto == PROTO_ICMP6 && ep_is6(e) && p->head_len)
		return !(d->icmp_filter[p->data[0] >> 3] >> (p->data[0] & 7) & 1);
	return true;
}

static void raw_deliver_one(struct dgram *d, struct pkt *p)
{
	struct pkt *c = pkt_clone(p);
	uint32_t keep;

	if (!c)
		return;
	c->cb.dgram.sport = 0;
	c->cb.dgram.dport = 0;
	c->cb.dgram.gro_size = 0;
	if (!ep_is6(&d->ep)) {
		pkt_push(c, (size_t)(c->data - c->net));
	} else if (d->csum_offset >= 0 && !(c->flags & PKT_LOOPED) &&
		   csum_fold(pkt_csum(c, 0, c->len,
				      csum_pseudo(c->src, c->dst, (uint8_t)d->ep.proto, c->len)))) {
		pkt_free(c);
		return;
	}
	keep = filter_run(&d->ep, c, c->data);
	if (keep == 0) {
		pkt_free(c);
		return;
	}
	pkt_trim(c, keep);
	dgram_enqueue(d, c);
}

bool raw_deliver(struct nic *n, struct pkt *p, uint8_t proto)
{
	struct ep_table *t = n->stack->eps;
	struct dgram *d;
	bool taken = false;

	if (list_empty(&t->raw)) /* a hint: a socket made this instant may miss it */
		return false;
	nrwlock_read(&t->raw_lock);
	list_for_each_entry(d, &t->raw, tap)
		if (raw_matches(d, n, p, proto)) {
			taken = true;
			raw_deliver_one(d, p);
		}
	nrwlock_read_unlock(&t->raw_lock);
	return taken;
}

void raw_icmp_error(const struct icmp_err *i)
{
	struct ep_table *t = i->stack->eps;
	struct ep *eps[16];
	unsigned int count = 0;
	struct dgram *d;

	if (list_empty(&t->raw))
		return;
	nrwlock_read(&t->raw_lock);
	list_for_each_entry(d, &t->raw, tap)
		if (d->ep.proto == i->proto && ep_is6(&d->ep) == i->v6 &&
		    (ipa_is_any(d->ep.laddr) || ipa_eq(d->ep.laddr, i->src)) &&
		    (!d->ep.connected || ipa_eq(d->ep.raddr, i->dst)) && count < ARRAY_SIZE(eps) &&
		    ref_try_get(&d->ep.ref))
			eps[count++] = &d->ep;
	nrwlock_read_unlock(&t->raw_lock);
	for (unsigned int k = 0; k < count; k++) {
		nlock_lock(&eps[k]->lock);
		ep_icmp_error(eps[k], i, 0, 0);
		nlock_unlock(&eps[k]->lock);
		ep_put(eps[k]);
	}
}

static int raw_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	struct dgram *d = dgram_of(e);
	int v = 0;

	(void)q;
	if (level == SOL_RAW && name == ICMP_FILTER && e->proto == IPPROTO_ICMP && !ep_is6(e)) {
		uint32_t mask = 0;

		memcpy(&mask, val, MIN(size, sizeof(mask)));
		wr32(d->icmp_filter, mask);
		return 0;
	}
	if (level == IPPROTO_ICMPV6 && name == ICMPV6_FILTER && e->proto == IPPROTO_ICMPV6) {
		memcpy(d->icmp_filter, val, MIN(size, sizeof(d->icmp_filter)));
		return 0;
	}
	if (ep_get_int(val, size, &v) < 0)
		return -ENOPROTOOPT;
	if (level == IPPROTO_IPV6 && name == IPV6_HDRINCL && ep_is6(e)) {
		d->hdrincl = v != 0;
		return 0;
	}
	if ((level == IPPROTO_IPV6 || level == SOL_RAW) && name == IPV6_CHECKSUM && ep_is6(e)) {
		/* ICMPv6 has its own; at SOL_RAW Linux lets it be said nevertheless, as ping(8) does */
		if ((e->proto == IPPROTO_ICMPV6 && level == IPPROTO_IPV6) || (v > 0 && (v & 1)))
			return -EINVAL;
		d->csum_offset = v < 0 ? -1 : v;
		return 0;
	}
	return -ENOPROTOOPT;
}

static int raw_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	struct dgram *d = dgram_of(e);
	uint32_t mask = rd32(d->icmp_filter);

	if (level == SOL_RAW && name == ICMP_FILTER && e->proto == IPPROTO_ICMP && !ep_is6(e))
		return ep_put_bytes(val, size, &mask, sizeof(mask));
	if (level == IPPROTO_ICMPV6 && name == ICMPV6_FILTER && e->proto == IPPROTO_ICMPV6)
		return ep_put_bytes(val, size, d->icmp_filter, sizeof(d->icmp_filter));
	if (level == IPPROTO_IPV6 && name == IPV6_HDRINCL && ep_is6(e))
		return ep_put_int(val, size, d->hdrincl);
	if ((level == IPPROTO_IPV6 || level == SOL_RAW) && name == IPV6_CHECKSUM && ep_is6(e))
		return ep_put_int(val, size, d->csum_offset);
	return -ENOPROTOOPT;
}

const struct ep_ops raw_ops = {
	.size = sizeof(struct dgram),
	.init = raw_init,
	.destroy = raw_destroy,
	.bind = raw_bind,
	.connect = raw_connect,
	.send = raw_send,
	.recv = dgram_recv,
	.shutdown = dgram_shutdown,
	.close = raw_close,
	.poll = dgram_poll,
	.setopt = raw_setopt,
	.getopt = raw_getopt,
	.query = dgram_query,
	.info = dgram_info,
};

/* ---- ping ---- */

static enum port_table ping_table(const struct ep *e)
{
	return ep_is6(e) ? PORTS_PING6 : PORTS_PING4;
}

static int ping_init(struct ep *e)
{
	dgram_init(dgram_of(e));
	return 0;
}

static int ping_bind(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct ipa ip;
	int err;

	(void)q;
	if (e->claim.port)
		return -EINVAL;
	err = ep_check_bind(e, a, &ip);
	if (err == 0 && !ep_is6(e) && !ipa_is_any(ip) && addr_type(e->stack, ip, (uint32_t)e->bound_if) != ROUTE_LOCAL &&
	    !e->freebind && !e->transparent && !e->stack->conf.nonlocal_bind)
		err = -EADDRNOTAVAIL; /* neither groups nor broadcasts (ping_check_bind_addr()) */
	if (err < 0)
		return err;
	err = ports_claim(e, ping_table(e), ip, a->port);
	if (err < 0)
		return err;
	e->laddr = ip;
	e->lport = e->claim.port;
	e->addr_bound = !ipa_is_any(ip);
	return 0;
}

static int ping_connect(struct ep *e, struct txq *q, const struct net_addr *a)
{
	int err = raw_connect(e, q, a);

	if (err == 0 && !e->claim.port) {
		err = ports_claim(e, ping_table(e), e->laddr, 0);
		e->lport = e->claim.port;
	}
	return err;
}

static int ping_send_locked(struct ep *e, struct txq *q, struct pkt *p, const struct ep_msg *m)
{
	struct ipa dst = e->raddr;
	uint32_t scope = e->raddr_scope;
	struct icmp_hdr *h = (void *)p->data;
	struct ip_out o;
	struct dst d;
	int err = 0;

	if (m->has_addr) {
		err = ep_check_dest(e, &m->addr, &dst);
		scope = m->addr.scope;
		if (err == 0 && ep_is6(e) == ipa_is4(dst))
			err = -EINVAL;
	} else if (!e->connected) {
		err = -EDESTADDRREQ;
	}
	if (err == 0 && !e->claim.port) {
		err = ports_claim(e, ping_table(e), e->laddr, 0);
		e->lport = e->claim.port;
	}
	if (err == 0)
		err = dgram_route(e, m, dst, scope, &d, &o);
	if (err < 0) {
		pkt_free(p);
		return err;
	}
	if (o.ext && dgram_ext_fits(&d, &o, p->len, sizeof(*h)) < 0) {
		pkt_free(p);
		return -EMSGSIZE;
	}
	h->echo.id = htons(e->lport);
	h->csum = 0;
	p->trans = p->data;
	p->src = d.src;
	p->dst = dst;
	h->csum = csum_fold(pkt_csum(p, 0, p->len,
				     ep_is6(e) ? csum_pseudo(d.src, dst, PROTO_ICMP6, p->len) : 0));
	o.proto = ep_is6(e) ? PROTO_ICMP6 : PROTO_ICMP;
	if (o.df && e->mtu_discover == IP_PMTUDISC_WANT && !ep_is6(e))
		o.frag_ok = p->len + IP4_HLEN > d.mtu;
	NET_INC(e->stack, IcmpOutEchos);
	err = ip_output(q, &d, p, &o);
	if (err == 0)
		ep_tx_stamp(e, q, m);
	if (err == -EMSGSIZE)
		ep_local_error(e, EMSGSIZE, dst, 0, d.mtu);
	return err;
}

static ssize_t ping_send(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	size_t len = uio_left(u);
	struct icmp_hdr *h;
	struct pkt *p;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (len > 65535)
		return -EMSGSIZE;
	if (len < sizeof(*h))
		return -EINVAL;
	p = pkt_new(PKT_HEADROOM, len);
	if (!p)
		return -ENOBUFS;
	if (uio_get(u, pkt_append(p, len), len) != (ssize_t)len) {
		pkt_free(p);
		return -EFAULT;
	}
	h = (void *)p->data;
	if (h->type != (ep_is6(e) ? ICMP6_ECHO : ICMP4_ECHO) || h->code != 0) {
		pkt_free(p);
		return -EINVAL;
	}
	nlock_lock(&e->lock);
	err = ep_take_error(e);
	if (err) {
		pkt_free(p);
		err = -err;
	} else {
		err = ping_send_locked(e, q, p, m);
	}
	nlock_unlock(&e->lock);
	return err < 0 ? err : (ssize_t)len;
}

bool ping_deliver(struct nic *n, struct pkt *p)
{
	const struct icmp_hdr *h = (const void *)p->data;
	struct flow f = { .laddr = p->dst, .raddr = p->src, .lport = ntohs(h->echo.id),
			  .ifindex = n->ifindex };
	struct ep *e = ports_lookup(n->stack, ipa_is4(p->dst) ? PORTS_PING4 : PORTS_PING6, &f);
	struct pkt *c;

	if (!e)
		return false;
	c = pkt_clone(p);
	if (c) {
		memset(&c->cb.dgram, 0, sizeof(c->cb.dgram));
		dgram_enqueue(dgram_of(e), c);
	}
	ep_put(e);
	return true;
}

void ping_icmp_error(const struct icmp_err *i)
{
	struct flow f = { .laddr = i->src, .raddr = i->dst, .lport = rd16(i->trans + 4),
			  .ifindex = i->nic ? i->nic->ifindex : 0 };
	struct ep *e;

	if (i->trans[0] != (i->v6 ? ICMP6_ECHO : ICMP4_ECHO))
		return;
	e = ports_lookup(i->stack, i->v6 ? PORTS_PING6 : PORTS_PING4, &f);
	if (!e)
		return;
	nlock_lock(&e->lock);
	ep_icmp_error(e, i, 0, 0);
	nlock_unlock(&e->lock);
	ep_put(e);
}

static void ping_close(struct ep *e, struct txq *q)
{
	(void)q;
	ports_release(e->stack, &e->claim);
}

const struct ep_ops ping_ops = {
	.size = sizeof(struct dgram),
	.init = ping_init,
	.destroy = raw_destroy,
	.bind = ping_bind,
	.connect = ping_connect,
	.send = ping_send,
	.recv = dgram_recv,
	.shutdown = dgram_shutdown,
	.close = ping_close,
	.poll = dgram_poll,
	.query = dgram_query,
	.info = dgram_info,
};
