/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf.c: a checker and an interpreter for classic BPF over struct seccomp_data (seccomp(2),
 * Documentation/networking/filter.rst).
 *
 * The language: an accumulator A, an index register X, 16 words of memory; jumps go forward only, so a
 * program ends.  bpf_check() lets through what Linux's bpf_check_classic(), check_load_and_stores()
 * and seccomp_check_filter() let through together; bpf_run() relies on it and checks nothing but a
 * division by an X of zero, which ends a program with 0 (SECCOMP_RET_KILL_THREAD).
 *
 * Loads are of 32-bit words at multiples of 4 within seccomp_data; BPF_LEN is its size.
 */
#include "sentry/seccomp/bpf.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define WORDS BPF_MEMWORDS

/* Instructions without a condition on k. */
static bool code_is_plain(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
	case BPF_ALU | BPF_ADD | BPF_K:
	case BPF_ALU | BPF_ADD | BPF_X:
	case BPF_ALU | BPF_SUB | BPF_K:
	case BPF_ALU | BPF_SUB | BPF_X:
	case BPF_ALU | BPF_MUL | BPF_K:
	case BPF_ALU | BPF_MUL | BPF_X:
	case BPF_ALU | BPF_DIV | BPF_X:
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_ALU | BPF_AND | BPF_X:
	case BPF_ALU | BPF_OR | BPF_K:
	case BPF_ALU | BPF_OR | BPF_X:
	case BPF_ALU | BPF_XOR | BPF_K:
	case BPF_ALU | BPF_XOR | BPF_X:
	case BPF_ALU | BPF_LSH | BPF_X:
	case BPF_ALU | BPF_RSH | BPF_X:
	case BPF_ALU | BPF_NEG:
		return true;
	default:
		return false;
	}
}

static bool insn_is_valid(const struct sock_filter *i, size_t left)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k < sizeof(struct seccomp_data) && i->k % 4 == 0;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < WORDS;
	case BPF_ALU | BPF_DIV | BPF_K:
		return i->k != 0;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return i->k < 32;
	case BPF_JMP | BPF_JA:
		return i->k < left;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_X:
	case BPF_JMP | BPF_JSET | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_X:
		return i->jt < left && i->jf < left;
	default:
		return code_is_plain(i->code);
	}
}

/*
 * No word of memory is read before it was written, on any way through the program.  masks[i]: the
 * words known to be written when instruction i is reached by jumps.
 */
static bool memory_is_written(const struct sock_filter *f, size_t count, uint16_t *masks)
{
	uint16_t valid = 0;

	memset(masks, 0xff, count * sizeof(*masks));
	for (size_t pc = 0; pc < count; pc++) {
		valid &= masks[pc];
		switch (f[pc].code) {
		case BPF_ST:
		case BPF_STX:
			valid |= (uint16_t)(1u << f[pc].k);
			break;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!(valid & (1u << f[pc].k)))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			masks[pc + 1 + f[pc].k] &= valid;
			valid = 0xffff;
			break;
		default:
			if (BPF_CLASS(f[pc].code) != BPF_JMP)
				break;
			masks[pc + 1 + f[pc].jt] &= valid;
			masks[pc + 1 + f[pc].jf] &= valid;
			valid = 0xffff;
			break;
		}
	}
	return true;
}

int bpf_check(const struct sock_filter *insns, size_t count)
{
	uint16_t last, *masks;
	bool ok;

	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	for (size_t pc = 0; pc < count; pc++)
		if (!insn_is_valid(&insns[pc], count - pc - 1))
			return -EINVAL;
	last = insns[count - 1].code;
	if (last != (BPF_RET | BPF_K) && last != (BPF_RET | BPF_A))
		return -EINVAL;
	masks = mem_alloc(count * sizeof(*masks));
	if (!masks)
		return -ENOMEM;
	ok = memory_is_written(insns, count, masks);
	mem_free(masks);
	return ok ? 0 : -EINVAL;
}

static uint32_t load(const struct seccomp_data *d, uint32_t at)
{
	uint32_t v;

	memcpy(&v, (const char *)d + at, sizeof(v));
	return v;
}

/* b is k or X; a division by zero was excluded. */
static uint32_t alu(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default: /* BPF_NEG */
		return 0 - a;
	}
}

static bool jump(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default: /* BPF_JSET */
		return a & b;
	}
}

uint32_t bpf_run(const struct sock_filter *i, const struct seccomp_data *d)
{
	uint32_t a = 0, x = 0, b, mem[WORDS] = { 0 };

	for (;; i++) {
		b = BPF_SRC(i->code) == BPF_X ? x : i->k;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			a = BPF_MODE(i->code) == BPF_ABS ? load(d, i->k)
			    : BPF_MODE(i->code) == BPF_MEM ? mem[i->k]
			    : BPF_MODE(i->code) == BPF_LEN ? sizeof(*d) : i->k;
			break;
		case BPF_LDX:
			x = BPF_MODE(i->code) == BPF_MEM ? mem[i->k]
			    : BPF_MODE(i->code) == BPF_LEN ? sizeof(*d) : i->k;
			break;
		case BPF_ST:
			mem[i->k] = a;
			break;
		case BPF_STX:
			mem[i->k] = x;
			break;
		case BPF_ALU:
			if (BPF_OP(i->code) == BPF_DIV && b == 0)
				return 0;
			a = alu(BPF_OP(i->code), a, b);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				i += i->k;
			else
				i += jump(BPF_OP(i->code), a, b) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		default: /* BPF_MISC */
			if (i->code == (BPF_MISC | BPF_TAX))
				x = a;
			else
				a = x;
			break;
		}
	}
}
