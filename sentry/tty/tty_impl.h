/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty_impl.h: what the files of sentry/tty/ share: a terminal, and what is behind it.
 *
 *     application's files ──▶ struct tty { line discipline } ──▶ struct tty_hw: a pty's master
 *     (struct tty_file)                                           (pty.c) or a host pty (console.c)
 *
 * A terminal is the side with the line discipline: a pty's slave, or the console.  The master is not
 * a terminal of its own here: it moves bytes from ld.out and to in.
 *
 * References: open files and the session that has it as controlling terminal; devpts knows it without
 * one.  It dies on a service fiber (tty_put() may be called under any lock).
 *
 * Hanging up makes all files that are open now useless (reads give end of file, writes EIO): each file
 * remembers the number of hang-ups it was opened after.
 *
 * Lock order: tty->lock (LOCK_TTY) → tasklist.lock.  tasklist.lock alone guards session and pgrp.
 * Signals that the line discipline asks for are sent by tty_unlock(), after unlocking.
 */
#pragma once

#include <sys/ioctl.h>

#include "lib/fiber.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/wq.h"
#include "sentry/tty/ldisc.h"
#include "sentry/tty/tty.h"
#include "vfs/vfs.h"

#define TTY_IN_LIMIT 8192 /* input that waits for room in the line buffer */

#define POLL_READABLE (POLLIN | POLLRDNORM)
#define POLL_WRITABLE (POLLOUT | POLLWRNORM)

struct session;
struct pid;
struct devpts;
struct tty;

/* What is behind a terminal.  All slots but free are called with t->lock held; none sleeps. */
struct tty_hw {
	/* Somebody opens it: 0, or -EIO.  Empty: always 0. */
	int (*open)(struct tty *t);
	/* Its last file was closed or hung up.  Empty: nothing. */
	void (*close)(struct tty *t);
	/* What the line discipline did (LDISC_*): move ld.out, tell the other side. */
	void (*events)(struct tty *t, unsigned int events);
	/* t->in has become empty: more may come.  Empty: nothing. */
	void (*input_room)(struct tty *t);
	/* Modes were changed from old.  Empty: nothing. */
	void (*set_termios)(struct tty *t, const struct ktermios *old);
	/* t->size was changed from inside.  Empty: nothing. */
	void (*set_size)(struct tty *t);
	/* Before t->size is shown.  True: it has changed. */
	bool (*update_size)(struct tty *t);
	/* Bytes that close and TCSADRAIN wait for.  Empty: none. */
	size_t (*unsent)(struct tty *t);
	/* Send one byte at once, even while output is stopped (TCIOFF, TCION). */
	void (*send_urgent)(struct tty *t, uint8_t byte);
	/* The last reference has gone: free t.  On a service fiber, without locks. */
	void (*free)(struct tty *t);
};

/* Members: (c) constant, (l) lock, (t) tasklist.lock. */
struct tty {
	struct ref ref;
	const struct tty_hw *hw; /* (c) */
	uint64_t rdev;           /* (c) 0: no number */
	struct work free_work;

	struct mutex lock;       /* LOCK_TTY */
	struct ldisc ld;         /* (l) */
	struct byteq in;         /* (l) input that ld has no room for */
	struct winsize size;     /* (l) */
	struct ktermios locked;  /* (l) bits and characters that TCSETS leaves alone */
	unsigned int files;      /* (l) open and not hung up */
	unsigned int hangups;    /* (l) */
	bool gone;               /* (l) the other side was closed for good: never to be opened again */
	bool exclusive;          /* (l) TIOCEXCL */
	bool writing;            /* (l) one write(2) at a time */
	struct wq readers, writers;

	struct session *session; /* (t) whose controlling terminal it is: session->tty == this */
	struct pid *pgrp;        /* (t) foreground group; counted */
};

/* An open file on a terminal (not on a master). */
struct tty_file {
	struct tty *tty;      /* (c) counted */
	unsigned int hangups; /* (c) tty->hangups when it was opened */
};

/* ---- tty.c ------------------------------------------------------------------------------------- */

/* Set up t, embedded in what hw->free() frees, with one reference.  -ENOMEM, or 0. */
int tty_setup(struct tty *t, const struct tty_hw *hw, uint64_t rdev) must_check;
void tty_teardown(struct tty *t); /* in hw->free */
/*
 * Unlock, after passing on what the line discipline did since: wake sleepers, tell the hardware;
 * then send its signals.
 */
void tty_unlock(struct tty *t) RELEASES(t->lock);
/* Drop and retake the lock if the line discipline has something to pass on.  True: it had. */
bool tty_settle(struct tty *t);
/* Feed waiting input to the line discipline. */
void tty_pump_locked(struct tty *t);
/* Make f, half open, a file on t; errors of open(2).  A reference is taken. */
int tty_open(struct vfs_ctx *c, struct tty *t, struct file *f) must_check;
/*
 * All open files become useless.  The session loses its terminal, its leader gets SIGHUP and SIGCONT.
 * Afterwards t can be opened again if its hardware allows it.  No locks held.
 */
void tty_hangup(struct tty *t);
bool tty_hung_up_locked(const struct tty_file *tf);
extern const struct file_ops tty_file_ops;
/* The terminal of f, or NULL: f is something else. */
struct tty *tty_of_file(const struct file *f);

/* ---- ioctl.c ------------------------------------------------------------------------------------ */

long tty_file_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg);
/* What a terminal and its master have in common; for a master, as seen from there.  -ENOTTY. */
enum tty_side { TTY_SIDE_TERMINAL, TTY_SIDE_MASTER };
long tty_ioctl_common(struct vfs_ctx *c, struct file *f, struct tty *t, enum tty_side side,
		      unsigned int cmd, uint64_t arg);
/* Sets t->size and tells the hardware and the foreground group. */
void tty_resize(struct tty *t, const struct winsize *size);

/* ---- job.c ----------------------------------------------------------------------------------------- */

/* The caller's controlling terminal with a reference, or NULL. */
struct tty *tty_of_task(struct vfs_ctx *c);
/*
 * May the caller's group touch its controlling terminal t now?  0, or: -ERESTARTSYS after sending sig
 * (SIGTTIN, SIGTTOU) to the group, -EIO.  No locks held.
 */
int tty_check_change(struct vfs_ctx *c, struct tty *t, int sig) must_check;
/* To the foreground group; nothing if there is none.  Takes tasklist.lock. */
void tty_signal(struct tty *t, int sig);
/* open(2) without O_NOCTTY. */
void tty_open_controlling(struct vfs_ctx *c, struct tty *t, const struct file *f);
/* Take t from its session (hang-up): SIGHUP and SIGCONT to the leader. */
void tty_hangup_session(struct tty *t);
/* For /proc/PID/stat (proc_tty_fn). */
void tty_show_session(struct session *s, uint32_t *dev, struct pid **foreground);
long tty_job_ioctl(struct vfs_ctx *c, struct file *f, struct tty *t, enum tty_side side,
		   unsigned int cmd, uint64_t arg);

/* ---- pty.c, devpts.c --------------------------------------------------------------------------------- */

int ptmx_open(struct vfs_ctx *c, struct inode *i, struct file *f); /* 5:2 */

#define DEVPTS_TOTAL_MAX 4096 /* kernel.pty.max, over all instances */

void devpts_init(void);
unsigned int devpts_count(void); /* ptys of all instances */
/* The instance that an opened ptmx node belongs to, pinned (devpts_put()); -ENODEV. */
int devpts_of_ptmx(struct vfs_ctx *c, const struct path *ptmx, struct devpts **out) must_check;
/* A number, without a node yet.  -ENOSPC, -ENOMEM. */
int devpts_reserve(struct devpts *d, unsigned int *index) must_check;
/* The node index leads to t, which must be removed before it dies.  -ENOMEM. */
int devpts_add(struct devpts *d, unsigned int index, struct tty *t, const struct cred *cred) must_check;
/* Node and number go. */
void devpts_remove(struct devpts *d, unsigned int index);
void devpts_put(struct devpts *d); /* accepts NULL */
/* The directory of the instance that an opened ptmx node belongs to (TIOCGPTPEER). */
int devpts_dir_of_ptmx(struct vfs_ctx *c, const struct path *ptmx, struct path *out) must_check;
/* The instance mounted at dir (pinned), or NULL. */
struct devpts *devpts_at(const struct path *dir);
/* The terminal of an inode of devpts with a reference, or NULL. */
struct tty *devpts_tty(struct inode *i);
