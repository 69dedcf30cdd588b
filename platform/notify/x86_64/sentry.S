/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry.S: the piece of the Sentry's side of `notify` that C can't express.
 */
	.text
/*
 * _Noreturn void notify_trap_on(void): one call that the filter traps; never comes back.  The stack
 * pointer tells the stub that it was not interrupted on its own stack.
 */
	.globl	notify_trap_on
	.hidden	notify_trap_on
	.type	notify_trap_on, @function
	.balign	16
notify_trap_on:
	xor	%esp, %esp
	mov	$39, %eax
	syscall
	ud2
	.size	notify_trap_on, . - notify_trap_on

	.section .note.GNU-stack, "", @progbits
