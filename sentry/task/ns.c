/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns.c: sets of namespaces (namespaces(7)), and UTS namespaces.
 *
 * A struct ns_set is immutable once a task has it; unshare(2) and setns(2) make a new one.
 */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

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
	if (ns->pid_for_children)
		pid_ns_get(ns->pid_for_children);
	return ns;
}

int ns_set_unshare(struct task *t, struct ns_set *ns, struct fs_state *fs, uint64_t flags)
{
	if (flags & CLONE_NEWUTS) {
		struct uts_ns *old = ns->uts, *uts;

		latch_lock(&old->latch);
		uts = uts_ns_new(old->nodename, old->domainname, t->cred->user_ns);
		latch_unlock(&old->latch);
		if (!uts)
			return -ENOMEM;
		ns->uts = uts;
		uts_ns_put(old);
	}
	if (flags & CLONE_NEWNET) {
		struct net_ns *net = net_ns_new(t->cred->user_ns);

		if (!net)
			return -ENOMEM;
		net_ns_put(ns->net);
		ns->net = net;
	}
	if (flags & CLONE_NEWPID) {
		struct pid_ns *pid = pid_ns_new(ns->pid_for_children, t->cred->user_ns);

		if (!pid)
			return -ENOMEM;
		pid_ns_put(ns->pid_for_children);
		ns->pid_for_children = pid;
	}
	if (flags & CLONE_NEWNS) {
		struct mnt_ns *mnt;
		int err = mnt_ns_clone(&t->vfs, ns->mnt, &fs->root, &fs->cwd, &mnt);

		if (err)
			return err;
		mnt_ns_put(ns->mnt);
		ns->mnt = mnt;
	}
	return 0;
}
