/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipa.h: one type for IPv4 and IPv6 addresses.
 *
 * An IPv4 address is kept as v4-mapped (::ffff:a.b.c.d), so that tables, comparisons and dual-stack
 * sockets need no second case.  The IPv4 wildcard is ::ffff:0.0.0.0, which is not the IPv6 one.
 * Bytes are in network order throughout.
 */
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct ipa {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t d[2];
	};
};

#define IPA_V4_PREFIX_LEN 96

static inline struct ipa ipa_any6(void)
{
	return (struct ipa){ .d = { 0, 0 } };
}

/* be: network byte order. */
static inline struct ipa ipa_v4(uint32_t be)
{
	struct ipa a = { .d = { 0, 0 } };

	a.w[2] = htonl(0xffff);
	a.w[3] = be;
	return a;
}

static inline struct ipa ipa_any4(void)
{
	return ipa_v4(0);
}

static inline struct ipa ipa_v6(const void *bytes)
{
	struct ipa a;

	memcpy(a.b, bytes, 16);
	return a;
}

static inline bool ipa_eq(struct ipa a, struct ipa b)
{
	return a.d[0] == b.d[0] && a.d[1] == b.d[1];
}

static inline bool ipa_is4(struct ipa a)
{
	return a.d[0] == 0 && a.w[2] == htonl(0xffff);
}

static inline uint32_t ipa_host4(struct ipa a)
{
	return ntohl(a.w[3]);
}

/* Either wildcard. */
static inline bool ipa_is_any(struct ipa a)
{
	return a.d[0] == 0 && a.w[3] == 0 && (a.w[2] == 0 || a.w[2] == htonl(0xffff));
}

static inline bool ipa_is_multicast(struct ipa a)
{
	return ipa_is4(a) ? (a.b[12] & 0xf0) == 0xe0 : a.b[0] == 0xff;
}

static inline bool ipa_is_loopback(struct ipa a)
{
	if (ipa_is4(a))
		return a.b[12] == 127;
	return a.d[0] == 0 && a.w[2] == 0 && a.w[3] == htonl(1);
}

static inline bool ipa_is_linklocal(struct ipa a)
{
	if (ipa_is4(a))
		return a.b[12] == 169 && a.b[13] == 254;
	return a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0x80;
}

static inline bool ipa_is_limited_broadcast(struct ipa a)
{
	return ipa_is4(a) && a.w[3] == 0xffffffff;
}

/* IPv6: the scope of a multicast address is interface- or link-local, or the address is fe80::/10. */
static inline bool ipa_needs_scope(struct ipa a)
{
	if (ipa_is4(a))
		return false;
	if (a.b[0] == 0xff)
		return (a.b[1] & 0xf) == 1 || (a.b[1] & 0xf) == 2;
	return ipa_is_linklocal(a);
}

/* plen counts from the first of the 128 bits: a v4 /24 is 120. */
static inline bool ipa_match(struct ipa a, struct ipa prefix, unsigned int plen)
{
	unsigned int bytes = plen / 8, bits = plen % 8;

	if (bytes && memcmp(a.b, prefix.b, bytes) != 0)
		return false;
	if (!bits)
		return true;
	return ((a.b[bytes] ^ prefix.b[bytes]) & (uint8_t)(0xff00 >> bits)) == 0;
}

static inline struct ipa ipa_mask(struct ipa a, unsigned int plen)
{
	for (unsigned int i = 0; i < 16; i++) {
		if (plen >= 8)
			plen -= 8;
		else {
			a.b[i] &= (uint8_t)(0xff00 >> plen);
			plen = 0;
		}
	}
	return a;
}

/* Length of the common prefix, in bits. */
static inline unsigned int ipa_common(struct ipa a, struct ipa b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 16; i++, n += 8)
		if (a.b[i] != b.b[i])
			return n + (unsigned int)__builtin_clz((unsigned int)(a.b[i] ^ b.b[i])) - 24;
	return n;
}
