/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_socket.c: sockets of the host behind AF_INET and AF_INET6 (--network=host).  See host_socket.h.
 *
 * The descriptor is non-blocking and stays in the Sentry; the kernel's answers are the application's, errno by errno.
 * What would block sleeps at s.wq until the host says that the descriptor is ready, and tries again.
 *
 * Readiness.  Who waits for something stands in line at s.wq and then asks the event worker for it once (host_want()).
 * An edge-triggered epoll needs each change, though, as Linux tells it: while one is in line the event worker is told of all
 * edges (host_arm()), until one finds nobody in line any more.  Both decide under the latch, after standing in line, so
 * nothing is lost.  Asking for edges brings one for what is true already, which the epoll has seen itself: that one is dropped,
 * unless something has happened since (host_news()).
 *
 * Errors.  The host tells one once.  One that ends a transfer of which a part is done is the next call's, or SO_ERROR's
 * (sk_err): it is kept here until then.
 *
 * What the host must not do is done here: SO_RCVTIMEO and SO_SNDTIMEO (never set on the host), SO_LINGER with a time (its close(2)
 * would sleep), MSG_WAITALL, SIGPIPE.  Binding to a port that needs a capability, which the Sentry has not, is the
 * monitor's work (net_ns_bind()), when the caller has it.
 *
 * Locks: latch is a leaf but for the event worker's.
 */
#include "sentry/socket/host_socket.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/latch.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/socket.h"
#include "vfs/file.h"
#include "vfs/poll.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

#define PROTOCOL_MAX  263 /* IPPROTO_MAX */
#define PIECE         (128u << 10)
#define DATAGRAM_MAX  65535u
#define IOV_WINDOW    16
#define CONTROL_ROOM  512
#define RETRY_NS      (10 * NSEC_PER_MSEC) /* ready, and yet refused: memory is short */
#define LINGER_NS     (2 * NSEC_PER_MSEC)
#define PEEK_NS       (5 * NSEC_PER_MSEC) /* between looks at how much there is */

#define HOST_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP)

#define SEND_FLAGS (MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_MORE | MSG_CONFIRM)
#define RECV_FLAGS (MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE)
#define OUT_FLAGS  (MSG_OOB | MSG_EOR | MSG_TRUNC | MSG_CTRUNC | MSG_ERRQUEUE)

/* What a socket's state was when edges were asked for. */
struct host_look {
	uint32_t mask;
	uint64_t received; /* bytes, TCP */
};

/* (c) constant, (l) latch */
struct host_sock {
	struct socket s;
	int fd;                /* (c) owned */
	struct hostfd watch;
	struct latch latch;
	uint32_t wanted;       /* (l) once, without edges */
	bool edges;            /* (l) all are told */
	bool first;            /* (l) none has come yet, and the first one may be none */
	struct host_look look; /* (l) with first */
	atomic_int error;      /* (a) positive: of the next call (host_keep_error()) */
};

static const struct socket_ops host_stream_ops, host_dgram_ops;

static struct host_sock *host_of(struct socket *s)
{
	return container_of(s, struct host_sock, s);
}

/* ---- readiness --------------------------------------------------------------------------------- */

static uint32_t host_ready(const struct host_sock *h, uint32_t events)
{
	struct pollfd p = { .fd = h->fd, .events = (short)events };
	const struct timespec now = { 0 };

	return host_ppoll(&p, 1, &now) > 0 ? (uint32_t)(unsigned short)p.revents : 0;
}

#define TCP_INFO_SIZE     136 /* struct tcp_info of Linux 4.19, of which libc's header has less … */
#define TCP_INFO_RECEIVED 128 /* … tcpi_bytes_received */

static struct host_look host_look(const struct host_sock *h)
{
	struct host_look l = { .mask = host_ready(h, HOST_EVENTS) };
	char info[TCP_INFO_SIZE];
	socklen_t size = sizeof(info);

	if (h->s.type == SOCK_STREAM && host_getsockopt(h->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 &&
	    size == sizeof(info) && info[0] != TCP_LISTEN)
		memcpy(&l.received, info + TCP_INFO_RECEIVED, sizeof(l.received));
	return l;
}

/* Has anything happened since?  Where that can't be told, it has: an edge too many does less harm than one too few. */
static bool host_news(const struct host_sock *h, const struct host_look *old, uint32_t events)
{
	struct host_look now;

	if (events & ~old->mask)
		return true;
	if (!(old->mask & POLLIN))
		return false;
	now = host_look(h);
	return old->received == 0 || now.received != old->received;
}

/* After standing in line at s.wq. */
static void host_arm(struct host_sock *h)
{
	struct host_look look = host_look(h);

	latch_lock(&h->latch);
	if (!h->edges) {
		h->edges = true;
		h->look = look;
		h->first = look.mask != 0;
		hostfd_watch(&h->watch, HOST_EVENTS | (uint32_t)EPOLLET);
	}
	latch_unlock(&h->latch);
}

/* Likewise.  POLLERR and POLLHUP come with it. */
static void host_want(struct host_sock *h, uint32_t events)
{
	events |= POLLERR; /* not nothing */
	latch_lock(&h->latch);
	if (!h->edges && (events & ~h->wanted)) {
		h->wanted |= events;
		hostfd_watch(&h->watch, h->wanted);
	}
	latch_unlock(&h->latch);
}

/* One that was asked for, of which the others stay asked for. */
static void host_once_locked(struct host_sock *h, uint32_t events) REQUIRES(h->latch)
{
	h->wanted = events & (POLLERR | POLLHUP) || !wq_active(&h->s.wq) ? 0 : h->wanted & ~events;
	if (h->wanted)
		hostfd_watch(&h->watch, h->wanted);
}

static void host_event(struct hostfd *w, uint32_t events)
{
	struct host_sock *h = container_of(w, struct host_sock, watch);
	struct host_look look;
	bool first;

	latch_lock(&h->latch);
	first = h->first;
	look = h->look;
	h->first = false;
	if (!h->edges) {
		host_once_locked(h, events);
	} else if (!wq_active(&h->s.wq)) {
		h->edges = false;
		h->wanted = 0;
		hostfd_watch(w, 0);
	}
	latch_unlock(&h->latch);
	if (!first || host_news(h, &look, events))
		wq_wake(&h->s.wq, events);
}

static uint32_t host_sock_poll(struct socket *s, struct poller *p)
{
	struct host_sock *h = host_of(s);
	uint32_t now;

	poller_add(p, &s->wq);
	if (p && (p->events & POLLER_EDGES))
		host_arm(h);
	now = host_ready(h, HOST_EVENTS);
	if (atomic_load_explicit(&h->error, memory_order_relaxed))
		now |= POLLERR;
	if ((p || wq_active(&s->wq)) && !(now & (POLLERR | POLLHUP)))
		host_want(h, (p ? p->events & HOST_EVENTS : HOST_EVENTS) & ~now);
	return now;
}

struct host_wait {
	struct host_sock *h;
	uint32_t events;
};

static bool host_wait_ready(void *arg)
{
	const struct host_wait *w = arg;

	host_want(w->h, w->events);
	return host_ready(w->h, w->events) != 0;
}

static bool host_never(void *arg)
{
	(void)arg;
	return false;
}

/*
 * After -EAGAIN: until one of the events.  *seen counts how often there was one without the next try
 * succeeding: then what lacks is nothing that wakes us, and time must pass.
 */
static int host_wait(struct vfs_ctx *c, struct socket *s, uint32_t events, int64_t deadline_ns, unsigned int *seen)
{
	struct host_wait w = { host_of(s), events };
	int64_t now, soon;
	int err;

	if (deadline_ns == 0)
		return -EAGAIN;
	if (++*seen > 2 && host_ready(w.h, events)) {
		now = clock_mono_ns();
		if (now >= deadline_ns)
			return -EAGAIN;
		soon = MIN(now + RETRY_NS, deadline_ns);
		err = socket_wait(c, &s->wq, events, false, host_never, NULL, soon);
		return err == -EAGAIN ? 0 : err;
	}
	return socket_wait(c, &s->wq, 0, false, host_wait_ready, &w, deadline_ns);
}

/* ---- life -------------------------------------------------------------------------------------- */

/* inet_create(): 0 is the type's own; what the host is not asked for is not there. */
static int host_protocol(int family, int type, int protocol)
{
	int ping = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol < 0 || protocol >= PROTOCOL_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		return protocol == 0 || protocol == IPPROTO_TCP ? IPPROTO_TCP : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		if (protocol == ping)
			return ping;
		return protocol == 0 || protocol == IPPROTO_UDP ? IPPROTO_UDP : -EPROTONOSUPPORT;
	case SOCK_RAW:
		return protocol == 0 ? -EPROTONOSUPPORT : -EPERM; /* the host's are not given away */
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static int host_sock_init(struct host_sock *h, int fd)
{
	h->fd = fd;
	latch_init(&h->latch);
	return hostfd_init(&h->watch, fd, host_event);
}

int host_socket_create(struct vfs_ctx *c, struct net_ns *net, int family, int type, int protocol,
		       struct socket **out)
{
	struct host_sock *h;
	int fd, err;

	protocol = host_protocol(family, type, protocol);
	if (protocol < 0)
		return protocol;
	h = mem_new(struct host_sock);
	if (!h)
		return -ENOMEM;
	err = fd = host_socket(family, type | SOCK_NONBLOCK, protocol);
	if (err >= 0)
		err = host_sock_init(h, fd);
	if (err < 0) {
		if (fd >= 0)
			host_close(fd);
		mem_free(h);
		return err;
	}
	socket_init(&h->s, type == SOCK_STREAM ? &host_stream_ops : &host_dgram_ops, family, type, protocol, c, net);
	host_option_buffers(fd, &h->s);
	*out = &h->s;
	return 0;
}

static void host_sock_release(struct socket *s)
{
	struct host_sock *h = host_of(s);

	hostfd_fini(&h->watch);
	host_close(h->fd);
	socket_fini(s);
	mem_free(h);
}

/* /proc/net/tcp, which is the host's, and /proc/PID/fd show the same number. */
static uint64_t host_sock_inode_number(const struct socket *s)
{
	struct stat st;

	return host_fstat(container_of(s, const struct host_sock, s)->fd, &st) == 0 ? st.st_ino : 0;
}

static bool host_drained(const struct host_sock *h)
{
	int left = 0;

	return host_ioctl(h->fd, SIOCOUTQ, &left) < 0 || left == 0;
}

static void host_sock_linger(struct vfs_ctx *c, struct socket *s, int64_t timeout_ns)
{
	int64_t end = clock_mono_ns() + timeout_ns, now;
	struct host_sock *h = host_of(s);
	int err = host_shutdown(h->fd, SHUT_WR) < 0 ? -ENOTCONN : -EAGAIN;

	while (err == -EAGAIN && !host_drained(h) && (now = clock_mono_ns()) < end)
		err = socket_wait(c, &s->wq, 0, false, host_never, NULL, MIN(now + LINGER_NS, end));
}

/* ---- connections ------------------------------------------------------------------------------- */

static uint16_t host_port(const struct sock_addr *a)
{
	/* sin6_port is in the same place. */
	return a->size >= sizeof(struct sockaddr_in) ? ntohs(((const struct sockaddr_in *)&a->storage)->sin_port) : 0;
}

static int host_sock_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	int err = host_bind(host_of(s)->fd, &a->storage, a->size);

	if (err != -EACCES || host_port(a) == 0 || !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_BIND_SERVICE))
		return err;
	return net_ns_bind(s->net, host_of(s)->fd, &a->storage, a->size);
}

/* A second connect(2) of the same socket asks how it went, and takes the answer (inet_stream_connect()). */
static int host_sock_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock)
{
	int64_t deadline_ns = socket_snd_deadline(s, nonblock);
	struct host_sock *h = host_of(s);
	unsigned int seen = 0;
	int err, begun;

	begun = err = host_connect(h->fd, &a->storage, a->size);
	while (s->type == SOCK_STREAM && (err == -EINPROGRESS || err == -EALREADY)) {
		err = host_wait(c, s, POLLOUT, deadline_ns, &seen);
		if (err == -EAGAIN)
			return begun;
		if (err < 0)
			return err;
		err = host_connect(h->fd, &a->storage, a->size);
	}
	return err;
}

static int host_sock_listen(struct vfs_ctx *c, struct socket *s, int backlog)
{
	(void)c;
	return host_listen(host_of(s)->fd, backlog);
}

static int host_accept_wait(struct vfs_ctx *c, struct socket *s, int64_t deadline_ns, struct sock_addr *peer)
{
	unsigned int seen = 0;
	socklen_t size;
	int fd, err;

	for (;;) {
		size = sizeof(peer->storage);
		fd = host_accept4(host_of(s)->fd, &peer->storage, &size, SOCK_NONBLOCK);
		peer->size = MIN(size, (socklen_t)sizeof(peer->storage));
		if (fd != -EAGAIN)
			return fd;
		err = host_wait(c, s, POLLIN, deadline_ns, &seen);
		if (err < 0)
			return err;
	}
}

static int host_sock_accept(struct vfs_ctx *c, struct socket *s, bool nonblock, struct socket **out,
			    struct sock_addr *peer)
{
	struct host_sock *child = mem_new(struct host_sock);
	struct sock_addr from = { .size = 0 };
	int fd, err = -ENOMEM;

	if (!child)
		return err;
	err = fd = host_accept_wait(c, s, socket_rcv_deadline(s, nonblock), &from);
	if (err >= 0)
		err = host_sock_init(child, fd);
	if (err < 0) {
		if (fd >= 0)
			host_close(fd);
		mem_free(child);
		return err;
	}
	socket_init_child(&child->s, s);
	host_option_buffers(fd, &child->s);
	if (peer)
		*peer = from;
	*out = &child->s;
	return 0;
}

static int host_sock_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer)
{
	socklen_t size = sizeof(out->storage);
	int err = peer ? host_getpeername(host_of(s)->fd, &out->storage, &size) :
			 host_getsockname(host_of(s)->fd, &out->storage, &size);

	(void)c;
	if (err == 0)
		out->size = MIN(size, (socklen_t)sizeof(out->storage));
	return err;
}

static int host_sock_shutdown(struct vfs_ctx *c, struct socket *s, int how)
{
	(void)c;
	return host_shutdown(host_of(s)->fd, how);
}

/* ---- errors ------------------------------------------------------------------------------------ */

/* A transfer ends by err after done bytes: what it returns. */
static ssize_t host_keep_error(struct host_sock *h, ssize_t done, ssize_t err)
{
	if (done == 0)
		return err;
	if (socket_keeps_error(err))
		atomic_store_explicit(&h->error, (int)-err, memory_order_relaxed);
	return done;
}

/* The error that was kept, negative, once; 0: none. */
static int host_kept_error(struct host_sock *h)
{
	if (atomic_load_explicit(&h->error, memory_order_relaxed) == 0)
		return 0;
	return -atomic_exchange_explicit(&h->error, 0, memory_order_relaxed);
}

/* ---- sending ----------------------------------------------------------------------------------- */

struct host_send {
	struct host_sock *h;
	struct msghdr m;
	int flags;
	struct iovec iov[IOV_WINDOW];
	char *bounce;
	size_t bounce_size;
};

/* The next bytes of u in x->iov: where they lie, or a copy.  Their count. */
static ssize_t host_send_fill(struct host_send *x, const struct uio *u)
{
	bool stream = x->h->s.type == SOCK_STREAM;
	size_t left = uio_left(u), size = 0;
	int n = uio_host_iovec(u, x->iov, IOV_WINDOW, false);
	ssize_t got;

	for (int i = 0; i < n; i++)
		size += x->iov[i].iov_len;
	x->m.msg_iov = x->iov;
	x->m.msg_iovlen = (size_t)MAX(n, 0);
	if (size == left || (stream && size > 0))
		return (ssize_t)size;
	size = stream ? MIN(left, (size_t)PIECE) : left;
	if (size > x->bounce_size) {
		mem_free(x->bounce);
		x->bounce = mem_alloc(size);
		x->bounce_size = x->bounce ? size : 0;
	}
	if (!x->bounce)
		return -ENOBUFS;
	got = uio_peek(u, x->bounce, size);
	if (got < 0 || (!stream && (size_t)got < size))
		return -EFAULT;
	x->iov[0] = (struct iovec){ x->bounce, (size_t)got };
	x->m.msg_iovlen = 1;
	return got;
}

static ssize_t host_send_all(struct vfs_ctx *c, struct host_send *x, struct uio *u, int64_t deadline_ns)
{
	unsigned int seen = 0;
	ssize_t n, done = 0;

	do {
		n = host_send_fill(x, u);
		if (n >= 0)
			n = host_sendmsg(x->h->fd, &x->m, x->flags);
		if (n == -EAGAIN)
			n = host_wait(c, &x->h->s, POLLOUT, deadline_ns, &seen);
		else if (n >= 0) {
			uio_advance(u, (size_t)n);
			done += n;
			seen = 0;
			if (x->h->s.type != SOCK_STREAM)
				return done;
			n = uio_left(u) == 0;
		}
	} while (n == 0);
	return n == 1 ? done : host_keep_error(x->h, done, n);
}

static ssize_t host_sock_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_snd_deadline(s, m->flags & MSG_DONTWAIT);
	struct host_send x = { .h = host_of(s), .flags = (int)(m->flags & SEND_FLAGS) | MSG_DONTWAIT };
	void *control = NULL;
	ssize_t n;

	if (m->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	if (s->type != SOCK_STREAM && uio_left(m->data) > DATAGRAM_MAX)
		return -EMSGSIZE;
	n = host_kept_error(x.h);
	if (n == 0)
		n = host_control_build(s, m, &control);
	if (n < 0)
		return n;
	x.m.msg_control = control;
	x.m.msg_controllen = (size_t)n;
	if (m->addr.size) {
		x.m.msg_name = &m->addr.storage;
		x.m.msg_namelen = m->addr.size;
	}
	n = host_send_all(c, &x, m->data, deadline_ns);
	mem_free(control);
	mem_free(x.bounce);
	return n;
}

/* ---- receiving --------------------------------------------------------------------------------- */

static void host_put_control(struct sock_msg *m, const char *control, size_t size)
{
	struct cmsghdr h;

	for (size_t at = 0; at + sizeof(h) <= size; at += CMSG_ALIGN(h.cmsg_len)) {
		memcpy(&h, control + at, sizeof(h));
		if (h.cmsg_len < CMSG_LEN(0) || h.cmsg_len > size - at)
			return;
		if (h.cmsg_level != SOL_SOCKET || h.cmsg_type != SCM_RIGHTS)
			sock_msg_put_control(m, h.cmsg_level, h.cmsg_type, control + at + CMSG_LEN(0),
					     h.cmsg_len - CMSG_LEN(0));
	}
}

/* n bytes (or, cut off, more) have come to where host_recv_once() wanted them. */
static ssize_t host_recv_deliver(struct host_sock *h, struct sock_msg *m, const char *bounce, size_t room, ssize_t n)
{
	size_t have = MIN((size_t)n, room);

	if (h->s.type == SOCK_STREAM && (m->flags & MSG_TRUNC)) {
		uio_advance(m->data, have); /* thrown away, not copied */
		return n;
	}
	if (bounce && have > 0 && uio_put(m->data, bounce, have) < (ssize_t)have)
		return -EFAULT;
	if (!bounce)
		uio_filled(m->data, have);
	return n;
}

static ssize_t host_recv_once(struct host_sock *h, struct sock_msg *m)
{
	bool stream = h->s.type == SOCK_STREAM;
	_Alignas(8) char control[CONTROL_ROOM];
	struct iovec iov[IOV_WINDOW];
	struct msghdr x = { .msg_name = &m->addr.storage, .msg_namelen = sizeof(m->addr.storage), .msg_iov = iov };
	size_t left = uio_left(m->data), room = 0;
	char *bounce = NULL;
	ssize_t n;
	int pieces = uio_host_iovec(m->data, iov, IOV_WINDOW, true);

	for (int i = 0; i < pieces; i++)
		room += iov[i].iov_len;
	x.msg_iovlen = (size_t)MAX(pieces, 0);
	if (room < left && (room == 0 || !stream)) {
		room = MIN(left, stream ? (size_t)PIECE : (size_t)DATAGRAM_MAX + 1);
		bounce = mem_alloc(room);
		if (!bounce)
			return -ENOMEM;
		iov[0] = (struct iovec){ bounce, room };
		x.msg_iovlen = 1;
	}
	if (m->cmsg.data) {
		x.msg_control = control;
		x.msg_controllen = sizeof(control);
	}
	n = host_recvmsg(h->fd, &x, (int)(m->flags & RECV_FLAGS) | MSG_DONTWAIT);
	if (n >= 0) {
		m->out_flags |= (unsigned int)x.msg_flags & OUT_FLAGS & (m->cmsg.data ? ~0u : ~(unsigned int)MSG_CTRUNC);
		m->addr.size = MIN(x.msg_namelen, (socklen_t)sizeof(m->addr.storage));
		host_put_control(m, control, x.msg_controllen);
		n = host_recv_deliver(h, m, bounce, room, n);
	}
	mem_free(bounce);
	return n;
}

/* How much a stream's reader waits for (sock_rcvlowat()). */
static size_t host_target(const struct socket *s, const struct sock_msg *m)
{
	size_t wanted = uio_left(m->data);

	if (s->type != SOCK_STREAM || (m->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 1;
	if (m->flags & MSG_WAITALL)
		return wanted;
	return MIN(wanted, (size_t)atomic_load_explicit(&s->rcvlowat, memory_order_relaxed));
}

static bool host_at_mark(const struct host_sock *h)
{
	int at = 0;

	return host_ioctl(h->fd, SIOCATMARK, &at) == 0 && at;
}

/*
 * MSG_PEEK with MSG_WAITALL: until so much is there, or no more comes.  There is always something to read meanwhile, so
 * readiness says nothing.  An interruption only ends the waiting: what is there is peeked at.
 */
static void host_wait_amount(struct vfs_ctx *c, struct socket *s, size_t wanted, int64_t deadline_ns)
{
	struct host_sock *h = host_of(s);
	int have = 0, err = -EAGAIN;
	int64_t now;

	while (err == -EAGAIN && (now = clock_mono_ns()) < deadline_ns && host_ready(h, POLLIN) == POLLIN &&
	       host_ioctl(h->fd, SIOCINQ, &have) == 0 && (size_t)have < wanted && !host_ready(h, POLLRDHUP | POLLPRI))
		err = socket_wait(c, &s->wq, 0, false, host_never, NULL, MIN(now + PEEK_NS, deadline_ns));
}

static ssize_t host_sock_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_rcv_deadline(s, m->flags & (MSG_DONTWAIT | MSG_ERRQUEUE));
	size_t wanted = uio_left(m->data), target = host_target(s, m);
	struct host_sock *h = host_of(s);
	unsigned int seen = 0;
	ssize_t n, done = 0;

	for (;;) {
		m->addr.size = 0;
		if (s->type == SOCK_STREAM && (m->flags & (MSG_PEEK | MSG_WAITALL | MSG_OOB)) == (MSG_PEEK | MSG_WAITALL))
			host_wait_amount(c, s, wanted, deadline_ns);
		n = host_recv_once(h, m);
		if (n > 0) {
			done += n;
			/* Reading stops at an urgent byte, and the next one steps over it. */
			if (s->type != SOCK_STREAM || (size_t)done >= target || uio_left(m->data) == 0 || host_at_mark(h))
				return done;
			seen = 0;
			continue;
		}
		if (done == 0 && wanted > 0 && !(m->flags & (MSG_OOB | MSG_ERRQUEUE)) && (n == 0 || n == -EAGAIN)) {
			int err = host_kept_error(h);

			if (err < 0)
				return err;
		}
		if (n == -EAGAIN && !(m->flags & MSG_OOB)) /* urgent data is never waited for */
			n = host_wait(c, s, POLLIN, deadline_ns, &seen);
		else if (n == 0)
			return done; /* the end, or nothing was asked for */
		if (n < 0)
			return host_keep_error(h, done, n);
	}
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static long host_sock_ioctl(struct vfs_ctx *c, struct socket *s, unsigned int cmd, uint64_t arg)
{
	int value = 0;
	long err;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCATMARK:
	case SIOCOUTQNSD:
		err = host_ioctl(host_of(s)->fd, cmd, &value);
		return err < 0 ? err : vfs_copy_out(c, arg, &value, sizeof(value));
	default:
		return -ENOTTY;
	}
}

static int host_sock_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value, size_t size)
{
	(void)c;
	return host_option_set(host_of(s)->fd, s, level, name, value, size);
}

static int host_sock_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value, size_t *size)
{
	(void)c;
	return host_option_get(host_of(s)->fd, s, level, name, value, size);
}

static void host_sock_option_changed(struct socket *s, int name)
{
	host_option_changed(host_of(s)->fd, s, name);
}

static int host_int_option(struct socket *s, int name)
{
	socklen_t size = sizeof(int);
	int v = 0;

	return host_getsockopt(host_of(s)->fd, SOL_SOCKET, name, &v, &size) < 0 ? 0 : v;
}

static int host_sock_take_error(struct socket *s)
{
	int kept = -host_kept_error(host_of(s));

	return kept ? kept : host_int_option(s, SO_ERROR);
}

static bool host_sock_listening(struct socket *s) { return host_int_option(s, SO_ACCEPTCONN); }

#define HOST_OPS                                   \
	.release = host_sock_release,              \
	.bind = host_sock_bind,                    \
	.connect = host_sock_connect,              \
	.getname = host_sock_getname,              \
	.shutdown = host_sock_shutdown,            \
	.send = host_sock_send,                    \
	.recv = host_sock_recv,                    \
	.poll = host_sock_poll,                    \
	.ioctl = host_sock_ioctl,                  \
	.setsockopt = host_sock_setsockopt,        \
	.getsockopt = host_sock_getsockopt,        \
	.option_changed = host_sock_option_changed, \
	.option_refused = host_option_refused,     \
	.take_error = host_sock_take_error,        \
	.inode_number = host_sock_inode_number

static const struct socket_ops host_stream_ops = {
	HOST_OPS,
	.listen = host_sock_listen,
	.accept = host_sock_accept,
	.linger = host_sock_linger,
	.listening = host_sock_listening,
};

static const struct socket_ops host_dgram_ops = { HOST_OPS };
