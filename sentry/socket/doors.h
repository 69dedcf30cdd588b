/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doors.h: programs of the host in the container's network namespace reach what listens inside.
 *
 * Connections over the container's interfaces are the stack's.  But what is in the host's network namespace that those
 * interfaces are in (containerd's port-forward for kubectl, rootlesskit's proxy for podman's published ports, nsenter -n) connects over
 * the host's loopback there, which no link of ours leads to.  So for each TCP address that is listened at inside the container's monitor
 * listens at the same one in its namespace ("door"): the Sentry accepts there and joins each connection to one of the
 * stack's own (tcp_relay.h), over loopback.
 */
#pragma once

struct doors;
struct net_ns;

/* Takes fd over: a SOCK_SEQPACKET socket to the monitor (struct net_door_request).  Once for a namespace; NULL: no memory. */
struct doors *doors_new(struct net_ns *ns, int fd);
/* Who listens may have changed.  Accepts NULL; from anywhere. */
void doors_look(struct doors *d);
/* On a fiber.  Accepts NULL. */
void doors_stop(struct doors *d);
