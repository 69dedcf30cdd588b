/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.h: tasks (threads), processes (thread groups), process groups and sessions.
 *
 *     session ◀── pgrp ◀── process ──▶ parent process
 *                            │  ▲ │
 *                     tasks  ▼  │ └──▶ children
 *                          task ──▶ fiber, plat_thread, mm, fdtable, fs, cred, namespaces
 *
 * A task runs on its own fiber (task_main): it lets the application run, serves its system calls,
 * delivers signals, and in the end walks through task_exit() itself.  Nobody ends a task from
 * outside: one asks (signals, group exit) and interrupts its sleep.
 *
 * References: the pid tables hold tasks until they are reaped; t->process stays valid as long as t
 * is.  A zombie leader keeps its process.  "current" is a parameter: handlers get t, their task.
 *
 * Locks: tasklist.lock (mutex LOCK_TASKLIST) guards the tree: parent, children, siblings, groups,
 * sessions, pid tables, exit states.  process->siglock (latch) guards signals and stop state.
 * task->latch guards the pointers that other tasks read (cred, mm, fdt, fs, ns, comm).
 * Order: tasklist.lock → siglock → task->latch.  siglocks of two processes are never held at once.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "lib/fiber.h"
#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/timer.h"
#include "lib/wq.h"
#include "platform/platform.h"
#include "sentry/keys/keys.h"
#include "sentry/mm/mm.h"
#include "sentry/ptrace/ptrace.h"
#include "sentry/signal/signal.h"
#include "sentry/task/fdtable.h"
#include "sentry/task/uaccess.h"
#include "vfs/vfs.h"

struct process;
struct session;
struct tty;
struct container;
struct seccomp_filter;
struct sem_undo_list;

#define TASK_COMM_LEN 16
#define PID_MAX_LIMIT 4194304
#define PID_NS_DEPTH_MAX 32

/* ---- pids ------------------------------------------------------------------------------------- */

/* A pid namespace (pid_namespaces(7)).  Members: (t) tasklist.lock. */
struct pid_ns {
	struct ref ref;
	struct pid_ns *parent; /* (c) counted; NULL for the sandbox's first */
	unsigned int level;    /* (c) */
	struct user_ns *user_ns; /* (c) counted */
	struct hash pids;      /* (t) struct pid by number */
	int32_t last;          /* (t) last number given */
	unsigned int count;    /* (t) pids of tasks in it, zombies included; not those that only a group or session keeps */
	struct process *init;  /* (t) its reaper; NULL before and after */
	bool dying;            /* (t) init has ended: no new pids */
	uint64_t id;           /* (c) inode number of /proc/PID/ns/pid */
	struct container *container; /* (c) the container whose namespace it is, or inherited */
};

/* One number per level.  Identifies a task, process, group or session for as long as it is held. */
struct pid {
	struct ref ref;
	unsigned int level; /* (c) deepest */
	struct task *task;      /* (t) with this tid */
	struct process *process; /* (t) with this tgid, zombies included */
	struct pgrp *pgrp;      /* (t) */
	struct session *session; /* (t) */
	struct wq wq;           /* pidfd poll: woken when the process ends */
	bool left;              /* (t) of no task any more, nor counted */
	bool released;          /* (t) no longer in the tables */
	bool reaped;            /* (t) a process had it, and its parent has been told … */
	int reaped_status;      /* (t) … this wait status */
	struct {
		struct hash_node node;
		struct pid_ns *ns; /* counted */
		int32_t nr;
	} numbers[]; /* level + 1 of them */
};

struct pid_ns *pid_ns_new(struct pid_ns *parent, struct user_ns *u) must_check;
struct pid_ns *pid_ns_get(struct pid_ns *ns);
void pid_ns_put(struct pid_ns *ns);
/* The number as seen in ns; 0 when not visible there. */
int32_t pid_nr_in(const struct pid *pid, const struct pid_ns *ns);
struct pid *pid_get(struct pid *pid);
void pid_put(struct pid *pid);
/* With a reference, or NULL; takes tasklist.lock (the _locked one: held by the caller). */
struct pid *pid_lookup(struct pid_ns *ns, int32_t nr);
struct pid *pid_peek_locked(struct pid_ns *ns, int32_t nr);

/* ---- groups and sessions ------------------------------------------------------------------------ */

struct session {
	struct ref ref;
	struct pid *pid;    /* (c) counted */
	struct tty *tty;    /* (t) controlling terminal, counted by the tty layer */
	struct pid *tty_old_pgrp; /* (t) its foreground group when it hung up; counted */
	struct list pgrps;  /* (t) */
};

struct pgrp {
	struct ref ref;
	struct pid *pid;         /* (c) counted */
	struct session *session; /* (c) counted */
	struct list node;        /* (t) in session->pgrps */
	struct list members;     /* (t) struct process by pgrp_node */
};

/* ---- shared pieces -------------------------------------------------------------------------------- */

/* What CLONE_FS shares. */
struct fs_state {
	struct ref ref;
	struct mutex lock; /* LOCK_FS */
	struct path root, cwd; /* (lock) counted */
	uint32_t umask;    /* (lock) */
};

/* Namespaces other than user and pid-of-children; immutable, replaced as a whole. */
struct uts_ns {
	struct ref ref;
	struct latch latch;
	char nodename[65], domainname[65]; /* (latch) */
	struct user_ns *user_ns;
	uint64_t id;
};
struct ipc_ns;
struct net_ns;
struct time_ns; /* sentry/time/time_ns.h; NULL: the first, without offsets */

/*
 * A cgroup namespace (cgroup_namespaces(7)): the group that its members see as "/".  NULL: the first,
 * whose root is the container's.
 */
struct cgroup_ns {
	struct ref ref;
	struct user_ns *user_ns; /* (c) counted */
	struct cgrp *root;     /* (c) counted; NULL: the container's */
	uint64_t id;             /* (c) */
};

struct ns_set {
	struct ref ref;
	struct mnt_ns *mnt;
	struct uts_ns *uts;
	struct ipc_ns *ipc;
	struct net_ns *net;
	struct time_ns *time, *time_for_children;
	struct cgroup_ns *cgroup;
	struct pid_ns *pid_for_children;
};

/* What read and write calls moved, for /proc/PID/io. */
struct task_io {
	uint64_t rchar, wchar; /* bytes */
	uint64_t syscr, syscw; /* calls */
};
static inline void task_io_add(struct task_io *sum, const struct task_io *io)
{
	sum->rchar += __atomic_load_n(&io->rchar, __ATOMIC_RELAXED);
	sum->wchar += __atomic_load_n(&io->wchar, __ATOMIC_RELAXED);
	sum->syscr += __atomic_load_n(&io->syscr, __ATOMIC_RELAXED);
	sum->syscw += __atomic_load_n(&io->syscw, __ATOMIC_RELAXED);
}

/* ---- processes -------------------------------------------------------------------------------------- */

enum process_flags {
	PROCESS_GROUP_EXIT = 1 << 0, /* exit_group or fatal signal: all tasks leave */
	PROCESS_EXECED = 1 << 1,     /* did execve: setpgid by the parent is EACCES */
	PROCESS_SUBREAPER = 1 << 2,
	PROCESS_STOPPED = 1 << 3,    /* all tasks stopped or stopping */
	PROCESS_CONTINUED = 1 << 4,  /* to be reported to WCONTINUED */
	PROCESS_STOP_REPORT = 1 << 5, /* to be reported to WUNTRACED */
	PROCESS_SIG_UNKILLABLE = 1 << 6, /* a pid namespace's init */
	PROCESS_AUTOREAP = 1 << 7,   /* a dying init: children leave no zombies */
	PROCESS_TELL_CONTINUED = 1 << 8, /* the parent is still to be told */
	PROCESS_LISTS_SEEN = 1 << 9, /* ending as a whole: its robust lists were looked at … */
	PROCESS_LISTS_WALK = 1 << 10, /* … and hold something */
	PROCESS_THREADED = 1 << 11, /* has, or had, more than one task */
};

/* (t) tasklist.lock, (s) siglock, (c) constant, (a) atomic */
struct process {
	struct ref ref;
	struct pid *pid;             /* (c) counted; tgid */
	struct pid_ns *pid_ns;       /* (c) counted: the one its tgid is deepest in */
	struct container *container; /* (c) */
	struct cgrp *cgroup;       /* (t) counted: sentry/task/cgrp.h; NULL: no container */
	struct task *leader;         /* (t) counted; changes in execve by another thread */
	struct list tasks;           /* (t)+(s): struct task by process_node; both to change */
	unsigned int task_count;     /* (s) not yet exited */
	struct process *parent;      /* (t) real parent; counted */
	struct list children;        /* (t) struct process by sibling_node */
	struct list sibling_node;    /* (t) */
	struct pgrp *pgrp;           /* (t) counted */
	struct list pgrp_node;       /* (t) */
	bool no_tty;                 /* (t) gave its session's terminal up (TIOCNOTTY); inherited */
	struct timer kill_timer;     /* from the group's exit on: the host ends it if it does not itself */
	bool kill_armed;             /* (s) kill_timer was armed */
	bool kill_late;              /* (timer's fn) kill_timer has fired once */
	int exit_signal;             /* (t) to the parent: SIGCHLD as a rule; 0: none */
	unsigned int forking;        /* (t) tasks between clone_begin_locked() and clone_end_locked() */
	struct wq child_wq;          /* the parent waits here (wait4): woken on child state changes */
	enum { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_DEAD } state; /* (t) */
	int wait_status;             /* (t) once zombie */
	struct pid *creator;         /* (t) of the thread that made it, counted; NULL: the Sentry */
	unsigned int zombie_threads; /* (t) tasks beside the leader that their tracer is still to see */
	bool end_pending;            /* (t) zombie; the parent hears of it after tracers */
	bool owner_told;             /* (t) on_exit was called */
	bool thp_disabled;           /* (a) PR_SET_THP_DISABLE: kept and inherited, the host decides */

	struct latch siglock;
	uint32_t flags;              /* (s) to change, (a) to look: PROCESS_* */
	int group_exit_code;         /* (s) wait status when GROUP_EXIT */
	struct task *exec_task;      /* (s) in de_thread: all others leave; woken by the last */
	struct sig_table *actions;   /* (s) counted: sentry/signal/actions.c */
	struct sig_pending pending;  /* (s) process-directed */
	unsigned int stop_signal;    /* (s) */
	unsigned int stop_count;     /* (s) tasks that still have to stop */
	struct wq stop_wq;           /* stopped tasks sleep here */
	struct wq sig_wq;            /* sigtimedwait, signalfd */
	unsigned int queued_count;   /* (s) for RLIMIT_SIGPENDING */

	struct latch rlimit_latch;
	struct rlimit rlimits[16];   /* (rlimit_latch) RLIM_NLIMITS */

	struct mutex timers_lock;    /* LOCK_TIMER_CLIENT */
	struct process_timers *timers; /* itimers and POSIX timers (sentry/time), made on first use */

	/*
	 * Accounting; (t).  A host process knows what its threads have used, ended ones included: so utime_ns
	 * and the like are what came before the host process that runs now (process_usage_locked()).
	 */
	bool host_shared; /* made by CLONE_VM: it lives in another's host process, and its threads are counted one by one */
	bool host_charged; /* it ends, and a thread that leaves has taken what the host process used */
	int64_t utime_ns, stime_ns, child_utime_ns, child_stime_ns;
	uint64_t min_faults, maj_faults, child_min_faults, child_maj_faults;
	struct task_io io; /* of ended threads and reaped children, as Linux adds them up */
	uint64_t maxrss, child_maxrss; /* KB */
	int64_t start_ns;            /* (c) CLOCK_BOOTTIME */
	int oom_score_adj;           /* (a) */
	atomic_uint helpers;         /* (a) running for it: sentry/task/helper.h */
	/* Set for processes that the Sentry itself made (parent NULL, getppid() 0). */
	void (*on_exit)(struct process *p, void *arg); /* (c) on the last task's fiber, without locks */
	void *on_exit_arg;
};

/* ---- tasks ----------------------------------------------------------------------------------------- */

/* A look without siglock. */
static inline uint32_t process_flags(const struct process *p)
{
	return __atomic_load_n(&p->flags, __ATOMIC_RELAXED);
}

/* REQUIRES p->siglock, or that nobody else knows p yet. */
static inline void process_flags_change(struct process *p, uint32_t set, uint32_t clear)
{
	__atomic_store_n(&p->flags, (p->flags | set) & ~clear, __ATOMIC_RELAXED);
}

enum task_flags { /* atomics: looked at on the way back to the application */
	TASK_SIGPENDING = 1 << 0, /* something for sig_deliver() */
	TASK_STOP = 1 << 1,
	TASK_EXIT = 1 << 2,       /* group exit or de_thread wants it */
	TASK_RESTORE_MASK = 1 << 3,
	TASK_TRACED = 1 << 4,
	TASK_SECCOMP = 1 << 5,    /* seccomp_mode is set: calls are looked at */
	TASK_TRAP = 1 << 6,       /* a tracee is to stop for its tracer (ptrace_trap) */
};

/* (o) only its own fiber, (l) latch for writing by its own fiber and for reading by others */
struct task {
	struct ref ref;
	struct pid *pid;             /* (c) counted; tid */
	struct process *process;     /* (c) counted */
	struct list process_node;
	struct fiber *fiber;         /* (c) */
	struct waiter waiter;        /* (o) for interruptible sleeps */
	struct plat_thread *pt;      /* (l)+(s) to change, owned; others use it by task_pt_pin() */
	unsigned int pt_pins;        /* (l) */
	struct waiter *pt_waiter;    /* (l) its own fiber, waiting for pt_pins to be 0 */
	atomic_uint flags;           /* (a) TASK_* */
	char state;                  /* (a) as /proc shows it when asleep in the kernel: S, D, T, t, Z, X */

	struct latch latch;
	const struct cred *cred;     /* (l) owned */
	struct mm *mm;               /* (l) owned; NULL once exited */
	struct fdtable *fdt;         /* (l) owned */
	struct fs_state *fs;         /* (l) owned */
	struct ns_set *ns;           /* (l) owned */
	char comm[TASK_COMM_LEN];    /* (l) */

	struct vfs_ctx vfs;          /* (o) refreshed by task_vfs() */

	sig_set_t unbound_mask;      /* (s) blocked signals while there is no pt: see task_blocked() */
	sig_set_t real_blocked;      /* (s) blocked but for a sigtimedwait(2) that is going on */
	sig_set_t saved_mask;        /* (o) with TASK_RESTORE_MASK */
	struct sig_pending pending;  /* (s) */
	struct sig_altstack altstack; /* (o) */

	struct sem_undo_list *sem_undo; /* (o) counted; sentry/ipc/sem.c; NULL: none yet */
	int pdeath_signal;           /* (s) */
	bool starts;                 /* (c) was in the application before its fiber ran (plat_start) */
	bool no_new_privs;           /* (a) sticky */
	uint32_t login_uid, login_session; /* (o) /proc/PID/loginuid; session 0: not logged in */
	unsigned char seccomp_mode;  /* (s) enum seccomp_mode; only ever raised */
	struct seccomp_filter *seccomp; /* (s) counted; NULL: none (sentry/seccomp) */
	bool stop_counted;           /* (s) is one of process->stop_count */
	bool forking;                /* (t) makes a child that nobody finds yet … */
	sig_set_t fork_missed;       /* (t) … which is to have these signals of a group's */
	bool left;                   /* (s) on its way out: stops no more */
	struct ptrace_state ptrace;  /* as a tracee */
	struct list tracees;         /* (t) tasks that this one traces, by ptrace.node */
	uint32_t personality;        /* (o) */
	unsigned int mempolicy;      /* (o) set_mempolicy(2)'s mode with its flags */
	unsigned char mce_kill;      /* (o) PR_MCE_KILL's policy + 1; 0: the default */
	uint64_t timer_slack_ns, timer_slack_default_ns; /* (o) */

	struct {
		long (*fn)(struct task *t); /* what restart_syscall(2) does; NULL: EINTR */
		uint64_t args[6];
	} restart;                   /* (o) */

	struct frame_undo {
		int sig;             /* whose frame was set up since the application ran; 0: none */
		uint64_t sp, ip;     /* that it would go on with */
		uint64_t mask;
		struct sig_altstack altstack;
		plat_regs_t registers;
	} frame_undo;                /* (o) before it */

	uint64_t syscall_nr;         /* (o) of the call being served, ~0 outside: /proc/PID/syscall */
	uint64_t syscall_args[6];    /* (o) */
	int exit_status;             /* (t) wait status of this task */
	struct vfork *vfork;         /* (o) child: to be completed when it leaves its parent's mm */
	int nice;                    /* (a) virtual: -20..19 */
	int sched_policy, sched_priority; /* (a) virtual */
	bool sched_reset_on_fork;    /* (a) */
	uint64_t sched_runtime_ns, sched_deadline_ns, sched_period_ns; /* (a) SCHED_DEADLINE's */
	int ioprio;                  /* (a) virtual: class and level of ioprio_set(2) */
	struct task_keys keys;       /* keyrings(7); keys.lock */
	uint64_t cpu_mask[16];       /* (a) virtual affinity; all zero: every CPU of the container */
	uint64_t nvcsw, nivcsw;
	struct task_io io;           /* (a) */
	struct task_boot *boot;      /* (o) a first task that has not loaded its program yet */
	atomic_bool started;         /* (a) task_start() was called */
	int64_t start_ns;            /* (c) */
	struct plat_usage last;      /* (t) usage at its end; of a thread that nobody asks about: 0 */
	struct plat_usage charge;    /* (t) what process gets at t's end */
	bool leaving;                /* (t) charge counts, in place of what the host says */
	uint64_t fault_trapno, fault_error, fault_addr; /* (o) of the last fault, for signal frames */
	struct path held_root, held_cwd; /* (o) see task_vfs_shared_fs() */
};

struct tasklist {
	struct mutex lock; /* LOCK_TASKLIST */
	unsigned int task_count; /* all tasks of the sandbox */
};
extern struct tasklist tasklist;

/* What a new task takes over from its creator, and what it shares (clone(2) flags). */
struct clone_args_k {
	uint64_t flags;       /* CLONE_* without the signal */
	int exit_signal;
	uaddr_t stack;        /* 0: as the parent's */
	uaddr_t parent_tid, child_tid, pidfd, tls;
	const int32_t *set_tid;
	size_t set_tid_count;
	struct cgrp *cgroup;  /* borrowed: where the child begins; NULL: in its parent's group */
};
/* tid in the caller's namespace, or -errno.  On the parent's fiber. */
long task_clone(struct task *parent, const struct clone_args_k *a);

/*
 * The first task of a container, or one that joins it (exec), made by the control server.  The
 * program is loaded when task_new_init() returns, and runs after task_start(), which consumes the
 * caller's reference.  To give up instead: process_group_exit() and task_put().
 */
struct process_spec {
	struct container *container;
	struct pid_ns *pid_ns;    /* borrowed; a reference is taken */
	void (*on_exit)(struct process *p, void *arg); /* the Sentry reaps it: called once it is a zombie */
	void *on_exit_arg;
	const struct cred *cred;
	struct ns_set *ns;        /* borrowed */
	struct path root, cwd;    /* borrowed */
	uint32_t umask;
	struct fdtable *fdt;      /* consumed on success */
	const struct rlimit *rlimits; /* 16 */
	const char *exe;          /* path, looked up in PATH by the caller */
	char *const *argv, *const *envp;
	bool no_new_privs;
	struct tty *tty;          /* controlling terminal of the new session, or NULL */
	int oom_score_adj;
};
/* Loads the program too, so that "no such file" is known here.  e.g. -ENOENT, -EACCES, -ENOEXEC. */
int task_new_init(const struct process_spec *s, struct task **out) must_check;
void task_start(struct task *t);

struct task *task_get(struct task *t);
void task_put(struct task *t); /* accepts NULL */
/* Refresh t->vfs from t's cred, fs and ns; the context to pass to vfs functions.  Own fiber. */
struct vfs_ctx *task_vfs(struct task *t);

/* The memory that t's system calls copy from and to; a helper has no host thread of its own. */
static inline const struct uio_space *task_space(struct task *t)
{
	return t->pt ? plat_thread_space(t->pt) : plat_mm_space(t->mm->plat);
}

static inline struct task *ctx_task(const struct vfs_ctx *c)
{
	return c->task;
}

/* References for others to look at t; NULL once it has exited. */
struct mm *task_mm_get(struct task *t);
struct fdtable *task_fdt_get(struct task *t);
struct fs_state *task_fs_get(struct task *t);
struct ns_set *task_ns_get(struct task *t);
const struct cred *task_cred_get(struct task *t);
/* Swap in new credentials (consumed).  Own fiber. */
void task_set_cred(struct task *t, const struct cred *c);
void task_get_comm(struct task *t, char comm[static TASK_COMM_LEN]);
void task_set_comm(struct task *t, const char *comm);

/* Numbers as t's own pid namespace (or ns) sees them; tid, tgid, ppid. */
struct pid_ns *task_pid_ns(const struct task *t);
struct pid_ns *process_pid_ns(const struct process *p);
int32_t task_tid(const struct task *t);
int32_t task_tgid(const struct task *t);
int32_t task_tid_in(const struct task *t, const struct pid_ns *ns);
/* Let the platform answer getpid(2) and kin itself, as long as that is true; identity.c.  On t's fiber. */
void task_identity_offer(struct task *t);
int32_t process_nr_in(const struct process *p, const struct pid_ns *ns);
/* Found by number in t's namespace, with a reference, or NULL (ESRCH). */
struct task *task_lookup(struct pid_ns *ns, int32_t tid);
struct process *process_lookup(struct pid_ns *ns, int32_t tgid);
struct process *process_get(struct process *p);
void process_put(struct process *p); /* accepts NULL */
/* Iterate for /proc: the first process (task) with number >= from in ns, referenced, or NULL. */
struct process *process_next(struct pid_ns *ns, int32_t from, int32_t *nr);
struct task *process_next_task(struct process *p, struct pid_ns *ns, int32_t from, int32_t *nr);

uint64_t process_rlimit(struct process *p, int resource); /* soft */
static inline uint64_t task_rlimit(struct task *t, int resource)
{
	return process_rlimit(t->process, resource);
}
bool task_capable(struct task *t, int cap); /* in the sandbox's first user namespace */
bool task_ns_capable(struct task *t, int cap); /* in t's own user namespace */
/* ptrace_may_access(7)'s rule, for /proc and process_vm_*. */
enum ptrace_mode { PTRACE_READ = 1, PTRACE_ATTACH_ = 2, PTRACE_FSCREDS = 8, PTRACE_REALCREDS = 16 };
bool task_may_access(struct task *t, struct task *target, unsigned int mode);

/*
 * A task leaves in one place, at the end of task_main().  These only ask for it: t's own exit
 * (status: a wait status), or that of every task of p (from anywhere; the first status counts).
 */
void task_exit_request(struct task *t, int status);
void process_group_exit(struct process *p, int status);
void process_group_exit_locked(struct process *p, int status); /* siglock held */
/* See that p, whose stubs have been told to end, does end.  siglock held; cancelled by task_leave(). */
void process_kill_timer_arm_locked(struct process *p);
/* Asked to leave: sleeps that only a kill may end test this. */
bool task_exiting(struct task *t);
/* execve: on success the task's registers are the new program's and 0 is returned. */
long task_exec(struct task *t, const struct path *at, const char *name, char *const *argv,
	       char *const *envp, int at_flags);

/*
 * Another task's platform thread: it stays until unpinned, so be quick.  NULL: it has none (any
 * more).  task_pt_drain(), on its own fiber after a change of t->pt: nobody uses the old one.
 */
struct plat_thread *task_pt_pin(struct task *t) must_check;
void task_pt_unpin(struct task *t);
void task_pt_drain(struct task *t);
/* Whether its container has a memory limit (as it is now). */
bool task_memory_limited(const struct task *t);
/* Address of t's list of robust futexes; 0: none. */
uint64_t task_robust_list(struct task *t);
/* What t's host thread has used, or had at its end. */
void task_usage(struct task *t, struct plat_usage *out);
/* A native futex wait has its thread asleep, as far as one can tell. */
bool task_waits_natively(struct task *t);
/* A read or write call of t's has ended with n.  Own fiber. */
static inline void task_count_io(uint64_t *bytes, uint64_t *calls, long n)
{
	/* One writer; readers want no torn values, no order. */
	__atomic_store_n(calls, *calls + 1, __ATOMIC_RELAXED);
	if (n > 0)
		__atomic_store_n(bytes, *bytes + (uint64_t)n, __ATOMIC_RELAXED);
}
static inline void task_count_read(struct task *t, long n)
{
	task_count_io(&t->io.rchar, &t->io.syscr, n);
}
static inline void task_count_write(struct task *t, long n)
{
	task_count_io(&t->io.wchar, &t->io.syscw, n);
}

/* What p has used so far, running tasks included, children not.  tasklist.lock held. */
void process_usage_locked(struct process *p, struct plat_usage *out);
/*
 * Own fiber, tasklist.lock held: what p is to be charged with when t leaves its host process (last: p's
 * last thread there).  0 where the host keeps count.  Once a task and host process.
 */
void task_host_usage_locked(struct task *t, bool last, struct plat_usage *out);
void process_charge_locked(struct process *p, const struct plat_usage *u);
/* The CPU time of it; takes tasklist.lock. */
void process_cpu_time(struct process *p, int64_t *utime_ns, int64_t *stime_ns);
void task_cpu_time(struct task *t, int64_t *utime_ns, int64_t *stime_ns);
