/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.c: extended attributes (xattr(7)): who may, and which names there are.  File systems keep
 * the values.
 *
 * Linux: fs/xattr.c (xattr_permission), security/commoncap.c (cap_inode_setxattr).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/inotify.h>

#include "lib/mem.h"
#include "vfs/vfs_impl.h"

#ifndef XATTR_SIZE_MAX
#define XATTR_SIZE_MAX 65536
#define XATTR_LIST_MAX 65536
#define XATTR_NAME_MAX 255
#endif
#ifndef XATTR_CREATE
#define XATTR_CREATE  1
#define XATTR_REPLACE 2
#endif

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* The name has a known prefix and something behind it. */
static int name_check(const char *name)
{
	static const char *const prefixes[] = { "user.", "trusted.", "security.", "system." };
	size_t len = strnlen(name, XATTR_NAME_MAX + 1);

	if (len == 0 || len > XATTR_NAME_MAX)
		return -ERANGE;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (has_prefix(name, prefixes[i]))
			return name[strlen(prefixes[i])] ? 0 : -EINVAL;
	return -EOPNOTSUPP;
}

static int user_xattr_may(struct vfs_ctx *c, const struct inode *i, unsigned int may)
{
	/* On other kinds of files permission bits do not mean "may use the space". */
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return may & MAY_WRITE ? -EPERM : -ENODATA;
	if (S_ISDIR(i->mode) && (i->mode & S_ISVTX) && (may & MAY_WRITE) &&
	    !inode_owner_or_capable(c, i))
		return -EPERM;
	return 0;
}

static int xattr_may(struct vfs_ctx *c, struct inode *i, const char *name, unsigned int may)
{
	int err = name_check(name);

	if (err < 0)
		return err;
	if ((may & MAY_WRITE) && (i->sb->flags & SUPER_RDONLY))
		return -EROFS;
	if (has_prefix(name, "system.")) {
		if (!has_prefix(name, "system.posix_acl_"))
			return -EOPNOTSUPP;
		/* POSIX ACLs: the owner's to change, everybody's to see. */
		return (may & MAY_WRITE) && !inode_owner_or_capable(c, i) ? -EPERM : 0;
	}
	if (has_prefix(name, "security.")) {
		int cap = !strcmp(name, "security.capability") ? CAP_SETFCAP : CAP_SYS_ADMIN;

		return (may & MAY_WRITE) && !inode_capable(c, i, cap) ? -EPERM : 0;
	}
	if (has_prefix(name, "trusted.")) {
		if (cred_capable(c->cred, CAP_SYS_ADMIN))
			return 0;
		return may & MAY_WRITE ? -EPERM : -ENODATA;
	}
	err = user_xattr_may(c, i, may);
	return err < 0 ? err : inode_permission(c, i, may);
}

ssize_t vfs_getxattr(struct vfs_ctx *c, const struct path *p, const char *name, void *buf,
		     size_t size)
{
	struct inode *i = dentry_inode(p->dentry);
	int err = xattr_may(c, i, name, MAY_READ);

	if (err < 0)
		return err;
	if (!i->ops->getxattr)
		return -EOPNOTSUPP;
	return i->ops->getxattr(c, i, name, buf, size);
}

/* Setting or (value NULL) removing, with everything around it. */
static int xattr_change(struct vfs_ctx *c, const struct path *p, const char *name,
			const void *value, size_t size, int flags)
{
	struct inode *i = dentry_inode(p->dentry);
	int err = mount_want_write(p->mnt);

	if (err < 0)
		return err;
	err = xattr_may(c, i, name, MAY_WRITE);
	if (err < 0)
		goto drop;
	mutex_lock(&i->lock);
	if (!value)
		err = i->ops->removexattr ? i->ops->removexattr(c, i, name) : -EOPNOTSUPP;
	else if (!i->ops->setxattr)
		err = -EOPNOTSUPP;
	else if (has_prefix(name, "system.posix_acl_"))
		err = acl_set(c, i, name, value, size, flags);
	else
		err = i->ops->setxattr(c, i, name, value, size, flags);
	mutex_unlock(&i->lock);
	if (err == 0)
		fsnotify_dentry(p->dentry, IN_ATTRIB);
drop:
	mount_drop_write(p->mnt);
	return err;
}

int vfs_setxattr(struct vfs_ctx *c, const struct path *p, const char *name, const void *value,
		 size_t size, int flags)
{
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	return xattr_change(c, p, name, value ? value : "", size, flags);
}

int vfs_removexattr(struct vfs_ctx *c, const struct path *p, const char *name)
{
	return xattr_change(c, p, name, NULL, 0, 0);
}

/* Take names the caller may not know of out of list; the new length. */
static size_t list_filter(char *list, size_t size)
{
	size_t in = 0, out = 0;

	while (in < size) {
		size_t len = strnlen(list + in, size - in);

		if (in + len >= size)
			break; /* no NUL: not a name */
		if (!has_prefix(list + in, "trusted.")) {
			memmove(list + out, list + in, len + 1);
			out += len + 1;
		}
		in += len + 1;
	}
	return out;
}

ssize_t vfs_listxattr(struct vfs_ctx *c, const struct path *p, char *buf, size_t size)
{
	struct inode *i = dentry_inode(p->dentry);
	char *list;
	ssize_t n;

	if (!i->ops->listxattr)
		return 0;
	if (cred_capable(c->cred, CAP_SYS_ADMIN))
		return i->ops->listxattr(c, i, buf, size);
	list = mem_alloc(XATTR_LIST_MAX);
	if (!list)
		return -ENOMEM;
	n = i->ops->listxattr(c, i, list, XATTR_LIST_MAX);
	if (n > 0) {
		n = (ssize_t)list_filter(list, (size_t)n);
		if (size > 0 && (size_t)n > size)
			n = -ERANGE;
		else if (size > 0)
			memcpy(buf, list, (size_t)n);
	}
	mem_free(list);
	return n;
}
