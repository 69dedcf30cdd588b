/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c: file handles: name_to_handle_at(2), open_by_handle_at(2).
 *
 * A handle is the inode's number.  Only file systems that can find an inode by it (super_ops'
 * find_inode) give handles that can be opened; others give those for comparing (AT_HANDLE_FID).
 *
 * Linux: fs/fhandle.c, fs/exportfs/expfs.c.
 */
#include "vfs/handle.h"

#include <errno.h>
#include <string.h>

#include "vfs/vfs_impl.h"

#define FILEID_INO64_GEN 0x81 /* can't be opened */
#define FILEID_TMPFS     1

int handle_of_inode(const struct inode *i, bool fid_only, struct handle *out)
{
	if (!fid_only && !i->sb->ops->find_inode)
		return -EOPNOTSUPP;
	out->type = fid_only ? FILEID_INO64_GEN : FILEID_TMPFS;
	memcpy(out->bytes, &i->ino, sizeof(i->ino));
	memset(out->bytes + sizeof(i->ino), 0, HANDLE_SIZE - sizeof(i->ino)); /* no generations */
	return 0;
}

int handle_of(const struct path *p, bool fid_only, struct handle *out)
{
	return handle_of_inode(dentry_inode(p->dentry), fid_only, out);
}

int handle_find(struct vfs_ctx *c, const struct path *at, const struct handle *h, struct path *out)
{
	struct super *sb = dentry_super(at->dentry);
	uint64_t ino;
	int err;

	if (!sb->ops->find_inode || h->type != FILEID_TMPFS)
		return -ESTALE;
	memcpy(&ino, h->bytes, sizeof(ino));
	err = sb->ops->find_inode(c, sb, ino, &out->dentry);
	if (err < 0)
		return err;
	out->mnt = mount_get(at->mnt);
	return 0;
}
