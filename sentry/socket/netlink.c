/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.c: AF_NETLINK sockets: addresses, groups, queues, and the way of a request to its protocol.
 *
 * There is no other side but this kernel: a request is answered within send(2), its answers wait in
 * the sender's queue.  A dump is made whole at once; who asks for more while more than its receive
 * buffer waits gets ENOBUFS (for a later request in one message: from recv(2)), so that a socket's queue is bounded by the buffer and one dump.
 *
 * Locks: net_ns->netlink_latch guards the list of sockets, their port ids and groups; a socket's
 * latch its queue.  In this order.  Events (multicast) come from fibers under anything.
 *
 * Linux: net/netlink/af_netlink.c.
 */
#include "sentry/socket/netlink.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/socket.h"
#include "sentry/task/task.h"
#include "vfs/file.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#define REQUEST_MAX 65536
#define GROUPS_MAX  64

struct nl_msg {
	struct list node;
	uint32_t group; /* 0: an answer */
	size_t size;
	char data[];
};

struct nl_sock {
	struct socket s;
	struct list node;     /* (netlink_latch) */
	uint32_t portid;      /* (netlink_latch) 0: not bound */
	uint64_t groups;      /* (netlink_latch) bit n-1: group n */
	uint32_t peer;        /* (c) after connect: only the kernel, 0 */
	atomic_uint flags;    /* (a) bits 1 << NETLINK_* option */
	struct latch latch;
	struct list queue;    /* (latch) struct nl_msg */
	size_t queued;        /* (latch) bytes */
	bool overrun;         /* (latch) a group's message was lost */
};

static struct nl_sock *nl_of(struct socket *s)
{
	return container_of(s, struct nl_sock, s);
}

/* ---- building ---------------------------------------------------------------------------------- */

static void nl_queue(struct nl_sock *n, const void *data, size_t size, uint32_t group)
{
	size_t bound = (size_t)atomic_load_explicit(&n->s.rcvbuf, memory_order_relaxed);
	struct nl_msg *m = mem_alloc(sizeof(*m) + size);
	bool lost;

	if (m) {
		m->group = group;
		m->size = size;
		memcpy(m->data, data, size);
	}
	latch_lock(&n->latch);
	lost = !m || (group && n->queued + size > bound);
	if (lost) {
		n->overrun |= !(atomic_load_explicit(&n->flags, memory_order_relaxed) &
				(1u << NETLINK_NO_ENOBUFS));
	} else {
		list_append(&n->queue, &m->node);
		n->queued += size;
	}
	latch_unlock(&n->latch);
	if (lost)
		mem_free(m);
	wq_wake(&n->s.wq, POLLIN | POLLRDNORM | (lost ? POLLERR : 0));
}

void nl_begin(struct nl_reply *r, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags | r->flags,
			      .nlmsg_seq = r->seq, .nlmsg_pid = r->portid };
	static const char zero[NLMSG_ALIGNTO];

	r->start = r->b.size;
	buf_put(&r->b, &h, sizeof(h));
	buf_put(&r->b, body, size);
	buf_put(&r->b, zero, NLMSG_ALIGN(size) - size);
}

void nl_attr(struct nl_reply *r, uint16_t type, const void *data, size_t size)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };
	static const char zero[NLA_ALIGNTO];

	buf_put(&r->b, &a, sizeof(a));
	buf_put(&r->b, data, size);
	buf_put(&r->b, zero, NLA_ALIGN(size) - size);
}

size_t nl_put(struct nl_reply *r, const void *data, size_t size)
{
	size_t at = r->b.size;

	buf_put(&r->b, data, size);
	return at;
}

void nl_attr_u32(struct nl_reply *r, uint16_t type, uint32_t v)
{
	nl_attr(r, type, &v, sizeof(v));
}

void nl_attr_u8(struct nl_reply *r, uint16_t type, uint8_t v)
{
	nl_attr(r, type, &v, sizeof(v));
}

void nl_attr_str(struct nl_reply *r, uint16_t type, const char *s)
{
	nl_attr(r, type, s, strlen(s) + 1);
}

void nl_attr_ip(struct nl_reply *r, uint16_t type, struct ipa a)
{
	if (ipa_is4(a))
		nl_attr(r, type, &a.b[12], 4);
	else
		nl_attr(r, type, a.b, 16);
}

size_t nl_nest(struct nl_reply *r, uint16_t type)
{
	size_t at = r->b.size;

	nl_attr(r, type, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_reply *r, size_t nest)
{
	struct nlattr *a;

	if (buf_error(&r->b))
		return;
	a = (void *)(r->b.data + nest);
	a->nla_len = (uint16_t)(r->b.size - nest);
}

void nl_end(struct nl_reply *r)
{
	struct nlmsghdr *h;

	if (buf_error(&r->b))
		return;
	h = (void *)(r->b.data + r->start);
	h->nlmsg_len = (uint32_t)(r->b.size - r->start);
	if (!r->to || r->b.size <= NL_CHUNK || r->start == 0)
		return;
	/* What was whole before goes out; the new one begins the next datagram. */
	nl_queue(r->to, r->b.data, r->start, 0);
	memmove(r->b.data, r->b.data + r->start, r->b.size - r->start);
	r->b.size -= r->start;
	r->start = 0;
}

static void nl_flush(struct nl_reply *r)
{
	if (!buf_error(&r->b) && r->b.size)
		nl_queue(r->to, r->b.data, r->b.size, 0);
	buf_fini(&r->b);
	buf_init(&r->b);
	r->start = 0;
}

/* ---- parsing ----------------------------------------------------------------------------------- */

void nl_parse_attrs(const char *p, size_t left, struct nl_attrs *out)
{
	memset(out, 0, sizeof(*out));
	while (left >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		unsigned int type = a->nla_type & NLA_TYPE_MASK;
		size_t step = NLA_ALIGN((size_t)a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > left)
			return;
		if (type < ARRAY_SIZE(out->tb))
			out->tb[type] = a;
		if (step >= left)
			return;
		p += step;
		left -= step;
	}
}

int nl_parse(const struct nlmsghdr *h, size_t header_size, struct nl_attrs *out)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header_size);

	memset(out, 0, sizeof(*out));
	if (h->nlmsg_len < NLMSG_HDRLEN + header_size)
		return -EINVAL;
	if (h->nlmsg_len > skip)
		nl_parse_attrs((const char *)h + skip, h->nlmsg_len - skip, out);
	return 0;
}

void nl_parse_at(const struct nlattr *a, size_t size, struct nl_attrs *out)
{
	size = MIN(NLA_ALIGN(size), nl_size(a));
	nl_parse_attrs((const char *)nl_data(a) + size, nl_size(a) - size, out);
}

void nl_parse_nested(const struct nlattr *a, struct nl_attrs *out)
{
	nl_parse_attrs(nl_data(a), nl_size(a), out);
}

uint32_t nl_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && nl_size(a) >= sizeof(v))
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

uint8_t nl_u8(const struct nlattr *a)
{
	return a && nl_size(a) ? *(const uint8_t *)nl_data(a) : 0;
}

uint16_t nl_u16be(const struct nlattr *a)
{
	const uint8_t *b = a && nl_size(a) >= 2 ? nl_data(a) : NULL;

	return b ? (uint16_t)(b[0] << 8 | b[1]) : 0;
}

bool nl_ip(const struct nlattr *a, int family, struct ipa *out)
{
	uint32_t four;

	*out = family == AF_INET ? ipa_any4() : ipa_any6();
	if (!a)
		return true;
	if (nl_size(a) < (family == AF_INET ? 4 : 16))
		return false;
	if (family == AF_INET) {
		memcpy(&four, nl_data(a), 4);
		*out = ipa_v4(four);
	} else {
		*out = ipa_v6(nl_data(a));
	}
	return true;
}

/* ---- port ids ---------------------------------------------------------------------------------- */

static bool nl_portid_used_locked(const struct nl_sock *n, uint32_t portid)
{
	struct nl_sock *o;

	list_for_each_entry(o, &n->s.net->netlinks, node)
		if (o->s.protocol == n->s.protocol && o->portid == portid)
			return true;
	return false;
}

/* The process's id, or when that is taken one from the top. */
static int nl_bind_port(struct vfs_ctx *c, struct nl_sock *n, uint32_t wanted)
{
	struct net_ns *net = n->s.net;
	const struct task *t = ctx_task(c);
	uint32_t portid = wanted ? wanted : t ? (uint32_t)task_tgid(t) : 1;
	uint32_t next = (uint32_t)-4096 - (uint32_t)(n->s.cookie & 0xffff);
	int err = 0;

	latch_lock(&net->netlink_latch);
	if (n->portid) {
		err = wanted && wanted != n->portid ? -EINVAL : 0;
	} else if (wanted && nl_portid_used_locked(n, wanted)) {
		err = -EADDRINUSE;
	} else {
		while (nl_portid_used_locked(n, portid))
			portid = next--;
		n->portid = portid;
	}
	latch_unlock(&net->netlink_latch);
	return err;
}

/* ---- requests ---------------------------------------------------------------------------------- */

static void nl_ack(struct nl_request *q, int err)
{
	bool cap = atomic_load_explicit(&q->reply->to->flags, memory_order_relaxed) &
		   (1u << NETLINK_CAP_ACK);
	struct nlmsgerr e = { .error = err, .msg = *q->h };
	size_t rest = q->h->nlmsg_len - NLMSG_HDRLEN;
	bool whole = err && !cap;

	nl_begin(q->reply, NLMSG_ERROR, whole ? 0 : NLM_F_CAPPED, &e, sizeof(e));
	if (whole)
		buf_put(&q->reply->b, (const char *)q->h + NLMSG_HDRLEN, rest);
	nl_end(q->reply);
}

static int nl_protocol(struct nl_request *q, int protocol)
{
	switch (protocol) {
	case NETLINK_ROUTE:
		return rtnetlink_request(q);
	case NETLINK_SOCK_DIAG:
		return sock_diag_request(q);
	default:
		return -EOPNOTSUPP;
	}
}

static void nl_request(struct vfs_ctx *c, struct nl_sock *n, const struct nlmsghdr *h)
{
	struct nl_reply r = { .to = n, .b = BUF_INIT, .seq = h->nlmsg_seq, .portid = n->portid };
	struct nl_request q = { .c = c, .net = n->s.net, .h = h, .reply = &r };
	int err = 0, done = 0;

	q.stack = net_ns_stack(q.net);
	q.strict = atomic_load_explicit(&n->flags, memory_order_relaxed) &
		   (1u << NETLINK_GET_STRICT_CHK);
	if ((h->nlmsg_flags & NLM_F_REQUEST) && h->nlmsg_type >= NLMSG_MIN_TYPE)
		err = q.stack ? nl_protocol(&q, n->s.protocol) : -ENOMEM;
	if (err == 0 && r.flags & NLM_F_MULTI) { /* it was a dump, and takes no acknowledgement */
		nl_begin(&r, NLMSG_DONE, 0, &done, sizeof(done));
		nl_end(&r);
	} else if (err || (h->nlmsg_flags & NLM_F_ACK)) {
		r.flags = 0;
		nl_ack(&q, err);
	}
	nl_flush(&r);
}

/* More waits than the receive buffer holds; lost: and what was asked for is lost. */
static bool nl_full(struct nl_sock *n, bool lost)
{
	bool full;

	latch_lock(&n->latch);
	full = n->queued > (size_t)atomic_load_explicit(&n->s.rcvbuf, memory_order_relaxed);
	n->overrun |= full && lost && !(atomic_load_explicit(&n->flags, memory_order_relaxed) & (1u << NETLINK_NO_ENOBUFS));
	latch_unlock(&n->latch);
	return full;
}

static ssize_t nl_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	const struct sockaddr_nl *to = (const void *)&m->addr.storage;
	struct nl_sock *n = nl_of(s);
	size_t size = uio_left(m->data), left, step;
	char *copy, *at;
	ssize_t got;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr.size) {
		if (m->addr.size < sizeof(*to) || to->nl_family != AF_NETLINK)
			return -EINVAL;
		if (to->nl_pid || (to->nl_groups && !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_ADMIN)))
			return to->nl_pid ? -ECONNREFUSED : -EPERM;
	}
	if (size > REQUEST_MAX)
		return -EMSGSIZE;
	(void)nl_bind_port(c, n, 0);
	if (nl_full(n, false))
		return -ENOBUFS;
	copy = at = mem_alloc(size + NLMSG_HDRLEN); /* never empty, and aligned */
	if (!copy)
		return -ENOBUFS;
	got = uio_get(m->data, copy, size);
	for (left = got > 0 ? (size_t)got : 0; left >= NLMSG_HDRLEN; at += step, left -= step) {
		const struct nlmsghdr *h = (const void *)at;

		if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > left)
			break;
		step = MIN((size_t)NLMSG_ALIGN(h->nlmsg_len), left);
		if (nl_full(n, true))
			break;
		nl_request(c, n, h);
	}
	mem_free(copy);
	return got;
}

/* ---- receiving --------------------------------------------------------------------------------- */

static bool nl_ready(void *arg)
{
	struct nl_sock *n = arg;
	bool ready;

	latch_lock(&n->latch);
	ready = !list_empty(&n->queue) || n->overrun;
	latch_unlock(&n->latch);
	return ready;
}

/* The first message: taken, or with MSG_PEEK copied. */
static int nl_first(struct nl_sock *n, bool peek, struct nl_msg **out)
{
	struct nl_msg *m = NULL, *first;
	int err = 0;

	latch_lock(&n->latch);
	if (n->overrun) {
		n->overrun = false;
		err = -ENOBUFS;
	} else if (list_empty(&n->queue)) {
		err = -EAGAIN;
	} else {
		first = list_entry(n->queue.next, struct nl_msg, node);
		if (peek) {
			m = mem_dup(first, sizeof(*first) + first->size);
			err = m ? 0 : -ENOMEM;
		} else {
			list_remove(&first->node);
			n->queued -= first->size;
			m = first;
		}
	}
	latch_unlock(&n->latch);
	*out = m;
	return err;
}

static ssize_t nl_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	int64_t deadline_ns = socket_rcv_deadline(s, m->flags & MSG_DONTWAIT);
	struct sockaddr_nl *from = (void *)&m->addr.storage;
	struct nl_sock *n = nl_of(s);
	struct nl_msg *msg;
	ssize_t done, size;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	while ((err = nl_first(n, m->flags & MSG_PEEK, &msg)) == -EAGAIN) {
		err = socket_wait(c, &s->wq, POLLIN | POLLERR, false, nl_ready, n, deadline_ns);
		if (err < 0)
			return err;
	}
	if (err < 0)
		return err;
	done = uio_put(m->data, msg->data, MIN(msg->size, uio_left(m->data)));
	if (done >= 0) {
		*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
		if (msg->group && msg->group <= 32)
			from->nl_groups = 1u << (msg->group - 1);
		m->addr.size = sizeof(*from);
		if (atomic_load_explicit(&n->flags, memory_order_relaxed) & (1u << NETLINK_PKTINFO)) {
			struct nl_pktinfo info = { .group = msg->group };

			sock_msg_put_control(m, SOL_NETLINK, NETLINK_PKTINFO, &info, sizeof(info));
		}
		m->scm.has_creds = true; /* of the kernel: 0, 0, 0 */
		if ((size_t)done < msg->size)
			m->out_flags |= MSG_TRUNC;
	}
	size = (ssize_t)msg->size;
	mem_free(msg);
	return done >= 0 && (m->flags & MSG_TRUNC) ? size : done;
}

static uint32_t nl_poll(struct socket *s, struct poller *p)
{
	struct nl_sock *n = nl_of(s);
	uint32_t events = POLLOUT | POLLWRNORM;

	poller_add(p, &s->wq);
	latch_lock(&n->latch);
	if (!list_empty(&n->queue))
		events |= POLLIN | POLLRDNORM;
	if (n->overrun)
		events |= POLLERR;
	latch_unlock(&n->latch);
	return events;
}

/* ---- addresses and groups ---------------------------------------------------------------------- */

static int nl_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	const struct sockaddr_nl *to = (const void *)&a->storage;
	struct nl_sock *n = nl_of(s);
	int err;

	if (a->size < sizeof(*to) || to->nl_family != AF_NETLINK)
		return -EINVAL;
	err = nl_bind_port(c, n, to->nl_pid);
	if (err < 0)
		return err;
	latch_lock(&s->net->netlink_latch);
	n->groups = (n->groups & ~(uint64_t)UINT32_MAX) | to->nl_groups;
	latch_unlock(&s->net->netlink_latch);
	return 0;
}

static int nl_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock)
{
	const struct sockaddr_nl *to = (const void *)&a->storage;

	(void)nonblock;
	if (a->size < sizeof(sa_family_t) || (to->nl_family == AF_NETLINK && a->size < sizeof(*to)))
		return -EINVAL;
	if (to->nl_family == AF_UNSPEC)
		return 0;
	if (to->nl_family != AF_NETLINK)
		return -EINVAL;
	if (to->nl_pid)
		return -ECONNREFUSED; /* nobody but the kernel listens */
	if (to->nl_groups && !cred_capable_ns(c->cred, s->net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	return nl_bind_port(c, nl_of(s), 0);
}

static int nl_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer)
{
	struct sockaddr_nl *a = (void *)&out->storage;
	const struct nl_sock *n = nl_of(s);

	(void)c;
	*a = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	if (!peer) {
		latch_lock(&s->net->netlink_latch);
		a->nl_pid = n->portid;
		a->nl_groups = (uint32_t)n->groups;
		latch_unlock(&s->net->netlink_latch);
	}
	out->size = sizeof(*a);
	return 0;
}

void netlink_multicast(struct net_ns *net, int protocol, uint32_t group, struct nl_reply *r)
{
	struct nl_sock *n;

	latch_lock(&net->netlink_latch);
	if (!buf_error(&r->b) && r->b.size)
		list_for_each_entry(n, &net->netlinks, node)
			if (n->s.protocol == protocol && (n->groups & (1ULL << (group - 1))))
				nl_queue(n, r->b.data, r->b.size, group);
	latch_unlock(&net->netlink_latch);
	buf_fini(&r->b);
}

/* ---- options ----------------------------------------------------------------------------------- */

static int nl_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value,
			 size_t size)
{
	struct nl_sock *n = nl_of(s);
	uint32_t v = 0;

	(void)c;
	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	if (size >= sizeof(v))
		memcpy(&v, value, sizeof(v));
	switch (name) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
		if (v == 0 || v > GROUPS_MAX)
			return -EINVAL;
		latch_lock(&s->net->netlink_latch);
		if (name == NETLINK_ADD_MEMBERSHIP)
			n->groups |= 1ULL << (v - 1);
		else
			n->groups &= ~(1ULL << (v - 1));
		latch_unlock(&s->net->netlink_latch);
		return 0;
	case NETLINK_PKTINFO:
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_NO_ENOBUFS:
	case NETLINK_CAP_ACK:
	case NETLINK_EXT_ACK:
	case NETLINK_GET_STRICT_CHK:
		if (v)
			atomic_fetch_or_explicit(&n->flags, 1u << name, memory_order_relaxed);
		else
			atomic_fetch_and_explicit(&n->flags, ~(1u << name), memory_order_relaxed);
		return 0;
	case NETLINK_LISTEN_ALL_NSID:
		return -EPERM; /* CAP_NET_BROADCAST over the first namespace, which nobody has */
	default:
		return -ENOPROTOOPT;
	}
}

static int nl_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
			 size_t *size)
{
	struct nl_sock *n = nl_of(s);
	uint64_t groups;
	int v;

	(void)c;
	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	switch (name) {
	case NETLINK_LIST_MEMBERSHIPS:
		latch_lock(&s->net->netlink_latch);
		groups = n->groups;
		latch_unlock(&s->net->netlink_latch);
		memcpy(value, &groups, MIN(*size, sizeof(groups)));
		*size = sizeof(groups);
		return 0;
	case NETLINK_PKTINFO:
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_NO_ENOBUFS:
	case NETLINK_CAP_ACK:
	case NETLINK_EXT_ACK:
	case NETLINK_GET_STRICT_CHK:
		if (*size < sizeof(v))
			return -EINVAL;
		v = !!(atomic_load_explicit(&n->flags, memory_order_relaxed) & (1u << name));
		memcpy(value, &v, sizeof(v));
		*size = sizeof(v);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- life -------------------------------------------------------------------------------------- */

static void nl_release(struct socket *s)
{
	struct nl_sock *n = nl_of(s);
	struct list *m;

	latch_lock(&s->net->netlink_latch);
	list_remove(&n->node);
	latch_unlock(&s->net->netlink_latch);
	while ((m = list_shift(&n->queue)))
		mem_free(list_entry(m, struct nl_msg, node));
	socket_fini(s);
	mem_free(n);
}

static const struct socket_ops nl_ops = {
	.release = nl_release,
	.bind = nl_bind,
	.connect = nl_connect,
	.getname = nl_getname,
	.send = nl_send,
	.recv = nl_recv,
	.poll = nl_poll,
	.setsockopt = nl_setsockopt,
	.getsockopt = nl_getsockopt,
};

static int nl_create(struct vfs_ctx *c, struct net_ns *net, int type, int protocol, struct socket **out)
{
	struct nl_sock *n;

	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	/* Device events have no source here: such a socket stays silent, as where nothing is plugged in. */
	if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG && protocol != NETLINK_KOBJECT_UEVENT)
		return -EPROTONOSUPPORT;
	n = net ? mem_new(struct nl_sock) : NULL;
	if (!n)
		return -ENOMEM;
	socket_init(&n->s, &nl_ops, AF_NETLINK, type, protocol, c, net);
	latch_init(&n->latch);
	list_init(&n->queue);
	latch_lock(&net->netlink_latch);
	list_append(&net->netlinks, &n->node);
	latch_unlock(&net->netlink_latch);
	*out = &n->s;
	return 0;
}

int netlink_file_queue(struct file *f, const void *data, size_t size)
{
	struct socket *s = file_socket(f);

	if (!s)
		return -ENOTSOCK;
	if (s->family != AF_NETLINK)
		return -EINVAL;
	if (size)
		nl_queue(nl_of(s), data, size, 0);
	return 0;
}

void netlink_show(struct net_ns *net, struct buf *b)
{
	struct nl_sock *n;

	buf_puts(b, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n");
	if (!net)
		return;
	latch_lock(&net->netlink_latch);
	list_for_each_entry(n, &net->netlinks, node) {
		size_t queued;

		latch_lock(&n->latch);
		queued = n->queued;
		latch_unlock(&n->latch);
		buf_printf(b, "%016x %-3d %-10u %08x %-8zu %-8d %-5d %-8d %-8d %-8llu\n", 0, n->s.protocol,
			   n->portid, (uint32_t)n->groups, queued, 0, 0, 2, 0,
			   n->s.file ? (unsigned long long)n->s.file->inode->ino : 0ULL);
	}
	latch_unlock(&net->netlink_latch);
}

static const struct socket_family netlink_family = { .family = AF_NETLINK, .create = nl_create };

void netlink_init(void)
{
	socket_family_register(&netlink_family);
}
