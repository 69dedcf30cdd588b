/* SPDX-License-Identifier: Apache-2.0 */
/* icmp_impl.h: shared by network/icmp.c, icmp4.c, icmp6.c, ndp.c and mcast.c. */
#pragma once

#include "netstack/stack_impl.h"

/* Checksum and send the ICMP message that p holds; src any: chosen.  ttl 0: the default.  Consumes. */
int icmp_send(struct txq *q, struct pkt *p, struct ipa src, struct ipa dst, uint32_t ifindex,
	      uint8_t tos, uint8_t ttl);
void icmp_dispatch(struct txq *q, struct icmp_err *e, const uint8_t *quote, size_t len);
