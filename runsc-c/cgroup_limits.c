/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limits.c: linux.resources as files of the container's cgroups.
 *
 * The host's pids limit is the container's plus room for the Sentry, the Gofer and the monitor, whose
 * threads are in the same group; the exact limit is the Sentry's to enforce.  Device rules are the
 * Sentry's too (sentry/container_devices.c); in v1's controller they are a second wall, behind the Gofer.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "runsc-c/cgroup_impl.h"

#define OWN_TASKS 64 /* threads of Sentry, Gofer, monitor; room for exec's monitors */

struct apply {
	const struct cgroup *c;
	bool optional;
	struct err *e;
};

/* Nobody else keeps these: where the host has no controller for them the container would have no limit. */
static bool is_essential(const char *file, const char *value)
{
	static const char *const files[] = { "memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(file, files[i]) == 0)
			return value[0] != '-' && strncmp(value, "max", 3) != 0;
	return false;
}

/* One file; a limit that this host has no file for is a warning but for the above, like a forbidden one if optional. */
static void put(struct apply *a, const char *controller, const char *file, const char *value)
{
	const char *dir = cgroup_dir(a->c, controller);
	int err = dir ? cgroup_write(dir, file, value) : -ENOENT;

	if (err == 0)
		return;
	if (err == -ENOENT && !a->optional && is_essential(file, value))
		err_set(a->e, ENOENT, "linux.resources: can't limit: the container's cgroup has no %s (the host has no "
			"such controller there)", file);
	else if (err == -ENOENT || (a->optional && (err == -EACCES || err == -EPERM || err == -EROFS)))
		log_warn("cgroup: %s is not set: %s", file, err_reason(err));
	else
		err_errno(a->e, err, "linux.resources: can't write \"%s\" to %s/%s", value, dir, file);
}

static void put_int(struct apply *a, const char *controller, const char *file, int64_t value)
{
	char text[32];

	if (value == OCI_UNSET)
		return;
	snprintf(text, sizeof(text), "%" PRId64, value);
	put(a, controller, file, text);
}

/* v2 says "max" for what v1 calls -1. */
static void put_max(struct apply *a, const char *controller, const char *file, int64_t value)
{
	if (value == -1)
		put(a, controller, file, "max");
	else
		put_int(a, controller, file, value);
}

static int64_t positive(int64_t v)
{
	return v == 0 ? OCI_UNSET : v;
}

static void apply_v1_memory(struct apply *a, const struct oci_resources *r)
{
	const char *dir = cgroup_dir(a->c, "memory");
	int64_t limit = positive(r->memory_limit), swap = positive(r->memory_swap);
	char now[64];

	/* memory+swap may never be below memory: raise in the one order, lower in the other. */
	if (limit != OCI_UNSET && swap != OCI_UNSET && dir != NULL &&
	    cgroup_read(dir, "memory.memsw.limit_in_bytes", now, sizeof(now)) > 0) {
		int64_t current = 0;

		sscanf(now, "%" SCNd64, &current);
		if (swap == -1 || swap > current) {
			put_int(a, "memory", "memory.memsw.limit_in_bytes", swap);
			put_int(a, "memory", "memory.limit_in_bytes", limit);
			swap = limit = OCI_UNSET;
		}
	}
	put_int(a, "memory", "memory.limit_in_bytes", limit);
	put_int(a, "memory", "memory.memsw.limit_in_bytes", swap);
	put_int(a, "memory", "memory.soft_limit_in_bytes", positive(r->memory_reservation));
	put_int(a, "memory", "memory.kmem.tcp.limit_in_bytes", positive(r->memory_kernel_tcp));
	if (r->memory_swappiness != OCI_UNSET && r->memory_swappiness <= 100)
		put_int(a, "memory", "memory.swappiness", r->memory_swappiness);
	if (r->memory_disable_oom_killer)
		put(a, "memory", "memory.oom_control", "1");
}

static void put_throttle(struct apply *a, const char *controller, const char *file, const char *key,
			 const json_t *devices, const char *member)
{
	for (size_t i = 0; i < json_array_size(devices); i++) {
		const json_t *d = json_array_get(devices, i);
		char text[96];

		snprintf(text, sizeof(text), "%lld:%lld %s%lld",
			 (long long)json_integer_value(json_object_get(d, "major")),
			 (long long)json_integer_value(json_object_get(d, "minor")), key,
			 (long long)json_integer_value(json_object_get(d, member)));
		put(a, controller, file, text);
	}
}

static void apply_v1_blkio(struct apply *a, const struct oci_resources *r)
{
	static const struct {
		const char *member, *file, *value;
	} rows[] = {
		{ "weightDevice", "blkio.weight_device", "weight" },
		{ "throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rate" },
		{ "throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "rate" },
		{ "throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "rate" },
		{ "throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "rate" },
	};

	put_int(a, "blkio", "blkio.weight", positive(r->blkio_weight));
	put_int(a, "blkio", "blkio.leaf_weight", positive(r->blkio_leaf_weight));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		put_throttle(a, "blkio", rows[i].file, "",
			     json_object_get(r->block_io, rows[i].member), rows[i].value);
}

int64_t cgroup_tasks_max(const struct oci_resources *r)
{
	if (r->pids_limit == OCI_UNSET)
		return OCI_UNSET;
	return r->pids_limit <= 0 ? -1 : r->pids_limit + OWN_TASKS;
}

static void apply_v1(struct apply *a, const struct oci_resources *r)
{
	apply_v1_memory(a, r);
	put_int(a, "cpu", "cpu.shares", positive(r->cpu_shares));
	put_int(a, "cpu", "cpu.cfs_period_us", positive(r->cpu_period));
	put_int(a, "cpu", "cpu.cfs_quota_us", positive(r->cpu_quota));
	put_int(a, "cpu", "cpu.cfs_burst_us", positive(r->cpu_burst));
	put_int(a, "cpu", "cpu.rt_period_us", positive(r->cpu_rt_period));
	put_int(a, "cpu", "cpu.rt_runtime_us", positive(r->cpu_rt_runtime));
	put_int(a, "cpu", "cpu.idle", positive(r->cpu_idle));
	if (r->cpuset_cpus != NULL)
		put(a, "cpuset", "cpuset.cpus", r->cpuset_cpus);
	if (r->cpuset_mems != NULL)
		put(a, "cpuset", "cpuset.mems", r->cpuset_mems);
	put_max(a, "pids", "pids.max", cgroup_tasks_max(r));
	apply_v1_blkio(a, r);
	for (size_t i = 0; i < r->hugepage_count; i++) {
		char file[64], value[32];

		snprintf(file, sizeof(file), "hugetlb.%s.limit_in_bytes", r->hugepages[i].page_size);
		snprintf(value, sizeof(value), "%" PRIu64, r->hugepages[i].limit);
		put(a, "hugetlb", file, value);
	}
}

/* runc's formula: shares 2..262144 onto weight 1..10000. */
static int64_t cpu_weight(int64_t shares)
{
	if (shares == OCI_UNSET || shares == 0)
		return OCI_UNSET;
	shares = MAX(shares, 2);
	return MIN(1 + (shares - 2) * 9999 / 262142, 10000);
}

static void apply_v2_cpu(struct apply *a, const struct oci_resources *r)
{
	char text[64];

	put_int(a, "cpu", "cpu.weight", cpu_weight(r->cpu_shares));
	put_int(a, "cpu", "cpu.idle", positive(r->cpu_idle));
	if (positive(r->cpu_quota) != OCI_UNSET && r->cpu_quota != OCI_UNSET) {
		int64_t period = r->cpu_period > 0 ? r->cpu_period : 100000;

		if (r->cpu_quota > 0)
			snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, r->cpu_quota, period);
		else
			snprintf(text, sizeof(text), "max %" PRId64, period);
		put(a, "cpu", "cpu.max", text);
	}
	if (r->cpuset_cpus != NULL)
		put(a, "cpuset", "cpuset.cpus", r->cpuset_cpus);
	if (r->cpuset_mems != NULL)
		put(a, "cpuset", "cpuset.mems", r->cpuset_mems);
}

static void apply_v2(struct apply *a, const struct oci_resources *r)
{
	static const struct {
		const char *member, *key;
	} rows[] = {
		{ "throttleReadBpsDevice", "rbps=" },
		{ "throttleWriteBpsDevice", "wbps=" },
		{ "throttleReadIOPSDevice", "riops=" },
		{ "throttleWriteIOPSDevice", "wiops=" },
	};
	int64_t limit = positive(r->memory_limit), swap = positive(r->memory_swap);

	apply_v2_cpu(a, r);
	put_max(a, "memory", "memory.max", limit);
	/* v1 counts memory and swap together, v2 swap alone. */
	if (swap != OCI_UNSET && swap > 0 && limit != OCI_UNSET && limit > 0)
		swap = MAX(swap - limit, 0);
	put_max(a, "memory", "memory.swap.max", swap);
	put_max(a, "memory", "memory.low", positive(r->memory_reservation));
	put_max(a, "pids", "pids.max", cgroup_tasks_max(r));
	if (positive(r->blkio_weight) != OCI_UNSET)
		put_int(a, "io", "io.bfq.weight", r->blkio_weight);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		put_throttle(a, "io", "io.max", rows[i].key,
			     json_object_get(r->block_io, rows[i].member), "rate");
	for (size_t i = 0; i < r->hugepage_count; i++) {
		char file[64], value[32];

		snprintf(file, sizeof(file), "hugetlb.%s.max", r->hugepages[i].page_size);
		snprintf(value, sizeof(value), "%" PRIu64, r->hugepages[i].limit);
		put(a, "hugetlb", file, value);
	}
}

void cgroup_apply_devices(const struct cgroup *c, const struct device_rule_config *rules, size_t count)
{
	const char *dir = c->v2 ? NULL : cgroup_dir(c, "devices");
	int err;

	/* Not for others that are in there already. */
	for (size_t i = 0; dir != NULL && i < c->count; i++)
		if (c->dirs[i].path == dir && !c->dirs[i].made)
			return;
	err = dir ? cgroup_write(dir, "devices.deny", "a") : 0;

	for (size_t i = 0; dir != NULL && err == 0 && i < count; i++) {
		const struct device_rule_config *r = &rules[i];
		char text[96], major[24] = "*", minor[24] = "*";

		if (r->major >= 0)
			snprintf(major, sizeof(major), "%" PRId64, r->major);
		if (r->minor >= 0)
			snprintf(minor, sizeof(minor), "%" PRId64, r->minor);
		snprintf(text, sizeof(text), "%c %s:%s %s%s%s", r->type, major, minor,
			 r->access & DEVICE_READ ? "r" : "", r->access & DEVICE_WRITE ? "w" : "",
			 r->access & DEVICE_MKNOD ? "m" : "");
		if (r->access != 0)
			err = cgroup_write(dir, r->allow ? "devices.allow" : "devices.deny", text);
	}
	/* In a container, say: the group above allows no more than it allows. */
	if (err < 0)
		log_warn("cgroup: device rules are the sandbox's alone: %s", err_reason(err));
}

int cgroup_apply(const struct cgroup *c, const struct oci_resources *r, bool optional,
		 struct err *e)
{
	struct apply a = { c, optional, e };
	const char *file;
	json_t *value;

	if (c->count == 0)
		return 0;
	if (c->v2)
		apply_v2(&a, r);
	else
		apply_v1(&a, r);
	json_object_foreach(r->unified, file, value) {
		if (c->v2)
			put(&a, "", file, json_string_value(value));
		else
			log_warn("linux.resources.unified: %s needs cgroup v2", file);
	}
	return e->error;
}
