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

static struct {
	struct latch latch;
	struct worker away; /* has the list of what was taken from workers */
} later = { .latch = LATCH_INIT };

static void list_set_locked(struct worker_later **at, struct worker_later *l) REQUIRES(later.latch)
{
	__atomic_store_n(at, l, __ATOMIC_RELAXED);
}

/* Whose l is; NULL: from here on it may be freed. */
static void owner_set_locked(struct worker_later *l, struct worker *w) REQUIRES(later.latch)
{
	__atomic_store_n(&l->worker, w, __ATOMIC_RELAXED);
}

static void list_add_locked(struct worker *w, struct worker_later *l) REQUIRES(later.latch)
{
	l->next = w->later;
	list_set_locked(&w->later, l);
	owner_set_locked(l, w);
}

static struct worker_later *list_shift_locked(struct worker *w) REQUIRES(later.latch)
{
	struct worker_later *l = w->later;

	list_set_locked(&w->later, l->next);
	return l;
}

/* False: it is not on w's list. */
static bool list_remove_locked(struct worker *w, const struct worker_later *l) REQUIRES(later.latch)
{
	struct worker_later **at = &w->later;

	while (*at && *at != l)
		at = &(*at)->next;
	if (!*at)
		return false;
	list_set_locked(at, l->next);
	return true;
}

static bool has_any(const struct worker *w)
{
	return w && __atomic_load_n(&w->later, __ATOMIC_RELAXED);
}

static void do_all(struct worker *w)
{
	struct worker_later *l;

	latch_lock(&later.latch);
	while (w->later) {
		l = list_shift_locked(w);
		latch_unlock(&later.latch);
		l->run(l);
		latch_lock(&later.latch);
		owner_set_locked(l, NULL);
	}
	latch_unlock(&later.latch);
}

void worker_later_init(struct worker_later *l, void (*run)(struct worker_later *l))
{
	*l = (struct worker_later){ .run = run };
}

bool worker_later(struct worker_later *l)
{
	struct worker *w = worker_self();
	bool may;

	if (!worker_polls())
		return false;
	if (__atomic_load_n(&l->worker, __ATOMIC_RELAXED) == w)
		return true;
	latch_lock(&later.latch);
	may = !l->worker && !l->ended;
	if (may)
		list_add_locked(w, l);
	latch_unlock(&later.latch);
	return may;
}

void worker_later_end(struct worker_later *l)
{
	latch_lock(&later.latch);
	l->ended = true;
	if (l->worker && list_remove_locked(l->worker, l))
		owner_set_locked(l, NULL);
	while (l->worker) { /* it runs */
		latch_unlock(&later.latch);
		fiber_yield();
		latch_lock(&later.latch);
	}
	latch_unlock(&later.latch);
}

bool worker_has_later(void)
{
	return has_any(worker_self());
}

void worker_do_later(void)
{
	struct worker *w = worker_self();

	if (has_any(w))
		do_all(w);
}

void worker_later_take(struct worker *w)
{
	if (!has_any(w))
		return;
	latch_lock(&later.latch);
	while (w->later)
		list_add_locked(&later.away, list_shift_locked(w));
	latch_unlock(&later.latch);
}

void worker_later_do_taken(void)
{
	if (has_any(&later.away))
		do_all(&later.away);
}
