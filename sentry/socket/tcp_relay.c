/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_relay.c: see tcp_relay.h.
 *
 * Each half has one buffer, which is filled when it is empty: so a side that does not read holds the other up, as one
 * connection would.  A relay ends when both halves have (whole), or when the host's side has sent all (the daemon of
 * resolver_tcp.c closes a connection as a whole), or with the first error on either side.
 */
#include "sentry/socket/tcp_relay.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/mem.h"
#include "lib/uio.h"
#include "netstack/ep.h"
#include "platform/host.h"

static void relay_woken(struct wq_entry *e, uint32_t events)
{
	(void)events;
	work_queue(container_of(e, struct tcp_relay, entry)->work);
}

static void relay_host_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	work_queue(container_of(h, struct tcp_relay, host)->work);
}

struct tcp_relay *tcp_relay_new(struct work *work, struct ep *ep)
{
	struct tcp_relay *r = mem_alloc(sizeof(*r));

	if (!r) {
		ep_close(ep);
		return NULL;
	}
	memset(r, 0, offsetof(struct tcp_relay, up));
	r->up.at = r->up.size = r->down.at = r->down.size = 0;
	r->up.eof = r->up.told = r->down.eof = r->down.told = false;
	r->work = work;
	r->ep = ep;
	list_init(&r->node);
	wq_entry_init(&r->entry, relay_woken, 0);
	wq_add(ep_wq(ep), &r->entry);
	return r;
}

void tcp_relay_join(struct tcp_relay *r, int fd)
{
	r->has_host = hostfd_init(&r->host, fd, relay_host_ready) == 0;
	r->failed |= !r->has_host;
	if (!r->has_host)
		host_close(fd);
}

static ssize_t up_in(struct tcp_relay *r)
{
	struct ep_msg m = { .flags = MSG_DONTWAIT };
	struct uio u;

	uio_init_kernel(&u, r->up.bytes, TCP_RELAY_BUFFER);
	return ep_recv(r->ep, &u, &m);
}

static ssize_t down_out(struct tcp_relay *r)
{
	struct ep_msg m = { .flags = MSG_DONTWAIT };
	struct uio u;

	uio_init_kernel(&u, r->down.bytes + r->down.at, r->down.size);
	return ep_send(r->ep, &u, &m);
}

/* Take n, the result of filling h (a count or an error).  true: something has come. */
static bool half_filled(struct tcp_relay *r, struct tcp_relay_half *h, ssize_t n)
{
	if (n == -EAGAIN || n == -EINTR)
		return false;
	h->at = 0;
	h->size = n > 0 ? (size_t)n : 0;
	h->eof = n == 0;
	r->failed |= n < 0;
	return n > 0;
}

static bool half_emptied(struct tcp_relay *r, struct tcp_relay_half *h, ssize_t n)
{
	if (n == -EAGAIN || n == -EINTR)
		return false;
	r->failed |= n <= 0;
	h->at += n > 0 ? (size_t)n : 0;
	h->size -= n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool half_is_done(const struct tcp_relay_half *h)
{
	return h->eof && h->size == 0;
}

static void hand_on_ends(struct tcp_relay *r)
{
	if (half_is_done(&r->up) && !r->up.told) {
		(void)host_shutdown(r->host.fd, SHUT_WR);
		r->up.told = true;
	}
	if (half_is_done(&r->down) && !r->down.told) {
		(void)ep_shutdown(r->ep, SHUT_WR);
		r->down.told = true;
	}
}

/* Whether ep is connected by now. */
static bool connected(struct tcp_relay *r)
{
	int err = ep_connect(r->ep, &(struct net_addr){ .family = (uint16_t)ep_family(r->ep) });

	if (err == -EALREADY || err == -EINPROGRESS)
		return false;
	r->failed |= err < 0 && err != -EISCONN;
	r->connecting = false;
	return !r->failed;
}

bool tcp_relay_step(struct tcp_relay *r)
{
	bool moved = false;

	if (r->failed || (r->connecting && !connected(r)))
		return false;
	if (r->up.size == 0 && !r->up.eof)
		moved |= half_filled(r, &r->up, up_in(r));
	if (r->up.size > 0)
		moved |= half_emptied(r, &r->up, host_write(r->host.fd, r->up.bytes + r->up.at, r->up.size));
	if (r->down.size == 0 && !r->down.eof)
		moved |= half_filled(r, &r->down, host_read(r->host.fd, r->down.bytes, TCP_RELAY_BUFFER));
	if (r->down.size > 0)
		moved |= half_emptied(r, &r->down, down_out(r));
	if (r->whole && !r->failed)
		hand_on_ends(r);
	return moved && !r->failed;
}

bool tcp_relay_is_over(const struct tcp_relay *r)
{
	return r->failed || (half_is_done(&r->down) && (!r->whole || half_is_done(&r->up)));
}

void tcp_relay_watch(struct tcp_relay *r)
{
	uint32_t events = (r->up.size > 0 ? EPOLLOUT : 0u) |
			  (r->down.size == 0 && !r->down.eof && !r->connecting ? EPOLLIN : 0u);

	/* Of a connection that was reset epoll(7) tells also who asks for nothing, again and again. */
	if (events)
		hostfd_watch(&r->host, events);
}

void tcp_relay_quiet(struct tcp_relay *r)
{
	if (r->has_host && !r->quiet)
		hostfd_fini(&r->host);
	wq_remove(&r->entry);
	r->quiet = true;
}

void tcp_relay_free(struct tcp_relay *r)
{
	tcp_relay_quiet(r);
	list_remove(&r->node);
	if (r->has_host)
		host_close(r->host.fd);
	ep_close(r->ep);
	mem_free(r);
}
