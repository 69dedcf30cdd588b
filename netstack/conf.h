/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h: settings of a stack, those of /proc/sys/net that mean something here.  One row each:
 * member, name, default, least, greatest.  Defaults are those of Linux 6.6.  Those of interfaces: nic_conf.h.
 */
#pragma once

#include <limits.h>
#include <stdatomic.h>

#define NET_CONF(X)                                                                    \
	X(ip_default_ttl, "ipv4.ip_default_ttl", 64, 1, 255)                           \
	X(ip_forward, "ipv4.ip_forward", 0, 0, 1)                                      \
	X(ip_no_pmtu_disc, "ipv4.ip_no_pmtu_disc", 0, 0, 3)                            \
	X(port_min, "ipv4.ip_local_port_range_min", 32768, 1, 65535)                   \
	X(port_max, "ipv4.ip_local_port_range_max", 60999, 1, 65535)                   \
	X(nonlocal_bind, "ipv4.ip_nonlocal_bind", 0, 0, 1)                             \
	X(unprivileged_port_start, "ipv4.ip_unprivileged_port_start", 1024, 0, 65535)  \
	X(ping_group_min, "ipv4.ping_group_range_min", 1, 0, INT_MAX)                  \
	X(ping_group_max, "ipv4.ping_group_range_max", 0, 0, INT_MAX)                  \
	X(icmp_echo_ignore_all, "ipv4.icmp_echo_ignore_all", 0, 0, 1)                  \
	X(icmp_echo_ignore_broadcasts, "ipv4.icmp_echo_ignore_broadcasts", 1, 0, 1)    \
	X(icmp_ratelimit, "ipv4.icmp_ratelimit", 1000, 0, INT_MAX)                     \
	X(icmp_msgs_per_sec, "ipv4.icmp_msgs_per_sec", 1000, 0, INT_MAX)               \
	X(icmp_msgs_burst, "ipv4.icmp_msgs_burst", 50, 0, INT_MAX)                     \
	X(ipfrag_high_thresh, "ipv4.ipfrag_high_thresh", 4194304, 0, INT_MAX)          \
	X(ipfrag_time, "ipv4.ipfrag_time", 30, 1, 3600)                                \
	X(igmp_max_memberships, "ipv4.igmp_max_memberships", 20, 1, 4096)              \
	X(neigh_gc_thresh, "ipv4.neigh.default.gc_thresh3", 1024, 1, 65536)            \
	X(bindv6only, "ipv6.bindv6only", 0, 0, 1)                                      \
	X(max_dst_opts_number, "ipv6.max_dst_opts_number", 8, INT_MIN, INT_MAX)         \
	X(max_hbh_opts_number, "ipv6.max_hbh_opts_number", 8, INT_MIN, INT_MAX)         \
	X(max_dst_opts_length, "ipv6.max_dst_opts_length", INT_MAX, INT_MIN, INT_MAX)   \
	X(max_hbh_length, "ipv6.max_hbh_length", INT_MAX, INT_MIN, INT_MAX)             \
	X(somaxconn, "core.somaxconn", 4096, 0, INT_MAX)                               \
	X(rmem_default, "core.rmem_default", 212992, 2304, INT_MAX)                    \
	X(rmem_max, "core.rmem_max", 212992, 2304, INT_MAX)                            \
	X(wmem_default, "core.wmem_default", 212992, 4608, INT_MAX)                    \
	X(wmem_max, "core.wmem_max", 212992, 4608, INT_MAX)                            \
	X(optmem_max, "core.optmem_max", 131072, 0, INT_MAX)                           \
	X(tcp_rmem_min, "ipv4.tcp_rmem_min", 4096, 1, INT_MAX)                         \
	X(tcp_rmem_def, "ipv4.tcp_rmem_default", 131072, 1, INT_MAX)                   \
	X(tcp_rmem_max, "ipv4.tcp_rmem_max", 6291456, 1, INT_MAX)                      \
	X(tcp_wmem_min, "ipv4.tcp_wmem_min", 4096, 1, INT_MAX)                         \
	X(tcp_wmem_def, "ipv4.tcp_wmem_default", 16384, 1, INT_MAX)                    \
	X(tcp_wmem_max, "ipv4.tcp_wmem_max", 4194304, 1, INT_MAX)                      \
	X(tcp_sack, "ipv4.tcp_sack", 1, 0, 1)                                          \
	X(tcp_dsack, "ipv4.tcp_dsack", 1, 0, 1)                                        \
	X(tcp_timestamps, "ipv4.tcp_timestamps", 1, 0, 2)                              \
	X(tcp_window_scaling, "ipv4.tcp_window_scaling", 1, 0, 1)                      \
	X(tcp_ecn, "ipv4.tcp_ecn", 2, 0, 2)                                            \
	X(tcp_syncookies, "ipv4.tcp_syncookies", 1, 0, 2)                              \
	X(tcp_max_syn_backlog, "ipv4.tcp_max_syn_backlog", 4096, 1, INT_MAX)           \
	X(tcp_syn_retries, "ipv4.tcp_syn_retries", 6, 1, 127)                          \
	X(tcp_synack_retries, "ipv4.tcp_synack_retries", 5, 0, 255)                    \
	X(tcp_retries1, "ipv4.tcp_retries1", 3, 0, 255)                                \
	X(tcp_retries2, "ipv4.tcp_retries2", 15, 0, 255)                               \
	X(tcp_orphan_retries, "ipv4.tcp_orphan_retries", 0, 0, 255)                    \
	X(tcp_max_orphans, "ipv4.tcp_max_orphans", 65536, 0, INT_MAX)                  \
	X(tcp_max_tw_buckets, "ipv4.tcp_max_tw_buckets", 65536, 0, INT_MAX)            \
	X(tcp_tw_reuse, "ipv4.tcp_tw_reuse", 2, 0, 2)                                  \
	X(tcp_fin_timeout, "ipv4.tcp_fin_timeout", 60, 1, 3600)                        \
	X(tcp_keepalive_time, "ipv4.tcp_keepalive_time", 7200, 1, 32767)               \
	X(tcp_keepalive_intvl, "ipv4.tcp_keepalive_intvl", 75, 1, 32767)               \
	X(tcp_keepalive_probes, "ipv4.tcp_keepalive_probes", 9, 1, 127)                \
	X(tcp_abort_on_overflow, "ipv4.tcp_abort_on_overflow", 0, 0, 1)                \
	X(tcp_rfc1337, "ipv4.tcp_rfc1337", 0, 0, 1)                                    \
	X(tcp_recovery, "ipv4.tcp_recovery", 1, 0, 7)                                  \
	X(tcp_early_retrans, "ipv4.tcp_early_retrans", 3, 0, 4)                        \
	X(tcp_frto, "ipv4.tcp_frto", 2, 0, 2)                                          \
	X(tcp_mtu_probing, "ipv4.tcp_mtu_probing", 1, 0, 2)                            \
	X(tcp_base_mss, "ipv4.tcp_base_mss", 1024, 48, 65535)                          \
	X(tcp_moderate_rcvbuf, "ipv4.tcp_moderate_rcvbuf", 1, 0, 1)                    \
	X(tcp_slow_start_after_idle, "ipv4.tcp_slow_start_after_idle", 1, 0, 1)        \
	X(tcp_challenge_ack_limit, "ipv4.tcp_challenge_ack_limit", INT_MAX, 0, INT_MAX) \
	X(tcp_invalid_ratelimit, "ipv4.tcp_invalid_ratelimit", 500, 0, INT_MAX)        \
	X(tcp_min_snd_mss, "ipv4.tcp_min_snd_mss", 48, 48, 65535)                      \
	X(tcp_fastopen, "ipv4.tcp_fastopen", 0, 0, 0)                                  \
	X(tcp_congestion, "ipv4.tcp_congestion_control_index", 0, 0, 1)                \
	X(tcp_notsent_lowat, "ipv4.tcp_notsent_lowat", INT_MAX, 0, INT_MAX)            \
	X(tcp_min_tso_segs, "ipv4.tcp_min_tso_segs", 2, 1, 65535)                      \
	X(tcp_tso_rtt_log, "ipv4.tcp_tso_rtt_log", 9, 0, 31)                           \
	X(tcp_pacing_ss_ratio, "ipv4.tcp_pacing_ss_ratio", 200, 0, 1000)               \
	X(tcp_pacing_ca_ratio, "ipv4.tcp_pacing_ca_ratio", 120, 0, 1000)               \
	X(tcp_autocorking, "ipv4.tcp_autocorking", 1, 0, 1)                            \
	X(tcp_reordering, "ipv4.tcp_reordering", 3, 1, INT_MAX)                        \
	X(tcp_rto_min_us, "ipv4.tcp_rto_min_us", 200000, 1, INT_MAX)

struct net_conf {
#define X(member, name, def, lo, hi) atomic_int member;
	NET_CONF(X)
#undef X
};
