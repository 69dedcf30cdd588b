/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpc.h: one function a request of gofer/protocol.h: builds it, waits, checks the reply.  0 or a
 * negative errno unless noted; what comes out has been checked to make sense by itself (types,
 * sizes, names), and a reply that does not is the end of the connection (-EIO).
 *
 * Descriptors that come back are the caller's.  All sleep; see gconn_call().
 */
#pragma once

#include <stdint.h>

#include "gofer/protocol.h"
#include "lib/util.h"
#include "vfs/gofer/conn.h"

int grpc_attach(struct gconn *g, uint32_t index, uint32_t fid, struct gofer_attach_reply *out);

/* One name of a walk: fid and known as in struct gofer_walk_name. */
struct grpc_name {
	const char *name;
	uint32_t len, fid, known;
};

#define GRPC_WALK_MAX 16

/* What was reached; link is the text of the last one if that is a symlink (mem_free), else NULL. */
struct grpc_walk {
	uint32_t reached;
	int error; /* why it stopped before the end; 0 at a symlink */
	struct {
		struct gofer_attr attr;
		bool same;
	} at[GRPC_WALK_MAX];
	char *link;
	int fd; /* of the last name, a regular file, if it was to be opened and could be; or -1 */
};
int grpc_walk(struct gconn *g, uint32_t fid, const struct grpc_name *names, uint32_t count,
	      enum gofer_walk_open open, struct grpc_walk *out);

int grpc_open(struct gconn *g, uint32_t fid, uint32_t flags, struct gofer_attr *attr, int *fd);
/*
 * CREATE, TMPFILE, MKDIR, MKNOD, SYMLINK, BIND: q without sizes; name NULL for TMPFILE; text for
 * SYMLINK; fd for CREATE and TMPFILE, else NULL.  *change: of dir, untouched by TMPFILE.
 */
int grpc_make(struct gconn *g, uint16_t type, const struct gofer_make *q, const char *name,
	      const char *text, struct gofer_attr *attr, struct gofer_change *change, int *fd);
int grpc_link(struct gconn *g, uint32_t fid, uint32_t dir, const char *name, struct gofer_attr *attr,
	      struct gofer_change *change);
/* victim: a fid that is clunked first and then free, or GOFER_NOFID. */
int grpc_unlink(struct gconn *g, uint32_t dir, const char *name, uint32_t flags, uint32_t victim,
		struct gofer_change *change);
/* change: of old_dir, of new_dir. */
int grpc_rename(struct gconn *g, uint32_t old_dir, const char *old_name, uint32_t new_dir,
		const char *new_name, uint32_t flags, uint32_t victim, struct gofer_change change[2]);
int grpc_getattr(struct gconn *g, uint32_t fid, struct gofer_attr *attr);
/* Of count fids, 1 to GOFER_GETATTRS_MAX; mode 0: that fid's could not be had. */
int grpc_getattrs(struct gconn *g, const uint32_t *fid, uint32_t count, struct gofer_attr *attr);
int grpc_setattr(struct gconn *g, const struct gofer_setattr *q, struct gofer_attr *attr);
/* *text: a new string. */
int grpc_readlink(struct gconn *g, uint32_t fid, char **text);

/*
 * The entries after cookie.  *out holds the reply (checked as a whole) until gconn_reply_put(); step
 * through it with grpc_dirent_next().
 */
struct grpc_dir {
	struct gconn_call call;
	const char *next;
	uint32_t left;
	bool eof;
};
int grpc_readdir(struct gconn *g, uint32_t fid, uint64_t cookie, uint32_t flags, uint32_t max_size,
		 struct grpc_dir *out);
/*
 * The next entry, or NULL at the end: its name (followed by link_size bytes of a symlink's text;
 * neither is NUL-terminated), and its attributes (NULL: none).
 */
const struct gofer_dirent *grpc_dirent_next(struct grpc_dir *d, const char **name,
					    const struct gofer_attr **attr);

/* Size of the value; with size 0 the size needed. */
ssize_t grpc_getxattr(struct gconn *g, uint32_t fid, const char *name, void *buf, size_t size);
ssize_t grpc_listxattr(struct gconn *g, uint32_t fid, char *buf, size_t size);
int grpc_setxattr(struct gconn *g, uint32_t fid, const char *name, const void *value, size_t size,
		  uint32_t flags);
int grpc_removexattr(struct gconn *g, uint32_t fid, const char *name);
int grpc_statfs(struct gconn *g, uint32_t fid, struct gofer_statfs *out);
int grpc_fsync(struct gconn *g, uint32_t fid, uint32_t flags);
/* source bound on target on the host, fid its root; and the way back, which clunks fid. */
int grpc_mount(struct gconn *g, uint32_t source, uint32_t target, uint32_t fid, bool recursive);
int grpc_unmount(struct gconn *g, uint32_t fid);
int grpc_connect(struct gconn *g, uint32_t fid, uint32_t type, int *fd);
int grpc_listen(struct gconn *g, uint32_t fid, int *fd);

/* The checks on attributes, for those that come beside other things. */
bool grpc_attr_ok(const struct gofer_attr *a);
