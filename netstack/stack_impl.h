/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_impl.h: what the netstack's own files share: the stack, interfaces, routes, timers, and the
 * entry points of each layer.  Lock order: lock.h.
 */
#pragma once

#include <errno.h>
#include <net/if_arp.h>
#include <endian.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>

#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mem.h"
#include "lib/ref.h"
#include "lib/tree.h"
#include "lib/util.h"
#include "lib/wq.h"
#include "netstack/conf.h"
#include "netstack/csum.h"
#include "netstack/lock.h"
#include "netstack/nic_conf.h"
#include "netstack/pkt.h"
#include "netstack/stack.h"
#include "netstack/wire.h"

/* Of <linux/...>, whose headers do not go with <netinet/in.h>. */
#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

#define NIC_MAX         64
#define NIC_GONE_MAX    1024
#define ADDR_MAX        1024
#define ROUTE_MAX       8192
#define RULE_MAX        1024
#define MCAST_MAX       256
#define LO_IFINDEX      1
#define VALID_SRC       64 /* a power of two */

struct ep;
struct bridge;
struct ep_table;

/*
 * A one-shot timer in the stack's time.  fn runs from stack_run_timers() without locks and appends
 * what it sends to q.  Who arms an idle timer owes its object a reference, which goes to fn or to
 * whoever cancels it: the bool results say so.
 */
struct ntimer;
typedef void ntimer_fn(struct ntimer *t, struct txq *q);
struct ntimer {
	struct tree_node node;
	int64_t deadline_ns; /* (timer latch) */
	ntimer_fn *fn;       /* (c) */
	bool armed;          /* (timer latch) */
};

void ntimer_init(struct ntimer *t, ntimer_fn *fn);
/* True: it was idle before, so the caller's reference is now the timer's. */
bool ntimer_arm(struct stack *s, struct ntimer *t, int64_t deadline_ns);
/* As ntimer_arm, but leaves one alone that is due earlier already. */
bool ntimer_arm_before(struct stack *s, struct ntimer *t, int64_t deadline_ns);
/* True: it was armed; its reference is the caller's. */
bool ntimer_cancel(struct stack *s, struct ntimer *t);

/* Where a packet goes: the result of a route lookup, kept by connections until gen changes. */
struct dst {
	struct nic *nic;
	struct ipa src, nexthop;
	uint32_t mtu; /* path MTU if known, else route's or interface's */
	uint32_t gen;
	uint8_t type; /* enum route_type */
	uint32_t table;
	bool valid;
	bool mtu_locked;
};

struct route_key {
	struct ipa dst, src; /* src any: choose */
	uint32_t ifindex;    /* 0: any */
	uint32_t iif;        /* it came in by; 0: made here */
	uint32_t mark;
	uint8_t tos;         /* without ECN */
	uint8_t srcprefs;    /* IPV6_PREFER_SRC_*: 1 temporary, 2 public */
	/* For rules alone. */
	uint8_t proto;
	uint16_t sport, dport; /* 0: none, or not chosen yet */
	uint32_t uid;
};

/* Multicast group of an interface; users counts sockets and the stack itself. */
struct mcast_group {
	struct list node;
	struct ipa group;
	unsigned int users;
	struct ntimer report;
	struct nic *nic;
	uint8_t reports_left;
};

/*
 * Members: (c) constant; (a) atomic; (n) under lock.
 */
struct nic {
	struct stack *stack; /* (c) */
	struct nlock lock;   /* LOCK_NET_NIC */
	uint32_t ifindex;    /* (c) */
	enum link_type type; /* (c) */
	char name[IFNAMSIZ]; /* (stack->tables) */
	uint8_t mac[6];      /* (n) changes are rare; read without it */
	uint16_t hlen;       /* (c) link header's length */
	atomic_uint flags;   /* (a) IFF_* */
	atomic_uint mtu;     /* (a) */
	uint32_t features, gso_max; /* (c) */
	_Atomic(const struct link_ops *) ops; /* (a) NULL after detach */
	void *ctx;           /* (c) */
	const char *kind;    /* (c) or NULL */
	atomic_bool gone;    /* (a) removed */
	atomic_uint link;    /* (a) as in nic_info */
	atomic_bool link_away;
	struct nic *below;   /* (stack->conf_lock) the next buried one */
	_Atomic(struct bridge *) bridge, master; /* (a) what it is; whose port it is */
	struct nic *lower;   /* (c) what it stands on, or NULL; lives as long as the stack */
	struct upper_config upper; /* (c) */
	const struct away_ops *away; /* (c) not NULL: it stands for one of another stack, and is not seen in this one */
	void *away_ctx;      /* (c) */
	uint32_t mtu_max;    /* (c) 0: none */
	bool foreign;        /* (c) as in nic_config */
	atomic_uint uppers;  /* (a) how many stand on it; grows under conf_lock */
	atomic_uint passing; /* (a) packets between macvlans on it */
	struct hash neighs;  /* (n) */
	struct list neigh_lru; /* (n) oldest first */
	struct list groups;  /* (n) struct mcast_group */
	unsigned int ngroups;
	struct ntimer rs_timer;  /* router solicitations */
	unsigned int rs_sent;
	int64_t rs_wait_ns;      /* until the next */
	atomic_ullong rx_packets, rx_bytes, rx_errors, rx_dropped, multicast;
	atomic_ullong tx_packets, tx_bytes, tx_errors, tx_dropped;
	struct nic_conf conf;
	atomic_ullong conf_written; /* (a) bit of an IPv4 key: "default" is written past it */
	atomic_ullong valid_src[VALID_SRC]; /* (a) ip4.c: sources that were found good, and stack->gen of then */
};

struct nic_addr {
	struct list node;
	struct nic *nic;
	struct addr_info i;
	struct ntimer timer; /* duplicate address detection, then lifetimes */
	uint8_t dad_left;
	bool dead;           /* (stack->tables) removed; timer's reference frees it */
	struct ref ref;
};

struct route {
	struct list node;
	struct nic *nic; /* NULL for blackhole and kin, and where there are several next hops */
	struct route_info i;
	unsigned int plen; /* of the 128-bit form */
};

struct token_bucket {
	struct latch latch;
	int64_t last_ns;
	int64_t tokens_ns; /* credit, in time */
};

struct frag_table {
	struct nlock lock; /* LOCK_LEAF */
	struct hash queues;
	struct list lru;
	size_t bytes;
	struct ntimer timer;
};

struct pmtu_table {
	struct nlock lock; /* LOCK_LEAF */
	struct hash entries;
	struct list lru;
};

/* (t) under tables; (k) under timer_latch. */
struct stack {
	struct ref ref;
	const struct stack_ops *ops; /* (c) */
	void *ctx;                   /* (c) */
	struct nlock conf_lock;      /* LOCK_NET_STACK */
	_Atomic(struct nic *) nics[NIC_MAX]; /* (a) by slot; one that is gone stays until the slot is needed */
	struct nic *buried;          /* (conf_lock) those that had to leave their slots */
	unsigned int nburied;        /* (conf_lock) */
	atomic_uint nic_count;
	uint32_t next_ifindex;       /* (conf_lock) */

	struct nrwlock tables;       /* LOCK_LEAF */
	struct list addrs;           /* (t) struct nic_addr */
	unsigned int naddrs;         /* (t) */
	struct list rt_local[2];     /* (t) by family (0: IPv4), longest prefix first */
	struct list rt_main[2];      /* (t) tables main and default */
	struct list rt_other[2];     /* (t) looked up if a rule says so */
	unsigned int nroutes;        /* (t) */
	struct list rules[2];        /* (t) by priority */
	unsigned int nrules;         /* (t) */
	bool ruled[2];               /* (t) others than local, main, default */
	atomic_bool ported[2];       /* (a) some look at ports or the protocol: written under tables */
	atomic_uint gen;             /* (a) changes with anything that a dst depends on */

	struct latch timer_latch;
	struct tree timers;          /* (k) */
	int64_t announced_ns;        /* (k) last deadline given to ops->deadline */

	struct frag_table frags;
	struct pmtu_table pmtus;
	struct token_bucket icmp_bucket, rst_bucket, martian_bucket;

	struct ep_table *eps;        /* (c) ports.c */
	struct nrwlock taps_lock;    /* LOCK_LEAF */
	struct list taps;            /* packet sockets */
	struct list fanouts;         /* (taps_lock) their groups: packet.c */
	atomic_uint ntaps;

	uint8_t secret[32];          /* (c) */
	atomic_uint ip_id;
	atomic_ullong stats[NS_COUNT];
	atomic_ullong mem, mem_limit;
	atomic_ullong rx_long;       /* bytes that joined long receive queues (tcp/recv.c) */
	atomic_uint rx_reads;        /* how often one of these was read */
	struct wq rx_room;           /* such a queue has become short */
	stack_event_fn *event_fn;
	void *event_arg;
	struct net_conf conf;
	struct nic_conf conf_all, conf_default;
};

static inline int64_t stack_now(struct stack *s)
{
	return s->ops->now_ns(s->ctx);
}

static inline void stack_random(struct stack *s, void *p, size_t size)
{
	s->ops->random(s->ctx, p, size);
}

static inline uint32_t stack_random32(struct stack *s)
{
	uint32_t v;

	stack_random(s, &v, sizeof(v));
	return v;
}

static inline void net_add(struct stack *s, enum net_stat which, uint64_t n)
{
	atomic_fetch_add_explicit(&s->stats[which], n, memory_order_relaxed);
}

#define NET_INC(s, name) net_add((s), NS_##name, 1)

static inline uint64_t nic_count_add(atomic_ullong *c, uint64_t n)
{
	return atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* Charge memory that input can make grow.  false: over the bound, nothing charged. */
bool stack_mem_charge(struct stack *s, size_t bytes) must_check;
/* Charge without a bound, for what must go on. */
void stack_mem_force(struct stack *s, size_t bytes);
void stack_mem_uncharge(struct stack *s, size_t bytes);

void stack_event(struct stack *s, enum stack_event what, const void *info);

/* true: one more event is allowed, at rate a second with a burst of as many as burst. */
bool token_take(struct token_bucket *b, int64_t now_ns, unsigned int rate, unsigned int burst);

/* ---- output queues ---- */

static inline void txq_init(struct txq *q, struct stack *s)
{
	list_init(&q->pkts);
	q->stack = s;
}

/* Consumes p, which has nic and nexthop set. */
static inline void txq_add(struct txq *q, struct pkt *p)
{
	list_append(&q->pkts, &p->node);
}

/*
 * Send all: without locks.  Packets for the loopback interface are received here and now, and their
 * answers join the queue, so depth does not grow with the length of a conversation.
 */
void txq_flush(struct txq *q);

/* ---- nic_conf.c ---- */

void nic_conf_init(struct stack *s);
/* n is being made; it has its stack, type and MTU. */
void nic_conf_new(struct nic *n);
/* It has got an IPv4 address: what is written to "default" from now on is for others. */
void nic_conf_addressed(struct nic *n);
static inline int nic_conf(const struct nic *n, enum nic_conf_key key)
{
	return atomic_load_explicit(&n->conf.v[key], memory_order_relaxed);
}
static inline int nic_conf_all(const struct stack *s, enum nic_conf_key key)
{
	return atomic_load_explicit(&s->conf_all.v[key], memory_order_relaxed);
}
/* IN_DEV_ORCONF() and IN_DEV_MAXCONF(). */
static inline bool nic_conf_or(const struct nic *n, enum nic_conf_key key)
{
	return nic_conf(n, key) || nic_conf_all(n->stack, key);
}
static inline int nic_conf_max(const struct nic *n, enum nic_conf_key key)
{
	return MAX(nic_conf(n, key), nic_conf_all(n->stack, key));
}
/* What IP of a's family may send by n in one piece. */
static inline uint32_t nic_ip_mtu(const struct nic *n, struct ipa a)
{
	uint32_t mtu = atomic_load_explicit(&n->mtu, memory_order_relaxed);

	return ipa_is4(a) ? mtu : MIN(mtu, (uint32_t)nic_conf(n, IP6_mtu));
}
/* Of the family of a. */
#define nic_neigh_conf(n, a, name) nic_conf((n), ipa_is4(a) ? NEIGH4_##name : NEIGH6_##name)

/* ---- link ---- */

struct nic *nic_peek(struct stack *s, uint32_t ifindex);
/* One that stands for another stack's. */
struct nic *nic_peek_away(struct stack *s, uint32_t ifindex);
/* nic_remove() and nic_set_mac() of any but loopback. */
int nic_take_away(struct nic *n);
int nic_take_mac(struct nic *n, const uint8_t mac[6]);
/* nic_by_name() under stack->tables. */
uint32_t nic_named(struct stack *s, const char *name);
static inline bool nic_up(const struct nic *n)
{
	return atomic_load_explicit(&n->flags, memory_order_relaxed) & IFF_UP;
}
void nic_get_info(struct nic *n, struct nic_info *out);
/* Hand a packet with its link header to the link: cuts and checksums as needed; consumes. */
void nic_transmit(struct txq *q, struct nic *n, struct pkt *p);
/* Give it its link header (resolving the neighbour) and transmit; consumes. */
void link_output(struct txq *q, struct pkt *p);
/* One received packet; consumes. */
void link_input(struct txq *q, struct nic *n, struct pkt *p);
void ether_fill(struct nic *n, struct pkt *p, const uint8_t dst[6]);
/* Cut a packet with gso_size into packets of its own (list); consumes.  Checksums are filled in. */
int gso_segment(struct pkt *p, struct list *out) must_check;

/* ---- bridge.c ---- */
/* A packet that a bridge's port has received, at its Ethernet header; consumes. */
void bridge_input(struct txq *q, struct nic *port, struct pkt *p);
/* n is being removed: out of its bridge; its ports out of it. */
void bridge_nic_gone(struct nic *n);
uint32_t bridge_master(const struct nic *n);
/* It is a bridge, or about to be (nic_is_bridge()). */
bool bridge_is_one(const struct nic *n);
/* Something of n has changed: dsts are looked up again, listeners told. */
void nic_changed(struct nic *n);
/* Its address, and that of those on it that have the same; nothing is checked. */
void nic_put_mac(struct nic *n, const uint8_t mac[6]);

/* ---- upper.c ---- */
/* What n, which has uppers, has received, behind the Ethernet header: theirs (NULL), or p, for others too. */
struct pkt *upper_input(struct txq *q, struct nic *n, struct pkt *p);
/* Tags that name no VLAN off the front of p, behind the Ethernet header.  false: there was none. */
bool vlan_strip_priority(struct pkt *p);
/* The MTU that n may have on what it stands on. */
uint32_t upper_mtu_max(const struct nic *n);
/* A packet that another macvlan has sent to n (PKT_ARRIVES); consumes. */
void macvlan_arrive(struct txq *q, struct nic *n, struct pkt *p);
/* May n be there?  stack->conf_lock held. */
int upper_check_locked(const struct nic *n);
/* May it come up?  -ENETDOWN, -EADDRINUSE.  stack->conf_lock held, so that two don't ask at once. */
int upper_may_be_up_locked(const struct nic *n);
/* May it have that address?  -EADDRINUSE: the lower one's, or that of another that is up.  stack->conf_lock held. */
int upper_may_have_locked(const struct nic *n, const uint8_t mac[6]);
bool upper_has_macvlan(const struct nic *n);
/* It has the address of what it stands on. */
bool upper_is_passthru(const struct nic *n);
/* It stands on a bridge. */
bool upper_is_on_bridge(const struct nic *n);
/* It is one of the host's, or stands on one. */
bool upper_is_on_hosts(const struct nic *n);
void upper_remove_all(struct nic *n);
/* n's flags, MTU, MAC have changed. */
void upper_lower_flags(struct nic *n);
void upper_lower_mtu(struct nic *n);
void upper_lower_mac(struct nic *n, const uint8_t old[6]);

void neigh_init(struct nic *n);
void neigh_fini(struct nic *n);
void neigh_flush(struct nic *n);
/* Find the link address of p->nexthop and send p, or let it wait for the answer; consumes. */
void neigh_output(struct txq *q, struct nic *n, struct pkt *p);
enum neigh_event { NEIGH_SOLICITED = 1, NEIGH_OVERRIDE = 2, NEIGH_CREATE = 4, NEIGH_ROUTER = 8, NEIGH_ISNA = 16 };
/* Input has shown that addr has the link address mac. */
void neigh_learn(struct txq *q, struct nic *n, struct ipa addr, const uint8_t mac[6],
		 unsigned int events);
/* Upper layers make forward progress with it (TCP got an acknowledgement). */
void neigh_confirm(struct nic *n, struct ipa addr);
bool neigh_is_router(struct nic *n, struct ipa addr);
void arp_input(struct txq *q, struct nic *n, struct pkt *p);
void arp_send(struct txq *q, struct nic *n, int op, uint32_t spa, uint32_t tpa,
	      const uint8_t *dst_mac, const uint8_t *tha);
/* Packet sockets. */
void tap_deliver(struct nic *n, struct pkt *p, uint8_t pkttype);

/* ---- network ---- */

struct ip_out {
	uint8_t proto, ttl, tos;
	bool hops;            /* IPv6: ttl is the interface's hop_limit */
	bool df;              /* set DF / never fragment locally */
	bool frag_ok;         /* cut locally although DF (PMTUDISC_WANT for datagrams) */
	uint32_t flow;
	const uint8_t *opts;  /* IPv4 options, padded to 4 */
	uint8_t opts_len;
	const struct ip6_ext *ext; /* IPv6's extension headers; NULL: none */
	bool mc_loop;         /* members here get multicast and broadcast too */
};

/*
 * Put IP headers on p (which begins with the transport header) and queue it.  src and dst are
 * taken from p.  0, -EMSGSIZE, -ENOBUFS; consumes p in any case.
 */
int ip_output(struct txq *q, const struct dst *d, struct pkt *p, const struct ip_out *o);
void ip4_input(struct txq *q, struct nic *n, struct pkt *p);
void ip6_input(struct txq *q, struct nic *n, struct pkt *p);
/* May src, not 0.0.0.0, send to dst by n?  0; -EINVAL: never; -EXDEV: rp_filter has it that it can't. */
int ip4_source_error(struct nic *n, struct ipa src, struct ipa dst);
/* To raw sockets and the protocol's input; p->data at the transport header.  Consumes. */
void ip_deliver(struct txq *q, struct nic *n, struct pkt *p, uint8_t proto);
/* Not for us: p, with src, dst, ttl and net set, data at its IP header, goes on, or back as an ICMP error.  Consumes p. */
void ip_forward(struct txq *q, struct nic *n, struct pkt *p);
/* Cut p (with complete IP header) to fit mtu and queue the pieces; consumes. */
int ip4_fragment(struct txq *q, struct pkt *p, uint32_t mtu);
int ip6_fragment(struct txq *q, struct pkt *p, uint32_t mtu);

void frag_init(struct stack *s);
void frag_fini(struct stack *s);
/* A fragment: NULL (kept or dropped), or the whole datagram with data at its IP header. */
struct pkt *frag_input4(struct txq *q, struct nic *n, struct pkt *p);
/* data at the fragment header; unfrag: where the next-header byte is that named it. */
struct pkt *frag_input6(struct txq *q, struct nic *n, struct pkt *p, size_t frag_off,
			size_t next_off);

void icmp4_input(struct txq *q, struct nic *n, struct pkt *p);
void icmp6_input(struct txq *q, struct nic *n, struct pkt *p);
/* Answer p (net header intact, not consumed) with an error, if the rules and the rate allow. */
void icmp_error(struct txq *q, struct nic *n, struct pkt *p, uint8_t type, uint8_t code,
		uint32_t info);
void igmp_input(struct txq *q, struct nic *n, struct pkt *p);
void mld_input(struct txq *q, struct nic *n, struct pkt *p);
void ndp_input(struct txq *q, struct nic *n, struct pkt *p, uint8_t type);
void ndp_send_ns(struct txq *q, struct nic *n, struct ipa target, const uint8_t *dst_mac,
		 bool dad);
/* Has n an IPv4 subnet with both in it?  inet_addr_onlink() */
bool addr_on_link(struct nic *n, struct ipa a, struct ipa b);
/* Has n (NULL: any) that address, in the subnet of peer unless that is any, for at least this scope?  inet_confirm_addr() */
bool addr_confirm(struct stack *s, struct nic *n, struct ipa a, struct ipa peer, uint8_t scope);
/* n has a link-local address, or has come up: ask for routers, if their advertisements are wanted. */
void ndp_routers(struct nic *n);
void ndp_solicit(struct nic *n);
/* Is the interface identifier that which n's MAC makes? */
bool ndp_is_eui64(const struct nic *n, struct ipa addr);
void ndp_eui64(const struct nic *n, uint8_t id[8]);
/* Tell the link about n's addresses: arp_notify, ndisc_notify. */
void arp_notify(struct txq *q, struct nic *n);
void ndp_notify(struct txq *q, struct nic *n);
void ndp_addr_start(struct txq *q, struct nic_addr *a);
/* Somebody else uses an address of ours that is tentative. */
void ndp_dad_failed(struct stack *s, struct nic *n, struct ipa addr);

/* Join and leave an interface's group; reports are sent.  -ENOBUFS, -EADDRNOTAVAIL. */
int mcast_join(struct txq *q, struct nic *n, struct ipa group);
int mcast_leave(struct txq *q, struct nic *n, struct ipa group);
bool mcast_member(struct nic *n, struct ipa group);
void mcast_link_up(struct txq *q, struct nic *n);

void route_free(struct route *r);
/* hops.c.  Has it that gateway by that interface?  The same hops, in the same order? */
bool hops_have(const struct route_hops *h, const struct route_hop *one);
bool hops_equal(const struct route_hops *a, const struct route_hops *b);
/* A zero is any. */
bool hop_matches(const struct route_hop *h, uint32_t ifindex, struct ipa gateway);
bool hops_use(const struct route_hops *h, const struct nic *n);
/* Is one up that is not over `but`, and over ifindex unless 0? */
bool hops_up_but(const struct route_hops *h, const struct nic *but, uint32_t ifindex);
/* The one for this flow; NULL: none is up.  Under stack->tables. */
const struct route_hop *hops_choose(struct stack *s, const struct route_hops *h, const struct route_key *k);
int route_lookup(struct stack *s, const struct route_key *k, struct dst *out);
/* What an address is to us: ROUTE_LOCAL, ROUTE_BROADCAST, ROUTE_MULTICAST, else ROUTE_UNICAST. */
/* Of one table; NULL: nothing that counts, or "throw".  Under stack->tables. */
struct route *route_find_locked(struct stack *s, uint8_t family, uint32_t table, const struct route_key *k, int64_t now);
/* rule.c: what the rules say.  -ENETUNREACH, -EACCES, -EINVAL.  Under stack->tables. */
int rules_walk_locked(struct stack *s, const struct route_key *k, int64_t now, struct route **out);
/* One of the rules may look at k's protocol or ports.  Without locks. */
static inline bool rules_want_ports(struct stack *s, struct ipa dst)
{
	return atomic_load_explicit(&s->ported[!ipa_is4(dst)], memory_order_relaxed);
}
int rules_init(struct stack *s);
void rules_fini(struct stack *s);
/* Is src reached by n, or (not strict) at all?  As ip4_source_error(). */
int route_check_source(struct stack *s, struct nic *n, struct ipa src, struct ipa dst, bool strict);
enum route_type addr_type(struct stack *s, struct ipa a, uint32_t ifindex);
/* On interface n (any if NULL), assigned and not tentative. */
bool addr_is_ours(struct stack *s, struct nic *n, struct ipa a);
/* Assigned at all, tentative too: ADDR_* state, or -1. */
int addr_state(struct stack *s, struct nic *n, struct ipa a);
/* Is there an IPv6 address on any interface?  Tables lock held for reading. */
bool addr_any_v6(const struct stack *s);
/* n has come up: it gets the addresses that it has by itself. */
void addr_nic_up(struct stack *s, struct nic *n);
/* n is up: the IPv6 address that it has by itself (addr_gen_mode), if that is not there. */
void addr_generate(struct stack *s, struct nic *n);
/* n has gone down: its IPv6 addresses go, but for those that keep_addr_on_down keeps. */
void addr_v6_down(struct stack *s, struct nic *n);
/* n's disable_ipv6 was set (its IPv6 addresses go) or cleared (those that it has by itself come back). */
void addr_v6_disabled(struct stack *s, struct nic *n, bool disabled);
/* Source for dst out of n.  Tables lock held for reading.  false: none. */
bool addr_select(struct stack *s, struct nic *n, struct ipa dst, uint8_t prefs, struct ipa *out);
bool addr_first(struct stack *s, struct nic *n, bool v6, struct ipa *out);
void nic_addr_put(struct nic_addr *a);
void route_flush_nic(struct stack *s, struct nic *n, bool down);
void route_nic_up(struct stack *s, struct nic *n);
void addr_init(struct stack *s);
void addr_fini(struct stack *s);
static inline bool dst_ok(struct stack *s, const struct dst *d)
{
	return d->valid && d->gen == atomic_load_explicit(&s->gen, memory_order_acquire);
}
void stack_bump(struct stack *s);

void pmtu_init(struct stack *s);
void pmtu_fini(struct stack *s);
/* A smaller MTU was reported for dst.  The value kept. */
uint32_t pmtu_update(struct stack *s, struct ipa dst, uint32_t mtu);
/* 0: nothing known. */
uint32_t pmtu_get(struct stack *s, struct ipa dst);

/* ---- transport ---- */

/* An ICMP error about a packet of ours. */
struct icmp_err {
	struct stack *stack;
	struct nic *nic;
	bool v6;
	uint8_t type, code;
	uint32_t info;       /* MTU, pointer */
	uint8_t proto;
	struct ipa src, dst; /* of our packet */
	struct ipa offender;
	const uint8_t *trans; /* quoted transport header, at least 8 bytes */
	size_t trans_len;
	int error;           /* errno value */
	bool hard;           /* ends a connection attempt or is worth a report by itself */
	struct pkt *pkt;     /* the ICMP packet, not consumed */
};

int transport_init(struct stack *s);
void transport_fini(struct stack *s);
void udp_input(struct txq *q, struct nic *n, struct pkt *p);
void udp_icmp_error(struct txq *q, const struct icmp_err *e);
void tcp_input(struct txq *q, struct nic *n, struct pkt *p);
void tcp_icmp_error(struct txq *q, const struct icmp_err *e);
/* Raw sockets of proto; true: at least one took a copy. */
bool raw_deliver(struct nic *n, struct pkt *p, uint8_t proto);
void raw_icmp_error(const struct icmp_err *e);
/* An echo reply, p->data at the ICMP header. */
bool ping_deliver(struct nic *n, struct pkt *p);
void ping_icmp_error(const struct icmp_err *e);
