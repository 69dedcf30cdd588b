/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_filter.h: seccomp filters of our own processes, from tables.
 *
 * platform/host_<process>.tbl lists the host calls that a process may make, one row each with its
 * reason, as calls of macros:
 *
 *     HOST_CALL(read, "files that the Gofer opened, pipes, the console")
 *     HOST_CALL_IF(ioctl, 1, ~0u, FIONREAD, "…")      only if (argument 1 & mask) == value
 *     HOST_CALL_IF2(openat, 0, ~0u, fd, 2, O_ACCMODE, O_RDONLY, "…")     two conditions (IF3: three)
 *     HOST_ERRNO(clone3, ENOSYS, "…")                 refused without harm
 *
 * Several rows for one call: any of them lets it through.  Everything else raises SIGSYS: with the
 * handler of host_filter_explain() a line in the log that names the call and the end of the process,
 * without it just the end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "lib/util.h"

struct host_condition {
	uint32_t arg; /* index of the argument */
	uint64_t mask, value; /* a mask of 0 is always met */
};

#define HOST_CONDITIONS 3

struct host_rule {
	uint32_t nr;
	int error; /* 0: allow; an errno: refuse with it; HOST_RULE_NOTIFY */
	struct host_condition conditions[HOST_CONDITIONS];
};

/* What the rows of a table become in an initialiser of struct host_rule[]; see platform/jail.c. */
#define HOST_ANY_ { 0, 0, 0 }
#define HOST_CALL(name, reason) { SYS_##name, 0, { HOST_ANY_, HOST_ANY_, HOST_ANY_ } },
#define HOST_CALL_IF(name, arg, mask, value, reason) \
	{ SYS_##name, 0, { { arg, (uint32_t)(mask), (uint32_t)(value) }, HOST_ANY_, HOST_ANY_ } },
#define HOST_CALL_IF2(name, arg, mask, value, arg2, mask2, value2, reason)  \
	{ SYS_##name, 0, { { arg, (uint32_t)(mask), (uint32_t)(value) },    \
			   { arg2, (uint32_t)(mask2), (uint32_t)(value2) }, HOST_ANY_ } },
#define HOST_CALL_IF3(name, arg, mask, value, arg2, mask2, value2, arg3, mask3, value3, reason) \
	{ SYS_##name, 0, { { arg, (uint32_t)(mask), (uint32_t)(value) },                        \
			   { arg2, (uint32_t)(mask2), (uint32_t)(value2) },                     \
			   { arg3, (uint32_t)(mask3), (uint32_t)(value3) } } },
#define HOST_ERRNO(name, error, reason) { SYS_##name, error, { HOST_ANY_, HOST_ANY_, HOST_ANY_ } },

enum host_filter_flags {
	HOST_FILTER_ALL_THREADS = 1 << 0, /* TSYNC: threads that exist already get it too */
	HOST_FILTER_LISTENER = 1 << 1,    /* return the listener for HOST_RULE_NOTIFY (Linux 5.7) */
};

#define HOST_RULES_MAX   384
#define HOST_RULE_NOTIFY (-1) /* ask the listener */

/*
 * Install.  Needs no_new_privs, which it sets.  0, the listener, or a negative errno (-EINVAL: too many rules;
 * -EBUSY: another thread has a filter of its own).
 */
int host_filter_install(const struct host_rule *rules, size_t count, unsigned int flags) must_check;

/* SIGSYS writes "name: host call N is not allowed" to log_fd and ends the process with status 159. */
void host_filter_explain(const char *name, int log_fd);
