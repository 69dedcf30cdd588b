/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs_impl.h: what the files of sentry/sysfs/ share. */
#pragma once

#include "sentry/sysfs/sysfs.h"

struct container;

struct view_super {
	struct pfs_super pfs;
	struct container *container; /* (c) whose set-up mounted it; NULL: mounted by a task */
	const char *options;         /* (c) for /proc/mounts; static */
};

/* A super of this kind (mode: who it was mounted by, and for whom). */
int view_super_new(struct vfs_ctx *c, const struct fs_type *t, uint64_t magic, const char *options,
		   const struct pfs_entry *root, void *fs_data, struct super **out) must_check;
/* Whose limits r's reader sees; NULL: nobody's (tests). */
const struct container *view_container(const struct pfs_req *r);

int cgroupfs_init(void) must_check;

/* ---- cgroup_dir.c: groups that applications make; what the root's rows have in common with them ------ */

extern struct fs_type cgroup2_type;
extern const struct pfs_entry cgroup_group; /* a group below the root; key: its id */
int cgroup_dir_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out);
int cgroup_dir_next(const struct pfs_req *r, int64_t from, struct pfs_child *out);
int cgroup_dir_mkdir(const struct pfs_req *r, const char *name, const struct inode_attr_new *a);
int cgroup_dir_rmdir(const struct pfs_req *r, struct pfs_inode *child);
#define CGROUP_DIR_SLOTS                                                                     \
	.lookup = cgroup_dir_lookup, .next = cgroup_dir_next, .mkdir = cgroup_dir_mkdir, \
	.rmdir = cgroup_dir_rmdir

void cgroup_inode_made(struct pfs_inode *i);
int cgroup_inode_setattr(const struct pfs_req *r, const struct setattr *a);
int cgroup_show_procs(const struct pfs_req *r, struct buf *b);
int cgroup_show_threads(const struct pfs_req *r, struct buf *b);
int cgroup_show_stat(const struct pfs_req *r, struct buf *b);
int cgroup_write_procs(const struct pfs_req *r, char *text, size_t size);
int cgroup_write_threads(const struct pfs_req *r, char *text, size_t size);
int cgroup_write_subtree(const struct pfs_req *r, char *text, size_t size);
/* A file whose owner and mode can be changed (file: enum cgroup_file, in flags). */
#define CGROUP_FILE(name_, file_, show_, write_)                                            \
	{ .name = name_, .mode = S_IFREG | 0644, .flags = (file_), .show = (show_),         \
	  .write = (write_), .made = cgroup_inode_made, .setattr = cgroup_inode_setattr }
