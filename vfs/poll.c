/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c: the loop below poll(2), ppoll(2), select(2) and pselect6(2).
 *
 * As in Linux' fs/select.c the first look at the files also stands in line at their queues; once a
 * slot is ready the remaining files are only asked.  Later looks only ask.  A wake-up between a
 * look and the sleep is not lost, because the waiter was prepared before the look.
 *
 * No locks are held here; a file's poll slot takes its own.
 */
#include "vfs/poll.h"

#include <errno.h>

#include "lib/mem.h"
#include "vfs/vfs.h"

#define CHUNK_ENTRIES 60

struct poll_chunk {
	struct poll_chunk *next;
	size_t count;
	struct poll_entry entries[CHUNK_ENTRIES];
};

void poller_add(struct poller *p, struct wq *q)
{
	if (p)
		p->add(p, q);
}

static void poll_entry_wake(struct wq_entry *e, uint32_t events)
{
	(void)events;
	waiter_wake(container_of(e, struct poll_entry, entry)->waiter);
}

static struct poll_entry *poll_table_entry(struct poll_table *t)
{
	struct poll_chunk *chunk = t->chunks;

	if (t->count < POLL_ENTRIES_INLINE)
		return &t->entries[t->count++];
	if (!chunk || chunk->count == CHUNK_ENTRIES) {
		chunk = mem_alloc(sizeof(*chunk));
		if (!chunk)
			return NULL;
		chunk->count = 0;
		chunk->next = t->chunks;
		t->chunks = chunk;
	}
	return &chunk->entries[chunk->count++];
}

static void poll_table_add(struct poller *p, struct wq *q)
{
	struct poll_table *t = container_of(p, struct poll_table, poller);
	struct poll_entry *e = poll_table_entry(t);

	if (!e) {
		t->error = -ENOMEM;
		return;
	}
	e->waiter = t->waiter;
	wq_entry_init(&e->entry, poll_entry_wake, p->events);
	wq_add(q, &e->entry);
}

void poll_table_init(struct poll_table *t, struct waiter *w)
{
	t->poller.add = poll_table_add;
	t->poller.events = 0;
	t->waiter = w;
	t->error = 0;
	t->count = 0;
	t->chunks = NULL;
}

void poll_table_fini(struct poll_table *t)
{
	struct poll_chunk *chunk = t->chunks;

	for (size_t i = 0; i < t->count; i++)
		wq_remove(&t->entries[i].entry);
	while (chunk) {
		struct poll_chunk *next = chunk->next;

		for (size_t i = 0; i < chunk->count; i++)
			wq_remove(&chunk->entries[i].entry);
		mem_free(chunk);
		chunk = next;
	}
	t->chunks = NULL;
	t->count = 0;
}

/* One look at all files.  Stands in line while t is not NULL and nothing is ready. */
static int poll_look(struct poll_table *t, struct poll_slot *slots, size_t count)
{
	int ready = 0;

	for (size_t i = 0; i < count; i++) {
		struct poll_slot *s = &slots[i];

		if (s->file) {
			if (t)
				t->poller.events = s->events | POLL_ALWAYS;
			s->revents = file_poll(s->file, t ? &t->poller : NULL) & s->events;
		}
		if (s->revents) {
			ready++;
			t = NULL;
		}
	}
	return ready;
}

int poll_wait(struct vfs_ctx *c, struct poll_slot *slots, size_t count, int64_t deadline_ns)
{
	struct waiter own, *w = c->waiter;
	struct poll_table table, *t = &table;
	bool last_look = false;
	int ret;

	if (deadline_ns == 0)
		return poll_look(NULL, slots, count);

	if (!w) {
		waiter_init(&own, fiber_self());
		w = &own;
	}
	poll_table_init(&table, w);
	for (;;) {
		int err;

		waiter_prepare(w);
		ret = poll_look(t, slots, count);
		t = NULL;
		if (ret == 0)
			ret = table.error;
		if (ret != 0 || last_look) {
			waiter_cancel(w);
			break;
		}
		err = waiter_sleep(w, c->waiter ? WAITER_INTERRUPTIBLE : WAITER_UNINTERRUPTIBLE,
				   deadline_ns);
		if (err == -EINTR) {
			ret = -ERESTARTNOHAND;
			break;
		}
		last_look = err == -ETIMEDOUT;
	}
	poll_table_fini(&table);
	return ret;
}

/* As a sleeper of wq_wait(): it leaves the line when woken, so the next wake-up goes to another. */
static void ready_sleeper_wake(struct wq_entry *e, uint32_t events)
{
	(void)events;
	list_remove(&e->node);
	waiter_wake(container_of(e, struct poll_entry, entry)->waiter);
}

bool vfs_interrupted(const struct vfs_ctx *c)
{
	return c->waiter && waiter_is_interrupted(c->waiter);
}

int vfs_wait_ready(struct vfs_ctx *c, struct wq *q, uint32_t events, bool exclusive,
		   bool (*ready)(void *arg), void *arg, int64_t deadline_ns)
{
	enum waiter_mode mode = c->waiter ? WAITER_INTERRUPTIBLE : WAITER_UNINTERRUPTIBLE;
	struct waiter own, *w = c->waiter;
	struct poll_entry e;
	bool now;
	int err = 0;

	if (!w) {
		waiter_init(&own, fiber_self());
		w = &own;
	}
	e.waiter = w;
	wq_entry_init(&e.entry, ready_sleeper_wake, events);
	e.entry.exclusive = exclusive;
	do {
		waiter_prepare(w);
		wq_add(q, &e.entry);
		now = ready(arg);
		if (now)
			waiter_cancel(w);
		else
			err = waiter_sleep(w, mode, deadline_ns);
		wq_remove(&e.entry);
	} while (!now && err == 0);
	/* The wake-up may have been ours alone: look once more before giving up. */
	if (now || ready(arg))
		return 0;
	return err == -EINTR ? -ERESTARTSYS : err;
}
