/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h: the containers of a sandbox.
 *
 * A container is what config.json described: a root with mounts, namespaces, limits, and a first
 * process.  It exists from `create` until it is destroyed (or the Sentry ends); its processes may be
 * gone before.  containers.lock (LOCK_CONTROL) guards the table, states and the processes that the
 * CLI may wait for.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "lib/list.h"
#include "sentry/control/control.h"
#include "vfs/vfs.h"

struct cgrp;
struct ns_set;
struct plat_thread;
struct pid_ns;
struct process;
struct task;

/* A process that the CLI made, and may ask the end of. */
struct owned_process {
	struct list node;        /* (containers.lock) */
	struct container *container;
	struct process *process; /* counted */
	int32_t nr;              /* as the container sees it */
	bool ended;              /* (containers.lock) */
	int wait_status;         /* (containers.lock) */
	struct control_request *waiting; /* (containers.lock) one at a time */
};

/* (c) constant after creation, (a) atomic, (k) containers.lock */
struct container {
	char id[256];            /* (c) */
	atomic_uint task_count;  /* (a) */
	uint32_t pids_limit;     /* (a) 0: none.  Tasks of this container at once (cgroup pids.max) */
	uint64_t memory_limit;   /* (a) bytes, 0: none: what meminfo and cgroup files show */
	unsigned int cpu_count;  /* (a) what its tasks see, at least 1 */
	atomic_ullong cpu_quota_us, cpu_period_us; /* (a) what cgroup files show; quota 0: none */
	char *cgroups_path;      /* (c) owned */
	struct cgrp *cgroup;   /* (c) owned: the root of the groups that it makes */
	struct device_rule_config *device_rules; /* (c) owned */
	size_t device_rule_count; /* (c) */
	struct sysctl_config *late_sysctls; /* (k) owned: linux.sysctl of interfaces that come at start */
	size_t late_sysctl_count;           /* (k) */
	struct id_map_config *uid_map, *gid_map; /* (c) owned: config.json's user namespace, to show */
	size_t uid_map_count, gid_map_count;     /* (c) */

	struct list node;        /* (k) */
	enum control_status status; /* (k) */
	struct pid_ns *pid_ns;   /* (c) owned */
	struct ns_set *ns;       /* (c) owned */
	struct path root;        /* (c) owned */
	struct plat_thread *template; /* (c) owned: its processes start from it, in its host cgroup; or NULL */
	struct task *init;       /* (k) before start: owned */
	struct list owned;       /* (k) struct owned_process; the first made is init */
	struct owned_process *init_owned; /* (k) */
	int64_t settles_ns;      /* (k) until then init may be about to set up its handlers (container_signal.c) */
	bool net_ready;          /* (k) start has given it its network */
	bool net_busy;           /* (k) a change of it is under way */
	struct control_request *net_waiting; /* (k) "network", until then */
};

void containers_init(void);
/* A host process died by a hand that is not ours: soon, kill those that it stood for.  Any thread. */
void containers_look_for_lost(void);
extern const struct control_ops container_control_ops;

/* Whether k's device rules let it open or make ('b' or 'c', makedev()); asked: DEVICE_*. */
bool container_device_allowed(const struct container *k, char type, uint64_t rdev, unsigned int asked);
/* HOME, if p's environment has none: from the container's /etc/passwd.  c: its root.  May sleep. */
int container_set_home(struct vfs_ctx *c, struct process_config *p);
/* The container's root, mounts and devices: fills k->ns->mnt and k->root.  *why: what failed. */
int container_mount_all(struct container *k, struct vfs_ctx *c, struct container_config *config,
			char why[static 256]);
