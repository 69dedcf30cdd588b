/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl.h: rtnetlink(7), as far as the container's network needs it (network.h, net_watch.h): requests, what there is
 * in the network namespace of the caller, and taking an interface of it over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/rtnetlink.h>

#include "runsc-c/err.h"
#include "sentry/control/boot.h"

#define LINKS_MAX        32
#define RTNL_BUFFER      65536
#define RESOLVER_ADDRESS 0x7f00000bu /* 127.0.0.11: Docker's DNS server */

/* Everything belongs to the namespace that its descriptors were opened in. */
struct rtnl {
	int fd;                   /* NETLINK_ROUTE */
	int udp, range;           /* /proc/net/udp; ip_local_port_range, for writing; -1: none */
	uint32_t seq;
	char *buffer;             /* RTNL_BUFFER */
	struct network_config *n; /* what rtnl_scrape() fills */
	bool resolver;            /* Docker's DNS server is there: filters let its answers through */
	bool look;                /* interfaces are shown, not taken over: more of them, of any kind */
	unsigned int filters;     /* on_filter() has seen */
};

/* A socket and the two files; the buffer is the caller's. */
int rtnl_open(struct rtnl *r, struct err *e);
void rtnl_close(struct rtnl *r);

/* The namespace's interfaces alone; then also their addresses, its routes and neighbours.  A negative errno. */
int rtnl_links(struct rtnl *r);
int rtnl_scrape(struct rtnl *r, struct err *e);

/*
 * l->fd becomes a packet(7) socket of the interface, and the host's kernel is kept from answering too: by a
 * filter, else by taking its addresses off (n->addrs_taken).
 */
int rtnl_take_link(struct rtnl *r, struct net_link_config *l, struct err *e);
/* The filter is made again, for another r->resolver. */
int rtnl_filter_again(struct rtnl *r, uint32_t ifindex);
/* The filter out again; its qdisc too, when nobody else has filters there. */
void rtnl_unfilter(struct rtnl *r, uint32_t ifindex);

/*
 * If Docker's DNS server listens: a socket connected to it (n->resolver_fd), and host programs here use
 * ports that the sandbox leaves to them.  Sets r->resolver.
 */
void rtnl_open_resolver(struct rtnl *r);
