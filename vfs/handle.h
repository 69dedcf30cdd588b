/* SPDX-License-Identifier: Apache-2.0 */
/* handle.h: file handles (name_to_handle_at(2)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vfs/vfs.h"

#define HANDLE_SIZE 12

struct handle {
	int type;
	uint8_t bytes[HANDLE_SIZE];
};

/* fid_only: for comparing alone.  -EOPNOTSUPP. */
int handle_of_inode(const struct inode *i, bool fid_only, struct handle *out) must_check;
int handle_of(const struct path *p, bool fid_only, struct handle *out) must_check;
/* What h names, in at's mount.  -ESTALE. */
int handle_find(struct vfs_ctx *c, const struct path *at, const struct handle *h, struct path *out)
	must_check;
