/* SPDX-License-Identifier: Apache-2.0 */
/* jail.c: the Sentry's seccomp filter, made of platform/host_sentry.tbl.  See jail.h. */
#include "platform/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "platform/host_filter.h"

static atomic_int bell = -1;

int jail_bell_take(void)
{
	return atomic_exchange_explicit(&bell, -1, memory_order_relaxed);
}

int jail_sentry_filter(int proc_fd, int log_fd, bool with_ptrace)
{
	struct host_rule rules[] = {
#include "platform/host_sentry.tbl"
		{ JAIL_BELL, HOST_RULE_NOTIFY, { { 0, 0, 0 }, { 0, 0, 0 } } },
		HOST_CALL(ptrace, "the ptrace platform: drive stubs")
		HOST_CALL(wait4, "the ptrace platform: their stops")
	};
	size_t count = ARRAY_SIZE(rules) - (with_ptrace ? 0 : 2);

	int err;

	host_filter_explain("sentry", log_fd);
	err = host_filter_install(rules, count, HOST_FILTER_ALL_THREADS | HOST_FILTER_LISTENER);
	if (err >= 0) {
		atomic_store_explicit(&bell, err, memory_order_relaxed);
		return 0;
	}
	/* Below somebody else's listener, or an old kernel: the bell is ENOSYS then. */
	return host_filter_install(rules, count, HOST_FILTER_ALL_THREADS);
}
