/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_source.c: see worker_source.h.
 *
 * Who looks works on copies of the descriptors.  One that was closed meanwhile, or is another file's by now, wakes its next
 * waiter for nothing at worst.
 */
#include "lib/worker_source.h"

#include "lib/fiber.h"
#include "lib/latch.h"

/* (l) latch, (a) atomic */
static struct {
	struct latch latch;
	bool looked_at;      /* (l), (a) */
	uint32_t unseen;     /* (a) */
	unsigned int count;  /* (l), (a) */
	struct list waiting; /* (l) struct worker_source */
	struct list others;  /* (l) of which nobody waits, and that have not ended */
} sources = { .latch = LATCH_INIT, .waiting = LIST_INIT(sources.waiting), .others = LIST_INIT(sources.others) };

static void count_set_locked(unsigned int count) REQUIRES(sources.latch)
{
	__atomic_store_n(&sources.count, count, __ATOMIC_RELAXED);
}

/* Its fiber, which the caller resumes once it has dropped the latch. */
static struct fiber *source_take_locked(struct worker_source *s) REQUIRES(sources.latch)
{
	struct fiber *f = s->fiber;

	if (!f)
		return NULL;
	s->fiber = NULL;
	list_remove(&s->node);
	list_append(&sources.others, &s->node);
	count_set_locked(sources.count - 1);
	return f;
}

void worker_source_init(struct worker_source *s, int fd, void (*call)(struct worker_source *s))
{
	*s = (struct worker_source){ .fd = fd, .call = call };
	latch_lock(&sources.latch);
	list_append(&sources.others, &s->node);
	latch_unlock(&sources.latch);
}

bool worker_source_wait(struct worker_source *s)
{
	bool waits;

	latch_lock(&sources.latch);
	waits = sources.looked_at && !s->ended && sources.count < WORKER_SOURCES_MAX;
	if (waits) {
		s->fiber = fiber_self();
		list_remove(&s->node);
		list_append(&sources.waiting, &s->node);
		count_set_locked(sources.count + 1);
	}
	latch_unlock(&sources.latch);
	if (waits)
		fiber_suspend(NULL, NULL);
	else
		__atomic_fetch_add(&sources.unseen, 1, __ATOMIC_RELAXED);
	return waits;
}

uint32_t worker_sources_unseen(void)
{
	return __atomic_load_n(&sources.unseen, __ATOMIC_RELAXED);
}

void worker_source_end(struct worker_source *s)
{
	struct fiber *f;

	latch_lock(&sources.latch);
	f = source_take_locked(s);
	if (!s->ended)
		list_remove(&s->node);
	s->ended = true;
	latch_unlock(&sources.latch);
	if (f)
		fiber_resume(f);
}

void worker_sources_look(bool on)
{
	struct fiber *woken[WORKER_SOURCES_MAX];
	struct worker_source *s;
	unsigned int count = 0;

	if (__atomic_load_n(&sources.looked_at, __ATOMIC_SEQ_CST) == on)
		return;
	latch_lock(&sources.latch);
	__atomic_store_n(&sources.looked_at, on, __ATOMIC_SEQ_CST);
	if (on) {
		list_for_each_entry(s, &sources.others, node)
			s->call(s);
	}
	while (!on && !list_empty(&sources.waiting))
		woken[count++] = source_take_locked(list_entry(sources.waiting.next, struct worker_source, node));
	latch_unlock(&sources.latch);
	for (unsigned int i = 0; i < count; i++)
		fiber_resume(woken[i]);
}

unsigned int worker_sources_fill(struct pollfd p[WORKER_SOURCES_MAX])
{
	struct worker_source *s;
	unsigned int count = 0;

	if (__atomic_load_n(&sources.count, __ATOMIC_RELAXED) == 0)
		return 0;
	latch_lock(&sources.latch);
	list_for_each_entry(s, &sources.waiting, node)
		p[count++] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	latch_unlock(&sources.latch);
	return count;
}

static struct fiber *source_find_locked(int fd) REQUIRES(sources.latch)
{
	struct worker_source *s;

	list_for_each_entry(s, &sources.waiting, node) {
		if (s->fd == fd)
			return source_take_locked(s);
	}
	return NULL;
}

bool worker_sources_wake(const struct pollfd *p, unsigned int count)
{
	struct fiber *f;
	bool any = false;

	for (unsigned int i = 0; i < count; i++) {
		if (!p[i].revents)
			continue;
		latch_lock(&sources.latch);
		f = source_find_locked(p[i].fd);
		latch_unlock(&sources.latch);
		if (f)
			fiber_resume(f);
		any |= f != NULL;
	}
	return any;
}
