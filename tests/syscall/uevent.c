/* SPDX-License-Identifier: Apache-2.0 */
/* uevent.c: NETLINK_KOBJECT_UEVENT: network interfaces come, get another name, and go. */
#include "rtnl.h"

#include <linux/netlink.h>
#include <sched.h>

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
	if (make_veth("d0", "p0"))
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
