/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tw.c: TIME_WAIT.  A small object takes the place of the endpoint in the table for 60 seconds: it
 * acknowledges what comes again, and lets a new SYN in when its number or time stamp shows that it
 * is no old duplicate (RFC 6191).
 */
#include "netstack/tcp/tcp.h"

void tcp_tw_free(struct tcp_tw *w)
{
	mem_free(w);
}

/* Out of the tables; gives the table's and the timer's references back. */
void tcp_tw_kill(struct tcp_tw *w)
{
	struct stack *s = w->stack;

	if (ntimer_cancel(s, &w->timer))
		tcp_node_put(&w->node);
	if (tcp_node_remove(s, &w->node)) {
		ports_release(s, &w->claim);
		atomic_fetch_sub(&s->eps->tw_count, 1);
		tcp_node_put(&w->node);
	}
}

static void tw_timer(struct ntimer *t, struct txq *q)
{
	struct tcp_tw *w = container_of(t, struct tcp_tw, timer);

	(void)q;
	tcp_tw_kill(w);
	tcp_node_put(&w->node);
}

static void tw_arm(struct tcp_tw *w)
{
	ref_get(&w->ref);
	if (!ntimer_arm(w->stack, &w->timer, stack_now(w->stack) + TCP_TIMEWAIT_NS))
		tcp_node_put(&w->node);
}

void tcp_time_wait(struct tcp *t)
{
	struct stack *s = tcp_stack(t);
	struct tcp_tw *w = NULL;
	struct flow f = { .laddr = t->node.laddr, .raddr = t->node.raddr, .lport = t->node.lport,
			  .rport = t->node.rport };

	if (atomic_load(&s->eps->tw_count) < (unsigned int)s->conf.tcp_max_tw_buckets)
		w = mem_new(struct tcp_tw);
	if (!w) {
		NET_INC(s, TCPTimeWaitOverflow);
		tcp_done(t);
		return;
	}
	ref_init(&w->ref); /* the table's */
	tcp_node_init(&w->node, NODE_TW, &w->ref, &f);
	latch_init(&w->latch);
	ntimer_init(&w->timer, tw_timer);
	w->stack = s;
	w->snd_nxt = t->snd_nxt;
	w->rcv_nxt = t->rcv_nxt;
	w->rcv_wnd = t->rcv_wnd;
	w->rcv_wscale = t->rcv_wscale;
	w->ts_ok = t->ts_ok;
	w->ts_recent = t->ts_recent;
	w->ts_recent_ns = t->ts_recent_ns;
	w->ts_off = t->ts_off;
	w->ifindex = ipa_needs_scope(t->ep.raddr) ? t->ep.raddr_scope : 0;
	w->tos = (uint8_t)(ipa_is4(t->ep.raddr) ? t->ep.tos : t->ep.tclass);
	w->uid = t->ep.uid;
	w->claim.reuse = t->ep.reuse;
	w->claim.reuseport = t->ep.reuseport;
	w->claim.v6only = t->ep.v6only;
	ports_inherit(s, &w->claim, PORTS_TCP, NULL, t->ep.laddr, t->ep.lport);
	NET_INC(s, TW);
	if (!tcp_node_replace(s, &t->node, &w->node)) {
		ports_release(s, &w->claim);
		mem_free(w);
		tcp_done(t);
		return;
	}
	atomic_fetch_add(&s->eps->tw_count, 1);
	tw_arm(w);
	ep_put(&t->ep); /* the table's reference to the endpoint; the caller has one */
	t->state = TCPS_TIME_WAIT; /* an orderly end, not an abort */
	tcp_done(t);
}

static void tw_ack(struct txq *q, struct tcp_tw *w)
{
	struct tcp_bare b = { .src = w->node.laddr, .dst = w->node.raddr, .sport = w->node.lport,
			      .dport = w->node.rport, .seq = w->snd_nxt, .ack = w->rcv_nxt,
			      .flags = TH_ACK, .ifindex = w->ifindex, .tos = w->tos };
	uint8_t opts[12] = { TCPO_NOP, TCPO_NOP, TCPO_TS, 10 };

	b.window = (uint16_t)MIN(w->rcv_wnd >> w->rcv_wscale, TCP_MAX_WINDOW);
	if (w->ts_ok) {
		wr32(opts + 4, tcp_ts_at(stack_now(w->stack), w->ts_off));
		wr32(opts + 8, w->ts_recent);
		b.opts = opts;
		b.opts_len = sizeof(opts);
	}
	tcp_send_bare(q, &b);
}

bool tcp_tw_input(struct txq *q, struct nic *n, struct tcp_tw *w, struct pkt *p, uint32_t *iss)
{
	struct stack *s = q->stack;
	int64_t now = stack_now(s);
	bool paws_bad = false, ack = false, kill = false, fresh;
	uint8_t flags = p->cb.tcp.flags;
	struct tcp_opts o;

	tcp_parse_opts(p, &o);
	latch_lock(&w->latch);
	if (w->ts_ok && o.ts)
		paws_bad = seq_before(o.tsval, w->ts_recent) && now - w->ts_recent_ns < TCP_PAWS_24DAYS;
	fresh = seq_after(p->cb.tcp.seq, w->rcv_nxt) ||
		(w->ts_ok && o.ts && seq_before(w->ts_recent, o.tsval));
	if ((flags & TH_SYN) && !(flags & (TH_RST | TH_ACK)) && !paws_bad && fresh) {
		*iss = w->snd_nxt + 65535 + 2;
		if (*iss == 0)
			*iss = 1;
		latch_unlock(&w->latch);
		tcp_tw_kill(w);
		(void)n;
		return true;
	}
	if (!paws_bad && p->cb.tcp.seq == w->rcv_nxt &&
	    (p->cb.tcp.seq == p->cb.tcp.end_seq || (flags & TH_RST))) {
		if (flags & TH_RST)
			kill = !s->conf.tcp_rfc1337;
		else if (o.ts) {
			w->ts_recent = o.tsval;
			w->ts_recent_ns = now;
		}
	} else if (!(flags & TH_RST)) {
		/* Old data or FIN again: say where we are, not more often than every 500 ms. */
		ack = now - w->last_ack_ns >= s->conf.tcp_invalid_ratelimit * NSEC_PER_MSEC ||
		      w->last_ack_ns == 0 || (flags & TH_FIN);
		if (ack)
			w->last_ack_ns = now;
	}
	if (paws_bad)
		NET_INC(s, PAWSEstab);
	latch_unlock(&w->latch);
	if (kill)
		tcp_tw_kill(w);
	else if (ack) {
		if (flags & TH_FIN)
			tw_arm(w);
		tw_ack(q, w);
	}
	pkt_free(p);
	return false;
}
