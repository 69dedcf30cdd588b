/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h: the state directory: what is known of each container between calls of the CLI.
 *
 *     ROOT/ID/state.json     what follows, replaced atomically (write, fsync, rename)
 *     ROOT/ID/control.sock   the Sentry's listening socket
 *     ROOT/ID/config.json    the configuration as it was read
 *
 * A container's directory appears and disappears as a whole (rename of a prepared directory), and
 * always has a state.json, so there is no moment at which a crash leaves something that `delete`
 * does not understand.  What is to be removed (cgroups) is recorded before it is made.
 *
 * Lock: flock(2) on the container's directory.  create holds it until the container is there,
 * everything that changes state.json holds it; readers do not.
 *
 * Whether the container runs is never read from state.json alone: the monitor process is looked at
 * (pid and start time), so a container whose processes were killed is "stopped", whatever is written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "runsc-c/err.h"

enum ctr_status { CTR_CREATING, CTR_CREATED, CTR_RUNNING, CTR_PAUSED, CTR_STOPPED };

/* A process of ours, told from a later one of the same pid by its start time (0: unknown). */
struct proc_id {
	pid_t pid; /* 0: none */
	uint64_t start;
};

struct state {
	char *id, *bundle, *rootfs, *created, *owner;
	char *version;           /* ociVersion */
	json_t *annotations;
	enum ctr_status status;  /* as recorded: CREATING, CREATED, RUNNING or PAUSED */
	struct proc_id monitor;  /* the container's host pid; ends with its status */
	struct proc_id sentry, gofer;
	struct proc_id attached; /* the foreground run or do that it dies with; pid 0: none */
	uint64_t pid_ns;         /* the pid namespace of all these: elsewhere they say nothing; 0: not known */
	json_t *cgroup;          /* of cgroup_to_json(); never NULL */
	char *sandbox;           /* the container whose Sentry it is in, if not its own (pod.h); or NULL */
	json_t *hooks;           /* config.json's later phases that have any (hooks_to_json()); may be NULL */
	json_t *hook_process;    /* how startContainer hooks are run: a process of control.h; may be NULL */
	bool rootless;
	bool host_network;       /* its sockets are the host's (network_choose()) */
	bool shares_net;         /* its network namespace is that of another of its Sentry */
	char *net_path;          /* its network namespace, if config.json names one; may be NULL */
	uint64_t net_inode;      /* ... and which that was when it started; 0: nothing was done there */
	json_t *nat;             /* what nat.c made on the host; may be NULL */
	/* not in the file */
	int dir;                 /* the container's directory, locked when state_lock()ed */
	bool locked;             /* by us */
	char *path;              /* ROOT/ID */
};

/* The inode of our pid namespace; 0: not known. */
uint64_t state_pid_ns(void);
/* Make ROOT if it is missing (mode 0711). */
int state_make_root(const char *root, struct err *e);
/*
 * A new container's directory, locked.  The caller fills the members after and calls state_save();
 * attached (pid 0: none) is there from the first moment.
 * -EEXIST: "container with given ID already exists".
 */
int state_create(const char *root, const char *id, struct proc_id attached, struct state **out,
		 struct err *e);
/* Open and read.  -ENOENT: "container does not exist". */
int state_open(const char *root, const char *id, struct state **out, struct err *e);
/* As state_open(), then locked, and read again under the lock. */
int state_open_locked(const char *root, const char *id, struct state **out, struct err *e);
int state_save(struct state *s, struct err *e);
/* Remove the container's directory.  Locked. */
int state_remove(const char *root, struct state *s, struct err *e);
/* Closes the directory, which unlocks it.  Accepts NULL. */
void state_free(struct state *s);

/* Ids of all containers, sorted, as a NULL-terminated vector. */
int state_list(const char *root, char ***ids, struct err *e);

/* The status now: recorded, and what the processes say. */
enum ctr_status state_status(const struct state *s);
const char *ctr_status_name(enum ctr_status status);
/* The OCI state object (state, hooks' stdin). */
json_t *state_to_oci(const struct state *s, enum ctr_status status);

/* Whether that very process lives (zombies do not). */
bool proc_alive(const struct proc_id *p);
/* Fills start from /proc/PID/stat. */
struct proc_id proc_id_of(pid_t pid);
/*
 * Send a signal to that very process (by pidfd, so a recycled pid is never hit).  -ESRCH when it is
 * gone.
 */
int proc_kill(const struct proc_id *p, int sig);
/* Wait until it is gone; false after timeout_ms. */
bool proc_wait_gone(const struct proc_id *p, int timeout_ms);
