/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recv.c: the receiving side: queues, reassembly, SACK and D-SACK blocks, the window we offer and
 * its tuning, delayed acknowledgements, urgent data, FIN, and reading.
 *
 * t->rcvq holds packets in order from copied_seq to rcv_nxt; t->ofo is a tree of packets that do
 * not overlap, all beyond rcv_nxt.  rcv_mem is the memory of both; when it exceeds the receive
 * buffer, small packets are merged, and then out-of-order ones are given up, the last first.
 *
 * Bulk data of many connections is acknowledged by who reads it: half as often as it comes (reader_acks()).
 */
#include "lib/uio.h"
#include "netstack/tcp/tcp.h"

#define COLLAPSE_SIZE 16384U
#define READER_BULK   (256U << 10) /* read within a round trip: then what comes is acknowledged when it is read, */
#define READER_ACKS   (192U << 10) /* up to so much, and half of what comes in a round trip */

int tcp_ofo_cmp(const struct tree_node *a, const struct tree_node *b)
{
	uint32_t x = container_of(a, struct pkt, tnode)->cb.tcp.seq;
	uint32_t y = container_of(b, struct pkt, tnode)->cb.tcp.seq;

	return seq_before(x, y) ? -1 : seq_after(x, y);
}

static int ofo_key(const void *key, const struct tree_node *n)
{
	uint32_t x = *(const uint32_t *)key, y = container_of(n, struct pkt, tnode)->cb.tcp.seq;

	return seq_before(x, y) ? -1 : seq_after(x, y);
}

/* ---- the window ---- */

/* Payload that the free part of the buffer stands for. */
uint32_t tcp_rcv_space(struct tcp *t)
{
	uint32_t buf = (uint32_t)t->ep.rcvbuf;

	return t->rcv_mem < buf ? (buf - t->rcv_mem) / 2 : 0;
}

static uint32_t receive_window(const struct tcp *t)
{
	int32_t w = (int32_t)(t->rcv_wup + t->rcv_wnd - t->rcv_nxt);

	return w < 0 ? 0 : (uint32_t)w;
}

static uint32_t wanted_window(struct tcp *t)
{
	uint32_t free = tcp_rcv_space(t), full = MIN(t->window_clamp, (uint32_t)t->ep.rcvbuf / 2);
	uint32_t mss = MIN(t->rcv_mss, full), w;

	if (mss == 0)
		return 0;
	if (free < full / 2) {
		t->quick = 0;
		if (free < full >> 4 || free < mss)
			return 0;
	}
	free = MIN(free, t->rcv_ssthresh);
	if (t->rcv_wscale) {
		w = ALIGN_UP(free, 1U << t->rcv_wscale);
	} else {
		w = t->rcv_wnd;
		if (w + mss <= free || w > free)
			w = free - free % mss;
		else if (mss == full && free > w + full / 2)
			w = free;
	}
	return w;
}

uint32_t tcp_select_window(struct tcp *t)
{
	uint32_t cur = receive_window(t), w = wanted_window(t), max;
	uint32_t old = t->rcv_wnd;

	if (w < cur) {
		if (w == 0)
			NET_INC(tcp_stack(t), TCPWantZeroWindowAdv);
		w = ALIGN_UP(cur, 1U << t->rcv_wscale); /* never shrink (RFC 9293) */
	}
	max = TCP_MAX_WINDOW << t->rcv_wscale;
	w = MIN(w, max);
	t->rcv_wnd = w;
	t->rcv_wup = t->rcv_nxt;
	if (w == 0 && old)
		NET_INC(tcp_stack(t), TCPToZeroWindowAdv);
	else if (w && !old)
		NET_INC(tcp_stack(t), TCPFromZeroWindowAdv);
	return w;
}

void tcp_init_rcv_space(struct tcp *t)
{
	int64_t now = stack_now(tcp_stack(t));

	t->rcv_mss = MIN(MIN(t->mss, t->advmss ? t->advmss : t->mss), (uint32_t)t->rcv_wnd / 2);
	t->rcv_mss = MAX(MIN(t->rcv_mss, TCP_MSS_DEFAULT), 88U);
	t->window_clamp = MIN(t->window_clamp, MAX((uint32_t)t->ep.rcvbuf / 2, t->rcv_wnd));
	t->rcv_ssthresh = MIN(MAX(t->rcv_ssthresh, t->rcv_wnd), t->window_clamp);
	t->rcvq_space = MIN(t->rcv_wnd, TCP_INIT_CWND * t->mss);
	t->rcvq_seq = t->copied_seq;
	t->rcvq_ns = t->rcv_rtt_ns = now;
	t->rcv_rtt_seq = t->rcv_nxt + t->rcv_wnd;
}

static void grow_window(struct tcp *t, uint32_t len)
{
	uint32_t top = MIN(t->window_clamp, tcp_rcv_space(t)), room;

	if (t->rcv_ssthresh >= top)
		return;
	room = top - t->rcv_ssthresh;
	t->rcv_ssthresh += MIN(room, MAX(2 * t->rcv_mss, 2 * len));
	if (!t->pingpong && t->quick == 0)
		t->quick = 1;
}

/* Dynamic right-sizing: as much buffer as the application reads in a round trip, doubled. */
static void adjust_space(struct tcp *t)
{
	struct stack *s = tcp_stack(t);
	int64_t now = stack_now(s);
	uint32_t copied;
	uint64_t win, grow;

	if (t->rcv_rtt == 0 || now - t->rcvq_ns < t->rcv_rtt)
		return;
	copied = t->copied_seq - t->rcvq_seq;
	if (copied > t->rcvq_space) {
		if (s->conf.tcp_moderate_rcvbuf && !t->ep.rcvbuf_locked) {
			win = 2ULL * copied + 16ULL * t->rcv_mss;
			grow = win * (copied - t->rcvq_space) / MAX(t->rcvq_space, 1U);
			win += 2 * grow;
			win = MIN(win * 2, (uint64_t)s->conf.tcp_rmem_max);
			if (win > (uint64_t)t->ep.rcvbuf) {
				t->ep.rcvbuf = (int)win;
				if (t->wscale_ok)
					t->window_clamp = (uint32_t)win / 2;
			}
		}
		t->rcvq_space = copied;
	}
	t->rcvq_seq = t->copied_seq;
	t->rcvq_ns = now;
}

static void rcv_rtt_update(struct tcp *t, int64_t sample, bool by_window)
{
	sample = MAX(sample, NSEC_PER_USEC);
	if (t->rcv_rtt == 0)
		t->rcv_rtt = sample;
	else if (by_window)
		t->rcv_rtt = MIN(t->rcv_rtt, sample);
	else
		t->rcv_rtt += (sample - t->rcv_rtt) / 8;
}

void tcp_rcv_rtt_ts(struct tcp *t, const struct tcp_opts *o, const struct pkt *p)
{
	int64_t now = stack_now(tcp_stack(t));

	if (t->ts_ok && o->ts && o->tsecr && o->tsecr != t->ts_ecr_last && p->len >= t->rcv_mss) {
		uint32_t ms = tcp_ts_at(now, t->ts_off) - o->tsecr;

		t->ts_ecr_last = o->tsecr;
		if (ms < 1U << 22)
			rcv_rtt_update(t, (int64_t)MAX(ms, 1U) * NSEC_PER_MSEC, false);
	}
	if (!seq_before(t->rcv_nxt, t->rcv_rtt_seq)) {
		rcv_rtt_update(t, now - t->rcv_rtt_ns, true);
		t->rcv_rtt_seq = t->rcv_nxt + t->rcv_wnd;
		t->rcv_rtt_ns = now;
	}
}

void tcp_measure_rcv_mss(struct tcp *t, const struct pkt *p)
{
	uint32_t len = p->gso_size ? p->gso_size : p->len;

	if (len >= t->rcv_mss)
		t->rcv_mss = MIN(len, MAX(t->advmss, t->mss));
}

/* ---- acknowledging ---- */

static void quick_more(struct tcp *t, unsigned int count)
{
	uint32_t quick = t->rcv_wnd / (2 * MAX(t->rcv_mss, 1U));

	quick = MIN(MAX(quick, 2U), count);
	t->quick = (uint8_t)MAX((uint32_t)t->quick, quick);
}

void tcp_quickack(struct tcp *t, unsigned int count)
{
	quick_more(t, count);
	t->pingpong = 0;
	t->ato = TCP_DELACK_MIN;
}

void tcp_ack_sent(struct tcp *t)
{
	if (t->quick && --t->quick == 0)
		t->ato = TCP_DELACK_MIN;
	t->ack_sched = false;
	t->ack_now = 0;
	t->delack_ns = 0;
	t->last_ack_sent = t->rcv_nxt;
}

void tcp_schedule_delack(struct tcp *t)
{
	int64_t after = MIN(t->ato, TCP_DELACK_MAX), due;

	if (t->pingpong < 3)
		after = MIN(after, t->srtt ? MAX(t->srtt, TCP_DELACK_MIN) : TCP_DELACK_MAX);
	due = stack_now(tcp_stack(t)) + MAX(after, NSEC_PER_MSEC);
	if (!t->delack_ns || due < t->delack_ns)
		t->delack_ns = due;
}

/*
 * The reader acknowledges what it has read (cleanup_rbuf()).  While many have much to read this is left to it, as long as it is
 * little beside what is under way: the sender has as much again to go on with, and the timer for delayed ones is set in any case.
 */
static bool reader_acks(struct tcp *t)
{
	return stack_memory(tcp_stack(t)) > TCP_QUEUES_MANY && t->rcvq_space >= READER_BULK &&
	       t->rcv_nxt - t->rcv_wup <= MIN(READER_ACKS, t->rcvq_space / 2);
}

void tcp_ack_check(struct txq *q, struct tcp *t)
{
	bool quick;

	if (t->ack_now) {
		tcp_send_ack(q, t);
		return;
	}
	if (!t->ack_sched)
		return;
	quick = t->quick && t->pingpong < 3;
	if (quick || tree_first(&t->ofo) ||
	    (t->rcv_nxt - t->rcv_wup > t->rcv_mss && wanted_window(t) >= receive_window(t) && !reader_acks(t)))
		tcp_send_ack(q, t);
	else
		tcp_schedule_delack(t);
}

static void data_received(struct tcp *t)
{
	int64_t now = stack_now(tcp_stack(t)), gap = now - t->last_recv_ns;

	t->ack_sched = true;
	t->last_recv_ns = now;
	if (t->bytes_received == 0) {
		quick_more(t, 16);
		t->ato = TCP_DELACK_MIN;
	} else if (gap <= TCP_DELACK_MIN / 2) {
		t->ato = t->ato / 2 + TCP_DELACK_MIN / 2;
	} else if (gap < t->ato) {
		t->ato = MIN(t->ato / 2 + gap, t->rto);
	} else if (gap > t->rto) {
		quick_more(t, 16); /* too long a pause: the sender may have restarted */
	}
}

static void set_dsack(struct tcp *t, uint32_t start, uint32_t end)
{
	if (!t->sack_ok || !tcp_stack(t)->conf.tcp_dsack)
		return;
	net_add(tcp_stack(t), seq_before(start, t->rcv_nxt) ? NS_TCPDSACKOldSent : NS_TCPDSACKOfoSent, 1);
	t->dsack = true;
	t->dsack_range = (struct tcp_range){ start, end };
}

/* The answer to an old or unacceptable segment. */
void tcp_dupack(struct txq *q, struct tcp *t, const struct pkt *p)
{
	if (p->cb.tcp.end_seq != p->cb.tcp.seq && seq_before(p->cb.tcp.seq, t->rcv_nxt)) {
		uint32_t end = p->cb.tcp.end_seq;

		tcp_quickack(t, 16);
		if (seq_after(end, t->rcv_nxt))
			end = t->rcv_nxt;
		set_dsack(t, p->cb.tcp.seq, end);
	}
	tcp_send_ack(q, t);
}

/* ---- SACK blocks ---- */

static void sack_move_front(struct tcp *t, unsigned int i)
{
	struct tcp_range r = t->sacks[i];

	memmove(&t->sacks[1], &t->sacks[0], i * sizeof(r));
	t->sacks[0] = r;
}

static void sack_merge(struct tcp *t)
{
	for (unsigned int i = 1; i < t->nsacks;) {
		if (!seq_after(t->sacks[i].start, t->sacks[0].end) &&
		    !seq_before(t->sacks[i].end, t->sacks[0].start)) {
			if (seq_before(t->sacks[i].start, t->sacks[0].start))
				t->sacks[0].start = t->sacks[i].start;
			if (seq_after(t->sacks[i].end, t->sacks[0].end))
				t->sacks[0].end = t->sacks[i].end;
			t->nsacks--;
			memmove(&t->sacks[i], &t->sacks[i + 1],
				(t->nsacks - i) * sizeof(t->sacks[0]));
		} else {
			i++;
		}
	}
}

static void sack_add(struct tcp *t, uint32_t start, uint32_t end)
{
	if (!t->sack_ok)
		return;
	for (unsigned int i = 0; i < t->nsacks; i++)
		if (!seq_after(start, t->sacks[i].end) && !seq_before(end, t->sacks[i].start)) {
			if (seq_before(start, t->sacks[i].start))
				t->sacks[i].start = start;
			if (seq_after(end, t->sacks[i].end))
				t->sacks[i].end = end;
			sack_move_front(t, i);
			sack_merge(t);
			return;
		}
	if (t->nsacks < ARRAY_SIZE(t->sacks))
		t->nsacks++;
	memmove(&t->sacks[1], &t->sacks[0], (t->nsacks - 1U) * sizeof(t->sacks[0]));
	t->sacks[0] = (struct tcp_range){ start, end };
}

/* Drop blocks that rcv_nxt has passed. */
static void sack_advance(struct tcp *t)
{
	unsigned int k = 0;

	if (!tree_first(&t->ofo)) {
		t->nsacks = 0;
		return;
	}
	for (unsigned int i = 0; i < t->nsacks; i++)
		if (seq_after(t->sacks[i].end, t->rcv_nxt))
			t->sacks[k++] = t->sacks[i];
	t->nsacks = (uint8_t)k;
}

/* ---- queues ---- */

static void charge(struct tcp *t, const struct pkt *p)
{
	t->rcv_mem += p->truesize;
	stack_mem_force(tcp_stack(t), p->truesize);
}

static void uncharge(struct tcp *t, const struct pkt *p)
{
	t->rcv_mem -= p->truesize;
	stack_mem_uncharge(tcp_stack(t), p->truesize);
}

/* n bytes of p, the head of the queue, where copied_seq is, have been read.  True: that was all of it, it is gone. */
static bool consume(struct tcp *t, struct pkt *p, uint32_t n)
{
	ASSERT(p->cb.tcp.seq == t->copied_seq && n <= p->len);
	t->copied_seq += n;
	pkt_drop(p, n);
	p->cb.tcp.seq = t->copied_seq;
	if (p->len)
		return false;
	list_remove(&p->node);
	uncharge(t, p);
	pkt_free(p);
	return true;
}

/* Small packets would cost more in descriptors than they hold: gather them. */
static bool coalesce(struct tcp *t, struct pkt *p)
{
	struct pkt *tail = list_empty(&t->rcvq) ? NULL : list_entry(t->rcvq.prev, struct pkt, node);
	void *to;

	if (p->len > 2048)
		return false;
	if (tail && tail->nfrags == 0 && (to = pkt_append(tail, p->len)) != NULL) {
		pkt_copy(p, 0, to, p->len);
		tail->tstamp_ns = p->tstamp_ns;
		NET_INC(tcp_stack(t), TCPRcvCoalesce);
		pkt_free(p);
		return true;
	}
	if (t->rcv_mem > (uint32_t)t->ep.rcvbuf / 4) {
		struct pkt *c = pkt_new(0, COLLAPSE_SIZE);

		if (!c)
			return false;
		c->nic = p->nic;
		c->cb.tcp = p->cb.tcp;
		c->tstamp_ns = p->tstamp_ns;
		pkt_copy(p, 0, pkt_append(c, p->len), p->len);
		pkt_free(p);
		NET_INC(tcp_stack(t), TCPRcvCollapsed);
		list_append(&t->rcvq, &c->node);
		charge(t, c);
		return true;
	}
	return false;
}

uint32_t tcp_queue_long(struct tcp *t)
{
	return stack_memory(tcp_stack(t)) > TCP_QUEUES_MANY ? TCP_QUEUE_LONG / 4 : TCP_QUEUE_LONG;
}

/* size bytes from a link have joined the queue: is the reader far behind? */
static void note_long(struct tcp *t, size_t size)
{
	uint32_t limit = tcp_queue_long(t);

	if (t->rcv_nxt - t->copied_seq <= limit || t->ep.rcvlowat > (int)limit / 2)
		return;
	t->rx_long = limit / 2;
	atomic_fetch_add_explicit(&tcp_stack(t)->rx_long, size, memory_order_relaxed);
}

/* The reader has read. */
static void note_short(struct tcp *t)
{
	if (!t->rx_long)
		return;
	atomic_fetch_add_explicit(&tcp_stack(t)->rx_reads, 1, memory_order_relaxed);
	if (t->rcv_nxt - t->copied_seq > t->rx_long)
		return;
	t->rx_long = 0;
	wq_wake(&tcp_stack(t)->rx_room, 0);
}

static void queue_in_order(struct tcp *t, struct pkt *p)
{
	t->rcv_nxt += p->len;
	t->bytes_received += p->len;
	if (p->len == 0) {
		pkt_free(p);
		return;
	}
	if (coalesce(t, p))
		return;
	list_append(&t->rcvq, &p->node);
	charge(t, p);
}

static void ofo_remove(struct tcp *t, struct pkt *p)
{
	tree_remove(&t->ofo, &p->tnode);
	list_init(&p->node);
	uncharge(t, p);
}

/* Make room by giving up out-of-order packets, the farthest first.  The sender keeps them. */
static void ofo_prune(struct tcp *t)
{
	struct tree_node *n;
	bool any = false;

	while (t->rcv_mem > (uint32_t)t->ep.rcvbuf && (n = tree_last(&t->ofo)) != NULL) {
		struct pkt *p = container_of(n, struct pkt, tnode);

		ofo_remove(t, p);
		pkt_free(p);
		any = true;
		NET_INC(tcp_stack(t), TCPOFODrop);
	}
	if (any)
		t->nsacks = 0; /* what we reported may be gone (RFC 2018 allows it) */
}

static bool have_room(struct tcp *t, const struct pkt *p, bool in_order)
{
	struct stack *s = tcp_stack(t);
	bool mem_ok = stack_memory(s) + p->truesize <=
		      atomic_load_explicit(&s->mem_limit, memory_order_relaxed);

	if (t->rcv_mem <= (uint32_t)t->ep.rcvbuf && (mem_ok || t->rcv_mem == 0))
		return true;
	if (!in_order)
		return false;
	ofo_prune(t);
	return (t->rcv_mem <= (uint32_t)t->ep.rcvbuf && mem_ok) || list_empty(&t->rcvq);
}

/* FIN has arrived in order.  May turn t into a TIME_WAIT. */
static void rcv_fin(struct txq *q, struct tcp *t)
{
	t->rcv_nxt++;
	t->fin_rcvd = true;
	t->ep.shut |= SHUT_BIT_RD;
	t->ack_now = 1;
	switch (t->state) {
	case TCPS_ESTABLISHED:
		tcp_set_state(t, TCPS_CLOSE_WAIT);
		t->pingpong = 3;
		break;
	case TCPS_FIN_WAIT1:
		tcp_set_state(t, TCPS_CLOSING);
		tcp_send_ack(q, t);
		break;
	case TCPS_FIN_WAIT2:
		tcp_send_ack(q, t);
		tcp_time_wait(t);
		break;
	default:
		break;
	}
	ep_wake(&t->ep, POLLIN | POLLRDNORM | POLLRDHUP |
			    (t->ep.shut == (SHUT_BIT_RD | SHUT_BIT_WR) ? POLLHUP : 0));
}

/* What has become in order. */
static void ofo_drain(struct txq *q, struct tcp *t)
{
	struct tree_node *n;

	while ((n = tree_first(&t->ofo)) != NULL) {
		struct pkt *p = container_of(n, struct pkt, tnode);
		bool fin = p->cb.tcp.flags & TH_FIN;
		uint32_t seq = p->cb.tcp.seq;

		if (seq_after(seq, t->rcv_nxt))
			break;
		ofo_remove(t, p);
		if (!seq_after(seq + p->len, t->rcv_nxt) && !(fin && seq + p->len == t->rcv_nxt)) {
			pkt_free(p);
			continue;
		}
		pkt_drop(p, t->rcv_nxt - seq);
		p->cb.tcp.seq = t->rcv_nxt;
		queue_in_order(t, p);
		if (fin) {
			rcv_fin(q, t);
			break;
		}
	}
	sack_advance(t);
}

static void queue_ofo(struct tcp *t, struct pkt *p)
{
	uint32_t seq = p->cb.tcp.seq, end = seq + p->len;
	struct tree_node *n;
	struct pkt *o;

	t->rcv_ooopack++;
	t->ack_now = 1;
	NET_INC(tcp_stack(t), TCPOFOQueue);
	if (!have_room(t, p, false)) {
		NET_INC(tcp_stack(t), TCPOFODrop);
		pkt_free(p);
		return;
	}
	n = tree_floor(&t->ofo, &seq, ofo_key);
	if (n) {
		o = container_of(n, struct pkt, tnode);
		if (seq_after(o->cb.tcp.seq + o->len, seq)) {
			uint32_t oend = o->cb.tcp.seq + o->len;

			if (!seq_after(end, oend)) {
				set_dsack(t, seq, end);
				NET_INC(tcp_stack(t), TCPOFOMerge);
				sack_add(t, seq, end);
				pkt_free(p);
				return;
			}
			set_dsack(t, seq, oend);
			pkt_drop(p, oend - seq);
			seq = p->cb.tcp.seq = oend;
		}
	}
	while ((n = tree_lower(&t->ofo, &seq, ofo_key)) != NULL) {
		o = container_of(n, struct pkt, tnode);
		if (!seq_before(o->cb.tcp.seq, end))
			break;
		if (!seq_after(o->cb.tcp.seq + o->len, end)) { /* covered by the new one */
			set_dsack(t, o->cb.tcp.seq, o->cb.tcp.seq + o->len);
			ofo_remove(t, o);
			pkt_free(o);
			continue;
		}
		set_dsack(t, o->cb.tcp.seq, end);
		pkt_trim(p, o->cb.tcp.seq - seq);
		p->cb.tcp.flags &= (uint8_t)~TH_FIN;
		end = seq + p->len;
		break;
	}
	if (p->len == 0 && !(p->cb.tcp.flags & TH_FIN)) {
		pkt_free(p);
		return;
	}
	charge(t, p);
	tree_insert(&t->ofo, &p->tnode);
	if (p->len)
		sack_add(t, seq, end);
}

void tcp_data(struct txq *q, struct tcp *t, struct pkt *p)
{
	bool fin = p->cb.tcp.flags & TH_FIN, looped = p->flags & PKT_LOOPED;
	uint32_t seq = p->cb.tcp.seq, end = seq + p->len, size, wnd;

	if (!p->len && !fin)
		goto drop;
	tcp_stamp_received(t, p);
	if (!tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
				     TCPS_BIT(TCPS_FIN_WAIT2))) {
		if (seq_before(seq, t->rcv_nxt))
			t->ack_now = 1; /* their FIN again */
		goto drop;
	}
	wnd = receive_window(t);
	if (!seq_after(end + fin, t->rcv_nxt)) {
		set_dsack(t, seq, end + fin);
		NET_INC(tcp_stack(t), DelayedACKLost);
		tcp_quickack(t, 16);
		t->ack_now = 1;
		goto drop;
	}
	if (p->len && (wnd == 0 || !seq_before(seq, t->rcv_nxt + wnd))) {
		NET_INC(tcp_stack(t), TCPZeroWindowDrop);
		tcp_quickack(t, 16);
		t->ack_now = 1;
		goto drop;
	}
	if (seq_before(seq, t->rcv_nxt)) {
		set_dsack(t, seq, t->rcv_nxt);
		t->ack_now = 1;
		pkt_drop(p, t->rcv_nxt - seq);
		seq = p->cb.tcp.seq = t->rcv_nxt;
	}
	if (seq_after(end, t->rcv_nxt + wnd)) {
		pkt_trim(p, t->rcv_nxt + wnd - seq);
		p->cb.tcp.flags &= (uint8_t)~TH_FIN;
		fin = false;
		t->ack_now = 1;
	}
	data_received(t);
	if (seq != t->rcv_nxt) {
		queue_ofo(t, p);
		return;
	}
	if (!have_room(t, p, true)) {
		NET_INC(tcp_stack(t), TCPRcvQDrop);
		t->ack_now = 1;
		goto drop;
	}
	grow_window(t, p->len);
	if (tree_first(&t->ofo))
		t->ack_now = 1; /* a hole is being filled (RFC 5681) */
	size = p->len;
	queue_in_order(t, p);
	if (!looped)
		note_long(t, size);
	if (fin)
		rcv_fin(q, t);
	else if (tree_first(&t->ofo))
		ofo_drain(q, t);
	if (tcp_readable(t) >= (uint32_t)t->ep.rcvlowat || t->fin_rcvd)
		ep_wake(&t->ep, POLLIN | POLLRDNORM);
	return;
drop:
	pkt_free(p);
}

/* ---- urgent data ---- */

void tcp_urgent(struct tcp *t, struct pkt *p)
{
	uint32_t at = p->cb.tcp.seq + (p->cb.tcp.urg ? p->cb.tcp.urg - 1U : 0U), off;

	if (seq_before(at, t->copied_seq))
		return;
	if (!seq_before(at, t->rcv_nxt) && (!t->urg_valid || seq_after(at, t->urg_seq))) {
		struct pkt *head = list_first(&t->rcvq, struct pkt, node);

		/* The old urgent byte is next to be read: it stays in the stream no more. */
		if (t->urg_valid && t->urg_seq == t->copied_seq && !t->ep.oobinline && !t->urg_read && head)
			consume(t, head, 1);
		t->urg_valid = true;
		t->urg_seen = t->urg_read = false;
		t->urg_seq = at;
		if (t->ep.urgent_fn)
			t->ep.urgent_fn(t->ep.urgent_arg);
	}
	off = t->urg_seq - p->cb.tcp.seq;
	if (t->urg_valid && !t->urg_seen && !t->urg_read && off < p->len) {
		pkt_copy(p, off, &t->urg_byte, 1);
		t->urg_seen = true;
		ep_wake(&t->ep, POLLPRI);
	}
}

/* ---- reading ---- */

uint32_t tcp_readable(struct tcp *t)
{
	uint32_t n = t->rcv_nxt - t->fin_rcvd - t->copied_seq;

	if (t->state == TCPS_LISTEN || t->state == TCPS_SYN_SENT || list_empty(&t->rcvq))
		return 0;
	if (t->urg_valid && !t->ep.oobinline && seq_between(t->urg_seq, t->copied_seq, t->rcv_nxt - 1))
		n -= n > 0;
	return n;
}

/* After reading: is it worth telling the peer of the new room? */
static void cleanup_rbuf(struct txq *q, struct tcp *t, uint32_t copied)
{
	uint32_t now_wnd, want;
	bool send = false;

	if (t->ack_sched && copied) {
		/* As Linux: an ACK is due once the reader has emptied the queue of full segments. */
		if (t->rcv_nxt - t->rcv_wup > t->rcv_mss)
			send = true;
	}
	if (copied && !send && !(t->ep.shut & SHUT_BIT_RD)) {
		now_wnd = receive_window(t);
		if (2ULL * now_wnd <= t->window_clamp) {
			want = wanted_window(t);
			if (want && want >= 2ULL * now_wnd)
				send = true;
		}
	}
	if (send && tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
					    TCPS_BIT(TCPS_FIN_WAIT2)))
		tcp_send_ack(q, t);
}

static ssize_t recv_urgent(struct tcp *t, struct uio *u, struct ep_msg *m)
{
	if (t->ep.oobinline || !t->urg_valid || t->urg_read)
		return -EINVAL;
	if (t->state == TCPS_CLOSE && !t->urg_seen)
		return -ENOTCONN;
	if (!t->urg_seen)
		return (t->ep.shut & SHUT_BIT_RD) ? 0 : -EAGAIN;
	if (!(m->flags & MSG_PEEK))
		t->urg_read = true;
	m->out_flags |= MSG_OOB;
	if (uio_left(u) == 0) {
		m->out_flags |= MSG_TRUNC;
		return 0;
	}
	return uio_put(u, &t->urg_byte, 1);
}

/* Copy from the queue at seq, up to an urgent mark.  *skip: the byte there is to be left out. */
static ssize_t copy_some(struct tcp *t, struct pkt *p, uint32_t seq, struct uio *u, int flags,
			 bool *skip)
{
	uint32_t off = seq - p->cb.tcp.seq, n = p->len - off;

	*skip = false;
	if (t->urg_valid && seq_between(t->urg_seq, seq, seq + n - 1)) {
		uint32_t to_mark = t->urg_seq - seq;

		if (to_mark) {
			n = to_mark;
		} else if (!t->ep.oobinline) {
			*skip = true;
			return 0;
		}
	}
	n = (uint32_t)MIN((size_t)n, uio_left(u));
	if (flags & MSG_TRUNC) {
		uio_advance(u, n);
		return n;
	}
	return pkt_to_uio(p, off, n, u);
}

static ssize_t nothing_to_read(struct tcp *t)
{
	int err;

	if (t->fin_rcvd) /* whatever came after it, the stream has its end */
		return 0;
	err = ep_take_error(&t->ep);
	if (err)
		return -err;
	if (t->ep.shut & SHUT_BIT_RD)
		return t->state == TCPS_CLOSE && !t->ep.connected ? -ENOTCONN : 0;
	if (t->state == TCPS_CLOSE)
		return -ENOTCONN;
	return -EAGAIN;
}

/* As much of the queue as fits, in one copy: nothing urgent about it.  The count, or -EFAULT. */
static ssize_t recv_plain(struct tcp *t, struct uio *u)
{
	struct iovec iov[UIO_GATHER_MAX];
	size_t want = uio_left(u), count = 0;
	ssize_t got, left;
	struct pkt *p;

	list_for_each_entry(p, &t->rcvq, node) {
		size_t n;

		if (want == 0 || count + PKT_FRAGS + 1 > UIO_GATHER_MAX)
			break;
		for (n = (size_t)pkt_iovec(p, iov + count); n && want; n--, count++) {
			iov[count].iov_len = MIN(iov[count].iov_len, want);
			want -= iov[count].iov_len;
		}
	}
	if (count == 0)
		return 0;
	got = left = uio_putv(u, iov, count);
	while (left > 0) {
		p = list_first(&t->rcvq, struct pkt, node);
		want = MIN((size_t)left, (size_t)p->len);
		left -= (ssize_t)want;
		t->read_stamp_ns = p->tstamp_ns;
		consume(t, p, (uint32_t)want);
	}
	return got;
}

/* The same with marks, peeking and discarding, packet by packet. */
static ssize_t recv_queue(struct tcp *t, struct uio *u, struct ep_msg *m)
{
	uint32_t seq = t->copied_seq, copied = 0;
	struct pkt *p, *tmp;
	ssize_t n = 0;
	bool skip, mark = false;

	if ((m->flags & MSG_PEEK) && t->ep.peek_off > 0)
		seq += MIN((uint32_t)t->ep.peek_off, t->rcv_nxt - t->copied_seq);
	list_for_each_entry_safe(p, tmp, &t->rcvq, node) {
		if (!seq_after(p->cb.tcp.seq + p->len, seq))
			continue;
		while (uio_left(u) && p->cb.tcp.seq + p->len != seq) {
			/* Stop at the mark once something was read before it. */
			if (t->urg_valid && seq == t->urg_seq && copied && !mark) {
				n = 0;
				goto done;
			}
			n = copy_some(t, p, seq, u, m->flags, &skip);
			if (n < 0)
				goto done;
			if (skip)
				n = 1;
			else
				copied += (uint32_t)n;
			mark = skip;
			t->read_stamp_ns = p->tstamp_ns;
			seq += (uint32_t)n;
			if (!(m->flags & MSG_PEEK)) {
				bool gone = consume(t, p, (uint32_t)n);

				if (t->urg_valid && seq_after(t->copied_seq, t->urg_seq))
					t->urg_valid = false;
				if (gone)
					break;
			}
			if (n == 0)
				goto done;
		}
		if (!uio_left(u))
			break;
	}
done:
	return copied ? (ssize_t)copied : MIN(n, 0);
}

ssize_t tcp_recv(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m)
{
	struct tcp *t = tcp_of(e);
	ssize_t copied;

	if (t->state == TCPS_LISTEN)
		return -ENOTCONN;
	if (m->flags & MSG_OOB)
		return recv_urgent(t, u, m);
	if (list_empty(&t->rcvq))
		return nothing_to_read(t);
	if (uio_left(u) == 0)
		return 0;
	tcp_copy_begin(t);
	if (!t->urg_valid && !(m->flags & (MSG_PEEK | MSG_TRUNC)))
		copied = recv_plain(t, u);
	else
		copied = recv_queue(t, u, m);
	tcp_copy_end(q, t);
	if (copied <= 0)
		return copied ? copied : nothing_to_read(t);
	ep_peek_move(&t->ep, m->flags & MSG_PEEK ? (size_t)copied : 0, m->flags & MSG_PEEK ? 0 : (size_t)copied);
	if (!(m->flags & MSG_PEEK) && t->state != TCPS_CLOSE) {
		adjust_space(t);
		cleanup_rbuf(q, t, (uint32_t)copied);
		tcp_timer_update(t);
	}
	note_short(t);
	tcp_stamp_read(t, t->read_stamp_ns, m);
	if (t->inq) {
		m->ctl.mask |= EP_CTL_INQ;
		m->ctl.inq = MAX(tcp_readable(t), (uint32_t)t->fin_rcvd); /* read on: there is an end to be seen */
	}
	return copied;
}
