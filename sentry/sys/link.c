/* SPDX-License-Identifier: Apache-2.0 */
/* link.c: link(2), symlink(2), readlink(2), unlink(2), rename(2), mknod(2). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sys_calls.h"

/* Two names; on failure nothing is held. */
static int two_paths_get(struct task *t, struct path_in *a, int a_dirfd, uaddr_t a_name,
			 int a_flags, struct path_in *b, int b_dirfd, uaddr_t b_name)
{
	int err = path_in_get(t, a, a_dirfd, a_name, a_flags);

	if (err < 0)
		return err;
	err = path_in_get(t, b, b_dirfd, b_name, 0);
	if (err < 0)
		path_in_put(a);
	return err;
}

long sys_linkat(struct task *t, int olddirfd, uaddr_t old, int newdirfd, uaddr_t new, int flags)
{
	struct path_in a, b;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = two_paths_get(t, &a, olddirfd, old, flags, &b, newdirfd, new);
	if (err < 0)
		return err;
	err = vfs_link(task_vfs(t), a.at, a.name.text, b.at, b.name.text, flags);
	path_in_put(&a);
	path_in_put(&b);
	return err;
}

long sys_link(struct task *t, uaddr_t old, uaddr_t new)
{
	return sys_linkat(t, AT_FDCWD, old, AT_FDCWD, new, 0);
}

long sys_symlinkat(struct task *t, uaddr_t target, int dirfd, uaddr_t path)
{
	struct path_in a, b;
	int err = two_paths_get(t, &a, AT_FDCWD, target, 0, &b, dirfd, path);

	if (err < 0)
		return err;
	err = vfs_symlink(task_vfs(t), a.name.text, b.at, b.name.text);
	path_in_put(&a);
	path_in_put(&b);
	return err;
}

long sys_symlink(struct task *t, uaddr_t target, uaddr_t path)
{
	return sys_symlinkat(t, target, AT_FDCWD, path);
}

/* An empty name means dirfd itself, opened with O_PATH|O_NOFOLLOW on a symlink. */
static int readlink_text(struct task *t, int dirfd, uaddr_t path, char **text)
{
	struct path_in in;
	struct path p;
	int err = path_in_get(t, &in, dirfd, path, AT_EMPTY_PATH);

	if (err < 0)
		return err;
	err = vfs_walk(task_vfs(t), in.at, in.name.text, WALK_EMPTY, &p);
	path_in_put(&in);
	if (err < 0)
		return err;
	err = vfs_readlink(task_vfs(t), &p, text);
	if (err == -EINVAL && in.name.text[0] == '\0')
		err = -ENOENT;
	path_put(&p);
	return err;
}

long sys_readlinkat(struct task *t, int dirfd, uaddr_t path, uaddr_t buf, int size)
{
	char *text;
	long r;

	if (size <= 0)
		return -EINVAL;
	r = readlink_text(t, dirfd, path, &text);
	if (r < 0)
		return r;
	size = (int)MIN((size_t)size, strlen(text));
	r = uaccess_put(t, buf, text, (size_t)size);
	mem_free(text);
	return r < 0 ? r : size;
}

long sys_readlink(struct task *t, uaddr_t path, uaddr_t buf, int size)
{
	return sys_readlinkat(t, AT_FDCWD, path, buf, size);
}

long sys_unlinkat(struct task *t, int dirfd, uaddr_t path, int flags)
{
	struct path_in p;
	int err;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	err = path_in_get(t, &p, dirfd, path, 0);
	if (err < 0)
		return err;
	if (flags & AT_REMOVEDIR)
		err = vfs_rmdir(task_vfs(t), p.at, p.name.text);
	else
		err = vfs_unlink(task_vfs(t), p.at, p.name.text);
	path_in_put(&p);
	return err;
}

long sys_unlink(struct task *t, uaddr_t path)
{
	return sys_unlinkat(t, AT_FDCWD, path, 0);
}

long sys_renameat2(struct task *t, int olddirfd, uaddr_t old, int newdirfd, uaddr_t new,
		   unsigned int flags)
{
	struct path_in a, b;
	int err = two_paths_get(t, &a, olddirfd, old, 0, &b, newdirfd, new);

	if (err < 0)
		return err;
	err = vfs_rename(task_vfs(t), a.at, a.name.text, b.at, b.name.text, flags);
	path_in_put(&a);
	path_in_put(&b);
	return err;
}

long sys_renameat(struct task *t, int olddirfd, uaddr_t old, int newdirfd, uaddr_t new)
{
	return sys_renameat2(t, olddirfd, old, newdirfd, new, 0);
}

long sys_rename(struct task *t, uaddr_t old, uaddr_t new)
{
	return sys_renameat2(t, AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* The 32-bit form of device numbers (new_decode_dev()). */
static uint64_t decode_dev(unsigned int dev)
{
	return makedev((dev & 0xfff00) >> 8, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

long sys_mknodat(struct task *t, int dirfd, uaddr_t path, uint32_t mode, unsigned int dev)
{
	struct path_in p;
	int err = path_in_get(t, &p, dirfd, path, 0);

	if (err < 0)
		return err;
	err = vfs_mknod(task_vfs(t), p.at, p.name.text, mode, decode_dev(dev));
	path_in_put(&p);
	return err;
}

long sys_mknod(struct task *t, uaddr_t path, uint32_t mode, unsigned int dev)
{
	return sys_mknodat(t, AT_FDCWD, path, mode, dev);
}
