/* SPDX-License-Identifier: Apache-2.0 */
/* prctl.h: options of prctl(2) that live with what they are about. */
#pragma once

#include "lib/util.h"

struct task;

/* PR_SET_SECCOMP: 0 or -errno. */
long prctl_set_seccomp(struct task *t, unsigned long mode, uaddr_t arg);
