/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h: stacks in virtual time over simulated links, in one thread.
 *
 * A world has one clock and one random source (from a seed), any number of hosts (a stack with one
 * Ethernet or bare-IP interface), and a wire that delays, loses, doubles and reorders packets.
 * sim_step() moves time to the next event: a packet's arrival or a timer.
 */
#pragma once

#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/list.h"
#include "lib/mem.h"
#include "lib/uio.h"
#include "lib/wq.h"
#include "netstack/ep.h"
#include "netstack/lock.h"
#include "netstack/pkt.h"
#include "netstack/stack.h"
#include "netstack/wire.h"

#define SIM_HOSTS 4

struct sim;

struct sim_host {
	struct sim *sim;
	struct stack *stack;
	uint32_t ifindex;
	unsigned int index;
};

struct sim_pkt {
	struct list node;
	int64_t at_ns;
	struct pkt *p;
	unsigned int to;
};

struct sim {
	int64_t now_ns;
	uint64_t rng;
	struct sim_host hosts[SIM_HOSTS];
	unsigned int nhosts;
	struct list wire; /* struct sim_pkt by time */
	/* impairments; probabilities in 1/10000 */
	int64_t delay_ns, jitter_ns;
	uint64_t rate_bps; /* 0: infinite */
	int64_t busy_ns[SIM_HOSTS];
	int64_t queue_ns;  /* longest queue in front of a limited link */
	unsigned int loss, dup, reorder;
	unsigned int sent, lost;
	/* Looks at each packet on the wire; false: it is lost. */
	bool (*filter)(struct sim *s, unsigned int from, struct pkt *p);
	void *arg;
};

static inline uint64_t sim_random(struct sim *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng;
}

static inline int64_t sim_now(void *ctx)
{
	return ((struct sim_host *)ctx)->sim->now_ns;
}

static inline int64_t sim_real(void *ctx)
{
	return ((struct sim_host *)ctx)->sim->now_ns + 1600000000LL * NSEC_PER_SEC;
}

static inline void sim_fill(void *ctx, void *p, size_t size)
{
	unsigned char *b = p;

	for (size_t i = 0; i < size; i++)
		b[i] = (unsigned char)(sim_random(((struct sim_host *)ctx)->sim) >> 24);
}

static const struct stack_ops sim_stack_ops = { .now_ns = sim_now, .real_ns = sim_real,
						.random = sim_fill };

static inline void sim_put(struct sim *s, unsigned int to, struct pkt *p, int64_t at)
{
	struct sim_pkt *k = mem_new(struct sim_pkt);
	struct list *pos;

	k->p = p;
	k->to = to;
	k->at_ns = at;
	for (pos = s->wire.prev; pos != &s->wire; pos = pos->prev)
		if (list_entry(pos, struct sim_pkt, node)->at_ns <= at)
			break;
	list_insert_between(&k->node, pos, pos->next);
}

static inline bool sim_chance(struct sim *s, unsigned int per_10000)
{
	return per_10000 && sim_random(s) % 10000 < per_10000;
}

/* A linear copy: what the other host gets shares nothing with the sender. */
static inline struct pkt *sim_copy(const struct pkt *p)
{
	struct pkt *c = pkt_new(PKT_HEADROOM, p->len);

	pkt_copy(p, 0, pkt_append(c, p->len), p->len);
	return c;
}

/* NETSIM_TRACE: a line for each TCP segment over IPv4 or IPv6. */
static inline void sim_trace(struct sim *s, unsigned int from, const struct pkt *p, const char *what)
{
	static const char names[] = "FSRPAUEC";
	uint8_t b[200] = { 0 }, *h, flags[9] = { 0 };
	size_t n = 0;

	if (!getenv("NETSIM_TRACE"))
		return;
	pkt_copy(p, 0, b, MIN(sizeof(b), (size_t)p->len));
	h = b;
	if (h[12] == 8 || h[12] == 0x86)
		h += 14;
	if ((h[0] >> 4 == 4 && h[9] != 6) || (h[0] >> 4 == 6 && h[6] != 6))
		return;
	h += h[0] >> 4 == 4 ? 20 : 40;
	for (unsigned int i = 0; i < 8; i++)
		if (h[13] >> i & 1)
			flags[n++] = (uint8_t)names[i];
	fprintf(stderr, "%.6f %u %s seq %u:%u ack %u win %u", (double)(s->now_ns - 1000 * NSEC_PER_SEC) / 1e9,
		from, flags, rd32(h + 4),
		(uint32_t)(rd32(h + 4) + p->len - (size_t)(h - b) - (h[12] >> 4) * 4U),
		rd32(h + 8), (unsigned int)(h[14] << 8 | h[15]));
	for (size_t o = 20; o + 1 < (size_t)(h[12] >> 4) * 4;) {
		if (h[o] == 1) {
			o++;
			continue;
		}
		if (h[o] == 0 || h[o + 1] < 2)
			break;
		if (h[o] == 5)
			for (size_t k = o + 2; k + 8 <= o + h[o + 1]; k += 8)
				fprintf(stderr, " sack %u:%u", rd32(h + k),
					rd32(h + k + 4));
		o += h[o + 1];
	}
	fprintf(stderr, " %s\n", what);
}

static inline void sim_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct sim_host *h = ctx;
	struct sim *s = h->sim;
	int64_t at = s->now_ns;

	(void)q;
	s->sent++;
	if ((s->filter && !s->filter(s, h->index, p)) || sim_chance(s, s->loss)) {
		sim_trace(s, h->index, p, "LOST");
		s->lost++;
		pkt_free(p);
		return;
	}
	sim_trace(s, h->index, p, "");
	if (s->rate_bps) {
		if (s->busy_ns[h->index] < at)
			s->busy_ns[h->index] = at;
		if (s->queue_ns && s->busy_ns[h->index] - at > s->queue_ns) {
			s->lost++;
			pkt_free(p);
			return;
		}
		s->busy_ns[h->index] += (int64_t)(p->len * 8ULL * NSEC_PER_SEC / s->rate_bps);
		at = s->busy_ns[h->index];
	}
	at += s->delay_ns + (s->jitter_ns ? (int64_t)(sim_random(s) % (uint64_t)s->jitter_ns) : 0);
	if (sim_chance(s, s->reorder))
		at += s->delay_ns / 2 + NSEC_PER_MSEC;
	for (unsigned int i = 0; i < s->nhosts; i++) {
		if (i == h->index)
			continue;
		sim_put(s, i, sim_copy(p), at);
		if (sim_chance(s, s->dup))
			sim_put(s, i, sim_copy(p), at + 1000);
	}
	pkt_free(p);
}

static const struct link_ops sim_link_ops = { .transmit = sim_transmit };

static inline void sim_init(struct sim *s, uint64_t seed)
{
	net_single_threaded();
	memset(s, 0, sizeof(*s));
	s->now_ns = 1000 * NSEC_PER_SEC;
	s->rng = seed * 0x9e3779b97f4a7c15ULL + 88172645463325252ULL;
	list_init(&s->wire);
	s->delay_ns = NSEC_PER_MSEC;
}

static inline struct ipa sim_ip4(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return ipa_v4(a.s_addr);
}

static inline struct ipa sim_ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return ipa_v6(&a);
}

/* A host with lo, 10.0.0.(index+1)/24 and fd00::(index+1)/64. */
static inline struct sim_host *sim_host_type(struct sim *s, uint32_t mtu, uint32_t features,
					     enum link_type type)
{
	struct sim_host *h = &s->hosts[s->nhosts];
	struct nic_config c = { .name = "eth0", .type = type, .mtu = mtu, .features = features,
				.ops = &sim_link_ops, .ctx = h,
				.mac = { 2, 0, 0, 0, 0, (uint8_t)(s->nhosts + 1) } };
	struct addr_info a;
	char text[32];

	h->sim = s;
	h->index = s->nhosts++;
	h->stack = stack_new(&sim_stack_ops, h);
	assert_non_null(h->stack);
	/* Addresses are those that the test gives. */
	assert_int_equal(nic_conf_set(h->stack, NIC_CONF_DEFAULT, IP6_addr_gen_mode, 1), 0);
	assert_int_equal(nic_set_flags(h->stack, 1, IFF_UP, IFF_UP), 0);
	assert_int_equal(nic_add(h->stack, &c, &h->ifindex), 0);
	assert_int_equal(nic_set_flags(h->stack, h->ifindex, IFF_UP, IFF_UP), 0);
	snprintf(text, sizeof(text), "10.0.0.%u", h->index + 1);
	a = (struct addr_info){ .ifindex = h->ifindex, .addr = sim_ip4(text), .plen = 24,
				.broadcast = sim_ip4("10.0.0.255") };
	assert_int_equal(addr_add(h->stack, &a), 0);
	snprintf(text, sizeof(text), "fd00::%u", h->index + 1);
	a = (struct addr_info){ .ifindex = h->ifindex, .addr = sim_ip6(text), .plen = 64, .nodad = 1 };
	assert_int_equal(addr_add(h->stack, &a), 0);
	return h;
}

static inline struct sim_host *sim_host(struct sim *s)
{
	return sim_host_type(s, 1500, 0, LINK_ETHERNET);
}

/* To the next event, not beyond until_ns.  False: nothing is left before that. */
static inline bool sim_step(struct sim *s, int64_t until_ns)
{
	struct sim_pkt *k = list_first(&s->wire, struct sim_pkt, node);
	int64_t next = k ? k->at_ns : INT64_MAX, d;

	for (unsigned int i = 0; i < s->nhosts; i++) {
		d = stack_next_deadline(s->hosts[i].stack);
		if (d < next)
			next = d;
	}
	if (next > until_ns) {
		if (s->now_ns < until_ns)
			s->now_ns = until_ns;
		return false;
	}
	if (next > s->now_ns)
		s->now_ns = next;
	if (k && k->at_ns <= s->now_ns) {
		struct pkt *p = k->p;
		unsigned int to = k->to;

		list_remove(&k->node);
		mem_free(k);
		nic_input(s->hosts[to].stack, s->hosts[to].ifindex, p);
		return true;
	}
	for (unsigned int i = 0; i < s->nhosts; i++)
		if (stack_next_deadline(s->hosts[i].stack) <= s->now_ns)
			stack_run_timers(s->hosts[i].stack);
	return true;
}

static inline void sim_run(struct sim *s, int64_t for_ns)
{
	int64_t until = s->now_ns + for_ns;

	while (sim_step(s, until))
		;
}

static inline void sim_fini(struct sim *s)
{
	struct sim_pkt *k, *tmp;

	for (unsigned int i = 0; i < s->nhosts; i++)
		stack_put(s->hosts[i].stack);
	list_for_each_entry_safe(k, tmp, &s->wire, node) {
		list_remove(&k->node);
		pkt_free(k->p);
		mem_free(k);
	}
}

/* Nothing is left once every timer has run out; then sim_fini(). */
static inline void sim_end(struct sim *s)
{
	sim_run(s, 100 * NSEC_PER_SEC);
	for (unsigned int i = 0; i < s->nhosts; i++)
		assert_int_equal(stack_memory(s->hosts[i].stack), 0);
	sim_fini(s);
}

/* A fixture's teardown: *state is from malloc() and begins with the struct sim. */
static inline int sim_teardown(void **state)
{
	sim_end(*state);
	free(*state);
	return 0;
}

/* ---- interfaces whose frames are only counted ---- */

#define SIM_FRAME 64

struct sim_tap {
	unsigned int out;        /* frames that left here */
	uint8_t last[SIM_FRAME]; /* the last one's beginning */
};

static inline void sim_tap_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct sim_tap *t = ctx;

	(void)q;
	t->out++;
	memset(t->last, 0, SIM_FRAME);
	pkt_copy(p, 0, t->last, MIN((size_t)SIM_FRAME, (size_t)p->len));
	pkt_free(p);
}

/* Of interfaces whose ctx is a struct sim_tap. */
static inline const struct link_ops *sim_tap_ops(void)
{
	static const struct link_ops ops = { .transmit = sim_tap_transmit };

	return &ops;
}

static inline void sim_mac(uint8_t out[6], unsigned int i)
{
	memcpy(out, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)(i + 1) }, 6);
}

/* A stack without a link, on s's clock. */
static inline struct stack *sim_stack(struct sim *s, struct sim_host *h)
{
	net_single_threaded();
	s->rng = 1;
	s->now_ns = 1000 * NSEC_PER_SEC;
	h->sim = s;
	h->stack = stack_new(&sim_stack_ops, h);
	assert_non_null(h->stack);
	assert_int_equal(nic_conf_set(h->stack, NIC_CONF_DEFAULT, IP6_addr_gen_mode, 1), 0);
	return h->stack;
}

/* ---- sockets ---- */

static inline struct net_addr sim_addr(struct ipa ip, uint16_t port)
{
	return (struct net_addr){ .family = ipa_is4(ip) ? AF_INET : AF_INET6, .ip = ip, .port = port };
}

static inline struct ep *sim_ep(struct sim_host *h, int family, int type)
{
	struct ep *e;

	assert_int_equal(ep_new(h->stack, family, type, 0, &e), 0);
	return e;
}

static inline ssize_t sim_send_flags(struct ep *e, const void *data, size_t size, int flags)
{
	struct ep_msg m = { .flags = flags };
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)data, size);
	return ep_send(e, &u, &m);
}

static inline ssize_t sim_send(struct ep *e, const void *data, size_t size)
{
	return sim_send_flags(e, data, size, 0);
}

static inline ssize_t sim_sendto(struct ep *e, const void *data, size_t size, struct net_addr to)
{
	struct ep_msg m = { .has_addr = true, .addr = to };
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)data, size);
	return ep_send(e, &u, &m);
}

static inline ssize_t sim_recv_flags(struct ep *e, void *data, size_t size, int flags)
{
	struct ep_msg m = { .flags = flags };
	struct uio u;

	uio_init_kernel(&u, data, size);
	return ep_recv(e, &u, &m);
}

static inline ssize_t sim_recv(struct ep *e, void *data, size_t size)
{
	return sim_recv_flags(e, data, size, 0);
}

static inline int sim_opt(struct ep *e, int level, int name, int v)
{
	return ep_setopt(e, level, name, &v, sizeof(v));
}

static inline struct ep *sim_listen(struct sim_host *h, struct ipa ip, uint16_t port, int backlog)
{
	struct ep *e = sim_ep(h, ipa_is4(ip) ? AF_INET : AF_INET6, SOCK_STREAM);
	struct net_addr a = sim_addr(ip, port);

	assert_int_equal(sim_opt(e, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(ep_bind(e, &a), 0);
	assert_int_equal(ep_listen(e, backlog), 0);
	return e;
}

static inline struct ep *sim_connect(struct sim_host *h, struct ipa ip, uint16_t port)
{
	struct ep *e = sim_ep(h, ipa_is4(ip) ? AF_INET : AF_INET6, SOCK_STREAM);
	struct net_addr a = sim_addr(ip, port);

	assert_int_equal(ep_connect(e, &a), -EINPROGRESS);
	return e;
}

static inline int sim_getopt(struct ep *e, int level, int name)
{
	size_t size = sizeof(int);
	int v = -1;

	assert_int_equal(ep_getopt(e, level, name, &v, &size), 0);
	return v;
}
