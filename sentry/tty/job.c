/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.c: job control: controlling terminals, foreground groups, who may read and write.
 *
 * A terminal belongs to at most one session and a session has at most one terminal: t->session and
 * session->tty point at each other, both under tasklist.lock, and the session holds a reference.  A
 * process without a terminal in a session that has one (TIOCNOTTY by one that is not the leader) is
 * marked no_tty; its children inherit that.
 *
 * Linux keeps the terminal with each process (signal->tty); what programs can see is the same.
 */
#include <errno.h>
#include <signal.h>

#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/tty/tty_impl.h"
#include "vfs/file.h"

#define CAP_SYS_ADMIN_ 21

/* p's controlling terminal, or NULL. */
static struct tty *process_tty_locked(const struct process *p)
{
	return p->pgrp && !p->no_tty ? p->pgrp->session->tty : NULL;
}

static bool process_leads_session(const struct process *p)
{
	return p->pgrp && p->pgrp->session->pid == p->pid;
}

struct tty *tty_of_task(struct vfs_ctx *c)
{
	struct task *task = ctx_task(c);
	struct tty *t;

	if (!task)
		return NULL;
	mutex_lock(&tasklist.lock);
	t = process_tty_locked(task->process);
	if (t)
		tty_get(t);
	mutex_unlock(&tasklist.lock);
	return t;
}

/* ---- having one ---------------------------------------------------------------------------------------- */

static void tty_clear_pgrp_locked(struct tty *t)
{
	pid_put(t->pgrp);
	t->pgrp = NULL;
}

/* The session loses its terminal; the reference goes. */
static void session_clear_tty_locked(struct session *s)
{
	struct tty *t = s->tty;

	if (!t)
		return;
	s->tty = NULL;
	t->session = NULL;
	tty_clear_pgrp_locked(t);
	tty_put(t);
}

static void session_set_tty_locked(struct process *leader, struct tty *t)
{
	struct session *s = leader->pgrp->session;

	if (s->tty == t && t->session == s)
		return;
	session_clear_tty_locked(s);
	if (t->session)
		session_clear_tty_locked(t->session);
	tty_get(t);
	s->tty = t;
	t->session = s;
	t->pgrp = pid_get(leader->pgrp->pid);
	leader->no_tty = false;
}

void tty_set_controlling(struct task *t, struct tty *tty)
{
	mutex_lock(&tasklist.lock);
	session_set_tty_locked(t->process, tty);
	mutex_unlock(&tasklist.lock);
}

void tty_open_controlling(struct vfs_ctx *c, struct tty *t, const struct file *f)
{
	struct task *task = ctx_task(c);

	if (!task || !(f->kind & FILE_READ))
		return;
	mutex_lock(&tasklist.lock);
	if (process_leads_session(task->process) && !task->process->pgrp->session->tty && !t->session)
		session_set_tty_locked(task->process, t);
	mutex_unlock(&tasklist.lock);
}

/* ---- signals ------------------------------------------------------------------------------------------- */

static void pid_signal_group_locked(const struct pid *pid, int sig)
{
	if (pid && pid->pgrp)
		sig_send_pgrp_locked(pid->pgrp, sig, NULL);
}

void tty_signal(struct tty *t, int sig)
{
	mutex_lock(&tasklist.lock);
	pid_signal_group_locked(t->pgrp, sig);
	mutex_unlock(&tasklist.lock);
}

static bool task_ignores(struct task *t, int sig)
{
	struct process *p = t->process;
	bool ignores;

	latch_lock(&p->siglock);
	ignores = (task_blocked(t) & SIG_BIT(sig)) || sig_action_locked(p, sig).handler == SIG_HANDLER_IGN;
	latch_unlock(&p->siglock);
	return ignores;
}

int tty_check_change(struct vfs_ctx *c, struct tty *t, int sig)
{
	struct task *task = ctx_task(c);
	struct process *p;
	int err = 0;

	if (!task)
		return 0;
	p = task->process;
	mutex_lock(&tasklist.lock);
	if (process_tty_locked(p) != t || !t->pgrp || p->pgrp->pid == t->pgrp)
		goto unlock;
	if (task_ignores(task, sig)) {
		err = sig == SIGTTIN ? -EIO : 0;
	} else if (pgrp_orphaned_locked(p->pgrp, NULL)) {
		err = -EIO;
	} else {
		sig_send_pgrp_locked(p->pgrp, sig, NULL);
		err = -ERESTARTSYS;
	}
unlock:
	mutex_unlock(&tasklist.lock);
	return err;
}

/* ---- losing it ------------------------------------------------------------------------------------------ */

void tty_session_leader_exit_locked(struct process *p)
{
	struct session *s = p->pgrp->session;

	if (s->tty) {
		pid_signal_group_locked(s->tty->pgrp, SIGHUP);
	} else if (s->tty_old_pgrp) {
		pid_signal_group_locked(s->tty_old_pgrp, SIGHUP);
		pid_signal_group_locked(s->tty_old_pgrp, SIGCONT);
	}
	session_clear_tty_locked(s);
	pid_put(s->tty_old_pgrp);
	s->tty_old_pgrp = NULL;
}

void tty_hangup_session(struct tty *t)
{
	struct session *s;
	struct process *leader;

	mutex_lock(&tasklist.lock);
	s = t->session;
	if (s) {
		leader = s->pid->process;
		if (leader) {
			sig_send_process(leader, SIGHUP, NULL);
			sig_send_process(leader, SIGCONT, NULL);
		}
		pid_put(s->tty_old_pgrp);
		s->tty_old_pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
		session_clear_tty_locked(s);
	}
	mutex_unlock(&tasklist.lock);
}

void tty_vhangup(struct task *task)
{
	struct tty *t = tty_of_task(&task->vfs);

	if (t)
		tty_hangup(t);
	tty_put(t);
}

/* For /proc/PID/stat; tasklist.lock held. */
void tty_show_session(struct session *s, uint32_t *dev, struct pid **foreground)
{
	*dev = (uint32_t)s->tty->rdev; /* its low half is as the kernel's new_encode_dev() has it */
	*foreground = s->tty->pgrp;
}

/* ---- ioctls ----------------------------------------------------------------------------------------------- */

/* TIOCSCTTY; arg 1 steals it, for root. */
static long job_set_controlling(struct vfs_ctx *c, const struct file *f, struct tty *t, uint64_t arg)
{
	struct process *p = ctx_task(c)->process;
	bool root = cred_capable(c->cred, CAP_SYS_ADMIN_);
	long err = -EPERM;

	mutex_lock(&tasklist.lock);
	if (process_leads_session(p) && t->session == p->pgrp->session) {
		err = 0;
		goto unlock;
	}
	if (!process_leads_session(p) || process_tty_locked(p))
		goto unlock;
	if (t->session && !(arg == 1 && root))
		goto unlock;
	if (!(f->kind & FILE_READ) && !root)
		goto unlock;
	session_set_tty_locked(p, t);
	err = 0;
unlock:
	mutex_unlock(&tasklist.lock);
	return err;
}

/* TIOCNOTTY. */
static long job_give_up(struct vfs_ctx *c, struct tty *t)
{
	struct process *p = ctx_task(c)->process;
	long err = -ENOTTY;

	mutex_lock(&tasklist.lock);
	if (process_tty_locked(p) == t) {
		err = 0;
		if (process_leads_session(p)) {
			pid_signal_group_locked(t->pgrp, SIGHUP);
			pid_signal_group_locked(t->pgrp, SIGCONT);
			session_clear_tty_locked(p->pgrp->session);
		} else {
			p->no_tty = true;
		}
	}
	mutex_unlock(&tasklist.lock);
	return err;
}

/* TIOCGPGRP and TIOCGSID.  A master may ask without having the terminal. */
static long job_get_id(struct vfs_ctx *c, struct tty *t, enum tty_side side, unsigned int cmd,
		       uint64_t arg)
{
	struct task *task = ctx_task(c);
	const struct pid *pid = NULL;
	int32_t nr = 0;
	long err = -ENOTTY;

	mutex_lock(&tasklist.lock);
	if (side == TTY_SIDE_MASTER || process_tty_locked(task->process) == t) {
		err = 0;
		if (cmd == TIOCGPGRP)
			pid = t->pgrp;
		else if (t->session)
			pid = t->session->pid;
		else
			err = -ENOTTY;
		if (pid)
			nr = pid_nr_in(pid, task_pid_ns(task));
	}
	mutex_unlock(&tasklist.lock);
	return err ? err : vfs_copy_out(c, arg, &nr, sizeof(nr));
}

static long job_set_pgrp_locked(struct task *task, struct tty *t, int32_t nr)
{
	struct session *s = task->process->pgrp ? task->process->pgrp->session : NULL;
	struct pid *pid;

	if (process_tty_locked(task->process) != t || t->session != s)
		return -ENOTTY;
	pid = pid_peek_locked(task_pid_ns(task), nr);
	if (!pid)
		return -ESRCH;
	if (!pid->pgrp || pid->pgrp->session != s)
		return -EPERM;
	tty_clear_pgrp_locked(t);
	t->pgrp = pid_get(pid);
	return 0;
}

/* TIOCSPGRP. */
static long job_set_pgrp(struct vfs_ctx *c, struct tty *t, uint64_t arg)
{
	int32_t nr;
	long err = tty_check_change(c, t, SIGTTOU);

	if (err)
		return err == -EIO ? -ENOTTY : err;
	err = vfs_copy_in(c, &nr, arg, sizeof(nr));
	if (err)
		return err;
	if (nr < 0)
		return -EINVAL;
	mutex_lock(&tasklist.lock);
	err = job_set_pgrp_locked(ctx_task(c), t, nr);
	mutex_unlock(&tasklist.lock);
	return err;
}

long tty_job_ioctl(struct vfs_ctx *c, struct file *f, struct tty *t, enum tty_side side,
		   unsigned int cmd, uint64_t arg)
{
	if (!ctx_task(c))
		return -ENOTTY;
	switch (cmd) {
	case TIOCSCTTY:
		return job_set_controlling(c, f, t, arg);
	case TIOCNOTTY:
		return side == TTY_SIDE_MASTER ? -ENOTTY : job_give_up(c, t);
	case TIOCGPGRP:
	case TIOCGSID:
		return job_get_id(c, t, side, cmd, arg);
	case TIOCSPGRP:
		return job_set_pgrp(c, t, arg);
	default:
		return -ENOTTY;
	}
}
