/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_devices.c: which devices a container may use: linux.resources.devices, carried out here and
 * not by the host's cgroups, as no host device is ever opened for it.
 *
 * For each kind of access the last rule that fits decides; where none does, it is refused (EPERM), as
 * under runc.  The rules come with runc's own at their end: the default devices always work.
 */
#include <sys/sysmacros.h>

#include "sentry/container.h"

static bool rule_fits(const struct device_rule_config *r, char type, uint64_t rdev)
{
	return (r->type == 'a' || r->type == type) && (r->major < 0 || r->major == (int64_t)major(rdev)) &&
	       (r->minor < 0 || r->minor == (int64_t)minor(rdev));
}

bool container_device_allowed(const struct container *k, char type, uint64_t rdev, unsigned int asked)
{
	unsigned int allowed = 0;

	for (size_t i = 0; i < k->device_rule_count; i++) {
		const struct device_rule_config *r = &k->device_rules[i];

		if (!rule_fits(r, type, rdev))
			continue;
		if (r->allow)
			allowed |= r->access;
		else
			allowed &= ~r->access;
	}
	return (asked & ~allowed) == 0;
}
