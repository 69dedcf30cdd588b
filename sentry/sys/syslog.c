/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syslog.c: syslog(2): the kernel's log as dmesg(1) shows it.
 *
 * What this kernel has to say goes to the operator's log, not to the sandbox: the buffer holds the lines of
 * its start and nothing is added later.  So readers that wait for more (SYSLOG_ACTION_READ) wait for a signal.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/util.h"
#include "sentry/kernel.h"
#include "sentry/task/task.h"
#include "sentry/task/uaccess.h"
#include "sys_calls.h"

#define LOG_BUFFER_SIZE (1 << 18) /* what SYSLOG_ACTION_SIZE_BUFFER says; CONFIG_LOG_BUF_SHIFT=18 */

/* syslog(2); the C library's header has no names for them. */
enum action {
	ACTION_CLOSE,
	ACTION_OPEN,
	ACTION_READ,
	ACTION_READ_ALL,
	ACTION_READ_CLEAR,
	ACTION_CLEAR,
	ACTION_CONSOLE_OFF,
	ACTION_CONSOLE_ON,
	ACTION_CONSOLE_LEVEL,
	ACTION_SIZE_UNREAD,
	ACTION_SIZE_BUFFER,
};

/* Offsets into the log: what SYSLOG_ACTION_READ has taken, and what was cleared away. */
static atomic_size_t read_at, clear_at;

static void log_text(struct buf *b)
{
	struct kernel_memory m;

	kernel_memory(NULL, &m);
	buf_printf(b, "<5>[    0.000000] Linux version %s (root@runsc-c) (gcc %s) %s\n", KERNEL_RELEASE,
		   __VERSION__, KERNEL_VERSION);
	buf_puts(b, "<6>[    0.000000] Hypervisor detected: runsc-c, a kernel in user space\n");
	buf_printf(b, "<6>[    0.000000] Memory: %lluK total\n", (unsigned long long)m.total / 1024);
	buf_printf(b, "<6>[    0.000000] smp: Brought up %u CPUs\n", kernel_cpu_count(NULL));
}

/* The whole lines at the end of [from, end) that fit into size bytes. */
static const char *last_lines(const char *from, const char *end, size_t size)
{
	const char *nl;

	while ((size_t)(end - from) > size) {
		nl = memchr(from, '\n', (size_t)(end - from));
		if (!nl)
			return end;
		from = nl + 1;
	}
	return from;
}

static long read_all(struct task *t, uaddr_t out, size_t size, bool clear)
{
	size_t from = atomic_load_explicit(&clear_at, memory_order_relaxed);
	struct buf b = BUF_INIT;
	const char *lines;
	long r;

	log_text(&b);
	r = buf_error(&b);
	if (r == 0) {
		lines = last_lines(b.data + MIN(from, b.size), b.data + b.size, size);
		r = b.data + b.size - lines;
		if (uaccess_put(t, out, lines, (size_t)r))
			r = -EFAULT;
		else if (clear)
			atomic_store_explicit(&clear_at, b.size, memory_order_relaxed);
	}
	buf_fini(&b);
	return r;
}

/* What has not been read yet: bytes of it, at most size, into out (0: only count them). */
static long read_new(struct task *t, uaddr_t out, size_t size)
{
	struct buf b = BUF_INIT;
	size_t from, n;
	long r;

	log_text(&b);
	r = buf_error(&b);
	if (r == 0) {
		from = MIN(atomic_load_explicit(&read_at, memory_order_relaxed), b.size);
		n = b.size - from;
		r = (long)n;
		if (out.addr && n) {
			r = (long)MIN(n, size);
			if (uaccess_put(t, out, b.data + from, (size_t)r))
				r = -EFAULT;
			else
				atomic_store_explicit(&read_at, from + (size_t)r, memory_order_relaxed);
		}
	}
	buf_fini(&b);
	return r;
}

static bool action_allowed(struct task *t)
{
	/* kernel.dmesg_restrict is 1. */
	return task_capable(t, CAP_SYSLOG) || task_capable(t, CAP_SYS_ADMIN);
}

long sys_syslog(struct task *t, int type, uaddr_t buf, int size)
{
	long r;

	if (!action_allowed(t))
		return -EPERM;
	switch (type) {
	case ACTION_CLOSE:
	case ACTION_OPEN:
	case ACTION_CONSOLE_OFF:
	case ACTION_CONSOLE_ON:
		return 0; /* there is no console to print to */
	case ACTION_CONSOLE_LEVEL:
		return size < 1 || size > 8 ? -EINVAL : 0;
	case ACTION_READ:
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR:
		if (!buf.addr || size < 0)
			return -EINVAL;
		if (size == 0)
			return 0;
		if (type != ACTION_READ)
			return read_all(t, buf, (size_t)size, type == ACTION_READ_CLEAR);
		r = read_new(t, buf, (size_t)size);
		if (r == 0) {
			r = sys_pause(t);
			r = r == -ERESTARTNOHAND ? -ERESTARTSYS : r;
		}
		return r;
	case ACTION_CLEAR:
		(void)read_all(t, buf, 0, true);
		return 0;
	case ACTION_SIZE_UNREAD:
		return read_new(t, (uaddr_t){ 0 }, 0);
	case ACTION_SIZE_BUFFER:
		return LOG_BUFFER_SIZE;
	default:
		return -EINVAL;
	}
}
