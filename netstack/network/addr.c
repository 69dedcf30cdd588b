/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.c: the addresses of interfaces, the routes that come with them, and source address
 * selection (RFC 6724 for IPv6; for IPv4 Linux's rule: one that shares the destination's subnet,
 * else the interface's first of sufficient scope, else any interface's).
 *
 * An ifaddr is on stack->addrs under stack->tables.  Its timer (duplicate address detection, then
 * lifetimes) holds a reference.
 */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "netstack/stack_impl.h"

#define IP6_MTU_MIN 1280

void addr_init(struct stack *s)
{
	list_init(&s->addrs);
	for (unsigned int f = 0; f < 2; f++) {
		list_init(&s->rt_local[f]);
		list_init(&s->rt_main[f]);
		list_init(&s->rt_other[f]);
		list_init(&s->rules[f]);
	}
}

void nic_addr_put(struct nic_addr *a)
{
	if (ref_put(&a->ref))
		mem_free(a);
}

void addr_fini(struct stack *s)
{
	struct nic_addr *a, *tmp;
	struct route *r, *rt;

	list_for_each_entry_safe(a, tmp, &s->addrs, node) {
		if (ntimer_cancel(s, &a->timer))
			nic_addr_put(a);
		nic_addr_put(a);
	}
	for (unsigned int f = 0; f < 2; f++) {
		struct list *lists[] = { &s->rt_main[f], &s->rt_local[f], &s->rt_other[f] };

		for (unsigned int k = 0; k < ARRAY_SIZE(lists); k++)
			list_for_each_entry_safe(r, rt, lists[k], node)
				route_free(r);
	}
}

/* ---- the routes of an address ---- */

static unsigned int addr_plen(const struct addr_info *i)
{
	return ipa_is4(i->addr) ? i->plen + IPA_V4_PREFIX_LEN : i->plen;
}

static void addr_route(struct stack *s, const struct addr_info *i, enum route_type type,
		       struct ipa dst, unsigned int plen, bool add)
{
	bool v4 = ipa_is4(i->addr);
	struct route_info r = {
		.family = v4 ? AF_INET : AF_INET6,
		.plen = (uint8_t)(v4 ? plen - IPA_V4_PREFIX_LEN : plen),
		.type = (uint8_t)type,
		.protocol = RTPROT_KERNEL,
		.scope = type == ROUTE_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
		.table = type == ROUTE_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
		.metric = v4 || type == ROUTE_LOCAL ? 0 : 256,
		.ifindex = i->ifindex,
		.dst = dst,
		.prefsrc = v4 ? i->addr : ipa_any6(),
		.expires_ns = INT64_MAX,
	};

	if (!v4)
		r.scope = RT_SCOPE_UNIVERSE;
	if (type == ROUTE_UNICAST && i->metric)
		r.metric = i->metric;
	if (add)
		route_add(s, &r, ROUTE_CREATE);
	else
		route_del(s, &r);
}

static void addr_routes(struct stack *s, const struct addr_info *i, bool add, bool up_only)
{
	unsigned int plen = addr_plen(i);
	struct nic *n = nic_peek(s, i->ifindex);
	struct ipa net = ipa_mask(i->addr, plen);

	if (!up_only)
		addr_route(s, i, ROUTE_LOCAL, i->addr, 128, add);
	if (!n || (add && !nic_up(n)))
		return;
	if (ipa_is4(i->addr) && ipa_is_loopback(i->addr)) {
		if (plen < 128)
			addr_route(s, i, ROUTE_LOCAL, net, plen, add);
		if (plen < 127) {
			struct ipa b = net;

			b.w[3] |= htonl(plen > 96 ? 0xffffffffU >> (plen - 96) : 0xffffffffU);
			addr_route(s, i, ROUTE_BROADCAST, b, 128, add);
		}
		return;
	}
	if (plen < 128 && !(ipa_is4(i->addr) && plen == 96) && !(i->state & ADDR_SECONDARY))
		addr_route(s, i, ROUTE_UNICAST, net, plen, add);
	if (ipa_is4(i->addr) && !ipa_is_any(i->broadcast))
		addr_route(s, i, ROUTE_BROADCAST, i->broadcast, 128, add);
}

void route_nic_up(struct stack *s, struct nic *n)
{
	struct addr_info *copy;
	unsigned int count = 0;
	struct nic_addr *a;

	nrwlock_read(&s->tables);
	copy = mem_calloc(s->naddrs ? s->naddrs : 1, sizeof(*copy));
	if (copy)
		list_for_each_entry(a, &s->addrs, node)
			if (a->nic == n)
				copy[count++] = a->i;
	nrwlock_read_unlock(&s->tables);
	for (unsigned int i = 0; i < count; i++)
		addr_routes(s, &copy[i], true, true);
	mem_free(copy);
}

/* ---- add, delete, dump ---- */

static struct nic_addr *addr_find(struct stack *s, uint32_t ifindex, struct ipa addr, uint8_t plen)
{
	struct nic_addr *a;

	list_for_each_entry(a, &s->addrs, node)
		if ((!ifindex || a->nic->ifindex == ifindex) && ipa_eq(a->i.addr, addr) &&
		    (!plen || a->i.plen == plen))
			return a;
	return NULL;
}

/* Are both IPv4 addresses of one subnet of an interface?  Then the later one is secondary: __inet_insert_ifa(). */
static bool addr_same_subnet(const struct addr_info *a, const struct addr_info *b)
{
	return ipa_is4(a->addr) && ipa_is4(b->addr) && a->ifindex == b->ifindex && a->plen == b->plen &&
	       ipa_match(a->peer, b->peer, addr_plen(b));
}

/* The first secondary one of i's subnet.  s->tables is held. */
static struct nic_addr *addr_secondary_of(struct stack *s, const struct addr_info *i)
{
	struct nic_addr *a;

	list_for_each_entry(a, &s->addrs, node)
		if ((a->i.state & ADDR_SECONDARY) && addr_same_subnet(&a->i, i))
			return a;
	return NULL;
}

/* Lifetimes.  Holds the timer's reference; arming again takes it over. */
static void addr_timer(struct ntimer *t, struct txq *q)
{
	struct nic_addr *a = container_of(t, struct nic_addr, timer);
	struct stack *s = q->stack;
	int64_t now = stack_now(s);
	struct addr_info info;
	bool dead;

	if (a->i.state & ADDR_TENTATIVE) {
		ndp_addr_start(q, a); /* consumes the reference */
		return;
	}
	nrwlock_write(&s->tables);
	if (a->i.preferred_until_ns <= now)
		a->i.state |= ADDR_DEPRECATED;
	info = a->i;
	dead = a->dead;
	nrwlock_write_unlock(&s->tables);
	if (!dead && info.valid_until_ns <= now)
		addr_del(s, &info);
	else if (!dead && info.valid_until_ns != INT64_MAX &&
		 ntimer_arm(s, &a->timer, info.preferred_until_ns > now ?
			    MIN(info.preferred_until_ns, info.valid_until_ns) :
			    info.valid_until_ns))
		return; /* the reference went back to the timer */
	nic_addr_put(a);
}

static int addr_check(struct stack *s, const struct addr_info *i, struct nic **nic)
{
	*nic = nic_peek(s, i->ifindex);
	if (!*nic)
		return -ENODEV;
	if (i->plen > (ipa_is4(i->addr) ? 32 : 128))
		return -EINVAL;
	if (!ipa_is4(i->addr) && nic_conf(*nic, IP6_disable_ipv6))
		return -EACCES; /* ipv6_add_addr() */
	if (ipa_is_any(i->addr) || ipa_is_multicast(i->addr) ||
	    ipa_is_limited_broadcast(i->addr))
		return ipa_is4(i->addr) ? -EINVAL : -EADDRNOTAVAIL;
	return 0;
}

static void addr_join_solicited(struct txq *q, struct nic *n, struct ipa a, bool join)
{
	static const uint8_t prefix[16] = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };
	struct ipa g = ipa_v6(prefix);

	if (ipa_is4(a) || n->type == LINK_LOOPBACK)
		return;
	memcpy(&g.b[13], &a.b[13], 3);
	if (join)
		mcast_join(q, n, g);
	else
		mcast_leave(q, n, g);
}

int addr_add(struct stack *s, const struct addr_info *i)
{
	struct addr_info info;
	struct nic *nic;
	struct nic_addr *a, *other;
	struct txq q;
	int err = addr_check(s, i, &nic);

	if (err < 0)
		return err;
	a = mem_new(struct nic_addr);
	if (!a)
		return -ENOMEM;
	ref_init(&a->ref);
	ntimer_init(&a->timer, addr_timer);
	a->nic = nic;
	a->i = *i;
	if (ipa_is_any(a->i.peer))
		a->i.peer = a->i.addr;
	if (a->i.valid_until_ns == 0)
		a->i.valid_until_ns = a->i.preferred_until_ns = INT64_MAX;
	if (a->i.valid_until_ns == INT64_MAX)
		a->i.state |= ADDR_PERMANENT;
	if (a->i.label[0] == 0)
		memcpy(a->i.label, nic->name, IFNAMSIZ);
	if (a->i.scope == 0 && ipa_is_loopback(a->i.addr))
		a->i.scope = RT_SCOPE_HOST;
	else if (a->i.scope == 0 && ipa_is_linklocal(a->i.addr) && !ipa_is4(a->i.addr))
		a->i.scope = RT_SCOPE_LINK;
	if (!ipa_is4(i->addr) && nic->type == LINK_ETHERNET && !i->nodad && nic_conf_max(nic, IP6_accept_dad) > 0 &&
	    nic_conf(nic, IP6_dad_transmits))
		a->i.state |= ADDR_TENTATIVE;

	nrwlock_write(&s->tables);
	if (atomic_load_explicit(&nic->gone, memory_order_relaxed))
		err = -ENODEV;
	else if (addr_find(s, i->ifindex, i->addr, ipa_is4(i->addr) ? i->plen : 0))
		err = -EEXIST;
	else if (s->naddrs >= ADDR_MAX)
		err = -ENOBUFS;
	list_for_each_entry(other, &s->addrs, node)
		if (!(other->i.state & ADDR_SECONDARY) && addr_same_subnet(&other->i, &a->i))
			a->i.state |= ADDR_SECONDARY;
	if (err == 0) {
		list_append(&s->addrs, &a->node);
		s->naddrs++;
		ref_get(&a->ref); /* ours, for below */
	}
	info = a->i;
	nrwlock_write_unlock(&s->tables);
	if (err < 0) {
		mem_free(a);
		return err;
	}
	txq_init(&q, s);
	addr_routes(s, &info, true, false);
	addr_join_solicited(&q, nic, info.addr, true);
	stack_bump(s);
	if (info.state & ADDR_TENTATIVE) {
		a->dad_left = (uint8_t)nic_conf(nic, IP6_dad_transmits);
		ref_get(&a->ref);
		ndp_addr_start(&q, a); /* consumes a reference */
	} else if (info.valid_until_ns != INT64_MAX) {
		ref_get(&a->ref);
		if (!ntimer_arm(s, &a->timer, MIN(info.preferred_until_ns, info.valid_until_ns)))
			nic_addr_put(a);
	}
	txq_flush(&q);
	nic_addr_put(a);
	stack_event(s, STACK_ADDR_NEW, &info);
	if (ipa_is4(info.addr))
		nic_conf_addressed(nic);
	else if (ipa_is_linklocal(info.addr) && !(info.state & ADDR_TENTATIVE))
		ndp_routers(nic);
	return 0;
}

/* A primary address takes those of its subnet with it, unless the first of them is to have its place. */
static void addr_del_secondaries(struct stack *s, const struct addr_info *primary)
{
	struct addr_info info;
	struct nic_addr *a;

	do {
		nrwlock_write(&s->tables);
		a = addr_secondary_of(s, primary);
		if (a)
			info = a->i;
		nrwlock_write_unlock(&s->tables);
	} while (a && addr_del(s, &info) == 0);
}

int addr_del(struct stack *s, const struct addr_info *i)
{
	struct nic *nic = nic_peek(s, i->ifindex);
	bool promote = nic && nic_conf_or(nic, IP4_promote_secondaries);
	struct nic_addr *a, *next = NULL;
	struct addr_info info, heir;
	struct txq q;

	nrwlock_read(&s->tables);
	a = addr_find(s, i->ifindex, i->addr, i->plen);
	if (a)
		info = a->i;
	nrwlock_read_unlock(&s->tables);
	if (a && ipa_is4(info.addr) && !(info.state & ADDR_SECONDARY) && !promote)
		addr_del_secondaries(s, &info);
	nrwlock_write(&s->tables);
	a = addr_find(s, i->ifindex, i->addr, i->plen);
	if (a) {
		list_remove(&a->node);
		s->naddrs--;
		a->dead = true;
		if (!(a->i.state & ADDR_SECONDARY))
			next = addr_secondary_of(s, &a->i);
		if (next) {
			next->i.state &= (uint8_t)~ADDR_SECONDARY;
			heir = next->i;
		}
	}
	nrwlock_write_unlock(&s->tables);
	if (!a)
		return -EADDRNOTAVAIL;
	info = a->i;
	nic = a->nic;
	if (ntimer_cancel(s, &a->timer))
		nic_addr_put(a);
	nic_addr_put(a);
	addr_routes(s, &info, false, false);
	/* Another address may need the prefix route that went with this one. */
	route_nic_up(s, nic);
	txq_init(&q, s);
	addr_join_solicited(&q, nic, info.addr, false);
	txq_flush(&q);
	stack_bump(s);
	stack_event(s, STACK_ADDR_DEL, &info);
	if (next)
		stack_event(s, STACK_ADDR_NEW, &heir);
	return 0;
}

static int addr_del_v6(void *arg, const struct addr_info *a)
{
	struct nic *n = arg;

	if (!ipa_is4(a->addr) && a->ifindex == n->ifindex)
		(void)addr_del(n->stack, a);
	return 0;
}

static int addr_del_v6_down(void *arg, const struct addr_info *a)
{
	struct nic *n = arg;
	int keep = nic_conf_all(n->stack, IP6_keep_addr_on_down);

	keep = keep ? keep : nic_conf(n, IP6_keep_addr_on_down);
	/* What would not be made again stays as well. */
	if (keep > 0 && (a->state & ADDR_PERMANENT) && !(ipa_is_linklocal(a->addr) && !nic_conf(n, IP6_addr_gen_mode)))
		return 0;
	return addr_del_v6(arg, a);
}

void addr_v6_down(struct stack *s, struct nic *n)
{
	(void)addr_for_each(s, addr_del_v6_down, n); /* no memory: they stay */
}

/* A loopback interface that comes up without an address gets its own (inetdev_event(), addrconf_notify()). */
static void addr_loopback(struct stack *s, struct nic *n, struct ipa addr, uint8_t plen)
{
	struct addr_info a = { .ifindex = n->ifindex, .addr = addr, .peer = addr, .plen = plen,
			       .state = ADDR_PERMANENT, .scope = RT_SCOPE_HOST,
			       .valid_until_ns = INT64_MAX, .preferred_until_ns = INT64_MAX };
	struct ipa some;

	if (addr_first(s, n, !ipa_is4(addr), &some))
		return;
	if (ipa_is4(addr))
		memcpy(a.label, n->name, sizeof(a.label));
	(void)addr_add(s, &a); /* no memory: then there is none */
}

void addr_generate(struct stack *s, struct nic *n)
{
	struct addr_info a = { .ifindex = n->ifindex, .plen = 64, .scope = RT_SCOPE_LINK, .state = ADDR_PERMANENT,
			       .nodad = !!(atomic_load(&n->flags) & IFF_NOARP), .valid_until_ns = INT64_MAX,
			       .preferred_until_ns = INT64_MAX };

	if (!nic_up(n) || nic_conf(n, IP6_disable_ipv6))
		return;
	if (n->type == LINK_LOOPBACK)
		addr_loopback(s, n, ipa_v6(&in6addr_loopback), 128);
	if (n->type != LINK_ETHERNET || nic_conf(n, IP6_addr_gen_mode) || atomic_load(&n->mtu) < IP6_MTU_MIN)
		return;
	a.addr = ipa_any6();
	a.addr.b[0] = 0xfe;
	a.addr.b[1] = 0x80;
	ndp_eui64(n, a.addr.b + 8);
	a.peer = a.addr;
	(void)addr_add(s, &a); /* it is there, or there is no memory */
}

void addr_nic_up(struct stack *s, struct nic *n)
{
	if (n->type == LINK_LOOPBACK)
		addr_loopback(s, n, ipa_v4(htonl(INADDR_LOOPBACK)), 8);
	addr_generate(s, n);
}

void addr_v6_disabled(struct stack *s, struct nic *n, bool disabled)
{
	if (disabled)
		(void)addr_for_each(s, addr_del_v6, n);
	else
		addr_generate(s, n);
}

int addr_for_each(struct stack *s, int (*fn)(void *arg, const struct addr_info *a), void *arg)
{
	struct addr_info *copy;
	unsigned int count = 0;
	struct nic_addr *a;
	int err = 0;

	nrwlock_read(&s->tables);
	copy = mem_calloc(s->naddrs ? s->naddrs : 1, sizeof(*copy));
	if (copy)
		list_for_each_entry(a, &s->addrs, node)
			copy[count++] = a->i;
	nrwlock_read_unlock(&s->tables);
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count && err == 0; i++)
		err = fn(arg, &copy[i]);
	mem_free(copy);
	return err;
}

int addr_state(struct stack *s, struct nic *n, struct ipa addr)
{
	struct nic_addr *a;
	int state = -1;

	nrwlock_read(&s->tables);
	list_for_each_entry(a, &s->addrs, node)
		if ((!n || a->nic == n) && ipa_eq(a->i.addr, addr)) {
			state = a->i.state;
			break;
		}
	nrwlock_read_unlock(&s->tables);
	return state;
}

bool addr_is_ours(struct stack *s, struct nic *n, struct ipa addr)
{
	int state = addr_state(s, n, addr);

	return state >= 0 && !(state & (ADDR_TENTATIVE | ADDR_DADFAILED));
}

bool stack_is_own_address(struct stack *s, struct ipa addr)
{
	return ipa_is_loopback(addr) || addr_is_ours(s, NULL, addr);
}

void ndp_dad_failed(struct stack *s, struct nic *n, struct ipa addr)
{
	struct nic_addr *a;

	nrwlock_write(&s->tables);
	list_for_each_entry(a, &s->addrs, node)
		if (a->nic == n && ipa_eq(a->i.addr, addr) && (a->i.state & ADDR_TENTATIVE))
			a->i.state |= ADDR_DADFAILED;
	nrwlock_write_unlock(&s->tables);
	stack_bump(s);
	/* addrconf_dad_failure(): the interface's own is taken, so it has not got what it was made with. */
	if (nic_conf_max(n, IP6_accept_dad) > 1 && ipa_is_linklocal(addr) && ndp_is_eui64(n, addr))
		(void)nic_conf_set(s, n->ifindex, IP6_disable_ipv6, 1);
}

bool addr_first(struct stack *s, struct nic *n, bool v6, struct ipa *out)
{
	struct nic_addr *a;
	bool found = false;

	nrwlock_read(&s->tables);
	list_for_each_entry(a, &s->addrs, node)
		if (a->nic == n && ipa_is4(a->i.addr) == !v6 &&
		    !(a->i.state & ADDR_TENTATIVE)) {
			*out = a->i.addr;
			found = true;
			break;
		}
	nrwlock_read_unlock(&s->tables);
	return found;
}

bool addr_on_link(struct nic *n, struct ipa a, struct ipa b)
{
	struct nic_addr *i;
	bool found = false;

	nrwlock_read(&n->stack->tables);
	list_for_each_entry(i, &n->stack->addrs, node)
		found |= i->nic == n && ipa_is4(i->i.addr) && ipa_match(a, i->i.addr, addr_plen(&i->i)) &&
			 ipa_match(b, i->i.addr, addr_plen(&i->i));
	nrwlock_read_unlock(&n->stack->tables);
	return found;
}

bool addr_confirm(struct stack *s, struct nic *n, struct ipa a, struct ipa peer, uint8_t scope)
{
	struct nic_addr *i;
	bool found = false;

	nrwlock_read(&s->tables);
	list_for_each_entry(i, &s->addrs, node)
		found |= (!n || i->nic == n) && ipa_eq(i->i.addr, a) && i->i.scope <= scope &&
			 (ipa_is_any(peer) || ipa_match(peer, i->i.addr, addr_plen(&i->i)));
	nrwlock_read_unlock(&s->tables);
	return found;
}

bool addr_any_v6(const struct stack *s)
{
	const struct nic_addr *a;

	list_for_each_entry(a, &s->addrs, node)
		if (!ipa_is4(a->i.addr))
			return true;
	return false;
}

/* ---- source selection ---- */

static unsigned int scope6(struct ipa a)
{
	if (ipa_is_multicast(a))
		return a.b[1] & 0xf;
	if (ipa_is_loopback(a) || ipa_is_linklocal(a))
		return 2;
	if (a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0xc0)
		return 5;
	return 14;
}

/* The default policy table of RFC 6724, section 2.1: labels. */
static unsigned int label6(struct ipa a)
{
	static const struct {
		uint8_t prefix[16];
		uint8_t plen, label;
	} policy[] = {
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 128, 0 },
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96, 4 },
		{ { 0x20, 0x01, 0, 0 }, 32, 5 },
		{ { 0x20, 0x02 }, 16, 2 },
		{ { 0xfc }, 7, 13 },
		{ { 0 }, 96, 3 },
		{ { 0xfe, 0xc0 }, 10, 11 },
		{ { 0x3f, 0xfe }, 16, 12 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(policy); i++)
		if (ipa_match(a, ipa_v6(policy[i].prefix), policy[i].plen))
			return policy[i].label;
	return 1;
}

/* Is a better than b as a source for dst out of n?  RFC 6724, section 5. */
static bool addr_better6(const struct nic_addr *a, const struct nic_addr *b, const struct nic *n,
			 struct ipa dst)
{
	unsigned int sa = scope6(a->i.addr), sb = scope6(b->i.addr), sd = scope6(dst);
	bool x, y;

	if (ipa_eq(a->i.addr, dst) != ipa_eq(b->i.addr, dst)) /* 1: same address */
		return ipa_eq(a->i.addr, dst);
	if (sa != sb) /* 2: appropriate scope */
		return sa < sb ? sa >= sd : sb < sd;
	x = a->i.state & ADDR_DEPRECATED, y = b->i.state & ADDR_DEPRECATED;
	if (x != y) /* 3: avoid deprecated */
		return y;
	x = a->nic == n, y = b->nic == n;
	if (x != y) /* 5: outgoing interface */
		return x;
	x = label6(a->i.addr) == label6(dst), y = label6(b->i.addr) == label6(dst);
	if (x != y) /* 6: matching label */
		return x;
	return MIN(ipa_common(a->i.addr, dst), (unsigned int)a->i.plen) > /* 8: prefix */
	       MIN(ipa_common(b->i.addr, dst), (unsigned int)b->i.plen);
}

static bool addr_select6(struct stack *s, struct nic *n, struct ipa dst, struct ipa *out)
{
	bool strict = ipa_needs_scope(dst) || nic_conf_or(n, IP6_use_oif_addrs_only);
	struct nic_addr *a, *best = NULL;

	list_for_each_entry(a, &s->addrs, node) {
		if (ipa_is4(a->i.addr) || (a->i.state & (ADDR_TENTATIVE | ADDR_DADFAILED)))
			continue;
		if (a->nic != n && (strict || ipa_is_linklocal(a->i.addr)))
			continue;
		if (!best || addr_better6(a, best, n, dst))
			best = a;
	}
	if (!best)
		return false;
	*out = best->i.addr;
	return true;
}

static bool addr_select4(struct stack *s, struct nic *n, struct ipa dst, struct ipa *out)
{
	uint8_t max_scope = ipa_is_loopback(dst) ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	struct nic_addr *a, *first = NULL, *any = NULL;

	list_for_each_entry(a, &s->addrs, node) {
		if (!ipa_is4(a->i.addr) || a->i.scope > max_scope || (a->i.state & ADDR_SECONDARY))
			continue;
		if (a->nic == n) {
			if (ipa_match(dst, a->i.addr, addr_plen(&a->i))) {
				*out = a->i.addr;
				return true;
			}
			if (!first)
				first = a;
		} else if (!any && a->i.scope == RT_SCOPE_UNIVERSE) {
			any = a;
		}
	}
	if (!first)
		first = any;
	if (!first)
		return false;
	*out = first->i.addr;
	return true;
}

bool addr_select(struct stack *s, struct nic *n, struct ipa dst, uint8_t prefs, struct ipa *out)
{
	(void)prefs; /* there are no temporary addresses */
	return ipa_is4(dst) ? addr_select4(s, n, dst, out) : addr_select6(s, n, dst, out);
}
