/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h: the container's control groups, in the cgroup file systems of v1, v2 and both beside each
 * other (hybrid: the v1 controllers count, v2 is not touched).
 *
 * A cgroup here is a list of directories: one per v1 hierarchy, or a single one under v2.  Processes
 * join by themselves, while single-threaded, by "0" to v1's `tasks`; under v2 they are made inside
 * (CLONE_INTO_CGROUP).  Both avoid what a write to cgroup.procs costs (milliseconds: the kernel's
 * global thread-group lock).
 *
 * With --systemd-cgroup the group is a scope that systemd makes (systemd.h) where it can be asked; what it leaves out (v1
 * controllers that it does not use), and all of it elsewhere, is made by hand at the same paths.
 *
 * Without permission (rootless) the cgroup is simply absent, with a warning.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"

#define CGROUP_MAX_DIRS 24

struct cgroup_dir {
	char *controllers; /* v1: "cpu,cpuacct" or "name=systemd"; v2: "" */
	char *path;        /* /sys/fs/cgroup/memory/docker/ID */
	bool made;         /* by us, so ours to remove */
};

struct cgroup {
	bool v2;
	struct cgroup_dir dirs[CGROUP_MAX_DIRS];
	size_t count;
	char *unified; /* v1: where v2 is mounted beside it; only of a plan */
	char *unit; /* the scope that systemd made for it; NULL: made by hand */
};

/*
 * Where the container's cgroup is to be: spec's cgroupsPath ("/a/b", "a/b" relative to our own cgroup,
 * or with systemd_style "slice:prefix:name"), default id.  Makes nothing; count is 0 where there are
 * no cgroups.
 */
int cgroup_plan(const char *cgroups_path, const char *id, bool systemd_style, struct cgroup *out,
		struct err *e);
/*
 * Make the directories of a plan (existing ones are joined, but not removed later).  optional: a lack
 * of permission only drops the directory from the plan, with a warning in the log.
 */
int cgroup_make(struct cgroup *c, bool optional, struct err *e);
/*
 * linux.resources.devices with the defaults, on v1, in a group that cgroup_make() made; not more than a
 * warning if it can't be done.
 */
void cgroup_apply_devices(const struct cgroup *c, const struct device_rule_config *rules, size_t count);
/* Set limits; optional as above.  Called at create and update. */
int cgroup_apply(const struct cgroup *c, const struct oci_resources *r, bool optional,
		 struct err *e);
/* The host's limit of tasks: that of config.json with room for our own threads; -1: none, OCI_UNSET. */
int64_t cgroup_tasks_max(const struct oci_resources *r);
/*
 * pid is in the scope that systemd has made: under v2 the plan takes its path, which is below the manager's own group.  Hybrid: the v2
 * group joins the plan, without controllers, since by it systemd tells whether the scope lives.
 */
int cgroup_follow(struct cgroup *c, pid_t pid, const char *cgroups_path);
/* v1: the calling process, which must be single-threaded, joins.  Nothing to do under v2. */
int cgroup_join_self(const struct cgroup *c, bool optional, struct err *e);
/* Move a process, with all its threads. */
int cgroup_move(const struct cgroup *c, pid_t pid, bool optional, struct err *e);
/* v2: a descriptor for CLONE_INTO_CGROUP, else -1. */
int cgroup_clone_fd(const struct cgroup *c);
/* Freeze or thaw and wait until it is so.  -ENOENT: no freezer here. */
int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e);
/* Its members compete for CPU time with each other: what priorities they have is nobody else's concern. */
bool cgroup_divides_cpu(const struct cgroup *c);
bool cgroup_is_frozen(const struct cgroup *c);
/* v1: thaw the freezer group that pid is in, whoever put it there: a frozen process can't be killed. */
void cgroup_thaw_process(pid_t pid);
/* SIGKILL everything in it, until it is empty or timeout_ms has passed; true when empty. */
bool cgroup_kill(const struct cgroup *c, int timeout_ms);
/* Pids in it (of the first hierarchy), 0-terminated; NULL without memory. */
pid_t *cgroup_pids(const struct cgroup *c);
/* Remove what was made, deepest first. */
int cgroup_remove(const struct cgroup *c, struct err *e);
void cgroup_fini(struct cgroup *c);

/* For state.json. */
json_t *cgroup_to_json(const struct cgroup *c);
int cgroup_from_json(const json_t *o, struct cgroup *out);

/* events --stats: the "data" object in runc's shape. */
json_t *cgroup_stats(const struct cgroup *c);
