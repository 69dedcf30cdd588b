/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_sysctl.c: /proc/sys/net/ipv4/conf and kin (Documentation/networking/ip-sysctl.rst): directories that follow the
 * interfaces of the reader's network namespace.
 */
#include "rtnl.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/ip.h>
#include <linux/netconf.h>
#include <netinet/in.h>
#include <linux/ipv6.h>
#include <sched.h>

#define V4 "/proc/sys/net/ipv4/conf/"
#define V6 "/proc/sys/net/ipv6/conf/"
#define N4 "/proc/sys/net/ipv4/neigh/"

static int fd;

/* The number in a file; -1000 - errno. */
static int get(const char *path)
{
	char text[32] = "";
	int f = open(path, O_RDONLY), err;
	ssize_t n = f < 0 ? -1 : read(f, text, sizeof(text) - 1);

	err = errno;
	if (f >= 0)
		close(f);
	return n < 0 ? -1000 - err : atoi(text);
}

/* The errno, or 0. */
static int put(const char *path, const char *value)
{
	int f = open(path, O_WRONLY), err = 0;

	if (f < 0 || write(f, value, strlen(value)) < 0)
		err = errno;
	if (f >= 0)
		close(f);
	return err;
}

static int names(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int count = 0;

	CHECK(d != NULL);
	while (d && (e = readdir(d)) != NULL)
		count += strcmp(e->d_name, name) == 0 && e->d_type == DT_DIR;
	if (d)
		closedir(d);
	return count;
}

static int rename_link(const char *name, const char *to)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name) };

	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	rtnl_put(IFLA_IFNAME, to, strlen(to) + 1);
	return rtnl_ask(fd);
}

static int drop(const char *name)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name) };

	rtnl_begin(RTM_DELLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static int address(const char *name, const char *text, int type)
{
	struct ifaddrmsg m = { .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = if_nametoindex(name) };
	struct in_addr a;

	inet_pton(AF_INET, text, &a);
	rtnl_begin(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, &m, sizeof(m));
	rtnl_put(IFA_LOCAL, &a, 4);
	rtnl_put(IFA_ADDRESS, &a, 4);
	return rtnl_ask(fd);
}

static void directories(void)
{
	EQUAL(names(V4, "all"), 1);
	EQUAL(names(V4, "default"), 1);
	EQUAL(names(V4, "lo"), 1);
	EQUAL(names(V4, "v0"), 0);
	EQUAL(get(V4 "v0/rp_filter"), -1000 - ENOENT);
	EQUAL(make_veth("v0", "v1"), 0);
	EQUAL(names(V4, "v0"), 1);
	EQUAL(names(V6, "v1"), 1);
	EQUAL(names(N4, "v0"), 1);
	EQUAL(get(V4 "v0/rp_filter"), 0);
	EQUAL(get(V6 "v0/accept_dad"), 1);
	EQUAL(get(V6 "lo/accept_dad"), -1);
	EQUAL(get(V6 "v0/mtu"), 1500);
	EQUAL(get(N4 "v0/mcast_solicit"), 3);
	EQUAL(put(V4 "v0/rp_filter", "2\n"), 0);
	EQUAL(get(V4 "v0/rp_filter"), 2);
	EQUAL(get(V4 "v1/rp_filter"), 0);
	EQUAL(rename_link("v0", "v7"), 0);
	EQUAL(get(V4 "v0/rp_filter"), -1000 - ENOENT);
	EQUAL(get(V4 "v7/rp_filter"), 2);
	EQUAL(names(V4, "v0"), 0);
	/* Another namespace has others, behind the same names. */
	EQUAL(unshare(CLONE_NEWNET), 0);
	EQUAL(get(V4 "v7/rp_filter"), -1000 - ENOENT);
	EQUAL(get(V4 "lo/rp_filter"), get(V4 "default/rp_filter"));
}

static void inheritance(void)
{
	EQUAL(make_veth("v0", "v1"), 0);
	EQUAL(address("v1", "10.1.0.1", RTM_NEWADDR), 0);
	EQUAL(put(V4 "default/rp_filter", "1"), 0);
	EQUAL(get(V4 "v0/rp_filter"), 1);
	EQUAL(get(V4 "v1/rp_filter"), 0);
	EQUAL(put("/proc/sys/net/ipv4/ip_forward", "1"), 0);
	EQUAL(get(V4 "all/forwarding"), 1);
	EQUAL(get(V4 "default/forwarding"), 1);
	EQUAL(get(V4 "v1/forwarding"), 1);
	EQUAL(put(V4 "v1/forwarding", "0"), 0);
	EQUAL(get("/proc/sys/net/ipv4/ip_forward"), 1);
	EQUAL(put(V4 "all/forwarding", "0"), 0);
	EQUAL(get("/proc/sys/net/ipv4/ip_forward"), 0);
	EQUAL(put(V6 "all/disable_ipv6", "1"), 0);
	EQUAL(get(V6 "v0/disable_ipv6"), 1);
	EQUAL(get(V6 "default/disable_ipv6"), 1);
	EQUAL(put(V6 "v0/disable_ipv6", "0"), 0);
	EQUAL(get(V6 "v0/disable_ipv6"), 0);
	EQUAL(get(V6 "all/disable_ipv6"), 1);
	EQUAL(put(V6 "v0/hop_limit", "0"), EINVAL);
	EQUAL(put(V6 "v0/hop_limit", "33"), 0);
	EQUAL(get(V6 "v0/hop_limit"), 33);
	EQUAL(put(V6 "v0/mtu", "1600"), EINVAL);
	EQUAL(drop("v0"), 0);
	EQUAL(get(V6 "v0/hop_limit"), -1000 - ENOENT);
	EQUAL(get(V6 "v1/hop_limit"), -1000 - ENOENT);
}

/* The flags of that address; -1: it is not there. */
static int flags_of(const char *text)
{
	struct ifaddrmsg m = { .ifa_family = AF_INET };
	static char reply[32768];
	struct in_addr want;
	int flags = -1;

	inet_pton(AF_INET, text, &want);
	rtnl_begin(RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	rtnl_send(fd);
	for (;;) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, (unsigned int)n); h = NLMSG_NEXT(h, n)) {
			struct ifaddrmsg *i = NLMSG_DATA(h);
			int left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*i));

			if (h->nlmsg_type == NLMSG_DONE)
				return flags;
			for (struct rtattr *a = (void *)(i + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
				if (a->rta_type == IFA_LOCAL && memcmp(RTA_DATA(a), &want, 4) == 0)
					flags = i->ifa_flags;
		}
		if (n < 0)
			return -2;
	}
}

static void secondaries(void)
{
	EQUAL(make_veth("v0", "v1"), 0);
	for (int promote = 0; promote < 2; promote++) {
		EQUAL(put(V4 "v0/promote_secondaries", promote ? "1" : "0"), 0);
		EQUAL(address("v0", "10.1.0.1", RTM_NEWADDR), 0);
		EQUAL(address("v0", "10.1.0.2", RTM_NEWADDR), 0);
		EQUAL(address("v0", "10.1.0.3", RTM_NEWADDR), 0);
		EQUAL(flags_of("10.1.0.1") & IFA_F_SECONDARY, 0);
		EQUAL(flags_of("10.1.0.3") & IFA_F_SECONDARY, IFA_F_SECONDARY);
		EQUAL(address("v0", "10.1.0.1", RTM_DELADDR), 0);
		EQUAL(flags_of("10.1.0.2"), promote ? IFA_F_PERMANENT : -1);
		EQUAL(flags_of("10.1.0.3"), promote ? IFA_F_PERMANENT | IFA_F_SECONDARY : -1);
	}
}

/* How many IPv6 addresses an interface has. */
static int addresses6(const char *name)
{
	char line[200], at[32];
	FILE *f = fopen("/proc/net/if_inet6", "r");
	int count = 0;

	while (f && fgets(line, sizeof(line), f))
		count += sscanf(line, "%*s %*s %*s %*s %*s %31s", at) == 1 && strcmp(at, name) == 0;
	if (f)
		fclose(f);
	return count;
}

static int set_up(const char *name, int up)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name), .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };

	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static void link_local(void)
{
	EQUAL(make_veth("l0", "l1"), 0);
	EQUAL(put(V6 "l1/addr_gen_mode", "1"), 0);
	EQUAL(set_up("l0", 1), 0);
	EQUAL(set_up("l1", 1), 0);
	EQUAL(addresses6("l1"), 0);
	EQUAL(put(V6 "l1/addr_gen_mode", "0"), 0);
	EQUAL(addresses6("l1"), 1);
	EQUAL(put(V6 "l1/disable_ipv6", "1"), 0);
	EQUAL(addresses6("l1"), 0);
	EQUAL(put(V6 "l1/disable_ipv6", "0"), 0);
	EQUAL(addresses6("l1"), 1);
	EQUAL(set_up("l1", 0), 0);
	EQUAL(addresses6("l1"), 0);
	EQUAL(set_up("lo", 1), 0);
	EQUAL(addresses6("lo"), 1);
	EQUAL(set_up("lo", 0), 0);
	EQUAL(addresses6("lo"), 0);
	EQUAL(put(V6 "l1/addr_gen_mode", "7"), EINVAL);
}

/* ---- the same by rtnetlink ---- */

/* What the next message is: its type, and the attributes behind a header of size bytes. */
static int next_message(int s, size_t size, struct rtattr **tb, int max)
{
	static char reply[32768];
	struct nlmsghdr *h = (void *)reply;
	ssize_t n = recv(s, reply, sizeof(reply), MSG_DONTWAIT);
	int left;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	if (n < (ssize_t)NLMSG_LENGTH(size))
		return -1;
	left = h->nlmsg_len - NLMSG_SPACE(size);
	for (struct rtattr *a = (void *)((char *)h + NLMSG_SPACE(size)); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) <= max)
			tb[a->rta_type & NLA_TYPE_MASK] = a;
	return h->nlmsg_type;
}

static struct rtattr *inside(struct rtattr *a, int type)
{
	int left = a ? (int)RTA_PAYLOAD(a) : 0;

	for (struct rtattr *i = a ? RTA_DATA(a) : NULL; i && RTA_OK(i, left); i = RTA_NEXT(i, left))
		if ((i->rta_type & NLA_TYPE_MASK) == type)
			return i;
	return NULL;
}

static int number(struct rtattr *a, int at)
{
	return a && RTA_PAYLOAD(a) > at * sizeof(int) ? ((int *)RTA_DATA(a))[at] : -12345;
}

static void af_spec(void)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex("v0") };
	struct rtattr *tb[IFLA_MAX + 1], *spec, *inet, *conf;
	uint32_t value = 1;

	EQUAL(put(V6 "v0/hop_limit", "77"), 0);
	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	spec = rtnl_put(IFLA_AF_SPEC, "", 0);
	inet = rtnl_put(AF_INET, "", 0);
	conf = rtnl_put(IFLA_INET_CONF, "", 0);
	rtnl_put(IPV4_DEVCONF_ARP_IGNORE, &value, sizeof(value));
	rtnl_end(conf);
	rtnl_end(inet);
	rtnl_end(spec);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(get(V4 "v0/arp_ignore"), 1);
	rtnl_begin(RTM_GETLINK, 0, &i, sizeof(i));
	rtnl_send(fd);
	EQUAL(next_message(fd, sizeof(i), tb, IFLA_MAX), RTM_NEWLINK);
	conf = inside(inside(tb[IFLA_AF_SPEC], AF_INET), IFLA_INET_CONF);
	EQUAL(number(conf, IPV4_DEVCONF_ARP_IGNORE - 1), 1);
	EQUAL(number(conf, IPV4_DEVCONF_RP_FILTER - 1), 2);
	EQUAL(number(conf, IPV4_DEVCONF_LOG_MARTIANS - 1), 0);
	conf = inside(inside(tb[IFLA_AF_SPEC], AF_INET6), IFLA_INET6_CONF);
	EQUAL(number(conf, DEVCONF_HOPLIMIT), 77);
	EQUAL(number(conf, DEVCONF_MTU6), 1500);
}

static void netconf(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = 1u << (RTNLGRP_IPV4_NETCONF - 1) };
	int watch = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), index = if_nametoindex("v0");
	struct netconfmsg m = { .ncm_family = AF_INET };
	struct rtattr *tb[NETCONFA_MAX + 1];

	EQUAL(bind(watch, (void *)&sa, sizeof(sa)), 0);
	EQUAL(put(V4 "v0/rp_filter", "2"), 0);
	EQUAL(next_message(watch, sizeof(m), tb, NETCONFA_MAX), RTM_NEWNETCONF);
	EQUAL(number(tb[NETCONFA_IFINDEX], 0), index);
	EQUAL(number(tb[NETCONFA_RP_FILTER], 0), 2);
	CHECK(tb[NETCONFA_FORWARDING] == NULL);
	rtnl_begin(RTM_GETNETCONF, 0, &m, sizeof(m));
	rtnl_put(NETCONFA_IFINDEX, &index, sizeof(index));
	rtnl_send(fd);
	EQUAL(next_message(fd, sizeof(m), tb, NETCONFA_MAX), RTM_NEWNETCONF);
	EQUAL(number(tb[NETCONFA_RP_FILTER], 0), 2);
	EQUAL(number(tb[NETCONFA_FORWARDING], 0), 0);
	EQUAL(number(tb[NETCONFA_PROXY_NEIGH], 0), 0);
	index = 12345;
	rtnl_begin(RTM_GETNETCONF, 0, &m, sizeof(m));
	rtnl_put(NETCONFA_IFINDEX, &index, sizeof(index));
	EQUAL(rtnl_ask(fd), ENODEV);
	close(watch);
}

/* The lower end above the higher one is refused, also when one of them alone is written. */
static void port_range(void)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_local_port_range";

	EQUAL(put(path, "40000 50000"), 0);
	EQUAL(put(path, "50000 40000"), EINVAL);
	EQUAL(put(path, "50001"), EINVAL);
	EQUAL(put(path, "60000 61000"), 0);
	EQUAL(get(path), 60000);
	EQUAL(put(path, "30000"), 0);
	EQUAL(get(path), 30000);
}

T_MAIN
{
	EQUAL(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	directories();
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); /* of the new one */
	inheritance();
	secondaries();
	EQUAL(put(V6 "all/disable_ipv6", "0"), 0);
	link_local();
	netconf();
	af_spec();
	port_range();
}
