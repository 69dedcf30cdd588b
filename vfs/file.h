/* SPDX-License-Identifier: Apache-2.0 */
/* file.h: what else system calls and file systems do with open files. */
#pragma once

#include "vfs/vfs.h"

/* Counters that a file is in (struct file's holds). */
enum file_holds {
	FILE_HOLDS_WRITER = 1 << 0, /* inode->writers, positive */
	FILE_HOLDS_EXEC = 1 << 1,   /* inode->writers, negative */
	FILE_HOLDS_MOUNT = 1 << 2,  /* the mount's writers */
	FILE_HOLDS_READER = 1 << 3, /* inode->readcount */
	FILE_HOLDS_OPEN = 1 << 4,   /* opened by name: notifications and locks apply */
	FILE_HOLDS_TREE = 1 << 6,   /* priv: the anonymous mount namespace of a detached tree */
	FILE_HALF_OPEN = 1 << 5,    /* the open slot has not succeeded: no release */
	FILE_OWN_POS = 1 << 8,      /* read, write at the file's position: *pos is -1, the slot knows it */
	FILE_CREATED = 1 << 7,      /* by this open (F_CREATED_QUERY) */
};
/* -ETXTBSY, or 0. */
int file_hold_writer(struct file *f) must_check;
void file_drop_writer(struct file *f);
int file_hold_exec(struct file *f) must_check;

/* As file_read() and file_write() at the file's position, with RWF_* flags (preadv2, offset -1). */
ssize_t file_readv_flags(struct vfs_ctx *c, struct file *f, struct uio *dst, int rwf);
ssize_t file_writev_flags(struct vfs_ctx *c, struct file *f, struct uio *src, int rwf);

/*
 * copy_file_range(2) after the descriptors were resolved; flags must be 0.  Offsets NULL: the
 * files' own positions.  Count or -errno.
 */
ssize_t file_copy_range(struct vfs_ctx *c, struct file *in, int64_t *in_off, struct file *out,
			int64_t *out_off, size_t size);

/* Positions for generic files: SEEK_* on size; DATA and HOLE as if there were no holes. */
int64_t file_llseek_size(struct file *f, int64_t off, int whence, int64_t size);

/*
 * Application memory of an ioctl argument (kernel memory when c->space is NULL).  0 or -EFAULT.
 */
int vfs_copy_in(struct vfs_ctx *c, void *dst, uint64_t addr, size_t size) must_check;
int vfs_copy_out(struct vfs_ctx *c, uint64_t addr, const void *src, size_t size) must_check;
