/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h: the fast way of gofer messages: memory that both sides map, and a bell.
 *
 * A wake-up through a socket goes to an idle CPU where there is one, which takes some 50 us to get up:
 * ten times what a request takes.  The bell is a system call that the Sentry's own filter turns into a
 * user notification, with the Gofer as its listener: a hand-over on the same CPU both ways (Linux 6.6),
 * 5 us a round trip, and the answer of that call brings a donated descriptor along (ADDFD).
 *
 * The memory is GOFER_RING_SLOTS slots, each room for one request and its reply.  A call of the
 * Sentry's takes a slot, writes the request, and rings with the slot's number and a sequence number
 * of the slot's; when that returns the reply is in the slot.  A signal (or the freezer) can undo a
 * bell: the Sentry rings again with the same number, and a request that was served is only answered again.
 *
 * Messages are those of protocol.h; a reply that comes with a descriptor has GOFER_HDR_FD in its
 * header's flags, and the bell returns the descriptor's number (never 0, which is in use in the Sentry).
 * Requests that are too large, and those of
 * which nobody waits for the answer, go through the socket, which stays open and tells who is gone.
 *
 * There is one filter, so one listener, and one Gofer that has it: that of the first container of a pod that
 * makes some hundred requests.  The other Gofers are reached through their sockets alone.
 *
 * Trust: requests are copied out of the memory once and then checked, as any.  With the listener a Gofer
 * could answer what it likes and put descriptors into the Sentry: it can end its own Sentry's files
 * anyhow, and the notified call does not exist, so letting it go on does nothing.
 */
#pragma once

#include <stddef.h>

#include "gofer/protocol.h"

#define GOFER_BELL         1004 /* as JAIL_BELL */
#define GOFER_HDR_FD       1u   /* in the flags of replies in a slot */
#define GOFER_RING_SLOTS   4u
#define GOFER_RING_REQUEST 8192u
#define GOFER_RING_REPLY   (68u * 1024) /* any data and its headers */
#define GOFER_RING_SLOT    (GOFER_RING_REQUEST + GOFER_RING_REPLY)
#define GOFER_RING_SIZE    (GOFER_RING_SLOTS * GOFER_RING_SLOT)

_Static_assert(GOFER_RING_REPLY >= GOFER_XATTR_MAX + sizeof(struct gofer_hdr) + sizeof(struct gofer_data),
	       "an attribute fits");
_Static_assert(GOFER_RING_SLOT % 4096 == 0, "slots are whole pages");

static inline char *gofer_ring_request(char *ring, uint32_t slot)
{
	return ring + (size_t)slot * GOFER_RING_SLOT;
}

static inline char *gofer_ring_reply(char *ring, uint32_t slot)
{
	return gofer_ring_request(ring, slot) + GOFER_RING_REQUEST;
}
