/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic.c: interfaces: their table, settings, and the paths of packets between the link and the
 * network layer (stack.h).
 *
 * An interface is never removed before its stack: packets and routes borrow pointers to it.  Its
 * link can be detached; then what is sent is dropped.
 *
 * Loopback: link_output() receives the packet at once.  What that sends joins the queue that is
 * being flushed, so nothing recurses and no lock is held.
 */
#include <net/if.h>

#include "netstack/stack_impl.h"

static bool nic_is_seen(const struct nic *n)
{
	return !n->away && !atomic_load_explicit(&n->gone, memory_order_relaxed);
}

struct nic *nic_peek(struct stack *s, uint32_t ifindex)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = atomic_load_explicit(&s->nics[i], memory_order_relaxed);

		if (n->ifindex == ifindex && nic_is_seen(n))
			return n;
	}
	return NULL;
}

struct nic *nic_peek_away(struct stack *s, uint32_t ifindex)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = atomic_load_explicit(&s->nics[i], memory_order_acquire);

		if (n->ifindex == ifindex && n->away && !atomic_load_explicit(&n->gone, memory_order_relaxed))
			return n;
	}
	return NULL;
}

uint32_t nic_named(struct stack *s, const char *name)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);

	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = atomic_load_explicit(&s->nics[i], memory_order_relaxed);

		if (strncmp(n->name, name, IFNAMSIZ) == 0 && nic_is_seen(n))
			return n->ifindex;
	}
	return 0;
}

uint32_t nic_by_name(struct stack *s, const char *name)
{
	uint32_t found;

	nrwlock_read(&s->tables);
	found = nic_named(s, name);
	nrwlock_read_unlock(&s->tables);
	return found;
}

static uint32_t nic_initial_flags(enum link_type type)
{
	switch (type) {
	case LINK_LOOPBACK:
		return IFF_LOOPBACK;
	case LINK_ETHERNET:
		return IFF_BROADCAST | IFF_MULTICAST;
	case LINK_IP:
		return IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
	}
	return 0;
}

static bool nic_name_ok(const char *name)
{
	size_t n = strnlen(name, IFNAMSIZ);

	if (n == 0 || n == IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || name[i] == ':' || (unsigned char)name[i] <= ' ')
			return false;
	return true;
}

static void nic_rs_timer(struct ntimer *t, struct txq *q);

/* A slot for one more: a new one, or that of one that is gone.  NIC_MAX: none.  conf_lock held. */
static unsigned int nic_slot(struct stack *s, unsigned int count)
{
	if (count < NIC_MAX)
		return count;
	for (unsigned int i = 0; i < count && s->nburied < NIC_GONE_MAX; i++) {
		struct nic *n = atomic_load(&s->nics[i]);

		if (!atomic_load(&n->gone))
			continue;
		n->below = s->buried;
		s->buried = n;
		s->nburied++;
		return i;
	}
	return NIC_MAX;
}

int nic_add(struct stack *s, const struct nic_config *c, uint32_t *ifindex)
{
	struct nic_info info;
	unsigned int count, slot = NIC_MAX;
	struct nic *n;
	int err = 0;

	if ((!c->away && !nic_name_ok(c->name)) || c->mtu < 68 || c->mtu > 65536)
		return -EINVAL;
	n = mem_new(struct nic);
	if (!n)
		return -ENOMEM;
	n->stack = s;
	n->type = c->type;
	memcpy(n->name, c->name, IFNAMSIZ);
	memcpy(n->mac, c->mac, ETH_ALEN);
	n->hlen = c->type == LINK_IP ? 0 : ETH_HLEN;
	n->features = c->features;
	n->gso_max = c->gso_max ? c->gso_max : 65535;
	n->ctx = c->upper.lower ? n : c->ctx;
	n->upper = c->upper;
	n->away = c->away;
	n->away_ctx = c->away_ctx;
	n->mtu_max = c->mtu_max;
	n->foreign = c->foreign;
	n->kind = c->kind;
	atomic_init(&n->gone, false);
	atomic_init(&n->ops, c->ops);
	atomic_init(&n->mtu, c->mtu);
	atomic_init(&n->flags, c->noarp ? IFF_BROADCAST | IFF_NOARP : nic_initial_flags(c->type));
	nlock_init(&n->lock, LOCK_NET_NIC);
	nic_conf_new(n);
	list_init(&n->groups);
	ntimer_init(&n->rs_timer, nic_rs_timer);
	neigh_init(n);
	if (n->type == LINK_LOOPBACK)
		n->features = LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6 | LINK_TX_USO;

	nlock_lock(&s->conf_lock);
	count = atomic_load(&s->nic_count);
	if (c->upper.lower) {
		n->lower = nic_peek(s, c->upper.lower);
		err = n->lower ? upper_check_locked(n) : -ENODEV;
	}
	if (err == 0 && n->away) {
		err = upper_may_be_up_locked(n);
		atomic_fetch_or(&n->flags, err == 0 ? IFF_UP : 0u);
		err = err == -ENETDOWN ? 0 : err; /* it comes up with the lower one */
	}
	if (err == 0 && ((!c->away && nic_by_name(s, c->name)) || (c->ifindex && (nic_peek(s, c->ifindex) || nic_peek_away(s, c->ifindex)))))
		err = -EEXIST;
	else if (err == 0 && (slot = nic_slot(s, count)) == NIC_MAX)
		err = -ENOSPC;
	if (err == 0) {
		if (n->lower)
			atomic_fetch_add(&n->lower->uppers, 1);
		n->ifindex = c->ifindex ? c->ifindex : s->next_ifindex;
		s->next_ifindex = MAX(s->next_ifindex, n->ifindex + 1);
		atomic_store_explicit(&s->nics[slot], n, memory_order_release);
		if (slot == count)
			atomic_store_explicit(&s->nic_count, count + 1, memory_order_release);
	}
	nlock_unlock(&s->conf_lock);
	if (err < 0) {
		neigh_fini(n);
		mem_free(n);
		return err;
	}
	*ifindex = n->ifindex;
	if (n->away)
		return 0;
	nic_get_info(n, &info);
	stack_event(s, STACK_LINK, &info);
	return 0;
}

void nic_detach(struct stack *s, uint32_t ifindex)
{
	struct nic *n = nic_peek(s, ifindex);

	if (n && n->type != LINK_LOOPBACK)
		atomic_store(&n->ops, NULL);
}

void nic_tx_failed(struct stack *s, uint32_t ifindex)
{
	struct nic *n = nic_peek(s, ifindex);

	if (n)
		nic_count_add(&n->tx_errors, 1);
}

void nic_get_info(struct nic *n, struct nic_info *out)
{
	memset(out, 0, sizeof(*out));
	out->ifindex = n->ifindex;
	nrwlock_read(&n->stack->tables);
	memcpy(out->name, n->name, IFNAMSIZ);
	nrwlock_read_unlock(&n->stack->tables);
	out->type = n->type;
	out->flags = atomic_load(&n->flags);
	if ((out->flags & IFF_UP) && (!n->lower || nic_up(n->lower)))
		out->flags |= IFF_RUNNING | IFF_LOWER_UP;
	out->mtu = atomic_load(&n->mtu);
	out->txqlen = 1000;
	memcpy(out->mac, n->mac, ETH_ALEN);
	out->kind = n->kind;
	out->upper = n->upper;
	out->link = n->lower ? n->lower->ifindex : atomic_load(&n->link);
	out->link_away = atomic_load(&n->link_away);
	out->master = bridge_master(n);
	if (n->type == LINK_ETHERNET)
		memset(out->broadcast, 0xff, ETH_ALEN);
	out->stats = (struct nic_stats){
		.rx_packets = atomic_load(&n->rx_packets), .rx_bytes = atomic_load(&n->rx_bytes),
		.rx_errors = atomic_load(&n->rx_errors), .rx_dropped = atomic_load(&n->rx_dropped),
		.multicast = atomic_load(&n->multicast),
		.tx_packets = atomic_load(&n->tx_packets), .tx_bytes = atomic_load(&n->tx_bytes),
		.tx_errors = atomic_load(&n->tx_errors), .tx_dropped = atomic_load(&n->tx_dropped),
	};
}

void nic_set_link(struct stack *s, uint32_t ifindex, uint32_t link, bool away)
{
	struct nic *n = nic_peek(s, ifindex);

	if (!n)
		return;
	atomic_store(&n->link_away, away);
	atomic_store(&n->link, link);
	nic_changed(n);
}

bool nic_exists(struct stack *s, uint32_t ifindex)
{
	return nic_peek(s, ifindex) != NULL;
}

int nic_info(struct stack *s, uint32_t ifindex, struct nic_info *out)
{
	struct nic *n = nic_peek(s, ifindex);

	if (!n)
		return -ENODEV;
	nic_get_info(n, out);
	return 0;
}

int nic_for_each(struct stack *s, int (*fn)(void *arg, const struct nic_info *i), void *arg)
{
	unsigned int count = atomic_load_explicit(&s->nic_count, memory_order_acquire);
	struct nic_info info;
	int err = 0;

	for (unsigned int i = 0; i < count && err == 0; i++) {
		struct nic *n = atomic_load(&s->nics[i]);

		if (!nic_is_seen(n))
			continue;
		nic_get_info(n, &info);
		err = fn(arg, &info);
	}
	return err;
}

void nic_changed(struct nic *n)
{
	struct nic_info info;

	if (n->away)
		return;
	stack_bump(n->stack);
	nic_get_info(n, &info);
	stack_event(n->stack, STACK_LINK, &info);
}

static void nic_rs_timer(struct ntimer *t, struct txq *q)
{
	(void)q;
	ndp_solicit(container_of(t, struct nic, rs_timer));
}

int nic_set_flags(struct stack *s, uint32_t ifindex, uint32_t flags, uint32_t mask)
{
	struct nic *n = nic_peek(s, ifindex);
	uint32_t old, now;
	struct txq q;
	int err = 0;

	if (!n)
		return -ENODEV;
	mask &= IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP;
	nlock_lock(&s->conf_lock);
	old = atomic_load(&n->flags);
	now = (old & ~mask) | (flags & mask);
	if (n->lower && (now & ~old & IFF_UP))
		err = upper_may_be_up_locked(n);
	if (err == 0)
		atomic_store(&n->flags, now);
	nlock_unlock(&s->conf_lock);
	if (err < 0 || old == now)
		return err;
	txq_init(&q, s);
	if ((old ^ now) & IFF_UP) {
		if (now & IFF_UP) {
			addr_nic_up(s, n);
			route_nic_up(s, n);
			mcast_link_up(&q, n);
			arp_notify(&q, n);
			ndp_notify(&q, n);
			ndp_routers(n);
		} else {
			ntimer_cancel(s, &n->rs_timer);
			addr_v6_down(s, n);
			route_flush_nic(s, n, true);
			neigh_flush(n);
		}
	}
	txq_flush(&q);
	nic_changed(n);
	if ((old ^ now) & IFF_UP)
		upper_lower_flags(n);
	return 0;
}

struct first_addr {
	uint32_t ifindex;
	struct addr_info i;
	bool found;
};

static int take_first_addr(void *arg, const struct addr_info *a)
{
	struct first_addr *f = arg;

	if (a->ifindex == f->ifindex && !f->found) {
		f->i = *a;
		f->found = true;
	}
	return 0;
}

int nic_take_away(struct nic *n)
{
	struct stack *s = n->stack;
	struct nic_info info;
	bool first;

	upper_remove_all(n);
	atomic_store(&n->ops, NULL);
	if (!n->away)
		nic_set_flags(s, n->ifindex, 0, IFF_UP);
	/* Now nobody gives it anything more: addr_add(), route_add(), bridge_add_port(), nic_add() of what stands on it. */
	nlock_lock(&s->conf_lock);
	nrwlock_write(&s->tables);
	first = !atomic_exchange(&n->gone, true);
	nrwlock_write_unlock(&s->tables);
	nlock_unlock(&s->conf_lock);
	if (!first)
		return -ENODEV;
	upper_remove_all(n);
	if (n->lower)
		atomic_fetch_sub(&n->lower->uppers, 1);
	if (n->away) {
		n->away->gone(n->away_ctx);
		return 0;
	}
	bridge_nic_gone(n);
	for (;;) {
		struct first_addr f = { .ifindex = n->ifindex };

		if (addr_for_each(s, take_first_addr, &f) < 0 || !f.found || addr_del(s, &f.i) < 0)
			break;
	}
	route_flush_nic(s, n, false);
	nic_get_info(n, &info);
	stack_bump(s);
	stack_event(s, STACK_LINK_DEL, &info);
	return 0;
}

int nic_remove(struct stack *s, uint32_t ifindex)
{
	struct nic *n = nic_peek(s, ifindex);

	if (!n)
		return -ENODEV;
	return n->type == LINK_LOOPBACK ? -EOPNOTSUPP : nic_take_away(n);
}

int nic_set_mtu(struct stack *s, uint32_t ifindex, uint32_t mtu)
{
	struct nic *n = nic_peek(s, ifindex);

	if (!n)
		return -ENODEV;
	if (mtu < 68 || mtu > (n->type == LINK_LOOPBACK ? 65536U : 65535U))
		return -EINVAL;
	if (n->lower ? mtu > upper_mtu_max(n) : n->mtu_max && mtu > n->mtu_max)
		return n->upper.type == UPPER_VLAN ? -ERANGE : -EINVAL;
	atomic_store(&n->mtu, mtu);
	atomic_store_explicit(&n->conf.v[IP6_mtu], (int)mtu, memory_order_relaxed);
	upper_lower_mtu(n);
	nic_changed(n);
	return 0;
}

static void nic_exchange_mac(struct nic *n, const uint8_t mac[ETH_ALEN], uint8_t old[ETH_ALEN])
{
	nlock_lock(&n->lock);
	memcpy(old, n->mac, ETH_ALEN);
	memcpy(n->mac, mac, ETH_ALEN);
	nlock_unlock(&n->lock);
}

static void nic_mac_changed(struct nic *n, const uint8_t old[ETH_ALEN])
{
	struct txq q;

	upper_lower_mac(n, old);
	nic_changed(n);
	txq_init(&q, n->stack);
	arp_notify(&q, n);
	ndp_notify(&q, n);
	txq_flush(&q);
}

void nic_put_mac(struct nic *n, const uint8_t mac[ETH_ALEN])
{
	uint8_t old[ETH_ALEN];

	nic_exchange_mac(n, mac, old);
	nic_mac_changed(n, old);
}

int nic_take_mac(struct nic *n, const uint8_t mac[ETH_ALEN])
{
	const struct link_ops *ops = atomic_load(&n->ops);
	struct nic *whose = n->lower && upper_is_passthru(n) ? n->lower : n; /* whose is its as well */
	struct stack *s = n->stack;
	uint8_t old[ETH_ALEN];
	int err;

	if (n->type != LINK_ETHERNET)
		return -EOPNOTSUPP;
	if (mac[0] & 1)
		return -EADDRNOTAVAIL;
	err = ops && ops->set_mac ? ops->set_mac(n->ctx, mac) : 0;
	if (err < 0)
		return err;
	nlock_lock(&s->conf_lock);
	err = n->lower ? upper_may_have_locked(n, mac) : 0;
	if (err == 0)
		nic_exchange_mac(whose, mac, old);
	nlock_unlock(&s->conf_lock);
	if (err == 0)
		nic_mac_changed(whose, old);
	return err;
}

int nic_set_mac(struct stack *s, uint32_t ifindex, const uint8_t mac[6])
{
	struct nic *n = nic_peek(s, ifindex);

	return n ? nic_take_mac(n, mac) : -ENODEV;
}

int nic_set_name(struct stack *s, uint32_t ifindex, const char *name)
{
	struct nic *n = nic_peek(s, ifindex);
	int err = 0;

	if (!n)
		return -ENODEV;
	if (!nic_name_ok(name))
		return -EINVAL;
	nlock_lock(&s->conf_lock);
	if (nic_by_name(s, name)) {
		err = -EEXIST;
	} else if (nic_up(n)) {
		err = -EBUSY;
	} else {
		nrwlock_write(&s->tables);
		strncpy(n->name, name, IFNAMSIZ - 1);
		nrwlock_write_unlock(&s->tables);
	}
	nlock_unlock(&s->conf_lock);
	if (err == 0)
		nic_changed(n);
	return err;
}

/* ---- out ---- */

static void nic_transmit_one(struct txq *q, struct nic *n, const struct link_ops *ops, struct pkt *p)
{
	nic_count_add(&n->tx_packets, 1);
	nic_count_add(&n->tx_bytes, p->len);
	ops->transmit(n->ctx, q, p);
}

static bool nic_can_cut(const struct nic *n, const struct pkt *p)
{
	uint32_t need = p->gso_type == GSO_TCP4 ? LINK_TX_TSO4 :
			p->gso_type == GSO_TCP6 ? LINK_TX_TSO6 : LINK_TX_USO;

	if (p->ethertype == ETHERTYPE_IP6 && p->trans - p->net != IP6_HLEN)
		return false; /* links know nothing of extension headers */
	return (n->features & need) && p->len <= n->gso_max + n->hlen;
}

void nic_transmit(struct txq *q, struct nic *n, struct pkt *p)
{
	const struct link_ops *ops = atomic_load(&n->ops);
	struct list segs, *node;

	if (!ops || !nic_up(n)) {
		nic_count_add(&n->tx_dropped, 1);
		pkt_free(p);
		return;
	}
	if (atomic_load_explicit(&n->stack->ntaps, memory_order_relaxed) && !(p->flags & PKT_NOTAP))
		tap_deliver(n, p, 4 /* PACKET_OUTGOING */);
	if (p->gso_size && !nic_can_cut(n, p)) {
		list_init(&segs);
		if (gso_segment(p, &segs) < 0)
			nic_count_add(&n->tx_dropped, 1);
		while ((node = list_shift(&segs)) != NULL)
			nic_transmit_one(q, n, ops, list_entry(node, struct pkt, node));
		return;
	}
	if ((p->flags & PKT_CSUM_PARTIAL) && !(n->features & LINK_TX_CSUM))
		pkt_finish_csum(p);
	nic_transmit_one(q, n, ops, p);
}

static void loopback_output(struct txq *q, struct nic *n, struct pkt *p)
{
	if (!nic_up(n)) {
		nic_count_add(&n->tx_dropped, 1);
		pkt_free(p);
		return;
	}
	nic_count_add(&n->tx_packets, 1);
	nic_count_add(&n->tx_bytes, p->len);
	p->flags &= PKT_CSUM_PARTIAL;
	p->flags |= PKT_LOOPED;
	if (p->flags & PKT_CSUM_PARTIAL)
		p->flags |= PKT_CSUM_OK;
	link_input(q, n, p);
}

void link_output(struct txq *q, struct pkt *p)
{
	struct nic *n = p->nic;

	if (p->flags & PKT_ARRIVES) {
		macvlan_arrive(q, n, p);
	} else if (p->flags & PKT_TO_SELF) {
		p->flags &= PKT_CSUM_PARTIAL;
		p->flags |= PKT_LOOPED | PKT_CSUM_OK;
		p->net = p->link = p->data;
		if (p->ethertype == ETHERTYPE_IP4)
			ip4_input(q, n, p);
		else
			ip6_input(q, n, p);
	} else if (p->flags & PKT_RESOLVED)
		nic_transmit(q, n, p);
	else if (n->type == LINK_LOOPBACK) {
		static const uint8_t zero[ETH_ALEN];

		ether_fill(n, p, zero);
		loopback_output(q, n, p);
	} else if (n->type == LINK_IP) {
		nic_transmit(q, n, p);
	} else {
		neigh_output(q, n, p);
	}
}

/* ---- in ---- */

static void network_input(struct txq *q, struct nic *n, struct pkt *p)
{
	switch (p->ethertype) {
	case ETHERTYPE_IP4:
		ip4_input(q, n, p);
		break;
	case ETHERTYPE_IP6:
		ip6_input(q, n, p);
		break;
	case ETHERTYPE_ARP:
		arp_input(q, n, p);
		break;
	default:
		if (vlan_strip_priority(p)) {
			network_input(q, n, p); /* once: such a tag is not in front any more */
			break;
		}
		nic_count_add(&n->rx_dropped, 1);
		pkt_free(p);
	}
}

void link_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = n->stack;

	nic_count_add(&n->rx_packets, 1);
	nic_count_add(&n->rx_bytes, p->len);
	p->nic = n;
	p->link = p->data;
	if (n->hlen) {
		const struct eth_hdr *eth = (const void *)p->data;

		if (!pkt_linear(p, ETH_HLEN)) {
			nic_count_add(&n->rx_errors, 1);
			pkt_free(p);
			return;
		}
		p->ethertype = ntohs(eth->type);
		if (n->type == LINK_LOOPBACK)
			;
		else if (eth->dst[0] & 1) {
			bool all = true;

			for (unsigned int i = 0; i < ETH_ALEN; i++)
				all &= eth->dst[i] == 0xff;
			p->flags |= all ? PKT_BROADCAST : PKT_MULTICAST;
			nic_count_add(&n->multicast, !all);
		} else if (memcmp(eth->dst, n->mac, ETH_ALEN) != 0 && !(p->flags & PKT_FOR_US)) {
			p->flags |= PKT_OTHERHOST;
		}
		pkt_pull(p, ETH_HLEN);
	} else {
		if (!pkt_linear(p, 1)) {
			pkt_free(p);
			return;
		}
		p->ethertype = p->data[0] >> 4 == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
	}
	p->net = p->data;
	if (atomic_load_explicit(&s->ntaps, memory_order_relaxed))
		tap_deliver(n, p, p->flags & PKT_BROADCAST ? 1 : p->flags & PKT_MULTICAST ? 2 :
				  p->flags & PKT_OTHERHOST ? 3 : 0);
	if (atomic_load_explicit(&n->uppers, memory_order_relaxed)) {
		p = upper_input(q, n, p);
		if (!p)
			return;
	}
	if (atomic_load_explicit(&n->master, memory_order_relaxed) && n->hlen) {
		pkt_push(p, ETH_HLEN);
		bridge_input(q, n, p);
		return;
	}
	if (p->flags & PKT_OTHERHOST) {
		pkt_free(p);
		return;
	}
	network_input(q, n, p);
}

/* TCP segments, without IP options or extension headers, of the same addresses and ports? */
static bool same_flow(const struct nic *n, const struct pkt *a, const struct pkt *b)
{
	bool tagged = n->hlen && pkt_linear(a, ETH_HLEN) && rd16(a->data + 2 * ETH_ALEN) == ETHERTYPE_VLAN;
	size_t hlen = n->hlen + (tagged ? VLAN_HLEN : 0U);
	const uint8_t *x = a->data + hlen, *y = b->data + hlen;

	if (!pkt_linear(a, hlen + IP6_HLEN + 4U) || !pkt_linear(b, hlen + IP6_HLEN + 4U))
		return false;
	if (hlen && memcmp(a->data + 12, b->data + 12, hlen - 12) != 0)
		return false;
	if (x[0] == 0x45)
		return y[0] == 0x45 && x[9] == PROTO_TCP && y[9] == PROTO_TCP && !((x[6] | y[6]) & 0x3f) &&
		       memcmp(x + 12, y + 12, 12) == 0;
	return x[0] >> 4 == 6 && y[0] >> 4 == 6 && x[6] == PROTO_TCP && y[6] == PROTO_TCP &&
	       memcmp(x + 8, y + 8, 36) == 0;
}

size_t nic_input_list(struct stack *s, uint32_t ifindex, struct list *pkts)
{
	unsigned long long before = atomic_load_explicit(&s->rx_long, memory_order_relaxed);
	struct nic *n = nic_peek(s, ifindex);
	struct list *node;
	struct txq q;

	if (!n || !nic_up(n)) {
		pkt_free_list(pkts);
		return 0;
	}
	txq_init(&q, s);
	while ((node = list_shift(pkts)) != NULL) {
		struct pkt *p = list_entry(node, struct pkt, node);

		if (!list_empty(pkts) && same_flow(n, p, list_first(pkts, struct pkt, node)))
			p->flags |= PKT_MORE;
		link_input(&q, n, p);
		txq_flush(&q);
	}
	return (size_t)(atomic_load_explicit(&s->rx_long, memory_order_relaxed) - before);
}

void nic_input(struct stack *s, uint32_t ifindex, struct pkt *p)
{
	struct list one;

	list_init(&one);
	list_append(&one, &p->node);
	(void)nic_input_list(s, ifindex, &one);
}
