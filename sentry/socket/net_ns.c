/* SPDX-License-Identifier: Apache-2.0 */
/* net_ns.c: network namespaces: their stacks' beginning and end.  See net_ns.h. */
#include "sentry/socket/net_ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "netstack/ep.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/control/boot.h"
#include "sentry/proc/proc.h"
#include "sentry/socket/doors.h"
#include "sentry/socket/link.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/resolver.h"
#include "sentry/socket/virtual_link.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

#define LO_INDEX  1
#define DRAIN_NS      (300 * NSEC_PER_MSEC)
#define DRAIN_STEP_NS (2 * NSEC_PER_MSEC)
#define LINGER_NS (500 * NSEC_PER_MSEC) /* how often an ended namespace's stack is looked at */

static void net_ns_end(void *arg);
static void net_ns_linger(struct timer *t);

struct net_ns *net_ns_new(struct user_ns *owner)
{
	struct net_ns *ns = mem_new(struct net_ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	ns->id = ns_new_id();
	ns->user_ns = user_ns_get(owner);
	ns->dialer_fd = ns->guard_fd = -1;
	mutex_init(&ns->lock, LOCK_SOCKET);
	list_init(&ns->links);
	list_init(&ns->gone_links);
	list_init(&ns->virtual_links);
	latch_init(&ns->netlink_latch);
	list_init(&ns->netlinks);
	work_init(&ns->end, net_ns_end, ns);
	timer_init(&ns->linger, net_ns_linger);
	return ns;
}

struct net_ns *net_ns_get(struct net_ns *ns)
{
	if (ns)
		ref_get(&ns->ref);
	return ns;
}

void net_ns_put(struct net_ns *ns)
{
	if (ns && ref_put(&ns->ref))
		work_queue(&ns->end);
}

static void net_ns_linger(struct timer *t)
{
	work_queue(&container_of(t, struct net_ns, linger)->end);
}

/* Nobody refers to it any more, but for endpoints that are still ending. */
static void net_ns_end(void *arg)
{
	struct net_ns *ns = arg;
	struct stack *s = atomic_load_explicit(&ns->stack, memory_order_acquire);

	resolver_stop(ns->resolver);
	ns->resolver = NULL;
	doors_stop(atomic_exchange(&ns->doors, NULL));
	links_stop(ns);
	virtual_links_stop(ns);
	if (s && !stack_is_idle(s)) {
		timer_arm(&ns->linger, clock_mono_ns() + LINGER_NS);
		return;
	}
	if (s)
		stack_drive_stop(&ns->drive);
	virtual_links_free(ns);
	links_free(ns);
	network_config_free(ns->outside);
	if (ns->dialer_fd >= 0)
		host_close(ns->dialer_fd);
	if (ns->guard_fd >= 0)
		host_close(ns->guard_fd);
	user_ns_put(ns->user_ns);
	mem_free(ns);
}

static int net_ns_unsent(void *arg, const struct ep_info *i)
{
	bool closed = i->state == TCP_FIN_WAIT1 || i->state == TCP_CLOSING || i->state == TCP_LAST_ACK;

	if (!closed || i->wqueue == 0 || ipa_is_loopback(i->remote.ip))
		return 0;
	*(bool *)arg = true;
	return 1;
}

/* Packets wait until it is known where to. */
static int net_ns_unresolved(void *arg, const struct neigh_info *i)
{
	if (i->state != NUD_INCOMPLETE)
		return 0;
	*(bool *)arg = true;
	return 1;
}

void net_ns_drain(struct net_ns *ns)
{
	struct stack *s = net_ns_stack_peek(ns);
	int64_t end = clock_mono_ns() + DRAIN_NS;
	struct waiter w;
	bool found;

	if (!s || list_empty(&ns->links))
		return;
	waiter_init(&w, fiber_self());
	for (;;) {
		found = false;
		(void)ep_for_each(s, IPPROTO_TCP, net_ns_unsent, &found);
		if (!found)
			(void)neigh_for_each(s, net_ns_unresolved, &found);
		links_send_left(ns);
		if (!found || clock_mono_ns() >= end)
			return;
		waiter_prepare(&w);
		(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + DRAIN_STEP_NS);
	}
}

void net_ns_set_dialer(struct net_ns *ns, int fd, int doors)
{
	mutex_lock(&ns->lock);
	if (ns->dialer_fd < 0) {
		ns->dialer_fd = fd;
		fd = -1;
	}
	if (doors >= 0 && !ns->host && !atomic_load_explicit(&ns->doors, memory_order_relaxed)) {
		/* release: pairs with net_ns_listening() */
		atomic_store_explicit(&ns->doors, doors_new(ns, doors), memory_order_release);
		doors = -1;
	}
	mutex_unlock(&ns->lock);
	if (fd >= 0)
		host_close(fd);
	if (doors >= 0)
		host_close(doors);
}

void net_ns_listening(struct net_ns *ns)
{
	doors_look(atomic_load_explicit(&ns->doors, memory_order_acquire));
}

/* ---- host namespaces --------------------------------------------------------------------------- */

#define BIND_PATIENCE_NS (2 * (int64_t)NSEC_PER_SEC)
#define BIND_STEP_NS     (5 * NSEC_PER_MSEC)

/*
 * The monitor offers itself when the container is committed, which for `run` is a moment after its start.  One that has
 * not come in time (that of a pod's sandbox without the capability never does) is not waited for again.
 */
static bool net_ns_wait_dialer(struct net_ns *ns)
{
	int64_t end = clock_mono_ns() + BIND_PATIENCE_NS;
	struct waiter w;
	bool there;

	waiter_init(&w, fiber_self());
	mutex_lock(&ns->lock);
	while (ns->dialer_fd < 0 && !ns->dialer_given_up && clock_mono_ns() < end) {
		mutex_unlock(&ns->lock);
		waiter_prepare(&w);
		(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + BIND_STEP_NS);
		mutex_lock(&ns->lock);
	}
	there = ns->dialer_fd >= 0; /* set once */
	ns->dialer_given_up |= !there;
	mutex_unlock(&ns->lock);
	return there;
}

/* Until the answer to bind_seq; others that came too late are dropped. */
static int net_ns_bind_answer(struct net_ns *ns)
{
	struct pollfd p = { .fd = ns->dialer_fd, .events = POLLIN };
	struct timespec patience = { BIND_PATIENCE_NS / NSEC_PER_SEC, 0 };
	struct net_bind_reply r;

	for (;;) {
		int ready;

		worker_block_begin();
		ready = host_ppoll(&p, 1, &patience);
		worker_block_end();
		if (ready <= 0 || host_read(ns->dialer_fd, &r, sizeof(r)) != sizeof(r))
			return -EACCES;
		if (r.seq == ns->bind_seq)
			return r.error <= 0 && r.error > -4096 ? r.error : -EIO;
	}
}

int net_ns_bind(struct net_ns *ns, int fd, const void *addr, uint32_t size)
{
	struct net_bind_request q = { .size = size };
	struct iovec iov = { &q, sizeof(q) };
	int err = -EACCES;

	if (size > sizeof(q.addr) || !net_ns_wait_dialer(ns))
		return -EACCES;
	memcpy(q.addr, addr, size);
	/* Held over the round trip: requests share the socket, and are rare. */
	mutex_lock(&ns->lock);
	q.seq = ++ns->bind_seq;
	if (host_send_fds(ns->dialer_fd, &iov, 1, &fd, 1) == (ssize_t)sizeof(q))
		err = net_ns_bind_answer(ns);
	mutex_unlock(&ns->lock);
	return err;
}

int net_ns_may_change(const struct net_ns *ns, const struct cred *cred)
{
	return ns && !ns->host && cred_capable_ns(cred, ns->user_ns, CAP_NET_ADMIN) ? 0 : -EPERM;
}

/* ---- the stack --------------------------------------------------------------------------------- */

static void net_ns_random(void *p, size_t size)
{
	char *at = p;

	while (size > 0) {
		ssize_t n = host_getrandom(at, size, 0);

		if (n == -EINTR)
			continue;
		ASSERT(n > 0); /* predictable sequence numbers are worse than none */
		at += n;
		size -= (size_t)n;
	}
}

struct stack *net_ns_stack_peek(const struct net_ns *ns)
{
	/* acquire: pairs with the release in net_ns_stack() */
	return ns ? atomic_load_explicit(&ns->stack, memory_order_acquire) : NULL;
}

struct stack *net_ns_stack(struct net_ns *ns)
{
	struct stack *s = net_ns_stack_peek(ns);

	if (s || !ns)
		return s;
	mutex_lock(&ns->lock);
	s = atomic_load_explicit(&ns->stack, memory_order_relaxed);
	if (!s) {
		s = stack_drive_start(&ns->drive, net_ns_random);
		if (s)
			stack_set_event_fn(s, rtnetlink_event, ns);
		if (s && ns->loopback_up && nic_set_flags(s, LO_INDEX, IFF_UP, IFF_UP) < 0) {
			stack_drive_stop(&ns->drive);
			s = NULL;
		}
		atomic_store_explicit(&ns->stack, s, memory_order_release);
	}
	mutex_unlock(&ns->lock);
	return s;
}

/* ---- /proc/PID/ns/net -------------------------------------------------------------------------- */

static void *net_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set ? net_ns_get(set->net) : NULL;

	ns_set_put(set);
	return ns;
}

static void *net_get(void *ns) { return net_ns_get(ns); }
static void net_put(void *ns) { net_ns_put(ns); }
static uint64_t net_id(const void *ns) { return ((const struct net_ns *)ns)->id; }
static struct user_ns *net_owner(const void *ns) { return ((const struct net_ns *)ns)->user_ns; }

static const struct ns_type_ops net_ops = {
	"net", "net", CLONE_NEWNET, net_of, net_get, net_put, net_id, net_owner, NULL,
};

void net_ns_init(void)
{
	proc_ns_register(NS_TYPE_NET, &net_ops);
}
