/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.c: what the platform may answer getpid(2) and kin with, without asking.
 *
 * Pulled, not pushed: a call that came to us all the same offers what is true now, and whatever may
 * make it untrue takes the offer back (mm_identity_forget(), after the change).  A change that comes
 * between the look and the offer is noticed by mm->identity_gen, so an offer is never older than the
 * last change.
 *
 * There is no offer for an address space that several processes run in (vfork), nor for a process
 * whose threads have different credentials.
 */
#include "lib/latch.h"
#include "sentry/task/task_impl.h"
#include "vfs/user_ns.h"

void mm_identity_forget(struct mm *mm)
{
	static const struct plat_identity none;

	latch_lock(&mm->identity_latch);
	mm->identity_gen++;
	plat_mm_set_identity(mm->plat, &none);
	latch_unlock(&mm->identity_latch);
}

/* REQUIRES tasklist.lock.  Threads that have not all the same credentials, or ids without a name (yet). */
static bool creds_differ(const struct task *t)
{
	const struct task *o;

	list_for_each_entry(o, &t->process->tasks, process_node) {
		if (__atomic_load_n(&o->cred, __ATOMIC_RELAXED) != t->cred)
			return true;
	}
	return user_ns_from_kernel(t->cred->user_ns, ID_UID, t->cred->uid) == ID_INVALID ||
	       user_ns_from_kernel(t->cred->user_ns, ID_UID, t->cred->euid) == ID_INVALID ||
	       user_ns_from_kernel(t->cred->user_ns, ID_GID, t->cred->gid) == ID_INVALID ||
	       user_ns_from_kernel(t->cred->user_ns, ID_GID, t->cred->egid) == ID_INVALID;
}

void task_identity_offer(struct task *t)
{
	const struct cred *c = t->cred;
	struct process *p = t->process;
	struct mm *mm = t->mm;
	struct plat_identity id;
	uint32_t gen;
	bool ok;

	latch_lock(&mm->identity_latch);
	gen = mm->identity_gen;
	latch_unlock(&mm->identity_latch);
	mutex_lock(&tasklist.lock);
	ok = !creds_differ(t) && p->pgrp && atomic_load_explicit(&mm->processes, memory_order_relaxed) == 1;
	if (ok) {
		id = (struct plat_identity){
			.pid = task_tgid(t),
			.ppid = process_nr_in(p->parent, task_pid_ns(t)),
			.pgid = pid_nr_in(p->pgrp->pid, task_pid_ns(t)),
			.sid = pid_nr_in(p->pgrp->session->pid, task_pid_ns(t)),
			.uid = (int32_t)user_ns_from_kernel_munged(c->user_ns, ID_UID, c->uid),
			.euid = (int32_t)user_ns_from_kernel_munged(c->user_ns, ID_UID, c->euid),
			.gid = (int32_t)user_ns_from_kernel_munged(c->user_ns, ID_GID, c->gid),
			.egid = (int32_t)user_ns_from_kernel_munged(c->user_ns, ID_GID, c->egid),
			.valid = 1,
		};
	}
	mutex_unlock(&tasklist.lock);
	if (!ok)
		return;
	latch_lock(&mm->identity_latch);
	if (mm->identity_gen == gen)
		plat_mm_set_identity(mm->plat, &id);
	latch_unlock(&mm->identity_latch);
}
