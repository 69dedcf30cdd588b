/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch_arena.c: memory for trampolines: where it lies, so that every kind of window has a place in it, and who has
 * which part of it; patch_impl.h, docs/patching.md.
 *
 * An arena is a memfd that the Sentry writes through a mapping older than the seal against new writable ones.
 */
#include "platform/notify/patch_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "platform/notify/notify_impl.h"

void patch_arena_put(struct patch_arena *a)
{
	if (!ref_put(&a->refs))
		return;
	(void)host_munmap(a->view, ARENA_SIZE);
	mem_free(a->used);
	mem_free(a);
}

/* The first entry of a->used (which is sorted) that ends above addr. */
static size_t arena_first_above(const struct patch_arena *a, uint64_t addr)
{
	size_t low = 0, high = a->used_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->addr + a->used[mid].at + a->used[mid].size > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool arena_insert(struct patch_arena *a, size_t i, uint64_t at)
{
	if (a->used_count == a->used_room)
		return false;
	memmove(&a->used[i + 1], &a->used[i], (a->used_count - i) * sizeof(*a->used));
	a->used[i].at = (uint32_t)(at - a->addr);
	a->used[i].size = CALLSITE_CODE;
	a->used_count++;
	return true;
}

/* A free place for a trampoline, or 0. */
static uint64_t arena_place(struct patch_arena *a, const struct callsite *c, uint64_t addr)
{
	uint64_t at, from = a->addr, end = a->addr + ARENA_SIZE - CALLSITE_CODE;

	latch_lock(&a->latch);
	for (;;) {
		size_t i;

		at = callsite_place(c, addr, from, end);
		if (at == 0)
			break;
		i = arena_first_above(a, at);
		if (i == a->used_count || a->addr + a->used[i].at >= at + CALLSITE_CODE) {
			if (!arena_insert(a, i, at))
				at = 0;
			break;
		}
		from = a->addr + a->used[i].at + a->used[i].size;
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

static int scan_map(void *arg, const struct plat_map *m)
{
	struct patch_scan *s = arg;

	/* Mappings with no room for an arena between them are one. */
	if (s->count > 0 && m->start < s->taken[s->count - 1].end + ARENA_SIZE) {
		s->taken[s->count - 1].end = m->end;
	} else {
		if (s->count == ARRAY_SIZE(s->taken))
			return -E2BIG;
		s->taken[s->count].start = m->start;
		s->taken[s->count++].end = m->end;
	}
	if (s->ip < m->start || s->ip >= m->end)
		return 0;
	/* Shared text is the file's; writable text changes without a word; the vDSO is the host's. */
	if (m->name[0] == '[')
		s->why = SITE_WHY_HOSTS;
	else if (m->prot[3] != 'p')
		s->why = SITE_WHY_SHARED;
	else if (m->prot[1] == 'w')
		s->why = SITE_WHY_WRITABLE;
	else if (strcmp(m->prot, "r-xp") == 0)
		s->why = SITE_WHY_NONE;
	s->module = (struct patch_module){ m->start, m->end };
	return 0;
}

enum site_why patch_scan(struct plat_thread *pt, uint64_t ip, struct patch_scan *s)
{
	s->ip = ip - 2;
	s->why = SITE_WHY_UNREADABLE;
	s->count = 0;
	if (plat_mm_maps(pt->mm, false, scan_map, s) != 0)
		return SITE_WHY_MEMORY;
	if (s->why == SITE_WHY_NONE && s->module.end - s->module.start >= (1ull << 30))
		return SITE_WHY_FAR;
	return s->why;
}

static bool scan_is_free(const struct patch_scan *s, uint64_t start, uint64_t end)
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

static uint64_t arena_address(const struct patch *p, const struct patch_scan *s,
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

struct patch_arena *patch_arena_new(struct plat_thread *pt, const struct patch *p,
				    const struct patch_scan *s)
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
		patch_arena_put(a);
		return NULL;
	}
	return a;
}

bool patch_arena_fill(struct patch_arena *a, struct patch_window *w)
{
	uint8_t code[CALLSITE_CODE];

	if (!arena_reserve(a))
		return false;
	w->trampoline = arena_place(a, &w->plan, w->addr);
	if (!w->trampoline)
		return false;
	if (!callsite_emit(&w->plan, w->addr, w->trampoline, notify.patched_entry, code, &w->parts) ||
	    !callsite_jump(&w->plan, w->addr, w->trampoline, w->jump))
		return false;
	w->arena = a;
	memcpy(a->view + (w->trampoline - a->addr), code, w->parts.size);
	return true;
}
