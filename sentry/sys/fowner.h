/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fowner.h: whom a file tells of its events by a signal: F_SETOWN, F_SETSIG and O_ASYNC of fcntl(2).
 */
#pragma once

#include <stdbool.h>

#include "lib/util.h"

struct file;
struct task;

bool fcntl_is_owner(unsigned int cmd);
long fcntl_owner(struct task *t, struct file *f, unsigned int cmd, unsigned long arg);
/* Whether O_ASYNC means anything for f: it is quietly left out of the flags of others. */
bool fowner_async_possible(const struct file *f);
/* O_ASYNC was set or cleared, through fd.  0 or -ENOMEM. */
int fowner_async(struct task *t, int fd, struct file *f, bool on);
/* The holder of a lease is its owner unless there is one (fcntl_setlease). */
int fowner_default(struct task *t, int fd, struct file *f);
/* … and owner and signal go with the lease (lease_modify). */
void fowner_forget(struct task *t, struct file *f);
/* vfs_hooks.sigio: on a fiber, without locks. */
void fowner_sigio(struct file *f, int band, int code);
