/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ovl_dir.c: names of an overlay: lookup, creation, removal, renaming.
 *
 * A removed name that lower layers still have is covered by a whiteout in upper (a character device
 * 0:0).  A directory made where one was removed is opaque.  Directories with parts below can't be
 * moved (EXDEV; mv(1) then copies), which is Linux's default.
 *
 * The vfs holds the overlay directories' locks around all of these; the layers' own locks are taken
 * by the vfs calls on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/overlay/overlay_impl.h"

/* ---- lookup ----------------------------------------------------------------------------------- */

struct found {
	struct dentry *upper;    /* counted */
	struct ovl_part *parts;  /* owned */
	unsigned int count;
	bool stop;               /* nothing further down shows */
};

static void found_free(struct found *r)
{
	dentry_put(r->upper);
	ovl_parts_free(r->parts, r->count);
}

static int lookup_upper(struct vfs_ctx *c, struct ovl_inode *dir, const char *name, size_t len,
			struct found *r)
{
	struct dentry *d;
	int err = walk_lookup(c, ovl_upper(dir), name, len, false, &d);

	if (err < 0)
		return err;
	if (!dentry_inode(d) || ovl_is_whiteout(d)) {
		r->stop = dentry_inode(d) != NULL;
		dentry_put(d);
		return 0;
	}
	r->upper = d;
	r->stop = !inode_is_dir(dentry_inode(d)) || ovl_is_opaque(c, d);
	return 0;
}

static int lookup_lower(struct vfs_ctx *c, const struct ovl_part *dir, const char *name, size_t len,
			struct found *r)
{
	bool is_dir, have = r->upper || r->count > 0;
	struct dentry *d;
	int err = walk_lookup(c, dir->dentry, name, len, false, &d);

	if (err < 0)
		return err;
	if (!dentry_inode(d) || ovl_is_whiteout(d)) {
		r->stop = dentry_inode(d) != NULL;
		dentry_put(d);
		return 0;
	}
	is_dir = inode_is_dir(dentry_inode(d));
	if (have && !is_dir) { /* a file below a directory is hidden, and ends the merge */
		r->stop = true;
		dentry_put(d);
		return 0;
	}
	r->parts[r->count++] = (struct ovl_part){ dir->layer, d };
	r->stop = !is_dir || ovl_is_opaque(c, d);
	return 0;
}

static int find(struct vfs_ctx *c, struct ovl_inode *dir, const char *name, size_t len,
		struct found *r)
{
	struct ovl_super *s = ovl_sb(dir->i.sb);
	struct vfs_ctx layer;
	int err = 0;

	memset(r, 0, sizeof(*r));
	ovl_ctx(s, c, &s->lower[0], &layer);
	if (dir->lower_count) {
		r->parts = mem_calloc(dir->lower_count, sizeof(*r->parts));
		if (!r->parts)
			return -ENOMEM;
	}
	if (ovl_upper(dir))
		err = lookup_upper(&layer, dir, name, len, r);
	for (unsigned int n = 0; err == 0 && !r->stop && n < dir->lower_count; n++)
		err = lookup_lower(&layer, &dir->lower[n], name, len, r);
	if (err < 0)
		found_free(r);
	return err;
}

static int dir_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct inode *i;
	struct found r;
	char *name;
	int err = find(c, ovl_i(dir), dentry_name(d), dentry_name_len(d), &r);

	if (err < 0)
		return err;
	if (!r.upper && r.count == 0) {
		found_free(&r);
		return 0;
	}
	name = mem_strdup(dentry_name(d));
	if (!name) {
		found_free(&r);
		return -ENOMEM;
	}
	err = ovl_inode_get(dir->sb, dir, name, r.upper, r.parts, r.count, &i); /* consumes all */
	if (err == 0)
		dentry_set_inode(d, i);
	return err;
}

/* A hint passes through to the layer that will be asked. */
static void dir_walk_ahead(struct vfs_ctx *c, struct dentry *dir, const char *rest, bool will_read)
{
	struct ovl_inode *o = ovl_i(dentry_inode(dir));
	struct vfs_ctx layer;
	struct path p;
	struct inode *i;

	if (o->lower_count != 1)
		return;
	p = ovl_part_path(ovl_sb(o->i.sb), &o->lower[0]);
	i = dentry_inode(p.dentry);
	ovl_ctx(ovl_sb(o->i.sb), c, &p, &layer);
	if (i->ops->walk_ahead)
		i->ops->walk_ahead(&layer, p.dentry, rest, will_read);
}

int ovl_lower_shows(struct vfs_ctx *c, struct ovl_inode *dir, const char *name, size_t len,
		    bool *shows)
{
	struct found r = { .parts = NULL };
	struct vfs_ctx layer;
	int err = 0;

	*shows = false;
	if (dir->lower_count == 0)
		return 0;
	ovl_ctx(ovl_sb(dir->i.sb), c, &ovl_sb(dir->i.sb)->lower[0], &layer);
	r.parts = mem_calloc(dir->lower_count, sizeof(*r.parts));
	if (!r.parts)
		return -ENOMEM;
	for (unsigned int n = 0; err == 0 && !r.stop && r.count == 0 && n < dir->lower_count; n++)
		err = lookup_lower(&layer, &dir->lower[n], name, len, &r);
	*shows = r.count > 0;
	found_free(&r);
	return err;
}

/* ---- creating --------------------------------------------------------------------------------- */

/* A change of one name in upper: the directory copied up, a context for calls there. */
struct change {
	struct ovl_inode *dir;
	struct path up;      /* borrowed: the directory in upper */
	struct vfs_ctx c;
	const char *name;    /* borrowed */
	bool whiteout;       /* there is one in upper now */
	bool covers;         /* lower layers have the name */
};

static int change_begin(struct vfs_ctx *c, struct inode *dir, struct dentry *d, struct change *ch)
{
	struct dentry *old;
	int err = ovl_copy_up(c, ovl_i(dir), OVL_COPY_ALL);

	if (err < 0)
		return err;
	ch->dir = ovl_i(dir);
	ch->name = dentry_name(d);
	ch->up = ovl_upper_path(ch->dir);
	ovl_ctx(ovl_sb(dir->sb), c, &ch->up, &ch->c);
	err = walk_lookup(&ch->c, ch->up.dentry, ch->name, dentry_name_len(d), false, &old);
	if (err < 0)
		return err;
	ch->whiteout = ovl_is_whiteout(old);
	dentry_put(old);
	return ovl_lower_shows(c, ch->dir, ch->name, dentry_name_len(d), &ch->covers);
}

static int set_owner(struct change *ch, const struct path *p, const struct inode_attr_new *a)
{
	struct setattr s = { .mask = SETATTR_UID | SETATTR_GID, .uid = a->uid, .gid = a->gid };
	int err = vfs_setattr(&ch->c, p, &s);

	if (err < 0 || S_ISLNK(a->mode))
		return err;
	s = (struct setattr){ .mask = SETATTR_MODE, .mode = a->mode & 07777 };
	return vfs_setattr(&ch->c, p, &s);
}

static int put_whiteout(struct change *ch)
{
	return vfs_mknod(&ch->c, &ch->up, ch->name, S_IFCHR, 0);
}

static int make_in_upper(struct change *ch, const struct inode_attr_new *a, const char *target)
{
	if (S_ISDIR(a->mode))
		return vfs_mkdir(&ch->c, &ch->up, ch->name, 0700);
	if (S_ISLNK(a->mode))
		return vfs_symlink(&ch->c, target, &ch->up, ch->name);
	return vfs_mknod(&ch->c, &ch->up, ch->name, (a->mode & S_IFMT) | 0600, a->rdev);
}

static void unmake(struct change *ch, bool is_dir)
{
	if (is_dir)
		(void)vfs_rmdir(&ch->c, &ch->up, ch->name);
	else
		(void)vfs_unlink(&ch->c, &ch->up, ch->name);
}

/* The new upper object becomes d's inode. */
static int adopt(struct change *ch, struct dentry *d)
{
	struct dentry *upper;
	struct inode *i;
	char *name;
	int err = walk_lookup(&ch->c, ch->up.dentry, ch->name, strlen(ch->name), false, &upper);

	if (err < 0)
		return err;
	name = mem_strdup(ch->name);
	if (!name || !dentry_inode(upper)) {
		mem_free(name);
		dentry_put(upper);
		return -ENOMEM;
	}
	err = ovl_inode_get(ch->dir->i.sb, &ch->dir->i, name, upper, NULL, 0, &i);
	if (err < 0)
		return err;
	dentry_set_inode(d, i);
	return ovl_refresh(&ch->c, ch->dir);
}

static int create_common(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const char *target,
			 const struct inode_attr_new *a)
{
	struct change ch;
	struct path p;
	int err = change_begin(c, dir, d, &ch);

	if (err == 0 && ch.whiteout)
		err = vfs_unlink(&ch.c, &ch.up, ch.name);
	if (err < 0)
		return err;
	err = make_in_upper(&ch, a, target);
	if (err < 0)
		goto whiteout_again;
	err = vfs_walk(&ch.c, &ch.up, ch.name, 0, &p);
	if (err < 0)
		goto remove;
	err = set_owner(&ch, &p, a);
	if (err == 0 && S_ISDIR(a->mode) && ch.covers)
		err = vfs_setxattr(&ch.c, &p, OVL_XATTR_OPAQUE, "y", 1, 0);
	path_put(&p);
	if (err == 0)
		err = adopt(&ch, d);
	if (err == 0)
		return 0;
remove:
	unmake(&ch, S_ISDIR(a->mode));
whiteout_again:
	if (ch.whiteout)
		(void)put_whiteout(&ch);
	return err;
}

static int dir_create(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		      const struct inode_attr_new *a)
{
	return create_common(c, dir, d, NULL, a);
}

static int dir_symlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const char *target,
		       const struct inode_attr_new *a)
{
	return create_common(c, dir, d, target, a);
}

/* A whiteout is not to be made by hand: it would be a removal. */
static int dir_mknod(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		     const struct inode_attr_new *a)
{
	if (S_ISCHR(a->mode) && a->rdev == 0)
		return -EPERM;
	return create_common(c, dir, d, NULL, a);
}

static int dir_link(struct vfs_ctx *c, struct inode *dir, struct dentry *d, struct inode *target)
{
	struct ovl_inode *o = ovl_i(target);
	struct change ch;
	struct path old;
	int err = ovl_copy_up(c, o, OVL_COPY_ALL);

	if (err == 0)
		err = change_begin(c, dir, d, &ch);
	if (err == 0 && ch.whiteout)
		err = vfs_unlink(&ch.c, &ch.up, ch.name);
	if (err < 0)
		return err;
	old = ovl_upper_path(o);
	err = vfs_link(&ch.c, &old, "", &ch.up, ch.name, AT_EMPTY_PATH);
	if (err < 0) {
		if (ch.whiteout)
			(void)put_whiteout(&ch);
		return err;
	}
	(void)ovl_refresh(&ch.c, o);
	(void)ovl_refresh(&ch.c, ch.dir);
	dentry_set_inode(d, inode_get(target));
	return 0;
}

static int dir_tmpfile(struct vfs_ctx *c, struct inode *dir, const struct inode_attr_new *a,
		       struct inode **out)
{
	struct open_how_args how = { .flags = O_TMPFILE | O_RDWR, .mode = 0600 };
	struct change ch = { .dir = ovl_i(dir) };
	struct file *f;
	int err = ovl_copy_up(c, ch.dir, OVL_COPY_ALL);

	if (err < 0)
		return err;
	ch.up = ovl_upper_path(ch.dir);
	ovl_ctx(ovl_sb(dir->sb), c, &ch.up, &ch.c);
	err = vfs_open(&ch.c, &ch.up, ".", &how, &f);
	if (err < 0)
		return err;
	err = set_owner(&ch, &f->path, a);
	if (err == 0)
		err = ovl_inode_get(dir->sb, dir, NULL, dentry_get(f->path.dentry), NULL, 0, out);
	file_put(f);
	return err;
}

/* ---- removing --------------------------------------------------------------------------------- */

/* Take d's upper part away and cover what is below. */
static int remove_common(struct vfs_ctx *c, struct inode *dir, struct dentry *d, bool is_dir)
{
	struct ovl_inode *o = ovl_i(dentry_inode(d));
	struct change ch;
	int err = change_begin(c, dir, d, &ch);

	if (err < 0)
		return err;
	if (ovl_upper(o)) {
		err = is_dir ? vfs_rmdir(&ch.c, &ch.up, ch.name) :
			       vfs_unlink(&ch.c, &ch.up, ch.name);
		if (err < 0)
			return err;
	}
	if (ch.covers)
		err = put_whiteout(&ch);
	(void)ovl_refresh(&ch.c, ch.dir);
	if (err == 0 && is_dir)
		o->i.nlink = 0;
	else if (err == 0 && ovl_upper(o))
		(void)ovl_refresh(&ch.c, o);
	else if (err == 0)
		o->i.nlink = 0; /* the name was all it had in this overlay */
	return err;
}

static int dir_unlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	return remove_common(c, dir, d, false);
}

static int dir_rmdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct ovl_inode *o = ovl_i(dentry_inode(d));
	int err = ovl_dir_check_empty(c, o);

	if (err == 0)
		err = ovl_dir_clear_whiteouts(c, o);
	return err < 0 ? err : remove_common(c, dir, d, true);
}

/* ---- renaming --------------------------------------------------------------------------------- */

/* Has i parts in lower layers that show (a merged or lower directory)? */
static bool merges(const struct inode *i)
{
	return S_ISDIR(i->mode) && ovl_i(i)->lower_count > 0;
}

static int make_opaque(struct change *ch, struct ovl_inode *o)
{
	struct path p = ovl_upper_path(o);

	return vfs_setxattr(&ch->c, &p, OVL_XATTR_OPAQUE, "y", 1, 0);
}

/* The target's place is made free of whiteouts, and of an empty merged directory's own ones. */
static int rename_prepare(struct vfs_ctx *c, struct dentry *new_d, struct change *to,
			  unsigned int flags)
{
	struct inode *ni = dentry_inode(new_d);
	int err = 0;

	if (to->whiteout)
		return vfs_unlink(&to->c, &to->up, to->name);
	if (!ni || (flags & RENAME_EXCHANGE))
		return 0;
	if (S_ISDIR(ni->mode)) {
		err = ovl_dir_check_empty(c, ovl_i(ni));
		if (err == 0)
			err = ovl_dir_clear_whiteouts(c, ovl_i(ni));
	}
	return err;
}

static int rename_act(struct change *from, struct change *to, struct dentry *old_d,
		      struct dentry *new_d, unsigned int flags)
{
	struct ovl_inode *oo = ovl_i(dentry_inode(old_d));
	struct inode *ni = dentry_inode(new_d);
	unsigned int up_flags = flags & RENAME_EXCHANGE;
	int err = 0;

	/* A directory that arrives where lower layers have the name must not merge with that. */
	if (to->covers && S_ISDIR(oo->i.mode))
		err = make_opaque(to, oo);
	if (err == 0 && (flags & RENAME_EXCHANGE) && from->covers && S_ISDIR(ni->mode))
		err = make_opaque(from, ovl_i(ni));
	if (err < 0)
		return err;
	if (!(flags & RENAME_EXCHANGE) && from->covers)
		up_flags |= RENAME_WHITEOUT;
	return vfs_rename(&from->c, &from->up, from->name, &to->up, to->name, up_flags);
}

static int dir_rename(struct vfs_ctx *c, struct inode *old_dir, struct dentry *old_d,
		      struct inode *new_dir, struct dentry *new_d, unsigned int flags)
{
	struct inode *oi = dentry_inode(old_d), *ni = dentry_inode(new_d);
	struct change from, to;
	int err;

	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	if (merges(oi) || ((flags & RENAME_EXCHANGE) && merges(ni)))
		return -EXDEV;
	err = ovl_copy_up(c, ovl_i(oi), OVL_COPY_ALL);
	if (err == 0 && (flags & RENAME_EXCHANGE))
		err = ovl_copy_up(c, ovl_i(ni), OVL_COPY_ALL);
	if (err == 0)
		err = change_begin(c, old_dir, old_d, &from);
	if (err == 0)
		err = change_begin(c, new_dir, new_d, &to);
	if (err == 0)
		err = rename_prepare(c, new_d, &to, flags);
	if (err < 0)
		return err;
	err = rename_act(&from, &to, old_d, new_d, flags);
	if (err < 0) {
		if (to.whiteout)
			(void)put_whiteout(&to);
		return err;
	}
	if (ni && !(flags & RENAME_EXCHANGE)) {
		if (S_ISDIR(ni->mode) || !ovl_upper(ovl_i(ni)))
			ni->nlink = 0;
		else
			(void)ovl_refresh(&to.c, ovl_i(ni));
	}
	(void)ovl_refresh(&from.c, from.dir);
	(void)ovl_refresh(&to.c, to.dir);
	(void)ovl_refresh(&from.c, ovl_i(oi));
	return 0;
}

const struct inode_ops ovl_dir_ops = {
	OVL_COMMON_SLOTS,
	.lookup = dir_lookup,
	.walk_ahead = dir_walk_ahead,
	.create = dir_create,
	.mkdir = dir_create,
	.mknod = dir_mknod,
	.symlink = dir_symlink,
	.link = dir_link,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.tmpfile = dir_tmpfile,
	.open = ovl_dir_open,
};
