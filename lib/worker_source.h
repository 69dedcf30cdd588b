/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_source.h: a descriptor that a polling receiver (worker_poll.h) looks at, for a fiber that would keep a worker asleep
 * in ppoll(2) otherwise.
 *
 * A fiber waits here only while somebody looks: else worker_source_wait() says so at once, and it has to sleep by itself.
 * Who stops looking wakes all of them, for the same end.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

enum { WORKER_SOURCES_MAX = 7 };

/* (c) constant, (l) the sources' latch */
struct worker_source {
	int fd;              /* (c) borrowed, open until worker_source_end() */
	void (*call)(struct worker_source *s); /* (c) */
	bool ended;          /* (l) */
	struct fiber *fiber; /* (l) who waits; NULL: nobody */
	struct list node;    /* (l) among those that wait, or that do not */
};

/*
 * call: somebody looks from now on, so the fiber is to wake if it sleeps by itself, and to come to worker_source_wait().
 * From any thread, under a latch, also when the fiber is awake.
 */
void worker_source_init(struct worker_source *s, int fd, void (*call)(struct worker_source *s));
/*
 * By a fiber: sleep until fd may have something to read or nobody looks any more, which the caller finds out by coming here
 * again.  False, without sleep: nobody looks, or s has ended.
 */
bool worker_source_wait(struct worker_source *s);
/* How often a fiber has had to sleep by itself, since nobody looked.  It wraps. */
uint32_t worker_sources_unseen(void);
/* From any thread: nobody waits at s from now on.  Idempotent. */
void worker_source_end(struct worker_source *s);

/* By who polls or is to receive: from now on it looks, or it does not (and who waits is woken).  No latch held. */
void worker_sources_look(bool on);
/* The descriptors of who waits, for reading, into p: how many. */
unsigned int worker_sources_fill(struct pollfd p[WORKER_SOURCES_MAX]);
/* Wake who waits for those of p that have events.  True: there was one. */
bool worker_sources_wake(const struct pollfd *p, unsigned int count);
