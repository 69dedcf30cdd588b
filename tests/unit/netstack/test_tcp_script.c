/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tcp_script.c: TCP against a scripted peer: the test writes every segment that the stack sees
 * and checks every segment that it sends, in virtual time.
 */
#include "tests/unit/netstack/sim.h"

#include <linux/rtnetlink.h>
#include <linux/tcp.h>

#include "netstack/conf.h"
#include "netstack/csum.h"
#include "netstack/stack_impl.h"

#define MS NSEC_PER_MSEC

struct seg {
	struct list node;
	uint32_t seq, ack, len;
	uint8_t flags;
	uint16_t win, urg, mss;
	bool ts, sack_ok, ws;
	uint8_t wscale;
	uint32_t tsval, tsecr;
	unsigned int nsacks;
	uint32_t sacks[8];
	uint8_t tos;
	int64_t at;
};

/* The peer: 10.0.0.2, port 4000; the stack under test: 10.0.0.1. */
struct fx {
	struct sim sim;
	struct sim_host *h;
	struct list out;
	struct ep *l, *e;
	uint32_t iss, irs; /* ours (the peer's), theirs */
	bool ts;
	uint32_t tsval;
	unsigned int nout;
	uint16_t urg;     /* the pointer of segments with TH_URG */
	bool hold;        /* segments wait in held */
	struct list held; /* struct pkt */
};

static bool catch(struct sim *s, unsigned int from, struct pkt *p)
{
	struct fx *f = s->arg;
	struct seg *g;
	uint8_t b[160] = { 0 }, *h = b;

	(void)from;
	pkt_copy(p, 0, b, MIN(sizeof(b), (size_t)p->len));
	if (h[9] != 6)
		return false;
	g = calloc(1, sizeof(*g));
	g->tos = h[1];
	h += 20;
	g->seq = rd32(h + 4) - f->irs;
	g->ack = rd32(h + 8) - f->iss;
	g->flags = h[13];
	g->win = rd16(h + 14);
	g->urg = rd16(h + 18);
	g->len = p->len - 20 - (h[12] >> 4) * 4U;
	g->at = s->now_ns;
	for (size_t o = 20; o < (size_t)(h[12] >> 4) * 4;) {
		if (h[o] == 1) {
			o++;
			continue;
		}
		if (h[o] == 0 || h[o + 1] < 2)
			break;
		if (h[o] == 2)
			g->mss = rd16(h + o + 2);
		if (h[o] == 3)
			g->ws = true, g->wscale = h[o + 2];
		if (h[o] == 4)
			g->sack_ok = true;
		if (h[o] == 8)
			g->ts = true, g->tsval = rd32(h + o + 2), g->tsecr = rd32(h + o + 6);
		for (size_t k = o + 2; h[o] == 5 && k + 4 <= o + h[o + 1]; k += 4)
			if (g->nsacks < 8)
				g->sacks[g->nsacks++] = rd32(h + k) - f->iss;
		o += h[o + 1];
	}
	list_append(&f->out, &g->node);
	f->nout++;
	return false;
}

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 9);
	list_init(&f->out);
	list_init(&f->held);
	f->h = sim_host_type(&f->sim, 1500, 0, LINK_IP);
	f->sim.filter = catch;
	f->sim.arg = f;
	f->iss = 1000000;
	f->tsval = 5000;
	*state = f;
	return 0;
}

static void drop_out(struct fx *f)
{
	struct list *n;

	while ((n = list_shift(&f->out)) != NULL)
		free(list_entry(n, struct seg, node));
}

static int teardown(void **state)
{
	struct fx *f = *state;

	if (f->e)
		ep_close(f->e);
	if (f->l)
		ep_close(f->l);
	sim_run(&f->sim, 2000 * NSEC_PER_SEC);
	assert_int_equal(stack_memory(f->h->stack), 0);
	drop_out(f);
	sim_fini(&f->sim);
	free(f);
	return 0;
}

/* A segment from the peer: seq and ack relative to the initial numbers. */
static void inject_opts(struct fx *f, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t win, uint32_t len,
			const uint8_t *opts, size_t olen)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, 40 + 40 + len);
	uint8_t tso[12] = { 1, 1, 8, 10 };
	struct ipa src = sim_ip4("10.0.0.2"), dst = sim_ip4("10.0.0.1");
	uint8_t *ip, *h;
	uint16_t c;

	if (f->ts && !(flags & TH_SYN) && !opts) {
		wr32(tso + 4, f->tsval);
		wr32(tso + 8, 0);
		opts = tso;
		olen = 12;
	}
	ip = pkt_append(p, 20 + 20 + olen + len);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	wr16(ip + 2, (uint16_t)p->len);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, &src.b[12], 4);
	memcpy(ip + 16, &dst.b[12], 4);
	c = csum_fold(csum_add(0, ip, 20, 0));
	memcpy(ip + 10, &c, 2);
	h = ip + 20;
	wr16(h, 4000);
	wr16(h + 2, 80);
	wr32(h + 4, f->iss + seq);
	wr32(h + 8, flags & TH_ACK ? f->irs + ack : 0);
	h[12] = (uint8_t)((20 + olen) / 4 << 4);
	h[13] = flags;
	wr16(h + 14, win);
	wr16(h + 18, flags & TH_URG ? f->urg : 0);
	if (olen)
		memcpy(h + 20, opts, olen);
	for (uint32_t i = 0; i < len; i++)
		h[20 + olen + i] = (uint8_t)('a' + (seq + i) % 26);
	c = csum_fold(csum_add(csum_pseudo(src, dst, 6, (uint32_t)(20 + olen + len)), h, 20 + olen + len, 0));
	memcpy(h + 16, &c, 2);
	if (f->hold)
		list_append(&f->held, &p->node);
	else
		nic_input(f->h->stack, f->h->ifindex, p);
}

/* What was held arrives together. */
static void release(struct fx *f)
{
	f->hold = false;
	nic_input_list(f->h->stack, f->h->ifindex, &f->held);
}

static void inject(struct fx *f, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t win, uint32_t len)
{
	inject_opts(f, flags, seq, ack, win, len, NULL, 0);
}

static void inject_sack(struct fx *f, uint32_t seq, uint32_t ack, uint16_t win, unsigned int n, const uint32_t *e)
{
	uint8_t o[40] = { 1, 1, 5, (uint8_t)(2 + 8 * n) };

	for (unsigned int i = 0; i < 2 * n; i++)
		wr32(o + 4 + 4 * i, f->irs + e[i]);
	inject_opts(f, TH_ACK, seq, ack, win, 0, o, 4 + 8 * n);
}

static struct seg next(struct fx *f)
{
	struct list *n = list_shift(&f->out);
	struct seg g;

	assert_non_null(n);
	g = *list_entry(n, struct seg, node);
	free(list_entry(n, struct seg, node));
	return g;
}

static void nothing(struct fx *f)
{
	assert_true(list_empty(&f->out));
}

static void expect(struct fx *f, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct seg g = next(f);

	if (g.flags != flags || g.seq != seq || g.len != len || (flags & TH_ACK && g.ack != ack))
		fail_msg("flags %02x seq %u len %u ack %u, expected %02x %u %u %u", g.flags, g.seq, g.len, g.ack,
			 flags, seq, len, ack);
}

static const uint8_t syn_plain[] = { 2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7 }; /* mss 1460 sack ws 7 */

/* Passive open; afterwards both relative numbers are 1. */
static void open_passive(struct fx *f)
{
	struct seg g;

	f->l = sim_listen(f->h, ipa_any4(), 80, 8);
	inject_opts(f, TH_SYN, 0, 0, 65535, 0, syn_plain, sizeof(syn_plain));
	g = next(f);
	assert_int_equal(g.flags, TH_SYN | TH_ACK);
	f->irs = g.seq; /* was relative to 0 */
	assert_int_equal(g.ack, 1);
	assert_true(g.mss == 1460 && g.sack_ok && g.ws && !g.ts);
	sim_run(&f->sim, 20 * MS); /* the round trip */
	inject(f, TH_ACK, 1, 1, 512, 0);
	assert_int_equal(ep_accept(f->l, &f->e, NULL), 0);
	nothing(f);
}

static char data[200000];

static void passive_open_and_orderly_end(void **state)
{
	struct fx *f = *state;
	char got[100];

	open_passive(f);
	inject(f, TH_ACK | TH_PSH, 1, 1, 512, 10);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 10);
	assert_memory_equal(got, "bcdefghijk", 10);
	expect(f, TH_ACK, 1, 0, 11);
	assert_int_equal(sim_send(f->e, "hello", 5), 5);
	expect(f, TH_ACK | TH_PSH, 1, 5, 11);
	inject(f, TH_ACK, 11, 6, 512, 0);
	inject(f, TH_ACK | TH_FIN, 11, 6, 512, 0);
	expect(f, TH_ACK, 6, 0, 12);
	assert_true(ep_poll(f->e) & POLLRDHUP);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 0);
	ep_close(f->e);
	f->e = NULL;
	expect(f, TH_ACK | TH_FIN, 6, 0, 12);
	inject(f, TH_ACK, 12, 7, 512, 0);
	nothing(f);
}

static void active_open_refused_and_retried(void **state)
{
	struct fx *f = *state;
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 4000);
	struct ep *e = sim_ep(f->h, AF_INET, SOCK_STREAM);
	struct net_addr me = sim_addr(ipa_any4(), 80);
	struct seg g;

	assert_int_equal(ep_bind(e, &me), 0);
	assert_int_equal(ep_connect(e, &to), -EINPROGRESS);
	assert_int_equal(ep_connect(e, &to), -EALREADY);
	g = next(f);
	assert_int_equal(g.flags, TH_SYN);
	f->irs = g.seq;
	sim_run(&f->sim, 1500 * MS);
	expect(f, TH_SYN, 0, 0, 0); /* after a second */
	inject(f, TH_RST | TH_ACK, 0, 1, 0, 0);
	assert_true(ep_poll(e) & (POLLERR | POLLHUP));
	assert_int_equal(ep_connect(e, &to), -ECONNREFUSED);
	assert_int_equal(ep_connect(e, &to), -EINPROGRESS);
	g = next(f);
	f->irs = 0;
	sim_run(&f->sim, 400 * NSEC_PER_SEC);
	assert_int_equal(sim_getopt(e, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
	drop_out(f);
	ep_close(e);
}

/* From port 80 to port 4000, which connects too; the SYN and ACK to it. */
static struct seg open_simultaneously(struct fx *f, const struct net_addr *to)
{
	struct net_addr me = sim_addr(ipa_any4(), 80);

	f->e = sim_ep(f->h, AF_INET, SOCK_STREAM);
	assert_int_equal(ep_bind(f->e, &me), 0);
	assert_int_equal(ep_connect(f->e, to), -EINPROGRESS);
	f->irs = next(f).seq;
	inject_opts(f, TH_SYN, 0, 0, 65535, 0, syn_plain, sizeof(syn_plain));
	return next(f);
}

static void simultaneous_open_connects(void **state)
{
	struct fx *f = *state;
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 4000);

	assert_int_equal(open_simultaneously(f, &to).flags, TH_SYN | TH_ACK);
	inject(f, TH_ACK, 1, 1, 512, 0);
	assert_int_equal(ep_connect(f->e, &to), 0);
	assert_int_equal(ep_connect(f->e, &to), -EISCONN);
}

static void a_reset_must_have_the_exact_number(void **state)
{
	struct fx *f = *state;
	char c;

	open_passive(f);
	inject(f, TH_RST, 5, 0, 0, 0); /* in the window: challenge */
	expect(f, TH_ACK, 1, 0, 1);
	inject(f, TH_RST, 900000, 0, 0, 0);
	nothing(f);
	sim_run(&f->sim, NSEC_PER_SEC);
	inject(f, TH_SYN, 1, 0, 512, 0);
	expect(f, TH_ACK, 1, 0, 1);
	assert_int_equal(stack_stat(f->h->stack, NS_TCPChallengeACK), 2);
	inject(f, TH_RST, 1, 0, 0, 0);
	assert_int_equal(sim_recv(f->e, &c, 1), -ECONNRESET);
	assert_int_equal(sim_recv(f->e, &c, 1), 0);
	assert_int_equal(sim_send(f->e, "x", 1), -EPIPE);
}

static void three_sacks_start_fast_recovery(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	assert_int_equal(sim_send(f->e, data, 14600), 14600);
	for (unsigned int i = 0; i < 10; i++)
		expect(f, i % 2 ? TH_ACK | TH_PSH : TH_ACK, 1 + i * 1460, 1460, 1);
	sim_run(&f->sim, 20 * MS);
	inject_sack(f, 1, 1, 512, 1, (uint32_t[]){ 1461, 2921 });
	inject_sack(f, 1, 1, 512, 1, (uint32_t[]){ 1461, 4381 });
	nothing(f);
	inject_sack(f, 1, 1, 512, 1, (uint32_t[]){ 1461, 5841 });
	expect(f, TH_ACK, 1, 1460, 1);
	inject(f, TH_ACK, 1, 14601, 512, 0);
	sim_run(&f->sim, 100 * MS);
	nothing(f);
	assert_int_equal(stack_stat(f->h->stack, NS_TCPSackRecovery), 1);
	assert_int_equal(stack_stat(f->h->stack, NS_TCPTimeouts), 0);
}

/* RFC 3042; and when it was reordering, what had been SACKED has not to be counted twice for the window. */
static void limited_transmit_grows_the_window_by_what_is_new(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	sim_send(f->e, data, 20 * 1460);
	for (unsigned int i = 0; i < 10; i++)
		next(f);
	nothing(f);
	sim_run(&f->sim, 20 * MS);
	inject_sack(f, 1, 1, 512, 1, (uint32_t[]){ 1461, 2921 });
	expect(f, TH_ACK, 14601, 1460, 1);
	inject_sack(f, 1, 1, 512, 1, (uint32_t[]){ 1461, 4381 });
	expect(f, TH_ACK, 16061, 1460, 1);
	inject(f, TH_ACK, 1, 4381, 512, 0); /* 9 are out, and the window is 11 */
	expect(f, TH_ACK, 17521, 1460, 1);
	expect(f, TH_ACK | TH_PSH, 18981, 1460, 1);
	nothing(f);
	inject(f, TH_ACK, 1, 20441, 512, 0);
	drop_out(f);
	inject(f, TH_ACK, 1, 29201, 512, 0);
}

/* Each ends in PSH.  The window is 10 packets, the round trip 20 ms: a millisecond is not even one. */
static void a_slow_flow_sends_small_bursts(void **state)
{
	struct fx *f = *state;
	uint32_t at = 1;

	open_passive(f);
	for (int least = 2; least <= 4; least++) {
		assert_int_equal(net_conf_set(f->h->stack, (size_t)net_conf_find("ipv4.tcp_min_tso_segs"), least), 0);
		sim_send(f->e, data, 8 * 1460);
		for (int i = 0; i < 8; i++, at += 1460)
			expect(f, (i + 1) % least && i < 7 ? TH_ACK : TH_ACK | TH_PSH, at, 1460, 1);
		sim_run(&f->sim, 20 * MS);
		inject(f, TH_ACK, 1, at, 512, 0);
	}
}

static void a_burst_is_at_most_half_of_the_window(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	assert_int_equal(net_conf_set(f->h->stack, (size_t)net_conf_find("ipv4.tcp_min_tso_segs"), 100), 0);
	sim_send(f->e, data, 10 * 1460);
	for (unsigned int i = 0; i < 10; i++)
		expect(f, i == 4 || i == 9 ? TH_ACK | TH_PSH : TH_ACK, 1 + i * 1460, 1460, 1);
	inject(f, TH_ACK, 1, 14601, 512, 0);
}

/* The first burst is of five segments; what is sent again of it alone is no burst. */
static void a_part_of_a_burst_that_is_sent_again_has_no_push(void **state)
{
	struct fx *f = *state;
	struct seg g;

	open_passive(f);
	assert_int_equal(net_conf_set(f->h->stack, (size_t)net_conf_find("ipv4.tcp_min_tso_segs"), 100), 0);
	sim_send(f->e, data, 10 * 1460);
	for (unsigned int i = 0; i < 10; i++)
		g = next(f);
	assert_int_equal(g.flags, TH_ACK | TH_PSH);
	inject(f, TH_ACK, 1, 1 + 4 * 1460, 512, 0);
	do { /* the probe of the tail comes first */
		sim_run(&f->sim, 500 * MS);
		g = next(f);
	} while (g.seq != 1 + 4 * 1460);
	assert_int_equal(g.len, 1460);
	assert_int_equal(g.flags, TH_ACK);
	drop_out(f);
}

/* What a window was good for a while ago says nothing of the network now: the first burst already is of the initial one. */
static void after_a_pause_slow_start_begins_anew(void **state)
{
	struct fx *f = *state;
	uint32_t at = 1;

	open_passive(f);
	for (unsigned int i = 0; i < 3; i++) {
		sim_send(f->e, data, (10U << i) * 1460);
		at += (10U << i) * 1460;
		sim_run(&f->sim, 20 * MS);
		drop_out(f);
		inject(f, TH_ACK, 1, at, 65535, 0);
	}
	sim_run(&f->sim, 2 * NSEC_PER_SEC);
	sim_send(f->e, data, 40 * 1460);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(next(f).len, 1460);
	nothing(f);
	inject(f, TH_ACK, 1, at + 14600, 65535, 0);
	drop_out(f);
	inject(f, TH_ACK, 1, at + 40 * 1460, 65535, 0);
	drop_out(f);
}

static unsigned int cwnd_of(struct ep *e)
{
	struct tcp_info i;
	size_t size = sizeof(i);

	assert_int_equal(ep_getopt(e, IPPROTO_TCP, TCP_INFO, &i, &size), 0);
	return i.tcpi_snd_cwnd;
}

static void a_window_that_is_not_used_does_not_grow(void **state)
{
	struct fx *f = *state;
	uint32_t at = 1;

	open_passive(f);
	/* In slow start as long as it is less than twice what is used: 10 and 6 make 16. */
	for (unsigned int i = 0; i < 8; i++, at += 6 * 1460) {
		sim_send(f->e, data, 6 * 1460);
		sim_run(&f->sim, 20 * MS);
		drop_out(f);
		inject(f, TH_ACK, 1, at + 6 * 1460, 512, 0);
	}
	assert_int_equal(cwnd_of(f->e), 16);
	/* One that is used up to the last packet is limited by it. */
	for (unsigned int i = 0; i < 2; i++, at += 16 * 1460) {
		sim_send(f->e, data, 16 * 1460);
		sim_run(&f->sim, 20 * MS);
		drop_out(f);
		inject(f, TH_ACK, 1, at + 16 * 1460, 512, 0);
	}
	assert_true(cwnd_of(f->e) > 16);
}

static void the_lost_tail_is_probed_then_timed_out(void **state)
{
	struct fx *f = *state;
	int64_t start;
	struct seg g;

	open_passive(f);
	sim_run(&f->sim, 10 * MS);
	assert_int_equal(sim_send(f->e, data, 2920), 2920);
	expect(f, TH_ACK, 1, 1460, 1);
	expect(f, TH_ACK | TH_PSH, 1461, 1460, 1);
	sim_run(&f->sim, 20 * MS);
	inject(f, TH_ACK, 1, 2921, 512, 0);
	assert_int_equal(sim_send(f->e, data, 2920), 2920);
	drop_out(f);
	start = f->sim.now_ns;
	sim_run(&f->sim, 150 * MS);
	g = next(f); /* the probe: the last segment again */
	assert_int_equal(g.seq, 4381);
	assert_int_equal(stack_stat(f->h->stack, NS_TCPLossProbes), 1);
	sim_run(&f->sim, 3000 * MS);
	g = next(f);
	assert_int_equal(g.seq, 2921);
	assert_true(g.at - start > 200 * MS);
	g = next(f); /* the timer has doubled */
	assert_int_equal(g.seq, 2921);
	assert_true(stack_stat(f->h->stack, NS_TCPTimeouts) >= 2);
	inject(f, TH_ACK, 1, 5841, 512, 0);
	drop_out(f);
}

/* What a probe begins at is not when the retransmissions of a later loss began. */
static void a_probe_of_long_ago_ends_no_connection_now(void **state)
{
	struct fx *f = *state;
	char c;

	open_passive(f);
	sim_send(f->e, data, 2920);
	sim_run(&f->sim, 20 * MS);
	inject(f, TH_ACK, 1, 2921, 512, 0);
	sim_send(f->e, data, 2920);
	drop_out(f);
	sim_run(&f->sim, 150 * MS);
	assert_int_equal(next(f).seq, 4381);
	assert_int_equal(stack_stat(f->h->stack, NS_TCPLossProbes), 1);
	inject(f, TH_ACK, 1, 5841, 512, 0); /* all of it has arrived */
	sim_run(&f->sim, 2000 * NSEC_PER_SEC);
	nothing(f);
	sim_send(f->e, data, 1000);
	sim_run(&f->sim, 5 * NSEC_PER_SEC);
	assert_true(stack_stat(f->h->stack, NS_TCPTimeouts) >= 2);
	assert_int_equal(sim_recv(f->e, &c, 1), -EAGAIN);
	inject(f, TH_ACK, 1, 6841, 512, 0);
	drop_out(f);
}

static void nagle_cork_and_nodelay(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	sim_send(f->e, "a", 1);
	expect(f, TH_ACK | TH_PSH, 1, 1, 1);
	sim_send(f->e, "b", 1);
	sim_send(f->e, "c", 1);
	nothing(f); /* Nagle holds them */
	inject(f, TH_ACK, 1, 2, 512, 0);
	expect(f, TH_ACK | TH_PSH, 2, 2, 1);
	assert_int_equal(sim_opt(f->e, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	sim_send(f->e, "d", 1);
	expect(f, TH_ACK | TH_PSH, 4, 1, 1);
	assert_int_equal(sim_opt(f->e, IPPROTO_TCP, TCP_CORK, 1), 0);
	sim_send(f->e, data, 1460 + 10);
	expect(f, TH_ACK, 5, 1460, 1);
	nothing(f);
	assert_int_equal(sim_opt(f->e, IPPROTO_TCP, TCP_CORK, 0), 0);
	expect(f, TH_ACK | TH_PSH, 1465, 10, 1);
	inject(f, TH_ACK, 1, 1475, 512, 0);
	sim_send_flags(f->e, "e", 1, MSG_MORE);
	nothing(f);
	sim_send(f->e, "f", 1);
	expect(f, TH_ACK | TH_PSH, 1475, 2, 1);
	inject(f, TH_ACK, 1, 1477, 512, 0);
}

static void a_zero_window_is_probed(void **state)
{
	struct fx *f = *state;
	struct seg g;

	open_passive(f);
	sim_send(f->e, "a", 1);
	drop_out(f);
	inject(f, TH_ACK, 1, 2, 0, 0);
	sim_send(f->e, "b", 1);
	nothing(f);
	sim_run(&f->sim, 300 * MS);
	g = next(f);
	assert_true(g.seq == 1 && g.len == 0);
	inject(f, TH_ACK, 1, 2, 0, 0);
	sim_run(&f->sim, 600 * MS);
	g = next(f);
	assert_true(g.seq == 1 && g.len == 0);
	nothing(f);
	inject(f, TH_ACK, 1, 2, 512, 0);
	expect(f, TH_ACK | TH_PSH, 2, 1, 1);
	inject(f, TH_ACK, 1, 3, 512, 0);
}

static void out_of_order_data_is_sacked_and_put_together(void **state)
{
	struct fx *f = *state;
	char got[200];
	struct seg g;

	open_passive(f);
	inject(f, TH_ACK, 101, 1, 512, 50);
	g = next(f);
	assert_true(g.ack == 1 && g.nsacks == 2 && g.sacks[0] == 101 && g.sacks[1] == 151);
	inject(f, TH_ACK, 51, 1, 512, 25);
	g = next(f);
	assert_true(g.nsacks == 4 && g.sacks[0] == 51 && g.sacks[1] == 76 && g.sacks[2] == 101);
	inject(f, TH_ACK, 101, 1, 512, 50); /* again: D-SACK */
	g = next(f);
	assert_true(g.nsacks == 6 && g.sacks[0] == 101 && g.sacks[1] == 151);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), -EAGAIN);
	inject(f, TH_ACK, 1, 1, 512, 100);
	g = next(f);
	assert_true(g.ack == 151 && g.nsacks == 0);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 150);
	for (unsigned int i = 0; i < 150; i++)
		assert_int_equal(got[i], 'a' + (1 + i) % 26);
	inject(f, TH_ACK, 1, 1, 512, 10); /* all old */
	g = next(f);
	assert_true(g.ack == 151 && g.nsacks == 2 && g.sacks[0] == 1 && g.sacks[1] == 11);
}

static void acks_are_delayed_but_not_for_two_segments(void **state)
{
	struct fx *f = *state;
	char got[8000];
	struct seg g;

	open_passive(f);
	for (unsigned int i = 0; i < 20; i++) /* use up the quick ones */
		inject(f, TH_ACK, 1 + i * 1000, 1, 512, 1000);
	while (sim_recv(f->e, got, sizeof(got)) > 0)
		;
	sim_send(f->e, "x", 1);
	inject(f, TH_ACK, 20001, 2, 512, 0);
	assert_int_equal(sim_opt(f->e, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	drop_out(f);
	inject(f, TH_ACK, 20001, 2, 512, 1000);
	nothing(f);
	sim_run(&f->sim, 300 * MS);
	g = next(f);
	assert_int_equal(g.ack, 21001);
	inject(f, TH_ACK, 21001, 2, 512, 1000);
	drop_out(f);
	inject(f, TH_ACK, 22001, 2, 512, 1000);
	g = next(f);
	assert_int_equal(g.ack, 23001);
}

static void segments_that_come_together_get_one_ack(void **state)
{
	struct fx *f = *state;
	char got[30000];

	open_passive(f);
	inject(f, TH_ACK, 1, 1, 512, 1000);
	drop_out(f);
	f->hold = true;
	for (unsigned int i = 1; i < 7; i++)
		inject(f, TH_ACK, 1 + i * 1000, 1, 512, 1000);
	release(f);
	expect(f, TH_ACK, 1, 0, 7001);
	nothing(f);
	/* Not those that tell of a hole. */
	f->hold = true;
	for (unsigned int i = 8; i < 11; i++)
		inject(f, TH_ACK, 1 + i * 1000, 1, 512, 1000);
	release(f);
	for (unsigned int i = 0; i < 3; i++)
		expect(f, TH_ACK, 1, 0, 7001);
	nothing(f);
	inject(f, TH_ACK, 7001, 1, 512, 1000);
	expect(f, TH_ACK, 1, 0, 11001);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 11000);
	for (unsigned int i = 0; i < 11000; i++)
		assert_int_equal(got[i], 'a' + (1 + i) % 26);
}

struct slow_reader {
	struct uio_space space;
	struct fx *f;
	bool sent;
};

static ssize_t slow_write(const struct uio_space *s, uint64_t addr, const void *src, size_t size)
{
	struct slow_reader *r = container_of(s, struct slow_reader, space);

	(void)addr;
	(void)src;
	if (!r->sent) {
		r->sent = true;
		inject(r->f, TH_ACK, 3001, 1, 512, 1000);
		inject(r->f, TH_ACK | TH_FIN, 4001, 1, 512, 500);
	}
	return (ssize_t)size;
}

static void what_arrives_while_the_reader_copies_is_not_lost(void **state)
{
	struct fx *f = *state;
	struct slow_reader r = { .space = { .write = slow_write }, .f = f };
	struct ep_msg m = { .flags = 0 };
	char got[8000];
	struct uio u;
	struct seg g;

	open_passive(f);
	for (unsigned int i = 0; i < 3; i++)
		inject(f, TH_ACK, 1 + i * 1000, 1, 512, 1000);
	drop_out(f);
	uio_init_user(&u, &r.space, 0, 3000);
	assert_int_equal(ep_recv(f->e, &u, &m), 3000);
	g = next(f);
	assert_int_equal(g.ack, 4502); /* the FIN too */
	drop_out(f);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 1500);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 0);
}

static void unread_data_makes_close_a_reset(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	inject(f, TH_ACK, 1, 1, 512, 10);
	drop_out(f);
	ep_close(f->e);
	f->e = NULL;
	expect(f, TH_RST | TH_ACK, 1, 0, 11);
}

static void a_stream_that_has_ended_stays_so_when_a_reset_follows(void **state)
{
	struct fx *f = *state;
	char got[20];

	open_passive(f);
	inject(f, TH_ACK | TH_FIN, 1, 1, 512, 5);
	inject(f, TH_RST, 7, 0, 0, 0);
	drop_out(f);
	assert_int_equal(sim_recv(f->e, got, 20), 5);
	assert_int_equal(sim_recv(f->e, got, 20), 0);
	assert_int_equal(sim_getopt(f->e, SOL_SOCKET, SO_ERROR), EPIPE);
}

/* What it holds has the old numbers. */
static void a_broken_connection_is_not_connected_again_as_it_is(void **state)
{
	struct fx *f = *state;
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 4001), none = { .family = AF_UNSPEC };
	char got[20];

	open_passive(f);
	inject(f, TH_ACK, 1, 1, 512, 10);
	inject(f, TH_RST, 11, 0, 0, 0);
	drop_out(f);
	assert_int_equal(ep_connect(f->e, &to), -EISCONN);
	nothing(f);
	assert_int_equal(sim_recv(f->e, got, 4), 4);
	assert_int_equal(ep_connect(f->e, &none), 0);
	assert_int_equal(ep_connect(f->e, &to), -EINPROGRESS);
	assert_int_equal(sim_recv(f->e, got, 20), -EAGAIN);
	drop_out(f);
}

/* It was shut down before it was established, and its data is still there when it has ended. */
static void one_that_was_never_established_is_a_broken_connection_too(void **state)
{
	struct fx *f = *state;
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 4000);
	char got[20];

	open_simultaneously(f, &to);
	assert_int_equal(ep_shutdown(f->e, SHUT_WR), 0);
	inject(f, TH_ACK, 1, 1, 512, 10);
	assert_int_equal(ep_connect(f->e, &to), 0);
	inject(f, TH_RST, 11, 0, 0, 0);
	drop_out(f);
	assert_int_equal(ep_connect(f->e, &to), -EISCONN);
	assert_int_equal(sim_recv(f->e, got, 20), 10);
	drop_out(f);
}

static void linger_zero_resets(void **state)
{
	struct fx *f = *state;
	struct linger l = { 1, 0 };

	open_passive(f);
	assert_int_equal(ep_setopt(f->e, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ep_close(f->e);
	f->e = NULL;
	expect(f, TH_RST | TH_ACK, 1, 0, 1);
}

static void fin_wait_2_ends_and_time_wait_answers(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	ep_close(f->e);
	f->e = NULL;
	expect(f, TH_ACK | TH_FIN, 1, 0, 1);
	inject(f, TH_ACK, 1, 2, 512, 0);
	inject(f, TH_ACK | TH_FIN, 1, 2, 512, 0);
	expect(f, TH_ACK, 2, 0, 2);
	inject(f, TH_ACK | TH_FIN, 1, 2, 512, 0); /* our ACK was lost */
	expect(f, TH_ACK, 2, 0, 2);
	/* A new SYN beyond the old numbers opens at once. */
	inject_opts(f, TH_SYN, 100000, 0, 65535, 0, syn_plain, sizeof(syn_plain));
	assert_int_equal(next(f).flags, TH_SYN | TH_ACK);
}

static void an_orphan_in_fin_wait_2_times_out(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	ep_close(f->e);
	f->e = NULL;
	drop_out(f);
	inject(f, TH_ACK, 1, 2, 512, 0);
	sim_run(&f->sim, 61 * NSEC_PER_SEC);
	inject(f, TH_ACK, 1, 2, 512, 0);
	assert_int_equal(next(f).flags, TH_RST);
}

static void data_after_close_is_reset(void **state)
{
	struct fx *f = *state;

	open_passive(f);
	ep_close(f->e);
	f->e = NULL;
	drop_out(f);
	inject(f, TH_ACK, 1, 2, 512, 5);
	assert_true(next(f).flags & TH_RST);
}

static void keepalive_probes_and_gives_up(void **state)
{
	struct fx *f = *state;
	struct seg g;
	char c;

	open_passive(f);
	sim_opt(f->e, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	sim_opt(f->e, IPPROTO_TCP, TCP_KEEPINTVL, 2);
	sim_opt(f->e, IPPROTO_TCP, TCP_KEEPCNT, 3);
	assert_int_equal(sim_opt(f->e, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	sim_run(&f->sim, 10500 * MS);
	g = next(f);
	assert_true(g.seq == 0 && g.len == 0 && g.flags == TH_ACK);
	inject(f, TH_ACK, 1, 1, 512, 0);
	sim_run(&f->sim, 9 * NSEC_PER_SEC);
	nothing(f);
	sim_run(&f->sim, 20 * NSEC_PER_SEC);
	assert_int_equal(f->nout, 1 + 1 + 3 + 1); /* SYN-ACK, probe, three probes, RST */
	assert_int_equal(sim_recv(f->e, &c, 1), -ETIMEDOUT);
	drop_out(f);
}

static void a_syn_flood_is_answered_with_cookies(void **state)
{
	struct fx *f = *state;
	struct seg g;

	f->l = sim_listen(f->h, ipa_any4(), 80, 1);
	for (unsigned int i = 0; i < 50; i++) {
		struct ipa src = ipa_v4(htonl(0x0a000100 + i)), dst = sim_ip4("10.0.0.1");
		struct pkt *p = pkt_new(PKT_HEADROOM, 40);
		uint8_t *ip = pkt_append(p, 40);

		memset(ip, 0, 40);
		ip[0] = 0x45;
		wr16(ip + 2, 40);
		ip[8] = 64;
		ip[9] = 6;
		memcpy(ip + 12, &src.b[12], 4);
		memcpy(ip + 16, &dst.b[12], 4);
		{
			uint16_t c = csum_fold(csum_add(0, ip, 20, 0));

			memcpy(ip + 10, &c, 2);
		}
		wr16(ip + 20, 1000);
		wr16(ip + 22, 80);
		ip[32] = 0x50;
		ip[33] = TH_SYN;
		p->flags = PKT_CSUM_OK;
		nic_input(f->h->stack, f->h->ifindex, p);
	}
	assert_true(stack_stat(f->h->stack, NS_SyncookiesSent) >= 48);
	drop_out(f);
	/* An honest client gets through by its cookie. */
	inject_opts(f, TH_SYN, 0, 0, 65535, 0, syn_plain, sizeof(syn_plain));
	g = next(f);
	f->irs = g.seq;
	assert_false(g.ws); /* without time stamps there is nowhere to keep it */
	inject(f, TH_ACK, 1, 7, 512, 0); /* a forged one does not */
	assert_int_equal(next(f).flags, TH_RST);
	inject(f, TH_ACK, 1, 1, 512, 0);
	assert_int_equal(ep_accept(f->l, &f->e, NULL), 0);
	assert_int_equal(stack_stat(f->h->stack, NS_SyncookiesRecv), 1);
	drop_out(f);
}

static void paws_drops_old_time_stamps(void **state)
{
	static const uint8_t syn_ts[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0x13, 0x88, 0, 0, 0, 0, 1, 3, 3, 7 };
	struct fx *f = *state;
	char got[10];
	struct seg g;

	f->l = sim_listen(f->h, ipa_any4(), 80, 8);
	inject_opts(f, TH_SYN, 0, 0, 65535, 0, syn_ts, sizeof(syn_ts));
	g = next(f);
	f->irs = g.seq;
	assert_true(g.ts && g.tsecr == 5000);
	f->ts = true;
	f->tsval = 5010;
	inject(f, TH_ACK, 1, 1, 512, 0);
	assert_int_equal(ep_accept(f->l, &f->e, NULL), 0);
	inject(f, TH_ACK, 1, 1, 512, 5);
	assert_int_equal(sim_recv(f->e, got, 10), 5);
	drop_out(f);
	f->tsval = 4000;
	inject(f, TH_ACK, 6, 1, 512, 5);
	assert_int_equal(sim_recv(f->e, got, 10), -EAGAIN);
	assert_int_equal(stack_stat(f->h->stack, NS_PAWSEstab), 1);
	assert_int_equal(next(f).ack, 6);
}

static void urgent_bytes_stand_apart(void **state)
{
	struct fx *f = *state;
	char got[20];
	struct seg g;

	open_passive(f);
	assert_int_equal(sim_send_flags(f->e, "abc", 3, MSG_OOB), 3);
	g = next(f);
	assert_true((g.flags & TH_URG) && g.urg == 3);
	inject(f, TH_ACK, 1, 4, 512, 0);
	assert_int_equal(sim_recv_flags(f->e, got, 1, MSG_OOB), -EINVAL);
	{
		/* 10 bytes, urgent pointer behind the fifth */
		struct pkt *p;
		uint8_t *ip;
		uint16_t c;
		struct ipa src = sim_ip4("10.0.0.2"), dst = sim_ip4("10.0.0.1");

		p = pkt_new(PKT_HEADROOM, 50);
		ip = pkt_append(p, 50);
		memset(ip, 0, 40);
		memcpy(ip + 40, "0123456789", 10);
		ip[0] = 0x45;
		wr16(ip + 2, 50);
		ip[8] = 64;
		ip[9] = 6;
		memcpy(ip + 12, &src.b[12], 4);
		memcpy(ip + 16, &dst.b[12], 4);
		c = csum_fold(csum_add(0, ip, 20, 0));
		memcpy(ip + 10, &c, 2);
		wr16(ip + 20, 4000);
		wr16(ip + 22, 80);
		wr32(ip + 24, f->iss + 1);
		wr32(ip + 28, f->irs + 4);
		ip[32] = 0x50;
		ip[33] = TH_ACK | TH_URG;
		wr16(ip + 34, 512);
		wr16(ip + 38, 5);
		p->flags = PKT_CSUM_OK;
		nic_input(f->h->stack, f->h->ifindex, p);
	}
	assert_true(ep_poll(f->e) & POLLPRI);
	assert_int_equal(sim_recv_flags(f->e, got, 1, MSG_OOB), 1);
	assert_int_equal(got[0], '4');
	assert_int_equal(sim_recv(f->e, got, 20), 4);
	assert_int_equal(ep_query(f->e, EP_ATMARK), 1);
	assert_int_equal(sim_recv(f->e, got, 20), 5);
	assert_memory_equal(got, "56789", 5);
	drop_out(f);
}

/* Nobody has read the first when the second comes: it leaves the stream, and what was behind it is whole. */
static void a_second_urgent_byte_takes_the_place_of_the_first(void **state)
{
	struct fx *f = *state;
	char got[400];

	open_passive(f);
	f->urg = 1;
	inject(f, TH_ACK | TH_URG, 1, 1, 512, 1); /* the whole of a packet */
	inject(f, TH_ACK | TH_URG, 2, 1, 512, 200);
	assert_int_equal(sim_recv_flags(f->e, got, 1, MSG_OOB), 1);
	assert_int_equal(got[0], 'c');
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 199);
	assert_memory_equal(got, "defghijklm", 10);
	inject(f, TH_ACK, 202, 1, 512, 200);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 200);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), -EAGAIN);
	inject(f, TH_ACK | TH_URG, 402, 1, 512, 200); /* the first of a packet */
	inject(f, TH_ACK | TH_URG, 602, 1, 512, 200);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 199);
	assert_int_equal(got[0], 'a' + 403 % 26);
	assert_int_equal(ep_query(f->e, EP_ATMARK), 1);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 199);
	inject(f, TH_ACK, 802, 1, 512, 300);
	assert_int_equal(sim_recv(f->e, got, sizeof(got)), 300);
	assert_int_equal(got[299], 'a' + 1101 % 26);
	drop_out(f);
}

static void a_smaller_path_mtu_is_obeyed(void **state)
{
	struct fx *f = *state;
	struct pkt *p;
	uint8_t *b;
	uint16_t c;
	struct seg g;

	open_passive(f);
	assert_int_equal(sim_send(f->e, data, 2920), 2920);
	drop_out(f);
	p = pkt_new(PKT_HEADROOM, 20 + 8 + 28);
	b = pkt_append(p, 56);
	memset(b, 0, 56);
	b[0] = 0x45;
	wr16(b + 2, 56);
	b[8] = 64;
	b[9] = 1;
	wr32(b + 12, 0x0a000009);
	wr32(b + 16, 0x0a000001);
	c = csum_fold(csum_add(0, b, 20, 0));
	memcpy(b + 10, &c, 2);
	b[20] = 3;
	b[21] = 4;
	wr16(b + 26, 1000);
	b[28] = 0x45;
	wr16(b + 30, 1500);
	b[37] = 6;
	wr32(b + 40, 0x0a000001);
	wr32(b + 44, 0x0a000002);
	wr16(b + 48, 80);
	wr16(b + 50, 4000);
	wr32(b + 52, f->irs + 1);
	c = csum_fold(csum_add(0, b + 20, 36, 0));
	memcpy(b + 22, &c, 2);
	nic_input(f->h->stack, f->h->ifindex, p);
	g = next(f);
	assert_true(g.seq == 1 && g.len == 960);
	inject(f, TH_ACK, 1, 2921, 512, 0);
	drop_out(f);
	assert_int_equal(sim_send(f->e, data, 2000), 2000);
	assert_int_equal(next(f).len, 960);
	inject(f, TH_ACK, 1, 4921, 512, 0);
	drop_out(f);
}

static void the_mss_offered_is_that_of_the_route(void **state)
{
	struct fx *f = *state;
	struct route_info r = { .family = AF_INET, .plen = 32, .type = ROUTE_UNICAST, .table = RT_TABLE_MAIN,
				.dst = sim_ip4("10.0.0.2"), .ifindex = f->h->ifindex, .mtu = 1000, .expires_ns = INT64_MAX };
	struct net_addr to = sim_addr(sim_ip4("10.0.0.2"), 4000);

	assert_int_equal(route_add(f->h->stack, &r, ROUTE_CREATE), 0);
	f->l = sim_listen(f->h, ipa_any4(), 80, 8);
	inject_opts(f, TH_SYN, 0, 0, 65535, 0, syn_plain, sizeof(syn_plain));
	assert_int_equal(next(f).mss, 960);
	drop_out(f);
	f->e = sim_ep(f->h, AF_INET, SOCK_STREAM);
	assert_int_equal(ep_connect(f->e, &to), -EINPROGRESS);
	assert_int_equal(next(f).mss, 960);
}

static void tcp_info_tells_the_truth(void **state)
{
	struct fx *f = *state;
	struct tcp_info i;
	size_t size = sizeof(i);

	open_passive(f);
	sim_send(f->e, data, 1460);
	assert_int_equal(ep_getopt(f->e, IPPROTO_TCP, TCP_INFO, &i, &size), 0);
	assert_int_equal(i.tcpi_state, 1);
	assert_int_equal(i.tcpi_snd_cwnd, 10);
	assert_int_equal(i.tcpi_unacked, 1);
	assert_int_equal(i.tcpi_snd_mss, 1460);
	assert_int_equal(i.tcpi_snd_wscale, 7);
	assert_int_equal(i.tcpi_bytes_sent, 1460);
	inject(f, TH_ACK, 1, 1461, 512, 0);
	size = sizeof(i);
	ep_getopt(f->e, IPPROTO_TCP, TCP_INFO, &i, &size);
	assert_int_equal(i.tcpi_bytes_acked, 1460);
	assert_int_equal(i.tcpi_unacked, 0);
	/* When data came, not when anything did. */
	inject(f, TH_ACK, 1, 1461, 512, 5);
	sim_run(&f->sim, 500 * MS);
	inject(f, TH_ACK, 6, 1461, 513, 0);
	sim_run(&f->sim, 500 * MS);
	size = sizeof(i);
	ep_getopt(f->e, IPPROTO_TCP, TCP_INFO, &i, &size);
	assert_true(i.tcpi_last_data_recv >= 1000 && i.tcpi_last_data_recv < 1010);
	drop_out(f);
}

static uint32_t rcv_space(struct fx *f)
{
	struct tcp_info i;
	size_t size = sizeof(i);

	assert_int_equal(ep_getopt(f->e, IPPROTO_TCP, TCP_INFO, &i, &size), 0);
	return i.tcpi_rcv_space;
}

/* The next len bytes, at *seq. */
static void inject_bulk(struct fx *f, uint32_t *seq, uint32_t len)
{
	inject(f, TH_ACK, *seq, 1, 512, len);
	*seq += len;
}

static void who_reads_bulk_data_acknowledges_it(void **state)
{
	enum { LEN = 29200 };
	struct fx *f = *state;
	uint32_t seq = 1;

	open_passive(f);
	for (unsigned int round = 2; round < 30; round++) { /* so much in each round trip */
		for (unsigned int i = 0; i < round; i++) {
			inject_bulk(f, &seq, LEN);
			assert_int_equal(sim_recv(f->e, data, sizeof(data)), LEN);
		}
		sim_run(&f->sim, 10 * MS);
	}
	assert_true(rcv_space(f) >= 600000);
	drop_out(f);
	inject_bulk(f, &seq, LEN);
	expect(f, TH_ACK, 1, 0, seq);
	assert_int_equal(sim_recv(f->e, data, sizeof(data)), LEN);

	stack_mem_force(f->h->stack, 2 << 20); /* what others hold */
	inject_bulk(f, &seq, LEN);
	inject_bulk(f, &seq, LEN);
	nothing(f);
	assert_int_equal(sim_recv(f->e, data, sizeof(data)), 2 * LEN);
	expect(f, TH_ACK, 1, 0, seq);
	nothing(f);

	/* Nobody reads: no more than 192 KB, and not for long. */
	for (unsigned int i = 0; i < 6; i++)
		inject_bulk(f, &seq, LEN);
	nothing(f);
	inject_bulk(f, &seq, LEN);
	expect(f, TH_ACK, 1, 0, seq);
	inject_bulk(f, &seq, LEN);
	nothing(f);
	sim_run(&f->sim, 250 * MS);
	expect(f, TH_ACK, 1, 0, seq);
	while (sim_recv(f->e, data, sizeof(data)) > 0)
		;
	drop_out(f);

	/* A hole is told of at once. */
	inject(f, TH_ACK, seq + LEN, 1, 512, LEN);
	expect(f, TH_ACK, 1, 0, seq);
	stack_mem_uncharge(f->h->stack, 2 << 20);
}

#define T(test) UNIT_FIXTURE(test, setup, teardown)
UNIT_MAIN(T(passive_open_and_orderly_end), T(active_open_refused_and_retried),
	  T(simultaneous_open_connects), T(a_reset_must_have_the_exact_number),
	  T(three_sacks_start_fast_recovery),
	  T(a_slow_flow_sends_small_bursts), T(a_part_of_a_burst_that_is_sent_again_has_no_push),
	  T(after_a_pause_slow_start_begins_anew), T(a_burst_is_at_most_half_of_the_window),
	  T(limited_transmit_grows_the_window_by_what_is_new), T(a_window_that_is_not_used_does_not_grow),
	  T(the_lost_tail_is_probed_then_timed_out),
	  T(a_probe_of_long_ago_ends_no_connection_now),
	  T(nagle_cork_and_nodelay), T(a_zero_window_is_probed),
	  T(out_of_order_data_is_sacked_and_put_together), T(acks_are_delayed_but_not_for_two_segments),
	  T(segments_that_come_together_get_one_ack), T(who_reads_bulk_data_acknowledges_it),
	  T(what_arrives_while_the_reader_copies_is_not_lost),
	  T(unread_data_makes_close_a_reset),
	  T(a_stream_that_has_ended_stays_so_when_a_reset_follows),
	  T(a_broken_connection_is_not_connected_again_as_it_is),
	  T(one_that_was_never_established_is_a_broken_connection_too), T(linger_zero_resets),
	  T(fin_wait_2_ends_and_time_wait_answers), T(an_orphan_in_fin_wait_2_times_out),
	  T(data_after_close_is_reset), T(keepalive_probes_and_gives_up),
	  T(a_syn_flood_is_answered_with_cookies), T(paws_drops_old_time_stamps),
	  T(urgent_bytes_stand_apart),
	  T(a_second_urgent_byte_takes_the_place_of_the_first), T(a_smaller_path_mtu_is_obeyed),
	  T(the_mss_offered_is_that_of_the_route), T(tcp_info_tells_the_truth))
