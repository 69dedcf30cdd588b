/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge.c: Ethernet bridges between interfaces of a stack (stack.h).
 *
 * A bridge is an interface whose link is its ports: what the stack sends on it goes to the port behind
 * which the destination was last seen, or to all; what arrives at a port goes to the other ports in the same
 * way, and up, as received by the bridge, when it is for the bridge or for many.  A port's packets reach
 * its stack in no other way.
 *
 * Addresses are learnt in a table of fixed size, where a newer one takes the place of an older: what is
 * forgotten is flooded.  There is no spanning tree, no VLAN filter and no multicast snooping.
 *
 * Ports are interfaces made in this stack alone (veth, dummy, and what stands on these): they cut large segments, or their packets are
 * our own, whose headers are known.
 *
 * A bridge's memory is its interface's, which lives as long as the stack; so a port borrows it.
 *
 * Locks: br->latch guards ports and table; nothing is called under it.
 *
 * Linux: net/bridge/br_input.c, br_forward.c, br_if.c.
 */
#include <net/if.h>

#include "netstack/stack_impl.h"

#define PORTS_MAX  64
#define FDB_SIZE   256
#define FDB_AGE_NS (300 * NSEC_PER_SEC)

struct fdb_entry {
	uint8_t mac[ETH_ALEN];
	struct nic *port; /* NULL: free */
	int64_t seen_ns;
};

struct bridge {
	struct stack *stack;          /* (c) */
	struct nic *nic;              /* (c) */
	struct latch latch;
	unsigned int count;           /* (latch) */
	struct nic *ports[PORTS_MAX]; /* (latch) */
	struct fdb_entry fdb[FDB_SIZE]; /* (latch) */
};

static struct fdb_entry *fdb_slot(struct bridge *b, const uint8_t mac[ETH_ALEN])
{
	return &b->fdb[(mac[5] ^ mac[4] * 7U ^ mac[3] * 31U) % FDB_SIZE];
}

static void fdb_learn(struct bridge *b, const uint8_t mac[ETH_ALEN], struct nic *port)
{
	struct fdb_entry *f = fdb_slot(b, mac);

	if (mac[0] & 1)
		return;
	latch_lock(&b->latch);
	memcpy(f->mac, mac, ETH_ALEN);
	f->port = port;
	f->seen_ns = stack_now(b->stack);
	latch_unlock(&b->latch);
}

/* Where a packet for mac goes that came from `from` (or NULL): ports into out.  A count. */
static unsigned int bridge_choose(struct bridge *b, const uint8_t mac[ETH_ALEN], const struct nic *from,
				  struct nic *out[static PORTS_MAX])
{
	const struct fdb_entry *f = fdb_slot(b, mac);
	unsigned int count = 0;

	latch_lock(&b->latch);
	if (!(mac[0] & 1) && f->port && memcmp(f->mac, mac, ETH_ALEN) == 0 &&
	    stack_now(b->stack) - f->seen_ns < FDB_AGE_NS) {
		if (f->port != from)
			out[count++] = f->port;
	} else {
		for (unsigned int i = 0; i < b->count; i++)
			if (b->ports[i] != from)
				out[count++] = b->ports[i];
	}
	latch_unlock(&b->latch);
	return count;
}

/* To each of the ports; consumes p, whose data is at the Ethernet header. */
static void bridge_send(struct txq *q, struct nic *const *ports, unsigned int count, struct pkt *p)
{
	for (unsigned int i = 0; i < count; i++) {
		struct pkt *c = i + 1 < count ? pkt_clone(p) : p;

		if (!c)
			continue;
		/* It may be longer by a tag, whatever is in it, as on Linux. */
		if (c->len > atomic_load(&ports[i]->mtu) + ETH_HLEN + VLAN_HLEN && !c->gso_size) {
			nic_count_add(&ports[i]->tx_dropped, 1);
			pkt_free(c);
			continue;
		}
		c->nic = ports[i];
		c->flags &= (uint16_t)(PKT_CSUM_PARTIAL | PKT_NOTAP);
		nic_transmit(q, ports[i], c);
	}
	if (count == 0)
		pkt_free(p);
}

static void bridge_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct bridge *b = ctx;
	struct nic *ports[PORTS_MAX];
	unsigned int count;

	if (p->head_len < ETH_HLEN) {
		pkt_free(p);
		return;
	}
	count = bridge_choose(b, p->data, NULL, ports);
	bridge_send(q, ports, count, p);
}

static const struct link_ops bridge_ops = { .transmit = bridge_transmit };

void bridge_input(struct txq *q, struct nic *port, struct pkt *p)
{
	struct bridge *b = atomic_load_explicit(&port->master, memory_order_acquire);
	static const uint8_t reserved[5] = { 1, 0x80, 0xc2, 0, 0 };
	const uint8_t *dst = p->data;
	struct nic *ports[PORTS_MAX];
	unsigned int count = 0;
	bool many = dst[0] & 1, mine, up;

	if (!b || !nic_up(b->nic) || memcmp(dst, reserved, sizeof(reserved)) == 0) { /* a port no more; of bridges among themselves */
		nic_count_add(&port->rx_dropped, 1);
		pkt_free(p);
		return;
	}
	p->flags &= (uint16_t)~(PKT_MULTICAST | PKT_BROADCAST | PKT_OTHERHOST); /* as the port saw it */
	fdb_learn(b, dst + ETH_ALEN, port);
	mine = memcmp(dst, b->nic->mac, ETH_ALEN) == 0 || memcmp(dst, port->mac, ETH_ALEN) == 0;
	up = many || mine || (atomic_load(&b->nic->flags) & IFF_PROMISC);
	if (!mine)
		count = bridge_choose(b, dst, port, ports);
	if (up && count) {
		struct pkt *c = pkt_clone(p);

		if (c)
			bridge_send(q, ports, count, c);
	} else if (count) {
		bridge_send(q, ports, count, p);
		return;
	}
	if (up) {
		if (memcmp(p->data, port->mac, ETH_ALEN) == 0)
			p->flags |= PKT_FOR_US;
		link_input(q, b->nic, p);
	} else {
		pkt_free(p);
	}
}

int bridge_new(struct stack *s, struct nic_config *c, uint32_t *ifindex)
{
	struct bridge *b = mem_new(struct bridge);
	int err;

	if (!b)
		return -ENOMEM;
	latch_init(&b->latch);
	b->stack = s;
	c->type = LINK_ETHERNET;
	c->kind = "bridge";
	c->ops = &bridge_ops;
	c->ctx = b;
	c->features = LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6 | LINK_TX_USO; /* the ports do it */
	err = nic_add(s, c, ifindex);
	if (err < 0) {
		mem_free(b);
		return err;
	}
	b->nic = nic_peek(s, *ifindex);
	atomic_store_explicit(&b->nic->bridge, b, memory_order_release); /* pairs with bridge_of() */
	return 0;
}

static struct bridge *bridge_of(struct stack *s, uint32_t ifindex)
{
	struct nic *n = nic_peek(s, ifindex);

	return n ? atomic_load_explicit(&n->bridge, memory_order_acquire) : NULL;
}

bool bridge_is_one(const struct nic *n)
{
	return atomic_load_explicit(&n->bridge, memory_order_acquire) || atomic_load(&n->ops) == &bridge_ops;
}

bool nic_is_bridge(struct stack *s, uint32_t ifindex)
{
	return bridge_of(s, ifindex) != NULL;
}

static void bridge_drop_locked(struct bridge *b, struct nic *n)
{
	unsigned int i = 0;

	while (i < b->count && b->ports[i] != n)
		i++;
	if (i == b->count)
		return;
	b->ports[i] = b->ports[--b->count];
	for (i = 0; i < FDB_SIZE; i++)
		if (b->fdb[i].port == n)
			b->fdb[i].port = NULL;
	atomic_store_explicit(&n->master, NULL, memory_order_release);
}

int bridge_add_port(struct stack *s, uint32_t bridge, uint32_t port)
{
	struct nic *n = nic_peek(s, port);
	struct bridge *b = bridge_of(s, bridge), *none = NULL;
	int err = 0;

	if (!n || !nic_peek(s, bridge))
		return -ENODEV;
	if (!b)
		return -EOPNOTSUPP;
	if (upper_is_on_bridge(n)) /* a bridge itself, too: so nothing goes round */
		return -ELOOP;
	if (n->type != LINK_ETHERNET)
		return -EINVAL;
	if (upper_has_macvlan(n))
		return -EBUSY;
	if (upper_is_on_hosts(n)) /* large segments that it receives could not be sent on */
		return -EOPNOTSUPP;
	latch_lock(&b->latch);
	if (b->count == PORTS_MAX)
		err = -EXFULL;
	else if (!atomic_compare_exchange_strong(&n->master, &none, b))
		err = -EBUSY;
	else
		b->ports[b->count++] = n;
	if (err == 0 && (atomic_load(&n->gone) || atomic_load(&b->nic->gone))) { /* either sees it: bridge_nic_gone() */
		bridge_drop_locked(b, n);
		err = -ENODEV;
	}
	latch_unlock(&b->latch);
	if (err == 0)
		nic_changed(n);
	return err;
}

int bridge_del_port(struct stack *s, uint32_t bridge, uint32_t port)
{
	struct nic *n = nic_peek(s, port);
	struct bridge *b = n ? atomic_load_explicit(&n->master, memory_order_acquire) : NULL;

	if (!n)
		return -ENODEV;
	if (!b || (bridge && b->nic->ifindex != bridge))
		return -EINVAL;
	latch_lock(&b->latch);
	bridge_drop_locked(b, n);
	latch_unlock(&b->latch);
	nic_changed(n);
	return 0;
}

void bridge_nic_gone(struct nic *n)
{
	struct bridge *b = atomic_load(&n->master);

	if (b) {
		latch_lock(&b->latch);
		bridge_drop_locked(b, n);
		latch_unlock(&b->latch);
	}
	b = atomic_load_explicit(&n->bridge, memory_order_acquire);
	if (!b)
		return;
	latch_lock(&b->latch);
	while (b->count)
		bridge_drop_locked(b, b->ports[b->count - 1]);
	latch_unlock(&b->latch);
}

uint32_t bridge_master(const struct nic *n)
{
	const struct bridge *b = atomic_load_explicit(&n->master, memory_order_acquire);

	return b ? b->nic->ifindex : 0;
}
