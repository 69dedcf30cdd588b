/* SPDX-License-Identifier: Apache-2.0 */
/* bpf.h: classic BPF as applications' seccomp filters use it; see bpf.c. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

/* 0, or -EINVAL for a program that Linux would not load as a seccomp filter; -ENOMEM. */
int bpf_check(const struct sock_filter *insns, size_t count) must_check;
/* What a checked program says of d. */
uint32_t bpf_run(const struct sock_filter *insns, const struct seccomp_data *d);
