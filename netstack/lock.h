/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h: the netstack's locks.
 *
 * They are the sleeping mutexes of lib/mutex.h, which only fibers may take.  The stack is also a
 * pure library that tests and the fuzzer run on an ordinary thread, in virtual time.  So each lock
 * operation asks whether a fiber runs.  Without one the program must have promised by
 * net_single_threaded() that one thread alone uses all stacks; then a lock is a flag that catches
 * self-deadlock and a forgotten unlock.
 *
 * Order, outermost first:
 *     LOCK_NET_STACK   configuration: adding interfaces, one writer at a time
 *     LOCK_NET_SOCKET  an endpoint; a listener before its children (nlock_lock_nested)
 *     LOCK_NET_NIC     an interface: neighbours and what waits for them, group memberships
 *     LOCK_LEAF        tables: ports, addresses, routes, fragments, path MTUs
 * then latches: the connection table's shards, the timer tree, memory counters.
 * No lock is held across the transmission of a packet: code under a lock appends packets to a
 * struct txq, and its owner flushes the queue when all locks are free.
 */
#pragma once

#include "lib/fiber.h"
#include "lib/mutex.h"

struct CAPABILITY("mutex") nlock {
	struct mutex m;
	bool held; /* single-threaded use only */
};

struct CAPABILITY("rwlock") nrwlock {
	struct rwlock l;
};

/* Promise that one ordinary thread uses all stacks of this process (tests, fuzzers). */
void net_single_threaded(void);
bool net_is_single_threaded(void);

static inline bool nlock_on_fiber(void)
{
	if (likely(fiber_self() != NULL))
		return true;
	ASSERT(net_is_single_threaded());
	return false;
}

static inline void nlock_init(struct nlock *l, enum lock_rank rank)
{
	mutex_init(&l->m, rank);
	l->held = false;
}

static inline void nlock_lock(struct nlock *l) ACQUIRES(l) NO_TSA
{
	if (nlock_on_fiber()) {
		mutex_lock(&l->m);
	} else {
		ASSERT(!l->held);
		l->held = true;
	}
}

/* The second of two of one rank; the order is that of the file header. */
static inline void nlock_lock_nested(struct nlock *l) ACQUIRES(l) NO_TSA
{
	if (nlock_on_fiber()) {
		mutex_lock_nested(&l->m);
	} else {
		ASSERT(!l->held);
		l->held = true;
	}
}

static inline void nlock_unlock(struct nlock *l) RELEASES(l) NO_TSA
{
	if (nlock_on_fiber()) {
		mutex_unlock(&l->m);
	} else {
		ASSERT(l->held);
		l->held = false;
	}
}

static inline void nrwlock_init(struct nrwlock *l, enum lock_rank rank)
{
	rwlock_init(&l->l, rank);
}

static inline void nrwlock_read(struct nrwlock *l) ACQUIRES_SHARED(l) NO_TSA
{
	if (nlock_on_fiber())
		rwlock_read(&l->l);
}

static inline void nrwlock_read_unlock(struct nrwlock *l) RELEASES_SHARED(l) NO_TSA
{
	if (nlock_on_fiber())
		rwlock_read_unlock(&l->l);
}

static inline void nrwlock_write(struct nrwlock *l) ACQUIRES(l) NO_TSA
{
	if (nlock_on_fiber())
		rwlock_write(&l->l);
}

static inline void nrwlock_write_unlock(struct nrwlock *l) RELEASES(l) NO_TSA
{
	if (nlock_on_fiber())
		rwlock_write_unlock(&l->l);
}
