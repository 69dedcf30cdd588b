/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_watch.c: see net_watch.h.  In the monitor, behind its filter.
 *
 * From the Sentry come the interfaces that it has and whether it knows Docker's DNS server.  It may lie: then it is given
 * sockets of this namespace's interfaces twice, or not at all.
 */
#include "runsc-c/net_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/control/control.h"

#define SILENCE_MS 30
#define ROUNDS_MAX 10 /* somebody who never is silent is heard now and then */
#define RETRY_MS   100 /* doubled with each failure */
#define TRIES_MAX  8   /* then only when something changes again */

void net_watch_init(struct net_watch *w)
{
	memset(w, 0, sizeof(*w));
	w->events = w->control = w->rtnl.fd = w->rtnl.udp = w->rtnl.range = -1;
}

void net_watch_close(struct net_watch *w)
{
	w->phase = NET_WATCH_OFF;
	host_close_fd(&w->events);
	host_close_fd(&w->control);
	rtnl_close(&w->rtnl);
}

void net_watch_open(struct net_watch *w)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK,
				 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
					      RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE };
	struct err e = ERR_INIT;

	w->events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (w->events < 0 || bind(w->events, (struct sockaddr *)&a, sizeof(a)) < 0)
		err_errno(&e, errno, "netlink");
	else
		rtnl_open(&w->rtnl, &e);
	if (!err_is(&e))
		return;
	log_warn("network: what changes later is not seen: %s", e.text);
	net_watch_close(w);
}

/* Ends it: the container has ended, or the connection to the Sentry is no good any more. */
static void give_up(struct net_watch *w, const char *what, int err)
{
	if (err != -ESRCH)
		log_info("network: %s: %s: what changes from now on is not seen", what, err_reason(err));
	net_watch_close(w);
}

/* The namespace could not be read, or the Sentry could not do it: perhaps another time. */
static void try_again(struct net_watch *w, const char *what, int err)
{
	if (w->failures++ == 0)
		log_warn("network: %s: %s: a change is not taken over yet", what, err_reason(err));
	w->phase = w->failures < TRIES_MAX ? NET_WATCH_NEWS : NET_WATCH_QUIET;
}

void net_watch_begin(struct net_watch *w, const char *id)
{
	json_t *ask = w->events >= 0 ? control_encode_network(id, NULL) : NULL;
	int err;

	if (w->events < 0)
		return;
	err = ask != NULL ? control_send(w->control, ask, NULL, 0) : -ENOMEM;
	json_decref(ask);
	w->phase = NET_WATCH_HELD;
	if (err < 0)
		give_up(w, "sandbox", err);
}

int net_watch_poll(const struct net_watch *w, struct pollfd *p)
{
	bool waits = w->phase == NET_WATCH_HELD || w->phase == NET_WATCH_ASKED;

	*p = (struct pollfd){ .events = POLLIN };
	p->fd = w->phase == NET_WATCH_OFF ? -1 : waits ? w->control : w->events;
	if (w->phase != NET_WATCH_NEWS)
		return -1;
	return w->failures > 0 ? RETRY_MS << w->failures : SILENCE_MS;
}

static bool is_known(const struct net_watch *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->known_count; i++)
		if (w->known[i] == ifindex)
			return true;
	return false;
}

/* {"ok":true,"links":[2,5],"resolver":false} */
static void on_answer(struct net_watch *w)
{
	json_t *o = NULL, *links, *item;
	int err = control_recv(w->control, &o, NULL, 0, NULL, 5000);
	bool held = w->phase == NET_WATCH_HELD;
	size_t i;

	if (err < 0)
		return give_up(w, "sandbox", err);
	if (!json_is_true(json_object_get(o, "ok"))) {
		err = (int)json_integer_value(json_object_get(o, "errno"));
		json_decref(o);
		if (held || err == ESRCH)
			return give_up(w, "sandbox", -err);
		return try_again(w, "sandbox", -err);
	}
	links = json_object_get(o, "links");
	w->known_count = 0;
	json_array_foreach(links, i, item)
		if (w->known_count < LINKS_MAX)
			w->known[w->known_count++] = (uint32_t)json_integer_value(item);
	w->rtnl.resolver = json_is_true(json_object_get(o, "resolver"));
	json_decref(o);
	w->phase = NET_WATCH_QUIET;
	w->failures = 0;
}

/* Docker's DNS server is new: its answers are to pass the filters that are there. */
static void pass_answers(struct net_watch *w, const struct network_config *n)
{
	int err;

	for (size_t i = 0; i < n->link_count; i++) {
		err = n->links[i].loopback || !is_known(w, n->links[i].ifindex)
			      ? 0 : rtnl_filter_again(&w->rtnl, n->links[i].ifindex);
		if (err < 0)
			log_warn("network: %s: filter: %s", n->links[i].name, err_reason(err));
	}
}

static int collect(struct net_watch *w, struct network_config *n, struct err *e)
{
	struct rtnl *r = &w->rtnl;
	bool had = r->resolver;

	r->n = n;
	n->guard_fd = n->resolver_fd = -1;
	if (rtnl_scrape(r, e) < 0)
		return e->error;
	if (!had)
		rtnl_open_resolver(r);
	if (r->resolver && !had)
		pass_answers(w, n);
	for (size_t i = 0; i < n->link_count; i++) {
		struct net_link_config *l = &n->links[i];

		if (l->loopback || is_known(w, l->ifindex) || rtnl_take_link(r, l, e) == 0)
			continue;
		log_warn("%s", e->text); /* the Sentry goes without it */
		err_clear(e);
	}
	return 0;
}

static void tell(struct net_watch *w, const char *id)
{
	struct network_config *n = mem_new(struct network_config);
	struct err e = ERR_INIT;
	int fds[LINKS_MAX + 1], err = -ENOMEM;
	size_t count = 0;
	json_t *o = NULL;

	w->rtnl.buffer = mem_alloc(RTNL_BUFFER);
	if (n != NULL && w->rtnl.buffer != NULL)
		err = collect(w, n, &e);
	mem_free(w->rtnl.buffer);
	w->rtnl.buffer = NULL;
	if (err == 0) {
		o = control_encode_network(id, n);
		for (size_t i = 0; i < n->link_count; i++)
			if (n->links[i].has_fd)
				fds[count++] = n->links[i].fd;
		if (n->has_resolver)
			fds[count++] = n->resolver_fd;
		err = o != NULL ? control_send(w->control, o, fds, count) : -ENOMEM;
	}
	network_config_free(n);
	w->phase = NET_WATCH_ASKED;
	if (err < 0 && o == NULL)
		try_again(w, err_is(&e) ? e.text : "rtnetlink", err);
	else if (err < 0)
		give_up(w, "sandbox", err); /* part of it may have been sent */
	json_decref(o);
}

/* What happened is not looked at, only that it did: lost events (ENOBUFS) are events too. */
static bool drain(int fd)
{
	char buffer[4096];
	ssize_t n;
	bool any = false;

	while ((n = recv(fd, buffer, sizeof(buffer), 0)) >= 0 || errno == ENOBUFS || errno == EINTR)
		any |= n != 0;
	return any;
}

void net_watch_run(struct net_watch *w, const struct pollfd *p, const char *id)
{
	switch (w->phase) {
	case NET_WATCH_OFF:
		break;
	case NET_WATCH_HELD:
	case NET_WATCH_ASKED:
		if (p->revents != 0)
			on_answer(w);
		break;
	case NET_WATCH_QUIET:
		if (p->revents != 0 && drain(w->events)) {
			w->phase = NET_WATCH_NEWS;
			w->rounds = 0;
		}
		break;
	case NET_WATCH_NEWS:
		if (p->revents == 0 || (drain(w->events) && ++w->rounds >= ROUNDS_MAX))
			tell(w, id);
		break;
	}
}
