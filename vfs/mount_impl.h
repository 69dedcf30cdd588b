/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_impl.h: the mount tree, for vfs/mount*.c.
 *
 * A mount shows a super's subtree (root) at a mountpoint: a dentry in its parent mount.  A mount
 * namespace is a tree of mounts.  At its bottom is an empty "rootfs" mount that nobody sees; what
 * tasks call "/" is mounted on top of it (so pivot_root has a place to put a new root).
 *
 * References: the namespace's list holds each of its mounts; paths hold mounts.  A mount holds its
 * root, its mountpoint and its super.  Pointers between mounts (parent, master, peers) are borrowed:
 * a mount leaves the tree and its peer group before the namespace lets it go.
 *
 * Locks: mounts.lock (LOCK_NAMESPACE) for everything marked (n); walks read parent, mountpoint and
 * the hash under mounts.latch (m) alone, so a change of those takes both.
 */
#pragma once

#include "vfs/vfs_impl.h"

#define MOUNTS_MAX 100000 /* per namespace: /proc/sys/fs/mount-max */

struct mount {
	struct ref ref;
	uint64_t id;               /* (c) */
	struct super *sb;          /* (c) pinned */
	struct dentry *root;       /* (c) counted */
	atomic_ulong flags;        /* (a) MS_RDONLY … those of the mount, not of the super */
	struct latch latch;
	int writers;               /* (latch) */
	struct mount *parent;      /* (n+m) NULL: not attached */
	struct dentry *mountpoint; /* (n+m) counted; outlives the attachment until the next one */
	struct hash_node hash;     /* (n+m) by parent and mountpoint */
	struct list children;      /* (n) by child_node */
	struct list child_node;    /* (n) */
	struct mnt_ns *ns;         /* (n) NULL: in no namespace */
	struct list ns_node;       /* (n) */
	struct list peers;         /* (n) ring of a peer group */
	unsigned int group;        /* (n) its id; 0: not shared */
	struct mount *master;      /* (n) */
	struct list slaves;        /* (n) by slave_node */
	struct list slave_node;    /* (n) */
	bool internal;             /* (c) never in a tree: anonymous files, namespaces, memfds */
	bool unbindable;           /* (n) */
	bool locked;               /* (n) came with a more privileged user namespace's tree: stays */
	unsigned long locked_flags; /* (n) of flags, those that came with it: MS_RELATIME: atime */
	bool expiring;             /* (n) MNT_EXPIRE was tried */
	struct super *outside_of;  /* counted: there is such a mount outside too (bind_outside()) */
	uint32_t outside;          /* its handle; both set once, by the binder, who holds a reference */
	char *device;              /* (c) owned; first field of /proc/mounts; NULL: "none" */
	/* Scratch, (n): only within one operation. */
	struct list work;          /* worklists of operations */
	struct mount *copy;        /* copy_tree: what became of it */
	struct mount *onto;        /* propagation: where it will be attached */
	struct list visit;         /* propagation's walk: groups still to enter */
	struct mount *source;      /* its group gets copies of this one */
	bool seen;
	unsigned long saved_flags; /* mount_setattr(2): to go back to */
};

struct mnt_ns {
	struct ref ref;
	uint64_t id;             /* (c) */
	struct user_ns *user_ns; /* (c) counted */
	struct mount *root;      /* (n) the hidden bottom; of an anonymous one, the tree's top */
	bool anon;               /* (c) a detached tree's: no task is ever in it */
	struct list mounts;      /* (n) struct mount by ns_node, each counted */
	unsigned int count;      /* (n) */
	struct wq wq;            /* woken at each change */
};

/* What must happen after the namespace lock is dropped: putting may sleep and call file systems. */
struct mount_gone {
	struct list mounts;    /* by work */
	struct dentry *dentry; /* a former mountpoint */
};

void mounts_lock(void);
void mounts_unlock(struct mount_gone *gone); /* gone may be NULL */
void mounts_read_lock(void);
void mounts_read_unlock(void);
void mount_gone_init(struct mount_gone *g);

/* All below: mounts.lock held for writing, unless said otherwise. */
struct mount *mount_new(struct super *sb, struct dentry *root, unsigned long flags,
			const char *source) must_check;
void mount_attach(struct mount *m, struct mount *parent, struct dentry *at);
void mount_detach(struct mount *m);
struct mount *mount_peek(struct mount *m, struct dentry *d);
/* The next mount of the tree below top in preorder, or NULL. */
struct mount *mount_next(struct mount *m, struct mount *top);
/* Skip what is below m. */
struct mount *mount_next_sibling(struct mount *m, struct mount *top);
void mnt_ns_add_tree(struct mnt_ns *ns, struct mount *top);
unsigned int mount_tree_count(struct mount *top);
bool mount_is_ours(struct vfs_ctx *c, const struct mount *m);
/* The tree below top comes to a less privileged user namespace: what is there must stay. */
void mount_lock_tree(struct mount *top);
void mnt_ns_changed(struct mnt_ns *ns);

enum copy_flags {
	COPY_SLAVE = 1 << 0,           /* the copy is a slave of the original */
	COPY_PRIVATE = 1 << 1,
	COPY_MAKE_SHARED = 1 << 2,
	COPY_SHARED_TO_SLAVE = 1 << 3, /* copies of shared ones are slaves */
	COPY_UNBINDABLE = 1 << 4,      /* unbindable ones too */
};
struct mount *mount_copy(struct mount *m, struct dentry *root, unsigned int flags) must_check;
/* m with root, and what is mounted below; fills ->copy of each original.  NULL: no memory. */
struct mount *mount_copy_tree(struct mount *m, struct dentry *root, unsigned int flags) must_check;
/* A tree that was never put into a namespace. */
void mount_tree_discard(struct mount *top, struct mount_gone *gone);

/* For a detached tree; NULL: no memory. */
struct mnt_ns *mnt_ns_new_anon(struct user_ns *owner) must_check;
bool mount_has_locked_children(struct mount *m, struct dentry *root);
/* The mount's own flags; -EBUSY: files are open for writing. */
int mount_change_flags(struct mount *m, unsigned long flags);
/* No flag that a more privileged namespace has set is taken away (can_change_locked_flags()). */
bool mount_may_change_flags(const struct mount *m, unsigned long next);
/* attach_recursive_mnt(): top, detached or (moving) still elsewhere, goes to p. */
int mount_attach_tree(struct mount *top, const struct path *p, struct mount_gone *gone) must_check;
/* mounts.lock is taken, whatever is returned; p moves to the top of what is mounted there. */
int mount_lock_mountpoint(struct vfs_ctx *c, struct path *p) must_check;
int mount_move_locked(struct vfs_ctx *c, const struct path *from, const struct path *to,
		      struct mount_gone *gone) must_check;

/* ---- supers for mounts (mount_ops.c); without locks ------------------------------------------- */

/* t's super for source and data, owned by the right user namespace. */
int vfs_super_make(struct vfs_ctx *c, const struct fs_type *t, const char *source, const char *data,
		   void *fs_data, struct super **out) must_check;
bool may_mount_type(struct vfs_ctx *c, const struct fs_type *t);
/* Remount: options (may be NULL) and read-only or not. */
int super_reconfigure(struct super *sb, const char *data, bool rdonly);
/*
 * proc and sysfs may be mounted in a user namespace only where they are seen already.  *lock: flags
 * that the new mount must keep.
 */
bool may_reveal(struct vfs_ctx *c, const struct fs_type *t, unsigned long flags, unsigned long *lock);
unsigned long mount_flags_of_attr(unsigned int attr); /* MOUNT_ATTR_* of fsmount(2) */
/* An O_PATH file on m (consumed), which becomes a detached tree. */
int mount_detached_file(struct vfs_ctx *c, struct mount *m, struct file **out) must_check;

/* ---- propagation (mount_prop.c) --------------------------------------------------------------- */

bool mount_shared(const struct mount *m);
void mount_share(struct mount *m);
/* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
void mount_set_type(struct mount *m, unsigned long type);
/* m, which is private, becomes a peer of with and a slave of its master. */
void mount_join_group(struct mount *m, struct mount *with);
/*
 * Copies of top for every mount that receives what is mounted on at in parent: on list copies (by
 * work, ->onto says where).  -ENOMEM, -ENOSPC: none made.
 */
int mount_propagate(struct mount *parent, struct dentry *at, struct mount *top,
		    struct list *copies) must_check;
/* Would umount of m find a propagated one busy? */
bool mount_propagated_busy(struct mount *m);
/* Add to list (by work, marked seen) what goes away together with its members. */
void mount_propagate_umount(struct list *going);
/* The id of the closest peer group up m's masters that root can see; 0: none. */
unsigned int mount_dominating_group(const struct mount *m, const struct path *root);
bool mount_reachable(struct mount *m, struct dentry *d, const struct path *root);
