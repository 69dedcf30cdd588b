/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch.c: which call sites are patched, and keeping that right; patch.h, docs/patching.md.
 *
 * Life of a site: cold ── has trapped often ──▶ live, or refused.  A live site's window is restored
 * (and the site is cold again) when the application is about to change or unmap that text or the
 * trampolines; the stub leaves such calls to the Sentry (`watch` in the process page).
 *
 * A window is in the table from before its first byte changes, and stays in it as DEAD when it was
 * restored: a thread may still come to an int3 of it, or report one late.
 *
 * Long because arenas, windows, sites and undoing share one struct; the arenas are what to split off first.
 */
#include "platform/notify/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/arch/x86_64/callsite.h"
#include "platform/host.h"
#include "platform/notify/notify_impl.h"

#define ARENA_SIZE   (16ull << 20)
#define ARENAS_MAX   8
#define MODULES_MAX  16
#define SITES_MAX    4096
#define DROPS_MAX    64  /* a program that goes on changing its text is left alone */
#define STRAYS_MAX   500 /* so often to the middle of a window: it isn't worth it */

/*
 * A site is patched at its 6th trap, if the process has trapped 64 times: it costs about 10 µs, the first in a module
 * 100, and saves 2 a call.
 */
#define SITE_CALLS    6
#define PROCESS_CALLS 64

struct patch_arena {
	struct ref refs;
	struct latch latch;
	uint64_t addr;
	uint8_t *view; /* (c) our mapping of it */
	struct {
		uint32_t at, size;
	} *used; /* (latch) */
	size_t used_count, used_room;
};

enum window_state { WINDOW_CHANGING, WINDOW_LIVE, WINDOW_DEAD };

struct patch_window {
	uint64_t addr, trampoline;
	struct patch_arena *arena; /* borrowed from struct patch */
	enum window_state state;
	uint32_t strays;
	uint8_t jump[CALLSITE_JMP];
	struct callsite plan;
	struct trampoline parts;
};

enum site_state { SITE_COLD, SITE_LIVE, SITE_REFUSED };

struct patch_site {
	uint64_t ip; /* behind the instruction; 0: free */
	uint32_t count;
	uint8_t state, why;
	uint8_t tries; /* found in memory that isn't fit (now) */
};

/* A mapping with patched text: private, r-x. */
struct patch_module {
	uint64_t start, end;
};

/* Everything is read under mm->latch and changed under it and mm->patch_mutex; (s) under the latch alone. */
struct patch {
	struct patch_window *windows; /* by address */
	size_t window_count, window_room;
	struct patch_arena *arenas[ARENAS_MAX];
	size_t arena_count;
	bool closed[ARENAS_MAX]; /* the application has laid hands on it: nothing new goes there */
	struct patch_module modules[MODULES_MAX];
	size_t module_count;
	struct patch_site *sites; /* (s) */
	size_t site_room, site_count;
	uint32_t calls; /* (s) */
	uint32_t drops;
	bool off, registered;
};

static struct {
	bool on;
	uint32_t site_calls, process_calls;
} config;

void notify_patch_init(bool on, uint32_t after)
{
	config.on = on;
	config.site_calls = after ? after : SITE_CALLS;
	config.process_calls = after ? after : PROCESS_CALLS;
}

bool notify_patch_is_on(void)
{
	return config.on;
}

uint32_t notify_patch_interval(void)
{
	return !config.on ? 0 : MIN(config.process_calls, 16u);
}

/* ---- arenas ----------------------------------------------------------------------------------- */

static void arena_put(struct patch_arena *a)
{
	if (!ref_put(&a->refs))
		return;
	(void)host_munmap(a->view, ARENA_SIZE);
	mem_free(a->used);
	mem_free(a);
}

/* A free place for a trampoline, or 0. */
static uint64_t arena_place(struct patch_arena *a, const struct callsite *c, uint64_t addr)
{
	uint64_t at, from = a->addr, end = a->addr + ARENA_SIZE - CALLSITE_CODE;
	bool taken;

	latch_lock(&a->latch);
	for (;;) {
		at = callsite_place(c, addr, from, end);
		if (at == 0)
			break;
		taken = false;
		for (size_t i = 0; i < a->used_count && !taken; i++) {
			uint64_t start = a->addr + a->used[i].at, stop = start + a->used[i].size;

			if (at < stop && at + CALLSITE_CODE > start) {
				from = stop;
				taken = true;
			}
		}
		if (!taken)
			break;
	}
	if (at && a->used_count < a->used_room) {
		a->used[a->used_count].at = (uint32_t)(at - a->addr);
		a->used[a->used_count++].size = CALLSITE_CODE;
	} else {
		at = 0;
	}
	latch_unlock(&a->latch);
	return at;
}

/* Room for another entry in a->used; only its holders under their patch_mutexes come here, several at once. */
static bool arena_reserve(struct patch_arena *a)
{
	void *grown, *old = NULL;
	size_t room;

	latch_lock(&a->latch);
	room = a->used_count < a->used_room ? 0 : MAX(a->used_room * 2, 32ul);
	latch_unlock(&a->latch);
	if (room == 0)
		return true;
	if (room > 8192)
		return false;
	grown = mem_calloc(room, sizeof(*a->used));
	if (!grown)
		return false;
	latch_lock(&a->latch);
	old = grown;
	if (a->used_room < room) {
		old = a->used;
		if (a->used_count)
			memcpy(grown, a->used, a->used_count * sizeof(*a->used));
		a->used = grown;
		a->used_room = room;
	}
	latch_unlock(&a->latch);
	mem_free(old);
	return true;
}

/* What the host's maps say around a site. */
struct scan {
	uint64_t ip;
	bool found, fit; /* a mapping holds ip; it may be patched */
	struct patch_module module;
	size_t count;
	struct {
		uint64_t start, end;
	} taken[512];
};

static int scan_map(void *arg, const struct plat_map *m)
{
	struct scan *s = arg;

	if (s->count == ARRAY_SIZE(s->taken))
		return -E2BIG;
	s->taken[s->count].start = m->start;
	s->taken[s->count++].end = m->end;
	if (s->ip < m->start || s->ip >= m->end)
		return 0;
	s->found = true;
	/* Shared text is the file's; writable text changes without a word; the vDSO is the host's. */
	s->fit = strcmp(m->prot, "r-xp") == 0 && m->name[0] != '[';
	s->module = (struct patch_module){ m->start, m->end };
	return 0;
}

static bool scan_is_free(const struct scan *s, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < s->count; i++) {
		if (start < s->taken[i].end && end > s->taken[i].start)
			return false;
	}
	return !layout_is_reserved(start, end - start);
}

/*
 * Distances at which every kind of window has a place: the jump's highest byte traps
 * (callsite_byte_traps), the lower ones take all values within an arena.
 */
static const struct {
	int64_t from, to;
} reach[] = {
	{ -0x06000000, -0x04000000 }, { 0x06000000, 0x08000000 },   { -0x14000000, -0x10000000 },
	{ 0x16000000, 0x18000000 },   { 0x1e000000, 0x20000000 },   { 0x60000000, 0x62000000 },
	{ 0x6c000000, 0x70000000 },
};

static uint64_t arena_address(const struct patch *p, const struct scan *s,
			      const struct patch_module *m, size_t n)
{
	int64_t a = (int64_t)m->end + reach[n].from + CALLSITE_JMP, end;

	a = (a + (int64_t)PAGE_SIZE - 1) & -(int64_t)PAGE_SIZE;
	end = a + (int64_t)ARENA_SIZE;
	if (end > (int64_t)m->start + reach[n].to)
		return 0;
	if (a < (int64_t)plat_layout()->user_min || end > (int64_t)plat_layout()->user_max)
		return 0;
	for (size_t i = 0; i < p->arena_count; i++) { /* the scan doesn't show them */
		if ((uint64_t)a < p->arenas[i]->addr + ARENA_SIZE && (uint64_t)end > p->arenas[i]->addr)
			return 0;
	}
	return scan_is_free(s, (uint64_t)a, (uint64_t)end) ? (uint64_t)a : 0;
}

static int arena_memfd(struct patch_arena *a)
{
	int fd = host_memfd_create("runsc-c-patch", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	void *view = NULL;
	int err;

	if (fd < 0)
		return fd;
	err = host_ftruncate(fd, (int64_t)ARENA_SIZE);
	if (err == 0) {
		view = host_mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
		err = host_is_error(view) ? -ENOMEM : 0;
	}
	if (err < 0) {
		host_close(fd);
		return err;
	}
	a->view = view;
	/* From now on nobody else gets to write to it. */
	err = (int)host_fcntl(fd, F_ADD_SEALS,
			      F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (err < 0) {
		(void)host_munmap(view, ARENA_SIZE);
		host_close(fd);
		return err;
	}
	return fd;
}

/* Map a new arena near s->module into pt's address space. */
static struct patch_arena *arena_new(struct plat_thread *pt, const struct patch *p,
				     const struct scan *s)
{
	/* Leave room for the heap behind an executable at a low address. */
	bool low = s->module.start < (1ull << 32);
	struct patch_module site = { s->ip, s->ip };
	const struct patch_module *near = &s->module;
	struct patch_arena *a;
	uint64_t addr = 0;
	struct plat_hostcall call;
	int fd, done;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(reach) && !addr; i++) {
		size_t n = i % ARRAY_SIZE(reach);

		if (i == ARRAY_SIZE(reach))
			near = &site; /* large text: good for some of it */
		addr = arena_address(p, s, near, low ? ARRAY_SIZE(reach) - 1 - n : n);
	}
	if (!addr)
		return NULL;
	a = mem_new(struct patch_arena);
	if (!a)
		return NULL;
	ref_init(&a->refs);
	latch_init(&a->latch);
	a->addr = addr;
	fd = arena_memfd(a);
	if (fd < 0) {
		mem_free(a);
		return NULL;
	}
	call = (struct plat_hostcall){
		.nr = SYS_mmap,
		.args = { addr, ARENA_SIZE, PROT_READ | PROT_EXEC,
			  MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, 0, 0 },
		.host_fd = fd,
	};
	done = notify_hostcalls_raw(pt, &call, 1);
	host_close(fd);
	if (done != 1 || call.result != (long)addr) {
		arena_put(a);
		return NULL;
	}
	return a;
}

/* ---- tables ----------------------------------------------------------------------------------- */

/* REQUIRES mm->latch.  Index of the first window that ends behind addr. */
static size_t window_index(const struct patch *p, uint64_t addr)
{
	size_t low = 0, high = p->window_count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (p->windows[mid].addr + p->windows[mid].plan.size <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* REQUIRES mm->latch.  The window with this address in it. */
static struct patch_window *window_peek(struct patch *p, uint64_t addr)
{
	size_t i = window_index(p, addr);

	return i < p->window_count && p->windows[i].addr <= addr ? &p->windows[i] : NULL;
}

/* REQUIRES mm->latch.  The window whose trampoline holds addr. */
static struct patch_window *trampoline_peek(struct patch *p, uint64_t addr)
{
	size_t n;

	for (n = 0; n < p->arena_count; n++) {
		if (addr - p->arenas[n]->addr < ARENA_SIZE)
			break;
	}
	if (n == p->arena_count)
		return NULL;
	for (size_t i = 0; i < p->window_count; i++) {
		if (addr - p->windows[i].trampoline < p->windows[i].parts.size)
			return &p->windows[i];
	}
	return NULL;
}

/* REQUIRES mm->latch.  A place for ip in the table of sites; NULL: no room. */
static struct patch_site *site_peek(struct patch *p, uint64_t ip)
{
	size_t i;

	if (!p->sites)
		return NULL;
	for (i = ip * 0x9e3779b97f4a7c15ull >> 40;; i++) {
		struct patch_site *s = &p->sites[i & (p->site_room - 1)];

		if (s->ip == ip)
			return s;
		if (s->ip == 0) {
			if ((p->site_count + 1) * 4 > p->site_room * 3)
				return NULL;
			s->ip = ip;
			p->site_count++;
			return s;
		}
	}
}

/* Make room for more sites. */
static void sites_grow(struct plat_mm *mm, struct patch *p)
{
	struct patch_site *old, *grown, *s;
	size_t room, had;

	latch_lock(&mm->latch);
	had = p->site_room;
	room = (p->site_count + 1) * 4 > had * 3 ? MAX(had * 2, 64ul) : 0;
	latch_unlock(&mm->latch);
	if (room == 0 || room > SITES_MAX)
		return;
	grown = mem_calloc(room, sizeof(*grown));
	if (!grown)
		return;
	latch_lock(&mm->latch);
	old = grown;
	if (p->site_room == had) {
		old = p->sites;
		p->sites = grown;
		p->site_room = room;
		p->site_count = 0;
		for (size_t i = 0; i < had; i++) {
			s = old[i].ip ? site_peek(p, old[i].ip) : NULL;
			if (s)
				*s = old[i];
		}
	}
	latch_unlock(&mm->latch);
	mem_free(old);
}

static struct patch *patch_of(struct plat_mm *mm)
{
	struct patch *p = __atomic_load_n(&mm->patch, __ATOMIC_ACQUIRE), *mine;

	if (p)
		return p;
	mine = mem_new(struct patch);
	if (!mine)
		return NULL;
	latch_lock(&mm->latch);
	if (!mm->patch)
		__atomic_store_n(&mm->patch, mine, __ATOMIC_RELEASE); /* pairs with the acquire above */
	p = mm->patch;
	latch_unlock(&mm->latch);
	if (p != mine)
		mem_free(mine);
	return p;
}

/* REQUIRES mm->latch.  What the stub's native calls must keep off. */
static void watch_locked(struct plat_mm *mm, const struct patch *p)
{
	struct stub_process *s = mm->process;
	uint32_t count = 0;

	_Static_assert(ARENAS_MAX + MODULES_MAX <= STUB_WATCH_MAX, "all of them");
	if (!s)
		return;
	/* A stub that reads a half-written list meets its old entries or new ones; all are to be kept off. */
	for (size_t i = 0; i < p->arena_count; i++) {
		s->watch[count].start = p->arenas[i]->addr;
		s->watch[count++].end = p->arenas[i]->addr + ARENA_SIZE;
	}
	for (size_t i = 0; i < p->module_count; i++) {
		s->watch[count].start = p->modules[i].start;
		s->watch[count++].end = p->modules[i].end;
	}
	__atomic_store_n(&s->watch_count, count, __ATOMIC_RELEASE); /* pairs with stub_is_watched() */
}

/* ---- changing text ---------------------------------------------------------------------------- */

static int rewrite(struct plat_thread *pt, struct patch *p, const struct patch_window *w, bool live,
		   uint64_t resume)
{
	struct stub_patch *s = &pt->slot->patch;
	bool threads;
	int err;

	latch_lock(&pt->mm->latch);
	threads = pt->mm->live_threads > 1;
	latch_unlock(&pt->mm->latch);
	memset(s, 0, sizeof(*s));
	s->addr = w->addr;
	s->size = CALLSITE_JMP;
	s->traps = w->plan.traps;
	s->sync = (p->registered ? 0 : STUB_SYNC_REGISTER) | (threads ? STUB_SYNC_THREADS : 0);
	s->ip = w->addr + w->plan.syscall + 2;
	s->resume = resume;
	memcpy(s->old, live ? w->plan.bytes : w->jump, CALLSITE_JMP);
	memcpy(s->fresh, live ? w->jump : w->plan.bytes, CALLSITE_JMP);
	p->registered = true;
	err = notify_order(pt, STUB_PATCH);
	if (err < 0)
		return err;
	return pt->request.done == 0 ? 0 : -EAGAIN;
}

/* Put the window into the table; the table has room. */
static void window_insert(struct plat_mm *mm, struct patch *p, const struct patch_window *w)
{
	size_t i;

	latch_lock(&mm->latch);
	i = window_index(p, w->addr);
	memmove(&p->windows[i + 1], &p->windows[i], (p->window_count - i) * sizeof(*w));
	p->windows[i] = *w;
	p->window_count++;
	latch_unlock(&mm->latch);
}

static bool windows_reserve(struct plat_mm *mm, struct patch *p)
{
	struct patch_window *grown, *old;
	size_t room;

	if (p->window_count < p->window_room)
		return true;
	room = MAX(p->window_room * 2, 16ul);
	grown = mem_calloc(room, sizeof(*grown));
	if (!grown)
		return false;
	latch_lock(&mm->latch);
	old = p->windows;
	if (p->window_count)
		memcpy(grown, old, p->window_count * sizeof(*grown));
	p->windows = grown;
	p->window_room = room;
	latch_unlock(&mm->latch);
	mem_free(old);
	return true;
}

/* REQUIRES mm->latch */
static void window_remove_locked(struct patch *p, struct patch_window *w)
{
	size_t i = (size_t)(w - p->windows);

	memmove(w, w + 1, (p->window_count - i - 1) * sizeof(*w));
	p->window_count--;
}

static void window_set(struct plat_mm *mm, struct patch *p, uint64_t addr, enum window_state state)
{
	struct patch_window *w;

	latch_lock(&mm->latch);
	w = window_peek(p, addr);
	if (w)
		w->state = state;
	latch_unlock(&mm->latch);
}

static void site_set(struct plat_mm *mm, struct patch *p, uint64_t ip, enum site_state state, int why)
{
	struct patch_site *s;

	latch_lock(&mm->latch);
	s = site_peek(p, ip);
	if (s) {
		s->state = (uint8_t)state;
		s->why = (uint8_t)why;
		s->count = 0;
		s->tries = 0;
	}
	latch_unlock(&mm->latch);
}

/* ---- patching --------------------------------------------------------------------------------- */

static bool module_has(const struct patch *p, uint64_t ip, struct patch_module *out)
{
	for (size_t i = 0; i < p->module_count; i++) {
		if (ip >= p->modules[i].start && ip < p->modules[i].end) {
			*out = p->modules[i];
			return true;
		}
	}
	return false;
}

/* The plan for the site behind which ip is; a refusal, or 0. */
static enum callsite_refusal plan(struct plat_thread *pt, const struct patch_module *m, uint64_t ip,
				  struct callsite *out)
{
	uint8_t code[CALLSITE_BEFORE + CALLSITE_AFTER];
	uint64_t site = ip - 2, from, to;
	ssize_t n;

	from = site - m->start > CALLSITE_BEFORE ? site - CALLSITE_BEFORE : m->start;
	to = m->end - site > CALLSITE_AFTER ? site + CALLSITE_AFTER : m->end;
	n = plat_mm_read(pt->mm, from, code, (size_t)(to - from), false);
	if (n < (ssize_t)(site - from + 2))
		return CALLSITE_UNKNOWN;
	return callsite_plan(code, (size_t)n, (size_t)(site - from), out);
}

/* A trampoline for w->plan in one of the arenas; false: no room near enough. */
static bool trampoline_make(struct patch *p, struct patch_window *w)
{
	uint8_t code[CALLSITE_CODE];

	for (size_t i = 0; i < p->arena_count; i++) {
		struct patch_arena *a = p->arenas[i];

		if (p->closed[i] || !arena_reserve(a))
			continue;
		w->trampoline = arena_place(a, &w->plan, w->addr);
		if (!w->trampoline)
			continue;
		if (!callsite_emit(&w->plan, w->addr, w->trampoline, notify.patched_entry, code, &w->parts) ||
		    !callsite_jump(&w->plan, w->addr, w->trampoline, w->jump))
			continue;
		w->arena = a;
		memcpy(a->view + (w->trampoline - a->addr), code, w->parts.size);
		return true;
	}
	return false;
}

/* REQUIRES mm->patch_mutex.  A module that is new, if ip lies in one that may be patched. */
static bool module_find(struct plat_thread *pt, uint64_t ip, struct scan *s)
{
	s->ip = ip - 2;
	s->found = s->fit = false;
	s->count = 0;
	return plat_mm_maps(pt->mm, false, scan_map, s) == 0 && s->found && s->fit &&
	       s->module.end - s->module.start < (1ull << 30);
}

/* REQUIRES mm->latch */
static bool arena_is_closed(const struct patch *p, const struct patch_arena *a)
{
	for (size_t i = 0; i < p->arena_count; i++) {
		if (p->arenas[i] == a)
			return p->closed[i];
	}
	return true;
}

/*
 * REQUIRES mm->patch_mutex.  Restored windows in w's way go; one that is the same comes back (*again).  False: a live
 * one is there.
 */
static bool make_way(struct plat_mm *mm, struct patch *p, struct patch_window *w, bool *again)
{
	struct patch_window *old;
	bool clear = true;
	size_t i;

	*again = false;
	latch_lock(&mm->latch);
	for (;;) {
		i = window_index(p, w->addr);
		if (i == p->window_count || p->windows[i].addr >= w->addr + w->plan.size)
			break;
		old = &p->windows[i];
		if (old->state != WINDOW_DEAD) {
			clear = false;
			break;
		}
		if (old->addr == w->addr && memcmp(&old->plan, &w->plan, sizeof(w->plan)) == 0 &&
		    !arena_is_closed(p, old->arena)) {
			old->state = WINDOW_CHANGING;
			*w = *old;
			*again = true;
			break;
		}
		window_remove_locked(p, old);
	}
	latch_unlock(&mm->latch);
	return clear;
}

/* REQUIRES mm->patch_mutex.  A trampoline for w, in a new arena if need be (s: a scan, or NULL). */
static bool trampoline_find(struct plat_thread *pt, struct patch *p, struct patch_window *w, uint64_t ip,
			    struct scan *s)
{
	struct patch_arena *a = NULL;
	struct scan *own = NULL;

	if (trampoline_make(p, w))
		return true;
	if (!s) {
		own = s = mem_new(struct scan);
		if (s && !module_find(pt, ip, s))
			s = NULL;
	}
	if (s && p->arena_count < ARENAS_MAX)
		a = arena_new(pt, p, s);
	mem_free(own);
	if (!a)
		return false;
	latch_lock(&pt->mm->latch);
	p->arenas[p->arena_count++] = a;
	latch_unlock(&pt->mm->latch);
	return trampoline_make(p, w);
}

/* REQUIRES mm->patch_mutex.  Patch the site behind which ip is, in m; 0, or why not. */
static enum callsite_refusal window_make(struct plat_thread *pt, struct patch *p, uint64_t ip,
					 const struct patch_module *m, struct scan *s)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window w = { .state = WINDOW_CHANGING };
	enum callsite_refusal r = plan(pt, m, ip, &w.plan);
	bool again;

	if (r != CALLSITE_OK)
		return r;
	w.addr = ip - 2 - w.plan.syscall;
	if (!windows_reserve(mm, p) || !make_way(mm, p, &w, &again))
		return CALLSITE_PINNED;
	if (!again && !trampoline_find(pt, p, &w, ip, s))
		return CALLSITE_PINNED;
	latch_lock(&mm->latch);
	if (s)
		p->modules[p->module_count++] = *m;
	watch_locked(mm, p);
	latch_unlock(&mm->latch);
	if (!again)
		window_insert(mm, p, &w);
	if (rewrite(pt, p, &w, true, w.trampoline + w.parts.resume) < 0) {
		window_set(mm, p, w.addr, WINDOW_DEAD);
		return CALLSITE_UNKNOWN;
	}
	window_set(mm, p, w.addr, WINDOW_LIVE);
	return CALLSITE_OK;
}

/* *unfit: the memory can't be patched as it is mapped now. */
static enum callsite_refusal site_patch(struct plat_thread *pt, struct patch *p, uint64_t ip, bool *unfit)
{
	enum callsite_refusal r = CALLSITE_PINNED;
	struct patch_module m;
	struct scan *s;

	if (module_has(p, ip - 2, &m))
		return window_make(pt, p, ip, &m, NULL);
	s = mem_new(struct scan);
	*unfit = !s || p->module_count == MODULES_MAX || !module_find(pt, ip, s);
	if (!*unfit)
		r = window_make(pt, p, ip, &s->module, s);
	mem_free(s);
	return r;
}

/* Whether the text says that this live site isn't patched any more (MADV_DONTNEED). */
static bool is_undone(struct plat_thread *pt, struct patch *p, uint64_t ip)
{
	uint8_t bytes[CALLSITE_JMP], now[CALLSITE_JMP];
	struct patch_window *w;
	uint64_t addr = 0;

	latch_lock(&pt->mm->latch);
	w = window_peek(p, ip - 2);
	if (w) {
		addr = w->addr;
		memcpy(bytes, w->plan.bytes, sizeof(bytes));
	}
	latch_unlock(&pt->mm->latch);
	return w && proc_vm_read(plat_thread_host_tid(pt), addr, now, sizeof(now)) == sizeof(now) &&
	       memcmp(now, bytes, sizeof(now)) == 0;
}

/* REQUIRES mm->patch_mutex.  The site has trapped often. */
static void ripe(struct plat_thread *pt, struct patch *p, uint64_t ip)
{
	struct plat_mm *mm = pt->mm;
	enum callsite_refusal r;
	struct patch_site *s;
	enum site_state state = SITE_REFUSED;
	bool unfit = false;

	latch_lock(&mm->latch);
	s = site_peek(p, ip);
	if (s) {
		state = s->state;
		s->count = 0;
		s->tries += s->tries < 8;
	}
	latch_unlock(&mm->latch);
	if (state == SITE_LIVE) {
		struct patch_window *w;

		if (!is_undone(pt, p, ip))
			return; /* it came another way */
		latch_lock(&mm->latch);
		w = window_peek(p, ip - 2);
		if (w)
			w->state = WINDOW_DEAD;
		latch_unlock(&mm->latch);
	} else if (state != SITE_COLD) {
		return;
	}
	r = site_patch(pt, p, ip, &unfit);
	if (unfit)
		return; /* tried again after four times as many calls */
	log_debug("site %#llx: %s (%d)", (unsigned long long)ip - 2,
		  r == CALLSITE_OK ? "patched" : "left on SIGSYS", (int)r);
	site_set(mm, p, ip, r == CALLSITE_OK ? SITE_LIVE : SITE_REFUSED, (int)r);
}

/* The registers' instruction pointer as the application may know it. */
static void to_app(struct plat_thread *pt, struct patch *p)
{
	plat_regs_t *r = &pt->registers;
	struct patch_window *w;
	bool after;

	latch_lock(&pt->mm->latch);
	w = p->arena_count ? trampoline_peek(p, r->rip) : NULL;
	if (w) {
		uint32_t offset = (uint32_t)(r->rip - w->trampoline);

		r->rip = callsite_to_app(&w->plan, &w->parts, w->addr, offset, &after);
		if (after)
			r->rcx = r->rip;
	}
	latch_unlock(&pt->mm->latch);
}

/* count calls came by SIGSYS, the last of them from ip. */
static void seen(struct plat_thread *pt, uint64_t ip, uint32_t count)
{
	struct plat_mm *mm = pt->mm;
	struct patch *p = patch_of(mm);
	struct patch_site *s;
	bool now = false;

	if (!p)
		return;
	sites_grow(mm, p);
	latch_lock(&mm->latch);
	p->calls += count;
	s = site_peek(p, ip);
	if (s) {
		s->count += count;
		now = !p->off && p->calls >= config.process_calls && s->state != SITE_REFUSED &&
		      s->count >= (s->state == SITE_LIVE ? 64 : config.site_calls << (2 * s->tries));
	}
	latch_unlock(&mm->latch);
	if (now && mutex_trylock(&mm->patch_mutex)) {
		ripe(pt, p, ip);
		mutex_unlock(&mm->patch_mutex);
	}
}

void notify_patch_site(struct plat_thread *pt)
{
	struct patch *p = __atomic_load_n(&pt->mm->patch, __ATOMIC_ACQUIRE);

	if (p)
		to_app(pt, p);
	seen(pt, pt->registers.rip, notify_patch_interval());
}

/* ---- undoing ---------------------------------------------------------------------------------- */

/* REQUIRES mm->patch_mutex.  Restore the window at addr, or forget it where its text is about to go. */
static void window_undo(struct plat_thread *pt, struct patch *p, uint64_t addr, bool restore)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window copy, *w;

	latch_lock(&mm->latch);
	w = window_peek(p, addr);
	if (!w) {
		latch_unlock(&mm->latch);
		return;
	}
	copy = *w;
	w->state = restore && copy.state == WINDOW_LIVE ? WINDOW_CHANGING : WINDOW_DEAD;
	if (!restore)
		window_remove_locked(p, w);
	latch_unlock(&mm->latch);
	if (restore && copy.state == WINDOW_LIVE) {
		(void)rewrite(pt, p, &copy, false, 0);
		window_set(mm, p, addr, WINDOW_DEAD);
	}
	site_set(mm, p, copy.addr + copy.plan.syscall + 2, SITE_COLD, 0);
}

/* What a call does to [start, end), as far as patches go. */
struct effect {
	uint64_t start, end;
	bool gone; /* the pages are */
};

static bool meets(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a < d && b > c;
}

/* REQUIRES mm->patch_mutex.  A window that the effect touches, by its text or by its trampoline. */
static bool window_touched(struct plat_mm *mm, struct patch *p, const struct effect *e, uint64_t *addr,
			   bool *gone)
{
	bool found = false;

	latch_lock(&mm->latch);
	for (size_t i = 0; i < p->window_count && !found; i++) {
		struct patch_window *w = &p->windows[i];
		bool text = meets(e->start, e->end, w->addr, w->addr + w->plan.size);

		*gone = e->gone && e->start <= w->addr && w->addr + w->plan.size <= e->end;
		if (w->state == WINDOW_DEAD && !*gone)
			continue;
		found = text || meets(e->start, e->end, w->arena->addr, w->arena->addr + ARENA_SIZE);
		*addr = w->addr;
	}
	latch_unlock(&mm->latch);
	return found;
}

/*
 * An arena that the application has laid hands on stays in the list, and its windows as DEAD: a thread
 * may be on its way into one of its trampolines.
 */
static void effect_apply(struct plat_thread *pt, struct patch *p, const struct effect *e)
{
	struct plat_mm *mm = pt->mm;
	size_t kept = 0;
	uint64_t addr;
	bool gone;

	mutex_lock(&mm->patch_mutex);
	while (window_touched(mm, p, e, &addr, &gone))
		window_undo(pt, p, addr, !gone);
	latch_lock(&mm->latch);
	for (size_t i = 0; i < p->module_count; i++) {
		if (!meets(e->start, e->end, p->modules[i].start, p->modules[i].end))
			p->modules[kept++] = p->modules[i];
	}
	p->module_count = kept;
	for (size_t i = 0; i < p->arena_count; i++)
		p->closed[i] |= meets(e->start, e->end, p->arenas[i]->addr, p->arenas[i]->addr + ARENA_SIZE);
	if (++p->drops > DROPS_MAX)
		p->off = true;
	watch_locked(mm, p);
	latch_unlock(&mm->latch);
	mutex_unlock(&mm->patch_mutex);
}

static bool is_watched(struct plat_mm *mm, struct patch *p, const struct effect *e)
{
	bool hit = false;

	latch_lock(&mm->latch);
	for (size_t i = 0; i < p->arena_count; i++)
		hit |= meets(e->start, e->end, p->arenas[i]->addr, p->arenas[i]->addr + ARENA_SIZE);
	for (size_t i = 0; i < p->module_count; i++)
		hit |= meets(e->start, e->end, p->modules[i].start, p->modules[i].end);
	latch_unlock(&mm->latch);
	return hit;
}

static void before(struct plat_thread *pt, struct patch *p, uint64_t start, uint64_t size, bool gone)
{
	struct effect e = { start & ~(PAGE_SIZE - 1ull), start + size, gone };

	if (e.end < start)
		e.end = UINT64_MAX;
	else
		e.end = (e.end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1ull);
	if (e.start < e.end && is_watched(pt->mm, p, &e))
		effect_apply(pt, p, &e);
}

void notify_patch_before(struct plat_thread *pt, const struct plat_hostcall *calls, size_t count)
{
	struct patch *p = __atomic_load_n(&pt->mm->patch, __ATOMIC_ACQUIRE);

	if (!p)
		return;
	for (size_t i = 0; i < count; i++) {
		const uint64_t *a = calls[i].args;

		switch (calls[i].nr) {
		case SYS_mmap:
			if (a[3] & MAP_FIXED)
				before(pt, p, a[0], a[1], true);
			break;
		case SYS_munmap:
			before(pt, p, a[0], a[1], true);
			break;
		case SYS_mprotect:
			before(pt, p, a[0], a[1], false);
			break;
		case SYS_mremap:
			before(pt, p, a[0], a[1], false);
			if (a[3] & MREMAP_FIXED)
				before(pt, p, a[4], a[2], true);
			break;
		}
	}
}

/* ---- the two views ---------------------------------------------------------------------------- */

uint64_t notify_patch_target(struct plat_mm *mm, uint64_t ip)
{
	struct patch *p = __atomic_load_n(&mm->patch, __ATOMIC_ACQUIRE);
	struct patch_window *w;
	int at;

	if (!p)
		return ip;
	latch_lock(&mm->latch);
	w = window_peek(p, ip);
	if (w && w->state != WINDOW_DEAD && ip - w->addr < w->plan.size) {
		at = callsite_to_trampoline(&w->plan, &w->parts, (uint32_t)(ip - w->addr));
		if (at >= 0)
			ip = w->trampoline + (uint32_t)at;
	}
	latch_unlock(&mm->latch);
	return ip;
}

/* A trap that is ours: at an instruction of a window that came to lie under the jump, or an int3 while it changed. */
static bool is_stray(struct plat_thread *pt, struct patch *p, const struct plat_event *ev, bool *tired)
{
	struct plat_mm *mm = pt->mm;
	uint64_t ip = pt->registers.rip;
	bool breakpoint = ev->fault.trapno == 3, ours = false;
	struct patch_window *w;
	uint8_t now = 0;

	if (ev->fault.trapno != 3 && ev->fault.trapno != 6 && ev->fault.trapno != 13)
		return false;
	if (breakpoint)
		ip--;
	latch_lock(&mm->latch);
	w = window_peek(p, ip);
	if (w && ip - w->addr < CALLSITE_JMP &&
	    (ip == w->addr ? breakpoint : (w->plan.traps >> (ip - w->addr)) & 1)) {
		ours = true;
		*tired = w->state == WINDOW_LIVE && ++w->strays > STRAYS_MAX;
		/* An int3 while it changes; also one that is reported late. */
		if (w->state == WINDOW_DEAD)
			now = w->plan.bytes[ip - w->addr];
		else
			now = 0;
	}
	latch_unlock(&mm->latch);
	if (!ours)
		return false;
	if (now != 0) {
		uint8_t there;

		/* If the application's own byte traps, it is the application's trap. */
		if (proc_vm_read(plat_thread_host_tid(pt), ip, &there, 1) != 1 || there != now ||
		    callsite_byte_traps(now))
			return false;
	}
	pt->registers.rip = ip;
	return true;
}

/* It was to go on in a trampoline that the application has unmapped meanwhile: it does in the text. */
static bool is_stranded(struct plat_thread *pt, struct patch *p, const struct plat_event *ev)
{
	uint64_t ip = pt->request.regs.rip;
	struct patch_window *w;
	bool stranded;

	if (ev->fault.trapno != 14 || ev->fault.addr != ip)
		return false;
	latch_lock(&pt->mm->latch);
	w = trampoline_peek(p, ip);
	stranded = w && w->state == WINDOW_DEAD;
	latch_unlock(&pt->mm->latch);
	return stranded;
}

/* The program comes to the middle of this window again and again. */
static void give_up(struct plat_thread *pt, struct patch *p, uint64_t addr)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window *w;
	uint64_t ip = 0;

	mutex_lock(&mm->patch_mutex);
	latch_lock(&mm->latch);
	w = window_peek(p, addr);
	if (w && w->state == WINDOW_LIVE) {
		ip = w->addr + w->plan.syscall + 2;
		addr = w->addr;
	}
	latch_unlock(&mm->latch);
	if (ip) {
		window_undo(pt, p, addr, true);
		site_set(mm, p, ip, SITE_REFUSED, CALLSITE_PINNED);
	}
	mutex_unlock(&mm->patch_mutex);
}

bool notify_patch_event(struct plat_thread *pt, struct plat_event *ev)
{
	struct patch *p = __atomic_load_n(&pt->mm->patch, __ATOMIC_ACQUIRE);
	bool tired = false;

	if (ev->kind == PLAT_DEAD || (!p && ev->kind != PLAT_SYSCALL))
		return false;
	if (ev->kind == PLAT_SYSCALL && pt->fpstate == 0)
		return false; /* by a patched site, which has given the right registers */
	if (p)
		to_app(pt, p);
	if (ev->kind == PLAT_SYSCALL && !ev->syscall.compat) {
		ev->syscall.ip = pt->registers.rip;
		seen(pt, ev->syscall.ip, 1);
	}
	if (ev->kind != PLAT_FAULT || (!is_stray(pt, p, ev, &tired) && !is_stranded(pt, p, ev)))
		return false;
	if (tired)
		give_up(pt, p, pt->registers.rip);
	pt->regs_set = true;
	return true;
}

void notify_patch_original(struct plat_mm *mm, uint64_t addr, void *buf, size_t size)
{
	uint8_t *out = buf;
	struct patch *p;

	if (!__atomic_load_n(&mm->patch, __ATOMIC_RELAXED) || size == 0)
		return;
	latch_lock(&mm->latch);
	p = mm->patch; /* an exec may have taken it away */
	for (size_t i = p ? window_index(p, addr) : 0;
	     p && i < p->window_count && p->windows[i].addr < addr + size; i++) {
		const struct patch_window *w = &p->windows[i];

		if (w->state == WINDOW_DEAD)
			continue;
		for (uint64_t n = 0; n < CALLSITE_JMP; n++) {
			uint64_t at = w->addr + n - addr;

			if (at < size)
				out[at] = w->plan.bytes[n];
		}
	}
	latch_unlock(&mm->latch);
}

/* A copy, so that fn may sleep; a site is there once, by its own entry or by its window's. */
static struct plat_site *sites_copy(struct plat_mm *mm, size_t room, size_t *count)
{
	struct plat_site *out = mem_calloc(room + 1, sizeof(*out));
	struct patch *p;
	size_t n = 0;

	if (!out)
		return NULL;
	latch_lock(&mm->latch);
	p = mm->patch;
	for (size_t i = 0; p && i < p->site_room && n < room; i++) {
		const struct patch_site *s = &p->sites[i];

		if (s->ip && s->state != SITE_LIVE)
			out[n++] = (struct plat_site){ s->ip - 2, s->state == SITE_REFUSED ? PLAT_SITE_LEFT
											 : PLAT_SITE_COLD };
	}
	for (size_t i = 0; p && i < p->window_count && n < room; i++) {
		const struct patch_window *w = &p->windows[i];

		if (w->state == WINDOW_LIVE)
			out[n++] = (struct plat_site){ w->addr + w->plan.syscall, PLAT_SITE_PATCHED };
	}
	latch_unlock(&mm->latch);
	*count = n;
	return out;
}

int notify_patch_sites(struct plat_mm *mm, plat_site_fn *fn, void *arg)
{
	struct plat_site *sites;
	size_t count = 0;
	int r = 0;

	sites = sites_copy(mm, SITES_MAX * 2, &count);
	if (!sites)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = fn(arg, &sites[i]);
	mem_free(sites);
	return r;
}

uint64_t notify_patch_hidden_bytes(struct plat_mm *mm)
{
	uint64_t bytes = 0;

	latch_lock(&mm->latch);
	if (mm->patch)
		bytes = mm->patch->arena_count * ARENA_SIZE;
	latch_unlock(&mm->latch);
	return bytes;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void patch_free(struct patch *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->arena_count; i++)
		arena_put(p->arenas[i]);
	mem_free(p->windows);
	mem_free(p->sites);
	mem_free(p);
}

int notify_patch_fork(struct plat_mm *parent, struct plat_mm *child)
{
	struct patch *from = parent->patch, *p;
	struct patch_window *windows;
	size_t count;

	if (!from || from->arena_count == 0)
		return 0;
	p = mem_new(struct patch);
	count = from->window_count;
	windows = mem_calloc(count + 1, sizeof(*windows));
	if (!p || !windows) {
		mem_free(p);
		mem_free(windows);
		return -ENOMEM;
	}
	latch_lock(&parent->latch);
	*p = *from;
	memcpy(windows, from->windows, count * sizeof(*windows));
	latch_unlock(&parent->latch);
	p->windows = windows;
	p->window_room = count + 1;
	p->sites = NULL;
	p->site_room = p->site_count = 0;
	for (size_t i = 0; i < p->arena_count; i++)
		ref_get(&p->arenas[i]->refs);
	latch_lock(&child->latch);
	child->patch = p;
	watch_locked(child, p);
	latch_unlock(&child->latch);
	return 0;
}

void notify_patch_reset(struct plat_mm *mm)
{
	struct patch *p;

	mutex_lock(&mm->patch_mutex);
	latch_lock(&mm->latch);
	p = mm->patch;
	mm->patch = NULL;
	if (mm->process)
		mm->process->watch_count = 0;
	latch_unlock(&mm->latch);
	mutex_unlock(&mm->patch_mutex);
	patch_free(p);
}

void notify_patch_free(struct plat_mm *mm)
{
	patch_free(mm->patch);
	mm->patch = NULL;
}
