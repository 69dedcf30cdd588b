/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs_impl.h: what the files of sentry/sysfs/ share. */
#pragma once

#include "sentry/sysfs/sysfs.h"

struct container;

struct view_super {
	struct pfs_super pfs;
	struct container *container; /* (c) whose set-up mounted it; NULL: mounted by a task */
	const char *options;         /* (c) for /proc/mounts; static */
};

/* A super of this kind (mode: who it was mounted by, and for whom). */
int view_super_new(struct vfs_ctx *c, const struct fs_type *t, uint64_t magic, const char *options,
		   const struct pfs_entry *root, void *fs_data, struct super **out) must_check;
/* Whose limits r's reader sees; NULL: nobody's (tests). */
const struct container *view_container(const struct pfs_req *r);

int cgroupfs_init(void) must_check;
