/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_up.c: giving an overlay inode its part in the upper layer.
 *
 * One at a time (s->copy_lock): ancestors first, then the object.  A regular file is copied into a
 * file without a name, which gets its name when it is complete; so a failure on the way leaves
 * nothing behind.  Owner, mode, times and xattrs are carried over; the inode number that the object
 * has had so far is noted in an xattr.
 *
 * Lock order: overlay inode locks → copy_lock → the layers' locks.  Copying reads and writes whole
 * files under copy_lock; the fibers that wait for it sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/overlay/overlay_impl.h"

#define COPY_CHUNK     (128u * 1024)
#define XATTR_LIST_BUF 4096
#define XATTR_VALUE_BUF 65536

/* A copy-up in progress. */
struct copying {
	struct ovl_inode *o;
	struct path lower, dir; /* borrowed: the object, and its parent in upper */
	struct vfs_ctx low, up;
	struct attr a;          /* the object's */
};

/* ---- content ---------------------------------------------------------------------------------- */

static bool all_zero(const char *p, size_t size)
{
	return size > 0 && p[0] == 0 && !memcmp(p, p + 1, size - 1);
}

/* Zeros become holes. */
static int copy_data(struct copying *cp, struct file *to)
{
	char *chunk = mem_alloc(COPY_CHUNK);
	struct file *from;
	int64_t pos = 0;
	ssize_t n;
	int err;

	if (!chunk)
		return -ENOMEM;
	err = file_open_path(&cp->low, &cp->lower, O_RDONLY, 0, &from);
	if (err < 0)
		goto free_chunk;
	while ((n = file_read_kernel(&cp->low, from, chunk, COPY_CHUNK, pos)) > 0) {
		int64_t at = pos;
		struct uio u;
		ssize_t w = n;

		if (!all_zero(chunk, (size_t)n)) {
			uio_init_kernel(&u, chunk, (size_t)n);
			w = file_pwrite(&cp->up, to, &u, &at, 0);
		}
		if (w != n) {
			n = w < 0 ? w : -ENOSPC;
			break;
		}
		pos += n;
	}
	err = n < 0 ? (int)n : file_truncate(&cp->up, to, pos);
	file_put(from);
free_chunk:
	mem_free(chunk);
	return err;
}

/* ---- attributes ------------------------------------------------------------------------------- */

static int copy_one_xattr(struct copying *cp, const struct path *to, const char *name, char *value)
{
	ssize_t n = vfs_getxattr(&cp->low, &cp->lower, name, value, XATTR_VALUE_BUF);
	int err;

	if (n < 0)
		return n == -ENODATA ? 0 : (int)n;
	err = vfs_setxattr(&cp->up, to, name, value, (size_t)n, 0);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int copy_xattrs(struct copying *cp, const struct path *to)
{
	char *list = mem_alloc(XATTR_LIST_BUF), *value = mem_alloc(XATTR_VALUE_BUF);
	ssize_t n = list && value ? vfs_listxattr(&cp->low, &cp->lower, list, XATTR_LIST_BUF) :
				    -ENOMEM;
	int err = n < 0 && n != -EOPNOTSUPP ? (int)n : 0;

	for (ssize_t at = 0; err == 0 && at < n;) {
		size_t len = strnlen(list + at, (size_t)(n - at));

		if ((ssize_t)len == n - at)
			break;
		if (strncmp(list + at, OVL_XATTR_PREFIX, sizeof(OVL_XATTR_PREFIX) - 1) != 0)
			err = copy_one_xattr(cp, to, list + at, value);
		at += (ssize_t)len + 1;
	}
	mem_free(list);
	mem_free(value);
	return err;
}

static int copy_attrs(struct copying *cp, const struct path *to)
{
	uint64_t origin = cp->o->i.ino;
	struct setattr s = {
		.mask = SETATTR_UID | SETATTR_GID,
		.uid = cp->a.uid,
		.gid = cp->a.gid,
		.mode = cp->a.mode & 07777,
		.atime = cp->a.atime,
		.mtime = cp->a.mtime,
	};
	int err = vfs_setattr(&cp->up, to, &s);

	if (err == 0)
		err = copy_xattrs(cp, to);
	if (err == 0)
		err = vfs_setxattr(&cp->up, to, OVL_XATTR_ORIGIN, &origin, sizeof(origin), 0);
	if (err < 0)
		return err;
	/* After chown, which takes setuid away; times last. */
	s.mask = SETATTR_ATIME | SETATTR_MTIME;
	if (!S_ISLNK(cp->a.mode))
		s.mask |= SETATTR_MODE;
	return vfs_setattr(&cp->up, to, &s);
}

/* ---- kinds ------------------------------------------------------------------------------------ */

static int copy_regular(struct copying *cp, enum ovl_copy how)
{
	struct open_how_args args = { .flags = O_TMPFILE | O_RDWR, .mode = 0600 };
	struct file *f;
	int err = vfs_open(&cp->up, &cp->dir, ".", &args, &f);

	if (err < 0)
		return err;
	if (how == OVL_COPY_ALL)
		err = copy_data(cp, f);
	if (err == 0)
		err = copy_attrs(cp, &f->path);
	if (err == 0)
		err = vfs_link(&cp->up, &f->path, "", &cp->dir, cp->o->name, AT_EMPTY_PATH);
	file_put(f);
	return err;
}

static int make_symlink(struct copying *cp)
{
	char *target;
	int err = vfs_readlink(&cp->low, &cp->lower, &target);

	if (err < 0)
		return err;
	err = vfs_symlink(&cp->up, target, &cp->dir, cp->o->name);
	mem_free(target);
	return err;
}

/* All others are made at once, under their name: nothing of them is big. */
static int copy_other(struct copying *cp)
{
	const char *name = cp->o->name;
	struct path to;
	int err;

	if (S_ISDIR(cp->a.mode))
		err = vfs_mkdir(&cp->up, &cp->dir, name, 0700);
	else if (S_ISLNK(cp->a.mode))
		err = make_symlink(cp);
	else
		err = vfs_mknod(&cp->up, &cp->dir, name, (cp->a.mode & S_IFMT) | 0600, cp->a.rdev);
	if (err < 0)
		return err;
	err = vfs_walk(&cp->up, &cp->dir, name, 0, &to);
	if (err < 0)
		return err;
	err = copy_attrs(cp, &to);
	path_put(&to);
	if (err < 0) {
		if (S_ISDIR(cp->a.mode))
			(void)vfs_rmdir(&cp->up, &cp->dir, name);
		else
			(void)vfs_unlink(&cp->up, &cp->dir, name);
	}
	return err;
}

/* The parent has its upper part, o has none.  copy_lock held. */
static int copy_one(struct vfs_ctx *c, struct ovl_inode *o, enum ovl_copy how)
{
	struct ovl_super *s = ovl_sb(o->i.sb);
	struct copying cp = { .o = o };
	struct timespec dir_mtime;
	struct dentry *upper;
	struct inode *di;
	int err;

	cp.lower = ovl_real_path(o);
	cp.dir = ovl_upper_path(ovl_i(o->parent));
	ovl_ctx(s, c, &cp.lower, &cp.low);
	ovl_ctx(s, c, &cp.dir, &cp.up);
	err = vfs_getattr(&cp.low, &cp.lower, STATX_BASIC_STATS, &cp.a);
	if (err < 0)
		return err;
	di = dentry_inode(cp.dir.dentry);
	dir_mtime = di->mtime;
	err = S_ISREG(cp.a.mode) ? copy_regular(&cp, how) : copy_other(&cp);
	if (err < 0)
		return err;
	/* To the application nothing has happened to the directory. */
	di->mtime = dir_mtime;
	err = walk_lookup(&cp.up, cp.dir.dentry, o->name, strlen(o->name), false, &upper);
	if (err < 0)
		return err;
	ASSERT(dentry_inode(upper));
	ovl_set_upper(o, upper); /* consumes upper */
	return 0;
}

int ovl_copy_up(struct vfs_ctx *c, struct ovl_inode *o, enum ovl_copy how)
{
	struct ovl_super *s = ovl_sb(o->i.sb);
	int err = 0;

	if (ovl_upper(o))
		return 0;
	if (!s->upper.mnt)
		return -EROFS;
	mutex_lock(&s->copy_lock);
	while (err == 0 && !ovl_upper(o)) {
		struct ovl_inode *top = o;

		/* The highest one that is still below only. */
		while (!ovl_upper(ovl_i(top->parent)))
			top = ovl_i(top->parent);
		err = copy_one(c, top, top == o ? how : OVL_COPY_ALL);
	}
	mutex_unlock(&s->copy_lock);
	return err;
}
