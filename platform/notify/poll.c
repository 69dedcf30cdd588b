/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c: a kernel CPU: while few threads make many calls, the receiver does not sleep in the doorbell but looks
 * at their slots, from a CPU that they are kept off; a stub that is looked at spins for its reply.
 *
 *     receiver in the doorbell ──64 doorbells in a short time──▶ poller, on a CPU of its own
 *           ▲                                                       │
 *           └──credit used up, or the CPU is wanted by others───────┘
 *
 * Nothing depends on it.  Each reply tells the stub how long to spin for the next one (slot->spin, 0: not
 * at all); a spin is bounded by a doorbell's cost, after which the stub rings as ever.  So a poller that has
 * left, or was preempted, costs each thread one spin.
 *
 * Credit is time: a call that was found earns what its doorbell would have cost, looking costs what it takes.
 * So looking never takes more than the doorbells would have, and CREDIT_MAX.  A gap in the poller's own clock
 * means that somebody else ran here, or that a quota is used up: it leaves.  Who leaves early stays away
 * for longer each time.
 *
 * Affinity: threads that are polled ("hot") may run everywhere but on the poller's CPU.  Before such a thread
 * clones it is let go (notify_poll_forget()), so nobody inherits that; a worker that the poller's worker starts
 * frees itself.
 *
 * Only one worker polls, the owner.  It may be held up in a fiber's host call while another one receives; if
 * it goes to the park then, or is away for long, polling ends.
 *
 * Locks: poll.latch is a leaf below pt->latch.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/worker_poll.h"
#include "lib/x86_64/cpu.h"
#include "platform/host.h"

enum {
	HOT_MAX = 64,
	RINGS = 64,             /* so many doorbells … */
	RING_US = 10,           /* … that came this often each */
	DOORBELL_US = 6,        /* what a call earns, and how long a stub spins */
	CREDIT_MAX_US = 100,
	TURN_MAX = 32,          /* requests in a row, then others are thought of: the doorbell, who is ready */
	GAP_US = 60,
	HELD_US = 10000,
	LISTEN_US = 6,          /* between looks at the doorbell */
	AWAY_MIN_US = 20000,
	AWAY_MAX_US = 2000000,
	AWAY_SHORT_US = 1000,
	AWAY_PUSHED_US = 4000,
	CPU_TRIES = 8,
	WORTH_CALLS = 300,      /* so many calls were worth coming and going */
	CALLS_MIN = 64,         /* a thread that has made fewer may be gone soon: not worth two affinity calls */
	COLD_US = 5000,         /* nor is one that has cloned, which has to be let go first */
};

/* What a worker looks at: a copy of the list of hot threads, so that looking takes no lock. */
struct view {
	unsigned int version;               /* of the list; 0: none */
	unsigned int count, next;           /* next: where to look first */
	struct plat_thread *pt[HOT_MAX];    /* references */
};

static _Thread_local struct view view;

/* (c) constant, (l) latch, (o) the owner's, (a) atomic */
static struct {
	bool enabled;           /* (a) */
	bool always;            /* (c) */
	cpu_set_t all;          /* (c) */
	uint64_t tsc0;          /* (c) */
	int64_t ns0;            /* (c) */
	struct latch latch;
	bool on;                /* (l), (a) */
	uint32_t owner;         /* (l), (a) host tid; 0: none */
	int cpu;                /* (l) */
	uint64_t seen_at;       /* (a) when the owner looked last */
	struct plat_thread *hot[HOT_MAX]; /* (l) references */
	unsigned int count;     /* (l) */
	unsigned int version;   /* (l), (a) of the list */
	uint64_t us;            /* (a) cycles; 0: not known yet */
	int64_t credit;         /* (o) cycles */
	uint64_t last, listened; /* (o) */
	unsigned int turn;      /* (o) requests found since others were thought of */
	uint64_t began;         /* (l) */
	uint32_t found;         /* (o), (a) */
	uint64_t away_until, away_us; /* (a) */
	unsigned int rings;     /* (a) */
	uint64_t rings_at;      /* (a) */
} poll_state = { .latch = LATCH_INIT };
#define P poll_state

/* Why, and so for how long there is none. */
enum left {
	LEFT_IDLE,   /* few calls: not at all, if there had been many; else longer each time */
	LEFT_PUSHED, /* others ran on its CPU: a while */
	LEFT_HELD,   /* for long, by a quota or many others; or there is no CPU: longer each time */
};

static void leave(enum left why);

static uint64_t tsc(void)
{
	return __builtin_ia32_rdtsc();
}

static uint64_t cycles_a_us(void)
{
	return __atomic_load_n(&P.us, __ATOMIC_RELAXED);
}

void notify_poll_init(enum plat_pollers how)
{
	if (sched_getaffinity(0, sizeof(P.all), &P.all) != 0)
		return;
	P.tsc0 = tsc();
	P.ns0 = clock_mono_ns();
	P.away_us = AWAY_MIN_US;
	P.always = how == PLAT_POLLERS_ALWAYS;
	P.enabled = how != PLAT_POLLERS_OFF && CPU_COUNT(&P.all) > 1;
}

void notify_poll_off(void)
{
	__atomic_store_n(&P.enabled, false, __ATOMIC_RELAXED);
}

static bool notify_poll_is_on(void)
{
	return __atomic_load_n(&P.on, __ATOMIC_ACQUIRE); /* pairs with enter() */
}

uint32_t notify_poll_spin(const struct plat_thread *pt)
{
	if (!notify_poll_is_on() || pt->hold_doorbell || !__atomic_load_n(&pt->hot, __ATOMIC_RELAXED))
		return 0;
	return (uint32_t)(DOORBELL_US * cycles_a_us());
}

/* ---- placing ---------------------------------------------------------------------------------- */

static int place(pid_t tid, int cpu, bool there)
{
	cpu_set_t set = P.all;

	if (cpu >= 0 && there) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	} else if (cpu >= 0) {
		CPU_CLR(cpu, &set);
	}
	return host_sched_setaffinity(tid, sizeof(set), &set);
}

static void hot_changed_locked(void) REQUIRES(P.latch)
{
	__atomic_store_n(&P.version, P.version + 1 ? P.version + 1 : 1, __ATOMIC_RELAXED);
}

/* pt has rung while its calls are polled: it is from now on.  Not the zygote, which only makes others. */
static void hot_add(struct plat_thread *pt)
{
	bool added = false;
	pid_t tid;
	int cpu;

	if (__atomic_load_n(&pt->hot, __ATOMIC_RELAXED) || __atomic_load_n(&pt->placed, __ATOMIC_RELAXED))
		return;
	latch_lock(&pt->latch);
	tid = pt->tid;
	latch_unlock(&pt->latch);
	latch_lock(&P.latch);
	cpu = P.cpu;
	if (P.on && tid && P.count < HOT_MAX) {
		ref_get(&pt->refs);
		P.hot[P.count++] = pt;
		hot_changed_locked();
		__atomic_store_n(&pt->hot, true, __ATOMIC_RELAXED);
		added = true;
	}
	latch_unlock(&P.latch);
	if (!added)
		return;
	if (place(tid, cpu, false) == -EINVAL)
		leave(LEFT_HELD); /* it has no other CPU */
	if (!__atomic_load_n(&pt->hot, __ATOMIC_SEQ_CST))
		(void)place(tid, -1, false); /* polling has ended meanwhile, maybe before we placed it */
}

/* The caller places and puts it. */
static struct plat_thread *hot_take_locked(unsigned int i) REQUIRES(P.latch)
{
	struct plat_thread *pt = P.hot[i];

	P.hot[i] = P.hot[--P.count];
	hot_changed_locked();
	__atomic_store_n(&pt->hot, false, __ATOMIC_RELAXED);
	return pt;
}

static void hot_end(struct plat_thread *pt)
{
	pid_t tid;

	latch_lock(&pt->latch);
	tid = pt->state == NOTIFY_DEAD ? 0 : pt->tid;
	latch_unlock(&pt->latch);
	if (tid)
		(void)place(tid, -1, false);
	notify_thread_put(pt);
}

void notify_poll_forget(struct plat_thread *pt)
{
	struct plat_thread *gone = NULL;

	__atomic_store_n(&pt->cold_until, tsc() + COLD_US * cycles_a_us(), __ATOMIC_RELAXED);
	if (!__atomic_load_n(&pt->hot, __ATOMIC_RELAXED))
		return;
	latch_lock(&P.latch);
	for (unsigned int i = 0; i < P.count && !gone; i++) {
		if (P.hot[i] == pt)
			gone = hot_take_locked(i);
	}
	latch_unlock(&P.latch);
	if (gone)
		hot_end(gone);
}

void notify_poll_placed(struct plat_thread *pt, bool by_application)
{
	__atomic_store_n(&pt->placed, by_application, __ATOMIC_SEQ_CST);
	notify_poll_forget(pt);
}

/* This worker's copy is the list as it is; empty unless it polls. */
static __attribute__((noinline)) void view_update(bool polls)
{
	struct plat_thread *old[HOT_MAX];
	unsigned int count = view.count;

	memcpy(old, view.pt, count * sizeof(old[0]));
	latch_lock(&P.latch);
	view.count = polls ? P.count : 0;
	view.version = polls ? P.version : 0;
	view.next = 0;
	for (unsigned int i = 0; i < view.count; i++) {
		view.pt[i] = P.hot[i];
		ref_get(&view.pt[i]->refs);
	}
	latch_unlock(&P.latch);
	for (unsigned int i = 0; i < count; i++)
		notify_thread_put(old[i]);
}

/* ---- coming and going ------------------------------------------------------------------------- */

static void leave(enum left why)
{
	static const char *const words[] = { "too few calls", "others want the CPU", "it is not to be had" };
	uint64_t now = tsc(), lasted, away, longer;
	struct plat_thread *pt;
	uint32_t found;
	pid_t owner;

	latch_lock(&P.latch);
	if (!P.on) {
		latch_unlock(&P.latch);
		return;
	}
	__atomic_store_n(&P.on, false, __ATOMIC_RELAXED);
	owner = (pid_t)P.owner;
	__atomic_store_n(&P.owner, 0, __ATOMIC_RELAXED);
	lasted = (now - P.began) / cycles_a_us();
	found = __atomic_load_n(&P.found, __ATOMIC_RELAXED);
	away = P.away_us;
	longer = MIN(away * 2, (uint64_t)AWAY_MAX_US);
	if (why != LEFT_HELD && found > WORTH_CALLS) {
		away = why == LEFT_PUSHED ? AWAY_PUSHED_US : AWAY_SHORT_US;
		longer = AWAY_MIN_US;
	}
	P.away_us = longer;
	__atomic_store_n(&P.away_until, now + away * cycles_a_us(), __ATOMIC_RELAXED);
	latch_unlock(&P.latch);
	for (;;) {
		latch_lock(&P.latch);
		pt = P.count ? hot_take_locked(P.count - 1) : NULL;
		latch_unlock(&P.latch);
		if (!pt)
			break;
		hot_end(pt);
	}
	(void)place(owner, -1, false);
	log_debug("polled for %llu us, %u calls: %s", (unsigned long long)lasted, found, words[why]);
}

/*
 * Go to another CPU than the one that we share with who has just rung; -1: there is none.  Which of those that we
 * began with are still ours the host alone knows: a cpuset may have changed.
 */
static int cpu_take(pid_t self)
{
	int here = sched_getcpu(), tries = 0;

	for (int i = CPU_SETSIZE - 1; i >= 0 && tries < CPU_TRIES; i--) {
		if (i == here || !CPU_ISSET(i, &P.all))
			continue;
		if (place(self, i, true) == 0)
			return i;
		tries++;
	}
	return -1;
}

/* How many cycles a microsecond has is known 10 ms after the start. */
static bool calibrate(uint64_t now)
{
	int64_t ns;

	if (cycles_a_us() > 0)
		return true;
	ns = clock_mono_ns() - P.ns0;
	if (ns > 10000000)
		__atomic_store_n(&P.us, MAX((now - P.tsc0) * 1000 / (uint64_t)ns, 1ull), __ATOMIC_RELAXED);
	return cycles_a_us() > 0;
}

static void enter(void)
{
	pid_t self = host_gettid();
	uint64_t now = tsc();
	bool on;
	int cpu;

	cpu = cpu_take(self);
	if (cpu < 0) {
		__atomic_store_n(&P.away_until, now + AWAY_MAX_US * cycles_a_us(), __ATOMIC_RELAXED);
		return;
	}
	latch_lock(&P.latch);
	on = !P.on;
	if (on) {
		P.cpu = cpu;
		__atomic_store_n(&P.owner, (uint32_t)self, __ATOMIC_RELAXED);
		P.began = P.last = P.listened = now;
		P.credit = (int64_t)(CREDIT_MAX_US * cycles_a_us());
		__atomic_store_n(&P.found, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&P.seen_at, now, __ATOMIC_RELAXED);
		__atomic_store_n(&P.on, true, __ATOMIC_RELEASE);
	}
	latch_unlock(&P.latch);
	/* Another worker was faster; or somebody has ended it already, before we placed ourselves even. */
	if (!on || __atomic_load_n(&P.owner, __ATOMIC_SEQ_CST) != (uint32_t)self)
		(void)place(self, -1, false);
}

/* Not the zygote, which only makes others. */
static bool is_worth_it(const struct plat_thread *pt)
{
	return pt != notify.zygote && __atomic_load_n(&pt->seq, __ATOMIC_RELAXED) >= CALLS_MIN &&
	       tsc() > __atomic_load_n(&pt->cold_until, __ATOMIC_RELAXED);
}

void notify_poll_rang(struct plat_thread *pt)
{
	uint64_t now, before;

	if (!P.always && !is_worth_it(pt))
		return;
	if (notify_poll_is_on()) {
		if (tsc() - __atomic_load_n(&P.seen_at, __ATOMIC_RELAXED) > 4 * GAP_US * cycles_a_us())
			leave(LEFT_PUSHED);
		else if (pt != notify.zygote)
			hot_add(pt);
		return;
	}
	if (__atomic_add_fetch(&P.rings, 1, __ATOMIC_RELAXED) % RINGS != 0 ||
	    !__atomic_load_n(&P.enabled, __ATOMIC_RELAXED))
		return;
	now = tsc();
	before = __atomic_exchange_n(&P.rings_at, now, __ATOMIC_RELAXED);
	if (pt == notify.zygote || !calibrate(now))
		return;
	if (P.always || (now - before < RINGS * RING_US * cycles_a_us() &&
			 now > __atomic_load_n(&P.away_until, __ATOMIC_RELAXED))) {
		enter();
		if (notify_poll_is_on())
			hot_add(pt);
	}
}

void notify_poll_started(void)
{
	if (__atomic_load_n(&P.enabled, __ATOMIC_RELAXED))
		(void)place(host_gettid(), -1, false);
}

void notify_poll_parking(void)
{
	if (view.count > 0)
		view_update(false);
	if (notify_poll_is_on() && __atomic_load_n(&P.owner, __ATOMIC_RELAXED) == (uint32_t)host_gettid())
		leave(LEFT_IDLE);
}

/* ---- polling ---------------------------------------------------------------------------------- */

/* Request seq + 1 is in the slot of pt, which is in the application.  Acquire: pairs with the stub's release of it. */
static bool has_asked(const struct plat_thread *pt)
{
	return __atomic_load_n(&pt->slot->request_seq, __ATOMIC_ACQUIRE) ==
		       __atomic_load_n(&pt->seq, __ATOMIC_RELAXED) + 1 &&
	       notify_state_peek(pt) == NOTIFY_APP;
}

/* A hot thread with a new request, for as long as the view does not change; NULL: none. */
static struct plat_thread *view_find(const struct plat_thread *but)
{
	unsigned int count = view.count, i = view.next;

	for (unsigned int n = 0; n < count; n++, i++) {
		if (i >= count)
			i = 0;
		if (view.pt[i] == but || !has_asked(view.pt[i]))
			continue;
		view.next = i + 1;
		return view.pt[i];
	}
	return NULL;
}

static bool listener_rings(void)
{
	struct pollfd p = { .fd = notify.listener, .events = POLLIN };
	const struct timespec now = { 0, 0 };

	notify_farewells_send();
	return host_ppoll(&p, 1, &now) == 1;
}

enum look {
	LOOK_FOUND, /* a request */
	LOOK_WORK,  /* others need this worker */
	LOOK_RING,  /* the doorbell has rung, or the receiver is called away */
	LOOK_END,   /* polling has ended */
};

static enum look found(struct plat_thread *pt, struct plat_thread **out)
{
	P.turn++;
	*out = pt;
	return LOOK_FOUND;
}

/* Something else is due.  A fiber leaves that to its worker's own stack, which then does not look for requests first. */
static enum look others(const struct plat_thread *own, enum look what)
{
	P.turn = own ? TURN_MAX : 0;
	return what;
}

/*
 * Look until there is something to do.  own: the thread whose fiber this is, in NOTIFY_APP; NULL: the worker's stack.
 * but: is not looked at.  Where several threads ask all the time (or lie that they do) there is always a request:
 * after some of these the others get their turn.
 */
static enum look look(struct plat_thread *own, const struct plat_thread *but, const atomic_uint *abort,
		      struct plat_thread **out)
{
	const uint64_t us = cycles_a_us();
	struct plat_thread *pt;
	uint64_t now;

	P.last = tsc();
	for (;;) {
		if (own && P.turn < TURN_MAX && has_asked(own))
			return found(own, out);
		if (unlikely(view.version != __atomic_load_n(&P.version, __ATOMIC_RELAXED)))
			view_update(true);
		pt = P.turn < TURN_MAX ? view_find(but) : NULL;
		if (pt)
			return found(pt, out);
		if (worker_is_wanted() || (own && notify_state_peek(own) != NOTIFY_APP))
			return others(own, LOOK_WORK);
		if (atomic_load_explicit(abort, memory_order_relaxed))
			return others(own, LOOK_RING);
		now = tsc();
		if (unlikely(now - P.last > GAP_US * us)) {
			leave(now - P.last > HELD_US * us ? LEFT_HELD : LEFT_PUSHED);
			return LOOK_END;
		}
		P.credit -= (int64_t)(now - P.last);
		P.last = now;
		__atomic_store_n(&P.seen_at, now, __ATOMIC_RELAXED);
		if (unlikely(P.credit < 0 || !notify_poll_is_on() || !__atomic_load_n(&P.enabled, __ATOMIC_RELAXED))) {
			leave(LEFT_IDLE);
			return LOOK_END;
		}
		if (unlikely(now - P.listened > LISTEN_US * us)) {
			P.listened = now;
			if (listener_rings())
				return others(own, LOOK_RING);
		}
		P.turn = 0;
		cpu_relax();
	}
}

static void earn(void)
{
	const int64_t us = (int64_t)cycles_a_us();

	__atomic_store_n(&P.found, P.found + 1, __ATOMIC_RELAXED);
	P.credit = MIN(P.credit + DOORBELL_US * us, CREDIT_MAX_US * us);
}

static bool is_owner(pid_t self)
{
	return notify_poll_is_on() && __atomic_load_n(&P.owner, __ATOMIC_RELAXED) == (uint32_t)self;
}

bool notify_poll(const atomic_uint *abort, pid_t self)
{
	struct plat_thread *pt, *but = NULL;
	enum look l;

	if (!is_owner(self)) {
		if (view.count > 0)
			view_update(false);
		return false;
	}
	worker_poll_begin();
	for (;;) {
		l = look(NULL, but, abort, &pt);
		if (l != LOOK_FOUND)
			break;
		/* One that is to ring (or a hostile slot) must not have us look there again and again. */
		but = pt;
		if (notify_found(pt)) {
			but = NULL;
			earn();
		}
		if (!worker_polls() || !is_owner(self))
			break;
	}
	if (!is_owner(self))
		view_update(false);
	if (l == LOOK_WORK)
		return true;
	return !worker_poll_end();
}

bool notify_poll_inline(struct plat_thread *pt)
{
	struct plat_thread *found;

	if (look(pt, pt, &notify_abort_wanted, &found) != LOOK_FOUND || found != pt)
		return false;
	if (!notify_found_inline(pt))
		return false;
	earn();
	return true;
}

bool notify_poll_is_here(const struct plat_thread *pt)
{
	return __atomic_load_n(&pt->hot, __ATOMIC_RELAXED) && worker_polls();
}
