/* SPDX-License-Identifier: Apache-2.0 */
/* overflow.h: arithmetic on sizes that come from input.  Each returns true when it overflowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define add_overflow(a, b, out) __builtin_add_overflow((a), (b), (out))
#define sub_overflow(a, b, out) __builtin_sub_overflow((a), (b), (out))
#define mul_overflow(a, b, out) __builtin_mul_overflow((a), (b), (out))
