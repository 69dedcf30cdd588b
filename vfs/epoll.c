/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll.c: epoll(7) instances.
 *
 * An item watches one file under one descriptor number.  It stands in line at the file's wait
 * queues; when a queue is woken its callback puts the item on the instance's ready list and wakes
 * one sleeper.  Collecting takes items off that list, asks each file what is true now, and reports:
 *
 *     level triggered   goes back to the list after a report, leaves it when nothing is true
 *     EPOLLET           comes back only by the next callback
 *     EPOLLONESHOT      its mask is emptied until EPOLL_CTL_MOD
 *
 * An item leaves the list *before* its file is asked, so a callback that comes meanwhile puts it
 * back and nothing is lost.
 *
 * References: an item holds none to its file; file_put() of the last reference calls
 * epoll_forget_file() before the file is released.  So files and items can race only in
 * epoll_forget_file() against the release of an instance: both hold epoll_module.lock.  That lock
 * also guards the graph of instances that watch each other (ep->nested, and file->epolls of epoll
 * files), which must have no cycle and at most NEST_MAX edges in a row (fs/eventpoll.c:
 * ep_loop_check), because polling an outer instance polls the inner ones recursively.
 *
 * Lock order: epoll_module.lock → ep->lock (outer before inner; both LOCK_EPOLL) → the locks that
 * files' poll slots take → wait queue latches → ep->ready_latch.  A callback runs under the latch
 * of the watched queue and takes those of ep->wait and ep->polled: inner to outer, without a cycle.
 */
#include "vfs/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/tree.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

#define NEST_MAX     4
#define REPORT_BATCH 64

/* Bits of epoll_event.events that are no poll events. */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

/* (c) constant, (e) lock, (r) ready_latch, (g) epoll_module.lock */
struct epoll {
	struct mutex lock;
	struct tree items;        /* (e) struct epoll_item by file and number */
	struct latch ready_latch;
	struct list ready;        /* (r) struct epoll_item by ready_node */
	struct wq wait;           /* sleepers in epoll_wait */
	struct wq polled;         /* those who watch this instance */
	struct file *file;        /* (c) borrowed: it owns us */
	struct list nested;       /* (g) items whose file is an epoll file, by nested_node */
	uint64_t visit;           /* (g) stamp of the last walk */
	int visit_depth;          /* (g) its result */
};

struct epoll_item;

struct epoll_entry {
	struct wq_entry entry;
	struct epoll_item *item;
	struct epoll_entry *next;
};

struct epoll_item {
	struct tree_node node;     /* (e) */
	struct epoll *ep;          /* (c) */
	struct file *file;         /* (c) borrowed, see above */
	int fd;                    /* (c) */
	atomic_uint events;        /* (a) written under ep->lock */
	uint64_t data;             /* (e) */
	struct list ready_node;    /* (r) */
	struct list file_node;     /* file->latch */
	struct list nested_node;   /* (g) */
	struct epoll_entry first;  /* (e) used when first.item is set */
	struct epoll_entry *more;  /* (e) further queues; owned */
};

static struct {
	struct mutex lock;
	uint64_t visit; /* (lock) */
} epoll_module = {
	.lock = {
		.waiters = LIST_INIT(epoll_module.lock.waiters),
		.rank = LOCK_EPOLL,
	},
};

static const struct file_ops epoll_ops;

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

static struct epoll *file_epoll(const struct file *f)
{
	return f->priv;
}

/* ---- readiness --------------------------------------------------------------------------------- */

static uint32_t item_events(const struct epoll_item *it)
{
	return atomic_load_explicit(&it->events, memory_order_relaxed);
}

static bool item_make_ready(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	bool added;

	latch_lock(&ep->ready_latch);
	added = !list_linked(&it->ready_node);
	if (added)
		list_append(&ep->ready, &it->ready_node);
	latch_unlock(&ep->ready_latch);
	return added;
}

static void epoll_wake(struct epoll *ep)
{
	wq_wake_count(&ep->wait, 0, 1);
	wq_wake(&ep->polled, POLLIN | POLLRDNORM);
}

/* A watched queue was woken.  Under that queue's latch. */
static void epoll_callback(struct wq_entry *e, uint32_t events)
{
	struct epoll_item *it = container_of(e, struct epoll_entry, entry)->item;
	uint32_t mask = item_events(it);

	e->passed_on = true;
	if ((mask & ~PRIVATE_BITS) == 0)
		return; /* one-shot, spent */
	if (events != 0 && (events & mask) == 0)
		return;
	/* EPOLLEXCLUSIVE: with nobody asleep here the event is for the next in line as well. */
	e->passed_on = !wq_active(&it->ep->wait) && !wq_active(&it->ep->polled);
	item_make_ready(it);
	epoll_wake(it->ep);
}

static bool epoll_has_ready(struct epoll *ep)
{
	bool ready;

	latch_lock(&ep->ready_latch);
	ready = !list_empty(&ep->ready);
	latch_unlock(&ep->ready_latch);
	return ready;
}

/* ---- items ------------------------------------------------------------------------------------- */

struct item_poller {
	struct poller poller;
	struct epoll_item *item;
	int error;
};

static void item_poller_add(struct poller *p, struct wq *q)
{
	struct item_poller *ip = container_of(p, struct item_poller, poller);
	struct epoll_item *it = ip->item;
	struct epoll_entry *e = &it->first;

	if (e->item) {
		e = mem_new(struct epoll_entry);
		if (!e) {
			ip->error = -ENOMEM;
			return;
		}
		e->next = it->more;
		it->more = e;
	}
	e->item = it;
	wq_entry_init(&e->entry, epoll_callback, 0); /* EPOLL_CTL_MOD changes what matters */
	e->entry.exclusive = item_events(it) & EPOLLEXCLUSIVE;
	wq_add(q, &e->entry);
}

static uint32_t item_poll(struct epoll_item *it)
{
	return file_poll(it->file, NULL) & item_events(it) & ~PRIVATE_BITS;
}

static int item_cmp(const struct tree_node *na, const struct tree_node *nb)
{
	const struct epoll_item *a = container_of(na, const struct epoll_item, node);
	const struct epoll_item *b = container_of(nb, const struct epoll_item, node);

	if (a->file != b->file)
		return (uintptr_t)a->file < (uintptr_t)b->file ? -1 : 1;
	return (a->fd > b->fd) - (a->fd < b->fd);
}

static int item_key(const void *key, const struct tree_node *n)
{
	return item_cmp(&((const struct epoll_item *)key)->node, n);
}

static struct epoll_item *epoll_find_locked(struct epoll *ep, struct file *f, int fd)
{
	struct epoll_item key = { .file = f, .fd = fd };
	struct tree_node *n = tree_find(&ep->items, &key, item_key);

	return n ? container_of(n, struct epoll_item, node) : NULL;
}

/* Take it out of everything and free it.  ep->lock held; for epoll files epoll_module.lock too. */
static void epoll_remove_locked(struct epoll *ep, struct epoll_item *it)
{
	struct epoll_entry *e = it->more;

	if (it->first.item)
		wq_remove(&it->first.entry);
	while (e) {
		struct epoll_entry *next = e->next;

		wq_remove(&e->entry);
		mem_free(e);
		e = next;
	}
	latch_lock(&it->file->latch);
	list_remove(&it->file_node);
	latch_unlock(&it->file->latch);
	latch_lock(&ep->ready_latch);
	list_remove(&it->ready_node);
	latch_unlock(&ep->ready_latch);
	list_remove(&it->nested_node);
	tree_remove(&ep->items, &it->node);
	mem_free(it);
}

static int epoll_add_locked(struct epoll *ep, int fd, struct file *f, const struct epoll_event *ev)
{
	struct item_poller ip = { .poller = { .add = item_poller_add } };
	struct epoll_item *it;
	uint32_t ready;

	if (epoll_find_locked(ep, f, fd))
		return -EEXIST;
	it = mem_new(struct epoll_item);
	if (!it)
		return -ENOMEM;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	atomic_init(&it->events, ev->events);
	it->data = ev->data.u64;
	list_init(&it->ready_node);
	list_init(&it->nested_node);
	latch_lock(&f->latch);
	list_append(&f->epolls, &it->file_node);
	latch_unlock(&f->latch);
	tree_insert(&ep->items, &it->node);
	if (file_is_epoll(f))
		list_append(&ep->nested, &it->nested_node);

	ip.item = it;
	ip.poller.events = ev->events;
	ready = file_poll(f, &ip.poller) & ev->events & ~PRIVATE_BITS;
	if (ip.error < 0) {
		epoll_remove_locked(ep, it);
		return ip.error;
	}
	if (ready && item_make_ready(it))
		epoll_wake(ep);
	return 0;
}

/* In line already: for the file to hear what is wanted now. */
static void item_stay(struct poller *p, struct wq *q)
{
	(void)p;
	(void)q;
}

static int epoll_modify_locked(struct epoll *ep, int fd, struct file *f, const struct epoll_event *ev)
{
	struct epoll_item *it = epoll_find_locked(ep, f, fd);
	struct poller p = { item_stay, ev->events };

	if (!it)
		return -ENOENT;
	if (item_events(it) & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->data = ev->data.u64;
	/* The queues' latches order this before the look at the file: a callback sees the new mask,
	 * or it came before the look, which then sees its event. */
	atomic_store_explicit(&it->events, ev->events, memory_order_seq_cst);
	if ((file_poll(f, &p) & ev->events & ~PRIVATE_BITS) && item_make_ready(it))
		epoll_wake(ep);
	return 0;
}

/* ---- nesting ----------------------------------------------------------------------------------- */

/* Edges on the longest way down from ep; INT_MAX when it leads to target.  Module lock held. */
static int epoll_depth_down(struct epoll *ep, const struct epoll *target, int level)
{
	struct epoll_item *it;
	int depth = 0;

	if (ep == target || level > NEST_MAX)
		return INT32_MAX;
	if (ep->visit == epoll_module.visit)
		return ep->visit_depth;
	list_for_each_entry(it, &ep->nested, nested_node) {
		int below = epoll_depth_down(file_epoll(it->file), target, level + 1);

		if (below == INT32_MAX)
			return INT32_MAX;
		depth = MAX(depth, below + 1);
	}
	ep->visit = epoll_module.visit;
	ep->visit_depth = depth;
	return depth;
}

/* Edges on the longest way up.  Stable under the module lock, as ep's file is an epoll file. */
static int epoll_depth_up(struct epoll *ep, int level)
{
	struct epoll_item *it;
	int depth = 0;

	if (level > NEST_MAX)
		return level;
	if (ep->visit == epoll_module.visit)
		return ep->visit_depth;
	list_for_each_entry(it, &ep->file->epolls, file_node)
		depth = MAX(depth, epoll_depth_up(it->ep, level + 1) + 1);
	ep->visit = epoll_module.visit;
	ep->visit_depth = depth;
	return depth;
}

static int epoll_check_nesting(struct epoll *outer, struct epoll *inner)
{
	int down, up;

	epoll_module.visit++;
	down = epoll_depth_down(inner, outer, 0);
	if (down == INT32_MAX)
		return -ELOOP;
	epoll_module.visit++;
	up = epoll_depth_up(outer, 0);
	return up + 1 + down > NEST_MAX ? -ELOOP : 0;
}

/* ---- epoll_ctl --------------------------------------------------------------------------------- */

static int epoll_check_event(int op, const struct file *target, const struct epoll_event *ev)
{
	if (!(ev->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD || file_is_epoll(target) || (ev->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	return 0;
}

static int epoll_do_control(struct epoll *ep, int op, int fd, struct file *f,
			    const struct epoll_event *ev)
{
	struct epoll_item *it;

	switch (op) {
	case EPOLL_CTL_ADD:
		return epoll_add_locked(ep, fd, f, ev);
	case EPOLL_CTL_MOD:
		return epoll_modify_locked(ep, fd, f, ev);
	default:
		it = epoll_find_locked(ep, f, fd);
		if (!it)
			return -ENOENT;
		epoll_remove_locked(ep, it);
		return 0;
	}
}

/* The module lock is taken for nested instances only: beyond what the analysis follows. */
int epoll_control(struct file *epf, int op, int fd, struct file *target,
		  const struct epoll_event *ev) NO_TSA
{
	bool nested = file_is_epoll(target);
	struct epoll_event with_always = { 0 };
	struct epoll *ep;
	int err = 0;

	if (!target->ops->poll)
		return -EPERM; /* always ready: nothing to wait for */
	if (epf == target || !file_is_epoll(epf))
		return -EINVAL;
	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL) {
		err = epoll_check_event(op, target, ev);
		if (err < 0)
			return err;
		with_always = *ev;
		with_always.events |= EPOLLERR | EPOLLHUP;
	}

	ep = file_epoll(epf);
	if (nested)
		mutex_lock(&epoll_module.lock);
	if (nested && op == EPOLL_CTL_ADD)
		err = epoll_check_nesting(ep, file_epoll(target));
	if (err == 0) {
		mutex_lock_nested(&ep->lock);
		err = epoll_do_control(ep, op, fd, target, &with_always);
		mutex_unlock(&ep->lock);
	}
	if (nested)
		mutex_unlock(&epoll_module.lock);
	return err;
}

void epoll_forget_file(struct file *f)
{
	mutex_lock(&epoll_module.lock);
	for (;;) {
		struct epoll_item *it;
		struct epoll *ep;

		latch_lock(&f->latch);
		it = list_first(&f->epolls, struct epoll_item, file_node);
		latch_unlock(&f->latch);
		if (!it)
			break;
		/* It stays: only the release of its instance could free it, and that needs our lock. */
		ep = it->ep;
		mutex_lock_nested(&ep->lock);
		epoll_remove_locked(ep, it);
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&epoll_module.lock);
}

/* ---- epoll_wait -------------------------------------------------------------------------------- */

/* Put those back that could not be reported. */
static void epoll_return_locked(struct epoll *ep, struct list *rest)
{
	latch_lock(&ep->ready_latch);
	list_splice(rest, &ep->ready); /* rest comes first */
	list_splice(&ep->ready, rest);
	latch_unlock(&ep->ready_latch);
}

static struct epoll_item *epoll_next_locked(struct epoll *ep, struct list *from)
{
	struct list *n;

	latch_lock(&ep->ready_latch);
	n = list_shift(from);
	latch_unlock(&ep->ready_latch);
	return n ? list_entry(n, struct epoll_item, ready_node) : NULL;
}

/* After a successful report. */
static void item_reported_locked(struct epoll_item *it)
{
	uint32_t mask = item_events(it);

	if (mask & EPOLLONESHOT)
		atomic_store_explicit(&it->events, mask & PRIVATE_BITS, memory_order_relaxed);
	else if (!(mask & EPOLLET))
		item_make_ready(it);
}

/* Report up to max (<= REPORT_BATCH) items of from.  Count, or -EFAULT with nothing reported. */
static int epoll_report_locked(struct epoll *ep, struct list *from, struct uio *dst, int max)
{
	struct epoll_event out[REPORT_BATCH];
	struct epoll_item *items[REPORT_BATCH], *it;
	int count = 0, done = 0;

	while (count < max && (it = epoll_next_locked(ep, from))) {
		uint32_t events = item_poll(it);

		if (!events)
			continue;
		out[count].events = events;
		out[count].data.u64 = it->data;
		items[count++] = it;
	}
	if (count > 0) {
		ssize_t n = uio_put(dst, out, (size_t)count * sizeof(out[0]));

		done = n < 0 ? 0 : (int)((size_t)n / sizeof(out[0]));
	}
	for (int i = 0; i < count; i++) {
		if (i < done)
			item_reported_locked(items[i]);
		else
			item_make_ready(items[i]);
	}
	return count > 0 && done == 0 ? -EFAULT : done;
}

static int epoll_collect(struct epoll *ep, struct uio *dst, int max)
{
	struct list taken = LIST_INIT(taken);
	int done = 0, n;

	mutex_lock_nested(&ep->lock);
	latch_lock(&ep->ready_latch);
	list_splice(&taken, &ep->ready);
	latch_unlock(&ep->ready_latch);
	do {
		n = epoll_report_locked(ep, &taken, dst, MIN(max - done, REPORT_BATCH));
		if (n > 0)
			done += n;
	} while (n == REPORT_BATCH && done < max);
	epoll_return_locked(ep, &taken);
	mutex_unlock(&ep->lock);

	/* There may be more than this caller took, for others who sleep. */
	if (epoll_has_ready(ep))
		wq_wake_count(&ep->wait, 0, 1);
	return done > 0 ? done : n;
}

static bool epoll_ready(void *arg)
{
	return epoll_has_ready(arg);
}

int epoll_wait_events(struct vfs_ctx *c, struct file *epf, struct uio *dst, int max,
		      int64_t deadline_ns)
{
	struct epoll *ep;
	int err = deadline_ns == 0 ? -ETIMEDOUT : 0;

	if (max <= 0 || (size_t)max > INT32_MAX / sizeof(struct epoll_event))
		return -EINVAL;
	if (!file_is_epoll(epf))
		return -EINVAL;
	ep = file_epoll(epf);
	for (;;) {
		if (epoll_has_ready(ep)) {
			int n = epoll_collect(ep, dst, max);

			if (n != 0)
				return n;
		}
		if (err == -ETIMEDOUT)
			return 0;
		if (err < 0)
			return -EINTR;
		err = vfs_wait_ready(c, &ep->wait, 0, true, epoll_ready, ep, deadline_ns);
	}
}

/* ---- the file ---------------------------------------------------------------------------------- */

static uint32_t epoll_poll(struct file *f, struct poller *p)
{
	struct epoll *ep = file_epoll(f);
	struct list taken = LIST_INIT(taken);
	struct epoll_item *it;
	uint32_t events = 0;

	poller_add(p, &ep->polled);
	if (!epoll_has_ready(ep))
		return 0;
	mutex_lock_nested(&ep->lock);
	latch_lock(&ep->ready_latch);
	list_splice(&taken, &ep->ready);
	latch_unlock(&ep->ready_latch);
	while (events == 0 && (it = epoll_next_locked(ep, &taken))) {
		if (item_poll(it)) {
			item_make_ready(it);
			events = POLLIN | POLLRDNORM;
		}
	}
	epoll_return_locked(ep, &taken);
	mutex_unlock(&ep->lock);
	return events;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = file_epoll(f);
	struct tree_node *n;

	mutex_lock(&epoll_module.lock);
	mutex_lock_nested(&ep->lock);
	while ((n = tree_first(&ep->items)))
		epoll_remove_locked(ep, container_of(n, struct epoll_item, node));
	mutex_unlock(&ep->lock);
	mutex_unlock(&epoll_module.lock);
	mem_free(ep);
}

static void epoll_show_fdinfo(struct file *f, struct buf *b)
{
	struct epoll *ep = file_epoll(f);

	mutex_lock_nested(&ep->lock);
	for (struct tree_node *n = tree_first(&ep->items); n; n = tree_next(n)) {
		struct epoll_item *it = container_of(n, struct epoll_item, node);
		const struct inode *i = it->file->inode;

		buf_printf(b, "tfd: %8d events: %8x data: %16" PRIx64 "  pos:%" PRIi64
			   " ino:%" PRIx64 " sdev:%x\n", it->fd, item_events(it), it->data,
			   it->file->pos, i->ino, (unsigned int)i->sb->dev);
	}
	mutex_unlock(&ep->lock);
}

static int64_t epoll_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c, (void)off, (void)whence;
	return f->pos; /* noop_llseek */
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.llseek = epoll_llseek,
	.release = epoll_release,
	.show_fdinfo = epoll_show_fdinfo,
};

int epoll_new(struct vfs_ctx *c, struct file **out)
{
	struct epoll *ep = mem_new(struct epoll);
	struct file *f;
	int err;

	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock, LOCK_EPOLL);
	tree_init(&ep->items, item_cmp);
	list_init(&ep->ready);
	list_init(&ep->nested);
	wq_init(&ep->wait);
	wq_init(&ep->polled);
	err = file_new_anon("eventpoll", &epoll_ops, ep, O_RDWR, FILE_READ | FILE_WRITE, c->cred, &f);
	if (err < 0) {
		mem_free(ep);
		return err;
	}
	ep->file = f;
	*out = f;
	return 0;
}
