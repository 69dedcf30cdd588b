/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_ops.c: mount(2), umount2(2), pivot_root(2).
 *
 * Each resolves its paths without locks, then takes mounts.lock and checks again what can have
 * changed.  What goes away is put only after the lock has been dropped.
 *
 * Linux: fs/namespace.c (path_mount, attach_recursive_mnt, do_umount, pivot_root).
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "vfs/landlock.h"
#include "vfs/mount_api.h"
#include "vfs/mount_impl.h"
#include "vfs/user_ns.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif

#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | \
		     MS_RELATIME | MS_NOSYMFOLLOW)
#define ATIME_FLAGS (MS_NOATIME | MS_NODIRATIME | MS_RELATIME)
#define TYPE_FLAGS  (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

bool may_mount(struct vfs_ctx *c)
{
	return cred_capable_ns(c->cred, mnt_ns_user_ns(c->mnt_ns), CAP_SYS_ADMIN);
}

/* What mount(2)'s flags make of the mount itself. */
static unsigned long flags_of_mount(unsigned long flags)
{
	unsigned long m = flags & (MOUNT_FLAGS & ~(unsigned long)ATIME_FLAGS);

	if (flags & MS_NOATIME)
		m |= MS_NOATIME;
	else if (!(flags & MS_STRICTATIME))
		m |= MS_RELATIME;
	if (flags & MS_NODIRATIME)
		m |= MS_NODIRATIME;
	return m;
}

/* ---- attaching -------------------------------------------------------------------------------- */

/* A copy is put under what is mounted there already, as if it had come first. */
static void attach_tucked(struct mount *m, struct mount *onto, struct dentry *at)
{
	struct mount *above = mount_peek(onto, at), *top = m, *next;

	if (above)
		mount_detach(above);
	mount_attach(m, onto, at);
	mnt_ns_add_tree(onto->ns, m);
	if (!above)
		return;
	/* The copy may be covered itself: there is one mount at a place. */
	while ((next = mount_peek(top, top->root)))
		top = next;
	mount_attach(above, top, top->root);
}

/* attach_recursive_mnt(): top, detached or (moving) still elsewhere, goes to p. */
int mount_attach_tree(struct mount *top, const struct path *p, struct mount_gone *gone)
{
	struct mount *parent = p->mnt;
	const struct user_ns *owner = parent->ns->user_ns;
	struct list copies = LIST_INIT(copies);
	struct list *n;
	int err;

	if (top->ns != parent->ns && parent->ns->count + mount_tree_count(top) > MOUNTS_MAX)
		return -ENOSPC;
	if (mount_shared(parent)) {
		for (struct mount *m = top; m; m = mount_next(m, top))
			mount_share(m);
		err = mount_propagate(parent, p->dentry, top, &copies);
		if (err < 0)
			goto discard;
	}
	mount_detach(top);
	mount_attach(top, parent, p->dentry);
	if (top->ns != parent->ns)
		mnt_ns_add_tree(parent->ns, top);
	else
		mnt_ns_changed(parent->ns);
	while ((n = list_shift(&copies))) {
		struct mount *m = list_entry(n, struct mount, work);

		if (m->onto->ns->user_ns != owner)
			mount_lock_tree(m);
		m->locked = false;
		attach_tucked(m, m->onto, p->dentry);
		m->onto = NULL;
	}
	return 0;

discard:
	while ((n = list_shift(&copies)))
		mount_tree_discard(list_entry(n, struct mount, work), gone);
	return err;
}

/* /proc/PID/fd/N itself: nothing may hide what it says. */
static bool is_magic_link(const struct dentry *d)
{
	const struct inode *i = dentry_inode(d);

	return S_ISLNK(i->mode) && i->ops->follow;
}

/*
 * mounts.lock taken: p moves to the top of what is mounted there by now.  Checks that one can mount
 * there.
 */
int mount_lock_mountpoint(struct vfs_ctx *c, struct path *p)
{
	mounts_lock();
	(void)mount_follow(p);
	if (!mount_is_ours(c, p->mnt))
		return -EINVAL;
	if (dentry_unlinked(p->dentry) || is_magic_link(p->dentry))
		return -ENOENT;
	return 0;
}

static int kinds_match(const struct mount *m, const struct path *p)
{
	bool a = inode_is_dir(dentry_inode(m->root)), b = inode_is_dir(dentry_inode(p->dentry));

	return a == b ? 0 : -ENOTDIR;
}

/* ---- new mounts ------------------------------------------------------------------------------- */

/* A mount of sb (reference consumed) at p. */
static int mount_super(struct vfs_ctx *c, struct super *sb, const struct path *at,
		       unsigned long flags, const char *device)
{
	struct mount *m = mount_new(sb, sb->root, flags_of_mount(flags), device);
	struct mount_gone gone;
	struct path p = *at;
	int err;

	if (!m)
		super_discard(sb);
	super_put(sb); /* the mount has its own */
	if (!m)
		return -ENOMEM;
	/* One that is mounted elsewhere too (sysfs) keeps its own mind. */
	if ((flags & MS_RDONLY) && atomic_load(&sb->mounts) == 1)
		atomic_fetch_or(&sb->flags, SUPER_RDONLY);
	if (atomic_load(&sb->mounts) == 1)
		atomic_fetch_or(&sb->flags, (flags & MS_SYNCHRONOUS ? SUPER_SYNC : 0u) |
					    (flags & MS_DIRSYNC ? SUPER_DIRSYNC : 0u));
	mount_gone_init(&gone);
	path_get(&p);
	err = mount_lock_mountpoint(c, &p);
	if (err == 0 && p.mnt->sb == sb && p.mnt->root == p.dentry)
		err = -EBUSY; /* the same file system twice on one place */
	if (err == 0)
		err = kinds_match(m, &p);
	if (err == 0)
		err = mount_attach_tree(m, &p, &gone);
	mounts_unlock(&gone);
	path_put(&p);
	if (err < 0)
		mount_put(m);
	return err;
}

static struct user_ns *owner_of_new(struct vfs_ctx *c, const struct fs_type *t)
{
	return t->owner ? t->owner(c) : c->cred->user_ns;
}

/* Nothing of m's super is hidden: it is whole, and what locked mounts cover is empty. */
static bool fully_visible(const struct mount *m)
{
	struct mount *s;

	if (m->root != m->sb->root)
		return false;
	list_for_each_entry(s, &m->children, child_node) {
		const struct inode *i = dentry_inode(s->mountpoint);

		/* sysfs has directories that are there to be mounted on: fs/cgroup. */
		if (s->locked && !(S_ISDIR(i->mode) && i->nlink == 2 &&
				   !strcmp(m->sb->type->name, "sysfs")))
			return false;
	}
	return true;
}

/*
 * proc and sysfs may be mounted in a user namespace only where they are seen already, and no less
 * restricted than there (mount_too_revealing()).  *lock: flags that the new mount must keep.
 */
bool may_reveal(struct vfs_ctx *c, const struct fs_type *t, unsigned long flags,
		       unsigned long *lock)
{
	struct mount *m;
	bool ok = false;

	*lock = 0;
	if (!(t->flags & FS_USERNS_VISIBLE) || !c->mnt_ns || c->mnt_ns->user_ns == user_ns_init)
		return true;
	mounts_read_lock();
	list_for_each_entry(m, &c->mnt_ns->mounts, ns_node) {
		unsigned long locked = m->locked_flags & (MS_RDONLY | MS_RELATIME);

		if (m->sb->flags & SUPER_RDONLY)
			locked |= MS_RDONLY;
		if (m->sb->type != t || !fully_visible(m) || ((locked & MS_RDONLY) && !(flags & MS_RDONLY)))
			continue;
		if ((locked & MS_RELATIME) &&
		    (atomic_load(&m->flags) & ATIME_FLAGS) != (flags & ATIME_FLAGS))
			continue;
		*lock = locked;
		ok = true;
		break;
	}
	mounts_read_unlock();
	return ok;
}

int vfs_super_make(struct vfs_ctx *c, const struct fs_type *t, const char *source, const char *data,
		   void *fs_data, struct super **out)
{
	struct super *sb;
	int err = t->mount(c, t, source, data, fs_data, &sb);

	if (err < 0)
		return err;
	if (atomic_load(&sb->mounts) == 0) {
		super_set_user_ns(sb, owner_of_new(c, t));
		if (sb->user_ns != user_ns_init && !(t->flags & FS_USERNS_DEV))
			atomic_fetch_or(&sb->flags, SUPER_NODEV);
	}
	*out = sb;
	return 0;
}

bool may_mount_type(struct vfs_ctx *c, const struct fs_type *t)
{
	if (t->flags & FS_USERNS_MOUNT)
		return cred_capable_ns(c->cred, owner_of_new(c, t), CAP_SYS_ADMIN);
	return cred_capable(c->cred, CAP_SYS_ADMIN);
}

int vfs_mount_internal(struct vfs_ctx *c, const struct fs_type *t, const char *source,
		       const struct path *at, unsigned long flags, const char *data, void *fs_data)
{
	struct super *sb;
	int err = vfs_super_make(c, t, source, data, fs_data, &sb);

	if (err < 0)
		return err;
	return mount_super(c, sb, at, flags, source);
}

static int mount_by_type(struct vfs_ctx *c, const char *source, const struct path *at,
			 const char *type, unsigned long flags, const char *data)
{
	const struct fs_type *t;
	unsigned long lock;

	if (!type || !*type)
		return -EINVAL;
	t = fs_type_find(type);
	if (!t)
		return -ENODEV;
	if (!may_mount_type(c, t))
		return -EPERM;
	if (!may_reveal(c, t, flags_of_mount(flags), &lock))
		return -EPERM;
	return vfs_mount_internal(c, t, source, at, flags, data, NULL);
}

/* ---- bind, move, remount, type ---------------------------------------------------------------- */

bool mount_has_locked_children(struct mount *m, struct dentry *root)
{
	struct mount *s;

	list_for_each_entry(s, &m->children, child_node)
		if (s->locked && dentry_is_below(s->mountpoint, root))
			return true;
	return false;
}

/* *out: the new mount, with a reference, if somebody outside of the sandbox shares the one it is on. */
static int bind_locked(struct vfs_ctx *c, const struct path *old, const struct path *p,
		       bool recursive, struct mount **out, struct mount_gone *gone)
{
	struct mount *m;
	int err;

	if (old->mnt->unbindable || !mount_is_ours(c, old->mnt))
		return -EINVAL;
	if (!recursive && mount_has_locked_children(old->mnt, old->dentry))
		return -EINVAL;
	m = recursive ? mount_copy_tree(old->mnt, old->dentry, 0) :
			mount_copy(old->mnt, old->dentry, 0);
	if (!m)
		return -ENOMEM;
	m->locked = false;
	err = kinds_match(m, p);
	if (err == 0)
		err = mount_attach_tree(m, p, gone);
	if (err < 0)
		mount_tree_discard(m, gone);
	else if (mount_shared(p->mnt) && p->mnt->group == p->mnt->sb->outside_group)
		*out = mount_get(m);
	return err;
}

/* The bind stands whatever comes of this, as it does for peers that can't be reached. */
static void bind_outside(struct mount *m, const struct path *old, const struct path *p, bool recursive)
{
	struct super *sb = p->mnt->sb;
	uint32_t handle;
	int err = sb->ops->bind_outside(sb, dentry_inode(p->dentry), dentry_inode(old->dentry), recursive,
					&handle);

	if (err < 0) {
		log_info("a bind in a shared mount is not seen outside: %d", err);
		return;
	}
	super_get(sb);
	m->outside = handle;
	m->outside_of = sb;
}

static int do_bind(struct vfs_ctx *c, const char *source, const struct path *at, bool recursive)
{
	struct path old, p = *at;
	struct mount *outside = NULL;
	struct mount_gone gone;
	int err;

	if (!source || !*source)
		return -EINVAL;
	err = vfs_walk(c, NULL, source, WALK_FOLLOW, &old);
	if (err < 0)
		return err;
	mount_gone_init(&gone);
	path_get(&p);
	err = mount_lock_mountpoint(c, &p);
	if (err == 0)
		err = bind_locked(c, &old, &p, recursive, &outside, &gone);
	mounts_unlock(&gone);
	if (outside)
		bind_outside(outside, &old, &p, recursive);
	mount_put(outside);
	path_put(&p);
	path_put(&old);
	return err;
}

static int do_move(struct vfs_ctx *c, const char *source, const struct path *at)
{
	struct path old, p = *at;
	struct mount_gone gone;
	int err;

	if (!source || !*source)
		return -EINVAL;
	err = vfs_walk(c, NULL, source, WALK_FOLLOW, &old);
	if (err < 0)
		return err;
	mount_gone_init(&gone);
	path_get(&p);
	err = mount_lock_mountpoint(c, &p);
	if (err == 0)
		err = mount_move_locked(c, &old, &p, &gone);
	mounts_unlock(&gone);
	path_put(&p);
	path_put(&old);
	return err;
}

static int do_change_type(struct vfs_ctx *c, const struct path *at, unsigned long flags)
{
	unsigned long type = flags & TYPE_FLAGS;
	struct mount *top = at->mnt;
	int err = 0;

	if (at->dentry != top->root || (type & (type - 1)) ||
	    (flags & ~(unsigned long)(TYPE_FLAGS | MS_REC | MS_SILENT)))
		return -EINVAL;
	mounts_lock();
	if (!mount_is_ours(c, top))
		err = -EINVAL;
	else
		for (struct mount *m = top; m; m = flags & MS_REC ? mount_next(m, top) : NULL)
			mount_set_type(m, type);
	mnt_ns_changed(top->ns);
	mounts_unlock(NULL);
	return err;
}

/* The mount's own flags; -EBUSY: files are open for writing. */
int mount_change_flags(struct mount *m, unsigned long flags)
{
	int err = 0;

	latch_lock(&m->latch);
	if ((flags & MS_RDONLY) && m->writers > 0)
		err = -EBUSY;
	else
		atomic_store_explicit(&m->flags, flags, memory_order_relaxed);
	latch_unlock(&m->latch);
	return err;
}

/* Read-only or not, for the whole file system. */
static int super_change_rdonly(struct super *sb, bool rdonly)
{
	if (!rdonly) {
		atomic_fetch_and(&sb->flags, ~(uint32_t)SUPER_RDONLY);
		return 0;
	}
	/* Set first, then look for writers: the counterpart of mount_want_write(). */
	if (atomic_fetch_or(&sb->flags, SUPER_RDONLY) & SUPER_RDONLY)
		return 0;
	if (atomic_load(&sb->writers) > 0) {
		atomic_fetch_and(&sb->flags, ~(uint32_t)SUPER_RDONLY);
		return -EBUSY;
	}
	return 0;
}

int super_reconfigure(struct super *sb, const char *data, bool rdonly)
{
	int err = 0;

	if (sb->ops->reconfigure)
		err = sb->ops->reconfigure(sb, data ? data : "");
	else if (data && *data)
		err = -EINVAL;
	return err < 0 ? err : super_change_rdonly(sb, rdonly);
}

/* What a more privileged namespace has set stays set (can_change_locked_flags()). */
bool mount_may_change_flags(const struct mount *m, unsigned long next)
{
	unsigned long old = atomic_load(&m->flags);

	if (m->locked_flags & ~next & (MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC))
		return false;
	return !(m->locked_flags & MS_RELATIME) || (old & ATIME_FLAGS) == (next & ATIME_FLAGS);
}

static int do_remount(struct vfs_ctx *c, const struct path *at, unsigned long flags,
		      const char *data)
{
	unsigned long next = flags_of_mount(flags), old = atomic_load(&at->mnt->flags);
	struct super *sb = at->mnt->sb;
	int err = 0;

	if (at->dentry != at->mnt->root || !mount_is_ours(c, at->mnt))
		return -EINVAL;
	/* Without an atime flag the present ones stay. */
	if (!(flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)))
		next = (next & ~(unsigned long)ATIME_FLAGS) | (old & ATIME_FLAGS);
	if (!mount_may_change_flags(at->mnt, next))
		return -EPERM;
	if (!(flags & MS_BIND)) {
		if (!cred_capable_ns(c->cred, sb->user_ns, CAP_SYS_ADMIN))
			return -EPERM;
		err = super_reconfigure(sb, data, flags & MS_RDONLY);
		if (err < 0)
			return err;
	}
	mounts_lock();
	err = mount_change_flags(at->mnt, next);
	mnt_ns_changed(at->mnt->ns);
	mounts_unlock(NULL);
	return err;
}

int vfs_mount(struct vfs_ctx *c, const char *source, const char *target, const char *type,
	      unsigned long flags, const char *data)
{
	struct path at;
	int err;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	err = vfs_walk(c, NULL, target, WALK_FOLLOW, &at);
	if (err < 0)
		return err;
	if (!may_mount(c) || landlock_mount(c) < 0)
		err = -EPERM;
	else if (flags & MS_REMOUNT)
		err = do_remount(c, &at, flags, data);
	else if (flags & MS_BIND)
		err = do_bind(c, source, &at, flags & MS_REC);
	else if (flags & TYPE_FLAGS)
		err = do_change_type(c, &at, flags);
	else if (flags & MS_MOVE)
		err = do_move(c, source, &at);
	else
		err = mount_by_type(c, source, &at, type, flags, data);
	path_put(&at);
	return err;
}

/* ---- umount ----------------------------------------------------------------------------------- */

/* What covers m, which is going, and stays itself: down to the first mount that stays. */
static void settle_topper(struct mount *m)
{
	struct mount *t = mount_peek(m, m->root), *p = m;
	struct dentry *at = m->root;

	if (!t || list_linked(&t->work))
		return;
	while (p->parent && list_linked(&p->work)) {
		at = p->mountpoint;
		p = p->parent;
	}
	at = dentry_get(at);
	mount_detach(t);
	mount_attach(t, p, at);
	dentry_put(at);
}

static void umount_tree(struct mount *top, struct mount_gone *gone)
{
	struct list going = LIST_INIT(going);
	struct mount *m;
	struct list *n;

	for (m = top; m; m = mount_next(m, top))
		list_append(&going, &m->work);
	mount_propagate_umount(&going);
	list_for_each_entry(m, &going, work)
		settle_topper(m);
	while ((n = list_shift(&going))) {
		struct mnt_ns *ns;

		m = list_entry(n, struct mount, work);
		ns = m->ns;

		mount_detach(m);
		mount_set_type(m, MS_PRIVATE);
		if (!ns)
			continue;
		list_remove(&m->ns_node);
		ns->count--;
		m->ns = NULL;
		mnt_ns_changed(ns);
		list_append(&gone->mounts, &m->work);
	}
}

/* refs: how many references the caller's own path accounts for. */
static int umount_locked(struct vfs_ctx *c, struct path *p, int flags, struct mount_gone *gone)
{
	struct mount *m = p->mnt;

	if (p->dentry != m->root || !mount_is_ours(c, m) || m->locked || !m->parent)
		return -EINVAL;
	if (flags & MNT_EXPIRE) {
		if (m == c->root.mnt || (flags & (MNT_FORCE | MNT_DETACH)))
			return -EINVAL;
	}
	if (!(flags & MNT_DETACH)) {
		/* Held by the namespace and by p. */
		if (!list_empty(&m->children) || ref_count(&m->ref) > 2 ||
		    mount_propagated_busy(m))
			return -EBUSY;
		if ((flags & MNT_EXPIRE) && !m->expiring) {
			m->expiring = true;
			return -EAGAIN;
		}
	}
	umount_tree(m, gone);
	return 0;
}

int vfs_umount(struct vfs_ctx *c, const char *target, int flags)
{
	struct mount_gone gone;
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = vfs_walk(c, NULL, target, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
	if (err < 0)
		return err;
	mount_gone_init(&gone);
	if (!may_mount(c) || landlock_mount(c) < 0) {
		err = -EPERM;
	} else {
		mounts_lock();
		err = umount_locked(c, &p, flags, &gone);
		mounts_unlock(&gone);
	}
	path_put(&p);
	return err;
}

void mount_detach_dentry(struct dentry *d)
{
	(void)d;
	/*
	 * Nothing to do at once: the name is gone, so what other namespaces have mounted on d can be
	 * reached no more but by those inside; it goes with its namespace.  (Linux detaches it here.)
	 */
}

/* ---- pivot_root ------------------------------------------------------------------------------- */

/* May new_root and put_old trade places with the caller's root? */
static int pivot_check(struct vfs_ctx *c, const struct path *new, const struct path *old,
		       const struct path *root)
{
	if (!mount_is_ours(c, root->mnt) || !mount_is_ours(c, new->mnt) ||
	    !mount_is_ours(c, old->mnt))
		return -EINVAL;
	if (mount_shared(old->mnt) || (new->mnt->parent && mount_shared(new->mnt->parent)) ||
	    (root->mnt->parent && mount_shared(root->mnt->parent)) || new->mnt->locked)
		return -EINVAL;
	if (dentry_unlinked(new->dentry))
		return -ENOENT;
	if (new->mnt == root->mnt || old->mnt == root->mnt)
		return -EBUSY;
	if (root->mnt->root != root->dentry || !root->mnt->parent ||
	    new->mnt->root != new->dentry || !new->mnt->parent)
		return -EINVAL;
	if (!mount_reachable(old->mnt, old->dentry, new) ||
	    !mount_reachable(new->mnt, new->dentry, root))
		return -EINVAL;
	return 0;
}

static int pivot_locked(struct vfs_ctx *c, const struct path *new, const struct path *old,
			const struct path *root)
{
	struct mount *root_parent;
	struct dentry *root_at;
	int err = pivot_check(c, new, old, root);

	if (err < 0)
		return err;
	root_parent = root->mnt->parent;
	root_at = dentry_get(root->mnt->mountpoint);
	mount_detach(new->mnt);
	mount_detach(root->mnt);
	if (root->mnt->locked) {
		new->mnt->locked = true;
		root->mnt->locked = false;
	}
	mount_attach(root->mnt, old->mnt, old->dentry);
	mount_attach(new->mnt, root_parent, root_at);
	dentry_put(root_at);
	mnt_ns_changed(c->mnt_ns);
	return 0;
}

int vfs_pivot_root(struct vfs_ctx *c, const char *new_root, const char *put_old)
{
	struct path new, old, root = c->root;
	int err;

	if (!may_mount(c) || landlock_mount(c) < 0)
		return -EPERM;
	err = vfs_walk(c, NULL, new_root, WALK_FOLLOW | WALK_DIRECTORY, &new);
	if (err < 0)
		return err;
	err = vfs_walk(c, NULL, put_old, WALK_FOLLOW | WALK_DIRECTORY, &old);
	if (err < 0)
		goto put_new;
	path_get(&root);
	err = mount_lock_mountpoint(c, &old);
	if (err == 0)
		err = pivot_locked(c, &new, &old, &root);
	mounts_unlock(NULL);
	if (err == 0)
		vfs_chroot_refs(c, &root, &new);
	path_put(&root);
	path_put(&old);
put_new:
	path_put(&new);
	return err;
}
