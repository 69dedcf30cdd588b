/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_debug.c: `runsc-c debug`: look into a running sandbox.  --jail prints what holds each of its
 * processes, as the host's /proc has it, not as we meant it.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runsc-c/control_client.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

/* ---- jail ----------------------------------------------------------------------------------- */

static void print_namespaces(int pid)
{
	static const char *const names[] = { "user", "pid", "mnt", "net", "ipc", "uts", "cgroup" };
	char path[64], mine[64], theirs[64];

	printf("  namespaces:");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ssize_t n, m;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		n = readlink(path, theirs, sizeof(theirs) - 1);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		m = readlink(path, mine, sizeof(mine) - 1);
		theirs[n > 0 ? n : 0] = mine[m > 0 ? m : 0] = '\0';
		printf(" %s=%s", names[i], n <= 0 ? "?" : strcmp(mine, theirs) == 0 ? "HOST" : "own");
	}
	printf("\n");
}

static void print_status(int pid)
{
	static const char *const keys[] = { "Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:",
					    "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:",
					    "Seccomp_filters:", "NSpid:" };
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				printf("  %s", line);
	if (f != NULL)
		fclose(f);
}

/* What its root directory holds: an empty root is part of the jail. */
static void print_root(int pid)
{
	char path[64];
	struct dirent *de;
	size_t count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/root/", pid);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL)
		count += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
	if (d == NULL)
		printf("  root: %s\n", err_reason(errno));
	else
		printf("  root: %s (%zu entries)\n", count == 0 ? "empty" : "NOT EMPTY", count);
	if (d != NULL)
		closedir(d);
}

static void print_fds(int pid)
{
	char path[300], target[PATH_MAX];
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		ssize_t n;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, de->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		printf("  fd %s: %s\n", de->d_name, target);
	}
	if (d != NULL)
		closedir(d);
}

static void print_process(const char *what, int pid)
{
	printf("%s (pid %d):\n", what, pid);
	print_namespaces(pid);
	print_status(pid);
	print_root(pid);
	print_fds(pid);
}

static int parent_of(int pid)
{
	char path[64], line[256];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL && parent == 0)
		sscanf(line, "PPid: %d", &parent);
	if (f != NULL)
		fclose(f);
	return parent;
}

static void print_jail(const struct state *s)
{
	DIR *d = opendir("/proc");
	struct dirent *de;

	print_process("monitor", s->monitor.pid);
	print_process("gofer", s->gofer.pid);
	print_process("sentry", s->sentry.pid);
	while (d != NULL && (de = readdir(d)) != NULL) {
		int pid = atoi(de->d_name);

		if (pid > 0 && parent_of(pid) == s->sentry.pid)
			print_process("stub", pid);
	}
	if (d != NULL)
		closedir(d);
}

/* ---- others --------------------------------------------------------------------------------- */

static int ask_sentry(const struct state *s, const char *what, struct err *e)
{
	json_t *reply;

	if (control_once(s, json_pack("{s:s,s:s}", "op", "debug", "what", what), CONTROL_TIMEOUT_MS,
			 &reply, e) < 0)
		return e->error;
	fputs(json_string_value(json_object_get(reply, "text")), stdout);
	json_decref(reply);
	return 0;
}

int cmd_debug(const struct globals *g, int argc, char **argv, struct err *e)
{
	static bool jail, stacks, patches;
	static const char *what;
	static const struct flag flags[] = {
		{ "jail", FLAG_BOOL, &jail, "what is in force for each process, from the host's /proc" },
		{ "patches", FLAG_BOOL, &patches, "call sites seen, patched and left on SIGSYS, by file" },
		{ "stacks", FLAG_BOOL, &stacks, "what each task of the sandbox is doing" },
		{ "show", FLAG_STRING, &what, "ask the Sentry: patches" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct state *s;
	bool done;
	int first = cmd_parse("debug", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (stacks)
		what = "stacks";
	if (patches)
		what = "patches";
	if (!jail && what == NULL)
		return err_set(e, EINVAL, "debug: what? Give --jail, --patches, --stacks or --show=…");
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	if (state_status(s) == CTR_STOPPED)
		err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	if (!err_is(e) && jail)
		print_jail(s);
	if (!err_is(e) && what != NULL)
		ask_sentry(s, what, e);
	state_free(s);
	return e->error;
}
