/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs_impl.h: what tmpfs's own files share. */
#pragma once

#include "lib/hash.h"
#include "lib/tree.h"
#include "vfs/simple_xattr.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs_impl.h"

#define TMPFS_SMALL_MAX   (16u * 1024)        /* content up to this lives in the heap */
#define TMPFS_HEAP_MAX    (4u * 1024 * 1024)  /* up to this when we have no descriptor left */
#define TMPFS_DIRENT_SIZE 20    /* what an entry adds to its directory's size, as on Linux */

/* (c) constant but for remount, (a) atomic */
struct tmpfs_super {
	struct super *sb;
	atomic_uint_least64_t max_pages, max_inodes; /* 0: no limit */
	atomic_uint_least64_t used_pages, used_inodes;
	atomic_uint_least64_t next_ino;
	uint64_t default_pages, default_inodes;      /* not shown as options */
	uint32_t root_mode, root_uid, root_gid;
};

/* An entry of a directory; guarded by the directory's lock. */
struct tmpfs_dirent {
	struct hash_node hash;   /* by name */
	struct tree_node order;  /* by cookie */
	int64_t cookie;          /* position for readdir: never used again */
	struct inode *inode;     /* counted */
	uint8_t len;
	char name[];
};

/* Members: (i) the inode's lock. */
struct tmpfs_inode {
	struct inode i;
	struct simple_xattrs xattrs;
	union {
		struct {
			struct hash names;         /* (i) */
			struct tree order;         /* (i) */
			int64_t next_cookie;       /* (i) */
			uint64_t parent_ino;       /* (i) */
		} dir;
		struct {
			char *small;               /* (i) content while there is no memfd */
			size_t capacity;           /* (i) of small */
			atomic_int fd;             /* -1 until made, then constant */
			int ro_fd;                 /* (i) the same, opened read-only; -1 */
			uint64_t pages;            /* (i) charged */
			bool sparse;               /* (i) may have holes: ask the host what is used */
			unsigned int seals;        /* (i) F_SEAL_* */
			atomic_int shared_writable; /* mapped shared and writable: F_SEAL_WRITE is busy */
		} reg;
		char *target;                      /* (c) symlink */
	};
};

static inline struct tmpfs_inode *tmpfs_i(const struct inode *i)
{
	return container_of(i, struct tmpfs_inode, i);
}

static inline struct tmpfs_super *tmpfs_sb(const struct super *sb)
{
	return sb->priv;
}

/* An inode with one reference, counted in the super.  -ENOSPC, -ENOMEM. */
int tmpfs_inode_new(struct super *sb, const struct inode_attr_new *a, struct tmpfs_inode **out)
	must_check;
void tmpfs_uncharge(struct tmpfs_inode *t, uint64_t pages);
uint64_t tmpfs_room(struct tmpfs_inode *t); /* pages that could be charged now */

/* Regular files (tmpfs_file.c). */
void tmpfs_reg_init(struct tmpfs_inode *t);
void tmpfs_reg_fini(struct tmpfs_inode *t);
int tmpfs_resize(struct tmpfs_inode *t, uint64_t size) must_check; /* i->lock held */
void tmpfs_set_proc(int proc_fd);
void tmpfs_set_fd_budget(int budget);
extern const struct file_ops tmpfs_reg_fops;

/* Directories (tmpfs_dir.c). */
void tmpfs_dir_init(struct tmpfs_inode *t);
void tmpfs_dir_fini(struct tmpfs_inode *t);
/* super_ops' find_inode: looks through the whole tree. */
int tmpfs_find_inode(struct vfs_ctx *c, struct super *sb, uint64_t ino, struct dentry **out);
extern const struct file_ops tmpfs_dir_fops;
extern const struct inode_ops tmpfs_dir_ops;

/* Slots that all kinds of inodes have (tmpfs.c). */
int tmpfs_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out);
int tmpfs_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a);
ssize_t tmpfs_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value,
		   size_t size, int flags);
ssize_t tmpfs_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size);
int tmpfs_removexattr(struct vfs_ctx *c, struct inode *i, const char *name);
