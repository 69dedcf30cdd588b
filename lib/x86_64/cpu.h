/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: what lib/ needs to know of an x86-64 CPU. */
#pragma once

/* In a spin loop: let the other hardware thread have the core. */
static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}
