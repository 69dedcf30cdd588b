/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice.c: connections of which both ends are here: bytes go from one endpoint into the other's
 * receive queue, without segments, acknowledgements and timers.
 *
 * It is a short cut, not a state: after each step the sequence numbers, windows and counters of both
 * ends are what they would be had the bytes been sent and acknowledged.  So whenever something is in
 * the way (data under way in segments, no room at the reader, a packet socket that listens, urgent
 * data, FIN), the sender just takes the ordinary path, and comes back here when nothing is under way
 * any more.
 *
 * What was sent before may still be on another worker's queue: only pure ACKs, whose numbers then
 * look old.  tcp_validate() lets those pass for an endpoint with a peer.
 *
 * Locks: both endpoints, the lower address first.  Each end holds a reference to the other until
 * tcp_done().
 */
#include "lib/annotations.h"
#include "lib/uio.h"
#include "netstack/tcp/tcp.h"

#define SPLICE_SMALL 4096U
#define SPLICE_MAX   65536U

/* The other end, if it is in this stack.  t locked. */
static void splice_find(struct tcp *t)
{
	struct flow f = { .laddr = t->node.raddr, .raddr = t->node.laddr, .lport = t->node.rport,
			  .rport = t->node.lport };
	struct tcp_node *n;

	t->peer_sought = true;
	if (!t->ep.dst.valid || t->ep.dst.type != ROUTE_LOCAL)
		return;
	n = tcp_node_lookup(tcp_stack(t), &f);
	if (!n)
		return;
	if (n->kind == NODE_CONN && n != &t->node)
		t->peer = container_of(n, struct tcp, node); /* with the lookup's reference */
	else
		tcp_node_put(n);
	if (n->kind == NODE_REQ)
		t->peer_sought = false; /* its handshake is not over */
}

NO_TSA struct tcp *tcp_splice_lock(struct tcp *t)
{
	struct tcp *p;

	nlock_lock(&t->ep.lock);
	if (t->state != TCPS_ESTABLISHED && t->state != TCPS_CLOSE_WAIT)
		return NULL;
	/* What goes the ordinary way stays in order before what would be spliced; the reader, who may be copying, is not waited for. */
	if (t->packets_out || t->unsent_bytes)
		return NULL;
	if (!t->peer && !t->peer_sought)
		splice_find(t);
	p = t->peer;
	if (!p)
		return NULL;
	ep_get(&p->ep);
	if (p > t) {
		nlock_lock_nested(&p->ep.lock);
		return p;
	}
	nlock_unlock(&t->ep.lock);
	nlock_lock(&p->ep.lock);
	nlock_lock_nested(&t->ep.lock);
	if (t->peer == p)
		return p;
	nlock_unlock(&p->ep.lock);
	ep_put(&p->ep);
	return NULL;
}

NO_TSA void tcp_splice_unlock(struct tcp *t, struct tcp *p)
{
	if (p)
		nlock_unlock(&p->ep.lock);
	nlock_unlock(&t->ep.lock);
	if (p)
		ep_put(&p->ep);
}

NO_TSA void tcp_splice_unlock_peer(struct tcp *p)
{
	nlock_unlock(&p->ep.lock);
	ep_put(&p->ep);
}

static bool splice_ready(struct tcp *t, struct tcp *p)
{
	struct stack *s = tcp_stack(t);

	return t->packets_out == 0 && t->unsent_bytes == 0 && !t->fin_queued && !t->urg_out &&
	       p->rcv_nxt == t->snd_nxt && !tree_first(&p->ofo) && !p->urg_valid && !p->fin_rcvd &&
	       tcp_state_in(p, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_FIN_WAIT1) |
				       TCPS_BIT(TCPS_FIN_WAIT2)) &&
	       !p->ep.closed && !(p->ep.shut & SHUT_BIT_RD) &&
	       !atomic_load_explicit(&p->ep.filter, memory_order_relaxed) &&
	       !atomic_load_explicit(&s->ntaps, memory_order_relaxed) &&
	       nic_up(t->ep.dst.nic) && dst_ok(s, &t->ep.dst) && !t->cork && !t->more &&
	       t->ep.pacing_rate == UINT64_MAX && !t->ep.ext && !p->ep.rx6;
}

/* One packet of up to n bytes for the reader.  The count, or -errno. */
static ssize_t splice_packet(struct tcp *t, struct tcp *p, struct uio *u, size_t n)
{
	struct pkt *tail = list_empty(&p->rcvq) ? NULL : list_entry(p->rcvq.prev, struct pkt, node);
	struct pbuf *b;
	struct pkt *k;
	ssize_t got;
	void *to;

	if (n <= SPLICE_SMALL && tail && tail->nfrags == 0 && (to = pkt_append(tail, n)) != NULL) {
		got = uio_get(u, to, n);
		tail->tstamp_ns = 0;
		tcp_stamp_received(p, tail);
		if (got < (ssize_t)n)
			pkt_trim(tail, tail->len - n + (got > 0 ? (size_t)got : 0));
		return got;
	}
	k = pkt_new(0, n <= SPLICE_SMALL ? MAX(n, (size_t)512) : 0);
	if (!k)
		return -ENOBUFS;
	if (n <= SPLICE_SMALL) {
		got = uio_get(u, pkt_append(k, n), n);
		pkt_trim(k, got > 0 ? (size_t)got : 0);
	} else {
		b = pbuf_new(n);
		got = b ? uio_get(u, b->bytes, n) : -ENOBUFS;
		if (got > 0)
			pkt_add_frag(k, b, 0, (uint32_t)got);
		pbuf_put(b);
	}
	if (got <= 0) {
		pkt_free(k);
		return got ? got : -EFAULT;
	}
	k->nic = t->ep.dst.nic;
	k->cb.tcp.seq = p->rcv_nxt;
	tcp_stamp_received(p, k);
	list_append(&p->rcvq, &k->node);
	p->rcv_mem += k->truesize;
	stack_mem_force(tcp_stack(p), k->truesize);
	return got;
}

/* Both ends as after data and its acknowledgement. */
static void splice_account(struct tcp *t, struct tcp *p, uint32_t n)
{
	t->write_seq += n;
	t->snd_nxt = t->snd_una = t->push_seq = t->snd_sml = t->write_seq;
	t->bytes_sent += n;
	t->bytes_acked += n;
	t->last_send_ns = t->last_ack_ns = p->last_recv_ns = stack_now(tcp_stack(t));
	p->rcv_nxt += n;
	p->bytes_received += n;
	p->rcv_ssthresh = MAX(p->rcv_ssthresh, MIN(p->window_clamp, tcp_rcv_space(p)));
	t->snd_wnd = tcp_select_window(p);
	tcp_window_seen(t, t->snd_wnd);
	tcp_ack_sent(p);
	net_add(tcp_stack(t), NS_LoopbackSpliceBytes, n);
}

ssize_t tcp_splice_send(struct tcp *t, struct tcp *p, struct uio *u)
{
	ssize_t done = 0, n;

	if (!splice_ready(t, p))
		return 0;
	while (uio_left(u)) {
		uint32_t room = (uint32_t)p->ep.rcvbuf > p->rcv_mem ? (uint32_t)p->ep.rcvbuf - p->rcv_mem : 0;
		size_t want = MIN(uio_left(u), (size_t)SPLICE_MAX);

		if (room < want + sizeof(struct pkt) && !list_empty(&p->rcvq))
			break;
		if (stack_memory(tcp_stack(t)) > atomic_load(&tcp_stack(t)->mem_limit))
			break;
		n = splice_packet(t, p, u, want);
		if (n <= 0) {
			if (done == 0)
				done = n;
			break;
		}
		splice_account(t, p, (uint32_t)n);
		done += n;
		if ((size_t)n < want)
			break;
	}
	if (done > 0 && tcp_readable(p) >= (uint32_t)p->ep.rcvlowat)
		ep_wake(&p->ep, POLLIN | POLLRDNORM);
	return done;
}
