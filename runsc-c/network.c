/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.c: see network.h.  All of it by rtnetlink(7), in the container's network namespace, which a
 * thread enters for it: rootless, there is no way back from there, the host's namespace being somebody else's.
 */
#include "runsc-c/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/nsfs.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/control_client.h"
#include "sentry/control/control.h"

#define LINKS_MAX     32
#define LOOK_MAX      1024 /* interfaces of the host that are shown */
#define VISIT_STACK   (256UL << 10)
#define ADDRS_MAX     256 /* of one interface */
#define ROUTES_MAX    4096
#define NEIGHS_MAX    1024
#define SOCKET_BUFFER (8 << 20) /* a few dozen segments of 64 KB, as the host counts them */
#define DUMP_SIZE     65536
#define RESOLVER_ADDRESS 0x7f00000bu /* 127.0.0.11 */

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* ---- netlink -------------------------------------------------------------------------------- */

struct rtnl {
	int fd;
	uint32_t seq;
	struct network_config *n;
	char *buffer; /* DUMP_SIZE */
	unsigned int filters; /* on_filter() has seen */
	bool look; /* interfaces are shown, not taken over: more of them, of any kind */
};

struct request {
	struct nlmsghdr h;
	char body[512];
};

static void request_init(struct request *q, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	memset(q, 0, sizeof(*q));
	q->h.nlmsg_type = type;
	q->h.nlmsg_flags = flags | NLM_F_REQUEST;
	memcpy(q->body, body, size);
	q->h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(0) + NLMSG_ALIGN(size));
}

static struct rtattr *request_add(struct request *q, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((char *)q + q->h.nlmsg_len);

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size > 0)
		memcpy(RTA_DATA(a), data, size);
	q->h.nlmsg_len += (uint32_t)RTA_SPACE(size);
	return a;
}

/* Everything added since `open` becomes its payload. */
static void request_close(struct request *q, struct rtattr *open)
{
	open->rta_len = (uint16_t)((char *)q + q->h.nlmsg_len - (char *)open);
}

/*
 * Send, and hand each answer to fn until the end (NLMSG_DONE) or the acknowledgement.  The kernel's
 * error, or one of fn's.
 */
static int rtnl_call(struct rtnl *r, struct request *q,
		     int (*fn)(struct rtnl *r, struct nlmsghdr *h))
{
	int result = 0;

	q->h.nlmsg_seq = ++r->seq;
	if (send(r->fd, q, q->h.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(r->fd, r->buffer, DUMP_SIZE, 0);
		size_t left = (size_t)got, size;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (char *at = r->buffer; left >= sizeof(struct nlmsghdr); at += size, left -= size) {
			struct nlmsghdr *h = (void *)at;

			if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left)
				return -EPROTO;
			size = MIN((size_t)NLMSG_ALIGN(h->nlmsg_len), left);
			if (h->nlmsg_seq != r->seq)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return result;
			if (h->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *err = NLMSG_DATA(h);

				return h->nlmsg_len < NLMSG_LENGTH(sizeof(*err)) ? -EPROTO : err->error;
			}
			if (result == 0 && fn != NULL)
				result = fn(r, h);
		}
	}
}

/* The attributes after a header of size bytes, by type; those above max are left out. */
static const void *parse(struct nlmsghdr *h, size_t size, struct rtattr **tb, unsigned int max)
{
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(size);

	memset(tb, 0, (max + 1) * sizeof(struct rtattr *));
	if (h->nlmsg_len < NLMSG_LENGTH(size))
		return NULL;
	for (struct rtattr *a = (void *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(size)); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) <= max)
			tb[a->rta_type & NLA_TYPE_MASK] = a;
	return NLMSG_DATA(h);
}

static uint32_t attr_u32(struct rtattr *a)
{
	uint32_t v = 0;

	if (a != NULL && RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

/* A string of the attribute's address; NULL: there is none. */
static char *attr_ip(struct rtattr *a, int family)
{
	char text[INET6_ADDRSTRLEN];

	if (a == NULL || RTA_PAYLOAD(a) != (family == AF_INET ? 4 : 16) ||
	    inet_ntop(family, RTA_DATA(a), text, sizeof(text)) == NULL)
		return NULL;
	return mem_strdup(text);
}

static char *attr_mac(struct rtattr *a)
{
	const unsigned char *m = a != NULL ? RTA_DATA(a) : NULL;
	char text[24];

	if (a == NULL || RTA_PAYLOAD(a) != 6)
		return NULL;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return mem_strdup(text);
}

/* Room for one more element of an array; NULL: there are max, or no memory. */
static void *grow(void *array, size_t *count, size_t size, size_t max)
{
	void *old;
	char *more;

	memcpy(&old, array, sizeof(old)); /* a pointer to whatever */
	if (*count >= max)
		return NULL;
	more = mem_realloc(old, *count + 1, size);
	if (more == NULL)
		return NULL;
	memcpy(array, &more, sizeof(more));
	memset(more + *count * size, 0, size);
	return more + (*count)++ * size;
}

/* ---- what there is -------------------------------------------------------------------------- */

static int on_link(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *i = parse(h, sizeof(*i), tb, IFLA_MAX);
	struct net_link_config *l;

	if (i == NULL || h->nlmsg_type != RTM_NEWLINK || tb[IFLA_IFNAME] == NULL)
		return 0;
	/* Tunnels that come with every namespace are of other types: nobody configures them. */
	if (!r->look && i->ifi_type != ARPHRD_ETHER && i->ifi_type != ARPHRD_LOOPBACK && i->ifi_type != ARPHRD_NONE)
		return 0;
	l = grow(&r->n->links, &r->n->link_count, sizeof(*l), r->look ? LOOK_MAX : LINKS_MAX);
	if (l == NULL)
		return r->look ? 0 : -E2BIG;
	l->fd = -1;
	l->name = mem_strdup(RTA_DATA(tb[IFLA_IFNAME]));
	l->ifindex = (uint32_t)i->ifi_index;
	l->flags = i->ifi_flags;
	l->mtu = attr_u32(tb[IFLA_MTU]);
	l->loopback = i->ifi_type == ARPHRD_LOOPBACK;
	if (i->ifi_type == ARPHRD_ETHER)
		l->mac = attr_mac(tb[IFLA_ADDRESS]);
	return l->name == NULL ? -ENOMEM : 0;
}

static struct net_link_config *find_link(struct network_config *n, uint32_t ifindex)
{
	for (size_t i = 0; i < n->link_count; i++)
		if (n->links[i].ifindex == ifindex)
			return &n->links[i];
	return NULL;
}

static int on_addr(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[IFA_MAX + 1];
	const struct ifaddrmsg *i = parse(h, sizeof(*i), tb, IFA_MAX);
	struct net_link_config *l = i != NULL ? find_link(r->n, i->ifa_index) : NULL;
	struct net_addr_config *a;
	struct rtattr *local;

	if (l == NULL || h->nlmsg_type != RTM_NEWADDR ||
	    (i->ifa_family != AF_INET && i->ifa_family != AF_INET6))
		return 0;
	local = tb[IFA_LOCAL] != NULL ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	a = grow(&l->addrs, &l->addr_count, sizeof(*a), ADDRS_MAX);
	if (a == NULL)
		return -E2BIG;
	a->addr = attr_ip(local, i->ifa_family);
	if (local != tb[IFA_ADDRESS])
		a->peer = attr_ip(tb[IFA_ADDRESS], i->ifa_family);
	a->broadcast = attr_ip(tb[IFA_BROADCAST], i->ifa_family);
	if (tb[IFA_LABEL] != NULL)
		a->label = mem_strdup(RTA_DATA(tb[IFA_LABEL]));
	a->plen = i->ifa_prefixlen;
	a->scope = i->ifa_scope;
	a->flags = tb[IFA_FLAGS] != NULL ? attr_u32(tb[IFA_FLAGS]) : i->ifa_flags;
	return a->addr == NULL ? -ENOMEM : 0;
}

/* Of several next hops, the first. */
static void route_hop(struct net_route_config *c, int family, struct rtattr **tb)
{
	const struct rtnexthop *hop = tb[RTA_MULTIPATH] != NULL ? RTA_DATA(tb[RTA_MULTIPATH]) : NULL;
	int left;

	if (hop == NULL || RTA_PAYLOAD(tb[RTA_MULTIPATH]) < sizeof(*hop))
		return;
	log_warn("network: a route with several next hops: the first is used");
	c->ifindex = (uint32_t)hop->rtnh_ifindex;
	c->flags = hop->rtnh_flags;
	left = (int)MIN((size_t)hop->rtnh_len, RTA_PAYLOAD(tb[RTA_MULTIPATH])) - (int)sizeof(*hop);
	for (struct rtattr *a = (void *)((uintptr_t)hop + RTNH_LENGTH(0)); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_GATEWAY && c->gateway == NULL)
			c->gateway = attr_ip(a, family);
}

static void route_metrics(struct net_route_config *c, struct rtattr *metrics)
{
	int left = metrics != NULL ? (int)RTA_PAYLOAD(metrics) : 0;

	for (struct rtattr *a = metrics ? RTA_DATA(metrics) : NULL; a != NULL && RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == RTAX_MTU)
			c->mtu = attr_u32(a);
}

static int on_route(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[RTA_MAX + 1];
	const struct rtmsg *m = parse(h, sizeof(*m), tb, RTA_MAX);
	struct net_route_config *c;
	uint32_t table;

	if (m == NULL || h->nlmsg_type != RTM_NEWROUTE || (m->rtm_flags & RTM_F_CLONED) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return 0;
	table = tb[RTA_TABLE] != NULL ? attr_u32(tb[RTA_TABLE]) : m->rtm_table;
	/* Those that belong to addresses come with these. */
	if (table == RT_TABLE_LOCAL || (m->rtm_protocol == RTPROT_KERNEL && tb[RTA_GATEWAY] == NULL))
		return 0;
	c = grow(&r->n->routes, &r->n->route_count, sizeof(*c), ROUTES_MAX);
	if (c == NULL)
		return -E2BIG;
	c->family = m->rtm_family;
	c->plen = m->rtm_dst_len;
	c->type = m->rtm_type;
	c->protocol = m->rtm_protocol;
	c->scope = m->rtm_scope;
	c->tos = m->rtm_tos;
	c->flags = m->rtm_flags & RTNH_F_ONLINK;
	c->table = table;
	c->metric = attr_u32(tb[RTA_PRIORITY]);
	c->ifindex = attr_u32(tb[RTA_OIF]);
	c->dst = attr_ip(tb[RTA_DST], m->rtm_family);
	c->gateway = attr_ip(tb[RTA_GATEWAY], m->rtm_family);
	c->prefsrc = attr_ip(tb[RTA_PREFSRC], m->rtm_family);
	route_metrics(c, tb[RTA_METRICS]);
	route_hop(c, m->rtm_family, tb);
	return 0;
}

static int on_neigh(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[NDA_MAX + 1];
	const struct ndmsg *m = parse(h, sizeof(*m), tb, NDA_MAX);
	const unsigned int known = NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
	struct net_link_config *l;
	struct net_neigh_config *c;

	if (m == NULL || h->nlmsg_type != RTM_NEWNEIGH || !(m->ndm_state & known) ||
	    (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return 0;
	l = find_link(r->n, (uint32_t)m->ndm_ifindex);
	if (l == NULL || l->loopback || tb[NDA_DST] == NULL || tb[NDA_LLADDR] == NULL ||
	    RTA_PAYLOAD(tb[NDA_LLADDR]) != 6)
		return 0;
	c = grow(&r->n->neighs, &r->n->neigh_count, sizeof(*c), NEIGHS_MAX);
	if (c == NULL)
		return 0; /* they are found again */
	c->ifindex = (uint32_t)m->ndm_ifindex;
	c->state = m->ndm_state;
	c->flags = m->ndm_flags;
	c->addr = attr_ip(tb[NDA_DST], m->ndm_family);
	c->mac = attr_mac(tb[NDA_LLADDR]);
	return c->addr == NULL || c->mac == NULL ? -ENOMEM : 0;
}

static bool read_bool(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '0';

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '0';
	if (fd >= 0)
		close(fd);
	return c == '1';
}

/*
 * On every interface: "all" alone says nothing, it only was a way to set them (Docker does, and then
 * clears those of a network with IPv6).  The files are those of the caller's network namespace.
 */
static bool ipv6_is_off(const struct network_config *n)
{
	char path[64];

	if (access("/proc/thread-self/net/if_inet6", F_OK) < 0)
		return true;
	for (size_t i = 0; i < n->link_count; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", n->links[i].name);
		if (!read_bool(path))
			return false;
	}
	return n->link_count > 0;
}

static int scrape(struct rtnl *r, struct err *e)
{
	static const struct {
		uint16_t type;
		int (*fn)(struct rtnl *r, struct nlmsghdr *h);
		const char *what;
	} dumps[] = {
		{ RTM_GETLINK, on_link, "interfaces" },
		{ RTM_GETADDR, on_addr, "addresses" },
		{ RTM_GETROUTE, on_route, "routes" },
		{ RTM_GETNEIGH, on_neigh, "neighbours" },
	};
	const struct rtmsg any = { .rtm_family = AF_UNSPEC }; /* as long as the longest of the four */
	struct request q;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		size_t size = dumps[i].type == RTM_GETLINK ? sizeof(struct ifinfomsg) : sizeof(any);
		char body[sizeof(struct ifinfomsg)] = { 0 };

		memcpy(body, &any, sizeof(any));
		request_init(&q, dumps[i].type, NLM_F_DUMP, body, size);
		err = rtnl_call(r, &q, dumps[i].fn);
		if (err < 0)
			return err_errno(e, err, "the container's network: its %s", dumps[i].what);
	}
	r->n->ipv6_disabled = ipv6_is_off(r->n);
	return 0;
}

/* ---- the filters ---------------------------------------------------------------------------- */

/*
 * What a program of the host in this namespace (Docker's DNS server) asks outside, it asks from ports
 * that the sandbox does not use.
 */
#define HOST_PORT_FIRST 61000

/*
 * Both filters look for one thing: an answer to such a program, IPv4, UDP or TCP, from port 53 to one of
 * those ports.  (ARP is for both: they have the same addresses.)
 */
#define FILTER(arp, answer, other)                                                     \
	{                                                                              \
		{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 12 },                                \
		{ BPF_JMP | BPF_JEQ | BPF_K, 11, 0, ETH_P_ARP },                       \
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 12, ETH_P_IP },                        \
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 23 },                                \
		{ BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IPPROTO_UDP },                      \
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 9, IPPROTO_TCP },                      \
		{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 20 },                                \
		{ BPF_JMP | BPF_JSET | BPF_K, 7, 0, 0x1fff },                          \
		{ BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14 },                               \
		{ BPF_LD | BPF_H | BPF_IND, 0, 0, 14 },                                \
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 53 },                               \
		{ BPF_LD | BPF_H | BPF_IND, 0, 0, 16 },                                \
		{ BPF_JMP | BPF_JGE | BPF_K, 1, 2, HOST_PORT_FIRST },                  \
		{ BPF_RET | BPF_K, 0, 0, (arp) },                                      \
		{ BPF_RET | BPF_K, 0, 0, (answer) },                                   \
		{ BPF_RET | BPF_K, 0, 0, (other) },                                    \
	}
static const struct sock_filter ingress_some[] = FILTER(TC_ACT_OK, TC_ACT_OK, TC_ACT_SHOT);
static const struct sock_filter packets_some[] = FILTER(~0u, 0, ~0u);
static const struct sock_filter ingress_none[] = { { BPF_RET | BPF_K, 0, 0, TC_ACT_SHOT } };

/* ---- taking it over ------------------------------------------------------------------------- */

static void set_buffer(int fd, int force, int plain)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static int open_packet_socket(const struct rtnl *r, struct net_link_config *l, struct err *e)
{
	struct sock_fprog some = { ARRAY_SIZE(packets_some), (struct sock_filter *)(uintptr_t)packets_some };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)l->ifindex };
	int one = 1, fd;

	/* Protocol 0: nothing arrives before the bind, which gives interface and protocol together. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, "the container's network: interface %s: packet socket", l->name);
	l->vnet = setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0;
	if (r->n->has_resolver && l->mac != NULL)
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &some, sizeof(some));
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err_errno(e, errno, "the container's network: interface %s: packet socket", l->name);
		close(fd);
		return e->error;
	}
	l->fd = fd;
	l->has_fd = true;
	return 0;
}

/*
 * Drop what arrives, where the host's own stack would be next.  Classic BPF in direct action mode: it
 * needs no privilege beyond CAP_NET_ADMIN over the namespace.
 */
static int filter_ingress(struct rtnl *r, uint32_t ifindex)
{
	const struct sock_filter *f = r->n->has_resolver ? ingress_some : ingress_none;
	uint16_t count = r->n->has_resolver ? ARRAY_SIZE(ingress_some) : ARRAY_SIZE(ingress_none);
	uint32_t direct = TCA_BPF_FLAG_ACT_DIRECT;
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex,
			   .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0), .tcm_parent = TC_H_CLSACT };
	struct request q;
	struct rtattr *options;
	int err;

	request_init(&q, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	request_add(&q, TCA_KIND, "clsact", sizeof("clsact"));
	err = rtnl_call(r, &q, NULL);
	if (err < 0 && err != -EEXIST)
		return err;
	t.tcm_handle = 1;
	t.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	t.tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
	request_init(&q, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE, &t, sizeof(t));
	request_add(&q, TCA_KIND, "bpf", sizeof("bpf"));
	options = request_add(&q, TCA_OPTIONS, NULL, 0);
	request_add(&q, TCA_BPF_OPS_LEN, &count, sizeof(count));
	request_add(&q, TCA_BPF_OPS, f, count * sizeof(*f));
	request_add(&q, TCA_BPF_FLAGS, &direct, sizeof(direct));
	request_close(&q, options);
	return rtnl_call(r, &q, NULL);
}

static int on_filter(struct rtnl *r, struct nlmsghdr *h)
{
	r->filters += h->nlmsg_type == RTM_NEWTFILTER;
	return 0;
}

/* The filter of filter_ingress() out again; its qdisc too, when nobody else has filters there. */
static void unfilter_ingress(struct rtnl *r, uint32_t ifindex)
{
	const uint32_t ways[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_handle = 1,
			   .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
			   .tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL)) };
	struct request q;
	int err;

	request_init(&q, RTM_DELTFILTER, NLM_F_ACK, &t, sizeof(t));
	request_add(&q, TCA_KIND, "bpf", sizeof("bpf"));
	err = rtnl_call(r, &q, NULL);
	if (err < 0) {
		if (err != -ENOENT && err != -EINVAL && err != -ENODEV)
			log_warn("network: interface %u: its filter stays: %s", ifindex, err_reason(err));
		return;
	}
	r->filters = 0;
	t.tcm_handle = t.tcm_info = 0;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		t.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ways[i]);
		request_init(&q, RTM_GETTFILTER, NLM_F_DUMP, &t, sizeof(t));
		if (rtnl_call(r, &q, on_filter) < 0)
			return;
	}
	if (r->filters > 0)
		return;
	t.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	t.tcm_parent = TC_H_CLSACT;
	request_init(&q, RTM_DELQDISC, NLM_F_ACK, &t, sizeof(t));
	(void)rtnl_call(r, &q, NULL);
}

static int remove_addr(struct rtnl *r, const struct net_link_config *l, const struct net_addr_config *a)
{
	int family = strchr(a->addr, ':') != NULL ? AF_INET6 : AF_INET;
	struct ifaddrmsg i = { .ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)a->plen,
			       .ifa_index = l->ifindex };
	struct in6_addr bytes;
	struct request q;

	if (inet_pton(family, a->addr, &bytes) != 1)
		return -EINVAL;
	request_init(&q, RTM_DELADDR, NLM_F_ACK, &i, sizeof(i));
	request_add(&q, IFA_LOCAL, &bytes, family == AF_INET ? 4 : 16);
	return rtnl_call(r, &q, NULL);
}

/* The host's kernel shall not answer for the sandbox. */
static int silence_host(struct rtnl *r, const struct net_link_config *l, struct err *e)
{
	int err = filter_ingress(r, l->ifindex);

	if (err == 0)
		return 0;
	log_info("network: %s: no filter at its ingress (%s): its addresses are taken off", l->name,
		 err_reason(err));
	for (size_t i = 0; i < l->addr_count; i++) {
		err = remove_addr(r, l, &l->addrs[i]);
		if (err < 0 && err != -EADDRNOTAVAIL)
			return err_errno(e, err, "the container's network: interface %s: address %s",
					 l->name, l->addrs[i].addr);
	}
	return 0;
}

static int take_over(struct rtnl *r, struct err *e)
{
	for (size_t i = 0; i < r->n->link_count; i++) {
		struct net_link_config *l = &r->n->links[i];

		if (!l->loopback && (open_packet_socket(r, l, e) < 0 || silence_host(r, l, e) < 0))
			return e->error;
	}
	return 0;
}

/* ---- Docker's DNS server -------------------------------------------------------------------- */

/* Whether somebody has a UDP socket at 127.0.0.11: each socket's line begins "  sl: address:port". */
static bool resolver_listens(void)
{
	FILE *f = fopen("/proc/thread-self/net/udp", "re");
	char line[512], address[16];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, " %*[^:]: %8[0-9A-F]:", address) == 1 &&
			strtoul(address, NULL, 16) == htonl(RESOLVER_ADDRESS);
	if (f != NULL)
		fclose(f);
	return found;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		log_warn("network: %s: %s", path, err_reason(errno));
	if (fd >= 0)
		close(fd);
}

/* Connected to port 53: the daemon's rules in this namespace lead to where it really listens. */
static void open_resolver(struct network_config *n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53),
				 .sin_addr.s_addr = htonl(RESOLVER_ADDRESS) };
	char range[32];

	if (!resolver_listens())
		return;
	/* From now on, for sockets of the host in this namespace. */
	snprintf(range, sizeof(range), "%d 65535", HOST_PORT_FIRST);
	write_text("/proc/sys/net/ipv4/ip_local_port_range", range);
	n->resolver_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->resolver_fd < 0)
		return;
	n->has_resolver = connect(n->resolver_fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	if (!n->has_resolver)
		host_close_fd(&n->resolver_fd);
}

/* ---- one sandbox a namespace ---------------------------------------------------------------- */

/* Abstract names belong to the network namespace.  The socket, or -EADDRINUSE: a sandbox answers here. */
static int open_guard(void)
{
	const struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0runsc-c/network" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(sa_family_t) + sizeof("runsc-c/network")) == 0)
		return fd < 0 ? -errno : fd;
	err = -errno;
	close(fd);
	return err;
}

/* ---- entering the namespace ----------------------------------------------------------------- */

static int collect(struct network_config *n, struct err *e)
{
	struct rtnl r = { .n = n, .buffer = mem_alloc(DUMP_SIZE) };

	n->guard_fd = open_guard();
	if (n->guard_fd == -EADDRINUSE)
		err_set(e, EBUSY, "the container's network: another sandbox answers in this network namespace "
			"already; containers that share one must be of one pod (docs/kubernetes.md)");
	n->has_guard = n->guard_fd >= 0;
	r.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (err_is(e))
		;
	else if (r.fd < 0 || r.buffer == NULL)
		err_errno(e, errno, "the container's network: netlink");
	else if (scrape(&r, e) == 0) {
		open_resolver(n);
		take_over(&r, e);
	}
	if (r.fd >= 0)
		close(r.fd);
	mem_free(r.buffer);
	return e->error;
}

/* Remember what is to be undone, before it is done. */
static int record_namespace(struct state *s, int fd, struct err *e)
{
	struct stat st;

	if (s->net_path == NULL || fstat(fd, &st) < 0)
		return 0; /* it ends with the container, or is not ours to find again */
	s->net_inode = st.st_ino;
	return state_save(s, e);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) < 0 || fstat(b, &y) < 0 || (x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Is config.json's network namespace the one that we are in?  It is, too, when there is none in it. */
static bool is_ours(const struct oci_namespace *ns)
{
	struct stat own, theirs;

	if (!ns->present)
		return true;
	return ns->path != NULL && stat("/proc/self/ns/net", &own) == 0 && stat(ns->path, &theirs) == 0 &&
	       own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

int network_choose(const struct globals *g, const struct oci_spec *spec, bool *host, struct err *e)
{
	const struct oci_namespace *ns = &spec->namespaces[OCI_NS_NETWORK];

	*host = g->network == NETWORK_HOST || (!g->network_given && is_ours(ns));
	if (g->network != NETWORK_SANDBOX || *host || ns->path == NULL || !is_ours(ns))
		return 0;
	return err_set(e, ENOTSUP, "config.json: linux.namespaces: network namespace \"%s\" is the host's, and with "
		       "--network=sandbox containers don't get the host's sockets", ns->path);
}

struct visit {
	int ns;                      /* the container's network namespace */
	int user_ns;                 /* that it belongs to */
	bool foreign;                /* we have no rights in it where we are */
	void (*fn)(struct visit *v); /* called there */
	struct network_config *n;
	struct err *e;
};

static void visit_collect(struct visit *v)
{
	collect(v->n, v->e);
}

/* Only look. */
static void visit_look(struct visit *v)
{
	struct rtnl r = { .n = v->n, .buffer = mem_alloc(DUMP_SIZE), .look = true };

	r.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (r.fd < 0 || r.buffer == NULL)
		err_errno(v->e, errno, "the host's network: netlink");
	else
		scrape(&r, v->e);
	if (r.fd >= 0)
		close(r.fd);
	mem_free(r.buffer);
}

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	if (setns(v->ns, CLONE_NEWNET) == 0)
		v->fn(v);
	else if (errno == EPERM) /* an ordinary user's: by way of the user namespace that it belongs to */
		v->foreign = true;
	else
		err_errno(v->e, errno, "the container's network namespace");
	return NULL;
}

/* A process that shares everything with us but namespaces and credentials; we stand still meanwhile. */
static int visit_as_owner(void *arg)
{
	struct visit *v = arg;

	if (setns(v->user_ns, CLONE_NEWUSER) < 0 || setns(v->ns, CLONE_NEWNET) < 0)
		log_warn("network: the container's network namespace can't be entered: %s: it gets loopback only",
			 strerror(errno));
	else
		v->fn(v);
	return 0;
}

/* A thread can't change its user namespace; a process with our memory and descriptors can. */
static int visit_foreign(struct visit *v)
{
	char *stack = mem_alloc(VISIT_STACK);
	pid_t pid = -1;
	int status;

	v->user_ns = ioctl(v->ns, NS_GET_USERNS);
	if (stack == NULL)
		err_set(v->e, ENOMEM, "out of memory");
	else if (v->user_ns >= 0)
		pid = clone(visit_as_owner, stack + VISIT_STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, v);
	if (stack != NULL && pid < 0)
		log_warn("network: the owner of the container's network namespace is out of reach: it gets loopback only");
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	host_close_fd(&v->user_ns);
	mem_free(stack);
	return v->e->error;
}

static int visit(struct visit *v)
{
	pthread_t t;
	int err = pthread_create(&t, NULL, visit_main, v);

	if (err != 0)
		return err_errno(v->e, err, "the container's network: a thread");
	pthread_join(t, NULL);
	return v->foreign && !err_is(v->e) ? visit_foreign(v) : v->e->error;
}

static int network_collect(const struct globals *g, struct state *s, struct network_config **out,
			   struct err *e)
{
	struct network_config *n = NULL;
	char path[64];
	int own, theirs;

	*out = NULL;
	if (!s->host_network && g->network != NETWORK_SANDBOX)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", s->monitor.pid);
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0) {
		err_errno(e, errno, "the container's network namespace");
	} else if (same_file(own, theirs) && !s->host_network) {
		log_warn("network: the container shares the network namespace of its creator: it gets "
			 "loopback only");
	} else if (!s->host_network && record_namespace(s, theirs, e) < 0) {
		;
	} else {
		struct visit v = { .ns = theirs, .fn = s->host_network ? visit_look : visit_collect, .e = e };

		v.n = n = mem_new(struct network_config);
		if (n == NULL)
			err_set(e, ENOMEM, "out of memory");
		else if (same_file(own, theirs))
			v.fn(&v);
		else
			visit(&v);
	}
	host_close_fd(&own);
	host_close_fd(&theirs);
	if (err_is(e)) {
		network_config_free(n);
		n = NULL;
	}
	*out = n;
	return e->error;
}

/* In the namespace.  A guard that is free says that nobody answers here any more. */
static void visit_release(struct visit *v)
{
	struct network_config n = { .guard_fd = open_guard(), .resolver_fd = -1 };
	struct rtnl r = { .n = &n, .buffer = mem_alloc(DUMP_SIZE) };
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct request q;

	(void)v;
	r.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	request_init(&q, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	if (n.guard_fd >= 0 && r.fd >= 0 && r.buffer != NULL && rtnl_call(&r, &q, on_link) == 0)
		for (size_t i = 0; i < n.link_count; i++)
			if (!n.links[i].loopback)
				unfilter_ingress(&r, n.links[i].ifindex);
	for (size_t i = 0; i < n.link_count; i++) {
		mem_free(n.links[i].name);
		mem_free(n.links[i].mac);
	}
	mem_free(n.links);
	if (r.fd >= 0)
		close(r.fd);
	if (n.guard_fd >= 0)
		close(n.guard_fd);
	mem_free(r.buffer);
}

void network_release(const struct state *s)
{
	int own, theirs;
	struct err e = ERR_INIT;
	struct stat st;

	if (s->net_path == NULL || s->net_inode == 0 || s->shares_net)
		return;
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	theirs = open(s->net_path, O_RDONLY | O_CLOEXEC);
	/* Gone, or another one by now, as a path of /proc may be. */
	if (own >= 0 && theirs >= 0 && fstat(theirs, &st) == 0 && st.st_ino == s->net_inode &&
	    !same_file(own, theirs) && visit(&(struct visit){ .ns = theirs, .fn = visit_release, .e = &e }) < 0)
		log_warn("network: %s", e.text);
	host_close_fd(&own);
	host_close_fd(&theirs);
}

int network_start(const struct globals *g, struct state *s, int control, struct err *e)
{
	struct network_config *n = NULL;
	int fds[LINKS_MAX + 2]; /* host_network: none */
	size_t count = 0;

	/* In a pod the links are those of the container that the namespace was made for. */
	if (!s->shares_net && network_collect(g, s, &n, e) < 0)
		return e->error;
	for (size_t i = 0; n != NULL && i < n->link_count; i++)
		if (n->links[i].has_fd)
			fds[count++] = n->links[i].fd;
	if (n != NULL && n->has_resolver)
		fds[count++] = n->resolver_fd;
	if (n != NULL && n->has_guard)
		fds[count++] = n->guard_fd;
	control_call(control, control_encode_start(s->id, n), fds, count, CONTROL_TIMEOUT_MS, NULL, e);
	network_config_free(n);
	return e->error;
}
