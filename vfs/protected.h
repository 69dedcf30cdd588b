/* SPDX-License-Identifier: Apache-2.0 */
/* protected.h: /proc/sys/fs/protected_*: what others' names in shared directories may do (proc_sys_fs(5)). */
#pragma once

#include <stdatomic.h>

#include "vfs/vfs.h"

/* The variables; one set for the sandbox, as on Linux for the machine. */
struct protected_names {
	atomic_int symlinks, hardlinks, fifos, regular;
};
extern struct protected_names protected_names;

/* May c follow this symlink, the last component of a name, in dir?  -EACCES. */
int may_follow_link(const struct vfs_ctx *c, const struct inode *dir, const struct inode *link) must_check;
/* May c open with O_CREAT what exists in dir already?  -EACCES. */
int may_create_in_sticky(const struct vfs_ctx *c, const struct inode *dir, const struct inode *i) must_check;
