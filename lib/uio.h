/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uio.h: a transfer whose other end is application memory, a channel or kernel memory.  File systems
 * and sockets copy through it and don't care which.
 *
 * A uio is made by the system call layer, is walked once from front to back, and never outlives the
 * call.  Copies may fault: they stop at the first bad byte.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/util.h"

#define UIO_GATHER_MAX 64

/* Somebody's memory.  Both return the count copied (short at a fault), or -EFAULT for none. */
struct uio_space {
	ssize_t (*read)(const struct uio_space *s, uint64_t addr, void *dst, size_t size);
	ssize_t (*write)(const struct uio_space *s, uint64_t addr, const void *src, size_t size);
	/* write() of several pieces in a row, at most UIO_GATHER_MAX.  NULL slot: one by one. */
	ssize_t (*writev)(const struct uio_space *s, uint64_t addr, const struct iovec *iov, size_t count);
	/*
	 * Where our own process can reach [addr, addr+size) directly until the call ends, or NULL.
	 * *size is cut to what is contiguous there.  The bytes are shared with hostile code: for
	 * handing to host calls (preadv, pwritev), never for looking at.  NULL slot: never.
	 */
	void *(*window)(const struct uio_space *s, uint64_t addr, size_t *size, bool write);
	/* A host call wrote there: size bytes from addr on.  NULL slot: nobody needs to know. */
	void (*filled)(const struct uio_space *s, uint64_t addr, size_t size);
};

struct uio_seg {
	uint64_t addr;
	size_t size;
};

struct uio {
	const struct uio_space *space; /* NULL: kernel memory */
	const struct uio_seg *segs;
	size_t count;  /* segments not yet finished, the current one included */
	size_t offset; /* into the current segment */
	size_t left;   /* bytes not yet moved */
	struct uio_seg one;
};

/* One piece of kernel memory.  Not to be copied once made (it points into itself). */
void uio_init_kernel(struct uio *u, void *p, size_t size);
void uio_init_user(struct uio *u, const struct uio_space *space, uint64_t addr, size_t size);
/* segs is borrowed.  The caller has checked the sum against overflow (at most SSIZE_MAX). */
void uio_init_segs(struct uio *u, const struct uio_space *space, const struct uio_seg *segs,
		   size_t count);

static inline size_t uio_left(const struct uio *u)
{
	return u->left;
}

/*
 * Copy min(size, left) bytes to (from) the other end and advance by what was copied.  The count,
 * which is short only at a fault, or -EFAULT when there was nothing before the fault.
 */
ssize_t uio_put(struct uio *u, const void *src, size_t size);
ssize_t uio_get(struct uio *u, void *dst, size_t size);
/* uio_put() of several pieces, of at most uio_left() bytes in all; count <= UIO_GATHER_MAX. */
ssize_t uio_putv(struct uio *u, const struct iovec *iov, size_t count);
/* Zeros to the other end. */
ssize_t uio_zero(struct uio *u, size_t size);
/* Skip without copying. */
void uio_advance(struct uio *u, size_t size);
/* The same after a host call put these bytes where uio_host_iovec(…, true) had said. */
void uio_filled(struct uio *u, size_t size);
/* Copy size bytes from the other end without advancing (for retry after a sleep). */
ssize_t uio_peek(const struct uio *u, void *dst, size_t size);
/* All addresses and sizes that are left, or'ed: their low bits tell how they are aligned. */
uint64_t uio_alignment(const struct uio *u);
/* Limit the rest to size bytes; returns how many were cut off (give back with uio_extend). */
size_t uio_truncate(struct uio *u, size_t size);
void uio_extend(struct uio *u, size_t cut);
/*
 * The next bytes as host iovecs for a direct host call, at most max entries.  0 when the other end
 * can't be reached directly: use a bounce buffer.
 */
int uio_host_iovec(const struct uio *u, struct iovec *iov, int max, bool write);
