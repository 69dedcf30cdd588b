/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h: sd_notify(3) from inside a container.
 *
 * With NOTIFY_SOCKET in our environment a container gets a socket of its own: a directory at the path that the
 * variable names, with "notify" in it, and a variable that says so.  What is sent there the monitor sends on to the
 * service manager's socket: state lines only, no pids and no descriptors, which mean nothing outside.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/state.h"

#define NOTIFY_DIR "notify" /* in the state directory */

struct notify {
	int in;  /* bound, where the container sends; -1: NOTIFY_SOCKET is not set */
	int out; /* connected to the service manager, or -1 */
};

/* Before the container's mounts are opened: socket, mount, environment. */
int notify_open(struct notify *n, const struct state *s, struct oci_spec *spec, struct err *e);
void notify_close(struct notify *n);
/*
 * One message on its way, by the monitor.  main_pid: what a detached container's service manager is told after
 * "READY=1", or 0.  False: there was none.
 */
bool notify_forward(const struct notify *n, pid_t main_pid);
