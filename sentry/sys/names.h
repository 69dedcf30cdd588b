/* SPDX-License-Identifier: Apache-2.0 */
/* names.h: the names of system calls; drags in no handler. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* By number, NULL in the gaps. */
extern const char *const sys_names[];
extern const unsigned int sys_name_count;

/* The name of a call as in the tables, or NULL. */
static inline const char *syscall_name(uint64_t nr)
{
	return nr < sys_name_count ? sys_names[nr] : NULL;
}
