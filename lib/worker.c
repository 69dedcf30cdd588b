/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c: the host threads that run fibers, the run queue, and who waits where.
 *
 * A worker is in one of these places:
 *
 *     active     runs fibers, and looks at the run queue before it goes anywhere else
 *     receiving  in hooks->receive(), has the seat, sleeps in the host
 *     parked     sleeps in futex(2)
 *     blocked    between worker_block_begin() and _end(), in a host call of a fiber
 *
 * A worker in hooks->poll() is like one in receive() without the seat: worker_poll.h.  It does not count towards max.
 *
 * A worker between worker_block_lazy_begin() and _end() counts as active.  While there are such calls a
 * timer ticks; at a tick that finds a worker in the same call as the tick before, the worker becomes
 * blocked.  Without any call for LAZY_TICKS_MAX ticks the timer is left alone until the next one.
 *
 * Waking an idle CPU costs 50 us, switching to a fiber on this one less than 1, so a ready fiber
 * normally just waits for a worker that is active anyhow, the waker itself as a rule.  Another
 * worker is woken when none is active, and when more fibers are ready than workers are active and
 * there is a CPU for it.  A woken worker counts as active from the moment it was chosen, so one
 * wake-up is not asked for twice.
 *
 * The seat is held only while its worker sleeps in receive().  Once that worker runs a fiber (it
 * is in fiber_run() then, below receive()) another one that has nothing else to do may sit down;
 * so receive() may be running on two workers, of which one only has to return.
 *
 * With hooks->first_only the seat is the first worker's alone: it never parks, and while it is at
 * work nobody sits.  After WORKER_STREAK_MAX fibers in a row it sits down although more are ready, if
 * there is somebody else to run these.
 *
 * Threads: when a worker is about to sleep and no other is parked, it starts one first, up to max.
 * So those who need one under a latch find one.  With none left (max), the receiver is asked out
 * of receive() to run what is ready.
 *
 * Work items run on service fibers.  At most one of these is on its way to the list at any time;
 * the one that takes an item sends for the next when there is more, so an item that sleeps holds
 * up nobody.  An item that was queued again while it runs goes to the service that runs it, so it
 * never runs twice at a time.  It may have been freed by then, so only its address counts.
 *
 * Locks: workers.latch guards everything here, and is a leaf.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/fiber_impl.h"
#include "lib/host_impl.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/worker_poll.h"

enum {
	WORKER_STREAK_MAX = 64,      /* fibers in a row, then somebody else takes the seat */
	WORKER_STACK = 256 * 1024,   /* of a thread; fibers have their own */
	WORKER_ALTSTACK = 16 * 1024, /* for crash reports */
	SERVICES_MAX = 256,
	SERVICES_IDLE_MAX = 4,
	LAZY_TICK_NS = 1000000,
	LAZY_TICKS_MAX = 50,         /* without a call: the timer rests */
};

/* All under latch, but for hooks (constant while workers run) and cpus (constant). */
static struct {
	struct latch latch;
	struct worker_hooks hooks;
	unsigned int max;
	unsigned int cpus;

	struct list ready; /* fibers */
	unsigned int ready_count;
	struct list parked; /* workers, last in first out */
	unsigned int active_count;
	unsigned int thread_count;
	unsigned int extra_count; /* workers in hooks->poll() */
	struct worker *first; /* who called workers_start() */
	sigset_t mask;        /* (c) its, and so all workers' */
	struct worker *seat; /* who is in receive(), or is just going there */
	bool starting;       /* a thread is being created */
	bool aborting;       /* the receiver was asked to return */
	bool stopping;       /* (a) as well */
	bool running;
	struct list threads; /* struct worker_thread, all but the first worker */

	struct list work;
	struct list services_busy; /* struct service */
	struct list services_idle; /* fibers, suspended */
	unsigned int service_count;
	unsigned int service_idle_count;
	bool service_coming; /* one has been made ready, or asked for, and has not looked yet */
	bool service_wanted; /* ... asked for: a worker must create it */

	atomic_bool lazy_ticks; /* (a) the timer is armed, or its function runs */
	unsigned int lazy_idle; /* ticks since a lazy call was seen; the timer's own */
	struct timer lazy_timer;
} workers = {
	.ready = LIST_INIT(workers.ready),
	.parked = LIST_INIT(workers.parked),
	.threads = LIST_INIT(workers.threads),
	.work = LIST_INIT(workers.work),
	.services_busy = LIST_INIT(workers.services_busy),
	.services_idle = LIST_INIT(workers.services_idle),
	.cpus = 1,
};

/* A service fiber at work, on its own stack. */
struct service {
	struct list node;         /* (latch) */
	const struct work *runs;  /* (latch) maybe freed: an address only */
	struct list again;        /* (latch) that item, queued meanwhile */
};

struct worker_thread {
	struct worker worker;
	struct list node; /* (latch) */
	pthread_t thread; /* (c) */
};

/* What to do for others once the latch is free again. */
struct worker_kick {
	struct worker *wake;
	bool abort;
};

/* ---- waking ---- */

/* Take a worker out of the park; the caller kicks it. */
static struct worker *worker_unpark_locked(bool active) REQUIRES(workers.latch)
{
	struct list *n = list_shift(&workers.parked);
	struct worker *w;

	if (!n)
		return NULL;
	w = list_entry(n, struct worker, parked);
	w->active = active;
	workers.active_count += active;
	return w;
}

/* The seat is free, and w (NULL: whoever is parked) may take it. */
static bool seat_is_free_locked(const struct worker *w) REQUIRES(workers.latch)
{
	return workers.hooks.receive && !workers.seat &&
	       (!workers.hooks.first_only || (w && w == workers.first));
}

/* Is somebody needed, and who?  After the queue, the seat or the number of active ones changed. */
static struct worker_kick workers_need_locked(void) REQUIRES(workers.latch)
{
	struct worker_kick k = { NULL, false };
	unsigned int ready = workers.ready_count + workers.service_wanted;
	bool seat_free = seat_is_free_locked(NULL);

	if (!workers.running)
		return k;
	if (workers.active_count == 0 ? ready > 0 || seat_free :
					ready > workers.active_count &&
						workers.active_count < workers.cpus)
		k.wake = worker_unpark_locked(true);
	if (!k.wake && workers.active_count == 0 && ready > 0 && workers.seat && !workers.aborting)
		k.abort = workers.aborting = true;
	return k;
}

/* Not under workers.latch; under others' latches it may be. */
static void workers_kick(struct worker_kick k)
{
	if (k.wake) {
		/* release: pairs with the acquire in worker_park() */
		atomic_store_explicit(&k.wake->wake, 1, memory_order_release);
		lib_futex_wake(&k.wake->wake, 1);
	}
	if (k.abort)
		workers.hooks.receive_abort();
}

static void worker_push_locked(struct fiber *f) REQUIRES(workers.latch)
{
	list_append(&workers.ready, &f->node);
	__atomic_store_n(&workers.ready_count, workers.ready_count + 1, __ATOMIC_RELAXED);
}

/* Keep f for w, which polls and is this worker. */
static bool worker_keep_next(struct worker *w, struct fiber *f)
{
	struct fiber *none = NULL;

	/* release: whoever takes it, another worker maybe, sees what made it ready */
	return atomic_compare_exchange_strong_explicit(&w->next, &none, f, memory_order_release,
						       memory_order_relaxed);
}

/* w polls no more: what it kept is anybody's. */
static void worker_flush_locked(struct worker *w) REQUIRES(workers.latch)
{
	struct fiber *f = atomic_exchange_explicit(&w->next, NULL, memory_order_acquire);

	if (f)
		worker_push_locked(f);
}

void worker_ready(struct fiber *f)
{
	struct worker *w = worker_self();
	struct worker_kick k;

	if (w && atomic_load_explicit(&w->polls, memory_order_relaxed) && worker_keep_next(w, f))
		return;
	latch_lock(&workers.latch);
	worker_push_locked(f);
	k = workers_need_locked();
	latch_unlock(&workers.latch);
	workers_kick(k);
}

/* A yielding fiber: as many are ready as before, since this worker takes the first of them. */
void worker_requeue(struct fiber *f)
{
	struct worker_kick k = { NULL, false };

	latch_lock(&workers.latch);
	worker_push_locked(f);
	if (!worker_self()->active)
		k = workers_need_locked(); /* but for one that polls beside the receiver */
	latch_unlock(&workers.latch);
	workers_kick(k);
}

/* ---- threads ---- */

static void *worker_thread_main(void *arg);

/* Start another worker if there may be one more.  Drops and retakes the latch. */
static void worker_spawn_locked(void) REQUIRES(workers.latch)
{
	struct worker_thread *t;
	pthread_attr_t attr;
	int err = ENOMEM;

	if (workers.starting || workers.stopping || workers.thread_count >= workers.max + workers.extra_count)
		return;
	workers.starting = true;
	workers.thread_count++;
	workers.active_count++; /* on behalf of the new one */
	latch_unlock(&workers.latch);

	t = mem_new(struct worker_thread);
	if (t) {
		t->worker.active = true;
		pthread_attr_init(&attr);
		if (!LIB_ASAN && !LIB_TSAN)
			pthread_attr_setstacksize(&attr, WORKER_STACK);
		err = pthread_create(&t->thread, &attr, worker_thread_main, t);
		pthread_attr_destroy(&attr);
	}

	latch_lock(&workers.latch);
	workers.starting = false;
	if (err == 0) {
		list_append(&workers.threads, &t->node);
		return;
	}
	mem_free(t);
	workers.thread_count--;
	workers.active_count--;
	workers.max = workers.thread_count - MIN(workers.extra_count, workers.thread_count - 1); /* the host has no more */
}

/* A thread's alternate signal stack, so that a fiber that ran out of stack can be reported. */
static void *worker_altstack_new(void)
{
	stack_t ss = { .ss_size = WORKER_ALTSTACK };

	if (LIB_ASAN || LIB_TSAN)
		return NULL; /* these have their own */
	ss.ss_sp = mmap(NULL, WORKER_ALTSTACK, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ss.ss_sp == MAP_FAILED)
		return NULL;
	sigaltstack(&ss, NULL);
	return ss.ss_sp;
}

static void worker_altstack_free(void *stack)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	if (!stack)
		return;
	sigaltstack(&none, NULL);
	munmap(stack, WORKER_ALTSTACK);
}

/* ---- the loop ---- */

static void worker_set_active_locked(struct worker *w, bool active) REQUIRES(workers.latch)
{
	if (w->active == active)
		return;
	w->active = active;
	workers.active_count += active ? 1U : -1U;
}

/* Sit down and wait for an event. */
static void worker_receive_locked(struct worker *w) REQUIRES(workers.latch)
{
	struct worker_kick k;

	workers.seat = w;
	w->streak = 0;
	worker_set_active_locked(w, false);
	k = workers_need_locked(); /* what is ready is somebody else's (first_only) */
	latch_unlock(&workers.latch);
	workers_kick(k);

	workers.hooks.receive();

	worker_do_later();
	latch_lock(&workers.latch);
	atomic_store_explicit(&w->polls, false, memory_order_relaxed);
	worker_flush_locked(w);
	if (workers.seat == w) {
		workers.seat = NULL;
		workers.aborting = false;
	}
	worker_set_active_locked(w, true);
}

/* Poll beside the receiver. */
static void worker_extra_locked(struct worker *w) REQUIRES(workers.latch)
{
	struct worker_kick k;
	bool stays;

	w->streak = 0;
	worker_set_active_locked(w, false);
	atomic_store_explicit(&w->polls, true, memory_order_relaxed);
	k = workers_need_locked();
	latch_unlock(&workers.latch);
	workers_kick(k);

	stays = workers.hooks.poll();

	worker_do_later();
	latch_lock(&workers.latch);
	atomic_store_explicit(&w->polls, false, memory_order_relaxed);
	worker_flush_locked(w);
	worker_set_active_locked(w, true);
	if (!stays) {
		w->extra = false;
		workers.extra_count--;
	}
}

static void worker_park_locked(struct worker *w) REQUIRES(workers.latch)
{
	list_push(&workers.parked, &w->parked);
	worker_set_active_locked(w, false);
	atomic_store_explicit(&w->wake, 0, memory_order_relaxed);
	latch_unlock(&workers.latch);
	if (workers.hooks.parking)
		workers.hooks.parking();

	/* acquire: pairs with the release in workers_kick() */
	while (atomic_load_explicit(&w->wake, memory_order_acquire) == 0)
		(void)lib_futex_wait(&w->wake, 0, INT64_MAX);
	latch_lock(&workers.latch);
}

bool worker_is_wanted(void)
{
	return __atomic_load_n(&workers.ready_count, __ATOMIC_RELAXED) > 0 ||
	       __atomic_load_n(&workers.service_wanted, __ATOMIC_RELAXED);
}

/* ---- a receiver that polls (worker_poll.h) ---- */

void worker_poll_begin(void)
{
	struct worker *w = worker_self();

	latch_lock(&workers.latch);
	ASSERT(workers.seat == w);
	worker_set_active_locked(w, true);
	atomic_store_explicit(&w->polls, true, memory_order_relaxed);
	latch_unlock(&workers.latch);
}

bool worker_polls(void)
{
	struct worker *w = worker_self();

	return w && atomic_load_explicit(&w->polls, memory_order_relaxed);
}

/* w is not at the seat any more, should it have polled there. */
static void worker_unseat_locked(struct worker *w) REQUIRES(workers.latch)
{
	if (!atomic_load_explicit(&w->polls, memory_order_relaxed))
		return;
	atomic_store_explicit(&w->polls, false, memory_order_relaxed);
	worker_flush_locked(w);
	if (workers.seat == w) {
		workers.seat = NULL;
		workers.aborting = false;
	}
}

bool worker_poll_end(void)
{
	struct worker *w = worker_self();
	struct worker_kick k = { NULL, false };
	bool seated;

	worker_do_later();
	latch_lock(&workers.latch);
	seated = atomic_load_explicit(&w->polls, memory_order_relaxed);
	if (seated) {
		atomic_store_explicit(&w->polls, false, memory_order_relaxed);
		worker_flush_locked(w);
		worker_set_active_locked(w, false);
		k = workers_need_locked();
	}
	latch_unlock(&workers.latch);
	workers_kick(k);
	return seated;
}

void worker_poll_run(struct fiber *f)
{
	struct worker *w = worker_self();

	ASSERT(!w->current);
	if (fiber_post(f))
		(void)fiber_run_on(w, f);
}

bool worker_poll_has_next(void)
{
	return atomic_load_explicit(&worker_self()->next, memory_order_relaxed) != NULL;
}

bool worker_poll_run_next(void)
{
	struct worker *w = worker_self();
	/* acquire: it was made ready on another stack of this worker's, but TSan may know no better */
	struct fiber *f = atomic_exchange_explicit(&w->next, NULL, memory_order_acquire);

	ASSERT(!w->current);
	if (f)
		(void)fiber_run_on(w, f);
	return f != NULL;
}

void worker_poll_woke(void)
{
	struct worker *w = worker_self();

	if (w)
		w->woke = true;
}

bool worker_poll_take_woken(void)
{
	struct worker *w = worker_self();
	bool woke = w->woke;

	w->woke = false;
	return woke;
}

bool worker_poll_more(void)
{
	struct worker_kick k = { NULL, false };

	latch_lock(&workers.latch);
	if (workers.running && !workers.stopping && workers.hooks.poll) {
		if (list_empty(&workers.parked))
			worker_spawn_locked(); /* it comes to the park: for the next time we are asked */
		k.wake = worker_unpark_locked(true);
	}
	if (k.wake) {
		k.wake->extra = true;
		workers.extra_count++;
		if (list_empty(&workers.parked))
			worker_spawn_locked(); /* in its place */
	}
	latch_unlock(&workers.latch);
	workers_kick(k);
	return k.wake != NULL;
}

bool worker_poll_goes_on(void)
{
	return worker_polls() && !__atomic_load_n(&workers.stopping, __ATOMIC_RELAXED);
}

bool worker_others_receive(void)
{
	bool others;

	latch_lock(&workers.latch);
	others = workers.seat && workers.seat != worker_self();
	latch_unlock(&workers.latch);
	return others;
}

static void service_create_locked(void) REQUIRES(workers.latch);
static void lazy_tick(struct timer *t);

/* Run the first ready fiber. */
static void worker_run_next_locked(struct worker *w) REQUIRES(workers.latch)
{
	struct fiber *f = list_entry(list_shift(&workers.ready), struct fiber, node);
	struct worker *sitter = NULL;

	__atomic_store_n(&workers.ready_count, workers.ready_count - 1, __ATOMIC_RELAXED);
	if (++w->streak >= WORKER_STREAK_MAX && seat_is_free_locked(NULL)) {
		/* Busy for long: events must not wait for us. */
		w->streak = 0;
		workers.seat = sitter = worker_unpark_locked(false);
	}
	latch_unlock(&workers.latch);
	workers_kick((struct worker_kick){ sitter, false });
	fiber_run_on(w, f);
	latch_lock(&workers.latch);
}

/* Nobody is parked, and we are about to leave the run queue alone or have more than we can do. */
static bool worker_spare_wanted_locked(const struct worker *w) REQUIRES(workers.latch)
{
	if (!list_empty(&workers.parked))
		return false;
	if (workers.ready_count == 0)
		return seat_is_free_locked(w);
	return workers.ready_count > 1 && workers.active_count < workers.cpus;
}

/* The only one who may sit has been away from the seat for long, and others can do its work. */
static bool worker_is_due_locked(const struct worker *w) REQUIRES(workers.latch)
{
	return workers.hooks.first_only && w->streak >= WORKER_STREAK_MAX &&
	       seat_is_free_locked(w) && (workers.active_count > 1 || !list_empty(&workers.parked));
}

static void worker_loop(struct worker *w)
{
	latch_lock(&workers.latch);
	while (!workers.stopping) {
		if (workers.seat == w) { /* given to us in the park */
			worker_receive_locked(w);
			continue;
		}
		if (workers.service_wanted)
			service_create_locked();
		if (worker_spare_wanted_locked(w))
			worker_spawn_locked();
		if (workers.ready_count > 0 && !worker_is_due_locked(w))
			worker_run_next_locked(w);
		else if (workers.stopping)
			break;
		else if (w->extra && (!seat_is_free_locked(w) || !list_empty(&workers.parked)))
			worker_extra_locked(w);
		else if (seat_is_free_locked(w))
			worker_receive_locked(w);
		else
			worker_park_locked(w);
	}
	worker_set_active_locked(w, false);
	workers.extra_count -= w->extra;
	latch_unlock(&workers.latch);
}

static void worker_main(struct worker *w)
{
	void *altstack = worker_altstack_new();

	list_init(&w->parked);
	san_worker_init(&w->san);
	worker_set_self(w);
	worker_loop(w);
	worker_set_self(NULL);
	worker_altstack_free(altstack);
}

static void *worker_thread_main(void *arg)
{
	/* Not its creator's, which may be the event worker: the receiver is called away by a signal. */
	(void)pthread_sigmask(SIG_SETMASK, &workers.mask, NULL);
	if (workers.hooks.started)
		workers.hooks.started();
	worker_main(&((struct worker_thread *)arg)->worker);
	return NULL;
}

/* Before main: the jail need not allow it. */
__attribute__((constructor)) static void workers_count_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		workers.cpus = (unsigned int)CPU_COUNT(&set);
}

void workers_start(const struct worker_hooks *hooks, int max)
{
	struct worker first = { .active = true };
	struct list *n;

	latch_lock(&workers.latch);
	ASSERT(!workers.running);
	workers.hooks = hooks ? *hooks : (struct worker_hooks){ 0 };
	workers.first = &first;
	workers.max = max > 1 ? (unsigned int)max : 1;
	workers.thread_count = workers.active_count = 1;
	workers.running = true;
	latch_unlock(&workers.latch);
	timer_init(&workers.lazy_timer, lazy_tick);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &workers.mask);

	worker_main(&first);

	/* Nobody starts threads once stopping is set, but one may be about to be listed. */
	latch_lock(&workers.latch);
	while (workers.starting || !list_empty(&workers.threads)) {
		n = list_shift(&workers.threads);
		latch_unlock(&workers.latch);
		if (n) {
			struct worker_thread *t = list_entry(n, struct worker_thread, node);

			pthread_join(t->thread, NULL);
			mem_free(t);
		} else {
			sched_yield();
		}
		latch_lock(&workers.latch);
	}
	workers.seat = NULL;
	workers.first = NULL;
	latch_unlock(&workers.latch);
	(void)timer_cancel_sync(&workers.lazy_timer); /* while stopping: it does not arm itself again */
	latch_lock(&workers.latch);
	atomic_store_explicit(&workers.lazy_ticks, false, memory_order_relaxed);
	workers.running = workers.stopping = workers.aborting = false;
	latch_unlock(&workers.latch);
}

void workers_stop(void)
{
	struct worker_kick k = { NULL, false };
	struct worker *w;

	latch_lock(&workers.latch);
	if (!workers.running) {
		latch_unlock(&workers.latch);
		return;
	}
	__atomic_store_n(&workers.stopping, true, __ATOMIC_RELAXED);
	k.abort = workers.seat && !workers.aborting;
	workers.aborting |= k.abort;
	while ((w = worker_unpark_locked(true))) {
		latch_unlock(&workers.latch);
		workers_kick((struct worker_kick){ w, false });
		latch_lock(&workers.latch);
	}
	latch_unlock(&workers.latch);
	workers_kick(k);
}

bool fiber_run(struct fiber *f)
{
	struct worker *w = worker_self();
	enum fiber_left left;

	ASSERT(w && !w->current);
	if (!fiber_post(f))
		return true; /* the worker that it is leaving runs it again */

	latch_lock(&workers.latch);
	if (workers.seat == w) {
		workers.seat = NULL;
		workers.aborting = false;
	}
	worker_set_active_locked(w, true);
	latch_unlock(&workers.latch);
	left = fiber_run_on(w, f);
	return left == FIBER_LEFT_SUSPENDED || left == FIBER_LEFT_ENDED;
}

void worker_block_begin(void)
{
	struct worker *w = worker_self();
	struct worker_kick k;

	if (!w)
		return;
	ASSERT(w->current);
	worker_do_later();
	latch_lock(&workers.latch);
	if (list_empty(&workers.parked))
		worker_spawn_locked();
	worker_unseat_locked(w);
	worker_set_active_locked(w, false);
	k = workers_need_locked();
	latch_unlock(&workers.latch);
	workers_kick(k);
}

void worker_block_end(void)
{
	struct worker *w = worker_self();

	if (!w)
		return;
	latch_lock(&workers.latch);
	worker_set_active_locked(w, true);
	latch_unlock(&workers.latch);
}

/* ---- lazy blocks ---- */

/* w may be in a lazy call.  True: it is, or has been since the last tick. */
static bool lazy_look_locked(struct worker *w) REQUIRES(workers.latch)
{
	unsigned int now = atomic_load_explicit(&w->lazy, memory_order_seq_cst);
	bool same = now == w->lazy_seen;

	w->lazy_seen = now;
	if (same && (now & LAZY_STATE) == LAZY_INSIDE &&
	    atomic_compare_exchange_strong_explicit(&w->lazy, &now,
						    (now & ~(unsigned int)LAZY_STATE) | LAZY_AWAY,
						    memory_order_acq_rel, memory_order_relaxed)) {
		worker_unseat_locked(w);
		worker_set_active_locked(w, false);
		worker_later_take(w);
	}
	return !same || (now & LAZY_STATE) == LAZY_INSIDE;
}

static bool lazy_look_all_locked(void) REQUIRES(workers.latch)
{
	struct worker_thread *t;
	bool any = workers.starting; /* is not in the list yet */

	if (workers.first)
		any |= lazy_look_locked(workers.first);
	list_for_each_entry(t, &workers.threads, node)
		any |= lazy_look_locked(&t->worker);
	return any;
}

static void lazy_tick(struct timer *t)
{
	struct worker_kick k = { NULL, false };
	bool any;

	latch_lock(&workers.latch);
	any = lazy_look_all_locked();
	workers.lazy_idle = any ? 0 : workers.lazy_idle + 1;
	if (workers.lazy_idle > LAZY_TICKS_MAX) {
		workers.lazy_idle = 0;
		/* Who begins from here on sees it; who began before is seen: both seq_cst. */
		atomic_store_explicit(&workers.lazy_ticks, false, memory_order_seq_cst);
		any = lazy_look_all_locked() &&
		      !atomic_exchange_explicit(&workers.lazy_ticks, true, memory_order_seq_cst);
	} else {
		any = true;
	}
	if (workers.running && !workers.stopping) {
		k = workers_need_locked();
		if (!k.wake && !k.abort && workers.active_count == 0 && list_empty(&workers.parked) &&
		    (workers.ready_count > 0 || seat_is_free_locked(NULL)))
			worker_spawn_locked();
	} else {
		any = false;
		atomic_store_explicit(&workers.lazy_ticks, false, memory_order_seq_cst);
	}
	latch_unlock(&workers.latch);
	workers_kick(k);
	worker_later_do_taken();
	if (any)
		timer_arm(t, clock_mono_ns() + LAZY_TICK_NS);
}

void worker_block_lazy_begin(void)
{
	struct worker *w = worker_self();
	unsigned int was;

	if (!w)
		return;
	ASSERT(w->current);
	was = atomic_load_explicit(&w->lazy, memory_order_relaxed);
	atomic_store_explicit(&w->lazy, (was & ~(unsigned int)LAZY_STATE) + LAZY_COUNT_ONE + LAZY_INSIDE,
			      memory_order_seq_cst);
	if (!atomic_load_explicit(&workers.lazy_ticks, memory_order_seq_cst) &&
	    !atomic_exchange_explicit(&workers.lazy_ticks, true, memory_order_seq_cst))
		timer_arm(&workers.lazy_timer, clock_mono_ns() + LAZY_TICK_NS);
}

void worker_block_lazy_end(void)
{
	struct worker *w = worker_self();
	unsigned int was;

	if (!w)
		return;
	was = atomic_fetch_and_explicit(&w->lazy, ~(unsigned int)LAZY_STATE, memory_order_acq_rel);
	if ((was & LAZY_STATE) != LAZY_AWAY)
		return;
	latch_lock(&workers.latch);
	worker_set_active_locked(w, true);
	latch_unlock(&workers.latch);
}

void worker_tarry_begin(void)
{
	if (!worker_self())
		return;
	worker_do_later();
	if (workers.hooks.tarry)
		workers.hooks.tarry(true);
}

void worker_tarry_end(void)
{
	if (workers.hooks.tarry && worker_self())
		workers.hooks.tarry(false);
}

/* ---- work ---- */

/* Somebody must look at the list: an idle service fiber, or a new one. */
static void service_send_locked(void) REQUIRES(workers.latch)
{
	struct list *n;

	if (workers.service_coming || list_empty(&workers.work))
		return;
	n = list_shift(&workers.services_idle);
	if (n) {
		struct fiber *f = list_entry(n, struct fiber, node);

		workers.service_idle_count--;
		workers.service_coming = true;
		if (fiber_post(f))
			worker_push_locked(f);
	} else if (workers.service_count < SERVICES_MAX) {
		workers.service_coming = true;
		__atomic_store_n(&workers.service_wanted, true, __ATOMIC_RELAXED);
	}
}

/* Stand idle until sent for.  False: there are enough who do. */
static bool service_rest_locked(struct fiber *f) REQUIRES(workers.latch)
{
	if (workers.service_idle_count >= SERVICES_IDLE_MAX)
		return false;
	list_push(&workers.services_idle, &f->node);
	workers.service_idle_count++;
	latch_unlock(&workers.latch);
	fiber_suspend(NULL, NULL);
	latch_lock(&workers.latch);
	workers.service_coming = false;
	return true;
}

/* The next item that no other service runs already, or NULL. */
static struct work *service_take_locked(struct service *self) REQUIRES(workers.latch)
{
	struct list *n;

	while ((n = list_shift(&self->again)) || (n = list_shift(&workers.work))) {
		struct work *w = list_entry(n, struct work, node);
		struct service *s, *runner = NULL;

		list_for_each_entry(s, &workers.services_busy, node)
			if (s->runs == w)
				runner = s;
		if (!runner)
			return w;
		list_append(&runner->again, &w->node);
	}
	return NULL;
}

static void service_run_locked(struct service *self, struct work *w) REQUIRES(workers.latch)
{
	fiber_fn *fn = w->fn;
	void *arg = w->arg;
	struct worker_kick k;

	self->runs = w;
	list_append(&workers.services_busy, &self->node);
	service_send_locked();
	k = workers_need_locked();
	latch_unlock(&workers.latch);
	workers_kick(k);

	/* release: pairs with work_queue(); from here on it may be queued again, or freed by fn */
	atomic_store_explicit(&w->queued, false, memory_order_release);
	fn(arg);

	latch_lock(&workers.latch);
	list_remove(&self->node);
	self->runs = NULL;
}

static void service_main(void *arg)
{
	struct fiber *fiber = fiber_self();
	struct service self = { .runs = NULL };

	(void)arg;
	list_init(&self.again);
	latch_lock(&workers.latch);
	workers.service_coming = false;
	do {
		struct work *w;

		while ((w = service_take_locked(&self)))
			service_run_locked(&self, w);
	} while (service_rest_locked(fiber));
	workers.service_count--;
	latch_unlock(&workers.latch);
}

static void service_create_locked(void)
{
	struct fiber *f;

	__atomic_store_n(&workers.service_wanted, false, __ATOMIC_RELAXED);
	workers.service_count++;
	latch_unlock(&workers.latch);
	f = fiber_new(service_main, NULL);
	if (!f)
		log_once(LOG_ERROR, "no memory for a service fiber");
	latch_lock(&workers.latch);
	if (f) {
		worker_push_locked(f);
		return;
	}
	/* The next work_queue(), or a service fiber that finishes, tries again. */
	workers.service_count--;
	workers.service_coming = false;
}

void work_init(struct work *w, fiber_fn *fn, void *arg)
{
	list_init(&w->node);
	w->fn = fn;
	w->arg = arg;
	atomic_init(&w->queued, false);
}

void work_queue(struct work *w)
{
	struct worker_kick k;

	/* acquire: pairs with the release in service_run_locked() */
	if (atomic_exchange_explicit(&w->queued, true, memory_order_acq_rel))
		return;
	latch_lock(&workers.latch);
	list_append(&workers.work, &w->node);
	service_send_locked();
	k = workers_need_locked();
	latch_unlock(&workers.latch);
	workers_kick(k);
}

static bool work_is_idle(const struct work *w)
{
	struct service *s;
	bool idle;

	latch_lock(&workers.latch);
	/* acquire: pairs with the release in service_run_locked(), before which the service is in the list */
	idle = !atomic_load_explicit(&w->queued, memory_order_acquire);
	list_for_each_entry(s, &workers.services_busy, node)
		idle &= s->runs != w;
	latch_unlock(&workers.latch);
	return idle;
}

void work_wait(struct work *w)
{
	while (!work_is_idle(w))
		fiber_yield();
}
