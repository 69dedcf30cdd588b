/* SPDX-License-Identifier: Apache-2.0 */
/* pid.h: making and releasing pids; for sentry/task/ alone.  All under tasklist.lock. */
#pragma once

#include "sentry/task/task.h"

/* Inode number for a new namespace of any kind (/proc/PID/ns). */
uint64_t ns_new_id(void);

/*
 * A pid with numbers in ns and its ancestors; the caller owns the table's reference until
 * pid_release_locked().  set_tid: clone3(2)'s, innermost first.  -EAGAIN, -EEXIST, -EINVAL,
 * -ENOMEM (also when ns is dying).
 */
int pid_new_locked(struct pid_ns *ns, const int32_t *set_tid, size_t set_tid_count,
		   struct pid **out) must_check;
/* Take it out of the tables if it names nothing any more. */
void pid_release_locked(struct pid *pid);
/* The pid with the lowest number >= from, borrowed; NULL: none. */
struct pid *pid_next_locked(struct pid_ns *ns, int32_t from);
/* The pid whose entry for a namespace of this level is n. */
struct pid *pid_of_hash_node(struct hash_node *n, unsigned int level);
