/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h: the last step into the Sentry's jail: its seccomp filter.
 *
 * The rest is in force before the Sentry's first instruction, by runsc-c/launch.c: own user, pid,
 * mount, ipc, uts (and net) namespaces, an empty read-only root, no capabilities, no_new_privs.
 */
#pragma once

#include "lib/util.h"

/*
 * Install the filter of platform/host_sentry.tbl on every thread of the process.  Call once, after
 * the platform has made its zygote (which must not inherit it) and before the first byte of a
 * container's data is read.  proc_fd: the one directory below which openat may open, read-only.
 * log_fd gets a line when a call that is not in the table ends the process.  0 or a negative errno.
 */
enum jail_flags {
	JAIL_PTRACE = 1 << 0,       /* add what the ptrace platform needs */
	JAIL_HOST_NETWORK = 1 << 1, /* add what --network=host needs: platform/host_network.tbl */
};
int jail_sentry_filter(int proc_fd, int log_fd, unsigned int flags) must_check;
/*
 * The filter's listener, the caller's from now on; -1 when it was taken already or the host can't give
 * one.  It is for one call, of the number JAIL_BELL, which no kernel has (gofer/ring.h).
 */
#define JAIL_BELL 1004
int jail_bell_take(void);
