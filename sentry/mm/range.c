/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range.c: what an address space has mapped, asked of the host: for calls that must know (mincore,
 * msync, mlock, limits) of mappings that come and go without the Sentry.
 *
 * Locked ranges are kept, not pinned: the host's memory can't be locked from here.  mlock(2) faults the
 * pages in, counts against RLIMIT_MEMLOCK and shows as VmLck; what is unmapped later is found out by
 * looking at the maps.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"
#include "sentry/mm/mm.h"
#include "sentry/task/task.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#define LOCKED_MAX 4096 /* ranges remembered; more are merged with the last */

/* ---- walking ---------------------------------------------------------------------------------- */

struct range_walk {
	uint64_t at, end; /* all below at is mapped */
	bool hole;
	plat_map_fn *fn;
	void *arg;
};

static int range_one(void *arg, const struct plat_map *m)
{
	struct range_walk *w = arg;
	struct plat_map clipped = *m;

	if (m->end <= w->at || m->start >= w->end)
		return 0;
	if (m->start > w->at)
		w->hole = true;
	clipped.start = MAX(m->start, w->at);
	clipped.end = MIN(m->end, w->end);
	clipped.offset += clipped.start - m->start;
	w->at = m->end;
	return w->fn ? w->fn(w->arg, &clipped) : 0;
}

int mm_for_range(struct mm *mm, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg)
{
	struct range_walk w = { .at = start, .end = end, .fn = fn, .arg = arg };
	int err;

	if (start >= end)
		return 0;
	err = plat_mm_maps_in(mm->plat, start, end, range_one, &w);
	if (err)
		return err;
	return w.hole || w.at < end ? -ENOMEM : 0;
}

static int sum_one(void *arg, const struct plat_map *m)
{
	*(uint64_t *)arg += m->end - m->start;
	return 0;
}

uint64_t mm_mapped_bytes(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	(void)mm_for_range(mm, start, end, sum_one, &sum);
	return sum;
}

/* ---- locked ranges ---------------------------------------------------------------------------- */

/* What is in [start, end) is forgotten.  One range may fall into two. */
static int locked_cut_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	size_t n = mm->locked_count;

	for (size_t i = 0; i < n;) {
		struct mm_locked *l = &mm->locked[i];

		if (l->end <= start || l->start >= end) {
			i++;
		} else if (l->start < start && l->end > end) {
			struct mm_locked *grown = mem_realloc(mm->locked, mm->locked_count + 1, sizeof(*l));

			if (!grown)
				return -ENOMEM;
			mm->locked = grown;
			grown[mm->locked_count++] = (struct mm_locked){ end, grown[i].end };
			grown[i].end = start;
			i++;
		} else if (l->start < start) {
			l->end = start;
			i++;
		} else if (l->end > end) {
			l->start = end;
			i++;
		} else {
			*l = mm->locked[--n];
			mm->locked[n] = mm->locked[mm->locked_count - 1];
			mm->locked_count--;
		}
	}
	return 0;
}

static int locked_add_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	struct mm_locked *grown;
	int err = locked_cut_locked(mm, start, end);

	if (err)
		return err;
	for (size_t i = 0; i < mm->locked_count; i++) {
		if (mm->locked[i].end == start) {
			mm->locked[i].end = end;
			return 0;
		}
	}
	if (mm->locked_count >= LOCKED_MAX)
		return -ENOMEM;
	grown = mem_realloc(mm->locked, mm->locked_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	mm->locked = grown;
	grown[mm->locked_count++] = (struct mm_locked){ start, end };
	return 0;
}

/* Overlap of [start, end) with what is locked. */
static uint64_t locked_overlap(const struct mm_locked *l, size_t count, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		if (l[i].start < end && l[i].end > start)
			sum += MIN(l[i].end, end) - MAX(l[i].start, start);
	return sum;
}

struct locked_sum {
	struct mm_locked *ranges; /* a copy */
	size_t count;
	uint64_t bytes;
};

static int locked_sum_one(void *arg, const struct plat_map *m)
{
	struct locked_sum *s = arg;

	s->bytes += locked_overlap(s->ranges, s->count, m->start, m->end);
	return 0;
}

uint64_t mm_locked_bytes(struct mm *mm)
{
	struct locked_sum s = { 0 };

	mutex_lock(&mm->lock);
	if (mm->locked_count)
		s.ranges = mem_dup(mm->locked, mm->locked_count * sizeof(*mm->locked));
	s.count = s.ranges ? mm->locked_count : 0;
	mutex_unlock(&mm->lock);
	if (s.count)
		(void)plat_mm_maps(mm->plat, false, locked_sum_one, &s);
	mem_free(s.ranges);
	return s.bytes;
}

uint64_t mm_range_locked_bytes(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t bytes;

	mutex_lock(&mm->lock);
	bytes = locked_overlap(mm->locked, mm->locked_count, start, end);
	mutex_unlock(&mm->lock);
	return bytes;
}

bool mm_range_is_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	return mm_range_locked_bytes(mm, start, end) != 0;
}

/* Mappings to be faulted in, collected first: the stub can't be asked in the middle of a walk. */
#define POPULATE_BATCH 64
struct populate {
	const struct mm *mm;
	struct {
		uint64_t start, size;
		int advice;
	} part[POPULATE_BATCH];
	unsigned int count;
	uint64_t next; /* where to go on */
};

static int populate_one(void *arg, const struct plat_map *m)
{
	struct populate *p = arg;

	if (m->prot[0] != 'r' && m->prot[1] != 'w')
		return 0;
	/* The stack is mapped at its full size here: only what is used counts on Linux. */
	if (p->mm->stack_top > m->start && p->mm->stack_top <= m->end)
		return 0;
	if (p->count == POPULATE_BATCH)
		return 0;
	p->part[p->count].start = m->start;
	p->part[p->count].size = m->end - m->start;
	p->part[p->count++].advice = m->prot[1] == 'w' && (m->prot[3] == 'p' || m->prot[0] != 'r') ? MADV_POPULATE_WRITE
									    : MADV_POPULATE_READ;
	p->next = m->end;
	return 0;
}

/* Fault [start, end) in.  -ENOMEM, -EAGAIN; holes are passed over. */
static int mm_populate(struct task *t, uint64_t start, uint64_t end)
{
	struct populate *p = mem_new(struct populate);
	int err = p ? 0 : -ENOMEM;

	while (!err && start < end) {
		p->mm = t->mm;
		p->count = 0;
		err = mm_for_range(t->mm, start, end, populate_one, p);
		if (err == -ENOMEM)
			err = 0;
		for (unsigned int i = 0; i < p->count && !err; i++) {
			struct plat_hostcall c = {
				.nr = SYS_madvise,
				.args = { p->part[i].start, p->part[i].size, (uint64_t)p->part[i].advice },
				.host_fd = -1,
			};

			if (plat_hostcalls(t->pt, &c, 1) < 0)
				err = -ENOMEM;
		}
		start = p->count == POPULATE_BATCH ? p->next : end;
	}
	mem_free(p);
	return err;
}

int mm_lock_range(struct task *t, uint64_t start, uint64_t end, bool on_fault)
{
	struct mm *mm = t->mm;
	int err;

	if (start == end)
		return 0;
	err = mm_for_range(mm, start, end, NULL, NULL);
	if (err)
		return err;
	mutex_lock(&mm->lock);
	err = locked_add_locked(mm, start, end);
	mutex_unlock(&mm->lock);
	if (!err && !on_fault)
		err = mm_populate(t, start, end);
	return err;
}

int mm_unlock_range(struct task *t, uint64_t start, uint64_t end)
{
	struct mm *mm = t->mm;
	int err = mm_for_range(mm, start, end, NULL, NULL);

	mutex_lock(&mm->lock);
	if (!err)
		err = locked_cut_locked(mm, start, end);
	mutex_unlock(&mm->lock);
	return err;
}

static int lock_one(void *arg, const struct plat_map *m)
{
	struct mm *mm = arg;
	int err;

	mutex_lock(&mm->lock);
	err = locked_add_locked(mm, m->start, m->end);
	mutex_unlock(&mm->lock);
	return err;
}

int mm_lock_all(struct task *t, bool on_fault)
{
	int err = plat_mm_maps(t->mm->plat, false, lock_one, t->mm);

	return err || on_fault ? err : mm_populate(t, 0, plat_layout()->user_max);
}

void mm_unlock_all(struct mm *mm)
{
	mutex_lock(&mm->lock);
	mem_free(mm->locked);
	mm->locked = NULL;
	mm->locked_count = 0;
	mm->lock_future = false;
	mutex_unlock(&mm->lock);
}

/* ---- seals ------------------------------------------------------------------------------------ */

int mm_seal_range(struct mm *mm, uint64_t start, uint64_t end)
{
	struct mm_locked *grown;
	unsigned int n;
	int err = mm_for_range(mm, start, end, NULL, NULL);

	if (err)
		return err;
	mutex_lock(&mm->lock);
	n = atomic_load_explicit(&mm->seal_count, memory_order_relaxed);
	if (locked_overlap(mm->seals, n, start, end) == end - start) {
		mutex_unlock(&mm->lock);
		return 0;
	}
	grown = n < LOCKED_MAX ? mem_realloc(mm->seals, n + 1, sizeof(*grown)) : NULL;
	if (grown) {
		mm->seals = grown;
		grown[n] = (struct mm_locked){ start, end };
		/* Read without the lock as "none": native calls are off only after this. */
		atomic_store_explicit(&mm->seal_count, n + 1, memory_order_relaxed);
	}
	mutex_unlock(&mm->lock);
	return grown ? 0 : -ENOMEM;
}

bool mm_range_is_sealed(struct mm *mm, uint64_t start, uint64_t end)
{
	bool sealed;

	if (atomic_load_explicit(&mm->seal_count, memory_order_relaxed) == 0)
		return false;
	mutex_lock(&mm->lock);
	sealed = locked_overlap(mm->seals, mm->seal_count, start, end);
	mutex_unlock(&mm->lock);
	return sealed;
}

/* ---- MAP_GROWSDOWN ---------------------------------------------------------------------------- */

#define GROWING_MAX 256u
#define GUARD_GAP   (256 * PAGE_SIZE) /* stack_guard_gap */

void mm_grows_down(struct mm *mm, uint64_t start, uint64_t end)
{
	struct mm_locked *grown;
	unsigned int n;

	mutex_lock(&mm->lock);
	n = atomic_load_explicit(&mm->growing_count, memory_order_relaxed);
	for (unsigned int i = 0; i < n; i++) /* old ones that this one replaces */
		if (mm->growing[i].start < end && mm->growing[i].end > start)
			mm->growing[i--] = mm->growing[--n];
	grown = n < GROWING_MAX ? mem_realloc(mm->growing, n + 1, sizeof(*grown)) : NULL;
	if (grown) {
		mm->growing = grown;
		grown[n++] = (struct mm_locked){ start, end };
	}
	atomic_store_explicit(&mm->growing_count, n, memory_order_relaxed);
	mutex_unlock(&mm->lock);
}

/* What lies around an address that is not mapped. */
struct neighbours {
	uint64_t addr, below; /* end of the last accessible mapping below */
	struct plat_map above;
};

static int neighbours_one(void *arg, const struct plat_map *m)
{
	struct neighbours *n = arg;

	if (m->end <= n->addr && memcmp(m->prot, "---", 3) != 0)
		n->below = m->end;
	if (m->start > n->addr) {
		n->above = *m;
		n->above.name = n->above.detail = NULL;
		return 1;
	}
	return 0;
}

/* addr lies below the mapping that starts at start: is that one that grows?  Its end, or 0. */
static uint64_t growing_end(struct mm *mm, uint64_t start)
{
	uint64_t end = 0;

	mutex_lock(&mm->lock);
	for (unsigned int i = 0; i < mm->growing_count && !end; i++)
		if (start >= mm->growing[i].start && start < mm->growing[i].end)
			end = mm->growing[i].end;
	mutex_unlock(&mm->lock);
	return end;
}

bool mm_grow_to(struct task *t, uint64_t addr)
{
	struct neighbours n = { .addr = ALIGN_DOWN(addr, PAGE_SIZE) };
	struct mm *mm = t->mm;
	uint64_t end, size;
	int prot;

	if (plat_mm_maps(mm->plat, false, neighbours_one, &n) < 0 || !n.above.start || n.above.prot[3] != 'p')
		return false;
	end = growing_end(mm, n.above.start);
	size = n.above.start - n.addr;
	if (!end || end - n.addr > task_rlimit(t, RLIMIT_STACK) || n.addr - n.below < GUARD_GAP ||
	    mm_may_expand(t, size, true))
		return false;
	prot = (n.above.prot[0] == 'r' ? PROT_READ : 0) | (n.above.prot[1] == 'w' ? PROT_WRITE : 0) |
	       (n.above.prot[2] == 'x' ? PROT_EXEC : 0);
	if (mm_map_anon(t, n.addr, size, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE) != (int64_t)n.addr)
		return false;
	mm_grows_down(mm, n.addr, end);
	return true;
}

/* ---- limits ----------------------------------------------------------------------------------- */

bool mm_limited(struct process *p)
{
	return process_rlimit(p, RLIMIT_AS) != RLIM_INFINITY ||
	       process_rlimit(p, RLIMIT_DATA) != RLIM_INFINITY;
}

int mm_may_expand(struct task *t, uint64_t bytes, bool data)
{
	uint64_t as = task_rlimit(t, RLIMIT_AS), limit = task_rlimit(t, RLIMIT_DATA);
	struct plat_mem_usage u;

	if ((as == RLIM_INFINITY && (!data || limit == RLIM_INFINITY)) || !bytes)
		return 0;
	if (plat_mm_usage(t->mm->plat, &u))
		return 0;
	if (u.vm_bytes + bytes > as || u.vm_bytes + bytes < bytes)
		return -ENOMEM;
	return data && u.data_bytes + bytes > limit ? -ENOMEM : 0;
}
