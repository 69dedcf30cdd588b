/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal.h: signals (signal(7)), sent, queued, and delivered on a task's way back to the
 * application.
 *
 * Everything a sender touches (pending sets and queues, masks, dispositions, stop state) is under
 * the process's siglock, a latch: so timers and wait-queue callbacks may send.  Queue entries are
 * allocated before it is taken.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/util.h"

struct task;
struct process;
struct pgrp;
struct cred;

#define SIG_COUNT 64

typedef uint64_t sig_set_t; /* bit n-1: signal n, as in the kernel's sigset_t */
#define SIG_BIT(sig)   (1ULL << ((sig) - 1))
#define SIG_UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))

/* The kernel's struct sigaction and stack_t for x86-64. */
struct sig_action {
	uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
	uint64_t flags;   /* SA_* */
	uint64_t restorer;
	sig_set_t mask;
};
_Static_assert(sizeof(struct sig_action) == 32, "x86-64 ABI");

struct sig_altstack {
	uint64_t sp;
	int32_t flags;
	uint32_t pad;
	uint64_t size;
};
_Static_assert(sizeof(struct sig_altstack) == 24, "x86-64 ABI");

struct sig_queued {
	struct list node;
	siginfo_t info;
	/* NULL: freed.  Else it stays its owner's, who is told, under siglock, just before its info is
	 * delivered or when it is dropped (POSIX timers reuse theirs). */
	void (*gone)(struct sig_queued *q);
	bool queued;
};

struct sig_pending {
	sig_set_t set;
	struct list queue; /* of struct sig_queued */
};

/*
 * Send.  info NULL means SI_KERNEL.  sig 0 only checks.  None of these check permission:
 * sig_may_send() does.  From any thread.  0; -EAGAIN (queue limit, real-time signals only).
 */
int sig_send_task(struct task *t, int sig, const siginfo_t *info);
int sig_send_process(struct process *p, int sig, const siginfo_t *info);
/* As from the kernel; near (or NULL): the thread that takes it unless it has it blocked. */
int sig_send_process_near(struct process *p, struct task *near, int sig);
/* SIGKILL and SIGSTOP from an ancestor pid namespace: reach even an init. */
int sig_send_process_forced(struct process *p, int sig);
/* sig was sent to all of a group with p in it: a child that p is just making is of them.  tasklist lock held. */
void sig_reach_forks_locked(struct process *p, int sig);
/* Every member; tasklist lock held.  Terminals. */
int sig_send_pgrp_locked(struct pgrp *g, int sig, const siginfo_t *info);
/* Send q itself, preallocated and owned by the sender (POSIX timers); false when already queued. */
bool sig_send_preallocated(struct process *p, struct task *only, struct sig_queued *q);
/* Take back a preallocated entry that is still queued. */
void sig_unqueue(struct process *p, struct sig_queued *q);
/* kill(2)'s rule. */
bool sig_may_send(const struct cred *from, struct process *to, int sig);
/* A landlock domain of t's keeps its signals from p. */
bool sig_scoped(struct task *t, struct process *p);
/* Synchronous fault of t itself: can't be blocked or ignored (force_sig_info). */
void sig_force(struct task *t, const siginfo_t *info);
/* After PLAT_FAULT with fault.frame: as if the frames since the application ran were not.  The first one's signal, or 0. */
int sig_frame_undo(struct task *t);

/* t's process ends by sig as by its default action, whatever is set for it.  Own fiber. */
void sig_force_exit(struct task *t, int sig);

/* Anything for t to do before it returns to the application?  Latch-free hint. */
bool sig_pending_work(struct task *t);
/* A signal that would be delivered now, given the mask. */
bool sig_pending(struct task *t);
/*
 * t's own fiber, before plat_run: deliver what is due (may build a frame, stop the task, or not
 * return because the task ended).  result: the system call's, to be restarted or turned into
 * EINTR; in_syscall false after faults and kicks.
 */
void sig_deliver(struct task *t, bool in_syscall, long result);

/*
 * What t blocks.  It lies with t's stub (plat_sigmask()), whose rt_sigprocmask(2) does not come here
 * unless a signal concerned is pending.  By t's own fiber while it works, or with siglock held.
 */
sig_set_t task_blocked(const struct task *t);
void task_set_blocked_locked(struct task *t, sig_set_t mask);
/* Masks.  set_temporary (ppoll, pselect, epoll_pwait, sigsuspend): restored at the next delivery
 * or, when none came, by sig_mask_restore(). */
void sig_mask_set(struct task *t, sig_set_t mask);
void sig_mask_set_temporary(struct task *t, sig_set_t mask);
void sig_mask_restore(struct task *t);
/*
 * For ppoll and kin: read a sigset of the given size from the application (NULL address: no
 * change; size must be 8, else -EINVAL) and set it temporarily.
 */
int sig_mask_from_user(struct task *t, uaddr_t mask, size_t size);

/* Take one pending signal of set (sigtimedwait, signalfd); 0 when none.  info is filled. */
int sig_dequeue(struct task *t, sig_set_t set, siginfo_t *info);
/* Drop all pending and reset caught dispositions for execve. */
void sig_exec(struct task *t);
/* For signalfd and sigtimedwait: entries stand here; woken with POLLIN when a signal comes. */
struct wq *sig_wq(struct process *p);
