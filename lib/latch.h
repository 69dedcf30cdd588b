/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latch.h: a host lock of four bytes for a handful of instructions (run queues, wait queues,
 * counters).  Contended, the host thread sleeps in futex(2).  While holding one: no sleep, no
 * mutex, no callback into other modules, no copy from or to the application.  Latches may be taken
 * under a mutex, never the other way round.
 */
#pragma once

#include <stdatomic.h>

#include "lib/annotations.h"

struct CAPABILITY("latch") latch {
	atomic_uint state; /* 0 free, 1 held, 2 held and somebody sleeps */
};

#define LATCH_INIT { 0 }

void latch_init(struct latch *l);
void latch_lock(struct latch *l) ACQUIRES(l);
void latch_unlock(struct latch *l) RELEASES(l);
