/* SPDX-License-Identifier: Apache-2.0 */
/* multicast_sources.c: groups of which a socket takes some sources only (ip(7), RFC 3678), over loopback. */
#include "t.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define GROUP "239.77.1.2"

static int lo;

static struct sockaddr_in addr(const char *text, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(text) };

	return a;
}

static int member(int *port)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = addr(GROUP, 0);
	socklen_t size = sizeof(a);

	CHECK(bind(s, (void *)&a, sizeof(a)) == 0);
	CHECK(getsockname(s, (void *)&a, &size) == 0);
	*port = ntohs(a.sin_port);
	return s;
}

/* One byte from each of three addresses. */
static void say(int port)
{
	static const char *const from[] = { "127.0.0.1", "127.0.0.2", "127.0.0.3" };
	struct ip_mreqn out = { .imr_ifindex = lo };
	struct sockaddr_in to = addr(GROUP, port), self;

	for (int i = 0; i < 3; i++) {
		int s = socket(AF_INET, SOCK_DGRAM, 0);

		self = addr(from[i], 0);
		CHECK(bind(s, (void *)&self, sizeof(self)) == 0);
		CHECK(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) == 0);
		EQUAL(sendto(s, &"123"[i], 1, 0, (void *)&to, sizeof(to)), 1);
		close(s);
	}
}

/* What it hears of them, as text. */
static const char *heard(int s, int port)
{
	static char text[8];
	int n = 0;

	say(port);
	while (n < 7 && recv(s, text + n, 1, MSG_DONTWAIT) == 1)
		n++;
	text[n] = 0;
	return text;
}

static int change(int s, int name, const char *source)
{
	struct ip_mreq_source m = { .imr_multiaddr.s_addr = inet_addr(GROUP), .imr_interface.s_addr = inet_addr("127.0.0.1"),
				    .imr_sourceaddr.s_addr = inet_addr(source) };

	return setsockopt(s, IPPROTO_IP, name, &m, sizeof(m));
}

static int change_req(int s, int name, const char *source)
{
	struct group_source_req g = { .gsr_interface = (uint32_t)lo };
	struct sockaddr_in a = addr(GROUP, 0);

	memcpy(&g.gsr_group, &a, sizeof(a));
	a = addr(source, 0);
	memcpy(&g.gsr_source, &a, sizeof(a));
	return setsockopt(s, IPPROTO_IP, name, &g, sizeof(g));
}

static void including(void)
{
	int port, s = member(&port);

	FAILS(EINVAL, change(s, IP_BLOCK_SOURCE, "127.0.0.1")); /* not a member yet */
	FAILS(EINVAL, change(s, IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"));
	EQUAL(change(s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.2"), 0);
	EQUAL(strcmp(heard(s, port), "2"), 0);
	FAILS(EADDRNOTAVAIL, change(s, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.2"));
	FAILS(EINVAL, change(s, IP_BLOCK_SOURCE, "127.0.0.3")); /* the list says who, not who not */
	EQUAL(change_req(s, MCAST_JOIN_SOURCE_GROUP, "127.0.0.3"), 0);
	EQUAL(strcmp(heard(s, port), "23"), 0);
	EQUAL(change(s, IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.2"), 0);
	EQUAL(strcmp(heard(s, port), "3"), 0);
	EQUAL(change_req(s, MCAST_LEAVE_SOURCE_GROUP, "127.0.0.3"), 0); /* that was the last: no member any more */
	FAILS(EINVAL, change(s, IP_BLOCK_SOURCE, "127.0.0.1"));
	close(s);
}

static void excluding(void)
{
	struct ip_mreqn m = { .imr_multiaddr.s_addr = inet_addr(GROUP), .imr_ifindex = lo };
	int port, s = member(&port), n, other = socket(AF_INET, SOCK_DGRAM, 0);

	EQUAL(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)), 0);
	EQUAL(strcmp(heard(s, port), "123"), 0);
	EQUAL(change(s, IP_BLOCK_SOURCE, "127.0.0.2"), 0);
	FAILS(EADDRNOTAVAIL, change_req(s, MCAST_BLOCK_SOURCE, "127.0.0.2"));
	EQUAL(strcmp(heard(s, port), "13"), 0);
	FAILS(EADDRNOTAVAIL, change(s, IP_UNBLOCK_SOURCE, "127.0.0.1"));
	EQUAL(change(s, IP_UNBLOCK_SOURCE, "127.0.0.2"), 0);
	EQUAL(strcmp(heard(s, port), "123"), 0);
	for (n = 10; n < 30; n++) {
		char text[32];

		snprintf(text, sizeof(text), "127.0.1.%d", n);
		if (change(s, IP_BLOCK_SOURCE, text) < 0)
			break;
	}
	EQUAL(n, 20); /* net.ipv4.igmp_max_msf */
	EQUAL(errno, ENOBUFS);
	EQUAL(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)), 0);
	FAILS(EADDRNOTAVAIL, setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	EQUAL(strcmp(heard(s, port), ""), 0);
	EQUAL(setsockopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)), 0);
	EQUAL(strcmp(heard(s, port), "123"), 0); /* IP_MULTICAST_ALL: another is a member */
	n = 0;
	EQUAL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_ALL, &n, sizeof(n)), 0);
	EQUAL(strcmp(heard(s, port), ""), 0);
	close(s);
	close(other);
}

static void bad_values(void)
{
	struct group_source_req g = { .gsr_interface = (uint32_t)lo };
	struct ip_mreq_source m = { .imr_multiaddr.s_addr = inet_addr("10.0.0.1") };
	int s = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);

	FAILS(EINVAL, setsockopt(s, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m)));
	FAILS(EINVAL, setsockopt(s, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m) - 1));
	FAILS(EADDRNOTAVAIL, setsockopt(s, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &g, sizeof(g)));
	FAILS(EADDRNOTAVAIL, setsockopt(s6, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &g, sizeof(g)));
	FAILS(EINVAL, setsockopt(s6, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &g, 8));
	close(s);
	close(s6);
}

/* The same for IPv6: ::1 alone, or nobody of that name. */
static void including6(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0), from = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 }, to, source = { .sin6_family = AF_INET6 };
	struct group_source_req g = { .gsr_interface = (uint32_t)lo };
	socklen_t size = sizeof(a);
	char c;

	EQUAL(bind(s, (void *)&a, sizeof(a)), 0);
	EQUAL(getsockname(s, (void *)&a, &size), 0);
	to = a;
	inet_pton(AF_INET6, "ff02::77:1", &to.sin6_addr);
	memcpy(&g.gsr_group, &to, sizeof(to));
	inet_pton(AF_INET6, "2001:db8::1", &source.sin6_addr);
	memcpy(&g.gsr_source, &source, sizeof(source));
	EQUAL(setsockopt(s, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &g, sizeof(g)), 0);
	EQUAL(setsockopt(from, IPPROTO_IPV6, IPV6_MULTICAST_IF, &lo, sizeof(lo)), 0);
	source.sin6_addr = in6addr_loopback;
	EQUAL(bind(from, (void *)&source, sizeof(source)), 0);
	if (sendto(from, "x", 1, 0, (void *)&to, sizeof(to)) == 1) { /* else this machine has no route there */
		FAILS(EAGAIN, recv(s, &c, 1, MSG_DONTWAIT));
		memcpy(&g.gsr_source, &source, sizeof(source));
		EQUAL(setsockopt(s, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &g, sizeof(g)), 0);
		EQUAL(sendto(from, "y", 1, 0, (void *)&to, sizeof(to)), 1);
		EQUAL(recv(s, &c, 1, MSG_DONTWAIT), 1);
		EQUAL(c, 'y');
	}
	close(s);
	close(from);
}

/* Memberships come and go while packets for them come in. */
static atomic_bool *done;

static void *speaker(void *arg)
{
	while (!atomic_load(done))
		say(*(int *)arg);
	return NULL;
}

static void coming_and_going(void)
{
	struct ip_mreqn m = { .imr_multiaddr.s_addr = inet_addr(GROUP), .imr_ifindex = lo };
	atomic_bool stop = false;
	int port, s = member(&port);
	pthread_t t;

	done = &stop;
	EQUAL(pthread_create(&t, NULL, speaker, &port), 0);
	for (int i = 0; i < 3000; i++) {
		CHECK(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) == 0);
		CHECK(change(s, IP_BLOCK_SOURCE, "127.0.0.1") == 0);
		CHECK(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)) == 0);
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	close(s);
}

T_MAIN
{
	lo = (int)if_nametoindex("lo");
	including();
	excluding();
	bad_values();
	including6();
	coming_and_going();
}
