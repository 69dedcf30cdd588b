/* SPDX-License-Identifier: Apache-2.0 */
/* simple_xattr.h: extended attributes kept in memory, for file systems that have no other place. */
#pragma once

#include "lib/latch.h"
#include "lib/list.h"
#include "lib/util.h"

struct simple_xattrs {
	struct list list; /* (the inode's lock for changes, latch for all) */
	struct latch latch;
	size_t bytes;
};

void simple_xattrs_init(struct simple_xattrs *x);
void simple_xattrs_fini(struct simple_xattrs *x);
/* As inode_ops: size 0 asks for the size; -ENODATA, -ERANGE. */
ssize_t simple_xattr_get(struct simple_xattrs *x, const char *name, void *buf, size_t size);
/* flags: XATTR_*.  -EEXIST, -ENODATA, -ENOSPC, -ENOMEM. */
int simple_xattr_set(struct simple_xattrs *x, const char *name, const void *value, size_t size,
		     int flags) must_check;
int simple_xattr_remove(struct simple_xattrs *x, const char *name);
ssize_t simple_xattr_list(struct simple_xattrs *x, char *buf, size_t size);
