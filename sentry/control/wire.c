/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c: framing of the control protocol on a blocking socket, for both sides, and the boot
 * exchange, which happens before the Sentry has any other thread.  See control.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/control/control.h"

union cmsg_buffer {
	char bytes[CMSG_SPACE(CONTROL_MAX_FDS * sizeof(int))];
	struct cmsghdr align;
};

static int send_all(int fd, char *p, size_t size)
{
	while (size > 0) {
		struct iovec iov = { p, size };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = host_sendmsg(fd, &m, 0);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int send_header(int fd, const struct control_header *h, const int *fds)
{
	union cmsg_buffer c;
	struct control_header copy = *h;
	struct iovec iov = { &copy, sizeof(copy) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (h->fd_count > 0) {
		m.msg_control = c.bytes;
		m.msg_controllen = CMSG_SPACE(h->fd_count * sizeof(int));
		memset(c.bytes, 0, m.msg_controllen);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(h->fd_count * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, h->fd_count * sizeof(int));
	}
	do {
		n = host_sendmsg(fd, &m, 0);
	} while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return send_all(fd, (char *)&copy + n, sizeof(copy) - (size_t)n);
}

int control_send(int fd, const json_t *msg, const int *fds, size_t fd_count)
{
	struct control_header h = { .magic = CONTROL_MAGIC, .fd_count = (uint32_t)fd_count };
	char *text = json_dumps(msg, JSON_COMPACT);
	size_t size;
	int err;

	if (text == NULL)
		return -ENOMEM;
	size = strlen(text);
	err = size > CONTROL_MAX_SIZE || fd_count > CONTROL_MAX_FDS ? -E2BIG : 0;
	h.size = (uint32_t)size;
	if (err == 0)
		err = send_header(fd, &h, fds);
	if (err == 0)
		err = send_all(fd, text, size);
	free(text); /* jansson's */
	return err;
}

/* ---- receive -------------------------------------------------------------------------------- */

static int wait_readable(int fd, int64_t deadline_ns)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline_ns == INT64_MAX ? 0 : MAX(deadline_ns - clock_mono_ns(), 0);
		struct timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
		int n = host_ppoll(&p, 1, deadline_ns == INT64_MAX ? NULL : &ts);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (n != -EINTR)
			return n;
	}
}

static int recv_all(int fd, void *buffer, size_t size, int64_t deadline_ns)
{
	char *p = buffer;

	while (size > 0) {
		struct iovec iov = { p, size };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		int err = wait_readable(fd, deadline_ns);
		ssize_t n;

		if (err < 0)
			return err;
		n = host_recvmsg(fd, &m, MSG_DONTWAIT);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n == 0 || n == -ECONNRESET ? -EPIPE : (int)n;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The header and the descriptors on its first byte; returns how many there were. */
static int recv_header(int fd, struct control_header *h, int *fds, int64_t deadline_ns)
{
	union cmsg_buffer c;
	struct iovec iov = { h, sizeof(*h) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };
	int count = 0, err;
	ssize_t n;

	do {
		err = wait_readable(fd, deadline_ns);
		if (err < 0)
			return err;
		n = host_recvmsg(fd, &m, MSG_DONTWAIT);
	} while (n == -EINTR || n == -EAGAIN);
	if (n <= 0)
		return n == 0 || n == -ECONNRESET ? -EPIPE : (int)n;
	for (struct cmsghdr *k = CMSG_FIRSTHDR(&m); k != NULL; k = CMSG_NXTHDR(&m, k)) {
		size_t bytes = k->cmsg_len - CMSG_LEN(0);

		if (k->cmsg_level != SOL_SOCKET || k->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + count, CMSG_DATA(k), bytes); /* the buffer's size bounds the sum */
		count += (int)(bytes / sizeof(int));
	}
	err = m.msg_flags & MSG_CTRUNC ? -EPROTO : 0;
	if (err == 0)
		err = recv_all(fd, (char *)h + n, sizeof(*h) - (size_t)n, deadline_ns);
	if (err < 0) {
		while (count > 0)
			host_close(fds[--count]);
		return err;
	}
	return count;
}

static int recv_body(int fd, size_t size, json_t **msg, int64_t deadline_ns)
{
	char *text = mem_alloc(size + 1);
	int err;

	if (text == NULL)
		return -ENOMEM;
	err = recv_all(fd, text, size, deadline_ns);
	if (err == 0) {
		*msg = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(*msg)) {
			json_decref(*msg);
			*msg = NULL;
			err = -EPROTO;
		}
	}
	mem_free(text);
	return err;
}

int control_recv(int fd, json_t **msg, int *fds, size_t max_fds, size_t *fd_count, int timeout_ms)
{
	int64_t deadline_ns = timeout_ms < 0
		? INT64_MAX : clock_mono_ns() + timeout_ms * NSEC_PER_MSEC;
	int got[CONTROL_MAX_FDS];
	struct control_header h;
	int count, err = 0;

	count = recv_header(fd, &h, got, deadline_ns);
	if (count < 0)
		return count;
	if (h.magic != CONTROL_MAGIC || h.reserved != 0 || h.size > CONTROL_MAX_SIZE ||
	    h.fd_count != (uint32_t)count || (size_t)count > max_fds)
		err = -EPROTO;
	if (err == 0)
		err = recv_body(fd, h.size, msg, deadline_ns);
	if (err < 0) {
		while (count > 0)
			host_close(got[--count]);
		return err;
	}
	if (count > 0)
		memcpy(fds, got, (size_t)count * sizeof(int));
	if (fd_count != NULL)
		*fd_count = (size_t)count;
	return 0;
}

/* ---- boot ----------------------------------------------------------------------------------- */

int boot_receive(int fd, struct boot_config **out, const char **why)
{
	const char *op, *field = NULL;
	json_t *msg = NULL;
	int err;

	err = control_recv(fd, &msg, NULL, 0, NULL, -1);
	if (err < 0) {
		*why = "the boot message can't be read";
		return err;
	}
	op = json_string_value(json_object_get(msg, "op"));
	if (op == NULL || strcmp(op, "boot") != 0)
		err = -EPROTO;
	else
		err = control_decode_boot(msg, out, &field);
	if (err < 0)
		*why = field ? field : "the first message is not a boot message";
	json_decref(msg);
	return err;
}

static int boot_reply(int fd, json_t *reply)
{
	int err = reply ? control_send(fd, reply, NULL, 0) : -ENOMEM;

	json_decref(reply);
	return err;
}

int boot_done(int fd)
{
	return boot_reply(fd, json_pack("{s:b}", "ok", 1));
}

void boot_failed(int fd, int error, const char *sentence)
{
	boot_reply(fd, json_pack("{s:b,s:i,s:s}", "ok", 0, "errno", error < 0 ? -error : error,
				 "error", sentence));
}
