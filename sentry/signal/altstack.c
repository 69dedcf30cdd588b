/* SPDX-License-Identifier: Apache-2.0 */
/* altstack.c: alternate signal stacks (sigaltstack(2)).  They are virtual: the host's is the stub's. */
#include <errno.h>

#include "sentry/signal/signal_impl.h"

#define SIG_MINSIGSTKSZ 2048
#define SIG_AUTODISARM  0x80000000u

int sig_altstack_set(struct task *t, const struct sig_altstack *ss, uint64_t sp)
{
	uint32_t mode = (uint32_t)ss->flags & ~SIG_AUTODISARM;

	if (sig_on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack = (struct sig_altstack){ .flags = SS_DISABLE };
		return 0;
	}
	if (ss->size < SIG_MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack = *ss;
	return 0;
}
