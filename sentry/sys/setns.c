/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setns.c: setns(2): join namespaces, by a file of /proc/PID/ns or by a pidfd.
 *
 * All is checked and prepared first; the task then swaps its namespace set, and for a mount namespace
 * its root and working directory, in one step.
 *
 * With a pidfd the user namespace comes first: what follows is asked of the credentials that the
 * caller will have in it.  The first cgroup and time namespaces are NULL.
 *
 * Linux: kernel/nsproxy.c, mntns_install() in fs/namespace.c, pidns_install() in kernel/pid_namespace.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>

#include "sentry/proc/proc.h"
#include "sentry/ipc/ipc.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

#define SETNS_FLAGS                                                                           \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWNET | \
	 CLONE_NEWCGROUP | CLONE_NEWTIME)

struct setns {
	struct task *t;
	struct ns_set *ns;  /* being made: nobody else sees it */
	bool new_mnt;
	struct path root;   /* with new_mnt; counted */
	struct cred *cred;  /* owned: with a new user namespace; NULL: as they are */
};

static const struct user_ns *setns_user_ns(const struct setns *s)
{
	return s->cred ? s->cred->user_ns : s->t->cred->user_ns;
}

/* May the caller have these credentials' capability (ns_capable() of what it will be)? */
static bool will_have(struct setns *s, int cap)
{
	return s->cred ? (s->cred->effective & CAP_BIT(cap)) != 0 :
			 cred_capable_ns(s->t->cred, setns_user_ns(s), cap);
}

static bool may_admin(struct setns *s, const struct user_ns *owner)
{
	return cred_capable_ns(s->t->cred, owner, CAP_SYS_ADMIN) &&
	       will_have(s, CAP_SYS_ADMIN);
}

static int setns_user(struct setns *s, struct user_ns *ns)
{
	struct task *t = s->t;

	if (ns == t->cred->user_ns || t->process->task_count > 1 || ref_count(&t->fs->ref) > 1)
		return -EINVAL;
	if (!cred_capable_ns(t->cred, ns, CAP_SYS_ADMIN))
		return -EPERM;
	s->cred = cred_dup(t->cred);
	if (!s->cred)
		return -ENOMEM;
	cred_enter_user_ns(s->cred, user_ns_get(ns));
	return 0;
}

static int setns_mnt(struct setns *s, struct mnt_ns *ns)
{
	if (!may_admin(s, mnt_ns_user_ns(ns)) ||
	    !will_have(s, CAP_SYS_CHROOT))
		return -EPERM;
	if (ref_count(&s->t->fs->ref) > 1)
		return -EINVAL; /* others share root and cwd */
	mnt_ns_put(s->ns->mnt);
	s->ns->mnt = mnt_ns_get(ns);
	if (s->new_mnt)
		path_put(&s->root);
	mnt_ns_root(ns, &s->root);
	s->new_mnt = true;
	return 0;
}

static int setns_uts(struct setns *s, struct uts_ns *ns)
{
	if (!may_admin(s, ns->user_ns))
		return -EPERM;
	uts_ns_put(s->ns->uts);
	s->ns->uts = uts_ns_get(ns);
	return 0;
}

static int setns_net(struct setns *s, struct net_ns *ns)
{
	if (!ns)
		return -EINVAL; /* one that was never made (minirun) */
	if (!may_admin(s, ns->user_ns))
		return -EPERM;
	net_ns_put(s->ns->net);
	s->ns->net = net_ns_get(ns);
	return 0;
}

static int setns_ipc(struct setns *s, struct ipc_ns *ns)
{
	if (!may_admin(s, ns->user_ns))
		return -EPERM;
	ipc_ns_put(s->ns->ipc);
	s->ns->ipc = ipc_ns_get(ns);
	return 0;
}

static int setns_cgroup(struct setns *s, struct cgroup_ns *ns)
{
	if (!may_admin(s, ns ? ns->user_ns : user_ns_init))
		return -EPERM;
	cgroup_ns_put(s->ns->cgroup);
	s->ns->cgroup = cgroup_ns_get(ns);
	return 0;
}

static int setns_time(struct setns *s, struct time_ns *ns)
{
	if (s->t->process->task_count > 1)
		return -EUSERS;
	if (!may_admin(s, ns ? ns->user_ns : user_ns_init))
		return -EPERM;
	time_ns_put(s->ns->time_for_children);
	s->ns->time_for_children = time_ns_get(ns);
	ns_set_enter_time(s->ns);
	return 0;
}

/* Only the caller's own namespace and those below: for its future children. */
static int setns_pid(struct setns *s, struct pid_ns *ns)
{
	struct pid_ns *active = task_pid_ns(s->t), *up = ns;

	if (!may_admin(s, ns->user_ns))
		return -EPERM;
	while (up && up->level > active->level)
		up = up->parent;
	if (up != active)
		return -EINVAL;
	pid_ns_put(s->ns->pid_for_children);
	s->ns->pid_for_children = pid_ns_get(ns);
	return 0;
}

static int setns_one(struct setns *s, enum ns_type type, void *ns)
{
	switch (type) {
	case NS_TYPE_MNT:
		return setns_mnt(s, ns);
	case NS_TYPE_UTS:
		return setns_uts(s, ns);
	case NS_TYPE_PID:
	case NS_TYPE_PID_CHILDREN:
		return setns_pid(s, ns);
	case NS_TYPE_NET:
		return setns_net(s, ns);
	case NS_TYPE_USER:
		return setns_user(s, ns);
	case NS_TYPE_IPC:
		return setns_ipc(s, ns);
	case NS_TYPE_CGROUP:
		return setns_cgroup(s, nsfs_cgroup_ns(ns));
	case NS_TYPE_TIME:
	case NS_TYPE_TIME_CHILDREN:
		return setns_time(s, nsfs_time_ns(ns));
	default:
		return -EINVAL;
	}
}

static int setns_file(struct setns *s, enum ns_type type, void *ns, int flags)
{
	static const int flag_of[NS_TYPE_COUNT] = {
		[NS_TYPE_MNT] = CLONE_NEWNS, [NS_TYPE_UTS] = CLONE_NEWUTS,
		[NS_TYPE_PID] = CLONE_NEWPID, [NS_TYPE_PID_CHILDREN] = CLONE_NEWPID,
		[NS_TYPE_USER] = CLONE_NEWUSER, [NS_TYPE_IPC] = CLONE_NEWIPC,
		[NS_TYPE_NET] = CLONE_NEWNET, [NS_TYPE_CGROUP] = CLONE_NEWCGROUP,
		[NS_TYPE_TIME] = CLONE_NEWTIME, [NS_TYPE_TIME_CHILDREN] = CLONE_NEWTIME,
	};

	if (flags && flags != flag_of[type])
		return -EINVAL;
	return setns_one(s, type, ns);
}

/* All namespaces named by flags, of the process that a pidfd stands for. */
static int setns_process(struct setns *s, struct pid *pid, int flags)
{
	struct task *target = NULL;
	struct ns_set *set;
	int err;

	mutex_lock(&tasklist.lock);
	if (pid->process && pid->process->leader)
		target = task_get(pid->process->leader);
	mutex_unlock(&tasklist.lock);
	set = target ? task_ns_get(target) : NULL;
	err = !set ? -ESRCH
	      : task_may_access(s->t, target, PTRACE_READ | PTRACE_REALCREDS) ? 0 : -EPERM;
	if (!err && (flags & CLONE_NEWUSER)) {
		const struct cred *c = task_cred_get(target);

		err = setns_user(s, c->user_ns);
		cred_put(c);
	}
	if (!err && (flags & CLONE_NEWNS))
		err = setns_mnt(s, set->mnt);
	if (!err && (flags & CLONE_NEWUTS))
		err = setns_uts(s, set->uts);
	if (!err && (flags & CLONE_NEWPID))
		err = setns_pid(s, task_pid_ns(target));
	if (!err && (flags & CLONE_NEWNET))
		err = setns_net(s, set->net);
	if (!err && (flags & CLONE_NEWIPC))
		err = setns_ipc(s, set->ipc);
	if (!err && (flags & CLONE_NEWCGROUP))
		err = setns_cgroup(s, set->cgroup);
	if (!err && (flags & CLONE_NEWTIME))
		err = setns_time(s, set->time);
	ns_set_put(set);
	task_put(target);
	return err;
}

/* Nothing can fail any more. */
static void setns_commit(struct setns *s)
{
	struct task *t = s->t;
	struct ns_set *old;

	if (s->new_mnt) {
		struct path root, cwd;

		mutex_lock(&t->fs->lock);
		root = t->fs->root;
		cwd = t->fs->cwd;
		t->fs->root = t->fs->cwd = s->root;
		path_get(&s->root);
		mutex_unlock(&t->fs->lock);
		path_put(&root);
		path_put(&cwd);
		s->new_mnt = false; /* its reference is the root's */
	}
	latch_lock(&t->latch);
	old = t->ns;
	t->ns = s->ns;
	if (t->ns->time)
		plat_mm_set_clocks(t->mm->plat, false);
	latch_unlock(&t->latch);
	s->ns = old;
	if (!s->cred)
		return;
	if (s->cred->user_ns->parent != t->cred->user_ns ||
	    s->cred->user_ns->owner != t->cred->euid) {
		t->mm->dumpable = 0; /* commit_creds(): these are not a subset of what it had */
		t->pdeath_signal = 0;
	}
	task_set_cred(t, s->cred); /* consumed */
	s->cred = NULL;
}

long sys_setns(struct task *t, int fd, int flags)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct setns s = { .t = t };
	enum ns_type type;
	struct pid *pid;
	void *ns;
	long err = -EINVAL;

	if (!f)
		return -EBADF;
	ns = nsfs_file_ns(f, &type);
	pid = ns ? NULL : pidfd_pid(f);
	if ((!ns && !pid) || (pid && (!flags || (flags & ~SETNS_FLAGS))))
		goto put_file;
	s.ns = ns_set_dup(t->ns);
	if (!s.ns) {
		err = -ENOMEM;
		goto put_file;
	}
	err = ns ? setns_file(&s, type, ns, flags) : setns_process(&s, pid, flags);
	if (!err)
		setns_commit(&s);
	if (s.new_mnt)
		path_put(&s.root);
	ns_set_put(s.ns);
	cred_put(s.cred);
put_file:
	pid_put(pid);
	file_put(f);
	return err;
}
