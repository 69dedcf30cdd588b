/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pfs.h: file systems whose files are made up when they are read: proc, sysfs, cgroup.
 *
 * A file is a row (struct pfs_entry): a name, a mode and functions.  A directory's children come
 * from a constant table, from a tree of rows that others register (struct pfs_node), from functions
 * (processes, descriptors), or from several of these.
 *
 *     pfs_inode ──▶ pfs_entry (constant)     what it is
 *         └───────▶ pid, key                 whom it is about
 *
 * Text files are generated at the first read and again by each read at position 0; what is read
 * from further on is the rest of the same text, so nobody sees the middle of another state (Linux:
 * fs/seq_file.c).  A file about a task that has ended reads as ESRCH.
 *
 * Slots are called without locks and may sleep, unless said otherwise.
 */
#pragma once

#include "lib/buf.h"
#include "lib/list.h"
#include "vfs/vfs.h"

struct pid;
struct pid_ns;
struct poller;
struct task;
struct pfs_entry;

struct pfs_inode {
	struct inode inode;
	const struct pfs_entry *entry; /* (c) */
	struct pid *pid;               /* (c) counted; NULL: not about a task */
	int64_t key;                   /* (c) a descriptor's number and the like */
	struct list extra;             /* for entry->made's owner */
};

/* Who asks about what.  Everything is borrowed for the call. */
struct pfs_req {
	struct vfs_ctx *c;
	struct pfs_inode *i;
	struct task *reader; /* NULL: the Sentry itself (setting up a container) */
	struct task *target; /* i->pid's task; NULL when i->pid is */
	void *priv;          /* what entry->open stored; NULL outside of open files */
	const struct cred *opener; /* who opened the file that is read or written; else c->cred */
};

/* One child that a directory found. */
struct pfs_child {
	const struct pfs_entry *entry;
	struct pid *pid; /* counted: becomes the inode's (or is put); NULL: as the directory's */
	int64_t key;
	int64_t cookie;  /* next: where it stands in the directory, from 0 on, growing */
	char name[NAME_LEN_MAX + 1]; /* next: empty means entry->name */
};

struct pfs_dir {
	const struct pfs_entry *entries; /* ended by a NULL name; may be NULL */
	/* Is this row shown here?  Empty: all are. */
	bool (*filter)(const struct pfs_req *r, const struct pfs_entry *e);
	/* Further children by name: 0 and *out, or -ENOENT …  The directory's lock is held. */
	int (*lookup)(const struct pfs_req *r, const char *name, struct pfs_child *out);
	/* The first further child whose cookie is >= from: 1 and *out, 0 at the end, or -errno. */
	int (*next)(const struct pfs_req *r, int64_t from, struct pfs_child *out);
	/* Directories that applications make and remove.  Empty: -EPERM.  The directory's lock is held. */
	int (*mkdir)(const struct pfs_req *r, const char *name, const struct inode_attr_new *a);
	int (*rmdir)(const struct pfs_req *r, struct pfs_inode *child);
};

struct pfs_entry {
	const char *name;
	uint32_t mode;  /* type and permissions */
	uint32_t flags; /* the file system's own, for its filters */
	/* The whole text.  0 or -errno. */
	int (*show)(const struct pfs_req *r, struct buf *b);
	/*
	 * text has size bytes and a NUL behind them.  Negative errno, else all of it counts as
	 * written.  Longer writes are cut at write_max (0: PAGE_SIZE - 1), or refused with -EINVAL
	 * when write_max is negative (then its absolute value counts), as are those not at 0.
	 */
	int (*write)(const struct pfs_req *r, char *text, size_t size);
	int write_max;
	int (*readlink)(const struct pfs_req *r, struct buf *b);
	int (*follow)(const struct pfs_req *r, struct path *out);
	/* After the mode bits have allowed may (MAY_*): 0 or -errno.  A cheap check only. */
	int (*permission)(const struct pfs_req *r, unsigned int may);
	/* Instead of the mode bits. */
	int (*permission_only)(const struct pfs_req *r, unsigned int may);
	/* Further checks at open; *priv comes back in r->priv and is given to release. */
	int (*open)(const struct pfs_req *r, struct file *f, void **priv);
	void (*release)(void *priv);
	/* Empty: ENOTTY.  Only for files about tasks. */
	long (*ioctl)(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg);
	/* Does not sleep.  Empty: always readable. */
	uint32_t (*poll)(void *priv, struct poller *p);
	/* Without the text machinery: release must be pfs_file_release, priv is pfs_file_priv(). */
	const struct file_ops *fops;
	const struct pfs_dir *dir;
	/* Is the cached name still true?  Asked besides "does the task still live".  Empty: yes. */
	bool (*alive)(const struct pfs_req *r);
	/* A new mode or owner (already permitted) is to be kept.  Empty: -EPERM. */
	int (*setattr)(const struct pfs_req *r, const struct setattr *a);
	/* i was made: its fields may be changed.  i is about to be freed: does not sleep. */
	void (*made)(struct pfs_inode *i);
	void (*gone)(struct pfs_inode *i);
	/* Mode (of links to descriptors), size, link count.  Empty: as they are. */
	void (*attr)(const struct pfs_req *r, struct attr *a);
	const void *arg; /* whatever the functions need */
};

/* super->priv points at one, embedded in the file system's own. */
struct pfs_super {
	uint64_t magic;
	void (*free)(struct pfs_super *s); /* empty: mem_free */
	void (*show_options)(struct pfs_super *s, struct buf *b);
	int (*reconfigure)(struct pfs_super *s, const char *data);
};

/* A super with root as its "/".  Consumes s in every case. */
int pfs_super_new(const struct fs_type *t, struct pfs_super *s, const struct pfs_entry *root,
		  struct super **out) must_check;
static inline struct pfs_super *pfs_super_of(const struct pfs_req *r)
{
	return r->i->inode.sb->priv;
}

struct pfs_inode *pfs_inode_of(struct inode *i);
/* Whom an open directory that e made is about, with a reference; NULL: f is something else. */
struct pid *pfs_dir_pid(const struct file *f, const struct pfs_entry *e);
/* What entry->open stored, for fops. */
void *pfs_file_priv(struct file *f);
void pfs_file_release(struct file *f);

/*
 * Fill r for i; takes a reference to the target.  -ESRCH when the task i is about is gone.
 */
int pfs_req_init(struct pfs_req *r, struct vfs_ctx *c, struct inode *i) must_check;
void pfs_req_fini(struct pfs_req *r);
/* Mode bits and capabilities alone, for permission_only slots: 0 or -EACCES. */
int pfs_mode_permission(const struct pfs_req *r, unsigned int may);

/* ---- trees of registered rows ----------------------------------------------------------------- */

/*
 * A row in a tree that several subsystems fill.  Nodes are added at start-up, or later, and never
 * go away.
 */
struct pfs_node {
	struct pfs_entry entry;
	struct list children; /* of struct pfs_node; under one latch for all trees */
	struct list sibling;
	int64_t index;        /* among its siblings, from 1 on */
};

extern const struct pfs_dir pfs_node_dir;

#define PFS_NODE_ROOT(var, mode_)                                                        \
	{                                                                                \
		.entry = { .name = "/", .mode = S_IFDIR | (mode_), .dir = &pfs_node_dir }, \
		.children = LIST_INIT((var).children), .sibling = LIST_INIT((var).sibling) \
	}

/*
 * Put a copy of e at path ("kernel/hostname"; e->name is ignored) below root; directories on the
 * way are made.  What is registered there already is replaced: only before it was looked up for the
 * first time.  -ENOMEM; -ENOTDIR.
 */
int pfs_node_add(struct pfs_node *root, const char *path, const struct pfs_entry *e) must_check;
/* What pfs_node_dir does, for directories that show a tree's children besides other things. */
int pfs_node_lookup_in(struct pfs_node *dir, const char *name, struct pfs_child *out);
int pfs_node_next_in(struct pfs_node *dir, int64_t from, struct pfs_child *out);
/* The node at path, or NULL. */
struct pfs_node *pfs_node_find(struct pfs_node *root, const char *path);
