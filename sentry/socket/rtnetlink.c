/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink.c: rtnetlink(7): what is shown of a network namespace: interfaces, addresses, routes,
 * neighbours, rules; and the messages to its groups when something changes.  Changes that programs
 * ask for are in rtnetlink_set.c.
 *
 * Locks: none: the stack's *_for_each() call back without theirs.
 *
 * Linux: net/core/rtnetlink.c, net/ipv4/{devinet,fib_frontend,fib_rules}.c, net/ipv6/{addrconf,route}.c,
 * net/core/neighbour.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/in_route.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

#include "lib/clock.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"
#include "vfs/cred.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

#define LO_INDEX 1
#define HZ_USER  100

/* Not in every <linux/if_link.h>. */
#define IFLA_ALLMULTI_            61
#define IFLA_MACVLAN_BC_QUEUE_LEN_ 7 /* and, next, the length in use */

static int family_of(struct ipa a)
{
	return ipa_is4(a) ? AF_INET : AF_INET6;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void put_stats(struct nl_reply *r, const struct nic_stats *s)
{
	struct rtnl_link_stats64 wide = {
		.rx_packets = s->rx_packets, .tx_packets = s->tx_packets, .rx_bytes = s->rx_bytes,
		.tx_bytes = s->tx_bytes, .rx_errors = s->rx_errors, .tx_errors = s->tx_errors,
		.rx_dropped = s->rx_dropped, .tx_dropped = s->tx_dropped, .multicast = s->multicast,
	};
	struct rtnl_link_stats narrow = {
		.rx_packets = (uint32_t)s->rx_packets, .tx_packets = (uint32_t)s->tx_packets,
		.rx_bytes = (uint32_t)s->rx_bytes, .tx_bytes = (uint32_t)s->tx_bytes,
		.rx_errors = (uint32_t)s->rx_errors, .tx_errors = (uint32_t)s->tx_errors,
		.rx_dropped = (uint32_t)s->rx_dropped, .tx_dropped = (uint32_t)s->tx_dropped,
		.multicast = (uint32_t)s->multicast,
	};

	nl_attr(r, IFLA_STATS64, &wide, sizeof(wide));
	nl_attr(r, IFLA_STATS, &narrow, sizeof(narrow));
}

/* IFLA_INFO_DATA of what stands on another. */
static void put_upper(struct nl_reply *r, const struct upper_config *u)
{
	const struct ifla_vlan_flags flags = { .flags = 1 /* VLAN_FLAG_REORDER_HDR */, .mask = UINT32_MAX };
	const uint8_t proto[2] = { (uint8_t)(u->vlan_proto >> 8), (uint8_t)u->vlan_proto };
	const uint16_t none = 0;
	size_t nest;

	if (!u->type)
		return;
	nest = nl_nest(r, IFLA_INFO_DATA);
	if (u->type == UPPER_VLAN) {
		nl_attr(r, IFLA_VLAN_PROTOCOL, proto, sizeof(proto));
		nl_attr(r, IFLA_VLAN_ID, &u->vlan_id, sizeof(u->vlan_id));
		nl_attr(r, IFLA_VLAN_FLAGS, &flags, sizeof(flags));
	} else {
		nl_attr_u32(r, IFLA_MACVLAN_MODE, u->macvlan_mode);
		nl_attr(r, IFLA_MACVLAN_FLAGS, &none, sizeof(none));
		nl_attr_u32(r, IFLA_MACVLAN_BC_QUEUE_LEN_, 1000);
		nl_attr_u32(r, IFLA_MACVLAN_BC_QUEUE_LEN_ + 1, 1000);
	}
	nl_nest_end(r, nest);
}

void rtnetlink_put_link(struct nl_reply *r, uint16_t type, struct stack *s, const struct nic_info *i)
{
	struct ifinfomsg m = {
		.ifi_family = AF_UNSPEC,
		.ifi_type = i->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
			    i->type == LINK_ETHERNET ? ARPHRD_ETHER : ARPHRD_NONE,
		.ifi_index = (int)i->ifindex,
		.ifi_flags = i->flags,
	};
	bool up = i->flags & IFF_UP, carrier = i->flags & IFF_RUNNING;

	nl_begin(r, type, 0, &m, sizeof(m));
	nl_attr_str(r, IFLA_IFNAME, i->name);
	nl_attr_u32(r, IFLA_TXQLEN, i->txqlen);
	nl_attr_u8(r, IFLA_OPERSTATE, i->type == LINK_LOOPBACK ? 0 : !up ? 2 : carrier ? 6 : 3); /* unknown, down, up, the lower layer is down */
	nl_attr_u8(r, IFLA_LINKMODE, 0);
	nl_attr_u32(r, IFLA_MTU, i->mtu);
	nl_attr_u32(r, IFLA_MIN_MTU, i->type == LINK_LOOPBACK ? 0 : 68);
	nl_attr_u32(r, IFLA_MAX_MTU, i->type == LINK_LOOPBACK ? 0 : 65535);
	nl_attr_u32(r, IFLA_GROUP, 0);
	nl_attr_u32(r, IFLA_PROMISCUITY, !!(i->flags & IFF_PROMISC));
	nl_attr_u32(r, IFLA_ALLMULTI_, !!(i->flags & IFF_ALLMULTI));
	nl_attr_u32(r, IFLA_NUM_TX_QUEUES, 1);
	nl_attr_u32(r, IFLA_NUM_RX_QUEUES, 1);
	nl_attr_u8(r, IFLA_CARRIER, carrier);
	nl_attr_str(r, IFLA_QDISC, "noqueue");
	nl_attr_u32(r, IFLA_CARRIER_CHANGES, 0);
	if (i->type != LINK_IP) {
		nl_attr(r, IFLA_ADDRESS, i->mac, sizeof(i->mac));
		nl_attr(r, IFLA_BROADCAST, i->broadcast, sizeof(i->broadcast));
	}
	if (i->link)
		nl_attr_u32(r, IFLA_LINK, i->link);
	if (i->master)
		nl_attr_u32(r, IFLA_MASTER, i->master);
	if (i->link && i->link_away)
		nl_attr_u32(r, IFLA_LINK_NETNSID, 0); /* ids are not kept: somewhere else */
	if (i->kind) {
		size_t nest = nl_nest(r, IFLA_LINKINFO);

		nl_attr_str(r, IFLA_INFO_KIND, i->kind);
		put_upper(r, &i->upper);
		nl_nest_end(r, nest);
	}
	put_stats(r, &i->stats);
	rtnetlink_put_af_spec(r, s, i);
	nl_end(r);
}

/* Seconds left, as ifa_cacheinfo has them. */
static uint32_t lifetime(int64_t until_ns)
{
	int64_t left;

	if (until_ns == INT64_MAX)
		return UINT32_MAX;
	left = (until_ns - clock_mono_ns()) / NSEC_PER_SEC;
	return left > 0 ? (uint32_t)left : 0;
}

void rtnetlink_put_addr(struct nl_reply *r, uint16_t type, const struct addr_info *a)
{
	int family = family_of(a->addr);
	bool deprecated = a->preferred_until_ns != INT64_MAX && lifetime(a->preferred_until_ns) == 0;
	uint32_t flags = (a->state & ADDR_TENTATIVE ? IFA_F_TENTATIVE : 0) |
			 (a->state & ADDR_SECONDARY ? IFA_F_SECONDARY : 0) |
			 (a->state & ADDR_DADFAILED ? IFA_F_DADFAILED : 0) |
			 (a->valid_until_ns == INT64_MAX ? IFA_F_PERMANENT : 0) |
			 (deprecated ? IFA_F_DEPRECATED : 0) |
			 (a->nodad && family == AF_INET6 ? IFA_F_NODAD : 0);
	struct ifaddrmsg m = { .ifa_family = (uint8_t)family, .ifa_prefixlen = a->plen,
			       .ifa_flags = (uint8_t)flags, .ifa_scope = a->scope,
			       .ifa_index = a->ifindex };
	struct ifa_cacheinfo c = { .ifa_prefered = lifetime(a->preferred_until_ns),
				   .ifa_valid = lifetime(a->valid_until_ns) };

	nl_begin(r, type, 0, &m, sizeof(m));
	nl_attr_ip(r, IFA_ADDRESS, a->peer);
	if (family == AF_INET || !ipa_eq(a->peer, a->addr))
		nl_attr_ip(r, IFA_LOCAL, a->addr);
	if (family == AF_INET) {
		if (!ipa_is_any(a->broadcast))
			nl_attr_ip(r, IFA_BROADCAST, a->broadcast);
		nl_attr_str(r, IFA_LABEL, a->label);
	}
	nl_attr_u32(r, IFA_FLAGS, flags);
	nl_attr(r, IFA_CACHEINFO, &c, sizeof(c));
	nl_end(r);
}

/* Of a set of which all others were over interfaces that have been removed; else NULL. */
static const struct route_hop *only_hop(const struct route_hops *h)
{
	const struct route_hop *only = NULL;

	for (unsigned int i = 0; h && i < h->count; i++) {
		if (only && !route_hop_is_gone(&h->hop[i]))
			return NULL;
		if (!route_hop_is_gone(&h->hop[i]))
			only = &h->hop[i];
	}
	return only;
}

static void put_hops(struct nl_reply *r, const struct route_hops *h)
{
	size_t nest = nl_nest(r, RTA_MULTIPATH), at;

	for (unsigned int i = 0; i < h->count; i++) {
		const struct route_hop *one = &h->hop[i];
		struct rtnexthop n = { .rtnh_flags = (uint8_t)(one->flags | (route_hop_is_up(one) ? 0 : RTNH_F_DEAD | RTNH_F_LINKDOWN)),
				       .rtnh_hops = (uint8_t)(one->weight - 1), .rtnh_ifindex = (int)one->ifindex };

		if (route_hop_is_gone(one))
			continue;
		at = nl_put(r, &n, sizeof(n));
		if (!ipa_is_any(one->gateway))
			nl_attr_ip(r, RTA_GATEWAY, one->gateway);
		nl_nest_end(r, at); /* rtnh_len is where nla_len is */
	}
	nl_nest_end(r, nest);
}

/* Without its end. */
static void put_route(struct nl_reply *r, uint16_t type, const struct route_info *i, uint32_t flags)
{
	struct rtmsg m = {
		.rtm_family = i->family, .rtm_dst_len = i->plen, .rtm_tos = i->tos,
		.rtm_table = i->table < 256 ? (uint8_t)i->table : RT_TABLE_COMPAT,
		.rtm_protocol = i->protocol, .rtm_scope = i->family == AF_INET6 ? 0 : i->scope,
		.rtm_type = i->type, .rtm_flags = i->flags | flags,
	};
	const struct route_hop *only = only_hop(i->hops);
	struct ipa gateway = only ? only->gateway : i->gateway;
	uint32_t ifindex = only ? only->ifindex : i->ifindex;
	size_t nest;

	nl_begin(r, type, 0, &m, sizeof(m));
	nl_attr_u32(r, RTA_TABLE, i->table);
	if (i->plen)
		nl_attr_ip(r, RTA_DST, i->dst);
	if (i->metric)
		nl_attr_u32(r, RTA_PRIORITY, i->metric);
	if (!ipa_is_any(i->prefsrc))
		nl_attr_ip(r, RTA_PREFSRC, i->prefsrc);
	if (!ipa_is_any(gateway))
		nl_attr_ip(r, RTA_GATEWAY, gateway);
	if (ifindex)
		nl_attr_u32(r, RTA_OIF, ifindex);
	if (i->hops && !only)
		put_hops(r, i->hops);
	if (i->mtu) {
		nest = nl_nest(r, RTA_METRICS);
		nl_attr_u32(r, RTAX_MTU, i->mtu);
		nl_nest_end(r, nest);
	}
	if (i->family == AF_INET6) {
		struct rta_cacheinfo c = { .rta_expires = 0 };

		nl_attr(r, RTA_CACHEINFO, &c, sizeof(c));
		nl_attr_u8(r, RTA_PREF, 0);
	}
}

void rtnetlink_put_route(struct nl_reply *r, uint16_t type, const struct route_info *i, uint32_t flags)
{
	put_route(r, type, i, flags);
	nl_end(r);
}

void rtnetlink_put_neigh(struct nl_reply *r, uint16_t type, const struct neigh_info *n)
{
	struct ndmsg m = { .ndm_family = (uint8_t)family_of(n->addr), .ndm_ifindex = (int)n->ifindex,
			   .ndm_state = n->state, .ndm_flags = n->flags, .ndm_type = RTN_UNICAST };
	uint32_t ticks = (uint32_t)(n->age_ns / (NSEC_PER_SEC / HZ_USER));
	struct nda_cacheinfo c = { .ndm_confirmed = ticks, .ndm_used = ticks, .ndm_updated = ticks };

	nl_begin(r, type, 0, &m, sizeof(m));
	nl_attr_ip(r, NDA_DST, n->addr);
	if (!(n->state & (NUD_INCOMPLETE | NUD_FAILED)))
		nl_attr(r, NDA_LLADDR, n->mac, sizeof(n->mac));
	nl_attr(r, NDA_CACHEINFO, &c, sizeof(c));
	nl_attr_u32(r, NDA_PROBES, 0);
	nl_end(r);
}

static void put_range(struct nl_reply *r, uint16_t type, struct port_range p)
{
	const struct fib_rule_port_range range = { .start = p.from, .end = p.to };

	if (p.from)
		nl_attr(r, type, &range, sizeof(range));
}

void rtnetlink_put_rule(struct nl_reply *r, uint16_t type, const struct net_ns *net, const struct rule_info *i)
{
	struct fib_rule_hdr h = { .family = i->family, .dst_len = i->dst_len, .src_len = i->src_len, .tos = i->tos,
				  .table = i->table < 256 ? (uint8_t)i->table : RT_TABLE_COMPAT, .action = i->action,
				  .flags = i->state | (i->invert ? FIB_RULE_INVERT : 0) };

	nl_begin(r, type, 0, &h, sizeof(h));
	nl_attr_u32(r, FRA_TABLE, i->table);
	nl_attr_u32(r, FRA_SUPPRESS_PREFIXLEN, (uint32_t)i->suppress_plen);
	nl_attr_u8(r, FRA_PROTOCOL, i->protocol);
	if (i->priority)
		nl_attr_u32(r, FRA_PRIORITY, i->priority);
	if (i->iif[0])
		nl_attr_str(r, FRA_IIFNAME, i->iif);
	if (i->oif[0])
		nl_attr_str(r, FRA_OIFNAME, i->oif);
	if (i->mark)
		nl_attr_u32(r, FRA_FWMARK, i->mark);
	if (i->mask || i->mark)
		nl_attr_u32(r, FRA_FWMASK, i->mask);
	if (i->dst_len)
		nl_attr_ip(r, FRA_DST, i->dst);
	if (i->src_len)
		nl_attr_ip(r, FRA_SRC, i->src);
	if (i->target)
		nl_attr_u32(r, FRA_GOTO, i->target);
	if (i->by_uid) {
		const struct fib_rule_uid_range u = {
			.start = user_ns_from_kernel_munged(net->user_ns, ID_UID, i->uid_from),
			.end = user_ns_from_kernel_munged(net->user_ns, ID_UID, i->uid_to),
		};

		nl_attr(r, FRA_UID_RANGE, &u, sizeof(u));
	}
	if (i->ip_proto)
		nl_attr_u8(r, FRA_IP_PROTO, i->ip_proto);
	put_range(r, FRA_SPORT_RANGE, i->sport);
	put_range(r, FRA_DPORT_RANGE, i->dport);
	nl_end(r);
}

/* ---- events ------------------------------------------------------------------------------------ */

static uint32_t group_of(bool v4, uint32_t four, uint32_t six)
{
	return v4 ? four : six;
}

void rtnetlink_event(void *arg, enum stack_event what, const void *info)
{
	struct nl_reply r = { .b = BUF_INIT };
	struct net_ns *net = arg;
	const struct addr_info *a = info;
	const struct route_info *t = info;
	const struct neigh_info *n = info;
	const struct rule_info *u = info;
	uint32_t group = RTNLGRP_LINK;

	switch (what) {
	case STACK_LINK:
	case STACK_LINK_DEL:
		rtnetlink_put_link(&r, what == STACK_LINK ? RTM_NEWLINK : RTM_DELLINK, net_ns_stack_peek(net), info);
		uevent_link(net, info, what == STACK_LINK_DEL);
		break;
	case STACK_ADDR_NEW:
	case STACK_ADDR_DEL:
		group = group_of(ipa_is4(a->addr), RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR);
		rtnetlink_put_addr(&r, what == STACK_ADDR_NEW ? RTM_NEWADDR : RTM_DELADDR, a);
		break;
	case STACK_ROUTE_NEW:
	case STACK_ROUTE_DEL:
		group = group_of(t->family == AF_INET, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE);
		rtnetlink_put_route(&r, what == STACK_ROUTE_NEW ? RTM_NEWROUTE : RTM_DELROUTE, t, 0);
		break;
	case STACK_RULE_NEW:
	case STACK_RULE_DEL:
		group = group_of(u->family == AF_INET, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE);
		rtnetlink_put_rule(&r, what == STACK_RULE_NEW ? RTM_NEWRULE : RTM_DELRULE, net, u);
		break;
	case STACK_NEIGH:
		group = RTNLGRP_NEIGH;
		rtnetlink_put_neigh(&r, RTM_NEWNEIGH, n);
		break;
	case STACK_CONF:
		if (!rtnetlink_put_conf_change(&r, net_ns_stack_peek(net), info, &group))
			return;
		break;
	}
	netlink_multicast(net, NETLINK_ROUTE, group, &r);
}

/* ---- what is asked for ------------------------------------------------------------------------- */

struct dump {
	struct nl_request *q;
	int family;       /* AF_UNSPEC: all */
	uint32_t ifindex; /* 0: all */
	uint32_t table;   /* 0: all */
};

static int dump_link(void *arg, const struct nic_info *i)
{
	struct dump *d = arg;

	rtnetlink_put_link(d->q->reply, RTM_NEWLINK, d->q->stack, i);
	return 0;
}

static int dump_addr(void *arg, const struct addr_info *a)
{
	struct dump *d = arg;

	if ((!d->family || d->family == family_of(a->addr)) && (!d->ifindex || d->ifindex == a->ifindex))
		rtnetlink_put_addr(d->q->reply, RTM_NEWADDR, a);
	return 0;
}

static bool route_uses(const struct route_info *i, uint32_t ifindex)
{
	for (unsigned int k = 0; i->hops && k < i->hops->count; k++)
		if (i->hops->hop[k].ifindex == ifindex)
			return true;
	return i->ifindex == ifindex;
}

static int dump_route(void *arg, const struct route_info *i)
{
	struct dump *d = arg;

	if ((!d->family || d->family == i->family) && (!d->ifindex || route_uses(i, d->ifindex)) &&
	    (!d->table || d->table == i->table))
		rtnetlink_put_route(d->q->reply, RTM_NEWROUTE, i, 0);
	return 0;
}

static int dump_neigh(void *arg, const struct neigh_info *n)
{
	struct dump *d = arg;

	if ((!d->family || d->family == family_of(n->addr)) && (!d->ifindex || d->ifindex == n->ifindex))
		rtnetlink_put_neigh(d->q->reply, RTM_NEWNEIGH, n);
	return 0;
}

static int dump_rule(void *arg, const struct rule_info *i)
{
	struct dump *d = arg;

	rtnetlink_put_rule(d->q->reply, RTM_NEWRULE, d->q->net, i);
	return 0;
}

static int get_links(struct dump *d)
{
	const struct nlmsghdr *h = d->q->h;
	const struct ifinfomsg *m = nl_body(h);
	struct nl_attrs a;
	struct nic_info i;
	char name[IFNAMSIZ] = "";
	uint32_t ifindex;

	if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return nic_for_each(d->q->stack, dump_link, d);
	if (nl_parse(h, sizeof(*m), &a) < 0)
		return -EINVAL;
	ifindex = (uint32_t)m->ifi_index;
	if (m->ifi_index < 0)
		return -EINVAL;
	if (ifindex == 0) {
		const struct nlattr *n = a.tb[IFLA_IFNAME] ? a.tb[IFLA_IFNAME] : a.tb[IFLA_ALT_IFNAME];

		if (!n)
			return -EINVAL;
		memcpy(name, nl_data(n), MIN(nl_size(n), sizeof(name) - 1));
		ifindex = nic_by_name(d->q->stack, name);
		if (ifindex == 0)
			return -ENODEV;
	}
	if (nic_info(d->q->stack, ifindex, &i) < 0)
		return -ENODEV;
	rtnetlink_put_link(d->q->reply, RTM_NEWLINK, d->q->stack, &i);
	return 0;
}

static int get_addrs(struct dump *d)
{
	const struct ifaddrmsg *m = nl_body(d->q->h);

	if (d->q->strict && d->q->h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)))
		d->ifindex = m->ifa_index;
	return addr_for_each(d->q->stack, dump_addr, d);
}

/* The one route that a packet to RTA_DST would take. */
static int get_one_route(struct dump *d)
{
	const struct rtmsg *m = nl_body(d->q->h);
	const struct cred *cred = d->q->c->cred;
	struct route_query k;
	struct route_info i;
	struct nl_attrs a;
	uint32_t flags = 0;
	int err = nl_parse(d->q->h, sizeof(*m), &a);

	if (err < 0 || (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return -EINVAL;
	k = (struct route_query){
		.ifindex = nl_u32(a.tb[RTA_OIF]), .iif = nl_u32(a.tb[RTA_IIF]), .mark = nl_u32(a.tb[RTA_MARK]),
		.tos = m->rtm_tos & 0xfc, .proto = nl_u8(a.tb[RTA_IP_PROTO]),
		.sport = nl_u16be(a.tb[RTA_SPORT]), .dport = nl_u16be(a.tb[RTA_DPORT]),
	};
	if (!nl_ip(a.tb[RTA_DST], m->rtm_family, &k.dst) || !nl_ip(a.tb[RTA_SRC], m->rtm_family, &k.src))
		return -EINVAL;
	k.uid = a.tb[RTA_UID] ? user_ns_to_kernel(cred->user_ns, ID_UID, nl_u32(a.tb[RTA_UID])) :
	      k.iif ? ID_INVALID : cred->uid;
	err = route_get_for(d->q->stack, &k, &i);
	if (err < 0)
		return err;
	i.dst = k.dst;
	i.plen = m->rtm_family == AF_INET ? 32 : 128;
	if (m->rtm_family == AF_INET) { /* rt_fill_info() */
		flags = RTM_F_CLONED | (i.type == RTN_LOCAL ? RTCF_LOCAL : i.type == RTN_BROADCAST ? RTCF_BROADCAST : 0);
		if (!(m->rtm_flags & RTM_F_LOOKUP_TABLE))
			i.table = RT_TABLE_MAIN;
	}
	put_route(d->q->reply, RTM_NEWROUTE, &i, flags);
	if (m->rtm_family == AF_INET && k.uid != ID_INVALID)
		nl_attr_u32(d->q->reply, RTA_UID, user_ns_from_kernel_munged(cred->user_ns, ID_UID, k.uid));
	nl_end(d->q->reply);
	return 0;
}

static int get_routes(struct dump *d)
{
	const struct rtmsg *m = nl_body(d->q->h);
	struct nl_attrs a;

	if ((d->q->h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		return get_one_route(d);
	if (nl_parse(d->q->h, sizeof(*m), &a) == 0) {
		if (m->rtm_flags & RTM_F_CLONED)
			return 0; /* there is no cache of routes */
		if (d->q->strict) {
			d->table = a.tb[RTA_TABLE] ? nl_u32(a.tb[RTA_TABLE]) : m->rtm_table;
			d->ifindex = nl_u32(a.tb[RTA_OIF]);
		}
	}
	return route_for_each(d->q->stack, dump_route, d);
}

static int one_neigh(void *arg, const struct neigh_info *n)
{
	struct neigh_info *want = arg;

	if (n->ifindex != want->ifindex || !ipa_eq(n->addr, want->addr))
		return 0;
	*want = *n;
	return 1;
}

static int get_neighs(struct dump *d)
{
	const struct ndmsg *m = nl_body(d->q->h);
	struct neigh_info one;
	struct nl_attrs a;

	if ((d->q->h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
		if (nl_parse(d->q->h, sizeof(*m), &a) < 0 || !a.tb[NDA_DST] ||
		    !nl_ip(a.tb[NDA_DST], m->ndm_family == AF_INET ? AF_INET : AF_INET6, &one.addr))
			return -EINVAL;
		one.ifindex = (uint32_t)m->ndm_ifindex;
		if (neigh_for_each(d->q->stack, one_neigh, &one) != 1)
			return -ENOENT;
		rtnetlink_put_neigh(d->q->reply, RTM_NEWNEIGH, &one);
		return 0;
	}
	if (nl_parse(d->q->h, sizeof(*m), &a) == 0) {
		d->ifindex = a.tb[NDA_IFINDEX] ? nl_u32(a.tb[NDA_IFINDEX]) : 0;
		if (m->ndm_flags & NTF_PROXY)
			return 0; /* there are none */
	}
	return neigh_for_each(d->q->stack, dump_neigh, d);
}

static int get_rules(struct dump *d)
{
	int err = 0;

	if (d->family != AF_INET6)
		err = rule_for_each(d->q->stack, AF_INET, dump_rule, d);
	if (d->family != AF_INET && err == 0)
		err = rule_for_each(d->q->stack, AF_INET6, dump_rule, d);
	return err;
}

/* Nothing is queued anywhere: an empty list. */
static int get_nothing(struct dump *d)
{
	(void)d;
	return 0;
}

static int get_netconf(struct dump *d)
{
	return rtnetlink_get_netconf(d->q);
}

static const struct {
	uint16_t type;
	bool single; /* may be asked without NLM_F_DUMP */
	int (*get)(struct dump *d);
} gets[] = {
	{ RTM_GETLINK, true, get_links },
	{ RTM_GETADDR, false, get_addrs },
	{ RTM_GETROUTE, true, get_routes },
	{ RTM_GETNEIGH, true, get_neighs },
	{ RTM_GETRULE, false, get_rules },
	{ RTM_GETNETCONF, true, get_netconf },
	{ RTM_GETQDISC, false, get_nothing },
	{ RTM_GETTCLASS, false, get_nothing },
	{ RTM_GETNEXTHOP, false, get_nothing },
	{ RTM_GETMULTICAST, false, get_nothing },
	{ RTM_GETADDRLABEL, false, get_nothing },
};

int rtnetlink_request(struct nl_request *q)
{
	const struct rtgenmsg *g = nl_body(q->h);
	uint16_t type = q->h->nlmsg_type;
	bool is_dump = (q->h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct dump d = { .q = q };

	if (type < RTM_BASE || type > RTM_MAX)
		return -EOPNOTSUPP;
	if (q->h->nlmsg_len < NLMSG_LENGTH(sizeof(*g)))
		return 0;
	if (((type - RTM_BASE) & 3) != 2) { /* not a GET */
		int err = net_ns_may_change(q->net, q->c->cred);

		return err < 0 ? err : rtnetlink_change(q);
	}
	d.family = g->rtgen_family;
	for (size_t i = 0; i < ARRAY_SIZE(gets); i++) {
		if (gets[i].type != type || (!is_dump && !gets[i].single))
			continue;
		if (is_dump)
			q->reply->flags |= NLM_F_MULTI;
		return gets[i].get(&d);
	}
	return -EOPNOTSUPP;
}
