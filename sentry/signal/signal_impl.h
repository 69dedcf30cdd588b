/* SPDX-License-Identifier: Apache-2.0 */
/* signal_impl.h: what sentry/signal/ and sentry/task/ share. */
#pragma once

#include "sentry/task/task.h"

#define SIG_HANDLER_DFL 0ull
#define SIG_HANDLER_IGN 1ull

struct sig_table {
	struct ref ref;
	struct latch latch;
	struct sig_action action[SIG_COUNT]; /* (latch) */
};

/* Default actions, by set (signal(7)). */
#define SIG_SET_STOP (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define SIG_SET_IGNORE (SIG_BIT(SIGCONT) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGURG))
#define SIG_SET_CORE                                                                           \
	(SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) |            \
	 SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGSYS) |              \
	 SIG_BIT(SIGXCPU) | SIG_BIT(SIGXFSZ))
#define SIG_SET_SYNC                                                                           \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) |             \
	 SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))

/* actions.c */
/* New, with one reference; NULL: no memory. */
struct sig_table *sig_table_new(void) must_check;
void sig_table_put(struct sig_table *s);
/* clone: p, which nobody knows yet, gets from's actions, or shares them (CLONE_SIGHAND, CLONE_CLEAR_SIGHAND). */
void sig_actions_inherit(struct process *p, struct process *from, uint64_t flags);
/* Whether another process uses p's table. */
bool sig_actions_shared(struct process *p);
/* execve: a table of its own, with every caught signal at its default.  -ENOMEM. */
int sig_actions_exec(struct process *p) must_check;
/* p's siglock held. */
struct sig_action sig_action_locked(const struct process *p, int sig);
void sig_action_set_locked(struct process *p, int sig, const struct sig_action *a);
/* The same for who is about to call the handler: SA_RESETHAND takes effect. */
struct sig_action sig_action_take_locked(struct process *p, int sig);
/* Takes the siglock. */
struct sig_action sig_action_of(struct process *p, int sig);
/*
 * The stub of a process's only thread may keep what rt_sigaction(2) did to signals that have the default action
 * (plat_sigplain_offer()).  Own fiber: take it into the process's actions, before these are looked at or copied
 * as a whole; and offer anew.  What such a signal does is the same either way.
 */
void sig_actions_collect(struct task *t);
void sig_actions_offer(struct task *t);
/* The same for a child that is not there yet, and has the process p to itself. */
void sig_actions_offer_child(struct process *p, struct plat_thread *pt);
/* Drop all entries of a pending set; siglock held, or nobody else knows it. */
void sig_pending_flush(struct process *p, struct sig_pending *q, sig_set_t which);
/* Signals of `which` that are pending for the process, and that t no longer takes, find another task.  siglock held. */
void sig_retarget_locked(struct task *t, sig_set_t which);
/*
 * t leaves while others stay: hand its claim on process-directed signals on.  siglock held.  True if a
 * group's stop waited only for t: then sig_tell_stopped() once the lock is free.
 */
bool sig_leave_locked(struct task *t) must_check;
/* The group has stopped: its parent is told, unless that is told as a tracer.  Takes tasklist.lock. */
void sig_tell_stopped(struct task *t, int sig);
/* t has left: free what is still queued for it. */
void sig_flush(struct task *t);
/* PR_SET_PDEATHSIG of c's tasks.  tasklist lock held. */
void sig_parent_died_locked(struct process *c);
/* A pending signal of set that t may take now, or 0; removes it.  siglock held. */
int sig_dequeue_locked(struct task *t, sig_set_t set, siginfo_t *info);
/* Set TASK_SIGPENDING if something is due, and what t's stub must not (un)block by itself.  siglock held. */
void sig_recalc_locked(struct task *t);

/*
 * Architecture: build the frame for a handler on the application's stack and point the registers
 * at it; restore from it.  restore returns rax or, for a bad frame, -EFAULT.
 */
int sig_frame_setup(struct task *t, int sig, const struct sig_action *a, const siginfo_t *info,
		    sig_set_t saved_mask);
long sig_frame_restore(struct task *t);
/* sigaltstack(2)'s rules; -EPERM on the stack in use, -EINVAL, -ENOMEM. */
int sig_altstack_set(struct task *t, const struct sig_altstack *ss, uint64_t sp);
bool sig_on_altstack(const struct task *t, uint64_t sp);
