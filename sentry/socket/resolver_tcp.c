/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_tcp.c: the TCP half of resolver.h.  What a program sends to 127.0.0.11:53 goes byte for byte
 * to Docker's DNS server, over a connection that the container's monitor makes (runsc-c/monitor.c): the
 * Sentry asks for it with a byte on the dialer, and gets it as a descriptor, answers in order.  A relay
 * (tcp_relay.h) joins the two.
 *
 * Everything here runs in the resolver's work item, so it needs no lock; wait queue and epoll
 * callbacks only queue that.  A relay ends when the daemon has closed its connection and everything
 * is delivered, or with the first error on either side.  The program's own end of file is not handed
 * on: the daemon answers what it has, and closes after some seconds.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "lib/wq.h"
#include "netstack/ep.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/socket/resolver_impl.h"
#include "sentry/socket/tcp_relay.h"

#define RELAYS  64
#define BACKLOG 16

struct resolver_tcp {
	struct ep *ep;          /* listens */
	struct wq_entry entry;
	struct hostfd dialer;
	struct work *work;
	struct list relays;     /* in the order in which they asked: those without a host side wait for it */
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

static void resolver_accept(struct resolver_tcp *t, struct ep *ep)
{
	struct tcp_relay *r = tcp_relay_new(t->work, ep);

	if (!r)
		return;
	if (t->dialer_gone || host_write(t->dialer.fd, "", 1) != 1) {
		tcp_relay_free(r);
		return;
	}
	list_append(&t->relays, &r->node);
	t->count++;
}

static struct tcp_relay *first_unanswered(struct resolver_tcp *t)
{
	struct tcp_relay *r;

	list_for_each_entry(r, &t->relays, node)
		if (!r->has_host && !r->failed)
			return r;
	return NULL;
}

/* The dialer's answer, for the first that waits for one; false: there is none now. */
static bool dialer_answer(struct resolver_tcp *t)
{
	size_t count = 1;
	struct tcp_relay *r;
	int fd = -1;
	char byte;
	ssize_t n = host_recv_fds(t->dialer.fd, &byte, 1, &fd, &count, MSG_DONTWAIT);
	bool got = n > 0 && count == 1;

	if (n == -EAGAIN || n == -EINTR)
		return false;
	t->dialer_gone |= n <= 0;
	while ((r = first_unanswered(t))) {
		if (got)
			tcp_relay_join(r, fd);
		else
			r->failed = true;
		if (n > 0)
			return true;
	}
	if (got)
		host_close(fd);
	return n > 0;
}

bool resolver_tcp_work(struct resolver_tcp *t)
{
	struct tcp_relay *r, *next;
	struct ep *ep;
	bool more = false;

	if (!t)
		return false;
	while (t->count < RELAYS && ep_accept(t->ep, &ep, NULL) == 0)
		resolver_accept(t, ep);
	while (dialer_answer(t))
		;
	list_for_each_entry_safe(r, next, &t->relays, node) {
		if (r->has_host)
			more |= tcp_relay_step(r);
		if (tcp_relay_is_over(r)) {
			tcp_relay_free(r);
			t->count--;
		} else if (r->has_host) {
			tcp_relay_watch(r);
		}
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
	struct tcp_relay *r;

	if (!t)
		return;
	hostfd_fini(&t->dialer);
	wq_remove(&t->entry);
	list_for_each_entry(r, &t->relays, node)
		tcp_relay_quiet(r);
}

void resolver_tcp_free(struct resolver_tcp *t)
{
	if (!t)
		return;
	while (!list_empty(&t->relays))
		tcp_relay_free(list_first(&t->relays, struct tcp_relay, node));
	ep_close(t->ep);
	mem_free(t);
}
