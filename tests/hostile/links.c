/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random and mutated netlink messages: some processes of one network namespace make, change, move and remove links, addresses, routes,
 * rules and neighbours, dump and listen, send through packet sockets with rings, have filters, and read and write the settings of
 * interfaces, all of it on few names.  Links move between that namespace and one of each process's, which ends now and then.
 *
 *     links [SEED [COUNT [SECONDS]]]     a child a seed, killed after so many seconds
 *
 * What must hold is what attack() looks at; that nothing is left of links that have been removed; that the Sentry lives.
 */
#include "h.h"
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define WORKERS 4
#define INDEXES 12

static double seconds = 2;
static unsigned int seed;
static int home, away = -1; /* namespaces */

static uint32_t below(uint32_t n)
{
	return rnd() % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static struct {
	struct nlmsghdr h;
	unsigned char body[16000];
} q;

static struct rtattr *put(int type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((char *)&q + NLMSG_ALIGN(q.h.nlmsg_len));

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), data, size);
	q.h.nlmsg_len = NLMSG_ALIGN(q.h.nlmsg_len) + (uint32_t)RTA_SPACE(size);
	return a;
}

static void end(struct rtattr *a)
{
	a->rta_len = (unsigned short)((char *)&q + q.h.nlmsg_len - (char *)a);
}

static void put_u32(int type, uint32_t v)
{
	put(type, &v, sizeof(v));
}

static const char *name(void)
{
	static const char *const names[] = { "v0", "v1", "v2", "v3", "b0", "b1", "d0", "lo", "all", "x%d", "0123456789abcdef", "", "../a" };

	return names[one_in(4) ? below(13) : below(7)];
}

static uint32_t ifindex(void)
{
	return one_in(30) ? rnd() : below(INDEXES) + 1;
}

static void put_ip(int type, int family)
{
	unsigned char a[16] = { family == AF_INET ? 10 : 0xfd, 0 };

	a[family == AF_INET ? 1 : 7] = (unsigned char)below(4);
	a[family == AF_INET ? 3 : 15] = (unsigned char)below(5);
	if (one_in(30))
		memset(a, (int)rnd(), sizeof(a));
	put(type, a, one_in(50) ? below(17) : family == AF_INET ? 4 : 16);
}

static void put_name(int type)
{
	const char *n = name();

	put(type, n, strlen(n) + !one_in(5));
}

static void put_link(void)
{
	static const char *const kinds[] = { "veth", "dummy", "bridge", "vlan", "macvlan", "nothing" };
	const char *kind = kinds[below(6)];
	struct rtattr *info, *data, *p;
	struct ifinfomsg peer = { .ifi_index = one_in(3) ? (int)ifindex() : 0, .ifi_flags = one_in(2) ? IFF_UP : 0 };

	info = put(IFLA_LINKINFO, "", 0);
	put(IFLA_INFO_KIND, kind, strlen(kind) + one_in(2));
	data = put(IFLA_INFO_DATA, "", 0);
	if (kind[0] == 'v' && kind[1] == 'e') {
		p = put(VETH_INFO_PEER, &peer, one_in(20) ? below(16) : sizeof(peer));
		put_name(IFLA_IFNAME);
		end(p);
	} else if (kind[0] == 'v') {
		unsigned short id = (unsigned short)(one_in(5) ? rnd() : below(4));

		put(1 /* IFLA_VLAN_ID */, &id, sizeof(id));
	} else {
		put_u32(1 /* IFLA_MACVLAN_MODE */, one_in(4) ? rnd() : 1u << below(5));
	}
	end(data);
	end(info);
}

/* Settings of an interface by their numbers. */
static void put_af_spec(void)
{
	struct rtattr *spec = put(IFLA_AF_SPEC, "", 0), *family = put(one_in(2) ? AF_INET : AF_INET6, "", 0), *conf;

	conf = put((int)below(10), "", 0);
	for (uint32_t i = below(5); i > 0; i--)
		put_u32((int)below(60), rnd() >> below(32));
	end(conf);
	end(family);
	end(spec);
}

static void link_message(int type)
{
	struct ifinfomsg m = { .ifi_index = one_in(2) ? (int)ifindex() : 0, .ifi_flags = one_in(2) ? IFF_UP : 0,
			       .ifi_change = one_in(2) ? IFF_UP : one_in(2) ? rnd() : 0 };
	unsigned char mac[6] = { 2, 0, 0, 0, 0, (unsigned char)below(4) };

	memcpy(q.body, &m, sizeof(m));
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(m));
	if (!m.ifi_index || one_in(4))
		put_name(IFLA_IFNAME);
	if (type == RTM_NEWLINK && !one_in(3))
		put_link();
	if (one_in(4))
		put_u32(IFLA_MTU, one_in(3) ? rnd() : 1500);
	if (one_in(5))
		put(IFLA_ADDRESS, mac, one_in(9) ? below(7) : 6);
	if (one_in(4))
		put_u32(IFLA_MASTER, one_in(3) ? 0 : ifindex());
	if (one_in(4))
		put_u32(IFLA_LINK, ifindex());
	if (one_in(12))
		put_u32(IFLA_NET_NS_PID, (uint32_t)(one_in(2) ? getpid() : getppid()));
	if (one_in(12))
		put_u32(IFLA_NET_NS_FD, one_in(3) ? below(20) : (uint32_t)(one_in(2) ? home : away));
	if (one_in(20))
		put_af_spec();
}

static void address_message(void)
{
	struct ifaddrmsg m = { .ifa_family = one_in(2) ? AF_INET : AF_INET6, .ifa_index = ifindex(),
			       .ifa_prefixlen = (unsigned char)(one_in(9) ? rnd() : below(33)), .ifa_flags = (unsigned char)(one_in(3) ? rnd() : 0) };
	struct ifa_cacheinfo c = { .ifa_prefered = below(3), .ifa_valid = below(3) };

	memcpy(q.body, &m, sizeof(m));
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(m));
	put_ip(IFA_LOCAL, m.ifa_family);
	put_ip(IFA_ADDRESS, m.ifa_family);
	if (one_in(3))
		put_ip(IFA_BROADCAST, m.ifa_family);
	if (one_in(3))
		put(IFA_CACHEINFO, &c, sizeof(c));
	if (one_in(5))
		put_name(IFA_LABEL);
}

static void route_message(void)
{
	struct rtmsg m = { .rtm_family = one_in(2) ? AF_INET : AF_INET6, .rtm_dst_len = (unsigned char)(one_in(9) ? rnd() : below(33)),
			   .rtm_table = (unsigned char)(one_in(3) ? below(256) : RT_TABLE_MAIN), .rtm_type = (unsigned char)(one_in(3) ? below(12) : 1),
			   .rtm_flags = one_in(5) ? rnd() : 0, .rtm_tos = (unsigned char)(one_in(9) ? rnd() : 0) };

	memcpy(q.body, &m, sizeof(m));
	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(m));
	put_ip(RTA_DST, m.rtm_family);
	if (one_in(2))
		put_ip(RTA_GATEWAY, m.rtm_family);
	if (!one_in(3))
		put_u32(RTA_OIF, ifindex());
	if (one_in(5))
		put_u32(RTA_PRIORITY, below(3));
	if (one_in(8))
		put_u32(RTA_TABLE, rnd());
	if (one_in(3)) {
		struct rtattr *a = put(RTA_MULTIPATH, "", 0);

		for (uint32_t i = below(one_in(9) ? 80 : 5); i > 0; i--) {
			struct rtnexthop *n = (void *)((char *)&q + q.h.nlmsg_len);

			*n = (struct rtnexthop){ .rtnh_ifindex = (int)ifindex(), .rtnh_hops = (unsigned char)below(4) };
			q.h.nlmsg_len += sizeof(*n);
			if (one_in(2))
				put_ip(RTA_GATEWAY, m.rtm_family);
			n->rtnh_len = (unsigned short)(one_in(50) ? rnd() : (uint32_t)((char *)&q + q.h.nlmsg_len - (char *)n));
		}
		end(a);
	}
}

static void other_message(int type)
{
	unsigned char body[64];
	struct ndmsg *m = (void *)body;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (unsigned char)(one_in(4) ? rnd() : 0);
	body[0] = one_in(2) ? AF_INET : AF_INET6;
	if (type == RTM_NEWNEIGH || type == RTM_DELNEIGH || type == RTM_GETNEIGH)
		*m = (struct ndmsg){ .ndm_family = body[0], .ndm_ifindex = (int)ifindex(), .ndm_state = one_in(2) ? NUD_PERMANENT : (uint16_t)rnd() };
	if (type == RTM_NEWRULE || type == RTM_DELRULE)
		*(struct fib_rule_hdr *)(void *)body = (struct fib_rule_hdr){ .family = body[0], .action = (unsigned char)(one_in(3) ? below(9) : 1),
									      .table = (unsigned char)below(256), .src_len = (unsigned char)(one_in(2) ? 0 : below(40)) };
	if (type == RTM_GETNETCONF)
		body[0] = (unsigned char)(one_in(9) ? rnd() : body[0]);
	memcpy(q.body, body, sizeof(body));
	q.h.nlmsg_len = (uint32_t)NLMSG_LENGTH(type == SOCK_DIAG_BY_FAMILY ? sizeof(struct inet_diag_req_v2) : sizeof(struct ndmsg));
	put_ip(NDA_DST, body[0]); /* FRA_DST too */
	put(NDA_LLADDR, "\2\0\0\0\0\1", one_in(8) ? below(7) : 6);
	if (type == RTM_NEWRULE || type == RTM_DELRULE) {
		put_u32(FRA_PRIORITY, below(20));
		if (((struct fib_rule_hdr *)(void *)body)->action == FR_ACT_GOTO)
			put_u32(FRA_GOTO, below(22));
	}
	if (type == RTM_GETNETCONF)
		put_u32(NETCONFA_IFINDEX, one_in(4) ? 0u - below(4) : ifindex());
	for (uint32_t i = below(4); i > 0; i--)
		put((int)below(30), body, below(20));
}

/* Bytes that are not what they were, lengths of attributes among them. */
static void mutate(void)
{
	unsigned char *p = (void *)&q;

	for (uint32_t i = below(4); i > 0; i--)
		p[16 + below(q.h.nlmsg_len)] = (unsigned char)(one_in(2) ? rnd() : 255 * below(2));
	if (one_in(4))
		q.h.nlmsg_len = one_in(4) ? rnd() : below(q.h.nlmsg_len + 40);
}

static void drain(int fd)
{
	static char buffer[70000];
	ssize_t n;

	while ((n = recv(fd, buffer, one_in(9) ? below(sizeof(buffer)) : sizeof(buffer), MSG_DONTWAIT)) > 0)
		;
}

static void message(int fd)
{
	static const int types[] = { RTM_NEWLINK, RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK, RTM_GETLINK, RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR,
				     RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWRULE, RTM_DELRULE,
				     RTM_GETRULE, RTM_GETNETCONF, SOCK_DIAG_BY_FAMILY };
	int type = types[below(19)];
	size_t size, sent = 0;

	q.h = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = (uint16_t)(one_in(40) ? below(130) : (uint32_t)type),
				 .nlmsg_flags = NLM_F_REQUEST };
	memset(q.body, 0, 64);
	if (type < RTM_NEWADDR)
		link_message(type);
	else if (type < RTM_NEWROUTE)
		address_message();
	else if (type < RTM_NEWNEIGH)
		route_message();
	else
		other_message(type);
	q.h.nlmsg_flags |= (uint16_t)(one_in(2) ? NLM_F_ACK : 0) | (uint16_t)(one_in(9) ? rnd() : (type & 3) == 2 ? NLM_F_DUMP : NLM_F_CREATE);
	size = q.h.nlmsg_len;
	if (one_in(3))
		mutate();
	/* Many in one, now and then. */
	if (one_in(20) && size && size < 1000)
		for (; sent + 2 * size < sizeof(q); sent += NLMSG_ALIGN(size))
			memmove((char *)&q + sent + NLMSG_ALIGN(size), (char *)&q + sent, size);
	(void)send(fd, &q, one_in(30) ? below((uint32_t)(sent + size)) : sent + size, MSG_DONTWAIT);
}

/* ---- sockets ----------------------------------------------------------------------------------- */

static int route_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, one_in(5) ? NETLINK_SOCK_DIAG : one_in(9) ? NETLINK_KOBJECT_UEVENT : NETLINK_ROUTE), v;
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = one_in(2) ? rnd() : 0, .nl_pid = one_in(4) ? below(10) : 0 };

	if (one_in(2))
		(void)bind(fd, (struct sockaddr *)&a, sizeof(a));
	v = (int)below(70);
	(void)setsockopt(fd, 270 /* SOL_NETLINK */, (int)below(14), &v, sizeof(v));
	v = one_in(2) ? 4000 : 1 << 20;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v));
	return fd;
}

static void filter(int fd)
{
	struct sock_filter f[16];
	struct sock_fprog p = { (unsigned short)(below(16) + 1), f };

	for (unsigned int i = 0; i < p.len; i++)
		f[i] = (struct sock_filter){ (uint16_t)(one_in(9) ? rnd() : below(256)), (uint8_t)below(4), (uint8_t)below(4),
					     one_in(4) ? rnd() : one_in(4) ? (uint32_t)-0x1000 + below(60) : below(80) };
	f[p.len - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rnd());
	(void)setsockopt(fd, SOL_SOCKET, one_in(5) ? SO_DETACH_FILTER : SO_ATTACH_FILTER, &p, sizeof(p));
}

static char *ring;
static size_t ring_size;

static void ring_socket(int *fd)
{
	struct tpacket_req3 r = { 4096u << below(3), below(6), 64u << below(6), 0, below(20), below(100), 0 };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex(), .sll_halen = 6 };
	int v;

	switch (below(12)) {
	case 0:
		if (*fd > 0)
			close(*fd);
		*fd = socket(AF_PACKET, one_in(2) ? SOCK_RAW : SOCK_DGRAM, htons(ETH_P_ALL));
		break;
	case 1:
		v = (int)below(4);
		(void)setsockopt(*fd, SOL_PACKET, PACKET_VERSION, &v, sizeof(v));
		break;
	case 2:
		r.tp_frame_nr = one_in(9) ? rnd() : r.tp_block_size / r.tp_frame_size * r.tp_block_nr;
		(void)setsockopt(*fd, SOL_PACKET, one_in(2) ? PACKET_RX_RING : PACKET_TX_RING, &r, one_in(2) ? sizeof(r) : 16);
		ring_size = (size_t)r.tp_block_size * r.tp_block_nr;
		break;
	case 3:
		if (ring)
			munmap(ring, ring_size);
		ring = mmap(NULL, ring_size << below(2), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
		if (ring == MAP_FAILED)
			ring = NULL;
		break;
	case 4:
	case 5:
		for (uint32_t i = below(64); ring && i > 0; i--) /* the kernel's words, and any others */
			((uint32_t *)(void *)ring)[below((uint32_t)ring_size / 64) * 16 + below(8)] = one_in(2) ? 1 : rnd() >> below(32);
		break;
	case 6:
		(void)bind(*fd, (struct sockaddr *)&a, sizeof(a));
		break;
	case 7:
		filter(*fd);
		break;
	case 8:
		v = (int)(one_in(3) ? rnd() : below(70000));
		(void)setsockopt(*fd, SOL_PACKET, (int)below(25), &v, sizeof(v));
		break;
	default:
		(void)sendto(*fd, q.body, one_in(2) ? 0 : below(3000), MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a));
		break;
	}
}

static void traffic(int udp)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a000000 | below(4) << 16 | below(5)) };
	struct ifreq r = { .ifr_flags = (short)(one_in(2) ? IFF_UP : 0) };

	(void)sendto(udp, q.body, below(9000), MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a));
	if (one_in(4)) {
		strncpy(r.ifr_name, name(), sizeof(r.ifr_name) - 1);
		(void)ioctl(udp, (unsigned long)(0x8910 + below(0x40)), &r);
	}
	if (one_in(50)) {
		static const char *const files[] = { "/proc/net/route", "/proc/net/dev", "/proc/net/netlink", "/proc/net/if_inet6", "/proc/net/arp" };
		int fd = open(files[below(5)], O_RDONLY);

		(void)!read(fd, q.body, sizeof(q.body));
		close(fd);
	}
}

/* ---- settings ---------------------------------------------------------------------------------- */

static const char *setting(void)
{
	static const char *const dirs[] = { "ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh" };
	static const char *const keys[] = { "forwarding", "disable_ipv6", "addr_gen_mode", "rp_filter", "arp_ignore", "proxy_arp", "accept_dad",
					    "mtu", "accept_ra", "autoconf", "promote_secondaries", "keep_addr_on_down", "retrans_time_ms",
					    "unres_qlen", "mcast_solicit", "router_solicitations", "force_igmp_version", "mc_forwarding", "" };
	static char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s", dirs[below(4)], one_in(5) ? "default" : name(), keys[below(19)]);
	return path;
}

/* Files and directories that stay open, of interfaces that may go. */
static void settings(int fds[4])
{
	static char bytes[70000];
	unsigned int at = below(4);
	char text[16];
	struct iovec parts[3] = { { text, one_in(2) }, { bytes, below(3) }, { bytes, one_in(9) ? sizeof(bytes) : below(40) } };
	int size = snprintf(text, sizeof(text), "%d\n", one_in(3) ? (int)rnd() : (int)below(4));

	switch (below(9)) {
	case 0:
	case 1:
		if (fds[at] > 0)
			close(fds[at]);
		fds[at] = open(setting(), one_in(6) ? O_PATH : O_RDWR | (one_in(4) ? O_TRUNC : 0));
		if (fds[at] < 0)
			fds[at] = open(setting(), O_RDONLY);
		break;
	case 2:
		(void)!pread(fds[at], bytes, below(20), one_in(3) ? (off_t)rnd() << below(30) : below(5));
		break;
	case 3:
	case 4:
		(void)!pwrite(fds[at], text, (size_t)size, one_in(9) ? below(5) : 0);
		break;
	case 5:
		memset(bytes, one_in(2) ? ' ' : '1', sizeof(bytes));
		(void)!(one_in(2) ? writev(fds[at], parts, 3) : write(fds[at], bytes, one_in(3) ? sizeof(bytes) : below(4200)));
		break;
	case 6:
		(void)lseek(fds[at], one_in(4) ? (off_t)((uint64_t)rnd() << below(32)) : below(1010), SEEK_SET);
		(void)syscall(SYS_getdents64, fds[at], bytes, one_in(3) ? below(100) : sizeof(bytes));
		break;
	case 7:
		(void)close(openat(fds[at], one_in(2) ? ".." : one_in(2) ? "forwarding" : name(), O_RDONLY));
		break;
	default:
		(void)readlink(setting(), bytes, 10);
		(void)access(setting(), W_OK);
		break;
	}
}

/* Into a namespace of its own, or back.  What was open there stays. */
static void elsewhere(void)
{
	if (away >= 0 && one_in(2)) {
		close(away); /* it ends with what is open */
		away = -1;
	}
	if (away < 0 && unshare(CLONE_NEWNET) == 0)
		away = open("/proc/thread-self/ns/net", O_RDONLY);
	(void)setns(one_in(3) && away >= 0 ? away : home, CLONE_NEWNET);
}

static void worker(unsigned int number)
{
	int files[4] = { 0 };
	int fds[6] = { 0 }, packet = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), udp = socket(AF_INET, SOCK_DGRAM, 0);

	random_state = seed * 7919 + number * 104729 + 1;
	for (int i = 0; i < 6; i++)
		fds[i] = route_socket();
	for (;;) {
		int at = (int)below(6);

		message(fds[at]);
		ring_socket(&packet);
		traffic(udp);
		settings(files);
		if (one_in(50))
			elsewhere();
		if (one_in(3))
			drain(fds[at]);
		if (one_in(100)) {
			close(fds[at]);
			fds[at] = route_socket();
		}
	}
}

/* ---- what must hold ---------------------------------------------------------------------------- */

/* Addresses, or routes, of interfaces that are no more. */
static int stale(int type)
{
	static char reply[70000];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), found = 0;
	struct rtmsg none = { 0 };
	ssize_t n;

	q.h = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(none)), .nlmsg_type = (uint16_t)type,
				 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };
	memset(q.body, 0, sizeof(none));
	(void)send(fd, &q, q.h.nlmsg_len, 0);
	while ((n = recv(fd, reply, sizeof(reply), 0)) > 0)
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, (unsigned int)n); h = NLMSG_NEXT(h, n)) {
			char text[IF_NAMESIZE];
			int left = (int)RTM_PAYLOAD(h);

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				close(fd);
				return found;
			}
			if (type == RTM_GETADDR) {
				found += !if_indextoname(((struct ifaddrmsg *)NLMSG_DATA(h))->ifa_index, text);
				continue;
			}
			for (struct rtattr *a = RTM_RTA(NLMSG_DATA(h)); RTA_OK(a, left); a = RTA_NEXT(a, left))
				if (a->rta_type == RTA_OIF && !if_indextoname(*(unsigned int *)RTA_DATA(a), text)) {
					const struct rtmsg *m = NLMSG_DATA(h);

					printf("route over %u: family %d, type %d\n", *(unsigned int *)RTA_DATA(a), m->rtm_family, m->rtm_type);
					found++;
				}
		}
	close(fd);
	return found;
}

static void links(void)
{
	pid_t workers[WORKERS];

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("unshare: errno %d\n", errno);
		_exit(1);
	}
	home = open("/proc/self/ns/net", O_RDONLY);
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			worker(i);
	}
	nap(seconds);
	for (unsigned int i = 0; i < WORKERS; i++)
		kill(workers[i], SIGKILL);
	for (unsigned int i = 0; i < WORKERS; i++)
		(void)end_of(workers[i], GUARD);
	CHECK(stale(RTM_GETADDR) == 0);
	CHECK(stale(RTM_GETROUTE) == 0);
	_exit(failures != 0);
}

int main(int argc, char **argv)
{
	return for_seeds(argc, argv, "links", links, &seed, &seconds);
}
