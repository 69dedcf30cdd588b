/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd.c: a counter that can be waited for (eventfd(2)).
 *
 * A write adds, and sleeps while the sum would reach 2^64-1; a read takes all, or 1 with
 * EFD_SEMAPHORE, and sleeps while it is 0.  Only eventfd_signal() can bring the counter to 2^64-1,
 * which poll(2) shows as POLLERR.  Wake-ups happen after the lock is dropped.
 */
#include "vfs/eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

/* (c) constant, (e) lock */
struct eventfd {
	struct mutex lock; /* LOCK_LEAF */
	uint64_t count;    /* (e) */
	bool semaphore;    /* (c) */
	unsigned int id;   /* (c) shown in fdinfo */
	struct wq wq;
};

static struct {
	atomic_uint next_id;
} eventfd_module;

static ssize_t eventfd_file_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos,
				  int rwf)
{
	struct eventfd *e = file_priv(f);
	uint64_t taken;
	int err = 0;

	(void)pos;
	if (uio_left(dst) < sizeof(taken))
		return -EINVAL;
	mutex_lock(&e->lock);
	while (e->count == 0 && err == 0)
		err = rwf & O_NONBLOCK ? -EAGAIN : wq_wait(&e->wq, &e->lock, c->waiter);
	taken = e->semaphore ? 1 : e->count;
	if (err == 0)
		e->count -= taken;
	mutex_unlock(&e->lock);
	if (err < 0)
		return err;
	wq_wake(&e->wq, POLLOUT);
	return uio_put(dst, &taken, sizeof(taken)) == sizeof(taken) ? (ssize_t)sizeof(taken) : -EFAULT;
}

static ssize_t eventfd_file_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos,
				  int rwf)
{
	struct eventfd *e = file_priv(f);
	uint64_t add;
	int err = 0;

	(void)pos;
	if (uio_left(src) < sizeof(add))
		return -EINVAL;
	if (uio_get(src, &add, sizeof(add)) != sizeof(add))
		return -EFAULT;
	if (add == UINT64_MAX)
		return -EINVAL;
	mutex_lock(&e->lock);
	while (UINT64_MAX - e->count <= add && err == 0)
		err = rwf & O_NONBLOCK ? -EAGAIN : wq_wait(&e->wq, &e->lock, c->waiter);
	if (err == 0)
		e->count += add;
	mutex_unlock(&e->lock);
	if (err < 0)
		return err;
	wq_wake(&e->wq, POLLIN);
	return sizeof(add);
}

static uint32_t eventfd_poll(struct file *f, struct poller *p)
{
	struct eventfd *e = file_priv(f);
	uint64_t count;

	poller_add(p, &e->wq);
	mutex_lock(&e->lock);
	count = e->count;
	mutex_unlock(&e->lock);
	return (count > 0 ? POLLIN : 0) | (count == UINT64_MAX ? POLLERR : 0) |
	       (count < UINT64_MAX - 1 ? POLLOUT : 0);
}

static void eventfd_show_fdinfo(struct file *f, struct buf *b)
{
	struct eventfd *e = file_priv(f);

	mutex_lock(&e->lock);
	buf_printf(b, "eventfd-count: %16" PRIx64 "\neventfd-id: %u\neventfd-semaphore: %d\n",
		   e->count, e->id, e->semaphore);
	mutex_unlock(&e->lock);
}

static void eventfd_release(struct file *f)
{
	mem_free(file_priv(f));
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_file_read,
	.write = eventfd_file_write,
	.poll = eventfd_poll,
	.show_fdinfo = eventfd_show_fdinfo,
	.release = eventfd_release,
};

int eventfd_signal(struct file *f, uint64_t add)
{
	struct eventfd *e = file_priv(f);

	if (f->ops != &eventfd_ops)
		return -EINVAL;
	mutex_lock(&e->lock);
	e->count = UINT64_MAX - e->count < add ? UINT64_MAX : e->count + add;
	mutex_unlock(&e->lock);
	wq_wake(&e->wq, POLLIN);
	return 0;
}

int eventfd_new(struct vfs_ctx *c, uint64_t count, int flags, struct file **out)
{
	struct eventfd *e;
	int err;

	if (flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC))
		return -EINVAL;
	e = mem_new(struct eventfd);
	if (!e)
		return -ENOMEM;
	mutex_init(&e->lock, LOCK_LEAF);
	wq_init(&e->wq);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	e->id = atomic_fetch_add_explicit(&eventfd_module.next_id, 1, memory_order_relaxed);
	err = file_new_anon("eventfd", &eventfd_ops, e, O_RDWR | (flags & O_NONBLOCK),
			    FILE_READ | FILE_WRITE | FILE_STREAM | FILE_NOSPLICE, c->cred, out);
	if (err < 0)
		mem_free(e);
	return err;
}
