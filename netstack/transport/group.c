/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.c: the multicast groups that an endpoint is a member of, and whose packets it takes there.
 *
 * A membership is of one group on one interface.  It excludes the sources in its list, or includes these alone (ip(7):
 * IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE; RFC 3678 for both families).  The filter is the socket's: towards routers the
 * interface asks for the whole group in any case.
 *
 * The list changes under the endpoint's lock and groups_latch; input looks at it under groups_latch alone.
 * Linux: net/ipv4/igmp.c (ip_mc_source, ip_mc_sf_allow), net/ipv6/mcast.c.
 */
#include "netstack/transport/ep_impl.h"

#define SOURCES_MAX4 10 /* net.ipv4.igmp_max_msf */
#define SOURCES_MAX6 64 /* net.ipv6.mld_max_msf */

struct membership {
	struct list node;
	struct nic *nic;
	struct ipa group;
	bool include;        /* the sources alone; else all but them */
	unsigned int count;
	struct ipa *sources; /* owned; NULL: there were none so far */
};

/* n NULL: on any interface. */
static struct membership *membership_peek(struct ep *e, const struct nic *n, struct ipa group)
{
	struct membership *m;

	list_for_each_entry(m, &e->memberships, node)
		if ((!n || m->nic == n) && ipa_eq(m->group, group))
			return m;
	return NULL;
}

static unsigned int membership_find_source(const struct membership *m, struct ipa source)
{
	unsigned int i = 0;

	while (i < m->count && !ipa_eq(m->sources[i], source))
		i++;
	return i;
}

bool ep_takes_group(struct ep *e, const struct nic *n, struct ipa group, struct ipa source)
{
	const struct membership *m;
	bool takes;

	latch_lock(&e->groups_latch);
	m = membership_peek(e, n, group);
	if (m)
		takes = (membership_find_source(m, source) < m->count) == m->include;
	else
		takes = ipa_is4(group) ? e->mc_all : e->mc_all6;
	latch_unlock(&e->groups_latch);
	return takes;
}

static void membership_free(struct membership *m)
{
	mem_free(m->sources);
	mem_free(m);
}

static void membership_end(struct ep *e, struct txq *q, struct membership *m)
{
	latch_lock(&e->groups_latch);
	list_remove(&m->node);
	latch_unlock(&e->groups_latch);
	e->nmemberships--;
	mcast_leave(q, m->nic, m->group);
	membership_free(m);
}

void ep_drop_memberships(struct ep *e, struct txq *q)
{
	struct membership *m, *tmp;

	list_for_each_entry_safe(m, tmp, &e->memberships, node)
		membership_end(e, q, m);
}

struct nic *group_find_nic(struct ep *e, uint32_t ifindex, struct ipa local, struct ipa group)
{
	struct route_key k = { .dst = group, .ifindex = 0 };
	struct stack *s = e->stack;
	struct nic *n = NULL;
	struct nic_addr *a;
	struct dst d;

	if (ifindex)
		return nic_peek(s, ifindex);
	if (!ipa_is_any(local)) {
		nrwlock_read(&s->tables);
		list_for_each_entry(a, &s->addrs, node)
			if (ipa_eq(a->i.addr, local)) {
				n = a->nic;
				break;
			}
		nrwlock_read_unlock(&s->tables);
		return n;
	}
	return route_lookup(s, &k, &d) == 0 ? d.nic : NULL;
}

static int membership_begin(struct ep *e, struct txq *q, struct nic *n, struct ipa group, bool include)
{
	struct membership *m;
	int err;

	if (!ipa_is_multicast(group))
		return -EINVAL;
	if (!n)
		return -ENODEV;
	if (membership_peek(e, n, group))
		return -EADDRINUSE;
	if (e->nmemberships >= (unsigned int)e->stack->conf.igmp_max_memberships)
		return -ENOBUFS;
	m = mem_new(struct membership);
	if (!m)
		return -ENOMEM;
	err = mcast_join(q, n, group);
	if (err < 0) {
		mem_free(m);
		return err;
	}
	m->nic = n;
	m->group = group;
	m->include = include;
	latch_lock(&e->groups_latch);
	list_append(&e->memberships, &m->node);
	latch_unlock(&e->groups_latch);
	e->nmemberships++;
	return 0;
}

/* ip_mc_leave_group(), ipv6_sock_mc_drop(): without an interface the first membership of the group is meant. */
static int membership_leave(struct ep *e, struct txq *q, uint32_t ifindex, struct ipa local, struct ipa group)
{
	struct nic *n = group_find_nic(e, ifindex, local, group);
	struct membership *m;

	if (ipa_is4(group) && !n && !ifindex && ipa_is_any(local))
		return -ENODEV;
	if (!ipa_is4(group) && !ipa_is_multicast(group))
		return -EINVAL;
	if (!n && (ifindex || !ipa_is_any(local)))
		return -EADDRNOTAVAIL;
	m = membership_peek(e, ifindex || !ipa_is_any(local) ? n : NULL, group);
	if (!m)
		return -EADDRNOTAVAIL;
	membership_end(e, q, m);
	return 0;
}

int group_change(struct ep *e, struct txq *q, uint32_t ifindex, struct ipa local, struct ipa group, bool join)
{
	if (!join)
		return membership_leave(e, q, ifindex, local, group);
	return membership_begin(e, q, group_find_nic(e, ifindex, local, group), group, false);
}

int group_set_ip(struct ep *e, struct txq *q, int name, const void *val, size_t size)
{
	struct ip_mreqn m = { { 0 }, { 0 }, 0 };

	if (size < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&m, val, size < sizeof(m) ? sizeof(struct ip_mreq) : sizeof(m));
	return group_change(e, q, (uint32_t)m.imr_ifindex, ipa_v4(m.imr_address.s_addr), ipa_v4(m.imr_multiaddr.s_addr),
			    name == IP_ADD_MEMBERSHIP);
}

/* The address of a request at this level; false: it is of the other family. */
static bool group_addr(int level, const struct sockaddr_storage *ss, struct ipa *out)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (ss->ss_family != (level == IPPROTO_IP ? AF_INET : AF_INET6))
		return false;
	memcpy(&in, ss, sizeof(in));
	memcpy(&in6, ss, sizeof(in6));
	*out = level == IPPROTO_IP ? ipa_v4(in.sin_addr.s_addr) : ipa_v6(&in6.sin6_addr);
	return true;
}

int group_set_req(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	struct group_req g;
	struct ipa group;

	if (size < sizeof(g))
		return -EINVAL;
	memcpy(&g, val, sizeof(g));
	if (!group_addr(level, &g.gr_group, &group))
		return level == IPPROTO_IP ? -EINVAL : -EADDRNOTAVAIL;
	return group_change(e, q, g.gr_interface, ipa_any4(), group, name == MCAST_JOIN_GROUP);
}

/* ---- sources ---- */

static int source_add(struct ep *e, struct membership *m, struct ipa source)
{
	unsigned int max = ipa_is4(m->group) ? SOURCES_MAX4 : SOURCES_MAX6;
	struct ipa *sources = m->sources;

	if (m->count >= max)
		return -ENOBUFS;
	if (membership_find_source(m, source) < m->count)
		return -EADDRNOTAVAIL;
	if (!sources)
		sources = mem_calloc(max, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	latch_lock(&e->groups_latch);
	m->sources = sources;
	m->sources[m->count++] = source;
	latch_unlock(&e->groups_latch);
	return 0;
}

/* Including nobody is to leave the group. */
static int source_remove(struct ep *e, struct txq *q, struct membership *m, struct ipa source)
{
	unsigned int i = membership_find_source(m, source);

	if (i == m->count)
		return -EADDRNOTAVAIL;
	if (m->include && m->count == 1) {
		membership_end(e, q, m);
		return 0;
	}
	latch_lock(&e->groups_latch);
	m->sources[i] = m->sources[--m->count];
	latch_unlock(&e->groups_latch);
	return 0;
}

static int source_change(struct ep *e, struct txq *q, struct nic *n, struct ipa group, struct ipa source, bool include,
			 bool add)
{
	struct membership *m;

	if (!ipa_is_multicast(group))
		return -EINVAL;
	if (!n)
		return -ENODEV;
	m = membership_peek(e, n, group);
	if (!m || (m->include != include && m->count))
		return -EINVAL;
	latch_lock(&e->groups_latch);
	m->include = include;
	latch_unlock(&e->groups_latch);
	return add ? source_add(e, m, source) : source_remove(e, q, m, source);
}

int group_set_ip_source(struct ep *e, struct txq *q, int name, const void *val, size_t size)
{
	bool include = name == IP_ADD_SOURCE_MEMBERSHIP || name == IP_DROP_SOURCE_MEMBERSHIP;
	struct ip_mreq_source m;
	struct ipa group;
	struct nic *n;
	int err;

	if (size != sizeof(m))
		return -EINVAL;
	memcpy(&m, val, sizeof(m));
	group = ipa_v4(m.imr_multiaddr.s_addr);
	n = group_find_nic(e, 0, ipa_v4(m.imr_interface.s_addr), group);
	if (name == IP_ADD_SOURCE_MEMBERSHIP) {
		err = membership_begin(e, q, n, group, true);
		if (err < 0 && err != -EADDRINUSE)
			return err;
	}
	return source_change(e, q, n, group, ipa_v4(m.imr_sourceaddr.s_addr), include,
			     name == IP_ADD_SOURCE_MEMBERSHIP || name == IP_BLOCK_SOURCE);
}

int group_set_source_req(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	bool include = name == MCAST_JOIN_SOURCE_GROUP || name == MCAST_LEAVE_SOURCE_GROUP;
	struct group_source_req g;
	struct ipa group, source;
	struct nic *n;
	int err;

	if (size < sizeof(g) || (level == IPPROTO_IP && size != sizeof(g)))
		return -EINVAL;
	memcpy(&g, val, sizeof(g));
	if (!group_addr(level, &g.gsr_group, &group) || !group_addr(level, &g.gsr_source, &source))
		return -EADDRNOTAVAIL;
	n = group_find_nic(e, g.gsr_interface, ipa_any4(), group);
	if (name == MCAST_JOIN_SOURCE_GROUP) {
		err = membership_begin(e, q, n, group, true);
		if (err < 0 && err != -EADDRINUSE)
			return err;
	}
	return source_change(e, q, n, group, source, include, name == MCAST_JOIN_SOURCE_GROUP || name == MCAST_BLOCK_SOURCE);
}
