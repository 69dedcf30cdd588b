/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl.c: see rtnl.h.
 *
 * The monitor calls this behind its filter (platform/host_monitor.tbl): what needs a path is opened by rtnl_open(),
 * and a further host call needs a row there.
 */
#include "runsc-c/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "runsc-c/rtnl_impl.h"

#define LOOK_MAX      1024 /* interfaces of the host that are shown */
#define ADDRS_MAX     256 /* of one interface */
#define ROUTES_MAX    4096
#define HOPS_MAX      256 /* of a route: what is beyond is left out */
#define NEIGHS_MAX    1024
#define SOCKET_BUFFER (8 << 20) /* a few dozen segments of 64 KB, as the host counts them */

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* ---- netlink -------------------------------------------------------------------------------- */

void rtnl_request_init(struct rtnl_request *q, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	memset(q, 0, sizeof(*q));
	q->h.nlmsg_type = type;
	q->h.nlmsg_flags = flags | NLM_F_REQUEST;
	memcpy(q->body, body, size);
	q->h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(0) + NLMSG_ALIGN(size));
}

struct rtattr *rtnl_request_add(struct rtnl_request *q, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((char *)q + q->h.nlmsg_len);

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size > 0)
		memcpy(RTA_DATA(a), data, size);
	q->h.nlmsg_len += (uint32_t)RTA_SPACE(size);
	return a;
}

void rtnl_request_close(struct rtnl_request *q, struct rtattr *open)
{
	open->rta_len = (uint16_t)((char *)q + q->h.nlmsg_len - (char *)open);
}

int rtnl_call(struct rtnl *r, struct rtnl_request *q, int (*fn)(struct rtnl *r, struct nlmsghdr *h))
{
	int result = 0;

	q->h.nlmsg_seq = ++r->seq;
	if (send(r->fd, q, q->h.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(r->fd, r->buffer, RTNL_BUFFER, 0);
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

const void *rtnl_parse(struct nlmsghdr *h, size_t size, struct rtattr **tb, unsigned int max)
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

uint32_t rtnl_u32(struct rtattr *a)
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

/*
 * What of an array of an interface's settings (IFLA_INET_CONF, IFLA_INET6_CONF) is not as in our stack.  Whether the
 * stack can have it so is its business.
 */
static int take_conf(struct net_link_config *l, enum nic_conf_group group, struct rtattr *a)
{
	size_t count = a != NULL ? RTA_PAYLOAD(a) / sizeof(uint32_t) : 0;

	for (unsigned int i = 0; i < count; i++) {
		int key = nic_conf_find_abi(group, i);
		uint32_t value, *at;

		memcpy(&value, (char *)RTA_DATA(a) + i * sizeof(value), sizeof(value));
		if (key < 0 || (int)value == nic_conf_entries[key].def)
			continue;
		at = grow(&l->conf, &l->conf_count, sizeof(*at), 2 * NIC_CONF_COUNT);
		if (at == NULL)
			return -ENOMEM;
		*at = (uint32_t)key;
		at = grow(&l->conf, &l->conf_count, sizeof(*at), 2 * NIC_CONF_COUNT);
		if (at == NULL)
			return -ENOMEM;
		*at = value;
	}
	return 0;
}

static struct rtattr *nested(struct rtattr *a, unsigned int type)
{
	int left = a != NULL ? (int)RTA_PAYLOAD(a) : 0;

	for (struct rtattr *i = a != NULL ? RTA_DATA(a) : NULL; i != NULL && RTA_OK(i, left); i = RTA_NEXT(i, left))
		if ((i->rta_type & NLA_TYPE_MASK) == type)
			return i;
	return NULL;
}

static int take_confs(struct net_link_config *l, struct rtattr *af_spec)
{
	int err = take_conf(l, NIC_CONF_IP4, nested(nested(af_spec, AF_INET), IFLA_INET_CONF));

	return err < 0 ? err : take_conf(l, NIC_CONF_IP6, nested(nested(af_spec, AF_INET6), IFLA_INET6_CONF));
}

/* ---- what there is -------------------------------------------------------------------------- */

static int on_link(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *i = rtnl_parse(h, sizeof(*i), tb, IFLA_MAX);
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
	l->mtu = rtnl_u32(tb[IFLA_MTU]);
	l->loopback = i->ifi_type == ARPHRD_LOOPBACK;
	if (i->ifi_type == ARPHRD_ETHER)
		l->mac = attr_mac(tb[IFLA_ADDRESS]);
	if (!r->look && !l->loopback && take_confs(l, tb[IFLA_AF_SPEC]) < 0)
		return -ENOMEM;
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
	const struct ifaddrmsg *i = rtnl_parse(h, sizeof(*i), tb, IFA_MAX);
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
	a->flags = tb[IFA_FLAGS] != NULL ? rtnl_u32(tb[IFA_FLAGS]) : i->ifa_flags;
	return a->addr == NULL ? -ENOMEM : 0;
}

/* One of several next hops, at h of left bytes. */
static int route_hop(struct net_route_config *c, struct rtnexthop *h, size_t left)
{
	struct net_hop_config *hop = grow(&c->hops, &c->hop_count, sizeof(*hop), HOPS_MAX);
	int size = (int)MIN((size_t)h->rtnh_len, left) - (int)sizeof(*h);

	if (hop == NULL)
		return c->hop_count < HOPS_MAX ? -ENOMEM : 0;
	hop->ifindex = (uint32_t)h->rtnh_ifindex;
	hop->flags = h->rtnh_flags & RTNH_F_ONLINK; /* whether it is dead is seen inside */
	hop->weight = h->rtnh_hops + 1u;
	for (struct rtattr *a = (void *)((uintptr_t)h + RTNH_LENGTH(0)); RTA_OK(a, size); a = RTA_NEXT(a, size))
		if (a->rta_type == RTA_GATEWAY && hop->gateway == NULL)
			hop->gateway = attr_ip(a, (int)c->family);
	return 0;
}

static int route_hops(struct net_route_config *c, struct rtattr *multipath)
{
	size_t left = multipath != NULL ? RTA_PAYLOAD(multipath) : 0;
	int err = 0;

	for (struct rtnexthop *h = multipath ? RTA_DATA(multipath) : NULL;
	     err == 0 && left >= sizeof(*h) && h->rtnh_len >= sizeof(*h); h = RTNH_NEXT(h)) {
		err = route_hop(c, h, left);
		left -= MIN((size_t)RTNH_ALIGN(h->rtnh_len), left);
	}
	return err;
}

static void route_metrics(struct net_route_config *c, struct rtattr *metrics)
{
	int left = metrics != NULL ? (int)RTA_PAYLOAD(metrics) : 0;

	for (struct rtattr *a = metrics ? RTA_DATA(metrics) : NULL; a != NULL && RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == RTAX_MTU)
			c->mtu = rtnl_u32(a);
}

static int on_route(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[RTA_MAX + 1];
	const struct rtmsg *m = rtnl_parse(h, sizeof(*m), tb, RTA_MAX);
	struct net_route_config *c;
	uint32_t table;

	if (m == NULL || h->nlmsg_type != RTM_NEWROUTE || (m->rtm_flags & RTM_F_CLONED) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return 0;
	table = tb[RTA_TABLE] != NULL ? rtnl_u32(tb[RTA_TABLE]) : m->rtm_table;
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
	c->metric = rtnl_u32(tb[RTA_PRIORITY]);
	c->ifindex = rtnl_u32(tb[RTA_OIF]);
	c->dst = attr_ip(tb[RTA_DST], m->rtm_family);
	c->gateway = attr_ip(tb[RTA_GATEWAY], m->rtm_family);
	c->prefsrc = attr_ip(tb[RTA_PREFSRC], m->rtm_family);
	route_metrics(c, tb[RTA_METRICS]);
	return route_hops(c, tb[RTA_MULTIPATH]);
}

static int on_neigh(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[NDA_MAX + 1];
	const struct ndmsg *m = rtnl_parse(h, sizeof(*m), tb, NDA_MAX);
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

int rtnl_scrape(struct rtnl *r, struct err *e)
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
	struct rtnl_request q;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		size_t size = dumps[i].type == RTM_GETLINK ? sizeof(struct ifinfomsg) : sizeof(any);
		char body[sizeof(struct ifinfomsg)] = { 0 };

		memcpy(body, &any, sizeof(any));
		rtnl_request_init(&q, dumps[i].type, NLM_F_DUMP, body, size);
		err = rtnl_call(r, &q, dumps[i].fn);
		if (err < 0)
			return err_errno(e, err, "the container's network: its %s", dumps[i].what);
	}
	return 0;
}

int rtnl_links(struct rtnl *r)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct rtnl_request q;

	rtnl_request_init(&q, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	return rtnl_call(r, &q, on_link);
}

/* ---- the filters ---------------------------------------------------------------------------- */

/*
 * What arrives is the sandbox's, but for ARP replies, which are for both (they have the same addresses; requests are the
 * Sentry's alone, or both would answer), and answers to a program of the host in this namespace (Docker's DNS server):
 * IPv4, UDP or TCP, from port 53 to SENTRY_HOST_PORT and above.  Those the Sentry drops (sentry/socket/link.c).
 */
static const struct sock_filter ingress_some[] = {
	{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 12 },
	{ BPF_JMP | BPF_JEQ | BPF_K, 11, 0, ETH_P_ARP },
	{ BPF_JMP | BPF_JEQ | BPF_K, 0, 13, ETH_P_IP },
	{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 23 },
	{ BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IPPROTO_UDP },
	{ BPF_JMP | BPF_JEQ | BPF_K, 0, 10, IPPROTO_TCP },
	{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 20 },
	{ BPF_JMP | BPF_JSET | BPF_K, 8, 0, 0x1fff },
	{ BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14 },
	{ BPF_LD | BPF_H | BPF_IND, 0, 0, 14 },
	{ BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 53 },
	{ BPF_LD | BPF_H | BPF_IND, 0, 0, 16 },
	{ BPF_JMP | BPF_JGE | BPF_K, 2, 3, SENTRY_HOST_PORT },
	{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 20 },
	{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ARPOP_REPLY },
	{ BPF_RET | BPF_K, 0, 0, TC_ACT_OK },
	{ BPF_RET | BPF_K, 0, 0, TC_ACT_SHOT },
};
static const struct sock_filter ingress_none[] = { { BPF_RET | BPF_K, 0, 0, TC_ACT_SHOT } };

/* ---- taking it over ------------------------------------------------------------------------- */

static void set_buffer(int fd, int force, int plain)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static int open_packet_socket(struct net_link_config *l, struct err *e)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)l->ifindex };
	int one = 1, fd;

	/* Protocol 0: nothing arrives before the bind, which gives interface and protocol together. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, "the container's network: interface %s: packet socket", l->name);
	l->vnet = setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 || /* tags of VLANs */
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
	const struct sock_filter *f = r->resolver ? ingress_some : ingress_none;
	uint16_t count = r->resolver ? ARRAY_SIZE(ingress_some) : ARRAY_SIZE(ingress_none);
	uint32_t direct = TCA_BPF_FLAG_ACT_DIRECT;
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex,
			   .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0), .tcm_parent = TC_H_CLSACT };
	struct rtnl_request q;
	struct rtattr *options;
	int err;

	rtnl_request_init(&q, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	rtnl_request_add(&q, TCA_KIND, "clsact", sizeof("clsact"));
	err = rtnl_call(r, &q, NULL);
	if (err < 0 && err != -EEXIST)
		return err;
	t.tcm_handle = 1;
	t.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	t.tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
	rtnl_request_init(&q, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE, &t, sizeof(t));
	rtnl_request_add(&q, TCA_KIND, "bpf", sizeof("bpf"));
	options = rtnl_request_add(&q, TCA_OPTIONS, NULL, 0);
	rtnl_request_add(&q, TCA_BPF_OPS_LEN, &count, sizeof(count));
	rtnl_request_add(&q, TCA_BPF_OPS, f, count * sizeof(*f));
	rtnl_request_add(&q, TCA_BPF_FLAGS, &direct, sizeof(direct));
	rtnl_request_close(&q, options);
	return rtnl_call(r, &q, NULL);
}

static int on_filter(struct rtnl *r, struct nlmsghdr *h)
{
	r->filters += h->nlmsg_type == RTM_NEWTFILTER;
	return 0;
}

void rtnl_unfilter(struct rtnl *r, uint32_t ifindex)
{
	const uint32_t ways[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_handle = 1,
			   .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
			   .tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL)) };
	struct rtnl_request q;
	int err;

	rtnl_request_init(&q, RTM_DELTFILTER, NLM_F_ACK, &t, sizeof(t));
	rtnl_request_add(&q, TCA_KIND, "bpf", sizeof("bpf"));
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
		rtnl_request_init(&q, RTM_GETTFILTER, NLM_F_DUMP, &t, sizeof(t));
		if (rtnl_call(r, &q, on_filter) < 0)
			return;
	}
	if (r->filters > 0)
		return;
	t.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	t.tcm_parent = TC_H_CLSACT;
	rtnl_request_init(&q, RTM_DELQDISC, NLM_F_ACK, &t, sizeof(t));
	(void)rtnl_call(r, &q, NULL);
}

static int remove_addr(struct rtnl *r, const struct net_link_config *l, const struct net_addr_config *a)
{
	int family = strchr(a->addr, ':') != NULL ? AF_INET6 : AF_INET;
	struct ifaddrmsg i = { .ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)a->plen,
			       .ifa_index = l->ifindex };
	struct in6_addr bytes;
	struct rtnl_request q;

	if (inet_pton(family, a->addr, &bytes) != 1)
		return -EINVAL;
	rtnl_request_init(&q, RTM_DELADDR, NLM_F_ACK, &i, sizeof(i));
	rtnl_request_add(&q, IFA_LOCAL, &bytes, family == AF_INET ? 4 : 16);
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
	r->n->addrs_taken = true;
	for (size_t i = 0; i < l->addr_count; i++) {
		err = remove_addr(r, l, &l->addrs[i]);
		if (err < 0 && err != -EADDRNOTAVAIL)
			return err_errno(e, err, "the container's network: interface %s: address %s",
					 l->name, l->addrs[i].addr);
	}
	return 0;
}

int rtnl_take_link(struct rtnl *r, struct net_link_config *l, struct err *e)
{
	return open_packet_socket(l, e) < 0 ? e->error : silence_host(r, l, e);
}

int rtnl_filter_again(struct rtnl *r, uint32_t ifindex)
{
	return filter_ingress(r, ifindex);
}

/* ---- Docker's DNS server -------------------------------------------------------------------- */

/* Whether somebody has a UDP socket at 127.0.0.11: each socket's line begins "  sl: address:port". */
static bool resolver_listens(struct rtnl *r)
{
	char needle[24];
	size_t got = 0;
	ssize_t n = 1;

	snprintf(needle, sizeof(needle), ": %08X:", htonl(RESOLVER_ADDRESS));
	/* What goes beyond the buffer is not looked at: it is some 500 sockets. */
	while (r->udp >= 0 && n > 0 && got < RTNL_BUFFER - 1) {
		n = pread(r->udp, r->buffer + got, RTNL_BUFFER - 1 - got, (off_t)got);
		got += n > 0 ? (size_t)n : 0;
	}
	r->buffer[got] = '\0';
	return strstr(r->buffer, needle) != NULL;
}

void rtnl_open_resolver(struct rtnl *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53),
				 .sin_addr.s_addr = htonl(RESOLVER_ADDRESS) };
	char range[32];
	int fd;

	r->n->resolver_fd = -1;
	if (!resolver_listens(r))
		return;
	/* From now on, for sockets of the host in this namespace. */
	snprintf(range, sizeof(range), "%d 65535", SENTRY_HOST_PORT);
	if (r->range < 0 || pwrite(r->range, range, strlen(range), 0) < 0)
		log_warn("network: ip_local_port_range: %s", err_reason(r->range < 0 ? EBADF : errno));
	/* Connected to port 53: the daemon's rules in this namespace lead to where it really listens. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		host_close_fd(&fd);
	r->n->resolver_fd = fd;
	r->n->has_resolver = r->resolver = fd >= 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

int rtnl_open(struct rtnl *r, struct err *e)
{
	r->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (r->fd < 0)
		return err_errno(e, errno, "the container's network: netlink");
	r->udp = open("/proc/thread-self/net/udp", O_RDONLY | O_CLOEXEC);
	r->range = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	host_close_fd(&r->fd);
	host_close_fd(&r->udp);
	host_close_fd(&r->range);
}
