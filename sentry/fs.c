/* SPDX-License-Identifier: Apache-2.0 */
/* fs.c: file systems and socket families beyond those of vfs_init(), and what the vfs asks of tasks. */
#include "sentry/fs.h"

#include <errno.h>

#include "lib/mutex.h"
#include "sentry/aio/aio.h"
#include "sentry/container.h"
#include "sentry/ipc/ipc.h"
#include "sentry/proc/proc.h"
#include "sentry/signal/signal.h"
#include "sentry/socket/inet.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/proc_net.h"
#include "sentry/socket/socket.h"
#include "sentry/sys/fanotify.h"
#include "sentry/sys/fowner.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/task/task_impl.h"
#include "sentry/tty/tty.h"

static void hook_raise(struct vfs_ctx *c, int signo)
{
	if (c->task)
		sig_send_task(c->task, signo, NULL);
}

static void fs_move(struct fs_state *fs, const struct path *old, const struct path *new_path)
{
	struct path drop[2] = { 0 };

	mutex_lock(&fs->lock);
	if (path_equal(&fs->root, old)) {
		drop[0] = fs->root;
		fs->root = *new_path;
		path_get(&fs->root);
	}
	if (path_equal(&fs->cwd, old)) {
		drop[1] = fs->cwd;
		fs->cwd = *new_path;
		path_get(&fs->cwd);
	}
	mutex_unlock(&fs->lock);
	path_put(&drop[0]);
	path_put(&drop[1]);
}

/* pivot_root(2): whoever in the namespace stands on the old root moves to the new one. */
static void hook_chroot_refs(struct vfs_ctx *c, const struct path *old, const struct path *new_path)
{
	struct pid_ns *pids = task_pid_ns(c->task);
	int32_t nr = 1, tid;

	for (struct process *p; (p = process_next(pids, nr, &nr)); nr++) {
		tid = 1;
		for (struct task *t; (t = process_next_task(p, pids, tid, &tid)); tid++) {
			struct ns_set *ns = task_ns_get(t);
			struct fs_state *fs = task_fs_get(t);

			if (fs && ns && ns->mnt == c->mnt_ns)
				fs_move(fs, old, new_path);
			fs_state_put(fs);
			ns_set_put(ns);
			task_put(t);
		}
		process_put(p);
	}
}

/* devcgroup_check_permission() */
static int hook_device(struct vfs_ctx *c, uint32_t mode, uint64_t rdev, int access)
{
	struct container *k = c->task->process->container;
	unsigned int asked = access ? 0 : DEVICE_MKNOD;

	if (access & (int)(MAY_READ | MAY_EXEC))
		asked |= DEVICE_READ;
	if (access & (int)MAY_WRITE)
		asked |= DEVICE_WRITE;
	return !k || container_device_allowed(k, S_ISBLK(mode) ? 'b' : 'c', rdev, asked) ? 0 : -EPERM;
}

const struct vfs_hooks sentry_vfs_hooks = {
	.device = hook_device,
	.chroot_refs = hook_chroot_refs,
	.raise = hook_raise,
	.sigio = fowner_sigio,
};

int sentry_fs_init(void)
{
	int err = socket_module_init();

	if (!err)
		inet_init();
	if (!err)
		netlink_init();
	if (!err)
		err = procfs_init();
	if (!err)
		net_ns_init();
	if (!err)
		err = proc_net_files_init();
	if (!err)
		err = sysfs_init();
	if (!err)
		err = sys_net_init();
	if (!err)
		err = ipc_init();
	if (!err)
		err = sys_fanotify_setup();
	aio_module_init();
	if (!err)
		tty_init();
	if (!err)
		err = tty_proc_init();
	return err;
}
