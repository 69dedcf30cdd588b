/* SPDX-License-Identifier: Apache-2.0 */
/* virtual_link.h: interfaces that are made from inside: dummy, veth. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct net_ns;
struct nic_config;

/*
 * An interface that drops what it sends.  c: name, MAC (zeros: a random one) and MTU; the rest is set
 * here.  The errors of nic_add(), -ENOMEM.  On a fiber, as all of these.
 */
int virtual_link_dummy(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex);
/* A bridge without ports (netstack/stack.h); nic_remove() removes it. */
int virtual_link_bridge(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex);
/* A VLAN or macvlan (netstack/stack.h: upper_new()); nic_remove() removes it.  ns has its stack. */
int virtual_link_upper(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex);
/*
 * One in `to` on an interface of ns, c->upper.lower.  It goes with that, and with either namespace.  The errors of upper_new()
 * and nic_add().
 */
int virtual_link_upper_away(struct net_ns *ns, struct net_ns *to, struct nic_config *c, uint32_t *ifindex);
/* Two that are connected; the namespaces may be the same. */
int virtual_link_pair(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex,
		      struct net_ns *peer_ns, struct nic_config *peer, uint32_t *peer_ifindex);
/*
 * Into another namespace, under another name if that is not "".  -ENODEV: none of ours; -EEXIST.  A VLAN or macvlan goes on
 * by its lower interface; those that stand on it go.
 */
int virtual_link_move(struct net_ns *ns, uint32_t ifindex, struct net_ns *to, const char *name);
/* Remove it and its peer.  -ENODEV: none of ours. */
int virtual_link_remove(struct net_ns *ns, uint32_t ifindex);
/* The namespace ends: all of its own go, with their peers. */
void virtual_links_stop(struct net_ns *ns);
/* After the stack's end. */
void virtual_links_free(struct net_ns *ns);
