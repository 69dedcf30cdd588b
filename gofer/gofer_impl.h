/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer_impl.h: what the server's own files share.
 *
 *     server.c   set-up, the loop, checking and dispatching of requests
 *     fid.c      the table of fids
 *     tree.c     walk, make, link, unlink, rename
 *     attr.c     attributes, extended attributes, statfs
 *     content.c  open, readdir, readlink, fsync
 *     sock.c     host sockets
 *     ring.c     the fast way of messages
 *
 * One thread; nothing here is locked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "gofer/gofer.h"
#include "gofer/ring.h"
#include "gofer/transport.h"
#include "lib/util.h"

/*
 * A bound fid.  fd is O_PATH, so it has no rights but to be a place to start from; a directory that
 * is being read has a second descriptor.
 */
struct gofer_node {
	int fd;              /* -1: this fid is not bound */
	int dir_fd;          /* -1, or opened for readdir */
	uint64_t dir_cookie; /* where dir_fd stands */
	uint64_t dev, ino;
	uint32_t type;       /* mode & S_IFMT: never changes */
	uint32_t attachment;
	bool mounted;        /* the root of a mount that MOUNT made: UNMOUNT may take it */
	int sock_fd;         /* -1, or what BIND made, until LISTEN gives it away; owned */
	uint32_t sock_type;  /* of sock_fd */
};

/* gofer/ring.h, once the Sentry has sent both parts: mem is mapped, bell not -1. */
struct gofer_ring {
	int bell; /* owned */
	char *mem;
	struct {
		bool served;  /* the reply of request seq is in the slot */
		uint32_t seq;
		int fd;       /* and this goes with it; owned; -1: nothing */
	} slots[GOFER_RING_SLOTS];
};

enum gofer_state { GOFER_NEW = 1 << 0, GOFER_READY = 1 << 1 };

struct gofer_server {
	struct gofer_transport transport;
	const struct gofer_config *config;
	enum gofer_state state;
	struct gofer_node *nodes; /* by fid; owned */
	uint32_t node_count;      /* room */
	uint32_t reply_max;       /* agreed size of a message */
	int mounter;              /* -1: there is none; owned */
	uint32_t reply_now;       /* ... and of the reply to the present request */
	int given_fd;             /* -1, or came with the present request; owned */
	struct gofer_ring ring;
	int end_status;           /* -1, or what END said */
	char *in, *out;           /* GOFER_MSG_MAX each; owned */
	char *scratch;            /* GOFER_SCRATCH, 8-byte aligned: directory records; owned */
};

#define GOFER_SCRATCH 32768u

/*
 * A request being served.  Handlers read their body with gofer_take() and gofer_take_name() from
 * front to back, and build the reply with gofer_put() and gofer_room().
 */
struct gofer_request {
	struct gofer_server *s;
	const char *body; /* the fixed part; aligned to 8 */
	const char *next; /* the variable rest */
	size_t left;      /* of the rest */
	char *reply;      /* after the header; aligned to 8 */
	size_t reply_size, reply_room;
	int fd;           /* -1, or to be donated; closed after the reply was sent */
};

/* What a handler returns for a malformed request; no errno has this value. */
#define GOFER_MALFORMED (-4096)

/* ---- server.c ------------------------------------------------------------------------------ */

int gofer_server_init(struct gofer_server *s, const struct gofer_config *c) must_check;
void gofer_server_fini(struct gofer_server *s);
/*
 * Serve the request of size bytes in s->in.  Returns the size of the reply in s->out (0: there is
 * none) with *fd = -1 or the descriptor to send and close; -EPROTO for a malformed one.
 */
ssize_t gofer_server_handle(struct gofer_server *s, size_t size, int *fd);

/*
 * For fuzzers that make well-formed requests: the size of the fixed part of a request, and where in it
 * (offset + 1, 0: none) the sizes of the rest's two parts and the reserved word are.  0: no such type.
 */
uint32_t gofer_request_shape(unsigned int type, uint16_t sizes[2], uint16_t *reserved);

/* The next size bytes of the rest, or NULL when there are not as many. */
const char *gofer_take(struct gofer_request *r, size_t size);
/* The next size bytes as a name.  0, -EINVAL, -ENAMETOOLONG, or GOFER_MALFORMED. */
int gofer_take_name(struct gofer_request *r, size_t size, char name[static GOFER_NAME_MAX + 1]);
/* size more bytes of the reply, uninitialised, or NULL: full. */
void *gofer_room(struct gofer_request *r, size_t size);
/* As room, for a size that always fits (fixed structs). */
void *gofer_put(struct gofer_request *r, size_t size);
/* Zeros up to a multiple of 8 (there is always room: the buffer's size is one). */
void gofer_pad(struct gofer_request *r);

/* ---- ring.c -------------------------------------------------------------------------------- */

void gofer_ring_init(struct gofer_ring *ring);
void gofer_ring_fini(struct gofer_ring *ring);
enum gofer_wake { GOFER_WAKE_BELL, GOFER_WAKE_SOCKET, GOFER_WAKE_TIMEOUT };
/* Sleep until there is something, or (NULL: never) timeout is over. */
enum gofer_wake gofer_ring_wait(struct gofer_server *s, const struct timespec *timeout);
/* After the former.  0, or a negative errno that ends the connection. */
int gofer_ring_serve(struct gofer_server *s);
int gofer_req_ring(struct gofer_request *r);

/* ---- fid.c --------------------------------------------------------------------------------- */

/* Borrowed until the next change of the table; NULL when not bound. */
struct gofer_node *gofer_node_peek(struct gofer_server *s, uint32_t fid);
/* 0, or the refusal: -EBADF, -ENOTDIR (want_dir), -EROFS (changing). */
int gofer_node_dir(struct gofer_server *s, uint32_t fid, struct gofer_node **out);
int gofer_node_change(struct gofer_server *s, uint32_t fid, struct gofer_node **out);
int gofer_node_change_dir(struct gofer_server *s, uint32_t fid, struct gofer_node **out);
/* Whether fid may be bound: 0, -EEXIST, -EBADF (too high), -ENOMEM.  GOFER_NOFID: 0. */
int gofer_node_reserve(struct gofer_server *s, uint32_t fid) must_check;
/*
 * Bind fid, reserved before, to fd (consumed; also when fid is GOFER_NOFID: closed).  May not be
 * called with a pointer from peek in use across a reserve, as that moves the table.
 */
void gofer_node_bind(struct gofer_server *s, uint32_t fid, int fd, uint32_t attachment,
		     const struct statx *sx);
void gofer_node_clunk(struct gofer_server *s, uint32_t fid);
static inline uint32_t gofer_node_flags(const struct gofer_server *s, const struct gofer_node *n)
{
	return s->config->attachments[n->attachment].flags;
}
/* The same inode: 1 or 0. */
bool gofer_node_is(const struct gofer_node *n, const struct statx *sx);
/*
 * A new descriptor for the inode of O_PATH descriptor fd, with open(2)'s flags; no symlink, device,
 * FIFO or socket may be asked for unless flags has O_PATH.
 */
int gofer_reopen(struct gofer_server *s, int fd, uint32_t flags) must_check;
/* fd's name below proc_fd, which is also the current directory. */
struct gofer_fd_name {
	char text[12];
};
struct gofer_fd_name gofer_fd_name(int fd);

/* ---- attr.c -------------------------------------------------------------------------------- */

#define GOFER_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
/* Attributes of descriptor fd. */
int gofer_stat(int fd, struct statx *sx) must_check;
void gofer_attr_fill(struct gofer_attr *a, const struct statx *sx);
/* The one body of many replies. */
void gofer_put_attr(struct gofer_request *r, const struct statx *sx);
/* Around a change of names in the directory of descriptor fd: its times, and into the reply. */
struct gofer_watch {
	int fd; /* borrowed */
	struct gofer_change c;
};
void gofer_change_begin(struct gofer_watch *w, int fd);
void gofer_change_end(struct gofer_request *r, struct gofer_watch *w);
/*
 * Give a freshly made object (descriptor fd; O_PATH or not) its owner and mode, and renew *sx.
 * -EINVAL, -EPERM from the host when this process may not give files to that owner (rootless):
 * ownership that is kept virtually would start here.
 */
int gofer_set_owner_mode(int fd, uint32_t uid, uint32_t gid, uint32_t mode, struct statx *sx) must_check;

/* ---- tree.c -------------------------------------------------------------------------------- */

/* An O_PATH descriptor of name in dir, whatever it is; a symlink itself. */
int gofer_open_name(int dir, const char *name) must_check;

/* ---- handlers, one a request type (server.c's table) --------------------------------------- */

int gofer_req_walk(struct gofer_request *r);
int gofer_req_create(struct gofer_request *r);
int gofer_req_tmpfile(struct gofer_request *r);
int gofer_req_mkdir(struct gofer_request *r);
int gofer_req_mknod(struct gofer_request *r);
int gofer_req_symlink(struct gofer_request *r);
int gofer_req_link(struct gofer_request *r);
int gofer_req_unlink(struct gofer_request *r);
int gofer_req_rename(struct gofer_request *r);
int gofer_req_getattr(struct gofer_request *r);
int gofer_req_getattrs(struct gofer_request *r);
int gofer_req_setattr(struct gofer_request *r);
int gofer_req_getxattr(struct gofer_request *r);
int gofer_req_setxattr(struct gofer_request *r);
int gofer_req_listxattr(struct gofer_request *r);
int gofer_req_removexattr(struct gofer_request *r);
int gofer_req_statfs(struct gofer_request *r);
int gofer_req_open(struct gofer_request *r);
int gofer_req_readlink(struct gofer_request *r);
int gofer_req_readdir(struct gofer_request *r);
int gofer_req_fsync(struct gofer_request *r);
int gofer_req_connect(struct gofer_request *r);
int gofer_req_bind(struct gofer_request *r);
int gofer_req_listen(struct gofer_request *r);
int gofer_req_mount(struct gofer_request *r);
int gofer_req_unmount(struct gofer_request *r);

/*
 * Bind a socket or make a node under a directory: shared by tree.c and sock.c.  Opens what name in
 * dir is now (never through a symlink), checks that it is of the type just made, gives it its owner
 * and mode, binds the fid, answers with the attributes.  On failure the name is removed again.
 */
int gofer_finish_make(struct gofer_request *r, const struct gofer_make *m, struct gofer_watch *w,
		      const char *name, uint32_t type);

/* ---- mounter.c ----------------------------------------------------------------------------- */

/* Before rights are given up: a socket to the mounter; negative: none is needed (-1), or none to be had. */
int gofer_mounter_start(const struct gofer_config *c) must_check;

/* ---- filter.c ------------------------------------------------------------------------------ */

int gofer_drop_caps(void) must_check;
int gofer_filter_load(const struct gofer_config *c) must_check;
