/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cong.c: what congestion controls share: slow start, Reno's increase (RFC 5681), proportional rate
 * reduction (RFC 6937), restart after idle (RFC 2861); and Reno itself.
 */
#include "netstack/tcp/tcp.h"

#define CWND_MAX 1048576U

uint32_t tcp_slow_start(struct tcp *t, uint32_t acked)
{
	uint32_t cwnd = MIN(t->cwnd + acked, t->ssthresh);

	acked -= cwnd - t->cwnd;
	t->cwnd = MIN(cwnd, CWND_MAX);
	return acked;
}

/* One more per w acknowledged. */
void tcp_cong_avoid_ai(struct tcp *t, uint32_t w, uint32_t acked)
{
	if (t->cwnd_cnt >= w) {
		t->cwnd_cnt = 0;
		t->cwnd++;
	}
	t->cwnd_cnt += acked;
	if (t->cwnd_cnt >= w) {
		uint32_t delta = t->cwnd_cnt / w;

		t->cwnd_cnt -= delta * w;
		t->cwnd += delta;
	}
	t->cwnd = MIN(t->cwnd, CWND_MAX);
}

static void reno_init(struct tcp *t)
{
	(void)t;
}

static uint32_t reno_ssthresh(struct tcp *t)
{
	return MAX(t->cwnd / 2, 2U);
}

static void reno_acked(struct tcp *t, uint32_t acked)
{
	if (t->cwnd < t->ssthresh) {
		acked = tcp_slow_start(t, acked);
		if (!acked)
			return;
	}
	tcp_cong_avoid_ai(t, t->cwnd, acked);
}

static void reno_rtt(struct tcp *t, int64_t rtt_ns)
{
	(void)t;
	(void)rtt_ns;
}

static void reno_restart(struct tcp *t, int64_t idle_ns)
{
	(void)t;
	(void)idle_ns;
}

const struct cong_ops cong_reno = {
	.name = "reno",
	.init = reno_init,
	.ssthresh = reno_ssthresh,
	.acked = reno_acked,
	.rtt = reno_rtt,
	.loss = reno_init,
	.restart = reno_restart,
	.undo = reno_init,
};

static const struct cong_ops *const congs[] = { &cong_cubic, &cong_reno };

const struct cong_ops *cong_find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(congs); i++)
		if (strcmp(congs[i]->name, name) == 0)
			return congs[i];
	return NULL;
}

const char *net_congestion_name(unsigned int index)
{
	return index < ARRAY_SIZE(congs) ? congs[index]->name : NULL;
}

const struct cong_ops *cong_default(struct stack *s)
{
	return congs[s->conf.tcp_congestion];
}

/* ---- proportional rate reduction ---- */

void tcp_cwnd_reduction_begin(struct tcp *t)
{
	t->high_seq = t->snd_nxt;
	t->tlp_high_seq = 0;
	t->cwnd_cnt = 0;
	t->prior_cwnd = t->cwnd;
	t->prr_delivered = t->prr_out = 0;
	t->ssthresh = t->cong->ssthresh(t);
	t->ecn_queue_cwr = t->ecn_ok;
}

void tcp_cwnd_reduce(struct tcp *t, uint32_t delivered, uint32_t lost, bool advanced)
{
	int32_t delta = (int32_t)(t->ssthresh - tcp_in_flight(t)), sndcnt;

	if (delivered == 0 || t->prior_cwnd == 0)
		return;
	t->prr_delivered += delivered;
	if (delta < 0) {
		uint64_t dividend = (uint64_t)t->ssthresh * t->prr_delivered + t->prior_cwnd - 1;

		sndcnt = (int32_t)(dividend / t->prior_cwnd) - (int32_t)t->prr_out;
	} else {
		sndcnt = MAX((int32_t)(t->prr_delivered - t->prr_out), (int32_t)delivered);
		if (advanced && !lost)
			sndcnt++;
		sndcnt = MIN(delta, sndcnt);
	}
	/* The first transmission of recovery is always allowed. */
	sndcnt = MAX(sndcnt, t->prr_out ? 0 : 1);
	t->cwnd = tcp_in_flight(t) + (uint32_t)sndcnt;
}

void tcp_cwnd_reduction_end(struct tcp *t)
{
	if (t->rack_persist)
		t->rack_persist--;
	if (t->ssthresh < INT32_MAX && (t->ca == CA_CWR || t->undo_marker)) {
		t->cwnd = t->ssthresh;
		t->cwnd_stamp = stack_now(tcp_stack(t));
	}
}

/* ---- validation ---- */

void tcp_slow_start_after_idle(struct tcp *t)
{
	int64_t idle = stack_now(tcp_stack(t)) - t->last_send_ns;
	uint32_t restart = MIN(TCP_INIT_CWND, t->cwnd), cwnd = t->cwnd;

	if (t->packets_out || idle <= t->rto || !tcp_stack(t)->conf.tcp_slow_start_after_idle)
		return;
	t->cong->restart(t, idle);
	t->ssthresh = MAX(t->ssthresh, MAX(t->cwnd / 2 + t->cwnd / 4, 2U));
	for (idle -= t->rto; idle > 0 && cwnd > restart; idle -= t->rto)
		cwnd /= 2;
	t->cwnd = MAX(cwnd, restart);
	t->cwnd_stamp = stack_now(tcp_stack(t));
	t->cwnd_used = 0;
}

bool tcp_cwnd_is_limited(const struct tcp *t)
{
	/* In slow start twice of what is used may be reached. */
	return t->cwnd_limited || (t->cwnd < t->ssthresh && t->cwnd < 2 * t->max_packets_out);
}

/* A window that was not used for a while shrinks half-way to what was (RFC 2861, tcp_cwnd_application_limited()). */
static void cwnd_unused(struct tcp *t, int64_t now)
{
	if (t->ca == CA_OPEN && !t->nospace) {
		uint32_t used = MAX(t->cwnd_used, TCP_INIT_CWND);

		if (used < t->cwnd) {
			t->ssthresh = MAX(t->ssthresh, t->cwnd / 2 + t->cwnd / 4);
			t->cwnd = (t->cwnd + used) / 2;
		}
		t->cwnd_used = 0;
	}
	t->cwnd_stamp = now;
}

void tcp_cwnd_validate(struct tcp *t, bool limited)
{
	int64_t now = stack_now(tcp_stack(t));

	/* The strongest sign in this window of how far it is used. */
	if (!seq_before(t->snd_una, t->rack_high_seq) || limited ||
	    (!t->cwnd_limited && t->packets_out > t->max_packets_out)) {
		t->max_packets_out = t->packets_out;
		t->rack_high_seq = t->snd_nxt;
		t->cwnd_limited = limited;
	}
	if (tcp_cwnd_is_limited(t)) {
		t->cwnd_used = 0;
		t->cwnd_stamp = now;
	} else {
		t->cwnd_used = MAX(t->cwnd_used, t->packets_out);
		if (tcp_stack(t)->conf.tcp_slow_start_after_idle && now - t->cwnd_stamp >= t->rto)
			cwnd_unused(t, now);
	}
}
