/* SPDX-License-Identifier: Apache-2.0 */
/* netlink.c: AF_NETLINK sockets and rtnetlink's dumps, without changing anything. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/in_route.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static char reply[65536];

static int open_route(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };

	CHECK(fd >= 0);
	EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static ssize_t ask(int fd, int type, int flags, const void *body, size_t size)
{
	struct {
		struct nlmsghdr h;
		char body[64];
	} q = { .h = { .nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type,
		       .nlmsg_flags = flags | NLM_F_REQUEST, .nlmsg_seq = 7 } };

	memcpy(q.body, body, size);
	EQUAL(send(fd, &q, q.h.nlmsg_len, 0), (ssize_t)q.h.nlmsg_len);
	return recv(fd, reply, sizeof(reply), 0);
}

/* Read a dump to its end; how many messages of that type there were. */
static int count_dump(int fd, ssize_t n, int type)
{
	int count = 0;

	for (;; n = recv(fd, reply, sizeof(reply), 0)) {
		CHECK(n > 0);
		if (n <= 0)
			return -1;
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, (unsigned int)n); h = NLMSG_NEXT(h, n)) {
			EQUAL(h->nlmsg_seq, 7);
			if (h->nlmsg_type == NLMSG_DONE)
				return count;
			CHECK(h->nlmsg_flags & NLM_F_MULTI);
			count += h->nlmsg_type == type;
		}
	}
}

static int error_of(ssize_t n)
{
	const struct nlmsghdr *h = (void *)reply;

	CHECK(n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)));
	EQUAL(h->nlmsg_type, NLMSG_ERROR);
	return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static void test_names(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	socklen_t size = sizeof(a);
	int fd = open_route(), other;

	EQUAL(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	EQUAL(a.nl_pid, (unsigned int)getpid());
	other = open_route(); /* the process's id is taken */
	EQUAL(getsockname(other, (struct sockaddr *)&a, &size), 0);
	CHECK(a.nl_pid != (unsigned int)getpid() && a.nl_pid != 0);
	a.nl_pid = getpid();
	FAILS(EINVAL, bind(other, (struct sockaddr *)&a, sizeof(a))); /* bound already */
	close(other);
	other = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	FAILS(EADDRINUSE, bind(other, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EINVAL, bind(other, (struct sockaddr *)&a, 4));
	close(other);
	close(fd);
	FAILS(ESOCKTNOSUPPORT, socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
	FAILS(EPROTONOSUPPORT, socket(AF_NETLINK, SOCK_RAW, 31));
}

static void test_dumps(void)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	struct ifaddrmsg addr = { .ifa_family = AF_UNSPEC };
	struct rtmsg route = { .rtm_family = AF_INET };
	struct pollfd p = { .events = POLLIN };
	int fd = open_route();

	CHECK(count_dump(fd, ask(fd, RTM_GETLINK, NLM_F_DUMP, &link, sizeof(link)), RTM_NEWLINK) >= 1);
	CHECK(count_dump(fd, ask(fd, RTM_GETADDR, NLM_F_DUMP, &addr, sizeof(addr)), RTM_NEWADDR) >= 1);
	CHECK(count_dump(fd, ask(fd, RTM_GETROUTE, NLM_F_DUMP, &route, sizeof(route)), RTM_NEWROUTE) >= 1);
	link.ifi_index = 1;
	CHECK(ask(fd, RTM_GETLINK, 0, &link, sizeof(link)) > 0);
	EQUAL(((struct nlmsghdr *)reply)->nlmsg_type, RTM_NEWLINK);
	EQUAL(((struct ifinfomsg *)NLMSG_DATA((struct nlmsghdr *)reply))->ifi_type, ARPHRD_LOOPBACK);
	p.fd = fd;
	EQUAL(poll(&p, 1, 0), 0); /* no acknowledgement was asked for */
	close(fd);
}

/* rt_fill_info(): what ip-route(8) shows as "cache <local>", of no table for who does not ask. */
static void test_route_lookup(void)
{
	struct {
		struct rtmsg m;
		struct rtattr a;
		uint32_t dst;
	} q = { .m = { .rtm_family = AF_INET, .rtm_dst_len = 32 }, .a = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
		.dst = htonl(INADDR_LOOPBACK) };
	const struct rtmsg *m = NLMSG_DATA((struct nlmsghdr *)reply);
	int fd = open_route();

	CHECK(ask(fd, RTM_GETROUTE, 0, &q, sizeof(q)) > 0);
	EQUAL(((struct nlmsghdr *)reply)->nlmsg_type, RTM_NEWROUTE);
	EQUAL(m->rtm_type, RTN_LOCAL);
	EQUAL(m->rtm_table, RT_TABLE_MAIN);
	EQUAL(m->rtm_flags, RTM_F_CLONED | RTCF_LOCAL);
	close(fd);
}

static void test_errors(void)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC, .ifi_index = 1000000 };
	struct nlmsghdr noop = { .nlmsg_len = sizeof(noop), .nlmsg_type = NLMSG_NOOP,
				 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 9 };
	int fd = open_route();

	EQUAL(error_of(ask(fd, RTM_GETLINK, 0, &link, sizeof(link))), ENODEV);
	EQUAL(error_of(ask(fd, RTM_GETLINK, 0, &link, 4)), EINVAL);
	EQUAL(error_of(ask(fd, 4000, 0, &link, sizeof(link))), EOPNOTSUPP);
	EQUAL(send(fd, &noop, sizeof(noop), 0), (ssize_t)sizeof(noop));
	EQUAL(error_of(recv(fd, reply, sizeof(reply), 0)), 0); /* the acknowledgement */
	EQUAL(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
	EQUAL(errno, EAGAIN);
	close(fd);
}

static void test_options(void)
{
	int fd = open_route(), v = RTNLGRP_LINK;
	unsigned int groups[2] = { 0, 0 };
	socklen_t size = sizeof(groups);

	EQUAL(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)), 0);
	EQUAL(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size), 0);
	EQUAL(groups[0], 1u << (RTNLGRP_LINK - 1));
	EQUAL(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &v, sizeof(v)), 0);
	v = 0;
	FAILS(EINVAL, setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)));
	FAILS(ENOPROTOOPT, setsockopt(fd, SOL_NETLINK, 77, &v, sizeof(v)));
	v = 1;
	EQUAL(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &v, sizeof(v)), 0);
	EQUAL(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &v, sizeof(v)), 0);
	close(fd);
}

static void test_ioctls(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* any socket will do */
	struct ifreq r = { .ifr_name = "lo" };
	struct ifconf c = { .ifc_len = 0 };

	EQUAL(ioctl(fd, SIOCGIFINDEX, &r), 0);
	EQUAL(r.ifr_ifindex, 1);
	EQUAL(ioctl(fd, SIOCGIFFLAGS, &r), 0);
	CHECK((r.ifr_flags & (IFF_LOOPBACK | IFF_UP)) == (IFF_LOOPBACK | IFF_UP));
	EQUAL(ioctl(fd, SIOCGIFMTU, &r), 0);
	EQUAL(r.ifr_mtu, 65536);
	EQUAL(ioctl(fd, SIOCGIFCONF, &c), 0);
	CHECK(c.ifc_len >= (int)sizeof(struct ifreq) && c.ifc_len % sizeof(struct ifreq) == 0);
	strcpy(r.ifr_name, "nosuch0");
	FAILS(ENODEV, ioctl(fd, SIOCGIFFLAGS, &r));
	FAILS(EFAULT, ioctl(fd, SIOCGIFFLAGS, BAD_PTR));
	close(fd);
}

/* The attribute of that type behind a header of size bytes, or NULL. */
static const struct rtattr *attr_of(const struct nlmsghdr *h, size_t size, unsigned int type)
{
	const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(size));
	int left = (int)(h->nlmsg_len - NLMSG_SPACE(size));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return a;
	return NULL;
}

static void test_diag_unix(void)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req q;
	} r = { { sizeof(r), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0 },
		{ .sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN,
		  .udiag_cookie = { ~0u, ~0u } } };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), pair[2];
	const struct nlmsghdr *h = (const void *)reply;
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct unix_diag_rqlen *q;
	const struct rtattr *a;
	struct stat st[2];

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	EQUAL(fstat(pair[0], &st[0]), 0);
	EQUAL(fstat(pair[1], &st[1]), 0);
	EQUAL(write(pair[1], "abc", 3), 3);
	r.q.udiag_ino = (unsigned int)st[0].st_ino;
	EQUAL(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	CHECK(recv(fd, reply, sizeof(reply), 0) > 0);
	EQUAL(h->nlmsg_type, SOCK_DIAG_BY_FAMILY);
	EQUAL(m->udiag_family, AF_UNIX);
	EQUAL(m->udiag_type, SOCK_STREAM);
	EQUAL(m->udiag_state, 1);
	EQUAL(m->udiag_ino, (unsigned int)st[0].st_ino);
	a = attr_of(h, sizeof(*m), UNIX_DIAG_PEER);
	CHECK(a && *(const uint32_t *)RTA_DATA(a) == (uint32_t)st[1].st_ino);
	a = attr_of(h, sizeof(*m), UNIX_DIAG_RQLEN);
	CHECK(a != NULL);
	q = RTA_DATA(a);
	EQUAL(q->udiag_rqueue, 3);
	close(pair[0]);
	close(pair[1]);
	EQUAL(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	CHECK(recv(fd, reply, sizeof(reply), 0) > 0);
	EQUAL(error_of((ssize_t)h->nlmsg_len), ENOENT);
	close(fd);
}

static void test_diag_tcp(void)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 q;
	} r = { { sizeof(r), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		{ .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1u << 10,
		  .idiag_ext = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1) } };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), l = socket(AF_INET, SOCK_STREAM, 0);
	const struct nlmsghdr *h = (const void *)reply;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	socklen_t size = sizeof(a);
	const struct rtattr *info;

	EQUAL(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(listen(l, 7), 0);
	EQUAL(getsockname(l, (struct sockaddr *)&a, &size), 0);
	r.q.id.idiag_sport = a.sin_port;
	EQUAL(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	CHECK(recv(fd, reply, sizeof(reply), 0) > 0);
	EQUAL(h->nlmsg_type, SOCK_DIAG_BY_FAMILY);
	EQUAL(m->idiag_state, 10);
	EQUAL(m->id.idiag_sport, a.sin_port);
	EQUAL(m->idiag_wqueue, 7);
	info = attr_of(h, sizeof(*m), INET_DIAG_INFO);
	CHECK(info && RTA_PAYLOAD(info) >= 104 && *(const uint8_t *)RTA_DATA(info) == 10);
	CHECK(attr_of(h, sizeof(*m), INET_DIAG_CONG) != NULL);
	CHECK(attr_of(h, sizeof(*m), INET_DIAG_MEMINFO) == NULL);
	close(l);
	close(fd);
}

/* Packet sockets, by sock_diag and in /proc. */
static void test_diag_packet(void)
{
	struct {
		struct nlmsghdr h;
		struct packet_diag_req q;
	} r = { { sizeof(r), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		{ .sdiag_family = AF_PACKET, .pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO } };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), p = socket(AF_PACKET, SOCK_DGRAM, 0);
	const struct packet_diag_info *info = NULL;
	char line[256], proto[8] = "", iface[8] = "", inode[24] = "";
	bool found = false, more = true;
	struct stat st;
	FILE *f;

	if (p < 0) {
		EQUAL(errno, EPERM); /* no capability */
		close(fd);
		return;
	}
	EQUAL(bind(p, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(fstat(p, &st), 0);
	EQUAL(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	while (more) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		CHECK(n > 0);
		more = n > 0;
		for (const struct nlmsghdr *h = (const void *)reply; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			const struct packet_diag_msg *m = NLMSG_DATA(h);
			const struct rtattr *at;

			more &= h->nlmsg_type == SOCK_DIAG_BY_FAMILY;
			if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->pdiag_ino != st.st_ino)
				continue;
			found = true;
			EQUAL(m->pdiag_family, AF_PACKET);
			EQUAL(m->pdiag_type, SOCK_DGRAM);
			EQUAL(m->pdiag_num, 0x88b5);
			at = attr_of(h, sizeof(*m), PACKET_DIAG_INFO);
			CHECK(at != NULL);
			info = at ? RTA_DATA(at) : NULL;
			EQUAL(info ? info->pdi_index : 0, 1);
			EQUAL(info ? info->pdi_flags : 0, PDI_RUNNING);
			CHECK(attr_of(h, sizeof(*m), PACKET_DIAG_MEMINFO) != NULL);
		}
	}
	CHECK(found);
	r.h.nlmsg_flags = NLM_F_REQUEST;
	EQUAL(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	CHECK(recv(fd, reply, sizeof(reply), 0) > 0);
	EQUAL(error_of((ssize_t)((const struct nlmsghdr *)(const void *)reply)->nlmsg_len), EOPNOTSUPP);
	found = false;
	f = fopen("/proc/net/packet", "r");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %7s %7s %*s %*s %*s %23s", proto, iface, inode) == 3 &&
		    strtoul(inode, NULL, 10) == st.st_ino)
			found = strcmp(proto, "88b5") == 0 && strcmp(iface, "1") == 0;
	CHECK(found);
	if (f)
		fclose(f);
	close(p);
	close(fd);
}

/* Scripts take addresses from it: the line before "/32 host LOCAL". */
static void test_fib_trie(void)
{
	FILE *f = fopen("/proc/net/fib_trie", "r");
	char line[256], before[256] = "";
	bool found = false;

	CHECK(f != NULL);
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "        /32 host LOCAL") && strstr(before, "   |-- 127.0.0.1\n"))
			found = true;
		strcpy(before, line);
	}
	CHECK(found);
	if (f)
		fclose(f);
	f = fopen("/proc/net/icmp", "r");
	CHECK(f && fgets(line, sizeof(line), f) && strncmp(line, "  sl  local_address", 19) == 0);
	if (f)
		fclose(f);
}

/* Thousands of dumps asked for in one message: no more is made than the receive buffer holds, and one. */
static void test_many_in_one(void)
{
	static struct {
		struct nlmsghdr h;
		struct ifinfomsg m;
	} all[2000];
	int fd = open_route(), small = 4096;
	size_t got = 0;
	ssize_t n;

	EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 2000; i++)
		all[i].h = (struct nlmsghdr){ .nlmsg_len = sizeof(all[0]), .nlmsg_type = RTM_GETLINK,
					      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };
	EQUAL(send(fd, all, sizeof(all), 0), sizeof(all));
	while ((n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT)) > 0 || (n < 0 && errno == ENOBUFS))
		got += n > 0 ? n : 0;
	CHECK(got > 0 && got < 400000);
	close(fd);
}

T_MAIN
{
	test_names();
	test_dumps();
	test_route_lookup();
	test_fib_trie();
	test_errors();
	test_options();
	test_ioctls();
	test_diag_unix();
	test_diag_tcp();
	test_diag_packet();
	test_many_in_one();
}
