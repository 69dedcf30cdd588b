/* SPDX-License-Identifier: Apache-2.0 */
/* abortable.c (x86-64): the handler that makes abort_call.S's range safe. */
#include "platform/arch/x86_64/abortable.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "platform/host.h"

extern const char host_abortable_check[], host_abortable_syscall[], host_abortable_aborted[];
void host_sigreturn(void);

/* Installed without libc: a sanitizer would defer it, and hide the context. */
__attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))
static void abort_handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip >= (uintptr_t)host_abortable_check && ip <= (uintptr_t)host_abortable_syscall)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)host_abortable_aborted;
}

int host_abortable_init(void)
{
	struct {
		void *handler;
		uint64_t flags;
		void *restorer;
		uint64_t mask;
	} a = {
		.handler = (void *)abort_handler,
		.flags = SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
		.restorer = (void *)host_sigreturn,
	};

	return (int)host_call4(SYS_rt_sigaction, HOST_ABORT_SIGNAL, (long)&a, 0, 8);
}
