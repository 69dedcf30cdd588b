/* SPDX-License-Identifier: Apache-2.0 */
/* runsc.h: the command line's global flags, and the table of subcommands. */
#pragma once

#include <stdbool.h>

#include "runsc-c/attach.h"
#include "runsc-c/err.h"
#include "runsc-c/flags.h"
#include "sentry/control/boot.h"

#define RUNSC_VERSION "0.1.0"
#define RUNSC_SPEC    "1.2.0"

struct globals {
	const char *root; /* state directory */
	const char *log, *log_format, *debug_log;
	const char *platform_name, *network_name, *overlay_name, *rootless_name, *host_uds_name;
	const char *cgroup_manager; /* crun's spelling: "cgroupfs", "systemd", "disabled" */
	bool debug, strace, systemd_cgroup, no_patch;
	const char *pollers_name;
	unsigned int pollers; /* enum plat_pollers */
	int patch_after;
	/* decoded */
	enum platform_choice platform;
	bool platform_forced;
	enum network_choice network;
	bool network_given; /* --network was: do not go by config.json */
	enum overlay_choice overlay;
	enum host_uds host_uds;
	bool rootless; /* not the host's root, or --rootless=true: cgroups are optional */
};

/*
 * One subcommand: cmd_NAME.c.  run() gets argv[0] = its name; it returns the exit status, or a
 * negative errno with e set: then main() prints the sentence and exits with fail_status.
 */
struct command {
	const char *name;
	int (*run)(const struct globals *g, int argc, char **argv, struct err *e);
	const char *usage; /* what follows the name */
	const char *help;
	int fail_status;
	bool hidden;
};

extern const struct command runsc_commands[];

/*
 * The start of every subcommand: parse its flags; --help prints them and sets *done.  Returns the
 * index of the first argument; fewer than min or more than max (-1: any) is an error.
 */
int cmd_parse(const char *name, const struct flag *table, int argc, char **argv, int min, int max,
	      bool *done, struct err *e);

int cmd_create(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_debug(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_delete(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_do(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_events(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_exec(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_features(const struct globals *g, int argc, char **argv, struct err *e);
/* A Gofer's process (spawn.h): its exit status. */
int run_gofer(int argc, const char *const *argv);
int cmd_install(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_kill(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_list(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_pause(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_ps(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_resume(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_run(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_sentry(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_spec(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_start(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_state(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_uninstall(const struct globals *g, int argc, char **argv, struct err *e);
int cmd_update(const struct globals *g, int argc, char **argv, struct err *e);
