/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aio.c: Linux AIO (io_setup(2), io_submit(2), io_getevents(2)).
 *
 * Requests on files are made at once, by io_submit(2) itself, as Linux does for files that have to be
 * read through the page cache; only IOCB_CMD_POLL goes on without the caller, on a helper.
 *
 * A context's identifier is the address of a page in the application's memory, where Linux has a ring
 * of events that libraries look at: ours is empty and without the magic number, so they ask the kernel.
 *
 * Contexts belong to an mm, in mm->aio under aio.lock, and end with it.  Linux: fs/aio.c.
 */
#include "sentry/aio/aio.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "sentry/mm/mm.h"
#include "sentry/task/helper.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/eventfd.h"
#include "vfs/poll.h"

#define AIO_MAX_NR 65536u /* fs.aio-max-nr */

struct aio_event {
	struct list node;
	struct io_event event;
};

/* (l) aio.lock */
struct aio_ctx {
	struct ref ref;
	struct list node;    /* (l) in mm->aio */
	uint64_t id;         /* (c) */
	unsigned int max;    /* (c) */
	unsigned int active; /* (l) requests and events not yet taken */
	bool dead;           /* (l) */
	struct list events;  /* (l) */
	struct list polls;   /* (l) struct aio_poll */
	struct wq wq;
};

struct aio_poll {
	struct helper h;
	struct list node;    /* (l) in ctx->polls */
	struct aio_ctx *ctx; /* counted */
	struct iocb iocb;
	uint64_t addr;       /* of the application's iocb */
	struct file *file, *eventfd; /* counted; eventfd may be NULL */
	struct aio_event *event; /* made before, so that completing can't fail */
};

static struct {
	struct mutex lock; /* LOCK_PIPE */
	atomic_uint nr;    /* of all contexts' max */
} aio;

void aio_module_init(void)
{
	mutex_init(&aio.lock, LOCK_PIPE);
}

unsigned int aio_nr(void)
{
	return atomic_load(&aio.nr);
}

static void ctx_put(struct aio_ctx *c)
{
	struct aio_event *e;

	if (!ref_put(&c->ref))
		return;
	while ((e = list_first(&c->events, struct aio_event, node)) != NULL) {
		list_remove(&e->node);
		mem_free(e);
	}
	atomic_fetch_sub(&aio.nr, c->max);
	mem_free(c);
}

static struct aio_ctx *ctx_lookup(struct mm *mm, uint64_t id)
{
	struct aio_ctx *c, *found = NULL;

	mutex_lock(&aio.lock);
	list_for_each_entry(c, &mm->aio, node) {
		if (c->id == id) {
			found = c;
			ref_get(&c->ref);
			break;
		}
	}
	mutex_unlock(&aio.lock);
	return found;
}

/* Out of its mm: polls are cancelled, waiters find it dead. */
static void ctx_kill(struct aio_ctx *c)
{
	struct aio_poll *p;

	mutex_lock(&aio.lock);
	c->dead = true;
	list_remove(&c->node);
	list_for_each_entry(p, &c->polls, node)
		helper_cancel(&p->h);
	mutex_unlock(&aio.lock);
	wq_wake(&c->wq, 0);
	ctx_put(c);
}

void aio_mm_exit(struct mm *mm)
{
	struct aio_ctx *c;

	for (;;) {
		mutex_lock(&aio.lock);
		c = list_first(&mm->aio, struct aio_ctx, node);
		mutex_unlock(&aio.lock);
		if (!c)
			return;
		ctx_kill(c); /* nobody else can: the mm's tasks have ended */
	}
}

/* ---- contexts --------------------------------------------------------------------------------- */

long sys_io_setup(struct task *t, unsigned int nr_events, uaddr_t uctx)
{
	struct aio_ctx *c;
	uint64_t id;
	int64_t at;

	if (uaccess_get(t, &id, uctx, sizeof(id)))
		return -EFAULT;
	if (id || !nr_events || nr_events > INT32_MAX / 64)
		return -EINVAL;
	if (nr_events > AIO_MAX_NR || atomic_load(&aio.nr) + nr_events > AIO_MAX_NR)
		return -EAGAIN;
	c = mem_new(struct aio_ctx);
	if (!c)
		return -ENOMEM;
	at = mm_map_anon(t, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (at < 0 || uaccess_put(t, uctx, &at, sizeof(at))) {
		mem_free(c);
		if (at >= 0)
			(void)mm_unmap(t, (uint64_t)at, PAGE_SIZE);
		return at < 0 ? at : -EFAULT;
	}
	ref_init(&c->ref);
	c->id = (uint64_t)at;
	c->max = nr_events;
	atomic_fetch_add(&aio.nr, nr_events);
	list_init(&c->events);
	list_init(&c->polls);
	wq_init(&c->wq);
	mutex_lock(&aio.lock);
	list_append(&t->mm->aio, &c->node);
	mutex_unlock(&aio.lock);
	return 0;
}

long sys_io_destroy(struct task *t, unsigned long ctx)
{
	struct aio_ctx *c = ctx_lookup(t->mm, ctx);
	bool mine;

	if (!c)
		return -EINVAL;
	mutex_lock(&aio.lock);
	mine = !c->dead;
	c->dead = true;
	mutex_unlock(&aio.lock);
	if (mine) {
		(void)mm_unmap(t, c->id, PAGE_SIZE);
		ctx_kill(c);
	}
	ctx_put(c);
	return mine ? 0 : -EINVAL;
}

/* ---- completion ------------------------------------------------------------------------------- */

/* Consumes e. */
static void aio_complete(struct aio_ctx *c, struct aio_event *e, const struct iocb *iocb, uint64_t addr,
			 long res, struct file *eventfd)
{
	e->event = (struct io_event){ .data = iocb->aio_data, .obj = addr, .res = res };
	mutex_lock(&aio.lock);
	list_append(&c->events, &e->node);
	mutex_unlock(&aio.lock);
	wq_wake(&c->wq, 0);
	if (eventfd)
		(void)eventfd_signal(eventfd, 1);
}

static long aio_take(struct task *t, struct aio_ctx *c, long min, long nr, struct io_event *out,
		     int64_t deadline_ns)
{
	struct aio_event *e;
	long n = 0;
	int err = 0;

	mutex_lock(&aio.lock);
	for (;;) {
		while (n < nr && (e = list_first(&c->events, struct aio_event, node)) != NULL) {
			list_remove(&e->node);
			out[n++] = e->event;
			c->active--;
			mem_free(e);
		}
		if (n >= min || err || c->dead)
			break;
		err = wq_wait_until(&c->wq, &aio.lock, &t->waiter, deadline_ns);
	}
	mutex_unlock(&aio.lock);
	if (n || !err || err == -ETIMEDOUT)
		return n;
	return -EINTR;
}

static long do_getevents(struct task *t, unsigned long ctx, long min, long nr, uaddr_t events,
			 int64_t deadline_ns)
{
	struct aio_ctx *c = ctx_lookup(t->mm, ctx);
	struct io_event *out;
	long n, room;

	if (!c)
		return -EINVAL;
	n = -EINVAL;
	if (min < 0 || min > nr)
		goto put_ctx;
	room = MIN(nr, (long)c->max);
	out = mem_calloc((size_t)MAX(room, 1L), sizeof(*out));
	n = -ENOMEM;
	if (!out)
		goto put_ctx;
	n = aio_take(t, c, MIN(min, room), room, out, deadline_ns);
	if (n > 0 && uaccess_put(t, events, out, (size_t)n * sizeof(*out)))
		n = -EFAULT;
	mem_free(out);
put_ctx:
	ctx_put(c);
	return n;
}

static int deadline_get(struct task *t, uaddr_t timeout, int64_t *deadline_ns)
{
	int64_t ns;
	int err;

	*deadline_ns = INT64_MAX;
	if (!timeout.addr)
		return 0;
	err = timespec_get_user(t, timeout, &ns);
	if (!err)
		*deadline_ns = deadline_after(ns);
	return err;
}

long sys_io_getevents(struct task *t, unsigned long ctx, long min_nr, long nr, uaddr_t events,
		      uaddr_t timeout)
{
	int64_t deadline_ns;
	int err = deadline_get(t, timeout, &deadline_ns);

	return err ? err : do_getevents(t, ctx, min_nr, nr, events, deadline_ns);
}

long sys_io_pgetevents(struct task *t, unsigned long ctx, long min_nr, long nr, uaddr_t events,
		       uaddr_t timeout, uaddr_t sig)
{
	struct { uint64_t mask, size; } arg = { 0 };
	int64_t deadline_ns;
	long r = deadline_get(t, timeout, &deadline_ns);

	if (r)
		return r;
	if (sig.addr && uaccess_get(t, &arg, sig, sizeof(arg)))
		return -EFAULT;
	r = sig_mask_from_user(t, (uaddr_t){ arg.mask }, arg.size);
	if (r)
		return r;
	r = do_getevents(t, ctx, min_nr, nr, events, deadline_ns);
	if (arg.mask && r != -EINTR)
		sig_mask_restore(t);
	return r;
}

/* ---- submission ------------------------------------------------------------------------------- */

static void poll_run(struct helper *h, struct task *t)
{
	struct aio_poll *p = container_of(h, struct aio_poll, h);
	struct poll_slot s = { .file = p->file, .events = (uint32_t)(p->iocb.aio_buf & 0xffff) | POLL_ALWAYS };
	long n = poll_wait(task_vfs(t), &s, 1, INT64_MAX);

	mutex_lock(&aio.lock);
	list_remove(&p->node);
	mutex_unlock(&aio.lock);
	aio_complete(p->ctx, p->event, &p->iocb, p->addr, n < 0 ? -ECANCELED : (long)s.revents, p->eventfd);
}

static void poll_free(struct aio_poll *p)
{
	file_put(p->file);
	file_put(p->eventfd);
	ctx_put(p->ctx);
	mem_free(p);
}

static void poll_done(struct helper *h)
{
	poll_free(container_of(h, struct aio_poll, h));
}

/* Consumes e on success. */
static int submit_poll(struct task *t, struct aio_ctx *c, const struct iocb *iocb, uint64_t addr,
		       struct aio_event *e, struct file *eventfd)
{
	struct aio_poll *p;
	int err;

	if (iocb->aio_buf >> 16 || iocb->aio_offset || iocb->aio_nbytes || iocb->aio_rw_flags)
		return -EINVAL;
	p = mem_new(struct aio_poll);
	if (!p)
		return -EAGAIN;
	p->h.run = poll_run;
	p->h.done = poll_done;
	p->ctx = c;
	ref_get(&c->ref);
	p->iocb = *iocb;
	p->addr = addr;
	p->event = e;
	p->eventfd = eventfd ? file_get(eventfd) : NULL;
	p->file = fdt_file_nopath(t->fdt, (int)iocb->aio_fildes);
	list_init(&p->node);
	mutex_lock(&aio.lock);
	list_append(&c->polls, &p->node);
	mutex_unlock(&aio.lock);
	err = p->file ? helper_start(&p->h, t, NULL) : -EBADF;
	if (err) {
		mutex_lock(&aio.lock);
		list_remove(&p->node);
		mutex_unlock(&aio.lock);
		poll_free(p);
	}
	return err;
}

static bool aio_writes(const struct iocb *b)
{
	return b->aio_lio_opcode == IOCB_CMD_PWRITE || b->aio_lio_opcode == IOCB_CMD_PWRITEV;
}

static long submit_rw(struct task *t, const struct iocb *b)
{
	uaddr_t buf = { b->aio_buf };
	int fd = (int)b->aio_fildes;
	struct file *f;
	bool stream, ready;

	if ((int64_t)b->aio_nbytes < 0)
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	stream = f && (f->kind & FILE_STREAM);
	ready = !f || (file_poll(f, NULL) & (aio_writes(b) ? POLLOUT : POLLIN));
	file_put(f);
	if ((b->aio_rw_flags & RWF_NOWAIT) && stream && !ready)
		return -EAGAIN;
	if (b->aio_rw_flags & ~(uint32_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))
		return -EOPNOTSUPP;
	switch (b->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
		return stream ? sys_read(t, fd, buf, b->aio_nbytes)
			      : sys_pread64(t, fd, buf, b->aio_nbytes, b->aio_offset);
	case IOCB_CMD_PWRITE:
		return stream ? sys_write(t, fd, buf, b->aio_nbytes)
			      : sys_pwrite64(t, fd, buf, b->aio_nbytes, b->aio_offset);
	case IOCB_CMD_PREADV:
		return sys_preadv2(t, fd, buf, b->aio_nbytes, stream ? ~0ul : (uint64_t)b->aio_offset, 0,
				   (int)b->aio_rw_flags);
	case IOCB_CMD_PWRITEV:
		return sys_pwritev2(t, fd, buf, b->aio_nbytes, stream ? ~0ul : (uint64_t)b->aio_offset, 0,
				    (int)b->aio_rw_flags);
	case IOCB_CMD_FSYNC:
		return b->aio_buf || b->aio_offset || b->aio_nbytes || b->aio_rw_flags ? -EINVAL
										       : sys_fsync(t, fd);
	case IOCB_CMD_FDSYNC:
		return b->aio_buf || b->aio_offset || b->aio_nbytes || b->aio_rw_flags
			       ? -EINVAL : sys_fdatasync(t, fd);
	default:
		return -EINVAL;
	}
}

static int eventfd_get(struct task *t, const struct iocb *b, struct file **out)
{
	int err;

	*out = NULL;
	if (!(b->aio_flags & IOCB_FLAG_RESFD))
		return 0;
	*out = fdt_file_nopath(t->fdt, (int)b->aio_resfd);
	if (!*out)
		return -EBADF;
	err = eventfd_signal(*out, 0);
	if (err) {
		file_put(*out);
		*out = NULL;
	}
	return err;
}

/* What io_submit(2) itself reports; all else is an event. */
static bool is_submit_error(long r)
{
	return r == -EBADF || r == -EFAULT || r == -EINVAL || r == -ESPIPE || r == -EOPNOTSUPP;
}

static int submit_one(struct task *t, struct aio_ctx *c, uint64_t addr)
{
	struct file *eventfd = NULL, *f;
	struct aio_event *e;
	struct iocb b;
	uint32_t key = 0;
	long r;

	if (uaccess_get(t, &b, (uaddr_t){ addr }, sizeof(b)))
		return -EFAULT;
	if (b.aio_reserved2 || (b.aio_flags & ~(uint32_t)(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO)))
		return -EINVAL;
	mutex_lock(&aio.lock);
	r = c->dead ? -EINVAL : c->active >= c->max ? -EAGAIN : 0;
	if (!r)
		c->active++;
	mutex_unlock(&aio.lock);
	if (r)
		return (int)r;
	f = fdt_file_nopath(t->fdt, (int)b.aio_fildes);
	r = f ? eventfd_get(t, &b, &eventfd) : -EBADF;
	file_put(f);
	if (!r && uaccess_put(t, (uaddr_t){ addr + offsetof(struct iocb, aio_key) }, &key, sizeof(key)))
		r = -EFAULT;
	e = mem_new(struct aio_event);
	if (!r && !e)
		r = -EAGAIN;
	if (!r && b.aio_lio_opcode == IOCB_CMD_POLL) {
		r = submit_poll(t, c, &b, addr, e, eventfd);
		if (!r)
			e = NULL;
	} else if (!r) {
		r = submit_rw(t, &b);
		if (r <= -512)
			r = -EINTR;
		if (!is_submit_error(r)) {
			aio_complete(c, e, &b, addr, r, eventfd); /* consumes e */
			e = NULL;
			r = 0;
		}
	}
	mem_free(e);
	file_put(eventfd);
	if (r) {
		mutex_lock(&aio.lock);
		c->active--;
		mutex_unlock(&aio.lock);
	}
	return (int)r;
}

long sys_io_submit(struct task *t, unsigned long ctx, long nr, uaddr_t iocbs)
{
	struct aio_ctx *c;
	long i;
	int err = 0;

	if (nr < 0)
		return -EINVAL;
	c = ctx_lookup(t->mm, ctx);
	if (!c)
		return -EINVAL;
	nr = MIN(nr, (long)c->max);
	for (i = 0; i < nr && !err; i += !err) {
		uint64_t addr;

		err = uaccess_get(t, &addr, uaddr_add(iocbs, (uint64_t)i * 8), sizeof(addr))
			      ? -EFAULT : submit_one(t, c, addr);
	}
	ctx_put(c);
	return i ? i : err;
}

long sys_io_cancel(struct task *t, unsigned long ctx, uaddr_t iocb, uaddr_t result)
{
	struct aio_ctx *c;
	struct aio_poll *p;
	uint32_t key;
	int err = -EINVAL;

	(void)result; /* unused since Linux 4.19: the event comes as others do */
	if (uaccess_get(t, &key, uaddr_add(iocb, offsetof(struct iocb, aio_key)), sizeof(key)))
		return -EFAULT;
	c = key ? NULL : ctx_lookup(t->mm, ctx);
	if (!c)
		return -EINVAL;
	mutex_lock(&aio.lock);
	list_for_each_entry(p, &c->polls, node) {
		if (p->addr == iocb.addr) {
			helper_cancel(&p->h);
			err = -EINPROGRESS;
			break;
		}
	}
	mutex_unlock(&aio.lock);
	ctx_put(c);
	return err;
}
