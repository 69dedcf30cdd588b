/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink_link.c: rtnetlink(7): interfaces made, removed and moved between namespaces: dummy, veth, bridge,
 * VLAN, macvlan.
 * Other kinds are EOPNOTSUPP, as from a kernel built without them; so is moving or removing an interface
 * over one of the host's.
 *
 * Linux: rtnl_newlink() and veth_newlink(); names by dev_alloc_name().
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/proc/proc.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/virtual_link.h"
#include "sentry/task/task.h"

#define NAMES_MAX 10000

static struct net_ns *ns_of_fd(struct task *t, int fd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct net_ns *ns = NULL;
	enum ns_type type;
	void *any;

	if (!f)
		return NULL;
	any = nsfs_file_ns(f, &type);
	if (any && type == NS_TYPE_NET)
		ns = net_ns_get(any);
	file_put(f);
	return ns;
}

static struct net_ns *ns_of_pid(struct task *t, int pid)
{
	struct task *target = task_lookup(task_pid_ns(t), pid);
	struct net_ns *ns = NULL;

	if (!target)
		return NULL;
	latch_lock(&target->latch);
	if (target->ns)
		ns = net_ns_get(target->ns->net);
	latch_unlock(&target->latch);
	task_put(target);
	return ns;
}

/* The namespace that the attributes name, with a reference: q's own without them. */
static int target_ns(struct nl_request *q, const struct nl_attrs *a, struct net_ns **out)
{
	struct task *t = ctx_task(q->c);

	if (a->tb[IFLA_NET_NS_FD])
		*out = ns_of_fd(t, (int)nl_u32(a->tb[IFLA_NET_NS_FD]));
	else if (a->tb[IFLA_NET_NS_PID])
		*out = ns_of_pid(t, (int)nl_u32(a->tb[IFLA_NET_NS_PID]));
	else
		*out = net_ns_get(q->net);
	if (!*out)
		return a->tb[IFLA_NET_NS_PID] ? -ESRCH : -EINVAL;
	if (net_ns_may_change(*out, q->c->cred) < 0) {
		net_ns_put(*out);
		return -EPERM;
	}
	return 0;
}

/* Name, MAC, MTU, index.  Without a name, or with "%d" in it: the first that is free. */
static int parse_config(struct net_ns *ns, const struct ifinfomsg *m, const struct nl_attrs *a,
			const char *prefix, struct nic_config *c)
{
	char given[IFNAMSIZ] = { 0 };
	size_t stem;
	char *d;

	c->mtu = a->tb[IFLA_MTU] ? nl_u32(a->tb[IFLA_MTU]) : 1500;
	c->ifindex = m->ifi_index > 0 ? (uint32_t)m->ifi_index : 0;
	if (a->tb[IFLA_ADDRESS]) {
		if (nl_size(a->tb[IFLA_ADDRESS]) != sizeof(c->mac))
			return -EINVAL;
		memcpy(c->mac, nl_data(a->tb[IFLA_ADDRESS]), sizeof(c->mac));
		if (c->mac[0] & 1)
			return -EADDRNOTAVAIL;
	}
	if (a->tb[IFLA_IFNAME])
		memcpy(given, nl_data(a->tb[IFLA_IFNAME]), MIN(nl_size(a->tb[IFLA_IFNAME]), sizeof(given) - 1));
	d = strstr(given, "%d");
	if (given[0] && !d) {
		memcpy(c->name, given, sizeof(c->name));
		return 0;
	}
	if (strchr(given, '%') != d || (d && d[2]))
		return -EINVAL;
	stem = d ? (size_t)(d - given) : strlen(prefix);
	for (unsigned int i = 0; i < NAMES_MAX; i++) {
		int n = snprintf(c->name, sizeof(c->name), "%.*s%u", (int)stem, d ? given : prefix, i);

		if (n < 0 || (size_t)n >= sizeof(c->name))
			break;
		if (!nic_by_name(net_ns_stack(ns), c->name))
			return 0;
	}
	return -ENFILE;
}

static int bring_up(struct net_ns *ns, uint32_t ifindex, const struct ifinfomsg *m)
{
	if (!m->ifi_flags)
		return 0;
	return nic_set_flags(net_ns_stack(ns), ifindex, m->ifi_flags, m->ifi_change ? m->ifi_change : UINT32_MAX);
}

/* The other end: an ifinfomsg and attributes of its own, or nothing. */
static int new_veth(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *given, const struct nlattr *data)
{
	const struct ifinfomsg none = { .ifi_family = 0 }, *pm = &none;
	struct nl_attrs a = { .tb = { NULL } };
	struct nic_config peer = { .mtu = c->mtu };
	uint32_t peer_index;
	struct net_ns *peer_ns;
	int err;

	(void)given;
	if (data)
		nl_parse_nested(data, &a);
	data = a.tb[VETH_INFO_PEER];
	memset(&a, 0, sizeof(a));
	if (data) {
		if (nl_size(data) < sizeof(*pm))
			return -EINVAL;
		pm = nl_data(data);
		nl_parse_at(data, sizeof(*pm), &a);
	}
	if (a.tb[IFLA_NET_NS_FD] || a.tb[IFLA_NET_NS_PID]) {
		err = target_ns(q, &a, &peer_ns);
		if (err < 0)
			return err;
	} else {
		peer_ns = net_ns_get(ns);
	}
	err = net_ns_stack(peer_ns) ? parse_config(peer_ns, pm, &a, "veth", &peer) : -ENOMEM;
	/* Two names that nobody chose, in one namespace. */
	if (err == 0 && peer_ns == ns && !a.tb[IFLA_IFNAME] && strcmp(peer.name, c->name) == 0)
		snprintf(peer.name, sizeof(peer.name), "veth%u", (unsigned int)strtoul(c->name + 4, NULL, 10) + 1);
	if (err == 0)
		err = virtual_link_pair(ns, c, &c->ifindex, peer_ns, &peer, &peer_index);
	if (err == 0)
		(void)bring_up(peer_ns, peer_index, pm); /* always possible, unless it is gone already */
	net_ns_put(peer_ns);
	return err;
}

static int new_dummy(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a, const struct nlattr *data)
{
	(void)q;
	(void)a;
	(void)data;
	return virtual_link_dummy(ns, c, &c->ifindex);
}

static int new_bridge(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a, const struct nlattr *data)
{
	(void)q;
	(void)a;
	(void)data;
	return virtual_link_bridge(ns, c, &c->ifindex);
}

/* On the interface IFLA_LINK of the namespace that is asked. */
static int new_upper(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a)
{
	if (!a->tb[IFLA_LINK])
		return -EINVAL;
	c->upper.lower = nl_u32(a->tb[IFLA_LINK]);
	if (!c->upper.lower) /* which says that it is elsewhere */
		return -ENODEV;
	if (!a->tb[IFLA_MTU])
		c->mtu = 0;
	return ns == q->net ? virtual_link_upper(ns, c, &c->ifindex) : virtual_link_upper_away(q->net, ns, c, &c->ifindex);
}

/* Priorities are neither mapped nor are there protocols that ask for VLANs. */
static int new_vlan(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a, const struct nlattr *data)
{
	struct nl_attrs d = { .tb = { NULL } };
	struct ifla_vlan_flags flags = { .flags = 0 };
	uint16_t id;

	if (data)
		nl_parse_nested(data, &d);
	if (!d.tb[IFLA_VLAN_ID] || nl_size(d.tb[IFLA_VLAN_ID]) < sizeof(id))
		return -EINVAL;
	if (d.tb[IFLA_VLAN_FLAGS] && nl_size(d.tb[IFLA_VLAN_FLAGS]) >= sizeof(flags))
		memcpy(&flags, nl_data(d.tb[IFLA_VLAN_FLAGS]), sizeof(flags));
	if ((flags.flags & flags.mask & ~1u) || ((flags.mask & 1) && !(flags.flags & 1)) || d.tb[IFLA_VLAN_EGRESS_QOS] ||
	    d.tb[IFLA_VLAN_INGRESS_QOS])
		return -EOPNOTSUPP;
	memcpy(&id, nl_data(d.tb[IFLA_VLAN_ID]), sizeof(id));
	c->upper = (struct upper_config){ .type = UPPER_VLAN, .vlan_id = id, .vlan_proto = 0x8100 };
	if (d.tb[IFLA_VLAN_PROTOCOL])
		c->upper.vlan_proto = nl_u16be(d.tb[IFLA_VLAN_PROTOCOL]);
	return new_upper(q, ns, c, a);
}

static int new_macvlan(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a, const struct nlattr *data)
{
	struct nl_attrs d = { .tb = { NULL } };

	if (data)
		nl_parse_nested(data, &d);
	if (nl_u32(d.tb[IFLA_MACVLAN_MODE]) == MACVLAN_MODE_SOURCE)
		return -EOPNOTSUPP;
	c->upper = (struct upper_config){ .type = UPPER_MACVLAN, .macvlan_mode = MACVLAN_VEPA };
	if (d.tb[IFLA_MACVLAN_MODE])
		c->upper.macvlan_mode = (uint8_t)MIN(nl_u32(d.tb[IFLA_MACVLAN_MODE]), 255u);
	return new_upper(q, ns, c, a);
}

static const struct {
	const char *name;
	/* Made in ns, of c's name, MAC, MTU; c->ifindex is set.  a: the request's attributes; data: IFLA_INFO_DATA or NULL. */
	int (*make)(struct nl_request *q, struct net_ns *ns, struct nic_config *c, const struct nl_attrs *a, const struct nlattr *data);
} kinds[] = {
	{ "bridge", new_bridge }, { "dummy", new_dummy }, { "macvlan", new_macvlan },
	{ "veth", new_veth }, { "vlan", new_vlan },
};

int rtnetlink_new_link(struct nl_request *q, const struct ifinfomsg *m, const struct nl_attrs *a)
{
	struct nl_attrs info = { .tb = { NULL } };
	struct nic_config c = { .mtu = 0 };
	char kind[16] = { 0 };
	struct net_ns *ns;
	size_t k = 0;
	int err;

	if (a->tb[IFLA_LINKINFO])
		nl_parse_nested(a->tb[IFLA_LINKINFO], &info);
	if (info.tb[IFLA_INFO_KIND])
		memcpy(kind, nl_data(info.tb[IFLA_INFO_KIND]),
		       MIN(nl_size(info.tb[IFLA_INFO_KIND]), sizeof(kind) - 1));
	while (k < ARRAY_SIZE(kinds) && strcmp(kind, kinds[k].name) != 0)
		k++;
	if (k == ARRAY_SIZE(kinds))
		return -EOPNOTSUPP;
	err = target_ns(q, a, &ns);
	if (err < 0)
		return err;
	err = net_ns_stack(ns) ? parse_config(ns, m, a, kind, &c) : -ENOMEM;
	if (err == 0)
		err = kinds[k].make(q, ns, &c, a, info.tb[IFLA_INFO_DATA]);
	if (err == 0) {
		err = bring_up(ns, c.ifindex, m);
		if (err == 0 && a->tb[IFLA_MASTER])
			err = rtnetlink_set_master(net_ns_stack(ns), c.ifindex, nl_u32(a->tb[IFLA_MASTER]));
		if (err < 0)
			(void)rtnetlink_remove_link(ns, c.ifindex);
	}
	net_ns_put(ns);
	return err;
}

int rtnetlink_move_link(struct nl_request *q, uint32_t ifindex, const char *name, const struct nl_attrs *a)
{
	struct net_ns *ns;
	int err = target_ns(q, a, &ns);

	if (err < 0)
		return err;
	if (ns != q->net) {
		err = net_ns_stack(ns) ? virtual_link_move(q->net, ifindex, ns, name) : -ENOMEM;
		if (err == -ENODEV)
			err = -EOPNOTSUPP; /* it is there, but not one of these */
	}
	net_ns_put(ns);
	return err;
}
