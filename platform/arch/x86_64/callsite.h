/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callsite.h: how a `syscall` instruction becomes a jump into a trampoline.  Pure functions over bytes;
 * docs/patching.md has the picture, platform/notify/patch.c the life cycle.
 *
 * The window is a run of whole instructions with the `syscall` in it, at least 5 bytes; its first 5
 * become `jmp trampoline`.  Of the instruction boundaries inside these 5 bytes each gets a byte that
 * traps whatever follows it (the trampoline's address is chosen so), so that a jump, a return or a
 * resumed thread that comes to one is noticed and goes on in the trampoline: what comes to a window
 * at any of its instructions runs the same instructions in the same order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

#define CALLSITE_JMP       5
#define CALLSITE_INSNS     8   /* instructions in a window, the syscall included */
#define CALLSITE_WINDOW    40  /* bytes: never more */
#define CALLSITE_CODE      160 /* bytes of a trampoline: never more */
#define CALLSITE_BEFORE    80  /* bytes before the syscall that are worth having */
#define CALLSITE_AFTER     64  /* the same behind it */

/* Why a site can't be patched. */
enum callsite_refusal {
	CALLSITE_OK,
	CALLSITE_NOT_SYSCALL, /* the bytes before the address are not `syscall` */
	CALLSITE_UNKNOWN,     /* instructions that are not understood, or not surely found */
	CALLSITE_PINNED,      /* instructions that can't be moved */
};

struct callsite {
	uint8_t size;       /* of the window */
	uint8_t syscall;    /* offset of the syscall instruction in it */
	uint8_t count;      /* instructions, the syscall included */
	uint8_t traps;      /* bit n: offset n, in 1…4, is an instruction's beginning */
	bool ends;          /* control never leaves at the window's end */
	uint8_t at[CALLSITE_INSNS]; /* offsets of the instructions */
	uint8_t bytes[CALLSITE_WINDOW];
};

/*
 * Plan for the syscall at code + at (size readable bytes at code): the window begins before code + at
 * by out->syscall bytes.
 */
enum callsite_refusal callsite_plan(const uint8_t *code, size_t size, size_t at, struct callsite *out);

/* Where a trampoline's parts are, as offsets in it. */
struct trampoline {
	uint16_t size;
	uint16_t insn[CALLSITE_INSNS]; /* each moved instruction; for the syscall: the way to the stub */
	uint16_t call;    /* a real syscall instruction, for when the quick way isn't open */
	uint16_t resume;  /* where a call comes back to */
	uint16_t tail;    /* behind the last instruction: the jump back */
	uint16_t desc;    /* struct trampoline_desc */
};

/* What the stub's entry finds by r11; kept at the trampoline's end. */
struct trampoline_desc {
	uint64_t entry;  /* of the stub */
	uint64_t ip;     /* behind the application's syscall instruction */
	uint64_t call, resume;
};

/*
 * The lowest address in [from, to) at which a trampoline may begin for the window at addr, or 0.  Only the bytes
 * of the displacement are looked at; *skip_to is where to go on when the place is taken.
 */
uint64_t callsite_place(const struct callsite *c, uint64_t addr, uint64_t from, uint64_t to);
/* The jump for the window's first 5 bytes; false: out of reach, or a boundary would not trap. */
bool callsite_jump(const struct callsite *c, uint64_t addr, uint64_t trampoline,
		   uint8_t out[CALLSITE_JMP]);
/*
 * Write the trampoline that will lie at address trampoline into out[CALLSITE_CODE].  False: something
 * is out of reach from there.
 */
bool callsite_emit(const struct callsite *c, uint64_t addr, uint64_t trampoline, uint64_t entry,
		   uint8_t *out, struct trampoline *parts);

/*
 * An address in the trampoline as the application may see it.  *after_call: the call was made, and rcx is yet to be
 * set to where it returns to.
 */
uint64_t callsite_to_app(const struct callsite *c, const struct trampoline *t, uint64_t addr,
			 uint32_t offset, bool *after_call);
/* The trampoline's offset for the instruction at offset in the window; -1: none begins there. */
int callsite_to_trampoline(const struct callsite *c, const struct trampoline *t, uint32_t offset);
/* Whether b at an instruction's beginning traps whatever follows. */
bool callsite_byte_traps(uint8_t b);
