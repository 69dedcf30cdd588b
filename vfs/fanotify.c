/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanotify.c: fanotify(7).
 *
 * A group (a descriptor) has marks on inodes, mounts and file systems.  Something that happens is
 * offered to every group: its marks on the inode itself, on the directory (with FAN_EVENT_ON_CHILD), on
 * the mount and on the file system say together whether it wants to hear of it.  Marks are found in one
 * hash table; marks on mounts and file systems keep those by number only, so that they can go.
 *
 * Groups that ask for descriptors get an event with the path, and open it when they read; those that ask
 * for ids (FAN_REPORT_FID and kin) get file handles, made when it happens.  An event like one that still
 * waits (same object, same process) is merged into it.
 *
 * Permission events: who opens or reads waits until a reader of the group has answered; its event goes
 * queue → (being read) → list of those asked → answered.  It belongs to who waits, until that gives up.
 *
 * Files that a group opened for its reader cause no events (FILE_NONOTIFY).
 *
 * Missing: FAN_RENAME, FAN_FS_ERROR, pre-content events, marks on mount namespaces.  Events carry what
 * happens through this vfs, not what the host does behind a Gofer's back (inotify has that).
 *
 * Locks: one latch for all lists; no group, file or inode is let go under it.
 * Linux: fs/notify/fanotify/.
 */
#include "vfs/fanotify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fanotify.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "vfs/evqueue.h"
#include "vfs/file.h"
#include "vfs/handle.h"
#include "vfs/poll.h"
#include "vfs/mount_impl.h"

#define EVENTS_MAX 16384 /* /proc/sys/fs/fanotify/max_queued_events */
#define MARKS_MAX  65536 /* of one group */
#define GROUPS_MAX 128
#define MERGE_LOOK 128   /* how far back an event to merge with is looked for */

#define DIRENT_EVENTS (FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO)
#define PERM_EVENTS   (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM | FAN_ACCESS_PERM)
#define FILE_EVENTS   (FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN | FAN_OPEN_EXEC | PERM_EVENTS)
#define EVENT_FLAGS   (FAN_EVENT_ON_CHILD | FAN_ONDIR)
#define ALL_EVENTS    (FILE_EVENTS | DIRENT_EVENTS | FAN_ATTRIB | FAN_DELETE_SELF | FAN_MOVE_SELF)
#define FID_FLAGS     (FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID)
#define MARK_TYPES    (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)

enum mark_kind { ON_INODE, ON_MOUNT, ON_SUPER };

/* (c) constant, (n) the latch */
struct fan_mark {
	struct list group_node; /* (n) */
	struct hash_node node;  /* (n) */
	struct fan_group *group; /* (c) borrowed */
	enum mark_kind kind;    /* (c) */
	uint64_t key;           /* (c) inode's address, mount's id, file system's device number */
	struct inode *inode;    /* (c) counted; ON_INODE only */
	uint32_t mask, ignored; /* (n) */
	bool survives;          /* (n) ignored stays after FAN_MODIFY */
	bool ignore_flags;      /* (n) FAN_MARK_IGNORE: ignored has FAN_ONDIR and _ON_CHILD of its own */
};

struct fan_fid {
	bool there;
	uint32_t fsid[2];
	struct handle h;
};

enum asked { NOT_READ, BEING_READ, ASKED, ANSWERED };

struct fan_event {
	struct list node;   /* (n) */
	uint64_t mask;      /* (n) merges add to it */
	void *who;          /* (c) counted */
	struct path path;   /* (c) counted; without ids */
	struct fan_fid dir, object; /* (c) */
	size_t name_size;   /* (c) with its NUL; 0: none */
	enum asked asked;   /* (n) permission events … */
	bool abandoned;     /* (n) nobody waits for the answer any more */
	bool allowed;       /* (n) */
	int32_t fd;         /* (n) what the answer names */
	char name[];
};

struct fan_group {
	struct ref ref;        /* the file, and who waits for an answer */
	struct list node;      /* (n) */
	unsigned int flags;    /* (c) FAN_* of fanotify_init(2) */
	int event_flags;       /* (c) */
	bool unprivileged;     /* (c) */
	bool gone;             /* (n) */
	struct evqueue queue;  /* (n) struct fan_event */
	struct list asked;     /* (n) */
	unsigned int mark_count; /* (n) */
	struct list marks;     /* (n) */
	struct wq answers;
	struct fan_event overflow; /* (n) FAN_Q_OVERFLOW, in the queue or not */
};

static struct {
	struct latch latch;
	struct hash marks; /* (n) */
	struct list groups; /* (n) */
	unsigned int group_count; /* (n) */
	atomic_uint mark_count;
	atomic_uint perm_marks; /* marks ever set for permission events: a hint */
	const struct fanotify_hooks *hooks;
} fan = { .groups = LIST_INIT(fan.groups) };

int fanotify_init_module(const struct fanotify_hooks *h)
{
	fan.hooks = h;
	return hash_init(&fan.marks, 64);
}

/* ---- marks ------------------------------------------------------------------------------------ */

static uint64_t mark_hash(enum mark_kind kind, uint64_t key)
{
	return hash_u64((uint64_t)kind + 1, key);
}

static struct fan_mark *mark_peek_locked(const struct fan_group *g, enum mark_kind kind, uint64_t key)
{
	for (struct hash_node *n = hash_first(&fan.marks, mark_hash(kind, key)); n; n = hash_next(n)) {
		struct fan_mark *m = container_of(n, struct fan_mark, node);

		if (m->kind == kind && m->key == key && (!g || m->group == g))
			return m;
	}
	return NULL;
}

static void mark_unlink_locked(struct fan_mark *m)
{
	hash_remove(&fan.marks, &m->node);
	list_remove(&m->group_node);
	m->group->mark_count--;
	atomic_fetch_sub_explicit(&fan.mark_count, 1, memory_order_relaxed);
}

static void mark_free(struct fan_mark *m)
{
	inode_put(m->inode);
	mem_free(m);
}

static enum mark_kind kind_of_flags(unsigned int flags)
{
	if (flags & FAN_MARK_MOUNT)
		return ON_MOUNT;
	return flags & FAN_MARK_FILESYSTEM ? ON_SUPER : ON_INODE;
}

static uint64_t key_of(enum mark_kind kind, const struct path *p)
{
	switch (kind) {
	case ON_MOUNT:
		return p->mnt->id;
	case ON_SUPER:
		return dentry_super(p->dentry)->dev;
	default:
		return (uintptr_t)dentry_inode(p->dentry);
	}
}

static int mark_change_locked(struct fan_mark *m, unsigned int flags, uint32_t mask)
{
	bool ignore = flags & (FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORE);
	uint32_t *bits = ignore ? &m->ignored : &m->mask;

	if (flags & FAN_MARK_REMOVE) {
		*bits &= ~mask;
		return 0;
	}
	if (ignore && m->ignored && m->ignore_flags != !!(flags & FAN_MARK_IGNORE))
		return -EEXIST;
	*bits |= mask;
	if (ignore) {
		m->ignore_flags = flags & FAN_MARK_IGNORE;
		m->survives |= !!(flags & FAN_MARK_IGNORED_SURV_MODIFY);
	}
	return 0;
}

static int mark_add(struct fan_group *g, const struct path *p, unsigned int flags, uint32_t mask)
{
	enum mark_kind kind = kind_of_flags(flags);
	struct fan_mark *fresh = mem_new(struct fan_mark), *m;
	int err = 0;

	if (!fresh)
		return -ENOMEM;
	fresh->group = g;
	fresh->kind = kind;
	fresh->key = key_of(kind, p);
	if (kind == ON_INODE)
		fresh->inode = inode_get(dentry_inode(p->dentry));
	latch_lock(&fan.latch);
	m = mark_peek_locked(g, kind, fresh->key);
	if (!m && g->mark_count >= MARKS_MAX && !(g->flags & FAN_UNLIMITED_MARKS)) {
		err = -ENOSPC;
	} else if (!m) {
		m = fresh;
		fresh = NULL;
		hash_insert(&fan.marks, &m->node, mark_hash(kind, m->key));
		list_append(&g->marks, &m->group_node);
		g->mark_count++;
		atomic_fetch_add_explicit(&fan.mark_count, 1, memory_order_relaxed);
	}
	if (err == 0)
		err = mark_change_locked(m, flags, mask);
	latch_unlock(&fan.latch);
	if (mask & PERM_EVENTS)
		atomic_fetch_add_explicit(&fan.perm_marks, 1, memory_order_relaxed);
	if (fresh)
		mark_free(fresh);
	return err;
}

static int mark_remove(struct fan_group *g, const struct path *p, unsigned int flags, uint32_t mask)
{
	enum mark_kind kind = kind_of_flags(flags);
	struct fan_mark *m, *drop = NULL;

	latch_lock(&fan.latch);
	m = mark_peek_locked(g, kind, key_of(kind, p));
	if (m) {
		(void)mark_change_locked(m, flags, mask);
		if (!((m->mask | m->ignored) & ~EVENT_FLAGS)) {
			mark_unlink_locked(m);
			drop = m;
		}
	}
	latch_unlock(&fan.latch);
	if (drop)
		mark_free(drop);
	return m ? 0 : -ENOENT;
}

/* kind < 0: all. */
static void marks_flush(struct fan_group *g, int kind)
{
	struct fan_mark *m, *next;
	struct list gone = LIST_INIT(gone);
	struct list *n;

	latch_lock(&fan.latch);
	list_for_each_entry_safe(m, next, &g->marks, group_node) {
		if (kind >= 0 && m->kind != (enum mark_kind)kind)
			continue;
		mark_unlink_locked(m);
		list_append(&gone, &m->group_node);
	}
	latch_unlock(&fan.latch);
	while ((n = list_shift(&gone)))
		mark_free(list_entry(n, struct fan_mark, group_node));
}

void fanotify_flush(struct file *f, unsigned int flags)
{
	marks_flush(file_priv(f), (int)kind_of_flags(flags));
}

int fanotify_mark_check(const struct file *f, unsigned int flags, uint64_t mask)
{
	const struct fan_group *g = file_priv(f);
	unsigned int fids = g->flags & FID_FLAGS;

	if (g->unprivileged && (flags & MARK_TYPES))
		return -EPERM;
	if ((mask & PERM_EVENTS) && !(g->flags & (FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT)))
		return -EINVAL;
	if ((mask & ~(uint64_t)(FILE_EVENTS | EVENT_FLAGS)) && (!fids || (flags & FAN_MARK_MOUNT)))
		return -EINVAL;
	return 0;
}

int fanotify_mark_set(struct file *f, const struct path *p, unsigned int flags, uint32_t mask)
{
	struct fan_group *g = file_priv(f);
	bool dir = inode_is_dir(dentry_inode(p->dentry));

	if (flags & FAN_MARK_REMOVE)
		return mark_remove(g, p, flags, mask);
	if ((flags & FAN_MARK_IGNORE) && !(flags & FAN_MARK_IGNORED_SURV_MODIFY)) {
		if (flags & MARK_TYPES)
			return -EINVAL;
		if (dir)
			return -EISDIR;
	}
	/* What is on a child says nothing elsewhere than at a directory. */
	if (!dir || (flags & MARK_TYPES))
		mask &= ~(uint32_t)FAN_EVENT_ON_CHILD;
	return mark_add(g, p, flags, mask);
}

void fanotify_inode_gone(struct inode *i)
{
	struct fan_mark *m;

	if (atomic_load_explicit(&fan.mark_count, memory_order_relaxed) == 0)
		return;
	for (;;) {
		latch_lock(&fan.latch);
		m = mark_peek_locked(NULL, ON_INODE, (uintptr_t)i);
		if (m)
			mark_unlink_locked(m);
		latch_unlock(&fan.latch);
		if (!m)
			return;
		mark_free(m); /* the caller holds i */
	}
}

/* ---- who wants to know ------------------------------------------------------------------------- */

/* Something that happens; all borrowed. */
struct happening {
	uint32_t mask;            /* FAN_*, with FAN_ONDIR */
	const struct path *path;  /* NULL: no open file */
	struct inode *inode;      /* what it happens to; of names: the directory */
	struct inode *parent;     /* the directory that inode is in; NULL of names */
	struct inode *child;      /* of names */
	const char *name;
};

static bool nobody_marks(void)
{
	return atomic_load_explicit(&fan.mark_count, memory_order_relaxed) == 0;
}

bool fanotify_used(void)
{
	return !nobody_marks();
}

static uint32_t mark_ignores(const struct fan_mark *m, bool is_dir, bool parent)
{
	uint32_t flags = m->ignored;

	if (!is_dir && !parent)
		return m->ignored & ~EVENT_FLAGS;
	if (!m->ignore_flags)
		flags = (m->mask & FAN_EVENT_ON_CHILD) | FAN_ONDIR;
	if ((is_dir && !(flags & FAN_ONDIR)) || (parent && !(flags & FAN_EVENT_ON_CHILD)))
		return 0;
	return m->ignored & ~EVENT_FLAGS;
}

/* Which of h's events g wants to hear of. */
static uint32_t group_wants_locked(const struct fan_group *g, const struct happening *h)
{
	struct fan_mark *marks[] = {
		h->parent ? mark_peek_locked(g, ON_INODE, (uintptr_t)h->parent) : NULL,
		h->inode ? mark_peek_locked(g, ON_INODE, (uintptr_t)h->inode) : NULL,
		h->path ? mark_peek_locked(g, ON_MOUNT, h->path->mnt->id) : NULL,
		h->inode ? mark_peek_locked(g, ON_SUPER, h->inode->sb->dev) : NULL,
	};
	bool is_dir = h->mask & FAN_ONDIR;
	uint32_t want = 0, ignored = 0;

	for (size_t n = 0; n < ARRAY_SIZE(marks); n++) {
		struct fan_mark *m = marks[n];
		bool parent = n == 0;

		if (!m)
			continue;
		if ((h->mask & FAN_MODIFY) && !m->survives)
			m->ignored = 0;
		ignored |= mark_ignores(m, is_dir, parent);
		if ((is_dir && !(m->mask & FAN_ONDIR)) || (parent && !(m->mask & FAN_EVENT_ON_CHILD)))
			continue;
		want |= m->mask;
	}
	want &= h->mask & ~ignored & ALL_EVENTS;
	if (!h->path && !(g->flags & FID_FLAGS))
		return 0;
	return want;
}

/* ---- events ------------------------------------------------------------------------------------ */

static void event_free(struct fan_event *e)
{
	fan.hooks->who_put(e->who);
	path_put(&e->path);
	mem_free(e);
}

static void fid_fill(struct fan_fid *fid, struct inode *i)
{
	struct statfs_info s;

	if (!i)
		return;
	fid->there = true;
	memset(&s, 0, sizeof(s));
	if (i->sb->ops->statfs && i->sb->ops->statfs(i->sb, &s) == 0)
		memcpy(fid->fsid, s.fsid, sizeof(fid->fsid));
	if (!fid->fsid[0] && !fid->fsid[1])
		fid->fsid[0] = (uint32_t)i->sb->dev;
	if (handle_of_inode(i, !i->sb->ops->find_inode, &fid->h) < 0)
		fid->there = false;
}

/* Which ids g gets told. */
static void event_ids(struct fan_event *e, unsigned int flags, const struct happening *h)
{
	bool of_name = h->mask & DIRENT_EVENTS, is_dir = inode_is_dir(h->inode);
	struct inode *dir = of_name || is_dir ? h->inode : h->parent;
	struct inode *object = of_name && (flags & FAN_REPORT_TARGET_FID) ? h->child : h->inode;

	if ((flags & FAN_REPORT_DIR_FID) && dir) {
		fid_fill(&e->dir, dir);
		if ((flags & FAN_REPORT_FID) && object != dir)
			fid_fill(&e->object, object);
	} else {
		fid_fill(&e->object, of_name ? h->inode : object);
	}
}

static struct fan_event *event_new(const struct fan_group *g, const struct happening *h)
{
	const char *name = NULL;
	struct fan_event *e;
	size_t size;

	if ((g->flags & FAN_REPORT_NAME) && (h->mask & DIRENT_EVENTS || h->parent))
		name = inode_is_dir(h->inode) && !(h->mask & DIRENT_EVENTS) ? "." : h->name;
	size = name ? strlen(name) + 1 : 0;
	e = mem_zalloc(sizeof(*e) + size);
	if (!e)
		return NULL;
	list_init(&e->node);
	e->name_size = size;
	if (size)
		memcpy(e->name, name, size);
	e->who = fan.hooks->who(g->flags & FAN_REPORT_TID);
	if (g->flags & FID_FLAGS) {
		event_ids(e, g->flags, h);
	} else {
		e->path = *h->path;
		path_get(&e->path);
	}
	return e;
}

static bool same_fid(const struct fan_fid *a, const struct fan_fid *b)
{
	return a->there == b->there && (!a->there || (!memcmp(a->fsid, b->fsid, sizeof(a->fsid)) &&
						      !memcmp(&a->h, &b->h, sizeof(a->h))));
}

static bool same_event(const struct fan_event *a, const struct fan_event *b)
{
	return a->who == b->who && !((a->mask | b->mask) & PERM_EVENTS) &&
	       (a->mask & FAN_ONDIR) == (b->mask & FAN_ONDIR) && path_equal(&a->path, &b->path) &&
	       same_fid(&a->dir, &b->dir) && same_fid(&a->object, &b->object) &&
	       a->name_size == b->name_size && !memcmp(a->name, b->name, a->name_size);
}

/* Takes e (true), or leaves it to the caller: merged, or lost. */
static bool group_queue_locked(struct fan_group *g, struct fan_event *e)
{
	const struct list *n = g->queue.events.prev;

	for (unsigned int i = 0; i < MERGE_LOOK && n != &g->queue.events; i++, n = n->prev) {
		struct fan_event *old = list_entry(n, struct fan_event, node);

		if (old != &g->overflow && same_event(old, e)) {
			old->mask |= e->mask;
			return false;
		}
	}
	return evqueue_add_locked(&g->queue, &e->node);
}

static void group_put(struct fan_group *g)
{
	if (ref_put(&g->ref))
		mem_free(g);
}

/* The n-th group that wants to hear of h, counted; NULL: no more. */
static struct fan_group *group_next(const struct happening *h, unsigned int *n, uint32_t *want)
{
	struct fan_group *g, *found = NULL;
	unsigned int at = 0;

	latch_lock(&fan.latch);
	list_for_each_entry(g, &fan.groups, node) {
		if (at++ < *n)
			continue;
		*n = at;
		*want = group_wants_locked(g, h);
		if (*want) {
			ref_get(&g->ref);
			found = g;
			break;
		}
	}
	latch_unlock(&fan.latch);
	return found;
}

static void happen(const struct happening *h)
{
	struct fan_group *g;
	unsigned int n = 0;
	uint32_t want;

	while ((g = group_next(h, &n, &want))) {
		struct fan_event *e = want & PERM_EVENTS ? NULL : event_new(g, h);

		if (e) {
			e->mask = want | (g->flags & FID_FLAGS ? h->mask & FAN_ONDIR : 0);
			latch_lock(&fan.latch);
			if (!g->gone && group_queue_locked(g, e))
				e = NULL;
			latch_unlock(&fan.latch);
		}
		if (e)
			event_free(e);
		group_put(g);
	}
}

static uint32_t dir_bit(const struct inode *i)
{
	return i && S_ISDIR(i->mode) ? FAN_ONDIR : 0;
}

/* With the name and the directory of d, as they are now. */
static void happen_to_dentry(struct dentry *d, const struct path *path, uint32_t mask)
{
	char name[NAME_LEN_MAX + 1];
	struct dentry *parent = NULL;
	struct happening h = { .path = path, .inode = dentry_inode(d), .name = name };

	if (!h.inode)
		return;
	dentry_snapshot(d, name, &parent);
	h.mask = mask | dir_bit(h.inode);
	h.parent = parent ? dentry_inode(parent) : NULL;
	happen(&h);
	dentry_put(parent);
}

void fanotify_file(const struct file *f, uint32_t mask)
{
	if (!nobody_marks() && !(f->kind & FILE_NONOTIFY))
		happen_to_dentry(f->path.dentry, &f->path, mask);
}

void fanotify_dentry(struct dentry *d, uint32_t mask)
{
	if (!nobody_marks())
		happen_to_dentry(d, NULL, mask & ALL_EVENTS);
}

void fanotify_inode(struct inode *i, uint32_t mask)
{
	struct happening h = { .mask = (mask & ALL_EVENTS) | dir_bit(i), .inode = i };

	if (!nobody_marks())
		happen(&h);
}

void fanotify_name(struct inode *dir, struct inode *child, const char *name, uint32_t mask)
{
	struct happening h = { .mask = mask & (ALL_EVENTS | FAN_ONDIR), .inode = dir, .child = child,
			       .name = name };

	if (!nobody_marks())
		happen(&h);
}

/* ---- permission -------------------------------------------------------------------------------- */

static bool event_answered(void *arg)
{
	const struct fan_event *e = arg;
	bool yes;

	latch_lock(&fan.latch);
	yes = e->asked == ANSWERED;
	latch_unlock(&fan.latch);
	return yes;
}

/* Queue e, wait for the answer, and be done with e. */
static int group_ask(struct vfs_ctx *c, struct fan_group *g, struct fan_event *e)
{
	bool ours = true;
	int err = 0;

	latch_lock(&fan.latch);
	if (g->gone) {
		latch_unlock(&fan.latch);
		event_free(e);
		return 0;
	}
	if (!evqueue_add_locked(&g->queue, &e->node)) {
		latch_unlock(&fan.latch);
		event_free(e);
		return 0; /* who can't be asked has no objection: fanotify_handle_event() */
	}
	latch_unlock(&fan.latch);
	err = vfs_wait_ready(c, &g->answers, 0, false, event_answered, e, INT64_MAX);
	latch_lock(&fan.latch);
	if (e->asked == ANSWERED) {
		err = e->allowed ? 0 : -EPERM;
	} else if (e->asked == NOT_READ) {
		evqueue_remove_locked(&g->queue, &e->node);
	} else {
		e->abandoned = true;
		ours = false;
	}
	latch_unlock(&fan.latch);
	if (ours)
		event_free(e);
	return err;
}

int fanotify_ask(struct vfs_ctx *c, const struct file *f, uint32_t mask)
{
	struct happening h = { .path = &f->path, .inode = f->inode };
	char name[NAME_LEN_MAX + 1];
	struct dentry *parent = NULL;
	struct fan_group *g;
	unsigned int n = 0;
	uint32_t want;
	int err = 0;

	if (atomic_load_explicit(&fan.perm_marks, memory_order_relaxed) == 0 || nobody_marks() ||
	    (f->kind & FILE_NONOTIFY))
		return 0;
	dentry_snapshot(f->path.dentry, name, &parent);
	h.mask = mask | dir_bit(f->inode);
	h.parent = parent ? dentry_inode(parent) : NULL;
	while (err == 0 && (g = group_next(&h, &n, &want))) {
		struct fan_event *e = event_new(g, &h);

		err = -ENOMEM;
		if (e) {
			e->mask = want;
			err = group_ask(c, g, e);
		}
		group_put(g);
	}
	dentry_put(parent);
	return err;
}

static ssize_t fanotify_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct fan_group *g = file_priv(f);
	struct fanotify_response r;
	struct fan_event *e, *found = NULL;
	bool drop = false;
	ssize_t n;

	(void)c, (void)pos, (void)rwf;
	if (!(g->flags & (FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT)) || uio_left(src) < sizeof(r))
		return -EINVAL;
	n = uio_get(src, &r, sizeof(r));
	if (n != sizeof(r))
		return n < 0 ? n : -EFAULT;
	if ((r.response & ~(uint32_t)FAN_AUDIT) != FAN_ALLOW && (r.response & ~(uint32_t)FAN_AUDIT) != FAN_DENY)
		return -EINVAL;
	if ((r.response & FAN_AUDIT) && !(g->flags & FAN_ENABLE_AUDIT))
		return -EINVAL;
	if (r.fd < 0)
		return -EINVAL;
	latch_lock(&fan.latch);
	list_for_each_entry(e, &g->asked, node)
		if (e->fd == r.fd) {
			found = e;
			break;
		}
	if (found) {
		list_remove(&found->node);
		found->asked = ANSWERED;
		found->allowed = (r.response & ~(uint32_t)FAN_AUDIT) == FAN_ALLOW;
		drop = found->abandoned;
		if (!drop)
			wq_wake(&g->answers, 0);
	}
	latch_unlock(&fan.latch);
	if (drop)
		event_free(found);
	return found ? (ssize_t)sizeof(r) : -ENOENT;
}

/* ---- reading ----------------------------------------------------------------------------------- */

#define FID_RECORD (sizeof(struct fanotify_event_info_fid) + sizeof(uint32_t) + sizeof(int32_t) + HANDLE_SIZE)

static size_t fid_size(const struct fan_fid *fid, size_t name_size)
{
	return fid->there ? ALIGN_UP(FID_RECORD + name_size, (size_t)4) : 0;
}

static size_t event_size(const struct fan_group *g, const struct fan_event *e)
{
	return sizeof(struct fanotify_event_metadata) + fid_size(&e->dir, e->name_size) +
	       fid_size(&e->object, 0) +
	       (g->flags & FAN_REPORT_PIDFD ? sizeof(struct fanotify_event_info_pidfd) : 0);
}

static void put_fid(struct buf *b, uint8_t type, const struct fan_fid *fid, const char *name,
		    size_t name_size)
{
	struct fanotify_event_info_header head = {
		.info_type = type,
		.len = (uint16_t)fid_size(fid, name_size),
	};
	uint32_t bytes = HANDLE_SIZE;
	int32_t kind = fid->h.type;
	static const char zeros[4];

	if (!fid->there)
		return;
	buf_put(b, &head, sizeof(head));
	buf_put(b, fid->fsid, sizeof(fid->fsid));
	buf_put(b, &bytes, sizeof(bytes));
	buf_put(b, &kind, sizeof(kind));
	buf_put(b, fid->h.bytes, HANDLE_SIZE);
	buf_put(b, name, name_size);
	buf_put(b, zeros, head.len - FID_RECORD - name_size);
}

/* A descriptor for the reader: reserved, and the file that belongs there. */
struct fan_fd {
	int fd; /* or FAN_NOFD, or -errno */
	struct file *file;
};

static struct fan_fd event_open(struct vfs_ctx *c, const struct fan_group *g, const struct fan_event *e)
{
	struct fan_fd r = { .fd = FAN_NOFD };
	int err;

	if (!e->path.dentry)
		return r;
	r.fd = fan.hooks->fd_reserve(c);
	if (r.fd < 0)
		return r;
	err = file_open_path(c, &e->path, g->event_flags & ~O_CLOEXEC, FILE_NONOTIFY, &r.file);
	if (err < 0) {
		fan.hooks->fd_unreserve(c, r.fd);
		r.fd = err;
		r.file = NULL;
	}
	return r;
}

static struct fan_fd event_pidfd(struct vfs_ctx *c, const struct fan_event *e)
{
	struct fan_fd r = { .fd = FAN_NOPIDFD };
	int err;

	if (!e->who)
		return r;
	r.fd = fan.hooks->fd_reserve(c);
	if (r.fd < 0)
		return (struct fan_fd){ .fd = FAN_EPIDFD };
	err = fan.hooks->pidfd(c, e->who, &r.file);
	if (err < 0) {
		fan.hooks->fd_unreserve(c, r.fd);
		r = (struct fan_fd){ .fd = err == -ESRCH ? FAN_NOPIDFD : FAN_EPIDFD };
	}
	return r;
}

static void fd_settle(struct vfs_ctx *c, struct fan_fd *d, bool install, bool cloexec)
{
	if (!d->file)
		return;
	if (install) {
		fan.hooks->fd_install(c, d->fd, d->file, cloexec); /* consumes */
	} else {
		fan.hooks->fd_unreserve(c, d->fd);
		file_put(d->file);
	}
}

/* Its size, or -errno; *fd is what an answer will name. */
static ssize_t event_put(struct vfs_ctx *c, const struct fan_group *g, const struct fan_event *e,
			 struct uio *dst, int32_t *fd)
{
	struct fanotify_event_metadata m = {
		.event_len = (uint32_t)event_size(g, e),
		.vers = FANOTIFY_METADATA_VERSION,
		.metadata_len = sizeof(m),
		.mask = e->mask,
		.fd = FAN_NOFD,
	};
	struct fan_fd opened = event_open(c, g, e), pidfd = { .fd = FAN_NOPIDFD };
	struct buf b;
	ssize_t n;

	if (opened.fd < 0 && opened.fd != FAN_NOFD)
		return opened.fd;
	m.fd = opened.fd;
	m.pid = g->unprivileged || !e->who ? 0 : fan.hooks->who_nr(c, e->who);
	buf_init(&b);
	buf_put(&b, &m, sizeof(m));
	put_fid(&b, e->name_size ? FAN_EVENT_INFO_TYPE_DFID_NAME : FAN_EVENT_INFO_TYPE_DFID, &e->dir, e->name,
		e->name_size);
	put_fid(&b, FAN_EVENT_INFO_TYPE_FID, &e->object, NULL, 0);
	if (g->flags & FAN_REPORT_PIDFD) {
		struct fanotify_event_info_pidfd p = {
			.hdr = { .info_type = FAN_EVENT_INFO_TYPE_PIDFD, .len = sizeof(p) },
		};

		pidfd = event_pidfd(c, e);
		p.pidfd = pidfd.fd;
		buf_put(&b, &p, sizeof(p));
	}
	n = buf_error(&b);
	if (n == 0)
		n = uio_put(dst, b.data, b.size);
	buf_fini(&b);
	fd_settle(c, &opened, n > 0, g->event_flags & O_CLOEXEC);
	fd_settle(c, &pidfd, n > 0, true);
	*fd = m.fd;
	return n;
}

static struct fan_group *queue_group(const struct evqueue *q)
{
	return container_of(q, struct fan_group, queue);
}

static size_t queue_size(const struct evqueue *q, const struct list *e)
{
	return event_size(queue_group(q), list_entry(e, struct fan_event, node));
}

static void queue_taken(struct evqueue *q, struct list *node)
{
	struct fan_event *e = list_entry(node, struct fan_event, node);

	(void)q;
	if (e->mask & PERM_EVENTS)
		e->asked = BEING_READ;
}

/* e was read (or could not be): it waits for its answer, or has had its day. */
static void event_done(struct fan_group *g, struct fan_event *e, bool ok, int32_t fd)
{
	bool drop = true;

	latch_lock(&fan.latch);
	if ((e->mask & PERM_EVENTS) && !e->abandoned) {
		drop = false;
		e->fd = fd;
		e->asked = ASKED;
		if (ok && !g->gone) {
			list_append(&g->asked, &e->node);
		} else {
			e->asked = ANSWERED; /* what could not be asked is denied */
			e->allowed = g->gone;
			wq_wake(&g->answers, 0);
		}
	}
	latch_unlock(&fan.latch);
	if (drop)
		event_free(e);
}

static ssize_t queue_put(struct vfs_ctx *c, struct evqueue *q, struct list *node, struct uio *dst)
{
	struct fan_event *e = list_entry(node, struct fan_event, node);
	struct fan_group *g = queue_group(q);
	int32_t fd = FAN_NOFD;
	ssize_t n = event_put(c, g, e, dst, &fd);

	if (e != &g->overflow)
		event_done(g, e, n > 0, fd);
	return n;
}

static const struct evqueue_ops fanotify_queue = {
	.size = queue_size, .taken = queue_taken, .put = queue_put,
};

static ssize_t fanotify_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct fan_group *g = file_priv(f);

	(void)pos;
	return evqueue_read(c, &g->queue, dst, rwf);
}

static uint32_t fanotify_poll(struct file *f, struct poller *p)
{
	struct fan_group *g = file_priv(f);

	return evqueue_poll(&g->queue, p);
}

static long fanotify_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct fan_group *g = file_priv(f);

	return evqueue_ioctl(c, &g->queue, cmd, arg);
}

static void fanotify_show(struct file *f, struct buf *b)
{
	struct fan_group *g = file_priv(f);
	struct fan_mark *m;

	buf_printf(b, "fanotify flags:%x event-flags:%x\n", g->flags, (unsigned int)g->event_flags);
	latch_lock(&fan.latch);
	list_for_each_entry(m, &g->marks, group_node) {
		if (m->kind == ON_INODE)
			buf_printf(b, "fanotify ino:%llx sdev:%llx mflags:%x mask:%x ignored_mask:%x\n",
				   (unsigned long long)m->inode->ino, (unsigned long long)m->inode->sb->dev,
				   m->survives ? FAN_MARK_IGNORED_SURV_MODIFY : 0, m->mask, m->ignored);
		else
			buf_printf(b, "fanotify %s:%llx mflags:%x mask:%x ignored_mask:%x\n",
				   m->kind == ON_MOUNT ? "mnt_id" : "sdev", (unsigned long long)m->key,
				   m->survives ? FAN_MARK_IGNORED_SURV_MODIFY : 0, m->mask, m->ignored);
	}
	latch_unlock(&fan.latch);
}

/* ---- groups ------------------------------------------------------------------------------------ */

static void fanotify_release(struct file *f)
{
	struct fan_group *g = file_priv(f);
	struct list drop = LIST_INIT(drop);
	struct fan_event *e, *next;
	struct list *n;

	marks_flush(g, -1);
	latch_lock(&fan.latch);
	g->gone = true;
	list_remove(&g->node);
	fan.group_count--;
	while ((n = evqueue_drain_locked(&g->queue)))
		list_append(&g->asked, n);
	list_for_each_entry_safe(e, next, &g->asked, node) {
		list_remove(&e->node);
		if ((e->mask & PERM_EVENTS) && !e->abandoned) {
			e->asked = ANSWERED;
			e->allowed = true;
		} else {
			list_append(&drop, &e->node);
		}
	}
	wq_wake(&g->answers, 0);
	latch_unlock(&fan.latch);
	while ((n = list_shift(&drop)))
		event_free(list_entry(n, struct fan_event, node));
	group_put(g);
}

static const struct file_ops fanotify_fops = {
	.read = fanotify_read,
	.write = fanotify_write,
	.poll = fanotify_poll,
	.ioctl = fanotify_ioctl,
	.release = fanotify_release,
	.show_fdinfo = fanotify_show,
};

bool file_is_fanotify(const struct file *f)
{
	return f->ops == &fanotify_fops;
}

static int group_register(struct fan_group *g)
{
	int err = 0;

	latch_lock(&fan.latch);
	if (fan.group_count >= GROUPS_MAX) {
		err = -EMFILE;
	} else {
		/* Those that decide come before those that are told. */
		if (g->flags & (FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT))
			list_push(&fan.groups, &g->node);
		else
			list_append(&fan.groups, &g->node);
		fan.group_count++;
	}
	latch_unlock(&fan.latch);
	return err;
}

int fanotify_new(struct vfs_ctx *c, unsigned int flags, int event_flags, bool unprivileged,
		 struct file **out)
{
	struct fan_group *g = mem_new(struct fan_group);
	int err;

	if (!g)
		return -ENOMEM;
	ref_init(&g->ref);
	g->flags = flags;
	g->event_flags = event_flags;
	g->unprivileged = unprivileged;
	evqueue_init(&g->queue, &fanotify_queue, &fan.latch, &g->overflow.node,
		     flags & FAN_UNLIMITED_QUEUE ? UINT_MAX : EVENTS_MAX);
	g->overflow.mask = FAN_Q_OVERFLOW;
	list_init(&g->asked);
	list_init(&g->marks);
	wq_init(&g->answers);
	err = group_register(g);
	if (err < 0) {
		mem_free(g);
		return err;
	}
	err = file_new_anon("fanotify", &fanotify_fops, g, O_RDWR | (flags & FAN_NONBLOCK ? O_NONBLOCK : 0),
			    FILE_READ | FILE_WRITE | FILE_STREAM | FILE_NOSPLICE, c->cred, out);
	if (err < 0) {
		latch_lock(&fan.latch);
		list_remove(&g->node);
		fan.group_count--;
		latch_unlock(&fan.latch);
		mem_free(g);
	}
	return err;
}
