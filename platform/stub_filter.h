/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub_filter.h: the seccomp filter of application processes, by which the host lets through what the
 * stub's text may call and nothing else.  See stub_filter.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/util.h"

struct sock_filter;

struct stub_filter_options {
	bool fsgsbase; /* the CPU's instructions do what arch_prctl(2) would be needed for */
	bool traced;   /* for the ptrace platform */
};

#define STUB_FILTER_MAX 224

/* Count of instructions, or -E2BIG. */
int stub_filter_build(struct sock_filter *out, size_t max, const struct stub_filter_options *o)
	must_check;
/*
 * Install it on the calling thread, which has no_new_privs, with these SECCOMP_FILTER_FLAGs.  What
 * seccomp(2) returns: 0, or the listener's descriptor, or a negative errno.
 */
int stub_filter_install(const struct stub_filter_options *o, unsigned int flags) must_check;
