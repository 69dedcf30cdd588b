/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink_set.c: rtnetlink(7): changes: interfaces up and down, MTU, name and address; addresses;
 * routes; policy rules; neighbours.  Making and removing interfaces: rtnetlink_link.c.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#include "lib/clock.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/virtual_link.h"
#include "vfs/cred.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

static void copy_name(char out[static IFNAMSIZ], const struct nlattr *a)
{
	memset(out, 0, IFNAMSIZ);
	if (a)
		memcpy(out, nl_data(a), MIN(nl_size(a), (size_t)IFNAMSIZ - 1));
}

/* ---- links ------------------------------------------------------------------------------------- */

int rtnetlink_remove_link(struct net_ns *ns, uint32_t ifindex)
{
	struct stack *s = net_ns_stack(ns);
	struct nic_info i;

	if (!ifindex || nic_info(s, ifindex, &i) < 0)
		return -ENODEV;
	if (virtual_link_remove(ns, ifindex) == 0)
		return 0;
	return i.upper.type || nic_is_bridge(s, ifindex) ? nic_remove(s, ifindex) : -EOPNOTSUPP; /* lo, and those of the host */
}

int rtnetlink_set_master(struct stack *s, uint32_t ifindex, uint32_t master)
{
	struct nic_info i;
	int err = nic_info(s, ifindex, &i);

	if (err < 0 || i.master == master)
		return err;
	if (i.master)
		err = bridge_del_port(s, i.master, ifindex);
	return err < 0 || !master ? err : bridge_add_port(s, master, ifindex);
}

static int change_link(struct nl_request *q)
{
	const struct ifinfomsg *m = nl_body(q->h);
	struct nl_attrs a;
	char name[IFNAMSIZ];
	uint32_t ifindex;
	int err = nl_parse(q->h, sizeof(*m), &a);

	if (err < 0)
		return err;
	copy_name(name, a.tb[IFLA_IFNAME]);
	ifindex = m->ifi_index > 0 ? (uint32_t)m->ifi_index : nic_by_name(q->stack, name);
	if (q->h->nlmsg_type == RTM_DELLINK)
		return rtnetlink_remove_link(q->net, ifindex);
	if (!ifindex || !nic_exists(q->stack, ifindex)) {
		if (q->h->nlmsg_type == RTM_NEWLINK && (q->h->nlmsg_flags & NLM_F_CREATE))
			return rtnetlink_new_link(q, m, &a);
		return -ENODEV;
	}
	if (q->h->nlmsg_type == RTM_NEWLINK && (q->h->nlmsg_flags & NLM_F_EXCL))
		return -EEXIST;
	if (a.tb[IFLA_LINKINFO])
		return -EOPNOTSUPP;
	if (a.tb[IFLA_NET_NS_PID] || a.tb[IFLA_NET_NS_FD])
		return rtnetlink_move_link(q, ifindex, m->ifi_index > 0 ? name : "", &a);
	if (a.tb[IFLA_MTU])
		err = nic_set_mtu(q->stack, ifindex, nl_u32(a.tb[IFLA_MTU]));
	if (err == 0 && a.tb[IFLA_ADDRESS])
		err = nl_size(a.tb[IFLA_ADDRESS]) == 6
			      ? nic_set_mac(q->stack, ifindex, nl_data(a.tb[IFLA_ADDRESS])) : -EINVAL;
	if (err == 0 && a.tb[IFLA_IFNAME] && m->ifi_index > 0 && nic_by_name(q->stack, name) != ifindex)
		err = nic_set_name(q->stack, ifindex, name);
	if (err == 0 && a.tb[IFLA_MASTER])
		err = rtnetlink_set_master(q->stack, ifindex, nl_u32(a.tb[IFLA_MASTER]));
	if (err == 0 && a.tb[IFLA_AF_SPEC] && m->ifi_family == AF_UNSPEC)
		err = rtnetlink_set_af_spec(q->stack, ifindex, a.tb[IFLA_AF_SPEC]);
	if (err == 0 && (m->ifi_flags || m->ifi_change))
		err = nic_set_flags(q->stack, ifindex, m->ifi_flags,
				    m->ifi_change ? m->ifi_change : UINT32_MAX);
	return err;
}

/* ---- addresses --------------------------------------------------------------------------------- */

static int64_t until(uint32_t seconds)
{
	return seconds == UINT32_MAX ? INT64_MAX : clock_mono_ns() + (int64_t)seconds * NSEC_PER_SEC;
}

static int change_addr(struct nl_request *q)
{
	const struct ifaddrmsg *m = nl_body(q->h);
	struct nl_attrs a;
	struct addr_info i = { .valid_until_ns = INT64_MAX, .preferred_until_ns = INT64_MAX };
	uint32_t flags;
	int err = nl_parse(q->h, sizeof(*m), &a), family;

	if (err < 0)
		return err;
	family = m->ifa_family;
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (!a.tb[IFA_LOCAL] && !a.tb[IFA_ADDRESS])
		return -EINVAL;
	if (!nl_ip(a.tb[IFA_LOCAL] ? a.tb[IFA_LOCAL] : a.tb[IFA_ADDRESS], family, &i.addr) ||
	    !nl_ip(a.tb[IFA_ADDRESS] ? a.tb[IFA_ADDRESS] : a.tb[IFA_LOCAL], family, &i.peer) ||
	    !nl_ip(a.tb[IFA_BROADCAST], family, &i.broadcast) ||
	    m->ifa_prefixlen > (family == AF_INET ? 32 : 128))
		return -EINVAL;
	i.ifindex = m->ifa_index;
	i.plen = m->ifa_prefixlen;
	i.scope = m->ifa_scope;
	if (q->h->nlmsg_type == RTM_DELADDR)
		return addr_del(q->stack, &i);
	flags = a.tb[IFA_FLAGS] ? nl_u32(a.tb[IFA_FLAGS]) : m->ifa_flags;
	i.nodad = !!(flags & IFA_F_NODAD);
	copy_name(i.label, a.tb[IFA_LABEL]);
	if (a.tb[IFA_CACHEINFO] && nl_size(a.tb[IFA_CACHEINFO]) >= sizeof(struct ifa_cacheinfo)) {
		const struct ifa_cacheinfo *c = nl_data(a.tb[IFA_CACHEINFO]);

		if (c->ifa_valid == 0 || c->ifa_prefered > c->ifa_valid)
			return -EINVAL;
		i.valid_until_ns = until(c->ifa_valid);
		i.preferred_until_ns = until(c->ifa_prefered);
	}
	err = addr_add(q->stack, &i);
	if (err == -EEXIST && (q->h->nlmsg_flags & NLM_F_REPLACE) && addr_del(q->stack, &i) == 0)
		err = addr_add(q->stack, &i);
	return err;
}

/* ---- routes ------------------------------------------------------------------------------------ */

static void route_metrics(struct route_info *i, const struct nlattr *metrics)
{
	struct nl_attrs a;

	if (!metrics)
		return;
	nl_parse_nested(metrics, &a);
	i->mtu = nl_u32(a.tb[RTAX_MTU]);
}

static unsigned int route_flags(uint16_t f)
{
	return (f & NLM_F_CREATE ? ROUTE_CREATE : 0) | (f & NLM_F_EXCL ? ROUTE_EXCL : 0) |
	       (f & NLM_F_REPLACE ? ROUTE_REPLACE : 0) | (f & NLM_F_APPEND ? ROUTE_APPEND : 0);
}

/* One struct rtnexthop with its attributes, at p of left bytes; its length in *step. */
static int parse_hop(const char *p, size_t left, int family, struct route_hop *out, size_t *step)
{
	struct nl_attrs a;
	struct rtnexthop n;

	if (left < sizeof(n))
		return -EINVAL;
	memcpy(&n, p, sizeof(n));
	if (n.rtnh_len < sizeof(n) || n.rtnh_len > left || n.rtnh_ifindex < 0 ||
	    (n.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
		return -EINVAL;
	nl_parse_attrs(p + sizeof(n), n.rtnh_len - sizeof(n), &a);
	if (a.tb[RTA_VIA] || a.tb[RTA_ENCAP] || a.tb[RTA_FLOW])
		return -EOPNOTSUPP;
	if (!nl_ip(a.tb[RTA_GATEWAY], family, &out->gateway))
		return -EINVAL;
	out->ifindex = (uint32_t)n.rtnh_ifindex;
	out->flags = n.rtnh_flags & RTNH_F_ONLINK;
	out->weight = n.rtnh_hops + 1u;
	*step = MIN((size_t)RTNH_ALIGN(n.rtnh_len), left);
	return 0;
}

/* RTA_MULTIPATH.  One next hop alone is a route like others. */
static int parse_hops(const struct nlattr *m, int family, struct route_info *i)
{
	struct route_hops *h = route_hops_new(ROUTE_HOPS_MAX);
	size_t left = nl_size(m), step;
	const char *p = nl_data(m);
	int err = !h ? -ENOMEM : left < sizeof(struct rtnexthop) ? -ERANGE : 0;

	while (err == 0 && left > 0) {
		if (h->count == ROUTE_HOPS_MAX) {
			err = -EINVAL;
			break;
		}
		err = parse_hop(p, left, family, &h->hop[h->count], &step);
		if (err == 0) {
			h->count++;
			p += step;
			left -= step;
		}
	}
	if (err == 0 && (h->count == 0 || i->ifindex || !ipa_is_any(i->gateway)))
		err = -EINVAL;
	if (err == 0 && h->count > 1) {
		i->hops = h;
		return 0;
	}
	if (err == 0) {
		i->ifindex = h->hop[0].ifindex;
		i->gateway = h->hop[0].gateway;
		i->flags |= h->hop[0].flags;
	}
	route_hops_put(h);
	return err;
}

static int change_route(struct nl_request *q)
{
	const struct rtmsg *m = nl_body(q->h);
	struct nl_attrs a;
	struct route_info i = { .expires_ns = INT64_MAX };
	int err = nl_parse(q->h, sizeof(*m), &a), family;

	if (err < 0)
		return err;
	family = m->rtm_family;
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (a.tb[RTA_VIA] || a.tb[RTA_NH_ID] || a.tb[RTA_ENCAP] || m->rtm_src_len)
		return -EOPNOTSUPP;
	if (!nl_ip(a.tb[RTA_DST], family, &i.dst) || !nl_ip(a.tb[RTA_GATEWAY], family, &i.gateway) ||
	    !nl_ip(a.tb[RTA_PREFSRC], family, &i.prefsrc))
		return -EINVAL;
	i.family = (uint8_t)family;
	i.plen = m->rtm_dst_len;
	i.type = m->rtm_type;
	i.protocol = m->rtm_protocol;
	i.scope = m->rtm_scope;
	i.tos = m->rtm_tos;
	i.table = a.tb[RTA_TABLE] ? nl_u32(a.tb[RTA_TABLE]) : m->rtm_table;
	if (!i.table)
		i.table = RT_TABLE_MAIN;
	i.metric = nl_u32(a.tb[RTA_PRIORITY]);
	i.ifindex = nl_u32(a.tb[RTA_OIF]);
	i.flags = m->rtm_flags & RTNH_F_ONLINK;
	route_metrics(&i, a.tb[RTA_METRICS]);
	if (a.tb[RTA_MULTIPATH]) {
		err = parse_hops(a.tb[RTA_MULTIPATH], family, &i);
		if (err < 0)
			return err;
	}
	if (q->h->nlmsg_type == RTM_DELROUTE) {
		err = route_del(q->stack, &i);
	} else {
		if (!i.type)
			i.type = RTN_UNICAST;
		if (family == AF_INET6 && !i.metric)
			i.metric = 1024;
		err = route_add(q->stack, &i, route_flags(q->h->nlmsg_flags));
	}
	route_hops_put(i.hops);
	return err;
}

/* ---- rules ------------------------------------------------------------------------------------- */

/* What rules here can't look at: rather refused than ignored. */
static bool rule_asks_more(const struct nl_attrs *a)
{
	static const uint16_t types[] = { FRA_FLOW, FRA_TUN_ID, FRA_SUPPRESS_IFGROUP, FRA_L3MDEV };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct nlattr *t = a->tb[types[i]];

		if (t && !(types[i] == FRA_SUPPRESS_IFGROUP && nl_u32(t) == UINT32_MAX))
			return true;
	}
	for (size_t i = FRA_DPORT_RANGE + 1; i < ARRAY_SIZE(a->tb); i++)
		if (a->tb[i]) /* DSCP, flow labels, masks of ports */
			return true;
	return false;
}

static int rule_ports(const struct nlattr *a, struct port_range *out)
{
	struct fib_rule_port_range r;

	if (!a)
		return 0;
	if (nl_size(a) != sizeof(r))
		return -EINVAL;
	memcpy(&r, nl_data(a), sizeof(r));
	*out = (struct port_range){ r.start, r.end };
	return r.start ? 0 : -EINVAL;
}

/* Users are those of the namespace's owner. */
static int rule_uids(struct nl_request *q, const struct nlattr *a, struct rule_info *i)
{
	const struct user_ns *u = q->c->cred->user_ns;
	struct fib_rule_uid_range r;

	if (!a)
		return 0;
	if (u != q->net->user_ns)
		return -EPERM;
	if (nl_size(a) != sizeof(r))
		return -EINVAL;
	memcpy(&r, nl_data(a), sizeof(r));
	i->by_uid = true;
	i->uid_from = user_ns_to_kernel(u, ID_UID, r.start);
	i->uid_to = user_ns_to_kernel(u, ID_UID, r.end);
	return i->uid_from == ID_INVALID || i->uid_to == ID_INVALID || i->uid_from > i->uid_to ? -EINVAL : 0;
}

static int change_rule(struct nl_request *q)
{
	const struct fib_rule_hdr *h = nl_body(q->h);
	struct rule_info i = { .suppress_plen = -1, .protocol = RTPROT_UNSPEC };
	unsigned int given = 0;
	struct nl_attrs a;
	int err = nl_parse(q->h, sizeof(*h), &a), family;

	if (err < 0)
		return err;
	family = h->family;
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	if (rule_asks_more(&a))
		return -EOPNOTSUPP;
	if ((h->src_len && !a.tb[FRA_SRC]) || (h->dst_len && !a.tb[FRA_DST]) || !nl_ip(a.tb[FRA_SRC], family, &i.src) ||
	    !nl_ip(a.tb[FRA_DST], family, &i.dst) || (h->tos & ~IPTOS_TOS_MASK))
		return -EINVAL;
	i.family = (uint8_t)family;
	i.action = h->action;
	i.tos = h->tos;
	i.src_len = h->src_len;
	i.dst_len = h->dst_len;
	i.invert = h->flags & FIB_RULE_INVERT;
	i.table = a.tb[FRA_TABLE] ? nl_u32(a.tb[FRA_TABLE]) : h->table;
	i.priority = nl_u32(a.tb[FRA_PRIORITY]);
	i.mark = nl_u32(a.tb[FRA_FWMARK]);
	i.mask = a.tb[FRA_FWMASK] ? nl_u32(a.tb[FRA_FWMASK]) : a.tb[FRA_FWMARK] ? UINT32_MAX : 0;
	if (a.tb[FRA_SUPPRESS_PREFIXLEN])
		i.suppress_plen = (int)nl_u32(a.tb[FRA_SUPPRESS_PREFIXLEN]);
	i.suppress_plen = MAX(i.suppress_plen, -1);
	if (a.tb[FRA_PROTOCOL])
		i.protocol = nl_u8(a.tb[FRA_PROTOCOL]);
	copy_name(i.iif, a.tb[FRA_IIFNAME]);
	copy_name(i.oif, a.tb[FRA_OIFNAME]);
	i.target = nl_u32(a.tb[FRA_GOTO]);
	i.ip_proto = nl_u8(a.tb[FRA_IP_PROTO]);
	err = rule_ports(a.tb[FRA_SPORT_RANGE], &i.sport);
	if (err == 0)
		err = rule_ports(a.tb[FRA_DPORT_RANGE], &i.dport);
	if (err == 0)
		err = rule_uids(q, a.tb[FRA_UID_RANGE], &i);
	if (err < 0)
		return err;
	given = (a.tb[FRA_PRIORITY] ? RULE_PRIORITY : 0) | (a.tb[FRA_FWMARK] ? RULE_MARK : 0) |
		(a.tb[FRA_FWMASK] ? RULE_MASK : 0) | (a.tb[FRA_SUPPRESS_PREFIXLEN] ? RULE_SUPPRESS : 0);
	return q->h->nlmsg_type == RTM_DELRULE ? rule_del(q->stack, &i, given) :
						 rule_add(q->stack, &i, given, q->h->nlmsg_flags & NLM_F_EXCL);
}

/* ---- neighbours -------------------------------------------------------------------------------- */

static int change_neigh(struct nl_request *q)
{
	const struct ndmsg *m = nl_body(q->h);
	struct nl_attrs a;
	struct neigh_info n = { .flags = 0 };
	int err = nl_parse(q->h, sizeof(*m), &a);

	if (err < 0)
		return err;
	if ((m->ndm_family != AF_INET && m->ndm_family != AF_INET6) || (m->ndm_flags & NTF_PROXY))
		return -EOPNOTSUPP;
	if (!a.tb[NDA_DST] || !nl_ip(a.tb[NDA_DST], m->ndm_family, &n.addr))
		return -EINVAL;
	n.ifindex = (uint32_t)m->ndm_ifindex;
	if (q->h->nlmsg_type == RTM_DELNEIGH)
		return neigh_del(q->stack, n.ifindex, n.addr);
	if (!a.tb[NDA_LLADDR] || nl_size(a.tb[NDA_LLADDR]) != sizeof(n.mac))
		return -EINVAL;
	memcpy(n.mac, nl_data(a.tb[NDA_LLADDR]), sizeof(n.mac));
	n.state = m->ndm_state;
	n.flags = m->ndm_flags;
	return neigh_add(q->stack, &n);
}

int rtnetlink_change(struct nl_request *q)
{
	switch (q->h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_SETLINK:
	case RTM_DELLINK:
		return change_link(q);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return change_addr(q);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return change_route(q);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return change_rule(q);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return change_neigh(q);
	default:
		return -EOPNOTSUPP;
	}
}
