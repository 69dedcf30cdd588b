/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h: starting the jailed processes, Sentry and Gofer.
 *
 * A jailed process is our own executable again, in new pid, mount, ipc and uts namespaces, below an
 * empty read-only root, with no_new_privs, killed when its starter dies, with just the descriptors it
 * is given.  The Sentry besides: a user namespace of its own in which it is nobody, no capability in
 * any set, a network namespace of its own unless the starter's is the container's; and it is executed
 * anew: what it could read of itself tells nothing of where others have their code and data.  The Gofer goes on
 * in a copy of its starter, which costs a third of the memory and none of the time of another image.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runsc-c/err.h"

/* In the list of descriptors: a procfs of the new pid namespace goes here. */
#define SPAWN_PROCFS (-2)

/* What becomes of mounts that are made later below a tree's source on the host, or below the tree. */
enum spawn_tree {
	SPAWN_TREE_NONE,    /* not put into the mount namespace */
	SPAWN_TREE_PRIVATE, /* nothing: it is there so that parts of it can be bound elsewhere */
	SPAWN_TREE_SLAVE,   /* the host's are seen */
	SPAWN_TREE_PEER,    /* both ways */
};

struct spawn {
	const char *staging;     /* an existing directory, to mount the empty root on */
	const char *const *argv; /* argv[1]: what it is called in errors, and the hidden subcommand */
	int (*run)(int argc, const char *const *argv); /* in a copy of ourselves, from argv[1] on; NULL: executed anew */
	const int *fds;          /* become 0, 1, 2, … in the new process; all others are closed */
	size_t fd_count;
	const int *trees;        /* detached mounts (open_tree(2)) that go into its mount namespace */
	const enum spawn_tree *tree_kinds; /* how, each */
	size_t tree_count;
	int exe_fd;              /* our executable; not with run */
	bool nobody;             /* user namespace, no capabilities */
	bool new_net;
	bool deep_stack_hole;    /* 4 GB below the stack: the stub lives there */
	bool before_others;      /* at a better nice value than ours, if we may */
};

/*
 * The new process's pid as the caller sees it, or a negative errno with e set; *pidfd is a new
 * descriptor, by which others find its pid (spawn_pid_of()).  What fails in the new process before its
 * exec is written to report_fd as one line of text (and its status is then 126).
 */
pid_t spawn_jailed(const struct spawn *s, int report_fd, int *pidfd, struct err *e);

/*
 * At the start of every command: default dispositions, empty signal mask, descriptors 0 to 2 open,
 * all others but the first `keep` after them closed.
 */
void spawn_sanitize(int keep);
/* What ps shows of this process from now on, as far as main()'s argv has room. */
void spawn_set_title(const char *const *argv);
void spawn_main_args(int argc, char **argv);
/* fork(), into a v2 cgroup if cgroup_fd >= 0, with further CLONE_* flags.  pidfd: of CLONE_PIDFD, or NULL. */
pid_t spawn_fork(int cgroup_fd, unsigned long flags, int *pidfd);
/* The pid of a pidfd's process as our procfs has it; 0 when it has gone, or none in there. */
pid_t spawn_pid_of(int pidfd);
/* Join the namespace that config.json names by path, of the kind CLONE_NEW…, called `kind` in the sentence of an error. */
int spawn_enter_namespace(const char *path, int flag, const char *kind, struct err *e);
