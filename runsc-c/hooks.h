/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.h: running OCI hooks: programs of the host, with the container's state on stdin. */
#pragma once

#include <jansson.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"

/*
 * Run the hooks of a phase in order, each to its end; the first that fails (status, signal, timeout)
 * ends it with an error that names it.  state is the OCI state object.
 */
int hooks_run(const struct oci_hooks *h, const char *phase, const json_t *state, struct err *e);
/* What state.json keeps for `delete`, and back. */
json_t *hooks_to_json(const struct oci_hooks *h);
int hooks_from_json(const json_t *a, struct oci_hooks *out);
void hooks_fini(struct oci_hooks *h);
