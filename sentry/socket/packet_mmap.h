/* SPDX-License-Identifier: Apache-2.0 */
/* packet_mmap.h: the memory of AF_PACKET receive rings; see packet_mmap.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/latch.h"
#include "lib/util.h"

struct ep;
struct mmap_request;
struct packet_mem;

/* A socket's rings.  All zero: none. */
struct packet_rings {
	struct latch latch;
	struct packet_mem *now; /* (latch) the ring in use, NULL: none; owned, as those behind it */
	size_t total;           /* (latch) bytes of all that were ever made */
	bool down;              /* (latch) the latest one was taken down */
};

void packet_rings_init(struct packet_rings *p);
/* Unmaps everything; the endpoint must be closed. */
void packet_rings_fini(struct packet_rings *p);
/* PACKET_RX_RING with this value: makes the ring, or takes it down.  0 or as packet_set_ring(). */
int packet_rings_set(struct packet_rings *p, struct ep *e, const void *value, size_t size) must_check;
/* mmap of the socket: the whole ring, or -EINVAL. */
int packet_rings_mmap(struct packet_rings *p, struct mmap_request *r) must_check;
