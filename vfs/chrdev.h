/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chrdev.h: character devices by number.  What an inode of a character device stands for is decided
 * here, whatever file system the inode is on.
 */
#pragma once

#include <stdint.h>

#include "lib/list.h"
#include "lib/util.h"

struct file;
struct inode;
struct vfs_ctx;

/* A range of numbers.  Registered once, never taken back. */
struct chrdev {
	unsigned int major, minor, count;
	const char *name;  /* as /proc/devices shows it */
	const char *node;  /* name in devtmpfs (minor is that of the first), or NULL: none is made */
	uint32_t mode;     /* permission bits of the node */
	/*
	 * Make f usable: sets f->ops, f->priv, maybe f->kind.  i->rdev tells the number.  No locks
	 * held, may sleep.  Errors of open(2).
	 */
	int (*open)(struct vfs_ctx *c, struct inode *i, struct file *f);
	struct list list;
};

void chrdev_register(struct chrdev *d);
/* Call fn for every registered one that has a node; stops at the first error. */
int chrdev_for_each_node(int (*fn)(const struct chrdev *d, void *arg), void *arg);
struct buf;
/* /proc/devices, the character half. */
void chrdev_show(struct buf *b);
