/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.c: pidfds, and the calls made with them that are not signals or waits. */
#include "sentry/task/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "lib/buf.h"
#include "sentry/proc/proc.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

/* Numbers of no file that stand for the caller (linux/pidfd.h). */
#define PIDFD_SELF_THREAD_       (-10000)
#define PIDFD_SELF_THREAD_GROUP_ (-10001)

static uint32_t pidfd_poll(struct file *f, struct poller *p)
{
	struct pid *pid = file_priv(f);
	uint32_t events = 0;

	poller_add(p, &pid->wq);
	mutex_lock(&tasklist.lock);
	if (pid->process)
		events = pid->process->state != PROCESS_ALIVE ? POLLIN | POLLRDNORM : 0;
	else if (pid->task)
		events = pid->task->state == 'Z' ? POLLIN | POLLRDNORM : 0;
	else
		events = POLLIN | POLLRDNORM | POLLHUP;
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

	buf_printf(b, "Pid:\t%d\nNSpid:\t%d\n", pid->left ? -1 : pid->numbers[pid->level].nr,
		   pid->left ? -1 : pid->numbers[pid->level].nr);
}

/* ---- PIDFD_GET_INFO ----------------------------------------------------------------------------- */

/* struct pidfd_info of linux/pidfd.h as it is in 6.18; the first 64 bytes are version 0. */
struct pidfd_info_ {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint32_t coredump_mask, coredump_signal;
	uint64_t supported_mask;
};
_Static_assert(sizeof(struct pidfd_info_) == 80, "linux/pidfd.h");
#define INFO_SIZE_0    64u
#define INFO_PID       (1ull << 0)
#define INFO_CREDS     (1ull << 1)
#define INFO_EXIT      (1ull << 3)
#define INFO_SUPPORTED (1ull << 5)

/* The living (or zombie) process's part, as t sees it.  -ESRCH. */
static int info_of_task(struct task *t, struct task *of, struct pidfd_info_ *info)
{
	struct pid_ns *ns = task_pid_ns(t);
	const struct user_ns *u = t->cred->user_ns;
	const struct cred *c = task_cred_get(of);

	info->pid = (uint32_t)task_tid_in(of, ns);
	mutex_lock(&tasklist.lock);
	info->tgid = (uint32_t)process_nr_in(of->process, ns);
	info->ppid = of->process->parent ? (uint32_t)process_nr_in(of->process->parent, ns) : 0;
	mutex_unlock(&tasklist.lock);
	if (c) {
		info->ruid = user_ns_from_kernel_munged(u, ID_UID, c->uid);
		info->euid = user_ns_from_kernel_munged(u, ID_UID, c->euid);
		info->suid = user_ns_from_kernel_munged(u, ID_UID, c->suid);
		info->fsuid = user_ns_from_kernel_munged(u, ID_UID, c->fsuid);
		info->rgid = user_ns_from_kernel_munged(u, ID_GID, c->gid);
		info->egid = user_ns_from_kernel_munged(u, ID_GID, c->egid);
		info->sgid = user_ns_from_kernel_munged(u, ID_GID, c->sgid);
		info->fsgid = user_ns_from_kernel_munged(u, ID_GID, c->fsgid);
		info->mask |= INFO_CREDS;
		cred_put(c);
	}
	info->mask |= INFO_PID;
	return info->pid && info->tgid && (info->ppid || info->pid == 1) ? 0 : -ESRCH;
}

static long pidfd_get_info(struct task *t, struct pid *pid, uint64_t arg, size_t size)
{
	struct pidfd_info_ info = { 0 };
	struct task *of = NULL;
	uint64_t wanted;
	int err = 0;

	if (!arg)
		return -EINVAL;
	if (size < INFO_SIZE_0)
		return -ENOTTY;
	if (uaccess_get(t, &wanted, (uaddr_t){ arg }, sizeof(wanted)))
		return -EFAULT;
	if (!pid_nr_in(pid, task_pid_ns(t)))
		return -ESRCH;
	mutex_lock(&tasklist.lock);
	if (pid->task)
		of = task_get(pid->task);
	else if (pid->process && pid->process->leader)
		of = task_get(pid->process->leader);
	if ((wanted & INFO_EXIT) && pid->reaped) {
		info.mask |= INFO_EXIT;
		info.exit_code = pid->reaped_status;
	}
	mutex_unlock(&tasklist.lock);
	if (of)
		err = info_of_task(t, of, &info);
	else if (!(info.mask & INFO_EXIT))
		err = -ESRCH;
	task_put(of);
	if (err)
		return err;
	if (wanted & INFO_SUPPORTED) {
		info.mask |= INFO_SUPPORTED;
		info.supported_mask = INFO_PID | INFO_CREDS | INFO_EXIT | INFO_SUPPORTED;
	}
	if (size > sizeof(info) &&
	    uaccess_zero(t, (uaddr_t){ arg + sizeof(info) }, size - sizeof(info)))
		return -EFAULT;
	return uaccess_put(t, (uaddr_t){ arg }, &info, MIN(size, sizeof(info)));
}

static long pidfd_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	/* The size is the caller's version of the structure. */
	if (_IOC_TYPE(cmd) == 0xff && _IOC_NR(cmd) == 11 && _IOC_DIR(cmd) == (_IOC_READ | _IOC_WRITE))
		return pidfd_get_info(ctx_task(c), file_priv(f), arg, _IOC_SIZE(cmd));
	return -ENOTTY;
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.ioctl = pidfd_ioctl,
	.release = pidfd_release,
	.show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_new(struct pid *pid, int flags, const struct cred *cred, struct file **out)
{
	int err = file_new_anon("pidfd", &pidfd_ops, pid, O_RDWR | flags, FILE_STREAM, cred, out);

	if (err)
		return err;
	pid_get(pid);
	atomic_fetch_or_explicit(&(*out)->flags, (unsigned int)(flags & PIDFD_THREAD_), memory_order_relaxed); /* open(2) drops it */
	return 0;
}

struct pid *pidfd_pid(const struct file *f)
{
	return f->ops == &pidfd_ops ? pid_get(file_priv(f)) : NULL;
}

int pidfd_lookup(struct task *t, int fd, bool proc, struct pid **out, bool *thread)
{
	struct pid *pid;
	struct file *f;

	*thread = fd == PIDFD_SELF_THREAD_;
	if (*thread || fd == PIDFD_SELF_THREAD_GROUP_) {
		*out = pid_get(*thread ? t->pid : t->process->pid);
		return 0;
	}
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	pid = pidfd_pid(f);
	if (pid)
		*thread = atomic_load_explicit(&f->flags, memory_order_relaxed) & PIDFD_THREAD_;
	else if (proc)
		pid = proc_file_pid(f);
	file_put(f);
	if (!pid)
		return -EBADF;
	*out = pid;
	return 0;
}

int pidfd_leader(struct task *t, int fd, struct task **out)
{
	struct pid *pid;
	bool thread;
	int err = pidfd_lookup(t, fd, false, &pid, &thread);

	*out = NULL;
	if (err)
		return err;
	mutex_lock(&tasklist.lock);
	if (pid->process && pid->process->leader)
		*out = task_get(pid->process->leader);
	mutex_unlock(&tasklist.lock);
	pid_put(pid);
	return *out ? 0 : -ESRCH;
}

long sys_pidfd_open(struct task *t, int nr, unsigned int flags)
{
	struct file *f;
	struct pid *pid;
	int err;

	if ((flags & ~(unsigned int)(O_NONBLOCK | PIDFD_THREAD_)) || nr <= 0)
		return -EINVAL;
	pid = pid_lookup(task_pid_ns(t), nr);
	if (!pid)
		return -ESRCH;
	err = pid->process || (flags & PIDFD_THREAD_) ? pidfd_new(pid, (int)flags, t->cred, &f) : -ENOENT;
	pid_put(pid);
	return err ? err : fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE));
}

long sys_pidfd_getfd(struct task *t, int pidfd, int fd, unsigned int flags)
{
	struct task *target = NULL;
	struct fdtable *fdt;
	struct file *f;
	struct pid *pid;
	bool thread;
	long err;

	if (flags)
		return -EINVAL;
	if (pidfd < 0)
		return -EBADF;
	err = pidfd_lookup(t, pidfd, false, &pid, &thread);
	if (err)
		return err;
	mutex_lock(&tasklist.lock);
	if (pid->task || (pid->process && pid->process->leader))
		target = task_get(pid->task ? pid->task : pid->process->leader);
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
