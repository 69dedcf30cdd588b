/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fdtable.h: descriptor tables (what CLONE_FILES shares).
 *
 * A table maps small numbers to counted files.  A number is free, reserved (taken, but no file yet:
 * lookups give EBADF) or in use.  Its latch is a leaf; files are released only after it was dropped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

struct file;
struct fdtable;
struct vfs_ctx;

struct fdtable *fdt_new(void) must_check;
/* A copy for fork; descriptors from limit_from on are left out (close_range UNSHARE), ~0u: none. */
struct fdtable *fdt_dup(struct fdtable *t, unsigned int limit_from) must_check;
struct fdtable *fdt_get(struct fdtable *t);
/* Last put closes all.  c: for flush and lock release; NULL NULL-safe. */
void fdt_put(struct vfs_ctx *c, struct fdtable *t);
bool fdt_shared(struct fdtable *t);

/*
 * count lowest free numbers >= 0 and < limit (RLIMIT_NOFILE), as one step.  -EMFILE, -ENOMEM.
 */
int fdt_reserve(struct fdtable *t, int count, int *fds, uint64_t limit) must_check;
/* As above, one number, >= min (F_DUPFD).  The number, -EMFILE, -EINVAL (min >= limit), -ENOMEM. */
int fdt_reserve_from(struct fdtable *t, int min, uint64_t limit) must_check;
void fdt_unreserve(struct fdtable *t, int count, const int *fds);
/* Make a reserved number visible.  Consumes f.  flags: O_CLOEXEC or 0.  Can't fail. */
void fdt_install(struct fdtable *t, int fd, struct file *f, int flags);
/* Reserve and install one.  Consumes f in every case.  The number or -errno. */
int fdt_add(struct fdtable *t, struct file *f, int flags, uint64_t limit) must_check;

/* The file with a reference, or NULL (EBADF).  fdt_file_nopath: NULL also for O_PATH files. */
struct file *fdt_file(struct fdtable *t, int fd);
struct file *fdt_file_nopath(struct fdtable *t, int fd);
/* close(2): 0, -EBADF, or what flush said. */
int fdt_close(struct vfs_ctx *c, struct fdtable *t, int fd);
/* dup2/dup3: closes what was at newfd.  -EBADF, -EBUSY (reserved), -ENOMEM; newfd. */
int fdt_dup_to(struct vfs_ctx *c, struct fdtable *t, int oldfd, int newfd, int flags, uint64_t limit);
/* close_range(2) without UNSHARE; cloexec: only mark. */
void fdt_close_range(struct vfs_ctx *c, struct fdtable *t, unsigned int first, unsigned int last,
		     bool cloexec);
void fdt_close_on_exec(struct vfs_ctx *c, struct fdtable *t);
int fdt_cloexec_get(struct fdtable *t, int fd); /* 0, 1, -EBADF */
int fdt_cloexec_set(struct fdtable *t, int fd, bool on);
/* Next number in use >= from with its file (new reference), or -1: for /proc/PID/fd. */
int fdt_next(struct fdtable *t, int from, struct file **out);
unsigned int fdt_capacity(struct fdtable *t); /* FDSize in /proc/PID/status */

/*
 * A view of base (counted) for calls on one fiber: the numbers FDT_LENT and FDT_LENT + 1 mean files that are lent to
 * it, all others are base's.  With catch on, a number that is reserved is FDT_CAUGHT, and the file installed there is
 * kept for fdt_view_caught() instead of going to base.
 */
#define FDT_LENT   (1 << 20) /* no number of any table */
#define FDT_CAUGHT (FDT_LENT + 2)
struct fdtable *fdt_view_new(struct fdtable *base) must_check;
/* i: 0 or 1.  Consumes f; NULL: none any more. */
void fdt_view_lend(struct fdtable *view, int i, struct file *f);
void fdt_view_catch(struct fdtable *view, bool on);
/* Moves it out: the caller owns it.  NULL: nothing was installed. */
struct file *fdt_view_take_caught(struct fdtable *view);
