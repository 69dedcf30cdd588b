/* SPDX-License-Identifier: Apache-2.0 */
/* dnotify.h: directory notification by signal (fcntl(2), F_NOTIFY), for inotify.c, file.c and fcntl. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct file;
struct inode;

/* Beside inotify's bits: a rename inside one directory. */
#define DNOTIFY_RENAME (1u << 27)

/* mask: DN_*; 0 ends it, else added to what is asked for already.  -ENOTDIR, -ENOMEM. */
int dnotify_set(struct file *f, uint32_t mask);
/* Something (IN_* and DNOTIFY_RENAME) happened to i or in it.  Takes no locks but sends signals. */
void dnotify_event(struct inode *i, uint32_t what);
void dnotify_file_gone(struct file *f);
/* Is there any mark?  A hint. */
bool dnotify_used(void);
