/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c: the timers of a connection.
 *
 * Each purpose keeps its deadline; one ntimer is armed for the earliest.  A deadline that moves back
 * leaves it alone: it fires, finds nothing due and arms itself anew, which is cheaper than touching
 * the tree for every acknowledgement.  The armed timer holds a reference to the endpoint.
 *
 *     retx_ns    RTO, zero-window probe, tail loss probe or RACK's reordering timer (retx_kind)
 *     delack_ns  delayed ACK
 *     keep_ns    keepalive; once the socket is closed: the end of FIN_WAIT2 and of orphans
 *     pace_ns    SO_MAX_PACING_RATE
 */
#include "netstack/tcp/tcp.h"

#define TCP_ORPHAN_RETRIES 8

static int64_t earliest(const struct tcp *t)
{
	const int64_t all[] = { t->retx_ns, t->delack_ns, t->keep_ns, t->pace_ns };
	int64_t min = INT64_MAX;

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] && all[i] < min)
			min = all[i];
	return min;
}

void tcp_timer_update(struct tcp *t)
{
	int64_t due = earliest(t);

	if (due == INT64_MAX || t->state == TCPS_CLOSE)
		return;
	ep_get(&t->ep);
	if (!ntimer_arm_before(tcp_stack(t), &t->timer, due))
		ep_put(&t->ep);
}

void tcp_retx_arm(struct tcp *t, enum retx_kind kind, int64_t after_ns)
{
	t->retx_kind = (uint8_t)kind;
	t->retx_ns = stack_now(tcp_stack(t)) + MAX(after_ns, 1);
}

void tcp_retx_off(struct tcp *t)
{
	t->retx_kind = RETX_NONE;
	t->retx_ns = 0;
}

static int64_t keep_idle(struct tcp *t)
{
	int s = t->keepidle ? t->keepidle : tcp_stack(t)->conf.tcp_keepalive_time;

	return s * NSEC_PER_SEC;
}

void tcp_keep_arm(struct tcp *t)
{
	if (t->ep.closed || !tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT) |
						     TCPS_BIT(TCPS_FIN_WAIT1) | TCPS_BIT(TCPS_FIN_WAIT2)))
		return;
	t->keep_ns = stack_now(tcp_stack(t)) + keep_idle(t);
}

static void tcp_give_up(struct tcp *t)
{
	NET_INC(tcp_stack(t), TCPAbortOnTimeout);
	tcp_fail(t, t->ep.err_soft ? t->ep.err_soft : ETIMEDOUT);
}

/* Have we tried for as long as `retries` doublings from the minimum would take? */
static bool timed_out(const struct tcp *t, int64_t now, unsigned int retries)
{
	int64_t total = 0, rto = 200 * NSEC_PER_MSEC;

	if (!t->retrans_stamp)
		return false;
	if (t->user_timeout_ms)
		return now - t->retrans_stamp >= t->user_timeout_ms * NSEC_PER_MSEC;
	for (unsigned int i = 0; i <= retries; i++, rto = MIN(rto * 2, TCP_RTO_MAX))
		total += rto;
	return now - t->retrans_stamp >= total;
}

static bool rto_gives_up(struct tcp *t)
{
	struct stack *s = tcp_stack(t);
	int64_t now = stack_now(s);
	unsigned int retries;

	if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RECV) {
		retries = (unsigned int)(t->syncnt ? t->syncnt : s->conf.tcp_syn_retries);
		if (t->user_timeout_ms && t->retrans_stamp &&
		    now - t->retrans_stamp >= t->user_timeout_ms * NSEC_PER_MSEC)
			return true;
		return t->retransmits >= retries;
	}
	if (t->retransmits >= (unsigned int)s->conf.tcp_retries1) {
		/* A path that eats large packets and tells nobody (RFC 4821 in small). */
		if (s->conf.tcp_mtu_probing && t->mss > (uint32_t)s->conf.tcp_base_mss) {
			t->probe_mss = (uint32_t)s->conf.tcp_base_mss;
			tcp_sync_mss(t);
			NET_INC(s, TCPMTUPFail);
		} else if (s->conf.tcp_mtu_probing && t->probe_mss > 536 && t->retransmits >= 6) {
			t->probe_mss = 536;
			tcp_sync_mss(t);
		}
		t->ep.dst.valid = false;
	}
	retries = (unsigned int)s->conf.tcp_retries2;
	if (t->ep.closed) {
		retries = s->conf.tcp_orphan_retries ? (unsigned int)s->conf.tcp_orphan_retries :
						       TCP_ORPHAN_RETRIES;
		if (t->rto >= TCP_RTO_MAX && t->retransmits > 2)
			return true;
	}
	return timed_out(t, now, retries);
}

static void rto_fire(struct txq *q, struct tcp *t)
{
	struct stack *s = q->stack;
	struct tcp_seg *head = list_first(&t->rtx, struct tcp_seg, node);
	bool thin;

	t->retx_kind = RETX_NONE;
	if (!head)
		return;
	t->tlp_high_seq = 0;
	if (rto_gives_up(t)) {
		tcp_give_up(t);
		return;
	}
	if (t->snd_wnd == 0 && !tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV))) {
		/* The peer shrank its window to nothing: this is a probe, it may go on for long. */
		tcp_enter_loss(t);
		if (!tcp_retransmit(q, t, head, 1))
			tcp_send_probe(q, t, false);
		t->retransmits++;
		goto rearm;
	}
	NET_INC(s, TCPTimeouts);
	tcp_enter_loss(t);
	if (t->retransmits == 0) {
		t->rto_recoveries++;
		t->rto_since_ns = stack_now(s);
	}
	t->total_rto++;
	if (t->retransmits < 255)
		t->retransmits++;
	head = list_first(&t->rtx, struct tcp_seg, node);
	tcp_retransmit(q, t, head, 1);
	net_add(s, NS_TCPSlowStartRetrans, 1);
rearm:
	thin = t->thin_lto && t->packets_out < 4 && t->state == TCPS_ESTABLISHED && t->retransmits <= 6;
	if (!thin && t->backoff < 20)
		t->backoff++;
	tcp_retx_arm(t, RETX_RTO, MIN(t->rto << MIN(t->backoff, 16), TCP_RTO_MAX));
}

static void probe0_fire(struct txq *q, struct tcp *t)
{
	struct stack *s = q->stack;
	int64_t now = stack_now(s);
	unsigned int max = (unsigned int)s->conf.tcp_retries2;

	t->retx_kind = RETX_NONE;
	if (t->packets_out || !(t->unsent_bytes || (t->fin_queued && !t->fin_sent))) {
		t->probes = 0;
		t->probe_since_ns = 0;
		return;
	}
	if (!t->probe_since_ns)
		t->probe_since_ns = now;
	else if (t->user_timeout_ms && now - t->probe_since_ns >= t->user_timeout_ms * NSEC_PER_MSEC)
		goto abort;
	if (t->ep.closed) {
		max = s->conf.tcp_orphan_retries ? (unsigned int)s->conf.tcp_orphan_retries :
						   TCP_ORPHAN_RETRIES;
		if ((t->rto << MIN(t->backoff, 16)) >= TCP_RTO_MAX && t->probes > max)
			goto abort;
	}
	if (t->probes >= max)
		goto abort;
	tcp_probe_window(q, t);
	if (t->packets_out == 0) {
		if (t->backoff < 20)
			t->backoff++;
		t->probes++;
		tcp_check_probe0(t);
	}
	return;
abort:
	tcp_give_up(t);
}

static void keep_fire(struct txq *q, struct tcp *t)
{
	struct stack *s = q->stack;
	int64_t now = stack_now(s), idle;
	int count = t->keepcnt ? t->keepcnt : s->conf.tcp_keepalive_probes;
	int intvl = t->keepintvl ? t->keepintvl : s->conf.tcp_keepalive_intvl;

	t->keep_ns = 0;
	if (t->ep.closed) {
		if (t->state == TCPS_FIN_WAIT2)
			tcp_done(t); /* the peer never said FIN */
		return;
	}
	if (!t->ep.keepalive || tcp_state_in(t, TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_SYN_SENT)))
		return;
	if (t->packets_out || t->unsent_bytes) { /* data is under way: its timers see to it */
		t->keep_ns = now + keep_idle(t);
		return;
	}
	idle = now - MAX(t->last_recv_ns, t->last_ack_ns);
	if (idle < keep_idle(t)) {
		t->keep_ns = now + keep_idle(t) - idle;
		return;
	}
	if ((t->user_timeout_ms && idle >= t->user_timeout_ms * NSEC_PER_MSEC && t->probes > 0) ||
	    (!t->user_timeout_ms && t->probes >= count)) {
		tcp_send_reset(q, t);
		tcp_give_up(t);
		return;
	}
	NET_INC(s, TCPKeepAlive);
	tcp_send_probe(q, t, false);
	t->probes++;
	t->keep_ns = now + intvl * NSEC_PER_SEC;
}

static void delack_fire(struct txq *q, struct tcp *t)
{
	t->delack_ns = 0;
	if (!t->ack_sched)
		return;
	if (t->pingpong < 3)
		t->ato = MIN(t->ato * 2, t->rto);
	else
		t->pingpong = 0, t->ato = TCP_DELACK_MIN;
	NET_INC(q->stack, DelayedACKs);
	tcp_send_ack(q, t);
}

static void retx_fire(struct txq *q, struct tcp *t)
{
	t->retx_ns = 0;
	switch (t->retx_kind) {
	case RETX_RTO:
		rto_fire(q, t);
		break;
	case RETX_PROBE0:
		probe0_fire(q, t);
		break;
	case RETX_TLP:
		tlp_fire(q, t);
		break;
	case RETX_REO:
		rack_reo_timeout(q, t);
		break;
	default:
		break;
	}
}

void tcp_timer_fn(struct ntimer *n, struct txq *q)
{
	struct tcp *t = container_of(n, struct tcp, timer);
	int64_t now = stack_now(q->stack);

	nlock_lock(&t->ep.lock);
	if (t->state != TCPS_CLOSE && t->delack_ns && t->delack_ns <= now)
		delack_fire(q, t);
	if (t->state != TCPS_CLOSE && t->retx_ns && t->retx_ns <= now)
		retx_fire(q, t);
	if (t->state != TCPS_CLOSE && t->keep_ns && t->keep_ns <= now)
		keep_fire(q, t);
	if (t->state != TCPS_CLOSE && t->pace_ns && t->pace_ns <= now) {
		t->pace_ns = 0;
		tcp_push(q, t);
	}
	if (t->state != TCPS_CLOSE)
		tcp_timer_update(t);
	nlock_unlock(&t->ep.lock);
	ep_put(&t->ep);
}
