/* SPDX-License-Identifier: Apache-2.0 */
/* util.c: where a broken promise ends. */
#include "lib/util.h"

#include "lib/log.h"

void assert_failed(const char *cond, const char *file, int line)
{
	log_write(LOG_ERROR, "%s:%d: assertion failed: %s", file, line, cond);
	__builtin_trap(); /* abort() makes host calls that a jail need not allow */
}
