/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.h: standing in line at the wait queues of files.
 *
 * A file's poll slot reports the events that are true now and calls poller_add() for each queue at
 * which a change would be announced.  What a poller then does with a queue is its own affair: poll
 * and select wake one sleeper (struct poll_table), epoll queues an item (vfs/epoll.c).
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/wq.h"

struct file;
struct poller;
struct vfs_ctx;

/* Events that are reported whether asked for or not. */
#define POLL_ALWAYS (POLLERR | POLLHUP)

struct poller {
	/* Stand in line at q.  Called from a file's poll slot, maybe under the file's own locks. */
	void (*add)(struct poller *p, struct wq *q);
	/*
	 * What the caller wants to hear of, POLL_ALWAYS included.  With POLLER_EDGES (epoll's EPOLLET) it is to be woken at
	 * each change until it leaves; without, once it may not be woken again before it has looked again.
	 */
	uint32_t events;
};

#define POLLER_EDGES (1u << 31)

/* ---- poll(2) and select(2) ------------------------------------------------------------------- */

struct poll_entry {
	struct wq_entry entry;
	struct waiter *waiter;
};

#define POLL_ENTRIES_INLINE 16

struct poll_chunk;

/* The queues at which one sleeper stands.  Lives on the stack of that fiber. */
struct poll_table {
	struct poller poller;
	struct waiter *waiter;
	int error; /* sticky: -ENOMEM */
	size_t count;
	struct poll_chunk *chunks;
	struct poll_entry entries[POLL_ENTRIES_INLINE];
};

/* w is the waiter of the calling fiber; it must outlive the table. */
void poll_table_init(struct poll_table *t, struct waiter *w);
/* Leave all queues. */
void poll_table_fini(struct poll_table *t);

/* One file of a poll or select. */
struct poll_slot {
	struct file *file; /* NULL: revents is what the caller put there (0 or POLLNVAL) */
	uint32_t events;   /* exact mask: the caller adds POLL_ALWAYS where it applies */
	uint32_t revents;  /* out: file's events & events */
};

/*
 * Wait until a slot has revents, until deadline_ns (CLOCK_MONOTONIC; 0: only look, INT64_MAX: no
 * limit) or a signal.  The count of slots with revents, 0 at the deadline, -ERESTARTNOHAND when
 * interrupted, -ENOMEM.  The caller holds references to the files.
 */
int poll_wait(struct vfs_ctx *c, struct poll_slot *slots, size_t count, int64_t deadline_ns);

/* ---- sleeping for conditions that latches guard ----------------------------------------------- */

/*
 * Sleep at q until ready(arg), which may take latches but not sleep.  For objects whose state is
 * changed by timers and callbacks and so can't be under a mutex (else: wq_wait).  exclusive: stand
 * in line as wq_wait_exclusive does.  events: wake-ups to hear of, 0 for any.  0, -ERESTARTSYS, or
 * -ETIMEDOUT; 0 wins when ready.
 */
int vfs_wait_ready(struct vfs_ctx *c, struct wq *q, uint32_t events, bool exclusive,
		   bool (*ready)(void *arg), void *arg, int64_t deadline_ns);
/* Whether it would be -ERESTARTSYS now: for what goes on for long without sleeping. */
bool vfs_interrupted(const struct vfs_ctx *c);
