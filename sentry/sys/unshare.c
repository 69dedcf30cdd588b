/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unshare.c: unshare(2): namespaces, file system state and descriptors of one's own.
 *
 * Everything is made first; the task then swaps what it has in one step that can't fail.
 *
 * Linux: ksys_unshare() in kernel/fork.c.
 */
#include <errno.h>
#include <linux/sched.h>

#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define NS_FLAGS                                                                          \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |        \
	 CLONE_NEWCGROUP | CLONE_NEWTIME)

/* What unshare has made, and after the swap what it has replaced. */
struct unshare {
	struct fs_state *fs;
	struct fdtable *fdt;
	struct ns_set *ns;
	struct cred *cred;
};

static int unshare_check(struct task *t, unsigned long flags)
{
	if (flags & ~(unsigned long)(CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES |
				     CLONE_SYSVSEM | CLONE_NEWUSER | NS_FLAGS))
		return -EINVAL;
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER)) &&
	    t->process->task_count > 1)
		return -EINVAL;
	return (flags & (CLONE_SIGHAND | CLONE_VM)) && sig_actions_shared(t->process) ? -EINVAL : 0;
}

static int unshare_prepare(struct task *t, unsigned long flags, struct unshare *u)
{
	int err;

	if (flags & CLONE_NEWUSER) {
		err = task_user_ns_new(t, &u->cred);
		if (err)
			return err;
	}
	if ((flags & (CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER)) && ref_count(&t->fs->ref) > 1) {
		u->fs = fs_state_dup(t->fs);
		if (!u->fs)
			return -ENOMEM;
	}
	if ((flags & CLONE_FILES) && fdt_shared(t->fdt)) {
		u->fdt = fdt_dup(t->fdt, ~0u);
		if (!u->fdt)
			return -ENOMEM;
	}
	if (flags & NS_FLAGS) {
		u->ns = ns_set_dup(t->ns);
		if (!u->ns)
			return -ENOMEM;
		return ns_set_unshare(t, u->cred ? u->cred : t->cred, u->ns,
				      u->fs ? u->fs : t->fs, flags & NS_FLAGS);
	}
	return 0;
}

static void unshare_commit(struct task *t, struct unshare *u)
{
	latch_lock(&t->latch);
	if (u->fs)
		SWAP(t->fs, u->fs);
	if (u->fdt)
		SWAP(t->fdt, u->fdt);
	if (u->ns)
		SWAP(t->ns, u->ns);
	latch_unlock(&t->latch);
	if (u->cred)
		task_set_cred(t, u->cred); /* consumed */
	u->cred = NULL;
}

long sys_unshare(struct task *t, unsigned long flags)
{
	struct unshare u = { 0 };
	int err = unshare_check(t, flags);

	if (err)
		return err;
	err = unshare_prepare(t, flags, &u);
	if (!err)
		unshare_commit(t, &u);
	fs_state_put(u.fs);
	fdt_put(task_vfs(t), u.fdt);
	ns_set_put(u.ns);
	cred_put(u.cred);
	return err;
}
