/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c: routing tables and the lookup (stack.h).
 *
 * Without rules of one's own (rule.c): table local first, then main, then default (kept in main's list with a
 * worse rank); all other tables share a list.  Lists have the longest prefix first, then smaller metric, then age; a sandbox has
 * few routes, and connections keep what they looked up until stack->gen changes.
 *
 * All under stack->tables.  Events are told after it has been dropped.
 */
#include <linux/rtnetlink.h>

#include "netstack/stack_impl.h"

static struct list *route_list(struct stack *s, uint8_t family, uint32_t table)
{
	unsigned int f = family == AF_INET6;

	if (table == RT_TABLE_LOCAL)
		return &s->rt_local[f];
	if (table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT)
		return &s->rt_main[f];
	return &s->rt_other[f];
}

/* Does a come before b? */
static bool route_before(const struct route *a, const struct route *b)
{
	if (a->i.table != b->i.table) /* main before default, numbers otherwise */
		return a->i.table == RT_TABLE_MAIN ||
		       (b->i.table != RT_TABLE_MAIN && a->i.table < b->i.table);
	if (a->plen != b->plen)
		return a->plen > b->plen;
	return a->i.metric < b->i.metric;
}

static bool route_same_key(const struct route *r, const struct route_info *i, unsigned int plen)
{
	return r->i.table == i->table && r->plen == plen && ipa_eq(r->i.dst, i->dst) &&
	       r->i.metric == i->metric && r->i.tos == i->tos;
}

static unsigned int route_plen(const struct route_info *i)
{
	return i->family == AF_INET ? i->plen + IPA_V4_PREFIX_LEN : i->plen;
}

static int route_check(struct stack *s, const struct route_info *i, struct nic **nic)
{
	*nic = NULL;
	if (i->family != AF_INET && i->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (i->plen > (i->family == AF_INET ? 32 : 128))
		return -EINVAL;
	if (ipa_is4(i->dst) != (i->family == AF_INET))
		return -EINVAL;
	if (!ipa_eq(ipa_mask(i->dst, route_plen(i)), i->dst))
		return -EINVAL;
	if (i->type == 0 || i->type > ROUTE_THROW)
		return -EINVAL;
	if (i->type >= ROUTE_BLACKHOLE)
		return 0;
	if (i->ifindex) {
		*nic = nic_peek(s, i->ifindex);
		if (!*nic)
			return -ENODEV;
		if (!nic_up(*nic) && i->type == ROUTE_UNICAST)
			return -ENETDOWN;
	}
	return 0;
}

/* A gateway must be on link: find its interface, or check the given one. */
static int route_resolve_gateway(struct stack *s, const struct route_info *i, struct nic **nic)
{
	struct route_key k = { .dst = i->gateway, .ifindex = i->ifindex };
	struct dst d;
	int err;

	if (ipa_is_any(i->gateway) || (i->flags & RTNH_F_ONLINK))
		return *nic || i->type >= ROUTE_BLACKHOLE ? 0 : -ENODEV;
	if (ipa_is_linklocal(i->gateway) && !ipa_is4(i->gateway))
		return *nic ? 0 : -EINVAL;
	err = route_lookup(s, &k, &d);
	if (err < 0)
		return i->family == AF_INET ? -ENETUNREACH : -EHOSTUNREACH;
	if (d.type != ROUTE_UNICAST || !ipa_eq(d.nexthop, i->gateway))
		return i->family == AF_INET ? -ENETUNREACH : -EHOSTUNREACH;
	if (!*nic)
		*nic = d.nic;
	return 0;
}

static void route_insert(struct stack *s, struct route *r)
{
	struct list *l = route_list(s, r->i.family, r->i.table), *pos;

	list_for_each(pos, l)
		if (route_before(r, list_entry(pos, struct route, node)))
			break;
	list_insert_between(&r->node, pos->prev, pos);
	s->nroutes++;
}

static struct route *route_find_key(struct stack *s, const struct route_info *i)
{
	struct route *r;

	list_for_each_entry(r, route_list(s, i->family, i->table), node)
		if (route_same_key(r, i, route_plen(i)))
			return r;
	return NULL;
}

/* The same route in every respect that makes one. */
static bool route_duplicate(struct stack *s, const struct route_info *i, const struct nic *nic)
{
	struct route *r;

	list_for_each_entry(r, route_list(s, i->family, i->table), node)
		if (route_same_key(r, i, route_plen(i)) && r->nic == nic &&
		    ipa_eq(r->i.gateway, i->gateway) && r->i.type == i->type)
			return true;
	return false;
}

int route_add(struct stack *s, const struct route_info *i, unsigned int flags)
{
	struct route *r, *old = NULL;
	struct nic *nic;
	int err;

	err = route_check(s, i, &nic);
	if (err < 0)
		return err;
	err = route_resolve_gateway(s, i, &nic);
	if (err < 0)
		return err;
	r = mem_new(struct route);
	if (!r)
		return -ENOMEM;
	r->i = *i;
	r->nic = nic;
	r->plen = route_plen(i);
	if (nic)
		r->i.ifindex = nic->ifindex;
	if (r->i.expires_ns == 0)
		r->i.expires_ns = INT64_MAX;

	nrwlock_write(&s->tables);
	old = route_find_key(s, i);
	if (old && (flags & ROUTE_EXCL) && (i->family == AF_INET || route_duplicate(s, i, nic)))
		err = -EEXIST;
	else if (route_duplicate(s, i, nic) && !(flags & ROUTE_REPLACE))
		err = -EEXIST;
	else if (!old && (flags & ROUTE_REPLACE) && !(flags & ROUTE_CREATE))
		err = -ENOENT;
	else if (s->nroutes >= ROUTE_MAX)
		err = -ENOSPC;
	if (err == 0) {
		if (!(old && (flags & ROUTE_REPLACE)))
			old = NULL;
		if (old) {
			list_remove(&old->node);
			s->nroutes--;
		}
		route_insert(s, r);
	}
	nrwlock_write_unlock(&s->tables);
	if (err < 0) {
		mem_free(r);
		return err;
	}
	mem_free(old);
	stack_bump(s);
	stack_event(s, STACK_ROUTE_NEW, &r->i);
	return 0;
}

int route_del(struct stack *s, const struct route_info *i)
{
	struct route *r, *found = NULL;

	if (i->family != AF_INET && i->family != AF_INET6)
		return -EAFNOSUPPORT;
	nrwlock_write(&s->tables);
	list_for_each_entry(r, route_list(s, i->family, i->table), node) {
		if (r->i.table != i->table || r->plen != route_plen(i) ||
		    !ipa_eq(r->i.dst, i->dst))
			continue;
		if ((i->metric && r->i.metric != i->metric) ||
		    (i->ifindex && r->i.ifindex != i->ifindex) ||
		    (!ipa_is_any(i->gateway) && !ipa_eq(r->i.gateway, i->gateway)) ||
		    (i->type && r->i.type != i->type) ||
		    (i->protocol && r->i.protocol != i->protocol))
			continue;
		found = r;
		break;
	}
	if (found) {
		list_remove(&found->node);
		s->nroutes--;
	}
	nrwlock_write_unlock(&s->tables);
	if (!found)
		return -ESRCH;
	stack_bump(s);
	stack_event(s, STACK_ROUTE_DEL, &found->i);
	mem_free(found);
	return 0;
}

/* IPv4 tables are dumped in the order of their destinations, the longer prefix first: fib_table_dump(). */
static void routes_sort(struct route_info *r, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++) {
		struct route_info one = r[i];
		unsigned int k = i;

		for (; k > 0 && memcmp(r[k - 1].dst.b, one.dst.b, sizeof(one.dst.b)) > 0; k--)
			r[k] = r[k - 1];
		r[k] = one;
	}
}

int route_for_each(struct stack *s, int (*fn)(void *arg, const struct route_info *r), void *arg)
{
	struct route_info *copy;
	unsigned int count = 0, max;
	int err = 0;

	/* fn may sleep or call back: give it a copy. */
	nrwlock_read(&s->tables);
	max = s->nroutes;
	copy = mem_calloc(max ? max : 1, sizeof(*copy));
	for (unsigned int f = 0; copy && f < 2; f++) {
		struct list *lists[] = { &s->rt_main[f], &s->rt_local[f], &s->rt_other[f] };
		struct route *r;

		for (unsigned int k = 0; k < ARRAY_SIZE(lists); k++) {
			unsigned int first = count;

			list_for_each_entry(r, lists[k], node)
				if (count < max)
					copy[count++] = r->i;
			if (f == 0)
				routes_sort(copy + first, count - first);
		}
	}
	nrwlock_read_unlock(&s->tables);
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count && err == 0; i++)
		err = fn(arg, &copy[i]);
	mem_free(copy);
	return err;
}

/* Down: unicast routes over n go, as on Linux; local ones stay unless the address goes. */
void route_flush_nic(struct stack *s, struct nic *n, bool down)
{
	struct route *r, *tmp;
	struct list gone;

	list_init(&gone);
	nrwlock_write(&s->tables);
	for (unsigned int f = 0; f < 2; f++) {
		struct list *lists[] = { &s->rt_main[f], &s->rt_other[f], &s->rt_local[f] };

		for (unsigned int k = 0; k < ARRAY_SIZE(lists); k++)
			list_for_each_entry_safe(r, tmp, lists[k], node) {
				if (r->nic != n || (down && r->i.type == ROUTE_LOCAL))
					continue;
				list_remove(&r->node);
				s->nroutes--;
				list_append(&gone, &r->node);
			}
	}
	nrwlock_write_unlock(&s->tables);
	stack_bump(s);
	list_for_each_entry_safe(r, tmp, &gone, node) {
		stack_event(s, STACK_ROUTE_DEL, &r->i);
		mem_free(r);
	}
}

/* ---- lookup ---- */

static bool route_usable(const struct route *r, const struct route_key *k, int64_t now)
{
	if (!ipa_match(k->dst, r->i.dst, r->plen) || r->i.expires_ns <= now)
		return false;
	if (!r->nic)
		return true;
	if (k->ifindex && r->nic->ifindex != k->ifindex && r->i.type != ROUTE_LOCAL)
		return false;
	return r->i.type == ROUTE_LOCAL || nic_up(r->nic);
}

struct route *route_find_locked(struct stack *s, uint8_t family, uint32_t table, const struct route_key *k, int64_t now)
{
	struct route *r;

	list_for_each_entry(r, route_list(s, family, table), node)
		if (r->i.table == table && route_usable(r, k, now))
			return r->i.type == ROUTE_THROW ? NULL : r;
	return NULL;
}

/* 0, or what the rules say instead. */
static int route_match(struct stack *s, const struct route_key *k, int64_t now, struct route **out)
{
	static const uint32_t tables[] = { RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT };
	unsigned int f = !ipa_is4(k->dst);

	if (s->ruled[f])
		return rules_walk_locked(s, k, now, out);
	*out = NULL;
	for (unsigned int i = 0; i < ARRAY_SIZE(tables) && !*out; i++)
		*out = route_find_locked(s, f ? AF_INET6 : AF_INET, tables[i], k, now);
	return *out ? 0 : -ENETUNREACH;
}

static int route_fill(struct stack *s, const struct route_key *k, const struct route *r,
		      struct dst *out)
{
	struct nic *n = r->nic;

	switch (r->i.type) {
	case ROUTE_BLACKHOLE:
		return -EINVAL;
	case ROUTE_UNREACHABLE:
		return -EHOSTUNREACH;
	case ROUTE_PROHIBIT:
		return -EACCES;
	default:
		break;
	}
	out->type = r->i.type;
	out->table = r->i.table;
	out->nexthop = ipa_is_any(r->i.gateway) ? k->dst : r->i.gateway;
	out->src = k->src;
	if (r->i.type == ROUTE_LOCAL) {
		out->nic = nic_peek(s, LO_IFINDEX);
		out->nexthop = k->dst;
		if (ipa_is_any(k->src))
			out->src = ipa_is_multicast(k->dst) ? k->src : k->dst;
	} else {
		out->nic = n;
		if (ipa_is_any(k->src)) {
			if (!ipa_is_any(r->i.prefsrc))
				out->src = r->i.prefsrc;
			else
				addr_select(s, n, ipa_is4(k->dst) ? out->nexthop : k->dst,
					    k->srcprefs, &out->src);
		}
	}
	out->mtu = atomic_load(&out->nic->mtu);
	if (r->i.mtu && r->i.mtu < out->mtu)
		out->mtu = r->i.mtu;
	return 0;
}

/* Multicast and limited broadcast with an interface given, or by the source's interface. */
static bool route_direct(struct stack *s, const struct route_key *k, struct dst *out)
{
	struct nic *n = k->ifindex ? nic_peek(s, k->ifindex) : NULL;
	struct nic_addr *a;

	if (!n && !ipa_is_any(k->src))
		list_for_each_entry(a, &s->addrs, node)
			if (ipa_eq(a->i.addr, k->src)) {
				n = a->nic;
				break;
			}
	if (!n || !nic_up(n))
		return false;
	out->nic = n;
	out->nexthop = k->dst;
	out->src = k->src;
	out->mtu = atomic_load(&n->mtu);
	out->type = ipa_is_multicast(k->dst) ? ROUTE_MULTICAST : ROUTE_BROADCAST;
	if (ipa_is_any(k->src))
		addr_select(s, n, k->dst, k->srcprefs, &out->src);
	return true;
}

/* IPv6 multicast without an interface: the first that can. */
static struct nic *route_any_mcast_nic(struct stack *s)
{
	unsigned int count = atomic_load(&s->nic_count);
	struct nic *lo = NULL;

	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = atomic_load(&s->nics[i]);

		if (!nic_up(n))
			continue;
		if (n->type != LINK_LOOPBACK)
			return n;
		lo = n;
	}
	return lo;
}

int route_lookup(struct stack *s, const struct route_key *key, struct dst *out)
{
	struct route_key k = *key;
	bool multicast = ipa_is_multicast(k.dst);
	unsigned int f = !ipa_is4(k.dst);
	int64_t now = stack_now(s);
	struct route *r = NULL;
	struct dst d = { .valid = true };
	uint32_t pmtu;
	int err = 0;

	if (ipa_is_any(k.dst)) { /* connect to 0.0.0.0 means this host */
		k.dst = f ? ipa_any6() : ipa_v4(htonl(INADDR_LOOPBACK));
		if (f)
			k.dst.b[15] = 1;
	}
	if (ipa_is_any(k.src)) /* of the destination's family */
		k.src = f ? ipa_any6() : ipa_any4();
	d.gen = atomic_load_explicit(&s->gen, memory_order_acquire);
	nrwlock_read(&s->tables);
	if (!((multicast || ipa_is_limited_broadcast(k.dst)) && route_direct(s, &k, &d))) {
		if (multicast && f && !k.ifindex) {
			struct nic *n = route_any_mcast_nic(s);

			k.ifindex = n ? n->ifindex : 0;
			if (!n || !route_direct(s, &k, &d))
				err = -ENETUNREACH;
		} else {
			err = route_match(s, &k, now, &r);
			if (err == 0)
				err = route_fill(s, &k, r, &d);
			if (err == 0 && multicast)
				d.type = ROUTE_MULTICAST, d.nexthop = k.dst;
			if (err == 0 && ipa_is_limited_broadcast(k.dst))
				d.type = ROUTE_BROADCAST, d.nexthop = k.dst;
		}
		/* SO_BINDTODEVICE without a route: taken to be on link, as on Linux. */
		if (err == -ENETUNREACH && k.ifindex && !f) {
			struct nic *n = nic_peek(s, k.ifindex);

			if (n && nic_up(n)) {
				d.nic = n;
				d.nexthop = k.dst;
				d.src = k.src;
				d.mtu = atomic_load(&n->mtu);
				d.type = ROUTE_UNICAST;
				if (ipa_is_any(k.src))
					addr_select(s, n, k.dst, k.srcprefs, &d.src);
				err = 0;
			}
		}
	}
	/* Linux looks for a source first (ip6_route_get_saddr()), which there is none where IPv6 is off. */
	if (err == -ENETUNREACH && f && ipa_is_any(k.src) && !addr_any_v6(s))
		err = -EADDRNOTAVAIL;
	nrwlock_read_unlock(&s->tables);
	if (err < 0) {
		net_add(s, f ? NS_Ip6OutNoRoutes : NS_IpOutNoRoutes, 1);
		return err;
	}
	if (f && ipa_is_any(d.src) && d.type == ROUTE_UNICAST && ipa_is_any(key->src))
		return -EADDRNOTAVAIL;
	if (d.nic->type == LINK_LOOPBACK)
		d.mtu = MIN(d.mtu, 65535U);
	pmtu = pmtu_get(s, k.dst);
	if (pmtu && pmtu < d.mtu)
		d.mtu = pmtu;
	*out = d;
	return 0;
}

int route_get(struct stack *s, struct ipa dst, struct ipa src, uint32_t ifindex,
	      struct route_info *out)
{
	return route_get_for(s, dst, src, ifindex, 0, 0, 0, out);
}

int route_get_for(struct stack *s, struct ipa dst, struct ipa src, uint32_t ifindex, uint32_t mark, uint8_t tos,
		  uint32_t iif, struct route_info *out)
{
	struct route_key k = { .dst = dst, .src = src, .ifindex = ifindex, .mark = mark, .tos = tos, .iif = iif };
	struct dst d;
	int err = route_lookup(s, &k, &d);

	if (err < 0)
		return err;
	memset(out, 0, sizeof(*out));
	out->family = ipa_is4(dst) ? AF_INET : AF_INET6;
	out->plen = ipa_is4(dst) ? 32 : 128;
	out->type = d.type;
	out->table = d.table ? d.table : d.type == ROUTE_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
	out->dst = dst;
	out->ifindex = d.nic->ifindex;
	out->mtu = d.mtu;
	out->prefsrc = d.src;
	out->gateway = ipa_eq(d.nexthop, dst) ? ipa_any6() : d.nexthop;
	out->expires_ns = INT64_MAX;
	return 0;
}

enum route_type addr_type(struct stack *s, struct ipa a, uint32_t ifindex)
{
	struct route_key k = { .dst = a, .ifindex = ifindex };
	enum route_type type = ROUTE_UNICAST;
	struct route *r;

	if (ipa_is_multicast(a))
		return ROUTE_MULTICAST;
	if (ipa_is_limited_broadcast(a))
		return ROUTE_BROADCAST;
	nrwlock_read(&s->tables);
	list_for_each_entry(r, &s->rt_local[!ipa_is4(a)], node)
		if (ipa_match(k.dst, r->i.dst, r->plen)) {
			type = r->i.type;
			break;
		}
	nrwlock_read_unlock(&s->tables);
	return type;
}
