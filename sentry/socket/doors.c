/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doors.c: see doors.h.
 *
 * One work item does everything, so nothing here needs a lock: it compares the stack's listening endpoints with the
 * doors, asks the monitor for those that lack, takes its answers, accepts, and moves the relays on.  A door is open when
 * the monitor has given its listening socket; one that it could not open (the address is taken out there) stays as it is,
 * so that it is not asked for again and again: only when a door at its port has gone.  One that has been asked for
 * stays until it is answered: its socket may hold the address already, and the next one would not get that.
 *
 * What comes through a door is as trustworthy as what comes over a link: bytes.  Who connects is a program of the
 * host, in this network namespace; to programs inside it comes from loopback.
 */
#include "sentry/socket/doors.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "netstack/ep.h"
#include "netstack/sockaddr.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/control/boot.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/tcp_relay.h"

#define DOORS_MAX  64
#define RELAYS_MAX 256
#define STEPS      16 /* of all relays, before others may run */
#define RETRY_NS   (100 * NSEC_PER_MSEC)

struct door {
	struct list node;
	struct doors *all;
	struct net_addr at;
	bool v6only;
	uint32_t seq;
	bool asked, answered, open, wanted;
	atomic_bool ready;  /* somebody may wait there, and nobody watches it */
	struct hostfd host; /* while open */
};

struct doors {
	struct net_ns *ns; /* which owns us */
	struct hostfd monitor;
	struct work work;
	struct list doors, relays;
	struct timer retry; /* there were no descriptors */
	unsigned int door_count, relay_count;
	uint32_t seq;
	bool gone;         /* the monitor has ended, and so will all this */
	bool quiet;        /* nothing queues the work any more */
	atomic_bool look, stop;
};

static void doors_monitor_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	work_queue(&container_of(h, struct doors, monitor)->work);
}

static void door_ready(struct hostfd *h, uint32_t events)
{
	struct door *d = container_of(h, struct door, host);

	(void)events;
	atomic_store(&d->ready, true);
	work_queue(&d->all->work);
}

static void doors_retry(struct timer *t)
{
	work_queue(&container_of(t, struct doors, retry)->work);
}

/* ---- doors ------------------------------------------------------------------------------------- */

static void door_free(struct door *d)
{
	struct door *o;

	list_remove(&d->node);
	d->all->door_count--;
	/* Those that it was in the way of, and those that there was no room for. */
	list_for_each_entry(o, &d->all->doors, node)
		if (o->at.port == d->at.port && o->answered && !o->open)
			o->asked = o->answered = false;
	atomic_store(&d->all->look, true);
	if (d->open) {
		if (!d->all->quiet)
			hostfd_fini(&d->host);
		host_close(d->host.fd);
	}
	mem_free(d);
}

static bool door_is_at(const struct door *d, const struct ep_info *i)
{
	return d->at.family == i->family && d->at.port == i->local.port && ipa_eq(d->at.ip, i->local.ip) &&
	       d->v6only == (i->family == AF_INET6 && i->v6only);
}

static int doors_find(void *arg, const struct ep_info *i)
{
	struct doors *all = arg;
	struct door *d;

	if (i->state != TCP_LISTEN || i->local.scope != 0)
		return 0;
	list_for_each_entry(d, &all->doors, node) {
		if (door_is_at(d, i)) {
			d->wanted = true;
			return 0;
		}
	}
	d = all->door_count < DOORS_MAX ? mem_new(struct door) : NULL;
	if (!d)
		return 0;
	d->all = all;
	d->at = (struct net_addr){ .family = (uint16_t)i->family, .port = i->local.port, .ip = i->local.ip };
	d->v6only = i->family == AF_INET6 && i->v6only;
	d->wanted = true;
	d->seq = ++all->seq;
	list_append(&all->doors, &d->node);
	all->door_count++;
	return 0;
}

static void doors_compare(struct doors *all, struct stack *s)
{
	struct door *d, *next;

	list_for_each_entry(d, &all->doors, node)
		d->wanted = false;
	if (ep_for_each(s, IPPROTO_TCP, doors_find, all) < 0)
		return;
	list_for_each_entry_safe(d, next, &all->doors, node)
		if (!d->wanted && (!d->asked || d->answered))
			door_free(d);
}

/* False: later. */
static bool door_ask(struct doors *all, struct door *d)
{
	struct net_door_request q = { .seq = d->seq, .v6only = d->v6only };
	struct sockaddr_storage a;
	ssize_t n;

	q.size = (uint32_t)net_addr_to_sockaddr(&d->at, &a);
	memcpy(q.addr, &a, MIN(q.size, sizeof(q.addr)));
	n = host_write(all->monitor.fd, &q, sizeof(q));
	d->asked = n != -EAGAIN && n != -EINTR;
	return d->asked;
}

/* One of the monitor's answers; false: there is none now. */
static bool doors_answer(struct doors *all)
{
	struct net_door_reply r;
	size_t count = 1;
	struct door *d;
	int fd = -1;
	ssize_t n = host_recv_fds(all->monitor.fd, &r, sizeof(r), &fd, &count, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return false;
	all->gone |= n != sizeof(r);
	list_for_each_entry(d, &all->doors, node) {
		if (all->gone || d->seq != r.seq || d->answered)
			continue;
		d->answered = true;
		if (!d->wanted)
			atomic_store(&all->look, true);
		if (count != 1)
			break;
		d->open = hostfd_init(&d->host, fd, door_ready) == 0;
		atomic_store(&d->ready, true);
		if (d->open)
			return true;
		break;
	}
	if (n > 0 && count == 1)
		host_close(fd);
	return !all->gone;
}

/* ---- connections ------------------------------------------------------------------------------- */

/* Where the program that listens at d is reached from inside. */
static struct net_addr door_target(const struct door *d)
{
	struct net_addr a = d->at;

	if (!ipa_is_any(a.ip))
		return a;
	a.ip = d->v6only ? ipa_v6(&in6addr_loopback) : ipa_v4(htonl(INADDR_LOOPBACK));
	a.family = d->v6only ? AF_INET6 : AF_INET;
	return a;
}

static void doors_enter(struct doors *all, struct stack *s, const struct door *d, int fd)
{
	struct net_addr to = door_target(d);
	struct tcp_relay *r = NULL;
	struct ep *ep;
	int err;

	if (ep_new(s, to.family, SOCK_STREAM, 0, &ep) == 0)
		r = tcp_relay_new(&all->work, ep); /* consumes ep */
	if (!r) {
		host_close(fd);
		return;
	}
	r->whole = true;
	tcp_relay_join(r, fd);
	err = ep_connect(ep, &to);
	r->connecting = err == -EINPROGRESS;
	r->failed |= err < 0 && !r->connecting;
	list_append(&all->relays, &r->node);
	all->relay_count++;
}

/*
 * Who comes from outside this network namespace comes over a link, and is to be seen as what it is: a door would show it as
 * loopback.  The host's stack may answer such a peer for a moment, on an interface that is new there.
 */
static bool may_enter(const struct door *d, struct stack *s, const struct sockaddr_storage *a, socklen_t size)
{
	struct net_addr from;

	return net_addr_from_sockaddr(d->at.family, a, MIN((size_t)size, sizeof(*a)), &from) == 0 &&
	       stack_is_own_address(s, from.ip);
}

static void door_accept(struct doors *all, struct stack *s, struct door *d)
{
	struct sockaddr_storage a;
	socklen_t size;
	int fd = 0;

	while (all->relay_count < RELAYS_MAX && fd >= 0) {
		size = sizeof(a);
		fd = host_accept4(d->host.fd, &a, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && may_enter(d, s, &a, size))
			doors_enter(all, s, d, fd);
		else if (fd >= 0)
			host_close(fd);
	}
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM)
		timer_arm(&all->retry, clock_mono_ns() + RETRY_NS); /* who waits there would wake us at once */
	else if (fd < 0) {
		atomic_store(&d->ready, false);
		hostfd_watch(&d->host, EPOLLIN);
	}
}

static bool doors_move(struct doors *all)
{
	struct tcp_relay *r, *next;
	bool more = false;

	list_for_each_entry_safe(r, next, &all->relays, node) {
		more |= tcp_relay_step(r);
		if (tcp_relay_is_over(r)) {
			tcp_relay_free(r);
			all->relay_count--;
		} else {
			tcp_relay_watch(r);
		}
	}
	return more;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void doors_quiet(struct doors *all)
{
	struct tcp_relay *r;
	struct door *d;

	(void)timer_cancel_sync(&all->retry);
	hostfd_fini(&all->monitor);
	list_for_each_entry(d, &all->doors, node)
		if (d->open)
			hostfd_fini(&d->host);
	list_for_each_entry(r, &all->relays, node)
		tcp_relay_quiet(r);
	all->quiet = true;
}

/* The monitor's answers, and what it is to be asked for. */
static void doors_keep(struct doors *all, struct stack *s)
{
	struct door *d;

	while (!all->gone && doors_answer(all))
		;
	/* Again where one has gone. */
	for (int i = 0; i < 2 && atomic_exchange(&all->look, false); i++)
		doors_compare(all, s);
	list_for_each_entry(d, &all->doors, node)
		if (!all->gone && !d->asked && !door_ask(all, d))
			break;
	if (!all->gone)
		hostfd_watch(&all->monitor, EPOLLIN);
}

static void doors_work(void *arg)
{
	struct doors *all = arg;
	struct stack *s = net_ns_stack_peek(all->ns);
	struct door *d;
	bool more = true, full;

	if (!s || atomic_load(&all->stop))
		return;
	doors_keep(all, s);
	list_for_each_entry(d, &all->doors, node)
		if (d->open && atomic_load(&d->ready))
			door_accept(all, s, d);
	full = all->relay_count == RELAYS_MAX; /* then nobody watches the doors */
	for (int i = 0; i < STEPS && more; i++)
		more = doors_move(all);
	if (more || (full && all->relay_count < RELAYS_MAX))
		work_queue(&all->work);
}

struct doors *doors_new(struct net_ns *ns, int fd)
{
	struct doors *all = mem_new(struct doors);

	if (!all || hostfd_init(&all->monitor, fd, doors_monitor_ready) < 0) {
		host_close(fd);
		mem_free(all);
		return NULL;
	}
	all->ns = ns;
	list_init(&all->doors);
	list_init(&all->relays);
	work_init(&all->work, doors_work, all);
	timer_init(&all->retry, doors_retry);
	doors_look(all); /* who listens already */
	return all;
}

void doors_look(struct doors *d)
{
	if (!d)
		return;
	atomic_store(&d->look, true);
	work_queue(&d->work);
}

void doors_stop(struct doors *all)
{
	if (!all)
		return;
	atomic_store(&all->stop, true);
	work_wait(&all->work); /* nobody watches anything anew from here on */
	doors_quiet(all);
	work_wait(&all->work);
	while (!list_empty(&all->relays))
		tcp_relay_free(list_first(&all->relays, struct tcp_relay, node));
	while (!list_empty(&all->doors))
		door_free(list_first(&all->doors, struct door, node));
	host_close(all->monitor.fd);
	mem_free(all);
}
