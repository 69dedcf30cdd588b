/* SPDX-License-Identifier: Apache-2.0 */
/* inet_options.c: options of AF_INET sockets that change what happens to packets and ports. */
#include "t.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_ADDR_PREFERENCES
#define IPV6_ADDR_PREFERENCES 72
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

static int option(int s, int level, int name)
{
	socklen_t size = sizeof(int);
	int v = -12345;

	return getsockopt(s, level, name, &v, &size) < 0 ? -errno : v;
}

static int set(int s, int level, int name, int v)
{
	return setsockopt(s, level, name, &v, sizeof(v));
}

static struct sockaddr_in loopback(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text) };

	return a;
}

/* RFC 5082: who may be farther away than the next link is not heard. */
static void min_ttl(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), far = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int near = socket(AF_INET, SOCK_STREAM, 0), got;
	struct sockaddr_in a = loopback("127.0.0.1"), peer, self;
	struct pollfd p = { .fd = far, .events = POLLOUT };
	socklen_t size = sizeof(a);

	EQUAL(bind(l, (void *)&a, sizeof(a)), 0);
	EQUAL(getsockname(l, (void *)&a, &size), 0);
	EQUAL(listen(l, 5), 0);
	EQUAL(set(l, IPPROTO_IP, IP_MINTTL, 255), 0);
	FAILS(EINVAL, set(l, IPPROTO_IP, IP_MINTTL, 256));
	FAILS(EINPROGRESS, connect(far, (void *)&a, sizeof(a)));
	EQUAL(set(near, IPPROTO_IP, IP_TTL, 255), 0);
	EQUAL(connect(near, (void *)&a, sizeof(a)), 0);
	got = accept(l, (void *)&peer, &size);
	CHECK(got >= 0);
	size = sizeof(self);
	EQUAL(getsockname(near, (void *)&self, &size), 0);
	EQUAL(peer.sin_port, self.sin_port);
	EQUAL(option(got, IPPROTO_IP, IP_MINTTL), 255);
	EQUAL(poll(&p, 1, 0), 0);
	close(far);
	close(near);
	close(got);
	close(l);
}

/* The headers of the SYN, once. */
static void saved_syn(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), got;
	struct sockaddr_in a = loopback("127.0.0.1"), self;
	unsigned char syn[256];
	socklen_t size = sizeof(a);

	EQUAL(bind(l, (void *)&a, sizeof(a)), 0);
	EQUAL(getsockname(l, (void *)&a, &size), 0);
	EQUAL(listen(l, 5), 0);
	EQUAL(set(l, IPPROTO_TCP, TCP_SAVE_SYN, 1), 0);
	size = sizeof(syn);
	EQUAL(getsockopt(l, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size), 0);
	EQUAL(size, 0);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	size = sizeof(self);
	EQUAL(getsockname(s, (void *)&self, &size), 0);
	got = accept(l, NULL, NULL);
	size = 20;
	FAILS(EINVAL, getsockopt(got, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size));
	size = sizeof(syn);
	EQUAL(getsockopt(got, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size), 0);
	EQUAL(size, 20 + (syn[20 + 12] >> 4) * 4);
	EQUAL(syn[0], 0x45);
	EQUAL(memcmp(syn + 12, &self.sin_addr, 4), 0);
	EQUAL(memcmp(syn + 20, &self.sin_port, 2), 0);
	EQUAL(syn[20 + 13] & 0x3f, 2);
	size = sizeof(syn);
	EQUAL(getsockopt(got, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size), 0);
	EQUAL(size, 0);
	EQUAL(set(got, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1000), 0);
	EQUAL(option(got, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0x43f); /* as many SYN-ACKs as that takes */
	close(s);
	close(l);
	close(got);
}

/* No packet larger than that, whatever the link takes. */
static void own_mtu(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0), to = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	static char data[2000];
	socklen_t size = sizeof(a);

	if (s < 0 || bind(to, (void *)&a, sizeof(a)) < 0)
		return; /* no IPv6 */
	EQUAL(getsockname(to, (void *)&a, &size), 0);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	EQUAL(set(s, IPPROTO_IPV6, IPV6_DONTFRAG, 1), 0);
	EQUAL(send(s, data, sizeof(data), 0), sizeof(data));
	FAILS(EINVAL, set(s, IPPROTO_IPV6, IPV6_MTU, 1279));
	EQUAL(set(s, IPPROTO_IPV6, IPV6_MTU, 1280), 0);
	FAILS(EMSGSIZE, send(s, data, sizeof(data), 0));
	EQUAL(set(s, IPPROTO_IPV6, IPV6_DONTFRAG, 0), 0);
	EQUAL(send(s, data, sizeof(data), 0), sizeof(data)); /* in two pieces */
	EQUAL(recv(to, data, sizeof(data), 0), sizeof(data));
	EQUAL(recv(to, data, sizeof(data), 0), sizeof(data));
	close(s);
	close(to);
}

static void port_range(int type)
{
	int s[5];
	struct sockaddr_in a = loopback("127.77.1.1");
	socklen_t size = sizeof(a);

	for (int i = 0; i < 5; i++) {
		s[i] = socket(AF_INET, type, 0);
		EQUAL(set(s[i], IPPROTO_IP, IP_LOCAL_PORT_RANGE, 40003 << 16 | 40000), 0);
		EQUAL((unsigned int)option(s[i], IPPROTO_IP, IP_LOCAL_PORT_RANGE), 40003U << 16 | 40000);
		a.sin_port = 0;
		if (i == 4) {
			FAILS(EADDRINUSE, bind(s[i], (void *)&a, sizeof(a)));
			break;
		}
		EQUAL(bind(s[i], (void *)&a, sizeof(a)), 0);
		EQUAL(getsockname(s[i], (void *)&a, &size), 0);
		CHECK(ntohs(a.sin_port) >= 40000 && ntohs(a.sin_port) <= 40003);
	}
	FAILS(EINVAL, set(s[0], IPPROTO_IP, IP_LOCAL_PORT_RANGE, 40000 << 16 | 40001));
	EQUAL(set(s[0], IPPROTO_IP, IP_LOCAL_PORT_RANGE, 0), 0);
	for (int i = 0; i < 5; i++)
		close(s[i]);
}

static void service_and_priority(void)
{
	int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned char one = 0x10;
	socklen_t size = 1;

	EQUAL(set(t, IPPROTO_IP, IP_TOS, 0x1ff), 0);
	EQUAL(option(t, IPPROTO_IP, IP_TOS), 0xfc); /* ECN is TCP's */
	EQUAL(set(u, IPPROTO_IP, IP_TOS, 0x1ff), 0);
	EQUAL(option(u, IPPROTO_IP, IP_TOS), 0xff);
	EQUAL(setsockopt(u, IPPROTO_IP, IP_TOS, &one, 1), 0);
	EQUAL(option(u, SOL_SOCKET, SO_PRIORITY), 6);
	EQUAL(set(u, SOL_SOCKET, SO_PRIORITY, 3), 0);
	EQUAL(option(u, IPPROTO_IP, IP_TOS), 0x10);
	EQUAL(option(u, SOL_SOCKET, SO_PRIORITY), 3);
	EQUAL(getsockopt(u, IPPROTO_IP, IP_TTL, &one, &size), 0);
	EQUAL(one, 64);
	FAILS(EINVAL, setsockopt(u, IPPROTO_IP, IP_OPTIONS, "\2\0\0", 4)); /* an option without a length */
	FAILS(EINVAL, setsockopt(u, IPPROTO_IP, IP_OPTIONS, "\7\7\3\0\0\0", 8));
	EQUAL(setsockopt(u, IPPROTO_IP, IP_OPTIONS, "\7\7\4\0\0\0", 8), 0);
	close(t);
	close(u);
}

static void received_mark(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = loopback("127.0.0.1");
	socklen_t size = sizeof(a);
	char control[64], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h;

	EQUAL(bind(s, (void *)&a, sizeof(a)), 0);
	EQUAL(getsockname(s, (void *)&a, &size), 0);
	if (set(from, SOL_SOCKET, SO_MARK, 77) == 0) { /* else there is no privilege for it */
		EQUAL(set(s, SOL_SOCKET, SO_RCVMARK, 1), 0);
		EQUAL(sendto(from, "x", 1, 0, (void *)&a, sizeof(a)), 1);
		EQUAL(recvmsg(s, &m, 0), 1);
		h = CMSG_FIRSTHDR(&m);
		CHECK(h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SO_MARK && *(unsigned int *)CMSG_DATA(h) == 77);
	}
	close(s);
	close(from);
}

static void small_things(void)
{
	int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_UNIX, SOCK_STREAM, 0), r = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	int lo = (int)if_nametoindex("lo");

	FAILS(EOPNOTSUPP, set(t, SOL_SOCKET, SO_PASSCRED, 1));
	EQUAL(option(t, SOL_SOCKET, SO_PASSCRED), -EOPNOTSUPP);
	FAILS(EOPNOTSUPP, set(u, SOL_SOCKET, SO_REUSEPORT, 1));
	EQUAL(option(t, SOL_SOCKET, SO_BPF_EXTENSIONS), 64);
	EQUAL(option(t, SOL_SOCKET, 72), 0); /* SO_BUF_LOCK */
	EQUAL(set(t, SOL_SOCKET, SO_RCVBUF, 8192), 0);
	EQUAL(option(t, SOL_SOCKET, 72), 2);
	EQUAL(option(t, IPPROTO_IP, IP_PROTOCOL), 0);
	if (r >= 0)
		EQUAL(option(r, IPPROTO_IP, IP_PROTOCOL), IPPROTO_UDP);
	EQUAL(set(t, IPPROTO_IP, IP_UNICAST_IF, (int)htonl((uint32_t)lo)), 0);
	EQUAL(option(t, IPPROTO_IP, IP_UNICAST_IF), (int)htonl((uint32_t)lo));
	FAILS(EADDRNOTAVAIL, set(t, IPPROTO_IP, IP_UNICAST_IF, (int)htonl(4711)));
	FAILS(ENOPROTOOPT, set(t, IPPROTO_IP, IP_HDRINCL, 1));
	EQUAL(option(t, IPPROTO_IP, IP_HDRINCL), 0);
	FAILS(EINVAL, set(t, IPPROTO_IP, IP_MULTICAST_IF, 0));
	EQUAL(setsockopt(t, IPPROTO_IP, IP_RECVTTL, "", 0), 0); /* nothing is 0 */
	EQUAL(set(t, SOL_SOCKET, SO_LOCK_FILTER, 1), 0);
	FAILS(EPERM, set(t, SOL_SOCKET, SO_LOCK_FILTER, 0));
	EQUAL(set(t, SOL_SOCKET, SO_RCVLOWAT, 1 << 30), 0);
	EQUAL(option(t, SOL_SOCKET, SO_RCVLOWAT), 8192); /* half of the buffer that was asked for */
	EQUAL(option(u, SOL_SOCKET, SO_REUSEADDR), 0);
	if (r >= 0)
		EQUAL(option(r, SOL_SOCKET, SO_REUSEADDR), 1);
	close(t);
	close(u);
	close(r);
}

#define CONGESTION "/proc/sys/net/ipv4/tcp_congestion_control"

/* In a network namespace of its own. */
static int congestion(void)
{
	char text[32] = "", name[16] = "";
	socklen_t size = sizeof(name);
	int f, s;

	if (unshare(CLONE_NEWNET) < 0)
		return 0; /* no privilege */
	f = open(CONGESTION, O_RDWR);
	CHECK(f >= 0);
	EQUAL(pwrite(f, "reno\n", 5, 0), 5);
	EQUAL(pread(f, text, sizeof(text), 0), 5);
	EQUAL(strcmp(text, "reno\n"), 0);
	FAILS(ENOENT, pwrite(f, "nosuch\n", 7, 0));
	s = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
	EQUAL(strcmp(name, "reno"), 0);
	EQUAL(access("/proc/sys/net/ipv4/tcp_available_congestion_control", R_OK), 0);
	return t_failures;
}

/* RFC 2292's names of what RFC 3542 calls otherwise. */
static void old_messages(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct in6_pktinfo all = { .ipi6_ifindex = if_nametoindex("lo") };
	socklen_t size = sizeof(a);
	char control[256], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int found = 0;

	if (s < 0 || bind(s, (void *)&a, sizeof(a)) < 0)
		return;
	EQUAL(getsockname(s, (void *)&a, &size), 0);
	EQUAL(setsockopt(s, IPPROTO_IPV6, IPV6_2292PKTINFO, &on, sizeof(on)), 0);
	EQUAL(setsockopt(s, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &on, sizeof(on)), 0);
	FAILS(EINVAL, setsockopt(s, IPPROTO_IPV6, IPV6_PKTINFO, &all, sizeof(all) - 1));
	EQUAL(setsockopt(s, IPPROTO_IPV6, IPV6_PKTINFO, &all, sizeof(all)), 0);
	EQUAL(sendto(s, "x", 1, 0, (void *)&a, sizeof(a)), 1);
	EQUAL(recvmsg(s, &m, 0), 1);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		EQUAL(h->cmsg_level, IPPROTO_IPV6);
		if (h->cmsg_type == IPV6_2292PKTINFO)
			found += ((struct in6_pktinfo *)(void *)CMSG_DATA(h))->ipi6_ifindex == all.ipi6_ifindex;
		else if (h->cmsg_type == IPV6_2292HOPLIMIT)
			found += *(int *)(void *)CMSG_DATA(h) == 64 ? 10 : 0;
	}
	EQUAL(found, 11);
	all.ipi6_ifindex = 4711; /* no such interface, found out when something is to go there */
	EQUAL(setsockopt(s, IPPROTO_IPV6, IPV6_PKTINFO, &all, sizeof(all)), 0);
	CHECK(sendto(s, "x", 1, 0, (void *)&a, sizeof(a)) < 0);
	close(s);
}

static void version6(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (s < 0)
		return;
	EQUAL(option(s, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES), 0x500); /* by default, home */
	EQUAL(set(s, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 2), 0);
	EQUAL(option(s, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES), 0x402);
	FAILS(EINVAL, set(s, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 3)); /* temporary and public */
	EQUAL(option(s, IPPROTO_IP, IP_MULTICAST_ALL), 0);
	EQUAL(option(s, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	if (bind(s, (void *)&a, sizeof(a)) == 0)
		EQUAL(option(s, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(s);
}

T_MAIN
{
	version6();
	old_messages();
	if (access(CONGESTION, F_OK) == 0)
		EQUAL(t_wait(t_fork(congestion)), 0);
	min_ttl();
	saved_syn();
	own_mtu();
	port_range(SOCK_DGRAM);
	port_range(SOCK_STREAM);
	service_and_priority();
	received_mark();
	small_things();
}
