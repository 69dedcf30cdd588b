/* SPDX-License-Identifier: Apache-2.0 */
/* multipath.c: routes with several next hops, by rtnetlink: made, shown, taken, dead, removed. */
#include "rtnl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>

static int fd;
static char reply[65536];

static int set_link(const char *name, bool up)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name), .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };

	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static int del_link(const char *name)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name) };

	rtnl_begin(RTM_DELLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static size_t ip(const char *text, int *family, void *out)
{
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	EQUAL(inet_pton(*family, text, out), 1);
	return *family == AF_INET ? 4 : 16;
}

static int add_addr(const char *name, const char *text, int plen)
{
	struct ifaddrmsg m = { .ifa_prefixlen = plen, .ifa_index = if_nametoindex(name), .ifa_flags = IFA_F_NODAD };
	char a[16];
	int family;
	size_t n = ip(text, &family, a);

	m.ifa_family = family;
	rtnl_begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_put(IFA_LOCAL, a, n);
	rtnl_put(IFA_ADDRESS, a, n);
	return rtnl_ask(fd);
}

struct hop {
	const char *gateway, *link; /* NULL: not said */
	int weight, flags;
};

static void hops(const struct hop *h, int count)
{
	struct rtattr *m = rtnl_put(RTA_MULTIPATH, "", 0);

	for (int i = 0; i < count; i++) {
		struct rtnexthop *n = (void *)((char *)&rtnl + rtnl.h.nlmsg_len);
		char a[16];
		int family;

		*n = (struct rtnexthop){ .rtnh_hops = h[i].weight - 1, .rtnh_flags = h[i].flags,
					 .rtnh_ifindex = h[i].link ? if_nametoindex(h[i].link) : 0 };
		rtnl.h.nlmsg_len += sizeof(*n);
		if (h[i].gateway) {
			size_t size = ip(h[i].gateway, &family, a);

			rtnl_put(RTA_GATEWAY, a, size);
		}
		n->rtnh_len = (char *)&rtnl + rtnl.h.nlmsg_len - (char *)n;
	}
	rtnl_end(m);
}

static void route(int type, int flags, const char *dst, int plen)
{
	struct rtmsg m = { .rtm_dst_len = plen, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
			   .rtm_type = RTN_UNICAST };
	char a[16];
	int family;
	size_t n = ip(dst, &family, a);

	m.rtm_family = family;
	if (type == RTM_DELROUTE) {
		m.rtm_scope = RT_SCOPE_NOWHERE;
		m.rtm_protocol = 0;
		m.rtm_type = 0;
	}
	rtnl_begin(type, flags, &m, sizeof(m));
	rtnl_put(RTA_DST, a, n);
}

#define NEW (NLM_F_CREATE | NLM_F_EXCL)

static int change(int type, int flags, const char *dst, int plen, const struct hop *h, int count)
{
	route(type, flags, dst, plen);
	hops(h, count);
	return rtnl_ask(fd);
}

static int single(int type, int flags, const char *dst, int plen, const char *gateway)
{
	char a[16];
	int family;
	size_t n;

	route(type, flags, dst, plen);
	if (gateway) {
		n = ip(gateway, &family, a);
		rtnl_put(RTA_GATEWAY, a, n);
	}
	return rtnl_ask(fd);
}

/* "10.1.0.2@d0*3 10.2.0.2@d1*1!" (!: dead); of a single one "10.1.0.2@d0"; "": no such route. */
static const char *shown(const char *dst, int plen)
{
	static char text[4000];
	struct rtgenmsg g;
	char want[16], name[IF_NAMESIZE], address[64];
	int family;
	size_t size = ip(dst, &family, want), at = 0;

	g.rtgen_family = family;
	rtnl_begin(RTM_GETROUTE, NLM_F_DUMP, &g, sizeof(g));
	rtnl_send(fd);
	text[0] = 0;
	for (;;) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, (unsigned int)n); h = NLMSG_NEXT(h, n)) {
			struct rtmsg *m = NLMSG_DATA(h);
			struct rtattr *tb[RTA_MAX + 1] = { 0 };
			int left = RTM_PAYLOAD(h);

			if (h->nlmsg_type == NLMSG_DONE || n <= 0)
				return text;
			for (struct rtattr *a = RTM_RTA(m); RTA_OK(a, left); a = RTA_NEXT(a, left))
				tb[a->rta_type] = a;
			if (m->rtm_dst_len != plen || !tb[RTA_DST] || memcmp(RTA_DATA(tb[RTA_DST]), want, size) != 0)
				continue;
			if (at)
				at += sprintf(text + at, " | ");
			if (tb[RTA_GATEWAY])
				at += sprintf(text + at, "%s@%s", inet_ntop(family, RTA_DATA(tb[RTA_GATEWAY]), address, 64),
					      if_indextoname(*(int *)RTA_DATA(tb[RTA_OIF]), name));
			if (!tb[RTA_MULTIPATH])
				continue;
			left = RTA_PAYLOAD(tb[RTA_MULTIPATH]);
			for (struct rtnexthop *x = RTA_DATA(tb[RTA_MULTIPATH]); RTNH_OK(x, left);
			     left -= RTNH_ALIGN(x->rtnh_len), x = RTNH_NEXT(x)) {
				struct rtattr *a = RTNH_DATA(x);

				CHECK(x->rtnh_len == sizeof(*x) || a->rta_type == RTA_GATEWAY);
				at += sprintf(text + at, "%s%s@%s*%d%s", at ? " " : "",
					      x->rtnh_len > sizeof(*x) ? inet_ntop(family, RTA_DATA(a), address, 64) : "",
					      if_indextoname(x->rtnh_ifindex, name), x->rtnh_hops + 1,
					      x->rtnh_flags & RTNH_F_DEAD ? "!" : "");
			}
		}
	}
}

#define SHOWN(dst, plen, want)                                                                  \
	do {                                                                                    \
		const char *got_ = shown(dst, plen);                                            \
		if (strcmp(got_, want) != 0) {                                                  \
			printf("%s:%d: \"%s\", not \"%s\"\n", __FILE__, __LINE__, got_, want);  \
			t_failures++;                                                           \
		}                                                                               \
	} while (0)

/* Of 256 destinations, how many go out by that interface; each by the same when asked again. */
static int share(const char *dst, const char *link)
{
	int count = 0, family, before[2] = { 0, 0 };
	char a[16], addr[16];
	size_t n = ip(dst, &family, addr);

	for (int i = 0; i < 512; i++) {
		struct rtmsg m = { .rtm_family = family, .rtm_dst_len = n * 8 };
		int left, oif = 0;

		memcpy(a, addr, n);
		a[n - 1] = i / 2;
		rtnl_begin(RTM_GETROUTE, 0, &m, sizeof(m));
		rtnl_put(RTA_DST, a, n);
		rtnl_send(fd);
		CHECK(recv(fd, reply, sizeof(reply), 0) > 0);
		if (((struct nlmsghdr *)reply)->nlmsg_type != RTM_NEWROUTE)
			return -1;
		left = RTM_PAYLOAD((struct nlmsghdr *)reply);
		for (struct rtattr *t = RTM_RTA(NLMSG_DATA((struct nlmsghdr *)reply)); RTA_OK(t, left); t = RTA_NEXT(t, left))
			if (t->rta_type == RTA_OIF)
				oif = *(int *)RTA_DATA(t);
		before[i % 2] = oif;
		CHECK(i % 2 == 0 || before[0] == before[1]);
		count += i % 2 && oif == (int)if_nametoindex(link);
	}
	return count;
}

/* Made once only, shown, and shared by weights 3 and 1; how many of share() the first got. */
static int made_of_two(const char *dst, int plen, const struct hop two[2], const char *want)
{
	int n;

	EQUAL(change(RTM_NEWROUTE, NEW, dst, plen, two, 2), 0);
	EQUAL(change(RTM_NEWROUTE, NEW, dst, plen, two, 2), EEXIST);
	SHOWN(dst, plen, want);
	n = share(dst, "d0");
	CHECK(n > 130 && n < 245);
	return n;
}

static void test_v4(void)
{
	static const struct hop two[] = { { "10.1.0.2", NULL, 3, 0 }, { "10.2.0.2", "d1", 1, 0 } };
	static const struct hop same[] = { { "10.1.0.2", NULL, 3, 0 }, { "10.2.0.3", "d1", 1, 0 } };
	static const struct hop far[] = { { "10.1.0.2", NULL, 1, 0 }, { "10.77.0.2", NULL, 1, 0 } };
	static const struct hop bare[] = { { NULL, "d0", 1, 0 }, { NULL, "d1", 1, 0 } };
	static const struct hop dead[] = { { "10.1.0.2", NULL, 1, RTNH_F_DEAD }, { "10.2.0.2", NULL, 1, 0 } };
	struct hop many[70];
	int n;

	n = made_of_two("10.9.0.0", 16, two, "10.1.0.2@d0*3 10.2.0.2@d1*1");
	EQUAL(share("10.9.0.0", "d1"), 256 - n);

	/* One that is down is passed over, and back when it is up. */
	EQUAL(set_link("d1", false), 0);
	SHOWN("10.9.0.0", 16, "10.1.0.2@d0*3 10.2.0.2@d1*1!");
	EQUAL(share("10.9.0.0", "d0"), 256);
	EQUAL(change(RTM_NEWROUTE, NEW, "10.8.0.0", 16, bare, 2), ENETDOWN);
	EQUAL(set_link("d1", true), 0);
	EQUAL(share("10.9.0.0", "d0"), n);

	/* Removed as a whole: by all of its hops, by the first, by the destination. */
	EQUAL(change(RTM_DELROUTE, 0, "10.9.0.0", 16, same, 2), ESRCH);
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, "10.2.0.2"), ESRCH);
	EQUAL(change(RTM_DELROUTE, 0, "10.9.0.0", 16, two, 2), 0);
	SHOWN("10.9.0.0", 16, "");
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, two, 2), 0);
	EQUAL(change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "10.9.0.0", 16, same, 2), 0);
	SHOWN("10.9.0.0", 16, "10.1.0.2@d0*3 10.2.0.3@d1*1");
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, "10.1.0.2"), 0);
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, bare, 2), 0);
	SHOWN("10.9.0.0", 16, "@d0*1 @d1*1");
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, NULL), 0);
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, NULL), ESRCH);

	/* What it must not be. */
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, far, 2), ENETUNREACH);
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, dead, 2), EINVAL);
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, two, 0), ERANGE);
	route(RTM_NEWROUTE, NEW, "10.9.0.0", 16);
	rtnl_put(RTA_MULTIPATH, "\2\0\0\0\0\0\0\0", 8); /* shorter than itself */
	EQUAL(rtnl_ask(fd), EINVAL);
	route(RTM_NEWROUTE, NEW, "10.9.0.0", 16);
	rtnl_put(RTA_MULTIPATH, "\377\377\0\0\0\0\0\0", 8); /* longer than what holds it */
	EQUAL(rtnl_ask(fd), EINVAL);
	SHOWN("10.9.0.0", 16, "");

	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, two, 1), 0);
	SHOWN("10.9.0.0", 16, "10.1.0.2@d0");
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, NULL), 0);
	for (n = 0; n < 60; n++)
		many[n] = (struct hop){ n % 2 ? "10.1.0.2" : "10.2.0.2", NULL, 1, 0 };
	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, many, 60), 0);
	EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, NULL), 0);
}

static void test_v6(void)
{
	static const struct hop two[] = { { "fd01::2", NULL, 3, 0 }, { "fd02::2", "d1", 1, 0 } };
	static const struct hop more[] = { { "fd01::3", NULL, 1, 0 } };

	made_of_two("fd09::", 64, two, "fd01::2@d0*3 fd02::2@d1*1");
	EQUAL(change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, "fd09::", 64, more, 1), 0);
	SHOWN("fd09::", 64, "fd01::2@d0*3 fd02::2@d1*1 fd01::3@d0*1");
	EQUAL(single(RTM_DELROUTE, 0, "fd09::", 64, "fd01::2"), 0); /* that hop alone */
	SHOWN("fd09::", 64, "fd02::2@d1*1 fd01::3@d0*1");
	EQUAL(single(RTM_DELROUTE, 0, "fd09::", 64, "fd01::3"), 0);
	SHOWN("fd09::", 64, "fd02::2@d1");
	EQUAL(single(RTM_NEWROUTE, NEW, "fd09::", 64, "fd01::2"), EEXIST);
	EQUAL(single(RTM_NEWROUTE, NLM_F_CREATE, "fd09::", 64, "fd01::2"), 0);
	SHOWN("fd09::", 64, "fd02::2@d1*1 fd01::2@d0*1");
	EQUAL(change(RTM_DELROUTE, 0, "fd09::", 64, two, 2), 0);
	SHOWN("fd09::", 64, "");
	EQUAL(change(RTM_NEWROUTE, NEW, "fd09::", 64, two, 2), 0);
	EQUAL(single(RTM_DELROUTE, 0, "fd09::", 64, NULL), 0); /* all */
	EQUAL(change(RTM_DELROUTE, 0, "fd09::", 64, two, 2), ESRCH);
}

/* One that leads nowhere has no interface. */
static void test_blackhole(void)
{
	int index = if_nametoindex("d0");

	for (int with = 0; with < 2; with++) {
		route(RTM_NEWROUTE, NEW, "10.9.0.0", 16);
		((struct rtmsg *)rtnl.body)->rtm_type = RTN_BLACKHOLE;
		if (with)
			rtnl_put(RTA_OIF, &index, sizeof(index));
		EQUAL(rtnl_ask(fd), with ? EINVAL : 0);
		if (!with)
			EQUAL(single(RTM_DELROUTE, 0, "10.9.0.0", 16, NULL), 0);
	}
}

static void test_removed_interface(void)
{
	static const struct hop two[] = { { "10.1.0.2", NULL, 3, 0 }, { "10.2.0.2", "d1", 1, 0 } };
	static const struct hop two6[] = { { "fd01::2", NULL, 3, 0 }, { "fd02::2", "d1", 1, 0 } };

	EQUAL(change(RTM_NEWROUTE, NEW, "10.9.0.0", 16, two, 2), 0);
	EQUAL(change(RTM_NEWROUTE, NEW, "fd09::", 64, two6, 2), 0);
	EQUAL(del_link("d1"), 0);
	SHOWN("10.9.0.0", 16, "");
	SHOWN("fd09::", 64, "fd01::2@d0");
}

T_MAIN
{
	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (rtnl_new_veth(fd, "d0", "p0") || rtnl_new_veth(fd, "d1", "p1"))
		exit(77);
	EQUAL(set_link("lo", true), 0);
	for (int i = 0; i < 4; i++)
		EQUAL(set_link((const char *[]){ "d0", "d1", "p0", "p1" }[i], true), 0);
	EQUAL(add_addr("d0", "10.1.0.1", 24), 0);
	EQUAL(add_addr("d1", "10.2.0.1", 24), 0);
	test_v4();
	EQUAL(add_addr("d0", "fd01::1", 64), 0);
	EQUAL(add_addr("d1", "fd02::1", 64), 0);
	test_v6();
	test_blackhole();
	test_removed_interface();
}
