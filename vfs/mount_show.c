/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_show.c: /proc/PID/mounts, mountinfo and mountstats (proc(5)), letter by letter as Linux's
 * fs/proc_namespace.c writes them.  Mounts that root can't reach are left out.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "vfs/mount_impl.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* Characters that would break the columns become \ooo. */
static void put_mangled(struct buf *b, const char *s, const char *bad)
{
	for (; *s; s++) {
		if (strchr(bad, *s))
			buf_printf(b, "\\%03o", (unsigned char)*s);
		else
			buf_putc(b, *s);
	}
}

static void put_mount_options(struct buf *b, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		const char *text;
	} options[] = {
		{ MS_NOSUID, ",nosuid" },	  { MS_NODEV, ",nodev" },
		{ MS_NOEXEC, ",noexec" },	  { MS_NOATIME, ",noatime" },
		{ MS_NODIRATIME, ",nodiratime" }, { MS_RELATIME, ",relatime" },
		{ MS_NOSYMFOLLOW, ",nosymfollow" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (flags & options[i].flag)
			buf_puts(b, options[i].text);
}

static void put_super_options(struct buf *b, struct super *sb)
{
	if (sb->ops->show_options)
		sb->ops->show_options(sb, b);
}

/* The mountpoint as root sees it, mangled; false: not reachable. */
static bool put_mountpoint(struct buf *b, struct mount *m, const struct path *root)
{
	struct path p = { m, m->root };
	struct buf text;
	bool ok;

	buf_init(&text);
	ok = path_text_below(root, &p, &text) == 0;
	if (ok)
		put_mangled(b, text.data, " \t\n\\");
	buf_fini(&text);
	return ok;
}

static void put_root_in_super(struct buf *b, struct mount *m)
{
	struct path top = { m, m->sb->root }, p = { m, m->root };
	struct buf text;

	/* Below the super's root, as if that were where the mount begins. */
	buf_init(&text);
	if (m->root == m->sb->root || path_text_in_super(&top, &p, &text) < 0)
		buf_puts(b, "/");
	else
		put_mangled(b, text.data, " \t\n\\");
	if (dentry_unlinked(m->root))
		buf_puts(b, "//deleted");
	buf_fini(&text);
}

static void put_device(struct buf *b, const struct mount *m)
{
	if (m->device)
		put_mangled(b, m->device, " \t\n\\#");
	else
		buf_puts(b, "none");
}

static void show_info(struct buf *b, struct mount *m, const struct path *root, const char *at)
{
	unsigned long flags = atomic_load_explicit(&m->flags, memory_order_relaxed);

	buf_printf(b, "%llu %llu %u:%u ", (unsigned long long)m->id,
		   (unsigned long long)(m->parent ? m->parent->id : m->id), major(m->sb->dev),
		   minor(m->sb->dev));
	put_root_in_super(b, m);
	buf_printf(b, " %s %s", at, flags & MS_RDONLY ? "ro" : "rw");
	put_mount_options(b, flags);
	if (mount_shared(m))
		buf_printf(b, " shared:%u", m->group);
	if (m->master) {
		unsigned int dom = mount_dominating_group(m, root);

		buf_printf(b, " master:%u", m->master->group);
		if (dom && dom != m->master->group)
			buf_printf(b, " propagate_from:%u", dom);
	}
	if (m->unbindable)
		buf_puts(b, " unbindable");
	buf_printf(b, " - %s ", m->sb->type->name);
	put_device(b, m);
	buf_puts(b, m->sb->flags & SUPER_RDONLY ? " ro" : " rw");
	if (m->sb->flags & SUPER_SYNC)
		buf_puts(b, ",sync");
	if (m->sb->flags & SUPER_DIRSYNC)
		buf_puts(b, ",dirsync");
	put_super_options(b, m->sb);
	buf_putc(b, '\n');
}

static void show_mounts(struct buf *b, struct mount *m, const char *at)
{
	unsigned long flags = mount_flags(m);

	put_device(b, m);
	buf_printf(b, " %s %s %s", at, m->sb->type->name, flags & MS_RDONLY ? "ro" : "rw");
	put_mount_options(b, flags);
	put_super_options(b, m->sb);
	buf_puts(b, " 0 0\n");
}

static void show_stats(struct buf *b, struct mount *m, const char *at)
{
	if (m->device) {
		buf_puts(b, "device ");
		put_device(b, m);
	} else {
		buf_puts(b, "no device");
	}
	buf_printf(b, " mounted on %s with fstype %s\n", at, m->sb->type->name);
}

int mnt_ns_show(struct mnt_ns *ns, const struct path *root, enum mounts_view v, struct buf *b)
{
	struct mount *m;

	mounts_read_lock();
	list_for_each_entry(m, &ns->mounts, ns_node) {
		struct buf at;

		buf_init(&at);
		if (put_mountpoint(&at, m, root) && buf_error(&at) == 0) {
			if (v == MOUNTS_INFO)
				show_info(b, m, root, at.data);
			else if (v == MOUNTS_MOUNTS)
				show_mounts(b, m, at.data);
			else
				show_stats(b, m, at.data);
		}
		buf_fini(&at);
	}
	mounts_read_unlock();
	return buf_error(b);
}
