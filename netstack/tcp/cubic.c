/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cubic.c: CUBIC congestion control (RFC 9438) with HyStart's two ways out of slow start.
 *
 * W(t) = C (t - K)^3 + W_max, in segments and seconds, C = 0.4, and beta = 0.7; in the region where
 * Reno would be faster its window is followed instead.  Times are kept in milliseconds, so that
 * everything fits 64-bit integers: (t - K)^3 of up to 2^60.
 */
#include "netstack/tcp/tcp.h"

#define BETA_NUM       7U
#define BETA_DEN       10U
#define HYSTART_LOW    16U
#define HYSTART_SAMPLES 8U
#define DELAY_MIN_NS   (4 * NSEC_PER_MSEC)
#define DELAY_MAX_NS   (16 * NSEC_PER_MSEC)
#define ACK_DELTA_NS   (2 * NSEC_PER_MSEC)

static void hystart_reset(struct tcp *t)
{
	struct cubic *c = &t->cubic;

	c->round_ns = c->last_ns = stack_now(tcp_stack(t));
	c->end_seq = t->snd_nxt;
	c->curr_rtt = INT64_MAX;
	c->sample_cnt = 0;
}

static void cubic_init(struct tcp *t)
{
	memset(&t->cubic, 0, sizeof(t->cubic));
	hystart_reset(t);
}

static uint32_t cube_root(uint64_t a)
{
	uint64_t lo = 0, hi = 1U << 21;

	while (lo < hi) {
		uint64_t mid = (lo + hi + 1) / 2;

		if (mid * mid * mid <= a)
			lo = mid;
		else
			hi = mid - 1;
	}
	return (uint32_t)lo;
}

/* K in ms for a distance of `dist` segments: cbrt(dist / 0.4) seconds. */
static uint32_t cubic_k(uint32_t dist)
{
	/* (1000 s)^3 * dist / 0.4 = dist * 2.5e9 */
	return cube_root((uint64_t)dist * 2500000000ULL);
}

static void cubic_epoch(struct tcp *t, struct cubic *c, int64_t now, uint32_t acked)
{
	c->epoch_ns = now;
	c->ack_cnt = acked;
	c->tcp_cwnd = t->cwnd;
	if (c->last_max <= t->cwnd) {
		c->k_ms = 0;
		c->origin = t->cwnd;
	} else {
		c->k_ms = cubic_k(c->last_max - t->cwnd);
		c->origin = c->last_max;
	}
}

/* ACKs per increment of the window. */
static void cubic_update(struct tcp *t, uint32_t acked)
{
	struct cubic *c = &t->cubic;
	int64_t now = stack_now(tcp_stack(t)), ms, off;
	uint64_t delta;
	uint32_t target;

	c->ack_cnt += acked;
	if (c->last_cwnd == t->cwnd && c->epoch_ns && now - c->last_ns <= NSEC_PER_SEC / 32)
		goto reno;
	c->last_cwnd = t->cwnd;
	c->last_ns = now;
	if (c->epoch_ns == 0)
		cubic_epoch(t, c, now, acked);
	ms = (now - c->epoch_ns + (c->delay_min > 0 ? c->delay_min : 0)) / NSEC_PER_MSEC;
	off = ms - (int64_t)c->k_ms;
	off = MAX(MIN(off, (int64_t)1000000), (int64_t)-1000000);
	delta = (uint64_t)(off < 0 ? -off : off);
	/* 0.4 * (delta / 1000)^3 */
	delta = delta * delta / 1000 * delta / 2500000;
	delta = MIN(delta, (uint64_t)1 << 20);
	target = off < 0 ? c->origin - (uint32_t)MIN(delta, (uint64_t)c->origin) :
			   c->origin + (uint32_t)delta;
	c->cnt = target > t->cwnd ? t->cwnd / (target - t->cwnd) : 100 * t->cwnd;
	if (c->last_max == 0 && c->cnt > 20)
		c->cnt = 20;
reno: {
	/* The window that Reno with beta 0.7 would have: one segment per 17/9 windows (RFC 9438, 4.3). */
	uint32_t per = t->cwnd * 17 / 9 ? t->cwnd * 17 / 9 : 1;

	while (c->ack_cnt > per) {
		c->ack_cnt -= per;
		c->tcp_cwnd++;
	}
	if (c->tcp_cwnd > t->cwnd) {
		uint32_t max = t->cwnd / (c->tcp_cwnd - t->cwnd);

		c->cnt = MIN(c->cnt, max);
	}
	c->cnt = MAX(c->cnt, 2U);
}
}

static uint32_t cubic_ssthresh(struct tcp *t)
{
	struct cubic *c = &t->cubic;

	c->epoch_ns = 0;
	/* Fast convergence: a smaller maximum than last time leaves room for others. */
	c->last_max = t->cwnd < c->last_max ? t->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN) : t->cwnd;
	return MAX(t->cwnd * BETA_NUM / BETA_DEN, 2U);
}

static void cubic_acked(struct tcp *t, uint32_t acked)
{
	struct cubic *c = &t->cubic;

	if (t->cwnd < t->ssthresh) {
		acked = tcp_slow_start(t, acked);
		if (!acked)
			return;
	}
	cubic_update(t, acked);
	tcp_cong_avoid_ai(t, c->cnt, acked);
}

static void hystart(struct tcp *t, int64_t rtt)
{
	struct cubic *c = &t->cubic;
	int64_t now = stack_now(tcp_stack(t));

	if (seq_after(t->snd_una, c->end_seq))
		hystart_reset(t);
	/* A train of ACKs as long as half a round trip: the pipe is full. */
	if (now - c->last_ns <= ACK_DELTA_NS) {
		c->last_ns = now;
		if (now - c->round_ns > c->delay_min / 2 && c->delay_min > 0)
			c->found = true;
	}
	/* The delay grows: a queue builds up. */
	if (c->sample_cnt < HYSTART_SAMPLES) {
		c->curr_rtt = MIN(c->curr_rtt, rtt);
		c->sample_cnt++;
	} else if (c->curr_rtt > c->delay_min +
		   MIN(MAX(c->delay_min / 8, DELAY_MIN_NS), DELAY_MAX_NS)) {
		c->found = true;
	}
	if (c->found)
		t->ssthresh = t->cwnd;
}

static void cubic_rtt(struct tcp *t, int64_t rtt)
{
	struct cubic *c = &t->cubic;

	/* Samples just after recovery are of a queue that is being emptied. */
	if (c->epoch_ns && stack_now(tcp_stack(t)) - c->epoch_ns < NSEC_PER_SEC)
		return;
	if (c->delay_min == 0 || rtt < c->delay_min)
		c->delay_min = rtt;
	if (!c->found && t->cwnd < t->ssthresh && t->cwnd >= HYSTART_LOW)
		hystart(t, rtt);
}

static void cubic_loss(struct tcp *t)
{
	uint32_t last_max = t->cubic.last_max;

	cubic_init(t);
	t->cubic.last_max = last_max;
}

/* Time that was idle does not count for growth. */
static void cubic_restart(struct tcp *t, int64_t idle)
{
	struct cubic *c = &t->cubic;

	if (c->epoch_ns && idle > 0)
		c->epoch_ns = MIN(c->epoch_ns + idle, stack_now(tcp_stack(t)));
}

static void cubic_undo(struct tcp *t)
{
	t->cubic.last_max = MAX(t->cubic.last_max, t->prior_cwnd);
}

const struct cong_ops cong_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.acked = cubic_acked,
	.rtt = cubic_rtt,
	.loss = cubic_loss,
	.restart = cubic_restart,
	.undo = cubic_undo,
};
