/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send.c: sending and queueing signals.
 *
 * A signal goes to a pending set (a task's or its process's), and somebody who can take it is poked:
 * TASK_SIGPENDING, out of its sleep, out of application code.  Everything is under the process's
 * siglock, a latch, so a sender may be a timer callback.  What needs the process tree (telling the
 * parent of stops and continues) is done by the receiving task on its own fiber, in deliver.c.
 */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/signal/coredump.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "vfs/landlock.h"

#define SIG_RT_MIN 32

sig_set_t task_blocked(const struct task *t)
{
	return (t->pt ? plat_sigmask(t->pt) : t->unbound_mask) & ~SIG_UNBLOCKABLE;
}

void task_set_blocked_locked(struct task *t, sig_set_t mask)
{
	t->unbound_mask = mask;
	if (t->pt)
		plat_sigmask_set(t->pt, mask);
}

/* Before t's mask is looked at: from here on its stub asks us before it changes it. */
static void sig_watch_locked(struct task *t)
{
	if (t->pt)
		plat_sigmask_watch(t->pt, t->pending.set | t->process->pending.set);
}

static bool sig_ignored(const struct process *p, const struct task *t, int sig, bool forced)
{
	uint64_t h = sig_action_locked(p, sig).handler;

	if ((task_blocked(t) | t->real_blocked) & SIG_BIT(sig))
		return false; /* may be unblocked with a handler later */
	if (t->ptrace.tracer && sig != SIGKILL)
		return false; /* its tracer wants to know */
	if ((p->flags & PROCESS_SIG_UNKILLABLE) && h == SIG_HANDLER_DFL && !forced)
		return true;
	return h == SIG_HANDLER_IGN ||
	       (h == SIG_HANDLER_DFL && (SIG_BIT(sig) & SIG_SET_IGNORE) && sig != SIGCONT);
}

void sig_pending_flush(struct process *p, struct sig_pending *q, sig_set_t which)
{
	struct sig_queued *e, *tmp;

	q->set &= ~which;
	list_for_each_entry_safe(e, tmp, &q->queue, node) {
		if (!(which & SIG_BIT(e->info.si_signo)))
			continue;
		list_remove(&e->node);
		e->queued = false;
		if (e->gone) {
			e->gone(e);
		} else {
			p->queued_count--;
			mem_free(e);
		}
	}
}

/* Stop signals and SIGCONT cancel each other, whoever they were for; SIGCONT restarts the stopped. */
static void sig_prepare_locked(struct process *p, int sig)
{
	struct task *t;

	if (SIG_BIT(sig) & SIG_SET_STOP) {
		sig_pending_flush(p, &p->pending, SIG_BIT(SIGCONT));
		list_for_each_entry(t, &p->tasks, process_node)
			sig_pending_flush(p, &t->pending, SIG_BIT(SIGCONT));
		return;
	}
	if (sig != SIGCONT)
		return;
	sig_pending_flush(p, &p->pending, SIG_SET_STOP);
	list_for_each_entry(t, &p->tasks, process_node) {
		sig_pending_flush(p, &t->pending, SIG_SET_STOP);
		atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_STOP, memory_order_relaxed);
		t->stop_counted = false;
	}
	if (p->flags & PROCESS_STOPPED || p->stop_count) {
		if (p->flags & PROCESS_STOPPED)
			process_flags_change(p, PROCESS_CONTINUED | PROCESS_TELL_CONTINUED, 0);
		process_flags_change(p, 0, PROCESS_STOPPED | PROCESS_STOP_REPORT);
		p->stop_count = 0;
		wq_wake(&p->stop_wq, 0);
		ptrace_continued_locked(p);
	}
}

static bool task_can_take(const struct task *t, int sig)
{
	char state = __atomic_load_n(&t->state, __ATOMIC_RELAXED); /* a leaving thread's is written under other locks */

	if (state == 'Z' || state == 'X')
		return false;
	if (sig == SIGKILL)
		return true;
	return !(task_blocked(t) & SIG_BIT(sig));
}

static void task_set_pending(struct task *t)
{
	atomic_fetch_or_explicit(&t->flags, TASK_SIGPENDING, memory_order_release);
	task_poke(t);
}

/*
 * Poke somebody for a signal just queued; a fatal one ends the process at once.  near (or NULL): who
 * should take it if it can.
 */
static void sig_complete_locked(struct process *p, struct task *only, struct task *near, int sig)
{
	struct task *t, *who = NULL;

	if (only)
		sig_watch_locked(only);
	else
		list_for_each_entry(t, &p->tasks, process_node)
			sig_watch_locked(t);
	if (only) {
		if (task_can_take(only, sig))
			who = only;
	} else if (near && near->process == p && task_can_take(near, sig)) {
		who = near;
	} else if (p->leader && task_can_take(p->leader, sig)) {
		who = p->leader;
	} else {
		list_for_each_entry(t, &p->tasks, process_node)
			if (task_can_take(t, sig)) {
				who = t;
				break;
			}
	}
	if (!who)
		return; /* blocked everywhere: looked for when somebody unblocks it */

	if (sig == SIGKILL)
		process_group_exit_locked(p, SIGKILL);
	else
		task_set_pending(who);
}

static int sig_send(struct process *p, struct task *only, struct task *near, int sig,
		    const siginfo_t *info, bool forced)
{
	struct sig_pending *pending = only ? &only->pending : &p->pending;
	struct sig_queued *q = NULL;
	int err = 0;

	if (sig == 0)
		return 0;
	if (sig != SIGKILL)
		q = mem_new(struct sig_queued);

	latch_lock(&p->siglock);
	if (sig == SIGKILL && (p->flags & PROCESS_GROUP_EXIT))
		ptrace_killed_locked(p); /* out of exit stops */
	if (p->task_count == 0 || (p->flags & PROCESS_GROUP_EXIT))
		goto out;
	sig_prepare_locked(p, sig);
	if (sig_ignored(p, only ? only : p->leader, sig, forced))
		goto out;
	if (sig < SIG_RT_MIN && (pending->set & SIG_BIT(sig)))
		goto complete; /* legacy signals don't queue, but a sleeping taker is poked again */
	if (q && p->queued_count >= process_rlimit(p, RLIMIT_SIGPENDING) && sig >= SIG_RT_MIN &&
	    info && info->si_code != SI_USER) {
		err = -EAGAIN;
		goto out;
	}
	if (!q && sig >= SIG_RT_MIN) {
		err = -EAGAIN;
		goto out;
	}
	if (q) {
		if (info) {
			q->info = *info;
		} else {
			q->info.si_code = SI_KERNEL;
		}
		q->info.si_signo = sig;
		q->queued = true;
		p->queued_count++;
		list_append(&pending->queue, &q->node);
		q = NULL;
	}
	pending->set |= SIG_BIT(sig);
complete:
	sig_complete_locked(p, only, near, sig);
	wq_wake(&p->sig_wq, 0);
out:
	latch_unlock(&p->siglock);
	mem_free(q);
	return err;
}

int sig_send_task(struct task *t, int sig, const siginfo_t *info)
{
	return sig_send(t->process, t, NULL, sig, info, false);
}

int sig_send_process(struct process *p, int sig, const siginfo_t *info)
{
	return sig_send(p, NULL, NULL, sig, info, false);
}

int sig_send_process_near(struct process *p, struct task *near, int sig)
{
	return sig_send(p, NULL, near, sig, NULL, false);
}

int sig_send_process_forced(struct process *p, int sig)
{
	return sig_send(p, NULL, NULL, sig, NULL, true);
}

void sig_reach_forks_locked(struct process *p, int sig)
{
	struct task *t;

	if (!p->forking || !sig)
		return;
	latch_lock(&p->siglock);
	list_for_each_entry(t, &p->tasks, process_node) {
		if (!t->forking)
			continue;
		if (sig == SIGCONT)
			t->fork_missed &= ~(sig_set_t)SIG_SET_STOP;
		else if (SIG_BIT(sig) & SIG_SET_STOP)
			t->fork_missed &= ~SIG_BIT(SIGCONT);
		t->fork_missed |= SIG_BIT(sig);
	}
	latch_unlock(&p->siglock);
}

int sig_send_pgrp_locked(struct pgrp *g, int sig, const siginfo_t *info)
{
	struct process *p;
	int err = -ESRCH;

	list_for_each_entry(p, &g->members, pgrp_node) {
		int e = sig_send_process(p, sig, info);

		sig_reach_forks_locked(p, sig);
		if (err)
			err = e;
	}
	return err;
}

bool sig_send_preallocated(struct process *p, struct task *only, struct sig_queued *q)
{
	struct sig_pending *pending = only ? &only->pending : &p->pending;
	int sig = q->info.si_signo;
	bool sent = false;

	latch_lock(&p->siglock);
	if (p->task_count && !(p->flags & PROCESS_GROUP_EXIT) && !q->queued) {
		sig_prepare_locked(p, sig);
		sent = true;
		if (!sig_ignored(p, only ? only : p->leader, sig, false)) {
			q->queued = true;
			list_append(&pending->queue, &q->node);
			pending->set |= SIG_BIT(sig);
			sig_complete_locked(p, only, NULL, sig);
			wq_wake(&p->sig_wq, 0);
		}
	}
	latch_unlock(&p->siglock);
	return sent;
}

void sig_unqueue(struct process *p, struct sig_queued *q)
{
	latch_lock(&p->siglock);
	if (q->queued) {
		list_remove(&q->node); /* the set's bit may stay: a dequeue then finds nothing */
		q->queued = false;
	}
	latch_unlock(&p->siglock);
}

void sig_force(struct task *t, const siginfo_t *info)
{
	struct process *p = t->process;
	int sig = info->si_signo;
	struct sig_action a;

	latch_lock(&p->siglock);
	a = sig_action_locked(p, sig);
	if ((task_blocked(t) & SIG_BIT(sig)) || a.handler == SIG_HANDLER_IGN) {
		a.handler = SIG_HANDLER_DFL;
		sig_action_set_locked(p, sig, &a);
		task_set_blocked_locked(t, task_blocked(t) & ~SIG_BIT(sig));
	}
	if (a.handler == SIG_HANDLER_DFL && !t->ptrace.tracer)
		process_flags_change(p, 0, PROCESS_SIG_UNKILLABLE);
	latch_unlock(&p->siglock);
	sig_send(p, t, NULL, sig, info, true);
}

void sig_force_exit(struct task *t, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_KERNEL };

	if ((SIG_BIT(sig) & SIG_SET_CORE) && core_dump(t, sig, &info))
		sig |= 0x80;
	process_group_exit(t->process, sig);
}

bool sig_scoped(struct task *t, struct process *p)
{
	const struct cred *c;
	bool scoped;

	if (!t->cred->landlock || t->process == p)
		return false;
	c = task_cred_get(p->leader);
	scoped = landlock_scoped(t->cred->landlock, c->landlock, LANDLOCK_SCOPED_SIGNAL);
	cred_put(c);
	return scoped;
}

bool sig_may_send(const struct cred *from, struct process *to, int sig)
{
	const struct cred *c = task_cred_get(to->leader);
	bool ok;

	(void)sig;
	ok = from->euid == c->suid || from->euid == c->uid || from->uid == c->suid ||
	     from->uid == c->uid || cred_capable_ns(from, c->user_ns, 5 /* CAP_KILL */);
	cred_put(c);
	return ok;
}

void sig_parent_died_locked(struct process *c)
{
	struct task *t;
	int sig = 0;

	latch_lock(&c->siglock);
	list_for_each_entry(t, &c->tasks, process_node)
		if (t->pdeath_signal)
			sig = t->pdeath_signal;
	latch_unlock(&c->siglock);
	if (sig)
		sig_send_process(c, sig, NULL);
}

/* Process-directed signals that t was meant to take: find somebody else. */
void sig_retarget_locked(struct task *t, sig_set_t which)
{
	struct process *p = t->process;
	struct task *o;

	which &= p->pending.set;
	if (!which)
		return;
	list_for_each_entry(o, &p->tasks, process_node)
		if (o != t && o->state != 'Z' && o->state != 'X' && (which & ~task_blocked(o))) {
			task_set_pending(o);
			which &= task_blocked(o);
			if (!which)
				break;
		}
}

void sig_flush(struct task *t)
{
	latch_lock(&t->process->siglock);
	sig_pending_flush(t->process, &t->pending, ~0ull);
	if (t->process->task_count == 0)
		sig_pending_flush(t->process, &t->process->pending, ~0ull);
	latch_unlock(&t->process->siglock);
}

void sig_mask_set(struct task *t, sig_set_t mask)
{
	struct process *p = t->process;

	mask &= ~SIG_UNBLOCKABLE;
	latch_lock(&p->siglock);
	if (mask & ~task_blocked(t))
		sig_retarget_locked(t, mask & ~task_blocked(t));
	task_set_blocked_locked(t, mask);
	sig_recalc_locked(t);
	latch_unlock(&p->siglock);
}

void sig_mask_set_temporary(struct task *t, sig_set_t mask)
{
	t->saved_mask = task_blocked(t);
	atomic_fetch_or_explicit(&t->flags, TASK_RESTORE_MASK, memory_order_relaxed);
	sig_mask_set(t, mask);
	if (atomic_load_explicit(&t->flags, memory_order_relaxed) & TASK_SIGPENDING)
		waiter_interrupt(&t->waiter);
}

void sig_mask_restore(struct task *t)
{
	if (!(atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_RESTORE_MASK,
					memory_order_relaxed) & TASK_RESTORE_MASK))
		return;
	sig_mask_set(t, t->saved_mask);
}

int sig_mask_from_user(struct task *t, uaddr_t addr, size_t size)
{
	sig_set_t mask;
	int err;

	if (!addr.addr)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	err = uaccess_get(t, &mask, addr, sizeof(mask));
	if (err)
		return err;
	sig_mask_set_temporary(t, mask);
	return 0;
}

struct wq *sig_wq(struct process *p)
{
	return &p->sig_wq;
}

bool sig_pending_work(struct task *t)
{
	return atomic_load_explicit(&t->flags, memory_order_acquire) &
	       (TASK_SIGPENDING | TASK_STOP | TASK_TRAP | TASK_EXIT | TASK_RESTORE_MASK);
}

bool sig_pending(struct task *t)
{
	return atomic_load_explicit(&t->flags, memory_order_acquire) &
	       (TASK_SIGPENDING | TASK_STOP | TASK_TRAP | TASK_EXIT);
}
