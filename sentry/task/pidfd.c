/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.c: pidfds, and the calls made with them that are not signals or waits. */
#include "sentry/task/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "lib/buf.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

static uint32_t pidfd_poll(struct file *f, struct poller *p)
{
	struct pid *pid = file_priv(f);
	uint32_t events = 0;

	poller_add(p, &pid->wq);
	mutex_lock(&tasklist.lock);
	if (!pid->process || pid->process->state != PROCESS_ALIVE)
		events = POLLIN | POLLRDNORM;
	mutex_unlock(&tasklist.lock);
	return events;
}

static void pidfd_release(struct file *f)
{
	pid_put(file_priv(f));
}

static void pidfd_show_fdinfo(struct file *f, struct buf *b)
{
	struct pid *pid = file_priv(f);

	buf_printf(b, "Pid:\t%d\nNSpid:\t%d\n", pid->released ? -1 : pid->numbers[pid->level].nr,
		   pid->released ? -1 : pid->numbers[pid->level].nr);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_new(struct pid *pid, int flags, const struct cred *cred, struct file **out)
{
	int err = file_new_anon("pidfd", &pidfd_ops, pid, O_RDWR | flags, FILE_STREAM, cred, out);

	if (!err)
		pid_get(pid);
	return err;
}

struct pid *pidfd_pid(const struct file *f)
{
	return f->ops == &pidfd_ops ? pid_get(file_priv(f)) : NULL;
}

long sys_pidfd_open(struct task *t, int nr, unsigned int flags)
{
	struct file *f;
	struct pid *pid;
	int err;

	if ((flags & ~(unsigned int)O_NONBLOCK) || nr <= 0)
		return -EINVAL;
	pid = pid_lookup(task_pid_ns(t), nr);
	if (!pid)
		return -ESRCH;
	err = pid->process ? pidfd_new(pid, (int)flags, t->cred, &f) : -ENOENT;
	pid_put(pid);
	return err ? err : fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE));
}

long sys_pidfd_getfd(struct task *t, int pidfd, int fd, unsigned int flags)
{
	struct task *target = NULL;
	struct fdtable *fdt;
	struct file *f;
	struct pid *pid;
	long err;

	if (flags)
		return -EINVAL;
	f = fdt_file(t->fdt, pidfd);
	if (!f)
		return -EBADF;
	pid = pidfd_pid(f);
	file_put(f);
	if (!pid)
		return -EBADF;
	mutex_lock(&tasklist.lock);
	if (pid->process && pid->process->leader)
		target = task_get(pid->process->leader);
	mutex_unlock(&tasklist.lock);
	pid_put(pid);
	if (!target)
		return -ESRCH;
	err = task_may_access(t, target, PTRACE_ATTACH_ | PTRACE_REALCREDS) ? 0 : -EPERM;
	fdt = err ? NULL : task_fdt_get(target);
	task_put(target);
	if (err)
		return err;
	if (!fdt)
		return -ESRCH;
	f = fdt_file(fdt, fd);
	fdt_put(task_vfs(t), fdt);
	return f ? fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)) : -EBADF;
}
