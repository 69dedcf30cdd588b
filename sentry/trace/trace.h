/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h: --strace: a line for each system call, written much as strace(1) does:
 *
 *     [   12] openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC, 0) = 3
 *     [   12] read(3, "root:x:0:0:root:/root:/bin/bash\n"..., 4096) = 839 <0.000041>
 *     [   12] openat(AT_FDCWD, "/nope", O_RDONLY, 0) = -1 ENOENT
 *
 * What a call takes is decoded when it starts and what it gives when it ends, by tables made from
 * syscall-tables/.  Application memory is read once more for the trace, through the callbacks, and
 * can differ from what the handler saw: the lines are for people, never for decisions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task;

#define TRACE_LINE_MAX 2048 /* longer lines are cut */

/* What the trace needs of its surroundings.  All members stay valid for good. */
struct trace_env {
	/* Bytes copied from the application (short at a fault), or -EFAULT for none. */
	ssize_t (*read)(struct task *t, uint64_t addr, void *dst, size_t size);
	int (*tid)(struct task *t);
	/* One line, with its newline, without NUL. */
	void (*line)(struct task *t, const char *text, size_t size);
	int64_t (*now_ns)(void); /* NULL: no durations */
	/* Also a line ending in "..." when a call starts: shows what is asleep. */
	bool starts;
};

/* Trace from now on (env is borrowed for good), or stop with NULL.  Any thread. */
void trace_set(const struct trace_env *env);
bool trace_enabled(void);

/* A call under way; lives on its fiber's stack (about 2 KB). */
struct trace_call {
	const struct trace_env *env;
	uint64_t nr;
	uint64_t args[6];
	int64_t start_ns;
	struct {
		uint16_t start, size; /* in text */
	} shown[6];
	char text[TRACE_LINE_MAX]; /* the arguments as they were at the start */
};

/* Calls with no end (exit, exit_group) get their line here. */
void trace_enter(struct trace_call *c, struct task *t, uint64_t nr, const uint64_t args[6]);
void trace_exit(struct trace_call *c, struct task *t, long result);

/*
 * --strace: trace all tasks into the log, at level info or the most verbose that is on.  Once, after
 * log_open() and before the first task runs.
 */
void trace_tasks(bool starts);
