/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.c: clone(2), fork(2), vfork(2), and a container's first process.
 *
 * Order in task_clone(): check; make every piece that can fail, the pid included; have the stub make
 * the host thread; link the child into the tree; start its fiber.  Until it is linked nobody finds
 * the child, and its host thread stands still, so undoing is dropping references.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/ipc/ipc.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task_impl.h"
#include "sentry/mm/mm.h"
#include "sentry/time/timers.h"
#include "sentry/tty/tty.h"

#define CLONE_NS_ALL                                                                            \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | \
	 CLONE_NEWCGROUP | CLONE_NEWTIME)

/* copy_process()'s combinations that make no sense. */
static int clone_check(struct task *parent, const struct clone_args_k *a)
{
	uint64_t f = a->flags;

	if ((f & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS) ||
	    (f & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_PARENT) && (parent->process->flags & PROCESS_SIG_UNKILLABLE))
		return -EINVAL;
	if ((f & CLONE_THREAD) &&
	    ((f & (CLONE_NEWUSER | CLONE_NEWPID)) ||
	     parent->ns->pid_for_children != task_pid_ns(parent)))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & CLONE_DETACHED))
		return -EINVAL;
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & (CLONE_NEWIPC | CLONE_SYSVSEM)) == (CLONE_NEWIPC | CLONE_SYSVSEM))
		return -EINVAL;
	if ((f & CLONE_SETTLS) && a->tls.addr >= plat_layout()->user_max)
		return -EPERM;
	return 0;
}

/* Tasks of this real user in the sandbox; tasklist.lock held. */
static unsigned int user_tasks_locked(const struct pid_ns *ns, uint32_t uid)
{
	struct hash_node *n, *tmp;
	unsigned int count = 0;
	size_t i;

	hash_for_each(&ns->pids, i, n, tmp) {
		struct task *t = pid_of_hash_node(n, ns->level)->task;
		const struct cred *c;

		if (!t)
			continue;
		c = task_cred_get(t);
		count += c->uid == uid;
		cred_put(c);
	}
	return count;
}

/* RLIMIT_NPROC counts the threads of the real user; root and the capable are free of it. */
static bool clone_over_nproc(struct task *t)
{
	uint64_t limit = task_rlimit(t, RLIMIT_NPROC);
	const struct pid_ns *ns = task_pid_ns(t);
	bool over;

	if (limit == RLIM_INFINITY || t->cred->uid == 0 || task_capable(t, CAP_SYS_RESOURCE) ||
	    task_capable(t, CAP_SYS_ADMIN))
		return false;
	while (ns->parent)
		ns = ns->parent;
	mutex_lock(&tasklist.lock);
	over = tasklist.task_count >= limit && user_tasks_locked(ns, t->cred->uid) >= limit;
	mutex_unlock(&tasklist.lock);
	return over;
}

static bool container_charge_task(struct container *c)
{
	unsigned int n;

	if (!c)
		return true;
	n = atomic_fetch_add_explicit(&c->task_count, 1, memory_order_relaxed);
	if (c->pids_limit && n >= c->pids_limit) {
		atomic_fetch_sub_explicit(&c->task_count, 1, memory_order_relaxed);
		return false;
	}
	return true;
}

void container_uncharge_task(struct container *c)
{
	if (c)
		atomic_fetch_sub_explicit(&c->task_count, 1, memory_order_relaxed);
}

/* Share or copy what the flags say, except memory. */
static int clone_copy(struct task *parent, struct task *t, const struct clone_args_k *a)
{
	uint64_t f = a->flags;
	bool enter_time;

	if (f & CLONE_NEWUSER) {
		struct cred *c;
		int err = task_user_ns_new(parent, &c);

		if (err)
			return err;
		t->cred = c;
	} else {
		t->cred = cred_get(parent->cred);
	}
	t->fdt = (f & CLONE_FILES) ? fdt_get(parent->fdt) : fdt_dup(parent->fdt, ~0u);
	t->fs = (f & CLONE_FS) ? fs_state_get(parent->fs) : fs_state_dup(parent->fs);
	if (!t->fdt || !t->fs)
		return -ENOMEM;
	enter_time = !(f & CLONE_VM) && (parent->ns->time != parent->ns->time_for_children ||
					 (f & CLONE_NEWTIME));
	if ((f & CLONE_NS_ALL & ~(uint64_t)CLONE_NEWUSER) || enter_time) {
		int err = 0;

		t->ns = ns_set_dup(parent->ns);
		if (!t->ns)
			return -ENOMEM;
		if (f & CLONE_NS_ALL & ~(uint64_t)CLONE_NEWUSER)
			err = ns_set_unshare(parent, t->cred, t->ns, t->fs, f & CLONE_NS_ALL);
		if (err)
			return err;
		if (enter_time)
			ns_set_enter_time(t->ns);
	} else {
		t->ns = ns_set_get(parent->ns);
	}
	keys_inherit(t, parent, f & CLONE_THREAD);
	memcpy(t->comm, parent->comm, sizeof(t->comm));
	t->unbound_mask = task_blocked(parent);
	t->no_new_privs = parent->no_new_privs;
	t->login_uid = parent->login_uid;
	t->login_session = parent->login_session;
	t->personality = parent->personality;
	t->mempolicy = parent->mempolicy;
	t->timer_slack_ns = t->timer_slack_default_ns = parent->timer_slack_ns;
	t->mce_kill = parent->mce_kill;
	if (!(f & CLONE_VM) || (f & CLONE_VFORK))
		t->altstack = parent->altstack;
	if (f & CLONE_SYSVSEM)
		return sem_undo_share(parent, t);
	return 0;
}

static struct process *clone_process(struct task *parent, uint64_t flags)
{
	struct process *from = parent->process;
	struct process *p = process_alloc();

	if (!p)
		return NULL;
	p->container = from->container;
	p->host_shared = flags & CLONE_VM;
	p->oom_score_adj = from->oom_score_adj;
	p->thp_disabled = from->thp_disabled;
	sig_actions_inherit(p, from, flags);
	latch_lock(&from->rlimit_latch);
	memcpy(p->rlimits, from->rlimits, sizeof(p->rlimits));
	latch_unlock(&from->rlimit_latch);
	return p;
}

/*
 * A plain thread, which nobody has to look at first, goes on at once: it is in the application before
 * it is linked.  What it would be told there comes as a kick.
 */
static bool clone_starts(const struct clone_args_k *a, int event)
{
	const uint64_t kind = CLONE_VM | CLONE_THREAD | CLONE_VFORK | CLONE_PTRACE;

	return (a->flags & kind) == (CLONE_VM | CLONE_THREAD) && !event;
}

static void clone_put_tids(struct task *parent, struct task *t, const struct clone_args_k *a)
{
	int32_t nr = pid_nr_in(t->pid, task_pid_ns(parent)), own = task_tid(t);

	if (a->flags & CLONE_PARENT_SETTID)
		(void)!uaccess_put(parent, a->parent_tid, &nr, sizeof(nr)); /* as Linux: unchecked */
	if (a->flags & CLONE_CHILD_SETTID)
		mm_write(t->mm ? t->mm : parent->mm, a->child_tid.addr, &own, sizeof(own));
}

static void clone_set_own(struct task *t, const struct clone_args_k *a)
{
	if ((a->flags & (CLONE_VFORK | CLONE_THREAD)) == CLONE_VFORK) /* it will set them all to the default: posix_spawn(3) */
		sig_actions_offer_child(t->process, t->pt);
	plat_sigmask_set(t->pt, t->unbound_mask);
	if (a->flags & CLONE_CHILD_CLEARTID)
		plat_clear_tid_set(t->pt, a->child_tid.addr);
}

/* The host side: an address space where one is needed, and the thread in it. */
static int clone_host(struct task *parent, struct task *t, const struct clone_args_k *a)
{
	const plat_regs_t *r = plat_regs(parent->pt);
	const struct plat_start start = {
		.stack = a->stack.addr ? a->stack.addr : r->rsp,
		.tls = (a->flags & CLONE_SETTLS) ? a->tls.addr : r->fs_base,
		.tid = task_tid(t),
	};
	struct plat_mm *plat;
	int err;

	if (a->flags & CLONE_VM) {
		err = plat_thread_new(parent->mm->plat, t->fiber, &t->pt);
		if (err)
			return err;
		clone_set_own(t, a);
		err = plat_clone(parent->pt, t->pt, PLAT_CLONE_VM, t->starts ? &start : NULL);
		if (err)
			return err;
		t->mm = mm_get(parent->mm);
		return 0;
	}

	err = plat_mm_new(&plat);
	if (err)
		return err;
	err = plat_thread_new(plat, t->fiber, &t->pt);
	if (!err) {
		clone_set_own(t, a);
		err = plat_clone(parent->pt, t->pt, 0, NULL);
	}
	if (!err)
		err = mm_dup(parent->mm, plat, &t->mm);
	plat_mm_put(plat);
	return err;
}

static void clone_set_registers(struct task *t, const struct clone_args_k *a)
{
	plat_set_result(t->pt, 0);
	if (a->stack.addr || (a->flags & CLONE_SETTLS)) {
		plat_regs_t *r = plat_regs_mut(t->pt);

		r->rax = 0;
		if (a->stack.addr)
			r->rsp = a->stack.addr;
		if (a->flags & CLONE_SETTLS)
			r->fs_base = a->tls.addr;
	}
}

/*
 * From here until the child is in the tree nobody finds it: what is sent to a group or to all meanwhile is noted for it
 * (sig_reach_forks_locked(); Linux: signal->multiprocess).  What came before goes first.
 */
static int clone_begin_locked(struct task *t)
{
	if (sig_pending(t))
		return -ERESTARTNOINTR;
	t->fork_missed = 0;
	t->forking = true;
	t->process->forking++;
	return 0;
}

static void clone_end_locked(struct task *t)
{
	t->forking = false;
	t->process->forking--;
}

/* A process that was killed while it forked has no child, and a namespace whose init has ended no newcomer: it dies at once. */
static void clone_missed_locked(struct task *parent, struct task *t)
{
	struct process *p = t->process;
	bool dies = p->pid_ns->dying || (process_flags(parent->process) & PROCESS_GROUP_EXIT) ||
		    (parent->fork_missed & SIG_BIT(SIGKILL));

	if (!dies && !parent->fork_missed)
		return;
	latch_lock(&p->siglock);
	p->pending.set |= parent->fork_missed & ~SIG_BIT(SIGKILL);
	sig_recalc_locked(t);
	if (dies)
		process_group_exit_locked(p, SIGKILL);
	latch_unlock(&p->siglock);
}

/* Into the tree.  Nothing here fails. */
static void clone_link_locked(struct task *parent, struct task *t, const struct clone_args_k *a,
			      bool traced)
{
	struct process *p = t->process;
	struct process *pp;

	t->pid->task = task_get(t);
	tasklist.task_count++;
	if (a->flags & CLONE_THREAD) {
		latch_lock(&p->siglock);
		seccomp_inherit_locked(parent, t);
		list_append(&p->tasks, &t->process_node);
		p->task_count++;
		process_flags_change(p, PROCESS_THREADED, 0);
		sig_recalc_locked(t);
		if (p->flags & PROCESS_GROUP_EXIT || (p->exec_task && p->exec_task != t))
			atomic_fetch_or_explicit(&t->flags, TASK_EXIT, memory_order_relaxed);
		else if (p->flags & PROCESS_STOPPED)
			atomic_fetch_or_explicit(&t->flags, TASK_STOP | TASK_SIGPENDING,
						 memory_order_relaxed);
		latch_unlock(&p->siglock);
		if (traced)
			ptrace_clone_link_locked(parent, t);
		return;
	}

	pp = parent->process;
	p->leader = t;
	p->pid->process = process_get(p);
	if (a->flags & CLONE_PARENT) {
		p->exit_signal = pp->exit_signal;
		pp = pp->parent;
	} else {
		p->exit_signal = a->exit_signal;
	}
	if (pp) {
		p->parent = process_get(pp);
		list_append(&pp->children, &p->sibling_node);
	}
	process_set_pgrp_locked(p, parent->process->pgrp);
	p->no_tty = parent->process->no_tty;
	if (!p->pid_ns->init && !p->pid_ns->dying) {
		p->pid_ns->init = p;
		process_flags_change(p, PROCESS_SIG_UNKILLABLE, 0);
	}
	latch_lock(&parent->process->siglock); /* its own filters change under this one */
	seccomp_inherit_locked(parent, t);
	latch_unlock(&parent->process->siglock);
	latch_lock(&p->siglock);
	list_append(&p->tasks, &t->process_node);
	p->task_count = 1;
	latch_unlock(&p->siglock);
	/* Where it was to begin may have gone since. */
	cgrp_enter_locked(p, a->cgroup && !a->cgroup->removed ? a->cgroup : parent->process->cgroup);
	p->creator = pid_get(parent->pid);
	if (traced)
		ptrace_clone_link_locked(parent, t);
	clone_missed_locked(parent, t);
}

static void vfork_put(struct vfork *v)
{
	if (v && ref_put(&v->ref))
		mem_free(v);
}

void vfork_complete(struct task *t)
{
	struct vfork *v = t->vfork;

	if (!v)
		return;
	t->vfork = NULL;
	atomic_store_explicit(&v->done, true, memory_order_release);
	wq_wake(&v->wq, 0);
	vfork_put(v);
}

/* Until the child lets go; only a kill gets us out before. */
static void vfork_wait(struct task *parent, struct vfork *v)
{
	task_wait_killable(parent, &v->wq, &v->done);
	vfork_put(v);
}

/* The child's number as parent's tracer sees it. */
static uint64_t event_number_locked(struct task *parent, const struct pid *pid)
{
	struct task *tracer = parent->ptrace.tracer;

	return tracer ? (uint64_t)pid_nr_in(pid, tracer->process->pid_ns) : 0;
}

long task_clone(struct task *parent, const struct clone_args_k *a)
{
	struct vfork *vfork = NULL;
	struct file *pidfd_file = NULL;
	struct process *p = NULL;
	struct pid *pid = NULL;
	struct task *t;
	uint64_t event_nr;
	int32_t nr;
	int pidfd = -1;
	int err, event;

	err = clone_check(parent, a);
	if (err)
		return err;
	if (sig_pending(parent))
		return -ERESTARTNOINTR;
	if (clone_over_nproc(parent) || !container_charge_task(parent->process->container))
		return -EAGAIN;
	event = ptrace_clone_event(parent, a->flags, a->exit_signal);

	sig_actions_collect(parent);
	err = -ENOMEM;
	t = task_alloc();
	if (!t)
		goto uncharge;
	err = clone_copy(parent, t, a);
	if (!err)
		err = sched_inherit(t, parent);
	if (err)
		goto put_task;
	err = -ENOMEM;
	p = (a->flags & CLONE_THREAD) ? process_get(parent->process)
				      : clone_process(parent, a->flags);
	if (!p)
		goto put_task;
	t->process = p;
	if (a->flags & CLONE_VFORK) {
		vfork = mem_new(struct vfork);
		if (!vfork)
			goto put_task;
		ref_init(&vfork->ref);
		ref_get(&vfork->ref);
		wq_init(&vfork->wq);
		t->vfork = vfork;
	}

	mutex_lock(&tasklist.lock);
	err = clone_begin_locked(parent);
	if (!err) {
		err = pid_new_locked(t->ns->pid_for_children, a->set_tid, a->set_tid_count, &pid);
		if (err)
			clone_end_locked(parent);
	}
	mutex_unlock(&tasklist.lock);
	if (err)
		goto put_vfork;
	t->pid = pid_get(pid);
	if (!(a->flags & CLONE_THREAD)) {
		p->pid = pid_get(pid);
		p->pid_ns = pid_ns_get(t->ns->pid_for_children);
	}
	nr = pid_nr_in(pid, task_pid_ns(parent));
	if (a->flags & CLONE_PIDFD) {
		err = pidfd_new(pid, a->flags & CLONE_THREAD ? PIDFD_THREAD_ : 0, parent->cred, &pidfd_file);
		if (!err)
			err = fdt_reserve(parent->fdt, 1, &pidfd, task_rlimit(parent, RLIMIT_NOFILE));
		if (!err)
			err = uaccess_put(parent, a->pidfd, &pidfd, sizeof(pidfd));
		if (err)
			goto release_pid;
	}

	t->starts = clone_starts(a, event);
	/* It runs as soon as it is made.  (Linux leaves the words alone if that fails.) */
	if (t->starts)
		clone_put_tids(parent, t, a);
	err = clone_host(parent, t, a);
	if (err == -EMFILE || err == -ENFILE)
		err = -EAGAIN; /* ours, of which a process takes two: as where threads-max is reached */
	if (err)
		goto release_pid;
	if (!t->starts) {
		clone_set_registers(t, a);
		clone_put_tids(parent, t, a);
	}

	mutex_lock(&tasklist.lock);
	if ((a->flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
		atomic_fetch_add_explicit(&t->mm->processes, 1, memory_order_relaxed);
	if ((a->flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
		mm_identity_forget(t->mm); /* the child has ids of its own */
	clone_link_locked(parent, t, a, event || (a->flags & CLONE_PTRACE));
	event_nr = event ? event_number_locked(parent, pid) : 0;
	clone_end_locked(parent);
	mutex_unlock(&tasklist.lock);
	if (t->seccomp_mode || t->ptrace.tracer || mm_limited(t->process) || t->mm->seal_count)
		plat_mm_set_native(t->mm->plat, false);
	if (t->ns->time)
		plat_mm_set_clocks(t->mm->plat, false);
	if (!(a->flags & CLONE_VM))
		plat_mm_set_populate(t->mm->plat, task_memory_limited(t));
	if (!(a->flags & CLONE_THREAD))
		process_cpu_limit(p);
	if (pidfd >= 0)
		fdt_install(parent->fdt, pidfd, pidfd_file, O_CLOEXEC); /* consumes */
	cgrp_tell(a->cgroup);
	if (t->starts && (atomic_load_explicit(&t->flags, memory_order_relaxed) &
			  (TASK_EXIT | TASK_STOP | TASK_SIGPENDING)))
		plat_kick(t->pt);
	fiber_start(t->fiber);
	if (event)
		ptrace_event(parent, event, event_nr);
	if (vfork) {
		vfork_wait(parent, vfork);
		ptrace_event(parent, PTRACE_EVENT_VFORK_DONE, event_nr);
	}
	return nr;

release_pid:
	if (pidfd >= 0)
		fdt_unreserve(parent->fdt, 1, &pidfd);
	file_put(pidfd_file);
	mutex_lock(&tasklist.lock);
	clone_end_locked(parent);
	pid_release_locked(pid);
	mutex_unlock(&tasklist.lock);
put_vfork:
	if (vfork) {
		t->vfork = NULL;
		mem_free(vfork);
	}
put_task:
	task_abandon(t);
uncharge:
	container_uncharge_task(parent->process->container);
	return err;
}

/* ---- a container's first process, and exec'd ones ------------------------------------------------- */

static int init_link_locked(struct task *t, struct process *p, struct pid_ns *ns)
{
	struct session *s;
	struct pgrp *g;
	struct pid *pid;
	int err;

	err = pid_new_locked(ns, NULL, 0, &pid);
	if (err)
		return err;
	t->pid = pid_get(pid);
	p->pid = pid_get(pid);
	p->pid_ns = pid_ns_get(ns);
	s = session_new_locked(pid);
	if (!s) {
		pid_release_locked(pid);
		return -ENOMEM;
	}
	g = pgrp_new_locked(pid, s);
	session_put_locked(s); /* the group holds it */
	if (!g)
		return -ENOMEM;
	process_set_pgrp_locked(p, g);
	pgrp_put_locked(g); /* the member holds it */

	pid->task = task_get(t);
	pid->process = process_get(p);
	p->leader = t;
	tasklist.task_count++;
	if (!ns->init) {
		ns->init = p;
		process_flags_change(p, PROCESS_SIG_UNKILLABLE, 0);
	}
	list_append(&p->tasks, &t->process_node);
	p->task_count = 1;
	return 0;
}

/* On the task's own fiber: load the program, say how it went, wait for task_start(). */
void task_boot(struct task *t)
{
	struct task_boot *b = t->boot;
	const struct process_spec *s = b->spec;
	int err;

	if (s->tty)
		tty_set_controlling(t, s->tty);
	err = (int)task_exec(t, NULL, s->exe, s->argv, s->envp, 0);
	t->boot = NULL;
	if (err) {
		task_exit_request(t, 127 << 8);
	} else {
		t->process->on_exit = s->on_exit;
		t->process->on_exit_arg = s->on_exit_arg;
	}
	mutex_lock(&b->lock);
	b->result = err;
	b->done = true;
	mutex_unlock(&b->lock);
	wq_wake(&b->wq, 0); /* b is gone from here on */
	if (!err)
		task_wait_killable(t, &t->process->stop_wq, &t->started);
}

static int boot_wait(struct task_boot *b)
{
	mutex_lock(&b->lock);
	while (!b->done)
		wq_wait(&b->wq, &b->lock, NULL);
	mutex_unlock(&b->lock);
	return b->result;
}

void task_start(struct task *t)
{
	atomic_store_explicit(&t->started, true, memory_order_release);
	wq_wake(&t->process->stop_wq, 0);
	task_put(t);
}

int task_new_init(const struct process_spec *s, struct task **out)
{
	struct task_boot boot = { .spec = s };
	struct process *p;
	struct task *t;
	int err;

	mutex_init(&boot.lock, LOCK_LEAF);
	wq_init(&boot.wq);
	if (!container_charge_task(s->container))
		return -EAGAIN;
	err = -ENOMEM;
	t = task_alloc();
	if (!t)
		goto uncharge;
	p = process_alloc();
	if (!p)
		goto put_task;
	t->process = p;
	p->container = s->container;
	p->oom_score_adj = s->oom_score_adj;
	memcpy(p->rlimits, s->rlimits, sizeof(p->rlimits));
	t->cred = cred_get(s->cred);
	t->no_new_privs = s->no_new_privs;
	t->fs = fs_state_new(&s->root, &s->cwd, s->umask);
	t->ns = ns_set_dup(s->ns);
	if (!t->fs || !t->ns)
		goto put_task;
	pid_ns_put(t->ns->pid_for_children);
	t->ns->pid_for_children = pid_ns_get(s->pid_ns);

	err = mm_new(&t->mm);
	if (err)
		goto put_task;
	err = plat_thread_new(t->mm->plat, t->fiber, &t->pt);
	if (err)
		goto put_task;
	err = plat_start_from(s->container ? s->container->template : NULL, t->pt);
	if (err)
		goto put_task;

	mutex_lock(&tasklist.lock);
	err = init_link_locked(t, p, s->pid_ns);
	if (!err)
		cgrp_enter_locked(p, s->container ? s->container->cgroup : NULL);
	mutex_unlock(&tasklist.lock);
	if (err)
		goto put_task;

	/* From here on the task cleans up after itself.  It loads its program on its own fiber. */
	t->fdt = fdt_get(s->fdt);
	t->boot = &boot;
	fiber_start(t->fiber);
	err = boot_wait(&boot);
	if (err)
		return err;
	fdt_put(NULL, s->fdt); /* consumed: t holds its own */
	*out = task_get(t);
	return 0;

put_task:
	task_abandon(t);
uncharge:
	container_uncharge_task(s->container);
	return err;
}
