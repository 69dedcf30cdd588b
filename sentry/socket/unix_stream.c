/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_stream.c: the data of AF_UNIX stream sockets (net/unix/af_unix.c: unix_stream_sendmsg,
 * unix_stream_read_generic).
 *
 * A write becomes messages of at most CHUNK_MAX bytes; files travel with the first of them.  A read
 * goes on over message boundaries, but not past a message with files, and, when credentials are
 * asked for, not from one sender's to another's.
 *
 * Readers hold read_lock while they copy; only they take messages out, so the first one stays.
 */
#include <errno.h>

#include "sentry/socket/unix_impl.h"

#define CHUNK_MAX 32768u

/* ---- sending ----------------------------------------------------------------------------------- */

/* One chunk of m->data to the peer.  Its size or -errno. */
static ssize_t unix_stream_send_chunk(struct vfs_ctx *c, struct unix_sock *u, struct unix_sock *to,
				      struct sock_msg *m, int64_t deadline_ns)
{
	size_t half = (size_t)atomic_load_explicit(&u->s.sndbuf, memory_order_relaxed) / 2 - 64;
	size_t size = MIN(uio_left(m->data), half);
	struct unix_msg *msg;
	bool gone;
	int err;

	size = MIN(size, (size_t)CHUNK_MAX);
	err = unix_wait_sndbuf(c, u, deadline_ns);
	if (err < 0)
		return err;
	err = unix_msg_new(u, m->data, size, &msg);
	if (err < 0)
		return err;
	err = unix_msg_attach(c, msg, &m->scm, to);
	if (err < 0) {
		unix_msg_free(msg);
		return err;
	}
	latch_lock(&to->latch);
	gone = to->dead || (unix_load(&to->shut) & UNIX_SHUT_RCV);
	if (!gone)
		unix_msg_queue_locked(to, msg);
	latch_unlock(&to->latch);
	if (gone) {
		unix_msg_free(msg);
		return -EPIPE;
	}
	wq_wake(&to->s.wq, POLLIN | POLLRDNORM);
	return (ssize_t)size;
}

ssize_t unix_stream_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_snd_deadline(s, m->flags & MSG_DONTWAIT);
	struct unix_sock *u = unix_sk(s), *to;
	ssize_t done = 0, n = 0;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr.size)
		return unix_load(&u->state) == UNIX_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
	to = unix_peer_get(u);
	if (!to)
		return -ENOTCONN;
	if (unix_load(&u->shut) & UNIX_SHUT_SND)
		n = -EPIPE;
	while (n >= 0 && uio_left(m->data) > 0) {
		n = unix_stream_send_chunk(c, u, to, m, deadline_ns);
		if (n > 0)
			done += n;
	}
	unix_put(to);
	return done ? done : n;
}

/* ---- receiving --------------------------------------------------------------------------------- */

static bool unix_recv_ready(void *arg)
{
	struct unix_sock *u = arg;

	return unix_load(&u->queued) > 0 || (unix_load(&u->shut) & UNIX_SHUT_RCV) ||
	       atomic_load_explicit(&u->error, memory_order_relaxed) != 0;
}

/* A receive under way. */
struct stream_read {
	struct unix_sock *u;
	struct sock_msg *m;
	size_t size;   /* asked for */
	size_t target; /* wait for at least so much */
	size_t done;
	struct scm creds; /* borrowed from the first message */
	bool first;
	bool stop;
};

/* Take from one message.  0, or -errno with nothing taken from it. */
static int stream_read_msg(struct stream_read *r, struct unix_msg *msg)
{
	bool peek = r->m->flags & MSG_PEEK;
	size_t n = MIN(msg->size - msg->taken, r->size - r->done);
	ssize_t copied = uio_put(r->m->data, msg->data + msg->taken, n);

	if (copied < 0)
		return (int)copied;
	r->done += (size_t)copied;
	if ((size_t)copied < n)
		r->stop = true; /* a fault after some bytes */
	if (msg->scm.files || r->first) {
		int err;

		if (msg->scm.files)
			r->stop = true;
		err = unix_msg_detach(msg, &r->m->scm, peek);
		if (err < 0)
			return err;
	}
	if (r->first) {
		unix_copy_addr(msg->from, &r->m->addr);
		r->creds = msg->scm;
		r->first = false;
	}
	if (peek)
		return 0;
	latch_lock(&r->u->latch);
	msg->taken += (size_t)copied;
	r->u->queued_bytes -= (size_t)copied;
	if (msg->taken == msg->size)
		unix_msg_unqueue_locked(r->u, msg);
	latch_unlock(&r->u->latch);
	return 0;
}

/* Whether a read that has begun may go on into msg. */
static bool stream_same_source(const struct stream_read *r, const struct unix_msg *msg)
{
	if (r->first || !socket_has(&r->u->s, SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD))
		return true;
	return scm_same_creds(&r->creds, &msg->scm);
}

/* MSG_PEEK: look at message after message.  read_lock held. */
static int stream_peek(struct stream_read *r)
{
	struct unix_msg *msg = unix_first_msg(r->u);

	while (msg && !r->stop && r->done < r->size && stream_same_source(r, msg)) {
		struct list *next;
		int err = stream_read_msg(r, msg);

		if (err < 0)
			return r->done ? 0 : err;
		latch_lock(&r->u->latch);
		next = msg->node.next;
		msg = next == &r->u->queue ? NULL : list_entry(next, struct unix_msg, node);
		latch_unlock(&r->u->latch);
	}
	r->stop = !r->first; /* what was seen would be seen again: no waiting for more */
	return 0;
}

/* Take what is in the queue.  read_lock held. */
static int stream_take(struct stream_read *r)
{
	while (!r->stop && r->done < r->size) {
		struct unix_msg *msg = unix_first_msg(r->u);
		int err;

		if (!msg)
			break;
		if (!stream_same_source(r, msg)) {
			r->stop = true;
			break;
		}
		err = stream_read_msg(r, msg);
		if (err < 0)
			return r->done ? 0 : err;
		if (msg->taken == msg->size)
			unix_msg_free(msg);
	}
	return 0;
}

/* The queue is empty.  0: something came; 1: end of the stream; -errno. */
static int stream_wait(struct vfs_ctx *c, struct unix_sock *u, int64_t deadline_ns)
{
	int err = unix_take_error(u);

	if (err < 0)
		return err;
	if (unix_load(&u->queued) > 0)
		return 0;
	if (unix_load(&u->shut) & UNIX_SHUT_RCV)
		return 1;
	return socket_wait(c, &u->s.wq, POLL_READABLE | POLLRDHUP | POLLHUP | POLLERR, false,
			   unix_recv_ready, u, deadline_ns);
}

ssize_t unix_stream_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_rcv_deadline(s, m->flags & MSG_DONTWAIT);
	struct unix_sock *u = unix_sk(s);
	struct stream_read r = { .u = u, .m = m, .size = uio_left(m->data), .first = true };
	int err;

	if (unix_load(&u->state) != UNIX_ESTABLISHED)
		return -EINVAL;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (r.size == 0)
		return 0;
	r.target = r.size;
	if (!(m->flags & MSG_WAITALL))
		r.target = MIN(r.size, (size_t)atomic_load_explicit(&s->rcvlowat, memory_order_relaxed));

	for (;;) {
		mutex_lock(&u->read_lock);
		err = m->flags & MSG_PEEK ? stream_peek(&r) : stream_take(&r);
		mutex_unlock(&u->read_lock);
		if (err < 0 || r.stop || (!r.first && r.done >= r.target))
			break;
		err = stream_wait(c, u, deadline_ns);
		if (err != 0)
			break;
	}
	if (r.done > 0 || err == 1)
		return (ssize_t)r.done;
	return err;
}

uint32_t unix_stream_poll(struct socket *s, struct poller *p)
{
	struct unix_sock *u = unix_sk(s);
	unsigned int shut, state;
	uint32_t events = 0;

	poller_add(p, &s->wq);
	shut = unix_load(&u->shut);
	state = unix_load(&u->state);
	if (atomic_load_explicit(&u->error, memory_order_relaxed) != 0)
		events |= POLLERR;
	if (shut == UNIX_SHUT_ALL)
		events |= POLLHUP;
	if (shut & UNIX_SHUT_RCV)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (unix_load(&u->queued) > 0 || unix_load(&u->embryo_count) > 0)
		events |= POLLIN | POLLRDNORM;
	if (state == UNIX_CLOSE)
		events |= POLLHUP;
	if (unix_writable(u))
		events |= POLL_WRITABLE;
	return events;
}
