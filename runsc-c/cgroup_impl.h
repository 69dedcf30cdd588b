/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_impl.h: what the cgroup files share. */
#pragma once

#include <sys/types.h>

#include "runsc-c/cgroup.h"

/* Write one value to dir/file; a negative errno. */
int cgroup_write(const char *dir, const char *file, const char *value);
/* Read dir/file as text; the number of bytes, or a negative errno. */
ssize_t cgroup_read(const char *dir, const char *file, char *text, size_t size);
/* The directory of the hierarchy with a controller, or NULL; under v2 always the one. */
const char *cgroup_dir(const struct cgroup *c, const char *controller);
