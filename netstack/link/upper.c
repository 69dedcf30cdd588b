/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upper.c: interfaces that stand on another one of their stack: VLANs (802.1Q, 802.1ad) and macvlans (stack.h).
 *
 * What the stack sends by one goes out by the lower one, tagged, or as it is with another address; what the lower one
 * receives with that tag, or for that address, is received by it.  A VLAN cuts large segments and fills checksums in
 * itself, so that what is behind a tag is an ordinary frame everywhere, but right on an interface of the host's: its kernel
 * cuts behind a tag too.
 *
 * Macvlans in mode "bridge" reach each other, but not the lower interface.  What one sends to another joins the queue
 * that is being flushed (link_output()): so a conversation does not nest.  With bridges of which they are ports a packet
 * may go in circles, and become many: so passes and passing are bounded, as Linux bounds its backlogs.
 *
 * One whose interface is in another stack stands here for it (away): nobody sees it, it has no addresses, and what it
 * receives goes there (sentry/socket/virtual_link.c).  That interface has no lower one in its stack.
 *
 * There is no list: who stands on an interface is found among all (NIC_MAX), if there is anybody.  lower and upper are
 * constant; a lower interface takes those on it along when it is removed, under conf_lock against new ones.
 *
 * Linux: net/8021q/{vlan,vlan_dev,vlan_core,vlan_netlink}.c, drivers/net/macvlan.c.
 */
#include <net/if.h>

#include "netstack/stack_impl.h"

#define NEST_MAX    8
#define PASSES_MAX  8    /* of a packet between macvlans */
#define PASSING_MAX 1000 /* packets between those on one interface: netdev_max_backlog */

static bool stands_on(const struct nic *n, const struct nic *lower, enum upper_type type)
{
	return n->lower == lower && n->upper.type == type && !atomic_load_explicit(&n->gone, memory_order_relaxed);
}

/* The i-th of the stack, from *i on, that stands on lower; NULL: no more. */
static struct nic *upper_next(const struct nic *lower, enum upper_type type, unsigned int *i)
{
	struct stack *s = lower->stack;
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	while (*i < count) {
		struct nic *n = atomic_load_explicit(&s->nics[(*i)++], memory_order_acquire);

		if (stands_on(n, lower, type))
			return n;
	}
	return NULL;
}

static struct nic *vlan_find(const struct nic *lower, uint16_t proto, uint16_t id)
{
	unsigned int i = 0;
	struct nic *n;

	while ((n = upper_next(lower, UPPER_VLAN, &i)) != NULL)
		if (n->upper.vlan_id == id && n->upper.vlan_proto == proto)
			return n;
	return NULL;
}

/* By address, that is up; passthru takes all. */
static struct nic *macvlan_find(const struct nic *lower, const uint8_t mac[ETH_ALEN])
{
	unsigned int i = 0;
	struct nic *n;

	while ((n = upper_next(lower, UPPER_MACVLAN, &i)) != NULL)
		if (nic_up(n) && (n->upper.macvlan_mode == MACVLAN_PASSTHRU || memcmp(n->mac, mac, ETH_ALEN) == 0))
			return n;
	return NULL;
}

/* ---- packets ----------------------------------------------------------------------------------- */

static void upper_receive(struct txq *q, struct nic *n, struct pkt *p)
{
	if (n->away)
		n->away->receive(n->away_ctx, p);
	else
		link_input(q, n, p);
}

/* p, at its Ethernet header, is received by n. */
static void upper_deliver(struct txq *q, struct nic *n, struct pkt *p)
{
	p->flags &= (uint16_t)~(PKT_MULTICAST | PKT_BROADCAST | PKT_OTHERHOST | PKT_FOR_US); /* as the lower one saw it */
	upper_receive(q, n, p);
}

static void vlan_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct nic *n = ctx;

	if (!pkt_push_tag(p, n->upper.vlan_proto, n->upper.vlan_id)) {
		nic_count_add(&n->tx_errors, 1);
		pkt_free(p);
		return;
	}
	p->link = p->data;
	p->ethertype = n->upper.vlan_proto;
	p->nic = n->lower;
	p->flags &= PKT_CSUM_PARTIAL;
	nic_transmit(q, n->lower, p);
}

static bool is_tagged(const struct pkt *p)
{
	return (p->ethertype == ETHERTYPE_VLAN || p->ethertype == ETHERTYPE_QINQ) && pkt_linear(p, VLAN_HLEN);
}

/* p is behind the Ethernet header, which goes on without the tag. */
static void vlan_untag(struct pkt *p)
{
	pkt_pull(p, VLAN_HLEN);
	memmove(p->data - ETH_HLEN, p->data - ETH_HLEN - VLAN_HLEN, 2 * ETH_ALEN);
	p->ethertype = rd16(p->data - 2);
	p->link = p->data - ETH_HLEN;
	p->net = p->data;
}

bool vlan_strip_priority(struct pkt *p)
{
	bool any = false;

	for (; is_tagged(p) && (rd16(p->data) & VLAN_VID) == 0; any = true)
		vlan_untag(p);
	return any;
}

/* p is behind the Ethernet header.  NULL: a VLAN's; else p, or what was behind tags that say nothing. */
static struct pkt *vlan_input(struct txq *q, struct nic *n, struct pkt *p)
{
	while (is_tagged(p)) {
		uint16_t id = rd16(p->data) & VLAN_VID;
		struct nic *to = vlan_find(n, p->ethertype, id);

		if (!to && id != 0)
			return p;
		vlan_untag(p);
		if (!to)
			continue; /* a priority alone */
		if (nic_up(to)) {
			/* Counted without its Ethernet header, as on Linux. */
			atomic_fetch_sub_explicit(&to->rx_bytes, ETH_HLEN, memory_order_relaxed);
			pkt_push(p, ETH_HLEN);
			upper_deliver(q, to, p);
		} else {
			pkt_free(p);
		}
		return NULL;
	}
	return p;
}

static bool macvlan_may_pass(struct nic *n, const struct pkt *p)
{
	bool may = p->passes < PASSES_MAX && atomic_load(&n->lower->passing) < PASSING_MAX;

	if (!may)
		nic_count_add(&n->rx_dropped, 1);
	return may;
}

/* A sibling sends p to n, which receives it later (macvlan_arrive()), as macvlan_may_pass() has said. */
static void macvlan_pass(struct txq *q, struct nic *n, struct pkt *p)
{
	atomic_fetch_add(&n->lower->passing, 1);
	p->passes++;
	p->flags = PKT_ARRIVES | (p->flags & PKT_CSUM_PARTIAL ? PKT_CSUM_PARTIAL | PKT_CSUM_OK : 0);
	p->nic = n;
	txq_add(q, p);
}

void macvlan_arrive(struct txq *q, struct nic *n, struct pkt *p)
{
	atomic_fetch_sub(&n->lower->passing, 1);
	p->flags &= (uint16_t)~PKT_ARRIVES;
	if (nic_up(n))
		upper_receive(q, n, p);
	else
		pkt_free(p);
}

/* Copies of p, at its Ethernet header, to those on lower of these modes but one. */
static void macvlan_flood(struct txq *q, const struct nic *lower, const struct nic *but, unsigned int modes, bool now,
			  const struct pkt *p)
{
	unsigned int i = 0;
	struct nic *n;

	while ((n = upper_next(lower, UPPER_MACVLAN, &i)) != NULL) {
		bool gets = n != but && nic_up(n) && (n->upper.macvlan_mode & modes) && (now || macvlan_may_pass(n, p));
		struct pkt *c = gets ? pkt_clone(p) : NULL;

		if (c && now)
			upper_deliver(q, n, c);
		else if (c)
			macvlan_pass(q, n, c);
	}
}

static void macvlan_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct nic *n = ctx, *to;

	if (n->upper.macvlan_mode == MACVLAN_BRIDGE && pkt_linear(p, ETH_HLEN)) {
		to = p->data[0] & 1 ? NULL : macvlan_find(n->lower, p->data);
		if (p->data[0] & 1)
			macvlan_flood(q, n->lower, n, MACVLAN_BRIDGE, false, p);
		if (to && to->upper.macvlan_mode == MACVLAN_BRIDGE) {
			if (macvlan_may_pass(to, p))
				macvlan_pass(q, to, p);
			else
				pkt_free(p);
			return;
		}
	}
	p->nic = n->lower;
	p->flags &= PKT_CSUM_PARTIAL;
	nic_transmit(q, n->lower, p);
}

/* For many: who gets it depends on whether it is one of ours that comes back. */
static void macvlan_input_many(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct nic *from = macvlan_find(n, p->data + ETH_ALEN);
	unsigned int modes = MACVLAN_PRIVATE | MACVLAN_VEPA | MACVLAN_BRIDGE | MACVLAN_PASSTHRU;

	if (from && from->upper.macvlan_mode != MACVLAN_PASSTHRU)
		modes = from->upper.macvlan_mode == MACVLAN_VEPA ? MACVLAN_VEPA | MACVLAN_BRIDGE :
			from->upper.macvlan_mode == MACVLAN_BRIDGE ? MACVLAN_VEPA : 0;
	macvlan_flood(q, n, modes & MACVLAN_PRIVATE ? NULL : from, modes, true, p);
}

struct pkt *upper_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct nic *to;

	p = vlan_input(q, n, p);
	if (!p)
		return NULL;
	pkt_push(p, ETH_HLEN);
	if (p->data[0] & 1) {
		macvlan_input_many(q, n, p);
	} else {
		to = macvlan_find(n, p->data);
		if (to) {
			upper_deliver(q, to, p);
			return NULL;
		}
	}
	pkt_pull(p, ETH_HLEN);
	return p;
}

static const struct link_ops vlan_ops = { .transmit = vlan_transmit };
static const struct link_ops macvlan_ops = { .transmit = macvlan_transmit };

/* ---- life -------------------------------------------------------------------------------------- */

/* Does n, or what it stands on, satisfy this? */
static bool is_hosts(const struct nic *n)
{
	return !n->kind || n->foreign;
}

static bool any_below(const struct nic *n, bool (*is)(const struct nic *n))
{
	for (; n; n = n->lower)
		if (is(n))
			return true;
	return false;
}

bool upper_is_on_bridge(const struct nic *n)
{
	return any_below(n, bridge_is_one);
}

bool upper_is_on_hosts(const struct nic *n)
{
	return any_below(n, is_hosts);
}

static unsigned int depth(const struct nic *n)
{
	unsigned int d = 0;

	for (; n->lower; n = n->lower)
		d++;
	return d;
}

static int vlan_check(const struct nic *lower, const struct upper_config *u)
{
	if (u->vlan_proto != ETHERTYPE_VLAN && u->vlan_proto != ETHERTYPE_QINQ)
		return -EPROTONOSUPPORT;
	if (u->vlan_id >= VLAN_VID)
		return -ERANGE;
	return vlan_find(lower, u->vlan_proto, u->vlan_id) ? -EEXIST : 0;
}

static int macvlan_check(const struct nic *lower, const struct upper_config *u)
{
	unsigned int i = 0;
	struct nic *n;

	if (u->macvlan_mode != MACVLAN_PRIVATE && u->macvlan_mode != MACVLAN_VEPA && u->macvlan_mode != MACVLAN_BRIDGE &&
	    u->macvlan_mode != MACVLAN_PASSTHRU)
		return -EINVAL;
	if (atomic_load(&lower->master))
		return -EBUSY;
	while ((n = upper_next(lower, UPPER_MACVLAN, &i)) != NULL) /* passthru is alone */
		if (u->macvlan_mode == MACVLAN_PASSTHRU || n->upper.macvlan_mode == MACVLAN_PASSTHRU)
			return -EINVAL;
	return 0;
}

int upper_check_locked(const struct nic *n)
{
	struct nic *lower = n->lower;

	if (atomic_load(&lower->gone))
		return -ENODEV;
	if (depth(lower) >= NEST_MAX)
		return -EMLINK;
	return n->upper.type == UPPER_VLAN ? vlan_check(lower, &n->upper) : macvlan_check(lower, &n->upper);
}

/*
 * The host's kernel sends frames that are longer than its interface's MTU by one tag of 802.1Q (packet_snd()): what has
 * other tags is shorter there, as Linux has it for such interfaces (netif_reduces_vlan_mtu()).
 */
static uint32_t upper_mtu(const struct nic *lower, const struct upper_config *u)
{
	uint32_t mtu = atomic_load(&lower->mtu);
	bool tagged = lower->upper.type == UPPER_VLAN || u->vlan_proto == ETHERTYPE_QINQ;

	return u->type == UPPER_VLAN && tagged && any_below(lower, is_hosts) ? mtu - VLAN_HLEN : mtu;
}

uint32_t upper_mtu_max(const struct nic *n)
{
	return upper_mtu(n->lower, &n->upper);
}

int upper_new(struct stack *s, struct nic_config *c, uint32_t *ifindex)
{
	static const uint8_t none[ETH_ALEN];
	struct nic *lower = nic_peek(s, c->upper.lower);
	bool vlan = c->upper.type == UPPER_VLAN;
	uint32_t mtu;

	if (!lower)
		return -ENODEV;
	if (lower->type != LINK_ETHERNET)
		return vlan ? -EOPNOTSUPP : -EINVAL;
	if (!vlan && lower->upper.type == UPPER_MACVLAN && lower->lower) /* beside it rather than on it */
		lower = lower->lower;
	mtu = upper_mtu(lower, &c->upper);
	if (c->mtu == 0)
		c->mtu = mtu;
	else if (c->mtu > mtu)
		return -EINVAL;
	if (c->upper.macvlan_mode == MACVLAN_PASSTHRU || (vlan && memcmp(c->mac, none, ETH_ALEN) == 0))
		memcpy(c->mac, lower->mac, ETH_ALEN);
	c->upper.lower = lower->ifindex;
	c->type = LINK_ETHERNET;
	c->kind = vlan ? "vlan" : "macvlan";
	c->ops = vlan ? &vlan_ops : &macvlan_ops;
	if (!vlan)
		c->features = LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6 | LINK_TX_USO; /* the lower one does it */
	else if (!lower->kind && c->upper.vlan_proto == ETHERTYPE_VLAN)
		c->features = lower->features;
	c->gso_max = lower->gso_max - VLAN_HLEN;
	c->mtu_max = mtu;
	c->foreign = any_below(lower, is_hosts);
	return nic_add(s, c, ifindex);
}

/* Whichever stands on n, of either type; NULL: none. */
static struct nic *upper_any(struct nic *n)
{
	unsigned int i = 0, k = 0;
	struct nic *up = upper_next(n, UPPER_VLAN, &i);

	return up ? up : upper_next(n, UPPER_MACVLAN, &k);
}

void upper_remove_all(struct nic *n)
{
	struct nic *up;

	while (atomic_load(&n->uppers) && (up = upper_any(n)) != NULL)
		(void)nic_take_away(up);
}

void upper_away_send(struct stack *s, uint32_t ifindex, struct list *pkts)
{
	struct nic *n = nic_peek_away(s, ifindex);
	struct list *node;
	struct txq q;

	if (!n) {
		pkt_free_list(pkts);
		return;
	}
	txq_init(&q, s);
	while ((node = list_shift(pkts)) != NULL) {
		struct pkt *p = list_entry(node, struct pkt, node);

		p->nic = n;
		p->flags = (p->flags & PKT_CSUM_PARTIAL) | PKT_NOTAP;
		nic_transmit(&q, n, p);
		txq_flush(&q);
	}
}

int upper_away_set_mac(struct stack *s, uint32_t ifindex, const uint8_t mac[ETH_ALEN])
{
	struct nic *n = nic_peek_away(s, ifindex);

	return n ? nic_take_mac(n, mac) : -ENODEV;
}

void upper_away_remove(struct stack *s, uint32_t ifindex)
{
	struct nic *n = nic_peek_away(s, ifindex);

	if (n)
		(void)nic_take_away(n);
}

int upper_may_have_locked(const struct nic *n, const uint8_t mac[ETH_ALEN])
{
	unsigned int i = 0;
	struct nic *other;

	if (n->upper.type != UPPER_MACVLAN || n->upper.macvlan_mode == MACVLAN_PASSTHRU)
		return 0;
	if (memcmp(n->lower->mac, mac, ETH_ALEN) == 0)
		return -EADDRINUSE;
	while ((other = upper_next(n->lower, UPPER_MACVLAN, &i)) != NULL)
		if (other != n && nic_up(other) && memcmp(other->mac, mac, ETH_ALEN) == 0)
			return -EADDRINUSE;
	return 0;
}

int upper_may_be_up_locked(const struct nic *n)
{
	if (n->upper.type == UPPER_VLAN)
		return nic_up(n->lower) ? 0 : -ENETDOWN;
	return upper_may_have_locked(n, n->mac);
}

bool upper_is_passthru(const struct nic *n)
{
	return n->upper.type == UPPER_MACVLAN && n->upper.macvlan_mode == MACVLAN_PASSTHRU;
}

bool upper_has_macvlan(const struct nic *n)
{
	unsigned int i = 0;

	return atomic_load(&n->uppers) && upper_next(n, UPPER_MACVLAN, &i);
}

void upper_lower_flags(struct nic *n)
{
	uint32_t up = nic_up(n) ? IFF_UP : 0;
	unsigned int i = 0;
	struct nic *on;

	if (!atomic_load(&n->uppers))
		return;
	while ((on = upper_next(n, UPPER_VLAN, &i)) != NULL) {
		if (!on->away)
			(void)nic_set_flags(n->stack, on->ifindex, up, IFF_UP);
		else if (up)
			atomic_fetch_or(&on->flags, IFF_UP);
		else
			atomic_fetch_and(&on->flags, ~(unsigned int)IFF_UP);
	}
	i = 0;
	while ((on = upper_next(n, UPPER_MACVLAN, &i)) != NULL)
		nic_changed(on); /* its carrier */
}

void upper_lower_mtu(struct nic *n)
{
	unsigned int i = 0, k = 0;
	struct nic *on;

	if (!atomic_load(&n->uppers))
		return;
	while ((on = upper_next(n, UPPER_VLAN, &i)) != NULL || (on = upper_next(n, UPPER_MACVLAN, &k)) != NULL)
		if (atomic_load(&on->mtu) > upper_mtu_max(on))
			(void)nic_set_mtu(n->stack, on->ifindex, upper_mtu_max(on));
}

void upper_lower_mac(struct nic *n, const uint8_t old[ETH_ALEN])
{
	unsigned int i = 0, k = 0;
	struct nic *on;

	if (!atomic_load(&n->uppers))
		return;
	while ((on = upper_next(n, UPPER_VLAN, &i)) != NULL)
		if (memcmp(on->mac, old, ETH_ALEN) == 0)
			nic_put_mac(on, n->mac);
	while ((on = upper_next(n, UPPER_MACVLAN, &k)) != NULL)
		if (upper_is_passthru(on))
			nic_put_mac(on, n->mac);
}
