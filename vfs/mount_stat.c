/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_stat.c: statmount(2) and listmount(2): mounts by their unique ids.
 *
 * A unique id is the mount's number, which is never used twice, above the range of the 32-bit ids that
 * mountinfo shows.  Linux: fs/namespace.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/sort.h"
#include "vfs/mount_api.h"
#include "vfs/mount_impl.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

uint64_t mount_unique_id(uint64_t id)
{
	return id + MOUNT_ID_UNIQUE_FIRST;
}

/* By unique id in the caller's namespace, borrowed; mounts.lock held. */
static struct mount *mount_by_id(struct vfs_ctx *c, uint64_t id)
{
	struct mount *m;

	list_for_each_entry(m, &c->mnt_ns->mounts, ns_node)
		if (mount_unique_id(m->id) == id)
			return m;
	return NULL;
}

/* Only who administers the namespace sees what its root does not reach. */
static bool may_see(struct vfs_ctx *c, struct mount *m)
{
	return mount_reachable(m, m->root, &c->root) ||
	       cred_capable_ns(c->cred, c->mnt_ns->user_ns, CAP_SYS_ADMIN);
}

static uint64_t attr_of_flags(unsigned long flags)
{
	uint64_t a = 0;

	a |= flags & MS_RDONLY ? 0x1 : 0;
	a |= flags & MS_NOSUID ? 0x2 : 0;
	a |= flags & MS_NODEV ? 0x4 : 0;
	a |= flags & MS_NOEXEC ? 0x8 : 0;
	a |= flags & MS_NODIRATIME ? 0x80 : 0;
	a |= flags & MS_NOSYMFOLLOW ? 0x200000 : 0;
	if (flags & MS_NOATIME)
		a |= 0x10;
	else if (!(flags & MS_RELATIME))
		a |= 0x20; /* strict */
	return a;
}

static uint64_t propagation_of(const struct mount *m)
{
	uint64_t p = 0;

	if (mount_shared(m))
		p |= MS_SHARED;
	if (m->master)
		p |= MS_SLAVE;
	if (m->unbindable)
		p |= MS_UNBINDABLE;
	return p ? p : MS_PRIVATE;
}

static void fill_numbers(struct vfs_ctx *c, struct mount *m, uint64_t mask, struct statmount_abi *out)
{
	struct mount *parent = m->parent ? m->parent : m;

	if (mask & STATMOUNT_SB_BASIC_) {
		out->mask |= STATMOUNT_SB_BASIC_;
		out->sb_dev_major = major(m->sb->dev);
		out->sb_dev_minor = minor(m->sb->dev);
		out->sb_flags = m->sb->flags & SUPER_RDONLY ? MS_RDONLY : 0;
	}
	if (mask & STATMOUNT_MNT_BASIC_) {
		out->mask |= STATMOUNT_MNT_BASIC_;
		out->mnt_id = mount_unique_id(m->id);
		out->mnt_parent_id = mount_unique_id(parent->id);
		out->mnt_id_old = (uint32_t)m->id;
		out->mnt_parent_id_old = (uint32_t)parent->id;
		out->mnt_attr = attr_of_flags(atomic_load(&m->flags));
		out->mnt_propagation = propagation_of(m);
		out->mnt_peer_group = m->group;
		out->mnt_master = m->master ? m->master->group : 0;
	}
	if (mask & STATMOUNT_PROPAGATE_FROM_) {
		out->mask |= STATMOUNT_PROPAGATE_FROM_;
		if (m->master)
			out->propagate_from = mount_dominating_group(m, &c->root);
	}
	if (mask & STATMOUNT_MNT_NS_ID_) {
		out->mask |= STATMOUNT_MNT_NS_ID_;
		out->mnt_ns_id = m->ns->id;
	}
	if (mask & STATMOUNT_SUPPORTED_MASK_) {
		out->mask |= STATMOUNT_SUPPORTED_MASK_;
		out->supported_mask = STATMOUNT_ALL_;
	}
}

static void put_root(struct buf *b, struct mount *m)
{
	struct path top = { m, m->sb->root }, p = { m, m->root };

	if (m->root == m->sb->root || path_text_in_super(&top, &p, b) < 0)
		buf_puts(b, "/");
}

static void put_point(struct buf *b, struct vfs_ctx *c, struct mount *m)
{
	struct path p = { m, m->root };

	(void)path_text_below(&c->root, &p, b); /* not reachable: empty */
}

static void put_options(struct buf *b, struct mount *m)
{
	struct buf text;

	buf_init(&text);
	if (m->sb->ops->show_options)
		m->sb->ops->show_options(m->sb, &text);
	if (text.size > 1)
		buf_puts(b, text.data + 1);
	buf_fini(&text);
}

static void fill_strings(struct vfs_ctx *c, struct mount *m, uint64_t mask, struct statmount_abi *out,
			 struct buf *b)
{
	const struct {
		uint64_t bit;
		uint32_t *at;
	} strings[] = {
		{ STATMOUNT_FS_TYPE_, &out->fs_type },	   { STATMOUNT_MNT_ROOT_, &out->mnt_root },
		{ STATMOUNT_MNT_POINT_, &out->mnt_point }, { STATMOUNT_MNT_OPTS_, &out->mnt_opts },
		{ STATMOUNT_SB_SOURCE_, &out->sb_source },
	};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		size_t begin = b->size;

		if (!(mask & strings[i].bit))
			continue;
		if (strings[i].bit == STATMOUNT_FS_TYPE_)
			buf_puts(b, m->sb->type->name);
		else if (strings[i].bit == STATMOUNT_MNT_ROOT_)
			put_root(b, m);
		else if (strings[i].bit == STATMOUNT_MNT_POINT_)
			put_point(b, c, m);
		else if (strings[i].bit == STATMOUNT_MNT_OPTS_)
			put_options(b, m);
		else
			buf_puts(b, m->device ? m->device : "");
		/* What is empty is not reported, but for the mountpoint. */
		if (b->size == begin && strings[i].bit != STATMOUNT_MNT_POINT_)
			continue;
		buf_putc(b, '\0');
		*strings[i].at = (uint32_t)begin;
		out->mask |= strings[i].bit;
	}
}

int mount_stat(struct vfs_ctx *c, uint64_t id, uint64_t mask, struct statmount_abi *out, struct buf *strings)
{
	struct statfs_info sf = { 0 };
	struct super *sb = NULL;
	struct mount *m;
	int err = 0;

	mounts_read_lock();
	m = mount_by_id(c, id);
	if (!m)
		err = -ENOENT;
	else if (!may_see(c, m))
		err = -EPERM;
	if (!err) {
		fill_numbers(c, m, mask, out);
		fill_strings(c, m, mask, out, strings);
		sb = m->sb;
		super_get(sb);
	}
	mounts_read_unlock();
	if (err)
		return err;
	/* Not under the tree's lock: it may ask the gofer. */
	if ((mask & STATMOUNT_SB_BASIC_) && sb->ops->statfs && sb->ops->statfs(sb, &sf) == 0)
		out->sb_magic = sf.type;
	super_put(sb);
	return buf_error(strings);
}

/* All ids below top, into *out (mem_free), sorted.  mounts.lock held. */
static ssize_t collect(struct vfs_ctx *c, const struct path *top, uint64_t **out)
{
	struct mount *m;
	size_t n = 0;

	*out = mem_calloc(c->mnt_ns->count + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	list_for_each_entry(m, &c->mnt_ns->mounts, ns_node)
		if (m != top->mnt && mount_reachable(m, m->root, top))
			(*out)[n++] = mount_unique_id(m->id);
	sort(*out, n, sizeof(**out), sort_u64);
	return (ssize_t)n;
}

ssize_t mount_list(struct vfs_ctx *c, uint64_t parent, uint64_t last, bool reverse, uint64_t *ids,
		   size_t count)
{
	struct path top = c->root;
	uint64_t *all = NULL;
	ssize_t n = 0;
	size_t used = 0;

	mounts_read_lock();
	if (parent != LSMT_ROOT_) {
		top.mnt = mount_by_id(c, parent);
		top.dentry = top.mnt ? top.mnt->root : NULL;
		if (!top.mnt)
			n = -ENOENT;
		else if (!may_see(c, top.mnt))
			n = -EPERM;
	}
	if (n == 0)
		n = collect(c, &top, &all);
	mounts_read_unlock();
	for (ssize_t i = 0; i < n && used < count; i++) {
		uint64_t id = all[reverse ? n - 1 - i : i];

		if (last && (reverse ? id >= last : id <= last))
			continue;
		ids[used++] = id;
	}
	mem_free(all);
	return n < 0 ? n : (ssize_t)used;
}
