/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.c: mounts, the tree, namespaces.  See mount_impl.h for who holds what.
 *
 * Crossing a mountpoint in a walk costs an atomic load when nothing is mounted there, else a latch
 * and a hash lookup.
 *
 * Linux: fs/namespace.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/mem.h"
#include "vfs/mount_impl.h"
#include "vfs/user_ns.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static struct {
	struct rwlock lock;
	struct latch latch;
	struct hash hash; /* (lock + latch) attached mounts */
	atomic_uint_least64_t next_id;
	struct super *rootfs;
	bool ready;
} mounts;

/* ---- the bottom of every namespace ------------------------------------------------------------ */

static void rootfs_inode_free(struct inode *i)
{
	mem_free(i);
}

static int rootfs_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	(void)c;
	(void)dir;
	(void)d;
	return 0; /* empty */
}

static const struct super_ops rootfs_super_ops = { .inode_free = rootfs_inode_free };
static const struct inode_ops rootfs_inode_ops = { .lookup = rootfs_lookup };
static const struct file_ops rootfs_file_ops = { .read = NULL };
static struct fs_type rootfs_type = { .name = "rootfs", .flags = FS_NODEV };

static int rootfs_init(void)
{
	struct inode *i = mem_alloc(sizeof(*i));

	mounts.rootfs = super_new(&rootfs_type, &rootfs_super_ops, NULL);
	if (!i || !mounts.rootfs)
		return -ENOMEM;
	mounts.rootfs->flags = SUPER_RDONLY | SUPER_NOCACHE_NEG;
	inode_init(i, mounts.rootfs, &rootfs_inode_ops, S_IFDIR | 0755);
	i->fops = &rootfs_file_ops;
	i->ino = 2;
	i->nlink = 2;
	mounts.rootfs->root = dentry_new_root(mounts.rootfs, i);
	if (!mounts.rootfs->root)
		return -ENOMEM;
	super_pin(mounts.rootfs);
	return 0;
}

int mount_init_module(void)
{
	int err;

	if (mounts.ready)
		return 0;
	rwlock_init(&mounts.lock, LOCK_NAMESPACE);
	latch_init(&mounts.latch);
	atomic_init(&mounts.next_id, 20);
	err = hash_init(&mounts.hash, 64);
	if (err == 0)
		err = rootfs_init();
	mounts.ready = err == 0;
	return err;
}

/* ---- locks and endings ------------------------------------------------------------------------ */

void mount_gone_init(struct mount_gone *g)
{
	list_init(&g->mounts);
	g->dentry = NULL;
}

void mounts_lock(void) NO_TSA
{
	rwlock_write(&mounts.lock);
}

void mounts_unlock(struct mount_gone *gone) NO_TSA
{
	struct list *n;

	rwlock_write_unlock(&mounts.lock);
	if (!gone)
		return;
	while ((n = list_shift(&gone->mounts)))
		mount_put(list_entry(n, struct mount, work));
	dentry_put(gone->dentry);
	gone->dentry = NULL;
}

void mounts_read_lock(void) NO_TSA
{
	rwlock_read(&mounts.lock);
}

void mounts_read_unlock(void) NO_TSA
{
	rwlock_read_unlock(&mounts.lock);
}

/* ---- life ------------------------------------------------------------------------------------- */

struct mount *mount_new(struct super *sb, struct dentry *root, unsigned long flags,
			const char *source)
{
	struct mount *m = mem_new(struct mount);

	if (!m)
		return NULL;
	if (source) {
		m->device = mem_strdup(source);
		if (!m->device) {
			mem_free(m);
			return NULL;
		}
	}
	ref_init(&m->ref);
	m->id = atomic_fetch_add_explicit(&mounts.next_id, 1, memory_order_relaxed);
	super_pin(sb);
	m->sb = sb;
	m->root = dentry_get(root);
	atomic_init(&m->flags, flags);
	latch_init(&m->latch);
	list_init(&m->children);
	list_init(&m->child_node);
	list_init(&m->ns_node);
	list_init(&m->peers);
	list_init(&m->slaves);
	list_init(&m->slave_node);
	list_init(&m->work);
	list_init(&m->visit);
	return m;
}

struct mount *mount_new_internal(struct super *sb)
{
	struct mount *m = mount_new(sb, sb->root, MS_NOATIME, NULL);

	if (m)
		m->internal = true;
	return m;
}

struct mount *mount_get(struct mount *m)
{
	ref_get(&m->ref);
	return m;
}

void mount_put(struct mount *m)
{
	if (!m || !ref_put(&m->ref))
		return;
	ASSERT(!m->parent && list_empty(&m->children));
	if (m->outside_of)
		m->outside_of->ops->unbind_outside(m->outside_of, m->outside);
	super_put(m->outside_of);
	dentry_put(m->mountpoint);
	dentry_put(m->root);
	super_unpin(m->sb);
	mem_free(m->device);
	mem_free(m);
}

uint64_t mount_id(const struct mount *m)
{
	return m->id;
}

unsigned long mount_flags(const struct mount *m)
{
	unsigned long flags = atomic_load_explicit(&m->flags, memory_order_relaxed);

	if (m->sb->flags & SUPER_RDONLY)
		flags |= MS_RDONLY;
	return flags;
}

unsigned long mount_statfs_flags(const struct mount *m)
{
	/* The low ST_* values are those of MS_*; ST_VALID says that they count. */
	const unsigned long same = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS |
				   MS_MANDLOCK;
	unsigned long flags = mount_flags(m), st = 0x0020 | (flags & same);

	if (flags & MS_NOATIME)
		st |= 1024;
	if (flags & MS_NODIRATIME)
		st |= 2048;
	if (flags & MS_RELATIME)
		st |= 4096;
	if (flags & MS_NOSYMFOLLOW)
		st |= 8192;
	return st;
}

int mount_want_write(struct mount *m)
{
	int err = 0;

	/* Counted first, then checked: the one who makes the super read-only does it the other way. */
	atomic_fetch_add_explicit(&m->sb->writers, 1, memory_order_seq_cst);
	latch_lock(&m->latch);
	if ((atomic_load_explicit(&m->flags, memory_order_relaxed) & MS_RDONLY) ||
	    (m->sb->flags & SUPER_RDONLY))
		err = -EROFS;
	else
		m->writers++;
	latch_unlock(&m->latch);
	if (err < 0)
		atomic_fetch_sub_explicit(&m->sb->writers, 1, memory_order_relaxed);
	return err;
}

void mount_drop_write(struct mount *m)
{
	latch_lock(&m->latch);
	ASSERT(m->writers > 0);
	m->writers--;
	latch_unlock(&m->latch);
	atomic_fetch_sub_explicit(&m->sb->writers, 1, memory_order_relaxed);
}

/* ---- the tree --------------------------------------------------------------------------------- */

static uint64_t place_hash(const struct mount *m, const struct dentry *d)
{
	return hash_u64((uintptr_t)m, (uintptr_t)d);
}

struct mount *mount_peek(struct mount *m, struct dentry *d)
{
	struct hash_node *n;

	if (atomic_load_explicit(&d->mounted, memory_order_relaxed) == 0)
		return NULL;
	for (n = hash_first(&mounts.hash, place_hash(m, d)); n; n = hash_next(n)) {
		struct mount *child = container_of(n, struct mount, hash);

		if (child->parent == m && child->mountpoint == d)
			return child;
	}
	return NULL;
}

struct mount *mount_lookup(struct mount *m, struct dentry *d)
{
	struct mount *child;

	if (atomic_load_explicit(&d->mounted, memory_order_relaxed) == 0)
		return NULL;
	latch_lock(&mounts.latch);
	child = mount_peek(m, d);
	if (child)
		mount_get(child);
	latch_unlock(&mounts.latch);
	return child;
}

bool mount_follow(struct path *p)
{
	struct mount *child;
	bool moved = false;

	while ((child = mount_lookup(p->mnt, p->dentry))) {
		struct dentry *root = dentry_get(child->root);

		path_put(p);
		p->mnt = child;
		p->dentry = root;
		moved = true;
	}
	return moved;
}

bool mount_up(struct path *p)
{
	struct path up = { NULL, NULL };

	latch_lock(&mounts.latch);
	if (p->mnt->parent) {
		up.mnt = mount_get(p->mnt->parent);
		up.dentry = dentry_get(p->mnt->mountpoint);
	}
	latch_unlock(&mounts.latch);
	if (!up.mnt)
		return false;
	path_put(p);
	*p = up;
	return true;
}

void mount_attach(struct mount *m, struct mount *parent, struct dentry *at)
{
	struct dentry *stale = m->mountpoint;

	ASSERT(!m->parent);
	latch_lock(&mounts.latch);
	m->parent = parent;
	m->mountpoint = dentry_get(at);
	atomic_fetch_add_explicit(&at->mounted, 1, memory_order_relaxed);
	hash_insert(&mounts.hash, &m->hash, place_hash(parent, at));
	latch_unlock(&mounts.latch);
	list_append(&parent->children, &m->child_node);
	dentry_put(stale);
}

void mount_detach(struct mount *m)
{
	if (!m->parent)
		return;
	latch_lock(&mounts.latch);
	hash_remove(&mounts.hash, &m->hash);
	atomic_fetch_sub_explicit(&m->mountpoint->mounted, 1, memory_order_relaxed);
	m->parent = NULL;
	latch_unlock(&mounts.latch);
	list_remove(&m->child_node);
}

struct mount *mount_next_sibling(struct mount *m, struct mount *top)
{
	while (m != top) {
		if (m->child_node.next != &m->parent->children)
			return list_entry(m->child_node.next, struct mount, child_node);
		m = m->parent;
	}
	return NULL;
}

struct mount *mount_next(struct mount *m, struct mount *top)
{
	struct mount *child = list_first(&m->children, struct mount, child_node);

	return child ? child : mount_next_sibling(m, top);
}

unsigned int mount_tree_count(struct mount *top)
{
	unsigned int n = 0;

	for (struct mount *m = top; m; m = mount_next(m, top))
		n++;
	return n;
}

bool mount_is_ours(struct vfs_ctx *c, const struct mount *m)
{
	return m->ns && m->ns == c->mnt_ns;
}

void mount_lock_tree(struct mount *top)
{
	const unsigned long lockable = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC;

	for (struct mount *m = top; m; m = mount_next(m, top)) {
		m->locked_flags |= (atomic_load(&m->flags) & lockable) | MS_RELATIME;
		if (m != top)
			m->locked = true;
	}
}

bool mount_is_local(struct mnt_ns *ns, struct dentry *d)
{
	bool local = false;
	struct mount *m;

	if (atomic_load_explicit(&d->mounted, memory_order_relaxed) == 0 || !ns)
		return false;
	/*
	 * The directory's lock is held, so the namespace lock (outer) must not be taken.  A dentry is
	 * mounted on in few places: look through the hash under its latch.
	 */
	latch_lock(&mounts.latch);
	for (size_t i = 0; i <= mounts.hash.mask && !local; i++) {
		struct hash_node *n;

		for (n = mounts.hash.buckets[i]; n && !local; n = n->next) {
			m = container_of(n, struct mount, hash);
			local = m->mountpoint == d && m->ns == ns;
		}
	}
	latch_unlock(&mounts.latch);
	return local;
}

/* ---- copying ---------------------------------------------------------------------------------- */

struct mount *mount_copy(struct mount *m, struct dentry *root, unsigned int flags)
{
	struct mount *n = mount_new(m->sb, root, atomic_load(&m->flags), m->device);

	if (!n)
		return NULL;
	n->locked = m->locked;
	n->locked_flags = m->locked_flags;
	if ((flags & COPY_SLAVE) || ((flags & COPY_SHARED_TO_SLAVE) && mount_shared(m))) {
		n->master = m;
		list_append(&m->slaves, &n->slave_node);
	} else if (!(flags & COPY_PRIVATE)) {
		if (mount_shared(m) || (flags & COPY_MAKE_SHARED)) {
			mount_share(m);
			n->group = m->group;
			list_push(&m->peers, &n->peers);
		}
		if (m->master) {
			n->master = m->master;
			list_push(&m->slave_node, &n->slave_node);
		}
	}
	if (flags & COPY_MAKE_SHARED)
		mount_share(n);
	if (flags & COPY_UNBINDABLE)
		n->unbindable = m->unbindable;
	return n;
}

void mount_tree_discard(struct mount *top, struct mount_gone *gone)
{
	/* Leaves first: a mount goes when it has no children. */
	while (top) {
		struct mount *m = top;
		struct mount *child;

		while ((child = list_first(&m->children, struct mount, child_node)))
			m = child;
		if (m == top)
			top = NULL;
		mount_detach(m);
		mount_set_type(m, MS_PRIVATE);
		list_append(&gone->mounts, &m->work);
	}
}

struct mount *mount_copy_tree(struct mount *m, struct dentry *root, unsigned int flags)
{
	struct mount *top, *s;

	if (!(flags & COPY_UNBINDABLE) && m->unbindable)
		return NULL;
	top = mount_copy(m, root, flags);
	if (!top)
		return NULL;
	top->locked = false;
	m->copy = top;
	s = list_first(&m->children, struct mount, child_node);
	while (s) {
		struct mount *n;

		/* Directly on m only what is within the part that is copied. */
		if ((s->parent == m && !dentry_is_below(s->mountpoint, root)) ||
		    (!(flags & COPY_UNBINDABLE) && s->unbindable)) {
			s = mount_next_sibling(s, m);
			continue;
		}
		n = mount_copy(s, s->root, flags);
		if (!n) {
			struct mount_gone gone;
			struct list *g;

			mount_gone_init(&gone);
			mount_tree_discard(top, &gone);
			while ((g = list_shift(&gone.mounts)))
				mount_put(list_entry(g, struct mount, work));
			return NULL;
		}
		s->copy = n;
		mount_attach(n, s->parent->copy, s->mountpoint);
		s = mount_next(s, m);
	}
	return top;
}

/* ---- namespaces ------------------------------------------------------------------------------- */

void mnt_ns_changed(struct mnt_ns *ns)
{
	if (ns)
		wq_wake(&ns->wq, 0);
}

void mnt_ns_add_tree(struct mnt_ns *ns, struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next(m, top)) {
		if (m->ns) { /* from a detached tree */
			list_remove(&m->ns_node);
			m->ns->count--;
		}
		m->ns = ns;
		list_append(&ns->mounts, &m->ns_node);
		ns->count++;
	}
	mnt_ns_changed(ns);
}

static struct mnt_ns *mnt_ns_alloc(struct user_ns *user_ns)
{
	struct mnt_ns *ns = mem_new(struct mnt_ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	ns->id = ns_ino_new();
	ns->user_ns = user_ns_get(user_ns);
	list_init(&ns->mounts);
	wq_init(&ns->wq);
	return ns;
}

struct mnt_ns *mnt_ns_new_anon(struct user_ns *owner)
{
	struct mnt_ns *ns = mnt_ns_alloc(owner);

	if (ns)
		ns->anon = true;
	return ns;
}

struct mnt_ns *mnt_ns_get(struct mnt_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

static void mnt_ns_free(struct mnt_ns *ns)
{
	user_ns_put(ns->user_ns);
	mem_free(ns);
}

void mnt_ns_put(struct mnt_ns *ns)
{
	struct mount_gone gone;
	struct mount *m, *tmp;

	if (!ns || !ref_put(&ns->ref))
		return;
	mount_gone_init(&gone);
	mounts_lock();
	list_for_each_entry_safe(m, tmp, &ns->mounts, ns_node) {
		list_remove(&m->ns_node);
		m->ns = NULL;
		mount_detach(m);
		mount_set_type(m, MS_PRIVATE);
		list_append(&gone.mounts, &m->work);
	}
	mounts_unlock(&gone);
	mnt_ns_free(ns);
}

int mnt_ns_new(struct vfs_ctx *c, struct super *sb, unsigned long mnt_flags, struct mnt_ns **out,
	       struct path *root)
{
	struct mnt_ns *ns = mnt_ns_alloc(c->cred->user_ns);
	struct mount *bottom, *top;

	if (!ns)
		return -ENOMEM;
	bottom = mount_new(mounts.rootfs, mounts.rootfs->root, 0, "rootfs");
	if (!bottom)
		goto free_ns;
	top = mount_new(sb, sb->root, mnt_flags, sb->source);
	if (!top)
		goto put_bottom;
	mounts_lock();
	ns->root = bottom;
	mount_attach(top, bottom, bottom->root);
	mnt_ns_add_tree(ns, bottom);
	root->mnt = mount_get(top);
	root->dentry = dentry_get(top->root);
	mounts_unlock(NULL);
	*out = ns;
	return 0;

put_bottom:
	mount_put(bottom);
free_ns:
	mnt_ns_free(ns);
	return -ENOMEM;
}

/* p, when it is in a mount that was copied, moves to the copy. */
static void path_translate(struct path *p, const struct mnt_ns *old, struct path *stale)
{
	struct mount *copy;

	stale->mnt = NULL;
	stale->dentry = NULL;
	if (!p || !p->mnt || p->mnt->ns != old)
		return;
	copy = p->mnt->copy;
	stale->mnt = p->mnt;
	p->mnt = mount_get(copy);
}

int mnt_ns_clone(struct vfs_ctx *c, struct mnt_ns *ns, struct path *root, struct path *cwd,
		 struct mnt_ns **out)
{
	bool foreign = c->cred->user_ns != ns->user_ns;
	struct mnt_ns *n = mnt_ns_alloc(c->cred->user_ns);
	struct path stale[2];
	struct mount *top;

	if (!n)
		return -ENOMEM;
	mounts_lock();
	top = mount_copy_tree(ns->root, ns->root->root,
			      COPY_UNBINDABLE | (foreign ? COPY_SHARED_TO_SLAVE : 0));
	if (!top) {
		mounts_unlock(NULL);
		mnt_ns_free(n);
		return -ENOMEM;
	}
	n->root = top;
	mnt_ns_add_tree(n, top);
	if (foreign)
		mount_lock_tree(top);
	path_translate(root, ns, &stale[0]);
	path_translate(cwd, ns, &stale[1]);
	mounts_unlock(NULL);
	path_put(&stale[0]);
	path_put(&stale[1]);
	*out = n;
	return 0;
}

struct wq *mnt_ns_wq(struct mnt_ns *ns)
{
	return &ns->wq;
}

uint64_t mnt_ns_id(const struct mnt_ns *ns)
{
	return ns->id;
}

struct user_ns *mnt_ns_user_ns(const struct mnt_ns *ns)
{
	return ns->user_ns;
}

void mnt_ns_root(struct mnt_ns *ns, struct path *out)
{
	mounts_read_lock();
	out->mnt = mount_get(ns->root);
	out->dentry = dentry_get(ns->root->root);
	mounts_read_unlock();
	(void)mount_follow(out);
}

int vfs_statfs_dev(struct vfs_ctx *c, uint64_t dev, struct statfs_info *out)
{
	struct path p = { 0 };
	struct mount *m;
	int err = -EINVAL;

	mounts_read_lock();
	list_for_each_entry(m, &c->mnt_ns->mounts, ns_node) {
		if (m->sb->dev == dev) {
			p.mnt = mount_get(m);
			p.dentry = dentry_get(m->root);
			break;
		}
	}
	mounts_read_unlock();
	if (p.mnt)
		err = vfs_statfs(c, &p, out);
	path_put(&p);
	return err;
}

/*
 * The supers are collected first: syncing talks to gofers and must not hold the tree.
 */
void vfs_sync(struct vfs_ctx *c)
{
	struct super **list;
	size_t count = 0;
	struct mount *m;

	mounts_read_lock();
	list = mem_calloc(c->mnt_ns->count + 1, sizeof(struct super *));
	if (list) {
		list_for_each_entry(m, &c->mnt_ns->mounts, ns_node) {
			if (m->sb->ops->sync && m->root == m->sb->root) {
				super_get(m->sb);
				list[count++] = m->sb;
			}
		}
	}
	mounts_read_unlock();
	while (count > 0) {
		struct super *sb = list[--count];

		(void)sb->ops->sync(sb);
		super_put(sb);
	}
	mem_free(list);
}
