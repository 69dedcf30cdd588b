/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.c: eventfd(2) and eventfd2(2). */
#include <fcntl.h>

#include "sentry/task/task.h"
#include "sys_calls.h"
#include "vfs/eventfd.h"

long sys_eventfd2(struct task *t, unsigned int count, int flags)
{
	struct file *f;
	int err = eventfd_new(task_vfs(t), count, flags, &f);

	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_eventfd(struct task *t, unsigned int count)
{
	return sys_eventfd2(t, count, 0);
}
