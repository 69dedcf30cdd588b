/* SPDX-License-Identifier: Apache-2.0 */
/* overlay_impl.h: what the overlay's own files share. */
#pragma once

#include "lib/hash.h"
#include "vfs/mount_impl.h"
#include "vfs/overlay/overlay.h"

#define OVL_XATTR_PREFIX "trusted.overlay."
#define OVL_XATTR_OPAQUE "trusted.overlay.opaque" /* "y": nothing of lower layers shows through */
#define OVL_XATTR_ORIGIN "trusted.overlay.origin" /* the overlay's inode number before copy-up */
#define OVL_UPPER_BIT    (1ULL << 62)             /* inode numbers of what was made in upper */
#define OVL_LAYER_SHIFT  54                       /* lower layers but the first are told apart */

struct ovl_super {
	struct super *sb;
	const struct cred *cred;   /* (c) what the layers see: all capabilities */
	struct path upper;         /* (c) counted; mnt NULL: read-only */
	struct path *lower;        /* (c) counted each */
	unsigned int lower_count;  /* (c) */
	struct mutex copy_lock;    /* LOCK_STACKED_COPY: one copy-up at a time */
	struct latch latch;
	char *options;             /* (c) owned: as given to mount(2); NULL: made by the Sentry */
	struct hash inodes;        /* (latch) ovl_inode by its upper inode; not counted */
};

/* A layer's part of a directory, or the file that shows. */
struct ovl_part {
	unsigned int layer;     /* index into ovl_super.lower */
	struct dentry *dentry;  /* counted */
};

/*
 * Members: (c) constant after lookup, (y) copy_lock for writing, read anywhere.
 * Of a merged directory all parts show; of anything else the upper one, or else lower[0].
 */
struct ovl_names;
struct ovl_inode {
	struct inode i;
	struct dentry *_Atomic upper; /* (y) counted; NULL: not copied up; never goes back */
	unsigned int lower_count;     /* (c) */
	struct ovl_part *lower;       /* (c) owned */
	struct inode *parent;         /* (c) counted; where to copy up to */
	char *name;                   /* (c) owned; the same */
	struct ovl_names *names;      /* (ovl_super.latch) kept listing while there is no upper part */
	struct hash_node node;        /* (ovl_super.latch) */
	bool hashed;                  /* (ovl_super.latch) */
};

static inline struct ovl_inode *ovl_i(const struct inode *i)
{
	return container_of(i, struct ovl_inode, i);
}

static inline struct ovl_super *ovl_sb(const struct super *sb)
{
	return sb->priv;
}

static inline struct dentry *ovl_upper(const struct ovl_inode *o)
{
	return atomic_load_explicit(&o->upper, memory_order_acquire); /* ovl_set_upper */
}

/* What shows: the dentry in its layer, borrowed from o. */
static inline struct dentry *ovl_real(const struct ovl_inode *o)
{
	struct dentry *u = ovl_upper(o);

	return u ? u : o->lower[0].dentry;
}

/* The real object as a path in its layer's mount; borrowed. */
struct path ovl_real_path(const struct ovl_inode *o);
struct path ovl_upper_path(const struct ovl_inode *o);
struct path ovl_part_path(const struct ovl_super *s, const struct ovl_part *p);
/* A context for calls on a layer: own credentials, no umask, limits of the caller. */
void ovl_ctx(const struct ovl_super *s, const struct vfs_ctx *caller, const struct path *layer,
	     struct vfs_ctx *out);
/* An overlay inode for what a lookup found (upper may be NULL); consumes upper, parts and name. */
int ovl_inode_get(struct super *sb, struct inode *parent, char *name, struct dentry *upper,
		  struct ovl_part *lower, unsigned int lower_count, struct inode **out) must_check;
void ovl_parts_free(struct ovl_part *parts, unsigned int count);
/* Take over the real inode's attributes; i->lock need not be held. */
int ovl_refresh(struct vfs_ctx *c, struct ovl_inode *o);
void ovl_set_upper(struct ovl_inode *o, struct dentry *upper); /* consumes upper */
uint64_t ovl_ino(const struct ovl_super *s, struct vfs_ctx *c, struct dentry *upper,
		 const struct ovl_part *lower);
bool ovl_is_whiteout(const struct dentry *d);
bool ovl_is_opaque(struct vfs_ctx *c, struct dentry *d);

/* Copy-up (copy_up.c).  Whole ancestry; -EROFS without an upper layer. */
enum ovl_copy { OVL_COPY_ALL, OVL_COPY_NO_DATA };
int ovl_copy_up(struct vfs_ctx *c, struct ovl_inode *o, enum ovl_copy how) must_check;

/* Is something of name visible in the layers below dir's upper one? */
int ovl_lower_shows(struct vfs_ctx *c, struct ovl_inode *dir, const char *name, size_t len,
		    bool *shows) must_check;
/* Merged listing (readdir.c): -ENOTEMPTY when a name shows; whiteouts in upper are removed. */
int ovl_dir_check_empty(struct vfs_ctx *c, struct ovl_inode *o) must_check;
int ovl_dir_clear_whiteouts(struct vfs_ctx *c, struct ovl_inode *o) must_check;

void ovl_names_put(struct ovl_names *n); /* accepts NULL */
int ovl_dir_open(struct vfs_ctx *c, struct inode *i, struct file *f);

extern const struct inode_ops ovl_dir_ops;
extern const struct inode_ops ovl_file_iops;
extern const struct inode_ops ovl_symlink_ops;
extern const struct file_ops ovl_dir_fops;
extern const struct file_ops ovl_file_fops;

/* Slots of all kinds (overlay.c). */
int ovl_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out);
int ovl_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a);
ssize_t ovl_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size);
int ovl_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value,
		 size_t size, int flags);
ssize_t ovl_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size);
int ovl_removexattr(struct vfs_ctx *c, struct inode *i, const char *name);

#define OVL_COMMON_SLOTS                        \
	.getattr = ovl_getattr,                 \
	.setattr = ovl_setattr,                 \
	.getxattr = ovl_getxattr,               \
	.setxattr = ovl_setxattr,               \
	.listxattr = ovl_listxattr,             \
	.removexattr = ovl_removexattr
