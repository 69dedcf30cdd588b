/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit.c: the end of tasks and processes, and what it does to the tree (exit(2), wait(2),
 * pid_namespaces(7)).
 *
 *     task_leave ── usage ── memory ── files ── [last of its process: zombie, SIGCHLD] ── done
 *
 * A thread that is not the leader vanishes at once.  The leader stays, as a zombie task, until its
 * process has ended and was waited for.  A process ends with its last task; it becomes a zombie, or
 * is reaped on the spot when nobody wants to know (SIGCHLD ignored, SA_NOCLDWAIT, a dying init).
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/ipc/ipc.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/helper.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "vfs/user_ns.h"
#include "sentry/time/timers.h"
#include "sentry/tty/tty.h"

void task_abandon(struct task *t)
{
	fiber_free(t->fiber);
	t->fiber = NULL;
	task_put(t);
}

/* ---- the tree ------------------------------------------------------------------------------------- */

bool pgrp_orphaned_locked(struct pgrp *g, struct process *ignore)
{
	struct process *p;

	list_for_each_entry(p, &g->members, pgrp_node) {
		/* A container's init counts as a parent: Linux leaves out only the machine's. */
		if (p == ignore || p->state != PROCESS_ALIVE || !p->parent)
			continue;
		if (p->parent->pgrp && p->parent->pgrp != g && p->parent->pgrp->session == g->session)
			return false;
	}
	return true;
}

static bool pgrp_has_stopped_locked(struct pgrp *g)
{
	struct process *p;

	list_for_each_entry(p, &g->members, pgrp_node)
		if (p->flags & PROCESS_STOPPED)
			return true;
	return false;
}

/* POSIX: a group that this exit orphans gets SIGHUP and SIGCONT if a member is stopped. */
static void pgrp_check_orphan_locked(struct process *leaving, struct process *parent,
				     struct process *member)
{
	struct pgrp *g = member->pgrp;

	if (!g || !parent || !parent->pgrp || parent->pgrp == g ||
	    parent->pgrp->session != g->session)
		return;
	if (pgrp_orphaned_locked(g, leaving) && pgrp_has_stopped_locked(g)) {
		sig_send_pgrp_locked(g, SIGHUP, NULL);
		sig_send_pgrp_locked(g, SIGCONT, NULL);
	}
}

static struct process *process_new_parent_locked(struct process *p)
{
	struct process *a;

	for (a = p->parent; a && a->pid_ns == p->pid_ns; a = a->parent)
		if ((a->flags & PROCESS_SUBREAPER) && a->state == PROCESS_ALIVE &&
		    !(a->flags & PROCESS_GROUP_EXIT))
			return a;
	a = p->pid_ns->init;
	return a != p ? a : NULL;
}

static bool process_wants_zombies(struct process *parent)
{
	const struct sig_action a = sig_action_of(parent, SIGCHLD);

	return !(parent->flags & PROCESS_AUTOREAP) && a.handler != (uint64_t)(uintptr_t)SIG_IGN &&
	       !(a.flags & SA_NOCLDWAIT);
}

static void process_reparent_children_locked(struct process *p)
{
	struct process *to = process_new_parent_locked(p);
	struct process *c, *tmp;

	list_for_each_entry_safe(c, tmp, &p->children, sibling_node) {
		list_remove(&c->sibling_node);
		c->parent = to ? process_get(to) : NULL;
		process_identity_forget_locked(c);
		if (to)
			list_append(&to->children, &c->sibling_node);
		process_put(p);
		c->exit_signal = SIGCHLD; /* of the alive as well: who takes them over knows no other */
		if (c->state == PROCESS_ALIVE) {
			sig_parent_died_locked(c);
			pgrp_check_orphan_locked(NULL, p, c);
		} else if (c->end_pending) {
			c->owner_told = true; /* told of when its tracers have seen it */
		} else if (!to || !process_wants_zombies(to)) {
			process_reap_locked(c);
		} else {
			process_notify_parent_locked(c, 0, 0);
		}
	}
}

/* p's real uid as viewer's user namespace knows it; tasklist.lock held. */
uint32_t process_uid_for(struct process *p, struct task *viewer)
{
	const struct cred *c, *v;
	uint32_t uid;

	if (!p->leader || !viewer)
		return 0;
	c = task_cred_get(p->leader);
	v = task_cred_get(viewer);
	uid = user_ns_from_kernel_munged(v->user_ns, ID_UID, c->uid);
	cred_put(v);
	cred_put(c);
	return uid;
}

void process_notify_parent_locked(struct process *p, int code, int status)
{
	struct process *parent = p->parent;
	siginfo_t info;

	if (!parent)
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGCHLD;
	info.si_pid = process_nr_in(p, parent->pid_ns);
	info.si_uid = process_uid_for(p, parent->leader);
	info.si_utime = p->utime_ns / (NSEC_PER_SEC / 100);
	info.si_stime = p->stime_ns / (NSEC_PER_SEC / 100);
	if (p->state != PROCESS_ALIVE) {
		int w = p->wait_status;

		info.si_code = WIFEXITED(w) ? CLD_EXITED : WCOREDUMP(w) ? CLD_DUMPED : CLD_KILLED;
		info.si_status = WIFEXITED(w) ? WEXITSTATUS(w) : WTERMSIG(w);
		info.si_signo = p->exit_signal;
		if (p->exit_signal)
			sig_send_process(parent, p->exit_signal, &info);
	} else {
		const struct sig_action a = sig_action_of(parent, SIGCHLD);

		info.si_code = code;
		info.si_status = status;
		if (a.handler != (uint64_t)(uintptr_t)SIG_IGN && !(a.flags & SA_NOCLDSTOP))
			sig_send_process(parent, SIGCHLD, &info);
	}
	wq_wake(&parent->child_wq, 0);
}

void process_account_locked(struct process *p)
{
	struct process *parent = p->parent;

	parent->child_utime_ns += p->utime_ns + p->child_utime_ns;
	parent->child_stime_ns += p->stime_ns + p->child_stime_ns;
	parent->child_min_faults += p->min_faults + p->child_min_faults;
	task_io_add(&parent->io, &p->io);
	parent->child_maj_faults += p->maj_faults + p->child_maj_faults;
	parent->child_maxrss = MAX(parent->child_maxrss, MAX(p->maxrss, p->child_maxrss));
}

/* A thread that is not the leader goes out of the tables; drops the tables' reference. */
static void task_release_locked(struct task *t)
{
	struct process *p = t->process;

	if (t->state == 'Z')
		p->zombie_threads--;
	latch_lock(&p->siglock);
	list_remove(&t->process_node);
	latch_unlock(&p->siglock);
	t->state = 'X';
	t->pid->task = NULL;
	wq_wake(&t->pid->wq, 0); /* pidfds of this thread */
	pid_release_locked(t->pid);
	tasklist.task_count--;
	task_put(t);
}

void ptrace_unlink_locked(struct task *t)
{
	if (!t->ptrace.tracer)
		return;
	latch_lock(&t->process->siglock);
	list_remove(&t->ptrace.node);
	t->ptrace.tracer = NULL;
	atomic_fetch_and_explicit(&t->flags, ~(unsigned int)(TASK_TRACED | TASK_TRAP),
				  memory_order_relaxed);
	latch_unlock(&t->process->siglock);
}

void process_reap_locked(struct process *p)
{
	struct process *parent = p->parent;
	struct task *leader = p->leader;
	struct pid *pid = p->pid;
	struct task *o, *tmp;

	ASSERT(p->state == PROCESS_ZOMBIE);
	list_for_each_entry_safe(o, tmp, &p->tasks, process_node)
		if (o != leader && o->state == 'Z') { /* others are on their way out, and unlink themselves */
			ptrace_unlink_locked(o);
			task_release_locked(o);
		}
	ptrace_unlink_locked(leader);
	p->state = PROCESS_DEAD;
	if (parent)
		list_remove(&p->sibling_node);
	process_set_pgrp_locked(p, NULL);

	latch_lock(&p->siglock);
	list_remove(&leader->process_node);
	latch_unlock(&p->siglock);
	leader->state = 'X';
	pid->task = NULL;
	pid->process = NULL;
	pid->reaped = true;
	pid->reaped_status = p->wait_status;
	wq_wake(&pid->wq, 0);
	if (p->pid_ns->init == p)
		p->pid_ns->init = NULL;
	pid_release_locked(pid);
	tasklist.task_count--;
	task_put(leader);
	process_put(p);
}

/*
 * The init of a pid namespace has ended: everybody else in it dies, and we wait until they are
 * gone (zap_pid_ns_processes).  On init's last task's fiber.
 */
static void pid_ns_zap(struct process *init, struct task *last)
{
	/* The last task need not be the leader: then its own number is still there beside init's. */
	unsigned int own = last->pid == init->pid ? 1 : 2;
	struct pid_ns *ns = init->pid_ns;
	struct hash_node *n, *tmp;
	struct process *c, *ctmp;
	size_t i;

	mutex_lock(&tasklist.lock);
	ns->dying = true;
	init->flags |= PROCESS_AUTOREAP;
	ptrace_tracer_exit_locked(last); /* it waits for nobody that it traces */
	hash_for_each(&ns->pids, i, n, tmp) {
		struct pid *pid = pid_of_hash_node(n, ns->level);

		if (pid->process && pid->process != init && pid->process->state == PROCESS_ALIVE)
			process_group_exit(pid->process, SIGKILL);
	}
	list_for_each_entry_safe(c, ctmp, &init->children, sibling_node)
		if (c->state == PROCESS_ZOMBIE)
			process_reap_locked(c);
	while (ns->count > own) /* pid_release_locked() wakes */
		wq_wait(&init->child_wq, &tasklist.lock, NULL);
	mutex_unlock(&tasklist.lock);
}

/* ---- leaving ------------------------------------------------------------------------------------- */

/* ends: the host process may be killed from here on, by t or by a thread that left with it. */
static void task_record_usage(struct task *t, bool ends)
{
	struct plat_usage own = { .state = 'S' }, charge = { .state = 'S' };
	struct process *p = t->process;
	bool threaded = process_flags(p) & PROCESS_THREADED || p->host_shared;
	struct plat_mem_usage m;

	if (t == p->leader) { /* a zombie that /proc shows */
		if (threaded)
			(void)plat_thread_usage(t->pt, &own);
		if (plat_mm_usage(t->mm->plat, &m) == 0)
			p->maxrss = MAX(p->maxrss, m.rss_peak / 1024);
	}
	/* The first takes it for all; the others wait for that. */
	mutex_lock(&tasklist.lock);
	if (!p->host_charged) {
		task_host_usage_locked(t, ends, &charge);
		p->host_charged = ends && !p->host_shared;
	}
	/* Files of /proc/PID are dear: each is a name that the host has to forget when PID ends. */
	t->last = threaded ? own : charge;
	t->charge = charge;
	t->leaving = true;
	mutex_unlock(&tasklist.lock);
}

/* The last task of p waits for its stub; task_count is 0 by now. */
static void process_kill_timer_arm(struct process *p)
{
	latch_lock(&p->siglock);
	process_kill_timer_arm_locked(p);
	latch_unlock(&p->siglock);
}

static void process_kill_timer_cancel(struct process *p)
{
	bool armed;

	latch_lock(&p->siglock);
	armed = p->kill_armed;
	p->kill_armed = true; /* not again */
	latch_unlock(&p->siglock);
	/* It may be firing, and arm itself once more. */
	if (armed)
		(void)timer_cancel_sync(&p->kill_timer);
}

/* Whether a robust list has something on it: a lock, or one that is just being taken or given back. */
bool robust_list_in_use(struct mm *mm, uint64_t list)
{
	uint64_t head[3];

	return list && plat_mm_read(mm->plat, list, head, sizeof(head), false) == sizeof(head) &&
	       (head[0] != list || head[2]);
}

static bool process_lists_in_use(struct task *t)
{
	struct process *p = t->process;
	unsigned int max, n = 0;
	uint64_t *lists;
	struct task *o;
	bool use = false;

	latch_lock(&p->siglock);
	max = p->task_count + 1;
	latch_unlock(&p->siglock);
	lists = mem_calloc(max, sizeof(*lists));
	if (!lists)
		return true;
	latch_lock(&p->siglock);
	list_for_each_entry(o, &p->tasks, process_node) {
		if (n < max && o->mm)
			lists[n++] = plat_robust_list(o->pt);
	}
	latch_unlock(&p->siglock);
	for (unsigned int i = 0; i < n && !use; i++)
		use = robust_list_in_use(t->mm, lists[i]);
	mem_free(lists);
	return use;
}

/*
 * A process ends as a whole: does a thread of it hold robust locks, that others may wait for?  Then
 * each walks its list before the host process is killed (Linux: exit_robust_list()).  Asked once, by
 * the first that leaves; what a thread locks in the moments after that is missed.
 */
static bool process_walks_lists(struct task *t)
{
	struct process *p = t->process;
	bool use;

	if (!(process_flags(p) & PROCESS_LISTS_SEEN)) {
		use = process_lists_in_use(t);
		latch_lock(&p->siglock);
		if (!(p->flags & PROCESS_LISTS_SEEN))
			process_flags_change(p, PROCESS_LISTS_SEEN | (use ? (uint32_t)PROCESS_LISTS_WALK : 0), 0);
		latch_unlock(&p->siglock);
	}
	return process_flags(p) & PROCESS_LISTS_WALK;
}

/* Give the address space up; the host thread is gone afterwards. */
static void task_leave_mm(struct task *t, bool last, bool group_exit)
{
	struct mm *mm = t->mm;
	struct plat_thread *pt = t->pt;
	bool others = atomic_load_explicit(&mm->processes, memory_order_relaxed) > 1;

	if (!others && (last || (group_exit && !process_walks_lists(t)))) {
		plat_mm_kill(mm->plat);
	} else {
		if (last)
			process_kill_timer_arm(t->process);
		plat_thread_exit(pt, task_tid(t));
	}
	if (last && atomic_fetch_sub_explicit(&mm->processes, 1, memory_order_relaxed) == 1)
		shm_mm_exit(mm);
	vfork_complete(t);

	latch_lock(&t->process->siglock); /* task_poke() looks at pt under it */
	latch_lock(&t->latch);
	t->mm = NULL;
	t->pt = NULL;
	latch_unlock(&t->latch);
	latch_unlock(&t->process->siglock);
	task_pt_drain(t);
	plat_thread_free(pt);
	mm_put(mm);
}

static void task_leave_files(struct task *t)
{
	struct fdtable *fdt = t->fdt;
	struct fs_state *fs = t->fs;
	struct ns_set *ns = t->ns;

	waiter_clear_interrupt(&t->waiter);
	fdt_put(&t->vfs, fdt);
	latch_lock(&t->latch);
	t->fdt = NULL;
	t->fs = NULL;
	t->ns = NULL;
	latch_unlock(&t->latch);
	path_put(&t->held_root);
	path_put(&t->held_cwd);
	fs_state_put(fs);
	ns_set_put(ns);
}

static void process_add_usage_locked(struct process *p, const struct task *t)
{
	process_charge_locked(p, &t->charge);
	task_io_add(&p->io, &t->io);
}

/* A tracer hears of the end of what it traces. */
static void tell_tracer_of_end_locked(struct task *t, int status)
{
	struct process *to = t->ptrace.tracer->process;
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGCHLD;
	info.si_code = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
	info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	info.si_pid = task_tid_in(t, to->pid_ns);
	info.si_uid = t->cred->uid;
	(void)sig_send_process(to, SIGCHLD, &info);
	wq_wake(&to->child_wq, 0);
}

/* A thread that is not the leader leaves nothing behind but what its tracer is to see. */
static void task_unlink_locked(struct task *t)
{
	process_add_usage_locked(t->process, t);
	if (!t->ptrace.tracer) {
		__atomic_store_n(&t->state, 'R', __ATOMIC_RELAXED); /* not one of the zombie threads */
		task_release_locked(t);
		return;
	}
	__atomic_store_n(&t->state, 'Z', __ATOMIC_RELAXED);
	t->process->zombie_threads++;
	tell_tracer_of_end_locked(t, t->exit_status);
}

/* An init that has ended takes all its children with it. */
static bool process_is_zapping(const struct process *p)
{
	return p->pid_ns->dying && p->pid_ns->init == p;
}

bool process_tell_end_locked(struct process *p)
{
	struct task *leader = p->leader;
	bool traced = leader->ptrace.tracer != NULL, reap;

	p->end_pending = true;
	if (p->zombie_threads)
		return false;
	if (traced && leader->ptrace.tracer->process != p->parent) {
		tell_tracer_of_end_locked(leader, p->wait_status);
		return false;
	}
	p->end_pending = false;
	if (!p->parent) {
		reap = p->owner_told;
	} else {
		reap = !process_wants_zombies(p->parent);
		/* Clone children with another signal always stay (__WCLONE), but for who waits in pid_ns_zap(). */
		if (p->exit_signal != SIGCHLD && !traced && !process_is_zapping(p->parent))
			reap = false;
		process_notify_parent_locked(p, 0, 0);
	}
	if (reap)
		process_reap_locked(p);
	return reap;
}

void process_tracer_saw_locked(struct task *tracee)
{
	struct process *p = tracee->process;

	if (tracee != p->leader && tracee->state == 'Z')
		task_release_locked(tracee);
	if (p->state == PROCESS_ZOMBIE && p->end_pending)
		(void)process_tell_end_locked(p);
}

/* The last task of p is leaving. */
static void process_end_locked(struct process *p, bool *reap)
{
	if (p->pgrp && p->pgrp->session->pid == p->pid)
		tty_session_leader_exit_locked(p);
	process_reparent_children_locked(p);
	p->wait_status = (p->flags & PROCESS_GROUP_EXIT) ? p->group_exit_code
							 : p->leader->exit_status;
	p->state = PROCESS_ZOMBIE;
	cgrp_leave_locked(p);
	wq_wake(&p->pid->wq, 0);
	pgrp_check_orphan_locked(p, p->parent, p);
	*reap = process_tell_end_locked(p);
}

void task_leave(struct task *t)
{
	struct process *p = t->process;
	void (*on_exit)(struct process *, void *) = NULL;
	bool last, group_exit, reap = false, stopped = false;
	int sig;

	if (atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED)
		ptrace_exit_event(t, p->flags & PROCESS_GROUP_EXIT ? p->group_exit_code
								   : t->exit_status);

	if ((process_flags(p) & PROCESS_GROUP_EXIT) && t->mm &&
	    process_walks_lists(t) && robust_list_in_use(t->mm, plat_robust_list(t->pt))) {
		process_kill_timer_arm(p); /* the stub is the application's: it need not answer */
		plat_thread_walk_robust(t->pt, task_tid(t));
	}
	latch_lock(&p->siglock);
	last = --p->task_count == 0;
	group_exit = p->flags & PROCESS_GROUP_EXIT;
	if (group_exit)
		t->exit_status = p->group_exit_code;
	if (!last)
		stopped = sig_leave_locked(t);
	sig = (int)p->stop_signal;
	latch_unlock(&p->siglock);
	if (stopped)
		sig_tell_stopped(t, sig);

	if (last)
		process_timers_stop(p);
	task_record_usage(t, last || group_exit);
	task_vfs(t); /* a fresh context for the closing of files */
	sem_undo_exit(t);
	if (last)
		helpers_stop(p);
	task_leave_mm(t, last, group_exit);
	if (last)
		process_kill_timer_cancel(p);
	task_leave_files(t);
	seccomp_drop(t);
	if (last && (p->flags & PROCESS_SIG_UNKILLABLE))
		pid_ns_zap(p, t);

	mutex_lock(&tasklist.lock);
	ptrace_tracer_exit_locked(t);
	sig_flush(t);
	if (t != p->leader) {
		task_unlink_locked(t);
	} else {
		process_add_usage_locked(p, t);
		t->state = 'Z';
	}
	latch_lock(&p->siglock);
	if (p->exec_task)
		task_wake_exec(p->exec_task);
	latch_unlock(&p->siglock);
	container_uncharge_task(p->container);
	if (last) {
		on_exit = p->on_exit;
		process_end_locked(p, &reap);
	}
	mutex_unlock(&tasklist.lock);
	if (last)
		cgrp_tell(p->cgroup);

	if (last && !p->parent && !reap) {
		/* Made by the Sentry itself: nobody waits, so tell the owner, then reap. */
		if (on_exit)
			on_exit(p, p->on_exit_arg);
		mutex_lock(&tasklist.lock);
		p->owner_told = true;
		if (p->state == PROCESS_ZOMBIE && !p->end_pending)
			process_reap_locked(p);
		mutex_unlock(&tasklist.lock);
	}
	task_put(t); /* the fiber's */
}
