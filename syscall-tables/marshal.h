/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marshal.h: what the stub copies for a system call; the types of the generated stub_marshal.h.
 * Freestanding: no libc, and tables without pointers, so that the stub needs no relocations.
 *
 * An application's arguments are registers, and some of these point to memory.  The Sentry can read
 * that memory itself (process_vm_readv, 1.5 µs a call), but for small pieces it is far cheaper that
 * the stub, which runs in the same address space, copies them into the channel with the request
 * and copies what comes back out of it.  Such a copied piece is a *window*: an application address,
 * a size, and a place in the channel.  When a handler asks for [addr, addr+n) and a window covers
 * that, uaccess uses the window; else it goes to the application's memory.
 *
 * So a window is an offer, never a duty, and never decides an error:
 *
 *   - The stub leaves out what is null, does not fit into the room that the channel has, is longer
 *     than is worth copying twice, or faults while being copied (probed: while being touched).  The
 *     handler then fails with EFAULT in the order that Linux would: read(-1, bad pointer, 1) is
 *     EBADF.  For the same reason a size is taken here from a register that the handler has yet
 *     to check; a negative count is a huge one and is left out.
 *   - An `in` window is what the memory held when the call was made: copied once, as everything
 *     hostile.  An `out` window's end has been probed for writing before the call, so that what
 *     the call consumes (pipe data, events) isn't lost to a bad pointer.
 *   - How much of an `out` window goes back is said by the reply: one piece from the window's
 *     start, as far as the handler has written without a gap.  (What it writes behind a gap goes to
 *     the application's memory at once.)  So the table need not know that read() wrote as many
 *     bytes as it returned, and getsockname() min(*addrlen, n).
 *   - What a vector of writev(2) names, and a header of sendmsg(2), comes after the arguments: input windows
 *     without an argument, as far as there is room (platform/stub/marshal.c).
 *   - A string window holds the string with its NUL.  A string that has no NUL within its limit
 *     is left out; ENAMETOOLONG and friends are the handler's to find.
 *
 * Nothing here is trusted by the Sentry: the stub's copy of these tables lies in the application's
 * address space.  Windows are checked like any other input; a forged one lies only to its forger.
 *
 * Linux differs in one thing that nobody can rely on: a call that blocks reads its memory when it
 * goes on, ours reads it when it starts.
 */
#pragma once

#include <stdint.h>

/* Who answers a call: the class of its row in calls.def. */
enum marshal_class {
	MARSHAL_SENTRY, /* the Sentry */
	/*
	 * The stub by host calls, where the arguments allow it (no file behind a mapping, only flags
	 * that the filter lets through, a futex operation of its list); else the Sentry.
	 */
	MARSHAL_NATIVE,
	MARSHAL_LOCAL, /* the stub, from the page that the Sentry keeps for it */
	MARSHAL_REGS,  /* the Sentry, which also needs the caller's registers */
};

enum marshal_kind {
	MARSHAL_IN = 1,
	MARSHAL_OUT = 2,
	MARSHAL_INOUT = 3,  /* IN | OUT */
	MARSHAL_STRING = 4, /* unit is the limit, NUL included */
};

/* How long a window is: `from`. */
#define MARSHAL_CONST  0x08 /* unit bytes; no other bit of `from` is set */
#define MARSHAL_ARG    0x07 /* which argument tells */
#define MARSHAL_DEREF  0x10 /* the int in memory that the argument points to (itself a window) */
#define MARSHAL_BITS   0x20 /* the argument counts bits, kept in 64-bit words; unit is 8 */
#define MARSHAL_LOW32  0x40 /* only the lower half of the register counts */

struct marshal_arg {
	uint8_t index; /* of the argument that points */
	uint8_t kind;
	uint8_t from;
	uint8_t zero;
	uint16_t unit;
};

struct marshal_call {
	uint16_t first; /* in marshal_args */
	uint8_t count;
	uint8_t klass; /* enum marshal_class */
};

/*
 * The size of a window whose count is n: a register's value, or with MARSHAL_DEREF the int read from
 * memory.  UINT64_MAX when it can't be represented.
 */
static inline uint64_t marshal_size(const struct marshal_arg *a, uint64_t n)
{
	uint64_t size;

	if (a->from == MARSHAL_CONST)
		return a->unit;
	if (a->from & (MARSHAL_LOW32 | MARSHAL_DEREF))
		n = (uint32_t)n;
	if (a->from & MARSHAL_BITS)
		n = n / 64 + (n % 64 != 0);
	return __builtin_mul_overflow(n, (uint64_t)a->unit, &size) ? UINT64_MAX : size;
}
