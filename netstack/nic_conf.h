/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic_conf.h: settings of interfaces: /proc/sys/net/ipv4/conf/IF, ipv6/conf/IF, ipv4/neigh/IF, ipv6/neigh/IF.
 *
 * One row each: group, name, value of "all", value of "default" and so of an interface that is made, least, greatest.
 * Values are those of a new network namespace of Linux 6.18 but where docs/status.md says otherwise.  Where least and
 * greatest are the same the stack does one thing only, and takes no other value; least above greatest: read-only.
 *
 * "all" is a set of its own, not a way to write them all: how it joins with an interface's is the key's business
 * (nic_conf_or() and kin), as in the kernel's Documentation/networking/ip-sysctl.rst.  What writing does besides is in
 * nic_conf.c.
 */
#pragma once

#include <limits.h>
#include <stdatomic.h>

#define NIC_CONF(X)                                                                \
	X(IP4, accept_local, 0, 0, INT_MIN, INT_MAX)                               \
	X(IP4, accept_redirects, 0, 0, 0, 0)                                       \
	X(IP4, accept_source_route, 0, 1, 0, 1)                                    \
	X(IP4, arp_accept, 0, 0, 0, 2)                                             \
	X(IP4, arp_announce, 0, 0, INT_MIN, INT_MAX)                               \
	X(IP4, arp_filter, 0, 0, INT_MIN, INT_MAX)                                 \
	X(IP4, arp_ignore, 0, 0, INT_MIN, INT_MAX)                                 \
	X(IP4, arp_notify, 0, 0, INT_MIN, INT_MAX)                                 \
	X(IP4, bc_forwarding, 0, 0, 0, 0)                                          \
	X(IP4, bootp_relay, 0, 0, 0, 0)                                            \
	X(IP4, drop_gratuitous_arp, 0, 0, INT_MIN, INT_MAX)                        \
	X(IP4, drop_unicast_in_l2_multicast, 1, 1, 1, 1)                           \
	X(IP4, force_igmp_version, 2, 2, 2, 2)                                     \
	X(IP4, forwarding, 0, 0, INT_MIN, INT_MAX)                                 \
	X(IP4, igmpv2_unsolicited_report_interval, 10000, 10000, 1, 3600000)       \
	X(IP4, ignore_routes_with_linkdown, 0, 0, 0, 0)                            \
	X(IP4, log_martians, 0, 0, INT_MIN, INT_MAX)                               \
	X(IP4, mc_forwarding, 0, 0, 1, 0)                                          \
	X(IP4, medium_id, 0, 0, 0, 0)                                              \
	X(IP4, promote_secondaries, 0, 0, INT_MIN, INT_MAX)                        \
	X(IP4, proxy_arp, 0, 0, INT_MIN, INT_MAX)                                  \
	X(IP4, proxy_arp_pvlan, 0, 0, INT_MIN, INT_MAX)                            \
	X(IP4, route_localnet, 0, 0, INT_MIN, INT_MAX)                             \
	X(IP4, rp_filter, 0, 0, INT_MIN, INT_MAX)                                  \
	X(IP4, secure_redirects, 1, 1, 0, 1)                                       \
	X(IP4, send_redirects, 0, 0, 0, 0)                                         \
	X(IP4, shared_media, 1, 1, 0, 1)                                           \
	X(IP4, src_valid_mark, 0, 0, INT_MIN, INT_MAX)                             \
	X(IP4, tag, 0, 0, INT_MIN, INT_MAX)                                        \
	X(IP6, accept_dad, 0, 1, INT_MIN, INT_MAX)                                 \
	X(IP6, accept_ra, 1, 1, INT_MIN, INT_MAX)                                  \
	X(IP6, accept_ra_defrtr, 1, 1, INT_MIN, INT_MAX)                           \
	X(IP6, accept_ra_from_local, 0, 0, INT_MIN, INT_MAX)                       \
	X(IP6, accept_ra_min_hop_limit, 1, 1, INT_MIN, INT_MAX)                    \
	X(IP6, accept_ra_min_lft, 0, 0, INT_MIN, INT_MAX)                          \
	X(IP6, accept_ra_mtu, 1, 1, INT_MIN, INT_MAX)                              \
	X(IP6, accept_ra_pinfo, 1, 1, INT_MIN, INT_MAX)                            \
	X(IP6, accept_ra_rt_info_max_plen, 0, 0, 0, 0)                             \
	X(IP6, accept_ra_rtr_pref, 0, 0, 0, 0)                                     \
	X(IP6, accept_redirects, 0, 0, 0, 0)                                       \
	X(IP6, accept_source_route, 0, 0, -1, 0)                                   \
	X(IP6, accept_untracked_na, 0, 0, 0, 0)                                    \
	X(IP6, addr_gen_mode, 0, 0, 0, 1)                                          \
	X(IP6, autoconf, 1, 1, INT_MIN, INT_MAX)                                   \
	X(IP6, dad_transmits, 1, 1, 0, 255)                                        \
	X(IP6, disable_ipv6, 0, 0, INT_MIN, INT_MAX)                               \
	X(IP6, drop_unicast_in_l2_multicast, 1, 1, 1, 1)                           \
	X(IP6, drop_unsolicited_na, 0, 0, 0, 1)                                    \
	X(IP6, enhanced_dad, 0, 0, 0, 0)                                           \
	X(IP6, force_forwarding, 0, 0, 0, 1)                                       \
	X(IP6, force_mld_version, 1, 1, 1, 1)                                      \
	X(IP6, forwarding, 0, 0, INT_MIN, INT_MAX)                                 \
	X(IP6, hop_limit, 64, 64, 1, 255)                                          \
	X(IP6, ignore_routes_with_linkdown, 0, 0, 0, 0)                            \
	X(IP6, keep_addr_on_down, 0, 0, INT_MIN, INT_MAX)                          \
	X(IP6, max_addresses, 16, 16, 1, 64)                                       \
	X(IP6, mc_forwarding, 0, 0, 1, 0)                                          \
	X(IP6, mldv1_unsolicited_report_interval, 10000, 10000, 1, 3600000)        \
	X(IP6, mtu, 1280, 1280, 1280, 65536)                                       \
	X(IP6, ndisc_notify, 0, 0, INT_MIN, INT_MAX)                               \
	X(IP6, ndisc_tclass, 0, 0, 0, 255)                                         \
	X(IP6, optimistic_dad, 0, 0, 0, 0)                                         \
	X(IP6, proxy_ndp, 0, 0, 0, 0)                                              \
	X(IP6, ra_defrtr_metric, 1024, 1024, 1, INT_MAX)                           \
	X(IP6, router_solicitation_interval, 4, 4, 1, 86400)                       \
	X(IP6, router_solicitation_max_interval, 3600, 3600, 1, 86400)             \
	X(IP6, router_solicitations, -1, -1, -1, INT_MAX)                          \
	X(IP6, suppress_frag_ndisc, 1, 1, 1, 1)                                    \
	X(IP6, use_oif_addrs_only, 0, 0, INT_MIN, INT_MAX)                         \
	X(IP6, use_optimistic, 0, 0, 0, 0)                                         \
	X(IP6, use_tempaddr, 0, 0, -1, 0)                                          \
	X(NEIGH4, base_reachable_time_ms, 30000, 30000, 1, 86400000)               \
	X(NEIGH4, delay_first_probe_time, 5, 5, 0, 86400)                          \
	X(NEIGH4, mcast_solicit, 3, 3, 1, INT_MAX)                                 \
	X(NEIGH4, retrans_time_ms, 1000, 1000, 1, 86400000)                        \
	X(NEIGH4, ucast_solicit, 3, 3, 1, INT_MAX)                                 \
	X(NEIGH4, unres_qlen, 101, 101, 1, 1000)                                   \
	X(NEIGH6, base_reachable_time_ms, 30000, 30000, 1, 86400000)               \
	X(NEIGH6, delay_first_probe_time, 5, 5, 0, 86400)                          \
	X(NEIGH6, mcast_solicit, 3, 3, 1, INT_MAX)                                 \
	X(NEIGH6, retrans_time_ms, 1000, 1000, 1, 86400000)                        \
	X(NEIGH6, ucast_solicit, 3, 3, 1, INT_MAX)                                 \
	X(NEIGH6, unres_qlen, 101, 101, 1, 1000)

/* Groups, in the order of the rows.  Those of neighbours have no "all" and no "default". */
enum nic_conf_group { NIC_CONF_IP4, NIC_CONF_IP6, NIC_CONF_NEIGH4, NIC_CONF_NEIGH6, NIC_CONF_GROUPS };

enum nic_conf_key {
#define X(group, name, all, def, lo, hi) group##_##name,
	NIC_CONF(X)
#undef X
	NIC_CONF_COUNT
};

struct nic_conf {
	atomic_int v[NIC_CONF_COUNT];
};
