/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.S (x86-64): what lies at STUB_TEXT in every traced process.  Copied there, so it knows no
 * addresses; here it is data.
 */
#include "platform/stub/abi.h"

	.section .rodata, "a"
	.globl	traced_text, traced_text_end, traced_text_syscall, traced_text_cmpxchg
	.globl	traced_text_zygote, traced_text_idle
	.hidden	traced_text, traced_text_end, traced_text_syscall, traced_text_cmpxchg
	.hidden	traced_text_zygote, traced_text_idle
	.balign	64
traced_text:
	.long	STUB_TRACED_MAGIC, 0, 0, 0
	.balign	16
traced_text_syscall:
	syscall
	int3
	.balign	16
traced_text_cmpxchg:
	lock cmpxchg %edx, (%rdi)
	int3

/*
 * The zygote's end of being a copy of the Sentry: close 2, unmap [rbx, +rbp), [r12, +r13), [r14, +r15);
 * then wait, on a word that is always 0, to be traced.
 */
	.balign	16
traced_text_zygote:
	mov	$3, %eax
	mov	$2, %edi
	syscall
	mov	$11, %eax
	mov	%rbx, %rdi
	mov	%rbp, %rsi
	syscall
	mov	$11, %eax
	mov	%r12, %rdi
	mov	%r13, %rsi
	syscall
	mov	$11, %eax
	mov	%r14, %rdi
	mov	%r15, %rsi
	syscall
traced_text_idle:
	mov	$202, %eax
	lea	traced_text+4(%rip), %rdi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	syscall
	jmp	traced_text_idle
traced_text_end:

	.text
	.globl	traced_zygote_jump
	.hidden	traced_zygote_jump
	.type	traced_zygote_jump, @function
/* void traced_zygote_jump(entry rdi, const uint64_t ranges[3][2] rsi) */
traced_zygote_jump:
	mov	(%rsi), %rbx
	mov	8(%rsi), %rbp
	mov	16(%rsi), %r12
	mov	24(%rsi), %r13
	mov	32(%rsi), %r14
	mov	40(%rsi), %r15
	xor	%esp, %esp
	jmp	*%rdi
	.size	traced_zygote_jump, . - traced_zygote_jump

	.section .note.GNU-stack, "", @progbits
