/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub.c: what happens in an application's process between a trap and the application going on.
 *
 * A trap (SIGSYS from the filter, a fault, a kick) makes the host push a signal frame onto the
 * thread's alternate stack: the application's registers, all of them.  The handler writes a request
 * into the thread's slot of the channel, rings, and does what the reply says; rt_sigreturn then
 * loads whatever the frame holds.
 *
 * Am I in the stub already?  Yes exactly if the interrupted stack pointer lies in this thread's
 * area: stub code, and the vDSO when the stub called it, run on no other stack.  A kick found there
 * only sets a flag (and leaves the ranges described in entry.S); a fault there is one of the copies
 * with a fix-up, or the end.
 *
 * There is at most one frame of the application's on an area at a time, first on the altstack.
 */
#include "platform/stub/stub.h"

/* ---- registers -------------------------------------------------------------------------------- */

static uint64_t bases_get(const struct stub_thread *t, bool fs)
{
	uint64_t v;

	if (!stub_const()->fsgsbase)
		return fs ? t->fs_base : t->gs_base;
	if (fs) {
		__asm__ volatile("rdfsbase %0" : "=r"(v));
		return v;
	}
	__asm__ volatile("rdgsbase %0" : "=r"(v));
	return v == (uint64_t)t ? 0 : v;
}

static void bases_set(struct stub_thread *t, uint64_t fs, uint64_t gs)
{
	if (stub_const()->fsgsbase) {
		/* A non-canonical value would fault; arch_prctl refuses those, and so does the Sentry. */
		__asm__ volatile("wrfsbase %0" : : "r"(fs));
		if (gs == 0 && stub_const()->patch)
			gs = (uint64_t)t;
		__asm__ volatile("wrgsbase %0" : : "r"(gs));
		return;
	}
	if (fs != t->fs_base && stub_call(NR_arch_prctl, 0x1002, fs, 0) == 0)
		t->fs_base = fs;
	if (gs != t->gs_base && stub_call(NR_arch_prctl, 0x1001, gs, 0) == 0)
		t->gs_base = gs;
}

void stub_regs_save(const struct stub_thread *t, const struct stub_ucontext *uc, uint64_t orig_rax)
{
	volatile struct stub_slot *s = stub_slot(t->index);
	volatile struct stub_regs *r = &s->regs;

	r->r15 = uc->r15;
	r->r14 = uc->r14;
	r->r13 = uc->r13;
	r->r12 = uc->r12;
	r->rbp = uc->rbp;
	r->rbx = uc->rbx;
	r->r11 = uc->r11;
	r->r10 = uc->r10;
	r->r9 = uc->r9;
	r->r8 = uc->r8;
	r->rax = uc->rax;
	r->rcx = uc->rcx;
	r->rdx = uc->rdx;
	r->rsi = uc->rsi;
	r->rdi = uc->rdi;
	r->orig_rax = orig_rax;
	r->rip = uc->rip;
	r->cs = uc->cs;
	r->eflags = uc->eflags;
	r->rsp = uc->rsp;
	r->ss = uc->ss;
	r->fs_base = bases_get(t, true);
	r->gs_base = bases_get(t, false);
	r->ds = 0;
	r->es = 0;
	r->fs = uc->fs;
	r->gs = uc->gs;
	s->fpstate = uc->fpstate;
	s->window_count = 0;
}

static void regs_load(struct stub_thread *t, struct stub_ucontext *uc, volatile struct stub_slot *s)
{
	volatile struct stub_regs *r = &s->regs;

	uc->r15 = r->r15;
	uc->r14 = r->r14;
	uc->r13 = r->r13;
	uc->r12 = r->r12;
	uc->rbp = r->rbp;
	uc->rbx = r->rbx;
	uc->r11 = r->r11;
	uc->r10 = r->r10;
	uc->r9 = r->r9;
	uc->r8 = r->r8;
	uc->rax = r->rax;
	uc->rcx = r->rcx;
	uc->rdx = r->rdx;
	uc->rsi = r->rsi;
	uc->rdi = r->rdi;
	uc->rip = r->rip;
	uc->eflags = r->eflags;
	uc->rsp = r->rsp;
	bases_set(t, r->fs_base, r->gs_base);
}

/* ---- asking ----------------------------------------------------------------------------------- */

/*
 * Somebody looks at our slot (platform/notify/poll.c).  Spin until the request is answered, or will be later
 * (*ring: no need to ring), for as long as the last reply said, or longer if we are told so meanwhile.
 */
static bool spin_for_reply(volatile struct stub_slot *s, uint32_t seq, bool *ring)
{
	uint32_t *word = (uint32_t *)(uintptr_t)&s->reply_seq, *parked = (uint32_t *)(uintptr_t)&s->parked_seq;
	uint64_t start;

	if (s->spin == 0)
		return false;
	start = __builtin_ia32_rdtsc();
	do {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seq)
			return true;
		if (__atomic_load_n(parked, __ATOMIC_ACQUIRE) == seq) {
			*ring = false;
			return false;
		}
		__builtin_ia32_pause();
	} while (__builtin_ia32_rdtsc() - start < s->spin);
	return false;
}

/*
 * The doorbell is nobody's, or nobody knows us: our last request, to end, was found without it and is
 * about to be answered; or there is no Sentry any more.
 */
static bool is_answered_soon(uint32_t *word, uint32_t seq)
{
	const struct {
		int64_t sec, nsec;
	} ms = { 0, 1000000 };
	uint32_t seen;

	for (int i = 0; i < 100; i++) {
		seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if (seen == seq)
			return true;
		(void)stub_call6(NR_futex, (long)word, 0, seen, (long)&ms, 0, 0);
	}
	return false;
}

/*
 * Wait until the Sentry has answered request t->seq.  A doorbell that returns 0 without an answer in
 * the slot means "parked"; then the answer comes with a futex wake.  Anything else (a signal came
 * between) is rung again.
 */
static void await_reply(const struct stub_thread *t, volatile struct stub_slot *s, bool ring)
{
	uint32_t *word = (uint32_t *)(uintptr_t)&s->reply_seq;
	uint32_t seq = t->seq, seen;
	long r;

	if (ring && spin_for_reply(s, seq, &ring))
		return;
	while (ring && __atomic_load_n(word, __ATOMIC_ACQUIRE) != seq) {
		if (stub_const()->rdtscp)
			(void)__builtin_ia32_rdtscp((unsigned int *)(uintptr_t)&s->cpu);
		r = stub_call(STUB_DOORBELL, STUB_RING, t->cookie, 0);
		if (r == -ENOSYS_ && !is_answered_soon(word, seq))
			stub_die(0); /* the Sentry is gone */
		if (r == 0)
			ring = false;
	}
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != seq) {
		s->sleeps = 1;
		/* The Sentry publishes, then looks whether we sleep: let_go(). */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		seen = __atomic_load_n(word, __ATOMIC_ACQUIRE); /* pairs with the Sentry's publish */
		if (seen == seq)
			break;
		(void)stub_call6(NR_futex, (long)word, 0 /* WAIT, shared */, seen, 0, 0, 0);
	}
	if (s->sleeps)
		s->sleeps = 0;
}

static void request(struct stub_thread *t, volatile struct stub_slot *s, enum stub_request what)
{
	s->request = (uint8_t)what;
	if (what != STUB_SYSCALL)
		s->more = 1;
	t->seq++;
	__atomic_store_n((uint32_t *)(uintptr_t)&s->request_seq, t->seq, __ATOMIC_RELEASE);
	await_reply(t, s, true);
}

/* ---- clone ------------------------------------------------------------------------------------ */

#define CLONE_VM             0x00000100
#define CLONE_FS             0x00000200
#define CLONE_FILES          0x00000400
#define CLONE_SIGHAND        0x00000800
#define CLONE_PARENT         0x00008000
#define CLONE_THREAD         0x00010000
#define CLONE_SYSVSEM        0x00040000
#define CLONE_CHILD_CLEARTID 0x00200000
#define SIGCHLD_             17

_Static_assert((CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		CLONE_CHILD_CLEARTID) == STUB_CLONE_THREAD_FLAGS, "what the filter lets through");
_Static_assert((CLONE_PARENT | CLONE_CHILD_CLEARTID | SIGCHLD_) == STUB_CLONE_FORK_FLAGS,
	       "what the filter lets through");

static uint32_t *alone_count(void)
{
	return &((struct stub_zygote *)(STUB_CHANNEL + STUB_ZYGOTE))->alone;
}

/* uc is a patched call's, which has no signal frame: it lies on the private stack. */
static bool is_patched(const struct stub_ucontext *uc)
{
	return ((uint64_t)uc & (STUB_AREA_SIZE - 1)) < STUB_ALTSTACK;
}

/*
 * The child's area: a new one or one that a dead thread left, with a copy of our frame (and of what
 * lies above it: the FPU state).
 */
static long area_prepare(const struct stub_ucontext *uc, volatile struct stub_slot *s,
			 const struct stub_thread *parent, struct stub_ucontext **out)
{
	uint32_t index = s->index, flags = s->flags;
	struct stub_thread *child = stub_thread_at(index);
	uint64_t area = stub_area(index), parent_area = stub_area(parent->index);
	uint64_t offset = (uint64_t)uc - parent_area;
	uint64_t size = is_patched(uc) ? sizeof(*uc) : STUB_THREAD - offset;
	struct stub_ucontext *copy = (struct stub_ucontext *)(area + offset);
	long r;

	if (index >= STUB_THREADS_MAX || index == parent->index)
		return -EINVAL_;
	if (!(flags & STUB_CLONE_MAPPED)) {
		/* RW, PRIVATE|ANONYMOUS|NORESERVE|FIXED_NOREPLACE */
		r = stub_call6(NR_mmap, (long)(area + 4096), STUB_AREA_SIZE - 4096, 3, 0x104022, -1, 0);
		if (r != (long)(area + 4096))
			return r < 0 ? r : -ENOMEM_;
	}
	memset(child, 0, sizeof(*child));
	memcpy(copy, uc, size);
	if (copy->fpstate)
		copy->fpstate += area - parent_area;
	copy->stack_base = area + STUB_ALTSTACK;
	child->index = index;
	child->cookie = s->cookie;
	child->fs_base = parent->fs_base;
	child->gs_base = parent->gs_base;
	if (flags & STUB_CLONE_START) {
		child->start = 1;
		child->start_fs = s->regs.fs_base;
		child->start_gs = s->regs.gs_base;
		child->rsp = copy->rsp = s->regs.rsp;
		child->resume = parent->resume;
		child->ip = parent->ip;
		copy->rax = 0;
	}
	*out = copy;
	return 0;
}

static long clone_thread(struct stub_thread *t, struct stub_ucontext *uc, volatile struct stub_slot *s)
{
	uint32_t index = s->index;
	struct stub_ucontext *copy;
	long r;

	r = area_prepare(uc, s, t, &copy);
	if (r < 0)
		return r;
	r = stub_clone_thread(STUB_CLONE_THREAD_FLAGS, (uint64_t)copy, 0,
			      (void *)(uintptr_t)&stub_slot(index)->live);
	if (r < 0 && !(s->flags & STUB_CLONE_MAPPED))
		(void)stub_call(NR_munmap, stub_area(index), STUB_AREA_SIZE, 0);
	return r;
}

/* Rings until the Sentry knows us, and maps the channel that it hands over. */
static void hello(uint64_t cookie, bool need_channel)
{
	long fd, p;

	do {
		fd = stub_call(STUB_DOORBELL, STUB_RING_HELLO, cookie, 0);
	} while (fd == -EINTR_);
	if (fd < 0)
		stub_die(0);
	if (!need_channel)
		return;
	/* RW, SHARED|FIXED */
	p = stub_call6(NR_mmap, STUB_CHANNEL, STUB_CHANNEL_SIZE, 3, 0x11, fd, 0);
	if (p != STUB_CHANNEL || stub_call(NR_madvise, STUB_CHANNEL, STUB_CHANNEL_SIZE, 10) != 0)
		stub_die(0);
	(void)stub_call(NR_close, fd, 0, 0);
	/* In place of our parent's: R, SHARED|FIXED */
	p = stub_call6(NR_mmap, STUB_PROCESS, 4096, 1, 0x11, STUB_PROCESS_FD, 0);
	if (p != STUB_PROCESS)
		stub_die(0);
	(void)stub_call(NR_close, STUB_PROCESS_FD, 0, 0);
}

/*
 * fork.  The child goes on here, on its copy of this stack and area; until hello() has returned it
 * has no channel, and nothing here touches it.
 */
static long clone_process(struct stub_thread *t, volatile struct stub_slot *s)
{
	uint64_t cookie = s->cookie, area = stub_area(t->index);
	bool alone = s->flags & STUB_CLONE_ALONE;
	void *live = (void *)(uintptr_t)&s->live; /* of the child's slot: same address, other memory */
	long r;

	r = stub_call6(NR_clone, STUB_CLONE_FORK_FLAGS, 0, 0, (long)live, 0, 0);
	if (r == 0) {
		/* Copies of our siblings' areas are of no use here. */
		if (!alone) {
			(void)stub_call(NR_munmap, STUB_AREAS, area - STUB_AREAS, 0);
			(void)stub_call(NR_munmap, area + STUB_AREA_SIZE,
					STUB_END - area - STUB_AREA_SIZE, 0);
		}
		t->cookie = cookie;
		t->kick = 0; /* our parent's; from hello() on there are kicks for us */
		hello(cookie, true);
		*alone_count() = t->alone;
		t->seq = 1;
	}
	return r;
}

/* ---- replies ---------------------------------------------------------------------------------- */

/*
 * A call that came to the Sentry because native calls are off (a filter, a tracer), and that is to be
 * made here all the same.  True: go on; else the result was reported, and there is another reply.
 */
static bool native_ordered(struct stub_thread *t, struct stub_ucontext *uc,
			   volatile struct stub_slot *s)
{
	uint64_t nr = (uint64_t)s->result;
	uint32_t flags = s->flags;
	bool handled;
	long r;

	stub_unmarshal(s); /* there may be other requests, so other replies */

	if (flags & STUB_NATIVE_LOAD)
		regs_load(t, uc, s);
	if (!stub_native_call(t, uc, nr, &r, &handled))
		r = -ENOSYS_;
	if (handled)
		return true;
	uc->rax = (uint64_t)r;
	if (!(flags & STUB_NATIVE_REPORT))
		return true;
	stub_regs_save(t, uc, nr);
	request(t, s, STUB_NATIVE_DONE);
	return false;
}

static bool load(struct stub_thread *t, struct stub_ucontext *uc, volatile struct stub_slot *s)
{
	uint32_t flags = s->flags;

	if ((flags & STUB_LOAD_FPU_SAVE) && !stub_fpu_save(uc, s->fpu_addr))
		return false;
	if ((flags & STUB_LOAD_FPU_FROM) && !stub_fpu_load(uc, s->fpu_addr))
		return false;
	if (flags & STUB_LOAD_FPU_INIT)
		stub_fpu_init(uc);
	regs_load(t, uc, s);
	t->loaded = is_patched(uc);
	return true;
}

static enum stub_outcome obey(struct stub_thread *t, struct stub_ucontext *uc)
{
	volatile struct stub_slot *s = stub_slot(t->index);
	long r;

	for (;;) {
		switch (s->reply) {
		case STUB_RESULT:
			uc->rax = (uint64_t)s->result;
			return STUB_GO_ON;
		case STUB_CONTINUE:
			return STUB_UNCHANGED;
		case STUB_LOAD:
			if (load(t, uc, s))
				return STUB_GO_ON;
			stub_unmarshal(s); /* the next reply won't say how much */
			request(t, s, STUB_LOAD_FAILED);
			break;
		case STUB_CALLS:
			s->done = stub_make_calls(s, s->count);
			request(t, s, STUB_DONE);
			break;
		case STUB_CLONE:
			if (s->flags & STUB_CLONE_THREAD) {
				r = clone_thread(t, uc, s);
			} else {
				r = clone_process(t, s);
				if (r == 0) {
					await_reply(t, s, false);
					break;
				}
			}
			s->done = r;
			request(t, s, STUB_DONE);
			break;
		case STUB_NATIVE:
			if (native_ordered(t, uc, s))
				return STUB_GO_ON;
			break;
		case STUB_WALK:
			stub_exit_work(0, s->own.robust_list, s->tid);
			request(t, s, STUB_DONE);
			break;
		case STUB_PATCH:
			s->done = stub_patch(s, uc);
			request(t, s, STUB_DONE);
			break;
		case STUB_PROMOTE:
			if (!is_patched(uc))
				stub_die(0);
			t->promote = STUB_PROMOTE_ORDER;
			stub_promote(t); /* goes on in on_promoted() */
			break;
		case STUB_EXIT:
			stub_rseq_end(s);
			stub_exit_work(s->flags & STUB_EXIT_GROUP ? 0 : s->own.clear_tid, s->own.robust_list,
				       s->tid);
			if (s->flags & STUB_EXIT_GROUP)
				stub_die(0);
			for (;;)
				(void)stub_call(NR_exit, 0, 0, 0);
		default:
			stub_die(0);
		}
	}
}

enum stub_outcome stub_ask(struct stub_thread *t, struct stub_ucontext *uc, enum stub_request what)
{
	request(t, stub_slot(t->index), what);
	return obey(t, uc);
}

/*
 * A new thread's first C code, on its own area, not in a handler.  Returns whether it leaves as from a
 * patched call; otherwise it does by its copy of a signal frame, which also restores the alternate
 * signal stack: the host gives a new thread none.
 */
int stub_child(struct stub_thread *t, struct stub_ucontext *uc)
{
	struct {
		uint64_t base;
		uint64_t flags, size;
	} stack = { stub_area(t->index) + STUB_ALTSTACK, 0, STUB_THREAD - STUB_ALTSTACK };

	t->seq = 1;
	if (!t->start) {
		hello(t->cookie, false);
		await_reply(t, stub_slot(t->index), false);
		(void)obey(t, uc);
		return false;
	}
	bases_set(t, t->start_fs, t->start_gs);
	if (!is_patched(uc))
		return false;
	if (stub_call(NR_sigaltstack, &stack, 0, 0) != 0)
		stub_die(0);
	return true;
}

/* ---- traps ------------------------------------------------------------------------------------ */

/* Of all threads, as each may live for a few calls only.  (A count that is lost between two is none.) */
static bool site_is_due(struct stub_thread *t)
{
	uint32_t n = __atomic_load_n(alone_count(), __ATOMIC_RELAXED) + 1;

	t->alone = n;
	__atomic_store_n(alone_count(), n, __ATOMIC_RELAXED);
	return n >= stub_const()->patch;
}

/* Nobody but us sees these calls, and a patched site would make them cheap. */
static void report_site(struct stub_thread *t, struct stub_ucontext *uc)
{
	t->alone = 0;
	__atomic_store_n(alone_count(), 0, __ATOMIC_RELAXED);
	stub_regs_save(t, uc, (uint64_t)-1);
	(void)stub_ask(t, uc, STUB_SITE);
}

/*
 * exit(2) of one thread among several: what its end leaves in memory comes first, as in Linux, so that
 * who joins it need not wait for the Sentry.
 */
static void exit_work_early(volatile struct stub_slot *s)
{
	uint64_t clear_tid = s->own.clear_tid, robust_list = s->own.robust_list;

	if (!stub_process()->native || stub_process()->threads < 2 || s->tid == 0)
		return;
	s->own.clear_tid = s->own.robust_list = 0;
	stub_rseq_end(s); /* who waits for the word may unmap it */
	stub_exit_work(clear_tid, robust_list, s->tid);
}

/* Windows as the first line of the slot has them. */
static uint32_t window_word(const volatile struct stub_slot *s)
{
	const volatile struct stub_window *w = &s->windows[0];
	uint32_t count = s->window_count, empty = 0;

	if (count == 0)
		return 0;
	if (count == 2 && w->size == 1 && (w->flags & STUB_WINDOW_STRING) && w->arg < 6) {
		empty = STUB_WINDOW_EMPTY(w->arg);
		w++;
		count--;
	}
	if (count > 1 || w->arg > 5)
		return STUB_WINDOW_SEE;
	return STUB_WINDOW_ONE(w->arg, w->flags, w->size) | empty;
}

static void call(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, bool compat)
{
	volatile struct stub_slot *s;
	long r;

	if (nr == NR_rt_sigreturn && !compat && is_patched(uc) && stub_sigreturn(t, uc)) {
		t->loaded = 1;
		return;
	}
	if (!compat && stub_native(t, uc, nr, &r)) {
		uc->rax = (uint64_t)r;
		if (uc->fpstate && stub_const()->patch && site_is_due(t))
			report_site(t, uc);
		return;
	}
	s = stub_slot(t->index);
	if (nr == NR_exit && !compat)
		exit_work_early(s);
	stub_regs_save(t, uc, uc->rax);
	/*
	 * Where calls are looked at (native is off), output must be in place when the call is done and
	 * not when we go on, and input is what it is after the look: so nothing is carried.
	 */
	if (!compat && stub_process()->native)
		stub_marshal(uc, nr, s);
	if (uc->fpstate || nr > 0xffff || compat) {
		s->nr = (uint32_t)nr;
		s->compat = compat;
		s->more = 1;
	} else {
		s->more = 0;
	}
	s->brief_nr = (uint16_t)nr;
	s->window = window_word(s);
	s->args[0] = uc->rdi;
	s->args[1] = uc->rsi;
	s->args[2] = uc->rdx;
	s->args[3] = uc->r10;
	s->args[4] = uc->r8;
	s->args[5] = uc->r9;
	(void)stub_ask(t, uc, STUB_SYSCALL);
	stub_unmarshal(s);
}

/* From a patched site: uc is on the private stack, and has no FPU state. */
void stub_patched(struct stub_thread *t, struct stub_ucontext *uc)
{
	t->loaded = 0;
	call(t, uc, (uint32_t)uc->rax, false);
}

static void on_syscall(struct stub_siginfo *info, struct stub_ucontext *uc, struct stub_thread *t)
{
	if (t->zygote) {
		t->zygote = 0;
		stub_zygote(t, uc);
		(void)obey(t, uc);
		return;
	}
	call(t, uc, (uint32_t)info->sys.nr, info->sys.arch != 0xc000003e);
}

/* The frame that the Sentry wanted for a patched call; now it goes on with it. */
static void on_promoted(struct stub_thread *t, struct stub_ucontext *uc)
{
	volatile struct stub_slot *s = stub_slot(t->index);

	s->fpstate = uc->fpstate;
	request(t, s, STUB_DONE);
	(void)obey(t, uc);
	stub_unmarshal(s);
}

static void on_fault(int sig, struct stub_siginfo *info, struct stub_ucontext *uc,
		     struct stub_thread *t)
{
	volatile struct stub_slot *s = stub_slot(t->index);

	stub_regs_save(t, uc, (uint64_t)-1);
	s->sig = (uint32_t)sig;
	s->code = (uint32_t)info->code;
	s->fault_addr = info->addr;
	s->trapno = uc->trapno;
	s->error = uc->error;
	(void)stub_ask(t, uc, STUB_FAULT);
}

/* The application's next registers are in uc: let the Sentry see them before they are loaded. */
void stub_kicked(struct stub_thread *t, struct stub_ucontext *uc)
{
	t->kick = 0;
	stub_regs_save(t, uc, (uint64_t)-1);
	(void)stub_ask(t, uc, STUB_KICKED);
}

static bool within(uint64_t ip, const char *from, const char *to)
{
	return ip >= (uint64_t)from && ip <= (uint64_t)to;
}

static void nested(int sig, struct stub_ucontext *uc, struct stub_thread *t)
{
	uint64_t ip = uc->rip;
	const int32_t(*f)[2];

	if (sig == STUB_SIG_KICK) {
		t->kick = 1;
		if (within(ip, stub_leave_check, stub_leave_syscall))
			uc->rip = (uint64_t)stub_leave_kicked;
		else if (within(ip, stub_futex_check, stub_futex_syscall))
			uc->rip = (uint64_t)stub_futex_kicked;
		else if (within(ip, stub_patched_check, stub_patched_switch))
			uc->rip = (uint64_t)stub_patched_kicked;
		else if (within(ip, stub_loaded_check, stub_loaded_switch))
			uc->rip = (uint64_t)stub_loaded_kicked;
		return;
	}
	if (sig == STUB_SIG_TRAP && uc->trapno == 1) {
		uc->eflags &= ~0x100ull; /* the application single-steps itself; not through us */
		return;
	}
	for (f = stub_fixups; f < stub_fixups_end; f++) {
		if (ip == (uint64_t)&(*f)[0] + (uint64_t)(*f)[0]) {
			uc->rip = (uint64_t)&(*f)[1] + (uint64_t)(*f)[1];
			return;
		}
	}
	stub_die(128 + sig);
}

/*
 * In our text on the application's stack: on the way into or out of a patched call.  Makes uc what it is at the site
 * or behind it; why the frame was wanted, if it was.
 */
static uint32_t straighten(struct stub_thread *t, struct stub_ucontext *uc)
{
	uint64_t at;
	uint32_t why = 0;

	if (uc->rip >= (uint64_t)stub_patched_entry && uc->rip < (uint64_t)stub_patched_inside) {
		if (stub_load64(&at, uc->r11 + 8) == 0)
			uc->rip = at - 2;
	} else if (uc->rip == (uint64_t)stub_patched_resume || uc->rip == (uint64_t)stub_patched_ud2) {
		if (uc->rip == (uint64_t)stub_patched_ud2)
			why = t->promote;
		t->promote = 0;
		uc->rip = t->resume;
		uc->rcx = t->ip;
	} else if (uc->rip == (uint64_t)stub_loaded_resume || uc->rip == (uint64_t)stub_loaded_ud2) {
		if (uc->rip == (uint64_t)stub_loaded_ud2)
			why = t->promote;
		t->promote = 0;
		uc->rip = t->resume;
	}
	return why;
}

/* Returns 0 to go back to interrupted stub code, 1 to leave to the application. */
int stub_signal(int sig, struct stub_siginfo *info, struct stub_ucontext *uc, struct stub_thread *t)
{
	bool inside = uc->rsp - stub_area(t->index) < STUB_AREA_SIZE;

	if (inside && sig != STUB_SIG_SYS) {
		nested(sig, uc, t);
		return 0;
	}
	if (!inside && uc->rip - STUB_TEXT < STUB_TEXT_MAX) {
		switch (straighten(t, uc)) {
		case STUB_PROMOTE_KICK:
			stub_kicked(t, uc);
			return 1;
		case STUB_PROMOTE_ORDER:
			if (sig == STUB_SIG_KICK)
				t->kick = 1;
			on_promoted(t, uc);
			return 1;
		}
	}
	switch (sig) {
	case STUB_SIG_SYS:
		on_syscall(info, uc, t);
		break;
	case STUB_SIG_KICK:
		stub_kicked(t, uc);
		break;
	default:
		on_fault(sig, info, uc, t);
		break;
	}
	return !inside;
}
