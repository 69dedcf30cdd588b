/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfs_impl.h: what only the files of vfs/ share: bodies of dentries and mounts, and helpers.
 */
#pragma once

#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/mutex.h"
#include "vfs/lock.h"
#include "vfs/notify.h"
#include "vfs/vfs.h"

/* ---- dentries (dcache.c) ---------------------------------------------------------------------- */

enum dentry_flags {
	DENTRY_HASHED = 1 << 0,     /* (shard latch) in the cache, which holds a reference */
	DENTRY_DEAD = 1 << 1,       /* its name is gone for good */
	DENTRY_REFERENCED = 1 << 2, /* looked up since the eviction hand last came by */
	DENTRY_COMPLETE = 1 << 3,   /* a directory: the cache has all of its names; dentry_set_complete() */
};

/* (c) constant, (a) atomic, (s) its shard's latch, (l) own latch, (p) parent's latch */
struct dentry {
	struct ref ref;
	atomic_uint flags;             /* (a) DENTRY_* */
	struct hash_node hash;         /* (s) */
	struct list clock;             /* (s) eviction order */
	struct super *sb;              /* (c) borrowed from the inodes above */
	struct inode *_Atomic inode;   /* (a) counted; set once */
	struct latch latch;
	uint8_t name_len;              /* (l) */
	char *name;                    /* (l) inline_name or heap; stable while hashed */
	struct dentry *parent;         /* (l) counted; NULL: a root */
	struct list children;          /* (l) dentries by sibling, hashed or not */
	struct list sibling;           /* (p) */
	struct list drop_node;         /* (drop_lock) */
	atomic_int mounted;            /* (a) mounts on top of it, in any namespace */
	void *priv;                    /* the file system's */
	char inline_name[40];
};

int dcache_init(void) must_check;
/*
 * A negative, unhashed child of parent; name is copied.  NULL: no memory.
 */
struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len) must_check;
/* As dentry_new_root(), with a name of its own that path texts show (consumes i). */
struct dentry *dentry_new_named_root(struct super *sb, struct inode *i, const char *name) must_check;
/* Put an unhashed dentry into the cache; parent's inode->lock held. */
void dentry_hash(struct dentry *d);
void dentry_unhash(struct dentry *d);
bool dentry_hashed(const struct dentry *d);
/* The name is gone: mark dead, take out of the cache. */
void dentry_kill(struct dentry *d);
/* Bump the snapshot counter of d's super. */
void dcache_changed(struct super *sb);
/*
 * Give d the place (parent, name) of to; with exchange to takes d's.  Both directories' locks are
 * held.  name buffers must have been reserved by dentry_move_prepare(); can't fail.
 */
struct dentry_move {
	char *name, *other; /* heap copies where names don't fit inline */
};
int dentry_move_prepare(struct dentry_move *m, struct dentry *d, struct dentry *to) must_check;
void dentry_move_abort(struct dentry_move *m);
void dentry_move(struct dentry_move *m, struct dentry *d, struct dentry *to, bool exchange);
/* Let go of everything cached of sb but what others hold (last mount gone). */
void dcache_purge(struct super *sb);
/* A copy of the name (NAME_LEN_MAX + 1 bytes) and the parent (new reference or NULL), as one. */
size_t dentry_snapshot(struct dentry *d, char *name, struct dentry **parent);
/* Changes whenever a dentry is moved: for retrying walks upwards. */
unsigned int dcache_rename_seq(void);

/* ---- mounts (mount.c) ------------------------------------------------------------------------- */

int mount_init_module(void) must_check;
int anon_init(void) must_check;
/* A mount in no namespace (anonymous files, memfds): paths in it end at its root.  NULL: no memory. */
struct mount *mount_new_internal(struct super *sb) must_check;
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m); /* accepts NULL */
/* The mount on top of (m, d) with a reference, or NULL.  Cheap when nothing is mounted on d. */
struct mount *mount_lookup(struct mount *m, struct dentry *d);
/* While something is mounted on p, go there (references swapped).  True when p changed. */
bool mount_follow(struct path *p);
/* From the root of a mount to its mountpoint (references swapped).  False: it is the topmost. */
bool mount_up(struct path *p);
/* Is d a mountpoint in ns (then unlink, rmdir and rename give EBUSY)? */
bool mount_is_local(struct mnt_ns *ns, struct dentry *d);
/* A mountpoint was removed: lazily unmount what is on it in other namespaces. */
void mount_detach_dentry(struct dentry *d);
/* Flags of a vfs_ctx's view of a super for statfs's f_flags. */
unsigned long mount_statfs_flags(const struct mount *m);

/* acl.c: POSIX ACLs. -EAGAIN: i has none, use the mode bits; 0 or -EACCES. */
int acl_permission(struct vfs_ctx *c, struct inode *i, unsigned int may) must_check;
/* Give a new child of dir what dir's default ACL says; asked_mode is that before the umask. */
void acl_inherit(struct vfs_ctx *c, struct inode *dir, struct inode *i, uint32_t asked_mode);
/* chmod of an inode with an ACL: owner, mask and other entries follow the mode.  i->lock held. */
void acl_chmod(struct vfs_ctx *c, struct inode *i, uint32_t mode);

/* ---- walks (walk.c) --------------------------------------------------------------------------- */

enum walk_last { LAST_NORM, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

struct walk_frame {
	char *text;       /* owned symlink text; NULL: the caller's name */
	const char *rest;
};

/* A walk in progress.  On the stack of the system call; walk_fini() whatever happened. */
struct walk {
	struct vfs_ctx *c;
	unsigned int flags;
	struct path root; /* counted */
	struct path cur;  /* counted */
	unsigned int links;
	unsigned int depth;
	bool parent_mode;       /* stop before the last component */
	enum walk_last last_type; /* parent mode: */
	const char *last;       /* not NUL-terminated */
	size_t last_len;
	bool trailing_slash;    /* something like "name/" */
	struct walk_frame frames[SYMLINKS_MAX + 1];
};

int walk_init(struct walk *w, struct vfs_ctx *c, const struct path *at, const char *name,
	      unsigned int flags) must_check;
/* Go on until the end, or in parent_mode until before the last component. */
int walk_run(struct walk *w) must_check;
void walk_fini(struct walk *w);
/*
 * Handle a symlink p (consumed) found below w->cur as the last component: its text is pushed (or w
 * jumps), and walk_run() may be called again.
 */
int walk_symlink(struct walk *w, struct path *p) must_check;
/*
 * Child of dir by name: cached or looked up; new reference, maybe negative.  locked: dir's
 * inode->lock is held by the caller.
 */
int walk_lookup(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len, bool locked,
		struct dentry **out) must_check;
/* MAY_EXEC on a directory, or -ENOTDIR. */
int walk_may_search(struct vfs_ctx *c, struct dentry *d) must_check;
/* A parent-mode walk from (at, name), then out/last in *w. */
/*
 * For making a name, directory locked: a new dentry when nothing is known of the name and the file system
 * may be asked to make it without looking it up first (SUPER_CREATE_TELLS); else NULL.  Not hashed.  When
 * making it fails, whatever the error, it is to be looked up.
 */
struct dentry *walk_unseen(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len) must_check;
/* As far as that can be told without the lock. */
bool walk_may_be_unseen(struct dentry *dir, const char *name, size_t len);
int walk_parent(struct walk *w, struct vfs_ctx *c, const struct path *at, const char *name) must_check;

/* path_text.c: p's name below root, without " (deleted)"; -ENOENT when it is not below. */
int path_text_below(const struct path *root, const struct path *p, struct buf *b);
/* p's name below top, both in one super, whatever is mounted. */
int path_text_in_super(const struct path *top, const struct path *p, struct buf *b);
/* acl.c: set an ACL xattr.  i->lock held. */
int acl_set(struct vfs_ctx *c, struct inode *i, const char *name, const void *value, size_t size,
	    int flags) must_check;

/* ---- the rest --------------------------------------------------------------------------------- */

/* Capability over i (capable_wrt_inode_uidgid): its ids are mapped in the caller's namespace. */
bool inode_capable(struct vfs_ctx *c, const struct inode *i, int cap);
bool inode_is_dir(const struct inode *i);
/* mode, uid and gid of a new child of dir (umask unless default ACLs; setgid directories). */
void inode_new_attr(struct vfs_ctx *c, const struct inode *dir, uint32_t mode, struct inode_attr_new *a);
/* Permission to add, or remove victim from, dir (held); is_dir: rmdir or rename of a directory. */
int may_create(struct vfs_ctx *c, struct dentry *dir) must_check;
int may_delete(struct vfs_ctx *c, struct dentry *dir, struct dentry *victim, bool is_dir) must_check;
/* Finish an open: kind, counters, special files, inode_ops->open.  Consumes nothing. */
int file_open_path(struct vfs_ctx *c, const struct path *p, int flags, unsigned int kind,
		   struct file **out) must_check;
/* After a write or truncate by an unprivileged caller: setuid and setgid bits go. */
int inode_kill_suid(struct vfs_ctx *c, struct inode *i);
int inode_setattr_locked(struct vfs_ctx *c, struct inode *i, struct setattr *a) must_check;
void vfs_chroot_refs(struct vfs_ctx *c, const struct path *old, const struct path *new_path);
void vfs_raise(struct vfs_ctx *c, int signo);
void vfs_sigio(struct file *f, int band, int code);


/* devices (chrdev.c) and FIFOs (pipe.c): make f what its inode stands for. */
int chrdev_open(struct vfs_ctx *c, struct inode *i, struct file *f) must_check;
