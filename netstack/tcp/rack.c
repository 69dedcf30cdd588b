/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rack.c: RACK-TLP (RFC 8985): loss by time, not by counting duplicates.
 *
 * A segment is lost when one that was sent later has been delivered, and the time since is more
 * than a round trip and a window for reordering.  t->tsorted has the segments in order of their
 * last transmission, so the walk stops at the first that was sent after the latest delivered one.
 * The tail loss probe sends something when nothing came back for two round trips.
 */
#include "netstack/tcp/tcp.h"

static bool sent_after(int64_t t1, uint32_t seq1, int64_t t2, uint32_t seq2)
{
	return t1 > t2 || (t1 == t2 && seq_after(seq1, seq2));
}

void rack_advance(struct tcp *t, const struct tcp_seg *s)
{
	int64_t rtt = stack_now(tcp_stack(t)) - s->sent_ns;

	/* Faster than any round trip: it acknowledges an earlier transmission. */
	if ((s->marks & SEG_EVER_RETRANS) && t->min_rtt != INT64_MAX && rtt < t->min_rtt)
		return;
	t->rack_advanced = true;
	if (rtt <= 0)
		rtt = 1;
	t->rack_rtt = rtt;
	if (sent_after(s->sent_ns, s->end_seq, t->rack_sent_ns, t->rack_end_seq)) {
		t->rack_sent_ns = s->sent_ns;
		t->rack_end_seq = s->end_seq;
	}
}

static int64_t reo_wnd(const struct tcp *t)
{
	if (!t->reord_seen) {
		/* No reordering was seen: none is allowed for in recovery, nor with three SACKed. */
		if (t->ca >= CA_RECOVERY)
			return 0;
		if (t->sacked_out >= t->reordering)
			return 0;
	}
	return MIN((t->min_rtt == INT64_MAX ? t->srtt : t->min_rtt) / 4 * t->rack_steps, t->srtt);
}

/* RFC 8985, 6.2, step 4: the window grows with D-SACKs, and shrinks after 16 recoveries without. */
void rack_update_reo_wnd(struct tcp *t, bool dsack)
{
	if (dsack && !t->dsack_round) {
		t->dsack_round = true;
		t->rack_steps = (uint8_t)MIN(255U, t->rack_steps + 1U);
		t->rack_persist = 16;
		t->rack_last_delivered = t->delivered;
	} else if (!t->rack_persist) {
		t->rack_steps = 1;
	}
	if (t->dsack_round && t->delivered - t->rack_last_delivered >= MAX(t->cwnd, 1U))
		t->dsack_round = false;
}

bool rack_mark_lost(struct tcp *t)
{
	int64_t now = stack_now(tcp_stack(t)), wnd, wait = 0;
	struct tcp_seg *s, *tmp;
	bool any = false;

	if (!t->rack_advanced)
		return false;
	t->rack_advanced = false;
	wnd = reo_wnd(t);
	list_for_each_entry_safe(s, tmp, &t->tsorted, tnode) {
		int64_t left;

		if ((s->marks & SEG_LOST) && !(s->marks & SEG_RETRANS))
			continue;
		if (!sent_after(t->rack_sent_ns, t->rack_end_seq, s->sent_ns, s->end_seq))
			break;
		left = s->sent_ns + t->rack_rtt + wnd - now;
		if (left <= 0) {
			tcp_mark_lost(t, s);
			list_remove(&s->tnode);
			any = true;
		} else {
			wait = MAX(wait, left);
		}
	}
	if (wait)
		tcp_retx_arm(t, RETX_REO, wait + 2 * NSEC_PER_USEC);
	else if (t->retx_kind == RETX_REO)
		t->retx_kind = RETX_NONE, tcp_rearm_rto(t);
	return any;
}

void rack_reo_timeout(struct txq *q, struct tcp *t)
{
	uint32_t prior_lost = t->lost_out;

	t->rack_advanced = true;
	t->retx_kind = RETX_NONE;
	rack_mark_lost(t);
	if (t->lost_out > prior_lost) {
		if (t->ca != CA_RECOVERY && t->ca != CA_LOSS) {
			t->high_seq = t->snd_nxt;
			tcp_enter_recovery(t, false);
		}
		if (t->ca == CA_RECOVERY)
			tcp_cwnd_reduce(t, 1, t->lost_out - prior_lost, false);
		tcp_retransmit_lost(q, t);
	}
	if (t->retx_kind == RETX_NONE)
		tcp_rearm_rto(t);
}

/* ---- tail loss probe ---- */

bool tlp_schedule(struct tcp *t)
{
	int early = tcp_stack(t)->conf.tcp_early_retrans;
	int64_t after, rto_left;

	if ((early != 3 && early != 4) || !t->sack_ok || !t->packets_out || t->sacked_out ||
	    t->lost_out || (t->ca != CA_OPEN && t->ca != CA_CWR) || t->tlp_high_seq)
		return false;
	if (!tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT) |
				     TCPS_BIT(TCPS_FIN_WAIT1) | TCPS_BIT(TCPS_LAST_ACK) |
				     TCPS_BIT(TCPS_CLOSING)))
		return false;
	if (t->retx_kind == RETX_REO)
		return true;
	if (t->srtt) {
		after = 2 * t->srtt;
		if (t->packets_out == 1)
			after += tcp_stack(t)->conf.tcp_rto_min_us * NSEC_PER_USEC;
		else
			after += 2 * NSEC_PER_MSEC;
	} else {
		after = TCP_RTO_INIT;
	}
	rto_left = t->rto;
	if (t->retx_kind == RETX_RTO && t->retx_ns)
		rto_left = MAX(t->retx_ns - stack_now(tcp_stack(t)), 1);
	if (rto_left < after && t->retx_kind == RETX_RTO)
		rto_left = t->rto; /* re-armed now anyway */
	after = MIN(after, rto_left);
	tcp_retx_arm(t, RETX_TLP, after);
	return true;
}

void tlp_fire(struct txq *q, struct tcp *t)
{
	struct tcp_seg *s;
	uint32_t high = t->snd_nxt;

	t->retx_kind = RETX_NONE;
	if (t->tlp_high_seq)
		goto rearm;
	t->tlp_retrans = false;
	if (t->unsent_bytes && seq_after(tcp_wnd_end(t), t->snd_nxt)) {
		tcp_push_one(q, t);
		if (t->snd_nxt != high) {
			high = t->snd_nxt;
			goto sent;
		}
	}
	if (list_empty(&t->rtx))
		goto rearm;
	s = list_entry(t->rtx.prev, struct tcp_seg, node);
	if (s->pcount > 1 && s->len > t->mss &&
	    tcp_seg_split(t, s, (uint32_t)(s->pcount - 1) * t->mss))
		s = list_entry(t->rtx.prev, struct tcp_seg, node);
	/* Nothing is known to be lost: this begins no recovery (retrans_stamp), and counts as sent once. */
	if (!tcp_send_again(q, t, s, 1))
		goto rearm;
	t->tlp_retrans = true;
sent:
	NET_INC(tcp_stack(t), TCPLossProbes);
	t->tlp_high_seq = high;
rearm:
	t->retx_kind = RETX_NONE;
	tcp_rearm_rto(t);
}

void tlp_ack(struct tcp *t, uint32_t ack, bool dsack, bool advanced)
{
	if (seq_before(ack, t->tlp_high_seq))
		return;
	if (!t->tlp_retrans) {
		t->tlp_high_seq = 0;
	} else if (dsack) {
		t->tlp_high_seq = 0; /* both arrived: nothing was lost */
	} else if (seq_after(ack, t->tlp_high_seq)) {
		/* Only one of the two arrived: a loss that the probe repaired. */
		tcp_enter_cwr(t);
		t->high_seq = t->snd_nxt;
		tcp_cwnd_reduction_end(t);
		if (t->ca == CA_CWR)
			t->ca = CA_OPEN;
		t->tlp_high_seq = 0;
		NET_INC(tcp_stack(t), TCPLossProbeRecovery);
	} else if (!advanced) {
		t->tlp_high_seq = 0; /* a duplicate ACK for the probe: the original had arrived */
	}
}
