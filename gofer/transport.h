/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport.h: how gofer messages travel.  A transport carries whole messages of up to
 * GOFER_MSG_MAX bytes in both directions, in order, each with at most one descriptor beside it, and
 * tells when the other side is gone.  Nothing else in the protocol knows what it is made of.
 *
 * This one is a SOCK_SEQPACKET socket.  Sending and receiving are independent of each other; each
 * may be done by one thread at a time.  Inline, because the client (vfs/gofer/) uses it as well.
 */
#pragma once

#include <errno.h>

#include "gofer/protocol.h"
#include "platform/host.h"

struct gofer_transport {
	int fd; /* owned by whoever made the transport */
};

/*
 * One message made of count pieces, with descriptor fd beside it unless fd is -1 (it stays the
 * caller's).  0, or a negative errno: -EPIPE when the other side is gone.
 * Blocks while the other side does not read; the _try form gives -EAGAIN then, and takes no
 * descriptor.
 */
static inline int gofer_transport_send(struct gofer_transport *t, const struct iovec *pieces,
				       size_t count, int fd)
{
	ssize_t n;

	do
		n = host_send_fds(t->fd, pieces, count, &fd, fd >= 0 ? 1 : 0);
	while (n == -EINTR);
	if (n == -ECONNRESET)
		return -EPIPE;
	return n < 0 ? (int)n : 0;
}

static inline int gofer_transport_try_send(struct gofer_transport *t, struct iovec *pieces,
					   size_t count)
{
	struct msghdr m = { .msg_iov = pieces, .msg_iovlen = count };
	ssize_t n;

	do
		n = host_sendmsg(t->fd, &m, MSG_DONTWAIT);
	while (n == -EINTR);
	if (n == -ECONNRESET)
		return -EPIPE;
	return n < 0 ? (int)n : 0;
}

/*
 * Wait until there is a message (or the other side is gone).  True when there is; false when
 * timeout_ns have passed without one.
 */
static inline bool gofer_transport_wait(struct gofer_transport *t, long timeout_ns)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	struct timespec ts = { .tv_nsec = timeout_ns };

	return host_ppoll(&p, 1, &ts) > 0;
}

/*
 * The next message into buf; blocks.  Its size, 0 when the other side is gone, or a negative errno:
 * -EMSGSIZE for one that does not fit or brings more descriptors than asked for (none of them is
 * kept).  fd NULL: no descriptor is expected; else *fd is the one that came (the caller's), -1, or -EMFILE for one
 * that this process had no room for.
 */
static inline ssize_t gofer_transport_recv(struct gofer_transport *t, void *buf, size_t size, int *fd)
{
	size_t none;
	ssize_t n;

	do {
		none = 0;
		n = fd ? host_recv_fd(t->fd, buf, size, fd) : host_recv_fds(t->fd, buf, size, NULL, &none, 0);
	} while (n == -EINTR);
	return n == -ECONNRESET ? 0 : n;
}
