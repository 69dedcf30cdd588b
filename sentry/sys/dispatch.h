/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h: from a system call's number and registers to its handler. */
#pragma once

#include <stdint.h>

struct task;

/* A row of syscall-tables/<arch>.tbl; numbers without a row are all zeros. */
struct sys_entry {
	/* Narrows the registers and calls the handler; NULL: refused or absent. */
	long (*call)(struct task *t, const uint64_t args[6]);
	int refused; /* the errno of a call refused by policy, or 0 */
};
extern const struct sys_entry sys_entries[];
extern const unsigned int sys_entry_count;

/* A handler's answer, instead of a result: the stub is to make this call itself (plat_native_call). */
#define ENATIVE 530

/*
 * Run one system call on its task's fiber; may sleep.  >= 0, or -errno, or one of the kernel's own
 * restart codes, which the caller turns into what the application sees.
 */
long syscall_dispatch(struct task *t, uint64_t nr, const uint64_t args[6]);
