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
/* ---- statmount(2), listmount(2): mount_stat.c ------------------------------------------------- */

#define MOUNT_ID_UNIQUE_FIRST (1ull << 31) /* ids up to here are not unique ones */
#define LSMT_ROOT_            UINT64_MAX

enum statmount_mask { /* STATMOUNT_*; linux/mount.h of the build machine may not have them */
	STATMOUNT_SB_BASIC_ = 0x1,
	STATMOUNT_MNT_BASIC_ = 0x2,
	STATMOUNT_PROPAGATE_FROM_ = 0x4,
	STATMOUNT_MNT_ROOT_ = 0x8,
	STATMOUNT_MNT_POINT_ = 0x10,
	STATMOUNT_FS_TYPE_ = 0x20,
	STATMOUNT_MNT_NS_ID_ = 0x40,
	STATMOUNT_MNT_OPTS_ = 0x80,
	STATMOUNT_SB_SOURCE_ = 0x200,
	STATMOUNT_SUPPORTED_MASK_ = 0x1000,
	STATMOUNT_ALL_ = 0x12ff,
	STATMOUNT_STRINGS_ = 0x2b8,
};

/* struct statmount; members that are strings are offsets behind its end. */
struct statmount_abi {
	uint32_t size, mnt_opts;
	uint64_t mask;
	uint32_t sb_dev_major, sb_dev_minor;
	uint64_t sb_magic;
	uint32_t sb_flags, fs_type;
	uint64_t mnt_id, mnt_parent_id;
	uint32_t mnt_id_old, mnt_parent_id_old;
	uint64_t mnt_attr, mnt_propagation, mnt_peer_group, mnt_master, propagate_from;
	uint32_t mnt_root, mnt_point;
	uint64_t mnt_ns_id;
	uint32_t fs_subtype, sb_source;
	uint32_t opt_num, opt_array, opt_sec_num, opt_sec_array;
	uint64_t supported_mask;
	uint32_t mnt_uidmap_num, mnt_uidmap, mnt_gidmap_num, mnt_gidmap;
	uint64_t spare[43];
};
_Static_assert(sizeof(struct statmount_abi) == 512, "struct statmount");

struct buf;
/* The id that statx(2) gives for STATX_MNT_ID_UNIQUE, of a mount's plain one. */
uint64_t mount_unique_id(uint64_t id);
/* out is zeroed by the caller.  -ENOENT, -EPERM. */
int mount_stat(struct vfs_ctx *c, uint64_t id, uint64_t mask, struct statmount_abi *out,
	       struct buf *strings) must_check;
/* Mounts below parent (LSMT_ROOT_: the caller's root), those after last (0: from the beginning). */
ssize_t mount_list(struct vfs_ctx *c, uint64_t parent, uint64_t last, bool reverse, uint64_t *ids,
		   size_t count);
/* CAP_SYS_ADMIN over the caller's mount namespace. */
bool may_mount(struct vfs_ctx *c);
