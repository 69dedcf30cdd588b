/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcast.c: multicast groups of interfaces: who is in, and the reports that tell routers: IGMPv2
 * (RFC 2236) and MLDv1 (RFC 2710), sent for every group but all-hosts, twice on joining, and on
 * query after a random delay.  There are no source filters: a v3/v2 query is answered in the older
 * version, which their routers understand.
 *
 * Under nic->lock; a group's timer holds no reference: it looks the group up by its own address,
 * and groups are freed only after the timer was cancelled and the lock taken.
 */
#include "netstack/icmp_impl.h"

/* Within which a report is repeated. */
static int64_t report_interval_ns(const struct nic *n, struct ipa group)
{
	return nic_conf(n, ipa_is4(group) ? IP4_igmpv2_unsolicited_report_interval
					   : IP6_mldv1_unsolicited_report_interval) * NSEC_PER_MSEC;
}

static struct mcast_group *mcast_find(struct nic *n, struct ipa group)
{
	struct mcast_group *g;

	list_for_each_entry(g, &n->groups, node)
		if (ipa_eq(g->group, group))
			return g;
	return NULL;
}

static bool mcast_silent(const struct nic *n, struct ipa g)
{
	if (n->type == LINK_LOOPBACK)
		return true;
	if (ipa_is4(g))
		return ipa_host4(g) == INADDR_ALLHOSTS_GROUP;
	return (g.b[1] & 0xf) <= 1 || (g.b[1] == 2 && g.b[15] == 1 && g.d[1] == htobe64(1));
}

static void igmp_send(struct txq *q, struct nic *n, struct ipa group, uint8_t type, struct ipa to)
{
	static const uint8_t router_alert[4] = { 0x94, 4, 0, 0 };
	struct ip_out o = { .proto = PROTO_IGMP, .ttl = 1, .tos = 0xc0, .opts = router_alert,
			    .opts_len = 4 };
	struct dst d = { .nic = n, .nexthop = to, .mtu = atomic_load(&n->mtu), .valid = true,
			 .type = ROUTE_MULTICAST };
	struct pkt *p = pkt_new(PKT_HEADROOM, 8);
	uint8_t *b;

	if (!p)
		return;
	p->src = ipa_any4();
	addr_first(n->stack, n, false, &p->src);
	p->dst = to;
	b = pkt_append(p, 8);
	memset(b, 0, 8);
	b[0] = type;
	memcpy(b + 4, &group.b[12], 4);
	p->trans = p->data;
	{
		uint16_t c = csum_fold(csum_add(0, b, 8, 0));

		memcpy(b + 2, &c, 2);
	}
	ip_output(q, &d, p, &o);
}

static void mld_send(struct txq *q, struct nic *n, struct ipa group, uint8_t type, struct ipa to)
{
	/* Hop-by-hop with router alert, then the message: built as one ICMPv6 payload behind it. */
	static const uint8_t hbh[8] = { PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0 };
	struct ip_out o = { .proto = PROTO_HOPOPTS, .ttl = 1 };
	struct dst d = { .nic = n, .nexthop = to, .mtu = atomic_load(&n->mtu), .valid = true,
			 .type = ROUTE_MULTICAST };
	struct pkt *p = pkt_new(PKT_HEADROOM, 8 + 24);
	struct nic_addr *a;
	uint16_t c;
	uint8_t *b;

	if (!p)
		return;
	p->src = ipa_any6();
	nrwlock_read(&n->stack->tables);
	list_for_each_entry(a, &n->stack->addrs, node)
		if (a->nic == n && !ipa_is4(a->i.addr) && ipa_is_linklocal(a->i.addr) &&
		    !(a->i.state & ADDR_TENTATIVE))
			p->src = a->i.addr;
	nrwlock_read_unlock(&n->stack->tables);
	p->dst = to;
	memcpy(pkt_append(p, 8), hbh, 8);
	b = pkt_append(p, 24);
	memset(b, 0, 24);
	b[0] = type;
	memcpy(b + 8, group.b, 16);
	c = csum_fold(csum_add(csum_pseudo(p->src, to, PROTO_ICMP6, 24), b, 24, 0));
	memcpy(b + 2, &c, 2);
	ip_output(q, &d, p, &o);
}

static void mcast_report(struct txq *q, struct nic *n, struct ipa g, bool leave)
{
	static const uint8_t all_routers6[16] = { 0xff, 2, [15] = 2 };

	if (mcast_silent(n, g) || !nic_up(n))
		return;
	if (ipa_is4(g))
		igmp_send(q, n, g, leave ? 0x17 : 0x16,
			  leave ? ipa_v4(htonl(INADDR_ALLRTRS_GROUP)) : g);
	else
		mld_send(q, n, g, leave ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT,
			 leave ? ipa_v6(all_routers6) : g);
}

static void mcast_timer(struct ntimer *t, struct txq *q)
{
	struct mcast_group *g = container_of(t, struct mcast_group, report);
	struct nic *n = g->nic;
	struct ipa group;
	bool gone;

	nlock_lock(&n->lock);
	gone = g->users == 0;
	group = g->group;
	if (!gone && g->reports_left && --g->reports_left)
		ntimer_arm(n->stack, t, stack_now(n->stack) + report_interval_ns(n, group));
	nlock_unlock(&n->lock);
	if (gone)
		mem_free(g); /* left while the timer was on its way */
	else
		mcast_report(q, n, group, false);
}

int mcast_join(struct txq *q, struct nic *n, struct ipa group)
{
	struct mcast_group *g;
	bool fresh = false;
	int err = 0;

	if (!ipa_is_multicast(group))
		return -EINVAL;
	nlock_lock(&n->lock);
	g = mcast_find(n, group);
	if (!g && n->ngroups >= MCAST_MAX) {
		err = -ENOBUFS;
	} else if (!g) {
		g = mem_new(struct mcast_group);
		if (!g) {
			err = -ENOMEM;
		} else {
			g->group = group;
			g->nic = n;
			ntimer_init(&g->report, mcast_timer);
			list_append(&n->groups, &g->node);
			n->ngroups++;
			fresh = true;
		}
	}
	if (err == 0) {
		g->users++;
		if (fresh && !mcast_silent(n, group)) {
			g->reports_left = 1;
			ntimer_arm(n->stack, &g->report, stack_now(n->stack) +
				   (int64_t)(stack_random32(n->stack) % 1000) * (report_interval_ns(n, group) / 1000));
		}
	}
	nlock_unlock(&n->lock);
	if (fresh)
		mcast_report(q, n, group, false);
	return err;
}

int mcast_leave(struct txq *q, struct nic *n, struct ipa group)
{
	struct mcast_group *g;
	bool last = false;

	nlock_lock(&n->lock);
	g = mcast_find(n, group);
	if (g && --g->users == 0) {
		last = true;
		list_remove(&g->node);
		n->ngroups--;
		/* Armed: nobody else has it.  Not armed but expected: the timer frees it. */
		if (ntimer_cancel(n->stack, &g->report) || g->reports_left == 0)
			mem_free(g);
	}
	nlock_unlock(&n->lock);
	if (last)
		mcast_report(q, n, group, true);
	return g ? 0 : -EADDRNOTAVAIL;
}

bool mcast_member(struct nic *n, struct ipa group)
{
	bool in;

	if (ipa_is4(group)) {
		if (ipa_host4(group) == INADDR_ALLHOSTS_GROUP)
			return true;
	} else if (group.b[1] <= 2 && group.d[1] == htobe64(1)) {
		return true; /* ff01::1, ff02::1 */
	}
	if (atomic_load(&n->flags) & IFF_ALLMULTI)
		return true;
	nlock_lock(&n->lock);
	in = mcast_find(n, group) != NULL;
	nlock_unlock(&n->lock);
	return in;
}

void mcast_link_up(struct txq *q, struct nic *n)
{
	struct ipa groups[32];
	struct mcast_group *g;
	unsigned int count = 0;

	nlock_lock(&n->lock);
	list_for_each_entry(g, &n->groups, node)
		if (count < ARRAY_SIZE(groups))
			groups[count++] = g->group;
	nlock_unlock(&n->lock);
	for (unsigned int i = 0; i < count; i++)
		mcast_report(q, n, groups[i], false);
}

/* A router asks: every group concerned answers within max_ns. */
static void mcast_query(struct nic *n, bool v4, struct ipa group, int64_t max_ns)
{
	struct stack *s = n->stack;
	struct mcast_group *g;

	max_ns = MAX(max_ns, NSEC_PER_MSEC);
	nlock_lock(&n->lock);
	list_for_each_entry(g, &n->groups, node) {
		if (ipa_is4(g->group) != v4 || mcast_silent(n, g->group))
			continue;
		if (!ipa_is_any(group) && !ipa_eq(group, g->group))
			continue;
		if (g->reports_left == 0)
			g->reports_left = 1;
		ntimer_arm_before(s, &g->report,
				  stack_now(s) + (int64_t)(stack_random32(s) % 1000) * (max_ns / 1000));
	}
	nlock_unlock(&n->lock);
}

void igmp_input(struct txq *q, struct nic *n, struct pkt *p)
{
	NET_INC(q->stack, IgmpIn);
	if (pkt_linear(p, 8) && csum_fold(pkt_csum(p, 0, p->len, 0)) == 0 && p->data[0] == 0x11) {
		uint32_t group;

		memcpy(&group, p->data + 4, 4);
		mcast_query(n, true, ipa_v4(group),
			    (p->data[1] ? p->data[1] : 100) * 100 * NSEC_PER_MSEC);
	}
	pkt_free(p);
}

void mld_input(struct txq *q, struct nic *n, struct pkt *p)
{
	NET_INC(q->stack, MldIn);
	if (!pkt_linear(p, 24) || p->ttl != 1 || !ipa_is_linklocal(p->src))
		return;
	mcast_query(n, false, ipa_v6(p->data + 8), rd16(p->data + 4) * NSEC_PER_MSEC);
}

/* The groups of n as Linux lists them: the newest first, those that every interface is in last.  A count. */
static unsigned int mcast_list(struct nic *n, struct mcast_info *out, unsigned int max)
{
	static const uint8_t nodes[2][16] = { { 0xff, 2, [15] = 1 }, { 0xff, 1, [15] = 1 } };
	struct list *at, *last = NULL;
	struct mcast_group *g;
	struct nic_info info;
	unsigned int count = 0, four = 1;
	struct ipa any;

	nic_get_info(n, &info);
	nlock_lock(&n->lock);
	list_for_each(at, &n->groups)
		last = at;
	for (; last && last != &n->groups && count < max - 3; last = last->prev) {
		g = list_entry(last, struct mcast_group, node);
		four += ipa_is4(g->group);
		out[count].group = g->group;
		out[count++].users = g->users;
	}
	nlock_unlock(&n->lock);
	out[count].users = 1;
	out[count++].group = ipa_v4(htonl(INADDR_ALLHOSTS_GROUP));
	for (unsigned int i = 0; addr_first(n->stack, n, true, &any) && i < 2; i++) {
		out[count].users = 1;
		out[count++].group = ipa_v6(nodes[i]);
	}
	for (unsigned int i = 0; i < count; i++) {
		out[i].ifindex = n->ifindex;
		memcpy(out[i].name, info.name, sizeof(out[i].name));
		out[i].ethernet = n->type == LINK_ETHERNET;
		out[i].silent = mcast_silent(n, out[i].group);
		out[i].count4 = four;
	}
	return count;
}

int mcast_for_each(struct stack *s, int (*fn)(void *arg, const struct mcast_info *m), void *arg)
{
	struct mcast_info *list = mem_calloc(MCAST_MAX + 3, sizeof(*list));
	unsigned int nics = atomic_load_explicit(&s->nic_count, memory_order_acquire);
	int err = 0;

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 0; i < nics && err == 0; i++) {
		struct nic *n = atomic_load(&s->nics[i]);
		unsigned int count = 0;

		if (nic_up(n) && !atomic_load_explicit(&n->gone, memory_order_relaxed))
			count = mcast_list(n, list, MCAST_MAX + 3);
		for (unsigned int k = 0; k < count && err == 0; k++)
			err = fn(arg, &list[k]);
	}
	mem_free(list);
	return err;
}
