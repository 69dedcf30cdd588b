/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evqueue.h: events that wait for a reader: what inotify(7) and fanotify(7) descriptors have in common.
 *
 * A queue takes at most a number of events; then one that says so (its user's, always at hand).  read(2) gives whole
 * events, as many as fit; one reader at a time.
 *
 * Locks: the user's latch guards the list; none is held when an event is copied out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/util.h"
#include "lib/wq.h"

struct evqueue;
struct poller;
struct uio;
struct vfs_ctx;

struct evqueue_ops {
	/* Bytes that e takes when it is read.  Latch held. */
	size_t (*size)(const struct evqueue *q, const struct list *e);
	/* e was taken out to be read.  Latch held; may be empty. */
	void (*taken)(struct evqueue *q, struct list *e);
	/* Copy e out, and be done with it (not with the one that says "too many"); its size, or -errno. */
	ssize_t (*put)(struct vfs_ctx *c, struct evqueue *q, struct list *e, struct uio *dst);
};

/* (c) constant, (q) the latch */
struct evqueue {
	const struct evqueue_ops *ops; /* (c) */
	struct latch *latch;           /* (c) borrowed */
	struct list events;            /* (q) first to be read first */
	struct list *overflow;         /* (c) borrowed: the event that says "too many"; (q) on the list or not */
	unsigned int count, max;       /* (q), (c) */
	struct wq wq;
	struct mutex read_lock;        /* LOCK_EPOLL */
};

void evqueue_init(struct evqueue *q, const struct evqueue_ops *ops, struct latch *latch,
		  struct list *overflow, unsigned int max);
/* Last in the queue, which consumes e; false: too many, and e is still the caller's.  Latch held. */
bool evqueue_add_locked(struct evqueue *q, struct list *e) must_check;
/* e, which is in the queue, is not to be read any more.  Latch held. */
void evqueue_remove_locked(struct evqueue *q, struct list *e);
/* Any event that is left, or NULL; taken out.  Latch held. */
struct list *evqueue_drain_locked(struct evqueue *q);

/* A file's slots.  read sleeps unless rwf has O_NONBLOCK. */
ssize_t evqueue_read(struct vfs_ctx *c, struct evqueue *q, struct uio *dst, int rwf);
uint32_t evqueue_poll(struct evqueue *q, struct poller *p);
long evqueue_ioctl(struct vfs_ctx *c, struct evqueue *q, unsigned int cmd, uint64_t arg);
