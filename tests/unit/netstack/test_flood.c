/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_flood.c: hostile packets while a connection works: SYNs, fragments, wrong checksums, spoofed
 * segments and ICMP, ARP.  They are counted and dropped, memory stays within bounds (the figure is
 * printed), and the connection delivers every byte, in time.
 *
 * The attacker does not see the connection's packets: it knows addresses and ports, no sequence
 * numbers.  What one who is near them achieves is in test_tcp_script.c (RFC 5961).
 * FLOOD_PACKETS makes it longer.
 */
#include "tests/unit/netstack/sim.h"

#include "netstack/csum.h"

#define SIZE (4U << 20) /* of the transfer */

struct attack {
	struct sim *s;
	struct sim_host *to;
	uint16_t lport, rport; /* of the connection, at `to` and at its peer */
	uint64_t sent;
};

static void deliver(struct attack *a, uint16_t type, const uint8_t *data, size_t size)
{
	struct pkt *p = pkt_new(PKT_HEADROOM, 14 + size);
	uint8_t *b = pkt_append(p, 14 + size);

	memset(b, 0, 14);
	b[0] = 2;
	b[5] = (uint8_t)(a->to->index + 1);
	b[6] = 2;
	b[11] = 99;
	wr16(b + 12, type);
	memcpy(b + 14, data, size);
	a->sent++;
	nic_input(a->to->stack, a->to->ifindex, p);
}

static void ip_head(uint8_t *b, uint8_t proto, uint32_t src, uint16_t id, uint16_t frag, size_t len)
{
	uint16_t c;

	memset(b, 0, 20);
	b[0] = 0x45;
	wr16(b + 2, (uint16_t)(20 + len));
	wr16(b + 4, id);
	wr16(b + 6, frag);
	b[8] = 64;
	b[9] = proto;
	wr32(b + 12, src);
	wr32(b + 16, 0x0a000002); /* 10.0.0.2 */
	c = csum_fold(csum_add(0, b, 20, 0));
	memcpy(b + 10, &c, 2);
}

static void tcp(struct attack *a, uint32_t src, uint16_t sport, uint16_t dport, uint8_t flags, size_t payload,
		bool good_sum)
{
	uint8_t b[1500] = { 0 }, *t = b + 20;
	size_t len = 20 + payload;
	struct ipa from = ipa_v4(htonl(src)), to = ipa_v4(htonl(0x0a000002));
	uint16_t c;

	ip_head(b, 6, src, (uint16_t)sim_random(a->s), 0x4000, len);
	wr16(t, sport);
	wr16(t + 2, dport);
	wr32(t + 4, (uint32_t)sim_random(a->s));
	wr32(t + 8, (uint32_t)sim_random(a->s));
	t[12] = 0x50;
	t[13] = flags;
	wr16(t + 14, 1000);
	c = csum_fold(csum_add(csum_pseudo(from, to, 6, (uint32_t)len), t, len, 0));
	memcpy(t + 16, &c, 2);
	if (!good_sum)
		t[17] ^= 0x5a;
	deliver(a, 0x0800, b, 20 + len);
}

/* About the connection, as if a router or its peer had sent it. */
static void icmp(struct attack *a, uint8_t type, uint8_t code, uint16_t mtu)
{
	uint8_t b[100] = { 0 }, *i = b + 20, *in = i + 8;
	uint16_t c;

	ip_head(b, 1, 0x0a000001, 1, 0, 8 + 28);
	i[0] = type;
	i[1] = code;
	wr16(i + 6, mtu);
	in[0] = 0x45;
	wr16(in + 2, 1500);
	in[8] = 60;
	in[9] = 6;
	wr32(in + 12, 0x0a000002);
	wr32(in + 16, 0x0a000001);
	wr16(in + 20, a->lport);
	wr16(in + 22, a->rport);
	wr32(in + 24, (uint32_t)sim_random(a->s));
	c = csum_fold(csum_add(0, i, 36, 0));
	memcpy(i + 2, &c, 2);
	deliver(a, 0x0800, b, 56);
}

static void attack(struct attack *a)
{
	uint32_t r = (uint32_t)sim_random(a->s), src = r % 2 ? 0x0a000000 | (3 + r / 2 % 250) : r | 0x01000000;
	uint8_t b[1500] = { 0 };

	switch (sim_random(a->s) % 10) {
	case 0:
	case 1:
		tcp(a, src, (uint16_t)r, 80, TH_SYN, 0, true);
		break;
	case 2:
		ip_head(b, 17, src, (uint16_t)r, 0x2000 | (r % 180), 1400);
		deliver(a, 0x0800, b, 1420);
		break;
	case 3:
		tcp(a, 0x0a000001, a->rport, a->lport, TH_ACK, 100, false);
		break;
	case 4:
		icmp(a, 3, (uint8_t)(r % 14), (uint16_t)(r % 2 ? 68 : 552));
		break;
	case 5:
		tcp(a, 0x0a000001, a->rport, a->lport, r % 2 ? TH_RST : TH_RST | TH_ACK, 0, true);
		break;
	case 6:
		tcp(a, 0x0a000001, a->rport, a->lport, r % 2 ? TH_SYN : TH_FIN | TH_ACK, 0, true);
		break;
	case 7:
		tcp(a, src, (uint16_t)r, (uint16_t)(r >> 16), TH_ACK, 10, true); /* nobody's */
		break;
	case 8: /* ARP: somebody else's news */
		wr16(b, 1);
		wr16(b + 2, 0x0800);
		b[4] = 6;
		b[5] = 4;
		wr16(b + 6, 1 + r % 2);
		b[8] = 2;
		wr32(b + 14, src);
		wr32(b + 24, 0x0a000002);
		deliver(a, 0x0806, b, 28);
		break;
	default:
		for (size_t i = 0; i < 60; i++)
			b[i] = (uint8_t)sim_random(a->s);
		deliver(a, r % 2 ? 0x0800 : 0x86dd, b, 60);
	}
}

static void floods_leave_a_connection_unharmed(void **state)
{
	uint64_t packets = getenv("FLOOD_PACKETS") ? strtoull(getenv("FLOOD_PACKETS"), NULL, 0) : 60000;
	uint64_t most = 0, got = 0, sent = 0, before;
	static uint8_t out[16384], in[65536];
	struct ep *l, *c, *e = NULL;
	struct attack a = { 0 };
	struct net_addr me;
	struct sim s;
	int64_t start;

	(void)state;
	sim_init(&s, 7);
	sim_host(&s);
	sim_host(&s);
	l = sim_listen(&s.hosts[1], sim_ip4("10.0.0.2"), 80, 128);
	c = sim_connect(&s.hosts[0], sim_ip4("10.0.0.2"), 80);
	sim_run(&s, NSEC_PER_SEC);
	assert_int_equal(ep_accept(l, &e, NULL), 0);
	ep_getsockname(c, &me);
	a = (struct attack){ .s = &s, .to = &s.hosts[1], .lport = 80, .rport = me.port };
	before = stack_memory(s.hosts[1].stack);
	start = s.now_ns;
	/* To the host under attack and back, while it lasts. */
	while (got < SIZE || a.sent < packets) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = (uint8_t)((sent + i) * 7 >> 3);
		if (sent < SIZE) {
			n = sim_send(c, out, MIN(sizeof(out), (size_t)(SIZE - sent)));
			sent += n > 0 ? (uint64_t)n : 0;
		}
		n = sim_recv(e, in, sizeof(in));
		assert_true(n > 0 || n == -EAGAIN);
		for (ssize_t i = 0; i < n; i++)
			if (in[i] != (uint8_t)((got + (uint64_t)i) * 7 >> 3))
				fail_msg("wrong byte at %llu", (unsigned long long)got + (uint64_t)i);
		got += n > 0 ? (uint64_t)n : 0;
		for (unsigned int i = 0; i < 20 && a.sent < packets; i++)
			attack(&a);
		most = MAX(most, stack_memory(s.hosts[1].stack));
		sim_run(&s, NSEC_PER_MSEC);
		assert_true(s.now_ns - start < 200 * NSEC_PER_SEC);
	}
	print_message("%llu hostile packets: %llu KB at most, in %.1f s\n", (unsigned long long)a.sent,
		      (unsigned long long)(most - before) / 1024, (double)(s.now_ns - start) / 1e9);
	/* Fragments (ipfrag_high_thresh) and what the connection itself has in its buffers. */
	assert_true(most - before < (4U << 20) + (2U << 20));
	assert_true(stack_stat(s.hosts[1].stack, NS_TcpInErrs) > packets / 20);
	assert_true(stack_stat(s.hosts[1].stack, NS_SyncookiesSent) > packets / 20);
	assert_int_equal(sim_send(e, "x", 1), 1); /* and the other way */
	sim_run(&s, NSEC_PER_SEC);
	assert_int_equal(sim_recv(c, in, 10), 1);
	ep_close(c);
	ep_close(e);
	ep_close(l);
	sim_run(&s, 300 * NSEC_PER_SEC);
	assert_int_equal(stack_memory(s.hosts[1].stack), 0);
	sim_fini(&s);
}

UNIT_MAIN(UNIT(floods_leave_a_connection_unharmed))
