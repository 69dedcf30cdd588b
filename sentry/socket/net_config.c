/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_config.c: what the CLI found in the container's network namespace, given to its stack
 * (net_ns_configure(), net_ns.h).
 *
 * The order is that of `ip`: links, up, addresses (which make their prefix routes), routes,
 * neighbours.  Addresses are taken as they are, without duplicate address detection: the host's
 * kernel has had them before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "netstack/stack.h"
#include "sentry/control/boot.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/link.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/resolver.h"

#define LO_INDEX 1

/* NULL is the wildcard.  false: not an address of that family. */
static bool parse_ip(const char *text, bool v6, struct ipa *out)
{
	struct in6_addr six;
	struct in_addr four;

	*out = v6 ? ipa_any6() : ipa_any4();
	if (!text)
		return true;
	if (v6 && inet_pton(AF_INET6, text, &six) == 1)
		*out = ipa_v6(&six);
	else if (!v6 && inet_pton(AF_INET, text, &four) == 1)
		*out = ipa_v4(four.s_addr);
	else
		return false;
	return true;
}

static int config_addr(struct stack *s, uint32_t ifindex, const struct net_addr_config *c)
{
	struct addr_info a = { .ifindex = ifindex, .plen = (uint8_t)c->plen, .scope = (uint8_t)c->scope,
			       .nodad = 1, .valid_until_ns = INT64_MAX,
			       .preferred_until_ns = INT64_MAX, .state = ADDR_PERMANENT };
	bool v6 = strchr(c->addr, ':') != NULL;
	int err;

	if (!parse_ip(c->addr, v6, &a.addr) || !parse_ip(c->peer, v6, &a.peer) ||
	    !parse_ip(c->broadcast, v6, &a.broadcast) || c->plen > (v6 ? 128 : 32))
		return -EINVAL;
	if (!c->peer)
		a.peer = a.addr;
	if (c->flags & IFA_F_DEPRECATED)
		a.preferred_until_ns = 1;
	if (c->label && strlen(c->label) < sizeof(a.label))
		strcpy(a.label, c->label);
	err = addr_add(s, &a);
	return err == -EEXIST ? 0 : err;
}

static int config_link(struct net_ns *ns, struct stack *s, struct net_link_config *c)
{
	uint32_t ifindex = LO_INDEX;
	int err = 0;

	if (!c->loopback) {
		if (ns->host)
			err = host_view_link(ns, c, &ifindex);
		else
			err = c->has_fd ? link_start(ns, c) : -ENODEV;
		ifindex = c->ifindex;
	} else if (c->flags & IFF_UP) {
		err = nic_set_mtu(s, LO_INDEX, c->mtu);
	}
	if (err == 0 && (c->flags & IFF_UP))
		err = nic_set_flags(s, ifindex, IFF_UP, IFF_UP);
	for (size_t i = 0; i < c->addr_count && err == 0; i++) {
		int bad = config_addr(s, ifindex, &c->addrs[i]);

		if (bad < 0)
			log_warn("network: %s: address %s/%u: %s", c->name, c->addrs[i].addr,
				 c->addrs[i].plen, strerror(-bad));
	}
	return err;
}

static int config_route(struct stack *s, const struct net_route_config *c)
{
	struct route_info r = {
		.family = (uint8_t)c->family, .plen = (uint8_t)c->plen, .type = (uint8_t)c->type,
		.protocol = (uint8_t)c->protocol, .scope = (uint8_t)c->scope, .tos = (uint8_t)c->tos,
		.table = c->table, .metric = c->metric, .ifindex = c->ifindex, .mtu = c->mtu,
		.flags = c->flags, .expires_ns = INT64_MAX,
	};
	bool v6 = c->family == AF_INET6;
	int err;

	if ((c->family != AF_INET && c->family != AF_INET6) || c->plen > (v6 ? 128 : 32) ||
	    !parse_ip(c->dst, v6, &r.dst) || !parse_ip(c->gateway, v6, &r.gateway) ||
	    !parse_ip(c->prefsrc, v6, &r.prefsrc))
		return -EINVAL;
	err = route_add(s, &r, ROUTE_CREATE | ROUTE_EXCL);
	return err == -EEXIST ? 0 : err; /* the address brought it */
}

static int config_neigh(struct stack *s, const struct net_neigh_config *c)
{
	struct neigh_info n = { .ifindex = c->ifindex, .flags = (uint8_t)c->flags,
				.state = c->state & NUD_PERMANENT ? NUD_PERMANENT : NUD_STALE };
	unsigned int m[6];

	if (!parse_ip(c->addr, strchr(c->addr, ':') != NULL, &n.addr) ||
	    sscanf(c->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return -EINVAL;
	for (unsigned int i = 0; i < 6; i++)
		n.mac[i] = (uint8_t)m[i];
	return neigh_add(s, &n);
}

void net_ns_configure(struct net_ns *ns, struct network_config *n)
{
	struct stack *s;
	int err;

	if (!n)
		return;
	s = net_ns_stack(ns);
	if (!s) {
		log_error("network: no memory for its stack");
		return;
	}
	if (n->ipv6_disabled)
		(void)net_conf_set(s, (size_t)net_conf_find("ipv6.conf.all.disable_ipv6"), 1);
	for (size_t i = 0; i < n->link_count; i++) {
		err = config_link(ns, s, &n->links[i]);
		if (err < 0)
			log_warn("network: interface %s: %s", n->links[i].name, strerror(-err));
	}
	if (n->has_guard && ns->guard_fd < 0) {
		ns->guard_fd = n->guard_fd;
		n->guard_fd = -1;
	}
	if (n->has_resolver) {
		resolver_start(ns, n->resolver_fd); /* consumes it */
		n->resolver_fd = -1;
	}
	for (size_t i = 0; i < n->route_count; i++) {
		const struct net_route_config *r = &n->routes[i];

		err = config_route(s, r);
		if (err < 0)
			log_warn("network: route to %s/%u by interface %u: %s", r->dst ? r->dst : "0",
				 r->plen, r->ifindex, strerror(-err));
	}
	for (size_t i = 0; i < n->neigh_count; i++) {
		err = config_neigh(s, &n->neighs[i]);
		if (err < 0)
			log_info("network: neighbour %s: %s", n->neighs[i].addr, strerror(-err));
	}
}
