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
#include "platform/notify/poll_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "platform/stub/native_rules.h"

#define KICK_SIGNAL SIGURG

_Static_assert(sizeof(plat_regs_t) == sizeof(struct stub_regs), "the same registers");

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

void notify_thread_free(struct plat_thread *pt)
{
	notify_thread_unhash(pt);
	latch_lock(&pt->mm->latch);
	list_remove(&pt->in_mm);
	latch_unlock(&pt->mm->latch);
	notify_thread_put(pt);
}

void notify_thread_died(struct plat_thread *pt)
{
	bool resume;

	notify_thread_unhash(pt);
	notify_poll_forget(pt);
	latch_lock(&pt->latch);
	resume = pt->state == NOTIFY_APP;
	notify_state_set(pt, NOTIFY_DEAD);
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

/* All that the first line is to hold but the number: at once, as late as can be, since the stub looks at that line. */
static void answer_write(const struct plat_thread *pt)
{
	const struct notify_answer *a = &pt->answer;
	struct stub_slot *s = pt->slot;

	s->reply = a->reply;
	s->out_count = a->out_count;
	s->flags = a->flags;
	s->result = a->result;
	if (a->out_count == 0)
		return;
	memcpy(s->out_size, a->out_size, sizeof(s->out_size));
	memcpy(s->small, a->small, sizeof(s->small));
}

/*
 * Let the stub see the reply that is in the slot.  REQUIRES pt->latch; returns the doorbell to answer.  *looks: the
 * stub has not been told to sleep.
 */
static uint64_t publish_locked(struct plat_thread *pt, bool *looks)
{
	uint64_t id = pt->notif_id;
	uint32_t spin = notify_poll_spin(pt);

	pt->notif_id = 0;
	*looks = pt->polled;
	if (pt->spin != spin)
		pt->slot->spin = pt->spin = spin; /* in a line that does not change otherwise */
	answer_write(pt);
	/* Release: pairs with the stub's acquire in await_reply(). */
	__atomic_store_n(&pt->slot->reply_seq, pt->seq, __ATOMIC_RELEASE);
	return id;
}

/* No latch held: after this the stub runs. */
static void let_go(struct stub_slot *slot, uint64_t id, bool looks)
{
	if (looks)
		return;
	if (id) {
		notify_send_to(id, __atomic_load_n(&slot->cpu, __ATOMIC_RELAXED));
		return;
	}
	/* Either we see that it sleeps, or it sees the reply (await_reply() in the stub). */
	atomic_thread_fence(memory_order_seq_cst);
	if (__atomic_load_n(&slot->sleeps, __ATOMIC_RELAXED))
		(void)host_futex(&slot->reply_seq, FUTEX_WAKE, 1, NULL, 0);
}

/* The reply goes out.  False: the thread is dead. */
static bool reply_now(struct plat_thread *pt)
{
	struct stub_slot *slot = pt->slot;
	pid_t kick_tid = 0, pid;
	uint64_t id;
	bool looks;

	latch_lock(&pt->latch);
	if (pt->state == NOTIFY_DEAD) {
		latch_unlock(&pt->latch);
		return false;
	}
	notify_state_set(pt, NOTIFY_APP);
	id = publish_locked(pt, &looks);
	if (unlikely(pt->kicked) && !pt->ordering)
		kick_tid = pt->tid;
	pid = pt->mm->pid;
	latch_unlock(&pt->latch);
	/* pt may be gone from here on, if this is not its fiber. */
	let_go(slot, id, looks);
	if (unlikely(kick_tid))
		kick_host(pid, kick_tid);
	return true;
}

static void commit(void *arg)
{
	struct plat_thread *pt = arg;
	struct fiber *fiber = pt->fiber;

	if (!reply_now(pt))
		fiber_resume(fiber);
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
		notify_state_set(pt, NOTIFY_APP);
	latch_unlock(&pt->latch);
	/* pt may be gone from here on, if it waits. */
	if (!wait)
		fiber_resume(fiber);
}

bool notify_is_dead(struct plat_thread *pt)
{
	return notify_state_peek(pt) == NOTIFY_DEAD;
}

/* Give the reply in the slot; back when the stub's next request is in pt->request.  -ESRCH: dead. */
static int exchange(struct plat_thread *pt, enum stub_reply reply)
{
	pt->answer.reply = (uint8_t)reply;
	poll_place(pt);
	if (!notify_poll_is_here(pt))
		fiber_suspend(commit, pt);
	else if (!reply_now(pt))
		return -ESRCH;
	else if (!notify_poll_inline(pt))
		fiber_suspend(NULL, NULL); /* who takes the next request, or sees its end, posts: maybe has already */
	return notify_is_dead(pt) ? -ESRCH : 0;
}

/* An order, which the stub reports with STUB_DONE.  Anything else is a hostile stub's: it dies. */
int notify_order(struct plat_thread *pt, enum stub_reply reply)
{
	uint32_t kind = pt->request.kind;
	int err;

	pt->answer.out_count = 0;
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
int notify_promote(struct plat_thread *pt)
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

/* The application's call that an interrupted native wait belongs to. */
static uint64_t wait_nr(const struct plat_thread *pt)
{
	uint64_t nr = pt->request.regs.orig_rax;

	return nr == NATIVE_NR_futex_waitv || nr == NATIVE_NR_futex_wait ? nr : SYS_futex;
}

static void event_decode(struct plat_thread *pt, struct plat_event *ev)
{
	const struct notify_request *q = &pt->request;

	memset(ev, 0, sizeof(*ev));
	switch (q->kind) {
	case STUB_SYSCALL:
		ev->kind = PLAT_SYSCALL;
		ev->syscall.nr = q->nr;
		memcpy(ev->syscall.args, q->args, sizeof(ev->syscall.args));
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
		pt->registers.orig_rax = wait_nr(pt);
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
	    (now.rax != wait_nr(pt) && now.rax != SYS_restart_syscall))
		return false;
	now.rip = pt->request.regs.rip;
	now.rax = pt->request.regs.rax;
	now.orig_rax = pt->request.regs.orig_rax;
	return memcmp(&now, &pt->request.regs, sizeof(now)) == 0;
}

static int native_prepare(struct plat_thread *pt)
{
	const plat_regs_t *r = notify_regs_here(pt);
	struct plat_hostcall c = {
		.nr = (long)pt->native_nr,
		.args = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	};
	int err = pt->regs_set ? notify_fpu_settle(pt) : 0;

	if (err == 0 && pt->regs_set)
		err = notify_promote(pt);
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
	int err;

	(void)notify_regs_here(pt);
	err = needs_frame(pt) ? notify_promote(pt) : 0;
	if (err < 0)
		return err;
	pt->registers.rip = notify_patch_target(pt->mm, pt->registers.rip);
	memcpy(&s->regs, &pt->registers, sizeof(s->regs));
	pt->answer.flags = 0;
	s->fpu_addr = pt->fpu_save | pt->fpu_from;
	if (pt->fpu_save)
		pt->answer.flags = STUB_LOAD_FPU_SAVE;
	else if (pt->fpu_from)
		pt->answer.flags = STUB_LOAD_FPU_FROM;
	else if (pt->fpu_init)
		pt->answer.flags = STUB_LOAD_FPU_INIT;
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
		pt->answer.result = (int64_t)pt->native_nr;
		pt->answer.flags = pt->native_report ? STUB_NATIVE_REPORT : 0;
		if (pt->regs_set) {
			memcpy(&s->regs, &pt->registers, sizeof(s->regs));
			pt->answer.flags |= STUB_NATIVE_LOAD;
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
		pt->answer.result = pt->result;
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
		return notify_is_dead(pt) ? -ESRCH : 0;
	}
	reply = run_reply(pt);
	return reply < 0 ? reply : exchange(pt, (enum stub_reply)reply);
}

/* As when Linux finds a signal frame that it can't write or read: SIGSEGV, on the registers that were to be. */
static void event_bad_frame(struct plat_thread *pt, struct plat_event *ev, bool saving)
{
	if (notify_is_dead(pt)) {
		event_dead(pt, ev);
		return;
	}
	pt->fpu_save = pt->fpu_from = 0;
	pt->regs_set = true;
	*ev = (struct plat_event){
		.kind = PLAT_FAULT, .fault.signo = SIGSEGV, .fault.code = SI_KERNEL, .fault.frame = saving,
	};
}

/* Dead, or kicked: then there is nothing to run for now. */
static bool run_is_off(struct plat_thread *pt, struct plat_event *ev)
{
	bool dead, kicked;

	if (likely(notify_state_peek(pt) == NOTIFY_KERNEL && !pt->started &&
		   !__atomic_load_n(&pt->kicked, __ATOMIC_RELAXED)))
		return false;
	latch_lock(&pt->latch);
	dead = !pt->started && pt->state != NOTIFY_KERNEL;
	/* A native call is interrupted where it waits: commit() passes the kick on. */
	kicked = pt->kicked && !pt->native && !pt->started;
	if (kicked)
		__atomic_store_n(&pt->kicked, false, __ATOMIC_RELAXED);
	latch_unlock(&pt->latch);
	if (dead) {
		event_dead(pt, ev);
	} else if (kicked) {
		/* Not in a system call any more, but for a wait that nobody has ended. */
		if (pt->request.kind != STUB_KICKED_FUTEX || pt->regs_set || pt->result_set)
			notify_regs_here(pt)->orig_rax = (unsigned long long)-1;
		*ev = (struct plat_event){ .kind = PLAT_KICKED };
	}
	return dead || kicked;
}

void notify_run(struct plat_thread *pt, struct plat_event *ev)
{
	bool again;

	if (run_is_off(pt, ev))
		return;
	do {
		if (run_once(pt) < 0) {
			event_dead(pt, ev);
			return;
		}
		if (pt->request.kind == STUB_LOAD_FAILED && (pt->fpu_save || pt->fpu_from)) {
			bool saving = pt->fpu_save != 0;

			if (notify_fpu_settle(pt) < 0) {
				event_bad_frame(pt, ev, saving);
				return;
			}
			again = true;
			continue;
		}
		pt->fpu_save = pt->fpu_from = 0;
		again = false;
		if (pt->request.brief) {
			__atomic_store_n(&pt->late, true, __ATOMIC_RELEASE);
			pt->fpstate = 0;
		} else {
			__atomic_store_n(&pt->late, false, __ATOMIC_RELAXED);
			memcpy(&pt->registers, &pt->request.regs, sizeof(pt->registers));
			if (pt->request.kind == STUB_SYSCALL)
				notify_regs_of_call(pt);
			pt->fpstate = pt->request.fpstate;
		}
	} while (again || (notify_patch_is_on() && patch_only(pt, ev)));
	if (!notify_patch_is_on())
		event_decode(pt, ev);
}

void notify_kick(struct plat_thread *pt)
{
	pid_t tid = 0, pid;

	latch_lock(&pt->latch);
	__atomic_store_n(&pt->kicked, true, __ATOMIC_RELAXED);
	if ((pt->state == NOTIFY_APP || pt->state == NOTIFY_STARTED) && !pt->ordering)
		tid = pt->tid;
	pid = pt->mm->pid;
	latch_unlock(&pt->latch);
	if (tid)
		kick_host(pid, tid);
}

/* ---- the end ---------------------------------------------------------------------------------- */

void notify_thread_exit(struct plat_thread *pt, pid_t tid)
{
	struct plat_mm *mm = pt->mm;
	bool alone, publish, looks = false;
	uint64_t id = 0;

	notify_own_take_back(pt);
	notify_thread_unhash(pt);
	notify_poll_forget(pt);
	latch_lock(&mm->latch);
	alone = notify_threads_add_locked(mm, -1) == 0;
	list_remove(&pt->in_mm);
	mm->slots[pt->index] = NOTIFY_SLOT_DYING;
	latch_unlock(&mm->latch);

	latch_lock(&pt->latch);
	publish = pt->state == NOTIFY_KERNEL;
	notify_state_set(pt, NOTIFY_DEAD);
	if (publish) {
		pt->answer.flags = alone ? STUB_EXIT_GROUP : 0;
		pt->slot->tid = (uint32_t)tid;
		pt->answer.reply = STUB_EXIT;
		pt->answer.out_count = 0;
		id = publish_locked(pt, &looks);
	}
	latch_unlock(&pt->latch);
	/* Only what has done its work in memory already, so that nobody waits for it. */
	if (publish && id && !alone && !plat_clear_tid(pt) && !plat_robust_list(pt))
		notify_send_later(id);
	else if (publish)
		let_go(pt->slot, id, looks);
}

void notify_walk_robust(struct plat_thread *pt, pid_t tid)
{
	if (!plat_robust_list(pt) || notify_is_dead(pt))
		return;
	pt->slot->tid = (uint32_t)tid;
	if (notify_order(pt, STUB_WALK) < 0)
		return; /* it is gone, and its locks are nobody's */
}

void notify_set_tid(struct plat_thread *pt, pid_t tid)
{
	notify_tid_publish(pt, tid);
}

/*
 * An area that is about to be unmapped: the host would kill the process at its next preemption.  What the slot says of
 * it is hostile, and who lies there is killed.
 */
static int rseq_take_back(struct plat_thread *pt)
{
	const struct stub_own own = *(volatile struct stub_own *)&pt->slot->own;
	struct plat_hostcall call = {
		.nr = SYS_rseq, .host_fd = -1,
		.args = { own.rseq, own.rseq_size, 1 /* RSEQ_FLAG_UNREGISTER */, own.rseq_sig },
	};
	int r;

	if (!own.rseq)
		return 0;
	r = notify_hostcalls_raw(pt, &call, 1);
	if (r < 0)
		return r;
	pt->slot->own.rseq = 0;
	return r == 1 ? 0 : -EFAULT;
}

int notify_mm_reset(struct plat_thread *pt)
{
	struct plat_hostcall calls[PLAT_RESET_CALLS];
	size_t n = plat_reset_calls(calls);
	struct stub_zygote *told = notify_mm_told(pt->mm);
	int r;

	r = notify_slots_settle(pt->mm);
	if (r < 0)
		return r;
	r = rseq_take_back(pt);
	if (r < 0)
		return r;
	notify_patch_reset(pt->mm);
	*told = (struct stub_zygote){ .fd = told->fd, .state = told->state };
	r = notify_hostcalls(pt, calls, n);
	if (r < 0)
		return r;
	if ((size_t)r != n)
		return (int)calls[r].result;
	__atomic_store_n(&pt->late, false, __ATOMIC_RELAXED);
	memset(&pt->registers, 0, sizeof(pt->registers));
	pt->registers.orig_rax = (unsigned long)-1;
	pt->fpu_save = pt->fpu_from = 0;
	pt->regs_set = pt->fpu_init = true;
	pt->slot->own.return_on = 0;
	return 0;
}
