/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace_impl.h: the `ptrace` platform: application threads are traced by the Sentry.  For hosts
 * without seccomp user-notification, and the reference to compare `notify` with.
 *
 * The application runs under PTRACE_SYSEMU: each of its system calls stops it before the host has
 * looked at the call, which is then never made.  Faults are signal-delivery-stops; a kick is a SIGURG
 * that is never delivered.  There is no channel and no stub but two pieces of text (x86_64/text.S) at
 * STUB_TEXT, on which a stopped thread can be set:
 *
 *     syscall; int3                       a host call in the application's name
 *     lock cmpxchg %edx, (%rdi); int3     for robust futexes
 *
 * Memory calls and futexes are so made natively (stub/native_rules.h), by moving the thread there,
 * PTRACE_CONT, and the stop at the int3.  The two walls: under SYSEMU no call of the application is
 * ever made, wherever its instruction stands; and the filter (platform/stub_filter.h) lets nothing
 * through but calls from the stub's text that can't reach outside the process, also after the Sentry
 * has died (which PTRACE_O_EXITKILL makes the stubs' end as well).
 *
 * One host thread, the tracer, must make all ptrace calls: it is the first worker, which alone may
 * receive (worker_hooks.first_only).  A fiber that has something to do to a thread first hops to it
 * (tracer_enter()); since the receiver runs the fiber of whatever stopped, and drains the run queue,
 * most are there anyhow.  So what is marked (w) needs no lock.
 *
 *     NEW ──plat_start, plat_clone──▶ KERNEL ──plat_run──▶ APP ──stop──▶ KERNEL …
 *     any ──host thread gone, plat_thread_exit──▶ DEAD
 *
 * In KERNEL the host thread stands in a ptrace-stop, except while it carries out an order.
 *
 * Who may touch a member: (c) constant once started, (l) the latch, (m) mm->latch, (w) the tracer's
 * worker, (f) the fiber while it works.  Latch order: mm, thread.
 */
#pragma once

#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "lib/fiber.h"
#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "platform/arch/x86_64/fpstate.h"
#include "platform/host.h"
#include "platform/platform_impl.h"
#include "platform/stub/abi.h"
#include "platform/stub/native_rules.h"

/* Descriptors handed over at a time: HOST_FDS_MAX, at numbers from 1 on.  0 is the socket. */
#define TRACED_FDS_FIRST 1

enum traced_state { TRACED_NEW, TRACED_KERNEL, TRACED_APP, TRACED_DEAD };

/* What a host thread does while it is not stopped. */
enum traced_mode {
	TRACED_RUNS,    /* the application's code */
	TRACED_ORDER,   /* something that its fiber waits for */
	TRACED_NATIVE,  /* a host call in the application's name */
	TRACED_AFTER,   /* what such a call needs after it: advice, or its undoing */
	TRACED_WAITS,   /* a futex wait in the application's name */
	TRACED_LEAVES,  /* exit */
};

struct plat_mm {
	struct ref refs;               /* of the memory: users, threads, the table */
	struct ref users;              /* who holds it by platform.h; none: its process is killed */
	struct latch latch;
	struct uio_space space;        /* (c) */
	pid_t pid;                     /* (m) 0: not started */
	bool killed, dead;             /* (m) */
	int wait_status;               /* (m) when dead */
	struct list threads;           /* (m) of plat_thread.in_mm: those in KERNEL or APP */
	uint32_t live_threads;         /* (m) */
	bool native;                   /* (m) */
	struct plat_identity identity; /* (m) */
	struct hash_node by_pid;       /* (w) */
};

struct plat_thread {
	struct ref refs;
	struct latch latch;
	struct plat_mm *mm;            /* (c) */
	struct fiber *fiber;           /* (c) but for the zygote */
	enum traced_state state;       /* (l) */
	pid_t tid;                     /* (l), written by (w); 0: none or gone */
	bool kicked;                   /* (l) since the last event */
	struct stub_own own;           /* atomic words */
	struct list in_mm;             /* (m) */

	struct hash_node by_tid;       /* (w) */
	bool arrived;                  /* (w) its first stop was seen */
	bool suspended;                /* (w) the fiber waits for what this thread does next */
	enum traced_mode mode;         /* (w) */
	struct plat_thread *child;     /* (w) a clone is on order for it */
	struct fiber *creator;         /* (w) waits for this thread's first stop */
	plat_regs_t now;               /* (w) the host thread's registers as last read */
	struct native_call native;     /* (w) TRACED_NATIVE … TRACED_WAITS */
	long native_result;            /* (w) TRACED_AFTER; of a PI futex's wait, then (f) */
	bool native_report;            /* (w) tell the Sentry when done */
	int wait_status;               /* (w) when it has gone */

	plat_regs_t registers;         /* (f), and (w) while the application runs */
	bool fpu_init;                 /* (f) load the initial FPU state at the next run */
	bool result_set, regs_set;     /* (f) since the last event */
	bool in_wait;                  /* (f) the last event came from a futex wait, which can go on */
	plat_regs_t wait_seen, wait_regs; /* as in_wait: what was reported; the host thread's own */
	bool native_ordered;           /* (f) the next run makes call native_nr */
	bool native_ordered_report;    /* (f) */
	uint64_t native_nr;            /* (f) */
	uint64_t native_asked;         /* as native: the application's call, which native may do by another */
	bool pi;                       /* as event: a PI futex call is at work … */
	bool pi_turn;                  /* … and it is the fiber's turn */
	bool pi_waits;                 /* (f) the next run waits, as `native` says */
	uint8_t pi_step;               /* (f) futex.c */
	uint32_t pi_tid;               /* (f) what the word holds when we own it */
	struct plat_event event;       /* written by (w), then (f) */
	plat_regs_t order_regs;        /* (f) where the order starts */
	bool order_fault;              /* as order_regs: it faulted */
};

/* Who looks at it from elsewhere sees from own.waits that it sleeps. */
static inline void traced_mode_set(struct plat_thread *pt, enum traced_mode mode)
{
	pt->mode = mode;
	__atomic_store_n(&pt->own.waits, mode == TRACED_WAITS, __ATOMIC_RELAXED);
}

struct tracer {
	pid_t self;                   /* (c) the Sentry's pid */
	pid_t zygote_pid;             /* (c) */
	int send_fd, drain_fd;        /* (c) our end of the socket, and the stubs' */
	struct stub_const consts;     /* (c) */
	struct fpstate_info fpstate;  /* (c) */
	size_t regset_size;           /* (c) of NT_X86_XSTATE; 0: there is none */
	void (*lost)(void);           /* (c) plat_config.lost */
	struct plat_mm *zygote_mm;    /* (c) */
	struct plat_thread *zygote;   /* (c) */
	/*
	 * Held over [send descriptors, receive, map, close] and over a fork: one message at a time is on
	 * the socket, which all stubs share, and no child is born with descriptors of a mapping under way.
	 * It guards the zygote, too.
	 */
	struct mutex files;
	struct hash by_tid, by_pid;   /* (w) */
};
extern struct tracer tracer;

static inline long tracer_call(int request, pid_t tid, uintptr_t addr, const void *data)
{
	return host_call4(SYS_ptrace, request, tid, (long)addr, (long)data);
}

/* text.S, as laid out at STUB_TEXT: offsets from traced_text. */
extern const char traced_text[], traced_text_end[];
extern const char traced_text_syscall[], traced_text_cmpxchg[], traced_text_zygote[];
extern const char traced_text_idle[];
static inline uint64_t traced_text_at(const char *label)
{
	return STUB_TEXT + (uint64_t)(label - traced_text);
}

/* zygote.c */
int tracer_init(const struct plat_config *c) must_check;

/* tracer.c */
extern const struct worker_hooks tracer_hooks;
/* Continue on the tracer's worker.  On a fiber; may sleep.  Good until the fiber next sleeps. */
void tracer_enter(void);
/* REQUIRES the tracer's worker, for all that follows. */
/* The new host thread tid, cloned by order, is child. */
void tracer_adopt(struct plat_thread *child, pid_t tid);
/* A clone is on order, or no more: host threads that nobody knows yet are kept in mind meanwhile. */
void tracer_clone_begin(void);
void tracer_clone_end(void);

/* thread.c, for tracer.c; true: a fiber was run */
bool traced_stopped(struct plat_thread *pt, int status) must_check;
void traced_gone(struct plat_thread *pt, int status);
void traced_read_regs(struct plat_thread *pt);
/* Load its registers, and let the application run. */
void traced_go_on(struct plat_thread *pt);
/* Set it on the stub's text, as mode, with the registers r as far as they matter. */
void traced_inject(struct plat_thread *pt, enum traced_mode mode, const plat_regs_t *r);
void traced_resume(struct plat_thread *pt, int sig);
/* Its fiber's turn: the event is in pt->event. */
bool traced_report(struct plat_thread *pt);

/* native.c */
/* The application's call is one that is made natively, and is answered or under way.  *ran: a fiber was run. */
bool traced_native_call(struct plat_thread *pt, bool *ran);
/* Begin the wait that pt->native says, of a PI futex. */
void traced_pi_wait(struct plat_thread *pt);
/* The call that plat_native_call() asked for, in the commit of a run. */
void traced_native_ordered(struct plat_thread *pt);
/* It has come to the int3. */
bool traced_native_done(struct plat_thread *pt);
/* A futex wait was kicked: the event. */
void traced_wait_kicked(struct plat_thread *pt);
/* Whether the fiber wants the interrupted wait to go on; then it does. */
bool traced_wait_goes_on(struct plat_thread *pt);

/* futex.c */
/* Whether it is a PI operation; begin one: it is the fiber's turn. */
bool traced_pi_is(uint64_t nr, uint64_t op);
void traced_pi_begin(struct plat_thread *pt);
/* On the fiber.  True: the call's result.  False: the next run waits. */
bool traced_pi_step(struct plat_thread *pt, long *result) must_check;

/* order.c: on the thread's fiber.  -ESRCH: it is gone.  All go to the tracer's worker. */
int traced_order_call(struct plat_thread *pt, uint64_t nr, const uint64_t args[6], long *result)
	must_check;
/* *old: in, what is expected; out, what was there.  -EFAULT. */
int traced_order_cmpxchg(struct plat_thread *pt, uint64_t addr, uint32_t *old, uint32_t value)
	must_check;
int traced_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count);
int traced_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		 const struct plat_start *start);
int traced_start(struct plat_thread *pt);
int traced_mm_reset(struct plat_thread *pt);

/* exit.c */
void traced_exit_work(struct plat_thread *pt, uint64_t clear_tid, uint64_t robust_list, pid_t tid);

/* mm.c */
int traced_mm_new(struct plat_mm **out);
void traced_mm_get(struct plat_mm *mm);
void traced_mm_put(struct plat_mm *mm);
void traced_mm_kill(struct plat_mm *mm);
pid_t traced_mm_tid(struct plat_mm *mm);
void traced_mm_unref(struct plat_mm *mm);
uint64_t traced_mm_hidden_bytes(struct plat_mm *mm);
/* Its process is gone. */
void traced_mm_died(struct plat_mm *mm, int wait_status);

/* thread.c */
int traced_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out);
void traced_thread_put(struct plat_thread *pt);
bool traced_is_dead(struct plat_thread *pt);
