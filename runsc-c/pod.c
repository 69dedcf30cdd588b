/* SPDX-License-Identifier: Apache-2.0 */
/* pod.c: containers that share a Sentry.  See pod.h. */
#include "runsc-c/pod.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "runsc-c/control_client.h"
#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/stubs.h"

#define FORGET_TIMEOUT_MS 5000

static const struct {
	enum oci_namespace_kind kind;
	enum ns_kind sentry_kind;
	const char *file;
	bool decides; /* a shared one means a shared Sentry */
} kinds[] = {
	{ OCI_NS_PID, NS_PID, "pid", true },
	{ OCI_NS_NETWORK, NS_NET, "net", true },
	{ OCI_NS_IPC, NS_IPC, "ipc", true },
	{ OCI_NS_UTS, NS_UTS, "uts", false },
};

/* PID of "/proc/PID/ns/FILE", or 0. */
static pid_t path_pid(const char *path, const char *file)
{
	int pid = 0, end = 0;

	if (path == NULL || sscanf(path, "/proc/%d/ns/%n", &pid, &end) != 1 || end == 0)
		return 0;
	return pid > 0 && strcmp(path + end, file) == 0 ? pid : 0;
}

/* The container whose monitor is pid, or NULL. */
static struct state *find_by_monitor(const char *root, pid_t pid)
{
	struct err ignored = ERR_INIT;
	struct state *s, *found = NULL;
	char **ids;

	if (state_list(root, &ids, &ignored) < 0)
		return NULL;
	for (size_t i = 0; ids[i] != NULL && found == NULL; i++) {
		err_clear(&ignored);
		if (state_open(root, ids[i], &s, &ignored) < 0)
			continue;
		if (s->monitor.pid == pid && proc_alive(&s->monitor))
			found = s;
		else
			state_free(s);
	}
	oci_strings_free(ids);
	return found;
}

static const char *annotation(const struct oci_spec *spec, const char *name)
{
	return json_string_value(json_object_get(spec->annotations, name));
}

/* The sandbox that the annotations name: its id, or NULL. */
static const char *annotated_sandbox(const struct oci_spec *spec)
{
	static const char *const names[][2] = {
		{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
		{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *type = annotation(spec, names[i][0]), *id = annotation(spec, names[i][1]);

		if (type != NULL && strcmp(type, "container") == 0 && id != NULL)
			return id;
	}
	return NULL;
}

/* The container whose Sentry s's processes are in. */
static struct state *sandbox_of(const char *root, struct state *s, struct err *e)
{
	struct state *sandbox;

	if (s->sandbox == NULL)
		return s;
	if (state_open(root, s->sandbox, &sandbox, e) < 0)
		sandbox = NULL;
	state_free(s);
	return sandbox;
}

static bool same_sentry(const struct state *a, const struct state *b)
{
	return a->sentry.pid == b->sentry.pid && a->sentry.start == b->sentry.start;
}

/* The container of ours that the kind's namespace belongs to, or NULL. */
static struct state *namespace_owner(const char *root, const struct oci_spec *spec, size_t i)
{
	pid_t pid = path_pid(spec->namespaces[kinds[i].kind].path, kinds[i].file);

	return pid > 0 ? find_by_monitor(root, pid) : NULL;
}

static int join(struct oci_spec *spec, size_t i, const struct state *owner, struct err *e)
{
	struct container_config *c = spec->container;

	mem_free(c->ns_join[kinds[i].sentry_kind]);
	c->ns_join[kinds[i].sentry_kind] = mem_strdup(owner->id);
	c->ns[kinds[i].sentry_kind] = NS_JOIN;
	return c->ns_join[kinds[i].sentry_kind] ? 0 : err_set(e, ENOMEM, "out of memory");
}

int pod_find(const char *root, struct oci_spec *spec, struct state **out, struct err *e)
{
	struct state *sandbox = NULL, *owner[ARRAY_SIZE(kinds)] = { NULL };
	struct err ignored = ERR_INIT;
	const char *id = annotated_sandbox(spec);

	*out = NULL;
	if (id != NULL && state_open(root, id, &sandbox, &ignored) == 0)
		sandbox = sandbox_of(root, sandbox, &ignored);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		owner[i] = namespace_owner(root, spec, i);
		if (owner[i] != NULL && kinds[i].decides && sandbox == NULL &&
		    state_open(root, owner[i]->id, &sandbox, &ignored) == 0)
			sandbox = sandbox_of(root, sandbox, &ignored);
	}
	if (sandbox != NULL && !proc_alive(&sandbox->sentry)) {
		state_free(sandbox);
		sandbox = NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *path = spec->namespaces[kinds[i].kind].path;

		if (owner[i] != NULL && sandbox != NULL && same_sentry(owner[i], sandbox))
			join(spec, i, owner[i], e);
		else if (sandbox != NULL && path != NULL && kinds[i].kind != OCI_NS_PID)
			join(spec, i, sandbox, e); /* the pod's, by another name (/run/netns/…) */
		else if (path != NULL && kinds[i].kind == OCI_NS_PID)
			err_set(e, ENOTSUP, "config.json: linux.namespaces: pid namespace \"%s\" is not "
				"that of a running container of this runtime", path);
		state_free(owner[i]);
	}
	if (err_is(e)) {
		state_free(sandbox);
		return e->error;
	}
	*out = sandbox;
	return 0;
}

int pod_link(const struct state *s, const struct state *sandbox, struct err *e)
{
	char target[512];

	snprintf(target, sizeof(target), "../%s/control.sock", sandbox->id);
	if (symlinkat(target, s->dir, "control.sock") < 0)
		return err_errno(e, errno, "%s/control.sock", s->path);
	return 0;
}

int pod_place(const struct state *s, const json_t *reply, const struct cgroup *c, bool optional,
	      struct err *e)
{
	const json_t *stubs = json_object_get(reply, "stubs");
	struct stub_pid *v;
	size_t count;

	if (c->count == 0 || json_array_size(stubs) == 0)
		return 0;
	v = stub_pids(s->sentry.pid, &count);
	for (size_t i = 0; i < json_array_size(stubs); i++) {
		json_int_t inner = json_integer_value(json_array_get(stubs, i));

		for (size_t k = 0; k < count; k++)
			if (v[k].inner == inner)
				cgroup_move(c, v[k].host, optional, e);
	}
	mem_free(v);
	return e->error;
}

void pod_forget(const struct state *s)
{
	const struct timespec nap = { 0, 5 * NSEC_PER_MSEC };
	int64_t end = clock_mono_ns() + FORGET_TIMEOUT_MS * (int64_t)NSEC_PER_MSEC;

	/* EBUSY: its processes are still dying. */
	do {
		struct err e = ERR_INIT;

		if (!proc_alive(&s->sentry) ||
		    control_once(s, json_pack("{s:s}", "op", "destroy"), 1000, NULL, &e) == 0 ||
		    e.error != -EBUSY)
			return;
		nanosleep(&nap, NULL);
	} while (clock_mono_ns() < end);
}
