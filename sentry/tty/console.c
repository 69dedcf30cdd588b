/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c: a container's terminal: its hardware is the slave of a pty on the host, whose master a
 * client (Docker's shim, conmon, our own relay) holds.
 *
 * The host's pty is made raw, so that it only carries bytes: line editing, signals and job control are
 * those of our own line discipline.  Its first modes are taken over from the host's, because clients
 * set some there (ONLCR) before the container starts.  The pty was made for this container alone, so
 * that its description may be made non-blocking.
 *
 *     host read ─▶ in / line discipline        event worker ─▶ console_work() on a service fiber
 *     ld.out ─▶ host write, at once; what does not fit waits for EPOLLOUT
 *
 * A program that writes byte by byte or line by line would wake the reader outside each time: within
 * BATCH_NS of the last write to the host, output is left to a service fiber, and gathers meanwhile.
 *
 * Flow control: while input waits in tty->in nothing is read from the host; output beyond
 * LDISC_OUT_LIMIT makes writers wait.  The last close waits for output to go (tty.c), so that a
 * container's last words arrive.
 *
 * When the host's master is closed the terminal hangs up, for good.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "sentry/task/task.h"
#include "sentry/tty/tty_impl.h"

#define PTS_MAJOR 136
#define NO_INDEX UINT32_MAX
#define CHUNK 1024
#define CHUNKS_AT_ONCE 8
#define BATCH_NS (300 * NSEC_PER_USEC)

/* (c) constant, (l) tty.lock, (a) atomic */
struct console {
	struct tty tty;
	int fd;                /* (c) owned */
	struct hostfd watch;
	bool watched;          /* (c) watch was set up */
	struct work work;
	atomic_bool pending;   /* (a) work is queued and holds a reference */
	struct winsize host_size; /* (l) as last seen on the host */
	struct devpts *devpts; /* (c) NULL: anonymous */
	unsigned int index;    /* (c) */
	int64_t written_ns;    /* (l) when something was last written to the host */
};

static struct console *console_of(struct tty *t)
{
	return container_of(t, struct console, tty);
}

/* ---- moving bytes -------------------------------------------------------------------------------------- */

static void console_arm_locked(struct console *k)
{
	if (!k->tty.gone)
		hostfd_watch(&k->watch, (k->tty.in.count == 0 ? EPOLLIN : 0u) |
						(k->tty.ld.out.count > 0 ? EPOLLOUT : 0u));
}

static void console_write_locked(struct console *k)
{
	struct ldisc *ld = &k->tty.ld;
	bool was_full = !ldisc_writable(ld);
	ssize_t n = 1;

	if (ld->out.count > 0)
		k->written_ns = clock_mono_ns();

	while (ld->out.count > 0 && n > 0) {
		size_t size;
		const uint8_t *p = byteq_front(&ld->out, &size);

		n = k->tty.gone ? -EIO : host_write(k->fd, p, size);
		if (n == -EINTR)
			n = 1;
		else if (n > 0)
			byteq_drop(&ld->out, (size_t)n);
		else if (n != -EAGAIN)
			byteq_clear(&ld->out); /* nobody will ever read it */
		ldisc_output_taken(ld);
	}
	if (ld->out.count == 0 || (was_full && ldisc_writable(ld)))
		wq_wake(&k->tty.writers, POLL_WRITABLE);
}

static void console_read_locked(struct console *k)
{
	struct tty *t = &k->tty;

	for (int i = 0; i < CHUNKS_AT_ONCE && t->in.count == 0 && !k->tty.gone; i++) {
		uint8_t buf[CHUNK];
		size_t done;
		ssize_t n = host_read(k->fd, buf, sizeof(buf));

		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n <= 0) {
			k->tty.gone = true;
			break;
		}
		done = ldisc_receive(&t->ld, buf, (size_t)n);
		(void)byteq_put(&t->in, buf + done, (size_t)n - done, TTY_IN_LIMIT);
	}
}

static void console_work(void *arg)
{
	struct console *k = arg;
	bool gone;

	atomic_store_explicit(&k->pending, false, memory_order_seq_cst);
	mutex_lock(&k->tty.lock);
	gone = k->tty.gone;
	console_write_locked(k);
	console_read_locked(k);
	gone = k->tty.gone && !gone;
	console_arm_locked(k);
	tty_unlock(&k->tty);
	if (gone)
		tty_hangup(&k->tty);
	tty_put(&k->tty);
}

/* Have console_work() run soon.  From any thread; k may be about to die. */
static void console_queue(struct console *k)
{
	if (atomic_exchange_explicit(&k->pending, true, memory_order_seq_cst))
		return;
	if (ref_try_get(&k->tty.ref))
		work_queue(&k->work);
}

/* On the event worker. */
static void console_ready(struct hostfd *h, uint32_t events)
{
	(void)events;
	console_queue(container_of(h, struct console, watch));
}

/* ---- the hardware ---------------------------------------------------------------------------------------- */

static void console_events(struct tty *t, unsigned int events)
{
	struct console *k = console_of(t);

	if (!(events & LDISC_OUTPUT))
		return;
	if (clock_mono_ns() - k->written_ns < BATCH_NS) {
		console_queue(k);
	} else {
		console_write_locked(k);
		if (t->ld.out.count > 0)
			console_arm_locked(k);
	}
}

static void console_input_room(struct tty *t)
{
	console_arm_locked(console_of(t));
}

static void console_set_size(struct tty *t)
{
	struct console *k = console_of(t);

	k->host_size = t->size;
	(void)host_ioctl(k->fd, TIOCSWINSZ, &k->host_size);
}

/* Whoever holds the host's master may have changed the size there. */
static bool console_update_size(struct tty *t)
{
	struct console *k = console_of(t);
	struct winsize now;

	if (k->tty.gone || host_ioctl(k->fd, TIOCGWINSZ, &now) < 0 ||
	    !memcmp(&now, &k->host_size, sizeof(now)))
		return false;
	k->host_size = t->size = now;
	return true;
}

static size_t console_unsent(struct tty *t)
{
	return t->gone ? 0 : t->ld.out.count;
}

static void console_send_urgent(struct tty *t, uint8_t byte)
{
	if (byteq_put(&t->ld.out, &byte, 1, LDISC_OUT_LIMIT + LDISC_ECHO_LIMIT))
		t->ld.events |= LDISC_OUTPUT;
}

static void console_free(struct tty *t)
{
	struct console *k = console_of(t);

	if (k->watched)
		hostfd_fini(&k->watch);
	if (k->devpts) {
		devpts_remove(k->devpts, k->index);
		devpts_put(k->devpts);
	}
	if (k->fd >= 0)
		host_close(k->fd);
	tty_teardown(t);
	mem_free(k);
}

static const struct tty_hw console_hw = {
	.events = console_events,
	.input_room = console_input_room,
	.set_size = console_set_size,
	.update_size = console_update_size,
	.unsent = console_unsent,
	.send_urgent = console_send_urgent,
	.free = console_free,
};

/* ---- making one -------------------------------------------------------------------------------------------- */

/* Take over the host's modes, then make it raw.  -ENOTTY: no terminal. */
static int console_setup_host(struct console *k)
{
	union {
		struct ktermios k;
		char room[64]; /* the host's kernel writes its own struct termios: 36 bytes */
	} u;
	long r;

	memset(&u, 0, sizeof(u));
	r = host_ioctl(k->fd, TCGETS, &u);
	if (r < 0)
		return (int)r;
	k->tty.ld.termios.iflag = u.k.iflag;
	k->tty.ld.termios.oflag = u.k.oflag;
	k->tty.ld.termios.cflag = u.k.cflag;
	k->tty.ld.termios.lflag = u.k.lflag;
	memcpy(k->tty.ld.termios.cc, u.k.cc, sizeof(u.k.cc));
	ktermios_set_speeds(&k->tty.ld.termios);
	u.k.iflag = 0;
	u.k.oflag = 0;
	u.k.lflag = 0;
	u.k.cflag = (u.k.cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8;
	u.k.cc[VMIN] = 1;
	u.k.cc[VTIME] = 0;
	r = host_ioctl(k->fd, TCSETS, &u);
	if (r < 0)
		return (int)r;
	r = host_fcntl(k->fd, F_GETFL, 0);
	if (r >= 0)
		r = host_fcntl(k->fd, F_SETFL, r | O_NONBLOCK);
	return (int)MIN(r, 0L);
}

static void console_setup_size(struct console *k, unsigned int rows, unsigned int columns)
{
	struct tty *t = &k->tty;

	if (host_ioctl(k->fd, TIOCGWINSZ, &k->host_size) < 0)
		memset(&k->host_size, 0, sizeof(k->host_size));
	t->size = k->host_size;
	if (rows > 0 && columns > 0) {
		t->size.ws_row = (unsigned short)rows;
		t->size.ws_col = (unsigned short)columns;
		console_set_size(t);
	}
}

static int console_alloc(int host_fd, uint64_t rdev, struct console **out)
{
	struct console *k = mem_new(struct console);
	int err;

	if (!k)
		return -ENOMEM;
	err = tty_setup(&k->tty, &console_hw, rdev);
	if (err) {
		mem_free(k);
		return err;
	}
	k->fd = host_fd;
	k->index = NO_INDEX;
	work_init(&k->work, console_work, k);
	err = console_setup_host(k);
	if (!err)
		err = hostfd_init(&k->watch, host_fd, console_ready);
	if (err) {
		k->fd = -1;
		console_free(&k->tty);
		return err;
	}
	k->watched = true;
	*out = k;
	return 0;
}

/* The number in /dev/pts, if that is there: *d stays NULL otherwise. */
static int console_number(struct vfs_ctx *c, struct devpts **d, unsigned int *index)
{
	struct path dir;
	int err = 0;

	*d = NULL;
	if (vfs_walk(c, NULL, "/dev/pts", WALK_FOLLOW | WALK_DIRECTORY, &dir) < 0)
		return 0;
	*d = devpts_at(&dir);
	path_put(&dir);
	if (*d)
		err = devpts_reserve(*d, index);
	if (err) {
		devpts_put(*d);
		*d = NULL;
	}
	return err;
}

static int console_open_file(struct vfs_ctx *c, struct console *k, struct file **out)
{
	struct open_how_args how = { .flags = O_RDWR | O_NOCTTY };
	static const struct file_ops unused = { .read = NULL };
	char name[32];
	struct file *f;
	int err;

	if (k->devpts) {
		snprintf(name, sizeof(name), "/dev/pts/%u", k->index);
		return vfs_open(c, NULL, name, &how, out);
	}
	err = file_new_anon("tty", &unused, NULL, O_RDWR, FILE_READ | FILE_WRITE | FILE_NOCTTY,
			    c->cred, &f);
	if (err)
		return err;
	err = tty_open(c, &k->tty, f);
	if (err) {
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}

int console_new(struct vfs_ctx *c, int host_fd, unsigned int rows, unsigned int columns,
		struct tty **out, struct file **file)
{
	struct devpts *d;
	struct console *k;
	unsigned int index = 0;
	int err = console_number(c, &d, &index);

	if (err)
		return err;
	err = console_alloc(host_fd, d ? makedev(PTS_MAJOR, index) : 0, &k);
	if (err) {
		if (d)
			devpts_remove(d, index);
		devpts_put(d);
		return err;
	}
	k->devpts = d;
	k->index = index;
	console_setup_size(k, rows, columns);
	if (d)
		err = devpts_add(d, index, &k->tty, c->cred);
	if (!err)
		err = console_open_file(c, k, file);
	if (err) {
		hostfd_fini(&k->watch);
		k->watched = false;
		k->fd = -1; /* stays the caller's */
		tty_put(&k->tty);
		return err;
	}
	*out = &k->tty;
	mutex_lock(&k->tty.lock);
	console_arm_locked(k);
	mutex_unlock(&k->tty.lock);
	return 0;
}

int console_bind(struct vfs_ctx *c, struct tty *t)
{
	struct console *k = console_of(t);
	char name[32];
	int err;

	if (!k->devpts)
		return 0;
	snprintf(name, sizeof(name), "/dev/pts/%u", k->index);
	err = vfs_mknod(c, NULL, "/dev/console", S_IFREG | 0600, 0);
	if (err && err != -EEXIST)
		return err;
	return vfs_mount(c, name, "/dev/console", NULL, MS_BIND, NULL);
}

int console_resize(struct process *p, unsigned int rows, unsigned int columns)
{
	struct winsize size;
	struct tty *t = NULL;

	mutex_lock(&tasklist.lock);
	if (p->pgrp && p->pgrp->session->tty && p->pgrp->session->tty->hw == &console_hw) {
		t = p->pgrp->session->tty;
		tty_get(t);
	}
	mutex_unlock(&tasklist.lock);
	if (!t)
		return -ENOTTY;
	mutex_lock(&t->lock);
	if (rows == 0 && columns == 0)
		(void)console_update_size(t);
	size = t->size;
	mutex_unlock(&t->lock);
	if (rows == 0 && columns == 0) {
		tty_signal(t, SIGWINCH);
	} else {
		size.ws_row = (unsigned short)rows;
		size.ws_col = (unsigned short)columns;
		tty_resize(t, &size);
	}
	tty_put(t);
	return 0;
}
