/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch_view.c: text and registers as the application knows them, without patches, and as they are; events that are
 * about patches only.  patch_impl.h, docs/patching.md.
 */
#include "platform/notify/patch_impl.h"

#include <string.h>

#include "platform/notify/notify_impl.h"

#define STRAYS_MAX   500 /* so often to the middle of a window: it isn't worth it */

void patch_to_app(struct plat_thread *pt, struct patch *p)
{
	plat_regs_t *r = &pt->registers;
	struct patch_window *w;
	bool after;

	latch_lock(&pt->mm->latch);
	w = p->arena_count ? patch_trampoline_peek(p, r->rip) : NULL;
	if (w) {
		uint32_t offset = (uint32_t)(r->rip - w->trampoline);

		r->rip = callsite_to_app(&w->plan, &w->parts, w->addr, offset, &after);
		if (after)
			r->rcx = r->rip;
	}
	latch_unlock(&pt->mm->latch);
}

uint64_t notify_patch_target(struct plat_mm *mm, uint64_t ip)
{
	struct patch *p = __atomic_load_n(&mm->patch, __ATOMIC_ACQUIRE);
	struct patch_window *w;
	int at;

	if (!p)
		return ip;
	latch_lock(&mm->latch);
	w = patch_window_peek(p, ip);
	if (w && w->state != WINDOW_DEAD && ip - w->addr < w->plan.size) {
		at = callsite_to_trampoline(&w->plan, &w->parts, (uint32_t)(ip - w->addr));
		if (at >= 0)
			ip = w->trampoline + (uint32_t)at;
	}
	latch_unlock(&mm->latch);
	return ip;
}

/* A trap that is ours: at an instruction of a window that came to lie under the jump, or an int3 while it changed. */
static bool is_stray(struct plat_thread *pt, struct patch *p, const struct plat_event *ev, bool *tired)
{
	struct plat_mm *mm = pt->mm;
	uint64_t ip = pt->registers.rip;
	bool breakpoint = ev->fault.trapno == 3, ours = false;
	struct patch_window *w;
	uint8_t now = 0;

	if (ev->fault.trapno != 3 && ev->fault.trapno != 6 && ev->fault.trapno != 13)
		return false;
	if (breakpoint)
		ip--;
	latch_lock(&mm->latch);
	w = patch_window_peek(p, ip);
	if (w && ip - w->addr < CALLSITE_JMP &&
	    (ip == w->addr ? breakpoint : (w->plan.traps >> (ip - w->addr)) & 1)) {
		ours = true;
		*tired = w->state == WINDOW_LIVE && ++w->strays > STRAYS_MAX;
		/* An int3 while it changes; also one that is reported late. */
		if (w->state == WINDOW_DEAD)
			now = w->plan.bytes[ip - w->addr];
		else
			now = 0;
	}
	latch_unlock(&mm->latch);
	if (!ours)
		return false;
	if (now != 0) {
		uint8_t there;

		/* If the application's own byte traps, it is the application's trap. */
		if (proc_vm_read(plat_thread_host_tid(pt), ip, &there, 1) != 1 || there != now ||
		    callsite_byte_traps(now))
			return false;
	}
	pt->registers.rip = ip;
	return true;
}

/*
 * A single step (TF) in a trampoline that is no instruction of the application's: the jump in, the way to the stub, rcx
 * set behind the call.  It goes on; the call itself by the old way, as one step.
 */
static bool is_own_step(struct plat_thread *pt, struct patch *p, const struct plat_event *ev)
{
	struct patch_window *w;
	bool own = false;
	uint32_t at, way = 0, behind;

	if (ev->kind != PLAT_FAULT || ev->fault.trapno != 1)
		return false;
	latch_lock(&pt->mm->latch);
	w = patch_trampoline_peek(p, pt->registers.rip);
	if (w) {
		at = (uint32_t)(pt->registers.rip - w->trampoline);
		behind = w->parts.tail;
		for (uint32_t n = 0; n < w->plan.count; n++) {
			if (w->plan.at[n] == w->plan.syscall) {
				way = w->parts.insn[n];
				behind = n + 1u < w->plan.count ? w->parts.insn[n + 1] : w->parts.tail;
			}
		}
		own = at == 0 || at == behind || (at > way && at < w->parts.call);
		if (at > way && at < w->parts.call)
			pt->registers.rip = w->trampoline + w->parts.call;
		else if (at == behind && behind == w->parts.tail)
			pt->registers.rip = w->addr + w->plan.size;
	}
	latch_unlock(&pt->mm->latch);
	return own;
}

/* It was to go on in a trampoline that the application has unmapped meanwhile: it does in the text. */
static bool is_stranded(struct plat_thread *pt, struct patch *p, const struct plat_event *ev)
{
	uint64_t ip = pt->request.regs.rip;
	struct patch_window *w;
	bool stranded;

	if (ev->fault.trapno != 14 || ev->fault.addr != ip)
		return false;
	latch_lock(&pt->mm->latch);
	w = patch_trampoline_peek(p, ip);
	stranded = w && w->state == WINDOW_DEAD;
	latch_unlock(&pt->mm->latch);
	return stranded;
}

bool notify_patch_event(struct plat_thread *pt, struct plat_event *ev)
{
	struct patch *p = __atomic_load_n(&pt->mm->patch, __ATOMIC_ACQUIRE);
	bool tired = false;

	if (ev->kind == PLAT_DEAD || (!p && ev->kind != PLAT_SYSCALL))
		return false;
	if (ev->kind == PLAT_SYSCALL && pt->fpstate == 0)
		return false; /* by a patched site, which has given the right registers */
	if (p && is_own_step(pt, p, ev)) {
		pt->regs_set = true;
		return true;
	}
	if (p)
		patch_to_app(pt, p);
	if (ev->kind == PLAT_SYSCALL && !ev->syscall.compat)
		patch_seen(pt, pt->registers.rip, 1);
	if (ev->kind != PLAT_FAULT || (!is_stray(pt, p, ev, &tired) && !is_stranded(pt, p, ev)))
		return false;
	if (tired)
		patch_give_up(pt, p, pt->registers.rip);
	pt->regs_set = true;
	return true;
}

void notify_patch_original(struct plat_mm *mm, uint64_t addr, void *buf, size_t size)
{
	uint8_t *out = buf;
	struct patch *p;

	if (!__atomic_load_n(&mm->patch, __ATOMIC_RELAXED) || size == 0)
		return;
	latch_lock(&mm->latch);
	p = mm->patch; /* an exec may have taken it away */
	for (size_t i = p ? patch_window_index(p, addr) : 0;
	     p && i < p->window_count && p->windows[i].addr < addr + size; i++) {
		const struct patch_window *w = &p->windows[i];

		if (w->state == WINDOW_DEAD)
			continue;
		for (uint64_t n = 0; n < CALLSITE_JMP; n++) {
			uint64_t at = w->addr + n - addr;

			if (at < size)
				out[at] = w->plan.bytes[n];
		}
	}
	latch_unlock(&mm->latch);
}
