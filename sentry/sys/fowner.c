/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fowner.c: signal-driven I/O (fcntl(2): F_SETOWN, F_SETOWN_EX, F_SETSIG, O_ASYNC).
 *
 * A file with O_ASYNC stands in line at its own wait queues, as an epoll item would.  The callback
 * runs under the queue's latch, where the process tree can't be looked at: it puts the owner on
 * sigio.queue and wakes the fiber that sends.  So a signal comes a moment after the event, never
 * before it.
 *
 * A file_owner is made on first use and lives as long as its file; free() runs before the file's
 * release, while the queues still exist.  sigio.latch guards its members and the queue; it is a leaf
 * below the latches of wait queues.
 *
 * Linux: fs/fcntl.c (f_setown, send_sigio).  There a new event of a kind that was already signalled
 * is signalled again; here wake-ups that come before the sender has run are one signal.
 */
#include "sentry/sys/fowner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fiber.h"
#include "lib/mem.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/poll.h"

#define QUEUES_MAX 4
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

/* Who is told, and how. */
struct sigio_target {
	struct pid *pid; /* counted; NULL: nobody */
	struct landlock *landlock; /* of who said so; counted */
	int type;        /* F_OWNER_* */
	uint32_t uid, euid;
	int signo;       /* 0: SIGIO without details */
	int fd;
};

struct owner_entry {
	struct wq_entry entry;
	struct file_owner *owner;
};

/* (c) constant, (l) sigio.latch, (p) f->pos_lock of its file while O_ASYNC changes */
struct file_owner {
	struct fowner base;
	struct file *file;          /* (c) borrowed: it owns us */
	struct sigio_target target; /* (l) */
	struct list node;           /* (l) in sigio.queue */
	uint32_t events;            /* (l) to be told of */
	struct poller poller;       /* (p) */
	struct owner_entry entries[QUEUES_MAX]; /* (p) */
	unsigned int entry_count;   /* (p) */
};

static struct {
	struct latch latch;
	struct list queue;  /* (latch) file_owners with events */
	struct waiter waiter;
	bool running;       /* (latch) the fiber exists */
} sigio = {
	.queue = LIST_INIT(sigio.queue),
};

/* ---- sending ----------------------------------------------------------------------------------- */

/* sigio_perm() */
static bool may_tell(const struct sigio_target *w, struct task *to)
{
	const struct cred *c = task_cred_get(to);
	bool ok = c && (w->euid == 0 || w->euid == c->suid || w->euid == c->uid ||
			w->uid == c->suid || w->uid == c->uid) &&
		  !landlock_scoped(w->landlock, c->landlock, LANDLOCK_SCOPED_SIGNAL);

	cred_put(c);
	return ok;
}

static void tell_process(const struct sigio_target *w, struct process *p, const siginfo_t *si)
{
	if (p && p->leader && may_tell(w, p->leader))
		sig_send_process(p, si ? si->si_signo : SIGIO, si);
}

static void tell(const struct sigio_target *w, int band, int code)
{
	siginfo_t info, *si = NULL;
	struct process *p;

	if (!w->pid)
		return;
	if (w->signo) {
		memset(&info, 0, sizeof(info));
		info.si_signo = w->signo;
		info.si_code = code;
		info.si_band = band;
		info.si_fd = w->fd;
		si = &info;
	}
	mutex_lock(&tasklist.lock);
	if (w->type == F_OWNER_TID) {
		struct task *t = w->pid->task;

		if (t && may_tell(w, t))
			sig_send_task(t, si ? si->si_signo : SIGIO, si);
	} else if (w->type == F_OWNER_PGRP) {
		if (w->pid->pgrp)
			list_for_each_entry(p, &w->pid->pgrp->members, pgrp_node)
				tell_process(w, p, si);
	} else {
		tell_process(w, w->pid->process, si);
	}
	mutex_unlock(&tasklist.lock);
}

/* A copy of whom to tell; its pid is to be put. */
static struct sigio_target target_get_locked(const struct file_owner *o)
{
	struct sigio_target w = o->target;

	if (w.pid)
		pid_get(w.pid);
	landlock_get(w.landlock);
	return w;
}

static void target_put(struct sigio_target *w)
{
	pid_put(w->pid);
	landlock_put(w->landlock);
	w->pid = NULL;
	w->landlock = NULL;
}

static void tell_events(const struct sigio_target *w, uint32_t events)
{
	static const struct {
		uint32_t events;
		int code, band;
	} kinds[] = {
		{ POLLIN | POLLRDNORM, POLL_IN, POLLIN | POLLRDNORM },
		{ POLLOUT | POLLWRNORM, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND },
		{ POLLPRI, POLL_PRI, POLLPRI | POLLRDBAND },
		{ POLLERR, POLL_ERR, POLLERR },
		{ POLLHUP, POLL_HUP, POLLHUP | POLLERR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (events & kinds[i].events)
			tell(w, kinds[i].band, kinds[i].code);
}

static void sigio_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct sigio_target w = { 0 };
		struct list *n;
		uint32_t events = 0;

		waiter_prepare(&sigio.waiter);
		latch_lock(&sigio.latch);
		n = list_shift(&sigio.queue);
		if (n) {
			struct file_owner *o = list_entry(n, struct file_owner, node);

			w = target_get_locked(o);
			events = o->events;
			o->events = 0;
		}
		latch_unlock(&sigio.latch);
		if (!n) {
			(void)waiter_sleep(&sigio.waiter, WAITER_UNINTERRUPTIBLE, INT64_MAX);
			continue;
		}
		waiter_cancel(&sigio.waiter);
		tell_events(&w, events);
		target_put(&w);
	}
}

static int sigio_start(void)
{
	struct fiber *f = fiber_new(sigio_main, NULL);
	bool start;

	if (!f)
		return -ENOMEM;
	latch_lock(&sigio.latch);
	start = !sigio.running;
	if (start) {
		waiter_init(&sigio.waiter, f);
		sigio.running = true;
	}
	latch_unlock(&sigio.latch);
	if (start)
		fiber_start(f);
	else
		fiber_free(f);
	return 0;
}

void fowner_sigio(struct file *f, int band, int code)
{
	struct sigio_target w = { 0 };

	latch_lock(&f->latch);
	if (f->owner) {
		latch_lock(&sigio.latch);
		w = target_get_locked(container_of(f->owner, struct file_owner, base));
		latch_unlock(&sigio.latch);
	}
	latch_unlock(&f->latch);
	tell(&w, band, code);
	target_put(&w);
}

/* ---- standing in line ---------------------------------------------------------------------------- */

/* Under the latch of one of the file's queues. */
static void owner_event(struct wq_entry *e, uint32_t events)
{
	struct file_owner *o = container_of(e, struct owner_entry, entry)->owner;

	latch_lock(&sigio.latch);
	o->events |= events ? events : POLLIN;
	if (!list_linked(&o->node))
		list_append(&sigio.queue, &o->node);
	latch_unlock(&sigio.latch);
	waiter_wake(&sigio.waiter);
}

static void owner_add(struct poller *p, struct wq *q)
{
	struct file_owner *o = container_of(p, struct file_owner, poller);
	struct owner_entry *e;

	if (o->entry_count == QUEUES_MAX)
		return;
	e = &o->entries[o->entry_count++];
	e->owner = o;
	wq_entry_init(&e->entry, owner_event, p->events);
	wq_add(q, &e->entry);
}

static void owner_leave(struct file_owner *o)
{
	for (unsigned int i = 0; i < o->entry_count; i++)
		wq_remove(&o->entries[i].entry);
	o->entry_count = 0;
	latch_lock(&sigio.latch);
	list_remove(&o->node);
	o->events = 0;
	latch_unlock(&sigio.latch);
}

static void owner_free(struct fowner *base)
{
	struct file_owner *o = container_of(base, struct file_owner, base);

	owner_leave(o);
	target_put(&o->target);
	mem_free(o);
}

/* f's owner structure, made on first use; NULL: no memory. */
static struct file_owner *owner_of(struct file *f)
{
	struct file_owner *o, *made;

	latch_lock(&f->latch);
	o = f->owner ? container_of(f->owner, struct file_owner, base) : NULL;
	latch_unlock(&f->latch);
	if (o)
		return o;
	made = mem_new(struct file_owner);
	if (!made)
		return NULL;
	made->base.free = owner_free;
	made->file = f;
	made->target.type = F_OWNER_PID;
	made->poller.add = owner_add;
	made->poller.events = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI | POLLERR | POLLHUP | POLLER_EDGES;
	list_init(&made->node);
	latch_lock(&f->latch);
	if (!f->owner) {
		f->owner = &made->base;
		made = NULL;
	}
	o = container_of(f->owner, struct file_owner, base);
	latch_unlock(&f->latch);
	mem_free(made);
	return o;
}

bool fowner_async_possible(const struct file *f)
{
	return S_ISFIFO(f->inode->mode) || S_ISSOCK(f->inode->mode) || S_ISCHR(f->inode->mode);
}

int fowner_async(struct task *t, int fd, struct file *f, bool on)
{
	struct file_owner *o = owner_of(f);
	int err;

	if (!o)
		return -ENOMEM;
	err = on ? sigio_start() : 0;
	if (err)
		return err;
	if (on && S_ISCHR(f->inode->mode)) {
		err = fowner_default(t, fd, f); /* terminals: tty_fasync() */
		if (err)
			return err;
	}
	mutex_lock(&f->pos_lock);
	owner_leave(o);
	if (on) {
		latch_lock(&sigio.latch);
		o->target.fd = fd;
		latch_unlock(&sigio.latch);
		(void)file_poll(f, &o->poller);
	}
	mutex_unlock(&f->pos_lock);
	return 0;
}

/* ---- owners ---------------------------------------------------------------------------------------- */

/* pid: consumed; NULL: nobody. */
static void owner_set(struct task *t, struct file_owner *o, struct pid *pid, int type)
{
	struct sigio_target old;

	latch_lock(&sigio.latch);
	old = o->target;
	o->target.pid = pid;
	o->target.landlock = landlock_get(t->cred->landlock);
	o->target.type = type;
	o->target.uid = t->cred->uid;
	o->target.euid = t->cred->euid;
	latch_unlock(&sigio.latch);
	target_put(&old);
}

int fowner_default(struct task *t, int fd, struct file *f)
{
	struct file_owner *o = owner_of(f);
	bool none;

	if (!o)
		return -ENOMEM;
	latch_lock(&sigio.latch);
	none = !o->target.pid;
	o->target.fd = fd;
	latch_unlock(&sigio.latch);
	if (none)
		owner_set(t, o, pid_get(t->process->pid), F_OWNER_PID);
	return 0;
}

void fowner_forget(struct task *t, struct file *f)
{
	struct file_owner *o = owner_of(f);

	if (!o)
		return;
	owner_set(t, o, NULL, F_OWNER_PID);
	latch_lock(&sigio.latch);
	o->target.signo = 0;
	latch_unlock(&sigio.latch);
}

/* Is there something of this type with that pid? */
static bool pid_has(struct pid *pid, int type)
{
	bool has;

	mutex_lock(&tasklist.lock);
	has = type == F_OWNER_TID ? pid->task != NULL
	      : type == F_OWNER_PID ? pid->process != NULL : pid->pgrp != NULL;
	mutex_unlock(&tasklist.lock);
	return has;
}

static long set_owner(struct task *t, struct file *f, int type, int32_t nr)
{
	struct file_owner *o = owner_of(f);
	struct pid *pid = NULL;

	if (!o)
		return -ENOMEM;
	if (nr) {
		pid = nr > 0 ? pid_lookup(task_pid_ns(t), nr) : NULL;
		if (!pid || !pid_has(pid, type)) {
			pid_put(pid);
			return -ESRCH;
		}
	}
	owner_set(t, o, pid, type);
	return 0;
}

static struct sigio_target get_owner(struct task *t, struct file *f, int32_t *nr)
{
	struct sigio_target w = { .type = F_OWNER_PID };
	struct file_owner *o = owner_of(f);

	*nr = 0;
	if (!o)
		return w;
	latch_lock(&sigio.latch);
	w = target_get_locked(o);
	latch_unlock(&sigio.latch);
	if (w.pid && pid_has(w.pid, w.type))
		*nr = pid_nr_in(w.pid, task_pid_ns(t));
	target_put(&w);
	return w;
}

static long set_owner_ex(struct task *t, struct file *f, uaddr_t arg)
{
	struct f_owner_ex x;

	if (uaccess_get(t, &x, arg, sizeof(x)))
		return -EFAULT;
	if (x.type != F_OWNER_TID && x.type != F_OWNER_PID && x.type != F_OWNER_PGRP)
		return -EINVAL;
	return set_owner(t, f, x.type, x.pid);
}

static long set_signal(struct file *f, unsigned long signo)
{
	struct file_owner *o;

	if (signo > SIG_COUNT)
		return -EINVAL;
	o = owner_of(f);
	if (!o)
		return -ENOMEM;
	latch_lock(&sigio.latch);
	o->target.signo = (int)signo;
	latch_unlock(&sigio.latch);
	return 0;
}

bool fcntl_is_owner(unsigned int cmd)
{
	return cmd == F_SETOWN || cmd == F_GETOWN || cmd == F_SETOWN_EX || cmd == F_GETOWN_EX ||
	       cmd == F_SETSIG || cmd == F_GETSIG || cmd == F_GETOWNER_UIDS;
}

long fcntl_owner(struct task *t, struct file *f, unsigned int cmd, unsigned long arg)
{
	struct sigio_target w;
	struct f_owner_ex x;
	uint32_t ids[2];
	int32_t nr;

	switch (cmd) {
	case F_SETOWN:
		nr = (int32_t)arg;
		if (nr == INT32_MIN)
			return -EINVAL;
		return nr < 0 ? set_owner(t, f, F_OWNER_PGRP, -nr) : set_owner(t, f, F_OWNER_PID, nr);
	case F_SETOWN_EX:
		return set_owner_ex(t, f, uaddr(arg));
	case F_SETSIG:
		return set_signal(f, arg);
	default:
		w = get_owner(t, f, &nr);
	}
	switch (cmd) {
	case F_GETOWN:
		return w.type == F_OWNER_PGRP ? -nr : nr;
	case F_GETOWN_EX:
		x.type = w.type;
		x.pid = nr;
		return uaccess_put(t, uaddr(arg), &x, sizeof(x));
	case F_GETOWNER_UIDS:
		ids[0] = w.uid;
		ids[1] = w.euid;
		return uaccess_put(t, uaddr(arg), ids, sizeof(ids));
	default: /* F_GETSIG */
		return w.signo;
	}
}
