/* SPDX-License-Identifier: Apache-2.0 */
/* oci_resources.c: linux.resources of config.json, and what `update` reads. */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

void oci_resources_init(struct oci_resources *r)
{
	memset(r, 0, sizeof(*r));
	r->memory_limit = r->memory_reservation = r->memory_swap = OCI_UNSET;
	r->memory_kernel = r->memory_kernel_tcp = r->memory_swappiness = OCI_UNSET;
	r->cpu_shares = r->cpu_quota = r->cpu_period = OCI_UNSET;
	r->cpu_rt_runtime = r->cpu_rt_period = r->cpu_burst = r->cpu_idle = OCI_UNSET;
	r->pids_limit = r->blkio_weight = r->blkio_leaf_weight = OCI_UNSET;
}

void oci_resources_fini(struct oci_resources *r)
{
	for (size_t i = 0; i < r->hugepage_count; i++)
		mem_free(r->hugepages[i].page_size);
	mem_free(r->hugepages);
	mem_free(r->cpuset_cpus);
	mem_free(r->cpuset_mems);
	json_decref(r->block_io);
	json_decref(r->unified);
}

static void parse_memory(struct jsonw *w, const json_t *res, struct oci_resources *r)
{
	const json_t *o = jsonw_object(w, res, "memory", OPTIONAL);
	size_t mark = jsonw_enter(w, "memory");

	r->memory_limit = jsonw_int(w, o, "limit", -1, INT64_MAX, OCI_UNSET);
	r->memory_reservation = jsonw_int(w, o, "reservation", -1, INT64_MAX, OCI_UNSET);
	r->memory_swap = jsonw_int(w, o, "swap", -1, INT64_MAX, OCI_UNSET);
	r->memory_kernel = jsonw_int(w, o, "kernel", -1, INT64_MAX, OCI_UNSET);
	r->memory_kernel_tcp = jsonw_int(w, o, "kernelTCP", -1, INT64_MAX, OCI_UNSET);
	r->memory_swappiness = jsonw_int(w, o, "swappiness", 0, 200, OCI_UNSET);
	r->memory_disable_oom_killer = jsonw_bool(w, o, "disableOOMKiller", false);
	jsonw_bool(w, o, "useHierarchy", false);
	jsonw_leave(w, mark);
}

static char *parse_cpu_list(struct jsonw *w, const json_t *o, const char *name)
{
	const char *s = jsonw_string(w, o, name, OPTIONAL);

	if (s == NULL || s[0] == '\0')
		return NULL;
	if (oci_cpu_list_count(s) < 0)
		jsonw_error(w, name, "\"%s\" is no list such as \"0-3,7\"", s);
	return oci_dup(w, s);
}

static void parse_cpu(struct jsonw *w, const json_t *res, struct oci_resources *r)
{
	const json_t *o = jsonw_object(w, res, "cpu", OPTIONAL);
	size_t mark = jsonw_enter(w, "cpu");

	r->cpu_shares = jsonw_int(w, o, "shares", 0, INT64_MAX, OCI_UNSET);
	r->cpu_quota = jsonw_int(w, o, "quota", -1, INT64_MAX, OCI_UNSET);
	r->cpu_period = jsonw_int(w, o, "period", 0, INT64_MAX, OCI_UNSET);
	r->cpu_burst = jsonw_int(w, o, "burst", 0, INT64_MAX, OCI_UNSET);
	r->cpu_rt_runtime = jsonw_int(w, o, "realtimeRuntime", -1, INT64_MAX, OCI_UNSET);
	r->cpu_rt_period = jsonw_int(w, o, "realtimePeriod", 0, INT64_MAX, OCI_UNSET);
	r->cpu_idle = jsonw_int(w, o, "idle", 0, 1, OCI_UNSET);
	r->cpuset_cpus = parse_cpu_list(w, o, "cpus");
	r->cpuset_mems = parse_cpu_list(w, o, "mems");
	jsonw_leave(w, mark);
}

/* Page sizes are names of cgroup files ("hugetlb.2MB.limit_in_bytes"): digits and KB, MB or GB. */
static bool page_size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 8 && s[digits] != '\0' && strchr("KMG", s[digits]) != NULL &&
	       strcmp(s + digits + 1, "B") == 0;
}

static void parse_hugepages(struct jsonw *w, const json_t *res, struct oci_resources *r)
{
	const json_t *a = jsonw_array(w, res, "hugepageLimits", OPTIONAL);

	r->hugepages = oci_alloc(w, json_array_size(a), sizeof(*r->hugepages));
	for (size_t i = 0; r->hugepages != NULL && i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(w, a, "hugepageLimits", i);
		size_t mark = jsonw_enter_index(w, "hugepageLimits", i);
		const char *size = jsonw_string(w, o, "pageSize", REQUIRED);

		if (size != NULL && !page_size_ok(size))
			jsonw_error(w, "pageSize", "\"%s\" is no size such as \"2MB\"", size);
		r->hugepages[i].page_size = oci_dup(w, size);
		r->hugepages[i].limit = jsonw_u64(w, o, "limit", 0);
		r->hugepage_count = i + 1;
		jsonw_leave(w, mark);
	}
}

static void check_throttle(struct jsonw *w, const json_t *o, const char *name, const char *value)
{
	const json_t *a = jsonw_array(w, o, name, OPTIONAL);

	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *d = jsonw_object_at(w, a, name, i);
		size_t mark = jsonw_enter_index(w, name, i);

		jsonw_int(w, d, "major", 0, UINT32_MAX, 0);
		jsonw_int(w, d, "minor", 0, UINT32_MAX, 0);
		jsonw_u64(w, d, value, 0);
		jsonw_leave(w, mark);
	}
}

static void parse_block_io(struct jsonw *w, const json_t *res, struct oci_resources *r)
{
	static const char *const throttles[] = {
		"throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice",
		"throttleWriteIOPSDevice",
	};
	json_t *o = jsonw_object(w, res, "blockIO", OPTIONAL);
	size_t mark = jsonw_enter(w, "blockIO");

	r->blkio_weight = jsonw_int(w, o, "weight", 0, 1000, OCI_UNSET);
	r->blkio_leaf_weight = jsonw_int(w, o, "leafWeight", 0, 1000, OCI_UNSET);
	check_throttle(w, o, "weightDevice", "weight");
	for (size_t i = 0; i < ARRAY_SIZE(throttles); i++)
		check_throttle(w, o, throttles[i], "rate");
	r->block_io = json_incref(o);
	jsonw_leave(w, mark);
}

/* The names become file names in the container's cgroup. */
static void parse_unified(struct jsonw *w, const json_t *res, struct oci_resources *r)
{
	json_t *o = jsonw_object(w, res, "unified", OPTIONAL);
	size_t mark = jsonw_enter(w, "unified");
	const char *name;
	json_t *v;

	json_object_foreach(o, name, v) {
		if (!json_is_string(v))
			jsonw_error(w, name, "expected a string");
		else if (strchr(name, '/') != NULL || strchr(name, '.') == NULL || name[0] == '.')
			jsonw_error(w, name, "no name of a cgroup file");
	}
	r->unified = json_incref(o);
	jsonw_leave(w, mark);
}

static void check_network(struct jsonw *w, const json_t *res)
{
	const json_t *o = jsonw_object(w, res, "network", OPTIONAL), *a;
	size_t mark = jsonw_enter(w, "network");

	jsonw_int(w, o, "classID", 0, UINT32_MAX, 0);
	a = jsonw_array(w, o, "priorities", OPTIONAL);
	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *p = jsonw_object_at(w, a, "priorities", i);
		size_t inner = jsonw_enter_index(w, "priorities", i);

		jsonw_string(w, p, "name", REQUIRED);
		jsonw_int(w, p, "priority", 0, UINT32_MAX, 0);
		jsonw_leave(w, inner);
	}
	jsonw_leave(w, mark);
}

void oci_parse_resources(struct jsonw *w, const json_t *o, struct oci_resources *r)
{
	const json_t *pids = jsonw_object(w, o, "pids", OPTIONAL);
	size_t mark;

	parse_memory(w, o, r);
	parse_cpu(w, o, r);
	mark = jsonw_enter(w, "pids");
	r->pids_limit = jsonw_int(w, pids, "limit", -1, INT64_MAX, OCI_UNSET);
	jsonw_leave(w, mark);
	parse_hugepages(w, o, r);
	parse_block_io(w, o, r);
	parse_unified(w, o, r);
	check_network(w, o);
	jsonw_object(w, o, "rdma", OPTIONAL);
}

int oci_resources_parse(const json_t *doc, const char *file, struct oci_resources *out,
			struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, file, e);
	oci_resources_init(out);
	oci_parse_resources(&w, doc, out);
	if (err_is(e))
		oci_resources_fini(out);
	return e->error;
}
