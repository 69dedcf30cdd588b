/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c: SOL_SOCKET options (socket(7); net/core/sock.c: sk_setsockopt, sk_getsockopt).
 *
 * Switches and plain numbers are rows of tables; what has rules of its own is a function in a
 * table.  What is in none of them goes to the family (SO_PEERCRED and the like).
 *
 * Values are kernel copies; the system call has cut and copied them.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>

#include "sentry/socket/socket.h"
#include "sentry/time/timespec.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

/* Newer than this machine's headers may be. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM 73
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#define BPF_EXTENSIONS 64 /* SKF_AD_MAX */
#define SO_RCVTIMEO_NUMBER_OLD 20
#define SO_SNDTIMEO_NUMBER_OLD 21
#define SO_RCVTIMEO_NUMBER_NEW 66
#define SO_SNDTIMEO_NUMBER_NEW 67

#define PRIORITY_UNPRIVILEGED 6 /* TC_PRIO_INTERACTIVE */

/* ---- switches ---------------------------------------------------------------------------------- */

struct option_switch {
	int name;
	unsigned int bit;
	int cap, cap_error; /* to turn it on; cap 0: none */
};

static const struct option_switch option_switches[] = {
	{ SO_DEBUG, SOCK_OPT_DEBUG, CAP_NET_ADMIN, -EACCES },
	{ SO_REUSEADDR, SOCK_OPT_REUSEADDR, 0, 0 },
	{ SO_REUSEPORT, SOCK_OPT_REUSEPORT, 0, 0 },
	{ SO_DONTROUTE, SOCK_OPT_DONTROUTE, 0, 0 },
	{ SO_BROADCAST, SOCK_OPT_BROADCAST, 0, 0 },
	{ SO_KEEPALIVE, SOCK_OPT_KEEPALIVE, 0, 0 },
	{ SO_OOBINLINE, SOCK_OPT_OOBINLINE, 0, 0 },
	{ SO_PASSCRED, SOCK_OPT_PASSCRED, 0, 0 },
	{ SO_PASSPIDFD, SOCK_OPT_PASSPIDFD, 0, 0 },
	{ SO_PASSSEC, SOCK_OPT_PASSSEC, 0, 0 },
	{ SO_NO_CHECK, SOCK_OPT_NO_CHECK, 0, 0 },
	{ SO_RXQ_OVFL, SOCK_OPT_RXQ_OVFL, 0, 0 },
	{ SO_SELECT_ERR_QUEUE, SOCK_OPT_SELECT_ERR_QUEUE, 0, 0 },
	{ SO_NOFCS, SOCK_OPT_NOFCS, 0, 0 },
	{ SO_WIFI_STATUS, SOCK_OPT_WIFI_STATUS, 0, 0 },
	{ SO_TIMESTAMP, SOCK_OPT_TIMESTAMP, 0, 0 },
	{ SO_TIMESTAMPNS, SOCK_OPT_TIMESTAMPNS, 0, 0 },
	{ SO_PREFER_BUSY_POLL, SOCK_OPT_PREFER_BUSY_POLL, CAP_NET_ADMIN, -EPERM },
	{ SO_RCVMARK, SOCK_OPT_RCVMARK, 0, 0 }, /* may_mark() */
};

/* sk_may_scm_recv(): sockets that nothing of the kind can come by. */
static bool option_is_strange(const struct socket *s, int name)
{
	bool local = s->family == AF_UNIX;

	return (name == SO_PASSCRED || name == SO_PASSSEC) ? !local && s->family != AF_NETLINK :
	       name == SO_PASSPIDFD && !local;
}

static bool may_mark(const struct vfs_ctx *c)
{
	return cred_capable(c->cred, CAP_NET_ADMIN) || cred_capable(c->cred, CAP_NET_RAW);
}

static const struct option_switch *option_switch_find(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_switches); i++)
		if (option_switches[i].name == name)
			return &option_switches[i];
	return NULL;
}

static int option_switch_set(struct vfs_ctx *c, struct socket *s, const struct option_switch *o, int value)
{
	if (value && o->cap && !cred_capable(c->cred, o->cap))
		return o->cap_error;
	if (value && o->name == SO_RCVMARK && !may_mark(c))
		return -EPERM;
	if (value && o->name == SO_REUSEPORT && s->family != AF_INET && s->family != AF_INET6)
		return -EOPNOTSUPP;
	if (value)
		atomic_fetch_or_explicit(&s->options, o->bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&s->options, ~o->bit, memory_order_relaxed);
	return 0;
}

/* ---- numbers and structs ----------------------------------------------------------------------- */

static int load(const atomic_int *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void store(atomic_int *v, int value)
{
	atomic_store_explicit(v, value, memory_order_relaxed);
}

/* The option's value is twice what was asked for: room for bookkeeping (socket(7)). */
static void set_bufsize(struct socket *s, int lock, int value, int max)
{
	unsigned int wanted = MIN((unsigned int)value, (unsigned int)max);

	atomic_fetch_or_explicit(&s->buf_lock, lock, memory_order_relaxed);
	if (lock == SOCK_SNDBUF_LOCKED)
		store(&s->sndbuf, MAX((int)wanted * 2, SOCK_SNDBUF_MIN));
	else
		store(&s->rcvbuf, MAX((int)wanted * 2, SOCK_RCVBUF_MIN));
}

static int option_set_sndbuf(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c;
	set_bufsize(s, SOCK_SNDBUF_LOCKED, value, SOCK_BUF_MAX);
	wq_wake(&s->wq, POLLOUT | POLLWRNORM | POLLWRBAND); /* it may have grown */
	return 0;
}

static int option_set_rcvbuf(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c;
	set_bufsize(s, SOCK_RCVBUF_LOCKED, value, SOCK_BUF_MAX);
	return 0;
}

static int option_force_sndbuf(struct vfs_ctx *c, struct socket *s, int value)
{
	if (!cred_capable(c->cred, CAP_NET_ADMIN))
		return -EPERM;
	set_bufsize(s, SOCK_SNDBUF_LOCKED, MAX(value, 0), INT32_MAX / 2);
	return 0;
}

static int option_force_rcvbuf(struct vfs_ctx *c, struct socket *s, int value)
{
	if (!cred_capable(c->cred, CAP_NET_ADMIN))
		return -EPERM;
	set_bufsize(s, SOCK_RCVBUF_LOCKED, MAX(value, 0), INT32_MAX / 2);
	return 0;
}

static int option_set_priority(struct vfs_ctx *c, struct socket *s, int value)
{
	if ((value < 0 || value > PRIORITY_UNPRIVILEGED) && !may_mark(c))
		return -EPERM;
	store(&s->priority, value);
	return 0;
}

static int option_set_mark(struct vfs_ctx *c, struct socket *s, int value)
{
	if (!may_mark(c))
		return -EPERM;
	store(&s->mark, value);
	return 0;
}

static int option_set_rcvlowat(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c;
	if (value < 0)
		value = INT32_MAX;
	store(&s->rcvlowat, MAX(value, 1));
	return 0;
}

static int option_set_incoming_cpu(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c;
	store(&s->incoming_cpu, value);
	return 0;
}

static int option_set_busy_poll(struct vfs_ctx *c, struct socket *s, int value)
{
	if (value > load(&s->busy_poll) && !cred_capable(c->cred, CAP_NET_ADMIN))
		return -EPERM;
	if (value < 0)
		return -EINVAL;
	store(&s->busy_poll, value);
	return 0;
}

static int option_readonly(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c, (void)s, (void)value;
	return -ENOPROTOOPT;
}

static int option_ignored(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c, (void)s, (void)value;
	return 0;
}

/* There is nothing to poll busily: the packets of a round are the host's. */
static int option_set_busy_poll_budget(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)s;
	if (value > 8 && !cred_capable(c->cred, CAP_NET_ADMIN))
		return -EPERM;
	return value < 0 || value > UINT16_MAX ? -EINVAL : 0;
}

static int option_set_buf_lock(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c;
	if (value & ~(SOCK_SNDBUF_LOCKED | SOCK_RCVBUF_LOCKED))
		return -EINVAL;
	store(&s->buf_lock, value);
	return 0;
}

/* As without memory control groups: nothing is charged to the socket. */
static int option_set_reserve_mem(struct vfs_ctx *c, struct socket *s, int value)
{
	(void)c, (void)s;
	return value < 0 ? -EINVAL : -EOPNOTSUPP;
}

static int option_get_zero(struct socket *s) { (void)s; return 0; }
static int option_get_bpf_extensions(struct socket *s) { (void)s; return BPF_EXTENSIONS; }
static int option_get_buf_lock(struct socket *s) { return load(&s->buf_lock); }
static int option_get_sndbuf(struct socket *s) { return load(&s->sndbuf); }
static int option_get_rcvbuf(struct socket *s) { return load(&s->rcvbuf); }
static int option_get_priority(struct socket *s) { return load(&s->priority); }
static int option_get_mark(struct socket *s) { return load(&s->mark); }
static int option_get_rcvlowat(struct socket *s) { return load(&s->rcvlowat); }
static int option_get_incoming_cpu(struct socket *s) { return load(&s->incoming_cpu); }
static int option_get_busy_poll(struct socket *s) { return load(&s->busy_poll); }
static int option_get_type(struct socket *s) { return s->type; }
static int option_get_domain(struct socket *s) { return s->family; }
static int option_get_protocol(struct socket *s) { return s->protocol; }
static int option_get_one(struct socket *s) { (void)s; return 1; }

static int option_get_error(struct socket *s)
{
	return s->ops->take_error ? s->ops->take_error(s) : 0;
}

static int option_get_acceptconn(struct socket *s)
{
	return s->ops->listening && s->ops->listening(s);
}

struct option_number {
	int name;
	int (*get)(struct socket *s);
	int (*set)(struct vfs_ctx *c, struct socket *s, int value);
};

static const struct option_number option_numbers[] = {
	{ SO_SNDBUF, option_get_sndbuf, option_set_sndbuf },
	{ SO_RCVBUF, option_get_rcvbuf, option_set_rcvbuf },
	{ SO_SNDBUFFORCE, NULL, option_force_sndbuf },
	{ SO_RCVBUFFORCE, NULL, option_force_rcvbuf },
	{ SO_PRIORITY, option_get_priority, option_set_priority },
	{ SO_MARK, option_get_mark, option_set_mark },
	{ SO_RCVLOWAT, option_get_rcvlowat, option_set_rcvlowat },
	{ SO_SNDLOWAT, option_get_one, option_readonly },
	{ SO_BSDCOMPAT, option_get_zero, option_ignored },
	{ SO_BPF_EXTENSIONS, option_get_bpf_extensions, option_readonly },
	{ SO_INCOMING_NAPI_ID, option_get_zero, option_readonly },
	{ SO_CNX_ADVICE, NULL, option_ignored }, /* routes are looked up again when tables change */
	{ SO_BUSY_POLL_BUDGET, NULL, option_set_busy_poll_budget },
	{ SO_BUF_LOCK, option_get_buf_lock, option_set_buf_lock },
	{ SO_RESERVE_MEM, option_get_zero, option_set_reserve_mem },
	{ SO_INCOMING_CPU, option_get_incoming_cpu, option_set_incoming_cpu },
	{ SO_BUSY_POLL, option_get_busy_poll, option_set_busy_poll },
	{ SO_TYPE, option_get_type, option_readonly },
	{ SO_DOMAIN, option_get_domain, option_readonly },
	{ SO_PROTOCOL, option_get_protocol, option_readonly },
	{ SO_ERROR, option_get_error, option_readonly },
	{ SO_ACCEPTCONN, option_get_acceptconn, option_readonly },
};

static const struct option_number *option_number_find(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_numbers); i++)
		if (option_numbers[i].name == name)
			return &option_numbers[i];
	return NULL;
}

/* sock_set_timeout(): 0 is no limit, a negative time is no wait at all. */
static int option_set_timeout(atomic_llong *timeout_ns, const void *value, size_t size)
{
	struct timeval tv;
	int64_t ns = INT64_MAX;

	if (size < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0) {
		ns = 0;
	} else if (tv.tv_sec > 0 || tv.tv_usec > 0) {
		struct timespec ts = { tv.tv_sec, tv.tv_usec * NSEC_PER_USEC };

		ns = timespec_to_ns(&ts);
	}
	atomic_store_explicit(timeout_ns, ns, memory_order_relaxed);
	return 0;
}

static size_t option_get_timeout(const atomic_llong *timeout_ns, void *value)
{
	int64_t ns = atomic_load_explicit(timeout_ns, memory_order_relaxed);
	struct timeval tv = timeval_from_ns(ns == INT64_MAX ? 0 : ns);

	memcpy(value, &tv, sizeof(tv));
	return sizeof(tv);
}

static int option_set_linger(struct socket *s, const void *value, size_t size)
{
	struct linger l;

	if (size < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	if (l.l_onoff) {
		store(&s->linger_s, l.l_linger);
		atomic_fetch_or_explicit(&s->options, SOCK_OPT_LINGER, memory_order_relaxed);
	} else {
		atomic_fetch_and_explicit(&s->options, ~(unsigned int)SOCK_OPT_LINGER,
					  memory_order_relaxed);
	}
	return 0;
}

static int option_set_pacing(struct socket *s, const void *value, size_t size)
{
	uint64_t rate;
	uint32_t small;

	if (size >= sizeof(rate)) {
		memcpy(&rate, value, sizeof(rate));
	} else {
		memcpy(&small, value, sizeof(small));
		rate = small == UINT32_MAX ? UINT64_MAX : small;
	}
	atomic_store_explicit(&s->max_pacing_rate, rate, memory_order_relaxed);
	return 0;
}

/* ---- the calls --------------------------------------------------------------------------------- */

static int socket_set_family_option(struct vfs_ctx *c, struct socket *s, int level, int name,
				    const void *value, size_t size)
{
	if (!s->ops->setsockopt)
		return -ENOPROTOOPT;
	return s->ops->setsockopt(c, s, level, name, value, size);
}

static int socket_set_generic(struct vfs_ctx *c, struct socket *s, int name, const void *value,
			      size_t size)
{
	const struct option_switch *sw;
	const struct option_number *num;
	int number, err = 0;

	if (name == SO_BINDTODEVICE)
		return socket_set_family_option(c, s, SOL_SOCKET, name, value, size);
	if (size < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	if (s->ops->option_refused)
		err = s->ops->option_refused(s, name, number);
	if (err < 0)
		return err;
	if (option_is_strange(s, name))
		return -EOPNOTSUPP;
	sw = option_switch_find(name);
	if (sw)
		return option_switch_set(c, s, sw, number);
	num = option_number_find(name);
	if (num)
		return num->set(c, s, number);
	switch (name) {
	case SO_LINGER:
		return option_set_linger(s, value, size);
	case SO_RCVTIMEO_NUMBER_OLD:
	case SO_RCVTIMEO_NUMBER_NEW:
		return option_set_timeout(&s->rcvtimeo_ns, value, size);
	case SO_SNDTIMEO_NUMBER_OLD:
	case SO_SNDTIMEO_NUMBER_NEW:
		return option_set_timeout(&s->sndtimeo_ns, value, size);
	case SO_MAX_PACING_RATE:
		return option_set_pacing(s, value, size);
	default:
		return socket_set_family_option(c, s, SOL_SOCKET, name, value, size);
	}
}

int socket_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value,
		      size_t size)
{
	int err;

	if (level != SOL_SOCKET)
		return socket_set_family_option(c, s, level, name, value, size);
	err = socket_set_generic(c, s, name, value, size);
	if (err == 0 && (name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW)) /* instead of the old forms */
		atomic_fetch_and_explicit(&s->options, ~(unsigned int)(SOCK_OPT_TIMESTAMP | SOCK_OPT_TIMESTAMPNS),
					  memory_order_relaxed);
	if (err == 0 && s->ops->option_changed)
		s->ops->option_changed(s, name);
	return err;
}

/* Values of more than an int.  The full size, or -ENOPROTOOPT; value has room for 16 bytes. */
static int socket_get_struct(struct socket *s, int name, void *value)
{
	uint64_t wide;
	struct linger l;

	switch (name) {
	case SO_LINGER:
		l.l_onoff = socket_has(s, SOCK_OPT_LINGER);
		l.l_linger = load(&s->linger_s);
		memcpy(value, &l, sizeof(l));
		return sizeof(l);
	case SO_RCVTIMEO_NUMBER_OLD:
	case SO_RCVTIMEO_NUMBER_NEW:
		return (int)option_get_timeout(&s->rcvtimeo_ns, value);
	case SO_SNDTIMEO_NUMBER_OLD:
	case SO_SNDTIMEO_NUMBER_NEW:
		return (int)option_get_timeout(&s->sndtimeo_ns, value);
	case SO_COOKIE:
		memcpy(value, &s->cookie, sizeof(s->cookie));
		return sizeof(s->cookie);
	case SO_MAX_PACING_RATE:
		wide = atomic_load_explicit(&s->max_pacing_rate, memory_order_relaxed);
		memcpy(value, &wide, sizeof(wide));
		return sizeof(wide);
	default:
		return -ENOPROTOOPT;
	}
}

/* The peer's address, cut from the front as sk_getsockopt() does. */
static int socket_get_peername(struct vfs_ctx *c, struct socket *s, void *value, size_t *size)
{
	struct sock_addr a;

	if (socket_getname(c, s, &a, true) < 0)
		return -ENOTCONN;
	if (a.size < *size)
		return -EINVAL;
	memcpy(value, &a.storage, *size);
	return 0;
}

int socket_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
		      size_t *size)
{
	static const struct ucred nobody = { .pid = 0, .uid = UINT32_MAX, .gid = UINT32_MAX };
	const struct option_switch *sw = NULL;
	const struct option_number *num = NULL;
	char full[16];
	int number, len;

	if (level == SOL_SOCKET) {
		if (option_is_strange(s, name))
			return -EOPNOTSUPP;
		sw = option_switch_find(name);
		num = sw ? NULL : option_number_find(name);
	}
	if (sw || (num && num->get)) {
		number = sw ? (int)socket_has(s, sw->bit) : num->get(s);
		len = sizeof(number);
		memcpy(full, &number, sizeof(number));
	} else if (level == SOL_SOCKET && name == SO_PEERNAME) {
		return socket_get_peername(c, s, value, size);
	} else {
		len = level == SOL_SOCKET ? socket_get_struct(s, name, full) : -ENOPROTOOPT;
	}
	if (len < 0) {
		if (level == SOL_SOCKET && s->family != AF_UNIX && (name == SO_PEERGROUPS || name == SO_PEERPIDFD))
			return -ENODATA; /* there are no peers that one knows */
		if (level == SOL_SOCKET && s->family != AF_UNIX && name == SO_PEERCRED) {
			*size = MIN(*size, sizeof(nobody));
			memcpy(value, &nobody, *size);
			return 0;
		}
		if (!s->ops->getsockopt)
			return -ENOPROTOOPT;
		return s->ops->getsockopt(c, s, level, name, value, size);
	}
	if (level == SOL_SOCKET && name == SO_COOKIE && *size < sizeof(s->cookie))
		return -EINVAL;
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE && *size < sizeof(uint64_t)) { /* the older form */
		number = (int)(uint32_t)MIN(atomic_load_explicit(&s->max_pacing_rate, memory_order_relaxed), (uint64_t)UINT32_MAX);
		len = sizeof(number);
		memcpy(full, &number, sizeof(number));
	}
	*size = MIN(*size, (size_t)len);
	memcpy(value, full, *size);
	return 0;
}
