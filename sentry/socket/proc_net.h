/* SPDX-License-Identifier: Apache-2.0 */
/* proc_net.h: the stack's files of /proc/net. */
#pragma once

#include "lib/util.h"

/* After procfs_init(); 0 or -ENOMEM. */
int proc_net_files_init(void) must_check;
