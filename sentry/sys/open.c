/* SPDX-License-Identifier: Apache-2.0 */
/* open.c: open(2), openat2(2), creat(2), memfd_create(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "sentry/sys/path_in.h"
#include "sys_calls.h"
#include "vfs/tmpfs/tmpfs.h"

#define OPEN_FLAGS                                                                                \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |     \
	 O_DSYNC | O_ASYNC | O_DIRECT | O_LARGEFILE_ | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |     \
	 O_CLOEXEC | O_PATH | O_TMPFILE)
#define O_LARGEFILE_     0100000 /* the C library's O_LARGEFILE is 0 here */
#define TMPFILE_BIT      (O_TMPFILE & ~O_DIRECTORY)
#define OPEN_HOW_SIZE_V0 24

/* The descriptor is reserved first: at the limit nothing is created. */
static long open_at(struct task *t, int dirfd, uaddr_t name, const struct open_how_args *how)
{
	struct path_in p;
	struct file *f;
	int fd, err;

	err = path_in_get(t, &p, dirfd, name,
			  how->walk & (WALK_BENEATH | WALK_IN_ROOT) ? PATH_IN_SCOPED : 0);
	if (err < 0)
		return err;
	fd = fdt_reserve_from(t->fdt, 0, task_rlimit(t, RLIMIT_NOFILE));
	if (fd < 0) {
		path_in_put(&p);
		return fd;
	}
	err = vfs_open(task_vfs(t), p.at, p.name.text, how, &f);
	path_in_put(&p);
	if (err < 0) {
		fdt_unreserve(t->fdt, 1, &fd);
		return err;
	}
	fdt_install(t->fdt, fd, f, how->flags & O_CLOEXEC); /* consumes f */
	return fd;
}

/* open(2) and openat(2) ignore what they don't know. */
long sys_openat(struct task *t, int dirfd, uaddr_t path, int flags, uint32_t mode)
{
	struct open_how_args how = { .flags = flags & OPEN_FLAGS };

	if (flags & (O_CREAT | TMPFILE_BIT))
		how.mode = mode & 07777;
	return open_at(t, dirfd, path, &how);
}

long sys_open(struct task *t, uaddr_t path, int flags, uint32_t mode)
{
	return sys_openat(t, AT_FDCWD, path, flags, mode);
}

long sys_creat(struct task *t, uaddr_t path, uint32_t mode)
{
	return sys_openat(t, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int how_check(const struct open_how *how)
{
	const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
				 RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
	const uint64_t both = RESOLVE_BENEATH | RESOLVE_IN_ROOT;

	if ((how->flags & ~(uint64_t)OPEN_FLAGS) || (how->resolve & ~resolve) ||
	    (how->resolve & both) == both)
		return -EINVAL;
	if (how->flags & (O_CREAT | TMPFILE_BIT)) {
		if (how->mode & ~07777ULL)
			return -EINVAL;
	} else if (how->mode) {
		return -EINVAL;
	}
	if ((how->flags & O_PATH) &&
	    (how->flags & ~(uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
		return -EINVAL;
	return 0;
}

static unsigned int walk_of_resolve(uint64_t resolve)
{
	static const struct {
		uint64_t resolve;
		unsigned int walk;
	} map[] = {
		{ RESOLVE_NO_XDEV, WALK_NO_XDEV },
		{ RESOLVE_NO_MAGICLINKS, WALK_NO_MAGICLINKS },
		{ RESOLVE_NO_SYMLINKS, WALK_NO_SYMLINKS },
		{ RESOLVE_BENEATH, WALK_BENEATH },
		{ RESOLVE_IN_ROOT, WALK_IN_ROOT },
		{ RESOLVE_CACHED, WALK_CACHED },
	};
	unsigned int walk = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (resolve & map[i].resolve)
			walk |= map[i].walk;
	return walk;
}

long sys_openat2(struct task *t, int dirfd, uaddr_t path, uaddr_t how, size_t size)
{
	struct open_how_args args;
	struct open_how k;
	int err;

	if (size < OPEN_HOW_SIZE_V0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = uaccess_get_struct(t, &k, sizeof(k), how, size);
	if (err == 0)
		err = how_check(&k);
	if (err < 0)
		return err;
	args = (struct open_how_args){ (int)k.flags, (uint32_t)k.mode, walk_of_resolve(k.resolve) };
	return open_at(t, dirfd, path, &args);
}

/* ---- memfd_create ----------------------------------------------------------------------------- */

#define MFD_CLOEXEC_       0x1u
#define MFD_ALLOW_SEALING_ 0x2u
#define MFD_NOEXEC_SEAL_   0x8u
#define MFD_EXEC_          0x10u
#define MFD_ALL_           (MFD_CLOEXEC_ | MFD_ALLOW_SEALING_ | MFD_NOEXEC_SEAL_ | MFD_EXEC_)
#define MFD_HUGETLB_       0x4u
#define MFD_HUGE_SIZE_     (0x3fu << 26)
#define MEMFD_PREFIX       "memfd:"
#define SEAL_SEAL          0x1u
#define SEAL_EXEC          0x20u

long sys_memfd_create(struct task *t, uaddr_t name, unsigned int flags)
{
	char text[NAME_LEN_MAX + 1] = MEMFD_PREFIX;
	const size_t prefix = sizeof(MEMFD_PREFIX) - 1;
	unsigned int seals = flags & MFD_ALLOW_SEALING_ ? 0 : SEAL_SEAL;
	uint32_t mode = 0777;
	struct file *f;
	ssize_t n;
	int err;

	if (flags & MFD_HUGETLB_) /* no size of huge pages is to be had */
		return flags & ~(MFD_ALL_ | MFD_HUGETLB_ | MFD_HUGE_SIZE_) ? -EINVAL : -ENODEV;
	if (flags & ~MFD_ALL_)
		return -EINVAL;
	if ((flags & MFD_EXEC_) && (flags & MFD_NOEXEC_SEAL_))
		return -EINVAL;
	n = uaccess_get_string(t, text + prefix, name, sizeof(text) - prefix);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	if (flags & MFD_NOEXEC_SEAL_) {
		mode = 0666;
		seals = SEAL_EXEC;
	}
	err = tmpfs_new_unlinked(task_vfs(t), text, mode, seals, &f);
	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & MFD_CLOEXEC_ ? O_CLOEXEC : 0,
		       task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}
