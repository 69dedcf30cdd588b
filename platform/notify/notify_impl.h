/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_impl.h: the `notify` platform: in-process stub, channel, seccomp user-notification as the
 * doorbell.  README.md has the picture of a trap.
 *
 * Life of a plat_thread, as the Sentry sees it (pt->state, under pt->latch):
 *
 *     NEW ──plat_start, plat_clone──▶ KERNEL ──commit: reply published──▶ APP
 *                                       ▲                                  │
 *                                       └────── request received ──────────┘
 *     any ──process died, plat_thread_exit──▶ DEAD
 *
 * In KERNEL the fiber is at work and the stub waits: in the doorbell while pt->notif_id is set, else
 * ("parked") on the futex word reply_seq of its slot.  In APP the fiber is suspended; whoever moves
 * the state out of APP, under the latch, is the one that runs or resumes it.
 *
 * A clone's child exists for us when plat_clone makes it (KERNEL, tid 0); the host thread arrives by
 * its first doorbell, with the cookie.  A reply that is given before that is published at once, since
 * the slot is there; the stub finds it when it has mapped its channel.
 *
 * A thread with struct plat_start says no hello: it goes on with what its creator's stub gave it, and
 * is STARTED until its fiber waits for it (then APP) or it asks for something (then KERNEL; the fiber
 * finds the request).  Its tid comes with the creator's report or its own first doorbell.
 *
 * Latch order: tables, mm, thread.  None is held over a host call but futex wake-ups.
 *
 * What is read from a slot is hostile: copied once into pt->request, then checked.
 */
#pragma once

#include <stdatomic.h>
#include <linux/seccomp.h>

#include "lib/fiber.h"
#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "platform/arch/x86_64/fpstate.h"
#include "platform/notify/patch.h"
#include "platform/platform_impl.h"
#include "platform/stub/abi.h"

enum notify_state { NOTIFY_NEW, NOTIFY_STARTED, NOTIFY_APP, NOTIFY_KERNEL, NOTIFY_DEAD };

/* Use of a channel's slot (and of the area with its index), under mm->latch. */
enum notify_slot {
	NOTIFY_SLOT_NONE,  /* never used: no area */
	NOTIFY_SLOT_USED,
	NOTIFY_SLOT_DYING, /* the host thread has been told to end; free when slot->live is 0 */
};

/* Who may touch a member: (c) constant once started, (m) mm->latch, (t) tables' latch, (a) atomic. */
struct plat_mm {
	struct ref refs;
	struct latch latch;
	struct uio_space space;       /* (c) */
	uint8_t *channel;             /* (c) the whole memfd, mapped; NULL until started */
	int memfd;                    /* (c) */
	int process_fd;               /* (c) the process page's file */
	struct stub_process *process; /* (c) our mapping of it, the only one that can be written */
	uint8_t *slots;               /* (m) enum notify_slot of each of slot_count */
	uint32_t slot_count;          /* (m) */
	struct list threads;          /* (m) of plat_thread.in_mm: those that are not NEW and not DEAD */
	uint32_t live_threads;        /* (m) */
	pid_t pid;                    /* (m) 0 until the process has arrived */
	pid_t pid_hint;               /* (m) what the parent's stub said; for deaths before arrival */
	bool killed, dead;            /* (m) kill at arrival; gone */
	bool from_zygote;             /* (m) its first process is not a fork of an application's */
	bool overdue;                 /* (m) somebody waited in vain for its arrival */
	int wait_status;              /* (m) when dead */
	struct list arrival;          /* (m) of fibers that wait for pid, or death: struct arrival */
	struct hash_node by_pid;      /* (t) in the table if pid */
	bool in_by_pid;               /* (t) */
	bool native, clocks_off;      /* (m) */
	atomic_bool populate;         /* plat_mm_set_populate() */
	struct mutex patch_mutex;     /* see patch.h */
	struct mutex fds_mutex;       /* LOCK_LEAF: the stub's descriptors 0… are one thread's at a time */
	struct patch *patch;          /* (m) NULL until the first trap that counts */
	struct plat_identity identity; /* (m) */
};

/* What the stub said, copied once. */
struct notify_request {
	uint32_t kind;
	uint32_t nr;
	uint32_t window; /* as in the slot */
	bool compat;
	bool brief; /* a call from a patched site: no more is copied, pt->registers are late */
	uint64_t args[6];
	uint32_t sig, code;
	uint64_t fault_addr, trapno, error, fpstate;
	int64_t done;
	struct stub_regs regs;
};

/* A window of the system call at work, checked; syscall-tables/marshal.h. */
struct notify_window {
	uint64_t addr;
	uint32_t size, offset; /* in the slot's data */
	uint32_t flags;        /* STUB_WINDOW_* */
	uint32_t filled;       /* bytes of output so far */
	size_t input;          /* offset of our copy in pt->input */
};

/* What the stub is told, in its slot's first line, when the reply is published. */
struct notify_answer {
	uint8_t reply, out_count;
	uint32_t flags;
	int64_t result;
	uint32_t out_size[STUB_WINDOWS_MAX];
	uint64_t small[2];
};

/* Who may touch a member: (c) constant, (l) latch, (f) the fiber while it works, (t) tables' latch. */
struct plat_thread {
	struct ref refs;
	struct latch latch;
	struct plat_mm *mm;             /* (c) */
	struct fiber *fiber;            /* (c) but for the zygote */
	struct uio_space space;         /* (c) */
	enum notify_state state;        /* (l), (a) notify_state_set() */
	uint32_t index;                 /* (c) once started */
	struct stub_slot *slot;         /* (c) once started; hostile memory */
	_Atomic(struct stub_own *) own; /* in the slot while the stub has it, else own_here */
	struct stub_own own_here;
	pid_t tid;                      /* (l) 0 until arrived */
	uint32_t seq;                   /* (l), (a) number of the request that is, or was last, worked on */
	uint64_t notif_id;              /* (l) the doorbell the stub waits in; 0: parked */
	bool polled;                    /* (l) the request was found: the stub spins for the reply, or rings */
	bool hold_doorbell;             /* (l) do not park: descriptors are about to be handed over */
	bool kicked;                    /* (l), (a) since the last event */
	bool ordering;                  /* (l) the stub carries out an order; kicks wait */
	uint32_t clone_flags;           /* (l) clone granted with these; 0: none */
	bool cloned;                    /* (l) that clone was let through */
	uint8_t poller;                 /* (a) whose owner looks at its slot, from 1: poll_impl.h; 0: none */
	bool restricted;                /* (a) kept off pollers' CPUs */
	uint32_t kept;                  /* (a) what pollers.kept was when it was placed */
	uint64_t cold_until;            /* (a) TSC: it has cloned, and is not to be looked at before */
	bool placed;                    /* (a) by its application */
	uint64_t cookie;                /* (c) once started */
	bool first_of_process;          /* (c) once started */
	struct list in_mm;              /* mm->latch */
	struct hash_node by_tid, by_cookie; /* (t) */
	bool in_by_tid, in_by_cookie;   /* (t) */
	struct notify_request request;  /* written in APP→KERNEL, then (f) */
	plat_regs_t registers;          /* (f) by notify_regs_here() */
	struct notify_answer answer;    /* (f) */
	bool late;                      /* (a) they are still in the slot; cleared under the latch */
	long result;                    /* (f) result_set: rax */
	uint32_t spin;                  /* (l) what the slot says */
	uint64_t fpstate;               /* (f) address in the stub's frame; 0: it stands in a patched call */
	struct notify_window windows[STUB_WINDOWS_MAX]; /* as request */
	uint32_t window_count;
	uint64_t populated, populated_end; /* (f) what was faulted in last */
	uint8_t *input;                 /* as request: copies of the windows' input */
	size_t input_room;
	bool result_set, regs_set, fpu_init; /* (f) to be loaded by the next run */
	bool started;                   /* (f) goes on without that: the next run only waits */
	/* (f) the stub moves the FPU state in the next run: to memory (then fpu_init), or from there; 0: no */
	uint64_t fpu_save, fpu_from;
	bool native, native_report;     /* (f) call native_nr is to be made by the stub in that run */
	uint64_t native_nr;             /* (f) */
};

/* One per process. */
struct notify {
	int listener;
	pid_t self; /* the Sentry's pid */
	pid_t parent; /* its thread whose children the stubs are */
	struct latch tables;
	struct hash by_tid, by_cookie, by_pid;
	pid_t dying; /* (tables) being reaped: who arrives under that number is dead */
	struct plat_mm *zygote_mm;
	struct plat_thread *zygote;
	struct fpstate_info fpstate;
	uint64_t patched_entry; /* in the stub's text */
	bool rdtscp; /* (c) stub_const's */
	void (*lost)(void); /* plat_config.lost */
};
extern struct notify notify;

/* zygote.c */
int notify_init(const struct plat_config *c) must_check;

/* mm.c */
int notify_mm_new(struct plat_mm **out) must_check;
void notify_mm_get(struct plat_mm *mm);
void notify_mm_put(struct plat_mm *mm);
void notify_mm_kill(struct plat_mm *mm);
pid_t notify_mm_tid(struct plat_mm *mm);
/* REQUIRES tables' latch.  The mm of the process with this pid, if it has arrived and has not died. */
struct plat_mm *notify_mm_peek(pid_t pid);
/* Whether there is one. */
bool notify_pid_is_known(pid_t pid);
/* Make the channel, with slot index in use. */
int notify_mm_open(struct plat_mm *mm, uint32_t index) must_check;
/* A clone that failed: a process that did arrive is killed, and mm can't be opened again. */
void notify_mm_undo(struct plat_mm *mm);
/* A free slot: its index, *mapped says whether its area exists; or -EAGAIN. */
int notify_slot_alloc(struct plat_mm *mm, bool *mapped) must_check;
/*
 * Sleep until the host has ended all threads that were told to end: they write to memory until then.
 * -ESRCH: the process is dead.
 */
int notify_slots_settle(struct plat_mm *mm) must_check;
struct stub_slot *notify_slot_at(struct plat_mm *mm, uint32_t index);
/* Hostile memory. */
static inline struct stub_zygote *notify_mm_told(struct plat_mm *mm)
{
	return (struct stub_zygote *)(mm->channel + STUB_ZYGOTE);
}
uint64_t notify_mm_hidden_bytes(struct plat_mm *mm);
/* The first process to arrive in mm: pid is its leader.  False: kill it. */
bool notify_mm_arrived(struct plat_mm *mm, pid_t pid);
/* Whether pid is that, or what the parent of one that has not arrived calls it. */
bool notify_pid_is_accounted(pid_t pid);
/* A thread has ended that was not told to: the process is ended. */
void notify_mm_broken(struct plat_mm *mm);
/* mm's process is gone, or is never to come. */
void notify_mm_died(struct plat_mm *mm, int wait_status);
int notify_reaper_start(void) must_check;

/* What the stub is told, in the page that only we write. */
void notify_mm_set_native(struct plat_mm *mm, bool on);
void notify_mm_set_clocks(struct plat_mm *mm, bool on);
void notify_mm_set_populate(struct plat_mm *mm, bool on);
void notify_mm_set_identity(struct plat_mm *mm, const struct plat_identity *id);

/* thread.c */
static inline void notify_state_set(struct plat_thread *pt, enum notify_state s)
{
	__atomic_store_n(&pt->state, s, __ATOMIC_RELAXED);
}
/* Without the latch, for who would not mind if it had changed just before or after. */
static inline enum notify_state notify_state_peek(const struct plat_thread *pt)
{
	return __atomic_load_n(&pt->state, __ATOMIC_RELAXED);
}
int notify_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out) must_check;
void notify_thread_put(struct plat_thread *pt);
void notify_thread_free(struct plat_thread *pt);
void notify_thread_died(struct plat_thread *pt);
bool notify_is_dead(struct plat_thread *pt);
/* Out of the tables: no doorbell finds it any more. */
void notify_thread_unhash(struct plat_thread *pt);
void notify_run(struct plat_thread *pt, struct plat_event *ev);
void notify_kick(struct plat_thread *pt);
/* Give the stub an order, and sleep until it has reported (pt->request.done).  -ESRCH: it is dead. */
int notify_order(struct plat_thread *pt, enum stub_reply reply) must_check;
/* Have the stub get a signal frame, where it stands in a patched call and has none. */
int notify_promote(struct plat_thread *pt) must_check;
void notify_thread_exit(struct plat_thread *pt, pid_t tid);
void notify_walk_robust(struct plat_thread *pt, pid_t tid);
void notify_set_tid(struct plat_thread *pt, pid_t tid);
int notify_mm_reset(struct plat_thread *pt) must_check;

/* hostcall.c */
int notify_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count) must_check;
/* The same for calls that are known to be allowed, at most STUB_FDS_MAX, patches left aside. */
int notify_hostcalls_raw(struct plat_thread *pt, struct plat_hostcall *calls, size_t count) must_check;

/* clone.c */
int notify_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		 const struct plat_start *start) must_check;
int notify_clone_checked(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
			 const struct plat_start *start) must_check;
int notify_start(struct plat_thread *pt) must_check;
int notify_start_from(struct plat_thread *z, struct plat_thread *pt) must_check;
/* The zygote's thread, made by hand, is pid. */
void notify_zygote_arrived(pid_t pid);
/* REQUIRES tables' latch.  The mm of a child that has not arrived and that its parent called pid. */
struct plat_mm *notify_pending_peek(pid_t pid);
/* What gettid(2) and PI futexes know pt by. */
void notify_tid_publish(struct plat_thread *pt, pid_t tid);
/* What the stub kept for pt comes back, before its slot may be another thread's. */
void notify_own_take_back(struct plat_thread *pt);
/* The number of mm's threads after n more; the stub reads it too: does one that ends have somebody to tell? */
uint32_t notify_threads_add_locked(struct plat_mm *mm, int n) REQUIRES(mm->latch);

/* regs.c */
/*
 * pt->registers of a thread that stands in a call from a patched site are copied from its slot (hostile) when
 * somebody wants them; the numbered arguments stay those that the call was made with.
 */
plat_regs_t *notify_regs_here(struct plat_thread *pt);
/* The number and the arguments in pt->registers are those of the call in pt->request. */
void notify_regs_of_call(struct plat_thread *pt);
const plat_regs_t *notify_regs(struct plat_thread *pt);
plat_regs_t *notify_regs_mut(struct plat_thread *pt);
void notify_set_result(struct plat_thread *pt, long result);
void notify_native_call(struct plat_thread *pt, uint64_t nr, bool report);
size_t notify_fpstate_size(void);
ssize_t notify_fpstate_get(struct plat_thread *pt, void *buf, size_t size) must_check;
int notify_fpstate_set(struct plat_thread *pt, const void *buf, size_t size) must_check;
int notify_fpstate_save_at(struct plat_thread *pt, uint64_t addr) must_check;
int notify_fpstate_load_at(struct plat_thread *pt, uint64_t addr) must_check;
/* Do now, by way of the Sentry, what the stub was to do with the FPU state in the next run. */
int notify_fpu_settle(struct plat_thread *pt) must_check;

/* census.c */
/* Soon look for processes that a stub may have made and not told of.  From any thread. */
void notify_census_want(void);
void notify_census_init(void);

/* window.c */
void notify_windows_init(struct plat_thread *pt);
/* Copy and check what the stub marshalled. */
void notify_windows_take(struct plat_thread *pt);
/* Tell it how much to copy back. */
void notify_windows_reply(struct plat_thread *pt);

/* poll.c */
/* enum plat_pollers. */
void notify_poll_init(unsigned int how);
/* From now on; what polls leaves by itself. */
void notify_poll_off(void);
/* Around a request to the Gofer, which its caller's stub waits for: struct worker_hooks' tarry(). */
void notify_poll_tarry(bool begins);
/* How many cycles the stub is to spin for the reply to pt's next request.  REQUIRES pt->latch. */
uint32_t notify_poll_spin(const struct plat_thread *pt);
/* By the receiver: pt has rung with a new request. */
void notify_poll_rang(struct plat_thread *pt);
/* Its application chooses pt's CPUs: it is never polled for, as that would move it.  (It loses its place if that began just now.) */
void notify_poll_placed(struct plat_thread *pt, bool by_application);
/* pt is to be like other threads again. */
void notify_poll_forget(struct plat_thread *pt);
/* Look at the slots for a while, if that is our (self's) job.  True: receive() must return; false: see the doorbell. */
bool notify_poll(const atomic_uint *abort, pid_t self);
/* Whether the worker that runs pt's fiber, which this is, looks at pt's slot. */
bool notify_poll_is_here(const struct plat_thread *pt);
/*
 * REQUIRES that, and that pt has its answer: look from here, which saves two switches.  True: pt's next request is
 * there (pt->request); false: suspend, somebody posts.
 */
bool notify_poll_inline(struct plat_thread *pt);
/* A worker that was sent to look beside the receiver: hooks->poll(). */
bool notify_poll_extra(void);
/* This worker goes to the park. */
void notify_poll_parking(void);
/* This worker is new, and maybe the poller's creation. */
void notify_poll_started(void);

/* receive.c */
/* A new request was seen in pt's slot: run its fiber, which the caller has a reference to.  False: it is not due. */
bool notify_found(struct plat_thread *pt);
/* The same on that fiber: take it. */
bool notify_found_inline(struct plat_thread *pt);
/* The receiver is to leave. */
extern atomic_uint notify_abort_wanted;
extern const struct worker_hooks notify_worker_hooks;
void notify_send(uint64_t id, long value, int error);
/* The same (value 0) for a thread that nobody waits for: after the doorbells that are ringing now. */
void notify_send_later(uint64_t id);
void notify_farewells_send(void);
/* notify_send(id, 0, 0) to a thread that rang on this CPU of the host's (hostile: a hint). */
void notify_send_to(uint64_t id, uint32_t cpu);
/* Whether wake-ups of both ends are synchronous: the woken runs on the waker's CPU.  0, or as ioctl(2). */
long notify_listener_sync(bool on);
/* The thread whose number was not known yet is host thread tid, if that can be; it is so once. */
bool notify_thread_arrived(struct plat_thread *pt, pid_t tid);
