/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.c: seccomp(2) and what prctl(2) has of it. */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/sys/prctl.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define FLAGS_KNOWN                                                                             \
	(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | \
	 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |                   \
	 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

/* struct sock_fprog */
struct fprog {
	uint16_t len;
	uint64_t filter;
};
_Static_assert(sizeof(struct fprog) == 16, "x86-64 ABI");

static long set_filter(struct task *t, unsigned int flags, uaddr_t arg)
{
	struct sock_filter *insns;
	struct fprog prog;
	long err;

	if (flags & ~(unsigned int)FLAGS_KNOWN)
		return -EINVAL;
	if ((flags & SECCOMP_FILTER_FLAG_TSYNC) && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) &&
	    !(flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
		return -EINVAL;
	if ((flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) &&
	    !(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return -EINVAL;
	if (uaccess_get(t, &prog, arg, sizeof(prog)))
		return -EFAULT;
	if (prog.len == 0 || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	insns = mem_alloc(prog.len * sizeof(insns[0]));
	if (!insns)
		return -ENOMEM;
	err = uaccess_get(t, insns, uaddr(prog.filter), prog.len * sizeof(insns[0]));
	if (!err)
		err = seccomp_attach(t, insns, prog.len, flags, false);
	mem_free(insns);
	return err;
}

static long action_avail(struct task *t, uaddr_t arg)
{
	uint32_t action;

	if (uaccess_get(t, &action, arg, sizeof(action)))
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_USER_NOTIF:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static long notif_sizes(struct task *t, uaddr_t arg)
{
	struct seccomp_notif_sizes sizes = {
		.seccomp_notif = sizeof(struct seccomp_notif),
		.seccomp_notif_resp = sizeof(struct seccomp_notif_resp),
		.seccomp_data = sizeof(struct seccomp_data),
	};

	return uaccess_put(t, arg, &sizes, sizeof(sizes));
}

long sys_seccomp(struct task *t, unsigned int op, unsigned int flags, uaddr_t arg)
{
	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || arg.addr ? -EINVAL : seccomp_set_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(t, flags, arg);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_avail(t, arg);
	case SECCOMP_GET_NOTIF_SIZES:
		return flags ? -EINVAL : notif_sizes(t, arg);
	default:
		return -EINVAL;
	}
}

long prctl_set_seccomp(struct task *t, unsigned long mode, uaddr_t arg)
{
	switch (mode) {
	case SECCOMP_MODE_STRICT:
		return seccomp_set_strict(t);
	case SECCOMP_MODE_FILTER:
		return set_filter(t, 0, arg);
	default:
		return -EINVAL;
	}
}
