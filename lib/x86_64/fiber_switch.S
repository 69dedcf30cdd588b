/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiber_switch.S: leave one stack for another.
 *
 * A stack that is not running holds, from its saved stack pointer up: the x87 control word and
 * MXCSR (8 bytes), r15 r14 r13 r12 rbx rbp, the return address.  Everything else is the caller's
 * to save, as in any call of the System V ABI.  There is no shadow stack: -fcf-protection=none.
 */

	.text

/* void fiber_switch(void **save_sp, void *load_sp) */
	.globl	fiber_switch
	.hidden	fiber_switch
	.type	fiber_switch, @function
	.p2align 4
fiber_switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	4(%rsp)
	fnstcw	(%rsp)

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp		/* the same layout: the unwind rules still hold */

	fldcw	(%rsp)
	ldmxcsr	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	fiber_switch, . - fiber_switch

/*
 * Where a new fiber's first switch returns to, with its struct fiber in rbx.  The frame has no
 * caller: unwinders stop here.
 */
	.globl	fiber_entry
	.hidden	fiber_entry
	.type	fiber_entry, @function
	.p2align 4
fiber_entry:
	.cfi_startproc
	.cfi_undefined %rip
	xorl	%ebp, %ebp
	movq	%rbx, %rdi
	call	fiber_main
	ud2
	.cfi_endproc
	.size	fiber_entry, . - fiber_entry

/* void *fiber_frame(void *stack_top, struct fiber *f): the saved stack pointer of a new fiber */
	.globl	fiber_frame
	.hidden	fiber_frame
	.type	fiber_frame, @function
	.p2align 4
fiber_frame:
	.cfi_startproc
	leaq	-80(%rdi), %rax		/* 80 - 64: rsp is 16-aligned at fiber_entry */
	leaq	fiber_entry(%rip), %rcx
	movl	$0x037f, (%rax)		/* x87: the ABI's initial control word */
	movl	$0x1f80, 4(%rax)	/* MXCSR: likewise */
	xorl	%edx, %edx
	movq	%rdx, 8(%rax)		/* r15 */
	movq	%rdx, 16(%rax)		/* r14 */
	movq	%rdx, 24(%rax)		/* r13 */
	movq	%rdx, 32(%rax)		/* r12 */
	movq	%rsi, 40(%rax)		/* rbx */
	movq	%rdx, 48(%rax)		/* rbp */
	movq	%rcx, 56(%rax)		/* return address */
	movq	%rdx, 64(%rax)		/* above it, in case somebody follows rbp */
	ret
	.cfi_endproc
	.size	fiber_frame, . - fiber_frame

	.section .note.GNU-stack, "", @progbits
