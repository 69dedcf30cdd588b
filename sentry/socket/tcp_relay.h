/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_relay.h: a TCP connection of the stack joined to a stream socket of the host, byte for byte:
 *
 *     program ── ep ── up[], down[] ── host ── a program of the host
 *
 * Belongs to a work item (resolver_tcp.c, doors.c), which is queued when there may be something to do; everything but
 * the callbacks runs in it, so nothing here needs a lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/timer.h"
#include "lib/util.h"
#include "lib/wq.h"

#define TCP_RELAY_BUFFER 16384

struct ep;
struct net_addr;

struct tcp_relay_half {
	size_t at, size; /* bytes[at .. at + size) wait */
	bool eof, told;  /* the end was seen, and handed on */
	char bytes[TCP_RELAY_BUFFER];
};

struct tcp_relay {
	struct list node;      /* the owner's */
	struct work *work;     /* the owner's */
	struct ep *ep;
	struct wq_entry entry;
	struct hostfd host;
	bool has_host;         /* from tcp_relay_join() on */
	bool connecting;       /* ep has begun to connect */
	bool whole;            /* each end's end of data is handed on; else the host's ends it all */
	bool failed, quiet;
	struct tcp_relay_half up, down;
};

/* Consumes ep also when there is no memory (NULL). */
struct tcp_relay *tcp_relay_new(struct work *work, struct ep *ep) must_check;
/* Takes fd over. */
void tcp_relay_join(struct tcp_relay *r, int fd);
/* One step each way; true: there may be more to do at once. */
bool tcp_relay_step(struct tcp_relay *r);
/* Nothing more comes of it. */
bool tcp_relay_is_over(const struct tcp_relay *r);
/* Wait for what the last step lacked. */
void tcp_relay_watch(struct tcp_relay *r);
/* Nothing of it queues the work any more afterwards. */
void tcp_relay_quiet(struct tcp_relay *r);
/* Off the owner's list, closes both sides. */
void tcp_relay_free(struct tcp_relay *r);
