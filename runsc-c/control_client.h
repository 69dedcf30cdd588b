/* SPDX-License-Identifier: Apache-2.0 */
/* control_client.h: the CLI's end of the control protocol (sentry/control/control.h). */
#pragma once

#include <jansson.h>

#include "runsc-c/err.h"
#include "runsc-c/state.h"

/* Make the socket that the Sentry will listen on, in the container's directory. */
int control_listen(const struct state *s, struct err *e);
/* Connect to a container's Sentry.  -ECONNREFUSED, -ENOENT: "container not running". */
int control_connect(const struct state *s, struct err *e);
/* Send a request (consumed) with descriptors (borrowed).  Replies come in the order of the requests. */
int control_ask(int fd, json_t *request, const int *fds, size_t fd_count, struct err *e);
/* Wait for a reply; timeout_ms as in control_recv().  0 and *reply (may be NULL: not wanted), or the Sentry's error in e. */
int control_hear(int fd, int timeout_ms, json_t **reply, struct err *e);
/* Both. */
int control_call(int fd, json_t *request, const int *fds, size_t fd_count, int timeout_ms,
		 json_t **reply, struct err *e);
/* Connect, call, close; for requests about one container: its id is added to request. */
int control_once(const struct state *s, json_t *request, int timeout_ms, json_t **reply,
		 struct err *e);

/* Patience with requests that the Sentry answers at once. */
#define CONTROL_TIMEOUT_MS 10000
