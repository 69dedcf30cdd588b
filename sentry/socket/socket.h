/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h: sockets, whatever their family.
 *
 *     descriptor ─▶ struct file ─▶ struct socket (embedded in the family's own)
 *
 * A family registers how its sockets are made (struct socket_family); what can be done with one is a
 * table (struct socket_ops).  This layer does what is the same for all: files, SOL_SOCKET options,
 * control messages, addresses' way from and to the application, time-outs, SIGPIPE.  System calls
 * (sentry/sys/socket.c) call socket_*(); nobody else calls through the tables.
 *
 * Life: the file owns the socket; ops->release() is its end as far as this layer is concerned.  A
 * family that lets others keep pointers counts references itself.
 *
 * Locks: none here.  Options are atomics; families lock as they like, at LOCK_SOCKET or below.
 * Wake-ups go to s->wq with poll(2) events.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/uio.h"
#include "lib/util.h"
#include "lib/wq.h"

struct buf;
struct file;
struct mmap_request;
struct net_ns;
struct pid;
struct poller;
struct socket;
struct vfs_ctx;

/* ---- addresses --------------------------------------------------------------------------------- */

/* Any address; size 0: none. */
struct sock_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
	uint32_t size;
};

/* ---- messages ---------------------------------------------------------------------------------- */

#define SCM_FILES_MAX 253

/* Files on their way (SCM_RIGHTS). */
struct scm_files {
	unsigned int count;
	struct file *file[]; /* owned */
};

/* Generic control data of one message.  Everything in it is owned. */
struct scm {
	struct scm_files *files; /* or NULL */
	struct pid *pid;         /* counted; NULL: unknown */
	bool has_creds;
	uint32_t uid, gid;       /* kernel ids; meaningful with has_creds */
	int32_t pid_nr;          /* where there are no tasks (tests) */
};
void scm_init(struct scm *scm);
void scm_fini(struct scm *scm);
/* Another reference to each file.  NULL: no memory. */
struct scm_files *scm_files_dup(const struct scm_files *f) must_check;
void scm_files_put(struct scm_files *f); /* accepts NULL */
/* The caller's own credentials, as a sender that names none. */
void scm_set_creds_self(struct vfs_ctx *c, struct scm *scm);
bool scm_same_creds(const struct scm *a, const struct scm *b);

/* Control messages for the application, laid out as in msg_control. */
struct cmsg_out {
	char *data;      /* capacity bytes; owned; NULL: no buffer given */
	size_t capacity;
	size_t used;
};

/* One message, either way. */
struct sock_msg {
	struct sock_addr addr;   /* send: destination, or size 0.  receive: filled by the family */
	struct uio *data;
	unsigned int flags;      /* MSG_* of the call; MSG_DONTWAIT also for nonblocking files */
	unsigned int out_flags;  /* receive: MSG_TRUNC, MSG_CTRUNC, MSG_EOR … */
	struct scm scm;          /* send: parsed.  receive: filled by the family */
	const void *control;     /* send: all of it, kernel copy, for the family's own levels */
	size_t control_size;
	struct cmsg_out cmsg;    /* receive: the family's own levels */
};

/*
 * Walk well-formed control messages: the next after prev (NULL: first), or NULL at the end;
 * *data and *size are its payload.  Checked against control_size: hostile input.
 */
const struct cmsghdr *sock_msg_next_control(const struct sock_msg *m, const struct cmsghdr *prev,
					    const void **data, size_t *size);
/* Whether every header is sane (CMSG_OK); the walk just stops at the first that is not. */
bool sock_msg_control_ok(const struct sock_msg *m);
/* Add one for the application; what doesn't fit is cut and MSG_CTRUNC set (net/core/scm.c: put_cmsg). */
void sock_msg_put_control(struct sock_msg *m, int level, int type, const void *data, size_t size);

/* ---- families ---------------------------------------------------------------------------------- */

/*
 * Slots are called without locks and may sleep, but for poll.  c->waiter is for sleeps: use
 * socket_wait().  MSG_DONTWAIT and O_NONBLOCK have been merged into m->flags or nonblock.
 */
struct socket_ops {
	/* The file is gone.  Frees s, or lets go of it.  No task context. */
	void (*release)(struct socket *s);
	/* Empty: -EOPNOTSUPP. */
	int (*bind)(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a);
	int (*connect)(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock);
	/* Two new sockets of this family.  Empty: -EOPNOTSUPP. */
	int (*pair)(struct vfs_ctx *c, struct socket *a, struct socket *b);
	/* backlog is cut to SOMAXCONN already. */
	int (*listen)(struct vfs_ctx *c, struct socket *s, int backlog);
	/* A connected socket that nobody else knows; peer (may be NULL): who it is, even if gone already. */
	int (*accept)(struct vfs_ctx *c, struct socket *s, bool nonblock, struct socket **out,
		      struct sock_addr *peer);
	int (*getname)(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer);
	int (*shutdown)(struct vfs_ctx *c, struct socket *s, int how); /* SHUT_*, checked */
	/* Count or -errno.  May take m->scm's contents (set it to empty then). */
	ssize_t (*send)(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
	/* As read(2).  Fills m->addr, m->scm, m->cmsg, m->out_flags as it applies. */
	ssize_t (*recv)(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
	uint32_t (*poll)(struct socket *s, struct poller *p);
	/* -ENOTTY: try the generic ones.  arg is a raw argument. */
	long (*ioctl)(struct vfs_ctx *c, struct socket *s, unsigned int cmd, uint64_t arg);
	/*
	 * Options of levels other than SOL_SOCKET, and those of SOL_SOCKET that this layer does not
	 * know.  value is a kernel copy.  get: value has room for *size bytes; sets *size.
	 * Empty: -ENOPROTOOPT.
	 */
	int (*setsockopt)(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value,
			  size_t size);
	int (*getsockopt)(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
			  size_t *size);
	/* Before a generic option that takes a number is set: 0, or why not.  Empty: all may be. */
	int (*option_refused)(const struct socket *s, int name, int value);
	/* A generic option was changed (buffer sizes, keepalive, …).  Empty: nothing to do. */
	void (*option_changed)(struct socket *s, int name);
	/* SO_ERROR: the pending error (positive), which is then forgotten.  Empty: 0. */
	int (*take_error)(struct socket *s);
	/* SO_ACCEPTCONN.  Empty: false. */
	bool (*listening)(struct socket *s);
	/*
	 * close(2) of the last descriptor with SO_LINGER on and a positive time: end in order, and wait
	 * until the peer has it all, the time is up or a signal comes.  Empty: release() at once.
	 */
	void (*linger)(struct vfs_ctx *c, struct socket *s, int64_t timeout_ns);
	/* The number of its inode.  Empty: the next of the sandbox. */
	uint64_t (*inode_number)(const struct socket *s);
	/* s->file is there now (its inode has the socket's number).  Empty: nothing to do. */
	void (*file_made)(struct socket *s);
	void (*show_fdinfo)(struct socket *s, struct buf *b);
	/* As file_ops.mmap.  Empty: -ENODEV. */
	int (*mmap)(struct socket *s, struct mmap_request *r);
};

/* Boolean options, bits of socket->options. */
enum socket_option_bits {
	SOCK_OPT_DEBUG = 1 << 0, SOCK_OPT_REUSEADDR = 1 << 1, SOCK_OPT_DONTROUTE = 1 << 2,
	SOCK_OPT_BROADCAST = 1 << 3, SOCK_OPT_KEEPALIVE = 1 << 4, SOCK_OPT_OOBINLINE = 1 << 5,
	SOCK_OPT_LINGER = 1 << 6, SOCK_OPT_REUSEPORT = 1 << 7, SOCK_OPT_PASSCRED = 1 << 8,
	SOCK_OPT_PASSPIDFD = 1 << 9, SOCK_OPT_PASSSEC = 1 << 10, SOCK_OPT_TIMESTAMP = 1 << 11,
	SOCK_OPT_TIMESTAMPNS = 1 << 12, SOCK_OPT_NO_CHECK = 1 << 13, SOCK_OPT_RXQ_OVFL = 1 << 14,
	SOCK_OPT_WIFI_STATUS = 1 << 15, SOCK_OPT_NOFCS = 1 << 16, SOCK_OPT_ZEROCOPY = 1 << 17,
	SOCK_OPT_SELECT_ERR_QUEUE = 1 << 18, SOCK_OPT_PREFER_BUSY_POLL = 1 << 19,
	SOCK_OPT_LOCK_FILTER = 1 << 20, SOCK_OPT_PASSRIGHTS_OFF = 1 << 21,
	SOCK_OPT_RCVMARK = 1 << 22,
};

#define SOCK_BUF_DEFAULT 212992
#define SOCK_BUF_MAX     212992 /* net.core.wmem_max, rmem_max; the option's value is doubled */
#define SOCK_SNDBUF_LOCKED 1
#define SOCK_RCVBUF_LOCKED 2
#define SOCK_SNDBUF_MIN  4608
#define SOCK_RCVBUF_MIN  2304
#define SOCK_SOMAXCONN   4096

/* (c) constant, (a) atomic */
struct socket {
	const struct socket_ops *ops; /* (c) */
	int family, type, protocol;   /* (c) */
	struct file *file;            /* (c) borrowed; NULL before accept(2) and after close */
	struct net_ns *net;           /* (c) counted; NULL where there are no tasks */
	uint32_t uid;                 /* (c) creator's fsuid */
	uint64_t cookie;              /* (c) SO_COOKIE */
	struct wq wq;                 /* readers, writers, pollers */
	atomic_uint options;          /* (a) SOCK_OPT_* */
	atomic_int sndbuf, rcvbuf;    /* (a) bytes, as getsockopt shows them */
	atomic_int buf_lock;          /* (a) SO_BUF_LOCK: which were set, or are not to change by themselves */
	atomic_int rcvlowat;          /* (a) */
	atomic_int linger_s;          /* (a) with SOCK_OPT_LINGER */
	atomic_int priority, mark, incoming_cpu, busy_poll; /* (a) */
	atomic_int peek_off;          /* (a) -1: off */
	atomic_llong rcvtimeo_ns, sndtimeo_ns; /* (a) INT64_MAX: none */
	atomic_ullong max_pacing_rate; /* (a) */
};

struct socket_family {
	int family;
	/*
	 * Make a socket: type without SOCK_NONBLOCK and SOCK_CLOEXEC.  -ESOCKTNOSUPPORT,
	 * -EPROTONOSUPPORT, -EPERM (raw sockets), -ENOMEM.
	 */
	int (*create)(struct vfs_ctx *c, struct net_ns *net, int type, int protocol, struct socket **out);
	/* Requests that any socket takes, e.g. SIOCGIFADDR on an AF_UNIX one.  Optional; the first
	 * family that answers other than -ENOTTY wins. */
	long (*device_ioctl)(struct vfs_ctx *c, struct net_ns *net, unsigned int cmd, uint64_t arg);
};
/* At start-up, before any task runs.  f is kept. */
void socket_family_register(const struct socket_family *f);

/* Set up the generic part: options at their defaults.  The family has filled nothing yet. */
void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type, int protocol,
		 struct vfs_ctx *c, struct net_ns *net);
/* A child as accept(2) makes them: options of parent. */
void socket_init_child(struct socket *s, const struct socket *parent);
/* Lets go of what socket_init() took: the family calls it before it frees s. */
void socket_fini(struct socket *s);

static inline bool socket_has(const struct socket *s, unsigned int bits)
{
	return atomic_load_explicit(&s->options, memory_order_relaxed) & bits;
}

/* Deadlines of a blocking receive or send that starts now; 0 when nonblock. */
int64_t socket_rcv_deadline(const struct socket *s, bool nonblock);
int64_t socket_snd_deadline(const struct socket *s, bool nonblock);
/*
 * Sleep at q until ready(arg) (vfs_wait_ready's rules).  0; -EAGAIN at the deadline or at once when
 * it is 0; -ERESTARTSYS, or -EINTR when there is a deadline (sock_intr_errno).
 */
int socket_wait(struct vfs_ctx *c, struct wq *q, uint32_t events, bool exclusive,
		bool (*ready)(void *arg), void *arg, int64_t deadline_ns);
/*
 * err has ended a transfer of which a part is done, so that it is not told: is it an error of the socket's, which the next call
 * or SO_ERROR must tell (sk_err)?  EPIPE is a state, which the next call finds by itself.
 */
bool socket_keeps_error(ssize_t err);

/* ---- what system calls use --------------------------------------------------------------------- */

/* The namespace that new sockets of this caller belong to; NULL where there are no tasks. */
struct net_ns *socket_current_net(struct vfs_ctx *c);
/* type may carry SOCK_NONBLOCK and SOCK_CLOEXEC.  -EAFNOSUPPORT, -EINVAL, and the family's. */
int socket_create(struct vfs_ctx *c, int family, int type, int protocol, struct socket **out) must_check;
/* Its file; consumes s on success only.  flags: O_NONBLOCK. */
int socket_file_new(struct vfs_ctx *c, struct socket *s, int flags, struct file **out) must_check;
/* The socket of f, or NULL (ENOTSOCK). */
struct socket *file_socket(const struct file *f);
/* Without a file: undo of create. */
void socket_release(struct socket *s);

int socket_pair(struct vfs_ctx *c, int family, int type, int protocol, struct file *out[2]) must_check;
int socket_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a);
int socket_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a);
int socket_listen(struct vfs_ctx *c, struct socket *s, int backlog);
/* flags: SOCK_NONBLOCK.  addr may be NULL. */
int socket_accept(struct vfs_ctx *c, struct socket *s, int flags, struct sock_addr *addr,
		  struct file **out) must_check;
int socket_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer);
int socket_shutdown(struct vfs_ctx *c, struct socket *s, int how);
/* m->scm is owned by the caller before and after.  SIGPIPE is sent here. */
ssize_t socket_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
ssize_t socket_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
int socket_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value,
		      size_t size);
int socket_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
		      size_t *size);

/* Look at m->control and fill m->scm from SOL_SOCKET's (net/core/scm.c: __scm_send); the network families have their own. */
int scm_parse(struct vfs_ctx *c, const struct socket *s, struct sock_msg *m) must_check;

/* Start-up: AF_UNIX. */
int socket_module_init(void) must_check;
/* Text of /proc/net/unix for one network namespace. */
void unix_show(struct net_ns *net, struct buf *b);
