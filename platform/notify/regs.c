/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs.c: registers and FPU state of a thread that stands still: copies, loaded by its next run.
 *
 * FPU state stays in the stub's signal frame as long as nobody asks: a signal's frame is written, and read
 * back, by the stub itself in the next run (fpu_save, fpu_from), unless somebody looks before.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

void notify_regs_of_call(struct plat_thread *pt)
{
	const struct notify_request *q = &pt->request;
	plat_regs_t *r = &pt->registers;

	r->orig_rax = q->nr;
	r->rdi = q->args[0];
	r->rsi = q->args[1];
	r->rdx = q->args[2];
	r->r10 = q->args[3];
	r->r8 = q->args[4];
	r->r9 = q->args[5];
}

static void regs_fetch_locked(struct plat_thread *pt) REQUIRES(pt->latch)
{
	const volatile uint64_t *from = (const volatile uint64_t *)&pt->slot->regs;
	uint64_t *to = (uint64_t *)&pt->registers;

	for (size_t i = 0; i < sizeof(pt->registers) / sizeof(uint64_t); i++)
		to[i] = from[i];
	notify_regs_of_call(pt);
	if (pt->result_set)
		pt->registers.rax = (unsigned long long)pt->result;
}

plat_regs_t *notify_regs_here(struct plat_thread *pt)
{
	if (likely(!__atomic_load_n(&pt->late, __ATOMIC_ACQUIRE)))
		return &pt->registers;
	latch_lock(&pt->latch);
	if (pt->late)
		regs_fetch_locked(pt);
	__atomic_store_n(&pt->late, false, __ATOMIC_RELEASE);
	latch_unlock(&pt->latch);
	return &pt->registers;
}

const plat_regs_t *notify_regs(struct plat_thread *pt)
{
	return notify_regs_here(pt);
}

plat_regs_t *notify_regs_mut(struct plat_thread *pt)
{
	pt->regs_set = true;
	return notify_regs_here(pt);
}

void notify_set_result(struct plat_thread *pt, long result)
{
	pt->result = result;
	pt->result_set = true;
	if (!__atomic_load_n(&pt->late, __ATOMIC_RELAXED))
		pt->registers.rax = (unsigned long long)result;
}

void notify_native_call(struct plat_thread *pt, uint64_t nr, bool report)
{
	pt->native = true;
	pt->native_nr = nr;
	pt->native_report = report;
	notify_regs_here(pt)->rax = nr;
	pt->result_set = false;
}

size_t notify_fpstate_size(void)
{
	return notify.fpstate.size;
}

ssize_t notify_fpstate_get(struct plat_thread *pt, void *buf, size_t size)
{
	ssize_t n;

	size = MIN(size, notify.fpstate.size);
	n = pt->fpu_init ? 0 : notify_fpu_settle(pt);
	if (n == 0 && !pt->fpu_init)
		n = notify_promote(pt);
	if (n < 0)
		return n;
	if (pt->fpu_init || pt->fpstate == 0) {
		fpstate_init(&notify.fpstate, buf, size);
		return (ssize_t)size;
	}
	n = plat_mm_read(pt->mm, pt->fpstate, buf, size, false);
	return n == (ssize_t)size ? n : n < 0 ? n : -EFAULT;
}

int notify_fpstate_set(struct plat_thread *pt, const void *buf, size_t size)
{
	uint8_t *state;
	ssize_t n;
	int err;

	if (size == 0) {
		pt->fpu_from = 0;
		pt->fpu_init = true;
		return 0;
	}
	err = pt->fpu_save ? notify_fpu_settle(pt) : 0;
	pt->fpu_from = 0;
	if (err == 0)
		err = notify_promote(pt);
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

int notify_fpu_settle(struct plat_thread *pt)
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
		pt->fpu_init = n == size;
	} else {
		n = fpu_read(pt, from, state);
		if (n == 0)
			n = notify_fpstate_set(pt, state, notify.fpstate.size);
		n = n < 0 ? n : size;
	}
	mem_free(state);
	return n == size ? 0 : n < 0 ? (int)n : -EFAULT;
}

/* A signal's frame is being set up, and the registers are those that it is to return to. */
static void return_offer(struct plat_thread *pt)
{
	volatile struct stub_own *own = &pt->slot->own;
	uint64_t ip = notify_regs_here(pt)->rip;
	uint32_t seq = __atomic_load_n(&pt->mm->process->watch_seq, __ATOMIC_ACQUIRE);

	own->return_ip = ip;
	own->return_to = notify_patch_target(pt->mm, ip);
	own->return_seq = seq;
}

int notify_fpstate_save_at(struct plat_thread *pt, uint64_t addr)
{
	ssize_t n, size = (ssize_t)notify.fpstate.size;
	uint8_t *state;
	int err = 0;

	if (!pt->fpu_init && !pt->fpu_from) {
		pt->fpu_save = addr;
		pt->fpu_init = pt->regs_set = true;
		return_offer(pt);
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

int notify_fpstate_load_at(struct plat_thread *pt, uint64_t addr)
{
	int err = pt->fpu_save ? notify_fpu_settle(pt) : 0;

	if (err < 0)
		return err;
	pt->fpu_init = false;
	pt->fpu_from = addr;
	pt->regs_set = true;
	return 0;
}
