/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c: IPPROTO_TCP options, TCP_INFO included (tcp(7)).
 *
 * Not there, with ENOPROTOOPT: TCP_MD5SIG, TCP_AO, TCP_REPAIR, TCP_ULP, TCP_ZEROCOPY_RECEIVE;
 * TCP_FASTOPEN gives EOPNOTSUPP.
 */
#include <linux/tcp.h>

#include "netstack/tcp/tcp.h"

#define TCP_IS_MPTCP_ 43 /* newer than this machine's headers may be */

static int set_cong(struct tcp *t, const void *val, size_t size)
{
	char name[16] = { 0 };
	const struct cong_ops *c;

	memcpy(name, val, MIN(size, sizeof(name) - 1));
	c = cong_find(name);
	if (!c)
		return -ENOENT;
	if (c != t->cong) {
		t->cong = c;
		c->init(t);
	}
	return 0;
}

static int set_range(int *to, int v, int lo, int hi)
{
	if (v < lo || v > hi)
		return -EINVAL;
	*to = v;
	return 0;
}

static int set_user_mss(struct tcp *t, int v)
{
	if (v && (v < 88 || v > 32767))
		return -EINVAL;
	t->user_mss = (uint32_t)v;
	return 0;
}

static int set_keepidle(struct tcp *t, int v)
{
	int err = set_range(&t->keepidle, v, 1, 32767);

	if (err == 0 && t->ep.keepalive)
		tcp_keep_arm(t);
	return err;
}

/* Seconds to SYN-ACK retransmissions, by the doubling of the timer. */
static int defer_to_count(int seconds)
{
	int count = 0, sum = 0, step = 1;

	while (sum < seconds && count < UINT8_MAX) {
		sum += step;
		step = MIN(step * 2, 120);
		count++;
	}
	return count;
}

int tcp_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	struct tcp *t = tcp_of(e);
	int v, err = 0;

	if (level == SOL_SOCKET && name == SO_KEEPALIVE) {
		err = ep_common_setopt(e, q, level, name, val, size);
		if (err == 0) {
			if (e->keepalive)
				tcp_keep_arm(t);
			else if (!e->closed)
				t->keep_ns = 0;
			tcp_timer_update(t);
		}
		return err;
	}
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (name == TCP_CONGESTION)
		return size ? set_cong(t, val, size) : -EINVAL;
	if (ep_get_int(val, size, &v) < 0)
		return -EINVAL;
	switch (name) {
	case TCP_NODELAY:
		t->nodelay = v != 0;
		if (v) { /* sends even what a cork holds (tcp(7)) */
			t->push_now = true;
			tcp_push(q, t);
		}
		break;
	case TCP_CORK:
		t->cork = v != 0;
		if (!v) {
			t->push_now |= t->nodelay;
			tcp_push(q, t);
		}
		break;
	case TCP_MAXSEG:
		err = set_user_mss(t, v);
		break;
	case TCP_KEEPIDLE:
		err = set_keepidle(t, v);
		break;
	case TCP_KEEPINTVL:
		err = set_range(&t->keepintvl, v, 1, 32767);
		break;
	case TCP_KEEPCNT:
		err = set_range(&t->keepcnt, v, 1, 127);
		break;
	case TCP_SYNCNT:
		err = set_range(&t->syncnt, v, 1, 127);
		break;
	case TCP_LINGER2:
		t->linger2 = v < 0 ? -1 : MIN(v, 120);
		break;
	case TCP_DEFER_ACCEPT:
		t->defer_accept = v > 0 ? defer_to_count(v) : 0;
		break;
	case TCP_WINDOW_CLAMP:
		if (v == 0 && t->state != TCPS_CLOSE)
			return -EINVAL;
		t->window_clamp = v ? (uint32_t)MAX(v, 1152) : UINT32_MAX;
		t->rcv_ssthresh = MIN(t->rcv_ssthresh, t->window_clamp);
		break;
	case TCP_QUICKACK:
		t->quickack_opt = v & 1;
		if (v) { /* an even number: once */
			t->pingpong = 0;
			if (t->ack_sched) {
				tcp_send_ack(q, t);
				t->pingpong = v & 1 ? 0 : 3;
			}
			if (v & 1)
				tcp_quickack(t, 16);
		} else {
			t->pingpong = 3;
		}
		break;
	case TCP_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		t->user_timeout_ms = (uint32_t)v;
		break;
	case TCP_THIN_LINEAR_TIMEOUTS:
		err = set_range(&t->thin_lto, v, 0, 1);
		break;
	case TCP_THIN_DUPACK:
		err = v < 0 || v > 1 ? -EINVAL : 0;
		break;
	case TCP_NOTSENT_LOWAT:
		t->notsent_lowat = v;
		ep_wake(e, POLLOUT);
		break;
	case TCP_INQ:
		err = set_range(&t->inq, v, 0, 1);
		break;
	case TCP_SAVE_SYN:
		err = set_range(&t->save_syn, v, 0, 2);
		break;
	case TCP_TIMESTAMP:
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_FASTOPEN_KEY:
		err = -EOPNOTSUPP;
		break;
	default:
		return -ENOPROTOOPT;
	}
	tcp_timer_update(t);
	return err;
}

static uint32_t us(int64_t ns)
{
	return (uint32_t)MIN(ns / NSEC_PER_USEC, (int64_t)UINT32_MAX);
}

static uint32_t ms_since(struct tcp *t, int64_t ns)
{
	return ns ? (uint32_t)((stack_now(tcp_stack(t)) - ns) / NSEC_PER_MSEC) : 0;
}

/* TCP_INFO as of Linux 6.18: what follows the header's struct in older headers. */
#define INFO_OLD (offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(uint32_t))
struct info_tail {
	uint32_t rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time, received_ce;
	uint32_t accecn[7]; /* AccECN is never agreed on */
};
_Static_assert(INFO_OLD == 232 && sizeof(struct info_tail) == 48, "ABI");

static void fill_chrono(struct tcp *t, struct tcp_info *i)
{
	int64_t ns[3];

	memcpy(ns, t->chrono_ns, sizeof(ns));
	if (t->chrono != CHRONO_IDLE)
		ns[t->chrono] += stack_now(tcp_stack(t)) - t->chrono_since_ns;
	i->tcpi_busy_time = (uint64_t)(ns[CHRONO_BUSY] + ns[CHRONO_RWND] + ns[CHRONO_SNDBUF]) / NSEC_PER_USEC;
	i->tcpi_rwnd_limited = (uint64_t)ns[CHRONO_RWND] / NSEC_PER_USEC;
	i->tcpi_sndbuf_limited = (uint64_t)ns[CHRONO_SNDBUF] / NSEC_PER_USEC;
}

static void fill_tail(const struct tcp *t, struct info_tail *i)
{
	memset(i, 0, sizeof(*i));
	i->rcv_wnd = t->rcv_wnd;
	i->total_rto = (uint16_t)t->total_rto;
	i->total_rto_recoveries = (uint16_t)t->rto_recoveries;
	i->total_rto_time = (uint32_t)(t->rto_ns / NSEC_PER_MSEC);
	i->received_ce = t->received_ce;
}

static void fill_info(struct tcp *t, struct tcp_info *i)
{
	memset(i, 0, sizeof(*i));
	i->tcpi_state = t->state;
	i->tcpi_ca_state = t->ca;
	i->tcpi_retransmits = t->retransmits;
	i->tcpi_probes = t->probes;
	i->tcpi_backoff = t->backoff;
	if (t->state == TCPS_LISTEN) {
		i->tcpi_unacked = t->nacceptq;
		i->tcpi_sacked = t->backlog;
		return;
	}
	i->tcpi_options = (uint8_t)((t->ts_ok ? TCPI_OPT_TIMESTAMPS : 0) |
				    (t->sack_ok ? TCPI_OPT_SACK : 0) |
				    (t->wscale_ok ? TCPI_OPT_WSCALE : 0) |
				    (t->ecn_ok ? TCPI_OPT_ECN : 0));
	i->tcpi_snd_wscale = t->snd_wscale & 15;
	i->tcpi_rcv_wscale = t->rcv_wscale & 15;
	i->tcpi_rto = us(t->rto);
	i->tcpi_ato = us(t->ato);
	i->tcpi_snd_mss = t->mss;
	i->tcpi_rcv_mss = t->rcv_mss;
	i->tcpi_unacked = t->packets_out;
	i->tcpi_sacked = t->sacked_out;
	i->tcpi_lost = t->lost_out;
	i->tcpi_retrans = t->retrans_out;
	i->tcpi_last_data_sent = ms_since(t, t->last_send_ns);
	i->tcpi_last_data_recv = ms_since(t, t->last_recv_ns);
	i->tcpi_last_ack_recv = ms_since(t, t->last_ack_ns);
	i->tcpi_pmtu = t->pmtu;
	i->tcpi_rcv_ssthresh = t->rcv_ssthresh;
	i->tcpi_rtt = us(t->srtt);
	i->tcpi_rttvar = us(t->mdev);
	i->tcpi_snd_ssthresh = t->ssthresh;
	i->tcpi_snd_cwnd = t->cwnd;
	i->tcpi_advmss = t->advmss;
	i->tcpi_reordering = t->reordering;
	i->tcpi_rcv_rtt = us(t->rcv_rtt);
	i->tcpi_rcv_space = t->rcvq_space;
	i->tcpi_total_retrans = t->total_retrans;
	i->tcpi_pacing_rate = tcp_flow_rate(t);
	i->tcpi_max_pacing_rate = t->ep.pacing_rate;
	i->tcpi_bytes_acked = t->bytes_acked;
	i->tcpi_bytes_received = t->bytes_received;
	i->tcpi_segs_out = t->segs_out;
	i->tcpi_segs_in = t->segs_in;
	i->tcpi_notsent_bytes = t->unsent_bytes;
	i->tcpi_min_rtt = t->min_rtt == INT64_MAX ? UINT32_MAX : us(t->min_rtt);
	i->tcpi_data_segs_in = t->data_segs_in;
	i->tcpi_data_segs_out = t->data_segs_out;
	i->tcpi_delivered = t->delivered;
	i->tcpi_delivered_ce = t->delivered_ce;
	i->tcpi_bytes_sent = t->bytes_sent;
	i->tcpi_bytes_retrans = t->bytes_retrans;
	i->tcpi_dsack_dups = t->dsack_dups;
	i->tcpi_reord_seen = t->reord_count;
	i->tcpi_rcv_ooopack = t->rcv_ooopack;
	i->tcpi_snd_wnd = t->snd_wnd;
	fill_chrono(t, i);
}

void tcp_fill_info(struct tcp *t, struct ep_info *out)
{
	struct tcp_info i;

	_Static_assert(sizeof(i) <= sizeof(out->tcp_info), "");
	fill_info(t, &i);
	memcpy(out->tcp_info, &i, sizeof(i));
	out->tcp_info_size = sizeof(i);
	strncpy(out->cong, t->cong->name, sizeof(out->cong) - 1);
	out->rcv_mem = t->rcv_mem;
	out->snd_mem = t->charged;
}

/* Once; -EINVAL when there is too little room. */
static int get_saved_syn(struct tcp *t, void *val, size_t *size)
{
	struct tcp_syn *syn = t->syn;

	if (!syn) {
		*size = 0;
		return 0;
	}
	if (*size < syn->size)
		return -EINVAL;
	t->syn = NULL;
	(void)ep_put_bytes(val, size, syn->bytes, syn->size);
	mem_free(syn);
	return 0;
}

/* What so many SYN-ACKs take, by the doubling of the timer up to two minutes (retrans_to_secs()). */
static int defer_to_seconds(int count)
{
	int sum = 0, step = 1;

	for (int i = 0; i < count; i++) {
		sum += step;
		step = MIN(step * 2, 120);
	}
	return sum;
}

int tcp_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	struct tcp *t = tcp_of(e);
	struct stack *s = e->stack;
	struct tcp_info info;
	char all[INFO_OLD + sizeof(struct info_tail)];
	struct info_tail tail;

	if (level == IPPROTO_IPV6 && name == IPV6_2292PKTOPTIONS && ep_is6(e))
		return tcp_seen_get(t, val, size);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_NODELAY:
		return ep_put_int(val, size, t->nodelay);
	case TCP_CORK:
		return ep_put_int(val, size, t->cork);
	case TCP_MAXSEG:
		if (!t->user_mss || tcp_state_in(t, ~(TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN))))
			return ep_put_int(val, size, (int)t->mss);
		return ep_put_int(val, size, (int)t->user_mss);
	case TCP_KEEPIDLE:
		return ep_put_int(val, size, t->keepidle ? t->keepidle : s->conf.tcp_keepalive_time);
	case TCP_KEEPINTVL:
		return ep_put_int(val, size, t->keepintvl ? t->keepintvl : s->conf.tcp_keepalive_intvl);
	case TCP_KEEPCNT:
		return ep_put_int(val, size, t->keepcnt ? t->keepcnt : s->conf.tcp_keepalive_probes);
	case TCP_SYNCNT:
		return ep_put_int(val, size, t->syncnt ? t->syncnt : s->conf.tcp_syn_retries);
	case TCP_LINGER2:
		return ep_put_int(val, size, t->linger2 ? t->linger2 : s->conf.tcp_fin_timeout);
	case TCP_DEFER_ACCEPT:
		return ep_put_int(val, size, defer_to_seconds(t->defer_accept));
	case TCP_WINDOW_CLAMP:
		return ep_put_int(val, size, t->window_clamp == UINT32_MAX ? 0 : (int)t->window_clamp);
	case TCP_QUICKACK:
		return ep_put_int(val, size, t->pingpong < 3);
	case TCP_CONGESTION: {
		char cname[16] = { 0 };

		strncpy(cname, t->cong->name, sizeof(cname) - 1);
		return ep_put_bytes(val, size, cname, sizeof(cname));
	}
	case TCP_USER_TIMEOUT:
		return ep_put_int(val, size, (int)t->user_timeout_ms);
	case TCP_THIN_LINEAR_TIMEOUTS:
		return ep_put_int(val, size, t->thin_lto);
	case TCP_THIN_DUPACK:
		return ep_put_int(val, size, 0);
	case TCP_NOTSENT_LOWAT:
		return ep_put_int(val, size, t->notsent_lowat);
	case TCP_INQ:
		return ep_put_int(val, size, t->inq);
	case TCP_SAVE_SYN:
		return ep_put_int(val, size, t->save_syn);
	case TCP_SAVED_SYN:
		return get_saved_syn(t, val, size);
	case TCP_IS_MPTCP_:
		return ep_put_int(val, size, 0);
	case TCP_INFO:
		fill_info(t, &info);
		fill_tail(t, &tail);
		memcpy(all, &info, INFO_OLD);
		memcpy(all + INFO_OLD, &tail, sizeof(tail));
		return ep_put_bytes(val, size, all, sizeof(all));
	case TCP_CC_INFO:
		*size = 0; /* neither cubic nor reno has any to give, as on Linux */
		return 0;
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
		return ep_put_int(val, size, 0);
	default:
		return -ENOPROTOOPT;
	}
}
