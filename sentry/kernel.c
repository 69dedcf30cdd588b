/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.c: the machine that applications are shown.
 *
 * CPUs are numbered 0…count-1 whatever the host calls them.  Memory in use is what the host says
 * the container's processes have resident: private pages by process, shared ones once (the largest
 * share; processes that share memory mostly share all of it).  Pages that a fork shares copy-on-write
 * count in each process, so the sum is an upper bound, cut at the total.  Asking costs a host file a
 * process, so an answer is used again for 100 ms.
 *
 * Lock order: kernel.latch is a leaf; it is not held while processes are asked.
 */
#include "sentry/kernel.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/latch.h"
#include "sentry/container.h"
#include "sentry/task/task.h"

#define MEMORY_CACHE_NS    (100 * NSEC_PER_MSEC)
#define MEMORY_CACHE_SLOTS 8 /* containers */

/* (c) constant after kernel_machine_init(), (l) latch */
static struct {
	int64_t boot_ns;        /* (c) CLOCK_BOOTTIME */
	int64_t boot_real_ns;   /* (c) */
	unsigned int cpu_count; /* (c) */
	unsigned int host_cpus; /* (c) */
	uint64_t memory_size;   /* (c) */
	int nice;               /* (c) */
	struct latch latch;
	struct {
		const struct container *container;
		int64_t at_ns;
		struct kernel_memory_detail usage;
	} cache[MEMORY_CACHE_SLOTS]; /* (l) */
	unsigned int victim;         /* (l) */
} kernel;

int kernel_machine_init(unsigned int cpu_count, unsigned int host_cpus, uint64_t memory_size, int nice)
{
	kernel.boot_ns = clock_boot_ns();
	kernel.boot_real_ns = clock_real_ns();
	kernel.cpu_count = MAX(cpu_count, 1u);
	kernel.host_cpus = host_cpus;
	kernel.memory_size = memory_size;
	kernel.nice = nice;
	latch_init(&kernel.latch);
	return 0;
}

int kernel_nice(void)
{
	return kernel.nice;
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
	unsigned int n = MAX(kernel.cpu_count, 1u);

	return c && c->cpu_count ? MIN(c->cpu_count, n) : n;
}

bool kernel_has_host_cpus(const struct container *c)
{
	return kernel.host_cpus && kernel_cpu_count(c) >= kernel.host_cpus;
}

void kernel_cpu_mask(const struct container *c, const uint64_t *mask, uint64_t *out, size_t words)
{
	unsigned int count = kernel_cpu_count(c);
	bool any = false;

	for (size_t i = 0; mask && i < 16; i++)
		any = any || mask[i];
	for (size_t i = 0; i < words; i++) {
		size_t first = i * 64;

		out[i] = 0;
		if (first < count)
			out[i] = count - first >= 64 ? ~0ull : (1ull << (count - first)) - 1;
		if (any)
			out[i] &= i < 16 ? mask[i] : 0;
	}
}

static void memory_ask(const struct container *c, struct kernel_memory_detail *out)
{
	struct process *p;
	int32_t nr = 0;

	memset(out, 0, sizeof(*out));
	while ((p = process_next(c->pid_ns, nr + 1, &nr)) != NULL) {
		struct plat_mem_usage u;
		struct task *t = process_next_task(p, c->pid_ns, 1, &(int32_t){ 0 });
		struct mm *mm = t ? task_mm_get(t) : NULL;

		if (mm && plat_mm_usage(mm->plat, &u) == 0) {
			out->anon += u.rss_anon;
			out->file = MAX(out->file, u.rss_file);
			out->shmem = MAX(out->shmem, u.rss_shmem);
		}
		mm_put(mm);
		task_put(t);
		process_put(p);
	}
}

void kernel_memory_detail(const struct container *c, struct kernel_memory_detail *out)
{
	int64_t now = clock_mono_ns();
	unsigned int slot;

	memset(out, 0, sizeof(*out));
	if (!c || !c->pid_ns)
		return;
	latch_lock(&kernel.latch);
	for (unsigned int i = 0; i < MEMORY_CACHE_SLOTS; i++) {
		if (kernel.cache[i].container == c && now - kernel.cache[i].at_ns < MEMORY_CACHE_NS) {
			*out = kernel.cache[i].usage;
			latch_unlock(&kernel.latch);
			return;
		}
	}
	latch_unlock(&kernel.latch);

	memory_ask(c, out);

	latch_lock(&kernel.latch);
	for (slot = 0; slot < MEMORY_CACHE_SLOTS; slot++)
		if (kernel.cache[slot].container == c)
			break;
	if (slot == MEMORY_CACHE_SLOTS)
		slot = kernel.victim++ % MEMORY_CACHE_SLOTS;
	kernel.cache[slot].container = c;
	kernel.cache[slot].at_ns = now;
	kernel.cache[slot].usage = *out;
	latch_unlock(&kernel.latch);
}

void kernel_memory(const struct container *c, struct kernel_memory *out)
{
	struct kernel_memory_detail d;

	kernel_memory_detail(c, &d);
	out->total = kernel.memory_size;
	if (c && c->memory_limit && (c->memory_limit < out->total || !out->total))
		out->total = c->memory_limit;
	out->used = MIN(d.anon + d.file + d.shmem, out->total);
	out->free = out->total - out->used;
}
