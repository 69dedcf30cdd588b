/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry.S: the two pieces of the Sentry's side of `notify` that C can't express.
 *
 * long notify_recv_abortable(int fd, unsigned long request, void *arg, unsigned int *abort)
 *
 * ioctl(2) unless *abort is set; -EINTR then.  A signal between the look at *abort and the call would
 * be lost, so its handler (notify_abort_handler) moves an instruction pointer that lies between
 * notify_recv_check and notify_recv_syscall to notify_recv_aborted.
 */
	.text
	.globl	notify_recv_abortable, notify_recv_check, notify_recv_syscall, notify_recv_aborted
	.hidden	notify_recv_abortable, notify_recv_check, notify_recv_syscall, notify_recv_aborted
	.type	notify_recv_abortable, @function
	.balign	16
notify_recv_abortable:
	mov	$16, %eax
notify_recv_check:
	cmpl	$0, (%rcx)
	jne	notify_recv_aborted
notify_recv_syscall:
	syscall
	ret
notify_recv_aborted:
	mov	$-4, %rax
	ret
	.size	notify_recv_abortable, . - notify_recv_abortable

/* rt_sigreturn, for handlers that were installed without libc (and without a sanitizer's wrapper). */
	.globl	notify_sigreturn
	.hidden	notify_sigreturn
	.type	notify_sigreturn, @function
	.balign	16
	nop
notify_sigreturn:
	mov	$15, %eax
	syscall
	ud2
	.size	notify_sigreturn, . - notify_sigreturn

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
