/* SPDX-License-Identifier: Apache-2.0 */
/* uring_impl.h: what uring*.c share: the ring, its chains. */
#pragma once

#include <stdatomic.h>

#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/wq.h"
#include "sentry/aio/uring.h"
#include "sentry/task/helper.h"

/* Of newer headers. */
#define URING_OP_READ_MULTISHOT   49
#define URING_OP_FIXED_FD_INSTALL 54
#define URING_OP_FTRUNCATE        55
#define URING_OP_BIND             56
#define URING_OP_LISTEN           57
#define URING_TIMEOUT_MULTISHOT   (1u << 6)
#define URING_SETUP_NO_SQARRAY    (1u << 16)

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

/* ---- rings and chains --------------------------------------------------------------------------- */

/* At the start of the memfd. */
struct ring_head {
	_Atomic uint32_t sq_head __attribute__((aligned(64)));
	_Atomic uint32_t sq_tail __attribute__((aligned(64)));
	_Atomic uint32_t cq_head __attribute__((aligned(64)));
	_Atomic uint32_t cq_tail __attribute__((aligned(64)));
	uint32_t sq_mask, sq_entries, cq_mask, cq_entries;
	_Atomic uint32_t sq_flags, sq_dropped, cq_flags, cq_overflow;
	struct io_uring_cqe cqes[] __attribute__((aligned(64)));
};

struct overflow {
	struct list node;
	struct io_uring_cqe cqe;
};

/* (c) constant, (u) lock, (s) submit_lock */
struct uring {
	struct ref ref;
	struct mutex lock, submit_lock;
	int fd;                  /* (c) the memfd */
	uint8_t *mem;            /* (c) */
	size_t size, sqes_at;    /* (c) */
	uint32_t sq_entries, cq_entries; /* (c) */
	struct ring_head *head;  /* (c) in mem, as what follows */
	_Atomic uint32_t *array; /* (c) */
	struct io_uring_sqe *sqes; /* (c) */
	uint32_t sq_head;        /* (s) ours; the shared one is only shown */
	uint32_t cq_tail;        /* (u) ours */
	bool submit_all;         /* (c) go on after a bad entry */
	atomic_bool disabled;    /* IORING_SETUP_R_DISABLED */
	struct list overflow;    /* (u) completions without room */
	unsigned int overflow_count;
	uint64_t completed;      /* (u) completions so far */
	struct list chains;      /* (u) struct uring_chain, oldest first */
	unsigned int draining;   /* (u) chains that wait for those before them */
	struct wq cq_wq;         /* something was completed */
	struct file *eventfd;    /* (u) counted, or NULL */
	bool wakes;              /* (c) IORING_SETUP_SQPOLL: entries are taken when the application wakes the poller */
	bool in_order;           /* (c) IORING_SETUP_NO_SQARRAY */
	struct fdtable *files;   /* (u) counted; registered files */
	unsigned int file_count; /* (u) */
	unsigned int alloc_from, alloc_end; /* (u) where IORING_FILE_INDEX_ALLOC looks for a free one */
	struct iovec *buffers;   /* (u) owned; application addresses */
	unsigned int buffer_count; /* (u) */
	struct uring_bufs bufs;
};

struct uring_chain {
	struct helper h;
	struct list node;        /* (u) */
	struct uring *u;         /* counted */
	unsigned int count, at;  /* entries; the one under way */
	bool drain;              /* (c) */
	uint32_t cqe_flags;      /* of the entry under way: which buffer it took */
	struct fdtable *files;   /* (c) counted; the ring's registered files when it was submitted, or NULL */
	bool armed;              /* (u) a timeout is under way … */
	int64_t deadline_ns;     /* (u) … until then */
	bool waits_late;         /* (c) this is the timeout of another chain … */
	struct uring_chain *late; /* (u) … and this the timeout that watches the entry under way */
	struct uring_chain *watched; /* (u) */
	struct io_uring_sqe sqe[];
};

/*
 * A completion of e.  False: there was no room, and it is one of several that a request makes (IORING_CQE_F_MORE).
 */
bool uring_post(struct uring *u, const struct io_uring_sqe *e, long res, uint32_t flags);
/* The only or last one of e, unless e wants none. */
void uring_complete(struct uring *u, const struct io_uring_sqe *e, long res);
/* A chain of count entries, which the caller fills.  It holds u. */
struct uring_chain *uring_chain_new(struct uring *u, unsigned int count) must_check;
void uring_chain_free(struct uring_chain *c);
/* Among the ring's chains, for who cancels and drains; and out again. */
void uring_chain_link(struct uring_chain *c);
void uring_chain_unlink(struct uring_chain *c);
/* The operation of e alone, on its own descriptors. */
long uring_run_op(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, bool nowait);

/* ---- timeouts and cancellation (uring_time.c) ------------------------------------------------------ */

/* c's first entry is a TIMEOUT: its time begins now. */
void uring_timeout_arm(struct uring_chain *c, struct task *t);
long uring_timeout(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e);
/* e, a LINK_TIMEOUT, watches c's entry under way, from now until uring_late_stop(). */
void uring_late_start(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e);
void uring_late_stop(struct uring_chain *c);
/* ASYNC_CANCEL, POLL_REMOVE, TIMEOUT_REMOVE: 0 (or the count for all), -ENOENT. */
long uring_cancel(struct uring_chain *self, struct task *t, const struct io_uring_sqe *e);

/* ---- several completions, provided buffers (uring_multi.c) ------------------------------------------ */

bool uring_is_multishot(const struct io_uring_sqe *e);
/* What e's operation does not know of these.  0 or -errno. */
int uring_check_several(const struct io_uring_sqe *e);
long uring_run_selected(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e);
long uring_run_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e);

/* ---- registered files and buffers (uring_register.c) -------------------------------------------------- */

/* Whether e names registered files, or makes one (direct descriptors): then it runs on a view (fdtable.h). */
bool uring_uses_files(const struct io_uring_sqe *e);
/* Such an e, on a helper whose table is a view. */
long uring_run_with_files(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e);
/* r: what a call has given that makes a descriptor, for a direct one of e's: its file goes to its slot. */
long uring_direct_place(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, long r);
/* CLOSE of a direct descriptor. */
long uring_close_direct(struct task *t, struct uring *u, const struct io_uring_sqe *e);
/* FILES_UPDATE */
long uring_files_update_op(struct task *t, struct uring *u, const struct io_uring_sqe *e);
/* READ_FIXED and kin: the whole range must lie in a registered buffer. */
int uring_check_fixed_buffer(struct uring *u, const struct io_uring_sqe *e);
