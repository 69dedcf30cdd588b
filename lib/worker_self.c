/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_self.c: which worker runs on this host thread.
 *
 * Alone in this file on purpose.  A function that switches stacks may come back on another thread;
 * if the compiler could see into these two it might work out the thread-local's address before the
 * switch and use it after.
 */
#include "lib/fiber_impl.h"

static _Thread_local struct worker *worker_here;

struct worker *worker_self(void)
{
	return worker_here;
}

void worker_set_self(struct worker *w)
{
	worker_here = w;
}
