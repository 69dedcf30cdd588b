/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.h: pipes and FIFOs (pipe(7), fifo(7)), and moving data through them (splice(2), tee(2)). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/uio.h"
#include "lib/util.h"

struct file;
struct inode;
struct pipe;
struct vfs_ctx;

/*
 * Both ends of a new pipe.  flags: O_NONBLOCK, O_DIRECT (packet mode), O_CLOEXEC (ignored here).
 * -ENFILE, -ENOMEM.
 */
int pipe_new(struct vfs_ctx *c, int flags, struct file **rd, struct file **wr) must_check;

/*
 * open(2) of a FIFO: f was made on inode i and has f->flags set.  Sets ops, priv and kind; waits
 * for the other end as fifo(7) says.  -ENXIO: O_WRONLY|O_NONBLOCK without a reader; -ERESTARTSYS.
 * Also for re-opening an anonymous pipe through /proc/PID/fd.  Called without locks.
 */
int fifo_open(struct vfs_ctx *c, struct inode *i, struct file *f) must_check;

/* fcntl(2) F_GETPIPE_SZ and F_SETPIPE_SZ: capacity in bytes; -EBADF when f is no pipe. */
long pipe_get_size(struct file *f);
long pipe_set_size(struct vfs_ctx *c, struct file *f, uint64_t size);

/* ---- splicing ---------------------------------------------------------------------------------- */

/* A pipe end (then splice works on it), with the directions that f allows. */
bool file_is_pipe(const struct file *f);

/*
 * splice(2): at least one of the two is a pipe; offsets are NULL for pipes and for "the file's own
 * position".  flags: SPLICE_F_*.  Permissions (read, write) are checked here.  Count or -errno.
 */
ssize_t pipe_splice(struct vfs_ctx *c, struct file *in, int64_t *off_in, struct file *out,
		    int64_t *off_out, size_t size, unsigned int flags);
ssize_t pipe_tee(struct vfs_ctx *c, struct file *in, struct file *out, size_t size,
		 unsigned int flags);
/* vmsplice(2): into or out of a pipe by the direction of f; pages are copied, not given. */
ssize_t pipe_vmsplice(struct vfs_ctx *c, struct file *f, struct uio *u, unsigned int flags);
/* sendfile(2): out may be anything writable; in must be readable. */
ssize_t file_sendfile(struct vfs_ctx *c, struct file *out, struct file *in, int64_t *off,
		      size_t size);
