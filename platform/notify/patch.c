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
 */
#include "platform/notify/patch_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "platform/notify/notify_impl.h"

#define SITES_MAX    4096
#define DROPS_MAX    64  /* a program that goes on changing its text is left alone */

/*
 * A site is patched at its 6th trap, if the process has trapped 64 times: it costs about 10 µs, the first in a module
 * 100, and saves 2 a call.
 */
#define SITE_CALLS    6
#define PROCESS_CALLS 64

static struct {
	bool on;
	uint32_t site_calls, process_calls;
} config;

/* For `debug --patches`. */
static const char *const why_text[SITE_WHY_COUNT] = {
	[SITE_WHY_OTHER] = "no syscall instruction (int 0x80, vsyscall page)",
	[SITE_WHY_UNKNOWN] = "neighbouring instructions not understood",
	[SITE_WHY_PINNED] = "neighbouring instructions can't be moved",
	[SITE_WHY_FAR] = "no room for a trampoline within reach",
	[SITE_WHY_BESIDE] = "too near to another patched site",
	[SITE_WHY_MIDDLE] = "entered in its middle again and again",
	[SITE_WHY_CHANGED] = "the text was changing",
	[SITE_WHY_MEMORY] = "the Sentry has no memory",
	[SITE_WHY_WRITABLE] = "writable text",
	[SITE_WHY_SHARED] = "shared mapping",
	[SITE_WHY_HOSTS] = "vDSO",
	[SITE_WHY_UNREADABLE] = "text that can't be read",
	[SITE_WHY_MODULES] = "too many patched mappings",
};

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

/* ---- tables ----------------------------------------------------------------------------------- */

/* REQUIRES mm->latch.  Index of the first window that ends behind addr. */
size_t patch_window_index(const struct patch *p, uint64_t addr)
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
struct patch_window *patch_window_peek(struct patch *p, uint64_t addr)
{
	size_t i = patch_window_index(p, addr);

	return i < p->window_count && p->windows[i].addr <= addr ? &p->windows[i] : NULL;
}

/* REQUIRES mm->latch.  The window whose trampoline holds addr. */
struct patch_window *patch_trampoline_peek(struct patch *p, uint64_t addr)
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
	/* A stub that reads a list while it changes sees it by the number, and asks (stub_is_watched()). */
	(void)__atomic_fetch_add(&s->watch_seq, 1, __ATOMIC_ACQ_REL); /* what follows stays behind it */
	for (size_t i = 0; i < p->arena_count; i++) {
		s->watch[count].start = p->arenas[i]->addr;
		s->watch[count++].end = p->arenas[i]->addr + ARENA_SIZE;
	}
	for (size_t i = 0; i < p->module_count; i++) {
		s->watch[count].start = p->modules[i].start;
		s->watch[count++].end = p->modules[i].end;
	}
	__atomic_store_n(&s->watch_count, count, __ATOMIC_RELAXED);
	(void)__atomic_fetch_add(&s->watch_seq, 1, __ATOMIC_RELEASE);
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
	i = patch_window_index(p, w->addr);
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
	w = patch_window_peek(p, addr);
	if (w)
		w->state = state;
	latch_unlock(&mm->latch);
}

static void site_set(struct plat_mm *mm, struct patch *p, uint64_t ip, enum site_state state,
		     enum site_why why)
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

/* It stays cold for now. */
static void site_why_set(struct plat_mm *mm, struct patch *p, uint64_t ip, enum site_why why)
{
	struct patch_site *s;

	latch_lock(&mm->latch);
	s = site_peek(p, ip);
	if (s)
		s->why = (uint8_t)why;
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
static bool trampoline_make(const struct patch *p, struct patch_window *w)
{
	for (size_t i = 0; i < p->arena_count; i++) {
		if (!p->closed[i] && patch_arena_fill(p->arenas[i], w))
			return true;
	}
	return false;
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
		i = patch_window_index(p, w->addr);
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
			    struct patch_scan *s)
{
	struct patch_arena *a = NULL;
	struct patch_scan *own = NULL;

	if (trampoline_make(p, w))
		return true;
	if (!s) {
		own = s = mem_new(struct patch_scan);
		if (s && patch_scan(pt, ip, s) != SITE_WHY_NONE)
			s = NULL;
	}
	if (s && p->arena_count < ARENAS_MAX && !__atomic_load_n(&notify_mm_told(pt->mm)->crowded, __ATOMIC_RELAXED))
		a = patch_arena_new(pt, p, s);
	mem_free(own);
	if (!a)
		return false;
	latch_lock(&pt->mm->latch);
	p->arenas[p->arena_count++] = a;
	latch_unlock(&pt->mm->latch);
	return trampoline_make(p, w);
}

/* REQUIRES mm->latch.  Whether a live window lies in [start, end). */
static bool has_window(const struct patch *p, uint64_t start, uint64_t end)
{
	for (size_t i = patch_window_index(p, start); i < p->window_count && p->windows[i].addr < end; i++) {
		if (p->windows[i].state != WINDOW_DEAD)
			return true;
	}
	return false;
}

/* REQUIRES mm->latch; there is room.  Mappings that have become part of m meanwhile are forgotten. */
static void module_add(struct patch *p, const struct patch_module *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->module_count; i++) {
		if (p->modules[i].start < m->start || p->modules[i].end > m->end)
			p->modules[kept++] = p->modules[i];
	}
	p->modules[kept++] = *m;
	p->module_count = kept;
}

/*
 * REQUIRES mm->latch.  [start, end) is no module any more.  A mapping may have been merged from several, so what lies on
 * either side of it stays one if it has windows.  Returns where the last piece ends that there was no room for, or 0.
 */
static uint64_t modules_cut(struct patch *p, uint64_t start, uint64_t end)
{
	struct patch_module all[2 * MODULES_MAX], *m;
	size_t count = 0;
	uint64_t left = 0;

	for (size_t i = 0; i < p->module_count; i++) {
		m = &p->modules[i];
		if (m->end <= start || m->start >= end) {
			all[count++] = *m;
			continue;
		}
		if (m->start < start && has_window(p, m->start, start))
			all[count++] = (struct patch_module){ m->start, start };
		if (m->end > end && has_window(p, end, m->end))
			all[count++] = (struct patch_module){ end, m->end };
	}
	if (count > MODULES_MAX) { /* one mapping was cut in two: the last two pieces of it */
		for (size_t i = 0; i < count; i++) {
			if (all[i].start == end)
				left = all[i].end;
		}
		return left;
	}
	memcpy(p->modules, all, count * sizeof(*all));
	p->module_count = count;
	return 0;
}

/* REQUIRES mm->patch_mutex.  Patch the site behind which ip is, in m; 0, or why not. */
static enum site_why window_make(struct plat_thread *pt, struct patch *p, uint64_t ip,
				 const struct patch_module *m, struct patch_scan *s)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window w = { .state = WINDOW_CHANGING };
	enum callsite_refusal r = plan(pt, m, ip, &w.plan);
	bool again;

	if (r != CALLSITE_OK)
		return (enum site_why)r;
	w.addr = ip - 2 - w.plan.syscall;
	if (!windows_reserve(mm, p))
		return SITE_WHY_MEMORY;
	if (!make_way(mm, p, &w, &again))
		return SITE_WHY_BESIDE;
	if (!again && !trampoline_find(pt, p, &w, ip, s))
		return SITE_WHY_FAR;
	latch_lock(&mm->latch);
	if (s)
		module_add(p, m);
	watch_locked(mm, p);
	latch_unlock(&mm->latch);
	if (!again)
		window_insert(mm, p, &w);
	if (rewrite(pt, p, &w, true, w.trampoline + w.parts.resume) < 0) {
		window_set(mm, p, w.addr, WINDOW_DEAD);
		return SITE_WHY_CHANGED;
	}
	window_set(mm, p, w.addr, WINDOW_LIVE);
	return SITE_WHY_NONE;
}

/* *unfit: the memory can't be patched as it is mapped now. */
static enum site_why site_patch(struct plat_thread *pt, struct patch *p, uint64_t ip, bool *unfit)
{
	enum site_why why = SITE_WHY_NONE;
	struct patch_module m;
	struct patch_scan *s;

	if (module_has(p, ip - 2, &m))
		return window_make(pt, p, ip, &m, NULL);
	s = mem_new(struct patch_scan);
	if (!s)
		why = SITE_WHY_MEMORY;
	else if (p->module_count == MODULES_MAX)
		why = SITE_WHY_MODULES;
	else
		why = patch_scan(pt, ip, s);
	*unfit = why != SITE_WHY_NONE;
	if (!*unfit)
		why = window_make(pt, p, ip, &s->module, s);
	mem_free(s);
	return why;
}

/* Whether the text says that this live site isn't patched any more (MADV_DONTNEED). */
static bool is_undone(struct plat_thread *pt, struct patch *p, uint64_t ip)
{
	uint8_t bytes[CALLSITE_JMP], now[CALLSITE_JMP];
	struct patch_window *w;
	uint64_t addr = 0;

	latch_lock(&pt->mm->latch);
	w = patch_window_peek(p, ip - 2);
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
	struct patch_site *s;
	enum site_state state = SITE_REFUSED;
	enum site_why why;
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
		w = patch_window_peek(p, ip - 2);
		if (w)
			w->state = WINDOW_DEAD;
		latch_unlock(&mm->latch);
	} else if (state != SITE_COLD) {
		return;
	}
	why = site_patch(pt, p, ip, &unfit);
	if (unfit) {
		site_why_set(mm, p, ip, why); /* tried again after four times as many calls */
		return;
	}
	log_debug("site %#llx: %s", (unsigned long long)ip - 2, why ? why_text[why] : "patched");
	site_set(mm, p, ip, why == SITE_WHY_NONE ? SITE_LIVE : SITE_REFUSED, why);
}

void patch_seen(struct plat_thread *pt, uint64_t ip, uint32_t count)
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
		patch_to_app(pt, p);
	patch_seen(pt, pt->registers.rip, notify_patch_interval());
}

/* ---- undoing ---------------------------------------------------------------------------------- */

/* REQUIRES mm->patch_mutex.  Restore the window at addr, or forget it where its text is about to go. */
static void window_undo(struct plat_thread *pt, struct patch *p, uint64_t addr, bool restore)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window copy, *w;

	latch_lock(&mm->latch);
	w = patch_window_peek(p, addr);
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
	site_set(mm, p, copy.addr + copy.plan.syscall + 2, SITE_COLD, SITE_WHY_NONE);
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

/* REQUIRES mm->patch_mutex */
static void windows_undo(struct plat_thread *pt, struct patch *p, const struct effect *e)
{
	uint64_t addr;
	bool gone;

	while (window_touched(pt->mm, p, e, &addr, &gone))
		window_undo(pt, p, addr, !gone);
}

/*
 * An arena that the application has laid hands on stays in the list, and its windows as DEAD: a thread
 * may be on its way into one of its trampolines.
 */
static void effect_apply(struct plat_thread *pt, struct patch *p, const struct effect *e)
{
	struct plat_mm *mm = pt->mm;
	struct effect rest = { e->end, 0, false };

	mutex_lock(&mm->patch_mutex);
	windows_undo(pt, p, e);
	latch_lock(&mm->latch);
	rest.end = modules_cut(p, e->start, e->end);
	latch_unlock(&mm->latch);
	if (rest.end)
		windows_undo(pt, p, &rest);
	latch_lock(&mm->latch);
	if (rest.end)
		(void)modules_cut(p, e->start, rest.end);
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

void patch_give_up(struct plat_thread *pt, struct patch *p, uint64_t addr)
{
	struct plat_mm *mm = pt->mm;
	struct patch_window *w;
	uint64_t ip = 0;

	mutex_lock(&mm->patch_mutex);
	latch_lock(&mm->latch);
	w = patch_window_peek(p, addr);
	if (w && w->state == WINDOW_LIVE) {
		ip = w->addr + w->plan.syscall + 2;
		addr = w->addr;
	}
	latch_unlock(&mm->latch);
	if (ip) {
		window_undo(pt, p, addr, true);
		site_set(mm, p, ip, SITE_REFUSED, SITE_WHY_MIDDLE);
	}
	mutex_unlock(&mm->patch_mutex);
}

/* ---- debug --patches ------------------------------------------------------------------------- */

static struct plat_site site_shown(const struct patch *p, const struct patch_site *s)
{
	const char *why = why_text[s->why];

	if (!why && p->off && s->count >= config.site_calls)
		why = "text that keeps changing";
	return (struct plat_site){ s->ip - 2, why ? PLAT_SITE_LEFT : PLAT_SITE_COLD, why };
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
			out[n++] = site_shown(p, s);
	}
	for (size_t i = 0; p && i < p->window_count && n < room; i++) {
		const struct patch_window *w = &p->windows[i];

		if (w->state == WINDOW_LIVE)
			out[n++] = (struct plat_site){ w->addr + w->plan.syscall, PLAT_SITE_PATCHED, NULL };
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
		patch_arena_put(p->arenas[i]);
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
