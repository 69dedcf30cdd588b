/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ep_impl.h: the common part of endpoints, shared by the transports; the tables that find them.
 *
 * A transport embeds struct ep as its first member and fills a struct ep_ops.  ep.c takes e->lock,
 * calls the slot with a struct txq, drops the lock and flushes.
 */
#pragma once

#include <sys/socket.h>

#include "lib/wq.h"
#include "netstack/ep.h"
#include "netstack/ip6_ext.h"
#include "netstack/stack_impl.h"

struct uio;
struct bpf_prog;

struct ep_ops {
	size_t size; /* of the embedding struct */
	/* Set up after the common part was.  Lock not held.  -errno: ep is freed without destroy. */
	int (*init)(struct ep *e);
	/* Last reference gone; free what the transport holds, not e itself. */
	void (*destroy)(struct ep *e);
	/* The rest with e->lock held, unless said otherwise.  Empty slots: -EOPNOTSUPP. */
	int (*bind)(struct ep *e, struct txq *q, const struct net_addr *a);
	int (*listen)(struct ep *e, struct txq *q, int backlog);
	int (*accept)(struct ep *e, struct txq *q, struct ep **out);
	int (*connect)(struct ep *e, struct txq *q, const struct net_addr *a);
	/* Without the lock: takes it itself around what is not copying. */
	ssize_t (*send)(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m);
	ssize_t (*recv)(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m);
	int (*shutdown)(struct ep *e, struct txq *q, int how);
	void (*close)(struct ep *e, struct txq *q);
	uint32_t (*poll)(struct ep *e);
	/* -ENOPROTOOPT: not mine, try the common ones. */
	int (*setopt)(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size);
	int (*getopt)(struct ep *e, int level, int name, void *val, size_t *size);
	int (*query)(struct ep *e, enum ep_query what);
	void (*info)(struct ep *e, struct ep_info *i);
	int (*number_bytes)(struct ep *e); /* SOF_TIMESTAMPING_OPT_ID counts bytes, from here; may be NULL: messages */
	int (*getpeer)(struct ep *e, struct net_addr *out);
	void (*ext_changed)(struct ep *e); /* e->ext is another one now; may be NULL: nothing follows from it */
};

/* An entry of the port tables: who has a claim on a local port. */
struct port_claim {
	struct list node;
	struct ep *ep;      /* NULL: a TIME_WAIT */
	struct ipa addr;
	uint32_t bound_if;
	uint16_t port;      /* 0: none */
	uint8_t table;      /* enum port_table */
	bool explicit;      /* bound by bind(2) or listening; else a connection's */
	bool reuse, reuseport, v6only, listening;
};

enum port_table { PORTS_TCP, PORTS_UDP, PORTS_UDPLITE, PORTS_PING4, PORTS_PING6 };

struct errq_entry {
	struct list node;
	struct sock_extended_err err;
	struct net_addr offender, dst;
	struct pkt *pkt; /* what we had sent, data at its payload; may be NULL */
	int64_t tstamp_ns;
	uint8_t ttl, tos; /* of the ICMP packet that told */
};

enum shut_bits { SHUT_BIT_RD = 1, SHUT_BIT_WR = 2 };

/* (c) constant; (a) atomic; all else under lock. */
struct ep {
	struct ref ref;
	struct nlock lock;          /* LOCK_NET_SOCKET */
	struct wq wq;
	struct stack *stack;        /* (c) */
	const struct ep_ops *ops;   /* (c) */
	uint16_t family, proto;     /* (c) */
	uint8_t type;               /* (c) */
	uint8_t shut;               /* enum shut_bits */
	bool closed;                /* the socket is gone */
	struct list all;            /* ep_table's list */

	struct ipa laddr, raddr;    /* wildcards: unbound, unconnected */
	uint16_t lport, rport;
	uint32_t raddr_scope, flow;
	bool connected;
	bool addr_bound;            /* laddr was given by bind */
	bool port_bound;            /* lport was given by bind */
	struct port_claim claim;
	struct dst dst;             /* cached route of a connected endpoint */

	atomic_int err;             /* (a) pending error, positive */
	int err_soft;
	struct list errq;           /* struct errq_entry */
	unsigned int errq_count;

	/* options */
	int bound_if;
	int reuse, reuseport, broadcast, keepalive, dontroute, oobinline, priority, mark;
	int no_check, tstamp, tstampns, rxq_ovfl, busy_poll, lock_filter, incoming_cpu;
	int rcvlowat, debug, passcred, zerocopy;
	int linger_on, linger_s;
	int rcvbuf, sndbuf;
	bool rcvbuf_locked, sndbuf_locked;
	bool tstamp_new;
	bool stamping;              /* SIOCGSTAMP was called: packets are to be stamped */
	int64_t stamp_ns;           /* of the last one read; -1: none, 0: it had none */
	uint32_t ts_flags, ts_key;  /* SO_TIMESTAMPING: SOF_TIMESTAMPING_*, number of the next message */
	int64_t rcvtimeo_ns, sndtimeo_ns; /* kept for the socket layer */
	int ttl, tos, mc_ttl, mc_loop, mc_all, mtu_discover, recverr, freebind, transparent;
	int recvttl, recvtos, recvopts, retopts, pktinfo, recvorigdst, bind_no_port;
	uint32_t mc_if;
	struct ipa mc_addr;
	int v6only, hops, mc_hops, mc_loop6, mc_all6, tclass, mtu_discover6, recverr6, dontfrag;
	int recvhops, recvtclass, recvpktinfo6, recvpathmtu, flowinfo, flowinfo_send, autoflow, addr_prefs;
	int recvorigdst6;
	uint32_t mc_if6;
	uint8_t ip_opts[40], ip_opts_len;
	uint64_t pacing_rate;
	int oldpktinfo, oldhops;    /* IPV6_2292PKTINFO, IPV6_2292HOPLIMIT */
	int hopopts, rthdr, dstopts, oldhopopts, oldrthdr, olddstopts; /* IPV6_RECVHOPOPTS …, IPV6_2292HOPOPTS … */
	bool rx6;                   /* one of these, or of the others that say what is told with IPv6 packets, is on */
	struct ip6_ext *ext;        /* extension headers of what is sent; a reference, or NULL */
	uint32_t sticky_if6;        /* IPV6_PKTINFO for all messages: an index; 0: none */
	int passsec, nodefrag, minttl, minhops, recvmark;
	uint32_t unicast_if, unicast_if6; /* indexes; 0: none */
	uint32_t frag_size6;        /* IPV6_MTU: no packet larger than that; 0: the path's */
	uint32_t port_range;        /* IP_LOCAL_PORT_RANGE */
	int peek_off;               /* SO_PEEK_OFF: where MSG_PEEK begins; negative: at the front, always */
	struct latch groups_latch;  /* group.c */
	struct list memberships;    /* (groups_latch and lock) */
	unsigned int nmemberships;
	_Atomic(struct bpf_prog *) filter; /* written under lock and filter_latch */
	struct latch filter_latch;

	/*
	 * Packets leave in the order in which they were queued under the lock: whoever flushes takes those
	 * along that others queue meanwhile.
	 */
	struct list tx_wait;        /* struct pkt */
	bool tx_busy;
	/* What arrives while the holder of the lock copies: it takes them before it unlocks. */
	struct latch backlog_latch;
	bool copying;               /* (backlog_latch) */
	struct list backlog;        /* (backlog_latch) struct pkt */
	uint32_t backlog_bytes;     /* (backlog_latch) */

	uint32_t uid;
	uint64_t inode, cookie;
	void (*urgent_fn)(void *arg);
	void *urgent_arg;
};

/* What policy rules see of IP_TOS. */
static inline uint8_t ep_route_tos(const struct ep *e)
{
	return ipa_is4(e->raddr) || e->family == AF_INET ? (uint8_t)(e->tos & 0xfc) : (uint8_t)(e->tclass > 0 ? e->tclass & 0xfc : 0);
}

/* ---- ep.c ---- */

/* Common state for family/type/proto; lock initialised, one reference. */
struct ep *ep_alloc(struct stack *s, const struct ep_ops *ops, int family, int type, int proto) must_check;
static inline bool ep_is6(const struct ep *e)
{
	return e->family == AF_INET6;
}
static inline struct ipa ep_any(const struct ep *e)
{
	return ep_is6(e) ? ipa_any6() : ipa_any4();
}
void ep_set_error(struct ep *e, int error);
/* Is `a` an address that may be bound by e?  0, -EADDRNOTAVAIL, -EAFNOSUPPORT, -EINVAL. */
int ep_check_bind(struct ep *e, const struct net_addr *a, struct ipa *ip);
/* Destination of connect or sendto: family checks, v6 any to loopback. */
int ep_check_dest(struct ep *e, const struct net_addr *a, struct ipa *ip);
void ep_fill_addr(const struct ep *e, struct net_addr *out, struct ipa ip, uint16_t port,
		  uint32_t scope);
int ep_errq_recv(struct ep *e, struct uio *u, struct ep_msg *m);
void ep_errq_add(struct ep *e, struct errq_entry *q);
/* Report an ICMP error (RECVERR, SO_ERROR) on a datagram socket. */
void ep_icmp_error(struct ep *e, const struct icmp_err *i, uint16_t dport, size_t thlen);
/*
 * SO_TIMESTAMPING: the last packet of q was made of m and is about to go.  Its time goes onto the error
 * queue if it is wanted.  e->lock held.
 */
void ep_tx_stamp(struct ep *e, struct txq *q, const struct ep_msg *m);
/* One stamp (SCM_TSTAMP_*) of now onto the error queue, without a packet.  e is locked. */
void ep_stamp_add(struct ep *e, uint32_t kind, uint32_t key);
/* A local error such as EMSGSIZE for IP_RECVERR. */
void ep_local_error(struct ep *e, int error, struct ipa dst, uint16_t dport, uint32_t info);
int ep_common_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size);
int ep_common_getopt(struct ep *e, int level, int name, void *val, size_t *size);
int ep_get_int(const void *val, size_t size, int *out);
int ep_put_int(void *val, size_t *size, int v);
/* SO_PEEK_OFF, after so many bytes were peeked at, or taken. */
static inline void ep_peek_move(struct ep *e, size_t peeked, size_t taken)
{
	if (e->peek_off >= 0)
		e->peek_off = (int)MAX((int64_t)e->peek_off + (int64_t)peeked - (int64_t)taken, (int64_t)0);
}
int ep_put_bytes(void *val, size_t *size, const void *p, size_t n);
/* Header fields for a packet to dst, from options and control information. */
void ep_ip_out(const struct ep *e, const struct ep_msg *m, struct ipa dst, struct ip_out *o);
/* Unlock, and send what q holds, in order with what others queued for e under its lock. */
void ep_leave(struct ep *e, struct txq *q) RELEASES(&e->lock);
static inline void ep_wake(struct ep *e, uint32_t events)
{
	wq_wake(&e->wq, events);
}

/* ---- ext.c ---- */

/* The options that set extension headers, with e->lock.  -ENOPROTOOPT: another one; -EINVAL, -ENOBUFS. */
int ext_set(struct ep *e, int name, const void *val, size_t size);
int ext_get(struct ep *e, int name, void *val, size_t *size);
/* Which of those of packets that come e wants to be told of: EP_CTL_*. */
uint32_t ext_wanted(const struct ep *e);
/* The extension headers of a message (NULL: of any other packet) to dst: borrowed; NULL: none. */
const struct ip6_ext *ep_ext(const struct ep *e, const struct ep_msg *m, struct ipa dst);
/* Those that p came with, if e wants to be told, into c.  From p->net to p->trans there are p's headers. */
void ep_ext_in(const struct ep *e, const struct pkt *p, struct ep_ctl *c);

/* ---- group.c ---- */

/*
 * Those that change something are called with e->lock, and send reports by q.  Values of options as the application gave
 * them; -EINVAL, -ENODEV, -EADDRNOTAVAIL, -EADDRINUSE, -ENOBUFS, -ENOMEM.
 */
void ep_drop_memberships(struct ep *e, struct txq *q);
/* A packet of this source to the group came in by n: is it for e?  From input, without e->lock. */
bool ep_takes_group(struct ep *e, const struct nic *n, struct ipa group, struct ipa source);
/* The interface for a group: by index, by address, or where its route leads; NULL: none. */
struct nic *group_find_nic(struct ep *e, uint32_t ifindex, struct ipa local, struct ipa group);
int group_change(struct ep *e, struct txq *q, uint32_t ifindex, struct ipa local, struct ipa group, bool join);
int group_set_ip(struct ep *e, struct txq *q, int name, const void *val, size_t size);
int group_set_ip_source(struct ep *e, struct txq *q, int name, const void *val, size_t size);
int group_set_req(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size);
int group_set_source_req(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size);

/* ---- filter.c ---- */

/* SO_ATTACH_FILTER: val is a struct sock_fprog whose filter was copied in behind it. */
int filter_attach(struct ep *e, const void *insns, size_t count);
int filter_detach(struct ep *e);
void filter_put(struct bpf_prog *p);
/* Bytes of the packet to keep, 0: drop.  base: where in the packet's memory offset 0 lies. */
uint32_t filter_run(struct ep *e, struct pkt *p, const uint8_t *base);

/* ---- ports.c ---- */

struct tcp_node;

/* Claim port for e (0: choose) at addr.  -EADDRINUSE, -EACCES never (the caller's). */
int ports_claim(struct ep *e, enum port_table t, struct ipa addr, uint16_t port);
/* An additional claim for a connection accepted on a claimed port, or a TIME_WAIT. */
void ports_inherit(struct stack *s, struct port_claim *c, enum port_table t, struct ep *e,
		   struct ipa addr, uint16_t port);
void ports_release(struct stack *s, struct port_claim *c);
/* Change a claim's address or listening flag (connect, listen). */
int ports_update(struct ep *e, struct ipa addr, bool listening);
/* Set or clear the peer of a datagram endpoint, with its local address, as one step for lookups. */
void ports_set_peer(struct ep *e, struct ipa laddr, struct ipa raddr, uint16_t rport,
		    bool connected);
/* May an unbound connection use this port?  (No explicit claim on it.) */
bool ports_free_for_connect(struct stack *s, enum port_table t, uint16_t port);
uint16_t ports_random_start(const struct ep *e, unsigned int *range, unsigned int *low);

struct flow {
	struct ipa laddr, raddr;
	uint16_t lport, rport;
	uint32_t ifindex;
};
/* Best datagram endpoint for an incoming packet, with a reference, or NULL. */
struct ep *ports_lookup(struct stack *s, enum port_table t, const struct flow *f);
/* The best listener, with a reference. */
struct ep *ports_lookup_listener(struct stack *s, const struct flow *f);
/* All that match, for multicast: up to max into out, with references. */
unsigned int ports_lookup_all(struct stack *s, enum port_table t, const struct flow *f,
			      struct ep **out, unsigned int max);
bool ep_matches(const struct ep *e, const struct flow *f);

/* Raw endpoints: list under one lock. */
void raw_table_add(struct ep *e);
void raw_table_remove(struct ep *e);

void ep_table_link(struct ep *e);
void ep_table_unlink(struct ep *e);

/* ---- datagram endpoints (dgram.c): udp, raw, ping, packet ---- */

struct dgram {
	struct ep ep;
	struct latch rx_latch;
	struct list rxq;        /* (rx_latch) appended by input, taken by readers under ep.lock too */
	uint32_t rx_mem;        /* (rx_latch) truesize */
	uint32_t rx_count;
	bool rx_long;           /* (rx_latch) it was half full, and nobody was told that it is not any more */
	atomic_uint drops;
	int (*check)(struct dgram *d, struct pkt *p); /* late checksum: <0 drops at reading */
	/* udp */
	struct pkt *cork;
	struct net_addr cork_addr;
	struct ep_msg cork_msg;
	int opt_cork, gro, segment, encap, no_check6_tx, no_check6_rx;
	int send_cov, recv_cov; /* UDP-Lite: bytes that the checksum covers; -1: never set */
	/* raw */
	int hdrincl, csum_offset;
	uint8_t icmp_filter[32];
	/* packet */
	struct list tap;
	struct fanout *fanout;  /* (taps_lock) PACKET_FANOUT */
	uint16_t ethertype;     /* 0xffff…: none */
	uint32_t ifindex;
	int auxdata, origdev, ignore_outgoing, promisc;
	atomic_uint stat_packets; /* (a) */
	int tp_version;         /* TPACKET_V1 … */
	uint32_t tp_reserve;
	int vnet;               /* bytes of vnet header before each packet; 0: none */
	int tx_loss, tx_has_off;
	struct packet_tx *tx;   /* (ep.lock) packet_tx.c; NULL: never had one */
	_Atomic(struct packet_ring *) ring; /* packet_ring.c; NULL: never had one */
};

static inline struct dgram *dgram_of(struct ep *e)
{
	return container_of(e, struct dgram, ep);
}

void dgram_init(struct dgram *d);
void dgram_fini(struct dgram *d);
/* Queue p, or drop it and count; consumes.  Wakes readers. */
void dgram_enqueue(struct dgram *d, struct pkt *p);
ssize_t dgram_recv(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m);
uint32_t dgram_poll(struct ep *e);
int dgram_query(struct ep *e, enum ep_query what);
int dgram_shutdown(struct ep *e, struct txq *q, int how);
void dgram_info(struct ep *e, struct ep_info *i);
/* connect(2) to a link-local address takes an interface (__ip6_datagram_connect()). */
bool dgram_lacks_scope(const struct ep *e, const struct net_addr *a, struct ipa dst);
/* Route to where m (or the connection) says; source and header fields in d and o. */
int dgram_route(struct ep *e, const struct ep_msg *m, struct ipa dst, uint32_t scope,
		struct dst *d, struct ip_out *o);
/* Do len bytes, thlen of them the transport header, fit into a packet with o's extension headers?  0, -EMSGSIZE. */
int dgram_ext_fits(const struct dst *d, const struct ip_out *o, size_t len, size_t thlen);

/* ---- packet_ring.c ---- */

/* Into the ring, or dropped and counted.  false: there is no ring. */
bool packet_ring_put(struct dgram *d, const struct pkt *p, uint32_t keep);
bool packet_ring_readable(struct dgram *d);
bool packet_ring_active(struct dgram *d);
void packet_ring_off(struct dgram *d);
/* How often there was no free block, since the last time. */
uint32_t packet_ring_freezes(struct dgram *d);
/* ---- packet_vnet.c, packet_tx.c ---- */

/* Into which UDP's large segments are cut: udp.c, packet_vnet.c. */
#define UDP_MAX_SEGMENTS 128

struct virtio_net_hdr;
/* What h says of p, which begins at the link header and is all linear.  -EINVAL. */
int packet_vnet_apply(struct nic *n, struct pkt *p, const struct virtio_net_hdr *h);
void packet_vnet_describe(const struct pkt *p, struct virtio_net_hdr *h);
/* That of p, d->vnet bytes. */
int packet_vnet_put(const struct dgram *d, const struct pkt *p, struct uio *u);

/* Send what the ring asks for.  A count of bytes.  Takes e->lock, flushes q. */
ssize_t packet_tx_send(struct ep *e, struct txq *q, struct ep_msg *m);
bool packet_tx_active(const struct dgram *d);
/* packet.c: can it be sent at all. */
int packet_out_check(struct ep *e, const struct ep_msg *m);
/* Make p ready to be sent, with a vnet header unless NULL.  Consumes p when it fails. */
int packet_out_prepare(struct ep *e, struct pkt *p, const struct virtio_net_hdr *h, const struct ep_msg *m);
/* Send what is ready (consumes p): without locks. */
void packet_out(struct txq *q, struct pkt *p);
/* p's sender as the application sees it (packet.c). */
struct sockaddr_ll;
void packet_ll(const struct pkt *p, struct sockaddr_ll *out);

extern const struct ep_ops udp_ops, raw_ops, ping_ops, packet_ops, tcp_ops;
