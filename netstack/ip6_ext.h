/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip6_ext.h: IPv6's extension headers as applications give and see them (ipv6(7), RFC 3542).
 *
 * struct ip6_ext holds those that packets are sent with: of a socket (IPV6_HOPOPTS and kin) or of one message (control
 * messages).  It is counted, and never changes once it is made; a change makes another one.
 *
 * Those that a packet came with are looked at where they are, by struct ip6_walk, which believes none of their lengths.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/util.h"
#include "netstack/ipa.h"

struct pkt;

#define IP6_EXT_MAX (255 * 8U) /* bytes of a header that an option sets */

/* In the order in which they are on the wire. */
enum ip6_ext_kind {
	IP6_EXT_HOP,
	IP6_EXT_DST0,    /* before a routing header: not sent without one (RFC 3542 9.2) */
	IP6_EXT_ROUTING,
	IP6_EXT_DST1,    /* before the transport header */
	IP6_EXT_KINDS
};

/* All (c). */
struct ip6_ext {
	struct ref ref;
	uint16_t len[IP6_EXT_KINDS]; /* bytes, a multiple of 8; 0: none */
	uint16_t at[IP6_EXT_KINDS];  /* where in bytes */
	uint8_t bytes[];
};

/*
 * The headers of x (may be NULL) with another of this kind, or with none (len 0).  header has at least 8 bytes for len > 0, and as
 * many as it says that it has (the caller has checked).  0, -ENOBUFS; out: a new reference, or NULL when no header is left.
 */
int ip6_ext_with(const struct ip6_ext *x, enum ip6_ext_kind kind, const uint8_t *header, struct ip6_ext **out) must_check;
struct ip6_ext *ip6_ext_get(struct ip6_ext *x); /* accepts NULL */
void ip6_ext_put(struct ip6_ext *x);            /* accepts NULL */

/* Bytes of a header that begins with these two, as it says. */
static inline size_t ip6_ext_size(const uint8_t header[2])
{
	return (header[1] + 1U) * 8U;
}
/* The header of that kind; NULL: there is none.  Borrowed from x (may be NULL). */
static inline const uint8_t *ip6_ext_header(const struct ip6_ext *x, enum ip6_ext_kind kind)
{
	return x && x->len[kind] ? x->bytes + x->at[kind] : NULL;
}
/* May an option set this routing header of that many bytes (at least 8)?  Type 4 alone (seg6_validate_srh()). */
bool ip6_ext_routing_ok(const uint8_t *header, size_t len);
/* x (may be NULL) on the wire: before what is fragmented, and all.  Bytes. */
size_t ip6_ext_unfragmentable(const struct ip6_ext *x);
size_t ip6_ext_wire(const struct ip6_ext *x);
/* Where a packet to dst goes first: the segment that a routing header says, or dst. */
struct ipa ip6_ext_first_hop(const struct ip6_ext *x, struct ipa dst);
/* Put x before p's data, which is of protocol proto; p has the headroom.  The protocol of what p now begins with. */
uint8_t ip6_ext_push(const struct ip6_ext *x, struct pkt *p, uint8_t proto);

/* A chain of extension headers. */
struct ip6_walk {
	const uint8_t *at, *end;
	uint8_t next; /* of which protocol is what lies at `at` */
};
/*
 * The next header of options or routing (hop-by-hop ones at the beginning alone), and its protocol and size; NULL: there is none
 * more, or it is not all there.
 */
const uint8_t *ip6_walk_next(struct ip6_walk *w, uint8_t *proto, size_t *size);
