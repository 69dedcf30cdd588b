/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devtmpfs.c: device nodes from the table of character devices (chrdev.c).
 *
 * Linux has one devtmpfs, which every mount shows.  Here each mount is a tmpfs of its own with the
 * same first content: containers of one sandbox have nothing to share there.
 */
#include "vfs/devtmpfs.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "vfs/chrdev.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs_impl.h"

struct populate {
	struct vfs_ctx *c;
	const struct path *dev;
};

static int existing_is_fine(int err)
{
	return err == -EEXIST ? 0 : err;
}

static int populate_node(const struct chrdev *d, void *arg)
{
	const struct populate *p = arg;

	return existing_is_fine(vfs_mknod(p->c, p->dev, d->node, S_IFCHR | d->mode,
					  makedev(d->major, d->minor)));
}

static int populate_links(const struct populate *p)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && err == 0; i++)
		err = existing_is_fine(vfs_symlink(p->c, links[i].target, p->dev, links[i].name));
	return err;
}

static int populate_dirs(const struct populate *p)
{
	int err = existing_is_fine(vfs_mkdir(p->c, p->dev, "pts", 0755));

	if (err == 0)
		err = existing_is_fine(vfs_mkdir(p->c, p->dev, "shm", 01777));
	return err;
}

int devtmpfs_populate(struct vfs_ctx *c, const struct path *dev)
{
	struct vfs_ctx own = *c;
	struct populate p = { &own, dev };
	int err;

	own.umask = 0;
	own.cwd = *dev;
	err = chrdev_for_each_node(populate_node, &p);
	if (err == 0)
		err = populate_links(&p);
	if (err == 0)
		err = populate_dirs(&p);
	return err;
}

static int devtmpfs_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
			  const char *data, void *fs_data, struct super **out)
{
	const struct cred *root = cred_new_root();
	struct vfs_ctx own = *c;
	struct path dev;
	struct super *sb;
	int err;

	if (!root)
		return -ENOMEM;
	own.cred = root;
	err = tmpfs_type.mount(&own, t, source, data && *data ? data : "mode=755", fs_data, &sb);
	if (err < 0)
		goto put_cred;
	err = -ENOMEM;
	dev.mnt = mount_new_internal(sb);
	if (!dev.mnt)
		goto discard;
	dev.dentry = sb->root;
	own.root = dev;
	super_pin(sb); /* root stays when the internal mount goes */
	err = devtmpfs_populate(&own, &dev);
	mount_put(dev.mnt);
	if (err == 0)
		*out = sb;
	atomic_fetch_sub(&sb->mounts, 1); /* the pin, without letting root go */
	super_put(sb);
	if (err == 0)
		goto put_cred;
discard:
	super_discard(sb);
	super_put(sb);
put_cred:
	cred_put(root);
	return err;
}

struct fs_type devtmpfs_type = {
	.name = "devtmpfs",
	.flags = FS_NODEV,
	.mount = devtmpfs_mount,
};

void devtmpfs_init(void)
{
	fs_type_register(&devtmpfs_type);
}
