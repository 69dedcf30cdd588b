/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_api.h: the mount calls that work on descriptors (fsopen(2) … mount_setattr(2)), for
 * sentry/sys/mount_api.c, which has read the arguments.
 *
 * Two kinds of descriptors come out: file system contexts (fs_context.c), and O_PATH files on the root
 * of a detached tree (mount_tree.c), which holds an anonymous mount namespace: what is not moved
 * somewhere is unmounted when the file goes.
 */
#pragma once

#include <stdint.h>

#include "vfs/vfs.h"

/* A context for a new super of type name, or (fspick) for the one at p's mount.  -EPERM, -ENODEV … */
int fs_context_open(struct vfs_ctx *c, const char *name, struct file **out) must_check;
int fs_context_pick(struct vfs_ctx *c, const struct path *p, struct file **out) must_check;
/* FSCONFIG_SET_FLAG (value NULL) and FSCONFIG_SET_STRING.  -EINVAL: f is no context. */
int fs_context_set(struct file *f, const char *key, const char *value);
/* FSCONFIG_CMD_CREATE, CREATE_EXCL and RECONFIGURE. */
int fs_context_command(struct vfs_ctx *c, struct file *f, unsigned int cmd);
bool file_is_fs_context(const struct file *f);
/* fsmount(2): the context's super as a detached mount; attr: MOUNT_ATTR_*. */
int fs_context_mount(struct vfs_ctx *c, struct file *f, unsigned int attr, struct file **out)
	must_check;

/* open_tree(2) with OPEN_TREE_CLONE: a detached copy of what is at p. */
int mount_open_tree(struct vfs_ctx *c, const struct path *p, bool recursive, struct file **out)
	must_check;
/* move_mount(2); flags: MOVE_MOUNT_SET_GROUP, MOVE_MOUNT_BENEATH. */
int mount_move(struct vfs_ctx *c, const struct path *from, const struct path *to, unsigned int flags);

struct mount_attr;
/* mount_setattr(2): -EINVAL for what makes no sense, whatever it is about. */
int mount_setattr_check(const struct mount_attr *a) must_check;
int mount_setattr_at(struct vfs_ctx *c, const struct path *p, const struct mount_attr *a,
		     bool recursive);
/* CAP_SYS_ADMIN over the caller's mount namespace. */
bool may_mount(struct vfs_ctx *c);
