/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns.c: sets of namespaces (namespaces(7)), UTS namespaces, and the making of all kinds.
 *
 * New namespaces belong to the user namespace of the credentials given, which clone(2) and unshare(2)
 * have made just before when CLONE_NEWUSER was asked for as well.
 *
 * A struct ns_set is immutable once a task has it; unshare(2) and setns(2) make a new one.
 */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/socket/net_ns.h"
#include "sentry/ipc/ipc.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"
#include "vfs/user_ns.h"

struct uts_ns *uts_ns_new(const char *nodename, const char *domainname, struct user_ns *u)
{
	struct uts_ns *ns = mem_new(struct uts_ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	latch_init(&ns->latch);
	memcpy(ns->nodename, nodename, strnlen(nodename, sizeof(ns->nodename) - 1));
	memcpy(ns->domainname, domainname, strnlen(domainname, sizeof(ns->domainname) - 1));
	ns->user_ns = user_ns_get(u);
	ns->id = ns_new_id();
	return ns;
}

struct uts_ns *uts_ns_get(struct uts_ns *u)
{
	ref_get(&u->ref);
	return u;
}

void uts_ns_put(struct uts_ns *u)
{
	if (!u || !ref_put(&u->ref))
		return;
	user_ns_put(u->user_ns);
	mem_free(u);
}

static struct cgroup_ns *cgroup_ns_new(struct user_ns *owner, struct task *t)
{
	struct cgroup_ns *ns = mem_new(struct cgroup_ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	ns->user_ns = user_ns_get(owner);
	ns->id = ns_new_id();
	mutex_lock(&tasklist.lock);
	ns->root = cgrp_get(t->process->cgroup);
	mutex_unlock(&tasklist.lock);
	return ns;
}

struct cgroup_ns *cgroup_ns_get(struct cgroup_ns *ns)
{
	if (ns)
		ref_get(&ns->ref);
	return ns;
}

void cgroup_ns_put(struct cgroup_ns *ns)
{
	if (!ns || !ref_put(&ns->ref))
		return;
	user_ns_put(ns->user_ns);
	cgrp_put(ns->root);
	mem_free(ns);
}

struct ns_set *ns_set_get(struct ns_set *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void ns_set_put(struct ns_set *ns)
{
	if (!ns || !ref_put(&ns->ref))
		return;
	mnt_ns_put(ns->mnt);
	uts_ns_put(ns->uts);
	net_ns_put(ns->net);
	ipc_ns_put(ns->ipc);
	cgroup_ns_put(ns->cgroup);
	time_ns_put(ns->time);
	time_ns_put(ns->time_for_children);
	pid_ns_put(ns->pid_for_children);
	mem_free(ns);
}

struct ns_set *ns_set_dup(const struct ns_set *from)
{
	struct ns_set *ns = mem_new(struct ns_set);

	if (!ns)
		return NULL;
	*ns = *from;
	ref_init(&ns->ref);
	if (ns->mnt)
		mnt_ns_get(ns->mnt);
	if (ns->uts)
		uts_ns_get(ns->uts);
	net_ns_get(ns->net);
	if (ns->ipc)
		ipc_ns_get(ns->ipc);
	cgroup_ns_get(ns->cgroup);
	time_ns_get(ns->time);
	time_ns_get(ns->time_for_children);
	if (ns->pid_for_children)
		pid_ns_get(ns->pid_for_children);
	return ns;
}

void ns_set_enter_time(struct ns_set *ns)
{
	time_ns_put(ns->time);
	ns->time = time_ns_get(ns->time_for_children);
	time_ns_freeze(ns->time);
}

int task_enter_time_ns(struct task *t)
{
	struct ns_set *own, *old = t->ns;

	if (old->time == old->time_for_children)
		return 0;
	own = ns_set_dup(old);
	if (!own)
		return -ENOMEM;
	ns_set_enter_time(own);
	latch_lock(&t->latch);
	t->ns = own;
	latch_unlock(&t->latch);
	ns_set_put(old);
	return 0;
}

/* current_chrooted(): then a user namespace would be a way out. */
static bool is_chrooted(struct task *t)
{
	struct path top, root;
	bool chrooted;

	mnt_ns_root(t->ns->mnt, &top);
	mutex_lock(&t->fs->lock);
	root = t->fs->root;
	chrooted = !path_equal(&root, &top);
	mutex_unlock(&t->fs->lock);
	path_put(&top);
	return chrooted;
}

int task_user_ns_new(struct task *t, struct cred **out)
{
	struct user_ns *ns;
	struct cred *c;
	int err;

	if (t->cred->user_ns->level > USER_NS_DEPTH_MAX)
		return -ENOSPC;
	if (is_chrooted(t))
		return -EPERM;
	err = user_ns_new(t->cred, &ns);
	if (err)
		return err;
	c = cred_dup(t->cred);
	if (!c) {
		user_ns_put(ns);
		return -ENOMEM;
	}
	cred_enter_user_ns(c, ns); /* consumes ns */
	*out = c;
	return 0;
}

static int unshare_pid(struct task *t, struct ns_set *ns, struct user_ns *owner)
{
	struct pid_ns *parent = ns->pid_for_children, *pid;

	if (parent != task_pid_ns(t) || !user_ns_is_below(owner, parent->user_ns))
		return -EINVAL;
	if (parent->level + 1 >= PID_NS_DEPTH_MAX)
		return -ENOSPC;
	pid = pid_ns_new(parent, owner);
	if (!pid)
		return -ENOMEM;
	pid_ns_put(parent);
	ns->pid_for_children = pid;
	return 0;
}

int ns_set_unshare(struct task *t, const struct cred *cred, struct ns_set *ns, struct fs_state *fs,
		   uint64_t flags)
{
	if (!cred_capable_ns(t->cred, cred->user_ns, 21 /* CAP_SYS_ADMIN */))
		return -EPERM;
	if (flags & CLONE_NEWUTS) {
		struct uts_ns *old = ns->uts, *uts;

		latch_lock(&old->latch);
		uts = uts_ns_new(old->nodename, old->domainname, cred->user_ns);
		latch_unlock(&old->latch);
		if (!uts)
			return -ENOMEM;
		ns->uts = uts;
		uts_ns_put(old);
	}
	if (flags & CLONE_NEWNET) {
		struct net_ns *net = net_ns_new(cred->user_ns);

		if (!net)
			return -ENOMEM;
		net_ns_put(ns->net);
		ns->net = net;
	}
	if (flags & CLONE_NEWIPC) {
		struct ipc_ns *ipc = ipc_ns_new(cred->user_ns);

		if (!ipc)
			return -ENOMEM;
		ipc_ns_put(ns->ipc);
		ns->ipc = ipc;
	}
	if (flags & CLONE_NEWCGROUP) {
		struct cgroup_ns *cgroup = cgroup_ns_new(cred->user_ns, t);

		if (!cgroup)
			return -ENOMEM;
		cgroup_ns_put(ns->cgroup);
		ns->cgroup = cgroup;
	}
	if (flags & CLONE_NEWTIME) {
		struct time_ns *time = time_ns_new(ns->time_for_children, cred->user_ns);

		if (!time)
			return -ENOMEM;
		time_ns_put(ns->time_for_children);
		ns->time_for_children = time;
	}
	if (flags & CLONE_NEWPID) {
		int err = unshare_pid(t, ns, cred->user_ns);

		if (err)
			return err;
	}
	if (flags & CLONE_NEWNS) {
		struct vfs_ctx c = *task_vfs(t);
		struct mnt_ns *mnt;
		int err;

		c.cred = cred;
		err = mnt_ns_clone(&c, ns->mnt, &fs->root, &fs->cwd, &mnt);
		if (err)
			return err;
		mnt_ns_put(ns->mnt);
		ns->mnt = mnt;
	}
	return 0;
}
