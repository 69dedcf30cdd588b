/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.c: what the stub answers without the Sentry: the address space's own calls, futexes, and
 * identities.  Only what the filter lets through, and nothing that touches the stub or the vDSO.
 */
#include "platform/stub/stub.h"

#define PROT_ALL             7u
#define MAP_ANONYMOUS        0x20u
#define MAP_FIXED            0x10u
#define MAP_FIXED_NOREPLACE  0x100000u
#define MAP_STACK            0x20000u
#define MAP_NORESERVE        0x4000u
#define MAP_TYPE             0x0fu
#define MREMAP_FIXED         2u
#define MADV_HUGEPAGE        14
#define HUGE                 0x200000u

/* Whether [addr, addr+size) meets [min, max). */
static bool meets(uint64_t addr, uint64_t size, uint64_t min, uint64_t max)
{
	uint64_t end = addr + size;

	if (end < addr)
		end = UINT64_MAX;
	return addr < max && end > min;
}

static bool is_ours(uint64_t addr, uint64_t size)
{
	const struct stub_const *c = stub_const();

	if (size == 0)
		size = 1;
	return meets(addr, size, STUB_BASE, STUB_END) || meets(addr, size, c->vdso_min, c->vdso_max);
}

static long do_mmap(const struct stub_ucontext *uc)
{
	uint64_t addr = uc->rdi, size = uc->rsi, prot = uc->rdx, flags = uc->r10;
	long r;

	if (is_ours(addr, size)) {
		if (flags & MAP_FIXED_NOREPLACE)
			return -EEXIST_;
		if (flags & MAP_FIXED)
			return -ENOMEM_;
		addr = 0;
	}
	if (addr >= STUB_USER_END) {
		if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
			return -ENOMEM_;
		addr = 0;
	}
	r = stub_call6(NR_mmap, (long)addr, (long)size, (long)prot, (long)flags, -1, (long)uc->r9);
	if (r > 0 && stub_const()->huge_pages && size >= HUGE && prot == 3 &&
	    (flags & MAP_TYPE) == 2 && !(flags & (MAP_STACK | MAP_NORESERVE)))
		(void)stub_call(NR_madvise, r, size, MADV_HUGEPAGE);
	return r;
}

static bool mmap_is_native(const struct stub_ucontext *uc)
{
	return (uc->r10 & MAP_ANONYMOUS) && !(uc->r10 & ~(uint64_t)STUB_MMAP_FLAGS) &&
	       !(uc->rdx & ~(uint64_t)PROT_ALL);
}

static long do_mremap(const struct stub_ucontext *uc)
{
	uint64_t flags = uc->r10;

	if (is_ours(uc->rdi, uc->rsi))
		return -EFAULT_;
	if ((flags & MREMAP_FIXED) && is_ours(uc->r8, uc->rdx))
		return -EINVAL_;
	return stub_call6(NR_mremap, (long)uc->rdi, (long)uc->rsi, (long)uc->rdx, (long)flags,
			  (long)uc->r8, 0);
}

/* ---- futex ------------------------------------------------------------------------------------ */

#define FUTEX_WAIT          0
#define FUTEX_WAIT_BITSET   9
#define FUTEX_PRIVATE       128u
#define FUTEX_CLOCK_REAL    256u
#define FUTEX_OP            127u

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
static long do_futex_wait(struct stub_thread *t, struct stub_ucontext *uc, bool *handled)
{
	uint64_t op = uc->rsi & (FUTEX_OP | FUTEX_PRIVATE | FUTEX_CLOCK_REAL);
	uint64_t value3 = uc->r9;
	struct timespec_ when;
	uint64_t saved_rax = uc->rax;
	bool timed = uc->r10 != 0;
	long r;

	*handled = false;
	if (timed) {
		if (stub_copy(&when, (const void *)uc->r10, sizeof(when)))
			return -EFAULT_;
		if (when.sec < 0 || when.nsec < 0 || when.nsec >= 1000000000)
			return -EINVAL_;
	}
	if ((op & FUTEX_OP) == FUTEX_WAIT) {
		if (timed && !make_absolute(&when))
			return -ENOSYS_;
		value3 = 0xffffffff;
		op += FUTEX_WAIT_BITSET - FUTEX_WAIT;
	}
	for (;;) {
		r = stub_futex_wait(t, uc->rdi, (long)op, (long)uc->rdx, timed ? &when : NULL,
				    (long)value3);
		if (r != -EINTR_)
			return r;
		t->kick = 0;
		/* As inside Linux: not yet a result, but what becomes of it if a signal is delivered. */
		uc->rax = (uint64_t)(timed ? -ERESTART_RESTARTBLOCK_ : -ERESTARTSYS_);
		stub_regs_save(t, uc, saved_rax);
		if (stub_ask(t, uc, STUB_KICKED_FUTEX) == STUB_GO_ON) {
			*handled = true;
			return 0;
		}
		uc->rax = saved_rax;
	}
}

static bool futex_is_native(uint64_t op, bool *wait)
{
	uint64_t cmd = op & FUTEX_OP;

	if ((op & ~(uint64_t)(FUTEX_OP | FUTEX_PRIVATE | FUTEX_CLOCK_REAL)) || cmd > 31 ||
	    !(STUB_FUTEX_OPS & (1u << cmd)))
		return false;
	*wait = cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET;
	/* FUTEX_WAIT with CLOCK_REALTIME is a relative wait all the same: keep the Sentry out of it. */
	if (cmd == FUTEX_WAIT && (op & FUTEX_CLOCK_REAL))
		return false;
	return true;
}

/* ---- all of them ------------------------------------------------------------------------------ */

static bool identity(uint64_t nr, long *result)
{
	volatile struct stub_process *p = stub_process();

	if (!p->identity)
		return false;
	switch (nr) {
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

bool stub_native(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result)
{
	bool handled;

	if (!stub_process()->native)
		return false;
	if (!stub_native_call(t, uc, nr, result, &handled))
		return identity(nr, result);
	if (handled)
		*result = (long)uc->rax;
	return true;
}

bool stub_native_call(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result,
		      bool *handled)
{
	bool wait;

	*handled = false;
	switch (nr) {
	case NR_futex:
		if (!futex_is_native(uc->rsi, &wait) ||
		    (wait && uc->r10 && !stub_const()->vdso_clock_gettime))
			return false;
		if (!wait) {
			*result = stub_call6(NR_futex, (long)uc->rdi, (long)uc->rsi, (long)uc->rdx,
					     (long)uc->r10, (long)uc->r8, (long)uc->r9);
			return true;
		}
		*result = do_futex_wait(t, uc, handled);
		return true;
	case NR_mmap:
		if (!mmap_is_native(uc))
			return false;
		*result = do_mmap(uc);
		return true;
	case NR_munmap:
		*result = is_ours(uc->rdi, uc->rsi) ? -EINVAL_ : stub_call(NR_munmap, uc->rdi, uc->rsi, 0);
		return true;
	case NR_mprotect:
		if (uc->rdx & ~(uint64_t)PROT_ALL)
			return false;
		*result = is_ours(uc->rdi, uc->rsi) ? -ENOMEM_ :
						      stub_call(NR_mprotect, uc->rdi, uc->rsi, uc->rdx);
		return true;
	case NR_mremap:
		if (uc->r10 & ~7ull)
			return false;
		*result = do_mremap(uc);
		return true;
	case NR_madvise:
		if (uc->rdx > 63 || !(STUB_MADVISE_ADVICE & (1ull << uc->rdx)))
			return false;
		*result = is_ours(uc->rdi, uc->rsi) ? -ENOMEM_ :
						      stub_call(NR_madvise, uc->rdi, uc->rsi, uc->rdx);
		return true;
	case NR_sched_yield:
		*result = stub_call(NR_sched_yield, 0, 0, 0);
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

		c->result = stub_call6((long)c->nr, (long)c->args[0], (long)c->args[1],
				       (long)c->args[2], (long)c->args[3], (long)c->args[4],
				       (long)c->args[5]);
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
