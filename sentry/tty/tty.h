/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty.h: terminals, as far as processes, sessions and containers need to know (tty(4), pty(7),
 * credentials(7)).
 */
#pragma once

#include <stdint.h>

#include "lib/util.h"

struct file;
struct process;
struct task;
struct tty;
struct vfs_ctx;

/* Devices (/dev/tty, /dev/ptmx, ptys) and the file system type devpts.  At boot. */
void tty_init(void);
/* What /proc shows of them.  After the proc file system.  -ENOMEM, or 0. */
int tty_proc_init(void) must_check;

void tty_get(struct tty *t);
void tty_put(struct tty *t); /* accepts NULL; under tasklist.lock too */

/* ---- sessions -------------------------------------------------------------------------------- */

/*
 * Make tty the controlling terminal of t's session, whose leader t is, and its group the foreground
 * group; it is taken away from a session that has it.  Takes a reference to tty.
 */
void tty_set_controlling(struct task *t, struct tty *tty);
/*
 * The leader of a session ends: SIGHUP to the foreground group, and the session loses its terminal.
 * If the terminal hung up before: SIGHUP and SIGCONT to what was the foreground group.
 * tasklist.lock held.
 */
void tty_session_leader_exit_locked(struct process *p);
/* vhangup(2): hang up t's controlling terminal, if it has one. */
void tty_vhangup(struct task *t);

/* ---- a container's terminal (console.c) --------------------------------------------------------- */

/*
 * A terminal whose hardware is host_fd, the slave of a pty of the host (consumed on success; made
 * raw and non-blocking: it must be nobody else's).  If c->root has a devpts on /dev/pts the terminal
 * gets a number there, and *file is that node opened; otherwise it is anonymous.  *file is opened for
 * reading and writing; *out has a reference.  rows and columns 0: as the host's pty says.
 */
int console_new(struct vfs_ctx *c, int host_fd, unsigned int rows, unsigned int columns,
		struct tty **out, struct file **file) must_check;
/*
 * The size of p's controlling terminal, if that is a console: SIGWINCH to the foreground group.  rows
 * and columns both 0: as the host's pty says.  0, or -ENOTTY.
 */
int console_resize(struct process *p, unsigned int rows, unsigned int columns);
/* Show t, a console, as /dev/console in c's mount namespace too, as runc does. */
int console_bind(struct vfs_ctx *c, struct tty *t) must_check;
