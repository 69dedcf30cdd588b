/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side.h: a second fiber beside the test's, with a waiter of its own for interruptible sleeps, and
 * short forms for files without names.
 */
#pragma once

#include "tests/unit/vfs/fixture.h"

#include <poll.h>

#include "lib/clock.h"
#include "vfs/poll.h"

struct side {
	struct vfs_ctx c; /* the test's, with our waiter */
	struct waiter waiter;
	long (*fn)(struct side *s);
	struct file *f; /* for fn */
	void *arg;
	long result;
	atomic_bool done;
	struct wq wq;
};

static inline void side_main(void *arg)
{
	struct side *s = (struct side *)arg;

	waiter_init(&s->waiter, fiber_self());
	s->c.waiter = &s->waiter;
	s->result = s->fn(s);
	atomic_store(&s->done, true);
	wq_wake(&s->wq, 0);
}

/* Run fn on a fiber of its own. */
static inline void side_start_full(struct side *s, struct fx *x, long (*fn)(struct side *s),
				   struct file *f, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->c = x->c;
	s->fn = fn;
	s->f = f;
	s->arg = arg;
	wq_init(&s->wq);
	fiber_start(fiber_new(side_main, s));
}

static inline void side_start(struct side *s, struct fx *x, long (*fn)(struct side *s), struct file *f)
{
	side_start_full(s, x, fn, f, NULL);
}

static inline void side_start_arg(struct side *s, struct fx *x, long (*fn)(struct side *s), void *arg)
{
	side_start_full(s, x, fn, NULL, arg);
}

static inline bool side_is_done(void *arg)
{
	return atomic_load(&((struct side *)arg)->done);
}

/* Wait for fn; what it returned. */
static inline long side_join(struct side *s)
{
	struct vfs_ctx none = { .waiter = NULL };

	assert_int_equal(vfs_wait_ready(&none, &s->wq, 0, false, side_is_done, s, INT64_MAX), 0);
	return s->result;
}

/* Let others run for a while; the calling fiber sleeps. */
static inline void side_pause(int64_t ms)
{
	struct waiter w;

	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + ms * NSEC_PER_MSEC);
}

/* It has had the time to finish, and sleeps. */
static inline void side_expect_asleep(struct side *s)
{
	side_pause(20);
	assert_false(atomic_load(&s->done));
}

static inline ssize_t fx_read(struct vfs_ctx *c, struct file *f, void *p, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, p, size);
	return file_read(c, f, &u);
}

static inline ssize_t fx_write_buf(struct vfs_ctx *c, struct file *f, const void *p, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)p, size);
	return file_write(c, f, &u);
}

static inline uint32_t fx_poll(struct file *f)
{
	return file_poll(f, NULL) & (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLPRI);
}
