/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.h: eventfd(2). */
#pragma once

#include <stdint.h>

#include "lib/util.h"

struct file;
struct vfs_ctx;

/* flags: EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC (ignored here). */
int eventfd_new(struct vfs_ctx *c, uint64_t count, int flags, struct file **out) must_check;

/* Add to f's counter from inside the kernel (aio, memory pressure): saturates.  -EINVAL: no eventfd. */
int eventfd_signal(struct file *f, uint64_t add);
