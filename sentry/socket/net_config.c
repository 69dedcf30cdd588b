/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_config.c: what the CLI found in the container's network namespace, given to its stack
 * (net_ns_configure(), net_ns.h), and what the monitor finds changed there later (net_ns_update()).
 *
 * The order is that of `ip`: links, up, addresses (which make their prefix routes), routes,
 * neighbours.  Addresses are taken as they are, without duplicate address detection: the host's
 * kernel has had them before.
 *
 * A change is the difference of two looks at the host's side, and nothing else is touched: what programs inside have
 * added or removed stays so.  Interfaces are told apart by the host's numbers; inside a number may be another's
 * already, so that link_index() translates.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
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

static int fill_addr(uint32_t ifindex, const struct net_addr_config *c, struct addr_info *out)
{
	struct addr_info a = { .ifindex = ifindex, .plen = (uint8_t)c->plen, .scope = (uint8_t)c->scope,
			       .nodad = 1, .valid_until_ns = INT64_MAX,
			       .preferred_until_ns = INT64_MAX, .state = ADDR_PERMANENT };
	bool v6 = strchr(c->addr, ':') != NULL;

	if (!parse_ip(c->addr, v6, &a.addr) || !parse_ip(c->peer, v6, &a.peer) ||
	    !parse_ip(c->broadcast, v6, &a.broadcast) || c->plen > (v6 ? 128 : 32))
		return -EINVAL;
	if (!c->peer)
		a.peer = a.addr;
	if (c->flags & IFA_F_DEPRECATED)
		a.preferred_until_ns = 1;
	if (c->label && strlen(c->label) < sizeof(a.label))
		strcpy(a.label, c->label);
	*out = a;
	return 0;
}

static int config_addr(struct stack *s, uint32_t ifindex, const struct net_addr_config *c)
{
	struct addr_info a;
	int err = fill_addr(ifindex, c, &a);

	if (err == 0)
		err = addr_add(s, &a);
	return err == -EEXIST ? 0 : err;
}

static void config_addrs(struct stack *s, uint32_t ifindex, const struct net_link_config *c)
{
	for (size_t i = 0; i < c->addr_count; i++) {
		int err = config_addr(s, ifindex, &c->addrs[i]);

		if (err < 0)
			log_warn("network: %s: address %s/%u: %s", c->name, c->addrs[i].addr,
				 c->addrs[i].plen, strerror(-err));
	}
}

/*
 * What was set for an interface outside (docker's endpoint sysctls, the CNI's tuning plugin, the host's "default" when it was
 * made) is what a container on the host's kernel has.  But the host's kernel takes the advertisements of its links itself, and
 * what comes of them is told from outside, as are link-local addresses; and forwards are for linux.sysctl to ask for.
 */
static bool conf_is_ours(uint32_t key)
{
	return key == IP4_forwarding || key == IP6_forwarding || key == IP6_force_forwarding || key == IP6_accept_ra ||
	       key == IP6_addr_gen_mode || key == IP6_keep_addr_on_down;
}

static int conf_in(const struct net_link_config *c, uint32_t key)
{
	for (size_t i = 0; i + 1 < c->conf_count; i += 2)
		if (c->conf[i] == key)
			return (int)c->conf[i + 1];
	return nic_conf_entries[key].def;
}

/* old: what it was like before; NULL: it is new. */
static void config_conf(struct stack *s, uint32_t ifindex, const struct net_link_config *old, const struct net_link_config *c)
{
	for (uint32_t key = 0; key < NIC_CONF_COUNT; key++) {
		int was = old ? conf_in(old, key) : nic_conf_entries[key].def, now = conf_in(c, key);

		if (was != now && !conf_is_ours(key) && nic_conf_set(s, ifindex, key, now) < 0)
			log_debug("network: %s: %s is not %d here", c->name, nic_conf_entries[key].name, now);
	}
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
		ifindex = link_index(ns, c->ifindex);
	} else if (c->flags & IFF_UP) {
		err = nic_set_mtu(s, LO_INDEX, c->mtu);
	}
	if (err == 0 && !c->loopback && !ns->host) {
		(void)nic_conf_set(s, ifindex, IP6_accept_ra, 0);
		(void)nic_conf_set(s, ifindex, IP6_addr_gen_mode, 1);
		(void)nic_conf_set(s, ifindex, IP6_keep_addr_on_down, 1);
		config_conf(s, ifindex, NULL, c);
	}
	if (err == 0 && (c->flags & IFF_UP))
		err = nic_set_flags(s, ifindex, IFF_UP, IFF_UP);
	if (err == 0)
		config_addrs(s, ifindex, c);
	return err;
}

/* Those by interfaces that are not ours are left out, and what is beyond the bound: the others are ways as well. */
static int fill_hops(struct net_ns *ns, const struct net_route_config *c, struct route_hops **out)
{
	struct route_hops *h = route_hops_new(ROUTE_HOPS_MAX);

	if (!h)
		return -ENOMEM;
	for (size_t i = 0; i < c->hop_count && h->count < ROUTE_HOPS_MAX; i++) {
		const struct net_hop_config *from = &c->hops[i];
		struct route_hop to = { .ifindex = link_index(ns, from->ifindex), .flags = from->flags, .weight = from->weight };

		if (!parse_ip(from->gateway, c->family == AF_INET6, &to.gateway)) {
			route_hops_put(h);
			return -EINVAL;
		}
		if (to.ifindex != 0)
			h->hop[h->count++] = to;
	}
	if (h->count < c->hop_count)
		log_warn("network: route to %s/%u: %u of its %zu next hops", c->dst ? c->dst : "0", c->plen, h->count, c->hop_count);
	*out = h;
	return 0;
}

/* One next hop is a route like others, also in a group: ip-nexthop(8). */
static int fill_way(struct net_ns *ns, const struct net_route_config *c, struct route_info *r)
{
	int err;

	r->ifindex = link_index(ns, c->ifindex);
	r->flags = c->flags;
	if (!parse_ip(c->gateway, c->family == AF_INET6, &r->gateway))
		return -EINVAL;
	if (c->ifindex != 0 && r->ifindex == 0)
		return -ENODEV;
	if (c->hop_count == 0)
		return 0;
	err = fill_hops(ns, c, &r->hops);
	if (err < 0 || r->hops->count > 1)
		return err;
	err = r->hops->count == 0 ? -ENODEV : 0;
	if (err == 0) {
		r->ifindex = r->hops->hop[0].ifindex;
		r->flags = r->hops->hop[0].flags;
		r->gateway = r->hops->hop[0].gateway;
	}
	route_hops_put(r->hops);
	r->hops = NULL;
	return err;
}

/* out->hops is a reference. */
static int fill_route(struct net_ns *ns, const struct net_route_config *c, struct route_info *out)
{
	struct route_info r = {
		.family = (uint8_t)c->family, .plen = (uint8_t)c->plen, .type = (uint8_t)c->type,
		.protocol = (uint8_t)c->protocol, .scope = (uint8_t)c->scope, .tos = (uint8_t)c->tos,
		.table = c->table, .metric = c->metric, .mtu = c->mtu, .expires_ns = INT64_MAX,
	};
	bool v6 = c->family == AF_INET6;
	int err;

	if ((c->family != AF_INET && c->family != AF_INET6) || c->plen > (v6 ? 128 : 32) ||
	    !parse_ip(c->dst, v6, &r.dst) || !parse_ip(c->prefsrc, v6, &r.prefsrc))
		return -EINVAL;
	err = fill_way(ns, c, &r);
	if (err < 0)
		return err;
	*out = r;
	return 0;
}

static int config_route(struct net_ns *ns, struct stack *s, const struct net_route_config *c)
{
	struct route_info r;
	int err = fill_route(ns, c, &r);

	if (err == 0) {
		err = route_add(s, &r, ROUTE_CREATE | ROUTE_EXCL | ROUTE_DOWN);
		route_hops_put(r.hops);
	}
	return err == -EEXIST ? 0 : err; /* the address brought it */
}

static void config_routes(struct net_ns *ns, struct stack *s, const struct net_route_config *r, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = config_route(ns, s, &r[i]);

		if (err < 0)
			log_warn("network: route to %s/%u by interface %u: %s", r[i].dst ? r[i].dst : "0",
				 r[i].plen, r[i].ifindex, strerror(-err));
	}
}

static int config_neigh(struct net_ns *ns, struct stack *s, const struct net_neigh_config *c)
{
	struct neigh_info n = { .ifindex = link_index(ns, c->ifindex), .flags = (uint8_t)c->flags,
				.state = c->state & NUD_PERMANENT ? NUD_PERMANENT : NUD_STALE };
	unsigned int m[6];

	if (!parse_ip(c->addr, strchr(c->addr, ':') != NULL, &n.addr) ||
	    sscanf(c->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return -EINVAL;
	for (unsigned int i = 0; i < 6; i++)
		n.mac[i] = (uint8_t)m[i];
	return neigh_add(s, &n);
}

static void config_neighs(struct net_ns *ns, struct stack *s, const struct net_neigh_config *c)
{
	int err = config_neigh(ns, s, c);

	if (err < 0)
		log_info("network: neighbour %s: %s", c->addr, strerror(-err));
}

static void config_resolver(struct net_ns *ns, struct network_config *n)
{
	if (!n->has_resolver || net_ns_has_resolver(ns))
		return;
	atomic_store_explicit(&ns->shares_dns, true, memory_order_relaxed);
	resolver_start(ns, n->resolver_fd); /* consumes it */
	n->resolver_fd = -1;
}

bool net_ns_has_resolver(struct net_ns *ns)
{
	bool has;

	if (!ns)
		return false;
	mutex_lock(&ns->lock);
	has = ns->resolver != NULL;
	mutex_unlock(&ns->lock);
	return has;
}

void net_ns_configure(struct net_ns *ns, struct network_config *n)
{
	struct stack *s;
	int err;

	if (!n)
		return;
	s = net_ns_stack(ns);
	if (!s || ns->outside) {
		log_error("network: %s", s ? "it is configured already" : "no memory for its stack");
		network_config_free(n);
		return;
	}
	if (n->ipv6_disabled)
		(void)nic_conf_set(s, NIC_CONF_ALL, IP6_disable_ipv6, 1);
	for (size_t i = 0; i < n->link_count; i++) {
		err = config_link(ns, s, &n->links[i]);
		if (err < 0)
			log_warn("network: interface %s: %s", n->links[i].name, strerror(-err));
	}
	if (n->has_guard && ns->guard_fd < 0) {
		ns->guard_fd = n->guard_fd;
		n->guard_fd = -1;
	}
	config_resolver(ns, n);
	config_routes(ns, s, n->routes, n->route_count);
	for (size_t i = 0; i < n->neigh_count; i++)
		config_neighs(ns, s, &n->neighs[i]);
	ns->outside = n;
}

/* ---- changes --------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct net_link_config *find_link(const struct network_config *n, uint32_t ifindex)
{
	for (size_t i = 0; i < n->link_count; i++)
		if (n->links[i].ifindex == ifindex)
			return &n->links[i];
	return NULL;
}

static bool has_addr(const struct net_link_config *l, const struct net_addr_config *a)
{
	for (size_t i = 0; l && i < l->addr_count; i++)
		if (same_text(l->addrs[i].addr, a->addr) && same_text(l->addrs[i].peer, a->peer) &&
		    l->addrs[i].plen == a->plen)
			return true;
	return false;
}

static bool same_hops(const struct net_route_config *a, const struct net_route_config *b)
{
	for (size_t i = 0; i < a->hop_count && a->hop_count == b->hop_count; i++)
		if (a->hops[i].ifindex != b->hops[i].ifindex || a->hops[i].weight != b->hops[i].weight ||
		    a->hops[i].flags != b->hops[i].flags || !same_text(a->hops[i].gateway, b->hops[i].gateway))
			return false;
	return a->hop_count == b->hop_count;
}

static bool same_route(const struct net_route_config *a, const struct net_route_config *b)
{
	return a->family == b->family && a->plen == b->plen && a->type == b->type && a->tos == b->tos &&
	       a->table == b->table && a->metric == b->metric && a->ifindex == b->ifindex && a->scope == b->scope &&
	       same_text(a->dst, b->dst) && same_text(a->gateway, b->gateway) && same_text(a->prefsrc, b->prefsrc) &&
	       same_hops(a, b);
}

/* All routes of a look, to be found by what they say: there may be thousands. */
struct route_set {
	struct hash h;
	struct route_node {
		struct hash_node node;
		const struct net_route_config *route;
	} *nodes;
	const struct network_config *n;
};

static uint64_t route_hash(const struct net_route_config *r)
{
	uint64_t h = hash_u64(r->table, (uint64_t)r->metric << 32 | r->plen << 16 | r->ifindex);

	if (r->dst)
		h = hash_bytes(h, r->dst, strlen(r->dst));
	return r->gateway ? hash_bytes(h, r->gateway, strlen(r->gateway)) : h;
}

/* Without memory for it the set is looked through. */
static void route_set_init(struct route_set *set, const struct network_config *n)
{
	*set = (struct route_set){ .n = n };
	set->nodes = n->route_count ? mem_calloc(n->route_count, sizeof(set->nodes[0])) : NULL;
	if (set->nodes && hash_init(&set->h, MIN(n->route_count, (size_t)4096)) < 0) {
		mem_free(set->nodes);
		set->nodes = NULL;
	}
	for (size_t i = 0; set->nodes && i < n->route_count; i++) {
		set->nodes[i].route = &n->routes[i];
		hash_insert(&set->h, &set->nodes[i].node, route_hash(&n->routes[i]));
	}
}

static void route_set_fini(struct route_set *set)
{
	for (size_t i = 0; set->nodes && i < set->n->route_count; i++)
		hash_remove(&set->h, &set->nodes[i].node);
	if (set->nodes)
		hash_fini(&set->h);
	mem_free(set->nodes);
}

static bool route_set_has(const struct route_set *set, const struct net_route_config *r)
{
	struct hash_node *n;

	if (!set->nodes) {
		for (size_t i = 0; i < set->n->route_count; i++)
			if (same_route(&set->n->routes[i], r))
				return true;
		return false;
	}
	for (n = hash_first(&set->h, route_hash(r)); n; n = hash_next(n))
		if (same_route(container_of(n, struct route_node, node)->route, r))
			return true;
	return false;
}

/* Its name changes only while it is down, as on Linux: if it is up here still, it is taken down for that. */
static void update_name(struct stack *s, uint32_t ifindex, const char *name)
{
	struct nic_info i;
	int err;

	if (nic_info(s, ifindex, &i) < 0)
		return;
	(void)nic_set_flags(s, ifindex, 0, IFF_UP);
	err = nic_set_name(s, ifindex, name);
	if (err < 0)
		log_warn("network: %s can't be called %s: %s", i.name, name, strerror(-err));
	if (i.flags & IFF_UP)
		(void)nic_set_flags(s, ifindex, IFF_UP, IFF_UP);
}

/* What is other than before of an interface that was there; the addresses that it has more. */
static void update_link(struct net_ns *ns, struct stack *s, const struct net_link_config *old,
			const struct net_link_config *c)
{
	uint32_t ifindex = c->loopback ? LO_INDEX : link_index(ns, c->ifindex);
	uint32_t up = (old->flags ^ c->flags) & IFF_UP;
	uint8_t mac[6];
	unsigned int m[6];

	if (ifindex == 0)
		return;
	if (!c->loopback && !same_text(old->name, c->name))
		update_name(s, ifindex, c->name);
	if (old->mtu != c->mtu)
		(void)nic_set_mtu(s, ifindex, c->mtu);
	if (c->mac && !same_text(old->mac, c->mac) &&
	    sscanf(c->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6) {
		for (unsigned int i = 0; i < 6; i++)
			mac[i] = (uint8_t)m[i];
		(void)nic_set_mac(s, ifindex, mac);
	}
	if (!c->loopback)
		config_conf(s, ifindex, old, c);
	if (up)
		(void)nic_set_flags(s, ifindex, c->flags & IFF_UP, IFF_UP);
	for (size_t i = 0; i < c->addr_count; i++)
		if (!has_addr(old, &c->addrs[i]))
			config_addrs(s, ifindex, &(struct net_link_config){ .name = c->name, .addrs = &c->addrs[i], .addr_count = 1 });
}

/* Interfaces, routes and addresses that are no more.  Addresses only where the host's kernel keeps them. */
static void remove_old(struct net_ns *ns, struct stack *s, const struct network_config *old,
		       const struct network_config *n)
{
	bool kept = !old->addrs_taken && !n->addrs_taken;
	struct route_set now_there;
	struct route_info r;
	struct addr_info a;

	for (size_t i = 0; i < old->link_count; i++) {
		const struct net_link_config *l = &old->links[i], *now = find_link(n, l->ifindex);

		if (!now && !l->loopback)
			link_remove(ns, l->ifindex);
		for (size_t k = 0; now && kept && k < l->addr_count; k++)
			if (!has_addr(now, &l->addrs[k]) &&
			    fill_addr(l->loopback ? LO_INDEX : link_index(ns, l->ifindex), &l->addrs[k], &a) == 0)
				(void)addr_del(s, &a); /* inside it may be gone already */
	}
	route_set_init(&now_there, n);
	for (size_t i = 0; kept && i < old->route_count; i++)
		if (!route_set_has(&now_there, &old->routes[i]) && fill_route(ns, &old->routes[i], &r) == 0) {
			(void)route_del(s, &r);
			route_hops_put(r.hops);
		}
	route_set_fini(&now_there);
}

static bool has_ipv6(const struct network_config *n)
{
	for (size_t i = 0; i < n->link_count; i++)
		for (size_t k = 0; k < n->links[i].addr_count; k++)
			if (strchr(n->links[i].addrs[k].addr, ':'))
				return true;
	return false;
}

static void add_new(struct net_ns *ns, struct stack *s, const struct network_config *old, struct network_config *n)
{
	struct route_set before;

	for (size_t i = 0; i < n->link_count; i++) {
		struct net_link_config *l = &n->links[i];
		const struct net_link_config *was = find_link(old, l->ifindex);
		bool there = l->loopback || link_index(ns, l->ifindex) != 0;
		int err = was && there ? 0 : config_link(ns, s, l);

		if (was && there)
			update_link(ns, s, was, l);
		else if (err < 0)
			log_warn("network: interface %s: %s", l->name, strerror(-err));
		for (size_t k = 0; err == 0 && !(was && there) && k < n->neigh_count; k++)
			if (n->neighs[k].ifindex == l->ifindex)
				config_neighs(ns, s, &n->neighs[k]);
	}
	config_resolver(ns, n);
	route_set_init(&before, old);
	for (size_t i = 0; i < n->route_count; i++)
		if (!route_set_has(&before, &n->routes[i]))
			config_routes(ns, s, &n->routes[i], 1);
	route_set_fini(&before);
}

void net_ns_update(struct net_ns *ns, struct network_config *n)
{
	static struct network_config none;
	struct stack *s = net_ns_stack(ns);
	struct network_config *old = ns->outside;

	if (!s) {
		network_config_free(n);
		return;
	}
	remove_old(ns, s, old ? old : &none, n);
	if (old && old->ipv6_disabled) {
		n->ipv6_disabled = !has_ipv6(n);
		if (!n->ipv6_disabled)
			(void)nic_conf_set(s, NIC_CONF_ALL, IP6_disable_ipv6, 0);
	}
	add_new(ns, s, old ? old : &none, n);
	n->addrs_taken |= old && old->addrs_taken;
	ns->outside = n;
	network_config_free(old);
}
