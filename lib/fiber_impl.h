/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber_impl.h: what fiber.c, worker.c and mutex.c share.
 *
 * A fiber is owned by whoever made the last transition on it: the creator until fiber_start(), the
 * run queue while it is ready, a worker while it runs and until that worker has committed what the
 * fiber left for (struct fiber's leave), then the waker or resumer that takes it out of its sleep.
 * Only the owner touches members without letters.
 */
#pragma once

#include "lib/fiber.h"
#include "lib/lock_ranks.h"
#include "lib/sanitizer_impl.h"
#include "lib/timer.h"
#include "lib/worker_later.h"

#if LIB_ASAN || LIB_TSAN
#define FIBER_STACK_SIZE (256UL * 1024)
#else
#define FIBER_STACK_SIZE (64UL * 1024)
#endif

enum { FIBER_HELD_MAX = 24 };

/* Why a fiber went back to its worker, and so what the worker does for it. */
enum fiber_leave { FIBER_YIELDS, FIBER_SLEEPS, FIBER_SUSPENDS, FIBER_ENDS };

/* A suspension is a binary semaphore: fiber_run() and fiber_resume() post it, suspending takes it. */
enum fiber_gate {
	GATE_NONE,      /* not suspended and nothing posted */
	GATE_POSTED,    /* posted before the suspension was complete */
	GATE_SUSPENDED, /* waiting for a post */
};

struct fiber {
	void *sp;
	fiber_fn *fn; /* (c) */
	void *arg;    /* (c) */
	void *stack;  /* (c) lowest usable byte; the guard page is below */

	enum fiber_leave leave;
	struct waiter *waiter;        /* it sleeps on */
	unsigned int asleep_state;    /* the waiter's state once that is committed */
	void (*commit)(void *arg);    /* of fiber_suspend() */
	void *commit_arg;

	atomic_uint gate;             /* (a) enum fiber_gate */
	struct list node;             /* (workers' latch) run queue */
	struct timer timer;           /* of a sleep with a deadline */
	struct waiter *timer_waiter;
	struct san_stack san;

#ifdef DEBUG
	/* The locks it holds, in the order in which they were taken. */
	unsigned int held_count;
	struct {
		const void *lock;
		enum lock_rank rank;
	} held[FIBER_HELD_MAX];
#endif
};

/* worker_block_lazy_begin(): by the worker itself, but for AWAY, which the watcher makes of INSIDE. */
enum worker_lazy { LAZY_OUTSIDE = 0, LAZY_INSIDE = 1, LAZY_AWAY = 2, LAZY_STATE = 3, LAZY_COUNT_ONE = 4 };

/* A host thread that runs fibers. */
struct worker {
	void *sp;              /* of its own stack, while it runs a fiber */
	struct fiber *current; /* the fiber it runs, or NULL */
	bool active;           /* (workers' latch) will look at the run queue before it sleeps */
	struct list parked;    /* (workers' latch) */
	atomic_uint wake;      /* (a) futex: 1 to leave the park */
	atomic_bool polls;     /* (a) lib/worker_poll.h; set by itself, cleared under workers' latch */
	bool extra;            /* (workers' latch) polls beside the receiver: in hooks->poll(), or on its way there */
	_Atomic(struct fiber *) next; /* (a) ready, and its to run: nobody else is told while it polls */
	bool woke;             /* its own: lib/worker_poll.h */
	struct worker_later *later; /* (worker_later.c's latch), (a) */
	unsigned int streak;   /* fibers run since it was last in receive() */
	atomic_uint lazy;      /* (a) enum worker_lazy, and above it how often it has begun */
	unsigned int lazy_seen; /* (workers' latch) what the watcher last saw there */
	struct san_stack san;
};

/*
 * The worker that runs on this host thread, or NULL.  In a file of its own, so that no compiler
 * keeps the address of the thread-local over a switch.
 */
struct worker *worker_self(void);
void worker_set_self(struct worker *w);

/* Put f on the run queue and see to it that a worker looks there.  From any thread. */
void worker_ready(struct fiber *f);
void worker_requeue(struct fiber *f);

/* How a fiber that a worker ran has left it. */
enum fiber_left { FIBER_LEFT_READY, FIBER_LEFT_ASLEEP, FIBER_LEFT_SUSPENDED, FIBER_LEFT_ENDED };

/* Run f on w, whose own stack this is, until it leaves for good; f is then not w's any more. */
enum fiber_left fiber_run_on(struct worker *w, struct fiber *f);
/* What fiber_run() and fiber_resume() begin with: true when the caller now owns the fiber. */
bool fiber_post(struct fiber *f);

/* x86_64/fiber_switch.S */
void fiber_switch(void **save_sp, void *load_sp);
void *fiber_frame(void *stack_top, struct fiber *f);
_Noreturn void fiber_main(struct fiber *f);
