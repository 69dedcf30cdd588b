/* SPDX-License-Identifier: Apache-2.0 */
/* macvlan.c: macvlans over a veth: made, refused, reached, in another namespace, removed with what they stand on; so VLANs there. */
#include "rtnl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/wait.h>

static int fd;

/* last: of 02:00:00:00:00:last, and it is to be up; 0: neither.  master: or "". */
static int make_as(const char *lower, const char *name, uint32_t mode, int last, const char *master)
{
	uint32_t index = if_nametoindex(lower), over = if_nametoindex(master);
	struct ifinfomsg i = { .ifi_flags = last ? IFF_UP : 0, .ifi_change = last ? IFF_UP : 0 };
	struct rtattr *info, *data;

	rtnl_begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	rtnl_put(IFLA_IFNAME, name, strlen(name) + 1);
	if (index)
		rtnl_put(IFLA_LINK, &index, sizeof(index));
	if (last)
		rtnl_put(IFLA_ADDRESS, (uint8_t[6]){ 2, 0, 0, 0, 0, last }, 6);
	if (over)
		rtnl_put(IFLA_MASTER, &over, sizeof(over));
	info = rtnl_put(IFLA_LINKINFO, "", 0);
	rtnl_put(IFLA_INFO_KIND, "macvlan", 7);
	data = rtnl_put(IFLA_INFO_DATA, "", 0);
	rtnl_put(IFLA_MACVLAN_MODE, &mode, sizeof(mode));
	rtnl_end(data);
	rtnl_end(info);
	return rtnl_ask(fd);
}

static int make(const char *lower, const char *name, uint32_t mode)
{
	return make_as(lower, name, mode, 0, "");
}

static int set_up(const char *name, int up)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name), .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };

	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static int drop(const char *name)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name) };

	rtnl_begin(RTM_DELLINK, 0, &i, sizeof(i));
	return rtnl_ask(fd);
}

static int address(const char *name, const char *text)
{
	struct ifaddrmsg m = { .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = if_nametoindex(name) };
	struct in_addr a;

	inet_pton(AF_INET, text, &a);
	rtnl_begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_put(IFA_LOCAL, &a, 4);
	rtnl_put(IFA_ADDRESS, &a, 4);
	return rtnl_ask(fd);
}

static int request(int what, struct ifreq *r)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), n = ioctl(s, what, r);

	close(s);
	return n < 0 ? errno : 0;
}

static int set_mtu(const char *name, int mtu)
{
	struct ifreq r = { .ifr_mtu = mtu };

	strcpy(r.ifr_name, name);
	return request(SIOCSIFMTU, &r);
}

static int mtu(const char *name)
{
	struct ifreq r = { .ifr_mtu = 0 };

	strcpy(r.ifr_name, name);
	EQUAL(request(SIOCGIFMTU, &r), 0);
	return r.ifr_mtu;
}

static int flags(const char *name)
{
	struct ifreq r = { .ifr_mtu = 0 };

	strcpy(r.ifr_name, name);
	EQUAL(request(SIOCGIFFLAGS, &r), 0);
	return r.ifr_flags;
}

static int set_mac(const char *name, int last)
{
	struct ifreq r = { .ifr_hwaddr = { .sa_family = 1, .sa_data = { 2, 0, 0, 0, 0, last } } };

	strcpy(r.ifr_name, name);
	return request(SIOCSIFHWADDR, &r);
}

/* A packet socket of that interface, for frames of type 0x88b5. */
static int frames(const char *name)
{
	struct { uint16_t family, proto; int index; uint16_t hatype; uint8_t type, halen, addr[8]; } a = {
		.family = AF_PACKET, .proto = htons(0x88b5), .index = if_nametoindex(name) };
	int s = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));

	EQUAL(bind(s, (void *)&a, sizeof(a)), 0);
	return s;
}

/* A frame to 02:00:00:00:00:to, or to all (255). */
static void send_frame(int s, int to, int from)
{
	uint8_t b[60] = { 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5 };

	if (to == 255)
		memset(b, 255, 6);
	EQUAL(send(s, b, sizeof(b), 0), sizeof(b));
}

/* How many frames have come; it waits until there is one, if one is expected. */
static int come(int s, int some)
{
	struct pollfd p = { .fd = s, .events = POLLIN };
	char b[100];
	int n = 0;

	if (some)
		EQUAL(poll(&p, 1, 10000), 1);
	else
		usleep(20000);
	while (recv(s, b, sizeof(b), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void test_what_can_be_made(void)
{
	EQUAL(make("lo", "m0", MACVLAN_MODE_BRIDGE), EINVAL);
	EQUAL(make("", "m0", MACVLAN_MODE_BRIDGE), EINVAL);
	EQUAL(make("d0", "m0", 3), EINVAL);
	EQUAL(make("d0", "m0", MACVLAN_MODE_BRIDGE), 0);
	EQUAL(make("d0", "m0", MACVLAN_MODE_BRIDGE), EEXIST);
	EQUAL(make("d0", "m1", MACVLAN_MODE_PASSTHRU), EINVAL);
	EQUAL(drop("m0"), 0);
	EQUAL(make("d0", "m1", MACVLAN_MODE_PASSTHRU), 0);
	EQUAL(make("d0", "m0", MACVLAN_MODE_BRIDGE), EINVAL);
	EQUAL(drop("m1"), 0);
}

/* What can't be as it was asked for is not made at all. */
static void test_made_or_not(void)
{
	EQUAL(make_as("d0", "m0", MACVLAN_MODE_VEPA, 9, ""), 0);
	EQUAL(flags("m0") & IFF_UP, IFF_UP);
	EQUAL(make_as("d0", "m1", MACVLAN_MODE_VEPA, 9, ""), EADDRINUSE);
	EQUAL(if_nametoindex("m1"), 0);
	EQUAL(make_as("d0", "m1", MACVLAN_MODE_VEPA, 0, "d0"), EOPNOTSUPP);
	EQUAL(if_nametoindex("m1"), 0);
	EQUAL(drop("m0"), 0);
}

static void test_what_they_follow(void)
{
	EQUAL(make("d0", "m0", MACVLAN_MODE_VEPA), 0);
	EQUAL(mtu("m0"), 1500);
	EQUAL(set_mtu("m0", 1501), EINVAL);
	EQUAL(set_mtu("d0", 1400), 0);
	EQUAL(mtu("m0"), 1400);
	EQUAL(set_mtu("d0", 1500), 0);
	EQUAL(set_mac("m0", 9), 0);
	EQUAL(set_up("m0", 1), 0);
	EQUAL(make("d0", "m1", MACVLAN_MODE_VEPA), 0);
	EQUAL(set_mac("m1", 9), EADDRINUSE);
	EQUAL(set_mac("m1", 10), 0);
	EQUAL(set_up("m1", 1), 0);
	EQUAL(set_mac("m1", 9), EADDRINUSE);
	EQUAL(set_up("d0", 0), 0);
	EQUAL(flags("m0") & IFF_UP, IFF_UP); /* unlike a VLAN */
	EQUAL(set_up("d0", 1), 0);
	EQUAL(drop("m0"), 0);
	EQUAL(drop("m1"), 0);
}

static void test_frames(void)
{
	int s[4], p;

	EQUAL(make("d0", "m1", MACVLAN_MODE_BRIDGE), 0);
	EQUAL(make("d0", "m2", MACVLAN_MODE_BRIDGE), 0);
	EQUAL(make("d0", "m3", MACVLAN_MODE_PRIVATE), 0);
	for (int i = 1; i < 4; i++) {
		char name[3] = { 'm', '0' + i };

		EQUAL(set_mac(name, i), 0);
		EQUAL(set_up(name, 1), 0);
		s[i] = frames(name);
	}
	p = frames("p0");
	send_frame(p, 1, 99);
	EQUAL(come(s[1], 1), 1);
	EQUAL(come(s[2], 0), 0);
	send_frame(p, 255, 99);
	EQUAL(come(s[1], 1), 1);
	EQUAL(come(s[2], 1), 1);
	EQUAL(come(s[3], 1), 1);
	send_frame(s[1], 2, 1); /* within */
	EQUAL(come(s[2], 1), 1);
	EQUAL(come(p, 0), 0);
	send_frame(s[1], 3, 1); /* out */
	EQUAL(come(p, 1), 1);
	EQUAL(come(s[3], 0), 0);
	send_frame(s[1], 255, 1);
	EQUAL(come(p, 1), 1);
	EQUAL(come(s[2], 1), 1);
	EQUAL(come(s[3], 0), 0);
}

/* From one namespace, which has p0, to a macvlan on d0 in the other. */
static void test_address(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), c, here = open("/proc/self/ns/net", O_RDONLY), there;
	char b[2];

	EQUAL(address("m1", "10.5.0.1"), 0);
	EQUAL(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY);
	EQUAL(setns(here, CLONE_NEWNET), 0);
	rtnl_begin(RTM_NEWLINK, 0, &(struct ifinfomsg){ .ifi_index = if_nametoindex("p0") }, sizeof(struct ifinfomsg));
	rtnl_put(IFLA_NET_NS_FD, &there, sizeof(there));
	EQUAL(rtnl_ask(fd), 0);
	EQUAL(setns(there, CLONE_NEWNET), 0);
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	EQUAL(set_up("p0", 1), 0);
	EQUAL(address("p0", "10.5.0.2"), 0);
	c = socket(AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, "10.5.0.1", &a.sin_addr);
	EQUAL(connect(c, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(send(c, "x", 1, 0), 1);
	EQUAL(recv(s, b, 1, 0), 1);
	EQUAL(setns(here, CLONE_NEWNET), 0);
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

/* ---- in another namespace ---- */

static int here, there;

static void go(int ns)
{
	EQUAL(setns(ns, CLONE_NEWNET), 0);
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

/* Made in `there` on d0 of here. */
static int make_there(const char *kind, const char *name)
{
	struct ifinfomsg i = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	uint32_t index = if_nametoindex("d0"), mode = MACVLAN_MODE_BRIDGE;
	int vlan = strcmp(kind, "vlan") == 0;
	struct rtattr *info, *data;
	uint16_t id = 5;

	rtnl_begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	rtnl_put(IFLA_IFNAME, name, strlen(name) + 1);
	rtnl_put(IFLA_LINK, &index, sizeof(index));
	if (!vlan)
		rtnl_put(IFLA_ADDRESS, (uint8_t[6]){ 2, 0, 0, 0, 0, 7 }, 6);
	rtnl_put(IFLA_NET_NS_FD, &there, sizeof(there));
	info = rtnl_put(IFLA_LINKINFO, "", 0);
	rtnl_put(IFLA_INFO_KIND, kind, strlen(kind));
	data = rtnl_put(IFLA_INFO_DATA, "", 0);
	if (vlan)
		rtnl_put(IFLA_VLAN_ID, &id, sizeof(id));
	else
		rtnl_put(IFLA_MACVLAN_MODE, &mode, sizeof(mode));
	rtnl_end(data);
	rtnl_end(info);
	return rtnl_ask(fd);
}

static int move(const char *name, int to, const char *new_name)
{
	struct ifinfomsg i = { .ifi_index = if_nametoindex(name) };

	rtnl_begin(RTM_NEWLINK, 0, &i, sizeof(i));
	rtnl_put(IFLA_NET_NS_FD, &to, sizeof(to));
	rtnl_put(IFLA_IFNAME, new_name, strlen(new_name) + 1);
	return rtnl_ask(fd);
}

/* Both ways between p0, here, and a socket of the other, by the tag if there is one. */
static void frames_pass(int p, int s, int vlan)
{
	uint8_t b[60] = { 2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 99, 0x81, 0, 0, 5, 0x88, 0xb5 }, got[100];
	struct pollfd w = { .fd = p, .events = POLLIN };

	come(p, 0);
	come(s, 0);
	if (vlan)
		memset(b, 255, 6);
	else
		memcpy(b + 12, "\x88\xb5", 3);
	EQUAL(send(p, b, sizeof(b), 0), sizeof(b));
	EQUAL(come(s, 1), 1);
	send_frame(s, 99, 7);
	for (;;) { /* what else the interface has to say */
		EQUAL(poll(&w, 1, 10000), 1);
		EQUAL(recv(p, got, sizeof(got), 0) > 18, 1);
		if (got[5] == 99)
			break;
	}
	if (vlan)
		EQUAL(memcmp(got + 12, "\x81\0\0\5\x88\xb5", 6), 0);
	else
		EQUAL(memcmp(got + 12, "\x88\xb5", 2), 0);
}

static void test_elsewhere(const char *kind)
{
	int vlan = strcmp(kind, "vlan") == 0, p, s;

	p = frames("p0");
	if (vlan) { /* of any type */
		close(p);
		p = socket(AF_PACKET, SOCK_RAW, htons(3));
		EQUAL(bind(p, (struct sockaddr *)&(struct { uint16_t family, proto; int index; uint8_t rest[12]; }){
			      AF_PACKET, htons(3), if_nametoindex("p0"), { 0 } }, 20), 0);
	}
	if (vlan && make_there(kind, "x0") == EOPNOTSUPP) { /* a host without VLANs */
		close(p);
		return;
	}
	if (!vlan)
		EQUAL(make_there(kind, "x0"), 0);
	EQUAL(if_nametoindex("x0"), 0);
	EQUAL(make_there(kind, "x1"), vlan ? EEXIST : EADDRINUSE);
	go(there);
	EQUAL(flags("x0") & IFF_UP, IFF_UP);
	s = frames("x0");
	EQUAL(set_mtu("x0", 1501), vlan ? ERANGE : EINVAL);
	EQUAL(set_mtu("x0", 1400), 0);
	go(here);
	frames_pass(p, s, vlan);

	/* To here, and there again under another name. */
	go(there);
	EQUAL(move("x0", here, "x2"), 0);
	EQUAL(if_nametoindex("x0"), 0);
	go(here);
	EQUAL(mtu("x2"), 1400);
	close(s);
	EQUAL(set_up("x2", 1), 0);
	s = frames("x2");
	frames_pass(p, s, vlan);
	close(s);
	EQUAL(move("x2", there, "x3"), 0);
	EQUAL(if_nametoindex("x2"), 0);
	go(there);
	EQUAL(set_up("x3", 1), 0);
	s = frames("x3");
	if (!vlan) {
		EQUAL(set_mac("x3", 8), 0);
		go(here);
		EQUAL(make_as("d0", "m9", MACVLAN_MODE_BRIDGE, 8, ""), EADDRINUSE);
		go(there);
		EQUAL(set_mac("x3", 7), 0);
	}
	go(here);
	frames_pass(p, s, vlan);
	close(s);

	/* Removed there it is no more here, */
	go(there);
	EQUAL(drop("x3"), 0);
	go(here);
	EQUAL(make_there(kind, "x0"), 0);
	/* and one that was made here goes, too; with what it stands on. */
	EQUAL(drop("d0"), 0);
	go(there);
	EQUAL(if_nametoindex("x0"), 0);
	go(here);
	close(p);
	EQUAL(make_veth("d0", "p0"), 0);
	EQUAL(set_up("p0", 1), 0);
	EQUAL(set_up("d0", 1), 0);
	if (!vlan) {
		EQUAL(make("d0", "m0", MACVLAN_MODE_BRIDGE), 0);
		EQUAL(move("m0", there, "m0"), 0);
		EQUAL(drop("d0"), 0);
		go(there);
		EQUAL(if_nametoindex("m0"), 0);
		go(here);
		EQUAL(make_veth("d0", "p0"), 0);
		EQUAL(set_up("p0", 1), 0);
		EQUAL(set_up("d0", 1), 0);
	}
}

/* A namespace that ends takes what is in it along, wherever that stands. */
static void test_namespace_ends(void)
{
	EQUAL(make_there("macvlan", "x0"), 0);
	close(there);
	for (int i = 0; i < 1000 && make_as("d0", "m9", MACVLAN_MODE_BRIDGE, 7, ""); i++)
		usleep(10000);
	EQUAL(if_nametoindex("m9") != 0, 1);
}

/* One that is made elsewhere while what it is to stand on goes: it is refused, or goes too. */
static void test_race(const char *kind)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int told[300];
	pid_t p;

	EQUAL(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY);
	for (int i = 0; i < 300; i++) { /* so it takes long to make one there */
		told[i] = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
		EQUAL(bind(told[i], (struct sockaddr *)&all, sizeof(all)), 0);
	}
	EQUAL(unshare(CLONE_NEWNET), 0);
	here = open("/proc/self/ns/net", O_RDONLY);
	go(here);
	p = fork();
	if (p == 0) {
		for (int i = 0; i < 200; i++) {
			if (make_veth("d0", "p0"))
				_exit(1);
			for (volatile int wait = 0; wait < i * 1000; wait++)
				;
			if (drop("d0"))
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(p, &(int){ 0 }, WNOHANG) == 0)
		(void)make_there(kind, "x0");
	EQUAL(if_nametoindex("d0"), 0);
	go(there);
	EQUAL(if_nametoindex("x0"), 0);
	for (int i = 0; i < 300; i++)
		close(told[i]);
	close(there);
	close(here);
}

T_MAIN
{
	if (unshare(CLONE_NEWNET) < 0 || make_veth("d0", "p0"))
		exit(77);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (make("d0", "m0", MACVLAN_MODE_BRIDGE) == EOPNOTSUPP) /* a host without them */
		exit(77);
	EQUAL(drop("m0"), 0);
	EQUAL(set_up("p0", 1), 0);
	EQUAL(set_up("d0", 1), 0);
	test_what_can_be_made();
	test_made_or_not();
	test_what_they_follow();
	test_frames();
	test_address();
	EQUAL(drop("d0"), 0);
	EQUAL(if_nametoindex("m1"), 0);
	EQUAL(if_nametoindex("m3"), 0);

	here = open("/proc/self/ns/net", O_RDONLY);
	EQUAL(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY);
	go(here);
	EQUAL(make_veth("d0", "p0"), 0);
	EQUAL(set_up("p0", 1), 0);
	EQUAL(set_up("d0", 1), 0);
	test_elsewhere("vlan");
	test_elsewhere("macvlan");
	test_namespace_ends();
	for (int i = 0; i < 5; i++) {
		test_race("vlan");
		test_race("macvlan");
	}
}
