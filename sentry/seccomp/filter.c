/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c: attaching filters, asking them, and carrying out what they say.  See seccomp.h.
 *
 * How Linux behaves (kernel/seccomp.c): of all filters' answers the numerically smallest action
 * counts, as a signed number (KILL_PROCESS is negative); among equals the newest filter's data.  An
 * action that the kernel does not know kills the process.
 */
#include "sentry/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/seccomp/bpf.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/sys/names.h"
#include "sentry/task/task_impl.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

#define CAP_SYS_ADMIN    21
#define PATH_INSNS_MAX   (1u << 15) /* of all filters of a task, each counting 4 more */
#define FILTER_OVERHEAD  4u
#define ERRNO_MAX        4095u

/* (c) constant once attached */
struct seccomp_filter {
	struct ref ref;
	atomic_uint users;
	struct seccomp_filter *prev; /* (c) counted, and one of its users */
	struct seccomp_listener *listener; /* (c) owned, or NULL */
	bool log, wait_killable; /* (c) */
	unsigned int depth;      /* (c) filters from here on */
	unsigned int path_insns; /* (c) their instructions */
	size_t count;
	struct sock_filter insns[];
};

static void filter_put(struct seccomp_filter *f)
{
	while (f && ref_put(&f->ref)) {
		struct seccomp_filter *prev = f->prev;

		seccomp_listener_put(f->listener);
		mem_free(f);
		f = prev;
	}
}

static struct seccomp_filter *filter_get(struct seccomp_filter *f)
{
	if (f)
		ref_get(&f->ref);
	return f;
}

static void filter_use(struct seccomp_filter *f)
{
	if (f)
		atomic_fetch_add_explicit(&f->users, 1, memory_order_relaxed);
}

/* One user less.  No latch held. */
static void filter_disuse(struct seccomp_filter *f)
{
	while (f && atomic_fetch_sub_explicit(&f->users, 1, memory_order_acq_rel) == 1) {
		if (f->listener)
			seccomp_listener_orphan(f->listener);
		f = f->prev;
	}
}

static bool filter_is_ancestor(const struct seccomp_filter *old, const struct seccomp_filter *f)
{
	if (!old)
		return true;
	for (; f; f = f->prev)
		if (f == old)
			return true;
	return false;
}

/* ---- attaching ---------------------------------------------------------------------------------- */

/* From here on every call of t comes to the Sentry. */
static void watch_calls(struct task *t, int mode)
{
	t->seccomp_mode = (unsigned char)mode;
	atomic_fetch_or_explicit(&t->flags, TASK_SECCOMP, memory_order_release);
}

/* The first thread that has filters which the caller lacks, or NULL.  siglock held. */
static struct task *tsync_obstacle_locked(struct task *t)
{
	struct task *o;

	list_for_each_entry(o, &t->process->tasks, process_node) {
		if (o == t || o->state == 'Z' || o->state == 'X')
			continue;
		if (o->seccomp_mode == SECCOMP_STRICT || !filter_is_ancestor(o->seccomp, t->seccomp))
			return o;
	}
	return NULL;
}

#define TSYNC_BATCH 64

/* Every thread gets t's filters.  Old ones are dropped outside of the latch, some at a time. */
static void tsync(struct task *t)
{
	struct seccomp_filter *old[TSYNC_BATCH];
	struct task *o;
	size_t n;

	do {
		n = 0;
		latch_lock(&t->process->siglock);
		list_for_each_entry(o, &t->process->tasks, process_node) {
			if (o == t || o->seccomp == t->seccomp || o->state == 'Z' || o->state == 'X')
				continue;
			if (n == TSYNC_BATCH)
				break;
			old[n++] = o->seccomp;
			filter_use(t->seccomp);
			o->seccomp = filter_get(t->seccomp);
			if (t->no_new_privs)
				o->no_new_privs = true;
			watch_calls(o, SECCOMP_FILTER);
		}
		latch_unlock(&t->process->siglock);
		for (size_t i = 0; i < n; i++) {
			filter_disuse(old[i]);
			filter_put(old[i]);
		}
	} while (n == TSYNC_BATCH);
}

static bool has_listener(const struct seccomp_filter *f)
{
	for (; f; f = f->prev)
		if (f->listener)
			return true;
	return false;
}

static int filter_make(struct task *t, const struct sock_filter *insns, size_t count,
		       unsigned int flags, struct seccomp_filter **out)
{
	struct seccomp_filter *f;
	unsigned int total = (unsigned int)count + FILTER_OVERHEAD;
	int err;

	err = bpf_check(insns, count);
	if (err)
		return err;
	if (t->seccomp)
		total += t->seccomp->path_insns;
	if (total > PATH_INSNS_MAX)
		return -ENOMEM;
	f = mem_zalloc(sizeof(*f) + count * sizeof(insns[0]));
	if (!f)
		return -ENOMEM;
	ref_init(&f->ref);
	atomic_init(&f->users, 1);
	f->log = flags & SECCOMP_FILTER_FLAG_LOG;
	f->wait_killable = flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	f->path_insns = total;
	f->count = count;
	memcpy(f->insns, insns, count * sizeof(insns[0]));
	*out = f;
	return 0;
}

/* The other threads can still be synchronised now; the tid of one that can't, or 0. */
static int32_t commit(struct task *t, struct seccomp_filter *f, unsigned int flags)
{
	struct task *o = NULL;
	int32_t tid = 0;

	latch_lock(&t->process->siglock);
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		o = tsync_obstacle_locked(t);
	if (o) {
		tid = task_tid_in(o, task_pid_ns(t));
	} else {
		/* What t held on its old filter is f's now: as a reference and as a user. */
		f->prev = t->seccomp;
		f->depth = f->prev ? f->prev->depth + 1 : 1;
		t->seccomp = f;
		watch_calls(t, SECCOMP_FILTER);
	}
	latch_unlock(&t->process->siglock);
	return tid;
}

long seccomp_attach(struct task *t, const struct sock_filter *insns, size_t count, unsigned int flags,
		    bool privileged)
{
	struct seccomp_filter *f = NULL;
	struct file *file = NULL;
	int32_t tid;
	int fd = -1;
	long err;

	if (!privileged && !t->no_new_privs && !task_capable(t, CAP_SYS_ADMIN))
		return -EACCES;
	err = filter_make(t, insns, count, flags, &f);
	if (err)
		return err;
	if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
		err = fdt_reserve(t->fdt, 1, &fd, task_rlimit(t, RLIMIT_NOFILE));
		if (!err)
			err = seccomp_listener_new(t, &f->listener, &file);
		if (err)
			goto undo;
	}
	err = -EINVAL;
	if (t->seccomp_mode == SECCOMP_STRICT)
		goto undo;
	err = -EBUSY;
	if (f->listener && has_listener(t->seccomp))
		goto undo;
	tid = commit(t, f, flags);
	err = tid && (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) ? -ESRCH : tid;
	if (tid)
		goto undo;
	plat_mm_set_native(t->mm->plat, false);
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		tsync(t);
	if (file)
		fdt_install(t->fdt, fd, file, O_CLOEXEC); /* consumes */
	return fd >= 0 ? fd : 0;
undo:
	if (fd >= 0)
		fdt_unreserve(t->fdt, 1, &fd);
	file_put(file);
	filter_put(f);
	return err;
}

long seccomp_set_strict(struct task *t)
{
	long err = -EINVAL;

	latch_lock(&t->process->siglock);
	if (t->seccomp_mode != SECCOMP_FILTER) {
		watch_calls(t, SECCOMP_STRICT);
		err = 0;
	}
	latch_unlock(&t->process->siglock);
	if (!err)
		plat_mm_set_native(t->mm->plat, false);
	return err;
}

void seccomp_inherit_locked(struct task *parent, struct task *child)
{
	if (!parent->seccomp_mode)
		return;
	filter_use(parent->seccomp);
	child->seccomp = filter_get(parent->seccomp);
	if (parent->no_new_privs)
		child->no_new_privs = true;
	watch_calls(child, parent->seccomp_mode);
}

void seccomp_drop(struct task *t)
{
	struct seccomp_filter *f;

	latch_lock(&t->process->siglock);
	f = t->seccomp;
	t->seccomp = NULL;
	latch_unlock(&t->process->siglock);
	filter_disuse(f);
	filter_put(f);
}

void seccomp_show(struct task *t, int *mode, int *filters)
{
	latch_lock(&t->process->siglock);
	*mode = t->seccomp_mode;
	*filters = t->seccomp ? (int)t->seccomp->depth : 0;
	latch_unlock(&t->process->siglock);
}

ssize_t seccomp_filter_copy(struct task *t, uint64_t nth, struct sock_filter **out, bool *logs)
{
	struct seccomp_filter *newest, *f;
	ssize_t count = -ENOENT;

	latch_lock(&t->process->siglock);
	newest = f = filter_get(t->seccomp);
	latch_unlock(&t->process->siglock);
	if (!newest)
		return -EINVAL;
	while (f && f->depth != nth + 1)
		f = f->prev;
	if (f) {
		*out = mem_alloc(f->count * sizeof(f->insns[0]));
		count = *out ? (ssize_t)f->count : -ENOMEM;
	}
	if (count > 0) {
		memcpy(*out, f->insns, f->count * sizeof(f->insns[0]));
		*logs = f->log;
	}
	filter_put(newest);
	return count;
}

/* ---- asking ------------------------------------------------------------------------------------- */

static int32_t action_of(uint32_t answer)
{
	return (int32_t)(answer & SECCOMP_RET_ACTION_FULL);
}

static uint32_t run_all(const struct seccomp_filter *f, const struct seccomp_data *d,
			const struct seccomp_filter **match)
{
	uint32_t answer = SECCOMP_RET_ALLOW, r;

	for (; f; f = f->prev) {
		r = bpf_run(f->insns, d);
		if (action_of(r) < action_of(answer)) {
			answer = r;
			*match = f;
		}
	}
	return answer;
}

static void say(struct task *t, const struct seccomp_data *d, uint32_t answer)
{
	const char *name = d->nr >= 0 ? syscall_name((uint64_t)d->nr) : NULL;

	log_info("seccomp: task %d, system call %d (%s), action %#x", task_tid(t), d->nr,
		 name ? name : "?", answer);
}

static void trap(struct task *t, const struct seccomp_data *d, uint32_t answer)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGSYS;
	info.si_code = SYS_SECCOMP;
	info.si_errno = (int)(answer & SECCOMP_RET_DATA);
	info.si_call_addr = (void *)(uintptr_t)d->instruction_pointer;
	info.si_syscall = d->nr;
	info.si_arch = d->arch;
	sig_force(t, &info);
}

/* SIGSYS that nobody can catch: of the thread alone, or of the process. */
static void kill_by_filter(struct task *t, bool thread_only)
{
	if (thread_only && t->process->task_count > 1)
		task_exit_request(t, SIGSYS);
	else
		sig_force_exit(t, SIGSYS);
}

static enum seccomp_verdict ask_strict(struct task *t, int nr)
{
	if (nr == SYS_read || nr == SYS_write || nr == SYS_exit || nr == SYS_rt_sigreturn)
		return SECCOMP_DO;
	task_exit_request(t, SIGKILL);
	return SECCOMP_GONE;
}

static enum seccomp_verdict carry_out(struct task *t, const struct seccomp_filter *match,
				      const struct seccomp_data *d, uint32_t answer, long *result)
{
	uint32_t data = answer & SECCOMP_RET_DATA;

	switch ((uint32_t)action_of(answer)) {
	case SECCOMP_RET_ALLOW:
		return SECCOMP_DO;
	case SECCOMP_RET_LOG:
		say(t, d, answer);
		return SECCOMP_DO;
	case SECCOMP_RET_TRACE:
		*result = data;
		return SECCOMP_TRACER;
	case SECCOMP_RET_USER_NOTIF:
		if (!match->listener) {
			*result = -ENOSYS;
			return SECCOMP_SKIP;
		}
		return seccomp_notify(t, match->listener, d, match->wait_killable, result)
			       ? SECCOMP_DO : SECCOMP_SKIP;
	case SECCOMP_RET_ERRNO:
		if (match->log)
			say(t, d, answer);
		*result = -(long)MIN(data, ERRNO_MAX);
		return SECCOMP_SKIP;
	case SECCOMP_RET_TRAP:
		if (match->log)
			say(t, d, answer);
		trap(t, d, answer);
		return SECCOMP_GONE;
	case SECCOMP_RET_KILL_THREAD:
		say(t, d, answer);
		kill_by_filter(t, true);
		return SECCOMP_GONE;
	default: /* KILL_PROCESS, and actions that nobody knows */
		say(t, d, answer);
		kill_by_filter(t, false);
		return SECCOMP_GONE;
	}
}

enum seccomp_verdict seccomp_ask(struct task *t, const struct seccomp_data *d, long *result)
{
	const struct seccomp_filter *match = NULL;
	enum seccomp_verdict v;
	struct seccomp_filter *f;
	uint32_t answer;

	if (t->seccomp_mode == SECCOMP_STRICT)
		return ask_strict(t, d->nr);
	latch_lock(&t->process->siglock);
	f = filter_get(t->seccomp);
	latch_unlock(&t->process->siglock);
	answer = run_all(f, d, &match);
	v = carry_out(t, match, d, answer, result);
	filter_put(f);
	return v;
}
