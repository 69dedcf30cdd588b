/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: what the vfs tells inotify, dnotify and fanotify.  All are cheap when nobody watches anything. */
#pragma once

#include <stdint.h>

struct dentry;
struct file;
struct inode;

/* Something happened to i itself (IN_ATTRIB after link(2), …). */
void fsnotify_inode(struct inode *i, uint32_t mask);
/* … to what d names: those who watch it, and those who watch its directory, with its name. */
void fsnotify_dentry(struct dentry *d, uint32_t mask);
/* … to an open file; mask may have FAN_OPEN_EXEC. */
void fsnotify_file(const struct file *f, uint32_t mask);
/* A name in dir came or went; child: what it names, or NULL. */
void fsnotify_name(struct inode *dir, struct inode *child, const char *name, uint32_t mask,
		   uint32_t cookie);
/* A rename, from both sides, and IN_MOVE_SELF. */
void fsnotify_move(struct inode *old_dir, const char *old_name, struct inode *new_dir,
		   const char *new_name, struct inode *moved);
/* The last name of i has gone, and nobody has it open: IN_DELETE_SELF, then IN_IGNORED. */
void fsnotify_deleted(struct inode *i);
