/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer_fs_impl.h: what the files of the gofer file system share.
 *
 *     super.c   mount, statfs, the table of inodes
 *     inode.c   attributes: caching, refreshing, changing; extended attributes
 *     tree.c    names: lookup, walk_ahead, revalidate, make, link, remove, rename
 *     file.c    regular files, on donated descriptors
 *     dir.c     readdir
 *
 * What is cached.  In an *exclusive* super an inode's fields are the truth, except after writes to a
 * donated descriptor and for directories whose names changed: then `stale` is set and getattr asks
 * the host (fstat on the donated descriptor, which costs 0.3 us, or a request).  In a *shared* super
 * dentries are revalidated and attributes refreshed on each use; an answer counts for FRESH_NS, so
 * that one system call does not ask twice.
 *
 * Exclusive is a promise that the host's tools break now and then ("docker cp").  So the times of a
 * directory whose cached names are used are looked at again, at most every NAMES_NS: one request for
 * all its names.  When they have changed and not through us, names_gen goes up, and each cached name
 * of an older generation is looked up again before it counts.  A file's size is looked at when it is
 * opened.  Not noticed: attributes of an unopened file that are changed in place.  Directories that are used and whose
 * turn comes soon are looked at in the same request (names_batch).  A directory that we have made is complete for COMPLETE_NS
 * (unless names fall out of the cache): what the cache has not got doesn't exist, so a tree that is unpacked into it is not looked for name by name.
 *
 * Identity.  Host (dev, ino) names an inode; the super's table maps it to the struct, so hard links
 * share one.  A bound fid keeps the host's inode alive, hence its number unused; the birth time tells
 * apart what was replaced behind our back.
 *
 * Fids.  What readdir has seen has attributes but no fid (a descriptor in the Gofer): gfs_fid() walks
 * to it from the directory, when one is needed.
 *
 * Descriptors.  An inode has at most two donated ones: for reading, and for writing (and reading).
 * They stay while the inode is open, and for the IDLE_MAX inodes of a super that were closed last.
 *
 * Lock order: directory inode->lock → inode->lock → fd_lock → super's latch, connection's latch.
 * inode->lock is held over requests and over host reads and writes of the donated descriptor: it is
 * what makes appends, truncation and writes one after the other, as on Linux; the Gofer and the
 * host's page cache don't wait for us.  fd_lock is held over the open and walk requests.
 */
#pragma once

#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/mutex.h"
#include "vfs/gofer/conn.h"
#include "vfs/gofer/gofer_fs.h"
#include "vfs/gofer/rpc.h"
#include "vfs/vfs.h"

enum {
	GFS_IDLE_MAX = 256,
	GFS_DEVS_MAX = 32,
	GFS_FRESH_NS = 100000,
	GFS_NAMES_NS = 100000000,
	GFS_NAMES_BATCH = 16,
	GFS_COMPLETE_NS = 1000000000,
	GFS_TICK_NS = 20000000,
	GFS_SWEEP_MS = 500, /* at first; then twice as long each time, up to 16 times */
	GFS_SAME_TICK_NS = 1000000, /* the host stamps files with a clock of 1 to 10 ms */
};

/* (c) constant, (l) latch */
struct gfs_super {
	struct super *sb;      /* (c) borrowed: it owns us */
	struct gconn *conn;    /* (c) counted */
	bool exclusive;        /* (c) */
	bool follows;          /* (c) GOFER_FS_FOLLOWS */
	bool sweeping;         /* (l) a fiber lets go of what is unused */
	uint32_t attach_flags; /* (c) enum gofer_attach_flags */
	uint64_t root_dev;     /* (c) host st_dev */
	uint32_t root_fid;     /* (c) the root inode's */
	atomic_bool no_nowait; /* (a) the host's file system knows no RWF_NOWAIT (an overlay) */
	struct latch latch;
	struct hash inodes;    /* (l) struct gfs_inode by (dev, ino); not counted */
	uint64_t devs[GFS_DEVS_MAX]; /* (l) other host st_dev values seen */
	unsigned int dev_count;      /* (l) */
	struct list idle;      /* (l) struct gfs_inode with descriptors and not open; oldest first */
	unsigned int idle_count; /* (l) */
	struct list named;     /* (l) exclusive: struct gfs_inode, directories, looked at longest ago first */
};

enum gfs_xattr_none {
	GFS_NO_CAPABILITY = 1 << 0, /* security.capability is not set */
};

/* (c) constant, (a) atomic, (i) vi.lock, (f) fd_lock, (l) the super's latch */
struct gfs_inode {
	struct inode vi;
	struct gfs_super *gs;      /* (c) */
	struct hash_node node;     /* (l) */
	bool hashed;               /* (l) */
	uint64_t host_dev, host_ino; /* (c) */
	_Atomic uint32_t fid;      /* (f) set once; GOFER_NOFID: see gfs_fid() */
	uint32_t sock_fid;         /* (f) GOFER_NOFID, or another fid of it, with which the Gofer keeps its bound socket; owned */
	struct inode *parent;      /* (f) without a fid: where it was seen; counted */
	char *name;                /* (f) and as what; owned */
	char *link;                /* (c) a symlink's text, or NULL: not known; owned */
	struct mutex fd_lock;      /* LOCK_GOFER_CONN */
	atomic_int ro_fd, rw_fd;   /* (f) to change; -1; don't go away while open_count > 0 */
	bool rw_no_read;           /* (f) rw_fd could only be opened for writing */
	unsigned int open_count;   /* (f) */
	struct list idle;          /* (l) */
	atomic_bool stale;         /* (a) attributes have changed on the host through us */
	atomic_bool mapped;        /* (a) was mapped shared and writable: mtime can change any time */
	atomic_uint xattr_none;    /* (a) enum gfs_xattr_none; exclusive only */
	_Atomic uint32_t names_gen; /* (a) directories, exclusive: generation of its cached names */
	_Atomic int64_t names_ns;  /* (a) when they were last known to be true */
	atomic_bool names_used;    /* (a) they have been used since */
	struct list named;         /* (l) */
	_Atomic int64_t complete_ns; /* (a) until then dentry_is_complete() counts, if */
	uint32_t complete_gen;     /* (c) once published: … names_gen is still this */
	struct timespec names_mtime, names_ctime; /* (f) the directory's times then */
	bool names_recent;         /* (f) they were so young that they may not tell the next change */
	_Atomic int64_t seen_ns;   /* (a) directories: when readdir last put its entries into the cache */
	_Atomic int64_t fresh_ns;  /* (a) when the attributes were last asked for */
};

static inline struct gfs_super *gfs_super(const struct super *sb)
{
	return sb->priv;
}

static inline struct gfs_inode *gfs_inode(const struct inode *i)
{
	return container_of(i, struct gfs_inode, vi);
}

/* ---- super.c ------------------------------------------------------------------------------- */

/*
 * The inode that attr describes, with a reference: one that exists already (fid is then clunked,
 * link freed), or a new one that owns fid and link (mem_free; may be NULL).  Consumes both in any
 * case.  NULL: no memory.
 */
struct inode *gfs_inode_lookup(struct gfs_super *gs, const struct gofer_attr *attr, uint32_t fid,
			       char *link) must_check;
/*
 * As above, for what readdir saw as name in directory parent: fid is GOFER_NOFID.
 */
struct inode *gfs_inode_seen(struct gfs_super *gs, const struct gofer_attr *attr, struct inode *parent,
			     const char *name, char *link) must_check;
/*
 * In two steps, for inodes that are being made: allocate first; commit can't fail and consumes fid
 * and link.  An allocated one that is not needed: gfs_inode_discard().  With sock_fid set to fid, of BIND, the fid
 * outlives that somebody else has found the object first (and given it one): the socket goes with it.
 */
struct gfs_inode *gfs_inode_alloc(struct gfs_super *gs) must_check;
void gfs_inode_discard(struct gfs_inode *gi);
struct inode *gfs_inode_commit(struct gfs_inode *gi, const struct gofer_attr *attr, uint32_t fid,
			       char *link);
/*
 * st_dev of gi: the super's, or for what the host says is on another device (mounted below the
 * attachment; a layer of an overlay) one of its own.  Inode numbers are the host's.
 */
uint64_t gfs_dev(struct gfs_inode *gi);
/* Its last name is gone: a new inode of the same number is another one. */
void gfs_inode_unhash(struct gfs_inode *gi);
/*
 * References to up to max directories, dir the first, whose names are to be looked at with dir's: they have been used
 * since they were last.  How many.
 */
unsigned int gfs_names_batch(struct gfs_inode *dir, struct gfs_inode **out, unsigned int max);
/* gi's names have just been looked at. */
void gfs_names_seen(struct gfs_inode *gi);
/* It was closed for the last time and has descriptors: keep them for a while. */
void gfs_idle_add(struct gfs_inode *gi);
void gfs_idle_remove(struct gfs_inode *gi);

/* gi is the file that attr is of. */
bool gfs_same_file(const struct gfs_inode *gi, const struct gofer_attr *attr);

/* ---- inode.c ------------------------------------------------------------------------------- */

/*
 * gi's fid, made if it has none.  -ESTALE or -ENOENT when its name leads elsewhere by now.  Takes
 * fd_lock.
 */
int gfs_fid(struct gfs_inode *gi, uint32_t *fid) must_check;
/*
 * When gi has no fid yet: have it walked to and opened in one request; the descriptor is put into *slot, which
 * is empty.  Holds fd_lock; *parent is to be put after that.  Failures don't matter: fid and descriptor are
 * asked for one by one then.
 */
void gfs_fid_open_locked(struct gfs_inode *gi, enum gofer_walk_open open, atomic_int *slot, struct inode **parent);
/* A descriptor to read gi by (consumed) that came with a walk; it is kept for an open that follows soon. */
void gfs_offer_read_fd(struct gfs_inode *gi, int fd);
/*
 * Before gi's last name, `name` in dir, is removed: let go of all that we hold of the host's inode,
 * unless somebody uses it.  The fid to be clunked with the removal, or GOFER_NOFID.  gi is as if it
 * had only been seen; after the removal gfs_fid_gone() makes that final (gfs_fid(): -ENOENT).
 */
uint32_t gfs_fid_give_up(struct gfs_inode *gi, struct inode *dir, const char *name);
void gfs_fid_gone(struct gfs_inode *gi);
/* gi, which another request has found again, may have use for fid (consumed). */
void gfs_fid_offer(struct gfs_inode *gi, uint32_t fid);

extern const struct inode_ops gfs_file_inode_ops; /* regular files, devices, FIFOs, sockets */
extern const struct inode_ops gfs_link_inode_ops;
/* Copy what may change from attr; vi.lock held, or not published yet. */
void gfs_attr_apply(struct gfs_inode *gi, const struct gofer_attr *attr);
/* The attributes are those of now. */
void gfs_attr_fresh(struct gfs_inode *gi);
bool gfs_attr_is_fresh(const struct gfs_inode *gi);
/* Bring vi's fields up to date if they may not be.  vi.lock held. */
int gfs_refresh_locked(struct gfs_inode *gi);
/* Also when they should be, but have not been looked at for NAMES_NS.  Takes vi.lock. */
int gfs_refresh_old(struct gfs_inode *gi);
int gfs_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out);
int gfs_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a);
ssize_t gfs_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size);
int gfs_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value, size_t size,
		 int flags);
ssize_t gfs_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size);
int gfs_removexattr(struct vfs_ctx *c, struct inode *i, const char *name);

/* ---- tree.c, dir.c, file.c ----------------------------------------------------------------- */

extern const struct inode_ops gfs_dir_inode_ops;
/*
 * Walk one name and bind *fid to it (not when `known` is what it is).  An error when it was not
 * reached; -EMFILE, -ENFILE: try again while gfs_relieve() says so, which takes no locks but sleeps.
 */
int gfs_walk_one(struct gfs_super *gs, uint32_t dir_fid, const char *name, size_t len, uint32_t known,
		 enum gofer_walk_open open, uint32_t *fid, struct grpc_walk *out) must_check;
bool gfs_relieve(struct gfs_super *gs, int err);
/* attr, new, is of directory gi: are its cached names still true?  Takes fd_lock. */
void gfs_names_check(struct gfs_inode *gi, const struct gofer_attr *attr);
bool gfs_time_is_recent(int64_t sec, uint32_t nsec);
/* d has just been found to be true; dir is the directory it is in. */
void gfs_dentry_fresh(struct gfs_inode *dir, struct dentry *d);
extern const struct file_ops gfs_dir_ops;
extern const struct file_ops gfs_file_ops;
int gfs_dir_open(struct vfs_ctx *c, struct inode *i, struct file *f);
int gfs_file_open(struct vfs_ctx *c, struct inode *i, struct file *f);
/* A descriptor that can write, or -1; stable while vi.lock or an open file is held. */
int gfs_peek_rw_fd(const struct gfs_inode *gi);
/* Close what is not in use; the caller holds a reference. */
void gfs_close_idle(struct gfs_inode *gi);
