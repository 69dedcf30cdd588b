/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_trace.c: --strace of real tasks: memory from the platform, lines into the log.
 *
 * Threads are named by their number in the sandbox's first pid namespace, which is unique.  Memory
 * is read as the call itself sees it (plat_thread_space), marshalled input and output included.
 */
#include <errno.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "platform/platform.h"
#include "sentry/task/task.h"
#include "sentry/trace/trace.h"

static enum log_level trace_level = LOG_INFO; /* set once, before trace_set() */

static ssize_t task_read(struct task *t, uint64_t addr, void *dst, size_t size)
{
	const struct uio_space *s = t->pt ? plat_thread_space(t->pt) : NULL;

	return s ? s->read(s, addr, dst, size) : -EFAULT;
}

static int task_number(struct task *t)
{
	return t->pid->numbers[0].nr;
}

static void task_line(struct task *t, const char *text, size_t size)
{
	(void)t;
	log_write(trace_level, "%.*s", (int)size - 1, text); /* the log has its own newline */
}

void trace_tasks(bool starts)
{
	static const struct trace_env ends_only = { .read = task_read, .tid = task_number,
						    .line = task_line, .now_ns = clock_mono_ns };
	static const struct trace_env with_starts = { .read = task_read, .tid = task_number,
						      .line = task_line, .now_ns = clock_mono_ns,
						      .starts = true };

	/* Who asks for a trace wants it whatever else is logged. */
	while (trace_level > LOG_ERROR && !log_enabled(trace_level))
		trace_level--;
	trace_set(starts ? &with_starts : &ends_only);
}
