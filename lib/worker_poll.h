/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_poll.h: a receiver (hooks->receive(), lib/fiber.h) that does not block but looks for events itself.
 *
 * From worker_poll_begin() on it keeps the seat while it runs fibers, with no lock taken, and counts as active: what
 * becomes ready is its to run, if worker_is_wanted() says so, and wakes nobody.  A fiber of its that enters a
 * blocking host call loses it the seat: then worker_polls() is false, and receive() must return.
 *
 * Other workers may poll beside it, in hooks->poll(): worker_poll_more() sends one there.  Such a one does not count
 * as active and never looks at the run queue; it takes no lock of the workers'.
 *
 * What it looks at for others: worker_source.h.  What it puts off: worker_later.h.
 *
 * What a fiber of one that polls makes ready is this worker's next (one fiber; others go to the run queue), so that
 * two threads that wake each other through one poller need no run queue: worker_poll_run_next().
 */
#pragma once

#include <stdbool.h>

struct fiber;

/* In receive(), before anything else. */
void worker_poll_begin(void);
/* Still polling: on the worker's own stack, or on a fiber that it runs. */
bool worker_polls(void);
/* No more.  True: the caller has the seat as if it had just entered receive(), and may block; else it must return. */
bool worker_poll_end(void);
/* Run f, as fiber_run() does. */
void worker_poll_run(struct fiber *f);
/* What this worker's fibers made ready: is there one; run it (false: there was none). */
bool worker_poll_has_next(void);
bool worker_poll_run_next(void);
/*
 * By whoever: it has sent something out, and the host may have woken who gets it, on this CPU.  And by who
 * polls: was there such a thing since the last time?
 */
void worker_poll_woke(void);
bool worker_poll_take_woken(void);
/* Send one more worker to hooks->poll().  False: none is to be had now; ask again. */
bool worker_poll_more(void);
/* In hooks->poll(): still to stay. */
bool worker_poll_goes_on(void);
