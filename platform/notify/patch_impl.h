/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch_impl.h: inside call-site patching: the tables of one address space (patch.c), arenas (patch_arena.c), the
 * two views of text and registers (patch_view.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/latch.h"
#include "lib/ref.h"
#include "platform/arch/x86_64/callsite.h"
#include "platform/notify/patch.h"

#define ARENA_SIZE   (16ull << 20)
#define ARENAS_MAX   8
#define MODULES_MAX  24

/* Room for trampolines, shared by the processes that were forked with it; mapped at addr in all of them. */
struct patch_arena {
	struct ref refs;
	struct latch latch;
	uint64_t addr;
	uint8_t *view; /* (c) our mapping of it */
	struct {
		uint32_t at, size;
	} *used; /* (latch) by address */
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

/* Why a site is left on SIGSYS; the first ones are enum callsite_refusal's. */
enum site_why {
	SITE_WHY_NONE,
	SITE_WHY_OTHER = CALLSITE_NOT_SYSCALL,
	SITE_WHY_UNKNOWN = CALLSITE_UNKNOWN,
	SITE_WHY_PINNED = CALLSITE_PINNED,
	SITE_WHY_FAR,     /* no room for a trampoline near enough */
	SITE_WHY_BESIDE,  /* its window would meet another one */
	SITE_WHY_MIDDLE,  /* the program comes to the window's middle again and again */
	SITE_WHY_CHANGED, /* the text was not what it had been a moment ago */
	SITE_WHY_MEMORY,  /* ours */
	/* Mappings that can't be patched as they are now: tried again later. */
	SITE_WHY_WRITABLE,
	SITE_WHY_SHARED,
	SITE_WHY_HOSTS,   /* the vDSO */
	SITE_WHY_UNREADABLE, /* text that can't be read, or is gone */
	SITE_WHY_MODULES, /* too many patched mappings */
	SITE_WHY_COUNT
};

struct patch_site {
	uint64_t ip; /* behind the instruction; 0: free */
	uint32_t count;
	uint8_t state, why; /* enum site_why */
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

/* What the host's maps say around a site. */
struct patch_scan {
	uint64_t ip;
	enum site_why why; /* a mapping holds ip, and may be patched (NONE), or not */
	struct patch_module module;
	size_t count;
	struct {
		uint64_t start, end;
	} taken[512];
};

/* patch.c */

/* REQUIRES mm->latch.  Index of the first window that ends behind addr. */
size_t patch_window_index(const struct patch *p, uint64_t addr);
/* REQUIRES mm->latch.  The window with this address in it; the one whose trampoline holds it. */
struct patch_window *patch_window_peek(struct patch *p, uint64_t addr);
struct patch_window *patch_trampoline_peek(struct patch *p, uint64_t addr);
/* The program comes to the middle of this window again and again: restore it, for good. */
void patch_give_up(struct plat_thread *pt, struct patch *p, uint64_t addr);
/* count calls came by SIGSYS, the last of them from ip. */
void patch_seen(struct plat_thread *pt, uint64_t ip, uint32_t count);

/* patch_arena.c */

/* Look for s->ip in the maps: NONE if it may be patched. */
enum site_why patch_scan(struct plat_thread *pt, uint64_t ip, struct patch_scan *s) must_check;
/* REQUIRES mm->patch_mutex.  Map a new arena near s->module into pt's address space; NULL: no room. */
struct patch_arena *patch_arena_new(struct plat_thread *pt, const struct patch *p,
				    const struct patch_scan *s);
void patch_arena_put(struct patch_arena *a);
/* Write a trampoline for w's plan into a free place of a, and w's jump to it.  False: no room near enough. */
bool patch_arena_fill(struct patch_arena *a, struct patch_window *w) must_check;

/* patch_view.c */

/* pt's registers' instruction pointer as the application may know it. */
void patch_to_app(struct plat_thread *pt, struct patch *p);
