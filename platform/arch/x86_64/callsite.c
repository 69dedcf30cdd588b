/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callsite.c: planning and writing trampolines.  The bytes are an application's, so hostile: whatever
 * comes out is run only by that application, with its own rights.
 *
 * What follows the syscall is decoded from a sure beginning, so it is taken first.  What precedes it
 * is found by decoding from every offset in some distance: one of them is a true beginning (code runs
 * into the syscall without a gap), so if all of them agree on the last instructions, these are true.
 *
 * A trampoline:
 *
 *     <moved instructions before the call>
 *     lea   desc(%rip), %r11       rcx and r11 are the call's to destroy
 *     jmp   *desc.entry(%rip)      into the stub, with the application's stack
 *     syscall                      "call": traps to SIGSYS; the stub comes here when it can't serve
 *     lea   ip(%rip), %rcx         "resume": rcx as the instruction leaves it (r11 is right already)
 *     <moved instructions behind>
 *     jmp   end of the window      "tail"
 *     desc
 */
#include "platform/arch/x86_64/callsite.h"

#include <string.h>

#include "platform/arch/x86_64/insn.h"

#define LONGEST_BACK 64
#define SURELY_BACK  28 /* chains that begin nearer have had no time to fall into step */

/* ---- planning --------------------------------------------------------------------------------- */

static bool is_movable(const struct insn *i)
{
	return i->kind == INSN_PLAIN || i->kind == INSN_NOP || i->kind == INSN_JCC ||
	       i->kind == INSN_JMP || i->kind == INSN_END;
}

static void plan_init(struct callsite *c)
{
	memset(c, 0, sizeof(*c));
}

static bool plan_add(struct callsite *c, const uint8_t *code, size_t length)
{
	if (c->count == CALLSITE_INSNS || c->size + length > CALLSITE_WINDOW)
		return false;
	memcpy(c->bytes + c->size, code, length);
	c->at[c->count++] = c->size;
	if (c->size > 0 && c->size < CALLSITE_JMP)
		c->traps |= (uint8_t)(1u << c->size);
	c->size = (uint8_t)(c->size + length);
	return true;
}

/* Nobody's bytes behind an instruction that doesn't go on: the jump may cover them. */
static bool pad(struct callsite *c, const uint8_t *code, size_t size)
{
	struct insn i;
	size_t at = 0;

	while (c->size < CALLSITE_JMP) {
		if (insn_decode(code + at, size - at, &i) == 0 || i.kind != INSN_NOP)
			return false;
		if (!plan_add(c, code + at, i.length))
			return false;
		at += i.length;
	}
	return true;
}

static enum callsite_refusal plan_forward(const uint8_t *code, size_t size, struct callsite *c)
{
	size_t at = 2;
	struct insn i;

	plan_init(c);
	(void)plan_add(c, code, 2);
	while (c->size < CALLSITE_JMP) {
		if (insn_decode(code + at, size - at, &i) == 0)
			return CALLSITE_UNKNOWN;
		if (!is_movable(&i) || !plan_add(c, code + at, i.length))
			return CALLSITE_PINNED;
		at += i.length;
		if (i.kind == INSN_END || i.kind == INSN_JMP) {
			c->ends = true;
			return c->size >= CALLSITE_JMP || pad(c, code + at, size - at) ? CALLSITE_OK
										      : CALLSITE_PINNED;
		}
	}
	return CALLSITE_OK;
}

/*
 * The beginnings of instructions before code + at that all chains agree on: bit n of the result is
 * code + at - n; 0: none.  A chain that misses the syscall is no true one.  One that comes to
 * something unknown may be, unless it is so far back that the next chains start behind it.
 */
static uint64_t agree_back(const uint8_t *code, size_t size, size_t at)
{
	uint64_t all = ~0ull, chain;
	bool any = false;
	struct insn i;

	for (size_t start = at > LONGEST_BACK - 1 ? at - (LONGEST_BACK - 1) : 0;
	     start + SURELY_BACK <= at; start++) {
		size_t p = start;

		for (chain = 0; p < at; p += i.length) {
			if (insn_decode(code + p, size - p, &i) == 0)
				break;
			if (at - p < SURELY_BACK)
				chain |= 1ull << (at - p);
		}
		if (p < at && at - p < SURELY_BACK)
			return 0;
		if (p == at) {
			all &= chain;
			any = true;
		}
	}
	return any ? all : 0;
}

static enum callsite_refusal plan_back(const uint8_t *code, size_t size, size_t at, struct callsite *c)
{
	uint64_t begins = agree_back(code, size, at);
	struct insn i;
	size_t p;

	for (size_t back = 3; back < 16; back++) {
		if (!(begins & (1ull << back)))
			continue;
		plan_init(c);
		for (p = at - back; p < at; p += i.length) {
			if (insn_decode(code + p, size - p, &i) == 0 || !(begins & (1ull << (at - p))))
				return CALLSITE_UNKNOWN;
			if (i.kind != INSN_PLAIN && i.kind != INSN_NOP && i.kind != INSN_JCC)
				return CALLSITE_PINNED;
			if (!plan_add(c, code + p, i.length))
				return CALLSITE_PINNED;
		}
		if (p != at)
			return CALLSITE_UNKNOWN;
		c->syscall = c->size;
		return plan_add(c, code + at, 2) ? CALLSITE_OK : CALLSITE_PINNED;
	}
	return CALLSITE_UNKNOWN;
}

enum callsite_refusal callsite_plan(const uint8_t *code, size_t size, size_t at, struct callsite *out)
{
	enum callsite_refusal ahead, back;

	if (at + 2 > size || code[at] != 0x0f || code[at + 1] != 0x05)
		return CALLSITE_NOT_SYSCALL;
	ahead = plan_forward(code + at, size - at, out);
	if (ahead == CALLSITE_OK)
		return CALLSITE_OK;
	back = plan_back(code, size, at, out);
	return back == CALLSITE_OK ? CALLSITE_OK : ahead == CALLSITE_PINNED ? ahead : back;
}

/* ---- the place -------------------------------------------------------------------------------- */

/*
 * Invalid in 64-bit mode, privileged (in, out, ins, outs, cli, sti, hlt), or int3.  Left out: what
 * newer processors have given a meaning to (62, c4, c5, d5) or might soon (d4, d6).
 */
bool callsite_byte_traps(uint8_t b)
{
	switch (b) {
	case 0x06: case 0x07: case 0x0e: case 0x16: case 0x17: case 0x1e: case 0x1f: case 0x27:
	case 0x2f: case 0x37: case 0x3f: case 0x60: case 0x61: case 0x6c: case 0x6d: case 0x6e:
	case 0x6f: case 0x9a: case 0xcc: case 0xce: case 0xea: case 0xec: case 0xed: case 0xee:
	case 0xef: case 0xf4: case 0xfa: case 0xfb:
		return true;
	default:
		return false;
	}
}

/* The jump's displacement; false: out of reach. */
static bool displacement(uint64_t from, uint64_t to, int32_t *out)
{
	int64_t d = (int64_t)(to - from);

	*out = (int32_t)d;
	return d == *out;
}

bool callsite_jump(const struct callsite *c, uint64_t addr, uint64_t trampoline,
		   uint8_t out[CALLSITE_JMP])
{
	int32_t d;

	if (!displacement(addr + CALLSITE_JMP, trampoline, &d))
		return false;
	out[0] = 0xe9;
	memcpy(out + 1, &d, 4);
	for (unsigned int n = 1; n < CALLSITE_JMP; n++) {
		if ((c->traps & (1u << n)) && !callsite_byte_traps(out[n]))
			return false;
	}
	return true;
}

uint64_t callsite_place(const struct callsite *c, uint64_t addr, uint64_t from, uint64_t to)
{
	uint8_t jump[CALLSITE_JMP];
	uint64_t step, d;
	int32_t rel;

	for (uint64_t a = from; a < to; a += step) {
		if (!displacement(addr + CALLSITE_JMP, a, &rel))
			return 0;
		if (callsite_jump(c, addr, a, jump))
			return a;
		d = a - (addr + CALLSITE_JMP);
		step = 1;
		/* The highest byte that must change tells how far to go. */
		for (unsigned int n = CALLSITE_JMP - 1; n > 0; n--) {
			if ((c->traps & (1u << n)) && !callsite_byte_traps(jump[n])) {
				step = (1ull << (8 * (n - 1))) - (d & ((1ull << (8 * (n - 1))) - 1));
				break;
			}
		}
	}
	return 0;
}

/* ---- writing ---------------------------------------------------------------------------------- */

struct emit {
	uint8_t *out;
	uint64_t base; /* address of out[0] */
	size_t at;
	bool ok;
};

static void put(struct emit *e, const void *bytes, size_t n)
{
	if (e->at + n > CALLSITE_CODE) {
		e->ok = false;
		return;
	}
	memcpy(e->out + e->at, bytes, n);
	e->at += n;
}

/* Opcode bytes and a rel32 that ends the instruction. */
static void put_relative(struct emit *e, const uint8_t *opcode, size_t n, uint64_t target)
{
	int32_t d;

	put(e, opcode, n);
	e->ok &= displacement(e->base + e->at + 4, target, &d);
	put(e, &d, 4);
}

static void put_insn(struct emit *e, const uint8_t *code, uint64_t addr)
{
	struct insn i;
	uint8_t bytes[INSN_MAX];
	int32_t disp, moved;

	if (insn_decode(code, INSN_MAX, &i) == 0) {
		e->ok = false;
		return;
	}
	if (i.kind == INSN_JCC) {
		put_relative(e, (const uint8_t[]){ 0x0f, (uint8_t)(0x80 | i.condition) }, 2,
			     addr + i.length + (uint64_t)(int64_t)i.rel);
		return;
	}
	if (i.kind == INSN_JMP) {
		put_relative(e, (const uint8_t[]){ 0xe9 }, 1, addr + i.length + (uint64_t)(int64_t)i.rel);
		return;
	}
	memcpy(bytes, code, i.length);
	if (i.disp_at) {
		memcpy(&disp, bytes + i.disp_at, 4);
		e->ok &= displacement(e->base + e->at + i.length, addr + i.length + (uint64_t)(int64_t)disp,
				      &moved);
		memcpy(bytes + i.disp_at, &moved, 4);
	}
	put(e, bytes, i.length);
}

bool callsite_emit(const struct callsite *c, uint64_t addr, uint64_t trampoline, uint64_t entry,
		   uint8_t *out, struct trampoline *parts)
{
	static const uint8_t lea_r11[] = { 0x4c, 0x8d, 0x1d }, jmp_mem[] = { 0xff, 0x25 };
	static const uint8_t lea_rcx[] = { 0x48, 0x8d, 0x0d }, jmp_rel[] = { 0xe9 };
	static const uint8_t syscall_insn[] = { 0x0f, 0x05 };
	/* Room to decode the last instruction in without reading past the window. */
	uint8_t window[CALLSITE_WINDOW + INSN_MAX] = { 0 };
	struct emit e = { out, trampoline, 0, true };
	uint64_t ip = addr + c->syscall + 2;
	size_t lea_at = 0, jmp_at = 0, desc;
	struct trampoline_desc d;
	int32_t rel;

	memcpy(window, c->bytes, c->size);
	memset(out, 0xcc, CALLSITE_CODE);
	memset(parts, 0, sizeof(*parts));
	for (size_t n = 0; n < c->count; n++) {
		parts->insn[n] = (uint16_t)e.at;
		if (c->at[n] != c->syscall) {
			put_insn(&e, window + c->at[n], addr + c->at[n]);
			continue;
		}
		put(&e, lea_r11, 3);
		lea_at = e.at;
		put(&e, "\0\0\0\0", 4);
		put(&e, jmp_mem, 2);
		jmp_at = e.at;
		put(&e, "\0\0\0\0", 4);
		parts->call = (uint16_t)e.at;
		put(&e, syscall_insn, 2);
		parts->resume = (uint16_t)e.at;
		put_relative(&e, lea_rcx, 3, ip);
	}
	parts->tail = (uint16_t)e.at;
	if (!c->ends)
		put_relative(&e, jmp_rel, 1, addr + c->size);
	desc = (trampoline + e.at + 7) / 8 * 8 - trampoline;
	d = (struct trampoline_desc){ entry, ip, trampoline + parts->call, trampoline + parts->resume };
	if (!e.ok || desc + sizeof(d) > CALLSITE_CODE)
		return false;
	memcpy(out + desc, &d, sizeof(d));
	parts->desc = (uint16_t)desc;
	parts->size = (uint16_t)(desc + sizeof(d));
	rel = (int32_t)(desc - lea_at - 4);
	memcpy(out + lea_at, &rel, 4);
	rel = (int32_t)(desc - jmp_at - 4);
	memcpy(out + jmp_at, &rel, 4);
	return true;
}

/* ---- the two views of an instruction pointer --------------------------------------------------- */

uint64_t callsite_to_app(const struct callsite *c, const struct trampoline *t, uint64_t addr,
			 uint32_t offset, bool *after_call)
{
	size_t n = 0;

	*after_call = offset == t->resume;
	if (offset == t->resume)
		return addr + c->syscall + 2;
	if (offset >= t->tail)
		return addr + c->size;
	while (n + 1 < c->count && t->insn[n + 1] <= offset)
		n++;
	return addr + c->at[n];
}

int callsite_to_trampoline(const struct callsite *c, const struct trampoline *t, uint32_t offset)
{
	for (size_t n = 0; n < c->count; n++) {
		if (c->at[n] == offset)
			return t->insn[n];
	}
	return -1;
}
