/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: host clocks in nanoseconds (vDSO, no syscall). */
#pragma once

#include <stdint.h>

int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_real_ns(void); /* CLOCK_REALTIME */
int64_t clock_boot_ns(void); /* CLOCK_BOOTTIME */
