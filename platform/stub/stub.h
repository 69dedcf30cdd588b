/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub.h: inside the stub.  Freestanding: no libc, no relocations, no writable data, no FPU or
 * vector registers (they hold the application's values).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/stub/abi.h"

/* ---- the kernel's signal frame (x86-64): what lies at rsp when a handler starts --------------- */

struct stub_ucontext {
	uint64_t flags, link;
	uint64_t stack_base;
	int32_t stack_flags;
	uint32_t pad;
	uint64_t stack_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
	uint64_t sigmask;
};

struct stub_siginfo {
	int32_t signo, err, code, pad;
	union {
		uint64_t addr;
		struct {
			uint64_t call_addr;
			int32_t nr;
			uint32_t arch;
		} sys;
	};
};

#define STUB_SIG_ILL   4
#define STUB_SIG_TRAP  5
#define STUB_SIG_BUS   7
#define STUB_SIG_FPE   8
#define STUB_SIG_SEGV  11
#define STUB_SIG_KICK  23 /* SIGURG: not queued, so any number of kicks costs one */
#define STUB_SIG_SYS   31

/* ---- entry.S ---------------------------------------------------------------------------------- */

extern const char stub_start[], stub_end[];
extern const char stub_leave_check[], stub_leave_syscall[], stub_leave_kicked[];
extern const char stub_futex_check[], stub_futex_syscall[], stub_futex_kicked[];
extern const char stub_patched_entry[], stub_patched_inside[], stub_patched_check[];
extern const char stub_patched_switch[], stub_patched_resume[], stub_patched_kicked[];
extern const char stub_patched_ud2[];
extern const char stub_loaded_check[], stub_loaded_switch[], stub_loaded_resume[], stub_loaded_kicked[];
extern const char stub_loaded_ud2[];
extern const char stub_fpu_initial[];
extern const int32_t stub_fixups[][2], stub_fixups_end[][2];

long stub_futex_wait(struct stub_thread *t, uint64_t word, long op, long value, const void *timeout,
		     long value3);
long stub_futex_waitv(struct stub_thread *t, uint64_t waiters, long count, long flags,
		      uint64_t timeout, long clock);
/* The same, and who looks at the thread sees that it sleeps. */
long stub_wait(struct stub_thread *t, uint64_t word, long op, long value, const void *timeout, long value3);
long stub_clone_thread(long flags, uint64_t stack, long zero, void *ctid);

/* Copies between the application's memory and ours.  -EFAULT or 0 unless said otherwise. */
uint64_t stub_copy(void *dst, const void *src, uint64_t size); /* bytes not copied */
int64_t stub_copy_string(char *dst, uint64_t src, uint64_t max);
int stub_load64(uint64_t *out, uint64_t addr);
int stub_load32(uint32_t *out, uint64_t addr);
int stub_store32(uint64_t addr, uint32_t value);
int stub_probe(uint64_t addr);
int stub_cmpxchg32(uint64_t addr, uint32_t *old, uint32_t value);
int stub_xsave(uint64_t at, uint64_t components);
int stub_xrstor(uint64_t at, uint64_t components);

void *memcpy(void *dst, const void *src, size_t size);
void *memset(void *p, int c, size_t size);

_Noreturn void stub_promote(struct stub_thread *t);

/* What entry.S calls. */
void stub_patched(struct stub_thread *t, struct stub_ucontext *uc);
int stub_signal(int sig, struct stub_siginfo *info, struct stub_ucontext *uc, struct stub_thread *t);
void stub_kicked(struct stub_thread *t, struct stub_ucontext *uc);
int stub_child(struct stub_thread *t, struct stub_ucontext *uc);

/* ---- where things are ------------------------------------------------------------------------- */

static inline const struct stub_const *stub_const(void)
{
	return (const struct stub_const *)STUB_CONST;
}

static inline volatile struct stub_process *stub_process(void)
{
	return (volatile struct stub_process *)STUB_PROCESS;
}

static inline volatile struct stub_slot *stub_slot(uint32_t index)
{
	return (volatile struct stub_slot *)(STUB_CHANNEL + STUB_SLOT((uint64_t)index));
}

static inline uint64_t stub_area(uint32_t index)
{
	return STUB_AREAS + (uint64_t)index * STUB_AREA_SIZE;
}

static inline struct stub_thread *stub_thread_at(uint32_t index)
{
	return (struct stub_thread *)(stub_area(index) + STUB_THREAD);
}

/* ---- host calls ------------------------------------------------------------------------------- */

static inline long stub_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define stub_call(nr, a, b, c) \
	stub_call6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)

enum {
	NR_mmap = 9,
	NR_mprotect = 10,
	NR_munmap = 11,
	NR_rt_sigaction = 13,
	NR_rt_sigprocmask = 14,
	NR_rt_sigreturn = 15,
	NR_close = 3,
	NR_writev = 20,
	NR_sched_yield = 24,
	NR_mremap = 25,
	NR_madvise = 28,
	NR_getpid = 39,
	NR_sendmsg = 46,
	NR_clone = 56,
	NR_exit = 60,
	NR_getuid = 102,
	NR_getgid = 104,
	NR_geteuid = 107,
	NR_getegid = 108,
	NR_getppid = 110,
	NR_getpgrp = 111,
	NR_getpgid = 121,
	NR_getsid = 124,
	NR_gettid = 186,
	NR_gettimeofday = 96,
	NR_time = 201,
	NR_clock_gettime = 228,
	NR_sigaltstack = 131,
	NR_arch_prctl = 158,
	NR_futex = 202,
	NR_exit_group = 231,
	NR_membarrier = 324,
	NR_pwritev = 296,
	NR_pwritev2 = 328,
	NR_rseq = 334,
	NR_futex_waitv = 449,
	NR_futex_wait = 455,
	NR_futex_requeue = 456,
	NR_set_robust_list = 273,
	NR_set_tid_address = 218,
};

#define EPERM_   1
#define EINTR_   4
#define EAGAIN_  11
#define EDEADLK_ 35
#define EFAULT_  14
#define EINVAL_  22
#define ENOMEM_  12
#define EEXIST_  17
#define ENOSYS_  38
#define ERESTARTSYS_           512
#define ERESTARTNOINTR_        513
#define ERESTART_RESTARTBLOCK_ 516

_Noreturn static inline void stub_die(int status)
{
	for (;;)
		(void)stub_call(NR_exit_group, status, 0, 0);
}

/* ---- the parts -------------------------------------------------------------------------------- */

/* native.c: true when the call was answered here; *result is its value. */
bool stub_native(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result);
/*
 * The same without looking whether native calls are on, and without identities.  *handled: a signal
 * came between, and uc holds other registers, with which the application goes on.
 */
bool stub_native_call(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result,
		      bool *handled);
/* Make calls[0..count) for the Sentry; how many succeeded. */
long stub_make_calls(volatile struct stub_slot *s, uint32_t count);

/*
 * fpu.c: the application's FPU state, in uc's frame or (a patched call has none) in the registers.  To its memory at
 * addr, in the form that the host gives a signal frame; from there; the initial state.  False: it can't be done
 * here (no such memory, another form); the Sentry will.
 */
bool stub_fpu_save(struct stub_ucontext *uc, uint64_t addr);
bool stub_fpu_load(struct stub_ucontext *uc, uint64_t addr);
/* rt_sigreturn(2) in a patched call, without the Sentry: all registers are in uc.  False: it has to see it. */
bool stub_sigreturn(struct stub_thread *t, struct stub_ucontext *uc);
void stub_fpu_init(struct stub_ucontext *uc);

/* marshal.c: the call's small memory arguments into the slot; what came back out of it. */
void stub_marshal(const struct stub_ucontext *uc, uint64_t nr, volatile struct stub_slot *s);
void stub_unmarshal(volatile struct stub_slot *s);

/* patch.c: carry out s->patch.  0 or a negative errno (then nothing has changed). */
long stub_patch(volatile struct stub_slot *s, struct stub_ucontext *uc);
/* Whether [addr, addr+size) meets patched text or trampolines. */
bool stub_is_watched(uint64_t addr, uint64_t size);

/* futex.c: what of futexes no single host call does: PI operations, futex_waitv(2).  False: none of these. */
bool stub_futex(struct stub_thread *t, struct stub_ucontext *uc, uint64_t nr, long *result,
		bool *handled);

/* native.c: the host forgets the thread's rseq area, which may soon be unmapped. */
void stub_rseq_end(volatile struct stub_slot *s);

/* exit.c */
void stub_exit_work(uint64_t clear_tid, uint64_t robust_list, uint32_t tid);

/* stub.c: tell the Sentry, and do what it says until the application may go on. */
enum stub_outcome { STUB_GO_ON, STUB_UNCHANGED };
enum stub_outcome stub_ask(struct stub_thread *t, struct stub_ucontext *uc, enum stub_request what);

/* Put the application's registers into the slot; orig_rax -1 outside of a system call. */
void stub_regs_save(const struct stub_thread *t, const struct stub_ucontext *uc, uint64_t orig_rax);

/* zygote.c */
void stub_zygote(struct stub_thread *t, struct stub_ucontext *uc);
