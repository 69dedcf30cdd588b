/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.h: Docker's embedded DNS server, 127.0.0.11:53 in the container.
 *
 * Docker's daemon listens at a loopback address of the container's network namespace, where no link
 * of ours leads.  So the stack gets a socket of its own at that address; what arrives there goes, with
 * another query id, to the daemon by a connected UDP socket of the host (runsc-c/network.c), and the
 * answers come back the same way.  A TCP connection is joined to one that the container's monitor makes.
 */
#pragma once

struct net_ns;
struct resolver;

/* Takes fd over.  Failure is logged: there are no names then. */
void resolver_start(struct net_ns *ns, int fd);
/* On a fiber.  Accepts NULL. */
void resolver_stop(struct resolver *r);
