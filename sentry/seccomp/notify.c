/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c: user notification (seccomp_unotify(2)): a filter's listener, and the tasks that wait for
 * what its supervisor says.
 *
 *     INIT ── RECV ──▶ SENT ── SEND ──▶ REPLIED
 *
 * A notification lives on the waiting task's stack and is in the listener's list for as long, under
 * the listener's lock; so who finds it there may use it until the lock is dropped.  A descriptor
 * that the supervisor adds (ADDFD) is installed by the waiting task itself, in its own table.
 *
 * A signal ends the wait: the call is restarted or gives EINTR as the signal's handler says, and the
 * supervisor's answer comes too late (ENOENT).  With WAIT_KILLABLE_RECV only a fatal one does once the
 * notification was received.
 */
#include "lib/annotations.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "lib/mem.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/task/task_impl.h"
#include "vfs/file.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ull
#endif
#define ID_VALID_WRONG_DIR SECCOMP_IOR(2, __u64) /* what Linux 5.0 had */
#define ADDFD_SIZE_0       24

/* (c) constant, (l) lock */
struct seccomp_listener {
	struct ref ref;    /* the filter's, and the file's */
	struct mutex lock; /* LOCK_LEAF */
	struct list list;  /* (l) of notifications, oldest first */
	uint64_t next_id;  /* (l) */
	bool closed;       /* (l) the file is gone: no more answers */
	bool orphaned;     /* (l) no task has the filter: no more questions */
	struct wq wq;      /* readers and pollers */
};

struct addfd {
	struct list node;
	struct file *file; /* counted */
	int fd;            /* < 0: the lowest free */
	bool cloexec, send;
	bool done;         /* (l) */
	long result;       /* (l) */
};

/* All (l). */
struct notification {
	struct list node;
	struct task *task;
	const struct seccomp_data *data;
	uint64_t id;
	enum { INIT, SENT, REPLIED } state;
	long error, value;
	uint32_t flags;
	struct list addfds;
	struct wq wq;
};

void seccomp_listener_put(struct seccomp_listener *l)
{
	if (l && ref_put(&l->ref))
		mem_free(l);
}

void seccomp_listener_orphan(struct seccomp_listener *l)
{
	mutex_lock(&l->lock);
	l->orphaned = true;
	mutex_unlock(&l->lock);
	wq_wake(&l->wq, 0);
}

/* ---- the task that waits ------------------------------------------------------------------------ */

static long addfd_install(struct task *t, const struct addfd *a)
{
	uint64_t limit = task_rlimit(t, RLIMIT_NOFILE);
	int flags = a->cloexec ? O_CLOEXEC : 0;
	long tmp, r;

	if (a->fd < 0)
		return fdt_add(t->fdt, file_get(a->file), flags, limit);
	if ((uint64_t)a->fd >= limit)
		return -EBADF;
	/* Into place by way of the lowest free number. */
	tmp = fdt_add(t->fdt, file_get(a->file), O_CLOEXEC, ~0ull);
	if (tmp < 0)
		return tmp;
	if (tmp == a->fd) {
		(void)fdt_cloexec_set(t->fdt, (int)tmp, a->cloexec);
		return tmp;
	}
	r = fdt_dup_to(task_vfs(t), t->fdt, (int)tmp, a->fd, flags, limit);
	(void)fdt_close(task_vfs(t), t->fdt, (int)tmp);
	return r;
}

/* The supervisor's descriptors, one after the other.  l->lock held; dropped meanwhile. */
static void addfds_locked(struct task *t, struct seccomp_listener *l, struct notification *n)
	REQUIRES(l->lock)
{
	struct addfd *a;
	long r;

	while (!list_empty(&n->addfds)) {
		a = list_entry(list_shift(&n->addfds), struct addfd, node);
		mutex_unlock(&l->lock);
		r = addfd_install(t, a);
		mutex_lock(&l->lock);
		if (a->send && r >= 0) {
			n->state = REPLIED;
			n->value = r;
			n->error = 0;
		} else if (a->send) {
			n->state = SENT;
		}
		a->result = r;
		a->done = true;
		wq_wake(&l->wq, 0);
	}
}

static bool wait_goes_on(struct task *t, const struct notification *n, bool wait_killable)
{
	if (!wait_killable || n->state != SENT || task_exiting(t))
		return false;
	waiter_clear_interrupt(&t->waiter);
	return true;
}

bool seccomp_notify(struct task *t, struct seccomp_listener *l, const struct seccomp_data *d,
		    bool wait_killable, long *result)
{
	struct notification n = { .task = t, .data = d };
	int err = 0;

	list_init(&n.node);
	list_init(&n.addfds);
	wq_init(&n.wq);
	mutex_lock(&l->lock);
	if (l->closed) {
		mutex_unlock(&l->lock);
		*result = -ENOSYS;
		return false;
	}
	n.id = l->next_id++;
	list_append(&l->list, &n.node);
	wq_wake(&l->wq, 0);
	for (;;) {
		addfds_locked(t, l, &n); /* may take back what ADDFD_FLAG_SEND replied */
		if (n.state == REPLIED || err)
			break;
		err = wq_wait(&n.wq, &l->lock, &t->waiter);
		if (err && wait_goes_on(t, &n, wait_killable))
			err = 0;
	}
	list_remove(&n.node);
	mutex_unlock(&l->lock);
	wq_wake(&l->wq, 0);

	*result = n.state == REPLIED ? (n.error ? n.error : n.value) : err;
	return n.state == REPLIED && (n.flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/* ---- the supervisor ----------------------------------------------------------------------------- */

static struct notification *find_locked(struct seccomp_listener *l, uint64_t id)
{
	struct notification *n;

	list_for_each_entry(n, &l->list, node)
		if (n->id == id)
			return n;
	return NULL;
}

static struct notification *find_new_locked(struct seccomp_listener *l)
{
	struct notification *n;

	list_for_each_entry(n, &l->list, node)
		if (n->state == INIT)
			return n;
	return NULL;
}

/* The buffer must be all zeros, so that later kernels may read from it. */
static int check_zero(struct vfs_ctx *c, uint64_t arg)
{
	struct seccomp_notif u;
	int err = vfs_copy_in(c, &u, arg, sizeof(u));

	for (size_t i = 0; i < sizeof(u) && !err; i++)
		if (((const char *)&u)[i])
			err = -EINVAL;
	return err;
}

static long notif_recv(struct vfs_ctx *c, struct seccomp_listener *l, uint64_t arg)
{
	struct seccomp_notif u;
	struct notification *n;
	int err;

	err = check_zero(c, arg);
	if (err)
		return err;
	memset(&u, 0, sizeof(u));
	mutex_lock(&l->lock);
	while (!(n = find_new_locked(l))) {
		if (l->orphaned)
			err = -ENOENT;
		else
			err = wq_wait(&l->wq, &l->lock, c->waiter);
		if (err) {
			mutex_unlock(&l->lock);
			return err;
		}
	}
	u.id = n->id;
	u.pid = (uint32_t)task_tid_in(n->task, task_pid_ns(ctx_task(c)));
	u.data = *n->data;
	n->state = SENT;
	mutex_unlock(&l->lock);
	wq_wake(&l->wq, POLLOUT);

	err = vfs_copy_out(c, arg, &u, sizeof(u));
	if (!err)
		return 0;
	mutex_lock(&l->lock);
	n = find_locked(l, u.id);
	if (n && n->state == SENT)
		n->state = INIT; /* for another reader */
	mutex_unlock(&l->lock);
	wq_wake(&l->wq, POLLIN);
	return err;
}

static long notif_send(struct vfs_ctx *c, struct seccomp_listener *l, uint64_t arg)
{
	struct seccomp_notif_resp u;
	struct notification *n;
	long err;

	if (vfs_copy_in(c, &u, arg, sizeof(u)))
		return -EFAULT;
	if (u.flags & ~SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		return -EINVAL;
	if ((u.flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE) && (u.error || u.val))
		return -EINVAL;
	mutex_lock(&l->lock);
	n = find_locked(l, u.id);
	err = !n ? -ENOENT : n->state != SENT ? -EINPROGRESS : 0;
	if (!err) {
		n->state = REPLIED;
		n->error = u.error;
		n->value = u.val;
		n->flags = u.flags;
		wq_wake(&n->wq, 0);
	}
	mutex_unlock(&l->lock);
	return err;
}

static long notif_id_valid(struct vfs_ctx *c, struct seccomp_listener *l, uint64_t arg)
{
	struct notification *n;
	uint64_t id;
	long err;

	if (vfs_copy_in(c, &id, arg, sizeof(id)))
		return -EFAULT;
	mutex_lock(&l->lock);
	n = find_locked(l, id);
	err = n && n->state == SENT ? 0 : -ENOENT;
	mutex_unlock(&l->lock);
	return err;
}

static int addfd_check(const struct seccomp_notif_addfd *u)
{
	if (u->newfd_flags & ~(uint32_t)O_CLOEXEC)
		return -EINVAL;
	if (u->flags & ~(uint32_t)(SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND))
		return -EINVAL;
	if (u->newfd && !(u->flags & SECCOMP_ADDFD_FLAG_SETFD))
		return -EINVAL;
	return 0;
}

/* Wait until the task has installed it; it looks at all of them before it goes. */
static long addfd_wait_locked(struct vfs_ctx *c, struct seccomp_listener *l, struct notification *n,
			      struct addfd *a) REQUIRES(l->lock)
{
	int err;

	while (!a->done) {
		err = wq_wait(&l->wq, &l->lock, c->waiter);
		if (!err || a->done)
			continue;
		if (list_empty(&a->node)) { /* being installed: it won't take long */
			waiter_clear_interrupt(c->waiter);
			continue;
		}
		list_remove(&a->node); /* not looked at yet, so n is still there */
		if (a->send)
			n->state = SENT;
		return err;
	}
	return a->result;
}

static long notif_addfd(struct vfs_ctx *c, struct seccomp_listener *l, uint64_t arg, size_t size)
{
	struct seccomp_notif_addfd u;
	struct notification *n;
	struct addfd a = { 0 };
	long err;

	if (size < ADDFD_SIZE_0 || size >= PAGE_SIZE)
		return -EINVAL;
	err = uaccess_get_struct(ctx_task(c), &u, sizeof(u), uaddr(arg), size);
	if (!err)
		err = addfd_check(&u);
	if (err)
		return err;
	a.file = fdt_file(ctx_task(c)->fdt, (int)u.srcfd);
	if (!a.file)
		return -EBADF;
	list_init(&a.node);
	a.fd = u.flags & SECCOMP_ADDFD_FLAG_SETFD ? (int)u.newfd : -1;
	a.cloexec = u.newfd_flags & O_CLOEXEC;
	a.send = u.flags & SECCOMP_ADDFD_FLAG_SEND;

	mutex_lock(&l->lock);
	n = find_locked(l, u.id);
	err = !n ? -ENOENT : n->state != SENT ? -EINPROGRESS : 0;
	if (!err && a.send && !list_empty(&n->addfds))
		err = -EBUSY;
	if (!err) {
		list_append(&n->addfds, &a.node);
		if (a.send)
			n->state = REPLIED; /* nobody else's turn, unless it fails */
		wq_wake(&n->wq, 0);
		err = addfd_wait_locked(c, l, n, &a);
	}
	mutex_unlock(&l->lock);
	file_put(a.file);
	return err;
}

static long listener_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct seccomp_listener *l = file_priv(f);

	switch (cmd) {
	case SECCOMP_IOCTL_NOTIF_RECV:
		return notif_recv(c, l, arg);
	case SECCOMP_IOCTL_NOTIF_SEND:
		return notif_send(c, l, arg);
	case SECCOMP_IOCTL_NOTIF_ID_VALID:
	case ID_VALID_WRONG_DIR:
		return notif_id_valid(c, l, arg);
	case SECCOMP_IOCTL_NOTIF_SET_FLAGS: /* how to wake is ours to choose */
		return arg & ~SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP ? -EINVAL : 0;
	}
	if ((cmd & ~(unsigned int)(_IOC_SIZEMASK << _IOC_SIZESHIFT)) == SECCOMP_IOW(3, char[0]))
		return notif_addfd(c, l, arg, _IOC_SIZE(cmd));
	return -EINVAL;
}

static uint32_t listener_poll(struct file *f, struct poller *p)
{
	struct seccomp_listener *l = file_priv(f);
	struct notification *n;
	uint32_t events = 0;

	poller_add(p, &l->wq);
	mutex_lock(&l->lock);
	list_for_each_entry(n, &l->list, node) {
		if (n->state == INIT)
			events |= POLLIN | POLLRDNORM;
		if (n->state == SENT)
			events |= POLLOUT | POLLWRNORM;
	}
	if (l->orphaned)
		events |= POLLHUP;
	mutex_unlock(&l->lock);
	return events;
}

static void listener_release(struct file *f)
{
	struct seccomp_listener *l = file_priv(f);
	struct notification *n;

	mutex_lock(&l->lock);
	l->closed = true;
	list_for_each_entry(n, &l->list, node) {
		if (n->state == REPLIED)
			continue;
		n->state = REPLIED;
		n->error = -ENOSYS;
		n->value = 0;
		n->flags = 0;
		wq_wake(&n->wq, 0);
	}
	mutex_unlock(&l->lock);
	seccomp_listener_put(l);
}

static const struct file_ops listener_ops = {
	.ioctl = listener_ioctl,
	.poll = listener_poll,
	.release = listener_release,
};

int seccomp_listener_new(struct task *t, struct seccomp_listener **out, struct file **file)
{
	struct seccomp_listener *l = mem_new(struct seccomp_listener);
	int err;

	if (!l)
		return -ENOMEM;
	ref_init(&l->ref);
	mutex_init(&l->lock, LOCK_LEAF);
	list_init(&l->list);
	wq_init(&l->wq);
	(void)!getrandom(&l->next_id, sizeof(l->next_id), GRND_NONBLOCK);
	err = file_new_anon("seccomp notify", &listener_ops, l, O_RDWR, FILE_STREAM, t->cred, file);
	if (err) {
		mem_free(l);
		return err;
	}
	ref_get(&l->ref);
	*out = l;
	return 0;
}
