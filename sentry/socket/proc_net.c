/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_net.c: the stack's files of /proc/net (proc_pid_net(5)) and of /sys/class/net.
 *
 * The texts are those of Linux 6.6, byte by byte where programs parse columns: net/core/net-procfs.c,
 * net/ipv4/{tcp_ipv4,udp,raw,proc,arp,fib_trie}.c, net/ipv6/{addrconf,route,proc}.c.
 */
#include "sentry/socket/proc_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "netstack/ep.h"
#include "sentry/proc/proc.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/socket.h"
#include "sentry/task/task_impl.h"

struct show {
	struct buf *b;
	unsigned int line;
	int family, type;
	struct stack *stack;
};

/* Run fn with the stack of the namespace that r is about; without one nothing is shown. */
static int with_stack(const struct pfs_req *r, struct show *sh, int (*fn)(struct show *sh))
{
	struct ns_set *set = proc_ns_get(r);
	int err = 0;

	sh->stack = set ? net_ns_stack(set->net) : NULL;
	if (sh->stack)
		err = fn(sh);
	ns_set_put(set);
	return err;
}

/* ---- sockets ----------------------------------------------------------------------------------- */

static void pad_line(struct buf *b, size_t start, size_t width)
{
	while (b->size - start < width && !buf_error(b))
		buf_putc(b, ' ');
	buf_putc(b, '\n');
}

static void put_addr(struct buf *b, int family, const struct net_addr *a)
{
	if (family == AF_INET)
		buf_printf(b, "%08X:%04X", a->ip.w[3], a->port);
	else
		buf_printf(b, "%08X%08X%08X%08X:%04X", a->ip.w[0], a->ip.w[1], a->ip.w[2], a->ip.w[3],
			   a->port);
}

static int show_socket(void *arg, const struct ep_info *i)
{
	struct show *sh = arg;
	struct buf *b = sh->b;
	size_t start = b->size;
	bool tcp = sh->type == SOCK_STREAM;

	if (i->family != sh->family || i->type != sh->type || (tcp && i->state == 7)) /* only bound */
		return 0;
	buf_printf(b, sh->type == SOCK_DGRAM ? "%5u: " : "%4u: ", sh->line++);
	put_addr(b, sh->family, &i->local);
	buf_putc(b, ' ');
	put_addr(b, sh->family, &i->remote);
	buf_printf(b, " %02X %08X:%08X %02X:%08X %08X %5u %8u %llu %u %016x", i->state, i->wqueue, i->rqueue,
		   i->timer, i->timer_ms / 10, i->retrans, i->uid, i->probes,
		   (unsigned long long)i->inode, i->refs, 0);
	if (!tcp)
		buf_printf(b, " %u", i->drops);
	else if (i->state == 10)
		buf_puts(b, " 100 0 0 10 0");
	else if (i->state != 6)
		buf_puts(b, " 20 4 30 10 -1");
	if (sh->family == AF_INET && sh->type != SOCK_RAW)
		pad_line(b, start, tcp ? 149 : 127);
	else
		buf_putc(b, '\n');
	return 0;
}

#define HEADER_END "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

static void show_socket_header(struct buf *b, int family, int type)
{
	bool padded = family == AF_INET && type != SOCK_RAW;

	if (family == AF_INET)
		buf_printf(b, "%ssl  local_address rem_address   ", type == SOCK_DGRAM ? "   " : "  ");
	else
		buf_puts(b, "  sl  local_address                         remote_address                        ");
	buf_puts(b, HEADER_END);
	if (type != SOCK_STREAM)
		buf_puts(b, " ref pointer drops");
	if (padded)
		pad_line(b, 0, type == SOCK_STREAM ? 149 : 127);
	else
		buf_putc(b, '\n');
}

static int show_sockets_of(struct show *sh, int proto)
{
	return ep_for_each(sh->stack, proto, show_socket, sh);
}

static int fn_tcp(struct show *sh) { return show_sockets_of(sh, IPPROTO_TCP); }
static int fn_udp(struct show *sh) { return show_sockets_of(sh, IPPROTO_UDP); }
static int fn_udplite(struct show *sh) { return show_sockets_of(sh, IPPROTO_UDPLITE); }
static int fn_icmp(struct show *sh) { return show_sockets_of(sh, IPPROTO_ICMP); }
static int fn_icmp6(struct show *sh) { return show_sockets_of(sh, IPPROTO_ICMPV6); }
static int fn_raw(struct show *sh) { return show_sockets_of(sh, EP_PROTO_ANY); }

static int show_sockets(const struct pfs_req *r, struct buf *b, int family, int type,
			int (*fn)(struct show *sh))
{
	struct show sh = { .b = b, .family = family, .type = type };

	show_socket_header(b, family, type);
	return with_stack(r, &sh, fn);
}

#define SOCKETS(name, family, type, fn)                                   \
	static int show_##name(const struct pfs_req *r, struct buf *b)    \
	{                                                                 \
		return show_sockets(r, b, family, type, fn);              \
	}
SOCKETS(tcp, AF_INET, SOCK_STREAM, fn_tcp)
SOCKETS(tcp6, AF_INET6, SOCK_STREAM, fn_tcp)
SOCKETS(udp, AF_INET, SOCK_DGRAM, fn_udp)
SOCKETS(udp6, AF_INET6, SOCK_DGRAM, fn_udp)
SOCKETS(udplite, AF_INET, SOCK_DGRAM, fn_udplite)
SOCKETS(udplite6, AF_INET6, SOCK_DGRAM, fn_udplite)
SOCKETS(icmp6, AF_INET6, SOCK_DGRAM, fn_icmp6)
SOCKETS(raw, AF_INET, SOCK_RAW, fn_raw)
SOCKETS(raw6, AF_INET6, SOCK_RAW, fn_raw)

/* As UDP's, but for a blank in the header (ping_v4_seq_start()). */
static int show_icmp(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b, .family = AF_INET, .type = SOCK_DGRAM };

	buf_puts(b, "  sl  local_address rem_address   " HEADER_END " ref pointer drops");
	pad_line(b, 0, 127);
	return with_stack(r, &sh, fn_icmp);
}

struct count {
	unsigned int tcp[2], tw, udp[2], udplite[2], raw[2];
};

static int count_one(void *arg, const struct ep_info *i)
{
	struct count *c = arg;
	int six = i->family == AF_INET6;

	if (i->family != AF_INET && i->family != AF_INET6)
		return 0;
	if (i->type == SOCK_RAW)
		c->raw[six]++;
	else if (i->type == SOCK_DGRAM)
		(i->proto == IPPROTO_UDPLITE ? c->udplite : c->udp)[six]++;
	else if (i->state == 6)
		c->tw++;
	else
		c->tcp[six]++;
	return 0;
}

static int count_all(struct stack *s, struct count *c)
{
	return ep_for_each(s, EP_PROTO_ANY, count_one, c);
}

static int fn_sockstat(struct show *sh)
{
	struct count c = { .tw = 0 };
	uint64_t pages = stack_memory(sh->stack) / 4096;
	int err = count_all(sh->stack, &c);

	buf_printf(sh->b, "sockets: used %u\n", c.tcp[0] + c.tcp[1] + c.udp[0] + c.udp[1] + c.raw[0] + c.raw[1]);
	buf_printf(sh->b, "TCP: inuse %u orphan 0 tw %u alloc %u mem %llu\n", c.tcp[0], c.tw,
		   c.tcp[0] + c.tcp[1], (unsigned long long)pages);
	buf_printf(sh->b, "UDP: inuse %u mem 0\nUDPLITE: inuse %u\nRAW: inuse %u\nFRAG: inuse 0 memory 0\n",
		   c.udp[0], c.udplite[0], c.raw[0]);
	return err;
}

static int show_sockstat(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_sockstat);
}

static int fn_sockstat6(struct show *sh)
{
	struct count c = { .tw = 0 };
	int err = count_all(sh->stack, &c);

	buf_printf(sh->b, "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse %u\nRAW6: inuse %u\nFRAG6: inuse 0 memory 0\n",
		   c.tcp[1], c.udp[1], c.udplite[1], c.raw[1]);
	return err;
}

static int show_sockstat6(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_sockstat6);
}

/* ---- interfaces, routes, neighbours ------------------------------------------------------------ */

static int dev_one(void *arg, const struct nic_info *i)
{
	const struct nic_stats *s = &i->stats;

	buf_printf(arg, "%6s: %7llu %7llu %4llu %4llu %4u %5u %10u %9llu %8llu %7llu %4llu %4llu %4u %5u %7u %10u\n",
		   i->name, (unsigned long long)s->rx_bytes, (unsigned long long)s->rx_packets,
		   (unsigned long long)s->rx_errors, (unsigned long long)s->rx_dropped, 0, 0, 0,
		   (unsigned long long)s->multicast, (unsigned long long)s->tx_bytes,
		   (unsigned long long)s->tx_packets, (unsigned long long)s->tx_errors,
		   (unsigned long long)s->tx_dropped, 0, 0, 0, 0);
	return 0;
}

static int fn_dev(struct show *sh) { return nic_for_each(sh->stack, dev_one, sh->b); }

static int show_dev(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	buf_puts(b, "Inter-|   Receive                                                |  Transmit\n"
		    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
		    "drop fifo colls carrier compressed\n");
	return with_stack(r, &sh, fn_dev);
}

static void nic_name(struct stack *s, uint32_t ifindex, char out[static IFNAMSIZ])
{
	struct nic_info i;

	strcpy(out, "*");
	if (nic_info(s, ifindex, &i) == 0)
		memcpy(out, i.name, IFNAMSIZ);
}

static unsigned int route_flag_bits(const struct route_info *i)
{
	unsigned int flags = i->type >= ROUTE_BLACKHOLE ? 0x200 : 0; /* RTF_REJECT */

	flags |= 1; /* RTF_UP */
	if (!ipa_is_any(i->gateway))
		flags |= 2;
	if (i->plen == (i->family == AF_INET ? 32 : 128))
		flags |= 4;
	return flags;
}

/* Of several next hops the one that a list of single ones shows. */
static struct route_info with_hop(const struct route_info *i, unsigned int k)
{
	struct route_info one = *i;

	one.hops = NULL;
	one.ifindex = i->hops->hop[k].ifindex;
	one.gateway = i->hops->hop[k].gateway;
	return one;
}

static int route4_one(void *arg, const struct route_info *i)
{
	struct route_info one;
	struct show *sh = arg;
	size_t start = sh->b->size;
	char name[IFNAMSIZ];

	if (i->family != AF_INET || i->table == 255 || i->type == ROUTE_BROADCAST || i->type == ROUTE_MULTICAST)
		return 0;
	if (i->hops) { /* fib_route_seq_show(): the first */
		one = with_hop(i, 0);
		i = &one;
	}
	nic_name(sh->stack, i->ifindex, name);
	buf_printf(sh->b, "%s\t%08X\t%08X\t%04X\t%d\t%u\t%u\t%08X\t%u\t%u\t%u", name, i->dst.w[3],
		   ipa_is_any(i->gateway) ? 0 : i->gateway.w[3], route_flag_bits(i), 0, 0, i->metric,
		   i->plen ? htonl(~0u << (32 - i->plen)) : 0, i->mtu ? i->mtu + 40 : 0, 0, 0);
	pad_line(sh->b, start, 127);
	return 0;
}

static int fn_route(struct show *sh) { return route_for_each(sh->stack, route4_one, sh); }

static int show_route(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	buf_puts(b, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
	pad_line(b, 0, 127);
	return with_stack(r, &sh, fn_route);
}

static int fn_fib_trie(struct show *sh) { return proc_fib_show(sh->stack, sh->b); }

static int show_fib_trie(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_fib_trie);
}

static void put_hex6(struct buf *b, struct ipa a)
{
	for (unsigned int i = 0; i < 16; i++)
		buf_printf(b, "%02x", a.b[i]);
}

static int route6_one(void *arg, const struct route_info *i)
{
	struct show *sh = arg;
	char name[IFNAMSIZ];

	if (i->family != AF_INET6)
		return 0;
	for (unsigned int k = 0; i->hops && k < i->hops->count; k++) {
		struct route_info one = with_hop(i, k);

		if (!route_hop_is_gone(&i->hops->hop[k]))
			route6_one(arg, &one);
	}
	if (i->hops)
		return 0;
	nic_name(sh->stack, i->ifindex, name);
	put_hex6(sh->b, i->dst);
	buf_printf(sh->b, " %02x ", i->plen);
	put_hex6(sh->b, ipa_any6());
	buf_puts(sh->b, " 00 ");
	put_hex6(sh->b, ipa_is_any(i->gateway) ? ipa_any6() : i->gateway);
	buf_printf(sh->b, " %08x %08x %08x %08x %8s\n", i->metric, 1, 0,
		   route_flag_bits(i) | (i->type == ROUTE_LOCAL ? 0x80000000u : 0), name);
	return 0;
}

static int fn_route6(struct show *sh) { return route_for_each(sh->stack, route6_one, sh); }

static int show_route6(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_route6);
}

static int inet6_one(void *arg, const struct addr_info *a)
{
	struct show *sh = arg;
	char name[IFNAMSIZ];
	unsigned int scope = a->scope == 254 ? 0x10 : a->scope == 253 ? 0x20 : 0;

	if (ipa_is4(a->addr))
		return 0;
	nic_name(sh->stack, a->ifindex, name);
	put_hex6(sh->b, a->addr);
	buf_printf(sh->b, " %02x %02x %02x %02x %8s\n", a->ifindex, a->plen, scope,
		   (a->state & ADDR_TENTATIVE ? 0x40u : 0) | (a->valid_until_ns == INT64_MAX ? 0x80u : 0), name);
	return 0;
}

static int fn_inet6(struct show *sh) { return addr_for_each(sh->stack, inet6_one, sh); }

static int show_if_inet6(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_inet6);
}

static int arp_one(void *arg, const struct neigh_info *n)
{
	struct show *sh = arg;
	char name[IFNAMSIZ], ip[INET_ADDRSTRLEN];
	bool known = !(n->state & (NUD_INCOMPLETE | NUD_FAILED));

	if (!ipa_is4(n->addr))
		return 0;
	nic_name(sh->stack, n->ifindex, name);
	inet_ntop(AF_INET, &n->addr.b[12], ip, sizeof(ip));
	buf_printf(sh->b, "%-16s 0x%-10x0x%-10x%02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", ip, 1,
		   known ? (n->state & NUD_PERMANENT ? 6u : 2u) : 0u, n->mac[0], n->mac[1], n->mac[2], n->mac[3],
		   n->mac[4], n->mac[5], name);
	return 0;
}

static int fn_arp(struct show *sh) { return neigh_for_each(sh->stack, arp_one, sh); }

static int show_arp(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	buf_puts(b, "IP address       HW type     Flags       HW address            Mask     Device\n");
	return with_stack(r, &sh, fn_arp);
}

static void put_mac(struct buf *b, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < 6; i++)
		buf_printf(b, "%02x", mac[i]);
	buf_putc(b, '\n');
}

/* igmp_mc_seq_show(): a line for each interface, then its groups. */
static int igmp_one(void *arg, const struct mcast_info *m)
{
	struct show *sh = arg;

	if (!ipa_is4(m->group))
		return 0;
	if (m->ifindex != sh->line) {
		sh->line = m->ifindex;
		buf_printf(sh->b, "%u\t%-10s: %5u %7s\n", m->ifindex, m->name, m->count4, "V2");
	}
	buf_printf(sh->b, "\t\t\t\t%08X %5u %d:%08X\t\t%d\n", m->group.w[3], m->users, 0, 0, 0);
	return 0;
}

/* igmp6_mc_seq_show(); flags: 4 loaded, 8 never reported. */
static int igmp6_one(void *arg, const struct mcast_info *m)
{
	struct show *sh = arg;

	if (ipa_is4(m->group))
		return 0;
	buf_printf(sh->b, "%-4u %-15s ", m->ifindex, m->name);
	put_hex6(sh->b, m->group);
	buf_printf(sh->b, " %5u %08X %d\n", m->users,
		   m->silent ? ((m->group.b[1] & 15) == 1 ? 8u : 0xCu) : 4u, 0);
	return 0;
}

static int dev_mcast_one(void *arg, const struct mcast_info *m)
{
	struct show *sh = arg;
	uint8_t mac[6] = { 0x33, 0x33, m->group.b[12], m->group.b[13], m->group.b[14], m->group.b[15] };

	/* ff01::1 never leaves the node: no link address */
	if (!m->ethernet || (!ipa_is4(m->group) && (m->group.b[1] & 15) <= 1))
		return 0;
	if (ipa_is4(m->group))
		memcpy(mac, (uint8_t[]){ 1, 0, 0x5e, m->group.b[13] & 0x7f }, 4);
	buf_printf(sh->b, "%-4u %-15s %-5u %-5d ", m->ifindex, m->name, m->users, 0);
	put_mac(sh->b, mac);
	return 0;
}

static int fn_igmp(struct show *sh) { return mcast_for_each(sh->stack, igmp_one, sh); }
static int fn_igmp6(struct show *sh) { return mcast_for_each(sh->stack, igmp6_one, sh); }
static int fn_dev_mcast(struct show *sh) { return mcast_for_each(sh->stack, dev_mcast_one, sh); }

static int show_igmp(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	buf_puts(b, "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n");
	return with_stack(r, &sh, fn_igmp);
}

static int show_igmp6(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_igmp6);
}

static int show_dev_mcast(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_dev_mcast);
}

/* ---- counters ---------------------------------------------------------------------------------- */

struct column {
	const char *name;
	int stat;  /* enum net_stat, or -1: value */
	int value;
};

#define C(group, n) { #n, NS_##group##n, 0 }
#define K(n, v)     { #n, -1, v }

static const struct column ip_columns[] = {
	K(Forwarding, 2), K(DefaultTTL, 64), C(Ip, InReceives), C(Ip, InHdrErrors), C(Ip, InAddrErrors),
	C(Ip, ForwDatagrams), C(Ip, InUnknownProtos), C(Ip, InDiscards), C(Ip, InDelivers), C(Ip, OutRequests),
	C(Ip, OutDiscards), C(Ip, OutNoRoutes), C(Ip, ReasmTimeout), C(Ip, ReasmReqds), C(Ip, ReasmOKs),
	C(Ip, ReasmFails), C(Ip, FragOKs), C(Ip, FragFails), C(Ip, FragCreates),
};
static const struct column icmp_columns[] = {
	C(Icmp, InMsgs), C(Icmp, InErrors), C(Icmp, InCsumErrors), C(Icmp, InDestUnreachs),
	C(Icmp, InTimeExcds), C(Icmp, InParmProbs), K(InSrcQuenchs, 0), C(Icmp, InRedirects),
	C(Icmp, InEchos), C(Icmp, InEchoReps), K(InTimestamps, 0), K(InTimestampReps, 0), K(InAddrMasks, 0),
	K(InAddrMaskReps, 0), C(Icmp, OutMsgs), C(Icmp, OutErrors), C(Icmp, OutDestUnreachs),
	C(Icmp, OutTimeExcds), K(OutParmProbs, 0), K(OutSrcQuenchs, 0), K(OutRedirects, 0), C(Icmp, OutEchos),
	C(Icmp, OutEchoReps), K(OutTimestamps, 0), K(OutTimestampReps, 0), K(OutAddrMasks, 0),
	K(OutAddrMaskReps, 0),
};
static const struct column tcp_columns[] = {
	K(RtoAlgorithm, 1), K(RtoMin, 200), K(RtoMax, 120000), K(MaxConn, -1), C(Tcp, ActiveOpens),
	C(Tcp, PassiveOpens), C(Tcp, AttemptFails), C(Tcp, EstabResets), K(CurrEstab, 0), C(Tcp, InSegs),
	C(Tcp, OutSegs), C(Tcp, RetransSegs), C(Tcp, InErrs), C(Tcp, OutRsts), C(Tcp, InCsumErrors),
};
static const struct column udp_columns[] = {
	C(Udp, InDatagrams), C(Udp, NoPorts), C(Udp, InErrors), C(Udp, OutDatagrams), C(Udp, RcvbufErrors),
	C(Udp, SndbufErrors), C(Udp, InCsumErrors), K(IgnoredMulti, 0), K(MemErrors, 0),
};
static const struct column udplite_columns[] = {
	C(UdpLite, InDatagrams), C(UdpLite, NoPorts), C(UdpLite, InErrors), C(UdpLite, OutDatagrams),
	C(UdpLite, RcvbufErrors), K(SndbufErrors, 0), C(UdpLite, InCsumErrors), K(IgnoredMulti, 0), K(MemErrors, 0),
};

static const struct {
	const char *name;
	const struct column *columns;
	size_t count;
} snmp[] = {
	{ "Ip", ip_columns, ARRAY_SIZE(ip_columns) },
	{ "Icmp", icmp_columns, ARRAY_SIZE(icmp_columns) },
	{ "Tcp", tcp_columns, ARRAY_SIZE(tcp_columns) },
	{ "Udp", udp_columns, ARRAY_SIZE(udp_columns) },
	{ "UdpLite", udplite_columns, ARRAY_SIZE(udplite_columns) },
};

static int estab_one(void *arg, const struct ep_info *i)
{
	*(int *)arg += i->type == SOCK_STREAM && (i->state == 1 || i->state == 8);
	return 0;
}

static long long column_value(struct stack *s, const struct column *c)
{
	int established = 0;

	if (c->stat >= 0)
		return (long long)stack_stat(s, (enum net_stat)c->stat);
	if (!strcmp(c->name, "CurrEstab") && ep_for_each(s, IPPROTO_TCP, estab_one, &established) == 0)
		return established;
	if (!strcmp(c->name, "Forwarding"))
		return net_conf_get(s, (size_t)net_conf_find("ipv4.ip_forward")) ? 1 : 2;
	return c->value;
}

static int fn_snmp(struct show *sh)
{
	for (size_t g = 0; g < ARRAY_SIZE(snmp); g++) {
		buf_printf(sh->b, "%s:", snmp[g].name);
		for (size_t i = 0; i < snmp[g].count; i++)
			buf_printf(sh->b, " %s", snmp[g].columns[i].name);
		buf_printf(sh->b, "\n%s:", snmp[g].name);
		for (size_t i = 0; i < snmp[g].count; i++)
			buf_printf(sh->b, " %lld", column_value(sh->stack, &snmp[g].columns[i]));
		buf_putc(sh->b, '\n');
	}
	return 0;
}

static int show_snmp(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_snmp);
}

static int fn_snmp6(struct show *sh)
{
	for (int i = NS_Ip6InReceives; i <= NS_Icmp6OutRateLimited; i++) {
		const char *name = stack_stat_name((enum net_stat)i);

		if (!strncmp(name, "Ip6", 3) || !strncmp(name, "Icmp6", 5))
			buf_printf(sh->b, "%-32s\t%llu\n", name,
				   (unsigned long long)stack_stat(sh->stack, (enum net_stat)i));
	}
	return 0;
}

static int show_snmp6(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_snmp6);
}

static void put_ext(struct show *sh, const char *title, int from, int to)
{
	buf_printf(sh->b, "%s:", title);
	for (int i = from; i <= to; i++)
		buf_printf(sh->b, " %s", stack_stat_name((enum net_stat)i));
	buf_printf(sh->b, "\n%s:", title);
	for (int i = from; i <= to; i++)
		buf_printf(sh->b, " %llu", (unsigned long long)stack_stat(sh->stack, (enum net_stat)i));
	buf_putc(sh->b, '\n');
}

static int fn_netstat(struct show *sh)
{
	put_ext(sh, "TcpExt", NS_SyncookiesSent, NS_IPReversePathFilter);
	put_ext(sh, "IpExt", NS_InNoRoutes, NS_OutBcastPkts);
	return 0;
}

static int show_netstat(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	return with_stack(r, &sh, fn_netstat);
}

static int show_netlink(const struct pfs_req *r, struct buf *b)
{
	struct ns_set *set = proc_ns_get(r);

	netlink_show(set ? set->net : NULL, b);
	ns_set_put(set);
	return 0;
}

static int show_protocols(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_puts(b, "protocol  size sockets  memory press maxhdr  slab module\n");
	return 0;
}

/* packet_seq_show().  Addresses of the kernel's are zeros for who may not see them. */
static int show_packet_socket(void *arg, const struct ep_info *i)
{
	struct show *sh = arg;

	if (i->family == AF_PACKET)
		buf_printf(sh->b, "%016x %-6u %-4d %04x   %-5u %1d %-6u %-6u %-6llu\n", 0, i->refs, i->type,
			   i->local.ethertype, i->local.scope, i->packet.running, i->rqueue, i->uid,
			   (unsigned long long)i->inode);
	return 0;
}

static int fn_packet(struct show *sh)
{
	return ep_for_each(sh->stack, EP_PROTO_ANY, show_packet_socket, sh);
}

static int show_packet(const struct pfs_req *r, struct buf *b)
{
	struct show sh = { .b = b };

	buf_puts(b, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
	return with_stack(r, &sh, fn_packet);
}

struct net_file {
	const char *name;
	int (*show)(const struct pfs_req *r, struct buf *b);
	bool ours; /* also where sockets are the host's */
};

/* In a namespace of the host's (net_ns.h) the host's own file. */
static int show_file(const struct pfs_req *r, struct buf *b)
{
	const struct net_file *file = r->i->entry->arg;
	struct ns_set *set = proc_ns_get(r);
	bool host = set && set->net && set->net->host && !file->ours;
	char path[64];

	ns_set_put(set);
	if (!host)
		return file->show(r, b);
	snprintf(path, sizeof(path), "self/net/%s", file->name);
	return host_view_file(path, b);
}

int proc_net_files_init(void)
{
	static const struct net_file files[] = {
		{ "tcp", show_tcp, false }, { "tcp6", show_tcp6, false }, { "udp", show_udp, false },
		{ "udp6", show_udp6, false },
		{ "raw", show_raw, false }, { "raw6", show_raw6, false }, { "sockstat", show_sockstat, false },
		{ "sockstat6", show_sockstat6, false }, { "dev", show_dev, false }, { "route", show_route, false },
		{ "ipv6_route", show_route6, false }, { "if_inet6", show_if_inet6, false }, { "arp", show_arp, false },
		{ "snmp", show_snmp, false }, { "snmp6", show_snmp6, false }, { "netstat", show_netstat, false },
		{ "udplite", show_udplite, false }, { "udplite6", show_udplite6, false }, { "igmp", show_igmp, false },
		{ "icmp", show_icmp, false }, { "icmp6", show_icmp6, false }, { "fib_trie", show_fib_trie, false },
		{ "igmp6", show_igmp6, false }, { "dev_mcast", show_dev_mcast, false },
		{ "netlink", show_netlink, true }, { "protocols", show_protocols, false }, { "packet", show_packet, false },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !err; i++) {
		struct pfs_entry e = { .mode = S_IFREG | 0444, .show = show_file, .arg = &files[i] };

		err = proc_net_add(files[i].name, &e);
	}
	return err;
}
