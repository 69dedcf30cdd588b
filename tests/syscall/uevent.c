/* SPDX-License-Identifier: Apache-2.0 */
/* uevent.c: NETLINK_KOBJECT_UEVENT: network interfaces come, get another name, and go. */
#include "t.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

static struct rtattr *put(struct nlmsghdr *h, int type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));

	*a = (struct rtattr){ .rta_type = type, .rta_len = RTA_LENGTH(size) };
	memcpy(RTA_DATA(a), data, size);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + RTA_SPACE(size);
	return a;
}

static int make_veth(const char *name, const char *peer)
{
	struct {
		struct nlmsghdr h;
		char body[500];
	} q = { .h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL } };
	struct ifinfomsg none = { 0 };
	struct rtattr *info, *data, *p;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	put(&q.h, IFLA_IFNAME, name, strlen(name) + 1);
	info = put(&q.h, IFLA_LINKINFO, "", 0);
	put(&q.h, IFLA_INFO_KIND, "veth", 4);
	data = put(&q.h, IFLA_INFO_DATA, "", 0);
	p = put(&q.h, VETH_INFO_PEER, &none, sizeof(none));
	put(&q.h, IFLA_IFNAME, peer, strlen(peer) + 1);
	p->rta_len = (char *)&q + q.h.nlmsg_len - (char *)p;
	data->rta_len = (char *)&q + q.h.nlmsg_len - (char *)data;
	info->rta_len = (char *)&q + q.h.nlmsg_len - (char *)info;
	EQUAL(send(fd, &q, q.h.nlmsg_len, 0), q.h.nlmsg_len);
	CHECK(recv(fd, &q, sizeof(q), 0) > 0);
	close(fd);
	return ((struct nlmsgerr *)NLMSG_DATA(&q.h))->error;
}

static char got[4096];

/* The next one of an interface, not of its queues; its fields in one line, without SEQNUM. */
static const char *next_event(int fd)
{
	static char text[2 * sizeof(got)];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		struct sockaddr_nl a = { 0 };
		socklen_t size = sizeof(a);
		ssize_t n = poll(&p, 1, 5000) == 1 ? recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&a, &size) : -1;

		text[0] = 0;
		if (n <= 0)
			return text;
		EQUAL(a.nl_pid, 0);
		EQUAL(a.nl_groups, 1);
		EQUAL(got[n - 1], 0);
		for (char *at = got; at < got + n; at += strlen(at) + 1)
			if (strncmp(at, "SEQNUM=", 7) != 0)
				sprintf(text + strlen(text), "%s%s", at == got ? "" : " ", at);
		if (strstr(text, "SUBSYSTEM=net"))
			return text;
	}
}

static void is(int fd, const char *want)
{
	const char *event = next_event(fd);

	if (strcmp(event, want) != 0) {
		printf("\"%s\", not \"%s\"\n", event, want);
		t_failures++;
	}
}

T_MAIN
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct ifreq r = { .ifr_name = "d0" };
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST } };
	char want[400];
	int fd, s, rt, d0, p0;

	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	CHECK(fd >= 0);
	EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (make_veth("d0", "p0") < 0)
		exit(77);
	d0 = if_nametoindex("d0");
	p0 = if_nametoindex("p0");
	sprintf(want, "add@/devices/virtual/net/p0 ACTION=add DEVPATH=/devices/virtual/net/p0 SUBSYSTEM=net INTERFACE=p0 IFINDEX=%d", p0);
	is(fd, want);
	sprintf(want, "add@/devices/virtual/net/d0 ACTION=add DEVPATH=/devices/virtual/net/d0 SUBSYSTEM=net INTERFACE=d0 IFINDEX=%d", d0);
	is(fd, want);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(r.ifr_newname, "d7");
	EQUAL(ioctl(s, SIOCSIFNAME, &r), 0);
	sprintf(want, "move@/devices/virtual/net/d7 ACTION=move DEVPATH=/devices/virtual/net/d7 SUBSYSTEM=net "
		"DEVPATH_OLD=/devices/virtual/net/d0 INTERFACE=d7 IFINDEX=%d", d0);
	is(fd, want);
	rt = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	q.i.ifi_index = d0;
	EQUAL(send(rt, &q, sizeof(q), 0), sizeof(q));
	sprintf(want, "remove@/devices/virtual/net/d7 ACTION=remove DEVPATH=/devices/virtual/net/d7 SUBSYSTEM=net INTERFACE=d7 IFINDEX=%d", d0);
	is(fd, want);
	sprintf(want, "remove@/devices/virtual/net/p0 ACTION=remove DEVPATH=/devices/virtual/net/p0 SUBSYSTEM=net INTERFACE=p0 IFINDEX=%d", p0);
	is(fd, want);
}
