/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h: an interface of a network namespace that leads outside: a packet(7) socket of the host
 * (runsc-c/network.c opens and binds it) behind a struct nic.
 */
#pragma once

#include "sentry/control/boot.h"

struct net_ns;

/* Add the interface and start receiving; takes c->fd.  A negative errno: nothing was added. */
int link_start(struct net_ns *ns, struct net_link_config *c);
/* The number inside of the interface that the host calls so, 0: there is none; loopback is 1.  With the host's network: the same. */
uint32_t link_index(struct net_ns *ns, uint32_t host_index);
/* Take it away: it is gone outside.  On a fiber. */
void link_remove(struct net_ns *ns, uint32_t host_index);
/* What was put off is sent when this returns (lib/worker_later.h).  On a fiber. */
void links_send_left(struct net_ns *ns);
/* ns has no users any more: no packet moves any longer.  On a fiber. */
void links_stop(struct net_ns *ns);
/* After the stack's end. */
void links_free(struct net_ns *ns);
