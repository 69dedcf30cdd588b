/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c: making and ending tasks, and who is whose: clone, fork, vfork, execve, exit, wait,
 * process groups and sessions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/mem.h"
#include "sentry/loader/loader.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define EXEC_ARGS_MAX         (6ul << 20) /* of argv and envp together: 3/4 of the default _STK_LIM */
#define WAITID_PIDFD_NONBLOCK 0x00100000 /* ours: waitid on a nonblocking pidfd gives EAGAIN */

/* ---- ids -------------------------------------------------------------------------------------------- */

long sys_getpid(struct task *t)
{
	task_identity_offer(t);
	return task_tgid(t);
}

long sys_gettid(struct task *t)
{
	return task_tid(t);
}

long sys_getppid(struct task *t)
{
	int32_t nr;

	mutex_lock(&tasklist.lock);
	nr = process_nr_in(t->process->parent, task_pid_ns(t));
	mutex_unlock(&tasklist.lock);
	task_identity_offer(t);
	return nr;
}

long sys_set_tid_address(struct task *t, uaddr_t tid)
{
	plat_clear_tid_set(t->pt, tid.addr);
	return task_tid(t);
}

long sys_set_robust_list(struct task *t, uaddr_t head, size_t size)
{
	if (size != 24)
		return -EINVAL;
	plat_robust_list_set(t->pt, head.addr);
	return 0;
}

long sys_get_robust_list(struct task *t, int tid, uaddr_t head, uaddr_t size)
{
	struct task *target = tid ? task_lookup(task_pid_ns(t), tid) : task_get(t);
	uint64_t list, bytes = 24;
	int err;

	if (!target)
		return -ESRCH;
	err = task_may_access(t, target, PTRACE_READ | PTRACE_REALCREDS) ? 0 : -EPERM;
	list = task_robust_list(target);
	task_put(target);
	if (!err)
		err = uaccess_put(t, size, &bytes, sizeof(bytes));
	if (!err)
		err = uaccess_put(t, head, &list, sizeof(list));
	return err;
}

/* ---- clone ------------------------------------------------------------------------------------------ */

long sys_clone(struct task *t, unsigned long flags, uaddr_t stack, uaddr_t parent_tid,
	       uaddr_t child_tid, unsigned long tls)
{
	struct clone_args_k a = {
		.flags = (uint32_t)flags & ~(uint32_t)CSIGNAL,
		.exit_signal = (int)(flags & CSIGNAL),
		.stack = stack,
		.parent_tid = parent_tid,
		.child_tid = child_tid,
		.pidfd = parent_tid,
		.tls = uaddr(tls),
	};

	if ((a.flags & (CLONE_PIDFD | CLONE_PARENT_SETTID)) == (CLONE_PIDFD | CLONE_PARENT_SETTID))
		return -EINVAL;
	if (a.exit_signal > SIG_COUNT)
		return -EINVAL;
	return task_clone(t, &a);
}

long sys_fork(struct task *t)
{
	struct clone_args_k a = { .exit_signal = SIGCHLD };

	return task_clone(t, &a);
}

long sys_vfork(struct task *t)
{
	struct clone_args_k a = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	return task_clone(t, &a);
}

long sys_clone3(struct task *t, uaddr_t args, size_t size)
{
	int32_t set_tid[PID_NS_DEPTH_MAX];
	struct clone_args_k a = { 0 };
	struct clone_args u;
	long tid;
	int err;

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = uaccess_get_struct(t, &u, sizeof(u), args, size);
	if (err)
		return err;
	if ((u.flags & ((CSIGNAL & ~CLONE_NEWTIME) | CLONE_DETACHED)) ||
	    ((u.flags & CLONE_INTO_CGROUP) && (u.cgroup > INT32_MAX || size < CLONE_ARGS_SIZE_VER2)) ||
	    u.exit_signal > SIG_COUNT || u.set_tid_size > PID_NS_DEPTH_MAX ||
	    !u.set_tid != !u.set_tid_size || !u.stack != !u.stack_size)
		return -EINVAL;
	if ((u.flags & (CLONE_THREAD | CLONE_PARENT)) && u.exit_signal)
		return -EINVAL;
	if ((u.flags & (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)) == (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if (u.set_tid_size) {
		const struct user_ns *owner = t->ns->pid_for_children->user_ns;

		if (!cred_capable_ns(t->cred, owner, 40 /* CAP_CHECKPOINT_RESTORE */) &&
		    !cred_capable_ns(t->cred, owner, 21 /* CAP_SYS_ADMIN */))
			return -EPERM;
		err = uaccess_get(t, set_tid, uaddr(u.set_tid), u.set_tid_size * sizeof(set_tid[0]));
		if (err)
			return err;
		for (size_t i = 0; i < u.set_tid_size; i++)
			if (set_tid[i] <= 0 || set_tid[i] >= PID_MAX_LIMIT)
				return -EINVAL;
	}
	if (u.flags & CLONE_INTO_CGROUP) {
		err = cgroupfs_group_of(t, (int)u.cgroup, &a.cgroup);
		if (!err && (u.flags & CLONE_THREAD) && a.cgroup != t->process->cgroup)
			err = -EOPNOTSUPP; /* there are no threaded groups */
		if (err) {
			cgrp_put(a.cgroup);
			return err;
		}
	}
	a.flags = u.flags & ~(uint64_t)CLONE_INTO_CGROUP;
	a.exit_signal = (int)u.exit_signal;
	a.stack = u.stack ? uaddr(u.stack + u.stack_size) : UADDR_NULL;
	a.parent_tid = uaddr(u.parent_tid);
	a.child_tid = uaddr(u.child_tid);
	a.pidfd = uaddr(u.pidfd);
	a.tls = uaddr(u.tls);
	a.set_tid = set_tid;
	a.set_tid_count = u.set_tid_size;
	tid = task_clone(t, &a);
	cgrp_put(a.cgroup);
	return tid;
}

/* ---- execve ------------------------------------------------------------------------------------------- */

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		mem_free(list[i]);
	mem_free(list);
}

/* What was read last of the application's memory, to the end of its page: pointers and strings lie side by side. */
struct page_view {
	uint64_t addr;
	size_t size;
	uint8_t bytes[PAGE_SIZE];
};

struct strings_reader {
	struct page_view pointers, text;
};

/* What there is from addr on, *n bytes of it; NULL: -EFAULT. */
static const uint8_t *page_look(struct task *t, struct page_view *v, uint64_t addr, size_t *n)
{
	const struct uio_space *s = task_space(t);
	ssize_t got;

	if (addr - v->addr >= v->size) {
		got = s->read(s, addr, v->bytes, PAGE_SIZE - (addr & (PAGE_SIZE - 1)));
		v->addr = addr;
		v->size = got > 0 ? (size_t)got : 0;
		if (got <= 0)
			return NULL;
	}
	*n = v->size - (addr - v->addr);
	return v->bytes + (addr - v->addr);
}

static int pointer_get(struct task *t, struct page_view *v, uint64_t addr, uint64_t *out)
{
	const uint8_t *at;
	size_t n, step;

	for (size_t done = 0; done < sizeof(*out); done += step) {
		at = page_look(t, v, addr + done, &n);
		if (!at)
			return -EFAULT;
		step = MIN(n, sizeof(*out) - done);
		memcpy((uint8_t *)out + done, at, step);
	}
	return 0;
}

/* A copy of the string at addr; *size with its NUL. */
static int string_get(struct task *t, struct page_view *v, uint64_t addr, char **out, size_t *size)
{
	size_t done = 0, n, step;
	char *s = NULL, *bigger;
	const uint8_t *at, *nul;
	int err;

	do {
		err = -EFAULT;
		at = page_look(t, v, addr + done, &n);
		if (!at)
			goto fail;
		nul = memchr(at, '\0', n);
		step = nul ? (size_t)(nul - at) + 1 : n;
		err = -E2BIG;
		if (step > EXEC_ARG_LEN_MAX - done)
			goto fail;
		err = -ENOMEM;
		bigger = mem_realloc(s, done + step, 1);
		if (!bigger)
			goto fail;
		s = bigger;
		memcpy(s + done, at, step);
		done += step;
	} while (!nul);
	*out = s;
	*size = done;
	return 0;
fail:
	mem_free(s);
	return err;
}

/* argv or envp: an array of string pointers, copied whole.  -E2BIG beyond total bytes. */
static int strings_get(struct task *t, struct strings_reader *r, uaddr_t array, size_t *total, char ***out)
{
	size_t count = 0, capacity = 0, size;
	char **list = NULL, **bigger;
	uint64_t p;
	int err;

	for (;;) {
		p = 0;
		err = array.addr ? pointer_get(t, &r->pointers, array.addr + count * sizeof(p), &p) : 0;
		if (err)
			break;
		if (count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			bigger = mem_realloc(list, capacity, sizeof(*list));
			err = -ENOMEM;
			if (!bigger)
				break;
			list = bigger;
		}
		list[count] = NULL;
		if (!p) {
			*out = list;
			return 0;
		}
		err = string_get(t, &r->text, p, &list[count], &size);
		if (err) {
			list[count] = NULL;
			break;
		}
		count++;
		*total += size + sizeof(p);
		err = -E2BIG;
		if (*total > EXEC_ARGS_MAX)
			break;
	}
	for (size_t i = 0; i < count; i++)
		mem_free(list[i]);
	mem_free(list);
	return err;
}

static long do_execve(struct task *t, const struct path *at, uaddr_t path, uaddr_t argv, uaddr_t envp,
		      int flags)
{
	char **args = NULL, **env = NULL, *name = NULL;
	struct strings_reader *r;
	size_t total = 0;
	long err;

	err = uaccess_dup_string(t, path, PATH_LEN_MAX, &name);
	if (err)
		return err;
	r = mem_new(struct strings_reader);
	err = r ? strings_get(t, r, argv, &total, &args) : -ENOMEM;
	if (!err)
		err = strings_get(t, r, envp, &total, &env);
	mem_free(r);
	if (!err)
		err = task_exec(t, at, name, args, env, flags);
	strings_free(args);
	strings_free(env);
	mem_free(name);
	return err;
}

long sys_execve(struct task *t, uaddr_t path, uaddr_t argv, uaddr_t envp)
{
	return do_execve(t, NULL, path, argv, envp, 0);
}

long sys_execveat(struct task *t, int dirfd, uaddr_t path, uaddr_t argv, uaddr_t envp, int flags)
{
	struct file *dir;
	char first;
	long err;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (dirfd == AT_FDCWD)
		return do_execve(t, NULL, path, argv, envp, flags);
	/* An absolute name needs no directory. */
	if (uaccess_get(t, &first, path, 1) == 0 && first == '/')
		return do_execve(t, NULL, path, argv, envp, flags);
	dir = fdt_file(t->fdt, dirfd);
	if (!dir)
		return -EBADF;
	err = do_execve(t, &dir->path, path, argv, envp, flags);
	file_put(dir);
	return err;
}

/* ---- exit --------------------------------------------------------------------------------------------- */

long sys_exit(struct task *t, int status)
{
	task_exit_request(t, (status & 0xff) << 8);
	return 0;
}

long sys_exit_group(struct task *t, int status)
{
	process_group_exit(t->process, (status & 0xff) << 8);
	return 0;
}

/* ---- wait --------------------------------------------------------------------------------------------- */

/* Which children, and for what; and what was found. */
struct wait_query {
	enum { WAIT_FOR_ANY, WAIT_FOR_PID, WAIT_FOR_PGRP } kind;
	struct pid *pid; /* owned; for WAIT_FOR_PID and WAIT_FOR_PGRP */
	int options;

	int32_t nr;      /* found child, 0: none */
	uint32_t uid;
	int code, status; /* CLD_*, and si_status */
	int wait_status;  /* as wait4 gives it */
	struct rusage usage;
};

static void usage_from_ns(struct timeval *tv, int64_t ns)
{
	tv->tv_sec = ns / NSEC_PER_SEC;
	tv->tv_usec = ns % NSEC_PER_SEC / 1000;
}

static void wait_fill_usage(struct wait_query *q, const struct process *c)
{
	memset(&q->usage, 0, sizeof(q->usage));
	usage_from_ns(&q->usage.ru_utime, c->utime_ns + c->child_utime_ns);
	usage_from_ns(&q->usage.ru_stime, c->stime_ns + c->child_stime_ns);
	q->usage.ru_minflt = (long)(c->min_faults + c->child_min_faults);
	q->usage.ru_majflt = (long)(c->maj_faults + c->child_maj_faults);
	q->usage.ru_maxrss = (long)MAX(c->maxrss, c->child_maxrss);
}

static bool wait_matches(const struct wait_query *q, const struct process *c)
{
	bool clone_child = c->exit_signal != SIGCHLD;

	if (q->kind == WAIT_FOR_PID && c->pid != q->pid)
		return false;
	if (q->kind == WAIT_FOR_PGRP && (!c->pgrp || c->pgrp->pid != q->pid))
		return false;
	if (q->options & __WALL)
		return true;
	return clone_child == !!(q->options & __WCLONE);
}

static void wait_fill_end(struct wait_query *q, int status)
{
	q->wait_status = status;
	q->code = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
	q->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static bool wait_matches_tracee(const struct wait_query *q, const struct task *x)
{
	if (q->kind == WAIT_FOR_PID)
		return x->pid == q->pid;
	return q->kind == WAIT_FOR_ANY || (x->process->pgrp && x->process->pgrp->pid == q->pid);
}

static bool wait_try_stop(struct wait_query *q, struct task *x)
{
	struct ptrace_state *s = &x->ptrace;
	bool found;

	latch_lock(&x->process->siglock);
	found = atomic_load_explicit(&s->stopped, memory_order_relaxed) && s->report && !s->listening;
	if (found) {
		q->code = CLD_TRAPPED;
		q->status = (int)s->code;
		q->wait_status = (int)(s->code << 8 | 0x7f);
		if (!(q->options & WNOWAIT))
			s->report = false;
	}
	latch_unlock(&x->process->siglock);
	return found;
}

/* A tracee of t's process: its end, or a stop.  Stops are told of without being asked for. */
static bool wait_try_tracee_locked(struct task *t, struct wait_query *q, struct task *x)
{
	struct process *c = x->process;
	bool leader = x == c->leader, peek = q->options & WNOWAIT;
	bool ended = leader ? c->state == PROCESS_ZOMBIE && !c->zombie_threads : x->state == 'Z';

	if (ended) {
		if (!(q->options & WEXITED))
			return false;
		wait_fill_end(q, leader ? c->wait_status : x->exit_status);
	} else if (!wait_try_stop(q, x)) {
		return false;
	}
	q->nr = task_tid_in(x, task_pid_ns(t));
	q->uid = process_uid_for(c, t);
	wait_fill_usage(q, c);
	if (!ended || peek)
		return true;
	if (leader && c->parent == t->process) {
		process_account_locked(c);
		process_reap_locked(c);
	} else {
		ptrace_unlink_locked(x);
		process_tracer_saw_locked(x);
	}
	return true;
}

/* Does c have something to tell?  Takes it, unless WNOWAIT. */
static bool wait_try_locked(struct task *t, struct wait_query *q, struct process *c)
{
	bool peek = q->options & WNOWAIT;
	bool found = true;

	if (ptrace_is_traced_by(c->leader, t->process))
		return false; /* see wait_try_tracee_locked() */
	if (c->state == PROCESS_ZOMBIE) {
		if (!(q->options & WEXITED) || c->end_pending)
			return false;
		wait_fill_end(q, c->wait_status);
	} else {
		latch_lock(&c->siglock);
		if ((c->flags & PROCESS_STOP_REPORT) && (q->options & WSTOPPED)) {
			q->code = CLD_STOPPED;
			q->status = (int)c->stop_signal;
			q->wait_status = (int)c->stop_signal << 8 | 0x7f;
			if (!peek)
				c->flags &= ~(uint32_t)PROCESS_STOP_REPORT;
		} else if ((c->flags & PROCESS_CONTINUED) && (q->options & WCONTINUED)) {
			q->code = CLD_CONTINUED;
			q->status = SIGCONT;
			q->wait_status = 0xffff;
			if (!peek)
				c->flags &= ~(uint32_t)PROCESS_CONTINUED;
		} else {
			found = false;
		}
		latch_unlock(&c->siglock);
		if (!found)
			return false;
	}
	q->nr = process_nr_in(c, task_pid_ns(t));
	q->uid = process_uid_for(c, t);
	wait_fill_usage(q, c);
	if (c->state == PROCESS_ZOMBIE && !peek) {
		process_account_locked(c);
		process_reap_locked(c);
	}
	return true;
}

static int wait_do(struct task *t, struct wait_query *q)
{
	struct process *p = t->process, *c, *tmp;
	struct task *o, *x;
	bool any;
	int err = 0;

	q->nr = 0;
	mutex_lock(&tasklist.lock);
	for (;;) {
		any = false;
		list_for_each_entry_safe(c, tmp, &p->children, sibling_node) {
			if (!wait_matches(q, c))
				continue;
			any = true;
			if (wait_try_locked(t, q, c))
				goto unlock;
		}
		list_for_each_entry(o, &p->tasks, process_node) {
			list_for_each_entry(x, &o->tracees, ptrace.node) {
				if (!wait_matches_tracee(q, x))
					continue;
				any = true;
				if (wait_try_tracee_locked(t, q, x))
					goto unlock; /* x may be gone */
			}
		}
		if (!any) {
			err = -ECHILD;
			break;
		}
		if (q->options & WNOHANG)
			break;
		err = wq_wait(&p->child_wq, &tasklist.lock, &t->waiter);
		if (err)
			break;
	}
unlock:
	mutex_unlock(&tasklist.lock);
	return err;
}

/* A group's or process's pid by number; a number that nobody has matches no child. */
static int wait_set_pid(struct task *t, struct wait_query *q, int kind, int32_t nr)
{
	q->kind = kind;
	q->pid = pid_lookup(task_pid_ns(t), nr);
	return q->pid ? 0 : -ECHILD;
}

static int wait_set_own_pgrp(struct task *t, struct wait_query *q)
{
	mutex_lock(&tasklist.lock);
	q->kind = WAIT_FOR_PGRP;
	q->pid = pid_get(t->process->pgrp->pid);
	mutex_unlock(&tasklist.lock);
	return 0;
}

long sys_wait4(struct task *t, int pid, uaddr_t status, int options, uaddr_t usage)
{
	struct wait_query q = { .options = options | WEXITED };
	int err = 0;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == 0)
		err = wait_set_own_pgrp(t, &q);
	else if (pid < -1)
		err = wait_set_pid(t, &q, WAIT_FOR_PGRP, -pid);
	else if (pid > 0)
		err = wait_set_pid(t, &q, WAIT_FOR_PID, pid);
	if (!err)
		err = wait_do(t, &q);
	pid_put(q.pid);
	if (err || !q.nr)
		return err;
	if (status.addr && uaccess_put(t, status, &q.wait_status, sizeof(q.wait_status)))
		return -EFAULT;
	if (usage.addr && uaccess_put(t, usage, &q.usage, sizeof(q.usage)))
		return -EFAULT;
	return q.nr;
}

static int waitid_set(struct task *t, struct wait_query *q, int which, int id)
{
	struct file *f;
	int err;

	switch (which) {
	case P_ALL:
		return 0;
	case P_PID:
		return id <= 0 ? -EINVAL : wait_set_pid(t, q, WAIT_FOR_PID, id);
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		return id ? wait_set_pid(t, q, WAIT_FOR_PGRP, id) : wait_set_own_pgrp(t, q);
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		f = fdt_file(t->fdt, id);
		if (!f)
			return -EBADF;
		q->pid = pidfd_pid(f);
		q->kind = WAIT_FOR_PID;
		err = q->pid ? 0 : -EBADF;
		if ((atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK) && !err)
			q->options |= WNOHANG | WAITID_PIDFD_NONBLOCK;
		file_put(f);
		return err;
	default:
		return -EINVAL;
	}
}

long sys_waitid(struct task *t, int which, int id, uaddr_t info, int options, uaddr_t usage)
{
	struct wait_query q = { .options = options };
	siginfo_t si;
	int err;

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE |
			__WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	err = waitid_set(t, &q, which, id);
	if (!err)
		err = wait_do(t, &q);
	pid_put(q.pid);
	if (err)
		return err;
	if (!q.nr && (q.options & WAITID_PIDFD_NONBLOCK))
		return -EAGAIN;
	if (usage.addr && q.nr && uaccess_put(t, usage, &q.usage, sizeof(q.usage)))
		return -EFAULT;
	if (!info.addr)
		return 0;
	memset(&si, 0, sizeof(si));
	if (q.nr) {
		si.si_signo = SIGCHLD;
		si.si_code = q.code;
		si.si_pid = q.nr;
		si.si_uid = q.uid;
		si.si_status = q.status;
	}
	/* The kernel writes only these members: the rest of the application's siginfo stays. */
	return uaccess_put(t, info, &si, offsetof(siginfo_t, si_status) + sizeof(si.si_status));
}

/* ---- groups and sessions ------------------------------------------------------------------------------- */

static struct process *process_by_nr_locked(struct task *t, int nr)
{
	struct pid *pid;

	if (nr == 0)
		return t->process;
	pid = pid_peek_locked(task_pid_ns(t), nr);
	return pid ? pid->process : NULL;
}

long sys_getpgid(struct task *t, int nr)
{
	struct process *p;
	long r = -ESRCH;

	mutex_lock(&tasklist.lock);
	p = process_by_nr_locked(t, nr);
	if (p && p->pgrp)
		r = pid_nr_in(p->pgrp->pid, task_pid_ns(t));
	mutex_unlock(&tasklist.lock);
	if (nr == 0)
		task_identity_offer(t);
	return r;
}

long sys_getpgrp(struct task *t)
{
	return sys_getpgid(t, 0);
}

long sys_getsid(struct task *t, int nr)
{
	struct process *p;
	long r = -ESRCH;

	mutex_lock(&tasklist.lock);
	p = process_by_nr_locked(t, nr);
	if (p && p->pgrp)
		r = pid_nr_in(p->pgrp->session->pid, task_pid_ns(t));
	mutex_unlock(&tasklist.lock);
	return r;
}

long sys_setpgid(struct task *t, int nr, int pgid)
{
	struct process *self = t->process, *p;
	struct pgrp *g = NULL;
	struct pid *pid;
	long err;

	if (pgid < 0)
		return -EINVAL;
	if (nr == 0)
		nr = task_tgid(t);
	if (pgid == 0)
		pgid = nr;

	mutex_lock(&tasklist.lock);
	err = -ESRCH;
	p = process_by_nr_locked(t, nr);
	if (!p || p->state != PROCESS_ALIVE || !p->pgrp)
		goto unlock;
	if (p != self) {
		if (p->parent != self)
			goto unlock;
		err = -EPERM;
		if (p->pgrp->session != self->pgrp->session)
			goto unlock;
		err = -EACCES;
		if (p->flags & PROCESS_EXECED)
			goto unlock;
	}
	err = -EPERM;
	if (p->pgrp->session->pid == p->pid)
		goto unlock; /* a session leader */
	pid = pid_peek_locked(task_pid_ns(t), pgid);
	if (pid)
		g = pid->pgrp;
	if (g && g->session != self->pgrp->session)
		goto unlock;
	if (!g) {
		if (pid != p->pid)
			goto unlock;
		err = -ENOMEM;
		g = pgrp_new_locked(pid, p->pgrp->session);
		if (!g)
			goto unlock;
		process_set_pgrp_locked(p, g);
		pgrp_put_locked(g); /* the member holds it */
	} else if (g != p->pgrp) {
		process_set_pgrp_locked(p, g);
	}
	err = 0;
unlock:
	mutex_unlock(&tasklist.lock);
	return err;
}

long sys_setsid(struct task *t)
{
	struct process *p = t->process;
	struct session *s;
	struct pgrp *g;
	long err = -EPERM;

	mutex_lock(&tasklist.lock);
	if (p->pid->pgrp || p->pid->session)
		goto unlock; /* already leads a group */
	err = -ENOMEM;
	s = session_new_locked(p->pid);
	if (!s)
		goto unlock;
	g = pgrp_new_locked(p->pid, s);
	session_put_locked(s); /* the group holds it */
	if (!g)
		goto unlock;
	process_set_pgrp_locked(p, g);
	pgrp_put_locked(g);
	p->no_tty = false;
	err = pid_nr_in(p->pid, task_pid_ns(t));
unlock:
	mutex_unlock(&tasklist.lock);
	return err;
}
