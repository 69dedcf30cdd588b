/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h: io_uring (io_uring(7)): rings shared with the application, requests on helpers. */
#pragma once

#include <linux/io_uring.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/uio.h"

struct file;
struct task;
struct uring;

#define URING_ENTRIES_MAX    32768u
#define URING_CQ_ENTRIES_MAX (2 * URING_ENTRIES_MAX)

/* A ring as p asks for; p's offsets and features are filled.  *out is its file. */
int uring_new(struct task *t, unsigned int entries, struct io_uring_params *p, struct file **out);
/* NULL: f is no ring. */
struct uring *file_uring(const struct file *f);
bool uring_is_disabled(struct uring *u);
void uring_enable(struct uring *u);
/* IORING_SETUP_SQPOLL: entries are taken by IORING_ENTER_SQ_WAKEUP. */
bool uring_wakes(struct uring *u);
/* Take up to count entries off the submission queue and start them.  How many were taken. */
unsigned int uring_submit(struct task *t, struct uring *u, unsigned int count);
/* Until min completions are there.  0, -EINTR, -ETIME. */
int uring_wait(struct task *t, struct uring *u, unsigned int min, int64_t deadline_ns);

/* io_uring_register(2).  Arrays without an address: count empty places. */
int uring_register_buffers(struct task *t, struct uring *u, uaddr_t iov, unsigned int count);
int uring_unregister_buffers(struct uring *u);
int uring_update_buffers(struct task *t, struct uring *u, unsigned int at, uaddr_t iov, unsigned int count);
int uring_register_files(struct task *t, struct uring *u, uaddr_t fds, unsigned int count);
int uring_unregister_files(struct uring *u);
int uring_update_files(struct task *t, struct uring *u, unsigned int at, uaddr_t fds, unsigned int count);
int uring_register_alloc_range(struct uring *u, unsigned int from, unsigned int count);
int uring_register_eventfd(struct task *t, struct uring *u, int fd);
int uring_unregister_eventfd(struct uring *u);
int uring_register_buf_ring(struct task *t, struct uring *u, uaddr_t arg);
int uring_unregister_buf_ring(struct task *t, struct uring *u, uaddr_t arg);

/* ---- operations (uring_ops.c) ------------------------------------------------------------------- */

#define URING_OPS 58 /* of Linux 6.18 those up to LISTEN */

enum uring_kind {
	URING_ABSENT,
	URING_INLINE, /* never waits for others */
	URING_IN,     /* may wait for input on a stream */
	URING_OUT,    /* may wait for room in a stream */
	URING_WAITS,  /* always on a helper */
	URING_RING,   /* about the ring's other requests: uring.c */
};
struct uring_op {
	enum uring_kind kind;
	/* nowait: rather -EAGAIN than to sleep, where that can be told. */
	long (*fn)(struct task *t, const struct io_uring_sqe *e, bool nowait);
};
const struct uring_op *uring_op(unsigned int opcode);
