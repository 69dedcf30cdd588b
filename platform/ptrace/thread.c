/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c: threads of the ptrace platform: what a stop means, and letting go again.
 *
 * A ptrace call that finds its thread gone (killed while it stood) fails with ESRCH; nothing is done
 * about that here, since the end will be waited for like any other and then wakes the fiber.
 *
 * Stops by a host signal: a fault in the application is an event; SIGTRAP at the int3 of the text is
 * the end of an injected piece; SIGURG is a kick; the rest comes from outside the sandbox (SIGSTOP,
 * SIGTERM …) and is let through.  SIGSYS is left for calls through the vsyscall page, which the host
 * emulates: SYSEMU doesn't see them, the filter refuses them, with the registers behind the call.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"

#define KICK_SIGNAL   SIGURG
#define SYSCALL_STOP  (SIGTRAP | 0x80)
#define EFLAGS_PLAIN  0x202

/* ---- life ------------------------------------------------------------------------------------- */

int traced_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out)
{
	struct plat_thread *pt = mem_new(struct plat_thread);

	if (!pt)
		return -ENOMEM;
	ref_init(&pt->refs);
	latch_init(&pt->latch);
	list_init(&pt->in_mm);
	pt->mm = mm;
	ref_get(&mm->refs);
	traced_mm_get(mm);
	pt->fiber = fiber;
	*out = pt;
	return 0;
}

void traced_thread_put(struct plat_thread *pt)
{
	if (!ref_put(&pt->refs))
		return;
	traced_mm_unref(pt->mm);
	mem_free(pt);
}

static void mm_forget_thread(struct plat_thread *pt)
{
	latch_lock(&pt->mm->latch);
	list_remove(&pt->in_mm);
	latch_unlock(&pt->mm->latch);
}

static void traced_thread_free(struct plat_thread *pt)
{
	mm_forget_thread(pt);
	traced_mm_put(pt->mm);
	traced_thread_put(pt);
}

bool traced_is_dead(struct plat_thread *pt)
{
	bool dead;

	latch_lock(&pt->latch);
	dead = pt->state == TRACED_DEAD;
	latch_unlock(&pt->latch);
	return dead;
}

void traced_gone(struct plat_thread *pt, int status)
{
	bool was_dead, at_work, killed;

	latch_lock(&pt->mm->latch);
	list_remove(&pt->in_mm);
	killed = pt->mm->killed;
	latch_unlock(&pt->mm->latch);
	latch_lock(&pt->latch);
	was_dead = pt->state == TRACED_DEAD;
	pt->state = TRACED_DEAD;
	pt->tid = 0;
	pt->wait_status = status;
	latch_unlock(&pt->latch);
	at_work = !pt->suspended;
	if (pt->suspended) {
		pt->suspended = false;
		fiber_resume(pt->fiber);
	}
	if (pt->creator) {
		fiber_resume(pt->creator);
		pt->creator = NULL;
	}
	if (!was_dead && at_work && !killed && tracer.lost)
		tracer.lost();
}

/* ---- registers of the host thread ------------------------------------------------------------- */

void traced_read_regs(struct plat_thread *pt)
{
	(void)tracer_call(PTRACE_GETREGS, pt->tid, 0, &pt->now);
}

static void write_regs(struct plat_thread *pt, const plat_regs_t *r)
{
	long err = tracer_call(PTRACE_SETREGS, pt->tid, 0, r);

	if (err < 0 && err != -ESRCH) {
		/* A segment base outside the address space: the Sentry checks these. */
		log_info("thread %d: registers refused (%ld)", pt->tid, err);
		traced_mm_kill(pt->mm);
	}
}

/* The selectors are the host's; no call is to be restarted. */
static void registers_make_loadable(const struct plat_thread *pt, plat_regs_t *r)
{
	r->cs = pt->now.cs;
	r->ss = pt->now.ss;
	r->ds = pt->now.ds;
	r->es = pt->now.es;
	r->fs = pt->now.fs;
	r->gs = pt->now.gs;
	r->orig_rax = (unsigned long long)-1;
}

void traced_resume(struct plat_thread *pt, int sig)
{
	(void)tracer_call(pt->mode == TRACED_RUNS ? PTRACE_SYSEMU : PTRACE_CONT, pt->tid, 0,
			  (void *)(intptr_t)sig);
}

void traced_inject(struct plat_thread *pt, enum traced_mode mode, const plat_regs_t *r)
{
	plat_regs_t regs = *r;

	registers_make_loadable(pt, &regs);
	regs.eflags = EFLAGS_PLAIN;
	regs.fs_base = pt->now.fs_base;
	regs.gs_base = pt->now.gs_base;
	traced_mode_set(pt, mode);
	write_regs(pt, &regs);
	traced_resume(pt, 0);
}

/* ---- FPU -------------------------------------------------------------------------------------- */

/* regset: tracer.regset_size bytes. */
static int regset_move(struct plat_thread *pt, int request, uint8_t *regset)
{
	struct iovec iov = { regset, tracer.regset_size };
	long err;

	if (tracer.regset_size == 0) /* a CPU without XSAVE */
		err = tracer_call(request == PTRACE_GETREGSET ? PTRACE_GETFPREGS : PTRACE_SETFPREGS,
				  pt->tid, 0, regset);
	else
		err = tracer_call(request, pt->tid, NT_X86_XSTATE, &iov);
	return (int)err;
}

static size_t traced_fpstate_size(void)
{
	return tracer.fpstate.size;
}

static size_t regset_room(void)
{
	return MAX(tracer.regset_size, MAX(tracer.fpstate.size, (size_t)512));
}

static ssize_t traced_fpstate_get(struct plat_thread *pt, void *buf, size_t size)
{
	uint8_t *regset;
	int err;

	size = MIN(size, tracer.fpstate.size);
	if (pt->fpu_init) {
		fpstate_init(&tracer.fpstate, buf, size);
		return (ssize_t)size;
	}
	tracer_enter();
	regset = mem_zalloc(regset_room());
	if (!regset)
		return -ENOMEM;
	err = regset_move(pt, PTRACE_GETREGSET, regset);
	if (err == 0) {
		fpstate_sign(&tracer.fpstate, regset);
		memcpy(buf, regset, size);
	}
	mem_free(regset);
	return err < 0 ? err : (ssize_t)size;
}

static int fpstate_load(struct plat_thread *pt, const uint8_t *state)
{
	uint8_t *regset = mem_zalloc(regset_room());
	int err;

	if (!regset)
		return -ENOMEM;
	memcpy(regset, state, tracer.fpstate.xsize);
	err = regset_move(pt, PTRACE_SETREGSET, regset);
	mem_free(regset);
	return err;
}

static int traced_fpstate_set(struct plat_thread *pt, const void *buf, size_t size)
{
	uint8_t *state;
	int err;

	if (size == 0) {
		pt->fpu_init = true;
		return 0;
	}
	tracer_enter();
	state = mem_zalloc(tracer.fpstate.size);
	if (!state)
		return -ENOMEM;
	err = fpstate_check(&tracer.fpstate, buf, size, state);
	if (err == 0)
		err = fpstate_load(pt, state);
	if (err == 0)
		pt->fpu_init = false;
	mem_free(state);
	return err;
}

static void fpstate_reset(struct plat_thread *pt)
{
	uint8_t *state = mem_zalloc(tracer.fpstate.size);
	int err = -ENOMEM;

	if (state) {
		fpstate_init(&tracer.fpstate, state, tracer.fpstate.size);
		err = fpstate_load(pt, state);
	}
	mem_free(state);
	if (err < 0 && err != -ESRCH)
		traced_mm_kill(pt->mm);
	pt->fpu_init = false;
}

/* ---- events ----------------------------------------------------------------------------------- */

bool traced_report(struct plat_thread *pt)
{
	latch_lock(&pt->latch);
	if (pt->state == TRACED_APP)
		pt->state = TRACED_KERNEL;
	pt->kicked = false;
	latch_unlock(&pt->latch);
	if (!pt->suspended)
		return false; /* it has left for good */
	pt->suspended = false;
	(void)fiber_run(pt->fiber);
	return true;
}

void traced_go_on(struct plat_thread *pt)
{
	plat_regs_t regs = pt->registers;

	if (pt->fpu_init)
		fpstate_reset(pt);
	registers_make_loadable(pt, &regs);
	write_regs(pt, &regs);
	traced_mode_set(pt, TRACED_RUNS);
	traced_resume(pt, 0);
}

/* The registers of the stop are the application's. */
static void registers_take(struct plat_thread *pt)
{
	traced_read_regs(pt);
	pt->registers = pt->now;
	pt->in_wait = pt->pi = false;
}

static bool on_syscall(struct plat_thread *pt, uint64_t nr, bool compat)
{
	plat_regs_t *r = &pt->registers;
	bool ran;

	r->orig_rax = r->rax = nr;
	if (!compat && traced_native_call(pt, &ran))
		return ran;
	pt->event = (struct plat_event){
		.kind = PLAT_SYSCALL,
		.syscall = {
			.nr = nr,
			.args = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
			.compat = compat || (nr & 0x40000000),
		},
	};
	return traced_report(pt);
}

static bool on_syscall_stop(struct plat_thread *pt)
{
	registers_take(pt);
	/* The instruction leaves its own end in rcx; int 0x80 doesn't.  Who fakes that fools itself. */
	return on_syscall(pt, pt->now.orig_rax, pt->now.rcx != pt->now.rip);
}

static bool on_vsyscall(struct plat_thread *pt, const siginfo_t *info)
{
	registers_take(pt);
	return on_syscall(pt, (uint32_t)info->si_syscall, info->si_arch != AUDIT_ARCH_X86_64);
}

/* What the host does not tell a tracer: numbers as in a signal frame, as far as they follow from the rest. */
static void fault_details(struct plat_event *ev, const siginfo_t *info, uint64_t ip)
{
	ev->fault.addr = (uint64_t)info->si_addr;
	switch (info->si_signo) {
	case SIGSEGV:
	case SIGBUS:
		ev->fault.trapno = info->si_code == SI_KERNEL ? 13 : 14;
		if (info->si_signo == SIGBUS && info->si_code == BUS_ADRALN)
			ev->fault.trapno = 17;
		if (ev->fault.trapno == 14) {
			ev->fault.error = 4;
			if (info->si_signo == SIGSEGV && info->si_code == SEGV_ACCERR)
				ev->fault.error |= 1;
			if (ev->fault.addr == ip)
				ev->fault.error |= 16;
		} else {
			ev->fault.addr = 0;
		}
		break;
	case SIGFPE:
		ev->fault.trapno = info->si_code == FPE_INTDIV ? 0 : 19;
		break;
	case SIGILL:
		ev->fault.trapno = 6;
		break;
	case SIGTRAP:
		ev->fault.trapno = info->si_code == SI_KERNEL ? 3 : 1;
		if (info->si_code == SI_KERNEL)
			ev->fault.addr = 0;
		break;
	}
}

static bool on_fault(struct plat_thread *pt, const siginfo_t *info)
{
	registers_take(pt);
	pt->registers.orig_rax = (unsigned long long)-1;
	pt->event = (struct plat_event){
		.kind = PLAT_FAULT,
		.fault = { .signo = info->si_signo, .code = info->si_code },
	};
	fault_details(&pt->event, info, pt->now.rip);
	return traced_report(pt);
}

static bool on_kick(struct plat_thread *pt)
{
	bool kicked;

	latch_lock(&pt->latch);
	kicked = pt->kicked && pt->state == TRACED_APP;
	latch_unlock(&pt->latch);
	if (!kicked || (pt->mode != TRACED_RUNS && pt->mode != TRACED_WAITS)) {
		traced_resume(pt, 0); /* seen meanwhile, or will be at the end of what is under way */
		return false;
	}
	pt->event = (struct plat_event){ .kind = PLAT_KICKED };
	if (pt->mode == TRACED_WAITS) {
		traced_wait_kicked(pt);
	} else {
		registers_take(pt);
		pt->registers.orig_rax = (unsigned long long)-1;
	}
	return traced_report(pt);
}

/* An injected piece has come to its end. */
static bool on_piece_done(struct plat_thread *pt)
{
	traced_read_regs(pt);
	if (pt->mode != TRACED_ORDER)
		return traced_native_done(pt);
	if (!pt->suspended)
		return false;
	pt->suspended = false;
	(void)fiber_run(pt->fiber);
	return true;
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

static bool on_signal(struct plat_thread *pt, int sig)
{
	siginfo_t info;

	if (sig == KICK_SIGNAL)
		return on_kick(pt);
	if (!is_fault(sig) && sig != SIGSYS) {
		traced_resume(pt, sig);
		return false;
	}
	memset(&info, 0, sizeof(info));
	(void)tracer_call(PTRACE_GETSIGINFO, pt->tid, 0, &info);
	if (info.si_code <= 0) {
		traced_resume(pt, sig); /* kill(2), from outside */
		return false;
	}
	if (pt->mode == TRACED_RUNS)
		return sig == SIGSYS ? on_vsyscall(pt, &info) : on_fault(pt, &info);
	if (sig == SIGTRAP)
		return on_piece_done(pt);
	if (pt->mode == TRACED_ORDER && (sig == SIGSEGV || sig == SIGBUS)) {
		pt->order_fault = true;
		return on_piece_done(pt);
	}
	log_info("thread %d: signal %d in the stub", pt->tid, sig);
	traced_mm_kill(pt->mm);
	return false;
}

/* PTRACE_EVENT_STOP: the first stop; or the host stops or continues the process. */
static bool on_event_stop(struct plat_thread *pt, int sig)
{
	struct fiber *creator = pt->creator;

	if (!pt->arrived) {
		pt->arrived = true;
		traced_read_regs(pt);
		pt->creator = NULL;
		if (creator)
			(void)fiber_run(creator);
		return creator != NULL;
	}
	if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		(void)tracer_call(PTRACE_LISTEN, pt->tid, 0, NULL);
	else
		traced_resume(pt, 0);
	return false;
}

static bool on_clone_report(struct plat_thread *pt)
{
	unsigned long tid = 0;

	if (tracer_call(PTRACE_GETEVENTMSG, pt->tid, 0, &tid) == 0) {
		if (pt->child && pt->child->state == TRACED_NEW)
			tracer_adopt(pt->child, (pid_t)tid);
		else
			(void)host_kill((pid_t)tid, SIGKILL);
	}
	traced_resume(pt, 0);
	return false;
}

bool traced_stopped(struct plat_thread *pt, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case 0:
		return sig == SYSCALL_STOP ? on_syscall_stop(pt) : on_signal(pt, sig);
	case PTRACE_EVENT_STOP:
		return on_event_stop(pt, sig);
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_CLONE:
		return on_clone_report(pt);
	default:
		traced_resume(pt, 0);
		return false;
	}
}

/* ---- run -------------------------------------------------------------------------------------- */

static void event_dead(struct plat_thread *pt, struct plat_event *ev)
{
	*ev = (struct plat_event){ .kind = PLAT_DEAD, .dead.wait_status = SIGKILL };
	if (WIFSIGNALED(pt->wait_status))
		ev->dead.wait_status = pt->wait_status;
}

static void run_commit(void *arg)
{
	struct plat_thread *pt = arg;
	pid_t kick_tid = 0, pid;

	latch_lock(&pt->latch);
	if (pt->state == TRACED_DEAD) {
		latch_unlock(&pt->latch);
		fiber_resume(pt->fiber);
		return;
	}
	pt->state = TRACED_APP;
	if (pt->kicked)
		kick_tid = pt->tid;
	latch_unlock(&pt->latch);
	pid = pt->mm->pid;
	pt->suspended = true;
	if (pt->native_ordered) {
		pt->native_ordered = false;
		traced_native_ordered(pt);
	} else if (pt->pi_waits) {
		pt->pi_waits = false;
		traced_pi_wait(pt);
	} else if (!traced_wait_goes_on(pt)) {
		traced_go_on(pt);
	}
	pt->result_set = pt->regs_set = false;
	if (kick_tid)
		(void)host_tgkill(pid, kick_tid, KICK_SIGNAL);
}

/* A step of a PI futex, if that is what the fiber was run for.  False: there is an event. */
static bool pi_goes_on(struct plat_thread *pt)
{
	long result;

	if (!pt->pi_turn)
		return false;
	pt->pi_turn = false;
	if (traced_pi_step(pt, &result)) {
		pt->pi = false;
		pt->registers.rax = (unsigned long long)result;
		if (pt->native_report) {
			pt->event = (struct plat_event){ .kind = PLAT_NATIVE_DONE };
			return false;
		}
	} else {
		pt->pi_waits = true;
	}
	tracer_enter();
	return true;
}

static void traced_run(struct plat_thread *pt, struct plat_event *ev)
{
	bool dead, kicked;

	tracer_enter();
	latch_lock(&pt->latch);
	dead = pt->state != TRACED_KERNEL;
	kicked = pt->kicked && !pt->native_ordered;
	if (kicked)
		pt->kicked = false;
	latch_unlock(&pt->latch);
	if (dead) {
		event_dead(pt, ev);
		return;
	}
	if (kicked) {
		/* Not in a system call any more, but for a wait that nobody has ended. */
		if (!pt->in_wait || pt->regs_set || pt->result_set)
			pt->registers.orig_rax = (unsigned long long)-1;
		*ev = (struct plat_event){ .kind = PLAT_KICKED };
		return;
	}
	do {
		fiber_suspend(run_commit, pt);
		if (traced_is_dead(pt)) {
			event_dead(pt, ev);
			return;
		}
	} while (pi_goes_on(pt));
	*ev = pt->event;
}

static void traced_kick(struct plat_thread *pt)
{
	pid_t tid = 0, pid;

	latch_lock(&pt->latch);
	pt->kicked = true;
	if (pt->state == TRACED_APP)
		tid = pt->tid;
	pid = __atomic_load_n(&pt->mm->pid, __ATOMIC_RELAXED);
	latch_unlock(&pt->latch);
	/* pt may be gone from here on. */
	if (tid)
		(void)host_tgkill(pid, tid, KICK_SIGNAL);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void traced_thread_exit(struct plat_thread *pt, pid_t tid)
{
	struct plat_mm *mm = pt->mm;
	plat_regs_t regs = { .rip = traced_text_at(traced_text_syscall) };
	bool alone, here;

	latch_lock(&mm->latch);
	alone = mm->live_threads <= 1;
	latch_unlock(&mm->latch);
	/* As Linux: with nobody else in this memory there is nobody to tell. */
	if (!traced_is_dead(pt))
		traced_exit_work(pt, alone ? 0 : plat_clear_tid(pt), plat_robust_list(pt), tid);
	tracer_enter();
	latch_lock(&mm->latch);
	alone = --mm->live_threads == 0;
	list_remove(&pt->in_mm);
	latch_unlock(&mm->latch);
	latch_lock(&pt->latch);
	here = pt->state == TRACED_KERNEL;
	pt->state = TRACED_DEAD;
	latch_unlock(&pt->latch);
	regs.rax = alone ? SYS_exit_group : SYS_exit;
	if (here)
		traced_inject(pt, TRACED_LEAVES, &regs);
}

/* ---- the table -------------------------------------------------------------------------------- */

static void traced_walk_robust(struct plat_thread *pt, pid_t tid)
{
	if (plat_robust_list(pt) && !traced_is_dead(pt))
		traced_exit_work(pt, 0, plat_robust_list(pt), tid);
}

static void traced_set_tid(struct plat_thread *pt, pid_t tid)
{
	pt->pi_tid = (uint32_t)tid & FUTEX_TID_MASK;
}

static const plat_regs_t *traced_regs(struct plat_thread *pt)
{
	return &pt->registers;
}

static plat_regs_t *traced_regs_mut(struct plat_thread *pt)
{
	pt->regs_set = true;
	return &pt->registers;
}

static void traced_set_result(struct plat_thread *pt, long result)
{
	pt->registers.rax = (unsigned long long)result;
	pt->result_set = true;
}

static void traced_native_call_order(struct plat_thread *pt, uint64_t nr, bool report)
{
	pt->native_ordered = true;
	pt->native_ordered_report = report;
	pt->native_nr = nr;
	pt->registers.rax = nr;
	pt->result_set = false;
}

static struct plat_mm *traced_thread_mm(struct plat_thread *pt)
{
	return pt->mm;
}

static pid_t traced_host_tid(struct plat_thread *pt)
{
	pid_t tid;

	latch_lock(&pt->latch);
	tid = pt->tid;
	latch_unlock(&pt->latch);
	return tid;
}

static const struct uio_space *traced_thread_space(struct plat_thread *pt)
{
	return &pt->mm->space;
}

static const struct uio_space *traced_mm_space(struct plat_mm *mm)
{
	return &mm->space;
}

static void traced_set_native(struct plat_mm *mm, bool on)
{
	latch_lock(&mm->latch);
	mm->native = on;
	latch_unlock(&mm->latch);
}

static void traced_set_identity(struct plat_mm *mm, const struct plat_identity *id)
{
	latch_lock(&mm->latch);
	mm->identity = *id;
	latch_unlock(&mm->latch);
}

static const struct worker_hooks *traced_hooks(void)
{
	return &tracer_hooks;
}

/* Nobody but the Sentry changes it: here all of these calls are the Sentry's. */
static struct stub_own *traced_own(const struct plat_thread *pt)
{
	return (struct stub_own *)(uintptr_t)&pt->own;
}

const struct platform_ops ptrace_ops = {
	.name = "ptrace",
	.init = tracer_init,
	.worker_hooks = traced_hooks,
	.mm_new = traced_mm_new,
	.mm_get = traced_mm_get,
	.mm_put = traced_mm_put,
	.mm_kill = traced_mm_kill,
	.mm_reset = traced_mm_reset,
	.mm_set_identity = traced_set_identity,
	.mm_set_native = traced_set_native,
	.mm_tid = traced_mm_tid,
	.mm_space = traced_mm_space,
	.mm_hidden_bytes = traced_mm_hidden_bytes,
	.thread_new = traced_thread_new,
	.thread_free = traced_thread_free,
	.thread_mm = traced_thread_mm,
	.thread_host_tid = traced_host_tid,
	.thread_is_dead = traced_is_dead,
	.thread_space = traced_thread_space,
	.start = traced_start,
	.clone = traced_clone,
	.run = traced_run,
	.own = traced_own,
	.kick = traced_kick,
	.thread_exit = traced_thread_exit,
	.walk_robust = traced_walk_robust,
	.set_tid = traced_set_tid,
	.hostcalls = traced_hostcalls,
	.regs = traced_regs,
	.regs_mut = traced_regs_mut,
	.set_result = traced_set_result,
	.native_call = traced_native_call_order,
	.fpstate_size = traced_fpstate_size,
	.fpstate_get = traced_fpstate_get,
	.fpstate_set = traced_fpstate_set,
};
