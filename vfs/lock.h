/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h: file locks: flock(2), POSIX and open-file-description locks of fcntl(2).
 */
#pragma once

struct file;

/* close(2) of any descriptor of a file by a table drops all POSIX locks that the table holds on it. */
void vfs_lock_remove_posix(struct file *f, const void *owner);
