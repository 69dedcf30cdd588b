/* SPDX-License-Identifier: Apache-2.0 */
/* uring_impl.h: what uring*.c share. */
#pragma once

#include "lib/list.h"
#include "lib/mutex.h"
#include "sentry/aio/uring.h"

/* A buffer of the application's that a request may take (uring_buf.c). */
struct uring_buf {
	uint64_t addr;
	uint32_t len;
	uint16_t bid;
};

/* A ring's groups of them. */
struct uring_bufs {
	struct mutex lock;
	struct list groups; /* struct uring_buf_group */
	unsigned int count;
	size_t total; /* buffers in all of them: a bound on our memory */
};

void uring_bufs_init(struct uring_bufs *b);
void uring_bufs_fini(struct uring_bufs *b);
/* One of the group's.  -ENOBUFS, -EFAULT.  t: whose memory it is. */
int uring_buf_take(struct task *t, struct uring_bufs *b, uint16_t group, struct uring_buf *out) must_check;
/* It was not used. */
void uring_buf_give_back(struct uring_bufs *b, uint16_t group, const struct uring_buf *buf);
/* IORING_OP_PROVIDE_BUFFERS, IORING_OP_REMOVE_BUFFERS. */
long uring_bufs_provide(struct uring_bufs *b, const struct io_uring_sqe *e);
long uring_bufs_remove(struct uring_bufs *b, const struct io_uring_sqe *e);
/* IORING_REGISTER_PBUF_RING and its opposite. */
int uring_bufs_register_ring(struct task *t, struct uring_bufs *b, uaddr_t arg);
int uring_bufs_unregister_ring(struct task *t, struct uring_bufs *b, uaddr_t arg);
