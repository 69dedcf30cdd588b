/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h: from a checked config.json to a created container.
 *
 *     runsc-c create ──fork──▶ monitor ──▶ gofer   (jailed, spawn.h)
 *          │                     └───────▶ sentry  (jailed, spawn.h)
 *          └── "boot", "create" over the control socket; commit; exit
 *
 * The monitor is the container's host pid: in the container's cgroup and namespaces before create
 * returns, it ends with init's exit status, and when it dies everything dies with it (its two
 * children are killed by the kernel, the Sentry's pid namespace takes the stubs along).
 *
 * Until the commit the monitor lives only as long as the creator: a creator that is killed at any
 * point leaves a state directory that says "stopped", perhaps empty cgroups that are recorded there,
 * and no process.
 */
#pragma once

#include "runsc-c/cgroup.h"
#include "runsc-c/err.h"
#include "runsc-c/notify.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

struct launch {
	const struct globals *g;
	struct oci_spec *spec;  /* borrowed */
	const int *fds;         /* the container's 0, 1, 2, …; borrowed */
	size_t fd_count;
	bool host_network;      /* network_choose() */
	bool collect;           /* if we are killed, launch_collect() removes what is left */
	bool starts;            /* launch_create() is followed by network_start() at once: look at the network meanwhile */
	/* filled by launch_create() */
	struct state *state;    /* locked */
	struct state *sandbox;  /* whose Sentry it joins; NULL: its own */
	struct cgroup cgroup;
	pid_t monitor;          /* our child */
	int sync;               /* to the monitor */
	struct notify notify;   /* the monitor's, later */
	struct network_config *network; /* if starts: network_look(); network_start() consumes it */
	int control;            /* to the Sentry; the monitor has it too and uses it after the commit */
};

/*
 * Everything up to a created container that is not committed yet.  On failure nothing is left.
 * id is that of spec->container.
 */
int launch_create(struct launch *l, struct err *e);
/* From now on the container lives by itself.  Unlocks and frees the state. */
int launch_commit(struct launch *l, struct err *e);
/* The same, but it dies with this process (run, do in the foreground). */
int launch_attach(struct launch *l, struct err *e);
/*
 * Remove what the foreground commands (run, do) of this state directory left behind when they were
 * killed.  Never fails; called by commands that list or add containers.
 */
void launch_collect(const char *root);
/* Undo launch_create(). */
void launch_abort(struct launch *l);
/* Wait for the monitor; the exit status of the container's init (128 + signal). */
int launch_wait(struct launch *l);

/*
 * Kill whatever a container still has, remove its cgroups and directory.  Used by delete, and where
 * a start failed.  s is locked and freed by this.
 */
int launch_destroy(const char *root, struct state *s, struct err *e);
