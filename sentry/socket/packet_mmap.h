/* SPDX-License-Identifier: Apache-2.0 */
/* packet_mmap.h: the memory of AF_PACKET's rings; see packet_mmap.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/latch.h"
#include "lib/util.h"
#include "netstack/ep.h"

struct ep;
struct mmap_request;
struct packet_mem;

/* A socket's rings.  All zero: none. */
struct packet_ring_place {
	struct ep_ring_config c;
	size_t at, size; /* in the memory; 0: there is no such ring */
};

struct packet_rings {
	struct latch latch;
	struct packet_mem *now; /* (latch) the ring in use, NULL: none; owned, as those behind it */
	size_t total;           /* (latch) bytes of all that were ever made */
	bool setting;           /* (latch) somebody is at it */
	bool mapped;            /* (latch) the memory in use may be */
	struct packet_ring_place place[2]; /* (latch) receive, transmit */
};

void packet_rings_init(struct packet_rings *p);
/* Unmaps everything; the endpoint must be closed. */
void packet_rings_fini(struct packet_rings *p);
/* PACKET_RX_RING or PACKET_TX_RING with this value: makes the ring, or takes it down.  0 or as packet_set_ring(). */
int packet_rings_set(struct packet_rings *p, struct ep *e, bool tx, const void *value, size_t size) must_check;
/* mmap of the socket: the receive ring, behind it the transmit ring, as far as there are; or -EINVAL. */
int packet_rings_mmap(struct packet_rings *p, struct mmap_request *r) must_check;
