/* SPDX-License-Identifier: Apache-2.0 */
/* prctl.h: options of prctl(2) that live with what they are about. */
#pragma once

#include "lib/util.h"

struct task;

/* PR_SET_SECCOMP: 0 or -errno. */
long prctl_set_seccomp(struct task *t, unsigned long mode, uaddr_t arg);
/* Options that sys_prctl() does not know. */
long prctl_more(struct task *t, int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		unsigned long arg5);
