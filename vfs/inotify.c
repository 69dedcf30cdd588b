/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify.c: inotify(7).
 *
 * A watch connects an inode and an instance (group) and hangs on a list of each.  It holds the
 * inode; the group's file holds the group, the group its watches.  One latch guards all lists and
 * queues: events are rare next to what they report, and adding one is a few stores.  Memory for an
 * event is allocated before the latch is taken.
 *
 * While there is no watch at all (a global count) nothing here does anything.
 *
 * A queue (evqueue.h) holds EVENTS_MAX events; then one IN_Q_OVERFLOW.  An event like the last one in the
 * queue is dropped, as on Linux.
 *
 * Events carry what changed through this vfs; what the host changes behind a gofer's back is
 * reported by the gofer client through the same functions.
 *
 * Linux: fs/notify/inotify/.
 */
#include "vfs/inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/dnotify.h"
#include "vfs/evqueue.h"
#include "vfs/fanotify.h"
#include "vfs/file.h"
#include "vfs/user_count.h"
#include "vfs/vfs_impl.h"

#define EVENTS_MAX  16384 /* /proc/sys/fs/inotify/max_queued_events */
#define WATCHES_MAX 65536 /* of one instance */
#define EVENT_ALIGN 16    /* names are padded to the size of struct inotify_event */

/* (n) notify.latch */
struct in_event {
	struct list node;
	int32_t wd;
	uint32_t mask, cookie;
	uint32_t len;       /* of name with its NUL, 0: none */
	char name[];
};

struct in_group {
	struct evqueue queue; /* (n) struct in_event */
	struct list watches;  /* (n) struct in_watch by group_node */
	unsigned int watch_count; /* (n) */
	int32_t last_wd;      /* (n) */
	uint32_t uid;         /* (c) whose it counts as */
	struct in_event overflow; /* (n) on the list or not */
};

struct in_watch {
	struct list group_node; /* (n) */
	struct list inode_node; /* (n) in inode->watches */
	struct in_group *group; /* (c) borrowed */
	struct inode *inode;    /* (c) counted */
	int32_t wd;             /* (c) */
	uint32_t mask;          /* (n) */
};

static struct {
	struct latch latch;
	atomic_uint watch_count;
	atomic_uint next_cookie;
} notify = { .next_cookie = 1 };

/* ---- queueing --------------------------------------------------------------------------------- */

static struct in_event *event_new(const char *name)
{
	size_t len = name ? strlen(name) + 1 : 0;
	struct in_event *e = mem_alloc(sizeof(*e) + len);

	if (!e)
		return NULL;
	e->len = (uint32_t)len;
	if (len)
		memcpy(e->name, name, len);
	return e;
}

static bool same_event(const struct in_event *a, const struct in_event *b)
{
	return a->wd == b->wd && a->mask == b->mask && a->cookie == b->cookie && a->len == b->len &&
	       !memcmp(a->name, b->name, a->len);
}

/* Latch held.  Takes e (true) or leaves it to the caller. */
static bool group_queue(struct in_group *g, struct in_event *e)
{
	struct list *events = &g->queue.events;
	struct in_event *last = list_empty(events) ? NULL : list_entry(events->prev, struct in_event, node);

	return !(last && same_event(last, e)) && evqueue_add_locked(&g->queue, &e->node);
}

/* Latch held: take w off both lists; the caller frees it. */
static void watch_unlink(struct in_watch *w)
{
	list_remove(&w->group_node);
	list_remove(&w->inode_node);
	w->group->watch_count--;
	atomic_fetch_sub_explicit(&notify.watch_count, 1, memory_order_relaxed);
}

static void watch_free(struct in_watch *w)
{
	inode_put(w->inode);
	mem_free(w);
}

/* Report IN_IGNORED for w, which is off its lists, and free it. */
static void watch_end(struct in_watch *w)
{
	struct in_event *e = event_new(NULL);

	if (e) {
		e->wd = w->wd;
		e->mask = IN_IGNORED;
		e->cookie = 0;
		latch_lock(&notify.latch);
		if (group_queue(w->group, e))
			e = NULL;
		latch_unlock(&notify.latch);
		mem_free(e);
	}
	watch_free(w);
}

/*
 * Tell all who watch i.  Each watch needs an event of its own; they are made outside the latch, as
 * many as there were watches, and the list is walked again from the start if that was too few.
 * Watches with the bit unless in their mask don't hear of it.
 */
static void notify_inode(struct inode *i, uint32_t mask, uint32_t cookie, const char *name,
			 uint32_t unless)
{
	const uint32_t what = mask & IN_ALL_EVENTS;
	struct list done = LIST_INIT(done), spare = LIST_INIT(spare);
	unsigned int need = 0;
	struct in_watch *w, *tmp;
	struct list *n;

	latch_lock(&notify.latch);
	list_for_each_entry(w, &i->watches, inode_node)
		if ((w->mask & what) && !(w->mask & unless))
			need++;
	latch_unlock(&notify.latch);
	while (need-- > 0) {
		struct in_event *e = event_new(name);

		if (!e)
			break;
		list_append(&spare, &e->node);
	}
	if (list_empty(&spare))
		return;
	latch_lock(&notify.latch);
	list_for_each_entry_safe(w, tmp, &i->watches, inode_node) {
		struct in_event *e;

		if (!(w->mask & what) || (w->mask & unless) || list_empty(&spare))
			continue;
		e = list_entry(list_shift(&spare), struct in_event, node);
		e->wd = w->wd;
		e->mask = mask & (IN_ALL_EVENTS | IN_ISDIR | IN_UNMOUNT);
		if (what & (IN_DELETE_SELF | IN_MOVE_SELF))
			e->mask &= ~(uint32_t)IN_ISDIR; /* inotify_handle_inode_event() */
		e->cookie = cookie;
		if (!group_queue(w->group, e))
			list_append(&spare, &e->node);
		if (w->mask & IN_ONESHOT) {
			watch_unlink(w);
			list_append(&done, &w->group_node);
		}
	}
	latch_unlock(&notify.latch);
	while ((n = list_shift(&spare)))
		mem_free(list_entry(n, struct in_event, node));
	while ((n = list_shift(&done)))
		watch_end(list_entry(n, struct in_watch, group_node));
}

static bool nobody_watches(void)
{
	return atomic_load_explicit(&notify.watch_count, memory_order_relaxed) == 0;
}

static bool watched(const struct inode *i)
{
	return i && !list_empty(&i->watches);
}

static uint32_t dir_bit(const struct inode *i)
{
	return S_ISDIR(i->mode) ? IN_ISDIR : 0;
}

/* ---- what the vfs calls ----------------------------------------------------------------------- */

void fsnotify_inode(struct inode *i, uint32_t mask)
{
	dnotify_event(i, mask);
	if (!nobody_watches() && watched(i))
		notify_inode(i, mask | dir_bit(i), 0, NULL, 0);
	fanotify_inode(i, mask);
}

static void notify_dentry(struct dentry *d, uint32_t mask)
{
	char name[NAME_LEN_MAX + 1];
	struct inode *i = dentry_inode(d);
	struct dentry *parent;

	if ((nobody_watches() && !dnotify_used()) || !i)
		return;
	mask |= dir_bit(i);
	dentry_snapshot(d, name, &parent);
	if (parent)
		dnotify_event(dentry_inode(parent), mask);
	dnotify_event(i, mask);
	if (parent && watched(dentry_inode(parent)))
		notify_inode(dentry_inode(parent), mask, 0, name,
			     dentry_unlinked(d) ? IN_EXCL_UNLINK : 0);
	dentry_put(parent);
	if (watched(i))
		notify_inode(i, mask, 0, NULL, 0);
}

void fsnotify_dentry(struct dentry *d, uint32_t mask)
{
	notify_dentry(d, mask);
	fanotify_dentry(d, mask);
}

void fsnotify_file(const struct file *f, uint32_t mask)
{
	if (f->kind & FILE_NONOTIFY)
		return;
	notify_dentry(f->path.dentry, mask & IN_ALL_EVENTS);
	fanotify_file(f, mask);
}

void fsnotify_name(struct inode *dir, struct inode *child, const char *name, uint32_t mask,
		   uint32_t cookie)
{
	dnotify_event(dir, mask);
	if (!nobody_watches() && watched(dir))
		notify_inode(dir, mask, cookie, name, 0);
	fanotify_name(dir, child, name, mask);
}

void fsnotify_move(struct inode *old_dir, const char *old_name, struct inode *new_dir,
		   const char *new_name, struct inode *moved)
{
	uint32_t cookie;

	if (old_dir == new_dir)
		dnotify_event(old_dir, DNOTIFY_RENAME);
	if (nobody_watches() && !dnotify_used() && !fanotify_used())
		return;
	cookie = atomic_fetch_add_explicit(&notify.next_cookie, 1, memory_order_relaxed);
	fsnotify_name(old_dir, moved, old_name, IN_MOVED_FROM | dir_bit(moved), cookie);
	fsnotify_name(new_dir, moved, new_name, IN_MOVED_TO | dir_bit(moved), cookie);
	fsnotify_inode(moved, IN_MOVE_SELF);
}

void fsnotify_deleted(struct inode *i)
{
	struct in_watch *w;

	fanotify_inode(i, IN_DELETE_SELF);
	fanotify_inode_gone(i);
	if (nobody_watches() || !watched(i))
		return;
	notify_inode(i, IN_DELETE_SELF | dir_bit(i), 0, NULL, 0);
	for (;;) {
		latch_lock(&notify.latch);
		w = list_first(&i->watches, struct in_watch, inode_node);
		if (w)
			watch_unlink(w);
		latch_unlock(&notify.latch);
		if (!w)
			return;
		watch_end(w); /* the caller holds i */
	}
}

/* ---- reading ---------------------------------------------------------------------------------- */

static size_t event_size(const struct in_event *e)
{
	return sizeof(struct inotify_event) + ALIGN_UP((size_t)e->len, EVENT_ALIGN);
}

static ssize_t event_put(struct uio *dst, const struct in_event *e)
{
	struct inotify_event h = {
		.wd = e->wd,
		.mask = e->mask,
		.cookie = e->cookie,
		.len = (uint32_t)ALIGN_UP((size_t)e->len, EVENT_ALIGN),
	};
	ssize_t n = uio_put(dst, &h, sizeof(h));

	if (n == sizeof(h) && e->len)
		n = uio_put(dst, e->name, e->len);
	if (n > 0 && h.len > e->len)
		n = uio_zero(dst, h.len - e->len);
	return n < 0 ? n : (ssize_t)event_size(e);
}

static size_t queue_size(const struct evqueue *q, const struct list *e)
{
	(void)q;
	return event_size(list_entry(e, struct in_event, node));
}

static ssize_t queue_put(struct vfs_ctx *c, struct evqueue *q, struct list *node, struct uio *dst)
{
	struct in_event *e = list_entry(node, struct in_event, node);
	ssize_t n = event_put(dst, e);

	(void)c;
	if (node != q->overflow)
		mem_free(e);
	return n;
}

static const struct evqueue_ops inotify_queue = { .size = queue_size, .put = queue_put };

static ssize_t inotify_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos,
			    int rwf)
{
	struct in_group *g = file_priv(f);

	(void)pos;
	return evqueue_read(c, &g->queue, dst, rwf);
}

static uint32_t inotify_poll(struct file *f, struct poller *p)
{
	struct in_group *g = file_priv(f);

	return evqueue_poll(&g->queue, p);
}

static long inotify_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct in_group *g = file_priv(f);

	return evqueue_ioctl(c, &g->queue, cmd, arg);
}

/* ---- instances and watches -------------------------------------------------------------------- */

static struct in_watch *group_pop(struct in_group *g, const struct inode *i, int wd)
{
	struct in_watch *w, *found = NULL;

	latch_lock(&notify.latch);
	list_for_each_entry(w, &g->watches, group_node) {
		if ((!i || w->inode == i) && (wd < 0 || w->wd == wd)) {
			found = w;
			watch_unlink(w);
			break;
		}
	}
	latch_unlock(&notify.latch);
	return found;
}

static void inotify_release(struct file *f)
{
	struct in_group *g = file_priv(f);
	struct list drop = LIST_INIT(drop);
	struct in_watch *w;
	struct list *n;

	while ((w = group_pop(g, NULL, -1)))
		watch_free(w);
	latch_lock(&notify.latch);
	while ((n = evqueue_drain_locked(&g->queue)))
		list_append(&drop, n);
	latch_unlock(&notify.latch);
	while ((n = list_shift(&drop)))
		mem_free(list_entry(n, struct in_event, node));
	(void)user_count_add(g->uid, USER_INOTIFY, -1);
	mem_free(g);
}

static void inotify_show(struct file *f, struct buf *b)
{
	struct in_group *g = file_priv(f);
	struct in_watch *w;

	latch_lock(&notify.latch);
	list_for_each_entry(w, &g->watches, group_node)
		buf_printf(b, "inotify wd:%d ino:%llx sdev:%llx mask:%x ignored_mask:0\n", w->wd,
			   (unsigned long long)w->inode->ino, (unsigned long long)w->inode->sb->dev,
			   w->mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK));
	latch_unlock(&notify.latch);
}

static const struct file_ops inotify_fops = {
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.show_fdinfo = inotify_show,
};

int inotify_new(struct vfs_ctx *c, int flags, struct file **out)
{
	struct in_group *g = mem_new(struct in_group);
	long have;
	int err;

	if (!g)
		return -ENOMEM;
	g->uid = c->cred->uid;
	have = user_count_add(g->uid, USER_INOTIFY, 1);
	if (have < 0 || have > USER_INOTIFY_MAX) {
		if (have > 0)
			(void)user_count_add(g->uid, USER_INOTIFY, -1);
		mem_free(g);
		return have < 0 ? (int)have : -EMFILE;
	}
	evqueue_init(&g->queue, &inotify_queue, &notify.latch, &g->overflow.node, EVENTS_MAX);
	list_init(&g->watches);
	g->overflow.wd = -1;
	g->overflow.mask = IN_Q_OVERFLOW;
	err = file_new_anon("inotify", &inotify_fops, g, O_RDONLY | (flags & O_NONBLOCK),
			    FILE_READ | FILE_STREAM | FILE_NOSPLICE, c->cred, out);
	if (err < 0) {
		(void)user_count_add(g->uid, USER_INOTIFY, -1);
		mem_free(g);
	}
	return err;
}

bool file_is_inotify(const struct file *f)
{
	return f->ops == &inotify_fops;
}

/* Latch held. */
static struct in_watch *watch_find(struct in_group *g, const struct inode *i)
{
	struct in_watch *w;

	list_for_each_entry(w, &i->watches, inode_node)
		if (w->group == g)
			return w;
	return NULL;
}

/* Change an existing watch; its number, 0: there is none, or -EEXIST. */
static int watch_update(struct in_group *g, const struct inode *i, uint32_t mask)
{
	struct in_watch *w;
	int wd = 0;

	latch_lock(&notify.latch);
	w = watch_find(g, i);
	if (w && (mask & IN_MASK_CREATE)) {
		wd = -EEXIST;
	} else if (w) {
		w->mask = (mask & IN_MASK_ADD ? w->mask : 0) | mask;
		wd = w->wd;
	}
	latch_unlock(&notify.latch);
	return wd;
}

int inotify_add(struct vfs_ctx *c, struct file *f, const struct path *p, uint32_t mask)
{
	struct in_group *g = file_priv(f);
	struct inode *i = dentry_inode(p->dentry);
	struct in_watch *w;
	int wd, err;

	err = inode_permission(c, i, MAY_READ);
	if (err < 0)
		return err;
	mask &= IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE;
	wd = watch_update(g, i, mask);
	if (wd != 0)
		return wd;
	w = mem_new(struct in_watch);
	if (!w)
		return -ENOMEM;
	w->group = g;
	w->inode = inode_get(i);
	w->mask = mask;
	latch_lock(&notify.latch);
	wd = -ENOSPC;
	if (g->watch_count < WATCHES_MAX) {
		wd = w->wd = ++g->last_wd;
		g->watch_count++;
		list_append(&g->watches, &w->group_node);
		list_append(&i->watches, &w->inode_node);
		atomic_fetch_add_explicit(&notify.watch_count, 1, memory_order_relaxed);
	}
	latch_unlock(&notify.latch);
	if (wd < 0)
		watch_free(w);
	return wd;
}

int inotify_remove(struct file *f, int wd)
{
	struct in_watch *w = wd > 0 ? group_pop(file_priv(f), NULL, wd) : NULL;

	if (!w)
		return -EINVAL;
	watch_end(w);
	return 0;
}
