/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c: file locks.  See lock.h.  No call sets one yet, so there is none to drop. */
#include "vfs/lock.h"

#include "vfs/vfs.h"

void vfs_lock_remove_posix(struct file *f, const void *owner)
{
	(void)owner;
	ASSERT(!f->inode->locks);
}
