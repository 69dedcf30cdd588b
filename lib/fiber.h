/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber.h: stackful fibers, and the workers that run them.
 *
 * A fiber is a kernel stack: each task has one, and so have the kernel's own services.  Workers are
 * host threads.  A worker takes a ready fiber and runs it until the fiber sleeps (always through
 * waiter_sleep() below it) or ends; then it takes the next, and asks the idle hook for work when
 * there is none.  A fiber may wake up on another worker: nothing that runs on a fiber may keep a
 * pointer to thread-local storage (errno included) over a sleep.
 *
 *     ready ──(a worker takes it)──▶ running ──(waiter_sleep)──▶ asleep
 *       ▲                              │  ▲                         │
 *       └────────(fiber_yield)─────────┘  └──(fiber_run, by the platform's receiver)
 *       └───────────────────────(waiter_wake)───────────────────────┘
 *
 * The race between going to sleep and being woken is settled after the switch: the worker, back on
 * its own stack, commits the sleep (PREPARED → ASLEEP); a wake that came first makes it run the
 * fiber again at once.  So no other worker ever enters a stack that is still in use.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/latch.h"
#include "lib/list.h"

struct fiber;
typedef void fiber_fn(void *arg);

/*
 * A fiber that will run fn(arg) once made ready.  Stack of 64 KB (256 KB under a sanitizer) with a
 * guard page, committed by touching, recycled.  It frees itself when fn returns.  NULL: no memory.
 */
struct fiber *fiber_new(fiber_fn *fn, void *arg) must_check;
/* For one that was never made ready. */
void fiber_free(struct fiber *f);
/* Start it: put it on the run queue. */
void fiber_start(struct fiber *f);
/* The running fiber, NULL on a worker's own stack and on other host threads. */
struct fiber *fiber_self(void);
/* What the calling fiber was made with, if it runs fn; else NULL. */
void *fiber_arg(fiber_fn *fn);
/* Let others run first. */
void fiber_yield(void);

/*
 * One sleeper.  A task has one for interruptible sleeps; services and mutexes have their own on the
 * stack.  It belongs to one fiber, which alone may prepare and sleep; anyone may wake or interrupt.
 * Without a fiber (waiter_init(w, NULL), as on start-up or in a test) the host thread sleeps.
 */
struct waiter {
	struct fiber *fiber;     /* (c) NULL: a host thread that runs no fiber */
	atomic_uint state;       /* (a) awake, prepared, asleep, woken */
	atomic_bool interrupted; /* (a) sticky until waiter_clear_interrupt() */
};

enum waiter_mode { WAITER_UNINTERRUPTIBLE, WAITER_INTERRUPTIBLE };

/* For the calling fiber (fiber_self()), or for another one that has not been started yet. */
void waiter_init(struct waiter *w, struct fiber *f);
/*
 * The three steps of a sleep: prepare; check the condition and queue up where wakers look; sleep.
 * A wake after prepare is never lost.  waiter_sleep() returns 0 when woken (maybe for nothing:
 * check again), -EINTR when interruptible and interrupted (also when that was so beforehand),
 * -ETIMEDOUT when deadline_ns (CLOCK_MONOTONIC; INT64_MAX: none) has passed.  After
 * waiter_prepare() one may also not sleep at all: waiter_cancel().  When several are true, woken
 * wins, so no wake-up is lost to an interrupt.  Deadlines need the event worker (lib/timer.h).
 */
void waiter_prepare(struct waiter *w);
int waiter_sleep(struct waiter *w, enum waiter_mode mode, int64_t deadline_ns);
void waiter_cancel(struct waiter *w);
/* From any thread, under latches too.  Never sleeps, never runs the fiber itself. */
void waiter_wake(struct waiter *w);
void waiter_interrupt(struct waiter *w);
void waiter_clear_interrupt(struct waiter *w);
/* Whether an interruptible sleep would end at once: for who works for long without one. */
bool waiter_is_interrupted(const struct waiter *w);
/* Whether it is asleep just now: for who shows it. */
bool waiter_is_asleep(const struct waiter *w);

/*
 * Switch to the worker, which sleeps this fiber until somebody calls fiber_run() (a platform's
 * receiver that has an event for it) or fiber_resume() (from any thread: run queue).  Used by
 * platforms for the time that a task spends in application code; one of the two calls per
 * suspension, and it may come before the suspension is complete.  (They post a binary semaphore
 * that fiber_suspend() takes: a second post before that does nothing.)
 *
 * commit(arg), if not NULL, runs on the worker's stack once the fiber's stack is no longer in use:
 * the place to hand the reply to the application, so that its next request can't come too early.
 * It may not sleep, and the fiber doesn't run again before it has returned.
 */
void fiber_suspend(void (*commit)(void *arg), void *arg);
void fiber_resume(struct fiber *f);
/*
 * On a worker's own stack only: run f at once, until it suspends or sleeps.  Returns true when it
 * has suspended again (or ended), or is about to be run again by the worker that it is just
 * leaving; false when it went to sleep in the kernel or yielded.  By the time of the return another
 * worker may have woken it and run it further.
 */
bool fiber_run(struct fiber *f);

/*
 * Workers.  workers_start() makes the calling thread the first worker and does not return until
 * workers_stop().  Further host threads are started as they are needed, up to max in all; give it
 * at least 2.  hooks, or hooks->receive, may be NULL: then there is only the run queue.
 *
 * There is one seat for "the receiver": the worker that calls hooks->receive(), which blocks for
 * the platform's next event and runs the fiber that it is for (fiber_run()).  It returns when it
 * has handled at least one event or was told to leave by hooks->receive_abort().  The receiver
 * drains the run queue before it goes back to receive().
 *
 * The seat is free again as soon as the receiver calls fiber_run(): another worker that has nothing
 * to do may then enter receive() while the first one is still on its way out of it.  So receive()
 * must be reentrant, and must not block any more once it has called fiber_run().
 *
 * receive_abort() may be called on any thread and under latches.  It is sticky: a call that comes
 * just before receive() blocks makes it return too.  It is a last resort, for when all other
 * workers are busy in host calls, and for workers_stop().
 *
 * first_only: only the worker that called workers_start() may sit down: for a platform whose host
 * calls belong to one thread.
 */
struct worker_hooks {
	void (*receive)(void);
	void (*receive_abort)(void);
	bool first_only;
	void (*parking)(void); /* a worker that may have received is about to park; may be NULL */
	void (*started)(void); /* a new worker's first act: it has its creator's affinity; may be NULL */
	/* A worker that polls beside the receiver (lib/worker_poll.h); may be NULL.  False: no more. */
	bool (*poll)(void);
	void (*tarry)(bool begins); /* worker_tarry_begin(), _end(); may be NULL */
};

void workers_start(const struct worker_hooks *hooks, int max);
/* In receive(), when it need not block: is there something ready to run?  A hint. */
bool worker_is_wanted(void);
/* In receive(), after it ran a fiber: somebody else has the seat by now. */
bool worker_others_receive(void);
/* From any thread or fiber.  Running fibers go on until they next leave; others stay as they are. */
void workers_stop(void);

/*
 * Around a host call that may block for long (disk, gofer): another worker takes over what this one
 * would have done next.  Does not nest; the fiber may not sleep in between.  Called on a fiber,
 * holding no latch; without effect on other host threads.
 */
void worker_block_begin(void);
void worker_block_end(void);
/*
 * The same around a host call that mostly returns at once and sometimes does not: waking another
 * worker costs more than most such calls.  Only when it has lasted for a tick (1 to 2 ms) another worker
 * takes over.  Costs two atomic stores.  Needs the event worker (lib/timer.h).
 */
void worker_block_lazy_begin(void);
void worker_block_lazy_end(void);
/*
 * In it, around what another process is asked to do and answers at once (10 to 100 us): hooks->tarry() is told, so that who
 * waits for this fiber's work may know.
 */
void worker_tarry_begin(void);
void worker_tarry_end(void);

/*
 * Run fn(arg) soon on a service fiber; for timers and readiness callbacks that need to sleep.  Queued
 * again while it runs, it runs once more after that, never at the same time.  fn may free the work.
 */
struct work {
	struct list node;
	fiber_fn *fn;
	void *arg;
	atomic_bool queued;
};
void work_init(struct work *w, fiber_fn *fn, void *arg);
/* Queue it unless it is queued already.  From any thread, under latches too. */
void work_queue(struct work *w);
/*
 * Until it neither waits nor runs; if nobody queues it any more it may be freed then.  On another fiber than its own,
 * holding no lock that it takes.
 */
void work_wait(struct work *w);
