/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify.h: gives vfs/fanotify.c what it asks of processes and descriptors. */
#pragma once

#include "lib/util.h"

int sys_fanotify_setup(void) must_check;
