/* SPDX-License-Identifier: Apache-2.0 */
/* fs.h: which file systems there are. */
#pragma once

struct vfs_hooks;

/* Register them all.  0 or -ENOMEM. */
int sentry_fs_init(void);

/* What file operations do to tasks: for vfs_set_hooks(). */
extern const struct vfs_hooks sentry_vfs_hooks;
