/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename.c: rename(2), renameat2(2).
 *
 * Locks: two different directories are locked under super->rename_lock, which makes "is below"
 * answers stable: the ancestor first, unrelated ones by address.  Then the things moved or replaced:
 * directories before others, two of a kind by address.
 *
 * Linux: fs/namei.c (do_renameat2, vfs_rename, lock_rename).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/inotify.h>

#include "lib/annotations.h"
#include "vfs/landlock.h"
#include "vfs/vfs_impl.h"

/* A rename in progress; od and nd are the directories' dentries, borrowed from the walks. */
struct renaming {
	struct walk from, to;
	struct dentry *od, *nd;
	struct dentry *old, *new; /* counted */
	struct inode *locked[2];  /* what is moved and replaced, locked in this order */
	unsigned int flags;
};

NO_TSA static void lock_two(struct mutex *a, struct mutex *b)
{
	mutex_lock(a);
	mutex_lock_nested(b);
}

NO_TSA static void dirs_lock(struct renaming *r)
{
	struct inode *a = dentry_inode(r->od), *b = dentry_inode(r->nd);

	if (a == b) {
		mutex_lock(&a->lock);
		return;
	}
	mutex_lock(&r->od->sb->rename_lock);
	if (dentry_is_below(r->nd, r->od))
		lock_two(&a->lock, &b->lock);
	else if (dentry_is_below(r->od, r->nd) || (uintptr_t)b < (uintptr_t)a)
		lock_two(&b->lock, &a->lock);
	else
		lock_two(&a->lock, &b->lock);
}

NO_TSA static void dirs_unlock(struct renaming *r)
{
	struct inode *a = dentry_inode(r->od), *b = dentry_inode(r->nd);

	mutex_unlock(&a->lock);
	if (a == b)
		return;
	mutex_unlock(&b->lock);
	mutex_unlock(&r->od->sb->rename_lock);
}

/* Directories first (their rank is lower), then by address. */
static bool locks_before(const struct inode *a, const struct inode *b)
{
	bool ad = inode_is_dir(a), bd = inode_is_dir(b);

	return ad != bd ? ad : (uintptr_t)a < (uintptr_t)b;
}

NO_TSA static void victims_lock(struct renaming *r)
{
	struct inode *a = dentry_inode(r->old), *b = dentry_inode(r->new);

	r->locked[0] = a;
	r->locked[1] = b;
	if (b && locks_before(b, a)) {
		r->locked[0] = b;
		r->locked[1] = a;
	}
	mutex_lock_nested(&r->locked[0]->lock);
	if (r->locked[1])
		mutex_lock_nested(&r->locked[1]->lock);
}

NO_TSA static void victims_unlock(struct renaming *r)
{
	if (r->locked[1])
		mutex_unlock(&r->locked[1]->lock);
	mutex_unlock(&r->locked[0]->lock);
}

/* ---- checks ----------------------------------------------------------------------------------- */

static int rename_lookup(struct vfs_ctx *c, struct renaming *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	int err;

	err = walk_lookup(c, r->od, r->from.last, r->from.last_len, true, &r->old);
	if (err < 0)
		return err;
	if (!dentry_inode(r->old))
		return -ENOENT;
	err = walk_lookup(c, r->nd, r->to.last, r->to.last_len, true, &r->new);
	if (err < 0)
		return err;
	if ((r->flags & RENAME_NOREPLACE) && dentry_inode(r->new))
		return -EEXIST;
	if (exchange) {
		if (!dentry_inode(r->new))
			return -ENOENT;
		if (!inode_is_dir(dentry_inode(r->new)) && r->to.trailing_slash)
			return -ENOTDIR;
	}
	if (!inode_is_dir(dentry_inode(r->old)) &&
	    (r->from.trailing_slash || (!exchange && r->to.trailing_slash)))
		return -ENOTDIR;
	/* Not into itself, and not over one's own ancestor. */
	if (inode_is_dir(dentry_inode(r->old)) && dentry_is_below(r->nd, r->old))
		return -EINVAL;
	if (dentry_inode(r->new) && inode_is_dir(dentry_inode(r->new)) &&
	    dentry_is_below(r->od, r->new))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int rename_may(struct vfs_ctx *c, struct renaming *r)
{
	struct inode *oi = dentry_inode(r->old), *ni = dentry_inode(r->new);
	bool exchange = r->flags & RENAME_EXCHANGE, is_dir = inode_is_dir(oi);
	int err;

	err = may_delete(c, r->od, r->old, is_dir);
	if (err < 0)
		return err;
	if (!ni)
		err = may_create(c, r->nd);
	else
		err = may_delete(c, r->nd, r->new, exchange ? inode_is_dir(ni) : is_dir);
	if (err < 0)
		return err;
	if (!dentry_inode(r->od)->ops->rename)
		return -EPERM;
	/* A directory that changes its parent has its ".." written. */
	if (r->od != r->nd) {
		if (is_dir) {
			err = inode_permission(c, oi, MAY_WRITE);
			if (err < 0)
				return err;
		}
		if (exchange && inode_is_dir(ni)) {
			err = inode_permission(c, ni, MAY_WRITE);
			if (err < 0)
				return err;
		}
	}
	if (mount_is_local(c->mnt_ns, r->old) || mount_is_local(c->mnt_ns, r->new))
		return -EBUSY;
	return 0;
}

/* ---- acting ----------------------------------------------------------------------------------- */

static void rename_notify(struct renaming *r, const char *old_name, const char *new_name,
			  struct inode *moved, struct inode *replaced)
{
	struct inode *di = dentry_inode(r->od), *ni = dentry_inode(r->nd);

	fsnotify_move(di, old_name, ni, new_name, moved);
	if (r->flags & RENAME_EXCHANGE)
		fsnotify_move(ni, new_name, di, old_name, replaced);
	else if (replaced)
		fsnotify_inode(replaced, IN_ATTRIB);
}

static int rename_act(struct vfs_ctx *c, struct renaming *r)
{
	char old_name[NAME_LEN_MAX + 1], new_name[NAME_LEN_MAX + 1];
	struct inode *oi = dentry_inode(r->old), *ni = dentry_inode(r->new);
	struct inode *od = dentry_inode(r->od);
	struct dentry_move m;
	int err;

	err = dentry_move_prepare(&m, r->old, r->new);
	if (err < 0)
		return err;
	memcpy(old_name, dentry_name(r->old), dentry_name_len(r->old) + 1);
	memcpy(new_name, dentry_name(r->new), dentry_name_len(r->new) + 1);
	victims_lock(r);
	dcache_changed(r->od->sb);
	err = od->ops->rename(c, od, r->old, dentry_inode(r->nd), r->new, r->flags);
	if (err == 0 && ni && !(r->flags & RENAME_EXCHANGE))
		atomic_fetch_or_explicit(&r->new->flags, DENTRY_DEAD, memory_order_relaxed);
	victims_unlock(r);
	if (err < 0) {
		dentry_move_abort(&m);
		return err;
	}
	if (ni && !(r->flags & RENAME_EXCHANGE))
		mount_detach_dentry(r->new);
	dentry_move(&m, r->old, r->new, r->flags & RENAME_EXCHANGE);
	if (!(r->flags & (RENAME_EXCHANGE | RENAME_WHITEOUT)) &&
	    !(r->od->sb->flags & SUPER_NOCACHE_NEG) &&
	    (r->od == r->nd || !(r->od->sb->flags & SUPER_REVALIDATE))) {
		struct dentry *negative = dcache_add(r->od, old_name, NULL);

		/* As fresh as what was just moved within the directory. */
		if (negative && r->od->sb->flags & SUPER_REVALIDATE)
			dentry_set_priv(negative, dentry_priv(r->old));
		dentry_put(negative);
	}
	rename_notify(r, old_name, new_name, oi, ni);
	return 0;
}

static int rename_locked(struct vfs_ctx *c, struct renaming *r)
{
	struct landlock_refer refer = { .old_dir = &r->from.cur, .new_dir = &r->to.cur, .removes = true,
					.exchange = r->flags & RENAME_EXCHANGE };
	int err = rename_lookup(c, r);

	if (err < 0)
		return err;
	refer.old = r->old;
	refer.new = r->new;
	err = landlock_refer(c, &refer);
	if (err < 0)
		return err;
	if (dentry_inode(r->old) == dentry_inode(r->new))
		return 0; /* two names of one file: nothing happens */
	err = rename_may(c, r);
	if (err < 0)
		return err;
	return rename_act(c, r);
}

static int rename_walked(struct vfs_ctx *c, struct renaming *r)
{
	int err;

	if (r->from.cur.mnt != r->to.cur.mnt)
		return -EXDEV;
	if (r->from.last_type != LAST_NORM)
		return -EBUSY;
	if (r->to.last_type != LAST_NORM)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = mount_want_write(r->from.cur.mnt);
	if (err < 0)
		return err;
	r->od = r->from.cur.dentry;
	r->nd = r->to.cur.dentry;
	dirs_lock(r);
	err = rename_locked(c, r);
	dirs_unlock(r);
	mount_drop_write(r->from.cur.mnt);
	dentry_put(r->old); /* without the directories' locks */
	dentry_put(r->new);
	return err;
}

int vfs_rename(struct vfs_ctx *c, const struct path *old_at, const char *old_name,
	       const struct path *new_at, const char *new_name, unsigned int flags)
{
	struct renaming r = { .flags = flags };
	int err;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	err = walk_parent(&r.from, c, old_at, old_name);
	if (err == 0) {
		err = walk_parent(&r.to, c, new_at, new_name);
		if (err == 0)
			err = rename_walked(c, &r);
		walk_fini(&r.to);
	}
	walk_fini(&r.from);
	return err;
}
