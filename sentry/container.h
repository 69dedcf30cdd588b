/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h: one container of the sandbox: what its first process is made from, and what its
 * tasks share beyond namespaces (limits).  The control server makes and frees them.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct container {
	char id[256];
	atomic_uint task_count;
	uint32_t pids_limit; /* 0: none.  Tasks of this container at once (cgroup pids.max) */
	uint64_t memory_limit; /* bytes, 0: none: what meminfo and cgroup files show */
	uint64_t cpu_quota_us, cpu_period_us;
	bool frozen;
};
