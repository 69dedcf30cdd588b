/* SPDX-License-Identifier: Apache-2.0 */
/* task_impl.h: what the files of sentry/task/ and sentry/signal/ share. */
#pragma once

#include "sentry/task/task.h"

void task_init(void);
struct task *task_alloc(void) must_check;       /* with a fiber that was not started */
void task_abandon(struct task *t);              /* one whose fiber was never started */
struct process *process_alloc(void) must_check;
void task_main(void *arg);
/* The end: gives everything back, notifies, and leaves a zombie or nothing. */
void task_leave(struct task *t);
void task_poke(struct task *t);
/* Scheduling of a new task (sentry/sys/sched.c); -EAGAIN: a SCHED_DEADLINE parent. */
/* sched_setattr(2) by the one who makes the container: no privilege is asked for.  -EINVAL. */
struct sched_boot {
	uint32_t policy, priority;
	int nice;
	uint64_t flags, runtime_ns, deadline_ns, period_ns;
};
int sched_boot(struct task *t, const struct sched_boot *b) must_check;
int sched_inherit(struct task *child, const struct task *parent) must_check;
/* The host runs t where its affinity says, if it can. */
void sched_place(struct task *t);
void task_vfs_shared_fs(struct task *t);

struct fs_state *fs_state_new(const struct path *root, const struct path *cwd, uint32_t umask);
struct fs_state *fs_state_dup(struct fs_state *fs);
struct fs_state *fs_state_get(struct fs_state *fs);
void fs_state_put(struct fs_state *fs);
struct ns_set *ns_set_get(struct ns_set *ns);
void ns_set_put(struct ns_set *ns);
struct ns_set *ns_set_dup(const struct ns_set *ns) must_check; /* same namespaces, own references */
struct uts_ns *uts_ns_new(const char *nodename, const char *domainname, struct user_ns *u);
struct uts_ns *uts_ns_get(struct uts_ns *u);
void uts_ns_put(struct uts_ns *u);
/* Both accept NULL. */
struct cgroup_ns *cgroup_ns_get(struct cgroup_ns *ns);
void cgroup_ns_put(struct cgroup_ns *ns);

/* tasklist.lock held. */
struct session *session_new_locked(struct pid *pid);
void session_put_locked(struct session *s);
struct pgrp *pgrp_new_locked(struct pid *pid, struct session *s);
void pgrp_put_locked(struct pgrp *g);
void process_identity_forget_locked(struct process *p); /* parent, group or session have changed */
void process_set_pgrp_locked(struct process *p, struct pgrp *g); /* g may be NULL */
/* A group none of whose members has a parent in the same session but another group. */
bool pgrp_orphaned_locked(struct pgrp *g, struct process *ignore);
/* Free a zombie: unlink it from the tree, drop its pids.  Drops the table's reference. */
void process_reap_locked(struct process *p);
/* What p used goes to its parent's account of waited-for children; others leave nothing there. */
void process_account_locked(struct process *p);
/* p's real uid as viewer's user namespace knows it. */
uint32_t process_uid_for(struct process *p, struct task *viewer);
/* p changed state (exit, stop, continue): SIGCHLD and wake-up for its parent. */
void process_notify_parent_locked(struct process *p, int code, int status);

/* p, a zombie, is to be told of, by now or when its tracers have seen it.  True: it was reaped. */
bool process_tell_end_locked(struct process *p);
/* A tracee's tracer has seen its end, or is gone.  The tracee may be, too, afterwards. */
void process_tracer_saw_locked(struct task *tracee);
/* Take t off its tracer, without anything else. */
void ptrace_unlink_locked(struct task *t);

/* A first task loads its program on its own fiber, and says how that went. */
struct task_boot {
	const struct process_spec *spec;
	struct mutex lock;
	struct wq wq;
	bool done;   /* (lock) */
	int result;  /* (lock) */
};
void task_boot(struct task *t);
/* Sleep on q until ready() says so or t is to leave: a sleep that only a kill ends early. */
void task_wait_until(struct task *t, struct wq *q, bool (*ready)(struct task *, void *), void *arg);
/*
 * A sleep in a ptrace stop: always, also when t is to leave.  t NULL: of any fiber, and nothing but
 * ready() ends it.
 */
void task_wait_stopped(struct task *t, struct wq *q, bool (*ready)(struct task *, void *), void *arg,
		       bool always);
/* The same until *done. */
void task_wait_killable(struct task *t, struct wq *q, atomic_bool *done);
/* Stand still until TASK_STOP is taken away or t is to leave. */
void task_wait_unstopped(struct task *t);
/* execve waits for the other threads of its process; siglock held. */
void task_wake_exec(struct task *t);
/* Whether a robust list has something on it: a lock, or one that is just being taken or given back. */
bool robust_list_in_use(struct mm *mm, uint64_t list);
void container_uncharge_task(struct container *c);
/* unshare(2)'s and clone(2)'s CLONE_NEW*: new namespaces into ns, which nobody else sees yet. */
int ns_set_unshare(struct task *t, const struct cred *cred, struct ns_set *ns, struct fs_state *fs,
		   uint64_t clone_flags) must_check; /* fs: whose root and cwd move along */
/* ns, which nobody else sees yet, goes into the time namespace that is meant for its task. */
void ns_set_enter_time(struct ns_set *ns);
/* execve(2): t enters the time namespace that unshare(2) made for its children.  -ENOMEM. */
int task_enter_time_ns(struct task *t) must_check;
/* CLONE_NEWUSER: t's credentials in a user namespace of their own; *out is the caller's. */
int task_user_ns_new(struct task *t, struct cred **out) must_check;

/* A parent that waits for its vfork child. */
struct vfork {
	struct ref ref;
	atomic_bool done;
	struct wq wq;
};
/* The child has left the parent's memory (exec or exit). */
void vfork_complete(struct task *t);
