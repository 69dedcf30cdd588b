/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c: passive opening: the SYN queue, SYN cookies, the accept queue.
 *
 * A SYN makes a small struct tcp_req in the connection table; only the ACK that completes the
 * handshake makes an endpoint.  So a flood of SYNs costs little, and when the queue is full it
 * costs nothing: the answer's sequence number then carries what is needed (SYN cookies).
 *
 *     SYN ─▶ req (SYN_RCVD) ──ACK──▶ child endpoint ─▶ accept queue ─▶ accept(2)
 *       └▶ cookie, no state ──ACK─────┘
 *
 * Cookie, 32 bits: 5 bits of a minute counter and 24 bits of hash over addresses, counter and the
 * peer's number, with an index into cookie_mss mixed in.  Window scale, SACK and ECN travel in the
 * low bits of our time stamp.
 *
 * Requests belong to the listener and are under its lock.  References: the table's, the timer's.
 */
#include "netstack/tcp/tcp.h"

#define REQ_RTO      NSEC_PER_SEC
#define COOKIE_LIFE  2 /* minutes */
#define COOKIE_BITS  24
#define TS_COOKIE_BITS 6

static const uint16_t cookie_mss[] = { 536, 1300, 1440, 1460 };

static uint32_t req_mss(struct tcp *l, struct pkt *p, const struct tcp_opts *o)
{
	uint32_t mss = o->mss ? o->mss : ipa_is4(p->src) ? TCP_MSS_DEFAULT : 1220;

	mss = MAX(mss, (uint32_t)tcp_stack(l)->conf.tcp_min_snd_mss);
	if (l->user_mss)
		mss = MIN(mss, l->user_mss);
	return mss;
}

/* What we can take in a segment, by the route's MTU. */
static uint32_t adv_mss(struct tcp *l, struct ipa peer, uint16_t port, struct ipa local, uint32_t ifindex)
{
	struct route_key k = { .dst = peer, .src = local, .ifindex = ifindex, .mark = (uint32_t)l->ep.mark,
			       .proto = PROTO_TCP, .sport = l->ep.lport, .dport = port, .uid = l->ep.uid };
	uint32_t mtu = 1500;
	struct dst d;

	if (route_lookup(tcp_stack(l), &k, &d) == 0)
		mtu = d.mtu;
	return tcp_adv_mss(l, mtu, peer);
}

static void initial_window(struct tcp *l, uint32_t mss, bool scaling, uint32_t *wnd, uint8_t *scale)
{
	struct stack *s = tcp_stack(l);
	uint32_t space = (uint32_t)l->ep.rcvbuf / 2, max;

	*scale = 0;
	if (scaling) {
		max = MAX((uint32_t)s->conf.tcp_rmem_max, (uint32_t)s->conf.rmem_max);
		if (l->ep.rcvbuf_locked)
			max = (uint32_t)l->ep.rcvbuf;
		max = MAX(max, space);
		max = MIN(max, l->window_clamp);
		while (max > 65535 && *scale < TCP_MAX_WSCALE) {
			max >>= 1;
			(*scale)++;
		}
	}
	*wnd = MIN(MIN(space, TCP_MAX_WINDOW), l->window_clamp);
	if (*wnd > mss)
		*wnd -= *wnd % mss;
}

/* ---- SYN-ACK ---- */

struct synack {
	const struct tcp_node *node;
	uint32_t iss, irs, wnd, ts_recent, tsval, ifindex, mark, uid;
	uint32_t mss;
	uint8_t rcv_wscale, tos;
	bool wscale_ok, sack_ok, ts_ok, ecn_ok;
	const struct ip6_ext *ext;
};

static size_t synack_opts(const struct synack *a, uint8_t *o)
{
	uint8_t *at = o;

	at[0] = TCPO_MSS;
	at[1] = 4;
	wr16(at + 2, (uint16_t)a->mss);
	at += 4;
	if (a->ts_ok) {
		at[0] = a->sack_ok ? TCPO_SACK_OK : TCPO_NOP;
		at[1] = a->sack_ok ? 2 : TCPO_NOP;
		at[2] = TCPO_TS;
		at[3] = 10;
		wr32(at + 4, a->tsval);
		wr32(at + 8, a->ts_recent);
		at += 12;
	} else if (a->sack_ok) {
		static const uint8_t sack[4] = { TCPO_NOP, TCPO_NOP, TCPO_SACK_OK, 2 };

		memcpy(at, sack, 4);
		at += 4;
	}
	if (a->wscale_ok) {
		at[0] = TCPO_NOP;
		at[1] = TCPO_WSCALE;
		at[2] = 3;
		at[3] = a->rcv_wscale;
		at += 4;
	}
	return (size_t)(at - o);
}

static void synack_send(struct txq *q, const struct synack *a)
{
	uint8_t opts[40];
	struct tcp_bare b = { .src = a->node->laddr, .dst = a->node->raddr, .sport = a->node->lport,
			      .dport = a->node->rport, .seq = a->iss, .ack = a->irs + 1,
			      .flags = TH_SYN | TH_ACK, .window = (uint16_t)MIN(a->wnd, TCP_MAX_WINDOW),
			      .opts = opts, .ifindex = a->ifindex, .tos = a->tos, .mark = a->mark,
			      .uid = a->uid, .ext = a->ext };

	if (a->ecn_ok)
		b.flags |= TH_ECE;
	b.opts_len = (uint8_t)synack_opts(a, opts);
	tcp_send_bare(q, &b);
}

static void req_synack(struct txq *q, struct tcp_req *r)
{
	struct tcp *l = r->listener;
	int64_t now = stack_now(tcp_stack(l));
	struct synack a = { .node = &r->node, .iss = r->iss, .irs = r->irs, .wnd = r->rcv_wnd,
			    .ts_recent = r->ts_recent, .tsval = tcp_ts_at(now, r->ts_off),
			    .ifindex = r->ifindex, .mark = (uint32_t)l->ep.mark, .uid = l->ep.uid,
			    .ext = l->ep.ext, .mss = adv_mss(l, r->node.raddr, r->node.rport, r->node.laddr, r->ifindex),
			    .rcv_wscale = r->rcv_wscale, .tos = r->tos, .wscale_ok = r->wscale_ok,
			    .sack_ok = r->sack_ok, .ts_ok = r->ts_ok, .ecn_ok = r->ecn_ok };

	synack_send(q, &a);
	r->sent++;
	if (r->sent == 1)
		r->sent_ns = now;
}

/* ---- requests ---- */

void tcp_req_free(struct tcp_req *r)
{
	ep_put(&r->listener->ep);
	mem_free(r->syn);
	mem_free(r);
}

/* Listener locked.  Gives back the table's and the timer's references; the caller has its own. */
void tcp_req_kill(struct tcp_req *r)
{
	struct tcp *l = r->listener;
	struct stack *s = tcp_stack(l);

	if (r->dead)
		return;
	r->dead = true;
	list_remove(&r->link);
	l->nreqs--;
	if (ntimer_cancel(s, &r->timer))
		tcp_node_put(&r->node);
	if (tcp_node_remove(s, &r->node))
		tcp_node_put(&r->node);
}

static int64_t req_timeout(const struct tcp_req *r)
{
	return MIN(REQ_RTO << MIN(r->sent ? r->sent - 1 : 0, 7), TCP_RTO_MAX);
}

static void req_arm(struct tcp_req *r)
{
	struct stack *s = tcp_stack(r->listener);

	ref_get(&r->ref);
	if (!ntimer_arm(s, &r->timer, stack_now(s) + req_timeout(r)))
		tcp_node_put(&r->node);
}

static void req_timer(struct ntimer *t, struct txq *q)
{
	struct tcp_req *r = container_of(t, struct tcp_req, timer);
	struct tcp *l = r->listener;
	int retries;

	ep_get(&l->ep);
	nlock_lock(&l->ep.lock);
	if (!r->dead) {
		retries = l->syncnt ? l->syncnt : tcp_stack(l)->conf.tcp_synack_retries;
		if (r->sent > retries && !(r->acked && l->defer_accept)) {
			tcp_req_kill(r);
		} else if (r->sent > retries + 8) {
			tcp_req_kill(r);
		} else {
			if (r->sent)
				NET_INC(tcp_stack(l), TCPSynRetrans);
			req_synack(q, r);
			req_arm(r);
		}
	}
	nlock_unlock(&l->ep.lock);
	tcp_node_put(&r->node);
	ep_put(&l->ep);
}

/* tcp_reqsk_record_syn().  NULL also without memory: then there is none to show. */
static struct tcp_syn *syn_save(const struct tcp *l, const struct pkt *p)
{
	size_t hlen = (size_t)(p->trans[12] >> 4) * 4; /* in one piece: its options were looked at */
	const uint8_t *from = l->save_syn == 2 && p->link ? p->link : p->net;
	struct tcp_syn *syn;
	size_t size;

	if (!l->save_syn || !from || from > p->trans)
		return NULL;
	size = (size_t)(p->trans - from) + hlen;
	if (size > UINT16_MAX)
		return NULL;
	syn = mem_alloc(sizeof(*syn) + size);
	if (!syn)
		return NULL;
	syn->size = (uint16_t)size;
	memcpy(syn->bytes, from, size);
	return syn;
}

static struct tcp_req *req_new(struct tcp *l, struct nic *n, struct pkt *p, const struct tcp_opts *o,
			       uint32_t iss_hint)
{
	struct flow f = { .laddr = p->dst, .raddr = p->src, .lport = l->ep.lport,
			  .rport = rd16(p->trans) };
	struct stack *s = tcp_stack(l);
	struct tcp_req *r = mem_new(struct tcp_req);

	if (!r)
		return NULL;
	ref_init(&r->ref);
	list_init(&r->link);
	tcp_node_init(&r->node, NODE_REQ, &r->ref, &f);
	ntimer_init(&r->timer, req_timer);
	r->listener = l;
	r->irs = p->cb.tcp.seq;
	r->iss = iss_hint ? iss_hint : tcp_new_iss(s, &f);
	r->ts_off = tcp_new_ts_off(s, &f);
	r->mss = (uint16_t)MIN(req_mss(l, p, o), 65535U);
	r->ts_ok = o->ts && s->conf.tcp_timestamps;
	r->ts_recent = o->tsval;
	r->sack_ok = o->sack_ok && s->conf.tcp_sack;
	r->wscale_ok = o->wscale_ok && s->conf.tcp_window_scaling;
	r->wscale = o->wscale;
	r->ecn_ok = (p->cb.tcp.flags & (TH_ECE | TH_CWR)) == (TH_ECE | TH_CWR) &&
		    s->conf.tcp_ecn != 0 && !(p->tos & 3);
	r->ifindex = ipa_needs_scope(p->src) ? n->ifindex : (uint32_t)l->ep.bound_if;
	r->tos = (uint8_t)(ipa_is4(p->src) ? l->ep.tos : l->ep.tclass);
	initial_window(l, adv_mss(l, p->src, r->node.rport, p->dst, r->ifindex), r->wscale_ok, &r->rcv_wnd,
		       &r->rcv_wscale);
	r->syn = syn_save(l, p);
	ep_get(&l->ep);
	return r;
}

/* ---- cookies ---- */

static uint32_t cookie_hash(struct stack *s, const struct flow *f, uint32_t count, unsigned int which)
{
	uint64_t key, h;

	memcpy(&key, s->secret + 16 + 8 * (which & 1), sizeof(key));
	h = hash_bytes(key, f->laddr.b, 16);
	h = hash_bytes(h, f->raddr.b, 16);
	return (uint32_t)hash_u64(h ^ count, (uint64_t)f->lport << 16 | f->rport);
}

static uint32_t cookie_count(struct stack *s)
{
	return (uint32_t)(stack_now(s) / (60 * NSEC_PER_SEC));
}

static uint32_t cookie_make(struct stack *s, const struct flow *f, uint32_t irs, uint32_t index)
{
	uint32_t count = cookie_count(s);

	return cookie_hash(s, f, 0, 0) + irs + (count << COOKIE_BITS) +
	       ((cookie_hash(s, f, count, 1) + index) & ((1U << COOKIE_BITS) - 1));
}

/* The MSS index, or -1. */
static int cookie_check(struct stack *s, const struct flow *f, uint32_t cookie, uint32_t irs)
{
	uint32_t count = cookie_count(s), diff, index;

	cookie -= cookie_hash(s, f, 0, 0) + irs;
	diff = (count - (cookie >> COOKIE_BITS)) & (UINT32_MAX >> COOKIE_BITS);
	if (diff >= COOKIE_LIFE)
		return -1;
	index = (cookie - cookie_hash(s, f, count - diff, 1)) & ((1U << COOKIE_BITS) - 1);
	return index < ARRAY_SIZE(cookie_mss) ? (int)index : -1;
}

static void cookie_send(struct txq *q, struct tcp *l, struct nic *n, struct pkt *p,
			const struct tcp_opts *o)
{
	struct tcp_req *r = req_new(l, n, p, o, 0);
	struct stack *s = tcp_stack(l);
	struct synack a;
	struct flow f;
	uint32_t index = 0, ts;

	if (!r)
		return;
	f = (struct flow){ .laddr = r->node.laddr, .raddr = r->node.raddr, .lport = r->node.lport,
			   .rport = r->node.rport };
	for (uint32_t i = 0; i < ARRAY_SIZE(cookie_mss); i++)
		if (cookie_mss[i] <= r->mss)
			index = i;
	ts = tcp_ts_at(stack_now(s), r->ts_off);
	if (r->ts_ok) {
		uint32_t bits = (r->wscale_ok ? r->wscale : 0xfU) | (uint32_t)r->sack_ok << 4 |
				(uint32_t)r->ecn_ok << 5;
		uint32_t now = ts;

		ts = (ts & ~((1U << TS_COOKIE_BITS) - 1)) | bits;
		if (seq_after(ts, now))
			ts -= 1U << TS_COOKIE_BITS;
	}
	a = (struct synack){ .node = &r->node, .iss = cookie_make(s, &f, r->irs, index), .irs = r->irs,
			     .wnd = r->rcv_wnd, .ts_recent = r->ts_recent, .tsval = ts,
			     .ifindex = r->ifindex, .mark = (uint32_t)l->ep.mark, .uid = l->ep.uid,
			     .ext = l->ep.ext,
			     .mss = adv_mss(l, p->src, r->node.rport, p->dst, r->ifindex),
			     .rcv_wscale = r->rcv_wscale, .tos = r->tos, .ts_ok = r->ts_ok };
	/* Without time stamps there is no room for the options. */
	if (r->ts_ok) {
		a.wscale_ok = r->wscale_ok;
		a.sack_ok = r->sack_ok;
		a.ecn_ok = r->ecn_ok;
	}
	NET_INC(s, SyncookiesSent);
	synack_send(q, &a);
	tcp_req_free(r);
}

/* ---- children ---- */

static struct tcp *child_new(struct tcp *l, const struct tcp_req *r)
{
	struct stack *s = tcp_stack(l);
	struct tcp *t = tcp_alloc(s, l->ep.family);
	struct flow f = { .laddr = r->node.laddr, .raddr = r->node.raddr, .lport = r->node.lport,
			  .rport = r->node.rport };
	struct ep *e;

	if (!t)
		return NULL;
	e = &t->ep;
	/* Options go from the listener to the child, as on Linux. */
#define INHERIT(member) e->member = l->ep.member
	INHERIT(reuse); INHERIT(reuseport); INHERIT(keepalive); INHERIT(oobinline);
	INHERIT(priority); INHERIT(mark); INHERIT(linger_on); INHERIT(linger_s);
	INHERIT(rcvbuf); INHERIT(sndbuf); INHERIT(rcvbuf_locked); INHERIT(sndbuf_locked);
	INHERIT(rcvlowat); INHERIT(rcvtimeo_ns); INHERIT(sndtimeo_ns); INHERIT(ttl); INHERIT(tos);
	INHERIT(hops); INHERIT(tclass); INHERIT(v6only); INHERIT(mtu_discover);
	INHERIT(mtu_discover6); INHERIT(recverr); INHERIT(recverr6); INHERIT(bound_if);
	INHERIT(minttl); INHERIT(minhops); INHERIT(port_range);
	INHERIT(pacing_rate); INHERIT(dontroute); INHERIT(broadcast); INHERIT(uid);
	INHERIT(tstamp); INHERIT(tstampns); INHERIT(debug); INHERIT(recvttl); INHERIT(recvtos);
	INHERIT(pktinfo); INHERIT(recvhops); INHERIT(recvtclass); INHERIT(recvpktinfo6);
	INHERIT(hopopts); INHERIT(rthdr); INHERIT(dstopts); INHERIT(oldhopopts); INHERIT(oldrthdr); INHERIT(olddstopts);
	INHERIT(oldpktinfo); INHERIT(oldhops); INHERIT(rx6);
#undef INHERIT
	e->ext = ip6_ext_get(l->ep.ext);
#define INHERIT(member) t->member = l->member
	INHERIT(nodelay); INHERIT(cork); INHERIT(keepidle); INHERIT(keepintvl); INHERIT(keepcnt);
	INHERIT(linger2); INHERIT(user_mss); INHERIT(user_timeout_ms); INHERIT(window_clamp);
	INHERIT(cong); INHERIT(notsent_lowat); INHERIT(inq); INHERIT(syncnt);
#undef INHERIT
	e->laddr = f.laddr;
	e->raddr = f.raddr;
	e->lport = f.lport;
	e->rport = f.rport;
	e->raddr_scope = r->ifindex;
	e->connected = true;
	tcp_node_init(&t->node, NODE_CONN, &e->ref, &f);
	t->passive = true;
	t->state = TCPS_SYN_RECV;
	t->iss = r->iss;
	t->snd_una = t->snd_nxt = t->write_seq = t->snd_sml = t->push_seq = t->snd_up = r->iss + 1;
	t->irs = r->irs;
	t->rcv_nxt = t->rcv_wup = t->copied_seq = r->irs + 1;
	t->last_ack_sent = t->rcv_nxt;
	t->rcv_wnd = t->rcv_ssthresh = r->rcv_wnd;
	t->snd_wscale = r->wscale_ok ? r->wscale : 0;
	t->rcv_wscale = r->wscale_ok ? r->rcv_wscale : 0;
	t->wscale_ok = r->wscale_ok;
	if (!r->wscale_ok)
		t->window_clamp = MIN(t->window_clamp, 65535U);
	t->sack_ok = r->sack_ok;
	t->ts_ok = r->ts_ok;
	t->ts_recent = r->ts_recent;
	t->ts_recent_ns = t->last_recv_ns = stack_now(s);
	t->ts_off = r->ts_off;
	t->ecn_ok = r->ecn_ok;
	t->peer_mss = r->mss;
	t->high_seq = t->snd_nxt;
	if (tcp_route(t) == 0) {
		tcp_sync_mss(t);
		t->advmss = tcp_adv_mss(t, e->dst.mtu, f.raddr);
	} else {
		t->mss = MIN(TCP_MSS_DEFAULT, (uint32_t)r->mss);
		t->advmss = MIN(TCP_MSS_DEFAULT, t->user_mss ? t->user_mss : UINT32_MAX);
	}
	if (r->sent == 1)
		tcp_rtt_sample(t, stack_now(s) - r->sent_ns);
	else
		t->rto = 3 * NSEC_PER_SEC; /* RFC 6298, 5.7: the SYN-ACK timed out */
	ep_table_link(e);
	return t;
}

/*
 * The handshake is complete: a child takes r's place (or a free one, for a cookie) and the segment
 * goes to it.  Listener locked; consumes p.
 */
static void child_open(struct txq *q, struct tcp *l, struct tcp_req *r, struct pkt *p,
		       const struct tcp_opts *o, bool cookie)
{
	struct stack *s = tcp_stack(l);
	struct tcp *t = child_new(l, r);
	struct tcp_seen seen;
	bool placed;

	if (!t) {
		NET_INC(s, ListenDrops);
		pkt_free(p);
		return;
	}
	t->syn = r->syn;
	r->syn = NULL;
	nlock_lock_nested(&t->ep.lock);
	ep_get(&t->ep); /* the table's */
	if (cookie) {
		placed = tcp_node_insert(s, &t->node, NULL) == 0;
	} else {
		placed = tcp_node_replace(s, &r->node, &t->node);
		if (placed) {
			tcp_node_put(&r->node); /* the table's reference to the request */
			tcp_req_kill(r);
		}
	}
	if (!placed) {
		t->state = TCPS_CLOSE;
		nlock_unlock(&t->ep.lock);
		ep_put(&t->ep);
		ep_put(&t->ep);
		pkt_free(p);
		return;
	}
	ports_inherit(s, &t->ep.claim, PORTS_TCP, &t->ep, t->ep.laddr, t->ep.lport);
	t->listener = l;
	list_append(&l->acceptq, &t->accept_node); /* with the first reference */
	l->nacceptq++;
	tcp_seen_take(t, p, &seen);
	tcp_rcv(q, t, p, o);
	tcp_seen_begin(t, &seen);
	nlock_unlock(&t->ep.lock);
	wq_wake_count(&l->ep.wq, POLLIN | POLLRDNORM, 1); /* one connection, one accept */
}

static bool accept_full(const struct tcp *l)
{
	return l->nacceptq > l->backlog;
}

static void cookie_input(struct txq *q, struct nic *n, struct tcp *l, struct pkt *p,
			 const struct tcp_opts *o)
{
	struct stack *s = tcp_stack(l);
	struct flow f = { .laddr = p->dst, .raddr = p->src, .lport = l->ep.lport,
			  .rport = rd16(p->trans) };
	struct tcp_req *r;
	int index = -1;

	if (l->overflow_ns && stack_now(s) - l->overflow_ns < COOKIE_LIFE * 60 * NSEC_PER_SEC)
		index = cookie_check(s, &f, p->cb.tcp.ack - 1, p->cb.tcp.seq - 1);
	if (index < 0) {
		if (l->overflow_ns)
			NET_INC(s, SyncookiesFailed);
		tcp_send_rst_reply(q, n, p);
		pkt_free(p);
		return;
	}
	NET_INC(s, SyncookiesRecv);
	if (accept_full(l)) {
		NET_INC(s, ListenOverflows);
		pkt_free(p);
		return;
	}
	r = req_new(l, n, p, o, p->cb.tcp.ack - 1);
	if (!r) {
		pkt_free(p);
		return;
	}
	r->irs = p->cb.tcp.seq - 1;
	r->mss = cookie_mss[index];
	r->ts_ok = o->ts && s->conf.tcp_timestamps;
	r->sack_ok = r->wscale_ok = r->ecn_ok = false;
	if (r->ts_ok) {
		uint32_t bits = o->tsecr & ((1U << TS_COOKIE_BITS) - 1);

		r->wscale_ok = (bits & 0xf) != 0xf;
		r->wscale = (uint8_t)MIN(bits & 0xf, (uint32_t)TCP_MAX_WSCALE);
		r->sack_ok = bits >> 4 & 1;
		r->ecn_ok = bits >> 5 & 1;
	}
	initial_window(l, adv_mss(l, p->src, r->node.rport, p->dst, r->ifindex), r->wscale_ok, &r->rcv_wnd,
		       &r->rcv_wscale);
	child_open(q, l, r, p, o, true);
	tcp_node_put(&r->node);
}

static void syn_input(struct txq *q, struct nic *n, struct tcp *l, struct pkt *p,
		      const struct tcp_opts *o, uint32_t iss_hint)
{
	struct stack *s = tcp_stack(l);
	unsigned int max = MIN(l->backlog, (unsigned int)s->conf.tcp_max_syn_backlog);
	struct tcp_req *r;

	if (accept_full(l)) {
		NET_INC(s, ListenOverflows);
		NET_INC(s, ListenDrops);
		return;
	}
	if ((l->nreqs >= MAX(max, 1U) || s->conf.tcp_syncookies == 2) && !iss_hint) {
		l->overflow_ns = stack_now(s);
		if (s->conf.tcp_syncookies) {
			NET_INC(s, TCPReqQFullDoCookies);
			cookie_send(q, l, n, p, o);
		} else {
			NET_INC(s, TCPReqQFullDrop);
			NET_INC(s, ListenDrops);
		}
		return;
	}
	r = req_new(l, n, p, o, iss_hint);
	if (!r)
		return;
	if (tcp_node_insert(s, &r->node, NULL) < 0) {
		tcp_req_free(r);
		return;
	}
	list_append(&l->reqs, &r->link);
	l->nreqs++;
	req_synack(q, r);
	req_arm(r);
}

void tcp_listen_input(struct txq *q, struct nic *n, struct tcp *l, struct pkt *p, uint32_t iss_hint)
{
	uint8_t flags = p->cb.tcp.flags;
	struct tcp_opts o;

	tcp_parse_opts(p, &o);
	nlock_lock(&l->ep.lock);
	if (l->state != TCPS_LISTEN) {
		nlock_unlock(&l->ep.lock);
		tcp_send_rst_reply(q, n, p);
		pkt_free(p);
		return;
	}
	if (flags & TH_RST) {
		pkt_free(p);
	} else if (flags & TH_ACK) {
		if (flags & TH_SYN) {
			tcp_send_rst_reply(q, n, p);
			pkt_free(p);
		} else {
			cookie_input(q, n, l, p, &o);
		}
	} else {
		if ((flags & TH_SYN) && !(flags & TH_FIN))
			syn_input(q, n, l, p, &o, iss_hint);
		pkt_free(p);
	}
	nlock_unlock(&l->ep.lock);
}

/* What the third segment must look like.  True: it completes the handshake; else p is consumed. */
static bool req_check(struct txq *q, struct nic *n, struct tcp_req *r, struct pkt *p,
		      const struct tcp_opts *o)
{
	struct tcp *l = r->listener;
	struct stack *s = tcp_stack(l);
	uint8_t flags = p->cb.tcp.flags;
	uint32_t seq = p->cb.tcp.seq;
	bool paws = r->ts_ok && o->ts && seq_before(o->tsval, r->ts_recent);

	if ((flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN && seq == r->irs && !paws) {
		req_synack(q, r); /* our SYN-ACK was lost, or theirs was sent twice */
		r->sent--;
		goto drop;
	}
	if (paws || !seq_between(seq, r->irs + 1, r->irs + 1 + r->rcv_wnd)) {
		if (!(flags & TH_RST)) {
			struct tcp_bare b = { .src = r->node.laddr, .dst = r->node.raddr,
					      .sport = r->node.lport, .dport = r->node.rport,
					      .seq = r->iss + 1, .ack = r->irs + 1, .flags = TH_ACK,
					      .window = (uint16_t)(r->rcv_wnd >> r->rcv_wscale),
					      .ifindex = r->ifindex, .tos = r->tos };

			tcp_send_bare(q, &b);
		}
		if (paws)
			NET_INC(s, PAWSEstab);
		goto drop;
	}
	if (flags & TH_RST) {
		if (seq == r->irs + 1)
			tcp_req_kill(r);
		goto drop;
	}
	if (flags & TH_SYN) {
		tcp_req_kill(r);
		tcp_send_rst_reply(q, n, p);
		goto drop;
	}
	if (!(flags & TH_ACK))
		goto drop;
	if (p->cb.tcp.ack != r->iss + 1) {
		tcp_send_rst_reply(q, n, p);
		goto drop;
	}
	if (r->ts_ok && o->ts && seq_before(seq, r->irs + 2))
		r->ts_recent = o->tsval;
	if (l->defer_accept && p->cb.tcp.end_seq == r->irs + 1 && r->sent <= l->defer_accept) {
		r->acked = true;
		goto drop;
	}
	if (accept_full(l)) {
		NET_INC(s, ListenOverflows);
		r->acked = true;
		if (s->conf.tcp_abort_on_overflow) {
			tcp_send_rst_reply(q, n, p);
			tcp_req_kill(r);
		}
		goto drop;
	}
	return true;
drop:
	pkt_free(p);
	return false;
}

void tcp_req_input(struct txq *q, struct nic *n, struct tcp_req *r, struct pkt *p)
{
	struct tcp *l = r->listener;
	struct tcp_opts o;

	tcp_parse_opts(p, &o);
	nlock_lock(&l->ep.lock);
	if (r->dead) {
		nlock_unlock(&l->ep.lock);
		/* It has just become a connection (or nothing): look again. */
		pkt_push(p, (size_t)(p->data - p->trans));
		p->flags |= PKT_CSUM_OK;
		tcp_input(q, n, p);
		return;
	}
	if (req_check(q, n, r, p, &o))
		child_open(q, l, r, p, &o, false);
	nlock_unlock(&l->ep.lock);
}

void tcp_req_icmp(struct tcp_req *r, const struct icmp_err *i, uint32_t seq)
{
	struct tcp *l = r->listener;

	ep_get(&l->ep);
	nlock_lock(&l->ep.lock);
	if (!r->dead && seq == r->iss && i->hard)
		tcp_req_kill(r);
	nlock_unlock(&l->ep.lock);
	ep_put(&l->ep);
}

void tcp_listen_stop(struct tcp *l, struct txq *q)
{
	struct tcp_req *r, *rt;
	struct list *n;

	list_for_each_entry_safe(r, rt, &l->reqs, link) {
		ref_get(&r->ref);
		tcp_req_kill(r);
		tcp_node_put(&r->node);
	}
	while ((n = list_shift(&l->acceptq)) != NULL) {
		struct tcp *t = list_entry(n, struct tcp, accept_node);

		l->nacceptq--;
		nlock_lock_nested(&t->ep.lock);
		t->listener = NULL;
		t->ep.closed = true;
		if (t->state != TCPS_CLOSE) {
			tcp_send_reset(q, t);
			tcp_done(t);
		} else {
			ports_release(tcp_stack(t), &t->ep.claim);
		}
		nlock_unlock(&t->ep.lock);
		ep_put(&t->ep);
	}
}
