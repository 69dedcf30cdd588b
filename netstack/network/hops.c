/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hops.c: the next hops of a multipath route: which one a flow takes (stack.h, route.c).
 *
 * A set is constant once it is in a route: a change makes another one.  Counted, since copies of routes hold it.
 *
 * Linux: fib_select_multipath() (net/ipv4/fib_semantics.c), rt6_multipath_hash() with fib_multipath_hash_policy 0: by addresses, and
 * for IPv6 (where Linux mixes the flow label and protocol in) by these alone.  Hops share by their weights; those whose interface is
 * down are passed over; one whose interface has the source address is preferred.
 */
#include <linux/rtnetlink.h>

#include "netstack/stack_impl.h"

struct route_hops *route_hops_new(unsigned int max)
{
	struct route_hops *h = mem_zalloc(sizeof(*h) + max * sizeof(h->hop[0]));

	if (h)
		ref_init(&h->ref);
	return h;
}

struct route_hops *route_hops_get(struct route_hops *h)
{
	if (h)
		ref_get(&h->ref);
	return h;
}

void route_hops_put(struct route_hops *h)
{
	if (h && ref_put(&h->ref))
		mem_free(h);
}

bool route_hop_is_up(const struct route_hop *h)
{
	return h->nic && nic_up(h->nic);
}

bool route_hop_is_gone(const struct route_hop *h)
{
	return h->nic && atomic_load_explicit(&h->nic->gone, memory_order_relaxed);
}

static bool hop_is_same(const struct route_hop *a, const struct route_hop *b)
{
	return a->ifindex == b->ifindex && ipa_eq(a->gateway, b->gateway);
}

bool hops_have(const struct route_hops *h, const struct route_hop *one)
{
	for (unsigned int i = 0; i < h->count; i++)
		if (hop_is_same(&h->hop[i], one))
			return true;
	return false;
}

bool hops_equal(const struct route_hops *a, const struct route_hops *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned int i = 0; i < a->count; i++)
		if (!hop_is_same(&a->hop[i], &b->hop[i]) || a->hop[i].weight != b->hop[i].weight)
			return false;
	return true;
}

/* A zero in want is any. */
bool hop_matches(const struct route_hop *h, uint32_t ifindex, struct ipa gateway)
{
	return (!ifindex || h->ifindex == ifindex) && (ipa_is_any(gateway) || ipa_eq(h->gateway, gateway));
}

bool hops_use(const struct route_hops *h, const struct nic *n)
{
	for (unsigned int i = 0; i < h->count; i++)
		if (h->hop[i].nic == n)
			return true;
	return false;
}

bool hops_up_but(const struct route_hops *h, const struct nic *but, uint32_t ifindex)
{
	for (unsigned int i = 0; i < h->count; i++)
		if (h->hop[i].nic != but && route_hop_is_up(&h->hop[i]) && (!ifindex || h->hop[i].ifindex == ifindex))
			return true;
	return false;
}

static bool nic_has(struct stack *s, const struct nic *n, struct ipa addr)
{
	struct nic_addr *a;

	list_for_each_entry(a, &s->addrs, node)
		if (a->nic == n && ipa_eq(a->i.addr, addr))
			return true;
	return false;
}

const struct route_hop *hops_choose(struct stack *s, const struct route_hops *h, const struct route_key *k)
{
	uint32_t candidates[ROUTE_HOPS_MAX], total = 0, owned = 0;
	uint64_t hash;

	/* The weights of those that count, then of those alone that have the source. */
	for (unsigned int i = 0; i < h->count; i++) {
		const struct route_hop *one = &h->hop[i];

		candidates[i] = 0;
		if (!route_hop_is_up(one) || (k->ifindex && one->ifindex != k->ifindex))
			continue;
		candidates[i] = one->weight;
		total += one->weight;
		if (!ipa_is_any(k->src) && nic_has(s, one->nic, k->src))
			owned += one->weight;
	}
	if (owned && owned != total) {
		total = owned;
		for (unsigned int i = 0; i < h->count; i++)
			if (candidates[i] && !nic_has(s, h->hop[i].nic, k->src))
				candidates[i] = 0;
	}
	memcpy(&hash, s->secret, sizeof(hash));
	hash = hash_bytes(hash_bytes(hash, k->dst.b, sizeof(k->dst.b)), k->src.b, sizeof(k->src.b));
	hash = ((hash >> 32) * total) >> 32;
	for (unsigned int i = 0; i < h->count; i++) {
		if (hash < candidates[i])
			return &h->hop[i];
		hash -= candidates[i];
	}
	return NULL;
}
