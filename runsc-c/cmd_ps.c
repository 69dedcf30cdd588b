/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_ps.c: `runsc-c ps`: the processes of a container.  The JSON form lists host pids, as runc's
 * does (that is what the clients look up in the host's ps); the table shows what the container sees.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "runsc-c/control_client.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"
#include "runsc-c/stubs.h"

static int get(const json_t *o, const char *name)
{
	return (int)json_integer_value(json_object_get(o, name));
}

static void print_json(const struct state *s, const json_t *processes)
{
	json_t *a = json_array();
	size_t count;
	struct stub_pid *v = stub_pids(s->sentry.pid, &count);

	for (size_t i = 0; i < json_array_size(processes); i++) {
		int stub = get(json_array_get(processes, i), "stub_pid");

		for (size_t k = 0; k < count; k++)
			if (v[k].inner == stub)
				json_array_append_new(a, json_integer(v[k].host));
	}
	mem_free(v);
	json_dumpf(a, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(a);
}

static void print_table(const json_t *processes)
{
	printf("%-8s %6s %6s %-8s %8s %s\n", "UID", "PID", "PPID", "STIME", "TIME", "CMD");
	for (size_t i = 0; i < json_array_size(processes); i++) {
		const json_t *o = json_array_get(processes, i);
		time_t start = (time_t)(json_integer_value(json_object_get(o, "start_ns")) / NSEC_PER_SEC);
		long cpu = (long)(json_integer_value(json_object_get(o, "cpu_ns")) / NSEC_PER_SEC);
		const char *command = json_string_value(json_object_get(o, "command"));
		char stime[16];
		struct tm tm;

		gmtime_r(&start, &tm);
		strftime(stime, sizeof(stime), "%H:%M:%S", &tm);
		printf("%-8d %6d %6d %-8s %02ld:%02ld:%02ld %s\n", get(o, "uid"), get(o, "pid"),
		       get(o, "ppid"), stime, cpu / 3600, cpu / 60 % 60, cpu % 60, command);
	}
}

int cmd_ps(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const char *format = "table";
	static const struct flag flags[] = {
		{ "format,f", FLAG_STRING, &format, "table (default) or json (host pids)" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct state *s;
	json_t *reply;
	bool done;
	int first = cmd_parse("ps", flags, argc, argv, 1, -1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_set(e, EINVAL, "--format: unknown value \"%s\"; it is table or json", format);
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	if (state_status(s) == CTR_STOPPED)
		err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	else if (control_once(s, json_pack("{s:s}", "op", "ps"), CONTROL_TIMEOUT_MS, &reply, e) == 0) {
		const json_t *processes = json_object_get(reply, "processes");

		if (strcmp(format, "json") == 0)
			print_json(s, processes);
		else
			print_table(processes);
		json_decref(reply);
	}
	state_free(s);
	return e->error;
}
