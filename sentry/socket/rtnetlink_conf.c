/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink_conf.c: rtnetlink(7): settings of interfaces (netstack/nic_conf.h): RTM_GETNETCONF and its groups, and what
 * IFLA_AF_SPEC of a link has.  Of IFLA_INET6_*: no counters, which the stack keeps for all interfaces together, and no token.
 *
 * Linux: net/ipv4/devinet.c (inet_fill_link_af, inet_netconf_fill_devconf), net/ipv6/addrconf.c (inet6_fill_ifla6_attrs).
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sentry/socket/netlink.h"

#define PLACES_MAX 64
#define IF_READY_  0x80000000u /* net/if_inet6.h of the kernel */

/* The values of a group by their places, zero where there is no such key here.  How many places; 0: no such interface. */
static unsigned int conf_array(struct stack *s, uint32_t ifindex, enum nic_conf_group group, int out[PLACES_MAX])
{
	unsigned int count = 0;

	memset(out, 0, PLACES_MAX * sizeof(*out));
	for (unsigned int key = 0; key < NIC_CONF_COUNT; key++) {
		int place = nic_conf_place(key);

		if (nic_conf_entries[key].group != group || place < 0 || place >= PLACES_MAX)
			continue;
		if (nic_conf_get(s, ifindex, key, &out[place]) < 0)
			return 0;
		count = MAX(count, (unsigned int)place + 1);
	}
	return count;
}

static uint32_t conf_value(struct stack *s, uint32_t ifindex, unsigned int key)
{
	int value = 0;

	(void)nic_conf_get(s, ifindex, key, &value);
	return (uint32_t)value;
}

void rtnetlink_put_af_spec(struct nl_reply *r, struct stack *s, const struct nic_info *i)
{
	struct ifla_cacheinfo c = { .max_reasm_len = 65535 };
	int values[PLACES_MAX];
	unsigned int count = s ? conf_array(s, i->ifindex, NIC_CONF_IP4, values) : 0;
	size_t spec, nest;

	if (!count)
		return;
	spec = nl_nest(r, IFLA_AF_SPEC);
	nest = nl_nest(r, AF_INET);
	nl_attr(r, IFLA_INET_CONF, values, count * sizeof(values[0]));
	nl_nest_end(r, nest);
	count = conf_array(s, i->ifindex, NIC_CONF_IP6, values);
	c.reachable_time = conf_value(s, i->ifindex, NEIGH6_base_reachable_time_ms);
	c.retrans_time = conf_value(s, i->ifindex, NEIGH6_retrans_time_ms);
	nest = nl_nest(r, AF_INET6);
	nl_attr_u32(r, IFLA_INET6_FLAGS, i->flags & IFF_RUNNING ? IF_READY_ : 0);
	nl_attr(r, IFLA_INET6_CACHEINFO, &c, sizeof(c));
	nl_attr(r, IFLA_INET6_CONF, values, count * sizeof(values[0]));
	nl_attr_u8(r, IFLA_INET6_ADDR_GEN_MODE, (uint8_t)conf_value(s, i->ifindex, IP6_addr_gen_mode));
	nl_nest_end(r, nest);
	nl_nest_end(r, spec);
}

int rtnetlink_set_af_spec(struct stack *s, uint32_t ifindex, const struct nlattr *spec)
{
	struct nl_attrs of = { .tb = { NULL } }, a = { .tb = { NULL } }, conf = { .tb = { NULL } };
	int err = 0;

	nl_parse_nested(spec, &of);
	if (of.tb[AF_INET])
		nl_parse_nested(of.tb[AF_INET], &a);
	if (a.tb[IFLA_INET_CONF])
		nl_parse_nested(a.tb[IFLA_INET_CONF], &conf);
	for (unsigned int place = 1; place < ARRAY_SIZE(conf.tb) && err == 0; place++) {
		int key = conf.tb[place] ? nic_conf_find_abi(NIC_CONF_IP4, place - 1) : 0;

		if (conf.tb[place])
			err = key < 0 ? -EOPNOTSUPP : nic_conf_set(s, ifindex, (unsigned int)key, (int)nl_u32(conf.tb[place]));
	}
	memset(&a, 0, sizeof(a));
	if (of.tb[AF_INET6])
		nl_parse_nested(of.tb[AF_INET6], &a);
	if (err == 0 && a.tb[IFLA_INET6_TOKEN])
		err = -EOPNOTSUPP;
	if (err == 0 && a.tb[IFLA_INET6_ADDR_GEN_MODE])
		err = nic_conf_set(s, ifindex, IP6_addr_gen_mode, nl_u8(a.tb[IFLA_INET6_ADDR_GEN_MODE]));
	return err;
}

/* ---- RTM_GETNETCONF ---------------------------------------------------------------------------- */

/* What a netconf message has of each family.  NETCONFA_INPUT and what is not here: other families', or later ones. */
static const struct {
	uint16_t attr;
	int v4, v6; /* keys; -1: not of that family */
} netconfs[] = {
	{ NETCONFA_FORWARDING, IP4_forwarding, IP6_forwarding },
	{ NETCONFA_RP_FILTER, IP4_rp_filter, -1 },
	{ NETCONFA_MC_FORWARDING, IP4_mc_forwarding, IP6_mc_forwarding },
	{ NETCONFA_BC_FORWARDING, IP4_bc_forwarding, -1 },
	{ NETCONFA_PROXY_NEIGH, IP4_proxy_arp, IP6_proxy_ndp },
	{ NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, IP4_ignore_routes_with_linkdown, IP6_ignore_routes_with_linkdown },
};

/* only: the key of a change; -1: all.  false: nothing of it is told. */
static bool put_netconf(struct nl_reply *r, struct stack *s, uint8_t family, uint32_t ifindex, int only)
{
	struct netconfmsg m = { .ncm_family = family };
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(netconfs); i++) {
		int key = family == AF_INET ? netconfs[i].v4 : netconfs[i].v6;

		if (key < 0 || (only >= 0 && key != only))
			continue;
		if (!any) {
			nl_begin(r, RTM_NEWNETCONF, 0, &m, sizeof(m));
			nl_attr_u32(r, NETCONFA_IFINDEX, ifindex); /* -1 and -2 as here */
		}
		any = true;
		nl_attr_u32(r, netconfs[i].attr, conf_value(s, ifindex, (unsigned int)key));
	}
	if (any)
		nl_end(r);
	return any;
}

bool rtnetlink_put_conf_change(struct nl_reply *r, struct stack *s, const struct nic_conf_info *i, uint32_t *group)
{
	bool v4 = nic_conf_entries[i->key].group == NIC_CONF_IP4;

	if (nic_conf_entries[i->key].group > NIC_CONF_IP6)
		return false;
	*group = v4 ? RTNLGRP_IPV4_NETCONF : RTNLGRP_IPV6_NETCONF;
	return put_netconf(r, s, v4 ? AF_INET : AF_INET6, i->ifindex, (int)i->key);
}

struct netconf_dump {
	struct nl_request *q;
	uint8_t family;
};

static int dump_netconf(void *arg, const struct nic_info *i)
{
	struct netconf_dump *d = arg;

	put_netconf(d->q->reply, d->q->stack, d->family, i->ifindex, -1);
	return 0;
}

int rtnetlink_get_netconf(struct nl_request *q)
{
	const struct netconfmsg *m = nl_body(q->h);
	struct netconf_dump d = { .q = q };
	struct nl_attrs a;
	uint32_t ifindex;
	int err, value;

	if (nl_parse(q->h, sizeof(*m), &a) < 0)
		return -EINVAL;
	d.family = m->ncm_family;
	if (d.family != AF_INET && d.family != AF_INET6)
		return -EOPNOTSUPP;
	if ((q->h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
		err = nic_for_each(q->stack, dump_netconf, &d);
		put_netconf(q->reply, q->stack, d.family, NIC_CONF_ALL, -1);
		put_netconf(q->reply, q->stack, d.family, NIC_CONF_DEFAULT, -1);
		return err;
	}
	if (!a.tb[NETCONFA_IFINDEX])
		return -EINVAL;
	ifindex = nl_u32(a.tb[NETCONFA_IFINDEX]);
	if (nic_conf_get(q->stack, ifindex, IP4_forwarding, &value) < 0)
		return -ENODEV;
	put_netconf(q->reply, q->stack, d.family, ifindex, -1);
	return 0;
}
