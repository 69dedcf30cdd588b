/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.h: --systemd-cgroup: the container's cgroup is a scope that systemd is asked for, so that it knows what
 * is there: it passes the controllers on, keeps the limits when it looks at its units again, and leaves what is below alone.
 *
 * By D-Bus, without a bus library (theirs are not static): to systemd's own socket, else to the system's or the user's bus.
 */
#pragma once

#include <sys/types.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"

struct systemd_unit {
	char slice[256]; /* "system.slice" */
	char name[256];  /* "docker-ID.scope" */
};

/* What cgroupsPath "slice:prefix:name" names; -EINVAL where it is of another form. */
int systemd_unit_of(const char *cgroups_path, struct systemd_unit *out);

/*
 * Have the scope made with pid in it, and wait until it is there.  -ENOENT without e: no systemd can be asked here;
 * else e says what it has against it.
 */
int systemd_start_scope(const struct systemd_unit *u, pid_t pid, bool v2, const struct oci_resources *r, struct err *e);
/* Its processes have ended: systemd is not to wait for an event that the group's removal may take away.  Failure is not one. */
void systemd_stop_scope(const char *unit);
/* It is told of changed limits, which the caller has written already.  Failure matters only when systemd looks again. */
int systemd_set_limits(const char *unit, bool v2, const struct oci_resources *r, struct err *e);
