/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h: what the Sentry (vfs/gofer/, the client) and the Gofer (gofer/, the server) say to
 * each other.  9P-like: the client names files by numbers of its own choice (fids).
 *
 * A message is a struct gofer_hdr, a fixed body and, for some, a variable rest; little-endian, at
 * most GOFER_MSG_MAX bytes, its size in its first word.  A request carries a tag that its reply
 * repeats: any number may be in flight, and replies may come in any order.  A reply has the type of
 * its request and error = 0 or a negative errno; with an error the body is absent.  CLUNK and END
 * are one-way.  A descriptor travels beside the reply that the comment below says it does.
 *
 * Versions: the first request is VERSION, and nothing else is allowed before it.  The server answers
 * with the highest version that both know, or ends the connection.
 *
 * Names are single components: 1 to 255 bytes, no '/', no NUL, not "." and not "..": refused with
 * -EINVAL (-ENAMETOOLONG).  No request follows a symlink.  A message whose sizes, counts, flags or
 * reserved fields are wrong is malformed: the server ends the connection.
 *
 * A fid stands for an inode, not for a name: it goes on working after rename and unlink.  An unknown
 * fid is -EBADF; a new fid that is in use is -EEXIST.  When a request that binds a fid fails, the
 * fid stays unbound.
 *
 * Read-only attachments answer every change with -EROFS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GOFER_MAGIC      0x52464f47u /* "GOFR" */
#define GOFER_VERSION    1u
#define GOFER_MSG_MAX    (128u * 1024)
#define GOFER_MSG_MIN    (16u * 1024) /* any reply but data fits */
#define GOFER_NAME_MAX   255u
#define GOFER_LINK_MAX   4095u        /* a symlink's text, no NUL */
#define GOFER_XATTR_MAX  65536u       /* a value, or a list of names */
#define GOFER_WALK_MAX   64u          /* names in one walk */
#define GOFER_CLUNK_MAX  1024u        /* fids in one clunk */
#define GOFER_GETATTRS_MAX 64u        /* fids in one request for attributes */
#define GOFER_FID_MAX    (1u << 20)   /* fids are below this */
#define GOFER_NOFID      UINT32_MAX

enum gofer_type {
	GOFER_NONE,
	GOFER_REQ_VERSION,     /* gofer_version → gofer_version */
	GOFER_REQ_ATTACH,      /* gofer_attach → gofer_attach_reply */
	GOFER_REQ_WALK,        /* gofer_walk, names → gofer_walk_reply, entries; maybe a descriptor */
	GOFER_REQ_OPEN,        /* gofer_open → gofer_attr_reply, the descriptor */
	GOFER_REQ_CREATE,      /* gofer_make → gofer_attr_reply, gofer_change, the descriptor */
	GOFER_REQ_TMPFILE,     /* gofer_make, no name → gofer_attr_reply, the descriptor */
	GOFER_REQ_MKDIR,       /* gofer_make → gofer_attr_reply, gofer_change */
	GOFER_REQ_MKNOD,       /* gofer_make → gofer_attr_reply, gofer_change */
	GOFER_REQ_SYMLINK,     /* gofer_make, name, text → gofer_attr_reply, gofer_change */
	GOFER_REQ_LINK,        /* gofer_link, name → gofer_attr_reply, gofer_change */
	GOFER_REQ_UNLINK,      /* gofer_unlink, name → gofer_change */
	GOFER_REQ_RENAME,      /* gofer_rename, names → gofer_change of the old directory, of the new one */
	GOFER_REQ_GETATTR,     /* gofer_fid → gofer_attr_reply */
	GOFER_REQ_SETATTR,     /* gofer_setattr → gofer_attr_reply */
	GOFER_REQ_READLINK,    /* gofer_fid → gofer_data, text */
	GOFER_REQ_READDIR,     /* gofer_readdir → gofer_readdir_reply, entries */
	GOFER_REQ_GETXATTR,    /* gofer_xattr, name → gofer_data, value */
	GOFER_REQ_SETXATTR,    /* gofer_xattr, name, value → nothing */
	GOFER_REQ_LISTXATTR,   /* gofer_xattr → gofer_data, names */
	GOFER_REQ_REMOVEXATTR, /* gofer_xattr, name → nothing */
	GOFER_REQ_STATFS,      /* gofer_fid → gofer_statfs */
	GOFER_REQ_FSYNC,       /* gofer_fsync → nothing */
	GOFER_REQ_CONNECT,     /* gofer_connect → nothing, the connected socket */
	GOFER_REQ_BIND,        /* gofer_make, name → gofer_attr_reply, gofer_change; the socket stays with the fid */
	GOFER_REQ_CLUNK,       /* gofer_clunk, fids; one-way */
	GOFER_REQ_END,         /* gofer_end; one-way, the last */
	GOFER_REQ_MOUNT,       /* gofer_mount → nothing */
	GOFER_REQ_UNMOUNT,     /* gofer_fid, of MOUNT → nothing; the fid is clunked */
	GOFER_REQ_GETATTRS,    /* gofer_getattrs, fids → a gofer_attr each, mode 0: it could not be had */
	GOFER_REQ_LISTEN,      /* gofer_fid, of BIND → nothing, the socket: listening, if it is no datagram one; once */
	GOFER_REQ_RING,        /* gofer_ring_setup, brings a descriptor → nothing; gofer/ring.h */
	GOFER_TYPE_COUNT,
};

/* What the client has no room for the descriptor of has been done all the same, and can be opened later. */
static inline bool gofer_done_without_fd(uint16_t type)
{
	return type == GOFER_REQ_WALK || type == GOFER_REQ_CREATE || type == GOFER_REQ_TMPFILE;
}

struct gofer_hdr {
	uint32_t size;  /* of the whole message */
	uint16_t type;  /* enum gofer_type */
	uint16_t flags; /* 0 */
	uint32_t tag;
	int32_t error;  /* 0 in requests */
};

/* magic, version: what the sender knows best; msg_max: GOFER_MSG_MIN to GOFER_MSG_MAX. */
struct gofer_version {
	uint32_t magic, version, msg_max;
	uint32_t attach_count; /* reply only; 0 in the request */
};

/* As statx(2); dev and rdev are makedev() values, attributes STATX_ATTR_*. */
struct gofer_attr {
	uint64_t ino, dev, rdev, size, blocks;
	uint64_t attributes;
	int64_t atime_sec, mtime_sec, ctime_sec, btime_sec;
	uint32_t atime_nsec, mtime_nsec, ctime_nsec, btime_nsec;
	uint32_t mode, nlink, uid, gid, blksize;
	uint32_t attributes_mask;
	uint64_t mnt_id; /* 0: the host can't tell */
};

struct gofer_attr_reply {
	struct gofer_attr attr;
};

/*
 * A directory's times right before and after a change of its names (NFSv3: wcc_data): who knows them from before, and
 * finds the same here, knows that nobody else has changed it since.
 */
struct gofer_change {
	int64_t before_mtime_sec, before_ctime_sec, after_mtime_sec, after_ctime_sec;
	uint32_t before_mtime_nsec, before_ctime_nsec, after_mtime_nsec, after_ctime_nsec;
};

/* Mount root number index. */
struct gofer_attach {
	uint32_t index, fid;
};

enum gofer_attach_flags {
	GOFER_ATTACH_RDONLY = 1 << 0,  /* every change is -EROFS */
	GOFER_ATTACH_CONNECT = 1 << 1, /* connecting to host sockets below is allowed */
	GOFER_ATTACH_BIND = 1 << 2,    /* and making such sockets */
	GOFER_ATTACH_DEVICES = 1 << 3, /* mknod of device nodes is tried (whiteouts always are) */
	GOFER_ATTACH_MOUNT = 1 << 4,   /* what is bound below is bound on the host too */
};

struct gofer_attach_reply {
	uint32_t flags, reserved; /* enum gofer_attach_flags */
	struct gofer_attr attr;
};

struct gofer_fid {
	uint32_t fid, reserved;
};

/*
 * From directory fid on, count names, each a struct gofer_walk_name and its bytes.  The walk stops
 * at the first name that does not exist (or can't be opened), at a symlink, and after the last name.
 */
enum gofer_walk_open { GOFER_WALK_LOOK, GOFER_WALK_READ, GOFER_WALK_READ_WRITE };

struct gofer_walk {
	uint32_t fid;
	uint32_t count; /* 1 to GOFER_WALK_MAX */
	uint32_t open;  /* enum gofer_walk_open: if the last name is a regular file, its descriptor comes with the reply */
	uint32_t reserved;
};

struct gofer_walk_name {
	uint32_t fid;   /* bind the component to it; GOFER_NOFID: only its attributes */
	uint32_t known; /* a fid that it is expected to be, or GOFER_NOFID */
	uint32_t size;
};

/*
 * error: why it stopped after reached components: 0 at a symlink or the end; -ENOENT, -ENOTDIR (a
 * name below what is no directory), -EACCES, …  The request itself has succeeded, also without the
 * descriptor that was wanted: OPEN says why it could not be had.
 * An entry: struct gofer_walk_entry, and for a symlink its text, padded with zeros to 8 bytes.
 */
struct gofer_walk_reply {
	uint32_t reached;
	int32_t error;
};

struct gofer_walk_entry {
	struct gofer_attr attr;
	uint32_t same;      /* 1: it is the inode of `known`; the new fid was not bound */
	uint32_t link_size; /* of the text; 0 if this is no symlink or the text can't be read */
};

/* A regular file; flags: O_RDONLY, O_WRONLY or O_RDWR, and O_TRUNC (not with O_RDONLY). */
struct gofer_open {
	uint32_t fid, flags;
};

/*
 * Make an object in directory dir and bind it to fid (or GOFER_NOFID).
 *   CREATE, TMPFILE  flags: access mode of the donated descriptor
 *   MKNOD            mode's type: S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG; 0:0 S_IFCHR: whiteout
 *   BIND             flags: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
 * Unused fields are 0.  mode has the umask applied; it, uid and gid are what the object has in the
 * end, or it is not made.  The name follows, for SYMLINK then the text.
 */
struct gofer_make {
	uint32_t dir, fid;
	uint32_t flags;
	uint32_t mode, uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint32_t name_size;
	uint32_t text_size;
};

struct gofer_link {
	uint32_t fid;
	uint32_t dir;
	uint32_t name_size;
	uint32_t reserved;
};

/*
 * flags: 0 or AT_REMOVEDIR.  fid is clunked first, whatever comes of the rest (GOFER_NOFID: none): the
 * host's file systems remove faster what nobody has open.
 */
struct gofer_unlink {
	uint32_t dir;
	uint32_t flags;
	uint32_t name_size;
	uint32_t fid;
};

/*
 * flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT.  The old name, then the new one.  fid as
 * for UNLINK: what is replaced.
 */
struct gofer_rename {
	uint32_t old_dir, new_dir;
	uint32_t flags;
	uint32_t old_size, new_size;
	uint32_t fid;
};

enum gofer_setattr_mask {
	GOFER_SET_MODE = 1 << 0,
	GOFER_SET_UID = 1 << 1,
	GOFER_SET_GID = 1 << 2,
	GOFER_SET_SIZE = 1 << 3,
	GOFER_SET_ATIME = 1 << 4,
	GOFER_SET_MTIME = 1 << 5,
	GOFER_SET_ATIME_NOW = 1 << 6,
	GOFER_SET_MTIME_NOW = 1 << 7,
	GOFER_SET_ALL = (1 << 8) - 1,
};

/*
 * Applied in this order: owner, mode, size, times; the first that fails ends it.  As on Linux a new
 * owner clears setuid and setgid bits and file capabilities unless mode is set too.
 */
struct gofer_setattr {
	uint32_t fid;
	uint32_t mask; /* enum gofer_setattr_mask */
	uint32_t mode, uid, gid;
	uint32_t atime_nsec, mtime_nsec;
	uint32_t reserved;
	uint64_t size;
	int64_t atime_sec, mtime_sec;
};

struct gofer_data {
	uint32_t size;     /* of the bytes that follow; with a request for size 0, the size needed */
	uint32_t reserved;
};

/*
 * Entries from cookie on (0: the beginning; else the next of an earlier entry), without "." and
 * "..", at most max_size bytes of reply.
 */
enum gofer_readdir_flags {
	GOFER_READDIR_ATTR = 1 << 0, /* with attributes, and symlinks with their texts */
};

struct gofer_readdir {
	uint32_t fid;
	uint32_t flags;
	uint32_t max_size; /* 4096 (ATTR: GOFER_MSG_MIN) to msg_max */
	uint32_t reserved;
	uint64_t cookie;
};

/*
 * An entry: struct gofer_dirent, struct gofer_attr if has_attr, the name, and if it is a symlink its
 * text, the two together padded with zeros to 8.
 */
struct gofer_readdir_reply {
	uint32_t count;
	uint32_t eof; /* nothing follows these */
};

struct gofer_dirent {
	uint64_t ino;
	uint64_t next;     /* cookie after this entry */
	uint16_t name_size;
	uint8_t type;      /* DT_* */
	uint8_t has_attr;
	uint32_t link_size; /* 0: no symlink, no attributes asked for, or it can't be read */
};

/*
 * Names: user.*, security.capability, system.posix_acl_access and _default; others: -EOPNOTSUPP.
 * flags: XATTR_CREATE, XATTR_REPLACE.  value_size: of the value (set), or room for it (get, list;
 * 0 asks for the size).
 */
struct gofer_xattr {
	uint32_t fid;
	uint32_t flags;
	uint32_t name_size;
	uint32_t value_size;
};

struct gofer_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
	uint32_t fsid[2];
};

enum gofer_fsync_flags {
	GOFER_FSYNC_DATA = 1 << 0, /* fdatasync(2) */
	GOFER_FSYNC_FS = 1 << 1,   /* syncfs(2): the whole file system; excludes DATA */
};

struct gofer_fsync {
	uint32_t fid, flags;
};

/* type: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. */
struct gofer_connect {
	uint32_t fid, type;
};

/*
 * Bind source, with the mounts below it if recursive, on target, whose attachment must be one with
 * GOFER_ATTACH_MOUNT; fid becomes the new mount's root, to be unmounted by.
 */
struct gofer_mount {
	uint32_t source, target;
	uint32_t fid;
	uint32_t recursive; /* 0 or 1 */
};

/* count: 1 to GOFER_GETATTRS_MAX. */
struct gofer_getattrs {
	uint32_t count;
	uint32_t reserved;
};

/* Unknown fids are passed over. */
struct gofer_clunk {
	uint32_t count;
	uint32_t reserved;
};

/* The memory first, then the bell. */
enum gofer_ring_part { GOFER_RING_MEMORY, GOFER_RING_BELL };

struct gofer_ring_setup {
	uint32_t what; /* enum gofer_ring_part */
	uint32_t reserved;
};

/* The container is over: gofer_main() returns status, the exit status of its init. */
struct gofer_end {
	uint32_t status; /* 0 to 255 */
	uint32_t reserved;
};

_Static_assert(sizeof(struct gofer_hdr) == 16, "wire");
_Static_assert(sizeof(struct gofer_version) == 16, "wire");
_Static_assert(sizeof(struct gofer_attr) == 128, "wire");
_Static_assert(sizeof(struct gofer_attach_reply) == 136, "wire");
_Static_assert(sizeof(struct gofer_change) == 48, "wire");
_Static_assert(sizeof(struct gofer_walk_name) == 12, "wire");
_Static_assert(sizeof(struct gofer_walk_entry) == 136, "wire");
_Static_assert(sizeof(struct gofer_make) == 40, "wire");
_Static_assert(sizeof(struct gofer_rename) == 24, "wire");
_Static_assert(sizeof(struct gofer_setattr) == 56, "wire");
_Static_assert(sizeof(struct gofer_readdir) == 24, "wire");
_Static_assert(sizeof(struct gofer_dirent) == 24, "wire");
_Static_assert(sizeof(struct gofer_statfs) == 88, "wire");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");
