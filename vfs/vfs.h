/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfs.h: mounts, dentries, inodes and open files.
 *
 *     fd table ──▶ struct file ──▶ path { mount, dentry } ──▶ inode ──▶ super
 *                       │                                       ▲
 *                       └──────────────────────────────────────-┘
 * References: a file holds its path and inode; a dentry holds its parent and its inode; a mount
 * holds its root dentry, its mountpoint and its super; an inode holds nothing above it (its super
 * outlives it: a super is freed when its mounts and its inodes are gone).
 *
 * Who calls: system call handlers call vfs_*() (path level) and file_*() (open file level).  File
 * systems fill super_ops, inode_ops and file_ops; nobody calls through those tables but vfs/.
 * All functions may sleep and run on fibers unless noted.  0 or a count, or a negative errno.
 *
 * Lock order: file->pos_lock (read, write, lseek, readdir on f->pos) → namespace_lock (mount tree,
 * rwlock) → super->rename_lock → directory inode->lock (parent before child, unrelated ones by
 * address) → other inode->lock → dcache latches (leaf).
 */
#pragma once

#include <linux/stat.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/uio.h"
#include "lib/wq.h"
#include "vfs/cred.h"

struct dentry;
struct inode;
struct mount;
struct mnt_ns;
struct super;
struct file;
struct buf;
struct flock_context;

#define NAME_LEN_MAX 255
#define PATH_LEN_MAX 4096 /* terminating NUL included */
#define SYMLINKS_MAX 40

/* ---- who asks -------------------------------------------------------------------------------- */

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
void path_get(const struct path *p);
void path_put(const struct path *p); /* accepts NULL members */
bool path_equal(const struct path *a, const struct path *b);

/*
 * What the vfs needs to know of a task; a task embeds one and refreshes it where noted.  All
 * pointers are borrowed and stay valid during the call.
 */
struct vfs_ctx {
	const struct cred *cred;
	struct path root, cwd;
	struct mnt_ns *mnt_ns;
	uint32_t umask;
	struct waiter *waiter;           /* for interruptible sleeps; NULL: uninterruptible */
	const struct uio_space *space;   /* application memory, for ioctl; NULL inside the kernel */
	uint64_t fsize_limit;            /* RLIMIT_FSIZE; UINT64_MAX: none */
	const void *lock_owner;          /* POSIX locks: the descriptor table */
	int32_t pid;                     /* tgid as seen in its own pid namespace (F_GETLK) */
	struct task *task;               /* opaque here; proc and ttys know it */
};

/* Set once by the Sentry: effects on tasks that file operations have. */
struct vfs_hooks {
	void (*raise)(struct vfs_ctx *c, int signo);              /* SIGPIPE, SIGXFSZ to the caller */
	void (*sigio)(struct file *f, int band_events, int code); /* F_SETOWN/F_SETSIG delivery */
	/* pivot_root: every task in the caller's mount namespace whose root or cwd is old gets new.
	 * Called without locks; the function takes references of its own. */
	void (*chroot_refs)(struct vfs_ctx *c, const struct path *old, const struct path *new_path);
	/* May the caller open (access: MAY_*) or make (access 0) that device?  mode: its type.  0, -EPERM. */
	int (*device)(struct vfs_ctx *c, uint32_t mode, uint64_t rdev, int access);
};
void vfs_set_hooks(const struct vfs_hooks *h);
/* By the hook; 0 without one, and for the kernel itself. */
int vfs_device_allowed(struct vfs_ctx *c, uint32_t mode, uint64_t rdev, int access) must_check;
/* Send the caller a signal through the hook; nothing without one. */
void vfs_raise(struct vfs_ctx *c, int signo);
int vfs_init(void) must_check;

/* ---- attributes ------------------------------------------------------------------------------- */

struct attr {
	uint64_t ino, size, blocks; /* blocks of 512 bytes */
	uint32_t mode, nlink, uid, gid, blksize;
	uint64_t dev, rdev; /* makedev() values */
	struct timespec atime, mtime, ctime, btime;
	uint64_t mnt_id;
	uint64_t attributes, attributes_mask; /* STATX_ATTR_* */
};

enum setattr_mask {
	SETATTR_MODE = 1 << 0,
	SETATTR_UID = 1 << 1,
	SETATTR_GID = 1 << 2,
	SETATTR_SIZE = 1 << 3,
	SETATTR_ATIME = 1 << 4,     /* to attr->atime */
	SETATTR_MTIME = 1 << 5,
	SETATTR_ATIME_NOW = 1 << 6, /* to the present */
	SETATTR_MTIME_NOW = 1 << 7,
	SETATTR_CTIME_NOW = 1 << 8, /* as a side effect */
	SETATTR_KILL_SUID = 1 << 9, /* chown(2): setuid and setgid bits go; never reaches the slot */
};

struct setattr {
	uint32_t mask;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec atime, mtime;
};

struct statfs_info {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
	uint32_t fsid[2];
};

/* ---- super blocks ----------------------------------------------------------------------------- */

struct super_ops {
	/* Last reference: free what the file system allocated.  May sleep. */
	void (*free)(struct super *sb);
	int (*statfs)(struct super *sb, struct statfs_info *out);
	int (*sync)(struct super *sb); /* empty: nothing to do */
	/* Free the containing struct of an inode whose last reference went.  Required. */
	void (*inode_free)(struct inode *i);
	/* Options for /proc/PID/mountinfo, each with a leading comma.  Empty: none. */
	void (*show_options)(struct super *sb, struct buf *b);
	/* remount: new data string.  Empty: -EINVAL unless data is empty. */
	int (*reconfigure)(struct super *sb, const char *data);
	/* A dentry (new reference) of the inode with this number.  -ESTALE.  Empty: no file handles. */
	int (*find_inode)(struct vfs_ctx *c, struct super *sb, uint64_t ino, struct dentry **out);
	/*
	 * A mount of source was bound on at, which is ours, in a shared mount: whoever shares it outside of
	 * the sandbox is to see that.  *handle: not 0, for unbind_outside().  May sleep.  Empty: nobody does.
	 */
	int (*bind_outside)(struct super *sb, struct inode *at, struct inode *source, bool recursive,
			    uint32_t *handle);
	void (*unbind_outside)(struct super *sb, uint32_t handle);
	/* A dentry with dentry_priv() != NULL goes away.  Empty: nothing to release. */
	void (*dentry_free)(struct dentry *d);
};

enum super_flags {
	SUPER_RDONLY = 1 << 0,
	SUPER_REVALIDATE = 1 << 1, /* dentries need d_revalidate on each use (shared gofer, proc) */
	SUPER_NOCACHE_NEG = 1 << 2, /* no negative dentries */
	SUPER_NOATIME = 1 << 3,     /* never touch atime */
	SUPER_NODEV = 1 << 5,       /* mounted in a user namespace: its devices are nobody's */
	SUPER_POSIXACL = 1 << 4,    /* system.posix_acl_* xattrs count in permission checks */
	SUPER_SYNC = 1 << 6,        /* shown only: nothing here is written later than at once */
	SUPER_DIRSYNC = 1 << 7,     /* the same */
	/* Creating a name that exists is -EEXIST from the slot, also when the name was not looked up. */
	SUPER_CREATE_TELLS = 1 << 8,
};

struct super {
	struct ref ref;
	const struct super_ops *ops;
	const struct fs_type *type;
	_Atomic uint32_t flags;   /* enum super_flags; (namespace_lock) for writing */
	uint64_t dev;             /* st_dev */
	struct dentry *root;      /* owned until the last mount goes */
	atomic_int writers;       /* writers of all its mounts */
	atomic_int mounts;        /* mounts and pins (super_pin()); at 0 root is let go */
	atomic_uint_least64_t changes; /* bumped by every change of its names: dcache_snapshot() */
	struct mutex rename_lock; /* LOCK_RENAME */
	struct user_ns *user_ns;
	void *priv;               /* the file system's own */
	char *source;             /* /proc/mounts' first field; owned */
	unsigned int outside_group; /* (mounts' n) with bind_outside(): the peer group that first shared it, the host's */
};

struct fs_type {
	const char *name;
	enum {
		FS_NODEV = 1 << 0,
		FS_USERNS_MOUNT = 1 << 1,
		FS_OF_CONTAINER = 1 << 2, /* fs_data: the container whose set-up mounts it */
		FS_USERNS_DEV = 1 << 4, /* its devices are its own: good in a user namespace too */
		FS_USERNS_VISIBLE = 1 << 3, /* mounted in a user namespace only where one is fully seen */
	} flags;
	/* The user namespace that a new super belongs to, borrowed.  Empty: the caller's. */
	struct user_ns *(*owner)(struct vfs_ctx *c);
	/*
	 * Make (or find, with a new reference) a super for source and data (option string, may be
	 * NULL).  fs_data is what a kernel-internal caller passes (gofer connection), else NULL.
	 */
	int (*mount)(struct vfs_ctx *c, const struct fs_type *t, const char *source, const char *data,
		     void *fs_data, struct super **out);
	/* fsconfig(2): would mount take this option?  0 or -EINVAL.  Empty: it is found out later. */
	int (*check_options)(const char *data);
	struct list node;
};
void fs_type_register(struct fs_type *t);
/*
 * fn for each option of data (NULL: none): "key=value,key,…"; value NULL where there is no '='; both are fn's to
 * write to until it returns.  Its first error, or -ENOMEM.
 */
int fs_options_each(const char *data, int (*fn)(void *arg, char *key, char *value), void *arg) must_check;
const struct fs_type *fs_type_find(const char *name);
/* /proc/filesystems. */
void fs_types_show(struct buf *b);
/* sysfs(2): types by number, from 0.  -EINVAL and NULL: no such type. */
int fs_type_index(const char *name);
const char *fs_type_name(unsigned long index);
int fs_type_count(void);
/* A new super with a fresh anonymous st_dev; NULL: no memory. */
struct super *super_new(const struct fs_type *t, const struct super_ops *ops, void *priv) must_check;
/* Owned by ns (a reference is taken) from now on; only before it is mounted. */
void super_set_user_ns(struct super *sb, struct user_ns *ns);
void super_get(struct super *sb);
void super_put(struct super *sb);
/*
 * Keep sb->root alive without a mount: for file systems of which there is one instance, and for
 * layers of an overlay.  The pin holds a reference as well.
 */
void super_pin(struct super *sb);
void super_unpin(struct super *sb);
/* One that will not be mounted after all: lets root go.  The caller's reference stays. */
void super_discard(struct super *sb);

/* ---- inodes ----------------------------------------------------------------------------------- */

/*
 * Slots are called with the locks named; dir->lock is that directory's inode->lock.  Permission
 * checks, read-only mounts, name length, "." and ".." were dealt with by the caller.  New children
 * get owner, group and mode in *new_attr (mode with umask and setgid rules applied).
 * Empty slots mean -EPERM for creation and removal, -EINVAL or -EOPNOTSUPP as on Linux elsewhere.
 */
struct inode_attr_new {
	uint32_t mode, uid, gid;
	uint64_t rdev;
	int sock_type; /* bind(2) makes it: SOCK_STREAM, …; else 0 */
};

struct inode_ops {
	/*
	 * Find name (len bytes, NUL-terminated) in dir, dir->lock held.  Fills the negative dentry d:
	 * dentry_set_inode(d, inode); leaving it negative means ENOENT.  0 or an error.
	 */
	int (*lookup)(struct vfs_ctx *c, struct inode *dir, struct dentry *d);
	/*
	 * Optional: names that path resolution will want next below dir, to be looked up in one go
	 * and put into the dcache (dcache_add()).  will_read: the last of them is to be opened for reading.
	 * Called without locks; a hint.
	 */
	void (*walk_ahead)(struct vfs_ctx *c, struct dentry *dir, const char *rest, bool will_read);
	/* A cached dentry still true?  1, 0 (drop it), or an error.  Only with SUPER_REVALIDATE. */
	int (*revalidate)(struct vfs_ctx *c, struct dentry *d);

	/* d is negative; on success dentry_set_inode().  dir->lock held. */
	int (*create)(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		      const struct inode_attr_new *a); /* regular file */
	int (*mkdir)(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		     const struct inode_attr_new *a);
	int (*mknod)(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		     const struct inode_attr_new *a); /* fifo, socket, char, block */
	int (*symlink)(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const char *target,
		       const struct inode_attr_new *a);
	int (*link)(struct vfs_ctx *c, struct inode *dir, struct dentry *d, struct inode *target);
	/* dir->lock and victim's inode->lock held. */
	int (*unlink)(struct vfs_ctx *c, struct inode *dir, struct dentry *d);
	int (*rmdir)(struct vfs_ctx *c, struct inode *dir, struct dentry *d);
	/* Both directories' locks, and the victims', held; flags: RENAME_NOREPLACE (checked), _EXCHANGE,
	 * _WHITEOUT.  The caller moves the dentries. */
	int (*rename)(struct vfs_ctx *c, struct inode *old_dir, struct dentry *old_d,
		      struct inode *new_dir, struct dentry *new_d, unsigned int flags);
	/* O_TMPFILE: an inode without a name, nlink 0. */
	int (*tmpfile)(struct vfs_ctx *c, struct inode *dir, const struct inode_attr_new *a,
		       struct inode **out);

	/* Symlink text into a new string (mem_free).  Without locks. */
	int (*readlink)(struct vfs_ctx *c, struct inode *i, char **out);
	/* Magic links (/proc/PID/fd/N): where it leads, with references.  Overrides readlink in walks. */
	int (*follow)(struct vfs_ctx *c, struct inode *i, struct path *out);

	/* Empty: generic (mode bits, ACL, capabilities) on the inode's fields. */
	int (*permission)(struct vfs_ctx *c, struct inode *i, unsigned int may); /* MAY_* */
	/* Empty: inode_fill_attr().  query: STATX_* wanted. */
	int (*getattr)(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out);
	/* Already permitted.  i->lock held.  Must update the inode's fields.  Empty: fields only, but
	 * SETATTR_SIZE is -EINVAL. */
	int (*setattr)(struct vfs_ctx *c, struct inode *i, const struct setattr *a);
	/* name with its prefix; size 0 asks for the size.  Empty: -EOPNOTSUPP.  i->lock held for set. */
	ssize_t (*getxattr)(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size);
	int (*setxattr)(struct vfs_ctx *c, struct inode *i, const char *name, const void *value,
			size_t size, int flags);
	ssize_t (*listxattr)(struct vfs_ctx *c, struct inode *i, char *buf, size_t size);
	int (*removexattr)(struct vfs_ctx *c, struct inode *i, const char *name);

	/*
	 * Make f usable: may replace f->ops and set f->priv.  Called without locks after permission
	 * checks; O_TRUNC is done by the vfs through setattr.  Empty: nothing more to do.
	 */
	int (*open)(struct vfs_ctx *c, struct inode *i, struct file *f);
	/* The same, whatever i's type: instead of devices, FIFOs and the ENXIO of sockets. */
	int (*open_any)(struct vfs_ctx *c, struct inode *i, struct file *f);
};

/* Members: (c) constant after creation, (i) inode->lock for writing, read anywhere as a hint. */
struct inode {
	struct ref ref;
	const struct inode_ops *ops; /* (c) */
	const struct file_ops *fops; /* (c) what an opened file starts with */
	struct super *sb;            /* (c) counted */
	struct mutex lock;           /* LOCK_INODE_DIR or LOCK_INODE by type */
	uint64_t ino;                /* (c) */
	uint32_t mode, uid, gid, nlink; /* (i) */
	uint64_t size, blocks;       /* (i) */
	uint32_t blksize;            /* (c) */
	uint64_t rdev;               /* (c) */
	bool linkable;               /* (i) no name yet, but link(2) may give it one (O_TMPFILE) */
	struct timespec atime, mtime, ctime, btime; /* (i) */
	atomic_int writers;          /* open for writing; < 0: being executed (ETXTBSY) */
	struct flock_context *_Atomic locks; /* flock, POSIX, OFD locks and leases; made on first use */
	struct list watches;         /* inotify marks; vfs/inotify.c's latch */
	atomic_int readcount;        /* open for reading: leases */
	void *bound;                 /* AF_UNIX socket or pipe of a FIFO; (i) */
	void (*bound_put)(void *bound);
};

/* Set up i, which the file system allocated, with one reference; times are now. */
void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, uint32_t mode);
struct inode *inode_get(struct inode *i);
void inode_put(struct inode *i); /* accepts NULL */
void inode_fill_attr(const struct inode *i, struct attr *out);
#define MAY_EXEC  1u
#define MAY_WRITE 2u
#define MAY_READ  4u
int inode_permission(struct vfs_ctx *c, struct inode *i, unsigned int may);
/* Owner or CAP_FOWNER. */
bool inode_owner_or_capable(struct vfs_ctx *c, const struct inode *i);
/* Generic answer of an empty setattr slot, for file systems that keep all in the inode's fields. */
void inode_apply_setattr(struct inode *i, const struct setattr *a);
void inode_touch_atime(struct inode *i, const struct mount *m); /* relatime and noatime rules */
struct timespec vfs_now(void);

/* ---- dentries --------------------------------------------------------------------------------- */

/*
 * A name in a directory.  Negative: inode == NULL.  name, parent and inode change only with the
 * parent directories' locks held (and super->rename_lock for a move); to read them without those
 * use dentry_parent() and dentry_name_copy(), or hold a reference and accept old news.
 */
struct dentry;
struct inode *dentry_inode(const struct dentry *d); /* borrowed from d; NULL: negative */
struct super *dentry_super(const struct dentry *d);
const char *dentry_name(const struct dentry *d); /* with the parent's lock, or in inode_ops slots */
size_t dentry_name_len(const struct dentry *d);
struct dentry *dentry_parent(struct dentry *d);  /* new reference */
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d); /* accepts NULL */
void *dentry_priv(const struct dentry *d);
void dentry_set_priv(struct dentry *d, void *priv); /* the file system's; released with the super's hook */
/* Fill a negative dentry (consumes the reference to i; NULL keeps it negative). */
void dentry_set_inode(struct dentry *d, struct inode *i);
/* A new root dentry for sb (consumes i).  NULL: no memory. */
struct dentry *dentry_new_root(struct super *sb, struct inode *i) must_check;
/*
 * Put a child into the cache if it is not there: returns the cached one, new reference, with inode
 * (consumed; NULL: negative) if it was made.  NULL: no memory.  For walk_ahead and readdir.
 */
struct dentry *dcache_add(struct dentry *parent, const char *name, struct inode *i);
/*
 * For answers that were asked for without the directory's lock: take a snapshot before asking; the
 * child is added only if no name of sb has changed since (else NULL, and i is released).
 */
uint64_t dcache_snapshot(struct super *sb);
struct dentry *dcache_add_since(struct dentry *parent, const char *name, struct inode *i,
				uint64_t snapshot);
/*
 * Forget up to count of sb's cached names that nobody uses, so that their inodes go.  Returns how
 * many.  For file systems whose inodes hold something scarce.  Call it without latches.
 */
unsigned int dcache_shrink(struct super *sb, unsigned int count);
/*
 * d, a directory without names, has just been made by us: as long as nothing that is in it falls out of
 * the cache, what the cache hasn't got doesn't exist (but for what comes another way: the file system's business).
 */
void dentry_set_complete(struct dentry *d);
bool dentry_is_complete(const struct dentry *d);
/* The cached child with a new reference, or NULL.  Never calls the file system. */
struct dentry *dcache_lookup(struct dentry *parent, const char *name, size_t len);
/* Forget it and all below (invalid, or removed behind our back). */
void dentry_drop(struct dentry *d);
/* Its name was removed (unlink, rmdir, rename over it), or it never had one (O_TMPFILE). */
bool dentry_unlinked(const struct dentry *d);
bool dentry_is_below(struct dentry *d, struct dentry *anc); /* or is anc itself */

/* ---- open files ------------------------------------------------------------------------------- */

struct poller;
/* Stand in line at q on behalf of a poll, select or epoll; p may be NULL (only asking). */
void poller_add(struct poller *p, struct wq *q);

struct mmap_request {
	uint64_t offset, size; /* in: page aligned */
	int prot, flags;       /* in: PROT_*, MAP_* */
	int host_fd;           /* out: borrowed until the call ends; opened with just the rights needed */
	uint64_t host_offset;  /* out */
	bool anonymous;        /* out: no descriptor; map private anonymous memory (/dev/zero) */
};

/* readdir's sink: getdents, overlay's merging, tests embed it. */
struct dir_emit {
	bool (*fn)(struct dir_emit *e, const char *name, size_t len, uint64_t ino, unsigned int type,
		   int64_t next_pos);
};
/* type: DT_*.  false: full, stop (this entry was not taken).  next_pos is the cookie after this entry. */
bool dir_emit(struct dir_emit *e, const char *name, size_t len, uint64_t ino, unsigned int type,
	      int64_t next_pos);

struct file_ops {
	/*
	 * Move up to uio_left(dst) bytes.  pos: where, advanced by what was moved; streams ignore it.
	 * rwf: RWF_* plus O_NONBLOCK when the file or call is nonblocking; O_APPEND, O_SYNC and
	 * O_DSYNC come as RWF_APPEND (the file system sets *pos to the end, under its lock),
	 * RWF_SYNC and RWF_DSYNC.  Count, 0 at end, or
	 * -errno; -ERESTARTSYS when interrupted with nothing moved.  No locks held.  Empty: -EINVAL.
	 */
	ssize_t (*read)(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf);
	ssize_t (*write)(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf);
	/* Present poll(2) events; stands in line with poller_add().  Must not sleep.  Empty: always
	 * POLLIN|POLLOUT|POLLRDNORM|POLLWRNORM. */
	uint32_t (*poll)(struct file *f, struct poller *p);
	/* arg is a raw argument.  -ENOTTY when unknown.  FIONBIO, FIOCLEX … were done before. */
	long (*ioctl)(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg);
	int (*mmap)(struct vfs_ctx *c, struct file *f, struct mmap_request *r); /* empty: -ENODEV */
	/* Entries from f->pos on; advances f->pos.  f->pos_lock held.  Empty: -ENOTDIR. */
	int (*readdir)(struct vfs_ctx *c, struct file *f, struct dir_emit *e);
	/* The new position, which the vfs stores in f->pos (f->pos_lock held).  Empty: generic (SET,
	 * CUR, END, DATA, HOLE on inode->size) for seekable files, -ESPIPE for streams. */
	int64_t (*llseek)(struct vfs_ctx *c, struct file *f, int64_t off, int whence);
	int (*fsync)(struct vfs_ctx *c, struct file *f, bool datasync); /* empty: 0; streams -EINVAL */
	int (*fallocate)(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len);
	/* Each close(2) of a descriptor. */
	int (*flush)(struct vfs_ctx *c, struct file *f);
	/* Last reference gone.  No task context: may run on a service fiber. */
	void (*release)(struct file *f);
	/* F_SETFL changed O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT.  Empty: accept. */
	int (*set_flags)(struct file *f, int flags);
	/* Lines for /proc/PID/fdinfo/N beyond pos, flags, mnt_id, ino. */
	void (*show_fdinfo)(struct file *f, struct buf *b);
};

enum file_kind_flags {
	FILE_READ = 1 << 0,
	FILE_WRITE = 1 << 1,
	FILE_STREAM = 1 << 2,  /* no position: pipes, sockets, ttys; lseek gives ESPIPE */
	FILE_SIGPIPE = 1 << 3, /* -EPIPE from write raises SIGPIPE */
	FILE_PATH = 1 << 4,    /* O_PATH */
	FILE_EXEC = 1 << 5,    /* opened for execve: holds inode->writers negative */
	FILE_TRUNC = 1 << 7,   /* O_TRUNC will follow the open: old content is not needed */
	FILE_NOSPLICE = 1 << 8, /* splice(2) and sendfile(2) don't read or write it */
	FILE_NOTRUNCATE = 1 << 9, /* opened in a domain (vfs/landlock.h) that denies it: EACCES later */
	FILE_NOIOCTL = 1 << 10,   /* the same of ioctls on a device */
	FILE_NONOTIFY = 1 << 11,  /* what is done with it is no event (fanotify's own files) */
	FILE_NOCTTY = 1 << 6,  /* opened with O_NOCTTY (device drivers see f->flags without it) */
};

/* (c) constant after open, (a) atomic, (p) pos_lock */
struct file {
	struct ref ref;
	const struct file_ops *ops; /* (c) */
	struct inode *inode;        /* (c) */
	struct path path;           /* (c) */
	atomic_int flags;           /* (a) O_* without creation flags */
	unsigned int kind;          /* (c) FILE_* */
	unsigned int holds;         /* (c) counters of inode and mount that it is in; vfs/file.c */
	struct mutex pos_lock;      /* LOCK_FILE */
	int64_t pos;                /* (p) */
	const struct cred *cred;    /* (c) opener's */
	void *priv;                 /* (c) the implementation's */
	struct latch latch;
	struct list epolls;         /* (latch) epoll items that watch it */
	struct fowner *owner;       /* (latch) F_SETOWN, F_SETSIG */
};

/* Embedded in what fcntl hangs at file->owner; free() is called when the file goes, before its release. */
struct fowner {
	void (*free)(struct fowner *o);
};

static inline void *file_priv(const struct file *f)
{
	return f->priv;
}

/*
 * An open file on path (references taken) with ops; flags as open(2).  Does not call
 * inode_ops->open.
 */
int file_new(const struct path *path, const struct file_ops *ops, int flags, const struct cred *cred,
	     struct file **out) must_check;
/*
 * On an anonymous inode.  name "pipe" or "socket": one of its own, shown as "pipe:[ino]"; others
 * share one and are shown as "anon_inode:[name]" ("inotify" as "anon_inode:inotify").  A second
 * file on the same inode: file_new(&f->path, …).
 */
int file_new_anon(const char *name, const struct file_ops *ops, void *priv, int flags,
		  unsigned int kind, const struct cred *cred, struct file **out) must_check;
/* For "pipe" and "socket", with that inode number; 0: the next. */
int file_new_anon_ino(const char *name, uint64_t ino, const struct file_ops *ops, void *priv, int flags,
		      unsigned int kind, const struct cred *cred, struct file **out) must_check;
struct file *file_get(struct file *f);
void file_put(struct file *f); /* accepts NULL */

ssize_t file_read(struct vfs_ctx *c, struct file *f, struct uio *dst);
ssize_t file_write(struct vfs_ctx *c, struct file *f, struct uio *src);
ssize_t file_pread(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf);
ssize_t file_pwrite(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf);
/* Whole-kernel reads (ELF loader, scripts): no permission check, no position. */
ssize_t file_read_kernel(struct vfs_ctx *c, struct file *f, void *buf, size_t size, int64_t off);
uint32_t file_poll(struct file *f, struct poller *p);
long file_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg);
int file_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r);
int64_t file_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence);
int file_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e);
int file_fsync(struct vfs_ctx *c, struct file *f, bool datasync);
int file_fallocate(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len);
int file_truncate(struct vfs_ctx *c, struct file *f, int64_t size);
int file_getattr(struct vfs_ctx *c, struct file *f, uint32_t query, struct attr *out);
int file_set_flags(struct vfs_ctx *c, struct file *f, int flags);
int file_flush(struct vfs_ctx *c, struct file *f);
/* Text after "pos/flags" for fdinfo, and the link text of /proc/PID/fd/N. */
void file_show_fdinfo(struct file *f, struct buf *b);
int file_path_text(struct vfs_ctx *c, struct file *f, struct buf *b);

/* ---- paths ------------------------------------------------------------------------------------ */

enum walk_flags {
	WALK_FOLLOW = 1 << 0,    /* follow a final symlink */
	WALK_DIRECTORY = 1 << 1, /* the result must be a directory */
	WALK_EMPTY = 1 << 2,     /* AT_EMPTY_PATH */
	WALK_NO_AUTOMOUNT = 1 << 3,
	/* openat2's: */
	WALK_BENEATH = 1 << 4, WALK_IN_ROOT = 1 << 5, WALK_NO_MAGICLINKS = 1 << 6,
	WALK_NO_SYMLINKS = 1 << 7, WALK_NO_XDEV = 1 << 8, WALK_CACHED = 1 << 9,
	/* A hint: what is found will be opened for reading. */
	WALK_WILL_READ = 1 << 10,
};

/*
 * at: where a relative name starts (NULL: c->cwd).  name: NUL-terminated kernel copy of at most
 * PATH_LEN_MAX.  Fills out with references.
 */
int vfs_walk(struct vfs_ctx *c, const struct path *at, const char *name, unsigned int flags,
	     struct path *out) must_check;

struct open_how_args {
	int flags;          /* O_* */
	uint32_t mode;      /* before umask */
	unsigned int walk;  /* WALK_BENEATH … from openat2 */
};
int vfs_open(struct vfs_ctx *c, const struct path *at, const char *name,
	     const struct open_how_args *how, struct file **out) must_check;
/* Open what a path already found (magic links, execve, O_PATH upgrade). */
int vfs_open_path(struct vfs_ctx *c, const struct path *p, int flags, struct file **out) must_check;

/* As above with O_RDONLY for execve: x permission, regular, not noexec; held against writers. */
int vfs_open_exec_path(struct vfs_ctx *c, const struct path *p, struct file **out) must_check;

int vfs_mkdir(struct vfs_ctx *c, const struct path *at, const char *name, uint32_t mode);
int vfs_mknod(struct vfs_ctx *c, const struct path *at, const char *name, uint32_t mode, uint64_t rdev);
/* As vfs_mknod for a bound AF_UNIX socket of that type: bound is stored in the new inode. */
int vfs_bind_socket(struct vfs_ctx *c, const char *name, uint32_t mode, int type, void *bound,
		    void (*bound_put)(void *), struct path *out);
int vfs_symlink(struct vfs_ctx *c, const char *target, const struct path *at, const char *name);
int vfs_link(struct vfs_ctx *c, const struct path *old_at, const char *old_name,
	     const struct path *new_at, const char *new_name, int at_flags);
int vfs_unlink(struct vfs_ctx *c, const struct path *at, const char *name);
int vfs_rmdir(struct vfs_ctx *c, const struct path *at, const char *name);
int vfs_rename(struct vfs_ctx *c, const struct path *old_at, const char *old_name,
	       const struct path *new_at, const char *new_name, unsigned int flags);
/* sync(2): every file system mounted in the caller's namespace. */
void vfs_sync(struct vfs_ctx *c);
int vfs_readlink(struct vfs_ctx *c, const struct path *p, char **out);
int vfs_getattr(struct vfs_ctx *c, const struct path *p, uint32_t query, struct attr *out);
/* chmod, chown, utimensat, truncate: permission rules of setattr_prepare; clears setuid bits. */
int vfs_setattr(struct vfs_ctx *c, const struct path *p, struct setattr *a);
int vfs_access(struct vfs_ctx *c, const struct path *p, unsigned int may);
int vfs_statfs(struct vfs_ctx *c, const struct path *p, struct statfs_info *out);
/* Of a mounted file system by its device number; -EINVAL: none in the caller's namespace. */
int vfs_statfs_dev(struct vfs_ctx *c, uint64_t dev, struct statfs_info *out);
ssize_t vfs_getxattr(struct vfs_ctx *c, const struct path *p, const char *name, void *buf, size_t size);
int vfs_setxattr(struct vfs_ctx *c, const struct path *p, const char *name, const void *value,
		 size_t size, int flags);
ssize_t vfs_listxattr(struct vfs_ctx *c, const struct path *p, char *buf, size_t size);
int vfs_removexattr(struct vfs_ctx *c, const struct path *p, const char *name);
/*
 * The path's name as seen from root (c->root for getcwd), into b.  Outside root: "(unreachable)"
 * in front; unlinked: " (deleted)" behind.  Returns 0 or -ENAMETOOLONG.
 */
int vfs_path_text(const struct path *root, const struct path *p, struct buf *b);
/* As /proc/PID/{cwd,root,exe,fd/N} and maps show it: no "(unreachable)". */
int vfs_path_link_text(const struct path *root, const struct path *p, struct buf *b);

/* ---- mounts ----------------------------------------------------------------------------------- */

struct mnt_ns *mnt_ns_get(struct mnt_ns *ns);
void mnt_ns_put(struct mnt_ns *ns); /* accepts NULL */
/* A namespace whose root is a mount of sb (reference taken). */
int mnt_ns_new(struct vfs_ctx *c, struct super *sb, unsigned long mnt_flags, struct mnt_ns **out,
	       struct path *root);
/* CLONE_NEWNS: a copy; root and cwd are translated in place (references swapped). */
int mnt_ns_clone(struct vfs_ctx *c, struct mnt_ns *ns, struct path *root, struct path *cwd,
		 struct mnt_ns **out);
/* mount(2), umount2(2), pivot_root(2) after the system call layer has read the strings. */
int vfs_mount(struct vfs_ctx *c, const char *source, const char *target, const char *type,
	      unsigned long flags, const char *data);
int vfs_umount(struct vfs_ctx *c, const char *target, int flags);
int vfs_pivot_root(struct vfs_ctx *c, const char *new_root, const char *put_old);
/* For the container's set-up: mount type with kernel-internal data at a path. */
int vfs_mount_internal(struct vfs_ctx *c, const struct fs_type *t, const char *source,
		       const struct path *at, unsigned long flags, const char *data, void *fs_data);
/* The three views of /proc/PID: mounts, mountinfo, mountstats. */
enum mounts_view { MOUNTS_MOUNTS, MOUNTS_INFO, MOUNTS_STATS };
int mnt_ns_show(struct mnt_ns *ns, const struct path *root, enum mounts_view v, struct buf *b);
struct wq *mnt_ns_wq(struct mnt_ns *ns); /* woken (POLLERR|POLLPRI) at each change */
uint64_t mnt_ns_id(const struct mnt_ns *ns);   /* inode number of /proc/PID/ns/mnt */
struct user_ns *mnt_ns_user_ns(const struct mnt_ns *ns); /* borrowed */
/* The root of the namespace's topmost root mount, with references (setns). */
void mnt_ns_root(struct mnt_ns *ns, struct path *out);
uint64_t mount_id(const struct mount *m);
unsigned long mount_flags(const struct mount *m); /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC … */
/* 0, or -EROFS; paired with mount_drop_write. */
int mount_want_write(struct mount *m);
void mount_drop_write(struct mount *m);
