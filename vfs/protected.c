/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protected.c: symlinks, FIFOs and files that somebody else put into /tmp and its like.
 *
 * The values are those that Debian (systemd) and most distributions set, not the kernel's zeros: it is
 * what programs meet on hosts.  The host's own rules do not come into it: the Gofer follows no links,
 * and opens FIFOs never.  Linux: fs/namei.c.
 */
#include "vfs/protected.h"

#include <errno.h>

struct protected_names protected_names = { .symlinks = 1, .hardlinks = 1, .fifos = 1, .regular = 2 };

static int value(const atomic_int *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

int may_follow_link(const struct vfs_ctx *c, const struct inode *dir, const struct inode *link)
{
	const uint32_t shared = S_ISVTX | S_IWOTH;

	if (!value(&protected_names.symlinks) || link->uid == c->cred->fsuid ||
	    (dir->mode & shared) != shared || link->uid == dir->uid)
		return 0;
	return -EACCES;
}

int may_create_in_sticky(const struct vfs_ctx *c, const struct inode *dir, const struct inode *i)
{
	int level = 2;

	if (S_ISREG(i->mode))
		level = value(&protected_names.regular);
	else if (S_ISFIFO(i->mode))
		level = value(&protected_names.fifos);
	if (!level || !(dir->mode & S_ISVTX) || i->uid == dir->uid || i->uid == c->cred->fsuid)
		return 0;
	if (dir->mode & S_IWOTH)
		return -EACCES;
	/* Only files and FIFOs have a level for directories that a group writes. */
	return (dir->mode & S_IWGRP) && level >= 2 && (S_ISREG(i->mode) || S_ISFIFO(i->mode)) ? -EACCES : 0;
}
