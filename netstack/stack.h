/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.h: a TCP/IP stack as a library: packets in, packets out.
 *
 * A stack is one network namespace: interfaces, addresses, routes, neighbours, and the endpoints of
 * its sockets (ep.h).  It makes no host call, knows no task and reads no clock but the one that it
 * is given; random numbers are given to it too.  So a test can run any number of stacks in one
 * thread, in virtual time, and reach the same state from the same seed.
 *
 *     application ─▶ ep.h ─▶ transport/, tcp/ ─▶ network/ ─▶ link/ ─▶ link_ops.transmit
 *                    ep.h ◀─ transport/, tcp/ ◀─ network/ ◀─ link/ ◀─ nic_input
 *
 * Calls into the stack come from fibers (or from one single thread, lock.h).  They take the locks
 * they need, and hand packets to the link when all locks are free again.
 *
 * Life: interfaces live as long as the stack; endpoints hold a reference to it.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/util.h"
#include "netstack/ipa.h"
#include "netstack/nic_conf.h"
#include "netstack/stats.h"

struct wq;
struct stack;
struct nic;
struct pkt;
struct txq;
struct list;

struct stack_ops {
	int64_t (*now_ns)(void *ctx);  /* monotonic, never 0 */
	int64_t (*real_ns)(void *ctx); /* wall clock, for time stamps */
	void (*random)(void *ctx, void *p, size_t size);
	/*
	 * The earliest timer is now due at deadline_ns: call stack_run_timers() then.  Called from
	 * any thread, maybe under locks: it may arm a timer and nothing else.  NULL: the owner asks
	 * stack_next_deadline() itself.
	 */
	void (*deadline)(void *ctx, int64_t deadline_ns);
};

/* A stack with a loopback interface (index 1, down, without addresses).  NULL: no memory. */
struct stack *stack_new(const struct stack_ops *ops, void *ctx) must_check;
void stack_get(struct stack *s);
/* The last reference frees; endpoints hold one each.  Accepts NULL. */
void stack_put(struct stack *s);
/* Nobody holds it but the caller: no endpoint is left. */
bool stack_is_idle(struct stack *s);

/* When the next timer is due; INT64_MAX: none. */
int64_t stack_next_deadline(struct stack *s);
/* Run what is due.  On a fiber; sends packets. */
void stack_run_timers(struct stack *s);

/* Assigned to an interface of the stack's, or loopback's.  From any thread. */
bool stack_is_own_address(struct stack *s, struct ipa addr);

/* ---- interfaces ---- */

enum link_features {
	LINK_TX_CSUM = 1 << 0, /* fills in PKT_CSUM_PARTIAL checksums */
	LINK_TX_TSO4 = 1 << 1, /* cuts segments of up to gso_max bytes (with TX_CSUM) */
	LINK_TX_TSO6 = 1 << 2,
	LINK_TX_USO = 1 << 3,
};

enum link_type { LINK_LOOPBACK, LINK_ETHERNET, LINK_IP /* bare packets, as of a tunnel */ };

struct link_ops {
	/*
	 * Send a packet that begins with the link header; consumes it.  On a fiber, without locks.
	 * p->gso_size, csum_off and trans say what is left to the link, as its features promise.  q: what leads
	 * back into this stack, or out of another interface of it, goes on from there.
	 */
	void (*transmit)(void *ctx, struct txq *q, struct pkt *p);
	/* After the last packet of a batch.  NULL: nothing to do. */
	void (*flush)(void *ctx);
	/* May it have this address?  An errno.  On a fiber, without locks.  NULL: any. */
	int (*set_mac)(void *ctx, const uint8_t mac[6]);
};

/* Of a VLAN or macvlan that stands for an interface of another stack: upper_away_…(). */
struct away_ops {
	/* A packet for it, at the Ethernet header; consumes.  On a fiber, without locks. */
	void (*receive)(void *ctx, struct pkt *p);
	/* It has been removed, maybe with the lower one; no more is received after this.  Likewise. */
	void (*gone)(void *ctx);
};

/* An interface on another one of its stack (upper.c). */
enum upper_type { UPPER_NONE, UPPER_VLAN, UPPER_MACVLAN };
enum macvlan_modes { /* values of MACVLAN_MODE_* */
	MACVLAN_PRIVATE = 1,
	MACVLAN_VEPA = 2,
	MACVLAN_BRIDGE = 4,
	MACVLAN_PASSTHRU = 8,
};
struct upper_config {
	enum upper_type type;
	uint32_t lower; /* the other's index */
	uint16_t vlan_id, vlan_proto; /* proto: the ethertype of the tag */
	uint8_t macvlan_mode;
};

struct nic_config {
	char name[IFNAMSIZ]; /* unique, else -EEXIST */
	enum link_type type;
	uint8_t mac[6];
	uint32_t mtu;     /* 68 to 65535 */
	uint32_t features;
	uint32_t gso_max; /* 0: 65535 */
	uint32_t ifindex; /* 0: the next one */
	const struct link_ops *ops;
	void *ctx;
	bool noarp;       /* IFF_NOARP from the beginning */
	const char *kind; /* IFLA_INFO_KIND, a constant; NULL: none */
	struct upper_config upper; /* upper_new()'s; lower 0: in another stack, of which this one knows no more */
	/* upper_new()'s, for that other stack: the bound on the MTU (0: none), and whether large segments may be the host's. */
	uint32_t mtu_max;
	bool foreign;
	const struct away_ops *away; /* not NULL: nobody sees it here, with a name or not */
	void *away_ctx;
};

struct nic_stats {
	uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped, multicast;
	uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
};

struct nic_info {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	enum link_type type;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint32_t txqlen;
	uint8_t mac[6], broadcast[6];
	const char *kind; /* as in nic_config */
	uint32_t link;    /* of a pair: the other's index; 0: none */
	bool link_away;   /* ... in another stack */
	uint32_t master;  /* the bridge that it is a port of; 0: none */
	struct upper_config upper; /* type UPPER_NONE: on none; else link is the lower one */
	struct nic_stats stats;
};

int nic_add(struct stack *s, const struct nic_config *c, uint32_t *ifindex) must_check;
/*
 * Packets from the wire: struct pkt, data at the link header, PKT_CSUM_OK when the link has checked
 * the transport checksum.  Consumes them.
 */
void nic_input(struct stack *s, uint32_t ifindex, struct pkt *p);
/*
 * How many of the bytes joined queues whose readers are far behind.  If these are many, who drives the link may
 * leave what comes next where it is for a moment, until stack_rx_room() is woken: then it is copied twice
 * within a short time, and not out of the cache in between.  Must not wait for long: others' packets wait too.
 */
size_t nic_input_list(struct stack *s, uint32_t ifindex, struct list *pkts);
#define RX_LONG_MIN 512U /* what a datagram counts at least */
/* Woken (with any events) when such a reader has caught up; lives as long as the stack. */
struct wq *stack_rx_room(struct stack *s);
/* A count that changes when something is read from such a queue: its reader lives. */
unsigned int stack_rx_reads(struct stack *s);
/* Detach from its ops: no transmit call is made any more once this returns (on the same fiber). */
void nic_detach(struct stack *s, uint32_t ifindex);
/*
 * Take an interface away: down, without addresses, found no more.  Its memory stays (borrowed pointers),
 * so a stack sees at most NIC_GONE_MAX of them: then nic_add() is -ENOSPC.  -ENODEV; -EOPNOTSUPP: loopback.
 */
int nic_remove(struct stack *s, uint32_t ifindex);
/* The link could not send a packet that transmit was given: for the counters. */
void nic_tx_failed(struct stack *s, uint32_t ifindex);

/* What nic_info tells of a pair's other end. */
void nic_set_link(struct stack *s, uint32_t ifindex, uint32_t link, bool away);
bool nic_exists(struct stack *s, uint32_t ifindex);
int nic_info(struct stack *s, uint32_t ifindex, struct nic_info *out);
/* The index by name, or 0. */
uint32_t nic_by_name(struct stack *s, const char *name);
int nic_for_each(struct stack *s, int (*fn)(void *arg, const struct nic_info *i), void *arg);
/* Change the IFF_UP, IFF_PROMISC, IFF_ALLMULTI, IFF_NOARP bits that mask names. */
int nic_set_flags(struct stack *s, uint32_t ifindex, uint32_t flags, uint32_t mask);
int nic_set_mtu(struct stack *s, uint32_t ifindex, uint32_t mtu);
int nic_set_mac(struct stack *s, uint32_t ifindex, const uint8_t mac[6]);
int nic_set_name(struct stack *s, uint32_t ifindex, const char *name);

/* ---- bridges ---- */

/* A bridge without ports, of c's name, mac, mtu; nic_remove() removes it. */
int bridge_new(struct stack *s, struct nic_config *c, uint32_t *ifindex) must_check;
bool nic_is_bridge(struct stack *s, uint32_t ifindex);
/* -ENODEV, -EBUSY (a port already), -ELOOP (a bridge, or on one), -EOPNOTSUPP (not a bridge; an interface of the host's), -EXFULL. */
int bridge_add_port(struct stack *s, uint32_t bridge, uint32_t port) must_check;
/* bridge 0: whatever it is a port of.  -ENODEV, -EINVAL: it is none. */
int bridge_del_port(struct stack *s, uint32_t bridge, uint32_t port);

/* ---- VLANs and macvlans ---- */

/*
 * One on c->upper.lower, of c's name; MTU 0: the lower one's; a MAC of zeros: of a VLAN the lower one's (a macvlan's
 * must be given but for passthru).  It goes with the lower one, or by nic_remove().  -ENODEV, -EEXIST, -EINVAL,
 * -ERANGE, -EPROTONOSUPPORT, -EMLINK (too many on each other), -EBUSY (a macvlan on a bridge's port),
 * -EOPNOTSUPP (a VLAN on a tunnel or loopback), and nic_add()'s.
 */
int upper_new(struct stack *s, struct nic_config *c, uint32_t *ifindex) must_check;
/*
 * Those with c->away: not found by number, name or list, but as long as they are there what they stand on gives them packets,
 * and they send by it: what upper_away_send() is given, at the Ethernet header (consumed).  On a fiber, without locks.
 */
void upper_away_send(struct stack *s, uint32_t ifindex, struct list *pkts);
/* As nic_set_mac(). */
int upper_away_set_mac(struct stack *s, uint32_t ifindex, const uint8_t mac[6]);
void upper_away_remove(struct stack *s, uint32_t ifindex);

/* ---- addresses ---- */

enum addr_state { ADDR_TENTATIVE = 1, ADDR_DEPRECATED = 2, ADDR_DADFAILED = 4, ADDR_PERMANENT = 8, ADDR_AUTO = 16, ADDR_SECONDARY = 32 };

struct addr_info {
	uint32_t ifindex;
	struct ipa addr, peer; /* peer: as addr unless point to point */
	struct ipa broadcast;  /* IPv4; any: none */
	uint8_t plen;          /* of the family: 24, 64 */
	uint8_t scope;         /* RT_SCOPE_* */
	uint8_t state;         /* enum addr_state */
	uint8_t nodad;
	uint32_t metric;       /* of its prefix route */
	char label[IFNAMSIZ];
	int64_t valid_until_ns, preferred_until_ns; /* INT64_MAX: forever */
};

/* Also makes the local, broadcast and prefix routes.  -EEXIST, -ENODEV, -EINVAL, -ENOBUFS. */
int addr_add(struct stack *s, const struct addr_info *a);
/* By ifindex (0: any), addr and plen (0: any).  -EADDRNOTAVAIL. */
int addr_del(struct stack *s, const struct addr_info *a);
int addr_for_each(struct stack *s, int (*fn)(void *arg, const struct addr_info *a), void *arg);

/* ---- routes ---- */

enum route_type {
	ROUTE_UNICAST = 1, /* values of RTN_* */
	ROUTE_LOCAL = 2,
	ROUTE_BROADCAST = 3,
	ROUTE_ANYCAST = 4,
	ROUTE_MULTICAST = 5,
	ROUTE_BLACKHOLE = 6,
	ROUTE_UNREACHABLE = 7,
	ROUTE_PROHIBIT = 8,
	ROUTE_THROW = 9,
};

#define ROUTE_HOPS_MAX 64

/* One of several next hops. */
struct route_hop {
	struct nic *nic;     /* the stack's */
	uint32_t ifindex;
	uint32_t flags;      /* RTNH_F_ONLINK */
	uint32_t weight;     /* 1 ... 256 */
	struct ipa gateway;  /* any: on link */
};
struct route_hops {
	struct ref ref;
	unsigned int count;
	struct route_hop hop[];
};
/* A set with room for max, empty; NULL: no memory. */
struct route_hops *route_hops_new(unsigned int max);
struct route_hops *route_hops_get(struct route_hops *h);
void route_hops_put(struct route_hops *h);
/* Its interface is up; it has been removed. */
bool route_hop_is_up(const struct route_hop *h);
bool route_hop_is_gone(const struct route_hop *h);

struct route_info {
	uint8_t family;   /* AF_INET, AF_INET6 */
	uint8_t plen;     /* of the family */
	uint8_t type;     /* enum route_type */
	uint8_t protocol; /* RTPROT_* */
	uint8_t scope;
	uint8_t tos;
	uint32_t table;   /* RT_TABLE_* */
	uint32_t metric;
	uint32_t ifindex;
	uint32_t mtu;     /* 0: the interface's */
	uint32_t flags;   /* RTNH_F_ONLINK */
	struct ipa dst;
	struct ipa gateway; /* any: on link */
	struct ipa prefsrc; /* any: chosen */
	int64_t expires_ns; /* INT64_MAX: never */
	struct route_hops *hops; /* two and more: instead of ifindex, gateway and flags; NULL: one.  Borrowed. */
};

enum route_add_flags {
	ROUTE_EXCL = 1,
	ROUTE_REPLACE = 2,
	ROUTE_CREATE = 4,
	ROUTE_APPEND = 8,
	ROUTE_DOWN = 16, /* some of its next hops, not all, may be over interfaces that are down */
};

/*
 * -EEXIST, -ENOENT, -ENOSPC, and what is wrong with it.  One over IPv6 with a gateway that has the destination and metric of
 * others joins them as a next hop, as on Linux.
 */
int route_add(struct stack *s, const struct route_info *r, unsigned int flags);
/*
 * The first that matches dst, plen, table, and what else is not zero.  Of several next hops, that with the given gateway
 * goes alone over IPv6; over IPv4 the first must match, and all go.  -ESRCH.
 */
int route_del(struct stack *s, const struct route_info *r);
int route_for_each(struct stack *s, int (*fn)(void *arg, const struct route_info *r), void *arg);
/*
 * What `ip route get` asks: the route to dst (from src unless any, by ifindex unless 0), with the
 * source that would be used in prefsrc.  -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL.
 */
int route_get(struct stack *s, struct ipa dst, struct ipa src, uint32_t ifindex,
	      struct route_info *out);
/* What `ip route get` can say of the packet besides; zeros: nothing. */
struct route_query {
	struct ipa dst, src;   /* as for route_get() */
	uint32_t ifindex;
	uint32_t iif;          /* it came in by; 0: made here */
	uint32_t mark, uid;
	uint8_t tos, proto;
	uint16_t sport, dport;
};
int route_get_for(struct stack *s, const struct route_query *q, struct route_info *out);

/* ---- policy rules ---- */

struct port_range {
	uint16_t from, to; /* from 0: any */
};

struct rule_info {
	uint8_t family;
	uint8_t action;   /* FR_ACT_* */
	uint8_t protocol; /* RTPROT_* */
	uint8_t tos;      /* 0: any */
	uint8_t src_len, dst_len; /* 0: any */
	bool invert;
	uint32_t priority, table;
	uint32_t mark, mask;
	int suppress_plen; /* what the table says counts for longer prefixes only; -1: always */
	struct ipa src, dst;
	char iif[IFNAMSIZ], oif[IFNAMSIZ]; /* "": any */
	uint32_t target;   /* FR_ACT_GOTO: the priority to go on with */
	uint8_t ip_proto;  /* 0: any */
	struct port_range sport, dport;
	bool by_uid;
	uint32_t uid_from, uid_to;
	uint8_t state;     /* of those that are shown: FIB_RULE_UNRESOLVED, FIB_RULE_*_DETACHED */
};

/* Which of these a request has named. */
enum rule_given { RULE_PRIORITY = 1, RULE_MARK = 2, RULE_MASK = 4, RULE_SUPPRESS = 8 };

/* Without RULE_PRIORITY one is chosen.  -EEXIST (excl), -EINVAL, -EOPNOTSUPP, -ENOSPC. */
int rule_add(struct stack *s, const struct rule_info *i, unsigned int given, bool excl);
/* The first that has what is given.  -ENOENT. */
int rule_del(struct stack *s, const struct rule_info *want, unsigned int given);
int rule_for_each(struct stack *s, uint8_t family, int (*fn)(void *arg, const struct rule_info *i), void *arg);

/* ---- neighbours ---- */

struct neigh_info {
	uint32_t ifindex;
	struct ipa addr;
	uint8_t mac[6];
	uint16_t state; /* NUD_* */
	uint8_t flags;  /* NTF_ROUTER */
	int64_t age_ns; /* since it was last confirmed */
};

/* Add or replace; state NUD_PERMANENT, NUD_REACHABLE, NUD_STALE, NUD_NOARP… */
int neigh_add(struct stack *s, const struct neigh_info *n);
int neigh_del(struct stack *s, uint32_t ifindex, struct ipa addr);
int neigh_for_each(struct stack *s, int (*fn)(void *arg, const struct neigh_info *n), void *arg);

/* ---- multicast ---- */

struct mcast_info {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	bool ethernet;       /* the interface has link addresses */
	bool silent;         /* never reported to routers */
	struct ipa group;
	unsigned int users;
	unsigned int count4; /* the interface's IPv4 groups */
};

/* All groups of interfaces that are up, interface by interface; fn is called without locks.  0, fn's result, -ENOMEM. */
int mcast_for_each(struct stack *s, int (*fn)(void *arg, const struct mcast_info *m), void *arg);

/* ---- events, for netlink's multicast groups ---- */

enum stack_event {
	STACK_LINK = 1,
	STACK_LINK_DEL,
	STACK_ADDR_NEW,
	STACK_ADDR_DEL,
	STACK_ROUTE_NEW,
	STACK_ROUTE_DEL,
	STACK_RULE_NEW,
	STACK_RULE_DEL,
	STACK_NEIGH,
	STACK_CONF
};

/*
 * Called after a change, without the stack's table locks; info is the *_info of the kind.  One
 * listener a stack; set before it is used.
 */
typedef void stack_event_fn(void *arg, enum stack_event what, const void *info);
void stack_set_event_fn(struct stack *s, stack_event_fn *fn, void *arg);

/* ---- counters and settings ---- */

uint64_t stack_stat(struct stack *s, enum net_stat which);
const char *stack_stat_name(enum net_stat which);

/* /proc/sys/net: names without "net.", as "ipv4.tcp_sack". */
struct net_conf;
struct net_conf_entry {
	const char *name;
	int min, max;
	uint16_t off; /* (private) */
};
extern const struct net_conf_entry net_conf_entries[];
extern const size_t net_conf_count;
int net_conf_get(struct stack *s, size_t index);
/* -EINVAL when out of range. */
int net_conf_set(struct stack *s, size_t index, int value);
/* The congestion controls: values of ipv4.tcp_congestion_control_index.  NULL: there is no such one. */
const char *net_congestion_name(unsigned int index);
/* The index of a name, or -ENOENT. */
int net_conf_find(const char *name);

/* Settings of interfaces (nic_conf.h): of one, of those to come, and what counts besides for all. */
#define NIC_CONF_ALL     UINT32_MAX
#define NIC_CONF_DEFAULT (UINT32_MAX - 1)
struct nic_conf_entry {
	const char *name;
	enum nic_conf_group group;
	int def, min, max;
};
extern const struct nic_conf_entry nic_conf_entries[NIC_CONF_COUNT];
/* Of STACK_CONF: that one is another now. */
struct nic_conf_info {
	uint32_t ifindex; /* or NIC_CONF_ALL, NIC_CONF_DEFAULT */
	unsigned int key;
};
/* -ENODEV. */
int nic_conf_get(struct stack *s, uint32_t ifindex, unsigned int key, int *value);
/* -ENODEV; -EINVAL when out of range.  May take addresses away and bring them; no locks are held. */
int nic_conf_set(struct stack *s, uint32_t ifindex, unsigned int key, int value);
/* A key, or -ENOENT. */
int nic_conf_find(enum nic_conf_group group, const char *name);
/* A key's place in IFLA_INET_CONF or IFLA_INET6_CONF, or -ENOENT; and back. */
int nic_conf_place(unsigned int key);
int nic_conf_find_abi(enum nic_conf_group group, unsigned int place);

/* Memory that endpoints and reassembly hold now, and the bound on it. */
uint64_t stack_memory(struct stack *s);
void stack_set_memory_limit(struct stack *s, uint64_t bytes);
