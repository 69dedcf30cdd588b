/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tcp_sim.c: two hosts, a bad wire, both directions at once, every byte checked.
 *
 * NETSIM_SEEDS and NETSIM_BYTES make the runs longer than the defaults.  --long (from a release build:
 * build/release/unit/netstack/test_tcp_sim) is what issue 5 asks for: 100 MB each way over each bad
 * wire, 10,000 random networks; NETSIM_WIRE and NETSIM_FIRST start later in them.
 */
#include "tests/unit/netstack/sim.h"

struct flow_state {
	struct ep *e;
	uint64_t sent, got, size;
	uint64_t key_out, key_in;
	bool shut, eof;
};

static bool long_run;

/* The n bytes of stream `key` that begin at byte i. */
static void bytes_at(uint64_t key, uint64_t i, char *out, size_t n)
{
	while (n) {
		uint64_t x = (key + i / 8) * 0x9e3779b97f4a7c15ULL, skip = i % 8;
		size_t k = MIN(n, (size_t)(8 - skip));

		x = (x ^ x >> 29) >> (8 * skip);
		memcpy(out, &x, k);
		out += k;
		i += k;
		n -= k;
	}
}

static char buf[65536], want[65536];

/* As much as goes now: write, read, check.  Returns whether anything moved. */
static bool pump(struct sim *s, struct flow_state *f)
{
	bool moved = false;
	ssize_t n;

	while (f->sent < f->size && (ep_poll(f->e) & (POLLOUT | POLLERR | POLLHUP))) {
		size_t k = 1 + sim_random(s) % sizeof(buf);

		k = MIN(k, (size_t)(f->size - f->sent));
		bytes_at(f->key_out, f->sent, buf, k);
		n = sim_send(f->e, buf, k);
		if (n == -EAGAIN)
			break;
		assert_true(n > 0);
		f->sent += (uint64_t)n;
		moved = true;
	}
	if (f->sent == f->size && !f->shut) {
		assert_int_equal(ep_shutdown(f->e, SHUT_WR), 0);
		f->shut = true;
	}
	while (!f->eof) {
		n = sim_recv(f->e, buf, 1 + sim_random(s) % sizeof(buf));
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			print_message("recv: %zd after %llu\n", n, (unsigned long long)f->got);
			assert_true(n >= 0);
		}
		if (n == 0)
			f->eof = true;
		bytes_at(f->key_in, f->got, want, (size_t)n);
		if (memcmp(buf, want, (size_t)n) != 0)
			fail_msg("a wrong byte in the %zd at %llu", n, (unsigned long long)f->got);
		f->got += (uint64_t)n;
		moved = true;
	}
	return moved;
}

static uint64_t env(const char *name, uint64_t def)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 0) : def;
}

/* Both ways; returns the virtual seconds it took. */
static double transfer(struct sim *s, struct sim_host *a, struct sim_host *b, struct ipa to,
		       uint64_t size_a, uint64_t size_b, int64_t limit_ns)
{
	struct ep *l = sim_listen(b, ipa_is4(to) ? ipa_any4() : ipa_any6(), 80, 16), *c = NULL;
	struct flow_state fa = { .e = sim_connect(a, to, 80), .size = size_a, .key_out = 1, .key_in = 2 };
	struct flow_state fb = { .size = size_b, .key_out = 2, .key_in = 1 };
	int64_t start = s->now_ns;
	bool open = false;

	while (!fa.eof || !fb.eof || !fa.shut || !fb.shut) {
		if (s->now_ns - start > limit_ns) {
			print_message("stuck: a sent %llu got %llu, b sent %llu got %llu\n",
				      (unsigned long long)fa.sent, (unsigned long long)fa.got,
				      (unsigned long long)fb.sent, (unsigned long long)fb.got);
			fail_msg("stuck");
		}
		if (!fb.e && ep_accept(l, &c, NULL) == 0)
			fb.e = c;
		if (open || (ep_poll(fa.e) & POLLOUT)) {
			open = true;
			pump(s, &fa);
		}
		if (fb.e)
			pump(s, &fb);
		if (!sim_step(s, start + limit_ns + NSEC_PER_SEC))
			s->now_ns = start + limit_ns + 1;
	}
	assert_true(fa.got == size_b && fb.got == size_a);
	ep_close(fa.e);
	ep_close(fb.e);
	ep_close(l);
	return (double)(s->now_ns - start) / 1e9;
}

static void finish(struct sim *s)
{
	sim_run(s, 200 * NSEC_PER_SEC);
	for (unsigned int i = 0; i < s->nhosts; i++)
		assert_int_equal(stack_memory(s->hosts[i].stack), 0);
	sim_fini(s);
}

static void a_clean_wire_carries_both_ways(void **state)
{
	struct sim s;
	double t;

	(void)state;
	sim_init(&s, 1);
	sim_host(&s);
	sim_host(&s);
	t = transfer(&s, &s.hosts[0], &s.hosts[1], sim_ip4("10.0.0.2"), 5000000, 3000000, 100 * NSEC_PER_SEC);
	assert_true(t < 5);
	assert_int_equal(stack_stat(s.hosts[0].stack, NS_TcpRetransSegs), 0);
	assert_int_equal(stack_stat(s.hosts[1].stack, NS_TcpRetransSegs), 0);
	t = transfer(&s, &s.hosts[0], &s.hosts[1], sim_ip6("fd00::2"), 5000000, 3000000, 100 * NSEC_PER_SEC);
	assert_true(t < 5);
	finish(&s);
}

static void loopback_carries_both_ways(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, 1);
	sim_host(&s);
	transfer(&s, &s.hosts[0], &s.hosts[0], sim_ip4("127.0.0.1"), 20000000, 10000000, 100 * NSEC_PER_SEC);
	transfer(&s, &s.hosts[0], &s.hosts[0], sim_ip6("::1"), 2000000, 1000000, 100 * NSEC_PER_SEC);
	finish(&s);
}

static void links_that_cut_segments_get_large_ones(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, 3);
	sim_host_type(&s, 1500, LINK_TX_CSUM, LINK_IP);
	sim_host(&s);
	/* Both must speak the same link: bare IP. */
	sim_fini(&s);
	sim_init(&s, 3);
	sim_host_type(&s, 9000, 0, LINK_IP);
	sim_host_type(&s, 9000, 0, LINK_IP);
	transfer(&s, &s.hosts[0], &s.hosts[1], sim_ip4("10.0.0.2"), 3000000, 10, 100 * NSEC_PER_SEC);
	finish(&s);
}

static void bad_wires_lose_no_byte(void **state)
{
	static const struct {
		unsigned int loss, dup, reorder;
		int64_t delay_ms, jitter_ms;
	} wires[] = {
		{ 10, 0, 0, 1, 0 },	   { 100, 0, 0, 10, 0 },    { 0, 0, 300, 20, 0 },
		{ 100, 100, 100, 5, 2 },   { 500, 100, 200, 50, 5 }, { 1000, 300, 500, 20, 10 },
		{ 1000, 100, 100, 200, 50 },
		/* of the long run alone */
		{ 0, 0, 0, 200, 0 },	   { 200, 0, 0, 200, 0 },   { 100, 500, 500, 100, 20 },
	};
	unsigned int nwires = ARRAY_SIZE(wires) - (long_run ? 0 : 3);
	uint64_t bytes = env("NETSIM_BYTES", long_run ? 100000000 : 300000);

	(void)state;
	for (unsigned int i = (unsigned int)env("NETSIM_WIRE", 0); i < nwires; i++) {
		struct sim s;
		double t;

		sim_init(&s, 77 + i);
		sim_host(&s);
		sim_host(&s);
		s.loss = wires[i].loss;
		s.dup = wires[i].dup;
		s.reorder = wires[i].reorder;
		s.delay_ns = wires[i].delay_ms * NSEC_PER_MSEC;
		s.jitter_ns = wires[i].jitter_ms * NSEC_PER_MSEC;
		t = transfer(&s, &s.hosts[0], &s.hosts[1], sim_ip4("10.0.0.2"), bytes, long_run ? bytes : bytes / 2,
			     (long_run ? 3000000 : 100000) * NSEC_PER_SEC);
		print_message("loss %u.%02u%% delay %d ms: %.2f s, %u sent, rexmit %llu, rto %llu, probes %llu, dsack %llu\n",
			      s.loss / 100, s.loss % 100, (int)wires[i].delay_ms, t, s.sent,
			      (unsigned long long)stack_stat(s.hosts[0].stack, NS_TcpRetransSegs),
			      (unsigned long long)stack_stat(s.hosts[0].stack, NS_TCPTimeouts),
			      (unsigned long long)stack_stat(s.hosts[0].stack, NS_TCPLossProbes),
			      (unsigned long long)stack_stat(s.hosts[0].stack, NS_TCPDSACKRecv));
		finish(&s);
	}
}

static void a_limited_link_is_filled(void **state)
{
	struct sim s;
	double t;

	(void)state;
	sim_init(&s, 5);
	sim_host(&s);
	sim_host(&s);
	s.rate_bps = 100000000; /* 100 Mbit/s, 20 ms, a queue of one bandwidth-delay product */
	s.delay_ns = 10 * NSEC_PER_MSEC;
	s.queue_ns = 20 * NSEC_PER_MSEC;
	t = transfer(&s, &s.hosts[0], &s.hosts[1], sim_ip4("10.0.0.2"), 50000000, 1000, 1000 * NSEC_PER_SEC);
	print_message("50 MB over 100 Mbit/s, 20 ms: %.2f s, lost %u, rto %llu\n", t, s.lost,
		      (unsigned long long)stack_stat(s.hosts[0].stack, NS_TCPTimeouts));
	assert_true(t < 50000000 * 8 / 100e6 * 1.35);
	finish(&s);
}

/* Random small networks, from a seed each: none may get stuck. */
static void no_seed_gets_stuck(void **state)
{
	uint64_t first = env("NETSIM_FIRST", 1), seeds = env("NETSIM_SEEDS", long_run ? 10001 - MIN(first, 10000UL) : 150);

	(void)state;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		struct sim s;
		unsigned int what;

		sim_init(&s, seed);
		what = (unsigned int)sim_random(&s);
		sim_host_type(&s, 576 + sim_random(&s) % 8000, 0, LINK_ETHERNET);
		sim_host_type(&s, (uint32_t)576 + sim_random(&s) % 8000, 0, LINK_ETHERNET);
		/* Links must agree on the largest packet, or path MTU discovery has no router to speak. */
		nic_set_mtu(s.hosts[1].stack, s.hosts[1].ifindex, 1300 + what % 200);
		nic_set_mtu(s.hosts[0].stack, s.hosts[0].ifindex, 1300 + what % 200);
		s.loss = sim_random(&s) % 1000;
		s.dup = sim_random(&s) % 500;
		s.reorder = sim_random(&s) % 1000;
		s.delay_ns = (int64_t)(sim_random(&s) % 100) * NSEC_PER_MSEC + 1000;
		s.jitter_ns = (int64_t)(sim_random(&s) % 20) * NSEC_PER_MSEC;
		for (unsigned int i = 0; i < 2; i++) {
			const char *no[] = { "ipv4.tcp_sack", "ipv4.tcp_timestamps", "ipv4.tcp_window_scaling" };

			for (unsigned int k = 0; k < 3; k++)
				if (sim_random(&s) % 5 == 0)
					net_conf_set(s.hosts[i].stack, (size_t)net_conf_find(no[k]), 0);
			if (sim_random(&s) % 2)
				net_conf_set(s.hosts[i].stack,
					     (size_t)net_conf_find("ipv4.tcp_congestion_control_index"), 1);
			if (sim_random(&s) % 4 == 0)
				net_conf_set(s.hosts[i].stack, (size_t)net_conf_find("ipv4.tcp_ecn"), 1);
		}
		if (getenv("NETSIM_VERBOSE") || (long_run && seed % 500 == 0))
			print_message("seed %llu\n", (unsigned long long)seed);
		transfer(&s, &s.hosts[0], &s.hosts[1], what & 1 ? sim_ip4("10.0.0.2") : sim_ip6("fd00::2"),
			 sim_random(&s) % 100000, sim_random(&s) % 100000, 100000 * NSEC_PER_SEC);
		finish(&s);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		UNIT(a_clean_wire_carries_both_ways), UNIT(loopback_carries_both_ways),
	  UNIT(links_that_cut_segments_get_large_ones), UNIT(bad_wires_lose_no_byte),
	  UNIT(a_limited_link_is_filled), UNIT(no_seed_gets_stuck),
	};

	long_run = argc > 1 && strcmp(argv[1], "--long") == 0;
	if (getenv("NETSIM_TEST"))
		cmocka_set_test_filter(getenv("NETSIM_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
