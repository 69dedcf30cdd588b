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
	if (i->type >= ROUTE_BLACKHOLE) /* IPv6's are over lo whatever was asked for: ip6_route_info_create() */
		return i->family == AF_INET && (i->ifindex || !ipa_is_any(i->gateway)) ? -EINVAL : 0;
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
static bool route_duplicate(struct stack *s, const struct route *n)
{
	struct route *r;

	list_for_each_entry(r, route_list(s, n->i.family, n->i.table), node) {
		if (!route_same_key(r, &n->i, n->plen) || r->i.type != n->i.type || !r->i.hops != !n->i.hops)
			continue;
		if (n->i.hops ? hops_equal(r->i.hops, n->i.hops) : r->nic == n->nic && ipa_eq(r->i.gateway, n->i.gateway))
			return true;
	}
	return false;
}

void route_free(struct route *r)
{
	if (r)
		route_hops_put(r->i.hops);
	mem_free(r);
}

/* Each next hop as if it were a route of its own; with ROUTE_DOWN those that can't be used now are let be. */
static int route_resolve_hops(struct stack *s, struct route *r, const struct route_info *i, unsigned int flags)
{
	struct route_info one = *i;
	unsigned int down = 0;
	int err;

	if (i->type != ROUTE_UNICAST || i->hops->count > ROUTE_HOPS_MAX || i->hops->count < 2 || i->ifindex ||
	    !ipa_is_any(i->gateway))
		return -EINVAL;
	r->i.hops = route_hops_new(i->hops->count);
	if (!r->i.hops)
		return -ENOMEM;
	one.hops = NULL;
	for (unsigned int k = 0; k < i->hops->count; k++) {
		struct route_hop *h = &r->i.hops->hop[k];

		*h = i->hops->hop[k];
		one.ifindex = h->ifindex;
		one.gateway = h->gateway;
		one.flags = h->flags;
		if (h->weight < 1 || h->weight > 256 || (!h->ifindex && ipa_is_any(h->gateway)))
			return -EINVAL;
		err = route_check(s, &one, &h->nic);
		if (err == -ENETDOWN && (flags & ROUTE_DOWN) && ++down < i->hops->count)
			err = 0; /* its gateway is on no link now */
		else if (err == 0)
			err = route_resolve_gateway(s, &one, &h->nic);
		if (err < 0)
			return err;
		h->ifindex = h->nic->ifindex;
		if (i->family == AF_INET6 && hops_have(r->i.hops, h))
			return -EEXIST;
		r->i.hops->count++;
	}
	return 0;
}

static int route_resolve(struct stack *s, struct route *r, const struct route_info *i, unsigned int flags)
{
	int err = route_check(s, i, &r->nic);

	r->i = *i;
	r->i.hops = NULL;
	r->plen = route_plen(i);
	if (err == 0)
		err = i->hops ? route_resolve_hops(s, r, i, flags) : route_resolve_gateway(s, i, &r->nic);
	if (err < 0)
		return err;
	if (r->nic)
		r->i.ifindex = r->nic->ifindex;
	else if (i->type >= ROUTE_BLACKHOLE)
		r->i.ifindex = 0;
	if (r->i.expires_ns == 0)
		r->i.expires_ns = INT64_MAX;
	return 0;
}

/* rt6_qualify_for_ecmp(): may others of its key be next hops beside it? */
static bool route_may_join(const struct route_info *i)
{
	return i->family == AF_INET6 && i->type == ROUTE_UNICAST && i->protocol != RTPROT_RA &&
	       (i->hops || !ipa_is_any(i->gateway));
}

static bool hops_append(struct route_hops *to, const struct route *r)
{
	const struct route_hop single = { .nic = r->nic, .ifindex = r->i.ifindex, .flags = r->i.flags, .weight = 1,
					  .gateway = r->i.gateway };
	unsigned int count = r->i.hops ? r->i.hops->count : 1;

	for (unsigned int k = 0; k < count; k++) {
		const struct route_hop *h = r->i.hops ? &r->i.hops->hop[k] : &single;

		if (to->count == ROUTE_HOPS_MAX)
			return false;
		if (!hops_have(to, h))
			to->hop[to->count++] = *h;
	}
	return true;
}

/* What is in *hops instead of what r has; the old ones are there afterwards. */
static void route_swap_hops(struct route *r, struct route_hops **hops)
{
	struct route_hops *old = r->i.hops;

	r->i.hops = *hops;
	*hops = old;
	if (r->i.hops) {
		r->nic = NULL;
		r->i.ifindex = r->i.flags = 0;
		r->i.gateway = ipa_is4(r->i.dst) ? ipa_any4() : ipa_any6();
	}
}

/* The next hops of r to those of old; *spare is a set with room.  1: done, r is not needed. */
static int route_join(struct route *old, const struct route *r, struct route_hops **spare)
{
	unsigned int before = old->i.hops ? old->i.hops->count : 1;

	if (!hops_append(*spare, old) || !hops_append(*spare, r))
		return -ENOSPC;
	if ((*spare)->count == before)
		return -EEXIST;
	route_swap_hops(old, spare);
	return 1;
}

/* Has an interface of its been removed since it was looked up?  s->tables is held. */
static bool route_is_late(const struct route *r)
{
	for (unsigned int k = 0; r->i.hops && k < r->i.hops->count; k++)
		if (route_hop_is_gone(&r->i.hops->hop[k]))
			return true;
	return r->nic && atomic_load_explicit(&r->nic->gone, memory_order_relaxed);
}

/* 0: r is in the table, in *old's place if that is not NULL; 1: its hops have joined another's, *old; or an error. */
static int route_put_in(struct stack *s, struct route *r, unsigned int flags, struct route **old, struct route_hops **spare)
{
	struct route *same = route_find_key(s, &r->i);
	bool v4 = r->i.family == AF_INET, duplicate = route_duplicate(s, r);

	if (route_is_late(r))
		return -ENODEV;
	if (same && (flags & ROUTE_EXCL) && (v4 || duplicate || (route_may_join(&r->i) && route_may_join(&same->i))))
		return -EEXIST;
	if (duplicate && !(flags & ROUTE_REPLACE))
		return -EEXIST;
	if (!same && (flags & ROUTE_REPLACE) && !(flags & ROUTE_CREATE))
		return -ENOENT;
	if (same && *spare && route_may_join(&same->i)) {
		*old = same;
		return route_join(same, r, spare);
	}
	if (s->nroutes >= ROUTE_MAX)
		return -ENOSPC;
	if (same && (flags & ROUTE_REPLACE)) {
		*old = same;
		list_remove(&same->node);
		s->nroutes--;
	}
	route_insert(s, r);
	return 0;
}

int route_add(struct stack *s, const struct route_info *i, unsigned int flags)
{
	struct route_hops *spare = NULL;
	struct route *r = mem_new(struct route), *old = NULL;
	struct route_info told;
	int err;

	if (!r)
		return -ENOMEM;
	err = route_resolve(s, r, i, flags);
	if (err == 0 && !(flags & ROUTE_REPLACE) && route_may_join(&r->i)) {
		spare = route_hops_new(ROUTE_HOPS_MAX);
		if (!spare)
			err = -ENOMEM;
	}
	if (err < 0) {
		route_free(r);
		return err;
	}
	nrwlock_write(&s->tables);
	err = route_put_in(s, r, flags, &old, &spare);
	if (err >= 0) {
		told = err == 1 ? old->i : r->i;
		route_hops_get(told.hops);
	}
	nrwlock_write_unlock(&s->tables);
	route_hops_put(spare);
	route_free(err == 0 ? old : r);
	if (err < 0)
		return err;
	stack_bump(s);
	stack_event(s, STACK_ROUTE_NEW, &told);
	route_hops_put(told.hops);
	return 0;
}

/* Are its next hops those that are meant?  A zero is any. */
static bool route_hops_meant(const struct route *r, const struct route_info *i)
{
	if (!i->hops && !r->i.hops)
		return (!i->ifindex || r->i.ifindex == i->ifindex) &&
		       (ipa_is_any(i->gateway) || ipa_eq(r->i.gateway, i->gateway));
	if (!i->hops) {
		for (unsigned int k = 0; k < r->i.hops->count; k++) {
			if (hop_matches(&r->i.hops->hop[k], i->ifindex, i->gateway))
				return true;
			if (i->family == AF_INET)
				break;
		}
		return false;
	}
	if (!r->i.hops || r->i.hops->count != i->hops->count)
		return false;
	for (unsigned int k = 0; k < i->hops->count; k++)
		if (!hop_matches(&r->i.hops->hop[k], i->hops->hop[k].ifindex, i->hops->hop[k].gateway))
			return false;
	return true;
}

/* All but the one that is meant into *spare, and the route goes on with these.  *told becomes what goes. */
static void route_drop_hop(struct route *r, const struct route_info *i, struct route_hops **spare, struct route_info *told)
{
	const struct route_hops *h = r->i.hops;
	bool dropped = false;

	*told = r->i;
	told->hops = NULL;
	for (unsigned int k = 0; k < h->count; k++) {
		const struct route_hop *one = &h->hop[k];

		if (dropped || !hop_matches(one, i->ifindex, i->gateway)) {
			(*spare)->hop[(*spare)->count++] = *one;
			continue;
		}
		dropped = true;
		told->ifindex = one->ifindex;
		told->gateway = one->gateway;
		told->flags = one->flags;
	}
	route_swap_hops(r, spare);
	h = r->i.hops;
	if (h->count > 1)
		return;
	/* One is left: a route like others. */
	r->nic = h->hop[0].nic;
	r->i.ifindex = h->hop[0].ifindex;
	r->i.gateway = h->hop[0].gateway;
	r->i.flags = h->hop[0].flags;
	route_hops_put(r->i.hops);
	r->i.hops = NULL;
}

static struct route *route_find_meant(struct stack *s, const struct route_info *i)
{
	struct route *r;

	list_for_each_entry(r, route_list(s, i->family, i->table), node)
		if (r->i.table == i->table && r->plen == route_plen(i) && ipa_eq(r->i.dst, i->dst) &&
		    (!i->metric || r->i.metric == i->metric) && (!i->type || r->i.type == i->type) &&
		    (!i->protocol || r->i.protocol == i->protocol) && route_hops_meant(r, i))
			return r;
	return NULL;
}

static int route_del_one(struct stack *s, const struct route_info *i)
{
	bool single = i->family == AF_INET6 && !ipa_is_any(i->gateway);
	struct route_hops *spare = single ? route_hops_new(ROUTE_HOPS_MAX) : NULL;
	struct route *found, *gone = NULL;
	struct route_info told;

	if (single && !spare)
		return -ENOMEM;
	nrwlock_write(&s->tables);
	found = route_find_meant(s, i);
	if (found && found->i.hops && single) {
		route_drop_hop(found, i, &spare, &told);
	} else if (found) {
		gone = found;
		told = found->i;
		list_remove(&found->node);
		s->nroutes--;
	}
	nrwlock_write_unlock(&s->tables);
	route_hops_put(spare);
	if (!found)
		return -ESRCH;
	stack_bump(s);
	stack_event(s, STACK_ROUTE_DEL, &told);
	route_free(gone);
	return 0;
}

int route_del(struct stack *s, const struct route_info *i)
{
	struct route_info one = *i;
	int err = -ESRCH, first = 0;

	if (i->family != AF_INET && i->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (i->family == AF_INET || !i->hops)
		return route_del_one(s, i);
	/* ip6_route_multipath_del(): one after the other. */
	one.hops = NULL;
	for (unsigned int k = 0; k < i->hops->count; k++) {
		one.ifindex = i->hops->hop[k].ifindex;
		one.gateway = i->hops->hop[k].gateway;
		err = route_del_one(s, &one);
		first = first ? first : err;
	}
	return first;
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
				if (count < max) {
					copy[count] = r->i;
					route_hops_get(copy[count++].hops);
				}
			if (f == 0)
				routes_sort(copy + first, count - first);
		}
	}
	nrwlock_read_unlock(&s->tables);
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		if (err == 0)
			err = fn(arg, &copy[i]);
		route_hops_put(copy[i].hops);
	}
	mem_free(copy);
	return err;
}

/* Of several next hops, does none remain?  One of IPv4 ends with the interface of any (fib_sync_down_dev()). */
static bool route_hops_end(const struct route *r, const struct nic *n, bool down)
{
	return hops_use(r->i.hops, n) && ((r->i.family == AF_INET && !down) || !hops_up_but(r->i.hops, n, 0));
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
				if (r->i.hops ? !route_hops_end(r, n, down)
					      : r->nic != n || (down && r->i.type == ROUTE_LOCAL))
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
		route_free(r);
	}
}

/* ---- lookup ---- */

static bool route_usable(const struct route *r, const struct route_key *k, int64_t now)
{
	if (!ipa_match(k->dst, r->i.dst, r->plen) || r->i.expires_ns <= now)
		return false;
	if (r->i.hops)
		return hops_up_but(r->i.hops, NULL, k->ifindex);
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
	const struct route_hop *hop = r->i.hops ? hops_choose(s, r->i.hops, k) : NULL;
	struct ipa gateway = hop ? hop->gateway : r->i.gateway;
	struct nic *n = hop ? hop->nic : r->nic;

	if (r->i.hops && !hop)
		return -ENETUNREACH;
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
	out->nexthop = ipa_is_any(gateway) ? k->dst : gateway;
	out->src = k->src;
	if (r->i.type == ROUTE_LOCAL) {
		out->nic = nic_peek(s, LO_IFINDEX);
		out->nexthop = k->dst;
		if (ipa_is_any(k->src))
			out->src = ipa_is_multicast(k->dst) ? k->src : ipa_is_any(r->i.prefsrc) ? k->dst : r->i.prefsrc;
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
	out->mtu = nic_ip_mtu(out->nic, k->dst);
	if (r->i.mtu && r->i.mtu < out->mtu)
		out->mtu = r->i.mtu;
	return 0;
}

int route_check_source(struct stack *s, struct nic *n, struct ipa src, struct ipa dst, bool strict)
{
	struct route_key k = { .dst = src, .src = dst };
	int64_t now = stack_now(s);
	struct route *r = NULL;
	struct ipa any;
	bool by_n;
	int err;

	nrwlock_read(&s->tables);
	err = route_match(s, &k, now, &r);
	by_n = err == 0 && (r->i.hops ? hops_use(r->i.hops, n) : r->nic == n);
	if (err < 0 || r->i.type >= ROUTE_BLACKHOLE)
		err = -EXDEV;
	else if (r->i.type != ROUTE_UNICAST && !(r->i.type == ROUTE_LOCAL && nic_conf_or(n, IP4_accept_local)))
		err = -EINVAL;
	else if (!by_n)
		err = strict ? -EXDEV : 1;
	nrwlock_read_unlock(&s->tables);
	/* An interface without an address is nobody's way back. */
	if (err == 1)
		err = addr_first(s, n, false, &any) ? 0 : -EXDEV;
	return err;
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
	out->mtu = nic_ip_mtu(n, k->dst);
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
	/* __mkroute_output() */
	if (!f && ipa_is_loopback(d.src) && d.nic->type != LINK_LOOPBACK && !nic_conf_or(d.nic, IP4_route_localnet))
		return -EINVAL;
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
	return route_get_for(s, &(struct route_query){ .dst = dst, .src = src, .ifindex = ifindex }, out);
}

int route_get_for(struct stack *s, const struct route_query *q, struct route_info *out)
{
	struct route_key k = { .dst = q->dst, .src = q->src, .ifindex = q->ifindex, .iif = q->iif, .mark = q->mark,
			       .tos = q->tos, .proto = q->proto, .sport = q->sport, .dport = q->dport, .uid = q->uid };
	struct ipa dst = q->dst;
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
	out->mtu = d.mtu < MIN(atomic_load(&d.nic->mtu), 65535U) ? d.mtu : 0;
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
