/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neigh.c: neighbours of Ethernet interfaces, the cache behind ARP and NDP (RFC 4861, section 7.3).
 *
 *     (new) ─▶ INCOMPLETE ──answer──▶ REACHABLE ──30 s──▶ STALE ──used──▶ DELAY ──5 s──▶ PROBE
 *                  │ 3 tries                ▲  ▲            ▲                │             │
 *                  ▼                        │  └─upper layer confirms────────┘             │ 3 tries
 *               FAILED                      └────────────────answer────────────────────────┤
 *                  ▲───────────────────────────────────────────────────────────────────────┘
 *
 * All under nic->lock; packets to send are collected and queued, never sent under it.  An entry's
 * timer holds a reference.  At most gc_thresh3 entries an interface: the least recently used one
 * that is not permanent goes.  While INCOMPLETE at most unres_qlen packets wait.  Times and counts in the picture are
 * those of a new interface (nic_conf.h).
 */
#include <linux/neighbour.h>

#include "netstack/stack_impl.h"

struct neigh {
	struct hash_node hn;
	struct list node;   /* nic->neigh_lru */
	struct list queue;  /* packets that wait */
	struct ref ref;
	struct nic *nic;
	struct ipa addr;
	uint8_t mac[ETH_ALEN];
	uint16_t state;     /* NUD_* */
	int probes;
	int queued;
	bool router, dead;
	int64_t confirmed_ns;
	struct ntimer timer;
};

static void neigh_put(struct neigh *e)
{
	if (!ref_put(&e->ref))
		return;
	pkt_free_list(&e->queue);
	mem_free(e);
}

void neigh_init(struct nic *n)
{
	list_init(&n->neigh_lru);
	if (hash_init(&n->neighs, 8) < 0)
		n->neighs.buckets = NULL;
}

static uint64_t neigh_hash(struct ipa a)
{
	return hash_bytes(3, a.b, 16);
}

static struct neigh *neigh_find(struct nic *n, struct ipa addr)
{
	struct hash_node *hn;

	if (!n->neighs.buckets)
		return NULL;
	for (hn = hash_first(&n->neighs, neigh_hash(addr)); hn; hn = hash_next(hn)) {
		struct neigh *e = container_of(hn, struct neigh, hn);

		if (ipa_eq(e->addr, addr))
			return e;
	}
	return NULL;
}

static void neigh_arm(struct neigh *e, int64_t after_ns)
{
	struct stack *s = e->nic->stack;

	if (ntimer_arm(s, &e->timer, stack_now(s) + after_ns))
		ref_get(&e->ref);
}

static void neigh_unarm(struct neigh *e)
{
	if (ntimer_cancel(e->nic->stack, &e->timer))
		neigh_put(e);
}

/* Out of the table. */
static void neigh_kill(struct neigh *e)
{
	hash_remove(&e->nic->neighs, &e->hn);
	list_remove(&e->node);
	e->dead = true;
	neigh_unarm(e);
	neigh_put(e);
}

void neigh_flush(struct nic *n)
{
	struct neigh *e, *tmp;

	nlock_lock(&n->lock);
	list_for_each_entry_safe(e, tmp, &n->neigh_lru, node)
		if (!(e->state & NUD_PERMANENT))
			neigh_kill(e);
	nlock_unlock(&n->lock);
}

void neigh_fini(struct nic *n)
{
	struct mcast_group *g, *gt;
	struct neigh *e, *tmp;

	ntimer_cancel(n->stack, &n->rs_timer);
	list_for_each_entry_safe(e, tmp, &n->neigh_lru, node)
		neigh_kill(e);
	hash_fini(&n->neighs);
	list_for_each_entry_safe(g, gt, &n->groups, node) {
		ntimer_cancel(n->stack, &g->report);
		mem_free(g);
	}
}

static void neigh_timer(struct ntimer *t, struct txq *q);

static bool neigh_make_room(struct nic *n)
{
	struct neigh *e;

	if (n->neighs.count < (size_t)n->stack->conf.neigh_gc_thresh)
		return true;
	list_for_each_entry(e, &n->neigh_lru, node)
		if (!(e->state & (NUD_PERMANENT | NUD_NOARP))) {
			neigh_kill(e);
			return true;
		}
	NET_INC(n->stack, NeighOverflow);
	return false;
}

static struct neigh *neigh_create(struct nic *n, struct ipa addr)
{
	struct neigh *e;

	if (!n->neighs.buckets || !neigh_make_room(n))
		return NULL;
	e = mem_new(struct neigh);
	if (!e)
		return NULL;
	ref_init(&e->ref);
	e->nic = n;
	e->addr = addr;
	e->state = NUD_NONE;
	list_init(&e->queue);
	ntimer_init(&e->timer, neigh_timer);
	hash_insert(&n->neighs, &e->hn, neigh_hash(addr));
	list_append(&n->neigh_lru, &e->node);
	return e;
}

/* What to ask, to be sent after the lock is free. */
struct solicit {
	bool wanted, unicast;
	struct ipa addr;
	struct ipa about; /* whose packet waits; any: none does */
	uint8_t mac[ETH_ALEN];
};

/* Whom the question comes from, by arp_announce: arp_solicit(). */
static struct ipa neigh_announced(struct nic *n, const struct solicit *k)
{
	struct route_key rk = { .dst = k->addr, .ifindex = n->ifindex };
	int announce = nic_conf_max(n, IP4_arp_announce);
	struct dst d;

	if (announce != 2 && !ipa_is_any(k->about) && addr_type(n->stack, k->about, 0) == ROUTE_LOCAL &&
	    (announce != 1 || addr_on_link(n, k->about, k->addr)))
		return k->about;
	return route_lookup(n->stack, &rk, &d) == 0 ? d.src : ipa_any4();
}

static void neigh_solicit(struct txq *q, struct nic *n, const struct solicit *k)
{
	if (!k->wanted)
		return;
	if (ipa_is4(k->addr)) {
		arp_send(q, n, ARPOP_REQUEST, neigh_announced(n, k).w[3], k->addr.w[3],
			 k->unicast ? k->mac : NULL, NULL);
	} else {
		ndp_send_ns(q, n, k->addr, k->unicast ? k->mac : NULL, false);
	}
}

static void neigh_ask(struct neigh *e, struct solicit *k)
{
	const struct pkt *first = list_first(&e->queue, struct pkt, node);

	k->wanted = true;
	k->unicast = e->state == NUD_PROBE;
	k->addr = e->addr;
	k->about = first ? first->src : ipa_is4(e->addr) ? ipa_any4() : ipa_any6();
	memcpy(k->mac, e->mac, ETH_ALEN);
	e->probes++;
	neigh_arm(e, nic_neigh_conf(e->nic, e->addr, retrans_time_ms) * NSEC_PER_MSEC);
}

static void neigh_enqueue(struct neigh *e, struct pkt *p)
{
	if (e->queued >= nic_neigh_conf(e->nic, e->addr, unres_qlen)) {
		pkt_free(list_entry(list_shift(&e->queue), struct pkt, node));
		e->queued--;
		NET_INC(e->nic->stack, NeighQueueDrop);
	}
	list_append(&e->queue, &p->node);
	e->queued++;
}

/* Multicast and broadcast have fixed link addresses. */
static bool neigh_fixed_mac(const struct pkt *p, struct nic *n, uint8_t mac[ETH_ALEN])
{
	struct ipa a = p->nexthop;

	if (ipa_is_multicast(a)) {
		if (ipa_is4(a)) {
			static const uint8_t prefix[3] = { 1, 0, 0x5e };

			memcpy(mac, prefix, 3);
			mac[3] = a.b[13] & 0x7f;
			mac[4] = a.b[14];
			mac[5] = a.b[15];
		} else {
			mac[0] = mac[1] = 0x33;
			memcpy(mac + 2, &a.b[12], 4);
		}
		return true;
	}
	if (ipa_is_limited_broadcast(a) ||
	    (ipa_is4(a) && addr_type(n->stack, a, n->ifindex) == ROUTE_BROADCAST)) {
		memset(mac, 0xff, ETH_ALEN);
		return true;
	}
	return false;
}

static void ether_transmit(struct txq *q, struct nic *n, struct pkt *p, const uint8_t mac[ETH_ALEN])
{
	ether_fill(n, p, mac);
	nic_transmit(q, n, p);
}

void neigh_output(struct txq *q, struct nic *n, struct pkt *p)
{
	struct solicit ask = { .wanted = false };
	uint8_t mac[ETH_ALEN];
	struct neigh *e;
	bool ready = true;

	if (neigh_fixed_mac(p, n, mac)) {
		ether_transmit(q, n, p, mac);
		return;
	}
	nlock_lock(&n->lock);
	e = neigh_find(n, p->nexthop);
	if (!e)
		e = neigh_create(n, p->nexthop);
	if (!e) {
		nlock_unlock(&n->lock);
		pkt_free(p);
		return;
	}
	list_remove(&e->node);
	list_append(&n->neigh_lru, &e->node);
	switch (e->state) {
	case NUD_NONE:
	case NUD_FAILED:
		e->state = NUD_INCOMPLETE;
		e->probes = 0;
		neigh_enqueue(e, p);
		neigh_ask(e, &ask);
		ready = false;
		break;
	case NUD_INCOMPLETE:
		neigh_enqueue(e, p);
		ready = false;
		break;
	case NUD_STALE:
		e->state = NUD_DELAY;
		neigh_arm(e, nic_neigh_conf(n, e->addr, delay_first_probe_time) * NSEC_PER_SEC);
		__attribute__((fallthrough));
	default:
		memcpy(mac, e->mac, ETH_ALEN);
	}
	nlock_unlock(&n->lock);
	if (ready)
		ether_transmit(q, n, p, mac);
	neigh_solicit(q, n, &ask);
}

static void neigh_reachable(struct neigh *e)
{
	int64_t base = nic_neigh_conf(e->nic, e->addr, base_reachable_time_ms) * NSEC_PER_MSEC;
	struct stack *s = e->nic->stack;

	e->state = NUD_REACHABLE;
	e->confirmed_ns = stack_now(s);
	e->probes = 0;
	neigh_arm(e, base / 2 + (int64_t)(stack_random32(s) % 1000) * (base / 1000));
}

static void neigh_timer(struct ntimer *t, struct txq *q)
{
	struct neigh *e = container_of(t, struct neigh, timer);
	struct solicit ask = { .wanted = false };
	struct nic *n = e->nic;
	struct list failed, *node;

	list_init(&failed);
	nlock_lock(&n->lock);
	if (e->dead)
		goto out;
	switch (e->state) {
	case NUD_REACHABLE:
		e->state = NUD_STALE;
		break;
	case NUD_DELAY:
		e->state = NUD_PROBE;
		e->probes = 0;
		neigh_ask(e, &ask);
		break;
	case NUD_INCOMPLETE:
	case NUD_PROBE:
		if (e->probes < (e->state == NUD_PROBE ? nic_neigh_conf(n, e->addr, ucast_solicit)
						      : nic_neigh_conf(n, e->addr, mcast_solicit))) {
			neigh_ask(e, &ask);
			break;
		}
		e->state = NUD_FAILED;
		e->queued = 0;
		list_splice(&failed, &e->queue);
		break;
	default:
		break;
	}
out:
	nlock_unlock(&n->lock);
	neigh_solicit(q, n, &ask);
	while ((node = list_shift(&failed)) != NULL) {
		struct pkt *p = list_entry(node, struct pkt, node);

		/* The senders here learn of it by ICMP, as on Linux. */
		p->net = p->data;
		icmp_error(q, n, p, ipa_is4(p->src) ? ICMP4_UNREACH : ICMP6_UNREACH,
			   ipa_is4(p->src) ? UNREACH_HOST : 3, 0);
		pkt_free(p);
	}
	neigh_put(e);
}

void neigh_learn(struct txq *q, struct nic *n, struct ipa addr, const uint8_t mac[6],
		 unsigned int events)
{
	struct list ready, *node;
	struct neigh *e;
	bool same;

	list_init(&ready);
	nlock_lock(&n->lock);
	e = neigh_find(n, addr);
	if (!e && (events & NEIGH_CREATE))
		e = neigh_create(n, addr);
	if (!e || (e->state & (NUD_PERMANENT | NUD_NOARP)) || (mac[0] & 1)) {
		nlock_unlock(&n->lock);
		return;
	}
	same = memcmp(e->mac, mac, ETH_ALEN) == 0;
	if (events & NEIGH_ISNA)
		e->router = events & NEIGH_ROUTER;
	if (e->state == NUD_INCOMPLETE || e->state == NUD_NONE || e->state == NUD_FAILED) {
		memcpy(e->mac, mac, ETH_ALEN);
		list_splice(&ready, &e->queue);
		e->queued = 0;
		e->state = NUD_STALE;
		if (events & NEIGH_SOLICITED)
			neigh_reachable(e);
		else
			neigh_unarm(e);
	} else if (!same && !(events & NEIGH_OVERRIDE)) {
		if (e->state == NUD_REACHABLE)
			e->state = NUD_STALE;
	} else {
		memcpy(e->mac, mac, ETH_ALEN);
		if (events & NEIGH_SOLICITED)
			neigh_reachable(e);
		else if (!same)
			e->state = NUD_STALE;
	}
	nlock_unlock(&n->lock);
	while ((node = list_shift(&ready)) != NULL) {
		struct pkt *p = list_entry(node, struct pkt, node);

		ether_fill(n, p, mac);
		p->flags |= PKT_RESOLVED;
		p->nic = n;
		txq_add(q, p);
	}
}

void neigh_confirm(struct nic *n, struct ipa addr)
{
	struct neigh *e;

	if (n->type != LINK_ETHERNET)
		return;
	nlock_lock(&n->lock);
	e = neigh_find(n, addr);
	if (e && (e->state & (NUD_STALE | NUD_DELAY | NUD_PROBE)))
		neigh_reachable(e);
	nlock_unlock(&n->lock);
}

bool neigh_is_router(struct nic *n, struct ipa addr)
{
	struct neigh *e;
	bool r;

	nlock_lock(&n->lock);
	e = neigh_find(n, addr);
	r = e && e->router;
	nlock_unlock(&n->lock);
	return r;
}

/* ---- administration ---- */

int neigh_add(struct stack *s, const struct neigh_info *i)
{
	struct nic *n = nic_peek(s, i->ifindex);
	struct list ready, *node;
	struct neigh *e;
	struct txq q;

	if (!n)
		return -ENODEV;
	if (n->type != LINK_ETHERNET || ipa_is_any(i->addr) || ipa_is_multicast(i->addr))
		return -EINVAL;
	list_init(&ready);
	nlock_lock(&n->lock);
	e = neigh_find(n, i->addr);
	if (!e)
		e = neigh_create(n, i->addr);
	if (e) {
		memcpy(e->mac, i->mac, ETH_ALEN);
		e->router = i->flags & NTF_ROUTER;
		neigh_unarm(e);
		if (i->state & NUD_REACHABLE)
			neigh_reachable(e);
		else
			e->state = i->state ? i->state : NUD_PERMANENT;
		list_splice(&ready, &e->queue);
		e->queued = 0;
	}
	nlock_unlock(&n->lock);
	txq_init(&q, s);
	while ((node = list_shift(&ready)) != NULL)
		txq_add(&q, list_entry(node, struct pkt, node));
	txq_flush(&q);
	if (!e)
		return -ENOBUFS;
	stack_event(s, STACK_NEIGH, i);
	return 0;
}

int neigh_del(struct stack *s, uint32_t ifindex, struct ipa addr)
{
	struct nic *n = nic_peek(s, ifindex);
	struct neigh *e;

	if (!n)
		return -ENODEV;
	nlock_lock(&n->lock);
	e = neigh_find(n, addr);
	if (e)
		neigh_kill(e);
	nlock_unlock(&n->lock);
	return e ? 0 : -ENOENT;
}

static int neigh_dump_nic(struct nic *n, int (*fn)(void *arg, const struct neigh_info *i), void *arg)
{
	int64_t now = stack_now(n->stack);
	struct neigh_info *copy;
	unsigned int count = 0;
	struct neigh *e;
	int err = 0;

	nlock_lock(&n->lock);
	copy = mem_calloc(n->neighs.count ? n->neighs.count : 1, sizeof(*copy));
	if (copy)
		list_for_each_entry(e, &n->neigh_lru, node) {
			struct neigh_info *i = &copy[count++];

			i->ifindex = n->ifindex;
			i->addr = e->addr;
			memcpy(i->mac, e->mac, ETH_ALEN);
			i->state = e->state;
			i->flags = e->router ? NTF_ROUTER : 0;
			i->age_ns = now - e->confirmed_ns;
		}
	nlock_unlock(&n->lock);
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count && err == 0; i++)
		err = fn(arg, &copy[i]);
	mem_free(copy);
	return err;
}

int neigh_for_each(struct stack *s, int (*fn)(void *arg, const struct neigh_info *i), void *arg)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);
	int err = 0;

	for (unsigned int i = 0; i < count && err == 0; i++)
		err = neigh_dump_nic(atomic_load(&s->nics[i]), fn, arg);
	return err;
}
