/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_impl.h: AF_UNIX sockets, for the files of this folder that make them up:
 *
 *     unix.c         life, connecting, listening, options
 *     unix_name.c    addresses: abstract names, paths, autobind; /proc/net/unix
 *     unix_msg.c     messages, accounting
 *     unix_stream.c  SOCK_STREAM's data
 *     unix_dgram.c   SOCK_DGRAM's and SOCK_SEQPACKET's
 *     unix_gc.c      sockets that are only in flight to each other
 *     unix_host.c    connections to sockets of the host
 *     unix_outside.c connections of the host's programs to ours
 *
 * A message is put straight into the receiving socket's queue; what it takes up is charged to the
 * sender's send buffer until it was read.
 *
 * References: the file holds its socket; a connected socket its peer; an inode's bound the socket
 * bound there; a queued message its sender (not the file: a sender may be closed before its
 * messages are read).  A listener's queue holds sockets that have no file yet ("embryos").
 * Cycles (peers hold each other) end when a socket is released: it lets go of its peer and its
 * queue.  Cycles through files in queues are unix_gc.c's.
 *
 * Locks: u->latch guards state, peer, shutdown, queues: a few instructions each time, so a latch;
 * that of two sockets in order of address.  u->read_lock (mutex, LOCK_SOCKET) makes readers take
 * turns while they copy to the application.  Order:
 *
 *     read_lock → gc.lock → u->latch (two by address) → module latch → wait queues
 *
 * Nothing that may release a file or a socket is called with a latch held.
 */
#pragma once

#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "sentry/socket/socket.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

#define UNIX_DGRAM_BACKLOG 10 /* net.unix.max_dgram_qlen */
#define UNIX_PATH_OFFSET   offsetof(struct sockaddr_un, sun_path)

#define POLL_READABLE (POLLIN | POLLRDNORM | POLLRDBAND)
#define POLL_WRITABLE (POLLOUT | POLLWRNORM | POLLWRBAND)
#define POLL_ALL      (POLL_READABLE | POLL_WRITABLE | POLLRDHUP | POLLHUP | POLLERR)

struct unix_addr {
	uint32_t size; /* as getsockname(2) gives it */
	uint64_t hash; /* abstract ones */
	struct sockaddr_un un;
};

enum unix_state { UNIX_CLOSE, UNIX_LISTEN, UNIX_ESTABLISHED };

#define UNIX_SHUT_RCV 1u
#define UNIX_SHUT_SND 2u
#define UNIX_SHUT_ALL 3u

/* (c) constant, (a) atomic: written under latch, read anywhere; (l) latch; (m) module latch;
 * (g) gc.lock */
struct unix_sock {
	struct socket s;
	struct ref ref;
	struct mutex read_lock;   /* LOCK_SOCKET */
	struct latch latch;
	atomic_uint state;        /* (a) enum unix_state */
	atomic_uint shut;         /* (a) UNIX_SHUT_* */
	atomic_int error;         /* (a) SO_ERROR, positive */
	bool dead;                /* (l) released */
	bool binding;             /* (l) a bind(2) is at work */
	struct unix_sock *peer;   /* (l) counted */
	struct pid *peer_pid;     /* (l) SO_PEERCRED; counted */
	const struct cred *peer_cred; /* (l) counted */
	struct landlock *landlock; /* (c) of who made it; counted */
	int32_t peer_pid_nr;      /* (l) where there are no tasks */
	struct list queue;        /* (l) struct unix_msg */
	atomic_uint queued;       /* (a) messages in queue */
	size_t queued_bytes;      /* (l) not yet read */
	struct list embryos;      /* (l) struct unix_sock by embryo_node, counted */
	atomic_uint embryo_count; /* (a) */
	struct list embryo_node;  /* (l) of the listener */
	atomic_uint backlog;      /* (a) embryos, or datagrams, that may wait */
	struct wq room;           /* others wait here for that */
	atomic_int charged;       /* (a) of our messages that were not read yet */
	struct unix_addr *_Atomic addr; /* set once, then constant; owned */
	struct path path;         /* the name in the file system: bind(2) sets it, release drops it */
	struct hash_node name_node; /* (m) abstract names */
	struct list all_node;     /* (m) */

	struct list stalled;      /* (m) pollers that found our queue full, by stalled_node; counted */
	atomic_bool has_stalled;  /* (a) */
	struct list stalled_node; /* (m) */
	struct unix_sock *stalled_on; /* (m) borrowed: it drops its list before it goes */

	unsigned int inflight;    /* (g) times our file is in a queue or on its way there */
	struct list gc_node;      /* (g) all with inflight > 0 */
	long gc_count;            /* (g) during a collection */
	bool gc_candidate;        /* (g) */
	bool gc_live;             /* (g) */
	struct list gc_work;      /* (g) */
};

static inline struct unix_sock *unix_sk(struct socket *s)
{
	return container_of(s, struct unix_sock, s);
}

static inline unsigned int unix_load(const atomic_uint *v)
{
	return atomic_load_explicit(v, memory_order_acquire); /* pairs with unix_store() */
}

static inline void unix_store(atomic_uint *v, unsigned int value)
{
	atomic_store_explicit(v, value, memory_order_release); /* pairs with unix_load() */
}

static inline const struct unix_addr *unix_addr(const struct unix_sock *u)
{
	/* acquire: pairs with the release when the name is set */
	return atomic_load_explicit(&u->addr, memory_order_acquire);
}

static inline bool unix_connection_based(const struct unix_sock *u)
{
	return u->s.type != SOCK_DGRAM;
}

struct unix_sock *unix_get(struct unix_sock *u);
void unix_put(struct unix_sock *u); /* accepts NULL; may free files in its queue's messages */
/* The peer with a reference, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u);
/* Latches of two (may be the same), by address. */
void unix_latch_pair(struct unix_sock *a, struct unix_sock *b) NO_TSA;
void unix_unlatch_pair(struct unix_sock *a, struct unix_sock *b) NO_TSA;
/* Pending error (negative), which is then forgotten. */
int unix_take_error(struct unix_sock *u);

/* A new socket without a file, of u's kind and with name a (or none); NULL: no memory.  Its end: unix_abandon(). */
struct unix_sock *unix_new_peer(struct unix_sock *u, const struct sock_addr *a) must_check;
void unix_abandon(struct unix_sock *e); /* consumes e */

/* More wait to be accepted than may. */
bool unix_backlog_full(const struct unix_sock *l);
/*
 * Connect somebody who is no program of ours to listener l: *out is the client's end, its end
 * unix_abandon().  -EAGAIN: unix_backlog_full(); -ECONNREFUSED.
 */
int unix_connect_outside(struct unix_sock *l, struct unix_sock **out) must_check;

/* ---- the host's sockets (unix_host.c, unix_outside.c) ------------------------------------------------------------ */

/* Connect u to what the host listens at at a (a path), or send it m's data. */
int unix_host_connect(struct vfs_ctx *c, struct unix_sock *u, const struct sock_addr *a,
		      int64_t deadline_ns) must_check;
struct unix_msg;
int unix_host_send(struct vfs_ctx *c, struct unix_sock *u, const struct sock_addr *a,
		   const struct unix_msg *m) must_check;

/* e, connected, and descriptor fd become a relay's: what comes by one goes by the other.  On failure they stay the caller's. */
int unix_relay_start(struct unix_sock *e, int fd) must_check;
/*
 * u has a path, and listens or is a datagram socket: let the host's programs reach it if there is a socket of
 * the host's by that name.  Sleeps.
 */
void unix_outside_open(struct unix_sock *u);

/* ---- names ------------------------------------------------------------------------------------- */

int unix_name_init(void) must_check;
/* -EINVAL unless it is an AF_UNIX address with a name. */
int unix_check_addr(const struct sock_addr *a) must_check;
int unix_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a);
/* Give it an abstract name if it has none (SO_PASSCRED). */
int unix_autobind(struct vfs_ctx *c, struct unix_sock *u) must_check;
/* Who is bound there, of this type, with a reference. */
int unix_find(struct vfs_ctx *c, struct net_ns *net, const struct sock_addr *a, int type,
	      struct unix_sock **out) must_check;
/*
 * The host listens there: a new descriptor, connected (the caller's).  -ECONNREFUSED: nobody does, or it
 * is no socket of the host's.
 */
int unix_find_host(struct vfs_ctx *c, const struct sock_addr *a, int type, int *fd) must_check;
/* The socket is new, is gone. */
void unix_name_register(struct unix_sock *u);
void unix_name_forget(struct unix_sock *u);
/* An accepted socket carries the listener's name. */
int unix_name_inherit(struct unix_sock *child, struct unix_sock *listener) must_check;
void unix_copy_addr(const struct unix_sock *u, struct sock_addr *out);
/* All of a namespace, with references, in an array that the caller frees; or -ENOMEM.  No latch held. */
ssize_t unix_snapshot(struct net_ns *net, struct unix_sock ***out) must_check;
/* Of its file, 0: it has none.  No latch held but u's. */
uint64_t unix_inode(const struct unix_sock *u);
void unix_module_lock(void) NO_TSA;
void unix_module_unlock(void) NO_TSA;

/* ---- messages ---------------------------------------------------------------------------------- */

/* (c) once queued, but for taken: u->read_lock of the receiver */
struct unix_msg {
	struct list node;       /* (l) of the receiver */
	size_t size, taken;     /* payload, and how much a stream's reader has had of it */
	int charge;
	struct unix_sock *from; /* counted; charged */
	struct scm scm;
	char data[];
};

/*
 * Wait until u may send more: 0; or its error; -EPIPE (shut down), -EAGAIN, -ERESTARTSYS, -EINTR.
 */
int unix_wait_sndbuf(struct vfs_ctx *c, struct unix_sock *u, int64_t deadline_ns);
/* A message with size bytes of src, charged to u.  -ENOMEM, -EFAULT. */
int unix_msg_new(struct unix_sock *u, struct uio *src, size_t size, struct unix_msg **out) must_check;
/* Credit the sender, drop what it carries.  Not with latches held. */
void unix_msg_free(struct unix_msg *m);
/* At the end of to's queue; to->latch held. */
void unix_msg_queue_locked(struct unix_sock *to, struct unix_msg *m);
/* Out of u's queue; u->latch held. */
void unix_msg_unqueue_locked(struct unix_sock *u, struct unix_msg *m);
struct unix_msg *unix_first_msg(struct unix_sock *u);
/*
 * Move what the sender gave (scm) into the message: files become "in flight".  Credentials are added
 * when either side wants them.  -ETOOMANYREFS, -ENOMEM.
 */
int unix_msg_attach(struct vfs_ctx *c, struct unix_msg *m, struct scm *scm, struct unix_sock *to) must_check;
/* Give the files to a receiver (peek: other references to them) and copy the credentials. */
int unix_msg_detach(struct unix_msg *m, struct scm *out, bool peek) must_check;
bool unix_writable(const struct unix_sock *u);

/* ---- in flight --------------------------------------------------------------------------------- */

void unix_gc_init(void);
/* Count the sockets among f's files as in flight, or no longer.  -ETOOMANYREFS. */
int unix_inflight(struct vfs_ctx *c, struct scm_files *f) must_check;
void unix_not_inflight(struct scm_files *f);
/* A reader duplicates references out of a queue (MSG_PEEK): not during a collection. */
void unix_gc_barrier(void);
/* A socket was released: there may be garbage. */
void unix_gc_hint(void);
/* Drop files soon, on a service fiber: dropping here could nest without bound. */
void unix_defer_files(struct scm_files *f);

/* ---- the two kinds of data ----------------------------------------------------------------------- */

ssize_t unix_stream_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
ssize_t unix_stream_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
uint32_t unix_stream_poll(struct socket *s, struct poller *p);
int unix_dgram_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock);
ssize_t unix_dgram_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
ssize_t unix_dgram_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
ssize_t unix_seqpacket_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
ssize_t unix_seqpacket_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m);
uint32_t unix_dgram_poll(struct socket *s, struct poller *p);
/* Wake those who found u's datagram queue full. */
void unix_dgram_wake_stalled(struct unix_sock *u);
/* More datagrams waiting than may be (unix_recvq_full). */
bool unix_queue_full(const struct unix_sock *u);
