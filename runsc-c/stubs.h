/* SPDX-License-Identifier: Apache-2.0 */
/* stubs.h: the host processes in which a Sentry runs applications. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct stub_pid {
	int host;  /* as we see it */
	int inner; /* in the Sentry's own pid namespace */
};

/*
 * All children of the Sentry: an array (mem_free), NULL when there are none.  A hostile Sentry can
 * name any of its own processes, and no other's.
 */
struct stub_pid *stub_pids(pid_t sentry, size_t *count);
