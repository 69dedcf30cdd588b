/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c: the server's side of gofer/ring.h.
 */
#include "gofer/ring.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "gofer/gofer_impl.h"

int gofer_req_ring(struct gofer_request *r)
{
	const struct gofer_ring_setup *q = (const void *)r->body;
	struct gofer_ring *ring = &r->s->ring;
	struct statx sx;
	void *mem;
	int err;

	if (r->s->given_fd < 0 || q->what > GOFER_RING_BELL)
		return GOFER_MALFORMED;
	if (q->what == GOFER_RING_BELL) {
		if (!ring->mem || ring->bell >= 0)
			return GOFER_MALFORMED;
		ring->bell = r->s->given_fd;
		r->s->given_fd = -1;
		return 0;
	}
	if (ring->mem)
		return GOFER_MALFORMED;
	err = gofer_stat(r->s->given_fd, &sx);
	if (err < 0)
		return err;
	if (!S_ISREG(sx.stx_mode) || sx.stx_size < GOFER_RING_SIZE)
		return GOFER_MALFORMED;
	mem = mmap(NULL, GOFER_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->s->given_fd, 0);
	if (mem == MAP_FAILED)
		return -ENOMEM;
	ring->mem = mem;
	return 0;
}

void gofer_ring_init(struct gofer_ring *ring)
{
	*ring = (struct gofer_ring){ .bell = -1 };
	for (uint32_t i = 0; i < GOFER_RING_SLOTS; i++)
		ring->slots[i].fd = -1;
}

void gofer_ring_fini(struct gofer_ring *ring)
{
	for (uint32_t i = 0; i < GOFER_RING_SLOTS; i++)
		host_close_fd(&ring->slots[i].fd);
	host_close_fd(&ring->bell);
	if (ring->mem)
		munmap(ring->mem, GOFER_RING_SIZE);
	ring->mem = NULL;
}

enum gofer_wake gofer_ring_wait(struct gofer_server *s, const struct timespec *timeout)
{
	struct pollfd p[] = {
		{ .fd = s->ring.bell, .events = POLLIN },
		{ .fd = s->transport.fd, .events = POLLIN },
	};
	long n;

	for (;;) {
		n = host_ppoll(p, ARRAY_SIZE(p), timeout);
		if (n == 0)
			return GOFER_WAKE_TIMEOUT;
		if (n < 0)
			continue; /* a signal */
		if (p[1].revents) /* first: what was sent before the bell was rung counts before it */
			return GOFER_WAKE_SOCKET;
		if (p[0].revents & POLLIN)
			return GOFER_WAKE_BELL;
		if (p[0].revents & (POLLHUP | POLLNVAL))
			p[0].fd = -1; /* nobody is left who could ring; the socket will say so, too */
	}
}

/* The message of n bytes in s->out, whose descriptor is in the slot, into the slot. */
static void put_reply(struct gofer_server *s, uint32_t slot, size_t n)
{
	struct gofer_hdr *h = (void *)s->out;

	if (s->ring.slots[slot].fd >= 0)
		h->flags = GOFER_HDR_FD;
	memcpy(gofer_ring_reply(s->ring.mem, slot), s->out, n);
}

/* The bell is answered; -ENOENT when a signal has undone it: it will be rung again. */
static void answer(struct gofer_server *s, uint64_t id, uint32_t slot)
{
	struct gofer_ring *ring = &s->ring;
	struct seccomp_notif_resp resp = { .id = id };
	struct seccomp_notif_addfd add = {
		.id = id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)ring->slots[slot].fd,
		.newfd_flags = O_CLOEXEC,
	};
	struct gofer_hdr h;
	long err;

	if (ring->slots[slot].fd < 0) {
		(void)host_ioctl(ring->bell, SECCOMP_IOCTL_NOTIF_SEND, &resp);
		return;
	}
	err = host_ioctl(ring->bell, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	/*
	 * Anything else is a signal's (or the freezer's) doing, to us or to the Sentry, and the Sentry rings again.
	 * When it is us, the kernel has answered with 0 and without the descriptor: no descriptor's number there.
	 */
	if (err < 0 && err != -EMFILE && err != -ENFILE && err != -ENOMEM)
		return;
	host_close_fd(&ring->slots[slot].fd);
	if (err >= 0)
		return;
	/* The Sentry has no room for it. */
	memcpy(&h, gofer_ring_reply(ring->mem, slot), sizeof(h));
	if (gofer_done_without_fd(h.type))
		h.flags = 0;
	else
		h = (struct gofer_hdr){ .size = sizeof(h), .type = h.type, .tag = h.tag, .error = (int32_t)err };
	memcpy(gofer_ring_reply(ring->mem, slot), &h, sizeof(h));
	(void)host_ioctl(ring->bell, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* Serve the request in a slot.  0, or a negative errno that ends the connection. */
static int serve_slot(struct gofer_server *s, uint32_t slot)
{
	const char *from = gofer_ring_request(s->ring.mem, slot);
	struct gofer_hdr h;
	uint32_t size;
	ssize_t n;
	int fd;

	host_close_fd(&s->ring.slots[slot].fd); /* of an answer that was never fetched */
	size = __atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);
	if (size < sizeof(h) || size > GOFER_RING_REQUEST)
		return -EPROTO;
	memcpy(s->in, from, size); /* what is in s->in is what is checked */
	memcpy(&h, s->in, sizeof(h));
	s->reply_now = MIN(s->reply_max, GOFER_RING_REPLY);
	n = gofer_server_handle(s, size, &fd);
	s->reply_now = s->reply_max;
	if (n < 0)
		return (int)n;
	if (n == 0) { /* one-way: here it has an answer, since somebody waits */
		h = (struct gofer_hdr){ .size = sizeof(h), .type = h.type, .tag = h.tag };
		memcpy(s->out, &h, sizeof(h));
		n = sizeof(h);
	}
	s->ring.slots[slot].fd = fd;
	put_reply(s, slot, (size_t)n);
	return 0;
}

int gofer_ring_serve(struct gofer_server *s)
{
	/* Newer kernels may use more than our struct; RECV wants zeros. */
	union {
		struct seccomp_notif n;
		uint8_t room[512];
	} buf;
	struct gofer_ring *ring = &s->ring;
	struct seccomp_notif_resp bad = { .error = -EINVAL };
	uint32_t slot, seq;
	long err;

	memset(&buf, 0, sizeof(buf));
	err = host_ioctl(ring->bell, SECCOMP_IOCTL_NOTIF_RECV, &buf);
	if (err < 0)
		return err == -EINTR || err == -ENOENT ? 0 : (int)err; /* ENOENT: undone meanwhile */
	slot = (uint32_t)buf.n.data.args[0];
	seq = (uint32_t)buf.n.data.args[1];
	if (slot >= GOFER_RING_SLOTS) {
		bad.id = buf.n.id;
		(void)host_ioctl(ring->bell, SECCOMP_IOCTL_NOTIF_SEND, &bad);
		return 0;
	}
	if (!ring->slots[slot].served || ring->slots[slot].seq != seq) {
		err = serve_slot(s, slot);
		if (err < 0)
			return (int)err;
		ring->slots[slot].served = true;
		ring->slots[slot].seq = seq;
	}
	answer(s, buf.n.id, slot);
	return 0;
}
