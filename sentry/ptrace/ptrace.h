/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace.h: one task watches another (ptrace(2)).
 *
 * A tracer is a task, and so is a tracee; the link between them (ptrace.tracer, ptrace.node in the
 * tracer's `tracees`) is changed under tasklist.lock and the siglock of the tracee's process, and
 * ended by detaching, by the tracer's end, or by the tracee being reaped.  A tracee that is not its
 * process's leader stays as a zombie task until its tracer has waited for it.
 *
 * A stop: the tracee's fiber publishes what it stopped for (under siglock), tells its tracer, and
 * sleeps in ptrace_stop() until it is let go.  Its registers are those of its plat_thread, its memory
 * is read and written by the tracer's fiber.  What only the tracee's own fiber can do (host calls in
 * its address space: ptrace_borrow()) it does from within that sleep.
 *
 * In a stop within a system call registers look as inside Linux: orig_rax is the call's number, rax
 * -ENOSYS at entry, the result (or a restart code) later; signal/deliver.c and task/task.c go on from
 * what the tracer leaves there.
 *
 * Single steps are the CPU's (TF): set for a run, and taken out of the registers after it.
 *
 * A tracee's calls all come to the Sentry (plat_mm_set_native off), from its attachment to its next
 * execve, as other tracees may share its memory.
 *
 * Locks as in task.h: tasklist.lock → siglock → task->latch.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/wq.h"

struct task;
struct process;
struct ptrace_work;

enum ptrace_mode_run { PTRACE_RUN, PTRACE_RUN_SYSCALL, PTRACE_RUN_SYSEMU };

/* What a syscall-stop is, for PTRACE_GET_SYSCALL_INFO and PTRACE_GETEVENTMSG. */
enum ptrace_syscall_op { PTRACE_OP_NONE, PTRACE_OP_ENTRY, PTRACE_OP_EXIT, PTRACE_OP_SECCOMP };

/* In each task.  (t) tasklist.lock and siglock to change, either to read; (s) siglock; (o) own fiber;
 * (x) own fiber, and its tracer's while stopped */
struct ptrace_state {
	struct task *tracer;   /* (t) */
	struct list node;      /* tasklist.lock: in tracer->tracees */
	uint32_t options;      /* (s) PTRACE_O_* */
	bool seized;           /* (t) */
	bool listening;        /* (s) PTRACE_LISTEN: stopped, but not for the tracer's requests */
	bool report;           /* (s) wait has not told of this stop yet */
	bool exiting;          /* (s) the stop is the exit stop */
	bool killed;           /* (s) SIGKILL came in it */
	bool retrap;           /* (s) seized: tell of SIGCONT, or PTRACE_INTERRUPT */
	atomic_bool stopped;   /* (s) to change */
	struct wq wq;          /* the tracee sleeps here */
	uint32_t code;         /* (s) what wait says: a signal, with event bits above it */
	int why;               /* (s) CLD_TRAPPED or CLD_STOPPED */
	bool has_info;         /* (x) */
	siginfo_t info;        /* (x) */
	uint64_t message;      /* (x) */
	enum ptrace_syscall_op op; /* (x) */
	uint32_t seccomp_data; /* (x) */
	enum ptrace_mode_run run; /* (x) how it was let go */
	bool step;             /* (x) */
	bool step_armed;       /* (o) TF is set in the registers of this run */
	uint64_t dr[8];        /* (x) debug registers: debugreg.c */
	uint64_t watched[4];   /* (o) what was at dr[0..3] before this run */
	int inject;            /* (x) signal to go on with */
	struct ptrace_work *work; /* (s) */
};

void ptrace_task_init(struct task *t);

/* ---- links (link.c) ------------------------------------------------------------------------------ */

long ptrace_attach(struct task *t, struct task *target, bool seize, uint32_t options);
long ptrace_traceme(struct task *t);
/* tasklist.lock held: t is traced no more; if stopped it goes on with sig. */
void ptrace_detach_locked(struct task *tracee, int sig);
/* tasklist.lock held: t has left; its tracees are let go, or killed (PTRACE_O_EXITKILL). */
void ptrace_tracer_exit_locked(struct task *t);
/* Which event a clone is for its tracer, or 0; flags: clone's. */
int ptrace_clone_event(struct task *parent, uint64_t flags, int exit_signal);
/* tasklist.lock held: a child that is traced from the start. */
void ptrace_clone_link_locked(struct task *parent, struct task *child);
/* Whether t may gain rights by execve: not if its tracer could not have attached to it then. */
bool ptrace_allows_setid(struct task *t);
/* tracee is traced by a thread of p. */
bool ptrace_is_traced_by(const struct task *tracee, const struct process *p);

/* ---- stops (stop.c), on the tracee's fiber -------------------------------------------------------- */

bool ptrace_event_enabled(struct task *t, int event);
/* PTRACE_EVENT_*: stop if the tracer wants it. */
void ptrace_event(struct task *t, int event, uint64_t message);
/* t's end; status is its wait status.  No stop for the killed. */
void ptrace_exit_event(struct task *t, int status);
/* A signal about to be delivered: what to deliver instead, 0 for none.  info may change. */
int ptrace_signal(struct task *t, int sig, siginfo_t *info);
/* TASK_STOP (group is set) or TASK_TRAP was found. */
void ptrace_trap(struct task *t, int stop_signal);
void ptrace_syscall_stop(struct task *t, enum ptrace_syscall_op op);
/* A handler's frame is there, and t is single-stepped: stop before its first instruction. */
void ptrace_handler_step(struct task *t);
/* Before and after a run of the application. */
void ptrace_before_run(struct task *t);
void ptrace_after_run(struct task *t);

/* ---- debug registers (debugreg.c) ---------------------------------------------------------------- */

struct plat_event;
/* x is stopped for its tracer.  -EIO, -EINVAL. */
long ptrace_debugreg_set(struct task *x, unsigned int n, uint64_t word);
/* A breakpoint or watchpoint is on: t has to be stepped.  On t's fiber. */
bool ptrace_debugreg_active(const struct task *t);
void ptrace_debugreg_before_run(struct task *t);
/*
 * A fault of t's.  True: it is only our own step, nothing was hit and nobody wants to know.  Else ev may
 * have become the trap of a breakpoint.
 */
bool ptrace_debugreg_swallows(struct task *t, struct plat_event *ev);

/* siglock held.  SIGCONT for p; SIGKILL for p that is ending. */
void ptrace_continued_locked(struct process *p);
void ptrace_killed_locked(struct process *p);

/* ---- the tracer's side ---------------------------------------------------------------------------- */

/* siglock of tracee's process held: let it go on. */
void ptrace_resume_locked(struct task *tracee, int sig);
/* siglock held: make it come to ptrace_trap(). */
void ptrace_trap_locked(struct task *tracee);
/*
 * Have tracee's fiber call fn from within its stop.  -ESRCH when it is not stopped (any more).
 */
long ptrace_borrow(struct task *tracee, long (*fn)(struct task *tracee, void *arg), void *arg);
/* Any tracee of t's process that is stopped and shares mm, referenced; NULL. */
struct mm;
struct task *ptrace_stopped_in(struct task *t, struct mm *mm);
