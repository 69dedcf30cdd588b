/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn.h: where an x86-64 instruction ends, and what must be known of it to run it at another
 * address.  Nothing else: no operands, no mnemonics.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

#define INSN_MAX 15

enum insn_kind {
	INSN_PLAIN,    /* the same anywhere, once a RIP-relative operand is adjusted */
	INSN_NOP,      /* does nothing: fills the room between functions */
	INSN_JCC,      /* conditional jump to rel8 or rel32 */
	INSN_JMP,      /* jump to rel8 or rel32 */
	INSN_END,      /* control never comes to what follows: ret, indirect jmp, ud2, hlt */
	INSN_SYSCALL,
	INSN_PINNED,   /* must stay where it is: pushes its address, or is something out of the way */
};

struct insn {
	uint8_t length;
	uint8_t kind;      /* enum insn_kind */
	uint8_t condition; /* INSN_JCC: low four bits of the opcode */
	uint8_t disp_at;   /* offset of a disp32 relative to RIP; 0: none */
	int32_t rel;       /* INSN_JCC, INSN_JMP: target, relative to the next instruction */
};

/*
 * Decode what begins at code, of which size bytes may be read.  Length, or 0: not an instruction, cut
 * off, or one that isn't known here (which is never guessed at).
 */
int insn_decode(const uint8_t *code, size_t size, struct insn *out) must_check;
