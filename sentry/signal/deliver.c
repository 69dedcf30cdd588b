/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver.c: signals on a task's way back to the application: dequeueing, default actions, stops,
 * handlers, and what becomes of an interrupted system call (signal(7), "Interruption of system
 * calls").
 *
 * Restart codes end here.  A handler turns them into EINTR or, by SA_RESTART, into the same call
 * again; without a handler the call is always made again: the program counter goes back over the
 * two bytes of `syscall` and rax gets the call's number (restart_syscall's for sleeps that must go
 * on with what is left of their time).
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "sentry/signal/coredump.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"

void sig_recalc_locked(struct task *t)
{
	sig_set_t pending = t->pending.set | t->process->pending.set;

	if (t->pt)
		plat_sigmask_watch(t->pt, pending);
	if (pending & ~task_blocked(t))
		atomic_fetch_or_explicit(&t->flags, TASK_SIGPENDING, memory_order_relaxed);
}

static int sig_take_locked(struct process *p, struct sig_pending *pending, sig_set_t set,
			   siginfo_t *info)
{
	sig_set_t have = pending->set & set;
	struct sig_queued *q, *found = NULL;
	bool more = false;
	int sig;

	if (!have)
		return 0;
	/* Synchronous ones first, else the lowest number. */
	sig = __builtin_ctzll((have & SIG_SET_SYNC) ? (have & SIG_SET_SYNC) : have) + 1;
	list_for_each_entry(q, &pending->queue, node) {
		if (q->info.si_signo != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = q;
	}
	if (!more)
		pending->set &= ~SIG_BIT(sig);
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_USER; /* its queue entry could not be allocated */
	if (!found)
		return sig;
	list_remove(&found->node);
	found->queued = false;
	if (found->gone) {
		found->gone(found); /* may still amend the info: a timer's overruns */
		*info = found->info;
	} else {
		*info = found->info;
		p->queued_count--;
		mem_free(found);
	}
	return sig;
}

int sig_dequeue_locked(struct task *t, sig_set_t set, siginfo_t *info)
{
	int sig = sig_take_locked(t->process, &t->pending, set, info);

	return sig ? sig : sig_take_locked(t->process, &t->process->pending, set, info);
}

int sig_dequeue(struct task *t, sig_set_t set, siginfo_t *info)
{
	int sig;

	latch_lock(&t->process->siglock);
	sig = sig_dequeue_locked(t, set & ~SIG_UNBLOCKABLE, info);
	latch_unlock(&t->process->siglock);
	return sig;
}

void sig_exec(struct task *t)
{
	plat_sigplain_offer(t->pt, 0);
	if (sig_actions_exec(t->process))
		process_group_exit(t->process, SIGKILL); /* past the point of no return */
	memset(&t->altstack, 0, sizeof(t->altstack));
	t->altstack.flags = SS_DISABLE;
}

/* ---- stops --------------------------------------------------------------------------------------- */

static void sig_tell_parent(struct process *p, int code, int status)
{
	mutex_lock(&tasklist.lock);
	process_notify_parent_locked(p, code, status);
	mutex_unlock(&tasklist.lock);
}

/* A stop signal's default action: every task of the process is asked to stop. */
static void sig_start_stop_locked(struct process *p, int sig)
{
	struct task *t;

	if (p->flags & (PROCESS_GROUP_EXIT | PROCESS_STOPPED) || p->stop_count)
		return;
	p->stop_signal = (unsigned int)sig;
	p->stop_count = 0;
	list_for_each_entry(t, &p->tasks, process_node) {
		if (t->state == 'Z' || t->state == 'X' || t->left)
			continue;
		p->stop_count++;
		t->stop_counted = true;
		atomic_fetch_or_explicit(&t->flags, TASK_STOP | TASK_SIGPENDING,
					 memory_order_relaxed);
		task_poke(t);
	}
}

/* t stops, or leaves: true if it was the last that the group's stop waited for. */
static bool sig_stop_counts_locked(struct task *t)
{
	struct process *p = t->process;
	bool done = t->stop_counted && p->stop_count && --p->stop_count == 0;

	t->stop_counted = false;
	if (done) {
		process_flags_change(p, PROCESS_STOPPED | PROCESS_STOP_REPORT, PROCESS_CONTINUED);
	}
	return done;
}

bool sig_leave_locked(struct task *t)
{
	sig_retarget_locked(t, ~task_blocked(t));
	task_set_blocked_locked(t, ~0ull);
	t->left = true;
	return sig_stop_counts_locked(t);
}

void sig_tell_stopped(struct task *t, int sig)
{
	struct process *p = t->process;

	mutex_lock(&tasklist.lock);
	if (!p->parent || !ptrace_is_traced_by(t, p->parent))
		process_notify_parent_locked(p, CLD_STOPPED, sig);
	mutex_unlock(&tasklist.lock);
}

/* TASK_STOP is set: stand still until SIGCONT or the end. */
static void sig_stop(struct task *t)
{
	struct process *p = t->process;
	bool tell, traced;
	int sig;

	latch_lock(&p->siglock);
	if (!(atomic_load_explicit(&t->flags, memory_order_relaxed) & TASK_STOP)) {
		latch_unlock(&p->siglock);
		return;
	}
	tell = sig_stop_counts_locked(t);
	traced = t->ptrace.tracer != NULL;
	sig = (int)p->stop_signal;
	if (traced) /* when its tracer lets it go it runs, stopped group or not */
		atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_STOP, memory_order_relaxed);
	else
		t->state = 'T';
	latch_unlock(&p->siglock);
	if (tell)
		sig_tell_stopped(t, sig);
	if (traced) {
		ptrace_trap(t, sig);
		return;
	}
	task_wait_unstopped(t);
	t->state = 'R';
}

/* TASK_TRAP is set: PTRACE_INTERRUPT, a new tracee, or SIGCONT for a seized one. */
static void sig_trap(struct task *t)
{
	struct process *p = t->process;
	int sig;

	latch_lock(&p->siglock);
	atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_TRAP, memory_order_relaxed);
	sig = (p->flags & PROCESS_STOPPED) || p->stop_count ? (int)p->stop_signal : 0;
	latch_unlock(&p->siglock);
	ptrace_trap(t, sig);
}

/* Terminal stop signals do nothing in an orphaned group. */
static bool sig_stop_allowed(struct process *p, int sig)
{
	bool orphaned;

	if (sig == SIGSTOP)
		return true;
	mutex_lock(&tasklist.lock);
	orphaned = !p->pgrp || pgrp_orphaned_locked(p->pgrp, NULL);
	mutex_unlock(&tasklist.lock);
	return !orphaned;
}

/* ---- delivery ------------------------------------------------------------------------------------ */

static bool sig_is_restart(long result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

static void sig_syscall_again(struct task *t, uint64_t nr)
{
	plat_regs_t *r = plat_regs_mut(t->pt);

	r->rax = nr;
	r->rip -= 2;
}

/* What the interrupted call gives when a handler runs. */
static void sig_result_for_handler(struct task *t, const struct sig_action *a, long result)
{
	if (result == -ERESTARTNOINTR || (result == -ERESTARTSYS && (a->flags & SA_RESTART)))
		sig_syscall_again(t, t->syscall_nr);
	else
		plat_regs_mut(t->pt)->rax = (uint64_t)(sig_is_restart(result) ? -EINTR : result);
}

static void sig_result_without_handler(struct task *t, long result)
{
	if (result == -ERESTART_RESTARTBLOCK)
		sig_syscall_again(t, SYS_restart_syscall);
	else if (sig_is_restart(result))
		sig_syscall_again(t, t->syscall_nr);
	else
		plat_set_result(t->pt, result);
}

/*
 * A system call that is open while signals are looked at.  A tracer sees it in the registers, as
 * inside Linux, and may change it there: orig_rax -1 closes it.
 */
struct sig_call {
	bool open;
	long result;
};

static void sig_call_show(struct task *t, const struct sig_call *c)
{
	plat_regs_t *r;

	if (!(atomic_load_explicit(&t->flags, memory_order_relaxed) & TASK_TRACED))
		return;
	r = plat_regs_mut(t->pt);
	r->orig_rax = c->open ? t->syscall_nr : ~0ull;
	if (c->open)
		r->rax = (uint64_t)c->result;
}

static void sig_call_look(struct task *t, struct sig_call *c)
{
	const plat_regs_t *r = plat_regs(t->pt);

	if (!c->open || task_exiting(t))
		return;
	c->open = (int64_t)r->orig_rax >= 0;
	c->result = (long)r->rax;
	if (c->open)
		t->syscall_nr = r->orig_rax;
}

/* Stops that are asked for by flags. */
static void sig_stops(struct task *t, struct sig_call *call)
{
	unsigned int flags = atomic_load_explicit(&t->flags, memory_order_acquire);
	bool traced = flags & TASK_TRACED;

	if (!(flags & (TASK_STOP | TASK_TRAP)))
		return;
	sig_call_show(t, call);
	if (flags & TASK_STOP)
		sig_stop(t);
	else if (traced)
		sig_trap(t);
	else
		atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_TRAP, memory_order_relaxed);
	if (traced)
		sig_call_look(t, call);
}

/* A signal on its way by t's tracer: what is left of it. */
static int sig_traced(struct task *t, int sig, siginfo_t *info, struct sig_call *call)
{
	if (likely(!(atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED)))
		return sig;
	sig_call_show(t, call);
	sig = ptrace_signal(t, sig, info);
	sig_call_look(t, call);
	return sig;
}

/*
 * The next signal with something to do: a handler to run (returned, with its action and info), or
 * 0.  Default actions are carried out here.
 */
static int sig_next(struct task *t, struct sig_action *a, siginfo_t *info, struct sig_call *call)
{
	struct process *p = t->process;
	int sig;

	for (;;) {
		if (task_exiting(t))
			return 0;
		sig_stops(t, call);

		latch_lock(&p->siglock);
		if (p->flags & PROCESS_TELL_CONTINUED) {
			process_flags_change(p, 0, PROCESS_TELL_CONTINUED);
			latch_unlock(&p->siglock);
			sig_tell_parent(p, CLD_CONTINUED, SIGCONT);
			continue;
		}
		if (atomic_load_explicit(&t->flags, memory_order_relaxed) & (TASK_STOP | TASK_TRAP)) {
			latch_unlock(&p->siglock);
			continue;
		}
		sig = sig_dequeue_locked(t, ~task_blocked(t), info);
		if (!sig)
			sig_recalc_locked(t);
		latch_unlock(&p->siglock);
		if (!sig)
			return 0;
		sig = sig_traced(t, sig, info, call);
		if (task_exiting(t))
			return 0;
		if (!sig)
			continue;

		latch_lock(&p->siglock);
		*a = sig_action_take_locked(p, sig);
		if (a->handler != SIG_HANDLER_DFL && a->handler != SIG_HANDLER_IGN) {
			sig_recalc_locked(t); /* others may be due right after */
			latch_unlock(&p->siglock);
			return sig;
		}
		latch_unlock(&p->siglock);

		if (a->handler == SIG_HANDLER_IGN || (SIG_BIT(sig) & SIG_SET_IGNORE) ||
		    (p->flags & PROCESS_SIG_UNKILLABLE && !(SIG_BIT(sig) & SIG_SET_SYNC)))
			continue;
		if (SIG_BIT(sig) & SIG_SET_STOP) {
			if (sig_stop_allowed(p, sig)) {
				latch_lock(&p->siglock);
				sig_start_stop_locked(p, sig);
				latch_unlock(&p->siglock);
			}
			continue;
		}
		if ((SIG_BIT(sig) & SIG_SET_CORE) && core_dump(t, sig, info))
			process_group_exit(p, sig | 0x80);
		else
			process_group_exit(p, sig);
		return 0;
	}
}

/* The handler's mask: the old one, the action's, and the signal itself unless SA_NODEFER. */
static void sig_enter_handler_mask(struct task *t, int sig, const struct sig_action *a)
{
	sig_set_t mask = task_blocked(t) | a->mask;

	if (!(a->flags & SA_NODEFER))
		mask |= SIG_BIT(sig);
	sig_mask_set(t, mask);
}

void sig_deliver(struct task *t, bool in_syscall, long result)
{
	struct sig_call call = { in_syscall && t->syscall_nr != ~0ull, result };
	struct sig_action a;
	siginfo_t info;
	int sig;

	waiter_clear_interrupt(&t->waiter);
	atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_SIGPENDING, memory_order_acquire);

	while ((sig = sig_next(t, &a, &info, &call)) != 0) {
		sig_set_t saved = task_blocked(t);

		if (atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_RESTORE_MASK,
					      memory_order_relaxed) & TASK_RESTORE_MASK)
			saved = t->saved_mask;
		if (call.open)
			sig_result_for_handler(t, &a, call.result);
		call.open = false;
		if (sig_frame_setup(t, sig, &a, &info, saved)) {
			siginfo_t segv = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

			if (sig == SIGSEGV) { /* its own handler can't be entered: default action */
				process_group_exit(t->process, SIGSEGV);
				return;
			}
			sig_force(t, &segv);
			continue;
		}
		sig_enter_handler_mask(t, sig, &a);
		ptrace_handler_step(t);
		/* Further signals interrupt the handler before its first instruction, as on Linux. */
	}
	if (task_exiting(t))
		return;
	sig_mask_restore(t);
	if (call.open)
		sig_result_without_handler(t, call.result);
	/* else: a handler's frame has the result, or sigreturn and execve loaded all registers */
}
