/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.h: what a zygote does first on any platform, between its raw clone off the Sentry and the
 * filter: host calls only, no libc.  Whatever fails is said on descriptor 2 and is the zygote's end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct zygote_sigaction {
	uint64_t handler, flags, restorer, mask;
};

_Noreturn void zygote_fail(const char *step, long err);
/* At exactly addr. */
void zygote_map(uint64_t addr, size_t size, int prot, int flags, int fd, int64_t off);
void zygote_signal(int sig, const struct zygote_sigaction *a);
/*
 * No rseq, CLEARTID or robust list of libc's; default signals, none blocked; limits (no core dumps,
 * max_files descriptors); nice (unless that is better than what we have); dies with the thread that made it; a session of its own; no_new_privs.
 */
void zygote_forget_parent(unsigned int max_files, int nice);
