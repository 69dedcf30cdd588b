/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c: a kernel CPU: while few threads make many calls, the receiver does not sleep in the doorbell but looks
 * at their slots, from a CPU that they are kept off; a stub that is looked at spins for its reply.
 *
 *     receiver in the doorbell ──doorbells that follow quickly──▶ poller, on a CPU of its own
 *           ▲                                                       │
 *           └──credit used up, or the CPU is wanted by others───────┘
 *
 * Nothing depends on it.  Each reply tells the stub how long to spin for the next one (slot->spin, 0: not
 * at all), after which the stub rings as ever.  So a poller that has left, or was preempted, costs each thread one spin.  It
 * spins for as long as it would take to wake on an idle CPU: a call that sends takes longer than a doorbell costs.
 *
 * Credit is time: a call that was found earns what its doorbell would have cost, a packet the worker that it would have woken;
 * looking costs what it takes.
 * So looking never takes more than the doorbells would have, and CREDIT_MAX.  A call that waits for the Gofer has its stub
 * spin for longer, which is paid from the same credit: else the stub would fall asleep and be woken on an idle CPU.  A gap in the poller's own clock
 * means that somebody else ran here, or that a quota is used up: it leaves.  Who leaves early stays away
 * for longer each time.
 *
 * With the doorbell it looks at the sources (lib/worker_source.h): descriptors of the host, links above all, whose fibers
 * would else each keep a worker asleep in ppoll(2).  Who receives without polling has told them that nobody looks.
 *
 * Packets that its fibers send are put off until nobody asks (lib/worker_later.h): each wakes somebody outside, whom the host
 * draws to the waker's CPU.  So when all threads sleep after that, this worker may be in the way of whom they wait for, and goes
 * to another CPU.
 *
 * On larger machines there may be others beside the receiver, each with threads of its own: pollers.c says how many, and
 * whose threads are whose.  They do not listen at the doorbell and do not look at the run queue.
 *
 * A worker looks at its place's threads only.  It may be held up in a fiber's host call; if it goes to the park then, or is
 * away for long (a thread of its that rings finds that), its place is given up.
 */
#include "platform/notify/poll_impl.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "lib/worker_later.h"
#include "lib/worker_poll.h"
#include "lib/worker_source.h"
#include "platform/host.h"

enum {
	TURN_MAX = 32,          /* requests in a row, then others are thought of: the doorbell, who is ready */
	HELD_US = 10000,
	LISTEN_US = 6,          /* between looks at the doorbell */
	QUIET_US = 2,           /* nobody asks: what was put off is done */
	LATER_US = 300,         /* … or so much time has passed */
	MOVE_US = 50,           /* nor has anything come: see is_in_the_way() */
	MOVE_TRY_US = 150,
	MOVES = 32,
};

/* What a worker looks at: a copy of its place's list, so that looking takes no lock. */
struct view {
	uint32_t version;                   /* of the list; 0: none */
	unsigned int count, next;           /* next: where to look first */
	struct plat_thread *pt[HOT_MAX];    /* references */
};

static _Thread_local struct view view;
static _Thread_local struct poller *here; /* the place that this worker holds, or NULL */

/* This worker's copy is the list as it is; p NULL: empty. */
static __attribute__((noinline)) void view_update(const struct poller *p)
{
	struct plat_thread *old[HOT_MAX];
	unsigned int count = view.count;

	memcpy(old, view.pt, count * sizeof(old[0]));
	latch_lock(&pollers.latch);
	view.count = p ? p->count : 0;
	view.version = p ? p->version : 0;
	view.next = 0;
	for (unsigned int i = 0; i < view.count; i++) {
		view.pt[i] = p->hot[i];
		ref_get(&view.pt[i]->refs);
	}
	latch_unlock(&pollers.latch);
	for (unsigned int i = 0; i < count; i++)
		notify_thread_put(old[i]);
}

/* Its place is another's, or nobody's. */
static void let_go(void)
{
	struct poller *p = here;

	if (!p)
		return;
	view_update(NULL);
	here = NULL;
	poller_let_go(p);
}

void notify_poll_rang(struct plat_thread *pt)
{
	if (!poller_rang(pt) || here)
		return;
	here = poller_enter(host_gettid());
	if (here)
		poller_assign(pt);
}

void notify_poll_parking(void)
{
	if (here && poller_is_owner(here, host_gettid()))
		poller_leave(here, LEFT_IDLE);
	let_go();
}

/* ---- looking ---------------------------------------------------------------------------------- */

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

/* A thread of the view is in the application: it may ask, or runs where others are kept. */
static bool view_may_ask(void)
{
	for (unsigned int i = 0; i < view.count; i++) {
		if (notify_state_peek(view.pt[i]) == NOTIFY_APP)
			return true;
	}
	return false;
}

/* Looks at the doorbell and the sources.  *woken: a fiber that waited for one of these is ready. */
static bool listener_rings(bool *woken)
{
	struct pollfd p[1 + WORKER_SOURCES_MAX] = { { .fd = notify.listener, .events = POLLIN } };
	const struct timespec now = { 0, 0 };
	unsigned int count = worker_sources_fill(p + 1);

	notify_farewells_send();
	if (host_ppoll(p, 1 + count, &now) <= 0)
		return false;
	*woken = worker_sources_wake(p + 1, count);
	return p[0].revents != 0;
}

enum look {
	LOOK_FOUND, /* a request */
	LOOK_NEXT,  /* a fiber that this worker has made ready */
	LOOK_WORK,  /* others need this worker */
	LOOK_RING,  /* the doorbell has rung, or the receiver is called away */
	LOOK_END,   /* polling has ended */
};

static enum look found(struct poller *p, struct plat_thread *pt, struct plat_thread **out)
{
	p->turn++;
	p->quiet_at = 0; /* when it has been served */
	*out = pt;
	return LOOK_FOUND;
}

/*
 * Something else is due.  A fiber leaves that to its worker's own stack, which then does not look for requests first, nor
 * wait until it listens again.
 */
static enum look others(struct poller *p, const struct plat_thread *own, enum look what)
{
	p->turn = own ? TURN_MAX : 0;
	if (own && what == LOOK_RING)
		p->listened = 0;
	return what;
}


/* Time has passed.  False: p has left. */
static bool clock_goes_on(struct poller *p, const uint64_t us)
{
	const uint64_t now = poll_tsc(), past = now - p->last;

	if (unlikely(past > GAP_US * pollers.patience * us)) {
		poller_leave(p, past > HELD_US * us ? LEFT_HELD : LEFT_PUSHED);
		return false;
	}
	p->credit -= (int64_t)past;
	p->window_idle += past;
	p->last = now;
	__atomic_store_n(&p->seen_at, now, __ATOMIC_RELAXED);
	if (unlikely(p->credit < 0 || !poller_is_on(p) || !__atomic_load_n(&pollers.enabled, __ATOMIC_RELAXED))) {
		poller_leave(p, LEFT_IDLE);
		return false;
	}
	return likely(now < p->window_end) || poller_window(p, now);
}

static void earn(struct poller *p)
{
	const int64_t us = (int64_t)poll_cycles_a_us();

	__atomic_store_n(&p->found, p->found + 1, __ATOMIC_RELAXED);
	p->window_found++;
	p->credit = MIN(p->credit + EARN_US * us, CREDIT_MAX_US * pollers.patience * us);
}

/* What is looked at only now and then.  False: p has left. */
static bool hear(struct poller *p, bool *rings, bool *woken)
{
	p->listened = p->last;
	if (!worker_poll_goes_on())
		poller_leave(p, LEFT_IDLE);
	else if (!p->extra)
		*rings = listener_rings(woken);
	if (*woken)
		earn(p);
	if (*rings || *woken)
		p->quiet_at = p->last;
	return poller_is_on(p);
}

static void do_later(struct poller *p)
{
	worker_do_later();
	p->later_at = 0;
	p->last = poll_tsc(); /* that was not looking */
}

/* Is there something that was put off long ago?  A call that takes long itself may hold it up for longer. */
static bool is_overdue(struct poller *p, uint64_t us)
{
	if (!worker_has_later()) {
		p->later_at = 0;
		return false;
	}
	if (!p->later_at)
		p->later_at = p->last;
	return p->last - p->later_at > LATER_US * us;
}

/*
 * All threads sleep, and nothing comes: who was woken by what was sent, and is to send something now, waits for this
 * CPU most likely.  One that runs on another CPU mostly answers sooner, since sending the rest has taken time as well.
 * So that nobody moves for a client that is far away, now and then we wait for longer: if something comes then it was
 * not in our way.
 */
static bool is_in_the_way(struct poller *p, uint64_t us)
{
	p->woke |= worker_poll_take_woken();
	return p->woke && p->last - p->quiet_at > (p->moves ? MOVE_US : MOVE_TRY_US) * us && pollers.pins && !p->extra &&
	       !view_may_ask();
}

/* Goes elsewhere.  False: p has left. */
static bool move(struct poller *p)
{
	uint64_t now;

	p->woke = false;
	p->moves = p->moves ? p->moves - 1 : MOVES;
	poller_move(p, host_gettid());
	now = poll_tsc();
	p->credit -= (int64_t)(now - p->last);
	p->last = p->quiet_at = now;
	return poller_is_on(p);
}

/*
 * Look until there is something to do.  own: the thread whose fiber this is, in NOTIFY_APP; NULL: the worker's stack.
 * but: is not looked at.  Where several threads ask all the time (or lie that they do) there is always a request:
 * after some of these the others get their turn.  An extra poller knows neither the doorbell nor the run queue.
 */
static enum look look(struct poller *p, struct plat_thread *own, const struct plat_thread *but,
		      const atomic_uint *abort, struct plat_thread **out)
{
	const uint64_t us = poll_cycles_a_us();
	const bool next = worker_poll_has_next(); /* only fibers of ours make it so */
	struct plat_thread *pt;
	bool rings = false, woken = false;
	uint64_t since;

	p->last = since = poll_tsc();
	if (!p->quiet_at)
		p->quiet_at = since;
	if (unlikely(is_overdue(p, us)))
		do_later(p);
	for (;;) {
		if (own && p->turn < TURN_MAX && has_asked(own))
			return found(p, own, out);
		if (unlikely(view.version != __atomic_load_n(&p->version, __ATOMIC_RELAXED)))
			view_update(p);
		pt = p->turn < TURN_MAX ? view_find(but) : NULL;
		if (pt)
			return found(p, pt, out);
		if ((own && notify_state_peek(own) != NOTIFY_APP) || (!p->extra && worker_is_wanted()))
			return others(p, own, LOOK_WORK);
		if (!p->extra && atomic_load_explicit(abort, memory_order_relaxed))
			return others(p, own, LOOK_RING);
		if (next && p->turn < TURN_MAX) {
			p->turn += own == NULL;
			return LOOK_NEXT;
		}
		if (unlikely(!clock_goes_on(p, us)))
			return LOOK_END;
		if (unlikely(p->last - p->listened > LISTEN_US * us) && !hear(p, &rings, &woken))
			return LOOK_END;
		if (worker_has_later() && (p->last - since >= QUIET_US * us || !view_may_ask()))
			do_later(p);
		else if (!own && unlikely(is_in_the_way(p, us)) && !move(p))
			return LOOK_END;
		if (rings)
			return others(p, own, LOOK_RING);
		if (next || woken)
			return others(p, own, LOOK_NEXT);
		p->turn = 0;
		cpu_relax();
	}
}

/* Look and serve until something else is due, or p is not ours any more. */
static enum look serve(struct poller *p, const atomic_uint *abort, pid_t self)
{
	struct plat_thread *pt, *but = NULL;
	enum look l;

	do {
		l = look(p, NULL, but, abort, &pt);
		if (l == LOOK_NEXT) {
			(void)worker_poll_run_next();
			continue;
		}
		if (l != LOOK_FOUND)
			return l;
		/* One that is to ring (or a hostile slot) must not have us look there again and again. */
		but = pt;
		if (notify_found(pt)) {
			but = NULL;
			earn(p);
		}
	} while (worker_polls() && poller_is_owner(p, self));
	return LOOK_END;
}

/* p looks at the sources, unless it has left: either we see that, or poller_leave() sees that they are looked at (seq_cst). */
static void poller_looks(const struct poller *p)
{
	worker_sources_look(true);
	if (!__atomic_load_n(&p->on, __ATOMIC_SEQ_CST))
		worker_sources_look(false);
}

bool notify_poll(const atomic_uint *abort, pid_t self)
{
	enum look l;

	if (here && here->extra)
		poller_leave(here, LEFT_IDLE); /* it is to receive instead */
	if (!here || !poller_is_owner(here, self)) {
		let_go();
		return false;
	}
	worker_poll_begin();
	poller_looks(here);
	l = serve(here, abort, self);
	if (!poller_is_owner(here, self))
		let_go();
	if (l == LOOK_WORK || worker_poll_has_next())
		return true;
	return !worker_poll_end();
}

bool notify_poll_heard(void)
{
	return here != NULL;
}

bool notify_poll_extra(void)
{
	const pid_t self = host_gettid();

	if (here && !poller_is_owner(here, self))
		let_go();
	if (!here) /* a place may be wanted by who has woken us, whatever we had before */
		here = poller_enter_extra(self);
	if (!here)
		return false;
	(void)serve(here, NULL, self);
	if (poller_is_owner(here, self))
		return true; /* held up in a host call, maybe */
	let_go();
	return false;
}

bool notify_poll_inline(struct plat_thread *pt)
{
	struct plat_thread *found;
	struct poller *p = here;

	if (look(p, pt, pt, &notify_abort_wanted, &found) != LOOK_FOUND || found != pt)
		return false;
	if (!notify_found_inline(pt))
		return false;
	earn(p);
	return true;
}

/* The thread whose fiber runs here, if this worker polls it. */
static struct plat_thread *view_own(void)
{
	const struct fiber *self = fiber_self();

	for (unsigned int i = 0; i < view.count; i++) {
		if (view.pt[i]->fiber == self)
			return view.pt[i];
	}
	return NULL;
}

/* Nothing blocks in between but the host call itself, so both run on one worker. */
void notify_poll_tarry(bool begins)
{
	static _Thread_local uint64_t from;
	struct plat_thread *pt;

	if (!begins) {
		if (here)
			here->credit -= (int64_t)(poll_tsc() - from);
		else
			poller_waited(poll_tsc() - from);
		return;
	}
	from = poll_tsc();
	pt = here ? view_own() : NULL;
	if (!pt)
		return;
	latch_lock(&pt->latch);
	if (pt->polled)
		pt->slot->spin = pt->spin = (uint32_t)(TARRY_US * poll_cycles_a_us());
	latch_unlock(&pt->latch);
}

bool notify_poll_is_here(const struct plat_thread *pt)
{
	const struct poller *p = poller_of(pt);

	return p && worker_polls() && p == here;
}
