/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_tcp.c: the TCP half of resolver.h.  What a program sends to 127.0.0.11:53 goes byte for byte
 * to Docker's DNS server, over a connection that the container's monitor makes (runsc-c/monitor.c): the
 * Sentry asks for it with a byte on the dialer, and gets it as a descriptor, answers in order.
 *
 *     program ── ep ── relay: up[], down[] ── host ── Docker's daemon
 *
 * Everything here runs in the resolver's work item, so it needs no lock; wait queue and epoll
 * callbacks only queue that.  A relay ends when the daemon has closed its connection and everything
 * is delivered, or with the first error on either side.  The program's own end of file is not handed
 * on (the jail has no shutdown(2)): the daemon answers what it has, and closes after some seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "lib/uio.h"
#include "lib/wq.h"
#include "netstack/ep.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/socket/resolver_impl.h"

#define RELAYS  64
#define BUFFER  4096
#define BACKLOG 16

struct pipe_half {
	size_t at, size; /* bytes[at .. at + size) wait */
	bool eof;
	char bytes[BUFFER];
};

struct relay {
	struct list node;
	struct work *work;      /* the resolver's */
	struct ep *ep;
	struct wq_entry entry;
	struct hostfd host;     /* its fd: -1 until the dialer has answered */
	bool has_host, answered, failed;
	struct pipe_half up, down;
};

struct resolver_tcp {
	struct ep *ep;          /* listens */
	struct wq_entry entry;
	struct hostfd dialer;
	struct work *work;
	struct list relays;     /* in the order in which they asked */
	unsigned int count;
	bool dialer_gone;       /* the monitor has ended, and so will all this */
};

static void tcp_woken(struct wq_entry *e, uint32_t events)
{
	(void)events;
	work_queue(container_of(e, struct resolver_tcp, entry)->work);
}

static void tcp_dialer_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	work_queue(container_of(h, struct resolver_tcp, dialer)->work);
}

static void relay_woken(struct wq_entry *e, uint32_t events)
{
	(void)events;
	work_queue(container_of(e, struct relay, entry)->work);
}

static void relay_host_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	work_queue(container_of(h, struct relay, host)->work);
}

/* ---- one connection ------------------------------------------------------------------------------ */

static void relay_free(struct resolver_tcp *t, struct relay *r)
{
	list_remove(&r->node);
	t->count--;
	if (r->has_host) {
		hostfd_fini(&r->host);
		host_close(r->host.fd);
	}
	wq_remove(&r->entry);
	ep_close(r->ep);
	mem_free(r);
}

static void relay_accept(struct resolver_tcp *t, struct ep *ep)
{
	struct relay *r = mem_new(struct relay);

	if (!r || t->dialer_gone || host_write(t->dialer.fd, "", 1) != 1) {
		mem_free(r);
		ep_close(ep);
		return;
	}
	r->work = t->work;
	r->ep = ep;
	list_append(&t->relays, &r->node);
	t->count++;
	wq_entry_init(&r->entry, relay_woken, 0);
	wq_add(ep_wq(ep), &r->entry);
}

static struct relay *first_unanswered(struct resolver_tcp *t)
{
	struct relay *r;

	list_for_each_entry(r, &t->relays, node)
		if (!r->answered)
			return r;
	return NULL;
}

/* The dialer's answer, for the first that waits for one; false: there is none now. */
static bool dialer_answer(struct resolver_tcp *t)
{
	size_t count = 1;
	struct relay *r;
	int fd = -1;
	char byte;
	ssize_t n = host_recv_fds(t->dialer.fd, &byte, 1, &fd, &count, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return false;
	t->dialer_gone = n <= 0;
	while ((r = first_unanswered(t))) {
		r->answered = true;
		r->has_host = n > 0 && count == 1 && hostfd_init(&r->host, fd, relay_host_ready) == 0;
		r->failed = !r->has_host;
		if (n > 0)
			break;
	}
	if (n > 0 && count == 1 && !(r && r->has_host))
		host_close(fd);
	return n > 0;
}

static ssize_t up_in(struct relay *r, struct uio *u)
{
	struct ep_msg m = { .flags = MSG_DONTWAIT };

	return ep_recv(r->ep, u, &m);
}

static ssize_t down_out(struct relay *r, struct uio *u)
{
	struct ep_msg m = { .flags = MSG_DONTWAIT };

	return ep_send(r->ep, u, &m);
}

/* Take n, the result of filling h (a count or an error).  true: something has come. */
static bool half_filled(struct relay *r, struct pipe_half *h, ssize_t n)
{
	if (n == -EAGAIN)
		return false;
	h->at = 0;
	h->size = n > 0 ? (size_t)n : 0;
	h->eof = n == 0;
	r->failed |= n < 0;
	return n > 0;
}

static bool half_emptied(struct relay *r, struct pipe_half *h, ssize_t n)
{
	if (n == -EAGAIN)
		return false;
	r->failed |= n <= 0;
	h->at += n > 0 ? (size_t)n : 0;
	h->size -= n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* One step each way; true: there may be more to do at once. */
static bool relay_step(struct relay *r)
{
	struct uio u;
	bool moved = false;

	if (r->up.size == 0 && !r->up.eof) {
		uio_init_kernel(&u, r->up.bytes, BUFFER);
		moved |= half_filled(r, &r->up, up_in(r, &u));
	}
	if (r->up.size > 0)
		moved |= half_emptied(r, &r->up, host_write(r->host.fd, r->up.bytes + r->up.at, r->up.size));
	if (r->down.size == 0 && !r->down.eof)
		moved |= half_filled(r, &r->down, host_read(r->host.fd, r->down.bytes, BUFFER));
	if (r->down.size > 0) {
		uio_init_kernel(&u, r->down.bytes + r->down.at, r->down.size);
		moved |= half_emptied(r, &r->down, down_out(r, &u));
	}
	return moved && !r->failed;
}

static void relay_watch(struct relay *r)
{
	uint32_t events = (r->up.size > 0 ? EPOLLOUT : 0u) |
			  (r->down.size == 0 && !r->down.eof ? EPOLLIN : 0u);

	hostfd_watch(&r->host, events);
}

/* ---- all of them ----------------------------------------------------------------------------------- */

bool resolver_tcp_work(struct resolver_tcp *t)
{
	struct relay *r, *next;
	struct ep *ep;
	bool more = false;

	if (!t)
		return false;
	while (t->count < RELAYS && ep_accept(t->ep, &ep, NULL) == 0)
		relay_accept(t, ep);
	while (dialer_answer(t))
		;
	list_for_each_entry_safe(r, next, &t->relays, node) {
		if (r->has_host)
			more |= relay_step(r);
		if (r->failed || (r->down.eof && r->down.size == 0))
			relay_free(t, r);
		else if (r->has_host)
			relay_watch(r);
	}
	if (!t->dialer_gone)
		hostfd_watch(&t->dialer, t->count > 0 ? EPOLLIN : 0);
	return more;
}

int resolver_tcp_new(struct stack *s, const struct net_addr *a, int dialer, struct work *work,
		     struct resolver_tcp **out)
{
	struct resolver_tcp *t = mem_new(struct resolver_tcp);
	int err;

	if (!t)
		return -ENOMEM;
	t->work = work;
	list_init(&t->relays);
	err = ep_new(s, AF_INET, SOCK_STREAM, 0, &t->ep);
	if (err < 0)
		goto free_t;
	err = ep_bind(t->ep, a);
	if (err == 0)
		err = ep_listen(t->ep, BACKLOG);
	if (err == 0)
		err = hostfd_init(&t->dialer, dialer, tcp_dialer_ready);
	if (err < 0)
		goto close_ep;
	wq_entry_init(&t->entry, tcp_woken, POLLIN);
	wq_add(ep_wq(t->ep), &t->entry);
	*out = t;
	return 0;

close_ep:
	ep_close(t->ep);
free_t:
	mem_free(t);
	return err;
}

void resolver_tcp_quiet(struct resolver_tcp *t)
{
	struct relay *r;

	if (!t)
		return;
	hostfd_fini(&t->dialer);
	wq_remove(&t->entry);
	list_for_each_entry(r, &t->relays, node) {
		if (r->has_host)
			hostfd_fini(&r->host);
		wq_remove(&r->entry);
	}
}

void resolver_tcp_free(struct resolver_tcp *t)
{
	if (!t)
		return;
	while (!list_empty(&t->relays))
		relay_free(t, list_first(&t->relays, struct relay, node));
	ep_close(t->ep);
	mem_free(t);
}
