/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_outside.c: programs of the host reach AF_UNIX sockets that programs inside listen at, below a bind.
 *
 * Where the container may (runsc-c's --host-uds), the Gofer makes a socket of the host's when a program binds one in
 * a bind mount, and gives it away, listening, when the program listens (gofer/sock.c; before, the host's programs are refused).
 * A fiber accepts there and connects each who comes to the program's own socket; a relay carries the data (unix_host.c):
 *
 *     the host's program ── descriptor ── relay ── client ═ embryo ── accept(2) ── program
 *
 * So to the program it is a connection as any other.  What does not cross: descriptors, and credentials: SO_PEERCRED says
 * pid 0 and ids -1, as for somebody unknown.  At a datagram socket the fiber takes the messages itself; they come from a socket
 * without a name.  Containers that share a volume reach each other the same way, by way of the host.
 *
 * The fiber holds a reference to the socket, and ends when that is closed.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "sentry/socket/unix_impl.h"
#include "vfs/gofer/gofer_fs.h"

#define OUTSIDES_MAX 256u
#define PIECE        (256u * 1024) /* more than a datagram has with the host's default buffers */
#define RETRY_NS     (100 * NSEC_PER_MSEC)

struct outside {
	struct unix_sock *u;       /* counted */
	struct hostfd host;
	struct wq_entry entry, room; /* at u's s.wq and room */
	struct waiter waiter;
	int waiting;               /* -1, or accepted and not connected yet: the backlog is full */
	struct unix_sock *from;    /* datagrams': who sends them; counted */
	char piece[];              /* PIECE, for datagrams */
};

static atomic_uint outsides;
static atomic_bool outsides_told; /* that there are too many, once */

static void outside_woken(struct wq_entry *w, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(w, struct outside, entry)->waiter);
}

static void outside_has_room(struct wq_entry *w, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(w, struct outside, room)->waiter);
}

static void outside_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(h, struct outside, host)->waiter);
}

/* ---- what comes ---------------------------------------------------------------------------------- */

/* 0: go on; -EAGAIN: nobody is there; -ENOBUFS: until there is room; others: in a while. */
static int outside_accept(struct outside *o)
{
	struct unix_sock *client;
	int err;

	if (unix_backlog_full(o->u))
		return -ENOBUFS;
	if (o->waiting < 0)
		o->waiting = host_accept4(o->host.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (o->waiting < 0)
		return o->waiting == -EINTR || o->waiting == -ECONNABORTED ? 0 : o->waiting;
	err = unix_connect_outside(o->u, &client);
	if (err == -EAGAIN)
		return -ENOBUFS;
	if (err == 0) {
		err = unix_relay_start(client, o->waiting);
		if (err < 0)
			unix_abandon(client); /* consumes client */
	}
	if (err < 0)
		host_close(o->waiting);
	o->waiting = -1;
	return 0;
}

/* As outside_accept(). */
static int outside_take(struct outside *o)
{
	struct iovec iov = { o->piece, PIECE };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct unix_msg *m;
	struct uio uio;
	ssize_t n;
	bool wanted;
	int err;

	if (unix_queue_full(o->u))
		return -ENOBUFS;
	n = host_recvmsg(o->host.fd, &h, MSG_DONTWAIT);
	if (n < 0)
		return n == -EINTR ? 0 : (int)n;
	if (h.msg_flags & MSG_TRUNC)
		return 0;
	uio_init_kernel(&uio, o->piece, (size_t)n);
	err = unix_msg_new(o->from, &uio, (size_t)n, &m);
	if (err < 0)
		return err;
	latch_lock(&o->u->latch);
	/* One that is connected hears nobody else. */
	wanted = !o->u->dead && !o->u->peer && !(unix_load(&o->u->shut) & UNIX_SHUT_RCV);
	if (wanted)
		unix_msg_queue_locked(o->u, m);
	latch_unlock(&o->u->latch);
	if (wanted)
		wq_wake_count(&o->u->s.wq, POLLIN | POLLRDNORM, 1);
	else
		unix_msg_free(m);
	return 0;
}

/* ---- the fiber ----------------------------------------------------------------------------------- */

static bool outside_is_over(struct outside *o)
{
	bool dead;

	latch_lock(&o->u->latch);
	dead = o->u->dead;
	latch_unlock(&o->u->latch);
	return dead;
}

static void outside_free(struct outside *o)
{
	if (o->from)
		unix_abandon(o->from); /* consumes from */
	unix_put(o->u);
	mem_free(o);
	atomic_fetch_sub_explicit(&outsides, 1, memory_order_relaxed);
}

static void outside_main(void *arg)
{
	struct outside *o = arg;

	for (;;) {
		int64_t until = INT64_MAX;
		int err;

		waiter_prepare(&o->waiter);
		if (outside_is_over(o)) {
			waiter_cancel(&o->waiter);
			break;
		}
		err = o->from ? outside_take(o) : outside_accept(o);
		if (err == 0) {
			waiter_cancel(&o->waiter);
			continue;
		}
		if (err == -EAGAIN)
			hostfd_watch(&o->host, EPOLLIN);
		else if (err != -ENOBUFS)
			until = clock_mono_ns() + RETRY_NS;
		(void)waiter_sleep(&o->waiter, WAITER_UNINTERRUPTIBLE, until);
	}
	wq_remove(&o->entry);
	wq_remove(&o->room);
	hostfd_fini(&o->host);
	host_close(o->host.fd);
	host_close_fd(&o->waiting);
	outside_free(o);
}

/* NULL: no memory, or too many. */
static struct outside *outside_new(struct unix_sock *u)
{
	bool messages = !unix_connection_based(u);
	struct outside *o = NULL;

	if (atomic_fetch_add_explicit(&outsides, 1, memory_order_relaxed) < OUTSIDES_MAX)
		o = mem_alloc(sizeof(*o) + (messages ? PIECE : 0));
	else if (!atomic_exchange_explicit(&outsides_told, true, memory_order_relaxed))
		log_warn("unix: %u sockets in bind mounts are offered to the host's programs, and no more: \"%.108s\" is refused to them",
			 OUTSIDES_MAX, unix_addr(u) ? unix_addr(u)->un.sun_path : "");
	if (!o) {
		atomic_fetch_sub_explicit(&outsides, 1, memory_order_relaxed);
		return NULL;
	}
	memset(o, 0, sizeof(*o));
	o->u = unix_get(u);
	o->waiting = -1;
	if (messages) {
		o->from = unix_new_peer(u, NULL);
		if (!o->from) {
			outside_free(o);
			return NULL;
		}
	}
	return o;
}

static int outside_start(struct outside *o, int fd)
{
	struct fiber *f = fiber_new(outside_main, o);
	int err;

	if (!f)
		return -ENOMEM;
	waiter_init(&o->waiter, f);
	err = hostfd_init(&o->host, fd, outside_ready);
	if (err < 0) {
		fiber_free(f);
		return err;
	}
	wq_entry_init(&o->entry, outside_woken, 0);
	wq_entry_init(&o->room, outside_has_room, 0);
	wq_add(&o->u->s.wq, &o->entry);
	wq_add(&o->u->room, &o->room);
	fiber_start(f);
	return 0;
}

void unix_outside_open(struct unix_sock *u)
{
	struct outside *o;
	int fd;

	if (!u->path.dentry)
		return;
	fd = gofer_fs_listen(dentry_inode(u->path.dentry));
	if (fd < 0)
		return;
	o = outside_new(u);
	if (o && outside_start(o, fd) == 0)
		return;
	if (o)
		outside_free(o);
	host_close(fd);
}
