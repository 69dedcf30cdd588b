/* SPDX-License-Identifier: Apache-2.0 */
/* devtmpfs.h: a tmpfs that comes with the device nodes there are. */
#pragma once

#include "vfs/vfs.h"

extern struct fs_type devtmpfs_type;

/* Registers "devtmpfs".  Once, after tmpfs_init(). */
void devtmpfs_init(void);
/*
 * Fill a directory (a container's /dev): a node for each registered device that has one, with
 * mode and owner as they are given there, the links fd, stdin, stdout, stderr, and the directories
 * pts and shm.  What exists already is left as it is.  c's umask does not matter.
 */
int devtmpfs_populate(struct vfs_ctx *c, const struct path *dev) must_check;
