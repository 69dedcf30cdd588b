/* SPDX-License-Identifier: Apache-2.0 */
/* zygote.c: see zygote.h. */
#include "platform/zygote.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>

#include "platform/host.h"

_Noreturn void zygote_fail(const char *step, long err)
{
	char msg[128];
	int n = 0;

	/* To stderr of the Sentry: the parent only sees that we died. */
	for (const char *s = "zygote: "; *s; s++)
		msg[n++] = *s;
	for (; *step && n < 100; step++)
		msg[n++] = *step;
	msg[n++] = ' ';
	for (long v = 1000; v; v /= 10)
		msg[n++] = (char)('0' + (-err / v) % 10);
	msg[n++] = '\n';
	(void)host_write(2, msg, (size_t)n);
	host_exit_group(1);
}

void zygote_map(uint64_t addr, size_t size, int prot, int flags, int fd, int64_t off)
{
	void *want = (void *)addr;
	void *got = host_mmap(want, size, prot, flags | MAP_FIXED_NOREPLACE, fd, off);

	if (got != want)
		zygote_fail("the stub's address range is occupied (is RLIMIT_STACK 4 GB?)",
			    host_is_error(got) ? (long)got : -EEXIST);
}

void zygote_signal(int sig, const struct zygote_sigaction *a)
{
	long err = host_call4(SYS_rt_sigaction, sig, (long)a, 0, 8);

	if (err < 0)
		zygote_fail("sigaction", err);
}

/* Undo what libc asked of the kernel: it writes to memory that will be the application's. */
static void forget_libc(void)
{
	static const unsigned int sizes[] = { 32, 20, 24, 28, 64 };
	char *tp = __builtin_thread_pointer();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (host_call4(SYS_rseq, (long)(tp + __rseq_offset), sizes[i], 1 /* UNREGISTER */,
			       RSEQ_SIG) == 0)
			break;
	}
	(void)host_call(SYS_set_tid_address, 0, 0, 0);
	(void)host_call(SYS_set_robust_list, 0, 24, 0);
}

static void set_limit(int resource, rlim_t value)
{
	struct rlimit r = { value, value };

	(void)host_prlimit(0, resource, &r, NULL);
}

void zygote_forget_parent(unsigned int max_files, int nice)
{
	const struct zygote_sigaction dfl = { 0 };
	const stack_t no_stack = { .ss_flags = SS_DISABLE };
	uint64_t none = 0;

	forget_libc();
	for (int i = 1; i <= 64; i++) {
		if (i != SIGKILL && i != SIGSTOP)
			zygote_signal(i, &dfl);
	}
	(void)host_call(SYS_sigaltstack, &no_stack, 0, 0);
	(void)host_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8);
	set_limit(RLIMIT_CORE, 1); /* the value that also stops piped core dumps */
	set_limit(RLIMIT_NOFILE, max_files);
	(void)host_call(SYS_setpriority, PRIO_PROCESS, 0, nice);
	(void)host_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
	(void)host_call(SYS_setsid, 0, 0, 0);
	if (host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) < 0)
		zygote_fail("no_new_privs", -EPERM);
}
