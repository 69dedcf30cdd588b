/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.c: advisory file locks (flock(2), fcntl_locking(2)).
 *
 * An inode that was ever locked has a flock_context: a list of ranges (POSIX and OFD locks; POSIX
 * ones are owned by a descriptor table, OFD ones by an open file) and a list of whole-file locks
 * (flock, owned by an open file).  One mutex guards them all: locking is rare, and deadlock
 * detection looks across inodes anyway.
 *
 * A range set by an owner replaces whatever that owner had there: older ranges are cut, split or
 * dropped, then neighbours of one kind are joined.  All memory this can need (two ranges) is
 * allocated before anything changes.
 *
 * Waiting: the context's queue is woken whenever something is given up; waiters look again.  A
 * waiter for a POSIX lock is on locks.waits with the owner that it waits for; following those edges
 * back to oneself is a deadlock.
 *
 * Linux: fs/locks.c.
 */
#include "vfs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/list.h"
#include "lib/mem.h"
#include "vfs/lock_impl.h"
#include "vfs/vfs_impl.h"

#define DEADLOCK_STEPS_MAX 64

/* (l) locks.lock */
struct file_lock {
	struct list node;
	const void *owner; /* (l) descriptor table or struct file */
	enum lock_kind kind;
	int type;          /* (l) F_RDLCK, F_WRLCK */
	int64_t start, end; /* (l) */
	int32_t pid;
};

struct lock_wait {
	struct list node;    /* (l) in locks.waits */
	const void *owner;   /* who waits */
	const void *blocker; /* (l) for whom */
};

struct locks locks;

void locks_init(void)
{
	if (locks.ready)
		return;
	mutex_init(&locks.lock, LOCK_LEAF);
	list_init(&locks.waits);
	list_init(&locks.contexts);
	locks.ready = true;
}

/* ---- contexts --------------------------------------------------------------------------------- */

struct flock_context *locks_context_peek(const struct inode *i)
{
	return atomic_load_explicit(&i->locks, memory_order_acquire); /* locks_context_make */
}

struct flock_context *locks_context_make(struct inode *i)
{
	struct flock_context *x = locks_context_peek(i), *old = NULL;

	if (x)
		return x;
	x = mem_new(struct flock_context);
	if (!x)
		return NULL;
	list_init(&x->ranges);
	list_init(&x->whole);
	list_init(&x->leases);
	wq_init(&x->wq);
	x->inode = i;
	mutex_lock(&locks.lock);
	/* Pairs with locks_context_peek(). */
	if (atomic_compare_exchange_strong_explicit(&i->locks, &old, x, memory_order_release,
						    memory_order_acquire)) {
		list_append(&locks.contexts, &x->all);
	} else {
		mem_free(x);
		x = old;
	}
	mutex_unlock(&locks.lock);
	return x;
}

static void locks_free_all(struct list *head)
{
	struct list *n;

	while ((n = list_shift(head)))
		mem_free(list_entry(n, struct file_lock, node));
}

void locks_inode_free(struct inode *i)
{
	struct flock_context *x = locks_context_peek(i);

	if (!x)
		return;
	mutex_lock(&locks.lock);
	list_remove(&x->all);
	mutex_unlock(&locks.lock);
	/* A range that was set while its descriptor was being closed has nobody left to drop it. */
	locks_free_all(&x->ranges);
	locks_free_all(&x->whole);
	mem_free(x);
}

/* ---- ranges ----------------------------------------------------------------------------------- */

static bool overlaps(const struct file_lock *l, int64_t start, int64_t end)
{
	return l->start <= end && start <= l->end;
}

static struct file_lock *range_conflict(struct flock_context *x, const void *owner,
					const struct lock_range *r)
{
	struct file_lock *l;

	list_for_each_entry(l, &x->ranges, node)
		if (l->owner != owner && overlaps(l, r->start, r->end) &&
		    (l->type == F_WRLCK || r->type == F_WRLCK))
			return l;
	return NULL;
}

/* Take [start, end] away from l; what remains behind it becomes *spare (consumed when used). */
static void range_cut(struct file_lock *l, int64_t start, int64_t end, struct file_lock **spare)
{
	if (l->start < start && l->end > end) {
		struct file_lock *tail = *spare;
		struct list node = tail->node;

		*tail = *l;
		tail->node = node;
		tail->start = end + 1;
		l->end = start - 1;
		list_push(&l->node, &tail->node); /* right behind l */
		*spare = NULL;
	} else if (l->start < start) {
		l->end = start - 1;
	} else if (l->end > end) {
		l->start = end + 1;
	} else {
		list_remove(&l->node);
		mem_free(l);
	}
}

/* Join the neighbours of n (same owner and type, touching) into it. */
static void range_join(struct flock_context *x, struct file_lock *n)
{
	struct file_lock *l, *tmp;

	list_for_each_entry_safe(l, tmp, &x->ranges, node) {
		if (l == n || l->owner != n->owner || l->type != n->type)
			continue;
		if ((l->end != INT64_MAX && l->end + 1 == n->start) ||
		    (n->end != INT64_MAX && n->end + 1 == l->start)) {
			n->start = MIN(n->start, l->start);
			n->end = MAX(n->end, l->end);
			list_remove(&l->node);
			mem_free(l);
		}
	}
}

/*
 * Before what a new range of owner's belongs: its ranges stand together, by start.  F_GETLK tells
 * of the first one in this order.
 */
static struct list *range_place(struct flock_context *x, const void *owner, int64_t start)
{
	struct file_lock *l;
	bool seen = false;

	list_for_each_entry(l, &x->ranges, node) {
		if (l->owner == owner) {
			seen = true;
			if (l->start > start)
				return &l->node;
		} else if (seen) {
			return &l->node;
		}
	}
	return &x->ranges;
}

/* Make owner's ranges say r; n and spare are memory for it (each consumed or left). */
static void range_apply(struct flock_context *x, const void *owner, enum lock_kind kind,
			const struct lock_range *r, int32_t pid, struct file_lock **n,
			struct file_lock **spare)
{
	struct file_lock *l, *tmp;

	list_for_each_entry_safe(l, tmp, &x->ranges, node)
		if (l->owner == owner && overlaps(l, r->start, r->end))
			range_cut(l, r->start, r->end, spare);
	if (r->type != F_UNLCK) {
		struct list *at = range_place(x, owner, r->start);

		l = *n;
		*n = NULL;
		l->owner = owner;
		l->kind = kind;
		l->type = r->type;
		l->start = r->start;
		l->end = r->end;
		l->pid = pid;
		list_append(at, &l->node); /* before it */
		range_join(x, l);
	}
	/* Even a lock can free something: write becomes read. */
	wq_wake(&x->wq, 0);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

/* Would owner, waiting for blocker, close a circle? */
static bool deadlocks(const void *owner, const void *blocker)
{
	for (int steps = 0; steps < DEADLOCK_STEPS_MAX; steps++) {
		struct lock_wait *w;
		bool waits = false;

		if (blocker == owner)
			return true;
		list_for_each_entry(w, &locks.waits, node) {
			if (w->owner == blocker) {
				blocker = w->blocker;
				waits = true;
				break;
			}
		}
		if (!waits)
			return false;
	}
	return false;
}

static int range_wait(struct vfs_ctx *c, struct flock_context *x, const void *owner,
		      enum lock_kind kind, const struct file_lock *blocker) NO_TSA
{
	struct lock_wait w = { .owner = owner, .blocker = blocker->owner };
	int err;

	list_init(&w.node);
	if (kind == LOCK_KIND_POSIX && blocker->kind == LOCK_KIND_POSIX) {
		if (deadlocks(owner, blocker->owner))
			return -EDEADLK;
		list_append(&locks.waits, &w.node);
	}
	err = wq_wait(&x->wq, &locks.lock, c->waiter);
	list_remove(&w.node);
	return err;
}

static const void *owner_of(struct vfs_ctx *c, struct file *f, enum lock_kind kind)
{
	return kind == LOCK_KIND_POSIX ? c->lock_owner : f;
}

int lock_set(struct vfs_ctx *c, struct file *f, enum lock_kind kind, const struct lock_range *r,
	     bool wait)
{
	const void *owner = owner_of(c, f, kind);
	struct file_lock *n, *spare, *blocker;
	struct flock_context *x;
	int err = 0;

	x = r->type == F_UNLCK ? locks_context_peek(f->inode) : locks_context_make(f->inode);
	if (!x)
		return r->type == F_UNLCK ? 0 : -ENOMEM;
	n = mem_new(struct file_lock);
	spare = mem_new(struct file_lock);
	if (!n || !spare) {
		err = -ENOMEM;
		goto free_both;
	}
	mutex_lock(&locks.lock);
	while (r->type != F_UNLCK && (blocker = range_conflict(x, owner, r))) {
		err = wait ? range_wait(c, x, owner, kind, blocker) : -EAGAIN;
		if (err < 0)
			break;
	}
	if (err == 0)
		range_apply(x, owner, kind, r, kind == LOCK_KIND_POSIX ? c->pid : -1, &n, &spare);
	mutex_unlock(&locks.lock);
free_both:
	mem_free(n);
	mem_free(spare);
	return err;
}

int lock_test(struct vfs_ctx *c, struct file *f, enum lock_kind kind, struct lock_range *r)
{
	struct flock_context *x = locks_context_peek(f->inode);
	const struct file_lock *l = NULL;

	if (x) {
		mutex_lock(&locks.lock);
		l = range_conflict(x, owner_of(c, f, kind), r);
		if (l)
			*r = (struct lock_range){ l->type, l->start, l->end, l->pid };
		mutex_unlock(&locks.lock);
	}
	if (!l)
		r->type = F_UNLCK;
	return 0;
}

/* ---- flock ------------------------------------------------------------------------------------ */

static struct file_lock *whole_of(struct flock_context *x, const struct file *f)
{
	struct file_lock *l;

	list_for_each_entry(l, &x->whole, node)
		if (l->owner == f)
			return l;
	return NULL;
}

static bool whole_conflict(struct flock_context *x, const struct file *f, int type)
{
	struct file_lock *l;

	list_for_each_entry(l, &x->whole, node)
		if (l->owner != f && (l->type == F_WRLCK || type == F_WRLCK))
			return true;
	return false;
}

static void whole_drop(struct flock_context *x, const struct file *f)
{
	struct file_lock *l = whole_of(x, f);

	if (!l)
		return;
	list_remove(&l->node);
	mem_free(l);
	wq_wake(&x->wq, 0);
}

int lock_flock(struct vfs_ctx *c, struct file *f, unsigned int op)
{
	int type = (op & ~(unsigned int)LOCK_NB) == LOCK_EX ? F_WRLCK : F_RDLCK, err = 0;
	struct flock_context *x;
	struct file_lock *n, *old;

	if ((op & ~(unsigned int)LOCK_NB) == LOCK_UN) {
		x = locks_context_peek(f->inode);
		if (x) {
			mutex_lock(&locks.lock);
			whole_drop(x, f);
			mutex_unlock(&locks.lock);
		}
		return 0;
	}
	x = locks_context_make(f->inode);
	n = mem_new(struct file_lock);
	if (!x || !n) {
		mem_free(n);
		return -ENOMEM;
	}
	mutex_lock(&locks.lock);
	old = whole_of(x, f);
	if (old && old->type == type)
		goto unlock;
	whole_drop(x, f); /* changing the type is not atomic, as on Linux */
	while (whole_conflict(x, f, type)) {
		err = op & LOCK_NB ? -EWOULDBLOCK : wq_wait(&x->wq, &locks.lock, c->waiter);
		if (err < 0)
			goto unlock;
	}
	if (!whole_of(x, f)) {
		*n = (struct file_lock){ .owner = f, .type = type, .end = INT64_MAX, .pid = c->pid };
		list_append(&x->whole, &n->node);
		n = NULL;
	}
unlock:
	mutex_unlock(&locks.lock);
	mem_free(n);
	return err;
}

/* ---- letting go ------------------------------------------------------------------------------- */

static void ranges_drop(struct flock_context *x, const void *owner)
{
	struct file_lock *l, *tmp;
	bool dropped = false;

	list_for_each_entry_safe(l, tmp, &x->ranges, node) {
		if (l->owner == owner) {
			list_remove(&l->node);
			mem_free(l);
			dropped = true;
		}
	}
	if (dropped)
		wq_wake(&x->wq, 0);
}

void vfs_lock_remove_posix(struct file *f, const void *owner)
{
	struct flock_context *x = locks_context_peek(f->inode);

	if (!x)
		return;
	mutex_lock(&locks.lock);
	ranges_drop(x, owner);
	mutex_unlock(&locks.lock);
}

void locks_release_file(struct file *f)
{
	struct flock_context *x = locks_context_peek(f->inode);

	if (!x)
		return;
	mutex_lock(&locks.lock);
	ranges_drop(x, f);
	whole_drop(x, f);
	lease_drop_file_locked(x, f);
	mutex_unlock(&locks.lock);
}

/* ---- /proc/locks ------------------------------------------------------------------------------ */

static void lock_show(struct buf *b, unsigned int nr, const struct inode *i,
		      const struct file_lock *l, const char *kind)
{
	buf_printf(b, "%u: %s  ADVISORY  %s %d %02x:%02x:%llu %lld ", nr, kind,
		   l->type == F_WRLCK ? "WRITE" : "READ ", l->pid, major(i->sb->dev),
		   minor(i->sb->dev), (unsigned long long)i->ino, (long long)l->start);
	if (l->end == INT64_MAX)
		buf_puts(b, "EOF\n");
	else
		buf_printf(b, "%lld\n", (long long)l->end);
}

void locks_show(struct buf *b)
{
	struct flock_context *x;
	struct file_lock *l;
	unsigned int nr = 1;

	mutex_lock(&locks.lock);
	list_for_each_entry(x, &locks.contexts, all) {
		list_for_each_entry(l, &x->whole, node)
			lock_show(b, nr++, x->inode, l, "FLOCK");
		list_for_each_entry(l, &x->ranges, node)
			lock_show(b, nr++, x->inode, l,
				  l->kind == LOCK_KIND_POSIX ? "POSIX" : "OFDLCK");
	}
	mutex_unlock(&locks.lock);
}
