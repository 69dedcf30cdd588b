/* SPDX-License-Identifier: Apache-2.0 */
/* door.c: see door.h.  In the monitor, behind its filter. */
#include "runsc-c/door.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "platform/host.h"
#include "sentry/control/boot.h"

#define BACKLOG 128

/* TCP over IPv4 or IPv6, at a port that is named. */
static int check(const struct net_door_request *q)
{
	struct sockaddr_in in;
	size_t want;

	memcpy(&in, q->addr, sizeof(in));
	want = in.sin_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(in);
	return (in.sin_family != AF_INET && in.sin_family != AF_INET6) || q->size != want || in.sin_port == 0
		       ? -EINVAL : in.sin_family;
}

static int open_door(const struct net_door_request *q)
{
	int family = check(q), fd = family < 0 ? family : host_socket(family, DOOR_TYPE, 0), err = 0;
	int on = 1, only = q->v6only != 0;

	if (fd < 0)
		return fd;
	if (family == AF_INET6)
		err = host_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	/* Connections of the last one to listen there may linger. */
	if (err == 0)
		err = host_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (err == 0)
		err = host_bind(fd, q->addr, q->size);
	if (err == 0)
		err = host_listen(fd, BACKLOG);
	if (err < 0)
		host_close(fd);
	return err < 0 ? err : fd;
}

int door_serve(int fd)
{
	struct net_door_request q;
	struct net_door_reply r;
	struct iovec iov = { &r, sizeof(r) };
	ssize_t n = host_read(fd, &q, sizeof(q));
	int door;

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n != sizeof(q))
		return -EPIPE;
	door = open_door(&q);
	r.seq = q.seq;
	r.error = door < 0 ? door : 0;
	host_send_fds(fd, &iov, 1, &door, door >= 0 ? 1 : 0);
	host_close_fd(&door);
	return 0;
}
