/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_watch.h: what changes in the container's network namespace after its start reaches its Sentry: interfaces that
 * come (docker network connect) and go, addresses, routes, Docker's DNS server.
 *
 * The monitor stays in the namespace, so it listens there to rtnetlink(7)'s groups.  When something has changed, and
 * for a moment nothing more, it reads everything again and hands it to the Sentry ("network" of control.h), with a packet
 * socket for each interface that the Sentry does not have.  The Sentry compares with what it was told before: what
 * programs inside have changed themselves stays.
 *
 *     OFF ──begin──▶ HELD ──the Sentry answers: started──▶ QUIET ──event──▶ NEWS ──30 ms of silence──▶ ASKED ──answer──▶ QUIET
 *
 * What could not be read or taken over is tried again, later each time (NEWS with a longer wait), and with the next event.
 * It is a convenience: whatever fails is logged, and the container goes on with the network that it has.
 */
#pragma once

#include <poll.h>

#include "runsc-c/rtnl.h"

enum net_watch_phase { NET_WATCH_OFF, NET_WATCH_HELD, NET_WATCH_QUIET, NET_WATCH_NEWS, NET_WATCH_ASKED };

struct net_watch {
	enum net_watch_phase phase;
	int events;       /* NETLINK_ROUTE, a member of the groups */
	int control;      /* a connection of its own to the Sentry */
	struct rtnl rtnl; /* its descriptors */
	unsigned int rounds;       /* of waiting for silence */
	unsigned int failures;     /* since it last worked */
	uint32_t known[LINKS_MAX]; /* the Sentry has them */
	size_t known_count;
};

/* None of its descriptors is open. */
void net_watch_init(struct net_watch *w);
/* In the container's network namespace, before the jail; w->control is the caller's.  Failure is logged: no watch. */
void net_watch_open(struct net_watch *w);
void net_watch_close(struct net_watch *w);

/* The container is created: from now on the two below. */
void net_watch_begin(struct net_watch *w, const char *id);
/* What to poll; the timeout in ms, -1: none. */
int net_watch_poll(const struct net_watch *w, struct pollfd *p);
/* p as it came back; revents 0: the timeout. */
void net_watch_run(struct net_watch *w, const struct pollfd *p, const char *id);
