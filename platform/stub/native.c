/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.c: what the stub answers without the Sentry: the address space's own calls, futexes, and
 * identities.  native_rules.h says what of it may be.
 */
#include "platform/stub/native_rules.h"
#include "platform/stub/stub.h"

/* ---- futex ------------------------------------------------------------------------------------ */

struct timespec_ {
	int64_t sec, nsec;
};

/* A relative timeout as a moment of CLOCK_MONOTONIC. */
static bool make_absolute(struct timespec_ *t)
{
	int (*gettime)(int, struct timespec_ *) =
		(int (*)(int, struct timespec_ *))(uintptr_t)stub_const()->vdso_clock_gettime;
	struct timespec_ now;

	if (!gettime || gettime(1, &now) != 0)
		return false;
	if (__builtin_add_overflow(t->sec, now.sec, &t->sec))
		t->sec = INT64_MAX - 1;
	t->nsec += now.nsec;
	if (t->nsec >= 1000000000) {
		t->nsec -= 1000000000;
		if (t->sec < INT64_MAX)
			t->sec++;
	}
	return true;
}

/*
 * A wait.  A kick ends it with EINTR; the Sentry then looks whether there is a signal to deliver
 * (and loads other registers), else we wait on, until the same moment.
 */
static long do_futex_wait(struct stub_thread *t, struct stub_ucontext *uc, const struct native_call *c, bool *handled)
{
	uint64_t op = c->args[1] & (NATIVE_FUTEX_OP | NATIVE_FUTEX_PRIVATE | NATIVE_FUTEX_CLOCK_REALTIME);
	uint64_t value3 = c->args[5];
	struct timespec_ when;
	uint64_t saved_rax = uc->rax;
	bool timed = c->args[3] != 0;
	long r;

	*handled = false;
	if (timed) {
		if (stub_copy(&when, (const void *)c->args[3], sizeof(when)))
			return -EFAULT_;
		if (when.sec < 0 || when.nsec < 0 || when.nsec >= 1000000000)
			return -EINVAL_;
	}
	if ((op & NATIVE_FUTEX_OP) == NATIVE_FUTEX_WAIT) {
		if (timed && !make_absolute(&when))
			return -ENOSYS_;
		value3 = 0xffffffff;
		op += NATIVE_FUTEX_WAIT_BITSET - NATIVE_FUTEX_WAIT;
	}
	for (;;) {
		r = stub_wait(t, c->args[0], (long)op, (long)c->args[2], timed ? &when : NULL, (long)value3);
		if (r != -EINTR_)
			return r;
		t->kick = 0;
		/* As inside Linux: not yet a result, but what becomes of it if a signal is delivered. */
		uc->rax = (uint64_t)(timed && saved_rax == NR_futex ? -ERESTART_RESTARTBLOCK_ : -ERESTARTSYS_);
		stub_regs_save(t, uc, saved_rax);
		if (stub_ask(t, uc, STUB_KICKED_FUTEX) == STUB_GO_ON) {
			*handled = true;
			return 0;
		}
		uc->rax = saved_rax;
	}
}

/* ---- all of them ------------------------------------------------------------------------------ */

/* clock_gettime, gettimeofday, time: the clocks that the vDSO reads without asking. */
#define FAST_CLOCKS 0x8f3u
#define CLOCK_REALTIME_        0
#define CLOCK_REALTIME_COARSE_ 5

static bool read_clock(uint64_t clock, struct timespec_ *now)
{
	int (*gettime)(int, struct timespec_ *) =
		(int (*)(int, struct timespec_ *))(uintptr_t)stub_const()->vdso_clock_gettime;

	return gettime && !stub_process()->clocks_off && clock < 32 && (FAST_CLOCKS & (1u << clock)) && gettime((int)clock, now) == 0;
}

static bool time_call(const struct stub_ucontext *uc, uint64_t nr, long *result)
{
	struct timespec_ now;
	uint64_t out = uc->rdi;

	switch (nr) {
	case NR_clock_gettime:
		if (!read_clock(uc->rdi, &now))
			return false;
		out = uc->rsi;
		break;
	case NR_gettimeofday:
		if (uc->rsi || !out || !read_clock(CLOCK_REALTIME_, &now))
			return false;
		now.nsec /= 1000;
		break;
	default: /* time */
		if (!read_clock(CLOCK_REALTIME_COARSE_, &now))
			return false;
		*result = now.sec;
		if (out && stub_copy((void *)out, &now.sec, sizeof(now.sec)))
			*result = -EFAULT_;
		return true;
	}
	*result = stub_copy((void *)out, &now, sizeof(now)) ? -EFAULT_ : 0;
	return true;
}

static bool identity(struct stub_thread *t, const struct stub_ucontext *uc, uint64_t nr, long *result)
{
	volatile struct stub_process *p = stub_process();

	switch (nr) {
	case NR_clock_gettime:
	case NR_gettimeofday:
	case NR_time:
		return time_call(uc, nr, result);
	case NR_gettid:
		*result = t->index < STUB_TIDS_MAX ? p->tids[t->index] : 0;
		return *result != 0;
	}
	if (!__atomic_load_n((uint32_t *)(uintptr_t)&p->identity, __ATOMIC_ACQUIRE))
		return false;
	switch (nr) {
	case NR_getpgid:
	case NR_getsid:
		if ((uint32_t)uc->rdi)
			return false;
		*result = nr == NR_getsid ? p->sid : p->pgid;
		return true;
	case NR_getpid:
		*result = p->pid;
		return true;
	case NR_getppid:
		*result = p->ppid;
		return true;
	case NR_getuid:
		*result = (uint32_t)p->uid;
		return true;
	case NR_geteuid:
		*result = (uint32_t)p->euid;
		return true;
	case NR_getgid:
		*result = (uint32_t)p->gid;
		return true;
	case NR_getegid:
		*result = (uint32_t)p->egid;
		return true;
	case NR_getpgrp:
		*result = p->pgid;
		return true;
	}
	return false;
}

static long keep_out(uint64_t nr, const uint64_t *a, long r)
{
	struct native_call undo;

	if (!native_undo(nr, a, r, &undo))
		return r;
	(void)stub_call6((long)undo.nr, (long)undo.args[0], (long)undo.args[1], (long)undo.args[2],
			 (long)undo.args[3], (long)undo.args[4], 0);
	return -NATIVE_ENOMEM;
}

static volatile struct stub_zygote *told(void)
{
	return (volatile struct stub_zygote *)(STUB_CHANNEL + STUB_ZYGOTE);
}

/* Whether the host can't write this thread's rseq area any more after this call. */
static bool loses_rseq(const volatile struct stub_own *own, uint64_t nr, const uint64_t *a)
{
	switch (own->rseq ? nr : 0) {
	case NR_mprotect:
		if (a[2] & 2 /* PROT_WRITE */)
			return false;
		break;
	case NR_munmap:
	case NR_mremap:
		break;
	default:
		return false;
	}
	return native_meets(a[0], a[1], own->rseq, own->rseq + own->rseq_size);
}

/*
 * A host call in the application's name.  Whoever takes the memory of its own registered rseq area away is killed by
 * Linux at its next preemption, if it lives to see one: before that come its execve(2) or exit.  With us its next
 * call is a preemption; so the host is told to forget the area, and nothing happens.
 */
static long make_call(volatile struct stub_slot *s, uint64_t nr, const uint64_t *a)
{
	volatile struct stub_own *own = &s->own;
	uint64_t rseq = own->rseq;
	bool loses = loses_rseq(own, nr, a);
	long r;

	if (loses)
		stub_rseq_end(s);
	r = stub_call6((long)nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
	if (loses && !own->rseq && (uint64_t)r >= (uint64_t)-4095 &&
	    stub_call6(NR_rseq, (long)rseq, own->rseq_size, 0, own->rseq_sig, 0, 0) == 0)
		own->rseq = rseq;
	return keep_out(nr, a, r);
}

static long make(struct stub_thread *t, const struct native_call *c)
{
	long r = make_call(stub_slot(t->index), c->nr, c->args);

	/* Whoever measures the room that there is must find the same a moment later. */
	if (r == -NATIVE_ENOMEM && c->nr == NATIVE_NR_mmap && c->args[2] == 0)
		told()->crowded = 1;
	if (r > 0 && c->huge)
		(void)stub_call(NR_madvise, r, c->args[1], NATIVE_MADV_HUGEPAGE);
	return r;
}

/* The Sentry undoes patches first, and makes the call then. */
static bool touches_patches(const struct stub_ucontext *uc, uint64_t nr)
{
	switch (nr) {
	case NATIVE_NR_mmap:
		return (uc->r10 & NATIVE_MAP_FIXED) && stub_is_watched(uc->rdi, uc->rsi);
	case NATIVE_NR_munmap:
	case NATIVE_NR_mprotect:
		return stub_is_watched(uc->rdi, uc->rsi);
	case NATIVE_NR_mremap:
		return stub_is_watched(uc->rdi, uc->rsi) ||
		       ((uc->r10 & NATIVE_MREMAP_FIXED) && stub_is_watched(uc->r8, uc->rdx));
	default:
		return false;
	}
}

#define SIG_UNBLOCKABLE (1ull << 8 | 1ull << 18) /* SIGKILL, SIGSTOP */

/* The mask is new.  False: nothing has changed, as the Sentry has to see it (one of the signals concerned is pending). */
static bool mask_set(volatile struct stub_slot *s, uint64_t mask)
{
	uint64_t old = s->own.sig_blocked;

	/* Pairs with plat_sigmask_watch(): a sender sees our word, or we see its. */
	__atomic_store_n(&s->own.sig_blocked, mask & ~SIG_UNBLOCKABLE, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&s->own.sig_watched, __ATOMIC_SEQ_CST) & (old ^ (mask & ~SIG_UNBLOCKABLE))))
		return true;
	s->own.sig_blocked = old;
	return false;
}

/* rt_sigprocmask(2), unless the Sentry has to see it: one of the signals concerned is pending. */
static bool sigprocmask(struct stub_thread *t, const struct stub_ucontext *uc, long *result)
{
	volatile struct stub_slot *s = stub_slot(t->index);
	uint64_t old = s->own.sig_blocked, mask;

	if (uc->r10 != sizeof(mask))
		return false;
	*result = 0;
	if (uc->rsi) {
		if (stub_copy(&mask, (const void *)uc->rsi, sizeof(mask))) {
			*result = -EFAULT_;
			return true;
		}
		switch ((uint32_t)uc->rdi) {
		case 0: /* SIG_BLOCK */
			mask = old | mask;
			break;
		case 1: /* SIG_UNBLOCK */
			mask = old & ~mask;
			break;
		case 2: /* SIG_SETMASK */
			break;
		default:
			*result = -EINVAL_;
			return true;
		}
		if (!mask_set(s, mask))
			return false;
	}
	if (uc->rdx && stub_copy((void *)uc->rdx, &old, sizeof(old)))
		*result = -EFAULT_;
	return true;
}

#define USER_CS     0x33
#define USER_DS     0x2b
#define EFLAGS_TF   0x100u
#define EFLAGS_USER 0x50dd5u /* those that a frame may change: sentry/signal/x86_64/frame.c */

/*
 * rt_sigreturn(2) from the frame that the Sentry set up last, unless it is not what it was: another way back, another
 * alternate stack.  The way back may be in a patched window: where that is now, the Sentry has said.
 */
bool stub_sigreturn(struct stub_thread *t, struct stub_ucontext *uc)
{
	volatile struct stub_slot *s = stub_slot(t->index);
	volatile struct stub_own *own = &s->own;
	struct stub_ucontext frame;
	uint64_t old = own->sig_blocked;

	if (!own->return_on || !stub_process()->native ||
	    stub_copy(&frame, (const void *)uc->rsp, sizeof(frame)) || frame.rip != own->return_ip ||
	    frame.stack_base != own->return_stack || frame.stack_size != own->return_stack_size ||
	    (uint32_t)frame.stack_flags != own->return_stack_flags || !frame.fpstate ||
	    frame.cs != USER_CS || frame.ss != USER_DS ||
	    ((frame.eflags | uc->eflags) & EFLAGS_TF) || (own->return_seq & 1) ||
	    __atomic_load_n((uint32_t *)(uintptr_t)&stub_process()->watch_seq, __ATOMIC_ACQUIRE) != own->return_seq)
		return false;
	if (!mask_set(s, frame.sigmask))
		return false;
	if (!stub_fpu_load(uc, frame.fpstate)) {
		own->sig_blocked = old; /* who has seen the other has kicked us, so the Sentry looks again */
		return false;
	}
	uc->r8 = frame.r8;
	uc->r9 = frame.r9;
	uc->r10 = frame.r10;
	uc->r11 = frame.r11;
	uc->r12 = frame.r12;
	uc->r13 = frame.r13;
	uc->r14 = frame.r14;
	uc->r15 = frame.r15;
	uc->rdi = frame.rdi;
	uc->rsi = frame.rsi;
	uc->rbp = frame.rbp;
	uc->rbx = frame.rbx;
	uc->rdx = frame.rdx;
	uc->rax = frame.rax;
	uc->rcx = frame.rcx;
	uc->rsp = frame.rsp;
	uc->rip = own->return_to;
	uc->eflags = (uc->eflags & ~(uint64_t)EFLAGS_USER) | (frame.eflags & EFLAGS_USER);
	return true;
}

/*
 * rseq(2).  The application's thread is a thread of the host's, so the host's own restartable sequences are what
 * is promised: it writes the CPU's number at each preemption and migration, and at those and at each signal (a
 * kick, a fault: before it makes our frame) sends a thread that is in a critical section to its abort handler.
 * What we have to do is to take the area back before its memory goes: at the thread's end, at execve(2) in place.
 */
static long rseq(struct stub_thread *t, const struct stub_ucontext *uc)
{
	volatile struct stub_own *own = &stub_slot(t->index)->own;
	uint32_t size = (uint32_t)uc->rsi, flags = (uint32_t)uc->rdx, sig = (uint32_t)uc->r10;
	long r;

	if (native_is_ours(stub_const(), uc->rdi, size))
		return -EFAULT_;
	r = stub_call6(NR_rseq, (long)uc->rdi, size, flags, sig, 0, 0);
	if (r == 0) {
		own->rseq_size = size;
		own->rseq_sig = sig;
		own->rseq = flags ? 0 : uc->rdi;
	}
	return r;
}

void stub_rseq_end(volatile struct stub_slot *s)
{
	if (s->own.rseq && stub_call6(NR_rseq, (long)s->own.rseq, s->own.rseq_size, 1 /* UNREGISTER */,
				      s->own.rseq_sig, 0, 0) == 0)
		s->own.rseq = 0;
}

#define ARCH_SET_FS_ 0x1002

struct sigaction_ {
	uint64_t handler, flags, restorer, mask;
};

/*
 * rt_sigaction(2) of a signal that has the default action, as long as it keeps that: glibc's child of
 * posix_spawn looks at each signal, and gives it the default.
 */
static bool sigaction(struct stub_thread *t, const struct stub_ucontext *uc, long *result)
{
	volatile struct stub_own *own = &stub_slot(t->index)->own;
	uint64_t sig = (uint32_t)uc->rdi, bit = 1ull << ((sig - 1) & 63);
	struct sigaction_ new, old = { 0, 0, 0, 0 };

	if (uc->r10 != sizeof(new.mask) || sig - 1 >= 64 || !(own->sig_plain & bit))
		return false;
	if (own->sig_reset & bit) {
		old.flags = own->reset_flags;
		old.restorer = own->reset_restorer;
	}
	if (uc->rsi) {
		/* Pending: setting it may discard it.  Faults, and what else is not ours, are the Sentry's. */
		if ((bit & (SIG_UNBLOCKABLE | own->sig_watched)) ||
		    stub_copy(&new, (const void *)uc->rsi, sizeof(new)) || new.handler || new.mask ||
		    (new.flags & ~(uint64_t)STUB_SA_RESTORER))
			return false;
		if (own->sig_reset && (own->reset_flags != new.flags || own->reset_restorer != new.restorer))
			return false;
		own->reset_flags = new.flags;
		own->reset_restorer = new.restorer;
		own->sig_reset |= bit;
	}
	*result = uc->rdx && stub_copy((void *)uc->rdx, &old, sizeof(old)) ? -EFAULT_ : 0;
	return true;
}

bool stub_native(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result)
{
	bool handled;

	if (!stub_process()->native || touches_patches(uc, nr))
		return false;
	if (nr == NR_rt_sigprocmask)
		return sigprocmask(t, uc, result);
	if (nr == NR_rt_sigaction)
		return sigaction(t, uc, result);
	if (nr == NR_set_robust_list && uc->rsi == 24) {
		stub_slot(t->index)->own.robust_list = uc->rdi;
		*result = 0;
		return true;
	}
	if (nr == NR_set_tid_address) {
		*result = t->index < STUB_TIDS_MAX ? stub_process()->tids[t->index] : 0;
		if (*result)
			stub_slot(t->index)->own.clear_tid = uc->rdi;
		return *result != 0;
	}
	if (nr == NR_arch_prctl) {
		/* The Sentry reads it from our registers whenever it wants it. */
		if ((uint32_t)uc->rdi != ARCH_SET_FS_ || uc->rsi >= STUB_BASE || !stub_const()->fsgsbase)
			return false;
		__asm__ volatile("wrfsbase %0" : : "r"(uc->rsi));
		*result = 0;
		return true;
	}
	if (nr == NR_rseq && !told()->rseq)
		return false;
	if (!stub_native_call(t, uc, nr, result, &handled))
		return identity(t, uc, nr, result);
	if (handled)
		*result = (long)uc->rax;
	return true;
}

static enum native_verdict decide(struct native_call *c)
{
	struct native_waitv w[2];

	if (c->nr != NR_futex_requeue)
		return native_decide(stub_const(), c);
	if ((uint32_t)c->args[1] || !c->args[0])
		return native_error(c, NATIVE_EINVAL);
	if (stub_copy(w, (const void *)c->args[0], sizeof(w)))
		return native_error(c, NATIVE_EFAULT);
	return native_futex_requeue(c, w);
}

bool stub_native_call(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result,
		      bool *handled)
{
	struct native_call c = { nr, { uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, uc->r9 }, 0, false };

	*handled = false;
	if (nr == NR_membarrier && (uint32_t)uc->rsi == 0) {
		if ((uint32_t)uc->rdi == 64) /* REGISTER_PRIVATE_EXPEDITED_SYNC_CORE */
			told()->sync_core = 1;
		if ((uint32_t)uc->rdi == 32 && !told()->sync_core) {
			*result = -EPERM_;
			return true;
		}
	}
	if (stub_futex(t, uc, nr, result, handled))
		return true;
	if (nr == NR_rseq) {
		told()->rseq = 1;
		*result = rseq(t, uc);
		return true;
	}
	switch (decide(&c)) {
	case NATIVE_RESULT:
		*result = c.result;
		return true;
	case NATIVE_CALL:
		*result = make(t, &c);
		return true;
	case NATIVE_WAIT:
		if (c.args[3] && !stub_const()->vdso_clock_gettime)
			return false;
		*result = do_futex_wait(t, uc, &c, handled);
		return true;
	default:
		return false;
	}
}

/* ---- for the Sentry --------------------------------------------------------------------------- */

long stub_make_calls(volatile struct stub_slot *s, uint32_t count)
{
	uint32_t fds = s->fd_mask, i;
	long done = 0;

	if (count > STUB_CALLS_MAX)
		count = STUB_CALLS_MAX;
	for (i = 0; i < count; i++) {
		volatile struct stub_call *c = &s->calls[i];

		uint64_t nr = c->nr, a[6];

		for (unsigned int j = 0; j < 6; j++)
			a[j] = c->args[j];
		c->result = make_call(s, nr, a);
		if ((uint64_t)c->result >= (uint64_t)-4095)
			break;
		done++;
	}
	for (i = 0; fds; i++, fds >>= 1) {
		if (fds & 1)
			(void)stub_call(NR_close, i, 0, 0);
	}
	return done;
}
