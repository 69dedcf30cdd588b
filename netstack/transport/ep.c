/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ep.c: endpoints, the part that all transports share: life, the locked and flushed calls into
 * struct ep_ops, addresses, pending errors and the error queue (ep.h).
 */

#include <linux/net_tstamp.h>

#include "lib/uio.h"
#include "netstack/transport/ep_impl.h"

#define ERRQ_MAX 64

static int ep_find_ops(int family, int type, int *proto, const struct ep_ops **ops)
{
	if (family == AF_PACKET) {
		if (type != SOCK_RAW && type != SOCK_DGRAM)
			return -ESOCKTNOSUPPORT;
		*ops = &packet_ops;
		return 0;
	}
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (*proto < 0 || *proto > 262)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		if (*proto != 0 && *proto != IPPROTO_TCP)
			return -EPROTONOSUPPORT;
		*proto = IPPROTO_TCP;
		*ops = &tcp_ops;
		return 0;
	case SOCK_DGRAM:
		if (*proto == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
			*ops = &ping_ops;
			return 0;
		}
		if (*proto != 0 && *proto != IPPROTO_UDP && *proto != IPPROTO_UDPLITE)
			return -EPROTONOSUPPORT;
		*proto = *proto ? *proto : IPPROTO_UDP;
		*ops = &udp_ops;
		return 0;
	case SOCK_RAW:
		if (*proto == 0 || *proto > 255)
			return -EPROTONOSUPPORT;
		*ops = &raw_ops;
		return 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

struct ep *ep_alloc(struct stack *s, const struct ep_ops *ops, int family, int type, int proto)
{
	struct ep *e = mem_zalloc(ops->size);

	if (!e)
		return NULL;
	ref_init(&e->ref);
	nlock_init(&e->lock, LOCK_NET_SOCKET);
	wq_init(&e->wq);
	latch_init(&e->filter_latch);
	latch_init(&e->groups_latch);
	list_init(&e->tx_wait);
	latch_init(&e->backlog_latch);
	list_init(&e->backlog);
	stack_get(s);
	e->stack = s;
	e->ops = ops;
	e->family = (uint16_t)family;
	e->type = (uint8_t)type;
	e->proto = (uint16_t)proto;
	list_init(&e->all);
	list_init(&e->claim.node);
	list_init(&e->errq);
	list_init(&e->memberships);
	e->laddr = e->raddr = ep_any(e);
	e->rcvbuf = s->conf.rmem_default;
	e->sndbuf = s->conf.wmem_default;
	e->rcvlowat = 1;
	e->ttl = -1;
	e->hops = -1;
	e->mc_ttl = 1;
	e->mc_hops = 1;
	e->mc_loop = e->mc_loop6 = 1;
	e->mc_all = family != AF_INET6;
	e->v6only = family == AF_INET6 && type == SOCK_RAW;
	e->mc_all6 = 1;
	e->stamp_ns = -1;
	e->peek_off = -1;
	e->mc_addr = ipa_any4();
	e->tclass = 0;
	e->mtu_discover = s->conf.ip_no_pmtu_disc ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
	e->mtu_discover6 = IP_PMTUDISC_WANT;
	e->v6only = ep_is6(e) && s->conf.bindv6only;
	e->autoflow = 1;
	e->pacing_rate = UINT64_MAX;
	e->rcvtimeo_ns = e->sndtimeo_ns = 0;
	return e;
}

int ep_new(struct stack *s, int family, int type, int proto, struct ep **out)
{
	const struct ep_ops *ops = NULL;
	struct ep *e;
	int err = ep_find_ops(family, type, &proto, &ops);

	if (err < 0)
		return err;
	e = ep_alloc(s, ops, family, type, proto);
	if (!e)
		return -ENOMEM;
	err = ops->init(e);
	if (err < 0) {
		stack_put(s);
		mem_free(e);
		return err;
	}
	ep_table_link(e);
	*out = e;
	return 0;
}

void ep_get(struct ep *e)
{
	ref_get(&e->ref);
}

static void ep_free(struct ep *e)
{
	struct errq_entry *q, *tmp;
	struct stack *s = e->stack;

	ep_table_unlink(e);
	e->ops->destroy(e);
	ports_release(s, &e->claim);
	list_for_each_entry_safe(q, tmp, &e->errq, node) {
		pkt_free(q->pkt);
		mem_free(q);
	}
	filter_put(atomic_load(&e->filter));
	ip6_ext_put(e->ext);
	ASSERT(list_empty(&e->memberships) && list_empty(&e->tx_wait) && list_empty(&e->backlog));
	mem_free(e);
	stack_put(s);
}

void ep_put(struct ep *e)
{
	if (e && ref_put(&e->ref))
		ep_free(e);
}

/* The frame of most calls: lock, slot, unlock, flush. */
static void ep_enter(struct ep *e, struct txq *q) ACQUIRES(&e->lock)
{
	txq_init(q, e->stack);
	nlock_lock(&e->lock);
}

NO_TSA void ep_leave(struct ep *e, struct txq *q)
{
	if (list_empty(&q->pkts) || e->tx_busy) {
		list_splice(&e->tx_wait, &q->pkts);
		nlock_unlock(&e->lock);
		return;
	}
	e->tx_busy = true;
	do {
		nlock_unlock(&e->lock);
		txq_flush(q);
		nlock_lock(&e->lock);
		list_splice(&q->pkts, &e->tx_wait);
	} while (!list_empty(&q->pkts));
	e->tx_busy = false;
	nlock_unlock(&e->lock);
}

void ep_close(struct ep *e)
{
	struct txq q;

	ep_enter(e, &q);
	e->closed = true;
	e->urgent_fn = NULL;
	ep_drop_memberships(e, &q);
	e->ops->close(e, &q);
	ep_leave(e, &q);
	ep_put(e);
}

int64_t ep_close_begin(struct ep *e)
{
	int64_t wait = 0;
	struct txq q;

	if (e->type != SOCK_STREAM || !e->linger_on || e->linger_s == 0)
		return 0;
	ep_enter(e, &q);
	e->ops->shutdown(e, &q, SHUT_RDWR);
	wait = e->linger_s * NSEC_PER_SEC;
	ep_leave(e, &q);
	return wait;
}

bool ep_drained(struct ep *e)
{
	return ep_query(e, EP_OUTQ) <= 0;
}

int ep_bind(struct ep *e, const struct net_addr *a)
{
	struct txq q;
	int err;

	if (!e->ops->bind)
		return -EOPNOTSUPP;
	ep_enter(e, &q);
	err = e->ops->bind(e, &q, a);
	if (err == 0 && ep_is6(e) && !ipa_is4(e->laddr) && !ipa_is_any(e->laddr))
		e->v6only = 1; /* nothing of IPv4 can come there (__inet6_bind()) */
	ep_leave(e, &q);
	return err;
}

int ep_listen(struct ep *e, int backlog)
{
	struct txq q;
	int err;

	if (!e->ops->listen)
		return -EOPNOTSUPP;
	ep_enter(e, &q);
	err = e->ops->listen(e, &q, backlog);
	ep_leave(e, &q);
	return err;
}

int ep_accept(struct ep *e, struct ep **out, struct net_addr *peer)
{
	struct txq q;
	int err;

	if (!e->ops->accept)
		return -EOPNOTSUPP;
	ep_enter(e, &q);
	err = e->ops->accept(e, &q, out);
	ep_leave(e, &q);
	if (err == 0 && peer)
		ep_fill_addr(*out, peer, (*out)->raddr, (*out)->rport, (*out)->raddr_scope);
	return err;
}

int ep_connect(struct ep *e, const struct net_addr *a)
{
	struct txq q;
	int err;

	if (!e->ops->connect)
		return -EOPNOTSUPP;
	ep_enter(e, &q);
	err = e->ops->connect(e, &q, a);
	ep_leave(e, &q);
	return err;
}

ssize_t ep_send(struct ep *e, struct uio *u, struct ep_msg *m)
{
	struct txq q;
	ssize_t n;

	txq_init(&q, e->stack);
	n = e->ops->send(e, &q, u, m);
	txq_flush(&q); /* what the slot has left there */
	return n;
}

ssize_t ep_recv(struct ep *e, struct uio *u, struct ep_msg *m)
{
	struct txq q;
	ssize_t n;

	m->out_flags = 0;
	m->has_addr = false;
	m->ctl.mask = 0;
	if (m->flags & MSG_ERRQUEUE)
		return ep_errq_recv(e, u, m);
	ep_enter(e, &q);
	n = e->ops->recv(e, &q, u, m);
	ep_leave(e, &q);
	return n;
}

int ep_shutdown(struct ep *e, int how)
{
	struct txq q;
	int err;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (!e->ops->shutdown)
		return -EOPNOTSUPP;
	ep_enter(e, &q);
	err = e->ops->shutdown(e, &q, how);
	ep_leave(e, &q);
	return err;
}

uint32_t ep_poll(struct ep *e)
{
	uint32_t ev;

	nlock_lock(&e->lock);
	ev = e->ops->poll(e);
	if (atomic_load_explicit(&e->err, memory_order_relaxed) || !list_empty(&e->errq))
		ev |= POLLERR;
	nlock_unlock(&e->lock);
	return ev;
}

struct wq *ep_wq(struct ep *e)
{
	return &e->wq;
}

int64_t ep_last_stamp(struct ep *e)
{
	int64_t ns;

	nlock_lock(&e->lock);
	e->stamping = true;
	if (e->stamp_ns == 0)
		e->stamp_ns = e->stack->ops->real_ns(e->stack->ctx);
	ns = e->stamp_ns;
	nlock_unlock(&e->lock);
	return ns < 0 ? -ENOENT : ns;
}

int ep_query(struct ep *e, enum ep_query what)
{
	int n = -EOPNOTSUPP;

	nlock_lock(&e->lock);
	if (e->ops->query)
		n = e->ops->query(e, what);
	nlock_unlock(&e->lock);
	return n;
}

int ep_family(const struct ep *e)
{
	return e->family;
}

int ep_type(const struct ep *e)
{
	return e->type;
}

int ep_proto(const struct ep *e)
{
	return e->proto;
}

void ep_set_urgent_fn(struct ep *e, void (*fn)(void *arg), void *arg)
{
	nlock_lock(&e->lock);
	e->urgent_arg = arg;
	e->urgent_fn = fn;
	nlock_unlock(&e->lock);
}

void ep_set_owner(struct ep *e, uint32_t uid, uint64_t inode)
{
	e->uid = uid;
	e->inode = inode;
}

/* ---- addresses ---- */

void ep_fill_addr(const struct ep *e, struct net_addr *out, struct ipa ip, uint16_t port,
		  uint32_t scope)
{
	memset(out, 0, sizeof(*out));
	out->family = e->family;
	out->port = port;
	out->ip = ip;
	/* An IPv6 socket shows IPv4 peers as v4-mapped, which they are here already. */
	if (ep_is6(e) && ipa_needs_scope(ip))
		out->scope = scope;
}

int ep_getsockname(struct ep *e, struct net_addr *out)
{
	nlock_lock(&e->lock);
	if (e->family == AF_PACKET)
		e->ops->getpeer(e, out);
	else
		ep_fill_addr(e, out, e->laddr, e->type == SOCK_RAW ? e->proto : e->lport, /* inet_sport */
			     e->raddr_scope ? e->raddr_scope : (uint32_t)e->bound_if);
	nlock_unlock(&e->lock);
	return 0;
}

int ep_getpeername(struct ep *e, struct net_addr *out)
{
	int err = -ENOTCONN;

	nlock_lock(&e->lock);
	if (e->family == AF_PACKET) {
		err = -EOPNOTSUPP;
	} else if (e->ops->getpeer) {
		err = e->ops->getpeer(e, out);
	} else if (e->connected && e->rport) {
		ep_fill_addr(e, out, e->raddr, e->rport, e->raddr_scope);
		err = 0;
	}
	nlock_unlock(&e->lock);
	return err;
}

int ep_check_bind(struct ep *e, const struct net_addr *a, struct ipa *ip)
{
	struct stack *s = e->stack;
	enum route_type type;

	if (a->family != e->family) {
		/* Linux: AF_UNSPEC with INADDR_ANY is accepted for IPv4. */
		if (!(e->family == AF_INET && a->family == AF_UNSPEC && ipa_is_any(a->ip)))
			return -EAFNOSUPPORT;
	}
	*ip = a->ip;
	if (e->family == AF_INET && !ipa_is4(a->ip))
		*ip = ipa_any4();
	if (ep_is6(e) && ipa_is4(a->ip) && e->v6only)
		return -EINVAL;
	if (ipa_is_any(*ip))
		return 0;
	if (ep_is6(e) && ipa_needs_scope(*ip)) {
		uint32_t scope = a->scope ? a->scope : (uint32_t)e->bound_if;

		if (!scope || !nic_peek(s, scope))
			return scope ? -ENODEV : -EINVAL;
		if (e->bound_if && (uint32_t)e->bound_if != scope)
			return -EINVAL;
		e->bound_if = (int)scope;
	}
	type = addr_type(s, *ip, (uint32_t)e->bound_if);
	if (type == ROUTE_LOCAL || s->conf.nonlocal_bind || e->freebind || e->transparent)
		return 0;
	if (!ipa_is4(*ip) && type == ROUTE_UNICAST && addr_state(s, NULL, *ip) >= 0)
		return 0;
	if ((e->type != SOCK_STREAM || ipa_is4(*ip)) && (type == ROUTE_MULTICAST || type == ROUTE_BROADCAST))
		return 0;
	return -EADDRNOTAVAIL;
}

int ep_check_dest(struct ep *e, const struct net_addr *a, struct ipa *ip)
{
	*ip = a->ip;
	if (e->family == AF_INET) {
		if (a->family != AF_INET && a->family != AF_UNSPEC)
			return -EAFNOSUPPORT;
		if (!ipa_is4(*ip))
			return -EAFNOSUPPORT;
		if (ipa_is_any(*ip))
			*ip = ipa_v4(htonl(INADDR_LOOPBACK));
		return 0;
	}
	if (a->family == AF_INET) { /* sendto(AF_INET) on a dual-stack socket */
		if (e->v6only)
			return -ENETUNREACH;
		if (ipa_is_any(*ip))
			*ip = ipa_v4(htonl(INADDR_LOOPBACK));
		return 0;
	}
	if (a->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (ipa_is4(*ip)) {
		if (e->v6only)
			return -ENETUNREACH;
		if (ipa_is_any(*ip))
			*ip = ipa_v4(htonl(INADDR_LOOPBACK));
	} else if (ipa_is_any(*ip)) {
		if (!ipa_is_any(e->laddr) && ipa_is4(e->laddr)) {
			*ip = ipa_v4(htonl(INADDR_LOOPBACK));
		} else {
			*ip = ipa_any6();
			ip->b[15] = 1;
		}
	}
	return 0;
}

void ep_ip_out(const struct ep *e, const struct ep_msg *m, struct ipa dst, struct ip_out *o)
{
	bool v4 = ipa_is4(dst), multicast = ipa_is_multicast(dst);
	struct stack *s = e->stack;
	int ttl, tos, pmtu;

	memset(o, 0, sizeof(*o));
	if (v4) {
		ttl = multicast ? e->mc_ttl : e->ttl;
		if (ttl < 0)
			ttl = s->conf.ip_default_ttl;
		tos = e->tos;
		pmtu = e->mtu_discover;
		o->mc_loop = e->mc_loop;
		o->opts = e->ip_opts;
		o->opts_len = e->ip_opts_len;
	} else {
		ttl = multicast ? e->mc_hops : e->hops;
		tos = e->tclass;
		pmtu = e->mtu_discover6;
		o->mc_loop = e->mc_loop6;
		o->flow = ntohl(e->flow) & 0xfffff;
		o->ext = ep_ext(e, m, dst);
	}
	if (m && (m->ctl.mask & EP_CTL_TTL) && m->ctl.ttl >= 0)
		ttl = m->ctl.ttl;
	if (m && (m->ctl.mask & EP_CTL_TOS) && m->ctl.tos >= 0)
		tos = m->ctl.tos;
	if (m && v4 && (m->ctl.mask & EP_CTL_OPTS)) {
		o->opts = m->ctl.opts;
		o->opts_len = m->ctl.opts_len;
	}
	o->ttl = (uint8_t)ttl;
	o->hops = !v4 && ttl < 0;
	o->tos = (uint8_t)tos;
	o->df = pmtu != IP_PMTUDISC_DONT && pmtu != IP_PMTUDISC_OMIT;
	/* WANT: DF while it fits, else cut here; DO and PROBE: never. */
	o->frag_ok = false;
	if (!v4 && !e->dontfrag && !(m && (m->ctl.mask & EP_CTL_DONTFRAG)) &&
	    pmtu != IP_PMTUDISC_DO && pmtu != IP_PMTUDISC_PROBE)
		o->df = false; /* IPv6 endpoints may always cut */
	else if (!v4)
		o->df = true;
}

/* ---- errors ---- */

void ep_set_error(struct ep *e, int error)
{
	atomic_store_explicit(&e->err, error, memory_order_relaxed);
	ep_wake(e, POLLERR | POLLIN | POLLOUT);
}

int ep_take_error(struct ep *e)
{
	return atomic_exchange_explicit(&e->err, 0, memory_order_relaxed);
}

void ep_keep_error(struct ep *e, int error)
{
	int none = 0;

	atomic_compare_exchange_strong_explicit(&e->err, &none, error, memory_order_relaxed, memory_order_relaxed);
}

void ep_errq_add(struct ep *e, struct errq_entry *q)
{
	if (e->errq_count >= ERRQ_MAX) {
		pkt_free(q->pkt);
		mem_free(q);
		return;
	}
	list_append(&e->errq, &q->node);
	e->errq_count++;
	ep_wake(e, POLLERR | POLLPRI);
}

static bool errq_is_icmp(const struct errq_entry *q)
{
	return q && q->err.ee_origin != SO_EE_ORIGIN_TIMESTAMPING;
}

/* SO_ERROR follows the queue: the next entry's error, or none; time stamps are no errors (sock_dequeue_err_skb()). */
static void errq_took(struct ep *e, const struct errq_entry *q)
{
	const struct errq_entry *next = list_first(&e->errq, struct errq_entry, node);

	if (errq_is_icmp(next))
		atomic_store(&e->err, (int)next->err.ee_errno);
	else if (errq_is_icmp(q))
		atomic_store(&e->err, 0);
}

/* What comes back with a stamp: the packet as it goes out, with room for the link's header. */
static struct pkt *stamp_packet(const struct pkt *p)
{
	struct pkt *c = pkt_clone(p);
	uint8_t *eth;

	if (c && p->nic->hlen && pkt_headroom(c) >= p->nic->hlen) {
		eth = pkt_push(c, p->nic->hlen);
		memset(eth, 0, p->nic->hlen);
		wr16(eth + 12, ipa_is4(p->dst) ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	}
	return c;
}

/* p NULL: without the packet. */
static void stamp_add(struct ep *e, const struct pkt *p, uint32_t kind, uint32_t key)
{
	struct errq_entry *n = mem_new(struct errq_entry);

	if (!n)
		return;
	n->err = (struct sock_extended_err){ .ee_errno = ENOMSG, .ee_origin = SO_EE_ORIGIN_TIMESTAMPING,
					     .ee_info = kind, .ee_data = key };
	if (p && !(e->ts_flags & SOF_TIMESTAMPING_OPT_TSONLY))
		n->pkt = stamp_packet(p);
	n->tstamp_ns = e->stack->ops->real_ns(e->stack->ctx);
	ep_errq_add(e, n);
}

void ep_stamp_add(struct ep *e, uint32_t kind, uint32_t key)
{
	stamp_add(e, NULL, kind, key);
}

void ep_tx_stamp(struct ep *e, struct txq *q, const struct ep_msg *m)
{
	uint32_t flags = m->ctl.mask & EP_CTL_TSTAMPING ? m->ctl.ts_flags : e->ts_flags, key = 0;
	const struct pkt *p;

	if (!(flags & (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED)))
		return;
	if (e->ts_flags & SOF_TIMESTAMPING_OPT_ID)
		key = e->ts_key++;
	if (list_empty(&q->pkts))
		return;
	p = list_entry(q->pkts.prev, struct pkt, node);
	if (flags & SOF_TIMESTAMPING_TX_SCHED)
		stamp_add(e, p, SCM_TSTAMP_SCHED, key);
	if (flags & SOF_TIMESTAMPING_TX_SOFTWARE)
		stamp_add(e, p, SCM_TSTAMP_SND, key);
}

int ep_errq_recv(struct ep *e, struct uio *u, struct ep_msg *m)
{
	struct errq_entry *q;
	ssize_t n = 0;

	nlock_lock(&e->lock);
	q = list_first(&e->errq, struct errq_entry, node);
	if (q) {
		list_remove(&q->node);
		e->errq_count--;
		errq_took(e, q);
	}
	nlock_unlock(&e->lock);
	if (!q)
		return -EAGAIN;
	m->out_flags |= MSG_ERRQUEUE;
	m->ctl.mask |= EP_CTL_ERR;
	m->ctl.err = q->err;
	m->ctl.offender = q->offender;
	if (q->tstamp_ns && (e->ts_flags & SOF_TIMESTAMPING_SOFTWARE)) {
		m->ctl.mask |= EP_CTL_TSTAMPING;
		m->ctl.stamp_ns = q->tstamp_ns;
		m->ctl.tstamp_new = e->tstamp_new;
	}
	m->ctl.v6 = ep_is6(e) && (q->err.ee_origin == SO_EE_ORIGIN_ICMP6 ||
				  q->err.ee_origin == SO_EE_ORIGIN_TIMESTAMPING);
	if (q->err.ee_origin == SO_EE_ORIGIN_ICMP || q->err.ee_origin == SO_EE_ORIGIN_ICMP6) {
		if (m->ctl.v6 ? e->recvhops : e->recvttl)
			m->ctl.mask |= EP_CTL_TTL;
		if (m->ctl.v6 ? e->recvtclass : e->recvtos)
			m->ctl.mask |= EP_CTL_TOS;
		m->ctl.ttl = q->ttl;
		m->ctl.tos = q->tos;
	}
	m->has_addr = q->dst.family != 0;
	m->addr = q->dst;
	if (q->pkt) {
		n = pkt_to_uio(q->pkt, 0, q->pkt->len, u);
		if (n >= 0 && (size_t)n < q->pkt->len)
			m->out_flags |= MSG_TRUNC;
	}
	pkt_free(q->pkt);
	mem_free(q);
	return (int)n;
}

static bool ep_wants_errq(const struct ep *e, bool v6)
{
	return v6 ? e->recverr6 : e->recverr;
}

void ep_icmp_error(struct ep *e, const struct icmp_err *i, uint16_t dport, size_t thlen)
{
	bool queue = ep_wants_errq(e, i->v6);
	struct errq_entry *q;

	if (!i->error)
		return;
	if (i->error == EMSGSIZE) {
		int mode = i->v6 ? e->mtu_discover6 : e->mtu_discover;

		e->dst.valid = false;
		if (mode == IP_PMTUDISC_DONT || mode == IP_PMTUDISC_OMIT)
			return;
	}
	if (queue) {
		q = mem_new(struct errq_entry);
		if (q) {
			size_t n = i->trans_len > thlen ? i->trans_len - thlen : 0;

			q->err = (struct sock_extended_err){
				.ee_errno = (uint32_t)i->error,
				.ee_origin = i->v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
				.ee_type = i->type, .ee_code = i->code, .ee_info = i->info };
			ep_fill_addr(e, &q->offender, i->offender, 0,
				     i->nic ? i->nic->ifindex : 0);
			ep_fill_addr(e, &q->dst, i->dst, dport, 0);
			q->pkt = pkt_new(0, n);
			if (q->pkt && n)
				memcpy(pkt_append(q->pkt, n), i->trans + thlen, n);
			q->ttl = i->pkt->ttl;
			q->tos = i->pkt->tos;
			ep_errq_add(e, q);
		}
	} else if (!e->connected || !i->hard) {
		/* Without RECVERR only connected endpoints hear, and only of final errors. */
		if (!(e->connected && i->error == EMSGSIZE))
			return;
	}
	ep_set_error(e, i->error);
}

void ep_local_error(struct ep *e, int error, struct ipa dst, uint16_t dport, uint32_t info)
{
	struct errq_entry *q;

	if (!ep_wants_errq(e, !ipa_is4(dst)))
		return;
	q = mem_new(struct errq_entry);
	if (!q)
		return;
	q->err = (struct sock_extended_err){ .ee_errno = (uint32_t)error,
					     .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = info };
	ep_fill_addr(e, &q->dst, dst, dport, 0);
	ep_errq_add(e, q);
}
