/* SPDX-License-Identifier: Apache-2.0 */
/* inotify.h: inotify(7) instances. */
#pragma once

#include <stdint.h>

#include "lib/util.h"

struct file;
struct path;
struct vfs_ctx;

/* An instance; flags: IN_NONBLOCK (IN_CLOEXEC is the descriptor's).  -ENOMEM, -EMFILE. */
int inotify_new(struct vfs_ctx *c, int flags, struct file **out) must_check;
bool file_is_inotify(const struct file *f);
/* The watch descriptor (> 0) of p's inode.  -EEXIST, -ENOSPC, -ENOMEM, -EACCES. */
int inotify_add(struct vfs_ctx *c, struct file *f, const struct path *p, uint32_t mask);
/* -EINVAL: no such watch. */
int inotify_remove(struct file *f, int wd);
