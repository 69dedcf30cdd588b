/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h: AF_NETLINK (netlink(7)): what its protocols share.
 *
 * A protocol is a function that answers one request.  Answers are built in a struct nl_reply and
 * become datagrams of at most NL_CHUNK bytes, as the kernel's: what glibc reads with one page fits.
 */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "netstack/stack.h"

struct file;
struct net_ns;
struct nl_sock;
struct vfs_ctx;

#define NL_CHUNK 3776

/* Answers to one request, or one message to a group (to: NULL). */
struct nl_reply {
	struct nl_sock *to;
	struct buf b;
	size_t start;         /* of the message being built */
	uint32_t seq, portid;
	uint16_t flags;       /* added to each message's: NLM_F_MULTI in a dump */
};

/* Begin a message; body (of the protocol's own header) is copied. */
void nl_begin(struct nl_reply *r, uint16_t type, uint16_t flags, const void *body, size_t size);
void nl_attr(struct nl_reply *r, uint16_t type, const void *data, size_t size);
/* As it is, whole words; where it begins: nl_nest_end() writes a length there. */
size_t nl_put(struct nl_reply *r, const void *data, size_t size);
void nl_attr_u32(struct nl_reply *r, uint16_t type, uint32_t v);
void nl_attr_u8(struct nl_reply *r, uint16_t type, uint8_t v);
void nl_attr_str(struct nl_reply *r, uint16_t type, const char *s);
/* Of its family's length. */
void nl_attr_ip(struct nl_reply *r, uint16_t type, struct ipa a);
size_t nl_nest(struct nl_reply *r, uint16_t type);
void nl_nest_end(struct nl_reply *r, size_t nest);
/* The message is whole. */
void nl_end(struct nl_reply *r);

/* A request's attributes: hostile, checked. */
struct nl_attrs {
	const struct nlattr *tb[64]; /* by type; NULL: absent */
};
static inline const void *nl_body(const struct nlmsghdr *h)
{
	return (const char *)h + NLMSG_HDRLEN;
}
/* After a header of header_size bytes of h's payload.  -EINVAL: the payload is too short for it. */
int nl_parse(const struct nlmsghdr *h, size_t header_size, struct nl_attrs *out);
/* What begins at p. */
void nl_parse_attrs(const char *p, size_t left, struct nl_attrs *out);
void nl_parse_nested(const struct nlattr *a, struct nl_attrs *out);
/* The same behind a header of size bytes, which must be there. */
void nl_parse_at(const struct nlattr *a, size_t size, struct nl_attrs *out);
static inline const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}
static inline size_t nl_size(const struct nlattr *a)
{
	return (size_t)a->nla_len - NLA_HDRLEN;
}
/* 0 when absent or too short. */
uint32_t nl_u32(const struct nlattr *a);
uint8_t nl_u8(const struct nlattr *a);
/* In network order there. */
uint16_t nl_u16be(const struct nlattr *a);
/* false: there, but of the wrong length for family. */
bool nl_ip(const struct nlattr *a, int family, struct ipa *out);

/* One request: who asks, and where answers go. */
struct nl_request {
	struct vfs_ctx *c;
	struct net_ns *net;
	struct stack *stack;
	const struct nlmsghdr *h; /* a whole message, kernel copy */
	struct nl_reply *reply;
	bool strict;              /* NETLINK_GET_STRICT_CHK */
};

/* Each answers one request: 0 or a negative errno, which becomes NLMSG_ERROR. */
int rtnetlink_request(struct nl_request *q);
int sock_diag_request(struct nl_request *q);
int packet_diag_request(struct nl_request *q); /* of AF_PACKET, likewise */
int unix_diag_request(struct nl_request *q); /* of AF_UNIX, checked as far as struct sock_diag_req */
/* What changes (NEW, DEL), apart: the caller may administer the namespace. */
int rtnetlink_change(struct nl_request *q);
/* Interfaces that are made from inside (rtnetlink_link.c). */
struct ifinfomsg;
int rtnetlink_new_link(struct nl_request *q, const struct ifinfomsg *m, const struct nl_attrs *a);
/* Make an interface a port of the bridge `master`, or of none (0). */
/* -ENODEV; -EOPNOTSUPP: lo, and those of the host. */
int rtnetlink_remove_link(struct net_ns *ns, uint32_t ifindex);
int rtnetlink_set_master(struct stack *s, uint32_t ifindex, uint32_t master);
/* To the namespace that a names; under another name if that is not "". */
int rtnetlink_move_link(struct nl_request *q, uint32_t ifindex, const char *name, const struct nl_attrs *a);

/* stack_event_fn: to the groups of rtnetlink.  arg is the net_ns. */
void rtnetlink_event(void *arg, enum stack_event what, const void *info);
/* To NETLINK_KOBJECT_UEVENT: an interface is there (or has another name), or is gone (uevent.c). */
void uevent_link(struct net_ns *net, const struct nic_info *i, bool gone);
/* Send r's messages to the members of a group (RTNLGRP_*), and free them. */
void netlink_multicast(struct net_ns *net, int protocol, uint32_t group, struct nl_reply *r);

/* Builders that requests and events share. */
void rtnetlink_put_link(struct nl_reply *r, uint16_t type, struct stack *s, const struct nic_info *i);
/* rtnetlink_conf.c: i's settings as IFLA_AF_SPEC; nothing when it is gone or s is NULL. */
void rtnetlink_put_af_spec(struct nl_reply *r, struct stack *s, const struct nic_info *i);
/* -EINVAL, -EOPNOTSUPP: those before it are set. */
int rtnetlink_set_af_spec(struct stack *s, uint32_t ifindex, const struct nlattr *spec);
/* false: nobody is told of that one. */
bool rtnetlink_put_conf_change(struct nl_reply *r, struct stack *s, const struct nic_conf_info *i, uint32_t *group);
int rtnetlink_get_netconf(struct nl_request *q);
void rtnetlink_put_addr(struct nl_reply *r, uint16_t type, const struct addr_info *a);
void rtnetlink_put_route(struct nl_reply *r, uint16_t type, const struct route_info *i, uint32_t flags);
void rtnetlink_put_neigh(struct nl_reply *r, uint16_t type, const struct neigh_info *n);
/* net: whose user namespace says what users are called. */
void rtnetlink_put_rule(struct nl_reply *r, uint16_t type, const struct net_ns *net, const struct rule_info *i);

/*
 * A datagram from the kernel, as it is, for the socket f (mq_notify(2)).  size 0 only checks.  -ENOTSOCK;
 * -EINVAL: of another family.  Under mutexes too.
 */
int netlink_file_queue(struct file *f, const void *data, size_t size);

/* Registers the family.  At start-up. */
void netlink_init(void);
/* Text of /proc/net/netlink. */
void netlink_show(struct net_ns *net, struct buf *b);
