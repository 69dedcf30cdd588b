/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c: x86-64 signal frames, byte for byte as Linux lays them out
 * (arch/x86/kernel/signal_64.c, arch/x86/include/uapi/asm/sigcontext.h).
 *
 *     rsp ─▶ pretcode (SA_RESTORER's address, so that `ret` goes there)
 *            struct ucontext: flags, link, stack, sigcontext, mask
 *            siginfo
 *            …  (64-byte aligned) FPU state in XSAVE layout   ◀─ sigcontext.fpstate
 *            …  128 bytes of red zone
 *
 * All of it lies in the application's memory: sigreturn reads it as hostile input.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sentry/signal/signal_impl.h"

#define RED_ZONE 128

#define UC_FP_XSTATE         1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u

#define USER_CS 0x33
#define USER_DS 0x2b
#define TRAP_GP 13

#define FLAG_CF 0x00000001u
#define FLAG_TF 0x00000100u
#define FLAG_DF 0x00000400u
#define FLAG_RF 0x00010000u
/* Flags that a frame may change (FIX_EFLAGS): AC OF DF TF SF ZF AF PF CF RF */
#define FLAGS_USER (0x00040000u | 0x800u | FLAG_DF | FLAG_TF | 0x80u | 0x40u | 0x10u | 0x4u | FLAG_CF | FLAG_RF)

struct sigcontext_x86 {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
_Static_assert(sizeof(struct sigcontext_x86) == 256, "x86-64 ABI");

struct ucontext_x86 {
	uint64_t flags, link;
	struct sig_altstack stack;
	struct sigcontext_x86 mc;
	sig_set_t mask;
};

struct rt_frame {
	uint64_t pretcode;
	struct ucontext_x86 uc;
	siginfo_t info;
};
_Static_assert(sizeof(struct rt_frame) == 8 + 304 + 128, "x86-64 ABI");

bool sig_on_altstack(const struct task *t, uint64_t sp)
{
	const struct sig_altstack *ss = &t->altstack;

	/* SS_AUTODISARM: nothing is "on" it, it was disarmed when the handler was entered. */
	if (ss->flags & (int32_t)SS_DISABLE || (uint32_t)ss->flags & 0x80000000u)
		return false;
	return sp > ss->sp && sp - ss->sp <= ss->size;
}

static uint64_t frame_stack(struct task *t, const struct sig_action *a, uint64_t sp, bool *overflow)
{
	bool on = sig_on_altstack(t, sp);

	*overflow = false;
	sp -= RED_ZONE;
	if (!(a->flags & SA_ONSTACK) || (t->altstack.flags & SS_DISABLE))
		return sp;
	if (!on)
		return t->altstack.sp + t->altstack.size;
	*overflow = !sig_on_altstack(t, sp);
	return sp;
}

static void frame_fill_context(struct task *t, struct ucontext_x86 *uc, const plat_regs_t *r,
			       uint64_t fpstate, sig_set_t saved_mask)
{
	struct sigcontext_x86 *m = &uc->mc;

	uc->flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	uc->stack = t->altstack;
	uc->mask = saved_mask;
	m->r8 = r->r8, m->r9 = r->r9, m->r10 = r->r10, m->r11 = r->r11;
	m->r12 = r->r12, m->r13 = r->r13, m->r14 = r->r14, m->r15 = r->r15;
	m->di = r->rdi, m->si = r->rsi, m->bp = r->rbp, m->bx = r->rbx;
	m->dx = r->rdx, m->ax = r->rax, m->cx = r->rcx, m->sp = r->rsp;
	m->ip = r->rip, m->flags = r->eflags;
	m->cs = USER_CS, m->ss = USER_DS;
	m->err = t->fault_error, m->trapno = t->fault_trapno, m->cr2 = t->fault_addr;
	m->oldmask = saved_mask;
	m->fpstate = fpstate;
}

/* The application has not run since the last frame was set up. */
static bool frame_is_pending(const struct task *t)
{
	const plat_regs_t *r = plat_regs(t->pt);

	return t->frame_undo.sig && r->rsp == t->frame_undo.sp && r->rip == t->frame_undo.ip;
}

int sig_frame_setup(struct task *t, int sig, const struct sig_action *a, const siginfo_t *info,
		    sig_set_t saved_mask)
{
	const plat_regs_t *r = plat_regs(t->pt);
	const struct sig_altstack altstack = t->altstack;
	struct rt_frame frame;
	plat_regs_t *w;
	uint64_t sp, fp;
	bool overflow;

	sp = frame_stack(t, a, r->rsp, &overflow);
	if (overflow || !(a->flags & 0x04000000u /* SA_RESTORER */))
		return -EFAULT;
	fp = ALIGN_DOWN(sp - plat_fpstate_size(), 64);
	sp = fp - sizeof(frame);
	sp = ALIGN_DOWN(sp + 8, 16) - 8; /* as if called: rsp + 8 is 16-byte aligned */

	memset(&frame, 0, sizeof(frame));
	frame.pretcode = a->restorer;
	frame_fill_context(t, &frame.uc, r, fp, saved_mask);
	frame.info = *info;
	if (mm_write(t->mm, sp, &frame, sizeof(frame)) != (ssize_t)sizeof(frame))
		return -EFAULT;
	if ((uint32_t)t->altstack.flags & 0x80000000u) { /* SS_AUTODISARM */
		memset(&t->altstack, 0, sizeof(t->altstack));
		t->altstack.flags = SS_DISABLE;
		plat_sigreturn_withdraw(t->pt);
	} else {
		plat_sigreturn_offer(t->pt, altstack.sp, altstack.size, (uint32_t)altstack.flags);
	}
	t->restart.fn = NULL; /* sigreturn's work, which the Sentry may not see */
	if (!frame_is_pending(t))
		t->frame_undo = (struct frame_undo){
			.sig = sig, .mask = saved_mask, .altstack = altstack, .registers = *r,
		};
	/* It lies above the frame, which a stack that overflows could not have taken. */
	if (plat_fpstate_save_at(t->pt, fp))
		return -EFAULT;

	w = plat_regs_mut(t->pt);
	w->rdi = (uint64_t)sig;
	w->rsi = sp + offsetof(struct rt_frame, info);
	w->rdx = sp + offsetof(struct rt_frame, uc);
	w->rax = 0;
	w->rip = a->handler;
	w->rsp = sp;
	w->eflags &= ~(uint64_t)(FLAG_DF | FLAG_RF | FLAG_TF);
	t->frame_undo.sp = w->rsp;
	t->frame_undo.ip = w->rip;
	return 0;
}

/*
 * The FPU's part of a frame is written when the thread goes on, and by then another may have taken the memory away.
 * Then there is no frame, and what is forced comes on the registers that were there before.
 */
int sig_frame_undo(struct task *t)
{
	int sig = frame_is_pending(t) ? t->frame_undo.sig : 0;

	if (sig) {
		*plat_regs_mut(t->pt) = t->frame_undo.registers;
		t->altstack = t->frame_undo.altstack;
		sig_mask_set(t, t->frame_undo.mask);
		t->frame_undo.sig = 0;
	}
	return sig;
}

static int frame_restore_fpstate(struct task *t, uint64_t at)
{
	return at ? plat_fpstate_load_at(t->pt, at) : plat_fpstate_set(t->pt, NULL, 0);
}

/*
 * The frame's selectors, whose lowest bits are forced (restore_sigcontext()), are those of 64-bit code, or the way out of
 * the host's kernel faults: with the registers of the frame already in place.  A frame that doesn't say
 * UC_STRICT_RESTORE_SS has any ss that is no good replaced.  (32-bit code, cs 0x23, is refused like a bad one.)
 */
static void frame_check_selectors(struct task *t, const struct ucontext_x86 *uc)
{
	uint16_t cs = uc->mc.cs | 3, ss = uc->mc.ss | 3;
	siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

	if (cs == USER_CS && (ss == USER_DS || !(uc->flags & UC_STRICT_RESTORE_SS)))
		return;
	t->fault_error = (cs != USER_CS ? cs : ss) & ~3u;
	t->fault_trapno = TRAP_GP;
	t->fault_addr = 0;
	sig_force(t, &info);
}

long sig_frame_restore(struct task *t)
{
	uint64_t sp = plat_regs(t->pt)->rsp - 8; /* the handler's `ret` popped pretcode */
	const struct sigcontext_x86 *m;
	struct rt_frame f;
	plat_regs_t *w;

	const struct uio_space *space = task_space(t);

	if (space->read(space, sp, &f, offsetof(struct rt_frame, info)) !=
	    (ssize_t)offsetof(struct rt_frame, info))
		return -EFAULT;
	m = &f.uc.mc;
	if (frame_restore_fpstate(t, m->fpstate))
		return -EFAULT;

	w = plat_regs_mut(t->pt);
	w->r8 = m->r8, w->r9 = m->r9, w->r10 = m->r10, w->r11 = m->r11;
	w->r12 = m->r12, w->r13 = m->r13, w->r14 = m->r14, w->r15 = m->r15;
	w->rdi = m->di, w->rsi = m->si, w->rbp = m->bp, w->rbx = m->bx;
	w->rdx = m->dx, w->rax = m->ax, w->rcx = m->cx, w->rsp = m->sp;
	w->rip = m->ip;
	w->eflags = (w->eflags & ~(uint64_t)FLAGS_USER) | (m->flags & FLAGS_USER);
	w->orig_rax = ~0ull;

	sig_mask_set(t, f.uc.mask);
	(void)!sig_altstack_set(t, &f.uc.stack, w->rsp); /* errors are ignored, as on Linux */
	frame_check_selectors(t, &f.uc);
	return (long)w->rax;
}
