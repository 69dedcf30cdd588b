/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c: making, finding and looking at tasks and processes; the main loop of a task.
 * See task.h for structure and locks.
 */
#include "sentry/task/task.h"

#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/sys/dispatch.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/helper.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/timers.h"
#include "vfs/landlock.h"

#define KILL_GRACE_NS        200000000ll
#define KILL_GRACE_SHARED_NS 2000000000ll

struct tasklist tasklist;

void task_init(void)
{
	helpers_init();
	mutex_init(&tasklist.lock, LOCK_TASKLIST);
}

/* ---- references ------------------------------------------------------------------------------- */

struct fs_state *fs_state_new(const struct path *root, const struct path *cwd, uint32_t umask)
{
	struct fs_state *fs = mem_new(struct fs_state);

	if (!fs)
		return NULL;
	ref_init(&fs->ref);
	mutex_init(&fs->lock, LOCK_FS);
	fs->root = *root;
	fs->cwd = *cwd;
	path_get(&fs->root);
	path_get(&fs->cwd);
	fs->umask = umask;
	return fs;
}

struct fs_state *fs_state_dup(struct fs_state *fs)
{
	struct fs_state *n;

	mutex_lock(&fs->lock);
	n = fs_state_new(&fs->root, &fs->cwd, fs->umask);
	mutex_unlock(&fs->lock);
	return n;
}

struct fs_state *fs_state_get(struct fs_state *fs)
{
	ref_get(&fs->ref);
	return fs;
}

void fs_state_put(struct fs_state *fs)
{
	if (!fs || !ref_put(&fs->ref))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	mem_free(fs);
}

struct process *process_get(struct process *p)
{
	ref_get(&p->ref);
	return p;
}

void process_put(struct process *p)
{
	while (p && ref_put(&p->ref)) {
		struct process *parent = p->parent;

		process_timers_free(p->timers);
		sig_table_put(p->actions);
		pid_put(p->creator);
		pid_put(p->pid);
		pid_ns_put(p->pid_ns);
		cgrp_put(p->cgroup);
		mem_free(p);
		p = parent;
	}
}

struct task *task_get(struct task *t)
{
	ref_get(&t->ref);
	return t;
}

void task_put(struct task *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	plat_thread_free(t->pt);
	keys_drop(t);
	cred_put(t->cred);
	mm_put(t->mm);
	fdt_put(NULL, t->fdt);
	fs_state_put(t->fs);
	ns_set_put(t->ns);
	process_put(t->process);
	pid_put(t->pid);
	mem_free(t);
}

/* ---- making ----------------------------------------------------------------------------------- */

struct task *task_alloc(void)
{
	struct task *t = mem_new(struct task);

	if (!t)
		return NULL;
	ref_init(&t->ref);
	latch_init(&t->latch);
	list_init(&t->process_node);
	list_init(&t->pending.queue);
	ptrace_task_init(t);
	t->altstack.flags = SS_DISABLE;
	t->syscall_nr = ~0ull;
	t->state = 'R';
	t->start_ns = clock_boot_ns();
	t->timer_slack_ns = t->timer_slack_default_ns = 50000;
	t->fiber = fiber_new(task_main, t);
	if (!t->fiber) {
		mem_free(t);
		return NULL;
	}
	waiter_init(&t->waiter, t->fiber);
	return t;
}

/*
 * A task that is to end is only asked to, by a kick, so that it can be accounted for and tell others
 * that share its memory.  A hostile stub does not answer.  So some time after the process was to end
 * the host kills it; later when other processes use its memory, as they end with it.
 */
static void process_kill_late(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, kill_timer);
	struct plat_mm *mm = NULL;
	bool shared = false, traced = false;
	struct task *t;

	latch_lock(&p->siglock);
	list_for_each_entry(t, &p->tasks, process_node) {
		if (!t->pt)
			continue;
		if (atomic_load_explicit(&t->ptrace.stopped, memory_order_relaxed))
			traced = true;
		if (mm)
			continue;
		mm = plat_thread_mm(t->pt);
		shared = atomic_load_explicit(&t->mm->processes, memory_order_relaxed) > 1;
		plat_mm_get(mm);
	}
	latch_unlock(&p->siglock);
	if (mm && traced) { /* in an exit stop, for as long as its tracer likes */
		timer_arm(timer, clock_mono_ns() + KILL_GRACE_SHARED_NS);
	} else if (mm && shared && !p->kill_late) {
		p->kill_late = true;
		timer_arm(timer, clock_mono_ns() + KILL_GRACE_SHARED_NS);
	} else if (mm) {
		log_info("a process does not end: killed on the host");
		plat_mm_kill(mm);
	}
	if (mm)
		plat_mm_put(mm);
}

struct process *process_alloc(void)
{
	struct process *p = mem_new(struct process);

	if (!p)
		return NULL;
	p->actions = sig_table_new();
	if (!p->actions) {
		mem_free(p);
		return NULL;
	}
	ref_init(&p->ref);
	latch_init(&p->siglock);
	latch_init(&p->rlimit_latch);
	mutex_init(&p->timers_lock, LOCK_TIMER_CLIENT);
	list_init(&p->tasks);
	list_init(&p->children);
	list_init(&p->sibling_node);
	list_init(&p->pgrp_node);
	list_init(&p->pending.queue);
	timer_init(&p->kill_timer, process_kill_late);
	wq_init(&p->child_wq);
	wq_init(&p->stop_wq);
	wq_init(&p->sig_wq);
	p->start_ns = clock_boot_ns();
	return p;
}

/* ---- groups and sessions ------------------------------------------------------------------------ */

struct session *session_new_locked(struct pid *pid)
{
	struct session *s = mem_new(struct session);

	if (!s)
		return NULL;
	ref_init(&s->ref);
	list_init(&s->pgrps);
	s->pid = pid_get(pid);
	pid->session = s;
	return s;
}

void session_put_locked(struct session *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	s->pid->session = NULL;
	pid_put(s->tty_old_pgrp);
	pid_release_locked(s->pid);
	pid_put(s->pid);
	mem_free(s);
}

struct pgrp *pgrp_new_locked(struct pid *pid, struct session *s)
{
	struct pgrp *g = mem_new(struct pgrp);

	if (!g)
		return NULL;
	ref_init(&g->ref);
	list_init(&g->members);
	g->pid = pid_get(pid);
	g->session = s;
	ref_get(&s->ref);
	list_append(&s->pgrps, &g->node);
	pid->pgrp = g;
	return g;
}

void pgrp_put_locked(struct pgrp *g)
{
	if (!g || !ref_put(&g->ref))
		return;
	list_remove(&g->node);
	g->pid->pgrp = NULL;
	pid_release_locked(g->pid);
	pid_put(g->pid);
	session_put_locked(g->session);
	mem_free(g);
}

void process_identity_forget_locked(struct process *p)
{
	struct task *t;
	bool done = false;

	/* By any task that still has memory: it is the same for all. */
	list_for_each_entry(t, &p->tasks, process_node) {
		latch_lock(&t->latch);
		if (t->mm) {
			mm_identity_forget(t->mm);
			done = true;
		}
		latch_unlock(&t->latch);
		if (done)
			return;
	}
}

void process_set_pgrp_locked(struct process *p, struct pgrp *g)
{
	struct pgrp *old = p->pgrp;

	if (g)
		ref_get(&g->ref);
	list_remove(&p->pgrp_node);
	p->pgrp = g;
	if (g)
		list_append(&g->members, &p->pgrp_node);
	pgrp_put_locked(old);
	process_identity_forget_locked(p);
}

/* ---- what others see of a task ------------------------------------------------------------------ */

struct mm *task_mm_get(struct task *t)
{
	struct mm *mm;

	latch_lock(&t->latch);
	mm = t->mm ? mm_get(t->mm) : NULL;
	latch_unlock(&t->latch);
	return mm;
}

struct fdtable *task_fdt_get(struct task *t)
{
	struct fdtable *fdt;

	latch_lock(&t->latch);
	fdt = t->fdt ? fdt_get(t->fdt) : NULL;
	latch_unlock(&t->latch);
	return fdt;
}

struct fs_state *task_fs_get(struct task *t)
{
	struct fs_state *fs;

	latch_lock(&t->latch);
	fs = t->fs ? fs_state_get(t->fs) : NULL;
	latch_unlock(&t->latch);
	return fs;
}

struct ns_set *task_ns_get(struct task *t)
{
	struct ns_set *ns;

	latch_lock(&t->latch);
	ns = t->ns ? ns_set_get(t->ns) : NULL;
	latch_unlock(&t->latch);
	return ns;
}

const struct cred *task_cred_get(struct task *t)
{
	const struct cred *c;

	latch_lock(&t->latch);
	c = cred_get(t->cred);
	latch_unlock(&t->latch);
	return c;
}

void task_set_cred(struct task *t, const struct cred *c)
{
	const struct cred *old;

	latch_lock(&t->latch);
	old = t->cred;
	__atomic_store_n(&t->cred, c, __ATOMIC_RELAXED); /* creds_differ() looks */
	latch_unlock(&t->latch);
	cred_put(old);
	if (t->mm)
		mm_identity_forget(t->mm);
}

void task_get_comm(struct task *t, char comm[static TASK_COMM_LEN])
{
	latch_lock(&t->latch);
	memcpy(comm, t->comm, TASK_COMM_LEN);
	latch_unlock(&t->latch);
}

void task_set_comm(struct task *t, const char *comm)
{
	latch_lock(&t->latch);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, comm, strnlen(comm, TASK_COMM_LEN - 1));
	latch_unlock(&t->latch);
}

struct vfs_ctx *task_vfs(struct task *t)
{
	struct vfs_ctx *c = &t->vfs;

	c->cred = t->cred;
	if (ref_count(&t->fs->ref) == 1) {
		c->root = t->fs->root;
		c->cwd = t->fs->cwd;
		c->umask = t->fs->umask;
	} else {
		task_vfs_shared_fs(t);
	}
	c->mnt_ns = t->ns->mnt;
	c->waiter = &t->waiter;
	c->space = task_space(t);
	c->fsize_limit = task_rlimit(t, RLIMIT_FSIZE);
	c->lock_owner = t->fdt;
	c->pid = task_tgid(t);
	c->task = t;
	return c;
}

/*
 * With CLONE_FS another thread may change root or cwd while we use them: keep references of our
 * own, in t->fs_held, renewed at each call.
 */
void task_vfs_shared_fs(struct task *t)
{
	struct path old_root = t->held_root, old_cwd = t->held_cwd;

	mutex_lock(&t->fs->lock);
	t->held_root = t->fs->root;
	t->held_cwd = t->fs->cwd;
	path_get(&t->held_root);
	path_get(&t->held_cwd);
	t->vfs.umask = t->fs->umask;
	mutex_unlock(&t->fs->lock);
	t->vfs.root = t->held_root;
	t->vfs.cwd = t->held_cwd;
	path_put(&old_root);
	path_put(&old_cwd);
}

struct pid_ns *process_pid_ns(const struct process *p)
{
	return p->pid_ns;
}

struct pid_ns *task_pid_ns(const struct task *t)
{
	return t->pid->numbers[t->pid->level].ns;
}

int32_t task_tid(const struct task *t)
{
	return t->pid->numbers[t->pid->level].nr;
}

int32_t task_tgid(const struct task *t)
{
	return t->process->pid->numbers[t->process->pid->level].nr;
}

int32_t task_tid_in(const struct task *t, const struct pid_ns *ns)
{
	return pid_nr_in(t->pid, ns);
}

int32_t process_nr_in(const struct process *p, const struct pid_ns *ns)
{
	return p ? pid_nr_in(p->pid, ns) : 0;
}

struct task *task_lookup(struct pid_ns *ns, int32_t tid)
{
	struct task *t = NULL;
	struct pid *pid;

	mutex_lock(&tasklist.lock);
	pid = pid_peek_locked(ns, tid);
	if (pid && pid->task)
		t = task_get(pid->task);
	mutex_unlock(&tasklist.lock);
	return t;
}

struct process *process_lookup(struct pid_ns *ns, int32_t tgid)
{
	struct process *p = NULL;
	struct pid *pid;

	mutex_lock(&tasklist.lock);
	pid = pid_peek_locked(ns, tgid);
	if (pid && pid->process)
		p = process_get(pid->process);
	mutex_unlock(&tasklist.lock);
	return p;
}

struct process *process_next(struct pid_ns *ns, int32_t from, int32_t *nr)
{
	struct process *p = NULL;
	struct pid *pid;

	mutex_lock(&tasklist.lock);
	for (pid = pid_next_locked(ns, from); pid && !pid->process;
	     pid = pid_next_locked(ns, pid_nr_in(pid, ns) + 1))
		;
	if (pid) {
		p = process_get(pid->process);
		*nr = pid_nr_in(pid, ns);
	}
	mutex_unlock(&tasklist.lock);
	return p;
}

struct task *process_next_task(struct process *p, struct pid_ns *ns, int32_t from, int32_t *nr)
{
	struct task *t, *best = NULL;

	mutex_lock(&tasklist.lock);
	list_for_each_entry(t, &p->tasks, process_node) {
		int32_t n = pid_nr_in(t->pid, ns);

		if (n >= from && n > 0 && (!best || n < pid_nr_in(best->pid, ns)))
			best = t;
	}
	if (best) {
		*nr = pid_nr_in(best->pid, ns);
		task_get(best);
	}
	mutex_unlock(&tasklist.lock);
	return best;
}

uint64_t process_rlimit(struct process *p, int resource)
{
	uint64_t v;

	latch_lock(&p->rlimit_latch);
	v = p->rlimits[resource].rlim_cur;
	latch_unlock(&p->rlimit_latch);
	return v;
}

bool task_capable(struct task *t, int cap)
{
	return cred_capable(t->cred, cap);
}

bool task_ns_capable(struct task *t, int cap)
{
	return cred_capable_ns(t->cred, t->cred->user_ns, cap);
}

bool task_may_access(struct task *t, struct task *target, unsigned int mode)
{
	const struct cred *c;
	struct mm *mm;
	bool ok;

	if (t->process == target->process)
		return true;
	c = task_cred_get(target);
	ok = t->cred->uid == c->euid && t->cred->uid == c->suid && t->cred->uid == c->uid &&
	     t->cred->gid == c->egid && t->cred->gid == c->sgid && t->cred->gid == c->gid;
	if (mode & PTRACE_FSCREDS)
		ok = t->cred->fsuid == c->euid && t->cred->fsuid == c->suid &&
		     t->cred->fsuid == c->uid && t->cred->fsgid == c->egid &&
		     t->cred->fsgid == c->sgid && t->cred->fsgid == c->gid;
	ok = ok || cred_capable_ns(t->cred, c->user_ns, 19 /* CAP_SYS_PTRACE */);
	if (ok) {
		mm = task_mm_get(target);
		if (mm && mm->dumpable != 1)
			ok = cred_capable_ns(t->cred, mm->user_ns, 19);
		mm_put(mm);
	}
	if (ok && (c->user_ns != t->cred->user_ns || (c->permitted & ~t->cred->permitted)))
		ok = cred_capable_ns(t->cred, c->user_ns, 19);
	ok = ok && landlock_may_trace(t->cred->landlock, c->landlock);
	cred_put(c);
	return ok;
}

struct plat_thread *task_pt_pin(struct task *t)
{
	struct plat_thread *pt;

	latch_lock(&t->latch);
	pt = t->pt;
	if (pt)
		t->pt_pins++;
	latch_unlock(&t->latch);
	return pt;
}

void task_pt_unpin(struct task *t)
{
	latch_lock(&t->latch);
	if (--t->pt_pins == 0 && t->pt_waiter)
		waiter_wake(t->pt_waiter);
	latch_unlock(&t->latch);
}

void task_pt_drain(struct task *t)
{
	struct waiter w;
	bool busy;

	waiter_init(&w, fiber_self());
	for (;;) {
		waiter_prepare(&w);
		latch_lock(&t->latch);
		busy = t->pt_pins > 0;
		t->pt_waiter = busy ? &w : NULL;
		latch_unlock(&t->latch);
		if (!busy)
			break;
		waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, INT64_MAX);
	}
	waiter_cancel(&w);
}

bool task_memory_limited(const struct task *t)
{
	const struct container *k = t->process->container;

	return k && __atomic_load_n(&k->memory_limit, __ATOMIC_RELAXED) != 0;
}

uint64_t task_robust_list(struct task *t)
{
	struct plat_thread *pt = task_pt_pin(t);
	uint64_t head;

	if (!pt)
		return 0;
	head = plat_robust_list(pt);
	task_pt_unpin(t);
	return head;
}

void task_usage(struct task *t, struct plat_usage *out)
{
	struct plat_thread *pt = task_pt_pin(t);
	int err = pt ? plat_thread_usage(pt, out) : -ESRCH;

	if (pt)
		task_pt_unpin(t);
	if (err)
		*out = t->last;
}

bool task_waits_natively(struct task *t)
{
	struct plat_thread *pt = task_pt_pin(t);
	bool waits;

	if (!pt)
		return false;
	waits = plat_waits(pt);
	task_pt_unpin(t);
	return waits;
}

void task_cpu_time(struct task *t, int64_t *utime_ns, int64_t *stime_ns)
{
	struct plat_usage u;

	task_usage(t, &u);
	*utime_ns = u.utime_ns;
	*stime_ns = u.stime_ns;
}

static void usage_add(struct plat_usage *to, const struct plat_usage *u)
{
	to->utime_ns += u->utime_ns;
	to->stime_ns += u->stime_ns;
	to->min_faults += u->min_faults;
	to->maj_faults += u->maj_faults;
}

static void usage_sub(struct plat_usage *from, const struct plat_usage *u)
{
	from->utime_ns -= MIN(from->utime_ns, u->utime_ns);
	from->stime_ns -= MIN(from->stime_ns, u->stime_ns);
	from->min_faults -= MIN(from->min_faults, u->min_faults);
	from->maj_faults -= MIN(from->maj_faults, u->maj_faults);
}

void process_charge_locked(struct process *p, const struct plat_usage *u)
{
	p->utime_ns += u->utime_ns;
	p->stime_ns += u->stime_ns;
	p->min_faults += u->min_faults;
	p->maj_faults += u->maj_faults;
}

void process_usage_locked(struct process *p, struct plat_usage *out)
{
	struct plat_usage u;
	struct task *t;

	*out = (struct plat_usage){
		.utime_ns = p->utime_ns,
		.stime_ns = p->stime_ns,
		.min_faults = p->min_faults,
		.maj_faults = p->maj_faults,
	};
	list_for_each_entry(t, &p->tasks, process_node) {
		if (t->leaving && t->state != 'Z' && t->state != 'X')
			usage_add(out, &t->charge);
	}
	list_for_each_entry(t, &p->tasks, process_node) {
		struct plat_thread *pt = t->leaving || p->host_charged ? NULL : task_pt_pin(t);
		int err;

		if (!pt)
			continue;
		err = p->host_shared ? plat_thread_usage(pt, &u)
				     : plat_process_usage(pt, &u);
		task_pt_unpin(t);
		if (err == 0 && !p->host_shared)
			usage_sub(&u, &t->mm->guests);
		if (err == 0)
			usage_add(out, &u);
		if (!p->host_shared)
			break;
	}
}

void process_cpu_time(struct process *p, int64_t *utime_ns, int64_t *stime_ns)
{
	struct plat_usage u;

	mutex_lock(&tasklist.lock);
	process_usage_locked(p, &u);
	mutex_unlock(&tasklist.lock);
	*utime_ns = u.utime_ns;
	*stime_ns = u.stime_ns;
}

void task_host_usage_locked(struct task *t, bool last, struct plat_usage *out)
{
	int err = -ESRCH;

	if (t->process->host_shared) {
		err = plat_thread_usage(t->pt, out);
		if (err == 0)
			usage_add(&t->mm->guests, out);
	} else if (last) {
		err = plat_process_usage(t->pt, out);
		if (err == 0)
			usage_sub(out, &t->mm->guests);
	}
	if (err < 0)
		*out = (struct plat_usage){ .state = 'S' };
}

/* ---- the life of a task ------------------------------------------------------------------------- */

void task_exit_request(struct task *t, int status)
{
	t->exit_status = status;
	atomic_fetch_or_explicit(&t->flags, TASK_EXIT, memory_order_release);
}

bool task_exiting(struct task *t)
{
	return atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_EXIT;
}

/* Get t's attention: out of an interruptible sleep, or out of application code. */
void task_poke(struct task *t)
{
	waiter_interrupt(&t->waiter);
	if (t->pt)
		plat_kick(t->pt);
}

void process_kill_timer_arm_locked(struct process *p)
{
	if (p->kill_armed)
		return;
	p->kill_armed = true;
	timer_arm(&p->kill_timer, clock_mono_ns() + KILL_GRACE_NS);
}

void process_group_exit_locked(struct process *p, int status)
{
	struct task *t;

	if (!(p->flags & PROCESS_GROUP_EXIT)) {
		process_flags_change(p, PROCESS_GROUP_EXIT, 0);
		p->group_exit_code = status;
	}
	process_flags_change(p, 0, PROCESS_STOPPED | PROCESS_STOP_REPORT);
	list_for_each_entry(t, &p->tasks, process_node) {
		atomic_fetch_or_explicit(&t->flags, TASK_EXIT, memory_order_release);
		task_poke(t);
	}
	ptrace_killed_locked(p);
	wq_wake(&p->stop_wq, 0);
	/* One that ends itself, alone, is on its way already. */
	if (p->task_count > 1 || !WIFEXITED(status))
		process_kill_timer_arm_locked(p);
}

void process_group_exit(struct process *p, int status)
{
	latch_lock(&p->siglock);
	process_group_exit_locked(p, status);
	latch_unlock(&p->siglock);
}

/* What an application's seccomp filters say of this call. */
static enum seccomp_verdict task_ask_filters(struct task *t, const struct plat_event *ev, long *ret)
{
	struct seccomp_data d = {
		.nr = (int)t->syscall_nr,
		.arch = ev->syscall.compat && !(t->syscall_nr & __X32_SYSCALL_BIT) ? AUDIT_ARCH_I386
										  : AUDIT_ARCH_X86_64,
		.instruction_pointer = plat_regs(t->pt)->rip,
	};

	memcpy(d.args, t->syscall_args, sizeof(d.args));
	return seccomp_ask(t, &d, ret);
}

/* The call's end: its result, signals, restarts. */
static void task_syscall_done(struct task *t, long ret)
{
	if (unlikely(sig_pending_work(t) || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)))
		sig_deliver(t, true, ret);
	else
		plat_set_result(t->pt, ret);
	t->syscall_nr = ~0ull;
}

/* What the tracer has left of the call; false: it is not to be made. */
static bool task_reload_call(struct task *t, long *ret)
{
	const plat_regs_t *r = plat_regs(t->pt);

	t->syscall_nr = r->orig_rax;
	t->syscall_args[0] = r->rdi;
	t->syscall_args[1] = r->rsi;
	t->syscall_args[2] = r->rdx;
	t->syscall_args[3] = r->r10;
	t->syscall_args[4] = r->r8;
	t->syscall_args[5] = r->r9;
	if ((int32_t)t->syscall_nr >= 0)
		return true;
	*ret = (long)r->rax;
	return false;
}

/* A tracee's call has ended; its tracer, if it wants to, sees that. */
static void task_traced_exit(struct task *t, long ret)
{
	bool step = t->ptrace.step;
	plat_regs_t *r;

	if (task_exiting(t))
		return;
	if (step || t->ptrace.run == PTRACE_RUN_SYSCALL) {
		r = plat_regs_mut(t->pt);
		if (t->syscall_nr != ~0ull) { /* else execve or sigreturn has loaded them all */
			r->rax = (uint64_t)ret;
			r->orig_rax = t->syscall_nr;
		}
		if (step) {
			siginfo_t info = { .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };

			info.si_addr = (void *)(uintptr_t)r->rip;
			sig_force(t, &info);
		} else {
			ptrace_syscall_stop(t, PTRACE_OP_EXIT);
		}
		if (t->syscall_nr != ~0ull)
			ret = (long)plat_regs(t->pt)->rax;
	}
	if (t->syscall_nr == ~0ull) {
		if (sig_pending_work(t))
			sig_deliver(t, false, 0);
		return;
	}
	task_syscall_done(t, ret);
}

/* The filters' say.  False: the call is not made. */
static bool task_filtered(struct task *t, const struct plat_event *ev, long *ret, bool *gone)
{
	enum seccomp_verdict v = task_ask_filters(t, ev, ret);
	bool again = false;

	while (v == SECCOMP_TRACER) {
		if (again)
			return true; /* asked once, as Linux */
		if (!ptrace_event_enabled(t, PTRACE_EVENT_SECCOMP)) {
			*ret = -ENOSYS;
			return false;
		}
		t->ptrace.seccomp_data = (uint32_t)*ret;
		ptrace_event(t, PTRACE_EVENT_SECCOMP, (uint64_t)*ret);
		*gone = task_exiting(t);
		if (*gone || !task_reload_call(t, ret))
			return false;
		again = true;
		v = task_ask_filters(t, ev, ret);
	}
	*gone = v == SECCOMP_GONE;
	return v == SECCOMP_DO;
}

/* A call of a task that has a tracer or filters. */
static void task_syscall_watched(struct task *t, const struct plat_event *ev)
{
	unsigned int flags = atomic_load_explicit(&t->flags, memory_order_acquire);
	bool make = !ev->syscall.compat, gone = false;
	long ret = -ENOSYS;

	if (flags & TASK_TRACED) {
		enum ptrace_mode_run run = t->ptrace.run;

		plat_regs_mut(t->pt)->rax = (uint64_t)ret;
		plat_regs_mut(t->pt)->orig_rax = t->syscall_nr;
		if (run != PTRACE_RUN) {
			ptrace_syscall_stop(t, PTRACE_OP_ENTRY);
			if (task_exiting(t))
				return;
			make = task_reload_call(t, &ret) && make && run != PTRACE_RUN_SYSEMU;
			if (run == PTRACE_RUN_SYSEMU)
				ret = (long)plat_regs(t->pt)->rax;
		}
	}
	if (make && (flags & TASK_SECCOMP))
		make = task_filtered(t, ev, &ret, &gone);
	if (gone) {
		t->syscall_nr = ~0ull;
		if (flags & TASK_TRACED) /* as before the call */
			plat_regs_mut(t->pt)->rax = plat_regs(t->pt)->orig_rax;
		if (sig_pending_work(t))
			sig_deliver(t, false, 0);
		return;
	}
	if (make)
		ret = syscall_dispatch(t, t->syscall_nr, t->syscall_args);
	if (ret == -ENATIVE)
		plat_native_call(t->pt, t->syscall_nr, flags & TASK_TRACED);
	else if (atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED)
		task_traced_exit(t, ret);
	else
		task_syscall_done(t, ret);
	t->syscall_nr = ~0ull;
}

static void task_syscall(struct task *t, const struct plat_event *ev)
{
	long ret;

	t->syscall_nr = ev->syscall.nr;
	memcpy(t->syscall_args, ev->syscall.args, sizeof(t->syscall_args));
	if (unlikely(atomic_load_explicit(&t->flags, memory_order_relaxed) &
		     (TASK_TRACED | TASK_SECCOMP))) {
		task_syscall_watched(t, ev);
		return;
	}
	ret = ev->syscall.compat ? -ENOSYS : syscall_dispatch(t, ev->syscall.nr, ev->syscall.args);
	if (unlikely(ret == -ENATIVE)) {
		plat_native_call(t->pt, t->syscall_nr, false);
		t->syscall_nr = ~0ull;
		return;
	}
	task_syscall_done(t, ret);
}

/* The stub has made the call that was let through (a futex), and its tracer may want to see that. */
static void task_native_done(struct task *t)
{
	const plat_regs_t *r = plat_regs(t->pt);

	t->syscall_nr = r->orig_rax;
	if (atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED)
		task_traced_exit(t, (long)r->rax);
	else
		task_syscall_done(t, (long)r->rax);
	t->syscall_nr = ~0ull;
}

static void task_fault(struct task *t, const struct plat_event *ev)
{
	siginfo_t info = { .si_signo = ev->fault.signo, .si_code = ev->fault.code };

	if (ev->fault.frame && sig_frame_undo(t) == SIGSEGV) {
		process_group_exit(t->process, SIGSEGV); /* its own handler can't be entered */
		return;
	}
	if (ev->fault.signo == SIGSEGV && ev->fault.code == SEGV_MAPERR &&
	    atomic_load_explicit(&t->mm->growing_count, memory_order_relaxed) && mm_grow_to(t, ev->fault.addr))
		return;
	info.si_addr = (void *)(uintptr_t)ev->fault.addr;
	t->fault_trapno = ev->fault.trapno;
	t->fault_error = ev->fault.error;
	t->fault_addr = ev->fault.addr;
	sig_force(t, &info);
}

/* In application code, or in a native futex wait: then a signal interrupts a system call (platform.h). */
static void task_kicked(struct task *t)
{
	const plat_regs_t *r = plat_regs(t->pt);

	if (!sig_pending_work(t))
		return;
	if (r->orig_rax == ~0ull) {
		sig_deliver(t, false, 0);
		return;
	}
	t->syscall_nr = r->orig_rax;
	if (unlikely(atomic_load_explicit(&t->flags, memory_order_acquire) & TASK_TRACED))
		task_traced_exit(t, (long)r->rax);
	else
		sig_deliver(t, true, (long)r->rax);
	t->syscall_nr = ~0ull;
}

void task_main(void *arg)
{
	struct task *t = arg;
	struct plat_event ev;
	bool started = t->starts; /* it is in the application: then it comes back first */

	if (!started)
		plat_thread_set_tid(t->pt, task_tid(t));
	if (t->boot)
		task_boot(t);
	if (!started && sig_pending_work(t)) /* a new tracee's first stop, or its group's */
		sig_deliver(t, false, 0);
	while (started || !task_exiting(t)) {
		started = false;
		ptrace_before_run(t);
		plat_run(t->pt, &ev);
		ptrace_after_run(t);
		switch (ev.kind) {
		case PLAT_SYSCALL:
			task_syscall(t, &ev);
			continue;
		case PLAT_FAULT:
			if (likely(!ptrace_debugreg_active(t)) || !ptrace_debugreg_swallows(t, &ev))
				task_fault(t, &ev);
			break;
		case PLAT_KICKED:
			task_kicked(t);
			continue;
		case PLAT_NATIVE_DONE:
			task_native_done(t);
			continue;
		case PLAT_DEAD:
			log_debug("task %d: host thread is gone, status %#x", task_tid(t),
				  ev.dead.wait_status);
			process_group_exit(t->process,
					   WIFSIGNALED(ev.dead.wait_status) ? ev.dead.wait_status & 0x7f
									    : SIGKILL);
			break;
		}
		if (sig_pending_work(t))
			sig_deliver(t, false, 0);
	}
	task_leave(t);
}

struct task_sleeper {
	struct wq_entry entry;
	struct waiter *waiter;
};

static void task_sleeper_wake(struct wq_entry *e, uint32_t events)
{
	(void)events;
	waiter_wake(container_of(e, struct task_sleeper, entry)->waiter);
}

/*
 * A sleep that only the task's own end may cut short (TASK_KILLABLE).  Other signals stay pending:
 * the sticky interrupt flag is cleared here and TASK_SIGPENDING brings them up on the way out.
 */
void task_wait_until(struct task *t, struct wq *q, bool (*ready)(struct task *, void *),
			    void *arg)
{
	task_wait_stopped(t, q, ready, arg, false);
}

void task_wait_stopped(struct task *t, struct wq *q, bool (*ready)(struct task *, void *), void *arg,
		       bool always)
{
	struct waiter own, *w = t ? &t->waiter : &own;
	struct task_sleeper s = { .waiter = w };

	if (!t)
		waiter_init(w, fiber_self());
	wq_entry_init(&s.entry, task_sleeper_wake, 0);
	wq_add(q, &s.entry);
	for (;;) {
		if (t)
			waiter_clear_interrupt(w);
		waiter_prepare(w);
		if ((!always && task_exiting(t)) || ready(t, arg))
			break;
		waiter_sleep(w, t ? WAITER_INTERRUPTIBLE : WAITER_UNINTERRUPTIBLE, INT64_MAX);
	}
	waiter_cancel(w);
	wq_remove(&s.entry);
}

static bool task_flag_ready(struct task *t, void *arg)
{
	(void)t;
	return atomic_load_explicit((atomic_bool *)arg, memory_order_acquire);
}

void task_wait_killable(struct task *t, struct wq *q, atomic_bool *done)
{
	task_wait_until(t, q, task_flag_ready, done);
}

static bool task_unstopped(struct task *t, void *arg)
{
	(void)arg;
	unsigned int flags = atomic_load_explicit(&t->flags, memory_order_acquire);

	return !(flags & TASK_STOP) || (flags & TASK_TRAP);
}

void task_wait_unstopped(struct task *t)
{
	task_wait_until(t, &t->process->stop_wq, task_unstopped, NULL);
}
