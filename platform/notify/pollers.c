/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pollers.c: how many workers poll, on which CPUs, and for which threads.
 *
 * The first poller is the receiver, when doorbells and packets come fast enough: if it pays is seen when it leaves.  One that is
 * at work for nine tenths of a window (2 ms) asks for another, which takes half of its threads; whether all of them then find more requests than before decides
 * after three windows if the new one stays.  When all could do with one less, the last one leaves.  There are never more
 * than half of the CPUs, and one whose threads do not ask leaves by itself (credit, poll.c): so their number follows the
 * load up from 0 and down to it.
 *
 * Threads are divided by where they run: the host says with each doorbell on which memory node a thread was (RDTSCP's
 * value holds it), and a thread goes to the poller of that node with the fewest threads, if there is one.  A new poller
 * looks for a CPU on the node of the threads that it takes.  So what crosses sockets is the lines of threads that no poller of
 * their own serves.
 *
 * What pollers share while calls pass: nothing that is written.  A call takes its thread's latch, and the slot's line; the
 * list of a poller's threads is read from a copy; pollers.latch is taken when a thread becomes hot or is let go, and
 * when pollers come and go.  What their fibers make ready is run by the same worker (lib/worker_poll.h).
 *
 * Affinity: polled ("hot") threads may run everywhere but on pollers' CPUs.  When that set changes (pollers.kept) each
 * thread is placed anew before its next reply, by the worker that runs its fiber: so never while it clones, since a
 * child inherits affinity.  Before a hot thread clones it is let go (notify_poll_forget()).  A worker that a
 * poller's worker starts frees itself.
 *
 * Locks: pollers.latch is a leaf below pt->latch.  No host call under it.
 */
#include "platform/notify/poll_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/worker_poll.h"
#include "lib/worker_source.h"
#include "platform/host.h"

enum {
	SILENCE_US = 1000,      /* without a doorbell: they are counted anew */
	RINGS_US = 10000,       /* … as they are after this */
	RINGS_MIN = 32,         /* doorbells and packets are worth a first poller, if they come */
	RING_EVERY_US = 40,     /* … this often */
	AWAY_MIN_US = 20000,
	AWAY_MAX_US = 200000,
	AWAY_SHORT_US = 1000,
	AWAY_PUSHED_US = 4000,
	CPU_TRIES = 8,
	CALLS_MIN = 64,         /* a thread that has made fewer may be gone soon: not worth two affinity calls */
	COLD_US = 5000,         /* nor is one that has cloned, which has to be let go first */
	WINDOW_US = 2000,
	WINDOW_TEST_US = 200,   /* --pollers=N */
	TRIAL_WINDOWS = 3,
	GAIN = 20,              /* a twentieth more calls */
	GAIN_FIRST = 5,         /* a fifth more than doorbells */
	BUSY = 900,             /* thousandths: one more may help */
	BUSY_FEWER = 600,       /* … of all but one: one less may do */
	LOW_WINDOWS = 3,
};

struct pollers pollers = { .latch = LATCH_INIT };

void notify_poll_init(unsigned int how)
{
	unsigned int cpus;

	if (sched_getaffinity(0, sizeof(pollers.all), &pollers.all) != 0)
		return;
	cpus = (unsigned int)CPU_COUNT(&pollers.all);
	pollers.tsc0 = poll_tsc();
	pollers.ns0 = clock_mono_ns();
	pollers.away_us = pollers.grow_us = AWAY_MIN_US;
	pollers.always = how >= PLAT_POLLERS_ALWAYS;
	pollers.max = pollers.always ? how - PLAT_POLLERS_ALWAYS + 1 : cpus / 2;
	pollers.max = MAX(MIN(pollers.max, (unsigned int)POLLERS_MAX), 1u);
	pollers.pins = cpus > pollers.max;
	pollers.patience = pollers.pins ? 1 : 100;
	for (unsigned int i = 0; i < POLLERS_MAX; i++)
		pollers.at[i].cpu = -1;
	pollers.enabled = how != PLAT_POLLERS_OFF && cpus > 1;
}

void notify_poll_off(void)
{
	__atomic_store_n(&pollers.enabled, false, __ATOMIC_RELAXED);
}

static uint64_t away(uint64_t us)
{
	return poll_tsc() + us * poll_cycles_a_us();
}

/* ---- placing ---------------------------------------------------------------------------------- */

static int place_anywhere(pid_t tid)
{
	return host_sched_setaffinity(tid, sizeof(pollers.all), &pollers.all);
}

static int place_at(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return host_sched_setaffinity(tid, sizeof(set), &set);
}

static int place_beside(pid_t tid)
{
	cpu_set_t set = pollers.all;
	int cpu;

	for (unsigned int i = 0; i < POLLERS_MAX; i++) {
		cpu = __atomic_load_n(&pollers.at[i].cpu, __ATOMIC_RELAXED);
		if (cpu >= 0)
			CPU_CLR(cpu, &set);
	}
	return host_sched_setaffinity(tid, sizeof(set), &set);
}

/*
 * Somebody may end the polling of pt, or change where it may run, at any moment: who does that first changes
 * pt->poller or pollers.kept, then (the first) places it too; so what we see last is what we leave behind.
 */
void poller_place_thread(struct plat_thread *pt)
{
	uint32_t kept;
	bool dead;
	pid_t tid;
	int err = 0;

	latch_lock(&pt->latch);
	tid = pt->tid;
	dead = pt->state == NOTIFY_DEAD;
	latch_unlock(&pt->latch);
	if (!tid || dead)
		return;
	do {
		kept = __atomic_load_n(&pollers.kept, __ATOMIC_SEQ_CST);
		__atomic_store_n(&pt->kept, kept, __ATOMIC_RELAXED);
		if (pollers.pins && err != -EINVAL) {
			__atomic_store_n(&pt->restricted, true, __ATOMIC_SEQ_CST);
			err = place_beside(tid);
		}
		if (err == -EINVAL) /* it has no other CPU */
			poller_leave(poller_of(pt), LEFT_HELD);
		if (!poller_of(pt)) {
			__atomic_store_n(&pt->restricted, false, __ATOMIC_SEQ_CST);
			if (pollers.pins)
				(void)place_anywhere(tid);
			return;
		}
	} while (kept != __atomic_load_n(&pollers.kept, __ATOMIC_SEQ_CST));
}

/* pt, which is nobody's any more, may run everywhere again. */
static void thread_free(struct plat_thread *pt)
{
	pid_t tid;

	latch_lock(&pt->latch);
	tid = pt->state == NOTIFY_DEAD ? 0 : pt->tid;
	latch_unlock(&pt->latch);
	if (tid && __atomic_exchange_n(&pt->restricted, false, __ATOMIC_SEQ_CST))
		(void)place_anywhere(tid);
}

/* ---- the lists --------------------------------------------------------------------------------- */

static void list_changed_locked(struct poller *p) REQUIRES(pollers.latch)
{
	if (++pollers.versions == 0)
		pollers.versions = 1;
	__atomic_store_n(&p->version, pollers.versions, __ATOMIC_RELAXED);
}

static void list_add_locked(struct poller *p, struct plat_thread *pt) REQUIRES(pollers.latch)
{
	p->hot[p->count] = pt; /* consumes a reference */
	__atomic_store_n(&p->count, p->count + 1, __ATOMIC_RELAXED);
	list_changed_locked(p);
	__atomic_store_n(&pt->poller, (uint8_t)(p - pollers.at + 1), __ATOMIC_SEQ_CST);
}

/* The caller has its reference, and says whose it is now. */
static struct plat_thread *list_take_locked(struct poller *p, unsigned int i) REQUIRES(pollers.latch)
{
	struct plat_thread *pt = p->hot[i];

	__atomic_store_n(&p->count, p->count - 1, __ATOMIC_RELAXED);
	p->hot[i] = p->hot[p->count];
	list_changed_locked(p);
	return pt;
}

static struct plat_thread *list_remove_locked(struct poller *p, unsigned int i) REQUIRES(pollers.latch)
{
	struct plat_thread *pt = list_take_locked(p, i);

	__atomic_store_n(&pt->poller, 0, __ATOMIC_SEQ_CST);
	return pt;
}

/* RDTSCP's value, or a stub's idea of it (hostile: a hint). */
static uint32_t node_of(uint32_t aux)
{
	return aux >> 12;
}

/* The poller with the fewest threads, of those on node's if there is any with room. */
static struct poller *list_choose_locked(uint32_t node) REQUIRES(pollers.latch)
{
	struct poller *best = NULL;

	for (unsigned int i = 0; i < POLLERS_MAX; i++) {
		struct poller *p = &pollers.at[i];

		if (!p->on || p->count >= HOT_MAX)
			continue;
		if (!best || (p->node == node) > (best->node == node) ||
		    ((p->node == node) == (best->node == node) && p->count < best->count))
			best = p;
	}
	return best;
}

void poller_assign(struct plat_thread *pt)
{
	uint32_t node = node_of(__atomic_load_n(&pt->slot->cpu, __ATOMIC_RELAXED));
	struct poller *p = NULL;
	pid_t tid;

	if (poller_of(pt) || __atomic_load_n(&pt->placed, __ATOMIC_RELAXED))
		return;
	latch_lock(&pt->latch);
	tid = pt->state == NOTIFY_DEAD ? 0 : pt->tid;
	latch_unlock(&pt->latch);
	if (!tid)
		return;
	latch_lock(&pollers.latch);
	if (!poller_of(pt))
		p = list_choose_locked(node);
	if (p) {
		ref_get(&pt->refs);
		list_add_locked(p, pt);
	}
	latch_unlock(&pollers.latch);
	if (p)
		poller_place_thread(pt);
}

void notify_poll_forget(struct plat_thread *pt)
{
	struct plat_thread *gone = NULL;
	struct poller *p;

	__atomic_store_n(&pt->cold_until, away(COLD_US), __ATOMIC_RELAXED);
	if (poller_of(pt)) {
		latch_lock(&pollers.latch);
		p = poller_of(pt);
		for (unsigned int i = 0; p && i < p->count && !gone; i++) {
			if (p->hot[i] == pt)
				gone = list_remove_locked(p, i);
		}
		latch_unlock(&pollers.latch);
	}
	/* Or somebody else has taken it, and is about to do this. */
	if (__atomic_load_n(&pt->restricted, __ATOMIC_SEQ_CST))
		thread_free(pt);
	if (gone)
		notify_thread_put(gone);
}

void notify_poll_placed(struct plat_thread *pt, bool by_application)
{
	__atomic_store_n(&pt->placed, by_application, __ATOMIC_SEQ_CST);
	notify_poll_forget(pt);
}

/* Half of from's threads, the last that came, are to's. */
static void list_halve_locked(struct poller *from, struct poller *to) REQUIRES(pollers.latch)
{
	if (!from->on || from == to)
		return;
	for (unsigned int n = from->count / 2; n > 0; n--)
		list_add_locked(to, list_take_locked(from, from->count - 1));
}

/* ---- coming and going ------------------------------------------------------------------------- */

/* The set of pollers has changed. */
static void changed_locked(int n) REQUIRES(pollers.latch)
{
	__atomic_store_n(&pollers.on, pollers.on + (unsigned int)n, __ATOMIC_RELAXED);
	__atomic_store_n(&pollers.kept, pollers.kept + 1, __ATOMIC_SEQ_CST);
}

/* Have there been more calls while p polled than doorbells before?  With those of the others that came since. */
static bool was_worth_it_locked(const struct poller *p, uint64_t now) REQUIRES(pollers.latch)
{
	uint64_t found = 0, before = __atomic_load_n(&pollers.rate_before, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < POLLERS_MAX; i++) {
		if (pollers.at[i].began >= p->began)
			found += __atomic_load_n(&pollers.at[i].found, __ATOMIC_RELAXED);
	}
	return found >= CALLS_MIN &&
	       found * 1000 * poll_cycles_a_us() > (before + before / GAIN_FIRST) * (now - p->began);
}

/* No first poller, or no further one, for a while. */
static void stay_away_locked(const struct poller *p, enum left why, uint64_t now) REQUIRES(pollers.latch)
{
	uint64_t *until = p->extra ? &pollers.grow_after : &pollers.away_until;
	uint64_t *us = p->extra ? &pollers.grow_us : &pollers.away_us;
	uint64_t stay = *us, longer = MIN(stay * 2, (uint64_t)AWAY_MAX_US);

	if (why == LEFT_FEW) {
		stay = longer = AWAY_MIN_US;
	} else if ((why == LEFT_IDLE || why == LEFT_PUSHED) && was_worth_it_locked(p, now)) {
		stay = why == LEFT_PUSHED ? AWAY_PUSHED_US : AWAY_SHORT_US;
		longer = AWAY_MIN_US;
	}
	*us = longer;
	__atomic_store_n(until, now + stay * poll_cycles_a_us(), __ATOMIC_RELAXED);
}

void poller_leave(struct poller *p, enum left why)
{
	static const char *const words[] = {
		"too few calls", "others want the CPU", "it is not to be had", "no gain", "fewer can do it",
	};
	struct plat_thread *gone[HOT_MAX];
	uint64_t now = poll_tsc();
	unsigned int count = 0;
	pid_t owner;

	if (!p)
		return;
	latch_lock(&pollers.latch);
	if (!p->on) {
		latch_unlock(&pollers.latch);
		return;
	}
	__atomic_store_n(&p->on, false, __ATOMIC_SEQ_CST); /* as poller_looks() says */
	owner = (pid_t)p->owner;
	__atomic_store_n(&p->owner, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&p->cpu, -1, __ATOMIC_RELAXED);
	while (p->count > 0)
		gone[count++] = list_remove_locked(p, p->count - 1);
	stay_away_locked(p, why, now);
	changed_locked(-1);
	log_debug("poller %d polled for %llu us, %u calls: %s", (int)(p - pollers.at),
		  (unsigned long long)((now - p->began) / poll_cycles_a_us()),
		  __atomic_load_n(&p->found, __ATOMIC_RELAXED), words[why]);
	latch_unlock(&pollers.latch);
	if (!p->extra)
		worker_sources_look(false);
	for (unsigned int i = 0; i < count; i++) {
		thread_free(gone[i]);
		notify_thread_put(gone[i]);
	}
	if (pollers.pins)
		(void)place_anywhere(owner);
}

void poller_let_go(struct poller *p)
{
	latch_lock(&pollers.latch);
	p->held = false;
	latch_unlock(&pollers.latch);
}

/* cpu is p's, unless another has it. */
static bool cpu_claim(struct poller *p, int cpu)
{
	bool taken = false;

	latch_lock(&pollers.latch);
	for (unsigned int i = 0; i < POLLERS_MAX; i++)
		taken |= __atomic_load_n(&pollers.at[i].cpu, __ATOMIC_RELAXED) == cpu;
	if (!taken)
		__atomic_store_n(&p->cpu, cpu, __ATOMIC_RELAXED);
	latch_unlock(&pollers.latch);
	return !taken;
}

static void cpu_give_back(struct poller *p)
{
	__atomic_store_n(&p->cpu, -1, __ATOMIC_RELAXED);
}

static uint32_t aux_here(void)
{
	unsigned int aux = 0;

	if (notify.rdtscp)
		(void)__builtin_ia32_rdtscp(&aux);
	return aux;
}

/*
 * Go to a CPU that is not avoid (that of who has just rung) nor another poller's, on this node if one is found soon; -1:
 * there is none.  Which of those that we began with are still ours the host alone knows: a cpuset may have changed.
 */
static int cpu_take(struct poller *p, pid_t self, int avoid, uint32_t node)
{
	int other = -1, tries = 0;

	for (int i = CPU_SETSIZE - 1; i >= 0 && tries < CPU_TRIES; i--) {
		if (i == avoid || !CPU_ISSET(i, &pollers.all) || !cpu_claim(p, i))
			continue;
		tries++;
		if (place_at(self, i) == 0) {
			if (!notify.rdtscp || node_of(aux_here()) == node)
				return i;
			other = i;
		}
		cpu_give_back(p);
	}
	if (other < 0 || !cpu_claim(p, other))
		return -1;
	if (place_at(self, other) == 0)
		return other;
	cpu_give_back(p);
	return -1;
}

/* How many cycles a microsecond has is known 10 ms after the start. */
static bool calibrate(uint64_t now)
{
	int64_t ns;

	if (poll_cycles_a_us() > 0)
		return true;
	ns = clock_mono_ns() - pollers.ns0;
	if (ns > 10000000)
		__atomic_store_n(&pollers.us, MAX((now - pollers.tsc0) * 1000 / (uint64_t)ns, 1ull), __ATOMIC_RELAXED);
	return poll_cycles_a_us() > 0;
}

/* self has taken p, and stands on cpu.  REQUIRES that p is held by self. */
static void poller_start(struct poller *p, pid_t self, int cpu) REQUIRES(pollers.latch)
{
	uint64_t now = poll_tsc();

	__atomic_store_n(&p->cpu, cpu, __ATOMIC_RELAXED);
	p->node = node_of(aux_here());
	p->began = p->last = p->listened = p->window_at = now;
	p->window_end = now + WINDOW_TEST_US * poll_cycles_a_us();
	p->turn = p->window_found = p->windows = p->low = 0;
	p->window_idle = 0;
	p->quiet_at = now;
	p->later_at = 0;
	p->woke = false;
	(void)worker_poll_take_woken();
	/* It has to prove itself first. */
	p->credit = (int64_t)(CREDIT_START_US * pollers.patience * poll_cycles_a_us());
	__atomic_store_n(&p->rate, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->busy, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->found, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->seen_at, now, __ATOMIC_RELAXED);
	__atomic_store_n(&p->owner, (uint32_t)self, __ATOMIC_RELAXED);
	__atomic_store_n(&p->on, true, __ATOMIC_RELEASE);
	changed_locked(1);
}

static struct poller *place_find_locked(void) REQUIRES(pollers.latch)
{
	struct poller *found = NULL;
	unsigned int used = 0;

	for (unsigned int i = 0; i < POLLERS_MAX; i++) {
		struct poller *p = &pollers.at[i];

		used += p->on || p->wanted;
		if (!p->on && !p->held && !p->wanted && !found)
			found = p;
	}
	return used < pollers.max ? found : NULL;
}

struct poller *poller_enter(pid_t self)
{
	struct poller *p;
	int cpu = -1;

	latch_lock(&pollers.latch);
	p = place_find_locked();
	if (p) {
		p->held = true;
		p->extra = false;
	}
	latch_unlock(&pollers.latch);
	if (!p)
		return NULL;
	/* Who sleeps at a source by himself wakes here, before this worker goes elsewhere: not in its way there. */
	worker_sources_look(true);
	if (pollers.pins) {
		cpu = cpu_take(p, self, sched_getcpu(), node_of(aux_here()));
		if (cpu < 0) {
			worker_sources_look(false);
			__atomic_store_n(&pollers.away_until, away(AWAY_MAX_US), __ATOMIC_RELAXED);
			poller_let_go(p);
			return NULL;
		}
	}
	latch_lock(&pollers.latch);
	poller_start(p, self, cpu);
	latch_unlock(&pollers.latch);
	/* Somebody may have ended it already, before we placed ourselves even. */
	return p;
}

void poller_move(struct poller *p, pid_t self)
{
	uint32_t node;
	bool gone;

	if (cpu_take(p, self, p->cpu, p->node) < 0) {
		poller_leave(p, LEFT_HELD);
		return;
	}
	node = node_of(aux_here());
	latch_lock(&pollers.latch);
	gone = !p->on; /* meanwhile: it is not to keep what it has taken since */
	if (gone)
		cpu_give_back(p);
	p->node = node;
	__atomic_store_n(&pollers.kept, pollers.kept + 1, __ATOMIC_SEQ_CST);
	latch_unlock(&pollers.latch);
	if (gone)
		(void)place_anywhere(self);
}

struct poller *poller_enter_extra(pid_t self)
{
	struct poller *p = NULL, *from;
	uint32_t node = 0;
	int cpu = -1;

	latch_lock(&pollers.latch);
	for (unsigned int i = 0; i < POLLERS_MAX && !p; i++) {
		if (pollers.at[i].wanted)
			p = &pollers.at[i];
	}
	if (p) {
		p->wanted = false;
		p->held = p->extra = true;
		node = pollers.at[p->source].node;
	}
	latch_unlock(&pollers.latch);
	if (!p)
		return NULL;
	if (pollers.pins)
		cpu = cpu_take(p, self, -1, node);
	latch_lock(&pollers.latch);
	from = &pollers.at[p->source];
	if ((pollers.pins && cpu < 0) || !from->on) {
		cpu_give_back(p);
		p->held = false;
		__atomic_store_n(&pollers.grow_after, away(AWAY_MIN_US), __ATOMIC_RELAXED);
		latch_unlock(&pollers.latch);
		if (pollers.pins)
			(void)place_anywhere(self);
		return NULL;
	}
	poller_start(p, self, cpu);
	list_halve_locked(from, p);
	latch_unlock(&pollers.latch);
	return p;
}

/* ---- how many ---------------------------------------------------------------------------------- */

struct sum {
	unsigned int on;
	uint32_t rate, busy;
	bool last; /* p is the last extra one */
};

static struct sum sum_up_locked(const struct poller *p) REQUIRES(pollers.latch)
{
	struct sum s = { .last = p->extra };

	for (unsigned int i = 0; i < POLLERS_MAX; i++) {
		const struct poller *q = &pollers.at[i];

		if (!q->on && !q->wanted)
			continue;
		s.on++;
		s.rate += q->on ? __atomic_load_n(&q->rate, __ATOMIC_RELAXED) : 0;
		s.busy += q->on ? __atomic_load_n(&q->busy, __ATOMIC_RELAXED) : 0;
		s.last &= q <= p || !q->extra;
	}
	return s;
}

/* One more, for half of p's threads. */
static void grow(struct poller *p, const struct sum *s)
{
	struct poller *q;

	latch_lock(&pollers.latch);
	q = p->on && p->count >= 2 ? place_find_locked() : NULL;
	if (q) {
		q->wanted = true;
		q->source = (uint32_t)(p - pollers.at);
		q->rate_before = s->rate;
	}
	latch_unlock(&pollers.latch);
	if (!q || worker_poll_more())
		return;
	latch_lock(&pollers.latch);
	q->wanted = false;
	__atomic_store_n(&pollers.grow_after, away(AWAY_MIN_US), __ATOMIC_RELAXED);
	latch_unlock(&pollers.latch);
}

static bool is_enough(const struct poller *p, const struct sum *s)
{
	return s->on >= pollers.max || __atomic_load_n(&p->count, __ATOMIC_RELAXED) < 2 ||
	       poll_tsc() < __atomic_load_n(&pollers.grow_after, __ATOMIC_RELAXED);
}

/* Whether p stays. */
static bool judge(struct poller *p, const struct sum *s)
{
	if (pollers.always) {
		if (!is_enough(p, s))
			grow(p, s);
		return true;
	}
	if (p->extra && p->windows == TRIAL_WINDOWS) {
		if (s->rate < p->rate_before + p->rate_before / GAIN) {
			poller_leave(p, LEFT_NO_GAIN);
			return false;
		}
		latch_lock(&pollers.latch);
		pollers.grow_us = AWAY_MIN_US;
		latch_unlock(&pollers.latch);
	}
	p->low = s->last && s->on > 1 && s->busy < BUSY_FEWER * (s->on - 1) ? p->low + 1 : 0;
	if (p->low >= LOW_WINDOWS && p->windows > TRIAL_WINDOWS) {
		poller_leave(p, LEFT_FEW);
		return false;
	}
	if (__atomic_load_n(&p->busy, __ATOMIC_RELAXED) > BUSY && p->windows > 1 && !is_enough(p, s))
		grow(p, s);
	return true;
}

bool poller_window(struct poller *p, uint64_t now)
{
	const uint64_t us = poll_cycles_a_us(), length = now - p->window_at;
	struct sum s;

	p->window_at = now;
	p->window_end = now + (pollers.always ? WINDOW_TEST_US : WINDOW_US) * us;
	if (pollers.max == 1)
		return true;
	__atomic_store_n(&p->rate, (uint32_t)(p->window_found * 1000ull * us / length), __ATOMIC_RELAXED);
	__atomic_store_n(&p->busy, (uint32_t)(1000 - MIN(p->window_idle, length) * 1000 / length), __ATOMIC_RELAXED);
	p->windows++;
	p->window_idle = p->window_found = 0;
	latch_lock(&pollers.latch);
	s = sum_up_locked(p);
	latch_unlock(&pollers.latch);
	return judge(p, &s);
}

/* ---- who rings --------------------------------------------------------------------------------- */

/* Not the zygote, which only makes others. */
static bool is_worth_it(const struct plat_thread *pt)
{
	return __atomic_load_n(&pt->seq, __ATOMIC_RELAXED) >= CALLS_MIN &&
	       poll_tsc() > __atomic_load_n(&pt->cold_until, __ATOMIC_RELAXED);
}

/* Doorbells and packets are counted anew after a silence: how often they come is what a poller is to better. */
void poller_waited(uint64_t cycles)
{
	if (cycles > SILENCE_US * MAX(poll_cycles_a_us(), (uint64_t)1))
		__atomic_store_n(&pollers.rings_at, 0, __ATOMIC_RELAXED);
}

/*
 * They come often, and nothing speaks against a poller.  If it pays can't be told from here: a call takes many times as long
 * without one, and much of that is waiting.  So it is tried, and judged when it leaves (was_worth_it_locked()).
 */
static bool is_time(void)
{
	const uint64_t now = poll_tsc(), us = calibrate(now) ? poll_cycles_a_us() : 0;
	uint64_t since = __atomic_load_n(&pollers.rings_at, __ATOMIC_RELAXED);
	uint32_t rings = __atomic_load_n(&pollers.rings, __ATOMIC_RELAXED) + 1;
	uint32_t unseen = worker_sources_unseen();

	if (us == 0 || !__atomic_load_n(&pollers.enabled, __ATOMIC_RELAXED))
		return false;
	if (pollers.always)
		return true;
	if (since == 0 || now - since > RINGS_US * us) {
		__atomic_store_n(&pollers.rings_at, since = now, __ATOMIC_RELAXED);
		__atomic_store_n(&pollers.unseen, unseen, __ATOMIC_RELAXED);
		rings = 0;
	}
	__atomic_store_n(&pollers.rings, rings, __ATOMIC_RELAXED);
	rings += unseen - __atomic_load_n(&pollers.unseen, __ATOMIC_RELAXED);
	if (rings < RINGS_MIN || now - since > rings * RING_EVERY_US * us ||
	    now <= __atomic_load_n(&pollers.away_until, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&pollers.rate_before, (uint32_t)(rings * 1000 * us / (now - since)),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&pollers.rings_at, 0, __ATOMIC_RELAXED);
	return true;
}

/* The owner of p has not looked for long. */
static bool is_stale(const struct poller *p)
{
	return poll_tsc() - __atomic_load_n(&p->seen_at, __ATOMIC_RELAXED) > 4 * GAP_US * pollers.patience * poll_cycles_a_us();
}

bool poller_rang(struct plat_thread *pt)
{
	struct poller *p = poller_of(pt);

	if (pt == notify.zygote || (!pollers.always && !is_worth_it(pt)))
		return false;
	if (p) {
		if (poller_is_on(p) && is_stale(p))
			poller_leave(p, LEFT_PUSHED);
		return false;
	}
	if (__atomic_load_n(&pollers.on, __ATOMIC_RELAXED) > 0) {
		for (unsigned int i = 0; i < POLLERS_MAX; i++) {
			if (poller_is_on(&pollers.at[i]) && is_stale(&pollers.at[i]))
				poller_leave(&pollers.at[i], LEFT_PUSHED);
		}
		poller_assign(pt);
		return false;
	}
	return is_time();
}

void notify_poll_started(void)
{
	if (__atomic_load_n(&pollers.enabled, __ATOMIC_RELAXED) && pollers.pins)
		(void)place_anywhere(host_gettid());
}

uint32_t notify_poll_spin(const struct plat_thread *pt)
{
	if (!poller_of(pt) || pt->hold_doorbell)
		return 0;
	return (uint32_t)(SPIN_US * poll_cycles_a_us());
}
