/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.c: incoming segments by state (RFC 9293, section 3.10.7; RFC 5961; RFC 7323).
 *
 * tcp_rcv() is called with the endpoint locked and consumes the segment.  Acceptability first, then
 * ACK (ack.c), urgent, data and FIN (recv.c); at the end whatever may be sent is sent.
 */
#include "netstack/tcp/tcp.h"

/* Rate limits for answers to invalid segments, so that two confused peers don't storm. */
static bool oow_limited(struct tcp *t, enum net_stat which)
{
	int64_t now = stack_now(tcp_stack(t));
	int64_t gap = tcp_stack(t)->conf.tcp_invalid_ratelimit * NSEC_PER_MSEC;

	if (t->oow_ns && now - t->oow_ns < gap) {
		net_add(tcp_stack(t), which, 1);
		return true;
	}
	t->oow_ns = now;
	return false;
}

/* RFC 5961: ask the peer to prove itself. */
static void challenge_ack(struct txq *q, struct tcp *t)
{
	struct stack *s = tcp_stack(t);
	int64_t second = stack_now(s) / NSEC_PER_SEC;

	if (oow_limited(t, NS_TCPACKSkippedChallenge))
		return;
	if (t->challenge_ns != second) {
		t->challenge_ns = second;
		t->challenge_count = 0;
	}
	if (++t->challenge_count > (unsigned int)s->conf.tcp_challenge_ack_limit)
		return;
	NET_INC(s, TCPChallengeACK);
	tcp_send_ack(q, t);
}

static bool paws_fails(struct tcp *t, const struct tcp_opts *o)
{
	if (!t->ts_ok || !o->ts || !seq_before(o->tsval, t->ts_recent))
		return false;
	return stack_now(tcp_stack(t)) - t->ts_recent_ns < TCP_PAWS_24DAYS;
}

/* A duplicate ACK that only looks old because the peer's clock went unseen (disordered ACK). */
static bool disordered_ack(struct tcp *t, const struct pkt *p, const struct tcp_opts *o)
{
	return (p->cb.tcp.flags & TH_ACK) && p->cb.tcp.seq == t->rcv_nxt && p->len == 0 &&
	       p->cb.tcp.ack == t->snd_una &&
	       (p->cb.tcp.window << t->snd_wscale) == t->snd_wnd &&
	       (int32_t)(t->ts_recent - o->tsval) <= (int32_t)(t->rto / NSEC_PER_MSEC);
}

static void tcp_reset(struct tcp *t)
{
	int error = ECONNRESET;

	if (t->state == TCPS_SYN_SENT)
		error = ECONNREFUSED;
	else if (t->state == TCPS_CLOSE_WAIT)
		error = EPIPE;
	tcp_fail(t, error);
}

static bool rst_acceptable(struct tcp *t, const struct pkt *p)
{
	uint32_t seq = p->cb.tcp.seq;

	if (seq == t->rcv_nxt)
		return true;
	/* The peer may have counted data that we hold out of order (RFC 5961 and Linux). */
	for (unsigned int i = 0; i < t->nsacks; i++)
		if (seq == t->sacks[i].end)
			return true;
	/* RST after a FIN whose number it does not count. */
	return tcp_state_in(t, TCPS_BIT(TCPS_CLOSE_WAIT) | TCPS_BIT(TCPS_LAST_ACK) | TCPS_BIT(TCPS_CLOSING)) &&
	       seq == t->rcv_nxt - 1;
}

static bool seq_acceptable(struct tcp *t, const struct pkt *p)
{
	uint32_t end = t->rcv_nxt + t->rcv_wnd;

	if (seq_before(end, t->rcv_wup + t->rcv_wnd))
		end = t->rcv_wup + t->rcv_wnd;
	/* A spliced end may have moved on while this ACK was on its way (splice.c). */
	if (t->peer && p->len == 0 && (p->flags & PKT_LOOPED) &&
	    (p->cb.tcp.flags & (TH_SYN | TH_FIN | TH_RST)) == 0 && seq_before(p->cb.tcp.seq, end))
		return true;
	return !seq_before(p->cb.tcp.end_seq, t->rcv_wup) && !seq_after(p->cb.tcp.seq, end);
}

/* False: the segment is finished with (p not consumed; t may be done). */
static bool tcp_validate(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	uint8_t flags = p->cb.tcp.flags;

	if (paws_fails(t, o) && !(flags & TH_RST) && !disordered_ack(t, p, o)) {
		NET_INC(tcp_stack(t), PAWSEstab);
		if (!oow_limited(t, NS_TCPACKSkippedPAWS))
			tcp_dupack(q, t, p);
		return false;
	}
	if (!seq_acceptable(t, p)) {
		if (flags & TH_RST) {
			if (rst_acceptable(t, p)) {
				tcp_reset(t);
				return false;
			}
		} else if (flags & TH_SYN) {
			NET_INC(tcp_stack(t), TCPSYNChallenge);
			challenge_ack(q, t);
		} else if (!oow_limited(t, NS_TCPACKSkippedSeq)) {
			tcp_dupack(q, t, p);
		}
		return false;
	}
	if (flags & TH_RST) {
		if (rst_acceptable(t, p))
			tcp_reset(t);
		else
			challenge_ack(q, t);
		return false;
	}
	if (flags & TH_SYN) {
		if (t->state == TCPS_SYN_RECV && !t->passive && (flags & TH_ACK) &&
		    p->cb.tcp.seq + 1 == t->rcv_nxt && p->cb.tcp.ack == t->snd_nxt)
			return true; /* simultaneous open */
		NET_INC(tcp_stack(t), TCPSYNChallenge);
		challenge_ack(q, t);
		return false;
	}
	return true;
}

static void store_ts_recent(struct tcp *t, const struct pkt *p, const struct tcp_opts *o)
{
	if (!t->ts_ok || !o->ts || seq_after(p->cb.tcp.seq, t->rcv_wup))
		return;
	if (seq_before(o->tsval, t->ts_recent) &&
	    stack_now(tcp_stack(t)) - t->ts_recent_ns < TCP_PAWS_24DAYS)
		return;
	t->ts_recent = o->tsval;
	t->ts_recent_ns = stack_now(tcp_stack(t));
}

void tcp_established(struct tcp *t)
{
	net_add(tcp_stack(t), t->passive ? NS_TcpPassiveOpens : NS_TcpActiveOpens, 1);
	tcp_set_state(t, TCPS_ESTABLISHED);
	t->ep.connected = true;
	tcp_init_metrics(t);
	tcp_init_rcv_space(t);
	t->last_send_ns = t->last_recv_ns = stack_now(tcp_stack(t));
	if (t->ep.keepalive)
		tcp_keep_arm(t);
	ep_wake(&t->ep, POLLOUT | POLLWRNORM);
}

/* ---- SYN_SENT ---- */

static void take_syn_options(struct tcp *t, const struct pkt *p, const struct tcp_opts *o)
{
	struct stack *s = tcp_stack(t);

	t->irs = p->cb.tcp.seq;
	t->rcv_nxt = t->rcv_wup = t->copied_seq = t->irs + 1;
	t->last_ack_sent = t->rcv_nxt;
	t->wscale_ok = o->wscale_ok && s->conf.tcp_window_scaling;
	t->snd_wscale = t->wscale_ok ? o->wscale : 0;
	if (!t->wscale_ok) {
		t->rcv_wscale = 0;
		t->window_clamp = MIN(t->window_clamp, 65535U);
	}
	t->ts_ok = o->ts && t->ts_ok;
	if (t->ts_ok) {
		t->ts_recent = o->tsval;
		t->ts_recent_ns = stack_now(s);
	}
	t->sack_ok = o->sack_ok && s->conf.tcp_sack;
	t->peer_mss = o->mss ? o->mss : ipa_is4(p->src) ? TCP_MSS_DEFAULT : 1220;
	t->peer_mss = MAX(t->peer_mss, (uint32_t)s->conf.tcp_min_snd_mss);
	tcp_sync_mss(t);
}

static void clean_syn(struct tcp *t)
{
	struct tcp_seg *s = list_first(&t->rtx, struct tcp_seg, node);

	if (s && (s->flags & TH_SYN)) {
		if (!(s->marks & SEG_EVER_RETRANS))
			tcp_rtt_sample(t, stack_now(tcp_stack(t)) - s->sent_ns);
		t->packets_out -= s->pcount;
		if (s->marks & SEG_LOST)
			t->lost_out -= s->pcount;
		if (s->marks & SEG_RETRANS)
			t->retrans_out -= s->pcount;
		tcp_seg_free(s);
	}
	tcp_retx_off(t);
	t->retransmits = t->backoff = 0;
	t->retrans_stamp = 0;
	t->undo_marker = 0;
	t->ca = CA_OPEN;
}

static void syn_sent_ack(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	take_syn_options(t, p, o);
	t->ecn_ok = t->ecn_ok && (p->cb.tcp.flags & (TH_ECE | TH_CWR)) == TH_ECE;
	t->snd_una = p->cb.tcp.ack;
	t->snd_wl1 = p->cb.tcp.seq;
	t->snd_wnd = p->cb.tcp.window; /* never scaled in a SYN */
	tcp_window_seen(t, t->snd_wnd);
	clean_syn(t);
	tcp_established(t);
	tcp_quickack(t, 16);
	t->ack_now = 1;
	if (p->len || (p->cb.tcp.flags & TH_FIN)) {
		p->cb.tcp.seq++;
		tcp_data(q, t, p);
	} else {
		pkt_free(p);
	}
	if (t->state != TCPS_CLOSE) {
		tcp_push(q, t);
		tcp_ack_check(q, t);
	}
}

static void tcp_rcv_syn_sent(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	uint8_t flags = p->cb.tcp.flags;

	if (flags & TH_ACK) {
		if (!seq_after(p->cb.tcp.ack, t->snd_una) || seq_after(p->cb.tcp.ack, t->snd_nxt)) {
			tcp_send_rst_reply(q, p->nic, p);
			goto drop;
		}
		if (t->ts_ok && o->ts && o->tsecr && t->retrans_stamp == 0 &&
		    seq_after(o->tsecr, tcp_ts_at(stack_now(tcp_stack(t)), t->ts_off))) {
			NET_INC(tcp_stack(t), PAWSActive);
			tcp_send_rst_reply(q, p->nic, p);
			goto drop;
		}
		if (flags & TH_RST) {
			tcp_reset(t);
			goto drop;
		}
		if (!(flags & TH_SYN))
			goto drop;
		syn_sent_ack(q, t, p, o);
		return;
	}
	if ((flags & TH_RST) || !(flags & TH_SYN))
		goto drop;
	/* Both sides open at once: answer with SYN-ACK, made of our SYN. */
	take_syn_options(t, p, o);
	t->ecn_ok = false;
	t->snd_wnd = p->cb.tcp.window;
	t->snd_wl1 = p->cb.tcp.seq;
	tcp_window_seen(t, t->snd_wnd);
	tcp_set_state(t, TCPS_SYN_RECV);
	if (!list_empty(&t->rtx))
		tcp_retransmit(q, t, list_first(&t->rtx, struct tcp_seg, node), 1);
drop:
	pkt_free(p);
}

/* ---- the other states ---- */

/* Our FIN is acknowledged.  False: t is no connection any more. */
static bool fin_acked(struct tcp *t)
{
	struct stack *s = tcp_stack(t);
	int linger;

	switch (t->state) {
	case TCPS_FIN_WAIT1:
		tcp_set_state(t, TCPS_FIN_WAIT2);
		t->ep.shut |= SHUT_BIT_WR;
		ep_wake(&t->ep, POLLOUT | POLLHUP);
		if (!t->ep.closed)
			return true;
		linger = t->linger2 ? t->linger2 : s->conf.tcp_fin_timeout;
		if (t->linger2 < 0) {
			tcp_done(t);
			NET_INC(s, TCPAbortOnLinger);
			return false;
		}
		t->keep_ns = stack_now(s) + linger * NSEC_PER_SEC;
		return true;
	case TCPS_CLOSING:
		tcp_time_wait(t);
		return false;
	case TCPS_LAST_ACK:
		tcp_done(t);
		return false;
	default:
		return true;
	}
}

/* Data for a socket that is closed: the application will never read it. */
static bool data_after_close(struct tcp *t, const struct pkt *p)
{
	uint32_t data_end = p->cb.tcp.end_seq - !!(p->cb.tcp.flags & TH_FIN);

	return t->ep.closed &&
	       tcp_state_in(t, TCPS_BIT(TCPS_FIN_WAIT1) | TCPS_BIT(TCPS_FIN_WAIT2)) &&
	       p->len && seq_after(data_end, t->rcv_nxt);
}

static void syn_recv_done(struct tcp *t, const struct pkt *p, const struct tcp_opts *o)
{
	(void)o;
	if (!t->passive)
		clean_syn(t);
	t->snd_una = p->cb.tcp.ack;
	t->snd_wnd = p->cb.tcp.window << (p->cb.tcp.flags & TH_SYN ? 0 : t->snd_wscale);
	t->snd_wl1 = p->cb.tcp.seq;
	tcp_window_seen(t, t->snd_wnd);
	tcp_established(t);
	if (t->fin_queued)
		tcp_set_state(t, TCPS_FIN_WAIT1);
}

static void tcp_rcv_segment(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	uint8_t flags = p->cb.tcp.flags;
	bool more = p->flags & PKT_MORE;

	t->segs_in++;
	if (p->len)
		t->data_segs_in++;
	if (t->state == TCPS_SYN_SENT) {
		tcp_rcv_syn_sent(q, t, p, o);
		tcp_timer_update(t);
		return;
	}
	if (!tcp_validate(q, t, p, o) || !(flags & TH_ACK))
		goto drop;
	if (t->state == TCPS_SYN_RECV) {
		if (!seq_between(p->cb.tcp.ack, t->snd_una + (t->passive ? 0 : 1), t->snd_nxt)) {
			tcp_send_rst_reply(q, p->nic, p);
			goto drop;
		}
		store_ts_recent(t, p, o);
		syn_recv_done(t, p, o);
	} else {
		store_ts_recent(t, p, o);
	}
	switch (tcp_ack(q, t, p, o)) {
	case ACK_BAD:
		challenge_ack(q, t);
		goto drop;
	case ACK_OLD:
	case ACK_OK:
		break;
	}
	if (t->state == TCPS_CLOSE)
		goto drop;
	if (t->ep.keepalive)
		tcp_keep_arm(t);
	if (t->fin_sent && t->snd_una == t->write_seq && !fin_acked(t))
		goto drop;
	if (data_after_close(t, p)) {
		NET_INC(tcp_stack(t), TCPAbortOnData);
		tcp_send_rst_reply(q, p->nic, p);
		tcp_fail(t, ECONNRESET);
		goto drop;
	}
	if (t->ecn_ok) {
		if (flags & TH_CWR)
			t->ecn_demand_cwr = false;
		if (p->len && (p->tos & 3) == 3) {
			t->ecn_demand_cwr = true;
			t->received_ce++;
			tcp_quickack(t, 2);
		}
	}
	tcp_rcv_rtt_ts(t, o, p);
	tcp_measure_rcv_mss(t, p);
	if (flags & TH_URG)
		tcp_urgent(t, p);
	tcp_data(q, t, p); /* consumes; may end the connection */
	if (t->state != TCPS_CLOSE) {
		tcp_push(q, t);
		if (!more || t->ack_now) /* one acknowledgement for all that came together */
			tcp_ack_check(q, t);
		else if (t->ack_sched)
			tcp_schedule_delack(t);
		tcp_timer_update(t);
	}
	return;
drop:
	pkt_free(p);
	if (t->state != TCPS_CLOSE)
		tcp_timer_update(t);
}

void tcp_rcv(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	struct tcp_seen seen;

	if (!t->ep.rx6 || ipa_is4(p->dst)) {
		tcp_rcv_segment(q, t, p, o);
		return;
	}
	tcp_seen_take(t, p, &seen);
	tcp_rcv_segment(q, t, p, o);
	tcp_seen_keep(t, &seen);
}
