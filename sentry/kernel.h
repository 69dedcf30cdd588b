/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h: the kernel as a whole: its name, and the machine that applications are shown: the
 * sandbox's CPUs and memory, cut to their container's limits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct container;

#define KERNEL_RELEASE "6.18.0-runsc-c"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC"

/*
 * At boot: the sandbox's CPUs and memory; host_cpus: above the host's highest CPU number, 0: unknown; nice: what the
 * host runs its programs at.  0 or -ENOMEM.
 */
int kernel_machine_init(unsigned int cpu_count, unsigned int host_cpus, uint64_t memory_size, int nice);
/* That of processes that nobody inside has started. */
int kernel_nice(void);

int64_t kernel_uptime_ns(void); /* since the sandbox was booted */
int64_t kernel_boot_real_ns(void); /* CLOCK_REALTIME of boot: btime in /proc/stat */

/* CPUs that c's tasks see, at least 1.  c may be NULL: the sandbox's. */
unsigned int kernel_cpu_count(const struct container *c);
/* Any CPU that the host may run c's tasks on has a number below that. */
bool kernel_has_host_cpus(const struct container *c);
/*
 * Their numbers 0…count-1 as bits into out (words of 64), cut to mask (16 words) if that is not
 * NULL and not all zero.
 */
void kernel_cpu_mask(const struct container *c, const uint64_t *mask, uint64_t *out, size_t words);

struct kernel_memory {
	uint64_t total, used, free; /* bytes */
};
/* Resident memory of c's tasks by kind; what is shared counts once.  Cached for 100 ms. */
struct kernel_memory_detail {
	uint64_t anon, file, shmem; /* bytes */
};
void kernel_memory_detail(const struct container *c, struct kernel_memory_detail *out);
/* What c's tasks may use and do use. */
void kernel_memory(const struct container *c, struct kernel_memory *out);
