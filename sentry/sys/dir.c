/* SPDX-License-Identifier: Apache-2.0 */
/* dir.c: getdents(2), mkdir(2), rmdir(2), chdir(2), chroot(2), getcwd(2), umask(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sys_calls.h"

#define DIRENTS_MAX (64u * 1024)

/* ---- getdents --------------------------------------------------------------------------------- */

/* The common head of both records; type follows in dirent64, comes last in the old one. */
struct dirent_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
} __attribute__((packed));
_Static_assert(sizeof(struct dirent_head) == 18, "struct linux_dirent");

struct dents {
	struct dir_emit emit;
	char *buf;
	size_t size, used;
	bool too_small; /* not even the first one fitted */
};

static bool dents_fits(struct dents *d, size_t reclen)
{
	if (reclen <= d->size - d->used)
		return true;
	d->too_small = d->used == 0;
	return false;
}

static bool emit_dirent64(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
			  unsigned int type, int64_t next)
{
	struct dents *d = container_of(e, struct dents, emit);
	size_t reclen = ALIGN_UP(sizeof(struct dirent_head) + 1 + len + 1, 8);
	struct dirent_head h = { ino, next, (uint16_t)reclen };
	char *p = d->buf + d->used;

	if (!dents_fits(d, reclen))
		return false;
	memset(p, 0, reclen);
	memcpy(p, &h, sizeof(h));
	p[sizeof(h)] = (char)type;
	memcpy(p + sizeof(h) + 1, name, len);
	d->used += reclen;
	return true;
}

static bool emit_dirent(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
			unsigned int type, int64_t next)
{
	struct dents *d = container_of(e, struct dents, emit);
	size_t reclen = ALIGN_UP(sizeof(struct dirent_head) + len + 2, 8);
	struct dirent_head h = { ino, next, (uint16_t)reclen };
	char *p = d->buf + d->used;

	if (!dents_fits(d, reclen))
		return false;
	memset(p, 0, reclen);
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), name, len);
	p[reclen - 1] = (char)type;
	d->used += reclen;
	return true;
}

static long getdents(struct task *t, int fd, uaddr_t dirents, unsigned int size,
		     bool (*emit)(struct dir_emit *, const char *, size_t, uint64_t, unsigned int,
				  int64_t))
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct dents d = { .emit = { emit }, .size = MIN(size, DIRENTS_MAX) };
	long r = -ENOMEM;

	if (!f)
		return -EBADF;
	d.buf = mem_alloc(d.size + 1);
	if (d.buf)
		r = file_readdir(task_vfs(t), f, &d.emit);
	if (r == 0 && d.too_small)
		r = -EINVAL;
	/* What was read before an error is handed out first, as Linux does. */
	if (d.used > 0) {
		r = uaccess_put(t, dirents, d.buf, d.used);
		if (r == 0)
			r = (long)d.used;
	}
	mem_free(d.buf);
	file_put(f);
	return r;
}

long sys_getdents64(struct task *t, int fd, uaddr_t dirents, unsigned int size)
{
	return getdents(t, fd, dirents, size, emit_dirent64);
}

long sys_getdents(struct task *t, int fd, uaddr_t dirents, unsigned int size)
{
	return getdents(t, fd, dirents, size, emit_dirent);
}

/* ---- making and removing ---------------------------------------------------------------------- */

long sys_mkdirat(struct task *t, int dirfd, uaddr_t path, uint32_t mode)
{
	struct path_in p;
	int err = path_in_get(t, &p, dirfd, path, 0);

	if (err < 0)
		return err;
	err = vfs_mkdir(task_vfs(t), p.at, p.name.text, mode);
	path_in_put(&p);
	return err;
}

long sys_mkdir(struct task *t, uaddr_t path, uint32_t mode)
{
	return sys_mkdirat(t, AT_FDCWD, path, mode);
}

long sys_rmdir(struct task *t, uaddr_t path)
{
	return sys_unlinkat(t, AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- where a task is -------------------------------------------------------------------------- */

/* Swap p (consumed) into *where. */
static void fs_set(struct task *t, struct path *where, const struct path *p)
{
	struct path old;

	mutex_lock(&t->fs->lock);
	old = *where;
	*where = *p;
	mutex_unlock(&t->fs->lock);
	path_put(&old);
}

static int may_enter(struct task *t, const struct path *p)
{
	return inode_permission(task_vfs(t), dentry_inode(p->dentry), MAY_EXEC);
}

long sys_chdir(struct task *t, uaddr_t path)
{
	struct path p;
	int err = path_in_walk(t, AT_FDCWD, path, 0, WALK_FOLLOW | WALK_DIRECTORY, &p);

	if (err < 0)
		return err;
	err = may_enter(t, &p);
	if (err < 0) {
		path_put(&p);
		return err;
	}
	fs_set(t, &t->fs->cwd, &p); /* consumes p */
	return 0;
}

long sys_fchdir(struct task *t, int fd)
{
	struct file *f = fdt_file(t->fdt, fd);
	struct path p;
	int err;

	if (!f)
		return -EBADF;
	p = f->path;
	path_get(&p);
	err = S_ISDIR(f->inode->mode) ? may_enter(t, &p) : -ENOTDIR;
	file_put(f);
	if (err < 0) {
		path_put(&p);
		return err;
	}
	fs_set(t, &t->fs->cwd, &p); /* consumes p */
	return 0;
}

long sys_chroot(struct task *t, uaddr_t path)
{
	struct path p;
	int err = path_in_walk(t, AT_FDCWD, path, 0, WALK_FOLLOW | WALK_DIRECTORY, &p);

	if (err < 0)
		return err;
	err = may_enter(t, &p);
	if (err == 0 && !cred_capable_ns(t->cred, t->cred->user_ns, CAP_SYS_CHROOT))
		err = -EPERM;
	if (err < 0) {
		path_put(&p);
		return err;
	}
	fs_set(t, &t->fs->root, &p); /* consumes p */
	return 0;
}

long sys_getcwd(struct task *t, uaddr_t buf, unsigned long size)
{
	struct vfs_ctx *c = task_vfs(t);
	struct buf text;
	long r;

	if (dentry_unlinked(c->cwd.dentry))
		return -ENOENT;
	buf_init(&text);
	r = vfs_path_text(&c->root, &c->cwd, &text);
	if (r == 0 && text.size + 1 > PATH_LEN_MAX)
		r = -ENAMETOOLONG;
	if (r == 0 && text.size + 1 > size)
		r = -ERANGE;
	if (r == 0)
		r = uaccess_put(t, buf, text.data, text.size + 1);
	if (r == 0)
		r = (long)text.size + 1;
	buf_fini(&text);
	return r;
}

long sys_umask(struct task *t, int mask)
{
	uint32_t old;

	mutex_lock(&t->fs->lock);
	old = t->fs->umask;
	t->fs->umask = (uint32_t)mask & 0777;
	mutex_unlock(&t->fs->lock);
	return old;
}
