/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.S: the stub's ways in and out, the places where a kick must not be missed, and the copies
 * that may fault.
 *
 * A kick that arrives between "am I kicked?" and a system call that blocks or leaves would be lost:
 * the handler sets the flag too late.  So such a check and its call are one labelled range, and the
 * handler moves an instruction pointer that lies in it to the range's abort label (stub.c).
 */
#include "platform/stub/abi.h"

	.section .head, "ax"
	.globl	stub_start
stub_start:
	.long	STUB_MAGIC
	.long	stub_sigentry - stub_start
	.long	stub_restorer - stub_start
	.long	stub_end - stub_start
	.long	stub_patched_entry - stub_start

	.text

/* A signal's handler.  rdi signal, rsi siginfo, rdx ucontext, rsp: the frame, on this thread's area. */
	.globl	stub_sigentry
	.balign	16
stub_sigentry:
	mov	%rsp, %rbx
	and	$-STUB_AREA_SIZE, %rbx
	add	$STUB_THREAD, %rbx
	mov	%rdx, %r12
	mov	%rbx, %rcx
	sub	$8, %rsp
	call	stub_signal
	add	$8, %rsp
	test	%eax, %eax
	jz	stub_restorer_nested

/*
 * Back to the application: rbx the thread, r12 the ucontext, which is where rt_sigreturn wants rsp.
 */
stub_leave:
	mov	%r12, %rsp
	.globl	stub_leave_check
stub_leave_check:
	cmpl	$0, STUB_THREAD_KICK(%rbx)
	jne	stub_leave_kicked
	mov	$15, %eax
	.globl	stub_leave_syscall
stub_leave_syscall:
	syscall
	ud2
	.globl	stub_leave_kicked
stub_leave_kicked:
	mov	%rbx, %rdi
	mov	%r12, %rsi
	call	stub_kicked
	jmp	stub_leave

/* Back into stub code that a signal interrupted. */
stub_restorer_nested:
	add	$8, %rsp
	.globl	stub_restorer
stub_restorer:
	mov	$15, %eax
	syscall
	ud2

/*
 * A patched call site (docs/patching.md): a trampoline jumps here with the application's registers,
 * but for r11: its struct trampoline_desc, and rcx; both are lost to the call anyhow.  GS's base is
 * this thread's struct stub_thread as long as the application has not set its own: then, by way of
 * the trampoline's syscall instruction, the call is a signal as ever.  Flags stay untouched up to where they
 * are saved, hence no compare: 0x7ffb is the upper half of every address in the hole.
 *
 * Between stub_patched_entry and stub_patched_inside, and at stub_{patched,loaded}_{resume,ud2},
 * we are in the stub's text on the application's stack; stub.c straightens out what a signal finds.
 * The frame has struct stub_ucontext's layout, without FPU state.
 */
#define FRAME_SIZE 320
#define FRAME_AT   (STUB_ALTSTACK - FRAME_SIZE - STUB_THREAD) /* from the stub_thread */
	.globl	stub_patched_entry, stub_patched_inside
	.balign	16
stub_patched_entry:
	rdgsbase %rcx
	bswap	%rcx
	mov	%ecx, %ecx
	lea	0x04810000(%ecx), %ecx
	jrcxz	1f
	jmp	*16(%r11)
1:	rdgsbase %rcx
	mov	%rsp, STUB_THREAD_RSP(%rcx)
	lea	FRAME_AT(%rcx), %rsp
stub_patched_inside:
	pushfq
	popq	176(%rsp)
	cld
	mov	%r8, 40(%rsp)
	mov	%r9, 48(%rsp)
	mov	%r10, 56(%rsp)
	mov	%r12, 72(%rsp)
	mov	%r13, 80(%rsp)
	mov	%r14, 88(%rsp)
	mov	%r15, 96(%rsp)
	mov	%rdi, 104(%rsp)
	mov	%rsi, 112(%rsp)
	mov	%rbp, 120(%rsp)
	mov	%rbx, 128(%rsp)
	mov	%rdx, 136(%rsp)
	mov	%rax, 144(%rsp)
	mov	STUB_THREAD_RSP(%rcx), %rax
	mov	%rax, 160(%rsp)
	mov	8(%r11), %rax
	mov	%rax, 152(%rsp)
	mov	%rax, 168(%rsp)
	mov	%rax, STUB_THREAD_IP(%rcx)
	mov	24(%r11), %rax
	mov	%rax, STUB_THREAD_RESUME(%rcx)
	mov	176(%rsp), %rax
	mov	%rax, 64(%rsp)
	movabs	$0x002b000000000033, %rax
	mov	%rax, 184(%rsp)
	movq	$0, 224(%rsp)
	mov	%rcx, %rbx
	mov	%rcx, %rdi
	mov	%rsp, %rsi
	call	stub_patched
	cmpl	$0, STUB_THREAD_LOADED(%rbx)
	jne	stub_loaded
	mov	%rbx, %rcx
	call	.Lpatched_load
	.globl	stub_patched_check, stub_patched_switch, stub_patched_resume, stub_patched_kicked
stub_patched_check:
	cmpl	$0, STUB_THREAD_KICK(%rcx)
	jne	stub_patched_kicked
	push	%r11
	popfq
stub_patched_switch:
	mov	STUB_THREAD_RSP(%rcx), %rsp
stub_patched_resume:
	jmp	*STUB_THREAD_RESUME(%rcx)
stub_patched_kicked:
	movl	$STUB_PROMOTE_KICK, STUB_THREAD_PROMOTE(%rcx)
.Lpatched_raise:
	lea	FRAME_AT(%rcx), %rsp
	push	%r11
	popfq
	mov	STUB_THREAD_RSP(%rcx), %rsp
	.globl	stub_patched_ud2
stub_patched_ud2:
	ud2

/*
 * The same with all registers, rcx and r11 too, as the frame has them: a signal's handler, what it interrupted.
 * GS's base is ours here.
 */
stub_loaded:
	mov	%rsp, STUB_THREAD_FRAME(%rbx)
	mov	160(%rsp), %rax
	mov	%rax, STUB_THREAD_RSP(%rbx)
	mov	168(%rsp), %rax
	mov	%rax, STUB_THREAD_RESUME(%rbx)
	mov	40(%rsp), %r8
	mov	48(%rsp), %r9
	mov	56(%rsp), %r10
	mov	64(%rsp), %r11
	mov	72(%rsp), %r12
	mov	80(%rsp), %r13
	mov	88(%rsp), %r14
	mov	96(%rsp), %r15
	mov	104(%rsp), %rdi
	mov	112(%rsp), %rsi
	mov	120(%rsp), %rbp
	mov	128(%rsp), %rbx
	mov	136(%rsp), %rdx
	mov	144(%rsp), %rax
	mov	152(%rsp), %rcx
	.globl	stub_loaded_check, stub_loaded_switch, stub_loaded_resume, stub_loaded_kicked
	.globl	stub_loaded_ud2
stub_loaded_check:
	cmpl	$0, %gs:STUB_THREAD_KICK
	jne	stub_loaded_kicked
	pushq	176(%rsp)
	popfq
stub_loaded_switch:
	mov	%gs:STUB_THREAD_RSP, %rsp
stub_loaded_resume:
	jmp	*%gs:STUB_THREAD_RESUME
stub_loaded_kicked:
	mov	%gs:STUB_THREAD_FRAME, %rsp
	movl	$STUB_PROMOTE_KICK, %gs:STUB_THREAD_PROMOTE
	pushq	176(%rsp)
	popfq
	mov	%gs:STUB_THREAD_RSP, %rsp
stub_loaded_ud2:
	ud2

/* rsp: our return address, then the frame; rcx stays the thread, r11 gets the flags. */
.Lpatched_load:
	mov	8+40(%rsp), %r8
	mov	8+48(%rsp), %r9
	mov	8+56(%rsp), %r10
	mov	8+72(%rsp), %r12
	mov	8+80(%rsp), %r13
	mov	8+88(%rsp), %r14
	mov	8+96(%rsp), %r15
	mov	8+104(%rsp), %rdi
	mov	8+112(%rsp), %rsi
	mov	8+120(%rsp), %rbp
	mov	8+128(%rsp), %rbx
	mov	8+136(%rsp), %rdx
	mov	8+144(%rsp), %rax
	mov	8+176(%rsp), %r11
	ret

/* _Noreturn void stub_promote(thread rdi): give up the frame, for a signal's with the same registers. */
	.globl	stub_promote
	.balign	16
stub_promote:
	mov	%rdi, %rcx
	lea	FRAME_AT(%rcx), %rsp
	call	.Lpatched_load
	jmp	.Lpatched_raise

/*
 * long stub_futex_wait(thread rdi, word rsi, op rdx, value rcx, timeout r8, value3 r9)
 */
	.globl	stub_futex_wait
	.balign	16
stub_futex_wait:
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	xor	%r8d, %r8d
	mov	$202, %eax
	.globl	stub_futex_check
stub_futex_check:
	cmpl	$0, STUB_THREAD_KICK(%rbx)
	jne	stub_futex_kicked
	.globl	stub_futex_syscall
stub_futex_syscall:
	syscall
	pop	%rbx
	ret
	.globl	stub_futex_kicked
stub_futex_kicked:
	mov	$-4, %rax
	pop	%rbx
	ret

/*
 * long stub_futex_waitv(thread rdi, waiters rsi, count rdx, flags rcx, timeout r8, clock r9)
 */
	.globl	stub_futex_waitv
	.balign	16
stub_futex_waitv:
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	$449, %eax
	jmp	stub_futex_check

/*
 * long stub_clone_thread(flags rdi, stack rsi, 0 rdx, child's cleared word rcx)
 * The child starts on its own area, with stack == its ucontext.
 */
	.globl	stub_clone_thread
	.balign	16
stub_clone_thread:
	mov	%rcx, %r10
	xor	%r8d, %r8d
	mov	$56, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	mov	%rsp, %r12
	mov	%rsp, %rbx
	and	$-STUB_AREA_SIZE, %rbx
	add	$STUB_THREAD, %rbx
	mov	%rbx, %rdi
	mov	%r12, %rsi
	call	stub_child
	test	%eax, %eax
	jz	stub_leave
	mov	%r12, %rsp
	mov	%rbx, %rcx
	call	.Lpatched_load
	jmp	stub_patched_check

/* What follows may fault on the application's addresses; the table at the end says how to go on. */

/* uint64_t stub_copy(dst, src, size): bytes not copied */
	.globl	stub_copy
	.balign	16
stub_copy:
	mov	%rdx, %rcx
.Lcopy:	rep movsb
.Lcopy_end:
	mov	%rcx, %rax
	ret

/* int64_t stub_copy_string(dst, src, max): length with NUL; 0: none within max, or a fault */
	.globl	stub_copy_string
	.balign	16
stub_copy_string:
	xor	%eax, %eax
1:	cmp	%rdx, %rax
	jae	.Lstring_bad
.Lstring:
	movzbl	(%rsi,%rax), %ecx
	mov	%cl, (%rdi,%rax)
	inc	%rax
	test	%cl, %cl
	jnz	1b
	ret
.Lstring_bad:
	xor	%eax, %eax
	ret

/* int stub_load64(uint64_t *out, addr), stub_load32, stub_store32(addr, value), stub_probe(addr) */
	.globl	stub_load64, stub_load32, stub_store32, stub_probe
	.balign	16
stub_load64:
.Lload64:
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	xor	%eax, %eax
	ret
stub_load32:
.Lload32:
	mov	(%rsi), %eax
	mov	%eax, (%rdi)
	xor	%eax, %eax
	ret
stub_store32:
.Lstore32:
	mov	%esi, (%rdi)
	xor	%eax, %eax
	ret
stub_probe:
.Lprobe:
	lock orb $0, (%rdi)
	xor	%eax, %eax
	ret
/* int stub_cmpxchg32(addr rdi, uint32_t *old rsi, new edx): 0, and *old is what was there */
	.globl	stub_cmpxchg32
stub_cmpxchg32:
	mov	(%rsi), %eax
.Lcmpxchg32:
	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%rsi)
	xor	%eax, %eax
	ret
/* int stub_xsave(at rdi, components rsi), stub_xrstor: the FPU state to and from memory, in the standard form */
	.globl	stub_xsave, stub_xrstor
stub_xsave:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
.Lxsave:
	xsave64	(%rdi)
	xor	%eax, %eax
	ret
stub_xrstor:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
.Lxrstor:
	xrstor64 (%rdi)
	xor	%eax, %eax
	ret
.Lfault:
	mov	$-14, %eax
	ret

/* void *memcpy(dst, src, n), memset(p, c, n): what the compiler may call */
	.globl	memcpy, memset
	.balign	16
memcpy:
	mov	%rdi, %rax
	mov	%rdx, %rcx
	rep movsb
	ret
memset:
	mov	%rdi, %r8
	mov	%esi, %eax
	mov	%rdx, %rcx
	rep stosb
	mov	%r8, %rax
	ret

	.section .rodata, "a"
	.balign	8
	.globl	stub_fixups, stub_fixups_end
stub_fixups: /* each relative to itself */
	.long	.Lcopy - .
	.long	.Lcopy_end - .
	.long	.Lstring - .
	.long	.Lstring_bad - .
	.long	.Lload64 - .
	.long	.Lfault - .
	.long	.Lload32 - .
	.long	.Lfault - .
	.long	.Lstore32 - .
	.long	.Lfault - .
	.long	.Lprobe - .
	.long	.Lfault - .
	.long	.Lcmpxchg32 - .
	.long	.Lfault - .
	.long	.Lxsave - .
	.long	.Lfault - .
	.long	.Lxrstor - .
	.long	.Lfault - .
stub_fixups_end:

/* The initial state: no component in use (XSTATE_BV), and MXCSR's value, which is loaded in any case. */
	.balign	64
	.globl	stub_fpu_initial
stub_fpu_initial:
	.fill	24, 1, 0
	.long	0x1f80
	.fill	548, 1, 0

	.section .note.GNU-stack, "", @progbits
