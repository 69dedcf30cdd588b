/* SPDX-License-Identifier: Apache-2.0 */
/* fs.h: which file systems there are. */
#pragma once

/* Register them all.  0 or -ENOMEM. */
int sentry_fs_init(void);
