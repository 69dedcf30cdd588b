/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_host.c: AF_UNIX sockets that programs of the host listen at, below a bind (docker.sock, NOTIFY_SOCKET).
 *
 * The Gofer connects (gofer/sock.c says where it may) and gives the descriptor.  The program's socket gets a peer
 * here as any other; a fiber, the relay, carries bytes or messages between that peer and the descriptor:
 *
 *     program ── u ═ peer ═ e ── relay ── descriptor ── the host's program
 *
 * So buffers, polling, options and shutting down are those of unix*.c.  What does not cross: descriptors
 * (SCM_RIGHTS: dropped, they are nothing outside), credentials (the host sees the Gofer's), and answers to
 * datagrams, as our end has no name there.
 *
 * The relay owns e and the descriptor; it ends when the program's end is closed and all is delivered, or when the
 * host's is.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "sentry/socket/unix_impl.h"

#define RELAYS_MAX 512u
#define RETRY_MS   5
#define PIECE      32768u

struct relay {
	struct unix_sock *e;
	struct hostfd host;
	struct wq_entry entry;  /* at e->s.wq */
	struct unix_sock *u;    /* the program's; counted; NULL where it was accepted */
	struct wq_entry u_entry; /* at u->s.wq, for datagrams: it is closed without a word to e */
	struct waiter waiter;
	bool want_in, want_out; /* what the descriptor had no data, no room for */
	bool eof, fin;          /* the host's end of data was seen, ours was told */
	bool over;
	char piece[PIECE];
};

static atomic_uint relays;

static int relay_count(void)
{
	if (atomic_fetch_add_explicit(&relays, 1, memory_order_relaxed) < RELAYS_MAX)
		return 0;
	atomic_fetch_sub_explicit(&relays, 1, memory_order_relaxed);
	return -EAGAIN;
}

static void relay_uncount(void)
{
	atomic_fetch_sub_explicit(&relays, 1, memory_order_relaxed);
}

static void woken(struct wq_entry *w, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(w, struct relay, entry)->waiter);
}

static void u_woken(struct wq_entry *w, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(w, struct relay, u_entry)->waiter);
}

static void host_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	waiter_wake(&container_of(h, struct relay, host)->waiter);
}

/* ---- the relay ---------------------------------------------------------------------------------- */

/* The connection is broken: what Linux would say to the program. */
static void relay_fail(struct relay *r, int err)
{
	struct unix_sock *u = unix_peer_get(r->e);

	if (u && err != -EPIPE)
		atomic_store_explicit(&u->error, -err, memory_order_relaxed);
	unix_put(u);
	r->over = true;
}

static ssize_t send_piece(int fd, const char *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	return host_sendmsg(fd, &m, MSG_DONTWAIT);
}

/* The first message, or a part of it, to the host.  True: something moved. */
static bool up_one(struct relay *r, struct unix_msg *m)
{
	struct unix_sock *e = r->e;
	ssize_t n = send_piece(r->host.fd, m->data + m->taken, m->size - m->taken);

	if (n == -EAGAIN || n == -EINTR) {
		r->want_out = true;
		return false;
	}
	if (n < 0) {
		relay_fail(r, (int)n);
		return true;
	}
	latch_lock(&e->latch);
	m->taken += (size_t)n;
	e->queued_bytes -= (size_t)n;
	if (m->taken < m->size) {
		latch_unlock(&e->latch);
		return true;
	}
	unix_msg_unqueue_locked(e, m);
	latch_unlock(&e->latch);
	unix_msg_free(m);
	wq_wake_count(&e->room, 0, 1);
	unix_dgram_wake_stalled(e);
	return true;
}

static bool relay_up(struct relay *r)
{
	struct unix_msg *m = unix_first_msg(r->e);
	unsigned int shut;

	r->want_out = false;
	if (m)
		return up_one(r, m);
	shut = unix_load(&r->e->shut);
	if (!unix_connection_based(r->e)) {
		/* Closed, or connected to somebody else. */
		struct unix_sock *back = unix_peer_get(r->u);

		r->over = back != r->e;
		unix_put(back);
	} else if (shut == UNIX_SHUT_ALL) {
		r->over = true;
	} else if ((shut & UNIX_SHUT_RCV) && !r->fin) {
		(void)host_shutdown(r->host.fd, SHUT_WR);
		r->fin = true;
	}
	return false;
}

static void down_eof(struct relay *r)
{
	struct pollfd p = { .fd = r->host.fd };
	struct timespec now = { 0 };
	struct unix_sock *u;

	r->eof = true;
	if (host_ppoll(&p, 1, &now) > 0) {
		r->over = true; /* not its sending half alone */
		return;
	}
	u = unix_peer_get(r->e);
	if (!u)
		return;
	latch_lock(&u->latch);
	unix_store(&u->shut, unix_load(&u->shut) | UNIX_SHUT_RCV);
	latch_unlock(&u->latch);
	wq_wake(&u->s.wq, POLL_ALL);
	unix_put(u);
}

static int deliver(struct relay *r, size_t size)
{
	struct unix_sock *u = unix_peer_get(r->e);
	struct unix_msg *m = NULL;
	struct uio uio;
	bool gone;
	int err;

	if (!u)
		return -EPIPE;
	uio_init_kernel(&uio, r->piece, size);
	err = unix_msg_new(r->e, &uio, size, &m);
	if (err == 0) {
		latch_lock(&u->latch);
		gone = u->dead || (unix_load(&u->shut) & UNIX_SHUT_RCV);
		if (!gone)
			unix_msg_queue_locked(u, m);
		latch_unlock(&u->latch);
		if (gone)
			unix_msg_free(m);
		else
			wq_wake(&u->s.wq, POLLIN | POLLRDNORM);
	}
	unix_put(u);
	return err;
}

static bool relay_down(struct relay *r)
{
	struct iovec iov = { r->piece, PIECE };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int err;

	r->want_in = false;
	if (r->over || r->eof || !unix_connection_based(r->e) || !unix_writable(r->e))
		return false;
	n = host_recvmsg(r->host.fd, &m, MSG_DONTWAIT);
	if (n == -EAGAIN || n == -EINTR) {
		r->want_in = true;
		return false;
	}
	if (n == 0) {
		down_eof(r);
		return true;
	}
	err = n < 0 ? (int)n : deliver(r, (size_t)n);
	if (err < 0)
		relay_fail(r, err);
	return true;
}

static void relay_main(void *arg)
{
	struct relay *r = arg;

	while (!r->over) {
		bool moved;

		waiter_prepare(&r->waiter);
		moved = relay_up(r);
		moved = relay_down(r) || moved;
		if (moved || r->over) {
			waiter_cancel(&r->waiter);
			continue;
		}
		hostfd_watch(&r->host, (r->want_in ? (uint32_t)EPOLLIN : 0) |
				       (r->want_out ? (uint32_t)EPOLLOUT : 0));
		(void)waiter_sleep(&r->waiter, WAITER_UNINTERRUPTIBLE, INT64_MAX);
	}
	wq_remove(&r->entry);
	wq_remove(&r->u_entry);
	hostfd_fini(&r->host);
	host_close(r->host.fd);
	unix_abandon(r->e); /* consumes e */
	unix_put(r->u);
	mem_free(r);
	relay_uncount();
}

/* ---- connecting --------------------------------------------------------------------------------- */

/* A peer for u, which is e's from now on.  -EISCONN, -EINVAL. */
static int join(struct unix_sock *u, struct unix_sock *e, struct unix_sock **old) NO_TSA
{
	int err = 0;

	unix_latch_pair(u, e);
	if (unix_connection_based(u) && unix_load(&u->state) != UNIX_CLOSE)
		err = unix_load(&u->state) == UNIX_ESTABLISHED ? -EISCONN : -EINVAL;
	if (err == 0) {
		*old = u->peer;
		e->peer = unix_get(u);
		u->peer = unix_get(e);
		unix_store(&e->state, UNIX_ESTABLISHED);
		unix_store(&u->state, UNIX_ESTABLISHED);
	}
	unix_unlatch_pair(u, e);
	return err;
}

/* Not running yet.  e and fd stay the caller's until relay_run(). */
static struct relay *relay_new(struct unix_sock *e, int fd, int *err)
{
	struct relay *r = mem_alloc(sizeof(*r));
	struct fiber *f = r ? fiber_new(relay_main, r) : NULL;

	*err = f ? 0 : -ENOMEM;
	if (*err == 0) {
		memset(r, 0, offsetof(struct relay, piece));
		r->e = e;
		waiter_init(&r->waiter, f);
		*err = hostfd_init(&r->host, fd, host_ready);
	}
	if (*err == 0)
		return r;
	if (f)
		fiber_free(f);
	mem_free(r);
	return NULL;
}

static void relay_discard(struct relay *r)
{
	hostfd_fini(&r->host);
	fiber_free(r->waiter.fiber);
	mem_free(r);
}

/* u: the program's socket, if it is connected here. */
static void relay_run(struct relay *r, struct unix_sock *u)
{
	wq_entry_init(&r->entry, woken, 0);
	wq_add(&r->e->s.wq, &r->entry);
	wq_entry_init(&r->u_entry, u_woken, 0);
	if (u)
		r->u = unix_get(u);
	if (u && !unix_connection_based(u))
		wq_add(&u->s.wq, &r->u_entry);
	fiber_start(r->waiter.fiber);
}

int unix_relay_start(struct unix_sock *e, int fd)
{
	int err = relay_count();
	struct relay *r;

	if (err < 0)
		return err;
	r = relay_new(e, fd, &err);
	if (r)
		relay_run(r, NULL);
	else
		relay_uncount();
	return err;
}

/* The same for u, which is connected to e by it. */
static int relay_join(struct unix_sock *u, struct unix_sock *e, int fd, struct unix_sock **old)
{
	int err;
	struct relay *r = relay_new(e, fd, &err);

	if (!r)
		return err;
	err = join(u, e, old);
	if (err == 0)
		relay_run(r, u);
	else
		relay_discard(r);
	return err;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* The host's listener is behind (our end doesn't block): again in a moment, until the deadline. */
static int wait_a_moment(struct vfs_ctx *c, int64_t deadline_ns)
{
	int64_t then = clock_mono_ns() + RETRY_MS * (int64_t)NSEC_PER_MSEC;
	struct wq nobody;
	int err;

	if (deadline_ns <= then)
		return -EAGAIN;
	wq_init(&nobody);
	err = socket_wait(c, &nobody, 0, false, never, NULL, then);
	return err == -EAGAIN ? 0 : err;
}

static int find_patiently(struct vfs_ctx *c, const struct sock_addr *a, int type, int64_t deadline_ns,
			  int *fd)
{
	int err;

	while ((err = unix_find_host(c, a, type, fd)) == -EAGAIN) {
		err = wait_a_moment(c, deadline_ns);
		if (err < 0)
			break;
	}
	return err;
}

int unix_host_connect(struct vfs_ctx *c, struct unix_sock *u, const struct sock_addr *a,
		      int64_t deadline_ns)
{
	struct unix_sock *e, *old = NULL;
	int err, fd;

	err = find_patiently(c, a, u->s.type, deadline_ns, &fd);
	if (err < 0)
		return err;
	err = relay_count();
	if (err < 0) {
		host_close(fd);
		return err;
	}
	e = unix_new_peer(u, a);
	err = e ? relay_join(u, e, fd, &old) : -ENOMEM;
	if (err < 0) {
		relay_uncount();
		if (e)
			unix_abandon(e); /* consumes e */
		host_close(fd);
		return err;
	}
	unix_put(old);
	wq_wake(&u->s.wq, POLL_ALL);
	return 0;
}

int unix_host_send(struct vfs_ctx *c, struct unix_sock *u, const struct sock_addr *a,
		   const struct unix_msg *m)
{
	ssize_t n;
	int fd, err = unix_find_host(c, a, u->s.type, &fd);

	if (err < 0)
		return err;
	n = send_piece(fd, m->data, m->size);
	host_close(fd);
	return n < 0 ? (int)n : 0;
}
