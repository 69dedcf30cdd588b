/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl.h: rtnetlink(7) messages for tests: built in one place, sent, answered. */
#pragma once

#include "t.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

/* The message that is being built. */
static struct {
	struct nlmsghdr h;
	char body[8000];
} rtnl;

static inline void rtnl_begin(int type, int flags, const void *body, size_t size)
{
	memset(&rtnl, 0, sizeof(rtnl));
	rtnl.h = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };
	memcpy(rtnl.body, body, size);
}

static inline struct rtattr *rtnl_put(int type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((char *)&rtnl + NLMSG_ALIGN(rtnl.h.nlmsg_len));

	*a = (struct rtattr){ .rta_type = type, .rta_len = RTA_LENGTH(size) };
	memcpy(RTA_DATA(a), data, size);
	rtnl.h.nlmsg_len = NLMSG_ALIGN(rtnl.h.nlmsg_len) + RTA_SPACE(size);
	return a;
}

/* What was put since a is inside of it. */
static inline void rtnl_end(struct rtattr *a)
{
	a->rta_len = (char *)&rtnl + rtnl.h.nlmsg_len - (char *)a;
}

static inline void rtnl_send(int fd)
{
	EQUAL(send(fd, &rtnl, rtnl.h.nlmsg_len, 0), (ssize_t)rtnl.h.nlmsg_len);
}

/* The errno of the answer; 0: none. */
static inline int rtnl_ask(int fd)
{
	char reply[sizeof(rtnl) + 100];
	struct nlmsghdr *h = (void *)reply;
	ssize_t n;

	rtnl.h.nlmsg_flags |= NLM_F_ACK;
	rtnl_send(fd);
	n = recv(fd, reply, sizeof(reply), 0);
	CHECK(n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && h->nlmsg_type == NLMSG_ERROR);
	return -((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static inline int rtnl_new_veth(int fd, const char *name, const char *peer)
{
	struct ifinfomsg none = { 0 };
	struct rtattr *info, *data, *p;

	rtnl_begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, sizeof(none));
	rtnl_put(IFLA_IFNAME, name, strlen(name) + 1);
	info = rtnl_put(IFLA_LINKINFO, "", 0);
	rtnl_put(IFLA_INFO_KIND, "veth", 4);
	data = rtnl_put(IFLA_INFO_DATA, "", 0);
	p = rtnl_put(VETH_INFO_PEER, &none, sizeof(none));
	rtnl_put(IFLA_IFNAME, peer, strlen(peer) + 1);
	rtnl_end(p);
	rtnl_end(data);
	rtnl_end(info);
	return rtnl_ask(fd);
}

/* With a socket of its own. */
static inline int make_veth(const char *name, const char *peer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), err = rtnl_new_veth(fd, name, peer);

	close(fd);
	return err;
}
