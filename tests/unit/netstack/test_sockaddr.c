/* SPDX-License-Identifier: Apache-2.0 */
/* test_sockaddr.c: Linux's addresses and control messages in and out. */
#include "tests/unit/netstack/sim.h"

#include <linux/if_packet.h>

#include "netstack/sockaddr.h"

static void addresses_survive_the_way_in_and_out(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(99), .sin6_scope_id = 3 }, out6;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(0x01020304) }, out;
	struct sockaddr_storage st;
	struct net_addr a;

	(void)state;
	in6.sin6_addr = in6addr_loopback;
	assert_int_equal(net_addr_from_sockaddr(AF_INET6, &in6, sizeof(in6), &a), 0);
	assert_int_equal(net_addr_to_sockaddr(&a, &st), sizeof(in6));
	memcpy(&out6, &st, sizeof(out6));
	assert_memory_equal(&in6, &out6, sizeof(in6));
	assert_int_equal(net_addr_from_sockaddr(AF_INET, &in, sizeof(in), &a), 0);
	assert_int_equal(net_addr_to_sockaddr(&a, &st), sizeof(in));
	memcpy(&out, &st, sizeof(out));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(net_addr_from_sockaddr(AF_INET, &in, 8, &a), -EINVAL);
	assert_int_equal(net_addr_from_sockaddr(AF_INET, &in, 1, &a), -EINVAL);
	assert_int_equal(net_addr_from_sockaddr(AF_INET, &in6, sizeof(in6), &a), -EAFNOSUPPORT);
	assert_int_equal(net_addr_from_sockaddr(AF_INET6, &in6, 24, &a), 0);
	assert_int_equal(net_addr_from_sockaddr(AF_INET6, &in6, 23, &a), -EINVAL);
}

struct got {
	int level, type;
	size_t size;
	unsigned char data[64];
	unsigned int count;
};

static void put(void *arg, int level, int type, const void *data, size_t size)
{
	struct got *g = arg;

	g->level = level;
	g->type = type;
	g->size = size;
	memcpy(g->data, data, MIN(size, sizeof(g->data)));
	g->count++;
}

static void pktinfo_and_errors_come_as_control_messages(void **state)
{
	struct sim s;
	struct sim_host *h;
	struct ep *e, *c;
	struct net_addr at = sim_addr(ipa_any4(), 7), closed = sim_addr(sim_ip4("127.0.0.1"), 9);
	struct ep_msg m = { .flags = 0 };
	struct in_pktinfo pi;
	struct got g = { 0 };
	char b[10];
	struct uio u;

	(void)state;
	sim_init(&s, 1);
	h = sim_host(&s);
	e = sim_ep(h, AF_INET, SOCK_DGRAM);
	c = sim_ep(h, AF_INET, SOCK_DGRAM);
	assert_int_equal(ep_bind(e, &at), 0);
	assert_int_equal(sim_opt(e, IPPROTO_IP, IP_PKTINFO, 1), 0);
	sim_sendto(c, "x", 1, sim_addr(sim_ip4("127.0.0.1"), 7));
	uio_init_kernel(&u, b, sizeof(b));
	assert_int_equal(ep_recv(e, &u, &m), 1);
	ep_ctl_build(&m, put, &g);
	assert_true(g.count == 1 && g.level == IPPROTO_IP && g.type == IP_PKTINFO);
	memcpy(&pi, g.data, sizeof(pi));
	assert_int_equal(pi.ipi_ifindex, 1);
	assert_int_equal(pi.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));

	assert_int_equal(sim_opt(c, IPPROTO_IP, IP_RECVERR, 1), 0);
	assert_int_equal(ep_connect(c, &closed), 0);
	sim_send(c, "lost", 4);
	m = (struct ep_msg){ .flags = MSG_ERRQUEUE };
	uio_init_kernel(&u, b, sizeof(b));
	assert_int_equal(ep_recv(c, &u, &m), 4);
	assert_memory_equal(b, "lost", 4);
	assert_true(m.out_flags & MSG_ERRQUEUE);
	memset(&g, 0, sizeof(g));
	ep_ctl_build(&m, put, &g);
	assert_true(g.count == 1 && g.level == IPPROTO_IP && g.type == IP_RECVERR);
	assert_int_equal(g.size, sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in));
	assert_int_equal(((struct sock_extended_err *)(void *)g.data)->ee_errno, ECONNREFUSED);
	ep_close(e);
	ep_close(c);
	sim_fini(&s);
}

static void control_messages_choose_source_and_ttl(void **state)
{
	struct in_pktinfo pi = { .ipi_ifindex = 2 };
	struct ep_ctl c = { 0 };
	int ttl = 3, bad = 300;

	(void)state;
	pi.ipi_spec_dst.s_addr = htonl(0x0a000001);
	assert_int_equal(ep_ctl_parse(&c, AF_INET, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi)), 0);
	assert_int_equal(ep_ctl_parse(&c, AF_INET, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_true(c.mask == (EP_CTL_PKTINFO | EP_CTL_TTL) && c.ttl == 3 && c.ifindex == 2);
	assert_int_equal(ep_ctl_parse(&c, AF_INET, IPPROTO_IP, IP_TTL, &bad, sizeof(bad)), -EINVAL);
	assert_int_equal(ep_ctl_parse(&c, AF_INET, IPPROTO_IP, IP_PKTINFO, &pi, 3), -EINVAL);
	assert_int_equal(ep_ctl_parse(&c, AF_INET, SOL_SOCKET, 1, &pi, 3), 0);
}

UNIT_MAIN(UNIT(addresses_survive_the_way_in_and_out), UNIT(pktinfo_and_errors_come_as_control_messages),
	  UNIT(control_messages_choose_source_and_ttl))
