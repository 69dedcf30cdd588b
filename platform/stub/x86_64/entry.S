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
	jmp	stub_leave

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
stub_fixups_end:

	.section .note.GNU-stack, "", @progbits
