/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devpts.c: the file system of pseudo-terminals' nodes (mount(8), "devpts"): ptmx, 0, 1, 2, …
 *
 * Each mount is an instance of its own with numbers of its own (Linux since 4.7, so `newinstance`
 * changes nothing).  A node appears with its master and goes with it; open files keep its inode.
 * Options: uid, gid, mode (of new nodes), ptmxmode, max.
 *
 * d->nodes[index] holds a reference to the node's inode; the inode leads to its terminal without one
 * (the terminal removes the node before it dies, under the same lock).
 *
 * Lock order: directory inode->lock → d->lock (LOCK_LEAF).
 */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/bitmap.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/tty/tty_impl.h"
#include "vfs/file.h"

#define DEVPTS_MAX_LIMIT (1u << 20) /* minors of one major */
#define INO_ROOT 1
#define INO_PTMX 2
#define INO_NODES 3 /* + index */

struct devpts_options {
	uint32_t uid, gid, mode, ptmx_mode, max;
	bool set_uid, set_gid;
};

struct pts_inode {
	struct inode i;
	struct tty *tty; /* (devpts.lock) NULL once it has gone */
};

struct devpts {
	struct super *sb;
	struct mutex lock;     /* LOCK_LEAF */
	struct devpts_options options; /* (lock) */
	struct bitmap indices; /* (lock) given away */
	struct pts_inode **nodes; /* (lock) by index; NULL: no node (yet) */
	size_t capacity;       /* (lock) of nodes */
	struct inode *ptmx;    /* (c) borrowed from its dentry's owner: counted until free */
};

static struct {
	atomic_uint count; /* ptys of all instances */
} devpts_module;

static struct devpts *devpts_of(const struct super *sb)
{
	return sb->priv;
}

static struct pts_inode *pts_inode_of(struct inode *i)
{
	return container_of(i, struct pts_inode, i);
}

/* ---- numbers and nodes ---------------------------------------------------------------------------------- */

static int devpts_reserve_locked(struct devpts *d, unsigned int *index)
{
	size_t limit = MIN(d->options.max, DEVPTS_MAX_LIMIT);
	size_t bit = bitmap_next_clear(&d->indices, 0, limit);

	if (bit >= limit)
		return -ENOSPC;
	if (bitmap_grow(&d->indices, bit + 1))
		return -ENOMEM;
	if (bit >= d->capacity) {
		size_t capacity = d->capacity ? d->capacity * 2 : 8;
		struct pts_inode **nodes = mem_realloc(d->nodes, capacity, sizeof(*nodes));

		if (!nodes)
			return -ENOMEM;
		memset(nodes + d->capacity, 0, (capacity - d->capacity) * sizeof(*nodes));
		d->nodes = nodes;
		d->capacity = capacity;
	}
	bitmap_set(&d->indices, bit);
	*index = (unsigned int)bit;
	return 0;
}

int devpts_reserve(struct devpts *d, unsigned int *index)
{
	int err;

	if (atomic_fetch_add_explicit(&devpts_module.count, 1, memory_order_relaxed) >=
	    DEVPTS_TOTAL_MAX) {
		err = -ENOSPC;
	} else {
		mutex_lock(&d->lock);
		err = devpts_reserve_locked(d, index);
		mutex_unlock(&d->lock);
	}
	if (err)
		atomic_fetch_sub_explicit(&devpts_module.count, 1, memory_order_relaxed);
	return err;
}

static const struct inode_ops pts_inode_ops = { .lookup = NULL };
static const struct file_ops pts_inode_fops = { .read = NULL };

static struct pts_inode *pts_inode_new(struct super *sb, uint64_t ino, uint32_t mode, uint64_t rdev)
{
	struct pts_inode *n = mem_new(struct pts_inode);

	if (!n)
		return NULL;
	inode_init(&n->i, sb, &pts_inode_ops, mode);
	n->i.fops = &pts_inode_fops;
	n->i.ino = ino;
	n->i.rdev = rdev;
	n->i.blksize = 1024;
	return n;
}

int devpts_add(struct devpts *d, unsigned int index, struct tty *t, const struct cred *cred)
{
	struct pts_inode *n = pts_inode_new(d->sb, INO_NODES + index, S_IFCHR, t->rdev);

	if (!n)
		return -ENOMEM;
	mutex_lock(&d->lock);
	n->i.mode = S_IFCHR | d->options.mode;
	n->i.uid = d->options.set_uid ? d->options.uid : cred->fsuid;
	n->i.gid = d->options.set_gid ? d->options.gid : cred->fsgid;
	n->tty = t;
	d->nodes[index] = n;
	mutex_unlock(&d->lock);
	return 0;
}

void devpts_remove(struct devpts *d, unsigned int index)
{
	struct pts_inode *n;
	struct dentry *child;
	char name[16];
	int len = snprintf(name, sizeof(name), "%u", index);

	mutex_lock(&d->lock);
	n = d->nodes[index];
	d->nodes[index] = NULL;
	if (n)
		n->tty = NULL;
	bitmap_clear(&d->indices, index);
	mutex_unlock(&d->lock);
	atomic_fetch_sub_explicit(&devpts_module.count, 1, memory_order_relaxed);
	if (!n)
		return;
	child = dcache_lookup(d->sb->root, name, (size_t)len);
	if (child && dentry_inode(child) == &n->i) /* else the number was given away again */
		dentry_drop(child);
	dentry_put(child);
	inode_put(&n->i);
}

struct tty *devpts_tty(struct inode *i)
{
	struct devpts *d;
	struct tty *t;

	if (i->ops != &pts_inode_ops)
		return NULL;
	d = devpts_of(i->sb);
	mutex_lock(&d->lock);
	t = pts_inode_of(i)->tty;
	if (t && !ref_try_get(&t->ref))
		t = NULL;
	mutex_unlock(&d->lock);
	return t;
}

unsigned int devpts_count(void)
{
	return atomic_load_explicit(&devpts_module.count, memory_order_relaxed);
}

void devpts_put(struct devpts *d)
{
	if (d)
		super_unpin(d->sb);
}

/* ---- the directory -------------------------------------------------------------------------------------- */

/* Decimal without leading zeros; -1: no number. */
static int64_t name_to_index(const char *name, size_t len)
{
	int64_t n = 0;

	if (len == 0 || len > 7 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (name[i] - '0');
	}
	return n;
}

/* The node's inode with a reference, or NULL. */
static struct inode *devpts_find(struct devpts *d, const char *name, size_t len)
{
	int64_t index = name_to_index(name, len);
	struct inode *i = NULL;

	if (len == 4 && !memcmp(name, "ptmx", 4))
		return inode_get(d->ptmx);
	if (index < 0)
		return NULL;
	mutex_lock(&d->lock);
	if ((size_t)index < d->capacity && d->nodes[index])
		i = inode_get(&d->nodes[index]->i);
	mutex_unlock(&d->lock);
	return i;
}

static int devpts_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *dentry)
{
	(void)c;
	dentry_set_inode(dentry, devpts_find(devpts_of(dir->sb), dentry_name(dentry),
					     dentry_name_len(dentry)));
	return 0;
}

/* A number may have been given away again. */
static int devpts_revalidate(struct vfs_ctx *c, struct dentry *dentry)
{
	struct inode *i = devpts_find(devpts_of(dentry_super(dentry)), dentry_name(dentry),
				      dentry_name_len(dentry));
	bool same = i == dentry_inode(dentry);

	(void)c;
	inode_put(i);
	return same;
}

static bool devpts_has_node(struct devpts *d, size_t index)
{
	bool has;

	mutex_lock(&d->lock);
	has = index < d->capacity && d->nodes[index];
	mutex_unlock(&d->lock);
	return has;
}

/* Positions: 0 ".", 1 "..", 2 ptmx, then 3 + index. */
static int devpts_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	struct devpts *d = devpts_of(f->inode->sb);

	(void)c;
	if (f->pos == 0 && dir_emit(e, ".", 1, INO_ROOT, DT_DIR, 1))
		f->pos = 1;
	if (f->pos == 1 && dir_emit(e, "..", 2, INO_ROOT, DT_DIR, 2))
		f->pos = 2;
	if (f->pos == 2 && dir_emit(e, "ptmx", 4, INO_PTMX, DT_CHR, 3))
		f->pos = 3;
	if (f->pos < 3)
		return 0;
	for (size_t index = (size_t)f->pos - 3; index < d->capacity; index++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "%zu", index);

		if (!devpts_has_node(d, index))
			continue;
		if (!dir_emit(e, name, (size_t)len, INO_NODES + index, DT_CHR, (int64_t)index + 4))
			break;
		f->pos = (int64_t)index + 4;
	}
	return 0;
}

static const struct inode_ops devpts_dir_ops = {
	.lookup = devpts_lookup,
	.revalidate = devpts_revalidate,
};

static int64_t devpts_dir_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	return file_llseek_size(f, off, whence, INT64_MAX);
}

static const struct file_ops devpts_dir_fops = {
	.readdir = devpts_readdir,
	.llseek = devpts_dir_llseek,
};

/* ---- options ------------------------------------------------------------------------------------------------ */

static int parse_number(const char *s, int base, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (!s || !*s)
		return -EINVAL;
	v = strtoul(s, &end, base);
	if (*end || v > max)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int parse_option(void *arg, char *key, char *value)
{
	struct devpts_options *o = arg;
	int err = -EINVAL;

	if (!strcmp(key, "uid")) {
		err = parse_number(value, 10, UINT32_MAX - 1, &o->uid);
		o->set_uid = true;
	} else if (!strcmp(key, "gid")) {
		err = parse_number(value, 10, UINT32_MAX - 1, &o->gid);
		o->set_gid = true;
	} else if (!strcmp(key, "mode")) {
		err = parse_number(value, 8, 07777, &o->mode);
	} else if (!strcmp(key, "ptmxmode")) {
		err = parse_number(value, 8, 07777, &o->ptmx_mode);
	} else if (!strcmp(key, "max")) {
		err = parse_number(value, 10, DEVPTS_MAX_LIMIT, &o->max);
	} else if (!strcmp(key, "newinstance")) {
		err = 0;
	}
	return err;
}

static int parse_options(const char *data, struct devpts_options *o)
{
	*o = (struct devpts_options){ .mode = 0600, .max = DEVPTS_MAX_LIMIT };
	return fs_options_each(data, parse_option, o);
}

static void devpts_show_options(struct super *sb, struct buf *b)
{
	struct devpts *d = devpts_of(sb);

	mutex_lock(&d->lock);
	if (d->options.set_uid)
		buf_printf(b, ",uid=%u", d->options.uid);
	if (d->options.set_gid)
		buf_printf(b, ",gid=%u", d->options.gid);
	buf_printf(b, ",mode=%03o,ptmxmode=%03o", d->options.mode, d->options.ptmx_mode);
	if (d->options.max < DEVPTS_MAX_LIMIT)
		buf_printf(b, ",max=%u", d->options.max);
	mutex_unlock(&d->lock);
}

static int devpts_reconfigure(struct super *sb, const char *data)
{
	struct devpts *d = devpts_of(sb);
	struct devpts_options o;
	int err = parse_options(data, &o);

	if (err)
		return err;
	mutex_lock(&d->lock);
	d->options = o;
	mutex_unlock(&d->lock);
	mutex_lock(&d->ptmx->lock);
	d->ptmx->mode = S_IFCHR | o.ptmx_mode;
	mutex_unlock(&d->ptmx->lock);
	return 0;
}

/* ---- supers --------------------------------------------------------------------------------------------------- */

static void devpts_free(struct super *sb)
{
	struct devpts *d = devpts_of(sb);

	bitmap_fini(&d->indices);
	mem_free(d->nodes);
	mem_free(d);
}

static void devpts_inode_free(struct inode *i)
{
	mem_free(pts_inode_of(i));
}

static int devpts_statfs(struct super *sb, struct statfs_info *out)
{
	memset(out, 0, sizeof(*out));
	out->type = DEVPTS_SUPER_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	out->fsid[0] = (uint32_t)sb->dev;
	return 0;
}

/* The root dentry's private pointer is ptmx: it lives exactly as long as the root does. */
static void devpts_dentry_free(struct dentry *dentry)
{
	inode_put(dentry_priv(dentry));
}

static const struct super_ops devpts_super_ops = {
	.free = devpts_free,
	.statfs = devpts_statfs,
	.inode_free = devpts_inode_free,
	.show_options = devpts_show_options,
	.reconfigure = devpts_reconfigure,
	.dentry_free = devpts_dentry_free,
};

static int devpts_fill(struct super *sb, struct devpts *d)
{
	struct pts_inode *root = pts_inode_new(sb, INO_ROOT, S_IFDIR | 0755, 0);
	struct pts_inode *ptmx = pts_inode_new(sb, INO_PTMX, S_IFCHR | d->options.ptmx_mode,
					       makedev(5, 2));

	if (!root || !ptmx)
		goto fail;
	root->i.ops = &devpts_dir_ops;
	root->i.fops = &devpts_dir_fops;
	root->i.nlink = 2;
	if (d->options.set_uid)
		ptmx->i.uid = d->options.uid;
	if (d->options.set_gid)
		ptmx->i.gid = d->options.gid;
	sb->root = dentry_new_root(sb, &root->i);
	root = NULL;
	if (!sb->root)
		goto fail;
	d->ptmx = &ptmx->i;
	dentry_set_priv(sb->root, d->ptmx);
	return 0;

fail:
	if (root)
		inode_put(&root->i);
	if (ptmx)
		inode_put(&ptmx->i);
	return -ENOMEM;
}

static int devpts_mount(struct vfs_ctx *c, const struct fs_type *type, const char *source,
			const char *data, void *fs_data, struct super **out)
{
	struct devpts_options o;
	struct devpts *d;
	struct super *sb;
	int err = parse_options(data, &o);

	(void)c;
	(void)fs_data;
	if (err)
		return err;
	d = mem_new(struct devpts);
	if (!d)
		return -ENOMEM;
	mutex_init(&d->lock, LOCK_LEAF);
	bitmap_init(&d->indices);
	d->options = o;
	sb = super_new(type, &devpts_super_ops, d);
	if (!sb) {
		mem_free(d);
		return -ENOMEM;
	}
	d->sb = sb;
	sb->flags = SUPER_NOCACHE_NEG | SUPER_REVALIDATE;
	sb->source = mem_strdup(source ? source : "devpts");
	err = sb->source ? devpts_fill(sb, d) : -ENOMEM;
	if (err) {
		super_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

static struct fs_type devpts_type = {
	.name = "devpts",
	.flags = FS_NODEV | FS_USERNS_MOUNT | FS_USERNS_DEV,
	.mount = devpts_mount,
};

void devpts_init(void)
{
	fs_type_register(&devpts_type);
}

/* ---- from ptmx to its instance --------------------------------------------------------------------------------- */

static bool is_devpts(const struct path *p)
{
	return dentry_super(p->dentry)->type == &devpts_type;
}

/*
 * A ptmx node in devpts belongs to that.  Any other (a device node in /dev) belongs to the devpts
 * that is mounted on "pts" beside it.
 */
int devpts_dir_of_ptmx(struct vfs_ctx *c, const struct path *ptmx, struct path *out)
{
	struct path dir = { .mnt = ptmx->mnt, .dentry = dentry_parent(ptmx->dentry) };
	int err;

	if (is_devpts(ptmx)) {
		*out = dir;
		path_get(&(struct path){ .mnt = dir.mnt });
		return 0;
	}
	err = vfs_walk(c, &dir, "pts", WALK_FOLLOW | WALK_DIRECTORY, out);
	dentry_put(dir.dentry);
	if (err)
		return -ENODEV;
	if (is_devpts(out) && out->dentry == dentry_super(out->dentry)->root)
		return 0;
	path_put(out);
	return -ENODEV;
}

struct devpts *devpts_at(const struct path *dir)
{
	if (!is_devpts(dir))
		return NULL;
	super_pin(dentry_super(dir->dentry));
	return devpts_of(dentry_super(dir->dentry));
}

int devpts_of_ptmx(struct vfs_ctx *c, const struct path *ptmx, struct devpts **out)
{
	struct path dir;
	int err = devpts_dir_of_ptmx(c, ptmx, &dir);

	if (err)
		return err;
	*out = devpts_at(&dir);
	path_put(&dir);
	return *out ? 0 : -ENODEV;
}
