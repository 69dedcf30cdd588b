/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic_conf.c: settings of interfaces (nic_conf.h): where a value comes from, and what writing one does besides.
 *
 *   made        an interface's are "default"'s.  lo has no duplicate address detection.
 *   "default"   what is written there of IPv4's is an interface's too as long as that has had no address and the key
 *               was not written there: devinet_copy_dflt_conf(), ipv4_devconf_setall()
 *   forwarding  of "all" is "default"'s and every interface's too: inet_forward_change(), addrconf_forward_change();
 *               ip_forward is that of IPv4
 *   disable_ipv6  likewise; addresses go, and those of lo come back: addrconf_disable_change()
 *
 * Values are atomic, one by one: two writers of "all" at once leave a mixture, as on Linux without rtnl.
 */
#include "netstack/stack_impl.h"

const struct nic_conf_entry nic_conf_entries[] = {
#define X(group, name, all, def, lo, hi) { #name, NIC_CONF_##group, lo, hi },
	NIC_CONF(X)
#undef X
};

_Static_assert(IP6_accept_dad <= 64, "nic->conf_written has a bit for each of IPv4's");

static void put(struct nic_conf *c, unsigned int key, int value)
{
	atomic_store_explicit(&c->v[key], value, memory_order_relaxed);
}

static int get(const struct nic_conf *c, unsigned int key)
{
	return atomic_load_explicit(&c->v[key], memory_order_relaxed);
}

void nic_conf_init(struct stack *s)
{
	static const int alls[] = {
#define X(group, name, all, def, lo, hi) all,
		NIC_CONF(X)
#undef X
	};
	static const int defaults[] = {
#define X(group, name, all, def, lo, hi) def,
		NIC_CONF(X)
#undef X
	};

	for (unsigned int i = 0; i < NIC_CONF_COUNT; i++) {
		atomic_init(&s->conf_all.v[i], alls[i]);
		atomic_init(&s->conf_default.v[i], defaults[i]);
	}
}

void nic_conf_new(struct nic *n)
{
	for (unsigned int i = 0; i < NIC_CONF_COUNT; i++)
		atomic_init(&n->conf.v[i], get(&n->stack->conf_default, i));
	atomic_init(&n->conf_written, 0);
	put(&n->conf, IP6_mtu, (int)atomic_load(&n->mtu));
	if (n->type == LINK_LOOPBACK) {
		put(&n->conf, IP6_accept_dad, -1);
		put(&n->conf, IP6_use_tempaddr, -1);
	}
}

/* The set that ifindex names; NULL: there is none.  *n: the interface, or NULL. */
static struct nic_conf *set_of(struct stack *s, uint32_t ifindex, unsigned int key, struct nic **n)
{
	bool shared = nic_conf_entries[key].group <= NIC_CONF_IP6;

	*n = NULL;
	if (ifindex == NIC_CONF_ALL)
		return shared ? &s->conf_all : NULL;
	if (ifindex == NIC_CONF_DEFAULT)
		return shared ? &s->conf_default : NULL;
	*n = nic_peek(s, ifindex);
	return *n ? &(*n)->conf : NULL;
}

int nic_conf_get(struct stack *s, uint32_t ifindex, unsigned int key, int *value)
{
	struct nic *n;
	const struct nic_conf *c = set_of(s, ifindex, key, &n);

	ASSERT(key < NIC_CONF_COUNT);
	if (!c)
		return -ENODEV;
	*value = get(c, key);
	return 0;
}

static struct nic *nic_at(struct stack *s, unsigned int slot)
{
	struct nic *n = atomic_load(&s->nics[slot]);

	return atomic_load_explicit(&n->gone, memory_order_relaxed) ? NULL : n;
}

static void set_default4(struct stack *s, unsigned int key, int value)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = nic_at(s, i);

		if (n && !(atomic_load_explicit(&n->conf_written, memory_order_relaxed) >> key & 1))
			put(&n->conf, key, value);
	}
}

static void set_all(struct stack *s, unsigned int key, int value)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	put(&s->conf_default, key, value);
	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = nic_at(s, i);
		bool turned = n && !get(&n->conf, key) != !value;

		if (!n)
			continue;
		put(&n->conf, key, value);
		if (key == IP6_disable_ipv6 && turned)
			addr_v6_disabled(s, n, value != 0);
	}
	if (key == IP4_forwarding)
		atomic_store_explicit(&s->conf.ip_forward, value, memory_order_relaxed);
}

/* What "all" may be, and an interface, beyond the row. */
static bool value_ok(const struct nic *n, uint32_t ifindex, unsigned int key, int value)
{
	const struct nic_conf_entry *e = &nic_conf_entries[key];

	if (value < e->min || value > e->max)
		return false;
	if (key == IP4_accept_source_route && ifindex == NIC_CONF_ALL)
		return value == 0; /* and so there are none, whatever an interface says */
	return key != IP6_mtu || !n || value <= (int)atomic_load(&n->mtu);
}

int nic_conf_set(struct stack *s, uint32_t ifindex, unsigned int key, int value)
{
	struct nic *n;
	struct nic_conf *c = set_of(s, ifindex, key, &n);
	int old;

	ASSERT(key < NIC_CONF_COUNT);
	if (!c)
		return -ENODEV;
	if (!value_ok(n, ifindex, key, value))
		return -EINVAL;
	old = atomic_exchange_explicit(&c->v[key], value, memory_order_relaxed);
	if (n && nic_conf_entries[key].group == NIC_CONF_IP4)
		atomic_fetch_or_explicit(&n->conf_written, 1ULL << key, memory_order_relaxed);
	if (ifindex == NIC_CONF_DEFAULT && nic_conf_entries[key].group == NIC_CONF_IP4)
		set_default4(s, key, value);
	if (ifindex == NIC_CONF_ALL && old != value &&
	    (key == IP4_forwarding || key == IP6_forwarding || key == IP6_disable_ipv6))
		set_all(s, key, value);
	else if (n && key == IP6_disable_ipv6 && !old != !value)
		addr_v6_disabled(s, n, value != 0);
	stack_bump(s);
	return 0;
}

void nic_conf_addressed(struct nic *n)
{
	atomic_store_explicit(&n->conf_written, UINT64_MAX, memory_order_relaxed);
}

int nic_conf_find(enum nic_conf_group group, const char *name)
{
	for (unsigned int i = 0; i < NIC_CONF_COUNT; i++)
		if (nic_conf_entries[i].group == group && strcmp(nic_conf_entries[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}
