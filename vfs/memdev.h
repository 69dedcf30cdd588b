/* SPDX-License-Identifier: Apache-2.0 */
/* memdev.h: /dev/null and its neighbours. */
#pragma once

/* Registers them.  Once, after vfs_init(). */
void memdev_init(void);
