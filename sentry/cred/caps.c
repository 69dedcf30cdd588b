/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps.c: transformation of credentials (capabilities(7): "Transformation of capabilities during
 * execve()", "Effect of user ID changes on capabilities").
 */
#include "sentry/cred/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>

#include "sentry/task/task.h"
#include "vfs/user_ns.h"

/* Is id root of ns or of a namespace above it? */
static bool is_root_above(const struct user_ns *ns, uint32_t id)
{
	for (; ns; ns = ns->parent)
		if (user_ns_from_kernel(ns, ID_UID, id) == 0)
			return true;
	return false;
}

/* The file's own capability sets, from its security.capability attribute (hostile bytes). */
struct file_caps {
	bool present, effective;
	cap_set_t permitted, inheritable;
};

static void file_caps_read(struct task *t, struct file *f, struct file_caps *fc)
{
	struct vfs_ns_cap_data d;
	uint32_t magic;
	ssize_t n;

	memset(fc, 0, sizeof(*fc));
	memset(&d, 0, sizeof(d));
	n = vfs_getxattr(task_vfs(t), &f->path, "security.capability", &d, sizeof(d));
	if (n < (ssize_t)sizeof(uint32_t))
		return;
	magic = d.magic_etc & VFS_CAP_REVISION_MASK;
	if ((magic == VFS_CAP_REVISION_1 && n != XATTR_CAPS_SZ_1) ||
	    (magic == VFS_CAP_REVISION_2 && n != XATTR_CAPS_SZ_2) ||
	    (magic == VFS_CAP_REVISION_3 && n != XATTR_CAPS_SZ_3) ||
	    (magic != VFS_CAP_REVISION_1 && magic != VFS_CAP_REVISION_2 && magic != VFS_CAP_REVISION_3))
		return;
	if (!is_root_above(t->cred->user_ns,
			   user_ns_to_kernel(f->inode->sb->user_ns, ID_UID,
					     magic == VFS_CAP_REVISION_3 ? d.rootid : 0)))
		return; /* for another user namespace */
	fc->present = true;
	fc->effective = d.magic_etc & VFS_CAP_FLAGS_EFFECTIVE;
	fc->permitted = d.data[0].permitted;
	fc->inheritable = d.data[0].inheritable;
	if (magic != VFS_CAP_REVISION_1) {
		fc->permitted |= (cap_set_t)d.data[1].permitted << 32;
		fc->inheritable |= (cap_set_t)d.data[1].inheritable << 32;
	}
	fc->permitted &= CAP_FULL;
	fc->inheritable &= CAP_FULL;
}

static void exec_cred_caps(struct cred *c, const struct cred *old, const struct file_caps *fc,
			   bool setid)
{
	uint32_t root = user_ns_to_kernel(c->user_ns, ID_UID, 0);
	cap_set_t permitted = 0, ambient = old->ambient;
	bool effective = false, privileged_file = fc->present;

	if (fc->present) {
		permitted = (old->inheritable & fc->inheritable) | (fc->permitted & old->bounding);
		effective = fc->effective;
	}
	if (!(old->securebits & SECBIT_NOROOT) && root != ID_INVALID &&
	    (c->uid == root || c->euid == root) && !(fc->present && c->uid != root)) {
		permitted = old->inheritable | old->bounding;
		if (c->euid == root)
			effective = true;
		privileged_file = false;
	}
	if (privileged_file || setid)
		ambient = 0;
	c->ambient = ambient;
	c->permitted = permitted | ambient;
	c->effective = effective ? c->permitted : ambient;
	c->securebits &= ~SECBIT_KEEP_CAPS;
}

/* The file's owners mean something in the new program's namespace (bprm_fill_uid()). */
static bool owners_mapped(const struct cred *c, const struct inode *i)
{
	return user_ns_from_kernel(c->user_ns, ID_UID, i->uid) != ID_INVALID &&
	       user_ns_from_kernel(c->user_ns, ID_GID, i->gid) != ID_INVALID;
}

int exec_cred(struct task *t, struct file *f, const struct cred **out, bool *secure)
{
	const struct cred *old = t->cred;
	struct cred *c = cred_dup(old);
	struct file_caps fc = { 0 };
	bool setid = false;
	bool honour;

	if (!c)
		return -ENOMEM;
	honour = !t->no_new_privs && ptrace_allows_setid(t) && f->path.mnt && !(mount_flags(f->path.mnt) & MS_NOSUID) &&
		 user_ns_is_below(c->user_ns, f->inode->sb->user_ns);
	if (honour && (f->inode->mode & S_ISUID) && owners_mapped(c, f->inode)) {
		setid = c->euid != f->inode->uid;
		c->euid = f->inode->uid;
	}
	if (honour && (f->inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    owners_mapped(c, f->inode)) {
		setid = setid || c->egid != f->inode->gid;
		c->egid = f->inode->gid;
	}
	if (honour)
		file_caps_read(t, f, &fc);
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	exec_cred_caps(c, old, &fc, setid);
	*secure = setid || c->uid != c->euid || c->gid != c->egid ||
		  (c->uid != user_ns_to_kernel(c->user_ns, ID_UID, 0) &&
		   (c->permitted & ~c->ambient) && fc.present);
	*out = c;
	return 0;
}

void cred_fix_setuid(struct cred *new, const struct cred *old)
{
	uint32_t root = user_ns_to_kernel(old->user_ns, ID_UID, 0);
	bool had_root = old->uid == root || old->euid == root || old->suid == root;
	bool has_root = new->uid == root || new->euid == root || new->suid == root;

	if ((old->securebits & SECBIT_NO_SETUID_FIXUP) || root == ID_INVALID)
		return;
	if (had_root && !has_root) {
		if (!(old->securebits & SECBIT_KEEP_CAPS)) {
			new->permitted = 0;
			new->effective = 0;
		}
		new->ambient = 0;
	}
	if (old->euid == root && new->euid != root)
		new->effective = 0;
	if (old->euid != root && new->euid == root)
		new->effective = new->permitted;
}

/* CAP_FS_MASK: what fsuid 0 stands for. */
#define CAP_FS_SET                                                                               \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) |                   \
	 CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |              \
	 CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MAC_OVERRIDE))

void cred_fix_setfsuid(struct cred *new, const struct cred *old)
{
	uint32_t root = user_ns_to_kernel(old->user_ns, ID_UID, 0);

	if ((old->securebits & SECBIT_NO_SETUID_FIXUP) || root == ID_INVALID)
		return;
	if (old->fsuid == root && new->fsuid != root)
		new->effective &= ~CAP_FS_SET;
	if (old->fsuid != root && new->fsuid == root)
		new->effective |= new->permitted & CAP_FS_SET;
}
