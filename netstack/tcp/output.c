/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c: building segments, and deciding what may be sent: congestion window, receiver's window,
 * Nagle and corks (RFC 896, and Minshall's variant as Linux), pacing, silly windows.
 *
 * Bytes go from the chunks of t->unsent into struct tcp_seg of up to 64 KB, which share the chunks'
 * blocks; the link cuts them by gso_size.  A segment stays on t->rtx until it is acknowledged.
 *
 * All with the endpoint locked; packets go to the caller's queue.
 */
#include "netstack/tcp/tcp.h"

#define TCP_HDR_MAX 60

/* ---- segments ---- */

void tcp_seg_free(struct tcp_seg *s)
{
	list_remove(&s->node);
	list_remove(&s->tnode);
	for (unsigned int i = 0; i < s->nfrags; i++)
		pbuf_put(s->frags[i].buf);
	mem_free(s);
}

static struct tcp_seg *seg_new(uint32_t seq, unsigned int nfrags)
{
	struct tcp_seg *s = mem_zalloc(sizeof(*s) + nfrags * sizeof(s->frags[0]));

	if (!s)
		return NULL;
	list_init(&s->node);
	list_init(&s->tnode);
	s->seq = s->end_seq = seq;
	s->pcount = 1;
	return s;
}

static uint16_t seg_pcount(const struct tcp *t, uint32_t len)
{
	return (uint16_t)MAX(1U, (len + t->mss - 1) / t->mss);
}

/* The sums of the scoreboard follow a change of s->pcount. */
static void seg_set_pcount(struct tcp *t, struct tcp_seg *s, uint16_t pcount)
{
	uint32_t diff = (uint32_t)pcount - s->pcount; /* modulo 2^32 */

	t->packets_out += diff;
	if (s->marks & SEG_SACKED)
		t->sacked_out += diff;
	if (s->marks & SEG_LOST)
		t->lost_out += diff;
	if (s->marks & SEG_RETRANS)
		t->retrans_out += diff;
	s->pcount = pcount;
}

bool tcp_seg_split(struct tcp *t, struct tcp_seg *s, uint32_t len)
{
	struct tcp_seg *r;
	uint32_t left = len;
	unsigned int i = 0, n;

	ASSERT(len > 0 && len < s->len);
	r = seg_new(s->seq + len, s->nfrags);
	if (!r)
		return false;
	while (left >= s->frags[i].len)
		left -= s->frags[i++].len;
	for (n = i; n < s->nfrags; n++) {
		struct pkt_frag f = s->frags[n];

		if (n == i && left) { /* both halves have a part of it */
			pbuf_get(f.buf);
			f.off += left;
			f.len -= left;
		}
		r->frags[r->nfrags++] = f;
	}
	s->nfrags = (uint8_t)i;
	if (left) {
		s->frags[i].len = left;
		s->nfrags++;
	}
	r->end_seq = s->end_seq;
	r->len = s->len - len;
	r->flags = s->flags;
	r->marks = s->marks;
	r->sent_ns = s->sent_ns;
	s->flags &= (uint8_t)~(TH_FIN | TH_PSH);
	s->len = len;
	s->end_seq = r->seq;
	list_push(&s->node, &r->node); /* after s */
	if (list_linked(&s->tnode))
		list_push(&s->tnode, &r->tnode);
	r->pcount = 0;
	seg_set_pcount(t, r, seg_pcount(t, r->len));
	seg_set_pcount(t, s, seg_pcount(t, s->len));
	return true;
}

/* The next len unsent bytes (fewer when pieces run out) as a segment. */
static struct tcp_seg *seg_cut(struct tcp *t, uint32_t len)
{
	unsigned int n = 0;
	uint32_t take = 0;
	bool eor = false;
	struct tcp_chunk *c, *tmp;
	struct tcp_seg *s;

	list_for_each_entry(c, &t->unsent, node) {
		uint32_t k = MIN(c->len, len - take);

		if (n == PKT_FRAGS || take == len)
			break;
		if (!k)
			continue;
		n++;
		take += k;
		eor = c->eor && k == c->len;
		if (eor)
			break;
	}
	if (take < len && take > t->mss && !eor)
		take -= take % t->mss;
	s = seg_new(t->snd_nxt, n);
	if (!s)
		return NULL;
	list_for_each_entry_safe(c, tmp, &t->unsent, node) {
		uint32_t k = MIN(c->len, take - s->len);

		if (s->len == take)
			break;
		if (!k)
			continue;
		s->frags[s->nfrags++] = (struct pkt_frag){ pbuf_get(c->buf), c->off, k };
		s->len += k;
		c->off += k;
		c->len -= k;
		/* The last chunk stays for small writes to fill, as long as there is room. */
		if (!c->len && (c->node.next != &t->unsent || c->off + 512 > c->buf->size || c->eor)) {
			list_remove(&c->node);
			pbuf_put(c->buf);
			mem_free(c);
		}
	}
	t->unsent_bytes -= s->len;
	s->end_seq = s->seq + s->len;
	s->pcount = seg_pcount(t, s->len);
	if (t->push_seq == s->end_seq || eor)
		s->flags |= TH_PSH;
	return s;
}

/* ---- routes and sizes ---- */

int tcp_route(struct tcp *t)
{
	struct ep *e = &t->ep;
	struct route_key k = { .dst = ip6_ext_first_hop(ep_ext(e, NULL, e->raddr), e->raddr), .src = e->laddr, .mark = (uint32_t)e->mark, .tos = ep_route_tos(e),
			       .ifindex = e->bound_if ? (uint32_t)e->bound_if : e->raddr_scope, .proto = PROTO_TCP,
			       .sport = e->lport, .dport = e->rport, .uid = e->uid };
	struct dst d;
	int err;

	if (dst_ok(e->stack, &e->dst))
		return 0;
	err = route_lookup(e->stack, &k, &d);
	if (err < 0)
		return err;
	e->dst = d;
	return 0;
}

/* Never less than what everyone can take: sysctls ipv4.route.min_adv_mss and ipv6.route.min_adv_mss of Linux. */
uint32_t tcp_adv_mss(const struct tcp *t, uint32_t mtu, struct ipa peer)
{
	uint32_t hdr = (ipa_is4(peer) ? IP4_HLEN : IP6_HLEN) + TCP_HLEN, least = ipa_is4(peer) ? 256 : 1220;
	uint32_t mss = MAX(MIN(mtu, 65535U), least + hdr) - hdr;

	return t->user_mss ? MIN(mss, t->user_mss) : mss;
}

void tcp_sync_mss(struct tcp *t)
{
	uint32_t hdr = (ipa_is4(t->ep.raddr) ? IP4_HLEN + t->ep.ip_opts_len : IP6_HLEN) + TCP_HLEN;
	uint32_t mss, cap;

	hdr += (uint32_t)ip6_ext_wire(ep_ext(&t->ep, NULL, t->ep.raddr));
	if (tcp_route(t) < 0)
		return;
	t->pmtu = t->ep.dst.mtu;
	mss = t->pmtu > hdr + 48 ? t->pmtu - hdr : 48;
	mss = MIN(mss, t->peer_mss);
	if (t->user_mss)
		mss = MIN(mss, t->user_mss);
	if (t->probe_mss)
		mss = MIN(mss, t->probe_mss);
	/* Never more than half of the largest window: the pipe must be able to hold two. */
	cap = t->max_window > TCP_MSS_DEFAULT ? t->max_window / 2 : t->max_window;
	if (cap)
		mss = MIN(mss, MAX(cap, 68U));
	if (t->ts_ok)
		mss -= MIN(mss / 2, 12U);
	t->mss = MAX(mss, 16U);
}

void tcp_window_seen(struct tcp *t, uint32_t window)
{
	if (window <= t->max_window)
		return;
	t->max_window = window;
	tcp_sync_mss(t);
}

static unsigned int sack_blocks(const struct tcp *t)
{
	unsigned int n = t->nsacks + (t->dsack ? 1U : 0U);

	return MIN(n, t->ts_ok ? 3U : 4U);
}

/* Payload of a full segment sent now: SACK blocks take room. */
static uint32_t cur_mss(const struct tcp *t)
{
	unsigned int blocks = sack_blocks(t);

	return t->mss - MIN(t->mss / 2, blocks ? 4 + 8 * blocks : 0U);
}

/* ---- headers ---- */

static size_t syn_opts(struct tcp *t, uint8_t *o)
{
	struct stack *s = tcp_stack(t);
	uint8_t *at = o;
	bool answer = t->state == TCPS_SYN_RECV;
	bool ts = t->ts_ok, sack = answer ? t->sack_ok : s->conf.tcp_sack;
	bool ws = answer ? t->wscale_ok : s->conf.tcp_window_scaling;

	at[0] = TCPO_MSS;
	at[1] = 4;
	wr16(at + 2, (uint16_t)t->advmss);
	at += 4;
	if (ts) {
		at[0] = sack ? TCPO_SACK_OK : TCPO_NOP;
		at[1] = sack ? 2 : TCPO_NOP;
		at[2] = TCPO_TS;
		at[3] = 10;
		wr32(at + 4, tcp_ts_at(stack_now(s), t->ts_off));
		wr32(at + 8, t->ts_recent);
		at += 12;
	} else if (sack) {
		at[0] = at[1] = TCPO_NOP;
		at[2] = TCPO_SACK_OK;
		at[3] = 2;
		at += 4;
	}
	if (ws) {
		at[0] = TCPO_NOP;
		at[1] = TCPO_WSCALE;
		at[2] = 3;
		at[3] = t->rcv_wscale;
		at += 4;
	}
	return (size_t)(at - o);
}

static size_t data_opts(struct tcp *t, uint8_t *o)
{
	unsigned int n = sack_blocks(t), k = 0;
	uint8_t *at = o;

	if (t->ts_ok) {
		at[0] = at[1] = TCPO_NOP;
		at[2] = TCPO_TS;
		at[3] = 10;
		wr32(at + 4, tcp_ts_at(stack_now(tcp_stack(t)), t->ts_off));
		wr32(at + 8, t->ts_recent);
		at += 12;
	}
	if (n) {
		at[0] = at[1] = TCPO_NOP;
		at[2] = TCPO_SACK;
		at[3] = (uint8_t)(2 + 8 * n);
		at += 4;
		if (t->dsack) {
			wr32(at, t->dsack_range.start);
			wr32(at + 4, t->dsack_range.end);
			at += 8;
			n--;
		}
		for (; k < n; k++, at += 8) {
			wr32(at, t->sacks[k].start);
			wr32(at + 4, t->sacks[k].end);
		}
		t->dsack = false;
	}
	return (size_t)(at - o);
}

static void tcp_fill_header(struct tcp *t, struct pkt *p, uint32_t seq, uint8_t flags)
{
	uint8_t opts[40];
	size_t olen = flags & TH_SYN ? syn_opts(t, opts) : data_opts(t, opts);
	struct tcp_hdr *h;

	memcpy(pkt_push(p, olen), opts, olen);
	h = pkt_push(p, TCP_HLEN);
	h->sport = htons(t->ep.lport);
	h->dport = htons(t->ep.rport);
	h->seq = htonl(seq);
	h->ack = flags & TH_ACK ? htonl(t->rcv_nxt) : 0;
	h->off = (uint8_t)((TCP_HLEN + olen) / 4 << 4);
	if (flags & TH_SYN)
		h->window = htons((uint16_t)MIN(t->rcv_wnd, TCP_MAX_WINDOW));
	else if (flags & TH_RST)
		h->window = flags & TH_ACK ? htons((uint16_t)MIN(t->rcv_wnd >> t->rcv_wscale, TCP_MAX_WINDOW)) : 0;
	else
		h->window = htons((uint16_t)MIN(tcp_select_window(t) >> t->rcv_wscale, TCP_MAX_WINDOW));
	h->urg = 0;
	if (t->urg_out && !(flags & (TH_SYN | TH_RST)) && seq_before(seq, t->snd_up) &&
	    t->snd_up - seq <= 65535) {
		flags |= TH_URG;
		h->urg = htons((uint16_t)(t->snd_up - seq));
	}
	h->flags = flags;
	p->trans = p->data;
}

/* Headers, checksum, IP.  s may be NULL (no payload).  0 or -errno; the segment may be lost. */
static int tcp_transmit(struct txq *q, struct tcp *t, uint32_t seq, const struct tcp_seg *s,
			uint8_t flags, bool again)
{
	struct ep *e = &t->ep;
	struct tcp_hdr *h;
	uint32_t mss;
	struct ip_out o;
	struct pkt *p;
	int err;

	err = tcp_route(t);
	if (err < 0) {
		e->err_soft = -err;
		return err;
	}
	if (t->ep.dst.mtu != t->pmtu)
		tcp_sync_mss(t);
	p = pkt_new(PKT_HEADROOM + TCP_HDR_MAX, 0);
	if (!p) {
		NET_INC(q->stack, OutNoMemory);
		return -ENOBUFS;
	}
	if (t->ecn_ok && !(flags & (TH_SYN | TH_RST))) {
		if (t->ecn_demand_cwr)
			flags |= TH_ECE;
		if (t->ecn_queue_cwr && s && s->len && !again) {
			t->ecn_queue_cwr = false;
			flags |= TH_CWR;
		}
	} else if ((flags & (TH_SYN | TH_ACK)) == TH_SYN && t->ecn_ok) {
		flags |= TH_ECE | TH_CWR;
	}
	mss = cur_mss(t); /* before the header: it takes the D-SACK away */
	tcp_fill_header(t, p, seq, flags);
	for (unsigned int i = 0; s && i < s->nfrags; i++)
		pkt_add_frag(p, s->frags[i].buf, s->frags[i].off, s->frags[i].len);
	p->src = e->laddr;
	p->dst = e->raddr;
	p->proto = PROTO_TCP;
	p->mark = (uint32_t)e->mark;
	if (s && s->len > mss) {
		p->gso_size = (uint16_t)mss;
		p->gso_type = ipa_is4(p->dst) ? GSO_TCP4 : GSO_TCP6;
	}
	h = (void *)p->trans;
	h->csum = (uint16_t)~csum_fold(csum_pseudo(p->src, p->dst, PROTO_TCP, p->len));
	p->csum_off = offsetof(struct tcp_hdr, csum);
	p->flags |= PKT_CSUM_PARTIAL;
	ep_ip_out(e, NULL, e->raddr, &o);
	o.proto = PROTO_TCP;
	o.df = ipa_is4(e->raddr) ? e->mtu_discover != IP_PMTUDISC_DONT : true;
	if (t->ecn_ok) {
		o.tos &= (uint8_t)~3U;
		if (s && s->len && !again)
			o.tos |= 2; /* ECT(0) */
	}
	if (flags & TH_ACK)
		tcp_ack_sent(t);
	t->segs_out += s ? s->pcount : 1;
	NET_INC(q->stack, TcpOutSegs);
	err = ip_output(q, &e->dst, p, &o);
	return err;
}

/* ---- sending ---- */

static uint8_t seg_wire_flags(const struct tcp *t, const struct tcp_seg *s)
{
	uint8_t flags = s->flags;

	if (!(flags & TH_SYN) || t->state == TCPS_SYN_RECV)
		flags |= TH_ACK;
	/* A burst that the link cuts ends in PSH: the receiver need not wait for more.  Of this transmission alone (__tcp_transmit_skb()). */
	if (s->pcount > 1)
		flags |= TH_PSH;
	return flags;
}

/* A new segment: on the wire and on the queue. */
static void seg_send(struct txq *q, struct tcp *t, struct tcp_seg *s)
{
	int64_t now = stack_now(q->stack);

	s->sent_ns = now;
	list_append(&t->rtx, &s->node);
	list_append(&t->tsorted, &s->tnode);
	t->packets_out += s->pcount;
	t->snd_nxt = s->end_seq;
	if (!list_empty(&t->stamps))
		tcp_stamps_tell(t);
	if (s->len) {
		if (now - t->last_recv_ns < t->ato)
			t->pingpong = (uint8_t)MIN(t->pingpong + 1U, 3U);
		t->last_send_ns = now;
		t->data_segs_out += s->pcount;
		t->bytes_sent += s->len;
		net_add(q->stack, NS_TCPOrigDataSent, s->pcount);
	}
	if (s->len % t->mss)
		t->snd_sml = s->end_seq;
	if (t->ca == CA_CWR || t->ca == CA_RECOVERY)
		t->prr_out += s->pcount;
	tcp_transmit(q, t, s->seq, s, seg_wire_flags(t, s), false);
	if (t->retx_kind == RETX_NONE || t->retx_kind == RETX_PROBE0 || t->retx_kind == RETX_TLP) {
		if (t->retx_kind == RETX_PROBE0)
			tcp_retx_off(t);
		if (!tlp_schedule(t) && t->retx_kind == RETX_NONE)
			tcp_rearm_rto(t);
	}
}

static bool nagle_holds(const struct tcp *t, uint32_t len, uint32_t mss)
{
	if (len % mss == 0 || t->fin_queued || t->urg_out)
		return false;
	if (t->push_now)
		return false;
	if (t->cork || t->more)
		return true;
	return !t->nodelay && t->packets_out && seq_after(t->snd_sml, t->snd_una) &&
	       !seq_after(t->snd_sml, t->snd_nxt);
}

/* As Linux computes it: in slow start twice the window a round trip. */
uint64_t tcp_flow_rate(const struct tcp *t)
{
	const struct net_conf *conf = &t->ep.stack->conf;
	uint64_t ratio = (uint64_t)(t->cwnd < t->ssthresh / 2 ? conf->tcp_pacing_ss_ratio : conf->tcp_pacing_ca_ratio);
	uint64_t rate = (uint64_t)t->mss * MAX(t->cwnd, t->packets_out) * ratio / 100 * 1000000;

	rate /= (uint64_t)MAX(t->srtt / NSEC_PER_USEC, 1);
	return MIN(rate, t->ep.pacing_rate);
}

/*
 * How large a burst may be: what the flow sends in a millisecond, more where the peer is near, so that a slow
 * flow does not fill queues at once (tcp_tso_autosize()).
 */
static uint32_t gso_limit(const struct tcp *t, uint32_t mss)
{
	const struct net_conf *conf = &t->ep.stack->conf;
	uint32_t max = MIN(t->ep.dst.valid ? t->ep.dst.nic->gso_max : 65535U, 65535U), least;
	uint64_t bytes = max;

	max -= MIN(IP6_HLEN + TCP_HDR_MAX + (uint32_t)ip6_ext_wire(t->ep.ext), max);
	if (t->srtt) {
		int64_t near = t->min_rtt == INT64_MAX ? 0 : t->min_rtt / NSEC_PER_USEC >> conf->tcp_tso_rtt_log;

		bytes = (tcp_flow_rate(t) >> 10) + (near < 32 ? max >> near : 0);
	}
	least = (uint32_t)MIN((uint64_t)conf->tcp_min_tso_segs * mss, (uint64_t)max);
	max = (uint32_t)MAX(MIN(bytes, (uint64_t)max), (uint64_t)least);
	return max >= mss ? max - max % mss : mss;
}

static bool pacing_blocks(struct tcp *t)
{
	int64_t now;

	if (t->ep.pacing_rate == UINT64_MAX)
		return false;
	now = stack_now(tcp_stack(t));
	if (t->pace_next_ns <= now)
		return false;
	t->pace_ns = t->pace_next_ns;
	return true;
}

static void pacing_sent(struct tcp *t, uint32_t len)
{
	int64_t now;

	if (t->ep.pacing_rate == UINT64_MAX)
		return;
	now = stack_now(tcp_stack(t));
	t->pace_next_ns = MAX(t->pace_next_ns, now) +
			  (int64_t)((uint64_t)len * NSEC_PER_SEC / MAX(t->ep.pacing_rate, 1ULL));
}

/* How much of the unsent data may go now in one segment; 0: none.  *limited: by cwnd. */
static uint32_t push_size(struct tcp *t, bool one, bool *limited)
{
	uint32_t mss = cur_mss(t), flight = tcp_in_flight(t), quota, wnd, len;

	/* No more than half of the window at once, so that there are two bursts under way (tcp_cwnd_test()). */
	quota = t->cwnd > flight ? MIN(t->cwnd - flight, MAX(t->cwnd / 2, 1U)) : 0;
	if (one)
		quota = 1;
	if (quota == 0) {
		*limited = true;
		return 0;
	}
	if (!seq_after(tcp_wnd_end(t), t->snd_nxt)) {
		t->rwnd_limited = true;
		return 0;
	}
	wnd = tcp_wnd_end(t) - t->snd_nxt;
	len = MIN(t->unsent_bytes, gso_limit(t, mss));
	len = (uint32_t)MIN((uint64_t)len, (uint64_t)quota * mss);
	if (len > wnd) {
		/* Less than a segment fits: wait for more room, or the probe (silly windows). */
		t->rwnd_limited = true;
		if (wnd < mss)
			return 0;
		len = wnd - wnd % mss;
	}
	if (len < t->unsent_bytes && len > mss)
		len -= len % mss;
	if (len == t->unsent_bytes && !one && nagle_holds(t, len, mss))
		len = len > mss ? len - len % mss : 0;
	return len;
}

static bool push_fin(struct txq *q, struct tcp *t)
{
	struct tcp_seg *s = seg_new(t->snd_nxt, 0);

	if (!s)
		return false;
	s->flags = TH_FIN;
	s->end_seq = s->seq + 1;
	t->fin_sent = true;
	seg_send(q, t, s);
	return true;
}

static bool tcp_push_some(struct txq *q, struct tcp *t, bool one)
{
	bool limited = false, sent = false;
	struct tcp_seg *s;
	uint32_t len;

	t->rwnd_limited = false;
	while (t->unsent_bytes) {
		if (!one && pacing_blocks(t))
			break;
		len = push_size(t, one, &limited);
		if (!len)
			break;
		s = seg_cut(t, len);
		if (!s)
			break;
		if (t->fin_queued && !t->unsent_bytes) {
			s->flags |= TH_FIN;
			s->end_seq++;
			t->fin_sent = true;
		}
		pacing_sent(t, s->len);
		seg_send(q, t, s);
		sent = true;
		if (one)
			break;
	}
	if (!t->unsent_bytes && t->fin_queued && !t->fin_sent)
		sent |= push_fin(q, t);
	limited = limited || tcp_in_flight(t) >= t->cwnd;
	if (sent || limited)
		tcp_cwnd_validate(t, limited);
	return sent;
}

void tcp_chrono(struct tcp *t)
{
	int64_t now = stack_now(tcp_stack(t));
	enum tcp_chrono c = CHRONO_IDLE;

	if (t->packets_out || t->unsent_bytes)
		c = t->rwnd_limited && t->unsent_bytes ? CHRONO_RWND :
		    t->nospace && !t->unsent_bytes ? CHRONO_SNDBUF : CHRONO_BUSY;
	if (c == t->chrono)
		return;
	if (t->chrono != CHRONO_IDLE)
		t->chrono_ns[t->chrono] += now - t->chrono_since_ns;
	t->chrono = (uint8_t)c;
	t->chrono_since_ns = now;
}

void tcp_push(struct txq *q, struct tcp *t)
{
	if (tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV) |
				    TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN)))
		return;
	if (t->unsent_bytes || (t->fin_queued && !t->fin_sent)) {
		tcp_push_some(q, t, false);
		tcp_check_probe0(t);
		tcp_chrono(t);
	}
}

void tcp_push_one(struct txq *q, struct tcp *t)
{
	tcp_push_some(q, t, true);
}

void tcp_check_probe0(struct tcp *t)
{
	if (t->packets_out || t->retx_kind != RETX_NONE)
		return;
	if (!t->unsent_bytes && !(t->fin_queued && !t->fin_sent))
		return;
	tcp_retx_arm(t, RETX_PROBE0, MIN(MAX(t->rto, 200 * NSEC_PER_MSEC) << MIN(t->backoff, 9),
					 TCP_RTO_MAX));
}

void tcp_send_ack(struct txq *q, struct tcp *t)
{
	if (t->state == TCPS_CLOSE || t->state == TCPS_SYN_SENT)
		return;
	tcp_transmit(q, t, t->snd_nxt, NULL, TH_ACK, false);
}

void tcp_send_syn(struct txq *q, struct tcp *t)
{
	struct tcp_seg *s = seg_new(t->iss, 0);

	if (!s)
		return; /* the timer is armed below by the next attempt: connect fails with a time-out */
	s->flags = TH_SYN;
	s->end_seq = t->iss + 1;
	t->snd_nxt = t->iss;
	seg_send(q, t, s);
}

void tcp_send_fin(struct txq *q, struct tcp *t)
{
	if (t->fin_queued)
		return;
	t->fin_queued = true;
	t->write_seq++;
	t->more = false;
	tcp_push(q, t);
}

void tcp_send_reset(struct txq *q, struct tcp *t)
{
	NET_INC(q->stack, TcpOutRsts);
	tcp_transmit(q, t, t->snd_nxt, NULL, TH_RST | TH_ACK, false);
}

void tcp_send_probe(struct txq *q, struct tcp *t, bool urgent)
{
	NET_INC(q->stack, TCPWinProbe);
	tcp_transmit(q, t, t->snd_una - !urgent, NULL, TH_ACK, false);
}

void tcp_probe_window(struct txq *q, struct tcp *t)
{
	struct tcp_seg *s;
	uint32_t wnd;

	if (t->unsent_bytes && seq_after(tcp_wnd_end(t), t->snd_nxt)) {
		wnd = tcp_wnd_end(t) - t->snd_nxt;
		s = seg_cut(t, MIN(MIN(wnd, t->unsent_bytes), t->mss));
		if (s) {
			s->flags |= TH_PSH;
			if (t->fin_queued && !t->unsent_bytes && s->len < wnd) {
				s->flags |= TH_FIN;
				s->end_seq++;
				t->fin_sent = true;
			}
			seg_send(q, t, s);
		}
		return;
	}
	if (t->urg_out && seq_between(t->snd_up, t->snd_una + 1, t->snd_una + 0xffff))
		tcp_send_probe(q, t, true);
	tcp_send_probe(q, t, false);
}

/* ---- retransmission ---- */

bool tcp_send_again(struct txq *q, struct tcp *t, struct tcp_seg *s, uint32_t max_segs)
{
	int64_t now = stack_now(q->stack);

	if (tcp_route(t) == 0 && t->ep.dst.mtu != t->pmtu)
		tcp_sync_mss(t);
	/* Beyond a window that has shrunk: only the first may go, as a probe. */
	if (!seq_before(s->seq, tcp_wnd_end(t)) && s->seq != t->snd_una)
		return false;
	if (s->len > (uint64_t)max_segs * t->mss && !tcp_seg_split(t, s, max_segs * t->mss))
		return false;
	if (s->pcount != seg_pcount(t, s->len))
		seg_set_pcount(t, s, seg_pcount(t, s->len));
	s->marks |= SEG_EVER_RETRANS;
	s->sent_ns = now;
	list_remove(&s->tnode);
	list_append(&t->tsorted, &s->tnode);
	t->total_retrans += s->pcount;
	t->bytes_retrans += s->len;
	net_add(q->stack, NS_TcpRetransSegs, s->pcount);
	if (s->flags & TH_SYN)
		NET_INC(q->stack, TCPSynRetrans);
	if (tcp_transmit(q, t, s->seq, s, seg_wire_flags(t, s), true) < 0)
		NET_INC(q->stack, TCPRetransFail);
	return true;
}

bool tcp_retransmit(struct txq *q, struct tcp *t, struct tcp_seg *s, uint32_t max_segs)
{
	if (!tcp_send_again(q, t, s, max_segs))
		return false;
	if (!(s->marks & SEG_RETRANS)) {
		s->marks |= SEG_RETRANS;
		t->retrans_out += s->pcount;
	}
	if (!t->retrans_stamp) {
		t->retrans_stamp = s->sent_ns;
		t->retrans_ts = tcp_ts_at(s->sent_ns, t->ts_off);
	}
	if (t->undo_retrans < 0)
		t->undo_retrans = 0;
	t->undo_retrans += s->pcount;
	return true;
}

void tcp_retransmit_lost(struct txq *q, struct tcp *t)
{
	struct tcp_seg *s, *tmp, *head;
	bool rearm = false;

	if (!t->lost_out)
		return;
	head = list_first(&t->rtx, struct tcp_seg, node);
	list_for_each_entry_safe(s, tmp, &t->rtx, node) {
		uint32_t flight = tcp_in_flight(t);

		if (flight >= t->cwnd)
			break;
		if ((s->marks & (SEG_LOST | SEG_SACKED | SEG_RETRANS)) != SEG_LOST)
			continue;
		if (!tcp_retransmit(q, t, s, t->cwnd - flight))
			break;
		/* A split put what is left behind s. */
		tmp = list_entry(s->node.next, struct tcp_seg, node);
		net_add(q->stack, t->ca == CA_LOSS ? NS_TCPSlowStartRetrans : NS_TCPFastRetrans, 1);
		if (t->ca == CA_CWR || t->ca == CA_RECOVERY)
			t->prr_out += s->pcount;
		if (s == head && t->retx_kind != RETX_REO)
			rearm = true;
	}
	if (rearm)
		tcp_rearm_rto(t);
}

/* ---- segments without an endpoint ---- */

void tcp_send_bare(struct txq *q, const struct tcp_bare *b)
{
	struct route_key k = { .dst = b->dst, .src = b->src, .ifindex = b->ifindex, .mark = b->mark, .tos = b->tos & 0xfc,
			       .proto = PROTO_TCP, .sport = b->sport, .dport = b->dport, .uid = b->uid };
	struct ip_out o = { .proto = PROTO_TCP, .tos = b->tos, .df = true, .ext = ipa_is4(b->dst) ? NULL : b->ext };
	struct tcp_hdr *h;
	struct dst d;
	struct pkt *p;

	k.dst = ip6_ext_first_hop(o.ext, b->dst);
	if (route_lookup(q->stack, &k, &d) < 0)
		return;
	p = pkt_new(PKT_HEADROOM + TCP_HDR_MAX, 0);
	if (!p)
		return;
	if (b->opts_len)
		memcpy(pkt_push(p, b->opts_len), b->opts, b->opts_len);
	h = pkt_push(p, TCP_HLEN);
	h->sport = htons(b->sport);
	h->dport = htons(b->dport);
	h->seq = htonl(b->seq);
	h->ack = htonl(b->flags & TH_ACK ? b->ack : 0);
	h->off = (uint8_t)((TCP_HLEN + b->opts_len) / 4 << 4);
	h->flags = b->flags;
	h->window = htons(b->window);
	h->urg = 0;
	p->trans = p->data;
	p->src = b->src;
	p->dst = b->dst;
	p->proto = PROTO_TCP;
	h->csum = (uint16_t)~csum_fold(csum_pseudo(p->src, p->dst, PROTO_TCP, p->len));
	p->csum_off = offsetof(struct tcp_hdr, csum);
	p->flags |= PKT_CSUM_PARTIAL;
	o.ttl = b->ttl ? b->ttl : (uint8_t)q->stack->conf.ip_default_ttl;
	o.hops = !b->ttl && !ipa_is4(b->dst);
	NET_INC(q->stack, TcpOutSegs);
	ip_output(q, &d, p, &o);
}
