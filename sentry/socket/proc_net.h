/* SPDX-License-Identifier: Apache-2.0 */
/* proc_net.h: the stack's files of /proc/net and /sys/class/net. */
#pragma once

#include "lib/util.h"

struct buf;
struct stack;

/* After procfs_init(); 0 or -ENOMEM. */
int proc_net_files_init(void) must_check;
/* /sys/class/net; after sysfs_init().  0 or -ENOMEM. */
int sys_net_init(void) must_check;
/* Writes /proc/net/fib_trie of s (proc_fib.c) to b.  0 or -ENOMEM. */
int proc_fib_show(struct stack *s, struct buf *b) must_check;
