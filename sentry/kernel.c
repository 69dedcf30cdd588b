/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c: the machine that applications are shown.  See kernel.h. */
#include "sentry/kernel.h"

#include "lib/clock.h"
#include "lib/util.h"
#include "sentry/container.h"

static struct {
	unsigned int cpu_count;
	uint64_t memory_size;
	int64_t boot_ns, boot_real_ns;
} kernel;

int kernel_machine_init(unsigned int cpu_count, uint64_t memory_size)
{
	kernel.cpu_count = cpu_count ? cpu_count : 1;
	kernel.memory_size = memory_size;
	kernel.boot_ns = clock_boot_ns();
	kernel.boot_real_ns = clock_real_ns();
	return 0;
}

int64_t kernel_uptime_ns(void)
{
	return clock_boot_ns() - kernel.boot_ns;
}

int64_t kernel_boot_real_ns(void)
{
	return kernel.boot_real_ns;
}

unsigned int kernel_cpu_count(const struct container *c)
{
	return c && c->cpu_count ? c->cpu_count : kernel.cpu_count;
}

void kernel_cpu_mask(const struct container *c, const uint64_t *mask, uint64_t *out, size_t words)
{
	unsigned int count = kernel_cpu_count(c);
	uint64_t any = 0;

	for (size_t i = 0; mask && i < words; i++)
		any |= mask[i];
	for (size_t i = 0; i < words; i++) {
		out[i] = 0;
		for (unsigned int bit = 0; bit < 64 && i * 64 + bit < count; bit++)
			out[i] |= 1ull << bit;
		if (any)
			out[i] &= mask[i];
	}
}

void kernel_memory(const struct container *c, struct kernel_memory *out)
{
	out->total = c && c->memory_limit ? c->memory_limit : kernel.memory_size;
	out->used = 0;
	out->free = out->total;
}
