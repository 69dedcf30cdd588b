/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs.h: files in memory: tmpfs(5), memfd_create(2), and what System V shared memory uses. */
#pragma once

#include "vfs/vfs.h"

extern struct fs_type tmpfs_type;

/* Registers "tmpfs" and "ramfs" and makes the internal mount of memfds.  Once, after vfs_init(). */
int tmpfs_init(void) must_check;
/* Memory that "half of it" (the default size) refers to; 0: no default limit. */
void tmpfs_set_total_memory(uint64_t bytes);
/* The sandbox's own procfs: for reopening memfds read-only.  -1: not there (unit tests). */
void tmpfs_set_host_proc(int proc_fd);

/*
 * A new regular file without a name on the internal mount, shown as "/NAME (deleted)", opened for
 * reading and writing.  seals: what F_GET_SEALS starts with (F_SEAL_SEAL: none can be added).
 */
int tmpfs_new_unlinked(struct vfs_ctx *c, const char *name, uint32_t mode, unsigned int seals,
		       struct file **out) must_check;

/* fcntl(2) F_GET_SEALS and F_ADD_SEALS; -EINVAL when f is not on tmpfs. */
int tmpfs_get_seals(struct file *f);
int tmpfs_add_seals(struct vfs_ctx *c, struct file *f, unsigned int seals);
