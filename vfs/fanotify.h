/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify.h: fanotify(7) groups and marks, and what the vfs tells and asks them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct dentry;
struct file;
struct inode;
struct path;
struct vfs_ctx;

/* What only the Sentry knows: processes and descriptors.  Set once, before tasks run. */
struct fanotify_hooks {
	/* The calling task's thread group, or the thread; counted.  NULL: the kernel itself. */
	void *(*who)(bool thread);
	void (*who_put)(void *who); /* accepts NULL */
	int32_t (*who_nr)(struct vfs_ctx *reader, void *who);
	int (*pidfd)(struct vfs_ctx *reader, void *who, struct file **out);
	/* A free descriptor of the reader, what it is for, or give it back. */
	int (*fd_reserve)(struct vfs_ctx *reader);
	void (*fd_install)(struct vfs_ctx *reader, int fd, struct file *f, bool cloexec); /* consumes f */
	void (*fd_unreserve)(struct vfs_ctx *reader, int fd);
};
int fanotify_init_module(const struct fanotify_hooks *h) must_check;

/* flags and event_flags: of fanotify_init(2), checked; unprivileged: of who has no CAP_SYS_ADMIN. */
int fanotify_new(struct vfs_ctx *c, unsigned int flags, int event_flags, bool unprivileged,
		 struct file **out) must_check;
bool file_is_fanotify(const struct file *f);
/* What can be said before the path is looked at.  -EINVAL, -EPERM. */
int fanotify_mark_check(const struct file *f, unsigned int flags, uint64_t mask) must_check;
/* FAN_MARK_ADD or _REMOVE, and FAN_MARK_FLUSH. */
int fanotify_mark_set(struct file *f, const struct path *p, unsigned int flags, uint32_t mask);
void fanotify_flush(struct file *f, unsigned int flags);

/* ---- what the vfs calls: nearly nothing when there are no marks -------------------------------- */

/* Is there any mark?  A hint. */
bool fanotify_used(void);
/* FAN_OPEN, FAN_OPEN_EXEC, FAN_ACCESS, FAN_MODIFY, FAN_CLOSE_*: with a file. */
void fanotify_file(const struct file *f, uint32_t mask);
/* Something that has no open file happened to what d names, or to i. */
void fanotify_dentry(struct dentry *d, uint32_t mask);
void fanotify_inode(struct inode *i, uint32_t mask);
/* A name came or went; child may be NULL. */
void fanotify_name(struct inode *dir, struct inode *child, const char *name, uint32_t mask);
/* i is going: its marks go. */
void fanotify_inode_gone(struct inode *i);
/* FAN_OPEN_PERM, FAN_OPEN_EXEC_PERM, FAN_ACCESS_PERM: may it go on?  Sleeps.  -EPERM, -ERESTARTSYS. */
int fanotify_ask(struct vfs_ctx *c, const struct file *f, uint32_t mask) must_check;
