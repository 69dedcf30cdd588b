/* SPDX-License-Identifier: Apache-2.0 */
/* csum.h: the Internet checksum (RFC 1071), on partial sums of 32 bits that are folded at the end. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "netstack/ipa.h"

/* Sum of size bytes, added to sum; odd: the first byte is the low half of a 16-bit word. */
uint32_t csum_add(uint32_t sum, const void *p, size_t size, unsigned int odd);
/* The complement of the folded sum, in network order. */
uint16_t csum_fold(uint32_t sum);
/* The pseudo header of TCP, UDP and ICMPv6 (by family of src). */
uint32_t csum_pseudo(struct ipa src, struct ipa dst, uint8_t proto, uint32_t len);
