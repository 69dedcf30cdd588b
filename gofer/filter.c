/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c: the Gofer gives up what it does not need: capabilities, and system calls.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "platform/host_filter.h"

static const uint64_t kept_caps =
	1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH |
	1ULL << CAP_FOWNER | 1ULL << CAP_FSETID | 1ULL << CAP_MKNOD | 1ULL << CAP_SETFCAP;

int gofer_drop_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };
	int err;

	/* The bounding set matters only across execve, which the filter forbids: best effort. */
	for (int cap = 0; cap < 64; cap++)
		if (!(kept_caps >> cap & 1))
			(void)host_prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0);
	(void)host_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
	err = (int)host_call(SYS_capget, &h, d, 0);
	if (err < 0)
		return err;
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(kept_caps >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return (int)host_call(SYS_capset, &h, d, 0);
}

int gofer_filter_load(const struct gofer_config *c)
{
	static const struct host_rule rules[] = {
#include "platform/host_gofer.tbl"
	};

	if (c->log_fd >= 0)
		host_filter_explain("gofer", c->log_fd);
	return host_filter_install(rules, ARRAY_SIZE(rules), 0);
}
