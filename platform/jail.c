/* SPDX-License-Identifier: Apache-2.0 */
/* jail.c: the Sentry's seccomp filter, made of platform/host_sentry.tbl (and host_network.tbl).  See jail.h. */
#include "platform/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "platform/host_filter.h"
#include "platform/host_network_options.h"

static atomic_int bell = -1;

int jail_bell_take(void)
{
	return atomic_exchange_explicit(&bell, -1, memory_order_relaxed);
}

/* What only some need, behind the rules that all have.  How many. */
static size_t jail_add_ptrace(struct host_rule *rules)
{
	const struct host_rule more[] = {
		HOST_CALL(ptrace, "the ptrace platform: drive stubs")
		HOST_CALL(wait4, "the ptrace platform: their stops")
	};

	memcpy(rules, more, sizeof(more));
	return ARRAY_SIZE(more);
}

static size_t jail_add_network(struct host_rule *rules)
{
	const struct host_rule more[] = {
#include "platform/host_network.tbl"
	};
	size_t n = ARRAY_SIZE(more);

	memcpy(rules, more, sizeof(more));
	for (size_t i = 0; i < host_option_count; i++) {
		struct host_rule r = { .conditions = { { 1, ~0u, (uint32_t)host_options[i].level },
						       { 2, ~0u, (uint32_t)host_options[i].name } } };

		r.nr = SYS_setsockopt;
		if (host_options[i].access & HOST_OPTION_SET)
			rules[n++] = r;
		r.nr = SYS_getsockopt;
		if (host_options[i].access & HOST_OPTION_GET)
			rules[n++] = r;
	}
	return n;
}

int jail_sentry_filter(int proc_fd, int log_fd, unsigned int flags)
{
	const struct host_rule always[] = {
#include "platform/host_sentry.tbl"
		{ JAIL_BELL, HOST_RULE_NOTIFY, { HOST_ANY_, HOST_ANY_, HOST_ANY_ } },
	};
	static struct host_rule rules[HOST_RULES_MAX]; /* start-up is single-threaded */
	size_t count = ARRAY_SIZE(always);
	int err;

	memcpy(rules, always, sizeof(always));
	if (flags & JAIL_PTRACE)
		count += jail_add_ptrace(rules + count);
	if (flags & JAIL_HOST_NETWORK)
		count += jail_add_network(rules + count);
	host_filter_explain("sentry", log_fd);
	err = host_filter_install(rules, count, HOST_FILTER_ALL_THREADS | HOST_FILTER_LISTENER);
	if (err >= 0) {
		atomic_store_explicit(&bell, err, memory_order_relaxed);
		return 0;
	}
	/* Below somebody else's listener, or an old kernel: the bell is ENOSYS then. */
	return host_filter_install(rules, count, HOST_FILTER_ALL_THREADS);
}
