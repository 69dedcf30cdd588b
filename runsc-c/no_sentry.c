/* SPDX-License-Identifier: Apache-2.0 */
/* no_sentry.c: stands in for sentry_main() in builds without a Sentry: says so to the CLI. */
#include <errno.h>

#include "sentry/control/boot.h"
#include "sentry/sentry.h"

int sentry_main(int argc, char **argv)
{
	struct boot_config *b;
	const char *why;

	(void)argc;
	(void)argv;
	if (boot_receive(SENTRY_FD_CONTROL, &b, &why) == 0)
		boot_failed(SENTRY_FD_CONTROL, -ENOSYS, "this build of runsc-c has no Sentry");
	return 1;
}
