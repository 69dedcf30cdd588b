/* SPDX-License-Identifier: Apache-2.0 */
/* create.h: what create, run, start and do share. */
#pragma once

#include "runsc-c/console.h"
#include "runsc-c/launch.h"
#include "runsc-c/runsc.h"

struct create_flags {
	const char *bundle, *config, *console_socket, *pid_file;
	int preserve_fds;
	bool detach, keep;
	bool starts; /* creation_start() follows, and nobody adds to the network in between */
};

/* Rows of the flags that create and run have in common; f is a struct create_flags. */
#define CREATE_FLAGS(f)                                                                         \
	{ "bundle,b", FLAG_STRING, &(f).bundle, "the bundle's directory (default: the current one)" }, \
	{ "config,f", FLAG_STRING, &(f).config, "another file than the bundle's config.json" },       \
	{ "console-socket", FLAG_STRING, &(f).console_socket, "Unix socket that gets the terminal" },  \
	{ "pid-file", FLAG_STRING, &(f).pid_file, "file to write the container's host pid to" },       \
	{ "preserve-fds", FLAG_INT, &(f).preserve_fds, "descriptors to pass on after stdio" },         \
	{ "pidfd-socket", FLAG_IGNORED_STRING, NULL, NULL },                                           \
	{ "no-pivot", FLAG_IGNORED_BOOL, NULL, NULL },                                                 \
	{ "no-new-keyring", FLAG_IGNORED_BOOL, NULL, NULL },                                           \
	{ "no-subreaper", FLAG_IGNORED_BOOL, NULL, NULL },                                             \
	{ "no-mount-fallback", FLAG_IGNORED_BOOL, NULL, NULL }

struct creation {
	struct launch launch;
	struct console console; /* master -1 when there is none, or it was sent away */
	int *fds;
};

/*
 * Everything up to, but without, launch_commit(): console, launch, pid file.  attached: our own stdin
 * and stdout are relayed to a terminal.  On failure nothing is left.
 */
int creation_make(struct creation *c, const struct globals *g, const struct create_flags *f,
		  struct oci_spec *spec, bool attached, struct err *e);
/* Frees what is left of it (after commit or abort). */
void creation_fini(struct creation *c);

/*
 * Run an uncommitted container's init: start, poststart hooks, state.  On failure nothing is left.
 */
int creation_start(struct creation *c, struct err *e);
/* Commit, relay signals and terminal until the container has ended; its exit status. */
int creation_run_attached(struct creation *c, struct err *e);

/* NAME=value, in the place of one of that name. */
int process_set_env(struct process_config *p, const char *text);

/*
 * How many descriptors after stdio a process gets: --preserve-fds and, with systemd's LISTEN_FDS, those
 * of socket activation, of which p is told in its environment.  Negative with e set.
 */
int creation_preserve(int preserve_fds, struct process_config *p, struct err *e);
/*
 * The descriptors 0, 1, 2 (slave instead when >= 0) and those of the preserve after them that are open,
 * with their numbers in p.  *out is the caller's, mem_free().
 */
int creation_collect_fds(struct process_config *p, int slave, int preserve, int **out, size_t *count,
			 struct err *e);

/* Write "123" to a file, whole or not at all. */
int write_pid_file(const char *path, pid_t pid, struct err *e);
