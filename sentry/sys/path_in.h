/* SPDX-License-Identifier: Apache-2.0 */
/* path_in.h: the (dirfd, path) pair that most file system calls begin with. */
#pragma once

#include <fcntl.h>

#include "sentry/task/task.h"
#include "vfs/vfs.h"

/* On the stack of the system call: some 4 KB. */
#define PATH_IN_SCOPED (1 << 30) /* in at_flags: dirfd counts for absolute names too (openat2) */
struct path_in {
	struct path_buf name;
	struct file *dir;      /* owned; NULL: AT_FDCWD, or an absolute name */
	const struct path *at; /* for vfs_walk() and kin: dir's path or NULL */
};

/*
 * Copy the name and resolve dirfd.  Errors in Linux's order: -EFAULT, -ENAMETOOLONG, -ENOENT (empty
 * name without AT_EMPTY_PATH in at_flags), -EBADF.  On failure nothing is held.
 */
int path_in_get(struct task *t, struct path_in *p, int dirfd, uaddr_t name, int at_flags) must_check;
void path_in_put(struct path_in *p);
/* Get, walk with WALK_* flags (AT_EMPTY_PATH in at_flags allows an empty name), put. */
int path_in_walk(struct task *t, int dirfd, uaddr_t name, int at_flags, unsigned int walk,
		 struct path *out) must_check;
/* WALK_FOLLOW unless at_flags has AT_SYMLINK_NOFOLLOW. */
static inline unsigned int walk_of_at(int at_flags)
{
	return at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
}
