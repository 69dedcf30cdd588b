/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abort_call.S: see abortable.h.
 *
 * long host_call_abortable(unsigned int *abort, long nr, long a, long b, long c, long d)
 */
	.text
	.globl	host_call_abortable, host_abortable_check, host_abortable_syscall
	.globl	host_abortable_aborted
	.hidden	host_call_abortable, host_abortable_check, host_abortable_syscall
	.hidden	host_abortable_aborted
	.type	host_call_abortable, @function
	.balign	16
host_call_abortable:
	mov	%rdi, %r11
	mov	%rsi, %rax
	mov	%rdx, %rdi
	mov	%rcx, %rsi
	mov	%r8, %rdx
	mov	%r9, %r10
host_abortable_check:
	cmpl	$0, (%r11)
	jne	host_abortable_aborted
host_abortable_syscall:
	syscall
	ret
host_abortable_aborted:
	mov	$-4, %rax
	ret
	.size	host_call_abortable, . - host_call_abortable

/* rt_sigreturn, for handlers that were installed without libc (and without a sanitizer's wrapper). */
	.globl	host_sigreturn
	.hidden	host_sigreturn
	.type	host_sigreturn, @function
	.balign	16
	nop
host_sigreturn:
	mov	$15, %eax
	syscall
	ud2
	.size	host_sigreturn, . - host_sigreturn

	.section .note.GNU-stack, "", @progbits
