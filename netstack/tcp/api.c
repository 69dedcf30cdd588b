/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.c: the calls of the socket layer on TCP endpoints: bind, listen, accept, connect, send,
 * shutdown, close, poll (tcp(7)).  Reading is in recv.c, options in tcp_options.c.
 */
#include "lib/uio.h"
#include "netstack/tcp/tcp.h"

#define CHUNK_MIN 2048U
#define CHUNK_MAX 65536U

static int tcp_api_init(struct ep *e)
{
	struct stack *s = e->stack;
	struct tcp *t = tcp_of(e);

	list_init(&t->reqs);
	list_init(&t->acceptq);
	tcp_init(t, s);
	return 0;
}

static void tcp_api_destroy(struct ep *e)
{
	struct tcp *t = tcp_of(e);

	tcp_purge(t);
	tcp_purge_rcvq(t);
	mem_free(t->syn);
	tcp_seen_free(&t->seen);
}

/* ---- bind, listen, accept ---- */

static int tcp_bind(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct tcp *t = tcp_of(e);
	struct ipa ip;
	int err;

	(void)q;
	if (t->state != TCPS_CLOSE || e->claim.port || e->port_bound)
		return -EINVAL;
	err = ep_check_bind(e, a, &ip);
	if (err < 0)
		return err;
	if (a->port == 0 && e->bind_no_port) {
		e->laddr = ip;
		e->addr_bound = !ipa_is_any(ip);
		return 0;
	}
	err = ports_claim(e, PORTS_TCP, ip, a->port);
	if (err < 0)
		return err;
	e->laddr = ip;
	e->lport = e->claim.port;
	e->addr_bound = !ipa_is_any(ip);
	e->port_bound = true;
	return 0;
}

static int tcp_listen(struct ep *e, struct txq *q, int backlog)
{
	struct tcp *t = tcp_of(e);
	int err = 0;

	(void)q;
	if (t->state != TCPS_CLOSE && t->state != TCPS_LISTEN)
		return -EINVAL;
	if ((unsigned int)backlog > (unsigned int)e->stack->conf.somaxconn)
		backlog = e->stack->conf.somaxconn;
	t->backlog = (unsigned int)backlog;
	if (t->state == TCPS_LISTEN)
		return 0;
	if (!e->claim.port) {
		err = ports_claim(e, PORTS_TCP, e->laddr, 0);
		if (err == 0) {
			e->lport = e->claim.port;
			e->port_bound = true;
		}
	}
	if (err == 0)
		err = ports_update(e, e->laddr, true);
	if (err < 0)
		return err;
	t->state = TCPS_LISTEN;
	e->shut = 0;
	return 0;
}

static int tcp_accept(struct ep *e, struct txq *q, struct ep **out)
{
	struct tcp *l = tcp_of(e), *t;
	struct list *n;

	(void)q;
	if (l->state != TCPS_LISTEN)
		return -EINVAL;
	n = list_shift(&l->acceptq);
	if (!n)
		return -EAGAIN;
	l->nacceptq--;
	t = list_entry(n, struct tcp, accept_node);
	t->listener = NULL;
	*out = &t->ep; /* the queue's reference is the caller's */
	return 0;
}

/* ---- connect ---- */

/* Hash the connection at the port in e->lport.  A TIME_WAIT in the way may give up its place. */
static int connect_hash(struct tcp *t, uint32_t *iss)
{
	struct ep *e = &t->ep;
	struct stack *s = e->stack;
	struct flow f = { .laddr = e->laddr, .raddr = e->raddr, .lport = e->lport, .rport = e->rport };
	struct tcp_tw *w = NULL;
	int err;

	tcp_node_init(&t->node, NODE_CONN, &e->ref, &f);
	ep_get(e); /* the table's */
	err = tcp_node_insert(s, &t->node, &w);
	if (err < 0 && w) {
		bool old = w->ts_ok && stack_now(s) - w->ts_recent_ns > NSEC_PER_SEC &&
			   (s->conf.tcp_tw_reuse == 1 ||
			    (s->conf.tcp_tw_reuse == 2 && ipa_is_loopback(e->raddr)));

		if (old) {
			*iss = w->snd_nxt + 65535 + 2;
			t->ts_recent = w->ts_recent;
			t->ts_recent_ns = w->ts_recent_ns;
			tcp_tw_kill(w);
			err = tcp_node_insert(s, &t->node, NULL);
		}
		tcp_node_put(&w->node);
	}
	if (err < 0)
		ep_put(e);
	return err;
}

/* A random port whose four addresses are free and that nobody has bound. */
static int connect_port(struct tcp *t, uint32_t *iss)
{
	struct ep *e = &t->ep;
	unsigned int range, low, start;

	if (e->claim.port)
		return connect_hash(t, iss);
	start = ports_random_start(e, &range, &low);
	for (unsigned int i = 0; i < range; i++) {
		uint16_t port = (uint16_t)(low + (start - low + i) % range);

		if (!ports_free_for_connect(e->stack, PORTS_TCP, port))
			continue;
		e->lport = port;
		if (connect_hash(t, iss) == 0) {
			ports_inherit(e->stack, &e->claim, PORTS_TCP, e, e->laddr, port);
			return 0;
		}
	}
	e->lport = 0;
	return -EADDRNOTAVAIL;
}

static void connect_numbers(struct tcp *t, uint32_t iss)
{
	struct stack *s = tcp_stack(t);
	struct flow f = { .laddr = t->ep.laddr, .raddr = t->ep.raddr, .lport = t->ep.lport,
			  .rport = t->ep.rport };
	uint32_t space, max;

	t->iss = iss ? iss : tcp_new_iss(s, &f);
	t->ts_off = tcp_new_ts_off(s, &f);
	t->ts_ok = s->conf.tcp_timestamps != 0;
	t->ecn_ok = s->conf.tcp_ecn == 1;
	t->snd_una = t->snd_nxt = t->snd_sml = t->iss;
	t->write_seq = t->push_seq = t->snd_up = t->iss + 1;
	t->advmss = tcp_adv_mss(t, t->ep.dst.mtu, f.raddr);
	t->peer_mss = UINT32_MAX;
	t->max_window = 0;
	tcp_sync_mss(t);
	space = (uint32_t)t->ep.rcvbuf / 2;
	t->rcv_wnd = MIN(MIN(space, TCP_MAX_WINDOW), t->window_clamp);
	if (t->rcv_wnd > t->advmss)
		t->rcv_wnd -= t->rcv_wnd % t->advmss;
	t->rcv_ssthresh = t->rcv_wnd;
	t->rcv_wscale = 0;
	if (s->conf.tcp_window_scaling) {
		max = t->ep.rcvbuf_locked ? (uint32_t)t->ep.rcvbuf :
					    MAX((uint32_t)s->conf.tcp_rmem_max, (uint32_t)s->conf.rmem_max);
		for (max = MAX(max, space); max > 65535 && t->rcv_wscale < TCP_MAX_WSCALE; max >>= 1)
			t->rcv_wscale++;
	}
	t->rcv_nxt = t->rcv_wup = t->copied_seq = 0;
	t->cwnd = TCP_INIT_CWND;
}

static int connect_start(struct tcp *t, struct txq *q, const struct net_addr *a)
{
	struct ep *e = &t->ep;
	struct route_key k = { .ifindex = (uint32_t)e->bound_if, .mark = (uint32_t)e->mark, .tos = ep_route_tos(e),
			       .proto = PROTO_TCP, .sport = e->lport, .dport = a->port, .uid = e->uid };
	uint32_t iss = 0;
	struct ipa dst;
	struct dst d;
	int err;

	if (a->family == AF_UNSPEC)
		return 0;
	err = ep_check_dest(e, a, &dst);
	if (err < 0)
		return err;
	if (ipa_is_multicast(dst) || ipa_is_limited_broadcast(dst))
		return -ENETUNREACH;
	k.dst = ip6_ext_first_hop(ep_ext(e, NULL, dst), dst);
	if (!ipa_is_any(e->laddr)) {
		if (ipa_is4(e->laddr) != ipa_is4(dst))
			return -ENETUNREACH;
		k.src = e->laddr;
	}
	if (!k.ifindex && ipa_needs_scope(dst)) {
		if (!a->scope)
			return -EINVAL;
		k.ifindex = a->scope;
	}
	err = route_lookup(e->stack, &k, &d);
	if (err == 0 && ipa_is_any(k.src)) {
		k.src = d.src; /* rules may look at it: as on Linux, once more with what was chosen */
		err = route_lookup(e->stack, &k, &d);
	}
	if (err < 0)
		return err;
	if (d.type == ROUTE_BROADCAST)
		return -ENETUNREACH;
	e->dst = d;
	e->raddr = dst;
	e->rport = a->port;
	e->raddr_scope = ipa_needs_scope(dst) ? d.nic->ifindex : 0;
	e->flow = a->flow;
	if (!e->addr_bound)
		e->laddr = d.src;
	err = connect_port(t, &iss);
	if (err == 0 && e->lport != k.sport && rules_want_ports(e->stack, dst)) {
		k.sport = e->lport;
		err = route_lookup(e->stack, &k, &e->dst);
	}
	if (err < 0) {
		e->raddr = ep_any(e);
		e->rport = 0;
		if (!e->addr_bound)
			e->laddr = ep_any(e);
		return err;
	}
	if (e->claim.port && e->claim.explicit)
		ports_update(e, e->laddr, false);
	e->shut = 0;
	e->err_soft = 0;
	atomic_store_explicit(&e->err, 0, memory_order_relaxed); /* of the connection before */
	connect_numbers(t, iss);
	tcp_set_state(t, TCPS_SYN_SENT);
	tcp_send_syn(q, t);
	tcp_timer_update(t);
	return -EINPROGRESS;
}

/* connect(AF_UNSPEC): back to an unconnected endpoint. */
static void tcp_disconnect(struct tcp *t, struct txq *q)
{
	struct ep *e = &t->ep;
	bool reset = false;

	if (t->state == TCPS_LISTEN) {
		tcp_listen_stop(t, q);
		e->claim.listening = false;
	} else if (tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
				       TCPS_BIT(TCPS_FIN_WAIT2) | TCPS_BIT(TCPS_SYN_RECV) |
				       TCPS_BIT(TCPS_CLOSE_WAIT) | TCPS_BIT(TCPS_LAST_ACK) |
				       TCPS_BIT(TCPS_CLOSING))) {
		tcp_send_reset(q, t);
		reset = true;
	} else {
		reset = t->state == TCPS_SYN_SENT;
	}
	if (t->state != TCPS_CLOSE)
		tcp_done(t);
	tcp_purge_rcvq(t);
	e->connected = t->attempted = false;
	e->shut = 0;
	e->raddr = ep_any(e);
	e->rport = 0;
	if (!e->addr_bound)
		e->laddr = ep_any(e);
	if (!e->port_bound)
		e->lport = 0;
	tcp_init(t, e->stack);
	if (reset)
		ep_set_error(e, ECONNRESET); /* until the next connect */
	ep_wake(e, POLLIN | POLLOUT | POLLHUP);
}

static int tcp_connect(struct ep *e, struct txq *q, const struct net_addr *a)
{
	struct tcp *t = tcp_of(e);
	int err;

	if (a->family == AF_UNSPEC) {
		tcp_disconnect(t, q);
		return 0;
	}
	switch (t->state) {
	case TCPS_LISTEN:
		return -EISCONN;
	case TCPS_SYN_SENT:
	case TCPS_SYN_RECV:
		return -EALREADY;
	case TCPS_CLOSE:
		if (t->attempted) { /* it has failed: start over, after this call */
			err = ep_take_error(e);
			tcp_disconnect(t, q);
			return err ? -err : -ECONNABORTED;
		}
		if (e->connected) /* it was a connection: connect(AF_UNSPEC) first, as on Linux */
			return -EISCONN;
		err = connect_start(t, q, a);
		t->attempted = err == -EINPROGRESS;
		if (t->attempted)
			(void)ep_take_error(e);
		return err;
	default:
		if (!t->attempted)
			return -EISCONN;
		t->attempted = false; /* the first call after it succeeded */
		e->connected = true;  /* also what shutdown(2) took past ESTABLISHED: its packets are its own */
		return 0;
	}
}

/* ---- send ---- */

static struct tcp_chunk *chunk_new(struct tcp *t, size_t want)
{
	size_t size = MIN(MAX(ALIGN_UP(want, (size_t)1024), (size_t)CHUNK_MIN), (size_t)CHUNK_MAX);
	struct tcp_chunk *c = mem_new(struct tcp_chunk);

	if (!c)
		return NULL;
	c->buf = pbuf_new(size);
	if (!c->buf) {
		mem_free(c);
		return NULL;
	}
	list_append(&t->unsent, &c->node);
	return c;
}

static uint32_t send_lowat(struct tcp *t)
{
	return (uint32_t)(t->notsent_lowat ? t->notsent_lowat : tcp_stack(t)->conf.tcp_notsent_lowat);
}

/* Bytes that may still be queued. */
static uint32_t send_room(struct tcp *t)
{
	uint32_t queued = t->write_seq - t->snd_una, size = (uint32_t)t->ep.sndbuf;

	if (t->unsent_bytes >= send_lowat(t))
		return 0;
	return queued < size ? size - queued : 0;
}

/* Copy up to max bytes into the unsent queue.  The count, or -errno when there is none. */
static ssize_t queue_bytes(struct tcp *t, struct uio *u, size_t max)
{
	struct stack *s = tcp_stack(t);
	ssize_t done = 0;

	while (max) {
		struct tcp_chunk *c = list_empty(&t->unsent) ? NULL :
				      list_entry(t->unsent.prev, struct tcp_chunk, node);
		size_t room = c && !c->eor ? c->buf->size - c->off - c->len : 0, n;
		ssize_t got;

		if (room == 0) {
			c = chunk_new(t, max);
			if (!c)
				return done ? done : -ENOBUFS;
			room = c->buf->size;
		}
		n = MIN(room, max);
		got = uio_get(u, c->buf->bytes + c->off + c->len, n);
		if (got <= 0)
			return done ? done : -EFAULT;
		c->len += (uint32_t)got;
		t->unsent_bytes += (uint32_t)got;
		t->write_seq += (uint32_t)got;
		t->charged += (uint32_t)got;
		stack_mem_force(s, (size_t)got);
		done += got;
		max -= (size_t)got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

/* May data be queued now?  0 or -errno. */
static int send_check(struct tcp *t)
{
	int err;

	if (tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV)))
		return -EAGAIN;
	err = ep_take_error(&t->ep);
	if (err)
		return -err;
	if (t->ep.shut & SHUT_BIT_WR)
		return -EPIPE;
	if (!tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT)))
		return -EPIPE;
	return 0;
}

/* *peer, if not NULL, is locked as well; NULL afterwards: it was in no one's way any more. */
static ssize_t tcp_send_locked(struct tcp *t, struct tcp **peer, struct txq *q, struct uio *u,
			       struct ep_msg *m)
{
	struct stack *s = tcp_stack(t);
	ssize_t done = 0, n;
	int err;

	if (m->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP; /* as with net.ipv4.tcp_fastopen = 0 */
	err = send_check(t);
	if (err < 0)
		return err;
	t->more = m->flags & MSG_MORE; /* of this call only: ACKs and timers send what it held back */
	t->push_now = false;
	if (*peer && !(m->flags & MSG_OOB)) {
		done = tcp_splice_send(t, *peer, u);
		if (done > 0 && uio_left(u) == 0) {
			tcp_stamp_sent(t, m);
			if (!list_empty(&t->stamps))
				tcp_stamps_tell(t);
		}
		if (done < 0 || uio_left(u) == 0) {
			t->more = false;
			return done;
		}
	}
	if (*peer) {
		tcp_splice_unlock_peer(*peer);
		*peer = NULL;
	}
	tcp_slow_start_after_idle(t); /* before the first burst is as large as the old window */
	tcp_copy_begin(t);
	while (uio_left(u)) {
		uint32_t room = send_room(t);

		if (room && stack_memory(s) > atomic_load(&s->mem_limit))
			room = t->unsent_bytes || t->packets_out ? 0 : MIN(room, 4096U);
		if (!room) {
			t->nospace = true;
			if (done == 0)
				done = -EAGAIN;
			break;
		}
		/* With TCP_NOTSENT_LOWAT it matters how much goes beyond it. */
		n = queue_bytes(t, u, MIN((size_t)room, MIN(uio_left(u), send_lowat(t) == INT_MAX ?
						(size_t)CHUNK_MAX * 4 : (size_t)16384)));
		if (n < 0) {
			if (done == 0)
				done = n;
			break;
		}
		done += n;
		if (t->write_seq - t->push_seq > t->max_window / 2)
			t->push_seq = t->write_seq;
	}
	if (done > 0) {
		if ((m->flags & MSG_EOR) && uio_left(u) == 0 && !list_empty(&t->unsent))
			list_entry(t->unsent.prev, struct tcp_chunk, node)->eor = true;
		if ((m->flags & MSG_OOB) && uio_left(u) == 0) {
			t->snd_up = t->write_seq;
			t->urg_out = true;
		}
		if (!t->more)
			t->push_seq = t->write_seq;
		tcp_stamp_sent(t, m);
	}
	tcp_copy_end(q, t);
	if (t->state != TCPS_CLOSE) {
		tcp_push(q, t);
		tcp_timer_update(t);
	}
	t->more = false;
	return done;
}

static NO_TSA ssize_t tcp_send(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	struct tcp *t = tcp_of(e), *peer = tcp_splice_lock(t);
	ssize_t n = tcp_send_locked(t, &peer, q, u, m);

	if (peer)
		tcp_splice_unlock(t, peer);
	else
		ep_leave(e, q);
	return n;
}

/* ---- the end ---- */

/* FIN is to be sent: the states it leads to.  False: nothing to send in this one. */
static bool close_state(struct tcp *t)
{
	switch (t->state) {
	case TCPS_SYN_RECV:
	case TCPS_ESTABLISHED:
		tcp_set_state(t, TCPS_FIN_WAIT1);
		return true;
	case TCPS_CLOSE_WAIT:
		tcp_set_state(t, TCPS_LAST_ACK);
		return true;
	default:
		return false;
	}
}

static int tcp_shutdown(struct ep *e, struct txq *q, int how)
{
	struct tcp *t = tcp_of(e);

	if (tcp_state_in(t, TCPS_BIT(TCPS_CLOSE)))
		return -ENOTCONN;
	if (t->state == TCPS_LISTEN) {
		if (how == SHUT_WR)
			return 0;
		tcp_listen_stop(t, q);
		t->state = TCPS_CLOSE;
		ports_update(e, e->laddr, false);
		e->shut = 0;
		ep_wake(e, POLLIN | POLLHUP | POLLRDHUP);
		return 0;
	}
	if (t->state == TCPS_SYN_SENT) {
		tcp_disconnect(t, q);
		return 0;
	}
	e->shut |= (uint8_t)(how + 1);
	if (how != SHUT_RD && close_state(t)) {
		tcp_send_fin(q, t);
		tcp_timer_update(t);
	}
	ep_wake(e, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	return 0;
}

/* The socket is gone and the connection goes on alone, for a while. */
static void make_orphan(struct tcp *t, struct txq *q)
{
	struct stack *s = tcp_stack(t);
	unsigned int orphans = atomic_fetch_add(&s->eps->orphans, 1) + 1;
	int linger;

	t->orphan = true;
	if (t->state == TCPS_FIN_WAIT2) {
		if (t->linger2 < 0) {
			tcp_send_reset(q, t);
			NET_INC(s, TCPAbortOnLinger);
			tcp_done(t);
			return;
		}
		linger = t->linger2 ? t->linger2 : s->conf.tcp_fin_timeout;
		t->keep_ns = stack_now(s) + linger * NSEC_PER_SEC;
	} else {
		t->keep_ns = 0;
	}
	if (orphans > (unsigned int)s->conf.tcp_max_orphans) {
		NET_INC(s, TCPAbortOnMemory);
		tcp_send_reset(q, t);
		tcp_done(t);
		return;
	}
	tcp_timer_update(t);
}

static void tcp_close(struct ep *e, struct txq *q)
{
	struct tcp *t = tcp_of(e);
	bool unread = !list_empty(&t->rcvq);

	tcp_purge_rcvq(t);
	e->shut = SHUT_BIT_RD | SHUT_BIT_WR;
	switch (t->state) {
	case TCPS_CLOSE:
		ports_release(e->stack, &e->claim);
		return;
	case TCPS_LISTEN:
		ports_release(e->stack, &e->claim);
		tcp_listen_stop(t, q);
		t->state = TCPS_CLOSE;
		return;
	case TCPS_SYN_SENT:
		tcp_done(t);
		return;
	default:
		break;
	}
	if (unread) { /* the peer must know that its data was not read (RFC 2525, 2.17) */
		NET_INC(e->stack, TCPAbortOnClose);
		tcp_send_reset(q, t);
		tcp_done(t);
		return;
	}
	if (e->linger_on && e->linger_s == 0) {
		tcp_send_reset(q, t);
		tcp_done(t);
		return;
	}
	if (close_state(t))
		tcp_send_fin(q, t);
	if (t->state != TCPS_CLOSE)
		make_orphan(t, q);
}

/* ---- poll and questions ---- */

static uint32_t tcp_poll(struct ep *e)
{
	struct tcp *t = tcp_of(e);
	uint32_t ev = 0, queued;

	if (t->state == TCPS_LISTEN)
		return list_empty(&t->acceptq) ? 0 : POLLIN | POLLRDNORM;
	if (e->shut == (SHUT_BIT_RD | SHUT_BIT_WR) || t->state == TCPS_CLOSE)
		ev |= POLLHUP;
	if (e->shut & SHUT_BIT_RD)
		ev |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (t->state == TCPS_SYN_SENT || (t->state == TCPS_SYN_RECV && !t->passive))
		return ev;
	if (tcp_readable(t) && (tcp_readable(t) >= (uint32_t)MIN(e->rcvlowat, e->rcvbuf / 2) || t->fin_rcvd))
		ev |= POLLIN | POLLRDNORM;
	if (t->urg_valid && t->urg_seen && !t->urg_read)
		ev |= POLLPRI;
	if (e->shut & SHUT_BIT_WR) {
		ev |= POLLOUT | POLLWRNORM;
	} else {
		queued = t->write_seq - t->snd_una;
		if (send_room(t) && (uint32_t)e->sndbuf - queued >= queued / 2)
			ev |= POLLOUT | POLLWRNORM;
		else
			t->nospace = true;
	}
	if (t->state == TCPS_CLOSE && !e->connected)
		ev |= POLLOUT | POLLWRNORM;
	return ev;
}

static int tcp_query(struct ep *e, enum ep_query what)
{
	struct tcp *t = tcp_of(e);

	if (t->state == TCPS_LISTEN)
		return -EINVAL;
	switch (what) {
	case EP_INQ: {
		uint32_t n = tcp_readable(t);

		/* As Linux: up to the urgent mark. */
		if (n && t->urg_valid && !e->oobinline && seq_after(t->urg_seq, t->copied_seq) &&
		    !seq_after(t->urg_seq, t->rcv_nxt))
			n = t->urg_seq - t->copied_seq;
		return (int)n;
	}
	case EP_OUTQ:
		return tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV) | TCPS_BIT(TCPS_CLOSE)) ?
			       0 : (int)(t->write_seq - t->snd_una);
	case EP_OUTQNSD:
		return tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV) | TCPS_BIT(TCPS_CLOSE)) ?
			       0 : (int)(t->write_seq - t->snd_nxt);
	case EP_ATMARK:
		return t->urg_valid && t->urg_seq == t->copied_seq;
	}
	return -EINVAL;
}

static void tcp_ep_info(struct ep *e, struct ep_info *i)
{
	struct tcp *t = tcp_of(e);
	int64_t now = stack_now(e->stack), due = t->retx_ns ? t->retx_ns : t->keep_ns;

	i->state = t->state;
	tcp_fill_info(t, i);
	if (t->state == TCPS_LISTEN) {
		i->rqueue = t->nacceptq;
		i->wqueue = t->backlog;
		return;
	}
	i->rqueue = tcp_readable(t);
	i->wqueue = t->state == TCPS_CLOSE ? 0 : t->write_seq - t->snd_una;
	i->retrans = t->retransmits;
	i->probes = t->probes;
	if (t->retx_ns)
		i->timer = t->retx_kind == RETX_PROBE0 ? 4 : 1;
	else if (t->keep_ns)
		i->timer = 2;
	if (due > now)
		i->timer_ms = (uint32_t)MIN((due - now) / NSEC_PER_MSEC, (int64_t)UINT32_MAX);
}

static int tcp_getpeer(struct ep *e, struct net_addr *out)
{
	struct tcp *t = tcp_of(e);

	if (tcp_state_in(t, TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN) | TCPS_BIT(TCPS_SYN_SENT)))
		return -ENOTCONN;
	ep_fill_addr(e, out, e->raddr, e->rport, e->raddr_scope);
	return 0;
}

static int tcp_number_bytes(struct ep *e)
{
	return tcp_stamp_begin(tcp_of(e));
}

/* Segments are shorter, or may be longer (ipv6_update_options()). */
static void tcp_ext_changed(struct ep *e)
{
	if (!tcp_state_in(tcp_of(e), TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN)))
		tcp_sync_mss(tcp_of(e));
}

const struct ep_ops tcp_ops = {
	.size = sizeof(struct tcp),
	.init = tcp_api_init,
	.destroy = tcp_api_destroy,
	.bind = tcp_bind,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.connect = tcp_connect,
	.send = tcp_send,
	.recv = tcp_recv,
	.shutdown = tcp_shutdown,
	.close = tcp_close,
	.poll = tcp_poll,
	.setopt = tcp_setopt,
	.getopt = tcp_getopt,
	.query = tcp_query,
	.info = tcp_ep_info,
	.number_bytes = tcp_number_bytes,
	.getpeer = tcp_getpeer,
	.ext_changed = tcp_ext_changed,
};
