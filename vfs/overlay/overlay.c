/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay.c: the overlay file system: supers, inodes, attributes.
 *
 * An overlay inode stands for an object as it shows: its upper part if there is one, and (always
 * for directories that merge) parts of lower layers.  Attributes are the real inode's, mirrored in
 * the overlay inode so that the vfs's generic permission check works on them.
 *
 * Copy-up gives an inode its upper part; from then on nothing is taken from below (but names, in
 * directories).  Lower layers are taken to be constant.
 *
 * Identity: st_dev is the overlay's; st_ino is the lower inode's number, also after copy-up (kept
 * in an xattr of the upper one), or the upper's with a bit set.  Two names of one upper inode give
 * one overlay inode (s->inodes).  Two names of one lower inode do not: hard links break at copy-up,
 * as on Linux without the index.
 *
 * Locks: those of overlay inodes have ranks of their own (LOCK_STACKED_…) before the layers'.
 *
 * Linux: fs/overlayfs/.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/overlay/overlay_impl.h"
#include "vfs/tmpfs/tmpfs.h"

#define OVERLAY_MAGIC 0x794c7630

/* ---- layers ----------------------------------------------------------------------------------- */

struct path ovl_part_path(const struct ovl_super *s, const struct ovl_part *p)
{
	return (struct path){ s->lower[p->layer].mnt, p->dentry };
}

struct path ovl_upper_path(const struct ovl_inode *o)
{
	return (struct path){ ovl_sb(o->i.sb)->upper.mnt, ovl_upper(o) };
}

struct path ovl_real_path(const struct ovl_inode *o)
{
	return ovl_upper(o) ? ovl_upper_path(o) : ovl_part_path(ovl_sb(o->i.sb), &o->lower[0]);
}

void ovl_ctx(const struct ovl_super *s, const struct vfs_ctx *caller, const struct path *layer,
	     struct vfs_ctx *out)
{
	*out = *caller;
	out->cred = s->cred;
	out->root = out->cwd = *layer;
	out->mnt_ns = NULL;
	out->umask = 0;
	out->fsize_limit = UINT64_MAX;
}

bool ovl_is_whiteout(const struct dentry *d)
{
	const struct inode *i = dentry_inode(d);

	return i && S_ISCHR(i->mode) && i->rdev == 0;
}

bool ovl_is_opaque(struct vfs_ctx *c, struct dentry *d)
{
	struct inode *i = dentry_inode(d);
	char v;

	return i->ops->getxattr && i->ops->getxattr(c, i, OVL_XATTR_OPAQUE, &v, 1) == 1 && v == 'y';
}

uint64_t ovl_ino(const struct ovl_super *s, struct vfs_ctx *c, struct dentry *upper,
		 const struct ovl_part *lower)
{
	struct inode *i = upper ? dentry_inode(upper) : NULL;
	uint64_t origin;

	(void)s;
	if (i && i->ops->getxattr &&
	    i->ops->getxattr(c, i, OVL_XATTR_ORIGIN, &origin, sizeof(origin)) == sizeof(origin))
		return origin;
	if (lower && (!i || S_ISDIR(i->mode)))
		return dentry_inode(lower->dentry)->ino ^ ((uint64_t)lower->layer << OVL_LAYER_SHIFT);
	return i->ino | OVL_UPPER_BIT;
}

/* ---- inodes ----------------------------------------------------------------------------------- */

void ovl_parts_free(struct ovl_part *parts, unsigned int count)
{
	for (unsigned int n = 0; n < count; n++)
		dentry_put(parts[n].dentry);
	mem_free(parts);
}

/* Under s->latch. */
static void ovl_inode_hash(struct ovl_super *s, struct ovl_inode *o, struct dentry *upper)
{
	hash_insert(&s->inodes, &o->node, hash_u64(0, (uintptr_t)dentry_inode(upper)));
	o->hashed = true;
}

static struct inode *ovl_inode_find(struct ovl_super *s, const struct dentry *upper)
{
	const struct inode *key = dentry_inode(upper);
	struct inode *found = NULL;
	struct hash_node *n;

	latch_lock(&s->latch);
	for (n = hash_first(&s->inodes, hash_u64(0, (uintptr_t)key)); n && !found; n = hash_next(n)) {
		struct ovl_inode *o = container_of(n, struct ovl_inode, node);

		if (dentry_inode(ovl_upper(o)) == key && ref_try_get(&o->i.ref))
			found = &o->i;
	}
	latch_unlock(&s->latch);
	return found;
}

void ovl_set_upper(struct ovl_inode *o, struct dentry *upper)
{
	struct ovl_super *s = ovl_sb(o->i.sb);
	struct ovl_names *stale;

	latch_lock(&s->latch);
	stale = o->names;
	o->names = NULL;
	/* Pairs with ovl_upper(). */
	atomic_store_explicit(&o->upper, upper, memory_order_release);
	ovl_inode_hash(s, o, upper);
	latch_unlock(&s->latch);
	ovl_names_put(stale);
}

static void ovl_inode_free(struct inode *i)
{
	struct ovl_inode *o = ovl_i(i);
	struct ovl_super *s = ovl_sb(i->sb);

	latch_lock(&s->latch);
	if (o->hashed)
		hash_remove(&s->inodes, &o->node);
	latch_unlock(&s->latch);
	dentry_put(ovl_upper(o));
	ovl_names_put(o->names);
	ovl_parts_free(o->lower, o->lower_count);
	inode_put(o->parent);
	mem_free(o->name);
	mem_free(o);
}

/* Subdirectories of a merged directory are not counted. */
static uint32_t ovl_nlink(const struct ovl_inode *o, const struct attr *a)
{
	bool merged = o->lower_count > 1 || (o->lower_count == 1 && ovl_upper(o));

	return S_ISDIR(a->mode) && merged ? 1 : a->nlink;
}

static void ovl_take_attr(struct ovl_inode *o, const struct attr *a)
{
	struct inode *i = &o->i;

	i->mode = a->mode;
	i->uid = a->uid;
	i->gid = a->gid;
	i->nlink = ovl_nlink(o, a);
	i->size = a->size;
	i->blocks = a->blocks;
	i->atime = a->atime;
	i->mtime = a->mtime;
	i->ctime = a->ctime;
	i->btime = a->btime;
}

static int ovl_real_attr(struct vfs_ctx *c, const struct ovl_inode *o, struct attr *a)
{
	struct path p = ovl_real_path(o);
	struct vfs_ctx layer;

	ovl_ctx(ovl_sb(o->i.sb), c, &p, &layer);
	return vfs_getattr(&layer, &p, STATX_BASIC_STATS | STATX_BTIME, a);
}

int ovl_refresh(struct vfs_ctx *c, struct ovl_inode *o)
{
	struct attr a;
	int err = ovl_real_attr(c, o, &a);

	if (err == 0)
		ovl_take_attr(o, &a);
	return err;
}

static void ovl_inode_init(struct ovl_inode *o, struct super *sb, uint32_t mode)
{
	const struct inode_ops *ops = &ovl_file_iops;

	if (S_ISDIR(mode))
		ops = &ovl_dir_ops;
	else if (S_ISLNK(mode))
		ops = &ovl_symlink_ops;
	inode_init(&o->i, sb, ops, mode);
	o->i.fops = S_ISDIR(mode) ? &ovl_dir_fops : &ovl_file_fops;
	mutex_init(&o->i.lock, S_ISDIR(mode) ? LOCK_STACKED_DIR : LOCK_STACKED_INODE);
}

int ovl_inode_get(struct super *sb, struct inode *parent, char *name, struct dentry *upper,
		  struct ovl_part *lower, unsigned int lower_count, struct inode **out)
{
	struct ovl_super *s = ovl_sb(sb);
	const struct inode *real = dentry_inode(upper ? upper : lower[0].dentry);
	struct vfs_ctx c = { .cred = s->cred };
	struct ovl_inode *o;
	int err;

	*out = upper ? ovl_inode_find(s, upper) : NULL;
	if (*out) {
		dentry_put(upper);
		ovl_parts_free(lower, lower_count);
		mem_free(name);
		return 0;
	}
	o = mem_new(struct ovl_inode);
	if (!o) {
		dentry_put(upper);
		ovl_parts_free(lower, lower_count);
		mem_free(name);
		return -ENOMEM;
	}
	ovl_inode_init(o, sb, real->mode);
	o->parent = parent ? inode_get(parent) : NULL;
	o->name = name;
	o->lower = lower;
	o->lower_count = lower_count;
	o->i.ino = ovl_ino(s, &c, upper, lower_count ? &lower[0] : NULL);
	o->i.rdev = real->rdev;
	o->i.blksize = real->blksize;
	if (upper)
		ovl_set_upper(o, upper);
	err = ovl_refresh(&c, o);
	if (err < 0) {
		inode_put(&o->i);
		return err;
	}
	*out = &o->i;
	return 0;
}

/* ---- attributes ------------------------------------------------------------------------------- */

int ovl_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out)
{
	struct ovl_inode *o = ovl_i(i);
	int err = ovl_real_attr(c, o, out);

	(void)query;
	if (err < 0)
		return err;
	/* The mirrored fields change under i->lock only, by those who change the real inode. */
	out->nlink = i->nlink == 0 ? 0 : ovl_nlink(o, out);
	out->ino = i->ino;
	out->dev = i->sb->dev;
	out->attributes = out->attributes_mask = 0;
	return 0;
}

/* An operation on the upper inode with its lock held. */
static int upper_setattr(struct vfs_ctx *c, struct ovl_inode *o, const struct setattr *a)
{
	struct path p = ovl_upper_path(o);
	struct inode *u = dentry_inode(p.dentry);
	struct vfs_ctx layer;
	int err;

	ovl_ctx(ovl_sb(o->i.sb), c, &p, &layer);
	if (!u->ops->setattr)
		return -EPERM;
	mutex_lock(&u->lock);
	err = u->ops->setattr(&layer, u, a);
	mutex_unlock(&u->lock);
	return err;
}

int ovl_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	struct ovl_inode *o = ovl_i(i);
	bool no_data = (a->mask & SETATTR_SIZE) && a->size == 0;
	int err = ovl_copy_up(c, o, no_data ? OVL_COPY_NO_DATA : OVL_COPY_ALL);

	if (err == 0)
		err = upper_setattr(c, o, a);
	if (err == 0)
		err = ovl_refresh(c, o);
	return err;
}

static bool xattr_is_private(const char *name)
{
	return !strncmp(name, OVL_XATTR_PREFIX, sizeof(OVL_XATTR_PREFIX) - 1);
}

ssize_t ovl_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size)
{
	struct inode *real = dentry_inode(ovl_real(ovl_i(i)));

	if (xattr_is_private(name))
		return -ENODATA;
	return real->ops->getxattr ? real->ops->getxattr(c, real, name, buf, size) : -EOPNOTSUPP;
}

int ovl_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value,
		 size_t size, int flags)
{
	struct inode *u;
	int err;

	if (xattr_is_private(name))
		return -EPERM;
	err = ovl_copy_up(c, ovl_i(i), OVL_COPY_ALL);
	if (err < 0)
		return err;
	u = dentry_inode(ovl_upper(ovl_i(i)));
	if (!u->ops->setxattr)
		return -EOPNOTSUPP;
	mutex_lock(&u->lock);
	err = u->ops->setxattr(c, u, name, value, size, flags);
	mutex_unlock(&u->lock);
	return err;
}

ssize_t ovl_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size)
{
	struct inode *real = dentry_inode(ovl_real(ovl_i(i)));
	char all[4096];
	ssize_t n, out = 0;

	if (!real->ops->listxattr)
		return 0;
	n = real->ops->listxattr(c, real, all, sizeof(all));
	for (ssize_t at = 0; at < n;) {
		size_t len = strnlen(all + at, (size_t)(n - at)) + 1;

		if ((ssize_t)len > n - at)
			break;
		if (!xattr_is_private(all + at)) {
			if (size > 0 && (size_t)out + len > size)
				return -ERANGE;
			if (size > 0)
				memcpy(buf + out, all + at, len);
			out += (ssize_t)len;
		}
		at += (ssize_t)len;
	}
	return n < 0 ? n : out;
}

int ovl_removexattr(struct vfs_ctx *c, struct inode *i, const char *name)
{
	struct inode *u;
	int err;

	if (xattr_is_private(name))
		return -EPERM;
	err = ovl_copy_up(c, ovl_i(i), OVL_COPY_ALL);
	if (err < 0)
		return err;
	u = dentry_inode(ovl_upper(ovl_i(i)));
	if (!u->ops->removexattr)
		return -EOPNOTSUPP;
	mutex_lock(&u->lock);
	err = u->ops->removexattr(c, u, name);
	mutex_unlock(&u->lock);
	return err;
}

static int symlink_readlink(struct vfs_ctx *c, struct inode *i, char **out)
{
	struct inode *real = dentry_inode(ovl_real(ovl_i(i)));

	return real->ops->readlink ? real->ops->readlink(c, real, out) : -EINVAL;
}

const struct inode_ops ovl_symlink_ops = { OVL_COMMON_SLOTS, .readlink = symlink_readlink };

/* ---- supers ----------------------------------------------------------------------------------- */

static void ovl_free(struct super *sb)
{
	struct ovl_super *s = ovl_sb(sb);

	path_put(&s->upper);
	for (unsigned int n = 0; n < s->lower_count; n++)
		path_put(&s->lower[n]);
	mem_free(s->lower);
	hash_fini(&s->inodes);
	cred_put(s->cred);
	mem_free(s->options);
	mem_free(s);
}

static void ovl_show_options(struct super *sb, struct buf *b)
{
	if (ovl_sb(sb)->options)
		buf_printf(b, ",%s", ovl_sb(sb)->options);
}

static int ovl_statfs(struct super *sb, struct statfs_info *out)
{
	struct ovl_super *s = ovl_sb(sb);
	struct super *real = dentry_super(s->upper.mnt ? s->upper.dentry : s->lower[0].dentry);
	int err = real->ops->statfs ? real->ops->statfs(real, out) : -ENOSYS;

	if (err == 0)
		out->type = OVERLAY_MAGIC;
	return err;
}

static int ovl_sync(struct super *sb)
{
	struct ovl_super *s = ovl_sb(sb);
	struct super *up = s->upper.mnt ? dentry_super(s->upper.dentry) : NULL;

	return up && up->ops->sync ? up->ops->sync(up) : 0;
}

static const struct super_ops ovl_super_ops = {
	.free = ovl_free,
	.statfs = ovl_statfs,
	.sync = ovl_sync,
	.show_options = ovl_show_options,
	.inode_free = ovl_inode_free,
};

static int layers_take(struct ovl_super *s, const struct overlay_layers *l)
{
	s->lower = mem_calloc(l->lower_count, sizeof(*s->lower));
	if (!s->lower)
		return -ENOMEM;
	for (unsigned int n = 0; n < l->lower_count; n++) {
		s->lower[n] = l->lower[n];
		path_get(&s->lower[n]);
	}
	s->lower_count = l->lower_count;
	s->upper = l->upper;
	path_get(&s->upper);
	return 0;
}

static int layers_check(const struct overlay_layers *l)
{
	if (l->lower_count == 0 || l->lower_count > OVERLAY_LOWER_MAX)
		return -EINVAL;
	for (unsigned int n = 0; n < l->lower_count; n++) {
		if (!inode_is_dir(dentry_inode(l->lower[n].dentry)))
			return -ENOTDIR;
		/* Lock ranks know one level of stacking. */
		if (dentry_super(l->lower[n].dentry)->ops == &ovl_super_ops)
			return -EINVAL;
	}
	if (l->upper.mnt && (!inode_is_dir(dentry_inode(l->upper.dentry)) ||
			     dentry_super(l->upper.dentry)->ops == &ovl_super_ops))
		return -EINVAL;
	return 0;
}

static int root_make(struct super *sb)
{
	struct ovl_super *s = ovl_sb(sb);
	struct ovl_part *parts = mem_calloc(s->lower_count, sizeof(*parts));
	struct inode *root;
	int err;

	if (!parts)
		return -ENOMEM;
	for (unsigned int n = 0; n < s->lower_count; n++) {
		parts[n].layer = n;
		parts[n].dentry = dentry_get(s->lower[n].dentry);
	}
	err = ovl_inode_get(sb, NULL, NULL, s->upper.mnt ? dentry_get(s->upper.dentry) : NULL, parts,
			    s->lower_count, &root); /* consumes parts */
	if (err < 0)
		return err;
	sb->root = dentry_new_root(sb, root);
	return sb->root ? 0 : -ENOMEM;
}

static int super_make(const struct fs_type *t, const char *source, const struct overlay_layers *l,
		      struct super **out)
{
	struct ovl_super *s;
	struct super *sb;
	int err = layers_check(l);

	if (err < 0)
		return err;
	s = mem_new(struct ovl_super);
	if (!s)
		return -ENOMEM;
	mutex_init(&s->copy_lock, LOCK_STACKED_COPY);
	latch_init(&s->latch);
	s->cred = cred_new_root();
	sb = s->cred && hash_init(&s->inodes, 64) == 0 ? super_new(t, &ovl_super_ops, s) : NULL;
	if (!sb) {
		hash_fini(&s->inodes);
		cred_put(s->cred);
		mem_free(s);
		return -ENOMEM;
	}
	s->sb = sb;
	mutex_init(&sb->rename_lock, LOCK_STACKED_RENAME);
	sb->flags = l->upper.mnt ? SUPER_POSIXACL : SUPER_POSIXACL | SUPER_RDONLY;
	sb->source = source ? mem_strdup(source) : NULL;
	err = layers_take(s, l);
	if (err == 0)
		err = root_make(sb);
	if (err < 0) {
		super_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

/* ---- mounting --------------------------------------------------------------------------------- */

struct ovl_options {
	struct vfs_ctx *c;
	struct path upper;
	struct path lower[OVERLAY_LOWER_MAX];
	unsigned int lower_count;
	bool has_work;
};

static int lower_option(struct ovl_options *o, char *value)
{
	char *next;

	for (char *p = value; p; p = next) {
		int err;

		next = strchr(p, ':');
		if (next)
			*next++ = '\0';
		if (o->lower_count == OVERLAY_LOWER_MAX)
			return -EINVAL;
		err = vfs_walk(o->c, NULL, p, WALK_FOLLOW | WALK_DIRECTORY, &o->lower[o->lower_count]);
		if (err < 0)
			return err;
		o->lower_count++;
	}
	return 0;
}

static int overlay_option(void *arg, char *key, char *value)
{
	/* What they turn on or off is not there, or not needed, in this implementation. */
	static const char *const ignored[] = { "index", "redirect_dir", "nfs_export", "xino",
					       "metacopy", "userxattr", "volatile", "uuid" };
	struct ovl_options *o = arg;

	if (value && !strcmp(key, "lowerdir"))
		return lower_option(o, value);
	if (value && !strcmp(key, "upperdir") && !o->upper.mnt)
		return vfs_walk(o->c, NULL, value, WALK_FOLLOW | WALK_DIRECTORY, &o->upper);
	if (value && !strcmp(key, "workdir")) {
		o->has_work = true; /* nothing is prepared there: copy-ups are unnamed until done */
		return 0;
	}
	for (size_t n = 0; n < ARRAY_SIZE(ignored); n++)
		if (!strcmp(key, ignored[n]))
			return 0;
	return -EINVAL;
}

static int options_parse(struct vfs_ctx *c, const char *data, struct ovl_options *o)
{
	int err;

	o->c = c;
	err = fs_options_each(data, overlay_option, o);
	if (err == 0 && (o->lower_count == 0 || (o->upper.mnt && !o->has_work) ||
			 (o->lower_count == 1 && !o->upper.mnt)))
		err = -EINVAL;
	return err;
}

static int mount_by_options(struct vfs_ctx *c, const struct fs_type *t, const char *source,
			    const char *data, struct super **out)
{
	struct ovl_options *o = mem_new(struct ovl_options);
	int err = -ENOMEM;

	if (o)
		err = options_parse(c, data, o);
	if (err == 0) {
		struct overlay_layers l = { o->upper, o->lower, o->lower_count };

		err = super_make(t, source, &l, out);
	}
	if (err == 0)
		ovl_sb(*out)->options = mem_strdup(data); /* NULL: not shown */
	if (o) {
		path_put(&o->upper);
		for (unsigned int n = 0; n < o->lower_count; n++)
			path_put(&o->lower[n]);
	}
	mem_free(o);
	return err;
}

static int overlay_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
			 const char *data, void *fs_data, struct super **out)
{
	if (fs_data)
		return super_make(t, source, fs_data, out);
	return mount_by_options(c, t, source, data, out);
}

/*
 * Not for user namespaces: layers are used with all capabilities, so a mounter with fewer could write
 * into an upper directory that is not his.
 */
struct fs_type overlay_type = {
	.name = "overlay",
	.flags = FS_NODEV,
	.mount = overlay_mount,
};

void overlay_init(void)
{
	fs_type_register(&overlay_type);
}

int overlay_in_memory(struct vfs_ctx *c, struct super *lower, const char *tmpfs_data,
		      struct super **out)
{
	struct path low = { mount_new_internal(lower), lower->root };
	struct overlay_layers l = { .lower = &low, .lower_count = 1 };
	struct attr a;
	struct super *up;
	int err;

	if (!low.mnt)
		return -ENOMEM;
	err = tmpfs_type.mount(c, &tmpfs_type, "overlay", tmpfs_data, NULL, &up);
	if (err < 0)
		goto put_low;
	l.upper = (struct path){ mount_new_internal(up), up->root };
	if (!l.upper.mnt) {
		super_discard(up);
		super_put(up);
		err = -ENOMEM;
		goto put_low;
	}
	super_put(up); /* the mount has its own */
	/* The merged root looks like the lower one. */
	err = vfs_getattr(c, &low, STATX_BASIC_STATS, &a);
	if (err == 0) {
		struct inode *r = dentry_inode(up->root);

		r->mode = a.mode;
		r->uid = a.uid;
		r->gid = a.gid;
		r->mtime = a.mtime;
		err = super_make(&overlay_type, "overlay", &l, out);
	}
	mount_put(l.upper.mnt);
put_low:
	mount_put(low.mnt);
	return err;
}
