/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anon.c: inodes and names of files that are in no directory: pipes, sockets, eventfds and kin.
 *
 * One internal super and mount hold them all.  Pipes and sockets get an inode each; the rest share
 * one (as Linux's anon_inodefs).  Each file has a root-like dentry whose name is the whole text
 * that /proc/PID/fd shows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/vfs_impl.h"

#define ANON_INODE_FS_MAGIC 0x09041934
#define PIPEFS_MAGIC        0x50495045
#define SOCKFS_MAGIC        0x534F434B

static struct {
	struct super *sb;
	struct mount *mnt;
	struct inode *shared;
	atomic_uint_least64_t next_ino;
} anon;

static void anon_inode_free(struct inode *i)
{
	mem_free(i);
}

static int anon_statfs(struct super *sb, struct statfs_info *out)
{
	(void)sb;
	memset(out, 0, sizeof(*out));
	out->type = ANON_INODE_FS_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	return 0;
}

static const struct super_ops anon_super_ops = {
	.inode_free = anon_inode_free,
	.statfs = anon_statfs,
};

static const struct inode_ops anon_inode_ops = { .lookup = NULL };
static const struct file_ops anon_file_ops = { .read = NULL };

static struct fs_type anon_type = { .name = "anon_inodefs", .flags = FS_NODEV };

static struct inode *anon_inode_new(uint32_t mode)
{
	struct inode *i = mem_alloc(sizeof(*i));

	if (!i)
		return NULL;
	inode_init(i, anon.sb, &anon_inode_ops, mode);
	i->fops = &anon_file_ops;
	i->ino = atomic_fetch_add_explicit(&anon.next_ino, 1, memory_order_relaxed);
	return i;
}

int anon_init(void)
{
	struct inode *root;

	if (anon.sb)
		return 0;
	atomic_init(&anon.next_ino, 1);
	anon.sb = super_new(&anon_type, &anon_super_ops, NULL);
	if (!anon.sb)
		return -ENOMEM;
	anon.sb->flags = SUPER_NOATIME;
	anon.shared = anon_inode_new(0600);
	root = anon_inode_new(S_IFDIR | 0500);
	if (!anon.shared || !root)
		return -ENOMEM;
	anon.sb->root = dentry_new_root(anon.sb, root);
	if (!anon.sb->root)
		return -ENOMEM;
	anon.mnt = mount_new_internal(anon.sb);
	return anon.mnt ? 0 : -ENOMEM;
}

/* The inode (new reference) and the text for name. */
static struct inode *anon_inode_for(const char *name, uint64_t ino, char *text, size_t size)
{
	struct inode *i;

	if (!strcmp(name, "pipe"))
		i = anon_inode_new(S_IFIFO | 0600);
	else if (!strcmp(name, "socket"))
		i = anon_inode_new(S_IFSOCK | 0777);
	else {
		const char *fmt = strcmp(name, "inotify") ? "[" : "";

		snprintf(text, size, "anon_inode:%s%s%s", fmt, name, *fmt ? "]" : "");
		return inode_get(anon.shared);
	}
	if (i && ino)
		i->ino = ino;
	if (i)
		snprintf(text, size, "%s:[%llu]", name, (unsigned long long)i->ino);
	return i;
}

int file_new_anon(const char *name, const struct file_ops *ops, void *priv, int flags,
		  unsigned int kind, const struct cred *cred, struct file **out)
{
	return file_new_anon_ino(name, 0, ops, priv, flags, kind, cred, out);
}

int file_new_anon_ino(const char *name, uint64_t ino, const struct file_ops *ops, void *priv, int flags,
		      unsigned int kind, const struct cred *cred, struct file **out)
{
	char text[64];
	struct path p = { .mnt = anon.mnt };
	struct inode *i = anon_inode_for(name, ino, text, sizeof(text));
	struct file *f;
	int err;

	if (!i)
		return -ENOMEM;
	if (i != anon.shared) {
		i->uid = cred->fsuid;
		i->gid = cred->fsgid;
	}
	p.dentry = dentry_new_named_root(anon.sb, i, text);
	if (!p.dentry)
		return -ENOMEM;
	err = file_new(&p, ops, flags, cred, &f);
	dentry_put(p.dentry);
	if (err < 0)
		return err;
	f->kind = kind;
	f->priv = priv;
	*out = f;
	return 0;
}
