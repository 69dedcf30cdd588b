/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c: the life of a TCP connection: its table, numbers to begin with, its end; segments that
 * belong to no connection; ICMP errors.
 *
 * The table is sharded by the hash of the four addresses; each shard is a hash under a latch.  A
 * lookup takes a reference while it holds the latch.
 */
#include "netstack/tcp/tcp.h"

/* ---- the table ---- */

static uint64_t flow_hash(const struct ipa *la, const struct ipa *ra, uint16_t lp, uint16_t rp)
{
	uint64_t h = hash_bytes(4, la->b, 16);

	h = hash_bytes(h, ra->b, 16);
	return hash_u64(h, (uint64_t)lp << 16 | rp);
}

static struct conn_shard *shard_of(struct stack *s, uint64_t h)
{
	return &s->eps->conns[(h >> 48) % CONN_SHARDS];
}

void tcp_node_init(struct tcp_node *n, enum tcp_node_kind kind, struct ref *ref, const struct flow *f)
{
	n->kind = (uint8_t)kind;
	n->ref = ref;
	n->laddr = f->laddr;
	n->raddr = f->raddr;
	n->lport = f->lport;
	n->rport = f->rport;
	n->hashed = false;
}

static bool node_is(const struct tcp_node *n, const struct tcp_node *o)
{
	return n->lport == o->lport && n->rport == o->rport && ipa_eq(n->laddr, o->laddr) &&
	       ipa_eq(n->raddr, o->raddr);
}

static uint64_t node_hash(const struct tcp_node *n)
{
	return flow_hash(&n->laddr, &n->raddr, n->lport, n->rport);
}

static struct tcp_node *shard_find(struct conn_shard *sh, const struct tcp_node *key, uint64_t h)
{
	struct hash_node *hn;

	for (hn = hash_first(&sh->hash, h); hn; hn = hash_next(hn)) {
		struct tcp_node *n = container_of(hn, struct tcp_node, hn);

		if (node_is(n, key))
			return n;
	}
	return NULL;
}

struct tcp_node *tcp_node_lookup(struct stack *s, const struct flow *f)
{
	struct tcp_node key = { .laddr = f->laddr, .raddr = f->raddr, .lport = f->lport,
				.rport = f->rport }, *n;
	uint64_t h = node_hash(&key);
	struct conn_shard *sh = shard_of(s, h);

	latch_lock(&sh->latch);
	n = shard_find(sh, &key, h);
	if (n && !ref_try_get(n->ref))
		n = NULL;
	latch_unlock(&sh->latch);
	return n;
}

int tcp_node_insert(struct stack *s, struct tcp_node *n, struct tcp_tw **tw)
{
	uint64_t h = node_hash(n);
	struct conn_shard *sh = shard_of(s, h);
	struct tcp_node *o;
	int err = 0;

	latch_lock(&sh->latch);
	o = shard_find(sh, n, h);
	if (!o) {
		hash_insert(&sh->hash, &n->hn, h);
		n->hashed = true;
	} else {
		err = -EADDRNOTAVAIL;
		if (tw && o->kind == NODE_TW && ref_try_get(o->ref))
			*tw = container_of(o, struct tcp_tw, node);
	}
	latch_unlock(&sh->latch);
	return err;
}

bool tcp_node_remove(struct stack *s, struct tcp_node *n)
{
	uint64_t h = node_hash(n);
	struct conn_shard *sh = shard_of(s, h);
	bool was;

	latch_lock(&sh->latch);
	was = n->hashed;
	if (was)
		hash_remove(&sh->hash, &n->hn);
	n->hashed = false;
	latch_unlock(&sh->latch);
	return was;
}

bool tcp_node_replace(struct stack *s, struct tcp_node *old, struct tcp_node *new)
{
	uint64_t h = node_hash(old);
	struct conn_shard *sh = shard_of(s, h);
	bool was;

	latch_lock(&sh->latch);
	was = old->hashed;
	if (was) {
		hash_remove(&sh->hash, &old->hn);
		old->hashed = false;
		hash_insert(&sh->hash, &new->hn, h);
		new->hashed = true;
	}
	latch_unlock(&sh->latch);
	return was;
}

void tcp_node_put(struct tcp_node *n)
{
	switch (n->kind) {
	case NODE_CONN:
		ep_put(&container_of(n, struct tcp, node)->ep);
		break;
	case NODE_REQ:
		if (ref_put(n->ref))
			tcp_req_free(container_of(n, struct tcp_req, node));
		break;
	default:
		if (ref_put(n->ref))
			tcp_tw_free(container_of(n, struct tcp_tw, node));
	}
}

void tcp_table_fini(struct stack *s)
{
	for (unsigned int i = 0; i < CONN_SHARDS; i++) {
		struct hash *h = &s->eps->conns[i].hash;
		struct hash_node *n, *tmp;
		size_t b;

		hash_for_each(h, b, n, tmp) {
			struct tcp_node *t = container_of(n, struct tcp_node, hn);

			/* Endpoints hold the stack, and requests their listener: only these are left. */
			ASSERT(t->kind == NODE_TW);
			tcp_tw_kill(container_of(t, struct tcp_tw, node));
		}
	}
}

static void mini_info(struct tcp_node *n, struct ep_info *i)
{
	memset(i, 0, sizeof(*i));
	i->family = ipa_is4(n->laddr) ? AF_INET : AF_INET6;
	i->type = SOCK_STREAM;
	i->proto = IPPROTO_TCP;
	i->state = n->kind == NODE_TW ? TCPS_TIME_WAIT : TCPS_SYN_RECV;
	i->local = (struct net_addr){ .family = (uint16_t)i->family, .port = n->lport, .ip = n->laddr };
	i->remote = (struct net_addr){ .family = (uint16_t)i->family, .port = n->rport, .ip = n->raddr };
	i->timer = n->kind == NODE_TW ? 3 : 1;
}

int tcp_for_each_mini(struct stack *s, int (*fn)(void *arg, const struct ep_info *i), void *arg)
{
	int err = 0;

	for (unsigned int i = 0; i < CONN_SHARDS && err == 0; i++) {
		struct conn_shard *sh = &s->eps->conns[i];
		struct ep_info *list;
		struct hash_node *n, *tmp;
		size_t b, count = 0, max;

		latch_lock(&sh->latch);
		max = sh->hash.count;
		latch_unlock(&sh->latch);
		list = mem_calloc(max ? max : 1, sizeof(*list));
		if (!list)
			return -ENOMEM;
		latch_lock(&sh->latch);
		hash_for_each(&sh->hash, b, n, tmp) {
			struct tcp_node *t = container_of(n, struct tcp_node, hn);

			if (t->kind != NODE_CONN && count < max)
				mini_info(t, &list[count++]);
		}
		latch_unlock(&sh->latch);
		for (size_t k = 0; k < count && err == 0; k++)
			err = fn(arg, &list[k]);
		mem_free(list);
	}
	return err;
}

/* ---- numbers ---- */

/* RFC 6528: a clock of 64 ns steps and a keyed hash of the addresses. */
uint32_t tcp_new_iss(struct stack *s, const struct flow *f)
{
	uint64_t key, h;

	memcpy(&key, s->secret, sizeof(key));
	h = hash_u64(key, flow_hash(&f->laddr, &f->raddr, f->lport, f->rport));
	return (uint32_t)h + (uint32_t)(stack_now(s) >> 6);
}

uint32_t tcp_new_ts_off(struct stack *s, const struct flow *f)
{
	uint64_t key;

	if (s->conf.tcp_timestamps != 1)
		return 0;
	memcpy(&key, s->secret + 8, sizeof(key));
	return (uint32_t)hash_u64(key, flow_hash(&f->laddr, &f->raddr, 0, 0));
}

/* ---- life ---- */

void tcp_init(struct tcp *t, struct stack *s)
{
	/* Options that stay over a disconnect live beyond this; all else starts at zero. */
	list_init(&t->accept_node);
	list_init(&t->unsent);
	list_init(&t->rtx);
	list_init(&t->tsorted);
	list_init(&t->rcvq);
	list_init(&t->stamps);
	tree_init(&t->ofo, tcp_ofo_cmp);
	ntimer_init(&t->timer, tcp_timer_fn);
	tcp_node_init(&t->node, NODE_CONN, &t->ep.ref, &(struct flow){ .lport = 0 });
	t->state = TCPS_CLOSE;
	t->passive = false;
	if (!t->ep.rcvbuf_locked)
		t->ep.rcvbuf = s->conf.tcp_rmem_def;
	if (!t->ep.sndbuf_locked)
		t->ep.sndbuf = s->conf.tcp_wmem_def;
	t->mss = t->peer_mss = TCP_MSS_DEFAULT;
	t->probe_mss = t->pmtu = 0;
	t->srtt = t->mdev_max = t->rttvar = 0;
	t->rto = t->mdev = TCP_RTO_INIT;
	t->cwnd = TCP_INIT_CWND;
	t->ssthresh = INT32_MAX;
	t->reordering = (uint32_t)s->conf.tcp_reordering;
	if (!t->cong)
		t->cong = cong_default(s);
	t->ato = TCP_DELACK_MIN;
	if (!t->window_clamp)
		t->window_clamp = UINT32_MAX;
	t->min_rtt = INT64_MAX;
	t->rack_steps = 1;
	t->rack_rtt = t->rack_sent_ns = 0;
	t->quickack_opt = 1;
	t->ca = CA_OPEN;
	t->retransmits = t->backoff = t->probes = 0;
	t->undo_marker = t->tlp_high_seq = 0;
	t->retrans_stamp = 0;
	t->fin_queued = t->fin_sent = t->fin_rcvd = t->urg_out = t->urg_valid = false;
	t->nsacks = 0;
	t->dsack = t->ecn_demand_cwr = t->ecn_queue_cwr = false;
	t->snd_wnd = t->max_window = 0;
	t->rcv_rtt = 0;
	t->total_retrans = 0;
	t->delivered = 0;
	t->bytes_acked = t->bytes_received = t->bytes_sent = t->bytes_retrans = 0;
	t->segs_in = t->segs_out = t->data_segs_in = t->data_segs_out = 0;
	t->ack_sched = t->nospace = t->more = t->push_now = t->rwnd_limited = false;
	t->chrono = CHRONO_IDLE;
	memset(t->chrono_ns, 0, sizeof(t->chrono_ns));
	t->total_rto = t->rto_recoveries = t->received_ce = t->delivered_ce = 0;
	t->rto_since_ns = t->rto_ns = 0;
	t->ack_now = t->quick = t->pingpong = 0;
	t->ts_recent = 0;
	t->probe_since_ns = t->pace_next_ns = 0;
	t->peer_sought = false;
}

struct tcp *tcp_alloc(struct stack *s, int family)
{
	struct ep *e = ep_alloc(s, &tcp_ops, family, SOCK_STREAM, IPPROTO_TCP);

	if (!e)
		return NULL;
	tcp_ops.init(e);
	return tcp_of(e);
}

void tcp_free_chunks(struct tcp *t)
{
	struct tcp_chunk *c, *tmp;

	list_for_each_entry_safe(c, tmp, &t->unsent, node) {
		list_remove(&c->node);
		pbuf_put(c->buf);
		mem_free(c);
	}
	t->unsent_bytes = 0;
}

/* Drop all that is queued. */
void tcp_purge(struct tcp *t)
{
	struct tcp_seg *s, *st;
	struct tree_node *n;

	list_for_each_entry_safe(s, st, &t->rtx, node)
		tcp_seg_free(s);
	tcp_free_chunks(t);
	tcp_stamps_purge(t);
	list_init(&t->tsorted);
	t->packets_out = t->sacked_out = t->lost_out = t->retrans_out = 0;
	stack_mem_uncharge(tcp_stack(t), t->charged);
	t->charged = 0;
	while ((n = tree_first(&t->ofo)) != NULL) {
		struct pkt *p = container_of(n, struct pkt, tnode);

		tree_remove(&t->ofo, n);
		t->rcv_mem -= p->truesize;
		stack_mem_uncharge(tcp_stack(t), p->truesize);
		list_init(&p->node);
		pkt_free(p);
	}
}

void tcp_purge_rcvq(struct tcp *t)
{
	struct list *n;

	while ((n = list_shift(&t->rcvq)) != NULL) {
		struct pkt *p = list_entry(n, struct pkt, node);

		t->rcv_mem -= p->truesize;
		stack_mem_uncharge(tcp_stack(t), p->truesize);
		pkt_free(p);
	}
}

void tcp_set_state(struct tcp *t, enum tcp_state state)
{
	if (t->state == state)
		return;
	if (state == TCPS_CLOSE && tcp_state_in(t, TCPS_BIT(TCPS_ESTABLISHED) | TCPS_BIT(TCPS_CLOSE_WAIT)))
		NET_INC(tcp_stack(t), TcpEstabResets);
	if (state == TCPS_CLOSE && tcp_state_in(t, TCPS_BIT(TCPS_SYN_SENT) | TCPS_BIT(TCPS_SYN_RECV)))
		NET_INC(tcp_stack(t), TcpAttemptFails);
	t->state = (uint8_t)state;
}

void tcp_done(struct tcp *t)
{
	struct stack *s = tcp_stack(t);

	tcp_set_state(t, TCPS_CLOSE);
	t->ep.shut = SHUT_BIT_RD | SHUT_BIT_WR;
	t->retx_ns = t->delack_ns = t->keep_ns = t->pace_ns = 0;
	t->retx_kind = RETX_NONE;
	if (ntimer_cancel(s, &t->timer))
		ep_put(&t->ep);
	if (t->orphan) {
		t->orphan = false;
		atomic_fetch_sub(&s->eps->orphans, 1);
	}
	/* A port that bind gave stays with the socket; one that connect chose is free again. */
	if (!t->ep.port_bound || t->ep.closed)
		ports_release(s, &t->ep.claim);
	tcp_purge(t);
	if (t->ep.closed)
		tcp_purge_rcvq(t);
	if (t->peer) {
		ep_put(&t->peer->ep);
		t->peer = NULL;
	}
	if (tcp_node_remove(s, &t->node))
		ep_put(&t->ep);
	ep_wake(&t->ep, POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDHUP);
}

void tcp_fail(struct tcp *t, int error)
{
	if (error)
		atomic_store_explicit(&t->ep.err, error, memory_order_relaxed);
	tcp_done(t);
}

/* ---- options ---- */

static void parse_sacks(const uint8_t *o, size_t len, struct tcp_opts *out)
{
	if ((len - 2) % 8 || len < 10)
		return;
	out->nsacks = 0;
	for (size_t i = 2; i + 8 <= len && out->nsacks < 4; i += 8) {
		out->sacks[out->nsacks].start = rd32(o + i);
		out->sacks[out->nsacks].end = rd32(o + i + 4);
		out->nsacks++;
	}
}

/* The header is linear and its length was checked.  False: malformed beyond use. */
bool tcp_parse_opts(const struct pkt *p, struct tcp_opts *out)
{
	const struct tcp_hdr *h = (const void *)p->trans;
	const uint8_t *o = p->trans + TCP_HLEN;
	size_t len = (h->off >> 4) * 4U - TCP_HLEN, n;

	memset(out, 0, sizeof(*out));
	while (len) {
		if (o[0] == TCPO_EOL)
			return true;
		if (o[0] == TCPO_NOP) {
			o++;
			len--;
			continue;
		}
		if (len < 2 || o[1] < 2 || o[1] > len)
			return true; /* as Linux: what came before counts */
		n = o[1];
		switch (o[0]) {
		case TCPO_MSS:
			if (n == 4 && (h->flags & TH_SYN))
				out->mss = rd16(o + 2);
			break;
		case TCPO_WSCALE:
			if (n == 3 && (h->flags & TH_SYN)) {
				out->wscale_ok = true;
				out->wscale = MIN(o[2], (uint8_t)TCP_MAX_WSCALE);
			}
			break;
		case TCPO_SACK_OK:
			if (n == 2 && (h->flags & TH_SYN))
				out->sack_ok = true;
			break;
		case TCPO_SACK:
			parse_sacks(o, n, out);
			break;
		case TCPO_TS:
			if (n == 10) {
				out->ts = true;
				out->tsval = rd32(o + 2);
				out->tsecr = rd32(o + 6);
			}
			break;
		default:
			break;
		}
		o += n;
		len -= n;
	}
	return true;
}

/* ---- segments for nobody ---- */

void tcp_send_rst_reply(struct txq *q, struct nic *n, struct pkt *p)
{
	struct tcp_bare b = { .src = p->dst, .dst = p->src, .ifindex = ipa_needs_scope(p->src) ? n->ifindex : 0 };
	const struct tcp_hdr *h = (const void *)p->trans;

	if ((p->cb.tcp.flags & TH_RST) || ipa_is_multicast(p->src) || ipa_is_multicast(p->dst) ||
	    (p->flags & (PKT_BROADCAST | PKT_MULTICAST)))
		return;
	if (!(p->flags & PKT_LOOPED) &&
	    !token_take(&q->stack->rst_bucket, stack_now(q->stack), 10000, 1000))
		return;
	b.sport = ntohs(h->dport);
	b.dport = ntohs(h->sport);
	b.flags = TH_RST;
	if (p->cb.tcp.flags & TH_ACK) {
		b.seq = p->cb.tcp.ack;
	} else {
		b.flags |= TH_ACK;
		b.ack = p->cb.tcp.end_seq;
	}
	NET_INC(q->stack, TcpOutRsts);
	tcp_send_bare(q, &b);
}

static bool tcp_header_ok(struct stack *s, struct pkt *p)
{
	const struct tcp_hdr *h = (const void *)p->data;
	size_t hlen;

	if (!pkt_linear(p, TCP_HLEN))
		return false;
	hlen = (h->off >> 4) * 4U;
	if (hlen < TCP_HLEN || !pkt_linear(p, hlen))
		return false;
	if (!(p->flags & PKT_CSUM_OK) &&
	    csum_fold(pkt_csum(p, 0, p->len, csum_pseudo(p->src, p->dst, PROTO_TCP, p->len))) != 0) {
		NET_INC(s, TcpInCsumErrors);
		return false;
	}
	return true;
}

static void tcp_fill_cb(struct pkt *p)
{
	const struct tcp_hdr *h = (const void *)p->data;
	size_t hlen = (h->off >> 4) * 4U;

	p->trans = p->data;
	p->cb.tcp.seq = ntohl(h->seq);
	p->cb.tcp.ack = ntohl(h->ack);
	p->cb.tcp.flags = h->flags;
	p->cb.tcp.window = ntohs(h->window);
	p->cb.tcp.urg = ntohs(h->urg);
	pkt_pull(p, hlen);
	p->cb.tcp.end_seq = p->cb.tcp.seq + p->len + !!(h->flags & TH_SYN) + !!(h->flags & TH_FIN);
}

/* t locked; consumes p. */
static void conn_rcv(struct txq *q, struct tcp *t, struct pkt *p)
{
	struct tcp_opts o;

	if (t->state == TCPS_CLOSE) {
		tcp_send_rst_reply(q, p->nic, p);
		pkt_free(p);
		return;
	}
	tcp_parse_opts(p, &o);
	tcp_rcv(q, t, p, &o);
}

/* The holder of the lock is copying: it will take p when it has done so. */
static bool backlog_add(struct ep *e, struct pkt *p)
{
	bool took;

	latch_lock(&e->backlog_latch);
	took = e->copying && e->backlog_bytes + p->truesize <= (uint32_t)e->rcvbuf;
	if (took) {
		list_append(&e->backlog, &p->node);
		e->backlog_bytes += p->truesize;
		if (e->backlog_bytes > tcp_queue_long(tcp_of(e)) / 2 && !(p->flags & PKT_LOOPED))
			atomic_fetch_add_explicit(&e->stack->rx_long, p->len, memory_order_relaxed);
	}
	latch_unlock(&e->backlog_latch);
	return took;
}

void tcp_copy_begin(struct tcp *t)
{
	latch_lock(&t->ep.backlog_latch);
	t->ep.copying = true;
	latch_unlock(&t->ep.backlog_latch);
}

void tcp_copy_end(struct txq *q, struct tcp *t)
{
	struct list pkts, *n;

	list_init(&pkts);
	latch_lock(&t->ep.backlog_latch);
	t->ep.copying = false;
	if (t->ep.backlog_bytes > tcp_queue_long(t) / 2) /* as backlog_add() has said */
		t->rx_long = tcp_queue_long(t) / 2;
	list_splice(&pkts, &t->ep.backlog);
	t->ep.backlog_bytes = 0;
	latch_unlock(&t->ep.backlog_latch);
	while ((n = list_shift(&pkts)) != NULL) {
		struct pkt *p = list_entry(n, struct pkt, node);

		if (!list_empty(&pkts))
			p->flags |= PKT_MORE;
		conn_rcv(q, t, p);
	}
}

/* IP_MINTTL and IPV6_MINHOPCOUNT (RFC 5082): who is farther away is not heard. */
static bool tcp_is_near(const struct ep *e, const struct pkt *p)
{
	return p->ttl >= (ipa_is4(p->dst) ? e->minttl : e->minhops);
}

static void tcp_conn_input(struct txq *q, struct tcp *t, struct pkt *p)
{
	struct txq own;
	uint32_t keep;

	if (unlikely(!tcp_is_near(&t->ep, p))) {
		pkt_free(p);
		return;
	}
	keep = filter_run(&t->ep, p, p->trans);
	if (keep < (size_t)(p->data - p->trans) + p->len) {
		size_t hlen = (size_t)(p->data - p->trans);

		if (keep < hlen || keep == 0) {
			pkt_free(p);
			return;
		}
	}
	if (backlog_add(&t->ep, p))
		return;
	if (p->flags & PKT_LOOPED) { /* the sender flushes: depth must not grow with the conversation */
		nlock_lock(&t->ep.lock);
		conn_rcv(q, t, p);
		nlock_unlock(&t->ep.lock);
		return;
	}
	txq_init(&own, q->stack);
	nlock_lock(&t->ep.lock);
	conn_rcv(&own, t, p);
	ep_leave(&t->ep, &own);
}

static void tcp_no_conn(struct txq *q, struct nic *n, struct pkt *p, const struct flow *f,
			uint32_t iss_hint)
{
	struct ep *l = ports_lookup_listener(q->stack, f);

	if (!l) {
		tcp_send_rst_reply(q, n, p);
		pkt_free(p);
		return;
	}
	if (!tcp_is_near(l, p) || filter_run(l, p, p->trans) == 0)
		pkt_free(p);
	else
		tcp_listen_input(q, n, tcp_of(l), p, iss_hint);
	ep_put(l);
}

void tcp_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	uint32_t iss_hint = 0;
	struct tcp_node *node;
	struct flow f;

	NET_INC(s, TcpInSegs);
	if (!tcp_header_ok(s, p)) {
		NET_INC(s, TcpInErrs);
		pkt_free(p);
		return;
	}
	tcp_fill_cb(p);
	if (p->flags & (PKT_BROADCAST | PKT_MULTICAST)) {
		pkt_free(p);
		return;
	}
	f = (struct flow){ .laddr = p->dst, .raddr = p->src, .lport = rd16(p->trans + 2),
			   .rport = rd16(p->trans), .ifindex = n->ifindex };
	node = tcp_node_lookup(s, &f);
	if (node && node->kind == NODE_TW) {
		bool open = tcp_tw_input(q, n, container_of(node, struct tcp_tw, node), p, &iss_hint);

		tcp_node_put(node);
		if (!open)
			return;
		node = NULL;
	}
	if (!node) {
		tcp_no_conn(q, n, p, &f, iss_hint);
		return;
	}
	if (node->kind == NODE_CONN)
		tcp_conn_input(q, container_of(node, struct tcp, node), p);
	else
		tcp_req_input(q, n, container_of(node, struct tcp_req, node), p);
	tcp_node_put(node);
}

/* ---- ICMP ---- */

/* Believed only when the quoted number is one that is in flight (RFC 5927). */
static void tcp_conn_icmp(struct txq *q, struct tcp *t, const struct icmp_err *i, uint32_t seq)
{
	if (t->state == TCPS_CLOSE || t->state == TCPS_LISTEN)
		return;
	if (!seq_between(seq, t->snd_una, t->snd_nxt))
		return;
	if (i->error == EMSGSIZE) {
		uint32_t mtu;

		if (!i->info || (t->ep.mtu_discover == IP_PMTUDISC_DONT && !i->v6))
			return;
		mtu = pmtu_update(i->stack, t->ep.raddr, i->info);
		if (mtu < t->pmtu && t->state != TCPS_SYN_SENT) {
			struct tcp_seg *s = list_first(&t->rtx, struct tcp_seg, node);

			tcp_sync_mss(t);
			if (s && seq == s->seq) {
				tcp_mark_lost(t, s);
				tcp_retransmit(q, t, s, 1);
			}
		}
		return;
	}
	if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RECV) {
		if (!i->hard && !(i->error == EHOSTUNREACH || i->error == ENETUNREACH))
			return;
		/* Soft errors end an attempt only when the application asked to hear of them. */
		if (i->hard || t->ep.recverr || t->ep.recverr6)
			tcp_fail(t, i->error);
		else
			t->ep.err_soft = i->error;
		return;
	}
	if (i->hard && (i->v6 ? t->ep.recverr6 : t->ep.recverr))
		ep_set_error(&t->ep, i->error);
	else
		t->ep.err_soft = i->error;
}

void tcp_icmp_error(struct txq *q, const struct icmp_err *i)
{
	struct flow f = { .laddr = i->src, .raddr = i->dst, .lport = rd16(i->trans),
			  .rport = rd16(i->trans + 2) };
	struct tcp_node *n = tcp_node_lookup(i->stack, &f);
	uint32_t seq = rd32(i->trans + 4);

	if (!n)
		return;
	if (n->kind == NODE_CONN) {
		struct tcp *t = container_of(n, struct tcp, node);

		nlock_lock(&t->ep.lock);
		tcp_conn_icmp(q, t, i, seq);
		nlock_unlock(&t->ep.lock);
	} else if (n->kind == NODE_REQ) {
		tcp_req_icmp(container_of(n, struct tcp_req, node), i, seq);
	}
	tcp_node_put(n);
}
