/* SPDX-License-Identifier: Apache-2.0 */
/* jail.c: the Sentry's seccomp filter, made of platform/host_sentry.tbl.  See jail.h. */
#include "platform/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "platform/host_filter.h"

int jail_sentry_filter(int proc_fd, int log_fd, bool with_ptrace)
{
	struct host_rule rules[] = {
#include "platform/host_sentry.tbl"
		HOST_CALL(ptrace, "the ptrace platform: drive stubs")
		HOST_CALL(wait4, "the ptrace platform: their stops")
	};
	size_t count = ARRAY_SIZE(rules) - (with_ptrace ? 0 : 2);

	host_filter_explain("sentry", log_fd);
	return host_filter_install(rules, count, HOST_FILTER_ALL_THREADS);
}
