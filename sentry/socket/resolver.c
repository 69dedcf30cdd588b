/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c: see resolver.h.  UDP here; TCP is in resolver_tcp.c.
 *
 * All work is done by one work item, queued when either socket has something to read; it runs once
 * at a time, so what it touches needs no lock.  Queries in flight are at most SLOTS; a slot that is
 * used again forgets its query, as a busy server would.
 *
 * Both sides are untrusted: a datagram is copied once, only its id is looked at, and an answer counts
 * only with the id of a query in flight.
 */
#include "sentry/socket/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "lib/uio.h"
#include "lib/wq.h"
#include "netstack/ep.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/resolver_impl.h"

#define RESOLVER_ADDRESS 0x7f00000bu /* 127.0.0.11 */
#define RESOLVER_PORT    53
#define SLOTS            256
#define MESSAGE_MAX      65535
#define BATCH            64

struct query {
	struct net_addr client;
	uint16_t client_id, id; /* as the client and as the daemon see it; id 0: free */
};

struct resolver {
	struct ep *ep;
	struct wq_entry entry;
	struct hostfd host;
	struct work work;
	struct resolver_tcp *tcp; /* NULL: connections are refused */
	atomic_bool stop;
	unsigned int next;
	struct query queries[SLOTS];
	char message[MESSAGE_MAX];
};

static void resolver_woken(struct wq_entry *e, uint32_t events)
{
	(void)events;
	work_queue(&container_of(e, struct resolver, entry)->work);
}

static void resolver_host_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	work_queue(&container_of(h, struct resolver, host)->work);
}

/* The slot's number is the low byte of the id; the rest can't be guessed. */
static uint16_t resolver_new_id(unsigned int slot)
{
	uint8_t high = 0;

	(void)host_getrandom(&high, sizeof(high), 0);
	return (uint16_t)((high << 8 | slot) ? (high << 8 | slot) : 0x100);
}

static bool resolver_ask(struct resolver *r)
{
	struct ep_msg m = { .flags = MSG_DONTWAIT };
	unsigned int slot = r->next % SLOTS;
	struct query *q = &r->queries[slot];
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, r->message, sizeof(r->message));
	n = ep_recv(r->ep, &u, &m);
	if (n < 0)
		return false;
	if (n < 12 || !m.has_addr) /* shorter than a DNS header */
		return true;
	r->next++;
	q->client = m.addr;
	memcpy(&q->client_id, r->message, 2);
	q->id = resolver_new_id(slot);
	memcpy(r->message, &(uint16_t){ htons(q->id) }, 2);
	if (host_write(r->host.fd, r->message, (size_t)n) < 0)
		q->id = 0;
	return true;
}

static bool resolver_answer(struct resolver *r)
{
	ssize_t n = host_read(r->host.fd, r->message, sizeof(r->message));
	struct ep_msg m = { .flags = MSG_DONTWAIT, .has_addr = true };
	struct query *q;
	uint16_t id;
	struct uio u;

	if (n < 0)
		return n == -ECONNREFUSED; /* the daemon does not listen just now: one error, once */
	if (n < 12)
		return true;
	memcpy(&id, r->message, 2);
	id = ntohs(id);
	q = &r->queries[id % SLOTS];
	if (q->id != id)
		return true;
	q->id = 0;
	memcpy(r->message, &q->client_id, 2);
	m.addr = q->client;
	uio_init_kernel(&u, r->message, (size_t)n);
	(void)ep_send(r->ep, &u, &m);
	return true;
}

static void resolver_work(void *arg)
{
	struct resolver *r = arg;
	bool more = true;

	if (atomic_load(&r->stop))
		return;
	for (unsigned int i = 0; i < BATCH && more; i++) {
		more = resolver_ask(r);
		more |= resolver_answer(r);
	}
	more |= resolver_tcp_work(r->tcp);
	if (more)
		work_queue(&r->work);
	hostfd_watch(&r->host, EPOLLIN);
}

void resolver_start(struct net_ns *ns, int fd)
{
	struct stack *s = net_ns_stack(ns);
	struct resolver *r = s ? mem_new(struct resolver) : NULL;
	struct net_addr a = { .family = AF_INET, .port = RESOLVER_PORT,
			      .ip = ipa_v4(htonl(RESOLVER_ADDRESS)) };
	int err = -ENOMEM, dialer_fd;

	if (!r)
		goto close_fd;
	err = ep_new(s, AF_INET, SOCK_DGRAM, 0, &r->ep);
	if (err < 0)
		goto free_resolver;
	err = ep_bind(r->ep, &a);
	if (err == 0)
		err = hostfd_init(&r->host, fd, resolver_host_ready);
	if (err < 0)
		goto close_ep;
	work_init(&r->work, resolver_work, r);
	wq_entry_init(&r->entry, resolver_woken, POLLIN);
	wq_add(ep_wq(r->ep), &r->entry);
	mutex_lock(&ns->lock);
	ns->resolver = r;
	dialer_fd = ns->dialer_fd;
	mutex_unlock(&ns->lock);
	err = dialer_fd < 0 ? -ENOTCONN : resolver_tcp_new(s, &a, dialer_fd, &r->work, &r->tcp);
	if (err < 0)
		log_warn("network: the embedded DNS server is reached by UDP only: %s", strerror(-err));
	work_queue(&r->work);
	return;

close_ep:
	ep_close(r->ep);
free_resolver:
	mem_free(r);
close_fd:
	host_close(fd);
	log_warn("network: no way to the embedded DNS server: %s", strerror(-err));
}

void resolver_stop(struct resolver *r)
{
	int fd;

	if (!r)
		return;
	fd = r->host.fd;
	atomic_store(&r->stop, true);
	work_wait(&r->work); /* nobody watches anything anew from here on */
	hostfd_fini(&r->host);
	wq_remove(&r->entry);
	resolver_tcp_quiet(r->tcp);
	work_wait(&r->work);
	resolver_tcp_free(r->tcp);
	ep_close(r->ep);
	host_close(fd);
	mem_free(r);
}
