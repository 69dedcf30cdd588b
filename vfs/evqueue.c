/* SPDX-License-Identifier: Apache-2.0 */
/* evqueue.c: see evqueue.h. */
#include "vfs/evqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "lib/uio.h"
#include "vfs/file.h"
#include "vfs/poll.h"
#include "vfs/vfs_impl.h"

void evqueue_init(struct evqueue *q, const struct evqueue_ops *ops, struct latch *latch,
		  struct list *overflow, unsigned int max)
{
	q->ops = ops;
	q->latch = latch;
	list_init(&q->events);
	list_init(overflow);
	q->overflow = overflow;
	q->count = 0;
	q->max = max;
	wq_init(&q->wq);
	mutex_init(&q->read_lock, LOCK_EPOLL);
}

static void append_locked(struct evqueue *q, struct list *e)
{
	list_append(&q->events, e);
	q->count++;
	wq_wake(&q->wq, POLLIN | POLLRDNORM);
}

bool evqueue_add_locked(struct evqueue *q, struct list *e)
{
	if (q->count < q->max) {
		append_locked(q, e);
		return true;
	}
	if (!list_linked(q->overflow))
		append_locked(q, q->overflow);
	return false;
}

void evqueue_remove_locked(struct evqueue *q, struct list *e)
{
	list_remove(e);
	q->count--;
}

struct list *evqueue_drain_locked(struct evqueue *q)
{
	struct list *e;

	while (!list_empty(&q->events)) {
		e = q->events.next;
		evqueue_remove_locked(q, e);
		if (e != q->overflow)
			return e;
	}
	return NULL;
}

/* The first event if it fits into size bytes, taken out; -EINVAL: it does not. */
static int take(struct evqueue *q, size_t size, struct list **out)
{
	struct list *e = NULL;
	int err = 0;

	latch_lock(q->latch);
	if (!list_empty(&q->events)) {
		e = q->events.next;
		if (q->ops->size(q, e) > size) {
			e = NULL;
			err = -EINVAL;
		}
	}
	if (e) {
		evqueue_remove_locked(q, e);
		if (q->ops->taken && e != q->overflow)
			q->ops->taken(q, e);
	}
	latch_unlock(q->latch);
	*out = e;
	return err;
}

/* What there is; 0: nothing. */
static ssize_t read_some(struct vfs_ctx *c, struct evqueue *q, struct uio *dst)
{
	ssize_t done = 0, n;
	struct list *e;

	for (;;) {
		n = take(q, uio_left(dst), &e);
		if (n == 0 && e)
			n = q->ops->put(c, q, e, dst);
		if (n <= 0)
			return done ? done : n;
		done += n;
	}
}

ssize_t evqueue_read(struct vfs_ctx *c, struct evqueue *q, struct uio *dst, int rwf)
{
	ssize_t n;

	mutex_lock(&q->read_lock);
	for (;;) {
		n = read_some(c, q, dst);
		if (n != 0)
			break;
		n = -EAGAIN;
		if (rwf & O_NONBLOCK)
			break;
		n = wq_wait(&q->wq, &q->read_lock, c->waiter);
		if (n < 0)
			break;
	}
	mutex_unlock(&q->read_lock);
	return n;
}

uint32_t evqueue_poll(struct evqueue *q, struct poller *p)
{
	bool ready;

	poller_add(p, &q->wq);
	latch_lock(q->latch);
	ready = !list_empty(&q->events);
	latch_unlock(q->latch);
	return ready ? POLLIN | POLLRDNORM : 0;
}

long evqueue_ioctl(struct vfs_ctx *c, struct evqueue *q, unsigned int cmd, uint64_t arg)
{
	size_t bytes = 0;
	int have;

	if (cmd != FIONREAD)
		return -ENOTTY;
	latch_lock(q->latch);
	for (const struct list *e = q->events.next; e != &q->events; e = e->next)
		bytes += q->ops->size(q, e);
	latch_unlock(q->latch);
	have = (int)bytes;
	return vfs_copy_out(c, arg, &have, sizeof(have));
}
