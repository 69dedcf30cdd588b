/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.h: running OCI hooks: programs of the host or of the container, with its state on stdin. */
#pragma once

#include <jansson.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/state.h"

/*
 * Run the hooks of a phase in order, each to its end; the first that fails (status, signal, timeout)
 * ends it with an error that names it.  state is the OCI state object.  namespaces: a pidfd whose
 * network, ipc and uts namespaces they run in, or -1: ours.
 */
int hooks_run(const struct oci_hooks *h, const char *phase, const json_t *state, int namespaces,
	      struct err *e);
/* startContainer: programs of the created container, run in it as its process would be. */
int hooks_run_inside(const struct state *s, struct err *e);
/* What state.json keeps of a phase for `start` and `delete`, and back. */
json_t *hooks_to_json(const struct oci_hooks *h);
int hooks_from_json(const json_t *a, struct oci_hooks *out);
/* Those of a phase that state.json keeps, as hooks_run(). */
int hooks_run_kept(const struct state *s, const char *phase, enum ctr_status status, struct err *e);
/* A failing one is logged, and the others go on (runtime.md, Lifecycle). */
void hooks_run_poststop(const struct state *s);
void hooks_fini(struct oci_hooks *h);
