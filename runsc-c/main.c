/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: global flags, the subcommand, and the one place where an error is printed: to stderr, and,
 * with --log, as a line of that file in the format that the clients parse.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "runsc-c/runsc.h"
#include "runsc-c/spawn.h"
#include "commit.h"

const struct command runsc_commands[] = {
	{ "create", cmd_create, "[FLAGS] ID", "make a container of a bundle, without running it", 1, false },
	{ "debug", cmd_debug, "[FLAGS] ID", "look into a running sandbox", 1, false },
	{ "delete", cmd_delete, "[--force] ID", "remove a stopped or created container", 1, false },
	{ "do", cmd_do, "[FLAGS] CMD [ARG…]", "run a program of this machine in a sandbox", 128, false },
	{ "events", cmd_events, "[FLAGS] ID", "show a container's use of resources", 1, false },
	{ "exec", cmd_exec, "[FLAGS] ID CMD [ARG…]", "run a further process in a container", 255, false },
	{ "features", cmd_features, "", "show what this runtime supports, as JSON", 1, false },
	{ "install", cmd_install, "[FLAGS] [-- FLAGS OF THE RUNTIME]", "tell Docker, containerd and podman of this runtime", 1, false },
	{ "kill", cmd_kill, "[--all] ID [SIGNAL]", "send a signal to a container's init", 1, false },
	{ "list", cmd_list, "[FLAGS]", "list containers", 1, false },
	{ "pause", cmd_pause, "ID", "suspend all processes of a container", 1, false },
	{ "ps", cmd_ps, "[FLAGS] ID", "list the processes of a container", 1, false },
	{ "resume", cmd_resume, "ID", "let a paused container go on", 1, false },
	{ "run", cmd_run, "[FLAGS] ID", "create and start a container", 1, false },
	{ "sentry", cmd_sentry, "", "(internal)", 1, true },
	{ "spec", cmd_spec, "[FLAGS]", "write a config.json to start from", 1, false },
	{ "start", cmd_start, "ID", "run a created container", 1, false },
	{ "state", cmd_state, "ID", "show a container's state as JSON", 1, false },
	{ "uninstall", cmd_uninstall, "[FLAGS]", "undo install", 1, false },
	{ "update", cmd_update, "[FLAGS] ID", "change a container's limits", 1, false },
	{ NULL, NULL, NULL, NULL, 0, false },
};

static struct globals globals;
static bool show_version;

static const struct flag global_flags[] = {
	{ "root", FLAG_STRING, &globals.root, "state directory (/run/runsc-c, or below XDG_RUNTIME_DIR)" },
	{ "log", FLAG_STRING, &globals.log, "write errors to this file" },
	{ "log-format", FLAG_STRING, &globals.log_format, "text or json" },
	{ "debug", FLAG_BOOL, &globals.debug, "log more" },
	{ "debug-log", FLAG_STRING, &globals.debug_log, "log of Sentry, Gofer and monitor; %ID% becomes the id" },
	{ "platform", FLAG_STRING, &globals.platform_name, "notify (default) or ptrace" },
	{ "network", FLAG_STRING, &globals.network_name, "sandbox: a stack of its own; host: sockets of the host; none: loopback; default: sandbox, or host for "
	  "containers in the network namespace of the caller" },
	{ "overlay", FLAG_STRING, &globals.overlay_name, "where writes to the root go: none (the bundle) or memory" },
	{ "host-uds", FLAG_STRING, &globals.host_uds_name, "AF_UNIX sockets in bind mounts: none, open (connect to the host's), create (the host connects to those made inside), all (default)" },
	{ "no-patch", FLAG_BOOL, &globals.no_patch, "leave call sites alone: every system call is a signal" },
	{ "patch-after", FLAG_INT, &globals.patch_after, "patch a call site at its N-th call (0: when it pays)" },
	{ "pollers", FLAG_STRING, &globals.pollers_name, "CPUs may serve threads that make many calls: auto (default), off; always, 2 to 8 (tests)" },
	{ "strace", FLAG_BOOL, &globals.strace, "log every system call" },
	{ "systemd-cgroup", FLAG_BOOL, &globals.systemd_cgroup, "cgroupsPath is slice:prefix:name" },
	{ "cgroup-manager", FLAG_STRING, &globals.cgroup_manager, "cgroupfs, systemd or disabled" },
	{ "rootless", FLAG_STRING, &globals.rootless_name, "true, false or auto (default)" },
	{ "version,v", FLAG_BOOL, &show_version, "print the version" },
	{ "criu", FLAG_IGNORED_STRING, NULL, NULL },
	{ NULL, FLAG_BOOL, NULL, NULL },
};

static void print_version(void)
{
	printf("runsc-c version %s\ncommit: %s\nspec: %s\n", RUNSC_VERSION,
	       RUNSC_COMMIT, RUNSC_SPEC);
	/* crun's way to say so: sd_notify(3), seccomp filters. */
	printf("+SYSTEMD +SECCOMP\n");
}

static void print_help(void)
{
	printf("runsc-c - run containers on a Linux kernel of their own, in user space\n\n"
	       "usage: runsc-c [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n\ncommands:\n");
	for (const struct command *c = runsc_commands; c->name != NULL; c++)
		if (!c->hidden)
			printf("   %-10s %s\n", c->name, c->help);
	printf("\nglobal flags:\n");
	flags_print(global_flags);
}

int cmd_parse(const char *name, const struct flag *table, int argc, char **argv, int min, int max,
	      bool *done, struct err *e)
{
	int first, count;

	*done = false;
	first = flags_parse(table, argc, argv, done, e);
	if (first < 0)
		return first;
	if (*done) {
		for (const struct command *c = runsc_commands; c->name != NULL; c++)
			if (strcmp(c->name, name) == 0)
				printf("usage: runsc-c %s %s\n\n%s\n\n", name, c->usage, c->help);
		flags_print(table);
		return first;
	}
	count = argc - first;
	if (count < min)
		return err_set(e, EINVAL, "\"%s\" requires %s%d argument(s)", name,
			       min == max ? "exactly " : "at least ", min);
	if (max >= 0 && count > max)
		return err_set(e, EINVAL, "\"%s\" requires %s%d argument(s), got \"%s\" besides", name,
			       min == max ? "exactly " : "at most ", max, argv[first + max]);
	return first;
}

/* ---- global flags --------------------------------------------------------------------------- */

/* The index of value among a NULL-terminated list of names. */
static int choose(const char *flag, const char *value, const char *const *names, struct err *e)
{
	char list[128] = "";

	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(value, names[i]) == 0)
			return i;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
	}
	return err_set(e, EINVAL, "--%s: unknown value \"%s\"; it is one of %s", flag, value, list);
}

static int default_root(struct globals *g, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *root;

	if (g->root != NULL) {
		/* Our own working directory may be another one when the Sentry is asked later. */
		if (g->root[0] == '/')
			return 0;
		if (asprintf(&root, "%s/%s", get_current_dir_name(), g->root) < 0)
			return err_set(e, ENOMEM, "out of memory");
	} else if (geteuid() == 0 && (runtime == NULL || !g->rootless)) {
		root = mem_strdup("/run/runsc-c");
	} else if (runtime != NULL && runtime[0] == '/') {
		if (asprintf(&root, "%s/runsc-c", runtime) < 0)
			root = NULL;
	} else if (asprintf(&root, "/tmp/runsc-c-%u", geteuid()) < 0) {
		root = NULL;
	}
	if (root == NULL)
		return err_set(e, ENOMEM, "out of memory");
	g->root = root;
	return 0;
}

/* Root of a user namespace only (rootless podman): the host's cgroups are somebody else's. */
static bool in_user_namespace(void)
{
	unsigned int inside, outside, count;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool all = f == NULL || (fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 &&
				 inside == 0 && outside == 0 && count == UINT32_MAX);

	if (f != NULL)
		fclose(f);
	return !all;
}

static int decode_globals(struct globals *g, struct err *e)
{
	static const char *const platforms[] = { "notify", "ptrace", NULL };
	static const char *const networks[] = { "sandbox", "host", "none", NULL };
	static const char *const overlays[] = { "none", "memory", NULL };
	static const char *const uds[] = { "none", "open", "create", "all", NULL };
	static const char *const formats[] = { "text", "json", NULL };
	static const char *const answers[] = { "false", "true", "auto", NULL };
	static const char *const pollers[] = { "off", "auto", "always", "2", "3", "4", "5", "6", "7", "8", NULL };
	static const char *const managers[] = { "cgroupfs", "systemd", "disabled", NULL };
	int rootless = choose("rootless", g->rootless_name ? g->rootless_name : "auto", answers, e);
	int manager = choose("cgroup-manager", g->cgroup_manager ? g->cgroup_manager : "cgroupfs",
			     managers, e);
	int platform = choose("platform", g->platform_name ? g->platform_name : "notify", platforms, e);
	int network = choose("network", g->network_name ? g->network_name : "sandbox", networks, e);
	int overlay = choose("overlay", g->overlay_name ? g->overlay_name : "none", overlays, e);
	int host_uds = choose("host-uds", g->host_uds_name ? g->host_uds_name : "all", uds, e);
	int poll = choose("pollers", g->pollers_name ? g->pollers_name : "auto", pollers, e);
	int format = choose("log-format", g->log_format ? g->log_format : "text", formats, e);

	if (err_is(e))
		return e->error;
	(void)format;
	g->platform = (enum platform_choice)platform;
	g->pollers = (unsigned int)poll;
	g->platform_forced = g->platform_name != NULL;
	g->network = (enum network_choice)network;
	g->network_given = g->network_name != NULL;
	g->overlay = (enum overlay_choice)overlay;
	g->host_uds = (enum host_uds)host_uds;
	g->rootless = rootless == 1 || (rootless == 2 && (geteuid() != 0 || in_user_namespace()));
	g->systemd_cgroup = g->systemd_cgroup || manager == 1;
	return default_root(g, e);
}

/* ---- main ----------------------------------------------------------------------------------- */

static bool log_is_open; /* --log; until then log_error() writes to stderr, as fail() does */

static int open_log(const struct globals *g, struct err *e)
{
	bool json = g->log_format != NULL && strcmp(g->log_format, "json") == 0;
	int fd;

	if (g->log == NULL || g->log[0] == '\0')
		return 0;
	fd = open(g->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return err_errno(e, errno, "--log: \"%s\"", g->log);
	log_is_open = true;
	log_open(fd, "runsc-c", g->debug ? LOG_DEBUG : LOG_WARN, json ? LOG_JSON : LOG_TEXT);
	return 0;
}

static int fail(const struct err *e, int status)
{
	if (log_is_open)
		log_error("%s", e->text);
	dprintf(2, "runsc-c: %s\n", e->text);
	return status;
}

static const struct command *find_command(const char *name)
{
	for (const struct command *c = runsc_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* --preserve-fds is needed before the stray descriptors are closed; LISTEN_FDS is systemd's. */
static int preserved(int argc, char **argv)
{
	const char *listen = getenv("LISTEN_FDS");
	int count = listen != NULL ? atoi(listen) : 0;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *value = NULL;

		if (strncmp(a, "--preserve-fds", 14) != 0)
			continue;
		value = a[14] == '=' ? a + 15 : a[14] == '\0' && i + 1 < argc ? argv[i + 1] : NULL;
		if (value != NULL)
			count = MAX(count, atoi(value));
	}
	return MAX(MIN(count, 1024), 0);
}

int main(int argc, char **argv)
{
	const struct command *c = NULL;
	struct err e = ERR_INIT;
	bool help = false;
	int first, status;

	/* Our own child: the descriptors are its. */
	if (argc > 1 && strcmp(argv[1], "sentry") == 0)
		return find_command(argv[1])->run(&globals, argc - 1, argv + 1, &e);
	spawn_main_args(argc, argv);

	spawn_sanitize(preserved(argc, argv));
	first = flags_parse(global_flags, argc, argv, &help, &e);
	if (first < 0)
		return fail(&e, 1);
	if (show_version || help || first == argc) {
		if (show_version)
			print_version();
		else
			print_help();
		return 0;
	}
	c = find_command(argv[first]);
	if (c == NULL) {
		err_set(&e, EINVAL, "unknown command \"%s\"; see runsc-c --help", argv[first]);
		return fail(&e, 1);
	}
	if (decode_globals(&globals, &e) < 0 || open_log(&globals, &e) < 0)
		return fail(&e, c->fail_status);
	status = c->run(&globals, argc - first, argv + first, &e);
	return err_is(&e) ? fail(&e, c->fail_status) : status;
}
