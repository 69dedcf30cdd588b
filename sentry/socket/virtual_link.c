/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtual_link.c: dummy and veth interfaces, made and removed by rtnetlink(7), and VLANs and macvlans that are in another
 * namespace than what they stand on.
 *
 * Such a one is a pair as well: its other end stands for it beside the lower interface, unseen (netstack/stack.h:
 * upper_away_…()), hands over what that receives for it, and sends by that.  Not as on Linux: a new MTU or MAC of the lower
 * interface does not reach it, nor is it set down with that (but nothing passes).
 *
 * What one end of a pair sends waits in the other's queue for a service fiber, as packets of a softirq:
 * delivering at once would nest for as long as a conversation goes on.
 *
 * Life: an end is in its namespace's list until this ends (net_ns.h), since the stack's interface, which
 * stays as long, refers to it.  Removing: `dead` is set for both ends under the latch, by one caller, who
 * then takes the interfaces away.  A namespace that ends waits until whoever does that, and the service
 * fiber, have left its ends alone.
 *
 * Locks: virtual.latch guards lists, peers, queues and the flags; a leaf.
 */
#include "sentry/socket/virtual_link.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lib/fiber.h"
#include "lib/latch.h"
#include "lib/mem.h"
#include "netstack/pkt.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/socket/net_ns.h"

#define QUEUE_MAX 1000 /* packets, as txqueuelen */
#define DEAD_MAX  1024 /* of a namespace: then no more are made */

/* (c) constant, (v) virtual.latch */
struct virtual_link {
	struct list node;          /* (v) net_ns->virtual_links */
	struct net_ns *ns;         /* (c) borrowed */
	struct stack *stack;       /* (c) */
	uint32_t ifindex;          /* (c) once alive */
	struct virtual_link *peer; /* (v) NULL: a dummy, or dead */
	bool away;                 /* (c) it stands for its peer */
	struct nic_config config;  /* (c) what it was made from */
	bool dead;                 /* (v) */
	unsigned int users;        /* (v) who still looks at it: remover, service fiber */
	struct list queue;         /* (v) struct pkt */
	unsigned int queued;       /* (v) */
	struct work work;
};

static struct {
	struct latch latch;
} virtual;

/* ---- packets ----------------------------------------------------------------------------------- */

static void virtual_deliver(void *arg)
{
	struct virtual_link *l = arg;
	struct list pkts;

	list_init(&pkts);
	latch_lock(&virtual.latch);
	list_splice(&pkts, &l->queue);
	l->queued = 0;
	latch_unlock(&virtual.latch);
	if (l->away)
		upper_away_send(l->stack, l->ifindex, &pkts);
	else
		nic_input_list(l->stack, l->ifindex, &pkts);
	latch_lock(&virtual.latch);
	l->users--;
	latch_unlock(&virtual.latch);
}

/* Consumes p. */
static void virtual_pass(struct virtual_link *l, struct pkt *p)
{
	struct virtual_link *to;
	bool kick = false;

	latch_lock(&virtual.latch);
	to = l->peer;
	if (to && to->queued < QUEUE_MAX) {
		list_append(&to->queue, &p->node);
		kick = to->queued++ == 0;
		to->users += kick;
		p = NULL;
	}
	latch_unlock(&virtual.latch);
	if (kick)
		work_queue(&to->work); /* it stays while we are its user */
	if (p && to)
		nic_tx_failed(l->stack, l->ifindex);
	pkt_free(p);
}

static void virtual_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	(void)q;
	/* It arrives as it left: a large segment stays one, and its checksum is nobody's to doubt. */
	p->flags &= PKT_CSUM_PARTIAL;
	if (p->flags & PKT_CSUM_PARTIAL)
		p->flags |= PKT_CSUM_OK;
	virtual_pass(ctx, p);
}

static int virtual_set_mac(void *ctx, const uint8_t mac[6])
{
	struct virtual_link *l = ctx, *p;
	int err;

	latch_lock(&virtual.latch);
	p = l->peer;
	if (p)
		p->users++;
	latch_unlock(&virtual.latch);
	if (!p)
		return -ENODEV;
	err = upper_away_set_mac(p->stack, p->ifindex, mac);
	latch_lock(&virtual.latch);
	p->users--;
	latch_unlock(&virtual.latch);
	return err;
}

static void virtual_away_receive(void *ctx, struct pkt *p)
{
	p->flags &= PKT_CSUM_PARTIAL | PKT_CSUM_OK;
	virtual_pass(ctx, p);
}

static const struct link_ops virtual_ops = { .transmit = virtual_transmit };
static const struct link_ops virtual_upper_ops = { .transmit = virtual_transmit, .set_mac = virtual_set_mac };

/* ---- life -------------------------------------------------------------------------------------- */

static struct virtual_link *virtual_new(struct net_ns *ns)
{
	struct virtual_link *l = mem_new(struct virtual_link);

	if (!l)
		return NULL;
	l->ns = ns;
	l->stack = net_ns_stack(ns);
	list_init(&l->queue);
	work_init(&l->work, virtual_deliver, l);
	if (!l->stack) {
		mem_free(l);
		return NULL;
	}
	return l;
}

static bool virtual_may_add(struct net_ns *ns)
{
	unsigned int count = 0;
	struct list *n;

	latch_lock(&virtual.latch);
	for (n = ns->virtual_links.next; n != &ns->virtual_links; n = n->next)
		count++;
	latch_unlock(&virtual.latch);
	return count < DEAD_MAX;
}

static void random_mac(uint8_t mac[6])
{
	static const uint8_t none[6];

	if (memcmp(mac, none, sizeof(none)) != 0)
		return;
	(void)host_getrandom(mac, 6, 0);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 2); /* unicast, locally administered */
}

static void virtual_enlist(struct virtual_link *l, uint32_t ifindex)
{
	l->ifindex = ifindex;
	latch_lock(&virtual.latch);
	list_append(&l->ns->virtual_links, &l->node);
	latch_unlock(&virtual.latch);
}

static int virtual_add(struct virtual_link *l, struct nic_config *c, uint32_t *ifindex)
{
	int err = virtual_may_add(l->ns) ? 0 : -ENOSPC;

	random_mac(c->mac);
	c->type = LINK_ETHERNET;
	c->ops = c->upper.type ? &virtual_upper_ops : &virtual_ops;
	c->ctx = l;
	l->config = *c;
	if (err == 0)
		err = nic_add(l->stack, c, ifindex);
	if (err == 0)
		virtual_enlist(l, *ifindex);
	return err;
}

int virtual_link_dummy(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex)
{
	struct virtual_link *l = virtual_new(ns);
	int err = l ? 0 : -ENOMEM;

	c->noarp = true;
	c->kind = "dummy";
	if (err == 0)
		err = virtual_add(l, c, ifindex);
	if (err < 0)
		mem_free(l);
	return err;
}

int virtual_link_bridge(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex)
{
	struct stack *s = net_ns_stack(ns);

	random_mac(c->mac);
	return s ? bridge_new(s, c, ifindex) : -ENOMEM;
}

int virtual_link_upper(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex)
{
	if (c->upper.type == UPPER_MACVLAN)
		random_mac(c->mac);
	return upper_new(net_ns_stack(ns), c, ifindex);
}

/* False: one was removed as soon as it was there. */
static bool virtual_couple(struct virtual_link *a, struct virtual_link *b)
{
	bool both;

	latch_lock(&virtual.latch);
	both = !a->dead && !b->dead;
	if (both) {
		a->peer = b;
		b->peer = a;
	}
	latch_unlock(&virtual.latch);
	return both;
}

/* The same for two that were just made: they are together, or neither is. */
static int virtual_join(struct virtual_link *a, struct virtual_link *b)
{
	if (virtual_couple(a, b))
		return 0;
	(void)virtual_link_remove(a->ns, a->ifindex);
	(void)virtual_link_remove(b->ns, b->ifindex);
	return -ENODEV;
}

int virtual_link_pair(struct net_ns *ns, struct nic_config *c, uint32_t *ifindex,
		      struct net_ns *peer_ns, struct nic_config *peer, uint32_t *peer_ifindex)
{
	struct virtual_link *a = virtual_new(ns), *b = virtual_new(peer_ns);
	int err = a && b ? 0 : -ENOMEM;

	c->kind = peer->kind = "veth";
	c->features = peer->features = LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6 | LINK_TX_USO;
	if (err == 0)
		err = virtual_add(b, peer, peer_ifindex);
	if (err < 0)
		goto free_both;
	err = virtual_add(a, c, ifindex);
	if (err < 0) {
		virtual_link_remove(peer_ns, *peer_ifindex);
		mem_free(a);
		return err;
	}
	err = virtual_join(a, b);
	nic_set_link(net_ns_stack(ns), *ifindex, *peer_ifindex, ns != peer_ns);
	nic_set_link(net_ns_stack(peer_ns), *peer_ifindex, *ifindex, ns != peer_ns);
	return err;

free_both:
	mem_free(a);
	mem_free(b);
	return err;
}

/* l and its peer, if this caller is the one who removes them; latch held. */
static struct virtual_link *virtual_kill_locked(struct virtual_link *l)
{
	struct virtual_link *p = l->peer;

	l->dead = true;
	l->peer = NULL;
	l->users++;
	if (p) {
		p->dead = true;
		p->peer = NULL;
		p->users++;
	}
	return p;
}

/* Its interface is away; it may be gone with that. */
static void virtual_leave(struct virtual_link *l)
{
	struct list pkts;

	list_init(&pkts);
	latch_lock(&virtual.latch);
	list_splice(&pkts, &l->queue);
	l->queued = 0;
	l->users--; /* l may be gone with the latch */
	latch_unlock(&virtual.latch);
	pkt_free_list(&pkts);
}

static void virtual_take_away(struct virtual_link *l)
{
	if (l->away)
		upper_away_remove(l->stack, l->ifindex);
	else
		(void)nic_remove(l->stack, l->ifindex);
	virtual_leave(l);
}

static struct virtual_link *virtual_find_locked(struct net_ns *ns, uint32_t ifindex)
{
	for (struct list *n = ns->virtual_links.next; n != &ns->virtual_links; n = n->next) {
		struct virtual_link *i = list_entry(n, struct virtual_link, node);

		if (i->ifindex == ifindex && !i->dead)
			return i;
	}
	return NULL;
}

/* ---- VLANs and macvlans elsewhere -------------------------------------------------------------- */

/* With the one that it stood for, unless it goes because of that.  Maybe before it is enlisted. */
static void virtual_away_gone(void *ctx)
{
	struct virtual_link *l = ctx, *p = NULL;
	bool alive;

	latch_lock(&virtual.latch);
	alive = !l->dead;
	if (alive)
		p = virtual_kill_locked(l);
	latch_unlock(&virtual.latch);
	if (alive)
		virtual_leave(l);
	if (p)
		virtual_take_away(p);
}

static const struct away_ops virtual_away_ops = { .receive = virtual_away_receive, .gone = virtual_away_gone };

/* The end beside the lower interface.  c becomes what the other one is made from. */
static int virtual_add_away(struct virtual_link *l, struct nic_config *c)
{
	int err = virtual_may_add(l->ns) ? 0 : -ENOSPC;
	uint32_t ifindex, wanted = c->ifindex;

	l->away = true;
	c->away = &virtual_away_ops;
	c->away_ctx = l;
	c->ifindex = 0;
	if (err == 0)
		err = upper_new(l->stack, c, &ifindex);
	if (err < 0)
		return err;
	virtual_enlist(l, ifindex);
	c->ifindex = wanted;
	c->away = NULL;
	c->upper.lower = 0;
	return 0;
}

int virtual_link_upper_away(struct net_ns *ns, struct net_ns *to, struct nic_config *c, uint32_t *ifindex)
{
	struct virtual_link *a = virtual_new(ns), *b = virtual_new(to);
	uint32_t lower = c->upper.lower;
	int err = a && b ? 0 : -ENOMEM;

	if (c->upper.type == UPPER_MACVLAN)
		random_mac(c->mac);
	if (err == 0)
		err = virtual_add_away(a, c);
	if (err < 0)
		goto free_both;
	err = virtual_add(b, c, ifindex);
	if (err < 0) {
		virtual_link_remove(ns, a->ifindex);
		mem_free(b);
		return err;
	}
	err = virtual_join(a, b);
	nic_set_link(b->stack, *ifindex, lower, ns != to);
	return err;

free_both:
	mem_free(a);
	mem_free(b);
	return err;
}

/* Name, MAC, MTU of an interface that moves. */
static void virtual_keep(struct nic_config *c, const struct nic_info *i, const char *name)
{
	memcpy(c->name, i->name, sizeof(c->name));
	if (*name)
		strncpy(c->name, name, sizeof(c->name) - 1);
	memcpy(c->mac, i->mac, sizeof(c->mac));
	c->mtu = i->mtu;
	c->noarp = i->flags & IFF_NOARP;
}

/* It is made anew there: what can fail but for memory and bounds is looked at before it is taken away here. */
static int virtual_upper_move(struct net_ns *ns, uint32_t ifindex, struct net_ns *to, const char *name)
{
	struct nic_config c = { .mtu = 0 };
	struct nic_info i;
	int err = nic_info(net_ns_stack(ns), ifindex, &i);

	if (err < 0 || !i.upper.type)
		return -ENODEV;
	virtual_keep(&c, &i, name);
	c.upper = i.upper;
	if (nic_by_name(net_ns_stack(to), c.name))
		return -EEXIST;
	err = nic_remove(net_ns_stack(ns), ifindex);
	return err == 0 ? virtual_link_upper_away(ns, to, &c, &ifindex) : err;
}

int virtual_link_move(struct net_ns *ns, uint32_t ifindex, struct net_ns *to, const char *name)
{
	struct virtual_link *l, *p = NULL, *new;
	struct nic_config c;
	struct nic_info i;
	uint32_t index;
	int err;

	latch_lock(&virtual.latch);
	l = virtual_find_locked(ns, ifindex);
	if (l)
		c = l->config;
	latch_unlock(&virtual.latch);
	if (!l || nic_info(net_ns_stack(ns), ifindex, &i) < 0)
		return virtual_upper_move(ns, ifindex, to, name);
	c.ifindex = 0;
	virtual_keep(&c, &i, name);
	new = virtual_new(to);
	err = new ? virtual_add(new, &c, &index) : -ENOMEM;
	if (err < 0) {
		mem_free(new);
		return err;
	}
	latch_lock(&virtual.latch);
	l = new->dead ? NULL : virtual_find_locked(ns, ifindex); /* somebody may have removed either */
	if (l) {
		p = l->peer;
		l->dead = true;
		l->peer = NULL;
		l->users++;
		new->peer = p;
		if (p) {
			p->peer = new;
			p->users++;
		}
	}
	latch_unlock(&virtual.latch);
	if (!l) {
		(void)virtual_link_remove(to, index);
		return -ENODEV;
	}
	virtual_take_away(l);
	if (p) {
		nic_set_link(net_ns_stack(to), index, p->away ? i.link : p->ifindex, p->ns != to);
		if (!p->away)
			nic_set_link(p->stack, p->ifindex, index, p->ns != to);
		latch_lock(&virtual.latch);
		p->users--;
		latch_unlock(&virtual.latch);
	}
	return 0;
}

int virtual_link_remove(struct net_ns *ns, uint32_t ifindex)
{
	struct virtual_link *l, *p = NULL;

	latch_lock(&virtual.latch);
	l = virtual_find_locked(ns, ifindex);
	if (l)
		p = virtual_kill_locked(l);
	latch_unlock(&virtual.latch);
	if (!l)
		return -ENODEV;
	virtual_take_away(l);
	if (p)
		virtual_take_away(p);
	return 0;
}

/* One that lives, or 0; *busy: somebody still looks at one. */
static uint32_t virtual_next(struct net_ns *ns, bool *busy)
{
	uint32_t ifindex = 0;

	*busy = false;
	latch_lock(&virtual.latch);
	for (struct list *n = ns->virtual_links.next; n != &ns->virtual_links; n = n->next) {
		struct virtual_link *l = list_entry(n, struct virtual_link, node);

		if (!l->dead)
			ifindex = l->ifindex;
		*busy |= l->users > 0;
	}
	latch_unlock(&virtual.latch);
	return ifindex;
}

void virtual_links_stop(struct net_ns *ns)
{
	uint32_t ifindex;
	bool busy;

	while ((ifindex = virtual_next(ns, &busy)) != 0 || busy) {
		if (ifindex)
			(void)virtual_link_remove(ns, ifindex);
		else
			fiber_yield();
	}
}

void virtual_links_free(struct net_ns *ns)
{
	struct list *n;

	while ((n = list_shift(&ns->virtual_links)) != NULL)
		mem_free(list_entry(n, struct virtual_link, node));
}
