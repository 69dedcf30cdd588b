/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inet.c: AF_INET and AF_INET6 sockets: the socket layer's calls made on endpoints of the netstack.
 *
 * The stack is that of the network namespace that a socket was made in (net_ns.h).
 *
 * Endpoints never wait.  Here a call tries, and when the answer is -EAGAIN sleeps at ep_wq() until
 * ep_poll() shows an event that may change it (vfs_wait_ready() stands in line before it looks, so
 * no wake-up is lost), then tries again.
 *
 * SOL_SOCKET's options are kept by the socket layer; those that mean something to an endpoint are
 * passed on by inet_option_changed().
 *
 * Locks: none here; endpoints lock themselves.
 */
#include "sentry/socket/inet.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "netstack/ep.h"
#include "netstack/sockaddr.h"
#include "sentry/proc/proc.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/packet_mmap.h"
#include "sentry/socket/socket.h"
#include "vfs/file.h"
#include "vfs/poll.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

#define RETRY_NS          (10 * NSEC_PER_MSEC) /* ready, and yet refused: memory is short */
#define PKTOPTIONS_MAX    65536                /* bytes of IPV6_2292PKTOPTIONS */

struct inet_sock {
	struct socket s;
	struct ep *ep; /* (c) owned */
	atomic_bool listened;      /* the namespace was told (doors.h) */
	struct packet_rings rings; /* AF_PACKET */
};

static const struct socket_ops inet_stream_ops, inet_dgram_ops;

static struct ep *inet_ep(struct socket *s)
{
	return container_of(s, struct inet_sock, s)->ep;
}

/* ---- life -------------------------------------------------------------------------------------- */

/* A setting of the stack, by its name in /proc/sys/net. */
static int inet_conf(struct stack *s, const char *name)
{
	int index = net_conf_find(name);

	return index < 0 ? 0 : net_conf_get(s, (size_t)index);
}

/* net.ipv4.ping_group_range: ping sockets are for members of these groups (ping_init_sock()). */
static bool inet_in_ping_groups(const struct vfs_ctx *c, struct stack *s)
{
	uint32_t low = (uint32_t)inet_conf(s, "ipv4.ping_group_range_min");
	uint32_t high = (uint32_t)inet_conf(s, "ipv4.ping_group_range_max");

	if (c->cred->fsgid >= low && c->cred->fsgid <= high)
		return true;
	for (uint32_t i = 0; i < c->cred->group_count; i++)
		if (c->cred->groups[i] >= low && c->cred->groups[i] <= high)
			return true;
	return false;
}

static int inet_may_create(const struct vfs_ctx *c, const struct net_ns *net, struct stack *stack, int family,
			   int type, int protocol)
{
	const struct user_ns *owner = net ? net->user_ns : user_ns_init;

	if (family == AF_PACKET)
		return cred_capable_ns(c->cred, owner, CAP_NET_RAW) ? 0 : -EPERM;

	if (type == SOCK_RAW && protocol > 0 && protocol < 256 && !cred_capable_ns(c->cred, owner, CAP_NET_RAW))
		return -EPERM;
	if (type == SOCK_DGRAM && protocol == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6) &&
	    !inet_in_ping_groups(c, stack))
		return -EACCES;
	return 0;
}

/* What the endpoint starts with differs from the socket layer's defaults. */
static void inet_buffer_sizes(struct socket *s)
{
	struct ep *e = inet_ep(s);
	size_t size = sizeof(int);
	int v;

	if (ep_getopt(e, SOL_SOCKET, SO_SNDBUF, &v, &size) == 0)
		atomic_store_explicit(&s->sndbuf, v, memory_order_relaxed);
	size = sizeof(int);
	if (ep_getopt(e, SOL_SOCKET, SO_RCVBUF, &v, &size) == 0)
		atomic_store_explicit(&s->rcvbuf, v, memory_order_relaxed);
}

static int inet_create(struct vfs_ctx *c, struct net_ns *net, int family, int type, int protocol,
		       struct socket **out)
{
	struct stack *stack;
	struct inet_sock *i;
	int err;

	if (net && net->host)
		return family == AF_PACKET ? -EPERM : host_socket_create(c, net, family, type, protocol, out);
	stack = net_ns_stack(net);
	if (!stack)
		return -ENOMEM;
	err = inet_may_create(c, net, stack, family, type, protocol);
	if (err < 0)
		return err;
	i = mem_new(struct inet_sock);
	if (!i)
		return -ENOMEM;
	err = ep_new(stack, family, type, protocol, &i->ep);
	if (err < 0) {
		mem_free(i);
		return err;
	}
	socket_init(&i->s, type == SOCK_STREAM ? &inet_stream_ops : &inet_dgram_ops, family, type,
		    ep_proto(i->ep), c, net);
	inet_buffer_sizes(&i->s);
	if (family != AF_PACKET && (type == SOCK_RAW || ep_proto(i->ep) == IPPROTO_ICMP || ep_proto(i->ep) == IPPROTO_ICMPV6))
		atomic_fetch_or_explicit(&i->s.options, SOCK_OPT_REUSEADDR, memory_order_relaxed); /* INET_PROTOSW_REUSE */
	packet_rings_init(&i->rings);
	ep_set_owner(i->ep, i->s.uid, 0);
	*out = &i->s;
	return 0;
}

static int inet4_create(struct vfs_ctx *c, struct net_ns *net, int type, int protocol,
			struct socket **out)
{
	return inet_create(c, net, AF_INET, type, protocol, out);
}

static int inet6_create(struct vfs_ctx *c, struct net_ns *net, int type, int protocol,
			struct socket **out)
{
	return inet_create(c, net, AF_INET6, type, protocol, out);
}

/* packet(7): the protocol is an ethertype in network order. */
static int packet_create(struct vfs_ctx *c, struct net_ns *net, int type, int protocol,
			 struct socket **out)
{
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	return inet_create(c, net, AF_PACKET, type, ntohs((uint16_t)protocol), out);
}

/* Who looks at the stack's sockets (ss, /proc/net/tcp) finds the descriptor by this number. */
static void inet_file_made(struct socket *s)
{
	ep_set_owner(inet_ep(s), s->uid, s->file->inode->ino);
}

/* s, if it ever listened, may do so no more. */
static void inet_listens(struct socket *s)
{
	if (atomic_load_explicit(&container_of(s, struct inet_sock, s)->listened, memory_order_relaxed))
		net_ns_listening(s->net);
}

static void inet_release(struct socket *s)
{
	struct inet_sock *i = container_of(s, struct inet_sock, s);

	ep_close(i->ep);
	inet_listens(s);
	packet_rings_fini(&i->rings);
	socket_fini(s);
	mem_free(i);
}

/* ---- waiting ----------------------------------------------------------------------------------- */

struct inet_wait {
	struct ep *ep;
	uint32_t events;
};

static bool inet_ready(void *arg)
{
	const struct inet_wait *w = arg;

	return ep_poll(w->ep) & (w->events | POLLERR | POLLHUP);
}

static bool inet_never(void *arg)
{
	(void)arg;
	return false;
}

/*
 * After -EAGAIN: until one of the events.  *seen counts how often there was one without the next
 * try succeeding: then what lacks is nothing that wakes us, and time must pass.
 */
static int inet_wait(struct vfs_ctx *c, struct socket *s, uint32_t events, int64_t deadline_ns,
		     unsigned int *seen)
{
	struct inet_wait w = { .ep = inet_ep(s), .events = events };
	int64_t now, soon;
	int err;

	if (deadline_ns == 0)
		return -EAGAIN;
	if (!inet_ready(&w)) {
		*seen = 0;
	} else if (++*seen > 2) {
		now = clock_mono_ns();
		if (now >= deadline_ns)
			return -EAGAIN;
		soon = MIN(now + RETRY_NS, deadline_ns);
		err = vfs_wait_ready(c, ep_wq(w.ep), events, false, inet_never, NULL, soon);
		if (err == -ERESTARTSYS && deadline_ns != INT64_MAX)
			return -EINTR;
		return err == -ETIMEDOUT ? 0 : err;
	}
	return socket_wait(c, ep_wq(w.ep), 0, false, inet_ready, &w, deadline_ns);
}

/* ---- connections ------------------------------------------------------------------------------- */

/* What an AF_INET6 socket is bound to, or a stream of it connected: a whole address of its own family (datagrams take AF_INET too). */
static int inet6_name_check(const struct socket *s, const struct sock_addr *a)
{
	if (s->family != AF_INET6)
		return 0;
	if (a->size < 24) /* SIN6_LEN_RFC2133 */
		return -EINVAL;
	if (a->storage.ss_family != AF_INET6)
		return s->type == SOCK_RAW ? -EINVAL : -EAFNOSUPPORT;
	return 0;
}

static int inet_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	struct net_addr to;
	int err = inet6_name_check(s, a);

	if (err == 0)
		err = net_addr_from_sockaddr(s->family, &a->storage, a->size, &to);
	if (err < 0)
		return err;
	if (to.port != 0 && s->type != SOCK_RAW &&
	    (s->protocol == IPPROTO_TCP || s->protocol == IPPROTO_UDP || s->protocol == IPPROTO_UDPLITE) &&
	    to.port < inet_conf(net_ns_stack(s->net), "ipv4.ip_unprivileged_port_start") &&
	    !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_BIND_SERVICE))
		return -EACCES;
	return ep_bind(inet_ep(s), &to);
}

/* A connection that has begun: until it is there, or has failed. */
static int inet_connect_wait(struct vfs_ctx *c, struct socket *s, const struct net_addr *to,
			     int64_t deadline_ns, int err)
{
	int begun = err;
	unsigned int seen = 0;

	while (err == -EINPROGRESS || err == -EALREADY) {
		err = inet_wait(c, s, POLLOUT, deadline_ns, &seen);
		if (err == -EAGAIN)
			return begun;
		if (err < 0)
			return err;
		err = ep_connect(inet_ep(s), to);
	}
	return err;
}

static int inet_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock)
{
	int64_t deadline_ns = socket_snd_deadline(s, nonblock);
	struct net_addr to;
	int err = net_addr_from_sockaddr(s->family, &a->storage, a->size, &to);

	if (s->family == AF_PACKET)
		return -EOPNOTSUPP;
	if (err == 0 && s->type == SOCK_STREAM && to.family != AF_UNSPEC)
		err = inet6_name_check(s, a);
	if (err < 0 && s->type == SOCK_STREAM && a->size >= sizeof(sa_family_t) && ep_getpeername(inet_ep(s), &to) == 0)
		return -EISCONN; /* whatever the address is */
	if (err < 0)
		return err;
	err = ep_connect(inet_ep(s), &to);
	if (err == 0 && to.family == AF_UNSPEC)
		inet_listens(s);
	return inet_connect_wait(c, s, &to, deadline_ns, err);
}

static int inet_listen(struct vfs_ctx *c, struct socket *s, int backlog)
{
	struct inet_sock *i = container_of(s, struct inet_sock, s);
	int err = ep_listen(i->ep, backlog);

	(void)c;
	if (err == 0 && s->protocol == IPPROTO_TCP && s->net) {
		atomic_store_explicit(&i->listened, true, memory_order_relaxed);
		net_ns_listening(s->net);
	}
	return err;
}

static int inet_accept(struct vfs_ctx *c, struct socket *s, bool nonblock, struct socket **out,
		       struct sock_addr *peer)
{
	struct net_addr from;
	int64_t deadline_ns = socket_rcv_deadline(s, nonblock);
	struct inet_sock *child = mem_new(struct inet_sock);
	unsigned int seen = 0;
	int err;

	if (!child)
		return -ENOMEM;
	while ((err = ep_accept(inet_ep(s), &child->ep, &from)) == -EAGAIN) {
		err = inet_wait(c, s, POLLIN, deadline_ns, &seen);
		if (err < 0)
			break;
	}
	if (err < 0) {
		mem_free(child);
		return err;
	}
	socket_init_child(&child->s, s);
	inet_buffer_sizes(&child->s);
	ep_set_owner(child->ep, child->s.uid, 0);
	if (peer)
		peer->size = (uint32_t)net_addr_to_sockaddr(&from, &peer->storage);
	*out = &child->s;
	return 0;
}

static int inet_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer)
{
	struct net_addr a;
	int err = peer ? ep_getpeername(inet_ep(s), &a) : ep_getsockname(inet_ep(s), &a);

	(void)c;
	if (err < 0)
		return err;
	out->size = (uint32_t)net_addr_to_sockaddr(&a, &out->storage);
	if (a.family == AF_PACKET) /* no more than there is of the hardware's address */
		out->size = (uint32_t)offsetof(struct sockaddr_ll, sll_addr) + a.halen;
	return 0;
}

static int inet_shutdown(struct vfs_ctx *c, struct socket *s, int how)
{
	int err = ep_shutdown(inet_ep(s), how);

	(void)c;
	inet_listens(s);
	return err;
}

static bool inet_drained(void *arg)
{
	return ep_drained(arg);
}

static void inet_linger(struct vfs_ctx *c, struct socket *s, int64_t timeout_ns)
{
	int64_t deadline_ns = clock_mono_ns() + timeout_ns;

	if (ep_close_begin(inet_ep(s)) > 0)
		(void)vfs_wait_ready(c, ep_wq(inet_ep(s)), 0, false, inet_drained, inet_ep(s), deadline_ns);
}

/* ---- data -------------------------------------------------------------------------------------- */

/* SOL_SOCKET's control messages (__sock_cmsg_send()): the mark of this message; AF_UNIX's are ignored. */
static int inet_send_sol_socket(const struct vfs_ctx *c, const struct socket *s, int type, const void *data,
				size_t size, struct ep_ctl *ctl)
{
	int value;

	switch (type) {
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0;
	case SO_MARK:
		if (!cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_RAW) &&
		    !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_ADMIN))
			return -EPERM;
		if (size != sizeof(ctl->mark))
			return -EINVAL;
		memcpy(&ctl->mark, data, sizeof(ctl->mark));
		ctl->mask |= EP_CTL_MARK;
		return 0;
	case SO_PRIORITY:
		if (size != sizeof(value))
			return -EINVAL;
		memcpy(&value, data, sizeof(value));
		if ((value < 0 || value > 6) && !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_RAW) &&
		    !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_ADMIN))
			return -EPERM;
		return 0; /* of queues there is one */
	case SO_TIMESTAMPING:
		if (size != sizeof(ctl->ts_flags))
			return -EINVAL;
		memcpy(&ctl->ts_flags, data, sizeof(ctl->ts_flags));
		if (ctl->ts_flags & ~(uint32_t)(SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
						SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK))
			return -EINVAL;
		ctl->mask |= EP_CTL_TSTAMPING;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Where a message of an AF_INET6 socket goes to is an address of IPv4. */
static bool inet_sends_mapped(struct socket *s, const struct ep_msg *em)
{
	struct net_addr to;

	if (em->has_addr)
		return ipa_is4(em->addr.ip);
	return ep_getpeername(inet_ep(s), &to) == 0 && ipa_is4(to.ip);
}

/* Of levels only is IPPROTO_IPV6 looked at, and SOL_SOCKET, for the option that has such messages as its value. */
static int inet_parse_control(const struct vfs_ctx *c, struct socket *s, const struct sock_msg *m, struct ep_msg *em, bool option)
{
	struct ep_ctl *ctl = &em->ctl;
	const struct cmsghdr *h = NULL;
	const void *data;
	size_t size;
	int err;

	ctl->net_raw = s->family == AF_INET6 && m->control_size && cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_RAW);
	while ((h = sock_msg_next_control(m, h, &data, &size))) {
		if (h->cmsg_level == SOL_SOCKET) {
			err = inet_send_sol_socket(c, s, h->cmsg_type, data, size, ctl);
			if (err < 0)
				return err;
			continue;
		}
		if (option ? h->cmsg_level != IPPROTO_IPV6 : s->type == SOCK_STREAM)
			continue; /* TCP looks at none of them */
		if (h->cmsg_level == IPPROTO_IP && s->family == AF_INET6 && !inet_sends_mapped(s, em))
			continue;
		err = ep_ctl_parse(ctl, s->family, h->cmsg_level, h->cmsg_type, data, size);
		if (err < 0)
			return err;
	}
	return 0;
}

/* A transfer ends by err after done bytes: what it returns. */
static ssize_t inet_keep_error(struct socket *s, ssize_t done, ssize_t err)
{
	if (done == 0)
		return err;
	if (socket_keeps_error(err))
		ep_keep_error(inet_ep(s), (int)-err);
	return done;
}

/* em is zero but for its flags. */
static int inet_send_parse(const struct vfs_ctx *c, struct socket *s, const struct sock_msg *m, struct ep_msg *em)
{
	int err;

	if (m->addr.size && s->type != SOCK_STREAM) { /* a stream ignores it */
		err = net_addr_from_sockaddr(s->family, &m->addr.storage, m->addr.size, &em->addr);
		if (err == -EAFNOSUPPORT && s->family == AF_INET6 && s->type == SOCK_DGRAM && s->protocol != IPPROTO_ICMPV6)
			err = -EINVAL; /* udpv6_sendmsg() has a word of its own */
		if (err < 0)
			return err;
		em->has_addr = s->family != AF_INET6 || s->protocol == IPPROTO_ICMPV6 || em->addr.family != AF_UNSPEC;
	}
	return inet_parse_control(c, s, m, em, false);
}

static ssize_t inet_send_parsed(struct vfs_ctx *c, struct socket *s, struct sock_msg *m, struct ep_msg *em)
{
	int64_t deadline_ns = socket_snd_deadline(s, m->flags & MSG_DONTWAIT);
	unsigned int seen = 0;
	ssize_t n, done = 0;

	for (;;) {
		em->more = false;
		n = ep_send(inet_ep(s), m->data, em);
		if (n >= 0) {
			done += n;
			if (em->more && !vfs_interrupted(c))
				continue;
			if (s->type != SOCK_STREAM || uio_left(m->data) == 0)
				return done;
			n = n ? 0 : -EAGAIN;
		}
		if (n == 0) {
			seen = 0;
			continue; /* some went out: what of the rest? */
		}
		if (n == -EAGAIN)
			n = inet_wait(c, s, POLLOUT, deadline_ns, &seen);
		if (n < 0)
			return em->ring_seen ? n : inet_keep_error(s, done, n);
	}
}

static ssize_t inet_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	struct ep_msg em = { .flags = (int)m->flags };
	ssize_t n = inet_send_parse(c, s, m, &em);

	if (n == 0)
		n = inet_send_parsed(c, s, m, &em);
	ep_msg_fini(&em);
	return n;
}

static void inet_put_control(void *arg, int level, int type, const void *data, size_t size)
{
	sock_msg_put_control(arg, level, type, data, size);
}

/* One try, with what comes along. */
static ssize_t inet_recv_once(struct socket *s, struct sock_msg *m)
{
	struct ep_msg em = { .flags = (int)m->flags };
	ssize_t n = ep_recv(inet_ep(s), m->data, &em);

	if (n < 0) {
		ep_msg_fini(&em);
		return n;
	}
	m->out_flags |= (unsigned int)em.out_flags;
	if (em.has_addr)
		m->addr.size = (uint32_t)net_addr_to_sockaddr(&em.addr, &m->addr.storage);
	ep_ctl_build(&em, inet_put_control, m);
	ep_msg_fini(&em);
	return n;
}

/* How much a stream's reader waits for (sock_rcvlowat()). */
static size_t inet_target(const struct socket *s, const struct sock_msg *m)
{
	size_t wanted = uio_left(m->data);

	if (s->type != SOCK_STREAM || (m->flags & (MSG_PEEK | MSG_TRUNC | MSG_OOB | MSG_ERRQUEUE)))
		return 1;
	if (m->flags & MSG_WAITALL)
		return wanted;
	return MIN(wanted, (size_t)atomic_load_explicit(&s->rcvlowat, memory_order_relaxed));
}

struct inet_amount {
	struct ep *ep;
	size_t wanted;
};

static bool inet_has_amount(void *arg)
{
	const struct inet_amount *a = arg;

	return ep_query(a->ep, EP_INQ) >= (int)MIN(a->wanted, (size_t)INT_MAX) ||
	       (ep_poll(a->ep) & (POLLRDHUP | POLLHUP | POLLERR | POLLPRI));
}

/* MSG_PEEK with MSG_WAITALL.  An interruption only ends the waiting: what is there is peeked at. */
static void inet_wait_amount(struct vfs_ctx *c, struct socket *s, size_t wanted, int64_t deadline_ns)
{
	struct inet_amount a = { inet_ep(s), wanted };

	if (deadline_ns != 0 && ep_query(a.ep, EP_INQ) > 0)
		(void)socket_wait(c, ep_wq(a.ep), 0, false, inet_has_amount, &a, deadline_ns);
}

/* Reading stops at an urgent byte, and the next one would step over it. */
static bool inet_at_mark(struct socket *s)
{
	return s->type == SOCK_STREAM && ep_query(inet_ep(s), EP_ATMARK) > 0;
}

static ssize_t inet_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	bool nowait = m->flags & (MSG_DONTWAIT | MSG_ERRQUEUE);
	int64_t deadline_ns = socket_rcv_deadline(s, nowait);
	size_t target = inet_target(s, m);
	unsigned int seen = 0;
	ssize_t n, done = 0;

	m->addr.size = 0;
	for (;;) {
		if (s->type == SOCK_STREAM && (m->flags & (MSG_PEEK | MSG_WAITALL | MSG_OOB)) == (MSG_PEEK | MSG_WAITALL))
			inet_wait_amount(c, s, uio_left(m->data), deadline_ns);
		n = inet_recv_once(s, m);
		if (n == 0)
			return done; /* the end, or nothing was asked for */
		if (n > 0) {
			done += n;
			if ((size_t)done >= target || uio_left(m->data) == 0 || inet_at_mark(s))
				return done;
			seen = 0;
			continue;
		}
		if (n == -EAGAIN && (m->flags & MSG_OOB))
			return n; /* urgent data is never waited for */
		if (n == -EAGAIN)
			n = inet_wait(c, s, POLLIN, deadline_ns, &seen);
		if (n < 0)
			return inet_keep_error(s, done, n);
	}
}

static uint32_t inet_poll(struct socket *s, struct poller *p)
{
	poller_add(p, ep_wq(inet_ep(s)));
	return ep_poll(inet_ep(s));
}

/* ---- options ----------------------------------------------------------------------------------- */

/* Capabilities that setting takes, beside those that the socket layer knows. */
static int inet_may_set(const struct vfs_ctx *c, const struct socket *s, int level, int name, const void *value, size_t size)
{
	int on = 0;

	memcpy(&on, value, MIN(size, sizeof(on)));
	if (on && ((level == IPPROTO_IP && name == IP_TRANSPARENT) ||
		   (level == IPPROTO_IPV6 && name == IPV6_TRANSPARENT)) &&
	    !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_RAW) &&
	    !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (level == IPPROTO_IPV6 && (name == IPV6_HOPOPTS || name == IPV6_RTHDRDSTOPTS || name == IPV6_DSTOPTS) &&
	    s->family == AF_INET6 && !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_RAW))
		return -EPERM;
	return 0;
}

static int inet_attach_filter(struct vfs_ctx *c, struct ep *e, const void *value, size_t size)
{
	struct sock_fprog prog;
	struct sock_filter *insns;
	size_t bytes;
	int err;

	if (size != sizeof(prog))
		return -EINVAL;
	memcpy(&prog, value, sizeof(prog));
	if (!prog.filter || prog.len == 0 || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	bytes = prog.len * sizeof(*insns);
	insns = mem_alloc(bytes);
	if (!insns)
		return -ENOMEM;
	err = vfs_copy_in(c, insns, (uint64_t)(uintptr_t)prog.filter, bytes);
	if (err == 0)
		err = ep_setopt(e, SOL_SOCKET, SO_ATTACH_FILTER, insns, bytes);
	mem_free(insns);
	return err;
}

/* An option of SOL_SOCKET that the endpoint has changed by itself. */
static void inet_read_back(struct socket *s, int name, atomic_int *to)
{
	size_t size = sizeof(int);
	int v;

	if (ep_getopt(inet_ep(s), SOL_SOCKET, name, &v, &size) == 0)
		atomic_store_explicit(to, v, memory_order_relaxed);
}

/* IPV6_2292PKTOPTIONS: control messages, of which the extension headers are kept for all that is sent. */
static int inet_set_pktoptions(struct vfs_ctx *c, struct socket *s, const void *value, size_t size)
{
	struct sock_msg m = { .control = value, .control_size = size };
	struct ep_msg em = { .flags = 0 };
	int err = size > PKTOPTIONS_MAX || !sock_msg_control_ok(&m) ? -EINVAL : inet_parse_control(c, s, &m, &em, true);

	if (err == 0)
		ep_set_ext(inet_ep(s), em.ctl.ext);
	ep_msg_fini(&em);
	return err;
}

static int inet_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name,
			   const void *value, size_t size)
{
	int err = inet_may_set(c, s, level, name, value, size);

	if (err < 0)
		return err;
	if (level == SOL_SOCKET && name == SO_ATTACH_FILTER)
		return inet_attach_filter(c, inet_ep(s), value, size);
	if (s->family == AF_INET6 && level == IPPROTO_IPV6 && name == IPV6_2292PKTOPTIONS)
		return inet_set_pktoptions(c, s, value, size);
	if (s->family == AF_PACKET && level == SOL_PACKET && (name == PACKET_RX_RING || name == PACKET_TX_RING))
		return packet_rings_set(&container_of(s, struct inet_sock, s)->rings, inet_ep(s), name == PACKET_TX_RING, value,
					size);
	err = ep_setopt(inet_ep(s), level, name, value, size);
	if (err == 0 && level == IPPROTO_IP && name == IP_TOS)
		inet_read_back(s, SO_PRIORITY, &s->priority);
	return err;
}

static int inet_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
			   size_t *size)
{
	int err;

	(void)c;
	err = ep_getopt(inet_ep(s), level, name, value, size);
	/* do_ip_getsockopt() has another word than do_ip_setsockopt() for levels that it does not know. */
	if (err == -ENOPROTOOPT && s->family == AF_INET && level != SOL_SOCKET && level != IPPROTO_IP &&
	    level != (s->type == SOCK_STREAM ? IPPROTO_TCP : s->type == SOCK_RAW ? 255 : s->protocol == IPPROTO_ICMP ? 0 : IPPROTO_UDP) &&
	    (level != IPPROTO_UDPLITE || s->type != SOCK_DGRAM || s->protocol == IPPROTO_ICMP))
		err = -EOPNOTSUPP;
	return err;
}

static int inet_mmap(struct socket *s, struct mmap_request *r)
{
	if (s->family != AF_PACKET)
		return -ENODEV;
	return packet_rings_mmap(&container_of(s, struct inet_sock, s)->rings, r);
}

struct option_pass {
	int name;
	unsigned int bit; /* of socket->options, or 0: offset names an atomic_int */
	size_t offset;
};

#define PASS_INT(name, member) { name, 0, offsetof(struct socket, member) }

static const struct option_pass option_passes[] = {
	{ SO_DEBUG, SOCK_OPT_DEBUG, 0 },
	{ SO_REUSEADDR, SOCK_OPT_REUSEADDR, 0 },
	{ SO_REUSEPORT, SOCK_OPT_REUSEPORT, 0 },
	{ SO_DONTROUTE, SOCK_OPT_DONTROUTE, 0 },
	{ SO_BROADCAST, SOCK_OPT_BROADCAST, 0 },
	{ SO_KEEPALIVE, SOCK_OPT_KEEPALIVE, 0 },
	{ SO_OOBINLINE, SOCK_OPT_OOBINLINE, 0 },
	{ SO_NO_CHECK, SOCK_OPT_NO_CHECK, 0 },
	{ SO_RXQ_OVFL, SOCK_OPT_RXQ_OVFL, 0 },
	{ SO_TIMESTAMP, SOCK_OPT_TIMESTAMP, 0 },
	{ SO_TIMESTAMPNS, SOCK_OPT_TIMESTAMPNS, 0 },
	{ SO_RCVMARK, SOCK_OPT_RCVMARK, 0 },
	PASS_INT(SO_BUF_LOCK, buf_lock),
	PASS_INT(SO_PRIORITY, priority),
	PASS_INT(SO_MARK, mark),
	PASS_INT(SO_RCVLOWAT, rcvlowat),
	PASS_INT(SO_INCOMING_CPU, incoming_cpu),
};

static int inet_int_option(const struct socket *s, size_t offset)
{
	const atomic_int *v = (const void *)((const char *)s + offset);

	return atomic_load_explicit(v, memory_order_relaxed);
}

static void inet_pass_special(struct socket *s, int name)
{
	struct linger l;
	uint64_t rate;
	int half;

	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		half = inet_int_option(s, offsetof(struct socket, sndbuf)) / 2;
		(void)ep_setopt(inet_ep(s), SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half));
		break;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		half = inet_int_option(s, offsetof(struct socket, rcvbuf)) / 2;
		(void)ep_setopt(inet_ep(s), SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half));
		break;
	case SO_LINGER:
		l.l_onoff = socket_has(s, SOCK_OPT_LINGER);
		l.l_linger = inet_int_option(s, offsetof(struct socket, linger_s));
		(void)ep_setopt(inet_ep(s), SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		break;
	case SO_MAX_PACING_RATE:
		rate = atomic_load_explicit(&s->max_pacing_rate, memory_order_relaxed);
		(void)ep_setopt(inet_ep(s), SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
		break;
	default:
		break; /* the endpoint has nothing to do with it */
	}
}

/* The values were checked by the socket layer: an endpoint takes them. */
static void inet_option_changed(struct socket *s, int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_passes); i++) {
		const struct option_pass *p = &option_passes[i];
		int v;

		if (p->name != name)
			continue;
		v = p->bit ? (int)socket_has(s, p->bit) : inet_int_option(s, p->offset);
		(void)ep_setopt(inet_ep(s), SOL_SOCKET, name, &v, sizeof(v));
		if (name == SO_RCVLOWAT)
			inet_read_back(s, name, &s->rcvlowat); /* there is a limit */
		return;
	}
	inet_pass_special(s, name);
}

static int inet_take_error(struct socket *s)
{
	size_t size = sizeof(int);
	int v = 0;

	return ep_getopt(inet_ep(s), SOL_SOCKET, SO_ERROR, &v, &size) == 0 ? v : 0;
}

static bool inet_listening(struct socket *s)
{
	size_t size = sizeof(int);
	int v = 0;

	return ep_getopt(inet_ep(s), SOL_SOCKET, SO_ACCEPTCONN, &v, &size) == 0 && v;
}

/* ---- requests ---------------------------------------------------------------------------------- */

/* struct timeval or timespec. */
static long inet_ioctl_stamp(struct vfs_ctx *c, struct socket *s, unsigned int cmd, uint64_t arg)
{
	int64_t ns = ep_last_stamp(inet_ep(s)), t[2];

	if (ns < 0)
		return ns;
	t[0] = ns / NSEC_PER_SEC;
	t[1] = ns % NSEC_PER_SEC / (cmd == SIOCGSTAMP_OLD || cmd == SIOCGSTAMP_NEW ? NSEC_PER_USEC : 1);
	return vfs_copy_out(c, arg, t, sizeof(t));
}

static long inet_ioctl(struct vfs_ctx *c, struct socket *s, unsigned int cmd, uint64_t arg)
{
	enum ep_query what;
	int value;

	switch (cmd) {
	case SIOCGSTAMP_OLD:
	case SIOCGSTAMPNS_OLD:
	case SIOCGSTAMP_NEW:
	case SIOCGSTAMPNS_NEW:
		return inet_ioctl_stamp(c, s, cmd, arg);
	case SIOCINQ:
		what = EP_INQ;
		break;
	case SIOCOUTQ:
		what = EP_OUTQ;
		break;
	case SIOCOUTQNSD:
		if (s->type != SOCK_STREAM)
			return -ENOTTY;
		what = EP_OUTQNSD;
		break;
	case SIOCATMARK:
		if (s->type != SOCK_STREAM)
			return -ENOTTY;
		what = EP_ATMARK;
		break;
	default:
		return -ENOTTY;
	}
	if (s->type == SOCK_DGRAM && (s->protocol == IPPROTO_ICMP || s->protocol == IPPROTO_ICMPV6) && s->family != AF_PACKET)
		return -ENOTTY; /* ping sockets have no requests */
	value = ep_query(inet_ep(s), what);
	return value < 0 ? value : vfs_copy_out(c, arg, &value, sizeof(value));
}

static const struct socket_ops inet_stream_ops = {
	.release = inet_release,
	.bind = inet_bind,
	.connect = inet_connect,
	.listen = inet_listen,
	.accept = inet_accept,
	.getname = inet_getname,
	.shutdown = inet_shutdown,
	.send = inet_send,
	.recv = inet_recv,
	.poll = inet_poll,
	.ioctl = inet_ioctl,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.take_error = inet_take_error,
	.file_made = inet_file_made,
	.linger = inet_linger,
	.listening = inet_listening,
};

static const struct socket_ops inet_dgram_ops = {
	.release = inet_release,
	.bind = inet_bind,
	.connect = inet_connect,
	.getname = inet_getname,
	.shutdown = inet_shutdown,
	.send = inet_send,
	.recv = inet_recv,
	.poll = inet_poll,
	.ioctl = inet_ioctl,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.take_error = inet_take_error,
	.file_made = inet_file_made,
	.mmap = inet_mmap,
};

/* ---- start-up ---------------------------------------------------------------------------------- */

static const struct socket_family inet4_family = { .family = AF_INET, .create = inet4_create,
						   .device_ioctl = inet_device_ioctl };
static const struct socket_family inet6_family = { .family = AF_INET6, .create = inet6_create };

static const struct socket_family packet_family = { .family = AF_PACKET, .create = packet_create };

void inet_init(void)
{
	socket_family_register(&inet4_family);
	socket_family_register(&inet6_family);
	socket_family_register(&packet_family);
	proc_net_stack_register(net_ns_stack);
}
