/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c: who traces whom: attaching, detaching, inheriting, and the tracer's end.  See ptrace.h.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

#include "sentry/ptrace/ptrace.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "vfs/landlock.h"

void ptrace_task_init(struct task *t)
{
	list_init(&t->ptrace.node);
	list_init(&t->tracees);
	wq_init(&t->ptrace.wq);
}

static void link_locked(struct task *tracer, struct task *tracee, bool seized, uint32_t options)
{
	struct ptrace_state *s = &tracee->ptrace;

	s->tracer = tracer;
	s->seized = seized;
	s->options = options;
	s->run = PTRACE_RUN;
	s->step = false;
	list_append(&tracer->tracees, &s->node);
	atomic_fetch_or_explicit(&tracee->flags, TASK_TRACED, memory_order_release);
}

/* What the tracee does from now on comes to the Sentry. */
static void watch_calls(struct task *tracee)
{
	struct mm *mm = task_mm_get(tracee);

	if (mm)
		plat_mm_set_native(mm->plat, false);
	mm_put(mm);
}

bool ptrace_is_traced_by(const struct task *tracee, const struct process *p)
{
	return tracee->ptrace.tracer && tracee->ptrace.tracer->process == p;
}

bool ptrace_allows_setid(struct task *t)
{
	const struct cred *c = NULL;
	bool ok;

	if (!(atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED))
		return true;
	mutex_lock(&tasklist.lock);
	if (t->ptrace.tracer)
		c = task_cred_get(t->ptrace.tracer);
	mutex_unlock(&tasklist.lock);
	ok = !c || cred_capable_ns(c, t->cred->user_ns, CAP_SYS_PTRACE);
	cred_put(c);
	return ok;
}

/* One that is stopped with its group already is to stop for its tracer. */
static void stop_for_tracer_locked(struct task *target)
{
	if (atomic_load_explicit(&target->flags, memory_order_relaxed) & TASK_STOP)
		ptrace_trap_locked(target);
}

long ptrace_attach(struct task *t, struct task *target, bool seize, uint32_t options)
{
	struct process *p = target->process;
	long err = -EPERM;

	if (p == t->process)
		return -EPERM;
	if (!task_may_access(t, target, PTRACE_ATTACH_ | PTRACE_REALCREDS))
		return -EPERM;
	mutex_lock(&tasklist.lock);
	latch_lock(&p->siglock);
	if (!target->ptrace.tracer && target->state != 'Z' && target->state != 'X') {
		link_locked(t, target, seize, options);
		stop_for_tracer_locked(target);
		err = 0;
	}
	latch_unlock(&p->siglock);
	mutex_unlock(&tasklist.lock);
	if (err)
		return err;
	watch_calls(target);
	if (!seize)
		(void)sig_send_task(target, SIGSTOP, NULL);
	return 0;
}

/* The thread that made t's process, while there is one; else another of its process. */
static struct task *parent_task_locked(struct task *t)
{
	struct process *p = t->process, *parent = p->parent;

	if (!parent || parent->state != PROCESS_ALIVE)
		return NULL;
	if (p->creator && p->creator->task && p->creator->task->process == parent)
		return p->creator->task;
	return parent->leader;
}

long ptrace_traceme(struct task *t)
{
	const struct cred *by;
	struct task *tracer;
	long err = -EPERM;

	mutex_lock(&tasklist.lock);
	tracer = parent_task_locked(t);
	by = tracer ? task_cred_get(tracer) : NULL;
	latch_lock(&t->process->siglock);
	if (!t->ptrace.tracer && (!by || landlock_may_trace(by->landlock, t->cred->landlock))) {
		err = 0; /* without a parent there is nobody to tell */
		if (tracer)
			link_locked(tracer, t, false, 0);
	}
	latch_unlock(&t->process->siglock);
	mutex_unlock(&tasklist.lock);
	cred_put(by);
	if (!err)
		watch_calls(t);
	return err;
}

void ptrace_detach_locked(struct task *tracee, int sig)
{
	struct ptrace_state *s = &tracee->ptrace;
	struct process *p = tracee->process;
	struct task *tracer = s->tracer;

	if (!tracer)
		return;
	latch_lock(&p->siglock);
	list_remove(&s->node);
	s->tracer = NULL;
	s->options = 0;
	s->seized = false;
	s->run = PTRACE_RUN;
	s->step = false;
	s->retrap = false;
	atomic_fetch_and_explicit(&tracee->flags, ~(unsigned int)(TASK_TRACED | TASK_TRAP),
				  memory_order_release);
	/* Its group is stopped: so is it, now as one of them. */
	if ((p->flags & PROCESS_STOPPED) || p->stop_count)
		atomic_fetch_or_explicit(&tracee->flags, TASK_STOP | TASK_SIGPENDING,
					 memory_order_release);
	ptrace_resume_locked(tracee, sig);
	latch_unlock(&p->siglock);
	process_tracer_saw_locked(tracee);
}

void ptrace_tracer_exit_locked(struct task *t)
{
	struct task *o;

	while (!list_empty(&t->tracees)) {
		struct process *p;
		bool kill;

		o = list_entry(t->tracees.next, struct task, ptrace.node);
		kill = o->ptrace.options & PTRACE_O_EXITKILL;
		p = process_get(o->process);
		ptrace_detach_locked(o, 0); /* o, and others of the list, may be gone */
		if (kill)
			(void)sig_send_process_forced(p, SIGKILL);
		process_put(p);
	}
}

int ptrace_clone_event(struct task *parent, uint64_t flags, int exit_signal)
{
	int event;

	if (flags & CLONE_UNTRACED)
		return 0;
	if (flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if (exit_signal != SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	else
		event = PTRACE_EVENT_FORK;
	return ptrace_event_enabled(parent, event) ? event : 0;
}

void ptrace_clone_link_locked(struct task *parent, struct task *child)
{
	struct ptrace_state *s = &parent->ptrace;

	if (!s->tracer)
		return;
	latch_lock(&child->process->siglock);
	link_locked(s->tracer, child, s->seized, s->options);
	if (s->seized) {
		child->ptrace.retrap = true;
		atomic_fetch_or_explicit(&child->flags, TASK_TRAP, memory_order_relaxed);
	} else {
		child->pending.set |= SIG_BIT(SIGSTOP);
	}
	atomic_fetch_or_explicit(&child->flags, TASK_SIGPENDING, memory_order_relaxed);
	latch_unlock(&child->process->siglock);
}
