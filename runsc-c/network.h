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
 * The namespace of the caller itself (docker run --net=host) is never touched: its sockets are made there by the Sentry itself
 * (--network=host, sentry/socket/host_socket.h), and all that it is told is what interfaces, addresses and routes there are.
 */
#pragma once

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

/*
 * Are the container's sockets to be the host's?  By --network=host, or, without that flag, when its network namespace is
 * the caller's.  An error: that is so by config.json, and --network=sandbox says no.
 */
int network_choose(const struct globals *g, const struct oci_spec *spec, bool *host, struct err *e);

/*
 * The network of the namespace that the monitor of container s is in, taken over for its Sentry, to be freed by
 * network_config_free(); *out is NULL for a container that has loopback only, or another's network.
 */
int network_look(const struct globals *g, struct state *s, struct network_config **out, struct err *e);
/* Ask the Sentry behind the control connection to start the container s with that network (consumed). */
int network_start(const struct state *s, int control, struct network_config *n, struct err *e);

/*
 * The container's processes are gone: take the filters out of its network namespace, if that outlives
 * it and no other sandbox answers there.  What fails is logged.
 */
void network_release(const struct state *s);
