/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_update.c: `runsc-c update`: change the limits of a container, by JSON or by flags. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runsc-c/cgroup_impl.h"
#include "runsc-c/control_client.h"
#include "runsc-c/jsonw.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"
#include "runsc-c/systemd.h"

static const char *resources, *cpus, *mems;
static const char *numbers[12];

/* Flags with a number, and where it goes in linux.resources. */
static const struct {
	const char *flag, *object, *member;
} number_flags[] = {
	{ "memory", "memory", "limit" },
	{ "memory-reservation", "memory", "reservation" },
	{ "memory-swap", "memory", "swap" },
	{ "cpu-period", "cpu", "period" },
	{ "cpu-quota", "cpu", "quota" },
	{ "cpu-share", "cpu", "shares" },
	{ "cpu-rt-period", "cpu", "realtimePeriod" },
	{ "cpu-rt-runtime", "cpu", "realtimeRuntime" },
	{ "cpu-burst", "cpu", "burst" },
	{ "blkio-weight", "blockIO", "weight" },
	{ "pids-limit", "pids", "limit" },
};

static const struct flag flags[] = {
	{ "resources,r", FLAG_STRING, &resources, "file with a linux.resources object, - for stdin" },
	{ "memory", FLAG_STRING, &numbers[0], "memory limit in bytes (suffixes K, M, G)" },
	{ "memory-reservation", FLAG_STRING, &numbers[1], "soft memory limit" },
	{ "memory-swap", FLAG_STRING, &numbers[2], "memory and swap together; -1: no limit" },
	{ "cpu-period", FLAG_STRING, &numbers[3], "CFS period in microseconds" },
	{ "cpu-quota", FLAG_STRING, &numbers[4], "CFS quota in microseconds" },
	{ "cpu-share", FLAG_STRING, &numbers[5], "CPU shares" },
	{ "cpu-rt-period", FLAG_STRING, &numbers[6], "real-time period in microseconds" },
	{ "cpu-rt-runtime", FLAG_STRING, &numbers[7], "real-time runtime in microseconds" },
	{ "cpu-burst", FLAG_STRING, &numbers[8], "CFS burst in microseconds" },
	{ "blkio-weight", FLAG_STRING, &numbers[9], "block I/O weight" },
	{ "pids-limit", FLAG_STRING, &numbers[10], "number of tasks" },
	{ "cpuset-cpus", FLAG_STRING, &cpus, "CPUs: \"0-3,7\"" },
	{ "cpuset-mems", FLAG_STRING, &mems, "memory nodes" },
	{ "kernel-memory", FLAG_IGNORED_STRING, NULL, NULL },
	{ "kernel-memory-tcp", FLAG_IGNORED_STRING, NULL, NULL },
	{ "l3-cache-schema", FLAG_IGNORED_STRING, NULL, NULL },
	{ "mem-bw-schema", FLAG_IGNORED_STRING, NULL, NULL },
	{ NULL, FLAG_BOOL, NULL, NULL },
};

static int parse_size(const char *flag, const char *text, json_int_t *out, struct err *e)
{
	static const char suffixes[] = "kmgt";
	const char *s = NULL;
	long long v;
	char *end;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (*end != '\0')
		s = strchr(suffixes, *end | 0x20);
	if (errno != 0 || end == text || (*end != '\0' && (s == NULL || end[1] != '\0')))
		return err_set(e, EINVAL, "--%s: \"%s\" is no number", flag, text);
	for (; s != NULL && s >= suffixes; s--)
		if (__builtin_mul_overflow(v, 1024, &v))
			return err_set(e, ERANGE, "--%s: \"%s\" is too large", flag, text);
	*out = v;
	return 0;
}

static void set_member(json_t *doc, const char *object, const char *member, json_t *value)
{
	json_t *o = json_object_get(doc, object);

	if (o == NULL) {
		o = json_object();
		json_object_set_new(doc, object, o);
	}
	json_object_set_new(o, member, value);
}

/* The flags as a linux.resources object, so that both ways are checked by the same code. */
static json_t *from_flags(struct err *e)
{
	json_t *doc = json_object();
	json_int_t v = 0;

	for (size_t i = 0; i < ARRAY_SIZE(number_flags); i++)
		if (numbers[i] != NULL && parse_size(number_flags[i].flag, numbers[i], &v, e) == 0)
			set_member(doc, number_flags[i].object, number_flags[i].member, json_integer(v));
	if (cpus != NULL)
		set_member(doc, "cpu", "cpus", json_string(cpus));
	if (mems != NULL)
		set_member(doc, "cpu", "mems", json_string(mems));
	return doc;
}

/* A limit of a controller in whose cgroup the container is not (rootless): an error, in runc's words. */
static int check_joined(const struct cgroup *c, const struct oci_resources *r, struct err *e)
{
	const struct {
		const char *controller;
		bool wanted;
	} limits[] = {
		{ "memory", r->memory_limit > 0 },
		{ "cpu", r->cpu_quota > 0 || r->cpu_shares > 0 },
		{ "pids", r->pids_limit > 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].wanted && cgroup_dir(c, limits[i].controller) == NULL)
			return err_set(e, EPERM, "cannot set %s limit: container could not join or create cgroup",
				       limits[i].controller);
	return 0;
}

static int apply(struct state *s, const struct oci_resources *r, struct err *e)
{
	struct err told = ERR_INIT;
	struct cgroup c;
	json_t *o;

	cgroup_from_json(s->cgroup, &c);
	if (check_joined(&c, r, e) == 0)
		cgroup_apply(&c, r, false, e);
	if (!err_is(e) && c.unit != NULL && systemd_set_limits(c.unit, c.v2, r, &told) < 0)
		log_warn("update: %s", err_is(&told) ? told.text : "systemd can't be asked");
	err_clear(&told);
	cgroup_fini(&c);
	if (err_is(e) || state_status(s) == CTR_PAUSED)
		return e->error;
	/* What the container sees of its limits follows; a Sentry that can't do that yet is no error. */
	o = json_pack("{s:s,s:I,s:I,s:i,s:I,s:I}", "op", "update", "memory_limit",
		      (json_int_t)MAX(r->memory_limit, 0), "pids_limit",
		      (json_int_t)MAX(r->pids_limit, 0), "cpu_count",
		      r->cpuset_cpus ? oci_cpu_list_count(r->cpuset_cpus) : 0, "cpu_quota_us",
		      (json_int_t)MAX(r->cpu_quota, 0), "cpu_period_us",
		      (json_int_t)MAX(r->cpu_period, 0));
	control_once(s, o, CONTROL_TIMEOUT_MS, NULL, &told);
	return 0;
}

int cmd_update(const struct globals *g, int argc, char **argv, struct err *e)
{
	struct oci_resources r;
	struct state *s;
	json_t *doc;
	bool done;
	int first = cmd_parse("update", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (state_open_locked(g->root, argv[first], &s, e) < 0)
		return e->error;
	if (resources == NULL)
		doc = from_flags(e);
	else if (strcmp(resources, "-") == 0)
		doc = jsonw_load_file(AT_FDCWD, "/proc/self/fd/0", "resources", e);
	else
		doc = jsonw_load_file(AT_FDCWD, resources, resources, e);
	if (!err_is(e) && state_status(s) == CTR_STOPPED)
		err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	if (!err_is(e) && oci_resources_parse(doc, "resources", &r, e) == 0) {
		apply(s, &r, e);
		oci_resources_fini(&r);
	}
	json_decref(doc);
	state_free(s);
	return e->error;
}
