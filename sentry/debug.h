/* SPDX-License-Identifier: Apache-2.0 */
/* debug.h: what `runsc-c debug` asks of the Sentry, as text. */
#pragma once

#include "lib/buf.h"
#include "lib/util.h"

struct pid_ns;
struct path;

/* Call sites by file, of the processes in ns; names as seen from root.  May sleep.  0 or -ENOMEM. */
int debug_patches(struct pid_ns *ns, const struct path *root, struct buf *out) must_check;
