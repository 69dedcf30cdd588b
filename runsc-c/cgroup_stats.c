/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_stats.c: what `events --stats` reports, in runc's shape, from the container's cgroups. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runsc-c/cgroup_impl.h"

static json_int_t number(const struct cgroup *c, const char *controller, const char *file)
{
	const char *dir = cgroup_dir(c, controller);
	char text[64];

	if (dir == NULL || cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return 0;
	if (strncmp(text, "max", 3) == 0)
		return 0;
	return (json_int_t)MIN(strtoull(text, NULL, 10), (unsigned long long)INT64_MAX);
}

/* A "key value" line of a file. */
static json_int_t keyed(const struct cgroup *c, const char *controller, const char *file,
			const char *key)
{
	const char *dir = cgroup_dir(c, controller);
	size_t len = strlen(key);
	char text[8192];

	if (dir == NULL || cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return 0;
	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return (json_int_t)strtoull(p + len + 1, NULL, 10);
	return 0;
}

static json_t *per_cpu(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "cpuacct");
	json_t *a = json_array();
	char text[8192], *save;

	if (c->v2 || dir == NULL || cgroup_read(dir, "cpuacct.usage_percpu", text, sizeof(text)) <= 0)
		return a;
	for (char *p = strtok_r(text, " \n", &save); p != NULL; p = strtok_r(NULL, " \n", &save))
		json_array_append_new(a, json_integer((json_int_t)strtoull(p, NULL, 10)));
	return a;
}

/* Ticks of cpuacct.stat in nanoseconds. */
#define TICK_NS 10000000

static json_t *cpu_stats(const struct cgroup *c)
{
	json_int_t total, kernel, user;
	json_t *usage, *throttling;

	if (c->v2) {
		total = keyed(c, "cpu", "cpu.stat", "usage_usec") * 1000;
		kernel = keyed(c, "cpu", "cpu.stat", "system_usec") * 1000;
		user = keyed(c, "cpu", "cpu.stat", "user_usec") * 1000;
	} else {
		total = number(c, "cpuacct", "cpuacct.usage");
		kernel = keyed(c, "cpuacct", "cpuacct.stat", "system") * TICK_NS;
		user = keyed(c, "cpuacct", "cpuacct.stat", "user") * TICK_NS;
	}
	usage = json_pack("{s:I,s:o,s:I,s:I}", "total", total, "percpu", per_cpu(c), "kernel", kernel,
			  "user", user);
	throttling = json_pack("{s:I,s:I,s:I}", "periods", keyed(c, "cpu", "cpu.stat", "nr_periods"),
			       "throttledPeriods", keyed(c, "cpu", "cpu.stat", "nr_throttled"),
			       "throttledTime",
			       c->v2 ? keyed(c, "cpu", "cpu.stat", "throttled_usec") * 1000
				     : keyed(c, "cpu", "cpu.stat", "throttled_time"));
	return json_pack("{s:o,s:o}", "usage", usage, "throttling", throttling);
}

static json_t *memory_entry(const struct cgroup *c, const char *prefix)
{
	char usage[64], limit[64], max[64], failcnt[64];

	snprintf(usage, sizeof(usage), "memory.%susage_in_bytes", prefix);
	snprintf(limit, sizeof(limit), "memory.%slimit_in_bytes", prefix);
	snprintf(max, sizeof(max), "memory.%smax_usage_in_bytes", prefix);
	snprintf(failcnt, sizeof(failcnt), "memory.%sfailcnt", prefix);
	return json_pack("{s:I,s:I,s:I,s:I}", "limit", number(c, "memory", limit), "usage",
			 number(c, "memory", usage), "max", number(c, "memory", max), "failcnt",
			 number(c, "memory", failcnt));
}

static json_t *memory_raw(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "memory");
	json_t *o = json_object();
	char text[8192], *save;

	if (dir == NULL || cgroup_read(dir, "memory.stat", text, sizeof(text)) <= 0)
		return o;
	for (char *p = strtok_r(text, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(p, ' ');

		if (space == NULL)
			continue;
		*space = '\0';
		json_object_set_new(o, p, json_integer((json_int_t)MIN(
			strtoull(space + 1, NULL, 10), (unsigned long long)INT64_MAX)));
	}
	return o;
}

static json_t *memory_stats(const struct cgroup *c)
{
	json_t *o = json_object(), *usage;

	if (c->v2) {
		usage = json_pack("{s:I,s:I,s:I,s:I}", "limit", number(c, "memory", "memory.max"),
				  "usage", number(c, "memory", "memory.current"), "max",
				  number(c, "memory", "memory.peak"), "failcnt",
				  keyed(c, "memory", "memory.events", "max"));
		json_object_set_new(o, "cache", json_integer(keyed(c, "memory", "memory.stat", "file")));
		json_object_set_new(o, "usage", usage);
		json_object_set_new(o, "swap", json_pack("{s:I,s:I,s:I,s:I}", "limit",
							 number(c, "memory", "memory.swap.max"), "usage",
							 number(c, "memory", "memory.swap.current"),
							 "max", (json_int_t)0, "failcnt", (json_int_t)0));
	} else {
		json_object_set_new(o, "cache",
				    json_integer(keyed(c, "memory", "memory.stat", "cache")));
		json_object_set_new(o, "usage", memory_entry(c, ""));
		json_object_set_new(o, "swap", memory_entry(c, "memsw."));
		json_object_set_new(o, "kernel", memory_entry(c, "kmem."));
		json_object_set_new(o, "kernelTCP", memory_entry(c, "kmem.tcp."));
	}
	json_object_set_new(o, "raw", memory_raw(c));
	return o;
}

json_t *cgroup_stats(const struct cgroup *c)
{
	json_t *pids = json_pack("{s:I,s:I}", "current", number(c, "pids", "pids.current"), "limit",
				 number(c, "pids", "pids.max"));

	return json_pack("{s:o,s:o,s:o,s:{},s:{},s:[]}", "cpu", cpu_stats(c), "memory",
			 memory_stats(c), "pids", pids, "blkio", "hugetlb", "network_interfaces");
}
