/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanotify.c: fanotify_init(2), fanotify_mark(2), and what vfs/fanotify.c asks of the Sentry.
 *
 * Order of errors as in Linux's fs/notify/fanotify/fanotify_user.c.
 */
#include "sentry/sys/fanotify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fanotify.h>

#include "lib/fiber.h"
#include "sentry/sys/path_in.h"
#include "sentry/task/pid.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/fanotify.h"
#include "vfs/file.h"

#define LARGEFILE   0100000
#define FIDS        (FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID)
#define CLASSES     (FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT)
#define ADMIN_FLAGS (CLASSES | FAN_REPORT_TID | FAN_REPORT_PIDFD | FAN_UNLIMITED_QUEUE | \
		     FAN_UNLIMITED_MARKS | FAN_ENABLE_AUDIT)
#define INIT_FLAGS  (ADMIN_FLAGS | FIDS | FAN_CLOEXEC | FAN_NONBLOCK)
#define OPEN_FLAGS  (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_CLOEXEC | LARGEFILE | \
		     O_NOATIME)
#define PERM_MASK   (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM | FAN_ACCESS_PERM)
#define MARK_MASK   (FAN_ALL_EVENTS | FAN_OPEN_EXEC | PERM_MASK | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | \
		     FAN_MOVE | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_EVENT_ON_CHILD | FAN_ONDIR)
#define MARK_CMDS   (FAN_MARK_ADD | FAN_MARK_REMOVE | FAN_MARK_FLUSH)
#define MARK_TYPES  (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)
#define MARK_FLAGS  (MARK_CMDS | MARK_TYPES | FAN_MARK_DONT_FOLLOW | FAN_MARK_ONLYDIR | \
		     FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE | \
		     FAN_MARK_IGNORE)

/* ---- hooks ------------------------------------------------------------------------------------- */

static void *hook_who(bool thread)
{
	struct task *t = fiber_arg(task_main);

	if (!t)
		return NULL;
	return pid_get(thread ? t->pid : t->process->pid);
}

static void hook_who_put(void *who)
{
	pid_put(who);
}

static int32_t hook_who_nr(struct vfs_ctx *reader, void *who)
{
	return pid_nr_in(who, task_pid_ns(reader->task));
}

static int hook_pidfd(struct vfs_ctx *reader, void *who, struct file **out)
{
	struct pid *pid = who;
	bool alive;

	mutex_lock(&tasklist.lock);
	alive = pid->process != NULL;
	mutex_unlock(&tasklist.lock);
	return alive ? pidfd_new(pid, 0, reader->cred, out) : -ESRCH;
}

static int hook_fd_reserve(struct vfs_ctx *reader)
{
	int fd, err = fdt_reserve(reader->task->fdt, 1, &fd, task_rlimit(reader->task, RLIMIT_NOFILE));

	return err < 0 ? err : fd;
}

static void hook_fd_install(struct vfs_ctx *reader, int fd, struct file *f, bool cloexec)
{
	fdt_install(reader->task->fdt, fd, f, cloexec ? O_CLOEXEC : 0); /* consumes f */
}

static void hook_fd_unreserve(struct vfs_ctx *reader, int fd)
{
	fdt_unreserve(reader->task->fdt, 1, &fd);
}

static const struct fanotify_hooks hooks = {
	.who = hook_who,
	.who_put = hook_who_put,
	.who_nr = hook_who_nr,
	.pidfd = hook_pidfd,
	.fd_reserve = hook_fd_reserve,
	.fd_install = hook_fd_install,
	.fd_unreserve = hook_fd_unreserve,
};

int sys_fanotify_setup(void)
{
	return fanotify_init_module(&hooks);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static int init_check(unsigned int flags, unsigned int event_flags)
{
	unsigned int fids = flags & FIDS;

	if (flags & ~(unsigned int)INIT_FLAGS)
		return -EINVAL;
	if ((flags & FAN_REPORT_PIDFD) && (flags & FAN_REPORT_TID))
		return -EINVAL;
	if ((event_flags & ~(unsigned int)OPEN_FLAGS) || (event_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (fids && (flags & CLASSES))
		return -EINVAL;
	if ((fids & FAN_REPORT_NAME) && !(fids & FAN_REPORT_DIR_FID))
		return -EINVAL;
	if ((fids & FAN_REPORT_TARGET_FID) &&
	    (fids & (FAN_REPORT_NAME | FAN_REPORT_FID)) != (FAN_REPORT_NAME | FAN_REPORT_FID))
		return -EINVAL;
	return (flags & CLASSES) == CLASSES ? -EINVAL : 0;
}

long sys_fanotify_init(struct task *t, unsigned int flags, unsigned int event_flags)
{
	bool admin = task_capable(t, CAP_SYS_ADMIN);
	struct file *f;
	int err;

	if (!admin && ((flags & ADMIN_FLAGS) || !(flags & FIDS)))
		return -EPERM;
	err = init_check(flags, event_flags);
	if (err == 0 && (flags & FAN_ENABLE_AUDIT) && !task_capable(t, CAP_AUDIT_WRITE))
		err = -EPERM;
	if (err == 0)
		err = fanotify_new(task_vfs(t), flags, (int)(event_flags & ~(unsigned int)LARGEFILE), !admin, &f);
	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & FAN_CLOEXEC ? O_CLOEXEC : 0, task_rlimit(t, RLIMIT_NOFILE));
}

static int mark_flags_check(unsigned int flags, uint64_t mask)
{
	if ((mask >> 32) || (flags & ~(unsigned int)MARK_FLAGS) || (flags & MARK_TYPES) == MARK_TYPES)
		return -EINVAL;
	switch (flags & MARK_CMDS) {
	case FAN_MARK_ADD:
	case FAN_MARK_REMOVE:
		if (!mask)
			return -EINVAL;
		break;
	case FAN_MARK_FLUSH:
		if (flags & ~(unsigned int)(MARK_TYPES | FAN_MARK_FLUSH))
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (mask & ~(uint64_t)MARK_MASK)
		return -EINVAL;
	if ((flags & FAN_MARK_IGNORE) && (flags & FAN_MARK_IGNORED_MASK))
		return -EINVAL;
	return (flags & FAN_MARK_EVICTABLE) && (flags & MARK_TYPES) ? -EINVAL : 0;
}

/* What the mark is to be on: dirfd itself when there is no name. */
static int mark_path(struct task *t, int dirfd, uaddr_t name, unsigned int flags, struct path *out)
{
	unsigned int walk = flags & FAN_MARK_DONT_FOLLOW ? 0 : WALK_FOLLOW;
	struct file *f;
	int err;

	if (name.addr) {
		if (flags & FAN_MARK_ONLYDIR)
			walk |= WALK_DIRECTORY;
		err = path_in_walk(t, dirfd, name, 0, walk, out);
	} else {
		f = fdt_file(t->fdt, dirfd);
		if (!f)
			return -EBADF;
		err = (flags & FAN_MARK_ONLYDIR) && !S_ISDIR(f->inode->mode) ? -ENOTDIR : 0;
		if (err == 0) {
			*out = f->path;
			path_get(out);
		}
		file_put(f);
	}
	if (err < 0)
		return err;
	err = inode_permission(task_vfs(t), dentry_inode(out->dentry), MAY_READ);
	if (err < 0)
		path_put(out);
	return err;
}

long sys_fanotify_mark(struct task *t, int fd, unsigned int flags, uint64_t mask, int dirfd, uaddr_t name)
{
	struct file *f;
	struct path p;
	int err = mark_flags_check(flags, mask);

	if (err < 0)
		return err;
	if (flags & FAN_MARK_IGNORED_MASK)
		mask &= ~(uint64_t)(FAN_EVENT_ON_CHILD | FAN_ONDIR);
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	err = file_is_fanotify(f) ? fanotify_mark_check(f, flags, mask) : -EINVAL;
	if (err == 0 && (flags & FAN_MARK_FLUSH)) {
		fanotify_flush(f, flags);
	} else if (err == 0) {
		err = mark_path(t, dirfd, name, flags, &p);
		if (err == 0) {
			err = fanotify_mark_set(f, &p, flags, (uint32_t)mask);
			path_put(&p);
		}
	}
	file_put(f);
	return err;
}
