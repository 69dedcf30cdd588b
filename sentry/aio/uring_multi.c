/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_multi.c: io_uring's requests that complete more than once, and those that choose a buffer when their data is
 * there (uring_buf.c).
 *
 * Multishot requests (POLL_ADD, ACCEPT, RECV, RECVMSG, READ) are loops on a helper; each turn's completion says that
 * there will be more, the last one does not.  They end when the completion queue is full (the application makes them
 * anew, as it must on Linux), as nothing else bounds what they would have us keep.
 */
#include "sentry/aio/uring_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sentry/sys/socket_util.h"
#include "sentry/task/task.h"
#include "vfs/poll.h"

bool uring_is_multishot(const struct io_uring_sqe *e)
{
	switch (e->opcode) {
	case IORING_OP_POLL_ADD:
		return e->len & IORING_POLL_ADD_MULTI;
	case IORING_OP_ACCEPT:
		return e->ioprio & IORING_ACCEPT_MULTISHOT;
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
		return e->ioprio & IORING_RECV_MULTISHOT;
	case URING_OP_READ_MULTISHOT:
		return true;
	default:
		return false;
	}
}

static bool takes_selected(unsigned int opcode)
{
	return opcode == IORING_OP_READ || opcode == IORING_OP_READV || opcode == IORING_OP_RECV ||
	       opcode == IORING_OP_RECVMSG || opcode == URING_OP_READ_MULTISHOT;
}

int uring_check_several(const struct io_uring_sqe *e)
{
	bool select = e->flags & IOSQE_BUFFER_SELECT;

	if (select && !takes_selected(e->opcode))
		return -EOPNOTSUPP;
	switch (e->opcode) {
	case IORING_OP_POLL_ADD:
		return e->len & ~(uint32_t)IORING_POLL_ADD_MULTI ? -EINVAL : 0;
	case IORING_OP_ACCEPT:
		if ((e->ioprio & IORING_ACCEPT_MULTISHOT) && e->file_index && e->file_index != IORING_FILE_INDEX_ALLOC)
			return -EINVAL;
		return e->ioprio & ~IORING_ACCEPT_MULTISHOT ? -EINVAL : 0;
	case IORING_OP_RECV:
		if (!(e->ioprio & IORING_RECV_MULTISHOT))
			return 0;
		return !select || e->len || (e->msg_flags & MSG_WAITALL) ? -EINVAL : 0;
	case IORING_OP_RECVMSG:
		if (!(e->ioprio & IORING_RECV_MULTISHOT))
			return 0;
		return !select || (e->msg_flags & MSG_WAITALL) ? -EINVAL : 0;
	case URING_OP_READ_MULTISHOT:
		return !select || e->addr || e->len ? -EINVAL : 0;
	default:
		return 0;
	}
}

static int wait_readable(struct task *t, struct file *f)
{
	struct poll_slot s = { .file = f, .events = POLLIN | POLL_ALWAYS };
	int n = poll_wait(task_vfs(t), &s, 1, INT64_MAX);

	return MIN(n, 0);
}

static bool is_recvmsg(const struct io_uring_sqe *e)
{
	return e->opcode == IORING_OP_RECVMSG;
}

/* Where the data goes and how much of it, for an operation that has no buffer of its own yet. */
static long selected_prepare(struct task *t, const struct io_uring_sqe *e, struct io_uring_sqe *one)
{
	struct iovec v;

	*one = *e;
	one->ioprio = 0;
	switch (e->opcode) {
	case IORING_OP_READV:
		if (e->len != 1)
			return -EINVAL;
		if (uaccess_get(t, &v, (uaddr_t){ e->addr }, sizeof(v)))
			return -EFAULT;
		one->opcode = IORING_OP_READ;
		one->len = (uint32_t)MIN(v.iov_len, (size_t)UINT32_MAX);
		return 0;
	case URING_OP_READ_MULTISHOT:
		one->opcode = IORING_OP_READ;
		one->off = UINT64_MAX;
		return 0;
	default:
		return 0;
	}
}

static long selected_once(struct task *t, const struct io_uring_sqe *e, struct io_uring_sqe *one,
			  const struct uring_buf *b)
{
	if (is_recvmsg(e))
		return recvmsg_into(t, e->fd, (uaddr_t){ e->addr }, (uaddr_t){ b->addr }, b->len,
				    e->msg_flags | MSG_DONTWAIT, uring_is_multishot(e));
	one->addr = b->addr;
	one->len = one->len ? MIN(one->len, b->len) : b->len;
	return uring_op(one->opcode)->fn(t, one, true);
}

/* Whether a wait for input comes before each turn: of streams that block. */
static bool selected_waits(const struct io_uring_sqe *e, const struct file *f)
{
	bool receives = e->opcode == IORING_OP_RECV || is_recvmsg(e);

	if (!(f->kind & FILE_STREAM) || (receives && (e->msg_flags & MSG_DONTWAIT)))
		return false;
	return !(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK);
}

/*
 * READ, READV, RECV and RECVMSG into a buffer of e's group, which they take when there is something to read.  A
 * multishot one goes on until that fails, is at its end, or there are no buffers.
 */
long uring_run_selected(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct file *f = fdt_file_nopath(t->fdt, e->fd);
	struct uring *u = c->u;
	struct io_uring_sqe one;
	struct uring_buf b;
	uint32_t room;
	bool waits;
	long r;

	if (!f)
		return -EBADF;
	r = selected_prepare(t, e, &one);
	if (!r && e->opcode == URING_OP_READ_MULTISHOT && !(f->kind & FILE_STREAM))
		r = -EBADFD;
	waits = selected_waits(e, f);
	room = one.len;
	while (r >= 0) {
		r = waits ? wait_readable(t, f) : 0;
		if (r < 0)
			break;
		r = uring_buf_take(t, &u->bufs, e->buf_group, &b);
		if (r < 0)
			break;
		one.len = room;
		r = selected_once(t, e, &one, &b);
		if (r <= 0)
			uring_buf_give_back(&u->bufs, e->buf_group, &b);
		if (r == -EAGAIN && waits) {
			r = 0;
			continue; /* somebody else was faster */
		}
		if (r <= 0)
			break;
		c->cqe_flags = IORING_CQE_F_BUFFER | (uint32_t)b.bid << IORING_CQE_BUFFER_SHIFT;
		if (!uring_is_multishot(e) || !uring_post(u, e, r, c->cqe_flags | IORING_CQE_F_MORE))
			break;
		c->cqe_flags = 0;
	}
	file_put(f);
	return r;
}

static long accept_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	struct io_uring_sqe one = *e;
	long r;

	one.ioprio = 0;
	do {
		r = uring_op(e->opcode)->fn(t, &one, false);
		if (e->file_index)
			r = uring_direct_place(c, t, e, r);
	} while (r >= 0 && uring_post(c->u, e, r, IORING_CQE_F_MORE));
	return r;
}

/* Each change of the file, as epoll's EPOLLET; with IORING_POLL_ADD_LEVEL each state that is not taken away. */
static long poll_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	uint32_t events = (e->poll32_events & 0xffff) | POLL_ALWAYS, now;
	struct file *f = fdt_file_nopath(t->fdt, e->fd);
	struct poll_table table;
	struct poller *p = &table.poller;
	long r;

	if (!f)
		return -EBADF;
	poll_table_init(&table, &t->waiter);
	p->events = events | POLLER_EDGES;
	for (;;) {
		waiter_prepare(&t->waiter);
		now = file_poll(f, p) & events;
		p = NULL;
		r = now;
		if (!now)
			r = table.error;
		if (r < 0 || (now && !uring_post(c->u, e, r, IORING_CQE_F_MORE))) {
			waiter_cancel(&t->waiter);
			break;
		}
		r = waiter_sleep(&t->waiter, WAITER_INTERRUPTIBLE, INT64_MAX);
		if (r < 0)
			break;
	}
	poll_table_fini(&table);
	file_put(f);
	return r;
}

long uring_run_multishot(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	return e->opcode == IORING_OP_POLL_ADD ? poll_multishot(c, t, e) : accept_multishot(c, t, e);
}
