/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber.c: fibers, their stacks, and the ways in which they leave the CPU.
 *
 * A fiber never switches to another fiber, only to the worker below it, and says what for (struct
 * fiber's leave).  The worker, on its own stack, then commits that: only now may others take the
 * fiber, since only now is its stack unused.  The races, and who settles them:
 *
 *     sleep and wake        waiter->state: the worker's PREPARED → ASLEEP against the waker's
 *                           exchange to WOKEN.  Whoever comes second sees the other: the worker
 *                           runs the fiber again, or the waker puts it on the run queue.
 *     suspend and resume    fiber->gate, in the same way.  commit() comes before, so a fiber that
 *                           is resumed early never runs while its reply is being handed out.
 *
 * A waiter whose fiber is NULL belongs to a host thread, which sleeps in futex(2) on the state
 * itself: start-up code, tests and helper threads can use everything that is built on waiters.
 *
 * Stacks are mapped with a guard page below; a few that are no longer in use are kept as they are,
 * the others go back to the host.
 */
#include "lib/fiber.h"

#include <errno.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/fiber_impl.h"
#include "lib/host_impl.h"
#include "lib/mem.h"

enum { FIBER_STACKS_KEPT = 8 };

enum waiter_state {
	WAITER_AWAKE,
	WAITER_PREPARED,
	WAITER_ASLEEP,      /* interrupts leave it alone */
	WAITER_ASLEEP_INTR,
	WAITER_WOKEN,
	WAITER_INTERRUPTED,
	WAITER_TIMED_OUT,
};

/* Stacks for the next fibers. */
static struct {
	struct latch latch;
	unsigned int count;             /* (latch) */
	void *free[FIBER_STACKS_KEPT];  /* (latch) */
} stacks;

/* ---- stacks ---- */

static void *stack_new(void)
{
	void *stack = NULL;
	char *p;

	latch_lock(&stacks.latch);
	if (stacks.count > 0)
		stack = stacks.free[--stacks.count];
	latch_unlock(&stacks.latch);
	if (stack)
		return stack;

	/* Two mappings instead of mmap and mprotect: one host call less to allow. */
	p = mmap(NULL, PAGE_SIZE + FIBER_STACK_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	stack = mmap(p + PAGE_SIZE, FIBER_STACK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (stack == MAP_FAILED) {
		munmap(p, PAGE_SIZE + FIBER_STACK_SIZE);
		return NULL;
	}
	return stack;
}

static void stack_free(void *stack)
{
	latch_lock(&stacks.latch);
	if (stacks.count < FIBER_STACKS_KEPT) {
		stacks.free[stacks.count++] = stack;
		stack = NULL;
	}
	latch_unlock(&stacks.latch);
	if (stack)
		munmap((char *)stack - PAGE_SIZE, PAGE_SIZE + FIBER_STACK_SIZE);
}

/* ---- life ---- */

static void fiber_timeout(struct timer *t);

struct fiber *fiber_new(fiber_fn *fn, void *arg)
{
	struct fiber *f = mem_new(struct fiber);

	if (!f)
		return NULL;
	f->stack = stack_new();
	if (!f->stack) {
		mem_free(f);
		return NULL;
	}
	f->fn = fn;
	f->arg = arg;
	atomic_init(&f->gate, GATE_NONE);
	list_init(&f->node);
	timer_init(&f->timer, fiber_timeout);
	san_fiber_init(&f->san, f->stack, FIBER_STACK_SIZE);
	f->sp = fiber_frame((char *)f->stack + FIBER_STACK_SIZE, f);
	return f;
}

void fiber_free(struct fiber *f)
{
	if (!f)
		return;
	san_fiber_fini(&f->san);
	stack_free(f->stack);
	mem_free(f);
}

void fiber_start(struct fiber *f)
{
	worker_ready(f);
}

struct fiber *fiber_self(void)
{
	struct worker *w = worker_self();

	return w ? w->current : NULL;
}

void *fiber_arg(fiber_fn *fn)
{
	struct fiber *f = fiber_self();

	return f && f->fn == fn ? f->arg : NULL;
}

/* ---- switching ---- */

/* From the fiber to its worker; returns when some worker runs the fiber again. */
static void fiber_leave(struct fiber *f, enum fiber_leave why)
{
	struct worker *w = worker_self();

	f->leave = why;
	san_leave(&f->san, &w->san, why == FIBER_ENDS);
	fiber_switch(&f->sp, w->sp);
	san_arrive(&f->san, &worker_self()->san);
}

void fiber_main(struct fiber *f)
{
	san_arrive(&f->san, &worker_self()->san);
	f->fn(f->arg);
#ifdef DEBUG
	ASSERT(f->held_count == 0);
#endif
	fiber_leave(f, FIBER_ENDS);
	ASSERT(!"an ended fiber ran");
	__builtin_unreachable();
}

static void fiber_enter(struct worker *w, struct fiber *f)
{
	w->current = f;
	san_leave(&w->san, &f->san, 0);
	fiber_switch(&w->sp, f->sp);
	san_arrive(&w->san, NULL);
	w->current = NULL;
}

/* The fiber's stack is unused: make its sleep known.  False: it was woken first. */
static bool fiber_commit_sleep(struct fiber *f)
{
	unsigned int old = WAITER_PREPARED;

	/* release: the saved context, for the waker's acquire; acquire: what the waker wrote */
	return atomic_compare_exchange_strong_explicit(&f->waiter->state, &old, f->asleep_state,
						       memory_order_acq_rel, memory_order_acquire);
}

/* Likewise for a suspension. */
static bool fiber_commit_suspend(struct fiber *f)
{
	unsigned int old = GATE_NONE;

	if (f->commit)
		f->commit(f->commit_arg);
	/* pairs with fiber_post() */
	if (atomic_compare_exchange_strong_explicit(&f->gate, &old, GATE_SUSPENDED,
						    memory_order_acq_rel, memory_order_acquire))
		return true;
	ASSERT(old == GATE_POSTED);
	atomic_store_explicit(&f->gate, GATE_NONE, memory_order_relaxed);
	return false;
}

enum fiber_left fiber_run_on(struct worker *w, struct fiber *f)
{
	for (;;) {
		fiber_enter(w, f);
		switch (f->leave) {
		case FIBER_YIELDS:
			worker_requeue(f);
			return FIBER_LEFT_READY;
		case FIBER_SLEEPS:
			if (fiber_commit_sleep(f))
				return FIBER_LEFT_ASLEEP;
			break;
		case FIBER_SUSPENDS:
			if (fiber_commit_suspend(f))
				return FIBER_LEFT_SUSPENDED;
			break;
		case FIBER_ENDS:
			fiber_free(f);
			return FIBER_LEFT_ENDED;
		}
	}
}

void fiber_yield(void)
{
	struct fiber *f = fiber_self();

	ASSERT(f);
	fiber_leave(f, FIBER_YIELDS);
}

void fiber_suspend(void (*commit)(void *arg), void *arg)
{
	struct fiber *f = fiber_self();

	ASSERT(f);
	f->commit = commit;
	f->commit_arg = arg;
	fiber_leave(f, FIBER_SUSPENDS);
}

bool fiber_post(struct fiber *f)
{
	unsigned int old = atomic_load_explicit(&f->gate, memory_order_relaxed);
	unsigned int new;

	do {
		new = old == GATE_SUSPENDED ? GATE_NONE : GATE_POSTED;
		/* pairs with fiber_commit_suspend() */
	} while (!atomic_compare_exchange_weak_explicit(&f->gate, &old, new, memory_order_acq_rel,
							memory_order_relaxed));
	return old == GATE_SUSPENDED;
}

void fiber_resume(struct fiber *f)
{
	if (fiber_post(f))
		worker_ready(f);
}

/* ---- waiters ---- */

void waiter_init(struct waiter *w, struct fiber *f)
{
	w->fiber = f;
	atomic_init(&w->state, WAITER_AWAKE);
	atomic_init(&w->interrupted, false);
}

void waiter_prepare(struct waiter *w)
{
	/*
	 * An exchange, as in every waker: whichever comes second on the same word sees what the
	 * other wrote before it, the condition or the sleeper.
	 */
	atomic_exchange_explicit(&w->state, WAITER_PREPARED, memory_order_acq_rel);
}

void waiter_cancel(struct waiter *w)
{
	atomic_exchange_explicit(&w->state, WAITER_AWAKE, memory_order_acq_rel);
}

/* The caller took w out of its sleep, so it owns the fiber (or wakes the thread). */
static void waiter_release(struct waiter *w, struct fiber *f)
{
	if (f)
		worker_ready(f);
	else
		lib_futex_wake(&w->state, 1);
}

void waiter_wake(struct waiter *w)
{
	struct fiber *f = w->fiber; /* w may go away with the exchange */
	unsigned int old;

	old = atomic_exchange_explicit(&w->state, WAITER_WOKEN, memory_order_acq_rel);
	if (old == WAITER_ASLEEP || old == WAITER_ASLEEP_INTR)
		waiter_release(w, f);
}

/* End a sleep, or one that is being prepared, for a lesser reason: a wake is never overwritten. */
static void waiter_end(struct waiter *w, unsigned int reason, bool uninterruptible_too)
{
	struct fiber *f = w->fiber;
	/* An addition of 0 and not a load: see waiter_prepare(). */
	unsigned int old = atomic_fetch_add_explicit(&w->state, 0, memory_order_acq_rel);

	do {
		if (old != WAITER_PREPARED && old != WAITER_ASLEEP_INTR &&
		    !(old == WAITER_ASLEEP && uninterruptible_too))
			return;
	} while (!atomic_compare_exchange_weak_explicit(&w->state, &old, reason,
							memory_order_acq_rel,
							memory_order_acquire));
	if (old != WAITER_PREPARED)
		waiter_release(w, f);
}

void waiter_interrupt(struct waiter *w)
{
	atomic_store_explicit(&w->interrupted, true, memory_order_release);
	waiter_end(w, WAITER_INTERRUPTED, false);
}

bool waiter_is_interrupted(const struct waiter *w)
{
	return atomic_load_explicit(&w->interrupted, memory_order_acquire);
}

void waiter_clear_interrupt(struct waiter *w)
{
	atomic_store_explicit(&w->interrupted, false, memory_order_release);
}

bool waiter_is_asleep(const struct waiter *w)
{
	unsigned int state = atomic_load_explicit(&w->state, memory_order_relaxed);

	return state == WAITER_ASLEEP || state == WAITER_ASLEEP_INTR;
}

/* On the event worker: the deadline of a fiber's sleep. */
static void fiber_timeout(struct timer *t)
{
	struct fiber *f = container_of(t, struct fiber, timer);

	waiter_end(f->timer_waiter, WAITER_TIMED_OUT, true);
}

static void waiter_sleep_thread(struct waiter *w, unsigned int asleep, int64_t deadline_ns)
{
	unsigned int old = WAITER_PREPARED;

	if (!atomic_compare_exchange_strong_explicit(&w->state, &old, asleep, memory_order_acq_rel,
						     memory_order_acquire))
		return;
	while (atomic_load_explicit(&w->state, memory_order_acquire) == asleep)
		if (lib_futex_wait(&w->state, asleep, deadline_ns) == -ETIMEDOUT)
			waiter_end(w, WAITER_TIMED_OUT, true);
}

static void waiter_sleep_fiber(struct waiter *w, unsigned int asleep, int64_t deadline_ns)
{
	struct fiber *f = w->fiber;

	ASSERT(f == fiber_self());
	f->waiter = w;
	f->asleep_state = asleep;
	if (deadline_ns == INT64_MAX) {
		fiber_leave(f, FIBER_SLEEPS);
		return;
	}
	f->timer_waiter = w;
	timer_arm(&f->timer, deadline_ns);
	fiber_leave(f, FIBER_SLEEPS);
	/* A timer that ended the sleep has done all that it does to us; its thread may lag behind. */
	if (atomic_load_explicit(&w->state, memory_order_acquire) != WAITER_TIMED_OUT)
		timer_cancel_sync(&f->timer);
}

int waiter_sleep(struct waiter *w, enum waiter_mode mode, int64_t deadline_ns)
{
	bool intr = mode == WAITER_INTERRUPTIBLE;
	unsigned int asleep = intr ? WAITER_ASLEEP_INTR : WAITER_ASLEEP;
	unsigned int state = atomic_load_explicit(&w->state, memory_order_acquire);

	if (state == WAITER_PREPARED) {
		if (intr && atomic_load_explicit(&w->interrupted, memory_order_acquire)) {
			waiter_end(w, WAITER_INTERRUPTED, true);
		} else if (deadline_ns != INT64_MAX && deadline_ns <= clock_mono_ns()) {
			waiter_end(w, WAITER_TIMED_OUT, true);
		} else if (w->fiber) {
			waiter_sleep_fiber(w, asleep, deadline_ns);
		} else {
			waiter_sleep_thread(w, asleep, deadline_ns);
		}
	}
	state = atomic_exchange_explicit(&w->state, WAITER_AWAKE, memory_order_acq_rel);
	ASSERT(state >= WAITER_WOKEN); /* so somebody had prepared */
	if (state == WAITER_INTERRUPTED && intr)
		return -EINTR;
	return state == WAITER_TIMED_OUT ? -ETIMEDOUT : 0;
}
