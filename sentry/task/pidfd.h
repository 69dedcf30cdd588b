/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.h: descriptors that stand for processes (pidfd_open(2)). */
#pragma once

#include "vfs/vfs.h"

struct pid;
struct cred;

/* A file for pid (reference taken).  flags: O_NONBLOCK (PIDFD_NONBLOCK) or 0. */
int pidfd_new(struct pid *pid, int flags, const struct cred *cred, struct file **out) must_check;
/* What f stands for, with a reference; NULL: f is no pidfd. */
struct pid *pidfd_pid(const struct file *f);
