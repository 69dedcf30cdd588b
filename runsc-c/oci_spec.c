/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci_spec.c: config.json as a whole.  process, mounts and resources have files of their own.
 * Member by member as in the runtime specification's config.md and config-linux.md, 1.2.
 */
#include "runsc-c/oci_spec_impl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/hooks.h"
#include "runsc-c/oci_seccomp.h"

#define NEWEST_MINOR 3 /* of ociVersion 1.x */

char *oci_dup(struct jsonw *w, const char *s)
{
	char *copy = s ? mem_strdup(s) : NULL;

	if (s != NULL && copy == NULL)
		err_set(w->e, ENOMEM, "out of memory");
	return copy;
}

void *oci_alloc(struct jsonw *w, size_t count, size_t size)
{
	void *p = mem_calloc(count > 0 ? count : 1, size);

	if (p == NULL)
		err_set(w->e, ENOMEM, "out of memory");
	return p;
}

void oci_strings_free(char **v)
{
	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		mem_free(v[i]);
	mem_free(v);
}

int oci_check_id(const char *id, struct err *e)
{
	size_t n = strlen(id);

	if (n == 0)
		return err_set(e, EINVAL, "container id cannot be empty");
	if (n > 1024)
		return err_set(e, EINVAL, "container id is longer than 1024 characters");
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)id[i]) ||
		    (!isalnum((unsigned char)id[i]) && strchr("_+-.", id[i]) == NULL))
			return err_set(e, EINVAL, "invalid container id \"%s\": only letters, digits "
				       "and _ + - . are allowed", id);
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return err_set(e, EINVAL, "invalid container id \"%s\"", id);
	return 0;
}

/* "1.0.2-dev": major 1, a minor that we know, anything after. */
static void check_version(struct jsonw *w, const char *version)
{
	unsigned int major, minor, patch;
	int n = 0;

	if (version == NULL)
		return;
	if (sscanf(version, "%3u.%3u.%3u%n", &major, &minor, &patch, &n) != 3 ||
	    (version[n] != '\0' && version[n] != '-' && version[n] != '+'))
		jsonw_error(w, "ociVersion", "\"%s\" is no version such as \"1.2.0\"", version);
	else if (major != 1 || minor > NEWEST_MINOR)
		jsonw_error(w, "ociVersion", "unknown version \"%s\"; 1.0.0 to 1.%d are known",
			    version, NEWEST_MINOR);
}

/* ---- root ----------------------------------------------------------------------------------- */

/* A relative root.path stays inside the bundle, also through symlinks; an absolute one is free. */
static void find_rootfs(struct jsonw *w, const char *path, struct oci_spec *s)
{
	int bundle = open(s->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	char link[64], real[PATH_MAX];
	ssize_t n;

	if (path[0] == '/')
		fd = host_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	else
		fd = host_openat2(bundle, path, O_PATH | O_DIRECTORY, 0,
				  RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	if (bundle >= 0)
		close(bundle);
	if (fd == -EXDEV)
		jsonw_error(w, "path", "\"%s\" leads out of the bundle; use an absolute path", path);
	else if (fd < 0)
		jsonw_error(w, "path", "\"%s\": %s", path, err_reason(fd));
	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real) - 1);
	close(fd);
	real[n > 0 ? n : 0] = '\0';
	s->rootfs = oci_dup(w, n > 0 ? real : path);
}

/* A mount namespace by path: the root file system is looked for in there, and later. */
static bool has_mount_path(const json_t *doc)
{
	const json_t *a = json_object_get(json_object_get(doc, "linux"), "namespaces");

	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		const char *type = json_string_value(json_object_get(o, "type"));
		const char *path = json_string_value(json_object_get(o, "path"));

		if (type != NULL && strcmp(type, "mount") == 0 && path != NULL && path[0] == '/')
			return true;
	}
	return false;
}

static void parse_root(struct jsonw *w, const json_t *doc, unsigned int flags, struct oci_spec *s)
{
	const json_t *o = jsonw_object(w, doc, "root", REQUIRED);
	size_t mark = jsonw_enter(w, "root");
	const char *path = o ? jsonw_string(w, o, "path", REQUIRED) : NULL;

	if (path != NULL && path[0] == '\0')
		jsonw_error(w, "path", "empty");
	else if (path != NULL && path[0] == '/' && has_mount_path(doc))
		s->rootfs = oci_dup(w, path);
	else if (path != NULL && !(flags & OCI_SPEC_NO_FILES) && !err_is(w->e))
		find_rootfs(w, path, s);
	s->container->root_readonly = jsonw_bool(w, o, "readonly", false);
	jsonw_leave(w, mark);
}

/* ---- linux ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum oci_namespace_kind kind;
	int sentry_kind; /* enum ns_kind, or -1 */
	bool by_path;    /* may be one that exists */
} namespace_names[] = {
	{ "pid", OCI_NS_PID, NS_PID, true },
	{ "network", OCI_NS_NETWORK, NS_NET, true },
	{ "mount", OCI_NS_MOUNT, -1, true },
	{ "ipc", OCI_NS_IPC, NS_IPC, true },
	{ "uts", OCI_NS_UTS, NS_UTS, true },
	{ "user", OCI_NS_USER, NS_USER, true },
	{ "cgroup", OCI_NS_CGROUP, NS_CGROUP, true },
	{ "time", OCI_NS_TIME, NS_TIME, false },
};

static void parse_namespace(struct jsonw *w, const json_t *o, struct oci_spec *s)
{
	const char *type = jsonw_string(w, o, "type", REQUIRED);
	const char *path = jsonw_string(w, o, "path", OPTIONAL);

	for (size_t i = 0; type != NULL && i < ARRAY_SIZE(namespace_names); i++) {
		struct oci_namespace *ns = &s->namespaces[namespace_names[i].kind];

		if (strcmp(type, namespace_names[i].name) != 0)
			continue;
		if (ns->present)
			jsonw_error(w, "type", "\"%s\" is there twice", type);
		if (path != NULL && path[0] != '\0' && path[0] != '/')
			jsonw_error(w, "path", "\"%s\" is not an absolute path", path);
		if (path != NULL && path[0] != '\0' && !namespace_names[i].by_path)
			jsonw_error(w, "path", "joining a %s namespace is not supported yet", type);
		if (!ns->present && path != NULL && path[0] != '\0')
			ns->path = oci_dup(w, path);
		ns->present = true;
		if (namespace_names[i].sentry_kind >= 0)
			s->container->ns[namespace_names[i].sentry_kind] = NS_NEW;
		return;
	}
	if (type != NULL)
		jsonw_error(w, "type", "unknown namespace \"%s\"", type);
}

static void parse_namespaces(struct jsonw *w, const json_t *linux_, struct oci_spec *s)
{
	const json_t *a = jsonw_array(w, linux_, "namespaces", OPTIONAL);

	for (size_t i = 0; i < NS_KIND_COUNT; i++)
		s->container->ns[i] = NS_SANDBOX;
	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(w, a, "namespaces", i);
		size_t mark = jsonw_enter_index(w, "namespaces", i);

		parse_namespace(w, o, s);
		jsonw_leave(w, mark);
	}
}

void oci_parse_id_map(struct jsonw *w, const json_t *linux_, const char *name,
			 struct id_map_config **out, size_t *count)
{
	const json_t *a = jsonw_array(w, linux_, name, OPTIONAL);
	struct id_map_config *m = oci_alloc(w, json_array_size(a), sizeof(*m));

	mem_free(*out); /* an option's, which these replace */
	*out = m;
	*count = 0;
	for (size_t i = 0; m != NULL && i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(w, a, name, i);
		size_t mark = jsonw_enter_index(w, name, i);

		m[i].container_id = (uint32_t)jsonw_int(w, o, "containerID", 0, UINT32_MAX, 0);
		m[i].host_id = (uint32_t)jsonw_int(w, o, "hostID", 0, UINT32_MAX, 0);
		m[i].size = (uint32_t)jsonw_int(w, o, "size", 1, UINT32_MAX, 0);
		if (m[i].size == 0)
			jsonw_error(w, "size", "missing");
		*count = i + 1;
		jsonw_leave(w, mark);
	}
}

static char **parse_paths(struct jsonw *w, const json_t *linux_, const char *name)
{
	char **v = jsonw_strings(w, linux_, name, OPTIONAL);

	for (size_t i = 0; v != NULL && v[i] != NULL; i++) {
		size_t mark = jsonw_enter_index(w, name, i);

		if (v[i][0] != '/')
			jsonw_error(w, NULL, "\"%s\" is not an absolute path", v[i]);
		jsonw_leave(w, mark);
	}
	return v;
}

/* linux.seccomp: the Sentry runs the filter, as a program. */
static char *parse_seccomp(struct jsonw *w, const json_t *linux_)
{
	const json_t *o = jsonw_object(w, linux_, "seccomp", OPTIONAL);
	size_t mark = jsonw_enter(w, "seccomp");
	char *text = o != NULL ? oci_seccomp_compile(w, o) : NULL;

	jsonw_leave(w, mark);
	return text;
}

static unsigned long parse_propagation(struct jsonw *w, const json_t *linux_)
{
	struct oci_mount_flags m = { 0, 0, false, false };
	const char *s = jsonw_string(w, linux_, "rootfsPropagation", OPTIONAL);

	if (s == NULL || s[0] == '\0')
		return 0;
	if (!oci_mount_option(s, &m) || m.propagation == 0)
		jsonw_error(w, "rootfsPropagation", "unknown value \"%s\"", s);
	return m.propagation;
}

static uint32_t parse_personality(struct jsonw *w, const json_t *linux_)
{
	const json_t *o = jsonw_object(w, linux_, "personality", OPTIONAL);
	size_t mark = jsonw_enter(w, "personality");
	const char *domain = o ? jsonw_string(w, o, "domain", REQUIRED) : NULL;

	bool linux32 = domain != NULL && strcmp(domain, "LINUX32") == 0;

	if (domain != NULL && !linux32 && strcmp(domain, "LINUX") != 0)
		jsonw_error(w, "domain", "unknown domain \"%s\"", domain);
	if (json_array_size(jsonw_array(w, o, "flags", OPTIONAL)) > 0)
		jsonw_error(w, "flags", "none is known");
	jsonw_leave(w, mark);
	return linux32 ? PER_LINUX32 : 0;
}

/* One clock of linux.timeOffsets, in nanoseconds. */
static int64_t parse_offset(struct jsonw *w, const json_t *offsets, const char *clock)
{
	const json_t *o = jsonw_object(w, offsets, clock, OPTIONAL);
	size_t mark = jsonw_enter(w, clock);
	const int64_t limit = INT64_MAX / NSEC_PER_SEC - 1;
	int64_t secs = jsonw_int(w, o, "secs", -limit, limit, 0);
	int64_t nanosecs = jsonw_int(w, o, "nanosecs", 0, NSEC_PER_SEC - 1, 0);

	jsonw_leave(w, mark);
	return secs * NSEC_PER_SEC + nanosecs;
}

static void parse_time_offsets(struct jsonw *w, const json_t *linux_, struct oci_spec *s)
{
	json_t *o = jsonw_object(w, linux_, "timeOffsets", OPTIONAL), *v;
	const struct oci_namespace *ns = &s->namespaces[OCI_NS_TIME];
	size_t mark = jsonw_enter(w, "timeOffsets");
	const char *name;

	json_object_foreach(o, name, v)
		if (strcmp(name, "monotonic") != 0 && strcmp(name, "boottime") != 0)
			jsonw_error(w, name, "unknown clock; monotonic and boottime have offsets");
	s->container->mono_offset_ns = parse_offset(w, o, "monotonic");
	s->container->boot_offset_ns = parse_offset(w, o, "boottime");
	if (json_object_size(o) > 0 && (!ns->present || ns->path != NULL))
		jsonw_error(w, NULL, "need a new time namespace");
	jsonw_leave(w, mark);
}

static void parse_linux(struct jsonw *w, const json_t *doc, struct oci_spec *s)
{
	const json_t *o = jsonw_object(w, doc, "linux", OPTIONAL), *resources;
	struct container_config *c = s->container;
	size_t mark = jsonw_enter(w, "linux"), inner;

	parse_namespaces(w, o, s);
	oci_parse_id_map(w, o, "uidMappings", &c->uid_map, &c->uid_map_count);
	oci_parse_id_map(w, o, "gidMappings", &c->gid_map, &c->gid_map_count);
	oci_parse_devices(w, o, c);
	oci_parse_sysctl(w, o, s);
	c->masked_paths = parse_paths(w, o, "maskedPaths");
	c->readonly_paths = parse_paths(w, o, "readonlyPaths");
	c->root_propagation = parse_propagation(w, o);
	s->cgroups_path = oci_dup(w, jsonw_string(w, o, "cgroupsPath", OPTIONAL));
	resources = jsonw_object(w, o, "resources", OPTIONAL);
	oci_parse_device_rules(w, resources, c);
	inner = jsonw_enter(w, "resources");
	oci_parse_resources(w, resources, &s->resources);
	jsonw_leave(w, inner);
	if (c->process != NULL) {
		c->process->seccomp = parse_seccomp(w, o);
		c->process->personality = parse_personality(w, o);
	}
	parse_time_offsets(w, o, s);
	jsonw_string(w, o, "mountLabel", OPTIONAL);
	jsonw_object(w, o, "intelRdt", OPTIONAL);
	jsonw_leave(w, mark);
}

/* ---- hooks, annotations --------------------------------------------------------------------- */

static const char *const phase_names[OCI_HOOK_PHASES] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
};

static void parse_hook(struct jsonw *w, const json_t *o, struct oci_hook *h)
{
	const char *path = jsonw_string(w, o, "path", REQUIRED);

	if (path != NULL && path[0] != '/')
		jsonw_error(w, "path", "\"%s\" is not an absolute path", path);
	h->path = oci_dup(w, path);
	if (jsonw_has(o, "args"))
		h->args = jsonw_strings(w, o, "args", OPTIONAL);
	if (jsonw_has(o, "env"))
		h->env = jsonw_strings(w, o, "env", OPTIONAL);
	h->timeout = (int)jsonw_int(w, o, "timeout", 0, INT_MAX, 0);
}

static void parse_hooks(struct jsonw *w, const json_t *doc, struct oci_spec *s)
{
	const json_t *o = jsonw_object(w, doc, "hooks", OPTIONAL);
	size_t mark = jsonw_enter(w, "hooks");

	for (int phase = 0; phase < OCI_HOOK_PHASES; phase++) {
		const char *name = phase_names[phase];
		const json_t *a = jsonw_array(w, o, name, OPTIONAL);
		struct oci_hooks *hooks = &s->hooks[phase];

		hooks->hooks = oci_alloc(w, json_array_size(a), sizeof(*hooks->hooks));
		for (size_t i = 0; hooks->hooks != NULL && i < json_array_size(a); i++) {
			const json_t *hook = jsonw_object_at(w, a, name, i);
			size_t inner = jsonw_enter_index(w, name, i);

			parse_hook(w, hook, &hooks->hooks[i]);
			hooks->count = i + 1;
			jsonw_leave(w, inner);
		}
	}
	jsonw_leave(w, mark);
}

static void parse_annotations(struct jsonw *w, const json_t *doc, struct oci_spec *s)
{
	json_t *o = jsonw_object(w, doc, "annotations", OPTIONAL), *v;
	size_t mark = jsonw_enter(w, "annotations");
	const char *name;

	json_object_foreach(o, name, v)
		if (!json_is_string(v))
			jsonw_error(w, name, "expected a string");
	s->annotations = o ? json_incref(o) : json_object();
	jsonw_leave(w, mark);
}

/* crun's run.oci.keep_original_groups: the supplementary groups are ours. */
static void keep_groups(struct jsonw *w, struct oci_spec *s)
{
	const char *on = json_string_value(json_object_get(s->annotations, "run.oci.keep_original_groups"));
	struct process_config *p = s->container->process;
	int count = getgroups(0, NULL);

	if (on == NULL || strcmp(on, "1") != 0 || count <= 0)
		return;
	mem_free(p->groups);
	p->group_count = 0;
	p->groups = oci_alloc(w, (size_t)count, sizeof(gid_t));
	if (p->groups != NULL)
		p->group_count = (size_t)MAX(getgroups(count, p->groups), 0);
}

/* ---- all ------------------------------------------------------------------------------------ */

/* CPUs that applications see: what the quota, the cpuset and our own affinity leave. */
static unsigned int count_cpus(const struct oci_resources *r)
{
	cpu_set_t set;
	int64_t count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	if (r->cpuset_cpus != NULL)
		count = MIN(count, (int64_t)oci_cpu_list_count(r->cpuset_cpus));
	if (r->cpu_quota > 0) {
		int64_t period = r->cpu_period > 0 ? r->cpu_period : 100000;

		count = MIN(count, r->cpu_quota / period + (r->cpu_quota % period != 0));
	}
	return (unsigned int)MAX(count, 1);
}

static void fill_container(struct jsonw *w, const json_t *doc, const char *id, struct oci_spec *s)
{
	struct container_config *c = s->container;
	const json_t *process = jsonw_object(w, doc, "process", REQUIRED);
	size_t mark;

	c->id = oci_dup(w, id);
	mark = jsonw_enter(w, "process");
	if (process != NULL)
		c->process = oci_parse_process(w, process);
	jsonw_leave(w, mark);
	c->hostname = oci_dup(w, jsonw_string(w, doc, "hostname", OPTIONAL));
	c->domainname = oci_dup(w, jsonw_string(w, doc, "domainname", OPTIONAL));
	if (c->hostname != NULL && strlen(c->hostname) > 64)
		jsonw_error(w, "hostname", "longer than 64 bytes");
	if (c->domainname != NULL && strlen(c->domainname) > 64)
		jsonw_error(w, "domainname", "longer than 64 bytes");
}

static void fill_limits(struct oci_spec *s)
{
	struct container_config *c = s->container;

	c->memory_limit = s->resources.memory_limit > 0 ? (uint64_t)s->resources.memory_limit : 0;
	c->pids_limit = s->resources.pids_limit > 0 ? (uint64_t)s->resources.pids_limit : 0;
	c->cpu_count = count_cpus(&s->resources);
	if (s->resources.cpu_quota > 0) {
		c->cpu_quota_us = (uint64_t)s->resources.cpu_quota;
		c->cpu_period_us = s->resources.cpu_period > 0 ? (uint64_t)s->resources.cpu_period : 100000;
	}
	if (c->process != NULL && c->process->has_oom_score_adj) {
		c->has_oom_score_adj = true;
		c->oom_score_adj = c->process->oom_score_adj;
	}
}

int oci_spec_parse(const json_t *doc, const char *file, const char *bundle, const char *id,
		   unsigned int flags, struct oci_spec **out, struct err *e)
{
	struct oci_spec *s = mem_new(struct oci_spec);
	const char *version;
	struct jsonw w;

	if (s == NULL)
		return err_set(e, ENOMEM, "out of memory");
	jsonw_init(&w, file, e);
	oci_resources_init(&s->resources);
	s->bundle = oci_dup(&w, bundle);
	s->container = oci_alloc(&w, 1, sizeof(*s->container));
	if (s->container != NULL)
		s->container->gofer_fd = -1;
	if (err_is(e))
		goto free_spec;
	version = jsonw_string(&w, doc, "ociVersion", REQUIRED);
	check_version(&w, version);
	s->version = oci_dup(&w, version);
	fill_container(&w, doc, id, s);
	if (s->container->process == NULL)
		goto free_spec;
	parse_root(&w, doc, flags, s);
	oci_parse_mounts(&w, doc, s);
	parse_linux(&w, doc, s);
	parse_hooks(&w, doc, s);
	parse_annotations(&w, doc, s);
	keep_groups(&w, s);
	if (err_is(e))
		goto free_spec;
	fill_limits(s);
	*out = s;
	return 0;

free_spec:
	oci_spec_free(s);
	return e->error;
}

int oci_spec_load(const char *bundle, const char *config, const char *id, struct oci_spec **out,
		  struct err *e)
{
	char shown[PATH_MAX + 32];
	char *real = realpath(bundle, NULL);
	json_t *doc;
	int dir, err;

	if (real == NULL)
		return err_errno(e, errno, "bundle \"%s\"", bundle);
	dir = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		err = err_errno(e, errno, "bundle \"%s\"", bundle);
		free(real);
		return err;
	}
	if (config == NULL)
		snprintf(shown, sizeof(shown), "%s/config.json", real);
	else
		snprintf(shown, sizeof(shown), "%s", config);
	doc = jsonw_load_file(dir, config ? config : "config.json", shown, e);
	close(dir);
	err = doc ? oci_spec_parse(doc, "config.json", real, id, 0, out, e) : e->error;
	json_decref(doc);
	free(real);
	return err;
}

void oci_spec_free(struct oci_spec *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		mem_free(s->namespaces[i].path);
	for (size_t phase = 0; phase < OCI_HOOK_PHASES; phase++)
		hooks_fini(&s->hooks[phase]);
	oci_resources_fini(&s->resources);
	container_config_free(s->container);
	json_decref(s->annotations);
	for (size_t i = 0; i < s->bind_count; i++) {
		mem_free(s->binds[i].uid_map);
		mem_free(s->binds[i].gid_map);
	}
	mem_free(s->binds);
	mem_free(s->cgroups_path);
	mem_free(s->version);
	mem_free(s->bundle);
	mem_free(s->rootfs);
	mem_free(s);
}
