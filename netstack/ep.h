/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ep.h: endpoints, what the socket layer holds.
 *
 * No operation here sleeps for an event: what would block returns -EAGAIN (connect: -EINPROGRESS),
 * and ep_wq() is woken with POLL* bits when that may have changed.  A blocking caller stands in
 * line on the queue, tries, and sleeps:
 *
 *     wq_add(ep_wq(e), &entry); waiter_prepare(w);
 *     n = ep_recv(e, ...);  if (n == -EAGAIN) waiter_sleep(w, ...)  and again
 *
 * Results are counts or negative errno values, those of Linux for the same call.  An endpoint's own
 * lock (LOCK_NET_SOCKET) is taken inside; callers hold nothing of the netstack.
 *
 * References: the socket holds one from ep_new()/ep_accept() and gives it to ep_close().  Tables
 * and armed timers hold their own, so a closed TCP endpoint lives on until it has said good-bye.
 */
#pragma once

#include <time.h> /* errqueue.h needs struct timespec */

#include <linux/errqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "netstack/ipa.h"

struct ep;
struct ip6_ext;
struct pbuf;
struct stack;
struct uio;
struct wq;

struct net_addr {
	uint16_t family;  /* AF_INET, AF_INET6, AF_UNSPEC (disconnect), AF_PACKET */
	uint16_t port;    /* host order */
	uint32_t scope;   /* interface index; AF_PACKET too */
	uint32_t flow;    /* IPv6 flow info */
	struct ipa ip;    /* v4-mapped for AF_INET */
	/* AF_PACKET */
	uint16_t ethertype;
	uint16_t hatype;
	uint8_t pkttype, halen;
	uint8_t hwaddr[8];
};

/* Control information of a message; in and out.  mask says which members are set. */
enum ep_ctl_bits {
	EP_CTL_PKTINFO = 1 << 0,  /* ifindex, spec_dst, dst */
	EP_CTL_TTL = 1 << 1,
	EP_CTL_TOS = 1 << 2,
	EP_CTL_TSTAMP = 1 << 3,   /* tstamp_ns */
	EP_CTL_GSO = 1 << 4,      /* gso_size: UDP_SEGMENT in, UDP_GRO out */
	EP_CTL_ORIGDST = 1 << 5,  /* dst and dst_port */
	EP_CTL_OVFL = 1 << 6,     /* drops */
	EP_CTL_ERR = 1 << 7,      /* err, offender */
	EP_CTL_AUXDATA = 1 << 8,  /* AF_PACKET: aux_len, aux_status, aux_net */
	EP_CTL_MARK = 1 << 9,
	EP_CTL_INQ = 1 << 10,     /* inq: TCP_INQ */
	EP_CTL_DONTFRAG = 1 << 11,
	EP_CTL_OPTS = 1 << 12,    /* IP options as received: opts */
	EP_CTL_OLDPKTINFO = 1 << 14, /* RFC 2292's forms of PKTINFO and TTL */
	EP_CTL_OLDHOPS = 1 << 15,
	EP_CTL_TSTAMPING = 1 << 13, /* out: stamp_ns; in: ts_flags */
	EP_CTL_HOPOPTS = 1 << 16, /* out: which of the extension headers in ext_in are told */
	EP_CTL_RTHDR = 1 << 17,
	EP_CTL_DSTOPTS = 1 << 18,
	EP_CTL_OLDHOPOPTS = 1 << 19, /* RFC 2292's forms of these */
	EP_CTL_OLDRTHDR = 1 << 20,
	EP_CTL_OLDDSTOPTS = 1 << 21,
};
#define EP_CTL_EXT (EP_CTL_HOPOPTS | EP_CTL_RTHDR | EP_CTL_DSTOPTS | EP_CTL_OLDHOPOPTS | EP_CTL_OLDRTHDR | EP_CTL_OLDDSTOPTS)

#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

struct ep_ctl {
	uint32_t mask;
	uint32_t ifindex;
	struct ipa spec_dst, dst;
	uint16_t dst_port;
	uint16_t gso_size;
	int ttl, tos;
	int64_t tstamp_ns;
	int64_t stamp_ns;  /* SO_TIMESTAMPING's */
	uint32_t ts_flags; /* SOF_TIMESTAMPING_TX_* for this message */
	uint32_t drops, mark, inq;
	struct sock_extended_err err;
	struct net_addr offender;
	uint32_t aux_len, aux_status, aux_net;
	uint8_t opts_len, opts[40];
	bool v6;           /* shown as IPv6 control messages */
	bool tstamp_in_ns; /* SO_TIMESTAMPNS was set, not SO_TIMESTAMP */
	bool tstamp_new;   /* the option was one of the _NEW forms: so are the messages */
	bool net_raw;      /* in: CAP_NET_RAW is there, so that options of packets may be given */
	struct ip6_ext *ext;  /* in: IPv6's extension headers (ip6_ext.h); a reference, or NULL: those of the socket */
	struct pbuf *ext_in;  /* out: those that the packet came with, the first of protocol ext_first; a reference, or NULL */
	uint8_t ext_first;
};

struct ep_msg {
	int flags;            /* MSG_*; MSG_DONTWAIT is implied */
	int out_flags;        /* recv: MSG_TRUNC, MSG_OOB, MSG_ERRQUEUE, … */
	bool has_addr;        /* send: to addr; recv: addr was filled in */
	bool more;            /* send by a transmit ring: this was one round; call again with the same, or leave it at that */
	uint32_t ring_seen;   /* frames in earlier rounds */
	struct net_addr addr;
	struct ep_ctl ctl; /* may hold references after ep_ctl_parse(), ep_recv(): ep_msg_fini() */
};

void ep_msg_fini(struct ep_msg *m);

/*
 * type: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW.  proto 0 is the type's own; for AF_PACKET the ethertype
 * (host order).  -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -ENOMEM.  Permission for raw
 * and packet sockets is the caller's to check; ping sockets are SOCK_DGRAM with IPPROTO_ICMP(V6).
 */
int ep_new(struct stack *s, int family, int type, int proto, struct ep **out) must_check;
void ep_get(struct ep *e);
void ep_put(struct ep *e);
/*
 * The socket is gone; consumes its reference.  Never waits.  With SO_LINGER on and a positive time
 * the caller waits before that itself: ep_linger_ns() > 0, then until ep_closed() or the time is up.
 */
void ep_close(struct ep *e);
/*
 * Begin an orderly end (as shutdown of both sides by close(2)), for a caller that will linger.
 * Returns the nanoseconds to wait for ep_drained(), 0: don't.
 */
int64_t ep_close_begin(struct ep *e);
bool ep_drained(struct ep *e);

int ep_bind(struct ep *e, const struct net_addr *a);
int ep_listen(struct ep *e, int backlog);
/* -EAGAIN, -EINVAL (not listening).  peer may be NULL. */
int ep_accept(struct ep *e, struct ep **out, struct net_addr *peer) must_check;
/*
 * TCP: 0, -EINPROGRESS when it has begun, -EALREADY while it goes on, -EISCONN, or the error that
 * ended it.  A blocking caller calls again after POLLOUT: it gets 0 or the error once.
 */
int ep_connect(struct ep *e, const struct net_addr *a);
ssize_t ep_send(struct ep *e, struct uio *u, struct ep_msg *m);
ssize_t ep_recv(struct ep *e, struct uio *u, struct ep_msg *m);
int ep_shutdown(struct ep *e, int how); /* SHUT_RD, SHUT_WR, SHUT_RDWR */

uint32_t ep_poll(struct ep *e); /* POLL* bits now */
struct wq *ep_wq(struct ep *e);
int ep_getsockname(struct ep *e, struct net_addr *out);
int ep_getpeername(struct ep *e, struct net_addr *out);
/* Kernel copies of the option value; *size in: room, out: used.  Bool and int options as in Linux. */
int ep_setopt(struct ep *e, int level, int name, const void *val, size_t size);
int ep_getopt(struct ep *e, int level, int name, void *val, size_t *size);
/* IPV6_2292PKTOPTIONS: ext (NULL: none), of which e takes a reference, are the extension headers of what it sends. */
void ep_set_ext(struct ep *e, struct ip6_ext *ext);
/*
 * PACKET_RX_RING and (ep_tx_ring_set()) PACKET_TX_RING of AF_PACKET endpoints.  First ep_ring_config(): checks the option's value against the
 * endpoint's PACKET_VERSION and PACKET_RESERVE; 0, -EINVAL, -ENOPROTOOPT.  Then ep_ring_set() with
 * block_size * block_nr bytes of zeroed memory, which the application may write to as well; -EBUSY:
 * there is a ring.  mem NULL takes the ring down: memory that was in use is not touched any more when
 * that, or ep_close(), returns.
 */
struct ep_ring_config {
	int version;
	uint32_t block_size, block_nr, frame_size, frame_nr;
	uint32_t retire_ms, priv_size, reserve;
};
int ep_ring_config(struct ep *e, const void *val, size_t size, struct ep_ring_config *out) must_check;
int ep_ring_set(struct ep *e, const struct ep_ring_config *c, void *mem);
/* The same for PACKET_TX_RING, of TPACKET_V1 and V2 (others: -EINVAL). */
int ep_tx_ring_set(struct ep *e, const struct ep_ring_config *c, void *mem);
/* SO_ERROR: take the pending error (positive errno), 0: none. */
int ep_take_error(struct ep *e);
/* Give back one (positive) that a call returned and that its caller does not tell: the next call's, unless there is another. */
void ep_keep_error(struct ep *e, int error);
/* Bytes to read (SIOCINQ), unsent and unacknowledged (SIOCOUTQ), unsent (SIOCOUTQNSD), SIOCATMARK. */
enum ep_query { EP_INQ, EP_OUTQ, EP_OUTQNSD, EP_ATMARK };
int ep_query(struct ep *e, enum ep_query what);
/* SIOCGSTAMP: when the packet that was read last came, nanoseconds since 1970; -ENOENT: none was.  From now on they are stamped. */
int64_t ep_last_stamp(struct ep *e);
int ep_family(const struct ep *e);
int ep_type(const struct ep *e);
int ep_proto(const struct ep *e);
/* Called (under locks: wake only) when urgent data arrives; for SIGURG. */
void ep_set_urgent_fn(struct ep *e, void (*fn)(void *arg), void *arg);

/* For sock_diag, /proc/net/{tcp,udp,raw}: a look at each endpoint. */
struct ep_info {
	int family, type, proto;
	uint8_t state; /* TCP_ESTABLISHED … as in <netinet/tcp.h>; datagram: 7 unconnected, 1 connected */
	struct net_addr local, remote;
	uint32_t rqueue, wqueue;
	uint32_t timer, timer_ms, retrans, probes; /* timer: 0 none, 1 rexmit, 2 keepalive, 3 TW, 4 probe */
	uint32_t refs, drops;
	uint64_t cookie;
	uint32_t uid;   /* as given by ep_set_owner() */
	uint64_t inode;
	uint8_t shut;   /* 1: receiving, 2: sending is shut down */
	uint8_t tos, tclass;
	bool v6only;
	uint32_t rcvbuf, sndbuf, rcv_mem, snd_mem;
	char cong[16];  /* "": none */
	struct {
		bool running, auxdata, origdev;
		int version; /* enum tpacket_versions */
		uint32_t reserve;
	} packet; /* AF_PACKET; interface and ethertype are in local */
	size_t tcp_info_size; /* 0: none */
	uint64_t tcp_info[40]; /* struct tcp_info */
};
#define EP_PROTO_ANY (-1)
int ep_for_each(struct stack *s, int proto, int (*fn)(void *arg, const struct ep_info *i), void *arg);
void ep_set_owner(struct ep *e, uint32_t uid, uint64_t inode);
