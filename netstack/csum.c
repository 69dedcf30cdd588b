/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csum.c: Internet checksums.  Sums are kept in host representation of network-order words: the
 * one's complement sum does not depend on byte order, so no swapping takes place until a sum is
 * stored as it stands.
 */
#include "netstack/csum.h"

#include <string.h>

static uint32_t csum_fold64(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (uint32_t)sum;
}

uint32_t csum_add(uint32_t sum, const void *p, size_t size, unsigned int odd)
{
	const uint8_t *b = p;
	uint64_t acc = 0, acc2 = 0;
	uint64_t w, x;

	while (size >= 16) {
		memcpy(&w, b, 8);
		memcpy(&x, b + 8, 8);
		acc += (w & 0xffffffff) + (w >> 32);
		acc2 += (x & 0xffffffff) + (x >> 32);
		b += 16;
		size -= 16;
	}
	acc += acc2;
	while (size >= 2) {
		uint16_t h;

		memcpy(&h, b, 2);
		acc += h;
		b += 2;
		size -= 2;
	}
	if (size) {
		uint8_t last[2] = { *b, 0 };
		uint16_t h;

		memcpy(&h, last, 2);
		acc += h;
	}
	if (odd) {
		uint32_t f = csum_fold64(acc);

		f = (f & 0xffff) + (f >> 16);
		f = (f & 0xffff) + (f >> 16);
		acc = ((f & 0xff) << 8) | (f >> 8);
	}
	return csum_fold64((uint64_t)sum + csum_fold64(acc));
}

uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t csum_pseudo(struct ipa src, struct ipa dst, uint8_t proto, uint32_t len)
{
	uint32_t tail[2] = { htonl(len), htonl(proto) };
	uint32_t sum;

	if (ipa_is4(src)) {
		sum = csum_add(0, &src.b[12], 4, 0);
		sum = csum_add(sum, &dst.b[12], 4, 0);
	} else {
		sum = csum_add(0, src.b, 16, 0);
		sum = csum_add(sum, dst.b, 16, 0);
	}
	return csum_add(sum, tail, sizeof(tail), 0);
}
