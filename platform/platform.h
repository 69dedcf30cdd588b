/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.h: running application code.  The Sentry knows of the host's address spaces and threads
 * only what stands here; notify/ and ptrace/ implement it.
 *
 * A plat_mm is an address space (one host process, made by forking the zygote or another plat_mm).
 * A plat_thread is one host thread in it.  Each plat_thread is driven by one fiber, its task's:
 *
 *     plat_thread_new ─▶ plat_start / plat_clone ─▶ ┌─▶ plat_run() ── event ──┐ ─▶ plat_thread_exit
 *                                                   └──── the kernel's work ◀─┘
 *
 * plat_run() lets the application go on and suspends the fiber (fiber_suspend) until the thread
 * needs the kernel: a system call, a fault, a kick, or its death.  While the fiber works, the thread
 * stands still; when the fiber has to sleep for long the platform parks the thread by itself.
 *
 * The application owns its address space, stub and channel included.  Nothing that comes back from
 * here is trusted: registers, arguments and results are copies taken once.
 *
 * Unless said otherwise functions are called on the fiber of the thread in question, may sleep, and
 * return 0 or a negative errno.  -ESRCH: the host thread or process is gone (killed from outside, by
 * the host's OOM killer, or by its own hostile acts); plat_run() then gives PLAT_DEAD.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "lib/uio.h"
#include "lib/util.h"

struct plat_mm;
struct plat_thread;
struct fiber;

/* ---- events ---------------------------------------------------------------------------------- */

enum plat_event_kind {
	PLAT_SYSCALL, /* the result is set with plat_set_result() or plat_regs_mut() before the next run */
	PLAT_FAULT,   /* a synchronous host signal; registers are those of the faulting instruction */
	/*
	 * plat_kick() reached it.  In application code orig_rax is -1.  In a native futex wait it is
	 * SYS_futex, SYS_futex_waitv or futex_wait(2), and rax is -ERESTARTSYS (no timeout), -ERESTART_RESTARTBLOCK, or
	 * -ERESTARTNOINTR (PI): to be treated as an
	 * interrupted system call with that result.  Running on with registers untouched, or set to make
	 * the call again (rip - 2, rax that number or SYS_restart_syscall), resumes the wait, to the same
	 * moment.
	 */
	PLAT_KICKED,
	PLAT_DEAD,    /* the host thread is gone; only plat_thread_free() may follow */
	/* The call of plat_native_call() has ended: rax is its result, not yet seen by the application. */
	PLAT_NATIVE_DONE,
};

struct plat_event {
	enum plat_event_kind kind;
	union {
		struct {
			uint64_t nr; /* orig_rax as it was */
			uint64_t args[6];
			bool compat; /* int 0x80 or another architecture's call: not ours to run */
		} syscall;
		struct {
			int signo; /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
			int code;  /* si_code */
			uint64_t addr;
			uint64_t trapno, error; /* as in a signal frame */
			bool frame; /* plat_fpstate_save_at() could not; the state is still pt's */
		} fault;
		struct {
			int wait_status; /* of the host process when known, else SIGKILL */
		} dead;
	};
};

/* Registers in user_regs_struct's layout (orig_rax is -1 outside a system call). */
#define plat_regs_t struct user_regs_struct

/* ---- life ------------------------------------------------------------------------------------ */

/* Before the jail's filter is installed: makes the zygote.  name: "notify" or "ptrace". */
/*
 * May CPUs of their own serve threads that make many calls?  PLAT_POLLERS_ALWAYS + n: also where it does not pay, and
 * n more than one as soon as there are threads for them (tests).
 */
enum plat_pollers { PLAT_POLLERS_OFF, PLAT_POLLERS_AUTO, PLAT_POLLERS_ALWAYS, PLAT_POLLERS_END = PLAT_POLLERS_ALWAYS + 8 };

struct plat_config {
	const char *name;
	int proc_fd;        /* O_PATH/O_RDONLY directory of the sandbox's own procfs; borrowed */
	bool huge_pages;    /* MADV_HUGEPAGE on large anonymous mappings */
	bool patch;         /* call-site patching */
	int nice;           /* of stubs; no better than ours */
	unsigned int pollers; /* enum plat_pollers */
	uint32_t patch_after; /* traps from a site before it is patched; 0: what pays */
	/*
	 * A host process was killed from outside while fibers of its threads were at work (asleep in a
	 * system call, say): they will get PLAT_DEAD only at their next plat_run().  Called on a host
	 * thread of the platform's own, must not sleep; find them with plat_thread_is_dead().  May be NULL.
	 */
	void (*lost)(void);
};
int plat_init(const struct plat_config *c) must_check;
/* For workers_start(). */
struct worker_hooks;
const struct worker_hooks *plat_worker_hooks(void);

/* An empty address space (only stub and vDSO), one reference.  The host process is made by plat_start. */
int plat_mm_new(struct plat_mm **out) must_check;
void plat_mm_get(struct plat_mm *mm);
/* The last put kills the host process if it still runs, and reaps it. */
void plat_mm_put(struct plat_mm *mm);

/*
 * A thread object in mm (takes a reference to mm) that will be driven by fiber, not yet running.
 */
int plat_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out) must_check;
/* Thread must not be running (never started, exited, or PLAT_DEAD).  Accepts NULL. */
void plat_thread_free(struct plat_thread *pt);
struct plat_mm *plat_thread_mm(struct plat_thread *pt); /* borrowed */
/* Its host thread is gone, whether the fiber has heard of it or not.  From any fiber. */
bool plat_thread_is_dead(struct plat_thread *pt);
pid_t plat_thread_host_tid(struct plat_thread *pt);     /* in the Sentry's pid namespace; 0: none */
/*
 * The host is to run pt on these of its CPUs only (a bitmap of size bytes; any: all it may).  A thread that has not
 * arrived, or CPUs that the host does not allow: no effect.  Clones inherit it, as on Linux.  From any fiber.
 */
void plat_thread_place(struct plat_thread *pt, const void *mask, size_t size, bool any);

/*
 * Make the first host thread of an empty plat_mm (forked off the zygote); registers are zero.
 * It stands still until pt's fiber calls plat_run().  May be called on any fiber.
 */
int plat_start(struct plat_thread *pt) must_check;

/*
 * A template: a process that only stands still, off which others are forked as off the zygote, so
 * that they start where the host has put it (its cgroups).  Made on any fiber; there is no template
 * where a platform has none (-ENOTSUP).  plat_start_from(NULL, pt) is plat_start(pt).
 */
int plat_template_new(struct plat_thread **out) must_check;
void plat_template_free(struct plat_thread *tmpl); /* accepts NULL; nobody may be using it */
int plat_start_from(struct plat_thread *tmpl, struct plat_thread *pt) must_check;

enum plat_clone_flags {
	PLAT_CLONE_VM = 1 << 0, /* child is a thread of the same plat_mm; else its mm is a copy of parent's */
};
/*
 * On parent's fiber: the stub makes child's host thread (same registers as parent, FPU state
 * included, with whatever plat_regs_mut(child) changes before child's fiber first calls plat_run).
 * Without PLAT_CLONE_VM child's plat_mm must be an empty one that was never started.
 * On failure (-EAGAIN, -ENOMEM) child is not running; without PLAT_CLONE_VM its plat_mm is only good
 * to be put.
 *
 * With start (PLAT_CLONE_VM only) child goes on at once, as after a call with result 0, with that
 * stack and TLS: it may be in the application before plat_clone() returns, its registers are not to
 * be touched, and its fiber's first plat_run() waits for its first event.
 */
struct plat_start {
	uint64_t stack, tls;
	pid_t tid; /* as plat_thread_set_tid() */
};
int plat_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
	       const struct plat_start *start) must_check;

/*
 * The set of signals that pt's application blocks (bit n-1: signal n).  It lies where the stub can
 * change it, so that rt_sigprocmask(2) needs the Sentry only for signals of the watched set: those
 * pending.  Hostile like a register: mask what can't be blocked.  Who sends sets the watched set,
 * and then reads the mask.  From any fiber that keeps pt alive; the setters one at a time.
 */
uint64_t plat_sigmask(const struct plat_thread *pt);
void plat_sigmask_set(struct plat_thread *pt, uint64_t mask);
void plat_sigmask_watch(struct plat_thread *pt, uint64_t watched);
/*
 * Signals that have the default action, and no flags, mask or restorer: rt_sigaction(2) of these need not
 * come to the Sentry while they keep the default.  Withdrawn: none; what the application has set since,
 * of those that were offered, with flags and restorer that mean nothing for it.  pt's own fiber, or
 * before pt's thread is made.
 */
struct plat_sigreset {
	uint64_t set, flags, restorer;
};
void plat_sigplain_offer(struct plat_thread *pt, uint64_t plain);
/*
 * A signal's frame has been set up, with the alternate stack in it that pt has: rt_sigreturn(2) from it may be the stub's,
 * until pt's alternate stack changes.
 */
void plat_sigreturn_offer(struct plat_thread *pt, uint64_t stack, uint64_t size, uint32_t flags);
void plat_sigreturn_withdraw(struct plat_thread *pt);
void plat_sigplain_withdraw(struct plat_thread *pt, struct plat_sigreset *out);
/*
 * What pt's end does in the application's memory (addresses, 0: none): the head of its robust futexes
 * (set_robust_list(2)), the word to clear and wake (set_tid_address(2)).  They lie where the mask
 * does; a thread that ends by itself while others live does that work, and zeroes them, before it asks.
 */
uint64_t plat_robust_list(const struct plat_thread *pt);
void plat_robust_list_set(struct plat_thread *pt, uint64_t head);
uint64_t plat_clear_tid(const struct plat_thread *pt);
void plat_clear_tid_set(struct plat_thread *pt, uint64_t word);

/*
 * The area that the host has of pt for restartable sequences (addr 0: none), by a native rseq(2): of what
 * application code the host preempts, interrupts and moves it takes care itself.  fork copies the
 * registration, exit and plat_mm_reset() end it.  Hostile like a register.
 */
struct plat_rseq {
	uint64_t addr;
	uint32_t size, sig;
};
void plat_rseq(const struct plat_thread *pt, struct plat_rseq *out);

/* Whether pt is in a native futex wait, or about to begin or end one.  A hint, hostile like a register. */
bool plat_waits(const struct plat_thread *pt);

/* Let the application run until the next event.  Always fills ev. */
void plat_run(struct plat_thread *pt, struct plat_event *ev);
/*
 * Make pt come back with PLAT_KICKED soon if it is in application code or in a native wait.  No
 * effect while its fiber is at work (the kernel looks at its own flags before plat_run; plat_run
 * itself returns PLAT_KICKED at once for a kick that came between).  From any thread, under latches.
 */
void plat_kick(struct plat_thread *pt);
/*
 * End this host thread.  The last that it does, in the application's memory: walk its robust list as
 * the kernel would at exit (owner tid: tid); clear plat_clear_tid()'s word and wake one futex waiter, if
 * others share the memory.  Does not wait for it.
 */
void plat_thread_exit(struct plat_thread *pt, pid_t tid);
/*
 * The robust list's part of that alone; the thread lives on (execve in place, a process that is about
 * to be killed).
 */
void plat_thread_walk_robust(struct plat_thread *pt, pid_t tid);
/* The number that PI futexes know pt by.  Once its host thread exists. */
void plat_thread_set_tid(struct plat_thread *pt, pid_t tid);
/* SIGKILL the host process: every thread of it gets PLAT_DEAD.  From any fiber. */
void plat_mm_kill(struct plat_mm *mm);
/*
 * In-place exec: unmap everything but stub and vDSO, fresh registers and FPU state.  pt must be the
 * only thread of its mm (the others have exited), and no other process may share it.
 */
int plat_mm_reset(struct plat_thread *pt) must_check;

/* ---- registers -------------------------------------------------------------------------------- */

/* The copy taken at the last event.  plat_regs_mut() marks all of it to be loaded at the next run. */
const plat_regs_t *plat_regs(struct plat_thread *pt);
plat_regs_t *plat_regs_mut(struct plat_thread *pt);
/* Result of a system call (rax); the cheap way. */
void plat_set_result(struct plat_thread *pt, long result);
/*
 * FPU state in the XSAVE layout of a host signal frame (FP_XSTATE_MAGIC1 and 2 included).  _get
 * returns the size; at most plat_fpstate_size().  _set takes what an application's signal frame or
 * a debugger had (hostile: checked); size 0 means the initial state.
 */
size_t plat_fpstate_size(void);
ssize_t plat_fpstate_get(struct plat_thread *pt, void *buf, size_t size);
int plat_fpstate_set(struct plat_thread *pt, const void *buf, size_t size) must_check;
/*
 * The same without a copy of ours, for signal frames: before pt goes on, its state is put to addr in its memory
 * (64-byte aligned, plat_fpstate_size() bytes that are mapped and writable), and it goes on with the initial one;
 * or it goes on with the state at addr.  What can't be read or written when it comes to that is a
 * PLAT_FAULT (SIGSEGV; fault.frame: written) on the registers that pt was to go on with.
 */
int plat_fpstate_save_at(struct plat_thread *pt, uint64_t addr) must_check;
int plat_fpstate_load_at(struct plat_thread *pt, uint64_t addr) must_check;

/* ---- memory ----------------------------------------------------------------------------------- */

/*
 * The application's memory as seen by pt's current system call: uio_space whose copies go through
 * the channel where the stub marshalled that range and by process_vm_readv/writev otherwise.
 * Copies of input are taken when the event arrives, so reading twice gives the same bytes;
 * marshalled output is written back when the call returns.  Valid until the next plat_run().
 */
const struct uio_space *plat_thread_space(struct plat_thread *pt);
/* The same without a thread at hand (/proc/PID/mem, process_vm_*, ptrace); force ignores protection. */
const struct uio_space *plat_mm_space(struct plat_mm *mm);
ssize_t plat_mm_read(struct plat_mm *mm, uint64_t addr, void *dst, size_t size, bool force);
ssize_t plat_mm_write(struct plat_mm *mm, uint64_t addr, const void *src, size_t size, bool force);
/* The same of several pieces, never forced. */
ssize_t plat_mm_writev(struct plat_mm *mm, uint64_t addr, const struct iovec *iov, size_t count);

/*
 * Host calls that the stub makes in pt's address space, in order, as one batch (one hand-over).
 * The batch stops at the first failure.  nr may be mmap, munmap, mprotect, mremap, madvise only, and
 * prctl for what the host's ps shows (PR_SET_NAME; PR_SET_MM with PR_SET_MM_MAP);
 * the ranges of stub and vDSO are refused with -EINVAL / -ENOMEM.
 */
struct plat_hostcall {
	long nr;
	uint64_t args[6];
	int host_fd; /* mmap of a file: the Sentry's descriptor, lent for this call; else -1 */
	long result; /* out: result or -errno; -ECANCELED when not reached; as the stub says, so untrusted */
};
/* Count of calls made with success, or -ESRCH. */
int plat_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count);

/* What lies between these is the application's; images, stacks and hints are chosen in it. */
struct plat_layout {
	uint64_t user_min, user_max; /* lowest and one past the highest usable address */
	uint64_t stub_min, stub_max; /* a hole in it that is never the application's */
	uint64_t mmap_top;           /* where the host puts mappings without a hint, downwards */
	uint64_t vdso;               /* AT_SYSINFO_EHDR; 0: none */
};
const struct plat_layout *plat_layout(void);

/*
 * What the stub answers getpid and the like from; memory that the application can only read.
 */
struct plat_identity {
	int32_t pid, ppid, uid, euid, gid, egid, pgid, sid;
	uint32_t valid; /* 0: ask the Sentry (traced, own seccomp filter, shared mm) */
};
void plat_mm_set_identity(struct plat_mm *mm, const struct plat_identity *id);

/*
 * Whether the stub may answer and make native calls itself (memory, futexes, identity): on by
 * default.  Off, every call of the application is a PLAT_SYSCALL: for tracing, an application's own
 * seccomp filter, or limits on memory that the host can't enforce.  Of the next calls on, not of
 * those under way.
 */
void plat_mm_set_native(struct plat_mm *mm, bool on);
/*
 * Whether the platform may answer clock_gettime(2) and kin from the host's clocks (the default): off in
 * a time namespace with offsets.
 */
void plat_mm_set_clocks(struct plat_mm *mm, bool on);
/*
 * Whether pages that a call's output needs are faulted in by the process itself, before we write
 * there: for processes whose memory the host limits.  A fault of ours at the limit would have the
 * host kill the process and wait for us to let go of its memory.  Off by default.  Where a platform
 * has no such way it does nothing.
 */
void plat_mm_set_populate(struct plat_mm *mm, bool on);
/* No pollers from now on: the sandbox has got a CPU quota. */
void plat_pollers_off(void);
/*
 * In place of plat_set_result(), after PLAT_SYSCALL: make call nr, on the registers as they are now,
 * in the application's process after all, at the next run.  For what can't be done elsewhere
 * (futexes).  report: come back with PLAT_NATIVE_DONE.  A call that is not one of the native ones
 * gives ENOSYS.
 */
void plat_native_call(struct plat_thread *pt, uint64_t nr, bool report);

/* ---- looking at it ---------------------------------------------------------------------------- */

/*
 * The host's /proc/PID/maps or smaps of mm, with the lines of stub and channels left out.  For each
 * remaining mapping fn gets one call; detail lines (smaps) are passed verbatim.
 */
struct plat_map {
	uint64_t start, end, offset, ino;
	uint32_t dev_major, dev_minor;
	char prot[5];     /* "rwxp" */
	const char *name; /* the host's name: [stack] and [heap] are not to be relied on */
	const char *detail; /* smaps lines, or NULL */
};
typedef int plat_map_fn(void *arg, const struct plat_map *m);
int plat_mm_maps(struct plat_mm *mm, bool smaps, plat_map_fn *fn, void *arg);
/* Those that meet [start, end); others may come too (hosts before 6.11 are asked for all).  No details. */
int plat_mm_maps_in(struct plat_mm *mm, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg);

/* Call sites that mm's threads have trapped from. */
enum plat_site_state { PLAT_SITE_COLD, PLAT_SITE_LEFT, PLAT_SITE_PATCHED };
struct plat_site {
	uint64_t ip; /* of the instruction */
	enum plat_site_state state;
	const char *why; /* static; PLAT_SITE_LEFT: what keeps it from being patched */
};
typedef int plat_site_fn(void *arg, const struct plat_site *s);
/* fn for each; what it returns other than 0 ends it.  -EOPNOTSUPP: this platform keeps no such list. */
int plat_mm_sites(struct plat_mm *mm, plat_site_fn *fn, void *arg);

/*
 * Which of the pages at addr are in memory (or swapped out): vec gets a 0 or 1 for each.  For private
 * and shared anonymous memory as this process has touched it.
 */
int plat_mm_resident(struct plat_mm *mm, uint64_t addr, size_t pages, uint8_t *vec);

struct plat_usage {
	int64_t utime_ns, stime_ns; /* of the host thread; charged to the application */
	uint64_t min_faults, maj_faults;
	char state; /* as in /proc/TID/stat: R running, S in a native wait … */
};
int plat_thread_usage(struct plat_thread *pt, struct plat_usage *out);
/* Of all threads of pt's process, those that have ended included.  Waits for nobody.  -ESRCH: it has not arrived, or is gone. */
int plat_process_usage(struct plat_thread *pt, struct plat_usage *out);
struct plat_mem_usage {
	uint64_t vm_bytes, rss_bytes, rss_anon, rss_file, rss_shmem, data_bytes, stack_bytes;
	uint64_t vm_peak, rss_peak;
};
int plat_mm_usage(struct plat_mm *mm, struct plat_mem_usage *out);
