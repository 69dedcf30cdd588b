/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_list.c: `runsc-c list`: all containers of the state directory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runsc-c/launch.h"
#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

static json_t *collect(const struct globals *g, char **ids)
{
	json_t *a = json_array();

	for (size_t i = 0; ids[i] != NULL; i++) {
		struct err gone = ERR_INIT;
		struct state *s;

		if (state_open(g->root, ids[i], &s, &gone) < 0)
			continue;
		json_array_append_new(a, state_to_oci(s, state_status(s)));
		state_free(s);
	}
	return a;
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void print_table(const json_t *a)
{
	static const char *const names[] = { "id", "pid", "status", "bundle", "created", "owner" };
	static const char *const titles[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	size_t width[ARRAY_SIZE(names)];

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		width[k] = MAX(strlen(titles[k]), k == 1 ? (size_t)8 : 0);
		for (size_t i = 0; i < json_array_size(a); i++)
			width[k] = MAX(width[k], strlen(text(json_array_get(a, i), names[k])));
	}
	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		printf("%-*s%s", (int)width[k], titles[k], k + 1 < ARRAY_SIZE(names) ? "   " : "\n");
	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);

		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			const char *end = k + 1 < ARRAY_SIZE(names) ? "   " : "\n";

			if (k == 1)
				printf("%-*lld%s", (int)width[k],
				       (long long)json_integer_value(json_object_get(o, "pid")), end);
			else
				printf("%-*s%s", (int)width[k], text(o, names[k]), end);
		}
	}
}

int cmd_list(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const char *format = "table";
	static bool quiet;
	static const struct flag flags[] = {
		{ "format,f", FLAG_STRING, &format, "table (default) or json" },
		{ "quiet,q", FLAG_BOOL, &quiet, "ids only" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	json_t *a;
	char **ids;
	bool done;
	int first = cmd_parse("list", flags, argc, argv, 0, 0, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_set(e, EINVAL, "--format: unknown value \"%s\"; it is table or json", format);
	launch_collect(g->root);
	if (state_list(g->root, &ids, e) < 0)
		return e->error;
	a = collect(g, ids);
	if (quiet) {
		for (size_t i = 0; i < json_array_size(a); i++)
			printf("%s\n", text(json_array_get(a, i), "id"));
	} else if (strcmp(format, "json") == 0) {
		/* runc says null for none. */
		if (json_array_size(a) == 0)
			printf("null\n");
		else if (json_dumpf(a, stdout, JSON_COMPACT) == 0)
			printf("\n");
	} else {
		print_table(a);
	}
	json_decref(a);
	oci_strings_free(ids);
	return 0;
}
