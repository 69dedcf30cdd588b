/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty.c: terminals: life, open files, reading and writing, hanging up.  See tty_impl.h.
 *
 * Reading follows n_tty_read() of Linux: a canonical read gives at most one line; others count VMIN
 * and VTIME, where VTIME is the time between bytes when VMIN is set, and the time for the first one
 * when it is not.  What was taken before a signal, a timeout or a hang-up is given to the caller.
 *
 * Writes are processed in pieces; a write that has begun keeps others out until it is done, so that
 * their bytes do not mix.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/task/task.h"
#include "sentry/tty/tty_impl.h"
#include "vfs/chrdev.h"
#include "vfs/poll.h"

#define CAP_SYS_ADMIN_ 21
#define WRITE_CHUNK 2048
#define CLOSING_WAIT_NS (2 * NSEC_PER_SEC)

/* ---- life ------------------------------------------------------------------------------------------ */

static void tty_free_work(void *arg)
{
	struct tty *t = arg;

	t->hw->free(t);
}

int tty_setup(struct tty *t, const struct tty_hw *hw, uint64_t rdev)
{
	int err;

	memset(t, 0, sizeof(*t));
	err = ldisc_init(&t->ld);
	if (err)
		return err;
	err = byteq_init(&t->in);
	if (err) {
		ldisc_fini(&t->ld);
		return err;
	}
	ref_init(&t->ref);
	t->hw = hw;
	t->rdev = rdev;
	work_init(&t->free_work, tty_free_work, t);
	mutex_init(&t->lock, LOCK_TTY);
	wq_init(&t->readers);
	wq_init(&t->writers);
	return 0;
}

void tty_teardown(struct tty *t)
{
	ASSERT(!t->session && !t->pgrp);
	byteq_fini(&t->in);
	ldisc_fini(&t->ld);
}

void tty_get(struct tty *t)
{
	ref_get(&t->ref);
}

void tty_put(struct tty *t)
{
	if (t && ref_put(&t->ref))
		work_queue(&t->free_work);
}

/* ---- passing on what the line discipline did -------------------------------------------------------- */

/* Returns the signals to be sent once the lock is gone. */
static uint64_t tty_pass_on_locked(struct tty *t)
{
	uint64_t signals = t->ld.signals;

	while (t->ld.events) { /* the hardware's slot may cause more */
		unsigned int events = t->ld.events;

		t->ld.events = 0;
		if (events & LDISC_READABLE)
			wq_wake(&t->readers, POLL_READABLE);
		if (events & (LDISC_STARTED | LDISC_FLUSHED_OUT))
			wq_wake(&t->writers, POLL_WRITABLE);
		t->hw->events(t, events);
	}
	t->ld.signals = 0;
	return signals;
}

void tty_unlock(struct tty *t) NO_TSA
{
	uint64_t signals = tty_pass_on_locked(t);

	mutex_unlock(&t->lock);
	while (signals) {
		int bit = __builtin_ctzll(signals);

		signals &= signals - 1;
		tty_signal(t, bit + 1);
	}
}

bool tty_settle(struct tty *t) NO_TSA
{
	if (!t->ld.signals && !t->ld.events)
		return false;
	tty_unlock(t);
	mutex_lock(&t->lock);
	return true;
}

void tty_pump_locked(struct tty *t)
{
	bool had = t->in.count > 0;

	while (t->in.count > 0) {
		size_t n, done;
		const uint8_t *p = byteq_front(&t->in, &n);

		done = ldisc_receive(&t->ld, p, n);
		byteq_drop(&t->in, done);
		if (done < n)
			break;
	}
	if (had && t->in.count == 0 && t->hw->input_room)
		t->hw->input_room(t);
}

/* ---- opening and closing ----------------------------------------------------------------------------- */

static int tty_open_locked(struct vfs_ctx *c, struct tty *t)
{
	int err = t->gone ? -EIO : t->hw->open ? t->hw->open(t) : 0;

	if (err)
		return err;
	if (t->exclusive && !cred_capable(c->cred, CAP_SYS_ADMIN_))
		return -EBUSY;
	t->files++;
	return 0;
}

int tty_open(struct vfs_ctx *c, struct tty *t, struct file *f)
{
	struct tty_file *tf = mem_new(struct tty_file);
	int err;

	if (!tf)
		return -ENOMEM;
	mutex_lock(&t->lock);
	err = tty_open_locked(c, t);
	tf->hangups = t->hangups;
	mutex_unlock(&t->lock);
	if (err) {
		mem_free(tf);
		return err;
	}
	tty_get(t);
	tf->tty = t;
	f->ops = &tty_file_ops;
	f->priv = tf;
	f->kind |= FILE_STREAM;
	if (!(f->kind & FILE_NOCTTY))
		tty_open_controlling(c, t, f);
	return 0;
}

bool tty_hung_up_locked(const struct tty_file *tf)
{
	return tf->hangups != tf->tty->hangups;
}

/* The last file is being closed: let the hardware send what is left, for a while. */
static void tty_linger_locked(struct tty *t)
{
	int64_t deadline_ns = clock_mono_ns() + CLOSING_WAIT_NS;

	while (t->hw->unsent && t->hw->unsent(t) > 0)
		if (wq_wait_until(&t->writers, &t->lock, NULL, deadline_ns) == -ETIMEDOUT)
			break;
}

static void tty_file_release(struct file *f)
{
	struct tty_file *tf = file_priv(f);
	struct tty *t = tf->tty;

	mutex_lock(&t->lock);
	if (!tty_hung_up_locked(tf) && t->files == 1)
		tty_linger_locked(t);
	if (!tty_hung_up_locked(tf) && --t->files == 0 && t->hw->close)
		t->hw->close(t);
	tty_unlock(t);
	tty_put(t);
	mem_free(tf);
}

void tty_hangup(struct tty *t)
{
	mutex_lock(&t->lock);
	t->hangups++;
	if (t->files > 0 && t->hw->close)
		t->hw->close(t);
	t->files = 0;
	t->exclusive = false;
	ldisc_flush_input(&t->ld);
	byteq_clear(&t->in);
	if (t->ld.stopped) {
		t->ld.tco_stopped = false;
		ldisc_start(&t->ld);
	}
	wq_wake(&t->readers, 0);
	wq_wake(&t->writers, 0);
	tty_unlock(t);
	tty_hangup_session(t);
}

struct tty *tty_of_file(const struct file *f)
{
	return f->ops == &tty_file_ops ? ((struct tty_file *)file_priv(f))->tty : NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* One read(2): what it takes and how long it waits. */
struct tty_reading {
	uint8_t *buf;
	size_t size, count;
	size_t least;        /* VMIN; 1 without */
	int64_t between_ns;  /* VTIME after each byte, 0: none */
	int64_t deadline_ns; /* INT64_MAX: none */
};

static void reading_begin(struct tty_reading *r, const struct ldisc *ld)
{
	int64_t time_ns = ld->termios.cc[VTIME] * (NSEC_PER_SEC / 10);

	r->least = 1;
	r->deadline_ns = INT64_MAX;
	if (ldisc_canonical(ld))
		return;
	if (ld->termios.cc[VMIN] > 0) {
		r->least = ld->termios.cc[VMIN];
		r->between_ns = time_ns;
	} else {
		r->deadline_ns = time_ns ? clock_mono_ns() + time_ns : 0;
	}
}

/* Take what there is.  True: the read is complete. */
static bool reading_take(struct tty_reading *r, struct tty *t)
{
	bool canonical = ldisc_canonical(&t->ld);

	if (!ldisc_readable(&t->ld, false))
		return false;
	r->count += ldisc_read(&t->ld, r->buf + r->count, r->size - r->count);
	tty_pump_locked(t);
	if (canonical || r->count >= r->least || r->count == r->size)
		return true;
	if (r->between_ns)
		r->deadline_ns = clock_mono_ns() + r->between_ns;
	return false;
}

static int reading_run_locked(struct vfs_ctx *c, struct tty_file *tf, struct tty_reading *r, int rwf)
{
	struct tty *t = tf->tty;
	bool slept = false;
	int err;

	reading_begin(r, &t->ld);
	for (;;) {
		if (tty_hung_up_locked(tf)) /* who slept when the other side closed is told so */
			return slept && t->gone ? -EIO : 0;
		tty_pump_locked(t);
		if (tty_settle(t))
			continue;
		if (reading_take(r, t))
			return 0;
		if (t->ld.events)
			continue;
		if (r->deadline_ns == 0)
			return 0;
		if (rwf & O_NONBLOCK)
			return -EAGAIN;
		err = wq_wait_until(&t->readers, &t->lock, c->waiter, r->deadline_ns);
		slept = true;
		if (err == -ETIMEDOUT && !ldisc_readable(&t->ld, false))
			return 0;
		if (err < 0 && err != -ETIMEDOUT)
			return err;
	}
}

static ssize_t tty_file_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct tty_file *tf = file_priv(f);
	struct tty *t = tf->tty;
	uint8_t buf[LDISC_SIZE];
	struct tty_reading r = { .buf = buf, .size = MIN(uio_left(dst), sizeof(buf)) };
	int err;

	(void)pos;
	err = tty_check_change(c, t, SIGTTIN);
	if (err)
		return err;
	if (r.size == 0)
		return 0;
	mutex_lock(&t->lock);
	err = reading_run_locked(c, tf, &r, rwf);
	tty_unlock(t);
	if (r.count > 0)
		return uio_put(dst, buf, r.count);
	return err;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Wait for the one that writes now. */
static int writing_begin_locked(struct vfs_ctx *c, struct tty *t, int rwf)
{
	int err = 0;

	while (t->writing && err == 0)
		err = rwf & O_NONBLOCK ? -EAGAIN : wq_wait(&t->writers, &t->lock, c->waiter);
	if (err == 0)
		t->writing = true;
	return err;
}

/* All of p, or as far as it goes: *done says how far. */
static int writing_put_locked(struct vfs_ctx *c, struct tty_file *tf, const uint8_t *p, size_t size,
			      size_t *done, int rwf)
{
	struct tty *t = tf->tty;

	*done = 0;
	for (;;) {
		int err;

		if (tty_hung_up_locked(tf))
			return -EIO;
		*done += ldisc_write(&t->ld, p + *done, size - *done);
		if (*done == size)
			return 0;
		if (tty_settle(t))
			continue; /* the hardware may have taken some at once */
		if (rwf & O_NONBLOCK)
			return -EAGAIN;
		err = wq_wait(&t->writers, &t->lock, c->waiter);
		if (err)
			return err;
	}
}

static ssize_t tty_file_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct tty_file *tf = file_priv(f);
	struct tty *t = tf->tty;
	uint8_t buf[WRITE_CHUNK];
	ssize_t total = 0;
	int err = 0;

	(void)pos;
	if (t->ld.termios.lflag & TOSTOP)
		err = tty_check_change(c, t, SIGTTOU);
	if (err)
		return err;
	mutex_lock(&t->lock);
	err = tty_hung_up_locked(tf) ? -EIO : writing_begin_locked(c, t, rwf);
	if (err) {
		mutex_unlock(&t->lock);
		return err;
	}
	while (err == 0 && uio_left(src) > 0) {
		size_t done;
		ssize_t n;

		tty_unlock(t); /* copying may fault and sleep */
		n = uio_get(src, buf, sizeof(buf));
		mutex_lock(&t->lock);
		if (n <= 0) {
			err = (int)n;
			break;
		}
		err = writing_put_locked(c, tf, buf, (size_t)n, &done, rwf);
		total += (ssize_t)done;
	}
	t->writing = false;
	wq_wake(&t->writers, POLL_WRITABLE);
	tty_unlock(t);
	return total > 0 ? total : err;
}

static uint32_t tty_file_poll(struct file *f, struct poller *p)
{
	struct tty_file *tf = file_priv(f);
	struct tty *t = tf->tty;
	uint32_t events = 0;

	poller_add(p, &t->readers);
	poller_add(p, &t->writers);
	mutex_lock(&t->lock);
	if (tty_hung_up_locked(tf)) {
		events = POLL_READABLE | POLL_WRITABLE | POLLERR | POLLHUP;
	} else {
		tty_pump_locked(t);
		if (ldisc_readable(&t->ld, true))
			events |= POLL_READABLE;
		if (ldisc_writable(&t->ld))
			events |= POLL_WRITABLE;
	}
	tty_unlock(t);
	return events;
}

const struct file_ops tty_file_ops = {
	.read = tty_file_read,
	.write = tty_file_write,
	.poll = tty_file_poll,
	.ioctl = tty_file_ioctl,
	.release = tty_file_release,
};

/* ---- devices -------------------------------------------------------------------------------------------- */

/* /dev/tty: whatever the caller's session has. */
static int dev_tty_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	struct tty *t = tty_of_task(c);
	int err;

	(void)i;
	if (!t)
		return -ENXIO;
	err = tty_open(c, t, f);
	tty_put(t);
	return err;
}

/* A node of devpts; the same number elsewhere leads nowhere. */
static int pts_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	struct tty *t = devpts_tty(i);
	int err;

	if (!t)
		return -EIO;
	err = tty_open(c, t, f);
	tty_put(t);
	return err;
}

static struct chrdev devices[] = {
	{ .major = 5, .minor = 0, .count = 1, .name = "/dev/tty", .node = "tty", .mode = 0666,
	  .open = dev_tty_open },
	{ .major = 5, .minor = 2, .count = 1, .name = "/dev/ptmx", .node = "ptmx", .mode = 0666,
	  .open = ptmx_open },
	{ .major = 136, .minor = 0, .count = 1 << 20, .name = "pts", .open = pts_open },
};

void tty_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		chrdev_register(&devices[i]);
	devpts_init();
}
