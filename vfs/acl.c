/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acl.c: POSIX ACLs (acl(5)) as kept in system.posix_acl_access and system.posix_acl_default.
 *
 * Only supers with SUPER_POSIXACL have them; the value is the xattr's, in Linux's format: a version
 * word, then entries sorted by tag and id.  Values are checked when set and each time they are
 * read (they may come from a gofer).  The mode bits and the ACL say the same thing twice; the group
 * bits of the mode are the ACL's mask.
 *
 * Linux: fs/posix_acl.c.
 */
#include <errno.h>
#include <endian.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/vfs_impl.h"

#define ACL_ACCESS      "system.posix_acl_access"
#define ACL_DEFAULT     "system.posix_acl_default"
#define ACL_VERSION     2
#define ACL_ENTRIES_MAX 128

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl_entry {
	uint16_t tag, perm; /* little-endian */
	uint32_t id;
};
_Static_assert(sizeof(struct acl_entry) == 8, "xattr format");

struct acl {
	uint32_t version; /* little-endian */
	struct acl_entry entries[ACL_ENTRIES_MAX];
};

/* Number of entries of a well-formed ACL of size bytes, or -EINVAL. */
static int acl_check(const struct acl *a, size_t size)
{
	int count, seen = 0, prev = 0;

	if (size < sizeof(a->version) || size > sizeof(*a) ||
	    (size - sizeof(a->version)) % sizeof(struct acl_entry) ||
	    le32toh(a->version) != ACL_VERSION)
		return -EINVAL;
	count = (int)((size - sizeof(a->version)) / sizeof(struct acl_entry));
	for (int i = 0; i < count; i++) {
		int tag = le16toh(a->entries[i].tag);

		if (le16toh(a->entries[i].perm) & ~7 || tag < prev || (tag & (tag - 1)) ||
		    tag == 0 || tag > ACL_OTHER)
			return -EINVAL;
		if ((seen & tag) && tag != ACL_USER && tag != ACL_GROUP)
			return -EINVAL;
		seen |= tag;
		prev = tag;
	}
	if ((seen & (ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER)) !=
	    (ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER))
		return -EINVAL;
	if ((seen & (ACL_USER | ACL_GROUP)) && !(seen & ACL_MASK))
		return -EINVAL;
	return count;
}

/* Count of entries, or -EAGAIN when there is no such ACL. */
static int acl_read(struct vfs_ctx *c, struct inode *i, const char *name, struct acl *a)
{
	ssize_t n;
	int count;

	if (!(i->sb->flags & SUPER_POSIXACL) || !i->ops->getxattr)
		return -EAGAIN;
	n = i->ops->getxattr(c, i, name, a, sizeof(*a));
	if (n <= 0)
		return -EAGAIN;
	count = acl_check(a, (size_t)n);
	return count < 0 ? -EAGAIN : count;
}

static struct acl_entry *acl_find(struct acl *a, int count, int tag)
{
	for (int i = 0; i < count; i++)
		if (le16toh(a->entries[i].tag) == tag)
			return &a->entries[i];
	return NULL;
}

static int acl_masked(struct acl *a, int count, const struct acl_entry *e, unsigned int may)
{
	const struct acl_entry *mask = acl_find(a, count, ACL_MASK);
	unsigned int perm = le16toh(e->perm);

	if (mask)
		perm &= le16toh(mask->perm);
	return (perm & may) == may ? 0 : -EACCES;
}

int acl_permission(struct vfs_ctx *c, struct inode *i, unsigned int may)
{
	const struct cred *cred = c->cred;
	bool in_group = false;
	struct acl a;
	int count = acl_read(c, i, ACL_ACCESS, &a);

	if (count < 0)
		return -EAGAIN;
	may &= 7;
	for (int n = 0; n < count; n++) {
		const struct acl_entry *e = &a.entries[n];
		unsigned int perm = le16toh(e->perm);
		uint32_t id = le32toh(e->id);
		int tag = le16toh(e->tag);

		if (tag == ACL_USER && id == cred->fsuid)
			return acl_masked(&a, count, e, may);
		if ((tag == ACL_GROUP_OBJ && cred_in_fsgroup(cred, i->gid)) ||
		    (tag == ACL_GROUP && cred_in_fsgroup(cred, id))) {
			in_group = true;
			if ((perm & may) == may)
				return acl_masked(&a, count, e, may);
		}
		if (tag == ACL_OTHER)
			return !in_group && (perm & may) == may ? 0 : -EACCES;
	}
	return -EACCES;
}

/* ---- changing --------------------------------------------------------------------------------- */

/* The permission bits that an access ACL stands for. */
static uint32_t acl_mode(struct acl *a, int count)
{
	const struct acl_entry *group = acl_find(a, count, ACL_MASK);

	if (!group)
		group = acl_find(a, count, ACL_GROUP_OBJ);
	return (uint32_t)le16toh(acl_find(a, count, ACL_USER_OBJ)->perm) << 6 |
	       (uint32_t)le16toh(group->perm) << 3 |
	       le16toh(acl_find(a, count, ACL_OTHER)->perm);
}

/* Make a agree with mode's permission bits (chmod, or a new file's mode when only_less). */
static void acl_apply_mode(struct acl *a, int count, uint32_t mode, bool only_less)
{
	const int tags[3] = { ACL_OTHER,
			      acl_find(a, count, ACL_MASK) ? ACL_MASK : ACL_GROUP_OBJ,
			      ACL_USER_OBJ };

	for (int n = 0; n < 3; n++) {
		struct acl_entry *e = acl_find(a, count, tags[n]);
		uint16_t perm = (mode >> (3 * n)) & 7;

		e->perm = htole16(only_less ? le16toh(e->perm) & perm : perm);
	}
}

static size_t acl_size(int count)
{
	return sizeof(uint32_t) + (size_t)count * sizeof(struct acl_entry);
}

static bool acl_is_minimal(int count)
{
	return count <= 3;
}

/* The file system's mode of i becomes that of the ACL. */
static int acl_store_mode(struct vfs_ctx *c, struct inode *i, uint32_t perm)
{
	struct setattr s = { .mask = SETATTR_MODE | SETATTR_CTIME_NOW,
			     .mode = (i->mode & 07000) | perm };

	if (i->ops->setattr)
		return i->ops->setattr(c, i, &s);
	inode_apply_setattr(i, &s);
	return 0;
}

int acl_set(struct vfs_ctx *c, struct inode *i, const char *name, const void *value, size_t size,
	    int flags)
{
	bool access = !strcmp(name, ACL_ACCESS);
	struct acl a;
	int count, err;

	if (!(i->sb->flags & SUPER_POSIXACL))
		return -EOPNOTSUPP;
	if (!access && strcmp(name, ACL_DEFAULT) != 0)
		return -EOPNOTSUPP;
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	if (!access && !S_ISDIR(i->mode))
		return -EACCES;
	if (size > sizeof(a))
		return -EINVAL;
	memcpy(&a, value, size);
	count = acl_check(&a, size);
	if (count < 0)
		return count;
	if (access) {
		err = acl_store_mode(c, i, acl_mode(&a, count));
		if (err < 0)
			return err;
		if (acl_is_minimal(count)) { /* says no more than the mode does */
			err = i->ops->removexattr ? i->ops->removexattr(c, i, name) : 0;
			return err == -ENODATA ? 0 : err;
		}
	}
	return i->ops->setxattr(c, i, name, value, size, flags);
}

void acl_chmod(struct vfs_ctx *c, struct inode *i, uint32_t mode)
{
	struct acl a;
	int count = acl_read(c, i, ACL_ACCESS, &a);

	if (count < 0 || !i->ops->setxattr)
		return;
	acl_apply_mode(&a, count, mode, false);
	(void)i->ops->setxattr(c, i, ACL_ACCESS, &a, acl_size(count), 0);
}

void acl_inherit(struct vfs_ctx *c, struct inode *dir, struct inode *i, uint32_t asked_mode)
{
	struct acl a;
	int count;

	if (!(dir->sb->flags & SUPER_POSIXACL))
		return;
	count = acl_read(c, dir, ACL_DEFAULT, &a);
	if (count < 0 || !i->ops->setxattr)
		return;
	mutex_lock_nested(&i->lock);
	if (S_ISDIR(i->mode))
		(void)i->ops->setxattr(c, i, ACL_DEFAULT, &a, acl_size(count), 0);
	/* With a default ACL the umask does not apply. */
	acl_apply_mode(&a, count, asked_mode, true);
	(void)acl_store_mode(c, i, acl_mode(&a, count));
	if (!acl_is_minimal(count))
		(void)i->ops->setxattr(c, i, ACL_ACCESS, &a, acl_size(count), 0);
	mutex_unlock(&i->lock);
}
