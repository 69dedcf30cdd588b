/* SPDX-License-Identifier: Apache-2.0 */
/* access.h: a stopped tracee's registers and memory, from its tracer's fiber. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "lib/util.h"

struct task;
struct mm;

/* -ESRCH: it has gone meanwhile. */
long ptrace_regs_get(struct task *x, struct user_regs_struct *out) must_check;
/* -EIO: what no program may have in a register. */
long ptrace_regs_set(struct task *x, const struct user_regs_struct *in) must_check;

/* The XSAVE image as NT_X86_XSTATE has it; the size, or -errno.  legacy: the first 512 bytes. */
#define PTRACE_FPSTATE_MAX 16384
ssize_t ptrace_fpstate_get(struct task *x, void *buf, bool legacy) must_check;
/* The same of t itself, on its own fiber; at most PTRACE_FPSTATE_MAX bytes. */
ssize_t ptrace_fpstate_own(struct task *t, void *buf, bool legacy) must_check;
long ptrace_fpstate_set(struct task *x, void *buf, size_t size, bool legacy) must_check;

/*
 * Write to mm as a debugger does: protection does not count, but shared mappings that can't be
 * written are not written.  t: the caller; who does it is t itself or a tracee of its process that is
 * stopped.  The count, short at a bad page; -EFAULT for none.
 */
ssize_t ptrace_write(struct task *t, struct mm *mm, uint64_t addr, const void *src, size_t size);
