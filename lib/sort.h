/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.h: sorting in place, as Linux's lib/sort.c: no memory but the array, n log n at the worst.
 *
 * In the place of qsort(3): for more than a KB glibc's asks how much memory the machine has (sysinfo(2)), which the
 * Sentry's jail does not allow, and then allocates.  mk/layers finds who calls it.
 */
#pragma once

#include <stddef.h>

/* count elements of size bytes; compare as qsort's.  Equal ones may change places. */
void sort(void *base, size_t count, size_t size, int (*compare)(const void *a, const void *b));

/* For arrays of these. */
int sort_u32(const void *a, const void *b);
int sort_u64(const void *a, const void *b);
