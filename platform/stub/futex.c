/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.c: futex operations that are more than one host call: priority inheritance, and
 * futex_waitv(2), which needs the care for kicks that other waits get in native.c.
 *
 * PI futexes without the inheritance.  The host's would compare the word with the host's thread ids,
 * which the application doesn't know; and its priorities are virtual anyway.  What counts is the
 * protocol of the word (TID of the owner, FUTEX_WAITERS, FUTEX_OWNER_DIED), and that is kept here by
 * compare-and-exchange and plain waits:
 *
 *     free (TID 0)  ──lock: TID, and WAITERS if there may be others──▶ owned
 *     owned ──lock: set WAITERS, wait for a change──▶ look again
 *     owned by us ──unlock: 0, wake one──▶ free
 *
 * Linux hands the lock over to the waiter of the highest priority; here the one that is woken may find
 * that somebody was faster, and waits again.  A waiter that was asleep takes the lock with WAITERS
 * set, as it can't know whether there are more.  Requeueing to a PI futex wakes all, and each takes
 * the lock by itself.  An owner that has died without a robust list keeps its waiters (Linux: ESRCH).
 */
#include "platform/stub/native_rules.h"
#include "platform/stub/stub.h"

#define FUTEX_WAKE            1
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_LOCK_PI         6
#define FUTEX_UNLOCK_PI       7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2        13

#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu

struct futex_time {
	int64_t sec, nsec;
};

/* One PI operation under way. */
struct futex_pi {
	struct stub_thread *t;
	struct stub_ucontext *uc;
	uint32_t tid;
	uint64_t flags; /* FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME, for the waits */
	const struct futex_time *when; /* NULL: without end */
	bool handled;   /* other registers were loaded: there is no result */
};

long stub_wait(struct stub_thread *t, uint64_t word, long op, long value, const void *timeout, long value3)
{
	volatile struct stub_own *own = &stub_slot(t->index)->own;
	long r;

	own->waits = 1;
	r = stub_futex_wait(t, word, op, value, timeout, value3);
	own->waits = 0;
	return r;
}

/* A kick has ended a wait.  True: go on waiting; else the call ends, p->handled. */
static bool futex_kicked(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long code,
			 bool *handled)
{
	t->kick = 0;
	uc->rax = (uint64_t)-code;
	stub_regs_save(t, uc, nr);
	if (stub_ask(t, uc, STUB_KICKED_FUTEX) == STUB_GO_ON) {
		*handled = true;
		return false;
	}
	uc->rax = nr;
	return true;
}

/* Until *addr is no longer value, or somebody wakes us: 0. */
static long pi_wait(struct futex_pi *p, uint64_t addr, uint32_t value)
{
	for (;;) {
		long r = stub_wait(p->t, addr, (long)(NATIVE_FUTEX_WAIT_BITSET | p->flags), (long)value,
				   p->when, 0xffffffff);

		if (r != -EINTR_)
			return r;
		if (!futex_kicked(p->t, p->uc, NR_futex, ERESTARTNOINTR_, &p->handled))
			return -EINTR_;
	}
}

static long pi_lock(struct futex_pi *p, uint64_t addr, bool try, bool waited)
{
	uint32_t value, old, next;
	long r;

	if (addr & 3)
		return -EINVAL_;
	for (;;) {
		if (stub_load32(&value, addr))
			return -EFAULT_;
		if ((value & FUTEX_TID_MASK) == p->tid)
			return -EDEADLK_;
		old = value;
		if (!(value & FUTEX_TID_MASK)) {
			next = value | p->tid | (waited ? FUTEX_WAITERS : 0);
			if (stub_cmpxchg32(addr, &old, next))
				return -EFAULT_;
			if (old == value)
				return 0;
			continue;
		}
		if (try)
			return -EAGAIN_;
		next = value | FUTEX_WAITERS;
		if (next != value && stub_cmpxchg32(addr, &old, next))
			return -EFAULT_;
		if (old != value)
			continue;
		r = pi_wait(p, addr, next);
		if (r && r != -EAGAIN_)
			return r;
		waited = true;
	}
}

static long pi_unlock(struct futex_pi *p, uint64_t addr)
{
	uint32_t value, old;

	if (addr & 3)
		return -EINVAL_;
	do {
		if (stub_load32(&value, addr))
			return -EFAULT_;
		if ((value & FUTEX_TID_MASK) != p->tid)
			return -EPERM_;
		old = value;
		if (stub_cmpxchg32(addr, &old, 0))
			return -EFAULT_;
	} while (old != value);
	if (value & FUTEX_WAITERS)
		(void)stub_call(NR_futex, addr, FUTEX_WAKE | (p->flags & NATIVE_FUTEX_PRIVATE), 1);
	return 0;
}

static long pi_wait_requeue(struct futex_pi *p)
{
	struct stub_ucontext *uc = p->uc;
	long r;

	if (uc->rdi == uc->r8)
		return -EINVAL_;
	r = pi_wait(p, uc->rdi, (uint32_t)uc->rdx);
	if (r)
		return r;
	p->flags = (p->flags & ~(uint64_t)NATIVE_FUTEX_CLOCK_REALTIME) |
		   (uc->rsi & NATIVE_FUTEX_CLOCK_REALTIME);
	return pi_lock(p, uc->r8, false, true);
}

/* Wake as many as would be woken or requeued. */
static long pi_cmp_requeue(struct futex_pi *p)
{
	struct stub_ucontext *uc = p->uc;
	int32_t wake = (int32_t)uc->rdx, requeue = (int32_t)uc->r10;

	if (uc->rdi == uc->r8 || wake != 1 || requeue < 0)
		return -EINVAL_;
	return stub_call6(NR_futex, (long)uc->rdi,
			  (long)(FUTEX_CMP_REQUEUE | (p->flags & NATIVE_FUTEX_PRIVATE)),
			  requeue == INT32_MAX ? INT32_MAX : requeue + 1, 0, (long)uc->r8, (long)uc->r9);
}

static long futex_pi(struct futex_pi *p, uint64_t cmd)
{
	struct stub_ucontext *uc = p->uc;
	struct futex_time when;
	bool waits = cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI;

	if (waits && uc->r10) {
		if (stub_copy(&when, (const void *)uc->r10, sizeof(when)))
			return -EFAULT_;
		if (when.sec < 0 || when.nsec < 0 || when.nsec >= 1000000000)
			return -EINVAL_;
		p->when = &when;
	}
	if (cmd == FUTEX_LOCK_PI)
		p->flags |= NATIVE_FUTEX_CLOCK_REALTIME;
	switch (cmd) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return pi_lock(p, uc->rdi, false, false);
	case FUTEX_TRYLOCK_PI:
		return pi_lock(p, uc->rdi, true, false);
	case FUTEX_UNLOCK_PI:
		return pi_unlock(p, uc->rdi);
	case FUTEX_WAIT_REQUEUE_PI:
		return pi_wait_requeue(p);
	default:
		return pi_cmp_requeue(p);
	}
}

static long futex_waitv(struct stub_thread *t, struct stub_ucontext *uc, bool *handled)
{
	volatile struct stub_own *own = &stub_slot(t->index)->own;

	for (;;) {
		long r;

		own->waits = 1;
		r = stub_futex_waitv(t, uc->rdi, (long)uc->rsi, (long)uc->rdx, uc->r10, (long)uc->r8);
		own->waits = 0;
		if (r != -EINTR_)
			return r;
		if (!futex_kicked(t, uc, NR_futex_waitv, ERESTARTSYS_, handled))
			return 0;
	}
}

bool stub_futex(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result,
		bool *handled)
{
	struct futex_pi p = { .t = t, .uc = uc };
	uint64_t op = (uint32_t)uc->rsi, cmd = op & NATIVE_FUTEX_OP;

	if (nr == NR_futex_waitv) {
		*result = futex_waitv(t, uc, handled);
		return true;
	}
	if (nr != NR_futex || cmd < FUTEX_LOCK_PI || cmd > FUTEX_LOCK_PI2 ||
	    (cmd > FUTEX_TRYLOCK_PI && cmd < FUTEX_WAIT_REQUEUE_PI))
		return false;
	p.flags = op & (NATIVE_FUTEX_PRIVATE | NATIVE_FUTEX_CLOCK_REALTIME);
	if ((p.flags & NATIVE_FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_REQUEUE_PI &&
	    cmd != FUTEX_LOCK_PI2) {
		*result = -ENOSYS_;
		return true;
	}
	p.tid = stub_slot(t->index)->tid & FUTEX_TID_MASK;
	*result = futex_pi(&p, cmd);
	*handled = p.handled;
	return true;
}
