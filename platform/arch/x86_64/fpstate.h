/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fpstate.h (x86-64): the FPU state of a signal frame: the XSAVE area in its standard (not compacted)
 * form, with the kernel's software bytes in the legacy part and FP_XSTATE_MAGIC2 behind it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

/* What frames look like on this machine, taken from one. */
struct fpstate_info {
	size_t size;       /* all of it, magic 2 included */
	uint32_t xsize;    /* without it */
	uint64_t xfeatures; /* components that it may hold */
	uint32_t mxcsr_mask;
};

/* From the first 512 bytes of a frame's state; falls back to the legacy form. */
void fpstate_info_from(const uint8_t legacy[512], struct fpstate_info *info);
/* From what PTRACE_GETREGSET gives for NT_X86_XSTATE (size bytes; 512: PTRACE_GETFPREGS). */
void fpstate_info_of_regset(const uint8_t *regset, size_t size, struct fpstate_info *info);
/* Put the kernel's software bytes and magic 2 into a state of info->size bytes. */
void fpstate_sign(const struct fpstate_info *info, uint8_t *state);
/* Those bytes alone (STUB_FPU_SOFTWARE of them). */
void fpstate_software(const struct fpstate_info *info, uint8_t out[48]);
/* The state of a new program, cut to size. */
void fpstate_init(const struct fpstate_info *info, void *buf, size_t size);
/*
 * in is hostile (an application's frame, a debugger).  Fills out (info->size bytes) with what of it a
 * host can load without a fault; a state without our software bytes counts as legacy (x87 and SSE),
 * as on Linux.  -EINVAL: too short, or what Linux would refuse.
 */
int fpstate_check(const struct fpstate_info *info, const void *in, size_t size, void *out) must_check;
