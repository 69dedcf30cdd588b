/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt.h: packet buffers.
 *
 * A packet is a linear area with headroom, in one allocation with its descriptor, and behind it up
 * to PKT_FRAGS pieces of refcounted blocks (struct pbuf).  A TCP segment of 64 KB is a linear area
 * of headers and a few pieces of the send buffer's blocks: nothing is copied between the
 * application's write and the link.  A received packet is usually all linear.
 *
 * A packet has one owner at a time; functions that take it over say "consumes".  Blocks may be
 * shared and are not written below what a piece refers to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/list.h"
#include "lib/ref.h"
#include "lib/tree.h"
#include "netstack/ipa.h"

struct nic;
struct uio;

#define PKT_FRAGS    18
#define PKT_HEADROOM 128 /* link, IP with options, TCP with options; a vnet header too */
#define PKT_MAX      65535

/* A block of bytes that packets and queues refer to. */
struct pbuf {
	struct ref ref;
	uint32_t size;
	uint8_t bytes[];
};

struct pbuf *pbuf_new(size_t size) must_check;
struct pbuf *pbuf_get(struct pbuf *b);
void pbuf_put(struct pbuf *b);

/*
 * Blocks of bursts are kept for the next one.  Whoever drives a stack gives them back when it has been
 * idle for a while.
 */
bool pkt_memory_is_warm(void);
void pkt_memory_trim(void);

struct pkt_frag {
	struct pbuf *buf; /* a reference */
	uint32_t off, len;
};

enum pkt_flags {
	PKT_CSUM_PARTIAL = 1 << 0, /* out: the transport checksum holds the pseudo header's sum */
	PKT_CSUM_OK = 1 << 1,      /* in: the transport checksum needs no check */
	PKT_LOOPED = 1 << 2,       /* in: it never left the machine */
	PKT_REASSEMBLED = 1 << 3,
	PKT_BROADCAST = 1 << 4,    /* in: the link's destination was broadcast */
	PKT_MULTICAST = 1 << 5,
	PKT_OTHERHOST = 1 << 6,    /* in: only packet sockets see it */
	PKT_RESOLVED = 1 << 7,     /* out: has its link header */
	PKT_DF = 1 << 8,           /* out: don't fragment, not even locally */
	PKT_NOTAP = 1 << 9,        /* out: packet sockets don't see it */
	PKT_TO_SELF = 1 << 10,     /* out: to be received here on its interface (multicast loop) */
	PKT_FOR_US = 1 << 12,      /* in: whatever the link's destination: it is an address of ours */
	PKT_ARRIVES = 1 << 13,     /* out: to be received by its interface, from the Ethernet header on (macvlan) */
	PKT_MORE = 1 << 11,        /* in: the next packet is of the same TCP flow, and comes at once */
};

enum pkt_gso { GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP };

struct pkt {
	union {
		struct list node;
		struct tree_node tnode; /* in TCP's out-of-order queue */
	};
	uint8_t *data;      /* first byte */
	uint8_t *net;       /* IP header */
	uint8_t *trans;     /* transport header */
	uint8_t *link;      /* link header, in received packets */
	uint32_t head_len;  /* bytes in the linear area, from data */
	uint32_t len;       /* all bytes */
	uint32_t room;      /* size of the linear area, headroom included */
	uint32_t truesize;  /* memory that it keeps, for accounts */
	uint16_t flags;
	uint8_t nfrags;
	uint8_t gso_type;   /* enum pkt_gso */
	uint16_t gso_size;  /* payload bytes a segment; 0: not to be cut */
	uint16_t csum_off;  /* of the checksum field, from trans */
	uint16_t ethertype; /* host order */
	uint8_t proto;      /* transport protocol */
	uint8_t ttl, tos;
	uint8_t ecn_in;
	uint8_t passes;     /* how often it went from one macvlan to another */
	uint32_t mark;
	uint32_t flow;      /* IPv6 flow label (20 bits) */
	struct nic *nic;    /* arrived on, or leaves by (borrowed: interfaces outlive packets) */
	struct ipa src, dst;
	struct ipa nexthop; /* out */
	int64_t tstamp_ns;  /* in: wall-clock time of arrival, 0 if nobody asked */
	union {
		struct {
			uint32_t seq, end_seq, ack;
			uint32_t window; /* unscaled */
			uint16_t urg;
			uint8_t flags;
		} tcp;
		struct {
			uint16_t sport, dport;
			uint16_t hlen; /* transport header to skip */
			uint16_t gro_size;
			uint32_t covered; /* UDP-Lite: bytes that the checksum covers, 0: all */
		} dgram;
		struct {
			uint16_t offset; /* of a fragment */
			bool more;
		} frag;
		struct {
			uint8_t pkttype;
			uint8_t halen;
			uint8_t addr[8];
		} ll;
	} cb;
	struct pkt_frag frags[PKT_FRAGS];
	/* the linear area follows */
};

/* A packet with headroom before data and room for size linear bytes behind; len is 0. */
struct pkt *pkt_new(size_t headroom, size_t size) must_check;
/* Accepts NULL. */
void pkt_free(struct pkt *p);
void pkt_free_list(struct list *pkts);
/* A copy whose pieces share the blocks. */
struct pkt *pkt_clone(const struct pkt *p) must_check;
/* p, or what takes its place, with so much headroom at least.  Consumes p; NULL: no memory. */
struct pkt *pkt_make_headroom(struct pkt *p, size_t headroom) must_check;

/* size more linear bytes at the end (only while there are no pieces), or NULL without room. */
void *pkt_append(struct pkt *p, size_t size);
/* size bytes in front; the headroom must be there. */
void *pkt_push(struct pkt *p, size_t size);
/* An 802.1Q or 802.1ad tag behind the Ethernet addresses that it begins with.  false: these are not linear, or no headroom. */
bool pkt_push_tag(struct pkt *p, uint16_t proto, uint16_t tci) must_check;
/* Drop size linear bytes from the front (must be there). */
void pkt_pull(struct pkt *p, size_t size);
/* Drop up to size bytes from the front, pieces too. */
void pkt_drop(struct pkt *p, size_t size);
/* Cut to len bytes; no effect on a shorter packet. */
void pkt_trim(struct pkt *p, size_t len);
/* True when the first size bytes are there and linear. */
static inline bool pkt_linear(const struct pkt *p, size_t size)
{
	return p->head_len >= size;
}
static inline size_t pkt_headroom(const struct pkt *p)
{
	return (size_t)(p->data - (const uint8_t *)(p + 1));
}
/* Add a piece; takes a reference of its own.  false: no slot left. */
bool pkt_add_frag(struct pkt *p, struct pbuf *b, uint32_t off, uint32_t len);
/* Copy size bytes from off, which must be within the packet. */
void pkt_copy(const struct pkt *p, size_t off, void *dst, size_t size);
/* To the uio; the count, short or -EFAULT at a fault. */
ssize_t pkt_to_uio(const struct pkt *p, size_t off, size_t size, struct uio *u);
/* Checksum of bytes [off, off+size). */
uint32_t pkt_csum(const struct pkt *p, size_t off, size_t size, uint32_t sum);
/* All bytes as host iovecs; returns how many (at most PKT_FRAGS + 1). */
int pkt_iovec(const struct pkt *p, struct iovec *iov);
/*
 * p's checksum, off bytes from where the transport header starts, start bytes from data, holds the pseudo header's sum.  False: it
 * is not in the linear part.
 */
bool pkt_partial_csum(struct pkt *p, size_t start, size_t off);
/* Fill in a PKT_CSUM_PARTIAL checksum. */
void pkt_finish_csum(struct pkt *p);

/* Packets on their way out (or back in, through loopback) while locks are held. */
struct txq {
	struct list pkts;
	struct stack *stack;
};
