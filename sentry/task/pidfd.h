/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.h: descriptors that stand for processes (pidfd_open(2)). */
#pragma once

#include "vfs/vfs.h"

struct pid;
struct cred;
struct task;

#define PIDFD_THREAD_ O_EXCL /* linux/pidfd.h: it stands for a thread */

/* A file for pid (reference taken).  flags: O_NONBLOCK (PIDFD_NONBLOCK), PIDFD_THREAD_. */
int pidfd_new(struct pid *pid, int flags, const struct cred *cred, struct file **out) must_check;
/* What f stands for, with a reference; NULL: f is no pidfd. */
struct pid *pidfd_pid(const struct file *f);
/*
 * What t's descriptor fd stands for, with a reference: a process, or (*thread) a thread.  Also the caller itself by
 * PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP; proc: also the process of an open /proc/PID.  -EBADF.
 */
int pidfd_lookup(struct task *t, int fd, bool proc, struct pid **out, bool *thread) must_check;
/* The leader of that process, with a reference.  -EBADF, -ESRCH. */
int pidfd_leader(struct task *t, int fd, struct task **out) must_check;
