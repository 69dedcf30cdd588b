/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abi.h: what the stub (in the application's process) and the Sentry share: addresses, and the
 * layout of the channel.  Included by freestanding code, C and assembly: nothing but numbers and
 * plain structs.
 *
 * The hole.  The Sentry is executed with a soft RLIMIT_STACK of 4 GB, so the host puts mmap_base at
 * TASK_SIZE - 16 GB (stack randomisation) - 4 GB - a guard at the highest, and stacks end above
 * TASK_SIZE - 16 GB.  What lies between is never chosen by the host, in the Sentry and (mmap_base
 * being inherited by fork) in every process made from it:
 *
 *     STUB_BASE      room (call sites' trampolines)
 *     STUB_CHANNEL   slots, a thread's each, the first one last; then a page for the zygote's start
 *                    (shared with the Sentry, not forked)
 *     STUB_TEXT      text | constants (read-only)
 *     STUB_PROCESS   the process page: what the Sentry lets the stub know; a file of its own that only the
 *                    Sentry can write, so it can't be made writable here
 *     STUB_AREAS     areas, a thread's each (private, copied by fork)
 *     STUB_END
 *
 * What a process of few threads uses lies on both sides of STUB_TEXT, within 2 MB: one page table.
 *
 * A thread's area, found from any stack pointer in it by masking:
 *
 *     area             unmapped guard
 *     + PAGE           private stack (for entries that are not signals)
 *     + STUB_ALTSTACK  alternate signal stack
 *     + STUB_THREAD    struct stub_thread
 *     + STUB_AREA_SIZE
 *
 * Area and slot of a thread have the same index.
 */
#pragma once

#define STUB_BASE         0x7ffb00000000
#define STUB_TEXT         0x7ffb60100000
#define STUB_TEXT_MAX     0x10000
#define STUB_MAGIC        0x62757473 /* first word of the text, then offsets: struct stub_head */
#define STUB_TRACED_MAGIC 0x63617274 /* the same of the ptrace platform (ptrace/x86_64/text.S) */
#define STUB_CONST        (STUB_TEXT + STUB_TEXT_MAX)
#define STUB_PROCESS      (STUB_TEXT + 0x18000)
#define STUB_CHANNEL      (STUB_TEXT - STUB_CHANNEL_SIZE)
#define STUB_AREAS        (STUB_TEXT + 0x20000)
#define STUB_END          0x7ffbe0200000
#define STUB_USER_END     0x7ffffffff000

#define STUB_AREA_SIZE    0x20000
#define STUB_ALTSTACK     0x5000 /* offset in the area: guard page, 16 KB of private stack */
#define STUB_THREAD_SIZE  0x200
#define STUB_THREAD       (STUB_AREA_SIZE - STUB_THREAD_SIZE)
#define STUB_THREADS_MAX  16384

#define STUB_SLOT_SIZE    0x12000 /* a page, and room for a window of 64 KB and some others */
#define STUB_BULK_SLOTS   2048    /* the first threads' have room for a window of 128 KB: all would not fit into the hole */
#define STUB_BULK_EXTRA   0x10000
#define STUB_BULK         ((STUB_THREADS_MAX - STUB_BULK_SLOTS) * STUB_SLOT_SIZE) /* offset of the last of these */
#define STUB_ZYGOTE       (STUB_BULK + STUB_BULK_SLOTS * (STUB_SLOT_SIZE + STUB_BULK_EXTRA)) /* offset of struct stub_zygote */
#define STUB_SLOT(index) /* offset */ \
	((STUB_THREADS_MAX - 1ul - (index)) * STUB_SLOT_SIZE + \
	 ((index) < STUB_BULK_SLOTS ? (STUB_BULK_SLOTS - 1ul - (index)) * STUB_BULK_EXTRA : 0))
#define STUB_CHANNEL_SIZE (STUB_ZYGOTE + 0x1000)

/* Offsets in struct stub_thread that assembly uses. */
#define STUB_THREAD_KICK    0
#define STUB_THREAD_PROMOTE 4
#define STUB_THREAD_RSP     8
#define STUB_THREAD_RESUME  16
#define STUB_THREAD_IP      24
#define STUB_THREAD_FRAME   32
#define STUB_THREAD_LOADED  40

/* Why the stub made itself a signal frame (stub_thread.promote). */
#define STUB_PROMOTE_KICK   1
#define STUB_PROMOTE_ORDER  2

/* The doorbell: a number that no kernel has.  arg 0: enum stub_ring, arg 1: cookie. */
#define STUB_DOORBELL     1003

/* The two kinds of clone, flags to the bit: a thread of the process; a copy of it. */
#define STUB_CLONE_THREAD_FLAGS 0x250f00
#define STUB_CLONE_FORK_FLAGS   0x208011

/* On the ptrace platform, where they need no word to be cleared; and how descriptors are received. */
#define STUB_TRACED_THREAD_FLAGS 0x50f00
#define STUB_TRACED_FORK_FLAGS   0x8011
#define STUB_TRACED_RECV_FLAGS   0x40000040 /* CMSG_CLOEXEC, DONTWAIT */

/* What the filter lets through; the stub asks the Sentry for the rest. */
#define STUB_MMAP_FLAGS     0x13d873 /* no GROWSDOWN LOCKED HUGETLB SYNC UNINITIALIZED */
#define STUB_FUTEX_OPS      0x63b    /* WAIT WAKE REQUEUE CMP_REQUEUE WAKE_OP WAIT_BITSET WAKE_BITSET */
#define STUB_MADVISE_ADVICE 0x2ffcd1f /* no MERGEABLE, UNMERGEABLE, REMOVE, HWPOISON … */

/* Guard pages (Linux 6.13): beyond the 64 bits of the mask. */
#define STUB_MADV_GUARD_INSTALL 102
#define STUB_MADV_GUARD_REMOVE  103

#define STUB_WATCH_MAX      32
#define STUB_FPU_SOFTWARE   48 /* at 464 in the legacy part */

/* Descriptors that the Sentry puts into the stub for a batch: fixed numbers, closed after it. */
#define STUB_FDS_MAX      12
#define STUB_PROCESS_FD   1 /* while a process starts */
#define STUB_CALLS_MAX    32

#ifndef __ASSEMBLER__

#include <stdint.h>

struct stub_head {
	uint32_t magic, sigentry, restorer, size, patched_entry;
};

/* Layout of struct user_regs_struct, which the freestanding stub can't include. */
struct stub_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

enum stub_ring {
	STUB_RING = 1,  /* my slot has a request; cookie: of a thread that has said no hello (STUB_CLONE_START) */
	/*
	 * A new thread (cookie says which).  The answer to a process's first one is the channel's descriptor, and
	 * the process page's is STUB_PROCESS_FD.
	 */
	STUB_RING_HELLO
};

/* Requests, stub to Sentry. */
enum stub_request {
	STUB_SYSCALL = 1,
	STUB_FAULT,
	STUB_KICKED,       /* registers as the application will see them */
	STUB_KICKED_FUTEX, /* a native futex wait was interrupted; regs say which restart code */
	STUB_DONE,         /* STUB_CALLS, STUB_CLONE … was carried out */
	STUB_NATIVE_DONE,  /* STUB_NATIVE with STUB_NATIVE_REPORT: regs.rax is the result */
	STUB_SITE,         /* calls from here are answered by the stub, but each costs a signal */
	STUB_LOAD_FAILED,  /* STUB_LOAD's FPU state could not be moved; nothing has changed */
};

/* Replies, Sentry to stub. */
enum stub_reply {
	STUB_RESULT = 1, /* rax is in result; go on */
	STUB_CONTINUE,   /* go on with what the frame holds (or wait on, after STUB_KICKED_FUTEX) */
	STUB_LOAD,       /* all registers are in regs; flags: STUB_LOAD_* */
	STUB_CALLS,      /* make calls[0..count), report */
	STUB_CLONE,      /* make a thread or a process, report */
	STUB_WALK,       /* the robust list alone; report */
	STUB_EXIT,       /* robust list, clear_tid, end the thread; flags: STUB_EXIT_GROUP */
	STUB_NATIVE,     /* make the system call `result` as a native one; flags: STUB_NATIVE_* */
	STUB_PATCH,      /* rewrite a call site, report */
	STUB_PROMOTE,    /* in a patched call: get yourself a signal frame, report */
};

#define STUB_LOAD_FPU_INIT (1u << 0) /* with the FPU's initial state */
#define STUB_LOAD_FPU_SAVE (1u << 3) /* the state that was goes to fpu_addr; then INIT */
#define STUB_LOAD_FPU_FROM (1u << 4) /* with the state at fpu_addr, if it is one of a host frame's form */

#define STUB_NATIVE_LOAD   (1u << 1) /* on the registers in regs */
#define STUB_NATIVE_REPORT (1u << 2) /* ask once more, with the result */

#define STUB_EXIT_GROUP    (1u << 0)

#define STUB_CLONE_THREAD  (1u << 0)
#define STUB_CLONE_MAPPED  (1u << 1) /* the child's area exists already */
#define STUB_CLONE_ALONE   (1u << 2) /* the process has no other area than the caller's */
#define STUB_CLONE_START   (1u << 3) /* the thread goes on at once, with the rsp, fs_base and gs_base in regs */

struct stub_call {
	uint64_t nr;
	uint64_t args[6];
	int64_t result;
};

#define STUB_ECANCELED 125

/*
 * Rewrite code that other threads may be running: bytes go from old to fresh, those at which an
 * instruction begins (traps) by way of int3.
 */
struct stub_patch {
	uint64_t addr;
	uint32_t size, traps;
	uint32_t sync;       /* STUB_SYNC_* */
	uint32_t unused;
	uint64_t ip, resume; /* a caller that would go on at ip goes on at resume; 0: does not */
	uint8_t old[8], fresh[8];
};

#define STUB_SYNC_REGISTER (1u << 0) /* first of this process */
#define STUB_SYNC_THREADS  (1u << 1) /* there are others */

/* The bytes of one argument that the stub carries in the channel; a reply counts the output. */
struct stub_window {
	uint32_t arg, size;  /* index of the argument; bytes */
	uint32_t offset;     /* in the slot's data */
	uint32_t flags;      /* STUB_WINDOW_* */
	uint64_t addr;       /* of the application's copy */
};

#define STUB_WINDOW_IN    (1u << 0) /* data holds a copy of the application's bytes */
#define STUB_WINDOW_OUT   (1u << 1) /* the stub copies out->size bytes back when the call returns */
#define STUB_WINDOW_STRING (1u << 2) /* a NUL-terminated string, in */
#define STUB_WINDOWS_MAX  6

#define STUB_SMALL        16 /* such a window's output is in the reply, not in the data */

/*
 * stub_slot.window: windows are in windows[]; or one window of args[arg], at the data's beginning, maybe behind that
 * of an empty string (glibc's fstat(3)), which is the argument STUB_WINDOW_EMPTY_ARG - 1.
 */
#define STUB_WINDOW_SEE 0xffffffffu
#define STUB_WINDOW_EMPTY(arg)       (((uint32_t)(arg) + 1) << 27)
#define STUB_WINDOW_EMPTY_ARG(w)     ((w) >> 27 & 7)
#define STUB_WINDOW_EMPTY_ROOM 16 /* that the string has in the data */
#define STUB_WINDOW_ONE(arg, flags, size) ((uint32_t)(size) | (uint32_t)(arg) << 20 | (uint32_t)(flags) << 24)
#define STUB_WINDOW_ONE_SIZE(w)  ((w) & 0xfffff)
#define STUB_WINDOW_ONE_ARG(w)   ((w) >> 20 & 7)
#define STUB_WINDOW_ONE_FLAGS(w) ((w) >> 24 & 7)

/*
 * What the stub keeps for its thread, so that the calls that set it need no Sentry.  Of the two sets
 * each side writes its own, then reads the other's: the Sentry wants to hear of signals in
 * sig_watched when they are blocked or unblocked.
 */
struct stub_own {
	uint64_t sig_blocked, sig_watched;
	uint64_t robust_list; /* set_robust_list(2)'s head; 0: none */
	uint64_t clear_tid;   /* the word that the thread's end clears; 0: none */
	uint64_t rseq;        /* the area that the host has of this thread (rseq(2)); 0: none */
	uint32_t rseq_size, rseq_sig;
	uint32_t waits;       /* in a native futex wait: tells who looks at it that it sleeps */
	/*
	 * rt_sigaction(2) without the Sentry: signals that have the default action and nothing else (the Sentry's
	 * word), and those of them that the application has given it once more, with these flags and restorer.
	 */
	uint64_t sig_plain, sig_reset, reset_flags, reset_restorer;
	/*
	 * rt_sigreturn(2) without the Sentry: the last frame that was set up goes back to return_ip, which is return_to
	 * while the process page's watch_seq is return_seq; and to this alternate stack, which is the present one.
	 */
	uint64_t return_ip, return_to, return_stack, return_stack_size;
	uint32_t return_stack_flags, return_seq;
	uint32_t return_on; /* 0: the Sentry has to see it */
	uint32_t unused;
};

#define STUB_SA_RESTORER 0x04000000u

/*
 * One thread's slot.  The stub owns the first part between a reply and its next request, the Sentry
 * the rest.  Sequence numbers: the stub publishes request n by storing n into request_seq, and the
 * Sentry answers it by storing n into reply_seq, so a doorbell rung twice repeats nothing.
 *
 * What most calls need lies in the first line, the request's words and then, in their place, the reply's: a thread
 * that is polled (platform/notify/poll.c) and the poller pass that one line to and fro.  The second one is read when
 * the call carries windows; registers and the rest only when somebody asks for them.
 */
struct stub_slot {
	/* -- the line that crosses -- */
	uint32_t request_seq;
	uint32_t reply_seq; /* the futex word of a parked stub */
	union {
		struct { /* until the reply */
			uint8_t request; /* enum stub_request */
			uint8_t more;    /* not a call from a patched site: nr, compat, fpstate, regs … count too */
			uint16_t brief_nr;
			uint32_t window; /* 0: none, STUB_WINDOW_ONE: windows[0] in brief, else STUB_WINDOW_SEE */
			uint64_t args[6];
		};
		struct {
			uint8_t reply;     /* enum stub_reply */
			uint8_t out_count; /* of out_size; not by orders */
			uint32_t flags;
			int64_t result;
			uint32_t out_size[STUB_WINDOWS_MAX]; /* bytes of each window to copy back */
			uint64_t small[2]; /* windows[0]'s output, if it is no larger than that */
		};
	};

	/* -- stub to Sentry -- */
	uint32_t window_count __attribute__((aligned(64)));
	uint32_t sleeps; /* the stub waits, or is about to, by futex on reply_seq */
	uint32_t cpu;    /* that the doorbell was rung on (a hint) */
	uint32_t nr;
	struct stub_window windows[STUB_WINDOWS_MAX];
	uint32_t sig, code;
	uint64_t fault_addr, trapno, error, compat;
	uint64_t fpstate; /* address in the frame; 0: none */
	int64_t done; /* STUB_DONE: calls made, or clone's result */
	struct stub_regs regs; /* both ways */

	/* -- Sentry to stub -- */
	uint32_t parked_seq __attribute__((aligned(64))); /* of the request that is answered later: wait by futex */
	uint32_t spin;    /* cycles to look for the next reply before ringing */
	uint32_t count;   /* STUB_CALLS */
	uint32_t fd_mask; /* STUB_CALLS: descriptors to close afterwards */
	uint32_t index;   /* STUB_CLONE: of the child's area and slot */
	uint32_t tid;
	uint64_t cookie;
	uint64_t fpu_addr; /* STUB_LOAD_FPU_SAVE, _FROM */
	struct stub_own own; /* both ways, shared at all times */
	uint32_t live; /* non-zero until the host clears it at the thread's end (CLEARTID) */
	struct stub_call calls[STUB_CALLS_MAX]; /* both ways */
	struct stub_patch patch;

	uint8_t data[] __attribute__((aligned(4096)));
};

/* Bytes of data of the slot at this offset in the channel. */
#define STUB_DATA_SIZE(offset) (STUB_SLOT_SIZE - 4096u + ((offset) < STUB_BULK ? 0u : STUB_BULK_EXTRA))

_Static_assert(sizeof(struct stub_slot) == 4096, "the slot's header is a page");
_Static_assert(__builtin_offsetof(struct stub_slot, window_count) == 64, "the first line is one line");

/* Last in the channel: what a stub tells of its process. */
struct stub_zygote {
	uint32_t fd; /* plat_init only: the listener's number, 0 when closed */
	uint32_t state;
	uint32_t crowded; /* a PROT_NONE mmap found no room: no new arenas for trampolines */
	uint32_t rseq;    /* the Sentry has let rseq(2) through: the other threads need not ask */
	uint32_t alone;   /* signals that the stub answered alone since the last STUB_SITE, of all threads */
	uint32_t sync_core; /* the application has registered for that membarrier(2); the host has, for patching */
};

#define STUB_TIDS_MAX 768

/* The process page.  The Sentry writes, the stub reads. */
struct stub_process {
	uint32_t native; /* the stub may answer and make native calls */
	int32_t pid, ppid, uid, euid, gid, egid, pgid, sid;
	uint32_t identity;
	uint32_t clocks_off; /* clock_gettime and kin are the Sentry's */
	uint32_t threads; /* how many live */
	/* The FPU state of a host's frame: its size without magic 2, components, the kernel's software bytes. */
	uint32_t fpu_size;
	uint64_t fpu_features;
	uint8_t fpu_software[STUB_FPU_SOFTWARE];
	/* Patched text, and trampolines: native calls keep off; the Sentry makes them. */
	uint32_t watch_seq; /* odd while the list changes */
	uint32_t watch_count;
	struct {
		uint64_t start, end;
	} watch[STUB_WATCH_MAX];
	int32_t tids[STUB_TIDS_MAX]; /* by the slot's index; 0: ask */
};

_Static_assert(sizeof(struct stub_process) <= 4096, "a page");

enum { STUB_ZYGOTE_START, STUB_ZYGOTE_FD, STUB_ZYGOTE_TAKEN, STUB_ZYGOTE_READY };

/* Constants of this sandbox, read-only in the stub. */
struct stub_const {
	uint64_t vdso_min, vdso_max; /* the host's vDSO and its data; equal: none */
	uint64_t vdso_clock_gettime; /* usable without a system call; 0: none */
	uint64_t user_min;
	uint32_t fsgsbase;
	uint32_t huge_pages;
	/*
	 * Patching is on: an application's GS base of 0 is the thread's struct stub_thread in truth, and every patch-th
	 * signal that the stub answers alone is reported (STUB_SITE).
	 */
	uint32_t patch;
	uint32_t rdtscp; /* the instruction is there, and gives the host's CPU */
};

/* A thread's own data, at the end of its area. */
struct stub_thread {
	uint32_t kick; /* set by the kick's handler; these seven at STUB_THREAD_* */
	uint32_t promote; /* STUB_PROMOTE_* */
	uint64_t rsp, resume, ip; /* of the patched call: the application's; in the trampoline; behind the call */
	uint64_t frame;  /* of a patched call that goes on with other registers */
	uint32_t loaded; /* it does */
	uint32_t unused2;
	uint32_t index;
	uint32_t seq;
	uint32_t zygote; /* the next SIGSYS is the zygote's first */
	uint32_t alone;  /* stub_zygote.alone as it was, for a forked child */
	uint32_t start;  /* a new thread: goes on at once, by the copy of its creator's frame */
	uint64_t cookie; /* of the clone that made us */
	uint64_t fs_base, gs_base; /* without FSGSBASE: what was set last */
	uint64_t start_fs, start_gs; /* start: the application's */
};

_Static_assert(sizeof(struct stub_thread) <= STUB_THREAD_SIZE, "fits");

#endif
