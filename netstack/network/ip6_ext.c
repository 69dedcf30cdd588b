/* SPDX-License-Identifier: Apache-2.0 */
/* ip6_ext.c: IPv6's extension headers of what is sent, and of what came (ip6_ext.h). */
#include "netstack/ip6_ext.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "netstack/pkt.h"
#include "netstack/wire.h"

#define SRH_TYPE  4  /* RFC 8754 */
#define SRH_HLEN  8U /* before the segments */
#define SRH_LEFT  3  /* offsets: how many are to be visited, the number of the last, the first of them */
#define SRH_LAST  4
#define SEG_LEN   16U

int ip6_ext_with(const struct ip6_ext *x, enum ip6_ext_kind kind, const uint8_t *header, struct ip6_ext **out)
{
	const uint8_t *from[IP6_EXT_KINDS];
	struct ip6_ext *n;
	size_t total = 0;

	for (unsigned int k = 0; k < IP6_EXT_KINDS; k++) {
		from[k] = k == kind ? header : ip6_ext_header(x, k);
		total += from[k] ? ip6_ext_size(from[k]) : 0;
	}
	*out = NULL;
	if (total == 0)
		return 0;
	n = mem_alloc(sizeof(*n) + total);
	if (!n)
		return -ENOBUFS;
	ref_init(&n->ref);
	total = 0;
	for (unsigned int k = 0; k < IP6_EXT_KINDS; k++) {
		n->at[k] = (uint16_t)total;
		n->len[k] = from[k] ? (uint16_t)ip6_ext_size(from[k]) : 0;
		if (from[k])
			memcpy(n->bytes + total, from[k], n->len[k]);
		total += n->len[k];
	}
	*out = n;
	return 0;
}

struct ip6_ext *ip6_ext_get(struct ip6_ext *x)
{
	if (x)
		ref_get(&x->ref);
	return x;
}

void ip6_ext_put(struct ip6_ext *x)
{
	if (x && ref_put(&x->ref))
		mem_free(x);
}

bool ip6_ext_routing_ok(const uint8_t *header, size_t len)
{
	size_t at;

	if (header[2] != SRH_TYPE || ip6_ext_size(header) != len || header[SRH_LEFT] > header[SRH_LAST])
		return false;
	at = SRH_HLEN + (header[SRH_LAST] + 1U) * SEG_LEN;
	while (at < len) { /* what follows the segments: type, length, value */
		if (len - at < 2)
			return false;
		at += 2U + header[at + 1];
	}
	return at == len;
}

static bool sends(const struct ip6_ext *x, enum ip6_ext_kind k)
{
	return x->len[k] && (k != IP6_EXT_DST0 || x->len[IP6_EXT_ROUTING]);
}

size_t ip6_ext_unfragmentable(const struct ip6_ext *x)
{
	return x ? ip6_ext_wire(x) - x->len[IP6_EXT_DST1] : 0;
}

size_t ip6_ext_wire(const struct ip6_ext *x)
{
	size_t n = 0;

	for (unsigned int k = 0; x && k < IP6_EXT_KINDS; k++)
		n += sends(x, k) ? x->len[k] : 0U;
	return n;
}

struct ipa ip6_ext_first_hop(const struct ip6_ext *x, struct ipa dst)
{
	const uint8_t *h = ip6_ext_header(x, IP6_EXT_ROUTING);

	return h ? ipa_v6(h + SRH_HLEN + h[SRH_LEFT] * SEG_LEN) : dst;
}

uint8_t ip6_ext_push(const struct ip6_ext *x, struct pkt *p, uint8_t proto)
{
	static const uint8_t protos[IP6_EXT_KINDS] = { PROTO_HOPOPTS, PROTO_DSTOPTS, PROTO_ROUTING, PROTO_DSTOPTS };

	for (unsigned int k = IP6_EXT_KINDS; k-- > 0;) {
		uint8_t *to;

		if (!sends(x, k))
			continue;
		to = pkt_push(p, x->len[k]);
		memcpy(to, x->bytes + x->at[k], x->len[k]);
		if (k == IP6_EXT_ROUTING) /* the last segment is where it is for */
			memcpy(to + SRH_HLEN, p->dst.b, SEG_LEN);
		to[0] = proto;
		proto = protos[k];
	}
	return proto;
}

const uint8_t *ip6_walk_next(struct ip6_walk *w, uint8_t *proto, size_t *size)
{
	const uint8_t *h = w->at;

	if ((w->next != PROTO_HOPOPTS && w->next != PROTO_DSTOPTS && w->next != PROTO_ROUTING) || w->end - h < 8)
		return NULL;
	*proto = w->next;
	*size = ip6_ext_size(h);
	if ((size_t)(w->end - h) < *size)
		return NULL;
	w->at += *size;
	w->next = h[0] == PROTO_HOPOPTS ? PROTO_NONE : h[0];
	return h;
}
