/* SPDX-License-Identifier: Apache-2.0 */
/* inotify.c: inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2). */
#include "vfs/inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "sentry/sys/path_in.h"
#include "sys_calls.h"

long sys_inotify_init1(struct task *t, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	err = inotify_new(task_vfs(t), flags, &f);
	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_inotify_init(struct task *t)
{
	return sys_inotify_init1(t, 0);
}

long sys_inotify_add_watch(struct task *t, int fd, uaddr_t path, unsigned int mask)
{
	const unsigned int known = IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK |
				   IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT |
				   IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED;
	unsigned int walk = mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW;
	struct file *f;
	struct path p;
	long r;

	if (!(mask & known) || ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)))
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (mask & IN_ONLYDIR)
		walk |= WALK_DIRECTORY;
	r = file_is_inotify(f) ? path_in_walk(t, AT_FDCWD, path, 0, walk, &p) : -EINVAL;
	if (r == 0) {
		r = inotify_add(task_vfs(t), f, &p, mask);
		path_put(&p);
	}
	file_put(f);
	return r;
}

long sys_inotify_rm_watch(struct task *t, int fd, int wd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	long r;

	if (!f)
		return -EBADF;
	r = file_is_inotify(f) ? inotify_remove(f, wd) : -EINVAL;
	file_put(f);
	return r;
}
