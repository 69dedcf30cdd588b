/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c: the signal system calls. */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "sentry/proc/proc.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

/* SA_* that Linux knows; others are cleared, which is how programs probe for them. */
#define SA_KNOWN                                                                              \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |    \
	 SA_RESETHAND | 0x04000000u /* SA_RESTORER */ | 0x800u /* SA_EXPOSE_TAGBITS */)

long sys_rt_sigaction(struct task *t, int sig, uaddr_t act, uaddr_t oact, size_t size)
{
	struct process *p = t->process;
	struct sig_action new, old;
	int err;

	if (size != sizeof(sig_set_t) || sig < 1 || sig > SIG_COUNT)
		return -EINVAL;
	if (act.addr && (SIG_BIT(sig) & SIG_UNBLOCKABLE))
		return -EINVAL;
	if (act.addr) {
		err = uaccess_get(t, &new, act, sizeof(new));
		if (err)
			return err;
		new.flags &= SA_KNOWN;
		new.mask &= ~SIG_UNBLOCKABLE;
	}

	sig_actions_collect(t);
	latch_lock(&p->siglock);
	old = sig_action_locked(p, sig);
	if (act.addr) {
		struct task *o;

		sig_action_set_locked(p, sig, &new);
		/* POSIX: setting it to be ignored discards what is pending. */
		if (new.handler == SIG_HANDLER_IGN ||
		    (new.handler == SIG_HANDLER_DFL && (SIG_BIT(sig) & SIG_SET_IGNORE))) {
			sig_pending_flush(p, &p->pending, SIG_BIT(sig));
			list_for_each_entry(o, &p->tasks, process_node)
				sig_pending_flush(p, &o->pending, SIG_BIT(sig));
		}
	}
	latch_unlock(&p->siglock);
	sig_actions_offer(t);
	return oact.addr ? uaccess_put(t, oact, &old, sizeof(old)) : 0;
}

long sys_rt_sigprocmask(struct task *t, int how, uaddr_t set, uaddr_t oset, size_t size)
{
	sig_set_t old = task_blocked(t), mask;
	int err;

	if (size != sizeof(sig_set_t))
		return -EINVAL;
	if (set.addr) {
		err = uaccess_get(t, &mask, set, sizeof(mask));
		if (err)
			return err;
		switch (how) {
		case SIG_BLOCK:
			mask = old | mask;
			break;
		case SIG_UNBLOCK:
			mask = old & ~mask;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		sig_mask_set(t, mask);
	}
	return oset.addr ? uaccess_put(t, oset, &old, sizeof(old)) : 0;
}

long sys_rt_sigpending(struct task *t, uaddr_t set, size_t size)
{
	sig_set_t pending;

	if (size > sizeof(pending))
		return -EINVAL;
	latch_lock(&t->process->siglock);
	pending = (t->pending.set | t->process->pending.set) & task_blocked(t);
	latch_unlock(&t->process->siglock);
	return uaccess_put(t, set, &pending, size);
}

long sys_rt_sigreturn(struct task *t)
{
	long r = sig_frame_restore(t);

	t->restart.fn = NULL;
	if (r == -EFAULT && plat_regs(t->pt)->orig_rax != ~0ull) {
		siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

		sig_force(t, &info);
		return 0;
	}
	t->syscall_nr = ~0ull; /* all registers are loaded: nothing to restart */
	return r;
}

long sys_sigaltstack(struct task *t, uaddr_t ss, uaddr_t old)
{
	uint64_t sp = plat_regs(t->pt)->rsp;
	struct sig_altstack now = t->altstack, new;
	int err;

	if (sig_on_altstack(t, sp))
		now.flags |= SS_ONSTACK;
	if (ss.addr) {
		err = uaccess_get(t, &new, ss, sizeof(new));
		if (!err)
			err = sig_altstack_set(t, &new, sp);
		plat_sigreturn_withdraw(t->pt);
		if (err)
			return err;
	}
	return old.addr ? uaccess_put(t, old, &now, sizeof(now)) : 0;
}

long sys_rt_sigsuspend(struct task *t, uaddr_t set, size_t size)
{
	sig_set_t mask;
	int err;

	if (size != sizeof(mask))
		return -EINVAL;
	err = uaccess_get(t, &mask, set, sizeof(mask));
	if (err)
		return err;
	sig_mask_set_temporary(t, mask);
	return sys_pause(t);
}

long sys_pause(struct task *t)
{
	struct wq nobody;

	wq_init(&nobody);
	while (!sig_pending(t)) {
		int err = wq_wait(&nobody, NULL, &t->waiter);

		if (err)
			break;
	}
	return -ERESTARTNOHAND;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static void siginfo_from_user(struct task *t, siginfo_t *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->si_pid = task_tgid(t);
	info->si_uid = user_ns_from_kernel_munged(t->cred->user_ns, ID_UID, t->cred->uid);
}

/* The sender's uid as the receiver's user namespace knows it. */
static void siginfo_translate(struct task *t, const struct process *to, siginfo_t *info)
{
	const struct user_ns *from = t->cred->user_ns;
	const struct cred *c;

	if (!to->leader || (info->si_code > 0 && info->si_code != SI_KERNEL))
		return;
	c = task_cred_get(to->leader);
	if (c->user_ns != from)
		info->si_uid = user_ns_from_kernel_munged(
			c->user_ns, ID_UID, user_ns_to_kernel(from, ID_UID, info->si_uid));
	cred_put(c);
}

/* The sender's number is the one that the receiver's namespace has for it (0: none). */
static int signal_process(struct task *t, struct process *p, int sig, const siginfo_t *base)
{
	siginfo_t info = *base;
	bool cont_in_session;

	/* Callers hold the tasklist lock, so sessions stand still. */
	cont_in_session = sig == SIGCONT && p->pgrp && t->process->pgrp &&
			  p->pgrp->session == t->process->pgrp->session;
	if ((!sig_may_send(t->cred, p, sig) && !cont_in_session) || sig_scoped(t, p))
		return -EPERM;
	siginfo_translate(t, p, &info);
	if (info.si_code == SI_USER)
		info.si_pid = process_nr_in(t->process, p->pid_ns);
	if (p->state != PROCESS_ALIVE)
		return 0; /* a zombie: permission counted, the signal is lost */
	/* From an ancestor namespace, SIGKILL and SIGSTOP reach an init too. */
	if (task_pid_ns(t) != p->pid_ns && (SIG_BIT(sig ? sig : 1) & SIG_UNBLOCKABLE) && sig)
		return sig_send_process_forced(p, sig);
	return sig_send_process(p, sig, &info);
}

static long signal_pgrp_locked(struct task *t, struct pgrp *g, int sig, const siginfo_t *info)
{
	struct process *p;
	long err = -ESRCH;
	bool sent = false;

	if (!g)
		return -ESRCH;
	list_for_each_entry(p, &g->members, pgrp_node) {
		int e = signal_process(t, p, sig, info);

		if (!e)
			sig_reach_forks_locked(p, sig);
		sent = sent || !e;
		err = e;
	}
	return sent ? 0 : err;
}

static long signal_pgrp(struct task *t, int32_t pgid, int sig, const siginfo_t *info)
{
	struct pgrp *g;
	struct pid *pid;
	long err;

	mutex_lock(&tasklist.lock);
	if (pgid) {
		pid = pid_peek_locked(task_pid_ns(t), pgid);
		g = pid ? pid->pgrp : NULL;
	} else {
		g = t->process->pgrp;
	}
	err = signal_pgrp_locked(t, g, sig, info);
	mutex_unlock(&tasklist.lock);
	return err;
}

/*
 * kill(-1): everybody that may be signalled but the caller and init; under one lock, so that nobody forks ahead of it.
 * As Linux has it, -ESRCH says that there is nobody else; that none of them may be signalled is no error.
 */
static long signal_all(struct task *t, int sig, const siginfo_t *info)
{
	struct pid_ns *ns = task_pid_ns(t);
	struct hash_node *n, *tmp;
	bool found = false;
	long err = 0;
	size_t i;

	mutex_lock(&tasklist.lock);
	hash_for_each(&ns->pids, i, n, tmp) {
		struct pid *pid = pid_of_hash_node(n, ns->level);
		struct process *p = pid->process;
		int e;

		if (!p || p == t->process || pid->numbers[ns->level].nr == 1)
			continue;
		found = true;
		e = signal_process(t, p, sig, info);
		if (!e)
			sig_reach_forks_locked(p, sig);
		if (e != -EPERM)
			err = e;
	}
	mutex_unlock(&tasklist.lock);
	return found ? err : -ESRCH;
}

static long signal_one(struct task *t, int32_t nr, int sig, const siginfo_t *info)
{
	struct pid *pid;
	long err = -ESRCH;

	mutex_lock(&tasklist.lock);
	pid = pid_peek_locked(task_pid_ns(t), nr);
	if (pid && pid->process)
		err = signal_process(t, pid->process, sig, info);
	else if (pid && pid->task) /* kill(2) takes any thread's number */
		err = signal_process(t, pid->task->process, sig, info);
	mutex_unlock(&tasklist.lock);
	return err;
}

long sys_kill(struct task *t, int pid, int sig)
{
	siginfo_t info;

	if (sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	siginfo_from_user(t, &info, sig, SI_USER);
	if (pid > 0)
		return signal_one(t, pid, sig, &info);
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1)
		return signal_all(t, sig, &info);
	return signal_pgrp(t, -pid, sig, &info);
}

static long signal_task_locked(struct task *t, struct task *o, int sig, const siginfo_t *info)
{
	if (!sig_may_send(t->cred, o->process, sig) || sig_scoped(t, o->process))
		return -EPERM;
	return o->state == 'Z' ? 0 : sig_send_task(o, sig, info);
}

static long signal_thread(struct task *t, int tgid, int tid, int sig, const siginfo_t *info)
{
	struct task *o;
	long err = -ESRCH;

	mutex_lock(&tasklist.lock);
	{
		struct pid *pid = pid_peek_locked(task_pid_ns(t), tid);

		o = pid && pid->task ? task_get(pid->task) : NULL;
	}
	if (o && (!tgid || process_nr_in(o->process, task_pid_ns(t)) == tgid))
		err = signal_task_locked(t, o, sig, info);
	mutex_unlock(&tasklist.lock);
	task_put(o);
	return err;
}

long sys_tkill(struct task *t, int tid, int sig)
{
	siginfo_t info;

	if (tid <= 0 || sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	siginfo_from_user(t, &info, sig, SI_TKILL);
	return signal_thread(t, 0, tid, sig, &info);
}

long sys_tgkill(struct task *t, int tgid, int tid, int sig)
{
	siginfo_t info;

	if (tgid <= 0 || tid <= 0 || sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	siginfo_from_user(t, &info, sig, SI_TKILL);
	return signal_thread(t, tgid, tid, sig, &info);
}

/* A siginfo of the application's: kernel codes may be forged only towards oneself. */
static int siginfo_get(struct task *t, siginfo_t *info, uaddr_t from, int sig, bool self)
{
	int err = uaccess_get(t, info, from, sizeof(*info));

	if (err)
		return err;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && !self)
		return -EPERM;
	return 0;
}

long sys_rt_sigqueueinfo(struct task *t, int pid, int sig, uaddr_t uinfo)
{
	siginfo_t info;
	int err;

	if (sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	err = siginfo_get(t, &info, uinfo, sig, pid == task_tgid(t));
	return err ? err : signal_one(t, pid, sig, &info);
}

long sys_rt_tgsigqueueinfo(struct task *t, int tgid, int tid, int sig, uaddr_t uinfo)
{
	siginfo_t info;
	int err;

	if (tgid <= 0 || tid <= 0 || sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	err = siginfo_get(t, &info, uinfo, sig, tid == task_tid(t));
	return err ? err : signal_thread(t, tgid, tid, sig, &info);
}

/* linux/pidfd.h: to whom, if not to what the pidfd stands for. */
enum { PIDFD_SIGNAL_THREAD_ = 1, PIDFD_SIGNAL_THREAD_GROUP_ = 2, PIDFD_SIGNAL_PROCESS_GROUP_ = 4 };

static long signal_pid(struct task *t, struct pid *pid, unsigned int scope, int sig, const siginfo_t *info)
{
	struct process *p;
	long err;

	mutex_lock(&tasklist.lock);
	switch (scope) {
	case PIDFD_SIGNAL_THREAD_:
		err = pid->task ? signal_task_locked(t, pid->task, sig, info) : pid->process ? 0 : -ESRCH;
		break;
	case PIDFD_SIGNAL_PROCESS_GROUP_:
		err = signal_pgrp_locked(t, pid->pgrp, sig, info);
		break;
	default:
		p = pid->process;
		if (!p && pid->task)
			p = pid->task->process;
		err = p ? signal_process(t, p, sig, info) : -ESRCH;
		break;
	}
	mutex_unlock(&tasklist.lock);
	return err;
}

long sys_pidfd_send_signal(struct task *t, int pidfd, int sig, uaddr_t uinfo, unsigned int flags)
{
	struct pid *pid;
	siginfo_t info;
	bool thread;
	long err;

	if (flags > PIDFD_SIGNAL_PROCESS_GROUP_ || (flags & (flags - 1)) || sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	err = pidfd_lookup(t, pidfd, true, &pid, &thread);
	if (err)
		return err;
	if (!flags)
		flags = thread ? PIDFD_SIGNAL_THREAD_ : PIDFD_SIGNAL_THREAD_GROUP_;
	if (!pid_nr_in(pid, task_pid_ns(t))) {
		err = -EINVAL;
	} else if (uinfo.addr) {
		int signo;

		err = uaccess_get(t, &signo, uinfo, sizeof(signo));
		if (!err && signo != sig)
			err = -EINVAL;
		if (!err)
			err = siginfo_get(t, &info, uinfo, sig,
					  pid == t->pid && flags != PIDFD_SIGNAL_PROCESS_GROUP_);
	} else {
		siginfo_from_user(t, &info, sig, flags == PIDFD_SIGNAL_THREAD_ ? SI_TKILL : SI_USER);
		err = 0;
	}
	if (!err)
		err = signal_pid(t, pid, flags, sig, &info);
	pid_put(pid);
	return err;
}

/*
 * process_mrelease(2): the memory of who is to die anyway, at once.  Ours goes with the host process, which is killed
 * as soon as its tasks have left.
 */
long sys_process_mrelease(struct task *t, int pidfd, unsigned int flags)
{
	struct task *leader;
	struct process *p;
	long err;

	if (flags)
		return -EINVAL;
	err = pidfd_leader(t, pidfd, &leader);
	if (err)
		return err;
	p = leader->process;
	mutex_lock(&tasklist.lock);
	err = -ESRCH;
	if (p->state == PROCESS_ALIVE) {
		latch_lock(&p->siglock);
		err = p->flags & PROCESS_GROUP_EXIT ? 0 : -EINVAL;
		latch_unlock(&p->siglock);
	}
	mutex_unlock(&tasklist.lock);
	task_put(leader);
	return err;
}

/* ---- receiving synchronously ----------------------------------------------------------------------------- */

long sys_rt_sigtimedwait(struct task *t, uaddr_t uset, uaddr_t uinfo, uaddr_t utimeout, size_t size)
{
	int64_t deadline = INT64_MAX, timeout;
	sig_set_t set, old;
	siginfo_t info;
	int sig, err;

	if (size != sizeof(set))
		return -EINVAL;
	err = uaccess_get(t, &set, uset, sizeof(set));
	if (err)
		return err;
	set &= ~SIG_UNBLOCKABLE;
	if (utimeout.addr) {
		err = timespec_get_user(t, utimeout, &timeout);
		if (err)
			return err;
		deadline = deadline_after(timeout);
	}

	sig = sig_dequeue(t, set, &info);
	if (!sig && deadline != 0) {
		/* As do_sigtimedwait: unblock them for the sleep, so that a sender wakes us. */
		old = task_blocked(t);
		latch_lock(&t->process->siglock);
		t->real_blocked = old; /* what is ignored comes all the same if it is blocked */
		latch_unlock(&t->process->siglock);
		sig_mask_set(t, old & ~set);
		do {
			sig = sig_dequeue(t, set, &info);
			if (sig)
				break;
			err = wq_wait_until(&t->process->sig_wq, NULL, &t->waiter, deadline);
			sig = sig_dequeue(t, set, &info);
		} while (!sig && !err);
		latch_lock(&t->process->siglock);
		t->real_blocked = 0;
		latch_unlock(&t->process->siglock);
		sig_mask_set(t, old);
		if (sig) /* the poke that came with it has done its work */
			waiter_clear_interrupt(&t->waiter);
	}
	if (!sig)
		return err == -ERESTARTSYS ? -EINTR : -EAGAIN;
	if (uinfo.addr && uaccess_put(t, uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

long sys_restart_syscall(struct task *t)
{
	long (*fn)(struct task *) = t->restart.fn;

	t->restart.fn = NULL;
	return fn ? fn(t) : -EINTR;
}
