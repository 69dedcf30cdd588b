/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_options.c: options and control messages of host sockets.  See host_socket.h.
 *
 * What may pass stands in platform/host_network_options.tbl, of which the filter is made too: what is not there is
 * ENOPROTOOPT before the host is asked.  Generic options (SOL_SOCKET) are kept by the socket layer and told to the host.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "platform/host_network_options.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/socket.h"
#include "vfs/vfs.h"

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#define PRIORITY_UNPRIVILEGED 6 /* TC_PRIO_INTERACTIVE */
#define OPTION_SIZE_MAX       4096

static bool host_option_may(int level, int name, unsigned int access)
{
	for (size_t i = 0; i < host_option_count; i++)
		if (host_options[i].level == level && host_options[i].name == name)
			return host_options[i].access & access;
	return false;
}

int host_option_set(int fd, const struct socket *s, int level, int name, const void *value, size_t size)
{
	(void)s;
	if (!host_option_may(level, name, HOST_OPTION_SET))
		return -ENOPROTOOPT;
	return host_setsockopt(fd, level, name, value, (socklen_t)MIN(size, (size_t)OPTION_SIZE_MAX));
}

/* do_ip_getsockopt() has another word than do_ip_setsockopt() for levels that it does not know. */
static int host_option_unknown(const struct socket *s, int level)
{
	bool known = level == SOL_SOCKET || level == IPPROTO_IP || level == s->protocol;

	return s->family == AF_INET && !known ? -EOPNOTSUPP : -ENOPROTOOPT;
}

int host_option_get(int fd, const struct socket *s, int level, int name, void *value, size_t *size)
{
	socklen_t have = (socklen_t)MIN(*size, (size_t)OPTION_SIZE_MAX);
	int err;

	if (level == SOL_SOCKET && name == SO_PEERCRED) {
		struct ucred nobody = { .pid = 0, .uid = UINT32_MAX, .gid = UINT32_MAX };

		*size = MIN(*size, sizeof(nobody));
		memcpy(value, &nobody, *size);
		return 0;
	}
	if (!host_option_may(level, name, HOST_OPTION_GET))
		return host_option_unknown(s, level);
	err = host_getsockopt(fd, level, name, value, &have);
	if (err == 0)
		*size = MIN(*size, (size_t)have);
	return err;
}

int host_option_refused(const struct socket *s, int name, int value)
{
	(void)s;
	switch (name) {
	case SO_DEBUG:
		return value ? -EACCES : 0;
	case SO_PRIORITY:
		return value < 0 || value > PRIORITY_UNPRIVILEGED ? -EPERM : 0;
	case SO_MARK:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return -EPERM;
	case SO_BUSY_POLL:
	case SO_PREFER_BUSY_POLL:
		return value ? -EPERM : 0;
	case SO_ZEROCOPY:
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

/* ---- what the socket layer keeps --------------------------------------------------------------- */

static int host_load(const struct socket *s, size_t offset)
{
	const atomic_int *v = (const void *)((const char *)s + offset);

	return atomic_load_explicit(v, memory_order_relaxed);
}

struct host_pass {
	int name;
	unsigned int bit; /* of socket->options, or 0: offset names an atomic_int */
	size_t offset;
};

static const struct host_pass host_passes[] = {
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
	{ SO_PRIORITY, 0, offsetof(struct socket, priority) },
	{ SO_RCVLOWAT, 0, offsetof(struct socket, rcvlowat) },
	{ SO_INCOMING_CPU, 0, offsetof(struct socket, incoming_cpu) },
};

static void host_read_buffer(int fd, int name, atomic_int *out)
{
	socklen_t size = sizeof(int);
	int v;

	if (host_getsockopt(fd, SOL_SOCKET, name, &v, &size) == 0)
		atomic_store_explicit(out, v, memory_order_relaxed);
}

void host_option_buffers(int fd, struct socket *s)
{
	host_read_buffer(fd, SO_SNDBUF, &s->sndbuf);
	host_read_buffer(fd, SO_RCVBUF, &s->rcvbuf);
}

/* With a time its close(2) would sleep: that is done here (socket_ops.linger). */
static void host_set_linger(int fd, const struct socket *s)
{
	bool abort = socket_has(s, SOCK_OPT_LINGER) && host_load(s, offsetof(struct socket, linger_s)) == 0;
	struct linger l = { .l_onoff = abort };

	(void)host_setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

void host_option_changed(int fd, struct socket *s, int name)
{
	uint64_t rate = atomic_load_explicit(&s->max_pacing_rate, memory_order_relaxed);
	int v;

	for (size_t i = 0; i < ARRAY_SIZE(host_passes); i++) {
		const struct host_pass *p = &host_passes[i];

		if (p->name != name)
			continue;
		v = p->bit ? (int)socket_has(s, p->bit) : host_load(s, p->offset);
		(void)host_setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v));
		return;
	}
	switch (name) {
	case SO_SNDBUF:
	case SO_RCVBUF: /* the value is twice what was asked for */
		v = host_load(s, name == SO_SNDBUF ? offsetof(struct socket, sndbuf) :
						     offsetof(struct socket, rcvbuf)) / 2;
		(void)host_setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v));
		host_option_buffers(fd, s);
		break;
	case SO_LINGER:
		host_set_linger(fd, s);
		break;
	case SO_MAX_PACING_RATE:
		(void)host_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
		break;
	default:
		break; /* kept here alone */
	}
}

/* ---- control messages -------------------------------------------------------------------------- */

static const struct {
	int level, type;
} controls[] = {
	{ SOL_SOCKET, SO_TIMESTAMPING },
	{ IPPROTO_IP, IP_PKTINFO }, { IPPROTO_IP, IP_TTL }, { IPPROTO_IP, IP_TOS },
	{ IPPROTO_IPV6, IPV6_PKTINFO }, { IPPROTO_IPV6, IPV6_HOPLIMIT }, { IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_DONTFRAG },
	{ IPPROTO_UDP, UDP_SEGMENT },
};

/* 1: it may pass; 0: it is left out; or why not. */
static int host_control_may(const struct socket *s, int level, int type)
{
	if (level == SOL_SOCKET && (type == SCM_RIGHTS || type == SCM_CREDENTIALS))
		return 0; /* AF_UNIX's: ignored, as by Linux */
	if (level == SOL_SOCKET && type == SO_MARK)
		return -EPERM;
	if (level != SOL_SOCKET && s->type == SOCK_STREAM)
		return 0; /* TCP looks at none of them */
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		if (controls[i].level == level && controls[i].type == type)
			return 1;
	return -EINVAL;
}

ssize_t host_control_build(const struct socket *s, const struct sock_msg *m, void **out)
{
	const struct cmsghdr *h = NULL;
	size_t size, used = 0;
	const void *data;
	char *room = NULL;
	int may;

	while ((h = sock_msg_next_control(m, h, &data, &size))) {
		struct cmsghdr copy = { .cmsg_len = CMSG_LEN(size), .cmsg_level = h->cmsg_level,
					.cmsg_type = h->cmsg_type };

		may = host_control_may(s, h->cmsg_level, h->cmsg_type);
		if (may > 0 && !room) /* each takes as much there as here */
			room = mem_zalloc(CMSG_ALIGN(m->control_size));
		if (may < 0 || (may > 0 && !room)) {
			mem_free(room);
			return may < 0 ? may : -ENOBUFS;
		}
		if (may == 0)
			continue;
		memcpy(room + used, &copy, sizeof(copy));
		memcpy(room + used + CMSG_LEN(0), data, size);
		used += CMSG_SPACE(size);
	}
	*out = room;
	return (ssize_t)MIN(used, CMSG_ALIGN(m->control_size));
}
