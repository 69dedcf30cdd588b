/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h: the locking commands of fcntl(2), for fd.c. */
#pragma once

#include "lib/util.h"

struct file;
struct task;

bool fcntl_is_lock(unsigned int cmd);
/* f is what fd meant when the call began. */
long fcntl_lock(struct task *t, int fd, struct file *f, unsigned int cmd, uaddr_t arg);
