/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h: file locks: flock(2), POSIX and open-file-description locks of fcntl(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct buf;
struct file;
struct inode;
struct vfs_ctx;

/* A range of a POSIX or OFD lock, already absolute: [start, end], end inclusive. */
struct lock_range {
	int type;       /* F_RDLCK, F_WRLCK, F_UNLCK */
	int64_t start, end; /* end INT64_MAX: to the end of the file, however long */
	int32_t pid;    /* out of lock_test: who holds it; -1: an OFD lock */
};

enum lock_kind { LOCK_KIND_POSIX, LOCK_KIND_OFD };

void locks_init(void);
/* flock(2): op is LOCK_SH, LOCK_EX or LOCK_UN, maybe with LOCK_NB.  -EWOULDBLOCK, -ERESTARTSYS. */
int lock_flock(struct vfs_ctx *c, struct file *f, unsigned int op);
/*
 * F_SETLK, F_SETLKW (wait) and their OFD forms.  POSIX locks belong to c->lock_owner, OFD locks to
 * f.  -EAGAIN, -EDEADLK (POSIX only), -ERESTARTSYS, -ENOMEM.
 */
int lock_set(struct vfs_ctx *c, struct file *f, enum lock_kind kind, const struct lock_range *r,
	     bool wait);
/* F_GETLK: *r becomes the first lock that is in the way, or its type F_UNLCK. */
int lock_test(struct vfs_ctx *c, struct file *f, enum lock_kind kind, struct lock_range *r);

/*
 * Leases (fcntl(2), F_SETLEASE; fs/locks.c).  lease_set: type F_RDLCK, F_WRLCK, F_UNLCK; -EINVAL no
 * regular file, -EACCES not the owner, -EAGAIN opened in the way of it.  lease_get: the type, as the
 * holder shall have it after a break.  lease_break, before the file is opened or truncated: tells the
 * holders by SIGIO and waits for them to let go, at most 45 s; nonblocking: -EWOULDBLOCK.
 */
int lease_set(struct vfs_ctx *c, struct file *f, int type);
int lease_get(struct file *f);
int lease_break(struct vfs_ctx *c, struct inode *i, bool want_write, bool nonblock) must_check;

/* close(2) of any descriptor of a file by a table drops all POSIX locks that the table holds on it. */
void vfs_lock_remove_posix(struct file *f, const void *owner);
/* The last reference to f goes: its flock and OFD locks. */
void locks_release_file(struct file *f);
void locks_inode_free(struct inode *i);
/* /proc/locks. */
void locks_show(struct buf *b);
