/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_tree.c: detached trees of mounts, moving mounts, and their attributes: open_tree(2),
 * move_mount(2), mount_setattr(2).
 *
 * A detached tree lives in an anonymous mount namespace that the O_PATH file made for it holds
 * (FILE_HOLDS_TREE).  Moving it into a real namespace empties the anonymous one; whatever is left when
 * the file goes is unmounted with it.
 *
 * Linux: fs/namespace.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/mount_api.h"
#include "vfs/mount_impl.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x200000
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif

/* ---- detached trees --------------------------------------------------------------------------- */

/* m and what is below it, in no namespace, become a tree of ns's.  mounts.lock held. */
static void anon_adopt(struct mnt_ns *ns, struct mount *m)
{
	ns->root = m;
	mnt_ns_add_tree(ns, m);
}

static int detached_open(struct vfs_ctx *c, struct mnt_ns *ns, struct file **out)
{
	struct path p;
	int err;

	mounts_read_lock();
	p.mnt = mount_get(ns->root);
	p.dentry = dentry_get(ns->root->root);
	mounts_read_unlock();
	err = vfs_open_path(c, &p, O_PATH, out);
	path_put(&p);
	if (err < 0)
		return err;
	(*out)->priv = ns;
	(*out)->holds |= FILE_HOLDS_TREE;
	return 0;
}

int mount_detached_file(struct vfs_ctx *c, struct mount *m, struct file **out)
{
	struct mnt_ns *ns = mnt_ns_new_anon(c->mnt_ns->user_ns);
	int err;

	if (!ns) {
		mount_put(m);
		return -ENOMEM;
	}
	mounts_lock();
	anon_adopt(ns, m);
	mounts_unlock(NULL);
	err = detached_open(c, ns, out);
	if (err < 0)
		mnt_ns_put(ns); /* unmounts m */
	return err;
}

/* __do_loopback() */
static int clone_locked(struct vfs_ctx *c, const struct path *p, bool recursive, struct mount **out)
{
	if (p->mnt->unbindable || !mount_is_ours(c, p->mnt))
		return -EINVAL;
	if (!recursive && mount_has_locked_children(p->mnt, p->dentry))
		return -EINVAL;
	*out = recursive ? mount_copy_tree(p->mnt, p->dentry, 0) : mount_copy(p->mnt, p->dentry, 0);
	if (!*out)
		return -ENOMEM;
	(*out)->locked = false;
	return 0;
}

int mount_open_tree(struct vfs_ctx *c, const struct path *p, bool recursive, struct file **out)
{
	struct mnt_ns *ns = mnt_ns_new_anon(c->mnt_ns->user_ns);
	struct mount *m;
	int err;

	if (!ns)
		return -ENOMEM;
	mounts_lock();
	err = clone_locked(c, p, recursive, &m);
	if (err == 0)
		anon_adopt(ns, m);
	mounts_unlock(NULL);
	if (err == 0)
		err = detached_open(c, ns, out);
	if (err < 0)
		mnt_ns_put(ns);
	return err;
}

/* ---- move_mount ------------------------------------------------------------------------------- */

/* A mount that may be moved: in our tree, or the root of a detached one. */
static bool movable(struct vfs_ctx *c, const struct path *p)
{
	const struct mount *m = p->mnt;

	if (!m->ns || m->locked || p->dentry != m->root)
		return false;
	return m->parent ? mount_is_ours(c, m) && !mount_shared(m->parent) : m->ns->anon;
}

static bool tree_has_unbindable(struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next(m, top))
		if (m->unbindable)
			return true;
	return false;
}

int mount_move_locked(struct vfs_ctx *c, const struct path *from, const struct path *to,
		      struct mount_gone *gone)
{
	struct mount *m = from->mnt;

	if (!movable(c, from))
		return -EINVAL;
	if (inode_is_dir(dentry_inode(m->root)) != inode_is_dir(dentry_inode(to->dentry)))
		return -EINVAL;
	if (mount_shared(to->mnt) && tree_has_unbindable(m))
		return -EINVAL;
	for (struct mount *up = to->mnt; up; up = up->parent)
		if (up == m)
			return -ELOOP;
	return mount_attach_tree(m, to, gone);
}

/*
 * MOVE_MOUNT_BENEATH: to is the root of a mount; from goes under it, onto the same mountpoint
 * (can_move_mount_beneath()).
 */
static int move_beneath_locked(struct vfs_ctx *c, const struct path *from, const struct path *to,
			       struct mount_gone *gone)
{
	struct mount *top = to->mnt, *m = from->mnt, *next;
	struct path at;
	int err;

	if (to->dentry != top->root || !top->parent || !mount_is_ours(c, top) ||
	    c->root.mnt == top || !movable(c, from) || top->locked)
		return -EINVAL;
	/* Both ways of propagation would end in a mount that is shown twice. */
	if (mount_shared(top->parent) || top->parent == m->master || m->master == top->parent)
		return -EINVAL;
	for (struct mount *up = top; up; up = up->parent)
		if (up == m)
			return -ELOOP;
	if (inode_is_dir(dentry_inode(m->root)) != inode_is_dir(dentry_inode(top->root)))
		return -EINVAL;
	at.mnt = top->parent;
	at.dentry = dentry_get(top->mountpoint);
	mount_detach(top);
	err = mount_attach_tree(m, &at, gone);
	while (err == 0 && (next = mount_peek(m, m->root)))
		m = next; /* one mount at a place: top goes onto what covers m */
	if (err == 0)
		mount_attach(top, m, m->root);
	else
		mount_attach(top, at.mnt, at.dentry);
	dentry_put(at.dentry);
	return err;
}

/* MOVE_MOUNT_SET_GROUP: to joins from's peer group, and gets its master. */
static int set_group_locked(struct vfs_ctx *c, const struct path *from, const struct path *to)
{
	struct mount *f = from->mnt, *t = to->mnt;

	if (!f->ns || !t->ns)
		return -EINVAL;
	if (!cred_capable_ns(c->cred, f->ns->user_ns, CAP_SYS_ADMIN) ||
	    !cred_capable_ns(c->cred, t->ns->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	if (from->dentry != f->root || to->dentry != t->root || f->sb != t->sb ||
	    !dentry_is_below(t->root, f->root) || mount_has_locked_children(f, t->root) ||
	    mount_shared(t) || t->master || (!mount_shared(f) && !f->master))
		return -EINVAL;
	mount_join_group(t, f);
	return 0;
}

int mount_move(struct vfs_ctx *c, const struct path *from, const struct path *to, unsigned int flags)
{
	struct mount_gone gone;
	struct path p = *to;
	int err = landlock_mount(c);

	if (err < 0)
		return err;
	mount_gone_init(&gone);
	path_get(&p);
	if (flags & (MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_BENEATH)) {
		mounts_lock();
		err = flags & MOVE_MOUNT_SET_GROUP ? set_group_locked(c, from, &p) :
						     move_beneath_locked(c, from, &p, &gone);
	} else {
		err = mount_lock_mountpoint(c, &p);
		if (err == 0)
			err = mount_move_locked(c, from, &p, &gone);
	}
	mounts_unlock(&gone);
	path_put(&p);
	return err;
}

/* ---- attributes ------------------------------------------------------------------------------- */

#define ATTR_VALID                                                                                  \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |             \
	 MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)
#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

/* Without the atime part. */
static unsigned long flags_of_attr(uint64_t attr)
{
	static const struct {
		uint64_t attr;
		unsigned long flag;
	} map[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },	{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME }, { MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (attr & map[i].attr)
			flags |= map[i].flag;
	return flags;
}

static unsigned long atime_of_attr(uint64_t attr)
{
	switch (attr & MOUNT_ATTR__ATIME) {
	case MOUNT_ATTR_NOATIME:
		return MS_NOATIME;
	case MOUNT_ATTR_STRICTATIME:
		return 0;
	default:
		return MS_RELATIME;
	}
}

unsigned long mount_flags_of_attr(unsigned int attr)
{
	return flags_of_attr(attr) | atime_of_attr(attr);
}

int mount_setattr_check(const struct mount_attr *a)
{
	uint64_t atime = a->attr_set & MOUNT_ATTR__ATIME;

	if ((a->propagation & ~(uint64_t)PROPAGATION) || (a->propagation & (a->propagation - 1)))
		return -EINVAL;
	/* Id-mapped mounts: no file system here has them, which is EINVAL too. */
	if ((a->attr_set | a->attr_clr) & ~(uint64_t)ATTR_VALID)
		return -EINVAL;
	if (a->attr_clr & MOUNT_ATTR__ATIME) {
		if ((a->attr_clr & MOUNT_ATTR__ATIME) != MOUNT_ATTR__ATIME ||
		    (atime && atime != MOUNT_ATTR_NOATIME && atime != MOUNT_ATTR_STRICTATIME))
			return -EINVAL;
	} else if (atime) {
		return -EINVAL;
	}
	return 0;
}

static unsigned long next_flags(const struct mount *m, const struct mount_attr *a)
{
	unsigned long next = atomic_load(&m->flags);

	next &= ~flags_of_attr(a->attr_clr);
	next |= flags_of_attr(a->attr_set);
	if (a->attr_clr & MOUNT_ATTR__ATIME)
		next = (next & ~(unsigned long)(MS_NOATIME | MS_RELATIME)) | atime_of_attr(a->attr_set);
	return next;
}

static int setattr_locked(struct vfs_ctx *c, struct mount *top, const struct mount_attr *a,
			  bool recursive)
{
	struct mount *m, *undo;
	int err = 0;

	if (!top->ns || !(mount_is_ours(c, top) || (top->ns->anon && !top->parent)))
		return -EINVAL;
	for (m = top; m; m = recursive ? mount_next(m, top) : NULL)
		if (!mount_may_change_flags(m, next_flags(m, a)))
			return -EPERM;
	/* From here on only a writer is in the way of "read-only": all or nothing. */
	for (m = top; m; m = recursive ? mount_next(m, top) : NULL) {
		m->saved_flags = atomic_load(&m->flags);
		err = mount_change_flags(m, next_flags(m, a));
		if (err < 0)
			break;
	}
	if (err < 0) {
		for (undo = top; undo != m; undo = mount_next(undo, top))
			(void)mount_change_flags(undo, undo->saved_flags);
		return err;
	}
	for (m = top; m && a->propagation; m = recursive ? mount_next(m, top) : NULL)
		mount_set_type(m, (unsigned long)a->propagation);
	mnt_ns_changed(top->ns);
	return 0;
}

int mount_setattr_at(struct vfs_ctx *c, const struct path *p, const struct mount_attr *a,
		     bool recursive)
{
	int err;

	if (p->dentry != p->mnt->root)
		return -EINVAL;
	mounts_lock();
	err = setattr_locked(c, p->mnt, a, recursive);
	mounts_unlock(NULL);
	return err;
}
