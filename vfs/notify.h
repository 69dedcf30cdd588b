/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: what the vfs tells inotify. */
#pragma once

#include <stdint.h>

#include "lib/util.h"

struct dentry;
struct file;
struct inode;

/* inotify.c: tell those who watch; cheap when nobody does. */
static inline void fsnotify_inode(struct inode *i, uint32_t mask)
{
	(void)i;
	(void)mask;
}
/* i itself and its parent directory by p's name. */
static inline void fsnotify_dentry(struct dentry *d, uint32_t mask)
{
	(void)d;
	(void)mask;
}
static inline void fsnotify_name(struct inode *dir, const char *name, uint32_t mask, uint32_t cookie)
{
	(void)dir;
	(void)name;
	(void)mask;
	(void)cookie;
}
static inline void fsnotify_move(struct inode *old_dir, const char *old_name,
				 struct inode *new_dir, const char *new_name, struct inode *moved)
{
	(void)old_dir;
	(void)old_name;
	(void)new_dir;
	(void)new_name;
	(void)moved;
}
