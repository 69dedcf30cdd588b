/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs.c: the tmpfs file system: supers, mount options, inodes, and memfd_create(2)'s files.
 *
 * Limits are counted in atomics of the super: pages (tmpfs_file.c) and inodes.
 * An inode is held by its directory entries; see tmpfs_dir.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/overflow.h"
#include "vfs/tmpfs/tmpfs_impl.h"
#include "vfs/user_ns.h"

#define TMPFS_MAGIC 0x01021994

static struct {
	uint64_t total_memory;
	struct super *shm;     /* internal: memfds, System V shared memory */
	struct mount *shm_mnt;
} tmpfs;

void tmpfs_set_total_memory(uint64_t bytes)
{
	tmpfs.total_memory = bytes;
}

void tmpfs_set_host_proc(int proc_fd)
{
	tmpfs_set_proc(proc_fd);
}

/* ---- limits ----------------------------------------------------------------------------------- */

uint64_t tmpfs_room(struct tmpfs_inode *t)
{
	struct tmpfs_super *s = tmpfs_sb(t->i.sb);
	uint64_t max = atomic_load_explicit(&s->max_pages, memory_order_relaxed);
	uint64_t used = atomic_load_explicit(&s->used_pages, memory_order_relaxed);

	if (max == 0)
		return UINT64_MAX;
	return used < max ? max - used : 0;
}

void tmpfs_uncharge(struct tmpfs_inode *t, uint64_t pages)
{
	atomic_fetch_sub_explicit(&tmpfs_sb(t->i.sb)->used_pages, pages, memory_order_relaxed);
}

static int inode_reserve(struct tmpfs_super *s)
{
	uint64_t max = atomic_load_explicit(&s->max_inodes, memory_order_relaxed);

	if (atomic_fetch_add_explicit(&s->used_inodes, 1, memory_order_relaxed) >= max && max) {
		atomic_fetch_sub_explicit(&s->used_inodes, 1, memory_order_relaxed);
		return -ENOSPC;
	}
	return 0;
}

/* ---- inodes ----------------------------------------------------------------------------------- */

int tmpfs_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out)
{
	(void)c;
	(void)query;
	inode_fill_attr(i, out);
	return 0;
}

int tmpfs_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	(void)c;
	if (a->mask & SETATTR_SIZE) {
		int err;

		if (!S_ISREG(i->mode))
			return -EINVAL;
		err = tmpfs_resize(tmpfs_i(i), a->size);
		if (err < 0)
			return err;
	}
	inode_apply_setattr(i, a);
	return 0;
}

ssize_t tmpfs_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size)
{
	(void)c;
	return simple_xattr_get(&tmpfs_i(i)->xattrs, name, buf, size);
}

int tmpfs_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value,
		   size_t size, int flags)
{
	int err = simple_xattr_set(&tmpfs_i(i)->xattrs, name, value, size, flags);

	(void)c;
	if (err == 0)
		i->ctime = vfs_now();
	return err;
}

ssize_t tmpfs_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size)
{
	(void)c;
	return simple_xattr_list(&tmpfs_i(i)->xattrs, buf, size);
}

int tmpfs_removexattr(struct vfs_ctx *c, struct inode *i, const char *name)
{
	int err = simple_xattr_remove(&tmpfs_i(i)->xattrs, name);

	(void)c;
	if (err == 0)
		i->ctime = vfs_now();
	return err;
}

static int symlink_readlink(struct vfs_ctx *c, struct inode *i, char **out)
{
	(void)c;
	*out = mem_strdup(tmpfs_i(i)->target);
	return *out ? 0 : -ENOMEM;
}

#define COMMON_SLOTS                              \
	.getattr = tmpfs_getattr,                 \
	.setattr = tmpfs_setattr,                 \
	.getxattr = tmpfs_getxattr,               \
	.setxattr = tmpfs_setxattr,               \
	.listxattr = tmpfs_listxattr,             \
	.removexattr = tmpfs_removexattr

static const struct inode_ops tmpfs_file_ops = { COMMON_SLOTS };
static const struct inode_ops tmpfs_symlink_ops = { COMMON_SLOTS, .readlink = symlink_readlink };
static const struct file_ops tmpfs_special_fops = { .read = NULL };

int tmpfs_inode_new(struct super *sb, const struct inode_attr_new *a, struct tmpfs_inode **out)
{
	struct tmpfs_super *s = tmpfs_sb(sb);
	const struct inode_ops *ops = &tmpfs_file_ops;
	const struct file_ops *fops = &tmpfs_special_fops;
	struct tmpfs_inode *t;
	int err = inode_reserve(s);

	if (err < 0)
		return err;
	t = mem_new(struct tmpfs_inode);
	if (!t) {
		atomic_fetch_sub_explicit(&s->used_inodes, 1, memory_order_relaxed);
		return -ENOMEM;
	}
	if (S_ISDIR(a->mode)) {
		ops = &tmpfs_dir_ops;
		fops = &tmpfs_dir_fops;
	} else if (S_ISREG(a->mode)) {
		fops = &tmpfs_reg_fops;
	} else if (S_ISLNK(a->mode)) {
		ops = &tmpfs_symlink_ops;
	}
	inode_init(&t->i, sb, ops, a->mode);
	t->i.fops = fops;
	t->i.uid = a->uid;
	t->i.gid = a->gid;
	t->i.rdev = a->rdev;
	t->i.ino = atomic_fetch_add_explicit(&s->next_ino, 1, memory_order_relaxed);
	simple_xattrs_init(&t->xattrs);
	if (S_ISDIR(a->mode))
		tmpfs_dir_init(t);
	else if (S_ISREG(a->mode))
		tmpfs_reg_init(t);
	*out = t;
	return 0;
}

static void tmpfs_inode_free(struct inode *i)
{
	struct tmpfs_inode *t = tmpfs_i(i);

	if (S_ISDIR(i->mode))
		tmpfs_dir_fini(t);
	else if (S_ISREG(i->mode))
		tmpfs_reg_fini(t);
	else if (S_ISLNK(i->mode))
		mem_free(t->target);
	simple_xattrs_fini(&t->xattrs);
	atomic_fetch_sub_explicit(&tmpfs_sb(i->sb)->used_inodes, 1, memory_order_relaxed);
	mem_free(t);
}

/* ---- options ---------------------------------------------------------------------------------- */

/* What mount options said; set_*: which ones. */
struct tmpfs_options {
	uint64_t pages, inodes;
	uint32_t mode, uid, gid;
	bool set_pages, set_inodes, set_mode, set_uid, set_gid;
};

/* A number with K, M, G suffix, or a share of all memory. */
static int parse_size(const char *s, uint64_t *out)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);
	unsigned int shift = 0;

	if (end == s)
		return -EINVAL;
	switch (*end) {
	case 'g': case 'G':
		shift = 30;
		end++;
		break;
	case 'm': case 'M':
		shift = 20;
		end++;
		break;
	case 'k': case 'K':
		shift = 10;
		end++;
		break;
	case '%':
		v = tmpfs.total_memory / 100 * v;
		end++;
		break;
	default:
		break;
	}
	if (*end || (shift && v > UINT64_MAX >> shift))
		return -EINVAL;
	*out = v << shift;
	return 0;
}

static int parse_id(const char *s, int base, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, base);

	if (end == s || *end || v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int parse_option(void *arg, char *key, char *value)
{
	static const char *const ignored[] = { "huge", "mpol", "inode32", "inode64", "noswap" };
	struct tmpfs_options *o = arg;
	uint64_t v;
	int err = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (!strcmp(key, ignored[i]))
			return 0;
	if (!value)
		return -EINVAL;
	if (!strcmp(key, "size") || !strcmp(key, "nr_blocks")) {
		err = parse_size(value, &v);
		if (err == 0) {
			o->pages = key[0] == 's' ? v / PAGE_SIZE + (v % PAGE_SIZE != 0) : v;
			o->set_pages = true;
		}
	} else if (!strcmp(key, "nr_inodes")) {
		err = parse_size(value, &o->inodes);
		o->set_inodes = true;
	} else if (!strcmp(key, "mode")) {
		err = parse_id(value, 8, &o->mode);
		o->mode &= 07777;
		o->set_mode = true;
	} else if (!strcmp(key, "uid")) {
		err = parse_id(value, 10, &o->uid);
		o->set_uid = true;
	} else if (!strcmp(key, "gid")) {
		err = parse_id(value, 10, &o->gid);
		o->set_gid = true;
	}
	return err;
}

/* Ids in options are those of the user namespace ns. */
static int ids_to_kernel(const struct user_ns *ns, struct tmpfs_options *o)
{
	if (o->set_uid)
		o->uid = user_ns_to_kernel(ns, ID_UID, o->uid);
	if (o->set_gid)
		o->gid = user_ns_to_kernel(ns, ID_GID, o->gid);
	return (o->set_uid && o->uid == ID_INVALID) || (o->set_gid && o->gid == ID_INVALID) ?
		       -EINVAL : 0;
}

static int parse_options(const char *data, struct tmpfs_options *o)
{
	memset(o, 0, sizeof(*o));
	return fs_options_each(data, parse_option, o);
}

/* ---- supers ----------------------------------------------------------------------------------- */

static void tmpfs_free(struct super *sb)
{
	mem_free(sb->priv);
}

static int tmpfs_statfs(struct super *sb, struct statfs_info *out)
{
	struct tmpfs_super *s = tmpfs_sb(sb);
	uint64_t used = atomic_load(&s->used_pages), used_inodes = atomic_load(&s->used_inodes);

	memset(out, 0, sizeof(*out));
	out->type = TMPFS_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	out->blocks = atomic_load(&s->max_pages);
	if (out->blocks)
		out->bfree = out->bavail = used < out->blocks ? out->blocks - used : 0;
	out->files = atomic_load(&s->max_inodes);
	if (out->files)
		out->ffree = used_inodes < out->files ? out->files - used_inodes : 0;
	out->fsid[0] = (uint32_t)sb->dev;
	return 0;
}

static void tmpfs_show_options(struct super *sb, struct buf *b)
{
	struct tmpfs_super *s = tmpfs_sb(sb);
	uint64_t pages = atomic_load(&s->max_pages), inodes = atomic_load(&s->max_inodes);

	if (pages != s->default_pages)
		buf_printf(b, ",size=%lluk", (unsigned long long)pages * (PAGE_SIZE / 1024));
	if (inodes != s->default_inodes)
		buf_printf(b, ",nr_inodes=%llu", (unsigned long long)inodes);
	if (s->root_mode != 01777)
		buf_printf(b, ",mode=%03o", s->root_mode);
	if (s->root_uid)
		buf_printf(b, ",uid=%u", s->root_uid);
	if (s->root_gid)
		buf_printf(b, ",gid=%u", s->root_gid);
	buf_puts(b, ",inode64");
}

static int tmpfs_reconfigure(struct super *sb, const char *data)
{
	struct tmpfs_super *s = tmpfs_sb(sb);
	struct tmpfs_options o;
	int err = parse_options(data, &o);

	if (err < 0)
		return err;
	if ((o.set_pages && o.pages && o.pages < atomic_load(&s->used_pages)) ||
	    (o.set_inodes && o.inodes && o.inodes < atomic_load(&s->used_inodes)))
		return -EINVAL;
	/* From no limit to one is refused, as on Linux: nothing has been counted there. */
	if ((o.set_pages && o.pages && !atomic_load(&s->max_pages)) ||
	    (o.set_inodes && o.inodes && !atomic_load(&s->max_inodes)))
		return -EINVAL;
	if (o.set_pages)
		atomic_store(&s->max_pages, o.pages);
	if (o.set_inodes)
		atomic_store(&s->max_inodes, o.inodes);
	return 0;
}

static const struct super_ops tmpfs_super_ops = {
	.find_inode = tmpfs_find_inode,
	.free = tmpfs_free,
	.statfs = tmpfs_statfs,
	.inode_free = tmpfs_inode_free,
	.show_options = tmpfs_show_options,
	.reconfigure = tmpfs_reconfigure,
};

static void super_apply(struct tmpfs_super *s, const struct tmpfs_options *o,
			const struct cred *cred)
{
	s->default_pages = s->default_inodes = tmpfs.total_memory / 2 / PAGE_SIZE;
	atomic_init(&s->max_pages, o->set_pages ? o->pages : s->default_pages);
	atomic_init(&s->max_inodes, o->set_inodes ? o->inodes : s->default_inodes);
	atomic_init(&s->next_ino, 1);
	s->root_mode = o->set_mode ? o->mode : 01777;
	s->root_uid = o->set_uid ? o->uid : cred->fsuid;
	s->root_gid = o->set_gid ? o->gid : cred->fsgid;
}

static int tmpfs_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
		       const char *data, void *fs_data, struct super **out)
{
	struct tmpfs_super *s;
	struct tmpfs_inode *root;
	struct inode_attr_new a;
	struct tmpfs_options o;
	struct super *sb;
	int err = parse_options(data, &o);

	(void)fs_data;
	if (err == 0)
		err = ids_to_kernel(c->cred->user_ns, &o);
	if (err < 0)
		return err;
	s = mem_new(struct tmpfs_super);
	if (!s)
		return -ENOMEM;
	super_apply(s, &o, c->cred);
	sb = super_new(t, &tmpfs_super_ops, s);
	if (!sb) {
		mem_free(s);
		return -ENOMEM;
	}
	s->sb = sb;
	sb->flags = SUPER_NOCACHE_NEG | SUPER_POSIXACL;
	sb->source = source ? mem_strdup(source) : NULL;
	a = (struct inode_attr_new){ S_IFDIR | s->root_mode, s->root_uid, s->root_gid, 0, 0 };
	err = tmpfs_inode_new(sb, &a, &root);
	if (err < 0)
		goto put_sb;
	root->dir.parent_ino = root->i.ino;
	sb->root = dentry_new_root(sb, &root->i);
	err = -ENOMEM;
	if (!sb->root)
		goto put_sb;
	*out = sb;
	return 0;

put_sb:
	super_put(sb);
	return err;
}

static int tmpfs_check_options(const char *data)
{
	struct tmpfs_options o;

	return parse_options(data, &o);
}

struct fs_type tmpfs_type = {
	.name = "tmpfs",
	.flags = FS_NODEV | FS_USERNS_MOUNT,
	.mount = tmpfs_mount,
	.check_options = tmpfs_check_options,
};
static struct fs_type ramfs_type = {
	.name = "ramfs",
	.flags = FS_NODEV | FS_USERNS_MOUNT,
	.mount = tmpfs_mount,
};

int tmpfs_init(void)
{
	const struct cred *root;
	struct vfs_ctx c = { .cred = NULL };
	struct rlimit fds;
	int err;

	if (tmpfs.shm_mnt)
		return 0;
	/* Before the jail: it has no such call. */
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0 && fds.rlim_cur < INT_MAX)
		tmpfs_set_fd_budget((int)(fds.rlim_cur / 4 * 3));
	root = cred_new_root();
	if (!root)
		return -ENOMEM;
	c.cred = root;
	fs_type_register(&tmpfs_type);
	fs_type_register(&ramfs_type);
	err = tmpfs_mount(&c, &tmpfs_type, "tmpfs", "size=0,nr_inodes=0", NULL, &tmpfs.shm);
	if (err == 0) {
		tmpfs.shm_mnt = mount_new_internal(tmpfs.shm);
		err = tmpfs.shm_mnt ? 0 : -ENOMEM;
	}
	cred_put(root);
	return err;
}

int tmpfs_new_unlinked(struct vfs_ctx *c, const char *name, uint32_t mode, unsigned int seals,
		       struct file **out)
{
	struct inode_attr_new a = { S_IFREG | (mode & 07777), c->cred->fsuid, c->cred->fsgid, 0, 0 };
	struct path p = { .mnt = tmpfs.shm_mnt };
	struct tmpfs_inode *t;
	int err = tmpfs_inode_new(tmpfs.shm, &a, &t);

	if (err < 0)
		return err;
	t->i.nlink = 0;
	t->reg.seals = seals;
	p.dentry = dentry_new(tmpfs.shm->root, name, strnlen(name, NAME_LEN_MAX));
	if (!p.dentry) {
		inode_put(&t->i);
		return -ENOMEM;
	}
	dentry_set_inode(p.dentry, &t->i);
	dentry_kill(p.dentry);
	err = file_open_path(c, &p, O_RDWR, 0, out);
	dentry_put(p.dentry);
	return err;
}
