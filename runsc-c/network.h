/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h: the container's network, as it is when the container starts, handed to its Sentry.
 *
 * Clients put interfaces, addresses and routes into the container's network namespace before `create`
 * (CNI), in a hook of it (Docker up to 27), or between `create` and `start` (Docker from 28, podman).
 * So `start` looks, and opens a packet(7) socket for each interface; the Sentry's netstack answers on
 * them with the same addresses.
 *
 * The host's kernel must not answer too: its resets would end the sandbox's connections.  A classic BPF
 * filter at each interface's ingress (tc, behind where packet sockets listen) drops what arrives, so
 * addresses and routes stay visible from outside.  Where the host has no such filter, addresses are
 * taken off instead.
 *
 * Only one sandbox may answer in a namespace.  Its Sentry holds an abstract socket of a fixed name there,
 * which ends with it, however it ends: a second one finds the name taken and is refused.
 *
 * The namespace of the caller itself (--net=host) is never touched: a container that is to join it by path is refused,
 * one whose config.json leaves the network namespace out has loopback only.
 */
#pragma once

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

/* Can the container have the network that its config.json names?  ENOTSUP: it is the caller's own. */
int network_check(const struct globals *g, const struct oci_spec *spec, struct err *e);

/*
 * Ask the Sentry behind the control connection to start the container s, with the network of the
 * namespace that its monitor is in.
 */
int network_start(const struct globals *g, struct state *s, int control, struct err *e);

/*
 * The container's processes are gone: take the filters out of its network namespace, if that outlives
 * it and no other sandbox answers there.  What fails is logged.
 */
void network_release(const struct state *s);
