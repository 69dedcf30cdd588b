/* SPDX-License-Identifier: Apache-2.0 */
/* unix.h: the AF_UNIX family (unix(7)), as the socket layer sees it. */
#pragma once

#include "lib/util.h"

/* Registers the family.  -ENOMEM. */
int unix_init(void) must_check;
