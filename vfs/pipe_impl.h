/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe_impl.h: the pipe's ring, shared by pipe.c (reading, writing, life) and splice.c.
 *
 * The ring is an array of page-sized slots in one block of memory, as Linux counts a pipe's
 * capacity.  Slot i's bytes live at mem + i * PAGE_SIZE, so consecutive full slots are contiguous
 * and move in one copy.  head and tail count slots and only ever grow, but for the return to 0 when
 * the ring has drained (so that a pipe that is read at once stays in one warm page).
 *
 * Invariants, whenever lock is free:
 *   - head - tail <= slot_count, and used == head - tail
 *   - every used slot has size > 0
 *   - mem is NULL (then used is 0) or slot_count pages
 *   - taking (putting): one splice works on the used (free) slots without the lock; nobody else
 *     takes (puts) meanwhile, the ring is not resized and head and tail do not return to 0.
 *
 * Lock order: LOCK_INODE (FIFO's inode) → lock (two pipes: by address) → wait queues.
 */
#pragma once

#include <stdatomic.h>

#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/wq.h"
#include "vfs/pipe.h"
#include "vfs/vfs.h"

#define PIPE_SLOTS_DEFAULT 16u
#define PIPE_SLOTS_SMALL   2u /* of a user who has many */
#define PIPE_SIZE_MAX      (1u << 20) /* /proc/sys/fs/pipe-max-size */

struct pipe_slot {
	uint16_t offset, size;
	bool packet; /* O_DIRECT: a read takes at most this slot and discards the rest of it */
	bool merge;  /* a later short write may be added to it */
};

/* (c) constant, (p) lock, (a) written under lock, read anywhere */
struct pipe {
	struct ref ref;          /* files and the inode's bound */
	struct mutex lock;       /* LOCK_PIPE */
	bool anonymous;          /* (c) made by pipe(2): opens through /proc never wait for a partner */
	char *mem;               /* (p) made by the first write */
	struct pipe_slot *slots; /* (p) as mem */
	unsigned int slot_count; /* (p) a power of two */
	unsigned int charged;    /* (p) slots that uid has been charged for: while anybody has it open */
	uint32_t uid;            /* (p) */
	unsigned int head, tail; /* (p) */
	bool taking, putting;    /* (p) */
	atomic_uint used;        /* (a) head - tail */
	atomic_uint capacity;    /* (a) slot_count */
	atomic_uint readers;     /* (a) open descriptions that read */
	atomic_uint writers;     /* (a) */
	atomic_uint reads_opened;  /* (a) how often a reader has come: fifo(7)'s waits */
	atomic_uint writes_opened; /* (a) */
	struct wq readable;      /* readers, FIFO opens for reading */
	struct wq writable;
};

/* A file's view of its pipe. */
struct pipe_end {
	struct pipe *pipe;       /* counted */
	unsigned int writes_seen; /* no POLLHUP until writes_opened differs */
};

static inline struct pipe_end *pipe_end(const struct file *f)
{
	return f->priv;
}

static inline unsigned int pipe_load(const atomic_uint *v)
{
	return atomic_load_explicit(v, memory_order_acquire); /* pairs with pipe_store() */
}

static inline void pipe_store(atomic_uint *v, unsigned int value)
{
	atomic_store_explicit(v, value, memory_order_release); /* pairs with pipe_load() */
}

static inline struct pipe_slot *pipe_slot(const struct pipe *p, unsigned int at)
{
	return &p->slots[at & (p->slot_count - 1)];
}

static inline char *pipe_slot_mem(const struct pipe *p, unsigned int at)
{
	return p->mem + (size_t)(at & (p->slot_count - 1)) * PAGE_SIZE;
}

static inline bool pipe_full_locked(const struct pipe *p)
{
	return p->head - p->tail >= p->slot_count;
}

/* Memory for the ring, if there is none yet.  -ENOMEM. */
int pipe_populate_locked(struct pipe *p) REQUIRES(p->lock);
/* Contiguous bytes at the tail, at most size; a packet is a run of its own. */
char *pipe_run_locked(struct pipe *p, size_t *size) REQUIRES(p->lock);
/* Drop size bytes from the tail.  whole_packet: and what is left of a packet that was begun. */
void pipe_consume_locked(struct pipe *p, size_t size, bool whole_packet) REQUIRES(p->lock);
/* Contiguous free bytes from the head on, at most size.  The ring is not full. */
char *pipe_room_locked(struct pipe *p, size_t *size) REQUIRES(p->lock);
/* Make size bytes that were put at pipe_room_locked() part of the pipe. */
void pipe_commit_locked(struct pipe *p, size_t size, bool packet) REQUIRES(p->lock);

/*
 * Wait until there is data that may be taken.  1; 0: empty and no writers; -EAGAIN (nonblock);
 * -ERESTARTSYS.  *slept is set when it slept, and so may have used up a wake-up for others.
 */
int pipe_wait_data_locked(struct vfs_ctx *c, struct pipe *p, bool nonblock, bool *slept)
	REQUIRES(p->lock);
/* Wait until there is a free slot that may be filled.  0, -EPIPE, -EAGAIN, -ERESTARTSYS. */
int pipe_wait_room_locked(struct vfs_ctx *c, struct pipe *p, bool nonblock, bool *slept)
	REQUIRES(p->lock);

/* Announce; without the lock. */
void pipe_wake_readers(struct pipe *p);
void pipe_wake_writers(struct pipe *p);
