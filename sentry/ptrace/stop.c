/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop.c: a tracee's stops (ptrace(2), "Stopped states"), and how it is let go.  See ptrace.h.
 *
 * Signals do not wake a tracee from a stop; SIGKILL does, but for the exit stop of a task that leaves
 * by its own will, where only a SIGKILL that comes after it counts.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <string.h>

#include "sentry/ptrace/ptrace.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

#define FLAG_TF 0x100ull

struct ptrace_work {
	long (*fn)(struct task *tracee, void *arg);
	void *arg;
	long result;
	atomic_bool done;
	struct wq wq;
};

/* ---- asleep -------------------------------------------------------------------------------------- */

static bool let_go_or_asked(struct task *t, void *arg)
{
	const bool *exiting = arg;

	if (!atomic_load_explicit(&t->ptrace.stopped, memory_order_acquire))
		return true;
	if (*exiting && __atomic_load_n(&t->ptrace.killed, __ATOMIC_ACQUIRE))
		return true;
	return __atomic_load_n(&t->ptrace.work, __ATOMIC_ACQUIRE) != NULL;
}

static struct ptrace_work *work_take(struct task *t)
{
	struct ptrace_work *w;

	latch_lock(&t->process->siglock);
	w = t->ptrace.work;
	__atomic_store_n(&t->ptrace.work, NULL, __ATOMIC_RELAXED);
	latch_unlock(&t->process->siglock);
	return w;
}

/* Under siglock, which the borrower takes before it drops w. */
static void work_done(struct task *t, struct ptrace_work *w, long result)
{
	latch_lock(&t->process->siglock);
	w->result = result;
	atomic_store_explicit(&w->done, true, memory_order_release);
	wq_wake(&w->wq, 0);
	latch_unlock(&t->process->siglock);
}

static void sleep_stopped(struct task *t, bool exiting)
{
	struct ptrace_work *w;

	for (;;) {
		task_wait_stopped(t, &t->ptrace.wq, let_go_or_asked, &exiting, exiting);
		w = work_take(t);
		if (!w)
			return;
		work_done(t, w, w->fn(t, w->arg));
	}
}

/* Tell the tracer; and wake who waits for t. */
static void tell_tracer(struct task *t)
{
	struct task *tracer;
	siginfo_t info;

	mutex_lock(&tasklist.lock);
	tracer = t->ptrace.tracer;
	if (tracer) {
		const struct sig_action a = sig_action_of(tracer->process, SIGCHLD);

		memset(&info, 0, sizeof(info));
		info.si_signo = SIGCHLD;
		info.si_code = t->ptrace.why;
		info.si_pid = task_tid_in(t, tracer->process->pid_ns);
		info.si_uid = t->cred->uid;
		info.si_status = (int)(t->ptrace.code & 0x7f);
		if (a.handler != SIG_HANDLER_IGN && !(a.flags & SA_NOCLDSTOP))
			(void)sig_send_process(tracer->process, SIGCHLD, &info);
		wq_wake(&tracer->process->child_wq, 0);
	}
	mutex_unlock(&tasklist.lock);
}

/*
 * Stop with code, until let go.  The signal to go on with; code itself when there is no stop, because
 * t is not traced or is to end.
 */
static int ptrace_stop(struct task *t, uint32_t code, int why, const siginfo_t *info, bool exiting)
{
	struct ptrace_state *s = &t->ptrace;
	struct process *p = t->process;
	char state = t->state;
	int sig;

	latch_lock(&p->siglock);
	if (!s->tracer || (!exiting && task_exiting(t))) {
		latch_unlock(&p->siglock);
		return (int)code;
	}
	s->code = code;
	s->why = why;
	s->has_info = info != NULL;
	if (info)
		s->info = *info;
	s->inject = 0;
	s->exiting = exiting;
	s->listening = false;
	s->report = true;
	__atomic_store_n(&s->killed, false, __ATOMIC_RELAXED);
	if (code >> 8 == PTRACE_EVENT_STOP || why == CLD_STOPPED) {
		s->retrap = false;
		atomic_fetch_and_explicit(&t->flags, ~(unsigned int)TASK_TRAP, memory_order_relaxed);
	}
	t->state = 't';
	atomic_store_explicit(&s->stopped, true, memory_order_release);
	latch_unlock(&p->siglock);
	tell_tracer(t);
	sleep_stopped(t, exiting);

	latch_lock(&p->siglock);
	atomic_store_explicit(&s->stopped, false, memory_order_relaxed);
	s->report = s->listening = false;
	s->op = PTRACE_OP_NONE;
	sig = s->inject;
	s->inject = 0;
	t->state = state;
	latch_unlock(&p->siglock);
	return sig;
}

/* As Linux's ptrace_do_notify(). */
static int stop_with_event(struct task *t, uint32_t code, int why, bool exiting)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = (int)(code & 0x7f);
	info.si_code = (int)code;
	info.si_pid = task_tid(t);
	info.si_uid = t->cred->uid;
	return ptrace_stop(t, code, why, &info, exiting);
}

/* ---- the stops ----------------------------------------------------------------------------------- */

static bool is_traced(struct task *t)
{
	return atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED;
}

bool ptrace_event_enabled(struct task *t, int event)
{
	return is_traced(t) && (t->ptrace.options & (1u << event));
}

void ptrace_event(struct task *t, int event, uint64_t message)
{
	if (!is_traced(t))
		return;
	if (ptrace_event_enabled(t, event)) {
		t->ptrace.message = message;
		if (event == PTRACE_EVENT_SECCOMP)
			t->ptrace.op = PTRACE_OP_SECCOMP;
		(void)stop_with_event(t, (uint32_t)event << 8 | SIGTRAP, CLD_TRAPPED, false);
	} else if (event == PTRACE_EVENT_EXEC && !t->ptrace.seized) {
		siginfo_t info = { .si_signo = SIGTRAP, .si_code = SI_USER };

		(void)sig_send_task(t, SIGTRAP, &info);
	}
}

void ptrace_exit_event(struct task *t, int status)
{
	if (!ptrace_event_enabled(t, PTRACE_EVENT_EXIT) || (status & 0x7f) == SIGKILL ||
	    plat_thread_is_dead(t->pt))
		return;
	t->ptrace.message = (uint64_t)(uint32_t)status;
	(void)stop_with_event(t, PTRACE_EVENT_EXIT << 8 | SIGTRAP, CLD_TRAPPED, true);
}

int ptrace_signal(struct task *t, int sig, siginfo_t *info)
{
	int out;

	if (!is_traced(t) || sig == SIGKILL)
		return sig;
	out = ptrace_stop(t, (uint32_t)sig, CLD_TRAPPED, info, false);
	if (!out)
		return 0;
	if (t->ptrace.has_info)
		*info = t->ptrace.info;
	if (out != sig) { /* the tracer's own */
		memset(info, 0, sizeof(*info));
		info->si_signo = out;
		info->si_code = SI_USER;
		mutex_lock(&tasklist.lock);
		if (t->ptrace.tracer) {
			info->si_pid = process_nr_in(t->ptrace.tracer->process, task_pid_ns(t));
			info->si_uid = t->ptrace.tracer->cred->uid;
		}
		mutex_unlock(&tasklist.lock);
	}
	if (task_blocked(t) & SIG_BIT(out)) { /* the mask has changed meanwhile */
		(void)sig_send_task(t, out, info);
		return 0;
	}
	return out;
}

void ptrace_trap(struct task *t, int stop_signal)
{
	int sig;

	if (!t->ptrace.seized) {
		(void)ptrace_stop(t, (uint32_t)(stop_signal ? stop_signal : SIGSTOP), CLD_STOPPED, NULL,
				  false);
		return;
	}
	sig = stop_signal ? stop_signal : SIGTRAP;
	(void)stop_with_event(t, PTRACE_EVENT_STOP << 8 | (uint32_t)sig, CLD_STOPPED, false);
}

void ptrace_syscall_stop(struct task *t, enum ptrace_syscall_op op)
{
	uint32_t code = SIGTRAP | (t->ptrace.options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0);
	siginfo_t info;
	int sig;

	t->ptrace.op = op;
	t->ptrace.message = op == PTRACE_OP_ENTRY ? PTRACE_EVENTMSG_SYSCALL_ENTRY
						 : PTRACE_EVENTMSG_SYSCALL_EXIT;
	sig = stop_with_event(t, code, CLD_TRAPPED, false);
	if (!sig || sig == (int)code || task_exiting(t))
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = SI_KERNEL;
	(void)sig_send_task(t, sig, &info);
}

void ptrace_handler_step(struct task *t)
{
	if (is_traced(t) && t->ptrace.step)
		(void)stop_with_event(t, SIGTRAP, CLD_TRAPPED, false);
}

void ptrace_before_run(struct task *t)
{
	bool watching = ptrace_debugreg_active(t) && is_traced(t);

	if (!t->ptrace.step && !watching)
		return;
	if (watching)
		ptrace_debugreg_before_run(t);
	plat_regs_mut(t->pt)->eflags |= FLAG_TF;
	t->ptrace.step_armed = true;
}

void ptrace_after_run(struct task *t)
{
	if (!t->ptrace.step_armed)
		return;
	t->ptrace.step_armed = false;
	plat_regs_mut(t->pt)->eflags &= ~FLAG_TF;
}

/* ---- from others --------------------------------------------------------------------------------- */

void ptrace_resume_locked(struct task *tracee, int sig)
{
	if (!atomic_load_explicit(&tracee->ptrace.stopped, memory_order_relaxed))
		return;
	tracee->ptrace.inject = sig;
	tracee->ptrace.report = false;
	atomic_store_explicit(&tracee->ptrace.stopped, false, memory_order_release);
	wq_wake(&tracee->ptrace.wq, 0);
}

void ptrace_trap_locked(struct task *tracee)
{
	tracee->ptrace.retrap = true;
	atomic_fetch_or_explicit(&tracee->flags, TASK_TRAP | TASK_SIGPENDING, memory_order_release);
	if (tracee->ptrace.listening) /* in a stop, which it takes up anew */
		ptrace_resume_locked(tracee, 0);
	wq_wake(&tracee->process->stop_wq, 0);
	task_poke(tracee);
}

void ptrace_continued_locked(struct process *p)
{
	struct task *o;

	list_for_each_entry(o, &p->tasks, process_node)
		if (o->ptrace.tracer && o->ptrace.seized && o->state != 'Z' && o->state != 'X')
			ptrace_trap_locked(o);
}

void ptrace_killed_locked(struct process *p)
{
	struct task *o;

	list_for_each_entry(o, &p->tasks, process_node) {
		if (!o->ptrace.tracer)
			continue;
		__atomic_store_n(&o->ptrace.killed, true, __ATOMIC_RELEASE);
		wq_wake(&o->ptrace.wq, 0);
	}
}

static bool work_is_done(struct task *t, void *arg)
{
	(void)t;
	return atomic_load_explicit(&((struct ptrace_work *)arg)->done, memory_order_acquire);
}

long ptrace_borrow(struct task *tracee, long (*fn)(struct task *, void *), void *arg)
{
	struct ptrace_work w = { .fn = fn, .arg = arg };
	struct process *p = tracee->process;
	bool queued = false;

	wq_init(&w.wq);
	latch_lock(&p->siglock);
	if (atomic_load_explicit(&tracee->ptrace.stopped, memory_order_relaxed) &&
	    !tracee->ptrace.work &&
	    !(tracee->ptrace.exiting ? tracee->ptrace.killed : task_exiting(tracee))) {
		__atomic_store_n(&tracee->ptrace.work, &w, __ATOMIC_RELEASE);
		queued = true;
		wq_wake(&tracee->ptrace.wq, 0);
	}
	latch_unlock(&p->siglock);
	if (!queued)
		return -ESRCH;
	/* Its fiber takes it or, leaving the stop, runs it all the same: never long. */
	task_wait_stopped(NULL, &w.wq, work_is_done, &w, true);
	latch_lock(&p->siglock);
	latch_unlock(&p->siglock);
	return w.result;
}

struct task *ptrace_stopped_in(struct task *t, struct mm *mm)
{
	struct task *o, *x, *found = NULL;

	mutex_lock(&tasklist.lock);
	list_for_each_entry(o, &t->process->tasks, process_node) {
		list_for_each_entry(x, &o->tracees, ptrace.node) {
			if (x->mm == mm &&
			    atomic_load_explicit(&x->ptrace.stopped, memory_order_relaxed)) {
				found = task_get(x);
				break;
			}
		}
		if (found)
			break;
	}
	mutex_unlock(&tasklist.lock);
	return found;
}
