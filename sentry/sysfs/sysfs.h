/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs.h: "sysfs", "cgroup2" and "cgroup": views of the machine and of the container's limits.
 */
#pragma once

#include "sentry/proc/pfs.h"

/* Register the file systems.  After procfs_init(); 0 or -ENOMEM. */
int sysfs_init(void) must_check;

/*
 * A file or directory of /sys: "class/net" with a directory of your own (entry.dir).  At start-up,
 * before the first mount.
 */
int sysfs_add(const char *path, const struct pfs_entry *e) must_check;

struct cgrp;
/*
 * The group whose directory t has open as fd, with a reference, if t may put processes of its own
 * group into it.  -EBADF: another kind of file; -ENODEV; -EACCES.  *out is set in every case.
 */
int cgroupfs_group_of(struct task *t, int fd, struct cgrp **out) must_check;
/* A control group (sentry/task/cgrp.h) became empty or populated.  Without locks. */
void cgroupfs_changed(int64_t id);
