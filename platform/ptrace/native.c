/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.c: the calls of an application that the host makes in its process: memory and futexes
 * (stub/native_rules.h), and what needs no host at all (identities).  The tracer does this between
 * two stops, without the task's fiber.
 *
 * A futex wait is one of them, with the application's own arguments: the host restarts it by itself
 * after a stop, to the same moment.  A kick's stop is reported with the registers that the application
 * will have, and in them, as inside Linux, what becomes of the call; if the fiber changes nothing, or
 * says "again", the thread just goes on from that stop.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>
#include <string.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define ERESTARTSYS_           512
#define ERESTARTNOINTR_        513
#define ERESTART_RESTARTBLOCK_ 516

/* ---- identities ------------------------------------------------------------------------------- */

static bool identity(const struct plat_identity *id, uint64_t nr, long *result)
{
	switch (nr) {
	case SYS_getpid:
		*result = id->pid;
		return true;
	case SYS_getppid:
		*result = id->ppid;
		return true;
	case SYS_getuid:
		*result = (uint32_t)id->uid;
		return true;
	case SYS_geteuid:
		*result = (uint32_t)id->euid;
		return true;
	case SYS_getgid:
		*result = (uint32_t)id->gid;
		return true;
	case SYS_getegid:
		*result = (uint32_t)id->egid;
		return true;
	case SYS_getpgrp:
		*result = id->pgid;
		return true;
	}
	return false;
}

/* ---- making them ------------------------------------------------------------------------------ */

static void begin(struct plat_thread *pt, enum traced_mode mode, const struct native_call *c)
{
	plat_regs_t regs = {
		.rip = traced_text_at(traced_text_syscall),
		.rax = c->nr,
		.rdi = c->args[0],
		.rsi = c->args[1],
		.rdx = c->args[2],
		.r10 = c->args[3],
		.r8 = c->args[4],
		.r9 = c->args[5],
	};

	traced_inject(pt, mode, &regs);
}

static enum native_verdict decide_requeue(struct plat_thread *pt)
{
	struct native_call *c = &pt->native;
	struct native_waitv w[2];

	if ((uint32_t)c->args[1] || !c->args[0])
		return native_error(c, EINVAL);
	if (plat_mm_read(pt->mm, c->args[0], w, sizeof(w), false) != sizeof(w))
		return native_error(c, EFAULT);
	return native_futex_requeue(c, w);
}

static enum native_verdict decide(struct plat_thread *pt, uint64_t nr)
{
	const plat_regs_t *r = &pt->registers;

	pt->native = (struct native_call){
		nr, { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 }, -ENOSYS, false,
	};
	pt->native_asked = nr;
	if (nr == SYS_futex_waitv)
		return NATIVE_WAIT;
	if (nr == NATIVE_NR_futex_requeue)
		return decide_requeue(pt);
	return native_decide(&tracer.consts, &pt->native);
}

/* The fiber's turn, for a PI futex. */
static bool pi_turn(struct plat_thread *pt)
{
	pt->pi_turn = true;
	if (!pt->suspended)
		return false;
	latch_lock(&pt->latch);
	if (pt->state == TRACED_APP)
		pt->state = TRACED_KERNEL;
	latch_unlock(&pt->latch);
	pt->suspended = false;
	(void)fiber_run(pt->fiber);
	return true;
}

static bool wants_kick(struct plat_thread *pt)
{
	bool kicked;

	latch_lock(&pt->latch);
	kicked = pt->kicked;
	latch_unlock(&pt->latch);
	return kicked;
}

static void set_result(struct plat_thread *pt, long result)
{
	pt->registers.rax = (unsigned long long)result;
	pt->registers.orig_rax = (unsigned long long)-1;
	pt->in_wait = false;
}

bool traced_native_call(struct plat_thread *pt, bool *ran)
{
	uint64_t nr = pt->registers.orig_rax;
	struct plat_identity id;
	bool native;
	long result;

	latch_lock(&pt->mm->latch);
	native = pt->mm->native;
	id = pt->mm->identity;
	latch_unlock(&pt->mm->latch);
	*ran = false;
	if (!native)
		return false;
	pt->native_report = false;
	if (traced_pi_is(nr, pt->registers.rsi)) {
		traced_pi_begin(pt);
		*ran = pi_turn(pt);
		return true;
	}
	switch (decide(pt, nr)) {
	case NATIVE_CALL:
		begin(pt, TRACED_NATIVE, &pt->native);
		return true;
	case NATIVE_WAIT:
		begin(pt, TRACED_WAITS, &pt->native);
		return true;
	case NATIVE_RESULT:
		result = pt->native.result;
		break;
	default:
		if (!id.valid || !identity(&id, nr, &result))
			return false;
		break;
	}
	set_result(pt, result);
	traced_go_on(pt);
	return true;
}

/* From its commit, so it can't be run. */
static void back_to_fiber(struct plat_thread *pt)
{
	latch_lock(&pt->latch);
	pt->state = TRACED_KERNEL;
	latch_unlock(&pt->latch);
	pt->suspended = false;
	fiber_resume(pt->fiber);
}

void traced_pi_wait(struct plat_thread *pt)
{
	begin(pt, TRACED_WAITS, &pt->native);
}

void traced_native_ordered(struct plat_thread *pt)
{
	long result = -ENOSYS;

	pt->native_report = pt->native_ordered_report;
	if (traced_pi_is(pt->native_nr, pt->registers.rsi)) {
		traced_pi_begin(pt);
		pt->pi_turn = true;
		back_to_fiber(pt);
		return;
	}
	switch (decide(pt, pt->native_nr)) {
	case NATIVE_CALL:
		begin(pt, TRACED_NATIVE, &pt->native);
		return;
	case NATIVE_WAIT:
		begin(pt, TRACED_WAITS, &pt->native);
		return;
	case NATIVE_RESULT:
		result = pt->native.result;
		break;
	default:
		break;
	}
	set_result(pt, result);
	if (!pt->native_report) {
		traced_go_on(pt);
		return;
	}
	pt->registers.orig_rax = pt->native_nr;
	pt->event = (struct plat_event){ .kind = PLAT_NATIVE_DONE };
	back_to_fiber(pt);
}

bool traced_native_done(struct plat_thread *pt)
{
	long result = (long)pt->now.rax;
	struct native_call undo;

	if (pt->pi) {
		pt->native_result = result;
		return pi_turn(pt);
	}
	if (pt->mode == TRACED_AFTER) {
		result = pt->native_result;
	} else if (pt->mode == TRACED_NATIVE && native_undo(pt->native.nr, pt->native.args, result, &undo)) {
		pt->native_result = -ENOMEM;
		begin(pt, TRACED_AFTER, &undo);
		return false;
	} else if (pt->mode == TRACED_NATIVE && pt->native.huge && result > 0) {
		struct native_call advice = {
			.nr = SYS_madvise,
			.args = { (uint64_t)result, pt->native.args[1], NATIVE_MADV_HUGEPAGE },
		};

		pt->native_result = result;
		begin(pt, TRACED_AFTER, &advice);
		return false;
	}
	set_result(pt, result);
	if (pt->native_report) {
		pt->registers.orig_rax = pt->native_asked;
		pt->event = (struct plat_event){ .kind = PLAT_NATIVE_DONE };
		return traced_report(pt);
	}
	if (wants_kick(pt)) {
		pt->event = (struct plat_event){ .kind = PLAT_KICKED };
		return traced_report(pt);
	}
	traced_go_on(pt);
	return false;
}

/* ---- futex waits ------------------------------------------------------------------------------ */

void traced_wait_kicked(struct plat_thread *pt)
{
	long code = ERESTARTSYS_;

	if (pt->pi)
		code = ERESTARTNOINTR_;
	else if (pt->native_asked == SYS_futex && pt->native.args[3] != 0)
		code = ERESTART_RESTARTBLOCK_;
	traced_read_regs(pt);
	pt->registers.orig_rax = pt->native_asked;
	pt->registers.rax = (unsigned long long)-code;
	pt->in_wait = true;
	pt->wait_seen = pt->registers;
	pt->wait_regs = pt->now;
}

bool traced_wait_goes_on(struct plat_thread *pt)
{
	plat_regs_t now = pt->registers;

	if (!pt->in_wait || pt->fpu_init)
		return false;
	pt->in_wait = false;
	if (pt->regs_set || pt->result_set) {
		if (now.rip != pt->wait_seen.rip - 2 ||
		    (now.rax != pt->wait_seen.orig_rax && now.rax != SYS_restart_syscall))
			return false;
		now.rip = pt->wait_seen.rip;
		now.rax = pt->wait_seen.rax;
		now.orig_rax = pt->wait_seen.orig_rax;
		if (memcmp(&now, &pt->wait_seen, sizeof(now)) != 0)
			return false;
	}
	/* What the fiber saw stays what the application will have. */
	pt->registers = pt->wait_seen;
	traced_mode_set(pt, TRACED_WAITS);
	/* As they were, restart included: the thread may have carried out orders since. */
	(void)tracer_call(PTRACE_SETREGS, pt->tid, 0, &pt->wait_regs);
	traced_resume(pt, 0);
	return true;
}
