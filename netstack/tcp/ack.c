/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ack.c: what an acknowledgement does to the sender: round-trip times (RFC 6298), the scoreboard
 * (RFC 2018, 2883, 6675), recovery (RFC 6582, 6937, 8985), F-RTO (RFC 5682), undo of reductions that
 * were wrong (RFC 4015, D-SACK).
 *
 * The states of the congestion machine:
 *
 *     OPEN ──dup/SACK──▶ DISORDER ──loss──▶ RECOVERY ──all of it acked──▶ OPEN
 *       └──ECE──▶ CWR      any ──RTO──▶ LOSS ──all of it acked──▶ OPEN
 *
 * Invariant: packets_out, sacked_out, lost_out, retrans_out are the sums of pcount over t->rtx of
 * all, SACKED, LOST, RETRANS segments (without SACK, sacked_out counts duplicate ACKs).
 */
#include "netstack/tcp/tcp.h"

struct ack_ctx {
	struct stack *s;
	int64_t now;
	const struct pkt *p;
	const struct tcp_opts *o;
	uint32_t ack, prior_una, prior_packets, prior_in_flight, prior_lost, prior_delivered;
	uint32_t prior_sacked, acked; /* acked: segments cumulatively acknowledged now */
	int64_t first_rtt, last_rtt, sack_rtt; /* < 0: none */
	uint32_t reord_seq;
	bool reord;
	bool una_advanced, data_acked, retrans_acked, data_sacked, dsack, orig_acked, win_update;
	bool ece, lost_retrans, reneging, rexmit_new;
	unsigned int dupacks;
};

/* ---- round-trip times ---- */

void tcp_rtt_sample(struct tcp *t, int64_t rtt)
{
	struct stack *s = tcp_stack(t);
	int64_t rto_min = s->conf.tcp_rto_min_us * NSEC_PER_USEC, d;

	if (rtt <= 0)
		rtt = 1000;
	if (rtt < t->min_rtt || stack_now(s) - t->rttmin_ns > 300 * NSEC_PER_SEC) {
		t->min_rtt = rtt;
		t->rttmin_ns = stack_now(s);
	}
	if (t->srtt == 0) {
		t->srtt = rtt;
		t->mdev = rtt / 2;
		t->mdev_max = t->rttvar = MAX(t->mdev * 4, rto_min);
		t->rtt_seq = t->snd_nxt;
	} else {
		d = rtt - t->srtt;
		t->srtt += d / 8;
		if (d < 0) {
			d = -d;
			/* A falling RTT should not widen the timeout at once. */
			t->mdev += d > t->mdev ? (d - t->mdev) / 32 : (d - t->mdev) / 4;
		} else {
			t->mdev += (d - t->mdev) / 4;
		}
		if (t->mdev * 4 > t->mdev_max) {
			t->mdev_max = t->mdev * 4;
			if (t->mdev_max > t->rttvar)
				t->rttvar = t->mdev_max;
		}
		if (seq_after(t->snd_una, t->rtt_seq)) { /* once a window */
			if (t->mdev_max < t->rttvar)
				t->rttvar -= (t->rttvar - t->mdev_max) / 4;
			t->rtt_seq = t->snd_nxt;
			t->mdev_max = rto_min;
		}
	}
	t->rto = MIN(t->srtt + MAX(t->rttvar, rto_min), TCP_RTO_MAX);
}

void tcp_init_metrics(struct tcp *t)
{
	t->cwnd = t->total_retrans > 1 && t->undo_marker ? 1 : TCP_INIT_CWND;
	t->ssthresh = INT32_MAX;
	t->cwnd_stamp = stack_now(tcp_stack(t));
	t->high_seq = t->snd_nxt;
	t->cong->init(t);
	if (!t->ep.sndbuf_locked) {
		uint64_t want = 2ULL * TCP_INIT_CWND * (t->mss + 1024);

		if (want > (uint64_t)t->ep.sndbuf)
			t->ep.sndbuf = (int)MIN(want, (uint64_t)tcp_stack(t)->conf.tcp_wmem_max);
	}
}

static void update_rtt(struct tcp *t, struct ack_ctx *c)
{
	int64_t rtt = c->first_rtt;

	if (rtt < 0)
		rtt = c->sack_rtt;
	if (rtt < 0 && t->ts_ok && c->o->ts && c->o->tsecr && c->data_acked) {
		int32_t ms = (int32_t)(tcp_ts_at(c->now, t->ts_off) - c->o->tsecr);

		if (ms >= 0 && ms < (1 << 22))
			rtt = MAX(ms, 1) * NSEC_PER_MSEC;
	}
	if (rtt < 0)
		return;
	tcp_rtt_sample(t, rtt);
	t->backoff = 0;
	if (c->last_rtt >= 0)
		t->cong->rtt(t, c->last_rtt);
}

/* ---- scoreboard ---- */

void tcp_mark_lost(struct tcp *t, struct tcp_seg *s)
{
	if (s->marks & SEG_SACKED)
		return;
	if (s->marks & SEG_RETRANS) {
		s->marks &= (uint8_t)~SEG_RETRANS;
		t->retrans_out -= s->pcount;
		if (s->marks & SEG_LOST)
			NET_INC(tcp_stack(t), TCPLostRetransmit);
	}
	if (!(s->marks & SEG_LOST)) {
		s->marks |= SEG_LOST;
		t->lost_out += s->pcount;
	}
}

static void note_reorder(struct ack_ctx *c, uint32_t seq)
{
	if (!c->reord || seq_before(seq, c->reord_seq))
		c->reord_seq = seq;
	c->reord = true;
}

static void sack_seg(struct tcp *t, struct ack_ctx *c, struct tcp_seg *s)
{
	if (s->marks & SEG_SACKED)
		return;
	if (s->marks & SEG_RETRANS) {
		t->retrans_out -= s->pcount;
	} else if (!(s->marks & SEG_EVER_RETRANS)) {
		if (seq_before(s->seq, t->highest_sack))
			note_reorder(c, s->seq);
		if (!seq_after(s->end_seq, t->high_seq))
			c->orig_acked = true;
		c->sack_rtt = c->now - s->sent_ns;
	}
	if (s->marks & SEG_LOST)
		t->lost_out -= s->pcount;
	rack_advance(t, s);
	s->marks &= (uint8_t)~(SEG_RETRANS | SEG_LOST);
	s->marks |= SEG_SACKED;
	list_remove(&s->tnode);
	t->sacked_out += s->pcount;
	t->delivered += s->pcount;
	c->data_sacked = true;
	if (seq_after(s->end_seq, t->highest_sack))
		t->highest_sack = s->end_seq;
}

/* Tag what lies in [start, end), cutting segments at its edges on whole-packet borders. */
static void sack_range(struct tcp *t, struct ack_ctx *c, uint32_t start, uint32_t end)
{
	struct tcp_seg *s;

	list_for_each_entry(s, &t->rtx, node) {
		uint32_t cut;

		if (!seq_before(s->seq, end))
			break;
		if (!seq_after(s->end_seq, start) || (s->marks & SEG_SACKED))
			continue;
		if (seq_before(s->seq, start)) {
			cut = start - s->seq;
			cut = (cut + t->mss - 1) / t->mss * t->mss;
			if (cut < s->len)
				tcp_seg_split(t, s, cut); /* the next turn sees the rest */
			continue;
		}
		if (seq_after(s->end_seq, end)) {
			cut = (end - s->seq) / t->mss * t->mss;
			if (cut == 0 || cut >= s->len || !tcp_seg_split(t, s, cut))
				continue;
		}
		sack_seg(t, c, s);
	}
}

static bool check_dsack(struct tcp *t, struct ack_ctx *c)
{
	const struct tcp_opts *o = c->o;
	uint32_t start = o->sacks[0].start, end = o->sacks[0].end;
	bool inside = o->nsacks > 1 && !seq_after(end, o->sacks[1].end) &&
		      !seq_before(start, o->sacks[1].start);

	if (!seq_before(start, c->ack) && !inside)
		return false;
	/* Plausible? (RFC 2883; not before what we sent in the last window.) */
	if (!seq_before(start, end) || seq_after(end, t->snd_nxt) ||
	    (seq_before(start, c->ack) && seq_before(end, c->prior_una - t->max_window)))
		return false;
	net_add(c->s, inside ? NS_TCPDSACKOfoRecv : NS_TCPDSACKRecv, 1);
	t->dsack_dups++;
	t->rack_dsack = true;
	if (t->undo_marker && t->undo_retrans > 0 && !seq_after(end, c->prior_una) &&
	    seq_after(end, t->undo_marker))
		t->undo_retrans--;
	else if (t->undo_marker && t->undo_retrans > 0 && inside)
		t->undo_retrans--;
	c->dsack = true;
	return true;
}

static void sack_tag(struct tcp *t, struct ack_ctx *c)
{
	const struct tcp_opts *o = c->o;
	unsigned int i = 0;

	if (!t->sack_ok || o->nsacks == 0)
		return;
	if (t->sacked_out == 0)
		t->highest_sack = t->snd_una;
	if (check_dsack(t, c))
		i = 1;
	for (; i < o->nsacks; i++) {
		uint32_t start = o->sacks[i].start, end = o->sacks[i].end;

		if (!seq_before(start, end) || seq_after(end, t->snd_nxt) || !seq_after(end, t->snd_una))
			continue;
		if (seq_before(start, t->snd_una))
			start = t->snd_una;
		sack_range(t, c, start, end);
	}
}

/* ---- without SACK: duplicate ACKs stand for segments received ---- */

static void reno_check_limit(struct tcp *t)
{
	uint32_t holes = MAX(t->lost_out, 1U);

	holes = MIN(holes, t->packets_out);
	if (t->sacked_out + holes > t->packets_out) {
		t->sacked_out = t->packets_out - holes;
		/* More duplicates than packets: the network reorders. */
		t->reordering = MIN(t->packets_out + 1, 300U);
		NET_INC(tcp_stack(t), TCPTSReorder);
	}
}

static void reno_add_dupacks(struct tcp *t, unsigned int n)
{
	uint32_t prior = t->sacked_out;

	if (!n)
		return;
	t->sacked_out += n;
	reno_check_limit(t);
	t->delivered += t->sacked_out > prior ? t->sacked_out - prior : 0;
}

static void reno_acked(struct tcp *t, uint32_t acked)
{
	if (acked > 0) {
		/* One acknowledges the hole, the others what duplicates stood for. */
		t->delivered += acked > t->sacked_out ? acked - t->sacked_out : 1;
		if (acked - 1 >= t->sacked_out)
			t->sacked_out = 0;
		else
			t->sacked_out -= acked - 1;
	}
	if (t->packets_out)
		reno_check_limit(t);
	else
		t->sacked_out = 0;
}

static void newreno_mark_lost(struct tcp *t, bool advanced)
{
	struct tcp_seg *s = list_first(&t->rtx, struct tcp_seg, node);

	if (!s)
		return;
	if ((t->ca < CA_RECOVERY && t->sacked_out >= t->reordering) ||
	    (t->ca == CA_RECOVERY && advanced)) {
		if (s->pcount > 1 && s->len > t->mss)
			tcp_seg_split(t, s, t->mss);
		tcp_mark_lost(t, s);
	}
}

/* ---- cumulative acknowledgement ---- */

/* The first bytes of s up to ack are acknowledged, the rest is not. */
static void trim_head(struct tcp *t, struct ack_ctx *c, struct tcp_seg *s)
{
	uint32_t n = c->ack - s->seq, old = s->pcount, skip;
	unsigned int i = 0;

	if (n == 0 || n > s->len)
		return;
	for (skip = n; i < s->nfrags && skip >= s->frags[i].len; i++) {
		skip -= s->frags[i].len;
		pbuf_put(s->frags[i].buf);
	}
	memmove(s->frags, s->frags + i, (s->nfrags - i) * sizeof(s->frags[0]));
	s->nfrags = (uint8_t)(s->nfrags - i);
	if (s->nfrags) {
		s->frags[0].off += skip;
		s->frags[0].len -= skip;
	}
	s->seq += n;
	s->len -= n;
	s->pcount = (uint16_t)MAX(1U, (s->len + t->mss - 1) / t->mss);
	if (s->pcount > old)
		s->pcount = (uint16_t)old;
	old -= s->pcount;
	t->packets_out -= old;
	if (s->marks & SEG_LOST)
		t->lost_out -= old;
	if (s->marks & SEG_RETRANS)
		t->retrans_out -= old;
	if (s->marks & SEG_SACKED)
		t->sacked_out -= old;
	c->acked += old;
	if (t->sack_ok && !(s->marks & SEG_SACKED))
		t->delivered += old;
}

static void ack_seg(struct tcp *t, struct ack_ctx *c, struct tcp_seg *s)
{
	if (s->marks & SEG_EVER_RETRANS) {
		if (s->marks & SEG_RETRANS)
			t->retrans_out -= s->pcount;
		c->retrans_acked = true;
	} else if (!(s->marks & SEG_SACKED)) {
		c->last_rtt = c->now - s->sent_ns;
		if (c->first_rtt < 0)
			c->first_rtt = c->last_rtt;
		if (seq_before(s->seq, t->highest_sack) && t->sacked_out)
			note_reorder(c, s->seq);
		if (!seq_after(s->end_seq, t->high_seq))
			c->orig_acked = true;
	}
	if (s->marks & SEG_SACKED) {
		t->sacked_out -= s->pcount;
	} else if (t->sack_ok) {
		t->delivered += s->pcount;
		rack_advance(t, s);
	}
	if (s->marks & SEG_LOST)
		t->lost_out -= s->pcount;
	t->packets_out -= s->pcount;
	c->acked += s->pcount;
	if (s->len)
		c->data_acked = true;
	tcp_seg_free(s);
}

static void clean_rtx(struct tcp *t, struct ack_ctx *c)
{
	struct tcp_seg *s;
	uint32_t bytes = c->ack - c->prior_una;

	while ((s = list_first(&t->rtx, struct tcp_seg, node)) != NULL) {
		if (seq_after(s->end_seq, c->ack)) {
			if (seq_after(c->ack, s->seq)) {
				trim_head(t, c, s);
				c->data_acked = true;
			}
			break;
		}
		ack_seg(t, c, s);
	}
	if (t->urg_out && seq_after(t->snd_una, t->snd_up))
		t->urg_out = false;
	s = list_first(&t->rtx, struct tcp_seg, node);
	c->reneging = s && (s->marks & SEG_SACKED);
	if (c->una_advanced) {
		uint32_t give = MIN(bytes, t->charged);

		t->charged -= give;
		stack_mem_uncharge(c->s, give);
		t->bytes_acked += bytes;
	}
	if (!t->sack_ok)
		reno_acked(t, c->acked);
	if (list_empty(&t->rtx) && !t->unsent_bytes)
		tcp_free_chunks(t); /* an idle connection keeps no buffer */
}

/* ---- undo ---- */

static bool packet_delayed(const struct tcp *t, const struct ack_ctx *c)
{
	/* The ACK was caused by the original, sent before our first retransmission (Eifel). */
	return t->retrans_stamp && t->ts_ok && c->o->ts && c->o->tsecr &&
	       seq_before(c->o->tsecr, t->retrans_ts);
}

static bool may_undo(const struct tcp *t, const struct ack_ctx *c)
{
	return t->undo_marker && (t->undo_retrans == 0 || packet_delayed(t, c));
}

static void undo_cwnd(struct tcp *t, bool unmark)
{
	struct tcp_seg *s;

	if (unmark) {
		list_for_each_entry(s, &t->rtx, node)
			s->marks &= (uint8_t)~SEG_LOST;
		t->lost_out = 0;
	}
	if (t->prior_ssthresh) {
		t->cong->undo(t);
		t->cwnd = MAX(t->cwnd, t->prior_cwnd);
		if (t->prior_ssthresh > t->ssthresh)
			t->ssthresh = t->prior_ssthresh;
		t->ecn_queue_cwr = false;
	}
	t->cwnd_stamp = stack_now(tcp_stack(t));
	t->undo_marker = 0;
	t->rack_advanced = true;
}

static bool try_undo_recovery(struct tcp *t, struct ack_ctx *c)
{
	if (may_undo(t, c)) {
		net_add(c->s, t->ca == CA_LOSS ? NS_TCPLossUndo : NS_TCPFullUndo, 1);
		undo_cwnd(t, false);
	}
	if (t->snd_una == t->high_seq && !t->sack_ok) {
		/* Hold on until more is acknowledged: no false fast retransmits (RFC 6582). */
		t->retrans_stamp = 0;
		return true;
	}
	t->ca = CA_OPEN;
	return false;
}

static bool try_undo_dsack(struct tcp *t, struct ack_ctx *c)
{
	if (!t->undo_marker || t->undo_retrans)
		return false;
	NET_INC(c->s, TCPDSACKUndo);
	undo_cwnd(t, false);
	t->rack_persist = MIN(16U, t->rack_persist + 1U);
	return true;
}

static bool try_undo_loss(struct tcp *t, struct ack_ctx *c, bool frto)
{
	if (!frto && !may_undo(t, c))
		return false;
	undo_cwnd(t, true);
	NET_INC(c->s, TCPLossUndo);
	if (frto)
		NET_INC(c->s, TCPSpuriousRTOs);
	t->retransmits = 0;
	if (frto || t->sack_ok) {
		t->ca = CA_OPEN;
		t->frto = false;
	}
	return true;
}

static bool try_undo_partial(struct tcp *t, struct ack_ctx *c)
{
	if (!t->undo_marker || !packet_delayed(t, c))
		return false;
	/* Retransmissions are still out: wait for them before the window is given back. */
	if (t->retrans_out)
		return true;
	undo_cwnd(t, true);
	NET_INC(c->s, TCPPartialUndo);
	t->ca = CA_OPEN;
	return true;
}

/* ---- states ---- */

static void init_undo(struct tcp *t)
{
	t->undo_marker = t->snd_una ? t->snd_una : 1;
	t->undo_retrans = (int32_t)t->retrans_out;
}

void tcp_enter_recovery(struct tcp *t, bool ece)
{
	net_add(tcp_stack(t), t->sack_ok ? NS_TCPSackRecovery : NS_TCPRenoRecovery, 1);
	t->prior_ssthresh = 0;
	init_undo(t);
	if (t->ca < CA_CWR) {
		if (!ece)
			t->prior_ssthresh = MAX(t->ssthresh, t->cwnd * 3 / 4);
		tcp_cwnd_reduction_begin(t);
	}
	t->ca = CA_RECOVERY;
}

void tcp_enter_cwr(struct tcp *t)
{
	t->prior_ssthresh = 0;
	if (t->ca < CA_CWR) {
		t->undo_marker = 0;
		tcp_cwnd_reduction_begin(t);
		t->ca = CA_CWR;
	}
}

static void timeout_mark_lost(struct tcp *t)
{
	struct tcp_seg *s, *head = list_first(&t->rtx, struct tcp_seg, node);
	int64_t now = stack_now(tcp_stack(t));
	bool reneged = head && (head->marks & SEG_SACKED);

	if (reneged)
		NET_INC(tcp_stack(t), TCPSACKReneging);
	if (!t->sack_ok)
		t->sacked_out = 0;
	list_for_each_entry(s, &t->rtx, node) {
		if (reneged && (s->marks & SEG_SACKED)) {
			s->marks &= (uint8_t)~SEG_SACKED;
			t->sacked_out -= s->pcount;
		}
		/* What was sent within the last round trip may still arrive (RFC 8985, 6.3). */
		if (s == head || !t->sack_ok || reneged || now - s->sent_ns > t->rack_rtt + t->min_rtt / 4)
			tcp_mark_lost(t, s);
	}
}

void tcp_enter_loss(struct tcp *t)
{
	bool fresh = t->ca < CA_RECOVERY;

	timeout_mark_lost(t);
	if (t->ca <= CA_DISORDER || !seq_after(t->high_seq, t->snd_una) ||
	    (t->ca == CA_LOSS && !t->retransmits)) {
		t->prior_ssthresh = t->ca < CA_CWR ? MAX(t->ssthresh, t->cwnd * 3 / 4) : t->ssthresh;
		t->prior_cwnd = t->cwnd;
		t->ssthresh = t->cong->ssthresh(t);
		t->cong->loss(t);
		init_undo(t);
	}
	t->cwnd = tcp_in_flight(t) + 1;
	t->cwnd_cnt = 0;
	t->cwnd_stamp = stack_now(tcp_stack(t));
	if (t->ca <= CA_DISORDER && t->sacked_out >= (uint32_t)tcp_stack(t)->conf.tcp_reordering)
		t->reordering = MIN(t->reordering, (uint32_t)tcp_stack(t)->conf.tcp_reordering);
	t->ca = CA_LOSS;
	t->high_seq = t->snd_nxt;
	t->ecn_queue_cwr = true;
	t->frto = tcp_stack(t)->conf.tcp_frto && (fresh || t->retransmits) && t->sack_ok;
	t->tlp_high_seq = 0;
}

static void try_to_open(struct tcp *t, struct ack_ctx *c)
{
	if (!t->retrans_out)
		t->retrans_stamp = 0;
	if (c->ece)
		tcp_enter_cwr(t);
	if (t->ca != CA_CWR) {
		struct tcp_seg *head = list_first(&t->rtx, struct tcp_seg, node);
		uint8_t state = CA_OPEN;

		if (t->sacked_out || t->lost_out || t->retrans_out || (head && (head->marks & SEG_EVER_RETRANS)))
			state = CA_DISORDER;
		if (t->ca != state) {
			t->ca = state;
			t->high_seq = t->snd_nxt;
		}
	}
}

static void identify_loss(struct tcp *t, struct ack_ctx *c)
{
	if (t->packets_out == 0)
		return;
	if (!t->sack_ok) {
		newreno_mark_lost(t, c->una_advanced);
	} else {
		uint32_t prior = t->retrans_out;

		if (rack_mark_lost(t) && prior > t->retrans_out)
			c->lost_retrans = true;
	}
}

static void process_loss(struct tcp *t, struct ack_ctx *c)
{
	bool recovered = !seq_before(t->snd_una, t->high_seq);

	if (c->una_advanced && try_undo_loss(t, c, false))
		return;
	if (t->frto) {
		/* RFC 5682, 3.1: something that was never retransmitted arrived: spurious. */
		if (c->orig_acked && try_undo_loss(t, c, true))
			return;
		if (seq_after(t->snd_nxt, t->high_seq)) {
			if (c->data_sacked || c->dupacks)
				t->frto = false; /* step 3.a: real loss */
		} else if (c->una_advanced && !recovered) {
			t->high_seq = t->snd_nxt;
			if (t->unsent_bytes && seq_after(tcp_wnd_end(t), t->snd_nxt)) {
				c->rexmit_new = true; /* step 2.b: try new data */
				return;
			}
			t->frto = false;
		}
	}
	if (recovered) {
		try_undo_recovery(t, c);
		return;
	}
	if (!t->sack_ok) {
		if (seq_after(t->snd_nxt, t->high_seq) && c->dupacks)
			reno_add_dupacks(t, c->dupacks);
		else if (c->una_advanced)
			t->sacked_out = 0;
	}
}

/* True when the state says that what is lost should be sent again. */
static bool fastretrans(struct tcp *t, struct ack_ctx *c)
{
	if (c->ece)
		t->prior_ssthresh = 0;
	if (c->reneging && c->una_advanced) {
		tcp_enter_loss(t);
		return true;
	}
	if (t->ca == CA_OPEN) {
		if (!t->sacked_out && !t->lost_out)
			t->retrans_stamp = t->retrans_out ? t->retrans_stamp : 0;
	} else if (!seq_before(t->snd_una, t->high_seq)) {
		switch (t->ca) {
		case CA_CWR:
			if (t->snd_una != t->high_seq) {
				tcp_cwnd_reduction_end(t);
				t->ca = CA_OPEN;
			}
			break;
		case CA_RECOVERY:
			if (!t->sack_ok)
				t->sacked_out = 0;
			if (try_undo_recovery(t, c))
				return false;
			tcp_cwnd_reduction_end(t);
			break;
		default:
			break;
		}
	}
	switch (t->ca) {
	case CA_RECOVERY:
		if (!c->una_advanced) {
			if (!t->sack_ok)
				reno_add_dupacks(t, c->dupacks);
		} else if (try_undo_partial(t, c)) {
			return true;
		}
		if (try_undo_dsack(t, c))
			t->ca = CA_OPEN;
		identify_loss(t, c);
		if (t->ca == CA_RECOVERY)
			return true;
		if (!t->lost_out) {
			try_to_open(t, c);
			return false;
		}
		break;
	case CA_LOSS:
		process_loss(t, c);
		if (t->ca != CA_LOSS)
			break;
		identify_loss(t, c);
		return true;
	default:
		if (!t->sack_ok) {
			if (c->una_advanced)
				t->sacked_out = 0;
			reno_add_dupacks(t, c->dupacks);
		}
		if (t->ca <= CA_DISORDER)
			try_undo_dsack(t, c);
		break;
	}
	identify_loss(t, c);
	if (!t->lost_out) {
		try_to_open(t, c);
		return false;
	}
	if (t->ca == CA_RECOVERY || t->ca == CA_LOSS)
		return true;
	t->high_seq = t->snd_nxt;
	tcp_enter_recovery(t, c->ece);
	return true;
}

static void cong_control(struct tcp *t, struct ack_ctx *c)
{
	uint32_t delivered = t->delivered - c->prior_delivered;
	uint32_t lost = t->lost_out > c->prior_lost ? t->lost_out - c->prior_lost : 0;
	/* Where the network reorders much, what arrives out of order counts too. */
	bool raise = c->data_acked ||
		     (t->reordering > (uint32_t)c->s->conf.tcp_reordering && c->data_sacked);

	t->delivered_ce += c->ece ? delivered : 0;
	if (t->ca == CA_CWR || t->ca == CA_RECOVERY) {
		tcp_cwnd_reduce(t, delivered, lost, c->una_advanced);
	} else if (raise) {
		if (tcp_cwnd_is_limited(t))
			t->cong->acked(t, delivered); /* what was SACKED before has counted then */
		t->cwnd_stamp = c->now;
	}
}

/* ---- window, timers ---- */

static void update_window(struct tcp *t, struct ack_ctx *c)
{
	uint32_t w = c->p->cb.tcp.window, seq = c->p->cb.tcp.seq;

	if (!(c->p->cb.tcp.flags & TH_SYN))
		w <<= t->snd_wscale;
	if (seq_after(c->ack, t->snd_una) || seq_after(seq, t->snd_wl1) ||
	    (seq == t->snd_wl1 && w > t->snd_wnd)) {
		t->snd_wl1 = seq;
		if (t->snd_wnd != w) {
			c->win_update = true;
			t->snd_wnd = w;
			tcp_window_seen(t, w);
			if (t->unsent_bytes)
				tcp_slow_start_after_idle(t);
		}
	}
	t->snd_una = c->ack;
	if (!list_empty(&t->stamps))
		tcp_stamps_tell(t);
}

void tcp_rearm_rto(struct tcp *t)
{
	struct tcp_seg *s = list_first(&t->rtx, struct tcp_seg, node);
	int64_t rto = t->rto, spent;

	if (!s || !t->packets_out) {
		if (t->retx_kind != RETX_PROBE0)
			tcp_retx_off(t);
		return;
	}
	/* From when the oldest was sent (RFC 7765 in spirit), for the timers that came before RTO. */
	if (t->retx_kind == RETX_REO || t->retx_kind == RETX_TLP) {
		spent = stack_now(tcp_stack(t)) - s->sent_ns;
		rto = MAX(rto - spent, NSEC_PER_MSEC);
	}
	tcp_retx_arm(t, RETX_RTO, MIN(rto << MIN(t->backoff, 16), TCP_RTO_MAX));
}

static void check_reordering(struct tcp *t, struct ack_ctx *c)
{
	uint32_t metric;

	if (!c->reord || !t->sack_ok)
		return;
	t->reord_seen = true;
	t->reord_count++;
	metric = (t->highest_sack - c->reord_seq + t->mss - 1) / MAX(t->mss, 1U);
	t->reordering = MIN(MAX(t->reordering, metric), 300U);
	NET_INC(c->s, TCPSACKReorder);
}

static void ack_window_probe(struct tcp *t)
{
	if (t->packets_out || !(t->unsent_bytes || (t->fin_queued && !t->fin_sent)))
		return;
	if (t->snd_wnd) {
		t->backoff = 0;
		t->probes = 0;
		t->probe_since_ns = 0;
		if (t->retx_kind == RETX_PROBE0)
			tcp_retx_off(t);
	}
}

static void grow_sndbuf(struct tcp *t)
{
	uint64_t want = 2ULL * MAX(MAX(t->cwnd, TCP_INIT_CWND), t->reordering + 1) * (t->mss + 512ULL);
	int max = tcp_stack(t)->conf.tcp_wmem_max;

	if (t->ep.sndbuf_locked || t->ep.sndbuf >= max || want <= (uint64_t)t->ep.sndbuf)
		return;
	t->ep.sndbuf = (int)MIN(want, (uint64_t)max);
}

static void ack_wake(struct tcp *t)
{
	uint32_t queued = t->write_seq - t->snd_una;

	grow_sndbuf(t);
	if (t->nospace && queued < (uint32_t)t->ep.sndbuf &&
	    (uint32_t)t->ep.sndbuf - queued >= queued / 2) {
		t->nospace = false;
		ep_wake(&t->ep, POLLOUT | POLLWRNORM);
	}
}

/*
 * Does what was SACKed put the timer off?  Only when it was sent no later than the head: else loss
 * recovery could extend its time-out for ever.  Bare duplicate ACKs never do.
 */
static bool sack_moves_timer(const struct tcp *t, const struct ack_ctx *c)
{
	const struct tcp_seg *head = list_first(&t->rtx, struct tcp_seg, node);

	return head && c->sack_rtt >= 0 && c->sack_rtt > c->now - head->sent_ns;
}

enum ack_result tcp_ack(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o)
{
	struct ack_ctx c = { .s = q->stack, .now = stack_now(q->stack), .p = p, .o = o,
			     .ack = p->cb.tcp.ack, .prior_una = t->snd_una,
			     .prior_packets = t->packets_out, .prior_in_flight = tcp_in_flight(t),
			     .prior_lost = t->lost_out, .prior_delivered = t->delivered,
			     .prior_sacked = t->sacked_out, .first_rtt = -1, .last_rtt = -1,
			     .sack_rtt = -1 };
	bool again = false;

	if (seq_after(c.ack, t->snd_nxt))
		return ACK_BAD;
	if (seq_before(c.ack, t->snd_una)) {
		/* Far too old is an attack on blind injection (RFC 5961, 5.2). */
		if (seq_before(c.ack, t->snd_una - MAX(t->max_window, 65535U)))
			return ACK_BAD;
		if (o->nsacks && t->packets_out) {
			c.ack = t->snd_una;
			sack_tag(t, &c);
			if (fastretrans(t, &c)) {
				tcp_retransmit_lost(q, t);
			}
		}
		return ACK_OLD;
	}
	c.una_advanced = seq_after(c.ack, t->snd_una);
	c.ece = t->ecn_ok && (p->cb.tcp.flags & TH_ECE);
	if (c.una_advanced) {
		t->retransmits = 0;
		t->probes = 0;
		if (t->rto_since_ns) {
			t->rto_ns += c.now - t->rto_since_ns;
			t->rto_since_ns = 0;
		}
		if (c.now - t->last_ack_ns > NSEC_PER_SEC && t->ep.dst.valid)
			neigh_confirm(t->ep.dst.nic, t->ep.dst.nexthop);
	}
	t->last_ack_ns = c.now;
	update_window(t, &c);
	if (c.prior_packets == 0) {
		ack_window_probe(t);
		t->probes = 0;
		return ACK_OK;
	}
	sack_tag(t, &c);
	clean_rtx(t, &c);
	check_reordering(t, &c);
	update_rtt(t, &c);
	if (t->sack_ok)
		rack_update_reo_wnd(t, c.dsack);
	if (t->tlp_high_seq)
		tlp_ack(t, c.ack, c.dsack, c.una_advanced);
	if (!c.una_advanced && !p->len && !c.win_update && !(p->cb.tcp.flags & (TH_SYN | TH_FIN)) &&
	    t->packets_out)
		c.dupacks = 1;
	if (!c.data_acked || c.data_sacked || c.ece || c.dsack || t->ca != CA_OPEN || t->lost_out)
		again = fastretrans(t, &c);
	if ((c.acked || sack_moves_timer(t, &c) || t->retx_kind == RETX_NONE) && !tlp_schedule(t) &&
	    (t->retx_kind != RETX_REO || !t->packets_out)) /* RACK has just set that one */
		tcp_rearm_rto(t);
	if (!t->packets_out && t->retx_kind != RETX_PROBE0)
		tcp_retx_off(t);
	cong_control(t, &c);
	if (c.rexmit_new)
		tcp_push(q, t);
	else if (again || t->lost_out)
		tcp_retransmit_lost(q, t);
	if (c.una_advanced)
		ack_wake(t);
	tcp_chrono(t);
	return ACK_OK;
}
