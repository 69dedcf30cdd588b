/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys_net.c: /sys/class/net: a directory for each interface of the reader's network namespace.
 *
 * Linux shows links into /sys/devices there; here they are the directories themselves.  An inode's key
 * is the interface's index.  Linux: net/core/net-sysfs.c.
 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "netstack/stack.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/proc_net.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/task/task_impl.h"

/* Run fn with the stack of the reader's namespace; err where there is none. */
static int with_stack(const struct pfs_req *r, int (*fn)(struct stack *s, void *arg), void *arg, int err)
{
	struct ns_set *set = r->reader ? task_ns_get(r->reader) : NULL;
	struct stack *s = set ? net_ns_stack(set->net) : NULL;

	if (s)
		err = fn(s, arg);
	ns_set_put(set);
	return err;
}

struct look {
	uint32_t ifindex;
	const char *name;
	int64_t from;
	struct nic_info info;
};

static int fn_info(struct stack *s, void *arg)
{
	struct look *l = arg;
	uint32_t ifindex = l->name ? nic_by_name(s, l->name) : l->ifindex;

	return nic_info(s, ifindex, &l->info) < 0 ? -ENOENT : 0;
}

static int info_of(const struct pfs_req *r, struct nic_info *out)
{
	struct look l = { .ifindex = (uint32_t)r->i->key };
	int err = with_stack(r, fn_info, &l, -ENOENT);

	if (err == 0)
		*out = l.info;
	return err;
}

/* ---- attributes -------------------------------------------------------------------------------- */

enum attr_name {
	A_ADDR_LEN, A_ADDRESS, A_BROADCAST, A_CARRIER, A_DORMANT, A_DUPLEX, A_FLAGS, A_IFALIAS, A_IFINDEX,
	A_IFLINK, A_LINK_MODE, A_MTU, A_NETDEV_GROUP, A_OPERSTATE, A_SPEED, A_TX_QUEUE_LEN, A_TYPE, A_UEVENT,
	A_ASSIGN_TYPE, A_NAME_TYPE, A_DEV_ID, A_CARRIER_CHANGES, A_ZERO,
	S_COLLISIONS, S_MULTICAST, S_RX_BYTES, S_RX_DROPPED, S_RX_ERRORS, S_RX_PACKETS, S_TX_BYTES, S_TX_DROPPED,
	S_TX_ERRORS, S_TX_PACKETS,
};

static void put_mac(struct buf *b, const struct nic_info *i, const uint8_t m[6])
{
	if (i->type == LINK_IP)
		buf_putc(b, '\n');
	else
		buf_printf(b, "%02x:%02x:%02x:%02x:%02x:%02x\n", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static uint64_t statistic(const struct nic_stats *s, enum attr_name a)
{
	switch (a) {
	case S_MULTICAST: return s->multicast;
	case S_RX_BYTES: return s->rx_bytes;
	case S_RX_DROPPED: return s->rx_dropped;
	case S_RX_ERRORS: return s->rx_errors;
	case S_RX_PACKETS: return s->rx_packets;
	case S_TX_BYTES: return s->tx_bytes;
	case S_TX_DROPPED: return s->tx_dropped;
	case S_TX_ERRORS: return s->tx_errors;
	case S_TX_PACKETS: return s->tx_packets;
	default: return 0;
	}
}

static int show_attr(const struct nic_info *i, enum attr_name a, struct buf *b)
{
	bool up = i->flags & IFF_UP;

	switch (a) {
	case A_ADDR_LEN:
		buf_printf(b, "%u\n", i->type == LINK_IP ? 0 : 6);
		break;
	case A_ADDRESS:
		put_mac(b, i, i->mac);
		break;
	case A_BROADCAST:
		put_mac(b, i, i->broadcast);
		break;
	case A_CARRIER:
		if (!up)
			return -EINVAL;
		buf_puts(b, "1\n");
		break;
	case A_DUPLEX:
	case A_SPEED:
		if (i->type != LINK_ETHERNET || !up)
			return -EINVAL;
		buf_puts(b, a == A_SPEED ? "10000\n" : "full\n"); /* as veth says */
		break;
	case A_FLAGS:
		buf_printf(b, "0x%x\n", i->flags & 0xffff & ~(unsigned int)IFF_RUNNING);
		break;
	case A_IFALIAS:
		buf_putc(b, '\n');
		break;
	case A_IFINDEX:
	case A_IFLINK:
		buf_printf(b, "%u\n", i->ifindex);
		break;
	case A_MTU:
		buf_printf(b, "%u\n", i->mtu);
		break;
	case A_ASSIGN_TYPE: /* NET_ADDR_PERM; what was given to it from outside: NET_ADDR_SET */
		buf_printf(b, "%d\n", i->type == LINK_ETHERNET ? 3 : 0);
		break;
	case A_NAME_TYPE: /* NET_NAME_PREDICTABLE, NET_NAME_USER */
		if (i->type == LINK_LOOPBACK)
			buf_puts(b, "2\n");
		else
			buf_puts(b, "3\n");
		break;
	case A_DEV_ID:
		buf_puts(b, "0x0\n");
		break;
	case A_CARRIER_CHANGES: /* loopback's is never lost; of the others one is known */
		buf_printf(b, "%d\n", i->type == LINK_LOOPBACK ? 0 : 1);
		break;
	case A_ZERO:
	case A_DORMANT:
	case A_LINK_MODE:
	case A_NETDEV_GROUP:
		buf_puts(b, "0\n");
		break;
	case A_OPERSTATE:
		buf_puts(b, i->type == LINK_LOOPBACK ? "unknown\n" : up ? "up\n" : "down\n");
		break;
	case A_TX_QUEUE_LEN:
		buf_printf(b, "%u\n", i->txqlen);
		break;
	case A_TYPE:
		buf_printf(b, "%d\n", i->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
				      i->type == LINK_ETHERNET ? ARPHRD_ETHER : ARPHRD_NONE);
		break;
	case A_UEVENT:
		buf_printf(b, "INTERFACE=%s\nIFINDEX=%u\n", i->name, i->ifindex);
		break;
	default:
		buf_printf(b, "%llu\n", (unsigned long long)statistic(&i->stats, a));
	}
	return 0;
}

static int show(const struct pfs_req *r, struct buf *b)
{
	const enum attr_name *a = r->i->entry->arg;
	struct nic_info i;
	int err = info_of(r, &i);

	return err < 0 ? err : show_attr(&i, *a, b);
}

#define ROW(text, attr)                                                                             \
	{ .name = text, .mode = S_IFREG | 0444, .show = show, .arg = &(const enum attr_name){ attr } }

static const struct pfs_entry statistics_rows[] = {
	ROW("collisions", S_COLLISIONS), ROW("multicast", S_MULTICAST), ROW("rx_bytes", S_RX_BYTES),
	ROW("rx_dropped", S_RX_DROPPED), ROW("rx_errors", S_RX_ERRORS), ROW("rx_packets", S_RX_PACKETS),
	ROW("tx_bytes", S_TX_BYTES), ROW("tx_dropped", S_TX_DROPPED), ROW("tx_errors", S_TX_ERRORS),
	ROW("tx_packets", S_TX_PACKETS),
	/* of cards alone, or of things that are not counted apart */
	ROW("rx_compressed", A_ZERO), ROW("rx_crc_errors", A_ZERO), ROW("rx_fifo_errors", A_ZERO),
	ROW("rx_frame_errors", A_ZERO), ROW("rx_length_errors", A_ZERO), ROW("rx_missed_errors", A_ZERO),
	ROW("rx_nohandler", A_ZERO), ROW("rx_over_errors", A_ZERO), ROW("tx_aborted_errors", A_ZERO),
	ROW("tx_carrier_errors", A_ZERO), ROW("tx_compressed", A_ZERO), ROW("tx_fifo_errors", A_ZERO),
	ROW("tx_heartbeat_errors", A_ZERO), ROW("tx_window_errors", A_ZERO), { .name = NULL },
};
static const struct pfs_dir statistics_dir = { .entries = statistics_rows };

static const struct pfs_entry nic_rows[] = {
	ROW("addr_len", A_ADDR_LEN), ROW("address", A_ADDRESS), ROW("broadcast", A_BROADCAST),
	ROW("carrier", A_CARRIER), ROW("dormant", A_DORMANT), ROW("duplex", A_DUPLEX), ROW("flags", A_FLAGS),
	ROW("ifalias", A_IFALIAS), ROW("ifindex", A_IFINDEX), ROW("iflink", A_IFLINK),
	ROW("link_mode", A_LINK_MODE), ROW("mtu", A_MTU), ROW("netdev_group", A_NETDEV_GROUP),
	ROW("operstate", A_OPERSTATE), ROW("speed", A_SPEED), ROW("tx_queue_len", A_TX_QUEUE_LEN),
	ROW("type", A_TYPE), ROW("uevent", A_UEVENT),
	ROW("addr_assign_type", A_ASSIGN_TYPE), ROW("name_assign_type", A_NAME_TYPE), ROW("dev_id", A_DEV_ID),
	ROW("dev_port", A_ZERO), ROW("carrier_changes", A_CARRIER_CHANGES), ROW("carrier_up_count", A_CARRIER_CHANGES),
	ROW("carrier_down_count", A_ZERO), ROW("proto_down", A_ZERO), ROW("testing", A_ZERO), ROW("threaded", A_ZERO),
	ROW("gro_flush_timeout", A_ZERO), ROW("napi_defer_hard_irqs", A_ZERO),
	{ .name = "statistics", .mode = S_IFDIR | 0555, .dir = &statistics_dir },
	{ .name = NULL },
};
static const struct pfs_dir nic_dir = { .entries = nic_rows };

/* Names are not kept: another namespace's reader, or after a rename, looks again. */
static bool nic_alive(const struct pfs_req *r)
{
	(void)r;
	return false;
}

static const struct pfs_entry nic_entry = {
	.name = "", .mode = S_IFDIR | 0555, .dir = &nic_dir, .alive = nic_alive,
};

/* ---- the directory ----------------------------------------------------------------------------- */

static int net_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	struct look l = { .name = name };
	int err = with_stack(r, fn_info, &l, -ENOENT);

	if (err < 0)
		return err;
	out->entry = &nic_entry;
	out->key = l.info.ifindex;
	return 0;
}

/* The interface with the lowest index >= from. */
static int next_one(void *arg, const struct nic_info *i)
{
	struct look *l = arg;

	if (i->ifindex >= l->from && (!l->info.ifindex || i->ifindex < l->info.ifindex))
		l->info = *i;
	return 0;
}

static int fn_next(struct stack *s, void *arg)
{
	return nic_for_each(s, next_one, arg);
}

static int net_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	struct look l = { .from = from };
	int err = with_stack(r, fn_next, &l, 0);

	if (err < 0 || !l.info.ifindex)
		return err;
	out->entry = &nic_entry;
	out->key = out->cookie = l.info.ifindex;
	snprintf(out->name, sizeof(out->name), "%.15s", l.info.name);
	return 1;
}

static const struct pfs_dir class_net_dir = { .lookup = net_lookup, .next = net_next };

int sys_net_init(void)
{
	static const struct pfs_entry e = { .mode = S_IFDIR | 0555, .dir = &class_net_dir };

	return sysfs_add("class/net", &e);
}
