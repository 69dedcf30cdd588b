/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay.h: one directory tree out of several: changes go to the upper layer, the lower ones are
 * never written (as Linux's overlayfs).
 */
#pragma once

#include "vfs/vfs.h"

extern struct fs_type overlay_type;

#define OVERLAY_LOWER_MAX 128

/* For fs_data of overlay_type.mount; the paths are borrowed. */
struct overlay_layers {
	struct path upper;         /* mnt NULL: none, the file system is read-only */
	const struct path *lower;  /* topmost first */
	unsigned int lower_count;
};

/* Registers "overlay".  Once. */
void overlay_init(void);
/*
 * An overlay whose upper layer is a new tmpfs (mount options tmpfs_data, may be NULL) above the
 * whole of lower.  A new super with a reference.
 */
int overlay_in_memory(struct vfs_ctx *c, struct super *lower, const char *tmpfs_data,
		      struct super **out) must_check;
