/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod.h: containers that share a Sentry.
 *
 * The Sentry belongs to the container that was made first (the pod's sandbox); a further one has a
 * monitor, a Gofer, a cgroup and a state directory of its own, whose control.sock is a link to that
 * of the sandbox.  A container joins another's Sentry when its annotations say so (containerd's and
 * CRI-O's: container-type "container" and a sandbox-id), or when one of its pid, ipc or network
 * namespaces is that of a container of ours ("/proc/PID/ns/…" where PID is its monitor): such
 * namespaces exist in one Sentry only.
 *
 * Its processes start from a template process that the Sentry makes for it and that we move into
 * its cgroup.  It lives as long as its monitor's control connection: when the monitor dies the
 * Sentry kills its processes.  When the sandbox's init ends, its Sentry ends, and all go.
 */
#pragma once

#include <jansson.h>

#include "runsc-c/cgroup.h"
#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/state.h"

/*
 * The sandbox that the container of spec is to join, or NULL in *out for a Sentry of its own; fills
 * container->ns and ns_join.  *out is unlocked, the caller's.  An error: a namespace that can't be
 * joined.
 */
int pod_find(const char *root, struct oci_spec *spec, struct state **out, struct err *e);
/* Link s's control socket to that of the sandbox. */
int pod_link(const struct state *s, const struct state *sandbox, struct err *e);
/* Move the processes that the Sentry made for it ("stubs" of the reply to create) into its cgroup. */
int pod_place(const struct state *s, const json_t *reply, const struct cgroup *c, bool optional,
	      struct err *e);
/* Have the Sentry forget it.  Its monitor has gone. */
void pod_forget(const struct state *s);
