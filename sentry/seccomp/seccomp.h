/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h: the application's own system call filters (seccomp(2)).
 *
 * A filter is immutable once attached.  Filters form a tree: each points at the one that was there
 * before it, and a task holds the newest of its own.  All of a task's filters are asked at each of its
 * calls; the answer with the highest precedence counts.
 *
 * References: a filter is held by tasks, by newer filters and by its listener's file (ref).  Beside
 * that `users` counts the tasks and newer filters only: when it falls to 0 nobody can raise a
 * notification any more, which the listener is told (POLLHUP).
 *
 * Locks: task->seccomp is changed under the siglock of its process, by its own fiber or by a thread
 * of the process that synchronises all (SECCOMP_FILTER_FLAG_TSYNC).  A listener's mutex is a leaf.
 *
 * A task with a filter has none of its calls made by the stub itself (plat_mm_set_native).
 */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct task;
struct seccomp_filter;

/* mode: what /proc/PID/status and prctl(PR_GET_SECCOMP) say. */
enum seccomp_mode { SECCOMP_NONE, SECCOMP_STRICT, SECCOMP_FILTER };

/*
 * Put a program on top of t's filters (insns are copied); flags: SECCOMP_FILTER_FLAG_*, checked
 * before.  0; a listener's descriptor; the tid of a thread that can't be synchronised; -errno.
 * Without NO_NEW_PRIVS or CAP_SYS_ADMIN: -EACCES, unless privileged.  t's own fiber, or one not started.
 */
long seccomp_attach(struct task *t, const struct sock_filter *insns, size_t count, unsigned int flags,
		    bool privileged);
long seccomp_set_strict(struct task *t);
/* child, which nobody else sees yet, takes over what parent has.  siglock of parent's process held. */
void seccomp_inherit_locked(struct task *parent, struct task *child);
/* t is leaving: drop its filters. */
void seccomp_drop(struct task *t);
/* For /proc; siglock is taken. */
void seccomp_show(struct task *t, int *mode, int *filters);

/*
 * The nth of t's filters, the first attached being 0: count of its instructions, put into *out (owned by the caller)
 * and whether it logs.  -ENOENT; -EINVAL: t has no filters; -ENOMEM.  siglock is taken.
 */
ssize_t seccomp_filter_copy(struct task *t, uint64_t nth, struct sock_filter **out, bool *logs);

/* What becomes of a call. */
enum seccomp_verdict {
	SECCOMP_DO,    /* it is made */
	SECCOMP_SKIP,  /* it is not; *result is what it gives */
	SECCOMP_GONE,  /* it is not, and registers are as before it: a signal is coming, or the end */
	SECCOMP_TRACER /* SECCOMP_RET_TRACE: *result is the message; the tracer decides */
};
/* Ask t's filters.  Own fiber; may sleep (user notification). */
enum seccomp_verdict seccomp_ask(struct task *t, const struct seccomp_data *d, long *result);

/* ---- listeners (notify.c) ----------------------------------------------------------------------- */

struct seccomp_listener;
struct file;

int seccomp_listener_new(struct task *t, struct seccomp_listener **out, struct file **file) must_check;
/* No filter refers to it any more / nobody can raise a notification any more. */
void seccomp_listener_put(struct seccomp_listener *l); /* accepts NULL */
void seccomp_listener_orphan(struct seccomp_listener *l);
/*
 * Raise a notification and wait for the answer.  True: the call is to be made after all; false:
 * *result is what it gives (a restart code when a signal came first).
 */
bool seccomp_notify(struct task *t, struct seccomp_listener *l, const struct seccomp_data *d,
		    bool wait_killable, long *result);
