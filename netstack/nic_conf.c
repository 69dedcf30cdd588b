/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic_conf.c: settings of interfaces (nic_conf.h): where a value comes from, and what writing one does besides.
 *
 *   made        an interface's are "default"'s.  lo has no duplicate address detection.
 *   "default"   what is written there of IPv4's is an interface's too as long as that has had no address and the key
 *               was not written there: devinet_copy_dflt_conf(), ipv4_devconf_setall()
 *   forwarding  of "all" is "default"'s and every interface's too: inet_forward_change(), addrconf_forward_change();
 *               ip_forward is that of IPv4
 *   disable_ipv6  likewise; addresses go, and lo's and link-local ones come back: addrconf_disable_change()
 *   addr_gen_mode likewise; a link-local address is made when there is to be one
 *
 * Values are atomic, one by one: two writers of "all" at once leave a mixture, as on Linux without rtnl.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "netstack/stack_impl.h"

const struct nic_conf_entry nic_conf_entries[] = {
#define X(group, name, all, def, lo, hi) { #name, NIC_CONF_##group, def, lo, hi },
	NIC_CONF(X)
#undef X
};

/* Places in arrays of netlink, from 1 on; 0: in none. */
static const uint8_t nic_conf_abi[NIC_CONF_COUNT] = {
	[IP4_accept_local] = IPV4_DEVCONF_ACCEPT_LOCAL,
	[IP4_accept_redirects] = IPV4_DEVCONF_ACCEPT_REDIRECTS,
	[IP4_accept_source_route] = IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE,
	[IP4_arp_accept] = IPV4_DEVCONF_ARP_ACCEPT,
	[IP4_arp_announce] = IPV4_DEVCONF_ARP_ANNOUNCE,
	[IP4_arp_filter] = IPV4_DEVCONF_ARPFILTER,
	[IP4_arp_ignore] = IPV4_DEVCONF_ARP_IGNORE,
	[IP4_arp_notify] = IPV4_DEVCONF_ARP_NOTIFY,
	[IP4_bc_forwarding] = IPV4_DEVCONF_BC_FORWARDING,
	[IP4_bootp_relay] = IPV4_DEVCONF_BOOTP_RELAY,
	[IP4_drop_gratuitous_arp] = IPV4_DEVCONF_DROP_GRATUITOUS_ARP,
	[IP4_drop_unicast_in_l2_multicast] = IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST,
	[IP4_force_igmp_version] = IPV4_DEVCONF_FORCE_IGMP_VERSION,
	[IP4_forwarding] = IPV4_DEVCONF_FORWARDING,
	[IP4_igmpv2_unsolicited_report_interval] = IPV4_DEVCONF_IGMPV2_UNSOLICITED_REPORT_INTERVAL,
	[IP4_ignore_routes_with_linkdown] = IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN,
	[IP4_log_martians] = IPV4_DEVCONF_LOG_MARTIANS,
	[IP4_mc_forwarding] = IPV4_DEVCONF_MC_FORWARDING,
	[IP4_medium_id] = IPV4_DEVCONF_MEDIUM_ID,
	[IP4_promote_secondaries] = IPV4_DEVCONF_PROMOTE_SECONDARIES,
	[IP4_proxy_arp] = IPV4_DEVCONF_PROXY_ARP,
	[IP4_proxy_arp_pvlan] = IPV4_DEVCONF_PROXY_ARP_PVLAN,
	[IP4_route_localnet] = IPV4_DEVCONF_ROUTE_LOCALNET,
	[IP4_rp_filter] = IPV4_DEVCONF_RP_FILTER,
	[IP4_secure_redirects] = IPV4_DEVCONF_SECURE_REDIRECTS,
	[IP4_send_redirects] = IPV4_DEVCONF_SEND_REDIRECTS,
	[IP4_shared_media] = IPV4_DEVCONF_SHARED_MEDIA,
	[IP4_src_valid_mark] = IPV4_DEVCONF_SRC_VMARK,
	[IP4_tag] = IPV4_DEVCONF_TAG,
	[IP6_accept_dad] = DEVCONF_ACCEPT_DAD + 1,
	[IP6_accept_ra] = DEVCONF_ACCEPT_RA + 1,
	[IP6_accept_ra_defrtr] = DEVCONF_ACCEPT_RA_DEFRTR + 1,
	[IP6_accept_ra_from_local] = DEVCONF_ACCEPT_RA_FROM_LOCAL + 1,
	[IP6_accept_ra_min_hop_limit] = DEVCONF_ACCEPT_RA_MIN_HOP_LIMIT + 1,
	[IP6_accept_ra_min_lft] = DEVCONF_ACCEPT_RA_MIN_LFT + 1,
	[IP6_accept_ra_mtu] = DEVCONF_ACCEPT_RA_MTU + 1,
	[IP6_accept_ra_pinfo] = DEVCONF_ACCEPT_RA_PINFO + 1,
	[IP6_accept_ra_rt_info_max_plen] = DEVCONF_ACCEPT_RA_RT_INFO_MAX_PLEN + 1,
	[IP6_accept_ra_rtr_pref] = DEVCONF_ACCEPT_RA_RTR_PREF + 1,
	[IP6_accept_redirects] = DEVCONF_ACCEPT_REDIRECTS + 1,
	[IP6_accept_source_route] = DEVCONF_ACCEPT_SOURCE_ROUTE + 1,
	[IP6_accept_untracked_na] = DEVCONF_ACCEPT_UNTRACKED_NA + 1,
	[IP6_addr_gen_mode] = DEVCONF_ADDR_GEN_MODE + 1,
	[IP6_autoconf] = DEVCONF_AUTOCONF + 1,
	[IP6_dad_transmits] = DEVCONF_DAD_TRANSMITS + 1,
	[IP6_disable_ipv6] = DEVCONF_DISABLE_IPV6 + 1,
	[IP6_drop_unicast_in_l2_multicast] = DEVCONF_DROP_UNICAST_IN_L2_MULTICAST + 1,
	[IP6_drop_unsolicited_na] = DEVCONF_DROP_UNSOLICITED_NA + 1,
	[IP6_enhanced_dad] = DEVCONF_ENHANCED_DAD + 1,
	[IP6_force_forwarding] = DEVCONF_ACCEPT_RA_MIN_LFT + 2,
	[IP6_force_mld_version] = DEVCONF_FORCE_MLD_VERSION + 1,
	[IP6_forwarding] = DEVCONF_FORWARDING + 1,
	[IP6_hop_limit] = DEVCONF_HOPLIMIT + 1,
	[IP6_ignore_routes_with_linkdown] = DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN + 1,
	[IP6_keep_addr_on_down] = DEVCONF_KEEP_ADDR_ON_DOWN + 1,
	[IP6_max_addresses] = DEVCONF_MAX_ADDRESSES + 1,
	[IP6_mc_forwarding] = DEVCONF_MC_FORWARDING + 1,
	[IP6_mldv1_unsolicited_report_interval] = DEVCONF_MLDV1_UNSOLICITED_REPORT_INTERVAL + 1,
	[IP6_mtu] = DEVCONF_MTU6 + 1,
	[IP6_ndisc_notify] = DEVCONF_NDISC_NOTIFY + 1,
	[IP6_ndisc_tclass] = DEVCONF_NDISC_TCLASS + 1,
	[IP6_optimistic_dad] = DEVCONF_OPTIMISTIC_DAD + 1,
	[IP6_proxy_ndp] = DEVCONF_PROXY_NDP + 1,
	[IP6_ra_defrtr_metric] = DEVCONF_RA_DEFRTR_METRIC + 1,
	[IP6_router_solicitation_interval] = DEVCONF_RTR_SOLICIT_INTERVAL + 1,
	[IP6_router_solicitation_max_interval] = DEVCONF_RTR_SOLICIT_MAX_INTERVAL + 1,
	[IP6_router_solicitations] = DEVCONF_RTR_SOLICITS + 1,
	[IP6_suppress_frag_ndisc] = DEVCONF_SUPPRESS_FRAG_NDISC + 1,
	[IP6_use_oif_addrs_only] = DEVCONF_USE_OIF_ADDRS_ONLY + 1,
	[IP6_use_optimistic] = DEVCONF_USE_OPTIMISTIC + 1,
	[IP6_use_tempaddr] = DEVCONF_USE_TEMPADDR + 1,
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

static void tell(struct stack *s, uint32_t ifindex, unsigned int key)
{
	stack_event(s, STACK_CONF, &(struct nic_conf_info){ .ifindex = ifindex, .key = key });
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
	tell(s, NIC_CONF_DEFAULT, key);
	for (unsigned int i = 0; i < count; i++) {
		struct nic *n = nic_at(s, i);
		bool turned = n && !get(&n->conf, key) != !value;

		if (!n)
			continue;
		put(&n->conf, key, value);
		tell(s, n->ifindex, key);
		if (key == IP6_disable_ipv6 && turned)
			addr_v6_disabled(s, n, value != 0);
		if (key == IP6_addr_gen_mode)
			addr_generate(s, n);
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
	    (key == IP4_forwarding || key == IP6_forwarding || key == IP6_disable_ipv6 || key == IP6_addr_gen_mode))
		set_all(s, key, value);
	else if (n && key == IP6_disable_ipv6 && !old != !value)
		addr_v6_disabled(s, n, value != 0);
	else if (n && key == IP6_addr_gen_mode)
		addr_generate(s, n);
	stack_bump(s);
	if (old != value)
		tell(s, ifindex, key);
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

int nic_conf_place(unsigned int key)
{
	return nic_conf_abi[key] ? nic_conf_abi[key] - 1 : -ENOENT;
}

int nic_conf_find_abi(enum nic_conf_group group, unsigned int place)
{
	for (unsigned int i = 0; i < NIC_CONF_COUNT; i++)
		if (nic_conf_entries[i].group == group && nic_conf_abi[i] == place + 1)
			return (int)i;
	return -ENOENT;
}
