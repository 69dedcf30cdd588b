/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_later.c: see worker_later.h.
 *
 * Each worker has a list, to which it alone adds; who ends one takes it off from elsewhere.  Locks: the latch, a leaf
 * (below workers.latch).
 */
#include "lib/worker_later.h"

#include "lib/fiber_impl.h"
#include "lib/worker_poll.h"

static struct latch latch = LATCH_INIT;
static struct worker away; /* has the list of those that were taken from workers */

static void count_set_locked(struct worker *w, unsigned int count) REQUIRES(latch)
{
	__atomic_store_n(&w->later_count, count, __ATOMIC_RELAXED);
}

/* l is nobody's: who waits for that may free it. */
static void let_go_locked(struct worker_later *l) REQUIRES(latch)
{
	__atomic_store_n(&l->worker, NULL, __ATOMIC_RELAXED);
}

static void list_add_locked(struct worker *w, struct worker_later *l) REQUIRES(latch)
{
	w->later[w->later_count] = l;
	count_set_locked(w, w->later_count + 1);
	__atomic_store_n(&l->worker, w, __ATOMIC_RELAXED);
}

void worker_later_init(struct worker_later *l, void (*run)(struct worker_later *l))
{
	*l = (struct worker_later){ .run = run };
}

bool worker_later(struct worker_later *l)
{
	struct worker *w = worker_self();
	bool later;

	if (!worker_polls())
		return false;
	if (__atomic_load_n(&l->worker, __ATOMIC_RELAXED) == w)
		return true;
	latch_lock(&latch);
	later = !l->worker && !l->ended && w->later_count < WORKER_LATER_MAX;
	if (later)
		list_add_locked(w, l);
	latch_unlock(&latch);
	return later;
}

static void list_remove_locked(struct worker *w, const struct worker_later *l) REQUIRES(latch)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->later_count; i++) {
		if (w->later[i] != l)
			w->later[kept++] = w->later[i];
	}
	count_set_locked(w, kept);
}

static bool list_has_locked(const struct worker *w, const struct worker_later *l) REQUIRES(latch)
{
	for (unsigned int i = 0; i < w->later_count; i++) {
		if (w->later[i] == l)
			return true;
	}
	return false;
}

void worker_later_end(struct worker_later *l)
{
	latch_lock(&latch);
	l->ended = true;
	if (l->worker && list_has_locked(l->worker, l)) {
		list_remove_locked(l->worker, l);
		let_go_locked(l);
	}
	while (l->worker) { /* it runs */
		latch_unlock(&latch);
		fiber_yield();
		latch_lock(&latch);
	}
	latch_unlock(&latch);
}

static bool has_any(const struct worker *w)
{
	return __atomic_load_n(&w->later_count, __ATOMIC_RELAXED) > 0;
}

static void do_all(struct worker *w)
{
	struct worker_later *l;

	latch_lock(&latch);
	while (w->later_count > 0) {
		l = w->later[0];
		list_remove_locked(w, l);
		latch_unlock(&latch);
		l->run(l);
		latch_lock(&latch);
		let_go_locked(l);
	}
	latch_unlock(&latch);
}

bool worker_has_later(void)
{
	return has_any(worker_self());
}

void worker_do_later(void)
{
	if (worker_has_later())
		do_all(worker_self());
}

void worker_later_take(struct worker *w)
{
	struct worker_later *l;

	if (!has_any(w))
		return;
	latch_lock(&latch);
	while (w->later_count > 0 && away.later_count < WORKER_LATER_MAX) {
		l = w->later[0];
		list_remove_locked(w, l);
		list_add_locked(&away, l);
	}
	latch_unlock(&latch);
}

void worker_later_do_taken(void)
{
	if (has_any(&away))
		do_all(&away);
}
