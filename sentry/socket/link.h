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
/* ns has no users any more: no packet moves any longer.  On a fiber. */
void links_stop(struct net_ns *ns);
