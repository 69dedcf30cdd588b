/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd.h: timerfd_create(2). */
#pragma once

#include <stdint.h>

#include "lib/util.h"

struct file;
struct vfs_ctx;

/* A timer's setting in nanoseconds: until the next expiry (0: disarmed), and between expiries. */
struct timerfd_spec {
	int64_t value_ns, interval_ns;
};

/* flags: TFD_NONBLOCK, TFD_CLOEXEC (ignored here).  -EINVAL; -EPERM (alarm clocks: CAP_WAKE_ALARM). */
int timerfd_new(struct vfs_ctx *c, int clockid, int flags, struct file **out) must_check;
/*
 * flags: TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET.  old (may be NULL) gets the former setting.
 * -EINVAL when f is no timerfd.  The setting takes hold although -ECANCELED is returned.
 */
int timerfd_set(struct file *f, int flags, const struct timerfd_spec *spec, struct timerfd_spec *old);
int timerfd_clock(const struct file *f); /* its clock id; -EINVAL: no timerfd */
int timerfd_get(struct file *f, struct timerfd_spec *out);
/* The real-time clock has jumped: wake cancel-on-set timers and re-aim absolute ones. */
void timerfd_clock_was_set(void);
