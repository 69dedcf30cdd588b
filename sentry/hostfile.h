/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostfile.h: open files on descriptors that came from outside: a container's standard streams.
 */
#pragma once

#include "vfs/vfs.h"

/*
 * A file on host_fd, a pipe, socket, terminal or regular file.  host_fd is consumed on success.
 * Terminals give their modes and size but are nobody's controlling terminal (see sentry/tty/).
 */
int hostfile_new(int host_fd, const struct cred *cred, struct file **out) must_check;
