/* SPDX-License-Identifier: Apache-2.0 */
/* test_ip6_ext.c: IPv6's extension headers: what is built, what is believed of what came, sizes on a wire. */
#include "tests/unit/netstack/sim.h"

#include "netstack/ip6_ext.h"
#include "netstack/sockaddr.h"

#define MTU 1500U

/* Options that all pass over: hdr[1] says the length, one option fills it. */
static const uint8_t *options(uint8_t *to, size_t size)
{
	memset(to, 0, size);
	to[1] = (uint8_t)(size / 8 - 1);
	for (size_t i = 2; i < size;) {
		size_t n = MIN(size - i, (size_t)257);

		if (size - i - n == 1)
			n--;
		to[i] = 0x1e;
		to[i + 1] = (uint8_t)(n - 2);
		i += n;
	}
	return to;
}

static struct ip6_ext *with(struct ip6_ext *x, enum ip6_ext_kind kind, const uint8_t *header)
{
	struct ip6_ext *n;

	assert_int_equal(ip6_ext_with(x, kind, header, &n), 0);
	ip6_ext_put(x);
	return n;
}

static void headers_go_on_the_wire_in_their_order(void **state)
{
	static const uint8_t dst1[8] = { 9, 0, 0x1e, 4, 'd' }, hop[16] = { 9, 1, 0x1e, 12, 'h' }, dst0[8] = { 9, 0, 0x1e, 4, '0' };
	uint8_t srh[24] = { 9, 2, 4, 0, [8] = 0xfd };
	struct ip6_ext *x = NULL;
	struct pkt *p = pkt_new(100, 10);

	(void)state;
	assert_non_null(p);
	p->dst = sim_ip6("fd00::7");
	assert_int_equal(ip6_ext_wire(NULL), 0);
	x = with(x, IP6_EXT_DST0, dst0);
	assert_int_equal(ip6_ext_wire(x), 0); /* without a routing header */
	assert_int_equal(ip6_ext_push(x, p, PROTO_UDP), PROTO_UDP);
	assert_int_equal(p->len, 0);
	x = with(x, IP6_EXT_DST1, dst1);
	x = with(x, IP6_EXT_HOP, hop);
	assert_int_equal(ip6_ext_wire(x), 24);
	assert_int_equal(ip6_ext_unfragmentable(x), 16);
	assert_true(ipa_eq(ip6_ext_first_hop(x, p->dst), p->dst));
	x = with(x, IP6_EXT_ROUTING, srh);
	assert_int_equal(ip6_ext_wire(x), 56);
	assert_int_equal(ip6_ext_unfragmentable(x), 48);
	assert_true(ipa_eq(ip6_ext_first_hop(x, p->dst), sim_ip6("fd00::")));
	assert_int_equal(ip6_ext_push(x, p, PROTO_UDP), PROTO_HOPOPTS);
	assert_int_equal(p->len, 56);
	assert_int_equal(p->data[0], PROTO_DSTOPTS);
	assert_int_equal(p->data[4], 'h');
	assert_int_equal(p->data[16], PROTO_ROUTING);
	assert_int_equal(p->data[16 + 4], '0');
	assert_int_equal(p->data[24], PROTO_DSTOPTS);
	assert_memory_equal(p->data + 24 + 8, p->dst.b, 16); /* the last segment is where it is for */
	assert_int_equal(p->data[48], PROTO_UDP);
	assert_int_equal(p->data[48 + 4], 'd');
	x = with(x, IP6_EXT_HOP, NULL);
	x = with(x, IP6_EXT_ROUTING, NULL);
	x = with(x, IP6_EXT_DST0, NULL);
	assert_non_null(x);
	x = with(x, IP6_EXT_DST1, NULL);
	assert_null(x);
	pkt_free(p);
}

/* Each header is in memory of its own size, so that one byte too far is seen. */
static bool routing_ok(const uint8_t *from, size_t len)
{
	uint8_t *h = malloc(len);
	bool ok;

	assert_non_null(h);
	memcpy(h, from, len);
	ok = ip6_ext_routing_ok(h, len);
	free(h);
	return ok;
}

static void routing_headers_say_nothing_beyond_their_end(void **state)
{
	uint8_t h[64] = { 0, 4, 4, 0, 1 };

	(void)state;
	assert_true(routing_ok(h, 40));
	assert_false(routing_ok(h, 32));
	assert_false(routing_ok(h, 48));
	for (unsigned int left = 0; left < 256; left++)
		for (unsigned int last = 0; last < 256; last++) {
			h[3] = (uint8_t)left;
			h[4] = (uint8_t)last;
			h[24] = 1;
			h[25] = 14;
			assert_int_equal(routing_ok(h, 40), left <= last && last <= 1);
		}
	h[3] = h[4] = 0;
	for (unsigned int n = 0; n < 256; n++) { /* one thing behind the segment */
		memset(h + 24, 0, 16);
		h[25] = (uint8_t)n;
		assert_int_equal(routing_ok(h, 40), n == 14 || (n < 14 && n % 2 == 0));
	}
	h[2] = 2;
	h[25] = 14;
	assert_false(routing_ok(h, 40));
	h[1] = 0;
	h[2] = 4;
	assert_false(routing_ok(h, 8));
}

static void a_walk_believes_no_length(void **state)
{
	uint64_t rng = 88172645463325252ULL;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		static const uint8_t protos[8] = { PROTO_HOPOPTS, PROTO_DSTOPTS, PROTO_ROUTING, PROTO_DSTOPTS, PROTO_UDP };
		size_t n, size, sum = 0;
		struct ip6_walk w;
		const uint8_t *h;
		uint8_t *b, proto;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		n = rng % 70;
		b = malloc(n ? n : 1);
		assert_non_null(b);
		for (size_t i = 0; i < n; i++)
			b[i] = (uint8_t)(rng >> (i % 8 * 7)) & 3 ? (uint8_t)(i % 3) : protos[rng >> (i % 32) & 7];
		w = (struct ip6_walk){ b, b + n, protos[rng >> 40 & 7] };
		while ((h = ip6_walk_next(&w, &proto, &size))) {
			assert_ptr_equal(h, b + sum);
			assert_true(proto == PROTO_DSTOPTS || proto == PROTO_ROUTING || (proto == PROTO_HOPOPTS && sum == 0));
			sum += size;
			assert_true(size >= 8 && sum <= n);
		}
		free(b);
	}
}

static void headers_of_a_message_are_checked(void **state)
{
	static const uint8_t h8[8] = { 0, 0, 0x1e, 4 }, h16[16] = { 0, 1, 0x1e, 12 };
	struct ep_msg m = { .ctl.net_raw = true };
	struct ep_ctl *c = &m.ctl;
	const int v6 = IPPROTO_IPV6;

	(void)state;
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_HOPOPTS, h8, 8), 0);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_HOPOPTS, h8, 8), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_2292HOPOPTS, h8, 8), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_DSTOPTS, h16, 8), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_DSTOPTS, h16, 1), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_DSTOPTS, h16, 0), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_DSTOPTS, h16, 16), 0);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_DSTOPTS, h8, 8), 0); /* the later one */
	assert_int_equal(ip6_ext_wire(c->ext), 16);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_2292DSTOPTS, h8, 8), -EINVAL);
	c->net_raw = false;
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_RTHDRDSTOPTS, h8, 8), -EPERM);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_RTHDRDSTOPTS, h16, 8), -EINVAL);
	assert_int_equal(ep_ctl_parse(c, AF_INET6, v6, IPV6_RTHDR, h16, 16), -EINVAL);
	ep_msg_fini(&m);
	assert_null(c->ext);
}

/* ---- on a wire ---- */

struct fx {
	struct sim sim;
	struct sim_host *a, *b;
	uint32_t longest;
};

static bool watch(struct sim *s, unsigned int from, struct pkt *p)
{
	struct fx *f = s->arg;

	(void)from;
	f->longest = MAX(f->longest, p->len);
	return true;
}

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	sim_init(&f->sim, 1);
	f->a = sim_host_type(&f->sim, MTU, LINK_TX_TSO6, LINK_ETHERNET); /* which knows no extension headers */
	f->b = sim_host(&f->sim);
	f->sim.filter = watch;
	f->sim.arg = f;
	*state = f;
	return 0;
}

static void set(struct ep *e, int name, size_t size)
{
	uint8_t h[IP6_EXT_MAX];

	assert_int_equal(ep_setopt(e, IPPROTO_IPV6, name, options(h, size), size), 0);
}

static void turn_on(struct ep *e, int name)
{
	assert_int_equal(ep_setopt(e, IPPROTO_IPV6, name, &(int){ 1 }, sizeof(int)), 0);
}

struct told {
	unsigned int count;
	int types[16];
	size_t sizes[16];
};

static void tell(void *arg, int level, int type, const void *data, size_t size)
{
	struct told *t = arg;

	assert_int_equal(level, IPPROTO_IPV6);
	assert_in_range(t->count, 0, 15);
	assert_int_equal(((const uint8_t *)data)[1], size / 8 - 1);
	t->types[t->count] = type;
	t->sizes[t->count++] = size;
}

static void datagrams_are_cut_behind_the_headers_that_all_pieces_have(void **state)
{
	static char data[8000], got[8000];
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET6, SOCK_DGRAM), *b = sim_ep(f->b, AF_INET6, SOCK_DGRAM);
	struct net_addr at = sim_addr(ipa_any6(), 7);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 >> 3);
	assert_int_equal(ep_bind(b, &at), 0);
	turn_on(b, IPV6_RECVHOPOPTS);
	turn_on(b, IPV6_RECVDSTOPTS);
	turn_on(b, IPV6_2292DSTOPTS);
	for (size_t hop = 8; hop <= 900; hop += 88) {
		struct ep_msg m = { 0 };
		struct told t = { 0 };
		struct uio u;

		set(a, IPV6_HOPOPTS, hop);
		set(a, IPV6_DSTOPTS, 264);
		f->longest = 0;
		assert_int_equal(sim_sendto(a, data, sizeof(data), sim_addr(sim_ip6("fd00::2"), 7)), sizeof(data));
		sim_run(&f->sim, NSEC_PER_SEC);
		assert_in_range(f->longest, MTU - 8, MTU + 14);
		uio_init_kernel(&u, got, sizeof(got));
		assert_int_equal(ep_recv(b, &u, &m), sizeof(data));
		assert_memory_equal(got, data, sizeof(data));
		ep_ctl_build(&m, tell, &t);
		assert_int_equal(t.count, 3);
		assert_true(t.types[0] == IPV6_HOPOPTS && t.types[1] == IPV6_DSTOPTS && t.types[2] == IPV6_2292DSTOPTS);
		assert_int_equal(t.sizes[0], hop);
		assert_int_equal(t.sizes[1], t.sizes[2]);
		ep_msg_fini(&m);
	}
	ep_close(a);
	ep_close(b);
}

static void streams_cross_a_bad_wire_in_segments_that_fit(void **state)
{
	static char data[300000], got[sizeof(data)];
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET6, SOCK_STREAM), *l = sim_ep(f->b, AF_INET6, SOCK_STREAM), *b = NULL;
	struct net_addr at = sim_addr(ipa_any6(), 7), to = sim_addr(sim_ip6("fd00::2"), 7);
	size_t sent = 0, in = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 31 >> 4);
	f->sim.loss = 100;
	f->sim.reorder = 100;
	assert_int_equal(ep_bind(l, &at), 0);
	set(l, IPV6_DSTOPTS, 512);
	set(a, IPV6_HOPOPTS, 1024);
	assert_int_equal(ep_listen(l, 5), 0);
	assert_int_equal(ep_connect(a, &to), -EINPROGRESS);
	for (unsigned int i = 0; i < 100 && !b; i++) {
		sim_run(&f->sim, NSEC_PER_SEC);
		if (ep_accept(l, &b, NULL) < 0)
			b = NULL;
	}
	assert_non_null(b);
	while (in < sizeof(data)) {
		ssize_t n = sent < sizeof(data) ? sim_send(a, data + sent, sizeof(data) - sent) : 0;

		sent += n > 0 ? (size_t)n : 0;
		sim_run(&f->sim, 50 * NSEC_PER_MSEC);
		while ((n = sim_recv(b, got + in, sizeof(got) - in)) > 0)
			in += (size_t)n;
	}
	assert_memory_equal(got, data, sizeof(data));
	assert_in_range(f->longest, MTU - 8, MTU + 14);
	ep_close(a);
	ep_close(b);
	ep_close(l);
}

/* Corked data keep the headers of when they began; what is left when the socket goes is freed. */
static void corks_hold_their_headers(void **state)
{
	struct fx *f = *state;
	struct ep *a = sim_ep(f->a, AF_INET6, SOCK_DGRAM), *b = sim_ep(f->b, AF_INET6, SOCK_DGRAM);
	struct net_addr at = sim_addr(ipa_any6(), 7), to = sim_addr(sim_ip6("fd00::2"), 7);
	struct ep_msg m = { .flags = MSG_MORE, .has_addr = true, .addr = to, .ctl.net_raw = true };
	uint8_t h[64];
	char c[4];
	struct uio u;

	assert_int_equal(ep_bind(b, &at), 0);
	assert_int_equal(ep_ctl_parse(&m.ctl, AF_INET6, IPPROTO_IPV6, IPV6_DSTOPTS, options(h, 64), 64), 0);
	uio_init_kernel(&u, c, 1);
	assert_int_equal(ep_send(a, &u, &m), 1);
	ep_msg_fini(&m);
	f->longest = 0;
	assert_int_equal(sim_sendto(a, c, 1, to), 1);
	sim_run(&f->sim, NSEC_PER_SEC);
	assert_int_equal(sim_recv(b, c, sizeof(c)), 2);
	assert_int_equal(f->longest, 14 + 40 + 64 + 8 + 2);
	set(a, IPV6_DSTOPTS, 8);
	m = (struct ep_msg){ .flags = MSG_MORE, .has_addr = true, .addr = to };
	uio_init_kernel(&u, c, 1);
	assert_int_equal(ep_send(a, &u, &m), 1);
	ep_close(a);
	ep_close(b);
}

UNIT_MAIN(UNIT(headers_go_on_the_wire_in_their_order), UNIT(routing_headers_say_nothing_beyond_their_end),
	  UNIT(a_walk_believes_no_length), UNIT(headers_of_a_message_are_checked),
	  UNIT_FIXTURE(datagrams_are_cut_behind_the_headers_that_all_pieces_have, setup, sim_teardown),
	  UNIT_FIXTURE(streams_cross_a_bad_wire_in_segments_that_fit, setup, sim_teardown), UNIT_FIXTURE(corks_hold_their_headers, setup, sim_teardown))
