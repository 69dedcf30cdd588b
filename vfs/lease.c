/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.c: leases (fcntl(2), F_SETLEASE): the holder of a file is told, by a signal, before somebody
 * else opens or truncates it in a way that conflicts, and that somebody waits.
 *
 * A lease belongs to an open file and lives in its inode's flock_context, under locks.lock.  A break
 * sets what the lease has to become (breaking, and target); the holder obeys by F_SETLEASE or by
 * closing.  When it has not after BREAK_TIME_NS the lease is weakened without it.
 *
 * The holder is told through vfs_sigio() (fcntl's owner and signal), never under locks.lock, because
 * sending takes locks of the process tree: files are referenced first.
 *
 * Linux: fs/locks.c (__break_lease, generic_setlease).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "vfs/lock_impl.h"
#include "vfs/vfs_impl.h"

#define BREAK_TIME_NS (45 * NSEC_PER_SEC) /* fs.lease-break-time */

/* (l) locks.lock */
struct lease {
	struct list node;
	struct file *file; /* borrowed: it drops the lease when it goes */
	int type;          /* (l) F_RDLCK, F_WRLCK */
	bool breaking;     /* (l) */
	int target;        /* (l) while breaking: F_RDLCK or F_UNLCK */
	int64_t deadline_ns; /* (l) while breaking */
};

static struct lease *lease_of(struct flock_context *x, const struct file *f)
{
	struct lease *l;

	list_for_each_entry(l, &x->leases, node)
		if (l->file == f)
			return l;
	return NULL;
}

static void lease_free_locked(struct flock_context *x, struct lease *l)
{
	list_remove(&l->node);
	mem_free(l);
	wq_wake(&x->wq, 0);
}

void lease_drop_file_locked(struct flock_context *x, struct file *f)
{
	struct lease *l = lease_of(x, f);

	if (l)
		lease_free_locked(x, l);
}

/* Holders that did not obey in time. */
static void leases_time_out_locked(struct flock_context *x)
{
	int64_t now = clock_mono_ns();
	struct lease *l, *tmp;

	list_for_each_entry_safe(l, tmp, &x->leases, node) {
		if (!l->breaking || l->deadline_ns > now)
			continue;
		if (l->target == F_UNLCK) {
			lease_free_locked(x, l);
		} else {
			l->type = l->target;
			l->breaking = false;
			wq_wake(&x->wq, 0);
		}
	}
}

/* Is the file open in a way that a lease of this type does not allow? */
static bool opened_against(const struct file *f, int type)
{
	int writers = atomic_load_explicit(&f->inode->writers, memory_order_relaxed);
	int readers = atomic_load_explicit(&f->inode->readcount, memory_order_relaxed);

	if (type == F_RDLCK)
		return writers > 0;
	return writers != !!(f->kind & FILE_WRITE) || readers != !(f->kind & FILE_WRITE);
}

static int lease_add_locked(struct flock_context *x, struct file *f, int type, struct lease **spare)
{
	struct lease *l, *own = NULL;

	if (opened_against(f, type))
		return -EAGAIN;
	list_for_each_entry(l, &x->leases, node) {
		if (l->file == f) {
			own = l;
			continue;
		}
		if (type == F_WRLCK || (l->breaking && l->target == F_UNLCK))
			return -EAGAIN;
	}
	if (!own) {
		own = *spare;
		*spare = NULL;
		own->file = f;
		list_append(&x->leases, &own->node);
	}
	own->type = type;
	own->breaking = false;
	wq_wake(&x->wq, 0);
	return 0;
}

int lease_set(struct vfs_ctx *c, struct file *f, int type)
{
	struct flock_context *x;
	struct lease *spare, *l;
	int err;

	if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
		return -EINVAL;
	if (c->cred->fsuid != f->inode->uid && !inode_capable(c, f->inode, CAP_LEASE))
		return -EACCES;
	if (!S_ISREG(f->inode->mode))
		return -EINVAL;
	if (type == F_UNLCK) {
		x = locks_context_peek(f->inode);
		if (!x)
			return -EAGAIN;
		mutex_lock(&locks.lock);
		l = lease_of(x, f);
		if (l)
			lease_free_locked(x, l);
		mutex_unlock(&locks.lock);
		return l ? 0 : -EAGAIN;
	}
	x = locks_context_make(f->inode);
	spare = mem_new(struct lease);
	if (!x || !spare) {
		mem_free(spare);
		return -ENOMEM;
	}
	mutex_lock(&locks.lock);
	leases_time_out_locked(x);
	err = lease_add_locked(x, f, type, &spare);
	mutex_unlock(&locks.lock);
	mem_free(spare);
	return err;
}

int lease_get(struct file *f)
{
	struct flock_context *x = locks_context_peek(f->inode);
	struct lease *l;
	int type = F_UNLCK;

	if (!x)
		return F_UNLCK;
	mutex_lock(&locks.lock);
	leases_time_out_locked(x);
	l = lease_of(x, f);
	if (l)
		type = l->breaking ? l->target : l->type;
	mutex_unlock(&locks.lock);
	return type;
}

static bool conflicts(const struct lease *l, bool want_write)
{
	return want_write || l->type == F_WRLCK;
}

/*
 * Mark the leases that are in the way.  *conflict: there are some; the result is a file whose holder
 * is still to be told (a reference; call again), or NULL.
 */
static struct file *break_mark_locked(struct flock_context *x, bool want_write, bool *conflict,
				      int64_t *deadline_ns)
{
	int target = want_write ? F_UNLCK : F_RDLCK;
	struct lease *l;

	*conflict = false;
	list_for_each_entry(l, &x->leases, node) {
		if (!conflicts(l, want_write))
			continue;
		*conflict = true;
		if (!l->breaking || (l->target == F_RDLCK && target == F_UNLCK)) {
			if (!l->breaking)
				l->deadline_ns = clock_mono_ns() + BREAK_TIME_NS;
			l->breaking = true;
			l->target = target;
			*deadline_ns = l->deadline_ns;
			if (ref_try_get(&l->file->ref))
				return l->file;
		}
		*deadline_ns = l->deadline_ns;
	}
	return NULL;
}

int lease_break(struct vfs_ctx *c, struct inode *i, bool want_write, bool nonblock)
{
	struct flock_context *x = locks_context_peek(i);
	bool conflict;
	int err = 0;

	if (!x)
		return 0;
	mutex_lock(&locks.lock);
	for (;;) {
		int64_t deadline_ns = INT64_MAX;
		struct file *tell;

		leases_time_out_locked(x);
		tell = break_mark_locked(x, want_write, &conflict, &deadline_ns);
		if (tell) {
			mutex_unlock(&locks.lock);
			vfs_sigio(tell, POLLIN | POLLRDNORM | POLLMSG, POLL_MSG);
			file_put(tell);
			mutex_lock(&locks.lock);
			continue;
		}
		if (!conflict)
			break;
		err = nonblock ? -EWOULDBLOCK
			       : wq_wait_until(&x->wq, &locks.lock, c->waiter, deadline_ns);
		if (err == -ETIMEDOUT)
			err = 0;
		if (err < 0)
			break;
	}
	mutex_unlock(&locks.lock);
	return err;
}
