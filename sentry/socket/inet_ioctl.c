/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inet_ioctl.c: netdevice(7): the SIOCGIF… and SIOCSIF… requests, SIOCADDRT and SIOCDELRT; arp(7)'s SIOCSARP,
 * SIOCGARP and SIOCDARP; any socket takes them, on the stack of its network namespace.
 *
 * Setting takes CAP_NET_ADMIN over the namespace.  Linux: net/core/dev_ioctl.c, net/ipv4/devinet.c
 * (devinet_ioctl), net/ipv4/fib_frontend.c (ip_rt_ioctl), net/ipv4/arp.c (arp_ioctl).
 */
#include "sentry/socket/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>

#include "netstack/stack.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/virtual_link.h"
#include "vfs/file.h"
#include "vfs/vfs.h"


struct request {
	struct vfs_ctx *c;
	struct stack *s;
	struct ifreq r;
	struct nic_info nic;
	struct addr_info addr; /* the first IPv4 address with that label */
	bool has_addr;
};

static void put_in(struct sockaddr *out, struct ipa a)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = ipa_is4(a) ? a.w[3] : 0;
	memcpy(out, &in, sizeof(in));
}

static uint32_t get_in(const struct sockaddr *in)
{
	struct sockaddr_in a;

	memcpy(&a, in, sizeof(a));
	return a.sin_addr.s_addr;
}

static uint32_t mask_of(unsigned int plen)
{
	return plen ? htonl(~0u << (32 - plen)) : 0;
}

static int find_addr(void *arg, const struct addr_info *a)
{
	struct request *q = arg;

	if (!ipa_is4(a->addr) || a->ifindex != q->nic.ifindex ||
	    strncmp(a->label, q->r.ifr_name, IFNAMSIZ) != 0)
		return 0;
	q->addr = *a;
	q->has_addr = true;
	return 1;
}

/* Fills nic and addr by ifr_name; "eth0:1" is an address of eth0 with that label. */
static int request_find(struct request *q)
{
	char base[IFNAMSIZ], *colon;

	q->r.ifr_name[IFNAMSIZ - 1] = '\0';
	memcpy(base, q->r.ifr_name, IFNAMSIZ);
	colon = strchr(base, ':');
	if (colon)
		*colon = '\0';
	if (nic_info(q->s, nic_by_name(q->s, base), &q->nic) < 0)
		return -ENODEV;
	(void)addr_for_each(q->s, find_addr, q);
	return 0;
}

/* ---- getting ----------------------------------------------------------------------------------- */

static int get_name(struct request *q)
{
	if (nic_info(q->s, (uint32_t)q->r.ifr_ifindex, &q->nic) < 0)
		return -ENODEV;
	memcpy(q->r.ifr_name, q->nic.name, IFNAMSIZ);
	return 0;
}

static int get_flags(struct request *q) { q->r.ifr_flags = (short)q->nic.flags; return 0; }
static int get_mtu(struct request *q) { q->r.ifr_mtu = (int)q->nic.mtu; return 0; }
static int get_metric(struct request *q) { q->r.ifr_metric = 0; return 0; }
static int get_index(struct request *q) { q->r.ifr_ifindex = (int)q->nic.ifindex; return 0; }
static int get_qlen(struct request *q) { q->r.ifr_qlen = (int)q->nic.txqlen; return 0; }
static int get_map(struct request *q) { memset(&q->r.ifr_map, 0, sizeof(q->r.ifr_map)); return 0; }

static int get_hwaddr(struct request *q)
{
	memset(&q->r.ifr_hwaddr, 0, sizeof(q->r.ifr_hwaddr));
	q->r.ifr_hwaddr.sa_family = q->nic.type == LINK_LOOPBACK ? ARPHRD_LOOPBACK :
				    q->nic.type == LINK_ETHERNET ? ARPHRD_ETHER : ARPHRD_NONE;
	memcpy(q->r.ifr_hwaddr.sa_data, q->nic.mac, sizeof(q->nic.mac));
	return 0;
}

static int get_addr(struct request *q)
{
	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	put_in(&q->r.ifr_addr, q->addr.addr);
	return 0;
}

static int get_dstaddr(struct request *q)
{
	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	put_in(&q->r.ifr_dstaddr, q->addr.peer);
	return 0;
}

static int get_brdaddr(struct request *q)
{
	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	put_in(&q->r.ifr_broadaddr, q->addr.broadcast);
	return 0;
}

static int get_netmask(struct request *q)
{
	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	put_in(&q->r.ifr_netmask, ipa_v4(mask_of(q->addr.plen)));
	return 0;
}

/* ---- setting ----------------------------------------------------------------------------------- */

static int set_flags(struct request *q)
{
	return nic_set_flags(q->s, q->nic.ifindex, (uint32_t)q->r.ifr_flags, UINT32_MAX);
}

static int set_mtu(struct request *q)
{
	return nic_set_mtu(q->s, q->nic.ifindex, (uint32_t)q->r.ifr_mtu);
}

static int set_hwaddr(struct request *q)
{
	return nic_set_mac(q->s, q->nic.ifindex, (const uint8_t *)q->r.ifr_hwaddr.sa_data);
}

static int set_name(struct request *q)
{
	return nic_set_name(q->s, q->nic.ifindex, q->r.ifr_newname);
}

/* The class of the address gives the mask, as before CIDR (devinet_ioctl, SIOCSIFADDR). */
static unsigned int class_plen(uint32_t be)
{
	uint32_t a = ntohl(be);

	if (IN_CLASSA(a))
		return 8;
	if (IN_CLASSB(a))
		return 16;
	return IN_CLASSC(a) ? 24 : 32;
}

/* Replace the address of that label. */
static int set_whole_addr(struct request *q, struct addr_info *a)
{
	int err = q->has_addr ? addr_del(q->s, &q->addr) : 0;

	if (err == 0 && a->addr.w[3])
		err = addr_add(q->s, a);
	return err;
}

static int set_addr(struct request *q)
{
	struct addr_info a = { .ifindex = q->nic.ifindex, .valid_until_ns = INT64_MAX,
			       .preferred_until_ns = INT64_MAX, .addr = ipa_v4(get_in(&q->r.ifr_addr)) };

	if (q->r.ifr_addr.sa_family != AF_INET)
		return -EINVAL;
	a.peer = a.addr;
	a.plen = (uint8_t)class_plen(a.addr.w[3]);
	a.broadcast = a.plen < 31 ? ipa_v4(a.addr.w[3] | ~mask_of(a.plen)) : ipa_any4();
	memcpy(a.label, q->r.ifr_name, IFNAMSIZ);
	return set_whole_addr(q, &a);
}

static int set_netmask(struct request *q)
{
	uint32_t mask = ntohl(get_in(&q->r.ifr_netmask));
	struct addr_info a = q->addr;

	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	if (mask & (~mask >> 1)) /* holes */
		return -EINVAL;
	a.plen = mask ? (uint8_t)(32 - __builtin_ctz(mask)) : 0;
	if (!ipa_is_any(a.broadcast))
		a.broadcast = ipa_v4(a.addr.w[3] | ~mask_of(a.plen));
	return set_whole_addr(q, &a);
}

static int set_brdaddr(struct request *q)
{
	struct addr_info a = q->addr;

	if (!q->has_addr)
		return -EADDRNOTAVAIL;
	a.broadcast = ipa_v4(get_in(&q->r.ifr_broadaddr));
	return set_whole_addr(q, &a);
}

/* ---- routes ------------------------------------------------------------------------------------ */

static long route_request(struct vfs_ctx *c, struct stack *s, unsigned int cmd, uint64_t arg)
{
	struct route_info i = { .family = AF_INET, .table = 254 /* main */, .type = ROUTE_UNICAST,
				.protocol = 3 /* boot */, .expires_ns = INT64_MAX };
	char name[IFNAMSIZ] = "";
	struct rtentry rt;
	uint32_t mask;

	if (vfs_copy_in(c, &rt, arg, sizeof(rt)) < 0 ||
	    (rt.rt_dev && vfs_copy_in(c, name, (uint64_t)(uintptr_t)rt.rt_dev, sizeof(name) - 1) < 0))
		return -EFAULT;
	if (rt.rt_dst.sa_family != AF_INET)
		return -EAFNOSUPPORT;
	mask = rt.rt_flags & RTF_HOST ? UINT32_MAX : ntohl(get_in(&rt.rt_genmask));
	if (mask & (~mask >> 1))
		return -EINVAL;
	i.plen = mask ? (uint8_t)(32 - __builtin_ctz(mask)) : 0;
	i.dst = ipa_v4(get_in(&rt.rt_dst));
	if (i.dst.w[3] & ~htonl(mask))
		return -EINVAL;
	i.gateway = rt.rt_flags & RTF_GATEWAY ? ipa_v4(get_in(&rt.rt_gateway)) : ipa_any4();
	i.scope = rt.rt_flags & RTF_GATEWAY ? 0 : 253;
	i.prefsrc = ipa_any4();
	i.metric = rt.rt_metric > 0 ? (uint32_t)rt.rt_metric - 1 : 0;
	if (rt.rt_flags & RTF_REJECT)
		i.type = ROUTE_UNREACHABLE;
	if (rt.rt_dev) {
		i.ifindex = nic_by_name(s, name);
		if (!i.ifindex)
			return -ENODEV;
	}
	return cmd == SIOCADDRT ? route_add(s, &i, ROUTE_CREATE | ROUTE_EXCL) : route_del(s, &i);
}

/* ---- neighbours -------------------------------------------------------------------------------- */

#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct neigh_search {
	struct neigh_info *found; /* its address and interface are what is looked for */
	bool seen;
};

static int neigh_is(void *arg, const struct neigh_info *n)
{
	struct neigh_search *k = arg;

	if (n->ifindex != k->found->ifindex || !ipa_eq(n->addr, k->found->addr))
		return 0;
	*k->found = *n;
	k->seen = true;
	return 1;
}

/* Without a name the interface is that of the route, but for SIOCGARP. */
static int arp_device(struct stack *s, const struct arpreq *r, bool get, struct neigh_info *n)
{
	struct route_info i;
	int err;

	if (r->arp_dev[0] || get) {
		n->ifindex = nic_by_name(s, r->arp_dev);
		return n->ifindex ? 0 : -ENODEV;
	}
	err = route_get(s, n->addr, ipa_any4(), 0, &i);
	n->ifindex = i.ifindex;
	return err;
}

static long arp_request(struct vfs_ctx *c, struct stack *s, unsigned int cmd, uint64_t arg)
{
	struct neigh_info n = { .flags = 0 };
	struct neigh_search k = { .found = &n };
	struct arpreq r;
	int err;

	if (vfs_copy_in(c, &r, arg, sizeof(r)) < 0)
		return -EFAULT;
	r.arp_dev[sizeof(r.arp_dev) - 1] = 0;
	if (r.arp_pa.sa_family != AF_INET)
		return -EPFNOSUPPORT;
	if (!(r.arp_flags & ATF_PUBL) && (r.arp_flags & (ATF_NETMASK | ATF_DONTPUB)))
		return -EINVAL;
	if (r.arp_flags & ATF_PUBL)
		return -EOPNOTSUPP; /* proxies: proxy_arp only */
	n.addr = ipa_v4(get_in(&r.arp_pa));
	err = arp_device(s, &r, cmd == SIOCGARP, &n);
	if (err < 0)
		return err;
	if ((r.arp_flags & ATF_COM) && r.arp_ha.sa_family && r.arp_ha.sa_family != ARPHRD_ETHER)
		return -EINVAL;
	if (cmd == SIOCSARP) {
		memcpy(n.mac, r.arp_ha.sa_data, sizeof(n.mac));
		n.state = r.arp_flags & ATF_PERM ? NUD_PERMANENT : NUD_STALE;
		return neigh_add(s, &n);
	}
	neigh_for_each(s, neigh_is, &k);
	if (!k.seen)
		return -ENXIO;
	if (cmd == SIOCDARP)
		return neigh_del(s, n.ifindex, n.addr);
	r.arp_flags = n.state & NUD_PERMANENT ? ATF_PERM | ATF_COM : n.state & NUD_VALID ? ATF_COM : 0;
	r.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(r.arp_ha.sa_data, n.mac, sizeof(n.mac));
	return vfs_copy_out(c, arg, &r, sizeof(r));
}

/* ---- the list ---------------------------------------------------------------------------------- */

struct conf {
	struct vfs_ctx *c;
	uint64_t at;
	size_t room, used; /* bytes; room SIZE_MAX: only count */
	struct stack *s;
};

static int conf_one(void *arg, const struct addr_info *a)
{
	struct conf *k = arg;
	struct ifreq r = { .ifr_name = "" };

	if (!ipa_is4(a->addr))
		return 0;
	memcpy(r.ifr_name, a->label, IFNAMSIZ);
	put_in(&r.ifr_addr, a->addr);
	if (k->at) {
		if (k->room - k->used < sizeof(r))
			return 1;
		if (vfs_copy_out(k->c, k->at + k->used, &r, sizeof(r)) < 0)
			return -EFAULT;
	}
	k->used += sizeof(r);
	return 0;
}

static long conf_request(struct vfs_ctx *c, struct stack *s, uint64_t arg)
{
	struct conf k = { .c = c, .s = s };
	struct ifconf f;
	int err;

	if (vfs_copy_in(c, &f, arg, sizeof(f)) < 0)
		return -EFAULT;
	if (f.ifc_len < 0)
		return -EINVAL;
	k.at = (uint64_t)(uintptr_t)f.ifc_buf;
	k.room = (size_t)f.ifc_len;
	err = addr_for_each(s, conf_one, &k);
	if (err < 0)
		return err;
	f.ifc_len = (int)k.used;
	return vfs_copy_out(c, arg, &f, sizeof(f));
}

/* A bridge, named, and the index of an interface. */
static int set_port(struct request *q)
{
	uint32_t port = (uint32_t)q->r.ifr_ifindex;

	return nic_exists(q->s, port) ? bridge_add_port(q->s, q->nic.ifindex, port) : -EINVAL;
}

static int set_no_port(struct request *q)
{
	uint32_t port = (uint32_t)q->r.ifr_ifindex;

	return nic_exists(q->s, port) ? bridge_del_port(q->s, q->nic.ifindex, port) : -EINVAL;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct {
	unsigned int cmd;
	int (*fn)(struct request *q);
	bool set;     /* CAP_NET_ADMIN; nothing to copy out */
	bool by_index;
} requests[] = {
	{ SIOCGIFNAME, get_name, false, true },
	{ SIOCGIFFLAGS, get_flags, false, false },
	{ SIOCGIFMTU, get_mtu, false, false },
	{ SIOCGIFMETRIC, get_metric, false, false },
	{ SIOCGIFINDEX, get_index, false, false },
	{ SIOCGIFTXQLEN, get_qlen, false, false },
	{ SIOCGIFMAP, get_map, false, false },
	{ SIOCGIFHWADDR, get_hwaddr, false, false },
	{ SIOCGIFADDR, get_addr, false, false },
	{ SIOCGIFDSTADDR, get_dstaddr, false, false },
	{ SIOCGIFBRDADDR, get_brdaddr, false, false },
	{ SIOCGIFNETMASK, get_netmask, false, false },
	{ SIOCSIFFLAGS, set_flags, true, false },
	{ SIOCSIFMTU, set_mtu, true, false },
	{ SIOCSIFHWADDR, set_hwaddr, true, false },
	{ SIOCSIFNAME, set_name, true, false },
	{ SIOCSIFADDR, set_addr, true, false },
	{ SIOCSIFNETMASK, set_netmask, true, false },
	{ SIOCSIFBRDADDR, set_brdaddr, true, false },
	{ SIOCBRADDIF, set_port, true, false },
	{ SIOCBRDELIF, set_no_port, true, false },
};

/* br_ioctl_stub(): a bridge by its name.  One that is up is not removed. */
static long bridge_request(struct vfs_ctx *c, struct net_ns *net, unsigned int cmd, uint64_t arg)
{
	struct nic_config n = { .mtu = 1500 };
	struct stack *s = net_ns_stack(net);
	struct nic_info i;
	uint32_t ifindex;

	if (!s)
		return -ENOMEM;
	if (vfs_copy_in(c, n.name, arg, sizeof(n.name)) < 0)
		return -EFAULT;
	n.name[sizeof(n.name) - 1] = 0;
	if (cmd == SIOCBRADDBR)
		return virtual_link_bridge(net, &n, &ifindex);
	ifindex = nic_by_name(s, n.name);
	if (!ifindex || nic_info(s, ifindex, &i) < 0)
		return -ENXIO;
	if (!nic_is_bridge(s, ifindex))
		return -EPERM;
	return i.flags & IFF_UP ? -EBUSY : nic_remove(s, ifindex);
}

static long request_run(struct request *q, size_t i, uint64_t arg)
{
	long err;

	if (vfs_copy_in(q->c, &q->r, arg, sizeof(q->r)) < 0)
		return -EFAULT;
	err = requests[i].by_index ? 0 : request_find(q);
	if (err == 0)
		err = requests[i].fn(q);
	if (err == 0 && !requests[i].set)
		err = vfs_copy_out(q->c, arg, &q->r, sizeof(q->r));
	return err;
}

long inet_device_ioctl(struct vfs_ctx *c, struct net_ns *net, unsigned int cmd, uint64_t arg)
{
	struct request q = { .c = c };
	bool admin = net_ns_may_change(net, c->cred) == 0;

	switch (cmd) {
	case SIOCGIFCONF:
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCSARP:
	case SIOCGARP:
	case SIOCDARP:
		break;
	case SIOCETHTOOL:
		return -EOPNOTSUPP;
	case SIOCBRADDBR:
	case SIOCBRDELBR:
		return admin ? bridge_request(c, net, cmd, arg) : -EPERM;
	default:
		for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
			if (requests[i].cmd != cmd)
				continue;
			if (requests[i].set && !admin)
				return -EPERM;
			q.s = net_ns_stack(net);
			return q.s ? request_run(&q, i, arg) : -ENOMEM;
		}
		return -ENOTTY;
	}
	q.s = net_ns_stack(net);
	if (!q.s)
		return -ENOMEM;
	if (cmd == SIOCGIFCONF)
		return conf_request(c, q.s, arg);
	if (cmd == SIOCGARP)
		return arp_request(c, q.s, cmd, arg);
	if (!admin)
		return -EPERM;
	if (cmd == SIOCSARP || cmd == SIOCDARP)
		return arp_request(c, q.s, cmd, arg);
	return route_request(c, q.s, cmd, arg);
}
