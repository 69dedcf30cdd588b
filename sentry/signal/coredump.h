/* SPDX-License-Identifier: Apache-2.0 */
/* coredump.h: core files. */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct task;

/*
 * t, on its own fiber, is about to end by sig: write its core file if its limits say so.  True when
 * there is one (WCOREDUMP); the dump ends early when t is asked to exit meanwhile.
 */
bool core_dump(struct task *t, int sig, const siginfo_t *info);
