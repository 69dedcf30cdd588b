/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_dgram.c: the data of AF_UNIX datagram and sequenced-packet sockets (net/unix/af_unix.c:
 * unix_dgram_sendmsg, unix_dgram_recvmsg, unix_dgram_poll).
 *
 * One send is one message.  A receiver that is not connected back to the sender takes only so many
 * (UNIX_DGRAM_BACKLOG); further senders sleep at to->room, or, if they poll, are listed as stalled
 * at the receiver, which wakes them when it reads.  Between listing itself and looking again the
 * sender orders its store and load sequentially with the receiver's, so one of them sees the other.
 */
#include <errno.h>

#include "sentry/socket/unix_impl.h"

#define MSG_HEADROOM 32

bool unix_queue_full(const struct unix_sock *u)
{
	return atomic_load_explicit(&u->queued, memory_order_seq_cst) > unix_load(&u->backlog);
}

/* ---- who finds the queue full ------------------------------------------------------------------ */

static void unix_stall(struct unix_sock *u, struct unix_sock *on)
{
	unix_module_lock();
	if (u->stalled_on && u->stalled_on != on) {
		list_remove(&u->stalled_node);
		u->stalled_on = NULL;
	} else if (!u->stalled_on) {
		unix_get(u);
	}
	if (!u->stalled_on) {
		u->stalled_on = on;
		list_append(&on->stalled, &u->stalled_node);
		atomic_store_explicit(&on->has_stalled, true, memory_order_seq_cst);
	}
	unix_module_unlock();
}

void unix_dgram_wake_stalled(struct unix_sock *u)
{
	if (!atomic_load_explicit(&u->has_stalled, memory_order_seq_cst))
		return;
	/* One at a time: who was woken may stall again, on this list or another, at once. */
	while (!unix_queue_full(u)) {
		struct unix_sock *other = NULL;
		struct list *n;

		unix_module_lock();
		n = list_shift(&u->stalled);
		if (n) {
			other = list_entry(n, struct unix_sock, stalled_node);
			other->stalled_on = NULL;
		} else {
			atomic_store_explicit(&u->has_stalled, false, memory_order_seq_cst);
		}
		unix_module_unlock();
		if (!other)
			return;
		wq_wake(&other->s.wq, POLL_WRITABLE);
		unix_put(other);
	}
}

/* ---- sending ----------------------------------------------------------------------------------- */

/* The peer refuses to be written to by anybody but its own peer. */
static bool unix_may_send(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *back = unix_peer_get(to);
	bool may = !back || back == u;

	unix_put(back);
	return may;
}

static bool unix_limits(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *back;
	bool limits;

	if (to == u)
		return false;
	back = unix_peer_get(to);
	limits = back != u;
	unix_put(back);
	return limits;
}

static bool unix_has_room(void *arg)
{
	struct unix_sock *to = arg;

	return !unix_queue_full(to) || (unix_load(&to->shut) & UNIX_SHUT_RCV);
}

/* The connected peer has gone: forget it. */
static void unix_dgram_disconnect(struct unix_sock *u, struct unix_sock *from)
{
	bool was;

	latch_lock(&u->latch);
	was = u->peer == from;
	if (was) {
		u->peer = NULL;
		unix_store(&u->state, UNIX_CLOSE);
	}
	latch_unlock(&u->latch);
	if (was)
		unix_put(from);
}

/*
 * Put msg into to's queue, waiting for room there.  0: done.  -ECONNREFUSED: to is dead.  msg
 * stays the caller's on failure.
 */
static int unix_dgram_deliver(struct vfs_ctx *c, struct unix_sock *u, struct unix_sock *to,
			      struct unix_msg *msg, int64_t deadline_ns)
{
	for (;;) {
		bool limits = unix_limits(u, to);
		int err = 0;

		if (!unix_may_send(u, to))
			return -EPERM;
		latch_lock(&to->latch);
		if (to->dead)
			err = -ECONNREFUSED;
		else if (unix_load(&to->shut) & UNIX_SHUT_RCV)
			err = -EPIPE;
		else if (limits && unix_queue_full(to))
			err = -EAGAIN;
		else
			unix_msg_queue_locked(to, msg);
		latch_unlock(&to->latch);
		if (err != -EAGAIN)
			return err;
		err = socket_wait(c, &to->room, 0, true, unix_has_room, to, deadline_ns);
		if (err < 0)
			return err;
	}
}

/* Whom to send to, with a reference: the peer that was there when the call began, or a name. */
static int unix_dgram_target(struct vfs_ctx *c, struct unix_sock *u, struct sock_msg *m,
			     struct unix_sock **to)
{
	return *to ? 0 : unix_find(c, u->s.net, &m->addr, u->s.type, to);
}

/* All that can fail before somebody is looked up; Linux' order. */
static int unix_dgram_prepare(struct vfs_ctx *c, struct unix_sock *u, struct sock_msg *m,
			      int64_t deadline_ns, struct unix_msg **msg)
{
	size_t size = uio_left(m->data);
	int err;

	if (socket_has(&u->s, SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD)) {
		err = unix_autobind(c, u);
		if (err < 0)
			return err;
	}
	if (size > (size_t)atomic_load_explicit(&u->s.sndbuf, memory_order_relaxed) - MSG_HEADROOM)
		return -EMSGSIZE;
	err = unix_wait_sndbuf(c, u, deadline_ns);
	return err < 0 ? err : unix_msg_new(u, m->data, size, msg);
}

ssize_t unix_dgram_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_snd_deadline(s, m->flags & MSG_DONTWAIT);
	struct unix_sock *u = unix_sk(s), *to = NULL;
	struct unix_msg *msg;
	ssize_t size;
	int err = 0;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr.size)
		err = unix_check_addr(&m->addr);
	else if (!(to = unix_peer_get(u)))
		err = -ENOTCONN;
	if (err == 0)
		err = unix_dgram_prepare(c, u, m, deadline_ns, &msg);
	if (err < 0)
		goto put_target;
	size = (ssize_t)msg->size;
	err = unix_dgram_target(c, u, m, &to);
	if (err == -ECONNREFUSED && m->addr.size) {
		err = unix_host_send(c, u, &m->addr, msg);
		unix_msg_free(msg);
		return err < 0 ? err : size;
	}
	if (err == 0)
		err = unix_msg_attach(c, msg, &m->scm, to);
	if (err == 0)
		err = unix_dgram_deliver(c, u, to, msg, deadline_ns);
	if (err < 0) {
		unix_msg_free(msg);
		if (err == -ECONNREFUSED && !m->addr.size && s->type == SOCK_SEQPACKET)
			err = -EPIPE;
		else if (err == -ECONNREFUSED && !m->addr.size)
			unix_dgram_disconnect(u, to);
		goto put_target;
	}
	wq_wake_count(&to->s.wq, POLLIN | POLLRDNORM, 1);
	unix_put(to);
	return size;

put_target:
	unix_put(to);
	return err;
}

ssize_t unix_seqpacket_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	struct unix_sock *u = unix_sk(s);
	int err = unix_take_error(u);

	if (err < 0)
		return err;
	if (unix_load(&u->state) != UNIX_ESTABLISHED)
		return -ENOTCONN;
	m->addr.size = 0;
	return unix_dgram_send(c, s, m);
}

/* ---- receiving --------------------------------------------------------------------------------- */

static bool unix_dgram_ready(void *arg)
{
	struct unix_sock *u = arg;

	return unix_load(&u->queued) > 0 || (unix_load(&u->shut) & UNIX_SHUT_RCV) ||
	       atomic_load_explicit(&u->error, memory_order_relaxed) != 0;
}

/* Wait for a message.  1; 0: shut down; -errno. */
static int unix_dgram_wait(struct vfs_ctx *c, struct unix_sock *u, int64_t deadline_ns)
{
	int err;

	if (unix_load(&u->queued) > 0)
		return 1;
	err = unix_take_error(u);
	if (err < 0)
		return err;
	if (unix_load(&u->shut) & UNIX_SHUT_RCV)
		return deadline_ns == 0 && u->s.type == SOCK_DGRAM ? -EAGAIN : 0;
	if (deadline_ns != 0 && unix_connection_based(u) && unix_load(&u->state) != UNIX_ESTABLISHED)
		return -ENOTCONN;
	err = socket_wait(c, &u->s.wq, POLL_READABLE | POLLRDHUP | POLLHUP | POLLERR, true,
			  unix_dgram_ready, u, deadline_ns);
	return err < 0 ? err : 1;
}

/* Copy one message out.  What recv(2) returns. */
static ssize_t unix_dgram_copy(struct unix_msg *msg, struct sock_msg *m)
{
	size_t room = uio_left(m->data), n = MIN(msg->size, room);
	int err;

	if (n < msg->size)
		m->out_flags |= MSG_TRUNC;
	if (n > 0 && uio_put(m->data, msg->data, n) != (ssize_t)n)
		return -EFAULT;
	unix_copy_addr(msg->from, &m->addr);
	err = unix_msg_detach(msg, &m->scm, m->flags & MSG_PEEK);
	if (err < 0)
		return err;
	return (ssize_t)(m->flags & MSG_TRUNC ? msg->size : n);
}

ssize_t unix_dgram_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_rcv_deadline(s, m->flags & MSG_DONTWAIT);
	struct unix_sock *u = unix_sk(s);
	struct unix_msg *msg;
	ssize_t n;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		n = unix_dgram_wait(c, u, deadline_ns);
		if (n <= 0)
			return n;
		mutex_lock(&u->read_lock);
		msg = unix_first_msg(u);
		if (msg)
			break;
		mutex_unlock(&u->read_lock); /* another reader was quicker */
	}
	if (m->flags & MSG_PEEK) {
		n = unix_dgram_copy(msg, m);
		mutex_unlock(&u->read_lock);
		return n;
	}
	latch_lock(&u->latch);
	unix_msg_unqueue_locked(u, msg);
	latch_unlock(&u->latch);
	mutex_unlock(&u->read_lock);

	wq_wake_count(&u->room, 0, 1);
	unix_dgram_wake_stalled(u);
	n = unix_dgram_copy(msg, m);
	unix_msg_free(msg);
	return n;
}

ssize_t unix_seqpacket_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	if (unix_load(&unix_sk(s)->state) != UNIX_ESTABLISHED)
		return -ENOTCONN;
	return unix_dgram_recv(c, s, m);
}

/* ---- connecting, polling ----------------------------------------------------------------------- */

/* A datagram socket's peer is only a default destination and a filter. */
int unix_dgram_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a,
		       bool nonblock) NO_TSA /* one latch or two */
{
	struct unix_sock *u = unix_sk(s), *to = NULL, *old;
	int err = 0;

	(void)nonblock;
	if (a->size < sizeof(a->sa.sa_family))
		return -EINVAL;
	if (a->sa.sa_family != AF_UNSPEC) {
		err = unix_check_addr(a);
		if (err == 0 && socket_has(s, SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD))
			err = unix_autobind(c, u);
		if (err == 0)
			err = unix_find(c, s->net, a, s->type, &to);
		if (err == -ECONNREFUSED)
			return unix_host_connect(c, u, a, 0);
		if (err < 0)
			return err;
		if (!unix_may_send(u, to)) {
			unix_put(to);
			return -EPERM;
		}
	}
	if (to)
		unix_latch_pair(u, to);
	else
		latch_lock(&u->latch);
	if (to && to->dead)
		err = -ECONNREFUSED;
	old = err == 0 ? u->peer : to;
	if (err == 0) {
		u->peer = to; /* consumes the reference */
		unix_store(&u->state, to ? UNIX_ESTABLISHED : UNIX_CLOSE);
		if (to)
			unix_store(&to->state, UNIX_ESTABLISHED);
	}
	if (to)
		unix_unlatch_pair(u, to);
	else
		latch_unlock(&u->latch);
	unix_put(old);
	if (err == 0)
		wq_wake(&s->wq, POLL_WRITABLE);
	return err;
}

/* Whether a write would find the peer's queue full; then we hear of the change. */
static bool unix_dgram_blocked(struct unix_sock *u, bool listen)
{
	struct unix_sock *to = unix_peer_get(u);
	bool blocked;

	if (!to)
		return false;
	blocked = unix_limits(u, to) && unix_queue_full(to);
	if (blocked && listen) {
		unix_stall(u, to);
		blocked = unix_queue_full(to);
	}
	unix_put(to);
	return blocked;
}

uint32_t unix_dgram_poll(struct socket *s, struct poller *p)
{
	struct unix_sock *u = unix_sk(s);
	unsigned int shut;
	uint32_t events = 0;

	poller_add(p, &s->wq);
	shut = unix_load(&u->shut);
	if (atomic_load_explicit(&u->error, memory_order_relaxed) != 0)
		events |= POLLERR;
	if (shut & UNIX_SHUT_RCV)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (shut == UNIX_SHUT_ALL)
		events |= POLLHUP;
	if (unix_load(&u->queued) > 0 || unix_load(&u->embryo_count) > 0)
		events |= POLLIN | POLLRDNORM;
	if (unix_connection_based(u) && unix_load(&u->state) == UNIX_CLOSE)
		events |= POLLHUP;
	/* Also when only asked (epoll's second look): the item stays in line and needs the wake-up. */
	if (unix_writable(u) && !unix_dgram_blocked(u, true))
		events |= POLL_WRITABLE;
	return events;
}
