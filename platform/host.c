/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c: the wrappers of host.h that are more than one instruction: messages with descriptors.
 */
#include "platform/host.h"

#include <errno.h>
#include <string.h>

union fd_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(HOST_FDS_MAX * sizeof(int))];
};

ssize_t host_send_fds(int sock, const struct iovec *iov, size_t iov_count, const int *fds,
		      size_t fd_count)
{
	union fd_control control;
	struct iovec copy[4];
	struct msghdr m = { .msg_iov = copy, .msg_iovlen = iov_count };
	struct cmsghdr *c;

	ASSERT(fd_count <= HOST_FDS_MAX && iov_count <= ARRAY_SIZE(copy));
	memcpy(copy, iov, iov_count * sizeof(*iov));
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	return host_sendmsg(sock, &m, 0);
}

static size_t take_fds(struct msghdr *m, int *fds, size_t room)
{
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < room)
				fds[taken++] = fd;
			else
				host_close(fd);
		}
	}
	return taken;
}

/* *lost: there was no room for descriptors among ours, and none has come. */
static ssize_t recv_fds(int sock, void *buf, size_t size, int *fds, size_t *fd_count, int flags, bool *lost)
{
	union fd_control control;
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t room = *fd_count, taken = 0;
	ssize_t n;

	ASSERT(room <= HOST_FDS_MAX);
	if (room > 0) {
		m.msg_control = control.space;
		m.msg_controllen = CMSG_LEN(room * sizeof(int)); /* exactly room */
	}
	*fd_count = 0;
	n = host_recvmsg(sock, &m, flags);
	if (n < 0)
		return n;
	if (room > 0)
		taken = take_fds(&m, fds, room);
	*lost = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == MSG_CTRUNC && room > 0 && taken == 0;
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && !*lost) {
		while (taken > 0)
			host_close(fds[--taken]);
		return -EMSGSIZE;
	}
	*fd_count = taken;
	return n;
}

ssize_t host_recv_fds(int sock, void *buf, size_t size, int *fds, size_t *fd_count, int flags)
{
	bool lost = false;
	ssize_t n = recv_fds(sock, buf, size, fds, fd_count, flags, &lost);

	return lost ? -EMSGSIZE : n;
}

ssize_t host_recv_fd(int sock, void *buf, size_t size, int *fd)
{
	size_t count = 1;
	bool lost = false;
	ssize_t n = recv_fds(sock, buf, size, fd, &count, 0, &lost);

	if (n < 0 || count == 0)
		*fd = lost ? -EMFILE : -1;
	return n;
}
