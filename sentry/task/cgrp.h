/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgrp.h: control groups that applications make (cgroups(7), version 2).
 *
 * A container has a root group, and below it what its processes make with mkdir(2) in a cgroup2 mount
 * (sentry/sysfs/cgroupfs.c).  A group has members (processes; a new one begins in its parent's
 * group), a state "populated" that is told to who watches cgroup.events, and no controllers: limits
 * are the container's, kept by the host.  So systemd and others can track services by groups.
 *
 * Everything marked (t) is under tasklist.lock.  Groups are few: at most CGROUP_MAX in a sandbox.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/hash.h"
#include "lib/list.h"
#include "lib/ref.h"
#include "lib/util.h"

struct buf;
struct process;

#define CGROUP_MAX       8192
#define CGROUP_DEPTH_MAX 64

/* Files whose owner and mode an application may change: what delegation is made of. */
enum cgroup_file { CGROUP_DIR, CGROUP_PROCS, CGROUP_THREADS, CGROUP_SUBTREE, CGROUP_FILES };

struct cgrp_attr {
	bool set;
	uint32_t mode, uid, gid;
};

struct cgrp {
	struct ref ref;
	int64_t id;              /* (c) never used again */
	struct hash_node node;   /* (t) by id */
	struct cgrp *parent;   /* (c) counted; NULL: a container's root */
	unsigned int depth;      /* (c) 0: a root */
	char *name;              /* (c) owned; NULL for a root */
	struct list children;    /* (t) by sibling, ids ascending */
	struct list sibling;     /* (t) */
	unsigned int members;    /* (t) processes in it that have a living thread */
	unsigned int populated;  /* (t) children that have members, or populated children */
	bool removed;            /* (t) */
	atomic_bool changed;     /* "populated" did, and nobody has been told yet */
	struct cgrp_attr attrs[CGROUP_FILES]; /* (t) */
	int64_t user_ns, system_ns; /* (t) of processes that ended in it or below */
};

/* A container's root.  NULL: no memory. */
struct cgrp *cgrp_new_root(void);
void cgrp_drop_root(struct cgrp *cg); /* consumes; accepts NULL */
struct cgrp *cgrp_get(struct cgrp *cg); /* accepts NULL */
void cgrp_put(struct cgrp *cg);           /* accepts NULL; without tasklist.lock or with it */

/* The group with that id, with a reference; NULL: there is none (any more).  Takes tasklist.lock. */
struct cgrp *cgrp_find(int64_t id);
/* -EAGAIN: too many, too deep; -ENODEV: parent is removed; -ENOMEM. */
int cgrp_make(struct cgrp *parent, const char *name, uint32_t mode, uint32_t uid,
		uint32_t gid) must_check;
/* -EBUSY: it has members or children. */
int cgrp_remove(struct cgrp *cg) must_check;
static inline bool cgrp_populated_locked(const struct cgrp *cg)
{
	return cg->members || cg->populated;
}
unsigned int cgrp_descendants_locked(const struct cgrp *cg);
bool cgrp_below_locked(const struct cgrp *cg, const struct cgrp *above); /* or the same */

/* p, which is being linked, begins in cg (NULL: in none). */
void cgrp_enter_locked(struct process *p, struct cgrp *cg);
/* p's last thread has ended. */
void cgrp_leave_locked(struct process *p);
/* -ESRCH: p has ended; -ENODEV: to is removed.  Tell both groups afterwards. */
int cgrp_move_locked(struct process *p, struct cgrp *to) must_check;
/* Tell who watches cg and those above it what has changed.  Without locks. */
void cgrp_tell(struct cgrp *cg); /* accepts NULL */

/* cg as seen from root (NULL: the root above cg): "/a/b", "/../c". */
void cgrp_path_locked(const struct cgrp *cg, const struct cgrp *root, struct buf *b);
