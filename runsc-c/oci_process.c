/* SPDX-License-Identifier: Apache-2.0 */
/* oci_process.c: the process object of config.json and of `exec --process`. */
#include <errno.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

#define ID_MAX       0xfffffffeLL /* (uid_t)-1 means "unchanged" to the kernel */
#define MAX_RLIMITS  16
#define MAX_GROUPS   65536

static void parse_user(struct jsonw *w, const json_t *doc, struct process_config *p)
{
	const json_t *o = jsonw_object(w, doc, "user", OPTIONAL), *groups;
	size_t mark = jsonw_enter(w, "user");

	p->uid = (uid_t)jsonw_int(w, o, "uid", 0, ID_MAX, 0);
	p->gid = (gid_t)jsonw_int(w, o, "gid", 0, ID_MAX, 0);
	p->umask = (mode_t)jsonw_int(w, o, "umask", 0, 0777, 0022);
	groups = jsonw_array(w, o, "additionalGids", OPTIONAL);
	if (json_array_size(groups) > MAX_GROUPS)
		jsonw_error(w, "additionalGids", "more than %d groups", MAX_GROUPS);
	else
		p->groups = oci_alloc(w, json_array_size(groups), sizeof(gid_t));
	for (size_t i = 0; p->groups != NULL && i < json_array_size(groups); i++)
		p->groups[p->group_count++] =
			(gid_t)jsonw_int_at(w, groups, "additionalGids", i, 0, ID_MAX);
	jsonw_leave(w, mark);
}

static uint64_t parse_caps(struct jsonw *w, const json_t *o, const char *name)
{
	const json_t *a = jsonw_array(w, o, name, OPTIONAL);
	uint64_t set = 0;

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *s = jsonw_string_at(w, a, name, i);
		int cap = s ? oci_cap_number(s) : 0;

		/* As runc and crun: one that is not known, perhaps not yet, is left out. */
		if (cap >= 0)
			set |= UINT64_C(1) << cap;
		else
			log_warn("%s.%s: unknown capability \"%s\" is left out", w->path, name, s);
	}
	return set;
}

static void parse_capabilities(struct jsonw *w, const json_t *doc, struct process_config *p)
{
	const json_t *o = jsonw_object(w, doc, "capabilities", OPTIONAL);
	size_t mark = jsonw_enter(w, "capabilities");

	p->cap_bounding = parse_caps(w, o, "bounding");
	p->cap_effective = parse_caps(w, o, "effective");
	p->cap_permitted = parse_caps(w, o, "permitted");
	p->cap_inheritable = parse_caps(w, o, "inheritable");
	p->cap_ambient = parse_caps(w, o, "ambient");
	jsonw_leave(w, mark);
}

static void parse_rlimit(struct jsonw *w, const json_t *o, struct process_config *p)
{
	const char *type = jsonw_string(w, o, "type", REQUIRED);
	struct rlimit_config *r = &p->rlimits[p->rlimit_count];
	int resource = type ? oci_rlimit_number(type) : 0;

	if (resource < 0) {
		jsonw_error(w, "type", "unknown limit \"%s\"", type);
		return;
	}
	for (size_t i = 0; type != NULL && i < p->rlimit_count; i++)
		if (p->rlimits[i].resource == resource)
			jsonw_error(w, "type", "\"%s\" is there twice", type);
	if (!jsonw_has(o, "soft") || !jsonw_has(o, "hard"))
		jsonw_error(w, jsonw_has(o, "soft") ? "hard" : "soft", "missing");
	r->resource = resource;
	r->soft = jsonw_u64(w, o, "soft", 0);
	r->hard = jsonw_u64(w, o, "hard", 0);
	if (r->soft > r->hard)
		jsonw_error(w, "soft", "above the hard limit");
	p->rlimit_count++;
}

static void parse_rlimits(struct jsonw *w, const json_t *doc, struct process_config *p)
{
	const json_t *a = jsonw_array(w, doc, "rlimits", OPTIONAL);

	p->rlimits = oci_alloc(w, MAX_RLIMITS, sizeof(*p->rlimits));
	if (json_array_size(a) > MAX_RLIMITS)
		jsonw_error(w, "rlimits", "more than %d entries", MAX_RLIMITS);
	for (size_t i = 0; !err_is(w->e) && i < json_array_size(a); i++) {
		size_t mark = jsonw_enter_index(w, "rlimits", i);
		const json_t *o = json_array_get(a, i);

		if (json_is_object(o))
			parse_rlimit(w, o, p);
		else
			jsonw_error(w, NULL, "expected an object");
		jsonw_leave(w, mark);
	}
}

static void check_env(struct jsonw *w, char **env)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		size_t mark = jsonw_enter_index(w, "env", i);

		if (env[i][0] == '=' || strchr(env[i], '=') == NULL)
			jsonw_error(w, NULL, "expected \"NAME=value\", got \"%s\"", env[i]);
		jsonw_leave(w, mark);
	}
}

static void parse_console(struct jsonw *w, const json_t *doc, struct process_config *p)
{
	const json_t *size = jsonw_object(w, doc, "consoleSize", OPTIONAL);
	size_t mark;

	p->terminal = jsonw_bool(w, doc, "terminal", false);
	mark = jsonw_enter(w, "consoleSize");
	p->rows = (unsigned short)jsonw_int(w, size, "height", 0, 65535, 0);
	p->columns = (unsigned short)jsonw_int(w, size, "width", 0, 65535, 0);
	jsonw_leave(w, mark);
}

/* Accepted and checked; the Sentry has no use for them. */
static void check_ignored(struct jsonw *w, const json_t *o)
{
	static const char *const strings[] = { "apparmorProfile", "selinuxLabel", "commandLine" };
	const char *const *s;

	for (s = strings; s < strings + ARRAY_SIZE(strings); s++)
		jsonw_string(w, o, *s, OPTIONAL);
}

struct process_config *oci_parse_process(struct jsonw *w, const json_t *o)
{
	struct process_config *p = oci_alloc(w, 1, sizeof(*p));
	const char *cwd;

	if (p == NULL)
		return NULL;
	p->args = jsonw_strings(w, o, "args", REQUIRED);
	if (p->args != NULL && p->args[0] == NULL)
		jsonw_error(w, "args", "empty: which program is to run?");
	else if (p->args != NULL && p->args[0][0] == '\0')
		jsonw_error(w, "args[0]", "empty: which program is to run?");
	p->env = jsonw_strings(w, o, "env", OPTIONAL);
	check_env(w, p->env);
	cwd = jsonw_string(w, o, "cwd", REQUIRED);
	if (cwd != NULL && cwd[0] != '/')
		jsonw_error(w, "cwd", "\"%s\" is not an absolute path", cwd);
	p->cwd = oci_dup(w, cwd ? cwd : "/");
	parse_user(w, o, p);
	parse_capabilities(w, o, p);
	parse_rlimits(w, o, p);
	parse_console(w, o, p);
	p->no_new_privs = jsonw_bool(w, o, "noNewPrivileges", false);
	p->has_oom_score_adj = jsonw_has(o, "oomScoreAdj");
	p->oom_score_adj = (int)jsonw_int(w, o, "oomScoreAdj", -1000, 1000, 0);
	p->scheduler = oci_parse_scheduler(w, o);
	p->io_priority = oci_parse_io_priority(w, o);
	check_ignored(w, o);
	return p;
}

int oci_process_parse(const json_t *doc, const char *file, struct process_config **out,
		      struct err *e)
{
	struct process_config *p;
	struct jsonw w;

	jsonw_init(&w, file, e);
	p = oci_parse_process(&w, doc);
	if (err_is(e)) {
		process_config_free(p);
		return e->error;
	}
	*out = p;
	return 0;
}
