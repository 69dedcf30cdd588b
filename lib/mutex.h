/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutex.h: sleeping locks for fibers.  Contended, the fiber sleeps (uninterruptibly) and its worker
 * goes on with another.  Unlocking hands over in order of arrival only when someone has waited for
 * long (1 ms); otherwise whoever comes first gets it.
 *
 * Every mutex has a rank (lib/lock_ranks.h).  Debug builds stop on a lock taken while the fiber
 * holds one of the same or a higher rank; mutex_lock_nested() is for two of one kind, taken in the
 * order that the header of that kind states.
 *
 * Host threads that run no fiber (start-up, helpers, tests) may lock too: the thread sleeps, and no
 * order is checked.  A worker's own stack may not.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/annotations.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/lock_ranks.h"

struct CAPABILITY("mutex") mutex {
	atomic_uint state; /* 0 free, 1 held, 2 held with waiters */
	struct latch latch;
	struct list waiters; /* (latch) */
	enum lock_rank rank; /* (c) */
#ifdef DEBUG
	struct fiber *owner;
#endif
};

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_lock(struct mutex *m) ACQUIRES(m);
void mutex_lock_nested(struct mutex *m) ACQUIRES(m);
bool mutex_trylock(struct mutex *m) TRY_ACQUIRES(true, m);
void mutex_unlock(struct mutex *m) RELEASES(m);
/* Debug builds: abort unless the calling fiber holds it. */
void mutex_assert_held(struct mutex *m) ASSERT_HELD(m);

/* Many readers or one writer; writers are preferred.  Same rank rules. */
struct CAPABILITY("rwlock") rwlock {
	struct latch latch;
	unsigned int readers;         /* (latch) */
	unsigned int writers_waiting; /* (latch) */
	bool writing;                 /* (latch) */
	struct list waiters;          /* (latch) */
	enum lock_rank rank;          /* (c) */
};

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_read(struct rwlock *l) ACQUIRES_SHARED(l);
void rwlock_read_unlock(struct rwlock *l) RELEASES_SHARED(l);
void rwlock_write(struct rwlock *l) ACQUIRES(l);
void rwlock_write_unlock(struct rwlock *l) RELEASES(l);
