/* SPDX-License-Identifier: Apache-2.0 */
/* user_count.h: what each user has of things that are limited for a user, not for a process (pipe(7), inotify(7)). */
#pragma once

#include <stdint.h>

#include "lib/util.h"

enum user_count {
	USER_PIPE_PAGES,
	USER_INOTIFY,
	USER_COUNTS
};

#define USER_PIPE_PAGES_SOFT 16384 /* /proc/sys/fs/pipe-user-pages-soft */
#define USER_INOTIFY_MAX     128   /* /proc/sys/fs/inotify/max_user_instances */

/* What uid (the Sentry's number) has after n more, or fewer: no more than it has.  -ENOMEM, which fewer never gives. */
long user_count_add(uint32_t uid, enum user_count what, long n);
