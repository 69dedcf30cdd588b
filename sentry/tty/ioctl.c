/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl.c: ioctls of terminals (ioctl_tty(2)): modes, sizes, flow control, queues.
 *
 * Those of a pty's master that are about the pair act on the terminal, as on Linux; queues are seen
 * from the side that asks.  Calls that change something wait, by SIGTTOU, until their caller is in the
 * foreground.  Job control is in job.c, what only masters have in pty.c.
 *
 * What a pty has not (modem lines, serial ports, virtual consoles) gives ENOTTY as on Linux.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "sentry/tty/ldisc_impl.h"
#include "sentry/tty/tty_impl.h"
#include "vfs/file.h"

#define CAP_SYS_ADMIN_ 21
#define CAP_SYS_TTY_CONFIG_ 26

/* _IOR('T', 0x2A, struct termios2) and kin, whose struct the C library does not have. */
#define KTCGETS2  0x802c542au
#define KTCSETS2  0x402c542bu
#define KTCSETSW2 0x402c542cu
#define KTCSETSF2 0x402c542du

/* ---- modes ---------------------------------------------------------------------------------------- */

static long modes_get(struct vfs_ctx *c, struct tty *t, uint64_t arg, size_t size)
{
	struct ktermios k;

	mutex_lock(&t->lock);
	k = t->ld.termios;
	mutex_unlock(&t->lock);
	return vfs_copy_out(c, arg, &k, size);
}

/* TCGETA: the System V struct. */
static long modes_get_old(struct vfs_ctx *c, struct tty *t, uint64_t arg)
{
	struct termio o = { 0 };

	mutex_lock(&t->lock);
	o.c_iflag = (uint16_t)t->ld.termios.iflag;
	o.c_oflag = (uint16_t)t->ld.termios.oflag;
	o.c_cflag = (uint16_t)t->ld.termios.cflag;
	o.c_lflag = (uint16_t)t->ld.termios.lflag;
	o.c_line = t->ld.termios.line;
	memcpy(o.c_cc, t->ld.termios.cc, sizeof(o.c_cc));
	mutex_unlock(&t->lock);
	return vfs_copy_out(c, arg, &o, sizeof(o));
}

static uint32_t keep_locked(uint32_t old, uint32_t new, uint32_t locked)
{
	return (old & locked) | (new & ~locked);
}

/* What TCSETS may not change: locked modes, and what a pty always has. */
static void modes_constrain(const struct tty *t, struct ktermios *k)
{
	const struct ktermios *old = &t->ld.termios, *l = &t->locked;

	k->iflag = keep_locked(old->iflag, k->iflag, l->iflag);
	k->oflag = keep_locked(old->oflag, k->oflag, l->oflag);
	k->cflag = keep_locked(old->cflag, k->cflag, l->cflag);
	k->lflag = keep_locked(old->lflag, k->lflag, l->lflag);
	k->line = l->line ? old->line : k->line;
	for (size_t i = 0; i < KTERMIOS_CC; i++)
		if (l->cc[i])
			k->cc[i] = old->cc[i];
	k->cflag = (k->cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8 | CREAD;
}

/* Sleep until the hardware has sent everything.  0, -ERESTARTSYS. */
static int tty_drain_locked(struct vfs_ctx *c, struct tty *t)
{
	int err = 0;

	tty_settle(t);
	while (!err && t->hw->unsent && t->hw->unsent(t) > 0)
		err = wq_wait(&t->writers, &t->lock, c->waiter);
	return err;
}

enum modes_when { MODES_NOW, MODES_DRAIN, MODES_FLUSH };

static long modes_apply(struct vfs_ctx *c, struct tty *t, struct ktermios *k, enum modes_when when)
{
	struct ktermios old;
	int err = 0;

	mutex_lock(&t->lock);
	if (when == MODES_FLUSH) {
		ldisc_flush_input(&t->ld);
		byteq_clear(&t->in);
	}
	if (when != MODES_NOW)
		err = tty_drain_locked(c, t);
	if (!err) {
		old = t->ld.termios;
		modes_constrain(t, k);
		ldisc_set_termios(&t->ld, k);
		if (t->hw->set_termios)
			t->hw->set_termios(t, &old);
	}
	tty_unlock(t);
	return err;
}

/* TCSETS, W, F (size 36) and TCSETS2, W, F (44). */
static long modes_set(struct vfs_ctx *c, struct tty *t, uint64_t arg, size_t size, enum modes_when when)
{
	struct ktermios k;
	int err = tty_check_change(c, t, SIGTTOU);

	if (err)
		return err;
	mutex_lock(&t->lock);
	k = t->ld.termios;
	mutex_unlock(&t->lock);
	err = vfs_copy_in(c, &k, arg, size);
	if (err)
		return err;
	ktermios_set_speeds(&k);
	return modes_apply(c, t, &k, when);
}

/* TCSETA, W, F: the high halves stay. */
static long modes_set_old(struct vfs_ctx *c, struct tty *t, uint64_t arg, enum modes_when when)
{
	struct ktermios k;
	struct termio o;
	int err = tty_check_change(c, t, SIGTTOU);

	if (!err)
		err = vfs_copy_in(c, &o, arg, sizeof(o));
	if (err)
		return err;
	mutex_lock(&t->lock);
	k = t->ld.termios;
	mutex_unlock(&t->lock);
	k.iflag = (k.iflag & 0xffff0000u) | o.c_iflag;
	k.oflag = (k.oflag & 0xffff0000u) | o.c_oflag;
	k.cflag = (k.cflag & 0xffff0000u) | o.c_cflag;
	k.lflag = (k.lflag & 0xffff0000u) | o.c_lflag;
	k.line = o.c_line;
	memcpy(k.cc, o.c_cc, sizeof(o.c_cc));
	ktermios_set_speeds(&k);
	return modes_apply(c, t, &k, when);
}

static long modes_get_locked(struct vfs_ctx *c, struct tty *t, uint64_t arg)
{
	struct ktermios k;

	mutex_lock(&t->lock);
	k = t->locked;
	mutex_unlock(&t->lock);
	return vfs_copy_out(c, arg, &k, KTERMIOS_SIZE);
}

static long modes_set_locked(struct vfs_ctx *c, struct tty *t, uint64_t arg)
{
	struct ktermios k = { 0 };
	int err;

	if (!cred_capable(c->cred, CAP_SYS_ADMIN_))
		return -EPERM;
	err = vfs_copy_in(c, &k, arg, KTERMIOS_SIZE);
	if (err)
		return err;
	mutex_lock(&t->lock);
	t->locked = k;
	mutex_unlock(&t->lock);
	return 0;
}

/* TIOCGSOFTCAR, TIOCSSOFTCAR: CLOCAL by another name. */
static long modes_clocal(struct vfs_ctx *c, struct tty *t, unsigned int cmd, uint64_t arg)
{
	int on;
	int err = 0;

	if (cmd == TIOCGSOFTCAR) {
		on = (t->ld.termios.cflag & CLOCAL) != 0;
		return vfs_copy_out(c, arg, &on, sizeof(on));
	}
	err = vfs_copy_in(c, &on, arg, sizeof(on));
	if (err)
		return err;
	mutex_lock(&t->lock);
	t->ld.termios.cflag = (t->ld.termios.cflag & ~(uint32_t)CLOCAL) | (on ? CLOCAL : 0);
	mutex_unlock(&t->lock);
	return 0;
}

static long tty_ioctl_modes(struct vfs_ctx *c, struct tty *t, unsigned int cmd, uint64_t arg)
{
	switch (cmd) {
	case TCGETS:
		return modes_get(c, t, arg, KTERMIOS_SIZE);
	case KTCGETS2:
		return modes_get(c, t, arg, sizeof(struct ktermios));
	case TCGETA:
		return modes_get_old(c, t, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return modes_set(c, t, arg, KTERMIOS_SIZE, (enum modes_when)(cmd - TCSETS));
	case KTCSETS2:
	case KTCSETSW2:
	case KTCSETSF2:
		return modes_set(c, t, arg, sizeof(struct ktermios), (enum modes_when)(cmd - KTCSETS2));
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return modes_set_old(c, t, arg, (enum modes_when)(cmd - TCSETA));
	case TIOCGLCKTRMIOS:
		return modes_get_locked(c, t, arg);
	case TIOCSLCKTRMIOS:
		return modes_set_locked(c, t, arg);
	case TIOCGSOFTCAR:
	case TIOCSSOFTCAR:
		return modes_clocal(c, t, cmd, arg);
	default:
		return -ENOTTY;
	}
}

/* ---- size ------------------------------------------------------------------------------------------- */

void tty_resize(struct tty *t, const struct winsize *size)
{
	bool changed;

	mutex_lock(&t->lock);
	changed = memcmp(&t->size, size, sizeof(*size)) != 0;
	t->size = *size;
	if (changed && t->hw->set_size)
		t->hw->set_size(t);
	tty_unlock(t);
	if (changed)
		tty_signal(t, SIGWINCH);
}

static long tty_ioctl_size(struct vfs_ctx *c, struct tty *t, unsigned int cmd, uint64_t arg)
{
	struct winsize w;
	bool changed = false;
	int err;

	if (cmd == TIOCSWINSZ) {
		err = vfs_copy_in(c, &w, arg, sizeof(w));
		if (!err)
			tty_resize(t, &w);
		return err;
	}
	mutex_lock(&t->lock);
	if (t->hw->update_size)
		changed = t->hw->update_size(t);
	w = t->size;
	mutex_unlock(&t->lock);
	if (changed)
		tty_signal(t, SIGWINCH);
	return vfs_copy_out(c, arg, &w, sizeof(w));
}

/* ---- flow and queues ----------------------------------------------------------------------------------- */

/* TCXONC. */
static long tty_flow(struct vfs_ctx *c, struct tty *t, uint64_t arg)
{
	unsigned int which = arg == TCIOFF ? VSTOP : VSTART;
	int err = tty_check_change(c, t, SIGTTOU);

	if (err)
		return err;
	mutex_lock(&t->lock);
	switch (arg) {
	case TCOOFF:
		t->ld.tco_stopped = true;
		ldisc_stop(&t->ld);
		break;
	case TCOON:
		if (t->ld.tco_stopped) {
			t->ld.tco_stopped = false;
			ldisc_start(&t->ld);
		}
		break;
	case TCIOFF:
	case TCION:
		if (t->ld.termios.cc[which] != LDISC_VDISABLE)
			t->hw->send_urgent(t, t->ld.termios.cc[which]);
		break;
	default:
		err = -EINVAL;
	}
	tty_unlock(t);
	return err;
}

/* TCFLSH on either side: a master's input is the terminal's output. */
static long tty_flush(struct vfs_ctx *c, struct tty *t, enum tty_side side, uint64_t arg)
{
	bool in = arg == TCIFLUSH || arg == TCIOFLUSH, out = arg == TCOFLUSH || arg == TCIOFLUSH;
	int err = 0;

	if (side == TTY_SIDE_MASTER) {
		bool swap = in;

		in = out;
		out = swap;
	} else {
		err = tty_check_change(c, t, SIGTTOU);
	}
	if (err)
		return err;
	if (!in && !out)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (in) {
		ldisc_flush_input(&t->ld);
		if (t->in.count > 0) {
			byteq_clear(&t->in);
			if (t->hw->input_room)
				t->hw->input_room(t);
		}
	}
	if (out)
		ldisc_flush_output(&t->ld);
	tty_unlock(t);
	return 0;
}

/* TCSBRK and kin: there is no line to break, but output is waited for. */
static long tty_break(struct vfs_ctx *c, struct tty *t)
{
	int err = tty_check_change(c, t, SIGTTOU);

	if (err)
		return err;
	mutex_lock(&t->lock);
	err = tty_drain_locked(c, t);
	tty_unlock(t);
	return err;
}

/* FIONREAD and TIOCOUTQ. */
static long tty_queue_size(struct vfs_ctx *c, struct tty *t, enum tty_side side, unsigned int cmd,
			   uint64_t arg)
{
	int n = 0;

	mutex_lock(&t->lock);
	if (cmd == TIOCOUTQ)
		n = side == TTY_SIDE_TERMINAL && t->hw->unsent ? (int)t->hw->unsent(t) : 0;
	else if (side == TTY_SIDE_MASTER)
		n = (int)t->ld.out.count;
	else
		n = (int)ldisc_input_count(&t->ld);
	mutex_unlock(&t->lock);
	return vfs_copy_out(c, arg, &n, sizeof(n));
}

/*
 * TIOCSTI: a byte as if typed, for one's own terminal or root.  (dev.tty.legacy_tiocsti is 1, Linux's
 * built-in default.)  On a master it becomes input of the master.
 */
static long tty_fake_input(struct vfs_ctx *c, struct tty *t, enum tty_side side, uint64_t arg)
{
	struct tty *own = tty_of_task(c);
	bool mine = own == t && side == TTY_SIDE_TERMINAL;
	uint8_t byte;
	int err;

	tty_put(own);
	if (!mine && !cred_capable(c->cred, CAP_SYS_ADMIN_))
		return -EPERM;
	err = vfs_copy_in(c, &byte, arg, 1);
	if (err)
		return err;
	mutex_lock(&t->lock);
	if (side == TTY_SIDE_MASTER) {
		if (byteq_put(&t->ld.out, &byte, 1, LDISC_OUT_LIMIT))
			t->ld.events |= LDISC_OUTPUT;
	} else {
		tty_pump_locked(t);
		if (t->in.count > 0 || !ldisc_receive(&t->ld, &byte, 1))
			(void)byteq_put(&t->in, &byte, 1, TTY_IN_LIMIT);
	}
	tty_unlock(t);
	return 0;
}

static long tty_ioctl_queues(struct vfs_ctx *c, struct tty *t, enum tty_side side, unsigned int cmd,
			     uint64_t arg)
{
	switch (cmd) {
	case TCXONC:
		return tty_flow(c, t, arg);
	case TCFLSH:
		return tty_flush(c, t, side, arg);
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
		return tty_break(c, t);
	case FIONREAD:
	case TIOCOUTQ:
		return tty_queue_size(c, t, side, cmd, arg);
	case TIOCSTI:
		return tty_fake_input(c, t, side, arg);
	default:
		return -ENOTTY;
	}
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

/* TIOCEXCL, TIOCNXCL, TIOCGEXCL. */
static long tty_exclusive(struct vfs_ctx *c, struct tty *t, unsigned int cmd, uint64_t arg)
{
	int on;

	mutex_lock(&t->lock);
	if (cmd != TIOCGEXCL)
		t->exclusive = cmd == TIOCEXCL;
	on = t->exclusive;
	mutex_unlock(&t->lock);
	return cmd == TIOCGEXCL ? vfs_copy_out(c, arg, &on, sizeof(on)) : 0;
}

static long tty_ioctl_misc(struct vfs_ctx *c, struct tty *t, unsigned int cmd, uint64_t arg)
{
	int n = 0;
	int err;

	switch (cmd) {
	case TIOCEXCL:
	case TIOCNXCL:
	case TIOCGEXCL:
		return tty_exclusive(c, t, cmd, arg);
	case TIOCGETD: /* N_TTY is 0 and the only one */
		return vfs_copy_out(c, arg, &n, sizeof(n));
	case TIOCSETD:
		err = vfs_copy_in(c, &n, arg, sizeof(n));
		return err ? err : n == 0 ? 0 : -EINVAL;
	case TIOCGDEV:
		n = (int)t->rdev;
		return vfs_copy_out(c, arg, &n, sizeof(n));
	case TIOCVHANGUP:
		if (!cred_capable(c->cred, CAP_SYS_ADMIN_))
			return -EPERM;
		tty_hangup(t);
		return 0;
	case TIOCGPTPEER: /* a master's */
		return -EIO;
	case TIOCCONS: /* there is no system console to redirect */
		return -EPERM;
	default:
		return -ENOTTY;
	}
}

long tty_ioctl_common(struct vfs_ctx *c, struct file *f, struct tty *t, enum tty_side side,
		      unsigned int cmd, uint64_t arg)
{
	long r;

	if (cmd == TIOCGWINSZ || cmd == TIOCSWINSZ)
		return tty_ioctl_size(c, t, cmd, arg);
	r = tty_ioctl_modes(c, t, cmd, arg);
	if (r == -ENOTTY)
		r = tty_ioctl_queues(c, t, side, cmd, arg);
	if (r == -ENOTTY)
		r = tty_job_ioctl(c, f, t, side, cmd, arg);
	if (r == -ENOTTY)
		r = tty_ioctl_misc(c, t, cmd, arg);
	return r;
}

long tty_file_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct tty_file *tf = file_priv(f);
	struct tty *t = tf->tty;
	bool hung_up;

	mutex_lock(&t->lock);
	hung_up = tty_hung_up_locked(tf);
	mutex_unlock(&t->lock);
	if (hung_up)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_ioctl_common(c, f, t, TTY_SIDE_TERMINAL, cmd, arg);
}
