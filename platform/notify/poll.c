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
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/x86_64/cpu.h"
#include "platform/host.h"

enum {
	HOT_MAX = 64,
	RINGS = 64,             /* so many doorbells … */
	RING_US = 10,           /* … that came this often each */
	DOORBELL_US = 6,        /* what a call earns, and how long a stub spins */
	CREDIT_MAX_US = 100,
	GAP_US = 300,
	LISTEN_US = 4,          /* between looks at the doorbell */
	AWAY_MIN_US = 20000,
	AWAY_MAX_US = 2000000,
	AWAY_SHORT_US = 1000,
	WORTH_CALLS = 300,      /* so many calls were worth coming and going */
};

struct hot {
	struct plat_thread *pt; /* a reference */
	uint32_t seen;          /* number of the request that was found last */
};

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
	struct hot hot[HOT_MAX]; /* (l) */
	unsigned int count;     /* (l) */
	unsigned int next;      /* (l) where to look first */
	uint64_t us;            /* (a) cycles; 0: not known yet */
	int64_t credit;         /* (o) cycles */
	uint64_t last, listened; /* (o) */
	uint64_t began;         /* (l) */
	uint32_t found;         /* (o), (a) */
	uint64_t away_until, away_us; /* (a) */
	unsigned int rings;     /* (a) */
	uint64_t rings_at;      /* (a) */
} poll_state = { .latch = LATCH_INIT };
#define P poll_state

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

static bool place(pid_t tid, int cpu, bool there)
{
	cpu_set_t set = P.all;

	if (cpu >= 0 && there) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	} else if (cpu >= 0) {
		CPU_CLR(cpu, &set);
	}
	return host_sched_setaffinity(tid, sizeof(set), &set) == 0;
}

/* pt has rung while its calls are polled: it is from now on.  Not the zygote, which only makes others. */
static void hot_add(struct plat_thread *pt)
{
	bool added = false;
	pid_t tid;
	int cpu;

	if (pt == notify.zygote || __atomic_load_n(&pt->hot, __ATOMIC_RELAXED))
		return;
	latch_lock(&pt->latch);
	tid = pt->tid;
	latch_unlock(&pt->latch);
	latch_lock(&P.latch);
	cpu = P.cpu;
	if (P.on && tid && P.count < HOT_MAX) {
		ref_get(&pt->refs);
		P.hot[P.count++] = (struct hot){ pt, __atomic_load_n(&pt->slot->request_seq, __ATOMIC_RELAXED) };
		__atomic_store_n(&pt->hot, true, __ATOMIC_RELAXED);
		added = true;
	}
	latch_unlock(&P.latch);
	if (!added)
		return;
	(void)place(tid, cpu, false);
	if (!__atomic_load_n(&pt->hot, __ATOMIC_SEQ_CST))
		(void)place(tid, -1, false); /* polling has ended meanwhile, maybe before we placed it */
}

/* REQUIRES P.latch.  The caller places and puts it. */
static struct plat_thread *hot_take_locked(unsigned int i)
{
	struct plat_thread *pt = P.hot[i].pt;

	P.hot[i] = P.hot[--P.count];
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

	if (!__atomic_load_n(&pt->hot, __ATOMIC_RELAXED))
		return;
	latch_lock(&P.latch);
	for (unsigned int i = 0; i < P.count && !gone; i++) {
		if (P.hot[i].pt == pt)
			gone = hot_take_locked(i);
	}
	latch_unlock(&P.latch);
	if (gone)
		hot_end(gone);
}

/* ---- coming and going ------------------------------------------------------------------------- */

static void leave(const char *why)
{
	uint64_t now = tsc(), lasted, away;
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
	away = P.away_us;
	found = __atomic_load_n(&P.found, __ATOMIC_RELAXED);
	P.away_us = found > WORTH_CALLS ? AWAY_MIN_US : MIN(away * 2, (uint64_t)AWAY_MAX_US);
	__atomic_store_n(&P.away_until, now + (found > WORTH_CALLS ? AWAY_SHORT_US : away) * cycles_a_us(),
			 __ATOMIC_RELAXED);
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
	log_debug("polled for %llu us, %u calls: %s", (unsigned long long)lasted, found, why);
}

/* Another CPU than the one that we share with who has just rung. */
static int cpu_choose(void)
{
	int here = sched_getcpu();

	for (int i = CPU_SETSIZE - 1; i >= 0; i--) {
		if (i != here && CPU_ISSET(i, &P.all))
			return i;
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
	int cpu = cpu_choose();
	pid_t self = host_gettid();
	uint64_t now = tsc();

	if (cpu < 0)
		return;
	latch_lock(&P.latch);
	if (P.on) { /* another worker was faster */
		latch_unlock(&P.latch);
		return;
	}
	P.cpu = cpu;
	__atomic_store_n(&P.owner, (uint32_t)self, __ATOMIC_RELAXED);
	P.began = P.last = P.listened = now;
	P.credit = (int64_t)(CREDIT_MAX_US * cycles_a_us());
	__atomic_store_n(&P.found, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&P.seen_at, now, __ATOMIC_RELAXED);
	__atomic_store_n(&P.on, true, __ATOMIC_RELEASE);
	latch_unlock(&P.latch);
	if (!place(self, cpu, true))
		leave("that CPU is not to be had");
	else if (__atomic_load_n(&P.owner, __ATOMIC_SEQ_CST) != (uint32_t)self)
		(void)place(self, -1, false); /* somebody has ended it meanwhile, maybe before we placed ourselves */
}

void notify_poll_rang(struct plat_thread *pt)
{
	uint64_t now, before;

	if (notify_poll_is_on()) {
		if (tsc() - __atomic_load_n(&P.seen_at, __ATOMIC_RELAXED) > 4 * GAP_US * cycles_a_us())
			leave("the poller is held up");
		else
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
	if (notify_poll_is_on() && __atomic_load_n(&P.owner, __ATOMIC_RELAXED) == (uint32_t)host_gettid())
		leave("the poller's worker is not needed");
}

/* ---- polling ---------------------------------------------------------------------------------- */

/* A hot thread with a new request, with a reference; NULL: none. */
static struct plat_thread *hot_find(uint32_t *seq)
{
	struct plat_thread *pt = NULL;

	latch_lock(&P.latch);
	for (unsigned int n = 0; n < P.count; n++) {
		unsigned int i = (P.next + n) % P.count;
		struct hot *h = &P.hot[i];

		/* Acquire: pairs with the stub's release of its request. */
		*seq = __atomic_load_n(&h->pt->slot->request_seq, __ATOMIC_ACQUIRE);
		if (*seq == h->seen)
			continue;
		h->seen = *seq;
		P.next = i + 1;
		pt = h->pt;
		ref_get(&pt->refs);
		break;
	}
	latch_unlock(&P.latch);
	return pt;
}

static bool listener_rings(void)
{
	struct pollfd p = { .fd = notify.listener, .events = POLLIN };
	const struct timespec now = { 0, 0 };

	return host_ppoll(&p, 1, &now) == 1;
}

bool notify_poll(const atomic_uint *abort, pid_t self)
{
	struct plat_thread *pt;
	uint64_t now;
	uint32_t seq;

	if (!notify_poll_is_on() || __atomic_load_n(&P.owner, __ATOMIC_RELAXED) != (uint32_t)self)
		return false;
	P.last = tsc();
	for (;;) {
		now = tsc();
		if (now - P.last > GAP_US * cycles_a_us()) {
			leave("others want the CPU");
			return false;
		}
		P.credit -= (int64_t)(now - P.last);
		P.last = now;
		__atomic_store_n(&P.seen_at, now, __ATOMIC_RELAXED);
		pt = hot_find(&seq);
		if (pt) {
			__atomic_store_n(&P.found, P.found + 1, __ATOMIC_RELAXED);
			P.credit = MIN(P.credit + (int64_t)(DOORBELL_US * cycles_a_us()), (int64_t)(CREDIT_MAX_US * cycles_a_us()));
			notify_found(pt, seq);
			notify_thread_put(pt);
			return true;
		}
		if (P.credit < 0 || !__atomic_load_n(&P.enabled, __ATOMIC_RELAXED)) {
			leave("too few calls");
			return false;
		}
		if (worker_is_wanted())
			return true;
		if (atomic_load_explicit(abort, memory_order_relaxed))
			return false;
		if (now - P.listened > LISTEN_US * cycles_a_us()) {
			P.listened = now;
			if (listener_rings())
				return false;
		}
		cpu_relax();
	}
}
