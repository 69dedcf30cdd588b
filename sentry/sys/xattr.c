/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.c: setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l, f and at forms; and
 * file_getattr(2), file_setattr(2), of which no file system here knows anything.
 */
#include <errno.h>
#include <fcntl.h>

#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sys_calls.h"

#define XATTR_NAME_SIZE 256 /* the NUL included */
#define XATTR_SIZE_LIMIT 65536

struct xattr_name {
	char text[XATTR_NAME_SIZE];
};

static int name_get(struct task *t, struct xattr_name *n, uaddr_t name)
{
	ssize_t len = uaccess_get_string(t, n->text, name, sizeof(n->text));

	if (len == -ENAMETOOLONG || len == 0)
		return -ERANGE;
	return len < 0 ? (int)len : 0;
}

/* The object of a call: a path, or (path NULL) a descriptor. */
static int object_get(struct task *t, int dirfd, const uaddr_t *path, int at_flags,
		      struct path *out)
{
	struct file *f;

	if (path)
		return path_in_walk(t, dirfd, *path, at_flags, walk_of_at(at_flags), out);
	f = fdt_file_nopath(t->fdt, dirfd);
	if (!f)
		return -EBADF;
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

/* ---- on an object ----------------------------------------------------------------------------- */

static long set_on(struct task *t, const struct path *p, const struct xattr_name *n, uaddr_t value,
		   size_t size, int flags)
{
	char *buf;
	long r;

	if (flags & ~3)
		return -EINVAL;
	if (size > XATTR_SIZE_LIMIT)
		return -E2BIG;
	buf = mem_alloc(size + 1);
	if (!buf)
		return -ENOMEM;
	r = uaccess_get(t, buf, value, size);
	if (r == 0)
		r = vfs_setxattr(task_vfs(t), p, n->text, buf, size, flags);
	mem_free(buf);
	return r;
}

static long get_on(struct task *t, const struct path *p, const struct xattr_name *n, uaddr_t value,
		   size_t size)
{
	char *buf = NULL;
	long r;

	size = MIN(size, (size_t)XATTR_SIZE_LIMIT);
	if (size > 0) {
		buf = mem_alloc(size);
		if (!buf)
			return -ENOMEM;
	}
	r = vfs_getxattr(task_vfs(t), p, n->text, buf, size);
	if (r > 0 && size > 0 && uaccess_put(t, value, buf, (size_t)r) < 0)
		r = -EFAULT;
	mem_free(buf);
	return r;
}

static long list_on(struct task *t, const struct path *p, uaddr_t list, size_t size)
{
	char *buf = NULL;
	long r;

	size = MIN(size, (size_t)XATTR_SIZE_LIMIT);
	if (size > 0) {
		buf = mem_alloc(size);
		if (!buf)
			return -ENOMEM;
	}
	r = vfs_listxattr(task_vfs(t), p, buf, size);
	if (r > 0 && size > 0 && uaccess_put(t, list, buf, (size_t)r) < 0)
		r = -EFAULT;
	mem_free(buf);
	return r;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static long do_set(struct task *t, int dirfd, const uaddr_t *path, int at_flags, uaddr_t name,
		   uaddr_t value, size_t size, int flags)
{
	struct xattr_name n;
	struct path p;
	long r = name_get(t, &n, name);

	if (r == 0)
		r = object_get(t, dirfd, path, at_flags, &p);
	if (r < 0)
		return r;
	r = set_on(t, &p, &n, value, size, flags);
	path_put(&p);
	return r;
}

static long do_get(struct task *t, int dirfd, const uaddr_t *path, int at_flags, uaddr_t name,
		   uaddr_t value, size_t size)
{
	struct xattr_name n;
	struct path p;
	long r = name_get(t, &n, name);

	if (r == 0)
		r = object_get(t, dirfd, path, at_flags, &p);
	if (r < 0)
		return r;
	r = get_on(t, &p, &n, value, size);
	path_put(&p);
	return r;
}

static long do_list(struct task *t, int dirfd, const uaddr_t *path, int at_flags, uaddr_t list,
		    size_t size)
{
	struct path p;
	long r = object_get(t, dirfd, path, at_flags, &p);

	if (r < 0)
		return r;
	r = list_on(t, &p, list, size);
	path_put(&p);
	return r;
}

static long do_remove(struct task *t, int dirfd, const uaddr_t *path, int at_flags, uaddr_t name)
{
	struct xattr_name n;
	struct path p;
	long r = name_get(t, &n, name);

	if (r == 0)
		r = object_get(t, dirfd, path, at_flags, &p);
	if (r < 0)
		return r;
	r = vfs_removexattr(task_vfs(t), &p, n.text);
	path_put(&p);
	return r;
}

long sys_setxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return do_set(t, AT_FDCWD, &path, 0, name, value, size, flags);
}

long sys_lsetxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size,
		   int flags)
{
	return do_set(t, AT_FDCWD, &path, AT_SYMLINK_NOFOLLOW, name, value, size, flags);
}

long sys_fsetxattr(struct task *t, int fd, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return do_set(t, fd, NULL, 0, name, value, size, flags);
}

long sys_getxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return do_get(t, AT_FDCWD, &path, 0, name, value, size);
}

long sys_lgetxattr(struct task *t, uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return do_get(t, AT_FDCWD, &path, AT_SYMLINK_NOFOLLOW, name, value, size);
}

long sys_fgetxattr(struct task *t, int fd, uaddr_t name, uaddr_t value, size_t size)
{
	return do_get(t, fd, NULL, 0, name, value, size);
}

long sys_listxattr(struct task *t, uaddr_t path, uaddr_t list, size_t size)
{
	return do_list(t, AT_FDCWD, &path, 0, list, size);
}

long sys_llistxattr(struct task *t, uaddr_t path, uaddr_t list, size_t size)
{
	return do_list(t, AT_FDCWD, &path, AT_SYMLINK_NOFOLLOW, list, size);
}

long sys_flistxattr(struct task *t, int fd, uaddr_t list, size_t size)
{
	return do_list(t, fd, NULL, 0, list, size);
}

long sys_removexattr(struct task *t, uaddr_t path, uaddr_t name)
{
	return do_remove(t, AT_FDCWD, &path, 0, name);
}

long sys_lremovexattr(struct task *t, uaddr_t path, uaddr_t name)
{
	return do_remove(t, AT_FDCWD, &path, AT_SYMLINK_NOFOLLOW, name);
}

long sys_fremovexattr(struct task *t, int fd, uaddr_t name)
{
	return do_remove(t, fd, NULL, 0, name);
}

/* ---- the at forms (Linux 6.13) ---------------------------------------------------------------- */

struct xattr_args_abi {
	uint64_t value;
	uint32_t size, flags;
};
_Static_assert(sizeof(struct xattr_args_abi) == 16, "struct xattr_args");

static int at_flags_check(unsigned int flags)
{
	return flags & ~(unsigned int)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : 0;
}

static int args_get(struct task *t, struct xattr_args_abi *a, uaddr_t args, size_t size)
{
	if (size < sizeof(*a))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return uaccess_get_struct(t, a, sizeof(*a), args, size);
}

long sys_setxattrat(struct task *t, int dirfd, uaddr_t path, unsigned int flags, uaddr_t name,
		    uaddr_t args, size_t size)
{
	struct xattr_args_abi a;
	int err = at_flags_check(flags);

	if (err == 0)
		err = args_get(t, &a, args, size);
	if (err < 0)
		return err;
	return do_set(t, dirfd, &path, (int)flags, name, uaddr(a.value), a.size, (int)a.flags);
}

long sys_getxattrat(struct task *t, int dirfd, uaddr_t path, unsigned int flags, uaddr_t name,
		    uaddr_t args, size_t size)
{
	struct xattr_args_abi a;
	int err = at_flags_check(flags);

	if (err == 0)
		err = args_get(t, &a, args, size);
	if (err == 0 && a.flags)
		err = -EINVAL;
	if (err < 0)
		return err;
	return do_get(t, dirfd, &path, (int)flags, name, uaddr(a.value), a.size);
}

long sys_listxattrat(struct task *t, int dirfd, uaddr_t path, unsigned int flags, uaddr_t list,
		     size_t size)
{
	int err = at_flags_check(flags);

	return err < 0 ? err : do_list(t, dirfd, &path, (int)flags, list, size);
}

long sys_removexattrat(struct task *t, int dirfd, uaddr_t path, unsigned int flags, uaddr_t name)
{
	int err = at_flags_check(flags);

	return err < 0 ? err : do_remove(t, dirfd, &path, (int)flags, name);
}

/* ---- file_getattr, file_setattr ----------------------------------------------------------------- */

#define FILE_ATTR_SIZE_0 24u /* struct file_attr of linux/fs.h */

/* 0, or what is wrong with the call itself, in fs/file_attr.c's order. */
static int file_attr_check(unsigned int flags, size_t size)
{
	int err = at_flags_check(flags);

	if (err)
		return err;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return size < FILE_ATTR_SIZE_0 ? -EINVAL : 0;
}

static int file_attr_of(struct task *t, int dirfd, uaddr_t path, unsigned int flags)
{
	struct path p;
	int err = path_in_walk(t, dirfd, path, (int)flags, walk_of_at((int)flags), &p);

	if (err)
		return err;
	path_put(&p);
	return -EOPNOTSUPP;
}

long sys_file_getattr(struct task *t, int dirfd, uaddr_t path, uaddr_t attr, size_t size,
		      unsigned int flags)
{
	int err = file_attr_check(flags, size);

	(void)attr;
	return err ? err : file_attr_of(t, dirfd, path, flags);
}

long sys_file_setattr(struct task *t, int dirfd, uaddr_t path, uaddr_t attr, size_t size,
		      unsigned int flags)
{
	char copy[FILE_ATTR_SIZE_0];
	int err = file_attr_check(flags, size);

	if (!err && uaccess_get(t, copy, attr, sizeof(copy)))
		err = -EFAULT;
	return err ? err : file_attr_of(t, dirfd, path, flags);
}
