/* SPDX-License-Identifier: Apache-2.0 */
/* lock_impl.h: what an inode knows of its locks and leases; for lock.c and lease.c. */
#pragma once

#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/wq.h"
#include "vfs/lock.h"

/* (l) locks.lock */
struct flock_context {
	struct list ranges; /* (l) by owner, and by start within an owner */
	struct list whole;  /* (l) flock(2)'s */
	struct list leases; /* (l) struct lease */
	struct wq wq;       /* woken when any of them goes or weakens */
	struct inode *inode; /* borrowed: the inode owns this */
	struct list all;    /* (l) in locks.contexts */
};

extern struct locks {
	struct mutex lock; /* LOCK_LEAF */
	struct list waits;
	struct list contexts;
	bool ready;
} locks;

struct flock_context *locks_context_peek(const struct inode *i);
/* Made on first use; NULL: no memory. */
struct flock_context *locks_context_make(struct inode *i);
/* The last reference to f goes: its lease.  locks.lock held. */
void lease_drop_file_locked(struct flock_context *x, struct file *f);
