/* SPDX-License-Identifier: Apache-2.0 */
/* packet_fanout.c: PACKET_FANOUT: packet sockets of one group share the packets (packet(7)), over loopback. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { SOCKETS = 3, PACKETS = 30 };

static struct sockaddr_in to;

static int member(int id, int type)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 };
	int s = socket(AF_PACKET, SOCK_DGRAM, 0), v = type << 16 | id;

	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v))); /* not bound */
	EQUAL(bind(s, (struct sockaddr *)&ll, sizeof(ll)), 0);
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v)), 0);
	return s;
}

/* How many of our datagrams s has got, its own outgoing ones not counted. */
static int count(int s)
{
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	unsigned char p[200];
	int n = 0;

	while (recvfrom(s, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &size) > 0)
		n += p[9] == IPPROTO_UDP && p[22] == (ntohs(to.sin_port) >> 8) && p[23] == (ntohs(to.sin_port) & 255) &&
		     from.sll_pkttype != PACKET_OUTGOING;
	return n;
}

static void shares(int type, int got[SOCKETS])
{
	int s[SOCKETS], u = socket(AF_INET, SOCK_DGRAM, 0), v;
	socklen_t size = sizeof(v);

	for (int i = 0; i < SOCKETS; i++)
		s[i] = member(0x4242, type);
	EQUAL(getsockopt(s[0], SOL_PACKET, PACKET_FANOUT, &v, &size), 0);
	EQUAL(v, type << 16 | 0x4242);
	FAILS(EALREADY, setsockopt(s[0], SOL_PACKET, PACKET_FANOUT, &v, sizeof(v)));
	for (int i = 0; i < PACKETS; i++)
		EQUAL(sendto(u, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	for (int i = 0; i < SOCKETS; i++)
		got[i] = count(s[i]);
	EQUAL(got[0] + got[1] + got[2], PACKETS);
	for (int i = 0; i < SOCKETS; i++)
		close(s[i]);
	close(u);
}

T_MAIN
{
	int r = socket(AF_INET, SOCK_DGRAM, 0), got[SOCKETS], s, o, v;
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 };
	socklen_t size = sizeof(to);

	to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	EQUAL(bind(r, (struct sockaddr *)&to, sizeof(to)), 0);
	EQUAL(getsockname(r, (struct sockaddr *)&to, &size), 0);
	shares(PACKET_FANOUT_LB, got);
	CHECK(got[0] > 0 && got[1] > 0 && got[2] > 0); /* others' packets may take turns too */
	shares(PACKET_FANOUT_HASH, got);
	CHECK(got[0] == PACKETS || got[1] == PACKETS || got[2] == PACKETS); /* one flow */
	shares(PACKET_FANOUT_QM, got);
	CHECK(got[0] == PACKETS || got[1] == PACKETS || got[2] == PACKETS);

	/* Of one group, one kind; who left lets the others have all. */
	s = member(7, PACKET_FANOUT_LB);
	o = socket(AF_PACKET, SOCK_DGRAM, 0);
	EQUAL(bind(o, (struct sockaddr *)&ll, sizeof(ll)), 0);
	v = PACKET_FANOUT_HASH << 16 | 7;
	FAILS(EINVAL, setsockopt(o, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v)));
	v = 99 << 16 | 8;
	FAILS(EINVAL, setsockopt(o, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v)));
	v = PACKET_FANOUT_LB << 16 | 7;
	FAILS(EINVAL, setsockopt(o, SOL_PACKET, PACKET_FANOUT, &v, 2));
	EQUAL(setsockopt(o, SOL_PACKET, PACKET_FANOUT, &v, sizeof(v)), 0);
	FAILS(EINVAL, bind(o, (struct sockaddr *)&ll, sizeof(ll)));
	close(s);
	(void)count(o);
	for (int i = 0; i < 4; i++)
		EQUAL(sendto(r, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	EQUAL(count(o), 4);
}
