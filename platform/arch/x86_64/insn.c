/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn.c: the lengths of x86-64 instructions.  The bytes are an application's, so hostile.
 *
 * The opcode maps are strings, a character an opcode (Intel SDM volume 2, appendix A):
 *
 *     .  nothing follows          m  ModRM                  r  rel8
 *     b  imm8                     B  ModRM, imm8            R  rel32
 *     z  imm16 or imm32           Z  ModRM, imm16/32        w  imm16
 *     v  imm16, 32 or 64 (mov)    f  group 3, byte          e  imm16, imm8 (enter)
 *     o  address (mov al)         F  group 3, word          x  invalid, or not to be guessed at
 *     p  prefix; escapes (0f, VEX c4 c5, EVEX 62) are looked at by hand
 *
 * tests/unit/platform/test_insn.c compares with Zydis over every byte of the system's libraries.
 */
#include "platform/arch/x86_64/insn.h"

#include <stdbool.h>
#include <string.h>

static const char map_one[] =
	"mmmmbzxxmmmmbzxp" /* 0 */
	"mmmmbzxxmmmmbzxx" /* 1 */
	"mmmmbzpxmmmmbzpx" /* 2 */
	"mmmmbzpxmmmmbzpx" /* 3 */
	"pppppppppppppppp" /* 4 */
	"................" /* 5 */
	"xxpmppppzZbB...." /* 6 */
	"rrrrrrrrrrrrrrrr" /* 7 */
	"BZxBmmmmmmmmmmmm" /* 8 */
	"..........x....." /* 9 */
	"oooo....bz......" /* a */
	"bbbbbbbbvvvvvvvv" /* b */
	"BBw.ppBZe.w..bx." /* c */
	"mmmmxxx.mmmmmmmm" /* d */
	"rrrrbbbbRRxr...." /* e */
	"p.pp..fF......mm"; /* f */

static const char map_0f[] =
	"mmmmx.....x.xm.x" /* 0 */
	"mmmmmmmmmmmmmmmm" /* 1 */
	"xxxxxxxxmmmmmmmm" /* 2 */
	"......x.pxpxxxxx" /* 3 */
	"mmmmmmmmmmmmmmmm" /* 4 */
	"mmmmmmmmmmmmmmmm" /* 5 */
	"mmmmmmmmmmmmmmmm" /* 6 */
	"BBBBmmm.xmxxmmmm" /* 7 */
	"RRRRRRRRRRRRRRRR" /* 8 */
	"mmmmmmmmmmmmmmmm" /* 9 */
	"...mBmxx...mBmmm" /* a */
	"mmmmmmmmmmBmmmmm" /* b */
	"mmBmBBBm........" /* c */
	"mmmmmmmmmmmmmmmm" /* d */
	"mmmmmmmmmmmmmmmm" /* e */
	"mmmmmmmmmmmmmmmm"; /* f */

_Static_assert(sizeof(map_one) == 257 && sizeof(map_0f) == 257, "256 opcodes");

struct decode {
	const uint8_t *p;
	size_t size, at;
	bool operand16, address32, rex_w, lock, rep, cut;
	uint8_t modrm;
	struct insn *out;
};

static uint8_t next(struct decode *d)
{
	if (d->at >= d->size || d->at >= INSN_MAX) {
		d->cut = true;
		return 0;
	}
	return d->p[d->at++];
}

static void skip(struct decode *d, size_t n)
{
	if (d->at + n > d->size || d->at + n > INSN_MAX)
		d->cut = true;
	else
		d->at += n;
}

static void modrm(struct decode *d)
{
	uint8_t m = next(d), mod = m >> 6, rm = m & 7, sib;

	d->modrm = m;
	if (mod == 3)
		return;
	if (mod == 0 && rm == 5) {
		d->out->disp_at = (uint8_t)d->at;
		skip(d, 4);
		return;
	}
	if (rm == 4) {
		sib = next(d);
		if (mod == 0 && (sib & 7) == 5)
			skip(d, 4);
	}
	if (mod == 1)
		skip(d, 1);
	else if (mod == 2)
		skip(d, 4);
}

static void relative(struct decode *d, size_t n)
{
	if (d->operand16) { /* ignored or not, depending on who made the processor */
		d->cut = true;
		return;
	}
	skip(d, n);
	if (d->cut)
		return;
	if (n == 1)
		d->out->rel = (int8_t)d->p[d->at - 1];
	else
		memcpy(&d->out->rel, d->p + d->at - 4, 4);
}

/* What the map's letter says; false: unknown. */
static bool follow(struct decode *d, char letter)
{
	size_t z = d->operand16 && !d->rex_w ? 2 : 4;

	switch (letter) {
	case '.':
		break;
	case 'b':
		skip(d, 1);
		break;
	case 'z':
		skip(d, z);
		break;
	case 'w':
		skip(d, 2);
		break;
	case 'e':
		skip(d, 3);
		break;
	case 'v':
		skip(d, d->rex_w ? 8 : z);
		break;
	case 'o':
		skip(d, d->address32 ? 4 : 8);
		break;
	case 'r':
		relative(d, 1);
		break;
	case 'R':
		relative(d, 4);
		break;
	case 'm':
		modrm(d);
		break;
	case 'B':
		modrm(d);
		skip(d, 1);
		break;
	case 'Z':
		modrm(d);
		skip(d, z);
		break;
	case 'f':
	case 'F':
		modrm(d);
		if (((d->modrm >> 3) & 7) < 2)
			skip(d, letter == 'f' ? 1 : z);
		break;
	default:
		return false;
	}
	return !d->cut;
}

/* ---- opcodes that mean something here -------------------------------------------------------- */

static uint8_t reg_field(const struct decode *d)
{
	return (d->modrm >> 3) & 7;
}

static bool one_byte(struct decode *d, uint8_t op)
{
	struct insn *o = d->out;

	if (!follow(d, map_one[op]))
		return false;
	switch (op) {
	case 0x70 ... 0x7f:
		o->kind = INSN_JCC;
		o->condition = op & 15;
		break;
	case 0x8f: /* else AMD's XOP */
		if (reg_field(d) != 0)
			return false;
		break;
	case 0x90:
		o->kind = d->rep ? INSN_PLAIN : INSN_NOP; /* f3 90 is pause */
		break;
	case 0xc2: case 0xc3: case 0xca: case 0xcb: case 0xcf: case 0xf4:
		o->kind = INSN_END;
		break;
	case 0xcc:
		o->kind = INSN_NOP; /* padding; nobody runs it */
		break;
	case 0xc6: case 0xc7: /* xabort, xbegin */
		if (reg_field(d) == 7)
			o->kind = INSN_PINNED;
		else if (reg_field(d) != 0)
			return false;
		break;
	case 0xe0 ... 0xe3: case 0xe8: case 0xf1:
		o->kind = INSN_PINNED;
		break;
	case 0xe9: case 0xeb:
		o->kind = INSN_JMP;
		break;
	case 0xfe:
		if (reg_field(d) > 1)
			return false;
		break;
	case 0xff:
		if (reg_field(d) == 2 || reg_field(d) == 3)
			o->kind = INSN_PINNED;
		else if (reg_field(d) == 4 || reg_field(d) == 5)
			o->kind = INSN_END;
		else if (reg_field(d) == 7)
			return false;
		break;
	}
	return true;
}

static bool two_byte(struct decode *d)
{
	uint8_t op = next(d);
	struct insn *o = d->out;

	if (op == 0x38 || op == 0x3a) {
		(void)next(d);
		return follow(d, op == 0x38 ? 'm' : 'B');
	}
	if (!follow(d, map_0f[op]))
		return false;
	switch (op) {
	case 0x05:
		o->kind = INSN_SYSCALL;
		break;
	case 0x01: case 0x07: case 0x34: case 0x35: case 0x37: case 0xaa:
		o->kind = INSN_PINNED;
		break;
	case 0x0b: case 0xb9: case 0xff:
		o->kind = INSN_END;
		break;
	case 0x1f:
		o->kind = INSN_NOP;
		break;
	case 0x80 ... 0x8f:
		o->kind = INSN_JCC;
		o->condition = op & 15;
		break;
	}
	return true;
}

/* VEX and EVEX: every opcode but vzeroupper has a ModRM; these have an immediate. */
static bool vector(struct decode *d, unsigned int map, uint8_t op)
{
	bool imm = map == 3 || (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
					     (op >= 0xc4 && op <= 0xc6)));

	if (d->operand16 || d->rep || d->lock)
		return false;
	if (map == 1 && op == 0x77)
		return true;
	return follow(d, imm ? 'B' : 'm');
}

static bool vex(struct decode *d, uint8_t escape)
{
	uint8_t b = next(d);
	unsigned int map = 1;

	if (escape == 0xc4) {
		map = b & 31;
		(void)next(d);
		if (map < 1 || map > 3)
			return false;
	}
	b = next(d);
	return vector(d, map, b);
}

static bool evex(struct decode *d)
{
	uint8_t p0 = next(d), p1 = next(d), op;
	unsigned int map = p0 & 7;

	(void)next(d);
	op = next(d);
	if ((p0 & 8) || !(p1 & 4) || map < 1 || map == 4 || map == 7)
		return false;
	return vector(d, map, op);
}

int insn_decode(const uint8_t *code, size_t size, struct insn *out)
{
	struct decode d = { .p = code, .size = size, .out = out };
	bool rex = false, known;
	uint8_t op;

	memset(out, 0, sizeof(*out));
	for (;;) {
		op = next(&d);
		if (d.cut)
			return 0;
		if ((op & 0xf0) == 0x40) {
			/* Counts only if it is the last prefix. */
			rex = true;
			d.rex_w = op & 8;
			continue;
		}
		if (op == 0x66)
			d.operand16 = true;
		else if (op == 0x67)
			d.address32 = true;
		else if (op == 0xf0)
			d.lock = true;
		else if (op == 0xf2 || op == 0xf3)
			d.rep = true;
		else if (op != 0x26 && op != 0x2e && op != 0x36 && op != 0x3e && op != 0x64 && op != 0x65)
			break;
		rex = d.rex_w = false;
	}
	if (op == 0x0f)
		known = two_byte(&d);
	else if (op == 0xc4 || op == 0xc5)
		known = !rex && vex(&d, op);
	else if (op == 0x62)
		known = !rex && evex(&d);
	else
		known = one_byte(&d, op);
	if (!known || d.cut)
		return 0;
	/* Who jumps past the prefix must find it where it was; EIP-relative is nobody's. */
	if (d.lock || (d.address32 && out->disp_at))
		out->kind = INSN_PINNED;
	out->length = (uint8_t)d.at;
	return out->length;
}
