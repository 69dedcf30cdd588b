/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c: policy rules by protocol, ports, user, and those that go on elsewhere (rtnetlink(7)). */
#include "rtnl.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <netinet/in.h>
#include <sched.h>

static int fd;

static void rule(int type, int action, uint32_t priority)
{
	struct fib_rule_hdr h = { .family = AF_INET, .action = action };

	rtnl_begin(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &h, sizeof(h));
	rtnl_put(FRA_PRIORITY, &priority, sizeof(priority));
}

static void ports(int type, uint16_t from, uint16_t to)
{
	struct fib_rule_port_range r = { from, to };

	rtnl_put(type, &r, sizeof(r));
}

static void users(uint32_t from, uint32_t to)
{
	struct fib_rule_uid_range r = { from, to };

	rtnl_put(FRA_UID_RANGE, &r, sizeof(r));
}

static int drop(uint32_t priority)
{
	rule(RTM_DELRULE, 0, priority);
	return rtnl_ask(fd);
}

/* The flags of the first rule of that priority; -1: there is none. */
static int flags_of(uint32_t priority)
{
	struct rtgenmsg g = { .rtgen_family = AF_INET };
	static char reply[32768];
	int flags = -1;

	rtnl_begin(RTM_GETRULE, NLM_F_DUMP, &g, sizeof(g));
	rtnl_send(fd);
	for (;;) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, (unsigned int)n); h = NLMSG_NEXT(h, n)) {
			struct fib_rule_hdr *r = NLMSG_DATA(h);
			int left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*r));

			if (h->nlmsg_type == NLMSG_DONE)
				return flags;
			for (struct rtattr *a = (void *)(r + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
				if (a->rta_type == FRA_PRIORITY && *(uint32_t *)RTA_DATA(a) == priority && flags < 0)
					flags = r->flags;
		}
		if (n < 0)
			return -2;
	}
}

/* The errno of connect(2) by that user, from port (0: any) to port; 0: none. */
static int reach(int type, uid_t uid, int from, int to)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(from) };
	int s, err;

	EQUAL(seteuid(uid), 0);
	s = socket(AF_INET, type | SOCK_NONBLOCK, 0);
	EQUAL(seteuid(0), 0);
	if (from)
		EQUAL(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	a.sin_port = htons(to);
	inet_pton(AF_INET, "10.1.0.9", &a.sin_addr);
	err = connect(s, (struct sockaddr *)&a, sizeof(a)) < 0 ? errno : 0;
	close(s);
	return err == EINPROGRESS ? 0 : err;
}

static void test_ports(void)
{
	uint8_t udp = IPPROTO_UDP;

	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	rtnl_put(FRA_IP_PROTO, &udp, 1);
	ports(FRA_DPORT_RANGE, 70, 80);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 69), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 70), EACCES);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 80), EACCES);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 81), 0);
	EQUAL(reach(SOCK_STREAM, 0, 0, 70), 0);
	rule(RTM_DELRULE, 0, 100);
	ports(FRA_DPORT_RANGE, 70, 81);
	EQUAL(rtnl_ask(fd), ENOENT);
	rule(RTM_DELRULE, 0, 100);
	ports(FRA_DPORT_RANGE, 70, 80);
	EQUAL(rtnl_ask(fd), 0);

	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	ports(FRA_SPORT_RANGE, 700, 700);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 700, 9), EACCES);
	EQUAL(reach(SOCK_STREAM, 0, 700, 9), EACCES);
	EQUAL(reach(SOCK_STREAM, 0, 701, 9), 0);
	EQUAL(reach(SOCK_STREAM, 0, 0, 9), 0);
	EQUAL(drop(100), 0);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	ports(FRA_SPORT_RANGE, 10000, 65534); /* whatever is chosen */
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 9), EACCES);
	EQUAL(reach(SOCK_STREAM, 0, 0, 9), EACCES);
	EQUAL(drop(100), 0);

	for (int i = 0; i < 3; i++) {
		static const uint16_t wrong[3][2] = { { 0, 5 }, { 6, 5 }, { 5, 65535 } };

		rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
		ports(FRA_DPORT_RANGE, wrong[i][0], wrong[i][1]);
		EQUAL(rtnl_ask(fd), EINVAL);
	}
}

static void test_users(void)
{
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	users(500, 501);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(reach(SOCK_DGRAM, 499, 0, 9), 0);
	EQUAL(reach(SOCK_DGRAM, 500, 0, 9), EACCES);
	EQUAL(reach(SOCK_STREAM, 501, 0, 9), EACCES);
	EQUAL(reach(SOCK_STREAM, 502, 0, 9), 0);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	users(500, 501);
	EQUAL(rtnl_ask(fd), EEXIST);
	EQUAL(drop(100), 0);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	users(501, 500);
	EQUAL(rtnl_ask(fd), EINVAL);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	users(5, -1);
	EQUAL(rtnl_ask(fd), EINVAL);
}

static int jump(uint32_t priority, uint32_t target)
{
	rule(RTM_NEWRULE, FR_ACT_GOTO, priority);
	rtnl_put(FRA_GOTO, &target, sizeof(target));
	return rtnl_ask(fd);
}

static void test_goto(void)
{
	uint32_t target = 300;

	EQUAL(jump(100, 300), 0);
	EQUAL(flags_of(100), FIB_RULE_UNRESOLVED);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 200);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 9), EACCES);
	rule(RTM_NEWRULE, FR_ACT_UNREACHABLE, 300);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(flags_of(100), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 9), ENETUNREACH);
	EQUAL(drop(300), 0);
	EQUAL(flags_of(100), FIB_RULE_UNRESOLVED);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 9), EACCES);
	EQUAL(drop(200), 0);
	EQUAL(reach(SOCK_DGRAM, 0, 0, 9), 0);
	EQUAL(jump(300, 300), EINVAL);
	EQUAL(jump(301, 300), EINVAL);
	rule(RTM_NEWRULE, FR_ACT_GOTO, 99);
	EQUAL(rtnl_ask(fd), EINVAL);
	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 99);
	rtnl_put(FRA_GOTO, &target, sizeof(target));
	EQUAL(rtnl_ask(fd), EINVAL);
	EQUAL(drop(100), 0);

	rule(RTM_NEWRULE, FR_ACT_PROHIBIT, 100);
	rtnl_put(FRA_IIFNAME, "nosuch", 7);
	rtnl_put(FRA_OIFNAME, "d0", 3);
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(flags_of(100), FIB_RULE_IIF_DETACHED);
	EQUAL(drop(100), 0);
}

T_MAIN
{
	struct ifreq r = { .ifr_name = "d0" };
	struct sockaddr_in a = { .sin_family = AF_INET };
	int s;

	if (unshare(CLONE_NEWNET) < 0 || make_veth("d0", "p0"))
		exit(77);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, "10.1.0.1", &a.sin_addr);
	memcpy(&r.ifr_addr, &a, sizeof(a));
	EQUAL(ioctl(s, SIOCSIFADDR, &r), 0); /* 10.0.0.0/8 */
	r.ifr_flags = IFF_UP;
	EQUAL(ioctl(s, SIOCSIFFLAGS, &r), 0);
	test_ports();
	test_users();
	test_goto();
}
