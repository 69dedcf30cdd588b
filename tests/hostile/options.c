/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random socket options and control messages: threads that share few descriptors make sockets of all kinds, bind, connect and close
 * them under each other, set and get every option with any value, length and address, join and leave groups and name sources, send
 * with control messages of their making and receive with little room for these.
 *
 *     options [SEED [COUNT [SECONDS]]]     a child a seed, killed after so many seconds
 *
 * What must hold is what attack() looks at, that the Sentry lives, and that sockets work afterwards.
 */
#include "h.h"
#include <stdatomic.h>
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>

#define THREADS 4
#define PLACES  16

static double seconds = 2;
static unsigned int seed;
static atomic_int_fast32_t places[PLACES]; /* descriptors; 0: none */
static _Thread_local uint32_t state;

static uint32_t any(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static uint32_t below(uint32_t n)
{
	return any() % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* Mostly small, sometimes at an edge. */
static int value(void)
{
	static const int edges[] = { -1, 0, 1, 255, 256, 65535, 65536, INT32_MAX, INT32_MIN, 4096 };

	return one_in(3) ? edges[below(10)] : one_in(9) ? (int)any() : (int)below(9);
}

static size_t put_address(unsigned char *to, int family)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(7000 + below(4))) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)(7000 + below(4))) };
	static const char *const fours[] = { "127.0.0.1", "239.1.2.3", "239.1.2.4", "10.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.2", "224.0.0.1" };
	static const char *const sixes[] = { "::1", "ff02::1234", "ff15::1", "fd00::1", "::", "::ffff:127.0.0.1", "::ffff:239.1.2.3", "fe80::1" };

	inet_pton(AF_INET, fours[below(8)], &in.sin_addr);
	inet_pton(AF_INET6, sixes[below(8)], &in6.sin6_addr);
	in6.sin6_scope_id = below(4);
	if (one_in(20))
		family = (int)below(20);
	if (family == AF_INET)
		memcpy(to, &in, sizeof(in));
	else if (family == AF_INET6)
		memcpy(to, &in6, sizeof(in6));
	else
		memset(to, 0, 28), to[0] = (unsigned char)family;
	return family == AF_INET ? sizeof(in) : sizeof(in6);
}

/* Multicast of all forms: what it is put to holds 300 sources. */
static size_t put_group(unsigned char *to, int *level, int *name)
{
	struct ip_mreq_source ms = { { htonl(0xef010203 + below(3)) }, { one_in(2) ? htonl(INADDR_LOOPBACK) : 0 }, { htonl(0x7f000001 + below(20)) } };
	struct ip_mreqn mn = { { htonl(0xef010203 + below(3)) }, { 0 }, (int)below(4) };
	struct group_source_req gs = { .gsr_interface = below(4) };
	struct ipv6_mreq m6 = { .ipv6mr_interface = below(4) };
	struct group_filter *gf = (void *)to;
	int family = one_in(2) ? AF_INET : AF_INET6;
	uint32_t count;

	*level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	switch (below(6)) {
	case 0:
		*name = IP_UNBLOCK_SOURCE + (int)below(4); /* …, IP_BLOCK_SOURCE, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP */
		*level = IPPROTO_IP;
		memcpy(to, &ms, sizeof(ms));
		return sizeof(ms);
	case 1:
		*name = one_in(2) ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
		*level = IPPROTO_IP;
		memcpy(to, &mn, sizeof(mn));
		return one_in(2) ? sizeof(mn) : 8;
	case 2:
		*name = one_in(2) ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
		*level = IPPROTO_IPV6;
		inet_pton(AF_INET6, one_in(2) ? "ff15::1" : "ff02::1234", &m6.ipv6mr_multiaddr);
		memcpy(to, &m6, sizeof(m6));
		return sizeof(m6);
	case 3: /* MCAST_MSFILTER, IP_MSFILTER */
		count = one_in(3) ? any() : below(300);
		*name = one_in(3) ? IP_MSFILTER : MCAST_MSFILTER;
		memset(to, 0, GROUP_FILTER_SIZE(300));
		gf->gf_interface = below(4);
		put_address((unsigned char *)&gf->gf_group, family);
		gf->gf_fmode = below(3);
		gf->gf_numsrc = count;
		for (uint32_t i = 0; i < 300; i++)
			put_address((unsigned char *)&gf->gf_slist[i], family);
		return one_in(3) ? below(GROUP_FILTER_SIZE(300)) : GROUP_FILTER_SIZE(count > 300 ? 300 : count);
	default:
		*name = MCAST_JOIN_GROUP + (int)below(7);
		put_address((unsigned char *)&gs.gsr_group, family);
		put_address((unsigned char *)&gs.gsr_source, family);
		memcpy(to, &gs, sizeof(gs));
		return *name == MCAST_JOIN_GROUP || *name == MCAST_LEAVE_GROUP ? sizeof(struct group_req) : sizeof(gs);
	}
}

static int kind_of_socket(void)
{
	static const int families[] = { AF_INET, AF_INET, AF_INET6, AF_INET6, AF_PACKET, AF_UNIX, AF_NETLINK };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_DGRAM };
	static const int protocols[] = { 0, 0, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_RAW, 136, IPPROTO_IPV6 };
	int family = families[below(7)], protocol = protocols[below(9)];

	int type = types[below(4)], fd;

	if (family == AF_PACKET)
		protocol = htons(ETH_P_ALL);
	if (family == AF_NETLINK || family == AF_UNIX)
		protocol = family == AF_UNIX ? 0 : (int)below(20);
	fd = socket(family, type | SOCK_NONBLOCK, protocol);
	return fd >= 0 ? fd : socket(family, type | SOCK_NONBLOCK, type == SOCK_RAW ? IPPROTO_UDP : 0);
}

static void change(unsigned int at)
{
	unsigned char a[128];
	int on = 1, fd, was;

	fd = kind_of_socket();
	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	(void)setsockopt(fd, SOL_SOCKET, one_in(2) ? SO_REUSEADDR : SO_REUSEPORT, &on, sizeof(on));
	if (!one_in(3))
		(void)bind(fd, (struct sockaddr *)(void *)a, (socklen_t)put_address(a, one_in(2) ? AF_INET : AF_INET6));
	if (one_in(3))
		(void)listen(fd, 4);
	was = atomic_exchange(&places[at], fd);
	if (was > 0)
		close(was);
}

static void *where(void *usual)
{
	return one_in(30) ? (void *)(uintptr_t)any() : one_in(60) ? NULL : usual;
}

/* One that the socket knows. */
static int level_of(int fd)
{
	static const int of_types[] = { 0, IPPROTO_TCP, IPPROTO_UDP, SOL_RAW };
	int family = 0, type = 0;
	socklen_t size = sizeof(int);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	if (one_in(3))
		return SOL_SOCKET;
	if (family == AF_PACKET || family == AF_NETLINK)
		return family == AF_PACKET ? SOL_PACKET : 270 /* SOL_NETLINK */;
	if (one_in(4) && type > 0 && type < 4)
		return of_types[type];
	return family == AF_INET6 && !one_in(4) ? IPPROTO_IPV6 : IPPROTO_IP;
}

static void option(int fd)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_RAW, IPPROTO_ICMPV6, SOL_PACKET,
				      270 /* SOL_NETLINK */, 136, 41, 284, 0xfffff };
	static _Thread_local unsigned char bytes[GROUP_FILTER_SIZE(300) + 64];
	struct sock_filter code[2] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, below(60)), BPF_STMT(BPF_RET | BPF_K, one_in(3) ? 0 : any()) };
	struct sock_fprog prog = { 2, code };
	int level = one_in(9) ? levels[below(13)] : level_of(fd), name = one_in(9) ? value() : (int)below(90), v = value();
	socklen_t size = one_in(5) ? below(70) : sizeof(v);
	char device[IFNAMSIZ] = "lo";

	memcpy(bytes, &v, sizeof(v));
	if (one_in(3))
		for (unsigned int i = 0; i < 64; i++)
			bytes[i] = (unsigned char)any();
	if (level == IPPROTO_IPV6 && size >= 8 && one_in(2)) { /* extension headers */
		static const int headers[] = { IPV6_HOPOPTS, IPV6_RTHDR, IPV6_RTHDRDSTOPTS, IPV6_DSTOPTS, IPV6_2292PKTOPTIONS };

		name = headers[below(5)];
		size &= ~7u;
		bytes[1] = (unsigned char)(size / 8 - 1);
		memset(bytes + 2, one_in(2) ? 0 : 1, 6);
	}
	if (one_in(4))
		size = (socklen_t)put_group(bytes, &level, &name);
	if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == 51 /* SO_ATTACH_REUSEPORT_CBPF */))
		memcpy(bytes, &prog, size = sizeof(prog));
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		memcpy(bytes, device, size = one_in(2) ? 3 : 0);
	if (one_in(20))
		size = (socklen_t)value();
	if (one_in(2)) {
		(void)setsockopt(fd, level, name, where(bytes), size);
		return;
	}
	if (size > sizeof(bytes))
		size = sizeof(bytes);
	(void)getsockopt(fd, level, name, where(bytes), where(&size));
}

static void send_one(int fd)
{
	static _Thread_local unsigned char data[3000], control[600];
	static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, SOL_PACKET };
	static const int names[] = { IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT, IPV6_2292HOPOPTS, IPV6_2292RTHDR,
				     IPV6_2292DSTOPTS, IPV6_RTHDR, IPV6_HOPOPTS, IPV6_DSTOPTS, IPV6_TCLASS, IPV6_DONTFRAG, IP_PKTINFO,
				     IP_RETOPTS, IP_TTL, IP_TOS, SO_MARK, SO_PRIORITY, SO_TIMESTAMPING, SCM_RIGHTS, 61 /* SO_TXTIME */,
				     103 /* UDP_SEGMENT */, 11 /* IPV6_FLOWINFO */ };
	unsigned char a[128];
	struct iovec iov = { data, one_in(9) ? below(sizeof(data)) : below(200) };
	struct msghdr m = { .msg_name = where(a), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	size_t used = 0;

	m.msg_namelen = (socklen_t)put_address(a, one_in(2) ? AF_INET : AF_INET6);
	if (one_in(3))
		m.msg_name = NULL, m.msg_namelen = 0;
	for (unsigned int i = one_in(2) ? 0 : below(4); i > 0; i--) {
		struct cmsghdr *h = (void *)(control + used);
		size_t size = one_in(3) ? below(64) : one_in(2) ? 4 : one_in(2) ? 20 : 8 * (1 + below(6));

		if (used + CMSG_SPACE(size) > sizeof(control))
			break;
		h->cmsg_level = levels[below(5)];
		h->cmsg_type = one_in(6) ? (int)below(110) : names[below(23)];
		h->cmsg_len = one_in(20) ? any() : CMSG_LEN(size);
		for (size_t k = 0; k < size; k++)
			CMSG_DATA(h)[k] = (unsigned char)(one_in(2) ? any() : below(5));
		if (size >= 8 && size % 8 == 0 && !one_in(4)) /* an extension header's length */
			CMSG_DATA(h)[1] = (unsigned char)(size / 8 - 1);
		used += CMSG_SPACE(size);
	}
	m.msg_controllen = one_in(20) ? below(sizeof(control)) : used;
	(void)sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | (one_in(6) ? (int)(any() & 0xffff) & ~MSG_OOB : 0));
}

static void receive_one(int fd)
{
	static _Thread_local unsigned char data[3000], control[600], name[200];
	struct iovec iov[2] = { { data, below(100) }, { data + 100, below(2900) } };
	struct msghdr m = { .msg_name = where(name), .msg_namelen = below(sizeof(name)), .msg_iov = iov, .msg_iovlen = below(3),
			    .msg_control = where(control), .msg_controllen = one_in(2) ? below(60) : sizeof(control) };

	(void)recvmsg(fd, &m, MSG_DONTWAIT | (one_in(2) ? (int)(any() & 0xffff) & ~MSG_WAITALL : 0));
}

static void other(int fd)
{
	static const unsigned long requests[] = { 0x8906, 0x8907, 0x8901, 0x8902, 0x8903, 0x8904, 0x541b, 0x5411, 0x8905, 0x894b, 0x8915 };
	unsigned char a[128];

	switch (below(5)) {
	case 0:
		(void)connect(fd, (struct sockaddr *)(void *)a, (socklen_t)put_address(a, one_in(9) ? AF_UNSPEC : one_in(2) ? AF_INET : AF_INET6));
		break;
	case 1:
		(void)shutdown(fd, (int)below(3));
		break;
	case 2:
		(void)ioctl(fd, requests[below(11)], where(a));
		break;
	case 3:
		fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0 && (fd = (int)atomic_exchange(&places[below(PLACES)], fd)) > 0)
			close(fd);
		break;
	default:
		(void)bind(fd, (struct sockaddr *)(void *)a, (socklen_t)put_address(a, one_in(2) ? AF_INET : AF_INET6));
		break;
	}
}

static void *worker(void *arg)
{
	state = seed * 7919 + (uint32_t)(uintptr_t)arg * 104729 + 1;
	for (;;) {
		unsigned int at = below(PLACES);
		int fd = (int)atomic_load(&places[at]);

		if (fd <= 0 || one_in(60))
			change(at);
		for (unsigned int i = below(8); i > 0; i--)
			option(fd);
		send_one(fd);
		if (one_in(2))
			receive_one(fd);
		if (one_in(4))
			other(fd);
	}
	return NULL;
}

/* A fresh socket pair of each family does what it should. */
static void works(int family)
{
	unsigned char a[28] = { 0 }, got[8] = "";
	int in = socket(family, SOCK_DGRAM, 0), out = socket(family, SOCK_DGRAM, 0);
	struct sockaddr_in *a4 = (void *)a;
	struct sockaddr_in6 *a6 = (void *)a;
	socklen_t size = family == AF_INET ? sizeof(*a4) : sizeof(*a6);

	if (family == AF_INET)
		*a4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	else
		*a6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	CHECK(bind(in, (struct sockaddr *)(void *)a, size) == 0);
	CHECK(getsockname(in, (struct sockaddr *)(void *)a, &size) == 0);
	CHECK(sendto(out, "alive", 5, 0, (struct sockaddr *)(void *)a, size) == 5);
	CHECK(recv(in, got, sizeof(got), 0) == 5 && memcmp(got, "alive", 5) == 0);
	close(in);
	close(out);
}

static void options(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = -1;
	pthread_t t;
	pid_t p;

	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(ioctl(fd, SIOCSIFFLAGS, &up) == 0);
		close(fd);
	}
	p = fork();
	if (p == 0) {
		for (uintptr_t i = 0; i < THREADS; i++)
			(void)pthread_create(&t, NULL, worker, (void *)i);
		for (;;)
			pause();
	}
	nap(seconds);
	kill(p, SIGKILL);
	CHECK(end_of(p, GUARD) != -1);
	works(AF_INET);
	works(AF_INET6);
	_exit(failures != 0);
}

int main(int argc, char **argv)
{
	return for_seeds(argc, argv, "options", options, &seed, &seconds);
}
