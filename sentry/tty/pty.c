/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty.c: pseudo-terminals (pty(7)): the master side.
 *
 * Opening /dev/ptmx makes a terminal with a number in the devpts that the node belongs to; the opened
 * file is its master.  The master reads what the terminal puts out (ld.out) and writes its input.
 *
 * A master may write before the terminal is opened, and after it was closed: the line discipline keeps
 * (and echoes) what comes.
 *
 * Ends: when the master is closed the number goes, the terminal hangs up and can't be opened again.
 * When the terminal's last file is closed the master reads what is left, then EIO, until somebody
 * opens the terminal once more.
 *
 * Packet mode: a read of the master gives a control byte in front; changes of the terminal's state
 * come as control bytes of their own, and POLLPRI.
 *
 * References: the master's file holds the terminal and its devpts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/task/task.h"
#include "sentry/tty/ldisc_impl.h"
#include "sentry/tty/tty_impl.h"
#include "vfs/file.h"
#include "vfs/poll.h"

#define PTY_MAJOR 136
#define PTY_IN_LIMIT 65536 /* what a master may write ahead of the terminal's readers */
#define CHUNK 4096

/* (c) constant, (l) tty.lock */
struct pty {
	struct tty tty;
	unsigned int index;       /* (c) */
	struct devpts *devpts;    /* (c) the master's; NULL when that was closed */
	bool locked;              /* (l) TIOCSPTLCK: the terminal can't be opened yet */
	bool terminal_closed;     /* (l) it was open and is not now */
	bool packet;              /* (l) TIOCPKT */
	uint8_t status;           /* (l) TIOCPKT_*: not yet read by the master */
	struct wq master_readers, master_writers;
};

static struct pty *pty_of(struct tty *t)
{
	return container_of(t, struct pty, tty);
}

/* ---- the terminal's hardware ------------------------------------------------------------------------ */

static int pty_terminal_open(struct tty *t)
{
	struct pty *p = pty_of(t);

	if (p->locked)
		return -EIO;
	p->terminal_closed = false;
	return 0;
}

static void pty_terminal_close(struct tty *t)
{
	struct pty *p = pty_of(t);

	p->terminal_closed = true;
	wq_wake(&p->master_readers, 0);
	wq_wake(&p->master_writers, 0);
}

static void pty_status(struct pty *p, uint8_t set, uint8_t clear)
{
	if (!p->packet)
		return;
	p->status = (uint8_t)((p->status & ~clear) | set);
	wq_wake(&p->master_readers, POLLPRI | POLL_READABLE);
}

static void pty_events(struct tty *t, unsigned int events)
{
	struct pty *p = pty_of(t);

	if (events & LDISC_OUTPUT)
		wq_wake(&p->master_readers, POLL_READABLE);
	if (events & LDISC_FLUSHED_IN) {
		pty_status(p, TIOCPKT_FLUSHREAD, 0);
		wq_wake(&p->master_writers, POLL_WRITABLE);
	}
	if (events & LDISC_FLUSHED_OUT)
		pty_status(p, TIOCPKT_FLUSHWRITE, 0);
	if (events & LDISC_STOPPED)
		pty_status(p, TIOCPKT_STOP, TIOCPKT_START);
	if (events & LDISC_STARTED)
		pty_status(p, TIOCPKT_START, TIOCPKT_STOP);
}

static void pty_input_room(struct tty *t)
{
	wq_wake(&pty_of(t)->master_writers, POLL_WRITABLE);
}

/* Flow control as users know it: IXON with ^S and ^Q. */
static bool termios_usual_flow(const struct ktermios *k)
{
	return (k->iflag & IXON) && k->cc[VSTOP] == 023 && k->cc[VSTART] == 021;
}

static void pty_set_termios(struct tty *t, const struct ktermios *old)
{
	const struct ktermios *new = &t->ld.termios;
	bool extproc = (old->lflag | new->lflag) & EXTPROC;
	bool flow = termios_usual_flow(new);

	if (flow == termios_usual_flow(old) && !extproc)
		return;
	pty_status(pty_of(t), (uint8_t)((flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP) |
					(extproc ? TIOCPKT_IOCTL : 0)),
		   TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
}

static void pty_send_urgent(struct tty *t, uint8_t byte)
{
	if (byteq_put(&t->ld.out, &byte, 1, LDISC_OUT_LIMIT + LDISC_ECHO_LIMIT))
		t->ld.events |= LDISC_OUTPUT;
}

static void pty_free(struct tty *t)
{
	tty_teardown(t);
	mem_free(pty_of(t));
}

static const struct tty_hw pty_hw = {
	.open = pty_terminal_open,
	.close = pty_terminal_close,
	.events = pty_events,
	.input_room = pty_input_room,
	.set_termios = pty_set_termios,
	.send_urgent = pty_send_urgent,
	.free = pty_free,
};

/* ---- reading and writing the master ------------------------------------------------------------------- */

static bool master_readable_locked(const struct pty *p)
{
	return p->tty.ld.out.count > 0 || (p->packet && p->status);
}

/* What one read gives.  The caller has seen that there is something. */
static size_t master_take_locked(struct pty *p, uint8_t *buf, size_t size)
{
	struct ldisc *ld = &p->tty.ld;
	bool was_full = !ldisc_writable(ld);
	size_t n = 0;

	if (p->packet) {
		buf[n++] = p->status;
		if (p->status) {
			p->status = 0;
			return n;
		}
	}
	n += byteq_take(&ld->out, buf + n, size - n);
	ldisc_output_taken(ld);
	if (was_full && ldisc_writable(ld))
		wq_wake(&p->tty.writers, POLL_WRITABLE);
	return n;
}

static ssize_t master_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct pty *p = file_priv(f);
	struct tty *t = &p->tty;
	size_t size = MIN(uio_left(dst), (size_t)LDISC_OUT_LIMIT), n = 0;
	uint8_t small[CHUNK], *buf = small;
	int err = 0;

	(void)pos;
	if (size == 0)
		return 0;
	mutex_lock(&t->lock);
	while (!master_readable_locked(p) && err == 0) {
		if (p->terminal_closed)
			err = -EIO;
		else if (rwf & O_NONBLOCK)
			err = -EAGAIN;
		else
			err = wq_wait(&p->master_readers, &t->lock, c->waiter);
	}
	if (err == 0) {
		if (size > sizeof(small) && t->ld.out.count > sizeof(small))
			buf = mem_alloc(size);
		if (!buf)
			buf = small;
		n = master_take_locked(p, buf, buf == small ? MIN(size, sizeof(small)) : size);
	}
	tty_unlock(t);
	if (err == 0)
		err = (int)uio_put(dst, buf, n);
	if (buf != small)
		mem_free(buf);
	return err;
}

/* How much of p the terminal takes now. */
static size_t master_put_locked(struct pty *p, const uint8_t *bytes, size_t size)
{
	struct tty *t = &p->tty;
	size_t done = 0;

	tty_pump_locked(t);
	if (t->in.count == 0)
		done = ldisc_receive(&t->ld, bytes, size);
	return done + byteq_put(&t->in, bytes + done, size - done, PTY_IN_LIMIT);
}

static int master_put_all(struct vfs_ctx *c, struct pty *p, const uint8_t *bytes, size_t size,
			  size_t *done, int rwf)
{
	struct tty *t = &p->tty;
	int err = 0;

	*done = 0;
	mutex_lock(&t->lock);
	for (;;) {
		*done += master_put_locked(p, bytes + *done, size - *done);
		if (*done == size)
			break;
		if (tty_settle(t))
			continue;
		err = rwf & O_NONBLOCK ? -EAGAIN : wq_wait(&p->master_writers, &t->lock, c->waiter);
		if (err)
			break;
	}
	tty_unlock(t);
	return err;
}

static ssize_t master_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct pty *p = file_priv(f);
	uint8_t buf[CHUNK];
	ssize_t total = 0;
	int err = 0;

	(void)pos;
	while (err == 0 && uio_left(src) > 0) {
		size_t done;
		ssize_t n = uio_get(src, buf, sizeof(buf));

		if (n <= 0) {
			err = (int)n;
			break;
		}
		err = master_put_all(c, p, buf, (size_t)n, &done, rwf);
		total += (ssize_t)done;
	}
	return total > 0 ? total : err;
}

static uint32_t master_poll(struct file *f, struct poller *poller)
{
	struct pty *p = file_priv(f);
	struct tty *t = &p->tty;
	uint32_t events = 0;

	poller_add(poller, &p->master_readers);
	poller_add(poller, &p->master_writers);
	mutex_lock(&t->lock);
	if (master_readable_locked(p))
		events |= POLL_READABLE;
	if (p->packet && p->status)
		events |= POLLPRI;
	if (p->terminal_closed)
		events |= POLLHUP;
	if (t->in.count < PTY_IN_LIMIT)
		events |= POLL_WRITABLE;
	mutex_unlock(&t->lock);
	return events;
}

/* ---- the master's ioctls -------------------------------------------------------------------------------- */

static long master_get(struct vfs_ctx *c, uint64_t arg, int value)
{
	return vfs_copy_out(c, arg, &value, sizeof(value));
}

/* TIOCSPTLCK, TIOCPKT. */
static long master_set_flag(struct vfs_ctx *c, struct pty *p, unsigned int cmd, uint64_t arg)
{
	int on;
	int err = vfs_copy_in(c, &on, arg, sizeof(on));

	if (err)
		return err;
	mutex_lock(&p->tty.lock);
	if (cmd == TIOCSPTLCK) {
		p->locked = on;
	} else if (on && !p->packet) {
		p->packet = true;
		p->status = 0;
	} else if (!on) {
		p->packet = false;
	}
	mutex_unlock(&p->tty.lock);
	return 0;
}

/* TIOCSIG: a signal to the foreground group, as a remote terminal's user sends it. */
static long master_signal(struct pty *p, uint64_t sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	tty_signal(&p->tty, (int)sig);
	return 0;
}

/* TIOCGPTPEER: open the terminal by its number, wherever its devpts is mounted. */
static long master_open_peer(struct vfs_ctx *c, struct file *f, struct pty *p, int flags)
{
	struct task *task = ctx_task(c);
	struct path dir, node;
	struct file *peer;
	struct buf name = BUF_INIT;
	int err;

	if (!task)
		return -ENOTTY;
	err = devpts_dir_of_ptmx(c, &f->path, &dir);
	if (err)
		return err;
	buf_printf(&name, "%u", p->index);
	err = buf_error(&name);
	if (!err)
		err = vfs_walk(c, &dir, name.data, 0, &node);
	buf_fini(&name);
	path_put(&dir);
	if (err)
		return err;
	err = vfs_open_path(c, &node, flags & ~O_CLOEXEC, &peer);
	path_put(&node);
	if (err)
		return err;
	return fdt_add(task->fdt, peer, flags & O_CLOEXEC, task_rlimit(task, RLIMIT_NOFILE));
}

static long master_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct pty *p = file_priv(f);

	switch (cmd) {
	case TIOCGPTN:
		return master_get(c, arg, (int)p->index);
	case TIOCSPTLCK:
	case TIOCPKT:
		return master_set_flag(c, p, cmd, arg);
	case TIOCGPTLCK:
		return master_get(c, arg, p->locked);
	case TIOCGPKT:
		return master_get(c, arg, p->packet);
	case TIOCGPTPEER:
		return master_open_peer(c, f, p, (int)arg);
	case TIOCSIG:
		return master_signal(p, arg);
	default:
		return tty_ioctl_common(c, f, &p->tty, TTY_SIDE_MASTER, cmd, arg);
	}
}

/* ---- life ------------------------------------------------------------------------------------------------- */

static void master_show_fdinfo(struct file *f, struct buf *b)
{
	buf_printf(b, "tty-index:\t%u\n", ((struct pty *)file_priv(f))->index);
}

static void master_release(struct file *f)
{
	struct pty *p = file_priv(f);
	struct devpts *devpts = p->devpts;

	devpts_remove(devpts, p->index);
	mutex_lock(&p->tty.lock);
	p->tty.gone = true;
	p->devpts = NULL;
	mutex_unlock(&p->tty.lock);
	tty_hangup(&p->tty);
	tty_put(&p->tty);
	devpts_put(devpts);
}

static const struct file_ops master_ops = {
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.show_fdinfo = master_show_fdinfo,
	.release = master_release,
};

static int pty_new(struct devpts *d, const struct cred *cred, struct pty **out)
{
	struct pty *p = mem_new(struct pty);
	unsigned int index;
	int err;

	if (!p)
		return -ENOMEM;
	err = devpts_reserve(d, &index);
	if (err)
		goto free_pty;
	err = tty_setup(&p->tty, &pty_hw, makedev(PTY_MAJOR, index));
	if (err)
		goto release_index;
	p->index = index;
	p->devpts = d;
	p->locked = true;
	wq_init(&p->master_readers);
	wq_init(&p->master_writers);
	err = devpts_add(d, index, &p->tty, cred);
	if (err)
		goto teardown;
	*out = p;
	return 0;

teardown:
	tty_teardown(&p->tty);
release_index:
	devpts_remove(d, index);
free_pty:
	mem_free(p);
	return err;
}

int ptmx_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	struct devpts *d;
	struct pty *p = NULL;
	int err = devpts_of_ptmx(c, &f->path, &d);

	(void)i;
	if (err)
		return err;
	err = pty_new(d, c->cred, &p);
	if (err) {
		devpts_put(d);
		return err;
	}
	f->ops = &master_ops;
	f->priv = p;
	f->kind |= FILE_STREAM;
	return 0;
}
