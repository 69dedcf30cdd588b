/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer.c: the tracer: the first worker waits for stops and ends of all traced threads, and runs the
 * fiber of whichever it is.  The host lets only the thread that attached to a traced one make
 * requests, so fibers on other workers come here (tracer_enter()).
 *
 * It waits in wait4(2).  A hop, or a call to leave the seat, sets `wake` and, if the tracer waits,
 * sends it a signal (arch/x86_64/abortable.h).  The race: the tracer stores `waiting` before it looks
 * at `wake`, the others store `wake` before they look at `waiting`.
 *
 * The first stop of a new thread may be seen before its creator's report of the clone.  Such strays
 * are kept in mind while clones are on order; only a clone on order can make any.  One whose creator died
 * before it could report is nobody's, and killed.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/arch/x86_64/abortable.h"

#define TRACE_OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | \
		       PTRACE_O_EXITKILL)

struct tracer tracer = { .send_fd = -1, .drain_fd = -1 };

/* A thread that nobody knows yet: it has made its first stop, or is gone again. */
struct stray {
	struct list node;
	pid_t tid;
	bool gone;
	int status;
};

/* A fiber that comes here; on its own stack. */
struct hop {
	struct list node;
	struct fiber *fiber;
};

/* Who may touch a member: (l) latch, (w) the tracer, (a) atomic. */
static struct {
	struct latch latch;
	struct list hops;      /* (l) */
	atomic_uint wake;      /* (a) */
	atomic_uint waiting;   /* (a) */
	atomic_bool leave;     /* (a) receive_abort() */
	atomic_int tid;        /* (a) */
	bool started;          /* (w) */
	struct list strays;    /* (w) */
	unsigned int clones;   /* (w) on order */
} here = { .hops = LIST_INIT(here.hops), .strays = LIST_INIT(here.strays) };

/* ---- coming here ------------------------------------------------------------------------------ */

static _Thread_local bool tracer_is_this_thread;

/* Not inlined: a fiber's stack may be on another thread after each sleep. */
__attribute__((noinline)) static bool tracer_is_here(void)
{
	__asm__ volatile("" : : : "memory");
	return tracer_is_this_thread;
}

static void tracer_wake(void)
{
	atomic_store_explicit(&here.wake, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&here.waiting, memory_order_seq_cst))
		(void)host_tgkill(tracer.self, atomic_load(&here.tid), HOST_ABORT_SIGNAL);
}

static void hop_commit(void *arg)
{
	struct hop *h = arg;

	latch_lock(&here.latch);
	list_append(&here.hops, &h->node);
	latch_unlock(&here.latch);
	tracer_wake();
}

void tracer_enter(void)
{
	struct hop h = { .fiber = fiber_self() };

	/* Again if the worker that it was just leaving ran it once more. */
	while (!tracer_is_here()) {
		list_init(&h.node);
		fiber_suspend(hop_commit, &h);
	}
}

static struct fiber *hop_take(void)
{
	struct fiber *f = NULL;
	struct list *n;

	latch_lock(&here.latch);
	n = list_shift(&here.hops);
	if (n)
		f = list_entry(n, struct hop, node)->fiber;
	latch_unlock(&here.latch);
	return f;
}

static void tracer_receive_abort(void)
{
	atomic_store_explicit(&here.leave, true, memory_order_seq_cst);
	tracer_wake();
}

/* ---- tables ----------------------------------------------------------------------------------- */

static struct plat_thread *thread_peek(pid_t tid)
{
	struct hash_node *n;

	for (n = hash_first(&tracer.by_tid, hash_u64(0, (uint64_t)tid)); n; n = hash_next(n)) {
		struct plat_thread *pt = container_of(n, struct plat_thread, by_tid);

		if (pt->tid == tid)
			return pt;
	}
	return NULL;
}

static struct plat_mm *mm_peek(pid_t pid)
{
	struct hash_node *n;

	for (n = hash_first(&tracer.by_pid, hash_u64(0, (uint64_t)pid)); n; n = hash_next(n)) {
		struct plat_mm *mm = container_of(n, struct plat_mm, by_pid);

		if (mm->pid == pid)
			return mm;
	}
	return NULL;
}

static struct stray *stray_peek(pid_t tid)
{
	struct stray *s;

	list_for_each_entry(s, &here.strays, node) {
		if (s->tid == tid)
			return s;
	}
	return NULL;
}

static void stray_note(pid_t tid, bool gone, int status)
{
	struct stray *s = stray_peek(tid);

	if (here.clones == 0) {
		if (!gone)
			(void)host_kill(tid, SIGKILL);
		return;
	}
	if (!s) {
		s = mem_new(struct stray);
		if (!s) {
			/* It can't be waited for any more. */
			(void)host_kill(tid, SIGKILL);
			return;
		}
		s->tid = tid;
		list_append(&here.strays, &s->node);
	}
	s->gone = gone;
	s->status = status;
}

void tracer_clone_begin(void)
{
	here.clones++;
}

void tracer_clone_end(void)
{
	struct stray *s;
	struct list *n;

	if (--here.clones > 0)
		return;
	while ((n = list_shift(&here.strays))) {
		s = list_entry(n, struct stray, node);
		if (!s->gone)
			(void)host_kill(s->tid, SIGKILL);
		mem_free(s);
	}
}

/* ---- ends ------------------------------------------------------------------------------------- */

static void thread_gone(struct plat_thread *pt, int status)
{
	hash_remove(&tracer.by_tid, &pt->by_tid);
	traced_gone(pt, status);
	traced_thread_put(pt);
}

static void on_exit_of(pid_t tid, int status)
{
	struct plat_thread *pt = thread_peek(tid);
	struct plat_mm *mm = mm_peek(tid);

	if (!pt && !mm)
		stray_note(tid, true, status);
	if (tid == tracer.zygote_pid)
		log_error("the zygote is gone (status %#x)", (unsigned int)status);
	if (mm) {
		hash_remove(&tracer.by_pid, &mm->by_pid);
		traced_mm_died(mm, status);
	}
	if (pt)
		thread_gone(pt, status);
	if (mm)
		traced_mm_unref(mm);
}

/* ---- arrivals --------------------------------------------------------------------------------- */

void tracer_adopt(struct plat_thread *child, pid_t tid)
{
	struct plat_mm *mm = child->mm;
	struct stray *s = stray_peek(tid);
	bool first, kill;

	latch_lock(&child->latch);
	child->tid = tid;
	child->state = TRACED_KERNEL;
	latch_unlock(&child->latch);
	ref_get(&child->refs);
	hash_insert(&tracer.by_tid, &child->by_tid, hash_u64(0, (uint64_t)tid));
	latch_lock(&mm->latch);
	first = mm->pid == 0;
	if (first)
		mm->pid = tid;
	mm->live_threads++;
	list_append(&mm->threads, &child->in_mm);
	kill = first && mm->killed;
	latch_unlock(&mm->latch);
	if (first) {
		ref_get(&mm->refs);
		hash_insert(&tracer.by_pid, &mm->by_pid, hash_u64(0, (uint64_t)tid));
	}
	if (kill)
		(void)host_kill(tid, SIGKILL);
	if (!s)
		return;
	list_remove(&s->node);
	child->arrived = true;
	if (s->gone)
		on_exit_of(tid, s->status);
	mem_free(s);
}

/* ---- the tracer ------------------------------------------------------------------------------- */

/* True: a fiber was run. */
static bool dispatch(pid_t tid, int status)
{
	struct plat_thread *pt;

	if (!WIFSTOPPED(status)) {
		on_exit_of(tid, status);
		return false;
	}
	pt = thread_peek(tid);
	if (!pt) {
		stray_note(tid, false, 0);
		return false;
	}
	return traced_stopped(pt, status);
}

/* The zygote waits in its idle loop (tracer_init() has seen it there). */
static void tracer_start(void)
{
	struct plat_thread *z = tracer.zygote;
	int status = 0;
	long err;

	tracer_is_this_thread = true;
	atomic_store(&here.tid, host_gettid());
	here.started = true;
	err = tracer_call(PTRACE_SEIZE, tracer.zygote_pid, 0, (void *)(uintptr_t)TRACE_OPTIONS);
	if (err == 0)
		err = tracer_call(PTRACE_INTERRUPT, tracer.zygote_pid, 0, NULL);
	if (err == 0)
		err = host_wait4(tracer.zygote_pid, &status, __WALL, NULL);
	if (err < 0 || !WIFSTOPPED(status)) {
		log_error("the zygote can't be traced (%ld)", err);
		return; /* plat_start() gives -ESRCH */
	}
	tracer_adopt(z, tracer.zygote_pid);
	z->arrived = true;
	traced_read_regs(z);
}

static void tracer_receive(void)
{
	struct fiber *f;
	int status;
	long tid;

	if (!here.started)
		tracer_start();
	for (;;) {
		f = hop_take();
		if (f) {
			(void)fiber_run(f);
			return;
		}
		if (atomic_exchange_explicit(&here.leave, false, memory_order_seq_cst))
			return;
		atomic_store_explicit(&here.waiting, 1, memory_order_seq_cst);
		tid = host_call_abortable(&here.wake, SYS_wait4, -1, (long)&status, __WALL, 0);
		if (tid == -ECHILD) /* not even a zygote */
			(void)host_futex(&here.wake, FUTEX_WAIT, 0, NULL, 0);
		atomic_store_explicit(&here.waiting, 0, memory_order_seq_cst);
		atomic_store_explicit(&here.wake, 0, memory_order_seq_cst);
		if (tid > 0 && dispatch((pid_t)tid, status))
			return;
	}
}

const struct worker_hooks tracer_hooks = {
	.receive = tracer_receive,
	.receive_abort = tracer_receive_abort,
	.first_only = true,
};
