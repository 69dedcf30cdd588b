/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_later.h: what a worker that polls (worker_poll.h) puts off until nobody asks it for anything: sending a packet, say,
 * which takes longer than most calls, and wakes somebody who then competes with who asks next.
 *
 * It is done in any case: before that worker blocks, and when it polls no more; and by another one if it is held up in a host
 * call (worker_block_lazy_begin()).
 */
#pragma once

#include <stdbool.h>

struct worker;

/* (c) constant, (l) later.latch, (a) atomic */
struct worker_later {
	void (*run)(struct worker_later *l); /* (c) on any stack of any worker's: must not sleep, nor come here */
	struct worker *worker;               /* (l), (a) who is to do it, or does it; NULL: nobody */
	struct worker_later *next;           /* (l) of the same worker's */
	bool ended;                          /* (l) */
};

void worker_later_init(struct worker_later *l, void (*run)(struct worker_later *l));
/*
 * By a fiber: l->run() is to be called, once, after this; true as well if this worker was asked before and has not yet done
 * it.  False: this worker does not poll, or another one has l.
 */
bool worker_later(struct worker_later *l);
/* On a fiber: l->run() does not run any more, nor will it. */
void worker_later_end(struct worker_later *l);

/* By a worker: is there something; do it.  On any of its stacks; on other threads without effect. */
bool worker_has_later(void);
void worker_do_later(void);
/* By who has found w held up, under latches; what was w's is then to be done without any, on any thread. */
void worker_later_take(struct worker *w);
void worker_later_do_taken(void);
