/* SPDX-License-Identifier: Apache-2.0 */
/*
 * super.c: super blocks and the table of file system types.
 *
 * A super is counted by its inodes and its mounts.  Its root dentry (which holds the root inode,
 * which holds the super: a cycle) is let go with the last mount or pin; what the cache still holds
 * of it goes then too, and the super itself follows with its last inode.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/user_ns.h"
#include "vfs/vfs_impl.h"

static struct {
	struct latch latch;
	struct list types; /* (latch) never shrinks */
	atomic_uint next_dev;
} supers = { .types = LIST_INIT(supers.types), .next_dev = 20 };

int fs_options_each(const char *data, int (*fn)(void *arg, char *key, char *value), void *arg)
{
	char *copy, *at, *key, *value;
	int err = 0;

	if (!data || !*data)
		return 0;
	copy = at = mem_strdup(data);
	if (!copy)
		return -ENOMEM;
	while (err == 0 && (key = strsep(&at, ",")) != NULL) {
		value = key;
		strsep(&value, "=");
		if (*key || value)
			err = fn(arg, key, value);
	}
	mem_free(copy);
	return err;
}

void fs_type_register(struct fs_type *t)
{
	latch_lock(&supers.latch);
	list_append(&supers.types, &t->node);
	latch_unlock(&supers.latch);
}

const struct fs_type *fs_type_find(const char *name)
{
	const struct fs_type *found = NULL;
	struct fs_type *t;

	latch_lock(&supers.latch);
	list_for_each_entry(t, &supers.types, node) {
		if (!strcmp(t->name, name)) {
			found = t;
			break;
		}
	}
	latch_unlock(&supers.latch);
	return found;
}

void fs_types_show(struct buf *b)
{
	struct fs_type *t;

	/* The list only grows at its end, so it can be walked without the latch once registered. */
	list_for_each_entry(t, &supers.types, node)
		buf_printf(b, "%s\t%s\n", t->flags & FS_NODEV ? "nodev" : "", t->name);
}

int fs_type_index(const char *name)
{
	struct fs_type *t;
	int i = 0;

	list_for_each_entry(t, &supers.types, node) {
		if (!strcmp(t->name, name))
			return i;
		i++;
	}
	return -EINVAL;
}

const char *fs_type_name(unsigned long index)
{
	struct fs_type *t;

	list_for_each_entry(t, &supers.types, node)
		if (index-- == 0)
			return t->name;
	return NULL;
}

int fs_type_count(void)
{
	struct fs_type *t;
	int n = 0;

	list_for_each_entry(t, &supers.types, node)
		n++;
	return n;
}

struct super *super_new(const struct fs_type *t, const struct super_ops *ops, void *priv)
{
	struct super *sb = mem_new(struct super);

	if (!sb)
		return NULL;
	ref_init(&sb->ref);
	sb->ops = ops;
	sb->type = t;
	sb->priv = priv;
	sb->dev = makedev(0, atomic_fetch_add_explicit(&supers.next_dev, 1, memory_order_relaxed));
	mutex_init(&sb->rename_lock, LOCK_RENAME);
	sb->user_ns = user_ns_get(user_ns_init);
	return sb;
}

void super_set_user_ns(struct super *sb, struct user_ns *ns)
{
	struct user_ns *old = sb->user_ns;

	sb->user_ns = user_ns_get(ns);
	user_ns_put(old);
}

void super_get(struct super *sb)
{
	ref_get(&sb->ref);
}

void super_put(struct super *sb)
{
	struct dentry *root;

	if (!sb || !ref_put(&sb->ref))
		return;
	/* A super that was never mounted still has its root, without inodes above it. */
	root = sb->root;
	ASSERT(!root || !dentry_inode(root));
	if (sb->ops->free)
		sb->ops->free(sb);
	user_ns_put(sb->user_ns);
	mem_free(sb->source);
	mem_free(sb);
}

void super_pin(struct super *sb)
{
	super_get(sb);
	atomic_fetch_add_explicit(&sb->mounts, 1, memory_order_relaxed);
}

void super_unpin(struct super *sb)
{
	/* acq_rel: whoever comes last sees what the others did with root. */
	if (atomic_fetch_sub_explicit(&sb->mounts, 1, memory_order_acq_rel) == 1) {
		struct dentry *root = sb->root;

		if (sb->ops->sync)
			(void)sb->ops->sync(sb);
		dcache_purge(sb);
		sb->root = NULL;
		dentry_put(root);
	}
	super_put(sb);
}

void super_discard(struct super *sb)
{
	super_pin(sb);
	super_unpin(sb);
}
