/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dcache.c: dentries and their cache.
 *
 * A dentry is a name in a directory.  It holds its parent and its inode, so a path that is held
 * keeps everything above it.  The cache is a hash table over (parent, name), cut into shards with a
 * latch each; a hashed dentry is held by the cache.  So a dentry whose only reference is the
 * cache's can be evicted under the shard's latch without a race: new references come only from
 * lookups under that same latch, or from somebody who already has one.
 *
 *     dentry_new ─▶ unhashed ─(dentry_hash)─▶ hashed ─(unlink, drop, eviction)─▶ unhashed ─▶ freed
 *
 * The inode of a dentry is set once (negative → positive) and never taken away: removing a name
 * unhashes and kills the dentry, so those who hold it still see their inode.
 *
 * Each dentry hangs in its parent's children list, hashed or not, so that a subtree can be dropped.
 *
 * Name and parent change only in dentry_move(): the dentry is unhashed then and both directories'
 * locks are held, so that lookups which miss it wait for those locks and look again.
 *
 * Eviction is second chance: a full shard looks at a few of its oldest entries; those looked up
 * since get another round, those held by others (directories with cached children too) are passed.
 *
 * Latch order: shard → dentry, parent → child.  drop_lock (LOCK_DCACHE) before both.
 */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/vfs_impl.h"

#define DCACHE_SHARDS     64u
#define DCACHE_SHARD_MAX  1024u /* 65,536 names in all */
#define DCACHE_HAND_STEPS 8
#define DCACHE_SHRINK_BATCH 32

struct dcache_shard {
	struct latch latch;
	struct hash names;
	struct list clock; /* oldest first */
	unsigned int count;
};

static struct {
	struct dcache_shard shards[DCACHE_SHARDS];
	struct mutex drop_lock;
	atomic_uint rename_seq;
	bool ready;
} dcache;

int dcache_init(void)
{
	if (dcache.ready)
		return 0;
	for (unsigned int i = 0; i < DCACHE_SHARDS; i++) {
		struct dcache_shard *s = &dcache.shards[i];
		int err = hash_init(&s->names, 16);

		if (err < 0)
			return err;
		latch_init(&s->latch);
		list_init(&s->clock);
	}
	mutex_init(&dcache.drop_lock, LOCK_DCACHE);
	dcache.ready = true;
	return 0;
}

unsigned int dcache_rename_seq(void)
{
	return atomic_load_explicit(&dcache.rename_seq, memory_order_acquire); /* dentry_move */
}

void dcache_changed(struct super *sb)
{
	/* Pairs with dcache_snapshot(). */
	atomic_fetch_add_explicit(&sb->changes, 1, memory_order_acq_rel);
}

uint64_t dcache_snapshot(struct super *sb)
{
	return atomic_load_explicit(&sb->changes, memory_order_acquire); /* dcache_changed */
}

static uint64_t name_hash(const struct dentry *parent, const char *name, size_t len)
{
	return hash_bytes((uintptr_t)parent, name, len);
}

static struct dcache_shard *shard_of(uint64_t hash)
{
	return &dcache.shards[(hash >> 48) % DCACHE_SHARDS];
}

/* ---- life ------------------------------------------------------------------------------------- */

static struct dentry *dentry_alloc(struct super *sb, const char *name, size_t len)
{
	struct dentry *d = mem_alloc(sizeof(*d));

	if (!d)
		return NULL;
	memset(d, 0, offsetof(struct dentry, inline_name));
	d->name = d->inline_name;
	if (len >= sizeof(d->inline_name)) {
		d->name = mem_alloc(len + 1);
		if (!d->name) {
			mem_free(d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->name_len = (uint8_t)len;
	ref_init(&d->ref);
	d->sb = sb;
	latch_init(&d->latch);
	list_init(&d->children);
	list_init(&d->sibling);
	list_init(&d->clock);
	list_init(&d->drop_node);
	return d;
}

struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d;

	ASSERT(len <= NAME_LEN_MAX);
	d = dentry_alloc(parent->sb, name, len);
	if (!d)
		return NULL;
	d->parent = dentry_get(parent);
	latch_lock(&parent->latch);
	list_append(&parent->children, &d->sibling);
	latch_unlock(&parent->latch);
	return d;
}

struct dentry *dentry_new_root(struct super *sb, struct inode *i)
{
	return dentry_new_named_root(sb, i, "/");
}

struct dentry *dentry_new_named_root(struct super *sb, struct inode *i, const char *name)
{
	struct dentry *d = dentry_alloc(sb, name, strnlen(name, NAME_LEN_MAX));

	if (!d) {
		inode_put(i);
		return NULL;
	}
	dentry_set_inode(d, i);
	return d;
}

struct dentry *dentry_get(struct dentry *d)
{
	ref_get(&d->ref);
	return d;
}

/* The last reference went: free d, and give back its reference to the parent (returned). */
static struct dentry *dentry_release(struct dentry *d)
{
	struct dentry *parent = d->parent;
	struct inode *i = dentry_inode(d);

	if (parent) {
		latch_lock(&parent->latch);
		list_remove(&d->sibling);
		latch_unlock(&parent->latch);
	}
	if (d->priv && d->sb->ops->dentry_free)
		d->sb->ops->dentry_free(d);
	if (d->name != d->inline_name)
		mem_free(d->name);
	mem_free(d);
	if (i && i->nlink == 0)
		fsnotify_deleted(i);
	inode_put(i);
	return parent;
}

void dentry_put(struct dentry *d)
{
	while (d && ref_put(&d->ref))
		d = dentry_release(d);
}

/* ---- members ---------------------------------------------------------------------------------- */

struct inode *dentry_inode(const struct dentry *d)
{
	return atomic_load_explicit(&d->inode, memory_order_acquire); /* dentry_set_inode */
}

struct super *dentry_super(const struct dentry *d)
{
	return d->sb;
}

const char *dentry_name(const struct dentry *d)
{
	return d->name;
}

size_t dentry_name_len(const struct dentry *d)
{
	return d->name_len;
}

void *dentry_priv(const struct dentry *d)
{
	return d->priv;
}

void dentry_set_priv(struct dentry *d, void *priv)
{
	d->priv = priv;
}

void dentry_set_inode(struct dentry *d, struct inode *i)
{
	struct inode *old = NULL;

	if (!i)
		return;
	/* Release pairs with dentry_inode(). */
	if (!atomic_compare_exchange_strong_explicit(&d->inode, &old, i, memory_order_release,
						     memory_order_relaxed))
		inode_put(i);
}

bool dentry_unlinked(const struct dentry *d)
{
	return atomic_load_explicit(&d->flags, memory_order_relaxed) & DENTRY_DEAD;
}

bool dentry_hashed(const struct dentry *d)
{
	return atomic_load_explicit(&d->flags, memory_order_relaxed) & DENTRY_HASHED;
}

struct dentry *dentry_parent(struct dentry *d)
{
	struct dentry *p;

	latch_lock(&d->latch);
	p = d->parent ? dentry_get(d->parent) : NULL;
	latch_unlock(&d->latch);
	return p ? p : dentry_get(d);
}

size_t dentry_snapshot(struct dentry *d, char *name, struct dentry **parent)
{
	size_t len;

	latch_lock(&d->latch);
	len = d->name_len;
	memcpy(name, d->name, len + 1);
	*parent = d->parent ? dentry_get(d->parent) : NULL;
	latch_unlock(&d->latch);
	return len;
}

bool dentry_is_below(struct dentry *d, struct dentry *anc)
{
	struct dentry *cur = dentry_get(d);

	while (cur != anc) {
		struct dentry *up = dentry_parent(cur);

		dentry_put(cur);
		if (up == cur) {
			dentry_put(up);
			return false;
		}
		cur = up;
	}
	dentry_put(cur);
	return true;
}

/* ---- the cache -------------------------------------------------------------------------------- */

static struct dentry *shard_find(struct dcache_shard *s, uint64_t hash, struct dentry *parent,
				 const char *name, size_t len)
{
	struct hash_node *n;

	for (n = hash_first(&s->names, hash); n; n = hash_next(n)) {
		struct dentry *d = container_of(n, struct dentry, hash);

		if (d->parent == parent && d->name_len == len && !memcmp(d->name, name, len))
			return d;
	}
	return NULL;
}

struct dentry *dcache_lookup(struct dentry *parent, const char *name, size_t len)
{
	uint64_t hash = name_hash(parent, name, len);
	struct dcache_shard *s = shard_of(hash);
	struct dentry *d;

	latch_lock(&s->latch);
	d = shard_find(s, hash, parent, name, len);
	if (d) {
		ref_get(&d->ref);
		if (!(atomic_load_explicit(&d->flags, memory_order_relaxed) & DENTRY_REFERENCED))
			atomic_fetch_or_explicit(&d->flags, DENTRY_REFERENCED, memory_order_relaxed);
	}
	latch_unlock(&s->latch);
	return d;
}

void dentry_set_complete(struct dentry *d)
{
	atomic_fetch_or_explicit(&d->flags, DENTRY_COMPLETE, memory_order_relaxed);
}

/* Who has missed a name in its shard sees that it was evicted there: the latch is between the two. */
bool dentry_is_complete(const struct dentry *d)
{
	return atomic_load_explicit(&d->flags, memory_order_relaxed) & DENTRY_COMPLETE;
}

static void dentry_clear_complete(struct dentry *d)
{
	if (dentry_is_complete(d))
		atomic_fetch_and_explicit(&d->flags, ~(unsigned int)DENTRY_COMPLETE, memory_order_relaxed);
}

/* d leaves the cache, though it may exist: then another dentry takes its place, and the names that come below that one. */
static void shard_forgets(struct dentry *d)
{
	dentry_clear_complete(d);
	if (d->parent)
		dentry_clear_complete(d->parent);
}

static void shard_remove(struct dcache_shard *s, struct dentry *d)
{
	hash_remove(&s->names, &d->hash);
	list_remove(&d->clock);
	s->count--;
	atomic_fetch_and_explicit(&d->flags, ~(unsigned int)DENTRY_HASHED, memory_order_relaxed);
}

/* Take some unused entries out of a full shard; the caller puts them after unlocking. */
static unsigned int shard_evict(struct dcache_shard *s, struct dentry **victims)
{
	unsigned int n = 0;

	if (s->count < DCACHE_SHARD_MAX)
		return 0;
	for (unsigned int step = 0; step < DCACHE_HAND_STEPS && s->count >= DCACHE_SHARD_MAX; step++) {
		struct dentry *d = list_first(&s->clock, struct dentry, clock);
		unsigned int flags = atomic_load_explicit(&d->flags, memory_order_relaxed);

		if (ref_count(&d->ref) == 1 && !(flags & DENTRY_REFERENCED)) {
			shard_forgets(d);
			shard_remove(s, d);
			victims[n++] = d;
			continue;
		}
		atomic_fetch_and_explicit(&d->flags, ~(unsigned int)DENTRY_REFERENCED,
					  memory_order_relaxed);
		list_remove(&d->clock);
		list_append(&s->clock, &d->clock);
	}
	return n;
}

static void shard_insert(struct dcache_shard *s, struct dentry *d, uint64_t hash)
{
	ref_get(&d->ref); /* the cache's */
	hash_insert(&s->names, &d->hash, hash);
	list_append(&s->clock, &d->clock);
	s->count++;
	atomic_fetch_or_explicit(&d->flags, DENTRY_HASHED, memory_order_relaxed);
}

/* Insert d unless there is a sibling of that name (returned with a reference) or sb has changed. */
static struct dentry *dcache_insert(struct dentry *d, const uint64_t *snapshot, bool *stale)
{
	uint64_t hash = name_hash(d->parent, d->name, d->name_len);
	struct dcache_shard *s = shard_of(hash);
	struct dentry *victims[DCACHE_HAND_STEPS], *other;
	unsigned int n = 0;

	latch_lock(&s->latch);
	*stale = snapshot && dcache_snapshot(d->sb) != *snapshot;
	other = shard_find(s, hash, d->parent, d->name, d->name_len);
	if (other)
		ref_get(&other->ref);
	else if (!*stale) {
		n = shard_evict(s, victims);
		shard_insert(s, d, hash);
	}
	latch_unlock(&s->latch);
	while (n > 0)
		dentry_put(victims[--n]);
	return other;
}

void dentry_hash(struct dentry *d)
{
	bool stale;
	struct dentry *other;

	if (dentry_hashed(d))
		return;
	other = dcache_insert(d, NULL, &stale);
	if (other) {
		/* dcache_add() of a racing reader was first; d knows better (directory locked). */
		dentry_unhash(other);
		dentry_put(other);
		other = dcache_insert(d, NULL, &stale);
		dentry_put(other);
	}
}

static struct dentry *dcache_add_checked(struct dentry *parent, const char *name, struct inode *i,
					 const uint64_t *snapshot)
{
	size_t len = strlen(name);
	struct dentry *d, *other;
	bool stale;

	if (len > NAME_LEN_MAX || !(d = dentry_new(parent, name, len))) {
		inode_put(i);
		return NULL;
	}
	dentry_set_inode(d, i);
	other = dcache_insert(d, snapshot, &stale);
	if (!other && !stale)
		return d;
	dentry_put(d);
	return other;
}

struct dentry *dcache_add(struct dentry *parent, const char *name, struct inode *i)
{
	return dcache_add_checked(parent, name, i, NULL);
}

struct dentry *dcache_add_since(struct dentry *parent, const char *name, struct inode *i,
				uint64_t snapshot)
{
	return dcache_add_checked(parent, name, i, &snapshot);
}

static void unhash(struct dentry *d, bool forget)
{
	struct dcache_shard *s;
	bool was;

	if (!dentry_hashed(d))
		return;
	s = shard_of(d->hash.hash);
	latch_lock(&s->latch);
	was = dentry_hashed(d);
	if (was && forget)
		shard_forgets(d);
	if (was)
		shard_remove(s, d);
	latch_unlock(&s->latch);
	if (was)
		dentry_put(d); /* the cache's */
}

void dentry_unhash(struct dentry *d)
{
	unhash(d, false);
}

void dentry_kill(struct dentry *d)
{
	atomic_fetch_or_explicit(&d->flags, DENTRY_DEAD, memory_order_relaxed);
	dentry_unhash(d);
}

/* Take up to max unused names of sb out of s, oldest first. */
static unsigned int shard_take_unused(struct dcache_shard *s, struct super *sb,
				      struct dentry **victims, unsigned int max)
{
	unsigned int n = 0;
	struct dentry *d, *tmp;

	latch_lock(&s->latch);
	list_for_each_entry_safe(d, tmp, &s->clock, clock) {
		if (n == max)
			break;
		if (d->sb != sb || ref_count(&d->ref) != 1)
			continue;
		shard_forgets(d);
		shard_remove(s, d);
		victims[n++] = d;
	}
	latch_unlock(&s->latch);
	return n;
}

unsigned int dcache_shrink(struct super *sb, unsigned int count)
{
	struct dentry *victims[DCACHE_SHRINK_BATCH];
	unsigned int done = 0, taken;

	/* A directory becomes unused when the last name below it has gone: go round again. */
	do {
		taken = 0;
		for (unsigned int k = 0; k < DCACHE_SHARDS && done < count; k++) {
			unsigned int n = shard_take_unused(&dcache.shards[k], sb, victims,
							   MIN(count - done,
							       (unsigned int)DCACHE_SHRINK_BATCH));

			taken += n;
			done += n;
			while (n > 0)
				dentry_put(victims[--n]);
		}
	} while (done < count && taken > 0);
	return done;
}

/* ---- dropping subtrees ------------------------------------------------------------------------ */

/*
 * Put d and all below it, each with a reference, on list.  A dentry that another drop has on its
 * list already is that one's business.
 */
static void drop_collect(struct dentry *top, struct list *work) REQUIRES(&dcache.drop_lock)
{
	struct list *pos;

	if (list_linked(&top->drop_node))
		return;
	list_append(work, &dentry_get(top)->drop_node);
	list_for_each(pos, work) {
		struct dentry *d = list_entry(pos, struct dentry, drop_node), *child;

		latch_lock(&d->latch);
		list_for_each_entry(child, &d->children, sibling)
			if (!list_linked(&child->drop_node) && ref_try_get(&child->ref))
				list_append(work, &child->drop_node);
		latch_unlock(&d->latch);
	}
}

void dentry_drop(struct dentry *d)
{
	struct list work = LIST_INIT(work);
	struct list *n;

	mutex_lock(&dcache.drop_lock);
	drop_collect(d, &work);
	for (;;) {
		struct dentry *victim;

		n = list_shift(&work);
		if (!n)
			break;
		victim = list_entry(n, struct dentry, drop_node);
		mutex_unlock(&dcache.drop_lock);
		if (atomic_load_explicit(&victim->mounted, memory_order_relaxed) == 0)
			unhash(victim, true);
		dentry_put(victim); /* may free it, and sleep */
		mutex_lock(&dcache.drop_lock);
	}
	mutex_unlock(&dcache.drop_lock);
}

void dcache_purge(struct super *sb)
{
	if (sb->root)
		dentry_drop(sb->root);
}

/* ---- moving ----------------------------------------------------------------------------------- */

/* Heap copy of src's name when it does not fit inline. */
static int name_reserve(char **out, const struct dentry *src)
{
	*out = NULL;
	if (src->name_len < sizeof(src->inline_name))
		return 0;
	*out = mem_alloc((size_t)src->name_len + 1);
	return *out ? 0 : -ENOMEM;
}

int dentry_move_prepare(struct dentry_move *m, struct dentry *d, struct dentry *to)
{
	int err = name_reserve(&m->name, to);

	if (err < 0)
		return err;
	err = name_reserve(&m->other, d);
	if (err < 0)
		mem_free(m->name);
	return err;
}

void dentry_move_abort(struct dentry_move *m)
{
	mem_free(m->name);
	mem_free(m->other);
	m->name = m->other = NULL;
}

/* Give d a new name and parent (reference consumed); returns the old parent's reference. */
static struct dentry *dentry_rename(struct dentry *d, const char *name, uint8_t len, char **reserved,
				    struct dentry *parent)
{
	struct dentry *old_parent = d->parent;
	char *old_name;

	latch_lock(&old_parent->latch);
	list_remove(&d->sibling);
	latch_unlock(&old_parent->latch);

	latch_lock(&d->latch);
	old_name = d->name != d->inline_name ? d->name : NULL;
	d->name = *reserved ? *reserved : d->inline_name;
	*reserved = NULL;
	memcpy(d->name, name, (size_t)len + 1);
	d->name_len = len;
	d->parent = parent;
	latch_unlock(&d->latch);

	latch_lock(&parent->latch);
	list_append(&parent->children, &d->sibling);
	latch_unlock(&parent->latch);
	mem_free(old_name);
	return old_parent;
}

void dentry_move(struct dentry_move *m, struct dentry *d, struct dentry *to, bool exchange)
{
	char to_name[NAME_LEN_MAX + 1], d_name[NAME_LEN_MAX + 1];
	uint8_t to_len = to->name_len, d_len = d->name_len;
	struct dentry *to_parent = dentry_get(to->parent), *d_parent = dentry_get(d->parent);

	memcpy(to_name, to->name, (size_t)to_len + 1);
	memcpy(d_name, d->name, (size_t)d_len + 1);
	dentry_unhash(d);
	if (exchange)
		dentry_unhash(to);
	else if (dentry_inode(to))
		dentry_kill(to);
	else
		dentry_unhash(to);
	atomic_fetch_add_explicit(&dcache.rename_seq, 1, memory_order_acq_rel);
	dentry_put(dentry_rename(d, to_name, to_len, &m->name, to_parent));
	if (exchange) {
		dentry_put(dentry_rename(to, d_name, d_len, &m->other, d_parent));
		dentry_hash(to);
	} else {
		dentry_put(d_parent);
	}
	dentry_hash(d);
	/* Pairs with dcache_rename_seq(). */
	atomic_fetch_add_explicit(&dcache.rename_seq, 1, memory_order_acq_rel);
	dentry_move_abort(m);
}
