/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uevent.c: NETLINK_KOBJECT_UEVENT: what udev and systemd-networkd hear of network interfaces: "add", "move" (another name), "remove".
 *
 * The stack tells that something of an interface has changed (rtnetlink_event()); what was announced of each before is kept in the
 * network namespace, under its netlink_latch.  lo is there with the namespace, before anybody listens.
 *
 * Linux: kobject_uevent_env() (lib/kobject_uevent.c), which tells of queues too; to each namespace its own interfaces.
 */
#include <linux/netlink.h>
#include <stdatomic.h>
#include <string.h>

#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"

#define LO_INDEX      1
#define UEVENT_GROUP  1

static atomic_ullong sequence;

static void put(struct nl_reply *r, const char *key, const char *prefix, const char *value)
{
	nl_put(r, key, strlen(key));
	nl_put(r, prefix, strlen(prefix));
	nl_put(r, value, strlen(value) + 1);
}

static void put_number(struct nl_reply *r, const char *key, unsigned long long v)
{
	buf_printf(&r->b, "%s%llu", key, v);
	buf_putc(&r->b, '\0');
}

static void tell(struct net_ns *net, const char *action, const struct nic_info *i, const char *old)
{
	static const char folder[] = "/devices/virtual/net/";
	struct nl_reply r = { .b = BUF_INIT };

	nl_put(&r, action, strlen(action));
	put(&r, "@", folder, i->name);
	put(&r, "ACTION=", "", action);
	put(&r, "DEVPATH=", folder, i->name);
	put(&r, "SUBSYSTEM=", "", "net");
	if (i->kind && (i->upper.type || strcmp(i->kind, "bridge") == 0))
		put(&r, "DEVTYPE=", "", i->kind);
	if (old)
		put(&r, "DEVPATH_OLD=", folder, old);
	put(&r, "INTERFACE=", "", i->name);
	put_number(&r, "IFINDEX=", i->ifindex);
	put_number(&r, "SEQNUM=", atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed) + 1);
	netlink_multicast(net, NETLINK_KOBJECT_UEVENT, UEVENT_GROUP, &r);
}

void uevent_link(struct net_ns *net, const struct nic_info *i, bool gone)
{
	size_t at = ARRAY_SIZE(net->announced), room = at;
	const char *action = NULL;
	char old[IFNAMSIZ] = "";

	if (i->ifindex == LO_INDEX)
		return;
	latch_lock(&net->netlink_latch);
	for (size_t k = 0; k < ARRAY_SIZE(net->announced); k++) {
		if (net->announced[k].ifindex == i->ifindex)
			at = k;
		else if (net->announced[k].ifindex == 0 && room == ARRAY_SIZE(net->announced))
			room = k;
	}
	if (at < ARRAY_SIZE(net->announced)) {
		memcpy(old, net->announced[at].name, sizeof(old));
		if (gone)
			action = "remove";
		else if (strncmp(old, i->name, sizeof(old)) != 0)
			action = "move";
	} else if (!gone && room < ARRAY_SIZE(net->announced)) {
		at = room;
		action = "add";
	}
	if (action) {
		net->announced[at].ifindex = gone ? 0 : i->ifindex;
		memcpy(net->announced[at].name, i->name, sizeof(net->announced[at].name));
	}
	latch_unlock(&net->netlink_latch);
	if (action)
		tell(net, action, i, action[0] == 'm' ? old : NULL);
}
