/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c: threads: hand the stub an answer or an order, and wait for what it says next.
 *
 * An exchange: the fiber fills the Sentry's part of the slot, and suspends; commit(), on the worker's
 * stack, publishes the sequence number and then either answers the doorbell or wakes the parked stub.
 * The next request makes the receiver run the fiber again (receive.c).
 *
 * The slot is hostile memory: what is written there may be changed by the application at once, and
 * is never read back.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/mutex.h"
#include "lib/wq.h"
#include "platform/host.h"

#define KICK_SIGNAL SIGURG

_Static_assert(sizeof(plat_regs_t) == sizeof(struct stub_regs), "the same registers");

/* Only one fiber at a time can have the zygote clone. */
static struct mutex zygote_mutex;

/* ---- life ------------------------------------------------------------------------------------- */

int notify_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out)
{
	struct plat_thread *pt = mem_new(struct plat_thread);

	if (!pt)
		return -ENOMEM;
	ref_init(&pt->refs);
	latch_init(&pt->latch);
	list_init(&pt->in_mm);
	pt->mm = mm;
	notify_mm_get(mm);
	pt->fiber = fiber;
	atomic_init(&pt->own, &pt->own_here);
	notify_windows_init(pt);
	*out = pt;
	return 0;
}

void notify_thread_put(struct plat_thread *pt)
{
	if (!ref_put(&pt->refs))
		return;
	notify_mm_put(pt->mm);
	mem_free(pt->input);
	mem_free(pt);
}

void notify_thread_unhash(struct plat_thread *pt)
{
	latch_lock(&notify.tables);
	if (pt->in_by_tid)
		hash_remove(&notify.by_tid, &pt->by_tid);
	if (pt->in_by_cookie)
		hash_remove(&notify.by_cookie, &pt->by_cookie);
	pt->in_by_tid = pt->in_by_cookie = false;
	latch_unlock(&notify.tables);
}

static void notify_thread_free(struct plat_thread *pt)
{
	notify_thread_unhash(pt);
	latch_lock(&pt->mm->latch);
	list_remove(&pt->in_mm);
	latch_unlock(&pt->mm->latch);
	notify_thread_put(pt);
}

struct plat_mm *notify_pending_peek(pid_t pid)
{
	struct hash_node *n, *tmp;
	struct plat_thread *pt;
	size_t i;

	hash_for_each(&notify.by_cookie, i, n, tmp) {
		pt = container_of(n, struct plat_thread, by_cookie);
		if (pt->mm->pid == 0 && pt->mm->pid_hint == pid)
			return pt->mm;
	}
	return NULL;
}

void notify_zygote_arrived(pid_t pid)
{
	struct plat_thread *z = notify.zygote;

	mutex_init(&zygote_mutex, LOCK_PLATFORM);
	z->tid = pid;
	latch_lock(&notify.tables);
	hash_insert(&notify.by_tid, &z->by_tid, hash_u64(0, (uint64_t)pid));
	z->in_by_tid = true;
	latch_unlock(&notify.tables);
	latch_lock(&z->mm->latch);
	list_append(&z->mm->threads, &z->in_mm);
	latch_unlock(&z->mm->latch);
	ASSERT(notify_mm_arrived(z->mm, pid));
}

void notify_thread_died(struct plat_thread *pt)
{
	bool resume;

	notify_thread_unhash(pt);
	latch_lock(&pt->latch);
	resume = pt->state == NOTIFY_APP;
	pt->state = NOTIFY_DEAD;
	pt->notif_id = 0;
	latch_unlock(&pt->latch);
	if (resume)
		fiber_resume(pt->fiber);
}

/* ---- exchange --------------------------------------------------------------------------------- */

static void kick_host(pid_t pid, pid_t tid)
{
	(void)host_tgkill(pid, tid, KICK_SIGNAL);
}

/* Let the stub see the reply that is in the slot.  REQUIRES pt->latch; returns the doorbell to answer. */
static uint64_t publish_locked(struct plat_thread *pt)
{
	uint64_t id = pt->notif_id;

	pt->notif_id = 0;
	/* Release: pairs with the stub's acquire in await_reply(). */
	__atomic_store_n(&pt->slot->reply_seq, pt->seq, __ATOMIC_RELEASE);
	return id;
}

/* No latch held: after this the stub runs. */
static void let_go(struct stub_slot *slot, uint64_t id)
{
	if (id)
		notify_send(id, 0, 0);
	else
		(void)host_futex(&slot->reply_seq, FUTEX_WAKE, 1, NULL, 0);
}

static void commit(void *arg)
{
	struct plat_thread *pt = arg;
	struct stub_slot *slot = pt->slot;
	struct fiber *fiber = pt->fiber;
	pid_t kick_tid = 0, pid;
	uint64_t id;

	latch_lock(&pt->latch);
	if (pt->state == NOTIFY_DEAD) {
		latch_unlock(&pt->latch);
		fiber_resume(fiber);
		return;
	}
	pt->state = NOTIFY_APP;
	id = publish_locked(pt);
	if (pt->kicked && !pt->ordering)
		kick_tid = pt->tid;
	pid = pt->mm->pid;
	latch_unlock(&pt->latch);
	/* pt may be gone from here on. */
	let_go(slot, id);
	if (kick_tid)
		kick_host(pid, kick_tid);
}

/* The fiber of a thread that was started waits for its first request, unless it is there. */
static void commit_started(void *arg)
{
	struct plat_thread *pt = arg;
	struct fiber *fiber = pt->fiber;
	bool wait;

	latch_lock(&pt->latch);
	wait = pt->state == NOTIFY_STARTED;
	if (wait)
		pt->state = NOTIFY_APP;
	latch_unlock(&pt->latch);
	/* pt may be gone from here on, if it waits. */
	if (!wait)
		fiber_resume(fiber);
}

static bool is_dead(struct plat_thread *pt)
{
	bool dead;

	latch_lock(&pt->latch);
	dead = pt->state == NOTIFY_DEAD;
	latch_unlock(&pt->latch);
	return dead;
}

/* Give the reply in the slot; back when the stub's next request is in pt->request.  -ESRCH: dead. */
static int exchange(struct plat_thread *pt, enum stub_reply reply)
{
	pt->slot->reply = reply;
	fiber_suspend(commit, pt);
	return is_dead(pt) ? -ESRCH : 0;
}

/* An order, which the stub reports with STUB_DONE.  Anything else is a hostile stub's: it dies. */
int notify_order(struct plat_thread *pt, enum stub_reply reply)
{
	uint32_t kind = pt->request.kind;
	int err;

	latch_lock(&pt->latch);
	pt->ordering = true;
	latch_unlock(&pt->latch);
	err = exchange(pt, reply);
	latch_lock(&pt->latch);
	pt->ordering = false;
	latch_unlock(&pt->latch);
	if (err == 0 && pt->request.kind != STUB_DONE) {
		log_info("stub %d broke the protocol: request %u instead of a report", pt->tid,
			 pt->request.kind);
		notify_mm_kill(pt->mm);
		err = -ESRCH;
	}
	if (err == 0)
		pt->request.kind = kind; /* what it stands in is still that (futex_goes_on) */
	return err;
}

/*
 * A patched call has no signal frame: what needs one (other registers, FPU state, clone) makes the
 * stub get itself one first.
 */
static int promote(struct plat_thread *pt)
{
	int err;

	if (pt->fpstate)
		return 0;
	err = notify_order(pt, STUB_PROMOTE);
	if (err < 0)
		return err;
	pt->fpstate = pt->request.fpstate;
	if (pt->fpstate)
		return 0;
	log_info("stub %d broke the protocol: no frame", pt->tid);
	notify_mm_kill(pt->mm);
	return -ESRCH;
}

/* ---- run -------------------------------------------------------------------------------------- */

static void event_dead(struct plat_thread *pt, struct plat_event *ev)
{
	*ev = (struct plat_event){ .kind = PLAT_DEAD, .dead.wait_status = SIGKILL };
	latch_lock(&pt->mm->latch);
	if (pt->mm->dead)
		ev->dead.wait_status = pt->mm->wait_status;
	latch_unlock(&pt->mm->latch);
}

static void event_decode(struct plat_thread *pt, struct plat_event *ev)
{
	const struct notify_request *q = &pt->request;

	memset(ev, 0, sizeof(*ev));
	switch (q->kind) {
	case STUB_SYSCALL:
		ev->kind = PLAT_SYSCALL;
		pt->registers.orig_rax = q->nr;
		ev->syscall.nr = q->nr;
		ev->syscall.args[0] = q->regs.rdi;
		ev->syscall.args[1] = q->regs.rsi;
		ev->syscall.args[2] = q->regs.rdx;
		ev->syscall.args[3] = q->regs.r10;
		ev->syscall.args[4] = q->regs.r8;
		ev->syscall.args[5] = q->regs.r9;
		ev->syscall.ip = q->regs.rip;
		ev->syscall.compat = q->compat || (q->nr & 0x40000000);
		return;
	case STUB_FAULT:
		ev->kind = PLAT_FAULT;
		ev->fault.signo = (int)q->sig;
		ev->fault.code = (int)q->code;
		ev->fault.addr = q->fault_addr;
		ev->fault.trapno = q->trapno;
		ev->fault.error = q->error;
		if (ev->fault.signo == SIGSEGV || ev->fault.signo == SIGBUS ||
		    ev->fault.signo == SIGFPE || ev->fault.signo == SIGILL ||
		    ev->fault.signo == SIGTRAP)
			return;
		break;
	case STUB_KICKED:
		ev->kind = PLAT_KICKED;
		return;
	case STUB_KICKED_FUTEX:
		ev->kind = PLAT_KICKED;
		pt->registers.orig_rax = SYS_futex;
		return;
	case STUB_NATIVE_DONE:
		ev->kind = PLAT_NATIVE_DONE;
		return;
	}
	log_info("stub %d broke the protocol: request %u", pt->tid, q->kind);
	notify_mm_kill(pt->mm);
	event_dead(pt, ev);
}

/*
 * Whether the registers say no more than "make the interrupted futex wait again": then the stub, which
 * still stands in it, goes on, to the same moment.
 */
static bool futex_goes_on(const struct plat_thread *pt)
{
	struct stub_regs now;

	if (pt->request.kind != STUB_KICKED_FUTEX || pt->fpu_init || pt->fpu_save || pt->fpu_from)
		return false;
	memcpy(&now, &pt->registers, sizeof(now));
	if (now.rip != pt->request.regs.rip - 2 ||
	    (now.rax != SYS_futex && now.rax != SYS_restart_syscall))
		return false;
	now.rip = pt->request.regs.rip;
	now.rax = pt->request.regs.rax;
	now.orig_rax = pt->request.regs.orig_rax;
	return memcmp(&now, &pt->request.regs, sizeof(now)) == 0;
}

static int fpu_settle(struct plat_thread *pt);

static int native_prepare(struct plat_thread *pt)
{
	const plat_regs_t *r = &pt->registers;
	struct plat_hostcall c = {
		.nr = (long)pt->native_nr,
		.args = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	};
	int err = pt->regs_set ? fpu_settle(pt) : 0;

	if (err == 0 && pt->regs_set)
		err = promote(pt);
	if (err < 0)
		return err;
	notify_patch_before(pt, &c, 1);
	if (pt->regs_set)
		pt->registers.rip = notify_patch_target(pt->mm, r->rip);
	return 0;
}

#define EFLAGS_TF 0x100u

/*
 * Registers for a patched call, which has no frame, are loaded by the stub, unless it could not get away with them: it
 * goes by GS, and must not be stepped through.
 */
static bool needs_frame(const struct plat_thread *pt)
{
	return pt->registers.gs_base != 0 || (pt->registers.eflags & EFLAGS_TF);
}

static int load_prepare(struct plat_thread *pt)
{
	struct stub_slot *s = pt->slot;
	int err = needs_frame(pt) ? promote(pt) : 0;

	if (err < 0)
		return err;
	pt->registers.rip = notify_patch_target(pt->mm, pt->registers.rip);
	memcpy(&s->regs, &pt->registers, sizeof(s->regs));
	s->flags = 0;
	s->fpu_addr = pt->fpu_save | pt->fpu_from;
	if (pt->fpu_save)
		s->flags = STUB_LOAD_FPU_SAVE;
	else if (pt->fpu_from)
		s->flags = STUB_LOAD_FPU_FROM;
	else if (pt->fpu_init)
		s->flags = STUB_LOAD_FPU_INIT;
	return 0;
}

/* enum stub_reply, or -ESRCH. */
static int run_reply(struct plat_thread *pt)
{
	struct stub_slot *s = pt->slot;
	int reply = STUB_CONTINUE, err;

	if (pt->native) {
		err = native_prepare(pt);
		if (err < 0)
			return err;
		s->result = (int64_t)pt->native_nr;
		s->flags = pt->native_report ? STUB_NATIVE_REPORT : 0;
		if (pt->regs_set) {
			memcpy(&s->regs, &pt->registers, sizeof(s->regs));
			s->flags |= STUB_NATIVE_LOAD;
		}
		reply = STUB_NATIVE;
	} else if (futex_goes_on(pt)) {
		reply = STUB_CONTINUE;
	} else if (pt->regs_set || pt->fpu_init) {
		err = load_prepare(pt);
		if (err < 0)
			return err;
		reply = STUB_LOAD;
	} else if (pt->result_set) {
		s->result = (int64_t)pt->registers.rax;
		reply = STUB_RESULT;
	}
	notify_windows_reply(pt);
	pt->regs_set = pt->fpu_init = pt->result_set = pt->native = false;
	return reply;
}

/* Decode; true if it was about a patch, and the thread may go on. */
static bool patch_only(struct plat_thread *pt, struct plat_event *ev)
{
	if (pt->request.kind == STUB_SITE) {
		notify_patch_site(pt);
		return true;
	}
	event_decode(pt, ev);
	return notify_patch_event(pt, ev);
}

/* Let the stub go on, or leave it as it is; back with its next request.  -ESRCH: dead. */
static int run_once(struct plat_thread *pt)
{
	int reply;

	if (pt->started) {
		pt->started = false;
		fiber_suspend(commit_started, pt);
		return is_dead(pt) ? -ESRCH : 0;
	}
	reply = run_reply(pt);
	return reply < 0 ? reply : exchange(pt, (enum stub_reply)reply);
}

/* As when Linux finds a signal frame that it can't write or read: SIGSEGV, on the registers that were to be. */
static void event_bad_frame(struct plat_thread *pt, struct plat_event *ev)
{
	if (is_dead(pt)) {
		event_dead(pt, ev);
		return;
	}
	pt->fpu_save = pt->fpu_from = 0;
	pt->regs_set = true;
	*ev = (struct plat_event){ .kind = PLAT_FAULT, .fault.signo = SIGSEGV, .fault.code = SI_KERNEL };
}

static void notify_run(struct plat_thread *pt, struct plat_event *ev)
{
	bool dead, kicked, again;

	latch_lock(&pt->latch);
	dead = !pt->started && pt->state != NOTIFY_KERNEL;
	/* A native call is interrupted where it waits: commit() passes the kick on. */
	kicked = pt->kicked && !pt->native && !pt->started;
	pt->kicked &= !kicked;
	latch_unlock(&pt->latch);
	if (dead) {
		event_dead(pt, ev);
		return;
	}
	if (kicked) {
		/* Not in a system call any more, but for a wait that nobody has ended. */
		if (pt->request.kind != STUB_KICKED_FUTEX || pt->regs_set || pt->result_set)
			pt->registers.orig_rax = (unsigned long long)-1;
		*ev = (struct plat_event){ .kind = PLAT_KICKED };
		return;
	}
	do {
		if (run_once(pt) < 0) {
			event_dead(pt, ev);
			return;
		}
		if (pt->request.kind == STUB_LOAD_FAILED && (pt->fpu_save || pt->fpu_from)) {
			if (fpu_settle(pt) < 0) {
				event_bad_frame(pt, ev);
				return;
			}
			again = true;
			continue;
		}
		pt->fpu_save = pt->fpu_from = 0;
		again = false;
		memcpy(&pt->registers, &pt->request.regs, sizeof(pt->registers));
		pt->fpstate = pt->request.fpstate;
	} while (again || (notify_patch_is_on() && patch_only(pt, ev)));
	if (!notify_patch_is_on())
		event_decode(pt, ev);
}

static void notify_kick(struct plat_thread *pt)
{
	pid_t tid = 0, pid;

	latch_lock(&pt->latch);
	pt->kicked = true;
	if ((pt->state == NOTIFY_APP || pt->state == NOTIFY_STARTED) && !pt->ordering)
		tid = pt->tid;
	pid = pt->mm->pid;
	latch_unlock(&pt->latch);
	if (tid)
		kick_host(pid, tid);
}

/* ---- orders ----------------------------------------------------------------------------------- */

/*
 * Put calls' descriptors into the stub, as numbers 0, 1, …  Needs a doorbell that it waits in;
 * -ENOENT when there is none (parked, or interrupted meanwhile).
 */
static int hand_over(struct plat_thread *pt, struct plat_hostcall *calls, size_t count, uint32_t *mask)
{
	struct seccomp_notif_addfd add = { .flags = SECCOMP_ADDFD_FLAG_SETFD };
	long r;

	latch_lock(&pt->latch);
	add.id = pt->notif_id;
	latch_unlock(&pt->latch);
	*mask = 0;
	for (size_t i = 0; i < count; i++) {
		if (calls[i].nr != SYS_mmap || calls[i].host_fd < 0)
			continue;
		if (add.id == 0)
			return -ENOENT;
		add.srcfd = (uint32_t)calls[i].host_fd;
		add.newfd_flags = O_CLOEXEC;
		r = host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (r < 0)
			return (int)r;
		pt->slot->calls[i].args[4] = (uint64_t)r;
		*mask |= 1u << r;
		add.newfd++;
	}
	return 0;
}

/*
 * The fiber may run on another worker than the receiver, which then would park the stub as soon as it
 * has rung: it must not while hold is set.
 */
static void hold_doorbell(struct plat_thread *pt, bool hold)
{
	latch_lock(&pt->latch);
	pt->hold_doorbell = hold;
	latch_unlock(&pt->latch);
}

static int hostcalls_batch_locked(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	struct stub_slot *s = pt->slot;
	int64_t done;
	uint32_t mask;
	int err;

	for (int tries = 0;; tries++) {
		for (size_t i = 0; i < count; i++) {
			s->calls[i].nr = (uint64_t)calls[i].nr;
			memcpy(s->calls[i].args, calls[i].args, sizeof(s->calls[i].args));
			if (calls[i].nr == SYS_mmap)
				s->calls[i].args[4] = (uint64_t)-1;
		}
		err = hand_over(pt, calls, count, &mask);
		if (err == 0)
			break;
		if (err != -ENOENT || tries == 16) {
			hold_doorbell(pt, false);
			return err == -ENOENT ? -ESRCH : err;
		}
		/* Nothing to do, but come back and ring: an empty batch. */
		s->count = 0;
		s->fd_mask = mask;
		hold_doorbell(pt, true);
		err = notify_order(pt, STUB_CALLS);
		if (err < 0) {
			hold_doorbell(pt, false);
			return err;
		}
	}
	hold_doorbell(pt, false);
	s->count = (uint32_t)count;
	s->fd_mask = mask;
	err = notify_order(pt, STUB_CALLS);
	if (err < 0)
		return err;
	done = pt->request.done;
	if (done < 0 || done > (int64_t)count)
		done = 0;
	for (size_t i = 0; i < count; i++) {
		if ((int64_t)i <= done)
			calls[i].result = *(volatile int64_t *)&s->calls[i].result;
	}
	return (int)done;
}

/*
 * At most STUB_CALLS_MAX calls, STUB_FDS_MAX of them with a descriptor.  Threads of a process have one
 * table of descriptors, and the numbers are the same for all: from handing over to closing they are
 * one thread's.
 */
static int hostcalls_batch(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	bool files = false;
	int r;

	for (size_t i = 0; i < count; i++)
		files |= calls[i].nr == SYS_mmap && calls[i].host_fd >= 0;
	if (!files)
		return hostcalls_batch_locked(pt, calls, count);
	mutex_lock(&pt->mm->fds_mutex);
	r = hostcalls_batch_locked(pt, calls, count);
	mutex_unlock(&pt->mm->fds_mutex);
	return r;
}

int notify_hostcalls_raw(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	return is_dead(pt) ? -ESRCH : hostcalls_batch(pt, calls, count);
}

static int notify_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	size_t total = 0, n, fds;
	int done;

	for (size_t i = 0; i < count; i++)
		calls[i].result = -ECANCELED;
	while (total < count) {
		for (n = 0, fds = 0; total + n < count && n < STUB_CALLS_MAX; n++) {
			struct plat_hostcall *c = &calls[total + n];

			if (!plat_hostcall_is_allowed(c))
				break;
			if (c->nr == SYS_mmap && c->host_fd >= 0 && ++fds > STUB_FDS_MAX)
				break;
		}
		if (n == 0) {
			calls[total].result = calls[total].nr == SYS_mmap ? -ENOMEM : -EINVAL;
			break;
		}
		notify_patch_before(pt, calls + total, n);
		if (is_dead(pt))
			return -ESRCH;
		done = hostcalls_batch(pt, calls + total, n);
		if (done < 0)
			return done;
		total += (size_t)done;
		if ((size_t)done < n)
			break;
	}
	return (int)total;
}

/* ---- what the stub keeps ---------------------------------------------------------------------- */

static struct stub_own *notify_own(const struct plat_thread *pt)
{
	return atomic_load_explicit(&pt->own, memory_order_acquire);
}

/* ---- clone ------------------------------------------------------------------------------------ */

/* It goes to live in the slot; back, before the slot may be another thread's. */
static void own_lend(struct plat_thread *pt)
{
	pt->slot->own = pt->own_here;
	atomic_store_explicit(&pt->own, &pt->slot->own, memory_order_release);
}

static void own_take_back(struct plat_thread *pt)
{
	pt->own_here.sig_blocked = plat_sigmask(pt);
	pt->own_here.robust_list = plat_robust_list(pt);
	pt->own_here.clear_tid = plat_clear_tid(pt);
	atomic_store_explicit(&pt->own, &pt->own_here, memory_order_release);
}

static int child_prepare(struct plat_thread *parent, struct plat_thread *child, bool thread,
			 uint32_t *flags)
{
	bool mapped = false;
	int r;

	if (thread) {
		r = notify_slot_alloc(child->mm, &mapped);
		if (r < 0)
			return r;
		child->index = (uint32_t)r;
		*flags = STUB_CLONE_THREAD | (mapped ? STUB_CLONE_MAPPED : 0);
	} else {
		r = notify_mm_open(child->mm, parent->index);
		if (r < 0)
			return r;
		child->index = parent->index;
		latch_lock(&parent->mm->latch);
		*flags = parent->mm->slot_count == 1 ? STUB_CLONE_ALONE : 0;
		latch_unlock(&parent->mm->latch);
	}
	do {
		(void)host_getrandom(&child->cookie, sizeof(child->cookie), 0);
	} while (child->cookie == 0);
	child->slot = notify_slot_at(child->mm, child->index);
	child->slot->request_seq = 1;
	child->slot->reply_seq = 0;
	child->slot->live = 1;
	own_lend(child);
	child->seq = 1;
	child->first_of_process = !thread;
	child->registers = parent->registers;
	child->fpstate = 0;
	if (parent->fpstate)
		child->fpstate = parent->fpstate + ((uint64_t)child->index - parent->index) * STUB_AREA_SIZE;
	return 0;
}

/* What gettid(2) and PI futexes know pt by. */
static void tid_publish(struct plat_thread *pt, pid_t tid)
{
	pt->slot->tid = (uint32_t)tid;
	if (pt->index < STUB_TIDS_MAX)
		pt->mm->process->tids[pt->index] = tid;
}

/* It goes on without its fiber. */
static void child_set_start(struct plat_thread *parent, struct plat_thread *child,
			    const struct plat_start *start)
{
	child->registers.rax = 0;
	child->registers.rsp = start->stack;
	child->registers.fs_base = start->tls;
	tid_publish(child, start->tid);
	child->started = true;
	memcpy(&parent->slot->regs, &child->registers, sizeof(parent->slot->regs));
}

/* The stub reads the count too: does a thread that ends have somebody to tell? */
static uint32_t threads_add_locked(struct plat_mm *mm, int n) REQUIRES(mm->latch)
{
	mm->live_threads += (uint32_t)n;
	if (mm->process)
		__atomic_store_n(&mm->process->threads, mm->live_threads, __ATOMIC_RELAXED);
	return mm->live_threads;
}

static void child_publish(struct plat_thread *child)
{
	latch_lock(&notify.tables);
	hash_insert(&notify.by_cookie, &child->by_cookie, hash_u64(0, child->cookie));
	child->in_by_cookie = true;
	latch_unlock(&notify.tables);
	latch_lock(&child->latch);
	child->state = child->started ? NOTIFY_STARTED : NOTIFY_KERNEL;
	child->tid = 0;
	latch_unlock(&child->latch);
	latch_lock(&child->mm->latch);
	list_append(&child->mm->threads, &child->in_mm);
	(void)threads_add_locked(child->mm, 1);
	latch_unlock(&child->mm->latch);
}

static void child_undo(struct plat_thread *child, bool thread, bool mapped)
{
	struct plat_mm *mm = child->mm;

	own_take_back(child);
	notify_thread_unhash(child);
	latch_lock(&child->latch);
	child->state = NOTIFY_NEW;
	child->tid = 0;
	latch_unlock(&child->latch);
	latch_lock(&mm->latch);
	list_remove(&child->in_mm);
	(void)threads_add_locked(mm, -1);
	if (thread) {
		mm->slots[child->index] = mapped ? NOTIFY_SLOT_DYING : NOTIFY_SLOT_NONE;
		child->slot->live = 0;
	}
	latch_unlock(&mm->latch);
	if (!thread)
		notify_mm_undo(mm);
}

/* The parent's stub made pid (or says so). */
static void child_hint(struct plat_thread *child, pid_t pid)
{
	bool gone;

	latch_lock(&notify.tables);
	latch_lock(&child->mm->latch);
	child->mm->pid_hint = pid;
	gone = child->mm->pid == 0;
	latch_unlock(&child->mm->latch);
	latch_unlock(&notify.tables);
	/* It may have died, and been reaped, before we knew its number. */
	if (gone && host_kill(pid, 0) == -ESRCH)
		notify_mm_died(child->mm, SIGKILL);
}

static int clone_ordered(struct plat_thread *parent, struct plat_thread *child, bool thread,
			 const struct plat_start *start)
{
	bool cloned;
	uint32_t stub_flags;
	int err;

	err = child_prepare(parent, child, thread, &stub_flags);
	if (err < 0)
		return err;
	if (!thread) {
		err = notify_patch_fork(parent->mm, child->mm);
		if (err < 0)
			return err;
	}
	if (start)
		child_set_start(parent, child, start);
	child_publish(child);
	parent->slot->flags = stub_flags | (start ? STUB_CLONE_START : 0);
	parent->slot->index = child->index;
	parent->slot->cookie = child->cookie;
	latch_lock(&parent->latch);
	parent->clone_flags = thread ? STUB_CLONE_THREAD_FLAGS : STUB_CLONE_FORK_FLAGS;
	parent->cloned = false;
	latch_unlock(&parent->latch);
	err = notify_order(parent, STUB_CLONE);
	latch_lock(&parent->latch);
	parent->clone_flags = 0;
	cloned = parent->cloned;
	latch_unlock(&parent->latch);
	/* A stub that never made the call has no child, whatever number it gives. */
	if (err == 0 && !cloned)
		err = -EAGAIN;
	if (err == 0 && parent->request.done <= 0)
		err = parent->request.done == -ENOMEM ? -ENOMEM : -EAGAIN;
	if (err < 0) {
		child_undo(child, thread, stub_flags & STUB_CLONE_MAPPED);
		if (cloned)
			notify_census_want(); /* the host had no room, or the stub is lying */
		return err;
	}
	if (start)
		/* False: it has asked for something already. */
		(void)notify_thread_arrived(child, (pid_t)parent->request.done);
	else
		child->regs_set = true;
	if (!thread)
		child_hint(child, (pid_t)parent->request.done);
	return 0;
}

int notify_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		 const struct plat_start *start)
{
	bool thread = flags & PLAT_CLONE_VM;
	int err = start ? 0 : promote(parent);

	if (err < 0)
		return err;
	if (thread)
		return clone_ordered(parent, child, thread, start);
	/* The copied text and the copied tables are of the same moment. */
	mutex_lock(&parent->mm->patch_mutex);
	err = clone_ordered(parent, child, thread, NULL);
	mutex_unlock(&parent->mm->patch_mutex);
	return err;
}

int notify_start_from(struct plat_thread *z, struct plat_thread *pt)
{
	int err;

	mutex_lock(&zygote_mutex);
	if (is_dead(z)) {
		mutex_unlock(&zygote_mutex);
		return -ESRCH;
	}
	z->fiber = fiber_self();
	latch_lock(&pt->mm->latch);
	pt->mm->from_zygote = true;
	latch_unlock(&pt->mm->latch);
	memset(&z->registers, 0, sizeof(z->registers));
	err = notify_clone(z, pt, 0, NULL);
	mutex_unlock(&zygote_mutex);
	pt->fpu_init = true;
	return err;
}

int notify_start(struct plat_thread *pt)
{
	return notify_start_from(notify.zygote, pt);
}

static int notify_clone_checked(struct plat_thread *parent, struct plat_thread *child,
				unsigned int flags, const struct plat_start *start)
{
	if (is_dead(parent))
		return -ESRCH;
	return notify_clone(parent, child, flags, start);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void notify_thread_exit(struct plat_thread *pt, pid_t tid)
{
	struct plat_mm *mm = pt->mm;
	bool alone, publish;
	uint64_t id = 0;

	own_take_back(pt);
	notify_thread_unhash(pt);
	latch_lock(&mm->latch);
	alone = threads_add_locked(mm, -1) == 0;
	list_remove(&pt->in_mm);
	mm->slots[pt->index] = NOTIFY_SLOT_DYING;
	latch_unlock(&mm->latch);

	latch_lock(&pt->latch);
	publish = pt->state == NOTIFY_KERNEL;
	pt->state = NOTIFY_DEAD;
	if (publish) {
		pt->slot->flags = alone ? STUB_EXIT_GROUP : 0;
		pt->slot->tid = (uint32_t)tid;
		pt->slot->reply = STUB_EXIT;
		id = publish_locked(pt);
	}
	latch_unlock(&pt->latch);
	/* Only what has done its work in memory already, so that nobody waits for it. */
	if (publish && id && !alone && !plat_clear_tid(pt) && !plat_robust_list(pt))
		notify_send_later(id);
	else if (publish)
		let_go(pt->slot, id);
}

static void notify_walk_robust(struct plat_thread *pt, pid_t tid)
{
	if (!plat_robust_list(pt) || is_dead(pt))
		return;
	pt->slot->tid = (uint32_t)tid;
	if (notify_order(pt, STUB_WALK) < 0)
		return; /* it is gone, and its locks are nobody's */
}

static void notify_set_tid(struct plat_thread *pt, pid_t tid)
{
	tid_publish(pt, tid);
}

static int notify_mm_reset(struct plat_thread *pt)
{
	struct plat_hostcall calls[PLAT_RESET_CALLS];
	size_t n = plat_reset_calls(calls);
	int r;

	r = notify_slots_settle(pt->mm);
	if (r < 0)
		return r;
	notify_patch_reset(pt->mm);
	notify_mm_told(pt->mm)->crowded = 0;
	r = notify_hostcalls(pt, calls, n);
	if (r < 0)
		return r;
	if ((size_t)r != n)
		return (int)calls[r].result;
	memset(&pt->registers, 0, sizeof(pt->registers));
	pt->registers.orig_rax = (unsigned long)-1;
	pt->fpu_save = pt->fpu_from = 0;
	pt->regs_set = pt->fpu_init = true;
	return 0;
}

/* ---- registers -------------------------------------------------------------------------------- */

static const plat_regs_t *notify_regs(struct plat_thread *pt)
{
	return &pt->registers;
}

static plat_regs_t *notify_regs_mut(struct plat_thread *pt)
{
	pt->regs_set = true;
	return &pt->registers;
}

static void notify_set_result(struct plat_thread *pt, long result)
{
	pt->registers.rax = (unsigned long long)result;
	pt->result_set = true;
}

static void notify_native_call(struct plat_thread *pt, uint64_t nr, bool report)
{
	pt->native = true;
	pt->native_nr = nr;
	pt->native_report = report;
	pt->registers.rax = nr;
	pt->result_set = false;
}

static size_t notify_fpstate_size(void)
{
	return notify.fpstate.size;
}

static ssize_t notify_fpstate_get(struct plat_thread *pt, void *buf, size_t size)
{
	ssize_t n;

	size = MIN(size, notify.fpstate.size);
	n = pt->fpu_init ? 0 : fpu_settle(pt);
	if (n == 0 && !pt->fpu_init)
		n = promote(pt);
	if (n < 0)
		return n;
	if (pt->fpu_init || pt->fpstate == 0) {
		fpstate_init(&notify.fpstate, buf, size);
		return (ssize_t)size;
	}
	n = plat_mm_read(pt->mm, pt->fpstate, buf, size, false);
	return n == (ssize_t)size ? n : n < 0 ? n : -EFAULT;
}

static int notify_fpstate_set(struct plat_thread *pt, const void *buf, size_t size)
{
	uint8_t *state;
	ssize_t n;
	int err;

	if (size == 0) {
		pt->fpu_from = 0;
		pt->fpu_init = true;
		return 0;
	}
	err = pt->fpu_save ? fpu_settle(pt) : 0;
	pt->fpu_from = 0;
	if (err == 0)
		err = promote(pt);
	if (err < 0)
		return err;
	state = mem_zalloc(notify.fpstate.size);
	if (!state)
		return -ENOMEM;
	err = fpstate_check(&notify.fpstate, buf, size, state);
	if (err == 0) {
		n = plat_mm_write(pt->mm, pt->fpstate, state, notify.fpstate.size, false);
		err = n == (ssize_t)notify.fpstate.size ? 0 : n < 0 ? (int)n : -EFAULT;
	}
	if (err == 0 && pt->fpu_init) {
		/* The initial state was to be loaded by dropping the frame's: take that back. */
		pt->fpu_init = false;
		pt->regs_set = true;
	}
	mem_free(state);
	return err;
}

/* The state at from in the application's memory (hostile) as a host could load it. */
static int fpu_read(struct plat_thread *pt, uint64_t from, uint8_t *state)
{
	uint8_t *raw = mem_zalloc(notify.fpstate.size);
	ssize_t n;
	int err;

	if (!raw)
		return -ENOMEM;
	n = plat_mm_read(pt->mm, from, raw, notify.fpstate.size, false); /* may be short: a legacy one */
	err = n < 512 ? -EFAULT : fpstate_check(&notify.fpstate, raw, (size_t)n, state);
	mem_free(raw);
	return err;
}

/* Do now, by way of the Sentry, what the stub was to do in the next run. */
static int fpu_settle(struct plat_thread *pt)
{
	uint64_t save = pt->fpu_save, from = pt->fpu_from;
	ssize_t n, size = (ssize_t)notify.fpstate.size;
	uint8_t *state;

	if (!save && !from)
		return 0;
	state = mem_zalloc(notify.fpstate.size);
	if (!state)
		return -ENOMEM;
	pt->fpu_save = pt->fpu_from = 0;
	pt->regs_set = true;
	if (save) {
		pt->fpu_init = false;
		n = notify_fpstate_get(pt, state, notify.fpstate.size);
		if (n == size)
			n = plat_mm_write(pt->mm, save, state, notify.fpstate.size, false);
		pt->fpu_init = true;
	} else {
		n = fpu_read(pt, from, state);
		if (n == 0)
			n = notify_fpstate_set(pt, state, notify.fpstate.size);
		n = n < 0 ? n : size;
	}
	mem_free(state);
	return n == size ? 0 : n < 0 ? (int)n : -EFAULT;
}

static int notify_fpstate_save_at(struct plat_thread *pt, uint64_t addr)
{
	ssize_t n, size = (ssize_t)notify.fpstate.size;
	uint8_t *state;
	int err = 0;

	if (!pt->fpu_init && !pt->fpu_from) {
		pt->fpu_save = addr;
		pt->fpu_init = pt->regs_set = true;
		return 0;
	}
	/* It is not (or not yet) in the stub's hands: another signal came before the thread has run. */
	state = mem_zalloc(notify.fpstate.size);
	if (!state)
		return -ENOMEM;
	if (pt->fpu_from)
		err = fpu_read(pt, pt->fpu_from, state);
	else
		fpstate_init(&notify.fpstate, state, notify.fpstate.size);
	if (err == 0) {
		n = plat_mm_write(pt->mm, addr, state, notify.fpstate.size, false);
		err = n == size ? 0 : n < 0 ? (int)n : -EFAULT;
	}
	mem_free(state);
	if (err < 0)
		return err;
	pt->fpu_from = 0;
	pt->fpu_init = pt->regs_set = true;
	return 0;
}

static int notify_fpstate_load_at(struct plat_thread *pt, uint64_t addr)
{
	int err = pt->fpu_save ? fpu_settle(pt) : 0;

	if (err < 0)
		return err;
	pt->fpu_init = false;
	pt->fpu_from = addr;
	pt->regs_set = true;
	return 0;
}

/* ---- the table -------------------------------------------------------------------------------- */

static struct plat_mm *notify_thread_mm(struct plat_thread *pt)
{
	return pt->mm;
}

static pid_t notify_thread_host_tid(struct plat_thread *pt)
{
	pid_t tid;

	latch_lock(&pt->latch);
	tid = pt->tid;
	latch_unlock(&pt->latch);
	return tid;
}

static const struct uio_space *notify_thread_space(struct plat_thread *pt)
{
	return &pt->space;
}

static const struct uio_space *notify_mm_space(struct plat_mm *mm)
{
	return &mm->space;
}

static void notify_mm_set_native(struct plat_mm *mm, bool on)
{
	latch_lock(&mm->latch);
	mm->native = on;
	if (mm->process)
		mm->process->native = on;
	latch_unlock(&mm->latch);
}

static void notify_mm_set_clocks(struct plat_mm *mm, bool on)
{
	latch_lock(&mm->latch);
	mm->clocks_off = !on;
	if (mm->process)
		mm->process->clocks_off = !on;
	latch_unlock(&mm->latch);
}

static void notify_mm_set_populate(struct plat_mm *mm, bool on)
{
	atomic_store_explicit(&mm->populate, on, memory_order_relaxed);
}

static void notify_mm_set_identity(struct plat_mm *mm, const struct plat_identity *id)
{
	struct stub_process *p;

	latch_lock(&mm->latch);
	mm->identity = *id;
	p = mm->process;
	if (p) {
		__atomic_store_n(&p->identity, 0, __ATOMIC_RELEASE);
		p->pid = id->pid;
		p->ppid = id->ppid;
		p->uid = id->uid;
		p->euid = id->euid;
		p->gid = id->gid;
		p->egid = id->egid;
		p->pgid = id->pgid;
		p->sid = id->sid;
		__atomic_store_n(&p->identity, id->valid, __ATOMIC_RELEASE);
	}
	latch_unlock(&mm->latch);
}

static const struct worker_hooks *notify_hooks(void)
{
	return &notify_worker_hooks;
}

const struct platform_ops notify_ops = {
	.name = "notify",
	.init = notify_init,
	.worker_hooks = notify_hooks,
	.mm_new = notify_mm_new,
	.mm_get = notify_mm_get,
	.mm_put = notify_mm_put,
	.mm_kill = notify_mm_kill,
	.mm_reset = notify_mm_reset,
	.mm_set_identity = notify_mm_set_identity,
	.mm_set_native = notify_mm_set_native,
	.mm_set_clocks = notify_mm_set_clocks,
	.mm_set_populate = notify_mm_set_populate,
	.mm_tid = notify_mm_tid,
	.mm_space = notify_mm_space,
	.mm_original = notify_patch_original,
	.mm_sites = notify_patch_sites,
	.mm_hidden_bytes = notify_mm_hidden_bytes,
	.thread_new = notify_thread_new,
	.thread_free = notify_thread_free,
	.thread_mm = notify_thread_mm,
	.thread_host_tid = notify_thread_host_tid,
	.thread_is_dead = is_dead,
	.thread_space = notify_thread_space,
	.start = notify_start,
	.start_from = notify_start_from,
	.clone = notify_clone_checked,
	.run = notify_run,
	.own = notify_own,
	.kick = notify_kick,
	.thread_exit = notify_thread_exit,
	.walk_robust = notify_walk_robust,
	.set_tid = notify_set_tid,
	.hostcalls = notify_hostcalls,
	.regs = notify_regs,
	.regs_mut = notify_regs_mut,
	.set_result = notify_set_result,
	.native_call = notify_native_call,
	.fpstate_size = notify_fpstate_size,
	.fpstate_get = notify_fpstate_get,
	.fpstate_set = notify_fpstate_set,
	.fpstate_save_at = notify_fpstate_save_at,
	.fpstate_load_at = notify_fpstate_load_at,
};
